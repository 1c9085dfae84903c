/* SPDX-License-Identifier: Apache-2.0 */
/* Predictions that label errors are looked for with. */
#ifndef COMMANDS_VERBS_CHECK_LABELS_H
#define COMMANDS_VERBS_CHECK_LABELS_H

#include "check/check.h"
#include "commands/cli/args.h"

struct label_predictions {
    struct check_predictions q; /* what check_run takes */
    int64_t *ids;
    double *p;
    uint64_t capacity;
    char content[65], how[64];
};

/* Of the val and test rows of the run that --from names; else of every row of the
 * experiment, by networks that are trained on the other folds, in a folder that is
 * removed again. */
int label_predictions_make(const struct args *a, struct session *s,
                           struct label_predictions *out, struct diag *d);
void label_predictions_finish(struct label_predictions *l);
/* check/labels.csv. */
int label_issues_write(const struct check *c, const char **path, struct rn_error *e);

#endif

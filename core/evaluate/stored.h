/* SPDX-License-Identifier: Apache-2.0 */
/* The trained network of a run folder, evaluated or asked for predictions. */
#ifndef EVALUATE_STORED_H
#define EVALUATE_STORED_H

#include "evaluate/evaluate.h"
#include "record/record.h"

/* The resolved.yaml of a run must be there and readable: else the run is unusable
 * (RN_E_CHECKPOINT), while a wrong override is a mistake of the caller. */
int validate_resolved_yaml(const char *file, struct diag *d);

/* The plugins that the run was made with, as its record has them; r borrows `accepted`
 * and a. RN_E_CONFIG: a name in `accepted` that the run does not have. */
int stored_plugins(struct record *record, struct arena *a, const char *const *accepted,
                   uint32_t accepted_count, struct recorded_plugins *r,
                   struct rn_error *e);
/* Differences that were accepted: a warning, and a line of the run's log.txt, each. */
void stored_report_changes(const struct setup *s, struct record *record);

/* A finished or running run, opened to be used. */
struct stored_options {
    struct session *session;
    const char *folder;
    const char *checkpoint; /* NULL: best, else newest; or a name, or a file */
    const char *split;      /* eval: "val" or "test" */
    const char *data;       /* predict: a file for the source, or NULL */
    const char *only;       /* predict: this split of the run, "val"; NULL: all rows */
    bool newest;            /* without `checkpoint`: the newest, whatever is best */
    char *content;          /* predict: [65] the data's content hash; or NULL */
    uint32_t override_count;
    const char *const *overrides;
    const char *const *accepted; /* plugins whose change is accepted */
    uint32_t accepted_count;
    bool raw_parameters; /* not the averages, where the checkpoint has them */
};
/* Which values of the parameters were used. */
enum stored_parameters {
    STORED_ONLY /* there are no averages */,
    STORED_AVERAGE,
    STORED_RAW
};
/* Evaluate a split; the list's names live in a. */
int stored_eval(const struct stored_options *o, struct arena *a,
                struct metric_list *out, enum stored_parameters *used, struct diag *d);
/* Each batch of outputs: names and host tensors [rows, ...]. */
int stored_predict(const struct stored_options *o,
                   int (*batch)(void *context, uint64_t rows, const int64_t *ids,
                                uint32_t n, const char *const *names,
                                const struct rn_tensor *values),
                   void *context, struct diag *d);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Losses and metrics of a split. */
#ifndef EVALUATE_EVALUATE_H
#define EVALUATE_EVALUATE_H

#include "setup/setup.h"

struct metric_value {
    const char *name; /* "val/accuracy" */
    double value;
    int better;     /* 1 higher, -1 lower, 0 unknown */
    const char *of; /* the section that defines it: "loss", "metrics.0" */
};

struct metric_list {
    struct metric_value *at;
    uint32_t count, capacity;
};

/* NULL: there is none of this name. */
const struct metric_value *metric_find(const struct metric_list *l, const char *name);

struct evaluator; /* of one set-up */
/* Before setup_load it can only tell names. */
struct evaluator *evaluator_create(struct setup *s, struct arena *a);
/* Has every curve a name of its own? */
int evaluator_check_names(const struct evaluator *v, struct diag *d);
/* Names of what a split will give, without values: for monitors. */
void evaluator_names(const struct evaluator *v, const char *split,
                     struct metric_list *out);
/* tensor: called with each result that is not a single number (may be NULL). */
int evaluator_run(struct evaluator *v, enum data_split_kind split,
                  struct metric_list *out,
                  int (*tensor)(void *context, const char *series, const char *doc,
                                const struct rn_tensor *value),
                  void *context, struct rn_error *e);
void evaluator_destroy(struct evaluator *v);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The named programs of a run as graphs: train (or grad + apply when a step
 * accumulates), weights, eval, predict. One table of variables for all. */
#ifndef NETWORK_PROGRAMS_H
#define NETWORK_PROGRAMS_H

#include <runner/hook.h>

#include "network/network.h"

/* One entry of train.programs: which losses it minimises, which parameters it updates,
 * how often. Without the key: one, of all. */
struct objective {
    const char *name; /* "train", "discriminator" */
    uint32_t loss_count;
    uint32_t *losses;          /* indices into the experiment's losses */
    const struct node *update; /* patterns, or NULL: all trainable parameters */
    const struct node *node;
    uint32_t optimizer_count;
    uint32_t *optimizers; /* indices into the experiment's optimizers, in order */
    int64_t every;        /* runs at steps that this divides */
    uint32_t applied;     /* variable: i64 count of applied updates */
    uint32_t finite; /* variable, when a step accumulates: f32, 0 where a statistic of a
                       micro-batch was not finite */
    /* Variables, with dynamic loss scaling: f32; i64 steps since it changed; i64 steps
     * left out as the gradient overflowed. */
    uint32_t scale, growth_steps, overflows;
    uint32_t parameter_count;
    struct parameter *parameters;
};

/* A trained parameter and the optimizer that owns it. */
struct parameter {
    uint32_t variable;
    uint32_t optimizer;   /* index into the experiment's optimizers */
    uint32_t accumulator; /* variable, when a step accumulates */
};

/* What the gradient is multiplied by in f16, against underflow (docs/precision.md). */
struct scaling {
    enum { SCALING_NONE, SCALING_FIXED, SCALING_DYNAMIC } kind;
    double initial, growth, backoff, min;
    int64_t interval; /* steps */
};

/* train.lookahead: every so many updates slow weights keep a share of themselves, decay
 * times the share of the run that is over to the power of ramp; every 0: off. */
struct lookahead {
    int64_t every;
    double decay, ramp;
};

/* Outputs of programs, by name:
 *   train, grad:  "loss" f32 total of the losses; "regularization" f32 sum of the
 * penalties, where there are any; "loss.<i>" f32 mean of loss i, "weight.<i>" f32
 * (train) the sum of its weights where it has any; "norm" f32 of the gradient before
 * clipping; "skipped" bool: not finite, no update; with dynamic loss scaling "overflow"
 * bool: as the gradient overflowed, of which a smaller scale is the cure; "scale" f32
 * of the next step, "overflows" i64 so far weights:      "weight.<i>" f32 sum of
 * weights of loss i eval:         "sum.<i>", "weight.<i>" f32; "metric.<m>.<port>"
 * values for host-form predict:      "out.<name>" values Live inputs: "run.seed"
 * "run.step" "run.row" (u32), "run.first" (u32: 1 in the first micro-batch),
 * "run.inverse.<i>" (f32: 1 / total weight of the step), "run.share" (f32: this
 * micro-batch's share of the step's rows), "run.progress" (f32: share of the run's
 * steps that is over, this one included), live options by path. */
/* A field that a metric takes for classes 0 to choices - 1. */
struct measured {
    const char *metric; /* its path */
    const char *field;  /* without "data." */
    int64_t choices;
};

/* What a hook averages. */
struct averaged {
    uint32_t variable, average; /* variables */
    bool statistic;
};

struct averages { /* hook NULL: nothing is averaged */
    const struct bound_component *hook;
    int64_t start, every; /* steps: after `start`, and from there on every so many */
    uint32_t statistics;  /* RN_STATISTICS_* */
    uint32_t updates;     /* variable: i64 averages made so far */
    uint32_t refreshed;   /* variable, with RN_STATISTICS_REFRESH: i64 `updates` when
                             statistics were last computed */
    uint32_t count, refresh_count; /* refresh_count: statistics to refresh among them */
    struct averaged *at;
};

struct programs {
    struct experiment *experiment;
    struct variables *variables;
    struct arena *arena;
    uint32_t field_count;
    const struct network_field *fields;
    uint32_t objective_count;
    struct objective *objectives;
    struct resident resident;
    bool accumulate;
    double clip_norm, clip_value; /* 0 = off */
    bool nan_skip;
    bool anomaly; /* an update whose new values are not finite is left out, too */
    struct scaling scaling;
    struct lookahead lookahead;
    struct averages averages;
    double *factors;  /* weight of each loss in the total */
    double *elements; /* weight of one row of each loss that has no weights: its terms
                         per row; 1 for a loss of the batch or of parameters */
    struct measured *measured; /* of the latest programs_eval */
    uint32_t measured_count;
    /* NULL, or called with each point of the next programs_train, to append outputs. */
    int (*tap)(void *context, struct graph *g, const struct rn_point *point);
    void *tap_context;
};

/* Does `match` (a pattern, `rest`, or a map of role, rank, name) take the variable? */
bool variable_matches(const struct node *match, const struct variable *v);
/* Error when it takes none of the trainable ones. */
int match_check(const struct programs *p, const struct node *match, struct diag *d);

/* objective.c: read an entry of train.programs (n; NULL: all losses, all optimizers);
 * once variables are declared, give each parameter to update to an optimizer. */
int objective_read(struct programs *p, const struct node *n, struct objective *o,
                   struct diag *d);
int objective_bind(struct programs *p, struct objective *o, struct diag *d);

/* Read train.*, declare all variables through one pass of the network of `rows` rows,
 * bind parameters to optimizers when training. resident: rows of the
 * training split, where its fields stay on the device, and changes; the rest is filled
 * in here. */
int programs_create(struct experiment *x, struct arena *a, uint32_t field_count,
                    const struct network_field *fields, int64_t rows,
                    const struct resident *resident, bool training,
                    struct programs **out, struct diag *d);
/* Graphs; taps may be appended to what train returns (see taps.h). */
int programs_train(struct programs *p, uint32_t objective, int64_t rows,
                   struct graph **out, struct diag *d);
/* phases.c: phase i of a step before the update, by name; NULL: there are no more. */
const char *phases_name(const struct programs *p, const struct objective *o,
                        uint32_t i);
int programs_grad(struct programs *p, uint32_t objective, int64_t rows,
                  struct graph **out, struct diag *d);
int programs_apply(struct programs *p, uint32_t objective, struct graph **out,
                   struct diag *d);
int programs_weights(struct programs *p, uint32_t objective, int64_t rows,
                     struct graph **out, struct diag *d);
int programs_eval(struct programs *p, int64_t rows, struct graph **out, struct diag *d);
int programs_predict(struct programs *p, int64_t rows, struct graph **out,
                     struct diag *d);
#define AVERAGE_PREFIX    "average."
#define AVERAGE_UPDATES   "average.updates"
#define AVERAGE_REFRESHED "average.refreshed"
/* ---- average.c: where p->averages has a hook ---- */
/* The variable that holds the average of this one; UINT32_MAX: none does. */
uint32_t average_of(const struct programs *p, uint32_t variable);
/* With the parameters that are trained known: ask the hook, declare the averages. */
int averages_declare(struct programs *p, int64_t total_steps, int64_t steps_per_epoch,
                     struct diag *d);
/* The next averages. */
int programs_average(struct programs *p, struct graph **out, struct diag *d);
/* Before the first average: all as the parameters are. */
int programs_follow(struct programs *p, struct graph **out, struct diag *d);
/* A batch of a pass that computes the running statistics of the averaged parameters. */
int programs_refresh(struct programs *p, int64_t rows, struct graph **out,
                     struct diag *d);
/* What the program reads and assigns are the averages. */
void averages_redirect(const struct programs *p, struct graph *g);

/* Does any loss of the objective weigh its terms? (then weights runs first) */
int programs_weighted(struct programs *p, uint32_t objective, bool *out,
                      struct diag *d);

#endif

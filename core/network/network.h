/* SPDX-License-Identifier: Apache-2.0 */
/* The network of one batch in a graph: data fields, models, losses and metrics, their
 * ports bound by `in:` or by the only match. */
#ifndef NETWORK_NETWORK_H
#define NETWORK_NETWORK_H

#include "experiment/experiment.h"
#include "graph/graph.h"

/* A field of a sample as the data room delivers it. */
struct network_field {
    const char *name;
    rn_dtype dtype;
    uint32_t rank; /* per sample */
    int64_t shape[RN_MAX_RANK];
    bool target; /* of labels: no model reads it that does not name it */
};

struct network_value {
    const char *name; /* "data.x", "model.out", "model.fake.out" */
    rn_value value;
    bool used_by_model;
    bool target; /* of network_field */
};

struct network_loss {
    const struct bound_component *part;
    const char *name;      /* its curve: "" or "hard" */
    double factor;         /* the YAML's weight */
    bool by_row;           /* scope element or sample; else batch or parameter */
    bool of_parameters;    /* scope parameter */
    rn_value loss, weight; /* as described; weight RN_NONE = ones */
    rn_value sum,
        total_weight; /* scalars: sum(loss*weight), sum(weight); by_row only */
};

struct network {
    struct graph *graph;
    int64_t rows;
    int32_t phase;
    bool refresh;
    struct network_value *values;
    uint32_t value_count, value_capacity;
    struct network_loss *losses;
    uint32_t loss_count;
    /* host-form metrics: values of their ports, outputs "metric.<i>.<port>" are made by
     * the caller */
};

/* An augmenter whose change is made of operators, and is decided by a few integers for
 * each row, the same for all of its fields. */
struct resident_change {
    struct bound_component augmenter;
    uint32_t numbers; /* i32 per row */
    uint32_t field_count;
    uint32_t *fields; /* that it changes, in its order; UINT32_MAX: no model sees it */
};

/* Fields of the training split that stay on the device, by field, and what happens to
 * them there. */
struct resident {
    int64_t rows; /* of the split; 0: none does */
    uint32_t change_count;
    const struct resident_change *changes;
    bool *held;
    uint32_t *variable;
};
#define RESIDENT_PLACES "run.places" /* input, i64 [N]: which rows of the split */
/* Input, i32 [N, numbers]: what decides change i. */
const char *resident_numbers_name(struct arena *a, uint32_t change);

struct network_options {
    const struct experiment *experiment;
    struct variables *variables;
    struct arena *arena;
    const char *name; /* of the graph */
    int32_t phase;
    int64_t rows;
    uint32_t field_count;
    const struct network_field *fields;
    bool losses;                     /* build the losses too */
    bool refresh;                    /* running statistics are computed again */
    const struct resident *resident; /* or NULL: fields are inputs */
};

/* fields.c: field i of a batch; RN_NONE: see d. */
rn_value network_field_value(const struct network_options *o, struct graph *g,
                             uint32_t i, const char *name, struct diag *d);
/* The data field whose values, and no others, a value has; NULL: none. */
const char *network_source(const struct graph *g, rn_value v);
/* Errors carry component, port and YAML place. */
int network_build(const struct network_options *o, struct network *out, struct diag *d);
/* How a loss's terms are averaged: "element", "sample", "batch" or "parameter". */
const char *network_loss_scope(const struct bound_component *loss);
/* Bind the ports of a loss or metric: writes component->in_count values. */
int network_bind(struct network *n, const struct network_options *o,
                 const struct bound_component *part, rn_value *out, struct diag *d);
/* The end of a description that returned `status`, after instance_watch: what the
 * component asked the host for wrongly comes first, as it explains what follows from
 * it; then the builder's first error, then the status. */
int network_finish(const struct bound_component *part, struct builder *b, int status,
                   struct rn_error *e);
/* What a component built against what it declared; and what it did wrong meanwhile. */
int network_check(const struct network *n, const struct bound_component *part,
                  const struct builder *b, struct rn_error *e);
/* ---- rewrite.c ---- */
/* Does the hook look at this path? `at:` names it, or a layer above it. used: NULL, or
 * by item of `at`, set for those that do. */
bool hook_aims_at(const struct bound_component *hook, const char *path, bool *used);
/* Is there a hook that rewrites? */
bool network_rewrites(const struct experiment *x);
/* What the hooks put in the place of the point's value, its own if none does; RN_NONE:
 * see d. */
rn_value network_rewrite(const struct experiment *x, struct graph *g,
                         const struct rn_point *point, int32_t phase, struct diag *d);
/* The value named so ("model.out", "data.x", "model" for its only output). */
rn_value network_find(const struct network *n, const char *name);

#endif

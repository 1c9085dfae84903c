/* SPDX-License-Identifier: Apache-2.0 */
/* The graph: values, operators, variables. Built by describe functions through
 * struct rn_build (build.h), changed only by functions that return a new graph.
 *
 * A value is an id with static shape and dtype; 0 is none. A program is a graph with
 * named inputs and outputs that reads variables and assigns each at most once. */
#ifndef GRAPH_GRAPH_H
#define GRAPH_GRAPH_H

#include <stdbool.h>

#include <runner/build.h>
#include <runner/hook.h>
#include <runner/operator.h>

#include "base/memory.h"
#include "base/text.h"

/* ---- variables: one table for all programs of a run ---- */
struct variable {
    uint32_t id;       /* index in the table */
    const char *name;  /* "model.conv1.weight" */
    const char *role;  /* "weight", "bias", ..., "state" */
    const char *owner; /* component path: "model", "optimizer.hidden" */
    rn_dtype dtype;
    uint32_t rank;
    int64_t shape[RN_MAX_RANK];
    uint64_t count; /* elements */
    bool trainable;
    bool checkpointed;
    bool optional; /* a checkpoint without it leaves the first value */
    int64_t fan_in, fan_out;
    const char *init; /* init component's bare name or NULL: filled with value */
    double value;
};
struct variables;
struct variables *variables_create(struct arena *a);
uint32_t variables_count(const struct variables *t);
const struct variable *variables_at(const struct variables *t, uint32_t id);
/* As declared, or derived from the shape [out, in, k...]. */
void variable_fans(const struct variable *v, int64_t *in, int64_t *out);
const struct variable *variables_find(const struct variables *t, const char *name);
/* Declare, or find with equal shape and dtype; a mismatch is RN_E_PLUGIN. *id set. */
int variables_declare(struct variables *t, const struct variable *v, uint32_t *id,
                      struct rn_error *e);

/* ---- operators: one row each in ops.c (see ops.h of the API for their meaning) ----
 */
#define OP_PRIMITIVE   1u  /* every backend has it */
#define OP_ELEMENTWISE 2u  /* may be fused into a region */
#define OP_MIXES_ROWS  4u  /* padding rows may not reach it without a mask */
#define OP_RANDOM      8u  /* takes hidden inputs seed, step, row */
#define OP_SOURCE      16u /* input, variable, live, constant: no kernel */
#define OP_VIEW        32u /* reshape-like: output may be the same bytes */
#define OP_REDUCTION   64u
/* Decomposes where its images are blocked or its operands have 16 bits, else primitive.
 */
#define OP_BLOCKED 128u
#define OP_COSTLY  256u /* an elementwise function of many operations */
/* The result has every value of its operand and no other. */
#define OP_KEEPS_VALUES 512u
#define OP_LABELS       1024u /* chooses among the classes of its scores */
struct op;                    /* the row; private to core/graph but for these */
const struct op *op_find(const char *name); /* NULL: unknown */
bool op_known(const struct op *op);         /* is it a row of the table? */
const char *op_name(const struct op *op);
uint32_t op_traits(const struct op *op);
uint32_t op_version(const struct op *op);
/* How many things integer operand *index of the node chooses from; 0: it chooses
 * nothing. */
struct graph;
struct gnode;
int64_t gnode_choices(const struct graph *g, const struct gnode *n, uint32_t *index);
uint32_t op_count(void);
const struct op *op_at(uint32_t i);

struct gvalue {
    rn_dtype dtype;
    uint32_t rank;
    int64_t shape[RN_MAX_RANK];
    uint32_t node;  /* index of the node that makes it */
    uint32_t index; /* which output */
};

/* What a node is for; says nothing of its meaning. */
enum graph_part { GRAPH_FORWARD, GRAPH_BACKWARD, GRAPH_UPDATE };

struct gnode {
    const struct op *op;
    const struct rn_operator *custom; /* for op "custom" */
    uint32_t in_count, out_count;
    rn_value *in, *out;
    uint32_t attr_count;
    struct rn_attr *attrs; /* all present, defaults filled in, axes >= 0, arena-owned */
    const char *scope;     /* "model.conv1"; "" at top */
    enum graph_part part;
    /* sources only */
    const char *name;   /* input's or live option's name */
    uint32_t variable;  /* variable's id */
    const void *data;   /* constant's bytes */
    bool padded_rows;   /* input: some rows may be padding and hold anything */
    bool masks_rows;    /* input: bool [N], true where a row is none */
    struct graph *body; /* scan: what it runs at each step; else NULL */
};

struct goutput {
    const char *name;
    rn_value value;
};

struct gassign {
    uint32_t variable;
    rn_value value;
};

struct graph {
    struct arena *arena;
    struct variables *variables;
    const char *name;
    struct gvalue *values; /* [0] unused */
    uint32_t value_count, value_capacity;
    rn_value first_value; /* of a body: lower ids are those of the graph around it */
    struct gnode *nodes;  /* in topological order: operands come first */
    uint32_t node_count, node_capacity;
    struct goutput *outputs;
    uint32_t output_count, output_capacity;
    struct gassign *assigns;
    uint32_t assign_count, assign_capacity;
    const char *scope;    /* where new nodes go */
    enum graph_part part; /* the same */
};

struct graph *graph_create(struct arena *a, struct variables *v, const char *name);

/* Sources. An input, live scalar or variable of one name is one node. */
rn_value graph_input(struct graph *g, const char *name, rn_dtype t, uint32_t rank,
                     const int64_t *shape);
rn_value graph_live(struct graph *g, const char *name, rn_dtype t); /* scalar */
rn_value graph_variable(struct graph *g, uint32_t variable);
/* Say that rows of input x may be padding; `mask` is the bool input that marks them.
 * Then the verifier lets x reach what mixes rows through select(mask, x, ...) only. */
void graph_pad_rows(struct graph *g, rn_value x, rn_value mask);
rn_value graph_constant(struct graph *g, rn_dtype t, uint32_t rank,
                        const int64_t *shape, const void *data);
rn_value graph_scalar(struct graph *g, rn_dtype t, double x);

/* Any operator; applies the shape rule. Status and error on failure, outs RN_NONE. */
int graph_op(struct graph *g, const char *op, uint32_t n_in, const rn_value *in,
             uint32_t n_attr, const struct rn_attr *attrs, uint32_t n_out,
             rn_value *out, struct rn_error *e);
int graph_custom(struct graph *g, const struct rn_operator *op, uint32_t n_in,
                 const rn_value *in, uint32_t n_attr, const struct rn_attr *attrs,
                 rn_value *out, struct rn_error *e);
int graph_output(struct graph *g, const char *name, rn_value v, struct rn_error *e);
int graph_assign(struct graph *g, uint32_t variable, rn_value v, struct rn_error *e);
const struct gvalue *graph_value(const struct graph *g, rn_value v);
uint64_t graph_elements(const struct graph *g, rn_value v);
const struct rn_attr *gnode_attr(const struct gnode *n, const char *name);

/* Reverse mode: append nodes to g for d(sum of ys*gys)/dxs. gys NULL = ones. gxs[i] is
 * RN_NONE where nothing flows. May be applied to its own result. */
int graph_gradient(struct graph *g, uint32_t ny, const rn_value *ys,
                   const rn_value *gys, uint32_t nx, const rn_value *xs, rn_value *gxs,
                   struct rn_error *e);

/* Appends `from`, a graph of the same arena and variables, and returns what v of it is in
 * g. by_variable: by variable's id, the value of g that `from` reads in its place;
 * RN_NONE: the variable. Outputs and assignments of `from` stay behind. append.c */
rn_value graph_append(struct graph *g, const struct graph *from,
                      const rn_value *by_variable, rn_value v);

/* ---- scan: a body that runs once per step (docs/recurrent.md) ----
 * Operand k is input graph_scan_port(k) of the body: states, then step inputs (of which
 * the body reads one step's part, without axis 0), then fixed operands. */
struct graph_scan {
    uint32_t state_count, step_count, fixed_count;
    const rn_value *operands; /* in that order */
    int64_t length;           /* steps: axis 0 of each step input */
    bool reverse;             /* from the last step to the first */
    struct graph *body;       /* without results */
    const rn_value *next;     /* of the body: the states after a step */
    uint32_t out_count;
    const rn_value *step_out; /* of the body: collected as [length,...] */
    rn_value active; /* of the body: bool [N] of a step, false where a row has ended and
                        keeps its states; RN_NONE: all rows take all steps */
};
/* An empty body for a scan in g; values of g are not values of it. */
struct graph *graph_scan_body(struct graph *g);
/* The body's input for operand k: operand v, or one step's part of it. */
rn_value graph_scan_input(struct graph *body, const struct graph *g, uint32_t k,
                          rn_value v, bool step, struct rn_error *e);
/* Variables and live values that the body reads become fixed operands. out: the last
 * states, then the outputs. */
int graph_scan(struct graph *g, const struct graph_scan *s, rn_value *out,
               struct rn_error *e);

/* New graphs (same arena lifetime rules; a new arena may be given): */
/* Keep what outputs and assigns need, renumbered from the outputs in operand order;
 * folds common subexpressions and identities (algebra that never changes a bit). */
struct graph *graph_simplify(const struct graph *g, struct arena *a,
                             struct rn_error *e); /* NULL: see e */
/* Is there a kernel for node n? */
typedef bool (*graph_takes)(void *context, const struct graph *g,
                            const struct gnode *n);
/* Replace operators for which keep() is false by their decompositions, recursively. */
int graph_decompose(const struct graph *g, struct arena *a, graph_takes keep,
                    void *context, struct graph **out, struct rn_error *e);
/* Each node as `node` rewrites it: 1 = it made `out` in g, 0 = to be copied, reading
 * `in`, which it may have changed. `result` gives what stands at an output or assign.
 */
struct graph_edit {
    int (*node)(void *context, struct graph *g, const struct gnode *n, rn_value *in,
                rn_value *out, struct rn_error *e);
    rn_value (*result)(void *context, struct graph *g, rn_value v, struct rn_error *e);
    void *context;
};
int graph_rewrite(const struct graph *g, struct arena *a, const struct graph_edit *edit,
                  struct graph **out, struct rn_error *e);
/* ReLU taken into the normalisation before it or put behind max pooling, in a whole
 * program (docs/rewrites.md). What taps look at stays. fold.c */
struct graph *graph_fold(const struct graph *g, struct arena *a,
                         struct rn_error *e); /* NULL: see e */
/* Products with what follows them as one node where takes() says so; g, which a whole
 * program was decomposed to, is changed. epilogue.c */
struct graph *graph_epilogues(struct graph *g, struct arena *a, graph_takes takes,
                              void *context, struct rn_error *e); /* NULL: see e */
/* One cast to f32 of each value of 16 bits for all who read it from memory; g is
 * changed. Casts that regions make as they read stay apart. widened.c */
struct graph *graph_share_widened(struct graph *g, struct arena *a,
                                  struct rn_error *e); /* NULL: see e */
/* Mixed precision (docs/precision.md): operands of products are `low`, a dtype of 16
 * bits, with sums in f32, and values between products are stored so; variables, sums,
 * norms, losses and updates stay f32. precision.c */
struct graph *graph_precision(const struct graph *g, struct arena *a, rn_dtype low,
                              struct rn_error *e); /* NULL: see e */
/* Every f32 value, variable and constant as f64: for gradient checks on reference. */
struct graph *graph_to_f64(const struct graph *g, struct arena *a,
                           struct variables *f64_variables,
                           struct rn_error *e); /* NULL: see e */

/* All invariants; RN_E_INTERNAL with the first broken one. Passes end with it. */
int graph_verify(const struct graph *g, struct rn_error *e);
/* Stable text form, one line a node. */
void graph_print(const struct graph *g, struct text *out);
void graph_dot(const struct graph *g, struct text *out);
/* Multiply-adds*2 and transcendental-free operation count of a node; bytes moved. */
uint64_t gnode_flops(const struct graph *g, const struct gnode *n);
/* Does it only move elements, of its first operand no more than it returns? */
bool graph_op_picks(const char *op);

/* ---- the builder handed to plugins ---- */
struct builder; /* embeds struct rn_build; see builder.c */
struct port_binding {
    const char *port;
    rn_value value;
};
/* Live input of programs with `refresh`: 1 / k in batch k, from 1. */
#define GRAPH_REFRESH_SHARE "run.refresh_share"

struct builder_options {
    struct graph *graph;
    struct rn_host *host; /* the component's options */
    void *self;           /* of the component, or NULL */
    /* What rn_get_parameter gives; NULL: it does not describe one parameter. */
    const struct rn_parameter *parameter;
    /* Further extensions of the builder, by id; NULL: none. */
    const void *(*extension)(const char *id);
    bool (*is_live)(struct rn_host *host, const char *option); /* NULL: any may be */
    const char *component; /* "loss.hard": for errors, live names, variable owner */
    const char *scope;     /* first scope: "model" or "optimizer.hidden.<param>" */
    uint32_t phase;
    bool refresh; /* running statistics are computed again: runner.refresh/1 */
    uint32_t input_count;
    const struct port_binding *inputs;
    /* NULL, or called with each layer's output and each trainable parameter as they are
     * made, to append to the graph: the value that everything after it reads instead, or
     * the point's own. RN_NONE: a failure, which was reported. */
    rn_value (*rewrite)(void *context, struct graph *g, const struct rn_point *point);
    void *rewrite_context;
};
/* Lives in the graph's arena. */
struct builder *builder_create(const struct builder_options *o);
struct rn_build *builder_api(struct builder *b);
/* After describe returned `status`: the sticky error if any, else its own. */
int builder_finish(struct builder *b, int status, struct rn_error *e);
/* Is node i the last one of its layer among the first `count` nodes: does it make what
 * the layer passes on? */
bool gnode_ends_layer(const struct graph *g, uint32_t i, uint32_t count);
rn_value builder_output(const struct builder *b, const char *port); /* RN_NONE */
uint32_t builder_output_count(const struct builder *b);
const char *builder_output_name(const struct builder *b, uint32_t i);

#endif

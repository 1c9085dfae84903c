/* SPDX-License-Identifier: Apache-2.0 */
/* Inside core/graph: the operator row, and what shape, gradient and decomposition rules
 * are given. Rules are written with emit_* which stop at the first error. */
#ifndef GRAPH_INTERNAL_H
#define GRAPH_INTERNAL_H

#include "base/dtype.h"
#include "base/error.h"
#include "graph/graph.h"

#define OP_MAX_OUT 3

struct shaper {
    struct graph *g;
    const struct op *op;
    uint32_t n_in;
    const struct gvalue *in[64]; /* the first 64 */
    const rn_value *values;
    uint32_t n_attr;
    struct rn_attr *attrs; /* normalised in place: axes become >= 0 */
    uint32_t n_out;
    struct gvalue out[OP_MAX_OUT]; /* to fill: dtype, rank, shape */
    struct rn_error *e;
};

struct rule {
    struct graph *g;
    struct rn_error *e;
    const struct gnode *n;
    uint32_t n_in;
    rn_value *in;
    rn_value *out;        /* gradient: given; decompose: to fill */
    const rn_value *gout; /* gradient: of each output, RN_NONE = nothing flows */
    rn_value *gin;        /* gradient: to fill */
    graph_takes takes;    /* decompose: is there a kernel? NULL: not known */
    void *context;
};

/* An integer operand says which of several things is taken: its values must be below
 * their number. */
struct op_choice {
    uint32_t index;   /* the operand */
    int64_t axis;     /* of operand 0, whose extent is the number; -1: see attr */
    const char *attr; /* "axis", or "depth", which is the number itself; NULL */
};

struct op {
    const char *name;
    uint32_t traits;
    int8_t min_in, max_in; /* max -1: any */
    int8_t outs;
    /* "axis:int=-1 keep:int=0 stride:ints=1,1 value:float=0 shape:ints!": ! required */
    const char *attrs;
    int (*shape)(struct shaper *s);
    int (*gradient)(struct rule *r);  /* NULL: through decompose, else none */
    int (*decompose)(struct rule *r); /* NULL: primitive */
    uint32_t version;
    const struct op_choice *choice; /* it chooses by an integer operand; or NULL */
};

/* ---- rules are written with these ---- */
int64_t attr_int(const struct gnode *n, const char *name);
double attr_float(const struct gnode *n, const char *name);
const int64_t *attr_ints(const struct gnode *n, const char *name, uint32_t *count);

const struct gvalue *emit_value(const struct rule *r, rn_value v);
rn_value emit(struct rule *r, const char *op, uint32_t n, const rn_value *in,
              uint32_t n_attr, const struct rn_attr *attrs);
rn_value emit1(struct rule *r, const char *op, rn_value x);
rn_value emit2(struct rule *r, const char *op, rn_value x, rn_value y);
rn_value emit3(struct rule *r, const char *op, rn_value x, rn_value y, rn_value z);
/* With the node's own attributes handed on. */
rn_value emit_same(struct rule *r, const char *op, uint32_t n, const rn_value *in);
rn_value emit_number(struct rule *r, rn_value like,
                     double x); /* scalar, like's dtype */
rn_value emit_reduce(struct rule *r, const char *op, rn_value x, uint32_t n,
                     const int64_t *axes, int keep);
rn_value emit_reshape(struct rule *r, rn_value x, uint32_t rank, const int64_t *shape);
rn_value emit_like(struct rule *r, rn_value x,
                   rn_value like); /* broadcast_to its shape */
rn_value emit_reduce_to(struct rule *r, rn_value x, rn_value like);
rn_value emit_cast(struct rule *r, rn_value x, rn_dtype t);
rn_value emit_zeros(struct rule *r, rn_value like);
/* Operators that take operands of 16 bits (by the type of the first one): each is
 * defined as the f32 operator on the values that they stand for, its first results
 * rounded once to the type that attribute dtype gives, or else to the first operand's.
 */
#define RULE_INPUTS 8
#define RULE_ATTRS  16
bool rule_narrow(const struct rule *r);
rn_dtype rule_result_type(const struct rule *r);
/* The node's attributes, with this dtype where they have one; room for RULE_ATTRS. */
void rule_attrs(const struct rule *r, int64_t dtype, struct rn_attr *at);
/* decompose: the definition; how many results are rounded. */
int rule_widened(struct rule *r, uint32_t rounded);
rn_value emit_transpose(struct rule *r, rn_value x, uint32_t rank, const int64_t *perm);

int shape_fail(struct shaper *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct rn_attr *shaper_attr(struct shaper *s, const char *name);
/* Axis attribute made >= 0; -1 and an error if out of range. */
int64_t shaper_axis(struct shaper *s, const char *name, uint32_t rank);
/* NumPy broadcasting of b into a. */
bool broadcast_shapes(struct gvalue *a, const struct gvalue *b);
bool same_shape(const struct gvalue *a, const struct gvalue *b);
uint64_t elements(const struct gvalue *v);
/* Blocked images, [N,C/b,H,W,b]: channel c is (c / b, c % b); b = C is NHWC. To and
 * from the [N,C,H,W] that they stand for; block 0 is [N,C,H,W]. False: v is none such.
 */
bool image_unblock(const struct gvalue *v, int64_t block, struct gvalue *out);
bool image_block(struct gvalue *v, int64_t block);
/* Some of its images are blocked. */
bool gnode_blocked(const struct gnode *n);
/* Its first operand is a float of 16 bits. */
bool gnode_narrow(const struct graph *g, const struct gnode *n);

/* ---- scan.c: nodes with a body ---- */
/* The body's input for operand k, RN_NONE: it does not read it. */
rn_value scan_port(const struct graph *body, uint32_t k);
const char *scan_port_name(struct arena *a, uint32_t k);
uint32_t scan_states(const struct gnode *n);
uint32_t scan_steps(const struct gnode *n);
/* Ports, shapes and results of scan n of g; the body by itself is not checked here. */
int scan_check(const struct graph *g, const struct gnode *n, struct rn_error *e);
/* The node, appended; body as simplified. out: all results. */
struct gnode *scan_append(struct graph *g, uint32_t n_in, const rn_value *in,
                          uint32_t states, uint32_t steps, int64_t length, bool reverse,
                          struct graph *body);
/* Scan `node` with another body, which has further results: new values of that node. */
int scan_widen(struct graph *g, uint32_t node, struct graph *body, struct rn_error *e);
/* scan_prune.c: what is left of scan n where only the results that `read` says (by
 * value of g) are read. */
struct scan_pruned {
    uint32_t in_count, out_count, states, steps;
    uint32_t *in, *out; /* indices of n's operands and results that stay */
    struct graph *body; /* NULL: everything stays */
};
int scan_prune(const struct graph *g, const struct gnode *n, const bool *read,
               struct arena *a, struct scan_pruned *out, struct rn_error *e);
/* scan_gradient.c */
int scan_gradient(struct rule *r);

/* By node: results that last depend on it. What taps look at does not count, so that
 * looking changes nothing; without assignments everything does. rewrite.c */
void graph_counts(const struct graph *g, bool *counts);

/* ---- the families' tables; ops.c gathers them ---- */
extern const struct op ops_source[], ops_elementwise[], ops_reduce[], ops_linear[],
    ops_norm[], ops_attention[], ops_index[], ops_shape[], ops_scan[];
#define OPS_END                                                                        \
    { NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0, NULL }

struct gnode *graph_node_append(struct graph *g, const struct op *op, uint32_t n_in,
                                const rn_value *in, uint32_t n_out,
                                const struct gvalue *outs);
/* Run an operator's decomposition on operands in g, for a backend that `takes` some
 * operators, or NULL. */
int op_decompose(struct graph *g, const struct gnode *n, rn_value *in, rn_value *out,
                 graph_takes takes, void *context, struct rn_error *e);

#endif

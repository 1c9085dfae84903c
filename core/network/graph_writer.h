/* SPDX-License-Identifier: Apache-2.0 */
/* Inside train: what the programs of a run are written with. */
#ifndef NETWORK_GRAPH_WRITER_H
#define NETWORK_GRAPH_WRITER_H

#include <runner/phases.h>

#include "network/programs.h"

/* A small graph builder: the first error sticks in e. An operand RN_NONE gives
 * RN_NONE. */
struct make {
    struct graph *g;
    struct rn_error e;
    const char *call; /* of the component that make_finish blames; NULL: describe */
};

rn_value make_op(struct make *m, const char *name, uint32_t n, const rn_value *in,
                 uint32_t n_attr, const struct rn_attr *attrs);
rn_value make_op1(struct make *m, const char *name, rn_value x);
rn_value make_op2(struct make *m, const char *name, rn_value x, rn_value y);
rn_value make_select(struct make *m, rn_value c, rn_value x, rn_value y);
rn_value make_scalar(struct make *m, double x); /* f32 */
rn_value make_cast(struct make *m, rn_value x, rn_dtype t);
void make_output(struct make *m, const char *name, rn_value v);
/* The output of what a component describes with these inputs, which declares no
 * parameters; else m->e. parameter: the one that it belongs to. */
rn_value make_part(struct make *m, const struct bound_component *part,
                   int32_t (*form)(struct rn_build *),
                   const struct rn_parameter *parameter, const char *scope,
                   uint32_t input_count, const struct port_binding *inputs,
                   const char *output);
/* What it describes, whatever it is called and declared as; NULL: see m->e. */
struct builder *make_described(struct make *m, const struct bound_component *part,
                               int32_t (*form)(struct rn_build *),
                               const struct rn_parameter *parameter, const char *scope,
                               uint32_t input_count, const struct port_binding *inputs);
/* Is a value of the type and shape of the variable? */
bool make_is_like(const struct gvalue *g, const struct variable *v);
/* Verified, or the error in d: of `part` where that is given. */
int make_finish(struct make *m, const struct bound_component *part, struct diag *d);

/* ---- update.c ---- */
/* The gradients gs (of the parameters xs, one each) of a finished forward and backward
 * part: unscaled, clipped, given to the optimizers; every assignment of the program
 * holds only where the step is sound. */
struct update {
    rn_value loss; /* RN_NONE: the host looks at it */
    rn_value
        finite; /* bool: what other programs of the step found; RN_NONE: none did */
    const rn_value *xs;
    rn_value *gs;      /* changed */
    rn_value counts;   /* bool: else the step changes nothing; RN_NONE: it counts */
    rn_value overflow; /* by update_unscale */
};
/* What the gradient is multiplied by against underflow; RN_NONE: by nothing. */
rn_value update_scale(struct make *m, const struct programs *p,
                      const struct objective *o);
void update_unscale(struct make *m, const struct programs *p, const struct objective *o,
                    struct update *u);
int update_make(struct make *m, struct programs *p, const struct objective *o,
                struct update *u, struct diag *d);
/* bool: is every element of n values finite? */
rn_value update_finite(struct make *m, uint32_t n, const rn_value *values);
/* Where the optimizer of parameter i keeps its state. */
const char *update_scope(const struct programs *p, const struct objective *o,
                         uint32_t i);
/* f32: updates with this one; as i64 in *next, where that is not NULL. */
rn_value update_count(struct make *m, const struct objective *o, rn_value *next);
/* ---- phases.c ---- */
/* The extension of an optimizer, checked; NULL: it has none, or see e. */
const struct rn_phases *phases_find(const struct component *c, struct rn_error *e);
/* At most one component among the objective's optimizers has the extension, in as many
 * groups as there are. */
int phases_check(const struct programs *p, const struct objective *o, struct diag *d);
/* gs, the (scaled) gradient at the parameters xs, becomes that of the last phase. */
int phases_gradient(struct make *m, struct programs *p, const struct objective *o,
                    const struct network_options *network, const rn_value *xs,
                    rn_value *gs, struct diag *d);
/* Sums over parameters: further inputs of a phase or the update. */
struct phase_sums {
    uint32_t count, capacity;
    struct port_binding *at;
};
/* What the update asks for, of clipped gradients gs. */
int phases_update_sums(struct make *m, const struct programs *p,
                       const struct objective *o, const rn_value *xs,
                       const rn_value *gs, rn_value step, struct phase_sums *out,
                       struct diag *d);
/* ---- programs.c ---- */
/* The total that the objective minimises, of a network in m->g, with its outputs. */
int objective_total(struct make *m, struct programs *p, const struct objective *o,
                    const struct network *net, rn_value *total, struct diag *d);
/* ---- regularizer.c ---- */
/* The sum of the penalties on the parameters that the objective trains, an f32 scalar;
 * RN_NONE: there are none. */
int regularizers_penalty(struct make *m, const struct programs *p,
                         const struct objective *o, rn_value *total, struct diag *d);
/* *value, what the optimizer made of a parameter, becomes what constraints make of it.
 */
int regularizers_project(struct make *m, const struct programs *p,
                         const struct objective *o, uint32_t k, rn_value *value,
                         struct diag *d);
/* What rn_parameter says of parameter i of an objective. */
struct rn_parameter update_parameter(const struct programs *p,
                                     const struct objective *o, uint32_t i);
/* Each regularizer takes a parameter that some objective trains. */
int regularizers_check(const struct programs *p, struct diag *d);

/* ---- average.c ---- */
/* Of what the network assigns, only the statistics that are refreshed, where finite. */
void averages_keep_statistics(struct make *m, const struct programs *p);
/* ---- rewrite.c ---- */
/* Has what a hook described the type and shape of the value that it stands for? else *e. */
int rewrite_check(const struct graph *g, rn_value was, rn_value is, const char *member,
                  struct rn_error *e);

/* lookahead.c: what the program assigns, mixed with slow weights; applied: i64, updates
 * with this one. */
void lookahead_make(struct make *m, struct programs *p, const struct objective *o,
                    rn_value applied);
/* Is all that the network assigns so far finite? RN_NONE: it assigns nothing. */
rn_value update_statistics(struct make *m);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A graph rewritten in place: new nodes are put beside the old ones, whose readers are
 * sent to them; then graph_simplify drops what nobody reads. What only taps read stays
 * as it was, for them alone, so that looking changes nothing. */
#ifndef GRAPH_PATCH_H
#define GRAPH_PATCH_H

#include "graph/internal.h"

struct patch {
    struct graph *g; /* the one that is changed */
    bool *counts;    /* by node of those that g had first; new nodes count */
    uint32_t nodes;  /* that g had first */
    struct rn_error *e;
};

/* g is changed from now on; what is needed beside it lives in a. */
struct patch patch_begin(struct graph *g, struct arena *a, struct rn_error *e);
bool patch_named(const struct gnode *n, const char *name);
const struct gnode *patch_producer(const struct patch *f, rn_value v);
/* Is v the f32 constant 0? */
bool patch_is_zero(const struct patch *f, rn_value v);
bool patch_counted(const struct patch *f, uint32_t node);
/* Operands that are v and count; results do where everything does. */
uint32_t patch_use_count(const struct patch *f, rn_value v);
/* Who reads `old`, reads v. */
void patch_replace_uses(struct patch *f, rn_value old, rn_value v);
/* Does v depend on a result of `node`? */
bool patch_depends(const struct patch *f, rn_value v, uint32_t node);
/* Node n's operator with its attributes, but with this attribute `relu`, next to n. */
int patch_clone(struct patch *f, const struct gnode *n, uint32_t n_in,
                const rn_value *in, int64_t relu, rn_value *out);

#endif

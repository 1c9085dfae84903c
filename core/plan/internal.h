/* SPDX-License-Identifier: Apache-2.0 */
/* Inside core/plan: the plan while it is being made. */
#ifndef PLAN_INTERNAL_H
#define PLAN_INTERNAL_H

#include "base/error.h"
#include "plan/plan.h"

#define NO_UNIT UINT32_MAX

/* What runs as one: a node, or a region of elementwise nodes and what reduces them. */
struct unit {
    uint32_t count;
    uint32_t *nodes; /* graph nodes in order, reductions last */
    bool region;
};

/* Where a value lives. An alias has the bytes of another value. */
struct home {
    rn_value root; /* itself, or what it is a view of */
    uint32_t slot; /* RN_NO_SLOT: has none */
    uint32_t base;
    uint64_t offset;
    uint32_t block; /* of the arena; UINT32_MAX: not in the arena */
};

struct body { /* of a scan */
    const struct plan *plan; /* NULL: not planned yet, or the node has none */
    uint64_t constants;      /* where its constants begin among the program's */
};

struct draft {
    const struct graph *g;
    struct arena *a;
    struct plan *plan;
    const struct plan_options *o;
    struct rn_error *e;
    uint32_t *unit_of; /* by graph node; NO_UNIT: nothing to run */
    struct unit *units;
    uint32_t unit_count;
    uint32_t *order; /* units in order of running */
    uint32_t order_count;
    struct home *homes; /* by value */
    struct rn_slot *slots;
    uint32_t slot_count, slot_capacity;
    struct rn_node *nodes;
    uint32_t node_count;
    struct plan_block *blocks;
    uint32_t block_count, block_capacity;
    uint64_t constant_bytes;
    struct body *bodies; /* by graph node; NULL: no scan so far */
};

uint64_t round64(uint64_t bytes);
uint64_t value_bytes(const struct graph *g, rn_value v);
bool is_source(const struct gnode *n);
bool is_view(const struct gnode *n);

/* fuse.c: groups elementwise nodes; fills units and unit_of. reduces: regions may end
 * with reductions. */
void draft_fuse(struct draft *d, bool reduces);
/* One unit per node. */
void draft_singles(struct draft *d);
/* Does the unit read v from outside? A region looks through broadcasts. */
uint32_t unit_inputs(const struct draft *d, const struct unit *u, rn_value *in,
                     uint32_t capacity);
rn_value region_operand(const struct draft *d, rn_value v);

/* order.c: fills order. */
void draft_order(struct draft *d);

/* scan.c: the body of scan `node` as out->sub, with its ports and its constants' place
 * among those of the program. */
int draft_scan(struct draft *d, uint32_t node, struct rn_node *out);
void draft_scan_constants(const struct draft *d, char *constants);

/* work.c: what each node of the finished program does. */
const struct plan_work *draft_work(struct draft *d, const struct rn_node_info *infos);
/* layout.c: the graph with images in the forms that its kernels like best; g itself
 * where there is nothing to choose. */
int draft_images(const struct graph *g, struct arena *a, const struct plan_options *o,
                 struct plan_images *chosen, const struct graph **out,
                 struct rn_error *e);

/* recompute.c: g with a value of its own for each reduction that would else have one
 * stored; g itself where there is none. */
int draft_recompute(const struct graph *g, struct arena *a, const struct graph **out,
                    struct rn_error *e);

/* memory.c: offsets of all blocks. */
uint64_t draft_layout(struct draft *d);
/* What is alive at once: no layout is smaller. */
uint64_t draft_bound(const struct draft *d);

/* A program of one node of g, for asking the backend; lives in a. */
const struct rn_program *draft_single_node_program(const struct graph *g,
                                                   const struct gnode *n,
                                                   struct arena *a);
/* Ask about node i of p. Sets info->supported without a backend too. */
int draft_query_backend(const struct plan_options *o, const struct rn_program *p,
                        uint32_t i, struct rn_node_info *info, struct rn_error *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs whose regions may end with reductions: kinds, shapes, several at once, with
 * and without other readers. */
#ifndef TESTS_FOLD_GRAPHS_H
#define TESTS_FOLD_GRAPHS_H

#include "region_graphs.h"

struct case_ {
    uint32_t rank;
    int64_t shape[4];
    int64_t axes[4];
    uint32_t axis_count;
};

static const struct case_ cases[] = {
    {1, {1}, {0}, 1},               /* one element */
    {1, {7}, {0}, 1},               /* less than the lanes */
    {1, {1009}, {0}, 1},            /* less than a block */
    {1, {5000}, {0}, 1},            /* several blocks */
    {2, {300, 10}, {0, 1}, 2},      /* all of them */
    {2, {300, 10}, {1}, 1},         /* short rows */
    {2, {65, 33}, {1}, 1},          /* rows, not a multiple of 16 */
    {2, {70, 1024}, {1}, 1},        /* rows of a block */
    {2, {70, 2500}, {1}, 1},        /* rows of several */
    {3, {6, 20, 35}, {1, 2}, 2},    /* last axes */
    {4, {2, 3, 1, 129}, {2, 3}, 2}, /* an axis of size 1 */
    {2, {300, 10}, {0}, 1},         /* few columns */
    {2, {100, 300}, {0}, 1},        /* several units, rows longer than one */
    {2, {3, 2000}, {0}, 1},         /* fewer rows than lanes */
    {3, {5, 40, 96}, {0, 1}, 2},    /* leading axes */
    {3, {20, 4, 33}, {0}, 1},       /* one leading axis */
    {2, {1, 400}, {0}, 1},          /* one row */
    {2, {400, 1}, {1}, 1},          /* rows of one element */
};

static const char *const kinds[] = {"reduce_sum", "reduce_mean", "reduce_max",
                                    "reduce_min"};

static rn_value reduce(struct built *b, const char *name, rn_value x,
                       const struct case_ *c, bool keep) {
    struct rn_attr a[2] = {rn_attr_ints("axes", c->axis_count, c->axes),
                           rn_attr_int("keep", keep)};
    struct rn_error e = {0};
    rn_value out = RN_NONE;
    if (graph_op(b->graph, name, 1, &x, 2, a, 1, &out, &e) != RN_OK)
        fprintf(stderr, "%s: %s\n", name, e.message);
    return out;
}

/* form 0: one reduction; 1: the region has another output; 2: several reductions, of
 * two values; 3: what is reduced is read by others, so the reduction is on its own. */
static void build(struct built *b, const struct case_ *c, const char *kind, int form,
                  bool plain) {
    int64_t row[1] = {c->shape[c->rank - 1]}, column[4] = {1, 1, 1, 1};
    column[0] = c->shape[0];
    begin(b, "folds");
    rn_value x = input(b, RN_F32, c->rank, c->shape),
             y = input(b, RN_F32, c->rank, c->shape), u = input(b, RN_F32, 1, row),
             v = input(b, RN_F32, c->rank, column);
    for (uint32_t i = 0; i < b->input_count; i++)
        b->inputs[i].plain = plain;
    rn_value p = op(b, "mul", 2, op(b, "add", 2, x, u, 0), y, 0);
    rn_value q = op(b, "sub", 2, p, v, 0), z = op(b, "mul", 2, q, q, 0);
    rn_value r = reduce(b, kind, z, c, form == 3);
    output(b, r);
    if (form == 1)
        output(b, op(b, "neg", 1, z, 0, 0));
    if (form == 2) {
        output(b, reduce(b, kind, q, c, false));
        output(b, reduce(b, "reduce_sum", z, c, true));
        output(b, p);
    }
    if (form == 3)
        output(b, op(b, "sub", 2, z, r, 0));
}

#endif

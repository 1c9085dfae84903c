/* SPDX-License-Identifier: Apache-2.0 */
/* Attention as a graph for cuDNN, forward only, of 16 bits. Its engines take a graph of
 * the operations that attention is made of, recognise it, and hold no score outside of
 * the chip. What each key weighs is rounded to 16 bits before it multiplies values.
 *
 * The gradient is not asked of cuDNN: the graph whose engines add gradients of queries
 * in any order carries no note that says so, and the one that is deterministic keeps a
 * score for every pair in its workspace. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engines.h"

#define LEAST_VERSION 91200 /* logarithms may be as [batch, rows, heads] */
#define PARTS         48    /* descriptors of a graph */
#define OPERATIONS    16

typedef cudnnBackendDescriptor_t desc;

enum { UID_Q = 1, UID_K, UID_V, UID_Y, UID_SUMS, UID_SCALE, UID_LOW, UID_BETWEEN };

struct graph {
    struct dnn_maker m;
    const struct dnn_attention *a;
    uint32_t parts, operations;
    int64_t uid; /* of the next tensor between operations */
    desc part[PARTS], operation[OPERATIONS];
};

static desc keep(struct graph *g, desc d) {
    if (g->parts == PARTS)
        g->m.good = false;
    else
        g->part[g->parts++] = d;
    return d;
}

static desc tensor(struct graph *g, const struct dnn_image *t, int64_t uid,
                   cudnnDataType_t type, enum dnn_place place) {
    return keep(g, dnn_tensor(&g->m, t, uid, type, place));
}

/* Of all pairs; `columns` 1: of all queries. */
static desc between(struct graph *g, int64_t columns, cudnnDataType_t type) {
    int64_t n = g->a->rows, h = g->a->heads;
    struct dnn_image t = {{g->a->batch, h, n, columns},
                          {h * n * columns, n * columns, columns, 1}};
    return tensor(g, &t, g->uid++, type, DNN_BETWEEN);
}

/* [batch, n, heads * width] as [batch, heads, n, width]; turned: the last two change
 * places. */
static desc operand(struct graph *g, int64_t uid, int64_t n, int64_t width,
                    bool turned) {
    int64_t h = g->a->heads, row = h * width;
    struct dnn_image t = {{g->a->batch, h, turned ? width : n, turned ? n : width},
                          {n * row, width, turned ? 1 : row, turned ? row : 1}};
    return tensor(g, &t, uid, (cudnnDataType_t)g->a->type, DNN_MEMORY);
}

static desc number(struct graph *g, int64_t uid) {
    static const struct dnn_image one = {{1, 1, 1, 1}, {1, 1, 1, 1}};
    return tensor(g, &one, uid, CUDNN_DATA_FLOAT, DNN_VALUE);
}

static void operation(struct graph *g, desc d) {
    dnn_done(&g->m, keep(g, d));
    if (g->operations == OPERATIONS)
        g->m.good = false;
    else
        g->operation[g->operations++] = d;
}

static void point(struct graph *g, desc d, cudnnBackendAttributeName_t name, desc to) {
    dnn_set(&g->m, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &to);
}

static desc product(struct graph *g, desc x, desc w, desc y) {
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    desc how = keep(g, dnn_make(&g->m, CUDNN_BACKEND_MATMUL_DESCRIPTOR));
    dnn_set(&g->m, how, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    dnn_done(&g->m, how);
    desc op = dnn_make(&g->m, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
    point(g, op, CUDNN_ATTR_OPERATION_MATMUL_ADESC, x);
    point(g, op, CUDNN_ATTR_OPERATION_MATMUL_BDESC, w);
    point(g, op, CUDNN_ATTR_OPERATION_MATMUL_CDESC, y);
    point(g, op, CUDNN_ATTR_OPERATION_MATMUL_DESC, how);
    operation(g, op);
    return y;
}

/* y = mode(x, b, t); b and t may be NULL. axis: of an index, else negative. */
static desc pointwise(struct graph *g, cudnnPointwiseMode_t mode, cudnnDataType_t type,
                      int64_t axis, desc x, desc b, desc t, desc y) {
    desc how = keep(g, dnn_make(&g->m, CUDNN_BACKEND_POINTWISE_DESCRIPTOR));
    dnn_set(&g->m, how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    dnn_set(&g->m, how, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &type);
    if (axis >= 0)
        dnn_set(&g->m, how, CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, 1, &axis);
    dnn_done(&g->m, how);
    desc op = dnn_make(&g->m, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    point(g, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
    point(g, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    if (b)
        point(g, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
    if (t)
        point(g, op, CUDNN_ATTR_OPERATION_POINTWISE_TDESC, t);
    point(g, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    operation(g, op);
    return y;
}

/* Of each query over the keys. */
static desc reduction(struct graph *g, cudnnReduceTensorOp_t mode, desc x) {
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    desc y = between(g, 1, type);
    desc how = keep(g, dnn_make(&g->m, CUDNN_BACKEND_REDUCTION_DESCRIPTOR));
    dnn_set(&g->m, how, CUDNN_ATTR_REDUCTION_OPERATOR,
            CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1, &mode);
    dnn_set(&g->m, how, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    dnn_done(&g->m, how);
    desc op = dnn_make(&g->m, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
    point(g, op, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x);
    point(g, op, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y);
    point(g, op, CUDNN_ATTR_OPERATION_REDUCTION_DESC, how);
    operation(g, op);
    return y;
}

/* s where the key is seen, else minus infinity. */
static desc causal(struct graph *g, desc s) {
    const cudnnDataType_t f = CUDNN_DATA_FLOAT, i = CUDNN_DATA_INT32,
                          b = CUDNN_DATA_BOOLEAN;
    int64_t n = g->a->keys;
    desc query =
        pointwise(g, CUDNN_POINTWISE_GEN_INDEX, f, 2, s, NULL, NULL, between(g, n, i));
    desc key =
        pointwise(g, CUDNN_POINTWISE_GEN_INDEX, f, 3, s, NULL, NULL, between(g, n, i));
    desc seen =
        pointwise(g, CUDNN_POINTWISE_CMP_GE, b, -1, query, key, NULL, between(g, n, b));
    return pointwise(g, CUDNN_POINTWISE_BINARY_SELECT, f, -1, s, number(g, UID_LOW),
                     seen, between(g, n, f));
}

/* In the order in which its engines look for them. */
static void write(struct graph *g) {
    const struct dnn_attention *a = g->a;
    const cudnnDataType_t f = CUDNN_DATA_FLOAT;
    int64_t n = a->keys, h = a->heads;
    desc s = product(g, operand(g, UID_Q, a->rows, a->depth, false),
                     operand(g, UID_K, n, a->depth, true), between(g, n, f));
    s = pointwise(g, CUDNN_POINTWISE_MUL, f, -1, s, number(g, UID_SCALE), NULL,
                  between(g, n, f));
    if (a->causal)
        s = causal(g, s);
    desc top = reduction(g, CUDNN_REDUCE_TENSOR_MAX, s);
    s = pointwise(g, CUDNN_POINTWISE_SUB, f, -1, s, top, NULL, between(g, n, f));
    s = pointwise(g, CUDNN_POINTWISE_EXP, f, -1, s, NULL, NULL, between(g, n, f));
    desc sum = reduction(g, CUDNN_REDUCE_TENSOR_ADD, s);
    if (a->sums) {
        struct dnn_image t = {{a->batch, h, a->rows, 1}, {a->rows * h, 1, h, 1}};
        desc log =
            pointwise(g, CUDNN_POINTWISE_LOG, f, -1, sum, NULL, NULL, between(g, 1, f));
        pointwise(g, CUDNN_POINTWISE_ADD, f, -1, top, log, NULL,
                  tensor(g, &t, UID_SUMS, f, DNN_MEMORY));
    }
    s = pointwise(g, CUDNN_POINTWISE_DIV, f, -1, s, sum, NULL,
                  between(g, n, (cudnnDataType_t)a->type));
    product(g, s, operand(g, UID_V, n, a->width, false),
            operand(g, UID_Y, a->rows, a->width, false));
}

static void propose(const struct cuda_device *d, const struct dnn_attention *a,
                    struct dnn_ways *out) {
    struct graph g = {.m = {&d->lib.cudnn, true}, .a = a, .uid = UID_BETWEEN};
    write(&g);
    desc all = dnn_make(&g.m, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    dnn_set(&g.m, all, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
            g.operations, g.operation);
    dnn_done(&g.m, all);
    dnn_propose(d, g.m.good ? all : NULL, true, false, out);
    dnn_drop(d, all);
    while (g.parts)
        dnn_drop(d, g.part[--g.parts]);
}

struct dnn_attention_ways *dnn_attention_ways(struct cuda_device *d,
                                              const struct dnn_attention *a) {
    struct dnn_attention_ways *w = d->attention;
    if (!d->properties || d->lib.cudnn.cudnnGetVersion() < LEAST_VERSION)
        return NULL;
    while (w && memcmp(&w->of, a, sizeof *a) != 0)
        w = w->next;
    if (!w) {
        w = calloc(1, sizeof *w);
        if (!w)
            return NULL;
        w->of = *a;
        w->next = d->attention;
        d->attention = w;
        propose(d, a, &w->ways);
    }
    return w->ways.count ? w : NULL;
}

bool dnn_attention_plan(const struct cuda_device *d, struct dnn_attention_ways *w,
                        uint32_t i) {
    if (i >= w->ways.count)
        return false;
    if (!w->tried[i])
        w->plan[i] = dnn_plan(d, w->ways.config[i], &w->workspace[i]);
    w->tried[i] = true;
    return w->plan[i] != NULL;
}

void dnn_attention_finish(struct cuda_device *d) {
    while (d->attention) {
        struct dnn_attention_ways *w = d->attention;
        d->attention = w->next;
        for (uint32_t i = 0; i < w->ways.count; i++)
            dnn_drop(d, w->plan[i]);
        dnn_ways_finish(d, &w->ways);
        free(w);
    }
}

int32_t dnn_run_attention(const struct cuda_device *d,
                          const struct dnn_attention_ways *w, uint32_t i,
                          CUstream stream, void *const pointers[5], float scale,
                          void *work, struct rn_error *e) {
    float low = -INFINITY;
    int64_t uids[7] = {UID_Q, UID_K, UID_V, UID_Y, UID_SCALE};
    void *at[7] = {pointers[0], pointers[1], pointers[2], pointers[3], &scale};
    int64_t n = 5;
    if (w->of.causal)
        uids[n] = UID_LOW, at[n++] = &low;
    if (w->of.sums)
        uids[n] = UID_SUMS, at[n++] = pointers[4];
    return dnn_run(d, w->plan[i], stream, n, uids, at, work, e);
}

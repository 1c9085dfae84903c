/* SPDX-License-Identifier: Apache-2.0 */
/* A graph of attention in the emulated cuDNN: its operations one after the other over
 * whole tensors, in f32, each result rounded to the type that its tensor has. What
 * makes a graph attention for the real library is asked for: heads of a multiple of
 * eight columns, at most 128, operands of 16 bits, and numbers between that stay
 * between. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "emulated_dnn.h"

#define TENSORS 48

struct held {
    const struct descriptor *d;
    float *f; /* in order of its dims */
};

struct call {
    const struct descriptor *graph;
    int engine;
    char *work;
    int64_t count;
    int64_t uid[8];
    void *pointer[8];
    float number[8]; /* of those that are by value, read when it is called */
    uint32_t tensors;
    struct held held[TENSORS];
};

static const int64_t *dims(const struct descriptor *t) {
    return dnn_data(t, CUDNN_ATTR_TENSOR_DIMENSIONS, 4);
}

static int64_t elements(const struct descriptor *t) {
    const int64_t *n = dims(t);
    return n[0] * n[1] * n[2] * n[3];
}

static bool flag(const struct descriptor *t, cudnnBackendAttributeName_t name) {
    return dnn_find(t, name) && *(const bool *)dnn_data(t, name, 1);
}

static int which(const struct call *k, const struct descriptor *t) {
    for (int i = 0; i < (int)k->count; i++)
        if (k->uid[i] == dnn_uid(t))
            return i;
    dnn_misuse("a tensor is missing");
}

/* Between the tensor in memory and in order. */
static void move(const struct call *k, const struct held *h, bool stores) {
    const int64_t *n = dims(h->d);
    const int64_t *s = dnn_data(h->d, CUDNN_ATTR_TENSOR_STRIDES, 4);
    char *data = k->pointer[which(k, h->d)];
    float *f = h->f;
    if (!data || (uintptr_t)data % 16)
        dnn_misuse("a tensor is missing or not aligned");
    for (int64_t a = 0; a < n[0]; a++)
        for (int64_t b = 0; b < n[1]; b++)
            for (int64_t c = 0; c < n[2]; c++)
                for (int64_t d = 0; d < n[3]; d++, f++) {
                    uint64_t i = (uint64_t)(a * s[0] + b * s[1] + c * s[2] + d * s[3]);
                    if (stores)
                        emulated_store(data, dnn_type(h->d), i,
                                       k->engine < 2 ? 1000.0f : *f);
                    else
                        *f = emulated_load(data, dnn_type(h->d), i);
                }
}

static const float *read(struct call *k, const struct descriptor *t) {
    for (uint32_t i = 0; i < k->tensors; i++)
        if (dnn_uid(k->held[i].d) == dnn_uid(t))
            return k->held[i].f;
    if (flag(t, CUDNN_ATTR_TENSOR_IS_VIRTUAL) || k->tensors == TENSORS)
        dnn_misuse("a tensor is read before it is written");
    struct held *h = &k->held[k->tensors++];
    *h = (struct held){t, malloc((size_t)elements(t) * sizeof(float))};
    if (flag(t, CUDNN_ATTR_TENSOR_IS_BY_VALUE))
        h->f[0] = k->number[which(k, t)];
    else
        move(k, h, false);
    return h->f;
}

static float *write(struct call *k, const struct descriptor *t) {
    if (k->tensors == TENSORS)
        dnn_misuse("too many tensors");
    k->held[k->tensors] = (struct held){t, calloc((size_t)elements(t), sizeof(float))};
    return k->held[k->tensors++].f;
}

/* As the tensor's type has it, and into memory where it lies there. */
static void wrote(const struct call *k) {
    const struct held *h = &k->held[k->tensors - 1];
    rn_dtype type = dnn_type(h->d);
    for (int64_t i = 0; i < elements(h->d); i++)
        if (type == RN_BF16)
            h->f[i] = rn_f32_from_bf16(rn_bf16_from_f32(h->f[i]));
        else if (type == RN_F16)
            h->f[i] = rn_f32_from_f16(rn_f16_from_f32(h->f[i]));
    if (!flag(h->d, CUDNN_ATTR_TENSOR_IS_VIRTUAL))
        move(k, h, true);
}

static void matmul(struct call *k, const struct descriptor *op) {
    const struct descriptor *x = dnn_child(op, CUDNN_ATTR_OPERATION_MATMUL_ADESC);
    const struct descriptor *w = dnn_child(op, CUDNN_ATTR_OPERATION_MATMUL_BDESC);
    const struct descriptor *y = dnn_child(op, CUDNN_ATTR_OPERATION_MATMUL_CDESC);
    const int64_t *a = dims(x), *b = dims(w), *c = dims(y);
    if (a[3] != b[2] || c[2] != a[2] || c[3] != b[3] || a[0] != b[0] || a[1] != b[1])
        dnn_misuse("the sides of a product do not agree");
    const float *p = read(k, x), *q = read(k, w);
    float *out = write(k, y);
    for (int64_t m = 0; m < c[0] * c[1]; m++)
        for (int64_t i = 0; i < c[2]; i++)
            for (int64_t s = 0; s < a[3]; s++) {
                int64_t at = k->engine == DNN_QUICK ? a[3] - 1 - s : s;
                float v = p[(m * a[2] + i) * a[3] + at];
                for (int64_t j = 0; j < c[3]; j++)
                    out[(m * c[2] + i) * c[3] + j] += v * q[(m * b[2] + at) * b[3] + j];
            }
    wrote(k);
}

static void reduce(struct call *k, const struct descriptor *op) {
    const struct descriptor *x = dnn_child(op, CUDNN_ATTR_OPERATION_REDUCTION_XDESC);
    const struct descriptor *y = dnn_child(op, CUDNN_ATTR_OPERATION_REDUCTION_YDESC);
    const struct descriptor *how = dnn_child(op, CUDNN_ATTR_OPERATION_REDUCTION_DESC);
    cudnnReduceTensorOp_t mode;
    memcpy(&mode, dnn_data(how, CUDNN_ATTR_REDUCTION_OPERATOR, 1), sizeof mode);
    const float *p = read(k, x);
    float *out = write(k, y);
    int64_t n = dims(x)[3];
    if (elements(y) * n != elements(x) ||
        (mode != CUDNN_REDUCE_TENSOR_MAX && mode != CUDNN_REDUCE_TENSOR_ADD))
        dnn_misuse("a reduction that it does not have");
    for (int64_t i = 0; i < elements(y); i++) {
        out[i] = mode == CUDNN_REDUCE_TENSOR_MAX ? -INFINITY : 0.0f;
        for (int64_t j = 0; j < n; j++)
            out[i] = mode == CUDNN_REDUCE_TENSOR_ADD ? out[i] + p[i * n + j]
                     : p[i * n + j] > out[i]         ? p[i * n + j]
                                                     : out[i];
    }
    wrote(k);
}

/* Element i of y's place, in a tensor that may be smaller. */
static int64_t place(const struct descriptor *t, const int64_t *n, int64_t i) {
    const int64_t *own = dims(t);
    int64_t at[4] = {i / n[3] / n[2] / n[1], i / n[3] / n[2] % n[1], i / n[3] % n[2],
                     i % n[3]},
            to = 0;
    for (int d = 0; d < 4; d++)
        to = to * own[d] + (own[d] == 1 ? 0 : at[d]);
    return to;
}

static float point(cudnnPointwiseMode_t mode, float x, float b, float t) {
    switch (mode) {
    case CUDNN_POINTWISE_MUL:
        return x * b;
    case CUDNN_POINTWISE_ADD:
        return x + b;
    case CUDNN_POINTWISE_SUB:
        return x - b;
    case CUDNN_POINTWISE_DIV:
        return x / b;
    case CUDNN_POINTWISE_EXP:
        return expf(x);
    case CUDNN_POINTWISE_LOG:
        return logf(x);
    case CUDNN_POINTWISE_CMP_GE:
        return x >= b ? 1.0f : 0.0f;
    case CUDNN_POINTWISE_BINARY_SELECT:
        return t != 0.0f ? x : b;
    default:
        dnn_misuse("an operation that it does not have");
    }
}

static void pointwise(struct call *k, const struct descriptor *op) {
    const struct descriptor *how =
        dnn_child(op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
    const struct descriptor *in[3], *y;
    const float *p[3] = {NULL, NULL, NULL};
    static const cudnnBackendAttributeName_t names[3] = {
        CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
        CUDNN_ATTR_OPERATION_POINTWISE_TDESC};
    cudnnPointwiseMode_t mode;
    memcpy(&mode, dnn_data(how, CUDNN_ATTR_POINTWISE_MODE, 1), sizeof mode);
    for (int i = 0; i < 3; i++)
        if (dnn_find(op, names[i]))
            in[i] = dnn_child(op, names[i]), p[i] = read(k, in[i]);
    y = dnn_child(op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
    float *out = write(k, y);
    const int64_t *n = dims(y);
    int64_t axis = 0;
    if (mode == CUDNN_POINTWISE_GEN_INDEX)
        memcpy(&axis, dnn_data(how, CUDNN_ATTR_POINTWISE_AXIS, 1), sizeof axis);
    for (int64_t i = 0; i < elements(y); i++) {
        float v[3] = {0.0f, 0.0f, 0.0f};
        for (int j = 0; j < 3; j++)
            if (p[j])
                v[j] = p[j][place(in[j], n, i)];
        out[i] = mode != CUDNN_POINTWISE_GEN_INDEX ? point(mode, v[0], v[1], v[2])
                 : axis == 2                       ? (float)(i / n[3] % n[2])
                                                   : (float)(i % n[3]);
    }
    wrote(k);
}

static void run(void *context) {
    struct call *k = context;
    const struct attribute *ops = dnn_find(k->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS);
    bool quick = k->engine == DNN_QUICK;
    memset(k->work, 0xff, quick ? DNN_QUICK_BYTES : DNN_WORK_BYTES);
    emulated_pass(quick ? 1.0 : 50.0);
    k->tensors = 0;
    for (int64_t i = 0; i < ops->count; i++) {
        const struct descriptor *op = ((struct descriptor **)ops->data)[i];
        if (op->type == CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR)
            matmul(k, op);
        else if (op->type == CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR)
            reduce(k, op);
        else if (op->type == CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR)
            pointwise(k, op);
        else
            dnn_misuse("an operation that attention does not have");
    }
    while (k->tensors)
        free(k->held[--k->tensors].f);
}

bool dnn_attention_takes(const struct descriptor *graph) {
    const struct attribute *ops = dnn_find(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS);
    const struct descriptor *first = ((struct descriptor **)ops->data)[0];
    const struct descriptor *last = ((struct descriptor **)ops->data)[ops->count - 1];
    if (first->type != CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR ||
        last->type != CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR)
        return false;
    const struct descriptor *q = dnn_child(first, CUDNN_ATTR_OPERATION_MATMUL_ADESC);
    const struct descriptor *y = dnn_child(last, CUDNN_ATTR_OPERATION_MATMUL_CDESC);
    const struct descriptor *p = dnn_child(last, CUDNN_ATTR_OPERATION_MATMUL_ADESC);
    rn_dtype t = dnn_type(q);
    return (t == RN_BF16 || t == RN_F16) && dnn_type(y) == t && dnn_type(p) == t &&
           dims(q)[3] % 8 == 0 && dims(q)[3] <= 128 && dims(y)[3] % 8 == 0 &&
           dims(y)[3] <= 128;
}

void dnn_attention_execute(const struct descriptor *graph, int engine, CUstream stream,
                           const struct descriptor *pack, char *work) {
    struct call k = {.graph = graph, .engine = engine, .work = work};
    k.count = dnn_find(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS)->count;
    if (k.count > 8)
        dnn_misuse("too many tensors");
    memcpy(k.uid, dnn_data(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, k.count),
           (size_t)k.count * sizeof k.uid[0]);
    memcpy(k.pointer, dnn_data(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, k.count),
           (size_t)k.count * sizeof k.pointer[0]);
    const struct attribute *ops = dnn_find(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS);
    for (int64_t i = 0; i < ops->count; i++) { /* numbers of the host, now */
        const struct descriptor *op = ((struct descriptor **)ops->data)[i];
        if (op->type != CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR ||
            !dnn_find(op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC))
            continue;
        const struct descriptor *b =
            dnn_child(op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC);
        if (flag(b, CUDNN_ATTR_TENSOR_IS_BY_VALUE))
            memcpy(&k.number[which(&k, b)], k.pointer[which(&k, b)], sizeof(float));
    }
    emulated_push(stream, run, &k, sizeof k);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Operators that move elements of any type, look up, or make them. */
#include <math.h>
#include <string.h>

#include <runner/numerics.h>

#include "kernels.h"

static void strides_of(const struct kernel_tensor *t, int64_t *stride) {
    int64_t step = 1;
    for (uint32_t i = t->rank; i-- > 0;) {
        stride[i] = step;
        step *= t->shape[i];
    }
}

static void coordinates(const struct kernel_tensor *t, uint64_t i, int64_t *at) {
    for (uint32_t k = t->rank; k-- > 0;) {
        at[k] = (int64_t)(i % (uint64_t)t->shape[k]);
        i /= (uint64_t)t->shape[k];
    }
}

static void put(void *to, uint64_t i, const void *from, uint64_t k, size_t size) {
    memcpy((char *)to + i * size, (const char *)from + k * size, size);
}

static int32_t copy(const struct kernel_call *c, struct rn_error *e) { /* reshape */
    (void)e;
    memmove(c->out[0].data, c->in[0].data,
            c->out[0].count * RN_DTYPE_BYTES(c->out[0].dtype));
    return RN_OK;
}

static int32_t transpose(const struct kernel_call *c, struct rn_error *e) {
    const struct kernel_tensor *x = &c->in[0], *y = &c->out[0];
    const int64_t *perm = kernel_ints(c, "perm");
    int64_t stride[RN_MAX_RANK], at[RN_MAX_RANK];
    (void)e;
    strides_of(x, stride);
    for (uint64_t i = 0; i < y->count; i++) {
        int64_t from = 0;
        coordinates(y, i, at);
        for (uint32_t k = 0; k < y->rank; k++)
            from += at[k] * stride[perm[k]];
        put(y->data, i, x->data, (uint64_t)from, RN_DTYPE_BYTES(y->dtype));
    }
    return RN_OK;
}

static int32_t slice(const struct kernel_call *c, struct rn_error *e) {
    const struct kernel_tensor *x = &c->in[0], *y = &c->out[0];
    const int64_t *start = kernel_ints(c, "start"), *step = kernel_ints(c, "step");
    int64_t stride[RN_MAX_RANK], at[RN_MAX_RANK];
    (void)e;
    strides_of(x, stride);
    for (uint64_t i = 0; i < y->count; i++) {
        int64_t from = 0;
        coordinates(y, i, at);
        for (uint32_t k = 0; k < y->rank; k++)
            from += (start[k] + at[k] * step[k]) * stride[k];
        put(y->data, i, x->data, (uint64_t)from, RN_DTYPE_BYTES(y->dtype));
    }
    return RN_OK;
}

static int32_t broadcast_to(const struct kernel_call *c, struct rn_error *e) {
    const struct kernel_tensor *x = &c->in[0], *y = &c->out[0];
    int64_t stride[RN_MAX_RANK], at[RN_MAX_RANK];
    uint32_t lead = y->rank - x->rank;
    (void)e;
    strides_of(x, stride);
    for (uint64_t i = 0; i < y->count; i++) {
        int64_t from = 0;
        coordinates(y, i, at);
        for (uint32_t k = 0; k < x->rank; k++)
            from += x->shape[k] == 1 ? 0 : at[k + lead] * stride[k];
        put(y->data, i, x->data, (uint64_t)from, RN_DTYPE_BYTES(y->dtype));
    }
    return RN_OK;
}

static void store(void *p, rn_dtype t, uint64_t i, double v) {
    switch (t) {
    case RN_F32:
        ((float *)p)[i] = (float)v;
        break;
    case RN_F64:
        ((double *)p)[i] = v;
        break;
    case RN_BF16:
        ((uint16_t *)p)[i] = rn_bf16_from_f32((float)v);
        break;
    case RN_F16:
        ((uint16_t *)p)[i] = rn_f16_from_f32((float)v);
        break;
    case RN_I64:
        ((int64_t *)p)[i] = (int64_t)v;
        break;
    case RN_I32:
        ((int32_t *)p)[i] = (int32_t)v;
        break;
    case RN_U32:
        ((uint32_t *)p)[i] = (uint32_t)v;
        break;
    case RN_I8:
        ((int8_t *)p)[i] = (int8_t)v;
        break;
    default:
        ((uint8_t *)p)[i] = (uint8_t)v;
        break;
    }
}

static int32_t full(const struct kernel_call *c, struct rn_error *e) {
    (void)e;
    for (uint64_t i = 0; i < c->out[0].count; i++)
        store(c->out[0].data, c->out[0].dtype, i, kernel_float(c, "value"));
    return RN_OK;
}

static int32_t pad(const struct kernel_call *c, struct rn_error *e) {
    const struct kernel_tensor *x = &c->in[0], *y = &c->out[0];
    const int64_t *low = kernel_ints(c, "low"), *interior = kernel_ints(c, "interior");
    int64_t stride[RN_MAX_RANK], at[RN_MAX_RANK];
    full(c, e);
    strides_of(y, stride);
    for (uint64_t i = 0; i < x->count; i++) {
        int64_t to = 0;
        coordinates(x, i, at);
        for (uint32_t k = 0; k < x->rank; k++)
            to += (low[k] + at[k] * (interior[k] + 1)) * stride[k];
        put(y->data, (uint64_t)to, x->data, i, RN_DTYPE_BYTES(y->dtype));
    }
    return RN_OK;
}

static int32_t concat(const struct kernel_call *c, struct rn_error *e) {
    const struct kernel_tensor *y = &c->out[0];
    int64_t axis = kernel_int(c, "axis"), outer = 1, inner = 1, done = 0;
    size_t size = RN_DTYPE_BYTES(y->dtype);
    (void)e;
    for (int64_t i = 0; i < (int64_t)y->rank; i++) {
        outer *= i < axis ? y->shape[i] : 1;
        inner *= i > axis ? y->shape[i] : 1;
    }
    for (uint32_t k = 0; k < c->n_in; k++) {
        int64_t n = c->in[k].shape[axis] * inner;
        for (int64_t o = 0; o < outer; o++)
            memcpy((char *)y->data + (size_t)(o * y->shape[axis] * inner + done) * size,
                   (const char *)c->in[k].data + (size_t)(o * n) * size,
                   (size_t)n * size);
        done += n;
    }
    return RN_OK;
}

static int32_t iota(const struct kernel_call *c, struct rn_error *e) {
    int64_t axis = kernel_int(c, "axis"), at[RN_MAX_RANK];
    (void)e;
    for (uint64_t i = 0; i < c->out[0].count; i++) {
        coordinates(&c->out[0], i, at);
        store(c->out[0].data, c->out[0].dtype, i, (double)at[axis]);
    }
    return RN_OK;
}

/* x[..., index..., ...] along axis; outside: NaN, or 0 for integers. */
static int32_t gather(const struct kernel_call *c, struct rn_error *e) {
    const struct kernel_tensor *x = &c->in[0], *ix = &c->in[1], *y = &c->out[0];
    int64_t axis = kernel_int(c, "axis"), outer = 1, inner = 1, n = x->shape[axis];
    size_t size = RN_DTYPE_BYTES(y->dtype);
    (void)e;
    for (int64_t i = 0; i < (int64_t)x->rank; i++) {
        outer *= i < axis ? x->shape[i] : 1;
        inner *= i > axis ? x->shape[i] : 1;
    }
    for (int64_t o = 0; o < outer; o++)
        for (uint64_t k = 0; k < ix->count; k++) {
            int64_t at = kernel_index(ix->data, ix->dtype, k);
            uint64_t to = ((uint64_t)o * ix->count + k) * (uint64_t)inner;
            if (at >= 0 && at < n) {
                memcpy((char *)y->data + to * size,
                       (const char *)x->data + (size_t)((o * n + at) * inner) * size,
                       (size_t)inner * size);
                continue;
            }
            for (int64_t i = 0; i < inner; i++)
                store(y->data, y->dtype, to + (uint64_t)i,
                      y->dtype == RN_F32 || y->dtype == RN_F64 ? (double)NAN : 0.0);
        }
    return RN_OK;
}

static void add_at(void *p, rn_dtype t, uint64_t i, const void *q, uint64_t k) {
    if (t == RN_F32)
        ((float *)p)[i] += ((const float *)q)[k];
    else if (t == RN_F64)
        ((double *)p)[i] += ((const double *)q)[k];
    else if (t == RN_I64)
        ((int64_t *)p)[i] += ((const int64_t *)q)[k];
    else
        ((int32_t *)p)[i] += ((const int32_t *)q)[k];
}

static int32_t scatter_add(const struct kernel_call *c, struct rn_error *e) {
    const struct kernel_tensor *x = &c->in[0], *ix = &c->in[1], *u = &c->in[2];
    const struct kernel_tensor *y = &c->out[0];
    int64_t axis = kernel_int(c, "axis"), outer = 1, inner = 1, n = x->shape[axis];
    copy(c, e);
    for (int64_t i = 0; i < (int64_t)x->rank; i++) {
        outer *= i < axis ? x->shape[i] : 1;
        inner *= i > axis ? x->shape[i] : 1;
    }
    for (int64_t o = 0; o < outer; o++)
        for (uint64_t k = 0; k < ix->count; k++) {
            int64_t at = kernel_index(ix->data, ix->dtype, k);
            for (int64_t i = 0; i < inner && at >= 0 && at < n; i++)
                add_at(y->data, y->dtype, (uint64_t)((o * n + at) * inner + i), u->data,
                       ((uint64_t)o * ix->count + k) * (uint64_t)inner + (uint64_t)i);
        }
    return RN_OK;
}

/* Where index element i of take_along and put_along_add points in x; -1 outside. */
static int64_t pointed(const struct kernel_tensor *x, const struct kernel_tensor *ix,
                       int64_t axis, uint64_t i) {
    int64_t at[RN_MAX_RANK], stride[RN_MAX_RANK], to = 0;
    int64_t k = kernel_index(ix->data, ix->dtype, i);
    if (k < 0 || k >= x->shape[axis])
        return -1;
    coordinates(ix, i, at);
    strides_of(x, stride);
    at[axis] = k;
    for (uint32_t d = 0; d < x->rank; d++)
        to += at[d] * stride[d];
    return to;
}

static int32_t take_along(const struct kernel_call *c, struct rn_error *e) {
    const struct kernel_tensor *y = &c->out[0];
    (void)e;
    for (uint64_t i = 0; i < y->count; i++) {
        int64_t at = pointed(&c->in[0], &c->in[1], kernel_int(c, "axis"), i);
        if (at >= 0)
            put(y->data, i, c->in[0].data, (uint64_t)at, RN_DTYPE_BYTES(y->dtype));
        else
            store(y->data, y->dtype, i,
                  y->dtype == RN_F32 || y->dtype == RN_F64 ? (double)NAN : 0.0);
    }
    return RN_OK;
}

static int32_t put_along_add(const struct kernel_call *c, struct rn_error *e) {
    copy(c, e);
    for (uint64_t i = 0; i < c->in[1].count; i++) {
        int64_t at = pointed(&c->in[0], &c->in[1], kernel_int(c, "axis"), i);
        if (at >= 0)
            add_at(c->out[0].data, c->out[0].dtype, (uint64_t)at, c->in[2].data, i);
    }
    return RN_OK;
}

static int32_t random(const struct kernel_call *c, struct rn_error *e) {
    const struct kernel_tensor *y = &c->out[0];
    uint32_t seed = *(const uint32_t *)c->in[0].data,
             step = *(const uint32_t *)c->in[1].data;
    uint32_t first = *(const uint32_t *)c->in[2].data;
    uint32_t stream = (uint32_t)kernel_int(c, "stream");
    int by_row = kernel_int(c, "rows") && y->rank > 0;
    uint64_t each = by_row ? y->count / (uint64_t)y->shape[0] : y->count;
    int normal = strcmp(c->node->op, "random_normal") == 0;
    (void)e;
    for (uint64_t i = 0; i < y->count; i++) {
        uint32_t row = by_row ? first + (uint32_t)(i / each) : 0,
                 k = (uint32_t)(i % each);
        ((float *)y->data)[i] = normal
                                    ? rn_random_normal_at(seed, stream, step, row, k)
                                    : rn_random_uniform_at(seed, stream, step, row, k);
    }
    return RN_OK;
}

kernel_fn kernel_move(const char *op, rn_dtype t) {
    static const struct {
        const char *op;
        kernel_fn fn;
    } table[] = {{"reshape", copy},
                 {"transpose", transpose},
                 {"slice", slice},
                 {"concat", concat},
                 {"pad", pad},
                 {"broadcast_to", broadcast_to},
                 {"iota", iota},
                 {"full", full},
                 {"gather", gather},
                 {"take_along", take_along},
                 {"random_uniform", random},
                 {"random_normal", random}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(table[i].op, op) == 0)
            return table[i].fn;
    if (t == RN_F32 || t == RN_F64 || t == RN_I64 || t == RN_I32) {
        if (strcmp(op, "scatter_add") == 0)
            return scatter_add;
        if (strcmp(op, "put_along_add") == 0)
            return put_along_add;
    }
    return NULL;
}

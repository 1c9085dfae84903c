/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions, arg-reductions, cumulative sums, sorting, matrix products. f32 and f64
 * from one text; integers sum in i64 order by plain loops. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <runner/numerics.h>

#include "kernels.h"

/* Output index -> offset of the first reduced element, and the list of offsets of one
 * reduction, in row-major order of the reduced axes. */
struct walk {
    uint32_t kept, gone;
    int64_t kept_size[RN_MAX_RANK], kept_stride[RN_MAX_RANK];
    int64_t gone_size[RN_MAX_RANK], gone_stride[RN_MAX_RANK];
    uint64_t count; /* elements in one reduction */
};

static void walk_make(const struct kernel_call *c, struct walk *w) {
    const struct kernel_tensor *x = &c->in[0];
    int64_t stride[RN_MAX_RANK], step = 1;
    const struct rn_attr *axes = NULL;
    memset(w, 0, sizeof *w);
    for (uint32_t i = x->rank; i-- > 0;) {
        stride[i] = step;
        step *= x->shape[i];
    }
    for (uint32_t i = 0; i < c->node->attr_count; i++)
        if (strcmp(c->node->attrs[i].name, "axes") == 0)
            axes = &c->node->attrs[i];
    w->count = 1;
    for (uint32_t i = 0; i < x->rank; i++) {
        int reduced = 0;
        for (uint32_t k = 0; axes && k < axes->count; k++)
            reduced |= ((const int64_t *)axes->p)[k] == (int64_t)i;
        if (reduced) {
            w->gone_size[w->gone] = x->shape[i];
            w->gone_stride[w->gone++] = stride[i];
            w->count *= (uint64_t)x->shape[i];
        } else {
            w->kept_size[w->kept] = x->shape[i];
            w->kept_stride[w->kept++] = stride[i];
        }
    }
}

static int64_t offset(uint32_t n, const int64_t *size, const int64_t *stride,
                      uint64_t i) {
    int64_t at = 0;
    for (uint32_t k = n; k-- > 0;) {
        at += (int64_t)(i % (uint64_t)size[k]) * stride[k];
        i /= (uint64_t)size[k];
    }
    return at;
}

#define REDUCE(T, S, SUM)                                                              \
    static int32_t reduce_##S(const struct kernel_call *c, struct rn_error *e) {       \
        struct walk w;                                                                 \
        const T *x = c->in[0].data;                                                    \
        T *y = c->out[0].data, *row;                                                   \
        char kind = c->node->op[7]; /* reduce_s, m(ax/in), p */                        \
        int is_max = strcmp(c->node->op, "reduce_max") == 0;                           \
        walk_make(c, &w);                                                              \
        row = malloc(sizeof *row * (w.count + 1));                                     \
        if (!row)                                                                      \
            return rn_fail(e, RN_E_MEMORY, "no memory for a reduction", NULL, NULL);   \
        for (uint64_t o = 0; o < c->out[0].count; o++) {                               \
            int64_t base = offset(w.kept, w.kept_size, w.kept_stride, o);              \
            for (uint64_t i = 0; i < w.count; i++)                                     \
                row[i] = x[base + offset(w.gone, w.gone_size, w.gone_stride, i)];      \
            if (kind == 's') {                                                         \
                y[o] = SUM;                                                            \
                continue;                                                              \
            }                                                                          \
            T best = row[0];                                                           \
            for (uint64_t i = 1; i < w.count; i++) {                                   \
                if (kind == 'p')                                                       \
                    best *= row[i];                                                    \
                else if (best == best && (row[i] != row[i] ||                          \
                                          (is_max ? row[i] > best : row[i] < best)))   \
                    best = row[i];                                                     \
            }                                                                          \
            y[o] = best;                                                               \
        }                                                                              \
        free(row);                                                                     \
        return RN_OK;                                                                  \
    }

static int64_t sum_i64(const int64_t *x, uint64_t n) {
    int64_t s = 0;
    for (uint64_t i = 0; i < n; i++)
        s = (int64_t)((uint64_t)s + (uint64_t)x[i]);
    return s;
}
static int32_t sum_i32(const int32_t *x, uint64_t n) {
    uint32_t s = 0;
    for (uint64_t i = 0; i < n; i++)
        s += (uint32_t)x[i];
    return (int32_t)s;
}
REDUCE(float, f32, rn_sum_f32(row, w.count, 1))
REDUCE(double, f64, rn_sum_f64(row, w.count, 1))
REDUCE(int64_t, i64, sum_i64(row, w.count))
REDUCE(int32_t, i32, sum_i32(row, w.count))

/* Lines along one axis: outer x n x inner. */
struct lines {
    int64_t outer, n, inner;
};

static struct lines lines_of(const struct kernel_tensor *x, int64_t axis) {
    struct lines l = {1, x->shape[axis], 1};
    for (int64_t i = 0; i < (int64_t)x->rank; i++) {
        if (i < axis)
            l.outer *= x->shape[i];
        if (i > axis)
            l.inner *= x->shape[i];
    }
    return l;
}

#define ALONG(T, S)                                                                    \
    static int32_t arg_##S(const struct kernel_call *c, struct rn_error *e) {          \
        struct lines l = lines_of(&c->in[0], kernel_int(c, "axis"));                   \
        const T *x = c->in[0].data;                                                    \
        int is_max = strcmp(c->node->op, "arg_max") == 0;                              \
        (void)e;                                                                       \
        for (int64_t o = 0; o < l.outer; o++)                                          \
            for (int64_t i = 0; i < l.inner; i++) {                                    \
                const T *p = x + o * l.n * l.inner + i;                                \
                int64_t best = 0;                                                      \
                for (int64_t k = 1; k < l.n; k++) {                                    \
                    T v = p[k * l.inner], b = p[best * l.inner];                       \
                    if (b == b && (v != v || (is_max ? v > b : v < b)))                \
                        best = k;                                                      \
                }                                                                      \
                ((int64_t *)c->out[0].data)[o * l.inner + i] = best;                   \
            }                                                                          \
        return RN_OK;                                                                  \
    }                                                                                  \
    static int32_t cumsum_##S(const struct kernel_call *c, struct rn_error *e) {       \
        struct lines l = lines_of(&c->in[0], kernel_int(c, "axis"));                   \
        int64_t exclusive = kernel_int(c, "exclusive"),                                \
                back = kernel_int(c, "reverse");                                       \
        (void)e;                                                                       \
        for (int64_t o = 0; o < l.outer; o++)                                          \
            for (int64_t i = 0; i < l.inner; i++) {                                    \
                const T *x = (const T *)c->in[0].data + o * l.n * l.inner + i;         \
                T *y = (T *)c->out[0].data + o * l.n * l.inner + i, sum = 0;           \
                for (int64_t k = 0; k < l.n; k++) {                                    \
                    int64_t at = (back ? l.n - 1 - k : k) * l.inner;                   \
                    T v = x[at];                                                       \
                    y[at] = exclusive ? sum : (T)(sum + v);                            \
                    sum += v;                                                          \
                }                                                                      \
            }                                                                          \
        return RN_OK;                                                                  \
    }                                                                                  \
    /* a before b? NaN last when ascending, first when descending; then by index */    \
    static int before_##S(const T *p, int64_t inner, int64_t a, int64_t b, int down) { \
        T x = p[a * inner], y = p[b * inner];                                          \
        int nx = x != x, ny = y != y;                                                  \
        if (nx || ny)                                                                  \
            return nx == ny ? a < b : down ? nx : ny;                                  \
        return x == y ? a < b : down ? x > y : x < y;                                  \
    }                                                                                  \
    static int32_t sort_##S(const struct kernel_call *c, struct rn_error *e) {         \
        struct lines l = lines_of(&c->in[0], kernel_int(c, "axis"));                   \
        int top = strcmp(c->node->op, "top_k") == 0;                                   \
        int down = top || kernel_int(c, "descending");                                 \
        int64_t k = top ? kernel_int(c, "k") : l.n;                                    \
        int64_t *order = malloc(sizeof *order * 2 * (size_t)(l.n + 1));                \
        if (!order)                                                                    \
            return rn_fail(e, RN_E_MEMORY, "no memory for a sort", NULL, NULL);        \
        for (int64_t o = 0; o < l.outer; o++)                                          \
            for (int64_t i = 0; i < l.inner; i++) {                                    \
                const T *p = (const T *)c->in[0].data + o * l.n * l.inner + i;         \
                int64_t *from = order, *to = order + l.n;                              \
                for (int64_t n = 0; n < l.n; n++)                                      \
                    from[n] = n;                                                       \
                for (int64_t w = 1; w < l.n; w *= 2) { /* merge sort, stable */        \
                    for (int64_t s = 0; s < l.n; s += 2 * w) {                         \
                        int64_t a = s, m = s + w < l.n ? s + w : l.n, b = m;           \
                        int64_t end = s + 2 * w < l.n ? s + 2 * w : l.n;               \
                        for (int64_t n = s; n < end; n++)                              \
                            to[n] =                                                    \
                                a < m && (b >= end || !before_##S(p, l.inner, from[b], \
                                                                  from[a], down))      \
                                    ? from[a++]                                        \
                                    : from[b++];                                       \
                    }                                                                  \
                    int64_t *swap = from;                                              \
                    from = to, to = swap;                                              \
                }                                                                      \
                for (int64_t n = 0; n < k; n++) {                                      \
                    int64_t at = (o * k + n) * l.inner + i;                            \
                    ((T *)c->out[0].data)[at] = p[from[n] * l.inner];                  \
                    if (c->n_out > 1 && c->out[1].data)                                \
                        ((int64_t *)c->out[1].data)[at] = from[n];                     \
                }                                                                      \
            }                                                                          \
        free(order);                                                                   \
        return RN_OK;                                                                  \
    }
ALONG(float, f32)
ALONG(double, f64)
ALONG(int64_t, i64)
ALONG(int32_t, i32)

/* [...,M,K] x [...,K,N]; sums in the order of K by the fixed tree. */
#define MATMUL(T, S)                                                                   \
    static int32_t matmul_##S(const struct kernel_call *c, struct rn_error *e) {       \
        const struct kernel_tensor *a = &c->in[0], *b = &c->in[1], *o = &c->out[0];    \
        int64_t ta = kernel_int(c, "trans_a"), tb = kernel_int(c, "trans_b");          \
        int64_t m = o->shape[o->rank - 2], n = o->shape[o->rank - 1];                  \
        int64_t k = a->shape[a->rank - (ta ? 2 : 1)];                                  \
        uint64_t batches = o->count / (uint64_t)(m * n);                               \
        T *products = malloc(sizeof *products * (size_t)(k + 1));                      \
        if (!products)                                                                 \
            return rn_fail(e, RN_E_MEMORY, "no memory for a product", NULL, NULL);     \
        for (uint64_t batch = 0; batch < batches; batch++) {                           \
            uint64_t left = batch, at = 0, bt = 0, as = 1, bs = 1;                     \
            for (uint32_t i = 2; i < o->rank; i++) {                                   \
                uint64_t size = (uint64_t)o->shape[o->rank - 1 - i], x = left % size;  \
                left /= size;                                                          \
                if (i < a->rank) {                                                     \
                    at += a->shape[a->rank - 1 - i] == 1 ? 0 : x * as;                 \
                    as *= (uint64_t)a->shape[a->rank - 1 - i];                         \
                }                                                                      \
                if (i < b->rank) {                                                     \
                    bt += b->shape[b->rank - 1 - i] == 1 ? 0 : x * bs;                 \
                    bs *= (uint64_t)b->shape[b->rank - 1 - i];                         \
                }                                                                      \
            }                                                                          \
            const T *x = (const T *)a->data + at * (uint64_t)(m * k);                  \
            const T *y = (const T *)b->data + bt * (uint64_t)(k * n);                  \
            T *z = (T *)o->data + batch * (uint64_t)(m * n);                           \
            for (int64_t i = 0; i < m; i++)                                            \
                for (int64_t j = 0; j < n; j++) {                                      \
                    for (int64_t p = 0; p < k; p++)                                    \
                        products[p] = (ta ? x[p * m + i] : x[i * k + p]) *             \
                                      (tb ? y[j * k + p] : y[p * n + j]);              \
                    z[i * n + j] = rn_sum_##S(products, (uint64_t)k, 1);               \
                }                                                                      \
        }                                                                              \
        free(products);                                                                \
        return RN_OK;                                                                  \
    }
MATMUL(float, f32)
MATMUL(double, f64)

kernel_fn kernel_reduce(const char *op, rn_dtype t) {
    int f32 = t == RN_F32, f64 = t == RN_F64, i64 = t == RN_I64, i32 = t == RN_I32;
#define CHOOSE(name)                                                                   \
    (f32 ? name##_f32 : f64 ? name##_f64 : i64 ? name##_i64 : i32 ? name##_i32 : NULL)
    if (strcmp(op, "reduce_sum") == 0 || strcmp(op, "reduce_max") == 0 ||
        strcmp(op, "reduce_min") == 0 || strcmp(op, "reduce_prod") == 0)
        return CHOOSE(reduce);
    if (strcmp(op, "arg_max") == 0 || strcmp(op, "arg_min") == 0)
        return CHOOSE(arg);
    if (strcmp(op, "cumsum") == 0)
        return CHOOSE(cumsum);
    if (strcmp(op, "sort") == 0 || strcmp(op, "top_k") == 0)
        return CHOOSE(sort);
    if (strcmp(op, "matmul") == 0)
        return f32 ? matmul_f32 : f64 ? matmul_f64 : NULL;
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Attention (Vaswani et al. 2017, section 3.2) as one operator, so that a backend can
 * compute it in tiles and never hold a score for every pair (Dao et al. 2022): forward
 * keeps the logarithm of each row's sum, from which the gradient finds the scores
 * again. The decompositions are the definitions. */
#include <math.h>
#include <string.h>

#include "graph/internal.h"

/* Sizes as the attributes divide them: q [batch, rows, heads * depth],
 * k [batch, keys, heads * depth], v [batch, keys, heads * wide]. */
struct sizes {
    int64_t batch, rows, keys, heads, depth, wide;
};

static struct sizes sizes_of(const struct gvalue *q, const struct gvalue *k,
                             const struct gvalue *v, int64_t heads) {
    struct sizes z = {
        1,     q->shape[q->rank - 2],         k->shape[k->rank - 2],
        heads, q->shape[q->rank - 1] / heads, v->shape[v->rank - 1] / heads};
    for (uint32_t i = 0; i + 2 < q->rank; i++)
        z.batch *= q->shape[i];
    return z;
}

/* q, k, v belong together. */
static int check(struct shaper *s) {
    const struct gvalue *q = s->in[0], *k = s->in[1], *v = s->in[2];
    int64_t heads = shaper_attr(s, "heads")->i;
    if (q->rank < 2 || !dtype_float(q->dtype) || k->rank != q->rank ||
        v->rank != q->rank)
        return shape_fail(s, "expects float q [...,T,D], k [...,S,D], v [...,S,E]");
    for (uint32_t i = 0; i + 2 < q->rank; i++)
        if (k->shape[i] != q->shape[i] || v->shape[i] != q->shape[i])
            return shape_fail(s, "q, k and v have other sizes on axis %u", i);
    if (k->shape[k->rank - 1] != q->shape[q->rank - 1])
        return shape_fail(s, "q has %lld columns, k %lld",
                          (long long)q->shape[q->rank - 1],
                          (long long)k->shape[k->rank - 1]);
    if (k->shape[k->rank - 2] != v->shape[v->rank - 2])
        return shape_fail(s, "there are %lld keys for %lld values",
                          (long long)k->shape[k->rank - 2],
                          (long long)v->shape[v->rank - 2]);
    if (heads < 1 || q->shape[q->rank - 1] % heads || v->shape[v->rank - 1] % heads)
        return shape_fail(s, "%lld heads do not divide %lld and %lld columns",
                          (long long)heads, (long long)q->shape[q->rank - 1],
                          (long long)v->shape[v->rank - 1]);
    return RN_OK;
}

static void result_shapes(const struct shaper *s, struct gvalue *y,
                          struct gvalue *lse) {
    *y = *lse = *s->in[0];
    y->shape[y->rank - 1] = s->in[2]->shape[y->rank - 1];
    lse->shape[lse->rank - 1] = shaper_attr((struct shaper *)s, "heads")->i;
    if (dtype_narrow(lse->dtype))
        lse->dtype = RN_F32;
}

/* Operands of 16 bits are one type, sums of their exponentials f32; results may be f32
 * (attribute dtype). */
static int types(struct shaper *s, uint32_t result_count) {
    rn_dtype t = s->in[0]->dtype, want = (rn_dtype)shaper_attr(s, "dtype")->i;
    for (uint32_t i = 1; i < s->n_in; i++) {
        rn_dtype here = (i == 4 || i == 6) && dtype_narrow(t) ? RN_F32 : t;
        if (s->in[i]->dtype != here)
            return shape_fail(s, "operand %u is %s beside q of %s, not %s", i,
                              dtype_name(s->in[i]->dtype), dtype_name(t),
                              dtype_name(here));
    }
    if (want && want != t && !(dtype_narrow(t) && want == RN_F32))
        return shape_fail(s, "attention of %s cannot be %s", dtype_name(t),
                          dtype_name(want));
    for (uint32_t i = 0; i < result_count; i++)
        s->out[i].dtype = want ? want : t;
    return RN_OK;
}

static int attention_shape(struct shaper *s) {
    int status = check(s);
    if (status != RN_OK)
        return status;
    result_shapes(s, &s->out[0], &s->out[1]);
    return types(s, 1);
}

static int attention_grad_shape(struct shaper *s) { /* q k v y lse gy [glse] */
    struct gvalue y, lse;
    int status = check(s);
    if (status != RN_OK)
        return status;
    result_shapes(s, &y, &lse);
    if (!same_shape(&y, s->in[3]) || !same_shape(&y, s->in[5]) ||
        !same_shape(&lse, s->in[4]) || (s->n_in == 7 && !same_shape(&lse, s->in[6])))
        return shape_fail(s, "results and gradients have other shapes than theirs");
    for (int i = 0; i < 3; i++)
        s->out[i] = *s->in[i];
    return types(s, 3);
}

/* ------------------------------------------------------------------ writing */

struct writer {
    struct rule *r;
    struct sizes z;
    rn_value scale, zero;
    rn_value seen; /* causal: bool [T,S], key j is at or before query i; or RN_NONE */
};

static rn_value range(struct rule *r, int64_t n, int64_t axis) {
    int64_t shape[2] = {axis ? 1 : n, axis ? n : 1};
    struct rn_attr a[3] = {rn_attr_ints("shape", 2, shape), rn_attr_int("axis", axis),
                           rn_attr_int("dtype", RN_I64)};
    return emit(r, "iota", 0, NULL, 3, a);
}

static struct writer writer_of(struct rule *r) {
    const struct gvalue *q = emit_value(r, r->in[0]);
    struct writer w = {.r = r};
    w.z = sizes_of(q, emit_value(r, r->in[1]), emit_value(r, r->in[2]),
                   attr_int(r->n, "heads"));
    double scale = attr_float(r->n, "scale");
    w.scale =
        emit_number(r, r->in[0], scale != 0.0 ? scale : 1.0 / sqrt((double)w.z.depth));
    w.zero = emit_number(r, r->in[0], 0.0);
    if (attr_int(r->n, "causal"))
        w.seen = emit2(r, "ge", range(r, w.z.rows, 0), range(r, w.z.keys, 1));
    return w;
}

/* [...,n, heads * width] -> [batch, heads, n, width] */
static rn_value split(const struct writer *w, rn_value x, int64_t n, int64_t width) {
    const int64_t perm[4] = {0, 2, 1, 3};
    int64_t shape[4] = {w->z.batch, n, w->z.heads, width};
    if (w->z.heads == 1)
        shape[1] = 1, shape[2] = n;
    x = emit_reshape(w->r, x, 4, shape);
    return w->z.heads == 1 ? x : emit_transpose(w->r, x, 4, perm);
}

/* And back, to the shape of `like`. */
static rn_value join(const struct writer *w, rn_value x, const struct gvalue *like) {
    const int64_t perm[4] = {0, 2, 1, 3};
    if (w->z.heads > 1)
        x = emit_transpose(w->r, x, 4, perm);
    return emit_reshape(w->r, x, like->rank, like->shape);
}

static rn_value mm(const struct writer *w, rn_value a, rn_value b, int ta, int tb) {
    rn_value in[2] = {a, b};
    struct rn_attr at[2] = {rn_attr_int("trans_a", ta), rn_attr_int("trans_b", tb)};
    return emit(w->r, "matmul", 2, in, 2, at);
}

static rn_value scores(const struct writer *w, rn_value q, rn_value k) {
    return emit2(w->r, "mul", mm(w, q, k, 0, 1), w->scale);
}

/* x where the key is seen, else y. */
static rn_value where_seen(const struct writer *w, rn_value x, rn_value y) {
    return w->seen ? emit3(w->r, "select", w->seen, x, y) : x;
}

static int c_attention(struct rule *r) {
    if (rule_narrow(r))
        return rule_widened(r, 1);
    struct writer w = writer_of(r);
    const struct gvalue q = *emit_value(r, r->in[0]), v = *emit_value(r, r->in[2]);
    struct gvalue y = q, lse = q;
    int64_t last = 3, start[4] = {0, 0, 0, 0}, step[4] = {1, 1, 1, 1};
    int64_t stop[4] = {w.z.batch, w.z.heads, w.z.rows, 1};
    struct rn_attr cut[3] = {rn_attr_ints("start", 4, start),
                             rn_attr_ints("stop", 4, stop),
                             rn_attr_ints("step", 4, step)};
    y.shape[y.rank - 1] = v.shape[v.rank - 1];
    lse.shape[lse.rank - 1] = w.z.heads;
    rn_value s = scores(&w, split(&w, r->in[0], w.z.rows, w.z.depth),
                        split(&w, r->in[1], w.z.keys, w.z.depth));
    /* What is not seen stands as the first score, which always is: finite everywhere.
     */
    if (w.seen)
        s = where_seen(&w, s, emit(r, "slice", 1, &s, 3, cut));
    /* The result does not depend on what is subtracted, so nothing flows through it. */
    rn_value top =
        emit1(r, "stop_gradient", emit_reduce(r, "reduce_max", s, 1, &last, 1));
    rn_value p = where_seen(&w, emit1(r, "exp", emit2(r, "sub", s, top)), w.zero);
    rn_value sum = emit_reduce(r, "reduce_sum", p, 1, &last, 1);
    rn_value o = mm(&w, p, split(&w, r->in[2], w.z.keys, w.z.wide), 0, 0);
    r->out[0] = join(&w, emit2(r, "div", o, sum), &y);
    r->out[1] = join(&w, emit2(r, "add", top, emit1(r, "log", sum)), &lse);
    return RN_OK;
}

/* p = exp(s - lse); gv = p^T gy; gs = p (gy v^T - sum(gy y) + glse) scale */
static int c_attention_grad(struct rule *r) {
    if (rule_narrow(r))
        return rule_widened(r, 3);
    struct writer w = writer_of(r);
    int64_t last = 3;
    struct gvalue like[3];
    for (int i = 0; i < 3; i++)
        like[i] = *emit_value(r, r->in[i]);
    rn_value q = split(&w, r->in[0], w.z.rows, w.z.depth);
    rn_value k = split(&w, r->in[1], w.z.keys, w.z.depth);
    rn_value v = split(&w, r->in[2], w.z.keys, w.z.wide);
    rn_value y = split(&w, r->in[3], w.z.rows, w.z.wide);
    rn_value lse = split(&w, r->in[4], w.z.rows, 1);
    rn_value gy = split(&w, r->in[5], w.z.rows, w.z.wide);
    rn_value d = where_seen(&w, emit2(r, "sub", scores(&w, q, k), lse), w.zero);
    rn_value p = where_seen(&w, emit1(r, "exp", d), w.zero);
    rn_value less = emit_reduce(r, "reduce_sum", emit2(r, "mul", gy, y), 1, &last, 1);
    if (r->n_in == 7)
        less = emit2(r, "sub", less, split(&w, r->in[6], w.z.rows, 1));
    rn_value gs = emit2(r, "mul", p, emit2(r, "sub", mm(&w, gy, v, 0, 1), less));
    gs = emit2(r, "mul", gs, w.scale);
    r->out[0] = join(&w, mm(&w, gs, k, 0, 0), &like[0]);
    r->out[1] = join(&w, mm(&w, gs, q, 1, 0), &like[1]);
    r->out[2] = join(&w, mm(&w, p, gy, 1, 0), &like[2]);
    return RN_OK;
}

static int d_attention(struct rule *r) {
    rn_value gy = r->gout[0] ? r->gout[0] : emit_zeros(r, r->out[0]);
    rn_dtype t = emit_value(r, r->in[0])->dtype;
    rn_value in[7] = {r->in[0],  r->in[1],
                      r->in[2],  emit_cast(r, r->out[0], t),
                      r->out[1], emit_cast(r, gy, t),
                      r->gout[1]};
    rn_value out[3] = {RN_NONE, RN_NONE, RN_NONE};
    struct rn_attr at[3] = {rn_attr_int("heads", attr_int(r->n, "heads")),
                            rn_attr_int("causal", attr_int(r->n, "causal")),
                            rn_attr_float("scale", attr_float(r->n, "scale"))};
    if (r->e->status == RN_OK)
        graph_op(r->g, "attention_grad", r->gout[1] ? 7 : 6, in, 3, at, 3, out, r->e);
    memcpy(r->gin, out, sizeof out);
    return r->e->status;
}

#define ATTRIBUTES "heads:int=1 causal:int=0 scale:float=0 dtype:int=0"

const struct op ops_attention[] = {{"attention", 0, 3, 3, 2, ATTRIBUTES,
                                    attention_shape, d_attention, c_attention, 1, NULL},
                                   {"attention_grad", 0, 6, 7, 3, ATTRIBUTES,
                                    attention_grad_shape, NULL, c_attention_grad, 1,
                                    NULL},
                                   OPS_END};

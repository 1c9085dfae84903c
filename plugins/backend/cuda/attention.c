/* SPDX-License-Identifier: Apache-2.0 */
/* Attention and its gradient by kernels of our own (attention.cu), in tiles: f32, f64,
 * 16 bits with arithmetic in f32; any width of a head. */
#include <math.h>
#include <string.h>

#include "products.h"

#define SPAN 64 /* queries or keys of a tile */

/* q k v of one float type; what is beside the logarithms too, they are at least f32. */
static bool types(const struct cuda_setup *s, bool grad) {
    rn_dtype t = s->n_in > 2 ? s->in[0].dtype : 0;
    bool good = cuda_float_suffix(t) && t != RN_I32 && t != RN_I64;
    for (uint32_t i = 1; good && i < s->n_in; i++)
        good = s->in[i].dtype ==
               (grad && (i == 4 || i == 6) && cuda_narrow(t) ? RN_F32 : t);
    return good;
}

static struct attention_args sizes(const struct cuda_setup *s) {
    const struct tensor *q = &s->in[0], *v = &s->in[2];
    struct attention_args a = {.rows = q->shape[q->rank - 2],
                               .keys = v->shape[v->rank - 2],
                               .heads = cuda_int(s->node, "heads", 1),
                               .causal = cuda_int(s->node, "causal", 0),
                               .scale = cuda_float(s->node, "scale", 0.0)};
    a.batch = 1;
    for (uint32_t i = 0; i + 2 < q->rank; i++)
        a.batch *= q->shape[i];
    a.depth = q->shape[q->rank - 1] / a.heads;
    a.width = v->shape[v->rank - 1] / a.heads;
    if (a.scale == 0.0)
        a.scale = 1.0 / sqrt((double)a.depth);
    for (uint32_t i = 0; i < s->n_out; i++)
        a.wide |= s->out[i].at.base != RN_NO_SLOT && s->out[i].dtype == RN_F32 &&
                  (s->n_out == 3 || i == 0);
    return a;
}

static int64_t divided(int64_t n, int64_t by) {
    return (n + by - 1) / by;
}

/* A pass over blocks of `lines` queries or keys, results of `columns`. */
static struct cuda_task *pass(struct cuda_setup *s, struct attention_args *a,
                              const char *name, int64_t lines, int64_t columns) {
    int64_t widest = a->depth > a->width ? a->depth : a->width;
    /* f64: half as many, for its registers */
    int each = widest <= 64 || s->in[0].dtype == RN_F64 ? 64 : 128;
    a->blocks = divided(lines, SPAN);
    a->cuts = divided(columns, each);
    a->units = (uint64_t)(a->batch * a->heads * a->blocks * a->cuts);
    struct cuda_task *t =
        cuda_launch(s, THEME_ATTENTION, a->units, true, a, sizeof *a, "%s_%d_%s", name,
                    each, cuda_float_suffix(s->in[0].dtype));
    CUDA_POINTER(s, t, attention_args, q, s->in[0].at);
    CUDA_POINTER(s, t, attention_args, k, s->in[1].at);
    CUDA_POINTER(s, t, attention_args, v, s->in[2].at);
    return t;
}

static void forward(struct cuda_setup *s, struct attention_args *a) {
    struct cuda_task *t = pass(s, a, "attention", a->rows, a->width);
    CUDA_POINTER(s, t, attention_args, y, s->out[0].at);
    CUDA_POINTER(s, t, attention_args, sums, s->out[1].at);
}

static void grad_operands(struct cuda_setup *s, struct cuda_task *t) {
    CUDA_POINTER(s, t, attention_args, sums, s->in[4].at);
    CUDA_POINTER(s, t, attention_args, gy, s->in[5].at);
    CUDA_POINTER(s, t, attention_args, less, s->work);
}

/* in: q k v y sums gy [gsums] */
static void backward(struct cuda_setup *s, struct attention_args *a) {
    uint64_t lines = (uint64_t)(a->batch * a->rows * a->heads);
    int64_t widest = a->depth > a->width ? a->depth : a->width;
    s->workspace = cuda_align(lines * (s->in[0].dtype == RN_F64 ? 8 : 4));
    struct cuda_task *t = cuda_launch(
        s, THEME_ATTENTION, (uint64_t)divided((int64_t)lines, THREADS / 16), true, a,
        sizeof *a, "attention_less_%s", cuda_float_suffix(s->in[0].dtype));
    CUDA_POINTER(s, t, attention_args, yy, s->in[3].at);
    if (s->n_in > 6)
        CUDA_POINTER(s, t, attention_args, gsums, s->in[6].at);
    grad_operands(s, t);
    if (s->out[0].at.base != RN_NO_SLOT) {
        t = pass(s, a, "attention_grad_q", a->rows, a->depth);
        grad_operands(s, t);
        CUDA_POINTER(s, t, attention_args, gq, s->out[0].at);
    }
    if (s->out[1].at.base != RN_NO_SLOT || s->out[2].at.base != RN_NO_SLOT) {
        t = pass(s, a, "attention_grad_kv", a->keys, widest);
        grad_operands(s, t);
        CUDA_POINTER(s, t, attention_args, gk, s->out[1].at);
        CUDA_POINTER(s, t, attention_args, gv, s->out[2].at);
    }
}

int32_t cuda_room_attention(struct cuda_setup *s, struct rn_error *e) {
    bool grad = cuda_is(s, "attention_grad");
    (void)e;
    if ((!grad && !cuda_is(s, "attention")) || !types(s, grad))
        return 0;
    struct attention_args a = sizes(s);
    if (a.keys == 0 || a.depth == 0 || a.width == 0) /* as the definition has it */
        return 0;
    if (grad)
        backward(s, &a);
    else
        forward(s, &a);
    s->kernel = "own attention";
    return 1;
}

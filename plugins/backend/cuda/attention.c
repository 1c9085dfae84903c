/* SPDX-License-Identifier: Apache-2.0 */
/* Attention and its gradient by built-in kernels (attention.cu), in tiles: f32, f64,
 * f16 with arithmetic in f32, bf16 by tensor cores; any width of a head. Forward and of
 * 16 bits, cuDNN's engines are ways too, and the fastest is taken (sdpa.c; the gradient
 * is never cuDNN's). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engines.h"

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

/* ------------------------------------------------------------------- cuDNN */

struct dnn {
    struct dnn_attention_ways *ways; /* the device's */
    uint32_t way;
    struct ref at[5]; /* q, k, v, y, sums */
    struct ref work;
    float scale;
};

static int32_t run(const struct cuda_device *d, const struct dnn *n, CUstream stream,
                   void *const *bases, struct rn_error *e) {
    void *pointers[5];
    void *work = n->ways->workspace[n->way] ? cuda_work(n->work, bases) : NULL;
    for (int i = 0; i < 5; i++)
        pointers[i] = cuda_at(n->at[i], bases);
    return dnn_run_attention(d, n->ways, n->way, stream, pointers, n->scale, work, e);
}

static int32_t run_task(struct cuda_exe *x, struct cuda_task *t, CUstream stream,
                        void *const *bases, struct rn_error *e) {
    return run(x->device, t->state, stream, bases, e);
}

static void finish(struct cuda_exe *x, void *state) {
    (void)x;
    free(state);
}

static struct dnn_attention asked(const struct cuda_setup *s,
                                  const struct attention_args *a) {
    return (struct dnn_attention){
        .batch = a->batch,
        .heads = a->heads,
        .rows = a->rows,
        .keys = a->keys,
        .depth = a->depth,
        .width = a->width,
        .causal = a->causal != 0,
        .sums = s->out[1].at.base != RN_NO_SLOT,
        .type = s->in[0].dtype == RN_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_HALF};
}

/* Ways in a trial: cuDNN's, then our own kernel, as the only task of a program. */
struct trial {
    const struct cuda_device *d;
    struct dnn dnn;
    struct cuda_exe *own;
    uint32_t count; /* of cuDNN's */
};

static int32_t try_way(void *context, uint32_t i, CUstream stream, void *const *bases,
                       struct rn_error *e) {
    struct trial *t = context;
    if (i == t->count)
        return cuda_exe_enqueue(t->own, stream, bases, e);
    t->dnn.way = i;
    return run(t->d, &t->dnn, stream, bases, e);
}

static struct ref moved(const struct tensor *t, uint32_t base) {
    return t->at.base == RN_NO_SLOT ? t->at : (struct ref){base, 0};
}

/* The kernel over a trial's memory; NULL: it cannot be had. */
static struct cuda_exe *own_way(const struct cuda_setup *s, struct attention_args a) {
    struct cuda_setup t = *s;
    struct tensor in[3], out[2];
    struct rn_error ignored = {0};
    t.exe = cuda_exe_new(s->device, s->exe->program);
    if (!t.exe)
        return NULL;
    for (uint32_t i = 0; i < 3; i++)
        in[i] = s->in[i], in[i].at = moved(&s->in[i], i);
    for (uint32_t i = 0; i < 2; i++)
        out[i] = s->out[i], out[i].at = moved(&s->out[i], 3 + i);
    t.in = in, t.out = out;
    forward(&t, &a);
    if (!t.exe->failed && cuda_exe_load(t.exe, &ignored) == RN_OK)
        return t.exe;
    cuda_exe_destroy(t.exe);
    return NULL;
}

/* All ways on the device; cuDNN's by number, `count` our own, negative: none ran. */
static int fastest(struct cuda_setup *s, const struct attention_args *a,
                   struct dnn_attention_ways *w, uint32_t count) {
    struct trial t = {.d = s->device,
                      .dnn = {.ways = w, .work = {5, 0}, .scale = (float)a->scale},
                      .own = own_way(s, *a),
                      .count = count};
    bool can[CUDA_WAYS] = {false};
    int64_t largest = 0;
    for (uint32_t i = 0; i < count; i++) {
        can[i] = dnn_attention_plan(s->device, w, i);
        largest = can[i] && w->workspace[i] > largest ? w->workspace[i] : largest;
    }
    for (uint32_t i = 0; i < 5; i++)
        t.dnn.at[i] = moved(i < 3 ? &s->in[i] : &s->out[i - 3], i);
    can[count] = t.own != NULL;
    const struct cuda_trial c = {.count = count + 1,
                                   .can = can,
                                   .workspace = (uint64_t)largest + CUDA_WORK_EXTRA,
                                   .way = try_way,
                                   .context = &t};
    int way = cuda_tuner_try(s->device->tuner, s, &c, &s->ns);
    if (t.own)
        cuda_exe_destroy(t.own);
    return way;
}

/* 1: taken; 0: our own kernel does it. */
static int32_t cudnn_forward(struct cuda_setup *s, const struct attention_args *a,
                             struct rn_error *e) {
    struct cuda_device *d = s->device;
    struct dnn_attention key = asked(s, a);
    bool mine = cuda_narrow(s->in[0].dtype) && s->out[0].dtype == s->in[0].dtype &&
                s->out[0].at.base != RN_NO_SLOT &&
                (s->in[0].dtype == RN_F16 || d->major >= 8);
    struct dnn_attention_ways *w = mine ? dnn_attention_ways(d, &key) : NULL;
    if (!w)
        return 0;
    uint32_t count = w->ways.count < CUDA_WAYS ? w->ways.count : CUDA_WAYS - 1;
    int way = cuda_tuner_known(d->tuner, s, 0, &s->ns);
    way = way < 0 ? fastest(s, a, w, count) : way;
    uint32_t best = way < 0 ? 0 : (uint32_t)way;
    while (best < count && !dnn_attention_plan(d, w, best))
        best++;
    if (best >= count)
        return 0;
    struct dnn *n = calloc(1, sizeof *n);
    if (!n)
        return rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
    *n =
        (struct dnn){.ways = w, .way = best, .work = s->work, .scale = (float)a->scale};
    for (uint32_t i = 0; i < 5; i++)
        n->at[i] = i < 3 ? s->in[i].at : s->out[i - 3].at;
    if (w->workspace[best])
        s->workspace = cuda_align((uint64_t)w->workspace[best]) + CUDA_WORK_EXTRA;
    struct cuda_task *task = cuda_task_add(s, run_task);
    task->state = n;
    task->finish = finish;
    s->kernel = "cudnn attention";
    return 1;
}

/* -------------------------------------------------------------------- room */

int32_t cuda_room_attention(struct cuda_setup *s, struct rn_error *e) {
    bool grad = cuda_is(s, "attention_grad");
    /* bf16 kernels need tensor cores; without them f32 kernels run */
    if (s->n_in && s->in[0].dtype == RN_BF16 && s->device->major < 8)
        return 0;
    if ((!grad && !cuda_is(s, "attention")) || !types(s, grad))
        return 0;
    struct attention_args a = sizes(s);
    if (a.keys == 0 || a.depth == 0 || a.width == 0) /* as the definition has it */
        return 0;
    int32_t taken = grad ? 0 : cudnn_forward(s, &a, e);
    if (taken)
        return taken;
    if (grad)
        backward(s, &a);
    else
        forward(s, &a);
    s->kernel = "own attention";
    return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions by cuDNN: images as [N,C,H,W] or NHWC (a block of all channels), the
 * engine that is fastest where that can be timed.
 *
 * Of operands of 16 bits the library has convolutions with a result of 16 bits only.
 * One that is to stay f32 is computed from widened operands: engines that read f32 as
 * TF32 lose nothing then, since TF32 holds every bf16 and f16, and sum in f32. Weights
 * are [O,I,h,w] everywhere else; beside NHWC images the library expects theirs turned.
 * So what it reads and writes may be in the workspace, and be moved there and back. */
#include <stdlib.h>
#include <string.h>

#include "engines.h"

enum { X, W, Y };

/* One of the three tensors, as the library sees it. */
struct part {
    const struct tensor *t;
    struct dnn_image image; /* as it is laid out for the library */
    int64_t own[4];         /* strides where the node has it */
    bool staged;            /* in the workspace */
    uint64_t offset;        /* there */
};

struct staged {
    struct conv c;
    struct part part[3];
    bool widens;
    rn_dtype type; /* of all three */
};

/* ------------------------------------------------------------------ tensors */

/* [N,C,H,W], or [N,1,H,W,C] with channels last; false: another form. `last`: how the
 * library expects it. */
static bool see_image(const struct tensor *t, int64_t block, bool last,
                      struct part *p) {
    const int64_t *n = t->shape;
    int64_t c = block ? block : n[1],
            plain[4] = {c * n[2] * n[3], n[2] * n[3], n[3], 1};
    int64_t turned[4] = {n[2] * n[3] * c, 1, n[3] * c, c};
    *p = (struct part){.t = t, .image.dim = {n[0], c, n[2], n[3]}};
    memcpy(p->own, block ? turned : plain, sizeof p->own);
    memcpy(p->image.stride, last ? turned : plain, sizeof p->own);
    /* one channel, or one pixel: the two layouts are the same */
    p->staged = last != (block != 0) && c != 1 && n[2] * n[3] != 1;
    return !block || n[1] == 1;
}

static void see_weight(const struct tensor *t, bool last, struct part *p) {
    const int64_t *n = t->shape;
    int64_t plain[4] = {n[1] * n[2] * n[3], n[2] * n[3], n[3], 1};
    int64_t turned[4] = {n[2] * n[3] * n[1], 1, n[3] * n[1], n[1]};
    *p = (struct part){.t = t};
    memcpy(p->image.dim, n, sizeof p->image.dim);
    memcpy(p->own, plain, sizeof p->own);
    memcpy(p->image.stride, last ? turned : plain, sizeof p->own);
    /* a 1 x 1 window, or one channel: the two layouts are the same */
    p->staged = last && n[1] != 1 && n[2] * n[3] != 1;
}

/* False: the library has no such convolution. */
static bool see(const struct cuda_setup *s, struct staged *g) {
    int64_t in = cuda_int(s->node, "block_in", 0);
    int64_t out = cuda_int(s->node, "block_out", 0);
    bool input = g->c.pass == CONV_INPUT; /* reads y, writes x */
    bool last = in || out;
    bool good = see_image(g->c.x, input ? out : in, last, &g->part[X]) &&
                see_image(g->c.y, input ? in : out, last, &g->part[Y]);
    see_weight(g->c.w, last, &g->part[W]);
    g->type = s->out[0].dtype;
    g->widens = cuda_narrow(s->in[0].dtype) && g->type == RN_F32;
    for (int i = 0; i < 3; i++)
        g->part[i].staged |= g->widens && g->part[i].t != &s->out[0];
    return good;
}

/* Room in the workspace for what is stored there. */
static uint64_t place(struct staged *g) {
    uint64_t at = 0;
    for (int i = 0; i < 3; i++) {
        if (!g->part[i].staged)
            continue;
        g->part[i].offset = at;
        at += cuda_align(g->part[i].t->count * RN_DTYPE_BYTES(g->type));
    }
    return at;
}

/* A pass over a tensor: to dense [N,H,W,C] or [N,C,H,W] as `to` is stored, from `from`.
 */
static struct space walk(const struct part *p, const int64_t *to, const int64_t *from) {
    struct space w = {0};
    int64_t stride[1][RN_MAX_RANK], size[RN_MAX_RANK];
    bool taken[4] = {false, false, false, false};
    for (int k = 0; k < 4; k++) { /* dims by falling stride */
        int best = -1;
        for (int d = 0; d < 4; d++)
            if (!taken[d] && (best < 0 || to[d] > to[best] ||
                              (to[d] == to[best] && p->image.dim[best] == 1)))
                best = d;
        taken[best] = true;
        size[k] = p->image.dim[best];
        stride[0][k] = from[best];
    }
    w.rank = cuda_merge(4, size, 1, stride);
    memcpy(w.size, size, (size_t)w.rank * sizeof *size);
    memcpy(w.stride, stride[0], (size_t)w.rank * sizeof *size);
    return w;
}

static void bring(struct cuda_setup *s, const struct staged *g, const struct part *p) {
    struct ref to = cuda_after(s->work, p->offset);
    struct space from = walk(p, p->image.stride, p->own);
    struct cuda_task *t;
    if (g->widens) {
        struct widen_args a = {.count = p->t->count, .from = from};
        t = cuda_launch(s, THEME_PRODUCTS, a.count, false, &a, sizeof a, "widen_%s",
                        p->t->dtype == RN_BF16 ? "bf16" : "f16");
        CUDA_POINTER(s, t, widen_args, x, p->t->at);
        CUDA_POINTER(s, t, widen_args, y, to);
        return;
    }
    struct move_args a = {.count = p->t->count, .from = from};
    t = cuda_launch(s, THEME_MOVE, a.count, false, &a, sizeof a, "move_%d",
                    (int)(8 * RN_DTYPE_BYTES(g->type)));
    CUDA_POINTER(s, t, move_args, x, p->t->at);
    CUDA_POINTER(s, t, move_args, y, to);
}

static void take_back(struct cuda_setup *s, const struct staged *g,
                      const struct part *p) {
    struct move_args a = {.count = p->t->count,
                          .from = walk(p, p->own, p->image.stride)};
    struct cuda_task *t = cuda_launch(s, THEME_MOVE, a.count, false, &a, sizeof a,
                                      "move_%d", (int)(8 * RN_DTYPE_BYTES(g->type)));
    CUDA_POINTER(s, t, move_args, x, cuda_after(s->work, p->offset));
    CUDA_POINTER(s, t, move_args, y, p->t->at);
}

static void add_bias(struct cuda_setup *s, const struct staged *g) {
    const struct part *y = &g->part[Y];
    struct bias_args a = {
        .count = y->t->count, .channels = y->image.dim[1], .area = y->own[1]};
    struct cuda_task *task =
        cuda_launch(s, THEME_PRODUCTS, a.count, false, &a, sizeof a, "add_bias_f32");
    CUDA_POINTER(s, task, bias_args, bias, g->c.bias->at);
    CUDA_POINTER(s, task, bias_args, y, y->t->at);
}

/* ------------------------------------------------------------------ running */

struct dnn {
    cudnnBackendDescriptor_t plan;
    struct ref at[3]; /* x, w, y */
    struct ref work;
    int64_t workspace;
};

static int32_t run(const struct cuda_device *d, const struct dnn *n, CUstream stream,
                   void *const *bases, struct rn_error *e) {
    void *pointers[3], *work = n->workspace ? cuda_work(n->work, bases) : NULL;
    for (int i = 0; i < 3; i++)
        pointers[i] = cuda_at(n->at[i], bases);
    return dnn_run_conv(d, n->plan, stream, pointers, work, e);
}

static int32_t run_task(struct cuda_exe *x, struct cuda_task *t, CUstream stream,
                        void *const *bases, struct rn_error *e) {
    return run(x->device, t->state, stream, bases, e);
}

static void finish(struct cuda_exe *x, void *state) {
    struct dnn *n = state;
    if (n && n->plan)
        dnn_plan_finish(x->device, n->plan);
    free(n);
}

/* ------------------------------------------------------------------- choice */

struct trial {
    const struct cuda_device *d;
    struct dnn way[CUDA_WAYS];
};

static int32_t try_way(void *context, uint32_t i, CUstream stream, void *const *bases,
                       struct rn_error *e) {
    const struct trial *t = context;
    return run(t->d, &t->way[i], stream, bases, e);
}

/* All ways on the device; the fastest one's plan, NULL: none ran. */
static cudnnBackendDescriptor_t fastest(struct cuda_setup *s, const struct staged *g,
                                        const struct dnn_ways *w, uint64_t staged,
                                        int64_t *workspace, int *way) {
    struct cuda_device *d = s->device;
    struct trial t = {.d = d};
    uint32_t work = s->n_in + s->n_out;
    bool can[CUDA_WAYS] = {false};
    int64_t largest = 0;
    for (uint32_t i = 0; i < w->count; i++) {
        struct dnn *n = &t.way[i];
        n->plan = dnn_plan(d, w->config[i], &n->workspace);
        can[i] = n->plan != NULL;
        if (can[i] && n->workspace > largest)
            largest = n->workspace;
        n->work = (struct ref){work, staged};
        for (int k = 0; k < 3; k++) {
            const struct part *p = &g->part[k];
            bool is_out = p->t == &s->out[0];
            n->at[k] = p->staged ? (struct ref){work, p->offset}
                       : is_out  ? (struct ref){s->n_in, 0}
                                 : (struct ref){(uint32_t)(p->t - s->in), 0};
        }
    }
    const struct cuda_trial c = {.count = w->count,
                                   .can = can,
                                   .workspace =
                                       staged + (uint64_t)largest + CUDA_WORK_EXTRA,
                                   .way = try_way,
                                   .context = &t};
    *way = cuda_tuner_try(d->tuner, s, &c, &s->ns);
    cudnnBackendDescriptor_t best = NULL;
    for (uint32_t i = 0; i < w->count; i++) {
        if ((int)i == *way) {
            best = t.way[i].plan;
            *workspace = t.way[i].workspace;
        } else if (can[i]) {
            dnn_plan_finish(d, t.way[i].plan);
        }
    }
    return best;
}

/* The engine for it; NULL: there is none. */
static cudnnBackendDescriptor_t choose(struct cuda_setup *s, const struct staged *g,
                                       uint64_t staged, int64_t *workspace) {
    struct cuda_device *d = s->device;
    struct dnn_conv c = {.pass = g->c.pass,
                         .type = g->type == RN_BF16  ? CUDNN_DATA_BFLOAT16
                                 : g->type == RN_F16 ? CUDNN_DATA_HALF
                                                     : CUDNN_DATA_FLOAT,
                         .narrow = cuda_narrow(s->in[0].dtype),
                         .x = g->part[X].image,
                         .w = g->part[W].image,
                         .y = g->part[Y].image};
    cudnnBackendDescriptor_t plan = NULL;
    struct dnn_ways w;
    memcpy(c.stride, g->c.stride, sizeof c.stride);
    memcpy(c.pad, g->c.pad, sizeof c.pad);
    memcpy(c.dilation, g->c.dilation, sizeof c.dilation);
    for (int fallback = 0; fallback < 2 && !plan; fallback++) {
        dnn_propose_conv(d, &c, fallback, &w);
        int way = fallback ? 0 : cuda_tuner_known(d->tuner, s, 0, &s->ns);
        if (way < 0 && (w.count > 1 || (w.count && s->timing)))
            plan = fastest(s, g, &w, staged, workspace, &way);
        if (!plan && way > 0 && way < (int)w.count)
            plan = dnn_plan(d, w.config[way], workspace);
        for (uint32_t i = 0; i < w.count && !plan; i++)
            plan = dnn_plan(d, w.config[i], workspace);
        dnn_ways_finish(d, &w);
    }
    return plan;
}

int32_t cuda_room_cudnn(struct cuda_setup *s, struct rn_error *e) {
    struct cuda_device *d = s->device;
    struct staged g = {0};
    if (!d->properties || s->n_out != 1 || !cuda_product_types(s) ||
        s->out[0].dtype == RN_F64 || !cuda_conv(s, &g.c) || !see(s, &g))
        return 0;
    bool narrow = cuda_narrow(s->in[0].dtype);
    if (narrow && g.c.bias) /* a region adds it, and rounds */
        return 0;
    struct dnn *n = calloc(1, sizeof *n);
    if (!n)
        return rn_fail(e, RN_E_MEMORY, "no memory for a convolution", NULL, NULL);
    uint64_t staged = place(&g);
    n->plan = choose(s, &g, staged, &n->workspace);
    if (!n->plan) { /* our own kernel does it */
        free(n);
        return 0;
    }
    n->work = cuda_after(s->work, staged);
    s->workspace = s->moved = staged;
    if (n->workspace)
        s->workspace += cuda_align((uint64_t)n->workspace) + CUDA_WORK_EXTRA;
    s->kernel = g.widens ? "cudnn widened" : narrow ? "cudnn 16" : "cudnn";
    for (int i = 0; i < 3; i++) {
        const struct part *p = &g.part[i];
        n->at[i] = p->staged ? cuda_after(s->work, p->offset) : p->t->at;
        if (p->staged && p->t != &s->out[0])
            bring(s, &g, p);
    }
    struct cuda_task *task = cuda_task_add(s, run_task);
    task->state = n;
    task->finish = finish;
    for (int i = 0; i < 3; i++)
        if (g.part[i].staged && g.part[i].t == &s->out[0])
            take_back(s, &g, &g.part[i]);
    if (g.c.bias)
        add_bias(s, &g);
    return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Rooms of the kernels in reduce.cu, lines.cu and window.cu. */
#include <string.h>

#include "products.h"

#define LONG_ROW  8192 /* elements: a block to itself */
#define COUNTED   1024 /* lines that are sorted by counting */
#define OUTPUTS16 16   /* outputs of a block that sums */

/* The axes that go and the axes that stay, each merged. */
static void set_axes(const struct cuda_setup *s, struct reduce_args *a) {
    const struct tensor *x = &s->in[0];
    const struct rn_attr *axes = rn_node_attr(s->node, "axes");
    int64_t stride[RN_MAX_RANK], kept[1][RN_MAX_RANK], gone[1][RN_MAX_RANK];
    uint32_t n_kept = 0, n_gone = 0;
    cuda_strides(x->rank, x->shape, stride);
    a->count = 1;
    for (uint32_t i = 0; i < x->rank; i++) {
        bool reduced = false;
        for (uint32_t k = 0; axes && k < axes->count; k++)
            reduced |= ((const int64_t *)axes->p)[k] == (int64_t)i;
        if (reduced) {
            a->gone.size[n_gone] = x->shape[i];
            gone[0][n_gone++] = stride[i];
            a->count *= (uint64_t)x->shape[i];
        } else {
            a->kept.size[n_kept] = x->shape[i];
            kept[0][n_kept++] = stride[i];
        }
    }
    a->kept.rank = cuda_merge(n_kept, a->kept.size, 1, kept);
    a->gone.rank = cuda_merge(n_gone, a->gone.size, 1, gone);
    memcpy(a->kept.stride, kept[0], (size_t)a->kept.rank * sizeof(int64_t));
    memcpy(a->gone.stride, gone[0], (size_t)a->gone.rank * sizeof(int64_t));
    a->by_column = a->kept.stride[a->kept.rank - 1] == 1;
}

int32_t cuda_room_reduce(struct cuda_setup *s, struct rn_error *e) {
    const char *op = s->node->op;
    const char *suffix = cuda_suffix(s->n_in ? s->in[0].dtype : 0);
    bool sum = cuda_is(s, "reduce_sum"), prod = cuda_is(s, "reduce_prod");
    (void)e;
    if (!suffix ||
        (!sum && !prod && !cuda_is(s, "reduce_max") && !cuda_is(s, "reduce_min")))
        return 0;
    struct reduce_args a = {.outputs = s->out[0].count};
    set_axes(s, &a);
    bool is_long = sum && a.count >= LONG_ROW && !a.by_column;
    uint64_t blocks = is_long ? a.outputs : (a.outputs + OUTPUTS16 - 1) / OUTPUTS16;
    struct cuda_task *t =
        prod ? cuda_launch(s, THEME_REDUCE, a.outputs, false, &a, sizeof a, "%s_%s", op,
                           suffix)
             : cuda_launch(s, THEME_REDUCE, blocks, true, &a, sizeof a, "%s%s_%s", op,
                           is_long ? "_long" : "", suffix);
    CUDA_POINTER(s, t, reduce_args, x, s->in[0].at);
    CUDA_POINTER(s, t, reduce_args, y, s->out[0].at);
    s->kernel = is_long ? "reduce long" : a.by_column ? "reduce columns" : "reduce";
    return 1;
}

/* ------------------------------------------------------------------- lines */

static struct line_args lines_of(const struct tensor *x, int64_t axis) {
    struct line_args a = {.outer = 1, .n = x->shape[axis], .inner = 1};
    for (int64_t i = 0; i < (int64_t)x->rank; i++) {
        a.outer *= i < axis ? x->shape[i] : 1;
        a.inner *= i > axis ? x->shape[i] : 1;
    }
    return a;
}

static int32_t sort(struct cuda_setup *s, struct line_args a, const char *suffix) {
    bool top = cuda_is(s, "top_k");
    uint64_t lines = (uint64_t)(a.outer * a.inner), all = lines * (uint64_t)a.n;
    uint64_t half = cuda_align(4 * all);
    struct ref from = s->work, to = cuda_after(s->work, half);
    struct cuda_task *t;
    if (a.n > INT32_MAX)
        return 0;
    a.down = top || cuda_int(s->node, "descending", 0);
    a.k = top ? cuda_int(s->node, "k", 0) : a.n;
    s->workspace = 2 * half;
    a.count = all;
    if (a.n <= COUNTED) {
        t = cuda_launch(s, THEME_LINES, all, false, &a, sizeof a, "sort_count_%s",
                        suffix);
        CUDA_POINTER(s, t, line_args, x, s->in[0].at);
        CUDA_POINTER(s, t, line_args, to, from);
    } else {
        t = cuda_launch(s, THEME_LINES, all, false, &a, sizeof a, "sort_start");
        CUDA_POINTER(s, t, line_args, to, from);
        for (a.width = 1; a.width < a.n; a.width *= 2) {
            t = cuda_launch(s, THEME_LINES, all, false, &a, sizeof a, "sort_merge_%s",
                            suffix);
            CUDA_POINTER(s, t, line_args, x, s->in[0].at);
            CUDA_POINTER(s, t, line_args, from, from);
            CUDA_POINTER(s, t, line_args, to, to);
            struct ref swap = from;
            from = to, to = swap;
        }
    }
    a.count = lines * (uint64_t)a.k;
    t = cuda_launch(s, THEME_LINES, a.count, false, &a, sizeof a, "sort_finish_%s",
                    suffix);
    CUDA_POINTER(s, t, line_args, x, s->in[0].at);
    CUDA_POINTER(s, t, line_args, from, from);
    CUDA_POINTER(s, t, line_args, y, s->out[0].at);
    if (s->n_out > 1)
        CUDA_POINTER(s, t, line_args, y2, s->out[1].at);
    s->kernel = a.n <= COUNTED ? "sort by counting" : "merge sort";
    return 1;
}

int32_t cuda_room_lines(struct cuda_setup *s, struct rn_error *e) {
    const char *suffix = cuda_suffix(s->n_in ? s->in[0].dtype : 0);
    bool arg = cuda_is(s, "arg_max") || cuda_is(s, "arg_min");
    bool sum = cuda_is(s, "cumsum");
    (void)e;
    if (!suffix || (!arg && !sum && !cuda_is(s, "sort") && !cuda_is(s, "top_k")))
        return 0;
    struct line_args a = lines_of(&s->in[0], cuda_int(s->node, "axis", 0));
    if (!arg && !sum)
        return sort(s, a, suffix);
    a.count = (uint64_t)(a.outer * a.inner);
    a.down = cuda_is(s, "arg_max");
    a.exclusive = cuda_int(s->node, "exclusive", 0);
    a.reverse = cuda_int(s->node, "reverse", 0);
    struct cuda_task *t = cuda_launch(s, THEME_LINES, a.count, false, &a, sizeof a,
                                      "%s_%s", arg ? "arg" : "cumsum", suffix);
    CUDA_POINTER(s, t, line_args, x, s->in[0].at);
    CUDA_POINTER(s, t, line_args, y, s->out[0].at);
    s->kernel = arg ? "arg" : "cumsum";
    return 1;
}

/* ----------------------------------------------------------------- windows */

int32_t cuda_room_window(struct cuda_setup *s, struct rn_error *e) {
    const char *op = s->node->op;
    bool max = strncmp(op, "max_pool2d", 10) == 0;
    bool avg = strcmp(op, "avg_pool2d") == 0 || strcmp(op, "avg_pool2d_grad") == 0;
    bool resize = strcmp(op, "resize2d") == 0 || strcmp(op, "resize2d_grad") == 0;
    bool grad = strstr(op, "_grad") != NULL;
    (void)e;
    if ((!max && !avg && !resize) ||
        (s->in[0].dtype != RN_F32 && s->in[0].dtype != RN_F64 &&
         (resize || !cuda_narrow(s->in[0].dtype))) ||
        s->out[0].dtype != s->in[0].dtype || s->in[s->n_in - 1].dtype != s->in[0].dtype)
        return 0;
    /* image and output: x, y; a gradient of avg and resize has only y's */
    const struct tensor *x = grad && !max ? &s->out[0] : &s->in[0];
    const struct tensor *y = !grad ? &s->out[0] : max ? &s->in[1] : &s->in[0];
    struct window_args a = {.count = s->out[0].count,
                            .h = x->shape[2],
                            .w = x->shape[3],
                            .oh = y->shape[2],
                            .ow = y->shape[3],
                            .count_pad = cuda_int(s->node, "count_pad", 0),
                            .bilinear = cuda_int(s->node, "mode", 0),
                            .block = cuda_int(s->node, "block", 0)};
    a.block = a.block ? a.block : 1; /* [N,C/b,H,W,b]: planes of groups */
    if (!resize) {
        const int64_t *kernel = cuda_ints(s->node, "kernel");
        const int64_t *stride = cuda_ints(s->node, "stride");
        const int64_t *padding = cuda_ints(s->node, "pad");
        a.kh = kernel[0], a.kw = kernel[1];
        a.sh = stride[0], a.sw = stride[1];
        a.top = padding[0], a.left = padding[1];
    }
    struct cuda_task *t = cuda_launch(s, THEME_WINDOW, a.count, false, &a, sizeof a,
                                      "%s_%s", op, cuda_float_suffix(s->in[0].dtype));
    if (max || !grad)
        CUDA_POINTER(s, t, window_args, x, s->in[0].at);
    if (max && s->n_in > 1)
        CUDA_POINTER(s, t, window_args, g, s->in[1].at);
    if (!max && grad)
        CUDA_POINTER(s, t, window_args, g, s->in[0].at);
    CUDA_POINTER(s, t, window_args, y, s->out[0].at);
    s->kernel = "window";
    return 1;
}

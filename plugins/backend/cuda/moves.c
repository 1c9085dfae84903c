/* SPDX-License-Identifier: Apache-2.0 */
/* Rooms of the kernels in move.cu and index.cu. */
#include <string.h>

#include <runner/numerics.h>

#include "engine.h"

#define COUNTED 1024 /* keys that are sorted by counting */

static int bits_of(rn_dtype t) {
    return (int)(8 * RN_DTYPE_BYTES(t));
}

/* The bits of a number in a type, as the reference stores it. */
static uint64_t pattern(rn_dtype t, double v) {
    switch (t) {
    case RN_F32:
        return rn_bits_f32((float)v);
    case RN_F64:
        return rn_bits_f64(v);
    case RN_BF16:
        return rn_bf16_from_f32((float)v);
    case RN_F16:
        return rn_f16_from_f32((float)v);
    case RN_I64:
        return (uint64_t)(int64_t)v;
    case RN_I32:
        return (uint32_t)(int32_t)v;
    case RN_U32:
        return (uint32_t)v;
    case RN_I8:
        return (uint8_t)(int8_t)v;
    default:
        return (uint8_t)v;
    }
}

/* What an index outside gives. */
static uint64_t outside(rn_dtype t) {
    return t == RN_F32 || t == RN_F64 ? pattern(t, (double)NAN) : 0;
}

static void lines_of(const struct tensor *x, int64_t axis, int64_t *outer,
                     int64_t *inner) {
    *outer = *inner = 1;
    for (int64_t i = 0; i < (int64_t)x->rank; i++) {
        *outer *= i < axis ? x->shape[i] : 1;
        *inner *= i > axis ? x->shape[i] : 1;
    }
}

/* transpose, slice, broadcast_to: y[i] = x[start + sum of strides] */
static int32_t move(struct cuda_setup *s) {
    const struct tensor *x = &s->in[0], *y = &s->out[0];
    struct move_args a = {.count = y->count};
    int64_t stride[RN_MAX_RANK], merged[1][RN_MAX_RANK] = {{0}};
    cuda_strides(x->rank, x->shape, stride);
    memcpy(a.from.size, y->shape, y->rank * sizeof *y->shape);
    if (cuda_is(s, "transpose")) {
        const int64_t *perm = cuda_ints(s->node, "perm");
        for (uint32_t k = 0; k < y->rank; k++)
            merged[0][k] = stride[perm[k]];
    } else if (cuda_is(s, "slice")) {
        const int64_t *start = cuda_ints(s->node, "start");
        const int64_t *step = cuda_ints(s->node, "step");
        for (uint32_t k = 0; k < y->rank; k++) {
            merged[0][k] = stride[k] * step[k];
            a.start += start[k] * stride[k];
        }
    } else {
        for (uint32_t k = 0; k < x->rank; k++)
            merged[0][k + y->rank - x->rank] = x->shape[k] == 1 ? 0 : stride[k];
    }
    a.from.rank = cuda_merge(y->rank, a.from.size, 1, merged);
    memcpy(a.from.stride, merged[0], sizeof a.from.stride);
    struct cuda_task *t = cuda_launch(s, THEME_MOVE, a.count, false, &a, sizeof a,
                                      "move_%d", bits_of(y->dtype));
    CUDA_POINTER(s, t, move_args, x, x->at);
    CUDA_POINTER(s, t, move_args, y, y->at);
    s->kernel = "move";
    return 1;
}

static int32_t pad(struct cuda_setup *s) {
    const struct tensor *x = &s->in[0], *y = &s->out[0];
    const int64_t *low = cuda_ints(s->node, "low");
    const int64_t *interior = cuda_ints(s->node, "interior");
    struct pad_args a = {.count = y->count,
                         .rank = y->rank,
                         .value = pattern(y->dtype, cuda_float(s->node, "value", 0.0))};
    cuda_strides(x->rank, x->shape, a.x_stride);
    for (uint32_t k = 0; k < y->rank; k++) {
        a.size[k] = y->shape[k];
        a.x_size[k] = x->shape[k];
        a.low[k] = low[k];
        a.step[k] = interior[k] + 1;
    }
    struct cuda_task *t = cuda_launch(s, THEME_MOVE, a.count, false, &a, sizeof a,
                                      "pad_%d", bits_of(y->dtype));
    CUDA_POINTER(s, t, pad_args, x, x->at);
    CUDA_POINTER(s, t, pad_args, y, y->at);
    s->kernel = "pad";
    return 1;
}

static int32_t concat(struct cuda_setup *s) {
    const struct tensor *y = &s->out[0];
    int64_t outer, inner, axis = cuda_int(s->node, "axis", 0);
    lines_of(y, axis, &outer, &inner);
    struct concat_args a = {.total = y->shape[axis] * inner};
    for (uint32_t i = 0; i < s->n_in; i++) {
        a.count = s->in[i].count;
        a.part = s->in[i].shape[axis] * inner;
        if (a.count) {
            struct cuda_task *t = cuda_launch(s, THEME_MOVE, a.count, false, &a,
                                              sizeof a, "concat_%d", bits_of(y->dtype));
            CUDA_POINTER(s, t, concat_args, x, s->in[i].at);
            CUDA_POINTER(s, t, concat_args, y, y->at);
        }
        a.done += a.part;
    }
    s->kernel = "concat";
    return 1;
}

static int32_t make(struct cuda_setup *s) {
    const struct tensor *y = &s->out[0];
    struct cuda_task *t;
    if (cuda_is(s, "full")) {
        struct fill_args a = {.count = y->count,
                              .value =
                                  pattern(y->dtype, cuda_float(s->node, "value", 0.0))};
        t = cuda_launch(s, THEME_MOVE, a.count, false, &a, sizeof a, "fill_%d",
                        bits_of(y->dtype));
        CUDA_POINTER(s, t, fill_args, y, y->at);
        s->kernel = "fill";
        return 1;
    }
    int64_t outer, axis = cuda_int(s->node, "axis", 0);
    struct iota_args a = {
        .count = y->count, .n = y->shape[axis], .type = (int64_t)y->dtype};
    lines_of(y, axis, &outer, &a.inner);
    t = cuda_launch(s, THEME_MOVE, a.count, false, &a, sizeof a, "iota");
    CUDA_POINTER(s, t, iota_args, y, y->at);
    s->kernel = "iota";
    return 1;
}

static int32_t philox(struct cuda_setup *s) {
    const struct tensor *y = &s->out[0];
    bool by_row = cuda_int(s->node, "rows", 0) && y->rank > 0;
    struct random_args a = {.count = y->count,
                            .each =
                                by_row ? y->count / (uint64_t)y->shape[0] : y->count,
                            .by_row = by_row,
                            .normal = cuda_is(s, "random_normal"),
                            .stream = (uint32_t)cuda_int(s->node, "stream", 0)};
    if (y->dtype != RN_F32)
        return 0;
    struct cuda_task *t =
        cuda_launch(s, THEME_MOVE, a.count, false, &a, sizeof a, "random");
    CUDA_POINTER(s, t, random_args, seed, s->in[0].at);
    CUDA_POINTER(s, t, random_args, step, s->in[1].at);
    CUDA_POINTER(s, t, random_args, row, s->in[2].at);
    CUDA_POINTER(s, t, random_args, y, y->at);
    s->kernel = "philox";
    return 1;
}

static int32_t gather(struct cuda_setup *s) {
    const struct tensor *x = &s->in[0], *index = &s->in[1], *y = &s->out[0];
    int64_t outer, axis = cuda_int(s->node, "axis", 0);
    struct index_args a = {.count = y->count,
                           .value = outside(y->dtype),
                           .n = x->shape[axis],
                           .keys = (int64_t)index->count,
                           .type = (int64_t)index->dtype};
    lines_of(x, axis, &outer, &a.inner);
    struct cuda_task *t = cuda_launch(s, THEME_MOVE, a.count, false, &a, sizeof a,
                                      "gather_%d", bits_of(y->dtype));
    CUDA_POINTER(s, t, index_args, x, x->at);
    CUDA_POINTER(s, t, index_args, index, index->at);
    CUDA_POINTER(s, t, index_args, y, y->at);
    s->kernel = "gather";
    return 1;
}

int32_t cuda_room_move(struct cuda_setup *s, struct rn_error *e) {
    (void)e;
    if (cuda_is(s, "transpose") || cuda_is(s, "slice") || cuda_is(s, "broadcast_to"))
        return move(s);
    if (cuda_is(s, "pad"))
        return pad(s);
    if (cuda_is(s, "concat"))
        return concat(s);
    if (cuda_is(s, "full") || cuda_is(s, "iota"))
        return make(s);
    if (cuda_is(s, "random_uniform") || cuda_is(s, "random_normal"))
        return philox(s);
    if (cuda_is(s, "gather"))
        return gather(s);
    return 0;
}

/* Keys in order, equal ones as they come, into an i32 array of the workspace. */
static struct ref sort_keys(struct cuda_setup *s, const struct tensor *index) {
    struct line_args a = {.count = index->count,
                          .n = (int64_t)index->count,
                          .type = (int64_t)index->dtype};
    uint64_t half = cuda_align(4 * index->count);
    struct ref from = s->work, to = cuda_after(s->work, half);
    struct cuda_task *t;
    s->workspace = 2 * half;
    if (index->count <= COUNTED) {
        t = cuda_launch(s, THEME_INDEX, a.count, false, &a, sizeof a, "keys_count");
        CUDA_POINTER(s, t, line_args, x, index->at);
        CUDA_POINTER(s, t, line_args, to, to);
        return to;
    }
    t = cuda_launch(s, THEME_INDEX | THEME_LINES, a.count, false, &a, sizeof a,
                    "sort_start");
    CUDA_POINTER(s, t, line_args, to, from);
    for (a.width = 1; a.width < a.n; a.width *= 2) {
        t = cuda_launch(s, THEME_INDEX, a.count, false, &a, sizeof a, "keys_merge");
        CUDA_POINTER(s, t, line_args, x, index->at);
        CUDA_POINTER(s, t, line_args, from, from);
        CUDA_POINTER(s, t, line_args, to, to);
        struct ref swap = from;
        from = to, to = swap;
    }
    return from;
}

static int32_t scatter(struct cuda_setup *s, const char *suffix) {
    const struct tensor *x = &s->in[0], *index = &s->in[1], *y = &s->out[0];
    int64_t outer, axis = cuda_int(s->node, "axis", 0);
    struct index_args a = {.count = y->count,
                           .n = x->shape[axis],
                           .keys = (int64_t)index->count,
                           .type = (int64_t)index->dtype};
    if (index->count > INT32_MAX)
        return 0;
    lines_of(x, axis, &outer, &a.inner);
    struct ref order = s->work;
    if (index->count)
        order = sort_keys(s, index);
    struct cuda_task *t = cuda_launch(s, THEME_INDEX, a.count, false, &a, sizeof a,
                                      "scatter_add_%s", suffix);
    CUDA_POINTER(s, t, index_args, x, x->at);
    CUDA_POINTER(s, t, index_args, index, index->at);
    CUDA_POINTER(s, t, index_args, updates, s->in[2].at);
    CUDA_POINTER(s, t, index_args, order, order);
    CUDA_POINTER(s, t, index_args, y, y->at);
    s->kernel = "sorted scatter_add";
    return 1;
}

int32_t cuda_room_index(struct cuda_setup *s, struct rn_error *e) {
    bool take = cuda_is(s, "take_along"), put = cuda_is(s, "put_along_add");
    const char *suffix = cuda_suffix(s->n_in ? s->in[0].dtype : 0);
    (void)e;
    if (cuda_is(s, "scatter_add"))
        return suffix ? scatter(s, suffix) : 0;
    if (!take && (!put || !suffix))
        return 0;
    const struct tensor *x = &s->in[0], *index = &s->in[1], *y = &s->out[0];
    struct along_args a = {.count = y->count,
                           .value = outside(y->dtype),
                           .type = (int64_t)index->dtype,
                           .axis = cuda_int(s->node, "axis", 0),
                           .rank = x->rank};
    memcpy(a.x_size, x->shape, x->rank * sizeof *x->shape);
    memcpy(a.index_size, index->shape, x->rank * sizeof *x->shape);
    struct cuda_task *t = take
                              ? cuda_launch(s, THEME_MOVE, a.count, false, &a, sizeof a,
                                            "take_along_%d", bits_of(y->dtype))
                              : cuda_launch(s, THEME_INDEX, a.count, false, &a,
                                            sizeof a, "put_along_add_%s", suffix);
    CUDA_POINTER(s, t, along_args, x, x->at);
    CUDA_POINTER(s, t, along_args, index, index->at);
    if (put)
        CUDA_POINTER(s, t, along_args, updates, s->in[2].at);
    CUDA_POINTER(s, t, along_args, y, y->at);
    s->kernel = take ? "take_along" : "put_along_add";
    return 1;
}

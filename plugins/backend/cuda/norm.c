/* SPDX-License-Identifier: Apache-2.0 */
/* Rooms of the kernels in norm.cu, rows.cu and softmax.cu: f32, other types by what
 * they are made of. */
#include <string.h>

#include "products.h"

#define OUTPUTS 16 /* channels, rows, columns or lines of a block */

static bool all_f32(const struct cuda_setup *s, uint32_t skip) {
    bool all = true;
    for (uint32_t i = 0; i < s->n_in; i++)
        all &= i == skip || s->in[i].dtype == RN_F32;
    for (uint32_t i = 0; i < s->n_out; i++)
        all &= s->out[i].at.base == RN_NO_SLOT || s->out[i].dtype == RN_F32;
    return all && s->n_out > 0;
}

static uint64_t blocks(int64_t outputs, int64_t each) {
    return (uint64_t)((outputs + each - 1) / each);
}

static void outputs(struct cuda_setup *s, struct cuda_task *t) {
    CUDA_POINTER(s, t, norm_args, y, s->out[0].at);
    if (s->n_out > 1)
        CUDA_POINTER(s, t, norm_args, first, s->out[1].at);
    if (s->n_out > 2)
        CUDA_POINTER(s, t, norm_args, second, s->out[2].at);
}

/* Is input i an image (batch norm), or rows or their gradient? */
static bool is_image(const struct cuda_setup *s, uint32_t i, bool batch) {
    bool grad = strstr(s->node->op, "_grad") != NULL;
    return i == 0 || (batch ? s->in[i].rank > 1 : grad && i == 2);
}

/* Images are of one type, the resulting one may be f32; what belongs to channels, or to
 * the elements of a row, is f32. */
static bool norm_types(const struct cuda_setup *s, bool batch) {
    rn_dtype t = s->n_in ? s->in[0].dtype : 0;
    bool good = (t == RN_F32 || cuda_narrow(t)) && s->n_out > 0;
    for (uint32_t i = 1; i < s->n_in; i++)
        good &= s->in[i].dtype == (is_image(s, i, batch) ? t : RN_F32);
    for (uint32_t i = 0; good && i < s->n_out; i++)
        good &= s->out[i].at.base == RN_NO_SLOT || s->out[i].dtype == RN_F32 ||
                (i == 0 && s->out[0].dtype == t);
    return good;
}

static int32_t batch_norm(struct cuda_setup *s) {
    const struct tensor *x = &s->in[0];
    struct norm_args a = {.count = x->count,
                          .n = x->shape[0],
                          .area = 1,
                          .block = cuda_int(s->node, "block", 0),
                          .relu = cuda_int(s->node, "relu", 0),
                          .wide = s->out[0].dtype == RN_F32,
                          .eps = (float)cuda_float(s->node, "eps", 1e-5)};
    bool infer = cuda_is(s, "batch_norm_infer"), grad = cuda_is(s, "batch_norm_grad");
    uint32_t last = x->rank - (a.block ? 1 : 0);
    a.block = a.block ? a.block : 1;
    a.channels = x->shape[1] * a.block;
    for (uint32_t i = 2; i < last; i++)
        a.area *= x->shape[i];
    /* channels that are contiguous are read together */
    int64_t each = a.block >= OUTPUTS || a.area == 1 ? OUTPUTS : 1;
    struct cuda_task *t =
        infer ? cuda_launch(s, THEME_NORM, a.count, false, &a, sizeof a,
                            "batch_norm_infer_%s", cuda_float_suffix(x->dtype))
              : cuda_launch(s, THEME_NORM, blocks(a.channels, each), true, &a, sizeof a,
                            "%s_%lld_%s", s->node->op, (long long)each,
                            cuda_float_suffix(x->dtype));
    CUDA_POINTER(s, t, norm_args, x, x->at);
    CUDA_POINTER(s, t, norm_args, scale, s->in[1].at);
    uint32_t more = infer || grad ? 5 : 3; /* an input that need not be there */
    if (s->n_in > more && grad)
        CUDA_POINTER(s, t, norm_args, shift, s->in[more].at);
    else if (s->n_in > more)
        CUDA_POINTER(s, t, norm_args, added, s->in[more].at);
    if (grad) {
        CUDA_POINTER(s, t, norm_args, mean, s->in[2].at);
        CUDA_POINTER(s, t, norm_args, var, s->in[3].at);
        CUDA_POINTER(s, t, norm_args, gy, s->in[4].at);
    } else {
        CUDA_POINTER(s, t, norm_args, shift, s->in[2].at);
    }
    if (infer) {
        CUDA_POINTER(s, t, norm_args, mean, s->in[3].at);
        CUDA_POINTER(s, t, norm_args, var, s->in[4].at);
    }
    outputs(s, t);
    s->kernel = "fused norm";
    return 1;
}

/* ------------------------------------------------ rows: layer, group, RMS norm */

#define LONG_ROW 4096 /* elements: a block to itself */

static bool row_geometry(const struct cuda_setup *s, struct row_args *a) {
    const struct tensor *x = &s->in[0];
    bool group = cuda_is(s, "group_norm") || cuda_is(s, "group_norm_grad");
    bool layer = cuda_is(s, "layer_norm") || cuda_is(s, "layer_norm_grad");
    int64_t axis = layer ? cuda_int(s->node, "axis", -1) : (int64_t)x->rank - 1;
    a->centred = group || layer;
    a->groups = a->area = a->length = 1;
    if (group) {
        a->groups = cuda_int(s->node, "groups", 1);
        a->channels = x->shape[1];
        for (uint32_t i = 2; i < x->rank; i++)
            a->area *= x->shape[i];
        a->per = a->channels / a->groups;
        a->length = a->per * a->area;
    } else if (axis >= 0) {
        for (uint32_t i = (uint32_t)axis; i < x->rank; i++)
            a->length *= x->shape[i];
        a->channels = a->per = a->length;
    } else {
        return false;
    }
    a->rows = (int64_t)x->count / a->length;
    a->count = (int64_t)x->count / a->channels;
    return a->length <= INT32_MAX && a->count <= INT32_MAX;
}

static int32_t row_norm(struct cuda_setup *s) {
    const struct tensor *x = &s->in[0];
    const char *suffix = cuda_float_suffix(x->dtype);
    struct row_args a = {.eps = (float)cuda_float(s->node, "eps", 1e-5),
                         .wide = s->out[0].dtype == RN_F32};
    bool grad = strstr(s->node->op, "_grad") != NULL;
    if (!row_geometry(s, &a))
        return 0;
    if (grad)
        s->workspace = cuda_align((uint64_t)a.rows * 2 * sizeof(float));
    int64_t each = a.length >= LONG_ROW ? 1 : OUTPUTS;
    struct cuda_task *t =
        cuda_launch(s, THEME_ROWS, blocks(a.rows, each), true, &a, sizeof a,
                    "row_norm%s_%lld_%s", grad ? "_grad" : "", (long long)each, suffix);
    CUDA_POINTER(s, t, row_args, x, x->at);
    CUDA_POINTER(s, t, row_args, scale, s->in[1].at);
    CUDA_POINTER(s, t, row_args, y, s->out[0].at);
    s->kernel = "fused norm";
    if (!grad) {
        if (s->n_in > 2)
            CUDA_POINTER(s, t, row_args, shift, s->in[2].at);
        return 1;
    }
    CUDA_POINTER(s, t, row_args, gy, s->in[2].at);
    CUDA_POINTER(s, t, row_args, moments, s->work);
    each = a.area == 1 ? OUTPUTS : 1;
    t = cuda_launch(s, THEME_ROWS, blocks(a.channels, each), true, &a, sizeof a,
                    "row_norm_columns_%lld_%s", (long long)each, suffix);
    CUDA_POINTER(s, t, row_args, x, x->at);
    CUDA_POINTER(s, t, row_args, gy, s->in[2].at);
    CUDA_POINTER(s, t, row_args, moments, s->work);
    CUDA_POINTER(s, t, row_args, first, s->out[1].at);
    if (s->n_out > 2)
        CUDA_POINTER(s, t, row_args, second, s->out[2].at);
    return 1;
}

static bool is_row_norm(const char *op) {
    return strncmp(op, "layer_norm", 10) == 0 || strncmp(op, "group_norm", 10) == 0 ||
           strncmp(op, "rms_norm", 8) == 0;
}

static int32_t softmax(struct cuda_setup *s, bool entropy) {
    const struct tensor *x = &s->in[0];
    bool grad = strstr(s->node->op, "_grad") != NULL;
    int64_t axis = entropy ? 1 : cuda_int(s->node, "axis", -1);
    struct softmax_args a = {.lines = 1, .inner = 1, .exp = s->node->op[0] == 's'};
    if (axis < 0 || axis >= (int64_t)x->rank)
        return 0;
    a.n = x->shape[axis];
    for (int64_t i = 0; i < (int64_t)x->rank; i++) {
        a.lines *= i == axis ? 1 : x->shape[i];
        a.inner *= i > axis ? x->shape[i] : 1;
    }
    a.by_column = a.inner > 1;
    if (entropy) {
        double smoothing = cuda_float(s->node, "smoothing", 0.0), n = (double)a.n;
        a.hot = (float)(1.0 - smoothing + smoothing / n);
        a.cold = (float)(smoothing / n);
        a.type = (int64_t)s->in[1].dtype;
    }
    struct cuda_task *t = cuda_launch(
        s, THEME_SOFTMAX, blocks(a.lines, OUTPUTS), true, &a, sizeof a, "%s%s_f32",
        entropy ? "cross_entropy" : "softmax", grad ? "_grad" : "");
    CUDA_POINTER(s, t, softmax_args, x, x->at);
    if (entropy)
        CUDA_POINTER(s, t, softmax_args, label, s->in[1].at);
    if (grad)
        CUDA_POINTER(s, t, softmax_args, g, s->in[entropy ? 2 : 1].at);
    CUDA_POINTER(s, t, softmax_args, y, s->out[0].at);
    s->kernel = entropy ? "fused cross-entropy" : "fused softmax";
    return 1;
}

int32_t cuda_room_norm(struct cuda_setup *s, struct rn_error *e) {
    const char *op = s->node->op;
    bool entropy = strncmp(op, "cross_entropy", 13) == 0;
    (void)e;
    if (strncmp(op, "batch_norm", 10) == 0)
        return norm_types(s, true) ? batch_norm(s) : 0;
    if (is_row_norm(op))
        return norm_types(s, false) ? row_norm(s) : 0;
    if (s->n_in < 1 || !all_f32(s, entropy ? 1 : s->n_in))
        return 0;
    if (entropy || strncmp(op, "softmax", 7) == 0 ||
        strncmp(op, "log_softmax", 11) == 0)
        return softmax(s, entropy);
    return 0;
}

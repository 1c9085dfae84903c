/* SPDX-License-Identifier: Apache-2.0 */
/* Layers that several models are made of. Each pushes its scope, declares its
 * parameters and returns its output; shapes are those of ops.h. All are called from
 * describe ([setup]) and report errors to the builder; after an error the result is
 * RN_NONE. `init` is the name of an init component or expression as rn_param expects
 * it, used where the experiment's `init:` has no rule. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_LAYERS_H
#define RUNNER_SDK_LAYERS_H

#include <string.h>

#include <runner/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `name` is an operator of one input, or "none". */
static inline rn_value rn_layer_activation(struct rn_build *b, const char *name,
                                           rn_value x) {
    return strcmp(name, "none") == 0 ? x : rn_op(b, name, 1, &x, 0, NULL);
}

/* x [...,I] -> [...,units]: x w^T + bias, weight [units,I], bias [units] of zeros. */
static inline rn_value rn_layer_dense(struct rn_build *b, const char *scope, rn_value x,
                                      int64_t units, int32_t bias, const char *init) {
    int64_t shape[2];
    shape[0] = units, shape[1] = rn_dim(b, x, -1);
    rn_push(b, scope);
    rn_value w = rn_param(b, "weight", "weight", 2, shape, init);
    x = rn_linear(b, x, w,
                  bias ? rn_param(b, "bias", "bias", 1, shape, "zeros") : RN_NONE);
    rn_pop(b);
    return x;
}

/* x [N,C,H,W] -> [N,channels,H',W'], weight [channels,C/groups,kernel], bias
 * [channels] of zeros. `win` is borrowed for the call. */
static inline rn_value rn_layer_conv(struct rn_build *b, const char *scope, rn_value x,
                                     int64_t channels, const struct rn_window *win,
                                     int32_t bias, const char *init) {
    int64_t shape[4];
    shape[0] = channels, shape[1] = rn_dim(b, x, 1) / (win->groups ? win->groups : 1);
    shape[2] = win->kernel[0], shape[3] = win->kernel[1];
    rn_push(b, scope);
    rn_value w = rn_param(b, "weight", "weight", 4, shape, init);
    x = rn_conv2d(b, x, w,
                  bias ? rn_param(b, "bias", "bias", 1, shape, "zeros") : RN_NONE, win);
    rn_pop(b);
    return x;
}

/* An f32 parameter of role `scale`, every element `value` at first. */
static inline rn_value rn_layer_filled(struct rn_build *b, const char *name,
                                       uint32_t rank, const int64_t *shape,
                                       double value) {
    struct rn_variable v = {sizeof(struct rn_variable),
                            RN_F32,
                            name,
                            "scale",
                            shape,
                            rank,
                            1,
                            0,
                            0,
                            NULL,
                            value};
    return b->api->variable(b, &v);
}

/* Layer norm over the axes from `axis` >= 0 on. */
static inline rn_value rn_layer_layer_norm(struct rn_build *b, const char *scope,
                                           rn_value x, int64_t axis, double eps) {
    int64_t shape[RN_MAX_RANK];
    uint32_t rank = rn_rank(b, x), n = 0, i;
    for (i = (uint32_t)axis; i < rank; i++)
        shape[n++] = rn_dim(b, x, (int32_t)i);
    rn_push(b, scope);
    rn_value scale = rn_layer_filled(b, "scale", n, shape, 1.0);
    rn_value shift = rn_param(b, "shift", "shift", n, shape, "zeros");
    x = rn_layer_norm(b, x, scale, shift, axis, eps);
    rn_pop(b);
    return x;
}

/* Batch norm over axis 1; running mean and variance are state, updated in training with
 * r = (1 - momentum) r + momentum * batch (variance unbiased, as PyTorch). A batch with
 * one value a channel has no variance: it leaves them as they are. */
static inline rn_value rn_layer_batch_norm(struct rn_build *b, const char *scope,
                                           rn_value x, double momentum, double eps) {
    int64_t channels = rn_dim(b, x, 1), count = 1;
    uint32_t axis, rank = rn_rank(b, x);
    rn_push(b, scope);
    rn_value g = rn_layer_filled(b, "scale", 1, &channels, 1.0);
    rn_value shift = rn_param(b, "shift", "shift", 1, &channels, "zeros");
    rn_value mean = rn_state(b, "mean", 1, &channels, 0.0);
    rn_value var = rn_state(b, "variance", 1, &channels, 1.0);
    if (!rn_training(b)) {
        x = rn_batch_norm_infer(b, x, g, shift, mean, var, eps);
        rn_pop(b);
        return x;
    }
    for (axis = 0; axis < rank; axis++)
        count *= axis == 1 ? 1 : rn_dim(b, x, (int32_t)axis);
    rn_value batch_mean, batch_var;
    x = rn_batch_norm(b, x, g, shift, eps, &batch_mean, &batch_var);
    if (count == 1) {
        rn_assign(b, "mean", mean);
        rn_assign(b, "variance", var);
        rn_pop(b);
        return x;
    }
    double unbiased = (double)count / (double)(count - 1);
    rn_assign(b, "mean", rn_running(b, mean, batch_mean, 1.0, momentum));
    rn_assign(b, "variance", rn_running(b, var, batch_var, unbiased, momentum));
    rn_pop(b);
    return x;
}

/* A square convolution that keeps the size at stride 1, without bias, and batch norm.
 */
static inline rn_value rn_layer_conv_norm(struct rn_build *b, const char *conv,
                                          const char *norm, rn_value x,
                                          int64_t channels, int64_t kernel,
                                          int64_t stride) {
    struct rn_window win = rn_window_square(kernel, stride, kernel / 2);
    x = rn_layer_conv(b, conv, x, channels, &win, 0, "he");
    return rn_layer_batch_norm(b, norm, x, 0.1, 1e-5);
}

/* The body of a basic block (He et al. 2016, figure 2) around a shortcut that is there:
 * relu(norm2(conv2(relu(norm1(conv1(x))))) + skip), 3x3, the stride in conv1. */
static inline rn_value rn_layer_basic_block(struct rn_build *b, rn_value x,
                                            rn_value skip, int64_t channels,
                                            int64_t stride) {
    x = rn_relu(b, rn_layer_conv_norm(b, "conv1", "norm1", x, channels, 3, stride));
    x = rn_layer_conv_norm(b, "conv2", "norm2", x, channels, 3, 1);
    return rn_relu(b, rn_add(b, x, skip));
}

#ifdef __cplusplus
}
#endif
#endif

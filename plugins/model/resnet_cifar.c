/* SPDX-License-Identifier: Apache-2.0 */
/* ResNet for small images (He et al. 2016, section 4.2): a 3x3 stem, three stages of
 * `(depth - 2)/6` basic blocks with 16, 32, 64 channels (times width), global pooling.
 * Shortcuts across a change of shape are the paper's option A: every second pixel, new
 * channels zero; or B: a 1x1 convolution. */
#include <runner/sdk/layers.h>

static rn_value shortcut(struct rn_build *b, rn_value x, int64_t channels,
                         int64_t stride) {
    int64_t have = rn_dim(b, x, 1), zero[4] = {0, 0, 0, 0}, low[4] = {0, 0, 0, 0};
    int64_t step[4] = {1, 1, stride, stride}, stop[4], high[4] = {0, 0, 0, 0};
    if (have == channels && stride == 1)
        return x;
    if (strcmp(rn_get_string(b->host, "shortcut"), "B") == 0)
        return rn_layer_conv_norm(b, "conv_skip", "norm_skip", x, channels, 1, stride);
    for (int i = 0; i < 4; i++)
        stop[i] = rn_dim(b, x, i);
    x = rn_slice(b, x, 4, zero, stop, step);
    low[1] = (channels - have) / 2;
    high[1] = channels - have - low[1];
    return rn_pad(b, x, 4, low, high, 0.0);
}

static int32_t describe(struct rn_build *b) {
    rn_value x = rn_input(b, "x");
    int64_t depth = rn_get_int(b->host, "depth"), width = rn_get_int(b->host, "width");
    char scope[32];
    if (depth < 8 || (depth - 2) % 6) {
        b->api->fail(b, "depth must be 6n + 2", "for example 20, 32, 44, 56", "depth");
        return RN_E_CONFIG;
    }
    x = rn_relu(b, rn_layer_conv_norm(b, "stem", "stem_norm", x, width, 3, 1));
    for (uint32_t stage = 0; stage < 3; stage++)
        for (int64_t i = 0; i < (depth - 2) / 6; i++) {
            rn_push(b, rn_name(scope, sizeof scope, "stage", stage + 1));
            rn_push(b, rn_name(scope, sizeof scope, "block", (uint64_t)i + 1));
            int64_t channels = width << stage, stride = stage && i == 0 ? 2 : 1;
            x = rn_layer_basic_block(b, x, shortcut(b, x, channels, stride), channels,
                                     stride);
            rn_pop(b);
            rn_pop(b);
        }
    x = rn_global_avg_pool2d(b, x);
    int64_t outputs = rn_get_int(b->host, "outputs");
    rn_output(b, "out", rn_layer_dense(b, "head", x, outputs, 1, "xavier"));
    return RN_OK;
}

RN_MODEL(resnet_cifar, describe, "runner/resnet_cifar 1",
         RN_DOC("ResNet for small images (He et al. 2016, section 4.2): depth 6n + "
                "2, 3x3 convolutions with batch normalisation; depth 20 on 3x32x32: "
                "269,722 parameters")
         RN_IN("x float [N,C,H,W] | images, 8x8 or larger")
         RN_OUT("out float [N,K] | logits, K = outputs")
         RN_OPTION("outputs int = 10 ; min 1 | classes")
         RN_OPTION("depth int = 20 ; min 8 | layers, 6n + 2: 20, 32, 44, 56, 110")
         RN_OPTION("width int = 16 ; min 1 | channels of the first stage, doubled in "
                   "the second and third")
         RN_OPTION("shortcut choice(A,B) = A | where the shape changes, A: every "
                   "second pixel, zeros for new channels; B: 1x1 convolution with "
                   "normalisation"));
RN_PLUGIN(&resnet_cifar);

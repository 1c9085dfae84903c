/* SPDX-License-Identifier: Apache-2.0 */
/* ResNet-18 and ResNet-34 (He et al. 2016, table 1): four stages of basic blocks with
 * 64, 128, 256, 512 channels (times width/64), 1x1 convolutions where the shape changes
 * (option B). The stem is the paper's for large images, one 3x3 convolution for small.
 */
#include "layers.h"

static rn_value block(struct rn_build *b, rn_value x, int64_t channels,
                      int64_t stride) {
    rn_value skip = x;
    if (stride != 1 || rn_dim(b, x, 1) != channels)
        skip = layer_conv_norm(b, "conv_skip", "norm_skip", x, channels, 1, stride);
    return layer_basic_block(b, x, skip, channels, stride);
}

static int32_t describe(struct rn_build *b) {
    static const int blocks[2][4] = {{2, 2, 2, 2}, {3, 4, 6, 3}};
    rn_value x = rn_input(b, "x");
    int64_t width = rn_get_int(b->host, "width", 64);
    int64_t depth = rn_get_int(b->host, "depth", 18);
    char scope[32];
    if (depth != 18 && depth != 34) {
        b->api->fail(b, "depth must be 18 or 34", "resnet_cifar has others", "depth");
        return RN_E_CONFIG;
    }
    if (strcmp(rn_get_string(b->host, "stem", "small"), "large") == 0) {
        struct rn_window half = rn_window_square(3, 2, 1);
        x = rn_relu(b, layer_conv_norm(b, "stem", "stem_norm", x, width, 7, 2));
        x = rn_max_pool2d(b, x, &half);
    } else {
        x = rn_relu(b, layer_conv_norm(b, "stem", "stem_norm", x, width, 3, 1));
    }
    for (uint32_t stage = 0; stage < 4; stage++)
        for (int i = 0; i < blocks[depth == 34][stage]; i++) {
            rn_push(b, rn_name(scope, sizeof scope, "stage", stage + 1));
            rn_push(b, rn_name(scope, sizeof scope, "block", (uint64_t)i + 1));
            x = block(b, x, width << stage, stage && i == 0 ? 2 : 1);
            rn_pop(b);
            rn_pop(b);
        }
    x = rn_global_avg_pool2d(b, x);
    int64_t outputs = rn_get_int(b->host, "outputs", 10);
    rn_output(b, "out", layer_dense(b, "head", x, outputs, 1, "xavier"));
    return RN_OK;
}

RN_MODEL(resnet, describe, "runner/resnet 1",
         RN_DOC("ResNet-18 and ResNet-34 (He et al. 2016, table 1) of basic blocks; "
                "depth 18 on 3x32x32: 11,173,962 parameters")
         RN_IN("x float [N,C,H,W] | images, 8x8 or larger")
         RN_OUT("out float [N,K] | logits, K = outputs")
         RN_OPTION("outputs int = 10 ; min 1 | classes")
         RN_OPTION("depth int = 18 | 18 or 34 layers: 2, 2, 2, 2 or 3, 4, 6, 3 blocks "
                   "in the four stages")
         RN_OPTION("width int = 64 ; min 1 | channels of the first stage, doubled in "
                   "each of the others")
         RN_OPTION("stem choice(small,large) = small | small: a 3x3 convolution, for "
                   "images of 32x32 or so; large: 7x7 with stride 2, then 3x3 max "
                   "pooling with stride 2"));
RN_PLUGIN(&resnet);

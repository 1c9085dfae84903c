/* SPDX-License-Identifier: Apache-2.0 */
/* ResNet-18 to ResNet-152 (He et al. 2016, table 1): four stages with 64, 128, 256, 512
 * channels (times width/64), of basic blocks up to 34 layers and of bottleneck blocks
 * from 50 on, 1x1 convolutions where the shape changes (option B). The stem is the
 * paper's for large images, one 3x3 convolution for small. */
#include <runner/sdk/layers.h>

static rn_value shortcut(struct rn_build *b, rn_value x, int64_t channels,
                         int64_t stride) {
    if (stride == 1 && rn_dim(b, x, 1) == channels)
        return x;
    return rn_layer_conv_norm(b, "conv_skip", "norm_skip", x, channels, 1, stride);
}

/* Figure 5, right: 1x1 down to `channels`, 3x3, 1x1 up to four times as many. The
 * stride is that of the 3x3 (in the paper of the first 1x1), as in PyTorch's ResNet-50.
 */
static rn_value bottleneck(struct rn_build *b, rn_value x, int64_t channels,
                           int64_t stride) {
    rn_value skip = shortcut(b, x, 4 * channels, stride);
    x = rn_relu(b, rn_layer_conv_norm(b, "conv1", "norm1", x, channels, 1, 1));
    x = rn_relu(b, rn_layer_conv_norm(b, "conv2", "norm2", x, channels, 3, stride));
    x = rn_layer_conv_norm(b, "conv3", "norm3", x, 4 * channels, 1, 1);
    return rn_relu(b, rn_add(b, x, skip));
}

static const struct form {
    int64_t depth;
    int blocks[4], deep;
} forms[] = {{18, {2, 2, 2, 2}, 0},
             {34, {3, 4, 6, 3}, 0},
             {50, {3, 4, 6, 3}, 1},
             {101, {3, 4, 23, 3}, 1},
             {152, {3, 8, 36, 3}, 1}};

static int32_t describe(struct rn_build *b) {
    rn_value x = rn_input(b, "x");
    int64_t width = rn_get_int(b->host, "width");
    int64_t depth = rn_get_int(b->host, "depth");
    const struct form *form = NULL;
    char scope[32];
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (forms[i].depth == depth)
            form = &forms[i];
    if (!form) {
        b->api->fail(b, "depth must be 18, 34, 50, 101 or 152",
                     "resnet_cifar has others", "depth");
        return RN_E_CONFIG;
    }
    if (strcmp(rn_get_string(b->host, "stem"), "large") == 0) {
        struct rn_window half = rn_window_square(3, 2, 1);
        x = rn_relu(b, rn_layer_conv_norm(b, "stem", "stem_norm", x, width, 7, 2));
        x = rn_max_pool2d(b, x, &half);
    } else {
        x = rn_relu(b, rn_layer_conv_norm(b, "stem", "stem_norm", x, width, 3, 1));
    }
    for (uint32_t stage = 0; stage < 4; stage++)
        for (int i = 0; i < form->blocks[stage]; i++) {
            int64_t channels = width << stage, stride = stage && i == 0 ? 2 : 1;
            rn_push(b, rn_name(scope, sizeof scope, "stage", stage + 1));
            rn_push(b, rn_name(scope, sizeof scope, "block", (uint64_t)i + 1));
            x = form->deep
                    ? bottleneck(b, x, channels, stride)
                    : rn_layer_basic_block(b, x, shortcut(b, x, channels, stride),
                                           channels, stride);
            rn_pop(b);
            rn_pop(b);
        }
    x = rn_global_avg_pool2d(b, x);
    int64_t outputs = rn_get_int(b->host, "outputs");
    rn_output(b, "out", rn_layer_dense(b, "head", x, outputs, 1, "xavier"));
    return RN_OK;
}

RN_MODEL(resnet, describe, "runner/resnet 1",
         RN_DOC("ResNet-18 to ResNet-152 (He et al. 2016, table 1), of basic blocks up "
                "to 34 layers, of bottleneck blocks with the stride in the 3x3 from 50 "
                "on; depth 18 on 3x32x32: 11,173,962 parameters")
         RN_IN("x float [N,C,H,W] | images, 8x8 or larger")
         RN_OUT("out float [N,K] | logits, K = outputs")
         RN_OPTION("outputs int = 10 ; min 1 | classes")
         RN_OPTION("depth int = 18 | 18, 34, 50, 101 or 152 layers")
         RN_OPTION("width int = 64 ; min 1 | channels of the first stage, doubled in "
                   "each of the others; bottleneck blocks end in four times as many")
         RN_OPTION("stem choice(small,large) = small | small: a 3x3 convolution, for "
                   "images of 32x32 or so; large: 7x7 with stride 2, then 3x3 max "
                   "pooling with stride 2"));
RN_PLUGIN(&resnet);

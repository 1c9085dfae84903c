/* SPDX-License-Identifier: Apache-2.0 */
/* LeNet-5 (LeCun et al. 1998) as it is taught today: two 5x5 convolutions with pooling,
 * three linear layers. The first convolution pads, so that 28x28 images fit. */
#include <runner/sdk/layers.h>

static int32_t describe(struct rn_build *b) {
    rn_value x = rn_input(b, "x");
    if (x && (rn_dim(b, x, 2) < 12 || rn_dim(b, x, 3) < 12)) {
        b->api->fail(b, "lenet expects images of 12x12 or larger",
                     "mlp or sequential take smaller ones", NULL);
        return RN_E_CONFIG;
    }
    const char *activation = rn_get_string(b->host, "activation");
    struct rn_window pad = rn_window_square(5, 1, 2), plain = rn_window_square(5, 1, 0);
    struct rn_window half = rn_window_square(2, 2, 0);

    x = rn_layer_activation(b, activation,
                            rn_layer_conv(b, "conv1", x, 6, &pad, 1, "he"));
    x = rn_max_pool2d(b, x, &half);
    x = rn_layer_activation(b, activation,
                            rn_layer_conv(b, "conv2", x, 16, &plain, 1, "he"));
    x = rn_flatten(b, rn_max_pool2d(b, x, &half));
    x = rn_layer_activation(b, activation, rn_layer_dense(b, "fc1", x, 120, 1, "he"));
    x = rn_layer_activation(b, activation, rn_layer_dense(b, "fc2", x, 84, 1, "he"));
    int64_t outputs = rn_get_int(b->host, "outputs");
    rn_output(b, "out", rn_layer_dense(b, "head", x, outputs, 1, "xavier"));
    return RN_OK;
}

RN_MODEL(lenet, describe, "runner/lenet 1",
         RN_DOC("LeNet-5 (LeCun et al. 1998, section II.B, as it is taught today): "
                "5x5 convolutions of 6 (padded by 2) and 16 channels, each with 2x2 "
                "max pooling, then linear layers of 120, 84 and `outputs`; 61,706 "
                "parameters on 1x28x28")
         RN_IN("x float [N,C,H,W] | images, 12x12 or larger")
         RN_OUT("out float [N,K] | logits, K = outputs")
         RN_OPTION("outputs int = 10 ; min 1 | classes")
         RN_OPTION("activation choice(relu,tanh,sigmoid,gelu,silu) = relu | after "
                   "each layer but the last"));
RN_PLUGIN(&lenet);

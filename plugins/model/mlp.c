/* SPDX-License-Identifier: Apache-2.0 */
/* A multilayer perceptron: flatten, hidden layers with activation and dropout, head. */
#include <runner/sdk/layers.h>

static int32_t describe(struct rn_build *b) {
    rn_value x = rn_flatten(b, rn_input(b, "x"));
    const char *activation = rn_get_string(b->host, "activation");
    double p = rn_get_float(b->host, "dropout");
    uint32_t hidden = rn_get_count(b->host, "hidden");
    char path[32], scope[32];

    for (uint32_t i = 0; i < hidden; i++) {
        int64_t units = rn_get_int(b->host, rn_path(path, sizeof path, "hidden", i));
        rn_name(scope, sizeof scope, "hidden", i + 1);
        x = rn_layer_activation(b, activation,
                                rn_layer_dense(b, scope, x, units, 1, "he"));
        if (p > 0.0 && rn_training(b))
            x = rn_dropout(b, x, p);
    }
    int64_t outputs = rn_get_int(b->host, "outputs");
    rn_output(b, "out", rn_layer_dense(b, "head", x, outputs, 1, "xavier"));
    return RN_OK;
}

RN_MODEL(mlp, describe, "runner/mlp 1",
         RN_DOC("Multilayer perceptron: flatten, hidden layers (linear, activation, "
                "dropout), linear head")
         RN_IN("x float [N,...] | features, flattened")
         RN_OUT("out float [N,K] | the head's values (logits), K = outputs")
         RN_OPTION("hidden list(int) ; min 1 | units of each hidden layer; none: "
                   "linear")
         RN_OPTION("outputs int ; required ; min 1 | units of the head: classes or "
                   "targets")
         RN_OPTION("activation "
                   "choice(relu,tanh,sigmoid,gelu,silu,elu,selu,mish,softplus,none) "
                   "= relu | after each hidden layer")
         RN_OPTION("dropout float = 0 ; min 0 ; below 1 | share dropped after each "
                   "hidden activation, in training"));
RN_PLUGIN(&mlp);

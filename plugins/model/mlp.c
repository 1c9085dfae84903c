/* SPDX-License-Identifier: Apache-2.0 */
/* A multilayer perceptron: flatten, then hidden layers with activation and dropout,
 * then a linear layer. */
#include <string.h>

#include <runner/model.h>

static rn_value activate(struct rn_build *b, const char *name, rn_value x) {
    return strcmp(name, "none") == 0 ? x : rn_op(b, name, 1, &x, 0, NULL);
}

static rn_value dense(struct rn_build *b, const char *scope, rn_value x, int64_t units,
                      const char *init) {
    int64_t shape[2] = {units, rn_dim(b, x, -1)};
    rn_push(b, scope);
    rn_value w = rn_param(b, "weight", "weight", 2, shape, init);
    x = rn_linear(b, x, w, rn_param(b, "bias", "bias", 1, shape, "zeros"));
    rn_pop(b);
    return x;
}

static int32_t describe(struct rn_build *b) {
    rn_value x = rn_flatten(b, rn_input(b, "x"));
    const char *activation = rn_get_string(b->host, "activation", "relu");
    double p = rn_get_float(b->host, "dropout", 0.0);
    uint32_t hidden = rn_get_count(b->host, "hidden");
    char path[32];

    for (uint32_t i = 0; i < hidden; i++) {
        rn_path(path, sizeof path, "hidden", i);
        int64_t units = rn_get_int(b->host, path, 0);
        rn_name(path, sizeof path, "hidden", i + 1);
        x = dense(b, path, x, units, "he");
        x = activate(b, activation, x);
        if (p > 0.0 && rn_training(b))
            x = rn_dropout(b, x, p);
    }
    rn_output(b, "out",
              dense(b, "head", x, rn_get_int(b->host, "outputs", 0), "xavier"));
    return RN_OK;
}

RN_MODEL(
    mlp, describe, "runner/mlp 1",
    RN_DOC("Multilayer perceptron: flatten, hidden layers, linear head") RN_IN(
        "x float [N,...] | features, flattened")
        RN_OUT("out float [N,K] | the head's values (logits), K = outputs") RN_OPTION(
            "hidden list(int) ; min 1 | units of each hidden layer; none: linear")
            RN_OPTION("outputs int ; required ; min 1 | units of the head: classes or "
                      "targets")
                RN_OPTION("activation "
                          "choice(relu,tanh,sigmoid,gelu,silu,elu,selu,mish,softplus,"
                          "none) = relu | after each hidden layer")
                    RN_OPTION(
                        "dropout float = 0 ; min 0 ; below 1 | share dropped after "
                        "each hidden "
                        "activation"));
RN_PLUGIN(&mlp);

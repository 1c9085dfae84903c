/* SPDX-License-Identifier: Apache-2.0 */
/* A decoder-only transformer (Radford et al. 2019, section 2.3): tokens and positions,
 * pre-norm blocks of causal attention and an MLP, a norm, scores of the next token. */
#include <runner/sdk/transformer.h>

static int32_t describe(struct rn_build *b) {
    struct rn_host *h = b->host;
    rn_value x = rn_input(b, "x");
    int64_t layers = rn_get_int(h, "layers");
    int64_t shape[2] = {rn_get_int(h, "vocabulary"), rn_get_int(h, "width")};
    struct rn_transformer t = {.heads = rn_get_int(h, "heads"),
                               .hidden =
                                   rn_has(h, "hidden") ? rn_get_int(h, "hidden") : 0,
                               .causal = 1,
                               .bias = rn_get_bool(h, "bias"),
                               .dropout = rn_get_float(h, "dropout"),
                               .eps = 1e-5,
                               .activation = rn_get_string(h, "activation"),
                               .init = "xavier"};
    char scope[32];

    rn_push(b, "embedding");
    rn_value table = rn_param(b, "weight", "embedding", 2, shape, "lecun");
    rn_pop(b);
    x = rn_embedding(b, table, x);
    int64_t context = rn_has(h, "context") ? rn_get_int(h, "context") : 0;
    x = rn_layer_positions(b, "position", x, context, "lecun");
    x = rn_layer_drop(b, x, t.dropout);
    for (int64_t i = 0; i < layers; i++)
        x = rn_layer_transformer(
            b, rn_name(scope, sizeof scope, "block", (uint64_t)i + 1), x, &t);
    if (!x)
        return RN_OK; /* an error is known */
    x = rn_layer_layer_norm(b, "norm", x, 2, t.eps);
    x = rn_get_bool(h, "tied") ? rn_linear(b, x, table, RN_NONE)
                               : rn_layer_dense(b, "head", x, shape[0], 0, t.init);
    rn_output(b, "out", x);
    return RN_OK;
}

RN_MODEL(gpt, describe, "runner/gpt 1",
         RN_DOC("Decoder-only transformer (Radford et al. 2019, section 2.3; Vaswani "
                "et al. 2017): learned positions, pre-norm blocks of causal attention "
                "and an MLP; a loss over its output expects `classes: last`")
         RN_IN("x int [N,T] | numbers of tokens, 0 to vocabulary - 1")
         RN_OUT("out float [N,T,V] | logits of the token behind each, V = vocabulary")
         RN_OPTION("vocabulary int ; required ; min 1 | different tokens")
         RN_OPTION("layers int = 6 ; min 1 | blocks")
         RN_OPTION("width int = 384 ; min 1 | channels of a token")
         RN_OPTION("heads int = 6 ; min 1 | of attention; divides the width")
         RN_OPTION("hidden int ; min 1 | units of the MLP; default: 4 width")
         RN_OPTION("context int ; min 1 | positions that have numbers, T or more; "
                   "default: T")
         RN_OPTION("activation choice(gelu,relu,silu,tanh) = gelu | of the MLP")
         RN_OPTION("dropout float = 0 ; min 0 ; below 1 | share dropped, in training: "
                   "of the embedding and of what each half of a block adds")
         RN_OPTION("bias bool = true | of the linear layers in the blocks")
         RN_OPTION("tied bool = true | the scores are products with the embedding of "
                   "each token; false: a linear layer of its own"));
RN_PLUGIN(&gpt);

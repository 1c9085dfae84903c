/* SPDX-License-Identifier: Apache-2.0 */
/* A network described in YAML: a list of layers, each reading the one before it, or any
 * earlier ones that it names with `from`. A layer's output has its `name`; all named
 * layers are outputs of the model (model.NAME), the last one is `out`. */
#include <stdio.h>
#include <stdlib.h>

#include "layers.h"

#define MAX_LAYERS 1024

struct state {
    struct rn_build *b;
    uint32_t count;
    rn_value values[MAX_LAYERS];
    const char *names[MAX_LAYERS];
    char prefix[32]; /* "layers.7" of the layer at work */
};

static const char *path(struct state *s, const char *key, char out[96]) {
    snprintf(out, 96, "%s.%s", s->prefix, key);
    return out;
}

static int64_t integer(struct state *s, const char *key, int64_t otherwise) {
    char p[96];
    return rn_get_int(s->b->host, path(s, key, p), otherwise);
}

static double real(struct state *s, const char *key, double otherwise) {
    char p[96];
    return rn_get_float(s->b->host, path(s, key, p), otherwise);
}

static const char *word(struct state *s, const char *key, const char *otherwise) {
    char p[96];
    return rn_get_string(s->b->host, path(s, key, p), otherwise);
}

static void fail(struct state *s, const char *message, const char *key) {
    char p[96];
    s->b->api->fail(s->b, message, NULL, path(s, key, p));
}

/* The earlier layer of that name; "x" is the model's input. */
static rn_value named(struct state *s, const char *name, const char *key) {
    char message[160];
    for (uint32_t i = s->count; i-- > 0;)
        if (s->names[i] && strcmp(s->names[i], name) == 0)
            return s->values[i];
    snprintf(message, sizeof message, "no earlier layer is named '%s'", name);
    fail(s, message, key);
    return RN_NONE;
}

static struct rn_window window(struct state *s, const char *type) {
    int64_t kernel = integer(s, "kernel", 3), pad = integer(s, "pad", 0);
    int pool = strstr(type, "pool") != NULL;
    struct rn_window w =
        rn_window_square(kernel, integer(s, "stride", pool ? kernel : 1), pad);
    w.dilation[0] = w.dilation[1] = integer(s, "dilation", 1);
    w.groups = integer(s, "groups", 1);
    w.output_pad[0] = w.output_pad[1] = integer(s, "output_pad", 0);
    if (strcmp(word(s, "padding", "none"), "same") == 0 && !pool) {
        int64_t total = w.dilation[0] * (kernel - 1);
        w.pad[0] = w.pad[1] = total / 2;
        w.pad[2] = w.pad[3] = total - total / 2;
    }
    return w;
}

static rn_value scaled(struct state *s, rn_value x, const char *type) {
    struct rn_build *b = s->b;
    int64_t channels = rn_dim(
        b, x,
        strcmp(type, "layer_norm") == 0 || strcmp(type, "rms_norm") == 0 ? -1 : 1);
    double eps = real(s, "eps", 1e-5);
    struct rn_variable one = {sizeof(struct rn_variable),
                              RN_F32,
                              "scale",
                              "scale",
                              &channels,
                              1,
                              1,
                              0,
                              0,
                              NULL,
                              1.0};
    rn_value scale = b->api->variable(b, &one);
    if (strcmp(type, "rms_norm") == 0)
        return rn_rms_norm(b, x, scale, eps);
    rn_value shift = rn_param(b, "shift", "shift", 1, &channels, "zeros");
    if (strcmp(type, "group_norm") == 0)
        return rn_group_norm(b, x, scale, shift, integer(s, "groups", 1), eps);
    return rn_layer_norm(b, x, scale, shift, -1, eps);
}

static rn_value transposed(struct state *s, rn_value x, const char *init) {
    struct rn_build *b = s->b;
    struct rn_window w = window(s, "conv_transpose2d");
    int64_t channels = integer(s, "channels", 1);
    int64_t shape[4] = {rn_dim(b, x, 1), channels / w.groups, w.kernel[0], w.kernel[1]};
    rn_value weight = rn_param(b, "weight", "weight", 4, shape, init);
    char p[96];
    rn_value bias = rn_get_bool(b->host, path(s, "bias", p), 1)
                        ? rn_param(b, "bias", "bias", 1, &channels, "zeros")
                        : RN_NONE;
    return rn_conv_transpose2d(b, x, weight, bias, &w);
}

static rn_value embedded(struct state *s, rn_value x) {
    int64_t shape[2] = {integer(s, "size", 1), integer(s, "units", 1)};
    rn_value table = rn_param(s->b, "weight", "embedding", 2, shape, "normal");
    return rn_embedding(s->b, table, x);
}

static rn_value reshaped(struct state *s, rn_value x) {
    int64_t shape[RN_MAX_RANK] = {rn_dim(s->b, x, 0)};
    char p[96], item[112];
    uint32_t n = rn_get_count(s->b->host, path(s, "shape", p));
    for (uint32_t i = 0; i < n && i + 1 < RN_MAX_RANK; i++)
        shape[i + 1] = rn_get_int(s->b->host, rn_path(item, sizeof item, p, i), -1);
    return rn_reshape(s->b, x, n + 1 < RN_MAX_RANK ? n + 1 : RN_MAX_RANK, shape);
}

/* add, mul and concat of the layers that `from` lists (and the one before). */
static rn_value joined(struct state *s, rn_value x, const char *type) {
    rn_value all[65] = {x};
    char p[96], item[112];
    uint32_t n = rn_get_count(s->b->host, path(s, "from", p)), count = 1;
    for (uint32_t i = 0; i < n && count < 65; i++) {
        const char *name =
            rn_get_string(s->b->host, rn_path(item, sizeof item, p, i), "");
        all[count++] = named(s, name, "from");
    }
    if (strcmp(type, "concat") == 0)
        return rn_concat(s->b, count, all, integer(s, "axis", 1));
    for (uint32_t i = 1; i < count; i++)
        x = strcmp(type, "add") == 0 ? rn_add(s->b, x, all[i])
                                     : rn_mul(s->b, x, all[i]);
    return x;
}

/* Layers without options or parameters: operators of one input. */
static int is_function(const char *type) {
    static const char *const names[] = {"relu",
                                        "relu6",
                                        "tanh",
                                        "sigmoid",
                                        "gelu",
                                        "silu",
                                        "selu",
                                        "mish",
                                        "softplus",
                                        "hard_sigmoid",
                                        "hard_swish",
                                        "flatten",
                                        "global_avg_pool2d"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], type) == 0)
            return 1;
    return 0;
}

static rn_value layer(struct state *s, const char *type, rn_value x) {
    struct rn_build *b = s->b;
    const char *init = word(s, "init", "he");
    char p[96];
    int32_t bias = rn_get_bool(b->host, path(s, "bias", p), 1);
    struct rn_window w = window(s, type);

    if (is_function(type))
        return rn_op(b, type, 1, &x, 0, NULL);
    if (strcmp(type, "dense") == 0)
        return layer_dense(b, "", x, integer(s, "units", 1), bias, init);
    if (strcmp(type, "conv2d") == 0)
        return layer_conv(b, "", x, integer(s, "channels", 1), &w, bias, init);
    if (strcmp(type, "conv_transpose2d") == 0)
        return transposed(s, x, init);
    if (strcmp(type, "max_pool2d") == 0)
        return rn_max_pool2d(b, x, &w);
    if (strcmp(type, "avg_pool2d") == 0)
        return rn_avg_pool2d(b, x, &w, 0);
    if (strcmp(type, "batch_norm") == 0)
        return layer_batch_norm(b, "", x, real(s, "momentum", 0.1),
                                real(s, "eps", 1e-5));
    if (strstr(type, "_norm"))
        return scaled(s, x, type);
    if (strcmp(type, "dropout") == 0)
        return rn_training(b) ? rn_dropout(b, x, real(s, "p", 0.5)) : x;
    if (strcmp(type, "leaky_relu") == 0)
        return rn_leaky_relu(b, x, real(s, "alpha", 0.01));
    if (strcmp(type, "elu") == 0)
        return rn_elu(b, x, real(s, "alpha", 1.0));
    if (strcmp(type, "softmax") == 0)
        return rn_softmax(b, x, integer(s, "axis", -1));
    if (strcmp(type, "embedding") == 0)
        return embedded(s, x);
    if (strcmp(type, "reshape") == 0)
        return reshaped(s, x);
    if (strcmp(type, "resize2d") == 0)
        return rn_resize2d(b, x, rn_dim(b, x, 2) * integer(s, "scale", 2),
                           rn_dim(b, x, 3) * integer(s, "scale", 2),
                           strcmp(word(s, "mode", "nearest"), "bilinear") == 0);
    if (strcmp(type, "identity") == 0)
        return rn_identity(b, x);
    if (strcmp(type, "noise") == 0) {
        int64_t shape[2] = {rn_dim(b, x, 0), integer(s, "size", 1)};
        return rn_random_normal(b, 2, shape);
    }
    return joined(s, x, type);
}

static int32_t describe(struct rn_build *b) {
    struct state *s = calloc(1, sizeof *s);
    if (!s)
        return RN_E_MEMORY;
    s->b = b;
    uint32_t n = rn_get_count(b->host, "layers");
    rn_value x = rn_input(b, "x");
    s->values[0] = x, s->names[0] = "x", s->count = 1;
    if (n == 0)
        b->api->fail(b, "there are no layers", NULL, "layers");
    if (n >= MAX_LAYERS) {
        b->api->fail(b, "more than 1023 layers", NULL, "layers");
        n = 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        char scope[96];
        rn_path(s->prefix, sizeof s->prefix, "layers", i);
        const char *type = word(s, "type", ""), *name = word(s, "name", NULL);
        const char *input = word(s, "input", NULL);
        rn_value in = input ? named(s, input, "input") : x;
        if (name)
            snprintf(scope, sizeof scope, "%s", name);
        else
            snprintf(scope, sizeof scope, "%s%u", type, i + 1);
        for (uint32_t k = 0; name && k < s->count; k++)
            if (s->names[k] && strcmp(s->names[k], name) == 0)
                fail(s, "another layer (or the input) has this name", "name");
        rn_push(b, scope);
        x = layer(s, type, in);
        rn_pop(b);
        if (!x)
            b->api->fail(b, NULL, NULL, s->prefix);
        s->values[s->count] = x;
        s->names[s->count++] = name;
        if (name && i + 1 < n)
            rn_output(b, name, x);
    }
    rn_output(b, "out", x);
    free(s);
    return RN_OK;
}

#define COMMON                                                                         \
    RN_OPTION(                                                                         \
        "name string | scope of its parameters, output of the model, for `from`")      \
    RN_OPTION("input string | the earlier layer to read; default: the one before")
#define LAYER(name, doc) RN_RECORD(name " | " doc) COMMON
#define WINDOW                                                                         \
    RN_OPTION("kernel int = 3 ; min 1 | height and width")                             \
    RN_OPTION("pad int = 0 ; min 0 | zeros around the image")
#define NORM(name, doc)                                                                \
    LAYER(name, doc) RN_OPTION("eps float = 1e-5 ; above 0 | added to the variance")
#define CONV                                                                           \
    RN_OPTION("channels int ; required ; min 1 | output channels")                     \
    WINDOW RN_OPTION("stride int = 1 ; min 1 | step")                                  \
        RN_OPTION("dilation int = 1 ; min 1 | distance between taps")                  \
            RN_OPTION("groups int = 1 ; min 1 | groups of channels")                   \
                RN_OPTION("bias bool = true | add a bias")                             \
                    RN_OPTION("init string = he | init of the weight")
#define POOL             WINDOW RN_OPTION("stride int ; min 1 | step; default: kernel")
#define PLAIN(name, doc) LAYER(name, doc) RN_END

RN_MODEL(
    sequential, describe, "runner/sequential 1",
    RN_DOC("A network described in YAML: layers in a row, with branches by name") RN_IN(
        "x any [N,...] | the input of the first layer, named x")
        RN_OUT("out float [N,...] | the last layer's output") RN_OUT("* float [N,...] "
                                                                     "| every named "
                                                                     "layer") LAYER(
            "dense", "linear layer: x w^T + bias") RN_OPTION("units int ; required ; "
                                                             "min 1 | outputs")
            RN_OPTION("bias bool = true | add a bias") RN_OPTION(
                "init string = he | init of the weight") RN_END LAYER("conv2d",
                                                                      "convolution "
                                                                      "over height and "
                                                                      "width")
                CONV RN_OPTION("padding choice(none,same) = none | same: keep the size "
                               "at stride 1") RN_END LAYER(
                    "conv_transpose2d",
                    "the transpose of a convolution") CONV RN_OPTION("output_pad int = "
                                                                     "0 ; min 0 | "
                                                                     "extra rows and "
                                                                     "columns at the "
                                                                     "end")
                    RN_END LAYER("max_pool2d", "largest of a window") POOL RN_END LAYER(
                        "avg_pool2d",
                        "mean of a window") POOL RN_END PLAIN("global_avg_pool2d",
                                                              "mean over height and "
                                                              "width")
                        NORM("batch_norm", "batch normalisation") RN_OPTION(
                            "momentum float = 0.1 ; above 0 ; max 1 | share of the "
                            "batch in the "
                            "running statistics") RN_END NORM("layer_norm",
                                                              "layer normalisation "
                                                              "over the last axis")
                            RN_END NORM("rms_norm", "root-mean-square normalisation "
                                                    "over the last axis") RN_END NORM(
                                "group_norm",
                                "group normalisation") RN_OPTION("groups int = 1 ; min "
                                                                 "1 | groups of "
                                                                 "channels") RN_END
                                LAYER("dropout", "drop elements in training") RN_OPTION(
                                    "p float = 0.5 ; min 0 ; below 1 | share dropped")
                                    RN_END PLAIN("relu", "max(x, 0)") PLAIN(
                                        "relu6",
                                        "clamp to 0..6") PLAIN("tanh",
                                                               "tanh") PLAIN("sigmoid",
                                                                             "1/"
                                                                             "(1+exp(-"
                                                                             "x))")
                                        PLAIN("gelu", "x Phi(x)") PLAIN(
                                            "silu",
                                            "x sigmoid(x)") PLAIN("selu",
                                                                  "self-normalising "
                                                                  "ELU") PLAIN("mish",
                                                                               "x "
                                                                               "tanh("
                                                                               "softplu"
                                                                               "s(x))")
                                            PLAIN("softplus", "log(1 + exp(x))") PLAIN(
                                                "hard_sigmoid",
                                                "piecewise linear sigmoid") PLAIN("hard"
                                                                                  "_swi"
                                                                                  "sh",
                                                                                  "x "
                                                                                  "hard"
                                                                                  "_sig"
                                                                                  "moid"
                                                                                  "(x)")
                                                LAYER("leaky_relu", "x, or alpha x "
                                                                    "below 0") RN_OPTION(
                                                    "alpha float = 0.01 | slope below "
                                                    "0") RN_END LAYER("elu",
                                                                      "x, or alpha "
                                                                      "(exp(x) - 1) "
                                                                      "below 0")
                                                    RN_OPTION("alpha float = 1 | scale "
                                                              "below 0") RN_END LAYER(
                                                        "softmax", "softmax over an "
                                                                   "axis") RN_OPTION("a"
                                                                                     "x"
                                                                                     "i"
                                                                                     "s"
                                                                                     " "
                                                                                     "i"
                                                                                     "n"
                                                                                     "t"
                                                                                     " "
                                                                                     "="
                                                                                     " "
                                                                                     "-"
                                                                                     "1"
                                                                                     " "
                                                                                     "|"
                                                                                     " "
                                                                                     "t"
                                                                                     "h"
                                                                                     "e"
                                                                                     " "
                                                                                     "a"
                                                                                     "x"
                                                                                     "i"
                                                                                     "s") RN_END
                                                        PLAIN("flatten", "[N,...] to "
                                                                         "[N,rest]") LAYER(
                                                            "reshape",
                                                            "another shape for each "
                                                            "sample") RN_OPTION("shape "
                                                                                "list("
                                                                                "int) "
                                                                                "; "
                                                                                "requir"
                                                                                "ed | "
                                                                                "withou"
                                                                                "t the "
                                                                                "batch;"
                                                                                " one "
                                                                                "-1 is "
                                                                                "inferr"
                                                                                "ed")
                                                            RN_END LAYER(
                                                                "embedding",
                                                                "rows of a table by "
                                                                "index") RN_OPTION("siz"
                                                                                   "e "
                                                                                   "int"
                                                                                   " ; "
                                                                                   "req"
                                                                                   "uir"
                                                                                   "ed "
                                                                                   "; "
                                                                                   "min"
                                                                                   " 1 "
                                                                                   "| "
                                                                                   "row"
                                                                                   "s")
                                                                RN_OPTION("units int ; "
                                                                          "required ; "
                                                                          "min 1 | "
                                                                          "columns") RN_END LAYER(
                                                                    "resize2d",
                                                                    "larger images")
                                                                    RN_OPTION("scale "
                                                                              "int = 2 "
                                                                              "; min 1 "
                                                                              "| "
                                                                              "factor") RN_OPTION(
                                                                        "mode "
                                                                        "choice("
                                                                        "nearest,"
                                                                        "bilinear) = "
                                                                        "nearest | how") RN_END
                                                                        LAYER("add", "s"
                                                                                     "u"
                                                                                     "m"
                                                                                     " "
                                                                                     "o"
                                                                                     "f"
                                                                                     " "
                                                                                     "t"
                                                                                     "h"
                                                                                     "e"
                                                                                     " "
                                                                                     "l"
                                                                                     "a"
                                                                                     "y"
                                                                                     "e"
                                                                                     "r"
                                                                                     " "
                                                                                     "b"
                                                                                     "e"
                                                                                     "f"
                                                                                     "o"
                                                                                     "r"
                                                                                     "e"
                                                                                     " "
                                                                                     "a"
                                                                                     "n"
                                                                                     "d"
                                                                                     " "
                                                                                     "t"
                                                                                     "h"
                                                                                     "o"
                                                                                     "s"
                                                                                     "e"
                                                                                     " "
                                                                                     "o"
                                                                                     "f"
                                                                                     " "
                                                                                     "`"
                                                                                     "f"
                                                                                     "r"
                                                                                     "o"
                                                                                     "m"
                                                                                     "`") RN_OPTION(
                                                                            "from "
                                                                            "list("
                                                                            "string) ; "
                                                                            "required "
                                                                            "| names "
                                                                            "of "
                                                                            "earlier "
                                                                            "layers")
                                                                            RN_END LAYER(
                                                                                "mul",
                                                                                "produc"
                                                                                "t of "
                                                                                "the "
                                                                                "layer "
                                                                                "before"
                                                                                " and "
                                                                                "those "
                                                                                "of "
                                                                                "`from"
                                                                                "`") RN_OPTION("from list(string) ; required | names of earlier layers")
                                                                                RN_END LAYER(
                                                                                    "co"
                                                                                    "nc"
                                                                                    "a"
                                                                                    "t",
                                                                                    "th"
                                                                                    "e "
                                                                                    "la"
                                                                                    "ye"
                                                                                    "r "
                                                                                    "be"
                                                                                    "fo"
                                                                                    "re"
                                                                                    " a"
                                                                                    "nd"
                                                                                    " t"
                                                                                    "ho"
                                                                                    "se"
                                                                                    " o"
                                                                                    "f "
                                                                                    "`f"
                                                                                    "ro"
                                                                                    "m`"
                                                                                    " s"
                                                                                    "id"
                                                                                    "e "
                                                                                    "by"
                                                                                    " s"
                                                                                    "id"
                                                                                    "e") RN_OPTION("from list(string) ; required | names of earlier layers")
                                                                                    RN_OPTION("axis int = 1 | the axis") RN_END LAYER(
                                                                                        "noise",
                                                                                        "normal random numbers, one row a sample, instead of the input")
                                                                                        RN_OPTION(
                                                                                            "size int ; required ; min 1 | numbers in a row")
                                                                                            RN_END PLAIN(
                                                                                                "identity",
                                                                                                "the input, under a name")
                                                                                                RN_UNION(
                                                                                                    "layer = dense conv2d conv_transpose2d max_pool2d avg_pool2d "
                                                                                                    "global_avg_pool2d batch_norm layer_norm rms_norm group_norm dropout relu "
                                                                                                    "relu6 tanh sigmoid gelu silu selu mish softplus hard_sigmoid hard_swish "
                                                                                                    "leaky_relu elu softmax flatten reshape embedding resize2d add mul concat "
                                                                                                    "noise identity")
                                                                                                    RN_OPTION(
                                                                                                        "layers list(layer) ; required | in order"));
RN_PLUGIN(&sequential);

/* SPDX-License-Identifier: Apache-2.0 */
/* A network described in YAML: a list of layers, each reading the one before it, or any
 * earlier ones that it names with `from`. A layer's output has its `name`; all named
 * layers are outputs of the model (model.NAME), the last one is `out`. */
#include <stdio.h>
#include <stdlib.h>

#include <runner/sdk/layers.h>
#include <runner/sdk/recurrent.h>
#include <runner/sdk/transformer.h>

#include "sequential_text.h"

#define MAX_LAYERS 1024
#define INPUTS     3 /* x, y and z */

struct state {
    struct rn_build *b;
    uint32_t count;
    rn_value values[MAX_LAYERS + INPUTS];
    char names[MAX_LAYERS + INPUTS][64]; /* scopes: given, or type and place */
    const char *type;                    /* of the layer at work */
    char prefix[32];                     /* "layers.7" of it */
};

/* ------------------------------------------------------------------- options */

static const char *path(struct state *s, const char *key, char out[96]) {
    snprintf(out, 96, "%s.%s", s->prefix, key);
    return out;
}

static int32_t given(struct state *s, const char *key) {
    char p[96];
    return rn_has(s->b->host, path(s, key, p));
}

static int64_t integer(struct state *s, const char *key) {
    char p[96];
    return rn_get_int(s->b->host, path(s, key, p));
}

static double real(struct state *s, const char *key) {
    char p[96];
    return rn_get_float(s->b->host, path(s, key, p));
}

static const char *word(struct state *s, const char *key) {
    char p[96];
    return rn_get_string(s->b->host, path(s, key, p));
}

static int32_t yes(struct state *s, const char *key) {
    char p[96];
    return rn_get_bool(s->b->host, path(s, key, p));
}

static rn_value fail(struct state *s, const char *message, const char *hint,
                     const char *key) {
    char p[96];
    s->b->api->fail(s->b, message, hint, path(s, key, p));
    return RN_NONE;
}

/* Up to `most` numbers of a list; 0 when it is absent. */
static uint32_t list(struct state *s, const char *key, uint32_t max_count,
                     int64_t *out) {
    char p[96], item[112];
    if (!rn_has(s->b->host, path(s, key, p)))
        return 0;
    uint32_t n = rn_get_count(s->b->host, p);
    if (n == 0 || n > max_count)
        fail(s, "this list is empty, or longer than can be meant", NULL, key);
    for (uint32_t i = 0; i < n && i < max_count; i++)
        out[i] = rn_get_int(s->b->host, rn_path(item, sizeof item, p, i));
    return n < max_count ? n : max_count;
}

/* One number, or [height, width]; out stays as it is where the layer has none. */
static void pair(struct state *s, const char *key, int64_t out[2]) {
    if (list(s, key, 2, out) == 1)
        out[1] = out[0];
}

/* One number, [height, width], or [top, left, bottom, right]; as pair. */
static void pads(struct state *s, int64_t out[4]) {
    uint32_t n = list(s, "pad", 4, out);
    if (n == 3)
        fail(s, "pad expects one number, two or four",
             "[height, width], or [top, left, bottom, right]", "pad");
    if (n == 1)
        out[1] = out[0];
    if (n == 1 || n == 2)
        out[2] = out[0], out[3] = out[1];
}

/* ---------------------------------------------------------- layers with windows */

/* Images are wanted; false after an error. */
static int images(struct state *s, rn_value x) {
    char message[120];
    uint32_t rank = rn_rank(s->b, x);
    if (rank == 4 || rank == 0) /* 0: an error is known already */
        return rank == 4;
    snprintf(message, sizeof message,
             "%s expects images [N,C,H,W], its input has rank %u", s->type, rank);
    fail(s, message, "reshape: {shape: [1, -1, ...]} or another place for it", "type");
    return 0;
}

static struct rn_window window(struct state *s) {
    struct rn_window w = rn_window_square(1, 1, 0);
    pair(s, "kernel", w.kernel);
    w.stride[0] = w.stride[1] = 1;
    if (strstr(s->type, "pool"))
        w.stride[0] = w.kernel[0], w.stride[1] = w.kernel[1];
    pair(s, "stride", w.stride);
    pair(s, "dilation", w.dilation);
    pair(s, "output_pad", w.output_pad);
    pads(s, w.pad);
    if (given(s, "groups"))
        w.groups = integer(s, "groups");
    if (given(s, "padding") && strcmp(word(s, "padding"), "same") == 0)
        for (int i = 0; i < 2; i++) {
            int64_t total = w.dilation[i] * (w.kernel[i] - 1);
            w.pad[i] = total / 2;
            w.pad[i + 2] = total - total / 2;
        }
    return w;
}

static rn_value conv(struct state *s, rn_value x) {
    struct rn_window w = window(s);
    int64_t in = rn_dim(s->b, x, 1), out;
    if (strcmp(s->type, "depthwise_conv2d") == 0)
        w.groups = in, out = in * integer(s, "multiplier");
    else
        out = integer(s, "channels");
    if (in % w.groups || out % w.groups)
        return fail(s, "groups must divide the channels, in and out", NULL, "groups");
    return rn_layer_conv(s->b, "", x, out, &w, yes(s, "bias"), word(s, "init"));
}

static rn_value conv_transpose(struct state *s, rn_value x) {
    struct rn_build *b = s->b;
    if (!images(s, x))
        return RN_NONE;
    struct rn_window w = window(s);
    int64_t in = rn_dim(b, x, 1), channels = integer(s, "channels");
    if (in % w.groups || channels % w.groups)
        return fail(s, "groups must divide the channels, in and out", NULL, "groups");
    int64_t shape[4] = {in, channels / w.groups, w.kernel[0], w.kernel[1]};
    rn_value weight = rn_param(b, "weight", "weight", 4, shape, word(s, "init"));
    rn_value bias =
        yes(s, "bias") ? rn_param(b, "bias", "bias", 1, &channels, "zeros") : RN_NONE;
    return rn_conv_transpose2d(b, x, weight, bias, &w);
}

static rn_value pool(struct state *s, rn_value x) {
    if (!images(s, x))
        return RN_NONE;
    struct rn_window w = window(s);
    return strcmp(s->type, "max_pool2d") == 0
               ? rn_max_pool2d(s->b, x, &w)
               : rn_avg_pool2d(s->b, x, &w, yes(s, "count_pad"));
}

static rn_value global_max(struct state *s, rn_value x) {
    const int64_t axes[2] = {2, 3};
    return images(s, x) ? rn_reduce_max(s->b, x, 2, axes, 0) : RN_NONE;
}

static rn_value global_mean(struct state *s, rn_value x) {
    return images(s, x) ? rn_global_avg_pool2d(s->b, x) : RN_NONE;
}

static rn_value resize(struct state *s, rn_value x) {
    int64_t size[2] = {0, 0}, scale = integer(s, "scale");
    if (!images(s, x))
        return RN_NONE;
    pair(s, "size", size);
    if (size[0] == 0)
        size[0] = scale * rn_dim(s->b, x, 2), size[1] = scale * rn_dim(s->b, x, 3);
    return rn_resize2d(s->b, x, size[0], size[1],
                       strcmp(word(s, "mode"), "bilinear") == 0);
}

static rn_value pad(struct state *s, rn_value x) {
    int64_t p[4], low[4] = {0, 0, 0, 0}, high[4] = {0, 0, 0, 0};
    if (!images(s, x))
        return RN_NONE;
    pads(s, p);
    low[2] = p[0], low[3] = p[1], high[2] = p[2], high[3] = p[3];
    return rn_pad(s->b, x, 4, low, high, real(s, "value"));
}

/* ------------------------------------------------------- layers with parameters */

static rn_value dense(struct state *s, rn_value x) {
    return rn_layer_dense(s->b, "", x, integer(s, "units"), yes(s, "bias"),
                          word(s, "init"));
}

static rn_value embedding(struct state *s, rn_value x) {
    int64_t shape[2] = {integer(s, "size"), integer(s, "units")};
    rn_value table = rn_param(s->b, "weight", "embedding", 2, shape, word(s, "init"));
    return rn_embedding(s->b, table, x);
}

static rn_value position_embedding(struct state *s, rn_value x) {
    return rn_layer_positions(
        s->b, "", x, given(s, "length") ? integer(s, "length") : 0, word(s, "init"));
}

static rn_value batch_norm(struct state *s, rn_value x) {
    return rn_layer_batch_norm(s->b, "", x, real(s, "momentum"), real(s, "eps"));
}

static rn_value layer_norm(struct state *s, rn_value x) {
    int64_t axis = integer(s, "axis");
    uint32_t rank = rn_rank(s->b, x);
    axis += axis < 0 ? rank : 0;
    if (rank && (axis < 1 || axis >= rank))
        return fail(s, "the axis is not one of a sample's", "from 1 on; -1 is the last",
                    "axis");
    return rank ? rn_layer_layer_norm(s->b, "", x, axis, real(s, "eps")) : RN_NONE;
}

static rn_value rms_norm(struct state *s, rn_value x) {
    int64_t last = rn_dim(s->b, x, -1);
    return rn_rms_norm(s->b, x, rn_layer_filled(s->b, "scale", 1, &last, 1.0),
                       real(s, "eps"));
}

static rn_value group_norm(struct state *s, rn_value x) {
    int64_t channels = rn_dim(s->b, x, 1), groups = integer(s, "groups");
    if (channels % groups)
        return fail(s, "groups must divide the channels", NULL, "groups");
    rn_value scale = rn_layer_filled(s->b, "scale", 1, &channels, 1.0);
    rn_value shift = rn_param(s->b, "shift", "shift", 1, &channels, "zeros");
    return rn_group_norm(s->b, x, scale, shift, groups, real(s, "eps"));
}

static rn_value prelu(struct state *s, rn_value x) {
    struct rn_build *b = s->b;
    uint32_t rank = rn_rank(b, x);
    int64_t channels = rn_dim(b, x, 1), shape[RN_MAX_RANK];
    for (uint32_t i = 0; i < rank; i++)
        shape[i] = i == 1 ? channels : 1;
    rn_value slope = rn_layer_filled(b, "alpha", 1, &channels, real(s, "alpha"));
    rn_value below = rn_mul(b, x, rn_reshape(b, slope, rank, shape));
    return rn_select(b, rn_gt(b, x, rn_const(b, 0.0)), x, below);
}

/* ------------------------------------------------------------------- functions */

static rn_value plain(struct state *s, rn_value x) {
    return rn_op(s->b, s->type, 1, &x, 0, NULL);
}

static rn_value dropout(struct state *s, rn_value x) {
    return rn_training(s->b) ? rn_dropout(s->b, x, real(s, "p")) : x;
}

static rn_value leaky_relu(struct state *s, rn_value x) {
    return rn_leaky_relu(s->b, x, real(s, "alpha"));
}

static rn_value elu(struct state *s, rn_value x) {
    return rn_elu(s->b, x, real(s, "alpha"));
}

static rn_value gelu(struct state *s, rn_value x) {
    return rn_gelu(s->b, x, yes(s, "tanh"));
}

static rn_value along_axis(struct state *s, rn_value x) {
    struct rn_attr a = rn_attr_int("axis", integer(s, "axis"));
    return rn_op(s->b, s->type, 1, &x, 1, &a);
}

static rn_value clamp(struct state *s, rn_value x) {
    double low = real(s, "low"), high = real(s, "high");
    if (low > high)
        return fail(s, "low is above high", NULL, "low");
    return rn_clamp(s->b, x, low, high);
}

static rn_value affine(struct state *s, rn_value x) {
    x = rn_mul(s->b, x, rn_const(s->b, real(s, "factor")));
    return rn_add(s->b, x, rn_const(s->b, real(s, "shift")));
}

/* ----------------------------------------------------------------------- shapes */

static rn_value reshape(struct state *s, rn_value x) {
    int64_t shape[RN_MAX_RANK] = {rn_dim(s->b, x, 0)};
    uint32_t n = list(s, "shape", RN_MAX_RANK - 1, shape + 1);
    return rn_reshape(s->b, x, n + 1, shape);
}

static rn_value transpose(struct state *s, rn_value x) {
    int64_t order[RN_MAX_RANK] = {0};
    uint32_t n = list(s, "order", RN_MAX_RANK - 1, order + 1);
    return rn_transpose(s->b, x, n + 1, order);
}

static rn_value slice(struct state *s, rn_value x) {
    int64_t start[RN_MAX_RANK], stop[RN_MAX_RANK], step[RN_MAX_RANK];
    int64_t axis = integer(s, "axis"), from = integer(s, "start");
    uint32_t rank = rn_rank(s->b, x);
    axis += axis < 0 ? rank : 0;
    if (rank && (axis < 1 || axis >= rank))
        return fail(s, "the axis is not one of a sample's", "from 1 on; -1 is the last",
                    "axis");
    for (uint32_t i = 0; i < rank; i++)
        start[i] = 0, stop[i] = rn_dim(s->b, x, (int32_t)i), step[i] = 1;
    if (rank == 0)
        return RN_NONE;
    int64_t size = stop[axis], to = given(s, "stop") ? integer(s, "stop") : size;
    from += from < 0 ? size : 0;
    to += to < 0 ? size : 0;
    if (from < 0 || to > size || from >= to)
        return fail(s, "start and stop leave nothing of the axis, or be outside it",
                    NULL, "start");
    start[axis] = from, stop[axis] = to, step[axis] = integer(s, "step");
    return rn_slice(s->b, x, rank, start, stop, step);
}

static rn_value reduce(struct state *s, rn_value x) {
    int64_t axes[RN_MAX_RANK];
    char name[32];
    uint32_t n = list(s, "axes", RN_MAX_RANK, axes), rank = rn_rank(s->b, x);
    for (uint32_t i = 0; i < n; i++)
        if (axes[i] == 0 || axes[i] == -(int64_t)rank)
            return fail(s, "axis 0 is the batch: samples are not mixed here", NULL,
                        "axes");
    snprintf(name, sizeof name, "reduce_%s", word(s, "op"));
    struct rn_attr a[2] = {rn_attr_ints("axes", n, axes),
                           rn_attr_int("keep", yes(s, "keep"))};
    return rn_op(s->b, name, 1, &x, 2, a);
}

static rn_value one_hot(struct state *s, rn_value x) {
    return rn_one_hot(s->b, x, integer(s, "classes"), RN_F32);
}

/* --------------------------------------------------------------------- branches */

/* The earlier layer of that name; "x" is the model's input. */
static rn_value named(struct state *s, const char *name, const char *key) {
    char message[160];
    for (uint32_t i = s->count; i-- > 0;)
        if (strcmp(s->names[i], name) == 0)
            return s->values[i];
    snprintf(message, sizeof message, "no earlier layer is named '%.60s'", name);
    return fail(s, message, NULL, key);
}

/* The layer before and those that `from` lists. */
static uint32_t gather(struct state *s, rn_value x, rn_value all[65]) {
    char p[96], item[112];
    uint32_t n = rn_get_count(s->b->host, path(s, "from", p)), count = 0;
    all[count++] = x;
    if (n == 0 || n > 64)
        fail(s, "from expects between 1 and 64 names", NULL, "from");
    for (uint32_t i = 0; i < n && count < 65; i++) {
        const char *name = rn_get_string(s->b->host, rn_path(item, sizeof item, p, i));
        all[count++] = named(s, name, "from");
    }
    return count;
}

static rn_value join(struct state *s, rn_value x) { /* add, sub, mul, maximum */
    rn_value all[65];
    uint32_t count = gather(s, x, all);
    for (uint32_t i = 1; i < count; i++) {
        rn_value in[2] = {x, all[i]};
        x = rn_op(s->b, s->type, 2, in, 0, NULL);
    }
    return x;
}

static rn_value concat(struct state *s, rn_value x) {
    rn_value all[65];
    uint32_t count = gather(s, x, all);
    return rn_concat(s->b, count, all, integer(s, "axis"));
}

static rn_value matmul(struct state *s, rn_value x) {
    rn_value all[65];
    if (gather(s, x, all) != 2)
        return fail(s, "matmul is of the layer before and one of `from`", NULL, "from");
    return rn_matmul(s->b, x, all[1], 0, yes(s, "transpose"));
}

static rn_value noise(struct state *s, rn_value x) {
    int64_t shape[2] = {rn_dim(s->b, x, 0), integer(s, "size")};
    return rn_random_normal(s->b, 2, shape);
}

/* What attention and transformer blocks have in common. */
static struct rn_transformer heads(struct state *s) {
    struct rn_transformer t = {.heads = integer(s, "heads"),
                               .causal = yes(s, "causal"),
                               .bias = yes(s, "bias"),
                               .init = word(s, "init")};
    return t;
}

static rn_value attention(struct state *s, rn_value x) {
    const char *context = given(s, "context") ? word(s, "context") : NULL;
    struct rn_transformer t = heads(s);
    return rn_layer_attention(s->b, "", x, context ? named(s, context, "context") : x,
                              &t);
}

static rn_value transformer_block(struct state *s, rn_value x) {
    struct rn_transformer t = heads(s);
    if (given(s, "hidden"))
        t.hidden = integer(s, "hidden");
    t.dropout = real(s, "dropout");
    t.eps = real(s, "eps");
    t.activation = word(s, "activation");
    return rn_layer_transformer(s->b, "", x, &t);
}

/* ----------------------------------------------------------------- recurrence */

static rn_value recurrent(struct state *s, rn_value x) {
    char message[120];
    uint32_t rank = rn_rank(s->b, x);
    struct rn_recurrent r = {.gates = strcmp(s->type, "lstm") == 0 ? RN_LSTM : RN_GRU,
                             .bidirectional = yes(s, "bidirectional"),
                             .bias = yes(s, "bias"),
                             .last = strcmp(word(s, "return"), "last") == 0,
                             .units = integer(s, "units"),
                             .layers = integer(s, "layers"),
                             .init = word(s, "init"),
                             .lengths = rn_input(s->b, "lengths")};
    if (rank == 3 || rank == 0) /* 0: an error is known already */
        return rank ? rn_layer_recurrent(s->b, "", x, &r) : RN_NONE;
    snprintf(message, sizeof message,
             "%s expects sequences [N,T,C], its input has rank %u", s->type, rank);
    return fail(s, message, "embedding makes them of indices; reshape of other arrays",
                "type");
}

/* ------------------------------------------------------------------------ layers */

static const struct {
    const char *type;
    rn_value (*build)(struct state *s, rn_value x);
} kinds[] = {
    {"dense", dense},
    {"conv2d", conv},
    {"depthwise_conv2d", conv},
    {"conv_transpose2d", conv_transpose},
    {"embedding", embedding},
    {"position_embedding", position_embedding},
    {"attention", attention},
    {"transformer_block", transformer_block},
    {"lstm", recurrent},
    {"gru", recurrent},
    {"batch_norm", batch_norm},
    {"layer_norm", layer_norm},
    {"rms_norm", rms_norm},
    {"group_norm", group_norm},
    {"max_pool2d", pool},
    {"avg_pool2d", pool},
    {"global_avg_pool2d", global_mean},
    {"global_max_pool2d", global_max},
    {"resize2d", resize},
    {"pad2d", pad},
    {"dropout", dropout},
    {"leaky_relu", leaky_relu},
    {"prelu", prelu},
    {"elu", elu},
    {"gelu", gelu},
    {"softmax", along_axis},
    {"log_softmax", along_axis},
    {"cumsum", along_axis},
    {"clamp", clamp},
    {"affine", affine},
    {"reshape", reshape},
    {"transpose", transpose},
    {"slice", slice},
    {"reduce", reduce},
    {"one_hot", one_hot},
    {"add", join},
    {"sub", join},
    {"mul", join},
    {"maximum", join},
    {"concat", concat},
    {"matmul", matmul},
    {"noise", noise},
};

/* Every other type is an operator of one input. */
static rn_value layer(struct state *s, rn_value x) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].type, s->type) == 0)
            return kinds[i].build(s, x);
    return plain(s, x);
}

/* Scope of the layer at work, given or made; unlike those before it. */
static void name_layer(struct state *s, const char *name, uint32_t place) {
    char *scope = s->names[s->count];
    if (name)
        snprintf(scope, sizeof s->names[0], "%s", name);
    else
        snprintf(scope, sizeof s->names[0], "%s%u", s->type, place);
    /* Names become parts of paths, of curves and of datasets. */
    if (name && (!*name || name[strspn(name, "abcdefghijklmnopqrstuvwxyz_-0123456789"
                                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ")]))
        fail(s, "a name is a word of letters, digits, _ and -", NULL, "name");
    if (name && strlen(name) >= sizeof s->names[0])
        fail(s, "a name longer than 63 characters", NULL, "name");
    if (strcmp(scope, "out") == 0)
        fail(s, "'out' is the model's last layer, under any name", NULL, "name");
    for (uint32_t i = 0; i < s->count; i++)
        if (strcmp(s->names[i], scope) == 0)
            fail(s, "another layer (or the input) has this name",
                 name ? NULL : "this one is called by its type and place", "name");
}

/* The inputs that are bound, as layers that came before. */
static void name_inputs(struct state *s) {
    static const char *const inputs[INPUTS] = {"x", "y", "z"};
    for (int i = 0; i < INPUTS; i++) {
        rn_value v = rn_input(s->b, inputs[i]);
        if (!v && i)
            continue;
        s->values[s->count] = v;
        snprintf(s->names[s->count++], sizeof s->names[0], "%s", inputs[i]);
    }
}

static int32_t describe(struct rn_build *b) {
    struct state *s = calloc(1, sizeof *s);
    if (!s)
        return RN_E_MEMORY;
    s->b = b;
    uint32_t n = rn_get_count(b->host, "layers");
    name_inputs(s);
    rn_value x = s->values[0];
    if (n == 0)
        b->api->fail(b, "there are no layers", NULL, "layers");
    if (n >= MAX_LAYERS) {
        b->api->fail(b, "more than 1023 layers", NULL, "layers");
        n = 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        rn_path(s->prefix, sizeof s->prefix, "layers", i);
        s->type = word(s, "type");
        const char *name = given(s, "name") ? word(s, "name") : NULL,
                   *input = given(s, "input") ? word(s, "input") : NULL;
        rn_value in = input ? named(s, input, "input") : x;
        name_layer(s, name, i + 1);
        rn_push(b, s->names[s->count]);
        x = layer(s, in);
        rn_pop(b);
        if (!x) /* an operator's error stands at the layer's line */
            b->api->fail(b, NULL, NULL, s->prefix);
        s->values[s->count++] = x;
        if (name)
            rn_output(b, name, x);
    }
    rn_output(b, "out", x);
    free(s);
    return RN_OK;
}

RN_MODEL(sequential, describe, "runner/sequential 1",
         RN_DOC("A network described in YAML: layers in a row, with branches by name")
         RN_IN("x any [N,...] | the input of the first layer, named x")
         RN_IN("y any [N,...] ; optional | a second input, which layers name in `from` "
               "or `input`")
         RN_IN("z any [N,...] ; optional | a third one")
         RN_IN("lengths int [N] ; optional | of recurrent layers: the number of steps "
               "of each row; rows have all T steps where this is not bound")
         RN_OUT("out float [N,...] | the last layer's output")
         RN_OUT("* float [N,...] | every named layer, as model.NAME")
         LAYERS_WEIGHTED
         LAYERS_RECURRENT
         LAYERS_NORM
         LAYERS_POOL
         LAYERS_FUNCTION
         LAYERS_SHAPE
         LAYERS_JOIN
         LAYERS_UNION
         RN_OPTION("layers list(layer) ; required | in order, each with `type`"));
RN_PLUGIN(&sequential);

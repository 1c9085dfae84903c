/* SPDX-License-Identifier: Apache-2.0 */
/* The cpu backends against the reference: every operator that cpu has an own kernel
 * for, alone and in regions, for several numbers of threads. Arguments: the plugins
 * reference, cpu, async_fake. What is ours must be equal to the bit; products by a
 * library may differ by rounding. */
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "exec/exec.h"
#include "graph/graph.h"
#include "plan/plan.h"

/* -------------------------------------------------------------- a small host */

struct options {
    struct rn_host host;
    int64_t threads;
    const char *deterministic;
};

static int32_t get_int(struct rn_host *h, const char *path, int64_t *out) {
    *out = strcmp(path, "threads") == 0 ? ((struct options *)(void *)h)->threads : 50;
    return RN_OK;
}

static int32_t get_string(struct rn_host *h, const char *path, const char **out) {
    if (strcmp(path, "deterministic") != 0)
        return RN_E_UNSUPPORTED;
    *out = ((struct options *)(void *)h)->deterministic;
    return RN_OK;
}

static const struct rn_host_api host_api = {
    .struct_size = sizeof host_api, .get_int = get_int, .get_string = get_string};

struct opened {
    const char *name;
    const struct rn_backend *backend;
    void *self;
    struct options options;
    bool exact; /* products too equal the others that say so */
};

static void open_backend(struct opened *o, const char *file, const char *name,
                         int threads, const char *deterministic) {
    struct rn_error e = {0};
    void *so = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!so) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    rn_entry_fn entry;
    void *symbol = dlsym(so, RN_ENTRY_SYMBOL);
    memcpy(&entry, &symbol, sizeof entry);
    *o = (struct opened){name,
                         entry()->components[0]->iface,
                         NULL,
                         {{&host_api}, threads, deterministic},
                         strcmp(deterministic, "threads") == 0};
    CHECK(o->backend->create(&o->options.host, &o->self, &e) == RN_OK);
}

/* -------------------------------------------------------------------- cases */

/* "op ; dtype[shape] ... ; attr=1,2 attr=0.5f". A dtype may be followed by '<n' (values
 * below n), '!' (also infinities, NaN and zeros of both signs), '+' (positive).
 * Outputs: all of them. exact: equal to the bit. */
struct one {
    const char *text;
    bool exact;
    uint32_t outputs;
};

#define UNARY(op)                                                                      \
    { op " ; f32[7,311]! ; ", true, 1 }
#define BINARY(op)                                                                     \
    {op " ; f32[7,311]! f32[7,311]! ; ", true, 1},                                     \
        {op " ; f32[33,10] f32[10] ; ", true, 1},                                      \
        {op " ; f32[5,1,600]! f32[4,1] ; ", true, 1}, {                                \
        op " ; f32[] f32[3,1111] ; ", true, 1                                          \
    }

static const struct one ones[] = {
    UNARY("exp"),
    UNARY("expm1"),
    UNARY("log"),
    UNARY("log1p"),
    UNARY("sin"),
    UNARY("cos"),
    UNARY("tanh"),
    UNARY("erf"),
    UNARY("sigmoid"),
    UNARY("floor"),
    UNARY("ceil"),
    UNARY("round"),
    UNARY("sqrt"),
    UNARY("neg"),
    UNARY("abs"),
    UNARY("sign"),
    UNARY("is_finite"),
    UNARY("relu"),
    UNARY("gelu"),
    UNARY("mish"),
    UNARY("softplus"),
    BINARY("add"),
    BINARY("sub"),
    BINARY("mul"),
    BINARY("div"),
    BINARY("maximum"),
    BINARY("minimum"),
    BINARY("pow"),
    BINARY("lt"),
    BINARY("le"),
    BINARY("eq"),
    BINARY("ne"),
    BINARY("gt"),
    BINARY("ge"),
    {"add ; i64[5,70] i64[70] ; ", true, 1},
    {"div ; i32[5,70] i32[5,70] ; ", true, 1},
    {"mul ; f64[5,70] f64[5,1] ; ", true, 1},
    {"logical_and ; bool[3,500] bool[500] ; ", true, 1},
    {"select ; bool[3,500] f32[3,500]! f32[500]! ; ", true, 1},
    {"select ; bool[3,1] i64[3,500] i64[] ; ", true, 1},
    {"cast ; u8[3,500] ; dtype=8194", true, 1},
    {"cast ; f32[3,500]! ; dtype=16384", true, 1},
    {"cast ; f32[3,500]! ; dtype=8192", true, 1},
    {"cast ; i64[3,500] ; dtype=8194", true, 1},
    /* reductions: rows, columns, both, phases that are no multiple of 16 */
    {"reduce_sum ; f32[1000] ; axes= keep=0", true, 1},
    {"reduce_sum ; f32[40,333]! ; axes=1 keep=0", true, 1},
    {"reduce_sum ; f32[333,40] ; axes=0 keep=1", true, 1},
    {"reduce_sum ; f32[100,300] ; axes=0 keep=0", true, 1},
    {"reduce_sum ; f32[5,7,9,11] ; axes=0,2,3 keep=0", true, 1},
    {"reduce_sum ; f32[5,7,9,11] ; axes=0,2 keep=0", true, 1},
    {"reduce_sum ; f32[5,7,9,11] ; axes=1,3 keep=0", true, 1},
    {"reduce_mean ; f32[5,7,9,11] ; axes=0,2,3 keep=0", true, 1},
    {"reduce_mean ; f32[70,9] ; axes=0 keep=0", true, 1},
    {"reduce_max ; f32[40,333] ; axes=1 keep=0", true, 1},
    {"reduce_min ; f32[333,40] ; axes=0 keep=0", true, 1},
    {"reduce_prod ; f32[7,5,6] ; axes=0,2 keep=0", true, 1},
    {"global_avg_pool2d ; f32[3,5,7,7] ; ", true, 1},
    {"reduce_sum ; i64[40,33] ; axes=1 keep=0", true, 1},
    {"arg_max ; f32[40,33]! ; axis=1 keep=0", true, 1},
    /* norms */
    {"softmax ; f32[9,1030] ; axis=1", true, 1},
    {"log_softmax ; f32[64,10] ; axis=1", true, 1},
    {"softmax ; f32[6,10,5] ; axis=1", true, 1},
    {"softmax ; f32[90,10]! ; axis=1", true, 1},
    {"log_softmax ; f32[90,47]! ; axis=1", true, 1},
    {"cross_entropy ; f32[50,3] i64<3[50] ; smoothing=0f", true, 1},
    {"cross_entropy_grad ; f32[50,17]! i64<17[50] f32[50] ; smoothing=0f", true, 1},
    {"softmax_grad ; f32[9,1030] f32[9,1030] ; axis=1", true, 1},
    {"log_softmax_grad ; f32[9,30] f32[9,30] ; axis=1", true, 1},
    {"cross_entropy ; f32[50,10] i64<11[50] ; smoothing=0f", true, 1},
    {"cross_entropy ; f32[50,600] i32<600[50] ; smoothing=0.1f", true, 1},
    {"cross_entropy ; f32[5,6,3] i32<6[5,3] ; smoothing=0.1f", true, 1},
    {"cross_entropy_grad ; f32[50,10] i64<11[50] f32[50] ; smoothing=0f", true, 1},
    {"cross_entropy_grad ; f32[50,10] i64<10[50] f32[50] ; smoothing=0.2f", true, 1},
    {"batch_norm ; f32[6,5,9,7] f32[5] f32[5] ; eps=1e-5f", true, 3},
    {"batch_norm ; f32[60,5] f32[5] f32[5] ; eps=1e-5f", true, 3},
    {"batch_norm_grad ; f32[6,5,9,7] f32[5] f32[5] f32+[5] f32[6,5,9,7] ; eps=1e-5f",
     true, 3},
    {"batch_norm_infer ; f32[6,5,9,7] f32[5] f32[5] f32[5] f32+[5] ; eps=1e-5f", true,
     1},
    {"layer_norm ; f32[33,70] f32[70] f32[70] ; axis=1 eps=1e-5f", true, 1},
    {"layer_norm ; f32[4,5,70] f32[5,70] f32[5,70] ; axis=1 eps=1e-5f", true, 1},
    {"layer_norm_grad ; f32[33,70] f32[70] f32[33,70] ; axis=1 eps=1e-5f", true, 3},
    {"layer_norm_grad ; f32[3,4,600] f32[600] f32[3,4,600] ; axis=2 eps=1e-5f", true,
     3},
    /* windows */
    {"max_pool2d ; f32[2,3,9,11] ; kernel=2,2 stride=2,2 pad=0,0,0,0", true, 1},
    {"max_pool2d ; f32[2,3,9,11]! ; kernel=3,3 stride=2,2 pad=1,1,1,1", true, 1},
    {"max_pool2d ; f32[2,3,9,11] ; kernel=3,2 stride=1,3 pad=0,1,2,0", true, 1},
    {"max_pool2d_grad ; f32[2,3,8,8] f32[2,3,4,4] ; kernel=2,2 stride=2,2 pad=0,0,0,0",
     true, 1},
    {"max_pool2d_grad ; f32[2,3,9,11] f32[2,3,5,6] ; kernel=3,3 stride=2,2 pad=1,1,1,1",
     true, 1},
    {"max_pool2d_gather ; f32[2,3,8,8] f32[2,3,8,8] ; kernel=2,2 stride=2,2 "
     "pad=0,0,0,0",
     true, 1},
    {"avg_pool2d ; f32[2,3,9,11] ; kernel=3,3 stride=2,2 pad=1,1,1,1 count_pad=0", true,
     1},
    {"avg_pool2d ; f32[2,3,9,11] ; kernel=2,3 stride=1,1 pad=1,0,0,2 count_pad=1", true,
     1},
    {"avg_pool2d_grad ; f32[2,3,5,6] ; kernel=3,3 stride=2,2 pad=1,1,1,1 count_pad=0 "
     "input_shape=2,3,9,11",
     true, 1},
    {"avg_pool2d_grad ; f32[2,3,8,10] ; kernel=2,2 stride=1,1 pad=0,0,0,0 count_pad=1 "
     "input_shape=2,3,9,11",
     true, 1},
    {"resize2d ; f32[2,3,5,6] ; size=7,9 mode=1", true, 1},
    /* moves */
    {"transpose ; f32[37,70] ; perm=1,0", true, 1},
    {"transpose ; f32[4,5,33,34] ; perm=0,2,3,1", true, 1},
    {"transpose ; u8[4,5,33] ; perm=2,1,0", true, 1},
    {"transpose ; i64[4,1,33] ; perm=2,1,0", true, 1},
    {"slice ; f32[9,20,7] ; start=1,3,0 stop=8,20,7 step=2,1,1", true, 1},
    {"slice ; f32[9,20] ; start=0,1 stop=9,20 step=1,3", true, 1},
    {"concat ; f32[3,4,5] f32[3,1,5] f32[3,7,5] ; axis=1", true, 1},
    {"pad ; f32[3,4,5] ; low=1,0,2 high=0,3,1 interior=0,1,2 value=1.5f", true, 1},
    {"pad ; i32[3,4] ; low=1,0 high=0,3 value=-2f", true, 1},
    {"broadcast_to ; f32[4,1,5] ; shape=3,4,60,5", true, 1},
    {"reshape ; f32[4,15] ; shape=6,10", true, 1},
    {"gather ; f32[4,9,5] i64<10[2,3] ; axis=1", true, 1},
    {"gather ; i32[9,5] i32<9[40] ; axis=0", true, 1},
    {"scatter_add ; f32[9,50] i64<10[70] f32[70,50] ; axis=0", true, 1},
    {"scatter_add ; f32[3,9,5] i64<9[70] f32[3,70,5] ; axis=1", true, 1},
    {"iota ;  ; shape=3,50 axis=1 dtype=16384", true, 1},
    {"full ;  ; shape=3,50 value=2.5f dtype=8194", true, 1},
    {"random_uniform ; live live live ; shape=7,301 rows=1 stream=12345", true, 1},
    {"random_uniform ; live live live ; shape=7,301 rows=0 stream=12345", true, 1},
    {"random_normal ; live live live ; shape=7,301 rows=1 stream=99", true, 1},
    {"cumsum ; f32[7,31] ; axis=1 exclusive=0 reverse=1", true, 1},
    {"top_k ; f32[7,31] ; k=3 axis=1", true, 2},
    /* products */
    {"matmul ; f32[37,70] f32[70,53] ; trans_a=0 trans_b=0", false, 1},
    {"matmul ; f32[70,37] f32[70,53] ; trans_a=1 trans_b=0", false, 1},
    {"matmul ; f32[37,70] f32[53,70] ; trans_a=0 trans_b=1", false, 1},
    {"matmul ; f32[70,37] f32[53,70] ; trans_a=1 trans_b=1", false, 1},
    {"matmul ; f32[3,1,6,700] f32[4,700,5] ; trans_a=0 trans_b=0", false, 1},
    {"matmul ; f32[3,4,6,7] f32[7,5] ; trans_a=0 trans_b=0", false, 1},
    {"matmul ; f32[1,7] f32[7,1] ; trans_a=0 trans_b=0", false, 1},
    {"linear ; f32[33,70] f32[10,70] f32[10] ; ", false, 1},
    {"linear ; f32[3,11,70] f32[130,70] ; ", false, 1},
    {"conv2d ; f32[2,3,9,11] f32[8,3,3,3] f32[8] ; stride=1,1 pad=1,1,1,1 dilation=1,1 "
     "groups=1",
     false, 1},
    {"conv2d ; f32[2,32,9,11] f32[32,32,3,3] ; stride=1,1 pad=1,1,1,1 dilation=1,1 "
     "groups=1",
     false, 1},
    {"conv2d ; f32[2,4,9,11] f32[6,2,3,2] ; stride=2,1 pad=1,0,0,2 dilation=1,2 "
     "groups=2",
     false, 1},
    {"conv2d ; f32[2,4,8,8] f32[4,1,3,3] ; stride=2,2 pad=0,0,0,0 dilation=1,1 "
     "groups=4",
     false, 1},
    {"conv2d_grad_input ; f32[8,3,3,3] f32[2,8,9,11] ; stride=1,1 pad=1,1,1,1 "
     "dilation=1,1 groups=1 input_shape=2,3,9,11",
     false, 1},
    {"conv2d_grad_input ; f32[6,2,3,2] f32[2,6,4,11] ; stride=2,1 pad=1,0,0,2 "
     "dilation=1,2 groups=2 input_shape=2,4,9,11",
     false, 1},
    {"conv2d_grad_weight ; f32[2,32,9,11] f32[2,32,9,11] ; stride=1,1 pad=1,1,1,1 "
     "dilation=1,1 groups=1 weight_shape=32,32,3,3",
     false, 1},
    {"conv2d_grad_weight ; f32[2,4,9,11] f32[2,6,4,11] ; stride=2,1 pad=1,0,0,2 "
     "dilation=1,2 groups=2 weight_shape=6,2,3,2",
     false, 1},
    {"conv_transpose2d ; f32[2,4,5,6] f32[4,3,3,3] f32[3] ; stride=2,2 pad=1,1,1,1 "
     "dilation=1,1 groups=1 output_pad=1,1",
     false, 1},
};

struct input {
    char name[8];
    rn_dtype dtype;
    uint64_t count;
    int64_t below;
    bool special, positive;
};

struct built {
    struct graph *graph;
    struct variables *variables;
    uint32_t input_count;
    struct input inputs[8];
};

static uint32_t mix(uint32_t x) {
    x ^= x >> 16, x *= 0x7feb352du, x ^= x >> 15, x *= 0x846ca68bu;
    return x ^ x >> 16;
}

static void fill(const struct input *in, uint32_t salt, void *to) {
    static const float special[] = {
        0.0f, -0.0f, INFINITY, -INFINITY, NAN,   3.4e38f, 1e-40f, -1.0f,
        1.0f, 88.8f, -103.97f, 0.5f,      -2.5f, 1e-7f,   -3e9f,  6.28e4f};
    for (uint64_t i = 0; i < in->count; i++) {
        uint32_t r = mix((uint32_t)i + salt * 1000003u);
        double u = r / 4294967296.0, x = 4.0 * u - 2.0;
        if (in->positive)
            x = u + 0.1;
        if (in->special && r % 8 == 0)
            x = (double)special[r / 8 % 16];
        int64_t n =
            in->below ? (int64_t)(r % (uint64_t)in->below) : (int64_t)(r % 7) - 3;
        switch (in->dtype) {
        case RN_F32:
            ((float *)to)[i] = (float)x;
            break;
        case RN_F64:
            ((double *)to)[i] = x;
            break;
        case RN_I64:
            ((int64_t *)to)[i] = n;
            break;
        case RN_I32:
            ((int32_t *)to)[i] = (int32_t)n;
            break;
        case RN_BOOL:
            ((uint8_t *)to)[i] = r & 1;
            break;
        default:
            ((uint8_t *)to)[i] = (uint8_t)r;
            break;
        }
    }
}

static rn_dtype dtype_of(const char *s, size_t n) {
    static const char *const names[] = {"f32", "f64", "i64", "i32", "u8", "bool"};
    static const rn_dtype types[] = {RN_F32, RN_F64, RN_I64, RN_I32, RN_U8, RN_BOOL};
    for (int i = 0; i < 6; i++)
        if (strlen(names[i]) == n && strncmp(s, names[i], n) == 0)
            return types[i];
    return 0;
}

static uint32_t numbers(const char **s, int64_t *out) {
    uint32_t n = 0;
    while (**s == '-' || (**s >= '0' && **s <= '9')) {
        char *end;
        out[n++] = strtoll(*s, &end, 10);
        *s = *end == ',' ? end + 1 : end;
    }
    return n;
}

/* A graph of the one operator. */
static bool build_one(const struct one *o, struct arena *a, struct built *b) {
    char op[40];
    rn_value in[8], out[3];
    struct rn_attr attrs[8];
    int64_t lists[8][8];
    char names[8][24];
    struct rn_error e = {0};
    uint32_t n = 0, n_attr = 0;
    const char *s = o->text;
    b->variables = variables_create(a);
    b->graph = graph_create(a, b->variables, "one");
    b->input_count = 0;
    size_t length = strcspn(s, " ");
    snprintf(op, sizeof op, "%.*s", (int)length, s);
    for (s += length + 3; *s != ';'; s += *s == ' ') {
        if (strncmp(s, "live", 4) == 0) {
            static const char *const live[] = {"run.seed", "run.step", "run.row"};
            in[n] = graph_live(b->graph, live[n], RN_U32);
            n++, s += 4;
            continue;
        }
        if (*s == ' ')
            continue;
        struct input *i = &b->inputs[b->input_count];
        int64_t shape[8];
        *i = (struct input){.count = 1};
        snprintf(i->name, sizeof i->name, "x%u", b->input_count++);
        length = strcspn(s, "[<+");
        i->dtype = dtype_of(s, length);
        s += length;
        if (*s == '+')
            i->positive = true, s++;
        if (*s == '<')
            i->below = strtoll(s + 1, (char **)&s, 10);
        s++;
        uint32_t rank = numbers(&s, shape);
        s++;
        if (*s == '!')
            i->special = true, s++;
        for (uint32_t k = 0; k < rank; k++)
            i->count *= (uint64_t)shape[k];
        in[n++] = graph_input(b->graph, i->name, i->dtype, rank, shape);
    }
    for (s += 1; *s;) {
        if (*s == ' ') {
            s++;
            continue;
        }
        length = strcspn(s, "=");
        snprintf(names[n_attr], sizeof names[0], "%.*s", (int)length, s);
        s += length + 1;
        size_t rest = strcspn(s, " ");
        const char *name = names[n_attr];
        static const char *const scalars =
            " keep axis k dtype groups mode count_pad "
            "exclusive reverse trans_a trans_b rows stream ";
        char word[32];
        snprintf(word, sizeof word, " %s ", name);
        if (rest && s[rest - 1] == 'f') {
            attrs[n_attr] = rn_attr_float(name, strtod(s, NULL));
            s += rest;
        } else {
            uint32_t k = numbers(&s, lists[n_attr]);
            attrs[n_attr] = strstr(scalars, word)
                                ? rn_attr_int(name, lists[n_attr][0])
                                : rn_attr_ints(name, k, lists[n_attr]);
        }
        n_attr++;
    }
    if (graph_op(b->graph, op, n, in, n_attr, attrs, o->outputs, out, &e) != RN_OK) {
        fprintf(stderr, "%s: %s\n", o->text, e.message);
        return false;
    }
    for (uint32_t i = 0; i < o->outputs; i++) {
        static const char *const ports[] = {"y0", "y1", "y2"};
        graph_output(b->graph, ports[i], out[i], &e);
    }
    return e.status == RN_OK;
}

/* ------------------------------------------------------------------ chains */

static rn_value op1(struct graph *g, const char *op, rn_value x) {
    rn_value y = RN_NONE;
    graph_op(g, op, 1, &x, 0, NULL, 1, &y, NULL);
    return y;
}

static rn_value op2(struct graph *g, const char *op, rn_value x, rn_value z) {
    rn_value in[2] = {x, z}, y = RN_NONE;
    graph_op(g, op, 2, in, 0, NULL, 1, &y, NULL);
    return y;
}

static rn_value op3(struct graph *g, const char *op, rn_value x, rn_value z,
                    rn_value w) {
    rn_value in[3] = {x, z, w}, y = RN_NONE;
    graph_op(g, op, 3, in, 0, NULL, 1, &y, NULL);
    return y;
}

static rn_value input(struct built *b, uint32_t rank, const int64_t *shape) {
    struct input *i = &b->inputs[b->input_count];
    *i = (struct input){.dtype = RN_F32, .count = 1};
    snprintf(i->name, sizeof i->name, "x%u", b->input_count++);
    for (uint32_t k = 0; k < rank; k++)
        i->count *= (uint64_t)shape[k];
    return graph_input(b->graph, i->name, RN_F32, rank, shape);
}

/* Adam's arithmetic over a flat buffer, with scalars: three outputs of one region. */
static void chain_adam(struct built *b) {
    struct graph *g = b->graph;
    int64_t n = 30011;
    rn_value w = input(b, 1, &n), gw = input(b, 1, &n), m = input(b, 1, &n),
             v = op2(g, "mul", input(b, 1, &n), graph_scalar(g, RN_F32, 0.25));
    rn_value b1 = graph_scalar(g, RN_F32, 0.9), c1 = graph_scalar(g, RN_F32, 0.1);
    rn_value b2 = graph_scalar(g, RN_F32, 0.999), c2 = graph_scalar(g, RN_F32, 0.001);
    v = op2(g, "mul", v, v);
    m = op2(g, "add", op2(g, "mul", m, b1), op2(g, "mul", gw, c1));
    v = op2(g, "add", op2(g, "mul", v, b2), op2(g, "mul", op2(g, "mul", gw, gw), c2));
    rn_value d = op2(g, "add", op1(g, "sqrt", v), graph_scalar(g, RN_F32, 1e-8));
    w = op2(g, "sub", w,
            op2(g, "mul", graph_live(g, "lr", RN_F32), op2(g, "div", m, d)));
    graph_output(g, "y0", w, NULL);
    graph_output(g, "y1", m, NULL);
    graph_output(g, "y2", v, NULL);
}

/* Channels broadcast over planes, a mask used twice, a bool output. */
static void chain_image(struct built *b) {
    struct graph *g = b->graph;
    int64_t image[4] = {3, 5, 24, 25}, channel[3] = {5, 1, 1}, row[1] = {25};
    rn_value x = input(b, 4, image), s = input(b, 3, channel), t = input(b, 1, row);
    rn_value zero = graph_scalar(g, RN_F32, 0.0);
    rn_value y = op2(g, "add", op2(g, "mul", x, s), t);
    rn_value mask = op2(g, "gt", y, zero);
    rn_value z = op3(g, "select", mask, op1(g, "tanh", y), op1(g, "exp", y));
    graph_output(g, "y0", op2(g, "mul", z, x), NULL);
    graph_output(g, "y1", op1(g, "logical_not", mask), NULL);
    graph_output(g, "y2", z, NULL);
}

/* A small network's loss and its gradients: products, pools, losses together. */
static void chain_network(struct built *b) {
    struct graph *g = b->graph;
    int64_t image[4] = {6, 3, 12, 12}, filter[4] = {8, 3, 3, 3}, bias[1] = {8};
    int64_t dense[2] = {10, 288}, labels[1] = {6}, flat[2] = {6, 288};
    int64_t one[2] = {1, 1}, none[4] = {0}, two[2] = {2, 2}, pad[4] = {1, 1, 1, 1};
    rn_value x = input(b, 4, image), f = input(b, 4, filter), c = input(b, 1, bias),
             w = input(b, 2, dense), label, y, xs[3], gs[3];
    struct input *i = &b->inputs[b->input_count++];
    *i = (struct input){.name = "x4", .dtype = RN_I64, .count = 6, .below = 10};
    label = graph_input(g, "x4", RN_I64, 1, labels);
    struct rn_attr conv[] = {
        rn_attr_ints("stride", 2, one), rn_attr_ints("pad", 4, pad),
        rn_attr_ints("dilation", 2, one), rn_attr_int("groups", 1)};
    struct rn_attr pool[] = {rn_attr_ints("kernel", 2, two),
                             rn_attr_ints("stride", 2, two),
                             rn_attr_ints("pad", 4, none)};
    struct rn_attr shape = rn_attr_ints("shape", 2, flat);
    rn_value in[3] = {x, f, c};
    graph_op(g, "conv2d", 3, in, 4, conv, 1, &y, NULL);
    y = op1(g, "relu", y);
    graph_op(g, "max_pool2d", 1, &y, 3, pool, 1, &y, NULL);
    graph_op(g, "reshape", 1, &y, 1, &shape, 1, &y, NULL);
    y = op2(g, "cross_entropy", op2(g, "linear", y, w), label);
    xs[0] = f, xs[1] = c, xs[2] = w;
    struct rn_error e = {0};
    graph_gradient(g, 1, &y, NULL, 3, xs, gs, &e);
    graph_output(g, "y0", gs[0], &e);
    graph_output(g, "y1", gs[1], &e);
    graph_output(g, "y2", gs[2], &e);
    CHECK(e.status == RN_OK);
}

/* ----------------------------------------------------------------- running */

struct result {
    uint64_t bytes[3];
    void *data[3];
    rn_dtype dtype[3];
};

static bool run_on(const struct opened *o, const struct built *b, uint32_t outputs,
                   struct result *r) {
    struct arena *a = arena_create();
    struct plan_options options = {o->backend, o->self, true};
    struct rn_error e = {0};
    const struct plan *plan;
    struct device *d = NULL;
    struct program *p = NULL;
    memset(r, 0, sizeof *r);
    int status = plan_make(b->graph, a, &options, &plan, &e);
    if (status == RN_OK)
        status = device_open(o->backend, o->self, &d, &e);
    if (status == RN_OK)
        status = device_variables(d, b->variables, &e);
    if (status == RN_OK)
        status = program_create(d, plan, &p, &e);
    if (status == RN_OK)
        status = device_reserve(d, &e);
    for (int round = 0; round < 2 && status == RN_OK; round++) {
        for (uint32_t i = 0; i < b->input_count; i++) {
            uint64_t bytes;
            void *to =
                program_input(p, program_input_index(p, b->inputs[i].name), &bytes, &e);
            if (to)
                fill(&b->inputs[i], i + 1, to);
        }
        program_set_u32(p, program_scalar_index(p, "run.seed"), 77);
        program_set_u32(p, program_scalar_index(p, "run.step"), 5);
        program_set_u32(p, program_scalar_index(p, "run.row"), 1000);
        if (program_scalar_index(p, "lr") >= 0)
            program_set_f32(p, program_scalar_index(p, "lr"), 0.01f);
        status = program_run(p, &e);
    }
    for (uint32_t i = 0; i < outputs && status == RN_OK; i++) {
        static const char *const ports[] = {"y0", "y1", "y2"};
        const void *from = program_output(p, program_output_index(p, ports[i]), &e);
        const struct gvalue *v = graph_value(b->graph, b->graph->outputs[i].value);
        r->dtype[i] = v->dtype;
        r->bytes[i] = graph_elements(b->graph, b->graph->outputs[i].value) *
                      RN_DTYPE_BYTES(v->dtype);
        r->data[i] = malloc(r->bytes[i] + 1);
        if (from && r->data[i])
            memcpy(r->data[i], from, r->bytes[i]);
        else
            status = e.status ? e.status : -1;
    }
    if (status != RN_OK)
        fprintf(stderr, "%s: %s (%s %s)\n", o->name, e.message, e.hint, e.where);
    program_destroy(p);
    device_close(d);
    arena_destroy(a);
    return status == RN_OK;
}

static void drop(struct result *r) {
    for (int i = 0; i < 3; i++)
        free(r->data[i]);
}

/* Largest difference in units of the largest value, -1 if NaN and numbers differ;
 * exact: any difference but of NaN's payload is -1. */
static double distance(const struct result *x, const struct result *y, bool exact) {
    double worst = 0.0;
    for (int k = 0; k < 3; k++) {
        if (x->dtype[k] != RN_F32) {
            if (x->bytes[k] && memcmp(x->data[k], y->data[k], x->bytes[k]) != 0)
                return -1.0;
            continue;
        }
        const float *a = x->data[k], *b = y->data[k];
        double most = 0.0, far = 0.0;
        for (uint64_t i = 0; i < x->bytes[k] / 4; i++) {
            if ((a[i] != a[i]) != (b[i] != b[i]))
                return -1.0;
            if (a[i] != a[i] || memcmp(&a[i], &b[i], 4) == 0)
                continue;
            if (exact)
                return -1.0;
            double d = fabs((double)a[i] - (double)b[i]);
            far = d > far ? d : far;
        }
        for (uint64_t i = 0; i < x->bytes[k] / 4; i++)
            most = fabs((double)a[i]) > most ? fabs((double)a[i]) : most;
        worst = far / (most + 1e-30) > worst ? far / (most + 1e-30) : worst;
    }
    return worst;
}

static void check_built(const char *name, const struct built *b, uint32_t outputs,
                        bool exact, const struct opened *backends, int count) {
    struct result want, first = {0};
    bool have_first = false;
    if (!run_on(&backends[0], b, outputs, &want)) {
        CHECK(!"the reference runs");
        return;
    }
    for (int i = 1; i < count; i++) {
        struct result got;
        bool ran = run_on(&backends[i], b, outputs, &got);
        double d = ran ? distance(&want, &got, exact) : -1.0;
        bool good = d >= 0.0 && d < 3e-6;
        if (!good)
            fprintf(stderr, "%s on %s: %g\n", name, backends[i].name, d);
        CHECK(good);
        if (backends[i].exact && ran) { /* products by our own: threads do not matter */
            if (have_first) {
                bool same = distance(&first, &got, true) == 0.0;
                if (!same)
                    fprintf(stderr, "%s on %s: other bits\n", name, backends[i].name);
                CHECK(same);
                drop(&got);
            } else {
                first = got;
                have_first = true;
            }
        } else if (ran) {
            drop(&got);
        }
    }
    drop(&want);
    if (have_first)
        drop(&first);
}

/* What async_fake is for: the host cannot follow its pointers, copies are checked, an
 * event orders two streams and the result is there after the event only. */
static void check_fake(const struct opened *o) {
    enum { N = 1 << 14 };
    const struct rn_backend *k = o->backend;
    struct rn_error e = {0};
    void *device = NULL, *pinned = NULL, *streams[2], *event;
    CHECK(k->alloc(o->self, RN_SPACE_DEVICE, N, &device, &e) == RN_OK);
    CHECK(k->alloc(o->self, RN_SPACE_PINNED, N, &pinned, &e) == RN_OK);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        _exit(*(volatile char *)device == 1);
    }
    int how = 0;
    waitpid(child, &how, 0);
    CHECK(WIFSIGNALED(how));
    CHECK(k->stream_create(o->self, &streams[0], &e) == RN_OK);
    CHECK(k->stream_create(o->self, &streams[1], &e) == RN_OK);
    CHECK(k->event_create(o->self, &event, &e) == RN_OK);
    CHECK(k->copy(o->self, streams[0], RN_COPY_TO_DEVICE, device, pinned, N + 1, &e) ==
          RN_E_INTERNAL);
    CHECK(k->copy(o->self, streams[0], RN_COPY_TO_HOST, device, device, N, &e) ==
          RN_E_INTERNAL);
    CHECK(k->copy(o->self, streams[0], RN_COPY_TO_DEVICE, pinned, pinned, N, &e) ==
          RN_E_INTERNAL);
    int right = 0;
    for (int round = 0; round < 20; round++) {
        unsigned char *host = pinned;
        memset(host, round + 1, N);
        k->copy(o->self, streams[0], RN_COPY_TO_DEVICE, device, host, N, &e);
        k->event_record(o->self, event, streams[0], &e);
        k->event_sync(o->self, event, &e);
        memset(host, 0, N); /* the copy has been made */
        k->fill_zero(o->self, streams[0], device, N / 2, &e);
        k->event_record(o->self, event, streams[0], &e);
        k->event_wait(o->self, event, streams[1], &e);
        k->copy(o->self, streams[1], RN_COPY_TO_HOST, host, device, N, &e);
        k->stream_sync(o->self, streams[1], &e);
        right += host[0] == 0 && host[N / 2 - 1] == 0 && host[N / 2] == round + 1 &&
                 host[N - 1] == round + 1;
    }
    CHECK(right == 20);
    k->event_destroy(o->self, event);
    k->stream_destroy(o->self, streams[0]);
    k->stream_destroy(o->self, streams[1]);
    k->release(o->self, RN_SPACE_DEVICE, device);
    k->release(o->self, RN_SPACE_PINNED, pinned);
}

int main(int argc, char **argv) {
    struct opened b[8];
    int count = 0;
    if (argc < 3)
        return 1;
    open_backend(&b[count++], argv[1], "reference", 1, "run");
    open_backend(&b[count++], argv[2], "cpu 1", 1, "run");
    open_backend(&b[count++], argv[2], "cpu 2", 2, "run");
    open_backend(&b[count++], argv[2], "cpu exact 1", 1, "threads");
    open_backend(&b[count++], argv[2], "cpu exact 2", 2, "threads");
    open_backend(&b[count++], argv[2], "cpu exact 3", 3, "threads");
    if (argc > 3) {
        open_backend(&b[count++], argv[3], "async_fake exact 2", 2, "threads");
        check_fake(&b[count - 1]);
    }
    for (size_t i = 0; i < sizeof ones / sizeof ones[0]; i++) {
        struct arena *a = arena_create();
        struct built built;
        bool good = build_one(&ones[i], a, &built);
        CHECK(good);
        if (good)
            check_built(ones[i].text, &built, ones[i].outputs, ones[i].exact, b, count);
        arena_destroy(a);
    }
    static const struct {
        const char *name;
        void (*build)(struct built *b);
        bool exact;
    } chains[] = {{"adam", chain_adam, true},
                  {"image", chain_image, true},
                  {"network", chain_network, false}};
    for (size_t i = 0; i < 3; i++) {
        struct arena *a = arena_create();
        struct built built = {0};
        built.variables = variables_create(a);
        built.graph = graph_create(a, built.variables, chains[i].name);
        chains[i].build(&built);
        check_built(chains[i].name, &built, 3, chains[i].exact, b, count);
        arena_destroy(a);
    }
    for (int i = 0; i < count; i++)
        b[i].backend->destroy(b[i].self);
    return check_done();
}

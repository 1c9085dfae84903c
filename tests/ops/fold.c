/* SPDX-License-Identifier: Apache-2.0 */
/* graph_fold: what it makes of a graph, and that the graph computes the same. */
#include "graph/internal.h"
#include "ops.h"

enum net {
    NORM,      /* relu(batch_norm(x)) */
    SUM,       /* relu(batch_norm(x) + r) */
    SUM_LEFT,  /* relu(r + batch_norm(x)) */
    SUM_AFTER, /* the same with an r that comes of x's normalisation */
    INFER,     /* relu(batch_norm_infer(x) + r), no gradient */
    POOL,      /* max_pool2d(relu(x)), windows of 3x3 that overlap, padding */
    NORM_POOL, /* max_pool2d(relu(batch_norm(x))) */
    SEEN,      /* NORM, and what ReLU reads is a result */
    SEEN_POOL, /* POOL, and ReLU's result is one */
    NETS
};

static const struct {
    const char *name;
    const char *want; /* operators after graph_fold, beside sources */
} nets[NETS] = {
    {"norm", "batch_norm+relu batch_norm_grad+relu"},
    {"sum", "batch_norm+relu gt select batch_norm_grad"},
    {"sum, left", "batch_norm+relu gt select batch_norm_grad"},
    {"sum, after", "batch_norm mul add relu gt select mul add batch_norm_grad"},
    {"infer", "batch_norm_infer+relu"},
    {"pool", "max_pool2d relu gt select max_pool2d_grad"},
    {"norm, pool", "batch_norm+relu max_pool2d max_pool2d_grad batch_norm_grad+relu"},
    {"norm, seen", "batch_norm relu gt select batch_norm_grad"},
    {"pool, seen", "relu max_pool2d gt max_pool2d_grad select"},
};

static rn_value op_of(struct built *b, const char *op, uint32_t n, rn_value *in) {
    rn_value y = RN_NONE;
    graph_op(b->graph, op, n, in, 0, NULL, 1, &y, NULL);
    return y;
}

static rn_value sum_of(struct built *b, rn_value x, rn_value y) {
    rn_value in[2] = {x, y};
    return op_of(b, "add", 2, in);
}

static rn_value pool_of(struct built *b, rn_value x) {
    int64_t kernel[2] = {3, 3}, stride[2] = {2, 1}, pad[4] = {1, 2, 2, 1};
    struct rn_attr a[3] = {rn_attr_ints("kernel", 2, kernel),
                           rn_attr_ints("stride", 2, stride),
                           rn_attr_ints("pad", 4, pad)};
    rn_value y = RN_NONE;
    graph_op(b->graph, "max_pool2d", 1, &x, 3, a, 1, &y, NULL);
    return y;
}

static void give(struct built *b, rn_value v) {
    char port[16];
    snprintf(port, sizeof port, "y%u", b->output_count++);
    graph_output(b->graph, port, v, NULL);
}

/* Results: y and the gradients of all inputs that are floats, from one of y. */
static void build(struct built *b, enum net net, bool special) {
    int64_t shape[4] = {5, 16, 9, 7}, channel[1] = {16};
    struct rn_error e = {0};
    rn_value in[6], norm[3] = {RN_NONE}, xs[6], gs[6], y, seen = RN_NONE;
    uint32_t n = 0;
    built_init(b, nets[net].name);
    in[0] = xs[n++] = built_input(b, RN_F32, 4, shape);
    b->inputs[0].special = b->special = special;
    y = in[0];
    if (net != POOL && net != SEEN_POOL) {
        bool infer = net == INFER;
        for (int i = 1; i < (infer ? 5 : 3); i++)
            in[i] = xs[n++] = built_input(b, RN_F32, 1, channel);
        b->inputs[4].positive = infer;
        graph_op(b->graph, infer ? "batch_norm_infer" : "batch_norm", infer ? 5 : 3, in,
                 0, NULL, infer ? 1 : 3, norm, &e);
        y = norm[0];
    }
    if (net == SUM || net == SUM_LEFT || net == INFER) {
        rn_value r = xs[n++] = built_input(b, RN_F32, 4, shape);
        y = net == SUM_LEFT ? sum_of(b, r, y) : sum_of(b, y, r);
    } else if (net == SUM_AFTER) {
        int64_t four[4] = {1, 16, 1, 1};
        struct rn_attr to = rn_attr_ints("shape", 4, four);
        rn_value two[2] = {in[0], RN_NONE};
        graph_op(b->graph, "reshape", 1, &norm[1], 1, &to, 1, &two[1], &e);
        two[1] = op_of(b, "stop_gradient", 1, &two[1]);
        y = sum_of(b, y, op_of(b, "mul", 2, two));
    }
    seen = y;
    y = op_of(b, "relu", 1, &y);
    seen = net == SEEN_POOL ? y : seen;
    if (net >= POOL && net != SEEN)
        y = pool_of(b, y);
    give(b, y);
    if (net == SEEN || net == SEEN_POOL)
        give(b, seen);
    if (net != INFER) {
        const struct gvalue v = *graph_value(b->graph, y);
        rn_value gy = built_input(b, RN_F32, v.rank, v.shape);
        graph_gradient(b->graph, 1, &y, &gy, n, xs, gs, &e);
        for (uint32_t i = 0; i < n; i++)
            if (gs[i] && gs[i] != gy)
                give(b, gs[i]);
    }
    if (norm[1])
        give(b, norm[1]);
    ops_check(e.status == RN_OK, "%s: %s", nets[net].name, e.message);
}

static void describe(const struct graph *g, char *out, size_t size) {
    size_t at = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < g->node_count && at < size; i++) {
        const struct gnode *n = &g->nodes[i];
        const struct rn_attr *relu = gnode_attr(n, "relu");
        if (op_traits(n->op) & (OP_SOURCE | OP_VIEW))
            continue;
        at += (size_t)snprintf(out + at, size - at, "%s%s%s", at ? " " : "",
                               op_name(n->op), relu && relu->i ? "+relu" : "");
    }
}

/* Do both hold the same operators, in any order? */
static bool same_words(const char *a, const char *b) {
    size_t n = strlen(a);
    bool same = n == strlen(b);
    for (const char *w = a; same && *w;) {
        size_t length = strcspn(w, " "), there = 0, here = 0;
        for (int k = 0; k < 2; k++)
            for (const char *v = k ? b : a; *v; v += strcspn(v, " "), v += *v == ' ')
                *(k ? &there : &here) +=
                    strcspn(v, " ") == length && strncmp(v, w, length) == 0;
        same = here == there;
        w += length;
        w += *w == ' ';
    }
    return same;
}

/* To the bit, but for the sign of a zero where `zeros`. */
static bool alike(const struct result *x, const struct result *y, bool zeros,
                  char *where, size_t size) {
    if (!zeros)
        return result_same(x, y, where, size);
    for (uint32_t k = 0; k < x->count; k++)
        for (uint64_t i = 0; i < x->elements[k]; i++) {
            double a = result_at(x, k, i), b = result_at(y, k, i);
            if (a == b || (a != a && b != b))
                continue;
            snprintf(where, size, "output %u element %llu is %.9g, not %.9g", k,
                     (unsigned long long)i, b, a);
            return false;
        }
    return x->count == y->count;
}

static void check(enum net net, bool special, const struct opened *backends,
                  int count) {
    struct built b, folded;
    struct rn_error e = {0};
    char words[400], where[160] = "";
    build(&b, net, special);
    folded = b;
    folded.graph = graph_fold(b.graph, b.a, &e);
    ops_check(folded.graph != NULL, "%s: %s", nets[net].name, e.message);
    if (!folded.graph) {
        built_free(&b);
        return;
    }
    describe(folded.graph, words, sizeof words);
    ops_check(same_words(words, nets[net].want), "%s: \"%s\", not \"%s\"",
              nets[net].name, words, nets[net].want);
    for (int i = 0; i < count; i++) {
        struct result want = {0}, got = {0};
        bool ran = built_run(&backends[i], &b, i > 0, &want) &&
                   built_run(&backends[i], &folded, i > 0, &got);
        ops_check(ran &&
                      alike(&want, &got, net == POOL && special, where, sizeof where),
                  "%s on %s: %s", nets[net].name, backends[i].name, where);
        result_free(&want);
        result_free(&got);
    }
    built_free(&b);
}

/* A step that also looks at what ReLU reads: the step's own nodes are the same as
 * without looking, and the one that is looked at stands beside them. */
static void check_tap(enum net net, const char *want) {
    struct built b;
    struct rn_error e = {0};
    char words[400];
    struct variable v = {.name = "v", .dtype = RN_F32, .rank = 4, .count = 1};
    uint32_t id = 0;
    build(&b, net, false);
    /* y0 and the gradient of x are what lasts, y1 is looked at */
    struct graph *g = b.graph;
    for (uint32_t i = 0; i < 3; i += 2) {
        const struct gvalue *x = graph_value(g, g->outputs[i].value);
        v.name = i ? "v" : "w";
        v.count = graph_elements(g, g->outputs[i].value);
        memcpy(v.shape, x->shape, sizeof v.shape);
        variables_declare(b.variables, &v, &id, &e);
        graph_assign(g, id, g->outputs[i].value, &e);
    }
    g = graph_fold(g, b.a, &e);
    ops_check(g && e.status == RN_OK, "%s, tapped: %s", nets[net].name, e.message);
    if (g) {
        describe(g, words, sizeof words);
        ops_check(same_words(words, want), "%s, tapped: \"%s\", not \"%s\"",
                  nets[net].name, words, want);
    }
    built_free(&b);
}

void test_fold(const struct opened *backends, int count) {
    for (int net = 0; net < NETS; net++)
        for (int special = 0; special < 2; special++)
            check((enum net)net, special, backends, count);
    check_tap(SEEN, "batch_norm+relu batch_norm batch_norm_grad+relu");
    check_tap(SEEN_POOL, "max_pool2d relu gt select max_pool2d_grad relu");
}

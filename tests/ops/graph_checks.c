/* SPDX-License-Identifier: Apache-2.0 */
/* The graph itself: broken ones are caught by the verifier, each with its sentence; the
 * text form is stable; simplifying keeps what is computed. Argument: the folder of this
 * file, for graphs.txt; `print` after it prints that text anew. */
#include <stdio.h>
#include <stdlib.h>

#include "../check.h"
#include "graph/internal.h"

struct made {
    struct arena *a;
    struct variables *v;
    struct graph *g;
    uint32_t weight, state;
    rn_value x, mask, y, loss;
    struct rn_error e;
};

static rn_value op(struct made *m, const char *name, uint32_t n, const rn_value *in,
                   uint32_t n_attr, const struct rn_attr *attrs) {
    rn_value out = RN_NONE;
    graph_op(m->g, name, n, in, n_attr, attrs, 1, &out, &m->e);
    return out;
}
static rn_value op1(struct made *m, const char *name, rn_value x) {
    return op(m, name, 1, &x, 0, NULL);
}
static rn_value op2(struct made *m, const char *name, rn_value x, rn_value y) {
    rn_value in[2] = {x, y};
    return op(m, name, 2, in, 0, NULL);
}

static uint32_t declare(struct made *m, const char *name, uint32_t rank,
                        const int64_t *shape) {
    struct variable v = {.name = name, .role = "weight", .dtype = RN_F32, .rank = rank};
    uint32_t id = 0;
    memcpy(v.shape, shape, rank * sizeof *shape);
    CHECK(variables_declare(m->v, &v, &id, &m->e) == RN_OK);
    return id;
}

/* y = relu(x w^T); loss = mean y^2; one step of w; a count in a state variable. */
static struct made make(void) {
    struct made m = {.a = arena_create()};
    int64_t xs[2] = {4, 3}, ws[2] = {2, 3}, rows[1] = {4}, axes[1] = {-1};
    m.v = variables_create(m.a);
    m.g = graph_create(m.a, m.v, "train");
    m.weight = declare(&m, "model.weight", 2, ws);
    m.state = declare(&m, "model.sum", 1, rows);
    m.x = graph_input(m.g, "x", RN_F32, 2, xs);
    m.mask = graph_input(m.g, "valid", RN_BOOL, 1, rows);
    m.g->scope = "model.dense";
    rn_value in[2] = {m.x, graph_variable(m.g, m.weight)}, gw;
    m.y = op1(&m, "relu", op(&m, "linear", 2, in, 0, NULL));
    m.g->scope = "loss";
    m.loss = op1(&m, "reduce_mean", op2(&m, "mul", m.y, m.y));
    CHECK(graph_gradient(m.g, 1, &m.loss, NULL, 1, &in[1], &gw, &m.e) == RN_OK);
    m.g->scope = "";
    int64_t three[1] = {3}, numbers[3] = {1, 2, 3};
    rn_value table = graph_constant(m.g, RN_I64, 1, three, numbers);
    rn_value scaled = op2(&m, "mul", table, graph_scalar(m.g, RN_I64, -4));
    struct rn_attr f32 = rn_attr_int("dtype", RN_F32);
    gw = op2(&m, "mul", gw, op(&m, "cast", 1, &scaled, 1, &f32));
    rn_value step = op2(&m, "mul", graph_live(m.g, "optimizer.lr", RN_F32), gw);
    struct rn_attr a[2] = {rn_attr_ints("axes", 1, axes), rn_attr_int("keep", 0)};
    rn_value sum = op(&m, "reduce_sum", 1, &m.y, 2, a);
    CHECK(graph_output(m.g, "loss", m.loss, &m.e) == RN_OK);
    CHECK(graph_assign(m.g, m.weight, op2(&m, "sub", in[1], step), &m.e) == RN_OK);
    CHECK(graph_assign(m.g, m.state, sum, &m.e) == RN_OK);
    CHECK(graph_verify(m.g, &m.e) == RN_OK);
    CHECK_TEXT(m.e.message, "");
    return m;
}

static struct gnode *find(struct graph *g, const char *name) {
    for (uint32_t i = 0; i < g->node_count; i++)
        if (strcmp(g->nodes[i].op->name, name) == 0)
            return &g->nodes[i];
    abort();
}

/* ---------------------------------------------------------- broken graphs */

static void wrong_dtype(struct made *m) {
    m->g->values[find(m->g, "relu")->out[0]].dtype = RN_I32;
}
static void unknown_dtype(struct made *m) {
    m->g->values[find(m->g, "relu")->out[0]].dtype = 99;
}
static void wrong_shape(struct made *m) {
    m->g->values[find(m->g, "linear")->out[0]].shape[1] = 7;
}
static void wrong_rank(struct made *m) {
    m->g->values[find(m->g, "linear")->out[0]].rank = RN_MAX_RANK + 1;
}
static void no_dimension(struct made *m) {
    m->g->values[find(m->g, "relu")->out[0]].shape[0] = 0;
}
static void use_before_made(struct made *m) {
    find(m->g, "linear")->in[0] = m->y;
}
static void use_of_none(struct made *m) {
    find(m->g, "linear")->in[0] = RN_NONE;
}
static void use_beyond(struct made *m) {
    find(m->g, "linear")->in[1] = 100000;
}
static void made_twice(struct made *m) {
    find(m->g, "relu")->out[0] = find(m->g, "linear")->out[0];
}
static void operand_missing(struct made *m) {
    find(m->g, "linear")->in_count = 1;
}
static void output_missing(struct made *m) {
    find(m->g, "relu")->out_count = 0;
}
static void no_operator(struct made *m) {
    static const struct op none = {.name = "conv9d", .outs = 1};
    find(m->g, "relu")->op = &none;
}
static void attribute_missing(struct made *m) {
    find(m->g, "reduce_mean")->attr_count = 1;
}
static void attribute_extra(struct made *m) {
    struct rn_attr *two = arena_array(m->a, struct rn_attr, 2);
    two[0] = rn_attr_int("axis", 0);
    find(m->g, "relu")->attrs = two;
    find(m->g, "relu")->attr_count = 2;
}
static void attribute_of_another_type(struct made *m) {
    find(m->g, "reduce_mean")->attrs[1].type = RN_ATTR_FLOAT;
}
static void attribute_wrong(struct made *m) {
    static const int64_t axes[1] = {5};
    struct rn_attr *a = &find(m->g, "reduce_mean")->attrs[0];
    a->p = axes;
    a->count = 1;
}
static void variable_unknown(struct made *m) {
    find(m->g, "variable")->variable = 77;
}
static void variable_of_another_shape(struct made *m) {
    find(m->g, "variable")->variable = m->state;
}
static void constant_empty(struct made *m) {
    find(m->g, "constant")->data = NULL;
}
static void input_nameless(struct made *m) {
    find(m->g, "input")->name = NULL;
}
static void scopeless(struct made *m) {
    find(m->g, "relu")->scope = NULL;
}
static void custom_without_kernels(struct made *m) {
    find(m->g, "relu")->op = op_find("custom");
}
static void assigned_twice(struct made *m) {
    m->g->assigns[1] = m->g->assigns[0];
}
static void assigned_another_shape(struct made *m) {
    m->g->assigns[1].value = m->loss;
}
static void assigned_unknown(struct made *m) {
    m->g->assigns[1].variable = 50;
}
static void output_of_none(struct made *m) {
    m->g->outputs[0].value = 100000;
}
static void output_twice(struct made *m) {
    graph_output(m->g, "other", m->y, &m->e);
    m->g->outputs[1].name = m->g->outputs[0].name;
}

/* Batch statistics of what comes from padded rows. */
static void normalise(struct made *m, rn_value x) {
    int64_t c[1] = {3};
    rn_value in[3] = {x, graph_input(m->g, "scale", RN_F32, 1, c),
                      graph_input(m->g, "shift", RN_F32, 1, c)},
             out[3];
    CHECK(graph_op(m->g, "batch_norm", 3, in, 0, NULL, 3, out, &m->e) == RN_OK);
}
static void rows_mixed(struct made *m) {
    graph_pad_rows(m->g, m->x, m->mask);
    normalise(m, op1(m, "exp", m->x));
}
static rn_value masked_with(struct made *m, rn_value mask) {
    int64_t column[2] = {4, 1};
    struct rn_attr a = rn_attr_ints("shape", 2, column);
    rn_value in[3] = {op(m, "reshape", 1, &mask, 1, &a), m->x,
                      graph_scalar(m->g, RN_F32, 0.0)};
    return op(m, "select", 3, in, 0, NULL);
}
static void rows_masked_by_another(struct made *m) {
    int64_t rows[1] = {4};
    graph_pad_rows(m->g, m->x, m->mask);
    normalise(m, masked_with(m, graph_input(m->g, "other", RN_BOOL, 1, rows)));
}

static const struct {
    void (*breaks)(struct made *m);
    const char *want;
} broken[] = {
    {wrong_dtype, "graph train: node 4 (relu) makes i32, its rule says f32"},
    {unknown_dtype, "graph train: node 4 (relu) makes %5 of an unknown type"},
    {wrong_shape,
     "graph train: node 3 (linear) makes %4 of another shape than its rule "
     "says"},
    {wrong_rank, "graph train: node 3 (linear) makes %4 of rank 9"},
    {no_dimension, "graph train: node 4 (relu) has a dimension of 0"},
    {use_before_made, "graph train: node 3 (linear) reads %5, which is not made yet"},
    {use_of_none, "graph train: node 3 (linear) reads %0, which is not made yet"},
    {use_beyond, "graph train: node 3 (linear) reads %100000, which is not made yet"},
    {made_twice, "graph train: node 4 (relu) is not the only one that makes %4"},
    {operand_missing, "graph train: node 3 (linear) has 1 operands"},
    {output_missing, "graph train: node 4 (relu) has 0 outputs, not 1"},
    {no_operator, "graph train: node 4 (conv9d) has no operator"},
    {attribute_missing, "graph train: node 6 (reduce_mean) has no attribute 'keep'"},
    {attribute_extra, "graph train: node 4 (relu) has 2 attributes too many"},
    {attribute_of_another_type,
     "graph train: node 6 (reduce_mean) has no attribute 'keep'"},
    {attribute_wrong, "graph train: node 6 (reduce_mean) breaks its rule: reduce_mean: "
                      "axis 5 is outside a tensor of rank 2"},
    {variable_unknown,
     "graph train: node 2 (variable) reads variable 77, which there is "
     "not"},
    {variable_of_another_shape,
     "graph train: node 2 (variable) reads 'model.sum' as another shape or type"},
    {constant_empty, "graph train: node 7 (constant) has no data"},
    {input_nameless, "graph train: node 0 (input) has no name"},
    {scopeless, "graph train: node 4 (relu) has no scope"},
    {custom_without_kernels,
     "graph train: node 4 (custom) and its kernels do not belong together"},
    {assigned_twice, "graph train: 'model.weight' is assigned twice"},
    {assigned_another_shape, "graph train: 'model.sum' is assigned another shape"},
    {assigned_unknown, "graph train: variable 50 is assigned, which there is not"},
    {output_of_none, "graph train: output 'loss' is not a value"},
    {output_twice, "graph train: output 'loss' is given twice"},
    {rows_mixed, "(batch_norm) mixes rows, and padding reaches it without a mask"},
    {rows_masked_by_another,
     "(batch_norm) mixes rows, and padding reaches it without a mask"},
};

static void check_broken(void) {
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct made m = make();
        struct rn_error e = {0};
        broken[i].breaks(&m);
        CHECK(m.e.status == RN_OK);
        CHECK(graph_verify(m.g, &e) == RN_E_INTERNAL);
        const char *tail = broken[i].want;
        size_t have = strlen(e.message), want = strlen(tail);
        bool at_end = tail[0] == '(' && have > want;
        CHECK_TEXT(at_end ? e.message + have - want : e.message, tail);
        arena_destroy(m.a);
    }
    struct made m = make();
    graph_pad_rows(m.g, m.x, m.mask);
    normalise(&m, masked_with(&m, m.mask));
    CHECK(graph_verify(m.g, &m.e) == RN_OK);
    CHECK_TEXT(m.e.message, "");
    arena_destroy(m.a);
}

/* What the calls refuse before anything is broken. */
static void check_refused(void) {
    struct made m = make();
    struct rn_error e = {0};
    int64_t shape[2] = {3, 2};
    uint32_t id;
    struct variable v = {.name = "model.weight", .dtype = RN_F32, .rank = 2};
    memcpy(v.shape, shape, sizeof shape);
    CHECK(variables_declare(m.v, &v, &id, &e) == RN_E_PLUGIN);
    CHECK_TEXT(e.message, "variable 'model.weight' is declared twice with different "
                          "shapes");
    v.name = "model.empty";
    v.shape[1] = 0;
    CHECK(variables_declare(m.v, &v, &id, &e) == RN_E_PLUGIN);
    CHECK_TEXT(e.message, "variable 'model.empty': dimension 1 is 0");
    CHECK(graph_output(m.g, "loss", m.loss, &e) == RN_E_PLUGIN);
    CHECK_TEXT(e.message, "output 'loss' is given twice");
    CHECK(graph_output(m.g, "more", RN_NONE, &e) == RN_E_PLUGIN);
    CHECK_TEXT(e.message, "output 'more' is not a value");
    CHECK(graph_assign(m.g, m.weight, RN_NONE, &e) == RN_E_PLUGIN);
    CHECK_TEXT(e.message, "what 'model.weight' is assigned is not a value");
    CHECK(graph_assign(m.g, m.state, m.loss, &e) == RN_E_PLUGIN);
    CHECK_TEXT(e.message, "'model.sum' is assigned a value of another shape");
    CHECK(graph_assign(m.g, m.weight, graph_variable(m.g, m.weight), &e) ==
          RN_E_PLUGIN);
    CHECK_TEXT(e.message, "'model.weight' is assigned twice in one program");
    rn_value in[2] = {m.x, 99999}, out;
    CHECK(graph_op(m.g, "add", 2, in, 0, NULL, 1, &out, &e) == RN_E_PLUGIN);
    CHECK_TEXT(e.message, "add: input 1 is not a value");
    CHECK(graph_op(m.g, "sofmax", 1, in, 0, NULL, 1, &out, &e) == RN_E_PLUGIN);
    CHECK_TEXT(e.hint, "did you mean 'softmax'?");
    struct rn_attr a = rn_attr_float("axes", 1.0);
    CHECK(graph_op(m.g, "reduce_sum", 1, in, 1, &a, 1, &out, &e) == RN_E_PLUGIN);
    CHECK_TEXT(e.message, "reduce_sum: attribute 'axes' has the wrong type");
    a = rn_attr_int("axi", 1);
    CHECK(graph_op(m.g, "softmax", 1, in, 1, &a, 1, &out, &e) == RN_E_PLUGIN);
    CHECK_TEXT(e.message, "softmax has no attribute 'axi'");
    CHECK_TEXT(e.hint, "did you mean 'axis'? it has: axis");
    rn_value none = RN_NONE, g;
    CHECK(graph_gradient(m.g, 1, &none, NULL, 1, &m.x, &g, &e) == RN_E_PLUGIN);
    arena_destroy(m.a);
}

/* ------------------------------------------------------------ text and passes */

static bool keep_none(void *context, const struct graph *g, const struct gnode *n) {
    (void)context, (void)g, (void)n;
    return false;
}

/* The graph as built, simplified, taken apart, and in f64. */
static void print_all(struct text *t) {
    struct made m = make();
    struct graph *simple = graph_simplify(m.g, m.a, &m.e), *plain = NULL, *wide = NULL;
    CHECK(simple != NULL);
    CHECK(graph_decompose(simple, m.a, keep_none, NULL, &plain, &m.e) == RN_OK);
    wide = graph_to_f64(simple, m.a, variables_create(m.a), &m.e);
    CHECK(wide != NULL);
    text_add(t, "# as built\n");
    graph_print(m.g, t);
    text_add(t, "\n# simplified\n");
    graph_print(simple, t);
    text_add(t, "\n# in primitives\n");
    graph_print(plain, t);
    text_add(t, "\n# in f64\n");
    graph_print(wide, t);
    text_add(t, "\n# in bf16\n");
    struct graph *low = graph_precision(m.g, m.a, RN_BF16, &m.e);
    CHECK(low != NULL);
    graph_print(graph_simplify(low, m.a, &m.e), t);
    text_add(t, "\n# dot\n");
    graph_dot(simple, t);
    CHECK(m.e.status == RN_OK);
    /* Simplifying what is simple changes nothing. */
    struct text once = {0}, twice = {0};
    graph_print(simple, &once);
    graph_print(graph_simplify(simple, m.a, &m.e), &twice);
    CHECK_TEXT(text_get(&twice), text_get(&once));
    text_finish(&once);
    text_finish(&twice);
    arena_destroy(m.a);
}

static void check_text(const char *folder) {
    struct text first = {0}, second = {0};
    char path[1000];
    static char have[100000];
    print_all(&first);
    print_all(&second);
    CHECK_TEXT(text_get(&second), text_get(&first));
    snprintf(path, sizeof path, "%s/graphs.txt", folder);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(have, 1, sizeof have - 1, f) : 0;
    have[n] = '\0';
    if (f)
        fclose(f);
    CHECK_TEXT(text_get(&first), have);
    text_finish(&first);
    text_finish(&second);
}

/* Ids are given from the outputs in operand order: the order of building is not seen.
 */
static void check_renumbering(void) {
    struct text texts[2] = {{0}, {0}};
    for (int k = 0; k < 2; k++) {
        struct made m = {.a = arena_create()};
        int64_t n[1] = {5};
        m.v = variables_create(m.a);
        m.g = graph_create(m.a, m.v, "order");
        rn_value x, z, a, b;
        if (k) {
            z = graph_input(m.g, "z", RN_F32, 1, n);
            b = op1(&m, "exp", z);
            op1(&m, "tanh", b); /* never read */
            x = graph_input(m.g, "x", RN_F32, 1, n);
            a = op1(&m, "sin", x);
        } else {
            x = graph_input(m.g, "x", RN_F32, 1, n);
            a = op1(&m, "identity", op1(&m, "sin", x));
            z = graph_input(m.g, "z", RN_F32, 1, n);
            b = op1(&m, "exp", z);
            b = op2(&m, "maximum", b, op1(&m, "exp", z)); /* the same twice */
        }
        b = k ? op2(&m, "maximum", b, b) : b;
        graph_output(m.g, "y", op2(&m, "sub", a, b), &m.e);
        graph_print(graph_simplify(m.g, m.a, &m.e), &texts[k]);
        CHECK(m.e.status == RN_OK);
        arena_destroy(m.a);
    }
    CHECK_TEXT(text_get(&texts[1]), text_get(&texts[0]));
    text_finish(&texts[0]);
    text_finish(&texts[1]);
}

/* Operations counted: 2 for a multiply-add, 1 an element else, views nothing. */
static void check_flops(void) {
    struct made m = make();
    CHECK(gnode_flops(m.g, find(m.g, "linear")) == 2 * 4 * 2 * 3);
    CHECK(gnode_flops(m.g, find(m.g, "relu")) == 8);
    CHECK(gnode_flops(m.g, find(m.g, "reduce_mean")) == 8);
    CHECK(gnode_flops(m.g, find(m.g, "input")) == 0);
    CHECK(gnode_flops(m.g, find(m.g, "matmul")) == 2 * 4 * 2 * 3);
    int64_t is[4] = {2, 4, 5, 5}, fs[4] = {6, 2, 3, 3}, one[4] = {1, 1, 1, 1};
    rn_value in[2] = {graph_input(m.g, "i", RN_F32, 4, is),
                      graph_input(m.g, "f", RN_F32, 4, fs)},
             y, g[2];
    struct rn_attr a[2] = {rn_attr_ints("pad", 4, one), rn_attr_int("groups", 2)};
    y = op(&m, "conv2d", 2, in, 2, a);
    CHECK(graph_gradient(m.g, 1, &y, NULL, 2, in, g, &m.e) == RN_OK);
    uint64_t want = 2u * (2 * 6 * 5 * 5) * (2 * 3 * 3);
    CHECK(gnode_flops(m.g, find(m.g, "conv2d")) == want);
    CHECK(gnode_flops(m.g, find(m.g, "conv2d_grad_input")) == want);
    CHECK(gnode_flops(m.g, find(m.g, "conv2d_grad_weight")) == want);
    rn_value s = op1(&m, "softmax", m.y), r = op1(&m, "flatten", s);
    CHECK(r && gnode_flops(m.g, find(m.g, "flatten")) == 0);
    CHECK(gnode_flops(m.g, find(m.g, "softmax")) == 8);
    arena_destroy(m.a);
}

int main(int argc, char **argv) {
    if (argc > 2 && strcmp(argv[2], "print") == 0) {
        struct text t = {0};
        print_all(&t);
        fputs(text_get(&t), stdout);
        text_finish(&t);
        return 0;
    }
    if (argc < 2)
        return 1;
    check_broken();
    check_refused();
    check_text(argv[1]);
    check_renumbering();
    check_flops();
    return check_done();
}

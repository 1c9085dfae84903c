/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients that are defined and not derived: at kinks, ties, zeros, through
 * stop_gradient and straight_through (the "grad:" of ops.h); and operators that have
 * none. dL/dx for L = sum of the first output. */
#include <stdlib.h>

#include "graph/internal.h"
#include "ops.h"

/* Operands' gradients parted by '|', "none" where nothing flows; integer operands are
 * left out. */
static const struct {
    const char *text, *want;
} edges[] = {
    {"relu ; f32[4]=-1,-0,0,2 ; ", "0 0 0 1"},
    {"relu6 ; f32[4]=0,6,3,7 ; ", "0 0 1 0"},
    {"abs ; f32[4]=-2,-0,0,2 ; ", "-1 0 0 1"},
    {"sign ; f32[2]=0,3 ; ", "none"},
    {"floor ; f32[2]=0,3 ; ", "none"},
    {"ceil ; f32[2]=0,3 ; ", "none"},
    {"round ; f32[2]=0.5,3 ; ", "none"},
    {"sqrt ; f32[2]=0,4 ; ", "inf 0.25"},
    {"clamp ; f32[5]=-2,-1,0,1,2 ; lo=-1 hi=1", "0 1 1 1 0"},
    {"leaky_relu ; f32[3]=-1,0,1 ; alpha=0.25", "0.25 0.25 1"},
    {"elu ; f32[2]=0,1 ; alpha=2", "2 1"},
    {"stop_gradient ; f32[2]=1,2 ; ", "none"},
    {"straight_through ; f32[2]=1,2 f32[2]=5,6 ; ", "1 1 | none"},
    {"maximum ; f32[3]=1,2,3 f32[3]=2,2,2 ; ", "0 0.5 1 | 1 0.5 0"},
    {"minimum ; f32[3]=1,2,3 f32[3]=2,2,2 ; ", "1 0.5 0 | 0 0.5 1"},
    {"pow ; f32[4]=0,0,-2,2 f32[4]=0,2,2,3 ; ", "0 0 -4 12 | 0 0 0 5.545177444479562"},
    {"select ; bool[2]=1,0 f32[2]=1,2 f32[]=3 ; ", "1 0 | 1"},
    {"cast ; f32[2]=1,2 ; dtype=i64", "refused"},
    {"cast ; i64[2]=1,2 ; dtype=f32", ""},
    {"reduce_max ; f32[2,3]=1,3,3,5,2,0 ; axes=1 keep=0", "0 0.5 0.5 1 0 0"},
    {"reduce_min ; f32[4]=7,1,1,1 ; axes= keep=0",
     "0 0.3333333333333333 0.3333333333333333 0.3333333333333333"},
    {"reduce_prod ; f32[3,2]=2,3,0,4,0,0 ; axes=1 keep=0", "3 2 4 0 0 0"},
    {"arg_max ; f32[2]=1,2 ; axis=0", "refused"},
    {"arg_min ; f32[2]=1,2 ; axis=0", "refused"},
    {"is_finite ; f32[2]=1,2 ; ", "refused"},
    {"eq ; f32[2]=1,2 f32[2]=1,2 ; ", "refused"},
    {"ne ; f32[2]=1,2 f32[2]=1,2 ; ", "refused"},
    {"lt ; f32[2]=1,2 f32[2]=1,2 ; ", "refused"},
    {"le ; f32[2]=1,2 f32[2]=1,2 ; ", "refused"},
    {"gt ; f32[2]=1,2 f32[2]=1,2 ; ", "refused"},
    {"ge ; f32[2]=1,2 f32[2]=1,2 ; ", "refused"},
    {"one_hot ; i64[2]=1,0 ; depth=2 dtype=f32", ""},
    {"logical_not ; bool[1]=1 ; ", "refused"},
    {"max_pool2d ; f32[1,1,2,2]=3,3,3,3 ; kernel=2,2 stride=1,1", "1 0 0 0"},
    {"max_pool2d ; f32[1,1,2,3]=1,5,2,0,1,2 ; kernel=2,2 stride=1,1", "0 2 0 0 0 0"},
    {"gather ; f32[3]=1,2,3 i64[4]=0,0,2,7 ; axis=0", "2 0 1"},
    {"embedding ; f32[2,1]=1,2 i64[3]=1,1,5 ; ", "0 2"},
    {"take_along ; f32[3]=1,2,3 i64[4]=0,0,2,7 ; axis=0", "2 0 1"},
    {"pick ; f32[2,2]=1,2,3,4 i64[2]=1,0 ; ", "0 1 1 0"},
    {"scatter_add ; f32[2]=1,2 i64[3]=1,1,9 f32[3]=1,2,3 ; axis=0", "1 1 | 1 1 0"},
    {"put_along_add ; f32[2]=1,2 i64[3]=1,1,9 f32[3]=1,2,3 ; axis=0", "1 1 | 1 1 0"},
    {"top_k ; f32[4]=1,5,5,3 ; k=2 axis=0", "0 1 1 0"},
    {"sort ; f32[3]=2,2,1 ; axis=0 descending=0", "1 1 1"},
    {"cross_entropy ; f32[1,2]=0,0 i64[1]=1 ; smoothing=0", "0.5 -0.5"},
    {"cross_entropy ; f32[1,2]=-inf,0 i64[1]=1 ; smoothing=0", "0 0"},
    {"logsumexp ; f32[2]=-inf,0 ; axes=0 keep=0", "0 1"},
    {"softplus ; f32[3]=-1000,0,1000 ; ", "0 0.5 1"},
    {"sigmoid ; f32[3]=-1000,0,1000 ; ", "0 0.25 0"},
    {"dropout ; f32[3]=1,2,3 live live live ; p=0", "1 1 1"},
};

static bool near(double got, double want) {
    return got == want || (got != got && want != want) ||
           fabs(got - want) <= 1e-14 * fabs(want);
}

/* s: the text of one operand's gradient; returns what follows. */
static const char *check_operand(const char *text, struct exe *x, const char *port,
                                 uint64_t count, const char *s) {
    const double *g = program_output_index(x->p, port) < 0 ? NULL : exe_output(x, port);
    if (strncmp(s, "none", 4) == 0) {
        ops_check(!g, "%s: %s has a gradient", text, port);
        return s + 4;
    }
    ops_check(g != NULL, "%s: %s has no gradient", text, port);
    for (uint64_t i = 0; i < count && g; i++) {
        char *end;
        double want = strtod(s, &end);
        ops_check(end != s && near(g[i], want), "%s: %s[%llu] is %.17g, want %.17g",
                  text, port, (unsigned long long)i, g[i], want);
        s = end;
    }
    return s;
}

static void check_edge(const struct opened *reference, const char *text,
                       const char *want) {
    struct built b;
    struct exe x;
    struct rn_error e = {0};
    rn_value xs[CASE_INPUTS], gs[CASE_INPUTS], y;
    uint64_t counts[CASE_INPUTS];
    uint32_t n = 0;
    bool good = case_build(text, true, &b), any = false;
    ops_check(good, "%s cannot be built", text);
    for (uint32_t i = 0; i < b.input_count && good; i++)
        if (dtype_float(graph_value(b.graph, b.inputs[i].value)->dtype)) {
            counts[n] = b.inputs[i].count;
            xs[n++] = b.inputs[i].value;
        }
    y = good ? b.graph->outputs[0].value : RN_NONE;
    int status = good ? graph_gradient(b.graph, 1, &y, NULL, n, xs, gs, &e) : -1;
    if (strcmp(want, "refused") == 0) {
        ops_check(status != RN_OK, "%s: a gradient of what is no float", text);
        ops_check(strcmp(e.message, "a gradient of a value that is not a float") == 0,
                  "%s: %s", text, e.message);
        built_free(&b);
        return;
    }
    ops_check(status == RN_OK, "%s: %s", text, e.message);
    for (uint32_t i = 0; i < n && status == RN_OK; i++) {
        char port[16];
        snprintf(port, sizeof port, "g%u", i);
        if (gs[i])
            any = graph_output(b.graph, port, gs[i], &e) == RN_OK;
    }
    good = exe_open(&x, reference, b.graph, false) && exe_fill(&x, &b) && exe_run(&x);
    ops_check(good, "%s: %s", text, x.e.message);
    (void)any;
    for (uint32_t i = 0; i < n && good; i++) {
        char port[16];
        snprintf(port, sizeof port, "g%u", i);
        want = check_operand(text, &x, port, counts[i], want);
        want += strspn(want, " |");
    }
    exe_close(&x);
    built_free(&b);
}

void grad_edges(const struct opened *reference) {
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        check_edge(reference, edges[i].text, edges[i].want);
}

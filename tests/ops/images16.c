/* SPDX-License-Identifier: Apache-2.0 */
/* Normalisation, pooling and means of 16 bits: to the bit what the operator is of the
 * f32 values that they stand for, the result rounded once. The cases are those of f32.
 */
#include "graph/internal.h"
#include "ops.h"

static rn_value cast(struct graph *g, rn_value v, rn_dtype t) {
    struct rn_attr a = rn_attr_int("dtype", (int64_t)t);
    rn_value out = RN_NONE;
    graph_op(g, "cast", 1, &v, 1, &a, 1, &out, NULL);
    return out;
}

static bool is_row_norm(const char *name) {
    return strncmp(name, "layer_norm", 10) == 0 ||
           strncmp(name, "group_norm", 10) == 0 || strncmp(name, "rms_norm", 8) == 0;
}

static bool may_be_whole(const struct op *op) {
    const char *name = op_name(op);
    return strncmp(name, "batch_norm", 10) == 0 || is_row_norm(name) ||
           strcmp(name, "reduce_mean") == 0;
}

/* Has input i of a case 16 bits? What belongs to channels has one axis, what belongs to
 * the elements of a normalised row may have more. */
static bool is_narrow(const struct gnode *n, uint32_t i, uint32_t rank) {
    if (is_row_norm(op_name(n->op)))
        return i == 0 || (i == 2 && strstr(op_name(n->op), "_grad"));
    return i == 0 || rank > 1;
}

/* Case `of` with images of type t (narrow), or written with casts. whole: the result is
 * f32, which not all of them may give. */
static void build(struct built *b, const struct built *of, rn_dtype t, bool narrow,
                  bool whole) {
    const struct gnode *n = &of->graph->nodes[of->graph->node_count - 1];
    struct rn_attr at[8];
    struct rn_error e = {0};
    rn_value in[CASE_INPUTS], out[OP_MAX_OUT];
    built_init(b, op_name(n->op));
    b->special = of->special;
    for (uint32_t i = 0; i < n->in_count; i++) {
        const struct gvalue *v = &of->graph->values[n->in[i]];
        in[i] = built_input(b, RN_F32, v->rank, v->shape);
        b->inputs[i].special = of->inputs[i].special;
        b->inputs[i].positive = of->inputs[i].positive;
        b->inputs[i].values = of->inputs[i].values;
        if (is_narrow(n, i, v->rank))
            in[i] = cast(b->graph, in[i], t);
        if (!narrow)
            in[i] = cast(b->graph, in[i], RN_F32);
    }
    for (uint32_t i = 0; i < n->attr_count; i++) {
        at[i] = n->attrs[i];
        if (strcmp(at[i].name, "dtype") == 0)
            at[i].i = narrow && whole ? RN_F32 : 0;
    }
    graph_op(b->graph, op_name(n->op), n->in_count, in, n->attr_count, at, n->out_count,
             out, &e);
    if (!whole)
        out[0] = cast(b->graph, cast(b->graph, out[0], t), RN_F32);
    for (uint32_t i = 0; i < n->out_count; i++) {
        char port[16];
        snprintf(port, sizeof port, "y%u", i);
        graph_output(b->graph, port, out[i], &e);
    }
    ops_check(e.status == RN_OK, "%s of 16 bits: %s", op_name(n->op), e.message);
}

static void check(const char *text, const struct built *of, rn_dtype t, bool whole,
                  const struct opened *backends, int count) {
    struct built meant, narrow;
    struct result want = {0};
    char where[160] = "";
    build(&meant, of, t, false, whole);
    build(&narrow, of, t, true, whole);
    bool ran = built_run(&backends[0], &meant, false, &want);
    ops_check(ran, "%s with casts does not run", text);
    for (int i = 0; i < count && ran; i++) {
        struct result got = {0};
        bool good = built_run(&backends[i], &narrow, i > 0, &got);
        ops_check(good && result_same(&want, &got, where, sizeof where),
                  "%s of %s on %s: %s", text, dtype_name(t), backends[i].name, where);
        result_free(&got);
    }
    result_free(&want);
    built_free(&meant);
    built_free(&narrow);
}

void test_images16(const struct opened *backends, int count) {
    static const char *const ops[] = {
        "batch_norm",      "batch_norm_grad",   "batch_norm_infer", "max_pool2d",
        "max_pool2d_grad", "max_pool2d_gather", "avg_pool2d",       "avg_pool2d_grad",
        "layer_norm",      "layer_norm_grad",   "reduce_mean",      "global_avg_pool2d",
        "group_norm",      "group_norm_grad",   "rms_norm",         "rms_norm_grad"};
    uint32_t cases = 0;
    for (uint32_t i = 0; i < op_case_count; i++) {
        const char *text = op_cases[i].text;
        bool mine = false;
        for (size_t k = 0; k < sizeof ops / sizeof ops[0]; k++)
            mine |= strcspn(text, " ") == strlen(ops[k]) &&
                    strncmp(text, ops[k], strlen(ops[k])) == 0;
        struct built of;
        if (!mine)
            continue;
        if (case_build(text, false, &of)) {
            check(text, &of, RN_BF16, false, backends, count);
            check(text, &of, RN_F16, false, backends, count);
            if (may_be_whole(of.op))
                check(text, &of, RN_BF16, true, backends, count);
            cases++;
        }
        built_free(&of);
    }
    ops_check(cases > 65, "only %u cases are of 16 bits", cases);
}

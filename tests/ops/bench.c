/* SPDX-License-Identifier: Apache-2.0 */
/* Modes bench and support: looks, not tests. */
#include <stdlib.h>
#include <time.h>

#include "graph/internal.h"
#include "ops.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Best of runs that fill a twentieth of a second, in microseconds; NaN: not run. */
static double best_time(const struct opened *o, const struct built *b) {
    struct exe x;
    double best = NAN;
    bool good = exe_open(&x, o, b->graph, true) && exe_fill(&x, b) && exe_run(&x);
    double end = now() + 0.05;
    while (good && now() < end) {
        double start = now();
        good = exe_run(&x) && device_sync(x.d, &x.e) == RN_OK;
        double took = (now() - start) * 1e6;
        best = best != best || took < best ? took : best;
    }
    exe_close(&x);
    return best;
}

void mode_bench(const struct opened *backends, int count, const char *only) {
    printf("%-58s", "microseconds, best run");
    for (int i = 0; i < count; i++)
        printf(" %22.22s", backends[i].name);
    printf("\n");
    for (uint32_t i = 0; i < op_case_count; i++) {
        struct built b;
        if (only && !strstr(op_cases[i].text, only))
            continue;
        if (case_build(op_cases[i].text, false, &b)) {
            printf("%-58.58s", op_cases[i].text);
            for (int k = 0; k < count; k++)
                printf(" %22.2f", best_time(&backends[k], &b));
            printf("\n");
        }
        built_free(&b);
    }
}

/* The kernel that takes the operator as it stands, or "-": it is taken apart. */
static void print_support(const struct opened *o, const struct built *b) {
    const struct graph *g = b->graph;
    const struct gnode *n = &g->nodes[g->node_count - 1];
    struct rn_slot slots[CASE_INPUTS + OP_MAX_OUT];
    uint32_t index[CASE_INPUTS + OP_MAX_OUT], count = n->in_count + n->out_count;
    memset(slots, 0, sizeof slots);
    for (uint32_t i = 0; i < count; i++) {
        const struct gvalue *v =
            &g->values[i < n->in_count ? n->in[i] : n->out[i - n->in_count]];
        slots[i].dtype = v->dtype;
        slots[i].rank = v->rank;
        slots[i].bytes = RN_DTYPE_BYTES(v->dtype);
        for (uint32_t k = 0; k < v->rank; k++) {
            slots[i].shape[k] = v->shape[k];
            slots[i].bytes *= (uint64_t)v->shape[k];
        }
        index[i] = i;
    }
    struct rn_node node = {.op = op_name(n->op),
                           .label = "support",
                           .in_count = n->in_count,
                           .out_count = n->out_count,
                           .in = index,
                           .out = index + n->in_count,
                           .attr_count = n->attr_count,
                           .attr_stride = sizeof *n->attrs,
                           .attrs = n->attrs};
    struct rn_program p = {.struct_size = sizeof p,
                           .name = "support",
                           .slot_count = count,
                           .slot_stride = sizeof *slots,
                           .slots = slots,
                           .node_count = 1,
                           .node_stride = sizeof node,
                           .nodes = &node};
    struct rn_node_info info = {.struct_size = sizeof info};
    struct rn_error e = {0};
    struct rn_backend_query call = {sizeof call, 0, &p, &info, 0};
    int32_t status = o->backend->query(o->self, &call, &e);
    printf(" %-24.24s", status == RN_OK && info.supported ? info.kernel : "-");
}

void mode_support(const struct opened *backends, int count) {
    printf("%-20s %-10s", "operator", "");
    for (int i = 0; i < count; i++)
        printf(" %-24.24s", backends[i].name);
    printf("\n");
    for (uint32_t i = 0; i < op_count(); i++) {
        const struct op *op = op_at(i);
        const struct op_case *c = NULL;
        for (uint32_t k = 0; k < op_case_count && !c; k++) {
            char name[40];
            case_op_name(op_cases[k].text, name, sizeof name);
            if (strcmp(name, op_name(op)) == 0)
                c = &op_cases[k];
        }
        struct built b;
        if (!c)
            continue;
        if (case_build(c->text, false, &b)) {
            printf("%-20s %-10s", op_name(op),
                   op_traits(op) & OP_PRIMITIVE ? "primitive" : "");
            for (int k = 0; k < count; k++)
                print_support(&backends[k], &b);
            printf("\n");
        }
        built_free(&b);
    }
}

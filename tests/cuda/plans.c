/* SPDX-License-Identifier: Apache-2.0 */
/* plans CUDA CHIP: every case of the operator suite planned for a chip, without a
 * device. A plan is the same when it is made again; products go to the libraries, whose
 * engines are found by the chip's properties. */
#include <stdlib.h>

#include "ops/ops.h"

void ops_check(bool good, const char *format, ...) {
    (void)format;
    CHECK(good);
}

struct count {
    int cases, cudnn, own_conv, lt, own_matmul;
    int lt16, cudnn16, widened; /* of 16 bits */
    uint64_t workspace;
};

static bool starts(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

static void plan_built(const struct opened *o, const char *text, struct built *b,
                       struct count *n) {
    struct rn_error e = {0};
    struct plan_options options = {
        .backend = o->backend, .backend_self = o->self, .fuse = true};
    const struct plan *p = NULL, *again = NULL;
    int status = plan_make(b->graph, b->a, &options, &p, &e);
    CHECK(status == RN_OK);
    if (status == RN_OK)
        status = plan_make(b->graph, b->a, &options, &again, &e);
    CHECK(status == RN_OK && plan_verify(p, &e) == RN_OK);
    CHECK(status == RN_OK && again->program.arena_bytes == p->program.arena_bytes);
    if (status != RN_OK)
        fprintf(stderr, "%s: %s\n", text, e.message);
    for (uint32_t i = 0; status == RN_OK && i < p->program.node_count; i++) {
        const struct rn_node *node = &p->program.nodes[i];
        const char *kernel = p->work[i].kernel;
        n->workspace += node->workspace_bytes;
        n->cudnn += strcmp(kernel, "cudnn") == 0;
        n->own_conv += strcmp(kernel, "own convolution") == 0;
        n->lt += strcmp(kernel, "cublaslt") == 0;
        n->own_matmul += strcmp(kernel, "own matmul") == 0;
        n->lt16 += strcmp(kernel, "cublaslt 16") == 0;
        n->cudnn16 += strcmp(kernel, "cudnn 16") == 0;
        n->widened += strcmp(kernel, "cudnn widened") == 0;
        if (getenv("PLANS_SHOW") && starts(node->op, "conv2d"))
            printf("%-20s %-16s %llu  %s\n", node->op, kernel,
                   (unsigned long long)node->workspace_bytes, text);
    }
    n->cases++;
    built_free(b);
}

/* Each twice, its result in f32 and rounded: products by the libraries, none of them
 * taken apart into f32 ones, but for the sums of a convolution that stays f32. */
static void plan_narrow(const struct opened *o, bool cudnn) {
    for (int k = 0; k < NARROW_TYPES; k++) {
        struct count n = {0};
        for (int i = 0; i < NARROW_CASES; i++) {
            struct built b;
            const char *op = narrow_build(&b, i, &narrow_types[k], true);
            plan_built(o, op, &b, &n);
        }
        CHECK(n.lt == 0 && n.own_matmul == 0 && n.cudnn == 0);
        CHECK(n.lt16 == 12);
        /* what is rounded after a bias was added stays f32 till then, and is the same
         * product */
        CHECK(!cudnn || (n.cudnn16 == 3 && n.widened == 4 && n.own_conv == 0));
        printf("%s: cuBLASLt %d, cuDNN %d, and %d of widened operands\n",
               narrow_types[k].name, n.lt16, n.cudnn16, n.widened);
    }
}

int main(int argc, char **argv) {
    struct opened o;
    struct count n = {0};
    char option[64];
    if (argc < 3)
        return 1;
    snprintf(option, sizeof option, "plan_for=%s", argv[2]);
    if (!backend_open(&o, argv[1], 1, (char *[]){option}))
        return 1;
    for (uint32_t i = 0; i < op_case_count; i++) {
        struct built b;
        if (case_build(op_cases[i].text, false, &b))
            plan_built(&o, op_cases[i].text, &b, &n);
    }
    struct rn_device_info info = {.struct_size = sizeof info};
    struct rn_error e = {0};
    CHECK(o.backend->info(o.self, &info, &e) == RN_OK);
    CHECK(n.cases > 300);
    CHECK(n.lt > 8 && n.lt > n.own_matmul);
    void *p;
    CHECK(o.backend->alloc(o.self, RN_SPACE_DEVICE, 64, &p, &e) == RN_E_CONFIG);
    CHECK(info.fast_bf16 && info.fast_f16);
    plan_narrow(&o, strstr(info.name, ", cuDNN") != NULL);
    if (strstr(info.name, ", cuDNN"))
        CHECK(n.cudnn > 10 && n.cudnn > n.own_conv);
    else
        printf("SKIP: engines: no cuDNN from 9.8 on, or it does not know %s\n",
               argv[2]);
    printf("%s: %d cases; cuDNN %d, own convolutions %d, cuBLASLt %d, own products %d; "
           "%llu bytes of workspace\n",
           info.name, n.cases, n.cudnn, n.own_conv, n.lt, n.own_matmul,
           (unsigned long long)n.workspace);
    backend_close(&o);
    return check_done();
}

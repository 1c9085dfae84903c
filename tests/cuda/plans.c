/* SPDX-License-Identifier: Apache-2.0 */
/* plans CUDA CHIP [attention]: every case of the operator suite planned for a chip,
 * without a device. A plan is the same when it is made again; products go to the
 * libraries, whose engines are found by the chip's properties. `attention`: only that,
 * with a libcuda that takes every kernel (no_device/), without which cuDNN does not
 * plan it. */
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

static rn_value input(struct built *b, rn_dtype t, const int64_t *shape) {
    struct rn_attr a = rn_attr_int("dtype", (int64_t)t);
    rn_value v = built_input(b, RN_F32, 3, shape), out = RN_NONE;
    graph_op(b->graph, "cast", 1, &v, 1, &a, 1, &out, NULL);
    return out;
}

/* Attention of 16 bits and its gradient: kernels of both, and what cuDNN works in. */
static void plan_attention(const struct opened *o, rn_dtype t, const int64_t z[6],
                           bool takes) {
    struct rn_error e = {0};
    struct built b;
    int64_t batch = z[0], heads = z[3];
    int64_t deep[3] = {batch, z[1], heads * z[4]}, keys[3] = {batch, z[2], deep[2]};
    int64_t values[3] = {batch, z[2], heads * z[5]}, y[3] = {batch, z[1], values[2]};
    built_init(&b, "attention of 16 bits");
    struct rn_attr at[2] = {rn_attr_int("heads", heads),
                            rn_attr_int("causal", z[1] == z[2])};
    rn_value out[5] = {RN_NONE, RN_NONE, RN_NONE, RN_NONE, RN_NONE};
    rn_value in[6] = {input(&b, t, deep), input(&b, t, keys), input(&b, t, values)};
    graph_op(b.graph, "attention", 3, in, 2, at, 2, out, &e);
    in[3] = out[0], in[4] = out[1], in[5] = input(&b, t, y);
    graph_op(b.graph, "attention_grad", 6, in, 2, at, 3, out + 2, &e);
    for (int i = 2; i < 5; i++) {
        char name[8];
        snprintf(name, sizeof name, "g%d", i);
        graph_output(b.graph, name, out[i], &e);
    }
    struct plan_options options = {
        .backend = o->backend, .backend_self = o->self, .fuse = true};
    const struct plan *p = NULL;
    CHECK(e.status == RN_OK && plan_make(b.graph, b.a, &options, &p, &e) == RN_OK);
    int seen = 0;
    for (uint32_t i = 0; e.status == RN_OK && i < p->program.node_count; i++) {
        const struct rn_node *node = &p->program.nodes[i];
        if (!starts(node->op, "attention"))
            continue;
        bool cudnn = strcmp(p->work[i].kernel, "cudnn attention") == 0;
        printf("%s of %lld x %lld, heads of %lld and %lld: %s, %llu bytes\n", node->op,
               (long long)z[1], (long long)z[2], (long long)z[4], (long long)z[5],
               p->work[i].kernel, (unsigned long long)node->workspace_bytes);
        CHECK(cudnn == (takes && strcmp(node->op, "attention") == 0));
        /* nothing of the size of all pairs */
        CHECK(node->workspace_bytes <= 4096 + 4 * (uint64_t)(batch * heads * z[1]));
        seen++;
    }
    CHECK(seen == 2);
    built_free(&b);
}

static void plan_attentions(const struct opened *o) {
    static const struct {
        int64_t z[6]; /* batch, queries, keys, heads, depth, width */
        bool takes;   /* does cuDNN? */
    } cases[] = {{{8, 1024, 1024, 12, 64, 64}, true},
                 {{2, 77, 130, 3, 16, 24}, true},
                 {{1, 300, 300, 2, 128, 64}, true},
                 {{1, 64, 64, 2, 12, 12}, false},
                 {{1, 64, 64, 1, 512, 512}, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        plan_attention(o, RN_BF16, cases[i].z, cases[i].takes);
        plan_attention(o, RN_F16, cases[i].z, cases[i].takes);
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
    if (argc > 3) {
        struct rn_device_info info = {.struct_size = sizeof info};
        struct rn_error e = {0};
        CHECK(o.backend->info(o.self, &info, &e) == RN_OK);
        if (strstr(info.name, ", cuDNN"))
            plan_attentions(&o);
        else
            printf("SKIP: attention: no cuDNN that knows %s\n", argv[2]);
        backend_close(&o);
        return check_done();
    }
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
    struct rn_backend_alloc call = {sizeof call, RN_SPACE_DEVICE, 64, NULL};
    CHECK(o.backend->alloc(o.self, &call, &e) == RN_E_CONFIG);
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

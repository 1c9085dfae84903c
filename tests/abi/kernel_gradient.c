/* SPDX-License-Identifier: Apache-2.0 */
/* The tutorial's hand-written gradient against central differences of its hand-written
 * forward kernel, in f64: kernel_gradient my_kernel.so. The host is this file: enough of
 * struct rn_build to catch the operators that the loss describes. */
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <runner/loss.h>
#include <runner/operator.h>
#include <runner/sdk/work.h>

#include "tests/check.h"

static const struct rn_operator *caught[4]; /* in the order of rn_custom */
static uint32_t caught_count, caught_inputs[4][3];
static double epsilon = 1.5;

static int32_t custom(struct rn_build *b, const struct rn_operator *op, uint32_t n_in,
                      const rn_value *in, uint32_t n_attr, const struct rn_attr *attrs,
                      uint32_t stride, rn_value *out) {
    (void)b, (void)stride;
    CHECK(n_attr == 1 && strcmp(attrs[0].name, "epsilon") == 0 && attrs[0].f == epsilon);
    for (uint32_t i = 0; i < n_in && i < 3; i++)
        caught_inputs[caught_count][i] = in[i];
    caught[caught_count++] = op;
    out[0] = 10 + caught_count;
    return RN_OK;
}

static const struct rn_operator_api operators = {sizeof operators, 0, custom};

static const void *extension(struct rn_build *b, const char *id) {
    (void)b;
    return strcmp(id, "runner.operator/1") == 0 ? &operators : NULL;
}

static rn_value input(struct rn_build *b, const char *port) {
    (void)b;
    return strcmp(port, "logits") == 0 ? 1 : 2;
}

static rn_value result;

static void output(struct rn_build *b, const char *port, rn_value v) {
    (void)b;
    CHECK_TEXT(port, "loss");
    result = v;
}

static int32_t get_float(struct rn_host *h, const char *path, double *out) {
    (void)h;
    CHECK_TEXT(path, "epsilon");
    *out = epsilon;
    return RN_OK;
}

#define ROWS    5
#define CLASSES 4

static double x[ROWS * CLASSES], g[ROWS];
static int64_t label[ROWS];
static const int64_t matrix[2] = {ROWS, CLASSES}, vector[1] = {ROWS};
static const struct rn_attr attrs[1] = {{"epsilon", RN_ATTR_FLOAT, 1, 0, 1.5, NULL}};

static int32_t host_run(const struct rn_operator *op, uint32_t n,
                        const struct rn_tensor *in, const struct rn_tensor *out,
                        struct rn_error *e) {
    static struct rn_workspace work;
    struct rn_operator_call c = {.struct_size = sizeof c,
                                 .in_count = n,
                                 .in = in,
                                 .attr_count = 1,
                                 .attr_stride = sizeof *attrs,
                                 .attrs = attrs,
                                 .out_count = 1,
                                 .out = out,
                                 .work = rn_workspace_begin(&work)};
    return op->host(&c, e);
}

/* sum(g * loss(x)) by the forward kernel */
static double forward(void) {
    double y[ROWS], sum = 0.0;
    struct rn_tensor in[2] = {{x, matrix, NULL, RN_F64, 2}, {label, vector, NULL, RN_I64, 1}},
                     out = {y, vector, NULL, RN_F64, 1};
    struct rn_error e = {0};
    CHECK(host_run(caught[0], 2, in, &out, &e) == RN_OK);
    for (int i = 0; i < ROWS; i++)
        sum += g[i] * y[i];
    return sum;
}

int main(int argc, char **argv) {
    void *so = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    void *symbol = so ? dlsym(so, RN_ENTRY_SYMBOL) : NULL;
    rn_entry_fn entry;
    if (!symbol) {
        fprintf(stderr, "%s\n", so ? "no entry" : dlerror());
        return 1;
    }
    memcpy(&entry, &symbol, sizeof entry);
    const struct rn_loss *loss = entry()->components[0]->iface;

    struct rn_host_api host_api = {.struct_size = sizeof host_api, .get_float = get_float};
    struct rn_host host = {&host_api};
    struct rn_build_api api = {.struct_size = sizeof api,
                               .input = input,
                               .output = output,
                               .extension = extension};
    struct rn_build b = {&api, &host, NULL};
    CHECK(loss->describe(&b) == RN_OK);
    CHECK(caught_count == 1 && result == 11);
    CHECK(caught_inputs[0][0] == 1 && caught_inputs[0][1] == 2);

    rn_value in[2] = {1, 2}, out[1] = {11}, gout[1] = {3}, gin[2] = {RN_NONE, RN_NONE};
    struct rn_operator_gradient gradient = {.struct_size = sizeof gradient,
                                            .in_count = 2,
                                            .in = in,
                                            .out = out,
                                            .grad_out = gout,
                                            .grad_in = gin,
                                            .attr_count = 1,
                                            .attr_stride = sizeof *attrs,
                                            .attrs = attrs,
                                            .out_count = 1};
    CHECK(caught[0]->gradient(&b, &gradient) == RN_OK);
    CHECK(caught_count == 2 && gin[0] == 12 && gin[1] == RN_NONE);
    CHECK(caught_inputs[1][0] == 1 && caught_inputs[1][1] == 2 && caught_inputs[1][2] == 3);

    srand(7);
    for (int i = 0; i < ROWS * CLASSES; i++)
        x[i] = 8.0 * rand() / RAND_MAX - 4.0;
    for (int i = 0; i < ROWS; i++) {
        g[i] = 2.0 * rand() / RAND_MAX - 1.0;
        label[i] = i % CLASSES;
    }
    double gx[ROWS * CLASSES], worst = 0.0;
    struct rn_tensor ins[3] = {{x, matrix, NULL, RN_F64, 2},
                               {label, vector, NULL, RN_I64, 1},
                               {g, vector, NULL, RN_F64, 1}},
                     outs = {gx, matrix, NULL, RN_F64, 2};
    struct rn_error e = {0};
    CHECK(host_run(caught[1], 3, ins, &outs, &e) == RN_OK);
    for (int i = 0; i < ROWS * CLASSES; i++) {
        /* central differences: error h^2 f'''/6 + eps/h, about 1e-10 at h = 1e-5 */
        double keep = x[i], h = 1e-5;
        x[i] = keep + h;
        double up = forward();
        x[i] = keep - h;
        double down = forward();
        x[i] = keep;
        double far = fabs((up - down) / (2.0 * h) - gx[i]);
        worst = far > worst ? far : worst;
    }
    CHECK(worst < 1e-8);
    printf("largest difference %.2g\n", worst);

    label[2] = CLASSES; /* outside: NaN, as cross_entropy has it */
    CHECK(isnan(forward()));
    return check_done();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* nvrtc GENERATED.cu [CHIP...]: do all kernels, those of the tree and the generated
 * ones of the file, compile for each chip (80, 90)? That takes minutes for each; the
 * generated ones with those of the tree for f32 always compile, for 90. Needs NVRTC and
 * no device. */
#include <stdlib.h>

#include "../check.h"
#include "engine.h"

static char *read_all(const char *name) {
    FILE *f = fopen(name, "rb");
    char *text = calloc(1, 64u << 20);
    if (!f || !text)
        return NULL;
    size_t n = fread(text, 1, (64u << 20) - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

static nvrtcResult (*compile_program)(nvrtcProgram, int, const char *const *);

/* With a compiler that knows it, hardly optimised: a quarter of the time. */
static nvrtcResult compile_fast(nvrtcProgram p, int n, const char *const *options) {
    const char *more[16] = {"--Ofast-compile=max"};
    for (int i = 0; i < n && i < 15; i++)
        more[i + 1] = options[i];
    return compile_program(p, n + 1, more) == NVRTC_SUCCESS
               ? NVRTC_SUCCESS
               : compile_program(p, n, options);
}

/* Does the cubin hold a kernel of this name? */
static bool holds(const char *cubin, size_t bytes, const char *name) {
    char section[128];
    size_t n = (size_t)snprintf(section, sizeof section, ".text.%s", name) + 1;
    for (size_t i = 0; i + n <= bytes; i++)
        if (memcmp(cubin + i, section, n) == 0)
            return true;
    return false;
}

int main(int argc, char **argv) {
    struct cuda_device d = {.planning = true};
    char *generated = argc > 1 ? read_all(argv[1]) : NULL;
    if (!generated)
        return 1;
    cuda_libraries_open(&d.lib, false);
    if (!d.lib.have_nvrtc) {
        printf("SKIP: no NVRTC: %s\n", d.lib.no_nvrtc);
        return 0;
    }
    for (int i = 2; i < argc; i++) {
        struct source_text source = {0};
        struct rn_error e = {0};
        void *cubin = NULL;
        size_t bytes = 0;
        int chip = atoi(argv[i]), kernels = 0;
        d.major = chip / 10;
        d.minor = chip % 10;
        cuda_source((1u << THEMES) - 1, KERNELS_ALL, generated, &source);
        int32_t status = cuda_compile_source(&d, source.data, &cubin, &bytes, &e);
        CHECK(status == RN_OK);
        if (status != RN_OK)
            fprintf(stderr, "sm_%d: %s\n", chip, e.message);
        static const char *const names[] = {"reduce_sum_f32",
                                            "reduce_sum_long_f64",
                                            "reduce_min_i64",
                                            "sort_merge_f32",
                                            "cumsum_i32",
                                            "move_16",
                                            "take_along_64",
                                            "random",
                                            "keys_merge",
                                            "scatter_add_f32",
                                            "max_pool2d_grad_f64",
                                            "resize2d_f32",
                                            "matmul_f32",
                                            "conv2d_grad_weight_f64",
                                            "matmul_bf16",
                                            "conv2d_grad_input_f16",
                                            "widen_bf16",
                                            "batch_norm_grad_16_f32",
                                            "batch_norm_1_bf16",
                                            "max_pool2d_grad_f16",
                                            "row_norm_columns_16_f32",
                                            "row_norm_grad_1_bf16",
                                            "cross_entropy_grad_f32",
                                            "attention_64_f64",
                                            "attention_128_f16",
                                            "attention_less_f32",
                                            "attention_grad_q_64_f32",
                                            "attention_grad_kv_128_bf16"};
        for (size_t k = 0; k < sizeof names / sizeof names[0] && cubin; k++) {
            CHECK(holds(cubin, bytes, names[k]));
            kernels++;
        }
        for (const char *p = generated; cubin && (p = strstr(p, "KERNEL("));) {
            char name[40];
            snprintf(name, sizeof name, "%.23s",
                     p += 7); /* region_, custom_ and hash */
            if (strncmp(name, "region_", 7) != 0 && strncmp(name, "custom_", 7) != 0)
                continue;
            CHECK(holds(cubin, bytes, name));
            kernels++;
        }
        printf("sm_%d: %zu bytes, %d kernels looked up\n", chip, bytes, kernels);
        free(cubin);
        free(source.data);
    }
    compile_program = d.lib.nvrtc.nvrtcCompileProgram;
    if (argc == 2)
        d.lib.nvrtc.nvrtcCompileProgram = compile_fast;
    /* A program takes only the types that it needs. */
    struct source_text some = {0};
    struct rn_error e = {0};
    void *cubin = NULL;
    size_t bytes = 0;
    d.major = 9;
    d.minor = 0;
    cuda_source((1u << THEMES) - 1, KERNELS_F32 | KERNELS_32, generated, &some);
    CHECK(cuda_compile_source(&d, some.data, &cubin, &bytes, &e) == RN_OK);
    CHECK(cubin && holds(cubin, bytes, "put_along_add_f32"));
    CHECK(cubin && holds(cubin, bytes, "concat_32"));
    CHECK(cubin && !holds(cubin, bytes, "concat_64"));
    CHECK(cubin && !holds(cubin, bytes, "reduce_sum_f64"));
    free(cubin);
    free(some.data);
    free(generated);
    return check_done();
}

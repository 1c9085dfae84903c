/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine can do at most, on some threads: arithmetic for each instruction
 * set, memory in Adam's pattern, copies. The best of several rounds, as JSON.
 *
 *     bench_probe THREADS fma|bf16|stream|memcpy ...
 */
#define _DEFAULT_SOURCE /* madvise */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/mman.h>

#include "../../plugins/backend/shared/dots.h"
#include "fma.h"

#define SECONDS 0.25      /* for each figure */
#define BYTES   (1 << 28) /* of one of the buffers */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* FLOP/s of all threads together; they take as long as the slowest. A call of `work`
 * FLOPs a thread takes some milliseconds. */
static double arithmetic(const struct fma *f, int threads, double work) {
    int64_t rounds = (int64_t)(work / f->flops);
    double best = 0.0, began = now();
    float sum = 0.0f;
    for (int call = 0; call < 5 || now() - began < SECONDS; call++) {
        double start = now();
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(+ : sum)
#endif
        for (int k = 0; k < threads; k++)
            sum += f->run(rounds);
        double rate = f->flops * (double)rounds * threads / (now() - start);
        best = rate > best ? rate : best;
    }
    if (sum == 1.0f) /* nothing may be left out */
        fputc('\n', stderr);
    return best;
}

static bool has_v3(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

static bool has_v4(void) {
#if defined(__x86_64__)
    return has_v3() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}

static const char *separator = "";

static void print(const char *name, double value) {
    printf("%s\"%s\": %.6g", separator, name, value);
    separator = ", ";
}

static void probe_fma(int threads) {
    print("fma_base", arithmetic(&fma_base, threads, 2e8));
#if defined(__x86_64__)
    if (has_v3())
        print("fma_v3", arithmetic(&fma_v3, threads, 5e8));
    if (has_v4())
        print("fma_v4", arithmetic(&fma_v4, threads, 1e9));
#endif
}

static void probe_peak(int threads) {
    const struct fma *f = &fma_base;
#if defined(__x86_64__)
    f = has_v4() ? &fma_v4 : has_v3() ? &fma_v3 : f;
#endif
    print("peak", arithmetic(f, threads, f == &fma_base ? 2e8 : 1e9));
}

static void probe_dots(const char *name, const struct dots *d, int threads,
                       double work) {
    if (!d)
        return;
    struct fma f = {d->flops, d->run};
    print(name, arithmetic(&f, threads, work));
}

static void probe_bf16(int threads) {
    probe_dots("bf16_avx512", dots_avx512(), threads, 1e9);
    probe_dots("bf16_amx", dots_amx(), threads, 1e10);
}

static float *buffer(void) {
    float *p = aligned_alloc(1 << 21, BYTES);
    if (!p)
        exit(1);
    madvise(p, BYTES, MADV_HUGEPAGE);
    memset(p, 0, BYTES);
    return p;
}

/* Adam's traffic with next to no arithmetic: four streams read, three written. */
static void adam_pattern(float *p, float *m, float *v, const float *g, int64_t begin,
                         int64_t end) {
#pragma GCC ivdep
    for (int64_t i = begin; i < end; i++) {
        float x = g[i];
        m[i] += x;
        v[i] -= x;
        p[i] += x;
    }
}

static void probe_memory(int threads, bool adam) {
    float *b[4];
    const int64_t n = BYTES / 4;
    double best = 0.0, began = now();
    for (int i = 0; i < 4; i++)
        b[i] = buffer();
    for (int round = 0; round < 3 || now() - began < 2 * SECONDS; round++) {
        double start = now();
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static, 1)
#endif
        for (int k = 0; k < threads; k++) {
            int64_t from = n * k / threads, to = n * (k + 1) / threads;
            if (adam)
                adam_pattern(b[0], b[1], b[2], b[3], from, to);
            else
                memcpy(b[0] + from, b[1] + from, (size_t)(to - from) * 4);
        }
        double rate = (adam ? 7.0 : 1.0) * BYTES / (now() - start);
        best = rate > best ? rate : best;
    }
    for (int i = 0; i < 4; i++)
        free(b[i]);
    print(adam ? "stream" : "memcpy", best);
}

int main(int argc, char **argv) {
    int threads = argc > 2 ? atoi(argv[1]) : 0;
    if (threads < 1) {
        fputs("usage: bench_probe THREADS peak|fma|bf16|stream|memcpy ...\n", stderr);
        return 2;
    }
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    printf("{\"threads\": %d", threads);
    separator = ", ";
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "peak") == 0)
            probe_peak(threads);
        else if (strcmp(argv[i], "fma") == 0)
            probe_fma(threads);
        else if (strcmp(argv[i], "bf16") == 0)
            probe_bf16(threads);
        else if (strcmp(argv[i], "stream") == 0 || strcmp(argv[i], "memcpy") == 0)
            probe_memory(threads, argv[i][0] == 's');
        else {
            fprintf(stderr, "bench_probe: there is no probe '%s'\n", argv[i]);
            return 2;
        }
    }
    puts("}");
    return 0;
}

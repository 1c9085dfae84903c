/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine reaches at best with the engine's threads: multiply-adds in
 * registers, and a stream through memory. */
#include <stdlib.h>
#include <time.h>

#include "../shared/dots.h"
#include "cpu.h"

#define STREAM_BYTES ((uint64_t)96 << 20) /* of each of two arrays */
#define TRIES        7                    /* the best one counts */

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct adding {
    float (*run)(int64_t rounds);
    int64_t rounds;
    volatile float sink;
};

static void add_range(void *context, int64_t begin, int64_t end, int thread) {
    struct adding *a = context;
    (void)thread;
    for (int64_t i = begin; i < end; i++)
        a->sink = a->run(a->rounds);
}

/* each: operations of one round. */
static double flops(float (*run)(int64_t rounds), double each, int threads) {
    struct adding a = {.run = run, .rounds = 1000};
    double best = 0.0, took = 0.0;
    while (took < 0.005) { /* until one try takes some milliseconds */
        a.rounds *= 4;
        double began = seconds();
        cpu_parallel(threads, threads, 1, add_range, &a);
        took = seconds() - began;
    }
    double work = each * (double)a.rounds * (double)threads;
    for (int i = 0; i < TRIES; i++) {
        double began = seconds();
        cpu_parallel(threads, threads, 1, add_range, &a);
        double rate = work / (seconds() - began);
        best = rate > best ? rate : best;
    }
    return best;
}

struct stream {
    float *x, *y;
};

static void fill_range(void *context, int64_t begin, int64_t end, int thread) {
    struct stream *s = context;
    (void)thread;
    for (int64_t i = begin; i < end; i++)
        s->x[i] = s->y[i] = 1.0f;
}

static void stream_range(void *context, int64_t begin, int64_t end, int thread) {
    struct stream *s = context;
    const float *restrict x = s->x;
    float *restrict y = s->y;
    (void)thread;
    for (int64_t i = begin; i < end; i++)
        y[i] = y[i] * 0.5f + x[i];
}

static double bytes(int threads) {
    uint64_t left = cpu_memory_left();
    int64_t n = (int64_t)(STREAM_BYTES / sizeof(float));
    double best = 0.0;
    if (left && left < 4 * STREAM_BYTES)
        return 0.0;
    struct stream s = {aligned_alloc(64, STREAM_BYTES),
                       aligned_alloc(64, STREAM_BYTES)};
    for (int i = -1; s.x && s.y && i < TRIES; i++) {
        double began = seconds();
        cpu_parallel(threads, n, 1 << 16, i < 0 ? fill_range : stream_range, &s);
        double rate = 3.0 * (double)STREAM_BYTES / (seconds() - began);
        if (i >= 0 && rate > best)
            best = rate;
    }
    free(s.x);
    free(s.y);
    return best;
}

int32_t cpu_peaks(const struct cpu_engine *g, struct rn_device_peaks *out,
                  struct rn_error *e) {
    int threads = cpu_engine_threads(g);
    const struct cpu_isa *isa = cpu_isa(g);
    const struct dots *dots[] = {dots_avx512(), dots_amx()};
    (void)e;
    out->flops = flops(isa->multiply_add, (double)isa->multiply_add_flops, threads);
    for (int i = 0; i < 2 && cpu_bf16(g); i++) {
        double rate = dots[i] ? flops(dots[i]->run, dots[i]->flops, threads) : 0.0;
        out->bf16 = rate > out->bf16 ? rate : out->bf16;
    }
    out->bytes = bytes(threads);
    return RN_OK;
}

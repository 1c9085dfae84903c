/* SPDX-License-Identifier: Apache-2.0 */
/* Loops that do nothing but arithmetic, compiled once for each instruction set. */
#ifndef BENCH_PROBE_FMA_H
#define BENCH_PROBE_FMA_H

#include <stdint.h>

struct fma {
    double flops;                 /* of one round, by one thread */
    float (*run)(int64_t rounds); /* the sum, so that nothing is left out */
};
extern const struct fma fma_base, fma_v3, fma_v4;

#endif

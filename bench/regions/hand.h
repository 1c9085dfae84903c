/* SPDX-License-Identifier: Apache-2.0 */
/* What a person would write for one step: loops with everything fused, compiled with
 * the flags of the cpu backend for each instruction set. */
#ifndef BENCH_REGIONS_HAND_H
#define BENCH_REGIONS_HAND_H

#include <stdint.h>

struct adamw {
    float *p, *m, *v;
    const float *g;
    float lr, decay, beta1, beta2, eps, c1, c2; /* c = 1 - beta^t */
};

struct hand {
    void (*adamw)(const struct adamw *a, int64_t begin, int64_t end);
    /* Focal loss of log p, and its derivative. */
    void (*focal)(const float *log_p, float *loss, float *d, float alpha, float gamma,
                  int64_t begin, int64_t end);
};
extern const struct hand hand_base, hand_v3, hand_v4;

#endif

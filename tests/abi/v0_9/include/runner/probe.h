/* SPDX-License-Identifier: Apache-2.0 */
/* What the compiler was allowed to do with this plugin's arithmetic. Numbers of runner
 * are defined: they need the flags that pkg-config gives (-fno-fast-math
 * -ffp-contract=off). RN_PLUGIN puts the answer into the entry. */
#ifndef RUNNER_PROBE_H
#define RUNNER_PROBE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RN_NUMERICS_FAST_MATH  1u /* -ffast-math, -Ofast, or a part of them */
#define RN_NUMERICS_CONTRACTED 2u /* a * b + c is rounded once: -ffp-contract=fast */

/* Compiled as the plugin is, so that the answer is its own. */
static inline uint32_t rn_probe_numerics(void) {
    /* Read twice, so that one product is not used for both. */
    volatile double near_one = 1.0 + 1.0 / 134217728.0; /* 1 + 2^-27 */
    double a = near_one, b = near_one;
    volatile double rounded = a * a; /* 1 + 2^-26: its 2^-54 is lost */
    double product = rounded, left = b * b - product;
    uint32_t found = left != 0.0 ? RN_NUMERICS_CONTRACTED : 0u;
#if defined(__FAST_MATH__) ||                                                          \
    (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ > 0)
    found |= RN_NUMERICS_FAST_MATH;
#endif
    return found;
}

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* AdamW and focal loss by hand; HAND names the instruction set. Inlined by force: a
 * loop with a call in it does not become vectors. */
#define inline inline __attribute__((always_inline))
#include <runner/numerics.h>

#include "hand.h"

static void adamw(const struct adamw *a, int64_t begin, int64_t end) {
    float *p = a->p, *m = a->m, *v = a->v;
    const float *g = a->g;
    const float b1 = a->beta1, b2 = a->beta2, o1 = 1.0f - b1, o2 = 1.0f - b2;
    const float root = sqrtf(a->c2), eps = a->eps * root, rate = a->lr * root / a->c1,
                keep = 1.0f - a->lr * a->decay;
#pragma GCC ivdep
    for (int64_t i = begin; i < end; i++) {
        const float x = g[i];
        const float mi = b1 * m[i] + o1 * x;
        const float vi = b2 * v[i] + o2 * (x * x);
        m[i] = mi;
        v[i] = vi;
        p[i] = p[i] * keep - rate * (mi / (sqrtf(vi) + eps));
    }
}

static void focal(const float *log_p, float *loss, float *d, float alpha, float gamma,
                  int64_t begin, int64_t end) {
#pragma GCC ivdep
    for (int64_t i = begin; i < end; i++) {
        const float l = log_p[i], p = rn_exp_f32(l), miss = 1.0f - p;
        const float w = rn_pow_f32(miss, gamma);
        const float slope = gamma * rn_pow_f32(miss, gamma - 1.0f);
        loss[i] = alpha * (-w * l);
        d[i] = alpha * (slope * p * l - w);
    }
}

const struct hand HAND = {adamw, focal};

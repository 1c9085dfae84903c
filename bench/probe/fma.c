/* SPDX-License-Identifier: Apache-2.0 */
/* Multiply and add as fast as registers allow: FMA names the instruction set. Twelve
 * chains hide the latency of two units and fit into sixteen registers with two
 * constants. Without FMA instructions a round is a product and a sum each. */
#include "fma.h"

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif
#define CHAINS 12

typedef float vector __attribute__((vector_size(4 * LANES)));

static float run(int64_t rounds) {
    vector x[CHAINS], factor, term;
    float sum = 0.0f;
    for (int i = 0; i < LANES; i++) {
        factor[i] = 0.999f;
        term[i] = 0.001f * (float)(i + 1);
        for (int k = 0; k < CHAINS; k++)
            x[k][i] = (float)(k + i);
    }
    for (int64_t r = 0; r < rounds; r++)
        for (int k = 0; k < CHAINS; k++)
            x[k] = x[k] * factor + term;
    for (int k = 0; k < CHAINS; k++)
        for (int i = 0; i < LANES; i++)
            sum += x[k][i];
    return sum;
}

const struct fma FMA = {2.0 * LANES * CHAINS, run};

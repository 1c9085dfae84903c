/* SPDX-License-Identifier: Apache-2.0 */
/* Loops that do nothing but multiply bf16, for peaks; NULL: the machine has none. */
#ifndef BACKEND_SHARED_DOTS_H
#define BACKEND_SHARED_DOTS_H

#include <stdint.h>

struct dots {
    double flops;                 /* of one round, by one thread */
    float (*run)(int64_t rounds); /* a sum, so that nothing is left out */
};
const struct dots *dots_avx512(void);
const struct dots *dots_amx(void);

#endif

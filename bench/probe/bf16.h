/* SPDX-License-Identifier: Apache-2.0 */
/* Peaks of bf16, where there are any: NULL elsewhere. */
#ifndef BENCH_PROBE_BF16_H
#define BENCH_PROBE_BF16_H

#include "fma.h"

const struct fma *bf16_avx512(void);
const struct fma *bf16_amx(void);

#endif

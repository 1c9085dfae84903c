/* SPDX-License-Identifier: Apache-2.0 */
/* Products of many rows of f32 with many others, a block at a time, with the widest
 * instructions of this processor. Sums differ in their last bits between processors:
 * whoever decides by them leaves room for it. */
#ifndef BASE_DOTS_H
#define BASE_DOTS_H

#include <stdbool.h>
#include <stdint.h>

#define DOTS_ROWS    8u
#define DOTS_COLUMNS 16u

/* out[i * DOTS_COLUMNS + j] = sum over k of a[i * depth + k] * panel[k * DOTS_COLUMNS +
 * j]. a: [DOTS_ROWS, depth]; panel: [depth, DOTS_COLUMNS], 64-aligned; out 64-aligned.
 * Is any of them at least `least`? */
typedef bool (*dots_fn)(const float *a, const float *panel, uint32_t depth, float least,
                        float *out);
dots_fn dots_find(void);

#endif

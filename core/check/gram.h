/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of products of columns, row by row. */
#ifndef CHECK_GRAM_H
#define CHECK_GRAM_H

#include <stdint.h>

#define GRAM_ROWS  8u
#define GRAM_LANES 8u /* columns are a multiple of it */

/* sum[i][j] += row[0][i] row[0][j], then of row 1, and so on, for j <= i (and some j
 * behind, which mean nothing). rows: [n <= GRAM_ROWS][columns]; sum:
 * [columns][columns]; both on 64 bytes. No product is fused with its sum, so that the
 * bits are the same on every machine. */
typedef void (*gram_fn)(double *sum, const double *rows, uint32_t n, uint32_t columns);
gram_fn gram_find(void);

#endif

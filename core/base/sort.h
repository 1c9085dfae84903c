/* SPDX-License-Identifier: Apache-2.0 */
/* Sorting many numbers. */
#ifndef BASE_SORT_H
#define BASE_SORT_H

#include <stdint.h>

/* Into rising order, -0 before 0, NaN last; returns how many are not NaN. Radix sort by
 * bytes of an order-preserving key: O(n), with as much scratch memory as v. */
uint64_t sort_f64(double *v, uint64_t n);

#endif

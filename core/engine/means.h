/* SPDX-License-Identifier: Apache-2.0 */
/* Weighted means of the losses over several batches: sum(weight * loss) and sum(weight)
 * of each loss, so that the mean of an epoch is that of its rows and not that of its
 * batches. */
#ifndef ENGINE_MEANS_H
#define ENGINE_MEANS_H

#include <stdint.h>

#include "base/memory.h"

struct means {
    uint32_t count;       /* losses */
    double *sum, *weight; /* [count] */
};

void means_init(struct means *m, struct arena *a, uint32_t count);
void means_clear(struct means *m);
void means_add(struct means *m, uint32_t loss, double sum, double weight);
/* from: of as many losses. */
void means_merge(struct means *m, const struct means *from);
/* NaN where nothing weighs: the mean is not defined. */
double means_of(const struct means *m, uint32_t loss);
/* The sum of factor * mean over the losses that weigh something; NaN where none does.
 */
double means_total(const struct means *m, const double *factors);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Weighted means of the losses. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "engine/means.h"

void means_init(struct means *m, struct arena *a, uint32_t count) {
    m->count = count;
    m->sum = arena_array(a, double, count + 1);
    m->weight = arena_array(a, double, count + 1);
}

void means_clear(struct means *m) {
    memset(m->sum, 0, m->count * sizeof *m->sum);
    memset(m->weight, 0, m->count * sizeof *m->weight);
}

void means_add(struct means *m, uint32_t loss, double sum, double weight) {
    m->sum[loss] += sum;
    m->weight[loss] += weight;
}

void means_merge(struct means *m, const struct means *from) {
    for (uint32_t i = 0; i < m->count; i++)
        means_add(m, i, from->sum[i], from->weight[i]);
}

double means_of(const struct means *m, uint32_t loss) {
    return m->weight[loss] != 0.0 ? m->sum[loss] / m->weight[loss] : NAN;
}

double means_total(const struct means *m, const double *factors) {
    double total = 0.0;
    bool any = false;
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->weight[i] == 0.0)
            continue;
        total += factors[i] * means_of(m, i);
        any = true;
    }
    return any ? total : NAN;
}

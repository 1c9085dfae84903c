/* SPDX-License-Identifier: Apache-2.0 */
/* orthogonal (Saxe et al. 2014): rows (or columns, the shorter way) of the matrix
 * [shape[0], rest] are orthonormal, by Householder-free modified Gram-Schmidt run twice
 * in double precision on normal numbers. */
#include <math.h>
#include <stdlib.h>

#include <runner/init.h>
#include <runner/numerics.h>

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    double *gain = malloc(sizeof *gain);
    *self = gain;
    if (!gain)
        return rn_fail(e, RN_E_MEMORY, "no memory for an init", NULL, NULL);
    *gain = rn_get_float(h, "gain");
    return RN_OK;
}

static double dot(const double *a, const double *b, uint64_t n) {
    double sum = 0.0;
    for (uint64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static int32_t fill(void *self, const struct rn_init_call *call, struct rn_error *e) {
    if (call->rank < 2)
        return rn_fail_layer(
            e, RN_E_CONFIG, "orthogonal needs a matrix, this has rank below 2",
            "use it for weights only: init.rules with match: {role: weight}",
            call->name);
    uint64_t rows = (uint64_t)call->shape[0], columns = rows ? call->count / rows : 0;
    int wide = columns >= rows;
    uint64_t n = wide ? rows : columns, length = wide ? columns : rows;
    if (n && length > SIZE_MAX / n / sizeof(double))
        return rn_fail(e, RN_E_MEMORY, "orthogonal: the matrix is too large", NULL,
                       NULL);
    double *q = malloc(sizeof *q * (size_t)(n * length + 1));
    if (!q)
        return rn_fail(e, RN_E_MEMORY, "no memory for orthogonal's matrix", NULL, NULL);
    for (uint64_t i = 0; i < n * length; i++)
        q[i] = (double)rn_init_normal(call->key, i);
    for (uint64_t i = 0; i < n; i++) {
        double *v = q + i * length;
        for (int twice = 0; twice < 2; twice++)
            for (uint64_t k = 0; k < i; k++) {
                double share = dot(v, q + k * length, length);
                for (uint64_t c = 0; c < length; c++)
                    v[c] -= share * q[k * length + c];
            }
        double norm = sqrt(dot(v, v, length));
        for (uint64_t c = 0; c < length; c++)
            v[c] /= norm;
    }
    for (uint64_t i = 0; i < rows; i++)
        for (uint64_t c = 0; c < columns; c++)
            call->out[i * columns + c] =
                (float)(*(double *)self *
                        (wide ? q[i * length + c] : q[c * length + i]));
    free(q);
    return RN_OK;
}

RN_INIT(orthogonal, create, free, fill, "runner/orthogonal 1",
        RN_DOC("Gain times orthonormal rows, or columns where those are fewer, of "
               "the matrix [shape[0], all the rest] (Saxe et al. 2014, section 4)")
        RN_OPTION("gain float = 1 ; above 0 | factor of the matrix"));
RN_PLUGIN(&orthogonal);

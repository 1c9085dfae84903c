/* SPDX-License-Identifier: Apache-2.0 */
/* Each sample divided by its norm over all elements of a field, as Normalizer of
 * scikit-learn; a sample of zeros stays so. Nothing is fitted. */
#include <runner/sdk/columns.h>

enum norm { L1, L2, LARGEST };

struct normalise {
    struct rn_columns columns; /* only: which fields are taken */
    enum norm norm;
};

static const struct rn_columns_kind kind = {.part_count = 0};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct normalise *s = calloc(1, sizeof *s);
    const char *norm = rn_get_string(h, "norm");
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    rn_columns_init(&s->columns, &kind, h, 0);
    s->norm = strcmp(norm, "l1") == 0 ? L1 : strcmp(norm, "l2") == 0 ? L2 : LARGEST;
    return RN_OK;
}

/* NaN where an element is missing. The squares are of elements divided by the largest,
 * so that none overflows. */
static double norm_of(enum norm norm, const double *x, uint64_t n) {
    double most = 0.0, sum = 0.0;
    for (uint64_t k = 0; k < n; k++) {
        if (x[k] != x[k])
            return NAN;
        most = fabs(x[k]) > most ? fabs(x[k]) : most;
    }
    for (uint64_t k = 0; most > 0.0 && k < n; k++)
        sum += norm == L1 ? fabs(x[k]) : x[k] / most * (x[k] / most);
    return norm == LARGEST ? most : norm == L1 ? sum : most * sqrt(sum);
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct normalise *s = self;
    for (uint32_t i = 0; i < s->columns.in_count; i++) {
        const struct rn_columns_field *f = s->columns.in[i].of;
        double *y = call->out[i].data;
        if (!f) {
            memcpy(call->out[i].data, call->in[i].data,
                   call->rows * s->columns.in[i].bytes);
            continue;
        }
        for (uint64_t r = 0; r < call->rows; r++, y += f->elements) {
            rn_columns_get(&s->columns, i, &call->in[i], r * f->elements, f->elements,
                           y);
            double norm = norm_of(s->norm, y, f->elements);
            if (norm != norm) {
                rn_failf(e, RN_E_DATA, NULL, 0, 0,
                         "field '%s': a number is missing, so there is no norm",
                         f->name);
                rn_hintf(e, "add {type: impute, of: %s} before it", f->name);
                return RN_E_DATA;
            }
            for (uint64_t k = 0; norm > 0.0 && k < f->elements; k++)
                y[k] /= norm;
        }
    }
    return RN_OK;
}

static const struct rn_transform iface = {sizeof(struct rn_transform),
                                          0,
                                          create,
                                          rn_columns_destroy,
                                          rn_columns_plan,
                                          NULL,
                                          NULL,
                                          NULL,
                                          apply,
                                          NULL,
                                          NULL,
                                          NULL};

RN_TRANSFORM(normalise, iface, "runner/normalise 1",
             RN_DOC("Divide each sample by its norm, as f64")
             RN_FITTED_OF_OPTION
             RN_OPTION("norm choice(l1,l2,max) = l2 | sum of magnitudes, root of the "
                       "sum of squares, or the largest magnitude"));
RN_PLUGIN(&normalise);

/* SPDX-License-Identifier: Apache-2.0 */
/* Rows drawn with probabilities in proportion to a field. With replacement: by the
 * inverse of the cumulated weights. Without: the `samples` largest of u^(1/w), u
 * uniform (Efraimidis and Spirakis 2006, algorithm A), here the smallest of -log(u)/w;
 * what was drawn is then shuffled, since large weights tend to come first. */
#include <math.h>
#include <stdlib.h>

#include <runner/sampler.h>
#include <runner/sdk/draw.h>
#include <runner/sdk/error.h>
#include <runner/sdk/field.h>

struct weighted {
    uint64_t samples; /* 0: as many as there are rows */
    int replacement;
    uint64_t rows;
    double *weights; /* [rows]; with replacement: of this row and all before */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct weighted *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a sampler", NULL, NULL);
    if (rn_has(h, "samples"))
        s->samples = (uint64_t)rn_get_int(h, "samples");
    s->replacement = rn_get_bool(h, "replacement");
    return RN_OK;
}

static void destroy(void *self) {
    struct weighted *s = self;
    if (s)
        free(s->weights);
    free(s);
}

static int32_t check_field(const struct rn_sampler_plan *p, struct rn_error *e) {
    if (p->field_count != 1) {
        rn_fail_option(e, RN_E_CONFIG, p->field_count ? "of" : NULL,
                       p->field_count ? "one field has the weights, not %u"
                                      : "the field that has the weights is missing",
                       p->field_count);
        rn_hintf(e, "of: the field with one number a sample, 0 or more");
        return RN_E_CONFIG;
    }
    const struct rn_field *f = rn_sampler_field(p, 0);
    if (!(f->flags & RN_FIELD_TEXT) && rn_field_elements(f) == 1)
        return RN_OK;
    rn_fail_option(e, RN_E_CONFIG, "of", "field '%s' is not one number a sample",
                   f->name);
    return RN_E_CONFIG;
}

static int32_t check_weight(const struct rn_sampler_plan *p, uint64_t row, double w,
                            struct rn_error *e) {
    const struct rn_field *f = rn_sampler_field(p, 0);
    if (w >= 0.0 && w <= 1e300)
        return RN_OK;
    return rn_failf(
        e, RN_E_DATA, NULL, 0, 0,
        "sample %lld has the weight %g in field '%s'; weights are 0 or more",
        (long long)p->sample_ids[row], w, f->name);
}

static int32_t plan(void *self, struct rn_sampler_plan *p, struct rn_error *e) {
    struct weighted *s = self;
    int32_t status = check_field(p, e);
    uint64_t positive = 0;
    double sum = 0.0;
    if (status != RN_OK)
        return status;
    s->rows = p->rows;
    s->weights = malloc(p->rows * sizeof *s->weights);
    if (!s->weights)
        return rn_fail(e, RN_E_MEMORY, "no memory for the weights", NULL, NULL);
    for (uint64_t i = 0; i < p->rows && status == RN_OK; i++) {
        double w;
        rn_numbers_get(p->values[0].data, p->values[0].dtype, i, 1, &w);
        status = check_weight(p, i, w, e);
        sum += w;
        positive += w > 0.0;
        s->weights[i] = s->replacement ? sum : w;
    }
    if (status != RN_OK)
        return status;
    p->count = s->samples ? s->samples : s->replacement ? p->rows : positive;
    if (!positive || !isfinite(sum))
        return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                        "the weights in field '%s' add up to %g in training",
                        rn_sampler_field(p, 0)->name, sum);
    if (s->replacement || p->count <= positive)
        return RN_OK;
    rn_fail_option(e, RN_E_CONFIG, "samples",
                   "%llu samples cannot be drawn without replacement from %llu whose "
                   "weight is above 0",
                   (unsigned long long)p->count, (unsigned long long)positive);
    return RN_E_CONFIG;
}

/* The first row whose cumulated weight is above x. */
static uint64_t find(const double *sums, uint64_t rows, double x) {
    uint64_t low = 0, high = rows - 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (sums[middle] > x)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

struct entry {
    double key;
    uint64_t row;
};

static int by_key(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static int32_t without_replacement(const struct weighted *s, struct rn_draws *d,
                                   const struct rn_sampler_call *call,
                                   struct rn_error *e) {
    struct entry *all = rn_scratch(call->work, s->rows * sizeof *all);
    uint64_t n = 0;
    if (!all)
        return rn_fail(e, RN_E_MEMORY, "no memory for an epoch", NULL, NULL);
    for (uint64_t i = 0; i < s->rows; i++) {
        double u = rn_draw_uniform(d);
        if (s->weights[i] > 0.0)
            all[n++] = (struct entry){-rn_log_f64(u) / s->weights[i], i};
    }
    qsort(all, n, sizeof *all, by_key);
    for (uint64_t i = 0; i < call->count; i++)
        call->order[i] = all[i].row;
    rn_draw_shuffle(d, call->order, call->count);
    return RN_OK;
}

static int32_t order(void *self, const struct rn_sampler_call *call,
                     struct rn_error *e) {
    const struct weighted *s = self;
    struct rn_draws d = rn_draws_begin(call->key, (uint32_t)call->epoch,
                                       (uint32_t)(call->epoch >> 32), 0);
    if (!s->replacement)
        return without_replacement(s, &d, call, e);
    double sum = s->weights[s->rows - 1];
    for (uint64_t i = 0; i < call->count; i++)
        call->order[i] = find(s->weights, s->rows, rn_draw_uniform(&d) * sum);
    return RN_OK;
}

static const struct rn_sampler iface = {
    sizeof(struct rn_sampler), 0, create, destroy, plan, order};

RN_SAMPLER(
    weighted, iface, "runner/weighted 1",
    RN_DOC("Rows at random, with probabilities in proportion to a field")
        RN_OPTION("samples int ; min 1 ; max 1000000000000 | samples of an epoch; "
                  "default: as many as the training split has, without replacement "
                  "as many as have a weight above 0")
            RN_OPTION("replacement bool = true | a row may come several times in an "
                      "epoch"));
RN_PLUGIN(&weighted);

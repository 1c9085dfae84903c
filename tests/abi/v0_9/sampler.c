/* SPDX-License-Identifier: Apache-2.0 */
/* A sampler whose effect is easy to see: an epoch is one row, `samples` times: the
 * first whose field `of` has the largest value, and in odd epochs the first with the
 * least. */
#include <stdlib.h>

#include <runner/sampler.h>

struct single {
    uint64_t samples, row[2];
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct single *s = (struct single *)calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a sampler", NULL, NULL);
    s->samples = (uint64_t)rn_get_int(h, "samples");
    return RN_OK;
}

static int32_t plan(void *self, struct rn_sampler_plan *p, struct rn_error *e) {
    struct single *s = (struct single *)self;
    if (p->field_count != 1 || rn_sampler_field(p, 0)->dtype != RN_I64 ||
        rn_sampler_field(p, 0)->rank)
        return rn_fail(e, RN_E_CONFIG, "one i64 field decides", NULL, "of");
    const int64_t *v = (const int64_t *)p->values[0].data;
    for (uint64_t i = 1; i < p->rows; i++) {
        if (p->sample_ids[i] <= p->sample_ids[i - 1])
            return rn_fail(e, RN_E_INTERNAL, "the ids do not rise", NULL, NULL);
        if (v[i] > v[s->row[0]])
            s->row[0] = i;
        if (v[i] < v[s->row[1]])
            s->row[1] = i;
    }
    p->count = s->samples;
    return RN_OK;
}

static int32_t order(void *self, const struct rn_sampler_call *call,
                     struct rn_error *e) {
    const struct single *s = (const struct single *)self;
    (void)e;
    for (uint64_t i = 0; i < call->count; i++)
        call->order[i] = s->row[call->epoch % 2];
    return RN_OK;
}

static const struct rn_sampler iface = {
    sizeof(struct rn_sampler), 0, create, free, plan, order};

RN_SAMPLER(single, iface, "acme.data/single 1",
           RN_DOC("One row all the time")
               RN_OPTION("samples int = 128 ; min 1 | samples of an epoch"));
RN_PLUGIN(&single);

/* SPDX-License-Identifier: Apache-2.0 */
/* What an init may ask of the training samples (RN_EXT_SAMPLES). */
#include <string.h>

#include "plugin/guard.h"
#include "setup/setup.h"

static int32_t first_samples(struct rn_host *h, const char *field, uint64_t n,
                             struct rn_tensor *out, struct rn_error *e) {
    struct setup *s = instance_context(h);
    const struct data_field *f = data_field_find(s->data, field);
    uint64_t rows = data_rows(s->data, DATA_TRAIN);
    struct batch b;
    if (!f)
        return error_set(e, RN_E_CONFIG, "the sample has no field '%s'", field);
    loader_close(s->samples);
    s->samples = NULL;
    struct loader_options o = {.split = DATA_TRAIN,
                               .batch = n < rows ? n : rows,
                               .seed = s->x->seed,
                               .once = true};
    int status = loader_open(s->data, &o, &s->samples, e);
    if (status == RN_OK)
        status = loader_next(s->samples, &b, e);
    if (status != RN_OK)
        return status;
    int64_t *shape = arena_array(s->arena, int64_t, f->rank + 1);
    shape[0] = (int64_t)b.rows;
    memcpy(shape + 1, f->shape, f->rank * sizeof *shape);
    for (uint32_t i = 0; i < data_field_count(s->data); i++)
        if (data_field_at(s->data, i) == f)
            *out =
                (struct rn_tensor){guard_bytes(guard_lent(h), RN_GUARD_IN, "field",
                                               f->name, b.fields[i], b.rows * f->bytes),
                                   shape, NULL, f->dtype, f->rank + 1};
    return RN_OK;
}

const struct rn_samples_api *setup_samples(const struct setup *s) {
    static const struct rn_samples_api api = {sizeof api, 0, first_samples};
    return s->use == ENGINE_TRAIN ? &api : NULL;
}

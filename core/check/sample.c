/* SPDX-License-Identifier: Apache-2.0 */
/* The samples that the network gets, after the transforms. */
#include <math.h>
#include <string.h>

#include <runner/sdk/field.h>

#include "check/check.h"

struct sampling {
    struct check *c;
    uint32_t *first;          /* [fields] of its columns; UINT32_MAX: not looked at */
    struct moments_sum *sums; /* [columns] */
    uint64_t begin;           /* of the split, counted through */
    double *numbers;          /* of one row */
};

/* Does a model read it: is its name, or the raw field that has it, an input? */
static bool is_input(const struct check *c, const struct data_field *f) {
    if (f->text || f->target || f->dtype != RN_F32)
        return false;
    for (uint32_t i = 0; i < data_raw_count(c->data); i++)
        if (strcmp(data_raw_at(c->data, i).name, f->name) == 0)
            return c->roles.input[i];
    return true;
}

static void note(struct sample_column *s, struct moments_sum *sum, double v,
                 uint64_t row) {
    if (!isfinite(v)) {
        s->row = s->not_finite++ ? s->row : row;
        return;
    }
    s->min = isnan(s->min) || v < s->min ? v : s->min;
    s->max = isnan(s->max) || v > s->max ? v : s->max;
    moments_add(sum, v);
}

static int sample_chunk(void *context, const struct data_chunk *k, struct rn_error *e) {
    struct sampling *s = context;
    (void)e;
    for (uint32_t i = 0; i < data_field_count(s->c->data); i++) {
        const struct data_field *f = data_field_at(s->c->data, i);
        if (s->first[i] == UINT32_MAX)
            continue;
        uint64_t each = f->bytes / RN_DTYPE_BYTES(f->dtype);
        for (uint64_t r = 0; r < k->rows; r++) {
            rn_numbers_get(k->fields[i], f->dtype, r * each, each, s->numbers);
            for (uint64_t j = 0; j < each; j++) {
                uint32_t at = s->first[i];
                at += s->c->samples[at].image ? 0 : (uint32_t)j;
                note(&s->c->samples[at], &s->sums[at], s->numbers[j],
                     s->begin + k->first + r);
            }
        }
    }
    return RN_OK;
}

static uint64_t plan_columns(struct check *c, struct sampling *s) {
    uint64_t most = 1, n = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < data_field_count(c->data); i++) {
            const struct data_field *f = data_field_at(c->data, i);
            uint64_t each = f->bytes / RN_DTYPE_BYTES(f->dtype);
            bool image = f->rank > 1 || each > 256;
            s->first[i] = UINT32_MAX;
            if (!is_input(c, f))
                continue;
            most = each > most ? each : most;
            if (!pass) {
                n += image ? 1 : each;
                continue;
            }
            s->first[i] = c->sample_count;
            for (uint64_t j = 0; j < (image ? 1 : each); j++)
                c->samples[c->sample_count++] = (struct sample_column){.field = f->name,
                                                                       .element = j,
                                                                       .image = image,
                                                                       .min = NAN,
                                                                       .max = NAN};
        }
        if (!pass)
            c->samples = arena_array(c->arena, struct sample_column, n + 1);
    }
    return most;
}

int check_samples(struct check *c, struct rn_error *e) {
    uint32_t n = data_field_count(c->data);
    struct sampling s = {.c = c, .first = memory_get((n + 1) * sizeof *s.first)};
    uint64_t most = plan_columns(c, &s);
    bool *wanted = memory_get(n + 1);
    int status = RN_OK;
    for (uint32_t i = 0; i < n; i++)
        wanted[i] = s.first[i] != UINT32_MAX;
    s.sums = memory_get(memory_mul(c->sample_count + 1, sizeof *s.sums));
    s.numbers = memory_get(memory_mul(most, sizeof *s.numbers));
    for (int k = 0; k < DATA_SPLITS && status == RN_OK && c->sample_count; k++) {
        status = data_scan_samples(c->data, (enum data_split_kind)k, wanted,
                                   sample_chunk, &s, e);
        s.begin += data_rows(c->data, (enum data_split_kind)k);
    }
    for (uint32_t i = 0; i < c->sample_count; i++)
        c->samples[i].m = moments_total(&s.sums[i]);
    memory_release(s.first);
    memory_release(wanted);
    memory_release(s.sums);
    memory_release(s.numbers);
    return status;
}

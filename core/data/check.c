/* SPDX-License-Identifier: Apache-2.0 */
/* Every sample tried on what may refuse it, before anything is trained or predicted. */
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "data/internal.h"

#define EXACT_F32 16777216.0         /* 2^24: whole numbers up to here are f32 */
#define EXACT_F64 9007199254740992.0 /* 2^53 */

struct check {
    const struct data *data;
    struct demand *demand; /* what has to be made for it */
    bool *inexact;         /* [derived_count] reported */
};

/* A stage that takes every value of its type need not be tried. */
static bool refuses(const struct transform_slot *g) {
    return !(g->iface->flags & RN_TRANSFORM_TOTAL);
}

static bool asked(const struct data *data, uint32_t column) {
    return !data->pipeline.demand || data->pipeline.demand->columns[column];
}

static bool nullable(const struct column *c) {
    return (c->field.flags & (RN_FIELD_NULLABLE | RN_FIELD_TEXT)) == RN_FIELD_NULLABLE;
}

/* Returns whether there is anything to try. */
static bool choose(struct check *c) {
    const struct data *data = c->data;
    bool any = false;
    for (uint32_t s = 0; s < data->pipeline.transform_count; s++) {
        const struct transform_slot *g = &data->pipeline.transforms[s];
        if (!refuses(g) ||
            (data->pipeline.demand && !data->pipeline.demand->transforms[s]))
            continue;
        for (uint32_t i = 0; i < g->out_count; i++)
            demand_add(c->demand, data, g->out[i]);
        any = true;
    }
    for (uint32_t i = 0; i < data->field_count; i++) {
        uint32_t column = data->field_columns[i];
        bool derived = false;
        for (uint32_t k = 0; k < data->pipeline.derived_count; k++)
            derived |= data->pipeline.derived[k].to == column;
        if (!asked(data, column) ||
            !(derived || nullable(&data->pipeline.columns[column])))
            continue;
        demand_add(c->demand, data, column);
        any = true;
    }
    return any;
}

/* A whole number that becomes another one as f32; reported once per field. */
static void warn_inexact(struct check *c, const struct reader *r, uint32_t i,
                         uint64_t n) {
    const struct derived *w = &c->data->pipeline.derived[i];
    const struct column *from = &c->data->pipeline.columns[w->from];
    const double *v = (const void *)r->columns[w->from];
    if (from->field.dtype != RN_F64)
        return;
    uint64_t each = from->bytes / sizeof *v;
    for (uint64_t k = 0; k < n * each && !c->inexact[i]; k++) {
        double a = fabs(v[k]);
        if (!(a > EXACT_F32 && a <= EXACT_F64) || v[k] != rint(v[k]) ||
            (double)(float)v[k] == v[k])
            continue;
        c->inexact[i] = true;
        log_say(session_log(c->data->options.session), RN_LOG_WARNING,
                "%s: row %llu, field '%s': %.17g becomes %.17g, as whole numbers above "
                "2^24 are not exact in f32; {type: standardise, of: %s} keeps their "
                "differences",
                table_file(r->table, from),
                (unsigned long long)r->indices[k / each] + 1, from->field.name, v[k],
                (double)(float)v[k], from->field.name);
    }
}

static int try_rows(struct check *c, struct reader *r, const int64_t *ids, uint64_t n,
                    struct rn_error *e) {
    const struct data *data = c->data;
    int status = reader_read(r, n, ids, e);
    if (status == RN_OK)
        status = reader_apply(r, n, data->pipeline.transform_count, e);
    for (uint32_t i = 0; i < data->pipeline.derived_count && status == RN_OK; i++)
        if (c->demand->columns[data->pipeline.derived[i].to] && !c->inexact[i])
            warn_inexact(c, r, i, n);
    for (uint32_t i = 0; i < data->field_count && status == RN_OK; i++) {
        struct data_outside at;
        uint32_t k = data->field_columns[i];
        if (c->demand->columns[k] && nullable(&data->pipeline.columns[k]) &&
            range_missing_in(&data->pipeline.columns[k], r->table, r->columns[k], ids,
                             n, &at))
            status = pipeline_missing(data, k, &at, e);
    }
    return status;
}

static int try_split(struct check *c, enum data_split_kind split, struct rn_error *e) {
    const struct data *data = c->data;
    uint64_t rows = data->splits[split].rows;
    struct reader r;
    if (!rows)
        return RN_OK;
    int status = reader_open(data, &data->sources.at[data->splits[split].table],
                             DATA_CHUNK, c->demand, &r, e);
    for (uint64_t at = 0; at < rows && status == RN_OK; at += DATA_CHUNK) {
        uint64_t n = rows - at < DATA_CHUNK ? rows - at : DATA_CHUNK;
        status = try_rows(c, &r, data->splits[split].ids + at, n, e);
    }
    reader_close(&r);
    if (status != RN_OK && data->options.mode == DATA_FOR_TRAINING)
        error_context(e, "%s split", data_split_name(split));
    return status;
}

int data_check(const struct data *data, struct rn_error *e) {
    struct check c = {data, demand_create(data),
                      memory_get(data->pipeline.derived_count + 1)};
    int status = RN_OK;
    error_clear(e);
    for (uint32_t i = 0; i < data->pipeline.column_count && status == RN_OK; i++)
        if (data->pipeline.columns[i].wrong && asked(data, i)) {
            *e = *data->pipeline.columns[i].wrong;
            status = e->status;
        }
    bool any = status == RN_OK && choose(&c);
    for (int s = 0; s < DATA_SPLITS && status == RN_OK && any; s++)
        status = try_split(&c, (enum data_split_kind)s, e);
    demand_destroy(c.demand);
    memory_release(c.inexact);
    return status;
}

void data_restrict(struct data *data, const bool *wanted) {
    demand_destroy(data->pipeline.demand);
    data->pipeline.demand = demand_create(data);
    for (uint32_t i = 0; i < data->field_count; i++)
        if (wanted[i])
            demand_add(data->pipeline.demand, data, data->field_columns[i]);
}

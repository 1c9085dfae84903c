/* SPDX-License-Identifier: Apache-2.0 */
/* data.drop_missing: rows without a value are left out of the split. */
#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "base/suggest.h"
#include "base/text.h"
#include "data/drop.h"
#include "data/keys.h"
#include "data/split.h"

/* Of a sample in dropped.mark. */
enum { HAS_ALL, LACKS, DROPPED };

/* A field that the option names, or one element of a field. */
struct drop_key {
    const char *name;
    uint32_t column;
    int64_t element;  /* -1: any */
    uint64_t missing; /* rows without it, of those that may be left out */
};

struct drop_option {
    uint32_t count;
    struct drop_key *keys;
    bool test; /* rows of the test too */
};

static int refuse(struct rn_error *e) {
    return error_where(e, RN_WHERE_CONFIG, "drop_missing", 0, 0);
}

/* -------------------------------------------------------------------- the pool */

uint64_t pool_count(const struct data *data) {
    return data->pool.rows ? data->pool.count
                           : data->sources.at[data->sources.main].count;
}

uint64_t pool_row(const struct data *data, uint64_t i) {
    return data->pool.rows ? data->pool.rows[i] : i;
}

/* The rows of the main source whose mark is below `from`. */
static void pool_make(struct data *data, uint8_t from) {
    const struct table *t = &data->sources.at[data->sources.main];
    const uint8_t *mark = data->dropped.mark + t->offset;
    if (!data->pool.rows)
        data->pool.rows = memory_get(memory_mul(t->count + 1, sizeof(uint64_t)));
    data->pool.count = 0;
    for (uint64_t i = 0; i < t->count; i++)
        if (mark[i] < from)
            data->pool.rows[data->pool.count++] = i;
}

/* ------------------------------------------------------------------- the option */

/* An element by the name that the source gives it. */
static bool find_element(const struct data *data, const char *name,
                         struct drop_key *out) {
    const struct table *t = &data->sources.at[data->sources.main];
    size_t n = strlen(name);
    for (uint32_t i = 0; i < t->field_count; i++) {
        int64_t element = 0;
        for (const char *s = t->layouts[i]; *s; s += *s == ',', element++) {
            size_t length = strcspn(s, ",");
            if (length == n && memcmp(s, name, n) == 0) {
                *out = (struct drop_key){name, i, element, 0};
                return true;
            }
            s += length;
        }
    }
    return false;
}

static int find_key(const struct data *data, const char *name, struct drop_key *out,
                    struct rn_error *e) {
    struct suggest all = {0};
    for (uint32_t i = 0; i < data->pipeline.raw_count; i++) {
        const char *field = data->pipeline.columns[i].field.name;
        suggest_add(&all, field);
        if (strcmp(field, name) != 0)
            continue;
        *out = (struct drop_key){name, i, -1, 0};
        suggest_finish(&all);
        return RN_OK;
    }
    int status = RN_OK;
    if (!find_element(data, name, out)) {
        error_set(e, RN_E_CONFIG, "data.drop_missing: the source has no field '%s'",
                  name);
        suggest_hint(&all, name, "it has", e);
        status = refuse(e);
    }
    suggest_finish(&all);
    return status;
}

/* The list of fields, or NULL. */
static const struct node *option_fields(const struct data *data,
                                        const struct node **test) {
    const struct node *n = node_find(data->options.data, "drop_missing");
    bool map = n && node_kind(n) == NODE_MAP;
    *test = map ? node_find(n, "test") : NULL;
    return map ? node_find(n, "of") : n;
}

void drop_names(struct data *data) {
    static const char *const any[] = {"*", NULL};
    const struct node *test, *of = option_fields(data, &test);
    if (data->options.inspect)
        data->dropped.names = any; /* a missing target is a finding */
    if (!of || data->options.inspect || data->options.mode == DATA_FOR_PREDICTION)
        return;
    const char **names = arena_array(data->arena, const char *, node_count(of) + 1);
    for (uint32_t i = 0; i < node_count(of); i++)
        names[i] = node_string(node_item(of, i));
    data->dropped.names = names;
}

/* count 0: it is not given. */
static int read_option(struct data *data, struct drop_option *out, struct rn_error *e) {
    const struct node *test, *of = option_fields(data, &test);
    *out = (struct drop_option){.test = test && node_bool(test)};
    uint32_t count = of ? node_count(of) : 0;
    if (of && !count) {
        error_set(e, RN_E_CONFIG, "data.drop_missing names no field");
        return refuse(e);
    }
    out->keys = arena_array(data->arena, struct drop_key, count + 1);
    for (; out->count < count; out->count++) {
        int status = find_key(data, node_string(node_item(of, out->count)),
                              &out->keys[out->count], e);
        if (status != RN_OK)
            return status;
    }
    if (count && data->sources.at[data->sources.main].stream) {
        error_set(e, RN_E_CONFIG,
                  "data.drop_missing: a stream is not divided, so no sample is left "
                  "out");
        error_hint(e, "leave such samples out where the stream is made");
        return refuse(e);
    }
    return RN_OK;
}

/* ---------------------------------------------------------------- missing values */

static bool is_missing(const struct reader *r, const struct drop_key *k, uint64_t i) {
    const struct column *c = &r->data->pipeline.columns[k->column];
    const rn_dtype dtype = c->field.dtype;
    const uint8_t *at = r->columns[k->column] + i * c->bytes;
    uint64_t size = RN_DTYPE_BYTES(dtype), n = c->bytes / size;
    if (r->cells[k->column]) {
        at = cells_get(r->cells[k->column], i, &n);
        n *= field_bytes(&c->field) / size;
    }
    if (c->field.flags & RN_FIELD_TEXT)
        return !n || !*at;
    if (!dtype_float(dtype) && dtype != RN_I64)
        return false;
    uint64_t from = k->element < 0 ? 0 : (uint64_t)k->element;
    for (uint64_t j = from; j < (k->element < 0 ? n : from + 1); j++)
        if (isnan(keys_number_at(at, dtype, j)))
            return true;
    return false;
}

static void mark_rows(const struct reader *r, struct drop_option *o, const int64_t *ids,
                      uint64_t n, uint8_t *mark) {
    for (uint32_t k = 0; k < o->count; k++)
        for (uint64_t i = 0; i < n; i++)
            if (is_missing(r, &o->keys[k], i)) {
                mark[ids[i]] = LACKS;
                o->keys[k].missing++;
            }
}

static int mark_table(struct data *data, const struct table *t, struct drop_option *o,
                      struct rn_error *e) {
    struct reader r = {0};
    int64_t ids[DATA_CHUNK];
    struct demand *demand = demand_create(data);
    for (uint32_t k = 0; k < o->count; k++)
        demand_add(demand, data, o->keys[k].column);
    int status = reader_open(data, t, DATA_CHUNK, demand, &r, e);
    for (uint64_t at = 0; at < t->count && status == RN_OK; at += DATA_CHUNK) {
        uint64_t n = t->count - at < DATA_CHUNK ? t->count - at : DATA_CHUNK;
        for (uint64_t i = 0; i < n; i++)
            ids[i] = (int64_t)(t->offset + at + i);
        status = reader_read(&r, n, ids, e);
        if (status == RN_OK)
            mark_rows(&r, o, ids, n, data->dropped.mark);
    }
    reader_close(&r);
    demand_destroy(demand);
    return status;
}

static uint64_t all_samples(const struct data *data) {
    uint64_t all = 0;
    for (uint32_t i = 0; i < data->sources.count; i++)
        all += data->sources.at[i].count;
    return all;
}

/* Is the test a part of the main source that keeps its rows? */
static bool divides_first(const struct data *data, const struct drop_option *o) {
    if (split_kind_of(data) == SPLIT_FILE)
        return true;
    return !o->test && data->sources.test < 0 &&
           data_number(&data->options, "split.test") > 0;
}

static int none_left(const struct drop_option *o, const char *part, uint64_t rows,
                     struct rn_error *e) {
    struct text t = {0};
    for (uint32_t k = 0; k < o->count; k++)
        text_addf(&t, "%s%s in %llu", k ? ", " : "", o->keys[k].name,
                  (unsigned long long)o->keys[k].missing);
    error_set(e, RN_E_DATA, "data.drop_missing leaves none of %llu %s",
              (unsigned long long)rows, part);
    error_hint(e, "rows with a missing value: %s", text_get(&t));
    text_finish(&t);
    return refuse(e);
}

int drop_find(struct data *data, struct rn_error *e) {
    struct drop_option o;
    const struct table *t = &data->sources.at[data->sources.main];
    int status = read_option(data, &o, e);
    if (status != RN_OK || !o.count)
        return status;
    data->dropped.mark = memory_get(all_samples(data) + 1);
    for (uint32_t i = 0; i < data->sources.count && status == RN_OK; i++)
        if (o.test || (int)i != data->sources.test)
            status = mark_table(data, &data->sources.at[i], &o, e);
    if (status != RN_OK || divides_first(data, &o))
        return status;
    pool_make(data, LACKS);
    for (uint64_t i = 0; i < t->count; i++)
        if (data->dropped.mark[t->offset + i] == LACKS)
            data->dropped.mark[t->offset + i] = DROPPED;
    data->dropped.before = t->count - data->pool.count;
    return data->pool.count || !t->count
               ? RN_OK
               : none_left(&o, "rows of the source", t->count, e);
}

int drop_apply(struct data *data, struct rn_error *e) {
    struct drop_option o;
    int status = read_option(data, &o, e);
    for (int s = 0; s < DATA_SPLITS && o.count && status == RN_OK; s++) {
        int64_t *ids = data->splits[s].ids;
        uint64_t rows = data->splits[s].rows, kept = 0;
        if (s == DATA_TEST && !o.test)
            continue;
        for (uint64_t i = 0; i < rows; i++)
            if (data->dropped.mark[ids[i]] == HAS_ALL)
                ids[kept++] = ids[i];
            else
                data->dropped.mark[ids[i]] = DROPPED;
        data->splits[s].rows = kept;
        data->dropped.of[s] = rows - kept;
        if (rows && !kept) {
            const char *name = data_split_name((enum data_split_kind)s);
            status = none_left(&o, arena_format(data->arena, "%s rows", name), rows, e);
        }
    }
    return status;
}

void drop_mark(struct data *data, int64_t id, uint64_t all) {
    if (!data->dropped.mark)
        data->dropped.mark = memory_get(all + 1);
    data->dropped.mark[id] = DROPPED;
}

void drop_finish(struct data *data) {
    const uint8_t *mark = data->dropped.mark;
    uint64_t all = all_samples(data);
    if (!mark)
        return;
    for (uint64_t i = 0; i < all; i++)
        data->dropped.rows += mark[i] == DROPPED;
    int64_t *ids = memory_get(memory_mul(data->dropped.rows + 1, sizeof *ids));
    for (uint64_t i = 0, n = 0; i < all; i++)
        if (mark[i] == DROPPED)
            ids[n++] = (int64_t)i;
    data->dropped.ids = ids;
    pool_make(data, DROPPED);
    memory_release(data->dropped.mark);
    data->dropped.mark = NULL;
}

/* --------------------------------------------------------------------- looking */

uint64_t data_dropped(const struct data *data, const int64_t **ids) {
    *ids = data->dropped.ids;
    return data->dropped.rows;
}

void data_describe_dropped(const struct data *data, struct text *out) {
    const char *before = "";
    uint64_t main = data->sources.at[data->sources.main].count;
    if (data->dropped.before) {
        text_addf(out, "%llu of %llu rows before the split",
                  (unsigned long long)data->dropped.before, (unsigned long long)main);
        before = ", ";
    }
    for (int s = 0; s < DATA_SPLITS; s++) {
        uint64_t gone = data->dropped.of[s];
        if (!gone)
            continue;
        text_addf(out, "%s%llu of %llu %s rows", before, (unsigned long long)gone,
                  (unsigned long long)(gone + data->splits[s].rows),
                  data_split_name((enum data_split_kind)s));
        before = ", ";
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the rows of all parts once more and counts. */
#include <math.h>
#include <string.h>

#include <runner/sdk/field.h>

#include "base/hash.h"
#include "base/text.h"
#include "data/drift.h"
#include "data/drop.h"
#include "data/keys.h"
#include "data/split.h"
#include "data/split_report.h"

#define VALUES_BYTES (UINT64_C(256) << 20) /* of variables that are read together */
#define ELEMENTS     4096u /* of one axis that are compared one by one */
#define MEAN         UINT64_MAX
#define MANY_CLASSES 64u /* a number of more values has KEYS_BINS intervals */
#define CONFIDENCE   0.95

/* --------------------------------------------------------------------- options */

static const char *names_of(const struct data *data, struct arena *a,
                            const struct split_keys *keys) {
    const char *all = "";
    for (uint32_t i = 0; i < keys->count; i++)
        all = arena_format(a, "%s%s%s", all, i ? "+" : "",
                           data->pipeline.columns[keys->columns[i]].field.name);
    return all;
}

static const char *method_of(const struct data *data, struct arena *a,
                             const struct split_keys *by,
                             const struct split_keys *group, bool equal_rows) {
    static const char *const words[] = {"random",   "stratified by ", "by group",
                                        "by time ", "by hash of ",    "by position",
                                        "as stored"};
    enum split_kind kind = split_kind_of(data);
    const char *groups =
        !group->count ? ""
        : group->near ? ", near-duplicates together"
        : equal_rows  ? ", equal rows together"
                      : arena_format(a, ", groups by %s", names_of(data, a, group));
    if (kind == SPLIT_GROUP)
        return groups + 2;
    if (kind == SPLIT_FILE && by->count)
        return arena_format(a, "as %s names", names_of(data, a, by));
    const char *left = "";
    if (data_number(&data->options, "split.gap") > 0)
        left = arena_format(a, ", gap %g", data_number(&data->options, "split.gap"));
    if (data_number(&data->options, "split.embargo") > 0)
        left = arena_format(a, "%s, embargo %g", left,
                            data_number(&data->options, "split.embargo"));
    return arena_format(a, "%s%s%s%s", words[kind], names_of(data, a, by), groups,
                        left);
}

static void read_options(const struct data *data, struct split_report *out) {
    enum split_kind kind = split_kind_of(data);
    const struct node *seed = split_option(data, "seed"), *fold;
    out->kind = data_word(&data->options, "split.kind");
    out->seeded = kind < SPLIT_TIME || kind == SPLIT_HASH;
    out->seed = seed ? (uint64_t)node_int(seed) : data->options.seed;
    if (split_option(data, "folds")) {
        fold = split_option(data, "fold");
        out->folds = (uint32_t)node_int(split_option(data, "folds"));
        out->fold = fold ? (uint32_t)node_int(fold) : 1;
    }
    for (int s = 0; s < DATA_SPLITS; s++) {
        out->rows[s] = data->splits[s].rows;
        out->main[s] = out->rows[s] && data->splits[s].table == data->sources.main;
    }
}

/* ------------------------------------------------------------- classes, groups */

/* Of each row of the main source that is divided its part; DATA_SPLITS: none. */
static uint8_t *parts_of(const struct data *data) {
    const struct table *t = &data->sources.at[data->sources.main];
    uint8_t *part = memory_get(t->count + 1);
    memset(part, DATA_SPLITS, t->count);
    for (int s = 0; s < DATA_SPLITS; s++)
        for (uint64_t i = 0; i < data->splits[s].rows; i++)
            if (data->splits[s].table == data->sources.main)
                part[(uint64_t)data->splits[s].ids[i] - t->offset] = (uint8_t)s;
    for (uint64_t i = 0; i < pool_count(data); i++)
        part[i] = part[pool_row(data, i)];
    return part;
}

/* Those of `by`, else of the label; UINT32_MAX: there are none. */
static uint32_t class_column(const struct data *data, const struct split_keys *by) {
    if (split_kind_of(data) == SPLIT_STRATIFIED)
        return by->columns[0];
    for (uint32_t i = 0; i < data->pipeline.raw_count; i++) {
        const struct rn_field *f = &data->pipeline.columns[i].field;
        if (split_is_label(data, i) && !field_variable(f) &&
            (!f->rank || f->flags & RN_FIELD_TEXT))
            return i;
    }
    return UINT32_MAX;
}

static int read_classes(struct data *data, uint32_t column, struct classes *out,
                        struct rn_error *e) {
    bool stratified = split_kind_of(data) == SPLIT_STRATIFIED;
    uint64_t bins =
        stratified ? (uint64_t)data_number(&data->options, "split.bins") : 0;
    int status = keys_classes(data, column, bins, out, e);
    bool text = (data->pipeline.columns[column].field.flags & RN_FIELD_TEXT) != 0;
    if (status != RN_OK || stratified || text || out->count <= MANY_CLASSES)
        return status;
    classes_finish(out);
    return keys_classes(data, column, KEYS_BINS, out, e);
}

static int count_classes(struct data *data, const struct split_keys *by,
                         struct arena *a, const uint8_t *part, struct split_report *out,
                         struct rn_error *e) {
    struct classes c;
    uint32_t column = class_column(data, by);
    if (column == UINT32_MAX)
        return RN_OK;
    int status = read_classes(data, column, &c, e);
    if (status == RN_OK) {
        out->class_field = data->pipeline.columns[column].field.name;
        out->class_count = (uint32_t)c.count;
        out->classes = arena_array(a, const char *, c.count + 1);
        out->class_rows =
            arena_get(a, memory_mul(c.count + 1, sizeof *out->class_rows));
        out->class_all = arena_array(a, uint64_t, c.count + 1);
        for (uint64_t k = 0; k < c.count; k++) {
            struct text name = {0};
            classes_name(data, &c, k, &name);
            out->classes[k] = arena_copy(a, text_get(&name));
            text_finish(&name);
        }
        for (uint64_t i = 0; i < pool_count(data); i++)
            if (part[i] < DATA_SPLITS) {
                out->class_rows[c.of[i]][part[i]]++;
                out->class_all[c.of[i]]++;
            }
    }
    classes_finish(&c);
    return status;
}

static int count_groups(struct data *data, const struct split_keys *group,
                        bool equal_rows, const uint8_t *part, struct split_report *out,
                        struct rn_error *e) {
    uint64_t n = pool_count(data);
    if (!group->count)
        return RN_OK;
    uint32_t *of = memory_get(memory_mul(n + 1, sizeof *of));
    int status = split_groups(data, group, equal_rows, of, &out->group_count, e);
    uint8_t *seen = memory_get(out->group_count + 1);
    for (uint64_t i = 0; i < n && status == RN_OK; i++) {
        uint8_t bit = (uint8_t)(1u << part[i]);
        if (part[i] < DATA_SPLITS && !(seen[of[i]] & bit))
            out->groups[part[i]]++;
        seen[of[i]] |= bit;
    }
    memory_release(of);
    memory_release(seen);
    return status;
}

/* ----------------------------------------------------------------------- drift */

struct variable {
    const char *name;
    uint32_t column;
    uint64_t element; /* MEAN: the mean of all */
    bool text;
};

struct variables {
    uint32_t count;
    struct variable *at;
};

/* Element `i` by the names that the source gives ("age,bmi"), else "x[3]". */
static const char *element_name(struct arena *a, const struct rn_field *f,
                                const char *layout, uint64_t i, uint64_t n) {
    uint64_t commas = 0;
    for (const char *s = layout; *s; s++)
        commas += *s == ',';
    if (!*layout || commas + 1 != n)
        return arena_format(a, "%s[%llu]", f->name, (unsigned long long)i);
    for (uint64_t k = 0; k < i; k++)
        layout = strchr(layout, ',') + 1;
    return arena_copy_n(a, layout, strcspn(layout, ","));
}

/* The variables of a field: its elements, or 1, the mean of all. */
static uint64_t variables_of(const struct rn_field *f) {
    bool vector = f->rank == 1 && !(f->flags & RN_FIELD_TEXT);
    uint64_t n = vector ? rn_field_elements(f) : 1;
    return n <= ELEMENTS ? n : 1;
}

static void add_column(const struct data *data, struct arena *a, uint32_t column,
                       struct variables *out) {
    const struct rn_field *f = &data->pipeline.columns[column].field;
    const struct table *t = &data->sources.at[data->sources.main];
    const char *layout = column < t->field_count ? t->layouts[column] : "";
    bool text = (f->flags & RN_FIELD_TEXT) != 0, scalar = text || !f->rank;
    uint64_t n = variables_of(f);
    bool mean = !scalar && n != rn_field_elements(f);
    for (uint64_t i = 0; i < n; i++)
        out->at[out->count++] =
            (struct variable){mean     ? arena_format(a, "mean of %s", f->name)
                              : scalar ? f->name
                                       : element_name(a, f, layout, i, n),
                              column, mean ? MEAN : i, text};
}

static bool is_key(const struct split_keys *keys, uint32_t column) {
    for (uint32_t i = 0; i < keys->count; i++)
        if (keys->columns[i] == column)
            return true;
    return false;
}

/* All but what rows are divided by; inputs that make equal rows are compared. */
static struct variables list_variables(const struct data *data, struct arena *a,
                                       const struct split_keys *by,
                                       const struct split_keys *group,
                                       bool equal_rows) {
    uint32_t n = data->pipeline.raw_count;
    uint64_t most = 0;
    for (uint32_t i = 0; i < n; i++)
        most += variables_of(&data->pipeline.columns[i].field);
    struct variables v = {0, arena_array(a, struct variable, most + 1)};
    for (uint32_t i = 0; i < n; i++)
        if (!field_variable(&data->pipeline.columns[i].field) && !is_key(by, i) &&
            (equal_rows || !is_key(group, i)))
            add_column(data, a, i, &v);
    return v;
}

/* Missing numbers are NaN; a text is a number of 53 bits. */
static double value_of(const struct variable *v, const struct column *c,
                       const uint8_t *row, double *scratch) {
    static const uint64_t key[2] = {0, 0};
    uint64_t n = c->bytes / RN_DTYPE_BYTES(c->field.dtype);
    double sum = 0;
    if (v->text) {
        n = strnlen((const char *)row, c->bytes);
        return n ? (double)(siphash(key, row, n) >> 11) : NAN;
    }
    if (v->element != MEAN)
        return keys_number_at(row, c->field.dtype, v->element);
    rn_numbers_get(row, c->field.dtype, 0, n, scratch);
    for (uint64_t i = 0; i < n; i++)
        sum += scratch[i];
    return sum / (double)n;
}

/* Values of `count` variables in the rows of a part: out[variable][row]. */
static int read_part(const struct data *data, int s, const struct variable *v,
                     uint32_t count, double **out, struct rn_error *e) {
    const struct table *t = &data->sources.at[data->splits[s].table];
    struct reader r = {0};
    struct demand *demand = demand_create(data);
    uint64_t rows = data->splits[s].rows, widest = 1;
    for (uint32_t i = 0; i < count; i++) {
        const struct column *c = &data->pipeline.columns[v[i].column];
        demand_add(demand, data, v[i].column);
        widest = c->bytes > widest ? c->bytes : widest;
    }
    double *scratch = memory_get(memory_mul(widest, sizeof *scratch));
    int status = reader_open(data, t, DATA_CHUNK, demand, &r, e);
    for (uint64_t at = 0; at < rows && status == RN_OK; at += DATA_CHUNK) {
        uint64_t n = rows - at < DATA_CHUNK ? rows - at : DATA_CHUNK;
        status = reader_read(&r, n, data->splits[s].ids + at, e);
        for (uint32_t i = 0; i < count && status == RN_OK; i++) {
            const struct column *c = &data->pipeline.columns[v[i].column];
            for (uint64_t k = 0; k < n; k++)
                out[i][at + k] =
                    value_of(&v[i], c, r.columns[v[i].column] + k * c->bytes, scratch);
        }
    }
    reader_close(&r);
    demand_destroy(demand);
    memory_release(scratch);
    return status;
}

static void compare(const struct split_report *r, struct variable *v,
                    double *const values[DATA_SPLITS], struct split_field *out) {
    out->name = v->name;
    for (int s = DATA_VAL; s < DATA_SPLITS; s++) {
        uint64_t n = r->rows[DATA_TRAIN], m = r->rows[s];
        if (!n || !m)
            continue;
        struct drift d = drift_measure(values[DATA_TRAIN], n, values[s], m, v->text);
        out->shift[s].bins = d.bins;
        out->shift[s].psi = d.psi;
        if (d.bins)
            out->shift[s].noise = drift_noise(d.bins, n, m, CONFIDENCE);
    }
}

/* Of some variables that are in memory together. */
static int compare_some(const struct data *data, struct split_report *r,
                        struct variable *v, uint32_t count, struct split_field *out,
                        struct rn_error *e) {
    double **values = memory_get(memory_mul(count, DATA_SPLITS * sizeof *values));
    int status = RN_OK;
    for (int s = 0; s < DATA_SPLITS && status == RN_OK; s++) {
        for (uint32_t i = 0; i < count; i++)
            values[s * (int)count + (int)i] =
                memory_get(memory_mul(r->rows[s] + 1, sizeof(double)));
        if (r->rows[s])
            status = read_part(data, s, v, count, values + s * (int)count, e);
    }
    for (uint32_t i = 0; i < count && status == RN_OK; i++)
        compare(r, &v[i],
                (double *const[DATA_SPLITS]){values[i], values[count + i],
                                             values[2 * count + i]},
                &out[i]);
    for (uint32_t i = 0; i < DATA_SPLITS * count; i++)
        memory_release(values[i]);
    memory_release(values);
    return status;
}

/* Chance exceeds the bound of the largest of so many fields as rarely as that of one.
 */
static void mark_above(struct split_report *r) {
    for (int s = DATA_VAL; s < DATA_SPLITS; s++) {
        uint32_t compared = 0;
        for (uint32_t i = 0; i < r->field_count; i++)
            compared += r->fields[i].shift[s].bins > 0;
        for (uint32_t i = 0; i < r->field_count; i++) {
            struct split_shift *x = &r->fields[i].shift[s];
            x->above = x->bins &&
                       x->psi > drift_noise(x->bins, r->rows[DATA_TRAIN], r->rows[s],
                                            pow(CONFIDENCE, 1.0 / compared));
        }
    }
}

static int measure_drift(const struct data *data, struct arena *a, struct variables v,
                         struct split_report *out, struct rn_error *e) {
    uint64_t rows = out->rows[0] + out->rows[1] + out->rows[2] + 1;
    uint64_t group = VALUES_BYTES / sizeof(double) / rows;
    int status = RN_OK;
    if (!out->rows[DATA_TRAIN] || out->rows[DATA_TRAIN] + 1 == rows)
        return RN_OK;
    out->field_count = v.count;
    out->fields = arena_array(a, struct split_field, v.count + 1);
    for (uint32_t at = 0; at < v.count && status == RN_OK;) {
        uint32_t n = v.count - at;
        n = n < group + 1 ? n : (uint32_t)group + 1;
        status = compare_some(data, out, v.at + at, n, out->fields + at, e);
        at += n;
    }
    mark_above(out);
    return status;
}

/* ------------------------------------------------------------------------- all */

int split_report_make(struct data *data, struct arena *a, struct split_report *out,
                      struct rn_error *e) {
    struct split_keys by, group;
    bool equal_rows;
    *out = (struct split_report){.all = data->sources.at[data->sources.main].count};
    int status = split_keys_of(data, &by, &group, &equal_rows, e);
    if (status != RN_OK)
        return status;
    read_options(data, out);
    out->method = method_of(data, a, &by, &group, equal_rows);
    uint8_t *part = parts_of(data);
    const int64_t *dropped;
    out->dropped = data_dropped(data, &dropped);
    for (uint64_t i = 0; i < pool_count(data); i++)
        out->left_out += part[i] == DATA_SPLITS;
    status = count_classes(data, &by, a, part, out, e);
    if (status == RN_OK)
        status = count_groups(data, &group, equal_rows, part, out, e);
    if (status == RN_OK)
        status = measure_drift(
            data, a, list_variables(data, a, &by, &group, equal_rows), out, e);
    memory_release(part);
    return status;
}

const struct split_field *split_report_largest(const struct split_report *r, int part) {
    const struct split_field *best = NULL;
    for (uint32_t i = 0; i < r->field_count; i++)
        if (r->fields[i].shift[part].bins &&
            (!best || r->fields[i].shift[part].psi > best->shift[part].psi))
            best = &r->fields[i];
    return best;
}

struct split_imbalance split_report_imbalance(const struct split_report *r) {
    struct split_imbalance worst = {0, 0, DATA_TRAIN};
    uint64_t all = 0;
    for (uint32_t k = 0; k < r->class_count; k++)
        all += r->class_all[k];
    for (int s = 0; s < DATA_SPLITS; s++)
        for (uint32_t k = 0; k < r->class_count && r->main[s]; k++) {
            double off = fabs((double)r->class_rows[k][s] / (double)r->rows[s] -
                              (double)r->class_all[k] / (double)all);
            if (off > worst.off)
                worst = (struct split_imbalance){off, k, s};
        }
    return worst;
}

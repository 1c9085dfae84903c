/* SPDX-License-Identifier: Apache-2.0 */
/* The sparse text format of SVMlight and LIBSVM, plain or gzipped:
 *     <target> [qid:<query>] <feature>:<value> ... [# comment]
 * with features in rising order, counted from 1. Kept sparse in memory; samples are
 * dense. Numbers are read exactly. */
#include <runner/sdk/error.h>
#include <runner/sdk/missing.h>

#include "text_file.h"

#define FEATURES_MAX 16777216
#define EXACT        9007199254740992 /* integers up to 2^53 are exact as f64 */

struct entry {
    uint32_t feature; /* from 0 */
    double value;
};

struct row {
    double target;
    int64_t query;
    uint64_t first; /* of its entries */
};

struct svmlight {
    const char *file; /* host, until destroy */
    struct rn_budget budget;
    struct row *rows; /* [count + 1]; the last one has but its first entry */
    struct entry *entries;
    uint64_t count, row_capacity, entry_count, entry_capacity;
    uint32_t features; /* of x */
    int whole;         /* every target is an integer */
    int queries;       /* rows have a qid */
    uint32_t field_count;
    struct rn_field fields[3];
    /* while reading */
    uint32_t least;   /* the lowest feature's number */
    uint32_t largest; /* 1 + the largest feature */
    uint32_t bound;   /* features of the option, or those that were learnt; 0: none */
};

static void destroy(void *self) {
    struct svmlight *s = self;
    if (s) {
        free(s->rows);
        free(s->entries);
    }
    free(s);
}

/* Room for one more item. */
static int32_t grow(struct svmlight *s, void **items, uint64_t count,
                    uint64_t *capacity, uint64_t size, struct rn_error *e) {
    if (count < *capacity)
        return RN_OK;
    uint64_t room = 2 * *capacity + 1024;
    if (!rn_budget_take(&s->budget, (room - *capacity) * size))
        return rn_budget_error(&s->budget, s->file, e);
    void *more = realloc(*items, room * size);
    if (!more)
        return rn_failf(e, RN_E_MEMORY, s->file, 0, 0, "no memory for the samples");
    *items = more;
    *capacity = room;
    return RN_OK;
}

/* ------------------------------------------------------------------------ lines */

struct place {
    uint32_t line;
    const char *start; /* of the line */
};

static int32_t bad(const struct svmlight *s, const struct place *at, const char *token,
                   const char *what, struct rn_error *e) {
    return rn_failf(e, RN_E_DATA, s->file, at->line, (uint32_t)(token - at->start) + 1,
                    "'%.60s' is not %s", token, what);
}

static int32_t add_entry(struct svmlight *s, const struct place *at, char *token,
                         struct rn_error *e) {
    char *colon = strchr(token, ':');
    int64_t feature = 0;
    double value = 0;
    *colon = '\0';
    int known = rn_cell_integer(token, &feature);
    *colon = ':';
    if (!known || feature < 0 || !rn_cell_number(colon + 1, &value))
        return bad(s, at, token, "a feature and its value, such as 3:0.5", e);
    if (feature < s->least) {
        rn_failf(e, RN_E_DATA, s->file, at->line, (uint32_t)(token - at->start) + 1,
                 "feature 0, but features are counted from 1");
        rn_hintf(e, "zero_based: true counts them from 0");
        return RN_E_DATA;
    }
    feature -= s->least;
    uint32_t most = s->bound ? s->bound : FEATURES_MAX;
    if (feature >= most)
        return rn_failf(e, RN_E_DATA, s->file, at->line,
                        (uint32_t)(token - at->start) + 1,
                        "feature %lld, but there are %u features",
                        (long long)(feature + s->least), most);
    const struct row *row = &s->rows[s->count];
    if (s->entry_count > row->first &&
        s->entries[s->entry_count - 1].feature >= feature)
        return rn_failf(
            e, RN_E_DATA, s->file, at->line, (uint32_t)(token - at->start) + 1,
            "feature %lld comes after feature %llu: they must rise",
            (long long)(feature + s->least),
            (unsigned long long)s->entries[s->entry_count - 1].feature + s->least);
    int32_t status = grow(s, (void **)&s->entries, s->entry_count, &s->entry_capacity,
                          sizeof *s->entries, e);
    if (status != RN_OK)
        return status;
    s->entries[s->entry_count++] = (struct entry){(uint32_t)feature, value};
    if (feature >= s->largest)
        s->largest = (uint32_t)feature + 1;
    return RN_OK;
}

static int32_t read_query(struct svmlight *s, const struct place *at, char *token,
                          struct rn_error *e) {
    if (!rn_cell_integer(token + 4, &s->rows[s->count].query))
        return bad(s, at, token, "a query number, such as qid:7", e);
    return RN_OK;
}

static int32_t read_target(struct svmlight *s, const struct place *at,
                           const char *token, struct rn_error *e) {
    int64_t whole;
    if (!rn_cell_number(token, &s->rows[s->count].target)) {
        bad(s, at, token, "a target", e);
        if (strchr(token, ','))
            rn_hintf(e, "several labels for one sample are not read");
        return RN_E_DATA;
    }
    s->whole &= rn_cell_integer(token, &whole) && whole >= -EXACT && whole <= EXACT;
    return RN_OK;
}

/* One line without its end; its blanks become NULs. */
static int32_t read_line(struct svmlight *s, const struct place *at, char *line,
                         struct rn_error *e) {
    uint32_t tokens = 0;
    int query = 0;
    line[strcspn(line, "#")] = '\0';
    for (char *p = line; *(p += strspn(p, " \t\r\v\f"));) {
        char *token = p;
        p += strcspn(p, " \t\r\v\f");
        int last = !*p;
        *p = '\0';
        int32_t status = RN_OK;
        if (!tokens) {
            status = grow(s, (void **)&s->rows, s->count + 1, &s->row_capacity,
                          sizeof *s->rows, e);
            if (status == RN_OK) {
                s->rows[s->count] = (struct row){0, 0, s->entry_count};
                status = read_target(s, at, token, e);
            }
        } else if (tokens == 1 && strncmp(token, "qid:", 4) == 0) {
            query = 1;
            status = read_query(s, at, token, e);
        } else if (strchr(token, ':')) {
            status = add_entry(s, at, token, e);
        } else {
            status = bad(s, at, token, "a feature and its value, such as 3:0.5", e);
        }
        if (status != RN_OK)
            return status;
        tokens++;
        if (!last)
            p++;
    }
    if (!tokens)
        return RN_OK;
    if (s->count && query != s->queries)
        return rn_failf(e, RN_E_DATA, s->file, at->line, 0,
                        "the row has %s qid, unlike those before", query ? "a" : "no");
    s->queries = query;
    s->rows[++s->count].first = s->entry_count;
    return RN_OK;
}

static int32_t read_all(struct svmlight *s, struct rn_error *e) {
    struct text_file t;
    int32_t status = text_file_read(s->file, &t, &s->budget, e);
    struct place at = {1, t.text};
    char *p = t.text, *end = status == RN_OK ? p + t.size : p;
    for (; status == RN_OK && p < end; at.line++) {
        char *stop = memchr(p, '\n', (size_t)(end - p));
        stop = stop ? stop : end;
        if (memchr(p, '\0', (size_t)(stop - p)))
            status = rn_failf(e, RN_E_DATA, s->file, at.line, 0, "has a NUL byte");
        *stop = '\0';
        at.start = p;
        if (status == RN_OK)
            status = read_line(s, &at, p, e);
        p = stop + 1;
    }
    text_file_finish(&t);
    if (status == RN_OK && !s->count)
        status = rn_failf(e, RN_E_DATA, s->file, 0, 0, "has no samples");
    return status;
}

/* ------------------------------------------------------------------------- life */

/* Features of x that are already known; 0: none are. */
static uint32_t learnt(struct rn_host *h) {
    const struct rn_known_fields *k = h->api->extension(h, RN_EXT_FIELDS);
    for (uint32_t i = 0; k && i < k->field_count; i++) {
        const struct rn_field *f =
            (const void *)((const char *)k->fields + (size_t)i * k->field_stride);
        if (strcmp(f->name, "x") == 0 && f->rank == 1)
            return (uint32_t)f->shape[0];
    }
    return 0;
}

static void make_fields(struct svmlight *s) {
    s->fields[0] = (struct rn_field){"x", RN_F64, 1, {s->features}, 0, 0};
    s->fields[1] =
        (struct rn_field){"target", s->whole ? RN_I64 : RN_F64, 0, {0}, 0, 0};
    s->fields[2] = (struct rn_field){"query", RN_I64, 0, {0}, 0, 0};
    s->field_count = s->queries ? 3 : 2;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct svmlight *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    s->file = rn_get_string(h, "file");
    s->budget = rn_budget_of(h);
    s->whole = 1;
    s->least = rn_get_bool(h, "zero_based") ? 0 : 1;
    s->bound = rn_has(h, "features") ? (uint32_t)rn_get_int(h, "features") : learnt(h);
    int32_t status =
        grow(s, (void **)&s->rows, 0, &s->row_capacity, sizeof *s->rows, e);
    if (status == RN_OK)
        status = read_all(s, e);
    if (status != RN_OK)
        return status;
    s->features = s->bound ? s->bound : s->largest;
    if (!s->features)
        return rn_failf(e, RN_E_DATA, s->file, 0, 0, "has no features");
    if (strcmp(rn_get_string(h, "target_type"), "float") == 0)
        s->whole = 0;
    make_fields(s);
    return RN_OK;
}

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    struct svmlight *s = self;
    (void)e;
    out->access = RN_ACCESS_RANDOM;
    out->count = s->count;
    out->field_count = s->field_count;
    out->field_stride = sizeof s->fields[0];
    out->fields = s->fields;
    memset(out->content_hash, 0, sizeof out->content_hash);
    if (RN_HAS(out, struct rn_source_info, name))
        out->name = s->file;
    return RN_OK;
}

static void dense(const struct svmlight *s, uint64_t row, double *x) {
    memset(x, 0, s->features * sizeof *x);
    for (uint64_t i = s->rows[row].first; i < s->rows[row + 1].first; i++)
        x[s->entries[i].feature] = s->entries[i].value;
}

static int32_t read_rows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    const struct svmlight *s = self;
    double *x = call->out[0].data;
    void *target = call->out[1].data;
    int64_t *query = s->queries ? call->out[2].data : NULL;
    for (uint64_t i = 0; i < call->rows; i++) {
        uint64_t row = call->indices[i];
        if (row >= s->count)
            return rn_failf(e, RN_E_INTERNAL, s->file, 0, 0, "row %llu is not there",
                            (unsigned long long)row);
        if (x)
            dense(s, row, x + i * s->features);
        if (target && s->whole)
            ((int64_t *)target)[i] = (int64_t)s->rows[row].target;
        else if (target)
            ((double *)target)[i] = s->rows[row].target;
        if (query)
            query[i] = s->rows[row].query;
    }
    return RN_OK;
}

static const struct rn_source iface = {
    sizeof(struct rn_source), 0, create, destroy, info, NULL, NULL, read_rows};

RN_SOURCE(svmlight, iface, "runner/svmlight 1",
          RN_DOC("The sparse text format of SVMlight and LIBSVM, plain or gzipped; "
                 "samples are dense")
          RN_OUT("x f64 [N,F] | the features")
          RN_OUT("target any [N] | i64 where every target is an integer, else f64")
          RN_OUT("query i64 [N] ; optional | the number behind qid:")
          RN_OPTION("file path ; required | the file")
          RN_OPTION("features int ; min 1 ; max 16777216 | how many there are; default: "
                    "as many as the largest in the file, or as were trained on")
          RN_OPTION("zero_based bool = false | features are counted from 0, not from 1; "
                    "stated and never guessed, as a guess may differ between files")
          RN_OPTION("target_type choice(auto,float) = auto | float: a number even where "
                    "every target is an integer")
          RN_BUDGET_OPTION);
RN_PLUGIN(&svmlight);

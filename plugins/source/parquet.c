/* SPDX-License-Identifier: Apache-2.0 */
/* The flat columns of a Parquet file, held in memory. */
#include <math.h>
#include <stdlib.h>

#include <runner/sdk/error.h>

#include "parquet_file.h"
#include "parquet_pages.h"
#include "typed_table.h"

struct parquet {
    struct typed_table table; /* has the names of `file` */
    struct parquet_file file;
};

static void destroy(void *self) {
    struct parquet *s = self;
    if (s) {
        typed_table_finish(&s->table);
        parquet_file_finish(&s->file);
        if (s->file.fd >= 0)
            close(s->file.fd);
    }
    free(s);
}

/* A column while its values go by. */
struct visit {
    struct typed_table *t;
    struct typed_column *to;
    const struct parquet_column *c;
    int put, above; /* put: the second time; above: a number is above 2^63 - 1 */
};

static double half(const uint8_t *p) {
    uint32_t h = p[0] | (uint32_t)p[1] << 8, exponent = h >> 10 & 31, m = h & 1023;
    double x = exponent == 31 ? (m ? NAN : INFINITY)
               : exponent     ? ldexp(1024 + m, (int)exponent - 25)
                              : ldexp(m, -24);
    return h >> 15 ? -x : x;
}

/* A signed integer of up to 8 bytes. */
static int64_t big_endian(const struct parquet_value *v) {
    uint64_t u = v->count && v->bytes[0] >> 7 ? UINT64_MAX : 0;
    for (uint32_t i = 0; i < v->count; i++)
        u = u << 8 | v->bytes[i];
    return (int64_t)u;
}

static double real_of(const struct parquet_column *c, const struct parquet_value *v) {
    static const double tens[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    switch (c->meaning) {
    case PARQUET_DECIMAL:
        return (double)(c->type == PARQUET_FIXED ? big_endian(v) : v->whole) /
               tens[c->scale];
    case PARQUET_DAYS:
        return (double)v->whole;
    case PARQUET_TIMES:
        return (double)v->whole / c->unit;
    case PARQUET_HALF:
        return half(v->bytes);
    default:
        return v->real;
    }
}

static int is_whole(const struct parquet_column *c) {
    return (c->meaning == PARQUET_NUMBER || c->meaning == PARQUET_UNSIGNED) &&
           c->type <= PARQUET_INT64;
}

static int64_t whole_of(struct visit *x, const struct parquet_value *v) {
    if (x->c->meaning == PARQUET_UNSIGNED && x->c->type == PARQUET_INT32)
        return (int64_t)(uint32_t)v->whole;
    x->above |= x->c->meaning == PARQUET_UNSIGNED && v->whole < 0;
    return v->whole;
}

/* NaN is a missing number, as everywhere. */
static void visit(void *context, uint64_t row, const struct parquet_value *v) {
    struct visit *x = context;
    double real =
        v && x->c->meaning != PARQUET_TEXT && !is_whole(x->c) ? real_of(x->c, v) : 0;
    if (!v || isnan(real)) {
        if (x->put)
            typed_put_null(x->t, x->to, row);
        else
            typed_see_null(x->to);
    } else if (x->c->meaning == PARQUET_TEXT) {
        if (x->put)
            typed_put_text(x->to, row, v->bytes, v->count);
        else
            typed_see_text(x->to, v->count, row);
    } else if (is_whole(x->c)) {
        int64_t whole = whole_of(x, v);
        if (x->put)
            typed_put_integer(x->t, x->to, row, whole);
        else
            typed_see_number(x->to, 1);
    } else if (x->put) {
        typed_put_real(x->t, x->to, row, real);
    } else {
        typed_see_number(x->to, 0);
    }
}

/* All values of the columns that are read; put: keep them. */
static int32_t pass(struct parquet *s, int put, struct rn_error *e) {
    int32_t status = RN_OK;
    for (uint32_t i = 0; i < s->table.width && status == RN_OK; i++) {
        struct typed_column *to = &s->table.columns[i];
        struct visit x = {&s->table, to, &s->file.columns[i], put, 0};
        uint64_t first = 0;
        if (!to->role || to->other)
            continue;
        for (uint32_t g = 0; g < s->file.group_count && status == RN_OK; g++) {
            status = rn_cancelled(s->table.host)
                         ? rn_failf(e, RN_E_CANCELLED, s->file.name, 0, 0,
                                    "reading was stopped")
                         : parquet_chunk_visit(&s->file, g, i, first, &s->table.budget,
                                               visit, &x, e);
            first += s->file.group_rows[g];
        }
        if (status == RN_OK && x.above)
            status = rn_failf(e, RN_E_DATA, s->file.name, 0, 0,
                              "column '%.100s' has a number above 9223372036854775807",
                              to->name);
    }
    return status;
}

static int32_t name_columns(struct parquet *s, struct rn_error *e) {
    struct typed_table *t = &s->table;
    int32_t status = typed_table_begin(t, s->file.width, e);
    for (uint32_t i = 0; i < t->width && status == RN_OK; i++) {
        t->columns[i].name = s->file.columns[i].name;
        t->columns[i].other = s->file.columns[i].other;
    }
    return status == RN_OK ? typed_table_roles(t, e) : status;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct parquet *s = calloc(1, sizeof *s);
    struct stat st;
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    const char *file = rn_get_string(h, "file");
    s->table =
        (struct typed_table){.host = h,
                             .file = file,
                             .option = "file",
                             .predict = h->api->extension(h, RN_EXT_PREDICT) != NULL,
                             .budget = rn_budget_of(h)};
    s->file = (struct parquet_file){.name = file, .fd = -1};
    int32_t status = rn_source_open(file, &s->file.fd, &st, e);
    if (status != RN_OK)
        return status;
    s->file.size = (uint64_t)st.st_size;
    status = parquet_file_read(&s->file, &s->table.budget, e);
    if (status == RN_OK && !s->file.rows)
        status = rn_failf(e, RN_E_DATA, file, 0, 0, "has no rows");
    if (status == RN_OK)
        status = name_columns(s, e);
    s->table.count = s->file.rows;
    if (status == RN_OK)
        status = pass(s, 0, e);
    if (status == RN_OK)
        status = typed_table_settle(&s->table, e);
    return status == RN_OK ? pass(s, 1, e) : status;
}

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    (void)e;
    typed_table_info(&((struct parquet *)self)->table, out);
    return RN_OK;
}

static int32_t read_rows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    return typed_table_read(&((struct parquet *)self)->table, call, e);
}

static const struct rn_source iface = {
    sizeof(struct rn_source), 0, create, destroy, info, NULL, NULL, read_rows};

RN_SOURCE(parquet, iface, "runner/parquet 1",
          RN_DOC("The flat columns of a Parquet file (PLAIN and dictionary pages; "
                 "uncompressed, snappy, gzip, zstd), held in memory")
          TYPED_TABLE_OUT
          RN_OPTION("file path ; required | the file")
          TYPED_TABLE_OPTIONS
          RN_BUDGET_OPTION);
RN_PLUGIN(&parquet);

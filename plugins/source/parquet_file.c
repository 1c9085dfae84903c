/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include <runner/sdk/error.h>

#include "parquet_file.h"
#include "parquet_thrift.h"

#define NAME_MAX_BYTES 1024u /* a group's name is repeated for each column in it */
#define FOOTER_MAX     (256u << 20)
#define COLUMNS_MAX    32767u

void parquet_file_finish(struct parquet_file *f) {
    for (uint32_t i = 0; f->columns && i < f->width; i++)
        free(f->columns[i].name);
    free(f->columns);
    free(f->group_rows);
    free(f->chunks);
}

static int32_t damaged(const struct parquet_file *f, struct rn_error *e) {
    return rn_failf(e, RN_E_DATA, f->name, 0, 0, "has a damaged footer");
}

/* ----------------------------------------------------------------------- schema */

/* An element of the schema as it is stored. */
struct element {
    int type, repetition, children, converted, scale;
    uint32_t length;
    const uint8_t *name;
    uint64_t name_bytes;
    enum parquet_meaning logical; /* PARQUET_OTHER + 1: not said */
    double unit;
};

#define NOT_SAID ((enum parquet_meaning)(PARQUET_OTHER + 1))

static double unit_of(struct thrift *t) {
    static const double per_day[4] = {0, 86400e3, 86400e6, 86400e9};
    struct thrift_field f = {0, 0};
    double unit = 0;
    while (thrift_next(t, &f)) {
        if (f.id >= 1 && f.id <= 3)
            unit = per_day[f.id];
        thrift_skip(t, f.type);
    }
    return unit;
}

static void read_decimal(struct thrift *t, struct element *s) {
    struct thrift_field f = {0, 0};
    while (thrift_next(t, &f))
        if (f.id == 1 && f.type == THRIFT_I32)
            s->scale = (int)thrift_integer(t);
        else
            thrift_skip(t, f.type);
}

static void read_timestamp(struct thrift *t, struct element *s) {
    struct thrift_field f = {0, 0};
    while (thrift_next(t, &f))
        if (f.id == 2 && f.type == THRIFT_STRUCT)
            s->unit = unit_of(t);
        else
            thrift_skip(t, f.type);
}

static void read_integer(struct thrift *t, struct element *s) {
    struct thrift_field f = {0, 0};
    while (thrift_next(t, &f)) {
        if (f.id == 2)
            s->logical = f.type == THRIFT_FALSE ? PARQUET_UNSIGNED : PARQUET_NUMBER;
        thrift_skip(t, f.type);
    }
}

static void read_logical(struct thrift *t, struct element *s) {
    static const enum parquet_meaning known[16] = {
        [1] = PARQUET_TEXT,    [2] = PARQUET_OTHER,   [3] = PARQUET_OTHER,
        [4] = PARQUET_TEXT,    [5] = PARQUET_DECIMAL, [6] = PARQUET_DAYS,
        [7] = PARQUET_OTHER,   [8] = PARQUET_TIMES,   [9] = PARQUET_OTHER,
        [10] = PARQUET_NUMBER, [11] = PARQUET_NUMBER, [12] = PARQUET_TEXT,
        [13] = PARQUET_OTHER,  [14] = PARQUET_OTHER,  [15] = PARQUET_HALF};
    struct thrift_field f = {0, 0};
    while (thrift_next(t, &f)) {
        s->logical = f.id >= 1 && f.id <= 15 ? known[f.id] : PARQUET_OTHER;
        if (f.type != THRIFT_STRUCT)
            thrift_skip(t, f.type);
        else if (f.id == 5)
            read_decimal(t, s);
        else if (f.id == 8)
            read_timestamp(t, s);
        else if (f.id == 10)
            read_integer(t, s);
        else
            thrift_skip(t, f.type);
    }
}

static void read_element(struct thrift *t, struct element *s) {
    struct thrift_field f = {0, 0};
    *s = (struct element){.type = -1, .converted = -1, .logical = NOT_SAID};
    while (thrift_next(t, &f)) {
        int integer = f.type == THRIFT_I32;
        if (f.id == 4 && f.type == THRIFT_BINARY)
            s->name = thrift_binary(t, &s->name_bytes);
        else if (f.id == 10 && f.type == THRIFT_STRUCT)
            read_logical(t, s);
        else if (integer && f.id == 1)
            s->type = (int)thrift_integer(t);
        else if (integer && f.id == 2)
            s->length = (uint32_t)thrift_integer(t);
        else if (integer && f.id == 3)
            s->repetition = (int)thrift_integer(t);
        else if (integer && f.id == 5)
            s->children = (int)thrift_integer(t);
        else if (integer && f.id == 6)
            s->converted = (int)thrift_integer(t);
        else if (integer && f.id == 7)
            s->scale = (int)thrift_integer(t);
        else
            thrift_skip(t, f.type);
    }
}

/* What older writers say instead of a logical type. */
static void old_meaning(struct element *s) {
    static const enum parquet_meaning known[] = {
        PARQUET_TEXT,     PARQUET_OTHER,    PARQUET_OTHER,    PARQUET_OTHER,
        PARQUET_TEXT,     PARQUET_DECIMAL,  PARQUET_DAYS,     PARQUET_OTHER,
        PARQUET_OTHER,    PARQUET_TIMES,    PARQUET_TIMES,    PARQUET_UNSIGNED,
        PARQUET_UNSIGNED, PARQUET_UNSIGNED, PARQUET_UNSIGNED, PARQUET_NUMBER,
        PARQUET_NUMBER,   PARQUET_NUMBER,   PARQUET_NUMBER,   PARQUET_TEXT};
    int n = (int)(sizeof known / sizeof *known);
    s->logical = s->converted < 0   ? PARQUET_NUMBER
                 : s->converted < n ? known[s->converted]
                                    : PARQUET_OTHER;
    s->unit = s->converted == 9 ? 86400e3 : 86400e6;
}

static const char *unreadable(const struct element *s) {
    static const char *const types[] = {
        NULL, NULL, NULL, "times of 96 bits, which are deprecated",
        NULL, NULL, NULL, NULL};
    if (s->repetition == 2)
        return "lists or records";
    if (s->type < 0 || s->type > PARQUET_FIXED)
        return "a type that is not known";
    if (types[s->type])
        return types[s->type];
    int is_bytes = s->type == PARQUET_BYTES || s->type == PARQUET_FIXED;
    int integer = s->type == PARQUET_INT32 || s->type == PARQUET_INT64;
    if (s->logical == PARQUET_HALF)
        return s->type == PARQUET_FIXED && s->length == 2 ? NULL : "a damaged type";
    if (s->type == PARQUET_FIXED && s->logical == PARQUET_DECIMAL && s->length >= 1 &&
        s->length <= 8)
        integer = 1;
    else if (is_bytes && s->logical != PARQUET_TEXT)
        return s->logical == PARQUET_DECIMAL ? "decimals of more than 64 bits"
                                             : "bytes";
    if (s->logical == PARQUET_TIMES && !(s->unit > 0))
        return "times of an unknown unit";
    if (s->logical == PARQUET_OTHER ||
        (s->logical == PARQUET_TEXT && s->type != PARQUET_BYTES) ||
        (!integer && s->logical != PARQUET_NUMBER && s->logical != PARQUET_TEXT))
        return "values of a kind that is not read";
    if (s->logical == PARQUET_DECIMAL && (s->scale < 0 || s->scale > 22))
        return "decimals of an impossible scale";
    return NULL;
}

/* top: of the group that it is in, or NULL. */
static int32_t add_column(struct parquet_file *f, const struct element *s,
                          const struct element *top, struct rn_error *e) {
    struct parquet_column *c = &f->columns[f->width++];
    uint64_t n = top ? top->name_bytes + 1 : 0;
    *c = (struct parquet_column){.type = s->type,
                                 .length = s->length,
                                 .optional = s->repetition == 1,
                                 .meaning = s->logical,
                                 .scale = s->scale,
                                 .unit = s->unit,
                                 .other = top ? "lists or records" : unreadable(s)};
    if (s->name_bytes > NAME_MAX_BYTES || n > NAME_MAX_BYTES)
        return rn_failf(e, RN_E_DATA, f->name, 0, 0,
                        "column %u has a name of more than %u bytes", f->width,
                        NAME_MAX_BYTES);
    c->name = calloc(n + s->name_bytes + 1, 1);
    if (!c->name)
        return rn_failf(e, RN_E_MEMORY, f->name, 0, 0, "no memory for its columns");
    if (n > 1)
        memcpy(c->name, top->name, n - 1);
    if (n)
        c->name[n - 1] = '.';
    if (s->name_bytes)
        memcpy(c->name + n, s->name, s->name_bytes);
    return RN_OK;
}

/* The leaves in order, depth first; what is inside a group is a list or a record. */
static int32_t read_schema(struct parquet_file *f, struct thrift *t,
                           struct rn_error *e) {
    int type, depth = 0, left[THRIFT_DEPTH];
    uint32_t n = thrift_list(t, &type);
    struct element root, s, top;
    if (t->bad || type != THRIFT_STRUCT || n < 2 || n > COLUMNS_MAX)
        return damaged(f, e);
    f->columns = calloc(n, sizeof *f->columns);
    if (!f->columns)
        return rn_failf(e, RN_E_MEMORY, f->name, 0, 0, "no memory for its columns");
    read_element(t, &root);
    left[0] = root.children;
    int32_t status = RN_OK;
    for (uint32_t i = 1; i < n && status == RN_OK && !t->bad; i++) {
        read_element(t, &s);
        while (depth && !left[depth])
            depth--;
        if (left[depth]-- <= 0 || s.children < 0 ||
            (s.children && depth + 1 == THRIFT_DEPTH))
            return damaged(f, e);
        if (s.logical == NOT_SAID)
            old_meaning(&s);
        if (s.children && !depth)
            top = s;
        if (!s.children)
            status = add_column(f, &s, depth ? &top : NULL, e);
        else
            left[++depth] = s.children;
    }
    return status == RN_OK && (t->bad || !f->width) ? damaged(f, e) : status;
}

/* ------------------------------------------------------------------- row groups */

static void read_meta(struct thrift *t, struct parquet_chunk *c) {
    struct thrift_field f = {0, 0};
    uint64_t data = 0, dictionary = 0;
    while (thrift_next(t, &f)) {
        int integer = f.type == THRIFT_I32 || f.type == THRIFT_I64;
        if (integer && f.id == 4)
            c->codec = (int)thrift_integer(t);
        else if (integer && f.id == 5)
            c->values = (uint64_t)thrift_integer(t);
        else if (integer && f.id == 7)
            c->bytes = (uint64_t)thrift_integer(t);
        else if (integer && f.id == 9)
            data = (uint64_t)thrift_integer(t);
        else if (integer && f.id == 11)
            dictionary = (uint64_t)thrift_integer(t);
        else
            thrift_skip(t, f.type);
    }
    c->at = dictionary && dictionary < data ? dictionary : data;
}

/* 0: it is in another file, or encrypted. */
static int read_chunk(struct thrift *t, struct parquet_chunk *c) {
    struct thrift_field f = {0, 0};
    int here = 1;
    while (thrift_next(t, &f)) {
        if (f.id == 1 || f.id == 8 || f.id == 9)
            here = 0;
        if (f.id == 3 && f.type == THRIFT_STRUCT)
            read_meta(t, c);
        else
            thrift_skip(t, f.type);
    }
    return here;
}

static int32_t read_chunks(struct parquet_file *f, struct thrift *t, uint32_t group,
                           struct rn_error *e) {
    int type;
    uint32_t n = thrift_list(t, &type);
    if (t->bad || type != THRIFT_STRUCT || n != f->width)
        return damaged(f, e);
    for (uint32_t i = 0; i < n && !t->bad; i++) {
        struct parquet_chunk *c = &f->chunks[(size_t)group * f->width + i];
        if (!read_chunk(t, c))
            return rn_failf(e, RN_E_DATA, f->name, 0, 0,
                            "column '%.100s' is encrypted or in another file",
                            f->columns[i].name);
        if (c->at < 4 || c->at > f->size || c->bytes > f->size - c->at)
            return damaged(f, e);
    }
    return RN_OK;
}

static int32_t read_groups(struct parquet_file *f, struct thrift *t,
                           struct rn_error *e) {
    int type;
    uint32_t n = thrift_list(t, &type);
    uint64_t cells;
    if (t->bad || type != THRIFT_STRUCT || !f->width || f->chunks ||
        !rn_size_mul(n, f->width, &cells) || cells > FOOTER_MAX / sizeof *f->chunks)
        return damaged(f, e);
    f->chunks = calloc(cells ? cells : 1, sizeof *f->chunks);
    f->group_rows = calloc(n ? n : 1, sizeof *f->group_rows);
    if (!f->chunks || !f->group_rows)
        return rn_failf(e, RN_E_MEMORY, f->name, 0, 0, "no memory for its row groups");
    f->group_count = n;
    int32_t status = RN_OK;
    for (uint32_t g = 0; g < n && status == RN_OK && !t->bad; g++) {
        struct thrift_field x = {0, 0};
        while (status == RN_OK && thrift_next(t, &x))
            if (x.id == 1 && x.type == THRIFT_LIST)
                status = read_chunks(f, t, g, e);
            else if (x.id == 3 && x.type == THRIFT_I64)
                f->group_rows[g] = (uint64_t)thrift_integer(t);
            else
                thrift_skip(t, x.type);
    }
    return status;
}

static int32_t read_footer(struct parquet_file *f, struct thrift *t,
                           struct rn_error *e) {
    struct thrift_field x = {0, 0};
    int32_t status = RN_OK;
    uint64_t all = 0;
    while (status == RN_OK && thrift_next(t, &x))
        if (x.id == 2 && x.type == THRIFT_LIST && !f->columns)
            status = read_schema(f, t, e);
        else if (x.id == 3 && x.type == THRIFT_I64)
            f->rows = (uint64_t)thrift_integer(t);
        else if (x.id == 4 && x.type == THRIFT_LIST)
            status = read_groups(f, t, e);
        else
            thrift_skip(t, x.type);
    if (status != RN_OK)
        return status;
    for (uint32_t g = 0; g < f->group_count; g++)
        if (!rn_size_add(all, f->group_rows[g], &all))
            return damaged(f, e);
    return t->bad || all != f->rows || all > INT64_MAX ? damaged(f, e) : RN_OK;
}

int32_t parquet_file_read(struct parquet_file *f, struct rn_budget *b,
                          struct rn_error *e) {
    uint8_t tail[8];
    if (f->size < 12)
        return rn_failf(e, RN_E_DATA, f->name, 0, 0, "is not a Parquet file");
    int32_t status = rn_source_read(f->fd, f->name, tail, 8, f->size - 8, e);
    if (status != RN_OK)
        return status;
    uint64_t n = tail[0] | (uint64_t)tail[1] << 8 | (uint64_t)tail[2] << 16 |
                 (uint64_t)tail[3] << 24;
    if (memcmp(tail + 4, "PARE", 4) == 0)
        return rn_failf(e, RN_E_DATA, f->name, 0, 0, "is encrypted");
    if (memcmp(tail + 4, "PAR1", 4) != 0)
        return rn_failf(e, RN_E_DATA, f->name, 0, 0,
                        "is not a Parquet file, or is cut short");
    if (n > f->size - 12 || n > FOOTER_MAX)
        return damaged(f, e);
    if (!rn_budget_take(b, n))
        return rn_budget_error(b, f->name, e);
    uint8_t *footer = malloc(n ? n : 1);
    status = footer ? rn_source_read(f->fd, f->name, footer, n, f->size - 8 - n, e)
                    : rn_failf(e, RN_E_MEMORY, f->name, 0, 0, "no memory to read it");
    if (status == RN_OK) {
        struct thrift t = {footer, footer + n, 0, 0};
        status = read_footer(f, &t, e);
    }
    free(footer);
    rn_budget_return(b, n);
    return status;
}

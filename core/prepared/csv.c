/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared data as one CSV file (RFC 4180): comments with the recipe, a header, the
 * rows of all splits. Floats have the digits that read back as the same f32. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <runner/sdk/field.h>

#include "base/error.h"
#include "base/text.h"
#include "prepared/prepared.h"
#include "record/file.h"

#define PIECE (1u << 20)

struct csv_writer {
    const struct prepared_job *j;
    const char *path, *temp;
    int fd;
    uint64_t at;
    struct text text; /* not written yet */
};

static int flush(struct csv_writer *w, size_t from, struct rn_error *e) {
    if (w->text.length < from || !w->text.length)
        return RN_OK;
    int status = file_write(w->fd, w->text.s, w->text.length, w->at, w->path, e);
    w->at += w->text.length;
    text_clear(&w->text);
    return status;
}

static void discard_csv(void *writer) {
    struct csv_writer *w = writer;
    if (w->fd >= 0) {
        close(w->fd);
        file_discard(w->temp);
    }
    text_finish(&w->text);
}

/* A cell; quoted where it must be. */
static void add_cell(struct text *t, const char *s, size_t n) {
    if (!memchr(s, '"', n) && !memchr(s, ',', n) && !memchr(s, '\n', n) &&
        !memchr(s, '\r', n) && !memchr(s, '#', n)) {
        text_add_n(t, s, n);
        return;
    }
    text_add(t, "\"");
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '"')
            text_add(t, "\"");
        text_add_n(t, s + i, 1);
    }
    text_add(t, "\"");
}

static void add_number(struct text *t, const struct data_field *f, const void *values,
                       uint64_t i) {
    double x;
    if (f->dtype == RN_I64) {
        text_addf(t, "%lld", (long long)((const int64_t *)values)[i]);
        return;
    }
    rn_numbers_get(values, f->dtype, i, 1, &x);
    if (!isnan(x))
        text_addf(t, f->dtype == RN_F64 ? "%.17g" : "%.9g", x);
}

static void add_comments(struct csv_writer *w) {
    for (uint32_t i = 0; i < w->j->fact_count; i++) {
        const char *at = w->j->facts[i].value;
        text_addf(&w->text, "# %s:", w->j->facts[i].name);
        if (strchr(at, '\n'))
            text_add(&w->text, "\n#   ");
        else
            text_add(&w->text, " ");
        for (; *at; at++) {
            text_add_n(&w->text, at, 1);
            if (*at == '\n' && at[1])
                text_add(&w->text, "#   ");
        }
        if (at == w->j->facts[i].value || at[-1] != '\n')
            text_add(&w->text, "\n");
    }
}

static void add_header(struct csv_writer *w) {
    struct text name = {0};
    text_add(&w->text, "split,id");
    for (uint32_t f = 0; f < w->j->field_count; f++)
        for (uint64_t i = 0; i < prepared_values(w->j->fields[f]); i++) {
            text_clear(&name);
            prepared_column(w->j->fields[f], i, &name);
            text_add(&w->text, ",");
            add_cell(&w->text, text_get(&name), name.length);
        }
    text_add(&w->text, "\n");
    text_finish(&name);
}

static int open_csv(const struct prepared_job *j, void **writer, struct rn_error *e) {
    struct csv_writer *w = arena_array(j->arena, struct csv_writer, 1);
    *w = (struct csv_writer){.j = j,
                             .path = j->o->path,
                             .temp = arena_format(j->arena, "%s.tmp", j->o->path),
                             .fd = -1};
    w->fd = file_temp(w->temp, e);
    if (w->fd < 0)
        return w->fd;
    add_comments(w);
    add_header(w);
    *writer = w;
    return RN_OK;
}

static int rows_csv(void *writer, uint32_t split, const struct batch *b,
                    struct rn_error *e) {
    struct csv_writer *w = writer;
    int status = RN_OK;
    for (uint64_t r = 0; r < b->rows && !status; r++) {
        text_addf(&w->text, "%s,%lld", w->j->splits[split].name, (long long)b->ids[r]);
        for (uint32_t k = 0; k < w->j->field_count; k++) {
            const struct data_field *f = w->j->fields[k];
            uint64_t n = prepared_values(f);
            for (uint64_t i = 0; i < n; i++) {
                text_add(&w->text, ",");
                if (f->text) {
                    const char *s = (const char *)b->fields[k] + r * f->bytes;
                    add_cell(&w->text, s, strnlen(s, f->bytes));
                } else {
                    add_number(&w->text, f, b->fields[k], r * n + i);
                }
            }
        }
        text_add(&w->text, "\n");
        status = flush(w, PIECE, e);
    }
    return status;
}

static int commit_csv(void *writer, struct rn_error *e) {
    struct csv_writer *w = writer;
    int status = flush(w, 0, e);
    if (!status) {
        status = file_commit(w->fd, w->temp, w->path, e);
        w->fd = -1;
    }
    discard_csv(w);
    return status;
}

const struct prepared_format prepared_csv = {"csv", open_csv, rows_csv, commit_csv,
                                             discard_csv};

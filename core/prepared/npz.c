/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared data as .npz: a ZIP archive (PKWARE APPNOTE 6.3, stored, with the fields of
 * ZIP64) of .npy files (NumPy's format 1.0). The sizes of all members are known before
 * their data, so that every member has its place from the start; its CRC-32 comes last.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "prepared/prepared.h"
#include "record/file.h"

/* A member: local header, .npy header, data. */
struct member {
    char *name;
    struct text npy;
    uint64_t at, data, bytes, done; /* of the local header; of the data */
    uint32_t crc;
};

struct npz_writer {
    const struct prepared_job *j;
    const char *path, *temp;
    int fd;
    uint32_t table[256], count;
    struct member *members; /* of a split: its fields, its ids; last the recipe */
};

/* -------------------------------------------------------------------------- zip */

/* CRC-32 of ISO 3309, reflected. */
static void make_table(uint32_t table[256]) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
        table[i] = c;
    }
}

static uint32_t crc32_add(const uint32_t table[256], uint32_t crc, const void *data,
                          uint64_t n) {
    const uint8_t *p = data;
    crc = ~crc;
    for (uint64_t i = 0; i < n; i++)
        crc = crc >> 8 ^ table[(crc ^ p[i]) & 255];
    return ~crc;
}

static void put(struct text *t, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++) {
        char c = (char)(v >> 8 * i);
        text_add_n(t, &c, 1);
    }
}

enum { ZIP64_VERSION = 45, DOS_DATE = 33 /* 1 January 1980 */ };

/* Both headers share their middle: versions and flags, no compression, no time. */
static void put_common(struct text *t, const struct member *m) {
    put(t, ZIP64_VERSION, 2);
    put(t, 1u << 11, 2); /* names are UTF-8 */
    put(t, 0, 2);
    put(t, 0, 2);
    put(t, DOS_DATE, 2);
    put(t, m->crc, 4);
    put(t, UINT32_MAX, 4); /* sizes: in the field of ZIP64 */
    put(t, UINT32_MAX, 4);
    put(t, strlen(m->name), 2);
}

static void put_local(struct text *t, const struct member *m) {
    uint64_t size = m->npy.length + m->bytes;
    put(t, 0x04034b50, 4);
    put_common(t, m);
    put(t, 20, 2);
    text_add(t, m->name);
    put(t, 1, 2);
    put(t, 16, 2);
    put(t, size, 8);
    put(t, size, 8);
}

static void put_central(struct text *t, const struct member *m) {
    uint64_t size = m->npy.length + m->bytes;
    put(t, 0x02014b50, 4);
    put(t, ZIP64_VERSION, 2);
    put_common(t, m);
    put(t, 28, 2);
    put(t, 0, 8); /* no comment, disk 0, internal attributes */
    put(t, 0, 2);
    put(t, UINT32_MAX, 4);
    text_add(t, m->name);
    put(t, 1, 2);
    put(t, 24, 2);
    put(t, size, 8);
    put(t, size, 8);
    put(t, m->at, 8);
}

static void put_end(struct text *t, uint64_t count, uint64_t at, uint64_t bytes) {
    put(t, 0x06064b50, 4); /* the end record of ZIP64 */
    put(t, 44, 8);
    put(t, ZIP64_VERSION, 2);
    put(t, ZIP64_VERSION, 2);
    put(t, 0, 8);
    put(t, count, 8);
    put(t, count, 8);
    put(t, bytes, 8);
    put(t, at, 8);
    put(t, 0x07064b50, 4); /* where it is */
    put(t, 0, 4);
    put(t, at + bytes, 8);
    put(t, 1, 4);
    put(t, 0x06054b50, 4);
    put(t, 0, 4);
    put(t, UINT16_MAX, 2);
    put(t, UINT16_MAX, 2);
    put(t, UINT32_MAX, 4);
    put(t, UINT32_MAX, 4);
    put(t, 0, 2);
}

/* ---------------------------------------------------------------------- members */

static const char *descr_of(const struct data_field *f, char out[32]) {
    static const struct {
        rn_dtype dtype;
        const char *descr;
    } all[] = {{RN_F32, "<f4"}, {RN_F64, "<f8"}, {RN_F16, "<f2"},
               {RN_I64, "<i8"}, {RN_I32, "<i4"}, {RN_I8, "|i1"},
               {RN_U32, "<u4"}, {RN_U8, "|u1"},  {RN_BOOL, "|b1"}};
    if (f->text) {
        snprintf(out, 32, "|S%llu", (unsigned long long)f->bytes);
        return out;
    }
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].dtype == f->dtype)
            return all[i].descr;
    return NULL;
}

/* The header of an .npy file: its dictionary, padded so that data begin at a multiple
 * of 64. */
static void npy_header(struct text *t, const char *descr, const char *shape) {
    struct text d = {0};
    text_addf(&d, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr,
              shape);
    size_t n = d.length + 1, pad = (64 - (10 + n) % 64) % 64;
    text_add_n(t, "\x93NUMPY\x01\x00", 8);
    put(t, n + pad, 2);
    text_add_n(t, d.s, d.length);
    for (size_t i = 0; i < pad; i++)
        text_add(t, " ");
    text_add(t, "\n");
    text_finish(&d);
}

static void add_member(struct npz_writer *w, char *name, const char *descr,
                       const char *shape, uint64_t bytes) {
    struct member *m = &w->members[w->count++];
    *m = (struct member){.name = name, .bytes = bytes};
    npy_header(&m->npy, descr, shape);
}

static int add_field(struct npz_writer *w, uint32_t split, const struct data_field *f,
                     struct rn_error *e) {
    const struct prepared_job *j = w->j;
    uint64_t rows = j->splits[split].rows;
    char text[32];
    const char *descr = descr_of(f, text);
    if (!descr)
        return error_set(e, RN_E_CONFIG, "the elements of '%s' have no type in .npz",
                         f->name);
    struct text shape = {0};
    text_addf(&shape, "%llu,", (unsigned long long)rows);
    for (uint32_t i = 0; i < f->rank && !f->text; i++)
        text_addf(&shape, " %lld,", (long long)f->shape[i]);
    add_member(w, arena_format(j->arena, "%s/%s.npy", j->splits[split].name, f->name),
               descr, text_get(&shape), rows * f->bytes);
    text_finish(&shape);
    return RN_OK;
}

static const char *recipe_of(const struct prepared_job *j) {
    struct text t = {0};
    for (uint32_t i = 0; i < j->fact_count; i++)
        text_addf(&t, "%s: %s\n", j->facts[i].name, j->facts[i].value);
    const char *all = arena_copy(j->arena, text_get(&t));
    text_finish(&t);
    return all;
}

static int list_members(struct npz_writer *w, const char *recipe, struct rn_error *e) {
    const struct prepared_job *j = w->j;
    int status = RN_OK;
    char descr[32], shape[32];
    w->members =
        arena_array(j->arena, struct member, j->split_count * (j->field_count + 1) + 1);
    for (uint32_t s = 0; s < j->split_count && !status; s++) {
        for (uint32_t i = 0; i < j->field_count && !status; i++)
            status = add_field(w, s, j->fields[i], e);
        snprintf(shape, sizeof shape, "%llu,", (unsigned long long)j->splits[s].rows);
        add_member(w, arena_format(j->arena, "%s/id.npy", j->splits[s].name), "<i8",
                   shape, j->splits[s].rows * sizeof(int64_t));
    }
    snprintf(descr, sizeof descr, "|S%zu", strlen(recipe));
    add_member(w, arena_format(j->arena, "recipe.npy"), descr, "", strlen(recipe));
    uint64_t at = 0;
    for (uint32_t i = 0; i < w->count; i++) {
        struct member *m = &w->members[i];
        m->at = at;
        m->crc = crc32_add(w->table, 0, m->npy.s, m->npy.length);
        m->data = at + 30 + strlen(m->name) + 20 + m->npy.length;
        at = m->data + m->bytes;
    }
    return status;
}

static int append(struct npz_writer *w, uint32_t i, const void *data, uint64_t bytes,
                  struct rn_error *e) {
    struct member *m = &w->members[i];
    int status = file_write(w->fd, data, bytes, m->data + m->done, w->path, e);
    m->crc = crc32_add(w->table, m->crc, data, bytes);
    m->done += bytes;
    return status;
}

/* ------------------------------------------------------------------------ format */

static void discard_npz(void *writer) {
    struct npz_writer *w = writer;
    for (uint32_t i = 0; i < w->count; i++)
        text_finish(&w->members[i].npy);
    if (w->fd >= 0) {
        close(w->fd);
        file_discard(w->temp);
    }
}

static int open_npz(const struct prepared_job *j, void **writer, struct rn_error *e) {
    struct npz_writer *w = arena_array(j->arena, struct npz_writer, 1);
    const char *recipe = recipe_of(j);
    *w = (struct npz_writer){.j = j,
                             .path = j->o->path,
                             .temp = arena_format(j->arena, "%s.tmp", j->o->path),
                             .fd = -1};
    make_table(w->table);
    int status = list_members(w, recipe, e);
    if (!status && (w->fd = file_temp(w->temp, e)) < 0)
        status = w->fd;
    if (!status)
        status = append(w, w->count - 1, recipe, strlen(recipe), e);
    if (status)
        discard_npz(w);
    else
        *writer = w;
    return status;
}

static int rows_npz(void *writer, uint32_t split, const struct batch *b,
                    struct rn_error *e) {
    struct npz_writer *w = writer;
    uint32_t first = split * (w->j->field_count + 1);
    int status = RN_OK;
    for (uint32_t i = 0; i < w->j->field_count && !status; i++)
        status =
            append(w, first + i, b->fields[i], b->rows * w->j->fields[i]->bytes, e);
    return status ? status
                  : append(w, first + w->j->field_count, b->ids,
                           b->rows * sizeof *b->ids, e);
}

static int write_headers(struct npz_writer *w, struct rn_error *e) {
    struct text local = {0}, central = {0};
    const struct member *last = &w->members[w->count - 1];
    uint64_t at = last->data + last->bytes;
    int status = RN_OK;
    for (uint32_t i = 0; i < w->count && !status; i++) {
        const struct member *m = &w->members[i];
        text_clear(&local);
        put_local(&local, m);
        text_add_n(&local, m->npy.s, m->npy.length);
        status = file_write(w->fd, local.s, local.length, m->at, w->path, e);
        put_central(&central, m);
    }
    put_end(&central, w->count, at, central.length);
    if (!status)
        status = file_write(w->fd, central.s, central.length, at, w->path, e);
    text_finish(&local);
    text_finish(&central);
    return status;
}

static int commit_npz(void *writer, struct rn_error *e) {
    struct npz_writer *w = writer;
    int status = write_headers(w, e);
    if (!status) {
        status = file_commit(w->fd, w->temp, w->path, e);
        w->fd = -1;
    }
    discard_npz(w);
    return status;
}

const struct prepared_format prepared_npz = {"npz", open_npz, rows_npz, commit_npz,
                                             discard_npz};

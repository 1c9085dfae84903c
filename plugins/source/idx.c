/* SPDX-License-Identifier: Apache-2.0 */
/* IDX files, the form of MNIST and Fashion-MNIST: two zero bytes, a type byte, the
 * rank, sizes as big-endian u32, then the numbers, big-endian. Plain or gzipped. */
#include <errno.h>
#include <stdlib.h>

#include <zlib.h>

#include <runner/sdk/error.h>
#include <runner/sdk/field.h>
#include <runner/sdk/source.h>

#include "gz.h"
#include "source_file.h"

#define PIECE (1u << 20) /* bytes asked of zlib at a time */

struct table {
    const char *file; /* host, until destroy */
    struct rn_budget *budget;
    uint8_t *rows; /* [count, field], native order */
    uint64_t count;
    uint64_t row_bytes;
    struct rn_field field;
};

struct idx {
    struct rn_budget budget;
    const char *files[2];   /* of the fields */
    struct table tables[2]; /* images, labels */
    struct rn_field fields[2];
    uint32_t field_count;
};

/* Read `want` bytes; the buffer grows with what is really there, so that a false size
 * in a header costs nothing. */
static int32_t take(gzFile f, const struct table *t, uint64_t want, uint8_t **out,
                    struct rn_error *e) {
    uint64_t room = 0, have = 0;
    *out = NULL;
    while (have < want) {
        if (have == room) {
            uint64_t more = room ? room : PIECE;
            more = want - room < more ? want - room : more;
            if (!rn_budget_take(t->budget, more))
                return rn_budget_error(t->budget, t->file, e);
            uint8_t *data = realloc(*out, room += more);
            if (!data)
                return rn_failf(e, RN_E_MEMORY, t->file, 0, 0,
                                "no memory for %llu bytes", (unsigned long long)want);
            *out = data;
        }
        uint64_t ask = room - have < PIECE ? room - have : PIECE;
        int got = gzread(f, *out + have, (unsigned)ask);
        if (got < 0)
            return gz_error(f, t->file, e);
        if (got == 0)
            return rn_failf(e, RN_E_DATA, t->file, 0, 0,
                            "is cut short: %llu bytes of numbers announced, %llu found",
                            (unsigned long long)want, (unsigned long long)have);
        have += (uint64_t)got;
    }
    return RN_OK;
}

/* Big-endian numbers of `size` bytes, turned in place. */
static void turn(uint8_t *p, uint64_t count, uint32_t size) {
    if (size == 4)
        for (uint64_t i = 0; i < count; i++, p += 4) {
            uint32_t v = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
                         (uint32_t)p[2] << 8 | p[3];
            memcpy(p, &v, 4);
        }
    if (size == 8)
        for (uint64_t i = 0; i < count; i++, p += 8) {
            uint64_t v = 0;
            for (int k = 0; k < 8; k++)
                v = v << 8 | p[k];
            memcpy(p, &v, 8);
        }
}

/* i16 has no type here: i32. */
static int32_t widen16(struct table *t, uint64_t count, struct rn_error *e) {
    if (!rn_budget_take(t->budget, rn_size_or_max(count, sizeof(int32_t))))
        return rn_budget_error(t->budget, t->file, e);
    int32_t *wide = malloc(rn_size_or_max(count, sizeof *wide));
    if (!wide)
        return rn_failf(e, RN_E_MEMORY, t->file, 0, 0, "no memory for its numbers");
    for (uint64_t i = 0; i < count; i++)
        wide[i] = (int16_t)(uint16_t)(t->rows[2 * i] << 8 | t->rows[2 * i + 1]);
    free(t->rows);
    t->rows = (uint8_t *)wide;
    return RN_OK;
}

static int32_t table_read(gzFile f, struct table *t, struct rn_error *e) {
    uint8_t head[4] = {0}, sizes[4 * RN_MAX_RANK], more;
    int got = gzread(f, head, 4);
    if (got < 0)
        return gz_error(f, t->file, e);
    if (got != 4 || head[0] || head[1])
        return rn_failf(e, RN_E_DATA, t->file, 0, 0,
                        "is not an IDX file: begins with %02x %02x %02x %02x", head[0],
                        head[1], head[2], head[3]);
    uint32_t size = 0, rank = head[3];
    switch (head[2]) {
    case 0x08:
        t->field.dtype = RN_U8, size = 1;
        break;
    case 0x09:
        t->field.dtype = RN_I8, size = 1;
        break;
    case 0x0b:
        t->field.dtype = RN_I32, size = 2;
        break;
    case 0x0c:
        t->field.dtype = RN_I32, size = 4;
        break;
    case 0x0d:
        t->field.dtype = RN_F32, size = 4;
        break;
    case 0x0e:
        t->field.dtype = RN_F64, size = 8;
        break;
    default:
        return rn_failf(e, RN_E_DATA, t->file, 0, 0,
                        "is not an IDX file: unknown type byte %02x", head[2]);
    }
    if (rank < 1 || rank > RN_MAX_RANK)
        return rn_failf(e, RN_E_DATA, t->file, 0, 0, "has rank %u; 1 to %u are read",
                        rank, RN_MAX_RANK);
    if (gzread(f, sizes, 4 * rank) != (int)(4 * rank))
        return rn_failf(e, RN_E_DATA, t->file, 0, 0, "is cut short in its header");
    for (uint32_t i = 0; i < rank; i++) {
        const uint8_t *p = sizes + 4 * i;
        uint64_t n =
            (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
        if (!n)
            return rn_failf(e, RN_E_DATA, t->file, 0, 0, "has no samples: size %u is 0",
                            i);
        if (i == 0)
            t->count = n;
        else
            t->field.shape[t->field.rank++] = (int64_t)n;
    }
    uint64_t total = 0, bytes = 0;
    if (!rn_size_product(t->count, t->field.shape, t->field.rank, &total) ||
        !rn_size_mul(total, RN_DTYPE_BYTES(t->field.dtype), &bytes) ||
        bytes > INT64_MAX)
        return rn_failf(e, RN_E_DATA, t->file, 0, 0, "announces impossible sizes");
    int32_t status = take(f, t, total * size, &t->rows, e);
    if (status != RN_OK)
        return status;
    got = gzread(f, &more, 1); /* also makes zlib compare the checksum */
    if (got < 0)
        return gz_error(f, t->file, e);
    if (got > 0)
        return rn_failf(e, RN_E_DATA, t->file, 0, 0,
                        "goes on after the %llu bytes of numbers that it announces",
                        (unsigned long long)(total * size));
    if (size == 2)
        status = widen16(t, total, e);
    else
        turn(t->rows, total, size);
    t->row_bytes = rn_field_bytes(&t->field);
    return status;
}

/* *absent: the file is not there, and that was allowed. */
static int32_t table_open(struct table *t, const char *file, int optional, int *absent,
                          struct rn_error *e) {
    const char *why = NULL;
    t->file = file;
    *absent = 0;
    int fd = rn_file_open(file, O_RDONLY, NULL, &why);
    struct source_file inside;
    if (fd < 0 && source_file_in_archive(file)) {
        int32_t status = source_file_open(&inside, file, 1, t->budget, e);
        if (status != RN_OK)
            return status;
        fd = inside.fd;
    }
    if (fd < 0 && optional && errno == ENOENT) {
        *absent = 1;
        return RN_OK;
    }
    if (fd < 0)
        return rn_source_open_error(file, why, e);
    gzFile f = gzdopen(fd, "rb");
    if (!f) {
        close(fd);
        return rn_failf(e, RN_E_MEMORY, file, 0, 0, "no memory to read it");
    }
    gzbuffer(f, 1u << 17);
    int32_t status = table_read(f, t, e);
    gzclose(f);
    return status;
}

/* Any integer type to i64. */
static int32_t labels_widen(struct table *t, struct rn_error *e) {
    if (!rn_dtype_is_integer(t->field.dtype))
        return rn_failf(e, RN_E_DATA, t->file, 0, 0, "labels must be integers, not %s",
                        rn_dtype_name(t->field.dtype));
    if (t->field.rank != 0)
        return rn_failf(e, RN_E_DATA, t->file, 0, 0,
                        "labels must have rank 1, not %u: is this the images' file?",
                        t->field.rank + 1);
    if (!rn_budget_take(t->budget, rn_size_or_max(t->count, sizeof(int64_t))))
        return rn_budget_error(t->budget, t->file, e);
    int64_t *wide = malloc(rn_size_or_max(t->count, sizeof *wide));
    if (!wide)
        return rn_failf(e, RN_E_MEMORY, t->file, 0, 0, "no memory for its labels");
    for (uint64_t i = 0; i < t->count; i++)
        wide[i] = rn_integer_get(t->rows, t->field.dtype, i);
    free(t->rows);
    t->rows = (uint8_t *)wide;
    t->field.dtype = RN_I64;
    t->row_bytes = sizeof *wide;
    return RN_OK;
}

static void destroy(void *self) {
    struct idx *s = self;
    if (s) {
        free(s->tables[0].rows);
        free(s->tables[1].rows);
    }
    free(s);
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct idx *s = calloc(1, sizeof *s);
    int absent = 0;
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    struct table *images = &s->tables[0], *labels = &s->tables[1];
    s->budget = rn_budget_of(h);
    images->budget = labels->budget = &s->budget;
    int32_t status = table_open(images, rn_get_string(h, "images"), 0, &absent, e);
    if (status != RN_OK)
        return status;
    if (images->field.rank == 2) { /* [H,W] is one channel */
        images->field.shape[2] = images->field.shape[1];
        images->field.shape[1] = images->field.shape[0];
        images->field.shape[0] = 1;
        images->field.rank = 3;
    }
    images->field.name = "image";
    s->fields[s->field_count++] = images->field;
    if (!rn_has(h, "labels"))
        return RN_OK;
    int predict = h->api->extension(h, RN_EXT_PREDICT) != NULL;
    status = table_open(labels, rn_get_string(h, "labels"), predict, &absent, e);
    if (status != RN_OK || absent)
        return status;
    status = labels_widen(labels, e);
    if (status != RN_OK)
        return status;
    if (predict && labels->count != images->count)
        return RN_OK; /* the labels of other images */
    if (labels->count != images->count)
        return rn_failf(e, RN_E_DATA, labels->file, 0, 0,
                        "has %llu labels, but %s has %llu images",
                        (unsigned long long)labels->count, images->file,
                        (unsigned long long)images->count);
    labels->field.name = "label";
    s->fields[s->field_count++] = labels->field;
    return RN_OK;
}

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    struct idx *s = self;
    (void)e;
    out->access = RN_ACCESS_RANDOM;
    out->count = s->tables[0].count;
    out->field_count = s->field_count;
    out->field_stride = sizeof s->fields[0];
    out->fields = s->fields;
    memset(out->content_hash, 0, sizeof out->content_hash);
    if (RN_HAS(out, struct rn_source_info, name))
        out->name = s->tables[0].file;
    s->files[0] = s->tables[0].file;
    s->files[1] = s->tables[1].file;
    if (RN_HAS(out, struct rn_source_info, files))
        out->files = s->files;
    return RN_OK;
}

static int32_t read_rows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    const struct rn_tensor *out = call->out;
    const uint64_t *indices = call->indices;
    uint64_t n = call->rows;
    const struct idx *s = self;
    for (uint32_t f = 0; f < s->field_count; f++) {
        const struct table *t = &s->tables[f];
        uint8_t *to = out[f].data;
        for (uint64_t i = 0; to && i < n; i++, to += t->row_bytes) {
            if (indices[i] >= t->count)
                return rn_failf(e, RN_E_INTERNAL, t->file, 0, 0,
                                "row %llu is not there",
                                (unsigned long long)indices[i]);
            memcpy(to, t->rows + indices[i] * t->row_bytes, t->row_bytes);
        }
    }
    return RN_OK;
}

static const struct rn_source iface = {
    sizeof(struct rn_source), 0, create, destroy, info, NULL, NULL, read_rows};

RN_SOURCE(idx, iface, "runner/idx 1",
          RN_DOC("IDX files, as of MNIST: images and labels, plain or gzipped; held "
                 "in memory")
          RN_OUT("image any [N,...] | [1,H,W] of a file of rank 3; else as it stands")
          RN_OUT("label i64 [N] ; optional | when `labels` is given")
          RN_OPTION("images path ; required | the images' file")
          RN_OPTION("labels path | the labels' file")
          RN_BUDGET_OPTION);
RN_PLUGIN(&idx);

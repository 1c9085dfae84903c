/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <zlib.h>

#include <runner/sdk/error.h>

#include "parquet_pages.h"
#include "parquet_thrift.h"

#define HEADER_MAX 65536u

enum { DATA_PAGE, INDEX_PAGE, DICTIONARY_PAGE, DATA_PAGE_2 };
enum { PLAIN, PLAIN_DICTIONARY = 2, RLE, DELTA = 5, RLE_DICTIONARY = 8, SPLIT };
enum { PLAIN_CODEC, SNAPPY, GZIP, LZO, BROTLI, LZ4, ZSTD, LZ4_RAW };

struct page {
    int type, encoding, level_encoding, plain; /* plain: of v2, not compressed */
    uint64_t bytes, stored;                    /* decompressed, in the file */
    uint64_t values, def_bytes, rep_bytes;
};

/* What is read of a column at a time. */
struct reading {
    const struct parquet_file *f;
    const struct parquet_column *c;
    struct rn_budget *budget;
    struct rn_error *e;
    uint64_t at, end, row;
    uint8_t *stored, *page, *dictionary; /* bytes of a page, decompressed; owned */
    uint64_t stored_room, page_room;
    struct parquet_value *words; /* of the dictionary */
    uint64_t word_count, held;
    parquet_visit visit;
    void *context;
};

static int32_t bad(const struct reading *r, const char *what) {
    return rn_failf(r->e, RN_E_DATA, r->f->name, 0, 0, "column '%.100s', byte %llu: %s",
                    r->c->name, (unsigned long long)r->at, what);
}

/* ------------------------------------------------------------------ compression */

static int copy_back(uint8_t *to, uint64_t *at, uint64_t n, uint64_t offset,
                     uint64_t length) {
    if (!offset || offset > *at || length > n - *at)
        return 0;
    for (uint64_t i = 0; i < length; i++, ++*at)
        to[*at] = to[*at - offset];
    return 1;
}

int parquet_unsnap(const uint8_t *from, uint64_t bytes, uint8_t *to, uint64_t n) {
    struct thrift t = {from, from + bytes, 0, 0};
    uint64_t at = 0;
    if (thrift_varint(&t) != n)
        return 0;
    while (t.p < t.end && !t.bad) {
        uint8_t tag = thrift_byte(&t);
        uint64_t length = (uint64_t)(tag >> 2) + 1, offset = 0;
        if (!(tag & 3)) { /* a literal; above 60 the length follows */
            int more = length > 60 ? (int)length - 60 : 0;
            for (int i = 0, k = 0; i < more; i++, k += 8)
                length = (i ? length : 1) + ((uint64_t)thrift_byte(&t) << k);
            if (t.bad || length > (uint64_t)(t.end - t.p) || length > n - at)
                return 0;
            memcpy(to + at, t.p, length);
            t.p += length;
            at += length;
            continue;
        }
        if ((tag & 3) == 1) {
            length = (tag >> 2 & 7) + 4u;
            offset = (uint64_t)(tag >> 5) << 8 | thrift_byte(&t);
        } else {
            for (int i = 0; i < ((tag & 3) == 2 ? 2 : 4); i++)
                offset |= (uint64_t)thrift_byte(&t) << 8 * i;
        }
        if (t.bad || !copy_back(to, &at, n, offset, length))
            return 0;
    }
    return !t.bad && at == n;
}

/* A length whose four bits were all set goes on in bytes, the last of which is not 255.
 */
static uint64_t lz4_length(struct thrift *t, uint64_t n) {
    uint8_t more = 255;
    if (n == 15)
        while (more == 255 && !t->bad)
            n += more = thrift_byte(t);
    return n;
}

/* LZ4's block format (lz4_Block_format.md): exactly n bytes. */
static int unlz4(const uint8_t *from, uint64_t bytes, uint8_t *to, uint64_t n) {
    struct thrift t = {from, from + bytes, 0, 0};
    uint64_t at = 0;
    while (t.p < t.end && !t.bad) {
        uint8_t token = thrift_byte(&t);
        uint64_t length = lz4_length(&t, token >> 4), offset;
        if (t.bad || length > (uint64_t)(t.end - t.p) || length > n - at)
            return 0;
        memcpy(to + at, t.p, length);
        t.p += length;
        at += length;
        if (t.p == t.end) /* the last sequence is literals alone */
            break;
        offset = thrift_byte(&t);
        offset |= (uint64_t)thrift_byte(&t) << 8;
        length = lz4_length(&t, token & 15) + 4;
        if (t.bad || !copy_back(to, &at, n, offset, length))
            return 0;
    }
    return !t.bad && at == n;
}

static int gunzip(const uint8_t *from, uint64_t bytes, uint8_t *to, uint64_t n) {
    z_stream z = {.next_in = (Bytef *)(uintptr_t)from,
                  .avail_in = (uInt)bytes,
                  .next_out = to,
                  .avail_out = (uInt)n};
    if (bytes > UINT32_MAX || n > UINT32_MAX || inflateInit2(&z, 15 + 32) != Z_OK)
        return 0;
    int code = inflate(&z, Z_FINISH);
    int whole = code == Z_STREAM_END && z.total_out == n;
    inflateEnd(&z);
    return whole;
}

static int32_t decompress(const struct reading *r, int codec, const uint8_t *from,
                          uint64_t bytes, uint8_t *to, uint64_t n) {
    static const char *const names[] = {"",       "snappy", "gzip", "LZO",
                                        "Brotli", "LZ4",    "zstd", "LZ4"};
    int ok;
    switch (codec) {
    case PLAIN_CODEC:
        if ((ok = bytes == n) && n)
            memcpy(to, from, n);
        break;
    case SNAPPY:
        ok = parquet_unsnap(from, bytes, to, n);
        break;
    case LZ4_RAW:
        ok = unlz4(from, bytes, to, n);
        break;
    case GZIP:
        ok = gunzip(from, bytes, to, n);
        break;
#ifdef RUNNER_ZSTD
    case ZSTD:
        ok = parquet_unzstd(from, bytes, to, n);
        break;
#endif
    default:
        rn_failf(
            r->e, RN_E_DATA, r->f->name, 0, 0,
            "column '%.100s' is compressed with %s, which this build does not read",
            r->c->name,
            codec > 0 && codec <= LZ4_RAW ? names[codec] : "an unknown codec");
        rn_hintf(r->e, "write it with compression=\"snappy\"");
        return RN_E_DATA;
    }
    return ok ? RN_OK : bad(r, "the compressed page is damaged");
}

/* ------------------------------------------------------------------------ pages */

static void read_page_1(struct thrift *t, struct page *p) {
    struct thrift_field f = {0, 0};
    while (thrift_next(t, &f))
        if (f.id == 1 && f.type == THRIFT_I32)
            p->values = (uint64_t)thrift_integer(t);
        else if (f.id == 2 && f.type == THRIFT_I32)
            p->encoding = (int)thrift_integer(t);
        else if (f.id == 3 && f.type == THRIFT_I32)
            p->level_encoding = (int)thrift_integer(t);
        else
            thrift_skip(t, f.type);
}

static void read_page_2(struct thrift *t, struct page *p) {
    struct thrift_field f = {0, 0};
    while (thrift_next(t, &f)) {
        int integer = f.type == THRIFT_I32;
        if (integer && f.id == 1)
            p->values = (uint64_t)thrift_integer(t);
        else if (integer && f.id == 4)
            p->encoding = (int)thrift_integer(t);
        else if (integer && f.id == 5)
            p->def_bytes = (uint64_t)thrift_integer(t);
        else if (integer && f.id == 6)
            p->rep_bytes = (uint64_t)thrift_integer(t);
        else if (f.id == 7)
            p->plain = f.type == THRIFT_FALSE;
        else
            thrift_skip(t, f.type);
    }
}

/* Moves r->at behind the header. */
static int32_t read_header(struct reading *r, struct page *p) {
    uint8_t head[HEADER_MAX];
    uint64_t n = r->end - r->at < sizeof head ? r->end - r->at : sizeof head;
    struct thrift_field f = {0, 0};
    int32_t status = rn_source_read(r->f->fd, r->f->name, head, n, r->at, r->e);
    if (status != RN_OK)
        return status;
    struct thrift t = {head, head + n, 0, 0};
    *p = (struct page){.type = -1, .level_encoding = RLE};
    while (thrift_next(&t, &f)) {
        int integer = f.type == THRIFT_I32;
        if (integer && f.id == 1)
            p->type = (int)thrift_integer(&t);
        else if (integer && f.id == 2)
            p->bytes = (uint64_t)thrift_integer(&t);
        else if (integer && f.id == 3)
            p->stored = (uint64_t)thrift_integer(&t);
        else if (f.type == THRIFT_STRUCT && (f.id == 5 || f.id == 7))
            read_page_1(&t, p);
        else if (f.type == THRIFT_STRUCT && f.id == 8)
            read_page_2(&t, p);
        else
            thrift_skip(&t, f.type);
    }
    if (t.bad || p->type < 0)
        return bad(r, "the header of a page is damaged");
    r->at += (uint64_t)(t.p - head);
    if (p->stored > r->end - r->at || p->bytes > INT32_MAX || p->values > INT32_MAX)
        return bad(r, "a page has an impossible size");
    return RN_OK;
}

static int32_t make_room(struct reading *r, uint8_t **buffer, uint64_t *room,
                         uint64_t bytes) {
    if (bytes < *room)
        return RN_OK;
    if (!rn_budget_take(r->budget, bytes + 1))
        return rn_budget_error(r->budget, r->f->name, r->e);
    r->held += bytes + 1;
    free(*buffer);
    *buffer = malloc(bytes + 1);
    *room = *buffer ? bytes + 1 : 0;
    return *buffer
               ? RN_OK
               : rn_failf(r->e, RN_E_MEMORY, r->f->name, 0, 0, "no memory for a page");
}

/* The page's bytes in r->page; of v2 the levels are in front, never compressed. */
static int32_t read_page(struct reading *r, const struct page *p, int codec) {
    uint64_t levels = p->type == DATA_PAGE_2 ? p->def_bytes + p->rep_bytes : 0;
    if (levels > p->stored || levels > p->bytes)
        return bad(r, "a page has an impossible size");
    int32_t status = make_room(r, &r->stored, &r->stored_room, p->stored);
    if (status == RN_OK)
        status = make_room(r, &r->page, &r->page_room, p->bytes);
    if (status == RN_OK)
        status =
            rn_source_read(r->f->fd, r->f->name, r->stored, p->stored, r->at, r->e);
    if (status != RN_OK)
        return status;
    memcpy(r->page, r->stored, levels);
    return decompress(r, p->plain ? PLAIN_CODEC : codec, r->stored + levels,
                      p->stored - levels, r->page + levels, p->bytes - levels);
}

/* ----------------------------------------------------------------------- values */

struct bytes {
    const uint8_t *p, *end;
};

/* Runs of equal values and of packed ones, of `width` bits. */
struct runs {
    struct bytes in;
    unsigned width;
    uint64_t left;   /* of the run */
    int packed, bad; /* packed: bits from `bit` on */
    uint64_t bit;
    uint32_t value;
};

static uint32_t little(struct bytes *b, unsigned n, int *bad_) {
    uint32_t v = 0;
    if ((size_t)(b->end - b->p) < n) {
        *bad_ = 1;
        return 0;
    }
    for (unsigned i = 0; i < n; i++)
        v |= (uint32_t)*b->p++ << 8 * i;
    return v;
}

static void next_run(struct runs *s) {
    struct thrift t = {s->in.p, s->in.end, 0, 0};
    uint64_t head = thrift_varint(&t);
    s->in.p = t.p;
    s->packed = head & 1;
    s->left = head >> 1;
    s->bad |= t.bad || !s->left || s->left > INT32_MAX;
    if (s->bad)
        return;
    if (!s->packed) {
        s->value = little(&s->in, (s->width + 7) / 8, &s->bad);
        return;
    }
    uint64_t bytes = s->left * s->width;
    s->bit = 0;
    /* The last group may be cut where no value is. */
    if (bytes > (uint64_t)(s->in.end - s->in.p))
        bytes = (uint64_t)(s->in.end - s->in.p);
    s->left = s->width ? bytes * 8 / s->width : s->left * 8;
    s->bad |= !s->left;
}

static uint32_t packed_at(const struct runs *s) {
    uint64_t v = 0, first = s->bit / 8, have = (uint64_t)(s->in.end - s->in.p);
    for (uint64_t i = 0; i < 5 && first + i < have; i++)
        v |= (uint64_t)s->in.p[first + i] << 8 * i;
    v >>= s->bit % 8;
    return (uint32_t)(s->width == 32 ? v : v & ((UINT64_C(1) << s->width) - 1));
}

static uint32_t next_of_runs(struct runs *s) {
    if (!s->left && !s->bad)
        next_run(s);
    if (s->bad)
        return 0;
    uint32_t v = s->packed ? packed_at(s) : s->value;
    s->bit += s->width;
    if (!--s->left && s->packed)
        s->in.p += (s->bit + 7) / 8;
    return v;
}

/* Values as they are, one after the other. */
struct plain {
    struct bytes in;
    unsigned bit; /* of a boolean */
    int bad;
};

static void next_plain(const struct reading *r, struct plain *s,
                       struct parquet_value *v) {
    static const unsigned sizes[] = {0, 4, 8, 0, 4, 8, 4, 0};
    unsigned n = r->c->type == PARQUET_FIXED ? r->c->length : sizes[r->c->type];
    uint64_t left = (uint64_t)(s->in.end - s->in.p), u = 0;
    float f;
    if (r->c->type == PARQUET_BOOLEAN) {
        if (!left) {
            s->bad = 1;
            return;
        }
        v->whole = *s->in.p >> s->bit & 1;
        if (++s->bit == 8)
            s->bit = 0, s->in.p++;
        return;
    }
    if (left < n) {
        s->bad = 1;
        return;
    }
    if (r->c->type != PARQUET_FIXED)
        memcpy(&u, s->in.p, n);
    v->bytes = s->in.p;
    v->count = n;
    s->in.p += n;
    switch (r->c->type) {
    case PARQUET_INT32:
        v->whole = (int32_t)(uint32_t)u;
        break;
    case PARQUET_INT64:
        v->whole = (int64_t)u;
        break;
    case PARQUET_FLOAT:
        memcpy(&f, v->bytes, sizeof f);
        v->real = f;
        break;
    case PARQUET_DOUBLE:
        memcpy(&v->real, v->bytes, sizeof v->real);
        break;
    case PARQUET_BYTES:
        if (left - n < u) {
            s->bad = 1;
            return;
        }
        v->bytes = s->in.p;
        v->count = (uint32_t)u;
        s->in.p += u;
        break;
    default:
        break;
    }
}

/* The first bytes of all values, then the second ones, ...: to one value after the
 * other. `in` becomes the copy, in r->stored. */
static int32_t join_split(struct reading *r, struct bytes *in) {
    uint64_t item = r->c->type == PARQUET_FIXED ? r->c->length
                    : r->c->type == PARQUET_FLOAT || r->c->type == PARQUET_INT32 ? 4
                                                                                 : 8;
    uint64_t bytes = (uint64_t)(in->end - in->p), n = item ? bytes / item : 0;
    int32_t status = make_room(r, &r->stored, &r->stored_room, bytes);
    if (status != RN_OK)
        return status;
    if (r->c->type == PARQUET_BOOLEAN || r->c->type == PARQUET_BYTES ||
        n * item != bytes)
        return bad(r, "a page is damaged");
    for (uint64_t k = 0; k < n; k++)
        for (uint64_t b = 0; b < item; b++)
            r->stored[k * item + b] = in->p[b * n + k];
    *in = (struct bytes){r->stored, r->stored + bytes};
    return RN_OK;
}

static int32_t keep_dictionary(struct reading *r, const struct page *p) {
    uint64_t bytes = p->values * sizeof *r->words;
    if (r->words)
        return bad(r, "there is a second dictionary");
    if (!rn_budget_take(r->budget, bytes))
        return rn_budget_error(r->budget, r->f->name, r->e);
    r->held += bytes;
    r->words = calloc(p->values ? p->values : 1, sizeof *r->words);
    if (!r->words)
        return rn_failf(r->e, RN_E_MEMORY, r->f->name, 0, 0, "no memory for a page");
    r->dictionary = r->page; /* the words point into it */
    r->page = NULL;
    r->page_room = 0;
    struct plain s = {.in = {r->dictionary, r->dictionary + p->bytes}};
    for (; r->word_count < p->values && !s.bad; r->word_count++)
        next_plain(r, &s, &r->words[r->word_count]);
    return s.bad ? bad(r, "the dictionary is damaged") : RN_OK;
}

/* The levels of a page, in front of its values: which are missing. */
static int32_t open_levels(const struct reading *r, const struct page *p,
                           struct bytes *in, struct runs *levels) {
    int cut = 0;
    *levels = (struct runs){.width = 1};
    if (p->type == DATA_PAGE_2) {
        if (p->rep_bytes)
            return bad(r, "values repeat within a row");
        levels->in = (struct bytes){in->p, in->p + p->def_bytes};
        in->p += p->def_bytes;
        return RN_OK;
    }
    if (!r->c->optional)
        return RN_OK;
    if (p->level_encoding != RLE)
        return bad(r, "the levels of a page have an encoding that is not read");
    uint32_t n = little(in, 4, &cut);
    if (cut || n > (uint64_t)(in->end - in->p))
        return bad(r, "a page is cut short");
    levels->in = (struct bytes){in->p, in->p + n};
    in->p += n;
    return RN_OK;
}

static int32_t unread_encoding(const struct reading *r, int encoding) {
    static const char *const names[] = {"PLAIN",
                                        "1",
                                        "PLAIN_DICTIONARY",
                                        "RLE",
                                        "BIT_PACKED",
                                        "DELTA_BINARY_PACKED",
                                        "DELTA_LENGTH_BYTE_ARRAY",
                                        "DELTA_BYTE_ARRAY",
                                        "RLE_DICTIONARY",
                                        "BYTE_STREAM_SPLIT"};
    rn_failf(r->e, RN_E_DATA, r->f->name, 0, 0,
             "column '%.100s' has the encoding %s, which is not read", r->c->name,
             encoding >= 0 && encoding <= SPLIT ? names[encoding]
                                                : "of a newer format");
    rn_hintf(r->e, "write it with dictionaries or PLAIN, as pyarrow does by default");
    return RN_E_DATA;
}

/* The values of a data page: in->p is at the first. */
static int32_t visit_values(struct reading *r, const struct page *p, struct bytes in,
                            struct runs *levels) {
    struct runs runs = {.width = 1};
    int32_t status = p->encoding == SPLIT ? join_split(r, &in) : RN_OK;
    struct plain plain = {.in = in};
    int words = p->encoding == PLAIN_DICTIONARY || p->encoding == RLE_DICTIONARY;
    int cut = 0;
    if (status != RN_OK)
        return status;
    if (words && !r->words)
        return bad(r, "a page refers to a dictionary that is not there");
    if (words)
        runs.width = little(&in, 1, &cut);
    if (p->encoding == RLE && r->c->type == PARQUET_BOOLEAN)
        little(&in, 4, &cut);
    else if (!words && p->encoding != PLAIN && p->encoding != SPLIT)
        return unread_encoding(r, p->encoding);
    runs.in = in;
    if (runs.width > 32)
        return bad(r, "a page is damaged");
    for (uint64_t i = 0; i < p->values && !cut; i++, r->row++) {
        struct parquet_value v = {0};
        const struct parquet_value *given = &v;
        if (r->c->optional && !next_of_runs(levels)) {
            r->visit(r->context, r->row, NULL);
            cut = levels->bad;
            continue;
        }
        if (words) {
            uint32_t k = next_of_runs(&runs);
            cut = runs.bad || k >= r->word_count;
            given = cut ? NULL : &r->words[k];
        } else if (p->encoding == RLE) {
            v.whole = next_of_runs(&runs);
            cut = runs.bad;
        } else {
            next_plain(r, &plain, &v);
            cut = plain.bad;
        }
        if (!cut && !levels->bad)
            r->visit(r->context, r->row, given);
        cut |= levels->bad;
    }
    return cut ? bad(r, "a page is cut short or damaged") : RN_OK;
}

static int32_t visit_pages(struct reading *r, int codec, uint64_t rows) {
    uint64_t last = r->row + rows;
    int32_t status = RN_OK;
    while (status == RN_OK && r->row < last) {
        struct page p;
        struct runs levels;
        if (r->at >= r->end)
            return bad(r, "it has fewer values than rows");
        status = read_header(r, &p);
        if (status != RN_OK)
            return status;
        if (p.type == DATA_PAGE || p.type == DATA_PAGE_2 || p.type == DICTIONARY_PAGE)
            status = read_page(r, &p, codec);
        struct bytes in = {r->page, r->page ? r->page + p.bytes : NULL};
        if (status == RN_OK && p.type == DICTIONARY_PAGE) {
            status = p.encoding == PLAIN || p.encoding == PLAIN_DICTIONARY
                         ? keep_dictionary(r, &p)
                         : unread_encoding(r, p.encoding);
        } else if (status == RN_OK && (p.type == DATA_PAGE || p.type == DATA_PAGE_2)) {
            if (p.values > last - r->row)
                return bad(r, "it has more values than rows");
            status = open_levels(r, &p, &in, &levels);
            if (status == RN_OK)
                status = visit_values(r, &p, in, &levels);
        }
        r->at += p.stored;
    }
    return status;
}

int32_t parquet_chunk_visit(const struct parquet_file *f, uint32_t group,
                            uint32_t column, uint64_t first, struct rn_budget *b,
                            parquet_visit visit, void *context, struct rn_error *e) {
    const struct parquet_chunk *k = &f->chunks[(size_t)group * f->width + column];
    struct reading r = {.f = f,
                        .c = &f->columns[column],
                        .budget = b,
                        .e = e,
                        .at = k->at,
                        .end = k->at + k->bytes,
                        .row = first,
                        .visit = visit,
                        .context = context};
    int32_t status = visit_pages(&r, k->codec, f->group_rows[group]);
    free(r.stored);
    free(r.page);
    free(r.dictionary);
    free(r.words);
    rn_budget_return(b, r.held);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding and parsing of log records. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "record/file.h"
#include "record/view.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the log is little-endian");

enum { magic = 0x31524c52, fixed = 56, length_max = (1 << 20) + (1 << 18) };

bool log_bytes(rn_dtype dtype, uint32_t rank, const int64_t *shape, uint64_t *bytes) {
    uint64_t n = RN_DTYPE_BYTES(dtype);
    bool zero = n == 0;
    if (rank > RN_MAX_RANK)
        return false;
    for (uint32_t i = 0; i < rank; i++) {
        if (shape[i] < 0)
            return false;
        if (shape[i] == 0)
            zero = true;
        else if (n > (uint64_t)INT64_MAX / (uint64_t)shape[i])
            return false;
        else
            n *= (uint64_t)shape[i];
    }
    *bytes = zero ? 0 : n;
    return true;
}

static void put(struct text *t, const void *p, size_t n) {
    if (n)
        text_add_n(t, p, n);
}

static uint32_t record_crc(uint64_t offset, const uint8_t *record, uint32_t length) {
    uint32_t crc = crc32c(0, &offset, sizeof offset);
    crc = crc32c(crc, record + 4, 4);
    return crc32c(crc, record + 12, length - 12);
}

void log_encode(struct text *to, uint64_t offset, const struct log_entry *n) {
    static const uint8_t zeros[8] = {0};
    uint8_t head[fixed] = {0};
    size_t start = to->length, exact = fixed + 8 * (size_t)n->rank + (size_t)n->bytes +
                                       n->name_length + n->doc_length;
    uint32_t m = magic, length = (uint32_t)((exact + 7) / 8 * 8);
    uint16_t name_length = (uint16_t)n->name_length;
    uint32_t doc_length = (uint32_t)n->doc_length;
    memcpy(head, &m, 4);
    memcpy(head + 4, &length, 4);
    head[12] = (uint8_t)n->kind;
    head[13] = (uint8_t)n->rank;
    memcpy(head + 14, &name_length, 2);
    memcpy(head + 16, &n->durable, 8);
    memcpy(head + 24, &n->step, 8);
    memcpy(head + 32, &n->epoch, 8);
    memcpy(head + 40, &n->dtype, 4);
    memcpy(head + 44, &doc_length, 4);
    memcpy(head + 48, &n->bytes, 8);
    put(to, head, sizeof head);
    put(to, n->shape, 8 * (size_t)n->rank);
    put(to, n->data, (size_t)n->bytes);
    put(to, n->name, n->name_length);
    put(to, n->doc, n->doc_length);
    put(to, zeros, length - exact);
    uint8_t *record = (uint8_t *)to->s + start;
    uint32_t crc = record_crc(offset, record, length);
    memcpy(record + 8, &crc, 4);
}

/* The length of the intact record at `at`, or 0. */
static uint32_t decode(const uint8_t *bytes, uint64_t size, uint64_t at,
                       struct log_entry *n) {
    const uint8_t *p = bytes + at;
    uint32_t m, length, crc, doc_length;
    uint16_t name_length;
    if (size - at < fixed)
        return 0;
    memcpy(&m, p, 4);
    memcpy(&length, p + 4, 4);
    memcpy(&crc, p + 8, 4);
    if (m != magic || length < fixed || length > length_max || length % 8 ||
        length > size - at || crc != record_crc(at, p, length))
        return 0;
    memset(n, 0, sizeof *n);
    n->kind = p[12];
    n->rank = p[13];
    memcpy(&name_length, p + 14, 2);
    memcpy(&n->durable, p + 16, 8);
    memcpy(&n->step, p + 24, 8);
    memcpy(&n->epoch, p + 32, 8);
    memcpy(&n->dtype, p + 40, 4);
    memcpy(&doc_length, p + 44, 4);
    memcpy(&n->bytes, p + 48, 8);
    uint64_t rest = length - fixed, want = 0;
    if (n->rank > RN_MAX_RANK || n->bytes > rest || name_length > rest ||
        doc_length > rest ||
        8 * (uint64_t)n->rank + n->bytes + name_length + doc_length > rest)
        return 0;
    p += fixed;
    memcpy(n->shape, p, 8 * (size_t)n->rank);
    p += 8 * n->rank;
    n->data = p;
    n->name = (const char *)p + n->bytes;
    n->name_length = name_length;
    n->doc = n->name + name_length;
    n->doc_length = doc_length;
    if ((n->kind == LOG_SCALAR && (n->dtype != RN_F64 || n->rank)) ||
        ((n->kind == LOG_SCALAR || n->kind == LOG_TENSOR) &&
         (!log_bytes(n->dtype, n->rank, n->shape, &want) || want != n->bytes)) ||
        ((n->kind == LOG_REWIND || n->kind == LOG_LOST) && n->bytes != 8) ||
        n->kind < LOG_SCALAR || n->kind > LOG_LOST)
        return 0;
    return length;
}

size_t log_find(const struct log_series *series, size_t count, const char *name,
                size_t length, bool scalar, rn_dtype dtype, uint32_t rank,
                const int64_t *shape, size_t hint) {
    uint64_t hash = fnv1a(name, length);
    for (size_t k = 0; k < count; k++) {
        size_t i = (hint + k) % count;
        const struct log_series *s = &series[i];
        if (s->hash == hash && strlen(s->name) == length &&
            memcmp(s->name, name, length) == 0 && s->scalar == scalar &&
            s->dtype == dtype && s->rank == rank &&
            (!rank || memcmp(s->shape, shape, 8 * (size_t)rank) == 0))
            return i;
    }
    return SIZE_MAX;
}

static void add_row(struct log_view *v, const struct log_entry *n) {
    bool scalar = n->kind == LOG_SCALAR;
    size_t hint = v->row_count ? v->rows[v->row_count - 1].series + 1u : 0;
    size_t i = log_find(v->series, v->series_count, n->name, n->name_length, scalar,
                        n->dtype, n->rank, n->shape, hint);
    if (i == SIZE_MAX) {
        struct log_series s = {.name = arena_copy_n(v->arena, n->name, n->name_length),
                               .doc = arena_copy_n(v->arena, n->doc, n->doc_length),
                               .hash = fnv1a(n->name, n->name_length),
                               .scalar = scalar,
                               .dtype = n->dtype,
                               .rank = n->rank};
        memcpy(s.shape, n->shape, sizeof s.shape);
        i = v->series_count;
        vec_push(v->series, v->series_count, v->series_capacity, s);
    }
    if (!v->series[i].doc[0] && n->doc_length)
        v->series[i].doc = arena_copy_n(v->arena, n->doc, n->doc_length);
    v->series[i].rows++;
    struct log_row row = {(uint32_t)i, v->next++, n->step, n->epoch, n->data};
    vec_push(v->rows, v->row_count, v->row_capacity, row);
    struct log_damage *d = v->damage_count ? &v->damage[v->damage_count - 1] : NULL;
    if (d && d->before == INT64_MIN)
        d->before = n->step;
}

static void add_note(struct log_view *v, const struct log_entry *n) {
    const char *value = arena_copy_n(v->arena, n->data, (size_t)n->bytes);
    for (size_t i = 0; i < v->note_count; i++)
        if (strlen(v->notes[i].key) == n->name_length &&
            memcmp(v->notes[i].key, n->name, n->name_length) == 0) {
            v->notes[i].value = value;
            return;
        }
    struct log_note note = {arena_copy_n(v->arena, n->name, n->name_length), value};
    vec_push(v->notes, v->note_count, v->note_capacity, note);
}

static void rewind_rows(struct log_view *v, const struct log_entry *n) {
    size_t kept = 0;
    uint64_t rows;
    memcpy(&rows, n->data, sizeof rows);
    if (rows < v->next)
        v->next = rows;
    for (size_t i = 0; i < v->row_count; i++) {
        const struct log_row *row = &v->rows[i];
        if (row->number < rows && row->step <= n->step) {
            v->rows[kept++] = *row;
            continue;
        }
        v->series[row->series].rows--;
        if (row->number < v->next)
            v->next = row->number;
    }
    v->row_count = kept;
}

/* ------------------------------------------------------------------- damage */

uint32_t log_record(const struct log_view *v, uint64_t at, struct log_entry *n) {
    return decode(v->bytes, v->size, at, n);
}

static uint32_t length_at(const struct log_view *v, uint64_t at) {
    uint32_t head[2];
    if (v->size - at < fixed)
        return 0;
    memcpy(head, v->bytes + at, sizeof head);
    return head[0] == magic && head[1] >= fixed && head[1] <= length_max &&
                   head[1] % 8 == 0 && head[1] <= v->size - at
               ? head[1]
               : 0;
}

/* Flip the one bit of the record at `at` that makes it whole; its length, or 0. */
static uint32_t correct(struct log_view *v, uint64_t at, struct log_entry *n) {
    enum { head_bits = 64, longest = 4096 };
    uint32_t length = length_at(v, at);
    uint64_t bits = length ? 8 * (uint64_t)length : head_bits;
    if (length > longest || v->size - at < fixed)
        return 0;
    for (uint64_t i = 0; i < bits; i++) {
        uint8_t *byte = v->bytes + at + i / 8, bit = (uint8_t)(1u << i % 8);
        *byte ^= bit;
        uint32_t now = length_at(v, at);
        now = now && now <= longest ? decode(v->bytes, v->size, at, n) : 0;
        if (now)
            return now;
        *byte ^= bit;
    }
    return 0;
}

/* What the headers between `at` and `end` say of the rows there. */
static void count_lost(const struct log_view *v, struct log_damage *d) {
    uint64_t at = d->at, end = d->at + d->bytes;
    while (at < end) {
        uint32_t length = length_at(v, at);
        uint8_t kind = v->bytes[at + 12];
        if (!length || length > end - at)
            break;
        d->rows += kind != LOG_NOTE && kind != LOG_REWIND && kind != LOG_LOST;
        at += length;
    }
    d->exact = at == end;
    if (!d->exact && !d->rows)
        d->rows = 1;
}

static void add_damage(struct log_view *v, struct log_damage d) {
    d.after = v->row_count ? v->rows[v->row_count - 1].step : INT64_MIN;
    d.before = INT64_MIN;
    if (!d.corrected)
        count_lost(v, &d);
    v->next += d.rows;
    vec_push(v->damage, v->damage_count, v->damage_capacity, d);
}

/* After an unreadable record at `bad`: where to go on, or 0 when it is a torn tail. */
static uint64_t after_damage(const struct log_view *v, uint64_t bad) {
    uint64_t first = 0;
    struct log_entry n;
    for (uint64_t at = bad + 8; at < v->size;) {
        uint32_t length = decode(v->bytes, v->size, at, &n);
        if (!length) {
            at += 8;
            continue;
        }
        if (!first)
            first = at;
        if (n.durable > bad)
            return first;
        at += length;
    }
    return 0;
}

int log_view_init(struct log_view *v, int fd, uint64_t size, const struct text *tail,
                  const char *path, struct rn_error *e) {
    memset(v, 0, sizeof *v);
    v->arena = arena_create();
    uint64_t more = tail ? tail->length : 0;
    v->size = size + more;
    v->bytes = memory_try((size_t)v->size + 8);
    if (!v->bytes)
        return error_set(e, RN_E_MEMORY, "no memory for the %" PRIu64 " bytes of %s",
                         v->size, path);
    int status = file_read(fd, v->bytes, size, 0, path, e);
    if (status)
        return status;
    if (more)
        memcpy(v->bytes + size, tail->s, (size_t)more);
    uint64_t head = v->size < LOG_HEAD_BYTES ? v->size : LOG_HEAD_BYTES;
    struct log_entry n;
    if (memcmp(v->bytes, LOG_HEAD, (size_t)head) != 0) {
        if (v->size <= LOG_HEAD_BYTES || !decode(v->bytes, v->size, LOG_HEAD_BYTES, &n))
            return error_set(e, RN_E_CHECKPOINT, "%s is not a log of runner", path);
        add_damage(v, (struct log_damage){.bytes = head, .corrected = true});
    }
    v->good = head;
    for (uint64_t at = LOG_HEAD_BYTES; at < v->size;) {
        uint32_t length = decode(v->bytes, v->size, at, &n);
        if (!length && (length = correct(v, at, &n)))
            add_damage(
                v, (struct log_damage){.at = at, .bytes = length, .corrected = true});
        if (!length) {
            uint64_t next = after_damage(v, at);
            if (!next)
                break;
            add_damage(v, (struct log_damage){.at = at, .bytes = next - at});
            at = next;
            continue;
        }
        uint64_t lost = 0;
        if (n.kind == LOG_LOST)
            memcpy(&lost, n.data, sizeof lost);
        v->next += lost;
        if (n.kind == LOG_NOTE)
            add_note(v, &n);
        else if (n.kind == LOG_REWIND)
            rewind_rows(v, &n);
        else if (n.kind != LOG_LOST)
            add_row(v, &n);
        at += length;
        v->good = at;
    }
    return RN_OK;
}

void log_view_finish(struct log_view *v) {
    arena_destroy(v->arena);
    memory_release(v->bytes);
    memory_release(v->series);
    memory_release(v->rows);
    memory_release(v->notes);
    memory_release(v->damage);
    memset(v, 0, sizeof *v);
}

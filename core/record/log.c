/* SPDX-License-Identifier: Apache-2.0 */
/* Appending to the log: what a row is, which series there are. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "record/file.h"
#include "record/h5.h"
#include "record/state.h"

/* Rows that wait take no more, unless they are tensors. */
#define WAITING_BYTES 65536

enum { rows_per_sync = 100, note_max = 1 << 20 };

int log_read(struct record *r, struct log_view *v, struct rn_error *e) {
    struct stat st;
    memset(v, 0, sizeof *v);
    if (fstat(r->log, &st))
        return file_error(e, "read", r->log_path);
    sync_lock(r);
    uint64_t size = r->write ? r->sync.durable : (uint64_t)st.st_size;
    int status = log_view_init(v, r->log, size, &r->sync.waiting, r->log_path, e);
    sync_unlock(r);
    return status;
}

/* The table of series and the count of rows, from what counts in v. */
static void take_over(struct record *r, const struct log_view *v) {
    r->series.count = 0;
    r->series.last = 0;
    r->sync.rows = r->sync.acked = (int64_t)v->next;
    for (size_t i = 0; i < v->series_count; i++) {
        struct log_series s = v->series[i];
        if (!s.rows)
            continue;
        s.name = arena_copy(r->arena, s.name);
        vec_push(r->series.at, r->series.count, r->series.capacity, s);
    }
}

int log_open(struct record *r, struct rn_error *e) {
    int fd = r->log = file_open(r->log_path, r->write ? O_RDWR : O_RDONLY, e);
    if (r->log < 0) {
        int missing = errno == ENOENT || errno == ENOTDIR;
        if (missing)
            return error_set(e, RN_E_CHECKPOINT,
                             "%s is not a run: it has no metrics.rlog", r->folder);
        return fd;
    }
    struct stat st;
    struct log_view v = {0};
    int status = RN_OK;
    if (fstat(r->log, &st))
        return file_error(e, "read", r->log_path);
    status = log_view_init(&v, r->log, (uint64_t)st.st_size, NULL, r->log_path, e);
    if (!status && r->write) {
        status = log_repair(r, &v, e);
        if (!status && fstat(r->log, &st))
            status = file_error(e, "read", r->log_path);
    }
    if (!status && r->write) {
        if (v.good < LOG_HEAD_BYTES) {
            status = file_write(r->log, LOG_HEAD, LOG_HEAD_BYTES, 0, r->log_path, e);
            v.good = LOG_HEAD_BYTES;
        } else if (v.good < (uint64_t)st.st_size && ftruncate(r->log, (off_t)v.good)) {
            status = file_error(e, "cut the torn end of", r->log_path);
        }
        /* Rows that a killed process wrote but did not sync count from here on. */
        if (!status && fsync(r->log))
            status = file_error(e, "sync", r->log_path);
    }
    if (!status && r->write)
        text_reserve(&r->sync.waiting, WAITING_BYTES);
    if (!status && r->write)
        text_reserve(&r->sync.flying, WAITING_BYTES);
    if (!status) {
        r->sync.durable = v.good;
        take_over(r, &v);
    }
    log_view_finish(&v);
    return status;
}

int64_t record_rows(const struct record *r) {
    return r->sync.rows;
}

void record_on_ack(struct record *r, void (*ack)(void *context, const char *line),
                   void *context) {
    r->ack = ack;
    r->ack_context = context;
}

/* Does `longer` continue `shorter` with /step, /epoch or /value? */
static bool shadows(const char *shorter, const char *longer) {
    static const char *const own[] = {"step", "epoch", "value"};
    size_t n = strlen(shorter);
    if (strncmp(shorter, longer, n) != 0 || longer[n] != '/')
        return false;
    for (int i = 0; i < 3; i++) {
        size_t m = strlen(own[i]);
        if (strncmp(longer + n + 1, own[i], m) == 0 &&
            (longer[n + 1 + m] == '\0' || longer[n + 1 + m] == '/'))
            return true;
    }
    return false;
}

static int check_name(const char *name, struct rn_error *e) {
    size_t part = 0, n = strlen(name);
    bool dots = true;
    for (size_t i = 0; i <= n; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c == '/' || c == '\0') {
            if (!part || (dots && part <= 2))
                return error_set(e, RN_E_CONFIG,
                                 "'%s' cannot name a series: a part is "
                                 "empty or only dots",
                                 name);
            part = 0;
            dots = true;
            continue;
        }
        if (c < 0x20 || c == 0x7f)
            return error_set(e, RN_E_CONFIG,
                             "the name of a series has a control character");
        dots = dots && c == '.';
        part++;
    }
    return n <= LOG_NAME_MAX ? RN_OK
                             : error_set(e, RN_E_CONFIG,
                                         "the name of a series is longer than %u bytes",
                                         LOG_NAME_MAX);
}

static int add_series(struct record *r, const struct log_entry *n, struct rn_error *e) {
    int status = check_name(n->name, e);
    if (status)
        return status;
    for (size_t i = 0; i < r->series.count; i++) {
        const char *other = r->series.at[i].name;
        if (strcmp(other, n->name) == 0)
            return error_set(e, RN_E_CONFIG,
                             "series '%s' had values of another type or shape before",
                             n->name);
        if (shadows(other, n->name) || shadows(n->name, other))
            return error_set(e, RN_E_CONFIG,
                             "series '%s' and '%s' would share a dataset of run.h5; "
                             "rename one",
                             n->name, other);
    }
    struct log_series s = {.name = arena_copy(r->arena, n->name),
                           .hash = fnv1a(n->name, n->name_length),
                           .scalar = n->kind == LOG_SCALAR,
                           .dtype = n->dtype,
                           .rank = n->rank};
    memcpy(s.shape, n->shape, sizeof s.shape);
    r->series.last = r->series.count;
    vec_push(r->series.at, r->series.count, r->series.capacity, s);
    return RN_OK;
}

static int add_row(struct record *r, struct log_entry *n, const char *doc,
                   struct rn_error *e) {
    int status = sync_writable(r, e);
    if (status)
        return status;
    n->name_length = strlen(n->name);
    size_t i = log_find(r->series.at, r->series.count, n->name, n->name_length,
                        n->kind == LOG_SCALAR, n->dtype, n->rank, n->shape,
                        r->series.last + 1);
    if (i != SIZE_MAX) {
        r->series.last = i;
    } else {
        status = add_series(r, n, e);
        if (status)
            return status;
        n->doc = doc ? doc : "";
        n->doc_length = strlen(n->doc);
        if (n->doc_length > LOG_NAME_MAX)
            n->doc_length = LOG_NAME_MAX;
    }
    return sync_append(r, n) >= rows_per_sync ? record_sync(r, e) : RN_OK;
}

int record_scalar(struct record *r, const char *series, int64_t step, double epoch,
                  double value, struct rn_error *e) {
    struct log_entry n = {.kind = LOG_SCALAR,
                          .step = step,
                          .epoch = epoch,
                          .name = series,
                          .dtype = RN_F64,
                          .data = &value,
                          .bytes = sizeof value};
    return add_row(r, &n, NULL, e);
}

/* Copy a strided tensor to dense. */
static void *densify(const struct rn_tensor *t, uint64_t bytes) {
    size_t unit = RN_DTYPE_BYTES(t->dtype), count = (size_t)bytes / unit;
    char *out = memory_get((size_t)bytes + 1);
    int64_t at[RN_MAX_RANK] = {0}, place = 0;
    for (size_t k = 0; k < count; k++) {
        memcpy(out + k * unit, (const char *)t->data + place * (int64_t)unit, unit);
        for (uint32_t d = t->rank; d-- > 0;) {
            place += t->strides[d];
            if (++at[d] < t->shape[d])
                break;
            place -= t->strides[d] * t->shape[d];
            at[d] = 0;
        }
    }
    return out;
}

int record_tensor(struct record *r, const char *series, int64_t step, double epoch,
                  const struct rn_tensor *value, const char *doc, struct rn_error *e) {
    uint64_t bytes = 0;
    if (!log_bytes(value->dtype, value->rank, value->shape, &bytes) ||
        !h5_dtype_name(value->dtype))
        return error_set(e, RN_E_CONFIG, "series '%s': no valid type or shape", series);
    if (bytes > LOG_DATA_MAX)
        return error_set(e, RN_E_CONFIG,
                         "series '%s': a row of %" PRIu64 " bytes; at most %u fit",
                         series, bytes, LOG_DATA_MAX);
    void *dense = value->strides && bytes ? densify(value, bytes) : NULL;
    struct log_entry n = {.kind = LOG_TENSOR,
                          .step = step,
                          .epoch = epoch,
                          .name = series,
                          .dtype = value->dtype,
                          .rank = value->rank,
                          .data = dense ? dense : value->data,
                          .bytes = bytes};
    if (value->rank)
        memcpy(n.shape, value->shape, 8 * (size_t)value->rank);
    int status = add_row(r, &n, doc, e);
    memory_release(dense);
    return status;
}

int record_note(struct record *r, const char *key, const char *value,
                struct rn_error *e) {
    int status = sync_writable(r, e);
    if (!status)
        status = check_name(key, e);
    if (!status && strchr(key, '/'))
        status =
            error_set(e, RN_E_CONFIG, "the key of a note cannot have a slash: %s", key);
    size_t bytes = strlen(value);
    if (!status && bytes > note_max)
        status = error_set(e, RN_E_CONFIG, "note '%s' is longer than 1 MiB", key);
    if (status)
        return status;
    struct log_entry n = {.kind = LOG_NOTE,
                          .name = key,
                          .name_length = strlen(key),
                          .dtype = RN_U8,
                          .data = value,
                          .bytes = bytes};
    sync_append(r, &n);
    return RN_OK;
}

int record_note_read(struct record *r, const char *key, const char **value,
                     struct rn_error *e) {
    struct log_view v;
    *value = NULL;
    int status = log_read(r, &v, e);
    for (size_t i = 0; !status && i < v.note_count; i++)
        if (strcmp(v.notes[i].key, key) == 0)
            *value = arena_copy(r->arena, v.notes[i].value);
    log_view_finish(&v);
    return status;
}

static bool is_later(const struct log_view *v, int64_t step, int64_t rows) {
    bool later = rows >= 0 && v->next > (uint64_t)rows;
    for (size_t i = 0; i < v->row_count; i++)
        later = later || v->rows[i].step > step;
    return later;
}

int record_rewind(struct record *r, int64_t step, int64_t rows, struct rn_error *e) {
    int status = sync_writable(r, e);
    struct log_view v = {0};
    if (!status)
        status = log_read(r, &v, e);
    bool later = !status && is_later(&v, step, rows);
    log_view_finish(&v);
    if (status || !later)
        return status;
    struct log_entry n = {.kind = LOG_REWIND,
                          .step = step,
                          .name = "",
                          .dtype = RN_I64,
                          .data = &rows,
                          .bytes = sizeof rows};
    sync_lock(r);
    size_t before = r->sync.waiting.length;
    n.durable = r->sync.durable;
    log_encode(&r->sync.waiting, r->sync.durable + before, &n);
    status = sync_flush(r, e);
    if (status)
        r->sync.waiting.length = before;
    sync_unlock(r);
    if (!status)
        status = log_read(r, &v, e);
    if (!status)
        take_over(r, &v);
    log_view_finish(&v);
    return status;
}

int record_each(struct record *r,
                int (*row)(void *context, const char *series, int64_t step,
                           double epoch, const struct rn_tensor *value),
                void *context, struct rn_error *e) {
    struct log_view v;
    int status = log_read(r, &v, e);
    for (size_t i = 0; !status && i < v.row_count; i++) {
        const struct log_row *w = &v.rows[i];
        const struct log_series *s = &v.series[w->series];
        struct rn_tensor t = {.data = (uint8_t *)v.bytes +
                                      ((const uint8_t *)w->data - v.bytes),
                              .shape = s->shape,
                              .dtype = s->dtype,
                              .rank = s->rank};
        status = row(context, s->name, w->step, w->epoch, &t);
    }
    log_view_finish(&v);
    return status;
}

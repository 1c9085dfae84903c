/* SPDX-License-Identifier: Apache-2.0 */
/* Committing a checkpoint. HDF5 lays out datasets without data; the data goes to their
 * offsets by pwrite, piece by piece, while a thread takes the CRC32C of each part;
 * where there is none, each piece is summed right before it is written, while it is in
 * the processor's cache. HDF5 then gets the sums and writes its metadata, the seal goes
 * on top, fsync, rename, fsync of the folder, CURRENT the same way, ACK, and only then
 * old ones go. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "record/checkpoint.h"
#include "record/file.h"
#include "record/h5.h"
#include "record/seal.h"
#include "record/state.h"
#include "record/values.h"

/* ------------------------------------------------------------------- CURRENT */

int current_read(const struct record *r, struct current *c, struct rn_error *e) {
    memset(c, 0, sizeof *c);
    struct arena *a = arena_create();
    const char *path = record_path(a, r, "CURRENT");
    char *text = NULL, again[512];
    int status = file_load(path, sizeof again - 1, &text, NULL, e);
    if (!status) {
        int n = sscanf(
            text, "%100s step=%" SCNd64 " bytes=%" SCNu64 " sha256=%64s log=%" SCNu64,
            c->name, &c->step, &c->bytes, c->sha256, &c->log);
        snprintf(again, sizeof again, CURRENT_FORMAT, c->name, c->step, c->bytes,
                 c->sha256, c->log);
        if (n != 5 || strcmp(again, text) != 0 || !checkpoint_name_good(c->name))
            status = error_set(e, RN_E_CHECKPOINT, "%s is damaged", path);
    }
    memory_release(text);
    arena_destroy(a);
    return status;
}

int current_write(const struct record *r, const struct current *c, struct rn_error *e) {
    struct arena *a = arena_create();
    const char *text =
        arena_format(a, CURRENT_FORMAT, c->name, c->step, c->bytes, c->sha256, c->log);
    int status = file_replace(record_path(a, r, "CURRENT"), text, strlen(text), e);
    arena_destroy(a);
    return status;
}

uint64_t checkpoint_log_bytes(const struct record *r) {
    struct current c;
    return current_read(r, &c, NULL) ? 0 : c.log;
}

bool checkpoint_name_good(const char *name) {
    size_t n = strlen(name);
    if (n == 0 || n > 100 || name[0] == '.')
        return false;
    for (size_t i = 0; i < n; i++)
        if (name[i] <= ' ' || name[i] == '/' || name[i] == 0x7f)
            return false;
    return true;
}

/* ------------------------------------------------------------------- listing */

static int by_name(const void *a, const void *b) {
    const struct listed *x = a, *y = b;
    return strcmp(x->name, y->name);
}

int checkpoint_list(const struct record *r, struct arena *a, struct listed **out,
                    size_t *count, struct rn_error *e) {
    const char *folder = record_path(a, r, "checkpoints");
    struct listed *list = NULL;
    size_t n = 0, capacity = 0;
    *out = NULL;
    *count = 0;
    DIR *d = opendir(folder);
    if (!d)
        return errno == ENOENT ? RN_OK : file_error(e, "list", folder);
    for (struct dirent *f; (f = readdir(d));) {
        size_t length = strlen(f->d_name);
        if (f->d_name[0] == '.' || length < 4 ||
            strcmp(f->d_name + length - 3, ".h5") != 0)
            continue;
        struct listed x = {.name = arena_copy_n(a, f->d_name, length - 3),
                           .path = arena_format(a, "%s/%s", folder, f->d_name),
                           .step = -1};
        struct seal seal;
        if (seal_peek(x.path, "checkpoint", &seal, NULL) == RN_OK)
            x.step = seal.step;
        vec_push(list, n, capacity, x);
    }
    closedir(d);
    if (n)
        qsort(list, n, sizeof *list, by_name);
    struct listed *copy = arena_array(a, struct listed, n + 1);
    if (n)
        memcpy(copy, list, n * sizeof *list);
    memory_release(list);
    *out = copy;
    *count = n;
    return RN_OK;
}

static bool is_temp(const char *name) {
    size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".tmp") == 0;
}

void checkpoint_clean(const struct record *r) {
    struct arena *a = arena_create();
    const char *const folders[] = {r->folder, record_path(a, r, "checkpoints")};
    for (int i = 0; i < 2; i++) {
        DIR *d = opendir(folders[i]);
        for (struct dirent *f; d && (f = readdir(d));)
            if (is_temp(f->d_name))
                unlink(arena_format(a, "%s/%s", folders[i], f->d_name));
        if (d)
            closedir(d);
    }
    arena_destroy(a);
}

/* The step of "step-00000100", or -1. */
static int64_t step_of(const char *name) {
    if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9')
        return -1;
    char *end;
    errno = 0;
    long long n = strtoll(name + 5, &end, 10);
    return *end || errno ? -1 : n;
}

static int newest_first(const void *a, const void *b) {
    int64_t x = step_of(((const struct listed *)a)->name);
    int64_t y = step_of(((const struct listed *)b)->name);
    return (x < y) - (x > y);
}

/* Best effort: what cannot be removed stays, and the checkpoint is committed anyway. */
static void drop_old(struct record *r, const char *name, int64_t step, uint32_t keep) {
    struct arena *a = arena_create();
    struct listed *list;
    size_t n, kept = 0;
    if (checkpoint_list(r, a, &list, &n, NULL) == RN_OK && n) {
        qsort(list, n, sizeof *list, newest_first);
        for (size_t i = 0; i < n; i++) {
            int64_t at = step_of(list[i].name);
            if (at < 0 || strcmp(list[i].name, name) == 0) {
                kept += at >= 0;
                continue;
            }
            /* A later step was left behind by a rewind; one without a readable seal
             * counts for nothing, but is kept for its owner to look at until its turn.
             */
            if (at <= step && kept < (keep < 2 ? 2 : keep)) {
                kept += list[i].step >= 0;
                continue;
            }
            drop_add(r, list[i].path);
        }
    }
    drop_start(r);
    arena_destroy(a);
}

/* ------------------------------------------------------------------- writing */

/* From this size on a part is left out of the seal's SHA-256, and has a range. */
#define BULK_BYTES 4096u

struct part {
    const char *name;
    const void *data;
    uint64_t bytes, offset;
    uint32_t crc;
};

/* A checkpoint's file while it is written. */
struct draft {
    const struct checkpoint *c;
    struct part *parts; /* tensors, blobs, then what is shown */
    uint32_t count;
    struct seal_range *ranges; /* of the parts of at least BULK_BYTES */
    uint32_t range_count;
    struct {
        atomic_uint next; /* the first part whose sum nobody has taken on */
        pthread_t thread;
        bool running; /* else the sums come with the writes */
    } sums;
    hid_t file, variables, blobs, transforms; /* the last: -1 where nothing is shown */
};

/* One dataset without data: where its bytes go. Its sum comes later. */
static bool lay_out(hid_t group, struct part *part, const char *doc, rn_dtype dtype,
                    uint32_t rank, const int64_t *shape) {
    hsize_t dims[RN_MAX_RANK];
    uint32_t none = 0;
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = (hsize_t)shape[i];
    hid_t type = h5_type(dtype), list = h5_dataset_list(), d = -1;
    hid_t space =
        rank ? H5Screate_simple((int)rank, dims, NULL) : H5Screate(H5S_SCALAR);
    if (type >= 0 && list >= 0 && space >= 0)
        d = H5Dcreate2(group, part->name, type, space, H5P_DEFAULT, list, H5P_DEFAULT);
    bool ok = d >= 0 && h5_put(d, "crc32c", H5T_STD_U32LE, &none) &&
              h5_put_text(d, "doc", doc ? doc : "") &&
              h5_put_text(d, "dtype", h5_dtype_name(dtype));
    if (ok && part->bytes) {
        haddr_t at = H5Dget_offset(d);
        ok = at != HADDR_UNDEF && at >= SEAL_BYTES;
        part->offset = at;
    }
    if (d >= 0 && H5Dclose(d) < 0)
        ok = false;
    if (space >= 0)
        H5Sclose(space);
    if (list >= 0)
        H5Pclose(list);
    if (type >= 0)
        H5Tclose(type);
    return ok;
}

/* Of part i: NULL where it is a blob. */
static const struct checkpoint_tensor *tensor_of(const struct checkpoint *c,
                                                 uint32_t i) {
    uint32_t blobs_end = c->tensor_count + c->blob_count;
    return i < c->tensor_count ? &c->tensors[i]
           : i < blobs_end     ? NULL
                               : &c->shown[i - blobs_end];
}

static hid_t group_of(const struct draft *w, uint32_t i) {
    return i < w->c->tensor_count                      ? w->variables
           : i < w->c->tensor_count + w->c->blob_count ? w->blobs
                                                       : w->transforms;
}

/* The file at `temp` with every dataset in its place. */
static int lay_out_all(struct draft *w, const char *temp, struct rn_error *e) {
    const struct checkpoint *c = w->c;
    uint32_t format = CHECKPOINT_FORMAT;
    errno = 0;
    hid_t access = h5_access(), list = H5Pcreate(H5P_FILE_CREATE);
    if (access >= 0 && list >= 0 &&
        H5Pset_userblock(list, seal_room(w->range_count)) >= 0 &&
        H5Pset_obj_track_times(list, 0) >= 0)
        w->file = H5Fcreate(temp, H5F_ACC_EXCL, list, access);
    bool ok =
        w->file >= 0 && h5_put(w->file, "step", H5T_STD_I64LE, &c->step) &&
        h5_put(w->file, "epoch", H5T_IEEE_F64LE, &c->epoch) &&
        h5_put(w->file, "format", H5T_STD_U32LE, &format) &&
        h5_put_text(w->file, "doc",
                    "checkpoint of a training run: variables by name, the state of "
                    "the run as attributes below state, states of components "
                    "under blobs") &&
        values_write(w->file, c) &&
        (w->variables = h5_group(w->file, "variables")) >= 0 &&
        (w->blobs = h5_group(w->file, "blobs")) >= 0 &&
        (!c->shown_count || (w->transforms = h5_group(w->file, "transforms")) >= 0);
    for (uint32_t i = 0; ok && i < w->count; i++) {
        const struct checkpoint_tensor *t = tensor_of(c, i);
        int64_t n = (int64_t)w->parts[i].bytes;
        ok = t ? lay_out(group_of(w, i), &w->parts[i], t->doc, t->dtype, t->rank,
                         t->shape)
               : lay_out(group_of(w, i), &w->parts[i], "state, as bytes", RN_U8, 1, &n);
    }
    int code = errno;
    if (list >= 0)
        H5Pclose(list);
    if (access >= 0)
        H5Pclose(access);
    errno = code;
    return ok ? RN_OK : file_error(e, "write", temp);
}

/* Sums parts until none is left; in the thread, and then where the parts were written.
 */
static void *take_sums(void *context) {
    struct draft *w = context;
    for (uint32_t i; (i = atomic_fetch_add(&w->sums.next, 1)) < w->count;)
        w->parts[i].crc = crc32c(0, w->parts[i].data, (size_t)w->parts[i].bytes);
    return NULL;
}

static void sums_start(struct draft *w, uint64_t bytes) {
    enum { worth_it = 4 << 20 };
    sigset_t all, before;
    if (bytes < worth_it || sysconf(_SC_NPROCESSORS_ONLN) < 2)
        return;
    sigfillset(&all); /* signals are for the host's threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    w->sums.running = pthread_create(&w->sums.thread, NULL, take_sums, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void sums_finish(struct draft *w) {
    if (!w->sums.running)
        return;
    take_sums(w);
    pthread_join(w->sums.thread, NULL);
    w->sums.running = false;
}

/* The data of a part to its place, summed on the way if asked. *begun: up to where of
 * the file the disk writes already, while the rest is still copied. */
static int write_part(struct part *p, bool sum, int fd, uint64_t *begun,
                      const char *path, struct rn_error *e) {
    enum { piece = 1 << 20, share = 8 << 20 };
    int status = RN_OK;
    for (uint64_t at = 0; !status && at < p->bytes; at += piece) {
        const char *data = (const char *)p->data + at;
        uint64_t n = p->bytes - at < piece ? p->bytes - at : piece;
        uint64_t end = p->offset + at + n;
        if (sum)
            p->crc = crc32c(p->crc, data, (size_t)n);
        status = file_write(fd, data, n, p->offset + at, path, e);
        if (end >= *begun + share) {
            file_begin_writeback(fd, *begun, end - *begun);
            *begun = end;
        }
    }
    return status;
}

/* The sums of all parts, now that they are known; then the file is HDF5's no more. */
static int finish_layout(struct draft *w, bool good, const char *temp,
                         struct rn_error *e) {
    bool ok = true;
    errno = 0;
    for (uint32_t i = 0; good && ok && i < w->count; i++) {
        struct part *p = &w->parts[i];
        hid_t d = H5Dopen2(group_of(w, i), p->name, H5P_DEFAULT);
        ok = d >= 0 && h5_change(d, "crc32c", H5T_STD_U32LE, &p->crc);
        if (d >= 0 && H5Dclose(d) < 0)
            ok = false;
    }
    if (w->variables >= 0 && H5Gclose(w->variables) < 0)
        ok = false;
    if (w->blobs >= 0 && H5Gclose(w->blobs) < 0)
        ok = false;
    if (w->transforms >= 0 && H5Gclose(w->transforms) < 0)
        ok = false;
    if (w->file >= 0 && H5Fclose(w->file) < 0)
        ok = false;
    return ok || !good ? RN_OK : file_error(e, "write", temp);
}

static int check_parts(struct draft *w, uint64_t *total, struct rn_error *e) {
    const struct checkpoint *c = w->c;
    *total = 1 << 16;
    for (uint32_t i = 0; i < c->value_count; i++)
        *total += 1024 + (c->values[i].s ? strlen(c->values[i].s) : 0);
    for (uint32_t i = 0; i < w->count; i++) {
        const struct checkpoint_tensor *t = tensor_of(c, i);
        const struct checkpoint_blob *b = t ? NULL : &c->blobs[i - c->tensor_count];
        const char *name = b ? b->name : t->name;
        uint64_t bytes = b ? b->bytes : 0;
        if (!name[0] || strchr(name, '/') || strcmp(name, ".") == 0)
            return error_set(e, RN_E_INTERNAL, "'%s' cannot be a name in a checkpoint",
                             name);
        if (t && (!h5_dtype_name(t->dtype) ||
                  !log_bytes(t->dtype, t->rank, t->shape, &bytes)))
            return error_set(e, RN_E_INTERNAL,
                             "tensor '%s' of the checkpoint has no valid type or shape",
                             name);
        w->parts[i] = (struct part){name, b ? b->data : t->data, bytes, 0, 0};
        w->range_count += bytes >= BULK_BYTES;
        *total += bytes + 2048 + strlen(name) + (t && t->doc ? strlen(t->doc) : 0);
    }
    return RN_OK;
}

static int check_space(const char *folder, uint64_t need, struct rn_error *e) {
    struct statvfs s;
    if (statvfs(folder, &s))
        return file_error(e, "look at the free space of", folder);
    uint64_t free_bytes = (uint64_t)s.f_bavail * s.f_frsize;
    if (free_bytes >= need)
        return RN_OK;
    error_set(e, RN_E_IO,
              "the disk is full: a checkpoint needs %.1f MB, %s has %.1f MB left",
              (double)need / 1e6, folder, (double)free_bytes / 1e6);
    error_hint(e, "earlier checkpoints are still valid; free some space, then resume");
    return RN_E_IO;
}

static int write_file(const char *temp, const char *path, struct draft *w,
                      struct seal *seal, struct rn_error *e) {
    if (unlink(temp) && errno != ENOENT)
        return file_error(e, "replace", temp);
    int status = lay_out_all(w, temp, e), fd = -1;
    if (!status && (fd = open(temp, O_RDWR | O_CLOEXEC)) < 0)
        status = file_error(e, "open", temp);
    uint64_t begun = 0, end = 0;
    for (uint32_t i = 0; i < w->count; i++)
        if (w->parts[i].bytes && w->parts[i].offset + w->parts[i].bytes > end)
            end = w->parts[i].offset + w->parts[i].bytes;
    if (!status)
        status = file_reserve(fd, end, path, e);
    if (!status)
        sums_start(w, end);
    for (uint32_t i = 0; !status && i < w->count; i++)
        status = write_part(&w->parts[i], !w->sums.running, fd, &begun, path, e);
    sums_finish(w);
    for (uint32_t i = 0, k = 0; !status && i < w->count; i++) {
        const struct part *p = &w->parts[i];
        if (p->bytes >= BULK_BYTES)
            w->ranges[k++] = (struct seal_range){p->offset, p->bytes, p->crc, 0};
    }
    int closed = finish_layout(w, !status, temp, e);
    status = status ? status : closed;
    if (!status)
        status = seal_write(fd, "checkpoint", w->c->step, 0, w->ranges, w->range_count,
                            path, seal, e);
    if (!status)
        return file_commit(fd, temp, path, e);
    if (fd >= 0)
        close(fd);
    file_discard(temp);
    return status;
}

static int write_locked(const char *temp, const char *path, struct draft *w,
                        struct seal *seal, struct rn_error *e) {
    int status = h5_begin(e);
    if (status)
        return status;
    status = write_file(temp, path, w, seal, e);
    h5_end();
    return status;
}

int checkpoint_write(struct record *r, const char *name, const struct checkpoint *c,
                     bool current, uint32_t keep, struct rn_error *e) {
    assert(checkpoint_name_good(name));
    struct arena *a = arena_create();
    struct draft w = {.c = c,
                      .count = c->tensor_count + c->blob_count + c->shown_count,
                      .file = -1,
                      .variables = -1,
                      .blobs = -1,
                      .transforms = -1};
    w.parts = arena_array(a, struct part, w.count + 1);
    w.ranges = arena_array(a, struct seal_range, w.count + 1);
    const char *folder = record_path(a, r, "checkpoints");
    const char *path = arena_format(a, "%s/%s.h5", folder, name);
    const char *temp = arena_format(a, "%s/.%s.h5.tmp", folder, name);
    struct seal seal = {0};
    uint64_t total = 0;
    int status = check_parts(&w, &total, e);
    if (!status)
        status = record_sync(r, e);
    drop_wait(r); /* the new one may need its space */
    if (!status)
        status = check_space(folder, total, e);
    if (!status)
        status = write_locked(temp, path, &w, &seal, e);
    if (!status && current) {
        struct current now = {
            .step = c->step, .bytes = seal.bytes, .log = r->sync.durable};
        snprintf(now.name, sizeof now.name, "%s", name);
        snprintf(now.sha256, sizeof now.sha256, "%s", seal.sha256);
        status = current_write(r, &now, e);
    }
    if (!status) {
        const char *line = arena_format(a, "ACK ckpt step=%" PRId64, c->step);
        if (r->ack && current) /* what resume takes; the best one is not */
            r->ack(r->ack_context, line);
        if (current)
            drop_old(r, name, c->step, keep);
    } else {
        error_context(e, "checkpoint %s", name);
    }
    arena_destroy(a);
    return status;
}

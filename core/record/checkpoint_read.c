/* SPDX-License-Identifier: Apache-2.0 */
/* Reading checkpoints: the seal before HDF5 sees the file, then only plain contiguous
 * datasets of fixed types, by pread, each against its CRC32C. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/suggest.h"
#include "record/checkpoint.h"
#include "record/file.h"
#include "record/h5.h"
#include "record/seal.h"
#include "record/values.h"

struct checkpoint_file {
    struct arena *arena;
    struct checkpoint c;
    struct checkpoint_tensor *tensors;
    size_t tensor_count, tensor_capacity;
    void **data; /* of the tensors, memory_try */
    size_t data_count, data_capacity;
    struct checkpoint_blob *blobs;
    uint32_t format;
    const char *path;
    struct seal seal;
    int fd;
    struct rn_error *e; /* while reading */
    int status;
};

const struct checkpoint *checkpoint_get(const struct checkpoint_file *f) {
    return &f->c;
}

const struct checkpoint_blob *checkpoint_blob(const struct checkpoint_file *f,
                                              const char *name) {
    for (uint32_t i = 0; i < f->c.blob_count; i++)
        if (strcmp(f->c.blobs[i].name, name) == 0)
            return &f->c.blobs[i];
    return NULL;
}

const struct checkpoint_value *checkpoint_value(const struct checkpoint_value *values,
                                                uint32_t n, const char *object,
                                                const char *key) {
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(values[i].key, key) == 0 && strcmp(values[i].object, object) == 0)
            return &values[i];
    return NULL;
}

uint32_t checkpoint_format(const struct checkpoint_file *f) {
    return f->format;
}

const char *checkpoint_path(const struct checkpoint_file *f) {
    return f->path;
}

void checkpoint_close(struct checkpoint_file *f) {
    if (!f)
        return;
    for (size_t i = 0; i < f->data_count; i++)
        memory_release(f->data[i]);
    memory_release(f->data);
    memory_release(f->tensors);
    memory_release(f->blobs);
    if (f->fd >= 0)
        close(f->fd);
    arena_destroy(f->arena);
    memory_release(f);
}

/* Type, shape and place of an open dataset; true when it is one of ours. */
static bool look(hid_t d, struct checkpoint_tensor *t, int64_t shape[RN_MAX_RANK],
                 uint64_t *bytes, uint64_t *offset, uint64_t end) {
    char dtype[8];
    hsize_t dims[RN_MAX_RANK] = {0};
    hid_t space = H5Dget_space(d), list = H5Dget_create_plist(d), type = H5Dget_type(d);
    bool ok = space >= 0 && list >= 0 && type >= 0 &&
              H5Pget_layout(list) == H5D_CONTIGUOUS &&
              H5Pget_external_count(list) == 0 &&
              h5_get_text(d, "dtype", dtype, sizeof dtype) &&
              (t->dtype = h5_dtype(dtype)) != 0 &&
              H5Tget_size(type) == RN_DTYPE_BYTES(t->dtype);
    H5S_class_t class = space >= 0 ? H5Sget_simple_extent_type(space) : H5S_NO_CLASS;
    int rank = ok ? H5Sget_simple_extent_ndims(space) : -1;
    ok = ok && (class == H5S_SIMPLE || class == H5S_SCALAR) && rank >= 0 &&
         rank <= RN_MAX_RANK && H5Sget_simple_extent_dims(space, dims, NULL) >= 0;
    for (int i = 0; ok && i < rank; i++) {
        ok = dims[i] <= INT64_MAX;
        shape[i] = (int64_t)dims[i];
    }
    t->rank = ok ? (uint32_t)rank : 0;
    ok = ok && log_bytes(t->dtype, t->rank, shape, bytes);
    if (ok && *bytes) {
        haddr_t at = H5Dget_offset(d);
        ok = at != HADDR_UNDEF && at <= end && *bytes <= end - at;
        *offset = at;
    }
    if (type >= 0)
        H5Tclose(type);
    if (list >= 0)
        H5Pclose(list);
    if (space >= 0)
        H5Sclose(space);
    return ok;
}

static int read_dataset(struct checkpoint_file *f, hid_t group, const char *name) {
    struct checkpoint_tensor t = {.name = arena_copy(f->arena, name)};
    int64_t *shape = arena_array(f->arena, int64_t, RN_MAX_RANK);
    char doc[1024] = "";
    uint64_t bytes = 0, offset = 0;
    uint32_t crc = 0;
    hid_t d = H5Dopen2(group, name, H5P_DEFAULT);
    bool ok = d >= 0 && look(d, &t, shape, &bytes, &offset, f->seal.bytes) &&
              h5_get(d, "crc32c", H5T_STD_U32LE, &crc);
    if (ok)
        h5_get_text(d, "doc", doc, sizeof doc);
    if (d >= 0)
        H5Dclose(d);
    if (!ok)
        return error_set(f->e, RN_E_CHECKPOINT,
                         "%s: '%s' is not a plain dataset of runner", f->path, name);
    void *data = memory_try((size_t)bytes + 1);
    if (!data)
        return error_set(f->e, RN_E_MEMORY,
                         "no memory for '%s' of %s: %" PRIu64 " bytes", name, f->path,
                         bytes);
    vec_push(f->data, f->data_count, f->data_capacity, data);
    int status = file_read(f->fd, data, bytes, offset, f->path, f->e);
    if (status)
        return status;
    if (crc32c(0, data, (size_t)bytes) != crc)
        return error_set(f->e, RN_E_CHECKPOINT,
                         "%s is damaged: '%s' does not match its CRC32C", f->path,
                         name);
    t.doc = arena_copy(f->arena, doc);
    t.shape = shape;
    t.data = data;
    vec_push(f->tensors, f->tensor_count, f->tensor_capacity, t);
    return RN_OK;
}

static herr_t each_link(hid_t group, const char *name, const H5L_info_t *link,
                        void *context) {
    struct checkpoint_file *f = context;
    if (link->type != H5L_TYPE_HARD)
        f->status = error_set(f->e, RN_E_CHECKPOINT,
                              "%s: '%s' is a link out of the file", f->path, name);
    else
        f->status = read_dataset(f, group, name);
    return f->status ? 1 : 0;
}

/* H5Literate goes by name only where there is an index; sort whatever it gives. */
static int by_name(const void *a, const void *b) {
    const struct checkpoint_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int read_group(struct checkpoint_file *f, hid_t file, const char *name) {
    H5L_info_t link;
    f->status = RN_OK;
    /* A link of another kind could lead out of the file whose bytes were hashed. */
    hid_t g =
        H5Lget_info(file, name, &link, H5P_DEFAULT) >= 0 && link.type == H5L_TYPE_HARD
            ? H5Gopen2(file, name, H5P_DEFAULT)
            : -1;
    herr_t n =
        g < 0 ? -1 : H5Literate(g, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, each_link, f);
    if (g >= 0)
        H5Gclose(g);
    if (n < 0 && !f->status)
        f->status = error_set(f->e, RN_E_CHECKPOINT, "%s has no readable group '%s'",
                              f->path, name);
    if (!f->status && f->tensor_count)
        qsort(f->tensors, f->tensor_count, sizeof *f->tensors, by_name);
    return f->status;
}

static int read_all(struct checkpoint_file *f, hid_t file) {
    if (!h5_get(file, "format", H5T_STD_U32LE, &f->format) ||
        !h5_get(file, "step", H5T_STD_I64LE, &f->c.step) ||
        !h5_get(file, "epoch", H5T_IEEE_F64LE, &f->c.epoch))
        return error_set(f->e, RN_E_CHECKPOINT, "%s has no step, epoch and format",
                         f->path);
    if (f->format < 1 || f->format > CHECKPOINT_FORMAT)
        return error_set(f->e, RN_E_CHECKPOINT,
                         "%s has format %" PRIu32 "; this runner reads formats 1 to %u",
                         f->path, f->format, CHECKPOINT_FORMAT);
    if (!values_read(file, f->arena, &f->c.values, &f->c.value_count))
        return error_set(f->e, RN_E_CHECKPOINT,
                         "%s: the group 'state' holds something else than named values",
                         f->path);
    int status = read_group(f, file, "blobs");
    if (status)
        return status;
    f->blobs = memory_get(memory_mul(sizeof *f->blobs, f->tensor_count + 1));
    for (size_t i = 0; i < f->tensor_count; i++) {
        const struct checkpoint_tensor *t = &f->tensors[i];
        if (t->dtype != RN_U8 || t->rank != 1)
            return error_set(f->e, RN_E_CHECKPOINT,
                             "%s: blob '%s' is not a row of bytes", f->path, t->name);
        f->blobs[i] = (struct checkpoint_blob){t->name, t->data, (uint64_t)t->shape[0]};
    }
    f->c.blob_count = (uint32_t)f->tensor_count;
    f->c.blobs = f->blobs;
    f->tensor_count = 0;
    status = read_group(f, file, "variables");
    f->c.tensor_count = (uint32_t)f->tensor_count;
    f->c.tensors = f->tensors;
    return status;
}

/* Is the file of that name no longer the open one? */
static bool replaced(const struct checkpoint_file *f) {
    struct stat open_one, named;
    return f->fd >= 0 && fstat(f->fd, &open_one) == 0 && stat(f->path, &named) == 0 &&
           (open_one.st_ino != named.st_ino || open_one.st_dev != named.st_dev);
}

static int read_once(const char *file, struct checkpoint_file **out, bool *again,
                     struct rn_error *e) {
    struct rn_error own = {0};
    struct checkpoint_file *f = memory_get(sizeof *f);
    f->arena = arena_create();
    f->path = arena_copy(f->arena, file);
    f->e = e ? e : &own;
    hid_t access = -1, h = -1;
    f->fd = file_open(file, O_RDONLY, f->e);
    int status =
        f->fd < 0 ? f->fd : seal_check(f->fd, "checkpoint", file, &f->seal, f->e);
    if (!status &&
        ((access = h5_access()) < 0 || (h = H5Fopen(file, H5F_ACC_RDONLY, access)) < 0))
        status = error_set(f->e, RN_E_CHECKPOINT, "HDF5 cannot open %s", file);
    if (!status)
        status = read_all(f, h);
    if (h >= 0)
        H5Fclose(h);
    if (access >= 0)
        H5Pclose(access);
    f->e = NULL;
    *again = status && replaced(f);
    if (status) {
        checkpoint_close(f);
        return status;
    }
    close(f->fd);
    f->fd = -1;
    *out = f;
    return RN_OK;
}

int checkpoint_read(const char *file, struct checkpoint_file **out,
                    struct rn_error *e) {
    *out = NULL;
    int status = h5_begin(e);
    if (status)
        return status;
    /* HDF5 opens by name, the data are read by descriptor: a run that goes on may put
     * another file in between. */
    bool again = true;
    for (int i = 0; i < 20 && again; i++) {
        if (e)
            memset(e, 0, sizeof *e);
        status = read_once(file, out, &again, e);
    }
    h5_end();
    return status;
}

/* Does what CURRENT says agree with the file? */
static int read_current(const struct record *r, struct arena *a, char name[101],
                        struct checkpoint_file **out, struct rn_error *e) {
    struct current c;
    int status = current_read(r, &c, e);
    if (status)
        return status;
    snprintf(name, 101, "%s", c.name);
    const char *path = arena_format(a, "%s/checkpoints/%s.h5", r->folder, c.name);
    status = checkpoint_read(path, out, e);
    if (!status && (strcmp((*out)->seal.sha256, c.sha256) != 0 ||
                    (*out)->seal.bytes != c.bytes || (*out)->c.step != c.step)) {
        checkpoint_close(*out);
        *out = NULL;
        status = error_set(e, RN_E_CHECKPOINT, "%s is not the file that CURRENT names",
                           path);
    }
    return status;
}

/* Later steps first, "step-" before others of the same step. */
static int newest_first(const void *a, const void *b) {
    const struct listed *x = a, *y = b;
    if (x->step != y->step)
        return (x->step < y->step) - (x->step > y->step);
    return -strcmp(x->name, y->name);
}

/* A checkpoint that is asked for by its name is not there: say which are. */
static int no_such(const struct record *r, struct arena *a, const char *name,
                   struct rn_error *e) {
    struct listed *list;
    struct rn_error unused = {0};
    struct suggest all = {0};
    size_t n = 0;
    if (checkpoint_list(r, a, &list, &n, &unused) == RN_OK && n)
        qsort(list, n, sizeof *list, newest_first);
    for (size_t i = 0; i < n; i++)
        suggest_add(&all, list[i].name);
    error_set(e, RN_E_CHECKPOINT, "%s has no checkpoint '%s'", r->folder, name);
    suggest_hint(&all, name, "there are", e);
    suggest_finish(&all);
    return RN_E_CHECKPOINT;
}

int checkpoint_find(const struct record *r, const char *name,
                    struct checkpoint_file **out, char *fell_back, size_t size,
                    struct rn_error *e) {
    struct arena *a = arena_create();
    struct rn_error first = {0}, next = {0};
    char current[101] = "";
    int status;
    *out = NULL;
    if (fell_back && size)
        fell_back[0] = '\0';
    if (name) {
        status =
            checkpoint_name_good(name)
                ? checkpoint_read(
                      arena_format(a, "%s/checkpoints/%s.h5", r->folder, name), out, e)
                : error_set(e, RN_E_CHECKPOINT, "'%s' cannot name a checkpoint", name);
        if (status == RN_E_IO &&
            access(arena_format(a, "%s/checkpoints/%s.h5", r->folder, name), F_OK) != 0)
            status = no_such(r, a, name, e);
        arena_destroy(a);
        return status == RN_E_IO ? (e ? e->status = RN_E_CHECKPOINT : RN_E_CHECKPOINT)
                                 : status;
    }
    status = read_current(r, a, current, out, &first);
    if (status && status != RN_E_MEMORY) {
        struct listed *list;
        size_t n = 0;
        if (checkpoint_list(r, a, &list, &n, &next) == RN_OK && n)
            qsort(list, n, sizeof *list, newest_first);
        for (size_t i = 0; i < n && status; i++) {
            status = checkpoint_read(list[i].path, out, &next);
            if (!status && fell_back)
                snprintf(fell_back, size, "%s; going on from %s", first.message,
                         list[i].name);
        }
        if (status)
            status =
                n ? error_set(&first, RN_E_CHECKPOINT, "%s has no valid checkpoint: %s",
                              r->folder, arena_copy(a, next.message))
                  : error_set(&first, RN_E_CHECKPOINT, "%s has no checkpoint yet",
                              r->folder);
    }
    if (status && e)
        *e = first;
    arena_destroy(a);
    return status;
}

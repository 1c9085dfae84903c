/* SPDX-License-Identifier: Apache-2.0 */
/* run.h5 from the log. HDF5 builds it in memory, so that no full disk ever meets HDF5;
 * the bytes go out whole or not at all. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "record/file.h"
#include "record/h5.h"
#include "record/seal.h"
#include "record/state.h"

enum { attribute_max = 32 << 10 };

/* One dataset with its doc; rank and shape without the leading rows when rows < 0. */
static bool put_dataset(hid_t group, const char *name, rn_dtype dtype, uint32_t rank,
                        const int64_t *shape, uint64_t rows, const void *data,
                        const char *doc) {
    hsize_t dims[RN_MAX_RANK + 1] = {rows};
    for (uint32_t i = 0; i < rank; i++)
        dims[i + 1] = (hsize_t)shape[i];
    hid_t type = h5_type(dtype), list = h5_dataset_list();
    hid_t space = H5Screate_simple((int)rank + 1, dims, NULL), d = -1;
    if (type >= 0 && list >= 0 && space >= 0)
        d = H5Dcreate2(group, name, type, space, H5P_DEFAULT, list, H5P_DEFAULT);
    bool ok = d >= 0 && H5Dwrite(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0 &&
              h5_put_text(d, "doc", doc) &&
              h5_put_text(d, "dtype", h5_dtype_name(dtype));
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

/* parent/a/b/c, each part made when missing. */
static hid_t open_groups(hid_t parent, const char *path) {
    char part[LOG_NAME_MAX + 1];
    hid_t at = parent;
    while (*path) {
        size_t n = strcspn(path, "/");
        memcpy(part, path, n);
        part[n] = '\0';
        path += n + (path[n] == '/');
        htri_t there = H5Lexists(at, part, H5P_DEFAULT);
        hid_t next = there < 0 ? -1
                     : there   ? H5Gopen2(at, part, H5P_DEFAULT)
                               : h5_group(at, part);
        if (at != parent)
            H5Gclose(at);
        if (next < 0)
            return -1;
        at = next;
    }
    return at;
}

static bool put_series(hid_t parent, const struct log_view *v, size_t index,
                       const uint32_t *rows, char *steps, char *epochs, char *values) {
    const struct log_series *s = &v->series[index];
    uint64_t unit = 0;
    log_bytes(s->dtype, s->rank, s->shape, &unit);
    for (uint64_t i = 0; i < s->rows; i++) {
        const struct log_row *row = &v->rows[rows[i]];
        memcpy(steps + 8 * i, &row->step, 8);
        memcpy(epochs + 8 * i, &row->epoch, 8);
        memcpy(values + unit * i, row->data, (size_t)unit);
    }
    char doc[LOG_NAME_MAX + 64];
    if (s->doc[0])
        snprintf(doc, sizeof doc, "%s", s->doc);
    else
        snprintf(doc, sizeof doc, "%s, one %s per row", s->name,
                 s->scalar ? "value" : "tensor");
    hid_t g = open_groups(parent, s->name);
    bool ok =
        g >= 0 &&
        put_dataset(g, "step", RN_I64, 0, NULL, s->rows, steps,
                    "training step of the row: updates applied or tried so far") &&
        put_dataset(g, "epoch", RN_F64, 0, NULL, s->rows, epochs,
                    "epochs of training data seen so far, with fraction") &&
        put_dataset(g, "value", s->dtype, s->rank, s->shape, s->rows, values, doc);
    if (g >= 0 && H5Gclose(g) < 0)
        ok = false;
    return ok;
}

static bool put_rows(hid_t file, const struct log_view *v) {
    hid_t scalars = h5_group(file, "scalars"), tensors = h5_group(file, "tensors");
    size_t *next = memory_get(memory_mul(sizeof *next, v->series_count + 1));
    uint32_t *order = memory_get(memory_mul(sizeof *order, v->row_count + 1));
    size_t start = 0, max_rows = 0, widest = 0;
    for (size_t i = 0; i < v->series_count; i++) {
        uint64_t unit = 0;
        log_bytes(v->series[i].dtype, v->series[i].rank, v->series[i].shape, &unit);
        next[i] = start;
        start += v->series[i].rows;
        if (v->series[i].rows > max_rows)
            max_rows = v->series[i].rows;
        if (v->series[i].rows * unit > widest)
            widest = v->series[i].rows * unit;
    }
    for (size_t i = 0; i < v->row_count; i++)
        order[next[v->rows[i].series]++] = (uint32_t)i;
    char *steps = memory_get(8 * max_rows + 8), *epochs = memory_get(8 * max_rows + 8);
    char *values = memory_get(widest + 8);
    bool ok = scalars >= 0 && tensors >= 0 &&
              h5_put_text(scalars, "doc", "one group per series of numbers") &&
              h5_put_text(tensors, "doc", "one group per series of tensors");
    for (size_t i = 0; ok && i < v->series_count; i++) {
        const struct log_series *s = &v->series[i];
        if (s->rows)
            ok = put_series(s->scalar ? scalars : tensors, v, i,
                            order + next[i] - s->rows, steps, epochs, values);
    }
    memory_release(values);
    memory_release(epochs);
    memory_release(steps);
    memory_release(order);
    memory_release(next);
    if (scalars >= 0)
        H5Gclose(scalars);
    if (tensors >= 0)
        H5Gclose(tensors);
    return ok;
}

static bool put_notes(hid_t file, const struct log_view *v) {
    uint64_t rows = v->row_count;
    uint32_t format = 1;
    bool ok = h5_put(file, "format", H5T_STD_U32LE, &format) &&
              h5_put(file, "rows", H5T_STD_U64LE, &rows) &&
              h5_put_text(file, "doc",
                          "record of a training run; scalars/<series> and "
                          "tensors/<series> hold step, epoch and value");
    hid_t big = -1;
    for (size_t i = 0; ok && i < v->note_count; i++) {
        const struct log_note *n = &v->notes[i];
        if (n->key[0] == '.') /* the record's own */
            continue;
        size_t length = strlen(n->value);
        if (strcmp(n->key, "format") == 0 || strcmp(n->key, "rows") == 0 ||
            strcmp(n->key, "doc") == 0)
            continue;
        if (length <= attribute_max) {
            ok = h5_put_text(file, n->key, n->value);
            continue;
        }
        if (big < 0)
            big = h5_group(file, "notes");
        ok = big >= 0 && put_dataset(big, n->key, RN_U8, 0, NULL, length, n->value,
                                     "a long note: UTF-8 text, as bytes");
    }
    if (big >= 0)
        H5Gclose(big);
    return ok;
}

/* The image of the file, after SEAL_BYTES of zeros; memory_release. HDF5 knows a file
 * in memory by its name: the host's process may have a run.h5 of its own open, so the
 * image has the name of its path. */
static char *build(const struct log_view *v, const char *path, uint64_t *bytes) {
    size_t grow = v->size / 4 < (1u << 16) ? 1u << 16 : (size_t)v->size / 4;
    /* The oldest format: H5Fget_file_image of 1.10 changes the newer superblock without
     * its checksum, and every HDF5 reads it. */
    hid_t access = h5_access(), list = H5Pcreate(H5P_FILE_CREATE), file = -1;
    char *image = NULL;
    if (access >= 0 && list >= 0 &&
        H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18) >= 0 &&
        H5Pset_fapl_core(access, grow, 0) >= 0 && H5Pset_obj_track_times(list, 0) >= 0)
        file = H5Fcreate(path, H5F_ACC_TRUNC, list, access);
    if (file >= 0 && put_notes(file, v) && put_rows(file, v) &&
        H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0) {
        ssize_t n = H5Fget_file_image(file, NULL, 0);
        if (n > 0)
            image = memory_try((size_t)n + SEAL_BYTES);
        if (image && H5Fget_file_image(file, image + SEAL_BYTES, (size_t)n) == n) {
            *bytes = (uint64_t)n + SEAL_BYTES;
        } else {
            memory_release(image);
            image = NULL;
        }
    }
    if (file >= 0 && H5Fclose(file) < 0) {
        memory_release(image);
        image = NULL;
    }
    if (list >= 0)
        H5Pclose(list);
    if (access >= 0)
        H5Pclose(access);
    return image;
}

int record_publish(struct record *r, struct rn_error *e) {
    double start = clock_seconds();
    int status = record_sync(r, e);
    if (status)
        return status;
    struct log_view v;
    char *image = NULL;
    uint64_t bytes = 0;
    int64_t step = 0;
    status = log_read(r, &v, e);
    for (size_t i = 0; !status && i < v.row_count; i++)
        if (v.rows[i].step > step)
            step = v.rows[i].step;
    struct arena *a = arena_create();
    const char *path = record_path(a, r, "run.h5");
    if (!status)
        status = h5_begin(e);
    if (!status) {
        image = build(&v, path, &bytes);
        h5_end();
        if (!image)
            status = error_set(e, RN_E_MEMORY, "no memory to make run.h5");
    }
    log_view_finish(&v);
    const char *temp = record_path(a, r, "run.h5.tmp");
    int fd = -1;
    if (!status) {
        fd = file_temp(temp, e);
        status = fd < 0 ? fd : file_write(fd, image, bytes, 0, path, e);
    }
    if (!status)
        status = seal_write(fd, "run", step, r->sync.durable, NULL, 0, path, NULL, e);
    if (fd >= 0 && status) {
        close(fd);
        file_discard(temp);
    } else if (fd >= 0) {
        status = file_commit(fd, temp, path, e);
    }
    memory_release(image);
    arena_destroy(a);
    r->published = clock_seconds();
    r->publish_cost = r->published - start;
    return status;
}

int record_publish_soon(struct record *r, struct rn_error *e) {
    if (clock_seconds() - r->published < 20.0 * r->publish_cost)
        return RN_OK;
    return record_publish(r, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Files of named arrays: laid out by HDF5, filled by pwrite, read by mmap. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "record/arrays.h"
#include "record/file.h"
#include "record/h5.h"
#include "record/seal.h"

#define KIND     "prepared" /* of the seal */
#define TEXT_MAX 60000u

struct extent {
    uint64_t at, bytes, done;
    uint32_t crc;
};

struct arrays {
    struct arena *arena;
    const char *path, *temp;
    const struct array_file *f; /* a copy in the arena */
    struct extent *extents;
    int fd;
};

/* ---------------------------------------------------------------------- layout */

static hid_t type_of(const struct array_spec *s) {
    if (!s->text)
        return h5_type(s->dtype);
    hid_t t = H5Tcopy(H5T_C_S1);
    if (t >= 0 && (H5Tset_size(t, s->text) < 0 || H5Tset_cset(t, H5T_CSET_UTF8) < 0 ||
                   H5Tset_strpad(t, H5T_STR_NULLPAD) < 0)) {
        H5Tclose(t);
        return -1;
    }
    return t;
}

/* The group of a name, made when it is the first of it; *last: the name in it. */
static hid_t group_of(hid_t file, const char *name, const char **last) {
    const char *slash = strchr(name, '/');
    char group[256];
    *last = slash ? slash + 1 : name;
    if (!slash)
        return H5Gopen2(file, "/", H5P_DEFAULT);
    snprintf(group, sizeof group, "%.*s", (int)(slash - name), name);
    htri_t there = H5Lexists(file, group, H5P_DEFAULT);
    return there < 0 ? -1
           : there   ? H5Gopen2(file, group, H5P_DEFAULT)
                     : h5_group(file, group);
}

static bool lay_out(hid_t file, const struct array_spec *s, struct extent *x) {
    hsize_t dims[ARRAYS_RANK_MAX];
    const char *name;
    x->bytes = s->text ? s->text : RN_DTYPE_BYTES(s->dtype);
    for (uint32_t i = 0; i < s->rank; i++) {
        dims[i] = (hsize_t)s->shape[i];
        x->bytes *= (uint64_t)s->shape[i];
    }
    hid_t group = group_of(file, s->name, &name), type = type_of(s), d = -1;
    hid_t list = h5_dataset_list(), space = H5Screate_simple((int)s->rank, dims, NULL);
    if (group >= 0 && type >= 0 && list >= 0 && space >= 0)
        d = H5Dcreate2(group, name, type, space, H5P_DEFAULT, list, H5P_DEFAULT);
    bool ok = d >= 0 && h5_put_text(d, "doc", s->doc ? s->doc : "");
    if (ok && x->bytes) {
        haddr_t at = H5Dget_offset(d);
        ok = at != HADDR_UNDEF;
        x->at = at;
    }
    if (d >= 0 && H5Dclose(d) < 0)
        ok = false;
    if (space >= 0)
        H5Sclose(space);
    if (list >= 0)
        H5Pclose(list);
    if (type >= 0)
        H5Tclose(type);
    if (group >= 0)
        H5Gclose(group);
    return ok;
}

static int lay_out_all(struct arrays *w, struct rn_error *e) {
    hid_t access = h5_access(), list = H5Pcreate(H5P_FILE_CREATE), file = -1;
    errno = 0;
    if (access >= 0 && list >= 0 && H5Pset_obj_track_times(list, 0) >= 0 &&
        H5Pset_userblock(list, seal_room(w->f->array_count)) >= 0)
        file = H5Fcreate(w->temp, H5F_ACC_EXCL, list, access);
    bool ok = file >= 0 && h5_put_text(file, "doc", w->f->doc);
    for (uint32_t i = 0; ok && i < w->f->text_count; i++)
        ok = h5_put_text(file, w->f->texts[i].name, w->f->texts[i].value);
    for (uint32_t i = 0; ok && i < w->f->array_count; i++)
        ok = lay_out(file, &w->f->arrays[i], &w->extents[i]);
    if (file >= 0 && H5Fclose(file) < 0)
        ok = false;
    if (list >= 0)
        H5Pclose(list);
    if (access >= 0)
        H5Pclose(access);
    return ok ? RN_OK : file_error(e, "write", w->path);
}

/* ------------------------------------------------------------------------ life */

static const struct array_file *copy_of(struct arena *a, const struct array_file *f) {
    struct array_file *c = arena_array(a, struct array_file, 1);
    struct array_spec *s = arena_array(a, struct array_spec, f->array_count + 1);
    struct array_text *t = arena_array(a, struct array_text, f->text_count + 1);
    for (uint32_t i = 0; i < f->array_count; i++) {
        s[i] = f->arrays[i];
        s[i].name = arena_copy(a, s[i].name);
        s[i].doc = s[i].doc ? arena_copy(a, s[i].doc) : NULL;
    }
    for (uint32_t i = 0; i < f->text_count; i++)
        t[i] = (struct array_text){arena_copy(a, f->texts[i].name),
                                   arena_copy(a, f->texts[i].value)};
    *c =
        (struct array_file){arena_copy(a, f->doc), f->array_count, f->text_count, s, t};
    return c;
}

static int open_laid_out(struct arrays *w, struct rn_error *e) {
    struct stat st;
    for (uint32_t i = 0; i < w->f->text_count; i++)
        if (strlen(w->f->texts[i].value) > TEXT_MAX)
            return error_set(e, RN_E_IO, "%s: the text '%s' is longer than %u bytes",
                             w->path, w->f->texts[i].name, TEXT_MAX);
    if (unlink(w->temp) && errno != ENOENT)
        return file_error(e, "replace", w->temp);
    int status = h5_begin(e);
    if (status)
        return status;
    status = lay_out_all(w, e);
    h5_end();
    if (!status && (w->fd = open(w->temp, O_RDWR | O_CLOEXEC)) < 0)
        status = file_error(e, "open", w->temp);
    if (!status && fstat(w->fd, &st))
        status = file_error(e, "read", w->temp);
    /* All of it: HDF5 has its own things behind the last array, too. */
    return status ? status : file_reserve(w->fd, (uint64_t)st.st_size, w->path, e);
}

int arrays_create(const char *path, const struct array_file *f, struct arrays **out,
                  struct rn_error *e) {
    struct arena *a = arena_create();
    struct arrays *w = arena_array(a, struct arrays, 1);
    *w = (struct arrays){.arena = a,
                         .path = arena_copy(a, path),
                         .temp = arena_format(a, "%s.tmp", path),
                         .f = copy_of(a, f),
                         .extents = arena_array(a, struct extent, f->array_count + 1),
                         .fd = -1};
    int status = open_laid_out(w, e);
    if (status)
        arrays_discard(w);
    else
        *out = w;
    return status;
}

int arrays_append(struct arrays *w, uint32_t i, const void *data, uint64_t bytes,
                  struct rn_error *e) {
    struct extent *x = &w->extents[i];
    if (bytes > x->bytes - x->done)
        return error_set(e, RN_E_INTERNAL, "%s is longer than it was to be",
                         w->f->arrays[i].name);
    int status = file_write(w->fd, data, bytes, x->at + x->done, w->path, e);
    x->crc = crc32c(x->crc, data, (size_t)bytes);
    x->done += bytes;
    return status;
}

static int seal(struct arrays *w, struct rn_error *e) {
    struct seal_range *ranges =
        arena_array(w->arena, struct seal_range, w->f->array_count + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->f->array_count; i++)
        if (w->extents[i].bytes)
            ranges[n++] = (struct seal_range){w->extents[i].at, w->extents[i].bytes,
                                              w->extents[i].crc, 0};
    return seal_write(w->fd, KIND, 0, 0, ranges, n, w->path, NULL, e);
}

int arrays_commit(struct arrays *w, struct rn_error *e) {
    int status = RN_OK;
    for (uint32_t i = 0; i < w->f->array_count && !status; i++)
        if (w->extents[i].done != w->extents[i].bytes)
            status = error_set(e, RN_E_INTERNAL, "%s is shorter than it was to be",
                               w->f->arrays[i].name);
    if (!status)
        status = seal(w, e);
    if (!status) {
        status = file_commit(w->fd, w->temp, w->path, e);
        w->fd = -1;
    }
    arrays_discard(w);
    return status;
}

void arrays_discard(struct arrays *w) {
    if (!w)
        return;
    if (w->fd >= 0) {
        close(w->fd);
        file_discard(w->temp);
    }
    arena_destroy(w->arena);
}

/* --------------------------------------------------------------------- reading */

struct array_view {
    struct arena *arena;
    const char *path;
    int fd;
    hid_t file;
    const uint8_t *bytes;
    uint64_t size;
    struct seal seal;
    const struct seal_range *ranges; /* [seal.ranges] */
};

static int damaged(const struct array_view *v, struct rn_error *e) {
    error_set(e, RN_E_DATA, "%s is damaged", v->path);
    return error_hint(e, "runner prepare writes it again");
}

static int map(struct array_view *v, struct rn_error *e) {
    v->size = v->seal.bytes;
    v->bytes = mmap(NULL, v->size, PROT_READ, MAP_SHARED, v->fd, 0);
    if (v->bytes == MAP_FAILED) {
        v->bytes = NULL;
        return file_error(e, "read", v->path);
    }
    v->ranges = (const void *)(v->bytes + SEAL_BYTES);
    for (uint64_t i = 0; i < v->seal.ranges; i++)
        if (crc32c(0, v->bytes + v->ranges[i].offset, v->ranges[i].bytes) !=
            v->ranges[i].crc)
            return damaged(v, e);
    return RN_OK;
}

static int not_one(const struct rn_error *why, struct rn_error *e) {
    error_set(e, RN_E_DATA, "%s", why->message);
    return error_hint(e,
                      "runner prepare EXPERIMENT.yaml --out FILE.h5 makes such a file");
}

static int open_view(struct array_view *v, struct rn_error *e) {
    struct rn_error why = {0};
    v->fd = file_open(v->path, O_RDONLY, &why);
    int status = v->fd < 0 ? v->fd : seal_check(v->fd, KIND, v->path, &v->seal, &why);
    if (status)
        return not_one(&why, e);
    status = map(v, e);
    if (status || (status = h5_begin(e)))
        return status;
    hid_t access = h5_access();
    v->file = access < 0 ? -1 : H5Fopen(v->path, H5F_ACC_RDONLY, access);
    if (access >= 0)
        H5Pclose(access);
    h5_end();
    return v->file < 0 ? damaged(v, e) : RN_OK;
}

int arrays_open(const char *path, struct array_view **out, struct rn_error *e) {
    struct arena *a = arena_create();
    struct array_view *v = arena_array(a, struct array_view, 1);
    *v = (struct array_view){
        .arena = a, .path = arena_copy(a, path), .fd = -1, .file = -1};
    int status = open_view(v, e);
    if (status)
        arrays_close(v);
    else
        *out = v;
    return status;
}

void arrays_close(struct array_view *v) {
    if (!v)
        return;
    if (v->file >= 0 && h5_begin(NULL) == RN_OK) {
        H5Fclose(v->file);
        h5_end();
    }
    if (v->bytes)
        munmap((void *)(uintptr_t)v->bytes, v->size);
    if (v->fd >= 0)
        close(v->fd);
    arena_destroy(v->arena);
}

/* Offset and bytes of a dataset; false: there is none, or it is not contiguous. */
static bool place(const struct array_view *v, const char *name, uint64_t *at,
                  uint64_t *bytes) {
    hid_t d = H5Dopen2(v->file, name, H5P_DEFAULT), t = -1, space = -1;
    bool ok = false;
    if (d >= 0) {
        t = H5Dget_type(d);
        space = H5Dget_space(d);
        hssize_t n = space < 0 ? -1 : H5Sget_simple_extent_npoints(space);
        haddr_t offset = H5Dget_offset(d);
        ok = t >= 0 && n >= 0 && (offset != HADDR_UNDEF || n == 0);
        *at = n ? offset : 0;
        *bytes = ok ? (uint64_t)n * H5Tget_size(t) : 0;
    }
    if (space >= 0)
        H5Sclose(space);
    if (t >= 0)
        H5Tclose(t);
    if (d >= 0)
        H5Dclose(d);
    return ok && *at <= v->size && *bytes <= v->size - *at;
}

int arrays_find(struct array_view *v, const char *name, const uint64_t *bytes,
                const void **data, uint64_t *size, struct rn_error *e) {
    uint64_t at = 0, n = 0;
    int status = h5_begin(e);
    if (status)
        return status;
    bool there = place(v, name, &at, &n);
    h5_end();
    if (!there)
        return error_set(e, RN_E_DATA, "%s has no array '%s'", v->path, name);
    if (bytes && n != *bytes)
        return error_set(e, RN_E_DATA, "%s: the array '%s' has another size", v->path,
                         name);
    *data = v->bytes + at;
    if (size)
        *size = n;
    return RN_OK;
}

const char *arrays_text(const struct array_view *v, struct arena *a, const char *name) {
    char *text = arena_get(a, TEXT_MAX + 1);
    if (h5_begin(NULL) != RN_OK)
        return "";
    bool ok = h5_get_text(v->file, name, text, TEXT_MAX + 1);
    h5_end();
    return ok ? text : "";
}

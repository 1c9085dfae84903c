/* SPDX-License-Identifier: Apache-2.0 */
/* Datasets of one HDF5 file, one a field, rows along the first axis.
 *
 * The library may not be called from several threads, and the host uses it too. So it
 * is called here while setting up only: a dataset that lies in one piece is read with
 * pread() by its offset, any other (chunked, compressed, converted) is held in memory.
 * Nothing outside the named file is opened, and no filter plugin is loaded. */
#include <errno.h>
#include <stdlib.h>

#include <fcntl.h>
#include <hdf5.h>
#include <unistd.h>

#include "../fail.h"

struct dataset {
    const char *path; /* host, until destroy */
    uint8_t *rows;    /* in memory, or NULL */
    uint64_t start;   /* else: offset of row 0 in the file */
    uint64_t row_bytes;
};

struct source {
    const char *file; /* host, until destroy */
    int fd;
    uint64_t memory_left; /* bytes */
    uint64_t count;
    uint32_t field_count;
    struct rn_field *fields;
    struct dataset *sets;
};

static void destroy(void *self) {
    struct source *s = self;
    if (s) {
        for (uint32_t i = 0; s->sets && i < s->field_count; i++)
            free(s->sets[i].rows);
        if (s->fd >= 0)
            close(s->fd);
        free(s->fields);
        free(s->sets);
    }
    free(s);
}

/* Every link of the path must stay in the file. */
static int32_t links_check(const struct source *s, hid_t file, const char *path,
                           struct rn_error *e) {
    char part[512];
    size_t n = strlen(path);
    if (!n || n >= sizeof part)
        return fail(e, RN_E_CONFIG, "datasets", 0, 0, "'%.64s' is not a dataset's path",
                    path);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        H5L_info_t link;
        memcpy(part, path, i);
        part[i] = '\0';
        if (strcmp(part, "/") == 0 || part[i - 1] == '/')
            continue;
        if (H5Lget_info(file, part, &link, H5P_DEFAULT) < 0)
            return fail(e, RN_E_DATA, s->file, 0, 0, "has no '%s'", part);
        if (link.type != H5L_TYPE_HARD && link.type != H5L_TYPE_SOFT)
            return fail(e, RN_E_DATA, s->file, 0, 0,
                        "'%s' is a link to another file, which is not followed", part);
    }
    return RN_OK;
}

static int32_t storage_check(const struct source *s, const char *path, hid_t set,
                             H5D_layout_t *layout, int *filters, struct rn_error *e) {
    int32_t status = RN_OK;
    hid_t plist = H5Dget_create_plist(set);
    if (plist < 0)
        return fail(e, RN_E_DATA, s->file, 0, 0, "'%s' cannot be read", path);
    *layout = H5Pget_layout(plist);
    *filters = H5Pget_nfilters(plist);
    if (*layout == H5D_VIRTUAL)
        status = fail(e, RN_E_DATA, s->file, 0, 0,
                      "'%s' is a virtual dataset, which is not followed", path);
    else if (H5Pget_external_count(plist) > 0)
        status = fail(e, RN_E_DATA, s->file, 0, 0,
                      "'%s' lies in another file, which is not followed", path);
    for (int i = 0; status == RN_OK && i < *filters; i++) {
        unsigned flags = 0, config = 0;
        size_t n = 0;
        char name[64] = "";
        H5Z_filter_t id = H5Pget_filter2(plist, (unsigned)i, &flags, &n, NULL,
                                         sizeof name, name, &config);
        if (id != H5Z_FILTER_DEFLATE && id != H5Z_FILTER_SHUFFLE &&
            id != H5Z_FILTER_FLETCHER32) {
            status = fail(e, RN_E_DATA, s->file, 0, 0,
                          "'%s' is stored through the filter '%s', which is not read",
                          path, name[0] ? name : "unknown");
            hint(e, "store it plain or with gzip");
        }
    }
    H5Pclose(plist);
    return status;
}

/* The type in memory and the field's; text is a fixed string, zero-filled. */
static int32_t type_choose(const struct source *s, const char *path, hid_t type,
                           struct rn_field *f, hid_t *memory, struct rn_error *e) {
    H5T_class_t c = H5Tget_class(type);
    size_t size = H5Tget_size(type);
    int is_signed = c == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_2;
    *memory = H5I_INVALID_HID;
    if (c == H5T_STRING && !H5Tis_variable_str(type)) {
        *memory = H5Tcopy(H5T_C_S1);
        if (*memory < 0 || H5Tset_size(*memory, size) < 0 ||
            H5Tset_strpad(*memory, H5T_STR_NULLPAD) < 0)
            return fail(e, RN_E_DATA, s->file, 0, 0, "'%s' cannot be read", path);
        if (H5Tset_cset(*memory, H5Tget_cset(type)) < 0)
            return fail(e, RN_E_DATA, s->file, 0, 0, "'%s' cannot be read", path);
        f->dtype = RN_U8;
        f->flags |= RN_FIELD_TEXT;
        return RN_OK;
    }
    if (c == H5T_ENUM && size == 1 && H5Tget_nmembers(type) == 2) {
        *memory = H5Tget_native_type(type, H5T_DIR_ASCEND);
        f->dtype = RN_BOOL;
    } else if (c == H5T_FLOAT && (size == 4 || size == 2)) {
        *memory = H5Tcopy(H5T_NATIVE_FLOAT); /* f16 has no native type: widened */
        f->dtype = RN_F32;
    } else if (c == H5T_FLOAT && size == 8) {
        *memory = H5Tcopy(H5T_NATIVE_DOUBLE);
        f->dtype = RN_F64;
    } else if (c == H5T_INTEGER && size == 1) {
        *memory = H5Tcopy(is_signed ? H5T_NATIVE_INT8 : H5T_NATIVE_UINT8);
        f->dtype = is_signed ? RN_I8 : RN_U8;
    } else if (c == H5T_INTEGER && (size == 2 || (size == 4 && is_signed))) {
        *memory = H5Tcopy(H5T_NATIVE_INT32);
        f->dtype = RN_I32;
    } else if (c == H5T_INTEGER && size == 4) {
        *memory = H5Tcopy(H5T_NATIVE_UINT32);
        f->dtype = RN_U32;
    } else if (c == H5T_INTEGER && size == 8 && is_signed) {
        *memory = H5Tcopy(H5T_NATIVE_INT64);
        f->dtype = RN_I64;
    }
    if (*memory < 0) {
        const char *what = c == H5T_VLEN || c == H5T_STRING ? "rows of varying length"
                           : c == H5T_COMPOUND              ? "records"
                           : c == H5T_REFERENCE             ? "references"
                                                            : "a type that is not read";
        fail(e, RN_E_DATA, s->file, 0, 0, "'%s' holds %s", path, what);
        hint(e, "read are floats, integers, bool and strings of fixed length");
        return RN_E_DATA;
    }
    return RN_OK;
}

static int32_t shape_read(const struct source *s, const char *path, hid_t space,
                          size_t text, struct rn_field *f, uint64_t *count,
                          struct rn_error *e) {
    hsize_t size[H5S_MAX_RANK];
    int rank = H5Sget_simple_extent_ndims(space);
    uint64_t elements = 1;
    if (rank < 1 || rank + (text ? 1 : 0) > RN_MAX_RANK ||
        H5Sget_simple_extent_dims(space, size, NULL) < 0)
        return fail(e, RN_E_DATA, s->file, 0, 0, "'%s' has rank %d; 1 to %u are read",
                    path, rank, RN_MAX_RANK);
    if (text && rank != 1)
        return fail(e, RN_E_DATA, s->file, 0, 0, "'%s': text must have rank 1", path);
    for (int i = 0; i < rank; i++) {
        if (!size[i])
            return fail(e, RN_E_DATA, s->file, 0, 0, "'%s' is empty: axis %d is 0 long",
                        path, i);
        if (elements > (UINT64_MAX >> 24) / size[i])
            return fail(e, RN_E_DATA, s->file, 0, 0, "'%s' has impossible sizes", path);
        elements *= size[i];
        if (i)
            f->shape[f->rank++] = (int64_t)size[i];
    }
    if (text)
        f->shape[f->rank++] = (int64_t)text;
    *count = size[0];
    return RN_OK;
}

static int32_t set_read(struct source *s, hid_t set, hid_t type, hid_t space,
                        uint32_t i, uint64_t *count, struct rn_error *e) {
    struct dataset *d = &s->sets[i];
    H5D_layout_t layout = H5D_CONTIGUOUS;
    int filters = 0;
    hid_t memory = H5I_INVALID_HID;
    int32_t status = storage_check(s, d->path, set, &layout, &filters, e);
    if (status == RN_OK)
        status = type_choose(s, d->path, type, &s->fields[i], &memory, e);
    if (status == RN_OK)
        status =
            shape_read(s, d->path, space,
                       s->fields[i].flags & RN_FIELD_TEXT ? H5Tget_size(memory) : 0,
                       &s->fields[i], count, e);
    if (status != RN_OK)
        goto out;
    d->row_bytes = field_bytes(&s->fields[i]);
    uint64_t bytes = *count * d->row_bytes;
    if (layout == H5D_CONTIGUOUS && !filters && s->fields[i].dtype != RN_BOOL &&
        H5Tequal(type, memory) > 0) {
        haddr_t at = H5Dget_offset(set);
        if (at != HADDR_UNDEF) {
            d->start = at;
            goto out;
        }
    }
    if (bytes > s->memory_left) {
        status = fail(e, RN_E_DATA, s->file, 0, 0,
                      "'%s' is chunked or converted and would take %llu MiB of memory",
                      d->path, (unsigned long long)(bytes >> 20));
        hint(e, "raise `memory`, or store it contiguous: it is then read from disk");
        goto out;
    }
    s->memory_left -= bytes;
    d->rows = calloc(bytes, 1);
    if (!d->rows)
        status = fail(e, RN_E_MEMORY, s->file, 0, 0, "no memory for '%s'", d->path);
    else if (H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, d->rows) < 0)
        status = fail(e, RN_E_DATA, s->file, 0, 0,
                      "'%s' cannot be read: the file is cut short or damaged", d->path);
    if (status == RN_OK && s->fields[i].dtype == RN_BOOL)
        for (uint64_t k = 0; k < bytes; k++)
            d->rows[k] = d->rows[k] != 0;
out:
    if (memory >= 0)
        H5Tclose(memory);
    return status;
}

static int32_t set_open(struct source *s, hid_t file, uint32_t i, uint64_t *count,
                        struct rn_error *e) {
    const char *path = s->sets[i].path;
    int32_t status = links_check(s, file, path, e);
    if (status != RN_OK)
        return status;
    hid_t set = H5Dopen2(file, path, H5P_DEFAULT);
    if (set < 0)
        return fail(e, RN_E_DATA, s->file, 0, 0, "'%s' is not a dataset", path);
    hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    status = type < 0 || space < 0
                 ? fail(e, RN_E_DATA, s->file, 0, 0, "'%s' cannot be read", path)
                 : set_read(s, set, type, space, i, count, e);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    H5Dclose(set);
    return status;
}

static int32_t sets_open(struct source *s, struct rn_host *h, hid_t file,
                         struct rn_error *e) {
    for (uint32_t i = 0; i < s->field_count; i++) {
        char path[256];
        const char *key = NULL;
        uint64_t count = 0;
        int32_t status = h->api->get_key(h, "datasets", i, &key);
        if (status != RN_OK)
            return fail(e, status, "datasets", 0, 0, "cannot be read");
        snprintf(path, sizeof path, "datasets.%s", key);
        s->fields[i].name = key;
        s->sets[i].path = rn_get_string(h, path, "");
        status = set_open(s, file, i, &count, e);
        if (status != RN_OK)
            return status;
        if (i && count != s->count)
            return fail(e, RN_E_DATA, s->file, 0, 0,
                        "'%s' has %llu rows, but '%s' has %llu", s->sets[i].path,
                        (unsigned long long)count, s->sets[0].path,
                        (unsigned long long)s->count);
        s->count = count;
    }
    return RN_OK;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct source *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    uint32_t n = rn_get_count(h, "datasets");
    s->fd = -1;
    s->file = rn_get_string(h, "file", "");
    s->memory_left = (uint64_t)rn_get_int(h, "memory", 4096) << 20;
    if (!n)
        return rn_fail(e, RN_E_CONFIG, "names no dataset",
                       "datasets: {x: /train/x, y: /train/y}", "datasets");
    s->fields = calloc(n, sizeof *s->fields);
    s->sets = calloc(n, sizeof *s->sets);
    if (!s->fields || !s->sets)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    s->field_count = n;
    s->fd = open(s->file, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0)
        return fail(e, RN_E_DATA, s->file, 0, 0, "cannot be opened: %s",
                    strerror(errno));
    int32_t status = RN_OK;
    H5E_auto2_t print = NULL;
    void *print_data = NULL;
    H5Eget_auto2(H5E_DEFAULT, &print, &print_data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fopen(s->file, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0) {
        status =
            fail(e, RN_E_DATA, s->file, 0, 0, "is not an HDF5 file, or is damaged");
    } else {
        status = sets_open(s, h, file, e);
        H5Fclose(file);
    }
    H5Eset_auto2(H5E_DEFAULT, print, print_data);
    return status;
}

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    struct source *s = self;
    (void)e;
    out->access = RN_ACCESS_RANDOM;
    out->count = s->count;
    out->field_count = s->field_count;
    out->field_stride = sizeof s->fields[0];
    out->fields = s->fields;
    memset(out->content_hash, 0, sizeof out->content_hash);
    if (RN_HAS(out, struct rn_source_info, name))
        out->name = s->file;
    return RN_OK;
}

static int32_t read_at(const struct source *s, uint8_t *to, uint64_t bytes, uint64_t at,
                       struct rn_error *e) {
    while (bytes) {
        ssize_t got = pread(s->fd, to, bytes, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(e, RN_E_IO, s->file, 0, 0, "cannot be read: %s",
                        strerror(errno));
        if (got == 0)
            return fail(e, RN_E_DATA, s->file, 0, 0, "is cut short at byte %llu",
                        (unsigned long long)at);
        to += got, at += (uint64_t)got, bytes -= (uint64_t)got;
    }
    return RN_OK;
}

static int32_t read_rows(void *self, void *worker, uint64_t n, const uint64_t *indices,
                         const struct rn_tensor *out, struct rn_error *e) {
    const struct source *s = self;
    (void)worker;
    for (uint32_t f = 0; f < s->field_count; f++) {
        const struct dataset *d = &s->sets[f];
        uint8_t *to = out[f].data;
        for (uint64_t i = 0, run; to && i < n; i += run) {
            uint64_t at = indices[i] * d->row_bytes, bytes;
            int32_t status = RN_OK;
            for (run = 1; i + run < n && indices[i + run] == indices[i] + run; run++)
                ;
            if (indices[i] + run > s->count)
                return fail(e, RN_E_INTERNAL, s->file, 0, 0, "row %llu is not there",
                            (unsigned long long)(indices[i] + run - 1));
            bytes = run * d->row_bytes;
            if (d->rows)
                memcpy(to + i * d->row_bytes, d->rows + at, bytes);
            else
                status = read_at(s, to + i * d->row_bytes, bytes, d->start + at, e);
            if (status != RN_OK)
                return status;
        }
    }
    return RN_OK;
}

static const struct rn_source iface = {
    sizeof(struct rn_source), 0, create, destroy, info, NULL, NULL, read_rows};

RN_SOURCE(hdf5, iface, "runner/hdf5 1",
          RN_DOC("Datasets of an HDF5 file, one a field; contiguous ones are read "
                 "from disk as needed, others are held in memory")
          RN_OUT("* any [N,...] | a field for each entry of `datasets`")
          RN_OPTION("file path ; required | the file")
          RN_OPTION("datasets map(string) ; required | field name: path in the file")
          RN_OPTION("memory int = 4096 ; min 0 ; unit MiB | most that may be held in "
                    "memory"));
RN_PLUGIN(&hdf5);

/* SPDX-License-Identifier: Apache-2.0 */
/* Reads datasets of a foreign HDF5 file in a process of its own:
 *
 *     hdf5-read FILE MEMORY_BYTES DATASET...
 *
 * A damaged file can make the HDF5 library crash, hang or ask for any amount of memory;
 * here that ends this process and not the run. Replies and rows go to stdout
 * (hdf5_reply.h). Links are resolved here and not by the library, so that nothing
 * outside FILE is opened; no filter plugin is loaded. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hdf5.h>
#include <sys/resource.h>
#include <unistd.h>

#include <runner/sdk/size.h>
#include <runner/source.h>

#include "hdf5_reply.h"
#include <runner/sdk/signature.h>

#define LINK_HOPS  32           /* soft links followed for one path */
#define PATH_BYTES 4096u        /* longest path, links resolved */
#define SLAB_BYTES (4u << 20)   /* rows read at a time */
#define OWN_BYTES  (1ull << 29) /* address space of the library, code and buffers */

__attribute__((format(printf, 2, 3))) static int refuse(struct hdf5_reply *r,
                                                        const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(r->message, sizeof r->message, format, args);
    va_end(args);
    return r->status = RN_E_DATA;
}

static void hint(struct hdf5_reply *r, const char *text) {
    snprintf(r->hint, sizeof r->hint, "%s", text);
}

/* -------------------------------------------------------- the library's errors */

struct cause {
    int version, locked, marked;
};

static herr_t look_at_error(unsigned n, const H5E_error2_t *error, void *context) {
    struct cause *c = context;
    const char *text = error->desc ? error->desc : "";
    (void)n;
    if (error->min_num == H5E_VERSION || strstr(text, "version"))
        c->version = 1;
    if (strstr(text, "unable to lock file"))
        c->locked = 1;
    if (strstr(text, "consistency flags") || strstr(text, "already open for write"))
        c->marked = 1;
    return 0;
}

/* Why the last call failed, as far as its error stack says. */
static struct cause cause_of(void) {
    struct cause c = {0, 0, 0};
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, look_at_error, &c);
    return c;
}

static int newer(struct hdf5_reply *r, const char *what) {
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    refuse(r, "%.100s was written by a newer HDF5 than the %u.%u.%u used here", what,
           major, minor, release);
    hint(r, "rewrite it in the older format: h5py.File(name, 'w', "
            "libver=('earliest', 'v110')), or h5py's default");
    return r->status;
}

/* No HDF5 file: what is it? */
static void name_form(const char *name, struct hdf5_reply *r) {
    char head[16];
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, head, sizeof head) : 0;
    const struct rn_signature *other = n > 0 ? rn_signature_of(head, (size_t)n) : NULL;
    if (fd >= 0)
        close(fd);
    if (other && strcmp(other->what, "an HDF5 file") != 0) {
        refuse(r, "is %s, not an HDF5 file", other->what);
        hint(r, other->fix);
    } else {
        refuse(r, "is not an HDF5 file, or is damaged");
    }
}

static hid_t file_open(const char *name, struct hdf5_reply *r) {
    hid_t file = H5Fopen(name, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file >= 0)
        return file;
    struct cause c = cause_of();
    if (c.locked) {
        refuse(r, "is locked: another program has it open for writing");
        hint(r, "close it there (h5py: f.close()) and try again");
    } else if (c.marked) {
        refuse(r, "is marked as open for writing: another program writes to it, or one "
                  "ended without closing it");
        hint(r, "if no program has it open: h5clear --status FILE");
    } else if (c.version) {
        newer(r, "the file");
    } else {
        name_form(name, r);
    }
    return file;
}

/* ----------------------------------------------------------------------- links */

/* Is the object in the file that was opened? */
static int is_in_file(hid_t object, hid_t file) {
#if H5_VERSION_GE(1, 12, 0)
    H5O_info2_t a, b;
    return H5Oget_info3(object, &a, H5O_INFO_BASIC) >= 0 &&
           H5Oget_info3(file, &b, H5O_INFO_BASIC) >= 0 && a.fileno == b.fileno;
#else
    H5O_info_t a, b;
    return H5Oget_info(object, &a) >= 0 && H5Oget_info(file, &b) >= 0 &&
           a.fileno == b.fileno;
#endif
}

/* The object of one component, `name`, of a path in `group`, by a hard link; or a soft
 * link's target in front of what is left of `path` (then -1 and *followed is 1).
 * so_far: the path up to here, for errors. */
static hid_t step(hid_t group, const char *name, const char *so_far, char *path,
                  const char *left, int *followed, struct hdf5_reply *r) {
    H5L_info_t link;
    char target[PATH_BYTES], whole[PATH_BYTES];
    *followed = 0;
    if (H5Lget_info(group, name, &link, H5P_DEFAULT) < 0)
        return refuse(r, "has no '%.200s'", so_far), -1;
    if (link.type == H5L_TYPE_HARD) {
        hid_t object = H5Oopen(group, name, H5P_DEFAULT);
        if (object < 0 && cause_of().version) {
            snprintf(whole, sizeof whole, "'%.80s'", so_far);
            newer(r, whole);
        } else if (object < 0) {
            refuse(r, "'%.160s' cannot be read: the file is damaged", so_far);
        }
        return object;
    }
    if (link.type != H5L_TYPE_SOFT)
        return refuse(r, "'%.160s' is a link to another file, which is not followed",
                      so_far),
               -1;
    if (link.u.val_size > sizeof target)
        return refuse(r, "the link '%.160s' leads to a path that is too long", so_far),
               -1;
    if (link.u.val_size < 1 ||
        H5Lget_val(group, name, target, sizeof target, H5P_DEFAULT) < 0)
        return refuse(r, "the link '%.200s' cannot be read", so_far), -1;
    target[link.u.val_size - 1] = '\0';
    int n = snprintf(whole, sizeof whole, "%s/%s", target, left);
    if (n < 0 || (size_t)n >= sizeof whole)
        return refuse(r, "the link '%.160s' leads to a path that is too long", so_far),
               -1;
    memcpy(path, whole, (size_t)n + 1);
    *followed = 1;
    return -1;
}

/* The object at `wanted`: each component looked at before it is opened. */
static hid_t resolve(hid_t file, const char *wanted, struct hdf5_reply *r) {
    char path[PATH_BYTES];
    const char *p = path;
    int hops = 0;
    if (strlen(wanted) >= sizeof path)
        return refuse(r, "'%.64s...' is too long for a path", wanted), -1;
    strcpy(path, wanted);
    hid_t at = H5Gopen2(file, "/", H5P_DEFAULT);
    if (at < 0)
        return refuse(r, "its root group cannot be read"), -1;
    for (;;) {
        char name[PATH_BYTES], so_far[PATH_BYTES];
        int followed;
        p += strspn(p, "/");
        size_t n = strcspn(p, "/");
        if (!n)
            return at;
        memcpy(name, p, n);
        name[n] = '\0';
        p += n;
        memcpy(so_far, path, (size_t)(p - path));
        so_far[p - path] = '\0';
        if (strcmp(name, ".") == 0)
            continue;
        if (H5Iget_type(at) != H5I_GROUP) {
            H5Oclose(at);
            return refuse(r, "has no '%.160s': what is before it is not a group",
                          so_far),
                   -1;
        }
        hid_t next = step(at, name, so_far, path, p + strspn(p, "/"), &followed, r);
        if (followed && ++hops > LINK_HOPS) {
            H5Oclose(at);
            return refuse(r, "'%.160s': its links lead in a circle", wanted), -1;
        }
        if (followed) {
            p = path;
            if (*p != '/')
                continue; /* from the group that holds the link */
            next = H5Gopen2(file, "/", H5P_DEFAULT);
        }
        H5Oclose(at);
        if (next < 0)
            return r->status ? -1 : (refuse(r, "its root group cannot be read"), -1);
        at = next;
        if (!is_in_file(at, file)) {
            H5Oclose(at);
            return refuse(r, "'%.160s' is in another file, which is not followed",
                          name),
                   -1;
        }
    }
}

/* --------------------------------------------------------------------- storage */

static int storage_check(const char *path, hid_t list, struct hdf5_reply *r) {
    if (H5Pget_layout(list) == H5D_VIRTUAL)
        return refuse(r, "'%.160s' is a virtual dataset, which is not followed", path);
    if (H5Pget_external_count(list) != 0)
        return refuse(r, "'%.160s' is stored in another file, which is not followed",
                      path);
    for (int i = 0; i < H5Pget_nfilters(list); i++) {
        unsigned flags = 0, config = 0;
        size_t n = 0;
        char name[64] = "";
        H5Z_filter_t id = H5Pget_filter2(list, (unsigned)i, &flags, &n, NULL,
                                         sizeof name, name, &config);
        if (id != H5Z_FILTER_DEFLATE && id != H5Z_FILTER_SHUFFLE &&
            id != H5Z_FILTER_FLETCHER32) {
            refuse(r, "'%.100s' is compressed with the filter '%s', which is not read",
                   path, name[0] ? name : "unknown");
            hint(r, "store it plain or with gzip");
            return r->status;
        }
    }
    return RN_OK;
}

/* ----------------------------------------------------------------------- types */

/* An enumeration of one byte {FALSE = 0, TRUE = 1}, as h5py stores bool. */
static int is_bool(hid_t type) {
    int found[2] = {0, 0};
    if (H5Tget_size(type) != 1 || H5Tget_nmembers(type) != 2)
        return 0;
    for (unsigned i = 0; i < 2; i++) {
        unsigned char value = 255;
        char *name = H5Tget_member_name(type, i);
        if (name && H5Tget_member_value(type, i, &value) >= 0 && value < 2)
            found[value] = strcmp(name, value ? "TRUE" : "FALSE") == 0;
        H5free_memory(name);
    }
    return found[0] && found[1];
}

static int type_refuse(const char *path, hid_t type, struct hdf5_reply *r) {
    size_t size = H5Tget_size(type);
    switch (H5Tget_class(type)) {
    case H5T_VLEN:
    case H5T_STRING:
        refuse(r, "'%.160s' has rows of variable length", path);
        hint(r,
             "store numbers as a rectangular array and text as fixed-length strings");
        break;
    case H5T_OPAQUE:
        refuse(r, "'%.160s' holds opaque values of %zu bytes", path, size);
        hint(r, "bfloat16 and float8 arrays are stored like that: store float32");
        break;
    case H5T_COMPOUND:
        refuse(r, "'%.160s' holds records (compound values, as complex numbers are)",
               path);
        hint(r, "store each member as a dataset of its own");
        break;
    case H5T_ENUM:
        refuse(r, "'%.160s' holds an enumeration that is not {FALSE = 0, TRUE = 1}",
               path);
        hint(r, "store its numbers as integers");
        break;
    case H5T_REFERENCE:
        refuse(r, "'%.160s' holds references", path);
        break;
    case H5T_INTEGER:
        refuse(r, "'%.160s' holds %sintegers of %zu bytes", path,
               H5Tget_sign(type) == H5T_SGN_NONE ? "unsigned " : "", size);
        hint(r, "read are int8 to int64, and uint8 to uint32");
        break;
    default:
        refuse(r, "'%.160s' holds a type that is not read", path);
    }
    if (!r->hint[0])
        hint(r, "read are floats, integers, bool and strings of fixed length");
    return r->status;
}

/* Fixed-length text, zero-filled in memory. */
static hid_t text_type(hid_t type) {
    hid_t t = H5Tcopy(H5T_C_S1);
    if (t >= 0 && H5Tset_size(t, H5Tget_size(type)) >= 0 &&
        H5Tset_strpad(t, H5T_STR_NULLPAD) >= 0 &&
        H5Tset_cset(t, H5Tget_cset(type)) >= 0)
        return t;
    return -1;
}

/* The type in memory, -1 when it is not read; r gets the field's. */
static hid_t memory_type(hid_t type, struct hdf5_reply *r) {
    H5T_class_t c = H5Tget_class(type);
    size_t size = H5Tget_size(type);
    int is_signed = c == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_2;
    if (c == H5T_STRING && H5Tis_variable_str(type) == 0) {
        r->dtype = RN_U8;
        r->flags = RN_FIELD_TEXT;
        return text_type(type);
    }
    if (c == H5T_ENUM && is_bool(type))
        return r->dtype = RN_BOOL, H5Tget_native_type(type, H5T_DIR_ASCEND);
    if (c == H5T_BITFIELD && size == 1)
        return r->dtype = RN_BOOL, H5Tcopy(H5T_NATIVE_B8);
    if (c == H5T_FLOAT &&
        (size == 4 || size == 2)) /* f16 has no native type: widened */
        return r->dtype = RN_F32, H5Tcopy(H5T_NATIVE_FLOAT);
    if (c == H5T_FLOAT && size == 8)
        return r->dtype = RN_F64, H5Tcopy(H5T_NATIVE_DOUBLE);
    if (c == H5T_INTEGER && size == 1)
        return r->dtype = is_signed ? RN_I8 : RN_U8,
               H5Tcopy(is_signed ? H5T_NATIVE_INT8 : H5T_NATIVE_UINT8);
    if (c == H5T_INTEGER && (size == 2 || (size == 4 && is_signed)))
        return r->dtype = RN_I32, H5Tcopy(H5T_NATIVE_INT32);
    if (c == H5T_INTEGER && size == 4)
        return r->dtype = RN_U32, H5Tcopy(H5T_NATIVE_UINT32);
    if (c == H5T_INTEGER && size == 8 && is_signed)
        return r->dtype = RN_I64, H5Tcopy(H5T_NATIVE_INT64);
    return -1;
}

/* Rows, shape and bytes of a row. */
static int shape_read(const char *path, hid_t space, hid_t memory, struct hdf5_reply *r,
                      uint64_t *row_bytes) {
    hsize_t size[H5S_MAX_RANK];
    int rank = H5Sget_simple_extent_ndims(space);
    uint64_t bytes;
    if (H5Sget_simple_extent_type(space) != H5S_SIMPLE || rank < 1 ||
        rank > RN_MAX_RANK || H5Sget_simple_extent_dims(space, size, NULL) < 0)
        return refuse(r, "'%.160s' has rank %d; 1 to %u are read", path, rank,
                      RN_MAX_RANK);
    if (r->flags & RN_FIELD_TEXT && rank != 1)
        return refuse(r, "'%.160s': text must have rank 1", path);
    for (int i = 0; i < rank; i++) {
        if (!size[i])
            return refuse(r, "'%.160s' is empty: axis %d has size 0", path, i);
        if (size[i] > INT64_MAX)
            return refuse(r, "'%.160s' has sizes that are too large", path);
        if (i)
            r->shape[r->rank++] = (int64_t)size[i];
    }
    if (r->flags & RN_FIELD_TEXT)
        r->shape[r->rank++] = (int64_t)H5Tget_size(memory);
    r->rows = size[0];
    if (!rn_size_product(RN_DTYPE_BYTES(r->dtype), r->shape, r->rank, row_bytes) ||
        !rn_size_mul(r->rows, *row_bytes, &bytes) || bytes > INT64_MAX)
        return refuse(r, "'%.160s' has sizes that are too large", path);
    return RN_OK;
}

/* ------------------------------------------------------------------------ rows */

static int put(const void *data, uint64_t bytes) {
    const char *p = data;
    while (bytes) {
        ssize_t n = write(STDOUT_FILENO, p, bytes < SLAB_BYTES ? bytes : SLAB_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        p += n, bytes -= (uint64_t)n;
    }
    return 1;
}

/* Rows at a time: whole chunks, a few MiB. */
static uint64_t slab_rows(hid_t list, uint64_t rows, uint64_t row_bytes) {
    hsize_t chunk[H5S_MAX_RANK];
    uint64_t n = row_bytes < SLAB_BYTES ? SLAB_BYTES / row_bytes : 1;
    if (H5Pget_layout(list) == H5D_CHUNKED &&
        H5Pget_chunk(list, H5S_MAX_RANK, chunk) > 0 && chunk[0])
        n = n < chunk[0] ? chunk[0] : n / chunk[0] * chunk[0];
    return n < rows ? n : rows;
}

/* All rows to stdout. Nothing can be refused any more: 0 ends the process. */
static int rows_put(hid_t set, hid_t space, hid_t memory, const struct hdf5_reply *r,
                    uint64_t row_bytes, uint64_t step_rows) {
    hsize_t start[H5S_MAX_RANK] = {0}, size[H5S_MAX_RANK];
    int rank = H5Sget_simple_extent_dims(space, size, NULL);
    uint8_t *slab = malloc(rn_size_or_max(step_rows, row_bytes));
    int ok = slab != NULL && rank > 0;
    for (uint64_t at = 0; ok && at < r->rows; at += size[0]) {
        start[0] = at;
        size[0] = r->rows - at < step_rows ? r->rows - at : step_rows;
        hid_t part = H5Screate_simple(rank, size, NULL);
        ok = part >= 0 &&
             H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, size, NULL) >= 0 &&
             H5Dread(set, memory, part, space, H5P_DEFAULT, slab) >= 0;
        for (uint64_t i = 0; ok && r->dtype == RN_BOOL && i < size[0] * row_bytes; i++)
            slab[i] = slab[i] != 0;
        ok = ok && put(slab, size[0] * row_bytes);
        if (part >= 0)
            H5Sclose(part);
    }
    free(slab);
    return ok;
}

static int set_read(const char *path, hid_t set, hid_t type, hid_t space, hid_t list,
                    uint64_t *memory_left) {
    struct hdf5_reply r = {.magic = HDF5_REPLY_MAGIC, .offset = HDF5_STREAMED};
    uint64_t row_bytes = 0;
    hid_t memory = -1;
    if (storage_check(path, list, &r) == RN_OK && (memory = memory_type(type, &r)) < 0)
        type_refuse(path, type, &r);
    if (r.status == RN_OK)
        shape_read(path, space, memory, &r, &row_bytes);
    uint64_t bytes = r.rows * row_bytes; /* does not wrap: shape_read */
    if (r.status == RN_OK && H5Pget_layout(list) == H5D_CONTIGUOUS &&
        r.dtype != RN_BOOL && H5Tequal(type, memory) > 0) {
        haddr_t at = H5Dget_offset(set);
        r.offset = at == HADDR_UNDEF ? HDF5_STREAMED : at;
    }
    if (r.status == RN_OK && r.offset == HDF5_STREAMED && bytes > *memory_left) {
        refuse(&r, "'%.100s' is chunked or converted and needs %llu MiB of memory",
               path, (unsigned long long)(bytes >> 20));
        hint(&r,
             "raise the source's `memory` (MiB), or store it contiguous: it is then "
             "read from disk");
    }
    int ok = put(&r, sizeof r) && r.status == RN_OK;
    if (ok && r.offset == HDF5_STREAMED) {
        *memory_left -= bytes;
        ok = rows_put(set, space, memory, &r, row_bytes,
                      slab_rows(list, r.rows, row_bytes));
    }
    return ok;
}

/* 0 after a reply that refuses, or when nothing can be said. */
static int path_read(hid_t file, const char *path, uint64_t *memory_left) {
    struct hdf5_reply r = {.magic = HDF5_REPLY_MAGIC};
    hid_t set = resolve(file, path, &r), type = -1, space = -1, list = -1;
    if (set >= 0 && H5Iget_type(set) != H5I_DATASET)
        refuse(&r, "'%.160s' is not a dataset", path);
    else if (set >= 0 &&
             ((type = H5Dget_type(set)) < 0 || (space = H5Dget_space(set)) < 0 ||
              (list = H5Dget_create_plist(set)) < 0))
        refuse(&r, "'%.160s' cannot be read: the file is damaged", path);
    if (r.status != RN_OK)
        return put(&r, sizeof r) && 0;
    int ok = set_read(path, set, type, space, list, memory_left);
    H5Pclose(list);
    H5Sclose(space);
    H5Tclose(type);
    H5Oclose(set);
    return ok;
}

/* Address space: what the rows may take and the library's own. The sanitizers reserve
 * terabytes of it and cannot run under such a limit. */
static void limit_memory(uint64_t bytes) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    struct rlimit limit = {bytes + OWN_BYTES, bytes + OWN_BYTES};
    setrlimit(RLIMIT_AS, &limit);
#else
    (void)bytes;
#endif
}

int main(int argc, char **argv) {
    struct hdf5_reply r = {.magic = HDF5_REPLY_MAGIC};
    if (argc < 4)
        return 2;
    uint64_t memory_left = strtoull(argv[2], NULL, 10);
    limit_memory(memory_left);
    /* Closing walks through structures of a file that may be damaged: not at exit. */
    if (H5dont_atexit() < 0 || H5open() < 0 || H5PLset_loading_state(0) < 0 ||
        H5Eset_auto2(H5E_DEFAULT, NULL, NULL) < 0)
        return 1;
    hid_t file = file_open(argv[1], &r);
    int ok = file >= 0 || (put(&r, sizeof r) && 0);
    for (int i = 3; ok && i < argc; i++)
        ok = path_read(file, argv[i], &memory_left);
    return ok ? 0 : 1;
}

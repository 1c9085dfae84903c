/* SPDX-License-Identifier: Apache-2.0 */
/* Reads datasets of a foreign HDF5 file in a process of its own:
 *
 *     hdf5-read FILE MEMORY_BYTES AxisDATASET...
 *
 * with `t` before a dataset whose axes are in reverse order, else `.`. A component
 * behind a dataset names a member of its records.
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

static int absent(struct hdf5_reply *r, const char *path, const char *why) {
    r->absent = 1;
    return refuse(r, "has no '%.160s'%s", path, why);
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
        return absent(r, so_far, ""), -1;
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

/* Is `name` a member of the records of a dataset? */
static int has_member(hid_t set, const char *name) {
    hid_t type = H5Dget_type(set);
    int found = type >= 0 && H5Tget_class(type) == H5T_COMPOUND &&
                H5Tget_member_index(type, name) >= 0;
    if (type >= 0)
        H5Tclose(type);
    return found;
}

/* The object at `wanted`: each component looked at before it is opened. member: the
 * name of a member of its records, or "". */
static hid_t resolve(hid_t file, const char *wanted, char member[PATH_BYTES],
                     struct hdf5_reply *r) {
    char path[PATH_BYTES];
    const char *p = path;
    int hops = 0;
    *member = '\0';
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
        if (H5Iget_type(at) == H5I_DATASET && !p[strspn(p, "/")] &&
            has_member(at, name)) {
            strcpy(member, name);
            return at;
        }
        if (H5Iget_type(at) != H5I_GROUP) {
            H5Oclose(at);
            return absent(r, so_far, ": what is before it is not a group"), -1;
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
            id != H5Z_FILTER_FLETCHER32 && id != H5Z_FILTER_NBIT &&
            id != H5Z_FILTER_SCALEOFFSET) {
            refuse(r, "'%.100s' is compressed with the filter '%s', which is not read",
                   path, name[0] ? name : "unknown");
            hint(r, "rewrite it: h5repack -f GZIP=4 FILE NEW, where that has the "
                    "filter; or store it plain or with gzip");
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

/* "read a member: /people/age, /people/name". */
static void name_members(const char *path, hid_t type, struct hdf5_reply *r) {
    int n = H5Tget_nmembers(type);
    size_t at = (size_t)snprintf(r->hint, sizeof r->hint, "read a member of them:");
    for (int i = 0; i < n && at + 100 < sizeof r->hint; i++) {
        char *name = H5Tget_member_name(type, (unsigned)i);
        if (name && strlen(name) + strlen(path) < 90)
            at += (size_t)snprintf(r->hint + at, sizeof r->hint - at, "%s %s/%s",
                                   i ? "," : "", path, name);
        H5free_memory(name);
    }
}

static int type_refuse(const char *path, hid_t type, struct hdf5_reply *r) {
    size_t size = H5Tget_size(type);
    switch (H5Tget_class(type)) {
    case H5T_STRING: /* those of datasets are read by strings_read */
        refuse(r, "'%.160s' holds texts of variable length in records", path);
        hint(r,
             "store it as texts of fixed length (h5py: dtype 'S20'), or as a dataset "
             "of its own");
        break;
    case H5T_VLEN:
        refuse(r, "'%.160s' has rows of variable length", path);
        hint(r, "store numbers as a rectangular array");
        break;
    case H5T_OPAQUE:
        refuse(r, "'%.160s' holds opaque values of %zu bytes", path, size);
        hint(r, "bfloat16 and float8 arrays are stored like that: store float32");
        break;
    case H5T_COMPOUND:
        refuse(r, "'%.160s' holds records (compound values, as complex numbers are)",
               path);
        name_members(path, type, r);
        break;
    case H5T_REFERENCE:
        refuse(r, "'%.160s' holds references", path);
        break;
    case H5T_INTEGER:
        refuse(r, "'%.160s' holds %sintegers of %zu bytes", path,
               H5Tget_sign(type) == H5T_SGN_NONE ? "unsigned " : "", size);
        hint(r, "read are integers of 1, 2, 4 and 8 bytes");
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

/* An integer of the file in memory, -1 when it is not read. */
static hid_t integer_type(hid_t type, struct hdf5_reply *r) {
    size_t size = H5Tget_size(type);
    int is_signed = H5Tget_sign(type) == H5T_SGN_2;
    if (size == 1)
        return r->dtype = is_signed ? RN_I8 : RN_U8,
               H5Tcopy(is_signed ? H5T_NATIVE_INT8 : H5T_NATIVE_UINT8);
    if (size == 2 || (size == 4 && is_signed))
        return r->dtype = RN_I32, H5Tcopy(H5T_NATIVE_INT32);
    if (size == 4)
        return r->dtype = RN_U32, H5Tcopy(H5T_NATIVE_UINT32);
    if (size == 8) /* above 2^63 - 1: in_range */
        return r->dtype = RN_I64, H5Tcopy(H5T_NATIVE_INT64);
    return -1;
}

/* The type in memory of one value, -1 when it is not read; r gets the field's. */
static hid_t scalar_type(hid_t type, struct hdf5_reply *r) {
    H5T_class_t c = H5Tget_class(type);
    size_t size = H5Tget_size(type);
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
    return c == H5T_INTEGER || c == H5T_ENUM ? integer_type(type, r) : -1;
}

/* How the rows of a dataset are read. */
struct reading {
    hid_t memory;    /* type of a row's value, or of a record with just the member */
    int inner_count; /* axes of an array within a value */
    hsize_t inner[RN_MAX_RANK];
    int reversed; /* the file's axes are in reverse order: rows are along the last */
    int checked;  /* integers are looked at before they are given */
};

/* The type in memory; -1: it is not read. */
static hid_t memory_type(hid_t type, struct reading *how, struct hdf5_reply *r) {
    if (H5Tget_class(type) != H5T_ARRAY) {
        how->checked = H5Tget_class(type) == H5T_INTEGER && H5Tget_size(type) == 8 &&
                       H5Tget_sign(type) == H5T_SGN_NONE;
        return scalar_type(type, r);
    }
    how->inner_count = H5Tget_array_ndims(type);
    if (how->inner_count < 1 || how->inner_count >= (int)RN_MAX_RANK ||
        H5Tget_array_dims2(type, how->inner) < 0)
        return -1;
    hid_t base = H5Tget_super(type);
    hid_t value = base < 0 ? -1 : scalar_type(base, r), all = -1;
    if (value >= 0 && !(r->flags & RN_FIELD_TEXT))
        all = H5Tarray_create2(value, (unsigned)how->inner_count, how->inner);
    if (value >= 0)
        H5Tclose(value);
    if (base >= 0)
        H5Tclose(base);
    return all;
}

/* Records of which just the member is read. */
static hid_t record_type(const char *member, hid_t memory) {
    hid_t t = H5Tcreate(H5T_COMPOUND, H5Tget_size(memory));
    if (t >= 0 && H5Tinsert(t, member, 0, memory) < 0) {
        H5Tclose(t);
        return -1;
    }
    return t;
}

static int axis_add(const char *path, hsize_t size, struct hdf5_reply *r) {
    if (!size)
        return refuse(r, "'%.160s' is empty: an axis has size 0", path);
    if (size > INT64_MAX)
        return refuse(r, "'%.160s' has sizes that are too large", path);
    if (r->rank + 1 >= RN_MAX_RANK)
        return refuse(r, "'%.160s' has too many axes; %u are read", path, RN_MAX_RANK);
    r->shape[r->rank++] = (int64_t)size;
    return RN_OK;
}

/* Rows, shape and bytes of a row. A column of MATLAB (N x 1) is a number a row. */
static int shape_read(const char *path, hid_t space, const struct reading *how,
                      size_t text, struct hdf5_reply *r, uint64_t *row_bytes) {
    hsize_t size[H5S_MAX_RANK];
    int rank = H5Sget_simple_extent_ndims(space);
    uint64_t bytes;
    if (H5Sget_simple_extent_type(space) != H5S_SIMPLE || rank < 1 ||
        rank > RN_MAX_RANK || H5Sget_simple_extent_dims(space, size, NULL) < 0)
        return refuse(r, "'%.160s' has rank %d; 1 to %u are read", path, rank,
                      RN_MAX_RANK);
    if (r->flags & RN_FIELD_TEXT && rank != 1)
        return refuse(r, "'%.160s': text must have rank 1", path);
    for (int i = 0; i < rank; i++)
        if (!size[i])
            return refuse(r, "'%.160s' is empty: axis %d has size 0", path, i);
    r->rows = size[how->reversed ? rank - 1 : 0];
    int status = RN_OK, column = how->reversed && rank == 2 && size[0] == 1;
    for (int i = 1; i < rank && !column && status == RN_OK; i++)
        status = axis_add(path, size[how->reversed ? rank - 1 - i : i], r);
    for (int i = 0; i < how->inner_count && status == RN_OK; i++)
        status = axis_add(path, how->inner[i], r);
    if (status == RN_OK && r->flags & RN_FIELD_TEXT)
        status = axis_add(path, text, r);
    if (status != RN_OK)
        return status;
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

static H5T_conv_ret_t out_of_range(H5T_conv_except_t what, hid_t from, hid_t to,
                                   void *a, void *b, void *context) {
    (void)from, (void)to, (void)a, (void)b;
    *(int *)context |= what == H5T_CONV_EXCEPT_RANGE_HI;
    return H5T_CONV_UNHANDLED;
}

/* All rows, a slab at a time, to stdout if `given`. 0: they cannot be read; *high: an
 * unsigned integer is above 2^63 - 1. */
static int rows_pass(hid_t set, hid_t space, const struct reading *how,
                     const struct hdf5_reply *r, uint64_t row_bytes, uint64_t step_rows,
                     int given, int *high) {
    hsize_t start[H5S_MAX_RANK] = {0}, size[H5S_MAX_RANK];
    int rank = H5Sget_simple_extent_dims(space, size, NULL);
    uint8_t *slab = malloc(rn_size_or_max(step_rows, row_bytes));
    hid_t transfer = H5Pcreate(H5P_DATASET_XFER);
    int ok = slab != NULL && rank > 0 && transfer >= 0 &&
             H5Pset_type_conv_cb(transfer, out_of_range, high) >= 0;
    for (uint64_t at = 0; ok && at < r->rows; at += size[0]) {
        start[0] = at;
        size[0] = r->rows - at < step_rows ? r->rows - at : step_rows;
        hid_t part = H5Screate_simple(rank, size, NULL);
        ok = part >= 0 &&
             H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, size, NULL) >= 0 &&
             H5Dread(set, how->memory, part, space, transfer, slab) >= 0;
        for (uint64_t i = 0; ok && r->dtype == RN_BOOL && i < size[0] * row_bytes; i++)
            slab[i] = slab[i] != 0;
        ok = ok && (!given || put(slab, size[0] * row_bytes));
        if (part >= 0)
            H5Sclose(part);
    }
    if (transfer >= 0)
        H5Pclose(transfer);
    free(slab);
    return ok;
}

/* `from` in the file's order with axes size[0..rank-1], to rows along the last axis and
 * the others in reverse. */
static void reverse_axes(const uint8_t *from, uint8_t *to, const hsize_t *size,
                         int rank, uint64_t item) {
    uint64_t count = 1, stride[H5S_MAX_RANK];
    for (int i = 0; i < rank; i++) { /* of the file's axis i in `to` */
        stride[i] = count;
        count *= size[i];
    }
    hsize_t at[H5S_MAX_RANK] = {0};
    for (uint64_t k = 0; k < count; k++) {
        uint64_t place = 0;
        for (int i = 0; i < rank; i++)
            place += at[i] * stride[i];
        memcpy(to + place * item, from + k * item, item);
        for (int i = rank - 1; i >= 0 && ++at[i] == size[i]; i--)
            at[i] = 0;
    }
}

/* All of it at once, turned. */
static int turned_put(hid_t set, hid_t space, const struct reading *how,
                      const struct hdf5_reply *r, uint64_t bytes) {
    hsize_t size[H5S_MAX_RANK];
    int rank = H5Sget_simple_extent_dims(space, size, NULL);
    uint64_t item = H5Tget_size(how->memory);
    uint8_t *file = malloc(bytes), *rows = malloc(bytes);
    int ok = file && rows && rank > 0 &&
             H5Dread(set, how->memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, file) >= 0;
    if (ok)
        reverse_axes(file, rows, size, rank, item);
    for (uint64_t i = 0; ok && r->dtype == RN_BOOL && i < bytes; i++)
        rows[i] = rows[i] != 0;
    ok = ok && put(rows, bytes);
    free(file);
    free(rows);
    return ok;
}

/* ------------------------------------------------------------ variable strings */

/* Texts of variable length, as h5py stores str: given with the longest's width. */
static int strings_read(const char *path, hid_t set, hid_t type, hid_t space,
                        uint64_t *memory_left) {
    struct hdf5_reply r = {.magic = HDF5_REPLY_MAGIC,
                           .offset = HDF5_STREAMED,
                           .dtype = RN_U8,
                           .flags = RN_FIELD_TEXT};
    struct reading how = {.memory = -1};
    uint64_t row_bytes = 0, longest = 1;
    char **texts = NULL;
    hid_t memory = H5Tcopy(H5T_C_S1);
    int read = 0;
    if (memory < 0 || H5Tset_size(memory, H5T_VARIABLE) < 0 ||
        H5Tset_cset(memory, H5Tget_cset(type)) < 0)
        refuse(&r, "'%.160s' cannot be read", path);
    if (r.status == RN_OK)
        shape_read(path, space, &how, 1, &r, &row_bytes);
    if (r.status == RN_OK && r.rows > *memory_left / (2 * sizeof *texts))
        refuse(&r, "'%.160s' needs more memory than may be held", path);
    if (r.status == RN_OK) {
        texts = calloc(r.rows, sizeof *texts);
        read = texts && H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, texts) >= 0;
        if (!read)
            refuse(&r, "'%.160s' cannot be read: it is damaged or too large", path);
    }
    for (uint64_t i = 0; read && i < r.rows; i++)
        if (texts[i] && strlen(texts[i]) > longest)
            longest = strlen(texts[i]);
    if (r.status == RN_OK && longest > *memory_left / r.rows)
        refuse(&r, "'%.160s' needs more memory than may be held: a text has %llu bytes",
               path, (unsigned long long)longest);
    r.shape[0] = (int64_t)longest;
    int ok = put(&r, sizeof r) && r.status == RN_OK;
    char *row = ok ? malloc(longest) : NULL;
    for (uint64_t i = 0; ok && i < r.rows; i++) {
        memset(row, 0, longest);
        if (texts[i])
            memcpy(row, texts[i], strlen(texts[i]));
        ok = put(row, longest);
    }
    if (ok)
        *memory_left -= r.rows * longest;
    if (read)
        H5Dvlen_reclaim(memory, space, H5P_DEFAULT, texts);
    free(texts);
    free(row);
    if (memory >= 0)
        H5Tclose(memory);
    return ok;
}

/* --------------------------------------------------------------------- datasets */

/* An attribute of MATLAB says how its axes are to be read, and what its numbers are. */
static int is_matlab(hid_t set, char class[16]) {
    memset(class, 0, 16);
    if (H5Aexists(set, "MATLAB_class") <= 0)
        return 0;
    hid_t a = H5Aopen(set, "MATLAB_class", H5P_DEFAULT);
    hid_t t = a < 0 ? -1 : H5Aget_type(a), space = a < 0 ? -1 : H5Aget_space(a);
    if (t >= 0 && space >= 0 && H5Tget_class(t) == H5T_STRING &&
        H5Tis_variable_str(t) == 0 && H5Tget_size(t) < 16 &&
        H5Sget_simple_extent_npoints(space) == 1)
        H5Aread(a, t, class);
    if (space >= 0)
        H5Sclose(space);
    if (t >= 0)
        H5Tclose(t);
    if (a >= 0)
        H5Aclose(a);
    return 1;
}

static void read_classes(const char *path, hid_t set, struct reading *how,
                         struct hdf5_reply *r) {
    char class[16];
    if (!is_matlab(set, class))
        return;
    how->reversed = 1;
    if (strcmp(class, "logical") == 0 && r->dtype == RN_U8)
        r->dtype = RN_BOOL;
    else if (strcmp(class, "char") == 0 || strcmp(class, "cell") == 0)
        refuse(r, "'%.160s' is a %s array of MATLAB; numbers and logicals are read",
               path, class);
}

/* Is every unsigned integer one that i64 has? */
static int in_range(const char *path, hid_t set, hid_t space, const struct reading *how,
                    uint64_t row_bytes, uint64_t step, struct hdf5_reply *r) {
    int high = 0;
    if (!rows_pass(set, space, how, r, row_bytes, step, 0, &high))
        return refuse(r, "'%.160s' cannot be read: the file is damaged", path);
    return high ? refuse(r, "'%.160s' has a number above 9223372036854775807", path)
                : RN_OK;
}

static int set_put(hid_t set, hid_t space, const struct reading *how,
                   const struct hdf5_reply *r, uint64_t row_bytes, uint64_t step) {
    int high = 0;
    if (how->reversed)
        return turned_put(set, space, how, r, r->rows * row_bytes);
    return rows_pass(set, space, how, r, row_bytes, step, 1, &high);
}

static int set_read(const char *path, const char *member, int reversed, hid_t set,
                    hid_t type, hid_t space, hid_t list, uint64_t *memory_left) {
    struct hdf5_reply r = {.magic = HDF5_REPLY_MAGIC, .offset = HDF5_STREAMED};
    struct reading how = {.memory = -1, .reversed = reversed};
    uint64_t row_bytes = 0, step = 0;
    if (storage_check(path, list, &r) == RN_OK &&
        (how.memory = memory_type(type, &how, &r)) < 0)
        type_refuse(path, type, &r);
    size_t text = r.status == RN_OK ? H5Tget_size(how.memory) : 0;
    if (r.status == RN_OK)
        read_classes(path, set, &how, &r);
    if (r.status == RN_OK && how.reversed && (*member || how.inner_count))
        refuse(&r, "'%.160s' holds records, whose axes are not reversed", path);
    if (r.status == RN_OK)
        shape_read(path, space, &how, text, &r, &row_bytes);
    uint64_t bytes = r.rows * row_bytes; /* does not wrap: shape_read */
    if (r.status == RN_OK && H5Pget_layout(list) == H5D_CONTIGUOUS && !how.reversed &&
        !*member && r.dtype != RN_BOOL && H5Tequal(type, how.memory) > 0) {
        haddr_t at = H5Dget_offset(set);
        r.offset = at == HADDR_UNDEF ? HDF5_STREAMED : at;
    }
    uint64_t held = how.reversed ? 2 : 1; /* as it is, and turned */
    if (r.status == RN_OK && r.offset == HDF5_STREAMED && bytes > *memory_left / held) {
        refuse(&r, "'%.100s' is chunked or converted and needs %llu MiB of memory",
               path, (unsigned long long)(bytes * held >> 20));
        hint(&r,
             "raise the source's `memory` (MiB), or store it contiguous: it is then "
             "read from disk");
    }
    if (r.status == RN_OK && *member) {
        hid_t value = how.memory;
        how.memory = record_type(member, value);
        H5Tclose(value);
        if (how.memory < 0)
            refuse(&r, "'%.160s' cannot be read", path);
    }
    if (r.status == RN_OK)
        step = slab_rows(list, r.rows, row_bytes);
    if (r.status == RN_OK && how.checked)
        in_range(path, set, space, &how, row_bytes, step, &r);
    int ok = put(&r, sizeof r) && r.status == RN_OK;
    if (ok && r.offset == HDF5_STREAMED) {
        *memory_left -= bytes;
        ok = set_put(set, space, &how, &r, row_bytes, step);
    }
    if (how.memory >= 0)
        H5Tclose(how.memory);
    return ok;
}

/* The type of the dataset's values, or of the member of its records. */
static hid_t value_type(hid_t set, const char *member) {
    hid_t type = H5Dget_type(set);
    if (!*member || type < 0)
        return type;
    int i = H5Tget_member_index(type, member);
    hid_t inner = i < 0 ? -1 : H5Tget_member_type(type, (unsigned)i);
    H5Tclose(type);
    return inner;
}

/* 0 after a reply that refuses what is there, or when nothing can be said. */
static int path_read(hid_t file, const char *path, int reversed,
                     uint64_t *memory_left) {
    struct hdf5_reply r = {.magic = HDF5_REPLY_MAGIC};
    char member[PATH_BYTES];
    hid_t set = resolve(file, path, member, &r), type = -1, space = -1, list = -1;
    if (set >= 0 && H5Iget_type(set) != H5I_DATASET)
        refuse(&r, "'%.160s' is not a dataset", path);
    else if (set >= 0 &&
             ((type = value_type(set, member)) < 0 || (space = H5Dget_space(set)) < 0 ||
              (list = H5Dget_create_plist(set)) < 0))
        refuse(&r, "'%.160s' cannot be read: the file is damaged", path);
    if (r.status != RN_OK)
        return put(&r, sizeof r) && r.absent;
    int variable = H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) > 0;
    int ok;
    if (variable && !*member && storage_check(path, list, &r) == RN_OK)
        ok = strings_read(path, set, type, space, memory_left);
    else if (r.status != RN_OK)
        ok = put(&r, sizeof r) && 0;
    else
        ok = set_read(path, member, reversed, set, type, space, list, memory_left);
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
        ok =
            argv[i][0] && path_read(file, argv[i] + 1, argv[i][0] == 't', &memory_left);
    return ok ? 0 : 1;
}

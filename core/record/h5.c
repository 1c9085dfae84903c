/* SPDX-License-Identifier: Apache-2.0 */
/* Checked HDF5 helpers. */
#include <pthread.h>
#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "record/h5.h"
#include "record/hdf5_lazy.h"

static pthread_mutex_t library = PTHREAD_MUTEX_INITIALIZER;

int h5_begin(struct rn_error *e) {
    const char *why = hdf5_lazy_error();
    if (why)
        return error_set(e, RN_E_IO, "HDF5 cannot be opened: %s", why);
    pthread_mutex_lock(&library);
    if (H5Eset_auto2(H5E_DEFAULT, NULL, NULL) >= 0)
        return RN_OK;
    pthread_mutex_unlock(&library);
    return error_set(e, RN_E_MEMORY, "HDF5 does not start: no memory");
}

void h5_end(void) {
    pthread_mutex_unlock(&library);
}

const char *h5_dtype_name(rn_dtype dtype) {
    return dtype_find(dtype) ? dtype_name(dtype) : NULL;
}

rn_dtype h5_dtype(const char *name) {
    const struct dtype_info *d = dtype_named(name, strlen(name));
    return d ? d->dtype : 0;
}

static hid_t half(void) {
    hid_t t = H5Tcopy(H5T_IEEE_F32LE);
    if (t >= 0 && (H5Tset_fields(t, 15, 10, 5, 0, 10) < 0 || H5Tset_size(t, 2) < 0 ||
                   H5Tset_ebias(t, 15) < 0)) {
        H5Tclose(t);
        return -1;
    }
    return t;
}

static hid_t boolean(void) {
    hid_t t = H5Tenum_create(H5T_STD_I8LE);
    int8_t no = 0, yes = 1;
    if (t >= 0 &&
        (H5Tenum_insert(t, "FALSE", &no) < 0 || H5Tenum_insert(t, "TRUE", &yes) < 0)) {
        H5Tclose(t);
        return -1;
    }
    return t;
}

hid_t h5_type(rn_dtype dtype) {
    switch (dtype) {
    case RN_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case RN_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case RN_F16:
        return half();
    case RN_BF16:
        return H5Tcopy(H5T_STD_U16LE);
    case RN_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case RN_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case RN_I8:
        return H5Tcopy(H5T_STD_I8LE);
    case RN_U32:
        return H5Tcopy(H5T_STD_U32LE);
    case RN_U8:
        return H5Tcopy(H5T_STD_U8LE);
    case RN_BOOL:
        return boolean();
    default:
        return -1;
    }
}

bool h5_put(hid_t object, const char *name, hid_t type, const void *value) {
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t a = space < 0
                  ? -1
                  : H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool ok = a >= 0 && H5Awrite(a, type, value) >= 0;
    if (a >= 0 && H5Aclose(a) < 0)
        ok = false;
    if (space >= 0)
        H5Sclose(space);
    return ok;
}

bool h5_change(hid_t object, const char *name, hid_t type, const void *value) {
    hid_t a = H5Aopen(object, name, H5P_DEFAULT);
    bool ok = a >= 0 && H5Awrite(a, type, value) >= 0;
    if (a >= 0 && H5Aclose(a) < 0)
        ok = false;
    return ok;
}

bool h5_put_text(hid_t object, const char *name, const char *text) {
    size_t n = strlen(text);
    if (n > 60000)
        n = 60000;
    hid_t t = H5Tcopy(H5T_C_S1);
    bool ok = t >= 0 && H5Tset_size(t, n ? n : 1) >= 0 &&
              H5Tset_cset(t, H5T_CSET_UTF8) >= 0 &&
              H5Tset_strpad(t, H5T_STR_NULLPAD) >= 0 && h5_put(object, name, t, text);
    if (t >= 0)
        H5Tclose(t);
    return ok;
}

bool h5_get(hid_t object, const char *name, hid_t type, void *value) {
    hid_t a = H5Aopen(object, name, H5P_DEFAULT), own = -1, space = -1;
    bool ok = false;
    if (a >= 0) {
        own = H5Aget_type(a);
        space = H5Aget_space(a);
        /* No conversion between classes, and nothing of variable length. */
        ok = own >= 0 && space >= 0 && H5Tget_class(own) == H5Tget_class(type) &&
             H5Tget_size(own) == H5Tget_size(type) &&
             H5Sget_simple_extent_npoints(space) == 1 && H5Aread(a, type, value) >= 0;
    }
    if (own >= 0)
        H5Tclose(own);
    if (space >= 0)
        H5Sclose(space);
    if (a >= 0)
        H5Aclose(a);
    return ok;
}

bool h5_get_text(hid_t object, const char *name, char *text, size_t size) {
    hid_t a = H5Aopen(object, name, H5P_DEFAULT), t = -1, space = -1;
    bool ok = false;
    memset(text, 0, size);
    if (a >= 0) {
        t = H5Aget_type(a);
        space = H5Aget_space(a);
        size_t n = t >= 0 ? H5Tget_size(t) : 0;
        if (t >= 0 && space >= 0 && H5Tget_class(t) == H5T_STRING &&
            H5Tis_variable_str(t) == 0 && H5Sget_simple_extent_npoints(space) == 1 &&
            n > 0 && n <= 65536) {
            char *buffer = memory_get(n + 1);
            ok = H5Aread(a, t, buffer) >= 0;
            if (ok)
                memcpy(text, buffer, n < size - 1 ? n : size - 1);
            memory_release(buffer);
        }
    }
    if (t >= 0)
        H5Tclose(t);
    if (space >= 0)
        H5Sclose(space);
    if (a >= 0)
        H5Aclose(a);
    return ok;
}

hid_t h5_access(void) {
    hid_t p = H5Pcreate(H5P_FILE_ACCESS);
    if (p >= 0 && H5Pset_libver_bounds(p, H5F_LIBVER_V18, H5F_LIBVER_V18) < 0) {
        H5Pclose(p);
        return -1;
    }
    return p;
}

hid_t h5_dataset_list(void) {
    hid_t p = H5Pcreate(H5P_DATASET_CREATE);
    if (p >= 0 && (H5Pset_layout(p, H5D_CONTIGUOUS) < 0 ||
                   H5Pset_alloc_time(p, H5D_ALLOC_TIME_EARLY) < 0 ||
                   H5Pset_fill_time(p, H5D_FILL_TIME_NEVER) < 0 ||
                   H5Pset_obj_track_times(p, 0) < 0)) {
        H5Pclose(p);
        return -1;
    }
    return p;
}

hid_t h5_group(hid_t parent, const char *name) {
    hid_t list = H5Pcreate(H5P_GROUP_CREATE), g = -1;
    if (list >= 0 && H5Pset_obj_track_times(list, 0) >= 0)
        g = H5Gcreate2(parent, name, H5P_DEFAULT, list, H5P_DEFAULT);
    if (list >= 0)
        H5Pclose(list);
    return g;
}

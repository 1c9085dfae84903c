/* SPDX-License-Identifier: Apache-2.0 */
/* The named values of a checkpoint as attributes of HDF5 groups: h5py shows them as
 * `dict(file["state/position"].attrs)`. */
#include <stdlib.h>
#include <string.h>

#include "record/values.h"

#define VALUE_DEPTH 4u     /* groups below /state */
#define TEXT_MAX    60000u /* bytes of one value; h5_put_text */

/* ------------------------------------------------------------------- writing */

/* The group parent/a/b, made where it is missing. */
static hid_t open_path(hid_t parent, const char *path) {
    size_t n = strcspn(path, "/");
    char name[256];
    if (n == 0 || n >= sizeof name)
        return -1;
    memcpy(name, path, n);
    name[n] = '\0';
    hid_t g = H5Lexists(parent, name, H5P_DEFAULT) > 0
                  ? H5Gopen2(parent, name, H5P_DEFAULT)
                  : h5_group(parent, name);
    if (g < 0 || !path[n])
        return g;
    hid_t below = open_path(g, path + n + 1);
    H5Gclose(g);
    return below;
}

static bool write_value(hid_t group, const struct checkpoint_value *v) {
    switch (v->kind) {
    case CHECKPOINT_INT:
        return h5_put(group, v->key, H5T_STD_I64LE, &v->i);
    case CHECKPOINT_REAL:
        return h5_put(group, v->key, H5T_IEEE_F64LE, &v->f);
    default:
        return strlen(v->s) <= TEXT_MAX && h5_put_text(group, v->key, v->s);
    }
}

bool values_write(hid_t file, const struct checkpoint *c) {
    hid_t state = h5_group(file, "state"), g = -1;
    bool ok = state >= 0;
    for (uint32_t i = 0; ok && i < c->value_count; i++) {
        const struct checkpoint_value *v = &c->values[i];
        if (i == 0 || strcmp(v->object, v[-1].object) != 0) {
            if (g >= 0)
                ok = H5Gclose(g) >= 0;
            g = ok ? open_path(state, v->object) : -1;
        }
        ok = g >= 0 && write_value(g, v);
    }
    if (g >= 0 && H5Gclose(g) < 0)
        ok = false;
    if (state >= 0 && H5Gclose(state) < 0)
        ok = false;
    return ok;
}

/* ------------------------------------------------------------------- reading */

struct reading {
    struct arena *a;
    const char *object;
    struct checkpoint_value *at;
    uint32_t count, capacity;
};

static herr_t read_value(hid_t group, const char *name, const H5A_info_t *info,
                         void *context) {
    struct reading *r = context;
    struct checkpoint_value v = {.object = r->object, .key = arena_copy(r->a, name)};
    hid_t a = H5Aopen(group, name, H5P_DEFAULT), t = a < 0 ? -1 : H5Aget_type(a);
    H5T_class_t class = t < 0 ? H5T_NO_CLASS : H5Tget_class(t);
    size_t bytes = t < 0 ? 0 : H5Tget_size(t);
    bool ok = false;
    (void)info;
    if (t >= 0)
        H5Tclose(t);
    if (a >= 0)
        H5Aclose(a);
    if (class == H5T_INTEGER) {
        v.kind = CHECKPOINT_INT;
        ok = h5_get(group, name, H5T_STD_I64LE, &v.i);
    } else if (class == H5T_FLOAT) {
        v.kind = CHECKPOINT_REAL;
        ok = h5_get(group, name, H5T_IEEE_F64LE, &v.f);
    } else if (class == H5T_STRING && bytes <= TEXT_MAX) {
        char *text = memory_get(bytes + 1);
        v.kind = CHECKPOINT_TEXT;
        ok = h5_get_text(group, name, text, bytes + 1);
        v.s = arena_copy(r->a, text);
        memory_release(text);
    }
    if (ok)
        vec_push(r->at, r->count, r->capacity, v);
    return ok ? 0 : -1;
}

static bool read_group(struct reading *r, hid_t g, const char *path, unsigned depth) {
    hsize_t from = 0;
    H5G_info_t info;
    r->object = path;
    if (depth > VALUE_DEPTH || H5Gget_info(g, &info) < 0 ||
        H5Aiterate2(g, H5_INDEX_NAME, H5_ITER_NATIVE, &from, read_value, r) < 0)
        return false;
    bool ok = true;
    for (hsize_t i = 0; ok && i < info.nlinks; i++) {
        char name[256];
        ssize_t n = H5Lget_name_by_idx(g, ".", H5_INDEX_NAME, H5_ITER_INC, i, name,
                                       sizeof name, H5P_DEFAULT);
        hid_t below =
            n > 0 && (size_t)n < sizeof name ? H5Gopen2(g, name, H5P_DEFAULT) : -1;
        ok = below >= 0 && read_group(r, below,
                                      *path ? arena_format(r->a, "%s/%s", path, name)
                                            : arena_copy(r->a, name),
                                      depth + 1);
        if (below >= 0)
            H5Gclose(below);
    }
    return ok;
}

static int by_name(const void *a, const void *b) {
    const struct checkpoint_value *x = a, *y = b;
    int k = strcmp(x->object, y->object);
    return k ? k : strcmp(x->key, y->key);
}

bool values_read(hid_t file, struct arena *a, const struct checkpoint_value **out,
                 uint32_t *count) {
    struct reading r = {.a = a};
    bool ok = true;
    if (H5Lexists(file, "state", H5P_DEFAULT) > 0) {
        hid_t g = H5Gopen2(file, "state", H5P_DEFAULT);
        ok = g >= 0 && read_group(&r, g, "", 0);
        if (g >= 0)
            H5Gclose(g);
    }
    if (r.count)
        qsort(r.at, r.count, sizeof *r.at, by_name);
    struct checkpoint_value *copy =
        arena_array(a, struct checkpoint_value, r.count + 1);
    if (r.count)
        memcpy(copy, r.at, r.count * sizeof *copy);
    memory_release(r.at);
    *out = copy;
    *count = ok ? r.count : 0;
    return ok;
}

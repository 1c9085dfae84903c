/* SPDX-License-Identifier: Apache-2.0 */
/* State of a transform as named arrays, which the host shows as datasets of a
 * checkpoint (group `transforms`). Format, little-endian: u32 RN_ARRAYS_MAGIC, u32
 * RN_ARRAYS_VERSION, then arrays up to the end of the stream: u32 bytes of the name,
 * name, u32 dtype, u32 rank, i64 shape[rank], data. A name is a path of parts between
 * '/', "FIELD/WHAT". Lists of texts are u8 [bytes], each text ended by a zero byte.
 * Header-only; C11 or C++ with GNU builtins. */
#ifndef RUNNER_SDK_ARRAYS_H
#define RUNNER_SDK_ARRAYS_H

#include <stdlib.h>
#include <string.h>

#include <runner/sdk/error.h>
#include <runner/sdk/size.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RN_ARRAYS_MAGIC     0x53595252u /* "RRYS" */
#define RN_ARRAYS_VERSION   1u
#define RN_ARRAY_NAME_BYTES 512u

struct rn_array {
    char *name;
    rn_dtype dtype;
    uint32_t rank;
    int64_t shape[RN_MAX_RANK];
    uint64_t elements;
    void *data; /* [elements], aligned for any dtype */
};

struct rn_arrays {
    uint32_t count;
    struct rn_array *at; /* [count]; rn_arrays_free */
};

/* Before the arrays. */
static inline int32_t rn_arrays_begin(struct rn_stream *to) {
    uint32_t head[2] = {RN_ARRAYS_MAGIC, RN_ARRAYS_VERSION};
    return to->api->write(to, head, sizeof head);
}

/* One array "field/what"; what may be NULL. RN_E_INTERNAL: a name that is too long. */
static inline int32_t rn_array_put(struct rn_stream *to, const char *field,
                                   const char *what, rn_dtype dtype, uint32_t rank,
                                   const int64_t *shape, const void *data) {
    char name[RN_ARRAY_NAME_BYTES];
    int n =
        snprintf(name, sizeof name, "%s%s%s", field, what ? "/" : "", what ? what : "");
    if (n < 1 || n >= (int)sizeof name)
        return RN_E_INTERNAL;
    uint32_t length = (uint32_t)n, type[2] = {(uint32_t)dtype, rank};
    uint64_t bytes = RN_DTYPE_BYTES(dtype);
    for (uint32_t i = 0; i < rank; i++)
        bytes *= (uint64_t)shape[i];
    int32_t status = to->api->write(to, &length, sizeof length);
    if (status == RN_OK)
        status = to->api->write(to, name, length);
    if (status == RN_OK)
        status = to->api->write(to, type, sizeof type);
    if (status == RN_OK && rank)
        status = to->api->write(to, shape, rank * sizeof *shape);
    return status == RN_OK && bytes ? to->api->write(to, data, bytes) : status;
}

/* Of zeros is fine. */
static inline void rn_arrays_free(struct rn_arrays *a) {
    for (uint32_t i = 0; i < a->count; i++) {
        free(a->at[i].name);
        free(a->at[i].data);
    }
    free(a->at);
    a->at = NULL;
    a->count = 0;
}

static inline int rn_array_shape_(struct rn_stream *from, struct rn_array *x,
                                  uint64_t *bytes) {
    uint64_t n = 1;
    if (x->rank > RN_MAX_RANK || !RN_DTYPE_BYTES(x->dtype) ||
        from->api->read(from, x->shape, x->rank * sizeof *x->shape) != RN_OK)
        return 0;
    for (uint32_t i = 0; i < x->rank; i++)
        if (x->shape[i] < 0 || !rn_size_mul(n, (uint64_t)x->shape[i], &n))
            return 0;
    x->elements = n;
    return rn_size_mul(n, RN_DTYPE_BYTES(x->dtype), bytes) &&
           *bytes <= from->api->left(from);
}

/* One array behind the others; its memory is at most what is left of the stream. */
static inline int32_t rn_array_read_(struct rn_stream *from, struct rn_arrays *a) {
    uint32_t length = 0, type[2] = {0, 0};
    uint64_t bytes = 0;
    struct rn_array x;
    memset(&x, 0, sizeof x);
    if (from->api->read(from, &length, sizeof length) != RN_OK || !length ||
        length >= RN_ARRAY_NAME_BYTES)
        return RN_E_CHECKPOINT;
    struct rn_array *more =
        (struct rn_array *)realloc(a->at, (a->count + 1u) * sizeof *more);
    if (!more)
        return RN_E_MEMORY;
    a->at = more;
    x.name = (char *)calloc(1, length + 1u);
    if (!x.name)
        return RN_E_MEMORY;
    int good = from->api->read(from, x.name, length) == RN_OK &&
               from->api->read(from, type, sizeof type) == RN_OK;
    x.dtype = (rn_dtype)type[0];
    x.rank = type[1];
    good = good && rn_array_shape_(from, &x, &bytes);
    x.data = good ? calloc(1, bytes + 1u) : NULL;
    if (x.data && bytes)
        good = from->api->read(from, x.data, bytes) == RN_OK;
    if (!good || !x.data) {
        free(x.name);
        free(x.data);
        return good ? RN_E_MEMORY : RN_E_CHECKPOINT;
    }
    a->at[a->count++] = x;
    return RN_OK;
}

/* All arrays behind the version; rn_arrays_free also after an error. `first`: the
 * stream's first number, where it is read already, or 0. */
static inline int32_t rn_arrays_read(struct rn_stream *from, uint32_t first,
                                     struct rn_arrays *a, struct rn_error *e) {
    uint32_t version = 0;
    int32_t status = RN_OK;
    a->count = 0;
    a->at = NULL;
    if (!first)
        status = from->api->read(from, &first, sizeof first);
    if (status == RN_OK)
        status = from->api->read(from, &version, sizeof version);
    if (status == RN_OK && (first != RN_ARRAYS_MAGIC || version != RN_ARRAYS_VERSION))
        status = RN_E_CHECKPOINT;
    while (status == RN_OK && from->api->left(from))
        status = rn_array_read_(from, a);
    return status == RN_OK
               ? RN_OK
               : rn_fail(e, status, "the stored state cannot be read", NULL, NULL);
}

/* The array "field/what" of this type and rank, or NULL. Owned by a. */
static inline const struct rn_array *rn_array_find(const struct rn_arrays *a,
                                                   const char *field, const char *what,
                                                   rn_dtype dtype, uint32_t rank) {
    size_t n = strlen(field);
    for (uint32_t i = 0; i < a->count; i++) {
        const struct rn_array *x = &a->at[i];
        if (strncmp(x->name, field, n) == 0 && x->name[n] == '/' &&
            strcmp(x->name + n + 1, what) == 0 && x->dtype == dtype && x->rank == rank)
            return x;
    }
    return NULL;
}

/* The field of array i when its name ends with "/what": copied to `field`, 1; else 0.
 */
static inline int rn_array_field(const struct rn_array *x, const char *what,
                                 char *field, size_t size) {
    size_t n = strlen(x->name), m = strlen(what);
    if (n < m + 2 || strcmp(x->name + n - m, what) != 0 || x->name[n - m - 1] != '/' ||
        n - m - 1 >= size)
        return 0;
    memcpy(field, x->name, n - m - 1);
    field[n - m - 1] = '\0';
    return 1;
}

#ifdef __cplusplus
}
#endif
#endif

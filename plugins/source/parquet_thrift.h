/* SPDX-License-Identifier: Apache-2.0 */
/* Thrift's compact protocol, as far as Parquet's footers and page headers use it, from
 * bytes that nobody has checked: every read stays inside, and after the first that
 * would not, `bad` is set and all further ones give zeros. */
#ifndef SOURCE_PARQUET_THRIFT_H
#define SOURCE_PARQUET_THRIFT_H

#include <stddef.h>
#include <stdint.h>

#define THRIFT_DEPTH 32

enum {
    THRIFT_STOP,
    THRIFT_TRUE,
    THRIFT_FALSE,
    THRIFT_I8,
    THRIFT_I16,
    THRIFT_I32,
    THRIFT_I64,
    THRIFT_DOUBLE,
    THRIFT_BINARY,
    THRIFT_LIST,
    THRIFT_SET,
    THRIFT_MAP,
    THRIFT_STRUCT
};

struct thrift {
    const uint8_t *p, *end;
    int bad, depth;
};

/* A field of a struct: type THRIFT_STOP at the struct's end. */
struct thrift_field {
    int id, type;
};

static inline uint8_t thrift_byte(struct thrift *t) {
    if (t->p < t->end && !t->bad)
        return *t->p++;
    t->bad = 1;
    return 0;
}

static inline uint64_t thrift_varint(struct thrift *t) {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t b = thrift_byte(t);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return v;
    }
    t->bad = 1;
    return 0;
}

static inline int64_t thrift_integer(struct thrift *t) {
    uint64_t v = thrift_varint(t);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* *n bytes, in the buffer. */
static inline const uint8_t *thrift_binary(struct thrift *t, uint64_t *n) {
    const uint8_t *at = NULL;
    *n = thrift_varint(t);
    if (t->bad || *n > (uint64_t)(t->end - t->p)) {
        t->bad = 1;
        *n = 0;
        return NULL;
    }
    at = t->p;
    t->p += *n;
    return at;
}

/* How many elements, of which type; never more than bytes are left. */
static inline uint32_t thrift_list(struct thrift *t, int *type) {
    uint8_t head = thrift_byte(t);
    uint64_t n = head >> 4;
    *type = head & 15;
    if (n == 15)
        n = thrift_varint(t);
    if (t->bad || n > (uint64_t)(t->end - t->p)) {
        t->bad = 1;
        return 0;
    }
    return (uint32_t)n;
}

/* The next field; f is the one before, {0, 0} at the struct's start. */
static inline int thrift_next(struct thrift *t, struct thrift_field *f) {
    uint8_t head = thrift_byte(t);
    f->type = head & 15;
    if (t->bad || f->type == THRIFT_STOP)
        return 0;
    if (head >> 4)
        f->id += head >> 4;
    else
        f->id = (int)(int16_t)thrift_integer(t);
    return !t->bad;
}

static inline void thrift_skip(struct thrift *t, int type);

static inline void thrift_skip_struct(struct thrift *t) {
    struct thrift_field f = {0, 0};
    while (thrift_next(t, &f))
        thrift_skip(t, f.type);
}

/* An element: in a list or a map a bool is a byte, in a struct it is in the header. So
 * each is a byte or more, and a count that is bounded by the bytes left is enough. */
static inline void thrift_skip_element(struct thrift *t, int type) {
    thrift_skip(t, type == THRIFT_TRUE || type == THRIFT_FALSE ? THRIFT_I8 : type);
}

static inline void thrift_skip_list(struct thrift *t) {
    int type;
    uint32_t n = thrift_list(t, &type);
    for (uint32_t i = 0; i < n && !t->bad; i++)
        thrift_skip_element(t, type);
}

static inline void thrift_skip_map(struct thrift *t) {
    uint64_t n = thrift_varint(t);
    int types = n ? thrift_byte(t) : 0;
    if (n > (uint64_t)(t->end - t->p))
        t->bad = 1;
    for (uint64_t i = 0; i < n && !t->bad; i++) {
        thrift_skip_element(t, types >> 4);
        thrift_skip_element(t, types & 15);
    }
}

static inline void thrift_skip(struct thrift *t, int type) {
    uint64_t n;
    if (++t->depth > THRIFT_DEPTH)
        t->bad = 1;
    if (!t->bad)
        switch (type) {
        case THRIFT_TRUE:
        case THRIFT_FALSE:
            break;
        case THRIFT_I8:
            thrift_byte(t);
            break;
        case THRIFT_I16:
        case THRIFT_I32:
        case THRIFT_I64:
            thrift_varint(t);
            break;
        case THRIFT_DOUBLE:
            for (int i = 0; i < 8; i++)
                thrift_byte(t);
            break;
        case THRIFT_BINARY:
            thrift_binary(t, &n);
            break;
        case THRIFT_LIST:
        case THRIFT_SET:
            thrift_skip_list(t);
            break;
        case THRIFT_MAP:
            thrift_skip_map(t);
            break;
        case THRIFT_STRUCT:
            thrift_skip_struct(t);
            break;
        default:
            t->bad = 1;
        }
    t->depth--;
}

#endif

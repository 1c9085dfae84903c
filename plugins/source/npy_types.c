/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "npy_types.h"
#include "utf8.h"

#define TEXT_MAX 65536u

int npy_type_parse(struct npy_type *t, const char *descr) {
    static const struct {
        char kind;
        uint32_t bytes;
        rn_dtype dtype;
    } known[] = {{'f', 2, RN_F16}, {'f', 4, RN_F32}, {'f', 8, RN_F64},
                 {'i', 1, RN_I8},  {'i', 2, RN_I32}, {'i', 4, RN_I32},
                 {'i', 8, RN_I64}, {'u', 1, RN_U8},  {'u', 2, RN_I32},
                 {'u', 4, RN_U32}, {'u', 8, RN_I64}, {'b', 1, RN_BOOL}};
    const uint16_t probe = 1;
    int little = *(const uint8_t *)&probe;
    uint64_t n = 0;
    if (!*descr || !strchr("<>|=", *descr) || !descr[1])
        return 0;
    for (const char *p = descr + 2; *p; p++) {
        if (*p < '0' || *p > '9' || n > TEXT_MAX)
            return 0;
        n = 10 * n + (uint64_t)(*p - '0');
    }
    memset(t, 0, sizeof *t);
    t->kind = descr[1];
    t->swap = *descr == (little ? '>' : '<');
    if ((t->kind == 'S' || t->kind == 'U') && n && n <= TEXT_MAX / 4) {
        t->bytes = (uint32_t)(t->kind == 'U' ? 4 * n : n);
        t->dtype = RN_U8;
        t->text = t->bytes;
        return 1;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].kind == t->kind && known[i].bytes == n) {
            t->bytes = (uint32_t)n;
            t->dtype = known[i].dtype;
            t->swap = n > 1 && t->swap;
            return 1;
        }
    return 0;
}

static uint64_t load(const struct npy_type *t, const uint8_t *p) {
    uint64_t v = 0;
    for (uint32_t i = 0; i < t->bytes; i++) /* little-endian, unless it is swapped */
        v |= (uint64_t)p[t->swap ? t->bytes - 1 - i : i] << 8 * i;
    return v;
}

static int number(const struct npy_type *t, const uint8_t *p, uint8_t *to) {
    uint64_t v = load(t, p);
    uint32_t wide = RN_DTYPE_BYTES(t->dtype);
    if (t->kind == 'b')
        v = v != 0;
    if (t->kind == 'u' && t->bytes == 8 && v >> 63)
        return 0;
    if (t->kind == 'i' && t->bytes == 2 && v >> 15)
        v |= 0xffff0000u;
    for (uint32_t i = 0; i < wide; i++)
        to[i] = (uint8_t)(v >> 8 * i);
    return 1;
}

static int text(const struct npy_type *t, const uint8_t *p, uint8_t *to) {
    uint8_t *end = to;
    memset(to, 0, t->text);
    if (t->kind == 'S') {
        const uint8_t *at = p, *stop = memchr(p, 0, t->bytes);
        stop = stop ? stop : p + t->bytes;
        memcpy(to, p, (size_t)(stop - p));
        while (at < stop)
            if (utf8_next(&at, stop) == UTF8_BAD)
                return 0;
        return 1;
    }
    for (uint32_t i = 0; i < t->bytes; i += 4) {
        uint32_t c = 0;
        for (uint32_t k = 0; k < 4; k++)
            c |= (uint32_t)p[i + (t->swap ? 3 - k : k)] << 8 * k;
        if (!c)
            break;
        if (c >= UTF8_COUNT || (c >= 0xd800 && c < 0xe000))
            return 0;
        end += utf8_put(c, end);
    }
    return 1;
}

uint64_t npy_type_convert(const struct npy_type *t, const uint8_t *from, uint64_t n,
                          uint8_t *to) {
    uint32_t item = npy_type_item(t);
    for (uint64_t i = 0; i < n; i++)
        if (!(t->text ? text : number)(t, from + i * t->bytes, to + i * item))
            return i;
    return n;
}

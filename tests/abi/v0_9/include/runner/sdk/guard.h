/* SPDX-License-Identifier: Apache-2.0 */
/* Guard zones: for the time of one call a plugin gets a copy of a buffer with a known
 * pattern in front of it and behind it. Afterwards the pattern shows whether the plugin
 * wrote outside, and a copy of an input whether it was changed. For those who call
 * members of components: the host, and backends that run custom operators.
 * Header-only; C11 or C++. */
#ifndef RUNNER_SDK_GUARD_H
#define RUNNER_SDK_GUARD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef RN_GUARD_DEFAULT
#define RN_GUARD_DEFAULT 0 /* builds for debugging define it as 1 */
#endif

/* 1: buffers are guarded. The environment variable RUNNER_GUARD (1 or 0) decides,
 * without it the build does. Not for each call: it reads the environment. */
static inline int32_t rn_guard_wanted(void) {
    const char *text = getenv("RUNNER_GUARD");
    return text && *text ? strcmp(text, "0") != 0 : RN_GUARD_DEFAULT;
}

#define RN_GUARD_IN      1u /* the plugin only reads it */
#define RN_GUARD_OUT     2u /* the plugin fills or changes it */
#define RN_GUARD_SCRATCH 3u /* memory without content, for one call */

/* Zones are as long as the buffer, within these bounds: one row too many ends in the
 * zone, not in memory of somebody else. Multiples of 64, so that alignment stays. */
#define RN_GUARD_MIN 256u
#define RN_GUARD_MAX 65536u

/* What a plugin did wrong with a buffer. */
struct rn_guard_damage {
    uint32_t access; /* RN_GUARD_*; 0: nothing */
    int32_t side;    /* -1: before the buffer, 1: behind it, 0: in it (an input) */
    uint64_t bytes;  /* changed */
    uint64_t
        offset; /* of the nearest one, counted from that edge, else in the buffer */
};

static inline uint8_t rn_guard_pattern(uint64_t i) {
    return (uint8_t)(0xa7u ^ (uint8_t)(i * 29u));
}

static inline void rn_guard_paint(void *zone, uint64_t bytes) {
    uint8_t *p = (uint8_t *)zone;
    uint64_t i;
    for (i = 0; i < bytes; i++)
        p[i] = rn_guard_pattern(i);
}

/* 1 and *d if the zone is not as it was painted. side: of the buffer, -1 or 1. */
static inline int32_t rn_guard_damaged(const void *zone, uint64_t bytes, int32_t side,
                                       struct rn_guard_damage *d) {
    const uint8_t *p = (const uint8_t *)zone;
    uint64_t i, changed = 0, nearest = 0;
    for (i = 0; i < bytes; i++) {
        uint64_t from_edge = side < 0 ? bytes - 1 - i : i;
        if (p[i] == rn_guard_pattern(i))
            continue;
        if (!changed || from_edge < nearest)
            nearest = from_edge;
        changed++;
    }
    if (!changed)
        return 0;
    d->side = side;
    d->bytes = changed;
    d->offset = nearest;
    return 1;
}

/* One guarded buffer. */
struct rn_guarded {
    void *host;      /* the buffer itself; NULL: scratch memory */
    uint8_t *memory; /* owned: zone, copy, zone; NULL: there was no memory for it */
    uint8_t *data;   /* the copy, aligned to 64 */
    uint64_t bytes, zone;
    uint32_t access; /* RN_GUARD_* */
};

/* What the plugin gets in place of host[bytes]; `host` itself where there is no memory
 * for a copy. */
static inline void *rn_guard_open(struct rn_guarded *g, uint32_t access, void *host,
                                  uint64_t bytes) {
    uint64_t zone = bytes < RN_GUARD_MIN   ? RN_GUARD_MIN
                    : bytes > RN_GUARD_MAX ? RN_GUARD_MAX
                                           : (bytes + 63) / 64 * 64;
    memset(g, 0, sizeof *g);
    g->host = host;
    g->bytes = bytes;
    g->zone = zone;
    g->access = access;
    if (bytes < SIZE_MAX / 2)
        g->memory = (uint8_t *)malloc((size_t)(bytes + 2 * zone + 64));
    if (!g->memory)
        return host;
    g->data = (uint8_t *)(((uintptr_t)g->memory + (uintptr_t)zone + 63) / 64 * 64);
    rn_guard_paint(g->data - zone, zone);
    rn_guard_paint(g->data + bytes, zone);
    if (host && bytes)
        memcpy(g->data, host, (size_t)bytes);
    return g->data;
}

/* 1 and *d if the plugin wrote where it must not. All buffers of a call are looked at
 * before the first one is closed. */
static inline int32_t rn_guard_look(const struct rn_guarded *g,
                                    struct rn_guard_damage *d) {
    uint64_t i;
    memset(d, 0, sizeof *d);
    if (!g->memory)
        return 0;
    d->access = g->access;
    if (rn_guard_damaged(g->data + g->bytes, g->zone, 1, d) ||
        rn_guard_damaged(g->data - g->zone, g->zone, -1, d))
        return 1;
    for (i = 0; g->access == RN_GUARD_IN && i < g->bytes; i++)
        if (g->data[i] != ((const uint8_t *)g->host)[i]) {
            d->offset = d->bytes ? d->offset : i;
            d->bytes++;
        }
    if (!d->bytes)
        d->access = 0;
    return d->bytes != 0;
}

/* Brings an output's content to its buffer and frees the copy. */
static inline void rn_guard_close(struct rn_guarded *g) {
    if (g->memory && g->access == RN_GUARD_OUT && g->bytes)
        memcpy(g->host, g->data, (size_t)g->bytes);
    free(g->memory);
    g->memory = NULL;
}

/* "wrote past the end of": what was done, before the name of the buffer. */
static inline const char *rn_guard_verb(const struct rn_guard_damage *d) {
    return d->side > 0   ? "wrote past the end of"
           : d->side < 0 ? "wrote before the beginning of"
                         : "changed the content of";
}

/* Where, for the end of the sentence: "16 bytes, the first right behind it". */
static inline const char *rn_guard_extent(const struct rn_guard_damage *d, char *text,
                                          size_t size) {
    static const char *const edges[] = {"before its beginning", "", "behind its end"};
    unsigned long long n = (unsigned long long)d->bytes;
    unsigned long long at = (unsigned long long)d->offset;
    const char *bytes = n == 1 ? "byte" : "bytes";
    if (!d->side)
        snprintf(text, size, "%llu %s, the first at byte %llu", n, bytes, at);
    else if (!at)
        snprintf(text, size, "%llu %s, the nearest directly %s", n, bytes,
                 edges[d->side + 1]);
    else
        snprintf(text, size, "%llu %s, the nearest %llu bytes %s", n, bytes, at,
                 edges[d->side + 1]);
    return text;
}

/* What the author should do. */
static inline const char *rn_guard_advice(const struct rn_guard_damage *d) {
    return d->access == RN_GUARD_SCRATCH
               ? "ask rn_scratch for all bytes that are written"
           : d->access == RN_GUARD_IN
               ? "inputs are read only: write to the call's outputs, or to memory of "
                 "rn_scratch"
               : "write only as many rows as the call has, which may be fewer than a "
                 "batch, each of its shape";
}

#ifdef __cplusplus
}
#endif
#endif

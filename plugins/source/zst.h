/* SPDX-License-Identifier: Apache-2.0 */
/* Zstandard frames in memory, where the build had libzstd (RUNNER_ZSTD). */
#ifndef SOURCE_ZST_H
#define SOURCE_ZST_H

#include <string.h>

#include <runner/sdk/budget.h>
#include <runner/sdk/error.h>

#define ZST_MAGIC "\x28\xb5\x2f\xfd"

static inline int zst_is(const void *head, uint64_t n) {
    return n >= 4 && memcmp(head, ZST_MAGIC, 4) == 0;
}

#ifdef RUNNER_ZSTD
#include <zstd.h>
#include <zstd_errors.h>

/* A stream whose window fits in the budget. NULL with an error; ZSTD_freeDStream. */
static inline ZSTD_DStream *zst_open(const char *file, const struct rn_budget *b,
                                     struct rn_error *e) {
    ZSTD_DStream *z = ZSTD_createDStream();
    int log = 10; /* the smallest that the library accepts */
    while (log < 27 && (uint64_t)2 << log <= b->left) /* 27: the library's own limit */
        log++;
    if (!z)
        rn_failf(e, RN_E_MEMORY, file, 0, 0, "no memory to read it");
    else
        ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, log);
    return z;
}

/* What the library holds now, in place of `*held` bytes of the budget. */
static inline int32_t zst_take(const ZSTD_DStream *z, const char *file, uint64_t *held,
                               struct rn_budget *b, struct rn_error *e) {
    uint64_t now = ZSTD_sizeof_DStream(z);
    if (now <= *held)
        return RN_OK;
    if (!rn_budget_take(b, now - *held))
        return rn_budget_error(b, file, e);
    *held = now;
    return RN_OK;
}

/* The next piece of `in` goes into to[0 .. room); *got bytes of it. 1: the last frame
 * is complete; 0: there is more to come; below 0 with an error. */
static inline int zst_piece(ZSTD_DStream *z, const char *file, ZSTD_inBuffer *in,
                            void *to, uint64_t room, uint64_t *got,
                            const struct rn_budget *b, struct rn_error *e) {
    ZSTD_outBuffer out = {to, room, 0};
    size_t left = ZSTD_decompressStream(z, &out, in);
    *got = out.pos;
    if (ZSTD_getErrorCode(left) == ZSTD_error_frameParameter_windowTooLarge) {
        rn_budget_error(b, file, e);
        return -1;
    }
    if (ZSTD_isError(left)) {
        rn_failf(e, RN_E_DATA, file, 0, 0, "is not an intact zstd file: %s",
                 ZSTD_getErrorName(left));
        return -1;
    }
    if (in->pos < in->size || out.pos == out.size)
        return 0;
    if (!left)
        return 1;
    rn_failf(e, RN_E_DATA, file, 0, 0, "is cut short: the zstd frame has no end");
    return -1;
}
#endif

#endif

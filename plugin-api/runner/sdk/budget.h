/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory a source may hold: compressed streams that expand without end, and
 * files larger than the machine, stop at it with a sentence. Sources with the option
 *     memory int ; min 0 ; max 16777216 ; unit MiB | most memory that may be held;
 *                                         default: 4096, or half of the machine's
 * read it with rn_budget_of. Header-only. */
#ifndef RUNNER_SDK_BUDGET_H
#define RUNNER_SDK_BUDGET_H

#include <stdio.h>

#include <unistd.h>

#include <runner/host.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RN_BUDGET_OPTION                                                               \
    RN_OPTION("memory int ; min 0 ; max 16777216 ; unit MiB | most memory that may "   \
              "be held; default: 4096, or half of the machine's if that is less")

struct rn_budget {
    uint64_t limit, left; /* bytes */
};

/* The option `memory`, else the default. [setup] */
static inline struct rn_budget rn_budget_of(struct rn_host *h) {
    int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    int64_t half = pages > 0 && page > 0 ? pages / 2 * page >> 20 : 4096;
    int64_t most = half < 4096 ? half : 4096;
    int64_t mib = rn_has(h, "memory") ? rn_get_int(h, "memory") : most;
    struct rn_budget b;
    b.limit = b.left = (uint64_t)(mib > 0 ? mib : 0) << 20;
    return b;
}

/* 1 and `bytes` are taken from what is left; 0 when there is less. */
static inline int rn_budget_take(struct rn_budget *b, uint64_t bytes) {
    if (bytes > b->left)
        return 0;
    b->left -= bytes;
    return 1;
}

static inline void rn_budget_return(struct rn_budget *b, uint64_t bytes) {
    b->left += bytes;
}

/* The error for a file that does not fit. Gives RN_E_DATA. */
static inline int32_t rn_budget_error(const struct rn_budget *b, const char *file,
                                      struct rn_error *e) {
    char text[128];
    snprintf(text, sizeof text,
             "needs more than the %llu MiB of memory that may be held",
             (unsigned long long)(b->limit >> 20));
    rn_fail(e, RN_E_DATA, text,
            "set the source's `memory` (MiB) higher if the file is intact", NULL);
    rn_error_at(e, RN_WHERE_FILE, file);
    return RN_E_DATA;
}

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What a transform stores of the fields of its last plan, however many they are.
 * Header-only; C11 or C++. */
#ifndef RUNNER_SDK_TRANSFORM_H
#define RUNNER_SDK_TRANSFORM_H

#include <stdlib.h>

#include <runner/sdk/error.h>
#include <runner/transform.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An array of `fields` items of `item` bytes, zeroed, the caller's (free), in place of
 * `old` (from the plan before, or NULL), which is freed. NULL with an error:
 * RN_E_MEMORY, or RN_E_UNSUPPORTED where the host has room for fewer than `needed`
 * outputs. */
static inline void *rn_planned(void *old, uint32_t fields, size_t item, uint32_t needed,
                               uint32_t room, struct rn_error *e) {
    free(old);
    if (needed > room) {
        rn_failf(e, RN_E_UNSUPPORTED, NULL, 0, 0, "%u fields, and room for %u", needed,
                 room);
        return NULL;
    }
    void *p = calloc(fields + 1u, item);
    if (!p)
        rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    return p;
}

#ifdef __cplusplus
}
#endif
#endif

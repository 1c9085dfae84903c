/* SPDX-License-Identifier: Apache-2.0 */
/* What an augmenter has drawn for a row, for `runner show-batch`: the host offers it as
 * an extension while it shows a batch and never in training. Header-only; C11 or C++.
 */
#ifndef RUNNER_SDK_DRAW_LOG_H
#define RUNNER_SDK_DRAW_LOG_H

#include <stddef.h>

#include <runner/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Host extension (rn_host_api.extension), for augmenters. */
#define RN_EXT_DRAW_LOG "runner.draw_log/1"

/* What happened to a row, in order. row: of the call of `apply`, 0 .. rows-1, which is
 * running. name: copied, a word such as "angle"; word: copied, "" where the name says
 * it all ("invert"). */
struct rn_draw_log_api {
    uint32_t struct_size;
    uint32_t reserved;
    void (*number)(struct rn_host *h, uint64_t row, const char *name, double value);
    void (*word)(struct rn_host *h, uint64_t row, const char *name, const char *word);
};

/* To keep from `create` on; NULL: nobody reads it. */
static inline const struct rn_draw_log_api *rn_draw_log(struct rn_host *h) {
    const void *found =
        h->api->extension ? h->api->extension(h, RN_EXT_DRAW_LOG) : NULL;
    return (const struct rn_draw_log_api *)found;
}

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers for hooks that rewrite or tap. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_POINT_H
#define RUNNER_SDK_POINT_H

#include <string.h>

#include <runner/hook.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 1: the point is of the kind that an option names: "activations", "weights" or
 * "gradients"; else 0. */
static inline int32_t rn_point_is(const struct rn_point *p, const char *what) {
    static const char *const names[] = {"", "activations", "gradients", "weights"};
    return p->kind < 4u && strcmp(names[p->kind], what) == 0;
}

#ifdef __cplusplus
}
#endif
#endif

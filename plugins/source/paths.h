/* SPDX-License-Identifier: Apache-2.0 */
/* One path of an option that stands for several: braces as in a shell, {a,b} and
 * {000..041}, then *, ? and [...]. */
#ifndef SOURCE_PATHS_H
#define SOURCE_PATHS_H

#include <stdint.h>

#include <runner/host.h>

struct paths {
    char **at; /* owned, in the order of the braces; those of a * sorted by bytes */
    uint32_t count, capacity;
};

/* *p: zeroed; the caller's to finish, also after an error. A path that exists as it is
 * written stands for itself. RN_E_DATA where a * matches nothing; a brace alone is not
 * looked up, so that the error of a shard that is not there names it. */
int32_t paths_expand(struct paths *p, const char *pattern, struct rn_error *e);
void paths_finish(struct paths *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What a transform keeps of the fields of its last plan, however many they are. */
#ifndef PLUGINS_TRANSFORM_PLANNED_H
#define PLUGINS_TRANSFORM_PLANNED_H

#include <stdlib.h>

#include "../fail.h"

/* `fields` items, zeroed, in place of `old` (of the plan before, or NULL), which is
 * freed. NULL with an error: no memory, or the host has room for fewer than `needed`
 * outputs. */
static inline void *planned(void *old, uint32_t fields, size_t item, uint32_t needed,
                            uint32_t room, struct rn_error *e) {
    free(old);
    if (needed > room) {
        fail(e, RN_E_UNSUPPORTED, NULL, 0, 0, "%u fields, and room for %u", needed,
             room);
        return NULL;
    }
    void *p = calloc(fields + 1u, item);
    if (!p)
        rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    return p;
}

#endif

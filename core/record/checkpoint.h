/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about checkpoints share: CURRENT and the list. */
#ifndef RECORD_CHECKPOINT_H
#define RECORD_CHECKPOINT_H

#include "record/state.h"

#define CHECKPOINT_FORMAT 2u /* what is written; 1 is read as well */

/* One line: which checkpoint counts, and how much of the log was durable with it. */
#define CURRENT_FORMAT                                                                 \
    "%s step=%" PRId64 " bytes=%" PRIu64 " sha256=%s log=%" PRIu64 "\n"

struct current {
    char name[101];
    int64_t step;
    uint64_t bytes;
    char sha256[65];
    uint64_t log;
};
/* RN_E_IO when missing, RN_E_CHECKPOINT when damaged. */
int current_read(const struct record *r, struct current *c, struct rn_error *e);
int current_write(const struct record *r, const struct current *c, struct rn_error *e);

bool checkpoint_name_good(const char *name);

struct listed {
    const char *name, *path;
    int64_t step; /* by its seal, which is not verified; -1: not readable */
};
/* By name, in the arena. */
int checkpoint_list(const struct record *r, struct arena *a, struct listed **out,
                    size_t *count, struct rn_error *e);

#endif

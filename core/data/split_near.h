/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of near-duplicates. */
#ifndef DATA_SPLIT_NEAR_H
#define DATA_SPLIT_NEAR_H

#include "data/split.h"

/* `of` has the groups of equal rows, [rows of the main source], *count of them: those
 * whose images (of the fields of keys) are near-duplicates are joined. The medians of
 * near.h are of all rows, as none is for training yet. RN_E_CONFIG where no field is an
 * image. */
int split_join_near(struct data *data, const struct split_keys *keys, uint32_t *of,
                    uint64_t *count, struct rn_error *e);

#endif

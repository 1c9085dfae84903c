/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of variable size: what a field of flag RN_FIELD_VARIABLE holds for a number of
 * rows. Sources and transforms see the handle of runner/source.h; memory is ours. */
#ifndef DATA_CELLS_H
#define DATA_CELLS_H

#include <stdbool.h>

#include <runner/sdk/guard.h>
#include <runner/source.h>

struct cells;

/* `rows` empty cells of entries of `entry_bytes`. Never NULL. */
struct cells *cells_create(uint64_t rows, uint64_t entry_bytes);
void cells_destroy(struct cells *c); /* NULL is fine */
struct rn_cells *cells_handle(struct cells *c);
/* From now on `rows` cells, no more than at first, all empty; pointers into them end.
 * Memory is kept for them. */
void cells_clear(struct cells *c, uint64_t rows);
/* From now on what is reserved has guard zones (runner/sdk/guard.h), or not. */
void cells_guard(struct cells *c, bool on);
/* true and *d if a write reached a zone of a cell since cells_clear. */
bool cells_look(const struct cells *c, struct rn_guard_damage *d);
const void *cells_get(const struct cells *c, uint64_t row, uint64_t *count);
/* Cell `row` of c becomes a copy of cell `other` of `from`. */
int cells_copy(struct cells *c, uint64_t row, const struct cells *from, uint64_t other,
               struct rn_error *e);

#endif

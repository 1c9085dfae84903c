/* SPDX-License-Identifier: Apache-2.0 */
/* The named values of a checkpoint as attributes of HDF5 groups. */
#ifndef RECORD_VALUES_H
#define RECORD_VALUES_H

#include "base/memory.h"
#include "record/h5.h"
#include "record/record.h"

/* Each value becomes an attribute of the group /state/<object>. */
bool values_write(hid_t file, const struct checkpoint *c);
/* All of them, in the arena, by object and key; false: something else is stored there.
 * A file without the group /state has none. */
bool values_read(hid_t file, struct arena *a, const struct checkpoint_value **out,
                 uint32_t *count);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The few calls of HDF5 that the folder needs, each checked. Ids that are not valid are
 * negative, as HDF5's own. */
#ifndef RECORD_H5_H
#define RECORD_H5_H

#include <stdbool.h>
#include <stdint.h>

#include <hdf5.h>

#include <runner/abi.h>

/* Around all calls of HDF5, which has one state for the process and which, unlike
 * Debian's, may be built for one thread at a time: takes its lock. Nothing is printed by
 * the library. An error: HDF5 does not start, the lock is not held. */
int h5_begin(struct rn_error *e);
void h5_end(void);
/* A fresh type that the caller closes; f16 and bool as h5py knows them, bf16 as u16. */
hid_t h5_type(rn_dtype dtype);
/* "f32", ...; NULL when unknown. */
const char *h5_dtype_name(rn_dtype dtype);
/* 0 when unknown. */
rn_dtype h5_dtype(const char *name);
/* Attributes. Text is fixed-length UTF-8, at most 60,000 bytes are kept. */
bool h5_put_text(hid_t object, const char *name, const char *text);
bool h5_put(hid_t object, const char *name, hid_t type, const void *value);
/* Another value for an attribute that h5_put made. */
bool h5_change(hid_t object, const char *name, hid_t type, const void *value);
bool h5_get(hid_t object, const char *name, hid_t type, void *value);
/* Cut to fit; NUL-ended. */
bool h5_get_text(hid_t object, const char *name, char *text, size_t size);
/* Access and creation lists of our files: format of HDF5 1.8, no times (equal content
 * gives equal bytes). */
hid_t h5_access(void);
hid_t h5_dataset_list(void);
hid_t h5_group(hid_t parent, const char *name);

#endif

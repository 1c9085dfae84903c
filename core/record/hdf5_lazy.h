/* SPDX-License-Identifier: Apache-2.0 */
/* HDF5 without its cost at the start of a process. hdf5_lazy.c defines the functions of
 * <hdf5.h> that the folder calls, and the ids among them; the library is opened by the
 * first call. A function that is missing there is an error of the linker. */
#ifndef RECORD_HDF5_LAZY_H
#define RECORD_HDF5_LAZY_H

/* Opens the library. NULL, or why it cannot be opened, for one sentence; calls then
 * fail. From any thread. */
const char *hdf5_lazy_error(void);

#endif

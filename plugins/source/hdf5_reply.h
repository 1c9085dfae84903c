/* SPDX-License-Identifier: Apache-2.0 */
/* What the process that reads an HDF5 file (hdf5_read.c) writes to its stdout for the
 * source (hdf5.c): for each dataset asked for one reply, followed by the rows unless
 * the source can read them from the file itself. The source checks every number in it.
 */
#ifndef SOURCE_HDF5_REPLY_H
#define SOURCE_HDF5_REPLY_H

#include <runner/abi.h>

#define HDF5_REPLY_MAGIC 0x35663568u
#define HDF5_STREAMED    UINT64_MAX

struct hdf5_reply {
    uint32_t magic;
    int32_t status; /* RN_OK or what is wrong, then only message and hint are set */
    rn_dtype dtype;
    uint32_t flags; /* RN_FIELD_* */
    uint32_t rank;  /* of a row */
    uint32_t absent; /* 1: refused, as the file has no such dataset */
    uint64_t rows;
    int64_t shape[RN_MAX_RANK]; /* of a row */
    uint64_t offset; /* of row 0 in the file, or HDF5_STREAMED: the rows follow */
    char message[256], hint[256];
};

#endif

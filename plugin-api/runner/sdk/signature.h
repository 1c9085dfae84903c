/* SPDX-License-Identifier: Apache-2.0 */
/* Formats that are often given in place of the one that a source reads, recognised by
 * their first bytes, so that the error can name them. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_SIGNATURE_H
#define RUNNER_SDK_SIGNATURE_H

#include <stddef.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rn_signature {
    const char *magic;
    size_t n;               /* bytes of magic */
    const char *what, *fix; /* "a zip archive", what to do about it */
};

/* The format of a file that begins with these n bytes; static. NULL: not a known one.
 */
static inline const struct rn_signature *rn_signature_of(const void *head, size_t n) {
    static const struct rn_signature known[] = {
        {"\x1f\x8b", 2, "a gzip file", "unpack it"},
        {"PK\3\4", 4, "a zip archive",
         "unpack it; export a spreadsheet as CSV; an .npz file is read by {type: npy, "
         "file: FILE.npz}"},
        {"BZh", 3, "a bzip2 file", "unpack it"},
        {"\xfd"
         "7zXZ\0",
         6, "an xz file", "unpack it"},
        {"\x28\xb5\x2f\xfd", 4, "a zstd file", "unpack it"},
        {"PAR1", 4, "a Parquet file", "use {type: parquet}"},
        {"\x89HDF\r\n\x1a\n", 8, "an HDF5 file", "use {type: hdf5}"},
        {"\x93NUMPY", 6, "a .npy file", "use {type: npy}"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (n >= known[i].n && memcmp(head, known[i].magic, known[i].n) == 0)
            return &known[i];
    return NULL;
}

#ifdef __cplusplus
}
#endif
#endif

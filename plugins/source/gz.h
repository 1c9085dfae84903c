/* SPDX-License-Identifier: Apache-2.0 */
/* Files that may be gzip streams, for the sources that read them. */
#ifndef SOURCE_GZ_H
#define SOURCE_GZ_H

#include <errno.h>

#include <zlib.h>

#include "../fail.h"

/* What went wrong with the last read of f. */
static inline int32_t gz_error(gzFile f, const char *file, struct rn_error *e) {
    int code = 0;
    const char *why = gzerror(f, &code);
    if (code == Z_ERRNO)
        return fail(e, errno == EISDIR ? RN_E_DATA : RN_E_IO, file, 0, 0,
                    "cannot be read: %s", strerror(errno));
    if (code == Z_BUF_ERROR)
        return fail(e, RN_E_DATA, file, 0, 0,
                    "is cut short: the gzip stream has no end");
    size_t n = strlen(file); /* zlib's sentence begins with the file */
    if (strncmp(why, file, n) == 0 && strncmp(why + n, ": ", 2) == 0)
        why += n + 2;
    return fail(e, RN_E_DATA, file, 0, 0, "is no intact gzip file: %s", why);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Files that may be gzip streams, for the sources that read them. */
#ifndef SOURCE_GZ_H
#define SOURCE_GZ_H

#include <errno.h>
#include <runner/sdk/field.h>

#include <zlib.h>

#include <runner/sdk/error.h>

/* What went wrong with the last read of f. */
static inline int32_t gz_error(gzFile f, const char *file, struct rn_error *e) {
    int code = 0;
    const char *why = gzerror(f, &code);
    if (code == Z_ERRNO)
        return rn_failf(e, RN_E_IO, file, 0, 0,
                    "cannot be read: %s", strerror(errno));
    if (code == Z_BUF_ERROR)
        return rn_failf(e, RN_E_DATA, file, 0, 0,
                    "is cut short: the gzip stream has no end");
    const char *colon = strstr(why, ": "); /* zlib's sentence begins with "<fd:3>: " */
    if (strncmp(why, "<fd:", 4) == 0 && colon)
        why = colon + 2;
    return rn_failf(e, RN_E_DATA, file, 0, 0, "is not an intact gzip file: %s", why);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* libarchive brings a dozen libraries with it, which most runs do without: what uses it
 * is a library of its own (members_archive.c), opened when there is an archive. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr */
#endif
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>

#include "members.h"

#ifndef HAVE_ARCHIVE

int32_t members_scan(struct members *m, uint32_t place, int fd, struct rn_error *e) {
    (void)fd;
    rn_failf(e, RN_E_UNSUPPORTED, m->places[place].path, 0, 0,
             "is not a folder, and this runner was built without support for archives");
    rn_hintf(e, "install libarchive-dev and build runner again, or unpack the archive");
    return RN_E_UNSUPPORTED;
}

#else

#define LIBRARY "archive.module"

/* LIBRARY in the folder of this plugin; NULL with dlerror. It stays in memory:
 * libraries that it brings have handlers for the end of the process. */
static void *open_library(void) {
    static const char here;
    char path[PATH_MAX];
    Dl_info at;
    if (!dladdr(&here, &at) || !at.dli_fname)
        return NULL;
    const char *slash = strrchr(at.dli_fname, '/');
    int n =
        snprintf(path, sizeof path, "%.*s%s",
                 slash ? (int)(slash - at.dli_fname) + 1 : 0, at.dli_fname, LIBRARY);
    return n > 0 && n < PATH_MAX ? dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)
                                 : NULL;
}

int32_t members_scan(struct members *m, uint32_t place, int fd, struct rn_error *e) {
    void *library = open_library();
    members_scan_fn *scan = NULL;
    void *symbol = library ? dlsym(library, "members_scan_archive") : NULL;
    memcpy(&scan, &symbol, sizeof scan);
    if (!scan) {
        const char *why = dlerror();
        rn_failf(e, RN_E_UNSUPPORTED, m->places[place].path, 0, 0,
                 "is an archive, and %s beside the plugin cannot be opened: %.200s",
                 LIBRARY, why ? why : "it is not there");
        return RN_E_UNSUPPORTED;
    }
    int32_t status = scan(m, place, fd, e);
    dlclose(library);
    return status;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <stddef.h>

#include "base/module.h"

const char *module_at(const void *address, const void **base) {
    Dl_info at;
    if (!dladdr(address, &at))
        return NULL;
    *base = at.dli_fbase;
    return at.dli_fname;
}

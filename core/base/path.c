/* SPDX-License-Identifier: Apache-2.0 */
/* The home folder in file names. A shell expands `~` in what it passes on; nothing does
 * in a YAML file, or behind the `=` of a flag. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"

int path_expand(const char *path, struct text *out, struct rn_error *e) {
    if (*path != '~') {
        text_add(out, path);
        return RN_OK;
    }
    size_t name = strcspn(path, "/");
    if (name > 1) {
        error_set(e, RN_E_CONFIG,
                  "'%.200s': the home folder of another user is not looked up", path);
        return error_hint(e, "write the whole path; for a file whose name begins with "
                             "'~' write ./~...");
    }
    const char *home = getenv("HOME");
    if (!home || *home != '/') {
        error_set(e, RN_E_CONFIG,
                  "'%.200s' is in the home folder, but HOME %s in the environment",
                  path, home && *home ? "is not an absolute path" : "is not set");
        return error_hint(e, "set HOME, or write the whole path");
    }
    text_add(out, home);
    text_add(out, path + 1);
    return RN_OK;
}

int path_check_run_name(const char *name, struct rn_error *e) {
    size_t n = strlen(name);
    bool good = n > 0 && n <= 100 && name[0] != '.';
    for (size_t i = 0; i < n && good; i++) {
        unsigned char c = (unsigned char)name[i];
        good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
               (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-' || c >= 0x80;
    }
    if (good && strcmp(name, "latest") != 0)
        return RN_OK;
    error_set(e, RN_E_CONFIG, "'%s' cannot be the name of a run", name);
    return error_hint(e, "up to 100 letters, digits, '.', '_', '-', not starting with "
                         "'.'");
}

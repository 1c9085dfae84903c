/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins that were deleted from this tree: a test that needs one is skipped. */
#ifndef TESTS_UNIT_ABSENT_H
#define TESTS_UNIT_ABSENT_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* Is the file or the folder of `plugin` (kind/name, or a kind) named in absent.txt of
 * the build's plugin folder, which meson writes? */
static inline bool plugin_absent(const char *plugins, const char *plugin) {
    char path[1024], line[128];
    bool absent = false;
    snprintf(path, sizeof path, "%s/absent.txt", plugins);
    FILE *f = fopen(path, "r");
    while (f && !absent && fscanf(f, "%127s", line) == 1) {
        size_t n = strlen(line);
        absent = strncmp(plugin, line, n) == 0 && (!plugin[n] || plugin[n] == '/');
    }
    if (f)
        fclose(f);
    return absent;
}

/* Ends the test, as skipped, where the plugin is absent. */
static inline void need_plugin(const char *plugins, const char *plugin) {
    if (!plugin_absent(plugins, plugin))
        return;
    printf("SKIP: the plugin %s is not in this tree\n", plugin);
    check_done();
    exit(check_failed ? 1 : 77);
}

#endif

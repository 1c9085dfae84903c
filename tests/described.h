/* SPDX-License-Identifier: Apache-2.0 */
/* For small hosts in tests: the default of an option, from a component's description,
 * where plugins have it. */
#ifndef TESTS_DESCRIBED_H
#define TESTS_DESCRIBED_H

#include <stdio.h>
#include <string.h>

/* Of "fill" and, where the option is a list with one value as its default, of "fill.0".
 * NULL: there is none. Static; good until the eighth call from now. */
static inline const char *described_default(const char *text, const char *path) {
    static char values[8][160];
    static unsigned next;
    size_t name = strcspn(path, ".");
    for (const char *line = text; line && *line;) {
        const char *end = strchr(line, '\n');
        size_t length = end ? (size_t)(end - line) : strlen(line);
        char copy[1024], *at;
        snprintf(copy, sizeof copy, "%.*s", (int)length, line);
        line = end ? end + 1 : NULL;
        if (strncmp(copy, "option: ", 8) != 0 || strncmp(copy + 8, path, name) != 0 ||
            copy[8 + name] != ' ')
            continue;
        copy[strcspn(copy, "|")] = '\0';
        at = strstr(copy, " = ");
        if (!at)
            return NULL;
        at += 3;
        char *value = values[next++ % 8];
        size_t n = *at == '"' ? strcspn(at + 1, "\"") : strcspn(at, " ;");
        snprintf(value, sizeof values[0], "%.*s", (int)n, *at == '"' ? at + 1 : at);
        return value;
    }
    return NULL;
}

#endif

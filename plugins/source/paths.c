/* SPDX-License-Identifier: Apache-2.0 */
/* Braces are expanded here, the rest by the C library's glob. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glob.h>
#include <sys/stat.h>

#include <runner/sdk/error.h>
#include <runner/sdk/size.h>

#include "paths.h"

#define PATHS_MAX  100000u
#define BRACES_MAX 8 /* in one path */

void paths_finish(struct paths *p) {
    for (uint32_t i = 0; i < p->count; i++)
        free(p->at[i]);
    free(p->at);
    memset(p, 0, sizeof *p);
}

static int32_t add(struct paths *p, const char *path, struct rn_error *e) {
    if (p->count == PATHS_MAX)
        return rn_failf(e, RN_E_DATA, path, 0, 0,
                        "stands for more than %u files or folders", PATHS_MAX);
    if (p->count == p->capacity) {
        uint32_t capacity = p->capacity ? 2 * p->capacity : 16;
        char **more = realloc(p->at, rn_size_or_max(capacity, sizeof *more));
        if (!more)
            return rn_failf(e, RN_E_MEMORY, path, 0, 0, "no memory for its names");
        p->at = more;
        p->capacity = capacity;
    }
    p->at[p->count] = strdup(path);
    if (!p->at[p->count])
        return rn_failf(e, RN_E_MEMORY, path, 0, 0, "no memory for its name");
    p->count++;
    return RN_OK;
}

static int32_t add_matches(struct paths *p, const char *path, struct rn_error *e) {
    struct stat st;
    glob_t g = {0};
    int32_t status = RN_OK;
    if (!strpbrk(path, "*?[") || stat(path, &st) == 0)
        return add(p, path, e);
    int code = glob(path, 0, NULL, &g);
    for (size_t i = 0; code == 0 && i < g.gl_pathc && status == RN_OK; i++)
        status = add(p, g.gl_pathv[i], e);
    globfree(&g);
    if (code == GLOB_NOMATCH)
        return rn_failf(e, RN_E_DATA, path, 0, 0, "matches no file or folder");
    return code == 0 ? status
                     : rn_failf(e, RN_E_IO, path, 0, 0, "its folder cannot be read");
}

/* The first brace with a comma or a range in it: [*from, *to] are its braces. */
static int find_brace(const char *path, const char **from, const char **to) {
    for (const char *p = path; (p = strchr(p, '{')) != NULL; p++) {
        const char *end = strchr(p, '}');
        size_t n = end ? (size_t)(end - p) : 0;
        if (n && !memchr(p + 1, '{', n - 1) &&
            (memchr(p, ',', n) || strstr(p, "..") < end)) {
            *from = p, *to = end;
            return memchr(p, ',', n) || strstr(p, "..") != NULL;
        }
    }
    return 0;
}

static int32_t expand(struct paths *p, const char *path, int depth, struct rn_error *e);

static int32_t with(struct paths *p, const char *path, const char *from, const char *to,
                    const char *text, size_t n, int depth, struct rn_error *e) {
    char whole[8192];
    int length = snprintf(whole, sizeof whole, "%.*s%.*s%s", (int)(from - path), path,
                          (int)n, text, to + 1);
    if (length < 0 || (size_t)length >= sizeof whole)
        return rn_failf(e, RN_E_DATA, path, 0, 0, "is too long a path");
    return expand(p, whole, depth + 1, e);
}

/* {000..041}: as wide as the first number is written. */
static int32_t range(struct paths *p, const char *path, const char *from,
                     const char *to, int depth, struct rn_error *e) {
    char number[32], *end = NULL;
    const char *dots = strstr(from, "..");
    unsigned long low = strtoul(from + 1, &end, 10), high = 0;
    int whole = from[1] >= '0' && from[1] <= '9' && end == dots;
    if (whole && dots[2] >= '0' && dots[2] <= '9')
        high = strtoul(dots + 2, &end, 10);
    if (!whole || end != to || low > high || high - low >= PATHS_MAX ||
        dots - from > 20)
        return rn_failf(e, RN_E_DATA, path, 0, 0,
                        "'%.*s' is not a range of numbers, as in {000..041}",
                        (int)(to - from) + 1, from);
    int32_t status = RN_OK;
    for (unsigned long i = low; i <= high && status == RN_OK; i++) {
        int n = snprintf(number, sizeof number, "%0*lu", (int)(dots - from) - 1, i);
        status = with(p, path, from, to, number, (size_t)n, depth, e);
    }
    return status;
}

static int32_t expand(struct paths *p, const char *path, int depth,
                      struct rn_error *e) {
    const char *from, *to;
    int32_t status = RN_OK;
    if (!find_brace(path, &from, &to))
        return add_matches(p, path, e);
    if (depth == BRACES_MAX)
        return rn_failf(e, RN_E_DATA, path, 0, 0, "has more than %d braces",
                        BRACES_MAX);
    if (!memchr(from, ',', (size_t)(to - from)))
        return range(p, path, from, to, depth, e);
    for (const char *s = from + 1, *next; s <= to && status == RN_OK; s = next + 1) {
        next = s + strcspn(s, ",}");
        status = with(p, path, from, to, s, (size_t)(next - s), depth, e);
    }
    return status;
}

int32_t paths_expand(struct paths *p, const char *pattern, struct rn_error *e) {
    struct stat st;
    return stat(pattern, &st) == 0 ? add(p, pattern, e) : expand(p, pattern, 0, e);
}

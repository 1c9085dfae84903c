/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: a host of one component that knows nothing but a list of options and, from
 * the component's description, their defaults. */
#ifndef TESTS_SMALL_HOST_H
#define TESTS_SMALL_HOST_H

#include <stdlib.h>
#include <string.h>

#include <runner/runner.h>

#include "described.h"

struct option {
    const char *path, *value;
};

struct fake {
    struct rn_host host; /* first */
    const struct option *options;
    const char *text; /* of the component: its defaults */
    int reports;
    int predict;
    int32_t cancelled;
};

static const char *value_of(struct rn_host *h, const char *path) {
    for (const struct option *o = ((struct fake *)h)->options; o->path; o++)
        if (strcmp(o->path, path) == 0 ||
            (strncmp(o->path, path, strlen(o->path)) == 0 &&
             strcmp(path + strlen(o->path), ".0") == 0)) /* one value for a list */
            return o->value;
    return described_default(((struct fake *)h)->text, path);
}
static int32_t get_bool(struct rn_host *h, const char *path, int32_t *out) {
    const char *v = value_of(h, path);
    if (v)
        *out = strcmp(v, "true") == 0;
    return v ? RN_OK : RN_E_UNSUPPORTED;
}
static int32_t get_int(struct rn_host *h, const char *path, int64_t *out) {
    const char *v = value_of(h, path);
    if (v)
        *out = strtoll(v, NULL, 10);
    return v ? RN_OK : RN_E_UNSUPPORTED;
}
static int32_t get_float(struct rn_host *h, const char *path, double *out) {
    const char *v = value_of(h, path);
    if (v)
        *out = strtod(v, NULL);
    return v ? RN_OK : RN_E_UNSUPPORTED;
}
static int32_t get_string(struct rn_host *h, const char *path, const char **out) {
    const char *v = value_of(h, path);
    if (v)
        *out = v;
    return v ? RN_OK : RN_E_UNSUPPORTED;
}
static const char *child(struct rn_host *h, const char *path, uint32_t i, uint32_t *n) {
    size_t length = strlen(path);
    *n = 0;
    for (const struct option *o = ((struct fake *)h)->options; o->path; o++)
        if (strncmp(o->path, path, length) == 0 && o->path[length] == '.' &&
            (*n)++ == i)
            return o->path + length + 1;
    return NULL;
}
static int32_t get_count(struct rn_host *h, const char *path, uint32_t *out) {
    child(h, path, UINT32_MAX, out);
    if (!*out && value_of(h, path)) /* one value stands for a list of it */
        *out = 1;
    return RN_OK;
}
static int32_t get_key(struct rn_host *h, const char *path, uint32_t i,
                       const char **out) {
    uint32_t n;
    *out = child(h, path, i, &n);
    if (!*out ? value_of(h, path) != NULL : !(*out)[strspn(*out, "0123456789")]) {
        *out = NULL; /* of a list */
        return RN_OK;
    }
    return *out ? RN_OK : RN_E_PLUGIN;
}
static int32_t has(struct rn_host *h, const char *path) {
    uint32_t n;
    return value_of(h, path) || child(h, path, 0, &n);
}
static void report(struct rn_host *h, const struct rn_error *e) {
    (void)e;
    ((struct fake *)h)->reports++;
}
static void log_line(struct rn_host *h, int32_t level, const char *text) {
    (void)h, (void)level, (void)text;
}
static int32_t cancelled(struct rn_host *h) {
    return ((struct fake *)h)->cancelled;
}
static const void *extension(struct rn_host *h, const char *id) {
    static const int here = 1;
    return ((struct fake *)h)->predict && strcmp(id, RN_EXT_PREDICT) == 0 ? &here
                                                                          : NULL;
}

static const struct rn_host_api host_api = {
    .struct_size = sizeof(struct rn_host_api),
    .get_bool = get_bool,
    .get_int = get_int,
    .get_float = get_float,
    .get_string = get_string,
    .get_count = get_count,
    .get_key = get_key,
    .has = has,
    .report = report,
    .log = log_line,
    .cancelled = cancelled,
    .extension = extension,
};

static inline struct fake host_of(const struct option *options) {
    return (struct fake){{&host_api}, options, NULL, 0, 0, 0};
}

#endif

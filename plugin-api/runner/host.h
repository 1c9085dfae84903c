/* SPDX-License-Identifier: Apache-2.0 */
/* What the host offers to a component while it is set up: typed options, nested
 * components, reports, logging. Only the host reads YAML. */
#ifndef RUNNER_HOST_H
#define RUNNER_HOST_H

#include <runner/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rn_host;

#define RN_LOG_DEBUG   0
#define RN_LOG_INFO    1
#define RN_LOG_WARNING 2

/* Options are addressed by path: "gamma", "layers.3.units", "table.key". A getter gives
 * the value of the YAML, or the default that the description states: a default is
 * written there and nowhere else. `has` tells whether an optional option without a
 * default was given. A path that the description does not have, another type, and a
 * value that is not there are mistakes of the plugin: the host reports them with
 * component and path, the getter returns RN_E_PLUGIN and *out is 0 or "". A live option
 * has no getter here: it is a graph input (rn_live in build.h) or arrives with each
 * call. */
struct rn_host_api {
    uint32_t struct_size;
    uint32_t reserved;
    int32_t (*get_bool)(struct rn_host *h, const char *path,
                        int32_t *out);                                     /* [setup] */
    int32_t (*get_int)(struct rn_host *h, const char *path, int64_t *out); /* [setup] */
    int32_t (*get_float)(struct rn_host *h, const char *path,
                         double *out); /* [setup] */
    /* Also choice, path (absolute), duration, pattern and reference (the path of what
     * it names: "metrics.f1", "optimizer.lr"). Host, until destroy. [setup] */
    int32_t (*get_string)(struct rn_host *h, const char *path, const char **out);
    /* Items of a list or a map; 0 where it was not given. [setup] */
    int32_t (*get_count)(struct rn_host *h, const char *path, uint32_t *out);
    /* Key of item i of a map; NULL of a list. Host, until destroy. [setup] */
    int32_t (*get_key)(struct rn_host *h, const char *path, uint32_t i,
                       const char **out);
    /* 1 if the description has the option and it has a value (given or default), else
     * 0. [setup] */
    int32_t (*has)(struct rn_host *h, const char *path);
    /* The nested component at `path`, created by the host with its own options:
     * *iface its kind's interface, *self what its create returned. Host, until the
     * asking component is destroyed. [setup] */
    int32_t (*get_component)(struct rn_host *h, const char *path, const void **iface,
                             void **self, struct rn_error *e);
    /* Report an error; many may be reported before returning its status. An option
     * path in `where` gets the file, line and column of the YAML. [any-thread] */
    void (*report)(struct rn_host *h, const struct rn_error *error);
    /* level as RN_LOG_*, one line of UTF-8. [any-thread] */
    void (*log)(struct rn_host *h, int32_t level, const char *text);
    /* 1 when the run is stopping: return RN_E_CANCELLED soon. [any-thread] */
    int32_t (*cancelled)(struct rn_host *h);
    /* An extension by string id ("runner.record/1"), or NULL. Host, static. [setup] */
    const void *(*extension)(struct rn_host *h, const char *id);
};

struct rn_host {
    const struct rn_host_api *api; /* host, static */
};

static inline int64_t rn_get_int(struct rn_host *h, const char *path) {
    int64_t v = 0;
    h->api->get_int(h, path, &v);
    return v;
}

static inline double rn_get_float(struct rn_host *h, const char *path) {
    double v = 0.0;
    h->api->get_float(h, path, &v);
    return v;
}

static inline int32_t rn_get_bool(struct rn_host *h, const char *path) {
    int32_t v = 0;
    h->api->get_bool(h, path, &v);
    return v;
}

/* Never NULL. */
static inline const char *rn_get_string(struct rn_host *h, const char *path) {
    const char *v = "";
    h->api->get_string(h, path, &v);
    return v;
}

static inline uint32_t rn_get_count(struct rn_host *h, const char *path) {
    uint32_t n = 0;
    h->api->get_count(h, path, &n);
    return n;
}

static inline int32_t rn_has(struct rn_host *h, const char *path) {
    return h->api->has(h, path);
}

static inline int32_t rn_cancelled(struct rn_host *h) {
    return h->api->cancelled(h);
}

/* "base<sep>index" into out, for option paths ("layers.3") and scope names ("block3").
 */
static inline char *rn_join_(char *out, size_t size, const char *base, const char *sep,
                             uint64_t index) {
    char digits[24];
    size_t n = 0, k = 0;
    do {
        digits[n++] = (char)('0' + index % 10);
        index /= 10;
    } while (index);
    for (; *base && k + 1 < size; base++)
        out[k++] = *base;
    for (; *sep && k + 1 < size; sep++)
        out[k++] = *sep;
    while (n && k + 1 < size)
        out[k++] = digits[--n];
    out[k] = '\0';
    return out;
}
static inline char *rn_path(char *out, size_t size, const char *base, uint64_t index) {
    return rn_join_(out, size, base, ".", index);
}
static inline char *rn_name(char *out, size_t size, const char *base, uint64_t index) {
    return rn_join_(out, size, base, "", index);
}

/* ------------------------------------------------------------------ calls */

/* Which rows a call is about. */
#define RN_PHASE_TRAIN   0u
#define RN_PHASE_EVAL    1u /* of a program: it serves validation and test alike */
#define RN_PHASE_VAL     2u
#define RN_PHASE_TEST    3u
#define RN_PHASE_PREDICT 4u
#define RN_PHASE_SETUP   5u /* any rows, before the first step: hashes, checks */

/* What a call may use while it runs; call structs have a pointer to one, `work`. Host,
 * until the call returns, and only on the thread that was called. */
struct rn_work {
    const struct rn_work_api *api; /* host, static */
};

struct rn_work_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* Memory for this call: aligned to 64 bytes, content undefined, kept by the host
     * for the next call, so that steps do not allocate. May be asked for several times.
     * NULL: there is not enough. Host, until the call returns. [any-thread] */
    void *(*scratch)(struct rn_work *w, uint64_t bytes);
    /* task(context, begin, end) for pieces of 0 .. n-1 of at least `grain`, on the
     * host's threads where it has any for this call; back when all are done. Which
     * thread runs which piece is not defined and must not matter. [any-thread] */
    void (*parallel_for)(struct rn_work *w, uint64_t n, uint64_t grain,
                         void (*task)(void *context, uint64_t begin, uint64_t end),
                         void *context);
    /* 1 when the run is stopping: return RN_E_CANCELLED soon. [any-thread] */
    int32_t (*cancelled)(struct rn_work *w);
};

static inline void *rn_scratch(struct rn_work *w, uint64_t bytes) {
    return w->api->scratch(w, bytes);
}

static inline void rn_parallel_for(struct rn_work *w, uint64_t n, uint64_t grain,
                                   void (*task)(void *context, uint64_t begin,
                                                uint64_t end),
                                   void *context) {
    w->api->parallel_for(w, n, grain, task, context);
}

static inline int32_t rn_stopping(struct rn_work *w) {
    return w->api->cancelled(w);
}

/* A stream that a component's state is saved to and loaded from. The component writes
 * its own version first. write/read return 0 or a negative status; a short read is
 * RN_E_CHECKPOINT. */
struct rn_stream {
    const struct rn_stream_api *api; /* host, static */
};

struct rn_stream_api {
    uint32_t struct_size;
    uint32_t reserved;
    int32_t (*write)(struct rn_stream *s, const void *data,
                     uint64_t bytes);                                 /* [step] */
    int32_t (*read)(struct rn_stream *s, void *data, uint64_t bytes); /* [step] */
    uint64_t (*left)(struct rn_stream *s); /* bytes not yet read [step] */
};

/* Extension of a component: checks across its options, which the text cannot say
 * ("nesterov needs momentum"). Called once the options have passed the description's
 * own checks, before create. */
#define RN_EXT_VALIDATE "runner.validate/1"
struct rn_validate_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* Report every error that there is, `where` an option path; then 0 or a status.
     * [setup] */
    int32_t (*validate)(struct rn_host *h);
};

/* Fill a caller's error; returns status, so that `return rn_fail(...)` reads well.
 * hint: what to do about it, or NULL. option: the path of the option at fault, or NULL.
 */
static inline int32_t rn_fail(struct rn_error *e, int32_t status, const char *message,
                              const char *hint, const char *option) {
    if (e) {
        const char *src[3];
        char *dst[3];
        size_t cap[3], i, k;
        src[0] = message, dst[0] = e->message, cap[0] = sizeof e->message;
        src[1] = hint, dst[1] = e->hint, cap[1] = sizeof e->hint;
        src[2] = option, dst[2] = e->where, cap[2] = sizeof e->where;
        e->status = status, e->line = 0, e->column = 0;
        e->where_kind = option ? RN_WHERE_OPTION : RN_WHERE_NONE;
        for (i = 0; i < 3; i++) {
            for (k = 0; src[i] && src[i][k] && k + 1 < cap[i]; k++)
                dst[i][k] = src[i][k];
            dst[i][k] = '\0';
        }
    }
    return status;
}

/* Say where an error is that is filled: kind as RN_WHERE_*. Returns its status. */
static inline int32_t rn_error_at(struct rn_error *e, uint32_t kind,
                                  const char *where) {
    size_t k = 0;
    if (!e)
        return RN_OK;
    for (; where && where[k] && k + 1 < sizeof e->where; k++)
        e->where[k] = where[k];
    e->where[k] = '\0';
    e->where_kind = k ? kind : RN_WHERE_NONE;
    return e->status;
}

/* rn_fail for an error at a layer, parameter or node. */
static inline int32_t rn_fail_layer(struct rn_error *e, int32_t status,
                                    const char *message, const char *hint,
                                    const char *layer) {
    rn_fail(e, status, message, hint, NULL);
    rn_error_at(e, RN_WHERE_LAYER, layer);
    return status;
}

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Filling, placing and extending struct rn_error. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

int error_set(struct rn_error *e, int status, const char *format, ...) {
    if (!e)
        return status;
    va_list ap;
    va_start(ap, format);
    error_clear(e);
    e->status = status;
    vsnprintf(e->message, sizeof e->message, format, ap);
    va_end(ap);
    return status;
}

int error_hint(struct rn_error *e, const char *format, ...) {
    if (!e)
        return 0;
    va_list ap;
    va_start(ap, format);
    vsnprintf(e->hint, sizeof e->hint, format, ap);
    va_end(ap);
    return e->status;
}

int error_where(struct rn_error *e, uint32_t kind, const char *where, unsigned line,
                unsigned column) {
    if (!e)
        return 0;
    e->where_kind = where && *where ? kind : RN_WHERE_NONE;
    snprintf(e->where, sizeof e->where, "%s", where ? where : "");
    e->line = line;
    e->column = column;
    return e->status;
}

int error_context(struct rn_error *e, const char *format, ...) {
    if (!e)
        return 0;
    char old[sizeof e->message];
    memcpy(old, e->message, sizeof old);
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(e->message, sizeof e->message, format, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof e->message)
        snprintf(e->message + n, sizeof e->message - (size_t)n, ": %s", old);
    return e->status;
}

static const char *status_name(int32_t status) {
    static const char *const names[] = {
        "ok",       "internal",    "configuration", "data",       "plugin",
        "diverged", "memory",      "input/output",  "checkpoint", "check failed",
        "locked",   "unsupported", "cancelled"};
    return status <= 0 && -status < (int)(sizeof names / sizeof *names) ? names[-status]
                                                                        : "unknown";
}

int error_of_call(struct rn_error *e, int32_t status, const char *component,
                  const char *call) {
    if (status == RN_OK)
        return RN_OK;
    if (status > 0) {
        error_set(e, RN_E_PLUGIN, "%s: %s returned %d, which is not a status",
                  component, call, status);
        error_hint(e, "a member returns 0 or one of RN_E_*");
        return RN_E_PLUGIN;
    }
    if (e && !e->message[0]) {
        struct rn_error old = *e;
        error_set(e, status, "%s: %s failed with status %d (%s) and no message",
                  component, call, status, status_name(status));
        error_where(e, old.where_kind, old.where, old.line, old.column);
        error_hint(e, "%s",
                   old.hint[0] ? old.hint
                               : "the plugin should say why: rn_fail(e, ...)");
    }
    if (e)
        e->status = status;
    return status;
}

void error_clear(struct rn_error *e) {
    if (e)
        memset(e, 0, sizeof *e);
}

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

int error_where(struct rn_error *e, const char *where, unsigned line, unsigned column) {
    if (!e)
        return 0;
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

void error_clear(struct rn_error *e) {
    if (e)
        memset(e, 0, sizeof *e);
}

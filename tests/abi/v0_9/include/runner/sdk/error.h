/* SPDX-License-Identifier: Apache-2.0 */
/* Errors with a formatted message and the place that they concern. Header-only; C11 or
 * C++ with GNU attributes. Thread-safe: each call writes only to its struct rn_error.
 */
#ifndef RUNNER_SDK_ERROR_H
#define RUNNER_SDK_ERROR_H

#include <stdarg.h>
#include <stdio.h>

#include <runner/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Fill *e (may be NULL) and return `status`. file: copied, or NULL; line and column
 * count from 1, 0: unknown. The message is cut at 511 bytes. */
__attribute__((format(printf, 6, 7))) static inline int32_t
rn_failf(struct rn_error *e, int32_t status, const char *file, uint32_t line,
         uint32_t column, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    rn_fail(e, status, text, NULL, file);
    if (e) {
        e->where_kind = file ? RN_WHERE_FILE : RN_WHERE_NONE;
        e->line = line;
        e->column = column;
    }
    return status;
}

/* The same for a mistake in an option, by its path. */
__attribute__((format(printf, 4, 5))) static inline int32_t
rn_fail_option(struct rn_error *e, int32_t status, const char *option,
               const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return rn_fail(e, status, text, NULL, option);
}

/* Add a hint, what to do about it, to an error that is filled. e may be NULL. */
__attribute__((format(printf, 2, 3))) static inline void
rn_hintf(struct rn_error *e, const char *format, ...) {
    va_list args;
    if (!e)
        return;
    va_start(args, format);
    vsnprintf(e->hint, sizeof e->hint, format, args);
    va_end(args);
}

#ifdef __cplusplus
}
#endif
#endif

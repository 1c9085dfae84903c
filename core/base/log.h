/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines of one session: warnings and notes, which go to one sink. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <runner/host.h>

struct log;
/* level as RN_LOG_*; one line at a time, from any thread. */
typedef void (*log_sink)(void *context, int level, const char *line);

struct log *log_create(log_sink sink, void *context);
void log_destroy(struct log *log); /* NULL is fine */
/* From any thread. log NULL: silent. */
__attribute__((format(printf, 3, 4))) void log_say(struct log *log, int level,
                                                   const char *format, ...);

#endif

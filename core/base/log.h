/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines go to one sink that commands/ installs (stderr, log.txt); core only says.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <runner/host.h>

typedef void (*log_sink)(void *context, int level, const char *line);

/* Not thread-safe: once, before threads start. NULL: silent. */
void log_to(log_sink sink, void *context);
/* level as RN_LOG_*. Any thread. */
__attribute__((format(printf, 2, 3))) void log_say(int level, const char *format, ...);

#endif

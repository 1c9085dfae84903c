/* SPDX-License-Identifier: Apache-2.0 */
/* The log sink: the one process-wide place, set once by commands/. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"

static log_sink sink_fn;
static void *sink_context;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void log_to(log_sink sink, void *context) {
    sink_fn = sink;
    sink_context = context;
}

void log_say(int level, const char *format, ...) {
    if (!sink_fn)
        return;
    char line[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    pthread_mutex_lock(&lock);
    sink_fn(sink_context, level, line);
    pthread_mutex_unlock(&lock);
}

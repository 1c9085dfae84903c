/* SPDX-License-Identifier: Apache-2.0 */
/* A log: its sink, called by one thread at a time. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/memory.h"

struct log {
    log_sink sink;
    void *context;
    pthread_mutex_t lock;
};

struct log *log_create(log_sink sink, void *context) {
    struct log *log = memory_get(sizeof *log);
    log->sink = sink;
    log->context = context;
    pthread_mutex_init(&log->lock, NULL);
    return log;
}

void log_destroy(struct log *log) {
    if (log)
        pthread_mutex_destroy(&log->lock);
    memory_release(log);
}

void log_say(struct log *log, int level, const char *format, ...) {
    if (!log)
        return;
    char line[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    pthread_mutex_lock(&log->lock);
    log->sink(log->context, level, line);
    pthread_mutex_unlock(&log->lock);
}

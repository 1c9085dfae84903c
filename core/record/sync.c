/* SPDX-License-Identifier: Apache-2.0 */
/* From memory to the disk: records wait, go out together and are acknowledged after
 * fsync. The training thread syncs when many wait; a thread of the log's own does when
 * the oldest has waited for long, so that rows become durable though no other follows.
 *
 * The thread takes what waits (`flying`) and lets go of the lock while it writes: rows
 * may be added meanwhile, but nobody else writes the file (`busy`). */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "record/file.h"
#include "record/state.h"

/* Durable within a second, the sync itself included. */
#define WAIT_SECONDS 0.5

/* Under the lock: write and fsync `t`, which begins where the durable part ends. After
 * an error nothing half-written stays; after a failed fsync the log is failed. */
static int write_out(struct record *r, const struct text *t, struct rn_error *e) {
    int status = file_write(r->log, t->s, t->length, r->sync.durable, r->log_path, e);
    if (status) {
        if (ftruncate(r->log, (off_t)r->sync.durable))
            r->sync.failed = true;
        return status;
    }
    if (fdatasync(r->log)) {
        /* What the kernel now holds is not known: never tried again. */
        r->sync.failed = true;
        return file_error(e, "sync", r->log_path);
    }
    return RN_OK;
}

static void acknowledge(struct record *r, int64_t rows) {
    char line[64];
    if (rows == r->sync.acked)
        return;
    r->sync.acked = rows;
    snprintf(line, sizeof line, "ACK metrics row=%" PRId64, rows);
    if (r->ack)
        r->ack(r->ack_context, line);
}

/* Take over what waits, write it, put it back if that fails. With the lock held, which
 * is open while it writes. */
static void sync_late(struct record *r) {
    struct text out = r->sync.waiting;
    int64_t rows = r->sync.rows;
    r->sync.waiting = r->sync.flying;
    r->sync.waiting.length = 0;
    r->sync.flying = out;
    r->sync.rows_waiting = 0;
    r->sync.busy = true;
    pthread_mutex_unlock(&r->sync.mutex);
    struct rn_error e = {0};
    int status = write_out(r, &out, &e);
    if (!status)
        acknowledge(r, rows);
    pthread_mutex_lock(&r->sync.mutex);
    if (status) {
        text_add_n(&r->sync.flying, r->sync.waiting.s, r->sync.waiting.length);
        out = r->sync.waiting;
        r->sync.waiting = r->sync.flying;
        r->sync.flying = out;
        r->sync.waiting_since = clock_seconds(); /* once more, or by the next sync */
    } else {
        r->sync.durable += r->sync.flying.length;
    }
    r->sync.flying.length = 0;
    r->sync.busy = false;
    pthread_cond_broadcast(&r->sync.idle);
}

static void *watch(void *context) {
    struct record *r = context;
    pthread_mutex_lock(&r->sync.mutex);
    while (!r->sync.quit) {
        double until = r->sync.waiting_since + WAIT_SECONDS;
        struct timespec t = {.tv_sec = (time_t)until};
        t.tv_nsec = (long)(1e9 * (until - (double)t.tv_sec));
        if (!r->sync.waiting.length || r->sync.failed)
            pthread_cond_wait(&r->sync.appended, &r->sync.mutex);
        else if (clock_seconds() < until)
            pthread_cond_timedwait(&r->sync.appended, &r->sync.mutex, &t);
        else
            sync_late(r);
    }
    pthread_mutex_unlock(&r->sync.mutex);
    return NULL;
}

/* Signals are for the host's threads. Without the thread, rows wait for the next one.
 */
static void start(struct record *r) {
    sigset_t all, before;
    r->sync.started = true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r->sync.watched = pthread_create(&r->sync.thread, NULL, watch, r) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void sync_init(struct record *r) {
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&r->sync.mutex, NULL);
    pthread_cond_init(&r->sync.appended, &clock);
    pthread_cond_init(&r->sync.idle, NULL);
    pthread_condattr_destroy(&clock);
}

void sync_finish(struct record *r) {
    pthread_mutex_lock(&r->sync.mutex);
    r->sync.quit = true;
    pthread_cond_broadcast(&r->sync.appended);
    pthread_mutex_unlock(&r->sync.mutex);
    if (r->sync.watched)
        pthread_join(r->sync.thread, NULL);
    r->sync.watched = false;
    if (r->log >= 0 && r->write && !r->sync.failed)
        record_sync(r, NULL);
    pthread_cond_destroy(&r->sync.appended);
    pthread_cond_destroy(&r->sync.idle);
    pthread_mutex_destroy(&r->sync.mutex);
    text_finish(&r->sync.waiting);
    text_finish(&r->sync.flying);
}

void sync_lock(struct record *r) {
    pthread_mutex_lock(&r->sync.mutex);
    while (r->sync.busy)
        pthread_cond_wait(&r->sync.idle, &r->sync.mutex);
}

void sync_unlock(struct record *r) {
    pthread_mutex_unlock(&r->sync.mutex);
}

unsigned sync_append(struct record *r, struct log_entry *n) {
    bool row = n->kind == LOG_SCALAR || n->kind == LOG_TENSOR;
    pthread_mutex_lock(&r->sync.mutex);
    n->durable = r->sync.durable;
    if (!r->sync.waiting.length) {
        r->sync.waiting_since = clock_seconds();
        pthread_cond_signal(&r->sync.appended);
    }
    log_encode(&r->sync.waiting,
               r->sync.durable + r->sync.flying.length + r->sync.waiting.length, n);
    r->sync.rows += row;
    r->sync.rows_waiting += row;
    if (!r->sync.started)
        start(r);
    unsigned rows = r->sync.rows_waiting;
    pthread_mutex_unlock(&r->sync.mutex);
    return rows;
}

int sync_writable(const struct record *r, struct rn_error *e) {
    if (!r->write)
        return error_set(e, RN_E_INTERNAL, "the run %s was opened to be read only",
                         r->folder);
    if (r->sync.failed)
        return error_set(e, RN_E_IO,
                         "%s: an earlier sync failed; resume the run to go on",
                         r->log_path);
    return RN_OK;
}

int sync_flush(struct record *r, struct rn_error *e) {
    int status = sync_writable(r, e);
    if (status || !r->sync.waiting.length)
        return status;
    status = write_out(r, &r->sync.waiting, e);
    if (status)
        return status; /* the records go on waiting */
    r->sync.durable += r->sync.waiting.length;
    r->sync.waiting.length = 0;
    r->sync.rows_waiting = 0;
    return RN_OK;
}

int record_sync(struct record *r, struct rn_error *e) {
    sync_lock(r);
    int status = sync_flush(r, e);
    if (!status)
        acknowledge(r, r->sync.rows);
    sync_unlock(r);
    return status;
}

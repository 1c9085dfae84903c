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

#include "base/error.h"
#include "record/file.h"
#include "record/state.h"

/* Durable within a second, the sync itself included. */
#define WAIT_SECONDS 0.5

/* Under the lock: write and fsync `t`, which begins where the durable part ends. After
 * an error nothing half-written stays; after a failed fsync the log is failed. */
static int write_out(struct record *r, const struct text *t, struct rn_error *e) {
    int status = file_write(r->log, t->s, t->length, r->durable, r->log_path, e);
    if (status) {
        if (ftruncate(r->log, (off_t)r->durable))
            r->failed = true;
        return status;
    }
    if (fdatasync(r->log)) {
        /* What the kernel now holds is not known: never tried again. */
        r->failed = true;
        return file_error(e, "sync", r->log_path);
    }
    return RN_OK;
}

static void acknowledge(struct record *r, int64_t rows) {
    char line[64];
    if (rows == r->acked)
        return;
    r->acked = rows;
    snprintf(line, sizeof line, "ACK metrics row=%" PRId64, rows);
    if (r->ack)
        r->ack(r->ack_context, line);
}

/* Take over what waits, write it, put it back if that fails. With the lock held, which
 * is open while it writes. */
static void sync_late(struct record *r) {
    struct text out = r->waiting;
    int64_t rows = r->rows;
    r->waiting = r->flying;
    r->waiting.length = 0;
    r->flying = out;
    r->rows_waiting = 0;
    r->busy = true;
    pthread_mutex_unlock(&r->mutex);
    struct rn_error e = {0};
    int status = write_out(r, &out, &e);
    if (!status)
        acknowledge(r, rows);
    pthread_mutex_lock(&r->mutex);
    if (status) {
        text_add_n(&r->flying, r->waiting.s, r->waiting.length);
        out = r->waiting;
        r->waiting = r->flying;
        r->flying = out;
        r->waiting_since = record_clock(); /* once more, or by the next sync */
    } else {
        r->durable += r->flying.length;
    }
    r->flying.length = 0;
    r->busy = false;
    pthread_cond_broadcast(&r->idle);
}

static void *watch(void *context) {
    struct record *r = context;
    pthread_mutex_lock(&r->mutex);
    while (!r->quit) {
        double until = r->waiting_since + WAIT_SECONDS;
        struct timespec t = {.tv_sec = (time_t)until};
        t.tv_nsec = (long)(1e9 * (until - (double)t.tv_sec));
        if (!r->waiting.length || r->failed)
            pthread_cond_wait(&r->appended, &r->mutex);
        else if (record_clock() < until)
            pthread_cond_timedwait(&r->appended, &r->mutex, &t);
        else
            sync_late(r);
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

/* Signals are for the host's threads. Without the thread, rows wait for the next one.
 */
static void start(struct record *r) {
    sigset_t all, before;
    r->started = true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r->watched = pthread_create(&r->thread, NULL, watch, r) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void sync_init(struct record *r) {
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->appended, &clock);
    pthread_cond_init(&r->idle, NULL);
    pthread_condattr_destroy(&clock);
}

void sync_finish(struct record *r) {
    pthread_mutex_lock(&r->mutex);
    r->quit = true;
    pthread_cond_broadcast(&r->appended);
    pthread_mutex_unlock(&r->mutex);
    if (r->watched)
        pthread_join(r->thread, NULL);
    r->watched = false;
    if (r->log >= 0 && r->write && !r->failed)
        record_sync(r, NULL);
    pthread_cond_destroy(&r->appended);
    pthread_cond_destroy(&r->idle);
    pthread_mutex_destroy(&r->mutex);
    text_finish(&r->waiting);
    text_finish(&r->flying);
}

void sync_lock(struct record *r) {
    pthread_mutex_lock(&r->mutex);
    while (r->busy)
        pthread_cond_wait(&r->idle, &r->mutex);
}

void sync_unlock(struct record *r) {
    pthread_mutex_unlock(&r->mutex);
}

unsigned sync_append(struct record *r, struct log_entry *n) {
    bool row = n->kind == LOG_SCALAR || n->kind == LOG_TENSOR;
    pthread_mutex_lock(&r->mutex);
    n->durable = r->durable;
    if (!r->waiting.length) {
        r->waiting_since = record_clock();
        pthread_cond_signal(&r->appended);
    }
    log_encode(&r->waiting, r->durable + r->flying.length + r->waiting.length, n);
    r->rows += row;
    r->rows_waiting += row;
    if (!r->started)
        start(r);
    unsigned rows = r->rows_waiting;
    pthread_mutex_unlock(&r->mutex);
    return rows;
}

int sync_writable(const struct record *r, struct rn_error *e) {
    if (!r->write)
        return error_set(e, RN_E_INTERNAL, "the run %s was opened to be read only",
                         r->folder);
    if (r->failed)
        return error_set(e, RN_E_IO,
                         "%s: an earlier sync failed; resume the run to go on",
                         r->log_path);
    return RN_OK;
}

int sync_flush(struct record *r, struct rn_error *e) {
    int status = sync_writable(r, e);
    if (status || !r->waiting.length)
        return status;
    status = write_out(r, &r->waiting, e);
    if (status)
        return status; /* the records go on waiting */
    r->durable += r->waiting.length;
    r->waiting.length = 0;
    r->rows_waiting = 0;
    return RN_OK;
}

int record_sync(struct record *r, struct rn_error *e) {
    sync_lock(r);
    int status = sync_flush(r, e);
    if (!status)
        acknowledge(r, r->rows);
    sync_unlock(r);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of a stream: one handle of the source, read in order, in turns. */
#include <string.h>

#include "base/log.h"
#include "data/internal.h"

void stream_open(struct stream *s, const struct data *data, const struct table *t) {
    *s = (struct stream){
        .data = data, .table = t, .total = t->total, .nothing = demand_create(data)};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->passed, NULL);
}

void stream_close(struct stream *s) {
    if (!s->data)
        return;
    demand_destroy(s->nothing);
    pthread_cond_destroy(&s->passed);
    pthread_mutex_destroy(&s->lock);
}

void stream_seek(struct stream *s, uint64_t turn) {
    s->turn = turn;
}

void stream_await(struct stream *s, uint64_t turn) {
    pthread_mutex_lock(&s->lock);
    while (s->turn != turn)
        pthread_cond_wait(&s->passed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

void stream_pass(struct stream *s) {
    pthread_mutex_lock(&s->lock);
    s->turn++;
    pthread_cond_broadcast(&s->passed);
    pthread_mutex_unlock(&s->lock);
}

int stream_ended(const struct data *data, const struct table *t, uint64_t before,
                 uint64_t total, struct rn_error *e) {
    if (!total)
        return error_set(e, RN_E_DATA, "%s: the stream has no samples", t->name);
    if (before && before != total)
        return error_set(
            e, RN_E_DATA,
            "%s: the stream ended after %llu samples, but it had %llu when "
            "it was read before",
            t->name, (unsigned long long)total, (unsigned long long)before);
    if (!before)
        log_say(session_log(data->options.session), RN_LOG_INFO,
                "%s: the stream has %llu samples; it begins again after them", t->path,
                (unsigned long long)total);
    return RN_OK;
}

/* The next n samples of the source, or those that are left. */
static int read_next(struct stream *s, struct reader *r, uint64_t n, int64_t *ids,
                     struct rn_error *e) {
    for (uint64_t i = 0; i < n; i++)
        ids[i] = (int64_t)(s->table->offset + s->at + i);
    int status = reader_read(r, n, ids, e);
    if (status != RN_OK)
        return status;
    s->at += r->read;
    if (r->read == n)
        return RN_OK;
    status = stream_ended(s->data, s->table, s->total, s->at, e);
    s->total = s->at;
    return status;
}

/* Read up to index `want` without looking at the samples; less if the stream ends. */
static int skip(struct stream *s, struct reader *r, uint64_t want, int64_t *ids,
                struct rn_error *e) {
    const struct demand *demand = r->demand;
    uint64_t total = s->total;
    int status = RN_OK;
    r->demand = s->nothing;
    while (s->at < want && s->total == total && status == RN_OK)
        status = read_next(
            s, r, want - s->at < r->capacity ? want - s->at : r->capacity, ids, e);
    r->demand = demand;
    return status;
}

int stream_read(struct stream *s, struct reader *r, uint64_t place, uint64_t n,
                int64_t *ids, struct rn_error *e) {
    int status = RN_OK;
    r->read = 0;
    while (status == RN_OK && !r->read) {
        uint64_t want = s->total ? place % s->total : place;
        if (want < s->at)
            s->at = 0; /* the source begins again */
        if (s->at < want) {
            status = skip(s, r, want, ids, e);
            r->read = 0;
            continue;
        }
        if (s->total && s->total - want < n)
            n = s->total - want;
        status = read_next(s, r, n, ids, e);
    }
    return status;
}

uint64_t stream_repeats(const struct stream *s, uint64_t place) {
    return s->total ? place / s->total : 0;
}

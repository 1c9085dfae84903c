/* SPDX-License-Identifier: Apache-2.0 */
/* What struct record holds; only files of this folder include it. */
#ifndef RECORD_STATE_H
#define RECORD_STATE_H

#include <pthread.h>

#include "record/record.h"
#include "record/view.h"

/* sync.c: records on their way to the disk. The mutex guards everything here but the
 * thread itself. */
struct record_sync {
    uint64_t durable;    /* bytes of the log on disk for sure; the file ends there */
    bool failed;         /* an fsync of the log failed */
    struct text waiting; /* records behind it, and behind those that fly */
    struct text flying;  /* records that the thread writes while it is busy */
    int64_t rows;        /* that count, waiting ones too */
    int64_t acked;
    unsigned rows_waiting;
    double waiting_since; /* monotonic seconds, of the first waiting record */
    pthread_mutex_t mutex;
    pthread_cond_t appended, idle;
    pthread_t thread;
    bool started, watched /* the thread runs */, busy, quit;
};

/* drop.c: old checkpoints, whose space a thread frees. */
struct record_drop {
    struct text doomed; /* their names */
    pthread_t thread;
    bool running;
};

struct record_series {
    struct log_series *at;
    size_t count, capacity, last;
};

struct record {
    struct arena *arena;     /* as long as the record: paths, series */
    struct log *session_log; /* warnings; borrowed, or NULL */
    const char *folder, *log_path;
    int lock; /* -1 when reading */
    int log;
    int text; /* log.txt; -1 when reading */
    bool write;
    struct text found; /* what opening it has repaired, a line each */
    struct record_sync sync;
    struct record_drop drop;
    struct record_series series;
    void (*ack)(void *context, const char *line);
    void *ack_context;
    double publish_cost, published; /* seconds; when */
};

/* ---- sync.c ---- */
void sync_init(struct record *r);
/* Ends the thread, syncs what waits (errors are lost), frees. */
void sync_finish(struct record *r);
/* Between them nothing is written by the thread, and nothing flies. */
void sync_lock(struct record *r);
void sync_unlock(struct record *r);
/* RN_E_IO after a failed sync, RN_E_INTERNAL when opened to read. */
int sync_writable(const struct record *r, struct rn_error *e);
/* Encode an entry behind the others; durable within a second. How many rows wait. */
unsigned sync_append(struct record *r, struct log_entry *n);
/* Locked: write and fsync what waits. */
int sync_flush(struct record *r, struct rn_error *e);

/* Open the log of r (folder, write set), cut its tail when writing, fill the counts. */
int log_open(struct record *r, struct rn_error *e);
/* All rows up to now, waiting ones too. Finish also after failure. */
int log_read(struct record *r, struct log_view *v, struct rn_error *e);
/* ---- drop.c ---- */
/* The file at `path` (absolute) is gone under its name; its space is freed by the
 * thread that drop_start begins. Best effort, with a warning. */
void drop_add(struct record *r, const char *path);
void drop_start(struct record *r);
/* The space is free. */
void drop_wait(struct record *r);

/* ---- repair.c ---- */
/* Where v, the log of r as it was found, is damaged or lacks what was durable: keep the
 * file beside, put one without damage in its place, open and view it in v, and add
 * sentences to r->found. */
int log_repair(struct record *r, struct log_view *v, struct rn_error *e);
/* "<path>.damaged-<n>", the first name that is free. */
const char *repair_aside(struct arena *a, const char *path);
/* Rename that file of the run so, where it is there; a sentence for r->found. */
int repair_set_aside(struct record *r, const char *name, const char *why,
                     struct rn_error *e);
/* record_open without a word of what it found: r->found. */
int record_open_quietly(const char *folder, bool write, struct log *log,
                        struct record **out, struct rn_error *e);

/* ---- texts.c: resolved.yaml, split.txt and kernels.txt ---- */
/* Put the text in place of the file; its digest is durable in the log before. */
int text_write(struct record *r, const char *file, const char *text, size_t length,
               struct rn_error *e);
/* Has the log the digest of this text for the file, or none at all? */
bool text_known(const struct log_view *v, const char *file, const char *text,
                size_t length);
/* The file, or each of them, is there and is what the log has the digest of.
 * RN_E_CHECKPOINT: it is not. */
int text_check(const struct record *r, const struct log_view *v, const char *file,
               struct rn_error *e);
int texts_check(const struct record *r, const struct log_view *v, struct rn_error *e);

/* "<folder>/<name>" in the record's arena. */
const char *record_path(struct arena *a, const struct record *r, const char *name);
/* The bytes of log that CURRENT says were durable; 0 without one. */
uint64_t checkpoint_log_bytes(const struct record *r);
/* Remove temporary files that a crash left. */
void checkpoint_clean(const struct record *r);

#endif

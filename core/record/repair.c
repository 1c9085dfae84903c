/* SPDX-License-Identifier: Apache-2.0 */
/* A damaged log made whole from its intact records. What is replaced stays beside. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "record/checkpoint.h"
#include "record/file.h"
#include "record/seal.h"

const char *repair_aside(struct arena *a, const char *path) {
    for (unsigned n = 1;; n++) {
        const char *name = arena_format(a, "%s.damaged-%u", path, n);
        if (access(name, F_OK))
            return name;
    }
}

int repair_set_aside(struct record *r, const char *name, const char *why,
                     struct rn_error *e) {
    struct arena *a = arena_create();
    const char *path = record_path(a, r, name), *kept = repair_aside(a, path);
    int status = RN_OK;
    if (rename(path, kept) == 0) {
        text_addf(&r->found, "%s: %s; it is kept as %s\n", name, why,
                  strrchr(kept, '/') + 1);
        const char *folder = arena_copy_n(a, path, (size_t)(strrchr(path, '/') - path));
        status = file_sync_folder(folder, e);
    } else if (errno != ENOENT) {
        status = file_error(e, "rename", path);
    }
    arena_destroy(a);
    return status;
}

/* ------------------------------------------------------------------ the log */

/* All readable records, at their new places. */
static void copy_records(const struct log_view *v, struct text *out) {
    size_t k = 0;
    struct log_entry n;
    text_add_n(out, LOG_HEAD, LOG_HEAD_BYTES);
    for (uint64_t at = LOG_HEAD_BYTES; at < v->good;) {
        while (k < v->damage_count && v->damage[k].at < at)
            k++;
        const struct log_damage *d = k < v->damage_count ? &v->damage[k] : NULL;
        uint32_t length = log_record(v, at, &n);
        if (d && d->at == at && !d->corrected) {
            n = (struct log_entry){.kind = LOG_LOST,
                                   .name = "",
                                   .dtype = RN_I64,
                                   .data = &d->rows,
                                   .bytes = sizeof d->rows};
            length = (uint32_t)d->bytes;
        }
        /* All of it becomes durable at once. */
        n.durable = out->length;
        log_encode(out, out->length, &n);
        at += d && d->at == at && !d->corrected ? d->bytes : length;
    }
}

static void describe(struct text *t, const struct log_damage *d) {
    if (d->corrected) {
        text_addf(t,
                  "metrics.rlog: a flipped bit at byte %" PRIu64
                  " or after is put right; nothing is lost\n",
                  d->at);
        return;
    }
    text_addf(t,
              "metrics.rlog: %" PRIu64 " bytes from byte %" PRIu64
              " are damaged: %s%" PRIu64 " row%s lost",
              d->bytes, d->at, d->exact ? "" : "at least ", d->rows,
              d->rows == 1 ? " is" : "s are");
    if (d->after != INT64_MIN)
        text_addf(t, ", after a row of step %" PRId64, d->after);
    if (d->before != INT64_MIN)
        text_addf(t, "%s before one of step %" PRId64, d->after != INT64_MIN ? "" : ",",
                  d->before);
    text_add(t, "\n");
}

/* How much of the log CURRENT and run.h5 know to have been durable. */
static uint64_t known_durable(const struct record *r, struct arena *a) {
    struct seal seal;
    uint64_t bytes = checkpoint_log_bytes(r);
    if (seal_peek(record_path(a, r, "run.h5"), "run", &seal, NULL) == RN_OK &&
        seal.log > bytes)
        bytes = seal.log;
    return bytes;
}

/* CURRENT does not count on more of the log than there is. */
static int lower_current(struct record *r, uint64_t log, struct rn_error *e) {
    struct current c;
    if (current_read(r, &c, NULL) != RN_OK || c.log <= log)
        return RN_OK;
    c.log = log;
    return current_write(r, &c, e);
}

/* The new log takes the place of the one that is open. */
static int reopen(struct record *r, struct rn_error *e) {
    close(r->log);
    r->log = open(r->log_path, O_RDWR | O_CLOEXEC);
    return r->log < 0 ? file_error(e, "open", r->log_path) : RN_OK;
}

static int keep_original(struct record *r, const char *kept, struct rn_error *e) {
    if (link(r->log_path, kept) == 0)
        return file_sync_folder(r->folder, e);
    char *text = NULL; /* a file system without links */
    uint64_t bytes = 0;
    int status = file_load(r->log_path, UINT64_MAX, &text, &bytes, e);
    if (!status)
        status = file_replace(kept, text, bytes, e);
    memory_release(text);
    return status;
}

int log_repair(struct record *r, struct log_view *v, struct rn_error *e) {
    struct arena *a = arena_create();
    struct text whole = {0};
    uint64_t durable = known_durable(r, a);
    bool short_of = v->good < durable, gaps = short_of;
    int status = RN_OK;
    if (v->damage_count || short_of) {
        const char *kept = repair_aside(a, r->log_path);
        for (size_t i = 0; i < v->damage_count; i++) {
            describe(&r->found, &v->damage[i]);
            gaps |= !v->damage[i].corrected;
        }
        if (short_of) {
            text_addf(&r->found,
                      "metrics.rlog: %" PRIu64
                      " bytes at its end that were durable are "
                      "lost, with all rows in them",
                      durable - v->good);
            if (v->row_count)
                text_addf(&r->found, "; the last one left is of step %" PRId64,
                          v->rows[v->row_count - 1].step);
            text_add(&r->found, "\n");
        }
        status = keep_original(r, kept, e);
        text_addf(&r->found, "metrics.rlog: the damaged file is kept as %s\n",
                  strrchr(kept, '/') + 1);
        copy_records(v, &whole);
        if (!status)
            status = file_replace(r->log_path, whole.s, whole.length, e);
        if (!status)
            status = lower_current(r, whole.length, e);
        if (!status && gaps)
            status = repair_set_aside(r, "run.h5", "it may hold rows that are lost", e);
        if (!status)
            status = reopen(r, e);
        log_view_finish(v);
        if (!status)
            status = log_view_init(v, r->log, whole.length, NULL, r->log_path, e);
    }
    text_finish(&whole);
    arena_destroy(a);
    return status;
}

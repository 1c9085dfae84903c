/* SPDX-License-Identifier: Apache-2.0 */
/* Making, opening and locking the folder of a run. */
#define _XOPEN_SOURCE 700 /* realpath */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/path.h"
#include "record/file.h"
#include "record/state.h"

const char *record_path(struct arena *a, const struct record *r, const char *name) {
    return arena_format(a, "%s/%s", r->folder, name);
}

const char *record_folder(const struct record *r) {
    return r->folder;
}

int record_config(struct record *r, const char *resolved, struct rn_error *e) {
    return text_write(r, "resolved.yaml", resolved, strlen(resolved), e);
}

int record_text(struct record *r, const char *name, const char *text, size_t length,
                struct rn_error *e) {
    return text_write(r, name, text, length, e);
}

const char *record_text_read(struct record *r, const char *name) {
    struct rn_error e = {0};
    char *text = NULL;
    uint64_t bytes;
    const char *path = record_path(r->arena, r, name);
    if (access(path, R_OK) != 0 || file_load(path, 16u << 20, &text, &bytes, &e) != 0)
        return NULL;
    const char *kept = arena_copy(r->arena, text);
    memory_release(text);
    return kept;
}

/* log.txt is best effort, but a FIFO or device in its place is refused. */
static int open_text(struct record *r, struct rn_error *e) {
    struct rn_error why = {0};
    r->text = file_open(record_path(r->arena, r, "log.txt"),
                        O_WRONLY | O_APPEND | O_CREAT, &why);
    if (r->text >= 0 || why.status != RN_E_CHECKPOINT)
        return RN_OK;
    *e = why;
    return why.status;
}

void record_say(struct record *r, const char *line) {
    struct rn_error unused = {0};
    if (r->text < 0 && open_text(r, &unused) != RN_OK)
        return;
    struct text t = {0};
    text_addf(&t, "%s\n", line);
    if (write(r->text, t.s, t.length) < 0)
        errno = 0; /* best effort, see above */
    text_finish(&t);
}

static int take_lock(struct record *r, struct rn_error *e) {
    const char *path = record_path(r->arena, r, "lock");
    r->lock = file_open(path, O_RDWR | O_CREAT, e);
    if (r->lock < 0)
        return r->lock;
    char text[32] = {0};
    if (flock(r->lock, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK)
            return file_error(e, "lock", path);
        long pid = pread(r->lock, text, sizeof text - 1, 0) > 0 ? atol(text) : 0;
        error_set(e, RN_E_LOCKED, "the run %s is in use by process %ld", r->folder,
                  pid);
        error_hint(e, "wait for it, or stop it, or start a new run");
        return RN_E_LOCKED;
    }
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    /* For that message only: a full disk does not matter here. */
    if (ftruncate(r->lock, 0) || pwrite(r->lock, text, (size_t)n, 0) < 0)
        errno = 0;
    return RN_OK;
}

/* Each missing folder of path, each synced into its parent. */
static int make_folders(struct arena *a, const char *path, struct rn_error *e) {
    char *p = arena_copy(a, path);
    for (char *slash = p;; slash++) {
        slash = strchr(slash, '/');
        if (slash == p)
            continue;
        if (slash)
            *slash = '\0';
        if (mkdir(p, 0777)) {
            struct stat st;
            if (errno != EEXIST)
                return file_error(e, "make", p);
            if (stat(p, &st) || !S_ISDIR(st.st_mode)) {
                errno = ENOTDIR;
                return file_error(e, "make", p);
            }
        } else {
            char *up = arena_copy(a, p), *cut = strrchr(up, '/');
            if (cut)
                cut[cut == up] = '\0';
            int status = file_sync_folder(cut ? up : ".", e);
            if (status)
                return status;
        }
        if (!slash)
            return RN_OK;
        *slash = '/';
    }
}

static int make_unique(struct record *r, const char *parent, struct rn_error *e) {
    for (int tries = 0; tries < 16; tries++) {
        uint32_t random = 0;
        char stamp[32] = "";
        struct tm utc;
        time_t now = clock_wall();
        if (getrandom(&random, sizeof random, 0) != sizeof random)
            return file_error(e, "get a random name for", parent);
        if (!gmtime_r(&now, &utc) ||
            !strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &utc))
            return error_set(e, RN_E_INTERNAL, "no time of day");
        const char *path =
            arena_format(r->arena, "%s/%s-%08" PRIx32, parent, stamp, random);
        if (mkdir(path, 0777) == 0) {
            r->folder = path;
            return file_sync_folder(parent, e);
        }
        if (errno != EEXIST)
            return file_error(e, "make", path);
    }
    return error_set(e, RN_E_IO, "cannot find a free name in %s", parent);
}

/* parent/latest -> this folder, in one rename. A name that is not a link is left alone.
 */
static int link_latest(struct record *r, const char *parent, struct rn_error *e) {
    const char *latest = arena_format(r->arena, "%s/latest", parent);
    const char *temp = arena_format(r->arena, "%s/.latest-%ld", parent, (long)getpid());
    struct stat st;
    if (lstat(latest, &st) == 0 && !S_ISLNK(st.st_mode))
        return RN_OK;
    unlink(temp);
    if (symlink(strrchr(r->folder, '/') + 1, temp))
        return file_error(e, "make", temp);
    if (rename(temp, latest)) {
        int status = file_error(e, "make", latest);
        unlink(temp);
        return status;
    }
    return file_sync_folder(parent, e);
}

/* What record_create has made so far goes away again. */
static void remove_made(const struct record *r) {
    static const char *const files[] = {"experiment.yaml", "resolved.yaml", "log.txt",
                                        "metrics.rlog", "lock"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        unlink(record_path(r->arena, r, files[i]));
    rmdir(record_path(r->arena, r, "checkpoints"));
    rmdir(r->folder);
}

static struct record *make(bool write, struct log *log) {
    struct record *r = memory_get(sizeof *r);
    r->arena = arena_create();
    r->lock = r->log = r->text = -1;
    r->write = write;
    r->session_log = log;
    r->published = clock_seconds();
    sync_init(r);
    return r;
}

int record_create(const char *output, const char *name, const char *source,
                  const char *resolved, struct log *log, struct record **out,
                  struct rn_error *e) {
    *out = NULL;
    int status = path_check_run_name(name, e);
    if (status)
        return status;
    struct record *r = make(true, log);
    const char *parent =
        arena_format(r->arena, "%s/%s", output[0] ? output : ".", name);
    status = make_folders(r->arena, parent, e);
    char *whole = status ? NULL : realpath(parent, NULL);
    if (!status && !whole)
        status = file_error(e, "find", parent);
    if (whole)
        parent = arena_copy(r->arena, whole);
    free(whole);
    if (!status)
        status = make_unique(r, parent, e);
    if (!status)
        status = take_lock(r, e);
    if (!status && source)
        status = file_replace(record_path(r->arena, r, "experiment.yaml"), source,
                              strlen(source), e);
    if (!status)
        status = file_replace(record_path(r->arena, r, "log.txt"), "", 0, e);
    const char *checkpoints = status ? "" : record_path(r->arena, r, "checkpoints");
    if (!status && mkdir(checkpoints, 0777))
        status = file_error(e, "make", checkpoints);
    if (!status) {
        r->log_path = record_path(r->arena, r, "metrics.rlog");
        status = file_replace(r->log_path, LOG_HEAD, LOG_HEAD_BYTES, e);
    }
    if (!status)
        status = log_open(r, e);
    if (!status && resolved)
        status = record_config(r, resolved, e);
    if (!status && r->write)
        status = open_text(r, e);
    if (!status)
        status = link_latest(r, parent, e);
    if (status) {
        if (r->folder)
            remove_made(r);
        record_close(r);
        return status;
    }
    *out = r;
    return RN_OK;
}

int record_open_quietly(const char *folder, bool write, struct log *log,
                        struct record **out, struct rn_error *e) {
    *out = NULL;
    char *whole = realpath(folder, NULL);
    if (!whole) {
        if (errno == ENOENT || errno == ENOTDIR)
            return error_set(e, RN_E_CHECKPOINT, "there is no run %s", folder);
        return file_error(e, "find", folder);
    }
    struct record *r = make(write, log);
    r->folder = arena_copy(r->arena, whole);
    free(whole);
    r->log_path = record_path(r->arena, r, "metrics.rlog");
    int status = RN_OK;
    /* Look before making a lock file in a folder that is not a run. */
    if (access(r->log_path, F_OK))
        status = error_set(e, RN_E_CHECKPOINT,
                           "%s is not a run: it has no metrics.rlog", r->folder);
    if (!status && write)
        status = take_lock(r, e);
    if (!status)
        status = log_open(r, e);
    if (!status && r->write)
        status = open_text(r, e);
    if (!status && write)
        checkpoint_clean(r);
    if (status) {
        record_close(r);
        return status;
    }
    *out = r;
    return RN_OK;
}

int record_open(const char *folder, bool write, struct log *log, struct record **out,
                struct rn_error *e) {
    int status = record_open_quietly(folder, write, log, out, e);
    char *line = status ? NULL : (*out)->found.s;
    for (char *end; line && *line; line = end + 1) {
        end = strchr(line, '\n');
        *end = '\0';
        log_say(log, RN_LOG_WARNING, "%s", line);
        record_say(*out, line);
    }
    return status;
}

void record_close(struct record *r) {
    if (!r)
        return;
    drop_wait(r);
    text_finish(&r->drop.doomed);
    sync_finish(r);
    if (r->log >= 0)
        close(r->log);
    if (r->text >= 0)
        close(r->text);
    if (r->lock >= 0)
        close(r->lock);
    text_finish(&r->found);
    memory_release(r->series.at);
    arena_destroy(r->arena);
    memory_release(r);
}

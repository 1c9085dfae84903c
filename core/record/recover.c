/* SPDX-License-Identifier: Apache-2.0 */
/* runner recover: every file of a run that is damaged or missing, made again from the
 * others. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "record/checkpoint.h"
#include "record/file.h"
#include "record/seal.h"

/* A run without its log gets an empty one: checkpoints are what matters then. */
static int restore_log(const char *folder, struct text *found, struct rn_error *e) {
    struct arena *a = arena_create();
    struct stat st;
    int status = RN_OK;
    const char *log = arena_format(a, "%s/metrics.rlog", folder);
    const char *checkpoints = arena_format(a, "%s/checkpoints", folder);
    const char *run = arena_format(a, "%s/run.h5", folder);
    if (lstat(log, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) {
        const char *kept = repair_aside(a, log);
        if (rename(log, kept))
            status = file_error(e, "rename", log);
        text_addf(found, "metrics.rlog: it is not a regular file; it is kept as %s\n",
                  strrchr(kept, '/') + 1);
    }
    if (!status && access(log, F_OK) != 0 && errno == ENOENT &&
        stat(checkpoints, &st) == 0 && S_ISDIR(st.st_mode)) {
        status = file_replace(log, LOG_HEAD, LOG_HEAD_BYTES, e);
        text_add(found, "metrics.rlog: it is missing, all its rows are lost; an empty "
                        "one takes its place\n");
        if (!status && access(run, F_OK) == 0) {
            const char *kept = repair_aside(a, run);
            if (rename(run, kept))
                status = file_error(e, "rename", run);
            text_addf(found,
                      "run.h5: it may hold rows that are lost; it is kept as %s\n",
                      strrchr(kept, '/') + 1);
        }
        /* No more was durable than there is. */
        const char *current = arena_format(a, "%s/CURRENT", folder);
        if (!status && unlink(current) && errno != ENOENT)
            status = file_error(e, "remove", current);
    }
    arena_destroy(a);
    return status;
}

static int check_run_file(struct record *r, struct rn_error *e) {
    struct arena *a = arena_create();
    struct rn_error why = {0};
    int status = RN_OK;
    const char *path = record_path(a, r, "run.h5");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && seal_check(fd, "run", path, NULL, &why) != RN_OK)
        status = repair_set_aside(r, "run.h5", "it is damaged", e);
    if (fd >= 0)
        close(fd);
    arena_destroy(a);
    return status;
}

/* Damaged checkpoints are not met again by verify and resume. */
static int check_checkpoints(struct record *r, struct rn_error *e) {
    struct arena *a = arena_create();
    struct listed *list = NULL;
    size_t n = 0;
    int status = checkpoint_list(r, a, &list, &n, e);
    for (size_t i = 0; !status && i < n; i++) {
        struct checkpoint_file *f = NULL;
        struct rn_error why = {0};
        int one = checkpoint_read(list[i].path, &f, &why);
        checkpoint_close(f);
        if (one == RN_E_MEMORY)
            status = error_set(e, one, "%s", why.message);
        else if (one)
            status = repair_set_aside(
                r, arena_format(a, "checkpoints/%s.h5", list[i].name),
                one == RN_E_CHECKPOINT ? "it is damaged" : why.message, e);
    }
    arena_destroy(a);
    return status;
}

/* A second name, `folder`/`name`.h5, for the file at `path`. */
static int second_name(const char *path, const char *folder, const char *name,
                       struct rn_error *e) {
    struct arena *a = arena_create();
    const char *to = arena_format(a, "%s/%s.h5", folder, name);
    int status = link(path, to) == 0 || errno == EEXIST ? file_sync_folder(folder, e)
                                                        : file_error(e, "make", to);
    arena_destroy(a);
    return status;
}

/* CURRENT names the checkpoint that resume would take, in *f (NULL: there is none). */
static int check_current(struct record *r, struct checkpoint_file **f,
                         struct rn_error *e) {
    char fell_back[512];
    struct rn_error why = {0};
    struct current now = {0};
    struct seal seal;
    struct stat st;
    int status = RN_OK;
    if (lstat(record_path(r->arena, r, "CURRENT"), &st) == 0 && !S_ISREG(st.st_mode))
        status = repair_set_aside(r, "CURRENT", "it is not a regular file", e);
    if (status)
        return status;
    status = checkpoint_find(r, NULL, f, fell_back, sizeof fell_back, &why);
    if (status == RN_E_MEMORY)
        return error_set(e, status, "%s", why.message);
    if (status) {
        *f = NULL;
        return repair_set_aside(r, "CURRENT",
                                "it names a checkpoint, and none is intact", e);
    }
    if (!fell_back[0])
        return RN_OK;
    const char *path = checkpoint_path(*f), *name = strrchr(path, '/') + 1;
    status = seal_peek(path, "checkpoint", &seal, e);
    if (status)
        return status;
    snprintf(now.name, sizeof now.name, "%.*s", (int)strlen(name) - 3, name);
    /* best.h5 is replaced by better ones: the run goes on from a name of its own. */
    if (strcmp(now.name, "best") == 0) {
        snprintf(now.name, sizeof now.name, "step-%08" PRId64, seal.step);
        status =
            second_name(path, record_path(r->arena, r, "checkpoints"), now.name, e);
        if (status)
            return status;
    }
    snprintf(now.sha256, sizeof now.sha256, "%s", seal.sha256);
    now.step = seal.step;
    now.bytes = seal.bytes;
    now.log = r->sync.durable;
    text_addf(&r->found, "CURRENT: %s\n", fell_back);
    return current_write(r, &now, e);
}

/* best.h5 is what the checkpoint and the rows that are left say. */
static int check_best(struct record *r, const struct checkpoint_file *f,
                      struct rn_error *e) {
    struct rn_error why = {0};
    if (!f || checkpoint_best_check(r, checkpoint_get(f), &why) == RN_OK)
        return RN_OK;
    const struct checkpoint *c = checkpoint_get(f);
    const struct checkpoint_value *best =
        checkpoint_value(c->values, c->value_count, CHECKPOINT_BEST, "step");
    bool found = false;
    int status = repair_set_aside(r, "checkpoints/best.h5",
                                  "it is not the best by what is left of the log", e);
    if (!status && best && best->i >= 0)
        status = checkpoint_best(r, best->i, -1, &found, e);
    if (found)
        text_addf(&r->found,
                  "checkpoints/best.h5: that of step %" PRId64 " takes its place\n",
                  best->i);
    return status;
}

/* A text that is missing or is not the recorded one, from the blob of the checkpoint.
 */
static int check_text(struct record *r, const struct checkpoint_file *f,
                      const char *file, const char *blob, struct rn_error *e) {
    const struct checkpoint_blob *kept = f ? checkpoint_blob(f, blob) : NULL;
    struct log_view v;
    struct rn_error why = {0};
    struct arena *a = arena_create();
    bool there = access(record_path(a, r, file), F_OK) == 0;
    int status = log_read(r, &v, e);
    bool wrong = !status && (!there || text_check(r, &v, file, &why) != RN_OK);
    if (wrong && kept && there)
        status = repair_set_aside(r, file, "it is not the text that was recorded", e);
    if (wrong && kept && !status) {
        status = text_write(r, file, kept->data, (size_t)kept->bytes, e);
        text_addf(&r->found, "%s: %srestored from the checkpoint\n", file,
                  there ? "" : "it is missing; ");
    } else if (wrong && !status && why.status) {
        *e = why;
        status = why.status;
    }
    log_view_finish(&v);
    arena_destroy(a);
    return status;
}

/* No other file has it. An empty one leaves the choice to the machine that resumes. */
static int check_kernels(struct record *r, struct rn_error *e) {
    struct log_view v;
    struct rn_error why = {0};
    struct arena *a = arena_create();
    bool there = access(record_path(a, r, "kernels.txt"), F_OK) == 0;
    int status = log_read(r, &v, e);
    bool wrong = !status && text_check(r, &v, "kernels.txt", &why) != RN_OK;
    if (wrong && there)
        status = repair_set_aside(r, "kernels.txt",
                                  "it is not the text that was recorded", e);
    if (wrong && !status) {
        status = text_write(r, "kernels.txt", "", 0, e);
        text_addf(&r->found,
                  "kernels.txt: %sresume, eval and predict choose kernels "
                  "again; results may differ in their last digits\n",
                  there ? "" : "it is missing; ");
    }
    log_view_finish(&v);
    arena_destroy(a);
    return status;
}

/* Nothing runs without it. */
static int check_config(struct record *r, const struct checkpoint_file *f,
                        struct rn_error *e) {
    struct arena *a = arena_create();
    int status = check_text(r, f, "resolved.yaml", "resolved", e);
    bool there = access(record_path(a, r, "resolved.yaml"), R_OK) == 0;
    arena_destroy(a);
    if (!status && there)
        return RN_OK;
    status =
        error_set(e, RN_E_CHECKPOINT,
                  "%s/resolved.yaml is %s, and no other file of the run holds what "
                  "it said",
                  r->folder, there ? "not the text that was recorded" : "missing");
    return error_hint(e, "if the run was started without overrides, put the output of "
                         "`runner config experiment.yaml --resolved` in its place");
}

static void say_lines(char *line, void (*say)(void *context, const char *sentence),
                      void *context, struct record *r) {
    for (char *end; line && *line; line = end + 1) {
        end = strchr(line, '\n');
        *end = '\0';
        say(context, line);
        if (r)
            record_say(r, line);
    }
}

int record_recover(const char *folder, void (*say)(void *context, const char *sentence),
                   void *context, struct rn_error *e) {
    struct record *r = NULL;
    struct checkpoint_file *f = NULL;
    struct text before = {0};
    int status = restore_log(folder, &before, e);
    if (!status)
        status = record_open_quietly(folder, true, NULL, &r, e);
    if (!status)
        status = check_run_file(r, e);
    if (!status)
        status = check_checkpoints(r, e);
    if (!status)
        status = check_current(r, &f, e);
    if (!status)
        status = check_best(r, f, e);
    if (!status)
        status = check_text(r, f, "split.txt", "split", e);
    if (!status)
        status = check_kernels(r, e);
    if (!status) {
        struct arena *a = arena_create();
        if (before.length || r->found.length ||
            access(record_path(a, r, "run.h5"), F_OK) != 0)
            status = record_publish(r, e);
        arena_destroy(a);
    }
    if (!status)
        status = check_config(r, f, e);
    say_lines(before.s, say, context, r);
    if (r)
        say_lines(r->found.s, say, context, r);
    text_finish(&before);
    checkpoint_close(f);
    record_close(r);
    return status;
}

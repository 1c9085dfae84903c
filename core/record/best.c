/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoints/best.h5: the weights of the best evaluation so far. It is a second name
 * of the checkpoint of that step where there is one. A best that it replaces stays as
 * best-<step>.h5 while the newest checkpoint still names it: a run that is resumed
 * there needs it. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "record/checkpoint.h"
#include "record/file.h"
#include "record/seal.h"

#define ASIDE "best-"

/* The step that the seal of a file names, unverified; -1: no readable checkpoint. */
static int64_t step_in(const char *path) {
    struct seal seal;
    return seal_peek(path, "checkpoint", &seal, NULL) == RN_OK ? seal.step : -1;
}

/* The step of "best-00000100", or -1. */
static int64_t step_aside(const char *name) {
    if (strncmp(name, ASIDE, strlen(ASIDE)) != 0)
        return -1;
    char *end;
    long long n = strtoll(name + strlen(ASIDE), &end, 10);
    return *end || end == name + strlen(ASIDE) ? -1 : n;
}

static const char *path_of(struct arena *a, const struct record *r, const char *form,
                           int64_t step) {
    return arena_format(a, "%s/checkpoints/%s%08" PRId64 ".h5", r->folder, form, step);
}

/* A second name, or the new one where the file system has no second names. */
static int name_also(const char *from, const char *to, struct rn_error *e) {
    if (link(from, to) == 0 || errno == EEXIST || rename(from, to) == 0)
        return RN_OK;
    return file_error(e, "make", to);
}

/* Of its own, so that one damaged block does not cost both. */
static int copy_file(const char *from, const char *to, struct rn_error *e) {
    char *bytes = NULL;
    uint64_t n = 0;
    int status = file_load(from, UINT64_MAX - 1, &bytes, &n, e);
    if (!status)
        status = file_replace(to, bytes, n, e);
    memory_release(bytes);
    return status;
}

/* Files set aside, but that of `keep`: with a step above `above`. */
static void remove_aside(const struct record *r, struct arena *a, int64_t keep,
                         int64_t above) {
    struct listed *list;
    size_t n;
    if (checkpoint_list(r, a, &list, &n, NULL) != RN_OK)
        return;
    for (size_t i = 0; i < n; i++) {
        int64_t step = step_aside(list[i].name);
        if (step >= 0 && step != keep && step > above)
            unlink(list[i].path);
    }
}

/* -------------------------------------------------------------------- verify */

struct best_search { /* over the record's rows of the monitored metric */
    const char *series;
    bool higher;
    int64_t after; /* rows of later steps; the others are in the checkpoint */
    double value;  /* the best so far; NaN: none */
    int64_t step;  /* of best.h5 */
    bool found;    /* it was the best at some time */
    bool measured; /* there are later rows of its step */
    int64_t last;  /* step of any row */
};

static int compete(void *context, const char *series, int64_t step, double epoch,
                   const struct rn_tensor *value) {
    struct best_search *c = context;
    (void)epoch;
    c->last = step > c->last ? step : c->last;
    c->measured = c->measured || (step == c->step && step > c->after);
    if (!c->series || value->rank || value->dtype != RN_F64 || step <= c->after ||
        strcmp(series, c->series) != 0)
        return 0;
    double v = *(const double *)value->data;
    if (isnan(v) || (!isnan(c->value) && (c->higher ? v <= c->value : v >= c->value)))
        return 0;
    c->value = v;
    c->found = c->found || step == c->step;
    return 0;
}

static int64_t int_of(const struct checkpoint *c, const char *object, const char *key,
                      int64_t fallback) {
    const struct checkpoint_value *v =
        checkpoint_value(c->values, c->value_count, object, key);
    return v && v->kind == CHECKPOINT_INT ? v->i : fallback;
}

/* Has the run gone on meanwhile, so that the answer is about something else? */
static bool moved(const struct record *r, const struct checkpoint *c, const char *best,
                  int64_t step) {
    struct current now;
    return current_read(r, &now, NULL) || now.step != c->step || step_in(best) != step;
}

static int wrong_best(const char *best, int64_t step, int64_t should,
                      const char *metric, struct rn_error *e) {
    if (step < 0)
        error_set(e, RN_E_CHECKPOINT, "%s is missing: the best %s is of step %" PRId64,
                  best, metric, should);
    else if (should < 0)
        error_set(e, RN_E_CHECKPOINT,
                  "%s is of step %" PRId64 ", which is not in the record", best, step);
    else
        error_set(e, RN_E_CHECKPOINT,
                  "%s is of step %" PRId64 ", but the best %s is of step %" PRId64,
                  best, step, metric, should);
    return error_hint(e,
                      "`runner resume` restores the best from the run's checkpoints");
}

int checkpoint_best_check(struct record *r, const struct checkpoint *c,
                          struct rn_error *e) {
    struct arena *a = arena_create();
    const char *o = CHECKPOINT_BEST;
    const char *best = arena_format(a, "%s/checkpoints/best.h5", r->folder);
    const struct checkpoint_value *metric =
        checkpoint_value(c->values, c->value_count, o, "metric");
    const struct checkpoint_value *way =
        checkpoint_value(c->values, c->value_count, o, "direction");
    const struct checkpoint_value *value =
        checkpoint_value(c->values, c->value_count, o, "value");
    int64_t named = int_of(c, o, "step", -1);
    struct best_search x = {.series = metric ? metric->s : NULL,
                        .higher = way && strcmp(way->s, "higher") == 0,
                        .after = c->step - int_of(c, "position", "evaluation_due", 0),
                        .value = value ? value->f : NAN,
                        .step = step_in(best),
                        .last = -1};
    /* Where no monitor is known, a file of an earlier format for one: the record must
     * at least go as far. */
    int status = record_each(r, compete, &x, e);
    /* Another metric is monitored since, and no checkpoint says so yet. */
    bool aside = (x.step < 0 || x.measured) && named >= 0 &&
                 step_in(path_of(a, r, ASIDE, named)) == named;
    bool good = metric ? x.found || x.step == named || aside
                       : x.step <= x.last || x.step <= c->step;
    if (!status && !good && !moved(r, c, best, x.step))
        status =
            wrong_best(best, x.step, metric ? named : -1, metric ? metric->s : "", e);
    arena_destroy(a);
    return status;
}

/* ------------------------------------------------------------------- changing */

int checkpoint_best(struct record *r, int64_t step, int64_t keep, bool *found,
                    struct rn_error *e) {
    struct arena *a = arena_create();
    const char *folder = record_path(a, r, "checkpoints");
    const char *best = arena_format(a, "%s/best.h5", folder);
    int64_t now = step_in(best);
    int status = RN_OK;
    *found = now == step && step >= 0;
    if (!*found && now >= 0 && now == keep &&
        access(path_of(a, r, "step-", keep), F_OK) != 0)
        status = name_also(best, path_of(a, r, ASIDE, keep), e);
    const char *from = path_of(a, r, ASIDE, step);
    if (step >= 0 && !*found && !status && step_in(from) == step) {
        status = rename(from, best) ? file_error(e, "rename", from) : RN_OK;
        *found = !status;
    }
    from = path_of(a, r, "step-", step);
    if (step >= 0 && !*found && !status && step_in(from) == step) {
        status = copy_file(from, best, e);
        *found = !status;
    }
    remove_aside(r, a, keep == step && *found ? -1 : keep, -1);
    if (!status)
        status = file_sync_folder(folder, e);
    arena_destroy(a);
    return status;
}

int checkpoint_best_rewind(struct record *r, int64_t step, bool drop,
                           struct rn_error *e) {
    struct arena *a = arena_create();
    const char *folder = record_path(a, r, "checkpoints");
    const char *best = arena_format(a, "%s/best.h5", folder);
    int64_t now = step_in(best);
    int status = RN_OK;
    remove_aside(r, a, -1, step);
    if (now > step && unlink(best) != 0)
        status = file_error(e, "remove", best);
    else if (drop && now >= 0 && now <= step &&
             rename(best, path_of(a, r, ASIDE, now)) != 0)
        status = file_error(e, "rename", best);
    if (!status)
        status = file_sync_folder(folder, e);
    arena_destroy(a);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The runs of a study: which they are, and where they are. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json_writer.h"
#include "base/path.h"
#include "base/text.h"
#include "experiment/experiment.h"
#include "record/file.h"
#include "study/study.h"

#define RUNS_MAX 100000u

/* What a run of the study does not have; folds take the place of data.split.val. */
static const char *const study_keys[STUDY_KEYS] = {"train.folds", "train.repeats",
                                                   "train.seeds", "data.split.val"};

/* ----------------------------------------------------------------------- folder */

static int make_folder(const char *path, struct rn_error *e) {
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return RN_OK;
    return error_set(e, RN_E_IO, "cannot make %s: %s", path, strerror(errno));
}

/* `output`/NAME/folds-TIME, and a number behind it where that is taken. */
static int open_folder(struct study *s, const char *output, const char *name,
                       struct rn_error *e) {
    struct text t = {0};
    char stamp[32];
    struct tm utc;
    time_t now = clock_wall();
    int status = path_expand(output, &t, e);
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", gmtime_r(&now, &utc));
    const char *top = arena_copy(s->arena, t.length ? text_get(&t) : ".");
    text_finish(&t);
    if (status == RN_OK)
        status = make_folder(top, e);
    const char *parent = arena_format(s->arena, "%s/%s", top, name);
    if (status == RN_OK)
        status = make_folder(parent, e);
    for (int i = 0; status == RN_OK; i++) {
        s->folder = arena_format(s->arena, i ? "%s/folds-%s-%d" : "%s/folds-%s", parent,
                                 stamp, i);
        if (mkdir(s->folder, 0777) == 0)
            return RN_OK;
        if (errno != EEXIST)
            status =
                error_set(e, RN_E_IO, "cannot make %s: %s", s->folder, strerror(errno));
    }
    return status;
}

/* -------------------------------------------------------------------------- open */

static uint64_t integer_at(const struct node *root, const char *path, uint64_t none) {
    const struct node *n = node_at(root, path);
    return n ? (uint64_t)node_int(n) : none;
}

static void list_runs(struct study *s, const struct node *seeds, uint64_t seed) {
    uint32_t folds = s->folds ? s->folds : 1, k = 0;
    s->runs = arena_array(s->arena, struct study_run, s->count);
    for (uint32_t r = 0; r < s->repeats; r++)
        for (uint32_t f = 0; f < folds; f++)
            for (uint32_t i = 0; i < s->seeds; i++)
                s->runs[k++] = (struct study_run){
                    .fold = f,
                    .repeat = r,
                    .seed = seeds ? (uint64_t)node_int(node_item(seeds, i)) : seed};
}

/* Do two seeds of the list equal each other? */
static const struct node *twice(const struct node *seeds) {
    for (uint32_t i = 0; seeds && i < node_count(seeds); i++)
        for (uint32_t k = 0; k < i; k++)
            if (node_int(node_item(seeds, i)) == node_int(node_item(seeds, k)))
                return node_item(seeds, i);
    return NULL;
}

static int read_shape(struct study *s, const struct node *root, struct diag *d) {
    const struct node *seeds = node_at(root, "train.seeds");
    const struct node *repeats = node_at(root, "train.repeats");
    uint64_t seed = integer_at(root, "seed", 0);
    s->folds = (uint32_t)integer_at(root, "train.folds", 0);
    s->repeats = (uint32_t)integer_at(root, "train.repeats", 1);
    s->seeds = seeds ? node_count(seeds) : 1;
    for (int k = 0; k < STUDY_KEYS; k++) {
        const struct node *n = node_at(root, study_keys[k]);
        s->given[k] = n && !node_is_default(n);
    }
    s->split_seed = integer_at(root, "data.split.seed", seed);
    if (repeats && !s->folds)
        return node_error(d, repeats, true, RN_E_CONFIG,
                          "train.repeats repeats train.folds, which is not given");
    if (seeds && !node_count(seeds))
        return node_error(d, seeds, false, RN_E_CONFIG, "train.seeds has no seed");
    if (twice(seeds))
        return node_error(d, twice(seeds), false, RN_E_CONFIG,
                          "train.seeds has this seed twice");
    s->given[STUDY_KEYS - 1] &= s->folds != 0;
    uint64_t all = (uint64_t)(s->folds ? s->folds : 1) * s->repeats * s->seeds;
    if (all > RUNS_MAX)
        return node_error(d, node_at(root, "train"), false, RN_E_CONFIG,
                          "%" PRIu64 " runs are too many: at most %u", all, RUNS_MAX);
    s->count = (uint32_t)all;
    list_runs(s, seeds, seed);
    return RN_OK;
}

int study_open(struct session *session, const char *file, uint32_t n,
               const char *const *overrides, struct study **out, struct diag *d) {
    struct config *c = experiment_read(session, file, n, overrides, NULL, d);
    struct rn_error e = {0};
    *out = NULL;
    const struct node *root = c && !diag_count(d) ? config_root(c) : NULL;
    bool asked =
        root && (node_at(root, "train.folds") || node_at(root, "train.repeats") ||
                 node_at(root, "train.seeds"));
    if (!asked) {
        config_destroy(c);
        return diag_status(d);
    }
    struct arena *a = arena_create();
    struct study *s = arena_new(a, struct study);
    const struct node *name = node_at(root, "name"), *output = node_at(root, "output");
    s->arena = a;
    s->file = file;
    s->override_count = n;
    s->overrides = overrides;
    int status = read_shape(s, root, d);
    if (status == RN_OK) {
        status = open_folder(s, output ? node_string(output) : "runs",
                             name ? node_string(name) : "run", &e);
        if (status != RN_OK)
            diag_add(d, &e);
    }
    config_destroy(c);
    if (status == RN_OK)
        *out = s;
    else
        study_close(s);
    return status;
}

void study_close(struct study *s) {
    if (!s)
        return;
    if (s->folder && !s->done)
        rmdir(s->folder); /* where nothing is in it */
    arena_destroy(s->arena);
}

/* -------------------------------------------------------------------------- runs */

const char *const *study_overrides(struct study *s, uint32_t i, uint32_t *count) {
    const struct study_run *r = &s->runs[i];
    uint32_t n = s->override_count;
    const char **all = arena_array(s->arena, const char *, n + 10);
    if (n)
        memcpy(all, s->overrides, n * sizeof *all);
    for (int k = 0; k < STUDY_KEYS; k++)
        if (s->given[k])
            all[n++] = arena_format(s->arena, "~%s", study_keys[k]);
    all[n++] = arena_format(s->arena, "seed=%" PRIu64, r->seed);
    all[n++] =
        arena_format(s->arena, "data.split.seed=%" PRIu64, s->split_seed + r->repeat);
    all[n++] = arena_format(s->arena, "output=%s", config_quoted(s->arena, s->folder));
    if (s->folds) {
        all[n++] = arena_format(s->arena, "data.split.folds=%u", s->folds);
        all[n++] = arena_format(s->arena, "data.split.fold=%u", r->fold + 1);
    }
    *count = n;
    return all;
}

/* --------------------------------------------------------------------- results */

static void copy_metrics(struct arena *a, const struct metric_list *from,
                         struct metric_list *to) {
    for (uint32_t i = 0; i < from->count; i++) {
        to->at[to->count] = from->at[i];
        to->at[to->count++].name = arena_copy(a, from->at[i].name);
    }
}

static int write_list(struct study *s, struct rn_error *e) {
    struct text t = {0};
    struct json_writer w;
    json_begin(&w, &t);
    study_json(s, &w, NULL);
    json_end(&w);
    text_add(&t, "\n");
    int status = file_replace(arena_format(s->arena, "%s/study.json", s->folder),
                              text_get(&t), t.length, e);
    text_finish(&t);
    return status;
}

int study_add(struct study *s, uint32_t i, const struct run_result *r,
              struct rn_error *e) {
    struct study_run *run = &s->runs[i];
    const struct metric_list *val = r->monitor ? &r->best.metrics : &r->val.metrics;
    run->folder = arena_copy(s->arena, r->folder);
    run->metrics.at =
        arena_array(s->arena, struct metric_value, val->count + r->test.count + 1);
    copy_metrics(s->arena, val, &run->metrics);
    copy_metrics(s->arena, &r->test, &run->metrics);
    s->done++;
    return write_list(s, e);
}

void study_json(struct study *s, struct json_writer *w, const char *key) {
    struct study_row *rows;
    uint32_t n = study_rows(s, &rows);
    json_object(w, key);
    json_string(w, "study", s->folder);
    json_uint(w, "folds", s->folds);
    json_uint(w, "repeats", s->repeats);
    json_array_lines(w, "runs");
    for (uint32_t i = 0; i < s->count; i++) {
        const struct study_run *r = &s->runs[i];
        json_object(w, NULL);
        if (s->folds)
            json_uint(w, "fold", r->fold + 1);
        json_uint(w, "repeat", r->repeat + 1);
        json_uint(w, "seed", r->seed);
        json_string(w, "run", r->folder);
        for (uint32_t k = 0; k < r->metrics.count; k++)
            json_number(w, r->metrics.at[k].name, r->metrics.at[k].value);
        json_close(w);
    }
    json_close(w);
    json_array_lines(w, "metrics");
    for (uint32_t i = 0; i < n; i++) {
        json_object(w, NULL);
        json_string(w, "name", rows[i].name);
        json_number(w, "mean", rows[i].mean);
        json_number(w, "low", rows[i].low);
        json_number(w, "high", rows[i].high);
        json_number(w, "seed_sd", rows[i].seed_sd);
        json_number(w, "fold_sd", rows[i].fold_sd);
        json_close(w);
    }
    json_close(w);
    json_close(w);
}

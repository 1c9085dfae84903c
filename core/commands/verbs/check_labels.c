/* SPDX-License-Identifier: Apache-2.0 */
/* check --labels: networks are trained on folds, and asked about the rows that they
 * have not seen. */
#include "commands/verbs/check_labels.h"

#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <runner/sdk/field.h>

#include "commands/cli/signals.h"
#include "evaluate/stored.h"
#include "train/run.h"

#define FOLDS 5

/* ----------------------------------------------------------------- predictions */

/* Logits to probabilities; one logit is that of class 1. */
static void probabilities(const struct rn_tensor *t, uint64_t row, uint32_t width,
                          double *out) {
    double most = -INFINITY, sum = 0;
    rn_numbers_get(t->data, t->dtype, row * width, width, out);
    if (width == 1) {
        double one =
            out[0] >= 0 ? 1 / (1 + exp(-out[0])) : exp(out[0]) / (1 + exp(out[0]));
        out[0] = 1 - one;
        out[1] = one;
        return;
    }
    for (uint32_t k = 0; k < width; k++)
        most = fmax(most, out[k]);
    for (uint32_t k = 0; k < width; k++)
        sum += out[k] = exp(out[k] - most);
    for (uint32_t k = 0; k < width; k++)
        out[k] /= sum;
}

static int take_batch(void *context, uint64_t rows, const int64_t *ids, uint32_t n,
                      const char *const *names, const struct rn_tensor *values) {
    struct label_predictions *l = context;
    (void)names;
    uint64_t width = 1;
    for (uint32_t i = 1; n && i < values[0].rank; i++)
        width *= (uint64_t)values[0].shape[i];
    uint32_t classes = width == 1 ? 2 : (uint32_t)width;
    if (n != 1 || width > 100000 || (l->q.classes && l->q.classes != classes))
        return -1;
    l->q.classes = classes;
    if (l->q.rows + rows > l->capacity) {
        l->capacity = 2 * (l->q.rows + rows);
        l->ids = memory_grow(l->ids, memory_mul(l->capacity, sizeof *l->ids));
        l->p = memory_grow(l->p, memory_mul(l->capacity, classes * sizeof *l->p));
    }
    for (uint64_t r = 0; r < rows; r++) {
        double *out = l->p + l->q.rows * classes;
        probabilities(&values[0], r, (uint32_t)width, out);
        l->ids[l->q.rows++] = ids[r];
    }
    return 0;
}

static int predict(struct session *s, const char *folder, const char *split,
                   bool newest, struct label_predictions *out, struct diag *d) {
    struct stored_options o = {.session = s,
                               .folder = folder,
                               .only = split,
                               .newest = newest,
                               .content = out->content};
    return stored_predict(&o, take_batch, out, d);
}

/* ----------------------------------------------------------------------- folds */

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *at) {
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

struct folding {
    const struct args *a;
    struct session *s;
    char scratch[512];
    int64_t folds;
    bool own_test; /* the test has a source of its own */
};

static int asked(void *context) {
    (void)context;
    return signals_stop() ? RUN_STOP : RUN_GO_ON;
}

static bool stopping(void *context) {
    (void)context;
    return signals_stop();
}

static int train_fold(const struct folding *f, int64_t k, struct label_predictions *out,
                      struct diag *d) {
    struct arena *a = arena_create();
    uint32_t n = f->a->count - 1, added = 0;
    const char **all = arena_array(a, const char *, n + 8);
    for (uint32_t i = 0; i < n; i++)
        all[i] = f->a->arg[i + 1];
    all[n + added++] = arena_format(a, "output=%s", config_quoted(a, f->scratch));
    all[n + added++] = arena_format(a, "data.split.folds=%lld", (long long)f->folds);
    all[n + added++] = arena_format(a, "data.split.fold=%lld", (long long)k);
    all[n + added++] = "data.split.val=0";
    if (!f->own_test)
        all[n + added++] = "data.split.test=0";
    struct run_options o = {.session = f->s,
                            .file = f->a->arg[0],
                            .override_count = n + added,
                            .overrides = all,
                            .watch = {.request = asked, .stopping = stopping}};
    struct run_result r = {0};
    fprintf(stderr, "fold %lld of %lld\n", (long long)k, (long long)f->folds);
    int status = run_train(&o, &r, d);
    if (status == RN_OK && signals_stop()) {
        struct rn_error e = {0};
        status = error_set(&e, RN_E_CANCELLED, "stopped");
        diag_add(d, &e);
    }
    if (status == RN_OK)
        status = predict(f->s, r.folder, "val", true, out, d);
    run_result_finish(&r);
    arena_destroy(a);
    return status;
}

static int read_split(struct folding *f, struct diag *d) {
    struct config *x =
        experiment_read(f->s, f->a->arg[0], f->a->count - 1, f->a->arg + 1, NULL, d);
    if (x && !diag_count(d)) {
        const struct node *root = config_root(x);
        const struct node *n = node_at(root, "data.split.folds");
        f->folds = n ? node_int(n) : FOLDS;
        f->own_test = node_at(root, "data.test");
    }
    config_destroy(x);
    return diag_status(d);
}

static int predict_folds(const struct args *a, struct session *s,
                         struct label_predictions *out, struct diag *d) {
    struct folding f = {.a = a, .s = s};
    const char *base = getenv("TMPDIR");
    int status = read_split(&f, d);
    if (status != RN_OK)
        return status;
    snprintf(f.scratch, sizeof f.scratch, "%s/runner-labels-XXXXXX",
             base && *base ? base : "/tmp");
    if (!mkdtemp(f.scratch)) {
        struct rn_error e = {0};
        error_set(&e, RN_E_IO, "%s: %s", f.scratch, strerror(errno));
        diag_add(d, &e);
        return e.status;
    }
    for (int64_t k = 1; k <= f.folds && status == RN_OK; k++)
        status = train_fold(&f, k, out, d);
    nftw(f.scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    snprintf(out->how, sizeof out->how, "%lld folds", (long long)f.folds);
    return status;
}

int label_predictions_make(const struct args *a, struct session *s,
                           struct label_predictions *out, struct diag *d) {
    const char *run = args_text(a, FLAG_FROM);
    int status;
    *out = (struct label_predictions){.how = "that run"};
    if (run) {
        status = predict(s, run, "val", false, out, d);
        if (status == RN_OK)
            status = predict(s, run, "test", false, out, d);
    } else {
        status = predict_folds(a, s, out, d);
    }
    out->q.ids = out->ids;
    out->q.p = out->p;
    out->q.how = out->how;
    out->q.content = out->content;
    if (status == RN_OK && !out->q.rows) {
        struct rn_error e = {0};
        status = error_set(&e, RN_E_CONFIG,
                           "--from: that run has neither val nor test rows");
        diag_add(d, &e);
    }
    return status;
}

void label_predictions_finish(struct label_predictions *l) {
    memory_release(l->ids);
    memory_release(l->p);
}

int label_issues_write(const struct check *c, const char **path, struct rn_error *e) {
    struct text t = {0};
    *path = "check/labels.csv";
    check_labels_csv(c, &t);
    FILE *f = mkdir("check", 0777) == 0 || errno == EEXIST ? fopen(*path, "w") : NULL;
    bool good = f && fwrite(text_get(&t), 1, t.length, f) == t.length;
    good = f && fclose(f) == 0 && good;
    text_finish(&t);
    return good ? RN_OK : error_set(e, RN_E_IO, "%s: %s", *path, strerror(errno));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Going on with a run: what its experiment may have changed, the state of its newest
 * checkpoint, the record and the best weights as they were then. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "config/changes.h"
#include "evaluate/stored.h"
#include "experiment/resume_rules.h"
#include "train/loop.h"

/* ------------------------------------------------------------- what has changed */

struct changes {
    struct diag *d;
    const struct resume_rule *refused[64]; /* each is reported once */
    uint32_t count;
};

static void check_change(void *context, const struct node *before,
                         const struct node *after) {
    struct changes *c = context;
    const struct node *at = after ? after : before;
    const struct resume_rule *r = resume_rule_of(node_path(at));
    if (!r || r->applied)
        return;
    for (uint32_t i = 0; i < c->count; i++)
        if (strcmp(c->refused[i]->key, r->key) == 0)
            return;
    if (c->count < sizeof c->refused / sizeof *c->refused)
        c->refused[c->count++] = r;
    node_error(c->d, at, true, RN_E_CHECKPOINT,
               "%s cannot change when a run is resumed: %s", node_path(at), r->why);
    diag_hint(c->d,
              "leave it out; `runner resume --help` lists the keys that may change, "
              "and a new run can have others");
}

static bool same_type(const struct node *a, const struct node *b, const char *path) {
    const struct node *x = node_at(a, path), *y = node_at(b, path);
    return x && y && strcmp(node_string(x), node_string(y)) == 0;
}

/* Is each change of the overrides one that a resumed run may have? */
static int check_changes(const struct run_options *o, struct resume *r,
                         struct setup_options *so, struct diag *d) {
    struct diag *unused = diag_create();
    r->then = experiment_read(o->session, so->file, 0, NULL, so->recorded, unused);
    diag_destroy(unused);
    if (!o->override_count || !r->then)
        return RN_OK;
    unused = diag_create();
    struct config *now = experiment_read(o->session, so->file, o->override_count,
                                         o->overrides, so->recorded, unused);
    struct changes c = {.d = d};
    if (now && !diag_count(unused)) { /* else opening the experiment reports it */
        config_changes(config_root(r->then), config_root(now), check_change, &c);
        if (!same_type(config_root(r->then), config_root(now), "device.type"))
            so->kernels = NULL; /* choices of another backend */
    }
    diag_destroy(unused);
    config_destroy(now);
    return c.count ? RN_E_CHECKPOINT : RN_OK;
}

/* ------------------------------------------------------------------------- open */

int resume_open(struct loop *l, struct arena *a, struct resume *r,
                struct setup_options *so, struct diag *d) {
    struct rn_error e = {0};
    char fell_back[300] = "";
    int status =
        record_open(l->o->resume, true, session_log(l->o->session), &l->record, &e);
    if (status == RN_OK)
        status =
            checkpoint_find(l->record, NULL, &r->file, fell_back, sizeof fell_back, &e);
    if (status == RN_OK)
        status = stored_plugins(l->record, a, l->o->accepted, l->o->accepted_count,
                                &r->plugins, &e);
    so->recorded = &r->plugins;
    if (status != RN_OK) {
        diag_add(d, &e);
        return status;
    }
    if (fell_back[0])
        loop_notify(l, RN_LOG_WARNING, fell_back);
    r->fell_back = fell_back[0];
    const struct checkpoint_blob *split = checkpoint_blob(r->file, "split");
    const struct checkpoint_blob *data = checkpoint_blob(r->file, "data");
    if (split)
        so->stored_split = arena_copy_n(a, split->data, split->bytes);
    if (data) {
        so->fitted = data->data;
        so->fitted_bytes = data->bytes;
    }
    so->file = arena_format(a, "%s/resolved.yaml", record_folder(l->record));
    so->kernels = record_text_read(l->record, "kernels.txt");
    status = validate_resolved_yaml(so->file, d);
    return status ? status : check_changes(l->o, r, so, d);
}

void resume_close(struct resume *r) {
    checkpoint_close(r->file);
    config_destroy(r->then);
}

/* ------------------------------------------------------------------------ state */

static int read_state(struct loop *l, struct arena *a, const struct resume *r,
                      struct rn_error *e) {
    const struct checkpoint *c = checkpoint_get(r->file);
    struct saved from = {r->file, c->values, c->value_count};
    const struct node *then = r->then ? config_root(r->then) : l->setup->x->root;
    int status = RN_OK;
    if (checkpoint_format(r->file) == 1)
        status = format1_read(l, a, r->file, then, &from, e);
    return status ? status : state_load(l, &from, e);
}

static int check_length(const struct loop *l, struct diag *d) {
    const struct node *n = node_at(l->setup->x->root, "train.steps");
    if (!n)
        n = node_at(l->setup->x->root, "train.epochs");
    if (l->engine->length.total_steps >= l->at.step)
        return RN_OK;
    return node_error(
        d, n, false, RN_E_CHECKPOINT,
        "the run has done %lld steps, more than the %lld that are asked for",
        (long long)l->at.step, (long long)l->engine->length.total_steps);
}

/* best.h5 is what the state says, or there is none. */
static int restore_best(struct loop *l, struct rn_error *e) {
    struct monitor *m = &l->monitors.best;
    bool known = m->key && !isnan(m->best), found = false;
    char text[300];
    int status = checkpoint_best_rewind(l->record, l->at.step, !known, e);
    if (status == RN_OK && known)
        status = checkpoint_best(l->record, m->best_step, m->best_step, &found, e);
    if (status == RN_OK && known && !found) {
        snprintf(
            text, sizeof text,
            "checkpoint.best: the weights of step %lld, %s %.6g, are not there: the "
            "best is counted from step %lld on",
            (long long)m->best_step, m->metric, m->best, (long long)l->at.step);
        loop_notify(l, RN_LOG_WARNING, text);
        monitor_reset(m, l->at.step + !l->at.evaluation_due);
        status = checkpoint_best_rewind(l->record, l->at.step, true, e);
    }
    return status;
}

/* What the file of the run says from now on. */
static int record_changes(struct loop *l, struct rn_error *e) {
    struct text resolved = {0};
    config_print(l->setup->x->config, false, &resolved);
    int status = record_config(l->record, text_get(&resolved), e);
    text_finish(&resolved);
    const char *kernels = engine_kernels(l->engine);
    if (status == RN_OK && kernels && kernels[0])
        status = record_text(l->record, "kernels.txt", kernels, strlen(kernels), e);
    return status;
}

int resume_state(struct loop *l, struct arena *a, const struct resume *r,
                 struct diag *d) {
    struct rn_error e = {0};
    int status = read_state(l, a, r, &e);
    if (status == RN_OK && check_length(l, d) != RN_OK)
        return RN_E_CHECKPOINT;
    if (status == RN_OK)
        status = record_rewind(l->record, l->at.step, l->at.rows, &e);
    if (status == RN_OK)
        status = restore_best(l, &e);
    if (status == RN_OK && l->o->override_count)
        status = record_changes(l, &e);
    if (status == RN_OK)
        status = loader_seek(l->loader, l->at.loader, &e);
    if (status == RN_OK && r->fell_back) /* what is damaged is not met again */
        status = loop_save(l, &e);
    l->saved_step = l->at.step;
    if (status != RN_OK)
        diag_add(d, &e);
    return status;
}

void resume_end(struct loop *l) {
    if (l->monitors.early.key && l->monitors.early.bad >= l->monitors.patience) {
        l->ending.stop = l->ending.early = true;
        loop_early_reason(l);
    } else if (l->at.ended && !l->o->override_count) { /* but for its evaluation */
        l->ending.stop = true;
        snprintf(l->ending.reason, sizeof l->ending.reason,
                 "this run has ended; train.epochs=N or train.steps=N lets it go on");
    }
    l->at.evaluation_due = l->at.evaluation_due && loop_evaluates(l);
}

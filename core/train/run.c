/* SPDX-License-Identifier: Apache-2.0 */
/* A training run from opening to its last word. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "evaluate/averages.h"
#include "evaluate/stored.h"
#include "train/loop.h"

/* ------------------------------------------------------------------- steps */

static void notify_anomaly(struct loop *l) {
    struct text t = {0};
    text_addf(&t, "step %lld: %s", (long long)l->at.step, l->anomaly.message);
    for (const char *p = l->anomaly.hint; *p; p += strcspn(p, "\n"), p += *p == '\n')
        text_addf(&t, "; %.*s", (int)strcspn(p, "\n"), p);
    loop_notify(l, RN_LOG_WARNING, text_get(&t));
    text_finish(&t);
}

static int diverged(struct loop *l, double loss, double norm, struct rn_error *e) {
    char text[200], what[120];
    const struct programs *p = l->engine->programs;
    const struct rn_error *found = &l->anomaly;
    int64_t per_epoch = l->engine->length.steps_per_epoch;
    l->at.skipped++;
    if (p->scaling.kind == SCALING_DYNAMIC && isfinite(loss) && !isfinite(norm))
        snprintf(what, sizeof what,
                 "loss %g, gradient norm %g at the smallest loss scale, %g", loss, norm,
                 p->scaling.min);
    else if (isfinite(loss) && isfinite(norm))
        snprintf(what, sizeof what, "a running statistic%s is not finite",
                 p->anomaly ? " or a new value of a parameter" : "");
    else
        snprintf(what, sizeof what, "loss %g, gradient norm %g", loss, norm);
    if (p->nan_skip) {
        snprintf(text, sizeof text, "step %lld: %s: this update is left out",
                 (long long)l->at.step, what);
        if (l->at.skipped <= 10)
            loop_notify(l, RN_LOG_WARNING, text);
        if (found->status)
            notify_anomaly(l);
        return RN_OK;
    }
    if (found->status) {
        *e = *found;
        return error_context(e, "step %lld (epoch %lld): %s", (long long)l->at.step,
                             (long long)(l->at.step / per_epoch + 1), what);
    }
    error_set(e, RN_E_DIVERGED, "step %lld: %s", (long long)l->at.step, what);
    return error_hint(e,
                      "nothing was updated; a smaller learning rate or train.clip.norm "
                      "may help; train.on_nan: skip leaves such steps out; with "
                      "train.anomaly: true the operator where it began is named");
}

/* A run that leaves out every step of an epoch learns nothing: it has diverged. */
static int check_progress(const struct loop *l, struct rn_error *e) {
    const struct programs *p = l->engine->programs;
    for (uint32_t o = 0; o < p->objective_count; o++) {
        const struct objective_programs *t = &l->engine->objectives[o];
        if (!t->ran || t->skipped < t->ran)
            continue;
        error_set(e, RN_E_DIVERGED, "epoch %lld%s%s: all %lld updates were left out",
                  (long long)((l->at.step - 1) / l->engine->length.steps_per_epoch + 1),
                  p->objective_count > 1 ? " of " : "",
                  p->objective_count > 1 ? p->objectives[o].name : "",
                  (long long)t->ran);
        return error_hint(e, "the loss, the gradient or a running statistic was not "
                             "finite in every step; check the data for NaN, lower the "
                             "learning rate or set train.clip.norm");
    }
    return RN_OK;
}

static int end_of_epoch(struct loop *l, struct rn_error *e) {
    int diverged = check_progress(l, e);
    struct rn_error late = {0};
    int status = loop_record_epoch(l, &late);
    if (status == RN_OK && !diverged)
        status = hooks_event(l, RN_EVENT_EPOCH_END, &late);
    if (diverged)
        return diverged;
    if (status != RN_OK)
        *e = late;
    return status;
}

/* Once an epoch, also where the run was stopped between the event and the step. */
static int begin_epoch(struct loop *l, struct rn_error *e) {
    if (l->at.epoch_begun || l->at.step % l->engine->length.steps_per_epoch)
        return RN_OK;
    l->at.epoch_begun = true;
    return hooks_event(l, RN_EVENT_EPOCH_BEGIN, e);
}

static int one_step(struct loop *l, struct rn_error *e) {
    struct batch b;
    struct step_result r;
    bool tapped = l->engine->tap_count && hooks_due(l);
    int status = loader_next(l->loader, &b, e);
    if (status == RN_E_CANCELLED) { /* the step has not begun: the state is whole */
        l->ending.stop = l->ending.interrupted = true;
        return RN_OK;
    }
    if (status == RN_OK)
        status = begin_epoch(l, e);
    if (status == RN_OK)
        status = loop_step(l, &b, tapped, &r, e);
    if (status != RN_OK)
        return status;
    struct rn_error late = {0};
    int looked = tapped && r.ran ? hooks_tapped(l, r.ran->program, &late) : RN_OK;
    if (r.overflowed)
        loop_log_overflow(l);
    if (!r.updated && diverged(l, r.loss, r.norm, e) != RN_OK)
        return e->status;
    if ((status = looked) != RN_OK)
        *e = late;
    if (!r.empty) {
        l->last_loss = r.loss;
        l->last_norm = r.norm;
    }
    l->at.step++;
    l->at.epoch_begun = false;
    l->at.loader = loader_tell(l->loader);
    l->clock.rows_done += (double)b.rows;
    if (status == RN_OK)
        status = loop_record_step(l, &r, e);
    if (status == RN_OK)
        status = hooks_event(l, RN_EVENT_STEP_END, e);
    if (status == RN_OK && l->at.step % l->engine->length.steps_per_epoch == 0)
        status = end_of_epoch(l, e);
    else if (status == RN_OK && l->at.step == l->engine->length.total_steps)
        status = check_progress(l, e);
    loop_report_progress(l, RUN_STEPPED, r.empty ? NAN : r.loss, r.norm);
    /* The step is whole, also where a hook has failed. */
    l->at.rows = record_rows(l->record);
    l->at.evaluation_due = loop_evaluates(l);
    return status;
}

/* ---------------------------------------------------------------- last words */

static int load_best(struct loop *l, struct rn_error *e) {
    struct checkpoint_file *f;
    char fell_back[200];
    if (!l->monitors.best.key || isnan(l->monitors.best.best))
        return RN_OK;
    int status = checkpoint_find(l->record, "best", &f, fell_back, sizeof fell_back, e);
    if (status == RN_OK)
        status = engine_load_weights(l->engine, checkpoint_get(f), e);
    checkpoint_close(f);
    return status;
}

/* The test split, read once, with the best weights. */
static int test(struct loop *l, struct run_result *out, struct rn_error *e) {
    struct metric_list all = {0};
    bool never = strcmp(experiment_string(l->setup->x, "train.test"), "never") == 0;
    if (never || !data_rows(l->setup->data, DATA_TEST))
        return RN_OK;
    int status = load_best(l, e);
    if (status == RN_OK)
        status = averages_ready(l->setup, e);
    if (status == RN_OK)
        status = evaluator_run(l->evaluator, DATA_TEST, &all, loop_keep_tensor, l, e);
    for (uint32_t i = 0; i < all.count && status == RN_OK; i++) {
        status = loop_scalar(l, all.at[i].name, all.at[i].value, e);
        struct metric_value m = all.at[i];
        m.name = arena_copy(out->arena, m.name);
        vec_push(out->test.at, out->test.count, out->test.capacity, m);
    }
    memory_release(all.at);
    for (uint32_t i = 0; i < out->test.count; i++)
        vec_push(l->tested.at, l->tested.count, l->tested.capacity, out->test.at[i]);
    loop_log_metrics(l, &l->tested);
    if (status == RN_OK)
        loop_report_progress(l, RUN_TESTED, NAN, 0.0);
    return status;
}

/* A step that was not finite has changed nothing, so the state before it is whole. */
static void save_before(struct loop *l) {
    struct rn_error e = {0};
    char line[200];
    if (l->at.step == 0 || l->engine->programs->accumulate ||
        l->engine->programs->objective_count > 1 || loop_save(l, &e) != RN_OK)
        return;
    snprintf(line, sizeof line,
             "the state before this step is saved; runner resume RUN optimizer.lr=X "
             "goes on%s",
             l->engine->programs->anomaly
                 ? ""
                 : "; runner resume RUN train.anomaly=true names the operator where it "
                   "began");
    loop_notify(l, RN_LOG_INFO, line);
}

static int run_end(const struct loop *l, int status) {
    return status == RN_E_DIVERGED                      ? RN_END_DIVERGED
           : status != RN_OK                            ? RN_END_ERROR
           : l->ending.interrupted                      ? RN_END_INTERRUPTED
           : l->ending.early                            ? RN_END_EARLY
           : l->at.step < l->engine->length.total_steps ? RN_END_STOPPED
                                                        : RN_END_FINISHED;
}

/* The state that an error leaves behind is saved before hooks get RUN_END, of which
 * nothing is saved. */
static int end_run(struct loop *l, int status, struct rn_error *e) {
    struct rn_error late = {0};
    if (status == RN_E_DIVERGED)
        save_before(l);
    else if (l->hooks.failed)
        loop_save_failed(l);
    int ended = hooks_run_end(l, run_end(l, status), &late);
    if (status == RN_OK && ended != RN_OK) {
        *e = late;
        return ended;
    }
    return status;
}

/* The measured peak of memory, to compare with the plan. */
static void note_memory(struct loop *l) {
    struct device_memory m = device_memory(l->engine->device);
    struct rn_error e;
    char text[40];
    snprintf(text, sizeof text, "%llu", (unsigned long long)m.peak);
    record_note(l->record, "memory_peak", text, &e);
    snprintf(text, sizeof text, "%llu", (unsigned long long)m.pinned_peak);
    record_note(l->record, "pinned_memory_peak", text, &e);
}

static const char *absolute_folder(struct loop *l) {
    char *path = realpath(record_folder(l->record), NULL);
    const char *copy =
        arena_copy(l->setup->arena, path ? path : record_folder(l->record));
    free(path);
    return copy;
}

static int loop_all(struct loop *l, struct run_result *out, struct rn_error *e) {
    struct setup *s = l->setup;
    l->clock.began = clock_seconds();
    loop_report_progress(l, RUN_BEGAN, NAN, 0.0);
    l->folder = absolute_folder(l);
    int status = hooks_event(l, RN_EVENT_RUN_BEGIN, e);
    if (l->o->resume)
        resume_end(l);
    if (status == RN_OK && l->at.evaluation_due)
        status = loop_evaluate(l, e);
    while (status == RN_OK && !l->ending.stop &&
           l->at.step < s->engine->length.total_steps) {
        status = one_step(l, e);
        if (status == RN_OK)
            status = loop_between_steps(l, e);
    }
    if (status == RN_OK && !l->ending.interrupted)
        status = test(l, out, e);
    if (status == RN_E_CANCELLED) { /* all is saved; resume tests again */
        l->ending.interrupted = true;
        status = RN_OK;
    }
    status = end_run(l, status, e);
    loop_log_overflows(l);
    if (l->ending.reason[0])
        loop_notify(l, RN_LOG_INFO, l->ending.reason);
    if (status != RN_OK)
        loop_log(l, "ended with an error: ", e->message);
    note_memory(l);
    /* What was learnt so far is worth keeping in every case but a full disk. */
    struct rn_error late = {0};
    if (record_sync(l->record, &late) != RN_OK ||
        record_publish(l->record, &late) != RN_OK)
        if (status == RN_OK) {
            *e = late;
            status = late.status;
        }
    if (status == RN_OK)
        status = loop_summary(l, out, e);
    out->seconds = clock_seconds() - l->clock.began;
    out->end = l->ending.interrupted ? RUN_INTERRUPTED
               : l->ending.early     ? RUN_EARLY
                                     : RUN_DONE;
    out->step = l->at.step;
    l->ending.interrupted = l->ending.interrupted && status == RN_OK;
    loop_report_progress(l, RUN_ENDED, NAN, 0.0);
    return status;
}

/* -------------------------------------------------------------------- open */

static int asked_to_stop(void *context) {
    struct loop *l = context;
    return l->o->watch.stopping && l->o->watch.stopping(l->o->watch.context);
}

/* Before the loop: there is nothing to save. */
static int heed_stop(struct loop *l, struct diag *d) {
    struct rn_error e = {0};
    if (!asked_to_stop(l))
        return RN_OK;
    error_set(&e, RN_E_CANCELLED, "stopped before the first step");
    diag_add(d, &e);
    return RN_E_CANCELLED;
}

/* Changes of plugins that were accepted, by the step from which on they count. */
static void note_changes(struct loop *l) {
    const struct plugin_use *u = &l->setup->x->plugins;
    struct text value = {0};
    struct rn_error e;
    char key[40];
    for (uint32_t i = 0; i < u->change_count; i++)
        text_addf(&value, "%s\n", u->changes[i]);
    snprintf(key, sizeof key, "accepted_changes.%lld", (long long)l->at.step);
    if (u->change_count)
        record_note(l->record, key, text_get(&value), &e);
    text_finish(&value);
    stored_report_changes(l->setup, l->record);
}

static void notes(struct loop *l) {
    struct setup *s = l->setup;
    struct rn_error e;
    char text[64];
    record_note(l->record, "experiment", s->x->name, &e);
    record_note(l->record, "split_sha256", data_split_hash(s->data), &e);
    record_note(l->record, "content_sha256", data_content_hash(s->data), &e);
    record_note(l->record, "device", s->engine->info->name, &e);
    snprintf(text, sizeof text, "%llu",
             (unsigned long long)engine_parameters(s->engine));
    record_note(l->record, "parameters", text, &e);
    snprintf(text, sizeof text, "%llu", (unsigned long long)s->x->seed);
    record_note(l->record, "seed", text, &e);
    struct text plugins = {0};
    plugin_use_write(&s->x->plugins, &plugins);
    record_note(l->record, RECORD_PLUGINS, text_get(&plugins), &e);
    text_finish(&plugins);
    note_changes(l);
    const struct bound_components *lists[] = {&s->x->models,     &s->x->losses,
                                              &s->x->optimizers, &s->x->schedules,
                                              &s->x->metrics,    &s->x->hooks};
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++)
        for (uint32_t i = 0; i < lists[k]->count; i++) {
            const struct component *c = lists[k]->at[i].component;
            char key[200], value[400];
            snprintf(key, sizeof key, "component.%s", lists[k]->at[i].path);
            snprintf(value, sizeof value, "%s behaviour %d sha256 %s", c->name,
                     c->behaviour, c->sha256);
            record_note(l->record, key, value, &e);
        }
}

/* First lines of log.txt, of a run or of its resumption: what runs, on what, from what.
 */
static void log_begin(struct loop *l) {
    struct setup *s = l->setup;
    struct text t = {0}, data = {0};
    char date[32];
    struct tm utc;
    time_t now = clock_wall();
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    data_describe(s->data, &data);
    text_addf(&t, "%s %s %s on %s; %s; %llu parameters, %lld steps", date,
              l->o->resume ? "resumed" : "began", s->x->name, s->engine->info->name,
              text_get(&data), (unsigned long long)engine_parameters(s->engine),
              (long long)s->engine->length.total_steps);
    record_say(l->record, text_get(&t));
    text_finish(&t);
    text_finish(&data);
}

static int begin(struct loop *l, struct diag *d) {
    struct rn_error e = {0};
    struct text resolved = {0}, folder = {0};
    config_print(l->setup->x->config, false, &resolved);
    int status = experiment_output(l->setup->x, &folder, &e);
    if (status == RN_OK)
        status = record_create(text_get(&folder), l->setup->x->name,
                               config_source(l->setup->x->config), text_get(&resolved),
                               session_log(l->o->session), &l->record, &e);
    text_finish(&resolved);
    text_finish(&folder);
    if (status == RN_OK) {
        struct text split = {0};
        data_split_write(l->setup->data, &split);
        status =
            record_text(l->record, "split.txt", text_get(&split), split.length, &e);
        text_finish(&split);
    }
    const char *kernels = engine_kernels(l->engine);
    if (status == RN_OK && kernels && kernels[0])
        status = record_text(l->record, "kernels.txt", kernels, strlen(kernels), &e);
    monitor_reset(&l->monitors.best, 0);
    monitor_reset(&l->monitors.early, 0);
    if (status != RN_OK) {
        const struct node *output = node_find(l->setup->x->root, "output");
        diag_add(d, &e);
        if (output)
            diag_asked_by(d, output);
    }
    return status;
}

int run_check(struct setup *s, struct diag *d) {
    struct loop l = {
        .setup = s, .engine = s->engine, .evaluator = evaluator_create(s, s->arena)};
    int status = evaluator_check_names(l.evaluator, d);
    int other = loop_read_watches(&l, d);
    evaluator_destroy(l.evaluator);
    memory_release(l.known.at);
    return status ? status : other;
}

int run_train(const struct run_options *o, struct run_result *out, struct diag *d) {
    struct loop l = {.o = o, .saved_step = -1, .monitors = {.saved_best = -1}};
    struct rn_error e = {0};
    struct arena *a = arena_create();
    struct resume r = {0};
    struct setup_options so = {.session = o->session,
                               .file = o->file,
                               .override_count = o->override_count,
                               .overrides = o->overrides,
                               .use = ENGINE_TRAIN,
                               .host_extension = hooks_extension,
                               .host_context = &l,
                               .cancelled = asked_to_stop,
                               .cancel_context = &l};
    int status = o->resume ? resume_open(&l, a, &r, &so, d) : RN_OK;
    *out = (struct run_result){.arena = arena_create()};
    if (status == RN_OK)
        status = loop_open(&l, &so, d);
    if (status == RN_OK)
        status = heed_stop(&l, d);
    if (status == RN_OK)
        status = run_check(l.setup, d);
    if (status == RN_OK)
        status = setup_load(l.setup, d);
    if (status == RN_OK)
        status = heed_stop(&l, d);
    if (status == RN_OK) {
        l.evaluator = evaluator_create(l.setup, a);
        loop_prepare(&l);
        status = loop_read_watches(&l, d);
    }
    if (status == RN_OK && !o->resume)
        status = begin(&l, d);
    if (status == RN_OK && loop_open_loader(&l, &e) != RN_OK) {
        diag_add(d, &e);
        status = e.status;
    }
    if (status == RN_OK && o->resume)
        status = resume_state(&l, a, &r, d);
    resume_close(&r);
    if (status == RN_OK) {
        snprintf(out->folder, sizeof out->folder, "%s", record_folder(l.record));
        out->parameters = engine_parameters(l.setup->engine);
        record_on_ack(l.record, o->watch.ack, o->watch.context);
        notes(&l);
        log_begin(&l);
        status = loop_all(&l, out, &e);
        if (status != RN_OK)
            diag_place(d, l.setup->x->root, &e);
    }
    loader_close(l.loader);
    evaluator_destroy(l.evaluator);
    memory_release(l.metrics.at);
    memory_release(l.tested.at);
    memory_release(l.known.at);
    memory_release(l.hooks.docs);
    memory_release(l.hooks.owners);
    rn_workspace_finish(&l.hooks.work);
    setup_close(l.setup);
    record_close(l.record);
    arena_destroy(a);
    return status;
}

void run_result_finish(struct run_result *r) {
    memory_release(r->test.at);
    memory_release(r->val.metrics.at);
    memory_release(r->best.metrics.at);
    if (r->arena)
        arena_destroy(r->arena);
}

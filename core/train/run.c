/* SPDX-License-Identifier: Apache-2.0 */
/* A training run from opening to its last word. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "train/loop.h"

/* ------------------------------------------------------------- evaluation */

static int keep_tensor(void *context, const char *series, const char *doc,
                       const struct rn_tensor *value) {
    struct loop *l = context;
    struct rn_error e;
    return record_tensor(l->record, series, l->at.step, loop_epoch(l), value, doc, &e);
}

bool loop_is_better(double value, double best, int direction, double delta) {
    if (isnan(value))
        return false;
    return isnan(best) || (direction > 0 ? value - best > delta : best - value > delta);
}

static int save(struct loop *l, const char *name, bool current, struct rn_error *e) {
    char step_name[40];
    if (!name) {
        snprintf(step_name, sizeof step_name, "step-%08lld", (long long)l->at.step);
        name = step_name;
    }
    uint32_t keep = (uint32_t)experiment_int(l->s->x, "checkpoint.keep", 2);
    int status = record_sync(l->record, e);
    if (status == RN_OK)
        status = state_save(l->s, l->record, name, current, keep, &l->at, e);
    return status;
}

static int evaluate(struct loop *l, struct rn_error *e) {
    if (!data_rows(l->s->data, DATA_VAL))
        return RN_OK;
    l->s->whole = true; /* half an evaluation cannot be saved */
    int status = evaluator_run(l->evaluator, DATA_VAL, &l->metrics, keep_tensor, l, e);
    l->s->whole = false;
    for (uint32_t i = 0; i < l->metrics.count && status == RN_OK; i++)
        status = loop_scalar(l, l->metrics.at[i].name, l->metrics.at[i].value, e);
    if (status == RN_OK)
        status = loop_observe_schedules(l, e);
    const struct metric_value *m =
        l->monitor_early ? metric_find(&l->metrics, l->monitor_early) : NULL;
    if (m && status == RN_OK) {
        if (loop_is_better(m->value, l->at.early_best, l->better_early, l->min_delta)) {
            l->at.early_best = m->value;
            l->at.early_bad = 0;
        } else if (++l->at.early_bad >= l->patience) {
            l->stop = l->early = true;
            snprintf(l->stop_reason, sizeof l->stop_reason,
                     "%s has not become better for %lld evaluations", l->monitor_early,
                     (long long)l->patience);
        }
    }
    if (status == RN_OK)
        status = hooks_event(l, RN_EVENT_EVALUATED, e);
    m = l->monitor_best ? metric_find(&l->metrics, l->monitor_best) : NULL;
    if (m && status == RN_OK &&
        loop_is_better(m->value, l->at.best, l->better_best, 0.0)) {
        l->at.best = m->value;
        l->at.rows = record_rows(l->record);
        status = save(l, "best", false, e);
    }
    if (status == RN_OK)
        status = record_publish_soon(l->record, e);
    loop_log_metrics(l, &l->metrics);
    loop_tell(l, RUN_EVALUATED, loop_recent_loss(l), 0.0);
    return status;
}

/* ------------------------------------------------------------------- steps */

static int diverged(struct loop *l, double loss, double norm, struct rn_error *e) {
    char text[200], what[120];
    const struct programs *p = l->s->programs;
    l->at.skipped++;
    if (p->scaling.kind == SCALING_DYNAMIC && isfinite(loss) && !isfinite(norm))
        snprintf(what, sizeof what,
                 "loss %g, gradient norm %g at the smallest loss scale, %g", loss, norm,
                 p->scaling.least);
    else if (isfinite(loss) && isfinite(norm))
        snprintf(what, sizeof what, "a running statistic is not finite");
    else
        snprintf(what, sizeof what, "loss %g, gradient norm %g", loss, norm);
    if (p->nan_skip) {
        snprintf(text, sizeof text, "step %lld: %s: this update is left out",
                 (long long)l->at.step, what);
        if (l->at.skipped <= 10)
            loop_say(l, RN_LOG_WARNING, text);
        return RN_OK;
    }
    error_set(e, RN_E_DIVERGED, "step %lld: %s", (long long)l->at.step, what);
    return error_hint(e,
                      "nothing was updated; a smaller learning rate or train.clip.norm "
                      "may help; train.on_nan: skip leaves such steps out");
}

/* A run that leaves out every step of an epoch learns nothing: it has diverged. */
static int check_progress(const struct loop *l, struct rn_error *e) {
    const struct programs *p = l->s->programs;
    for (uint32_t o = 0; o < p->objective_count; o++) {
        const struct trainer *t = &l->s->trainers[o];
        if (!t->ran || t->skipped < t->ran)
            continue;
        error_set(e, RN_E_DIVERGED, "epoch %lld%s%s: all %lld updates were left out",
                  (long long)((l->at.step - 1) / l->s->steps_per_epoch + 1),
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

static int one_step(struct loop *l, struct rn_error *e) {
    struct batch b;
    struct step_result r;
    bool tapped = l->s->tap_count && hooks_due(l);
    int status = RN_OK;
    if (l->at.step % l->s->steps_per_epoch == 0)
        status = hooks_event(l, RN_EVENT_EPOCH_BEGIN, e);
    if (status == RN_OK)
        status = loader_next(l->loader, &b, e);
    if (status == RN_E_CANCELLED) { /* the step has not begun: the state is whole */
        l->stop = l->interrupted = true;
        return RN_OK;
    }
    if (status == RN_OK)
        status = loop_step(l, &b, tapped, &r, e);
    if (status != RN_OK)
        return status;
    if (tapped && r.ran)
        status = hooks_tapped(l, r.ran->program, e);
    if (status == RN_OK && r.overflowed)
        loop_log_overflow(l);
    if (status == RN_OK && !r.updated)
        status = diverged(l, r.loss, r.norm, e);
    if (status != RN_OK)
        return status;
    if (!r.empty) {
        l->last_loss = r.loss;
        l->last_norm = r.norm;
    }
    l->at.step++;
    l->at.loader = loader_tell(l->loader);
    l->rows_done += (double)b.rows;
    status = loop_record_step(l, &r, e);
    if (status == RN_OK)
        status = hooks_event(l, RN_EVENT_STEP_END, e);
    if (status == RN_OK && l->at.step % l->s->steps_per_epoch == 0)
        status = end_of_epoch(l, e);
    else if (status == RN_OK && l->at.step == l->s->total_steps)
        status = check_progress(l, e);
    loop_tell(l, RUN_STEPPED, r.empty ? NAN : r.loss, r.norm);
    return status;
}

/* stepped: a step has been made since the last call. */
static int between_steps(struct loop *l, bool stepped, struct rn_error *e) {
    bool end = l->at.step == l->s->total_steps;
    int status = RN_OK;
    if (stepped && ((l->eval_every && l->at.step % l->eval_every == 0) || end))
        status = evaluate(l, e);
    int wants = l->o->watch.wants ? l->o->watch.wants(l->o->watch.context) : RUN_GO_ON;
    if (wants == RUN_STOP)
        l->stop = l->interrupted = true;
    if (now_seconds() - l->began > l->max_seconds && !end) {
        l->stop = l->interrupted = true;
        snprintf(l->stop_reason, sizeof l->stop_reason, "train.max_time is over");
    }
    bool due = (l->save_every && l->at.step % l->save_every == 0) || end || l->stop ||
               wants == RUN_SAVE || l->save_now;
    l->save_now = false;
    l->at.rows = record_rows(l->record);
    if (status == RN_OK && due) {
        l->at.done = end || (l->stop && !l->interrupted);
        status = save(l, NULL, true, e);
        if (status == RN_OK)
            status = record_publish_soon(l->record, e);
    }
    return status;
}

/* ---------------------------------------------------------------- last words */

static int load_best(struct loop *l, struct rn_error *e) {
    struct checkpoint_file *f;
    char fell_back[200];
    if (!l->monitor_best || isnan(l->at.best))
        return RN_OK;
    int status = checkpoint_find(l->record, "best", &f, fell_back, sizeof fell_back, e);
    if (status == RN_OK)
        status = state_load(l->s, f, NULL, true, e);
    checkpoint_close(f);
    return status;
}

/* The test split, read once, with the best weights. */
static int test(struct loop *l, struct run_result *out, struct rn_error *e) {
    struct metric_list all = {0};
    bool never = strcmp(experiment_string(l->s->x, "train.test", "end"), "never") == 0;
    if (never || !data_rows(l->s->data, DATA_TEST))
        return RN_OK;
    int status = load_best(l, e);
    if (status == RN_OK)
        status = evaluator_run(l->evaluator, DATA_TEST, &all, keep_tensor, l, e);
    for (uint32_t i = 0; i < all.count && status == RN_OK; i++) {
        status = loop_scalar(l, all.at[i].name, all.at[i].value, e);
        struct metric_value m = all.at[i];
        m.name = arena_copy(out->arena, m.name);
        vec_push(out->test.at, out->test.count, out->test.capacity, m);
    }
    memory_release(all.at);
    l->metrics.count = 0;
    for (uint32_t i = 0; i < out->test.count; i++)
        vec_push(l->metrics.at, l->metrics.count, l->metrics.capacity, out->test.at[i]);
    loop_log_metrics(l, &l->metrics);
    if (status == RN_OK)
        loop_tell(l, RUN_TESTED, NAN, 0.0);
    return status;
}

/* A resumed run that had ended stays so, unless its file was changed: then only early
 * stopping may still hold. The test is made again, with the same result. */
static void already_over(struct loop *l) {
    if (l->monitor_early && l->at.early_bad >= l->patience) {
        l->stop = l->early = true;
        snprintf(l->stop_reason, sizeof l->stop_reason,
                 "%s has not become better for %lld evaluations", l->monitor_early,
                 (long long)l->at.early_bad);
    } else if (l->at.done && !l->o->override_count) {
        l->stop = true;
        snprintf(l->stop_reason, sizeof l->stop_reason,
                 "this run has ended; train.epochs=N or train.steps=N lets it go on");
    }
}

/* A step that was not finite has changed nothing, so the state before it is whole. */
static void save_before(struct loop *l) {
    struct rn_error e = {0};
    char line[120];
    if (l->at.step == 0 || l->s->programs->accumulate ||
        l->s->programs->objective_count > 1 || save(l, NULL, true, &e) != RN_OK)
        return;
    snprintf(line, sizeof line,
             "the state before this step is saved; runner resume RUN optimizer.lr=X "
             "goes on");
    loop_say(l, RN_LOG_INFO, line);
}

/* What the counter in the allocator has seen, beside what the plan said. */
static void note_memory(struct loop *l) {
    struct device_memory m = device_memory(l->s->device);
    struct rn_error e;
    char text[40];
    snprintf(text, sizeof text, "%llu", (unsigned long long)m.peak);
    record_note(l->record, "memory_peak", text, &e);
    snprintf(text, sizeof text, "%llu", (unsigned long long)m.pinned_peak);
    record_note(l->record, "pinned_memory_peak", text, &e);
}

static int loop_all(struct loop *l, struct run_result *out, struct rn_error *e) {
    struct stage *s = l->s;
    l->began = now_seconds();
    loop_tell(l, RUN_BEGAN, NAN, 0.0);
    int status = hooks_event(l, RN_EVENT_RUN_BEGIN, e);
    already_over(l);
    while (status == RN_OK && !l->stop && l->at.step < s->total_steps) {
        int64_t before = l->at.step;
        status = one_step(l, e);
        if (status == RN_OK)
            status = between_steps(l, l->at.step != before, e);
    }
    if (status == RN_OK && !l->interrupted)
        status = test(l, out, e);
    if (status == RN_E_CANCELLED) { /* all is saved; resume tests again */
        l->interrupted = true;
        status = RN_OK;
    }
    if (status == RN_OK)
        status = hooks_event(l, RN_EVENT_RUN_END, e);
    loop_log_overflows(l);
    if (l->stop_reason[0])
        loop_say(l, RN_LOG_INFO, l->stop_reason);
    if (status == RN_E_DIVERGED)
        save_before(l);
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
    out->seconds = now_seconds() - l->began;
    out->end = l->interrupted ? RUN_INTERRUPTED : l->early ? RUN_EARLY : RUN_DONE;
    out->step = l->at.step;
    l->interrupted = l->interrupted && status == RN_OK;
    loop_tell(l, RUN_ENDED, NAN, 0.0);
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

static void notes(struct loop *l) {
    struct stage *s = l->s;
    struct rn_error e;
    char text[64];
    record_note(l->record, "experiment", s->x->name, &e);
    record_note(l->record, "split_sha256", data_split_hash(s->data), &e);
    record_note(l->record, "content_sha256", data_content_hash(s->data), &e);
    record_note(l->record, "device", s->info->name, &e);
    snprintf(text, sizeof text, "%llu", (unsigned long long)stage_parameters(s));
    record_note(l->record, "parameters", text, &e);
    snprintf(text, sizeof text, "%llu", (unsigned long long)s->x->seed);
    record_note(l->record, "seed", text, &e);
    const struct parts *lists[] = {&s->x->models,    &s->x->losses,  &s->x->optimizers,
                                   &s->x->schedules, &s->x->metrics, &s->x->hooks};
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
    struct stage *s = l->s;
    struct text t = {0}, data = {0};
    char date[32];
    time_t now = time(NULL);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    data_describe(s->data, &data);
    text_addf(&t, "%s %s %s on %s; %s; %llu parameters, %lld steps", date,
              l->o->resume ? "resumed" : "began", s->x->name, s->info->name,
              text_get(&data), (unsigned long long)stage_parameters(s),
              (long long)s->total_steps);
    record_say(l->record, text_get(&t));
    text_finish(&t);
    text_finish(&data);
}

static int begin(struct loop *l, struct diag *d) {
    struct rn_error e = {0};
    struct text resolved = {0}, folder = {0};
    config_print(l->s->x->config, false, &resolved);
    int status = experiment_output(l->s->x, &folder, &e);
    if (status == RN_OK)
        status = record_create(text_get(&folder), l->s->x->name,
                               config_source(l->s->x->config), text_get(&resolved),
                               &l->record, &e);
    text_finish(&resolved);
    text_finish(&folder);
    if (status == RN_OK) {
        struct text split = {0};
        data_split_write(l->s->data, &split);
        status =
            record_text(l->record, "split.txt", text_get(&split), split.length, &e);
        text_finish(&split);
    }
    const char *kernels = stage_kernels(l->s);
    if (status == RN_OK && kernels && kernels[0])
        status = record_text(l->record, "kernels.txt", kernels, strlen(kernels), &e);
    l->at.best = l->at.early_best = NAN;
    if (status != RN_OK) {
        const struct node *output = node_find(l->s->x->root, "output");
        diag_add(d, &e);
        if (output)
            diag_asked_by(d, output);
    }
    return status;
}

static int go_on(struct loop *l, const struct checkpoint_file *f, struct diag *d) {
    struct rn_error e = {0};
    int status = state_load(l->s, f, &l->at, false, &e);
    if (status == RN_OK)
        status = record_rewind(l->record, l->at.step, l->at.rows, &e);
    if (status == RN_OK && l->o->override_count) {
        struct text resolved = {0};
        config_print(l->s->x->config, false, &resolved);
        status = record_config(l->record, text_get(&resolved), &e);
        text_finish(&resolved);
    }
    if (status == RN_OK)
        status = loader_seek(l->loader, l->at.loader, &e);
    if (status == RN_OK && l->fell_back) /* what is damaged shall not be met again */
        status = save(l, NULL, true, &e);
    if (status != RN_OK)
        diag_add(d, &e);
    return status;
}

/* What resume needs before the stage opens: the split and the fitted transforms. */
static int resume_point(struct loop *l, struct arena *a, const char *folder,
                        struct checkpoint_file **f, struct stage_options *so,
                        struct diag *d) {
    struct rn_error e = {0};
    char fell_back[300] = "";
    int status = record_open(folder, true, &l->record, &e);
    if (status == RN_OK)
        status = checkpoint_find(l->record, NULL, f, fell_back, sizeof fell_back, &e);
    if (status != RN_OK) {
        diag_add(d, &e);
        return status;
    }
    if (fell_back[0])
        loop_say(l, RN_LOG_WARNING, fell_back);
    l->fell_back = fell_back[0];
    const struct checkpoint_blob *split = checkpoint_blob(*f, "split");
    const struct checkpoint_blob *data = checkpoint_blob(*f, "data");
    if (split)
        so->stored_split = arena_copy_n(a, split->data, split->bytes);
    if (data)
        so->fitted = state_stream(a, data->data, data->bytes);
    so->file = arena_format(a, "%s/resolved.yaml", record_folder(l->record));
    so->kernels = record_text_read(l->record, "kernels.txt");
    return run_check_resolved(so->file, d);
}

int run_check(struct stage *s, struct diag *d) {
    struct loop l = {.s = s, .evaluator = evaluator_create(s, s->arena)};
    int status = evaluator_check_names(l.evaluator, d);
    int other = loop_read_watches(&l, d);
    evaluator_destroy(l.evaluator);
    return status ? status : other;
}

int run_train(const struct run_options *o, struct run_result *out, struct diag *d) {
    struct loop l = {.o = o};
    struct rn_error e = {0};
    struct arena *a = arena_create();
    struct checkpoint_file *f = NULL;
    struct stage_options so = {.session = o->session,
                               .file = o->file,
                               .override_count = o->override_count,
                               .overrides = o->overrides,
                               .use = STAGE_TRAIN,
                               .record_api = &hooks_record_api,
                               .record_context = &l,
                               .cancelled = asked_to_stop,
                               .cancel_context = &l};
    int status = o->resume ? resume_point(&l, a, o->resume, &f, &so, d) : RN_OK;
    *out = (struct run_result){.arena = arena_create()};
    if (status == RN_OK && !(l.s = stage_open(&so, d)))
        status = diag_status(d);
    if (status == RN_OK)
        status = heed_stop(&l, d);
    if (status == RN_OK)
        status = run_check(l.s, d);
    if (status == RN_OK)
        status = stage_load(l.s, d);
    if (status == RN_OK)
        status = heed_stop(&l, d);
    if (status == RN_OK) {
        l.evaluator = evaluator_create(l.s, a);
        loop_prepare(&l);
        status = loop_read_watches(&l, d);
    }
    if (status == RN_OK && !o->resume)
        status = begin(&l, d);
    if (status == RN_OK && loop_open_loader(&l, &e) != RN_OK) {
        diag_add(d, &e);
        status = e.status;
    }
    if (status == RN_OK && f)
        status = go_on(&l, f, d);
    checkpoint_close(f);
    if (status == RN_OK) {
        snprintf(out->folder, sizeof out->folder, "%s", record_folder(l.record));
        out->parameters = stage_parameters(l.s);
        record_on_ack(l.record, o->watch.ack, o->watch.context);
        notes(&l);
        log_begin(&l);
        status = loop_all(&l, out, &e);
        if (status != RN_OK)
            diag_add(d, &e);
    }
    loader_close(l.loader);
    evaluator_destroy(l.evaluator);
    memory_release(l.metrics.at);
    memory_release(l.docs);
    memory_release(l.owners);
    stage_close(l.s);
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

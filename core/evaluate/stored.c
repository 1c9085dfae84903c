/* SPDX-License-Identifier: Apache-2.0 */
/* A trained network used: evaluated on a split, asked for predictions. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "evaluate/stored.h"

struct use {
    struct arena *a;
    struct log *log; /* of the session */
    struct record *record;
    struct checkpoint_file *file;
    struct recorded_plugins plugins;
    struct setup *s;
    enum stored_parameters used;
};

int stored_plugins(struct record *record, struct arena *a, const char *const *accepted,
                   uint32_t accepted_count, struct recorded_plugins *r,
                   struct rn_error *e) {
    const char *text = NULL;
    *r = (struct recorded_plugins){.accepted = accepted,
                                   .accepted_count = accepted_count};
    int status = record_note_read(record, RECORD_PLUGINS, &text, e);
    if (status == RN_OK && text)
        status = identities_read(a, text, &r->then, e);
    return status ? status : recorded_plugins_check(r, e);
}

void stored_report_changes(const struct setup *s, struct record *record) {
    const struct plugin_use *u = &s->x->plugins;
    for (uint32_t i = 0; i < u->change_count; i++) {
        log_say(session_log(s->session), RN_LOG_WARNING, "%s", u->changes[i]);
        record_say(record, u->changes[i]);
    }
}

int validate_resolved_yaml(const char *file, struct diag *d) {
    uint32_t before = diag_count(d);
    config_destroy(config_load(file, 0, NULL, d));
    if (diag_count(d) == before)
        return RN_OK;
    diag_restate(d, RN_E_CHECKPOINT);
    return RN_E_CHECKPOINT;
}

/* The newest stands in for best.h5, which cannot be read: is there, or should there be,
 * one? */
static void warn_best(const struct use *u, const char *message) {
    struct rn_error why = {0};
    const char *best =
        arena_format(u->a, "%s/checkpoints/best.h5", record_folder(u->record));
    if (access(best, F_OK) != 0) {
        if (checkpoint_best_check(u->record, checkpoint_get(u->file), &why) == RN_OK)
            return;
        message = why.message;
    }
    log_say(u->log, RN_LOG_WARNING, "%s; the newest is used in place of the best",
            message);
}

static int find_checkpoint(struct use *u, const struct stored_options *o,
                           struct rn_error *e) {
    char fell_back[300];
    if (o->checkpoint && strchr(o->checkpoint, '/'))
        return checkpoint_read(o->checkpoint, &u->file, e);
    if (o->checkpoint)
        return checkpoint_find(u->record, o->checkpoint, &u->file, fell_back,
                               sizeof fell_back, e);
    struct rn_error best = {0};
    if (!o->newest && checkpoint_find(u->record, "best", &u->file, fell_back,
                                      sizeof fell_back, &best) == RN_OK)
        return RN_OK;
    int status =
        checkpoint_find(u->record, NULL, &u->file, fell_back, sizeof fell_back, e);
    if (status == RN_OK && fell_back[0])
        log_say(u->log, RN_LOG_WARNING, "%s", fell_back);
    if (status == RN_OK && !o->newest)
        warn_best(u, best.message);
    return status;
}

/* The averages of the checkpoint in place of the parameters, or the parameters as
 * training has them; where both are there, which of them is said. */
static int load_parameters(struct use *u, const struct stored_options *o,
                           struct rn_error *e) {
    const struct checkpoint *c = checkpoint_get(u->file);
    struct stored_averages a = engine_stored_averages(c);
    int status = engine_load_weights(u->s->engine, c, e);
    if (status != RN_OK || !a.updates)
        return status;
    u->used = o->raw_parameters ? STORED_RAW : STORED_AVERAGE;
    if (o->raw_parameters) {
        log_say(u->log, RN_LOG_INFO, "parameters: as training has them after step %lld",
                (long long)c->step);
        return RN_OK;
    }
    if (a.stale) {
        error_set(e, RN_E_CHECKPOINT,
                  "the checkpoint of step %lld has averages without running statistics "
                  "of theirs: the run was stopped before they were computed",
                  (long long)c->step);
        return error_hint(e, "`runner resume RUN` computes them; --raw-parameters uses "
                             "the parameters that training has");
    }
    log_say(
        u->log, RN_LOG_INFO,
        "parameters: averages after step %lld (%lld updates); --raw-parameters uses "
        "those that training has",
        (long long)c->step, (long long)a.updates);
    return engine_load_averages(u->s->engine, c, e);
}

static int use_open(struct use *u, const struct stored_options *o, enum engine_use use,
                    struct diag *d) {
    struct rn_error e = {0};
    u->a = arena_create();
    u->log = session_log(o->session);
    int status = record_open(o->folder, false, u->log, &u->record, &e);
    if (status == RN_OK)
        status = find_checkpoint(u, o, &e);
    if (status == RN_OK)
        status = stored_plugins(u->record, u->a, o->accepted, o->accepted_count,
                                &u->plugins, &e);
    if (status != RN_OK) {
        diag_add(d, &e);
        return status;
    }
    const struct checkpoint_blob *split = checkpoint_blob(u->file, "split");
    const struct checkpoint_blob *data = checkpoint_blob(u->file, "data");
    struct setup_options so = {
        .session = o->session,
        .file = arena_format(u->a, "%s/resolved.yaml", record_folder(u->record)),
        .override_count = o->override_count,
        .overrides = o->overrides,
        .recorded = &u->plugins,
        .use = use,
        .data_override = o->data,
        .divided = o->only != NULL,
        .kernels = record_text_read(u->record, "kernels.txt"),
        .stored_split = split ? arena_copy_n(u->a, split->data, split->bytes) : NULL,
        .fitted = data ? data->data : NULL,
        .fitted_bytes = data ? data->bytes : 0};
    status = validate_resolved_yaml(so.file, d);
    if (status != RN_OK)
        return status;
    u->s = setup_open(&so, d);
    if (!u->s)
        return diag_status(d);
    stored_report_changes(u->s, u->record);
    status = setup_load(u->s, d);
    if (status == RN_OK && load_parameters(u, o, &e) != RN_OK) {
        diag_add(d, &e);
        status = e.status;
    }
    return status;
}

static void use_close(struct use *u) {
    setup_close(u->s);
    checkpoint_close(u->file);
    record_close(u->record);
    if (u->a)
        arena_destroy(u->a);
}

/* DATA_SPLITS: there is none of this name. */
static enum data_split_kind split_named(const char *name) {
    int i = 0;
    while (i < DATA_SPLITS && strcmp(data_split_name((enum data_split_kind)i), name))
        i++;
    return (enum data_split_kind)i;
}

int stored_eval(const struct stored_options *o, struct arena *a,
                struct metric_list *out, enum stored_parameters *used, struct diag *d) {
    struct use u = {0};
    struct rn_error e = {0};
    int status = use_open(&u, o, ENGINE_EVAL, d);
    if (status == RN_OK) {
        enum data_split_kind split = split_named(o->split);
        if (split == DATA_SPLITS || !data_rows(u.s->data, split)) {
            status = error_set(&e, RN_E_CONFIG, "the experiment has no split '%s'",
                               o->split);
            error_hint(&e, "train, val or test, as data.split makes them");
        } else {
            struct evaluator *v = evaluator_create(u.s, a);
            status = evaluator_run(v, split, out, NULL, NULL, &e);
            evaluator_destroy(v);
        }
        if (status != RN_OK)
            diag_add(d, &e);
    }
    *used = u.used;
    use_close(&u);
    return status;
}

struct outputs {
    const char **names;
    struct rn_tensor *values;
    uint32_t count;
};

static int collect(struct use *u, struct program_variant *p, struct outputs *out,
                   struct rn_error *e) {
    if (!out->names) {
        uint32_t max_outputs = 0;
        for (uint32_t k = 0; k < u->s->engine->eval_count; k++)
            max_outputs = u->s->engine->evals[k].plan->base_count > max_outputs
                              ? u->s->engine->evals[k].plan->base_count
                              : max_outputs;
        out->names = arena_array(u->a, const char *, max_outputs + 1);
        out->values = arena_array(u->a, struct rn_tensor, max_outputs + 1);
    }
    out->count = 0;
    for (uint32_t i = 0; i < p->plan->base_count; i++) {
        const struct plan_base *b = &p->plan->bases[i];
        if (b->kind != BASE_OUTPUT)
            continue;
        const void *data =
            program_output(p->program, program_output_index(p->program, b->name), e);
        if (!data)
            return e->status ? e->status : RN_E_INTERNAL;
        out->names[out->count] = b->name + (strncmp(b->name, "out.", 4) == 0 ? 4 : 0);
        out->values[out->count++] = (struct rn_tensor){
            (void *)(uintptr_t)data, b->shape, NULL, b->dtype, b->rank};
    }
    return RN_OK;
}

int stored_predict(const struct stored_options *o,
                   int (*batch)(void *context, uint64_t rows, const int64_t *ids,
                                uint32_t n, const char *const *names,
                                const struct rn_tensor *values),
                   void *context, struct diag *d) {
    struct use u = {0};
    struct rn_error e = {0};
    struct loader *loader = NULL;
    int status = use_open(&u, o, ENGINE_PREDICT, d);
    if (status != RN_OK) {
        use_close(&u);
        return status;
    }
    if (o->content)
        snprintf(o->content, 65, "%s", data_content_hash(u.s->data));
    struct loader_options lo = {.split = o->only ? split_named(o->only) : DATA_TEST,
                                .batch = (uint64_t)u.s->eval_batch,
                                .workers = data_workers(u.s->data) ? 1 : 0};
    if (o->only && !data_rows(u.s->data, lo.split)) {
        use_close(&u);
        return RN_OK;
    }
    status = loader_open(u.s->data, &lo, &loader, &e);
    struct outputs out = {0};
    uint64_t n = status == RN_OK ? loader_batches(loader) : 0;
    for (uint64_t i = 0; i < n && status == RN_OK; i++) {
        struct batch b;
        struct program_variant *p = NULL;
        status = loader_next(loader, &b, &e);
        if (status == RN_OK)
            p = variant_of_rows(u.s->engine->evals, u.s->engine->eval_count,
                                (int64_t)b.rows);
        if (status == RN_OK)
            status = setup_feed(u.s, p, &b, 0, &e);
        if (status == RN_OK) {
            engine_scalars(u.s->engine, p, 0, (int64_t)(i * (uint64_t)u.s->eval_batch));
            status = program_run(p->program, &e);
        }
        if (status == RN_OK)
            status = collect(&u, p, &out, &e);
        if (status == RN_OK &&
            batch(context, b.rows, b.ids, out.count, out.names, out.values) != 0)
            status = error_set(&e, RN_E_IO, "the predictions cannot be written");
    }
    if (status != RN_OK)
        diag_add(d, &e);
    loader_close(loader);
    use_close(&u);
    return status;
}

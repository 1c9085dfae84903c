/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the stage: data, components, programs, plans. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <unistd.h>

#include "base/log.h"
#include "train/stage.h"
#include "train/state.h"

/* ---------------------------------------------- what the host offers to parts */

static struct stage *stage_of(struct rn_host *h) {
    return instance_context(h);
}

static int32_t duration_steps(struct rn_host *h, const char *duration, int64_t *steps) {
    struct stage *s = stage_of(h);
    struct rn_error e;
    int status = live_duration(duration, s->total_steps, s->steps_per_epoch, steps, &e);
    if (status != RN_OK)
        h->api->report(h, &e);
    return status;
}

static const struct rn_duration_api duration_api = {sizeof(struct rn_duration_api), 0,
                                                    duration_steps};

static const void *extension(void *context, struct instance *i, const char *id) {
    const struct stage *s = context;
    (void)i;
    if (strcmp(id, "runner.duration/1") == 0)
        return &duration_api;
    if (strcmp(id, "runner.record/1") == 0)
        return s->record_api;
    if (strcmp(id, RN_EXT_SAMPLES) == 0)
        return stage_samples(s);
    return NULL;
}

static int cancelled(void *context) {
    const struct stage *s = context;
    return s->cancelled ? s->cancelled(s->cancel_context) : 0;
}

/* ----------------------------------------------------------------- lengths */

static void read_lengths(struct stage *s) {
    struct experiment *x = s->x;
    int64_t rows = (int64_t)data_rows(s->data, DATA_TRAIN);
    int64_t big;
    s->batch = (int64_t)data_batch(s->data);
    s->eval_batch = (int64_t)data_eval_batch(s->data);
    s->accumulate = experiment_int(x, "train.accumulate", 1);
    if (s->use != STAGE_TRAIN) {
        s->steps_per_epoch = s->epochs = s->total_steps = 1;
        return;
    }
    if (rows && s->batch > rows) {
        log_say(RN_LOG_WARNING,
                "data.batch is %lld, the training split has %lld rows: "
                "each step takes them all",
                (long long)s->batch, (long long)rows);
        s->batch = rows;
    }
    big = s->batch * s->accumulate;
    s->steps_per_epoch = (rows + big - 1) / big;
    const struct node *steps = node_at(x->root, "train.steps");
    if (steps) { /* else epochs: one of them is there (experiment_read) */
        s->total_steps = node_int(steps);
        s->epochs = (s->total_steps + s->steps_per_epoch - 1) / s->steps_per_epoch;
    } else {
        s->epochs = experiment_int(x, "train.epochs", 1);
        s->total_steps = s->epochs * s->steps_per_epoch;
    }
}

/* A loss of the batch as a whole depends on which rows are together: its evaluation is
 * over batches as training has them, of data.batch rows, whatever data.eval_batch is.
 */
static void read_eval_batch(struct stage *s) {
    const struct parts *losses = &s->x->losses;
    for (uint32_t i = 0; i < losses->count && s->use != STAGE_PREDICT; i++)
        if (strcmp(network_loss_scope(&losses->at[i]), "batch") == 0)
            s->eval_batch = (int64_t)data_batch(s->data);
}

static void read_fields(struct stage *s) {
    uint32_t n = data_field_count(s->data);
    s->fields = arena_array(s->arena, struct network_field, n + 1);
    s->field_index = arena_array(s->arena, uint32_t, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const struct data_field *f = data_field_at(s->data, i);
        if (f->text)
            continue;
        struct network_field *out = &s->fields[s->field_count];
        *out = (struct network_field){f->name, f->dtype, f->rank, {0}};
        memcpy(out->shape, f->shape, sizeof out->shape);
        s->field_index[s->field_count++] = i;
    }
}

/* ------------------------------------------------------------------- plans */

static int make_plan(struct stage *s, struct graph *g, int64_t rows, struct shaped *out,
                     struct diag *d) {
    const struct part *b = &s->x->backend;
    struct plan_options o = {b->component->iface,
                             instance_self(b->instance),
                             true,
                             true,
                             s->info->image_block,
                             s->info->reduces != 0,
                             s->info->threads};
    struct rn_error e = {0};
    out->rows = rows;
    out->described = g;
    g = graph_fold(g, s->arena, &e);
    if (g && s->x->precision != RN_F32)
        g = graph_precision(g, s->arena, s->x->precision, &e);
    if (!g || plan_make(g, s->arena, &o, &out->plan, &e) != RN_OK) {
        diag_add(d, &e);
        return e.status;
    }
    return RN_OK;
}

/* Does the hook look at this path? `at:` names it, or a layer above it. */
static bool aims_at(const struct part *hook, const char *path, bool *used) {
    const struct node *at = node_find(hook->node, "at");
    uint32_t n = !at ? 0 : node_kind(at) == NODE_LIST ? node_count(at) : 1;
    bool yes = !at;
    for (uint32_t i = 0; i < n; i++) {
        const struct node *word = node_kind(at) == NODE_LIST ? node_item(at, i) : at;
        if (!pattern_covers(node_raw(word), path))
            continue;
        yes = true;
        if (used)
            used[i] = true;
    }
    return yes;
}

static int tap_point(void *context, struct graph *g, const struct rn_point *point) {
    struct stage *s = context;
    for (uint32_t i = 0; i < s->x->hooks.count; i++) {
        const struct part *part = &s->x->hooks.at[i];
        const struct rn_hook *hook = part->component->iface;
        /* One error is enough: the next points would have it too. */
        if (!hook->tap || diag_count(s->tap_errors) ||
            !aims_at(part, point->path, NULL))
            continue;
        struct builder_options bo = {.graph = g,
                                     .host = instance_host(part->instance),
                                     .is_live = instance_is_live,
                                     .component = part->path,
                                     .scope = part->path,
                                     .phase = RN_PHASE_TRAIN};
        struct builder *b = builder_create(&bo);
        instance_watch(part->instance);
        int32_t taken = hook->tap(instance_self(part->instance), builder_api(b), point);
        struct rn_error e = {0};
        int status = builder_finish(b, taken < 0 ? taken : RN_OK, &e);
        if (status == RN_OK)
            status = instance_fault(part->instance, &e);
        if (status != RN_OK) {
            error_context(&e, "tap of %s", point->path);
            part_error(s->tap_errors, part, &e);
            return status;
        }
        if (taken == 0)
            continue;
        struct tap *known = NULL;
        for (uint32_t k = 0; k < s->tap_count && !known; k++)
            if (s->taps[k].hook == i && s->taps[k].kind == point->kind &&
                strcmp(s->taps[k].path, point->path) == 0)
                known = &s->taps[k];
        if (!known) {
            struct tap t = {.hook = i,
                            .kind = point->kind,
                            .path = arena_copy(s->arena, point->path),
                            .op = arena_copy(s->arena, point->op),
                            .output_count = builder_output_count(b)};
            t.outputs = arena_array(s->arena, const char *, t.output_count + 1);
            for (uint32_t k = 0; k < t.output_count; k++)
                t.outputs[k] = arena_copy(s->arena, builder_output_name(b, k));
            t.values = arena_array(s->arena, struct rn_tensor, t.output_count + 1);
            t.shapes =
                arena_get(s->arena, memory_mul(t.output_count + 1, sizeof *t.shapes));
            snprintf(t.prefix, sizeof t.prefix, "tap%u", s->tap_count);
            vec_push(s->taps, s->tap_count, s->tap_capacity, t);
            known = &s->taps[s->tap_count - 1];
        }
        for (uint32_t k = 0; k < known->output_count; k++) {
            rn_value v = builder_output(b, known->outputs[k]);
            if (v)
                graph_output(
                    g,
                    arena_format(s->arena, "%s.%s", known->prefix, known->outputs[k]),
                    v, &e);
        }
    }
    return RN_OK;
}

/* A word of `at:` that names no layer and no parameter is a mistake. */
static int check_aims(struct stage *s, struct diag *d) {
    const struct graph *g = s->trainers ? s->trainers[0].step[0].described : NULL;
    int status = RN_OK;
    for (uint32_t i = 0; g && i < s->x->hooks.count; i++) {
        const struct part *part = &s->x->hooks.at[i];
        const struct node *at = node_find(part->node, "at");
        uint32_t n = !at ? 0 : node_kind(at) == NODE_LIST ? node_count(at) : 1;
        bool *used = arena_array(s->arena, bool, n + 1);
        for (uint32_t k = 0; at && k < g->node_count; k++)
            aims_at(part, g->nodes[k].scope, used);
        for (uint32_t k = 0; at && k < variables_count(s->programs->variables); k++)
            aims_at(part, variables_at(s->programs->variables, k)->name, used);
        for (uint32_t k = 0; k < n; k++) {
            if (used[k])
                continue;
            const struct node *word =
                node_kind(at) == NODE_LIST ? node_item(at, k) : at;
            struct text all = {0};
            for (uint32_t v = 0; v < g->node_count && all.length < 400; v++) {
                const char *scope = g->nodes[v].scope;
                if (strncmp(scope, "model", 5) == 0 &&
                    (!v || strcmp(scope, g->nodes[v - 1].scope) != 0) &&
                    !strstr(text_get(&all), scope))
                    text_addf(&all, "%s%s", all.length ? ", " : "", scope);
            }
            status = node_error(d, word, false, RN_E_CONFIG, "no layer matches '%s'",
                                node_raw(word));
            diag_hint(d, "there are: %s", text_get(&all));
            text_finish(&all);
        }
    }
    return status;
}

static bool any_taps(const struct stage *s) {
    for (uint32_t i = 0; i < s->x->hooks.count; i++) {
        const struct rn_hook *hook = s->x->hooks.at[i].component->iface;
        if (hook->tap && hook->tapped)
            return true;
    }
    return false;
}

/* Rows of the programs of a step: full, and what the last batch leaves over. */
static uint32_t step_rows(const struct stage *s, int64_t rows[2]) {
    int64_t total = (int64_t)data_rows(s->data, DATA_TRAIN);
    rows[0] = s->batch;
    rows[1] = total % s->batch;
    return rows[1] ? 2 : 1;
}

static int plan_training(struct stage *s, struct diag *d) {
    struct programs *p = s->programs;
    int64_t rows[2];
    uint32_t n = step_rows(s, rows);
    int status = RN_OK;
    if (p->accumulate && any_taps(s))
        log_say(RN_LOG_WARNING, "hooks: steps that accumulate are not looked into: no "
                                "statistics of activations, gradients and weights");
    s->trainers = arena_array(s->arena, struct trainer, p->objective_count);
    for (uint32_t o = 0; o < p->objective_count && status == RN_OK; o++) {
        struct trainer *t = &s->trainers[o];
        struct graph *g;
        bool weighted = false;
        t->count = n;
        means_init(&t->of_row, s->arena, s->x->losses.count);
        means_init(&t->of_epoch, s->arena, s->x->losses.count);
        t->step = arena_array(s->arena, struct shaped, n);
        if (p->accumulate)
            status = programs_weighted(p, o, &weighted, d);
        for (uint32_t i = 0; i < n && status == RN_OK; i++) {
            status =
                (p->accumulate ? programs_grad : programs_train)(p, o, rows[i], &g, d);
            if (status == RN_OK)
                status = make_plan(s, g, rows[i], &t->step[i], d);
        }
        if (o == 0 && !p->accumulate && status == RN_OK && any_taps(s)) {
            t->tapped = arena_array(s->arena, struct shaped, n);
            uint32_t before = diag_count(d);
            p->tap = tap_point;
            p->tap_context = s;
            s->tap_errors = d;
            for (uint32_t i = 0; i < n && status == RN_OK; i++) {
                status = programs_train(p, o, rows[i], &g, d);
                if (status == RN_OK)
                    status = make_plan(s, g, rows[i], &t->tapped[i], d);
            }
            p->tap = NULL;
            if (status == RN_OK && diag_count(d) > before)
                status = diag_status(d);
        }
        if (weighted && status == RN_OK) {
            t->weights = arena_array(s->arena, struct shaped, n);
            for (uint32_t i = 0; i < n && status == RN_OK; i++) {
                status = programs_weights(p, o, rows[i], &g, d);
                if (status == RN_OK)
                    status = make_plan(s, g, rows[i], &t->weights[i], d);
            }
        }
        if (p->accumulate && status == RN_OK) {
            status = programs_apply(p, o, &g, d);
            if (status == RN_OK)
                status = make_plan(s, g, 0, &t->apply, d);
        }
    }
    return status;
}

/* Batches that evaluation meets: full ones and the rests of the splits. */
static int plan_evaluation(struct stage *s, struct diag *d) {
    int64_t rows[2 + DATA_SPLITS];
    uint32_t n = 0;
    for (int k = 0; k < DATA_SPLITS; k++) {
        int64_t total = (int64_t)data_rows(s->data, (enum data_split_kind)k);
        int64_t both[2] = {total >= s->eval_batch ? s->eval_batch : 0,
                           total % s->eval_batch};
        if (k == DATA_TRAIN && s->use == STAGE_TRAIN)
            continue;
        for (int i = 0; i < 2; i++) {
            bool have = both[i] == 0;
            for (uint32_t j = 0; j < n; j++)
                have |= rows[j] == both[i];
            if (!have)
                rows[n++] = both[i];
        }
    }
    s->evals = arena_array(s->arena, struct shaped, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        struct graph *g;
        int status = (s->use == STAGE_PREDICT ? programs_predict : programs_eval)(
            s->programs, rows[i], &g, d);
        if (status == RN_OK)
            status = make_plan(s, g, rows[i], &s->evals[s->eval_count], d);
        if (status != RN_OK)
            return status;
        s->eval_count++;
    }
    return RN_OK;
}

/* -------------------------------------------------------------------- open */

static struct rn_stream *fitted_stream(struct stage *s, const struct stage_options *o) {
    return state_stream(s->arena, o->fitted, o->fitted_bytes);
}

static int open_data(struct stage *s, const struct stage_options *o,
                     const struct instance_services *services, struct diag *d) {
    struct rn_error e = {0};
    struct data_options data = {
        .session = o->session,
        .config = s->x->config,
        .data = node_find(s->x->root, "data"),
        .augment = node_find(s->x->root, "augment"),
        .services = services,
        .seed = s->x->seed,
        .mode = o->use == STAGE_PREDICT ? DATA_FOR_PREDICTION : DATA_FOR_TRAINING,
        .stored_split = o->use == STAGE_PREDICT ? NULL : o->stored_split};
    struct data_schema schema;
    int status = RN_OK;
    if (o->use == STAGE_PREDICT) {
        data.schema = &schema;
        status = o->fitted
                     ? data_schema_read(s->arena, fitted_stream(s, o), &schema, &e)
                     : error_set(&e, RN_E_CHECKPOINT,
                                 "the checkpoint does not hold the state of the "
                                 "data");
    }
    if (status != RN_OK)
        return diag_place(d, s->x->root, &e);
    s->data = data_open(&data, d);
    if (!s->data)
        return diag_status(d);
    status =
        o->fitted ? data_load(s->data, fitted_stream(s, o), &e) : data_fit(s->data, &e);
    if (status == RN_OK && o->use != STAGE_PREDICT)
        status = data_check(s->data, &e);
    if (status != RN_OK)
        diag_place(d, s->x->root, &e);
    else if (o->use == STAGE_TRAIN && !data_rows(s->data, DATA_TRAIN))
        status = node_error(d, data.data, false, RN_E_DATA,
                            "the training split has no rows");
    return status;
}

/* A value of YAML that is this text, whatever is in it. */
static const char *quoted_value(struct arena *a, const char *s) {
    char *out = arena_get(a, 3 * strlen(s) + 3), *p = out;
    *p++ = '\'';
    for (; *s; s++) {
        if (*s == '\'' || (*s == '$' && s[1] == '{'))
            *p++ = *s;
        *p++ = *s;
    }
    *p++ = '\'';
    *p = '\0';
    return out;
}

/* Predicting from another file: the source's first option of type path. */
static const char *source_override(struct stage *s, const char *file) {
    const char *key = node_at(s->x->root, "data.source") ? "data.source" : "data.test";
    const struct node *source = node_at(s->x->root, key);
    const struct node *type = source ? node_find(source, "type") : NULL;
    struct rn_error e;
    const struct component *c =
        type ? session_find(s->session, "source", node_string(type), &e) : NULL;
    for (uint32_t i = 0; c && i < schema_count(c->schema); i++) {
        struct option_info info = schema_option(c->schema, i);
        if (strcmp(info.type, "path") == 0)
            return arena_format(s->arena, "%s.%s=%s", key, info.name,
                                quoted_value(s->arena, file));
    }
    return NULL;
}

static struct experiment *
open_experiment(struct stage *s, const struct stage_options *o, struct diag *d) {
    s->x = experiment_open(o->session, o->file, o->override_count, o->overrides, d);
    if (!s->x || !o->data_override)
        return s->x;
    const char *extra = source_override(s, o->data_override);
    if (!extra) {
        node_error(d, s->x->root, false, RN_E_CONFIG,
                   "this experiment's source reads no file that could be another");
        return NULL;
    }
    const char **all = arena_array(s->arena, const char *, o->override_count + 2);
    for (uint32_t i = 0; i < o->override_count; i++)
        all[i] = o->overrides[i];
    all[o->override_count] = extra;
    experiment_close(s->x);
    return s->x = experiment_open(o->session, o->file, o->override_count + 1, all, d);
}

/* To predict, only what the network reads is read, and all of it is tried before the
 * first row is written. */
static int restrict_data(struct stage *s, struct diag *d) {
    uint32_t n = data_field_count(s->data);
    bool *wanted = arena_array(s->arena, bool, n + 1);
    struct rn_error e = {0};
    for (uint32_t k = 0; k < s->eval_count; k++) {
        const struct plan *p = s->evals[k].plan;
        for (uint32_t i = 0; i < p->base_count; i++)
            for (uint32_t f = 0; f < n && p->bases[i].kind == BASE_INPUT; f++)
                wanted[f] |=
                    strncmp(p->bases[i].name, "data.", 5) == 0 &&
                    strcmp(p->bases[i].name + 5, data_field_at(s->data, f)->name) == 0;
    }
    data_restrict(s->data, wanted);
    if (data_check(s->data, &e) == RN_OK)
        return s->eval_count ? stage_check_labels(s, s->evals[0].described, d) : RN_OK;
    return diag_place(d, s->x->root, &e);
}

/* The labels of an evaluation, also where none will be. */
static int check_labels(struct stage *s, struct diag *d) {
    struct graph *g;
    int64_t rows =
        s->eval_count ? (int64_t)s->evals[0].rows : (int64_t)data_batch(s->data);
    if (s->use == STAGE_PREDICT)
        return restrict_data(s, d);
    int status = programs_eval(s->programs, rows, &g, d);
    return status ? status : stage_check_labels(s, g, d);
}

/* What the words of the file will not do here. */
static void say_precision(const struct stage *s) {
    rn_dtype t = s->x->precision;
    const char *word = t == RN_BF16 ? "bf16" : "f16";
    bool fast = t == RN_BF16 ? s->info->fast_bf16 : s->info->fast_f16;
    if (t != RN_F32 && !fast)
        log_say(
            RN_LOG_WARNING,
            "precision: %s has no hardware support on %s: products are computed in "
            "f32, and a step is slower than with precision: f32 (`runner plan` shows "
            "the cost)",
            word, s->info->name);
    if (t != RN_F16 && s->use == STAGE_TRAIN && node_at(s->x->root, "train.loss_scale"))
        log_say(RN_LOG_WARNING, "train.loss_scale: without precision: f16 nothing is "
                                "scaled");
}

struct stage *stage_open(const struct stage_options *o, struct diag *d) {
    struct arena *a = arena_create();
    struct stage *s = arena_new(a, struct stage);
    struct rn_error e = {0};
    s->arena = a;
    s->use = o->use;
    s->session = o->session;
    s->record_api = o->record_api;
    s->record_context = o->record_context;
    s->cancelled = o->cancelled;
    s->cancel_context = o->cancel_context;
    if (!open_experiment(s, o, d))
        goto failed;
    s->x->services = (struct instance_services){extension, cancelled, s};
    s->x->run = s;
    if (open_data(s, o, &s->x->services, d) != RN_OK)
        goto failed;
    read_lengths(s);
    read_fields(s);
    experiment_open_parts(s->x, d);
    if (diag_count(d))
        goto failed;
    read_eval_batch(s);
    const struct rn_backend *b = s->x->backend.component->iface;
    s->device_text.struct_size = sizeof s->device_text;
    if (b->info(instance_self(s->x->backend.instance), &s->device_text, &e) != RN_OK) {
        diag_add(d, &e);
        goto failed;
    }
    s->info = &s->device_text;
    if (resident_choose(s, d) != RN_OK)
        goto failed;
    int64_t rows = s->batch;
    if (s->use != STAGE_TRAIN) {
        rows =
            (int64_t)data_rows(s->data, s->use == STAGE_PREDICT ? DATA_TEST : DATA_VAL);
        rows = rows > 0 && rows < s->eval_batch ? rows : s->eval_batch;
    }
    if (programs_create(s->x, a, s->field_count, s->fields, rows, &s->resident,
                        s->use == STAGE_TRAIN, &s->programs, d) == RN_OK &&
        s->use == STAGE_TRAIN)
        stage_check_inits(s, d);
    live_create(s->x, s->total_steps, s->steps_per_epoch, &s->live, d);
    if (diag_count(d))
        goto failed;
    say_precision(s);
    if (o->kernels && RN_HAS(b, struct rn_backend, choose) && b->choose &&
        b->choose(instance_self(s->x->backend.instance), o->kernels, &e) != RN_OK) {
        diag_add(d, &e);
        goto failed;
    }
    if ((s->use == STAGE_TRAIN &&
         (plan_training(s, d) != RN_OK || stage_check_norms(s, d) != RN_OK)) ||
        plan_evaluation(s, d) != RN_OK)
        goto failed;
    if (check_aims(s, d) != RN_OK || check_labels(s, d) != RN_OK)
        goto failed;
    return s;
failed:
    stage_close(s);
    return NULL;
}

const char *stage_kernels(const struct stage *s) {
    const struct rn_backend *b = s->x->backend.component->iface;
    const char *text = NULL;
    struct rn_error e = {0};
    if (!RN_HAS(b, struct rn_backend, choices) || !b->choices ||
        b->choices(instance_self(s->x->backend.instance), &text, &e) != RN_OK)
        return NULL;
    return text;
}

void stage_close(struct stage *s) {
    if (!s)
        return;
    device_close(s->device);
    memory_release(s->live.at);
    memory_release(s->taps);
    data_close(s->data);
    experiment_close(s->x);
    arena_destroy(s->arena);
}

/* ---------------------------------------------------------------- all plans */

typedef int (*each_plan)(void *context, struct shaped *p);

static int each(struct stage *s, each_plan fn, void *context) {
    int status = RN_OK;
    for (uint32_t o = 0; s->trainers && o < s->programs->objective_count; o++) {
        struct trainer *t = &s->trainers[o];
        for (uint32_t i = 0; i < t->count && status == RN_OK; i++) {
            status = fn(context, &t->step[i]);
            if (t->tapped && status == RN_OK)
                status = fn(context, &t->tapped[i]);
            if (t->weights && status == RN_OK)
                status = fn(context, &t->weights[i]);
        }
        if (t->apply.plan && status == RN_OK)
            status = fn(context, &t->apply);
    }
    for (uint32_t i = 0; i < s->eval_count && status == RN_OK; i++)
        status = fn(context, &s->evals[i]);
    return status;
}

struct gathered {
    const struct plan **plans;
    uint32_t count;
};

static int gather(void *context, struct shaped *p) {
    struct gathered *g = context;
    if (g->plans)
        g->plans[g->count] = p->plan;
    g->count++;
    return RN_OK;
}

struct exec_footprint stage_footprint(const struct stage *s) {
    struct gathered g = {NULL, 0};
    struct stage *own = (struct stage *)(uintptr_t)s;
    each(own, gather, &g);
    g.plans = memory_get(memory_mul(g.count + 1, sizeof *g.plans));
    g.count = 0;
    each(own, gather, &g);
    struct exec_footprint f =
        exec_footprint(s->info, s->programs->variables, g.count, g.plans);
    memory_release(g.plans);
    return f;
}

uint64_t stage_need(const struct stage *s) {
    return stage_footprint(s).total + s->info->context_bytes;
}

uint64_t stage_parameters(const struct stage *s) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < variables_count(s->programs->variables); i++) {
        const struct variable *v = variables_at(s->programs->variables, i);
        n += v->trainable ? v->count : 0;
    }
    return n;
}

struct loading {
    struct stage *s;
    struct rn_error e;
};

static int load(void *context, struct shaped *p) {
    struct loading *l = context;
    struct stage *s = l->s;
    int status = program_create(s->device, p->plan, &p->program, &l->e);
    if (status != RN_OK)
        return status;
    p->live = arena_array(s->arena, int, s->live.count + 1);
    for (uint32_t i = 0; i < s->live.count; i++)
        p->live[i] = program_scalar_index(p->program, s->live.at[i].name);
    p->seed = program_scalar_index(p->program, "run.seed");
    p->step = program_scalar_index(p->program, "run.step");
    p->row = program_scalar_index(p->program, "run.row");
    p->first = program_scalar_index(p->program, "run.first");
    p->share = program_scalar_index(p->program, "run.share");
    p->progress = program_scalar_index(p->program, "run.progress");
    p->places = program_input_index(p->program, RESIDENT_PLACES);
    p->numbers = arena_array(s->arena, int, s->resident.change_count + 1);
    for (uint32_t i = 0; i < s->resident.change_count; i++)
        p->numbers[i] =
            program_input_index(p->program, resident_numbers_name(s->arena, i));
    p->loss = program_output_index(p->program, "loss");
    p->norm = program_output_index(p->program, "norm");
    p->skipped = program_output_index(p->program, "skipped");
    p->overflow = program_output_index(p->program, "overflow");
    p->overflows = program_output_index(p->program, "overflows");
    p->scale = program_output_index(p->program, "scale");
    p->inverse = arena_array(s->arena, int, s->x->losses.count + 1);
    p->mean = arena_array(s->arena, int, s->x->losses.count + 1);
    p->weight = arena_array(s->arena, int, s->x->losses.count + 1);
    for (uint32_t i = 0; i < s->x->losses.count; i++) {
        char name[40];
        snprintf(name, sizeof name, "run.inverse.%u", i);
        p->inverse[i] = program_scalar_index(p->program, name);
        snprintf(name, sizeof name, "loss.%u", i);
        p->mean[i] = program_output_index(p->program, name);
        snprintf(name, sizeof name, "weight.%u", i);
        p->weight[i] = program_output_index(p->program, name);
    }
    p->inputs = arena_array(s->arena, int, s->field_count + 1);
    for (uint32_t i = 0; i < s->field_count; i++) {
        char name[300];
        snprintf(name, sizeof name, "data.%s", s->fields[i].name);
        p->inputs[i] = program_input_index(p->program, name);
    }
    return RN_OK;
}

/* Said before anything is allocated: a host that overcommits kills the process later.
 */
static int check_memory(const struct stage *s, struct rn_error *e) {
    uint64_t need = stage_need(s);
    if (!s->info->memory_bytes || need <= s->info->memory_bytes)
        return RN_OK;
    return error_set(e, RN_E_MEMORY,
                     "the run takes %llu bytes of memory on %s, %llu are usable now",
                     (unsigned long long)need, s->info->name,
                     (unsigned long long)s->info->memory_bytes);
}

int stage_load(struct stage *s, struct diag *d) {
    struct loading l = {.s = s};
    const struct part *b = &s->x->backend;
    int status = check_memory(s, &l.e);
    if (status == RN_OK)
        status = device_open(b->component->iface, instance_self(b->instance),
                             &s->device, &l.e);
    if (status == RN_OK)
        status = device_variables(s->device, s->programs->variables, &l.e);
    if (status == RN_OK)
        status = each(s, load, &l);
    if (status == RN_OK)
        status = device_reserve(s->device, &l.e);
    if (status == RN_OK) {
        s->info = device_info(s->device);
        status = stage_init(s, d);
        if (status != RN_OK)
            return status;
        status = resident_upload(s, &l.e);
        if (status == RN_OK)
            return RN_OK;
    }
    diag_add(d, &l.e);
    if (status == RN_E_MEMORY) {
        struct text t = {0};
        const struct plan *p =
            s->trainers ? s->trainers[0].step[0].plan : s->evals[0].plan;
        text_add(&t, "the largest tensors at the peak:\n");
        plan_largest(p, 8, &t);
        diag_hint(d, "%s", text_get(&t));
        text_finish(&t);
    }
    return status;
}

static int feed(struct program *p, int input, const void *from, struct rn_error *e) {
    uint64_t bytes;
    if (program_borrow(p, input, from))
        return RN_OK;
    void *to = program_input(p, input, &bytes, e);
    if (!to)
        return e->status ? e->status : RN_E_INTERNAL;
    memcpy(to, from, bytes);
    return RN_OK;
}

int stage_feed(struct stage *s, struct shaped *p, const struct batch *b, int64_t first,
               struct rn_error *e) {
    int status = RN_OK;
    if (p->places >= 0)
        status = feed(p->program, p->places, b->places + first, e);
    for (uint32_t i = 0; i < s->resident.change_count && status == RN_OK; i++)
        if (p->numbers[i] >= 0)
            status =
                feed(p->program, p->numbers[i],
                     b->numbers[i] + first * s->resident.changes[i].by->numbers, e);
    for (uint32_t i = 0; i < s->field_count && status == RN_OK; i++) {
        if (p->inputs[i] < 0)
            continue;
        uint64_t row = data_field_at(s->data, s->field_index[i])->bytes;
        const char *from = b->fields[s->field_index[i]];
        status = feed(p->program, p->inputs[i], from + (uint64_t)first * row, e);
    }
    return status;
}

bool stage_crowds(const struct stage *s) {
    return (long)s->info->threads >= sysconf(_SC_NPROCESSORS_ONLN);
}

void stage_scalars(struct stage *s, struct shaped *p, int64_t step, int64_t row) {
    for (uint32_t i = 0; i < s->live.count; i++)
        program_set_f32(p->program, p->live[i], (float)s->live.at[i].now);
    program_set_u32(p->program, p->seed, (uint32_t)s->x->seed);
    program_set_u32(p->program, p->step, (uint32_t)step);
    program_set_u32(p->program, p->row, (uint32_t)row);
    program_set_f32(p->program, p->progress,
                    (float)((double)(step + 1) / (double)s->total_steps));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a set-up: experiment, data, engine, and the checks that need them all. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/stream.h"
#include "setup/prepare.h"
#include "setup/setup.h"

/* ---------------------------------------------- what the host offers to parts */

static struct setup *setup_of(struct rn_host *h) {
    return instance_context(h);
}

static int32_t duration_steps(struct rn_host *h, const char *duration, int64_t *steps) {
    struct setup *s = setup_of(h);
    struct rn_error e;
    int status = hyper_duration(duration, s->length.total_steps,
                                s->length.steps_per_epoch, steps, &e);
    if (status != RN_OK)
        h->api->report(h, &e);
    return status;
}

static const struct rn_duration_api duration_api = {sizeof(struct rn_duration_api), 0,
                                                    duration_steps};

static const void *extension(void *context, struct instance *i, const char *id) {
    const struct setup *s = context;
    (void)i;
    if (strcmp(id, "runner.duration/1") == 0)
        return &duration_api;
    if (strcmp(id, RN_EXT_SAMPLES) == 0)
        return setup_samples(s);
    return s->host_extension ? s->host_extension(id) : NULL;
}

static int cancelled(void *context) {
    const struct setup *s = context;
    return s->cancelled ? s->cancelled(s->cancel_context) : 0;
}

/* ----------------------------------------------------------------- lengths */

static void read_lengths(struct setup *s) {
    struct experiment *x = s->x;
    int64_t rows = (int64_t)data_epoch_rows(s->data);
    int64_t big;
    s->length.batch = (int64_t)data_batch(s->data);
    s->eval_batch = (int64_t)data_eval_batch(s->data);
    s->length.accumulate = experiment_int(x, "train.accumulate");
    if (s->use != ENGINE_TRAIN) {
        s->length.steps_per_epoch = s->length.epochs = s->length.total_steps = 1;
        return;
    }
    if (rows && s->length.batch > rows) {
        log_say(session_log(s->session), RN_LOG_WARNING,
                "data.batch is %lld, an epoch of training has %lld rows: "
                "each step takes them all",
                (long long)s->length.batch, (long long)rows);
        s->length.batch = rows;
    }
    big = s->length.batch * s->length.accumulate;
    s->length.steps_per_epoch = (rows + big - 1) / big;
    const struct node *steps = node_at(x->root, "train.steps");
    if (steps) { /* else epochs: one of them is there (experiment_read) */
        s->length.total_steps = node_int(steps);
        s->length.epochs = (s->length.total_steps + s->length.steps_per_epoch - 1) /
                           s->length.steps_per_epoch;
    } else {
        s->length.epochs = experiment_int(x, "train.epochs");
        s->length.total_steps = s->length.epochs * s->length.steps_per_epoch;
    }
}

/* A loss of the batch as a whole depends on which rows are together: its evaluation is
 * over batches as training has them, of data.batch rows, whatever data.eval_batch is.
 */
static void read_eval_batch(struct setup *s) {
    const struct bound_components *losses = &s->x->losses;
    for (uint32_t i = 0; i < losses->count && s->use != ENGINE_PREDICT; i++)
        if (strcmp(network_loss_scope(&losses->at[i]), "batch") == 0)
            s->eval_batch = (int64_t)data_batch(s->data);
}

/* Both make rare classes count more. */
static void warn_class_weights(const struct setup *s) {
    const struct bound_components *losses = &s->x->losses;
    for (uint32_t i = 0; i < losses->count && data_sampler(s->data); i++)
        if (s->use == ENGINE_TRAIN && node_find(losses->at[i].node, "class_weights"))
            log_say(
                session_log(s->session), RN_LOG_WARNING,
                "%s.class_weights and data.sampler (%s) both change how much a class "
                "counts: in training their effects multiply; leave one of them",
                losses->at[i].path, data_sampler(s->data)->bare);
}

static void read_fields(struct setup *s) {
    uint32_t n = data_field_count(s->data);
    s->fields = arena_array(s->arena, struct network_field, n + 1);
    s->field_index = arena_array(s->arena, uint32_t, n + 1);
    s->rows = arena_array(s->arena, const void *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const struct data_field *f = data_field_at(s->data, i);
        if (f->text)
            continue;
        struct network_field *out = &s->fields[s->field_count];
        *out = (struct network_field){f->name, f->dtype, f->rank, {0}, f->target};
        memcpy(out->shape, f->shape, sizeof out->shape);
        s->field_index[s->field_count++] = i;
    }
}

/* ------------------------------------------------------------ rows of batches */

/* Of a step: the full batch, and what the last one of an epoch has. */
static uint32_t step_rows(const struct setup *s, int64_t rows[2]) {
    int64_t total = (int64_t)data_epoch_rows(s->data);
    rows[0] = s->length.batch;
    rows[1] = total % s->length.batch;
    return s->use != ENGINE_TRAIN ? 0 : rows[1] ? 2 : 1;
}

/* Of a pass over the training split in its order. */
static uint32_t refresh_rows(const struct setup *s, int64_t rows[2]) {
    int64_t total = (int64_t)data_rows(s->data, DATA_TRAIN), rest;
    uint32_t n = 0;
    if (total >= s->length.batch)
        rows[n++] = s->length.batch;
    if ((rest = total % s->length.batch) != 0)
        rows[n++] = rest;
    return s->use == ENGINE_TRAIN ? n : 0;
}

/* Of an evaluation: full batches and the rests of the splits. */
static uint32_t eval_rows(const struct setup *s, int64_t rows[2 * DATA_SPLITS]) {
    uint32_t n = 0;
    for (int k = 0; k < DATA_SPLITS; k++) {
        int64_t total = (int64_t)data_rows(s->data, (enum data_split_kind)k);
        int64_t both[2] = {total >= s->eval_batch ? s->eval_batch : 0,
                           total % s->eval_batch};
        if (k == DATA_TRAIN && s->use == ENGINE_TRAIN)
            continue;
        for (int i = 0; i < 2; i++) {
            bool have = both[i] == 0;
            for (uint32_t j = 0; j < n; j++)
                have |= rows[j] == both[i];
            if (!have)
                rows[n++] = both[i];
        }
    }
    return n;
}

/* Of the pass that declares the variables: a batch as it will come. */
static int64_t declare_rows(const struct setup *s) {
    if (s->use == ENGINE_TRAIN)
        return s->length.batch;
    int64_t rows =
        (int64_t)data_rows(s->data, s->use == ENGINE_PREDICT ? DATA_TEST : DATA_VAL);
    return rows > 0 && rows < s->eval_batch ? rows : s->eval_batch;
}

/* -------------------------------------------------------------------- open */

static struct rn_stream *fitted_stream(struct setup *s, const struct setup_options *o) {
    return memory_stream_reader(s->arena, o->fitted, o->fitted_bytes);
}

#define EPOCH_ROWS_MAX 1e12

/* Rows of an epoch by train.steps_per_epoch; 0: one pass over the split. */
static int epoch_rows(const struct setup *s, uint64_t *out, struct diag *d) {
    const struct node *steps = node_at(s->x->root, "train.steps_per_epoch");
    *out = 0;
    if (!steps || s->use == ENGINE_PREDICT)
        return RN_OK;
    int64_t batch = experiment_int(s->x, "data.batch");
    int64_t parts = experiment_int(s->x, "train.accumulate");
    double rows = (double)node_int(steps) * (double)batch * (double)parts;
    if (rows > EPOCH_ROWS_MAX)
        return node_error(d, steps, false, RN_E_CONFIG,
                          "an epoch of %g samples is too long: at most %g", rows,
                          EPOCH_ROWS_MAX);
    *out = (uint64_t)(node_int(steps) * batch * parts);
    return RN_OK;
}

void setup_recipe(const struct setup *s, struct text *out) {
    const struct node *data = node_find(s->x->root, "data");
    char folder[CONFIG_PATH_MAX] = "";
    char *slash = realpath(s->file, folder) ? strrchr(folder, '/') : folder;
    *slash = '\0';
    prepared_recipe(data, folder, s->x->seed, out);
}

/* data.prepared, in place of the sources; not to predict, which reads other rows. */
static int open_prepared(struct setup *s, const struct setup_options *o,
                         struct diag *d) {
    const struct node *file = node_at(s->x->root, "data.prepared");
    char path[CONFIG_PATH_MAX];
    struct rn_error e = {0};
    struct text recipe = {0};
    if (!file || s->use == ENGINE_PREDICT || s->unprepared)
        return RN_OK;
    int status = config_resolve_path(file, path, &e);
    if (status == RN_OK)
        status = prepared_open(&s->prepared, s->arena, path, &e);
    /* A run's own file names the sources by other paths; its split is compared. */
    if (status == RN_OK && !o->recorded) {
        setup_recipe(s, &recipe);
        status = prepared_same_recipe(&s->prepared, text_get(&recipe), &e);
    }
    text_finish(&recipe);
    if (status != RN_OK) {
        diag_add(d, &e);
        diag_asked_by(d, file);
    }
    return status;
}

/* Not fitted. */
static int open_data(struct setup *s, const struct setup_options *o, struct diag *d) {
    struct rn_error e = {0};
    bool whole = o->use == ENGINE_PREDICT && !o->divided;
    struct data_options data = {.session = o->session,
                                .config = s->x->config,
                                .data = node_find(s->x->root, "data"),
                                .sections = s->x->sections,
                                .augment = node_find(s->x->root, "augment"),
                                .collate = node_find(s->x->root, "collate"),
                                .services = &s->x->services,
                                .seed = s->x->seed,
                                .mode = whole ? DATA_FOR_PREDICTION : DATA_FOR_TRAINING,
                                .stored_split = whole ? NULL : o->stored_split};
    struct data_schema schema;
    int status = epoch_rows(s, &data.epoch_rows, d);
    if (status != RN_OK)
        return status;
    if (whole) {
        data.schema = &schema;
        status = o->fitted
                     ? data_schema_read(s->arena, fitted_stream(s, o), &schema, &e)
                     : error_set(&e, RN_E_CHECKPOINT,
                                 "the checkpoint does not hold the state of the data");
    }
    if (status != RN_OK)
        return diag_place(d, s->x->root, &e);
    status = open_prepared(s, o, d);
    if (status != RN_OK)
        return status;
    data.prepared = s->prepared.view ? &s->prepared.data : NULL;
    s->data = data_open(&data, d);
    return s->data ? RN_OK : diag_status(d);
}

/* Of a new split only: a stored one is no news. */
static void say_dropped(const struct setup *s) {
    struct text t = {0};
    data_describe_dropped(s->data, &t);
    if (t.length)
        log_say(session_log(s->session), RN_LOG_INFO, "data.drop_missing leaves out %s",
                text_get(&t));
    text_finish(&t);
}

int setup_fit_data(struct setup *s, const struct setup_options *o, struct diag *d) {
    struct rn_error e = {0};
    say_dropped(s);
    int status =
        o->fitted ? data_load(s->data, fitted_stream(s, o), &e) : data_fit(s->data, &e);
    if (status == RN_OK && o->use != ENGINE_PREDICT)
        status = data_check(s->data, &e);
    if (status != RN_OK)
        diag_place(d, s->x->root, &e);
    else if (o->use == ENGINE_TRAIN && !data_rows(s->data, DATA_TRAIN))
        status = node_error(d, node_find(s->x->root, "data"), false, RN_E_DATA,
                            "the training split has no rows");
    return status;
}

/* Predicting from another file: the source's first option of type path. */
static const char *source_override(struct setup *s, const char *file) {
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
                                config_quoted(s->arena, file));
    }
    return NULL;
}

/* Close s->x and open it again with the overrides. */
static struct experiment *reopen(struct setup *s, const struct setup_options *o,
                                 uint32_t n, const char *const *overrides,
                                 struct diag *d) {
    experiment_close(s->x);
    return s->x = experiment_open(o->session, o->file, n, overrides, o->recorded, d);
}

static struct experiment *
open_experiment(struct setup *s, const struct setup_options *o, struct diag *d) {
    s->x = experiment_open(o->session, o->file, o->override_count, o->overrides,
                           o->recorded, d);
    if (s->x && prepare_wanted(s->x)) {
        const char *const *spelled_out;
        uint32_t n;
        if (prepare_overrides(s, o, s->x, &n, &spelled_out, d) != RN_OK)
            return NULL;
        return reopen(s, o, n, spelled_out, d);
    }
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
    return reopen(s, o, o->override_count + 1, all, d);
}

/* To predict, only what the network reads is read, and all of it is tried before the
 * first row is written. */
static int restrict_data(struct setup *s, struct diag *d) {
    uint32_t n = data_field_count(s->data);
    bool *wanted = arena_array(s->arena, bool, n + 1);
    struct rn_error e = {0};
    for (uint32_t k = 0; k < s->engine->eval_count; k++) {
        const struct plan *p = s->engine->evals[k].plan;
        for (uint32_t i = 0; i < p->base_count; i++)
            for (uint32_t f = 0; f < n && p->bases[i].kind == BASE_INPUT; f++)
                wanted[f] |=
                    strncmp(p->bases[i].name, "data.", 5) == 0 &&
                    strcmp(p->bases[i].name + 5, data_field_at(s->data, f)->name) == 0;
    }
    data_restrict(s->data, wanted);
    if (data_check(s->data, &e) == RN_OK)
        return s->engine->eval_count
                   ? setup_check_labels(s, s->engine->evals[0].described, d)
                   : RN_OK;
    return diag_place(d, s->x->root, &e);
}

/* The labels of an evaluation, also where none will be. */
static int check_labels(struct setup *s, struct diag *d) {
    struct graph *g;
    int64_t rows = s->engine->eval_count ? (int64_t)s->engine->evals[0].rows
                                         : (int64_t)data_batch(s->data);
    if (s->use == ENGINE_PREDICT)
        return restrict_data(s, d);
    int status = programs_eval(s->engine->programs, rows, &g, d);
    return status ? status : setup_check_labels(s, g, d);
}

/* A stream has no pass of its own beside the one that training is in. */
static int check_refresh(const struct setup *s, struct diag *d) {
    const struct averages *a = &s->engine->programs->averages;
    if (!a->refresh_count || !data_is_stream(s->data, DATA_TRAIN))
        return RN_OK;
    node_error(
        d, a->hook->node, false, RN_E_CONFIG,
        "%s computes running statistics by a pass over the training split, which "
        "is a stream",
        a->hook->path);
    diag_hint(d, "statistics: average needs no pass");
    return RN_E_CONFIG;
}

static int open_engine(struct setup *s, const struct setup_options *o, struct diag *d) {
    struct rn_device_info info;
    struct resident resident = {0};
    int64_t steps[2], refresh[2], evals[2 * DATA_SPLITS];
    int status = engine_device_info(s->x, &info, d);
    if (status == RN_OK)
        status = resident_choose(s, &info, &resident, d);
    if (status != RN_OK)
        return status;
    struct engine_options eo = {.experiment = s->x,
                                .use = s->use,
                                .field_count = s->field_count,
                                .fields = s->fields,
                                .length = s->length,
                                .step_count = step_rows(s, steps),
                                .eval_count = eval_rows(s, evals),
                                .refresh_count = refresh_rows(s, refresh),
                                .step_rows = steps,
                                .refresh_rows = refresh,
                                .eval_rows = evals,
                                .declare_rows = declare_rows(s),
                                .resident = &resident,
                                .kernels = o->kernels};
    s->engine = engine_open(&eo, d);
    return s->engine ? check_refresh(s, d) : diag_status(d);
}

struct experiment *setup_open_experiment(const struct setup_options *o, struct arena *a,
                                         struct diag *d) {
    struct setup s = {.arena = a,
                      .use = o->use,
                      .file = o->file,
                      .session = o->session,
                      .cancelled = o->cancelled,
                      .cancel_context = o->cancel_context};
    struct experiment *x = open_experiment(&s, o, d);
    if (!x)
        experiment_close(s.x);
    return x;
}

struct setup *setup_open_data(const struct setup_options *o, struct diag *d) {
    struct arena *a = arena_create();
    struct setup *s = arena_new(a, struct setup);
    s->arena = a;
    s->use = o->use;
    s->file = o->file;
    s->unprepared = o->unprepared;
    s->session = o->session;
    s->host_extension = o->host_extension;
    s->host_context = o->host_context;
    s->cancelled = o->cancelled;
    s->cancel_context = o->cancel_context;
    if (!open_experiment(s, o, d))
        goto failed;
    s->x->services = (struct instance_services){extension, cancelled, s};
    s->x->run = s;
    if (open_data(s, o, d) == RN_OK)
        return s;
failed:
    setup_close(s);
    return NULL;
}

struct setup *setup_open(const struct setup_options *o, struct diag *d) {
    struct setup *s = setup_open_data(o, d);
    if (!s || setup_fit_data(s, o, d) != RN_OK)
        goto failed;
    read_lengths(s);
    read_fields(s);
    experiment_open_parts(s->x, d);
    if (diag_count(d))
        goto failed;
    read_eval_batch(s);
    warn_class_weights(s);
    if (open_engine(s, o, d) != RN_OK)
        goto failed;
    if (s->use == ENGINE_TRAIN && setup_check_norms(s, d) != RN_OK)
        goto failed;
    if (check_labels(s, d) != RN_OK)
        goto failed;
    return s;
failed:
    setup_close(s);
    return NULL;
}

void setup_close(struct setup *s) {
    if (!s)
        return;
    loader_close(s->samples);
    engine_close(s->engine);
    data_close(s->data);
    prepared_close(&s->prepared);
    experiment_close(s->x);
    arena_destroy(s->arena);
}

int setup_load(struct setup *s, struct diag *d) {
    struct rn_error e = {0};
    int status = engine_load(s->engine, d);
    loader_close(s->samples); /* of the last init that asked */
    s->samples = NULL;
    if (status != RN_OK)
        return status;
    status = resident_upload(s, &e);
    if (status != RN_OK)
        diag_add(d, &e);
    return status;
}

int setup_feed(struct setup *s, struct program_variant *p, const struct batch *b,
               int64_t first, struct rn_error *e) {
    for (uint32_t i = 0; i < s->field_count; i++)
        s->rows[i] = b->fields[s->field_index[i]];
    struct engine_rows rows = {s->rows, b->places, b->numbers};
    return engine_feed(s->engine, p, &rows, first, e);
}

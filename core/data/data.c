/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the section `data:`: sources, content hashes, splits, transforms, augmenters.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runner/sdk/missing.h>

#include "base/hash.h"
#include "base/text.h"
#include "data/drop.h"
#include "data/internal.h"

/* ------------------------------------------------------------------ instances */

int data_instance(struct data *data, const char *kind, const struct node *node,
                  const struct instance_services *services, const struct component **c,
                  struct instance **out, struct diag *d) {
    const struct node *type = node_find(node, "type");
    struct rn_error e = {0};
    *c = session_find(data->options.session, kind, node_string(type), &e);
    if (!*c || session_load(data->options.session, *c, &e) != RN_OK) {
        node_error(d, type, false, e.status, "%s", e.message);
        if (e.hint[0])
            diag_hint(d, "%s", e.hint);
        return e.status;
    }
    return instance_create(data->options.session, *c, node, services, d, out);
}

/* What a source may ask for. */
static const void *source_extension(void *context, struct instance *i, const char *id) {
    static const uint32_t predicting = 1;
    const struct data *data = context;
    (void)i;
    if (strcmp(id, RN_EXT_PREDICT) == 0)
        return data->options.mode == DATA_FOR_PREDICTION ? &predicting : NULL;
    if (strcmp(id, RN_EXT_MAY_MISS) == 0)
        return data->dropped.names;
    if (strcmp(id, RN_EXT_FIELDS) == 0)
        return data->pipeline.known.field_count ? &data->pipeline.known : NULL;
    return NULL;
}

static int source_cancelled(void *context) {
    return data_stopped(context);
}

/* The next source is read with the types of the first one; to predict, with those of
 * the training data. */
static void expect_fields(struct data *data) {
    const struct data_schema *s = data->options.schema;
    const struct table *first = data->sources.count ? &data->sources.at[0] : NULL;
    data->pipeline.known =
        (struct rn_known_fields){.struct_size = sizeof data->pipeline.known,
                                 .field_count = s       ? s->count
                                                : first ? first->field_count
                                                        : 0,
                                 .field_stride = sizeof(struct rn_field),
                                 .fields = s       ? s->fields
                                           : first ? first->fields
                                                   : NULL,
                                 .layouts = s       ? s->layouts
                                            : first ? first->layouts
                                                    : NULL};
}

/* A stream gives training samples alone, in epochs of a stated length. */
static int take_stream(struct data *data, struct table *t, struct rn_error *e) {
    t->stream = true;
    t->count = data->options.epoch_rows;
    if (data->options.mode == DATA_FOR_TRAINING && !data->sources.count && t->count)
        return RN_OK;
    error_set(e, RN_E_CONFIG, "%s does not know how many samples it has",
              t->component->name);
    if (data->options.mode == DATA_FOR_PREDICTION || data->sources.count)
        return error_hint(e,
                          "a stream is for training; %s needs a source that knows its "
                          "count",
                          data->sources.count ? t->path : "a prediction");
    return error_hint(e, "a stream needs train.steps_per_epoch: how many steps make an "
                         "epoch");
}

/* Sample ids count through the sources; those of a stream, which may go on, are last.
 */
static void number_samples(struct data *data) {
    uint64_t next = 0;
    for (int streams = 0; streams < 2; streams++)
        for (uint32_t i = 0; i < data->sources.count; i++) {
            struct table *t = &data->sources.at[i];
            if (t->stream != (streams == 1))
                continue;
            t->offset = next;
            next += t->count;
        }
}

static int open_table(struct data *data, const struct node *node, struct diag *d) {
    struct table *t = &data->sources.at[data->sources.count];
    struct rn_error e = {0};
    instance_destroy(t->instance); /* of a source that failed */
    *t = (struct table){.path = arena_copy(data->arena, node_path(node))};
    expect_fields(data);
    int status = data_instance(data, "source", node, &data->services, &t->component,
                               &t->instance, d);
    if (status != RN_OK)
        return status;
    t->iface = t->component->iface;
    t->self = instance_self(t->instance);
    struct rn_source_info info = {.struct_size = sizeof info};
    instance_enter(t->instance);
    status =
        instance_leave(t->instance, "info", t->iface->info(t->self, &info, &e), &e);
    t->count = info.count;
    if (status == RN_OK && info.count == RN_COUNT_UNKNOWN)
        status = take_stream(data, t, &e);
    if (status == RN_OK && !info.field_count && !data->options.schema)
        status = error_set(&e, RN_E_PLUGIN, "%s has no fields", t->component->name);
    if (status != RN_OK) {
        instance_error(t->instance, d, &e);
        return status;
    }
    t->name = info.name ? info.name : t->path;
    t->access = info.access;
    t->field_count = info.field_count;
    t->fields = arena_array(data->arena, struct rn_field, info.field_count);
    t->bytes = arena_array(data->arena, uint64_t, info.field_count);
    t->layouts = arena_array(data->arena, const char *, info.field_count);
    const char **files = arena_array(data->arena, const char *, info.field_count);
    t->files = files;
    memcpy(t->content, info.content_hash, sizeof t->content);
    for (uint32_t i = 0; i < info.field_count; i++) {
        const char *from = (const char *)info.fields + (size_t)i * info.field_stride;
        memcpy(&t->fields[i], from,
               info.field_stride < sizeof *t->fields ? info.field_stride
                                                     : sizeof *t->fields);
        t->bytes[i] = field_variable(&t->fields[i]) ? 0 : field_bytes(&t->fields[i]);
        files[i] = info.files && info.files[i] ? info.files[i] : t->name;
        t->layouts[i] = info.layouts && info.layouts[i]
                            ? arena_copy(data->arena, info.layouts[i])
                            : "";
        if (!field_bytes(&t->fields[i]) || t->fields[i].rank > RN_MAX_RANK - 1)
            return node_error(d, node, false, RN_E_DATA, "%s: field '%s' is impossible",
                              t->name, t->fields[i].name);
    }
    status = declared_check(t, data->options.mode == DATA_FOR_PREDICTION, &e);
    if (status != RN_OK) {
        instance_error(t->instance, d, &e);
        return status;
    }
    data->sources.count++;
    return RN_OK;
}

/* Whole numbers in one file may be numbers in another. */
static bool same_type(const struct rn_field *a, const struct rn_field *b) {
    return a->dtype == b->dtype ||
           (!field_variable(a) && ((a->dtype == RN_I64 && b->dtype == RN_F64) ||
                                   (a->dtype == RN_F64 && b->dtype == RN_I64)));
}

static bool same_field(const struct rn_field *a, const struct rn_field *b) {
    if (strcmp(a->name, b->name) != 0 || !same_type(a, b) || a->rank != b->rank ||
        field_variable(a) != field_variable(b))
        return false;
    if (a->flags & b->flags & RN_FIELD_TEXT)
        return true;
    return memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]) == 0;
}

static bool same_at(const struct table *a, const struct table *b, uint32_t i) {
    return i < a->field_count && i < b->field_count &&
           same_field(&a->fields[i], &b->fields[i]) &&
           strcmp(a->layouts[i], b->layouts[i]) == 0;
}

/* "'x' f64 [2] of a,b". */
static void describe(struct text *out, const struct table *t, uint32_t i) {
    if (i >= t->field_count) {
        text_add(out, "no further field");
        return;
    }
    text_addf(out, "'%.60s' ", t->fields[i].name);
    field_describe(out, &t->fields[i]);
    if (*t->layouts[i])
        text_addf(out, " of %.80s", t->layouts[i]);
}

/* The fields of two sources differ, first at i. */
static int other_fields(const struct data *data, const struct table *a,
                        const struct table *b, uint32_t i, struct diag *d) {
    struct text one = {0}, two = {0};
    describe(&one, a, i);
    describe(&two, b, i);
    int status = node_error(d, data->options.data, false, RN_E_DATA,
                            "%s and %s do not have the same fields", a->name, b->name);
    diag_hint(d, "the first has %s, the second %s", text_get(&one), text_get(&two));
    text_finish(&one);
    text_finish(&two);
    return status;
}

/* The sources of one experiment give the same fields; texts take the widest. */
static int raw_columns(struct data *data, struct diag *d) {
    const struct table *first = &data->sources.at[0];
    for (uint32_t i = 0; i < first->field_count; i++) {
        column_add(data, &first->fields[i], i);
        data->pipeline.columns[i].layout = first->layouts[i];
    }
    if (data->options.schema) {
        schema_columns(data);
        return RN_OK;
    }
    data->pipeline.raw_count = data->pipeline.sample_count = first->field_count;
    data->pipeline.sample = arena_array(data->arena, uint32_t, first->field_count + 1);
    for (uint32_t i = 0; i < first->field_count; i++)
        data->pipeline.sample[i] = i;
    for (uint32_t t = 1; t < data->sources.count; t++) {
        const struct table *x = &data->sources.at[t];
        uint32_t same = 0;
        while (same_at(first, x, same))
            same++;
        if (same < first->field_count || same < x->field_count)
            return other_fields(data, first, x, same, d);
        for (uint32_t i = 0; i < x->field_count; i++) {
            struct column *c = &data->pipeline.columns[i];
            c->field.flags |= x->fields[i].flags & RN_FIELD_NULLABLE;
            if (x->fields[i].dtype == RN_F64)
                c->field.dtype = RN_F64;
            if (x->fields[i].flags & RN_FIELD_TEXT && x->bytes[i] > c->bytes) {
                c->field.shape[0] = x->fields[i].shape[0];
                c->bytes = x->bytes[i];
            }
        }
    }
    return RN_OK;
}

/* ------------------------------------------------------------------ the section */

static int open_sources(struct data *data, struct diag *d) {
    const struct node *section = data->options.data;
    const struct node *source = node_find(section, "source");
    const struct node *train = node_find(section, "train");
    const struct node *val = node_find(section, "val"),
                      *test = node_find(section, "test");
    if (source && train)
        return node_error(d, train, true, RN_E_CONFIG,
                          "data.source and data.train are both given; leave one");
    if (!source && !train) {
        node_error(d, section, false, RN_E_CONFIG,
                   "where the samples come from is missing");
        diag_hint(d, "give data.source, or data.train and data.test");
        return RN_E_CONFIG;
    }
    source = source ? source : train;
    data->sources.main = 0;
    data->sources.val = data->sources.test = -1;
    if (data->options.mode == DATA_FOR_PREDICTION)
        return open_table(data, test ? test : source, d);
    /* All of them, so that all errors are reported at once. */
    int status = open_table(data, source, d), one = RN_OK;
    if (val) {
        data->sources.val = (int)data->sources.count;
        one = open_table(data, val, d);
        status = status ? status : one;
    }
    if (test) {
        data->sources.test = (int)data->sources.count;
        one = open_table(data, test, d);
        status = status ? status : one;
    }
    return status;
}

static int open_stages(struct data *data, struct diag *d) {
    const struct node *list = node_find(data->options.data, "transforms");
    uint32_t n = list ? node_count(list) : 0;
    data->pipeline.transforms = arena_array(data->arena, struct transform_slot, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        struct transform_slot *g = &data->pipeline.transforms[i];
        g->node = node_item(list, i);
        g->path = arena_copy(data->arena, node_path(g->node));
        int status = data_instance(data, "transform", g->node, data->options.services,
                                   &g->component, &g->instance, d);
        if (status != RN_OK)
            return status;
        g->iface = g->component->iface;
        g->self = instance_self(g->instance);
        data->pipeline.transform_count++;
    }
    return RN_OK;
}

static int open_augmenters(struct data *data, struct diag *d) {
    const struct node *list = data->options.augment;
    uint32_t n = list ? node_components(list) : 0;
    data->augment.at = arena_array(data->arena, struct data_augmenter, n + 1);
    for (uint32_t i = 0; i < n && data->options.mode == DATA_FOR_TRAINING; i++) {
        struct data_augmenter *a = &data->augment.at[i];
        const char *name;
        a->node = node_component(list, i, &name);
        a->path = arena_copy(data->arena, node_path(a->node));
        int status = data_instance(data, "augment", a->node, data->options.services,
                                   &a->component, &a->instance, d);
        if (status != RN_OK)
            return status;
        a->iface = a->component->iface;
        a->self = instance_self(a->instance);
        data->augment.count++;
    }
    return RN_OK;
}

struct data *data_open(const struct data_options *o, struct diag *d) {
    struct arena *a = arena_create();
    struct data *data = arena_new(a, struct data);
    struct rn_error e = {0};
    data->arena = a;
    data->options = *o;
    data->services =
        (struct instance_services){source_extension, source_cancelled, data};
    for (int i = 0; i < DATA_SPLITS; i++)
        data->splits[i].table = -1;
    data->sizes.batch = (uint64_t)data_number(o, "batch");
    data->sizes.eval_batch = (uint64_t)data_number(o, "eval_batch");
    data->sizes.workers = (uint32_t)data_number(o, "workers");
    data->sizes.cache_bytes = (uint64_t)data_number(o, "cache") << 20;
    drop_names(data);
    uint32_t before = diag_count(d);
    int status = o->prepared ? prepared_tables(data, &e) : open_sources(data, d);
    number_samples(data);
    if (status == RN_OK)
        status = raw_columns(data, d);
    if (status == RN_OK && !o->prepared)
        status = open_stages(data, d);
    if (status == RN_OK)
        status = open_augmenters(data, d);
    if (status == RN_OK)
        status = collate_open(data, d);
    if (status == RN_OK)
        status = sampler_open(data, d);
    if (status == RN_OK && o->prepared)
        status = prepared_splits(data, &e);
    else if (status == RN_OK && (status = content_read(data, &e)) == RN_OK)
        status = split_make(data, &e);
    if (status == RN_OK)
        return data;
    if (diag_count(d) == before) {
        const char *where = strncmp(e.where, "data.", 5) == 0 ? e.where + 5 : e.where;
        const struct node *n =
            *where && e.where_kind == RN_WHERE_CONFIG ? node_at(o->data, where) : NULL;
        if (n) {
            node_error(d, n, false, e.status, "%s", e.message);
            if (e.hint[0])
                diag_hint(d, "%s", e.hint);
        } else {
            diag_add(d, &e);
        }
    }
    data_close(data);
    return NULL;
}

void data_close(struct data *data) {
    if (!data)
        return;
    for (int i = 0; i < DATA_SPLITS; i++) {
        if (data->caches[i]) {
            memory_release(data->caches[i]->rows);
            memory_release(data->caches[i]->state);
        }
        memory_release(data->splits[i].ids);
    }
    memory_release(data->pool.rows);
    memory_release(data->dropped.mark);
    memory_release(data->dropped.ids);
    for (uint32_t i = 0; i < data->sources.count; i++) {
        struct table *t = &data->sources.at[i];
        if (t->ids)
            continue; /* prepared: all is borrowed, or in the arena */
        for (uint32_t f = 0; t->stored && f < t->field_count; f++)
            memory_release(t->stored[f]);
        for (uint32_t f = 0; t->kept && f < t->field_count; f++)
            cells_destroy(t->kept[f]);
        memory_release(t->stored);
        memory_release(t->kept);
    }
    for (uint32_t i = 0; i < DATA_SPLITS; i++)
        instance_destroy(data->sources.at[i].instance);
    for (uint32_t i = 0; i < data->pipeline.transform_count; i++)
        instance_destroy(data->pipeline.transforms[i].instance);
    for (uint32_t i = 0; i < data->augment.count; i++)
        instance_destroy(data->augment.at[i].instance);
    collate_close(data);
    sampler_close(data);
    memory_release(data->pipeline.columns);
    demand_destroy(data->pipeline.demand);
    arena_destroy(data->arena);
}

/* ------------------------------------------------------------------- looking */

uint32_t data_field_count(const struct data *data) {
    return data->field_count;
}
const struct data_field *data_field_at(const struct data *data, uint32_t i) {
    return &data->fields[i];
}
const struct data_field *data_field_find(const struct data *data, const char *name) {
    for (uint32_t i = 0; i < data->field_count; i++)
        if (strcmp(data->fields[i].name, name) == 0)
            return &data->fields[i];
    return NULL;
}
uint64_t data_rows(const struct data *data, enum data_split_kind split) {
    return data->splits[split].rows;
}
uint64_t data_epoch_rows(const struct data *data) {
    if (data->options.epoch_rows)
        return data->options.epoch_rows;
    return data->sampler.component ? data->sampler.count
                                   : data->splits[DATA_TRAIN].rows;
}
bool data_is_stream(const struct data *data, enum data_split_kind split) {
    int table = data->splits[split].table;
    return table >= 0 && data->sources.at[table].stream;
}
const struct component *data_sampler(const struct data *data) {
    return data->sampler.component;
}
const struct component *data_collate(const struct data *data, const char **path) {
    *path = data->collate.count ? data->collate.at[0].path : NULL;
    return *path ? data->collate.at[0].component : NULL;
}
const int64_t *data_ids(const struct data *data, enum data_split_kind split) {
    return data->splits[split].ids;
}
const char *data_split_name(enum data_split_kind split) {
    static const char *const names[] = {"train", "val", "test"};
    return names[split];
}
const char *data_split_hash(const struct data *data) {
    return data->split_hash;
}
const char *data_content_hash(const struct data *data) {
    return data->content_hash;
}
uint64_t data_batch(const struct data *data) {
    return data->sizes.batch;
}
uint64_t data_eval_batch(const struct data *data) {
    return data->sizes.eval_batch;
}
uint32_t data_augmenter_count(const struct data *data) {
    return data->augment.count;
}
const struct data_augmenter *data_augmenter_at(const struct data *data, uint32_t i) {
    return &data->augment.at[i];
}

uint32_t data_workers(const struct data *data) {
    return data->sizes.workers;
}

uint64_t data_cache_bytes(const struct data *data) {
    return data->sizes.cache_bytes;
}

void data_describe(const struct data *data, struct text *out) {
    const char *before = "";
    for (int i = 0; i < DATA_SPLITS; i++) {
        if (!data->splits[i].rows)
            continue;
        text_addf(out, "%s%llu %s%s", before, (unsigned long long)data->splits[i].rows,
                  data_split_name((enum data_split_kind)i),
                  data_is_stream(data, (enum data_split_kind)i) ? " (of a stream)"
                                                                : "");
        before = ", ";
    }
    if (data->dropped.rows)
        text_addf(out, "%s%llu left out", before,
                  (unsigned long long)data->dropped.rows);
    before = "; ";
    for (uint32_t i = 0; i < data->field_count; i++) {
        const struct data_field *f = &data->fields[i];
        struct rn_field x = {f->name, f->dtype, f->rank, {0}, 0, 0};
        memcpy(x.shape, f->shape, sizeof x.shape);
        x.flags = f->text ? RN_FIELD_TEXT : 0;
        text_addf(out, "%s%s ", before, f->name);
        field_describe(out, &x);
        before = ", ";
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What was learnt on the training rows, saved and loaded: the transforms' own state,
 * and the raw fields that they were fitted on. */
#include <assert.h>
#include <string.h>

#include <runner/sdk/arrays.h>

#include "data/internal.h"

/* A stream into memory, so that each state has its length before it. */
struct memory_stream {
    struct rn_stream stream;
    uint8_t *bytes;
    uint64_t size, capacity, at;
};

static int32_t memory_write(struct rn_stream *s, const void *p, uint64_t n) {
    struct memory_stream *m = (struct memory_stream *)s;
    if (n > m->capacity - m->size) {
        m->capacity = 2 * (m->size + n);
        m->bytes = memory_grow(m->bytes, m->capacity);
    }
    if (n)
        memcpy(m->bytes + m->size, p, n);
    m->size += n;
    return RN_OK;
}

static int32_t memory_read(struct rn_stream *s, void *p, uint64_t n) {
    struct memory_stream *m = (struct memory_stream *)s;
    if (n > m->size - m->at)
        return RN_E_CHECKPOINT;
    if (n)
        memcpy(p, m->bytes + m->at, n);
    m->at += n;
    return RN_OK;
}

static uint64_t memory_left(struct rn_stream *s) {
    struct memory_stream *m = (struct memory_stream *)s;
    return m->size - m->at;
}

static const struct rn_stream_api memory_api = {sizeof memory_api, 0, memory_write,
                                                memory_read, memory_left};

#define STATE_MAGIC   0x4144u /* "DA" */
#define STATE_VERSION 3u
#define STATE_FIRST   2u /* raw fields without flags */

static int put(struct rn_stream *s, const void *p, uint32_t n) {
    int status = s->api->write(s, &n, sizeof n);
    return status == RN_OK ? s->api->write(s, p, n) : status;
}

/* magic, version, numbers of transforms and fields; transforms: name, bytes, state;
 * fields: name, classes; number of raw fields: name, layout, dtype, rank, flags, shape.
 * All integers u32 but the bytes of a state, u64, and a shape's, i64. */
int data_save(const struct data *data, struct rn_stream *s) {
    const struct data_prepared *prepared = data->options.prepared;
    if (prepared)
        return s->api->write(s, prepared->state, prepared->state_bytes);
    uint32_t head[4] = {STATE_MAGIC, STATE_VERSION, data->pipeline.transform_count,
                        data->field_count};
    int status = s->api->write(s, head, sizeof head);
    for (uint32_t i = 0; i < data->pipeline.transform_count && status == RN_OK; i++) {
        const struct transform_slot *g = &data->pipeline.transforms[i];
        struct memory_stream m = {.stream = {&memory_api}};
        status = put(s, g->component->name, (uint32_t)strlen(g->component->name));
        if (status == RN_OK && g->iface->save) {
            struct rn_error e = {0};
            instance_enter(g->instance);
            status = instance_leave(g->instance, "save",
                                    g->iface->save(g->self, &m.stream, &e), &e);
        }
        if (status == RN_OK)
            status = s->api->write(s, &m.size, sizeof m.size);
        if (status == RN_OK)
            status = s->api->write(s, m.bytes ? m.bytes : (uint8_t *)"", m.size);
        memory_release(m.bytes);
    }
    for (uint32_t i = 0; i < data->field_count && status == RN_OK; i++) {
        const struct data_field *f = &data->fields[i];
        status = put(s, f->name, (uint32_t)strlen(f->name));
        if (status == RN_OK)
            status = s->api->write(s, &f->classes, sizeof f->classes);
    }
    const struct table *t = &data->sources.at[data->sources.main];
    if (status == RN_OK)
        status = s->api->write(s, &t->field_count, sizeof t->field_count);
    for (uint32_t i = 0; i < t->field_count && status == RN_OK; i++) {
        status = put(s, t->fields[i].name, (uint32_t)strlen(t->fields[i].name));
        if (status == RN_OK)
            status = put(s, t->layouts[i], (uint32_t)strlen(t->layouts[i]));
        const struct rn_field *f = &t->fields[i];
        uint32_t type[3] = {f->dtype, f->rank, f->flags};
        if (status == RN_OK)
            status = s->api->write(s, type, sizeof type);
        if (status == RN_OK && f->rank)
            status = s->api->write(s, f->shape, f->rank * sizeof *f->shape);
    }
    return status;
}

/* The array as it is shown, unless one of its name is there. */
static void show(struct arena *a, const struct transform_slot *g, uint32_t index,
                 const struct rn_array *x, struct data_array *out, uint32_t *count) {
    uint64_t bytes = x->elements * RN_DTYPE_BYTES(x->dtype);
    struct data_array *y = &out[*count];
    char *name = arena_format(a, "%u.%s.%s", index, g->component->bare, x->name);
    for (char *p = name; *p; p++)
        *p = *p == '/' ? '.' : *p;
    for (uint32_t i = 0; i < *count; i++)
        if (strcmp(out[i].name, name) == 0)
            return;
    void *data = arena_get(a, bytes + 1);
    memcpy(data, x->data, bytes);
    *y = (struct data_array){
        .name = name, .dtype = x->dtype, .rank = x->rank, .data = data};
    memcpy(y->shape, x->shape, sizeof y->shape);
    ++*count;
}

static void show_stage(struct arena *a, const struct transform_slot *g, uint32_t index,
                       struct data_array *out, uint32_t *count) {
    struct memory_stream m = {.stream = {&memory_api}};
    struct rn_arrays arrays = {0};
    struct rn_error e = {0};
    uint32_t first = 0;
    instance_enter(g->instance);
    int status =
        instance_leave(g->instance, "save", g->iface->save(g->self, &m.stream, &e), &e);
    if (status == RN_OK && memory_read(&m.stream, &first, sizeof first) == RN_OK &&
        first == RN_ARRAYS_MAGIC)
        status = rn_arrays_read(&m.stream, first, &arrays, &e);
    for (uint32_t i = 0;
         status == RN_OK && i < arrays.count && *count < DATA_ARRAYS_MAX; i++)
        show(a, g, index, &arrays.at[i], out, count);
    rn_arrays_free(&arrays);
    memory_release(m.bytes);
}

uint32_t data_arrays(const struct data *data, struct arena *a,
                     struct data_array **out) {
    uint32_t count = 0;
    *out = arena_array(a, struct data_array, DATA_ARRAYS_MAX);
    for (uint32_t i = 0; i < data->pipeline.transform_count; i++)
        if (data->pipeline.transforms[i].iface->save)
            show_stage(a, &data->pipeline.transforms[i], i, *out, &count);
    return count;
}

static int bad_state(struct rn_error *e, const char *why) {
    return error_set(e, RN_E_CHECKPOINT, "the saved data state %s", why);
}

/* A name of at most 255 bytes. */
static int take(struct rn_stream *s, char out[256], struct rn_error *e) {
    uint32_t n = 0;
    int status = s->api->read(s, &n, sizeof n);
    if (status != RN_OK || n > 255 || s->api->read(s, out, n) != RN_OK)
        return bad_state(e, "is cut short or damaged");
    out[n] = '\0';
    return RN_OK;
}

static int load_call(struct transform_slot *g, struct rn_stream *s,
                     struct rn_error *e) {
    instance_enter(g->instance);
    return instance_leave(g->instance, "load", g->iface->load(g->self, s, e), e);
}

static int load_stage(struct transform_slot *g, struct rn_stream *s,
                      struct rn_error *e) {
    char name[256];
    uint64_t bytes = 0;
    int status = take(s, name, e);
    if (status != RN_OK)
        return status;
    if (strcmp(name, g->component->name) != 0)
        return error_set(e, RN_E_CHECKPOINT, "%s is %s, but the saved state is of %s",
                         g->path, g->component->name, name);
    if (s->api->read(s, &bytes, sizeof bytes) != RN_OK || bytes > s->api->left(s))
        return bad_state(e, "is cut short or damaged");
    struct memory_stream m = {.stream = {&memory_api}, .size = bytes};
    m.bytes = memory_try(bytes ? bytes : 1);
    if (!m.bytes)
        return error_set(e, RN_E_MEMORY, "no memory for the state of %s", g->path);
    status = s->api->read(s, m.bytes, bytes);
    if (status == RN_OK && g->iface->load)
        status = load_call(g, &m.stream, e);
    if (status == RN_OK && m.at != m.size)
        status = error_set(e, RN_E_CHECKPOINT, "bytes are left over");
    memory_release(m.bytes);
    if (status != RN_OK) {
        if (e && !e->status)
            bad_state(e, "is cut short or damaged");
        return error_context(e, "%s (%s)", g->path, name);
    }
    return RN_OK;
}

/* A raw field as it was learnt, in the arena. */
static int take_raw(struct arena *a, struct rn_stream *s, uint32_t version,
                    struct rn_field *f, const char **layout, struct rn_error *e) {
    char name[256];
    uint32_t length = 0, type[3] = {0};
    int status = take(s, name, e);
    if (status != RN_OK)
        return status;
    if (s->api->read(s, &length, sizeof length) != RN_OK || length > s->api->left(s))
        return bad_state(e, "is cut short or damaged");
    char *text = arena_get(a, (size_t)length + 1);
    uint32_t numbers = version > STATE_FIRST ? 3 : 2;
    if (s->api->read(s, text, length) != RN_OK ||
        s->api->read(s, type, numbers * sizeof *type) != RN_OK ||
        type[1] > RN_MAX_RANK ||
        s->api->read(s, f->shape, type[1] * sizeof *f->shape) != RN_OK)
        return bad_state(e, "is cut short or damaged");
    text[length] = '\0';
    *layout = text;
    f->name = arena_copy(a, name);
    f->dtype = type[0];
    f->rank = type[1];
    f->flags = type[2];
    if (numbers == 2 && type[1] == 1 && f->shape[0] == -1)
        f->flags = RN_FIELD_VARIABLE | (type[0] == RN_U8 ? RN_FIELD_TEXT : 0u);
    else if (numbers == 2 && type[1] == 1 && type[0] == RN_U8)
        f->flags = RN_FIELD_TEXT;
    if (!field_bytes(f))
        return bad_state(e, "is cut short or damaged");
    return RN_OK;
}

/* What follows the states of the transforms: `count` fields, then the raw ones. */
static int take_fields(struct arena *a, struct rn_stream *s, uint32_t version,
                       uint32_t count, struct stored_field *fields,
                       struct data_schema *out, struct rn_error *e) {
    uint32_t raw = 0;
    int status = RN_OK;
    for (uint32_t i = 0; i < count && status == RN_OK; i++) {
        status = take(s, fields[i].name, e);
        if (status == RN_OK &&
            s->api->read(s, &fields[i].classes, sizeof fields[i].classes) != RN_OK)
            status = bad_state(e, "is cut short or damaged");
    }
    if (status == RN_OK && s->api->read(s, &raw, sizeof raw) != RN_OK)
        status = bad_state(e, "is cut short or damaged");
    if (status == RN_OK && raw > s->api->left(s))
        status = bad_state(e, "is cut short or damaged");
    if (status != RN_OK)
        return status;
    struct rn_field *f = arena_array(a, struct rn_field, raw + 1);
    const char **layouts = arena_array(a, const char *, raw + 1);
    for (uint32_t i = 0; i < raw && status == RN_OK; i++)
        status = take_raw(a, s, version, &f[i], &layouts[i], e);
    *out = (struct data_schema){raw, f, layouts};
    return status;
}

/* Elements in another order, or others than were learnt, would be read as what they
 * are not. Data to predict are compared where they are opened. */
static int check_raw(struct data *data, const struct data_schema *learnt,
                     struct rn_error *e) {
    const struct table *t = &data->sources.at[data->sources.main];
    for (uint32_t k = 0; k < learnt->count; k++)
        for (uint32_t i = 0; i < t->field_count; i++) {
            struct column *c = &data->pipeline.columns[i];
            struct rn_error wrong;
            if (strcmp(c->field.name, learnt->fields[k].name) != 0)
                continue;
            if (!schema_same(t, i, &learnt->fields[k], learnt->layouts[k], &wrong)) {
                if (e)
                    *e = wrong;
                return wrong.status;
            }
            if (c->field.dtype == RN_I64 && learnt->fields[k].dtype != RN_I64)
                c->field.dtype = RN_F64;
        }
    return RN_OK;
}

static int take_head(struct rn_stream *s, uint32_t head[4], struct rn_error *e) {
    if (s->api->read(s, head, 4 * sizeof *head) != RN_OK || head[0] != STATE_MAGIC)
        return bad_state(e, "is cut short or damaged");
    if (head[1] < STATE_FIRST || head[1] > STATE_VERSION)
        return error_set(e, RN_E_CHECKPOINT,
                         "the saved data state has version %u, this runner reads %u",
                         head[1], STATE_VERSION);
    /* Each has a name at least. */
    if (head[2] > s->api->left(s) || head[3] > s->api->left(s))
        return bad_state(e, "is cut short or damaged");
    return RN_OK;
}

static int skip_stage(struct rn_stream *s, struct rn_error *e) {
    char name[256], bytes[4096];
    uint64_t left = 0;
    int status = take(s, name, e);
    if (status == RN_OK && s->api->read(s, &left, sizeof left) != RN_OK)
        status = bad_state(e, "is cut short or damaged");
    while (status == RN_OK && left) {
        uint64_t n = left < sizeof bytes ? left : sizeof bytes;
        if (s->api->read(s, bytes, n) != RN_OK)
            status = bad_state(e, "is cut short or damaged");
        left -= n;
    }
    return status;
}

int data_schema_read(struct arena *a, struct rn_stream *s, struct data_schema *out,
                     struct rn_error *e) {
    uint32_t head[4];
    error_clear(e);
    int status = take_head(s, head, e);
    for (uint32_t i = 0; status == RN_OK && i < head[2]; i++)
        status = skip_stage(s, e);
    if (status != RN_OK)
        return status;
    struct stored_field *fields = memory_get(memory_mul(head[3] + 1, sizeof *fields));
    status = take_fields(a, s, head[1], head[3], fields, out, e);
    memory_release(fields);
    return status;
}

int data_load(struct data *data, struct rn_stream *s, struct rn_error *e) {
    uint32_t head[4];
    error_clear(e);
    assert(!data->ready);
    if (data->options.prepared) {
        int same = prepared_same_state(data, s, e);
        return same == RN_OK ? pipeline_prepare(data, false, e) : same;
    }
    int status = take_head(s, head, e);
    if (status != RN_OK)
        return status;
    if (head[2] != data->pipeline.transform_count)
        return error_set(e, RN_E_CHECKPOINT,
                         "the saved data state has %u transforms, the file has %u",
                         head[2], data->pipeline.transform_count);
    for (uint32_t i = 0; i < data->pipeline.transform_count; i++) {
        status = load_stage(&data->pipeline.transforms[i], s, e);
        if (status != RN_OK)
            return status;
    }
    struct stored_field *stored = memory_get(memory_mul(head[3] + 1, sizeof *stored));
    struct data_schema learnt = {0};
    status = take_fields(data->arena, s, head[1], head[3], stored, &learnt, e);
    if (status == RN_OK && data->options.mode != DATA_FOR_PREDICTION)
        status = check_raw(data, &learnt, e);
    data->stored = (struct stored_fields){head[3], stored};
    if (status == RN_OK)
        status = pipeline_prepare(data, false, e);
    data->stored = (struct stored_fields){0};
    for (uint32_t i = 0; i < head[3] && status == RN_OK; i++)
        for (uint32_t k = 0; k < data->field_count; k++)
            if (strcmp(data->fields[k].name, stored[i].name) == 0 &&
                !data->fields[k].class_names)
                data->fields[k].classes = stored[i].classes;
    memory_release(stored);
    return status;
}

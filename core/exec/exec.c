/* SPDX-License-Identifier: Apache-2.0 */
/* A device: backend, streams, one arena for all programs, the storage of variables. A
 * program: a compiled plan with its constants, scalars, inputs and outputs. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/module.h"
#include "exec/exec.h"

struct device {
    const struct rn_backend *b;
    void *self;
    void *stream;
    struct rn_device_info info;
    struct device_memory memory;
    const struct variables *table;
    char *variables; /* one block */
    uint64_t variable_bytes;
    uint64_t *offsets; /* of each variable in the block */
    uint32_t variable_count;
    char *arena;
    uint64_t arena_bytes, arena_needed;
    struct program *programs; /* all that are alive */
    struct device_watch watch;
    int64_t *times; /* of the nodes of one run; NULL: nobody watches */
};

struct staged { /* an input: pinned copies that go to the device in turn */
    void *host[2];
    void *event[2];
    bool pending[2];
    uint32_t turn;
    void *device;
    uint32_t base;
    uint64_t bytes;
    const char *name;
};

struct result {
    void *device, *host;
    uint32_t base;
    uint64_t bytes;
    const char *name;
};

struct program {
    struct program *next;
    struct device *d;
    const struct plan *plan;
    void *exe;
    void **bases;
    void *arena; /* own; NULL: the device's */
    void *constants;
    struct staged *inputs;
    struct result *outputs;
    uint32_t input_count, output_count;
    struct staged scalars;
    void *done; /* event after the outputs' copies */
    bool running;
};

static uint64_t round64(uint64_t n) {
    return (n + 63) / 64 * 64;
}

/* -------------------------------------------------- the allocator's counter */

static int get(struct device *d, int space, uint64_t bytes, void **out,
               struct rn_error *e) {
    bytes = round64(bytes);
    *out = NULL;
    if (!bytes)
        return RN_OK;
    struct rn_backend_alloc call = {sizeof call, space, bytes, NULL};
    int status = d->b->alloc(d->self, &call, e);
    if (status != RN_OK)
        return error_context(e, "%llu bytes for the run", (unsigned long long)bytes);
    *out = call.memory;
    uint64_t *now = space == RN_SPACE_PINNED ? &d->memory.pinned_now : &d->memory.now;
    uint64_t *peak =
        space == RN_SPACE_PINNED ? &d->memory.pinned_peak : &d->memory.peak;
    *now += bytes;
    if (*now > *peak)
        *peak = *now;
    return RN_OK;
}

static void put(struct device *d, int space, void *p, uint64_t bytes) {
    if (!p)
        return;
    d->b->release(d->self, space, p);
    if (space == RN_SPACE_PINNED)
        d->memory.pinned_now -= round64(bytes);
    else
        d->memory.now -= round64(bytes);
}

/* ------------------------------------------------------------------ device */

static int copy(struct device *d, int32_t direction, void *to, const void *from,
                uint64_t bytes, struct rn_error *e) {
    struct rn_backend_copy call = {sizeof call, direction, d->stream, to, from, bytes};
    return d->b->copy(d->self, &call, e);
}

static int fill_zero(struct device *d, void *to, uint64_t bytes, struct rn_error *e) {
    struct rn_backend_fill call = {sizeof call, 0, d->stream, to, bytes};
    return d->b->fill_zero(d->self, &call, e);
}

int device_open(const struct rn_backend *backend, void *self, struct device **out,
                struct rn_error *e) {
    struct device *d = memory_get(sizeof *d);
    d->b = backend;
    d->self = self;
    d->info.struct_size = sizeof d->info;
    int status = backend->info(self, &d->info, e);
    if (status == RN_OK)
        status = backend->stream_create(self, &d->stream, e);
    if (status != RN_OK) {
        memory_release(d);
        d = NULL;
    }
    *out = d;
    return status;
}

void device_close(struct device *d) {
    if (!d)
        return;
    while (d->programs)
        program_destroy(d->programs);
    put(d, RN_SPACE_DEVICE, d->variables, d->variable_bytes);
    put(d, RN_SPACE_DEVICE, d->arena, d->arena_bytes);
    memory_release(d->offsets);
    memory_release(d->times);
    d->b->stream_destroy(d->self, d->stream);
    memory_release(d);
}

const struct rn_device_info *device_info(const struct device *d) {
    return &d->info;
}

struct device_memory device_memory(const struct device *d) {
    return d->memory;
}

int device_sync(struct device *d, struct rn_error *e) {
    return d->b->stream_sync(d->self, d->stream, e);
}

static uint64_t variable_bytes(const struct variable *v) {
    return round64(v->count * RN_DTYPE_BYTES(v->dtype));
}

int device_variables(struct device *d, const struct variables *v, struct rn_error *e) {
    uint32_t n = variables_count(v);
    d->table = v;
    d->offsets = memory_get(memory_mul(n + 1, sizeof *d->offsets));
    d->variable_count = n;
    for (uint32_t i = 0; i < n; i++) {
        d->offsets[i] = d->variable_bytes;
        d->variable_bytes += variable_bytes(variables_at(v, i));
    }
    void *p;
    int status = get(d, RN_SPACE_DEVICE, d->variable_bytes, &p, e);
    d->variables = p;
    if (status == RN_OK && p)
        status = fill_zero(d, p, d->variable_bytes, e);
    return status ? status : device_sync(d, e);
}

int device_variable_part(struct device *d, uint32_t variable, uint64_t offset,
                         const void *data, uint64_t bytes, struct rn_error *e) {
    int status = copy(d, RN_COPY_TO_DEVICE,
                      d->variables + d->offsets[variable] + offset, data, bytes, e);
    return status ? status : device_sync(d, e);
}

int device_variable_write(struct device *d, uint32_t variable, const void *data,
                          struct rn_error *e) {
    const struct variable *v = variables_at(d->table, variable);
    uint64_t bytes = v->count * RN_DTYPE_BYTES(v->dtype);
    return device_variable_part(d, variable, 0, data, bytes, e);
}

int device_variable_read(struct device *d, uint32_t variable, void *data,
                         struct rn_error *e) {
    const struct variable *v = variables_at(d->table, variable);
    int status = copy(d, RN_COPY_TO_HOST, data, d->variables + d->offsets[variable],
                      v->count * RN_DTYPE_BYTES(v->dtype), e);
    return status ? status : device_sync(d, e);
}

const void *device_variable_view(struct device *d, uint32_t variable,
                                 struct rn_error *e) {
    if (!d->info.host_memory || device_sync(d, e) != RN_OK)
        return NULL;
    return d->variables + d->offsets[variable];
}

int device_reserve(struct device *d, struct rn_error *e) {
    put(d, RN_SPACE_DEVICE, d->arena, d->arena_bytes);
    d->arena = NULL;
    d->arena_bytes = d->arena_needed;
    void *p;
    int status = get(d, RN_SPACE_DEVICE, d->arena_bytes, &p, e);
    d->arena = p;
    for (struct program *x = d->programs; x && status == RN_OK; x = x->next)
        if (!x->plan->kept)
            x->bases[RN_BASE_ARENA] = p;
    return status;
}

/* ----------------------------------------------------------------- program */

static int stage(struct program *p, struct staged *s, struct rn_error *e) {
    struct device *d = p->d;
    int status = get(d, RN_SPACE_DEVICE, s->bytes, &s->device, e);
    p->bases[s->base] = s->device;
    if (d->info.host_memory) {
        s->host[0] = s->host[1] = s->device;
        return status;
    }
    for (int i = 0; i < 2 && status == RN_OK; i++) {
        status = get(d, RN_SPACE_PINNED, s->bytes, &s->host[i], e);
        if (status == RN_OK)
            status = d->b->event_create(d->self, &s->event[i], e);
    }
    return status;
}

static void unstage(struct program *p, struct staged *s) {
    struct device *d = p->d;
    for (int i = 0; i < 2 && !d->info.host_memory; i++) {
        put(d, RN_SPACE_PINNED, s->host[i], s->bytes);
        if (s->event[i])
            d->b->event_destroy(d->self, s->event[i]);
    }
    put(d, RN_SPACE_DEVICE, s->device, s->bytes);
}

static int bind(struct program *p, struct rn_error *e) {
    struct device *d = p->d;
    int status = RN_OK;
    for (uint32_t i = 0; i < p->plan->base_count && status == RN_OK; i++) {
        const struct plan_base *b = &p->plan->bases[i];
        uint32_t base = RN_BASE_FIRST + i;
        if (b->kind == BASE_VARIABLE) {
            assert(b->variable < d->variable_count);
            p->bases[base] = d->variables + d->offsets[b->variable];
        } else if (b->kind == BASE_INPUT) {
            struct staged *s = &p->inputs[p->input_count++];
            s->name = b->name;
            s->bytes = b->bytes;
            s->base = base;
            status = stage(p, s, e);
        } else {
            struct result *r = &p->outputs[p->output_count++];
            r->name = b->name;
            r->bytes = b->bytes;
            r->base = base;
            status = get(d, RN_SPACE_DEVICE, b->bytes, &r->device, e);
            p->bases[base] = r->host = r->device;
            if (status == RN_OK && !d->info.host_memory)
                status = get(d, RN_SPACE_PINNED, b->bytes, &r->host, e);
        }
    }
    return status;
}

int program_create(struct device *d, const struct plan *plan, struct program **out,
                   struct rn_error *e) {
    struct program *p = memory_get(sizeof *p);
    uint32_t n = plan->base_count;
    p->d = d;
    p->plan = plan;
    p->next = d->programs;
    d->programs = p;
    *out = p;
    p->bases = memory_get(memory_mul(RN_BASE_FIRST + n, sizeof *p->bases));
    p->inputs = memory_get(memory_mul(n + 1, sizeof *p->inputs));
    p->outputs = memory_get(memory_mul(n + 1, sizeof *p->outputs));
    int status = RN_OK;
    if (plan->kept)
        status = get(d, RN_SPACE_DEVICE, plan->program.arena_bytes, &p->arena, e);
    else if (plan->program.arena_bytes > d->arena_needed)
        d->arena_needed = plan->program.arena_bytes;
    p->bases[RN_BASE_ARENA] = p->arena;
    if (status == RN_OK)
        status = bind(p, e);
    p->scalars.bytes = 8u * (uint64_t)plan->scalar_count;
    p->scalars.base = RN_BASE_SCALARS;
    if (status == RN_OK)
        status = stage(p, &p->scalars, e);
    for (int i = 0; i < 2 && status == RN_OK && p->scalars.bytes; i++)
        memset(p->scalars.host[i], 0, p->scalars.bytes);
    if (status == RN_OK)
        status = get(d, RN_SPACE_DEVICE, plan->constant_bytes, &p->constants, e);
    p->bases[RN_BASE_CONSTANTS] = p->constants;
    if (status == RN_OK && plan->constant_bytes)
        status = copy(d, RN_COPY_TO_DEVICE, p->constants, plan->constants,
                      plan->constant_bytes, e);
    if (status == RN_OK)
        status = device_sync(d, e);
    if (status == RN_OK && !d->info.host_memory)
        status = d->b->event_create(d->self, &p->done, e);
    struct rn_backend_compile compile = {sizeof compile, 0, &plan->program, NULL};
    if (status == RN_OK)
        status = d->b->compile(d->self, &compile, e);
    p->exe = compile.exe;
    if (status != RN_OK)
        error_context(e, "program %s", plan->program.name);
    return status;
}

void program_destroy(struct program *p) {
    if (!p)
        return;
    struct device *d = p->d;
    struct program **at = &d->programs;
    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
    if (p->exe)
        d->b->exe_destroy(d->self, p->exe);
    for (uint32_t i = 0; i < p->input_count; i++)
        unstage(p, &p->inputs[i]);
    unstage(p, &p->scalars);
    for (uint32_t i = 0; i < p->output_count; i++) {
        struct result *r = &p->outputs[i];
        if (!d->info.host_memory)
            put(d, RN_SPACE_PINNED, r->host, r->bytes);
        put(d, RN_SPACE_DEVICE, r->device, r->bytes);
    }
    put(d, RN_SPACE_DEVICE, p->constants, p->plan->constant_bytes);
    put(d, RN_SPACE_DEVICE, p->arena, p->plan->program.arena_bytes);
    if (p->done)
        d->b->event_destroy(d->self, p->done);
    memory_release(p->bases);
    memory_release(p->inputs);
    memory_release(p->outputs);
    memory_release(p);
}

/* ---------------------------------------------------------------- one run */

int program_input_index(const struct program *p, const char *name) {
    for (uint32_t i = 0; i < p->input_count; i++)
        if (strcmp(p->inputs[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* The staging buffer whose turn it is, free to be written. */
static void *staging(struct program *p, struct staged *s, struct rn_error *e) {
    struct device *d = p->d;
    if (d->info.host_memory) {
        if (p->running && d->b->stream_sync(d->self, d->stream, e) != RN_OK)
            return NULL;
        p->running = false;
        return s->host[0];
    }
    if (s->pending[s->turn] && d->b->event_sync(d->self, s->event[s->turn], e) != RN_OK)
        return NULL;
    s->pending[s->turn] = false;
    return s->host[s->turn];
}

void *program_input(struct program *p, int index, uint64_t *bytes, struct rn_error *e) {
    if (index < 0 || (uint32_t)index >= p->input_count)
        return NULL;
    if (bytes)
        *bytes = p->inputs[index].bytes;
    p->bases[p->inputs[index].base] = p->inputs[index].device;
    return staging(p, &p->inputs[index], e);
}

bool program_borrow(struct program *p, int index, const void *data) {
    if (!p->d->info.host_memory || (uintptr_t)data % 64)
        return false;
    /* No program writes to its inputs. */
    p->bases[p->inputs[index].base] = (void *)(uintptr_t)data;
    return true;
}

int program_scalar_index(const struct program *p, const char *name) {
    for (uint32_t i = 0; i < p->plan->scalar_count; i++)
        if (strcmp(p->plan->scalars[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* A scalar stays until it is set again, so both copies of the cell get it. */
static void set_cell(struct program *p, int index, const void *value, size_t bytes) {
    if (index < 0)
        return;
    if (p->d->info.host_memory) {
        staging(p, &p->scalars, NULL);
        memcpy((char *)p->scalars.host[0] + 8u * (size_t)index, value, bytes);
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (p->scalars.pending[i])
            p->d->b->event_sync(p->d->self, p->scalars.event[i], NULL);
        p->scalars.pending[i] = false;
        memcpy((char *)p->scalars.host[i] + 8u * (size_t)index, value, bytes);
    }
}

void program_set_f32(struct program *p, int index, float x) {
    set_cell(p, index, &x, sizeof x);
}

void program_set_u32(struct program *p, int index, uint32_t x) {
    set_cell(p, index, &x, sizeof x);
}

static int send(struct program *p, struct staged *s, struct rn_error *e) {
    struct device *d = p->d;
    if (!s->bytes)
        return RN_OK;
    int status = copy(d, RN_COPY_TO_DEVICE, s->device, s->host[s->turn], s->bytes, e);
    if (status == RN_OK)
        status = d->b->event_record(d->self, s->event[s->turn], d->stream, e);
    s->pending[s->turn] = true;
    s->turn ^= 1;
    return status;
}

int device_watch(struct device *d, const struct device_watch *w, struct rn_error *e) {
    size_t max_nodes = 1;
    memory_release(d->times);
    d->times = NULL;
    if (!w)
        return RN_OK;
    if (!RN_HAS(d->b, struct rn_backend, profile) || !d->b->profile)
        return error_set(e, RN_E_UNSUPPORTED, "%s cannot time its nodes", d->info.name);
    for (const struct program *p = d->programs; p; p = p->next)
        if (p->plan->program.node_count > max_nodes)
            max_nodes = p->plan->program.node_count;
    d->times = memory_get(memory_mul(2 * max_nodes, sizeof *d->times));
    d->watch = *w;
    return RN_OK;
}

int device_peaks(struct device *d, struct rn_device_peaks *out, struct rn_error *e) {
    *out = (struct rn_device_peaks){.struct_size = sizeof *out};
    if (!RN_HAS(d->b, struct rn_backend, peaks) || !d->b->peaks)
        return RN_OK;
    return d->b->peaks(d->self, out, e);
}

bool device_gauges(struct device *d, struct rn_device_gauges *out) {
    struct rn_error e;
    *out = (struct rn_device_gauges){sizeof *out, 0, NAN, NAN, NAN, NAN};
    return RN_HAS(d->b, struct rn_backend, gauges) && d->b->gauges &&
           d->b->gauges(d->self, out, &e) == RN_OK;
}

/* The plugin's own operator at a node of this label, in bodies of scans too. */
static const void *custom_at(const struct rn_program *p, const char *label) {
    const void *found = NULL;
    for (uint32_t i = 0; i < p->node_count && !found; i++) {
        const struct rn_node *n = rn_node_at(p, i);
        if (n->custom && strcmp(n->label, label) == 0)
            found = n->custom;
        else if (n->sub)
            found = custom_at(n->sub, label);
    }
    return found;
}

/* An error of a plugin's own operator names the plugin. A late one may concern another
 * program than the one that reports it. */
static void blame_operator(const struct device *d, struct rn_error *e) {
    const void *op = NULL, *base;
    if (!e || e->where_kind != RN_WHERE_LAYER || strstr(e->hint, "in the plugin "))
        return;
    for (const struct program *p = d->programs; p && !op; p = p->next)
        op = custom_at(&p->plan->program, e->where);
    const char *file = op ? module_at(op, &base) : NULL;
    char hint[sizeof e->hint];
    memcpy(hint, e->hint, sizeof hint);
    if (file)
        error_hint(e, "%s%sin the plugin %s", hint, hint[0] ? "\n" : "", file);
}

static int run_watched(struct program *p, const struct rn_backend_run *call,
                       struct rn_error *e) {
    struct device *d = p->d;
    int64_t began = clock_ns();
    int status = d->b->profile(d->self, call, e);
    if (status == RN_OK)
        d->watch.ran(d->watch.context, p->plan, began, clock_ns(), d->times);
    return status;
}

int program_run(struct program *p, struct rn_error *e) {
    struct device *d = p->d;
    int status = RN_OK;
    if (!d->info.host_memory) {
        for (uint32_t i = 0; i < p->input_count && status == RN_OK; i++)
            status = send(p, &p->inputs[i], e);
        if (status == RN_OK)
            status = send(p, &p->scalars, e);
    }
    struct rn_backend_run call = {sizeof call, 0,        p->exe,
                                  d->stream,   p->bases, d->times};
    if (status == RN_OK)
        status = d->times ? run_watched(p, &call, e) : d->b->run(d->self, &call, e);
    if (status != RN_OK)
        blame_operator(d, e);
    if (status == RN_OK && !d->info.host_memory) {
        for (uint32_t i = 0; i < p->output_count && status == RN_OK; i++)
            status = copy(d, RN_COPY_TO_HOST, p->outputs[i].host, p->outputs[i].device,
                          p->outputs[i].bytes, e);
        if (status == RN_OK)
            status = d->b->event_record(d->self, p->done, d->stream, e);
    }
    p->running = true;
    return status;
}

int program_output_index(const struct program *p, const char *name) {
    for (uint32_t i = 0; i < p->output_count; i++)
        if (strcmp(p->outputs[i].name, name) == 0)
            return (int)i;
    return -1;
}

const void *program_output(struct program *p, int index, struct rn_error *e) {
    struct device *d = p->d;
    if (index < 0 || (uint32_t)index >= p->output_count)
        return NULL;
    int status = d->info.host_memory ? d->b->stream_sync(d->self, d->stream, e)
                                     : d->b->event_sync(d->self, p->done, e);
    if (status != RN_OK)
        blame_operator(d, e);
    return status == RN_OK ? p->outputs[index].host : NULL;
}

const void *program_result(struct program *p, const char *name, rn_dtype *dtype,
                           uint32_t *rank, int64_t *dims, struct rn_error *e) {
    for (uint32_t i = 0; i < p->plan->base_count; i++) {
        const struct plan_base *b = &p->plan->bases[i];
        if (b->kind != BASE_OUTPUT || strcmp(b->name, name) != 0)
            continue;
        *dtype = b->dtype;
        *rank = b->rank;
        memcpy(dims, b->shape, sizeof b->shape);
        return program_output(p, program_output_index(p, name), e);
    }
    error_set(e, RN_E_INTERNAL, "program %s has no output '%s'", p->plan->program.name,
              name);
    return NULL;
}

int program_slot_read(struct program *p, uint32_t slot, void *out, struct rn_error *e) {
    const struct rn_slot *s = rn_slot_at(&p->plan->program, slot);
    const char *at = p->bases[s->base];
    int status = copy(p->d, RN_COPY_TO_HOST, out, at + s->offset, s->bytes, e);
    return status ? status : device_sync(p->d, e);
}

/* --------------------------------------------------------------- footprint */

struct exec_footprint exec_footprint(const struct rn_device_info *device,
                                     const struct variables *v, uint32_t n,
                                     const struct plan *const *plans) {
    struct exec_footprint f = {0};
    for (uint32_t i = 0; i < variables_count(v); i++) {
        const struct variable *one = variables_at(v, i);
        *(strcmp(one->role, "data") == 0 ? &f.data : &f.variables) +=
            variable_bytes(one);
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct plan *p = plans[i];
        uint64_t scalars = round64(8u * (uint64_t)p->scalar_count);
        if (p->program.arena_bytes > f.arena)
            f.arena = p->program.arena_bytes;
        if (p->live_bound > f.arena_bound)
            f.arena_bound = p->live_bound;
        f.constants += round64(p->constant_bytes);
        f.scalars += scalars;
        f.pinned += device->host_memory ? 0 : 2 * scalars;
        for (uint32_t k = 0; k < p->base_count; k++) {
            uint64_t bytes = round64(p->bases[k].bytes);
            if (p->bases[k].kind == BASE_INPUT) {
                f.inputs += bytes;
                f.pinned += device->host_memory ? 0 : 2 * bytes;
            } else if (p->bases[k].kind == BASE_OUTPUT) {
                f.outputs += bytes;
                f.pinned += device->host_memory ? 0 : bytes;
            }
        }
    }
    f.total =
        f.variables + f.data + f.arena + f.constants + f.scalars + f.inputs + f.outputs;
    return f;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of regions: a small host for the cpu backend, graphs, and what they
 * give on it, compared to the bit. */
#ifndef TESTS_REGION_GRAPHS_H
#define TESTS_REGION_GRAPHS_H

#include <dlfcn.h>
#include <stdlib.h>

#include "check.h"
#include "described.h"
#include "exec/exec.h"
#include "graph/graph.h"
#include "plan/plan.h"

/* -------------------------------------------------------------- a small host */

struct options {
    struct rn_host host;
    int64_t threads;
    const char *isa, *generate, *compiler;
    const char *order;            /* of threads, on an emulated device */
    bool reduces;                 /* of a plan: regions end with reductions */
    _Atomic int compiled, failed; /* log lines about regions */
};

static const char *backend_text; /* the description: its defaults */

static int32_t get_int(struct rn_host *h, const char *path, int64_t *out) {
    const char *v = described_default(backend_text, path);
    *out = strcmp(path, "threads") == 0 ? ((struct options *)(void *)h)->threads
           : v                          ? strtoll(v, NULL, 10)
                                        : 0;
    return RN_OK;
}

static int32_t get_string(struct rn_host *h, const char *path, const char **out) {
    const struct options *o = (const void *)h;
    *out = strcmp(path, "isa") == 0        ? o->isa
           : strcmp(path, "generate") == 0 ? o->generate
           : strcmp(path, "compiler") == 0 ? o->compiler
           : strcmp(path, "order") == 0    ? o->order
                                           : NULL;
    if (!*out)
        *out = described_default(backend_text, path);
    return *out ? RN_OK : RN_E_PLUGIN;
}

static int32_t has(struct rn_host *h, const char *path) {
    const char *v = NULL;
    return get_string(h, path, &v) == RN_OK;
}

static void hear(struct rn_host *h, int32_t level, const char *text) {
    struct options *o = (void *)h;
    (void)level;
    if (strncmp(text, "regions compiled by", 19) == 0)
        o->compiled++;
    if (strstr(text, "compiled no regions"))
        o->failed++;
}

static const struct rn_host_api host_api = {.struct_size = sizeof host_api,
                                            .get_int = get_int,
                                            .get_string = get_string,
                                            .has = has,
                                            .log = hear};

static const struct rn_backend *backend;

static bool open_backend(const char *file) {
    void *so = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    void *symbol = so ? dlsym(so, RN_ENTRY_SYMBOL) : NULL;
    rn_entry_fn entry;
    if (!symbol) {
        fprintf(stderr, "%s\n", dlerror());
        return false;
    }
    memcpy(&entry, &symbol, sizeof entry);
    backend = entry()->components[0]->iface;
    backend_text = entry()->components[0]->text;
    return true;
}

struct opened {
    struct options options;
    void *self;
};

static int32_t open_engine(struct opened *o, const char *isa, int threads,
                           const char *generate, const char *compiler) {
    struct rn_error e = {0};
    o->self = NULL;
    o->options = (struct options){.host = {&host_api},
                                  .threads = threads,
                                  .isa = isa,
                                  .generate = generate,
                                  .compiler = compiler};
    return backend->create(&o->options.host, &o->self, &e);
}

/* An emulated device whose threads go forwards or backwards. */
static inline int32_t open_device(struct opened *o, const char *order) {
    struct rn_error e = {0};
    o->self = NULL;
    o->options = (struct options){.host = {&host_api}, .order = order};
    return backend->create(&o->options.host, &o->self, &e);
}

static void close_engine(struct opened *o) {
    if (o->self)
        backend->destroy(o->self);
    o->self = NULL;
}

/* -------------------------------------------------------------------- graphs */

#define PORTS        32
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct input {
    char name[8];
    rn_dtype dtype;
    uint64_t count;
    bool plain; /* no infinity, no NaN, nothing huge */
};

struct built {
    struct arena *arena;
    struct graph *graph;
    uint32_t input_count;
    struct input inputs[PORTS];
};

static uint32_t state = 1;

static uint32_t mix(uint32_t x) {
    x ^= x >> 16, x *= 0x7feb352du, x ^= x >> 15, x *= 0x846ca68bu;
    return x ^ x >> 16;
}

static inline uint32_t dice(uint32_t n) {
    return mix(state++) % n;
}

static void begin(struct built *b, const char *name) {
    b->arena = arena_create();
    b->graph = graph_create(b->arena, variables_create(b->arena), name);
    b->input_count = 0;
}

static rn_value input(struct built *b, rn_dtype t, uint32_t rank,
                      const int64_t *shape) {
    struct input *i = &b->inputs[b->input_count];
    *i = (struct input){.dtype = t, .count = 1};
    snprintf(i->name, sizeof i->name, "x%u", b->input_count++);
    for (uint32_t k = 0; k < rank; k++)
        i->count *= (uint64_t)shape[k];
    return graph_input(b->graph, i->name, t, rank, shape);
}

static rn_value op(struct built *b, const char *name, uint32_t n, rn_value x,
                   rn_value y, rn_value z) {
    rn_value in[3] = {x, y, z}, out = RN_NONE;
    struct rn_error e = {0};
    if (graph_op(b->graph, name, n, in, 0, NULL, 1, &out, &e) != RN_OK)
        fprintf(stderr, "%s: %s\n", name, e.message);
    return out;
}

static inline rn_value cast(struct built *b, rn_value x, rn_dtype t) {
    struct rn_attr a = rn_attr_int("dtype", (int64_t)t);
    rn_value out = RN_NONE;
    graph_op(b->graph, "cast", 1, &x, 1, &a, 1, &out, NULL);
    return out;
}

static void output(struct built *b, rn_value v) {
    char name[8];
    struct rn_error e = {0};
    snprintf(name, sizeof name, "y%u", b->graph->output_count);
    CHECK(graph_output(b->graph, arena_copy(b->arena, name), v, &e) == RN_OK);
}

static void fill(const struct input *in, uint32_t salt, void *to) {
    static const float special[] = {0.0f,     -0.0f,  INFINITY, -INFINITY, NAN,
                                    3.4e38f,  1e-40f, -1.0f,    1.0f,      88.8f,
                                    -103.97f, 0.5f,   -2.5f,    1e-7f,     -3e9f,
                                    6.28e4f,  2.0f,   1e-45f,   -1.2e-38f, 3.0f};
    for (uint64_t i = 0; i < in->count; i++) {
        uint32_t r = mix((uint32_t)i + salt * 1000003u);
        double x = 4.0 * (r / 4294967296.0) - 2.0;
        if (r % 6 == 0 && !in->plain)
            x = (double)special[r / 8 % (sizeof special / sizeof special[0])];
        if (in->dtype == RN_F64 && r % 96 == 0)
            x = r % 192 ? 4.9e-324 : -1.7e308;
        switch (in->dtype) {
        case RN_F32:
            ((float *)to)[i] = (float)x;
            break;
        case RN_F64:
            ((double *)to)[i] = x;
            break;
        case RN_I64:
            ((int64_t *)to)[i] = r % 13 == 0   ? INT64_MIN
                                 : r % 17 == 0 ? INT64_MAX
                                               : (int64_t)(r % 9) - 4;
            break;
        case RN_I32:
            ((int32_t *)to)[i] = r % 13 == 0   ? INT32_MIN
                                 : r % 17 == 0 ? INT32_MAX
                                               : (int32_t)(r % 9) - 4;
            break;
        case RN_BOOL:
            ((uint8_t *)to)[i] = r & 1;
            break;
        default:
            ((uint8_t *)to)[i] = (uint8_t)r;
            break;
        }
    }
}

/* ------------------------------------------------------------------- running */

struct result {
    uint32_t count, regions, reductions; /* inside of regions */
    uint64_t bytes[PORTS];
    rn_dtype dtype[PORTS];
    void *data[PORTS];
};

static void drop(struct result *r) {
    for (uint32_t i = 0; i < r->count; i++)
        free(r->data[i]);
}

struct ready {
    struct device *device;
    struct program *program;
    uint32_t regions, reductions;
};

static int get_ready(const struct opened *o, const struct built *b, struct ready *r,
                     struct rn_error *e) {
    struct plan_options options = {.backend = backend,
                                   .backend_self = o->self,
                                   .fuse = true,
                                   .reduces = o->options.reduces,
                                   .threads = (uint32_t)o->options.threads};
    const struct plan *plan;
    memset(r, 0, sizeof *r);
    int status = plan_make(b->graph, b->arena, &options, &plan, e);
    if (status == RN_OK)
        status = device_open(backend, o->self, &r->device, e);
    if (status == RN_OK)
        status = device_variables(r->device, b->graph->variables, e);
    if (status == RN_OK)
        status = program_create(r->device, plan, &r->program, e);
    if (status == RN_OK)
        status = device_reserve(r->device, e);
    for (uint32_t i = 0; status == RN_OK && i < plan->program.node_count; i++) {
        const struct rn_program *sub = plan->program.nodes[i].sub;
        r->regions += sub != NULL;
        for (uint32_t k = 0; sub && k < sub->node_count; k++)
            r->reductions += strncmp(sub->nodes[k].op, "reduce_", 7) == 0;
    }
    return status;
}

static void end_ready(struct ready *r) {
    program_destroy(r->program);
    device_close(r->device);
}

static int run_once(const struct built *b, struct ready *r, struct rn_error *e) {
    for (uint32_t i = 0; i < b->input_count; i++) {
        uint64_t bytes;
        int index = program_input_index(r->program, b->inputs[i].name);
        void *to = program_input(r->program, index, &bytes, e);
        if (to)
            fill(&b->inputs[i], i + 1, to);
    }
    return program_run(r->program, e);
}

static int take(const struct built *b, struct ready *r, struct result *out,
                struct rn_error *e) {
    out->regions = r->regions;
    out->reductions = r->reductions;
    out->count = b->graph->output_count;
    for (uint32_t i = 0; i < out->count; i++) {
        const struct goutput *o = &b->graph->outputs[i];
        const void *from =
            program_output(r->program, program_output_index(r->program, o->name), e);
        out->dtype[i] = graph_value(b->graph, o->value)->dtype;
        out->bytes[i] =
            graph_elements(b->graph, o->value) * RN_DTYPE_BYTES(out->dtype[i]);
        out->data[i] = malloc(out->bytes[i] + 1);
        if (!from || !out->data[i])
            return e->status ? e->status : -1;
        memcpy(out->data[i], from, out->bytes[i]);
    }
    return RN_OK;
}

static bool run_on(const struct opened *o, const struct built *b, struct result *out) {
    struct rn_error e = {0};
    struct ready r;
    memset(out, 0, sizeof *out);
    int status = get_ready(o, b, &r, &e);
    for (int round = 0; round < 2 && status == RN_OK; round++)
        status = run_once(b, &r, &e);
    if (status == RN_OK)
        status = take(b, &r, out, &e);
    if (status != RN_OK)
        fprintf(stderr, "%s: %s (%s)\n", o->options.generate, e.message, e.where);
    end_ready(&r);
    return status == RN_OK;
}

/* To the bit, but for a NaN's payload and sign. */
static bool same(const struct result *x, const struct result *y) {
    bool good = x->count == y->count;
    for (uint32_t k = 0; k < x->count && good; k++) {
        uint32_t size = RN_DTYPE_BYTES(x->dtype[k]);
        good = x->bytes[k] == y->bytes[k];
        for (uint64_t at = 0; at < x->bytes[k] && good; at += size) {
            const char *a = (const char *)x->data[k] + at;
            const char *b = (const char *)y->data[k] + at;
            if (memcmp(a, b, size) == 0)
                continue;
            double u = 0.0, v = 0.0;
            float f;
            if (x->dtype[k] == RN_F64)
                memcpy(&u, a, 8), memcpy(&v, b, 8);
            if (x->dtype[k] == RN_F32)
                memcpy(&f, a, 4), u = (double)f, memcpy(&f, b, 4), v = (double)f;
            good = u != u && v != v;
            if (!good)
                fprintf(stderr, "output %u, element %llu: %.17g %.17g\n", k,
                        (unsigned long long)(at / size), u, v);
        }
    }
    return good;
}

#endif

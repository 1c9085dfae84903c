/* SPDX-License-Identifier: Apache-2.0 */
/* A backend opened from its file with a small host, and graphs run on it. */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdlib.h>

#include "../described.h"
#include "graph/internal.h"
#include "ops.h"

static int32_t get_int(struct rn_host *h, const char *path, int64_t *out) {
    const struct backend_options *o = (const void *)h;
    if (strcmp(path, "threads") == 0)
        *out = o->threads;
    else {
        const char *v = described_default(o->text, path);
        *out = v ? strtoll(v, NULL, 10) : 0;
    }
    return RN_OK;
}

static int32_t get_string(struct rn_host *h, const char *path, const char **out) {
    const struct backend_options *o = (const void *)h;
    if (strcmp(path, "deterministic") == 0)
        *out = o->deterministic;
    else if (strcmp(path, "numerics") == 0)
        *out = o->numerics;
    else if (strcmp(path, "order") == 0)
        *out = o->order;
    else if (strcmp(path, "libraries") == 0)
        *out = o->libraries;
    else if (strcmp(path, "plan_for") == 0)
        *out = o->plan_for;
    else
        *out = described_default(o->text, path);
    return *out ? RN_OK : RN_E_PLUGIN;
}

static int32_t has(struct rn_host *h, const char *path) {
    const struct backend_options *o = (const void *)h;
    return strcmp(path, "plan_for") == 0 || described_default(o->text, path) != NULL;
}

static const struct rn_host_api host_api = {.struct_size = sizeof host_api,
                                            .get_int = get_int,
                                            .get_string = get_string,
                                            .has = has};

bool backend_open(struct opened *o, const char *file, int n, char **options) {
    struct rn_error e = {0};
    void *so = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    rn_entry_fn entry;
    if (!so) {
        fprintf(stderr, "%s\n", dlerror());
        return false;
    }
    void *symbol = dlsym(so, RN_ENTRY_SYMBOL);
    memcpy(&entry, &symbol, sizeof entry);
    memset(o, 0, sizeof *o);
    o->backend = entry()->components[0]->iface;
    o->options = (struct backend_options){
        {&host_api}, 1,      "run", "fast",
        "forwards",  "auto", "",    entry()->components[0]->text};
    const char *slash = strrchr(file, '/');
    size_t used =
        (size_t)snprintf(o->name, sizeof o->name, "%.24s", slash ? slash + 1 : file);
    char *dot = strstr(o->name, ".so");
    if (dot) {
        *dot = '\0';
        used = (size_t)(dot - o->name);
    }
    for (int i = 0; i < n; i++) {
        char *value = strchr(options[i], '=') + 1;
        if (strncmp(options[i], "threads=", 8) == 0)
            o->options.threads = strtoll(value, NULL, 10);
        else if (strncmp(options[i], "deterministic=", 14) == 0)
            o->options.deterministic = value;
        else if (strncmp(options[i], "order=", 6) == 0)
            o->options.order = value;
        else if (strncmp(options[i], "libraries=", 10) == 0)
            o->options.libraries = value;
        else if (strncmp(options[i], "plan_for=", 9) == 0)
            o->options.plan_for = value;
        else
            o->options.numerics = value;
        used += (size_t)snprintf(o->name + used, sizeof o->name - used, " %.20s",
                                 options[i]);
    }
    o->exact = strcmp(o->options.deterministic, "threads") == 0;
    if (o->backend->create(&o->options.host, &o->self, &e) != RN_OK) {
        fprintf(stderr, "%s: %s\n", file, e.message);
        return false;
    }
    return true;
}

void backend_close(struct opened *o) {
    if (o->self)
        o->backend->destroy(o->self);
    o->self = NULL;
}

/* ---------------------------------------------------------------- programs */

bool exe_open(struct exe *x, const struct opened *o, const struct graph *g, bool fuse) {
    struct plan_options options = {
        .backend = o->backend, .backend_self = o->self, .fuse = fuse};
    memset(x, 0, sizeof *x);
    x->o = o;
    x->a = arena_create();
    int status = plan_make(g, x->a, &options, &x->plan, &x->e);
    if (status == RN_OK)
        status = device_open(o->backend, o->self, &x->d, &x->e);
    if (status == RN_OK)
        status = device_variables(x->d, g->variables, &x->e);
    if (status == RN_OK)
        status = program_create(x->d, x->plan, &x->p, &x->e);
    if (status == RN_OK)
        status = device_reserve(x->d, &x->e);
    return status == RN_OK;
}

void exe_close(struct exe *x) {
    device_close(x->d);
    if (x->a)
        arena_destroy(x->a);
    x->a = NULL;
    x->d = NULL;
}

void *exe_input(struct exe *x, const char *name) {
    int index = program_input_index(x->p, name);
    return index < 0 ? NULL : program_input(x->p, index, NULL, &x->e);
}

bool exe_run(struct exe *x) {
    return program_run(x->p, &x->e) == RN_OK;
}

const void *exe_output(struct exe *x, const char *name) {
    return program_output(x->p, program_output_index(x->p, name), &x->e);
}

rn_dtype exe_input_dtype(const struct exe *x, const char *name) {
    for (uint32_t i = 0; i < x->plan->base_count; i++) {
        const struct plan_base *b = &x->plan->bases[i];
        if (b->kind == BASE_INPUT && strcmp(b->name, name) == 0)
            return b->dtype;
    }
    return 0;
}

bool exe_fill(struct exe *x, const struct built *b) {
    for (uint32_t i = 0; i < b->input_count; i++) {
        const struct case_input *in = &b->inputs[i];
        void *to = exe_input(x, in->name);
        if (!to)
            continue;
        if (in->dtype != RN_F32 || exe_input_dtype(x, in->name) == RN_F32) {
            case_fill(in, i + 1, to);
            continue;
        }
        float *narrow = malloc((in->count + 1) * sizeof *narrow);
        case_fill(in, i + 1, narrow);
        for (uint64_t k = 0; k < in->count; k++)
            ((double *)to)[k] = (double)narrow[k];
        free(narrow);
    }
    program_set_u32(x->p, program_scalar_index(x->p, "run.seed"), 77);
    program_set_u32(x->p, program_scalar_index(x->p, "run.step"), 5);
    program_set_u32(x->p, program_scalar_index(x->p, "run.row"), 1000);
    if (program_scalar_index(x->p, "lr") >= 0)
        program_set_f32(x->p, program_scalar_index(x->p, "lr"), 0.01f);
    return x->e.status == RN_OK;
}

bool exe_results(struct exe *x, const struct graph *g, struct result *r) {
    for (uint32_t i = 0; i < g->output_count && i < RESULTS; i++) {
        rn_dtype t;
        uint32_t rank;
        int64_t dims[RN_MAX_RANK];
        const void *from =
            program_result(x->p, g->outputs[i].name, &t, &rank, dims, &x->e);
        if (!from)
            return false;
        r->dtype[i] = t;
        r->elements[i] = 1;
        for (uint32_t k = 0; k < rank; k++)
            r->elements[i] *= (uint64_t)dims[k];
        r->data[i] = malloc(r->elements[i] * RN_DTYPE_BYTES(t) + 1);
        memcpy(r->data[i], from, r->elements[i] * RN_DTYPE_BYTES(t));
        r->count++;
    }
    return true;
}

static bool run_rounds(const struct opened *o, const struct built *b, bool fuse,
                       int rounds, struct result *r) {
    struct exe x;
    memset(r, 0, sizeof *r);
    bool good = exe_open(&x, o, b->graph, fuse);
    for (int round = 0; round < rounds && good; round++)
        good = exe_fill(&x, b) && exe_run(&x);
    good = good && exe_results(&x, b->graph, r);
    if (!good)
        fprintf(stderr, "%s: %s (%s %s)\n", o->name, x.e.message, x.e.hint, x.e.where);
    exe_close(&x);
    return good;
}

bool built_run(const struct opened *o, const struct built *b, bool fuse,
               struct result *r) {
    return run_rounds(o, b, fuse, 2, r);
}

bool built_run_once(const struct opened *o, const struct built *b, bool fuse,
                    struct result *r) {
    return run_rounds(o, b, fuse, 1, r);
}

void result_free(struct result *r) {
    for (uint32_t i = 0; i < r->count; i++)
        free(r->data[i]);
    memset(r, 0, sizeof *r);
}

double result_at(const struct result *r, uint32_t output, uint64_t i) {
    const void *p = r->data[output];
    switch (r->dtype[output]) {
    case RN_F32:
        return (double)((const float *)p)[i];
    case RN_F64:
        return ((const double *)p)[i];
    case RN_I64:
        return (double)((const int64_t *)p)[i];
    case RN_I32:
        return ((const int32_t *)p)[i];
    case RN_U32:
        return ((const uint32_t *)p)[i];
    case RN_I8:
        return ((const int8_t *)p)[i];
    case RN_F16:
    case RN_BF16:
        return ((const uint16_t *)p)[i];
    default:
        return ((const uint8_t *)p)[i];
    }
}

bool result_same(const struct result *x, const struct result *y, char *where,
                 size_t size) {
    if (x->count != y->count) {
        snprintf(where, size, "%u outputs, not %u", y->count, x->count);
        return false;
    }
    for (uint32_t k = 0; k < x->count; k++) {
        size_t bytes = RN_DTYPE_BYTES(x->dtype[k]);
        if (x->dtype[k] != y->dtype[k] || x->elements[k] != y->elements[k]) {
            snprintf(where, size, "output %u has another type or shape", k);
            return false;
        }
        for (uint64_t i = 0; i < x->elements[k]; i++) {
            double a = result_at(x, k, i), b = result_at(y, k, i);
            if (memcmp((const char *)x->data[k] + i * bytes,
                       (const char *)y->data[k] + i * bytes, bytes) == 0 ||
                (dtype_float(x->dtype[k]) && a != a && b != b))
                continue;
            snprintf(where, size, "output %u element %llu is %.9g, the reference %.9g",
                     k, (unsigned long long)i, b, a);
            return false;
        }
    }
    return true;
}

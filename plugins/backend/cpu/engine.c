/* SPDX-License-Identifier: Apache-2.0 */
/* Query, compile, run: which room takes a node, and the list of prepared calls. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include <runner/sdk/isa.h>

#include "co_schedule.h"
#include "compiled.h"
#include "tune.h"

#define WORTH_NS 100000000 /* in interpreted regions, before a compiler is started */

struct cpu_engine {
    int threads;
    bool exact;  /* no library whose sums depend on the number of threads */
    bool strict; /* no Winograd */
    const struct cpu_isa *isa;
    struct cpu_compiler *compiler; /* NULL: regions are interpreted */
    struct cpu_tuner *tuner;
#ifdef CPU_ONEDNN
    struct cpu_onednn *onednn;
#endif
};

static unsigned library_isa(const struct cpu_engine *g) {
#ifdef CPU_ONEDNN
    return g->onednn ? (unsigned)cpu_isa_library() : 0;
#else
    (void)g;
    return 0;
#endif
}

int32_t cpu_engine_create(struct rn_host *h, struct cpu_engine **out,
                          struct rn_error *e) {
    struct cpu_engine *g = calloc(1, sizeof *g);
    int64_t threads = rn_get_int(h, "threads");
    *out = NULL;
    if (!g)
        return rn_fail(e, RN_E_MEMORY, "no memory for a backend", NULL, NULL);
    g->exact = strcmp(rn_get_string(h, "deterministic"), "threads") == 0;
    g->strict = strcmp(rn_get_string(h, "numerics"), "strict") == 0;
#ifdef _OPENMP
    g->threads = threads < 1 ? omp_get_num_procs() : (int)threads;
#else
    (void)threads;
    g->threads = 1;
#endif
    g->isa = cpu_isa_find(rn_get_string(h, "isa"));
    int32_t status = RN_OK;
    if (!g->isa)
        status = rn_fail(e, RN_E_CONFIG, "this processor lacks that instruction set",
                         "best takes what it has", "isa");
#ifdef CPU_ONEDNN
    cpu_isa_cap_library();
    if (status == RN_OK && !g->exact)
        status = cpu_onednn_create(&g->onednn, e);
#endif
    if (status == RN_OK)
        status = cpu_compiler_create(h, g->isa, &g->compiler, e);
    if (status == RN_OK) {
        char machine[256], name[160], library[32] = "own products";
        cpu_engine_name(g, name, sizeof name);
#ifdef CPU_ONEDNN
        cpu_onednn_version(library, sizeof library);
#endif
        snprintf(machine, sizeof machine, "4 %s%s %s isa %x", name,
                 g->strict ? " strict" : "", library, library_isa(g));
        g->tuner = cpu_tuner_create(h, strcmp(rn_get_string(h, "tune"), "off") == 0,
                                    machine, NULL);
        if (!g->tuner)
            status = rn_fail(e, RN_E_MEMORY, "no memory for a backend", NULL, NULL);
    }
    if (status != RN_OK) {
        cpu_engine_destroy(g);
        return status;
    }
    *out = g;
    return RN_OK;
}

struct cpu_tuner *cpu_tuner(const struct cpu_engine *g) {
    return g->tuner;
}

int64_t cpu_image_block(const struct cpu_engine *g) {
#ifdef CPU_ONEDNN
    return !g->onednn ? 0 : strcmp(cpu_isa_best()->name, "v4") == 0 ? 16 : 8;
#else
    (void)g;
    return 0;
#endif
}

bool cpu_strict(const struct cpu_engine *g) {
    return g->strict;
}

bool cpu_libraries(const struct cpu_engine *g) {
#ifdef CPU_ONEDNN
    return g->onednn != NULL;
#else
    (void)g;
    return false;
#endif
}

bool cpu_bf16(const struct cpu_engine *g) {
#if defined(CPU_ONEDNN) && defined(__x86_64__)
    return g->onednn && rn_isa_cap() == RN_ISA_NATIVE &&
           __builtin_cpu_supports("avx512bf16");
#else
    (void)g;
    return false;
#endif
}

void cpu_engine_destroy(struct cpu_engine *g) {
    if (!g)
        return;
    cpu_compiler_destroy(g->compiler);
    cpu_tuner_destroy(g->tuner);
#ifdef CPU_ONEDNN
    cpu_onednn_destroy(g->onednn);
#endif
    free(g);
}

int cpu_engine_threads(const struct cpu_engine *g) {
    return g->threads;
}

const struct cpu_isa *cpu_isa(const struct cpu_engine *g) {
    return g->isa;
}

#ifdef CPU_ONEDNN
struct cpu_onednn *cpu_onednn_of(const struct cpu_engine *g) {
    return g->onednn;
}
#endif

#if defined(__x86_64__)
#define MACHINE "x86-64"
#elif defined(__aarch64__)
#define MACHINE "arm64"
#else
#define MACHINE "other"
#endif

void cpu_engine_name(const struct cpu_engine *g, char *out, size_t size) {
    char line[256], model[80] = "unknown processor";
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon) {
            colon[strcspn(colon, "\n")] = '\0';
            snprintf(model, sizeof model, "%.70s", colon + 2);
            break;
        }
    }
    if (f)
        fclose(f);
    enum rn_isa cap = rn_isa_cap();
    snprintf(out, size, "cpu: %s, " MACHINE "-%s%s%s%s", model, g->isa->name,
             cap == RN_ISA_NATIVE ? "" : ", RUNNER_ISA=",
             cap == RN_ISA_NATIVE ? "" : rn_isa_name(cap),
             g->exact ? ", own products" : "");
}

/* ------------------------------------------------------------- attributes */

int64_t cpu_int(const struct rn_node *n, const char *name, int64_t fallback) {
    const struct rn_attr *a = rn_node_attr(n, name);
    return a ? a->i : fallback;
}

double cpu_float(const struct rn_node *n, const char *name, double fallback) {
    const struct rn_attr *a = rn_node_attr(n, name);
    return a ? a->f : fallback;
}

/* ------------------------------------------------------------------ rooms */

static struct kernel_tensor tensor(const struct rn_program *p, uint32_t i) {
    struct kernel_tensor t = {NULL, 0, 0, NULL, 0};
    if (i == RN_NO_SLOT)
        return t;
    const struct rn_slot *s = rn_slot_at(p, i);
    t.dtype = s->dtype;
    t.rank = s->rank;
    t.shape = s->shape;
    t.count = 1;
    for (uint32_t k = 0; k < s->rank; k++)
        t.count *= (uint64_t)s->shape[k];
    return t;
}

static int32_t run_plain(const struct cpu_call *c, struct rn_error *e) {
    kernel_fn fn;
    memcpy(&fn, c->state, sizeof fn);
    return fn(&c->k, e);
}

static int32_t run_copy(const struct cpu_call *c, struct rn_error *e) {
    const struct kernel_tensor *x = &c->k.in[0], *y = &c->k.out[0];
    (void)e;
    if (x->data != y->data)
        memmove(y->data, x->data, (size_t)y->count * RN_DTYPE_BYTES(y->dtype));
    return RN_OK;
}

static int32_t run_nothing(const struct cpu_call *c, struct rn_error *e) {
    (void)c, (void)e;
    return RN_OK;
}

static int32_t room_basic(struct cpu_setup *s, struct rn_error *e) {
    if (s->node->custom)
        return cpu_custom(s, e);
    bool empty = s->n_out > 0;
    for (uint32_t i = 0; i < s->n_out; i++)
        empty &= s->out[i].count == 0;
    if (empty) {
        s->run = run_nothing;
        s->kernel = "nothing";
        return 1;
    }
    if (strcmp(s->node->op, "reshape") == 0 || strcmp(s->node->op, "flatten") == 0 ||
        strcmp(s->node->op, "identity") == 0 ||
        strcmp(s->node->op, "stop_gradient") == 0) {
        s->run = run_copy;
        s->in_place = 1;
        s->kernel = "copy";
        return 1;
    }
    return 0;
}

static int32_t room_plain(struct cpu_setup *s, struct rn_error *e) {
    kernel_fn fn = kernel_find(s->node->op, s->in, s->n_in, s->out);
    if (!fn)
        return 0;
    s->state = malloc(sizeof fn);
    if (!s->state)
        return rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
    memcpy(s->state, &fn, sizeof fn);
    s->run = run_plain;
    s->kernel = "reference";
    return 1;
}

#ifdef CPU_DOTS16
/* Its whole file is compiled for a processor with products of bf16: any function there
 * may use what other processors lack, so the processor is checked here. */
static int32_t attention16(struct cpu_setup *s, struct rn_error *e) {
    return cpu_bf16(s->engine) ? cpu_attention16(s, e) : 0;
}
#endif

static int32_t prepare(struct cpu_setup *s, struct rn_error *e) {
    const struct cpu_isa *isa = s->engine->isa;
    const kernel_family rooms[] = {cpu_scan,        room_basic,      cpu_elementwise, isa->reduce,
                                   isa->softmax,    isa->normalise,  isa->attention,
                                   isa->window,     isa->move,
#ifdef CPU_DOTS16
                                   attention16,
#endif
#ifdef CPU_ONEDNN
                                   cpu_onednn_room,
#endif
                                   cpu_products,    room_plain};
    const kernel_family for_blocked[] = {
        room_basic,
        isa->blocked,
#ifdef CPU_ONEDNN
        cpu_onednn_room,
#endif
    };
    bool blocked = rn_node_blocked(s->node);
    const kernel_family *list = blocked ? for_blocked : rooms;
    size_t count =
        blocked ? sizeof for_blocked / sizeof rooms[0] : sizeof rooms / sizeof rooms[0];
    for (size_t i = 0; i < count; i++) {
        int32_t taken = list[i](s, e);
        if (taken)
            return taken;
    }
    return 0;
}

static void finish(void (*fn)(void *), void *state) {
    if (state && fn)
        fn(state);
    else
        free(state);
}

/* The library takes the calling thread's number of threads (0: the engine's); give it
 * back after. */
static int threads_enter(const struct cpu_engine *g, int threads) {
#ifdef _OPENMP
    int before = omp_get_max_threads();
    omp_set_num_threads(threads ? threads : g->threads);
    return before;
#else
    (void)g, (void)threads;
    return 1;
#endif
}

static void threads_leave(int before) {
#ifdef _OPENMP
    omp_set_num_threads(before);
#else
    (void)before;
#endif
}

void cpu_setup_finish(struct cpu_setup *s) {
    finish(s->finish, s->state);
    s->state = NULL;
}

/* Node `index` as a question; *room: its tensors, to be freed. */
static int32_t question(const struct cpu_engine *g, const struct rn_program *p,
                        uint32_t index, struct cpu_setup *out,
                        struct kernel_tensor **room, struct rn_error *e) {
    const struct rn_node *n = rn_node_at(p, index);
    struct kernel_tensor *t = calloc((size_t)n->in_count + n->out_count + 1, sizeof *t);
    *room = t;
    if (!t)
        return rn_fail(e, RN_E_MEMORY, "no memory for a question", NULL, NULL);
    for (uint32_t i = 0; i < n->in_count; i++)
        t[i] = tensor(p, n->in[i]);
    for (uint32_t i = 0; i < n->out_count; i++)
        t[n->in_count + i] = tensor(p, n->out[i]);
    *out = (struct cpu_setup){.engine = g,
                              .node = n,
                              .in = t,
                              .out = t + n->in_count,
                              .n_in = n->in_count,
                              .n_out = n->out_count,
                              .threads = g->threads,
                              .kernel = ""};
    return RN_OK;
}

int32_t cpu_query(const struct cpu_engine *g, const struct rn_program *p,
                  uint32_t index, struct rn_node_info *out, struct rn_error *e) {
    struct cpu_setup s;
    struct kernel_tensor *t;
    int32_t status = question(g, p, index, &s, &t, e);
    if (status != RN_OK)
        return status;
    int before = threads_enter(g, 0);
    int32_t taken = prepare(&s, e);
    threads_leave(before);
    out->supported = taken > 0;
    out->workspace_bytes = s.workspace;
    out->in_place_mask = s.in_place;
    snprintf(out->kernel, sizeof out->kernel, "%s", s.kernel);
    if (!taken)
        snprintf(out->why, sizeof out->why, "the cpu has no kernel for these types");
    cpu_setup_finish(&s);
    free(t);
    return taken < 0 ? taken : RN_OK;
}

int32_t cpu_measure(const struct cpu_engine *g, const struct rn_program *p,
                    uint32_t index, uint64_t *ns, struct rn_error *e) {
    struct cpu_setup s;
    struct kernel_tensor *t;
    int32_t status = question(g, p, index, &s, &t, e);
    if (status != RN_OK)
        return status;
    status = RN_E_UNSUPPORTED;
#ifdef CPU_ONEDNN
    const char *choices = g->onednn ? cpu_onednn_choices(&s) : NULL;
    if (choices) {
        bool image = strncmp(s.node->op, "conv2d", 6) == 0;
        s.threads = image ? 1 : g->threads;
        int before = threads_enter(g, s.threads);
        status = cpu_tuner_measure(g->tuner, &s, choices, prepare, ns, e);
        threads_leave(before);
    }
#else
    (void)ns;
#endif
    free(t);
    return status;
}

int32_t tuning_table(const struct cpu_engine *g, const char **text,
                     struct rn_error *e) {
    *text = cpu_tuner_text(g->tuner);
    return *text ? RN_OK
                 : rn_fail(e, RN_E_MEMORY, "no memory for the choices", NULL, NULL);
}

void cpu_choose(const struct cpu_engine *g, const char *text) {
    cpu_tuner_read(g->tuner, text);
}

/* -------------------------------------------------------------- programs */

struct task {
    cpu_fn run;
    cpu_split split; /* NULL: not co-scheduled */
    uint32_t group;  /* tasks from here on that run as one; 1: this one alone */
    uint32_t room;   /* of a group: whose workspace all use */
    bool region;
    void *state;
    void (*finish)(void *);
    struct cpu_call call;
    uint32_t first, count; /* tensors: inputs, then outputs */
};

struct cpu_exe {
    const struct cpu_engine *engine;
    const struct rn_program *program;
    uint32_t task_count;
    struct task *tasks;
    struct kernel_tensor *tensors;
    const struct rn_slot **slots;  /* of each tensor, NULL = absent */
    struct cpu_share *shares;      /* of the longest group, while it runs */
    struct cpu_compiled *compiled; /* its regions, or NULL */
    bool counting;                 /* time in regions, until they are compiled */
    int64_t spent;                 /* that time, ns */
};

/* Hand the regions to the compiler. */
static int32_t compile_regions(struct cpu_exe *x, struct rn_error *e) {
    struct region **regions = calloc((size_t)x->task_count + 1, sizeof(*regions));
    uint32_t count = 0;
    if (!regions)
        return rn_fail(e, RN_E_MEMORY, "no memory for a program", NULL, NULL);
    for (uint32_t i = 0; i < x->task_count; i++) {
        struct region *r = cpu_region_of(x->tasks[i].run, x->tasks[i].state);
        x->tasks[i].region = r != NULL;
        if (r)
            regions[count++] = r;
    }
    x->compiled = cpu_compiled_create(x->engine->compiler, count, regions);
    x->counting = cpu_compiled_waits(x->compiled);
    free(regions);
    return RN_OK;
}

/* Find the co-scheduled groups. */
static int32_t find_co_scheduled(struct cpu_exe *x, struct rn_error *e) {
    uint64_t *scratch = calloc((size_t)x->task_count + 1, sizeof *scratch);
    uint32_t most = 1;
    for (uint32_t i = 0; scratch && i < x->task_count; i++)
        scratch[i] = x->tasks[i].split ? x->tasks[i].call.scratch : CPU_NO_CO_SCHEDULE;
    for (uint32_t i = 0; scratch && i < x->task_count; i += x->tasks[i].group) {
        struct cpu_co_schedule g =
            cpu_co_schedule_find(x->program, i, scratch, x->engine->threads);
        x->tasks[i].group = g.count;
        x->tasks[i].room = g.room;
        for (uint32_t k = i; g.count > 1 && k < i + g.count; k++)
            x->tasks[k].call.scratch = g.scratch;
        most = g.count > most ? g.count : most;
    }
    x->shares = calloc(most, sizeof *x->shares);
    bool good = scratch && x->shares;
    free(scratch);
    return good ? RN_OK
                : rn_fail(e, RN_E_MEMORY, "no memory for a program", NULL, NULL);
}

int32_t cpu_compile(const struct cpu_engine *g, const struct rn_program *p,
                    struct cpu_exe **out, struct rn_error *e) {
    struct cpu_exe *x = calloc(1, sizeof *x);
    size_t total = 1;
    int32_t status = RN_OK;
    *out = NULL;
    for (uint32_t i = 0; i < p->node_count; i++)
        total += (size_t)rn_node_at(p, i)->in_count + rn_node_at(p, i)->out_count;
    if (x) {
        x->tasks = calloc((size_t)p->node_count + 1, sizeof *x->tasks);
        x->tensors = calloc(total, sizeof *x->tensors);
        x->slots = calloc(total, sizeof *x->slots);
    }
    if (!x || !x->tasks || !x->tensors || !x->slots) {
        cpu_exe_destroy(x);
        return rn_fail(e, RN_E_MEMORY, "no memory for a program", NULL, NULL);
    }
    x->engine = g;
    x->program = p;
    cpu_tuner_rest(g->tuner);
    int before = threads_enter(g, 0);
    uint32_t at = 0;
    for (uint32_t i = 0; i < p->node_count && status == RN_OK; i++) {
        const struct rn_node *n = rn_node_at(p, i);
        struct task *t = &x->tasks[i];
        t->first = at;
        t->count = n->in_count + n->out_count;
        for (uint32_t k = 0; k < t->count; k++) {
            uint32_t s = k < n->in_count ? n->in[k] : n->out[k - n->in_count];
            x->tensors[at + k] = tensor(p, s);
            x->slots[at + k] = s == RN_NO_SLOT ? NULL : rn_slot_at(p, s);
        }
        struct cpu_setup s = {.engine = g,
                              .node = n,
                              .in = x->tensors + at,
                              .out = x->tensors + at + n->in_count,
                              .n_in = n->in_count,
                              .n_out = n->out_count,
                              .threads = g->threads,
                              .building = true,
                              .kernel = ""};
        int32_t taken = prepare(&s, e);
        t->run = s.run;
        t->split = s.split;
        t->state = s.state;
        t->finish = s.finish;
        t->call = (struct cpu_call){.program = p,
                                    .k = {n, n->in_count, n->out_count, s.in, s.out},
                                    .state = s.state,
                                    .scratch = s.scratch,
                                    .threads = g->threads};
        x->task_count = i + 1;
        at += t->count;
        if (taken < 0)
            status = taken;
        else if (!taken)
            status =
                rn_fail_layer(e, RN_E_UNSUPPORTED,
                              "the cpu has no kernel for an operator", n->op, n->label);
        else if (s.workspace > n->workspace_bytes)
            status = rn_fail_layer(e, RN_E_INTERNAL,
                                   "a node's workspace is smaller than asked", n->op,
                                   n->label);
    }
    if (status == RN_OK)
        status = compile_regions(x, e);
    if (status == RN_OK)
        status = find_co_scheduled(x, e);
    threads_leave(before);
    if (status != RN_OK) {
        cpu_exe_destroy(x);
        return status;
    }
    *out = x;
    return RN_OK;
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void point(struct cpu_exe *x, struct task *t, void *const *bases) {
    const struct rn_node *n = t->call.k.node;
    for (uint32_t k = t->first; k < t->first + t->count; k++)
        if (x->slots[k])
            x->tensors[k].data = (char *)bases[x->slots[k]->base] + x->slots[k]->offset;
    if (n->workspace_bytes)
        t->call.workspace = (char *)bases[RN_BASE_ARENA] + n->workspace_offset;
    t->call.bases = bases;
}

/* The group of tasks from t on, as one parallel section. */
static void run_co_scheduled(struct cpu_exe *x, struct task *t, void *const *bases) {
    for (uint32_t i = 0; i < t->group; i++)
        point(x, &t[i], bases);
    char *scratch = x->tasks[t->room].call.workspace;
    for (uint32_t i = 0; i < t->group; i++) {
        t[i].call.workspace = scratch;
        t[i].split(&t[i].call, &x->shares[i]);
    }
    cpu_shares_run(x->engine->threads, t->group, x->shares);
}

/* A group's time goes to its nodes by what they cost. */
static void share_out(const struct cpu_share *shares, uint32_t count, int64_t begin,
                      int64_t end, int64_t *times) {
    double total = 0.0, done = 0.0;
    for (uint32_t i = 0; i < count; i++)
        total += (double)shares[i].cost;
    for (uint32_t i = 0; i < count; i++) {
        times[2 * i] = i ? times[2 * i - 1] : begin;
        done += (double)shares[i].cost;
        times[2 * i + 1] =
            i + 1 == count || total <= 0.0
                ? end
                : begin + (int64_t)((double)(end - begin) * (done / total));
    }
}

/* times: of each node, or NULL. */
static int32_t run_all(struct cpu_exe *x, void *const *bases, int64_t *times,
                       struct rn_error *e) {
    int32_t status = RN_OK;
    int before = threads_enter(x->engine, 0);
    for (uint32_t i = 0, count; i < x->task_count && status == RN_OK; i += count) {
        struct task *t = &x->tasks[i];
        const struct rn_node *n = t->call.k.node;
        count = t->group;
        bool counted = x->counting && (t->region || count > 1);
        int64_t begin = counted || times ? now_ns() : 0;
        if (count > 1) {
            run_co_scheduled(x, t, bases);
        } else {
            point(x, t, bases);
            status = t->run(&t->call, e);
        }
        int64_t end = counted || times ? now_ns() : 0;
        if (counted)
            x->spent += end - begin;
        if (times && count > 1)
            share_out(x->shares, count, begin, end, times + 2 * (size_t)i);
        else if (times)
            times[2 * i] = begin, times[2 * i + 1] = end;
        if (status != RN_OK && e && !e->where[0] && n->label)
            rn_error_at(e, RN_WHERE_LAYER, n->label);
    }
    threads_leave(before);
    if (x->counting && x->spent > WORTH_NS) {
        x->counting = false;
        cpu_compiled_start(x->compiled);
    }
    return status;
}

int32_t cpu_run(struct cpu_exe *x, void *const *bases, struct rn_error *e) {
    return run_all(x, bases, NULL, e);
}

int32_t cpu_profile(struct cpu_exe *x, void *const *bases, int64_t *times,
                    struct rn_error *e) {
    return run_all(x, bases, times, e);
}

void cpu_exe_destroy(struct cpu_exe *x) {
    if (!x)
        return;
    cpu_compiled_destroy(x->compiled); /* before the regions that it fills */
    for (uint32_t i = 0; i < x->task_count; i++)
        finish(x->tasks[i].finish, x->tasks[i].state);
    free(x->shares);
    free(x->tasks);
    free(x->tensors);
    free(x->slots);
    free(x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* AdamW over one buffer and focal loss with its derivative: a region interpreted, the
 * same compiled, and hand-fused C with the same flags, in turns in one process. Beside
 * AdamW a loop that moves the same bytes and computes next to nothing tells what memory
 * gives. Prints medians in ms and ratios, a line of JSON a case.
 *
 *     bench_regions CPU.SO THREADS ROUNDS adamw:10000000 focal:1000000 ...
 */
#define _DEFAULT_SOURCE /* madvise */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/mman.h>

#include "exec/exec.h"
#include "graph/graph.h"
#include "hand.h"
#include "plan/plan.h"
#include "../../tests/described.h"

struct options {
    struct rn_host host;
    const char *generate;
    int64_t threads;
    int compiled;
};

static const char *backend_text; /* its description */

static int32_t get_int(struct rn_host *h, const char *path, int64_t *out) {
    const char *v = described_default(backend_text, path);
    *out = strcmp(path, "threads") == 0 ? ((struct options *)(void *)h)->threads
           : v                          ? strtoll(v, NULL, 10)
                                        : 0;
    return RN_OK;
}

static int32_t get_string(struct rn_host *h, const char *path, const char **out) {
    *out = strcmp(path, "generate") == 0 ? ((struct options *)(void *)h)->generate
                                         : described_default(backend_text, path);
    return *out ? RN_OK : RN_E_PLUGIN;
}

static int32_t has(struct rn_host *h, const char *path) {
    const char *v = NULL;
    return get_string(h, path, &v) == RN_OK;
}

static void hear(struct rn_host *h, int32_t level, const char *text) {
    (void)level;
    ((struct options *)(void *)h)->compiled +=
        strncmp(text, "regions compiled by", 19) == 0;
}

static const struct rn_host_api host_api = {.struct_size = sizeof host_api,
                                            .get_int = get_int,
                                            .get_string = get_string,
                                            .has = has,
                                            .log = hear};

static void need(int status, const struct rn_error *e) {
    if (status == RN_OK)
        return;
    fprintf(stderr, "bench: %s (%s %s)\n", e->message, e->hint, e->where);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* -------------------------------------------------------------------- graphs */

static rn_value op(struct graph *g, const char *name, uint32_t n, rn_value x,
                   rn_value y) {
    rn_value in[2] = {x, y}, out = RN_NONE;
    struct rn_error e = {0};
    need(graph_op(g, name, n, in, 0, NULL, 1, &out, &e), &e);
    return out;
}

static rn_value number(struct graph *g, double x) {
    return graph_scalar(g, RN_F32, x);
}

static rn_value variable(struct graph *g, const char *name, int64_t n, uint32_t *id) {
    struct variable v = {.name = name,
                         .role = "state",
                         .owner = "bench",
                         .dtype = RN_F32,
                         .rank = 1,
                         .shape = {n},
                         .count = (uint64_t)n};
    struct rn_error e = {0};
    need(variables_declare(g->variables, &v, id, &e), &e);
    return graph_variable(g, *id);
}

/* plugins/optimizer/adamw.c, line by line. */
static void build_adamw(struct graph *g, int64_t n) {
    struct rn_error e = {0};
    uint32_t ip, im, iv;
    rn_value p = variable(g, "p", n, &ip), m = variable(g, "m", n, &im),
             v = variable(g, "v", n, &iv), x = graph_input(g, "x", RN_F32, 1, &n);
    rn_value lr = graph_live(g, "lr", RN_F32), decay = graph_live(g, "decay", RN_F32),
             t = graph_live(g, "t", RN_F32);
    rn_value one = number(g, 1.0), b1 = number(g, 0.9), b2 = number(g, 0.999);
    m = op(g, "add", 2, op(g, "mul", 2, b1, m),
           op(g, "mul", 2, number(g, 1.0 - 0.9), x));
    v = op(g, "add", 2, op(g, "mul", 2, b2, v),
           op(g, "mul", 2, number(g, 1.0 - 0.999), op(g, "mul", 2, x, x)));
    rn_value c1 = op(g, "sub", 2, one, op(g, "pow", 2, b1, t)),
             c2 = op(g, "sub", 2, one, op(g, "pow", 2, b2, t));
    rn_value root = op(g, "sqrt", 1, c2, 0);
    rn_value below =
        op(g, "add", 2, op(g, "sqrt", 1, v, 0), op(g, "mul", 2, number(g, 1e-8), root));
    p = op(g, "mul", 2, p, op(g, "sub", 2, one, op(g, "mul", 2, lr, decay)));
    p = op(g, "sub", 2, p,
           op(g, "mul", 2, op(g, "div", 2, op(g, "mul", 2, lr, root), c1),
              op(g, "div", 2, m, below)));
    need(graph_assign(g, im, m, &e), &e);
    need(graph_assign(g, iv, v, &e), &e);
    need(graph_assign(g, ip, p, &e), &e);
}

/* plugins/loss/focal.c from log p on, and the derivative that the core finds. */
static void build_focal(struct graph *g, int64_t n) {
    struct rn_error e = {0};
    rn_value l = graph_input(g, "x", RN_F32, 1, &n), d;
    rn_value miss = op(g, "sub", 2, number(g, 1.0), op(g, "exp", 1, l, 0));
    rn_value w = op(g, "pow", 2, miss, graph_live(g, "gamma", RN_F32));
    rn_value y = op(g, "mul", 2, graph_live(g, "alpha", RN_F32),
                    op(g, "mul", 2, op(g, "neg", 1, w, 0), l));
    need(graph_gradient(g, 1, &y, NULL, 1, &l, &d, &e), &e);
    need(graph_output(g, "loss", y, &e), &e);
    need(graph_output(g, "d", d, &e), &e);
}

/* ------------------------------------------------------------------- running */

struct side {
    struct options options;
    void *self;
    struct arena *arena;
    struct device *device;
    struct program *program;
    int regions, nodes;
};

static void open_side(struct side *s, const struct rn_backend *b, const char *generate,
                      int threads, void (*build)(struct graph *, int64_t), int64_t n,
                      const float *x) {
    struct rn_error e = {0};
    const struct plan *plan;
    s->options = (struct options){{&host_api}, generate, threads, 0};
    need(b->create(&s->options.host, &s->self, &e), &e);
    s->arena = arena_create();
    struct variables *variables = variables_create(s->arena);
    struct graph *g = graph_create(s->arena, variables, "bench");
    build(g, n);
    g = graph_simplify(g, s->arena, &e);
    need(g ? RN_OK : e.status, &e);
    struct plan_options options = {b, s->self, true};
    need(plan_make(g, s->arena, &options, &plan, &e), &e);
    need(device_open(b, s->self, &s->device, &e), &e);
    need(device_variables(s->device, variables, &e), &e);
    need(program_create(s->device, plan, &s->program, &e), &e);
    need(device_reserve(s->device, &e), &e);
    s->regions = 0;
    for (uint32_t i = 0; i < plan->program.node_count; i++)
        s->regions += strcmp(plan->program.nodes[i].op, "region") == 0;
    s->nodes = (int)plan->program.node_count;
    memcpy(program_input(s->program, program_input_index(s->program, "x"), NULL, &e), x,
           (size_t)n * sizeof *x);
    static const struct {
        const char *name;
        float value;
    } live[] = {{"lr", 1e-3f},
                {"decay", 0.01f},
                {"t", 7.0f},
                {"gamma", 1.7f},
                {"alpha", 0.25f}};
    for (size_t i = 0; i < sizeof live / sizeof live[0]; i++)
        program_set_f32(s->program, program_scalar_index(s->program, live[i].name),
                        live[i].value);
}

static void close_side(struct side *s, const struct rn_backend *b) {
    program_destroy(s->program);
    device_close(s->device);
    b->destroy(s->self);
    arena_destroy(s->arena);
}

static double time_side(struct side *s) {
    struct rn_error e = {0};
    double start = now();
    need(program_run(s->program, &e), &e);
    return now() - start;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *t, int n) {
    qsort(t, (size_t)n, sizeof *t, by_value);
    return t[n / 2];
}

/* ratio of two, round by round: slow moments hit both */
static double ratio(const double *a, const double *b, int n) {
    double *r = malloc((size_t)n * sizeof *r), m;
    for (int i = 0; i < n; i++)
        r[i] = a[i] / b[i];
    m = median(r, n);
    free(r);
    return m;
}

static const struct hand *best_hand(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return &hand_v4;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &hand_v3;
#endif
    return &hand_base;
}

static void *buffer(int64_t n) {
    float *p = aligned_alloc(1 << 21, ((size_t)n * sizeof *p + (1 << 21)) >> 21 << 21);
    if (!p)
        exit(1);
    madvise(p, (size_t)n * sizeof *p, MADV_HUGEPAGE); /* as the backend does */
    memset(p, 0, (size_t)n * sizeof *p);
    return p;
}

/* Four streams read, three written, as AdamW does. */
static void stream(float *p, float *m, float *v, const float *g, int64_t begin,
                   int64_t end) {
#pragma GCC ivdep
    for (int64_t i = begin; i < end; i++) {
        float x = g[i];
        m[i] += x;
        v[i] -= x;
        p[i] += x;
    }
}

enum side_name { OFF, ON, HAND, STREAM, SIDES };

struct bench {
    const struct rn_backend *backend;
    int threads, rounds;
    bool adamw;
    int64_t n;
    float *x, *y[3];
};

/* One call of the loop by hand, or of the streams, on all threads. */
static double time_loop(const struct bench *b, bool by_hand) {
    static const float lr = 1e-3f, decay = 0.01f, eps = 1e-8f;
    const struct hand *hand = best_hand();
    struct adamw a = {b->y[0],
                      b->y[1],
                      b->y[2],
                      b->x,
                      lr,
                      decay,
                      0.9f,
                      0.999f,
                      eps,
                      1.0f - powf(0.9f, 7.0f),
                      1.0f - powf(0.999f, 7.0f)};
    double start = now();
#ifdef _OPENMP
#pragma omp parallel for num_threads(b->threads) schedule(static, 1)
#endif
    for (int k = 0; k < b->threads; k++) {
        int64_t begin = b->n * k / b->threads, end = b->n * (k + 1) / b->threads;
        if (!by_hand)
            stream(b->y[0], b->y[1], b->y[2], b->x, begin, end);
        else if (b->adamw)
            hand->adamw(&a, begin, end);
        else
            hand->focal(b->x, b->y[0], b->y[1], 0.25f, 1.7f, begin, end);
    }
    return now() - start;
}

static void print_ratio(const char *name, double *const t[SIDES], int above, int below,
                        int rounds) {
    printf(", \"%s\": %.6g", name, ratio(t[above], t[below], rounds));
}

/* What takes much memory, and is no rival, is left out for large buffers. */
static void run(struct bench *b) {
    static const char *const names[SIDES] = {"interpreted", "compiled", "by_hand",
                                             "stream"};
    bool take[SIDES] = {b->n <= 20000000, true, true, b->adamw};
    struct side side[2];
    double *t[SIDES];
    b->x = buffer(b->n);
    for (int i = 0; i < 3; i++)
        b->y[i] = buffer(b->n);
    for (int64_t i = 0; i < b->n; i++)
        b->x[i] = -0.001f - (float)(i % 1013) * 0.004f;
    for (int i = 0; i < SIDES; i++)
        if (!(t[i] = calloc((size_t)b->rounds, sizeof **t)))
            exit(1);
    for (int i = OFF; i <= ON; i++)
        if (take[i])
            open_side(&side[i], b->backend, i == ON ? "wait" : "off", b->threads,
                      b->adamw ? build_adamw : build_focal, b->n, b->x);
    for (int r = -2; r < b->rounds; r++)
        for (int i = 0; i < SIDES; i++) {
            /* The second call counts: each side finds its own data where the first one
             * left it, and not what the side before it did. */
            for (int k = 0; take[i] && k < 2; k++) {
                double one = i <= ON ? time_side(&side[i]) : time_loop(b, i == HAND);
                if (r >= 0)
                    t[i][r] = one;
            }
        }
    printf("{\"case\": \"%s\", \"count\": %lld, \"threads\": %d, \"regions\": %d, "
           "\"nodes\": %d, \"from_cache\": %s",
           b->adamw ? "adamw" : "focal", (long long)b->n, b->threads, side[ON].regions,
           side[ON].nodes, side[ON].options.compiled ? "false" : "true");
    print_ratio("compiled_to_hand", t, ON, HAND, b->rounds);
    if (take[OFF])
        print_ratio("interpreted_to_compiled", t, OFF, ON, b->rounds);
    if (take[STREAM])
        print_ratio("stream_to_compiled", t, STREAM, ON, b->rounds);
    for (int i = 0; i < SIDES; i++)
        if (take[i])
            printf(", \"%s\": %.6g", names[i], 1e3 * median(t[i], b->rounds));
    puts("}");
    for (int i = OFF; i <= ON; i++)
        if (take[i])
            close_side(&side[i], b->backend);
    free(b->x);
    for (int i = 0; i < 3; i++)
        free(b->y[i]);
    for (int i = 0; i < SIDES; i++)
        free(t[i]);
}

static int usage(void) {
    fputs("usage: bench_regions CPU.SO THREADS ROUNDS adamw:COUNT|focal:COUNT ...\n",
          stderr);
    return 2;
}

int main(int argc, char **argv) {
    if (argc < 5)
        return usage();
    void *so = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    void *symbol = so ? dlsym(so, RN_ENTRY_SYMBOL) : NULL;
    struct bench b = {.threads = atoi(argv[2]), .rounds = atoi(argv[3])};
    if (!symbol || b.threads < 1 || b.rounds < 1)
        return usage();
    rn_entry_fn entry;
    memcpy(&entry, &symbol, sizeof entry);
    b.backend = entry()->components[0]->iface;
    backend_text = entry()->components[0]->text;
    for (int i = 4; i < argc; i++) {
        b.adamw = strncmp(argv[i], "adamw:", 6) == 0;
        if ((!b.adamw && strncmp(argv[i], "focal:", 6) != 0) ||
            (b.n = atoll(argv[i] + 6)) < 1)
            return usage();
        run(&b);
    }
    return 0;
}

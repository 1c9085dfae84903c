/* SPDX-License-Identifier: Apache-2.0 */
/* Query, compile, run: which room takes a node, the list of tasks, the CUDA graph. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine.h"

#define GRID_MOST 65536 /* blocks; kernels walk on from there */
#define MOVED     500   /* bytes a nanosecond, read and written: a guess */

/* ------------------------------------------------------------------- small */

int32_t cuda_check(const struct cuda_device *d, CUresult r, const char *what,
                   struct rn_error *e) {
    const char *name = "an unknown error", *text = "";
    char message[256];
    if (r == CUDA_SUCCESS)
        return RN_OK;
    d->lib.driver.cuGetErrorName(r, &name);
    d->lib.driver.cuGetErrorString(r, &text);
    snprintf(message, sizeof message, "cuda: %s: %s (%s)", what, name, text);
    return rn_fail(e, r == CUDA_ERROR_OUT_OF_MEMORY ? RN_E_MEMORY : RN_E_PLUGIN,
                   message, NULL, NULL);
}

int32_t cuda_current(const struct cuda_device *d, struct rn_error *e) {
    if (d->planning)
        return rn_fail(e, RN_E_CONFIG, "cuda: plan_for makes plans, it runs nothing",
                       "leave device.plan_for out on the machine with the GPU",
                       "device.plan_for");
    return cuda_check(d, d->lib.driver.cuCtxSetCurrent(d->context), "its context", e);
}

int64_t cuda_int(const struct rn_node *n, const char *name, int64_t fallback) {
    const struct rn_attr *a = rn_node_attr(n, name);
    return a ? a->i : fallback;
}

double cuda_float(const struct rn_node *n, const char *name, double fallback) {
    const struct rn_attr *a = rn_node_attr(n, name);
    return a ? a->f : fallback;
}

const int64_t *cuda_ints(const struct rn_node *n, const char *name) {
    const struct rn_attr *a = rn_node_attr(n, name);
    return a ? a->p : NULL;
}

const char *cuda_suffix(rn_dtype t) {
    return t == RN_F32   ? "f32"
           : t == RN_F64 ? "f64"
           : t == RN_I64 ? "i64"
           : t == RN_I32 ? "i32"
                         : NULL;
}

void cuda_strides(uint32_t rank, const int64_t *shape, int64_t *stride) {
    int64_t step = 1;
    for (uint32_t i = rank; i-- > 0;) {
        stride[i] = step;
        step *= shape[i];
    }
}

uint32_t cuda_merge(uint32_t rank, int64_t *size, uint32_t n,
                    int64_t (*strides)[RN_MAX_RANK]) {
    uint32_t kept = 0;
    for (uint32_t d = 0; d < rank; d++) {
        bool joins = kept > 0;
        if (size[d] == 1)
            continue;
        for (uint32_t i = 0; i < n && joins; i++)
            joins = strides[i][kept - 1] == strides[i][d] * size[d];
        if (!joins) {
            size[kept] = size[d];
            for (uint32_t i = 0; i < n; i++)
                strides[i][kept] = strides[i][d];
            kept++;
            continue;
        }
        size[kept - 1] *= size[d];
        for (uint32_t i = 0; i < n; i++)
            strides[i][kept - 1] = strides[i][d];
    }
    if (kept == 0) {
        size[0] = 1;
        for (uint32_t i = 0; i < n; i++)
            strides[i][0] = 0;
        kept = 1;
    }
    return kept;
}

void *cuda_at(struct ref r, void *const *bases) {
    return r.base == RN_NO_SLOT ? NULL : (char *)bases[r.base] + r.offset;
}

/* ------------------------------------------------------------------- tasks */

struct cuda_task *cuda_task_add(struct cuda_setup *s, task_fn run) {
    struct cuda_exe *x = s->exe;
    if (x->task_count + 2 > x->task_capacity) {
        uint32_t capacity = 2 * x->task_capacity + 64;
        struct cuda_task *grown = realloc(x->tasks, capacity * sizeof *grown);
        if (grown) {
            memset(grown + x->task_capacity, 0,
                   (capacity - x->task_capacity) * sizeof *grown);
            x->tasks = grown;
            x->task_capacity = capacity;
        }
        x->failed |= !grown;
    }
    struct cuda_task *t = &x->tasks[x->failed ? x->task_capacity - 1 : x->task_count++];
    if (x->failed) {
        free(t->args);
        free(t->pointers);
    }
    memset(t, 0, sizeof *t);
    t->label = s->node->label ? s->node->label : s->node->op;
    t->run = run;
    return t;
}

static int32_t run_launch(struct cuda_exe *x, struct cuda_task *t, CUstream stream,
                          void *const *bases, struct rn_error *e) {
    const struct cuda_device *d = x->device;
    void *params[1] = {t->args};
    for (uint32_t i = 0; i < t->pointer_count; i++) {
        void *p = cuda_at(t->pointers[i].ref, bases);
        memcpy((char *)t->args + t->pointers[i].at, &p, sizeof p);
    }
    return cuda_check(d,
                      d->lib.driver.cuLaunchKernel(t->function, t->grid, 1, 1, THREADS,
                                                   1, 1, 0, stream, params, NULL),
                      t->kernel, e);
}

/* Of a kernel's name: KERNELS_ of its end. */
static uint32_t types_of(const char *kernel) {
    static const struct {
        const char *end;
        uint32_t type;
    } known[] = {{"_f32", KERNELS_F32}, {"_f64", KERNELS_F64}, {"_i64", KERNELS_I64},
                 {"_i32", KERNELS_I32}, {"_8", KERNELS_8},     {"_16", KERNELS_16},
                 {"_32", KERNELS_32},   {"_64", KERNELS_64},   {"_bf16", KERNELS_BF16},
                 {"_f16", KERNELS_F16}};
    const char *end = strrchr(kernel, '_');
    for (size_t i = 0; end && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(end, known[i].end) == 0)
            return known[i].type;
    return 0;
}

struct cuda_task *cuda_launch(struct cuda_setup *s, uint32_t theme, uint64_t work,
                              bool blocks, const void *args, size_t bytes,
                              const char *format, ...) {
    struct cuda_task *t = cuda_task_add(s, run_launch);
    uint64_t grid = blocks ? work : (work + THREADS - 1) / THREADS;
    va_list list;
    va_start(list, format);
    vsnprintf(t->kernel, sizeof t->kernel, format, list);
    va_end(list);
    s->exe->themes |= theme;
    s->exe->types |= theme ? types_of(t->kernel) : 0;
    t->grid = (uint32_t)(grid < 1 ? 1 : grid > GRID_MOST ? GRID_MOST : grid);
    t->args = malloc(bytes);
    t->pointers = malloc(TASK_POINTERS * sizeof *t->pointers);
    s->exe->failed |= !t->args || !t->pointers;
    if (t->args)
        memcpy(t->args, args, bytes);
    return t;
}

void cuda_pointer(struct cuda_setup *s, struct cuda_task *t, size_t at, struct ref r) {
    if (!t->pointers || t->pointer_count == TASK_POINTERS) {
        s->exe->failed = true;
        return;
    }
    t->pointers[t->pointer_count++] = (struct pointer){(uint32_t)at, r};
}

static int32_t run_copy(struct cuda_exe *x, struct cuda_task *t, CUstream stream,
                        void *const *bases, struct rn_error *e) {
    void *to = cuda_at(t->to, bases), *from = cuda_at(t->from, bases);
    if (to == from || !t->bytes)
        return RN_OK;
    return cuda_check(x->device,
                      x->device->lib.driver.cuMemcpyDtoDAsync(
                          (CUdeviceptr)(uintptr_t)to, (CUdeviceptr)(uintptr_t)from,
                          (size_t)t->bytes, stream),
                      "a copy", e);
}

void cuda_copy(struct cuda_setup *s, struct ref to, struct ref from, uint64_t bytes) {
    struct cuda_task *t = cuda_task_add(s, run_copy);
    t->to = to;
    t->from = from;
    t->bytes = bytes;
}

/* ------------------------------------------------------------------- rooms */

static struct tensor tensor(const struct rn_program *p, uint32_t i) {
    struct tensor t = {0, 0, NULL, 0, {RN_NO_SLOT, 0}};
    if (i == RN_NO_SLOT)
        return t;
    const struct rn_slot *s = rn_slot_at(p, i);
    t.dtype = s->dtype;
    t.rank = s->rank;
    t.shape = s->shape;
    t.count = 1;
    for (uint32_t k = 0; k < s->rank; k++)
        t.count *= (uint64_t)s->shape[k];
    t.at.base = s->base;
    t.at.offset = s->offset;
    return t;
}

static int32_t room_basic(struct cuda_setup *s, struct rn_error *e) {
    bool empty = s->n_out > 0;
    (void)e;
    for (uint32_t i = 0; i < s->n_out; i++)
        empty &= s->out[i].count == 0;
    if (s->node->custom)
        return cuda_room_custom(s, e);
    if (empty) {
        s->kernel = "nothing";
        return 1;
    }
    if (cuda_is(s, "reshape") || cuda_is(s, "flatten") || cuda_is(s, "identity") ||
        cuda_is(s, "stop_gradient")) {
        s->in_place = 1;
        s->kernel = "copy";
        cuda_copy(s, s->out[0].at, s->in[0].at,
                  s->out[0].count * RN_DTYPE_BYTES(s->out[0].dtype));
        return 1;
    }
    return 0;
}

static int32_t prepare(struct cuda_setup *s, struct rn_error *e) {
    /* blocked: it reads [N,C/b,H,W,b] as it is laid out */
    static const struct {
        cuda_room room;
        bool blocked;
    } rooms[] = {{cuda_room_scan, false},     {room_basic, true},
                 {cuda_room_elementwise, false},
                 {cuda_room_reduce, false},   {cuda_room_lines, false},
                 {cuda_room_norm, true},      {cuda_room_move, false},
                 {cuda_room_index, false},    {cuda_room_window, true},
                 {cuda_room_cublaslt, false}, {cuda_room_cudnn, true},
                 {cuda_room_products, false}, {cuda_room_attention, false}};
    bool blocked = rn_node_blocked(s->node);
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        int32_t taken = blocked && !rooms[i].blocked ? 0 : rooms[i].room(s, e);
        if (taken)
            return taken;
    }
    return 0;
}

struct cuda_exe *cuda_exe_new(struct cuda_device *d, const struct rn_program *p) {
    struct cuda_exe *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->device = d;
    x->program = p;
    x->capturable = d->graphs;
    x->task_capacity = 64;
    x->tasks = calloc(x->task_capacity, sizeof *x->tasks);
    if (!x->tasks) {
        free(x);
        return NULL;
    }
    return x;
}

/* Without timing, in no unit: bytes, and engines for 16 bits expect NHWC (they turn
 * other images around), those for f32 do not. */
static uint64_t by_rule(const struct cuda_setup *s) {
    uint64_t bytes = 1 + s->moved;
    bool last = rn_node_blocked(s->node), narrow = RN_DTYPE_BYTES(s->in[0].dtype) == 2;
    for (uint32_t i = 0; i < s->n_in + s->n_out; i++) {
        const struct tensor *t = i < s->n_in ? &s->in[i] : &s->out[i - s->n_in];
        bytes += t->count * RN_DTYPE_BYTES(t->dtype);
    }
    return bytes * (last == narrow ? 2 : 3);
}

/* Node i of p into tasks of x. *info and *ns may be NULL. */
static int32_t add_node(struct cuda_exe *x, const struct rn_program *p, uint32_t index,
                        bool building, struct rn_node_info *info, uint64_t *ns,
                        struct rn_error *e) {
    const struct rn_node *n = rn_node_at(p, index);
    struct tensor *t = calloc((size_t)n->in_count + n->out_count + 1, sizeof *t);
    if (!t)
        return rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
    for (uint32_t i = 0; i < n->in_count; i++)
        t[i] = tensor(p, n->in[i]);
    for (uint32_t i = 0; i < n->out_count; i++)
        t[n->in_count + i] = tensor(p, n->out[i]);
    struct cuda_setup s = {.device = x->device,
                           .exe = x,
                           .program = p,
                           .node = n,
                           .in = t,
                           .out = t + n->in_count,
                           .n_in = n->in_count,
                           .n_out = n->out_count,
                           .work = {RN_BASE_ARENA, n->workspace_offset},
                           .building = building,
                           .timing = ns != NULL,
                           .kernel = ""};
    uint32_t first = x->task_count;
    int32_t taken = prepare(&s, e);
    for (uint32_t i = first; i < x->task_count; i++)
        x->tasks[i].node = index;
    if (taken >= 0 && (x->failed || x->generated.failed))
        taken = rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
    if (taken == 1 && building && s.workspace > n->workspace_bytes)
        taken =
            rn_fail_layer(e, RN_E_INTERNAL, "a node's workspace is smaller than asked",
                          n->op, n->label);
    if (info) {
        info->supported = taken > 0;
        info->workspace_bytes = s.workspace;
        info->in_place_mask = s.in_place;
        snprintf(info->kernel, sizeof info->kernel, "%s", s.kernel);
        snprintf(info->why, sizeof info->why, "%s",
                 s.why[0] ? s.why : "cuda has no kernel for these types");
    }
    if (ns && taken > 0)
        *ns = s.ns ? s.ns + s.moved / MOVED : by_rule(&s);
    free(t);
    if (taken == 0 && (building || ns))
        return rn_fail_layer(e, RN_E_UNSUPPORTED, "cuda has no kernel for an operator",
                             n->op, n->label);
    return taken < 0 ? taken : RN_OK;
}

int32_t cuda_node_add(struct cuda_exe *x, const struct rn_program *p, uint32_t index,
                      struct rn_error *e) {
    return add_node(x, p, index, true, NULL, NULL, e);
}

int32_t cuda_query(struct cuda_device *d, const struct rn_program *p, uint32_t node,
                   struct rn_node_info *out, struct rn_error *e) {
    struct cuda_exe *x = cuda_exe_new(d, p);
    if (!x)
        return rn_fail(e, RN_E_MEMORY, "no memory for a question", NULL, NULL);
    int32_t status = add_node(x, p, node, false, out, NULL, e);
    cuda_exe_destroy(x);
    return status;
}

int32_t cuda_measure(struct cuda_device *d, const struct rn_program *p, uint32_t node,
                     uint64_t *ns, struct rn_error *e) {
    struct cuda_exe *x = cuda_exe_new(d, p);
    if (!x)
        return rn_fail(e, RN_E_MEMORY, "no memory for a question", NULL, NULL);
    int32_t status = add_node(x, p, node, false, NULL, ns, e);
    cuda_exe_destroy(x);
    return status;
}

/* -------------------------------------------------------------- programs */

int32_t cuda_exe_load(struct cuda_exe *x, struct rn_error *e) {
    const struct cuda_device *d = x->device;
    void *image = NULL;
    if (!x->themes && !x->generated.length)
        return RN_OK;
    int32_t status =
        cuda_image(d, x->themes, x->types, x->generated.length ? x->generated.data : "",
                   &image, e);
    if (status == RN_OK)
        status = cuda_check(d, d->lib.driver.cuModuleLoadData(&x->module, image),
                            "loading kernels", e);
    free(image);
    for (uint32_t i = 0; i < x->task_count && status == RN_OK; i++)
        if (x->tasks[i].kernel[0])
            status =
                cuda_check(d,
                           d->lib.driver.cuModuleGetFunction(
                               &x->tasks[i].function, x->module, x->tasks[i].kernel),
                           x->tasks[i].kernel, e);
    return status;
}

int32_t cuda_exe_create(struct cuda_device *d, const struct rn_program *p,
                        struct cuda_exe **out, struct rn_error *e) {
    *out = NULL;
    int32_t status = cuda_current(d, e);
    if (status != RN_OK)
        return status;
    struct cuda_exe *x = cuda_exe_new(d, p);
    if (!x)
        return rn_fail(e, RN_E_MEMORY, "no memory for a program", NULL, NULL);
    for (uint32_t i = 0; i < p->node_count && status == RN_OK; i++)
        status = cuda_node_add(x, p, i, e);
    if (status == RN_OK)
        status = cuda_exe_load(x, e);
    if (status != RN_OK) {
        cuda_exe_destroy(x);
        return status;
    }
    *out = x;
    return RN_OK;
}

int32_t cuda_exe_enqueue(struct cuda_exe *x, CUstream stream, void *const *bases,
                         struct rn_error *e) {
    int32_t status = RN_OK;
    for (uint32_t i = 0; i < x->task_count && status == RN_OK;
         i += 1 + x->tasks[i].inside) {
        status = x->tasks[i].run(x, &x->tasks[i], stream, bases, e);
        if (status != RN_OK && e && !e->where[0])
            rn_error_at(e, RN_WHERE_LAYER, x->tasks[i].label);
    }
    return status;
}

/* The place of these bases among the graphs; NULL: they are new, and kept from now on.
 */
static struct cuda_graph *graph_for(struct cuda_exe *x, void *const *bases) {
    const struct driver_table *cu = &x->device->lib.driver;
    size_t bytes = x->program->base_count * sizeof *bases;
    for (uint32_t i = 0; i < GRAPHS_MOST; i++)
        if (x->graphs[i].bases && memcmp(x->graphs[i].bases, bases, bytes) == 0)
            return &x->graphs[i];
    struct cuda_graph *g = &x->graphs[x->next_graph++ % GRAPHS_MOST];
    if (g->graph)
        cu->cuGraphExecDestroy(g->graph);
    g->graph = NULL;
    if (!g->bases)
        g->bases = malloc(bytes);
    if (g->bases)
        memcpy(g->bases, bases, bytes);
    return NULL;
}

/* Record the tasks as a graph. Libraries that refuse to be recorded: never again. */
static void capture(struct cuda_exe *x, CUstream stream, void *const *bases,
                    struct cuda_graph *g) {
    const struct driver_table *cu = &x->device->lib.driver;
    struct rn_error ignored = {0};
    CUgraph graph = NULL;
    if (cu->cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL) !=
        CUDA_SUCCESS) {
        x->capturable = false;
        return;
    }
    int32_t status = cuda_exe_enqueue(x, stream, bases, &ignored);
    CUresult end = cu->cuStreamEndCapture(stream, &graph);
    if (status != RN_OK || end != CUDA_SUCCESS || !graph ||
        cu->cuGraphInstantiate(&g->graph, graph, 0) != CUDA_SUCCESS) {
        g->graph = NULL;
        x->capturable = false;
    }
    if (graph)
        cu->cuGraphDestroy(graph);
}

int32_t cuda_exe_run(struct cuda_exe *x, CUstream stream, void *const *bases,
                     struct rn_error *e) {
    struct cuda_device *d = x->device;
    int32_t status = cuda_current(d, e);
    if (status == RN_OK && d->host_status != RN_OK) {
        *e = d->host_error;
        return d->host_status;
    }
    if (status != RN_OK || !x->task_count)
        return status;
    struct cuda_graph *g = x->capturable ? graph_for(x, bases) : NULL;
    /* The first run is direct: libraries set themselves up in it. */
    if (g && !g->graph)
        capture(x, stream, bases, g);
    if (g && g->graph)
        return cuda_check(d, d->lib.driver.cuGraphLaunch(g->graph, stream),
                          "launching a program", e);
    return cuda_exe_enqueue(x, stream, bases, e);
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* events[0] before the first node, events[i + 1] after node i. */
static int32_t run_timed(struct cuda_exe *x, CUstream stream, void *const *bases,
                         CUevent *events, int64_t *times, struct rn_error *e) {
    const struct driver_table *cu = &x->device->lib.driver;
    uint32_t nodes = x->program->node_count, task = 0;
    int32_t status =
        cuda_check(x->device, cu->cuEventRecord(events[0], stream), "an event", e);
    int64_t began = now_ns();
    for (uint32_t i = 0; i < nodes && status == RN_OK; i++) {
        times[2 * i] = task; /* has it any? */
        for (; task < x->task_count && x->tasks[task].node == i && status == RN_OK;
             task += 1 + x->tasks[task].inside)
            status = x->tasks[task].run(x, &x->tasks[task], stream, bases, e);
        times[2 * i + 1] = task;
        if (status == RN_OK)
            status = cuda_check(x->device, cu->cuEventRecord(events[i + 1], stream),
                                "an event", e);
    }
    if (status == RN_OK)
        status =
            cuda_check(x->device, cu->cuStreamSynchronize(stream), "the device", e);
    for (uint32_t i = 0; i < nodes && status == RN_OK; i++) {
        bool any = times[2 * i] != times[2 * i + 1];
        float begin = 0.0f, end = 0.0f; /* milliseconds */
        status =
            cuda_check(x->device, cu->cuEventElapsedTime(&begin, events[0], events[i]),
                       "a time", e);
        if (status == RN_OK)
            status = cuda_check(x->device,
                                cu->cuEventElapsedTime(&end, events[0], events[i + 1]),
                                "a time", e);
        times[2 * i] = began + (int64_t)((double)begin * 1e6);
        times[2 * i + 1] = any ? began + (int64_t)((double)end * 1e6) : times[2 * i];
    }
    return status;
}

int32_t cuda_exe_profile(struct cuda_exe *x, CUstream stream, void *const *bases,
                         int64_t *times, struct rn_error *e) {
    const struct driver_table *cu = &x->device->lib.driver;
    uint32_t count = x->program->node_count + 1;
    CUevent *events = calloc(count, sizeof(*events));
    int32_t status = cuda_current(x->device, e);
    if (!events)
        return rn_fail(e, RN_E_MEMORY, "no memory for a profile", NULL, NULL);
    for (uint32_t i = 0; i < count && status == RN_OK; i++)
        status = cuda_check(x->device, cu->cuEventCreate(&events[i], CU_EVENT_DEFAULT),
                            "an event", e);
    if (status == RN_OK)
        status =
            cuda_check(x->device, cu->cuStreamSynchronize(stream), "the device", e);
    if (status == RN_OK)
        status = run_timed(x, stream, bases, events, times, e);
    for (uint32_t i = 0; i < count; i++)
        if (events[i])
            cu->cuEventDestroy(events[i]);
    free(events);
    return status;
}

void cuda_exe_destroy(struct cuda_exe *x) {
    if (!x)
        return;
    const struct driver_table *cu = &x->device->lib.driver;
    for (uint32_t i = 0; i < GRAPHS_MOST; i++) {
        if (x->graphs[i].graph)
            cu->cuGraphExecDestroy(x->graphs[i].graph);
        free(x->graphs[i].bases);
    }
    for (uint32_t i = 0; i < x->task_capacity; i++) {
        if (x->tasks[i].finish)
            x->tasks[i].finish(x, x->tasks[i].state);
        free(x->tasks[i].args);
        free(x->tasks[i].pointers);
    }
    if (x->module)
        cu->cuModuleUnload(x->module);
    free(x->tasks);
    free(x->generated.data);
    free(x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions by cuDNN's graph (backend) API: a graph of one operation, the engines
 * that its heuristics propose, the first that keeps our rules and that it can plan. A
 * device-properties descriptor stands for the device, made from the device, or from
 * published figures of a chip (plan_for), so that engines and their workspaces are
 * found without a GPU too. f32, bf16 and f16, NCHW. No call or attribute that cuDNN 9
 * deprecates.
 *
 * Of operands of 16 bits the library has convolutions with a result of 16 bits only.
 * One that is to stay f32 is computed from widened operands: engines that read f32 as
 * TF32 lose nothing then, since TF32 holds every bf16 and f16, and sum in f32. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "products.h"

#define WORKSPACE_MOST ((int64_t)256 << 20)
#define CONFIGS        32
#define LEAST_VERSION  90800 /* has device properties */

typedef cudnnBackendDescriptor_t desc;

struct dnn {
    desc plan;
    struct ref at[3]; /* x, w, y */
    struct ref work;
    int64_t workspace;
};

enum { UID_X = 1, UID_W, UID_Y };

/* ------------------------------------------------------------- descriptors */

/* A failed call makes the rest of a list of calls void. */
struct maker {
    const struct cudnn_table *t;
    bool good;
};

static desc make(struct maker *m, cudnnBackendDescriptorType_t type) {
    desc d = NULL;
    if (m->good && m->t->cudnnBackendCreateDescriptor(type, &d) != CUDNN_STATUS_SUCCESS)
        m->good = false, d = NULL;
    return d;
}

static void set(struct maker *m, desc d, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t n, const void *value) {
    m->good = m->good && m->t->cudnnBackendSetAttribute(d, name, type, n, value) ==
                             CUDNN_STATUS_SUCCESS;
}

static void done(struct maker *m, desc d) {
    m->good = m->good && m->t->cudnnBackendFinalize(d) == CUDNN_STATUS_SUCCESS;
}

static void drop(const struct cudnn_table *t, desc d) {
    if (d)
        t->cudnnBackendDestroyDescriptor(d);
}

/* --------------------------------------------------------------- properties */

/* Published figures, for plans only: nothing runs by them. */
static const struct chip {
    int major, minor;
    const char *json;
} chips[] = {
    {8, 0,
     "{\"cudaDeviceId\":0,\"deviceName\":\"NVIDIA A100-SXM4-80GB\",\"deviceVer\":800,"
     "\"driverVer\":13000,\"isTccDriver\":0,\"l2CacheSize\":41943040,"
     "\"maxBlockSize\":[1024,1024,64],\"maxCtasPerSM\":32,"
     "\"maxGridSize\":[2147483647,65535,65535],\"maxRegistersPerSM\":65536,"
     "\"maxSharedMemoryPerBlock\":49152,\"maxSharedMemoryPerBlockOptin\":166912,"
     "\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,"
     "\"memClockRateKHz\":1593000,\"multiProcessorCount\":108,\"pciDeviceId\":0,"
     "\"regsPerBlock\":65536,\"reservedSharedMemoryPerBlock\":1024,"
     "\"smClockRateKHz\":1410000,\"supportCoopLaunch\":1,"
     "\"totalGlobalMem\":85899345920,\"warpSize\":32}"},
    {9, 0,
     "{\"cudaDeviceId\":0,\"deviceName\":\"NVIDIA H100 80GB HBM3\",\"deviceVer\":900,"
     "\"driverVer\":13000,\"isTccDriver\":0,\"l2CacheSize\":52428800,"
     "\"maxBlockSize\":[1024,1024,64],\"maxCtasPerSM\":32,"
     "\"maxGridSize\":[2147483647,65535,65535],\"maxRegistersPerSM\":65536,"
     "\"maxSharedMemoryPerBlock\":49152,\"maxSharedMemoryPerBlockOptin\":232448,"
     "\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,"
     "\"memClockRateKHz\":2619000,\"multiProcessorCount\":132,\"pciDeviceId\":0,"
     "\"regsPerBlock\":65536,\"reservedSharedMemoryPerBlock\":1024,"
     "\"smClockRateKHz\":1980000,\"supportCoopLaunch\":1,"
     "\"totalGlobalMem\":85899345920,\"warpSize\":32}"}};

void cuda_cudnn_open(struct cuda_device *d) {
    struct maker m = {&d->lib.cudnn, d->lib.have_cudnn && d->use_libraries};
    const char *json = NULL;
    if (!m.good)
        return;
    if (d->lib.cudnn.cudnnGetVersion() < LEAST_VERSION) {
        snprintf(d->lib.no_cudnn, sizeof d->lib.no_cudnn, "it is older than 9.8");
        return;
    }
    for (size_t i = 0; i < sizeof chips / sizeof chips[0]; i++)
        if (chips[i].major == d->major && chips[i].minor == d->minor)
            json = chips[i].json;
    m.good = !d->planning || json;
    if (!d->planning && d->lib.cudnn.cudnnCreate(&d->cudnn) != CUDNN_STATUS_SUCCESS) {
        d->cudnn = NULL;
        m.good = false;
    }
    desc p = make(&m, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    if (d->planning && m.good)
        set(&m, p, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
            (int64_t)strlen(json), json);
    else
        set(&m, p, CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, 1, &d->cudnn);
    done(&m, p);
    if (m.good) {
        d->properties = p;
        return;
    }
    drop(&d->lib.cudnn, p);
    snprintf(d->lib.no_cudnn, sizeof d->lib.no_cudnn, "it does not take this chip");
}

void cuda_cudnn_close(struct cuda_device *d) {
    if (d->properties)
        d->lib.cudnn.cudnnBackendDestroyDescriptor(d->properties);
    if (d->cudnn)
        d->lib.cudnn.cudnnDestroy(d->cudnn);
}

/* ------------------------------------------------------------------- graph */

struct graph {
    desc x, w, y, window, operation, graph;
};

static desc make_tensor(struct maker *m, const struct tensor *t, int64_t uid,
                        cudnnDataType_t type) {
    int64_t stride[RN_MAX_RANK], alignment = 16;
    desc d = make(m, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    cuda_strides(t->rank, t->shape, stride);
    set(m, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    set(m, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, t->rank, t->shape);
    set(m, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, t->rank, stride);
    set(m, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid);
    set(m, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    done(m, d);
    return d;
}

static desc make_window(struct maker *m, const struct conv *c) {
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    int64_t dims = 2;
    desc d = make(m, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    set(m, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    set(m, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    set(m, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &dims);
    set(m, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, c->pad);
    set(m, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, c->pad + 2);
    set(m, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, c->stride);
    set(m, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, c->dilation);
    done(m, d);
    return d;
}

static const struct pass {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t window, x, w, y, alpha, beta;
} passes[] = {
    [CONV_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [CONV_INPUT] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [CONV_WEIGHT] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA}};

static void make_graph(struct maker *m, const struct conv *c, cudnnDataType_t type,
                       struct graph *g) {
    const struct pass *p = &passes[c->pass];
    const float one = 1.0f, zero = 0.0f;
    g->x = make_tensor(m, c->x, UID_X, type);
    g->w = make_tensor(m, c->w, UID_W, type);
    g->y = make_tensor(m, c->y, UID_Y, type);
    g->window = make_window(m, c);
    g->operation = make(m, p->type);
    set(m, g->operation, p->window, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->window);
    set(m, g->operation, p->x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->x);
    set(m, g->operation, p->w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->w);
    set(m, g->operation, p->y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->y);
    set(m, g->operation, p->alpha, CUDNN_TYPE_FLOAT, 1, &one);
    set(m, g->operation, p->beta, CUDNN_TYPE_FLOAT, 1, &zero);
    done(m, g->operation);
    g->graph = make(m, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    set(m, g->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
        &g->operation);
    done(m, g->graph);
}

static void drop_graph(const struct cudnn_table *t, struct graph *g) {
    drop(t, g->graph);
    drop(t, g->operation);
    drop(t, g->window);
    drop(t, g->y);
    drop(t, g->w);
    drop(t, g->x);
}

/* ----------------------------------------------------------------- engines */

/* Is this engine within the rules? Its sums come the same way every time; f32 is f32
 * unless TF32 was asked for, and then no trick is refused. narrow: what it reads has 16
 * bits, so that tensor cores multiply it exactly. */
static bool within_rules(const struct cuda_device *d, desc config, bool narrow) {
    const struct cudnn_table *t = &d->lib.cudnn;
    struct maker m = {t, true};
    cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    int64_t n = 0;
    desc engine = make(&m, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    bool good = m.good &&
                t->cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE,
                                            CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n,
                                            &engine) == CUDNN_STATUS_SUCCESS &&
                t->cudnnBackendGetAttribute(
                    engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                    CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &n, notes) == CUDNN_STATUS_SUCCESS;
    for (int64_t i = 0; good && i < n; i++) {
        bool faster = (notes[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE && !narrow) ||
                      notes[i] == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS ||
                      notes[i] == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION ||
                      notes[i] == CUDNN_NUMERICAL_NOTE_FFT ||
                      (notes[i] >= CUDNN_NUMERICAL_NOTE_WINOGRAD &&
                       notes[i] <= CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13);
        good =
            notes[i] != CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC && (d->tf32 || !faster);
    }
    drop(t, engine);
    return good;
}

/* A plan of this configuration, NULL: it cannot be had, or takes too much. */
static desc plan_of(const struct cuda_device *d, desc config, int64_t *workspace) {
    const struct cudnn_table *t = &d->lib.cudnn;
    struct maker m = {t, true};
    int64_t n = 0;
    desc plan = make(&m, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    set(&m, plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
        CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config);
    set(&m, plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR,
        1, &d->properties);
    done(&m, plan);
    *workspace = 0;
    m.good = m.good && t->cudnnBackendGetAttribute(
                           plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                           CUDNN_TYPE_INT64, 1, &n, workspace) == CUDNN_STATUS_SUCCESS;
    if (m.good && *workspace <= WORKSPACE_MOST)
        return plan;
    drop(t, plan);
    return NULL;
}

static desc choose(const struct cuda_device *d, desc graph, bool narrow,
                   cudnnBackendHeurMode_t mode, int64_t *workspace) {
    const struct cudnn_table *t = &d->lib.cudnn;
    struct maker m = {t, true};
    desc configs[CONFIGS] = {NULL}, plan = NULL;
    int64_t n = 0;
    desc wish = make(&m, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    set(&m, wish, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR,
        1, &graph);
    set(&m, wish, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    set(&m, wish, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
        &d->properties);
    done(&m, wish);
    for (int i = 0; i < CONFIGS; i++)
        configs[i] = make(&m, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    m.good =
        m.good && t->cudnnBackendGetAttribute(wish, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                              CUDNN_TYPE_BACKEND_DESCRIPTOR, CONFIGS,
                                              &n, configs) == CUDNN_STATUS_SUCCESS;
    n = n < CONFIGS ? n : CONFIGS;
    for (int64_t i = 0; m.good && i < n && !plan; i++)
        if (within_rules(d, configs[i], narrow))
            plan = plan_of(d, configs[i], workspace);
    for (int i = 0; i < CONFIGS; i++)
        drop(t, configs[i]);
    drop(t, wish);
    return plan;
}

/* ----------------------------------------------------------------- running */

static int32_t run_dnn(struct cuda_exe *x, struct cuda_task *t, CUstream stream,
                       void *const *bases, struct rn_error *e) {
    const struct cudnn_table *c = &x->device->lib.cudnn;
    const struct dnn *n = t->state;
    struct maker m = {c, c->cudnnSetStream(x->device->cudnn, stream) ==
                             CUDNN_STATUS_SUCCESS};
    const int64_t uids[3] = {UID_X, UID_W, UID_Y};
    void *pointers[3], *work = n->workspace ? cuda_work(n->work, bases) : NULL;
    for (int i = 0; i < 3; i++)
        pointers[i] = cuda_at(n->at[i], bases);
    desc pack = make(&m, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    set(&m, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, uids);
    set(&m, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3,
        pointers);
    set(&m, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &work);
    done(&m, pack);
    m.good = m.good && c->cudnnBackendExecute(x->device->cudnn, n->plan, pack) ==
                           CUDNN_STATUS_SUCCESS;
    drop(c, pack);
    return m.good ? RN_OK
                  : rn_fail(e, RN_E_PLUGIN, "cuDNN fails in a convolution",
                            "device.libraries: off does without it", NULL);
}

static void finish(struct cuda_exe *x, void *state) {
    struct dnn *n = state;
    if (n)
        drop(&x->device->lib.cudnn, n->plan);
    free(n);
}

/* The operands in f32, at the beginning of the workspace. */
static void widen(struct cuda_setup *s, const struct conv *c, struct dnn *n) {
    const struct tensor *t[3] = {c->x, c->w, c->y};
    for (int i = 0; i < 3; i++) {
        struct widen_args a = {.count = t[i]->count};
        if (t[i] == &s->out[0])
            continue;
        n->at[i] = cuda_after(s->work, s->workspace);
        s->workspace += cuda_align(4 * t[i]->count);
        struct cuda_task *task =
            cuda_launch(s, THEME_PRODUCTS, a.count, false, &a, sizeof a, "widen_%s",
                        t[i]->dtype == RN_BF16 ? "bf16" : "f16");
        CUDA_POINTER(s, task, widen_args, x, t[i]->at);
        CUDA_POINTER(s, task, widen_args, y, n->at[i]);
    }
}

static void add_bias(struct cuda_setup *s, const struct conv *c) {
    struct bias_args a = {.count = c->y->count,
                          .channels = c->y->shape[1],
                          .area = c->y->shape[2] * c->y->shape[3]};
    struct cuda_task *task =
        cuda_launch(s, THEME_PRODUCTS, a.count, false, &a, sizeof a, "add_bias_f32");
    CUDA_POINTER(s, task, bias_args, bias, c->bias->at);
    CUDA_POINTER(s, task, bias_args, y, c->y->at);
}

/* The engine for this convolution of tensors of one type, NULL: there is none. */
static desc plan_conv(const struct cuda_device *d, const struct conv *c, rn_dtype type,
                      bool narrow, int64_t *workspace) {
    struct maker m = {&d->lib.cudnn, true};
    struct graph g = {NULL, NULL, NULL, NULL, NULL, NULL};
    desc plan = NULL;
    make_graph(&m, c,
               type == RN_BF16  ? CUDNN_DATA_BFLOAT16
               : type == RN_F16 ? CUDNN_DATA_HALF
                                : CUDNN_DATA_FLOAT,
               &g);
    if (m.good)
        plan = choose(d, g.graph, narrow, CUDNN_HEUR_MODE_A, workspace);
    if (m.good && !plan)
        plan = choose(d, g.graph, narrow, CUDNN_HEUR_MODE_FALLBACK, workspace);
    drop_graph(m.t, &g);
    return plan;
}

int32_t cuda_room_cudnn(struct cuda_setup *s, struct rn_error *e) {
    struct cuda_device *d = s->device;
    struct conv c;
    if (!d->properties || s->n_out != 1 || !cuda_product_types(s) ||
        s->out[0].dtype == RN_F64 || !cuda_conv(s, &c))
        return 0;
    rn_dtype type = s->out[0].dtype;
    bool narrow = cuda_narrow(s->in[0].dtype), widens = narrow && type == RN_F32;
    if (narrow && c.bias) /* a region adds it, and rounds */
        return 0;
    struct dnn *n = calloc(1, sizeof *n);
    if (!n)
        return rn_fail(e, RN_E_MEMORY, "no memory for a convolution", NULL, NULL);
    n->plan = plan_conv(d, &c, type, narrow, &n->workspace);
    if (!n->plan) { /* our own kernel does it */
        free(n);
        return 0;
    }
    n->at[0] = c.x->at;
    n->at[1] = c.w->at;
    n->at[2] = c.y->at;
    if (widens)
        widen(s, &c, n);
    n->work = cuda_after(s->work, s->workspace);
    if (n->workspace)
        s->workspace += cuda_align((uint64_t)n->workspace) + CUDA_WORK_EXTRA;
    s->kernel = widens ? "cudnn widened" : narrow ? "cudnn 16" : "cudnn";
    struct cuda_task *task = cuda_task_add(s, run_dnn);
    task->state = n;
    task->finish = finish;
    if (c.bias)
        add_bias(s, &c);
    return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* cuDNN's graph (backend) API: graphs of one convolution, the engines that heuristics
 * propose for a graph, those that keep our rules and that can be planned. A
 * device-properties descriptor stands for the device, made from the device, or from
 * published figures of a chip (plan_for), so that engines and their workspaces are
 * found without a GPU too. No call or attribute that cuDNN 9 deprecates. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engines.h"

#define WORKSPACE_MOST ((int64_t)256 << 20)
#define CONFIGS        32
#define LEAST_VERSION  90800 /* has device properties */

typedef cudnnBackendDescriptor_t desc;

enum { UID_X = 1, UID_W, UID_Y };

/* ------------------------------------------------------------- descriptors */

desc dnn_make(struct dnn_maker *m, cudnnBackendDescriptorType_t type) {
    desc d = NULL;
    if (m->good && m->t->cudnnBackendCreateDescriptor(type, &d) != CUDNN_STATUS_SUCCESS)
        m->good = false, d = NULL;
    return d;
}

void dnn_set(struct dnn_maker *m, desc d, cudnnBackendAttributeName_t name,
             cudnnBackendAttributeType_t type, int64_t n, const void *value) {
    m->good = m->good && m->t->cudnnBackendSetAttribute(d, name, type, n, value) ==
                             CUDNN_STATUS_SUCCESS;
}

void dnn_done(struct dnn_maker *m, desc d) {
    m->good = m->good && m->t->cudnnBackendFinalize(d) == CUDNN_STATUS_SUCCESS;
}

void dnn_drop(const struct cuda_device *d, desc x) {
    if (x)
        d->lib.cudnn.cudnnBackendDestroyDescriptor(x);
}

desc dnn_tensor(struct dnn_maker *m, const struct dnn_image *t, int64_t uid,
                cudnnDataType_t type, enum dnn_place place) {
    int64_t alignment = 16;
    bool yes = true;
    desc d = dnn_make(m, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    dnn_set(m, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    dnn_set(m, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, t->dim);
    dnn_set(m, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, t->stride);
    dnn_set(m, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid);
    dnn_set(m, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    if (place == DNN_BETWEEN)
        dnn_set(m, d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &yes);
    if (place == DNN_VALUE)
        dnn_set(m, d, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &yes);
    dnn_done(m, d);
    return d;
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
    struct dnn_maker m = {&d->lib.cudnn, d->lib.have_cudnn && d->use_libraries};
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
    desc p = dnn_make(&m, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    if (d->planning && m.good)
        dnn_set(&m, p, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                (int64_t)strlen(json), json);
    else
        dnn_set(&m, p, CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, 1, &d->cudnn);
    dnn_done(&m, p);
    if (m.good) {
        d->properties = p;
        return;
    }
    dnn_drop(d, p);
    snprintf(d->lib.no_cudnn, sizeof d->lib.no_cudnn, "it does not take this chip");
}

void cuda_cudnn_close(struct cuda_device *d) {
    dnn_attention_finish(d);
    if (d->properties)
        d->lib.cudnn.cudnnBackendDestroyDescriptor(d->properties);
    if (d->cudnn)
        d->lib.cudnn.cudnnDestroy(d->cudnn);
}

/* ------------------------------------------------------------------- graph */

struct graph {
    desc x, w, y, window, operation, graph;
};

static desc make_window(struct dnn_maker *m, const struct dnn_conv *c) {
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    int64_t dims = 2;
    desc d = dnn_make(m, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    dnn_set(m, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    dnn_set(m, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1,
            &mode);
    dnn_set(m, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &dims);
    dnn_set(m, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, c->pad);
    dnn_set(m, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2,
            c->pad + 2);
    dnn_set(m, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2,
            c->stride);
    dnn_set(m, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, c->dilation);
    dnn_done(m, d);
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

static void make_graph(struct dnn_maker *m, const struct dnn_conv *c, struct graph *g) {
    const struct pass *p = &passes[c->pass];
    const float one = 1.0f, zero = 0.0f;
    g->x = dnn_tensor(m, &c->x, UID_X, c->type, DNN_MEMORY);
    g->w = dnn_tensor(m, &c->w, UID_W, c->type, DNN_MEMORY);
    g->y = dnn_tensor(m, &c->y, UID_Y, c->type, DNN_MEMORY);
    g->window = make_window(m, c);
    g->operation = dnn_make(m, p->type);
    dnn_set(m, g->operation, p->window, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->window);
    dnn_set(m, g->operation, p->x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->x);
    dnn_set(m, g->operation, p->w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->w);
    dnn_set(m, g->operation, p->y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->y);
    dnn_set(m, g->operation, p->alpha, CUDNN_TYPE_FLOAT, 1, &one);
    dnn_set(m, g->operation, p->beta, CUDNN_TYPE_FLOAT, 1, &zero);
    dnn_done(m, g->operation);
    g->graph = dnn_make(m, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    dnn_set(m, g->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
            1, &g->operation);
    dnn_done(m, g->graph);
}

static void drop_graph(const struct cuda_device *d, struct graph *g) {
    dnn_drop(d, g->graph);
    dnn_drop(d, g->operation);
    dnn_drop(d, g->window);
    dnn_drop(d, g->y);
    dnn_drop(d, g->w);
    dnn_drop(d, g->x);
}

/* ----------------------------------------------------------------- engines */

/* Is this engine within the rules? Its sums come the same way every time; f32 is f32
 * unless TF32 was asked for, and then no trick is refused. narrow: what it reads has 16
 * bits, so that tensor cores multiply it exactly. */
static bool within_rules(const struct cuda_device *d, desc config, bool narrow) {
    const struct cudnn_table *t = &d->lib.cudnn;
    struct dnn_maker m = {t, true};
    cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    int64_t n = 0;
    desc engine = dnn_make(&m, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
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
    dnn_drop(d, engine);
    return good;
}

void dnn_propose(const struct cuda_device *d, desc graph, bool narrow, bool fallback,
                 struct dnn_ways *out) {
    const struct cudnn_table *t = &d->lib.cudnn;
    struct dnn_maker m = {t, graph != NULL};
    cudnnBackendHeurMode_t mode =
        fallback ? CUDNN_HEUR_MODE_FALLBACK : CUDNN_HEUR_MODE_A;
    desc configs[CONFIGS] = {NULL};
    int64_t n = 0;
    out->count = 0;
    desc wish = dnn_make(&m, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    dnn_set(&m, wish, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
            CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph);
    dnn_set(&m, wish, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    dnn_set(&m, wish, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR,
            1, &d->properties);
    dnn_done(&m, wish);
    for (int i = 0; i < CONFIGS; i++)
        configs[i] = dnn_make(&m, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    m.good =
        m.good && t->cudnnBackendGetAttribute(wish, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                              CUDNN_TYPE_BACKEND_DESCRIPTOR, CONFIGS,
                                              &n, configs) == CUDNN_STATUS_SUCCESS;
    n = n < CONFIGS ? n : CONFIGS;
    for (int64_t i = 0; m.good && i < n && out->count < CUDA_WAYS; i++)
        if (within_rules(d, configs[i], narrow)) {
            out->config[out->count++] = configs[i];
            configs[i] = NULL;
        }
    for (int i = 0; i < CONFIGS; i++)
        dnn_drop(d, configs[i]);
    dnn_drop(d, wish);
}

void dnn_propose_conv(const struct cuda_device *d, const struct dnn_conv *c,
                      bool fallback, struct dnn_ways *out) {
    struct dnn_maker m = {&d->lib.cudnn, true};
    struct graph g = {NULL, NULL, NULL, NULL, NULL, NULL};
    make_graph(&m, c, &g);
    dnn_propose(d, m.good ? g.graph : NULL, c->narrow, fallback, out);
    drop_graph(d, &g);
}

void dnn_ways_finish(const struct cuda_device *d, struct dnn_ways *w) {
    for (uint32_t i = 0; i < w->count; i++)
        dnn_drop(d, w->config[i]);
    w->count = 0;
}

desc dnn_plan(const struct cuda_device *d, desc config, int64_t *workspace) {
    const struct cudnn_table *t = &d->lib.cudnn;
    struct dnn_maker m = {t, true};
    int64_t n = 0;
    desc plan = dnn_make(&m, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    dnn_set(&m, plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
            CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config);
    dnn_set(&m, plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
            CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &d->properties);
    dnn_done(&m, plan);
    *workspace = 0;
    m.good = m.good && t->cudnnBackendGetAttribute(
                           plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                           CUDNN_TYPE_INT64, 1, &n, workspace) == CUDNN_STATUS_SUCCESS;
    if (m.good && *workspace <= WORKSPACE_MOST)
        return plan;
    dnn_drop(d, plan);
    return NULL;
}

void dnn_plan_finish(const struct cuda_device *d, desc plan) {
    dnn_drop(d, plan);
}

/* ----------------------------------------------------------------- running */

int32_t dnn_run(const struct cuda_device *d, desc plan, CUstream stream, int64_t n,
                const int64_t *uids, void *const *pointers, void *work,
                struct rn_error *e) {
    const struct cudnn_table *c = &d->lib.cudnn;
    struct dnn_maker m = {c,
                          c->cudnnSetStream(d->cudnn, stream) == CUDNN_STATUS_SUCCESS};
    desc pack = dnn_make(&m, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    dnn_set(&m, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, uids);
    dnn_set(&m, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n,
            pointers);
    dnn_set(&m, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &work);
    dnn_done(&m, pack);
    m.good =
        m.good && c->cudnnBackendExecute(d->cudnn, plan, pack) == CUDNN_STATUS_SUCCESS;
    dnn_drop(d, pack);
    return m.good ? RN_OK
                  : rn_fail(e, RN_E_PLUGIN, "cuDNN fails in an operation",
                            "device.libraries: off does without it", NULL);
}

int32_t dnn_run_conv(const struct cuda_device *d, desc plan, CUstream stream,
                     void *const pointers[3], void *work, struct rn_error *e) {
    const int64_t uids[3] = {UID_X, UID_W, UID_Y};
    return dnn_run(d, plan, stream, 3, uids, pointers, work, e);
}

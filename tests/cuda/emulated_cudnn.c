/* SPDX-License-Identifier: Apache-2.0 */
/* cuDNN's graph API: descriptors hold attributes until they are finished; a graph of
 * one convolution is run by plain loops over the dims and strides of its tensors, which
 * have one type, f32 or one of 16 bits. Of the engines proposed the first is not
 * deterministic and the second adds in less than f32, both of which give wrong numbers
 * here: the backend must not take them. The third uses tensor cores: it reads f32 as
 * TF32. Two are plain; the last is much faster and adds in another order, and takes
 * more workspace. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulated_dnn.h"

#define ENGINES 5
#define TF32    2

struct handle {
    CUstream stream;
};

void dnn_misuse(const char *what) {
    fprintf(stderr, "emulated cuDNN: %s\n", what);
    abort();
}

static size_t size_of(cudnnBackendAttributeType_t type) {
    switch (type) {
    case CUDNN_TYPE_INT64:
        return sizeof(int64_t);
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
        return sizeof(void *);
    case CUDNN_TYPE_FLOAT:
        return sizeof(float);
    case CUDNN_TYPE_CHAR:
        return 1;
    case CUDNN_TYPE_BOOLEAN:
        return sizeof(bool);
    case CUDNN_TYPE_POINTWISE_MODE:
    case CUDNN_TYPE_REDUCTION_OPERATOR_TYPE:
    case CUDNN_TYPE_DATA_TYPE:
    case CUDNN_TYPE_CONVOLUTION_MODE:
    case CUDNN_TYPE_HEUR_MODE:
        return sizeof(int);
    default:
        dnn_misuse("a type that it does not have");
    }
}

static void release(struct descriptor *d) {
    if (!d || --d->references)
        return;
    for (uint32_t i = 0; i < d->count; i++) {
        struct attribute *a = &d->attributes[i];
        if (a->bytes == 0)
            for (int64_t k = 0; k < a->count; k++)
                release(((struct descriptor **)a->data)[k]);
        free(a->data);
    }
    release(d->graph);
    free(d);
}

static cudnnStatus_t CUDNNWINAPI create(cudnnBackendDescriptorType_t type,
                                        cudnnBackendDescriptor_t *out) {
    struct descriptor *d = calloc(1, sizeof *d);
    d->type = type;
    d->references = 1;
    *out = d;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t CUDNNWINAPI destroy(cudnnBackendDescriptor_t d) {
    release((void *)d);
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t CUDNNWINAPI set(cudnnBackendDescriptor_t descriptor,
                                     cudnnBackendAttributeName_t name,
                                     cudnnBackendAttributeType_t type, int64_t n,
                                     const void *value) {
    struct descriptor *d = (void *)descriptor;
    if (d->finished || d->count == DNN_ATTRIBUTES || n < 1)
        dnn_misuse("an attribute comes too late");
    struct attribute *a = &d->attributes[d->count++];
    bool child = type == CUDNN_TYPE_BACKEND_DESCRIPTOR;
    *a = (struct attribute){name, n, child ? 0 : size_of(type),
                            malloc((size_t)n * size_of(type))};
    memcpy(a->data, value, (size_t)n * size_of(type));
    for (int64_t k = 0; child && k < n; k++) {
        struct descriptor *c = ((struct descriptor **)a->data)[k];
        if (!c->finished)
            dnn_misuse("a descriptor is used before it is finished");
        c->references++;
    }
    return CUDNN_STATUS_SUCCESS;
}

const struct attribute *dnn_find(const struct descriptor *d,
                                 cudnnBackendAttributeName_t name) {
    for (uint32_t i = 0; i < d->count; i++)
        if (d->attributes[i].name == name)
            return &d->attributes[i];
    return NULL;
}

const void *dnn_data(const struct descriptor *d, cudnnBackendAttributeName_t name,
                     int64_t count) {
    const struct attribute *a = dnn_find(d, name);
    if (!a || a->count != count)
        dnn_misuse("an attribute is missing");
    return a->data;
}

struct descriptor *dnn_child(const struct descriptor *d,
                             cudnnBackendAttributeName_t name) {
    struct descriptor *c;
    memcpy(&c, dnn_data(d, name, 1), sizeof c);
    return c;
}

static cudnnStatus_t CUDNNWINAPI finish(cudnnBackendDescriptor_t descriptor) {
    struct descriptor *d = (void *)descriptor;
    if (d->finished)
        dnn_misuse("a descriptor is finished twice");
    if (d->type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)
        dnn_child(d, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
    if (d->type == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR)
        dnn_child(d, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP);
    d->finished = 1;
    return CUDNN_STATUS_SUCCESS;
}

/* x, w and y of an operation, its window, alpha and beta. */
static const cudnnBackendAttributeName_t names[3][6] = {
    {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA}};

static int pass_of(const struct descriptor *op) {
    return op->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR ? 0
           : op->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR
               ? 1
               : 2;
}

rn_dtype dnn_type(const struct descriptor *tensor) {
    cudnnDataType_t t;
    memcpy(&t, dnn_data(tensor, CUDNN_ATTR_TENSOR_DATA_TYPE, 1), sizeof t);
    return t == CUDNN_DATA_FLOAT      ? RN_F32
           : t == CUDNN_DATA_BFLOAT16 ? RN_BF16
           : t == CUDNN_DATA_HALF     ? RN_F16
                                      : 0;
}

int64_t dnn_uid(const struct descriptor *tensor) {
    int64_t uid;
    memcpy(&uid, dnn_data(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, 1), sizeof uid);
    return uid;
}

static bool is_attention(const struct descriptor *graph) {
    return dnn_find(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS)->count > 1;
}

static bool takes(const struct descriptor *graph) {
    if (is_attention(graph))
        return dnn_attention_takes(graph);
    const struct descriptor *op = dnn_child(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS);
    const cudnnBackendAttributeName_t *a = names[pass_of(op)];
    rn_dtype t = dnn_type(dnn_child(op, a[0]));
    return dnn_type(dnn_child(op, a[1])) == t && dnn_type(dnn_child(op, a[2])) == t;
}

static void become(struct descriptor *to, struct descriptor *graph, int engine) {
    to->finished = 1;
    to->engine = engine;
    to->graph = graph;
    graph->references++;
}

static cudnnStatus_t CUDNNWINAPI get(cudnnBackendDescriptor_t descriptor,
                                     cudnnBackendAttributeName_t name,
                                     cudnnBackendAttributeType_t type, int64_t room,
                                     int64_t *n, void *out) {
    struct descriptor *d = (void *)descriptor;
    (void)type;
    if (!d->finished)
        dnn_misuse("an unfinished descriptor is asked");
    switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS:
        *n = takes(dnn_child(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH)) ? ENGINES : 0;
        for (int i = 0; i < *n && i < room; i++)
            become(((struct descriptor **)out)[i],
                   dnn_child(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH), i);
        break;
    case CUDNN_ATTR_ENGINECFG_ENGINE:
        *n = 1;
        become(*(struct descriptor **)out, d->graph, d->engine);
        break;
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
        *n = d->engine <= TF32;
        if (*n)
            *(cudnnBackendNumericalNote_t *)out =
                d->engine == 0   ? CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC
                : d->engine == 1 ? CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION
                                 : CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
        break;
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
        *n = 1;
        *(int64_t *)out =
            dnn_child(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->engine == DNN_QUICK
                ? DNN_QUICK_BYTES
                : DNN_WORK_BYTES;
        break;
    default:
        dnn_misuse("an attribute that it does not have");
    }
    return CUDNN_STATUS_SUCCESS;
}

/* --------------------------------------------------------------- execution */

struct image {
    rn_dtype type;
    int64_t dim[4], stride[4];
    void *data;
    float *f; /* what it holds, in order; while it runs */
};

struct call {
    struct image x, w, y;
    int64_t pad[2], stride[2], dilation[2];
    int pass; /* 0 forward, 1 data, 2 filter */
    int engine;
    char *work;
};

static float *at(const struct image *t, int64_t a, int64_t b, int64_t c, int64_t d) {
    return t->f + ((a * t->dim[1] + b) * t->dim[2] + c) * t->dim[3] + d;
}

/* As tensor cores read f32: ten bits of mantissa, to nearest. */
static float tf32(float x) {
    uint32_t u = rn_bits_f32(x);
    return rn_f32_bits((u + 0xfffu + (u >> 13 & 1u)) & ~0x1fffu);
}

/* Between the tensor in memory and in order. */
static void move(struct image *t, bool stores, const struct call *k) {
    for (int64_t a = 0; a < t->dim[0]; a++)
        for (int64_t b = 0; b < t->dim[1]; b++)
            for (int64_t c = 0; c < t->dim[2]; c++)
                for (int64_t d = 0; d < t->dim[3]; d++) {
                    uint64_t i = (uint64_t)(a * t->stride[0] + b * t->stride[1] +
                                            c * t->stride[2] + d * t->stride[3]);
                    float *f = at(t, a, b, c, d);
                    if (stores)
                        emulated_store(t->data, t->type, i, *f);
                    else
                        *f = emulated_load(t->data, t->type, i);
                    if (!stores && k->engine == TF32)
                        *f = tf32(*f);
                }
}

static void run(void *context) {
    struct call *k = context;
    struct image *all[3] = {&k->x, &k->w, &k->y};
    struct image *out = k->pass == 0 ? &k->y : k->pass == 1 ? &k->x : &k->w;
    int64_t groups = k->x.dim[1] / k->w.dim[1];
    memset(k->work, 0xff, k->engine == DNN_QUICK ? DNN_QUICK_BYTES : DNN_WORK_BYTES);
    emulated_pass(k->engine == DNN_QUICK ? 1.0 : 50.0);
    for (int i = 0; i < 3; i++) {
        int64_t n = all[i]->dim[0] * all[i]->dim[1] * all[i]->dim[2] * all[i]->dim[3];
        all[i]->f = malloc((size_t)n * sizeof(float));
        if (all[i] != out)
            move(all[i], false, k);
        else
            for (int64_t e = 0; e < n; e++)
                all[i]->f[e] = k->engine < 2 ? 1000.0f : 0.0f;
    }
    for (int64_t step = 0; step < k->y.dim[0]; step++) {
        int64_t n = k->engine == DNN_QUICK ? k->y.dim[0] - 1 - step : step;
        for (int64_t o = 0; o < k->y.dim[1]; o++)
            for (int64_t i = 0; i < k->y.dim[2]; i++)
                for (int64_t j = 0; j < k->y.dim[3]; j++)
                    for (int64_t c = 0; c < k->w.dim[1]; c++)
                        for (int64_t u = 0; u < k->w.dim[2]; u++)
                            for (int64_t v = 0; v < k->w.dim[3]; v++) {
                                int64_t first =
                                    o / (k->w.dim[0] / groups) * k->w.dim[1];
                                int64_t p =
                                    i * k->stride[0] - k->pad[0] + u * k->dilation[0];
                                int64_t q =
                                    j * k->stride[1] - k->pad[1] + v * k->dilation[1];
                                if (p < 0 || q < 0 || p >= k->x.dim[2] ||
                                    q >= k->x.dim[3])
                                    continue;
                                float *x = at(&k->x, n, first + c, p, q);
                                float *w = at(&k->w, o, c, u, v);
                                float *y = at(&k->y, n, o, i, j);
                                if (k->pass == 0)
                                    *y += *x * *w;
                                else if (k->pass == 1)
                                    *x += *y * *w;
                                else
                                    *w += *x * *y;
                            }
    }
    move(out, true, k);
    for (int i = 0; i < 3; i++)
        free(all[i]->f);
}

static void read_image(const struct descriptor *t, const struct descriptor *pack,
                       struct image *out) {
    memcpy(out->dim, dnn_data(t, CUDNN_ATTR_TENSOR_DIMENSIONS, 4), sizeof out->dim);
    memcpy(out->stride, dnn_data(t, CUDNN_ATTR_TENSOR_STRIDES, 4), sizeof out->stride);
    out->type = dnn_type(t);
    if (!out->type)
        dnn_misuse("f32, bf16, f16");
    const int64_t *uids = dnn_data(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, 3);
    void *const *pointers = dnn_data(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, 3);
    for (int i = 0; i < 3; i++)
        if (uids[i] == dnn_uid(t))
            out->data = pointers[i];
    if (!out->data || (uintptr_t)out->data % 16)
        dnn_misuse("a tensor is missing or not aligned");
}

static cudnnStatus_t CUDNNWINAPI execute(cudnnHandle_t handle,
                                         cudnnBackendDescriptor_t plan_,
                                         cudnnBackendDescriptor_t pack_) {
    struct handle *h = (void *)handle;
    const struct descriptor *pack = (void *)pack_;
    const struct descriptor *config =
        dnn_child((void *)plan_, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    if (is_attention(config->graph)) {
        char *work;
        memcpy(&work, dnn_data(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, 1),
               sizeof work);
        if (!work || (uintptr_t)work % 256 || !pack->finished || !h->stream)
            dnn_misuse("a call is wrong");
        dnn_attention_execute(config->graph, config->engine, h->stream, pack, work);
        return CUDNN_STATUS_SUCCESS;
    }
    const struct descriptor *op =
        dnn_child(config->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS);
    struct call k = {.pass = pass_of(op), .engine = config->engine};
    const cudnnBackendAttributeName_t *a = names[k.pass];
    const struct descriptor *window = dnn_child(op, a[3]);
    read_image(dnn_child(op, a[0]), pack, &k.x);
    read_image(dnn_child(op, a[1]), pack, &k.w);
    read_image(dnn_child(op, a[2]), pack, &k.y);
    memcpy(k.pad, dnn_data(window, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 2),
           sizeof k.pad);
    memcpy(k.stride, dnn_data(window, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, 2),
           sizeof k.stride);
    memcpy(k.dilation, dnn_data(window, CUDNN_ATTR_CONVOLUTION_DILATIONS, 2),
           sizeof k.dilation);
    const int64_t *post = dnn_data(window, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, 2);
    for (int i = 0; i < 2; i++)
        if (k.y.dim[2 + i] != (k.x.dim[2 + i] + k.pad[i] + post[i] -
                               k.dilation[i] * (k.w.dim[2 + i] - 1) - 1) /
                                      k.stride[i] +
                                  1)
            dnn_misuse("the sides of a convolution do not agree");
    if (*(const float *)dnn_data(op, a[4], 1) != 1.0f ||
        *(const float *)dnn_data(op, a[5], 1) != 0.0f)
        dnn_misuse("alpha is 1, beta 0");
    memcpy(&k.work, dnn_data(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, 1),
           sizeof k.work);
    if (!k.work || (uintptr_t)k.work % 256 || !pack->finished || !h->stream)
        dnn_misuse("a call is wrong");
    emulated_push(h->stream, run, &k, sizeof k);
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t CUDNNWINAPI handle_create(cudnnHandle_t *h) {
    *h = calloc(1, sizeof(struct handle));
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t CUDNNWINAPI handle_destroy(cudnnHandle_t h) {
    free(h);
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t CUDNNWINAPI set_stream(cudnnHandle_t h, cudaStream_t stream) {
    ((struct handle *)(void *)h)->stream = (CUstream)stream;
    return CUDNN_STATUS_SUCCESS;
}

static size_t CUDNNWINAPI version(void) {
    return 91900;
}

void emulated_fill_cudnn(struct cudnn_table *t) {
    *t = (struct cudnn_table){.cudnnGetVersion = version,
                              .cudnnCreate = handle_create,
                              .cudnnDestroy = handle_destroy,
                              .cudnnSetStream = set_stream,
                              .cudnnBackendCreateDescriptor = create,
                              .cudnnBackendDestroyDescriptor = destroy,
                              .cudnnBackendSetAttribute = set,
                              .cudnnBackendGetAttribute = get,
                              .cudnnBackendFinalize = finish,
                              .cudnnBackendExecute = execute};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The cuda backend's inside. A node goes to the first room that takes it and becomes
 * tasks: launches of kernels, copies, calls of a library. A program is one list of
 * tasks, compiled as one module; the second run of it captures the list as a CUDA
 * graph, every later run launches that. Room functions answer queries and compile with
 * the same code: a query throws its tasks away. */
#ifndef CUDA_ENGINE_H
#define CUDA_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../shared/source_text.h"
#include "libraries.h"

#include "kernels/args.h"

/* ------------------------------------------------------------------ device */

struct cuda_device {
    struct cuda_libraries lib;
    bool planning;           /* no device: plans only */
    nvml_device instruments; /* NULL: none */
    bool tf32, graphs, use_libraries;
    int major, minor, multiprocessors;
    CUdevice device;
    CUcontext context;
    cublasLtHandle_t cublaslt;           /* NULL: own products */
    cudnnHandle_t cudnn;                 /* NULL: own convolutions */
    cudnnBackendDescriptor_t properties; /* of the device or the chip; NULL: no cuDNN */
    struct dnn_attention_ways *attention; /* what was asked of cuDNN so far */
    struct cuda_tuner *tuner;             /* NULL: the libraries' first proposals */
    char name[128];
    int32_t host_status; /* of a plugin's operator that failed on the host; sticks */
    struct rn_error host_error;
};

/* 0, or a status with the library's words. */
int32_t cuda_check(const struct cuda_device *d, CUresult r, const char *what,
                   struct rn_error *e);
int32_t cuda_current(const struct cuda_device *d, struct rn_error *e);

/* cuDNN for the device or the chip, if it can be had; cudnn.c */
void cuda_cudnn_open(struct cuda_device *d);
void cuda_cudnn_close(struct cuda_device *d);

/* -------------------------------------------------------------------- text */

/* Themes of kernels, one file each. */
#define THEME_REDUCE    1u
#define THEME_LINES     2u
#define THEME_MOVE      4u
#define THEME_INDEX     8u
#define THEME_WINDOW    16u
#define THEME_PRODUCTS  32u
#define THEME_NORM      64u
#define THEME_SOFTMAX   128u
#define THEME_ATTENTION 256u
#define THEME_ROWS      512u
#define THEMES          10

/* The whole source of a module: prelude, themes, generated kernels. */
void cuda_source(uint32_t themes, uint32_t types, const char *generated,
                 struct source_text *out);
/* The cubin for sm_MAJORMINOR, from the cache or by NVRTC. *image: owned. module.c */
int32_t cuda_compile_source(const struct cuda_device *d, const char *source,
                            void **image, size_t *bytes, struct rn_error *e);
/* What cuModuleLoadData takes for these kernels: *image owned. */
int32_t cuda_image(const struct cuda_device *d, uint32_t themes, uint32_t types,
                   const char *generated, void **image, struct rn_error *e);

/* ------------------------------------------------------------------- tasks */

struct ref {       /* where something is: bases[base] + offset */
    uint32_t base; /* RN_NO_SLOT: NULL */
    uint64_t offset;
};

struct tensor {
    rn_dtype dtype;
    uint32_t rank;
    const int64_t *shape;
    uint64_t count;
    struct ref at; /* base RN_NO_SLOT: absent */
};

#define TASK_POINTERS 96

struct pointer { /* of a kernel's arguments */
    uint32_t at; /* byte in the arguments */
    struct ref ref;
};

struct cuda_exe;
struct cuda_task;
typedef int32_t (*task_fn)(struct cuda_exe *x, struct cuda_task *t, CUstream stream,
                           void *const *bases, struct rn_error *e);

struct cuda_task {
    const char *label; /* the node's; host */
    uint32_t node;
    uint32_t inside; /* tasks after it that it runs itself: a scan's body */
    task_fn run;
    /* a launch */
    char kernel[64];
    CUfunction function;
    uint32_t grid;
    void *args; /* owned */
    uint32_t pointer_count;
    struct pointer *pointers; /* owned */
    /* a copy, a library's call, a plugin's function */
    struct ref to, from;
    uint64_t bytes;
    void *state;
    void (*finish)(struct cuda_exe *x, void *state); /* NULL: nothing */
};

#define GRAPHS_MOST 4

struct cuda_graph {
    void **bases;      /* owned */
    CUgraphExec graph; /* NULL: ran once, directly */
};

struct cuda_exe {
    struct cuda_device *device;
    const struct rn_program *program;
    uint32_t task_count, task_capacity;
    struct cuda_task *tasks;
    uint32_t themes, types; /* THEME_, KERNELS_ */
    struct source_text generated;
    CUmodule module;
    struct cuda_graph graphs[GRAPHS_MOST];
    uint32_t next_graph;
    bool capturable;
    bool failed; /* no memory while tasks were added */
};

/* Its time by the fastest of the ways there are; by a rule where nothing is timed. */
int32_t cuda_measure(struct cuda_device *d, const struct rn_program *p, uint32_t node,
                     uint64_t *ns, struct rn_error *e);
int32_t cuda_query(struct cuda_device *d, const struct rn_program *p, uint32_t node,
                   struct rn_node_info *out, struct rn_error *e);
int32_t cuda_exe_create(struct cuda_device *d, const struct rn_program *p,
                        struct cuda_exe **out, struct rn_error *e);
int32_t cuda_exe_run(struct cuda_exe *x, CUstream stream, void *const *bases,
                     struct rn_error *e);
/* rn_backend.profile: direct launches, an event after each node. */
int32_t cuda_exe_profile(struct cuda_exe *x, CUstream stream, void *const *bases,
                         int64_t *times, struct rn_error *e);
void cuda_exe_destroy(struct cuda_exe *x);
/* By hand, for tasks that are timed: without any, NULL when there is no memory; its
 * kernels; its tasks in order, directly. */
struct cuda_exe *cuda_exe_new(struct cuda_device *d, const struct rn_program *p);
int32_t cuda_exe_load(struct cuda_exe *x, struct rn_error *e);
int32_t cuda_exe_enqueue(struct cuda_exe *x, CUstream stream, void *const *bases,
                         struct rn_error *e);

/* ------------------------------------------------------------------- rooms */

struct cuda_setup {
    struct cuda_device *device;
    struct cuda_exe *exe;
    const struct rn_program *program; /* that the node is of */
    const struct rn_node *node;
    const struct tensor *in, *out;
    uint32_t n_in, n_out;
    struct ref work; /* the node's workspace */
    bool building;   /* compile; else a query */
    bool timing;     /* its time is asked for */
    /* what the room answers */
    uint64_t workspace, in_place;
    uint64_t ns;    /* of what was timed; 0: not known */
    uint64_t moved; /* bytes that are turned or widened beside it */
    const char *kernel;
    char why[128];
};

/* A room: 1 taken, 0 not mine, negative status on failure. */
typedef int32_t (*cuda_room)(struct cuda_setup *s, struct rn_error *e);
int32_t cuda_room_elementwise(struct cuda_setup *s, struct rn_error *e);
int32_t cuda_room_reduce(struct cuda_setup *s, struct rn_error *e);
int32_t cuda_room_lines(struct cuda_setup *s, struct rn_error *e);
int32_t cuda_room_norm(struct cuda_setup *s, struct rn_error *e);
int32_t cuda_room_move(struct cuda_setup *s, struct rn_error *e);
int32_t cuda_room_index(struct cuda_setup *s, struct rn_error *e);
int32_t cuda_room_window(struct cuda_setup *s, struct rn_error *e);
int32_t cuda_room_cublaslt(struct cuda_setup *s, struct rn_error *e);
int32_t cuda_room_cudnn(struct cuda_setup *s, struct rn_error *e);
int32_t cuda_room_products(struct cuda_setup *s, struct rn_error *e);
int32_t cuda_room_attention(struct cuda_setup *s, struct rn_error *e);
int32_t cuda_room_custom(struct cuda_setup *s, struct rn_error *e);
int32_t cuda_room_scan(struct cuda_setup *s, struct rn_error *e); /* scan.c */
/* Node `index` of p, the program or a scan's body, into tasks of x. */
int32_t cuda_node_add(struct cuda_exe *x, const struct rn_program *p, uint32_t index,
                      struct rn_error *e);

/* A task at the list's end; a spare one if there is no memory (exe->failed). */
struct cuda_task *cuda_task_add(struct cuda_setup *s, task_fn run);
/* A launch of `kernel` for `work` threads (blocks when `blocks`); args are copied. */
struct cuda_task *cuda_launch(struct cuda_setup *s, uint32_t theme, uint64_t work,
                              bool blocks, const void *args, size_t bytes,
                              const char *format, ...)
    __attribute__((format(printf, 7, 8)));
void cuda_pointer(struct cuda_setup *s, struct cuda_task *t, size_t at, struct ref r);
#define CUDA_POINTER(s, t, type, member, ref)                                          \
    cuda_pointer(s, t, offsetof(struct type, member), ref)
void cuda_copy(struct cuda_setup *s, struct ref to, struct ref from, uint64_t bytes);
void *cuda_at(struct ref r, void *const *bases);
/* A workspace for a library, from the next multiple of 256 on; slots are at multiples
 * of 64, so ask for CUDA_WORK_EXTRA more. */
#define CUDA_WORK_EXTRA 256u
static inline void *cuda_work(struct ref r, void *const *bases) {
    uintptr_t p = (uintptr_t)cuda_at(r, bases);
    return (void *)((p + 255) / 256 * 256);
}
static inline struct ref cuda_after(struct ref r, uint64_t bytes) {
    r.offset += bytes;
    return r;
}

int64_t cuda_int(const struct rn_node *n, const char *name, int64_t fallback);
double cuda_float(const struct rn_node *n, const char *name, double fallback);
const int64_t *cuda_ints(const struct rn_node *n, const char *name);
static inline bool cuda_is(const struct cuda_setup *s, const char *op) {
    const char *x = s->node->op;
    while (*x && *x == *op)
        x++, op++;
    return *x == *op;
}
/* "f32", "f64", "i64", "i32" or NULL */
const char *cuda_suffix(rn_dtype t);
static inline uint64_t cuda_align(uint64_t bytes) {
    return (bytes + 255) / 256 * 256;
}
/* Row-major strides in elements. */
void cuda_strides(uint32_t rank, const int64_t *shape, int64_t *stride);
/* Drop dims of size 1, join neighbours that are contiguous in all of `n` operands;
 * strides[operand][dim]. Rank 0 becomes one dim of size 1. */
uint32_t cuda_merge(uint32_t rank, int64_t *size, uint32_t n,
                    int64_t (*strides)[RN_MAX_RANK]);

#endif

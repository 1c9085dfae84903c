/* SPDX-License-Identifier: Apache-2.0 */
/* A backend: memory, streams, compiled programs. Shaped by what a GPU needs; a CPU is
 * the easy case. */
#ifndef RUNNER_BACKEND_H
#define RUNNER_BACKEND_H

#include <string.h>

#include <runner/build.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A program after planning: slots (where values live) and nodes (what to compute, in
 * order). Everything is const and lives until the executable is destroyed.
 *
 * A slot is (base, offset): base indexes the table of pointers given to run, so that
 * only pointers and scalars change between runs. Base 0 is the arena, 1 the constants,
 * 2 the live scalars (8 bytes each, f32/u32/i64 at the cell's start); further bases are
 * variables, inputs and outputs as the host numbered them. Offsets are multiples of 64.
 */
#define RN_BASE_ARENA     0u
#define RN_BASE_CONSTANTS 1u
#define RN_BASE_SCALARS   2u
#define RN_BASE_FIRST     3u

struct rn_slot {
    uint32_t base;
    rn_dtype dtype;
    uint64_t offset; /* bytes */
    uint64_t bytes;  /* count * element size */
    uint32_t rank;
    uint32_t flags;             /* 0 */
    int64_t shape[RN_MAX_RANK]; /* row-major, dense */
};

struct rn_program;

/* One operator. `op` and attributes are ops.h's (all attributes present, defaults
 * filled in, axes >= 0). in/out index the program's slots; RN_NO_SLOT = absent or
 * unused output. op "region": `sub` is a program of elementwise nodes whose slots are
 * registers (base RN_BASE_REGISTER, shapes broadcastable to `space`): inputs
 * sub->inputs match `in`, sub->outputs match `out` and fill the space. An output may
 * have the address of an input of the same type and size that no later node of sub
 * reads. A backend that says so (rn_device_info.reduces) gets regions whose last nodes
 * are reductions of f32 (reduce_sum, _mean, _max, _min) of registers that fill the
 * space and that an elementwise node of sub makes; all of them over the same axes,
 * which are the last ones, the leading ones or all, axes of size 1 aside. What they
 * make is an output of its own shape that shares no memory with an input. op
 * "scan": `sub` is a whole program, run once a step with other pointers (see
 * rn_scan_bases). op "custom:NAME": a plugin's own operator; `custom` is its kernel
 * table.
 */
#define RN_NO_SLOT       0xffffffffu
#define RN_BASE_REGISTER 0xfffffffeu

struct rn_node {
    const char *op;    /* host */
    const char *label; /* host; "model.conv1/conv2d": for errors, profile */
    uint32_t in_count;
    uint32_t out_count;
    const uint32_t *in;  /* host */
    const uint32_t *out; /* host */
    uint32_t attr_count;
    uint32_t attr_stride;
    const struct rn_attr *attrs;  /* host */
    const struct rn_program *sub; /* host, or NULL */
    const void *custom;           /* plugin, static, or NULL: struct rn_operator */
    uint64_t workspace_offset;    /* in the arena; valid if workspace_bytes > 0 */
    uint64_t workspace_bytes;
};

struct rn_program {
    uint32_t struct_size;
    uint32_t base_count; /* entries of the pointer table */
    const char *name;    /* host; "train", "eval" */
    uint32_t slot_count;
    uint32_t slot_stride;
    const struct rn_slot *slots; /* host */
    uint32_t node_count;
    uint32_t node_stride;
    const struct rn_node *nodes; /* host */
    uint32_t input_count;        /* of a sub program */
    uint32_t output_count;       /* of a sub program */
    const uint32_t *inputs;      /* host */
    const uint32_t *outputs;     /* host */
    uint32_t space_rank;         /* of a region: the iteration space */
    uint32_t reserved;
    int64_t space[RN_MAX_RANK];
    uint64_t arena_bytes;
};

/* The i-th of each; structs may have grown since. i < the count. */
static inline const struct rn_slot *rn_slot_at(const struct rn_program *p, uint32_t i) {
    return (const struct rn_slot *)(const void *)((const char *)p->slots +
                                                  (size_t)i * p->slot_stride);
}
static inline const struct rn_node *rn_node_at(const struct rn_program *p, uint32_t i) {
    return (const struct rn_node *)(const void *)((const char *)p->nodes +
                                                  (size_t)i * p->node_stride);
}
static inline const struct rn_attr *rn_attr_at(const struct rn_node *n, uint32_t i) {
    return (const struct rn_attr *)(const void *)((const char *)n->attrs +
                                                  (size_t)i * n->attr_stride);
}
/* An attribute by name; NULL: there is none. */
static inline const struct rn_attr *rn_node_attr(const struct rn_node *n,
                                                 const char *name) {
    uint32_t i;
    for (i = 0; i < n->attr_count; i++)
        if (strcmp(rn_attr_at(n, i)->name, name) == 0)
            return rn_attr_at(n, i);
    return NULL;
}
/* 1: some image of this operator of ops.h is [N,C/b,H,W,b]. A backend that has no
 * kernel for it says that it is not supported, and the host takes it apart. */
static inline int32_t rn_node_blocked(const struct rn_node *n) {
    static const char *const names[3] = {"block", "block_in", "block_out"};
    int32_t i;
    for (i = 0; i < 3 && !n->custom; i++) {
        const struct rn_attr *a = rn_node_attr(n, names[i]);
        if (a && a->i)
            return 1;
    }
    return 0;
}

/* ---- scan ----
 * in: `states` first states, `steps` step inputs [length,...], then what is the same at
 * every step; out: the last states, then step outputs [length,...]. Base RN_BASE_FIRST
 * + k of sub is its k-th port, in counted before out: a state's or step's part, whole.
 * The body reads what the step before left in a state and writes the next one
 * elsewhere. A step's part is at a multiple of 64 only if its size is one. Arena of sub
 * and copies of states are the node's workspace, which the host sizes. */
static inline int32_t rn_node_is_scan(const struct rn_node *n) {
    return n->sub != NULL && strcmp(n->op, "scan") == 0;
}
static inline int64_t rn_scan_int(const struct rn_node *n, const char *name) {
    const struct rn_attr *a = rn_node_attr(n, name);
    return a ? a->i : 0;
}
static inline uint64_t rn_scan_round(uint64_t bytes) {
    return (bytes + 63u) / 64u * 64u;
}
/* Bytes of workspace up to the copy of state k. */
static inline uint64_t rn_scan_copies(const struct rn_program *p,
                                      const struct rn_node *n, uint32_t k) {
    uint64_t at = rn_scan_round(n->sub->arena_bytes);
    uint32_t i;
    for (i = 0; i < k; i++)
        at += rn_scan_round(rn_slot_at(p, n->out[i])->bytes);
    return at;
}
static inline uint64_t rn_scan_workspace(const struct rn_program *p,
                                         const struct rn_node *n) {
    return rn_scan_copies(p, n, (uint32_t)rn_scan_int(n, "states"));
}
/* Fills table[n->sub->base_count] with the bases of sub for step s of 0..length-1, in
 * order of running. */
static inline void rn_scan_bases(const struct rn_program *p, const struct rn_node *n,
                                 void *const *bases, int64_t s, void **table) {
    int64_t length = rn_scan_int(n, "length"), last = length - 1;
    uint32_t states = (uint32_t)rn_scan_int(n, "states"), k;
    uint32_t steps = states + (uint32_t)rn_scan_int(n, "steps");
    uint64_t t = (uint64_t)(rn_scan_int(n, "reverse") ? last - s : s);
    char *work = (char *)bases[RN_BASE_ARENA] + n->workspace_offset;
    table[RN_BASE_ARENA] = work;
    table[RN_BASE_CONSTANTS] = bases[RN_BASE_CONSTANTS];
    table[RN_BASE_SCALARS] = bases[RN_BASE_SCALARS];
    for (k = 0; k < n->in_count + n->out_count; k++) {
        uint32_t i = k < n->in_count ? k : k - n->in_count;
        int32_t out = k >= n->in_count, state = i < states;
        const struct rn_slot *slot = rn_slot_at(p, out ? n->out[i] : n->in[i]);
        char *at = (char *)bases[slot->base] + slot->offset;
        if (state && (out || s > 0)) { /* by turns, the last step into the result */
            const struct rn_slot *to = rn_slot_at(p, n->out[i]);
            int64_t writer = out ? s : s - 1;
            at = (last - writer) % 2 ? work + rn_scan_copies(p, n, i)
                                     : (char *)bases[to->base] + to->offset;
        } else if (!state && (out || i < steps)) {
            at += t * (slot->bytes / (uint64_t)length);
        }
        table[RN_BASE_FIRST + k] = at;
    }
}

/* Asked while planning, before memory is laid out; offsets are not set yet. */
struct rn_node_info {
    uint32_t struct_size;
    uint32_t supported; /* 0: the host decomposes, or refuses with `why` */
    uint64_t workspace_bytes;
    uint64_t in_place_mask; /* bit i: output 0 may share input i's memory */
    char why[128];
    char kernel[64]; /* the implementation's name, for plan and record */
};

struct rn_device_info {
    uint32_t struct_size;
    uint32_t threads;
    char name[128];         /* "cpu: AMD EPYC ..., AVX-512" */
    uint64_t memory_bytes;  /* usable now; 0 = unknown */
    uint64_t context_bytes; /* overhead outside what the host allocates */
    uint32_t host_memory;   /* 1: device pointers are host pointers */
    uint32_t alignment;
    uint32_t fuses;       /* 1: takes regions */
    uint32_t image_block; /* channels that are contiguous in images its convolutions
                             like best, [N,C/b,H,W,b]; 0: none but NCHW and NHWC */
    uint32_t fast_bf16;   /* 1: multiplies bf16 faster than f32. 0: products of bf16 are
                             made of f32 ones */
    uint32_t reduces;     /* 1: takes regions that end with reductions */
    uint32_t fast_f16;    /* as fast_bf16, of f16 */
    uint32_t reserved;
};

/* What the device reaches at best, measured; 0 = not known. */
struct rn_device_peaks {
    uint32_t struct_size;
    uint32_t reserved;
    double flops; /* f32 operations a second, a multiply-add counted as two */
    double bytes; /* a second, read and written, in arrays of 100 MB */
    double bf16;  /* operations of bf16 products with f32 sums; 0: as f32 */
};

/* What the device's own instruments show, of all that runs on it; NaN = not known. */
struct rn_device_gauges {
    uint32_t struct_size;
    uint32_t reserved;
    double memory_used; /* bytes */
    double memory;      /* bytes there are */
    double utilisation; /* share of the last moments in which it worked, 0..1 */
    double temperature; /* degrees Celsius */
};

#define RN_SPACE_DEVICE 0 /* where kernels read and write */
#define RN_SPACE_PINNED 1 /* host memory that copies can use asynchronously */

#define RN_COPY_TO_DEVICE 0 /* to: device; from: pinned or host */
#define RN_COPY_TO_HOST   1 /* to: pinned or host; from: device */
#define RN_COPY_ON_DEVICE 2

/* ---- calls ----
 * Members that may need more arguments later take a struct, as every kind's do. Those
 * without one concern a handle alone (streams, events, release, exe_destroy), fill a
 * struct that grows itself (info, peaks, gauges), or pass one text (choices, choose).
 */

/* Memory: aligned to rn_device_info.alignment, content undefined. */
struct rn_backend_alloc {
    uint32_t struct_size;
    int32_t space; /* RN_SPACE_* */
    uint64_t bytes;
    void *memory; /* written: transferred, given back to release */
};

struct rn_backend_copy {
    uint32_t struct_size;
    int32_t direction; /* RN_COPY_* */
    void *stream;      /* plugin */
    void *to;          /* borrowed */
    const void *from;  /* borrowed: host memory stays as it is until it is copied */
    uint64_t bytes;
};

/* Zeros, in memory of the device. */
struct rn_backend_fill {
    uint32_t struct_size;
    uint32_t reserved;
    void *stream; /* plugin */
    void *to;     /* borrowed */
    uint64_t bytes;
};

/* A question about one node while planning; offsets of slots are not set yet. */
struct rn_backend_query {
    uint32_t struct_size;
    uint32_t node;                    /* index in program->nodes */
    const struct rn_program *program; /* borrowed */
    struct rn_node_info *info;        /* borrowed: query fills it; NULL in measure */
    uint64_t nanoseconds;             /* written by measure */
};

struct rn_backend_compile {
    uint32_t struct_size;
    uint32_t reserved;
    const struct rn_program *program; /* host, until exe_destroy */
    void *exe;                        /* written: transferred, given to exe_destroy */
};

struct rn_backend_run {
    uint32_t struct_size;
    uint32_t reserved;
    void *exe;          /* plugin */
    void *stream;       /* plugin */
    void *const *bases; /* borrowed; [program->base_count], pointers of the device */
    /* Of profile, to fill; borrowed: times[2 i], times[2 i + 1] are begin and end of
     * node i in nanoseconds of the host's CLOCK_MONOTONIC, as near as the device can
     * tell; equal where the node's work is done in another one. NULL in run. */
    int64_t *times;
};

struct rn_backend {
    uint32_t struct_size;
    uint32_t flags; /* 0 */
    /* *self: plugin, until destroy. [setup] */
    int32_t (*create)(struct rn_host *h, void **self, struct rn_error *e);
    void (*destroy)(void *self); /* [setup] */
    /* What it runs on; the name is all that is required, zeros mean unknown. [setup] */
    int32_t (*info)(void *self, struct rn_device_info *out, struct rn_error *e);
    /* RN_E_MEMORY when it does not fit. [setup] */
    int32_t (*alloc)(void *self, struct rn_backend_alloc *call, struct rn_error *e);
    void (*release)(void *self, int32_t space, void *p); /* [setup] */
    /* Streams run in order, apart from each other; events order them. *stream, *event:
     * transferred, given back to stream_destroy, event_destroy. [setup] */
    int32_t (*stream_create)(void *self, void **stream, struct rn_error *e);
    void (*stream_destroy)(void *self, void *stream); /* [setup] */
    /* *event: transferred, given back to event_destroy. [setup] */
    int32_t (*event_create)(void *self, void **event, struct rn_error *e);
    void (*event_destroy)(void *self, void *event); /* [setup] */
    /* Returns at once: the event passes when the stream has come to here. [step] */
    int32_t (*event_record)(void *self, void *event, void *stream, struct rn_error *e);
    /* Returns at once: the stream goes on when the event has passed. [step] */
    int32_t (*event_wait)(void *self, void *event, void *stream, struct rn_error *e);
    /* Block the host until the event (last record) has passed. [step] */
    int32_t (*event_sync)(void *self, void *event, struct rn_error *e);
    /* Block the host until all that the stream was given is done. [step] */
    int32_t (*stream_sync)(void *self, void *stream, struct rn_error *e);
    /* Returns at once. [step] */
    int32_t (*copy)(void *self, const struct rn_backend_copy *call, struct rn_error *e);
    /* Returns at once. [step] */
    int32_t (*fill_zero)(void *self, const struct rn_backend_fill *call,
                         struct rn_error *e);
    /* Can it run the node, and what does the node need? [setup] */
    int32_t (*query)(void *self, struct rn_backend_query *call, struct rn_error *e);
    /* Once for each program. [setup] */
    int32_t (*compile)(void *self, struct rn_backend_compile *call, struct rn_error *e);
    void (*exe_destroy)(void *self, void *exe); /* [setup] */
    /* Enqueue one run. [step] */
    int32_t (*run)(void *self, const struct rn_backend_run *call, struct rn_error *e);
    /* NULL: not supported. Like run, but returns only when the program is done, with
     * each node timed. Results are run's. [step] */
    int32_t (*profile)(void *self, const struct rn_backend_run *call,
                       struct rn_error *e);
    /* NULL: not known. A probe of at most a second, with all that run may use; the
     * host runs nothing meanwhile. [setup] */
    int32_t (*peaks)(void *self, struct rn_device_peaks *out, struct rn_error *e);
    /* The time that the node takes here, by the best of its kernels, which compile then
     * uses. Timed once and remembered. NULL: layouts are not chosen. [setup] */
    int32_t (*measure)(void *self, struct rn_backend_query *call, struct rn_error *e);
    /* What was chosen so far, as text for the record; *text: borrowed, until the next
     * call. [setup] */
    int32_t (*choices)(void *self, const char **text, struct rn_error *e);
    /* Choose as that text says, before anything is planned. [setup] */
    int32_t (*choose)(void *self, const char *text, struct rn_error *e);
    /* NULL: there are no instruments. Does not wait for the device. The host asks at
     * most once a second and fills *out with NaN before. [step] */
    int32_t (*gauges)(void *self, struct rn_device_gauges *out, struct rn_error *e);
};

#define RN_BACKEND(id, iface, head, body) RN_COMPONENT(id, iface, "backend " head, body)

#ifdef __cplusplus
}
#endif
#endif

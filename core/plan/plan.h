/* SPDX-License-Identifier: Apache-2.0 */
/* The plan: a graph in order, fused, laid out in memory, ready for a backend. Const
 * once made; whatever changes lives in exec. */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include <runner/backend.h>

#include "graph/graph.h"

enum base_kind { BASE_VARIABLE, BASE_INPUT, BASE_OUTPUT };

/* What each base from RN_BASE_FIRST on points to, in order. */
struct plan_base {
    enum base_kind kind;
    uint32_t variable; /* BASE_VARIABLE */
    const char *name;  /* BASE_INPUT, BASE_OUTPUT */
    rn_dtype dtype;
    uint32_t rank;
    int64_t shape[RN_MAX_RANK];
    uint64_t bytes;
};

struct plan_scalar {  /* cell i of base RN_BASE_SCALARS, 8 bytes */
    const char *name; /* "optimizer.lr", "run.step", "run.seed", "run.row" */
    rn_dtype dtype;
};

struct plan_layer { /* a row of `runner plan` */
    const char *scope;
    rn_dtype dtype;
    uint32_t rank;
    int64_t shape[RN_MAX_RANK]; /* of the last forward value of the scope */
    uint64_t parameters, flops, bytes;
};

struct plan_work {     /* what a node of the program does */
    const char *scope; /* "" none */
    enum graph_part part;
    uint64_t flops;
    uint64_t bytes;      /* of the values that it reads and writes, each once */
    const char *kernel;  /* the backend's word; "" none */
    uint32_t operations; /* of the graph */
    bool narrow;         /* a product of 16 bits */
    bool converts;       /* only between f32 and 16 bits */
};

struct plan_images { /* how the layout of images was chosen; ns as kernels were timed */
    uint32_t classes;     /* that had a choice; 0: nothing was chosen */
    uint64_t ns;          /* of convolutions and changes of form */
    uint64_t improved_ns; /* what class after class, each to its best, arrives at */
    bool exact;           /* no other layout is cheaper */
};

struct plan {
    bool kept;                   /* by plan_options.keep */
    const struct graph *graph;   /* the rewritten graph that was planned */
    const struct graph *logical; /* the same with images as [N,C,H,W] */
    struct rn_program program;   /* for the backend */
    uint32_t base_count;         /* without the three fixed ones */
    const struct plan_base *bases;
    uint32_t scalar_count;
    const struct plan_scalar *scalars;
    uint64_t constant_bytes;
    const void *constants; /* host copy of base RN_BASE_CONSTANTS */
    uint64_t live_bound;   /* largest sum of bytes alive at once: arena >= this */
    uint64_t flops;
    const struct plan_work *work; /* by node of the program */
    uint32_t region_count;
    struct plan_images images;
    const struct plan_block *blocks; /* of the arena, for plan_verify and tables */
    uint32_t block_count;
};

/* A piece of the arena: alive from node `first` to node `last`, both included. */
struct plan_block {
    uint64_t offset, bytes;
    uint32_t first, last;
    const char *label;
};

struct plan_options {
    const struct rn_backend *backend; /* NULL: plan without asking (null backend) */
    void *backend_self;
    bool fuse;
    bool layouts;        /* choose by time: how images are laid out, kernels */
    int64_t image_block; /* rn_device_info's */
    bool reduces;        /* regions may end with reductions */
    uint32_t threads;    /* of the device; 0: not known */
    bool keep;           /* every value stays in the arena to the end of the program */
};

/* Everything lives in `a`. Decomposes what the backend lacks, fuses elementwise
 * regions, orders, reuses memory in place, lays out the arena. The plan's graph is its
 * own. */
int plan_make(const struct graph *g, struct arena *a, const struct plan_options *o,
              const struct plan **out, struct rn_error *e);
/* All invariants of memory: no two live slots overlap, every node after its inputs. */
int plan_verify(const struct plan *p, struct rn_error *e);
/* Table per layer; host array in arena. */
uint32_t plan_layers(const struct plan *p, struct arena *a, struct plan_layer **out);
/* The n largest tensors at the peak, as text lines. */
void plan_largest(const struct plan *p, uint32_t n, struct text *out);
void plan_print(const struct plan *p, struct text *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The cpu backend's inside: an engine that answers query, compiles a program into a
 * list of prepared calls and runs it on host memory. Shared by the backends cpu and
 * async_fake, which add memory and streams.
 *
 * A node goes to the first room that takes it: elementwise (also regions), reduce,
 * softmax, normalise, attention, window, move, products (oneDNN or our own), then the
 * plain kernels of the reference. Everything that a call needs is made at compile;
 * scratch comes from the node's workspace. */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include <stdbool.h>
#include <stddef.h>

#include "../reference/kernels.h"

struct cpu_engine;

/* Reads the options that CPU_OPTIONS declares. */
int32_t cpu_engine_create(struct rn_host *h, struct cpu_engine **out,
                          struct rn_error *e);
#define CPU_OPTIONS                                                                    \
    RN_OPTION("threads int = 0 ; min 0 ; max 1024 | 0: one for each processor")        \
    RN_OPTION("deterministic choice(run,threads) = run | threads: the same bits for "  \
              "any number of threads; slower products")                                \
    RN_OPTION("numerics choice(fast,strict) = fast | strict: no Winograd convolution") \
    RN_OPTION("tune choice(auto,off) = auto | how kernels of convolutions and large "  \
              "products and the layout of images are chosen. auto: each kernel is "    \
              "timed once on this machine, the answers are kept; off: by a rule, the " \
              "same everywhere")                                                       \
    RN_OPTION("isa choice(best,base,v3,v4) = best | instruction set, a level of "      \
              "x86-64; the results do not depend on it")                               \
    RN_OPTION("generate choice(auto,off,wait) = auto | compile elementwise regions "   \
              "with the system's C compiler. auto: in the background once it pays; "   \
              "wait: before the first step; off: interpret. Results are the same")     \
    RN_OPTION("compiler string | C compiler for `generate`; default: cc, gcc or "      \
              "clang")
void cpu_engine_destroy(struct cpu_engine *g);
int cpu_engine_threads(const struct cpu_engine *g);
/* "cpu: MODEL, avx512, 2 threads" */
void cpu_engine_name(const struct cpu_engine *g, char *out, size_t size);
/* Bytes that this process may still take; 0 = unknown. memory.c */
uint64_t cpu_memory_left(void);
int32_t cpu_measure(const struct cpu_engine *g, const struct rn_program *p,
                    uint32_t node, uint64_t *ns, struct rn_error *e);
/* Borrowed until the next call. */
int32_t tuning_table(const struct cpu_engine *g, const char **text, struct rn_error *e);
void cpu_choose(const struct cpu_engine *g, const char *text);
/* What times of kernels depend on, and the engine's blocks of channels. */
int64_t cpu_image_block(const struct cpu_engine *g);
int32_t cpu_query(const struct cpu_engine *g, const struct rn_program *p, uint32_t node,
                  struct rn_node_info *out, struct rn_error *e);
struct cpu_exe;
int32_t cpu_compile(const struct cpu_engine *g, const struct rn_program *p,
                    struct cpu_exe **out, struct rn_error *e);
/* One run at a time for each exe. */
int32_t cpu_run(struct cpu_exe *x, void *const *bases, struct rn_error *e);
/* The same, with begin and end of each node on CLOCK_MONOTONIC, ns. */
int32_t cpu_profile(struct cpu_exe *x, void *const *bases, int64_t *times,
                    struct rn_error *e);
/* probe.c: by a loop of multiply-adds and by streaming, with the engine's threads. */
int32_t cpu_peaks(const struct cpu_engine *g, struct rn_device_peaks *out,
                  struct rn_error *e);
void cpu_exe_destroy(struct cpu_exe *x);

/* ------------------------------------------------------------------- rooms */

/* One run of one node. */
struct cpu_call {
    const struct rn_program *program; /* that the node is of, */
    void *const *bases;               /* and its pointers: for nodes with a body */
    struct kernel_call k; /* node and tensors with their data */
    const void *state;    /* what the room made at compile */
    char *workspace;      /* 64-byte aligned */
    uint64_t scratch;     /* bytes of it for each thread, where a room divides it so */
    int threads;
};

typedef int32_t (*cpu_fn)(const struct cpu_call *c, struct rn_error *e);

/* A call cut into units that threads may do in any order; what is computed does not
 * depend on where ranges of units are cut. */
struct cpu_share;
typedef void (*cpu_share_fn)(const struct cpu_share *s, int64_t begin, int64_t end,
                             int thread);
struct cpu_share {
    cpu_share_fn fn;
    const struct cpu_call *call;
    void (*code)(void); /* fn's own */
    int64_t units;
    int64_t cost; /* of all of them, about 50 ps each */
    int thread;   /* co_schedule.c: which one does all of it; -1: each a part */
};
typedef void (*cpu_split)(const struct cpu_call *c, struct cpu_share *out);
/* All that the shares hold, as one parallel section. co_schedule.c */
void cpu_shares_run(int threads, uint32_t count, struct cpu_share *shares);

/* A node to be prepared; tensors have no data yet. */
struct cpu_setup {
    const struct cpu_engine *engine;
    const struct rn_node *node;
    const struct kernel_tensor *in, *out;
    uint32_t n_in, n_out;
    int threads;
    bool building; /* compile; else a query, which needs only the numbers */
    char choice;   /* of several kernels, by letter; 0: what is known to be best */
    /* what the room answers */
    cpu_fn run;
    cpu_split split;  /* the same in units, or NULL; scratch as cpu_call's */
    uint64_t scratch; /* of the workspace, for each thread */
    void *state;
    void (*finish)(void *state); /* NULL: free */
    uint64_t workspace;
    uint64_t in_place;
    const char *kernel;
};

/* Away with what a room made. */
void cpu_setup_finish(struct cpu_setup *s);

/* A room: 1 taken, 0 not mine, negative status on failure. */
typedef int32_t (*kernel_family)(struct cpu_setup *s, struct rn_error *e);

int32_t cpu_elementwise(struct cpu_setup *s, struct rn_error *e);
int32_t cpu_scan(struct cpu_setup *s, struct rn_error *e);        /* scan.c */
int32_t cpu_custom(struct cpu_setup *s, struct rn_error *e);      /* custom.c */
int32_t cpu_products(struct cpu_setup *s, struct rn_error *e);    /* our own */
int32_t cpu_attention16(struct cpu_setup *s, struct rn_error *e); /* CPU_DOTS16 */

int64_t cpu_int(const struct rn_node *n, const char *name, int64_t fallback);
double cpu_float(const struct rn_node *n, const char *name, double fallback);

static inline uint64_t cpu_align(uint64_t bytes) {
    return (bytes + 63) / 64 * 64;
}

/* [0,n) in contiguous ranges, one a thread; fewer threads if a range would be shorter
 * than grain. What is computed must not depend on where ranges are cut. */
typedef void (*cpu_range)(void *context, int64_t begin, int64_t end, int thread);
void cpu_parallel(int threads, int64_t n, int64_t grain, cpu_range fn, void *context);

/* ------------------------------------------------------------- expressions */

/* An elementwise operator for its types (expressions.h). */
struct cpu_expression {
    const char *op;
    rn_dtype in, out; /* out 0: fixed by the operator */
    uint32_t arity;
    const char *text;
};
extern const struct cpu_expression cpu_expressions[];
extern const size_t cpu_expression_count;
/* Index, also into an instruction set's blocks; -1: none. */
int cpu_expression_find(const char *op, rn_dtype in, rn_dtype out);

/* ------------------------------------------ kernels by instruction set (isa/) */

/* out[i] = f(in[0][i], ...); out may be exactly one of the inputs. */
typedef void (*cpu_block)(void *out, const void *const *in, size_t n);

/* c [m,n] (+)= a [m,k] b [k,n]; strides in elements, c's columns are dense. Each
 * element is summed in the order of k whatever the tiles. */
struct cpu_gemm {
    int64_t m, n, k;
    const float *a, *b;
    int64_t a_row, a_col, b_row, b_col;
    float *c;
    int64_t c_row;
    bool add; /* to what c holds */
};
/* On the calling thread; pack: cpu_isa's pack_bytes of scratch. */
typedef void (*cpu_gemm_fn)(const struct cpu_gemm *g, void *pack);

/* Reductions of f32 in pieces, equal to the bit to the reference's of the whole. Either
 * one result from its elements in order, or one for each of some columns from rows. */
enum cpu_fold { CPU_SUM, CPU_MEAN, CPU_MAX, CPU_MIN };
struct sum_lanes {
    float lane[16];
    uint32_t phase; /* lane of the next element */
};
struct cpu_folds {
    void (*begin)(enum cpu_fold f, struct sum_lanes *s);
    void (*add)(enum cpu_fold f, struct sum_lanes *s, const float *x, int64_t n);
    float (*end)(enum cpu_fold f, const struct sum_lanes *s, int64_t each);
    /* acc: 16 rows of `columns` floats, one after the other */
    void (*columns_begin)(enum cpu_fold f, float *acc, int64_t columns);
    /* rows first.. of the whole, `rows` of them */
    void (*columns_add)(enum cpu_fold f, float *acc, int64_t columns, int64_t first,
                        int64_t rows, const float *x);
    void (*columns_end)(enum cpu_fold f, float *acc, int64_t columns, int64_t each,
                        float *y);
};

struct cpu_isa {
    const char *name;
    const cpu_block *blocks; /* by expression */
    kernel_family reduce, softmax, normalise, attention, window, move, blocked;
    uint64_t pack_bytes; /* gemm's scratch */
    cpu_gemm_fn gemm;
    cpu_gemm_fn fused_gemm; /* other bits: multiplies and adds in one rounding */
    /* Multiply-adds in registers; how many f32 operations each round is. */
    float (*multiply_add)(int64_t rounds);
    int64_t multiply_add_flops;
    const struct cpu_folds *folds;
};
const struct cpu_isa *cpu_isa(const struct cpu_engine *g);
struct cpu_tuner *cpu_tuner(const struct cpu_engine *g);
bool cpu_strict(const struct cpu_engine *g);
/* Products are the library's, with its order of sums; else our own, with one. */
bool cpu_libraries(const struct cpu_engine *g);
/* Products of bf16 have kernels of their own, for matrix units or dot products. */
bool cpu_bf16(const struct cpu_engine *g);
const struct cpu_isa *cpu_isa_best(void);
/* "best" or a level; NULL: this machine does not have it, or RUNNER_ISA is below it. */
const struct cpu_isa *cpu_isa_find(const char *name);
extern const struct cpu_isa cpu_isa_base;
#if defined(__x86_64__)
extern const struct cpu_isa cpu_isa_v3, cpu_isa_v4;
#endif

/* ------------------------------------------------------------------ oneDNN */

#ifdef CPU_ONEDNN
struct cpu_onednn;
/* Before the library's first use: what RUNNER_ISA caps, unless the user has set the
 * library's own variable. isa.c */
void cpu_isa_cap_library(void);
/* A number for the instructions that the library uses. */
int cpu_isa_library(void);
int32_t cpu_onednn_create(struct cpu_onednn **out, struct rn_error *e);
void cpu_onednn_version(char *out, size_t size); /* "oneDNN 2.6.0", that which runs */
void cpu_onednn_destroy(struct cpu_onednn *d);
struct cpu_onednn *cpu_onednn_of(const struct cpu_engine *g);
int32_t cpu_onednn_room(struct cpu_setup *s, struct rn_error *e);
/* The kernels by letter, what a rule takes first. Of a convolution: d direct, w
 * Winograd where the library has it, o direct by the other name of images whose
 * channels are one block; of a product: m the library's, p the same with its second
 * operand packed. NULL: there is nothing to choose. */
const char *cpu_onednn_choices(const struct cpu_setup *s);
#endif

#endif

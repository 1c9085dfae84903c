/* SPDX-License-Identifier: Apache-2.0 */
/* A region inside the cpu backend: what elementwise.c interprets and generate.c prints
 * as C. A region is a list of elementwise steps over one space; a register is the value
 * of one step or an input. */
#ifndef CPU_REGION_H
#define CPU_REGION_H

#include <stdatomic.h>

#include "../shared/source_text.h"
#include "cpu.h"

#define BLOCK 1024 /* elements of a register that are worked on at a time */

struct reg {
    rn_dtype dtype;
    uint32_t size;      /* bytes of an element */
    int32_t input;      /* index of the node's input, or -1 */
    int32_t output;     /* output written directly, or -1 */
    bool dense, scalar; /* of the whole space; one value */
    bool buffered;      /* lives in scratch */
    uint32_t buffer;    /* which block of scratch */
    int32_t last;       /* last step that reads it */
    int64_t stride[RN_MAX_RANK];
};

struct step {
    int expression;  /* -1: plain */
    cpu_block block; /* NULL: plain */
    kernel_fn plain;
    const struct rn_node *node;
    uint32_t in_count, in[3], out;
};

struct store { /* an output that needs a copy at the block's end */
    uint32_t reg, output;
    bool dense;
    bool folded; /* not copied: fold.c reads the block */
    int64_t stride[RN_MAX_RANK];
};

/* Reductions at the end of a region (fold.c): of a table with `each` elements a result,
 * whose results are its rows or its columns. */
#define FOLDS_MOST 8
struct fold {
    enum cpu_fold kind;
    uint32_t reg, output; /* what is reduced, where it goes */
};

struct tail {
    uint32_t count; /* 0: the region has none */
    struct fold folds[FOLDS_MOST];
    bool columns;
    int64_t results, each;
    int64_t width, units;   /* of columns that a unit has; units of the whole */
    uint64_t offset, bytes; /* in a thread's scratch: sums of columns; of one fold */
};

/* The steps of a region as one function over n neighbouring elements. pointer[i] is
 * input i (at the first element, or at its one value), pointer[inputs + j] is output j.
 * An output may be exactly on an input. blocks: of the instruction set. */
typedef void (*region_fn)(char *const *pointer, int64_t n, const cpu_block *blocks);

/* How generated code gets an input. */
enum feed {
    FEED_WHOLE, /* where it is: dense */
    FEED_ONE,   /* one value */
    FEED_ROW,   /* where it is, from the row's start on */
    FEED_EACH,  /* one value a row */
    FEED_BLOCK  /* copied into a block of scratch */
};

/* The walk of generated code: pieces of rows, or blocks of the whole. */
struct walk {
    bool rows;
    int64_t piece, per_row, units;
};

struct region {
    uint32_t rank;
    int64_t size[RN_MAX_RANK]; /* the space, merged */
    int64_t count, inner, per_row, units;
    bool rows;   /* blocks end at rows */
    bool serial; /* an output is smaller than the space */
    bool single; /* one operator, not from a region of the plan */
    uint32_t reg_count, step_count, store_count, buffer_count;
    uint32_t input_count, output_count;
    uint32_t wide; /* bytes of the widest register's element */
    struct reg *regs;
    struct step *steps;
    struct store *stores;
    struct tail tail;
    uint64_t scratch; /* bytes for one thread */
    /* generated code: fn appears once, between two runs or during one */
    struct walk walk;
    const cpu_block *blocks;
    const struct cpu_folds *kernels;
    _Atomic(region_fn) fn;
};

#define REGION_POINTERS 64 /* inputs and outputs of a region with generated code */

/* A thread's block by block run: region_begin once, then n <= BLOCK elements from
 * `start` on. fn: the compiled steps, or NULL. Whatever is not an output that was
 * written is at region_value after. */
void region_begin(const struct region *r, const struct cpu_call *c, char *scratch);
void region_block(const struct region *r, const struct cpu_call *c, region_fn fn,
                  char *scratch, int64_t start, int64_t n);
char *region_value(const struct region *r, const struct cpu_call *c, uint32_t reg,
                   char *scratch, int64_t start);

/* fold.c: read the reductions of a region's program. False: not as backend.h says. */
bool reduction_tail(struct region *r, const struct rn_program *p);
/* Once the rest is laid out: what a unit is; adds to the scratch. */
void reduction_tail_lay_out(struct region *r, int threads);
/* The region's units for threads. */
void reduction_tail_walk(const struct cpu_share *s, int64_t begin, int64_t end,
                         int thread);

/* The region behind a prepared call, or NULL: it is none. */
struct region *cpu_region_of(cpu_fn fn, void *state);

/* How an input reaches generated code. */
enum feed region_feed(const struct region *r, const struct reg *g);

/* The function of a region as C text named `name`, or false: it has a step without an
 * expression, or too many inputs. The text depends on operators, types and on which
 * inputs are one value, on no size: so one function serves many regions. */
bool cpu_generate_text(const struct region *r, const struct cpu_isa *isa,
                       struct source_text *out);
/* Types, functions and macros that the text needs. */
extern const char *const cpu_generate_prelude[]; /* lines, NULL ends */

#endif

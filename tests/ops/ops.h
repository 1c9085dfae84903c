/* SPDX-License-Identifier: Apache-2.0 */
/* One test program for operators and backends: a case is a line of text, a mode walks
 * the table of cases. Modes test, grad, golden, compile, bench, support. */
#ifndef TESTS_OPS_H
#define TESTS_OPS_H

#include <stdbool.h>

#include "../check.h"
#include "exec/exec.h"
#include "graph/graph.h"
#include "plan/plan.h"

/* The counters of check.h are one file's own: every mode adds to those of ops.c. */
void ops_check(bool good, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- backends ---- */
struct backend_options {
    struct rn_host host;
    int64_t threads;
    const char *deterministic, *numerics;
    const char *order, *libraries, *plan_for; /* of cuda */
    const char *text;                         /* the description: its defaults */
};
struct opened {
    char name[96]; /* "cpu threads=2" */
    const struct rn_backend *backend;
    void *self;
    struct backend_options options;
    bool exact; /* its products do not depend on the number of threads */
};
bool backend_open(struct opened *o, const char *file, int n, char **options);
void backend_close(struct opened *o);

/* A planned graph on a backend. */
struct exe {
    const struct opened *o;
    struct arena *a;
    const struct plan *plan;
    struct device *d;
    struct program *p;
    struct rn_error e;
};
bool exe_open(struct exe *x, const struct opened *o, const struct graph *g, bool fuse);
void exe_close(struct exe *x);
void *exe_input(struct exe *x, const char *name); /* NULL: the graph does not read it */
rn_dtype exe_input_dtype(const struct exe *x, const char *name);
bool exe_run(struct exe *x);
const void *exe_output(struct exe *x, const char *name);

/* ---- cases: "op ; dtype[shape]... ; attribute=..." ----
 * A dtype is f32 f64 i64 i32 u32 i8 u8 bool, or `live` (seed, step, row of a random
 * operator). Between dtype and '[' may stand '+' (values from 0.1 to 1.1) or '<n'
 * (integers in [0,n)). After ']' may stand '!' (also infinities, NaN, zeros of both
 * signs, denormals, halves) or '=a,b,...' (these values). Attributes are the row's; a
 * dtype attribute takes the dtype's name. */
#define CASE_NEAR    1u  /* a sum of products: equal within the bound, not to the bit */
#define CASE_FLAT    2u  /* no gradient flows: none or zero, and so say differences */
#define CASE_DEFINED 4u  /* its gradient is defined, not derived: see edges.c */
#define CASE_LARGE   8u  /* too large, or NaN: no gradients */
#define CASE_ONCE    16u /* one derivative is all there is */

struct op_case {
    const char *text;
    unsigned flags;
};
extern const struct op_case op_cases[];
extern const uint32_t op_case_count;

#define CASE_INPUTS 24
struct case_input {
    char name[8];
    rn_dtype dtype; /* as written */
    rn_value value;
    uint64_t count;
    int64_t below;
    bool special, positive;
    const char *values; /* "1,2,nan" or NULL */
};
struct built {
    struct arena *a;
    struct graph *graph; /* outputs "y0", "y1", ... */
    struct variables *variables;
    const struct op *op;
    uint32_t input_count, output_count;
    struct case_input inputs[CASE_INPUTS];
    bool special; /* any input is */
};
/* wide: f32 is read as f64, attributes too. False after a line that says why. */
int case_try(const char *text, bool wide, struct built *b, struct rn_error *e);
bool case_build(const char *text, bool wide, struct built *b);
void built_init(struct built *b, const char *name); /* for graphs made by hand */
void built_free(struct built *b);
rn_value built_input(struct built *b, rn_dtype t, uint32_t rank, const int64_t *shape);
void case_op_name(const char *text, char *out, size_t size);
/* The input's values in its own dtype, `salt` tells inputs apart. */
void case_fill(const struct case_input *in, uint32_t salt, void *to);
/* Fill the program's inputs and live scalars; f32 is widened where the program has
 * f64. */
bool exe_fill(struct exe *x, const struct built *b);

/* A result kept after its program is gone. */
#define RESULTS 40
struct result {
    uint32_t count;
    rn_dtype dtype[RESULTS];
    uint64_t elements[RESULTS];
    void *data[RESULTS];
};
bool exe_results(struct exe *x, const struct graph *g, struct result *r);
/* Twice, the second time over used memory; and once. */
bool built_run(const struct opened *o, const struct built *b, bool fuse,
               struct result *r);
bool built_run_once(const struct opened *o, const struct built *b, bool fuse,
                    struct result *r);
void result_free(struct result *r);
double result_at(const struct result *r, uint32_t output, uint64_t i);
/* Equal to the bit, NaNs being equal; else `where` says what differs first. */
bool result_same(const struct result *x, const struct result *y, char *where,
                 size_t size);

/* ---- narrow.c: products of operands of 16 bits ---- */
#define NARROW_CASES 10
#define NARROW_TYPES 2
extern const struct narrow {
    const char *name;
    rn_dtype type;
    double rounding; /* half the distance from 1 to the next number */
} narrow_types[NARROW_TYPES];
/* Outputs: the product in f32, and rounded to `t`. low: of operands of 16 bits; else of
 * the f32 values that they stand for, which is what it means. The operator's name. */
const char *narrow_build(struct built *b, int which, const struct narrow *t, bool low);

/* ---- bound.c ---- */
/* Truth and bound of b's outputs: the f64 run of the graph, and how far an f32 run with
 * any order of sums may be from it. Both as f64 results. False: no bound (not f32). */
bool bound_run(const struct opened *reference, const struct built *b,
               struct result *truth, struct result *bound);
/* Its steps: the f64 graph with outputs y* then b* in an own arena; the results apart.
 */
bool bound_graph(const struct built *b, struct built *wide);
void bound_split(const struct result *both, struct result *truth, struct result *bound);
/* Largest excess |got - truth| / bound over all elements; above 1 is wrong. */
double bound_worst(const struct result *got, const struct result *truth,
                   const struct result *bound, char *where, size_t size);

/* ---- modes ---- */
void mode_test(const struct opened *backends, int count, const char *only);
void mode_compile(const struct opened *backends, int count);
void mode_grad(const struct opened *reference, const char *only);
void mode_golden(const struct opened *backends, int count, const char *file);
void mode_bench(const struct opened *backends, int count, const char *only);
void mode_support(const struct opened *backends, int count);
/* parts of test and grad */
void test_built(const char *name, const struct built *b, bool near,
                const struct opened *backends, int count);
void test_refusals(void);
void test_custom(const struct opened *backends, int count);
void test_scan(const struct opened *backends, int count);
void test_meanings(const struct opened *backends, int count);
void test_graphs(const struct opened *backends, int count);
void test_images16(const struct opened *backends, int count);
void test_fold(const struct opened *backends, int count);
void test_precision(const struct opened *backends, int count);
void test_attention16(const struct opened *backends, int count);
/* A small network's loss and gradients, the weights' being its outputs. */
void graph_network(struct built *b);
void grad_edges(const struct opened *reference);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Where a value that is not finite comes from: the values of a program that keeps all
 * of them (engine_keep), looked at after a run. From results that are not finite the
 * search goes back, through values that are not finite, to the first node in program
 * order whose operands are all finite. An infinity that the network means, a constant
 * such as the -Inf of a mask and what only moves it, is not searched for. */
#ifndef ENGINE_ORIGIN_H
#define ENGINE_ORIGIN_H

#include "engine/engine.h"

enum origin_what {
    ORIGIN_NONE, /* all results are finite */
    ORIGIN_OPERATOR,
    ORIGIN_INPUT,    /* of the program: "data.x" */
    ORIGIN_VARIABLE, /* a parameter, a running statistic */
    ORIGIN_SCALAR,   /* a live value: "optimizer.lr" */
};

#define ORIGIN_ROWS 8u

struct origin_numbers { /* of one value */
    rn_dtype dtype;
    uint32_t rank;
    int64_t shape[RN_MAX_RANK];
    uint64_t count, nan, inf;
    uint64_t first;  /* element that is not finite */
    double min, max; /* of the finite ones; NaN: there is none */
};

struct origin {
    enum origin_what what;
    const char *name;  /* the operator's, "log"; else the source's. The plan's */
    const char *scope; /* "model.act1"; "" = none. The plan's */
    enum graph_part part;
    struct origin_numbers value;      /* the first that is not finite */
    struct origin_numbers operand[3]; /* of an operator: its float operands */
    uint32_t operand_count;           /* maybe more than 3 */
    bool by_rows;                     /* value's first axis are the batch's rows */
    uint64_t row_count;               /* rows with something that is not finite */
    int64_t rows[ORIGIN_ROWS];        /* the first of them */
};

/* p: of engine_keep, after program_run. Waits for the run. */
int origin_find(const struct program_variant *p, struct origin *out,
                struct rn_error *e);

#endif

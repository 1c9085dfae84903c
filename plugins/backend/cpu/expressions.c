/* SPDX-License-Identifier: Apache-2.0 */
/* The expressions by operator and type, as text. */
#include <string.h>

#include "cpu.h"

#define RN_ANY                                   0
#define EXPRESSION1(id, op, in, out, T, U, text) {#op, RN_##in, RN_##out, 1, #text},
#define EXPRESSION2(id, op, in, out, T, U, text) {#op, RN_##in, RN_##out, 2, #text},
#define EXPRESSION3(id, op, in, out, T, U, text) {#op, RN_##in, RN_##out, 3, #text},
const struct cpu_expression cpu_expressions[] = {
#include "expressions.h"
};

const size_t cpu_expression_count = sizeof cpu_expressions / sizeof cpu_expressions[0];

/* The type that stands for all of this width. */
static rn_dtype width(rn_dtype t) {
    switch (RN_DTYPE_BYTES(t)) {
    case 8:
        return RN_I64;
    case 4:
        return RN_U32;
    case 2:
        return RN_BF16;
    default:
        return RN_U8;
    }
}

int cpu_expression_find(const char *op, rn_dtype in, rn_dtype out) {
    bool moves = strcmp(op, "identity") == 0;
    if (strcmp(op, "cast") == 0 && in == out)
        op = "identity", moves = true;
    in = in == RN_BOOL ? RN_U8 : in;
    if (moves)
        in = width(in);
    if (moves || strcmp(op, "select") == 0)
        out = width(out);
    for (size_t i = 0; i < cpu_expression_count; i++) {
        const struct cpu_expression *x = &cpu_expressions[i];
        if (x->in == in && (x->out == 0 || x->out == out) && strcmp(x->op, op) == 0)
            return (int)i;
    }
    return -1;
}

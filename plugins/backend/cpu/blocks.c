/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise primitives over contiguous blocks: each expression as a loop that becomes
 * vectors. Also the table of this instruction set. */
#include "isa.h"

#define EXPRESSION1(id, op, in_, out_, T, U, text)                                     \
    static void id(void *out, const void *const *in, size_t n) {                       \
        const T *a_ = in[0];                                                           \
        U *o_ = out;                                                                   \
        EACH(i, n) {                                                                   \
            const T A = a_[i];                                                         \
            o_[i] = (U)(text);                                                         \
        }                                                                              \
    }
#define EXPRESSION2(id, op, in_, out_, T, U, text)                                     \
    static void id(void *out, const void *const *in, size_t n) {                       \
        const T *a_ = in[0], *b_ = in[1];                                              \
        U *o_ = out;                                                                   \
        EACH(i, n) {                                                                   \
            const T A = a_[i], B = b_[i];                                              \
            o_[i] = (U)(text);                                                         \
        }                                                                              \
    }
#define EXPRESSION3(id, op, in_, out_, T, U, text)                                     \
    static void id(void *out, const void *const *in, size_t n) {                       \
        const uint8_t *a_ = in[0];                                                     \
        const T *b_ = in[1], *c_ = in[2];                                              \
        U *o_ = out;                                                                   \
        EACH(i, n) {                                                                   \
            const uint8_t A = a_[i];                                                   \
            const T B = b_[i], C = c_[i];                                              \
            o_[i] = (U)(text);                                                         \
        }                                                                              \
    }
#include "expressions.h"

/* In the order of expressions.c. */
#define EXPRESSION1(id, op, in, out, T, U, text) id,
#define EXPRESSION2(id, op, in, out, T, U, text) id,
#define EXPRESSION3(id, op, in, out, T, U, text) id,
static const cpu_block blocks[] = {
#include "expressions.h"
};

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

const struct cpu_isa CPU_NAME(cpu_isa) = {TEXT(CPU_ISA),
                                          blocks,
                                          CPU_NAME(cpu_reduce),
                                          CPU_NAME(cpu_softmax),
                                          CPU_NAME(cpu_normalise),
                                          CPU_NAME(cpu_attention),
                                          CPU_NAME(cpu_window),
                                          CPU_NAME(cpu_move),
                                          CPU_NAME(cpu_blocked),
                                          1u << 20,
                                          CPU_NAME(cpu_gemm),
                                          CPU_NAME(cpu_fused_gemm),
                                          CPU_NAME(cpu_multiply_add),
                                          2 * 12 * CPU_LANES,
                                          &CPU_NAME(cpu_folds)};

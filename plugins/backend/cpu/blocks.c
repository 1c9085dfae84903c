/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise primitives over contiguous blocks: the expressions of the reference,
 * vectorised. Also the table of this instruction set. */
#include "isa.h"

#define BLOCK1(id, T, U, expression)                                                   \
    static void id(void *out, const void *const *in, size_t n) {                       \
        const T *a_ = in[0];                                                           \
        U *o_ = out;                                                                   \
        EACH(i, n) {                                                                   \
            const T A = a_[i];                                                         \
            o_[i] = (U)(expression);                                                   \
        }                                                                              \
    }
#define BLOCK2(id, T, U, expression)                                                   \
    static void id(void *out, const void *const *in, size_t n) {                       \
        const T *a_ = in[0], *b_ = in[1];                                              \
        U *o_ = out;                                                                   \
        EACH(i, n) {                                                                   \
            const T A = a_[i], B = b_[i];                                              \
            o_[i] = (U)(expression);                                                   \
        }                                                                              \
    }

#define FLOAT1(name, f32, f64)                                                         \
    BLOCK1(name##_f32, float, float, f32) BLOCK1(name##_f64, double, double, f64)
#define CALL1(name) FLOAT1(name, rn_##name##_f32(A), rn_##name##_f64(A))
CALL1(exp)
CALL1(expm1)
CALL1(log)
CALL1(log1p)
CALL1(sin)
CALL1(cos)
CALL1(tanh)
CALL1(erf)
CALL1(sigmoid)
CALL1(floor)
CALL1(ceil)
CALL1(round)
FLOAT1(sqrt, sqrtf(A), sqrt(A))

#define ALL1(name, expression, i64, i32)                                               \
    BLOCK1(name##_f32, float, float, expression)                                       \
    BLOCK1(name##_f64, double, double, expression)                                     \
    BLOCK1(name##_i64, int64_t, int64_t, i64)                                          \
    BLOCK1(name##_i32, int32_t, int32_t, i32)
#define ALL2(name, expression, i64, i32)                                               \
    BLOCK2(name##_f32, float, float, expression)                                       \
    BLOCK2(name##_f64, double, double, expression)                                     \
    BLOCK2(name##_i64, int64_t, int64_t, i64)                                          \
    BLOCK2(name##_i32, int32_t, int32_t, i32)
#define WRAP64(op) (uint64_t) A op(uint64_t) B
#define WRAP32(op)                                                                     \
    (uint32_t) A op(uint32_t)                                                          \
    B
ALL1(neg, -A, 0 - (uint64_t)A, 0 - (uint32_t)A)
ALL1(abs,
     A < 0    ? -A
     : A == 0 ? 0
              : A,
     A < 0 ? 0 - (uint64_t)A : (uint64_t)A, A < 0 ? 0 - (uint32_t)A : (uint32_t)A)
ALL1(sign, A > 0 ? 1 : A < 0 ? -1 : A, (A > 0) - (A < 0), (A > 0) - (A < 0))
ALL2(add, A + B, WRAP64(+), WRAP32(+))
ALL2(sub, A - B, WRAP64(-), WRAP32(-))
ALL2(mul, A *B, WRAP64(*), WRAP32(*))
ALL2(div, A / B,
     B == 0    ? 0
     : B == -1 ? (int64_t)(0 - (uint64_t)A)
               : A / B,
     B == 0    ? 0
     : B == -1 ? (int32_t)(0 - (uint32_t)A)
               : A / B)
ALL2(maximum, A != A ? A : (B != B || B > A) ? B : A, A > B ? A : B, A > B ? A : B)
ALL2(minimum, A != A ? A : (B != B || B < A) ? B : A, A < B ? A : B, A < B ? A : B)
BLOCK2(pow_f32, float, float, rn_pow_f32(A, B))
BLOCK2(pow_f64, double, double, rn_pow_f64(A, B))
BLOCK1(is_finite_f32, float, uint8_t, (rn_bits_f32(A) & 0x7f800000u) != 0x7f800000u)
BLOCK1(is_finite_f64, double, uint8_t,
       (rn_bits_f64(A) & 0x7ff0000000000000ull) != 0x7ff0000000000000ull)
BLOCK1(logical_not, uint8_t, uint8_t, A == 0)
BLOCK2(logical_and, uint8_t, uint8_t, (A != 0) & (B != 0))
BLOCK2(logical_or, uint8_t, uint8_t, (A != 0) | (B != 0))

#define COMPARE(name, op)                                                              \
    BLOCK2(name##_f32, float, uint8_t, A op B)                                         \
    BLOCK2(name##_f64, double, uint8_t, A op B)                                        \
    BLOCK2(name##_i64, int64_t, uint8_t, A op B)                                       \
    BLOCK2(name##_i32, int32_t, uint8_t, A op B)                                       \
    BLOCK2(name##_u8, uint8_t, uint8_t, A op B)
COMPARE(eq, ==)
COMPARE(ne, !=)
COMPARE(lt, <)
COMPARE(le, <=)
COMPARE(gt, >)
COMPARE(ge, >=)

#define SELECT(bits)                                                                   \
    static void select_##bits(void *out, const void *const *in, size_t n) {            \
        const uint8_t *c = in[0];                                                      \
        const uint##bits##_t *a = in[1], *b = in[2];                                   \
        uint##bits##_t *o = out;                                                       \
        EACH(i, n) {                                                                   \
            const uint##bits##_t x = a[i], y = b[i];                                   \
            o[i] = c[i] ? x : y;                                                       \
        }                                                                              \
    }
SELECT(8)
SELECT(16)
SELECT(32)
SELECT(64)

#define MOVE(bits)                                                                     \
    static void move_##bits(void *out, const void *const *in, size_t n) {              \
        if (out != in[0])                                                              \
            memmove(out, in[0], n *(bits / 8));                                        \
    }
MOVE(8)
MOVE(16)
MOVE(32)
MOVE(64)

BLOCK1(f64_from_f32, float, double, A)
BLOCK1(f32_from_f64, double, float, A)
BLOCK1(f32_from_i64, int64_t, float, A)
BLOCK1(f32_from_i32, int32_t, float, A)
BLOCK1(f32_from_u32, uint32_t, float, A)
BLOCK1(f32_from_i8, int8_t, float, A)
BLOCK1(f32_from_u8, uint8_t, float, A)
BLOCK1(i64_from_i32, int32_t, int64_t, A)
BLOCK1(i64_from_u8, uint8_t, int64_t, A)
BLOCK1(bool_from_f32, float, uint8_t, A != 0.0f)
BLOCK1(f32_from_bf16, uint16_t, float, rn_f32_from_bf16(A))
BLOCK1(bf16_from_f32, float, uint16_t, rn_bf16_from_f32(A))

static cpu_block cast(rn_dtype in, rn_dtype out) {
    static const struct {
        rn_dtype in, out;
        cpu_block fn;
    } table[] = {{RN_F32, RN_F64, f64_from_f32},   {RN_F64, RN_F32, f32_from_f64},
                 {RN_I64, RN_F32, f32_from_i64},   {RN_I32, RN_F32, f32_from_i32},
                 {RN_U32, RN_F32, f32_from_u32},   {RN_I8, RN_F32, f32_from_i8},
                 {RN_U8, RN_F32, f32_from_u8},     {RN_BOOL, RN_F32, f32_from_u8},
                 {RN_I32, RN_I64, i64_from_i32},   {RN_U8, RN_I64, i64_from_u8},
                 {RN_BOOL, RN_I64, i64_from_u8},   {RN_F32, RN_BOOL, bool_from_f32},
                 {RN_BF16, RN_F32, f32_from_bf16}, {RN_F32, RN_BF16, bf16_from_f32}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].in == in && table[i].out == out)
            return table[i].fn;
    return NULL;
}

#define F(name)                                                                        \
    { #name, name##_f32, name##_f64, NULL, NULL, NULL }
#define N(name)                                                                        \
    { #name, name##_f32, name##_f64, name##_i64, name##_i32, NULL }
#define W(name)                                                                        \
    { #name, name##_f32, name##_f64, name##_i64, name##_i32, name##_u8 }
#define B_(name)                                                                       \
    { #name, NULL, NULL, NULL, NULL, name }

static const struct {
    const char *op;
    cpu_block f32, f64, i64, i32, u8;
} table[] = {F(exp),          F(expm1),        F(log),        F(log1p),     F(sin),
             F(cos),          F(tanh),         F(erf),        F(sigmoid),   F(floor),
             F(ceil),         F(round),        F(sqrt),       N(neg),       N(abs),
             N(sign),         N(add),          N(sub),        N(mul),       N(div),
             N(maximum),      N(minimum),      F(pow),        F(is_finite), W(eq),
             W(ne),           W(lt),           W(le),         W(gt),        W(ge),
             B_(logical_not), B_(logical_and), B_(logical_or)};

cpu_block CPU_NAME(cpu_block_find)(const char *op, rn_dtype in, rn_dtype out) {
    static const cpu_block selects[] = {select_8, select_16, select_32, select_64};
    static const cpu_block moves[] = {move_8, move_16, move_32, move_64};
    uint32_t size = RN_DTYPE_BYTES(out), log2 = size == 8   ? 3
                                                : size == 4 ? 2
                                                            : size - 1;
    if (strcmp(op, "select") == 0)
        return selects[log2];
    if (strcmp(op, "identity") == 0 || (strcmp(op, "cast") == 0 && in == out))
        return moves[log2];
    if (strcmp(op, "cast") == 0)
        return cast(in, out);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].op, op) != 0)
            continue;
        switch (in) {
        case RN_F32:
            return table[i].f32;
        case RN_F64:
            return table[i].f64;
        case RN_I64:
            return table[i].i64;
        case RN_I32:
            return table[i].i32;
        case RN_U8:
        case RN_BOOL:
            return table[i].u8;
        default:
            return NULL;
        }
    }
    return NULL;
}

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

const struct cpu_isa CPU_NAME(cpu_isa) = {TEXT(CPU_ISA),
                                          CPU_NAME(cpu_block_find),
                                          CPU_NAME(cpu_reduce),
                                          CPU_NAME(cpu_normalise),
                                          CPU_NAME(cpu_window),
                                          CPU_NAME(cpu_move),
                                          1u << 20,
                                          CPU_NAME(cpu_gemm)};

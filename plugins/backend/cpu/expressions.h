/* SPDX-License-Identifier: Apache-2.0 */
/* Every elementwise operator as one C expression of A, B and C: compiled into the block
 * kernels (blocks.c) and, as text, printed into generated code (generate.c), so that
 * the two cannot drift apart. The meaning is the reference's (reference/elementwise.c).
 *
 * Include it with these defined; each is undefined at the end:
 *   EXPRESSION1(id, op, in, out, T, U, text)  A of type T, result cast to U
 *   EXPRESSION2(...)                          A and B of type T
 *   EXPRESSION3(...)                          A a bool, B and C of type T
 * in, out: RN_ dtypes without the prefix. in is the first operand's, bool counts as u8.
 * out is ANY where the operator fixes it; where only the width matters it is the
 * unsigned type of that width (expression_find). No include guard: it is included more
 * than once. */

#define EXPRESSION_FLOAT1(op, f32, f64)                                                \
    EXPRESSION1(op##_f32, op, F32, ANY, float, float, f32)                             \
    EXPRESSION1(op##_f64, op, F64, ANY, double, double, f64)
#define EXPRESSION_CALL1(op) EXPRESSION_FLOAT1(op, rn_##op##_f32(A), rn_##op##_f64(A))
#define EXPRESSION_ALL1(op, float_, i64, i32)                                          \
    EXPRESSION_FLOAT1(op, float_, float_)                                              \
    EXPRESSION1(op##_i64, op, I64, ANY, int64_t, int64_t, i64)                         \
    EXPRESSION1(op##_i32, op, I32, ANY, int32_t, int32_t, i32)
#define EXPRESSION_ALL2(op, float_, i64, i32)                                          \
    EXPRESSION2(op##_f32, op, F32, ANY, float, float, float_)                          \
    EXPRESSION2(op##_f64, op, F64, ANY, double, double, float_)                        \
    EXPRESSION2(op##_i64, op, I64, ANY, int64_t, int64_t, i64)                         \
    EXPRESSION2(op##_i32, op, I32, ANY, int32_t, int32_t, i32)
/* Small integers wrap as well. */
#define EXPRESSION_SMALL2(op, text)                                                    \
    EXPRESSION2(op##_u32, op, U32, ANY, uint32_t, uint32_t, text)                      \
    EXPRESSION2(op##_i8, op, I8, ANY, int8_t, int8_t, text)                            \
    EXPRESSION2(op##_u8, op, U8, ANY, uint8_t, uint8_t, text)
#define EXPRESSION_COMPARE(op, text)                                                   \
    EXPRESSION2(op##_f32, op, F32, ANY, float, uint8_t, text)                          \
    EXPRESSION2(op##_f64, op, F64, ANY, double, uint8_t, text)                         \
    EXPRESSION2(op##_i64, op, I64, ANY, int64_t, uint8_t, text)                        \
    EXPRESSION2(op##_i32, op, I32, ANY, int32_t, uint8_t, text)                        \
    EXPRESSION2(op##_u32, op, U32, ANY, uint32_t, uint8_t, text)                       \
    EXPRESSION2(op##_i8, op, I8, ANY, int8_t, uint8_t, text)                           \
    EXPRESSION2(op##_u8, op, U8, ANY, uint8_t, uint8_t, text)

EXPRESSION_CALL1(exp)
EXPRESSION_CALL1(expm1)
EXPRESSION_CALL1(log)
EXPRESSION_CALL1(log1p)
EXPRESSION_CALL1(sin)
EXPRESSION_CALL1(cos)
EXPRESSION_CALL1(tanh)
EXPRESSION_CALL1(erf)
EXPRESSION_CALL1(sigmoid)
EXPRESSION_CALL1(floor)
EXPRESSION_CALL1(ceil)
EXPRESSION_CALL1(round)
EXPRESSION_FLOAT1(sqrt, sqrtf(A), sqrt(A))
EXPRESSION2(pow_f32, pow, F32, ANY, float, float, rn_pow_f32(A, B))
EXPRESSION2(pow_f64, pow, F64, ANY, double, double, rn_pow_f64(A, B))

/* clang-format off */
EXPRESSION_ALL1(neg, -A, 0 - (uint64_t)A, 0 - (uint32_t)A)
EXPRESSION_ALL1(abs, A < 0 ? -A : A == 0 ? 0 : A,
                A < 0 ? 0 - (uint64_t)A : (uint64_t)A,
                A < 0 ? 0 - (uint32_t)A : (uint32_t)A)
EXPRESSION_ALL1(sign, A > 0 ? 1 : A < 0 ? -1 : A, (A > 0) - (A < 0), (A > 0) - (A < 0))
EXPRESSION_ALL2(add, A + B, (uint64_t)A + (uint64_t)B, (uint32_t)A + (uint32_t)B)
EXPRESSION_ALL2(sub, A - B, (uint64_t)A - (uint64_t)B, (uint32_t)A - (uint32_t)B)
EXPRESSION_ALL2(mul, A * B, (uint64_t)A * (uint64_t)B, (uint32_t)A * (uint32_t)B)
EXPRESSION_ALL2(div, A / B,
                B == 0 ? 0 : B == -1 ? (int64_t)(0 - (uint64_t)A) : A / B,
                B == 0 ? 0 : B == -1 ? (int32_t)(0 - (uint32_t)A) : A / B)
EXPRESSION_ALL2(maximum, A != A ? A : ((B != B) | (B > A)) ? B : A,
                A > B ? A : B, A > B ? A : B)
EXPRESSION_ALL2(minimum, A != A ? A : ((B != B) | (B < A)) ? B : A,
                A < B ? A : B, A < B ? A : B)
EXPRESSION_SMALL2(add, A + B)
EXPRESSION_SMALL2(sub, A - B)
EXPRESSION_SMALL2(mul, A * B)
EXPRESSION1(is_finite_f32, is_finite, F32, ANY, float, uint8_t,
            (rn_bits_f32(A) & 0x7f800000u) != 0x7f800000u)
EXPRESSION1(is_finite_f64, is_finite, F64, ANY, double, uint8_t,
            (rn_bits_f64(A) & 0x7ff0000000000000ull) != 0x7ff0000000000000ull)
EXPRESSION1(logical_not, logical_not, U8, ANY, uint8_t, uint8_t, A == 0)
EXPRESSION2(logical_and, logical_and, U8, ANY, uint8_t, uint8_t, (A != 0) & (B != 0))
EXPRESSION2(logical_or, logical_or, U8, ANY, uint8_t, uint8_t, (A != 0) | (B != 0))
EXPRESSION_COMPARE(eq, A == B)
EXPRESSION_COMPARE(ne, A != B)
EXPRESSION_COMPARE(lt, A < B)
EXPRESSION_COMPARE(le, A <= B)
EXPRESSION_COMPARE(gt, A > B)
EXPRESSION_COMPARE(ge, A >= B)

/* What only moves, by width. A cast to the same type is an identity. */
EXPRESSION3(select_8, select, U8, U8, uint8_t, uint8_t, A ? B : C)
EXPRESSION3(select_16, select, U8, BF16, uint16_t, uint16_t, A ? B : C)
EXPRESSION3(select_32, select, U8, U32, uint32_t, uint32_t, A ? B : C)
EXPRESSION3(select_64, select, U8, I64, uint64_t, uint64_t, A ? B : C)
EXPRESSION1(move_8, identity, U8, U8, uint8_t, uint8_t, A)
EXPRESSION1(move_16, identity, BF16, BF16, uint16_t, uint16_t, A)
EXPRESSION1(move_32, identity, U32, U32, uint32_t, uint32_t, A)
EXPRESSION1(move_64, identity, I64, I64, uint64_t, uint64_t, A)

/* Float to integer truncates and saturates, NaN gives 0. Back from an integer 0 is +0,
 * and says so: without floating-point traps gcc takes (float)(int)x for trunc(x), which
 * is -0 for x between -1 and 0. */
#define EXPRESSION_CAST(to, from, T, U, text)                                          \
    EXPRESSION1(cast_##to##_from_##from, cast, from, to, T, U, text)
#define EXPRESSION_CAST_FLOAT(from, T)                                                 \
    EXPRESSION_CAST(I64, from, T, int64_t,                                             \
                    A != A ? 0                                                         \
                    : (double)A >= 9223372036854775807.0                               \
                        ? 9223372036854775807ll                                        \
                    : (double)A <= -9223372036854775808.0                              \
                        ? -9223372036854775807ll - 1                                   \
                        : (int64_t)A)                                                  \
    EXPRESSION_CAST(I32, from, T, int32_t,                                             \
                    A != A ? 0                                                         \
                    : (double)A >= 2147483647.0 ? 2147483647                           \
                    : (double)A <= -2147483648.0 ? -2147483647 - 1                     \
                                                 : (int32_t)A)                         \
    EXPRESSION_CAST(U32, from, T, uint32_t,                                            \
                    A != A ? 0                                                         \
                    : (double)A >= 4294967295.0 ? 4294967295ll                         \
                    : (double)A <= 0.0 ? 0                                             \
                                       : (int64_t)A)                                   \
    EXPRESSION_CAST(U8, from, T, uint8_t,                                              \
                    A != A ? 0                                                         \
                    : (double)A >= 255.0 ? 255                                         \
                    : (double)A <= 0.0 ? 0                                             \
                                       : (int32_t)A)                                   \
    EXPRESSION_CAST(I8, from, T, int8_t,                                               \
                    A != A ? 0                                                         \
                    : (double)A >= 127.0 ? 127                                         \
                    : (double)A <= -128.0 ? -128                                       \
                                          : (int32_t)A)                                \
    EXPRESSION_CAST(BOOL, from, T, uint8_t, A != 0)
#define EXPRESSION_CLAMP(to, from, T, U, low, high)                                    \
    EXPRESSION_CAST(to, from, T, U,                                                    \
                    (int64_t)A < low ? low : (int64_t)A > high ? high : (int64_t)A)
#define EXPRESSION_CAST_INT(from, T)                                                   \
    EXPRESSION_CAST(F32, from, T, float, A == 0 ? 0.0f : (float)A)                     \
    EXPRESSION_CAST(F64, from, T, double, A == 0 ? 0.0 : (double)A)                    \
    EXPRESSION_CAST(BOOL, from, T, uint8_t, A != 0)                                    \
    EXPRESSION_CAST(I64, from, T, int64_t, A)                                          \
    EXPRESSION_CLAMP(I32, from, T, int32_t, -2147483648ll, 2147483647ll)               \
    EXPRESSION_CLAMP(U32, from, T, uint32_t, 0ll, 4294967295ll)                        \
    EXPRESSION_CLAMP(I8, from, T, int8_t, -128ll, 127ll)                               \
    EXPRESSION_CLAMP(U8, from, T, uint8_t, 0ll, 255ll)

EXPRESSION_CAST_FLOAT(F32, float)
EXPRESSION_CAST_FLOAT(F64, double)
EXPRESSION_CAST_INT(I64, int64_t)
EXPRESSION_CAST_INT(I32, int32_t)
EXPRESSION_CAST_INT(U32, uint32_t)
EXPRESSION_CAST_INT(I8, int8_t)
EXPRESSION_CAST_INT(U8, uint8_t)
EXPRESSION_CAST(F64, F32, float, double, A)
EXPRESSION_CAST(F32, F64, double, float, A)
EXPRESSION_CAST(F32, BF16, uint16_t, float, rn_f32_from_bf16(A))
EXPRESSION_CAST(BF16, F32, float, uint16_t, rn_bf16_from_f32(A))
EXPRESSION_CAST(F32, F16, uint16_t, float, rn_f32_from_f16(A))
EXPRESSION_CAST(F16, F32, float, uint16_t, rn_f16_from_f32(A))
/* clang-format on */

#undef EXPRESSION_FLOAT1
#undef EXPRESSION_CALL1
#undef EXPRESSION_ALL1
#undef EXPRESSION_ALL2
#undef EXPRESSION_SMALL2
#undef EXPRESSION_COMPARE
#undef EXPRESSION_CAST
#undef EXPRESSION_CAST_FLOAT
#undef EXPRESSION_CAST_INT
#undef EXPRESSION_CLAMP
#undef EXPRESSION1
#undef EXPRESSION2
#undef EXPRESSION3

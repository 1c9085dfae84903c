/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise primitives: one scalar function each and type, applied with NumPy's
 * broadcasting. */
#include <math.h>
#include <string.h>

#include <runner/numerics.h>

#include "kernels.h"

/* Offset of output element i in a broadcast operand. */
static uint64_t source(const struct kernel_tensor *x, const struct kernel_tensor *out,
                       uint64_t i) {
    uint64_t at = 0, step = 1;
    if (x->count == 1)
        return 0;
    if (x->count == out->count && x->rank == out->rank)
        return i;
    for (uint32_t k = 0; k < out->rank; k++) {
        uint32_t axis = out->rank - 1 - k;
        uint64_t coordinate = i % (uint64_t)out->shape[axis];
        i /= (uint64_t)out->shape[axis];
        if (k < x->rank) {
            uint64_t n = (uint64_t)x->shape[x->rank - 1 - k];
            at += n == 1 ? 0 : coordinate * step;
            step *= n;
        }
    }
    return at;
}

#define A ((const T *)c->in[0].data)[source(&c->in[0], o, i)]
#define B ((const T *)c->in[1].data)[source(&c->in[1], o, i)]

#define KERNEL(id, T_, U_, expression)                                                 \
    static int32_t id(const struct kernel_call *c, struct rn_error *e) {               \
        typedef T_ T;                                                                  \
        const struct kernel_tensor *o = &c->out[0];                                    \
        (void)e;                                                                       \
        for (uint64_t i = 0; i < o->count; i++)                                        \
            ((U_ *)o->data)[i] = (U_)(expression);                                     \
        return RN_OK;                                                                  \
    }

#define FLOAT1(name, f32, f64)                                                         \
    KERNEL(name##_f32, float, float, f32) KERNEL(name##_f64, double, double, f64)
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

#define ALL(name, expression, i64, i32)                                                \
    KERNEL(name##_f32, float, float, expression)                                       \
    KERNEL(name##_f64, double, double, expression)                                     \
    KERNEL(name##_i64, int64_t, int64_t, i64)                                          \
    KERNEL(name##_i32, int32_t, int32_t, i32)
#define WRAP64(op) (uint64_t) A op(uint64_t) B
#define WRAP32(op)                                                                     \
    (uint32_t) A op(uint32_t)                                                          \
    B

ALL(neg, -A, 0 - (uint64_t)A, 0 - (uint32_t)A)
ALL(abs,
    A < 0    ? -A
    : A == 0 ? 0
             : A,
    A < 0 ? 0 - (uint64_t)A : (uint64_t)A, A < 0 ? 0 - (uint32_t)A : (uint32_t)A)
ALL(sign, A > 0 ? 1 : A < 0 ? -1 : A, (A > 0) - (A < 0), (A > 0) - (A < 0))
ALL(add, A + B, WRAP64(+), WRAP32(+))
ALL(sub, A - B, WRAP64(-), WRAP32(-))
ALL(mul, A *B, WRAP64(*), WRAP32(*))
ALL(div, A / B,
    B == 0    ? 0
    : B == -1 ? (int64_t)(0 - (uint64_t)A)
              : A / B,
    B == 0    ? 0
    : B == -1 ? (int32_t)(0 - (uint32_t)A)
              : A / B)
ALL(maximum, A != A ? A : (B != B || B > A) ? B : A, A > B ? A : B, A > B ? A : B)
ALL(minimum, A != A ? A : (B != B || B < A) ? B : A, A < B ? A : B, A < B ? A : B)
FLOAT1(pow, rn_pow_f32(A, B), rn_pow_f64(A, B))
KERNEL(pow_i64, int64_t, int64_t, (int64_t)rn_pow_f64((double)A, (double)B))
KERNEL(pow_i32, int32_t, int32_t, (int32_t)rn_pow_f64((double)A, (double)B))
KERNEL(is_finite_f32, float, uint8_t, (rn_bits_f32(A) & 0x7f800000u) != 0x7f800000u)
KERNEL(is_finite_f64, double, uint8_t,
       (rn_bits_f64(A) & 0x7ff0000000000000ull) != 0x7ff0000000000000ull)
KERNEL(logical_not, uint8_t, uint8_t, !A)
KERNEL(logical_and, uint8_t, uint8_t, A &&B)
KERNEL(logical_or, uint8_t, uint8_t, A || B)

#define COMPARE(name, op)                                                              \
    KERNEL(name##_f32, float, uint8_t, A op B)                                         \
    KERNEL(name##_f64, double, uint8_t, A op B)                                        \
    KERNEL(name##_i64, int64_t, uint8_t, A op B)                                       \
    KERNEL(name##_i32, int32_t, uint8_t, A op B)                                       \
    KERNEL(name##_u32, uint32_t, uint8_t, A op B)                                      \
    KERNEL(name##_i8, int8_t, uint8_t, A op B)                                         \
    KERNEL(name##_u8, uint8_t, uint8_t, A op B)
COMPARE(eq, ==)
COMPARE(ne, !=)
COMPARE(lt, <)
COMPARE(le, <=)
COMPARE(gt, >)
COMPARE(ge, >=)

/* u32, i8 and u8 arithmetic wraps too. */
#define SMALL(name, op)                                                                \
    KERNEL(name##_u32, uint32_t, uint32_t, A op B)                                     \
    KERNEL(name##_i8, int8_t, int8_t, A op B)                                          \
    KERNEL(name##_u8, uint8_t, uint8_t, A op B)
SMALL(add, +)
SMALL(sub, -)
SMALL(mul, *)

/* cond ? x : y moves bytes. */
static int32_t select_any(const struct kernel_call *c, struct rn_error *e) {
    const struct kernel_tensor *o = &c->out[0];
    size_t size = RN_DTYPE_BYTES(o->dtype);
    (void)e;
    for (uint64_t i = 0; i < o->count; i++) {
        uint8_t yes = ((const uint8_t *)c->in[0].data)[source(&c->in[0], o, i)];
        const struct kernel_tensor *x = &c->in[yes ? 1 : 2];
        memcpy((char *)o->data + i * size,
               (const char *)x->data + source(x, o, i) * size, size);
    }
    return RN_OK;
}

static int32_t identity_any(const struct kernel_call *c, struct rn_error *e) {
    (void)e;
    memmove(c->out[0].data, c->in[0].data,
            c->out[0].count * RN_DTYPE_BYTES(c->out[0].dtype));
    return RN_OK;
}

/* Float to integer truncates and saturates, NaN gives 0. */
static int64_t to_int(double x, double low, double high) {
    return x != x      ? 0
           : x <= low  ? (int64_t)low
           : x >= high ? (int64_t)high
                       : (int64_t)x;
}

static int32_t cast_any(const struct kernel_call *c, struct rn_error *e) {
    const struct kernel_tensor *x = &c->in[0], *o = &c->out[0];
    for (uint64_t i = 0; i < o->count; i++) {
        double v;
        int64_t n = 0;
        int whole = 0;
        if (x->dtype == RN_BF16)
            v = (double)rn_f32_from_bf16(((const uint16_t *)x->data)[i]);
        else if (x->dtype == RN_F16)
            v = (double)rn_f32_from_f16(((const uint16_t *)x->data)[i]);
        else if (x->dtype == RN_I64)
            whole = 1, n = ((const int64_t *)x->data)[i], v = (double)n;
        else
            v = kernel_load(x->data, x->dtype, i);
        switch (o->dtype) {
        case RN_F32:
            ((float *)o->data)[i] = whole ? (float)n : (float)v;
            break;
        case RN_F64:
            ((double *)o->data)[i] = v;
            break;
        case RN_BF16:
            ((uint16_t *)o->data)[i] = rn_bf16_from_f32((float)v);
            break;
        case RN_F16:
            ((uint16_t *)o->data)[i] = rn_f16_from_f32((float)v);
            break;
        case RN_I64:
            ((int64_t *)o->data)[i] =
                whole
                    ? n
                    : (v >= 9223372036854775807.0
                           ? INT64_MAX
                           : to_int(v, -9223372036854775808.0, 9223372036854774784.0));
            break;
        case RN_I32:
            ((int32_t *)o->data)[i] = (int32_t)to_int(v, -2147483648.0, 2147483647.0);
            break;
        case RN_U32:
            ((uint32_t *)o->data)[i] = (uint32_t)to_int(v, 0.0, 4294967295.0);
            break;
        case RN_I8:
            ((int8_t *)o->data)[i] = (int8_t)to_int(v, -128.0, 127.0);
            break;
        case RN_U8:
            ((uint8_t *)o->data)[i] = (uint8_t)to_int(v, 0.0, 255.0);
            break;
        case RN_BOOL:
            ((uint8_t *)o->data)[i] = v != 0.0;
            break;
        default:
            return rn_fail(e, RN_E_UNSUPPORTED, "cast to an unknown type", NULL, NULL);
        }
    }
    return RN_OK;
}

#define F(name)                                                                        \
    { #name, name##_f32, name##_f64, NULL, NULL, NULL, NULL, NULL }
#define N(name)                                                                        \
    { #name, name##_f32, name##_f64, name##_i64, name##_i32, NULL, NULL, NULL }
#define W(name)                                                                        \
    {                                                                                  \
#name, name##_f32, name##_f64, name##_i64, name##_i32, name##_u32, name##_i8,  \
            name##_u8                                                                  \
    }

static const struct {
    const char *op;
    kernel_fn f32, f64, i64, i32, u32, i8, u8;
} table[] = {F(exp),
             F(expm1),
             F(log),
             F(log1p),
             F(sin),
             F(cos),
             F(tanh),
             F(erf),
             F(sigmoid),
             F(floor),
             F(ceil),
             F(round),
             F(sqrt),
             N(neg),
             N(abs),
             N(sign),
             W(add),
             W(sub),
             W(mul),
             N(div),
             N(maximum),
             N(minimum),
             N(pow),
             F(is_finite),
             W(eq),
             W(ne),
             W(lt),
             W(le),
             W(gt),
             W(ge),
             {"logical_not", NULL, NULL, NULL, NULL, NULL, NULL, logical_not},
             {"logical_and", NULL, NULL, NULL, NULL, NULL, NULL, logical_and},
             {"logical_or", NULL, NULL, NULL, NULL, NULL, NULL, logical_or}};

kernel_fn kernel_elementwise(const char *op, rn_dtype in, rn_dtype out) {
    (void)out;
    if (strcmp(op, "select") == 0)
        return select_any;
    if (strcmp(op, "identity") == 0)
        return identity_any;
    if (strcmp(op, "cast") == 0)
        return cast_any;
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
        case RN_U32:
            return table[i].u32;
        case RN_I8:
            return table[i].i8;
        case RN_U8:
        case RN_BOOL:
            return table[i].u8;
        default:
            return NULL;
        }
    }
    return NULL;
}

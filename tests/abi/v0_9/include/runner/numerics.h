/* SPDX-License-Identifier: Apache-2.0 */
/* The definition of numbers: elementary functions, rounding, sums, random numbers.
 * Plain IEEE arithmetic in a fixed order, no libm but sqrt and the exact roundings, no
 * fused multiply-add (compile with -ffp-contract=off), so that every backend and every
 * vector width gives the same bits. Branch-free where a loop should vectorise.
 *
 * f32 functions other than exp, tanh, sigmoid and erf are the f64 sequence rounded
 * once. Measured errors stand in tests/unit/numerics.c. Constants: ln 2 split as by
 * Cody & Waite (1980); series are Taylor's unless said. */
#ifndef RUNNER_NUMERICS_H
#define RUNNER_NUMERICS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A short loop written out, so that the loop around it becomes vectors. */
#if defined(__GNUC__) && !defined(__clang__)
#define RN_PRAGMA_(x) _Pragma(#x)
#define RN_UNROLL_(n) RN_PRAGMA_(GCC unroll n)
#else
#define RN_UNROLL_(n)
#endif

/* ------------------------------------------------------------------- bits */

static inline uint32_t rn_bits_f32(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}
static inline float rn_f32_bits(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}
static inline uint64_t rn_bits_f64(double x) {
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}
static inline double rn_f64_bits(uint64_t u) {
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* bf16 and f16 <-> f32, round to nearest even; NaN stays NaN. */
static inline float rn_f32_from_bf16(uint16_t h) {
    return rn_f32_bits((uint32_t)h << 16);
}
static inline uint16_t rn_bf16_from_f32(float x) {
    uint32_t u = rn_bits_f32(x);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(u >> 16 | 0x40u);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}
static inline float rn_f32_from_f16(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, e = h >> 10 & 31u, m = h & 1023u;
    if (e == 0) { /* zero or denormal: m * 2^-24 */
        float x = (float)m * 5.9604644775390625e-8f;
        return rn_f32_bits(rn_bits_f32(x) | sign);
    }
    if (e == 31)
        return rn_f32_bits(sign | 0x7f800000u | m << 13);
    return rn_f32_bits(sign | (e + 112u) << 23 | m << 13);
}
static inline uint16_t rn_f16_from_f32(float x) {
    uint32_t u = rn_bits_f32(x), sign = u >> 16 & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (a >= 0x477ff000u) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (a < 0x38800000u) { /* below 2^-14: adding 0.5 leaves m in the low bits */
        float m = rn_f32_bits(a) + 0.5f;
        return (uint16_t)(sign | (rn_bits_f32(m) - 0x3f000000u));
    }
    a += 0xfffu + (a >> 13 & 1u);
    return (uint16_t)(sign | (a - 0x38000000u) >> 13);
}

/* Half to even, floor, ceil: exact. */
static inline double rn_round_f64(double x) {
    const double big = 4503599627370496.0; /* 2^52 */
    double a = fabs(x), r = (a + big) - big;
    return a < big ? copysign(r, x) : x;
}
static inline float rn_round_f32(float x) {
    const float big = 8388608.0f; /* 2^23 */
    float a = fabsf(x), r = (a + big) - big;
    return a < big ? copysignf(r, x) : x;
}
static inline double rn_floor_f64(double x) {
    double r = rn_round_f64(x);
    return copysign(r > x ? r - 1.0 : r, x);
}
static inline float rn_floor_f32(float x) {
    float r = rn_round_f32(x);
    return copysignf(r > x ? r - 1.0f : r, x);
}
static inline double rn_ceil_f64(double x) {
    double r = rn_round_f64(x);
    return copysign(r < x ? r + 1.0 : r, x);
}
static inline float rn_ceil_f32(float x) {
    float r = rn_round_f32(x);
    return copysignf(r < x ? r + 1.0f : r, x);
}

/* 2^n for -1022 <= n <= 1023 */
static inline double rn_pow2_f64(int64_t n) {
    return rn_f64_bits((uint64_t)(n + 1023) << 52);
}

/* --------------------------------------------------------- exp, expm1, log */

/* e^r - 1 for |r| <= 0.35, degree 14 */
static inline double rn_expm1_poly_(double r) {
    double p = 1.1470745597729725e-11;  /* 1/14! */
    p = p * r + 1.6059043836821613e-10; /* 1/13! */
    p = p * r + 2.08767569878681e-9;    /* 1/12! */
    p = p * r + 2.505210838544172e-8;   /* 1/11! */
    p = p * r + 2.755731922398589e-7;   /* 1/10! */
    p = p * r + 2.7557319223985893e-6;  /* 1/9! */
    p = p * r + 2.48015873015873e-5;    /* 1/8! */
    p = p * r + 1.984126984126984e-4;   /* 1/7! */
    p = p * r + 1.388888888888889e-3;   /* 1/6! */
    p = p * r + 8.333333333333333e-3;   /* 1/5! */
    p = p * r + 4.1666666666666664e-2;  /* 1/4! */
    p = p * r + 1.6666666666666666e-1;  /* 1/3! */
    p = p * r + 0.5;
    return r + r * r * p;
}

/* x = n ln 2 + r; overflow to +inf from 709.79, to 0 below -745.2. */
static inline double rn_exp_f64(double x) {
    double c = x > 710.0 ? 710.0 : x < -746.0 ? -746.0 : x;
    c = x != x ? 0.0 : c;
    double n = rn_round_f64(c * 1.4426950408889634);
    double r = (c - n * 0.6931471803691238) - n * 1.9082149292705877e-10;
    int32_t k = (int32_t)n, h = k / 2; /* 32 bits: AVX2 converts no others */
    double y = (1.0 + rn_expm1_poly_(r)) * rn_pow2_f64(h) * rn_pow2_f64(k - h);
    return x != x ? x : y;
}

static inline double rn_expm1_f64(double x) {
    double c = x > 710.0 ? 710.0 : x < -746.0 ? -746.0 : x;
    c = x != x ? 0.0 : c;
    double n = rn_round_f64(c * 1.4426950408889634);
    double r = (c - n * 0.6931471803691238) - n * 1.9082149292705877e-10;
    int32_t k = (int32_t)n, h = k / 2;
    double a = rn_pow2_f64(h), b = rn_pow2_f64(k - h), p = rn_expm1_poly_(r);
    /* 2^k p + (2^k - 1); for large k the 1 is far below */
    double y = k > 60 ? (1.0 + p) * a * b : p * a * b + (a * b - 1.0);
    y = k == 0 ? p : y;
    return x != x || x == 0.0 ? x : y;
}

/* f32: degree 7 in f32, error below 1 ulp. */
static inline float rn_exp_f32(float x) {
    float c = x > 89.0f ? 89.0f : x < -104.0f ? -104.0f : x;
    c = x != x ? 0.0f : c;
    float n = rn_round_f32(c * 1.44269504f);
    float r = (c - n * 0.693145752f) - n * 1.42860677e-6f;
    float p = 1.98412698e-4f;
    p = p * r + 1.38888889e-3f;
    p = p * r + 8.33333333e-3f;
    p = p * r + 4.16666667e-2f;
    p = p * r + 1.66666667e-1f;
    p = p * r + 0.5f;
    int32_t k = (int32_t)n, h = k / 2;
    float a = rn_f32_bits((uint32_t)(h + 127) << 23);
    float b = rn_f32_bits((uint32_t)(k - h + 127) << 23);
    float y = (1.0f + (r + r * r * p)) * a * b;
    return x != x ? x : y;
}

/* log of m 2^e with m in [sqrt(1/2), sqrt 2): 2 atanh((m-1)/(m+1)), series to s^21. */
static inline double rn_log_f64(double x) {
    double scaled =
        x < 2.2250738585072014e-308 ? x * 18014398509481984.0 : x; /* 2^54 */
    double extra = x < 2.2250738585072014e-308 ? 54.0 : 0.0;
    uint64_t u = rn_bits_f64(scaled) - 0x3fe6a09e667f3bcdull; /* sqrt(1/2) */
    int32_t e = (int32_t)(uint32_t)(u >> 32) >> 20;
    double m = rn_f64_bits((u & 0x000fffffffffffffull) + 0x3fe6a09e667f3bcdull);
    double f = m - 1.0, s = f / (m + 1.0), z = s * s, n = (double)e - extra;
    double p = 1.0 / 21.0;
    p = p * z + 1.0 / 19.0;
    p = p * z + 1.0 / 17.0;
    p = p * z + 1.0 / 15.0;
    p = p * z + 1.0 / 13.0;
    p = p * z + 1.0 / 11.0;
    p = p * z + 1.0 / 9.0;
    p = p * z + 1.0 / 7.0;
    p = p * z + 1.0 / 5.0;
    p = p * z + 1.0 / 3.0;
    /* log m = f - (f^2/2 - s (f^2/2 + 2 z p)) */
    double half = 0.5 * f * f;
    double log_m = f - (half - s * (half + 2.0 * z * p));
    double y = n * 0.6931471803691238 + (log_m + n * 1.9082149292705877e-10);
    y = x == INFINITY ? INFINITY : y;
    y = x == 0.0 ? -INFINITY : y;
    return x < 0.0 ? NAN : (x != x ? x : y);
}

static inline double rn_log1p_f64(double x) {
    double u = 1.0 + x, lost = (u - 1.0) - x;
    double y = rn_log_f64(u) - (u > 0.0 && u < INFINITY ? lost / u : 0.0);
    return x == 0.0 ? x : y;
}

/* ---------------------------------------------------------------- sin, cos */

static inline double rn_sin_poly_(double r) { /* |r| <= pi/4 */
    double z = r * r, p = 2.8114572543455206e-15;
    p = p * z - 7.647163731819816e-13;
    p = p * z + 1.6059043836821613e-10;
    p = p * z - 2.505210838544172e-8;
    p = p * z + 2.7557319223985893e-6;
    p = p * z - 1.984126984126984e-4;
    p = p * z + 8.333333333333333e-3;
    p = p * z - 1.6666666666666666e-1;
    return r + r * z * p;
}
static inline double rn_cos_poly_(double r) {
    double z = r * r, p = -1.5619206968586225e-16;
    p = p * z + 4.779477332387385e-14;
    p = p * z - 1.1470745597729725e-11;
    p = p * z + 2.08767569878681e-9;
    p = p * z - 2.755731922398589e-7;
    p = p * z + 2.48015873015873e-5;
    p = p * z - 1.388888888888889e-3;
    p = p * z + 4.1666666666666664e-2;
    p = p * z - 0.5;
    return 1.0 + z * p;
}
/* Quarter turns taken away in three parts of pi/2; accurate for |x| < 1e5, defined (a
 * value in [-1,1]) for every finite x below 2^51, NaN beyond. */
static inline double rn_sin_quarter_(double x, int32_t shift) {
    double ok = fabs(x) < 2251799813685248.0 ? x : 0.0;
    double n = rn_round_f64(ok * 0.6366197723675814);
    double r = ((ok - n * 1.5707963267341256) - n * 6.077100506303966e-11) -
               n * 2.0222662487959506e-21;
    int32_t k = (int32_t)(n - 4.0 * rn_floor_f64(n * 0.25)) + shift; /* mod 4 */
    double y = k & 1 ? rn_cos_poly_(r) : rn_sin_poly_(r);
    y = k & 2 ? -y : y;
    return ok == x ? y : NAN;
}
static inline double rn_sin_f64(double x) {
    return x == 0.0 ? x : rn_sin_quarter_(x, 0);
}
static inline double rn_cos_f64(double x) {
    return rn_sin_quarter_(x, 1);
}

/* ------------------------------------------- tanh, sigmoid, softplus, erf */

static inline double rn_tanh_f64(double x) {
    double a = fabs(x), t = rn_expm1_f64(a > 22.0 ? 44.0 : 2.0 * a);
    double y = a > 22.0 ? 1.0 : t / (t + 2.0);
    return x != x ? x : copysign(y, x);
}
/* 1/(1 + e^-|x|), mirrored: no overflow. */
static inline double rn_sigmoid_f64(double x) {
    double e = rn_exp_f64(-fabs(x)), y = 1.0 / (1.0 + e);
    return x < 0.0 ? e * y : y;
}

/* |x| < 1: Taylor; else 1 - e^(-x^2) g(1/(|x| + 2)), g a degree-16 Chebyshev fit of
 * erfc(x) e^(x^2) on [1, 6.2], error below 1e-16. */
static inline double rn_erf_f64(double x) {
    static const double taylor[20] = {
        1.1283791670955126,      -0.37612638903183754,    0.11283791670955126,
        -0.026866170645131252,   0.005223977625442188,    -0.0008548327023450853,
        0.00012055332981789664,  -1.4925650358406251e-05, 1.6462114365889248e-06,
        -1.6365844691234924e-07, 1.480719281587922e-08,   -1.2290555301717928e-09,
        9.42275906465041e-11,    -6.711366855164110e-12,  4.463224263286478e-13,
        -2.7835162072109214e-14, 1.6342614095367152e-15,  -9.063970842808672e-17,
        4.763348040515068e-18,   -2.3784598852774294e-19};
    static const double g[17] = {
        0.21906860662095726,    0.16312126471183761,     0.0394450973751371,
        0.005825552957137781,   0.0002151749468772951,   -8.61767656594345e-05,
        -8.229261179550934e-06, 2.1696814241699147e-06,  1.9400617649764997e-07,
        -7.970570643216817e-08, -1.1734222143436581e-09, 3.1338601815775983e-09,
        -3.026655817737742e-10, -9.575250051828407e-11,  2.7117938556414787e-11,
        8.891656631746953e-13,  -1.2222842118680806e-12};
    double a = fabs(x), z = x * x, small = 0.0, u, tail = 0.0;
    int i;
    RN_UNROLL_(20)
    for (i = 19; i >= 0; i--)
        small = small * z + taylor[i];
    u = 9.461538461538462 / ((a > 6.2 ? 6.2 : a) + 2.0) - 2.1538461538461537;
    RN_UNROLL_(17)
    for (i = 16; i >= 0; i--)
        tail = tail * u + g[i];
    tail = 1.0 - (a > 6.2 ? 0.0 : tail * rn_exp_f64(-z));
    return x != x ? x : a < 1.0 ? x * small : copysign(tail, x);
}

/* IEEE pow: e^(y log|x|) with the cases of C17 F.10.4.4, later lines before earlier
 * ones.
 */
static inline double rn_pow_f64(double x, double y) {
    double half = rn_floor_f64(0.5 * y), whole = rn_floor_f64(y), a = fabs(x);
    int integer = whole == y,
        odd = integer & (half * 2.0 != y) & (fabs(y) < 9007199254740992.0);
    double r = rn_exp_f64(y * rn_log_f64(a));
    r = a == 0.0 ? (y > 0.0 ? 0.0 : INFINITY) : r;
    r = odd ? copysign(r, x) : r;
    r = ((x < 0.0) & !integer & (a != INFINITY)) ? NAN : r;
    r = ((y == 0.5) & (x >= 0.0)) ? sqrt(x) : r;
    r = y == 2.0 ? x * x : r;
    r = y == 1.0 ? x : r;
    {
        double up = a > 1.0 ? INFINITY : 0.0, down = a > 1.0 ? 0.0 : INFINITY;
        double far = a == 1.0 ? 1.0 : y > 0.0 ? up : down;
        r = fabs(y) == INFINITY ? far : r;
    }
    r = ((x != x) | (y != y)) ? x + y : r;
    return ((y == 0.0) | (x == 1.0)) ? 1.0 : r;
}

#define RN_F32_BY_F64_(name)                                                           \
    static inline float rn_##name##_f32(float x) {                                     \
        return (float)rn_##name##_f64((double)x);                                      \
    }
RN_F32_BY_F64_(expm1)
RN_F32_BY_F64_(log)
RN_F32_BY_F64_(log1p)
RN_F32_BY_F64_(sin)
RN_F32_BY_F64_(cos)
#undef RN_F32_BY_F64_
static inline float rn_pow_f32(float x, float y) {
    return (float)rn_pow_f64((double)x, (double)y);
}
static inline float rn_sigmoid_f32(float x) {
    float e = rn_exp_f32(-fabsf(x)), y = 1.0f / (1.0f + e);
    return x < 0.0f ? e * y : y;
}

/* |x| < 0.6: x + x^3 q(x^2), q of degree 4; else 1 - 2 / (e^2|x| + 1). Below 1.5 ulp.
 */
static inline float rn_tanh_f32(float x) {
    float a = fabsf(x), z = x * x, q = -5.89796668e-3f;
    float y = 1.0f - 2.0f / (rn_exp_f32(2.0f * a) + 1.0f);
    q = q * z + 2.07986254e-2f;
    q = q * z - 5.37847169e-2f;
    q = q * z + 1.33319363e-1f;
    q = q * z - 3.33332986e-1f;
    return copysignf(a < 0.6f ? a + a * (z * q) : y, x);
}

/* |x| < 1: x + x q(x^2), q of degree 6; else 1 - p(|x| - 2.465), p a fit of erfc on [1,
 * 3.93] of degree 14, absolute error 2^-27. Both minimax fits (Lawson 1961) whose
 * coefficients were rounded one after the other. Below 1.4 ulp. */
static inline float rn_erf_f32(float x) {
    float a = fabsf(x), z = x * x, v = (a > 3.93f ? 3.93f : a) - 2.46499991f;
    float q = 7.80690316e-5f, p = -1.06562209e-6f;
    q = q * z - 7.9978531e-4f;
    q = q * z + 5.1871622e-3f;
    q = q * z - 2.68533472e-2f;
    q = q * z + 1.12835787e-1f;
    q = q * z - 3.7612626e-1f;
    q = q * z + 1.28379166e-1f;
    p = p * v - 1.62439051e-7f;
    p = p * v + 1.71241481e-5f;
    p = p * v - 2.37179083e-5f;
    p = p * v - 7.66211306e-5f;
    p = p * v + 2.95899634e-4f;
    p = p * v - 3.43211519e-4f;
    p = p * v - 4.73399414e-4f;
    p = p * v + 2.92132539e-3f;
    p = p * v - 6.71163527e-3f;
    p = p * v + 9.74514801e-3f;
    p = p * v - 9.63587407e-3f;
    p = p * v + 6.388532e-3f;
    p = p * v - 2.59162555e-3f;
    p = p * v + 4.90234466e-4f;
    return a < 1.0f ? x + x * q : copysignf(1.0f - p, x);
}

/* -------------------------------------------------------------------- sums */

/* Element i goes to lane i mod 16; lanes are added as a tree 8, 4, 2, 1. Any vector
 * width that divides 16 gives the same bits. stride counts elements. */
static inline float rn_sum_f32(const float *x, uint64_t n, int64_t stride) {
    float lane[16] = {0};
    uint64_t i, k, w;
    for (i = 0; i + 16 <= n; i += 16)
        for (k = 0; k < 16; k++)
            lane[k] += x[(int64_t)(i + k) * stride];
    for (k = 0; i + k < n; k++)
        lane[k] += x[(int64_t)(i + k) * stride];
    for (w = 8; w; w /= 2)
        for (k = 0; k < w; k++)
            lane[k] += lane[k + w];
    return lane[0];
}
static inline double rn_sum_f64(const double *x, uint64_t n, int64_t stride) {
    double lane[16] = {0};
    uint64_t i, k, w;
    for (i = 0; i + 16 <= n; i += 16)
        for (k = 0; k < 16; k++)
            lane[k] += x[(int64_t)(i + k) * stride];
    for (k = 0; i + k < n; k++)
        lane[k] += x[(int64_t)(i + k) * stride];
    for (w = 8; w; w /= 2)
        for (k = 0; k < w; k++)
            lane[k] += lane[k + w];
    return lane[0];
}

/* ------------------------------------------------------------------ random */

/* Philox4x32-10 (Salmon et al. 2011, section 3.3). */
static inline void rn_philox(const uint32_t counter[4], const uint32_t key[2],
                             uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    int i;
    for (i = 0; i < 10; i++) {
        uint64_t p0 = (uint64_t)0xd2511f53u * c0, p1 = (uint64_t)0xcd9e8d57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1, c3 = (uint32_t)p0;
        k0 += 0x9e3779b9u, k1 += 0xbb67ae85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* 24 bits to [0,1), exactly. */
static inline float rn_uniform_f32(uint32_t bits) {
    return (float)(bits >> 8) * 5.9604644775390625e-8f;
}
/* Box-Muller (1958), cosine half, from two words; u1 in (0,1]. */
static inline float rn_normal_f32(uint32_t a, uint32_t b) {
    double u1 = ((double)(a >> 8) + 1.0) * 5.9604644775390625e-8;
    double u2 = (double)(b >> 8) * 5.9604644775390625e-8;
    return (float)(sqrt(-2.0 * rn_log_f64(u1)) * rn_cos_f64(6.283185307179586 * u2));
}

/* Random operators: key (seed, stream), counter (element/4 or element/2, row, step, 0).
 * uniform takes word element%4; normal takes words 2*(element%2) and the next. */
static inline float rn_random_uniform_at(uint32_t seed, uint32_t stream, uint32_t step,
                                         uint32_t row, uint32_t element) {
    uint32_t key[2], counter[4], out[4];
    key[0] = seed, key[1] = stream;
    counter[0] = element / 4, counter[1] = row, counter[2] = step, counter[3] = 0;
    rn_philox(counter, key, out);
    return rn_uniform_f32(out[element % 4]);
}
static inline float rn_random_normal_at(uint32_t seed, uint32_t stream, uint32_t step,
                                        uint32_t row, uint32_t element) {
    uint32_t key[2], counter[4], out[4], w = 2 * (element % 2);
    key[0] = seed, key[1] = stream;
    counter[0] = element / 2, counter[1] = row, counter[2] = step, counter[3] = 1;
    rn_philox(counter, key, out);
    return rn_normal_f32(out[w], out[w + 1]);
}

/* Inits: element i of the variable with this key. */
static inline float rn_init_uniform(const uint32_t key[2], uint64_t i) {
    uint32_t counter[4], out[4];
    counter[0] = (uint32_t)(i / 4), counter[1] = (uint32_t)(i / 4 >> 32);
    counter[2] = 0, counter[3] = 2;
    rn_philox(counter, key, out);
    return rn_uniform_f32(out[i % 4]);
}
static inline float rn_init_normal(const uint32_t key[2], uint64_t i) {
    uint32_t counter[4], out[4], w = (uint32_t)(2 * (i % 2));
    counter[0] = (uint32_t)(i / 2), counter[1] = (uint32_t)(i / 2 >> 32);
    counter[2] = 0, counter[3] = 3;
    rn_philox(counter, key, out);
    return rn_normal_f32(out[w], out[w + 1]);
}

#ifdef __cplusplus
}
#endif
#endif

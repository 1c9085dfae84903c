/* SPDX-License-Identifier: Apache-2.0 */
/* numerics.h against long double libm (ulps printed), Philox against its published
 * vectors, half types against exact cases, sums against their own definition. */
#include <stdlib.h>

#include <runner/numerics.h>

#include "check.h"

static double ulps(long double got, long double want, int bits) {
    int e;
    if (isnan((double)want))
        return isnan((double)got) ? 0.0 : 1e9;
    if (isinf((double)want) || want == 0.0L)
        return got == want ? 0.0 : 1e9;
    frexpl(want, &e);
    int lowest = bits == 24 ? -149 : -1074;
    int unit = e - bits > lowest ? e - bits : lowest;
    return (double)fabsl(got - want) / (double)ldexpl(1.0L, unit);
}

#define MEASURE(name, f64, f32, exact, low, high, limit64, limit32)                    \
    do {                                                                               \
        double worst64 = 0, worst32 = 0;                                               \
        for (int i = 0; i <= 20000; i++) {                                             \
            double x = (low) + ((high) - (low)) * ((double)i + 0.37) / 20001.0;        \
            double u = ulps(f64(x), exact((long double)x), 53);                        \
            float xf = (float)x;                                                       \
            double v =                                                                 \
                ulps(f32(xf), (long double)(float)0 + exact((long double)xf), 24);     \
            worst64 = u > worst64 ? u : worst64;                                       \
            worst32 = v > worst32 ? v : worst32;                                       \
        }                                                                              \
        printf("%-10s [%g, %g]  f64 %.2f ulp, f32 %.2f ulp\n", name, (double)(low),    \
               (double)(high), worst64, worst32);                                      \
        CHECK(worst64 <= limit64);                                                     \
        CHECK(worst32 <= limit32);                                                     \
    } while (0)

static long double sigmoidl(long double x) {
    return 1.0L / (1.0L + expl(-x));
}

static void test_functions(void) {
    MEASURE("exp", rn_exp_f64, rn_exp_f32, expl, -80.0, 80.0, 1.5, 1.5);
    MEASURE("exp", rn_exp_f64, rn_exp_f32, expl, -0.5, 0.5, 1.5, 1.5);
    MEASURE("expm1", rn_expm1_f64, rn_expm1_f32, expm1l, -3.0, 3.0, 4.0, 0.6);
    MEASURE("log", rn_log_f64, rn_log_f32, logl, 1e-6, 3.0, 1.5, 0.6);
    MEASURE("log", rn_log_f64, rn_log_f32, logl, 0.5, 2.0, 1.5, 0.6);
    MEASURE("log1p", rn_log1p_f64, rn_log1p_f32, log1pl, -0.9, 5.0, 3.0, 0.6);
    MEASURE("sin", rn_sin_f64, rn_sin_f32, sinl, -20.0, 20.0, 5.0, 0.6);
    MEASURE("cos", rn_cos_f64, rn_cos_f32, cosl, -20.0, 20.0, 5.0, 0.6);
    MEASURE("tanh", rn_tanh_f64, rn_tanh_f32, tanhl, -5.0, 5.0, 4.0, 1.5);
    MEASURE("erf", rn_erf_f64, rn_erf_f32, erfl, -4.0, 4.0, 4.0, 1.4);
    MEASURE("sigmoid", rn_sigmoid_f64, rn_sigmoid_f32, sigmoidl, -30.0, 30.0, 3.0, 3.5);
    CHECK(rn_exp_f32(200.0f) == INFINITY && rn_exp_f32(-200.0f) == 0.0f);
    CHECK(rn_exp_f32(-100.0f) > 0.0f); /* denormals kept */
    CHECK(isnan(rn_exp_f32(NAN)) && isnan(rn_log_f32(-1.0f)));
    CHECK(rn_log_f32(0.0f) == -INFINITY && rn_log_f64(5e-324) == log(5e-324));
    CHECK(rn_tanh_f32(100.0f) == 1.0f && signbit(rn_tanh_f32(-0.0f)));
    CHECK(rn_sigmoid_f32(-90.0f) > 0.0f && rn_sigmoid_f32(200.0f) == 1.0f);
}

/* Every 331st float from 0 on, and all around where one formula takes over from the
 * other (some 2^17), against f64, whose error is far below; odd, ends at 1. STEP=1
 * tries every float up to 12, as was done for erf up to 4.5 when its coefficients were
 * found.
 */
static void test_dense(const char *name, float (*f)(float), double (*exact)(double),
                       float seam, double limit) {
    const char *wish = getenv("STEP");
    uint32_t step = wish ? (uint32_t)atoi(wish) : 331, middle = rn_bits_f32(seam);
    double worst = 0.0;
    int odd = 1, bounded = 1;
    for (uint32_t u = 0; u <= 0x7f800000u;) {
        float x = rn_f32_bits(u), y = f(x);
        double want = exact((double)x);
        int e;
        frexp(want, &e);
        double off = fabs((double)y - want) * ldexp(1.0, e - 24 < -149 ? 149 : 24 - e);
        worst = off > worst ? off : worst;
        odd &= rn_bits_f32(f(-x)) == (rn_bits_f32(y) | 0x80000000u);
        bounded &= y <= 1.0f;
        int near = u > middle - 65536 && u < middle + 65536;
        u += x > 12.0f && u < 0x7f000000u ? 100003 : near ? 1 : step;
    }
    printf("%-10s f32, densely: %.3f ulp\n", name, worst);
    CHECK(worst <= limit && odd && bounded);
    CHECK(f(INFINITY) == 1.0f && f(-INFINITY) == -1.0f && isnan(f(NAN)));
    CHECK(rn_bits_f32(f(-0.0f)) == 0x80000000u && f(1e-45f) == 1e-45f);
}

static void test_pow(void) {
    static const double specials[] = {0.0,      -0.0,      1.0,  -1.0,  2.0,
                                      -2.0,     0.5,       -0.5, 3.0,   -3.0,
                                      INFINITY, -INFINITY, NAN,  1e300, 1e-300};
    for (size_t i = 0; i < 15; i++)
        for (size_t k = 0; k < 15; k++) {
            double want = pow(specials[i], specials[k]);
            double got = rn_pow_f64(specials[i], specials[k]);
            CHECK((isnan(want) && isnan(got)) ||
                  (got == want && signbit(got) == signbit(want)) ||
                  fabs(got - want) <= 1e-12 * fabs(want));
        }
    double worst = 0;
    for (int i = 1; i < 4000; i++) {
        float x = (float)i * 0.01f, y = (float)(i % 37) * 0.3f - 5.0f;
        double u = ulps(rn_pow_f32(x, y), powl(x, y), 24);
        worst = u > worst ? u : worst;
    }
    printf("pow        f32 %.2f ulp\n", worst);
    CHECK(worst <= 0.6);
}

static void test_round(void) {
    static const float xs[] = {0.5f,       1.5f,  2.5f, -0.5f, -1.5f,
                               8388609.0f, -0.2f, 0.7f, 3.0f};
    for (size_t i = 0; i < 9; i++) {
        CHECK(rn_round_f32(xs[i]) == rintf(xs[i]));
        CHECK(rn_floor_f32(xs[i]) == floorf(xs[i]));
        CHECK(rn_ceil_f32(xs[i]) == ceilf(xs[i]));
        CHECK(rn_floor_f64(xs[i]) == floor(xs[i]) && rn_ceil_f64(xs[i]) == ceil(xs[i]));
    }
    int same = 1;
    for (uint32_t h = 0; h < 65536; h++) {
        float x = rn_f32_from_f16((uint16_t)h), y = rn_f32_from_bf16((uint16_t)h);
        same &= isnan(x) || rn_f16_from_f32(x) == h;
        same &= isnan(y) || rn_bf16_from_f32(y) == h;
    }
    CHECK(same);
    CHECK(rn_f16_from_f32(65520.0f) == 0x7c00 && rn_f16_from_f32(65519.0f) == 0x7bff);
    CHECK(rn_bf16_from_f32(1.00390625f) == 0x3f80 &&
          rn_bf16_from_f32(1.01171875f) == 0x3f82);
}

static void test_random(void) {
    uint32_t out[4], zero[4] = {0}, ones[4] = {~0u, ~0u, ~0u, ~0u};
    uint32_t pi[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
    uint32_t pi_key[2] = {0xa4093822, 0x299f31d0};
    rn_philox(zero, zero, out);
    CHECK(out[0] == 0x6627e8d5 && out[1] == 0xe169c58d && out[2] == 0xbc57ac4c &&
          out[3] == 0x9b00dbd8);
    rn_philox(ones, ones, out);
    CHECK(out[0] == 0x408f276d && out[1] == 0x41c83b0e && out[2] == 0xa20bc7c6 &&
          out[3] == 0x6d5451fd);
    rn_philox(pi, pi_key, out);
    CHECK(out[0] == 0xd16cfe09 && out[1] == 0x94fdcceb && out[2] == 0x5001e420 &&
          out[3] == 0x24126ea1);
    double mean = 0, square = 0, umean = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        double x = rn_random_normal_at(1, 2, 3, i / 100, i % 100);
        mean += x, square += x * x;
        umean += rn_random_uniform_at(1, 2, 3, i / 100, i % 100);
    }
    CHECK(fabs(mean / 1e5) < 0.01 && fabs(square / 1e5 - 1.0) < 0.02);
    CHECK(fabs(umean / 1e5 - 0.5) < 0.005);
}

static void test_sum(void) {
    float x[100], lane[16] = {0};
    for (int i = 0; i < 100; i++) {
        x[i] = (float)(i % 7) * 0.37f + 1e4f * (float)(i % 3);
        lane[i % 16] += x[i];
    }
    for (int w = 8; w; w /= 2)
        for (int k = 0; k < w; k++)
            lane[k] += lane[k + w];
    CHECK(rn_sum_f32(x, 100, 1) == lane[0] && rn_sum_f32(x, 0, 1) == 0.0f);
    CHECK(rn_sum_f32(x, 3, 2) == (x[0] + x[4]) + x[2]);
}

int main(void) {
    test_functions();
    test_dense("tanh", rn_tanh_f32, tanh, 0.6f, 1.5);
    test_dense("erf", rn_erf_f32, erf, 1.0f, 1.4);
    test_pow();
    test_round();
    test_random();
    test_sum();
    return check_done();
}

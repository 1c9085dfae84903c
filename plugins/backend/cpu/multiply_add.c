/* SPDX-License-Identifier: Apache-2.0 */
/* As many multiply-adds as the units for vectors can do: what a kernel's speed is
 * compared with. Twelve chains hide the latency of each. */
#include "isa.h"

typedef float lanes __attribute__((vector_size(CPU_LANES * 4)));

static inline lanes multiply_add(lanes a, lanes x, lanes y) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    lanes out;
    for (int i = 0; i < CPU_LANES; i++)
        out[i] = __builtin_fmaf(a[i], x[i], y[i]);
    return out;
#else
    return a * x + y;
#endif
}

/* Equal chains would be computed once: the compiler must not see that they are. */
#if defined(__x86_64__)
#define ANY "+x"
#elif defined(__aarch64__)
#define ANY "+w"
#else
#define ANY "+m"
#endif
#define HIDE(a, b, c, d, e, f)                                                         \
    __asm__("" : ANY(a), ANY(b), ANY(c), ANY(d), ANY(e), ANY(f))

float CPU_NAME(cpu_multiply_add)(int64_t rounds) {
    lanes x = {0}, y = {0};
    x += 0.5f;
    y += 1.0f;
    lanes a = y, b = y, c = y, d = y, e = y, f = y;
    lanes g = y, h = y, i = y, j = y, k = y, l = y;
    for (int64_t n = 0; n < rounds; n++) {
        a = multiply_add(a, x, y), b = multiply_add(b, x, y);
        c = multiply_add(c, x, y), d = multiply_add(d, x, y);
        e = multiply_add(e, x, y), f = multiply_add(f, x, y);
        g = multiply_add(g, x, y), h = multiply_add(h, x, y);
        i = multiply_add(i, x, y), j = multiply_add(j, x, y);
        k = multiply_add(k, x, y), l = multiply_add(l, x, y);
        HIDE(a, b, c, d, e, f);
        HIDE(g, h, i, j, k, l);
    }
    lanes all = a + b + c + d + e + f + g + h + i + j + k + l;
    return all[0];
}

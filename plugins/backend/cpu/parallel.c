/* SPDX-License-Identifier: Apache-2.0 */
/* The one place with threads: static ranges by OpenMP. */
#include "cpu.h"

void cpu_parallel(int threads, int64_t n, int64_t grain, cpu_range fn, void *context) {
    int64_t most = grain > 0 ? n / grain : n;
    int64_t count = most < threads ? most : threads;
    if (n <= 0)
        return;
#ifdef _OPENMP
    if (count > 1) {
#pragma omp parallel for schedule(static, 1) num_threads((int)count)
        for (int64_t t = 0; t < count; t++)
            fn(context, n * t / count, n * (t + 1) / count, (int)t);
        return;
    }
#endif
    (void)count;
    fn(context, 0, n, 0);
}

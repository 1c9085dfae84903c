/* SPDX-License-Identifier: Apache-2.0 */
/* The words that kernels are written in, as the GPU has them. tests/cuda/shim.h has them
 * for a CPU, so that the same text runs without a GPU. Rules that both need:
 *
 * - One struct by value, blocks of THREADS, a grid of one dimension.
 * - EACH_INDEX(i, n) { } is all that a kernel without cooperation has: i over [0, n).
 * - Cooperation is phases: EACH_THREAD { } SYNC(); EACH_THREAD { } ... Outside of
 *   EACH_THREAD everything is the same for all threads of the block. What a thread
 *   keeps from one phase to the next is LOCAL, what it shares is SHARED. No thread reads
 *   in a phase what another writes in it.
 * - The common subset of C17 and CUDA C++: pointers are cast, no templates.
 */
#define INFINITY __int_as_float(0x7f800000)
#define NAN      __int_as_float(0x7fffffff)

#define KERNEL(name, type)                                                             \
    extern "C" __global__ void __launch_bounds__(THREADS)                              \
        name(const __grid_constant__ struct type a)
#define BX   ((uint64_t)blockIdx.x)
#define GRID ((uint64_t)gridDim.x)
#define TX   (threadIdx.x)
#define EACH_THREAD for (bool once_ = true; once_; once_ = false)
#define EACH_INDEX(i, n)                                                               \
    for (uint64_t i = BX * THREADS + TX; i < (n); i += GRID * THREADS)
#define NOINLINE               __noinline__
#define UNROLL(n)              _Pragma(UNROLL_TEXT(unroll n))
#define UNROLL_TEXT(words)     #words
#define SYNC()                 __syncthreads()
#define SHARED(T, name, count) __shared__ T name[count]
#define LOCAL(T, name, count)  T name[count]
#define MINE(name)             (name)
/* A product that is added; one rounding or two, as the machine likes. */
#define MULADD_f32(a, b, c) fmaf(a, b, c)
#define MULADD_f64(a, b, c) fma(a, b, c)

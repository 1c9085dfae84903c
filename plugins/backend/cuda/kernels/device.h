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
#define WARP() /* ends a phase after which only threads of a warp meet */
#define SHARED(T, name, count) __shared__ T name[count]
#define LOCAL(T, name, count)  T name[count]
#define MINE(name)             (name)
/* A product that is added; one rounding or two, as the machine likes. */
#define MULADD_f32(a, b, c) fmaf(a, b, c)
#define MULADD_f64(a, b, c) fma(a, b, c)
/* Two neighbours of 16 bits, the first at an even place. */
#define PAIR(p) (*(const uint32_t *)(p))
/* c[16 x 8] += a[16 x 16] b[16 x 8], for the threads of a warp together: c from C on,
 * of b from B on. Fragments as PTX has them for mma.m16n8k16. */
#define TENSOR_CORES (__CUDA_ARCH__ >= 800)
#if TENSOR_CORES
static inline void mma_bf16(float *c, const uint32_t *a, const uint32_t *b) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
        "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#define MMA_bf16(c, C, a, b, B) mma_bf16((c) + (C), a, (b) + (B))
#endif

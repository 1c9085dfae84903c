/* SPDX-License-Identifier: Apache-2.0 */
/* As many products of bf16 with sums in f32 as the units can do: AVX-512's dot product
 * of pairs, and AMX's tiles, where the processor and the kernel allow them. */
#define _GNU_SOURCE /* syscall */
#include "dots.h"

#include <stddef.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#include <string.h>

#include <sys/syscall.h>
#include <unistd.h>

#include <runner/sdk/isa.h>

__attribute__((target("avx512f,avx512bf16"))) static float pairs(int64_t rounds) {
    __m512 x[12];
    __m512bh a = (__m512bh)_mm512_set1_epi16(0x3f7f),
             b = (__m512bh)_mm512_set1_epi16(0x3a83);
    for (int k = 0; k < 12; k++)
        x[k] = _mm512_set1_ps((float)k);
    for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int k = 0; k < 12; k++)
            x[k] = _mm512_dpbf16_ps(x[k], a, b);
        __asm__ volatile("" : "+v"(a)); /* not to be taken out of the loop */
    }
    for (int k = 1; k < 12; k++)
        x[0] = _mm512_add_ps(x[0], x[k]);
    return _mm512_reduce_add_ps(x[0]);
}

/* Four sums of 16x16, two tiles of either factor: as a matrix product would do it. */
__attribute__((target("amx-tile,amx-bf16"))) static float tiles(int64_t rounds) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } shape;
    static const uint16_t values[16 * 32];
    float out[16 * 16];
    memset(&shape, 0, sizeof shape);
    shape.palette = 1;
    for (int i = 0; i < 8; i++) {
        shape.bytes[i] = 64;
        shape.rows[i] = 16;
    }
    _tile_loadconfig(&shape);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, values, 64);
    _tile_loadd(5, values, 64);
    _tile_loadd(6, values, 64);
    _tile_loadd(7, values, 64);
    for (int64_t r = 0; r < rounds; r++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, out, 64);
    _tile_release();
    return out[0];
}

static const struct dots pairs_dots = {2.0 * 32 * 12, pairs};
static const struct dots tiles_dots = {4 * 2.0 * 16 * 16 * 32, tiles};

const struct dots *dots_avx512(void) {
    return rn_isa_cap() == RN_ISA_NATIVE && __builtin_cpu_supports("avx512bf16")
               ? &pairs_dots
               : NULL;
}

const struct dots *dots_amx(void) {
    unsigned a = 7, b, c = 0, d;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if (rn_isa_cap() != RN_ISA_NATIVE || !(d >> 22 & 1 && d >> 24 & 1))
        return NULL;
    /* ARCH_REQ_XCOMP_PERM for the tiles' data */
    return syscall(SYS_arch_prctl, 0x1023, 18) == 0 ? &tiles_dots : NULL;
}
#else
const struct dots *dots_avx512(void) {
    return NULL;
}

const struct dots *dots_amx(void) {
    return NULL;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* core/base: arenas, text, the home folder in paths, errors and nearest word, hashes
 * against published vectors.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/sort.h"
#include "base/suggest.h"
#include "base/text.h"
#include "check.h"

static void test_arena(void) {
    struct arena *a = arena_create();
    int zero = 1;
    for (size_t i = 1; i < 3000; i += 7) {
        unsigned char *p = arena_get(a, i);
        CHECK(((size_t)p & 15) == 0);
        for (size_t k = 0; k < i; k++)
            zero &= p[k] == 0;
        memset(p, 0xff, i);
    }
    CHECK(zero);
    char *big = arena_get(a, 1 << 20);
    big[(1 << 20) - 1] = 1;
    CHECK_TEXT(arena_format(a, "%d-%s", 7, "x"), "7-x");
    arena_destroy(a);
    CHECK(memory_mul((size_t)-1, 2) == (size_t)-1);
}

static void test_text(void) {
    struct text t = {0};
    CHECK_TEXT(text_get(&t), "");
    for (int i = 0; i < 500; i++)
        text_addf(&t, "%03d", i);
    CHECK(t.length == 1500 && strncmp(t.s + 1497, "499", 4) == 0);
    text_finish(&t);
}

static void test_error(void) {
    struct rn_error e;
    CHECK(error_set(&e, RN_E_DATA, "row %d", 3) == RN_E_DATA);
    error_context(&e, "file '%s'", "a.csv");
    CHECK_TEXT(e.message, "file 'a.csv': row 3");
    const char *words[] = {"optimizer", "loss", "model"};
    CHECK_TEXT(suggest_nearest("optimiser", words, 3), "optimizer");
    CHECK_TEXT(suggest_nearest("lsos", words, 3), "loss");
    CHECK(suggest_nearest("checkpoint", words, 3) == NULL);
    CHECK(error_set(NULL, RN_E_IO, "x") == RN_E_IO);
}

/* The processor's rounds beside the plain ones, in pieces of every length. */
static void test_rounds(void) {
    uint8_t data[700], one[32], two[32];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * i * 31 + i / 7);
    for (size_t n = 0; n <= sizeof data; n += 13)
        for (size_t piece = 1; piece < 200; piece += 37) {
            struct sha256 best, plain;
            sha256_init(&best);
            sha256_init(&plain);
            plain.compress = sha256_plain;
            for (size_t at = 0; at < n; at += piece)
                sha256_add(&best, data + at, n - at < piece ? n - at : piece);
            sha256_add(&plain, data, n);
            sha256_finish(&best, one);
            sha256_finish(&plain, two);
            CHECK(memcmp(one, two, 32) == 0);
        }
}

/* CRC32C by its definition, a bit at a time. */
static uint32_t crc32c_by_bit(uint32_t crc, uint8_t byte) {
    crc = ~crc ^ byte;
    for (int i = 0; i < 8; i++)
        crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    return ~crc;
}

/* Both implementations at every alignment, over lengths that have full rounds of three
 * streams, tables, single words and single bytes. */
static void test_crc32c(void) {
    enum { most = 2 * 3 * 4096 + 300 };
    static uint8_t data[most + 8];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * i * 31 + i / 7 + i / 4096);
    for (size_t from = 0; from < 8; from++) {
        uint32_t start = (uint32_t)from * 0x9e3779b9u, want = start;
        for (size_t n = 0; n <= most; n++) {
            bool edge = n < 300 || (n + 17) % 4096 < 34 || n % 509 == 0;
            if (edge) {
                CHECK(crc32c(start, data + from, n) == want);
                CHECK(crc32c_plain(start, data + from, n) == want);
            }
            if (n < most)
                want = crc32c_by_bit(want, data[from + n]);
        }
    }
}

static void test_hash(void) {
    struct sha256 s;
    uint8_t d[32];
    char hex[65];
    sha256_init(&s);
    sha256_add(&s, "abc", 3);
    sha256_finish(&s, d);
    sha256_hex(d, hex);
    CHECK_TEXT(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_init(&s);
    for (int i = 0; i < 1000000; i++)
        sha256_add(&s, "a", 1);
    sha256_finish(&s, d);
    sha256_hex(d, hex);
    CHECK_TEXT(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    CHECK(crc32c_plain(0, "123456789", 9) == 0xe3069283u);
    CHECK(crc32c(0, "123456789", 9) == 0xe3069283u);
    CHECK(crc32c(crc32c(0, "1234", 4), "56789", 5) == 0xe3069283u);
    CHECK(fnv1a("a", 1) == 0xaf63dc4c8601ec8cu);
    /* the example of the paper's appendix A */
    static const uint8_t bytes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
    static const uint64_t sip_key[] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    CHECK(siphash(sip_key, bytes, sizeof bytes) == 0xa129ca6149be45e5u);
}

static void test_path(void) {
    static const struct {
        const char *home, *path, *want; /* want: NULL is an error */
    } all[] = {{"/home/a", "~/runs", "/home/a/runs"},
               {"/home/a", "~", "/home/a"},
               {"/home/a", "./~/runs", "./~/runs"},
               {"/home/a", "a/~/b", "a/~/b"},
               {"/home/a", "", ""},
               {"/home/a", "~b/runs", NULL},
               {"/home/a", "~~", NULL},
               {NULL, "~/runs", NULL},
               {NULL, "runs", "runs"},
               {"", "~/runs", NULL},
               {"a", "~/runs", NULL}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct text out = {0};
        struct rn_error e = {0};
        if (all[i].home)
            setenv("HOME", all[i].home, 1);
        else
            unsetenv("HOME");
        int status = path_expand(all[i].path, &out, &e);
        CHECK(status == (all[i].want ? RN_OK : RN_E_CONFIG));
        CHECK_TEXT(text_get(&out), all[i].want ? all[i].want : "");
        CHECK(all[i].want || (e.message[0] && e.hint[0]));
        text_finish(&out);
    }
}

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x == y ? (signbit(x) == 0) - (signbit(y) == 0) : (x > y) - (x < y);
}

/* As qsort sorts them, for few and many, of few and of many values. */
static void test_sort(void) {
    static const double odd[] = {-0.0,   0.0,     INFINITY, -INFINITY,
                                 5e-324, -5e-324, 1,        NAN};
    static const uint64_t sizes[] = {0, 1, 2, 63, 64, 65, 1000, 70000};
    uint64_t state = 1;
    for (size_t s = 0; s < 4 * sizeof sizes / sizeof *sizes; s++) {
        uint64_t n = sizes[s / 4], numbers = 0;
        double *got = memory_get((n + 1) * sizeof *got);
        double *want = memory_get((n + 1) * sizeof *want);
        for (uint64_t i = 0; i < n; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            got[i] = s % 4 == 0   ? odd[state >> 61]
                     : s % 4 == 1 ? (double)(state >> 60)
                     : s % 4 == 2 ? (double)(int64_t)state * 1e-9
                                  : (double)i;
            if (!isnan(got[i]))
                want[numbers++] = got[i];
        }
        qsort(want, numbers, sizeof *want, rising);
        CHECK(sort_f64(got, n) == numbers);
        CHECK(memcmp(got, want, numbers * sizeof *got) == 0);
        for (uint64_t i = numbers; i < n; i++)
            CHECK(isnan(got[i]));
        memory_release(got);
        memory_release(want);
    }
}

int main(void) {
    test_sort();
    test_path();
    test_arena();
    test_text();
    test_error();
    test_rounds();
    test_crc32c();
    test_hash();
    return check_done();
}

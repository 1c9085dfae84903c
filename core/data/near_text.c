/* SPDX-License-Identifier: Apache-2.0 */
/* Texts as sets of shingles, MinHash, bands, exact indices. */
#include "data/near_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"

#define SHINGLE      5u
#define WORDS        20u /* from which on shingles are of words */
#define BANDS        32u
#define BAND         4u
#define SHINGLES_MAX (UINT64_C(1) << 26) /* of all texts: 512 MiB */
#define MOST         4000000u            /* candidates */

struct near_text {
    uint64_t rows;
    struct hash128 *raw;                /* [rows] of the text as it is */
    uint64_t *begin;                    /* [rows] of its shingles */
    uint32_t *size;                     /* [rows] */
    uint64_t *shingles;                 /* sorted for each row, different */
    uint64_t count, room, words, texts; /* texts: that are not empty */
    uint64_t *bands;                    /* [rows, BANDS] */
    uint32_t *first, *parent;
    struct near_pair *pairs;
    uint32_t pair_count, pair_room;
};

struct near_text *near_text_create(uint64_t rows) {
    struct near_text *t = memory_get(sizeof *t);
    size_t n = (size_t)rows + 1;
    t->rows = rows;
    t->raw = memory_try(memory_mul(n, sizeof *t->raw));
    t->begin = memory_try(memory_mul(n, sizeof *t->begin));
    t->size = memory_try(memory_mul(n, sizeof *t->size));
    t->bands = memory_try(memory_mul(n, BANDS * sizeof *t->bands));
    t->first = memory_try(memory_mul(n, sizeof *t->first));
    t->parent = memory_try(memory_mul(n, sizeof *t->parent));
    if (t->raw && t->begin && t->size && t->bands && t->first && t->parent &&
        rows <= NEAR_TEXT_ROWS_MAX)
        return t;
    near_text_destroy(t);
    return NULL;
}

void near_text_destroy(struct near_text *t) {
    if (!t)
        return;
    memory_release(t->raw);
    memory_release(t->begin);
    memory_release(t->size);
    memory_release(t->shingles);
    memory_release(t->bands);
    memory_release(t->first);
    memory_release(t->parent);
    memory_release(t->pairs);
    memory_release(t);
}

/* ------------------------------------------------------------------- shingles */

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Lower case of ASCII, Latin-1, Greek and Cyrillic letters; how many bytes it is. */
static size_t fold(const char *s, size_t n, char out[2]) {
    uint8_t a = (uint8_t)s[0], b = n > 1 ? (uint8_t)s[1] : 0;
    out[0] = a >= 'A' && a <= 'Z' ? (char)(a + 32) : (char)a;
    if (a < 0xc3 || a > 0xd0 || (b & 0xc0) != 0x80)
        return 1;
    uint32_t c = (uint32_t)(a & 31) << 6 | (b & 63);
    bool latin = c >= 0xc0 && c <= 0xde && c != 0xd7;
    bool greek = c >= 0x391 && c <= 0x3a9 && c != 0x3a2;
    bool cyrillic = c >= 0x410 && c <= 0x42f;
    c += latin || greek || cyrillic ? 32 : c >= 0x400 && c <= 0x40f ? 80 : 0;
    out[0] = (char)(0xc0 | c >> 6);
    out[1] = (char)(0x80 | (c & 63));
    return 2;
}

/* Lower case, one blank between words, none at the ends; how many words. */
static uint64_t plain(const char *s, size_t n, struct text *out) {
    uint64_t words = 0;
    bool inside = false;
    for (size_t i = 0, step; i < n; i += step) {
        char c[2];
        step = fold(s + i, n - i, c);
        if (is_blank(*c)) {
            inside = false;
            continue;
        }
        if (!inside && words++)
            text_add_n(out, " ", 1);
        inside = true;
        text_add_n(out, c, step);
    }
    return words;
}

static void add_shingle(struct near_text *t, const char *s, size_t n) {
    struct hash128 h = {0, 0};
    hash128_add(&h, s, n);
    vec_push(t->shingles, t->count, t->room, h.a);
}

/* Where the next word, or character, begins. */
static size_t next_unit(const char *s, size_t n, size_t at, bool words) {
    if (words) {
        while (at < n && s[at] != ' ')
            at++;
        return at < n ? at + 1 : n;
    }
    at++;
    while (at < n && ((unsigned char)s[at] & 0xc0) == 0x80)
        at++;
    return at;
}

static void add_shingles(struct near_text *t, const char *s, size_t n, bool words) {
    size_t from = 0, to = 0;
    uint32_t units = 0;
    while (to < n && units < SHINGLE) {
        to = next_unit(s, n, to, words);
        units++;
    }
    for (;;) { /* units of words end with a blank, but for the last */
        size_t end = words && to < n ? to - 1 : to;
        add_shingle(t, s + from, end - from);
        if (to >= n)
            return;
        from = next_unit(s, n, from, words);
        to = next_unit(s, n, to, words);
    }
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t mix(uint64_t x) { /* splitmix64 (Steele, Lea & Flood 2014) */
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static void sign(struct near_text *t, uint64_t row) {
    const uint64_t *s = t->shingles + t->begin[row];
    for (uint32_t b = 0; b < BANDS; b++) {
        uint64_t band = 0;
        for (uint32_t k = 0; k < BAND; k++) {
            uint64_t key = mix(b * BAND + k), least = UINT64_MAX;
            for (uint32_t i = 0; i < t->size[row]; i++) {
                uint64_t h = mix(s[i] ^ key);
                least = h < least ? h : least;
            }
            band = mix(band ^ least);
        }
        t->bands[row * BANDS + b] = band;
    }
}

int near_text_add(struct near_text *t, uint64_t row, const char *s, size_t n,
                  struct rn_error *e) {
    struct text x = {0};
    if (t->count + n > SHINGLES_MAX)
        return error_set(e, RN_E_UNSUPPORTED,
                         "the texts have more than %llu characters",
                         (unsigned long long)SHINGLES_MAX);
    uint64_t words = plain(s, n, &x), kept = 0;
    t->words += words;
    t->texts += words > 0;
    hash128_add(&t->raw[row], s, n);
    t->begin[row] = t->count;
    if (x.length)
        add_shingles(t, text_get(&x), x.length, words >= WORDS);
    text_finish(&x);
    uint64_t *all = t->shingles + t->begin[row], count = t->count - t->begin[row];
    if (count)
        qsort(all, count, sizeof *all, by_value);
    for (uint64_t i = 0; i < count; i++)
        if (!i || all[i] != all[i - 1])
            all[kept++] = all[i];
    t->count = t->begin[row] + kept;
    t->size[row] = (uint32_t)kept;
    sign(t, row);
    return RN_OK;
}

double near_text_words(const struct near_text *t) {
    return t->texts ? (double)t->words / (double)t->texts : 0;
}

/* -------------------------------------------------------------------- search */

struct keyed {
    uint64_t key, second;
    uint32_t row;
};

static int by_key(const void *a, const void *b) {
    const struct keyed *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    if (x->second != y->second)
        return x->second < y->second ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static void find_equal(struct near_text *t, struct keyed *all) {
    for (uint64_t i = 0; i < t->rows; i++)
        all[i] = (struct keyed){t->raw[i].a, t->raw[i].b, (uint32_t)i};
    qsort(all, t->rows, sizeof *all, by_key);
    for (uint64_t i = 0; i < t->rows; i++) {
        bool same =
            i && all[i].key == all[i - 1].key && all[i].second == all[i - 1].second;
        t->first[all[i].row] = same ? t->first[all[i - 1].row] : all[i].row;
    }
    for (uint64_t i = 0; i < t->rows; i++)
        t->parent[i] = t->first[i];
}

/* 1 - |A and B| / |A or B|. */
static double distance(const struct near_text *t, uint32_t a, uint32_t b) {
    const uint64_t *x = t->shingles + t->begin[a], *y = t->shingles + t->begin[b];
    uint32_t n = t->size[a], m = t->size[b], i = 0, j = 0, both = 0;
    while (i < n && j < m) {
        both += x[i] == y[j];
        uint64_t u = x[i], v = y[j];
        i += u <= v;
        j += v <= u;
    }
    return 1 - (double)both / (double)(n + m - both);
}

static int by_rows(const void *a, const void *b) {
    const struct near_pair *x = a, *y = b;
    if (x->a != y->a)
        return x->a < y->a ? -1 : 1;
    return (x->b > y->b) - (x->b < y->b);
}

static uint32_t root(struct near_text *t, uint32_t i) {
    while (t->parent[i] != i)
        i = t->parent[i] = t->parent[t->parent[i]];
    return i;
}

/* Each pair once. */
static void merge_pairs(struct near_text *t) {
    uint32_t kept = 0;
    if (t->pair_count)
        qsort(t->pairs, t->pair_count, sizeof *t->pairs, by_rows);
    for (uint32_t i = 0; i < t->pair_count; i++)
        if (!i || by_rows(&t->pairs[i], &t->pairs[kept - 1]) != 0)
            t->pairs[kept++] = t->pairs[i];
    t->pair_count = kept;
}

static int look_at_band(struct near_text *t, uint32_t band, struct keyed *all,
                        uint64_t *work, struct rn_error *e) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < t->rows; i++)
        if (t->first[i] == i && t->size[i])
            all[n++] = (struct keyed){t->bands[(size_t)i * BANDS + band], 0, i};
    qsort(all, n, sizeof *all, by_key);
    for (uint64_t i = 0; i < n; i++)
        for (uint64_t j = i + 1; j < n && all[j].key == all[i].key; j++) {
            struct near_pair x = {all[i].row, all[j].row, 0};
            if (++*work > (uint64_t)MOST * BANDS || t->pair_count > MOST)
                return error_set(e, RN_E_UNSUPPORTED,
                                 "more than %u pairs of texts may be near each other",
                                 MOST);
            x.distance = distance(t, x.a, x.b);
            if (x.distance <= 1 - NEAR_JACCARD + 1e-12)
                vec_push(t->pairs, t->pair_count, t->pair_room, x);
        }
    merge_pairs(t);
    return RN_OK;
}

int near_text_search(struct near_text *t, struct rn_error *e) {
    struct keyed *all = memory_try(memory_mul(t->rows + 1, sizeof *all));
    uint64_t work = 0;
    int status = RN_OK;
    if (!all)
        return error_set(e, RN_E_MEMORY, "no memory for %llu texts",
                         (unsigned long long)t->rows);
    find_equal(t, all);
    for (uint32_t b = 0; b < BANDS && status == RN_OK; b++)
        status = look_at_band(t, b, all, &work, e);
    memory_release(all);
    for (uint32_t i = 0; i < t->pair_count; i++) {
        uint32_t a = root(t, t->pairs[i].a), b = root(t, t->pairs[i].b);
        t->parent[a > b ? a : b] = a < b ? a : b;
    }
    for (uint32_t i = 0; i < t->rows; i++)
        t->parent[i] = root(t, i);
    return status;
}

struct near_result near_text_result(const struct near_text *t) {
    return (struct near_result){t->pairs, t->pair_count, t->first, t->parent};
}

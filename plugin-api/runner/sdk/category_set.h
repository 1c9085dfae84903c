/* SPDX-License-Identifier: Apache-2.0 */
/* The distinct texts or numbers of a column with their counts, found by hashing, and in
 * sorted order: texts by bytes, numbers by value. Header-only; C11 or C++ with GNU
 * builtins. */
#ifndef RUNNER_SDK_CATEGORY_SET_H
#define RUNNER_SDK_CATEGORY_SET_H

#include <runner/sdk/arrays.h>
#include <runner/sdk/field.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RN_SET_MAX   16777216u  /* categories of a column */
#define RN_SET_BYTES (1u << 30) /* of their texts */
#define RN_SET_NONE  UINT32_MAX

/* Of zeros it is empty, of numbers. */
struct rn_set {
    int text;
    uint32_t count, room, slots; /* slots: a power of two, or 0 */
    uint32_t *table;             /* [slots] index + 1, 0: empty */
    double *numbers;             /* [count] where numbers */
    uint64_t *ends;              /* [count] where texts: the end of each in bytes */
    char *bytes;                 /* texts, each ended by a zero */
    uint64_t used, byte_room;
    uint64_t *counts; /* [count] */
};

/* What a set looks for. */
struct rn_set_key {
    const char *text; /* of a text: n bytes, without a zero */
    size_t n;
    double number; /* of a number */
};

static inline void rn_set_free(struct rn_set *s) {
    free(s->table);
    free(s->numbers);
    free(s->ends);
    free(s->bytes);
    free(s->counts);
    int text = s->text;
    memset(s, 0, sizeof *s);
    s->text = text;
}

static inline const char *rn_set_text(const struct rn_set *s, uint32_t i, size_t *n) {
    uint64_t begin = i ? s->ends[i - 1] : 0;
    *n = (size_t)(s->ends[i] - begin - 1);
    return s->bytes + begin;
}

/* FNV-1a over the text, or over the number's bits; mixed. */
static inline uint64_t rn_set_hash_(const struct rn_set *s,
                                    const struct rn_set_key *k) {
    uint64_t h = 14695981039346656037u, bits;
    double x = k->number == 0.0 ? 0.0 : k->number;
    memcpy(&bits, &x, sizeof bits);
    const unsigned char *p =
        s->text ? (const unsigned char *)k->text : (const unsigned char *)&bits;
    for (size_t i = 0, n = s->text ? k->n : sizeof bits; i < n; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return h ^ h >> 29;
}

static inline int rn_set_is_(const struct rn_set *s, uint32_t i,
                             const struct rn_set_key *k) {
    if (!s->text)
        return s->numbers[i] == k->number;
    size_t n;
    const char *own = rn_set_text(s, i, &n);
    return n == k->n && memcmp(own, k->text, n) == 0;
}

/* Index of a category, or RN_SET_NONE. */
static inline uint32_t rn_set_find(const struct rn_set *s, const struct rn_set_key *k) {
    if (!s->slots)
        return RN_SET_NONE;
    for (uint64_t at = rn_set_hash_(s, k) & (s->slots - 1);;
         at = (at + 1) & (s->slots - 1)) {
        if (!s->table[at])
            return RN_SET_NONE;
        if (rn_set_is_(s, s->table[at] - 1, k))
            return s->table[at] - 1;
    }
}

static inline void rn_set_index_(struct rn_set *s, uint32_t i,
                                 const struct rn_set_key *k) {
    uint64_t at = rn_set_hash_(s, k) & (s->slots - 1);
    while (s->table[at])
        at = (at + 1) & (s->slots - 1);
    s->table[at] = i + 1;
}

static inline struct rn_set_key rn_set_key_of(const struct rn_set *s, uint32_t i) {
    struct rn_set_key k = {NULL, 0, 0.0};
    if (s->text)
        k.text = rn_set_text(s, i, &k.n);
    else
        k.number = s->numbers[i];
    return k;
}

/* Room for one more category and its text. 0: no memory. */
static inline int rn_set_grow_(struct rn_set *s, size_t n) {
    if (s->count == s->room) {
        uint32_t room = s->room ? s->room * 2 : 64;
        uint64_t *counts = (uint64_t *)realloc(s->counts, room * sizeof *counts);
        s->counts = counts ? counts : s->counts;
        uint64_t *ends =
            s->text ? (uint64_t *)realloc(s->ends, room * sizeof *ends) : NULL;
        s->ends = ends ? ends : s->ends;
        double *numbers =
            s->text ? NULL : (double *)realloc(s->numbers, room * sizeof *numbers);
        s->numbers = numbers ? numbers : s->numbers;
        uint32_t *table = (uint32_t *)calloc((size_t)room * 2, sizeof *table);
        if (!counts || !(s->text ? (void *)ends : (void *)numbers) || !table) {
            free(table);
            return 0;
        }
        free(s->table);
        s->table = table;
        s->room = room;
        s->slots = room * 2;
        for (uint32_t i = 0; i < s->count; i++) {
            struct rn_set_key k = rn_set_key_of(s, i);
            rn_set_index_(s, i, &k);
        }
    }
    if (s->text && s->used + n + 1 > s->byte_room) {
        uint64_t room = 2 * (s->used + n + 1);
        char *bytes = (char *)realloc(s->bytes, room);
        if (!bytes)
            return 0;
        s->bytes = bytes;
        s->byte_room = room;
    }
    return 1;
}

/* The category's index, made with count 0 where it is new. RN_SET_NONE: no memory, or
 * more than RN_SET_MAX categories or RN_SET_BYTES of text. k may not point into s. */
static inline uint32_t rn_set_add(struct rn_set *s, const struct rn_set_key *k) {
    uint32_t i = rn_set_find(s, k);
    if (i != RN_SET_NONE)
        return i;
    if (s->count == RN_SET_MAX || (s->text && s->used + k->n + 1 > RN_SET_BYTES) ||
        !rn_set_grow_(s, k->n))
        return RN_SET_NONE;
    i = s->count++;
    s->counts[i] = 0;
    if (s->text) {
        memcpy(s->bytes + s->used, k->text, k->n);
        s->used += k->n;
        s->bytes[s->used++] = '\0';
        s->ends[i] = s->used;
    } else
        s->numbers[i] = k->number;
    rn_set_index_(s, i, k);
    return i;
}

/* <0, 0, >0: categories i and k in sorted order. */
static inline int rn_set_compare(const struct rn_set *s, uint32_t i, uint32_t k) {
    if (!s->text)
        return (s->numbers[i] > s->numbers[k]) - (s->numbers[i] < s->numbers[k]);
    size_t n, m;
    const char *a = rn_set_text(s, i, &n), *b = rn_set_text(s, k, &m);
    int c = memcmp(a, b, n < m ? n : m);
    return c ? c : (n > m) - (n < m);
}

static inline void rn_set_merge_(const struct rn_set *s, uint32_t *order,
                                 uint32_t *other, uint32_t n) {
    uint32_t half = n / 2, i = 0, k = half, at = 0;
    if (n < 2)
        return;
    rn_set_merge_(s, order, other, half);
    rn_set_merge_(s, order + half, other, n - half);
    while (i < half || k < n)
        other[at++] = k == n || (i < half && rn_set_compare(s, order[i], order[k]) <= 0)
                          ? order[i++]
                          : order[k++];
    memcpy(order, other, n * sizeof *order);
}

/* Put the categories into sorted order. 0: no memory. */
static inline int rn_set_sort(struct rn_set *s) {
    struct rn_set sorted;
    memset(&sorted, 0, sizeof sorted);
    sorted.text = s->text;
    uint32_t *order = (uint32_t *)malloc((s->count + 1u) * 2u * sizeof *order);
    int good = order != NULL;
    for (uint32_t i = 0; good && i < s->count; i++)
        order[i] = i;
    if (good)
        rn_set_merge_(s, order, order + s->count, s->count);
    for (uint32_t i = 0; good && i < s->count; i++) {
        struct rn_set_key k = rn_set_key_of(s, order[i]);
        uint32_t at = rn_set_add(&sorted, &k);
        good = at != RN_SET_NONE;
        if (good)
            sorted.counts[at] = s->counts[order[i]];
    }
    free(order);
    if (!good) {
        rn_set_free(&sorted);
        return 0;
    }
    rn_set_free(s);
    *s = sorted;
    return 1;
}

/* The most frequent category, the smallest of several; RN_SET_NONE of none. */
static inline uint32_t rn_set_mode(const struct rn_set *s) {
    uint32_t best = RN_SET_NONE;
    for (uint32_t i = 0; i < s->count; i++)
        if (best == RN_SET_NONE || s->counts[i] > s->counts[best] ||
            (s->counts[i] == s->counts[best] && rn_set_compare(s, i, best) < 0))
            best = i;
    return best;
}

/* Arrays field/categories (f64 [n], or texts u8) and field/counts (i64 [n]). */
static inline int32_t rn_set_put(const struct rn_set *s, struct rn_stream *to,
                                 const char *field) {
    int64_t n = s->count, bytes = (int64_t)s->used;
    int32_t status =
        s->text ? rn_array_put(to, field, "categories", RN_U8, 1, &bytes, s->bytes)
                : rn_array_put(to, field, "categories", RN_F64, 1, &n, s->numbers);
    return status == RN_OK ? rn_array_put(to, field, "counts", RN_I64, 1, &n, s->counts)
                           : status;
}

/* Back. RN_E_CHECKPOINT: they are not a set. */
static inline int32_t rn_set_take(struct rn_set *s, const struct rn_arrays *a,
                                  const char *field) {
    const struct rn_array *texts = rn_array_find(a, field, "categories", RN_U8, 1);
    const struct rn_array *numbers = rn_array_find(a, field, "categories", RN_F64, 1);
    const struct rn_array *counts = rn_array_find(a, field, "counts", RN_I64, 1);
    rn_set_free(s);
    s->text = texts != NULL;
    if (!counts || (!texts && !numbers) ||
        (numbers && numbers->elements != counts->elements))
        return RN_E_CHECKPOINT;
    const char *p = texts ? (const char *)texts->data : NULL;
    const char *end = texts ? p + texts->elements : NULL;
    for (uint64_t i = 0; i < counts->elements; i++) {
        struct rn_set_key k = {p, 0,
                               numbers ? ((const double *)numbers->data)[i] : 0.0};
        const char *zero =
            texts && p < end ? (const char *)memchr(p, 0, (size_t)(end - p)) : NULL;
        if (texts && !zero)
            return RN_E_CHECKPOINT;
        k.n = texts ? (size_t)(zero - p) : 0;
        if (rn_set_add(s, &k) != i)
            return RN_E_CHECKPOINT;
        s->counts[i] = ((const uint64_t *)counts->data)[i];
        p = texts ? zero + 1 : NULL;
    }
    return p == end ? RN_OK : RN_E_CHECKPOINT;
}

#ifdef __cplusplus
}
#endif
#endif

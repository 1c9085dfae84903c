/* SPDX-License-Identifier: Apache-2.0 */
/* Rows rounded, hashed at two widths, and grouped. */
#include "check/near_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PART      1000.0 /* of a standard deviation */
#define WIDER     8.0
#define CHANCE    1e-4
#define FEWEST    0.01 /* pairs by chance: one alone is no evidence */
#define CELLS_MAX 20000000u

enum { EXACT, FINE, WIDE, WIDTHS };

struct rounding {
    const struct check *c;
    struct hash128 *h[WIDTHS]; /* [rows] */
};

static void add_number(struct hash128 *h, double v, double unit) {
    int64_t k = !isfinite(v) || !(unit > 0)
                    ? INT64_MIN
                    : (int64_t)fmax(-9e18, fmin(9e18, rint(v / unit)));
    hash128_add(h, &k, sizeof k);
    if (!isfinite(v) || !(unit > 0))
        hash128_add(h, &v, sizeof v);
}

static void add_column(const struct rounding *q, const struct data_chunk *k,
                       const struct profile_column *c, uint64_t row) {
    uint64_t each = data_raw_at(q->c->data, c->raw).elements;
    size_t size = RN_DTYPE_BYTES(c->dtype);
    double unit = moments_sd(&c->of[PROFILE_ALL].m) / PART;
    const char *at = (const char *)k->fields[c->raw];
    for (uint64_t r = 0; r < k->rows; r++) {
        if (c->kind == COLUMN_TEXT) {
            const char *s = at + r * each;
            for (int w = 0; w < WIDTHS; w++)
                hash128_add(&q->h[w][row + r], s, strnlen(s, each));
            continue;
        }
        double v = profile_number(at + (r * each + c->element) * size, c->dtype) + 0.0;
        hash128_add(&q->h[EXACT][row + r], &v, sizeof v);
        add_number(&q->h[FINE][row + r], v, unit);
        add_number(&q->h[WIDE][row + r], v, unit * WIDER);
    }
}

static int round_chunk(void *context, const struct data_chunk *k, struct rn_error *e) {
    const struct rounding *q = context;
    const struct profile *p = q->c->profile;
    (void)e;
    for (uint32_t i = 0; i < p->count; i++)
        if (p->columns[i].input)
            add_column(q, k, &p->columns[i], p->begin[k->split] + k->first);
    return RN_OK;
}

struct keyed {
    struct hash128 h;
    uint32_t row;
};

static int by_key(const void *a, const void *b) {
    const struct keyed *x = a, *y = b;
    if (x->h.a != y->h.a)
        return x->h.a < y->h.a ? -1 : 1;
    if (x->h.b != y->h.b)
        return x->h.b < y->h.b ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* of: [rows] the first row with the same hash. */
static void group_rows(const struct hash128 *h, uint64_t rows, struct keyed *scratch,
                       uint32_t *of) {
    for (uint64_t i = 0; i < rows; i++)
        scratch[i] = (struct keyed){h[i], (uint32_t)i};
    qsort(scratch, rows, sizeof *scratch, by_key);
    for (uint64_t i = 0; i < rows; i++) {
        bool same = i && scratch[i].h.a == scratch[i - 1].h.a &&
                    scratch[i].h.b == scratch[i - 1].h.b;
        of[scratch[i].row] = same ? of[scratch[i - 1].row] : scratch[i].row;
    }
}

/* Pairs of rows in one group: of train and another split, and within train. */
static void count_pairs(const struct profile *p, const uint32_t *group, double n[2]) {
    uint32_t *in_train = memory_get(memory_mul(p->rows + 1, sizeof *in_train));
    n[0] = n[1] = 0;
    for (uint64_t i = 0; i < p->rows; i++) { /* rows of train come first */
        uint32_t *have = &in_train[group[i]];
        n[i < p->of[DATA_TRAIN]] += *have;
        *have += i < p->of[DATA_TRAIN];
    }
    memory_release(in_train);
}

/* Of either kind, are there more pairs than chance makes? */
static bool evident(const struct profile *p, const uint32_t *exact,
                    const uint32_t *fine, const uint32_t *wide) {
    double equal[2], near[2], wider[2];
    bool found = false;
    count_pairs(p, exact, equal);
    count_pairs(p, fine, near);
    count_pairs(p, wide, wider);
    for (int k = 0; k < 2; k++) {
        double n = near[k] - equal[k];
        double chance = fmax(FEWEST, (wider[k] - near[k]) / (WIDER - 1));
        found |= n >= 2 * chance && poisson_tail(n, chance) <= CHANCE;
    }
    return found;
}

static void keep_pairs(const struct profile *p, struct near_rows *out) {
    uint32_t room = 0, count = 0;
    for (uint32_t i = 0; i < p->rows; i++) {
        uint32_t first = out->first[out->cluster[i]];
        if (out->first[i] == i && first != i)
            vec_push(out->pairs, count, room, (struct near_pair){first, i, 0});
    }
    out->result = (struct near_result){out->pairs, count, out->first, out->cluster};
}

static const char *not_a_table(const struct check *c) {
    const struct profile *p = c->profile;
    uint64_t inputs = 0, numbers = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        if (!p->columns[i].input)
            continue;
        if (p->columns[i].kind == COLUMN_TENSOR || p->columns[i].kind == COLUMN_LENGTH)
            return "no columns, images or texts among the inputs";
        inputs++;
        numbers += p->columns[i].kind == COLUMN_NUMBER;
    }
    if (!numbers || !p->of[DATA_TRAIN])
        return "no numbers, images or texts among the inputs";
    if (inputs * p->rows > CELLS_MAX && !c->o.only)
        return "more than 20 million cells: --only near-duplicate-split looks";
    return NULL;
}

static int hash_all(const struct rounding *q, struct rn_error *e) {
    const struct check *c = q->c;
    bool *wanted = memory_get(data_raw_count(c->data) + 1);
    int status = RN_OK;
    for (uint32_t i = 0; i < data_raw_count(c->data); i++)
        wanted[i] = c->roles.input[i];
    for (int s = 0; s < DATA_SPLITS && status == RN_OK; s++)
        status = data_scan(c->data, (enum data_split_kind)s, wanted, round_chunk,
                           (void *)(uintptr_t)q, e);
    memory_release(wanted);
    return status;
}

static void compare(const struct rounding *q, struct keyed *scratch, uint32_t *wide,
                    struct near_rows *out) {
    const struct profile *p = q->c->profile;
    group_rows(q->h[EXACT], p->rows, scratch, out->first);
    group_rows(q->h[FINE], p->rows, scratch, out->cluster);
    group_rows(q->h[WIDE], p->rows, scratch, wide);
    if (!evident(p, out->first, out->cluster, wide))
        memcpy(out->cluster, out->first, p->rows * sizeof *out->cluster);
    keep_pairs(p, out);
}

int near_rows_find(struct check *c, struct near_rows *out, const char **why,
                   struct rn_error *e) {
    size_t n = (size_t)c->profile->rows + 1;
    struct rounding q = {.c = c};
    bool enough = true;
    int status = RN_OK;
    *out = (struct near_rows){.pairs = NULL};
    if ((*why = not_a_table(c)) != NULL)
        return RN_OK;
    for (int w = 0; w < WIDTHS; w++)
        enough &= (q.h[w] = memory_try(memory_mul(n, sizeof *q.h[w]))) != NULL;
    struct keyed *scratch = memory_try(memory_mul(n, sizeof *scratch));
    uint32_t *wide = memory_try(memory_mul(n, sizeof *wide));
    out->first = memory_try(memory_mul(n, sizeof *out->first));
    out->cluster = memory_try(memory_mul(n, sizeof *out->cluster));
    if (!enough || !scratch || !wide || !out->first || !out->cluster)
        *why = "no memory";
    else if ((status = hash_all(&q, e)) == RN_OK)
        compare(&q, scratch, wide, out);
    for (int w = 0; w < WIDTHS; w++)
        memory_release(q.h[w]);
    memory_release(scratch);
    memory_release(wide);
    return status;
}

void near_rows_finish(struct near_rows *r) {
    memory_release(r->pairs);
    memory_release(r->first);
    memory_release(r->cluster);
}

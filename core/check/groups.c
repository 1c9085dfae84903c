/* SPDX-License-Identifier: Apache-2.0 */
/* Columns whose values are groups of rows that are alike: patients, shops, recordings.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <runner/sdk/field.h>

#include "check/check.h"

#define VALUES_MIN 20u
#define ROWS_MAX   100u /* of a value, on average */
#define INPUTS_MIN 3u
#define CELLS_MAX  4000000u /* values times inputs */
#define ALIKE      0.2      /* adjusted eta squared */
#define SMOOTH     0.8      /* of it that is left with neighbouring values as one */

struct cell {
    double n, sum;
};

struct grouping {
    struct check *k;
    const struct profile_column *c;
    struct hash128 *hashes; /* [capacity] of values */
    uint32_t *at;           /* [capacity] group + 1 */
    uint32_t capacity, count, room;
    uint64_t (*rows)[DATA_SPLITS]; /* [room] */
    struct cell *cells;            /* [room][inputs] */
    double *square;                /* [inputs] sum (x - mean)^2 */
    double *values;                /* [room] of a column of numbers */
    uint32_t *order;               /* [count] groups by their value */
};

static bool is_candidate(const struct profile *p, const struct profile_column *c) {
    const struct summary *s = &c->of[PROFILE_ALL];
    uint64_t known = s->rows - s->missing;
    bool whole = c->kind == COLUMN_NUMBER && s->whole == known;
    return !c->target && (whole || c->kind == COLUMN_TEXT) &&
           c->distinct >= VALUES_MIN && 2 * c->distinct <= known &&
           c->distinct * ROWS_MAX >= known &&
           c->distinct * p->number_count <= CELLS_MAX;
}

/* RN_MISSING and empty texts are no group: UINT32_MAX. */
static uint32_t group_of(struct grouping *g, const void *value, size_t bytes) {
    struct hash128 h = {0, 0};
    hash128_add(&h, value, bytes);
    uint32_t at = (uint32_t)h.a & (g->capacity - 1);
    for (; g->at[at]; at = (at + 1) & (g->capacity - 1))
        if (g->hashes[at].a == h.a && g->hashes[at].b == h.b)
            return g->at[at] - 1;
    if (g->count == g->room)
        return UINT32_MAX;
    g->hashes[at] = h;
    g->at[at] = ++g->count;
    return g->count - 1;
}

static uint32_t row_group(struct grouping *g, const struct data_chunk *k,
                          uint64_t row) {
    struct data_raw f = data_raw_at(g->k->data, g->c->raw);
    size_t size = RN_DTYPE_BYTES(f.dtype);
    const char *at = (const char *)k->fields[g->c->raw] + row * f.elements * size;
    if (g->c->kind == COLUMN_TEXT) {
        size_t n = strnlen(at, f.elements);
        return n ? group_of(g, at, n) : UINT32_MAX;
    }
    double v = profile_number(at + g->c->element * size, f.dtype) + 0.0;
    uint32_t of = isfinite(v) ? group_of(g, &v, sizeof v) : UINT32_MAX;
    if (of != UINT32_MAX)
        g->values[of] = v;
    return of;
}

static int group_chunk(void *context, const struct data_chunk *k, struct rn_error *e) {
    struct grouping *g = context;
    const struct profile *p = g->k->profile;
    (void)e;
    for (uint64_t r = 0; r < k->rows; r++) {
        uint32_t of = row_group(g, k, r);
        if (of == UINT32_MAX)
            continue;
        g->rows[of][k->split]++;
        for (uint32_t i = 0; i < p->number_count; i++) {
            const struct profile_column *c = &p->columns[p->numbers[i]];
            uint64_t each = data_raw_at(p->data, c->raw).elements;
            const char *at = (const char *)k->fields[c->raw] +
                             (r * each + c->element) * RN_DTYPE_BYTES(c->dtype);
            double d = profile_number(at, c->dtype) - c->of[PROFILE_ALL].m.mean;
            if (!isfinite(d))
                continue;
            struct cell *x = &g->cells[(size_t)of * p->number_count + i];
            x->n++;
            x->sum += d;
            g->square[i] += d * d;
        }
    }
    return RN_OK;
}

/* One-way analysis of variance of input i: adjusted eta squared, and p of F. together:
 * so many neighbours in g->order are one group. */
static double within(const struct grouping *g, uint32_t i, uint32_t together,
                     double *p) {
    uint32_t inputs = g->k->profile->number_count;
    double n = 0, groups = 0, between = 0, sum = 0;
    for (uint32_t k = 0; k < g->count; k += together) {
        struct cell x = {0, 0};
        for (uint32_t j = k; j < k + together && j < g->count; j++) {
            const struct cell *one = &g->cells[(size_t)g->order[j] * inputs + i];
            x.n += one->n;
            x.sum += one->sum;
        }
        if (!(x.n > 0))
            continue;
        n += x.n;
        sum += x.sum;
        groups++;
        between += x.sum * x.sum / x.n;
    }
    *p = 1;
    if (groups < 2 || n <= groups)
        return 0;
    between -= sum * sum / n;
    double all = g->square[i] - sum * sum / n, inside = fmax(all - between, 0);
    if (!(all > 0))
        return 0;
    if (inside > 0)
        *p = fisher_tail(between / (groups - 1) / (inside / (n - groups)), groups - 1,
                         n - groups);
    else
        *p = 0;
    return 1 - inside / (n - groups) / (all / (n - 1));
}

/* The numbers of a measurement are near to their like; those of an identity are not. An
 * input goes smoothly with the column if neighbouring values explain it as well. */
static bool smooth(const struct grouping *g, uint32_t i, double eta) {
    double p;
    return g->c->kind == COLUMN_NUMBER && within(g, i, 2, &p) >= SMOOTH * eta;
}

struct valued {
    double value;
    uint32_t group;
};

static int by_value(const void *a, const void *b) {
    const struct valued *x = a, *y = b;
    return x->value != y->value ? (x->value > y->value) - (x->value < y->value)
                                : (x->group > y->group) - (x->group < y->group);
}

static void order_groups(struct grouping *g) {
    struct valued *all = memory_get(memory_mul(g->count + 1, sizeof *all));
    for (uint32_t k = 0; k < g->count; k++)
        all[k] = (struct valued){g->values[k], k};
    qsort(all, g->count, sizeof *all, by_value);
    for (uint32_t k = 0; k < g->count; k++)
        g->order[k] = all[k].group;
    memory_release(all);
}

static int by_p(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void judge(struct grouping *g) {
    struct check *k = g->k;
    const struct profile *p = k->profile;
    double *tests = memory_get(memory_mul(p->number_count + 1, sizeof *tests));
    uint32_t n = 0, alike = 0, groups = 0, crossing = 0;
    order_groups(g);
    for (uint32_t i = 0; i < p->number_count; i++) {
        if (&p->columns[p->numbers[i]] == g->c)
            continue;
        double eta = within(g, i, 1, &tests[n++]);
        alike += eta >= ALIKE && !smooth(g, i, eta);
    }
    qsort(tests, n, sizeof *tests, by_p);
    for (uint32_t i = 0; i < g->count; i++) {
        const uint64_t *r = g->rows[i];
        uint64_t others = r[DATA_VAL] + r[DATA_TEST];
        groups += r[DATA_TRAIN] + others > 1;
        crossing += r[DATA_TRAIN] && others;
    }
    bool group = n >= INPUTS_MIN && 2 * alike > n && groups;
    struct finding *f =
        finding_add(&k->findings, FINDING_GROUP_CROSS, g->c->name,
                    group ? (double)crossing / groups : 0, n ? tests[n / 2] : 1);
    f->n = crossing;
    finding_reason(
        &k->findings, f,
        "its rows are alike (%u of %u inputs), and %u of %u values have rows in "
        "train and in another split",
        alike, n, crossing, groups);
    if (strcmp(g->c->name, g->c->field) == 0) {
        struct text keys = {0};
        text_addf(&keys, "kind: group, by: %s", fix_name(k, g->c->field));
        fix_split(k, f, text_get(&keys));
        text_finish(&keys);
    }
    memory_release(tests);
}

static int look_at(struct check *k, const struct profile_column *c,
                   struct rn_error *e) {
    const struct profile *p = k->profile;
    struct grouping g = {.k = k, .c = c, .capacity = 64, .room = (uint32_t)c->distinct};
    int status = RN_OK;
    while (g.capacity < 2 * c->distinct)
        g.capacity *= 2;
    bool *wanted = memory_get(data_raw_count(k->data) + 1);
    wanted[c->raw] = true;
    for (uint32_t i = 0; i < p->number_count; i++)
        wanted[p->columns[p->numbers[i]].raw] = true;
    g.hashes = memory_get(memory_mul(g.capacity, sizeof *g.hashes));
    g.at = memory_get(memory_mul(g.capacity, sizeof *g.at));
    g.rows = memory_get(memory_mul(g.room, sizeof *g.rows));
    g.cells = memory_get(
        memory_mul(memory_mul(g.room, p->number_count + 1), sizeof *g.cells));
    g.square = memory_get(memory_mul(p->number_count + 1, sizeof *g.square));
    g.values = memory_get(memory_mul(g.room + 1u, sizeof *g.values));
    g.order = memory_get(memory_mul(g.room + 1u, sizeof *g.order));
    for (int s = 0; s < DATA_SPLITS && status == RN_OK; s++)
        status =
            data_scan(k->data, (enum data_split_kind)s, wanted, group_chunk, &g, e);
    if (status == RN_OK)
        judge(&g);
    memory_release(wanted);
    memory_release(g.hashes);
    memory_release(g.at);
    memory_release(g.rows);
    memory_release(g.cells);
    memory_release(g.square);
    memory_release(g.values);
    memory_release(g.order);
    return status;
}

int check_groups(struct check *k, struct rn_error *e) {
    const struct profile *p = k->profile;
    int status = RN_OK;
    bool others = p->of[DATA_TRAIN] && p->of[DATA_VAL] + p->of[DATA_TEST];
    for (uint32_t i = 0; i < p->count && others && p->number_count && status == RN_OK;
         i++)
        if (is_candidate(p, &p->columns[i]))
            status = look_at(k, &p->columns[i], e);
    finding_skip(&k->findings, FINDING_GROUP_CROSS,
                 others ? "no column that may name groups" : "one split only");
    return status;
}

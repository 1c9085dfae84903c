/* SPDX-License-Identifier: Apache-2.0 */
/* Attention of bf16 in tiles (attention.c has it in f32): products of pairs of bf16
 * summed in f32, softmax in f32; what a key weighs is rounded to bf16 before it
 * multiplies values, and so are gradients of scores. Keys and values of a tile are
 * packed once for all queries of a unit. Units (head and some blocks of queries; head
 * for the gradient) do not share sums, so the result does not depend on the number of
 * threads. */
#include <stdlib.h>

#include "attention.h"
#include "dots16.h"

#define GROUP 256 /* queries of a unit, forward */

/* A thread's scratch. Operands with a 2 are packed in pairs. */
struct room {
    float *p, *g;                   /* a tile [QUERIES][KEYS] */
    uint16_t *p16, *g16;            /* the same, rounded */
    uint32_t *turned;               /* a tile in pairs along queries */
    uint32_t *k2, *v2, *kt2, *vt2;  /* keys and values of a tile, and transposed */
    uint32_t *q2, *gy2;             /* of a block of queries */
    float *top, *sum, *correct, *y; /* of a unit's queries; y [.][wide] */
    float *gq, *gk, *gv;            /* of all queries; of a tile's keys */
};

static void *cut(char **at, uint64_t bytes) {
    char *here = *at;
    *at += cpu_align(bytes);
    return here;
}

/* Cuts the room from *at on, which moves on. */
static struct room cut_room(const struct attention *z, bool backward, char **at) {
    int64_t deep = dots_columns(z->depth), wide = dots_columns(z->wide);
    int64_t queries = backward ? z->rows : GROUP;
    struct room r = {.p = cut(at, sizeof(float) * QUERIES * KEYS),
                     .p16 = cut(at, sizeof(uint16_t) * QUERIES * KEYS),
                     .v2 = cut(at, 4 * (uint64_t)dots_packed(KEYS, z->wide)),
                     .kt2 = cut(at, 4 * (uint64_t)dots_packed(z->depth, KEYS)),
                     .top = cut(at, sizeof(float) * (uint64_t)queries),
                     .sum = cut(at, sizeof(float) * (uint64_t)queries)};
    if (!backward) {
        r.correct = cut(at, sizeof(float) * QUERIES);
        r.y = cut(at, sizeof(float) * (uint64_t)(queries * wide));
        return r;
    }
    r.g = cut(at, sizeof(float) * QUERIES * KEYS);
    r.g16 = cut(at, sizeof(uint16_t) * QUERIES * KEYS);
    r.turned = cut(at, 4 * (uint64_t)dots_packed(QUERIES, KEYS));
    r.k2 = cut(at, 4 * (uint64_t)dots_packed(KEYS, z->depth));
    r.vt2 = cut(at, 4 * (uint64_t)dots_packed(z->wide, KEYS));
    r.q2 = cut(at, 4 * (uint64_t)dots_packed(QUERIES, z->depth));
    r.gy2 = cut(at, 4 * (uint64_t)dots_packed(QUERIES, z->wide));
    r.gq = cut(at, sizeof(float) * (uint64_t)(queries * deep));
    r.gk = cut(at, sizeof(float) * (uint64_t)(KEYS * deep));
    r.gv = cut(at, sizeof(float) * (uint64_t)(KEYS * wide));
    return r;
}

static uint64_t room_bytes(const struct attention *z, bool backward) {
    static char base[1];
    char *at = base;
    cut_room(z, backward, &at);
    return (uint64_t)(at - base);
}

static const uint16_t *operand(const struct cpu_call *c, int i, int64_t at) {
    return (const uint16_t *)c->k.in[i].data + at;
}

/* Elements at..at+n of result i. */
static void give(const struct cpu_call *c, int i, int64_t at, const float *x,
                 int64_t n) {
    if (c->k.out[i].dtype == RN_F32) {
        memcpy((float *)c->k.out[i].data + at, x, (size_t)n * sizeof *x);
        return;
    }
    uint16_t *to = (uint16_t *)c->k.out[i].data + at;
    EACH(k, n) to[k] = rn_bf16_from_f32(x[k]);
}

/* Queries `a` [rows, columns], dense in rows of `row`, by a packed transpose. */
static void scores(const uint16_t *a, int64_t row, int64_t rows, int64_t n,
                   int64_t columns, const uint32_t *b, float *x) {
    struct dots d = {.m = rows,
                     .n = n,
                     .pairs = columns / 2,
                     .b_pairs = columns / 2,
                     .a = (const uint32_t *)(const void *)a,
                     .a_pair = 1,
                     .a_row = row / 2,
                     .b = b,
                     .c = x,
                     .c_row = KEYS};
    dots_run(&d);
}

/* c [rows, columns] (+)= a tile [rows, n] by what is packed of `packed` rows. */
static void weigh(const uint16_t *tile, int64_t rows, int64_t n, int64_t columns,
                  const uint32_t *b, int64_t packed, float *c, bool add) {
    struct dots d = {.m = rows,
                     .n = columns,
                     .pairs = (n + 1) / 2,
                     .b_pairs = (packed + 1) / 2,
                     .a = (const uint32_t *)(const void *)tile,
                     .a_pair = 1,
                     .a_row = KEYS / 2,
                     .b = b,
                     .c = c,
                     .c_row = dots_columns(columns),
                     .add = add};
    dots_run(&d);
}

/* c [n, columns] += the transposed tile [rows, n] by what is packed of its rows. */
static void weigh_turned(uint32_t *turned, const uint16_t *tile, int64_t rows,
                         int64_t n, int64_t columns, const uint32_t *b, float *c) {
    /* As one panel after the other, whose columns are the tile's. */
    dots_pack(tile, KEYS, rows, n, turned);
    int64_t pairs = (rows + 1) / 2, step;
    for (int64_t j = 0; j < n; j += PANEL) {
        const uint32_t *a = dots_at(turned, pairs, n, j, &step);
        struct dots d = {.m = least(PANEL, n - j),
                         .n = columns,
                         .pairs = pairs,
                         .b_pairs = pairs,
                         .a = a,
                         .a_pair = step,
                         .a_row = 1,
                         .b = b,
                         .c = c + j * dots_columns(columns),
                         .c_row = dots_columns(columns),
                         .add = true};
        dots_run(&d);
    }
}

static void round_tile(const float *tile, int64_t rows, int64_t n, uint16_t *to) {
    for (int64_t i = 0; i < rows; i++)
        dots_round(tile + i * KEYS, n, to + i * KEYS);
}

/* ----------------------------------------------------------------- forward */

/* Keys to look at for a block of queries, of those from j on, `packed` of them: all, or
 * a whole number of panels. */
static int64_t sees(const struct attention *z, int64_t first, int64_t j,
                    int64_t packed) {
    return z->causal ? least(packed, first + QUERIES - j) : packed;
}

_Static_assert(QUERIES % PANEL == 0 && KEYS % QUERIES == 0, "what sees() relies on");

/* A block of queries, the first of which is `first`, and the tile of keys from j on;
 * its rows of the unit's room begin at `row`. */
static void forward_tile(const struct cpu_call *c, const struct room *r,
                         const uint16_t *q, int64_t first, int64_t row, int64_t rows,
                         int64_t j, int64_t packed) {
    const struct attention *z = c->state;
    int64_t wide = dots_columns(z->wide), n = sees(z, first, j, packed);
    float *y = r->y + row * wide;
    if (n <= 0)
        return;
    scores(q, z->deep_row, rows, n, z->depth, r->kt2, r->p);
    tile_forward(z, r->p, r->top + row, r->sum + row, r->correct, first, rows, j, n);
    if (!c->k.out[0].data)
        return;
    for (int64_t i = 0; i < rows && j; i++) {
        float *at = y + i * wide, by = r->correct[i];
        EACH(d, wide) at[d] *= by;
    }
    round_tile(r->p, rows, n, r->p16);
    weigh(r->p16, rows, n, z->wide, r->v2, packed, y, j > 0);
}

static void forward_end(const struct cpu_call *c, const struct room *r, int64_t b,
                        int64_t h, int64_t first, int64_t rows) {
    const struct attention *z = c->state;
    float *lse = c->k.out[1].data;
    for (int64_t i = 0; i < rows; i++) {
        int64_t at = b * z->rows + first + i;
        float *y = r->y + i * dots_columns(z->wide), by = r->sum[i];
        if (lse)
            lse[at * z->heads + h] = r->top[i] + rn_log_f32(by);
        if (!c->k.out[0].data)
            continue;
        EACH(d, z->wide) y[d] /= by;
        give(c, 0, at * z->wide_row + h * z->wide, y, z->wide);
    }
}

/* Units: batch, head, group of queries. */
static void forward_units(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct attention *z = c->state;
    char *at = c->workspace + (uint64_t)thread * room_bytes(z, false);
    struct room r = cut_room(z, false, &at);
    int64_t groups = (z->rows + GROUP - 1) / GROUP;
    for (int64_t u = begin; u < end; u++) {
        int64_t first = u % groups * GROUP, h = u / groups % z->heads;
        int64_t b = u / groups / z->heads, rows = least(GROUP, z->rows - first);
        int64_t keys = z->causal ? least(z->keys, first + rows) : z->keys;
        const uint16_t *q =
            operand(c, 0, (b * z->rows + first) * z->deep_row + h * z->depth);
        const uint16_t *k = operand(c, 1, b * z->keys * z->deep_row + h * z->depth);
        const uint16_t *v = operand(c, 2, b * z->keys * z->wide_row + h * z->wide);
        for (int64_t i = 0; i < rows; i++)
            r.top[i] = -INFINITY, r.sum[i] = 0.0f;
        for (int64_t j = 0; j < keys; j += KEYS) {
            int64_t n = least(KEYS, keys - j);
            dots_pack_turned(k + j * z->deep_row, z->deep_row, n, z->depth, r.kt2);
            dots_pack(v + j * z->wide_row, z->wide_row, n, z->wide, r.v2);
            for (int64_t i = 0; i < rows; i += QUERIES) {
                int64_t some = least(QUERIES, rows - i);
                forward_tile(c, &r, q + i * z->deep_row, first + i, i, some, j, n);
            }
        }
        forward_end(c, &r, b, h, first, rows);
    }
}

/* ---------------------------------------------------------------- backward */

/* lse of each query, and what the gradients of its weights are lowered by. */
static void backward_begin(const struct cpu_call *c, const struct room *r, int64_t b,
                           int64_t h) {
    const struct attention *z = c->state;
    for (int64_t i = 0; i < z->rows; i++) {
        int64_t row = b * z->rows + i, at = row * z->wide_row + h * z->wide;
        const uint16_t *y = operand(c, 3, at), *gy = operand(c, 5, at);
        struct sum_lanes total = {{0}, 0};
        for (int64_t d = 0; d < z->wide; d += KEYS) {
            int64_t n = least(KEYS, z->wide - d);
            EACH(m, n)
            r->p[m] = rn_f32_from_bf16(y[d + m]) * rn_f32_from_bf16(gy[d + m]);
            sum_add(&total, r->p, n);
        }
        r->sum[i] = sum_total(&total);
        if (c->k.n_in > 6)
            r->sum[i] -= ((const float *)c->k.in[6].data)[row * z->heads + h];
        r->top[i] = ((const float *)c->k.in[4].data)[row * z->heads + h];
    }
}

/* The queries from `first` on beside the keys from j on. */
static void backward_tile(const struct cpu_call *c, const struct room *r, int64_t b,
                          int64_t h, int64_t first, int64_t j, int64_t packed) {
    const struct attention *z = c->state;
    int64_t rows = least(QUERIES, z->rows - first), row = b * z->rows + first;
    int64_t n = sees(z, first, j, packed);
    const uint16_t *q = operand(c, 0, row * z->deep_row + h * z->depth);
    const uint16_t *gy = operand(c, 5, row * z->wide_row + h * z->wide);
    scores(q, z->deep_row, rows, n, z->depth, r->kt2, r->p);
    scores(gy, z->wide_row, rows, n, z->wide, r->vt2, r->g);
    for (int64_t i = 0; i < rows; i++)
        row_backward(z, r->p + i * KEYS, r->g + i * KEYS, n, seen(z, first + i, j, n),
                     r->top[first + i], r->sum[first + i]);
    if (c->k.out[2].data) {
        round_tile(r->p, rows, n, r->p16);
        dots_pack(gy, z->wide_row, rows, z->wide, r->gy2);
        weigh_turned(r->turned, r->p16, rows, n, z->wide, r->gy2, r->gv);
    }
    round_tile(r->g, rows, n, r->g16);
    if (c->k.out[1].data) {
        dots_pack(q, z->deep_row, rows, z->depth, r->q2);
        weigh_turned(r->turned, r->g16, rows, n, z->depth, r->q2, r->gk);
    }
    if (c->k.out[0].data)
        weigh(r->g16, rows, n, z->depth, r->k2, packed,
              r->gq + first * dots_columns(z->depth), j > 0);
}

/* Rows of n results [.][columns] of a head, from `at` on, `row` apart. */
static void give_rows(const struct cpu_call *c, int i, const float *x, int64_t n,
                      int64_t columns, int64_t at, int64_t row) {
    for (int64_t k = 0; k < n && c->k.out[i].data; k++)
        give(c, i, at + k * row, x + k * dots_columns(columns), columns);
}

/* Units: batch and head. in: q k v y lse gy [glse]; out: gq gk gv */
static void backward_units(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct attention *z = c->state;
    char *at = c->workspace + (uint64_t)thread * room_bytes(z, true);
    struct room r = cut_room(z, true, &at);
    for (int64_t u = begin; u < end; u++) {
        int64_t b = u / z->heads, h = u % z->heads;
        int64_t of_k = b * z->keys * z->deep_row + h * z->depth;
        int64_t of_v = b * z->keys * z->wide_row + h * z->wide;
        backward_begin(c, &r, b, h);
        for (int64_t j = 0; j < z->keys; j += KEYS) {
            int64_t n = least(KEYS, z->keys - j), from = of_k + j * z->deep_row;
            int64_t value = of_v + j * z->wide_row;
            /* Queries before the first key see none of them. */
            int64_t first = z->causal ? j / QUERIES * QUERIES : 0;
            memset(r.gk, 0, (size_t)(n * dots_columns(z->depth)) * sizeof *r.gk);
            memset(r.gv, 0, (size_t)(n * dots_columns(z->wide)) * sizeof *r.gv);
            dots_pack_turned(operand(c, 1, from), z->deep_row, n, z->depth, r.kt2);
            dots_pack_turned(operand(c, 2, value), z->wide_row, n, z->wide, r.vt2);
            dots_pack(operand(c, 1, from), z->deep_row, n, z->depth, r.k2);
            for (; first < z->rows; first += QUERIES)
                backward_tile(c, &r, b, h, first, j, n);
            give_rows(c, 1, r.gk, n, z->depth, from, z->deep_row);
            give_rows(c, 2, r.gv, n, z->wide, value, z->wide_row);
        }
        give_rows(c, 0, r.gq, z->rows, z->depth,
                  b * z->rows * z->deep_row + h * z->depth, z->deep_row);
    }
}

/* -------------------------------------------------------------------- room */

static bool is_backward(const struct rn_node *n) {
    return n->op[9] != '\0';
}

static int32_t run(const struct cpu_call *c, struct rn_error *e) {
    const struct attention *z = c->state;
    struct cpu_call call = *c;
    bool backward = is_backward(c->k.node);
    int64_t units = z->batch * z->heads;
    (void)e;
    cpu_parallel(c->threads, backward ? units : units * ((z->rows + GROUP - 1) / GROUP),
                 1, backward ? backward_units : forward_units, &call);
    return RN_OK;
}

int32_t cpu_attention16(struct cpu_setup *s, struct rn_error *e) {
    if (!attention_is(s) || s->in[0].dtype != RN_BF16)
        return 0;
    struct attention of = attention_of(s);
    if (of.depth % 2 || of.wide % 2) /* pairs */
        return 0;
    struct attention *z = malloc(sizeof *z);
    if (!z)
        return rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
    *z = of;
    s->state = z;
    s->workspace = (uint64_t)s->threads * room_bytes(z, is_backward(s->node));
    s->run = run;
    s->kernel = "tiles of bf16";
    return 1;
}

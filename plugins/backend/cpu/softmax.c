/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax and cross-entropy with their gradients, f32: the decompositions of the graph
 * in one pass over each row, same operations, same sums. */
#include <stdlib.h>

#include "isa.h"

/* What a row is lowered by: its maximum, then log sum exp(x - maximum). Two numbers, as
 * their sum would lose the second one beside a large first. */
struct lower {
    float top, rest;
};

/* y = exp((x - top) - rest), the tail as one vector. */
static inline void row_exp(const float *x, struct lower by, float *y, int64_t n) {
    int64_t whole = n / 16 * 16;
    EACH(i, whole) y[i] = rn_exp_f32((x[i] - by.top) - by.rest);
    if (whole < n) {
        float tail[16] = {0};
        memcpy(tail, x + whole, (size_t)(n - whole) * sizeof *tail);
        EACH(k, 16) tail[k] = rn_exp_f32((tail[k] - by.top) - by.rest);
        memcpy(y + whole, tail, (size_t)(n - whole) * sizeof *tail);
    }
}

/* In any order: where 0 and -0 are the largest, two or more terms are 1 and the
 * logarithm of their sum hides the sign. */
static float row_top(const float *x, int64_t n) {
    float lane[16];
    int64_t whole = n / 16 * 16;
    for (int k = 0; k < 16; k++)
        lane[k] = k < n - whole ? x[whole + k] : -INFINITY;
    extreme_add(lane, x, whole, 1);
    for (int w = 8; w; w /= 2)
        EACH(k, w) lane[k] = extreme_of(lane[k], lane[k + w], 1);
    return (rn_bits_f32(lane[0]) & 0x7f800000u) == 0x7f800000u ? 0.0f : lane[0];
}

static float row_sum(const float *x, float top, int64_t n) {
    float part[CHUNK];
    struct sum_lanes s = {{0}, 0};
    for (int64_t i = 0; i < n; i += CHUNK) {
        int64_t m = n - i < CHUNK ? n - i : CHUNK;
        row_exp(x + i, (struct lower){top, 0.0f}, part, m);
        sum_add(&s, part, m);
    }
    return sum_total(&s);
}

/* Rows at a time: their logarithms are one vector, and what one row waits for another
 * does meanwhile. */
#define ROWS 16

static void rows_lower(const float *x, int64_t rows, int64_t n, struct lower *by) {
    float sum[ROWS], top[ROWS];
    rows = rows < ROWS ? rows : ROWS;
    for (int64_t r = 0; r < ROWS; r++)
        sum[r] = 1.0f;
    for (int64_t r = 0; r < rows; r++)
        top[r] = row_top(x + r * n, n);
    for (int64_t r = 0; r < rows; r++)
        sum[r] = row_sum(x + r * n, top[r], n);
    EACH(r, ROWS) sum[r] = rn_log_f32(sum[r]);
    for (int64_t r = 0; r < rows; r++)
        by[r] = (struct lower){top[r], sum[r]};
}

static void softmax_rows(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    bool logs = c->k.node->op[0] == 'l';
    int64_t n = c->k.in[0].shape[c->k.in[0].rank - 1];
    (void)thread;
    struct lower all[ROWS];
    for (int64_t r = begin; r < end; r++) {
        const float *x = (const float *)c->k.in[0].data + r * n;
        float *y = (float *)c->k.out[0].data + r * n;
        if ((r - begin) % ROWS == 0)
            rows_lower(x, end - r, n, all);
        struct lower by = all[(r - begin) % ROWS];
        if (logs) {
            EACH(i, n) y[i] = (x[i] - by.top) - by.rest;
        } else {
            row_exp(x, by, y, n);
        }
    }
}

static void softmax_grad_rows(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    bool logs = c->k.node->op[0] == 'l';
    int64_t n = c->k.in[0].shape[c->k.in[0].rank - 1];
    (void)thread;
    for (int64_t r = begin; r < end; r++) {
        const float *y = (const float *)c->k.in[0].data + r * n;
        const float *g = (const float *)c->k.in[1].data + r * n;
        float *o = (float *)c->k.out[0].data + r * n, part[CHUNK];
        struct sum_lanes s = {{0}, 0};
        if (logs) {
            sum_add(&s, g, n);
        } else {
            for (int64_t i = 0; i < n; i += CHUNK) {
                int64_t m = n - i < CHUNK ? n - i : CHUNK;
                EACH(k, m) part[k] = y[i + k] * g[i + k];
                sum_add(&s, part, m);
            }
        }
        float sum = sum_total(&s);
        if (logs) {
            EACH(i, n) o[i] = g[i] - rn_exp_f32(y[i]) * sum;
        } else {
            EACH(i, n) o[i] = y[i] * (g[i] - sum);
        }
    }
}

/* ------------------------------------------------------------- cross-entropy */

/* What each row is to give: `hot` for its label, `cold` for the other classes. */
struct targets {
    float hot, cold;
    int64_t classes;
};

static struct targets targets_of(const struct cpu_call *c) {
    int64_t classes = c->k.in[0].shape[1];
    double s = cpu_float(c->k.node, "smoothing", 0.0), count = (double)classes;
    return (struct targets){(float)(1.0 - s + s / count), (float)(s / count), classes};
}

/* -1: none, and its row is NaN. */
static int64_t label_of(const struct cpu_call *c, int64_t row, int64_t classes) {
    int64_t label = kernel_index(c->k.in[1].data, c->k.in[1].dtype, (uint64_t)row);
    return label < 0 || label >= classes ? -1 : label;
}

static void entropy_rows(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    struct targets all = targets_of(c);
    int64_t n = all.classes;
    struct lower lowers[ROWS];
    (void)thread;
    for (int64_t r = begin; r < end; r++) {
        const float *x = (const float *)c->k.in[0].data + r * n;
        float *y = (float *)c->k.out[0].data + r, part[CHUNK];
        if ((r - begin) % ROWS == 0)
            rows_lower(x, end - r, n, lowers);
        struct lower by = lowers[(r - begin) % ROWS];
        int64_t label = label_of(c, r, n);
        float hot = all.hot, cold = label < 0 ? NAN : all.cold;
        struct sum_lanes s = {{0}, 0};
        for (int64_t i = 0; i < n; i += CHUNK) {
            int64_t m = n - i < CHUNK ? n - i : CHUNK;
            EACH(k, m) {
                float w = i + k == label ? hot : cold;
                part[k] = w == 0.0f ? 0.0f : w * ((x[i + k] - by.top) - by.rest);
            }
            sum_add(&s, part, m);
        }
        *y = 0.0f - sum_total(&s);
    }
}

static void entropy_grad_rows(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    struct targets all = targets_of(c);
    int64_t n = all.classes;
    struct lower lowers[ROWS];
    (void)thread;
    for (int64_t r = begin; r < end; r++) {
        const float *x = (const float *)c->k.in[0].data + r * n;
        float *y = (float *)c->k.out[0].data + r * n;
        if ((r - begin) % ROWS == 0)
            rows_lower(x, end - r, n, lowers);
        struct lower by = lowers[(r - begin) % ROWS];
        float g = ((const float *)c->k.in[2].data)[r];
        int64_t label = label_of(c, r, n);
        float hot = all.hot, cold = label < 0 ? NAN : all.cold;
        row_exp(x, by, y, n);
        EACH(i, n) {
            float w = i == label ? hot : cold;
            y[i] = g * (y[i] - w);
        }
    }
}

/* Few classes: a vector has one class of ROWS rows, so that no row's end is done
 * element by element. Each row's sums are its own all the same: class i goes to lane
 * i mod 16. */
#define FEW 32

struct beside {
    int64_t rows, n;
    float x[FEW][ROWS]; /* logits; rows that are not there repeat the last one */
    float top[ROWS], rest[ROWS];
    float cold[ROWS], g[ROWS];
    int32_t label[ROWS];
};

static void lanes_total(float lane[16][ROWS], float *total) {
    for (int w = 8; w; w /= 2)
        for (int k = 0; k < w; k++) {
            EACH(r, ROWS) lane[k][r] += lane[k + w][r];
        }
    memcpy(total, lane[0], sizeof lane[0]);
}

/* Rows begin .. end, at most ROWS of them, and what they are lowered by. */
static void beside_read(const struct cpu_call *c, int64_t begin, int64_t end,
                        const struct targets *all, struct beside *b) {
    const float *x = c->k.in[0].data;
    b->n = all->classes;
    b->rows = end - begin < ROWS ? end - begin : ROWS;
    for (int64_t r = 0; r < ROWS; r++) {
        int64_t row = begin + (r < b->rows ? r : b->rows - 1);
        int64_t label = label_of(c, row, b->n);
        b->label[r] = (int32_t)label;
        b->cold[r] = label < 0 ? NAN : all->cold;
        b->g[r] = c->k.n_in > 2 ? ((const float *)c->k.in[2].data)[row] : 0.0f;
        for (int64_t i = 0; i < b->n; i++)
            b->x[i][r] = x[row * b->n + i];
    }
    float lane[16][ROWS] = {{0}}, sum[ROWS];
    EACH(r, ROWS) b->top[r] = -INFINITY;
    for (int64_t i = 0; i < b->n; i++) {
        EACH(r, ROWS) b->top[r] = extreme_of(b->top[r], b->x[i][r], 1);
    }
    EACH(r, ROWS) {
        uint32_t bits = rn_bits_f32(b->top[r]);
        b->top[r] = (bits & 0x7f800000u) == 0x7f800000u ? 0.0f : b->top[r];
    }
    for (int64_t i = 0; i < b->n; i++) {
        EACH(r, ROWS) lane[i & 15][r] += rn_exp_f32((b->x[i][r] - b->top[r]) - 0.0f);
    }
    lanes_total(lane, sum);
    EACH(r, ROWS) b->rest[r] = rn_log_f32(sum[r]);
}

/* What class i adds to each row's sum: 0 where it has no weight, whatever it is. */
static inline void add_terms(int32_t i, float hot, const struct beside *b, float *sum) {
    ints16 at = *(const ints16 *)b->label == i;
    lanes16 weight = *(const lanes16 *)b->cold, x = *(const lanes16 *)b->x[i];
    weight = (lanes16)((at & (ints16)((lanes16){0} + hot)) | (~at & (ints16)weight));
    x = weight * ((x - *(const lanes16 *)b->top) - *(const lanes16 *)b->rest);
    *(lanes16 *)sum += (lanes16)((ints16)x & (weight != 0.0f));
}

static void entropy_few(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    struct targets all = targets_of(c);
    struct beside b;
    (void)thread;
    for (; begin < end; begin += b.rows) {
        float lane[16][ROWS] = {{0}}, sum[ROWS];
        beside_read(c, begin, end, &all, &b);
        for (int32_t i = 0; i < b.n; i++)
            add_terms(i, all.hot, &b, lane[i & 15]);
        lanes_total(lane, sum);
        EACH(r, ROWS) sum[r] = 0.0f - sum[r];
        memcpy((float *)c->k.out[0].data + begin, sum, (size_t)b.rows * sizeof *sum);
    }
}

static void entropy_grad_few(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    struct targets all = targets_of(c);
    struct beside b;
    (void)thread;
    for (; begin < end; begin += b.rows) {
        float *y = (float *)c->k.out[0].data + begin * all.classes;
        beside_read(c, begin, end, &all, &b);
        for (int32_t i = 0; i < b.n; i++) {
            const float hot = all.hot;
            float *x = b.x[i];
            EACH(r, ROWS) {
                float p = rn_exp_f32((x[r] - b.top[r]) - b.rest[r]);
                float w = i == b.label[r] ? hot : b.cold[r];
                x[r] = b.g[r] * (p - w);
            }
        }
        for (int64_t r = 0; r < b.rows; r++)
            for (int64_t i = 0; i < b.n; i++)
                y[r * b.n + i] = b.x[i][r];
    }
}

/* ------------------------------------------------------------------- room */

struct rows {
    cpu_range fn;
    int64_t units, cost;
};

static int32_t run(const struct cpu_call *c, struct rn_error *e) {
    const struct rows *o = c->state;
    struct cpu_call call = *c;
    (void)e;
    cpu_parallel(c->threads, o->units, 1 + 8192 / (o->cost + 1), o->fn, &call);
    return RN_OK;
}

int32_t CPU_NAME(cpu_softmax)(struct cpu_setup *s, struct rn_error *e) {
    static const struct {
        const char *op;
        cpu_range fn, few;
    } table[] = {{"softmax", softmax_rows, NULL},
                 {"log_softmax", softmax_rows, NULL},
                 {"softmax_grad", softmax_grad_rows, NULL},
                 {"log_softmax_grad", softmax_grad_rows, NULL},
                 {"cross_entropy", entropy_rows, entropy_few},
                 {"cross_entropy_grad", entropy_grad_rows, entropy_grad_few}};
    const struct kernel_tensor *x = &s->in[0];
    size_t i = 0;
    while (i < sizeof table / sizeof table[0] && strcmp(table[i].op, s->node->op) != 0)
        i++;
    if (i == sizeof table / sizeof table[0] || x->dtype != RN_F32)
        return 0;
    int64_t last = (int64_t)x->rank - 1, n = x->shape[last];
    bool entropy = table[i].few != NULL;
    if (entropy ? last != 1 : cpu_int(s->node, "axis", -1) != last)
        return 0;
    struct rows *state = malloc(sizeof *state);
    if (!state)
        return rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
    bool few = entropy && n <= FEW;
    int64_t row = !entropy ? 0 : few ? 128 : 400; /* logarithm, target: 30, 100 ns */
    *state = (struct rows){few ? table[i].few : table[i].fn, (int64_t)x->count / n,
                           n * 4 + row}; /* exp */
    s->state = state;
    s->run = run;
    s->kernel = "fused";
    return 1;
}

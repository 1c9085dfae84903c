/* SPDX-License-Identifier: Apache-2.0 */
/* Operators that move elements: strided copies (transpose, slice, broadcast, pad,
 * concat), lookups by index, constants, random numbers. */
#include <stdlib.h>

#include "isa.h"

/* ---------------------------------------------------------- strided copies */

struct copy {
    uint32_t rank, size; /* size: bytes of an element */
    int64_t n[RN_MAX_RANK], from[RN_MAX_RANK], to[RN_MAX_RANK];
    int64_t from_base, to_base, outer; /* outer: cells of all dims but two */
    bool tiled;                        /* dense dims differ: tiles of the last two */
};

static void copy_merge(struct copy *c) {
    uint32_t k = 0;
    for (uint32_t d = 0; d < c->rank; d++) {
        if (c->n[d] == 1)
            continue;
        if (k && c->from[k - 1] == c->from[d] * c->n[d] &&
            c->to[k - 1] == c->to[d] * c->n[d]) {
            c->n[k - 1] *= c->n[d];
            c->from[k - 1] = c->from[d];
            c->to[k - 1] = c->to[d];
        } else {
            c->n[k] = c->n[d];
            c->from[k] = c->from[d];
            c->to[k] = c->to[d];
            k++;
        }
    }
    for (; k < 2; k++) { /* at least two dims, the new ones in front */
        for (uint32_t d = k; d > 0; d--) {
            c->n[d] = c->n[d - 1];
            c->from[d] = c->from[d - 1];
            c->to[d] = c->to[d - 1];
        }
        c->n[0] = 1;
        c->from[0] = c->to[0] = 0;
    }
    c->rank = k;
    if (c->from[k - 1] > 1) /* bring the source's dense dim next to the last */
        for (uint32_t d = 0; d + 1 < k; d++)
            if (c->from[d] == 1 && c->n[d] > 1) {
                int64_t n = c->n[d], from = c->from[d], to = c->to[d];
                for (uint32_t i = d; i + 2 < k; i++) {
                    c->n[i] = c->n[i + 1];
                    c->from[i] = c->from[i + 1];
                    c->to[i] = c->to[i + 1];
                }
                c->n[k - 2] = n;
                c->from[k - 2] = from;
                c->to[k - 2] = to;
                c->tiled = true;
                break;
            }
    c->outer = 1;
    for (uint32_t d = 0; d + 2 < k; d++)
        c->outer *= c->n[d];
}

#define TILE 32
#define PLANE(T, bits)                                                                 \
    static void plane_##bits(const struct copy *c, const void *from, void *to,         \
                             int64_t begin, int64_t end) {                             \
        uint32_t r = c->rank - 2, q = c->rank - 1;                                     \
        int64_t fr = c->from[r], fq = c->from[q], tr = c->to[r], tq = c->to[q];        \
        int64_t n = c->n[q];                                                           \
        if (c->tiled) {                                                                \
            for (int64_t j0 = 0; j0 < n; j0 += TILE)                                   \
                for (int64_t i = begin; i < end; i++) {                                \
                    const T *x = (const T *)from + i * fr + j0 * fq;                   \
                    T *y = (T *)to + i * tr + j0 * tq;                                 \
                    int64_t m = n - j0 < TILE ? n - j0 : TILE;                         \
                    EACH(j, m) y[j * tq] = x[j * fq];                                  \
                }                                                                      \
            return;                                                                    \
        }                                                                              \
        for (int64_t i = begin; i < end; i++) {                                        \
            const T *x = (const T *)from + i * fr;                                     \
            T *y = (T *)to + i * tr;                                                   \
            if (fq == 1 && tq == 1)                                                    \
                memcpy(y, x, (size_t)n * sizeof *y);                                   \
            else if (fq == 0 && tq == 1) {                                             \
                T v = *x;                                                              \
                EACH(j, n) y[j] = v;                                                   \
            } else {                                                                   \
                EACH(j, n) y[j * tq] = x[j * fq];                                      \
            }                                                                          \
        }                                                                              \
    }
PLANE(uint8_t, 8)
PLANE(uint16_t, 16)
PLANE(uint32_t, 32)
PLANE(uint64_t, 64)

struct copying {
    const struct copy *copy;
    const char *from;
    char *to;
};

/* Units: tiles of rows of the next-to-last dim, for each outer cell. */
static void copy_range(void *context, int64_t begin, int64_t end, int thread) {
    const struct copying *w = context;
    const struct copy *c = w->copy;
    int64_t rows = c->n[c->rank - 2], tiles = (rows + TILE - 1) / TILE;
    (void)thread;
    for (int64_t u = begin; u < end; u++) {
        int64_t o = u / tiles, from = c->from_base, to = c->to_base;
        for (uint32_t d = c->rank - 2; d-- > 0;) {
            from += o % c->n[d] * c->from[d];
            to += o % c->n[d] * c->to[d];
            o /= c->n[d];
        }
        int64_t i0 = u % tiles * TILE, i1 = i0 + TILE < rows ? i0 + TILE : rows;
        const char *x = w->from + from * c->size;
        char *y = w->to + to * c->size;
        if (c->size == 4)
            plane_32(c, x, y, i0, i1);
        else if (c->size == 8)
            plane_64(c, x, y, i0, i1);
        else if (c->size == 2)
            plane_16(c, x, y, i0, i1);
        else
            plane_8(c, x, y, i0, i1);
    }
}

static void copy_run(const struct copy *c, const void *from, void *to, int threads) {
    struct copying w = {c, from, to};
    int64_t rows = c->n[c->rank - 2], row = c->n[c->rank - 1];
    int64_t each = (rows < TILE ? rows : TILE) * row;
    cpu_parallel(threads, c->outer * ((rows + TILE - 1) / TILE), 1 + 32768 / (each + 1),
                 copy_range, &w);
}

static int32_t run_copy(const struct cpu_call *c, struct rn_error *e) {
    (void)e;
    copy_run(c->state, c->k.in[0].data, c->k.out[0].data, c->threads);
    return RN_OK;
}

static void strides_of(const struct kernel_tensor *t, int64_t *stride) {
    int64_t step = 1;
    for (uint32_t i = t->rank; i-- > 0;) {
        stride[i] = step;
        step *= t->shape[i];
    }
}

/* ----------------------------------------------------------------- filling */

/* `value` as an element of type t, in the low bytes. */
static uint64_t pattern_of(rn_dtype t, double value) {
    uint64_t bits = 0;
    switch (t) {
    case RN_F32:
        bits = rn_bits_f32((float)value);
        break;
    case RN_F64:
        bits = rn_bits_f64(value);
        break;
    case RN_BF16:
        bits = rn_bf16_from_f32((float)value);
        break;
    case RN_F16:
        bits = rn_f16_from_f32((float)value);
        break;
    case RN_I64:
        bits = (uint64_t)(int64_t)value;
        break;
    case RN_I32:
        bits = (uint32_t)(int32_t)value;
        break;
    case RN_U32:
        bits = (uint32_t)value;
        break;
    case RN_I8:
        bits = (uint8_t)(int8_t)value;
        break;
    default:
        bits = (uint8_t)value;
        break;
    }
    return bits;
}

static void fill_with(void *to, rn_dtype t, double value, int64_t n) {
    uint64_t bits = pattern_of(t, value);
    switch (RN_DTYPE_BYTES(t)) {
    case 8: {
        EACH(i, n)((uint64_t *)to)[i] = bits;
        break;
    }
    case 4: {
        EACH(i, n)((uint32_t *)to)[i] = (uint32_t)bits;
        break;
    }
    case 2: {
        EACH(i, n)((uint16_t *)to)[i] = (uint16_t)bits;
        break;
    }
    default:
        memset(to, (int)bits, (size_t)n);
    }
}

struct filling {
    char *to;
    rn_dtype dtype;
    double value;
};

static void fill_range(void *context, int64_t begin, int64_t end, int thread) {
    const struct filling *f = context;
    (void)thread;
    fill_with(f->to + begin * RN_DTYPE_BYTES(f->dtype), f->dtype, f->value,
              end - begin);
}

static int32_t run_full(const struct cpu_call *c, struct rn_error *e) {
    struct filling f = {c->k.out[0].data, c->k.out[0].dtype,
                        cpu_float(c->k.node, "value", 0.0)};
    (void)e;
    cpu_parallel(c->threads, (int64_t)c->k.out[0].count, 32768, fill_range, &f);
    return RN_OK;
}

static int32_t run_pad(const struct cpu_call *c, struct rn_error *e) {
    run_full(c, e);
    copy_run(c->state, c->k.in[0].data, c->k.out[0].data, c->threads);
    return RN_OK;
}

/* ------------------------------------------------------------------ concat */

struct lines {
    int64_t outer, n, inner;
};

static struct lines lines_of(const struct kernel_tensor *x, int64_t axis) {
    struct lines l = {1, x->shape[axis], 1};
    for (int64_t i = 0; i < (int64_t)x->rank; i++) {
        l.outer *= i < axis ? x->shape[i] : 1;
        l.inner *= i > axis ? x->shape[i] : 1;
    }
    return l;
}

static void concat_rows(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    int64_t axis = cpu_int(c->k.node, "axis", 0), done = 0;
    struct lines l = lines_of(&c->k.out[0], axis);
    size_t size = RN_DTYPE_BYTES(c->k.out[0].dtype);
    (void)thread;
    for (uint32_t k = 0; k < c->k.n_in; k++) {
        int64_t n = c->k.in[k].shape[axis] * l.inner;
        for (int64_t o = begin; o < end; o++)
            memcpy((char *)c->k.out[0].data + (size_t)(o * l.n * l.inner + done) * size,
                   (const char *)c->k.in[k].data + (size_t)(o * n) * size,
                   (size_t)n * size);
        done += n;
    }
}

static int32_t run_concat(const struct cpu_call *c, struct rn_error *e) {
    struct lines l = lines_of(&c->k.out[0], cpu_int(c->k.node, "axis", 0));
    struct cpu_call call = *c;
    (void)e;
    cpu_parallel(c->threads, l.outer, 1 + 32768 / (l.n * l.inner + 1), concat_rows,
                 &call);
    return RN_OK;
}

/* ----------------------------------------------------------------- lookups */

static void gather_rows(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct kernel_tensor *x = &c->k.in[0], *ix = &c->k.in[1], *y = &c->k.out[0];
    struct lines l = lines_of(x, cpu_int(c->k.node, "axis", 0));
    size_t size = RN_DTYPE_BYTES(y->dtype);
    (void)thread;
    for (int64_t u = begin; u < end; u++) {
        int64_t o = u / (int64_t)ix->count, k = u % (int64_t)ix->count;
        int64_t at = kernel_index(ix->data, ix->dtype, (uint64_t)k);
        char *to = (char *)y->data + (size_t)(u * l.inner) * size;
        if (at >= 0 && at < l.n)
            memcpy(to,
                   (const char *)x->data + (size_t)((o * l.n + at) * l.inner) * size,
                   (size_t)l.inner * size);
        else
            fill_with(to, y->dtype,
                      y->dtype == RN_F32 || y->dtype == RN_F64 ? (double)NAN : 0.0,
                      l.inner);
    }
}

static int32_t run_gather(const struct cpu_call *c, struct rn_error *e) {
    struct lines l = lines_of(&c->k.in[0], cpu_int(c->k.node, "axis", 0));
    struct cpu_call call = *c;
    (void)e;
    cpu_parallel(c->threads, l.outer * (int64_t)c->k.in[1].count,
                 1 + 16384 / (l.inner + 1), gather_rows, &call);
    return RN_OK;
}

/* Rows [begin,end) of the table: each range reads all indices and adds its own. */
static void scatter_rows(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct kernel_tensor *x = &c->k.in[0], *ix = &c->k.in[1];
    struct lines l = lines_of(x, cpu_int(c->k.node, "axis", 0));
    const float *u = c->k.in[2].data;
    float *y = c->k.out[0].data;
    (void)thread;
    for (int64_t o = 0; o < l.outer; o++) {
        size_t from = (size_t)((o * l.n + begin) * l.inner);
        if (x->data != (void *)y)
            memcpy(y + from, (const float *)x->data + from,
                   (size_t)((end - begin) * l.inner) * sizeof *y);
        for (int64_t k = 0; k < (int64_t)ix->count; k++) {
            int64_t at = kernel_index(ix->data, ix->dtype, (uint64_t)k);
            if (at < begin || at >= end)
                continue;
            float *to = y + (o * l.n + at) * l.inner;
            const float *add = u + (o * (int64_t)ix->count + k) * l.inner;
            EACH(i, l.inner) to[i] += add[i];
        }
    }
}

static int32_t run_scatter(const struct cpu_call *c, struct rn_error *e) {
    struct lines l = lines_of(&c->k.in[0], cpu_int(c->k.node, "axis", 0));
    struct cpu_call call = *c;
    (void)e;
    cpu_parallel(c->threads, l.n, 1 + 32768 / (l.outer * l.inner + 1), scatter_rows,
                 &call);
    return RN_OK;
}

/* ------------------------------------------------------------------ random */

#define RANDOM_CHUNK 256 /* counters at once */

/* Elements [k, stop) of the row whose counters begin with `row`. */
static void random_row(bool normal, const uint32_t key[2], uint32_t row, uint32_t step,
                       int64_t k, int64_t stop, float *to) {
    int64_t per = normal ? 2 : 4; /* elements of one counter */
    uint32_t words[4][RANDOM_CHUNK];
    float made[4][RANDOM_CHUNK];
    for (int64_t g0 = k / per; g0 * per < stop; g0 += RANDOM_CHUNK) {
        int64_t n = (stop + per - 1) / per - g0;
        n = n < RANDOM_CHUNK ? n : RANDOM_CHUNK;
        EACH(g, n) {
            uint32_t counter[4] = {(uint32_t)(g0 + g), row, step, normal ? 1u : 0u};
            uint32_t out[4];
            rn_philox(counter, key, out);
            words[0][g] = out[0], words[1][g] = out[1];
            words[2][g] = out[2], words[3][g] = out[3];
        }
        if (normal) {
            EACH(g, n) made[0][g] = rn_normal_f32(words[0][g], words[1][g]);
            EACH(g, n) made[1][g] = rn_normal_f32(words[2][g], words[3][g]);
        } else {
            for (int w = 0; w < 4; w++) {
                EACH(g, n) made[w][g] = rn_uniform_f32(words[w][g]);
            }
        }
        for (int64_t g = 0; g < n; g++)
            for (int64_t w = 0; w < per; w++) {
                int64_t at = (g0 + g) * per + w;
                if (at >= k && at < stop)
                    to[at] = made[w][g];
            }
    }
}

static void random_rows(void *context, int64_t begin, int64_t end, int thread) {
    const struct cpu_call *c = context;
    const struct kernel_tensor *y = &c->k.out[0];
    bool by_row = cpu_int(c->k.node, "rows", 1) && y->rank > 0;
    bool normal = strcmp(c->k.node->op, "random_normal") == 0;
    int64_t each = by_row ? (int64_t)y->count / y->shape[0] : (int64_t)y->count;
    uint32_t key[2] = {*(const uint32_t *)c->k.in[0].data,
                       (uint32_t)cpu_int(c->k.node, "stream", 0)};
    uint32_t step = *(const uint32_t *)c->k.in[1].data;
    uint32_t first = *(const uint32_t *)c->k.in[2].data;
    (void)thread;
    for (int64_t i = begin; i < end;) {
        int64_t row = by_row ? i / each : 0, k = by_row ? i % each : i;
        int64_t stop = end - i < each - k ? k + (end - i) : each;
        random_row(normal, key, by_row ? first + (uint32_t)row : 0, step, k, stop,
                   (float *)y->data + i - k);
        i += stop - k;
    }
}

static int32_t run_random(const struct cpu_call *c, struct rn_error *e) {
    struct cpu_call call = *c;
    (void)e;
    cpu_parallel(c->threads, (int64_t)c->k.out[0].count, 2048, random_rows, &call);
    return RN_OK;
}

/* ------------------------------------------------------------------- room */

/* The strided copy that a moving operator is; false: it is none. */
static bool copy_of(const struct cpu_setup *s, struct copy *c) {
    const struct kernel_tensor *x = &s->in[0], *y = &s->out[0];
    const struct rn_attr *perm = rn_node_attr(s->node, "perm");
    const struct rn_attr *start = rn_node_attr(s->node, "start");
    const struct rn_attr *step = rn_node_attr(s->node, "step");
    const struct rn_attr *low = rn_node_attr(s->node, "low");
    const struct rn_attr *interior = rn_node_attr(s->node, "interior");
    const char *op = s->node->op;
    int64_t xs[RN_MAX_RANK], ys[RN_MAX_RANK];
    memset(c, 0, sizeof *c);
    if (s->n_in != 1)
        return false;
    strides_of(x, xs);
    strides_of(y, ys);
    c->size = RN_DTYPE_BYTES(y->dtype);
    c->rank = y->rank;
    if (strcmp(op, "transpose") == 0 && perm) {
        for (uint32_t i = 0; i < y->rank; i++) {
            c->n[i] = y->shape[i];
            c->to[i] = ys[i];
            c->from[i] = xs[((const int64_t *)perm->p)[i]];
        }
    } else if (strcmp(op, "slice") == 0 && start && step) {
        for (uint32_t i = 0; i < y->rank; i++) {
            c->n[i] = y->shape[i];
            c->to[i] = ys[i];
            c->from[i] = xs[i] * ((const int64_t *)step->p)[i];
            c->from_base += xs[i] * ((const int64_t *)start->p)[i];
        }
    } else if (strcmp(op, "broadcast_to") == 0) {
        uint32_t lead = y->rank - x->rank;
        for (uint32_t i = 0; i < y->rank; i++) {
            c->n[i] = y->shape[i];
            c->to[i] = ys[i];
            c->from[i] = i < lead || x->shape[i - lead] == 1 ? 0 : xs[i - lead];
        }
    } else if (strcmp(op, "pad") == 0 && low && x->count) {
        for (uint32_t i = 0; i < y->rank; i++) {
            int64_t between =
                interior && interior->count ? ((const int64_t *)interior->p)[i] : 0;
            c->n[i] = x->shape[i];
            c->from[i] = xs[i];
            c->to[i] = ys[i] * (between + 1);
            c->to_base += ys[i] * ((const int64_t *)low->p)[i];
        }
    } else {
        return false;
    }
    copy_merge(c);
    return true;
}

int32_t CPU_NAME(cpu_move)(struct cpu_setup *s, struct rn_error *e) {
    static const struct {
        const char *op;
        cpu_fn run;
        uint32_t in_place;
    } table[] = {{"full", run_full, 0},           {"concat", run_concat, 0},
                 {"gather", run_gather, 0},       {"embedding", run_gather, 0},
                 {"scatter_add", run_scatter, 1}, {"random_uniform", run_random, 0},
                 {"random_normal", run_random, 0}};
    struct copy c;
    if (copy_of(s, &c)) {
        struct copy *state = malloc(sizeof *state);
        if (!state)
            return rn_fail(e, RN_E_MEMORY, "no memory for a node", NULL, NULL);
        *state = c;
        s->state = state;
        s->run = strcmp(s->node->op, "pad") == 0 ? run_pad : run_copy;
        s->kernel = c.tiled ? "tiles" : "strided";
        return 1;
    }
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].op, s->node->op) != 0)
            continue;
        if (table[i].run == run_scatter && s->in[0].dtype != RN_F32)
            return 0;
        s->run = table[i].run;
        s->in_place = table[i].in_place;
        s->kernel = "moves";
        return 1;
    }
    return 0;
}

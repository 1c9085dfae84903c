/* SPDX-License-Identifier: Apache-2.0 */
/* Attention and its gradient in tiles of 64 queries by 64 keys (Dao et al. 2022): no
 * score outlives its tile. Forward keeps the largest score and the sum of each query;
 * the gradient finds what a key weighs from the logarithm of that sum. Two passes over
 * the tiles give the gradients: one by queries, one by keys and values, so that no
 * block adds to what another adds to, and sums come in one order.
 *
 * T: what is computed in, S: of memory, STEP: rows or columns of a tile that are
 * fetched at once (they and a tile fit 48 KB), COLUMNS: of a result that a block makes;
 * of wider heads one block makes some columns, and finds the scores again. A thread has
 * sixteen elements of a tile. KIT: how products are made, PLAIN or CORES. */

#define SPAN     64         /* queries or keys of a tile */
#define SPAN_ROW (SPAN + 1) /* from one row of it to the next */

#define EXP_f32(x)  rn_exp_f32(x)
#define EXP_f64(x)  rn_exp_f64(x)
#define EXP_bf16(x) rn_exp_f32(x)
#define EXP_f16(x)  rn_exp_f32(x)
#define LOG_f32(x)  rn_log_f32(x)
#define LOG_f64(x)  rn_log_f64(x)
#define LOG_bf16(x) rn_log_f32(x)
#define LOG_f16(x)  rn_log_f32(x)

/* Which element of a tile or a result of `columns` columns a thread's e-th is: 16 rows
 * and columns apart, or as tensor cores have it (mma.m16n8k16), where a warp has 16
 * rows and half of the columns. */
#define PLAIN_ROW(e, columns)    (TX / 16 + 16 * ((e) / ((columns) / 16)))
#define PLAIN_COLUMN(e, columns) (TX % 16 + 16 * ((e) % ((columns) / 16)))
#define CORES_ROW(e, columns)    (TX / 64 * 16 + TX % 32 / 4 + 8 * ((e) / 2 % 2))
#define CORES_COLUMN(e, columns)                                                       \
    (TX / 32 % 2 * ((columns) / 2) + (e) / 4 * 8 + TX % 4 * 2 + (e) % 2)

/* part[p][i] = x[i][p0 + p] of SPAN rows, `row` apart, of which there are `rows`. */
#define FETCH_TURNED(S, STEP, part, x, x_at, row, rows, depth)                         \
    for (uint32_t e = TX; e < SPAN * STEP; e += THREADS) {                             \
        uint32_t i = e / STEP, p = e % STEP;                                           \
        (part)[p * SPAN_ROW + i] = i < (rows) && p0 + p < (depth)                      \
                                       ? LOAD_##S(x, (x_at) + i * (row) + p0 + p)      \
                                       : 0;                                            \
    }

/* acc = x y^T, rows of x by rows of y. Uses `part`; ends with a phase that reads it. */
#define PLAIN_SCORES(T, S, STEP, acc, x, x_at, x_rows, y, y_at, y_rows, row, depth)    \
    EACH_THREAD {                                                                      \
        for (int r = 0; r < 16; r++)                                                   \
            MINE(acc)[r] = 0;                                                          \
    }                                                                                  \
    SYNC();                                                                            \
    for (int64_t p0 = 0; p0 < (depth); p0 += STEP) {                                   \
        EACH_THREAD {                                                                  \
            FETCH_TURNED(S, STEP, part, x, x_at, row, x_rows, depth);                  \
            FETCH_TURNED(S, STEP, part + STEP * SPAN_ROW, y, y_at, row, y_rows,        \
                         depth);                                                       \
        }                                                                              \
        SYNC();                                                                        \
        EACH_THREAD {                                                                  \
            UNROLL(4)                                                                  \
            for (int p = 0; p < STEP; p++)                                             \
                for (int n = 0; n < 16; n++)                                           \
                    MINE(acc)                                                          \
            [n] = MULADD_##S(part[p * SPAN_ROW + PLAIN_ROW(n, SPAN)],                  \
                             part[(STEP + p) * SPAN_ROW + PLAIN_COLUMN(n, SPAN)],      \
                             MINE(acc)[n]);                                            \
        }                                                                              \
        SYNC();                                                                        \
    }

#define BY_ROW(i, k)    ((i)*SPAN_ROW + (k))
#define BY_COLUMN(i, k) ((k)*SPAN_ROW + (i))

/* sum += the tile, or the tile turned around, by rows of x, of which there are `rows`,
 * with `columns` from x_at on. */
#define PLAIN_WEIGH(S, STEP, COLUMNS, AT, sum, x, x_at, row, rows, columns)            \
    for (int k0 = 0; k0 < SPAN && k0 < (rows); k0 += STEP) {                           \
        EACH_THREAD {                                                                  \
            for (uint32_t e = TX; e < STEP * COLUMNS; e += THREADS) {                  \
                uint32_t k = k0 + e / COLUMNS, d = e % COLUMNS;                        \
                part[e] = k < (rows) && d < (columns)                                  \
                              ? LOAD_##S(x, (x_at) + k * (row) + d)                    \
                              : 0;                                                     \
            }                                                                          \
        }                                                                              \
        SYNC();                                                                        \
        EACH_THREAD {                                                                  \
            UNROLL(4)                                                                  \
            for (int k = 0; k < STEP; k++)                                             \
                for (int n = 0; n < COLUMNS / 4; n++)                                  \
                    MINE(sum)                                                          \
            [n] = MULADD_##S(tile[AT(PLAIN_ROW(n, COLUMNS), k0 + k)],                  \
                             part[k * COLUMNS + PLAIN_COLUMN(n, COLUMNS)],             \
                             MINE(sum)[n]);                                            \
        }                                                                              \
        SYNC();                                                                        \
    }

#define PLAIN_PARTS(T, STEP, COLUMNS) SHARED(T, part, 2 * STEP * SPAN_ROW)

/* ---- the same by tensor cores: operands of 16 bits, sums in f32; what comes from a
 * tile is rounded first. `part` holds rows as they are. */

#define PAIRED    (SPAN + 8) /* columns at once and from one row to the next */
#define CORES_ALL (2 * SPAN * PAIRED)
#define CORES_PARTS(T, STEP, COLUMNS)                                                  \
    SHARED(uint16_t, part, CORES_ALL);                                                 \
    LOCAL(uint32_t, fa, 4);                                                            \
    LOCAL(uint32_t, fb, COLUMNS / 8 < 8 ? 8 : COLUMNS / 8)

/* part[i][d] = x[i][d] of SPAN rows and `most` columns, or 0. */
#define FETCH(part, part_row, most, x, x_at, row, rows, columns)                       \
    for (uint32_t e = TX; e < SPAN * most; e += THREADS) {                             \
        uint32_t i = e / most, d = e % most;                                           \
        (part)[i * (part_row) + d] =                                                   \
            i < (rows) && d < (columns)                                                \
                ? ((const uint16_t *)(x))[(x_at) + i * (row) + d]                      \
                : (uint16_t)0;                                                         \
    }

/* Registers of fragments: of A row and column, of B (column of the result) and row. */
#define A_ROW(r)             (TX / 64 * 16 + TX % 32 / 4 + 8 * ((r) % 2))
#define A_COLUMN(r)          (TX % 4 * 2 + 8 * ((r) / 2))
#define B_COLUMN(n, columns) (TX / 32 % 2 * ((columns) / 2) + (n) / 2 * 8 + TX % 32 / 4)
#define B_ROW(n)             (TX % 4 * 2 + 8 * ((n) % 2))

#define CORES_SCORES(T, S, STEP, acc, x, x_at, x_rows, y, y_at, y_rows, row, depth)    \
    EACH_THREAD {                                                                      \
        for (int r = 0; r < 16; r++)                                                   \
            MINE(acc)[r] = 0;                                                          \
    }                                                                                  \
    SYNC();                                                                            \
    for (int64_t p0 = 0; p0 < (depth); p0 += SPAN) {                                   \
        EACH_THREAD {                                                                  \
            FETCH(part, PAIRED, SPAN, x, (x_at) + p0, row, x_rows, (depth)-p0);        \
            FETCH(part + SPAN * PAIRED, PAIRED, SPAN, y, (y_at) + p0, row, y_rows,     \
                  (depth)-p0);                                                         \
        }                                                                              \
        SYNC();                                                                        \
        for (int k0 = 0; k0 < SPAN && p0 + k0 < (depth); k0 += 16) {                   \
            EACH_THREAD {                                                              \
                for (int r = 0; r < 4; r++)                                            \
                    MINE(fa)[r] = PAIR(part + A_ROW(r) * PAIRED + k0 + A_COLUMN(r));   \
                for (int n = 0; n < 8; n++)                                            \
                    MINE(fb)                                                           \
                    [n] = PAIR(part + (SPAN + B_COLUMN(n, SPAN)) * PAIRED + k0 +       \
                               B_ROW(n));                                              \
            }                                                                          \
            WARP();                                                                    \
            EACH_THREAD {                                                              \
                for (int n = 0; n < 4; n++)                                            \
                    MMA_##S(acc, 4 * n, fa, fb, 2 * n);                                \
            }                                                                          \
            WARP();                                                                    \
        }                                                                              \
        SYNC();                                                                        \
    }

#define CORES_WEIGH(S, STEP, COLUMNS, AT, sum, x, x_at, row, rows, columns)            \
    EACH_THREAD {                                                                      \
        FETCH(part, COLUMNS + 8, COLUMNS, x, x_at, row, rows, columns);                \
    }                                                                                  \
    SYNC();                                                                            \
    for (int k0 = 0; k0 < SPAN && k0 < (rows); k0 += 16) {                             \
        EACH_THREAD {                                                                  \
            for (int r = 0; r < 4; r++)                                                \
                MINE(fa)                                                               \
            [r] =                                                                      \
                (uint32_t)rn_##S##_from_f32(tile[AT(A_ROW(r), k0 + A_COLUMN(r))]) |    \
                (uint32_t)rn_##S##_from_f32(tile[AT(A_ROW(r), k0 + A_COLUMN(r) + 1)])  \
                    << 16;                                                             \
            for (int n = 0; n < COLUMNS / 8; n++) {                                    \
                const uint16_t *at =                                                   \
                    part + (k0 + B_ROW(n)) * (COLUMNS + 8) + B_COLUMN(n, COLUMNS);     \
                MINE(fb)[n] = (uint32_t)at[0] | (uint32_t)at[COLUMNS + 8] << 16;       \
            }                                                                          \
        }                                                                              \
        WARP();                                                                        \
        EACH_THREAD {                                                                  \
            for (int n = 0; n < COLUMNS / 16; n++)                                     \
                MMA_##S(sum, 4 * n, fa, fb, 2 * n);                                    \
        }                                                                              \
        WARP();                                                                        \
    }                                                                                  \
    SYNC();

#define ATTENTION_ZERO(sum, COLUMNS)                                                   \
    for (int r = 0; r < COLUMNS / 4; r++)                                              \
    MINE(sum)[r] = 0

/* `body` for what a thread has of the sums: row i, column d of the block's result. */
#define EACH_SUM(KIT, COLUMNS, rows, columns, body)                                    \
    for (int e = 0; e < COLUMNS / 4; e++) {                                            \
        const int64_t i = KIT##_ROW(e, COLUMNS), d = KIT##_COLUMN(e, COLUMNS);         \
        if (i < (rows) && d < (columns)) {                                             \
            body;                                                                      \
        }                                                                              \
    }

/* The unit's place: batch b, head h, block of queries or keys, first of the columns. */
#define ATTENTION_UNIT(COLUMNS)                                                        \
    const int64_t column = (int64_t)unit % a.cuts * COLUMNS;                           \
    const int64_t block = (int64_t)unit / a.cuts % a.blocks;                           \
    const int64_t h = (int64_t)unit / a.cuts / a.blocks % a.heads;                     \
    const int64_t b = (int64_t)unit / a.cuts / a.blocks / a.heads;                     \
    const int64_t deep = a.heads * a.depth, broad = a.heads * a.width;                 \
    const int64_t q_at = b * a.rows * deep + h * a.depth;                              \
    const int64_t k_at = b * a.keys * deep + h * a.depth;                              \
    const int64_t v_at = b * a.keys * broad + h * a.width;                             \
    const int64_t y_at = b * a.rows * broad + h * a.width;                             \
    const int64_t sums_at = b * a.rows * a.heads + h;

/* Does query `first` + i see key j0 + j? */
#define SEES(i, j)                                                                     \
    (j0 + (j) < a.keys && (!a.causal || j0 + (j) <= first + (int64_t)(i)))

#define ATTENTION(KIT, T, S, STEP, COLUMNS)                                            \
    KERNEL(attention_##COLUMNS##_##S, attention_args) {                                \
        KIT##_PARTS(T, STEP, COLUMNS);                                                 \
        SHARED(T, tile, SPAN *SPAN_ROW);                                               \
        SHARED(T, lane, THREADS);                                                      \
        SHARED(T, top, SPAN);                                                          \
        SHARED(T, total, SPAN);                                                        \
        SHARED(T, correct, SPAN);                                                      \
        LOCAL(T, acc, 16);                                                             \
        LOCAL(T, sum, COLUMNS / 4);                                                    \
        for (uint64_t unit = BX; unit < a.units; unit += GRID) {                       \
            ATTENTION_UNIT(COLUMNS)                                                    \
            /* the last queries see most keys: they come first */                      \
            const int64_t first = (a.causal ? a.blocks - 1 - block : block) * SPAN;    \
            const int64_t end =                                                        \
                a.causal && first + SPAN < a.keys ? first + SPAN : a.keys;             \
            EACH_THREAD {                                                              \
                ATTENTION_ZERO(sum, COLUMNS);                                          \
                if (TX < SPAN)                                                         \
                    top[TX] = -INFINITY, total[TX] = 0;                                \
            }                                                                          \
            SYNC();                                                                    \
            for (int64_t j0 = 0; j0 < end; j0 += SPAN) {                               \
                KIT##_SCORES(T, S, STEP, acc, a.q, q_at + first * deep,                \
                             a.rows - first, a.k, k_at + j0 * deep, a.keys - j0, deep, \
                             a.depth) EACH_THREAD {                                    \
                    for (int e = 0; e < 16; e++)                                       \
                        tile[BY_ROW(KIT##_ROW(e, SPAN), KIT##_COLUMN(e, SPAN))] =      \
                            MINE(acc)[e] * (T)a.scale;                                 \
                }                                                                      \
                SYNC();                                                                \
                /* Four threads have a row, 64 apart. A NaN is not a largest: it comes    \
                 * out of exp. */                                                      \
                EACH_THREAD {                                                          \
                    const uint32_t i = TX % SPAN, j = TX / SPAN * 16;                  \
                    T best = -INFINITY;                                                \
                    for (uint32_t n = j; n < j + 16; n++) {                            \
                        T v = tile[BY_ROW(i, n)];                                      \
                        best = SEES(i, n) && v > best ? v : best;                      \
                    }                                                                  \
                    lane[TX] = best;                                                   \
                }                                                                      \
                SYNC();                                                                \
                EACH_THREAD {                                                          \
                    if (TX < SPAN) {                                                   \
                        T best = top[TX];                                              \
                        for (uint32_t n = TX; n < THREADS; n += SPAN)                  \
                            best = lane[n] > best ? lane[n] : best;                    \
                        correct[TX] =                                                  \
                            best > -INFINITY ? EXP_##S(top[TX] - best) : (T)1;         \
                        top[TX] = best;                                                \
                    }                                                                  \
                }                                                                      \
                SYNC();                                                                \
                EACH_THREAD {                                                          \
                    const uint32_t i = TX % SPAN, j = TX / SPAN * 16;                  \
                    const T less = top[i] > -INFINITY ? top[i] : (T)0;                 \
                    T some = 0;                                                        \
                    for (uint32_t n = j; n < j + 16; n++) {                            \
                        T p = SEES(i, n) ? EXP_##S(tile[BY_ROW(i, n)] - less) : (T)0;  \
                        tile[BY_ROW(i, n)] = p;                                        \
                        some += p;                                                     \
                    }                                                                  \
                    lane[TX] = some;                                                   \
                }                                                                      \
                SYNC();                                                                \
                EACH_THREAD {                                                          \
                    if (TX < SPAN)                                                     \
                        total[TX] = total[TX] * correct[TX] +                          \
                                    ((lane[TX] + lane[TX + SPAN]) +                    \
                                     (lane[TX + 2 * SPAN] + lane[TX + 3 * SPAN]));     \
                    for (int e = 0; e < COLUMNS / 4; e++)                              \
                        MINE(sum)[e] *= correct[KIT##_ROW(e, COLUMNS)];                \
                }                                                                      \
                SYNC();                                                                \
                KIT##_WEIGH(S, STEP, COLUMNS, BY_ROW, sum, a.v,                        \
                            v_at + j0 * broad + column, broad, a.keys - j0,            \
                            a.width - column)                                          \
            }                                                                          \
            EACH_THREAD {                                                              \
                if (a.y)                                                               \
                    EACH_SUM(KIT, COLUMNS, a.rows - first, a.width - column,           \
                             STORE_##S(a.y, y_at + (first + i) * broad + column + d,   \
                                       MINE(sum)[e] / total[i]))                       \
                if (a.sums && column == 0 && TX < SPAN && first + TX < a.rows)         \
                    ((T *)a.sums)[sums_at + (first + TX) * a.heads] =                  \
                        top[TX] > -INFINITY ? top[TX] + LOG_##S(total[TX]) : (T)NAN;   \
            }                                                                          \
            SYNC();                                                                    \
        }                                                                              \
    }

/* What every element of a row of scores' gradients is lowered by: sum(gy y) - glse. */
#define ATTENTION_LESS(T, S)                                                           \
    KERNEL(attention_less_##S, attention_args) {                                       \
        SHARED(T, lane, THREADS);                                                      \
        const int64_t lines = a.batch * a.rows * a.heads;                              \
        for (int64_t first = (int64_t)BX * PER; first < lines;                         \
             first += (int64_t)GRID * PER) {                                           \
            EACH_THREAD {                                                              \
                const int64_t line = first + TX / LANES, at = line * a.width;          \
                T some = 0;                                                            \
                for (int64_t d = TX % LANES; line < lines && d < a.width; d += LANES)  \
                    some += LOAD_##S(a.gy, at + d) * LOAD_##S(a.yy, at + d);           \
                lane[TX] = some;                                                       \
            }                                                                          \
            SYNC();                                                                    \
            ADD_LANES(lane)                                                            \
            EACH_THREAD {                                                              \
                if (TX < PER && first + TX < lines)                                    \
                    ((T *)a.less)[first + TX] =                                        \
                        lane[TX * LANES] -                                             \
                        (a.gsums ? ((const T *)a.gsums)[first + TX] : (T)0);           \
            }                                                                          \
            SYNC();                                                                    \
        }                                                                              \
    }

/* Of queries `first`.. and keys j0..: acc the scores, gp the gradients of what each
 * key weighs; top and less of the queries. */
#define ATTENTION_AGAIN(KIT, T, S, STEP)                                               \
    EACH_THREAD {                                                                      \
        if (TX < SPAN) {                                                               \
            const int64_t i = sums_at + (first + TX) * a.heads;                        \
            const int there = first + TX < a.rows;                                     \
            top[TX] = there ? ((const T *)a.sums)[i] : (T)0;                           \
            less[TX] = there ? ((const T *)a.less)[i] : (T)0;                          \
        }                                                                              \
    }                                                                                  \
    SYNC();                                                                            \
    KIT##_SCORES(T, S, STEP, acc, a.q, q_at + first * deep, a.rows - first, a.k,       \
                 k_at + j0 * deep, a.keys - j0, deep, a.depth)                         \
        KIT##_SCORES(T, S, STEP, gp, a.gy, y_at + first * broad, a.rows - first, a.v,  \
                     v_at + j0 * broad, a.keys - j0, broad, a.width)

/* What a key of the tile weighs for a query, and the gradient of their score, by
 * their scores and the gradient of that weight; nothing where it is not seen. */
#define BOTH_THERE(KIT, e)                                                             \
    (first + KIT##_ROW(e, SPAN) < a.rows &&                                            \
     SEES(KIT##_ROW(e, SPAN), KIT##_COLUMN(e, SPAN)))
#define WEIGHT(KIT, T, S, e)                                                           \
    (BOTH_THERE(KIT, e) ? EXP_##S(MINE(acc)[e] * (T)a.scale - top[KIT##_ROW(e, SPAN)]) \
                        : (T)0)
#define SLOPE(KIT, T, p, e)                                                            \
    (BOTH_THERE(KIT, e) ? (p) * (MINE(gp)[e] - less[KIT##_ROW(e, SPAN)]) * (T)a.scale  \
                        : (T)0)

#define ATTENTION_GRAD(KIT, T, S, STEP, COLUMNS)                                       \
    KERNEL(attention_grad_q_##COLUMNS##_##S, attention_args) {                         \
        KIT##_PARTS(T, STEP, COLUMNS);                                                 \
        SHARED(T, tile, SPAN *SPAN_ROW);                                               \
        SHARED(T, top, SPAN);                                                          \
        SHARED(T, less, SPAN);                                                         \
        LOCAL(T, acc, 16);                                                             \
        LOCAL(T, gp, 16);                                                              \
        LOCAL(T, sum, COLUMNS / 4);                                                    \
        for (uint64_t unit = BX; unit < a.units; unit += GRID) {                       \
            ATTENTION_UNIT(COLUMNS)                                                    \
            const int64_t first = (a.causal ? a.blocks - 1 - block : block) * SPAN;    \
            const int64_t end =                                                        \
                a.causal && first + SPAN < a.keys ? first + SPAN : a.keys;             \
            EACH_THREAD {                                                              \
                ATTENTION_ZERO(sum, COLUMNS);                                          \
            }                                                                          \
            SYNC();                                                                    \
            for (int64_t j0 = 0; j0 < end; j0 += SPAN) {                               \
                ATTENTION_AGAIN(KIT, T, S, STEP)                                       \
                EACH_THREAD {                                                          \
                    for (int e = 0; e < 16; e++) {                                     \
                        T p = WEIGHT(KIT, T, S, e);                                    \
                        tile[BY_ROW(KIT##_ROW(e, SPAN), KIT##_COLUMN(e, SPAN))] =      \
                            SLOPE(KIT, T, p, e);                                       \
                    }                                                                  \
                }                                                                      \
                SYNC();                                                                \
                KIT##_WEIGH(S, STEP, COLUMNS, BY_ROW, sum, a.k,                        \
                            k_at + j0 * deep + column, deep, a.keys - j0,              \
                            a.depth - column)                                          \
            }                                                                          \
            EACH_THREAD{                                                               \
                EACH_SUM(KIT, COLUMNS, a.rows - first, a.depth - column,               \
                         STORE_##S(a.gq, q_at + (first + i) * deep + column + d,       \
                                   MINE(sum)[e]))} SYNC();                             \
        }                                                                              \
    }                                                                                  \
    KERNEL(attention_grad_kv_##COLUMNS##_##S, attention_args) {                        \
        KIT##_PARTS(T, STEP, COLUMNS);                                                 \
        SHARED(T, tile, SPAN *SPAN_ROW);                                               \
        SHARED(T, top, SPAN);                                                          \
        SHARED(T, less, SPAN);                                                         \
        LOCAL(T, acc, 16);                                                             \
        LOCAL(T, gp, 16);                                                              \
        LOCAL(T, of_k, COLUMNS / 4);                                                   \
        LOCAL(T, of_v, COLUMNS / 4);                                                   \
        for (uint64_t unit = BX; unit < a.units; unit += GRID) {                       \
            ATTENTION_UNIT(COLUMNS)                                                    \
            const int64_t j0 = block * SPAN;                                           \
            EACH_THREAD {                                                              \
                ATTENTION_ZERO(of_k, COLUMNS);                                         \
                ATTENTION_ZERO(of_v, COLUMNS);                                         \
            }                                                                          \
            SYNC();                                                                    \
            for (int64_t first = a.causal ? j0 : 0; first < a.rows; first += SPAN) {   \
                ATTENTION_AGAIN(KIT, T, S, STEP)                                       \
                EACH_THREAD {                                                          \
                    for (int e = 0; e < 16; e++) {                                     \
                        T p = WEIGHT(KIT, T, S, e);                                    \
                        tile[BY_ROW(KIT##_ROW(e, SPAN), KIT##_COLUMN(e, SPAN))] = p;   \
                        MINE(gp)[e] = SLOPE(KIT, T, p, e);                             \
                    }                                                                  \
                }                                                                      \
                SYNC();                                                                \
                if (a.gv && column < a.width) {                                        \
                    KIT##_WEIGH(S, STEP, COLUMNS, BY_COLUMN, of_v, a.gy,               \
                                y_at + first * broad + column, broad, a.rows - first,  \
                                a.width - column)                                      \
                }                                                                      \
                EACH_THREAD {                                                          \
                    for (int e = 0; e < 16; e++)                                       \
                        tile[BY_ROW(KIT##_ROW(e, SPAN), KIT##_COLUMN(e, SPAN))] =      \
                            MINE(gp)[e];                                               \
                }                                                                      \
                SYNC();                                                                \
                if (a.gk && column < a.depth) {                                        \
                    KIT##_WEIGH(S, STEP, COLUMNS, BY_COLUMN, of_k, a.q,                \
                                q_at + first * deep + column, deep, a.rows - first,    \
                                a.depth - column)                                      \
                }                                                                      \
            }                                                                          \
            EACH_THREAD {                                                              \
                if (a.gk)                                                              \
                    EACH_SUM(KIT, COLUMNS, a.keys - j0, a.depth - column,              \
                             STORE_##S(a.gk, k_at + (j0 + i) * deep + column + d,      \
                                       MINE(of_k)[e]))                                 \
                if (a.gv)                                                              \
                    EACH_SUM(KIT, COLUMNS, a.keys - j0, a.width - column,              \
                             STORE_##S(a.gv, v_at + (j0 + i) * broad + column + d,     \
                                       MINE(of_v)[e]))                                 \
            }                                                                          \
            SYNC();                                                                    \
        }                                                                              \
    }

#if KERNEL_TYPES & KERNELS_F32
ATTENTION_LESS(float, f32)
ATTENTION(PLAIN, float, f32, 32, 64)
ATTENTION(PLAIN, float, f32, 32, 128)
ATTENTION_GRAD(PLAIN, float, f32, 32, 64)
ATTENTION_GRAD(PLAIN, float, f32, 32, 128)
#endif
#if KERNEL_TYPES & KERNELS_F64
ATTENTION_LESS(double, f64)
ATTENTION(PLAIN, double, f64, 8, 64)
ATTENTION_GRAD(PLAIN, double, f64, 8, 64)
#endif
#if KERNEL_TYPES & KERNELS_BF16 && TENSOR_CORES
ATTENTION_LESS(float, bf16)
ATTENTION(CORES, float, bf16, 0, 64)
ATTENTION(CORES, float, bf16, 0, 128)
ATTENTION_GRAD(CORES, float, bf16, 0, 64)
ATTENTION_GRAD(CORES, float, bf16, 0, 128)
#endif
#if KERNEL_TYPES & KERNELS_F16
ATTENTION_LESS(float, f16)
ATTENTION(PLAIN, float, f16, 32, 64)
ATTENTION(PLAIN, float, f16, 32, 128)
ATTENTION_GRAD(PLAIN, float, f16, 32, 64)
ATTENTION_GRAD(PLAIN, float, f16, 32, 128)
#endif

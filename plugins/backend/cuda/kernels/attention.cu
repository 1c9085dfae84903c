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
 * 4 x 4 of a tile: rows TX / 16 + 16 r, columns TX % 16 + 16 c. */

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

#define ROW_OF(r)    (TX / 16 + 16 * (r))
#define COLUMN_OF(c) (TX % 16 + 16 * (c))

/* part[p][i] = x[i][p0 + p] of SPAN rows, `row` apart, of which there are `rows`. */
#define FETCH_TURNED(S, STEP, part, x, x_at, row, rows, depth)                         \
    for (uint32_t e = TX; e < SPAN * STEP; e += THREADS) {                             \
        uint32_t i = e / STEP, p = e % STEP;                                           \
        (part)[p * SPAN_ROW + i] = i < (rows) && p0 + p < (depth)                      \
                                       ? LOAD_##S(x, (x_at) + i * (row) + p0 + p)      \
                                       : 0;                                            \
    }

/* acc = x y^T, rows of x by rows of y. Uses `part`; ends with a phase that reads it. */
#define ATTENTION_SCORES(T, S, STEP, acc, x, x_at, x_rows, y, y_at, y_rows, row,       \
                         depth)                                                        \
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
                for (int r = 0; r < 4; r++)                                            \
                    for (int c = 0; c < 4; c++)                                        \
                        MINE(acc)                                                      \
            [r * 4 + c] = MULADD_##S(part[p * SPAN_ROW + ROW_OF(r)],                   \
                                     part[(STEP + p) * SPAN_ROW + COLUMN_OF(c)],       \
                                     MINE(acc)[r * 4 + c]);                            \
        }                                                                              \
        SYNC();                                                                        \
    }

#define BY_ROW(i, k)    ((i)*SPAN_ROW + (k))
#define BY_COLUMN(i, k) ((k)*SPAN_ROW + (i))

/* sum += the tile, or the tile turned around, by rows of x, of which there are `rows`,
 * with `columns` from x_at on. */
#define ATTENTION_WEIGH(S, STEP, COLUMNS, AT, sum, x, x_at, row, rows, columns)        \
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
                for (int r = 0; r < 4; r++)                                            \
                    for (int c = 0; c < COLUMNS / 16; c++)                             \
                        MINE(sum)                                                      \
            [r * (COLUMNS / 16) + c] = MULADD_##S(tile[AT(ROW_OF(r), k0 + k)],         \
                                                  part[k * COLUMNS + COLUMN_OF(c)],    \
                                                  MINE(sum)[r * (COLUMNS / 16) + c]);  \
        }                                                                              \
        SYNC();                                                                        \
    }

#define ATTENTION_ZERO(sum, COLUMNS)                                                   \
    for (int r = 0; r < COLUMNS / 4; r++)                                              \
    MINE(sum)[r] = 0

/* `body` for what a thread has of the sums: row i, column d of the block's result. */
#define EACH_SUM(sum, COLUMNS, rows, columns, body)                                    \
    for (int r = 0; r < 4; r++)                                                        \
        for (int c = 0; c < COLUMNS / 16; c++) {                                       \
            const int64_t i = ROW_OF(r), d = COLUMN_OF(c);                             \
            if (i < (rows) && d < (columns)) {                                         \
                body;                                                                  \
            }                                                                          \
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

#define ATTENTION(T, S, STEP, COLUMNS)                                                 \
    KERNEL(attention_##COLUMNS##_##S, attention_args) {                                \
        SHARED(T, part, 2 * STEP * SPAN_ROW);                                          \
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
                ATTENTION_SCORES(T, S, STEP, acc, a.q, q_at + first * deep,            \
                                 a.rows - first, a.k, k_at + j0 * deep, a.keys - j0,   \
                                 deep, a.depth)                                        \
                EACH_THREAD {                                                          \
                    for (int r = 0; r < 4; r++)                                        \
                        for (int c = 0; c < 4; c++)                                    \
                            tile[BY_ROW(ROW_OF(r), COLUMN_OF(c))] =                    \
                                MINE(acc)[r * 4 + c] * (T)a.scale;                     \
                }                                                                      \
                SYNC();                                                                \
                /* Four threads have a row, 64 apart. A NaN is no largest: it comes    \
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
                    for (int r = 0; r < 4; r++)                                        \
                        for (int c = 0; c < COLUMNS / 16; c++)                         \
                            MINE(sum)[r * (COLUMNS / 16) + c] *= correct[ROW_OF(r)];   \
                }                                                                      \
                SYNC();                                                                \
                ATTENTION_WEIGH(S, STEP, COLUMNS, BY_ROW, sum, a.v,                    \
                                v_at + j0 * broad + column, broad, a.keys - j0,        \
                                a.width - column)                                      \
            }                                                                          \
            EACH_THREAD {                                                              \
                if (a.y)                                                               \
                    EACH_SUM(sum, COLUMNS, a.rows - first, a.width - column,           \
                             STORE_##S(a.y, y_at + (first + i) * broad + column + d,   \
                                       MINE(sum)[r * (COLUMNS / 16) + c] / total[i]))  \
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
#define ATTENTION_AGAIN(T, S, STEP)                                                    \
    EACH_THREAD {                                                                      \
        if (TX < SPAN) {                                                               \
            const int64_t i = sums_at + (first + TX) * a.heads;                        \
            const int there = first + TX < a.rows;                                     \
            top[TX] = there ? ((const T *)a.sums)[i] : (T)0;                           \
            less[TX] = there ? ((const T *)a.less)[i] : (T)0;                          \
        }                                                                              \
    }                                                                                  \
    SYNC();                                                                            \
    ATTENTION_SCORES(T, S, STEP, acc, a.q, q_at + first * deep, a.rows - first, a.k,   \
                     k_at + j0 * deep, a.keys - j0, deep, a.depth)                     \
    ATTENTION_SCORES(T, S, STEP, gp, a.gy, y_at + first * broad, a.rows - first, a.v,  \
                     v_at + j0 * broad, a.keys - j0, broad, a.width)

/* What a key of the tile weighs for a query, and the gradient of their score, by
 * their scores and the gradient of that weight; nothing where it is not seen. */
#define BOTH_THERE(r, c) (first + ROW_OF(r) < a.rows && SEES(ROW_OF(r), COLUMN_OF(c)))
#define WEIGHT(T, S, r, c)                                                             \
    (BOTH_THERE(r, c) ? EXP_##S(MINE(acc)[(r)*4 + (c)] * (T)a.scale - top[ROW_OF(r)])  \
                      : (T)0)
#define SLOPE(T, p, r, c)                                                              \
    (BOTH_THERE(r, c) ? (p) * (MINE(gp)[(r)*4 + (c)] - less[ROW_OF(r)]) * (T)a.scale   \
                      : (T)0)

#define ATTENTION_GRAD(T, S, STEP, COLUMNS)                                            \
    KERNEL(attention_grad_q_##COLUMNS##_##S, attention_args) {                         \
        SHARED(T, part, 2 * STEP * SPAN_ROW);                                          \
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
                ATTENTION_AGAIN(T, S, STEP)                                            \
                EACH_THREAD {                                                          \
                    for (int r = 0; r < 4; r++)                                        \
                        for (int c = 0; c < 4; c++) {                                  \
                            T p = WEIGHT(T, S, r, c);                                  \
                            tile[BY_ROW(ROW_OF(r), COLUMN_OF(c))] = SLOPE(T, p, r, c); \
                        }                                                              \
                }                                                                      \
                SYNC();                                                                \
                ATTENTION_WEIGH(S, STEP, COLUMNS, BY_ROW, sum, a.k,                    \
                                k_at + j0 * deep + column, deep, a.keys - j0,          \
                                a.depth - column)                                      \
            }                                                                          \
            EACH_THREAD{                                                               \
                EACH_SUM(sum, COLUMNS, a.rows - first, a.depth - column,               \
                         STORE_##S(a.gq, q_at + (first + i) * deep + column + d,       \
                                   MINE(sum)[r * (COLUMNS / 16) + c]))} SYNC();        \
        }                                                                              \
    }                                                                                  \
    KERNEL(attention_grad_kv_##COLUMNS##_##S, attention_args) {                        \
        SHARED(T, part, 2 * STEP * SPAN_ROW);                                          \
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
                ATTENTION_AGAIN(T, S, STEP)                                            \
                EACH_THREAD {                                                          \
                    for (int r = 0; r < 4; r++)                                        \
                        for (int c = 0; c < 4; c++) {                                  \
                            T p = WEIGHT(T, S, r, c);                                  \
                            tile[BY_ROW(ROW_OF(r), COLUMN_OF(c))] = p;                 \
                            MINE(gp)                                                   \
                            [r * 4 + c] = SLOPE(T, p, r, c);                           \
                        }                                                              \
                }                                                                      \
                SYNC();                                                                \
                if (a.gv && column < a.width) {                                        \
                    ATTENTION_WEIGH(S, STEP, COLUMNS, BY_COLUMN, of_v, a.gy,           \
                                    y_at + first * broad + column, broad,              \
                                    a.rows - first, a.width - column)                  \
                }                                                                      \
                EACH_THREAD {                                                          \
                    for (int r = 0; r < 4; r++)                                        \
                        for (int c = 0; c < 4; c++)                                    \
                            tile[BY_ROW(ROW_OF(r), COLUMN_OF(c))] =                    \
                                MINE(gp)[r * 4 + c];                                   \
                }                                                                      \
                SYNC();                                                                \
                if (a.gk && column < a.depth) {                                        \
                    ATTENTION_WEIGH(S, STEP, COLUMNS, BY_COLUMN, of_k, a.q,            \
                                    q_at + first * deep + column, deep,                \
                                    a.rows - first, a.depth - column)                  \
                }                                                                      \
            }                                                                          \
            EACH_THREAD {                                                              \
                if (a.gk)                                                              \
                    EACH_SUM(of_k, COLUMNS, a.keys - j0, a.depth - column,             \
                             STORE_##S(a.gk, k_at + (j0 + i) * deep + column + d,      \
                                       MINE(of_k)[r * (COLUMNS / 16) + c]))            \
                if (a.gv)                                                              \
                    EACH_SUM(of_v, COLUMNS, a.keys - j0, a.width - column,             \
                             STORE_##S(a.gv, v_at + (j0 + i) * broad + column + d,     \
                                       MINE(of_v)[r * (COLUMNS / 16) + c]))            \
            }                                                                          \
            SYNC();                                                                    \
        }                                                                              \
    }

#if KERNEL_TYPES & KERNELS_F32
ATTENTION_LESS(float, f32)
ATTENTION(float, f32, 32, 64)
ATTENTION(float, f32, 32, 128)
ATTENTION_GRAD(float, f32, 32, 64)
ATTENTION_GRAD(float, f32, 32, 128)
#endif
#if KERNEL_TYPES & KERNELS_F64
ATTENTION_LESS(double, f64)
ATTENTION(double, f64, 8, 64)
ATTENTION_GRAD(double, f64, 8, 64)
#endif
#if KERNEL_TYPES & KERNELS_BF16
ATTENTION_LESS(float, bf16)
ATTENTION(float, bf16, 32, 64)
ATTENTION(float, bf16, 32, 128)
ATTENTION_GRAD(float, bf16, 32, 64)
ATTENTION_GRAD(float, bf16, 32, 128)
#endif
#if KERNEL_TYPES & KERNELS_F16
ATTENTION_LESS(float, f16)
ATTENTION(float, f16, 32, 64)
ATTENTION(float, f16, 32, 128)
ATTENTION_GRAD(float, f16, 32, 64)
ATTENTION_GRAD(float, f16, 32, 128)
#endif

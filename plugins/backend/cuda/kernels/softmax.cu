/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax, its logarithm, cross-entropy and their gradients, one kernel each, f32: the
 * operations of their decompositions. A block has sixteen lines, a thread is a lane of
 * one. */

#define SX(e) (((const float *)a.x)[e])
#define SG(e) (((const float *)a.g)[e])

/* Lane k of line first + o; its elements at offset e. */
#define EACH_OF_LINE(body)                                                             \
    const uint32_t k = a.by_column ? TX / PER : TX % LANES;                            \
    const uint32_t o = a.by_column ? TX % PER : TX / LANES;                            \
    const int64_t line = first + o;                                                    \
    const int64_t start = line / a.inner * a.n * a.inner + line % a.inner;             \
    for (int64_t i = k; line < a.lines && i < a.n; i += LANES) {                       \
        const int64_t e = start + i * a.inner;                                         \
        body;                                                                          \
    }

#define LINE_SUM(term)                                                                 \
    EACH_THREAD {                                                                      \
        float sum = 0;                                                                 \
        EACH_OF_LINE(sum += term) lane[o * LANES + k] = sum;                           \
    }                                                                                  \
    SYNC();                                                                            \
    ADD_LANES(lane)

/* top: the largest, 0 if it is not finite (so where any is NaN). */
#define LINE_TOP                                                                       \
    EACH_THREAD {                                                                      \
        float best = -INFINITY;                                                        \
        EACH_OF_LINE(float v = SX(e);                                                  \
                     best = best == best && (v != v || v > best) ? v : best)           \
        lane[o * LANES + k] = best;                                                    \
    }                                                                                  \
    SYNC();                                                                            \
    for (uint32_t w = LANES / 2; w; w /= 2) {                                          \
        EACH_THREAD {                                                                  \
            if (TX % LANES < w) {                                                      \
                float p = lane[TX], q = lane[TX + w];                                  \
                lane[TX] = p == p && (q != q || q > p) ? q : p;                        \
            }                                                                          \
        }                                                                              \
        SYNC();                                                                        \
    }                                                                                  \
    EACH_THREAD {                                                                      \
        if (TX < PER) {                                                                \
            float v = lane[TX * LANES];                                                \
            top[TX] = (rn_bits_f32(v) & 0x7f800000u) != 0x7f800000u ? v : 0.0f;        \
        }                                                                              \
    }                                                                                  \
    SYNC();

/* And sum: the logarithm of the sum of exponentials beside it. */
#define LINE_LOG_SUM                                                                   \
    LINE_TOP LINE_SUM(rn_exp_f32(SX(e) - top[o])) EACH_THREAD {                        \
        if (TX < PER)                                                                  \
            log_sum[TX] = rn_log_f32(lane[TX * LANES]);                                \
    }                                                                                  \
    SYNC();
#define LOG_P(e, o) ((SX(e) - top[o]) - log_sum[o])

#define EACH_BLOCK_OF_LINES                                                            \
    for (int64_t first = (int64_t)BX * PER; first < a.lines;                           \
         first += (int64_t)GRID * PER)

/* Of class i; a label that is none gives NaN. */
static inline float softmax_target(const struct softmax_args *a, int64_t line,
                                   int64_t i) {
    int64_t label = load_index(a->label, a->type, line);
    return label < 0 || label >= a->n ? NAN : label == i ? a->hot : a->cold;
}

KERNEL(softmax_f32, softmax_args) {
    SHARED(float, lane, THREADS);
    SHARED(float, top, PER);
    SHARED(float, log_sum, PER);
    EACH_BLOCK_OF_LINES {
        LINE_LOG_SUM
        EACH_THREAD {
            EACH_OF_LINE(float v = LOG_P(e, o);
                         ((float *)a.y)[e] = a.exp ? rn_exp_f32(v) : v)
        }
        SYNC();
    }
}

/* x: y of the forward operator; y (g - sum y g), or g - exp(y) sum g. */
KERNEL(softmax_grad_f32, softmax_args) {
    SHARED(float, lane, THREADS);
    EACH_BLOCK_OF_LINES {
        LINE_SUM(a.exp ? SX(e) * SG(e) : SG(e))
        EACH_THREAD {
            EACH_OF_LINE(float sum = lane[o * LANES];
                         ((float *)a.y)[e] = a.exp ? SX(e) * (SG(e) - sum)
                                                   : SG(e) - rn_exp_f32(SX(e)) * sum)
        }
        SYNC();
    }
}

KERNEL(cross_entropy_f32, softmax_args) {
    SHARED(float, lane, THREADS);
    SHARED(float, top, PER);
    SHARED(float, log_sum, PER);
    EACH_BLOCK_OF_LINES {
        LINE_LOG_SUM
        EACH_THREAD {
            float sum = 0;
            EACH_OF_LINE(float t = softmax_target(&a, line, i);
                         sum += t == 0 ? 0.0f : t * LOG_P(e, o))
            lane[o * LANES + k] = sum;
        }
        SYNC();
        ADD_LANES(lane)
        EACH_THREAD {
            if (TX < PER && first + TX < a.lines)
                ((float *)a.y)[first + TX] = 0.0f - lane[TX * LANES];
        }
        SYNC();
    }
}

KERNEL(cross_entropy_grad_f32, softmax_args) {
    SHARED(float, lane, THREADS);
    SHARED(float, top, PER);
    SHARED(float, log_sum, PER);
    EACH_BLOCK_OF_LINES {
        LINE_LOG_SUM
        EACH_THREAD{EACH_OF_LINE(((float *)a.y)[e] =
                                     SG(line) * (rn_exp_f32(LOG_P(e, o)) -
                                                 softmax_target(&a, line, i)))} SYNC();
    }
}

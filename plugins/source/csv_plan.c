/* SPDX-License-Identifier: Apache-2.0 */
#include "csv_plan.h"

#include <runner/sdk/isa.h>

/* Lanes: at most 6 bytes, so that 2^52 and m are one f64. Others: an f64, nothing, and
 * larger numbers. */
enum { LANE, LANE_F64, LANE_NONE, LANE_WIDE }; /* LANE_NONE: NaN, as mask is 0 */

#define TWO52      0x1p52
#define TWO52_BITS UINT64_C(0x4330000000000000)

void csv_plan_finish(struct csv_plan *plan) {
    free(plan->at);
    free(plan->mask);
    free(plan->turn);
    free(plan->least);
    free(plan->power);
    free(plan->kind);
    free(plan->plain);
}

static void plan_lane(struct csv_plan *plan, size_t i, const struct csv_place *o) {
    plan->at[i] = o->at;
    plan->kind[i] = o->k == CSV_F64 ? LANE_F64
                    : !o->size      ? LANE_NONE
                    : o->size > 6   ? LANE_WIDE
                                    : LANE;
    if (plan->kind[i] != LANE)
        return;
    plan->mask[i] = (UINT64_C(1) << (8 * o->size)) - 1;
    plan->turn[i] = UINT64_C(1) << (8 * o->size - 1);
    plan->least[i] = TWO52 + (double)plan->turn[i];
    plan->power[i] = rn_power_of_ten(o->k);
}

typedef uint64_t bits8 __attribute__((vector_size(64)));
typedef double lanes8 __attribute__((vector_size(64)));
typedef int64_t truth8 __attribute__((vector_size(64)));

/* Eight columns: (x ^ turn) & mask is m - none, which 2^52 makes an f64. */
static inline __attribute__((always_inline)) void
eight(const struct csv_plan *plan, size_t k, const uint8_t *bytes, double out[8]) {
    bits8 x, turn, mask;
    lanes8 least, power, d, none;
    for (int i = 0; i < 8; i++) {
        uint64_t one;
        memcpy(&one, bytes + plan->at[k + (size_t)i], sizeof one);
        x[i] = one;
    }
    memcpy(&turn, plan->turn + k, sizeof turn);
    memcpy(&mask, plan->mask + k, sizeof mask);
    memcpy(&least, plan->least + k, sizeof least);
    memcpy(&power, plan->power + k, sizeof power);
    x = (x ^ turn) & mask;
    bits8 missing = (bits8)(truth8)(x == 0) & UINT64_C(0x7ff8000000000000);
    x |= TWO52_BITS;
    memcpy(&d, &x, sizeof d);
    d = (d - least) / power;
    memcpy(&none, &missing, sizeof none);
    d += none; /* NaN, or 0, which leaves -0 out: m is never that */
    memcpy(out, &d, sizeof d);
}

#define ROW                                                                            \
    for (uint32_t i = 0; i + 8 <= plan->n; i += 8)                                     \
        eight(plan, k + i, bytes, out + i);                                            \
    if (plan->n % 8) {                                                                 \
        double last[8];                                                                \
        uint32_t whole = plan->n / 8 * 8;                                              \
        eight(plan, k + whole, bytes, last);                                           \
        memcpy(out + whole, last, (plan->n - whole) * sizeof *out);                    \
    }

static void row_plain(const struct csv_plan *plan, size_t k, const uint8_t *bytes,
                      double *out) {
    ROW
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void
row_avx2(const struct csv_plan *plan, size_t k, const uint8_t *bytes, double *out) {
    ROW
}

__attribute__((target("avx512f,avx512dq"))) static void
row_avx512(const struct csv_plan *plan, size_t k, const uint8_t *bytes, double *out) {
    ROW
}
#endif

static csv_row_of find_row(void) {
#if defined(__x86_64__)
    enum rn_isa isa = rn_isa_level();
    if (isa >= RN_ISA_AVX512)
        return row_avx512;
    if (isa >= RN_ISA_AVX2)
        return row_avx2;
#endif
    return row_plain;
}

int32_t csv_plan_make(struct csv_plan *plan, const struct csv_pack *p,
                      const uint32_t *columns, uint32_t n, struct rn_error *e) {
    uint64_t lanes = ((uint64_t)n + 7) / 8 * 8, all = p->layout_count * lanes;
    plan->n = n;
    plan->columns = columns;
    plan->row = find_row();
    plan->lanes = (uint32_t)lanes;
    plan->at = csv_pack_room(p, all, sizeof *plan->at, e);
    plan->mask = plan->at ? csv_pack_room(p, all, sizeof *plan->mask, e) : NULL;
    plan->turn = plan->mask ? csv_pack_room(p, all, sizeof *plan->turn, e) : NULL;
    plan->least = plan->turn ? csv_pack_room(p, all, sizeof *plan->least, e) : NULL;
    plan->power = plan->least ? csv_pack_room(p, all, sizeof *plan->power, e) : NULL;
    plan->kind = plan->power ? csv_pack_room(p, all, 1, e) : NULL;
    plan->plain = plan->kind ? csv_pack_room(p, p->layout_count, 1, e) : NULL;
    if (!plan->plain)
        return e && e->status ? e->status : RN_E_MEMORY;
    for (uint32_t l = 0; l < p->layout_count; l++) {
        size_t first = (size_t)l * lanes;
        plan->plain[l] = 1;
        for (uint32_t i = 0; i < lanes; i++)
            plan->power[first + i] = 1;
        for (uint32_t i = 0; i < n; i++) {
            plan_lane(plan, first + i,
                      &p->layouts[(size_t)l * p->table->width + columns[i]]);
            plan->plain[l] &= plan->kind[first + i] == LANE;
        }
    }
    return RN_OK;
}

void csv_plan_row(const struct csv_plan *plan, const struct csv_pack *p, uint64_t row,
                  double *out) {
    const struct csv_segment *s = &p->segments[row >> p->log2_rows];
    uint64_t in = row & ((UINT64_C(1) << p->log2_rows) - 1);
    const uint8_t *bytes = s->bytes + in * s->stride;
    size_t k = (size_t)s->layout * plan->lanes;
    plan->row(plan, k, bytes, out);
    for (uint32_t i = 0; i < plan->n && !plan->plain[s->layout]; i++) {
        if (plan->kind[k + i] == LANE_F64)
            memcpy(&out[i], bytes + plan->at[k + i], sizeof out[i]);
        else if (plan->kind[k + i] == LANE_WIDE)
            csv_pack_numbers(p, plan->columns[i], row, 1, &out[i]);
    }
}

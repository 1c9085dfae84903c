/* SPDX-License-Identifier: Apache-2.0 */
/* Which batch would fit: the experiment is planned again with smaller ones. What a plan
 * takes is nearly a straight line over the batch, so a few are enough; the answer is
 * one that was planned. */
#include "setup/setup.h"

#define TRIES 12

/* Bytes that a batch needs; 0: it cannot be planned. */
static uint64_t need_of(const struct setup_options *o, struct arena *a, int64_t batch) {
    const char **all = arena_array(a, const char *, o->override_count + 2);
    struct setup_options smaller = *o;
    struct diag *d = diag_create();
    for (uint32_t i = 0; i < o->override_count; i++)
        all[i] = o->overrides[i];
    all[o->override_count] = arena_format(a, "data.batch=%lld", (long long)batch);
    smaller.overrides = all;
    smaller.override_count = o->override_count + 1;
    struct setup *s = setup_open(&smaller, d);
    uint64_t need = s ? engine_need(s->engine) : 0;
    setup_close(s);
    diag_destroy(d);
    return need;
}

int64_t setup_fitting_batch(const struct setup_options *o, const struct setup *s,
                            bool *largest) {
    uint64_t usable = s->engine->info->memory_bytes, above = engine_need(s->engine),
             below;
    struct arena *a = arena_create();
    int64_t low = 1, high = s->length.batch;
    *largest = false;
    below = high > 1 ? need_of(o, a, 1) : 0;
    if (!below || below > usable)
        low = 0;
    for (int i = 0; low && i < TRIES && high - low > 1; i++) {
        double share =
            above > below ? (double)(usable - below) / (double)(above - below) : 0.5;
        int64_t next = low + (int64_t)(share * (double)(high - low));
        /* Every third in the middle, as it is only nearly a straight line. */
        next = i % 3 == 2 ? low + (high - low) / 2 : next;
        next = next <= low ? low + 1 : next >= high ? high - 1 : next;
        uint64_t need = need_of(o, a, next);
        if (need && need <= usable) {
            low = next;
            below = need;
        } else {
            high = next;
            above = need ? need : above;
        }
    }
    *largest = low && high - low == 1;
    arena_destroy(a);
    return low;
}

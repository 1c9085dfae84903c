/* SPDX-License-Identifier: Apache-2.0 */
/* The running statistics of averaged parameters: one pass over the training split, in
 * its order and without augmentation, in batches as training has them. */
#include "evaluate/averages.h"

static int pass(struct setup *s, struct loader *from, struct rn_error *e) {
    struct average_programs *a = &s->engine->averages;
    uint64_t batches = loader_batches(from);
    int status = RN_OK;
    for (uint64_t i = 0; i < batches && status == RN_OK; i++) {
        struct batch b;
        status = loader_next(from, &b, e);
        if (status != RN_OK)
            break;
        struct program_variant *p =
            variant_of_rows(a->refresh, a->refresh_count, (int64_t)b.rows);
        status = setup_feed(s, p, &b, 0, e);
        if (status == RN_OK)
            status = engine_refresh(s->engine, p, (int64_t)i, e);
    }
    return status;
}

int averages_ready(struct setup *s, struct rn_error *e) {
    struct loader_options o = {.split = DATA_TRAIN,
                               .batch = (uint64_t)s->length.batch,
                               .once = true,
                               .workers = data_workers(s->data),
                               .oversubscribed = engine_oversubscribes(s->engine->info),
                               .seed = s->x->seed};
    struct loader *from = NULL;
    bool stale;
    int status = engine_averages_ready(s->engine, &stale, e);
    if (status != RN_OK || !stale)
        return status;
    status = loader_open(s->data, &o, &from, e);
    if (status == RN_OK)
        status = pass(s, from, e);
    if (status == RN_OK)
        status = engine_refreshed(s->engine, e);
    loader_close(from);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Averages of parameters while a run trains: when they are made, and what evaluations
 * need before they read them. */
#include "engine/engine.h"

static const struct averages *averages_of(const struct engine *eng) {
    return &eng->programs->averages;
}

int engine_average(struct engine *eng, int64_t step, struct rn_error *e) {
    const struct averages *a = averages_of(eng);
    if (!a->hook || step < a->start || (step - a->start) % a->every)
        return RN_OK;
    engine_scalars(eng, &eng->averages.update, step, 0);
    return program_run(eng->averages.update.program, e);
}

int engine_averages_ready(struct engine *eng, bool *stale, struct rn_error *e) {
    const struct averages *a = averages_of(eng);
    int64_t updates = 0, refreshed = 0;
    *stale = false;
    if (!a->hook)
        return RN_OK;
    int status = device_variable_read(eng->device, a->updates, &updates, e);
    if (status == RN_OK && updates == 0)
        return program_run(eng->averages.follow.program, e);
    if (status == RN_OK && a->refresh_count)
        status = device_variable_read(eng->device, a->refreshed, &refreshed, e);
    *stale = a->refresh_count && refreshed != updates;
    return status;
}

int engine_refresh(struct engine *eng, struct program_variant *p, int64_t batch,
                   struct rn_error *e) {
    engine_scalars(eng, p, batch, 0);
    program_set_f32(p->program, p->scalars.refresh_share, 1.0f / (float)(batch + 1));
    return program_run(p->program, e);
}

int engine_refreshed(struct engine *eng, struct rn_error *e) {
    const struct averages *a = averages_of(eng);
    int64_t updates = 0;
    int status = device_variable_read(eng->device, a->updates, &updates, e);
    return status ? status
                  : device_variable_write(eng->device, a->refreshed, &updates, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* "runner.run/1": what hooks may ask of the run. */
#include <string.h>

#include "train/loop.h"

static struct setup *setup_of(struct rn_host *h) {
    return instance_context(h);
}

/* NULL before RUN_BEGIN. */
static struct loop *running(struct rn_host *h) {
    struct loop *l = setup_of(h)->host_context;
    return l->folder ? l : NULL;
}

/* The members of `from` that the other side knows; its struct_size stays. */
static void write_known(void *to, const void *from, size_t bytes) {
    uint32_t known;
    memcpy(&known, to, sizeof known);
    if (known > sizeof known)
        memcpy((char *)to + sizeof known, (const char *)from + sizeof known,
               (known < bytes ? known : bytes) - sizeof known);
}

static int32_t run_info(struct rn_host *h, struct rn_run_info *out) {
    const struct setup *s = setup_of(h);
    const struct loop *l = running(h);
    const struct rn_run_info info = {.precision = s->x->precision,
                                     .folder = l ? l->folder : "",
                                     .name = s->x->name,
                                     .seed = s->x->seed,
                                     .total_steps = s->length.total_steps,
                                     .epochs = s->length.epochs,
                                     .steps_per_epoch = s->length.steps_per_epoch,
                                     .samples_per_step =
                                         s->length.batch * s->length.accumulate};
    write_known(out, &info, sizeof info);
    return RN_OK;
}

static int32_t run_live(struct rn_host *h, const char *path, double *value) {
    const struct loop *l = running(h);
    int i = l ? hyper_find(&l->engine->hyper, path) : -1;
    *value = 0.0;
    if (i < 0)
        return RN_E_UNSUPPORTED;
    *value = l->engine->hyper.at[i].now;
    return RN_OK;
}

static int32_t run_series(struct rn_host *h, const char *name, double *value) {
    const struct loop *l = running(h);
    *value = 0.0;
    return l && loop_series_value(l, name, value) ? RN_OK : RN_E_UNSUPPORTED;
}

static bool of_model(const struct variable *v) {
    return strncmp(v->owner, "model", 5) == 0;
}

/* The i-th variable of the models; NULL: there are fewer. */
static const struct variable *variable_at(const struct loop *l, uint32_t i) {
    const struct variables *all = l->engine->programs->variables;
    for (uint32_t k = 0; k < variables_count(all); k++)
        if (of_model(variables_at(all, k)) && i-- == 0)
            return variables_at(all, k);
    return NULL;
}

static uint32_t run_variable_count(struct rn_host *h) {
    const struct loop *l = running(h);
    const struct variables *all = l ? l->engine->programs->variables : NULL;
    uint32_t n = 0;
    for (uint32_t k = 0; all && k < variables_count(all); k++)
        n += of_model(variables_at(all, k));
    return n;
}

static int32_t run_variable(struct rn_host *h, uint32_t i,
                            struct rn_run_variable *out) {
    const struct loop *l = running(h);
    const struct variable *v = l ? variable_at(l, i) : NULL;
    if (!v)
        return RN_E_UNSUPPORTED;
    const struct rn_run_variable info = {
        .dtype = v->dtype,
        .name = v->name,
        .role = v->role,
        .shape = v->shape,
        .rank = v->rank,
        .trainable = v->trainable,
        .averaged = average_of(l->engine->programs, v->id) != UINT32_MAX,
        .elements = v->count};
    write_known(out, &info, sizeof info);
    return RN_OK;
}

static int32_t run_read(struct rn_host *h, uint32_t i, uint32_t what, void *data,
                        uint64_t bytes) {
    struct loop *l = running(h);
    const struct variable *v = l ? variable_at(l, i) : NULL;
    uint32_t id = !v                        ? UINT32_MAX
                  : what == RN_READ_VALUE   ? v->id
                  : what == RN_READ_AVERAGE ? average_of(l->engine->programs, v->id)
                                            : UINT32_MAX;
    struct rn_error e = {0};
    if (id == UINT32_MAX || bytes != v->count * RN_DTYPE_BYTES(v->dtype))
        return RN_E_UNSUPPORTED;
    return device_variable_read(l->engine->device, id, data, &e);
}

static const struct rn_run_api run_api = {sizeof(struct rn_run_api),
                                          0,
                                          run_info,
                                          run_live,
                                          run_series,
                                          run_variable_count,
                                          run_variable,
                                          run_read};

const void *hooks_extension(const char *id) {
    if (strcmp(id, "runner.record/1") == 0)
        return &hooks_record_api;
    return strcmp(id, RN_EXT_RUN) == 0 ? &run_api : NULL;
}

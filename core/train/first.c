/* SPDX-License-Identifier: Apache-2.0 */
/* The first values of variables: by the rules of `init:`, else what the layer asks for,
 * else one value throughout. */
#include <string.h>

#include "base/hash.h"
#include "train/stage.h"

/* An init named by a layer, with its defaults. */
static const struct part *by_name(struct stage *s, const struct variable *v,
                                  struct diag *d) {
    struct parts *known = &s->x->default_inits;
    for (uint32_t i = 0; i < known->count; i++)
        if (strcmp(known->at[i].name, v->init) == 0)
            return &known->at[i];
    return experiment_default(s->x, "init", v->init, v->name, v->owner, known, d);
}

static bool takes(const struct part *p, const struct variable *v) {
    const struct node *match = node_find(p->node, "match");
    return !match || variable_matches(match, v);
}

static const struct part *init_of(struct stage *s, const struct variable *v,
                                  struct diag *d) {
    for (uint32_t i = 0; v->trainable && i < s->x->inits.count; i++) {
        const struct part *p = &s->x->inits.at[i];
        /* Without a pattern: weights only, as layers know what their biases need. */
        if (node_find(p->node, "match") ? takes(p, v) : strcmp(v->role, "weight") == 0)
            return p;
    }
    return v->init ? by_name(s, v, d) : NULL;
}

static void fans(const struct variable *v, int64_t *in, int64_t *out) {
    int64_t field = 1;
    for (uint32_t i = 2; i < v->rank; i++)
        field *= v->shape[i];
    *in = v->fan_in ? v->fan_in
                    : field * (v->rank > 1 ? v->shape[1]
                               : v->rank   ? v->shape[0]
                                           : 1);
    *out = v->fan_out ? v->fan_out : field * (v->rank ? v->shape[0] : 1);
}

static int fill(struct stage *s, const struct variable *v, void *bytes,
                struct diag *d) {
    if (v->dtype != RN_F32) {
        for (uint64_t i = 0; v->dtype == RN_I64 && i < v->count; i++)
            ((int64_t *)bytes)[i] = (int64_t)v->value;
        return RN_OK;
    }
    uint32_t before = diag_count(d);
    const struct part *p = init_of(s, v, d);
    if (diag_count(d) > before)
        return diag_status(d);
    if (!p) {
        for (uint64_t i = 0; i < v->count; i++)
            ((float *)bytes)[i] = (float)v->value;
        return RN_OK;
    }
    uint64_t stream = fnv1a(v->name, strlen(v->name));
    struct rn_init_request r = {.struct_size = sizeof r,
                                .rank = v->rank,
                                .name = v->name,
                                .role = v->role,
                                .shape = v->shape,
                                .count = v->count,
                                .key = {(uint32_t)s->x->seed, (uint32_t)stream}};
    fans(v, &r.fan_in, &r.fan_out);
    const struct rn_init *iface = p->component->iface;
    struct rn_error e = {0};
    int status = iface->fill(instance_self(p->instance), &r, bytes, &e);
    loader_close(s->samples);
    s->samples = NULL;
    if (status != RN_OK)
        return node_error(d, p->node, false, status, "init of '%s': %s", v->name,
                          e.message);
    return RN_OK;
}

/* ---------------------------------------------- first values from the samples */

static int32_t first_samples(struct rn_host *h, const char *field, uint64_t n,
                             struct rn_tensor *out, struct rn_error *e) {
    struct stage *s = instance_context(h);
    const struct data_field *f = data_field_find(s->data, field);
    uint64_t rows = data_rows(s->data, DATA_TRAIN);
    struct batch b;
    if (!f)
        return error_set(e, RN_E_CONFIG, "the sample has no field '%s'", field);
    loader_close(s->samples);
    s->samples = NULL;
    struct loader_options o = {.split = DATA_TRAIN,
                               .batch = n < rows ? n : rows,
                               .seed = s->x->seed,
                               .once = true};
    int status = loader_open(s->data, &o, &s->samples, e);
    if (status == RN_OK)
        status = loader_next(s->samples, &b, e);
    if (status != RN_OK)
        return status;
    int64_t *shape = arena_array(s->arena, int64_t, f->rank + 1);
    shape[0] = (int64_t)b.rows;
    memcpy(shape + 1, f->shape, f->rank * sizeof *shape);
    for (uint32_t i = 0; i < data_field_count(s->data); i++)
        if (data_field_at(s->data, i) == f)
            *out = (struct rn_tensor){b.fields[i], shape, NULL, f->dtype, f->rank + 1};
    return RN_OK;
}

const struct rn_samples_api *stage_samples(const struct stage *s) {
    static const struct rn_samples_api api = {sizeof api, 0, first_samples};
    return s->use == STAGE_TRAIN ? &api : NULL;
}

int stage_init(struct stage *s, struct diag *d) {
    const struct variables *all = s->programs->variables;
    for (uint32_t i = 0; i < variables_count(all); i++) {
        const struct variable *v = variables_at(all, i);
        struct rn_error e = {0};
        if (strcmp(v->role, "data") == 0) /* comes by itself: resident.c */
            continue;
        void *bytes = memory_try(memory_mul(v->count, RN_DTYPE_BYTES(v->dtype)));
        if (!bytes) {
            error_set(&e, RN_E_MEMORY, "no memory for the first values of '%s'",
                      v->name);
            diag_add(d, &e);
            return e.status;
        }
        int status = fill(s, v, bytes, d);
        if (status == RN_OK &&
            device_variable_write(s->device, i, bytes, &e) != RN_OK) {
            diag_add(d, &e);
            status = e.status;
        }
        memory_release(bytes);
        if (status != RN_OK)
            return status;
    }
    return RN_OK;
}

int stage_check_inits(struct stage *s, struct diag *d) {
    const struct variables *all = s->programs->variables;
    uint32_t before = diag_count(d);
    for (uint32_t k = 0; k < s->x->inits.count; k++) {
        const struct node *match = node_find(s->x->inits.at[k].node, "match");
        if (match)
            match_check(s->programs, match, d);
    }
    for (uint32_t i = 0; i < variables_count(all); i++)
        if (variables_at(all, i)->dtype == RN_F32)
            init_of(s, variables_at(all, i), d);
    return diag_count(d) > before ? diag_status(d) : RN_OK;
}

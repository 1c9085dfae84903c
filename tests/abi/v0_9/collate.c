/* SPDX-License-Identifier: Apache-2.0 */
/* A collate whose effect is easy to see: every row becomes the first of the batch, its
 * target too. The integer field `of` names becomes the target NAME_first, of ten
 * classes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runner/collate.h>

struct leader {
    char names[4][40];
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    (void)h;
    *self = calloc(1, sizeof(struct leader));
    return *self ? RN_OK : rn_fail(e, RN_E_MEMORY, "no memory", NULL, NULL);
}

static int32_t plan(void *self, const struct rn_collate_plan *p, struct rn_error *e) {
    struct leader *s = (struct leader *)self;
    if (p->field_count > 4)
        return rn_fail(e, RN_E_CONFIG, "at most four fields", NULL, "of");
    for (uint32_t i = 0; i < p->field_count; i++) {
        const struct rn_field *f = rn_collate_field(p, i);
        struct rn_collate_target *t = rn_collate_target_of(p, i);
        if (f->dtype != RN_I64 || f->rank)
            continue;
        if (p->classes[i] != 10)
            return rn_fail(e, RN_E_INTERNAL, "the digits have ten classes", NULL, NULL);
        snprintf(s->names[i], sizeof s->names[i], "%.30s_first", f->name);
        t->name = s->names[i];
        t->classes = p->classes[i];
    }
    return RN_OK;
}

static int32_t apply(void *self, const struct rn_collate_call *call,
                     struct rn_error *e) {
    (void)self;
    for (uint32_t k = 0; k < call->field_count; k++) {
        const struct rn_tensor *t = &call->fields[k];
        uint64_t bytes = RN_DTYPE_BYTES(t->dtype);
        for (uint32_t i = 1; i < t->rank; i++)
            bytes *= (uint64_t)t->shape[i];
        if ((uint64_t)t->shape[0] != call->rows || call->phase != RN_PHASE_TRAIN)
            return rn_fail(e, RN_E_INTERNAL, "not a training batch", NULL, NULL);
        for (uint64_t i = 1; i < call->rows; i++)
            memcpy((char *)t->data + i * bytes, t->data, (size_t)bytes);
    }
    return RN_OK;
}

static const struct rn_collate iface = {
    sizeof(struct rn_collate), 0, create, free, plan, apply};

RN_COLLATE(leader, iface, "acme.data/leader 1",
           RN_DOC("Every row of a batch becomes its first"));
RN_PLUGIN(&leader);

/* SPDX-License-Identifier: Apache-2.0 */
/* Weights and checkpoints: every variable by its name. The engine's one file that
 * knows of the record. */
#include <string.h>

#include "engine/engine.h"
#include "record/saver.h"

static bool begins(const char *name, const char *prefix) {
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Why a variable of the experiment may be missing, and what helps. */
static int missing(const char *name, struct rn_error *e) {
    error_set(e, RN_E_CHECKPOINT, "the checkpoint has no '%s'", name);
    if (begins(name, "optimizer"))
        return error_hint(e, "the optimizer keeps values that it did not keep before: "
                             "its type and groups, whether it has momentum and which "
                             "parameters are trained must stay");
    if (begins(name, "lookahead."))
        return error_hint(e,
                          "train.lookahead averages from the first step on; it cannot "
                          "be added to a run that is resumed");
    if (begins(name, AVERAGE_PREFIX))
        return error_hint(e, "what is trained, and which running statistics are "
                             "averaged, must stay once averages have begun");
    if (begins(name, "run."))
        return error_hint(e,
                          "train.programs cannot get a program under a new name in a "
                          "run that is resumed");
    return error_hint(e, "the parameters of the model must stay when a run is resumed; "
                         "a new run can have others");
}

static const struct checkpoint_tensor *find_tensor(const struct checkpoint *c,
                                                   const char *name) {
    for (uint32_t k = 0; k < c->tensor_count; k++)
        if (strcmp(c->tensors[k].name, name) == 0)
            return &c->tensors[k];
    return NULL;
}

static int write_variable(struct engine *eng, const struct variable *v,
                          const struct checkpoint_tensor *from, struct rn_error *e) {
    if (from->dtype != v->dtype || from->rank != v->rank ||
        memcmp(from->shape, v->shape, v->rank * sizeof *v->shape) != 0)
        return error_set(e, RN_E_CHECKPOINT, "'%s' has another shape in the checkpoint",
                         from->name);
    return device_variable_write(eng->device, v->id, from->data, e);
}

/* Of a run whose averages begin later, a checkpoint from before has none. */
static bool begins_later(const struct checkpoint *c, const struct variable *v) {
    return v->optional ||
           (begins(v->name, AVERAGE_PREFIX) && !find_tensor(c, AVERAGE_UPDATES));
}

static int64_t counter(const struct checkpoint *c, const char *name) {
    const struct checkpoint_tensor *t = find_tensor(c, name);
    return t && t->dtype == RN_I64 && t->rank == 0 ? *(const int64_t *)t->data : 0;
}

struct stored_averages engine_stored_averages(const struct checkpoint *c) {
    struct stored_averages a = {.updates = counter(c, AVERAGE_UPDATES)};
    a.stale =
        find_tensor(c, AVERAGE_REFRESHED) && counter(c, AVERAGE_REFRESHED) != a.updates;
    return a;
}

int engine_load_averages(struct engine *eng, const struct checkpoint *c,
                         struct rn_error *e) {
    const struct variables *all = eng->programs->variables;
    int status = RN_OK;
    for (uint32_t i = 0; i < variables_count(all) && status == RN_OK; i++) {
        const struct variable *v = variables_at(all, i);
        const struct checkpoint_tensor *average =
            find_tensor(c, arena_format(eng->arena, AVERAGE_PREFIX "%s", v->name));
        if (average)
            status = write_variable(eng, v, average, e);
    }
    return status;
}

int engine_load_weights(struct engine *eng, const struct checkpoint *c,
                        struct rn_error *e) {
    const struct variables *all = eng->programs->variables;
    for (uint32_t i = 0; i < variables_count(all); i++) {
        const struct variable *v = variables_at(all, i);
        if (!v->checkpointed)
            continue;
        const struct checkpoint_tensor *found = find_tensor(c, v->name);
        if (!found && begins_later(c, v))
            continue;
        int status = found ? write_variable(eng, v, found, e) : missing(v->name, e);
        if (status != RN_OK)
            return status;
    }
    return RN_OK;
}

int engine_save_weights(struct engine *eng, struct saver *s, struct rn_error *e) {
    const struct variables *all = eng->programs->variables;
    for (uint32_t i = 0; i < variables_count(all); i++) {
        const struct variable *v = variables_at(all, i);
        if (!v->checkpointed)
            continue;
        const void *data = device_variable_view(eng->device, i, e);
        void *copy =
            data ? NULL : memory_try(memory_mul(v->count, RN_DTYPE_BYTES(v->dtype)));
        if (!data && !copy)
            return error_set(e, RN_E_MEMORY, "no memory to save '%s'", v->name);
        if (copy) {
            saver_own(s, copy);
            int status = device_variable_read(eng->device, i, copy, e);
            if (status != RN_OK)
                return status;
        }
        saver_tensor(s, (struct checkpoint_tensor){v->name, v->role, v->dtype, v->rank,
                                                   v->shape, data ? data : copy});
    }
    return RN_OK;
}

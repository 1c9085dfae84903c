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
    if (begins(name, "run."))
        return error_hint(e,
                          "train.programs cannot get a program under a new name in a "
                          "run that is resumed");
    return error_hint(e, "the parameters of the model must stay when a run is resumed; "
                         "a new run can have others");
}

int engine_load_weights(struct engine *eng, const struct checkpoint *c,
                        struct rn_error *e) {
    const struct variables *all = eng->programs->variables;
    for (uint32_t i = 0; i < variables_count(all); i++) {
        const struct variable *v = variables_at(all, i);
        const struct checkpoint_tensor *found = NULL;
        if (!v->checkpointed)
            continue;
        for (uint32_t k = 0; k < c->tensor_count && !found; k++)
            if (strcmp(c->tensors[k].name, v->name) == 0)
                found = &c->tensors[k];
        if (!found && v->optional)
            continue;
        if (!found)
            return missing(v->name, e);
        if (found->dtype != v->dtype || found->rank != v->rank ||
            memcmp(found->shape, v->shape, v->rank * sizeof *v->shape) != 0)
            return error_set(e, RN_E_CHECKPOINT,
                             "'%s' has another shape in the checkpoint", v->name);
        int status = device_variable_write(eng->device, i, found->data, e);
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

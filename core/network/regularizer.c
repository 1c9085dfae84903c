/* SPDX-License-Identifier: Apache-2.0 */
/* Regularizers: penalties in the total of an objective, projections behind its update.
 */
#include <string.h>

#include <runner/regularizer.h>

#include "network/graph_writer.h"

/* `rest`: what no earlier entry takes; no match: all. */
static bool takes(const struct bound_components *all, uint32_t i,
                  const struct variable *v) {
    const struct node *match = node_find(all->at[i].node, "match");
    bool rest = match && node_kind(match) == NODE_SCALAR &&
                strcmp(node_raw(match), "rest") == 0;
    for (uint32_t k = 0; rest && k < i; k++)
        if (takes(all, k, v))
            return false;
    return !match || variable_matches(match, v);
}

static const struct rn_regularizer *form_of(const struct bound_component *part) {
    return part->component->iface;
}

/* What one regularizer makes of a value of parameter k of an objective, its penalty or
 * a new value; RN_NONE: see d. */
static rn_value apply(struct make *m, const struct programs *p,
                      const struct objective *o, uint32_t k,
                      const struct bound_component *part, bool project, rn_value value,
                      struct diag *d) {
    const struct variable *v = variables_at(p->variables, o->parameters[k].variable);
    struct rn_parameter info = update_parameter(p, o, k);
    const struct rn_regularizer *r = form_of(part);
    const char *output = project ? "param" : "penalty";
    const char *scope = arena_format(p->arena, "%s.%s", part->path, v->name);
    struct port_binding port = {"param", value};
    rn_value out = make_part(m, part, project ? r->project : r->describe, &info, scope,
                             1, &port, output);
    const struct gvalue *made = out ? graph_value(m->g, out) : NULL;
    if (made && project && !make_is_like(made, v))
        error_set(&m->e, RN_E_PLUGIN, "output 'param' of %s has another type or shape",
                  part->component->name);
    if (made && !project && (made->dtype != RN_F32 || made->rank))
        error_set(&m->e, RN_E_PLUGIN, "output 'penalty' of %s must be an f32 scalar",
                  part->component->name);
    if (m->e.status == RN_OK)
        return out;
    error_context(&m->e, "parameter '%s'", v->name);
    m->call = project ? "project" : "describe";
    make_finish(m, part, d);
    return RN_NONE;
}

int regularizers_penalty(struct make *m, const struct programs *p,
                         const struct objective *o, rn_value *total, struct diag *d) {
    const struct bound_components *all = &p->experiment->regularizers;
    *total = RN_NONE;
    for (uint32_t i = 0; i < all->count; i++) {
        const struct bound_component *part = &all->at[i];
        for (uint32_t k = 0; form_of(part)->describe && k < o->parameter_count; k++) {
            uint32_t id = o->parameters[k].variable;
            const struct variable *v = variables_at(p->variables, id);
            if (!takes(all, i, v))
                continue;
            rn_value one = apply(m, p, o, k, part, false, graph_variable(m->g, id), d);
            if (!one)
                return m->e.status;
            *total = *total ? make_op2(m, "add", *total, one) : one;
        }
    }
    return RN_OK;
}

int regularizers_project(struct make *m, const struct programs *p,
                         const struct objective *o, uint32_t k, rn_value *value,
                         struct diag *d) {
    const struct bound_components *all = &p->experiment->regularizers;
    const struct variable *v = variables_at(p->variables, o->parameters[k].variable);
    for (uint32_t i = 0; i < all->count; i++) {
        const struct bound_component *part = &all->at[i];
        if (!form_of(part)->project || !takes(all, i, v))
            continue;
        *value = apply(m, p, o, k, part, true, *value, d);
        if (!*value)
            return m->e.status;
    }
    return RN_OK;
}

/* Does an objective train a parameter that the regularizer takes? */
static bool acts(const struct programs *p, uint32_t i) {
    const struct bound_components *all = &p->experiment->regularizers;
    for (uint32_t o = 0; o < p->objective_count; o++)
        for (uint32_t k = 0; k < p->objectives[o].parameter_count; k++)
            if (takes(all, i,
                      variables_at(p->variables,
                                   p->objectives[o].parameters[k].variable)))
                return true;
    return false;
}

int regularizers_check(const struct programs *p, struct diag *d) {
    const struct bound_components *all = &p->experiment->regularizers;
    int status = RN_OK;
    for (uint32_t i = 0; i < all->count; i++) {
        const struct node *match = node_find(all->at[i].node, "match");
        if (acts(p, i))
            continue;
        int one = match ? match_check(p, match, d) : RN_OK;
        if (one == RN_OK) {
            one = node_error(d, match ? match : all->at[i].node, false, RN_E_CONFIG,
                             "no parameter is left for the regularizer '%s'",
                             all->at[i].path);
            diag_hint(d, "what it matches is frozen, not updated by any of "
                         "train.programs, or taken by earlier entries");
        }
        status = status ? status : one;
    }
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs of a run are written with. */
#include <string.h>

#include "network/graph_writer.h"
#include "network/inline.h"

rn_value make_op(struct make *m, const char *name, uint32_t n, const rn_value *in,
                 uint32_t n_attr, const struct rn_attr *attrs) {
    rn_value out = RN_NONE;
    for (uint32_t i = 0; i < n; i++)
        if (!in[i])
            return RN_NONE;
    if (!m->e.status)
        graph_op(m->g, name, n, in, n_attr, attrs, 1, &out, &m->e);
    return out;
}

rn_value make_op1(struct make *m, const char *name, rn_value x) {
    return make_op(m, name, 1, &x, 0, NULL);
}

rn_value make_op2(struct make *m, const char *name, rn_value x, rn_value y) {
    rn_value in[2] = {x, y};
    return make_op(m, name, 2, in, 0, NULL);
}

rn_value make_select(struct make *m, rn_value c, rn_value x, rn_value y) {
    rn_value in[3] = {c, x, y};
    return make_op(m, "select", 3, in, 0, NULL);
}

rn_value make_scalar(struct make *m, double x) {
    return graph_scalar(m->g, RN_F32, x);
}

rn_value make_cast(struct make *m, rn_value x, rn_dtype t) {
    struct rn_attr a = rn_attr_int("dtype", (int64_t)t);
    return make_op(m, "cast", 1, &x, 1, &a);
}

void make_output(struct make *m, const char *name, rn_value v) {
    if (v && !m->e.status)
        graph_output(m->g, name, v, &m->e);
}

struct builder *make_described(struct make *m, const struct bound_component *part,
                               int32_t (*form)(struct rn_build *),
                               const struct rn_parameter *parameter, const char *scope,
                               uint32_t input_count,
                               const struct port_binding *inputs) {
    struct builder_options bo = {.graph = m->g,
                                 .host = instance_host(part->instance),
                                 .self = instance_self(part->instance),
                                 .parameter = parameter,
                                 .is_live = instance_is_live,
                                 .extension = inline_extension,
                                 .component = part->path,
                                 .scope = scope,
                                 .phase = RN_PHASE_TRAIN,
                                 .input_count = input_count,
                                 .inputs = inputs};
    uint32_t known = variables_count(m->g->variables);
    if (m->e.status)
        return NULL;
    struct builder *b = builder_create(&bo);
    instance_watch(part->instance);
    int status = network_finish(part, b, form(builder_api(b)), &m->e);
    for (uint32_t i = known; i < variables_count(m->g->variables); i++)
        if (!status && variables_at(m->g->variables, i)->trainable)
            status =
                error_set(&m->e, RN_E_PLUGIN,
                          "%s declares a parameter of its own, which nothing trains",
                          part->component->name);
    return status ? NULL : b;
}

rn_value make_part(struct make *m, const struct bound_component *part,
                   int32_t (*form)(struct rn_build *),
                   const struct rn_parameter *parameter, const char *scope,
                   uint32_t input_count, const struct port_binding *inputs,
                   const char *output) {
    struct network built = {.graph = m->g, .phase = RN_PHASE_TRAIN};
    struct builder *b =
        make_described(m, part, form, parameter, scope, input_count, inputs);
    if (!b || network_check(&built, part, b, &m->e) != RN_OK)
        return RN_NONE;
    rn_value value = builder_output(b, output);
    if (!value)
        error_set(&m->e, RN_E_PLUGIN, "%s %s gave no output '%s'",
                  part->component->kind, part->component->name, output);
    return value;
}

bool make_is_like(const struct gvalue *g, const struct variable *v) {
    return g->dtype == v->dtype && g->rank == v->rank &&
           memcmp(g->shape, v->shape, v->rank * sizeof *v->shape) == 0;
}

int make_finish(struct make *m, const struct bound_component *part, struct diag *d) {
    if (m->e.status == RN_OK)
        graph_verify(m->g, &m->e);
    if (m->e.status == RN_OK)
        return RN_OK;
    if (part)
        bound_component_error(d, part, m->call ? m->call : "describe", &m->e);
    else
        diag_add(d, &m->e);
    return m->e.status;
}

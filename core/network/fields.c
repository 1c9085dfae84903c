/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a batch: inputs, or gathered from the split on the device and changed
 * there as the section `augment:` says. */
#include <string.h>

#include <runner/augment.h>

#include "network/network.h"

const char *resident_numbers_name(struct arena *a, uint32_t change) {
    return arena_format(a, "run.numbers.%u", change);
}

/* It shall give what it takes. */
static int check_change(const struct graph *g, rn_value from, rn_value to,
                        const char *name, struct rn_error *e) {
    const struct gvalue *x = graph_value(g, from), *y = graph_value(g, to);
    if (y && y->dtype == x->dtype && y->rank == x->rank &&
        memcmp(x->shape, y->shape, x->rank * sizeof *x->shape) == 0)
        return RN_OK;
    return error_set(e, RN_E_PLUGIN, "%s %s", name,
                     y ? "describes data of another type or shape"
                       : "describes no output 'data'");
}

/* Field `field` of augmenter i. */
static rn_value change(const struct network_options *o, struct graph *g, uint32_t i,
                       uint32_t field, rn_value data, struct diag *d) {
    const struct resident_change *c = &o->resident->changes[i];
    const struct bound_component *a = &c->augmenter;
    const struct rn_augment *iface = a->component->iface;
    int64_t shape[2] = {o->rows, c->numbers};
    struct port_binding ports[2] = {
        {"data", data},
        {"numbers",
         graph_input(g, resident_numbers_name(o->arena, i), RN_I32, 2, shape)}};
    struct builder_options bo = {.graph = g,
                                 .host = instance_host(a->instance),
                                 .self = instance_self(a->instance),
                                 .is_live = instance_is_live,
                                 .component = a->path,
                                 .scope = a->path,
                                 .phase = o->phase,
                                 .input_count = 2,
                                 .inputs = ports};
    struct builder *b = builder_create(&bo);
    struct rn_error e = {0};
    instance_watch(a->instance);
    if (network_finish(a, b, iface->describe(builder_api(b), field), &e) == RN_OK &&
        check_change(g, data, builder_output(b, "data"), a->component->name, &e) ==
            RN_OK)
        return builder_output(b, "data");
    bound_component_error(d, a, "describe", &e);
    return RN_NONE;
}

/* Row `places` of a field that the device holds. */
static rn_value gathered(const struct network_options *o, struct graph *g, uint32_t i,
                         struct diag *d) {
    rn_value out = RN_NONE;
    rn_value in[2] = {graph_variable(g, o->resident->variable[i]),
                      graph_input(g, RESIDENT_PLACES, RN_I64, 1, &o->rows)};
    struct rn_attr axis = rn_attr_int("axis", 0);
    struct rn_error e = {0};
    g->scope = "data";
    if (graph_op(g, "gather", 2, in, 1, &axis, 1, &out, &e) != RN_OK)
        diag_add(d, &e);
    g->scope = "";
    return out;
}

rn_value network_field_value(const struct network_options *o, struct graph *g,
                             uint32_t i, const char *name, struct diag *d) {
    const struct network_field *f = &o->fields[i];
    const struct resident *r = o->resident;
    if (!r || !r->held[i]) {
        int64_t shape[RN_MAX_RANK] = {o->rows};
        for (uint32_t k = 0; k < f->rank && k + 1 < RN_MAX_RANK; k++)
            shape[k + 1] = f->shape[k];
        return graph_input(g, name, f->dtype, f->rank + 1, shape);
    }
    rn_value v = gathered(o, g, i, d);
    for (uint32_t k = 0; k < r->change_count; k++)
        for (uint32_t j = 0; j < r->changes[k].field_count && v; j++)
            if (r->changes[k].fields[j] == i)
                v = change(o, g, k, j, v, d);
    return v;
}

const char *network_source(const struct graph *g, rn_value v) {
    for (const struct gvalue *x = graph_value(g, v); x;) {
        const struct gnode *n = &g->nodes[x->node];
        const char *op = op_name(n->op);
        if (strcmp(op, "input") == 0)
            return strncmp(n->name, "data.", 5) == 0 ? n->name + 5 : NULL;
        x = op_traits(n->op) & OP_KEEPS_VALUES ? graph_value(g, n->in[0]) : NULL;
    }
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Binding ports and building the network of one batch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/suggest.h"
#include "network/inline.h"
#include "network/network.h"

/* ---------------------------------------------------------------- the values */

static void add_value(struct network *n, struct arena *a, const char *name,
                      rn_value v) {
    if (n->value_count == n->value_capacity) {
        uint32_t capacity = n->value_capacity ? 2 * n->value_capacity : 16;
        struct network_value *grown = arena_array(a, struct network_value, capacity);
        if (n->value_count)
            memcpy(grown, n->values, n->value_count * sizeof *grown);
        n->values = grown;
        n->value_capacity = capacity;
    }
    n->values[n->value_count++] = (struct network_value){name, v, false, false};
}

rn_value network_find(const struct network *n, const char *name) {
    size_t length = strlen(name);
    rn_value only = RN_NONE;
    uint32_t matches = 0;
    for (uint32_t i = 0; i < n->value_count; i++) {
        const char *have = n->values[i].name;
        if (strcmp(have, name) == 0)
            return n->values[i].value;
        /* "model" or "model.fake" stands for its only output. */
        if (strncmp(have, name, length) == 0 && have[length] == '.' &&
            !strchr(have + length + 1, '.')) {
            only = n->values[i].value;
            if (strcmp(have + length, ".out") == 0)
                return only;
            matches++;
        }
    }
    return matches == 1 ? only : RN_NONE;
}

/* --------------------------------------------------------- types and binding */

static bool fits(const struct network *n, const struct port_info *port, rn_value v) {
    const struct gvalue *g = graph_value(n->graph, v);
    return g && port_takes_type(port, g->dtype) &&
           port_takes_shape(port, g->rank, g->shape, n->rows);
}

/* What truth values become at a port that does not take them: 0 and 1 of the type that
 * it takes; a model that takes anything gets f32. RN_BOOL: they stay. */
static rn_dtype bool_as(const struct bound_component *part,
                        const struct port_info *port) {
    static const rn_dtype numbers[] = {RN_F32, RN_F64, RN_BF16, RN_F16, RN_I64,
                                       RN_I32, RN_I8,  RN_U32,  RN_U8};
    bool model = strcmp(part->component->kind, "model") == 0;
    if (port_takes_type(port, RN_BOOL) && !(model && strcmp(port->dtype, "any") == 0))
        return RN_BOOL;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (port_takes_type(port, numbers[i]))
            return numbers[i];
    return RN_BOOL;
}

/* May the value be bound to the port? */
typedef bool fits_fn(const struct network *n, const struct bound_component *part,
                     const struct port_info *port, rn_value v);

static bool fits_exactly(const struct network *n, const struct bound_component *part,
                         const struct port_info *port, rn_value v) {
    (void)part;
    return fits(n, port, v);
}

/* Like fits, also for truth values that become numbers. */
static bool binds(const struct network *n, const struct bound_component *part,
                  const struct port_info *port, rn_value v) {
    const struct gvalue *g = graph_value(n->graph, v);
    return fits(n, port, v) ||
           (g && g->dtype == RN_BOOL && bool_as(part, port) != RN_BOOL &&
            port_takes_shape(port, g->rank, g->shape, n->rows));
}

/* The value at the port: truth values as the numbers that it takes. */
static int bool_cast(struct network *n, const struct bound_component *part,
                     const struct port_info *port, rn_value *v, struct diag *d) {
    const struct gvalue *g = graph_value(n->graph, *v);
    rn_dtype to = g && g->dtype == RN_BOOL ? bool_as(part, port) : RN_BOOL;
    struct rn_error e = {0};
    if (to == RN_BOOL)
        return RN_OK;
    struct rn_attr dtype = rn_attr_int("dtype", to);
    if (graph_op(n->graph, "cast", 1, v, 1, &dtype, 1, v, &e) == RN_OK)
        return RN_OK;
    return node_error(d, part->node, false, e.status, "%s", e.message);
}

static void describe_value(const struct network *n, rn_value v, char *out,
                           size_t size) {
    const struct gvalue *g = graph_value(n->graph, v);
    int k = snprintf(out, size, "%s [", dtype_name(g->dtype));
    for (uint32_t i = 0; i < g->rank && k < (int)size - 24; i++)
        k += snprintf(out + k, size - (size_t)k, "%s%lld", i ? "," : "",
                      (long long)g->shape[i]);
    snprintf(out + k, size - (size_t)k, "]");
}

/* The value that a word of `in:` names: a value or a number. */
static rn_value named_value(struct network *n, const struct node *word,
                            struct diag *d) {
    const char *raw = node_raw(word);
    rn_value v = network_find(n, raw);
    if (v)
        return v;
    char *end;
    double number = strtod(raw, &end);
    if (*raw && !*end)
        return graph_scalar(n->graph, RN_F32, number);
    struct suggest all = {0};
    for (uint32_t i = 0; i < n->value_count; i++)
        suggest_add(&all, n->values[i].name);
    node_error(d, word, false, RN_E_CONFIG, "nothing is named '%s' here", raw);
    diag_suggest(d, &all, raw, "there are");
    suggest_finish(&all);
    return RN_NONE;
}

/* A scalar bound to a port with rows fits after broadcasting (`target: 1.0`). */
static bool broadcast_scalar(const struct network *n, const struct port_info *port,
                             rn_value v) {
    const struct gvalue *g = graph_value(n->graph, v);
    return g && g->rank == 0 && port_takes_type(port, g->dtype);
}

static const struct node *binding(const struct bound_component *part,
                                  const char *port) {
    const struct node *in = node_find(part->node, "in");
    if (!in)
        return NULL;
    if (node_kind(in) == NODE_MAP)
        return node_find(in, port);
    /* `in: model.head`: the first port. */
    return strcmp(part->component->in[0].name, port) == 0 ? in : NULL;
}

static const char *last_name(const struct network_value *v) {
    const char *dot = strrchr(v->name, '.');
    return dot ? dot + 1 : "";
}

static bool is_field(const struct network_value *v) {
    return strncmp(v->name, "data.", 5) == 0;
}

/* A value of the port's name, outputs of models before fields. */
static rn_value namesake(const struct network *n, const struct bound_component *part,
                         const struct port_info *port, fits_fn *takes) {
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < n->value_count; i++) {
            const struct network_value *v = &n->values[i];
            if (is_field(v) == (pass == 1) && strcmp(last_name(v), port->name) == 0 &&
                takes(n, part, port, v->value))
                return v->value;
        }
    return RN_NONE;
}

/* The only value of the port's type: what models call `out`, any output, then fields
 * that no model reads; a model itself takes fields first. RN_NONE, and several in
 * `why`, when there is more than one. */
static rn_value only_match(const struct network *n, const struct bound_component *part,
                           const struct port_info *port, const rn_value *taken,
                           uint32_t taken_count, fits_fn *takes, struct text *why) {
    enum group { OUT, OUTPUT, FIELD };
    static const enum group orders[2][3] = {{OUT, OUTPUT, FIELD}, {FIELD, OUT, OUTPUT}};
    bool for_model = strcmp(part->component->kind, "model") == 0;
    for (int pass = 0; pass < 3; pass++) {
        enum group group = orders[for_model][pass];
        rn_value found = RN_NONE;
        uint32_t count = 0;
        text_finish(why);
        for (uint32_t i = 0; i < n->value_count; i++) {
            const struct network_value *v = &n->values[i];
            bool field = is_field(v), skip = found == v->value;
            for (uint32_t k = 0; k < taken_count; k++)
                skip |= taken[k] == v->value;
            skip |= field != (group == FIELD);
            skip |= group == OUT && strcmp(last_name(v), "out") != 0;
            skip |= field && (for_model ? v->target : v->used_by_model);
            if (skip || !takes(n, part, port, v->value))
                continue;
            found = v->value;
            text_addf(why, "%s%s", count++ ? ", " : "", v->name);
        }
        if (count == 1)
            return found;
        if (count > 1)
            return RN_NONE;
    }
    return RN_NONE;
}

/* Would the value do as a class label, were it not a float? */
static bool float_label(const struct network *n, const struct port_info *port,
                        rn_value v) {
    const struct gvalue *g = graph_value(n->graph, v);
    return g && dtype_float(g->dtype) && port_takes_type(port, RN_I64) &&
           !port_takes_type(port, g->dtype) &&
           port_takes_shape(port, g->rank, g->shape, n->rows);
}
#define INTEGER_LABEL                                                                  \
    "a class label is an integer: read the column as one (csv: target_type: int)"

/* Would the value do as a feature, were it not an integer? */
static bool integer_feature(const struct network *n, const struct port_info *port,
                            rn_value v) {
    const struct gvalue *g = graph_value(n->graph, v);
    return g && dtype_int(g->dtype) && port_takes_type(port, RN_F32) &&
           !port_takes_type(port, g->dtype) &&
           port_takes_shape(port, g->rank, g->shape, n->rows);
}
#define FLOAT_FEATURE                                                                  \
    "{type: scale, of: FIELD, factor: 1} in data.transforms makes f32 of integers"

static int bind_port(struct network *n, const struct bound_component *part,
                     const struct port_info *port, const struct node *given,
                     const rn_value *taken, uint32_t taken_count, rn_value *out,
                     struct diag *d) {
    char have[96];
    *out = RN_NONE;
    if (given) {
        *out = named_value(n, given, d);
        if (!*out)
            return RN_E_CONFIG;
        if (!binds(n, part, port, *out) && !broadcast_scalar(n, port, *out)) {
            describe_value(n, *out, have, sizeof have);
            node_error(d, given, false, RN_E_CONFIG,
                       "port '%s' of %s expects %s %s, but '%s' is %s", port->name,
                       part->component->name, port->dtype, port->shape, node_raw(given),
                       have);
            if (float_label(n, port, *out))
                diag_hint(d, INTEGER_LABEL);
            else if (integer_feature(n, port, *out))
                diag_hint(d, FLOAT_FEATURE);
            return RN_E_CONFIG;
        }
        return RN_OK;
    }
    struct text why = {0};
    /* Truth values as numbers only where nothing fits as it is. */
    static fits_fn *const order[] = {fits_exactly, binds};
    for (int i = 0; i < 2 && !port->optional && !*out && !why.length; i++)
        if (!(*out = namesake(n, part, port, order[i])))
            *out = only_match(n, part, port, taken, taken_count, order[i], &why);
    if (!*out && !port->optional) {
        node_error(d, part->node, false, RN_E_CONFIG,
                   "port '%s' of %s (%s %s) matches %s", port->name,
                   part->component->name, port->dtype, port->shape,
                   why.length ? "several values" : "no value");
        if (why.length) {
            diag_hint(d, "say which: in: {%s: ...} with one of: %s", port->name,
                      text_get(&why));
        } else {
            struct text all = {0};
            bool label = false;
            for (uint32_t i = 0; i < n->value_count; i++) {
                describe_value(n, n->values[i].value, have, sizeof have);
                text_addf(&all, "%s%s %s", i ? "; " : "", n->values[i].name, have);
                label |=
                    is_field(&n->values[i]) && float_label(n, port, n->values[i].value);
            }
            if (label)
                text_add(&all, "; " INTEGER_LABEL);
            diag_hint(d, "there are: %s", text_get(&all));
            text_finish(&all);
        }
        text_finish(&why);
        return RN_E_CONFIG;
    }
    text_finish(&why);
    return RN_OK;
}

/* `in:` may name only ports that the component has. */
static int check_in(const struct bound_component *part, struct diag *d) {
    const struct component *c = part->component;
    const struct node *in = node_find(part->node, "in");
    int status = RN_OK;
    for (uint32_t i = 0; in && node_kind(in) == NODE_MAP && i < node_count(in); i++) {
        struct suggest all = {0};
        bool known = false;
        for (uint32_t k = 0; k < c->in_count; k++) {
            suggest_add(&all, c->in[k].name);
            known |= strcmp(c->in[k].name, node_key(in, i)) == 0;
        }
        if (!known) {
            status = node_error(d, node_item(in, i), true, RN_E_CONFIG,
                                "%s has no port '%s'", c->name, node_key(in, i));
            diag_suggest(d, &all, node_key(in, i), "its ports");
        }
        suggest_finish(&all);
    }
    return status;
}

int network_bind(struct network *n, const struct network_options *o,
                 const struct bound_component *part, rn_value *out, struct diag *d) {
    (void)o;
    const struct component *c = part->component;
    int status = check_in(part, d);
    for (uint32_t i = 0; i < c->in_count && status == RN_OK; i++)
        status = bind_port(n, part, &c->in[i], binding(part, c->in[i].name), out, i,
                           &out[i], d);
    for (uint32_t i = 0; i < c->in_count && status == RN_OK; i++)
        status = bool_cast(n, part, &c->in[i], &out[i], d);
    return status;
}

/* ------------------------------------------------------------------ building */

static int report(struct diag *d, const struct bound_component *part,
                  struct rn_error *e) {
    bound_component_error(d, part, "describe", e);
    return e->status;
}

/* The graph is built: did the component ask the host for what it does not have, or give
 * what it did not declare? */
int network_check(const struct network *n, const struct bound_component *part,
                  const struct builder *b, struct rn_error *e) {
    const struct component *c = part->component;
    if (instance_fault(part->instance, e) != RN_OK)
        return e->status;
    for (uint32_t i = 0; i < builder_output_count(b); i++) {
        const char *name = builder_output_name(b, i);
        rn_value v = builder_output(b, name);
        const struct port_info *port = NULL;
        bool open = false;
        char have[96];
        for (uint32_t k = 0; k < c->out_count; k++) {
            open |= strcmp(c->out[k].name, "*") == 0;
            if (strcmp(c->out[k].name, name) == 0)
                port = &c->out[k];
        }
        /* The weights of a loss's terms are its kind's, declared or not. */
        open |= strcmp(c->kind, "loss") == 0 && strcmp(name, "weight") == 0;
        if (!port && !open)
            return error_set(e, RN_E_PLUGIN,
                             "%s gives an output '%s' that it does not "
                             "declare",
                             c->name, name);
        if (!port || fits(n, port, v))
            continue;
        describe_value(n, v, have, sizeof have);
        return error_set(e, RN_E_PLUGIN,
                         "output '%s' of %s is declared as %s %s, but it is %s", name,
                         c->name, port->dtype, port->shape, have);
    }
    for (uint32_t k = 0; k < c->out_count; k++)
        if (strcmp(c->out[k].name, "*") != 0 && !c->out[k].optional &&
            !builder_output(b, c->out[k].name))
            return error_set(e, RN_E_PLUGIN, "%s gave no output '%s'", c->name,
                             c->out[k].name);
    return RN_OK;
}

int network_finish(const struct bound_component *part, struct builder *b, int status,
                   struct rn_error *e) {
    struct rn_error asked;
    int fault = instance_fault(part->instance, &asked);
    status = builder_finish(b, status, e);
    if (fault == RN_OK)
        return status;
    *e = asked;
    return fault;
}

/* For the builder of a model. */
struct rewriting {
    const struct experiment *x;
    int32_t phase;
    bool failed;
    struct diag *d;
};

static rn_value rewrite_point(void *context, struct graph *g,
                              const struct rn_point *point) {
    struct rewriting *r = context;
    rn_value v = network_rewrite(r->x, g, point, r->phase, r->d);
    r->failed |= !v;
    return v;
}

/* Describe once with these inputs; the builder for its outputs, or NULL. r: NULL, or
 * hooks rewrite what it describes. */
static struct builder *describe(struct network *n, const struct bound_component *part,
                                int32_t (*fn)(struct rn_build *), const char *scope,
                                const rn_value *inputs, struct rewriting *r,
                                struct diag *d) {
    const struct component *c = part->component;
    struct port_binding *ports =
        arena_array(n->graph->arena, struct port_binding, c->in_count + 1);
    for (uint32_t i = 0; i < c->in_count; i++)
        ports[i] = (struct port_binding){c->in[i].name, inputs[i]};
    struct builder_options bo = {.graph = n->graph,
                                 .host = instance_host(part->instance),
                                 .self = instance_self(part->instance),
                                 .is_live = instance_is_live,
                                 .extension = inline_extension,
                                 .component = part->path,
                                 .scope = scope,
                                 .phase = n->phase,
                                 .refresh = n->refresh,
                                 .input_count = c->in_count,
                                 .inputs = ports,
                                 .rewrite = r ? rewrite_point : NULL,
                                 .rewrite_context = r};
    struct builder *b = builder_create(&bo);
    struct rn_error e = {0};
    instance_watch(part->instance);
    if (network_finish(part, b, fn(builder_api(b)), &e) != RN_OK ||
        network_check(n, part, b, &e) != RN_OK) {
        if (!r || !r->failed) /* else the hook's error was reported */
            report(d, part, &e);
        return NULL;
    }
    return b;
}

static void mark_used(struct network *n, rn_value v) {
    for (uint32_t i = 0; i < n->value_count; i++)
        if (n->values[i].value == v)
            n->values[i].used_by_model = true;
}

static int model_build(struct network *n, const struct network_options *o,
                       const struct bound_component *part, struct diag *d) {
    const struct component *c = part->component;
    const struct rn_model *m = c->iface;
    const struct node *in = node_find(part->node, "in");
    struct rewriting r = {o->experiment, n->phase, false, d};
    /* A list as a port's binding applies the model, with the same weights, to each. */
    uint32_t times = 1;
    for (uint32_t i = 0; in && node_kind(in) == NODE_MAP && i < node_count(in); i++)
        if (node_kind(node_item(in, i)) == NODE_LIST &&
            node_count(node_item(in, i)) > times)
            times = node_count(node_item(in, i));
    int status = check_in(part, d);
    if (status != RN_OK)
        return status;
    for (uint32_t t = 0; t < times; t++) {
        rn_value inputs[COMPONENT_PORTS];
        for (uint32_t i = 0; i < c->in_count; i++) {
            const struct node *given = binding(part, c->in[i].name);
            if (given && node_kind(given) == NODE_LIST)
                given = node_item(given, t < node_count(given) ? t : 0);
            if (given && node_kind(given) != NODE_SCALAR)
                return node_error(d, given, false, RN_E_CONFIG,
                                  "a port is bound to a name, such as data.x");
            status = bind_port(n, part, &c->in[i], given, inputs, i, &inputs[i], d);
            if (status != RN_OK)
                return status;
            mark_used(n, inputs[i]);
        }
        for (uint32_t i = 0; i < c->in_count && status == RN_OK; i++)
            status = bool_cast(n, part, &c->in[i], &inputs[i], d);
        if (status != RN_OK)
            return status;
        struct builder *b = describe(n, part, m->describe, part->path, inputs,
                                     network_rewrites(o->experiment) ? &r : NULL, d);
        if (!b)
            return diag_status(d);
        for (uint32_t i = 0; i < builder_output_count(b); i++) {
            const char *port = builder_output_name(b, i);
            const char *name =
                times > 1 ? arena_format(o->arena, "%s.%u.%s", part->path, t, port)
                          : arena_format(o->arena, "%s.%s", part->path, port);
            add_value(n, o->arena, name, builder_output(b, port));
        }
    }
    return RN_OK;
}

static rn_value op(struct graph *g, const char *name, uint32_t n, const rn_value *in,
                   struct rn_error *e) {
    rn_value out = RN_NONE;
    graph_op(g, name, n, in, 0, NULL, 1, &out, e);
    return out;
}

const char *network_loss_scope(const struct bound_component *loss) {
    const char *scope = ""; /* every loss has one: plugin/describe.c */
    for (uint32_t i = 0; i < loss->component->out_count; i++)
        if (strcmp(loss->component->out[i].name, "loss") == 0)
            scope = loss->component->out[i].scope;
    return scope;
}

static int loss_build(struct network *n, const struct network_options *o,
                      const struct bound_component *part, struct network_loss *l,
                      struct diag *d) {
    const struct rn_loss *iface = part->component->iface;
    const struct node *weight = node_find(part->node, "weight");
    rn_value inputs[COMPONENT_PORTS];
    int status = network_bind(n, o, part, inputs, d);
    if (status != RN_OK)
        return status;
    struct builder *b = describe(n, part, iface->describe, part->path, inputs, NULL, d);
    if (!b)
        return diag_status(d);
    const char *scope = network_loss_scope(part);
    l->part = part;
    l->name = part->name;
    l->factor = weight ? strtod(node_raw(weight), NULL) : 1.0;
    l->loss = builder_output(b, "loss");
    l->weight = builder_output(b, "weight");
    l->by_row = strcmp(scope, "element") == 0 || strcmp(scope, "sample") == 0;
    l->of_parameters = strcmp(scope, "parameter") == 0;
    struct rn_error e = {0};
    struct graph *g = n->graph;
    const struct gvalue *lv = graph_value(g, l->loss);
    if (!lv) {
        error_set(&e, RN_E_PLUGIN, "loss %s gave no output 'loss'",
                  part->component->name);
        return report(d, part, &e);
    }
    if (!l->by_row) {
        if (lv->rank != 0) {
            error_set(&e, RN_E_PLUGIN, "loss %s has scope %s and must be a scalar",
                      part->component->name, scope);
            return report(d, part, &e);
        }
        return RN_OK;
    }
    if (lv->rank == 0 || lv->shape[0] != n->rows) {
        error_set(&e, RN_E_PLUGIN,
                  "loss %s has scope %s: its first dimension must be the batch (%lld)",
                  part->component->name, scope, (long long)n->rows);
        return report(d, part, &e);
    }
    rn_value terms = l->loss;
    if (l->weight) {
        /* weight broadcasts to loss; sum(weight) counts every element it stands for */
        rn_value w = l->weight, lw[2] = {l->loss, w};
        struct rn_attr shape = {"shape", RN_ATTR_INTS, lv->rank, 0, 0.0, lv->shape};
        rn_value full = RN_NONE;
        if (graph_op(g, "broadcast_to", 1, &w, 1, &shape, 1, &full, &e) != RN_OK)
            return report(d, part, &e);
        lw[1] = full;
        terms = op(g, "mul", 2, lw, &e);
        l->total_weight = op(g, "reduce_sum", 1, &full, &e);
    } else {
        l->total_weight = graph_scalar(g, RN_F32, (double)graph_elements(g, l->loss));
    }
    l->sum = op(g, "reduce_sum", 1, &terms, &e);
    return l->sum && l->total_weight ? RN_OK : report(d, part, &e);
}

int network_build(const struct network_options *o, struct network *out,
                  struct diag *d) {
    const struct experiment *x = o->experiment;
    memset(out, 0, sizeof *out);
    out->graph = graph_create(o->arena, o->variables, o->name);
    out->rows = o->rows;
    out->phase = o->phase;
    out->refresh = o->refresh;
    for (uint32_t i = 0; i < o->field_count; i++) {
        const char *name = arena_format(o->arena, "data.%s", o->fields[i].name);
        rn_value v = network_field_value(o, out->graph, i, name, d);
        if (!v)
            return diag_status(d);
        add_value(out, o->arena, name, v);
        out->values[out->value_count - 1].target = o->fields[i].target;
    }
    for (uint32_t i = 0; i < x->models.count; i++) {
        int status = model_build(out, o, &x->models.at[i], d);
        if (status != RN_OK)
            return status;
    }
    if (!o->losses)
        return RN_OK;
    out->losses = arena_array(o->arena, struct network_loss, x->losses.count + 1);
    int status = RN_OK;
    for (uint32_t i = 0; i < x->losses.count; i++) {
        int s = loss_build(out, o, &x->losses.at[i], &out->losses[out->loss_count], d);
        out->loss_count += s == RN_OK;
        status = status ? status : s;
    }
    return status;
}

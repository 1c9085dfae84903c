/* SPDX-License-Identifier: Apache-2.0 */
/* The builder that describe functions get: struct rn_build over a graph. The first
 * error sticks; scopes nest; live options and hidden random inputs become live sources.
 */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "graph/builder.h"

static struct builder *self(struct rn_build *b) {
    return (struct builder *)b;
}

void builder_stick(struct builder *b, const struct rn_error *e) {
    if (b->e.status)
        return;
    b->e = *e;
    if (b->g->scope && b->g->scope[0] && strcmp(b->g->scope, b->o.component) != 0)
        error_context(&b->e, "layer '%s'", b->g->scope);
    if (!b->e.where[0])
        error_where(&b->e, RN_WHERE_CONFIG, b->o.component, 0, 0);
}

struct graph *builder_enter(struct builder *b, struct graph *body) {
    struct graph *outer = b->g;
    body->scope = outer->scope;
    b->g = body;
    return outer;
}

void builder_leave(struct builder *b, struct graph *outer) {
    b->g = outer;
}

static void stick_text(struct builder *b, int status, const char *format,
                       const char *x) {
    struct rn_error e;
    error_set(&e, status, format, x);
    builder_stick(b, &e);
}

/* ------------------------------------------------------------------- rewriting */

rn_value builder_current(const struct builder *b, rn_value v) {
    bool known = b->g == b->o.graph && v < b->stands_for_count && b->stands_for[v];
    return known ? b->stands_for[v] : v;
}

static void stand_for(struct builder *b, rn_value v, rn_value by) {
    if (v >= b->stands_for_count) {
        uint32_t count = 2 * v + 64;
        rn_value *grown = arena_array(b->g->arena, rn_value, count);
        if (b->stands_for_count)
            memcpy(grown, b->stands_for, b->stands_for_count * sizeof *grown);
        b->stands_for = grown;
        b->stands_for_count = count;
    }
    b->stands_for[v] = by;
}

/* Once for each value. */
static void rewrite(struct builder *b, const struct rn_point *point) {
    rn_value v = point->value;
    if (v < b->stands_for_count && b->stands_for[v])
        return;
    rn_value by = b->o.rewrite(b->o.rewrite_context, b->g, point);
    stand_for(b, v, by ? by : v);
    if (!by)
        stick_text(b, RN_E_PLUGIN, "'%s' was not rewritten", point->path);
}

bool gnode_ends_layer(const struct graph *g, uint32_t i, uint32_t count) {
    const struct gnode *n = &g->nodes[i];
    bool last = strncmp(n->scope, "model", 5) == 0 && n->out_count &&
                !(op_traits(n->op) & OP_SOURCE);
    for (uint32_t k = i + 1; last && k < count; k++)
        last = strcmp(g->nodes[k].scope, n->scope) != 0;
    return last && graph_value(g, n->out[0])->dtype == RN_F32;
}

/* The layer of the present scope is complete: its output. */
static void rewrite_layer(struct builder *b) {
    struct graph *g = b->g;
    uint32_t i = g->node_count;
    if (!b->o.rewrite || b->e.status || g != b->o.graph)
        return;
    while (i > b->first_node && strcmp(g->nodes[i - 1].scope, g->scope) != 0)
        i--;
    if (i == b->first_node || !gnode_ends_layer(g, i - 1, g->node_count))
        return;
    const struct gnode *n = &g->nodes[i - 1];
    struct rn_point point = {sizeof point,   RN_POINT_ACTIVATION, n->scope,
                             op_name(n->op), n->out[0],           0};
    rewrite(b, &point);
}

static uint32_t next_stream(struct builder *b) {
    struct counter *c = b->counters;
    while (c && strcmp(c->scope, b->g->scope) != 0)
        c = c->next;
    if (!c) {
        c = arena_new(b->g->arena, struct counter);
        c->scope = b->g->scope;
        c->next = b->counters;
        b->counters = c;
    }
    const char *name = arena_format(b->g->arena, "%s#%u", b->g->scope, c->count++);
    return (uint32_t)fnv1a(name, strlen(name));
}

static int32_t build_op(struct rn_build *api, const char *name, uint32_t n_in,
                        const rn_value *in, uint32_t n_attr,
                        const struct rn_attr *attrs, uint32_t attr_stride,
                        uint32_t n_out, rn_value *out) {
    struct builder *b = self(api);
    struct graph *g = b->g;
    for (uint32_t i = 0; i < n_out; i++)
        out[i] = RN_NONE;
    if (b->e.status)
        return b->e.status;
    const struct op *op = op_find(name);
    uint32_t extra = op && op->traits & OP_RANDOM ? 3 : 0;
    rn_value *ins = arena_array(g->arena, rn_value, n_in + extra + 1);
    struct rn_attr *list = arena_array(g->arena, struct rn_attr, n_attr + 2);
    for (uint32_t i = 0; i < n_in; i++) {
        ins[i] = builder_current(b, in[i]);
        if (in[i])
            continue;
        stick_text(b, RN_E_PLUGIN, "%s: an input is not a value", name);
        return b->e.status;
    }
    for (uint32_t i = 0; i < n_attr; i++)
        memcpy(&list[i], (const char *)attrs + (size_t)i * attr_stride,
               attr_stride < sizeof *list ? attr_stride : sizeof *list);
    if (extra) {
        ins[n_in++] = graph_live(g, "run.seed", RN_U32);
        ins[n_in++] = graph_live(g, "run.step", RN_U32);
        ins[n_in++] = graph_live(g, "run.row", RN_U32);
        list[n_attr++] = rn_attr_int("stream", next_stream(b));
    }
    struct rn_error e = {0};
    int status = graph_op(g, name, n_in, ins, n_attr, list, n_out, out, &e);
    if (status != RN_OK)
        builder_stick(b, &e);
    return status;
}

static rn_value build_input(struct rn_build *api, const char *port) {
    struct builder *b = self(api);
    for (uint32_t i = 0; i < b->o.input_count; i++)
        if (strcmp(b->o.inputs[i].port, port) == 0)
            return b->o.inputs[i].value;
    stick_text(b, RN_E_PLUGIN, "there is no input port '%s'", port);
    return RN_NONE;
}

static void build_output(struct rn_build *api, const char *port, rn_value value) {
    struct builder *b = self(api);
    if (b->e.status)
        return;
    if (b->g != b->o.graph || !graph_value(b->g, value)) {
        stick_text(b, RN_E_PLUGIN, "output '%s' is not a value", port);
        return;
    }
    if (builder_output(b, port)) {
        stick_text(b, RN_E_PLUGIN, "output '%s' is given twice", port);
        return;
    }
    if (b->output_count == b->output_capacity) {
        uint32_t capacity = 2 * b->output_capacity + 8;
        struct goutput *grown = arena_array(b->g->arena, struct goutput, capacity);
        if (b->output_count)
            memcpy(grown, b->outputs, b->output_count * sizeof *grown);
        b->outputs = grown;
        b->output_capacity = capacity;
    }
    b->outputs[b->output_count++] =
        (struct goutput){arena_copy(b->g->arena, port), builder_current(b, value)};
}

static rn_value build_live(struct rn_build *api, const char *option) {
    struct builder *b = self(api);
    if (b->e.status)
        return RN_NONE;
    if (b->o.is_live ? !b->o.is_live(b->o.host, option)
                     : b->o.host && !b->o.host->api->has(b->o.host, option)) {
        stick_text(b, RN_E_PLUGIN, "there is no live option '%s'", option);
        error_hint(&b->e,
                   "rn_live is for options with `; live` in their description; others "
                   "are constants: rn_get_float(b->host, \"%s\")",
                   option);
        return RN_NONE;
    }
    const char *name = arena_format(b->g->arena, "%s.%s", b->o.component, option);
    return graph_live(b->g, name, RN_F32);
}

static rn_value build_constant(struct rn_build *api, rn_dtype dtype, uint32_t rank,
                               const int64_t *shape, const void *data) {
    struct builder *b = self(api);
    if (b->e.status)
        return RN_NONE;
    if (strcmp(dtype_name(dtype), "?") == 0 || rank > RN_MAX_RANK) {
        stick_text(b, RN_E_PLUGIN, "a constant of an unknown type%s", "");
        return RN_NONE;
    }
    return graph_constant(b->g, dtype, rank, shape, data);
}

static rn_value build_variable(struct rn_build *api, const struct rn_variable *v) {
    struct builder *b = self(api);
    if (b->e.status)
        return RN_NONE;
    if (!RN_HAS(v, struct rn_variable, value)) {
        stick_text(b, RN_E_PLUGIN, "a variable whose struct_size is too small%s", "");
        return RN_NONE;
    }
    struct variable x = {.role = v->role,
                         .owner = b->o.component,
                         .dtype = v->dtype,
                         .rank = v->rank,
                         .trainable = v->trainable,
                         .checkpointed = true,
                         .fan_in = v->fan_in,
                         .fan_out = v->fan_out,
                         .init = v->init,
                         .value = v->value};
    struct rn_error e = {0};
    uint32_t id;
    if (v->rank > RN_MAX_RANK || !v->name || (v->rank && !v->shape)) {
        stick_text(b, RN_E_PLUGIN, "a variable without name or shape%s", "");
        return RN_NONE;
    }
    if (v->rank)
        memcpy(x.shape, v->shape, v->rank * sizeof *v->shape);
    x.name = arena_format(b->g->arena, "%s.%s", b->g->scope, v->name);
    /* Accumulators of metrics live for one evaluation. */
    if (strncmp(b->o.component, "metrics", 7) == 0)
        x.checkpointed = false;
    if (variables_declare(b->g->variables, &x, &id, &e) != RN_OK) {
        builder_stick(b, &e);
        return RN_NONE;
    }
    rn_value value = graph_variable(b->g, id);
    if (!b->o.rewrite || !x.trainable || b->g != b->o.graph)
        return value;
    struct rn_point point = {sizeof point, RN_POINT_WEIGHT, x.name, "", value, 0};
    rewrite(b, &point);
    return value;
}

static void build_assign(struct rn_build *api, const char *name, rn_value value) {
    struct builder *b = self(api);
    struct rn_error e = {0};
    if (b->e.status)
        return;
    const char *full = arena_format(b->g->arena, "%s.%s", b->g->scope, name);
    const struct variable *v = variables_find(b->g->variables, full);
    if (!v)
        error_set(&e, RN_E_PLUGIN, "'%s' is assigned but was never declared", full);
    else
        graph_assign(b->g, v->id, builder_current(b, value), &e);
    if (e.status)
        builder_stick(b, &e);
}

static int32_t build_shape(struct rn_build *api, rn_value v, uint32_t *rank,
                           int64_t *dims, rn_dtype *dtype) {
    const struct gvalue *x = graph_value(self(api)->g, v);
    if (!x)
        return RN_E_PLUGIN;
    *rank = x->rank;
    *dtype = x->dtype;
    memcpy(dims, x->shape, x->rank * sizeof *dims);
    return RN_OK;
}

static void build_push(struct rn_build *api, const char *scope) {
    struct builder *b = self(api);
    if (b->depth == sizeof b->scopes / sizeof b->scopes[0]) {
        stick_text(b, RN_E_PLUGIN, "scopes nest deeper than 64 at '%s'", scope);
        return;
    }
    b->scopes[b->depth++] = b->g->scope;
    if (*scope)
        b->g->scope = *b->g->scope
                          ? arena_format(b->g->arena, "%s.%s", b->g->scope, scope)
                          : arena_copy(b->g->arena, scope);
}

static void build_pop(struct rn_build *api) {
    struct builder *b = self(api);
    if (!b->depth)
        return;
    rewrite_layer(b);
    b->g->scope = b->scopes[--b->depth];
}

static uint32_t build_phase(struct rn_build *api) {
    return self(api)->o.phase;
}

static void build_fail(struct rn_build *api, const char *message, const char *hint,
                       const char *where) {
    struct builder *b = self(api);
    struct rn_error e;
    if (!message && where && b->e.status && strcmp(b->e.where, b->o.component) == 0)
        error_where(&b->e, RN_WHERE_CONFIG,
                    arena_format(b->g->arena, "%s.%s", b->o.component, where), 0, 0);
    if (b->e.status || !message)
        return;
    error_set(&e, RN_E_CONFIG, "%s", message);
    if (hint)
        error_hint(&e, "%s", hint);
    if (where)
        error_where(&e, RN_WHERE_CONFIG,
                    arena_format(b->g->arena, "%s.%s", b->o.component, where), 0, 0);
    builder_stick(b, &e);
}

static int32_t build_custom(struct rn_build *api, const struct rn_operator *op,
                            uint32_t n_in, const rn_value *in, uint32_t n_attr,
                            const struct rn_attr *attrs, uint32_t attr_stride,
                            rn_value *out) {
    struct builder *b = self(api);
    struct rn_error e = {0};
    struct rn_attr *list = arena_array(b->g->arena, struct rn_attr, n_attr + 1);
    if (b->e.status)
        return b->e.status;
    rn_value *ins = arena_array(b->g->arena, rn_value, n_in + 1);
    for (uint32_t i = 0; i < n_in; i++)
        ins[i] = builder_current(b, in[i]);
    for (uint32_t i = 0; i < n_attr; i++)
        memcpy(&list[i], (const char *)attrs + (size_t)i * attr_stride,
               attr_stride < sizeof *list ? attr_stride : sizeof *list);
    int status = graph_custom(b->g, op, n_in, ins, n_attr, list, out, &e);
    if (status != RN_OK)
        builder_stick(b, &e);
    return status;
}

static int32_t build_gradient(struct rn_build *api, rn_value y, uint32_t n,
                              const rn_value *xs, rn_value *gxs) {
    struct builder *b = self(api);
    struct rn_error e = {0};
    for (uint32_t i = 0; i < n; i++)
        gxs[i] = RN_NONE;
    if (b->e.status)
        return b->e.status;
    int status = graph_gradient(b->g, 1, &y, NULL, n, xs, gxs, &e);
    if (status != RN_OK)
        builder_stick(b, &e);
    return status;
}

static const struct rn_operator_api operator_api = {sizeof(struct rn_operator_api), 0,
                                                    build_custom};
static const struct rn_gradient_api gradient_api = {sizeof(struct rn_gradient_api), 0,
                                                    build_gradient};

static const struct rn_parameter *build_parameter(struct rn_build *api) {
    return self(api)->o.parameter;
}

static const struct rn_parameter_api parameter_api = {sizeof(struct rn_parameter_api),
                                                      0, build_parameter};

static rn_value build_share(struct rn_build *api) {
    struct builder *b = self(api);
    return b->e.status ? RN_NONE : graph_live(b->g, GRAPH_REFRESH_SHARE, RN_F32);
}

static const struct rn_refresh_api refresh_api = {sizeof(struct rn_refresh_api), 0,
                                                  build_share};

static const void *build_extension(struct rn_build *api, const char *id) {
    if (strcmp(id, "runner.parameter/1") == 0 && self(api)->o.parameter)
        return &parameter_api;
    if (strcmp(id, "runner.refresh/1") == 0)
        return self(api)->o.refresh ? &refresh_api : NULL;
    if (strcmp(id, "runner.operator/1") == 0)
        return &operator_api;
    if (strcmp(id, "runner.gradient/1") == 0)
        return &gradient_api;
    if (strcmp(id, "runner.scan/1") == 0)
        return &builder_scan_api;
    if (self(api)->o.extension)
        return self(api)->o.extension(id);
    return NULL;
}

static const struct rn_build_api api_table = {sizeof(struct rn_build_api),
                                              0,
                                              build_op,
                                              build_input,
                                              build_output,
                                              build_live,
                                              build_constant,
                                              build_variable,
                                              build_assign,
                                              build_shape,
                                              build_push,
                                              build_pop,
                                              build_phase,
                                              build_fail,
                                              build_extension};

struct builder *builder_create(const struct builder_options *o) {
    struct builder *b = arena_new(o->graph->arena, struct builder);
    b->api.api = &api_table;
    b->api.host = o->host;
    b->api.self = o->self;
    b->g = o->graph;
    b->first_node = o->graph->node_count;
    b->o = *o;
    b->outer = b->g->scope;
    b->g->scope = arena_copy(b->g->arena, o->scope ? o->scope : "");
    return b;
}

struct rn_build *builder_api(struct builder *b) {
    return &b->api;
}

int builder_finish(struct builder *b, int status, struct rn_error *e) {
    if (status == RN_OK && !b->depth) { /* the component as a layer */
        rewrite_layer(b);
        for (uint32_t i = 0; i < b->output_count; i++)
            b->outputs[i].value = builder_current(b, b->outputs[i].value);
    }
    b->g->scope = b->outer;
    if (b->e.status) {
        if (e)
            *e = b->e;
        return b->e.status;
    }
    error_clear(e);
    return error_of_call(e, status, b->o.component, "describe");
}

rn_value builder_output(const struct builder *b, const char *port) {
    for (uint32_t i = 0; i < b->output_count; i++)
        if (strcmp(b->outputs[i].name, port) == 0)
            return b->outputs[i].value;
    return RN_NONE;
}

uint32_t builder_output_count(const struct builder *b) {
    return b->output_count;
}

const char *builder_output_name(const struct builder *b, uint32_t i) {
    return b->outputs[i].name;
}

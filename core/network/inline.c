/* SPDX-License-Identifier: Apache-2.0 */
/* Describing a nested component in the scope of the one that wraps it. */
#include "network/inline.h"

#include <string.h>

#include <runner/inline.h>
#include <runner/loss.h>
#include <runner/model.h>
#include <runner/optimizer.h>
#include <runner/regularizer.h>

#include "graph/builder.h"
#include "network/graph_writer.h"

typedef int32_t (*describe_fn)(struct rn_build *b);

static describe_fn form_of(const struct component *c) {
    const void *iface = c->iface;
    if (strcmp(c->kind, "loss") == 0)
        return ((const struct rn_loss *)iface)->describe;
    if (strcmp(c->kind, "optimizer") == 0)
        return ((const struct rn_optimizer *)iface)->describe;
    if (strcmp(c->kind, "regularizer") == 0)
        return ((const struct rn_regularizer *)iface)->describe;
    return strcmp(c->kind, "model") == 0 ? ((const struct rn_model *)iface)->describe
                                         : NULL;
}

static struct rn_inline_port *port_at(const struct rn_inline_call *call,
                                      const struct rn_inline_port *ports, uint32_t i) {
    return (struct rn_inline_port *)((uintptr_t)ports + (size_t)i * call->port_stride);
}

/* What the call gives to a port, else the outer component's input of that name. */
static bool find_input(const struct builder *outer, const struct rn_inline_call *call,
                       const char *port, rn_value *out) {
    for (uint32_t i = 0; i < call->input_count; i++)
        if (strcmp(port_at(call, call->inputs, i)->port, port) == 0) {
            *out = port_at(call, call->inputs, i)->value;
            return true;
        }
    for (uint32_t i = 0; i < outer->o.input_count; i++)
        if (strcmp(outer->o.inputs[i].port, port) == 0) {
            *out = outer->o.inputs[i].value;
            return true;
        }
    return false;
}

static int bind(const struct builder *outer, const struct rn_inline_call *call,
                const struct component *c, struct port_binding *ports,
                struct rn_error *e) {
    for (uint32_t i = 0; i < call->input_count; i++) {
        const char *port = port_at(call, call->inputs, i)->port;
        bool known = false;
        for (uint32_t k = 0; k < c->in_count; k++)
            known |= strcmp(c->in[k].name, port) == 0;
        if (!known)
            return error_set(e, RN_E_CONFIG, "%s at '%s' has no port '%s'", c->name,
                             call->option, port);
    }
    for (uint32_t k = 0; k < c->in_count; k++) {
        ports[k] = (struct port_binding){c->in[k].name, RN_NONE};
        if (!find_input(outer, call, c->in[k].name, &ports[k].value) &&
            !c->in[k].optional)
            return error_set(e, RN_E_CONFIG,
                             "%s at '%s' reads '%s', which %s neither gives it nor has",
                             c->name, call->option, c->in[k].name, outer->o.component);
    }
    return RN_OK;
}

static int describe_inner(struct builder *outer, const struct rn_inline_call *call,
                          struct instance *inner, struct rn_error *e) {
    const struct component *c = instance_component(inner);
    struct arena *a = outer->g->arena;
    describe_fn form = form_of(c);
    const char *scope = call->scope ? call->scope : call->option;
    struct port_binding *ports = arena_array(a, struct port_binding, c->in_count + 1);
    int status = bind(outer, call, c, ports, e);
    if (status != RN_OK)
        return status;
    if (!form)
        return error_set(e, RN_E_CONFIG, "%s at '%s' describes nothing", c->name,
                         call->option);
    if (strcmp(c->kind, "optimizer") == 0 && phases_find(c, e)) {
        error_set(e, RN_E_CONFIG,
                  "%s at '%s' takes several gradients a step, which only the outermost "
                  "optimizer can",
                  c->name, call->option);
        return error_hint(e, "put %s around the other optimizer", c->bare);
    }
    if (e->status != RN_OK)
        return e->status;
    struct bound_component part = {
        .component = c,
        .instance = inner,
        .path = arena_format(a, "%s.%s", outer->o.component, call->option)};
    struct builder_options bo = outer->o;
    bo.graph = outer->g;
    bo.host = instance_host(inner);
    bo.self = instance_self(inner);
    bo.component = part.path;
    bo.scope =
        *outer->g->scope ? arena_format(a, "%s.%s", outer->g->scope, scope) : scope;
    bo.input_count = c->in_count;
    bo.inputs = ports;
    struct builder *b = builder_create(&bo);
    instance_watch(inner);
    status = network_finish(&part, b, form(builder_api(b)), e);
    for (uint32_t i = 0; i < call->output_count && status == RN_OK; i++) {
        struct rn_inline_port *out = port_at(call, call->outputs, i);
        out->value = builder_output(b, out->port);
    }
    return status;
}

static int32_t inline_describe(struct rn_build *api,
                               const struct rn_inline_call *call) {
    struct builder *outer = (struct builder *)api;
    struct rn_error e = {0};
    if (outer->e.status)
        return outer->e.status;
    struct instance *inner = RN_HAS(call, struct rn_inline_call, outputs)
                                 ? instance_inner(api->host, call->option)
                                 : NULL;
    int status = inner ? describe_inner(outer, call, inner, &e)
                       : error_set(&e, RN_E_PLUGIN, "there is no component at '%s'",
                                   call->option);
    if (status != RN_OK)
        builder_stick(outer, &e);
    return status;
}

static const struct rn_inline_api inline_api = {sizeof(struct rn_inline_api), 0,
                                                inline_describe};

const void *inline_extension(const char *id) {
    return strcmp(id, "runner.inline/1") == 0 ? &inline_api : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* An instance: a component bound to the node that configures it, and the host that it
 * sees: typed getters, nested components, reports. */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "plugin/internal.h"
#include "plugin/kinds.h"

struct instance {
    struct rn_host host; /* first: the plugin's handle */
    struct session *session;
    const struct component *component;
    const struct node *node;
    const struct instance_services *services;
    struct diag *d;      /* while it is being created */
    pthread_mutex_t one; /* held in a [worker] call of a component of one thread */
    bool watched;
    const char *called_from; /* in_call before it was watched */
    struct rn_error fault; /* the first thing it did wrong or reported while watched */
    void *self;
    struct guard *lent; /* of a call that services may add buffers to; NULL: none */
    bool created;
    struct instance **nested;
    uint32_t nested_count, nested_capacity;
    struct inner *inner; /* nested ones that this one describes */
    uint32_t inner_count, inner_capacity;
};

struct inner {
    const char *option;
    struct instance *instance;
};

static _Thread_local const char *in_call = "";

const char *plugin_in_call(void) {
    return in_call;
}

const char *call_enter(const char *name) {
    const char *before = in_call;
    in_call = name;
    return before;
}

void call_leave(const char *before) {
    in_call = before;
}

static struct instance *of(struct rn_host *h) {
    return (struct instance *)h;
}

void *instance_context(struct rn_host *h) {
    return of(h)->services ? of(h)->services->context : NULL;
}

/* ------------------------------------------------------------------- getters */

static int complain(struct instance *i, const char *path, const char *what) {
    struct rn_error e;
    error_set(&e, RN_E_PLUGIN, "%s asks for '%s' %s", i->component->name, path, what);
    if (i->d) {
        component_blame(i->component, "create", &e);
        instance_error(i, i->d, &e);
    } else if (!i->watched)
        log_say(i->session->log, RN_LOG_WARNING, "%s", e.message);
    else if (!i->fault.status)
        i->fault = e;
    return RN_E_PLUGIN;
}

void instance_watch(struct instance *i) {
    i->watched = true;
    i->called_from = call_enter(i->component->name);
    error_clear(&i->fault);
}

int instance_fault(struct instance *i, struct rn_error *e) {
    int status = i->fault.status;
    if (i->watched)
        call_leave(i->called_from);
    i->watched = false;
    if (status != RN_OK && e)
        *e = i->fault;
    error_clear(&i->fault);
    return status;
}

/* The top option that a path starts with. */
static const struct option_info *option_of(const struct instance *i, const char *path) {
    char name[160];
    size_t n = strcspn(path, ".");
    snprintf(name, sizeof name, "%.*s", (int)n, path);
    return schema_find(i->component->schema, name);
}

bool instance_is_live(struct rn_host *h, const char *option) {
    const struct option_info *o = schema_find(of(h)->component->schema, option);
    return o && o->live;
}

/* *out: NULL where an optional option without a default was not given. */
static int look_up(struct instance *i, const char *path, const struct node **out) {
    const struct option_info *o = option_of(i, path);
    if (!o)
        return complain(i, path, "which it does not describe");
    if (o->live && !strchr(path, '.'))
        return complain(i, path, "as a constant, but it is live: rn_live gives it");
    *out = node_at(i->node, path);
    return RN_OK;
}

static int get_node(struct instance *i, const char *path, const struct node **out) {
    int status = look_up(i, path, out);
    if (status == RN_OK && !*out)
        return complain(i, path, "which has neither a value nor a default (rn_has)");
    return status;
}

static int scalar(struct instance *i, const char *path, const struct node **out) {
    int status = get_node(i, path, out);
    if (status == RN_OK && node_kind(*out) != NODE_SCALAR)
        return complain(i, path, "as a single value, but it is not");
    return status;
}

/* Does the option's own type allow the getter? Nested ones are checked by their value.
 */
static bool type_is(const struct instance *i, const char *path,
                    const char *const *types) {
    const struct option_info *o = option_of(i, path);
    if (strchr(path, '.'))
        return true;
    for (; *types; types++)
        if (strncmp(o->type, *types, strlen(*types)) == 0)
            return true;
    return false;
}

/* asked: "a bool". */
static int mistyped(struct instance *i, const char *path, const char *asked) {
    const struct option_info *o = option_of(i, path);
    char what[200];
    snprintf(what, sizeof what, "as %s, but its description says %.80s", asked,
             o ? o->type : "otherwise");
    return complain(i, path, what);
}

static int32_t get_bool(struct rn_host *h, const char *path, int32_t *out) {
    const struct node *n;
    *out = 0;
    int status = scalar(of(h), path, &n);
    if (status != RN_OK)
        return status;
    if (!type_is(of(h), path, (const char *const[]){"bool", NULL}))
        return mistyped(of(h), path, "a bool");
    *out = node_bool(n);
    return RN_OK;
}

static int32_t get_int(struct rn_host *h, const char *path, int64_t *out) {
    const struct node *n;
    *out = 0;
    int status = scalar(of(h), path, &n);
    if (status != RN_OK)
        return status;
    if (!type_is(of(h), path, (const char *const[]){"int", NULL}))
        return mistyped(of(h), path, "an int");
    *out = node_int(n);
    return RN_OK;
}

static int32_t get_float(struct rn_host *h, const char *path, double *out) {
    const struct node *n;
    *out = 0.0;
    int status = scalar(of(h), path, &n);
    if (status != RN_OK)
        return status;
    if (!type_is(of(h), path, (const char *const[]){"float", "int", NULL}))
        return mistyped(of(h), path, "a float");
    *out = node_float(n);
    return RN_OK;
}

static int32_t get_string(struct rn_host *h, const char *path, const char **out) {
    const struct node *n;
    *out = "";
    int status = scalar(of(h), path, &n);
    if (status != RN_OK)
        return status;
    if (!type_is(of(h), path,
                 (const char *const[]){"string", "choice", "path", "duration",
                                       "pattern", "reference", "any", NULL}))
        return mistyped(of(h), path, "a string");
    *out = node_string(n);
    return RN_OK;
}

static int32_t get_count(struct rn_host *h, const char *path, uint32_t *out) {
    const struct node *n;
    int status = look_up(of(h), path, &n);
    *out = 0;
    if (status != RN_OK || !n) /* a list that was not given is empty */
        return status;
    if (node_kind(n) == NODE_SCALAR)
        return complain(of(h), path, "as a list or a map, but it is neither");
    *out = node_count(n);
    return RN_OK;
}

static int32_t get_key(struct rn_host *h, const char *path, uint32_t i,
                       const char **out) {
    const struct node *n;
    int status = get_node(of(h), path, &n);
    if (status != RN_OK)
        return status;
    *out = NULL;
    if (node_kind(n) == NODE_LIST)
        return RN_OK;
    if (node_kind(n) != NODE_MAP || i >= node_count(n))
        return complain(of(h), path, "for a key that it does not have");
    *out = node_key(n, i);
    return RN_OK;
}

static int32_t has(struct rn_host *h, const char *path) {
    return node_at(of(h)->node, path) != NULL;
}

/* The component that a nested option names, opened; NULL: see e. */
static const struct component *nested(struct instance *i, const char *path,
                                      const struct node *n, struct rn_error *e) {
    char kind[32];
    const struct option_info *o = option_of(i, path);
    const char *open = strstr(o->type, "component(");
    const struct node *type = node_kind(n) == NODE_MAP ? node_find(n, "type") : NULL;
    const char *wrong = !open || !type ? "as a component, but it is described otherwise"
                        : !i->d ? "too late: nested components are made in create"
                                : NULL;
    if (wrong) {
        error_set(e, complain(i, path, wrong), "%s asks for '%s' %s",
                  i->component->name, path, wrong);
        return NULL;
    }
    snprintf(kind, sizeof kind, "%.*s", (int)strcspn(open + 10, ")"), open + 10);
    const struct component *c = session_find(i->session, kind, node_string(type), e);
    if (c && session_load(i->session, c, e) == RN_OK)
        return c;
    node_error(i->d, type, false, e->status, "%s", e->message);
    return NULL;
}

static int32_t get_component(struct rn_host *h, const char *path, const void **iface,
                             void **self, struct rn_error *out) {
    struct instance *i = of(h), *inner = NULL;
    const struct node *n;
    struct rn_error e = {0};
    *iface = NULL;
    *self = NULL;
    int status = get_node(i, path, &n);
    const struct component *c = status == RN_OK ? nested(i, path, n, &e) : NULL;
    if (c)
        status = instance_create(i->session, c, n, i->services, i->d, &inner);
    else if (status == RN_OK)
        status = e.status;
    if (status == RN_OK) {
        vec_push(i->nested, i->nested_count, i->nested_capacity, inner);
        *iface = c->iface;
        *self = inner->self;
        return RN_OK;
    }
    if (!e.message[0])
        error_set(&e, status, "the component at '%s' cannot be used", path);
    error_where(&e, RN_WHERE_OPTION, path, 0, 0);
    if (out)
        *out = e;
    return status;
}

int component_blame(const struct component *c, const char *call, struct rn_error *e) {
    char hint[sizeof e->hint];
    if (c->built_in || strstr(e->hint, "in the plugin "))
        return e->status;
    if (!strstr(e->message, c->name) &&
        strlen(e->message) + strlen(c->name) + 3 < sizeof e->message)
        error_context(e, "%s", c->name);
    memcpy(hint, e->hint, sizeof hint);
    return error_hint(e, "%s%sin the plugin %s%s%s%s", hint, hint[0] ? "\n" : "",
                      c->file, call ? " (" : "", call ? call : "", call ? ")" : "");
}

void instance_error(struct instance *i, struct diag *d, const struct rn_error *e) {
    const struct node *n =
        e->where_kind == RN_WHERE_OPTION ? node_at(i->node, e->where) : NULL;
    if (e->where_kind == RN_WHERE_FILE) {
        diag_add(d, e); /* with its row and column */
        diag_asked_by(d, i->node);
        return;
    }
    node_error(d, n ? n : i->node, false, e->status, "%s", e->message);
    if (e->hint[0])
        diag_hint(d, "%s", e->hint);
}

static void report(struct rn_host *h, const struct rn_error *e) {
    struct instance *i = of(h);
    if (!i->d && !i->watched) {
        log_say(i->session->log, RN_LOG_WARNING, "%s: %s", i->component->name,
                e->message);
        return;
    }
    if (!i->d) {
        if (!i->fault.status) {
            i->fault = *e;
            i->fault.status = e->status ? e->status : RN_E_PLUGIN;
            error_context(&i->fault, "%s", i->component->name);
        }
        return;
    }
    instance_error(i, i->d, e);
}

static void log_line(struct rn_host *h, int32_t level, const char *text) {
    log_say(of(h)->session->log, level, "%s: %s", of(h)->component->name, text);
}

static int32_t is_cancelled(struct rn_host *h) {
    const struct instance_services *s = of(h)->services;
    return s && s->cancelled ? s->cancelled(s->context) : 0;
}

static const void *extension(struct rn_host *h, const char *id) {
    const struct instance_services *s = of(h)->services;
    return s && s->extension ? s->extension(s->context, of(h), id) : NULL;
}

static const struct rn_host_api api = {sizeof(struct rn_host_api),
                                       0,
                                       get_bool,
                                       get_int,
                                       get_float,
                                       get_string,
                                       get_count,
                                       get_key,
                                       has,
                                       get_component,
                                       report,
                                       log_line,
                                       is_cancelled,
                                       extension};

/* ---------------------------------------------------------------------- life */

typedef int32_t (*create_fn)(struct rn_host *h, void **self, struct rn_error *e);
typedef void (*destroy_fn)(void *self);

/* The interfaces of kinds that have create and destroy begin with them. */
struct life {
    uint32_t struct_size;
    uint32_t reserved;
    create_fn create;
    destroy_fn destroy;
};

/* The components at its options that describe computation: what wraps one may have no
 * state, and so no create to ask for it. */
static int create_inner(struct instance *i) {
    for (uint32_t k = 0; k < schema_count(i->component->schema); k++) {
        struct option_info o = schema_option(i->component->schema, k);
        const struct node *n = node_find(i->node, o.name);
        const char *type = strncmp(o.type, "component(", 10) == 0 ? o.type + 10 : NULL;
        char kind[32] = "";
        if (type)
            snprintf(kind, sizeof kind, "%.*s", (int)strcspn(type, ")"), type);
        const struct kind *row = *kind ? kind_find(kind) : NULL;
        if (!row || !row->live || !n || node_kind(n) != NODE_MAP)
            continue;
        struct rn_error e = {0};
        struct instance *inner = NULL;
        const struct component *c = nested(i, o.name, n, &e);
        int status =
            c ? instance_create(i->session, c, n, i->services, i->d, &inner) : e.status;
        if (status != RN_OK)
            return status;
        vec_push(i->nested, i->nested_count, i->nested_capacity, inner);
        vec_push(i->inner, i->inner_count, i->inner_capacity,
                 (struct inner){o.name, inner});
    }
    return RN_OK;
}

const char *instance_type(const struct instance *i, struct arena *a) {
    const char *text = i->component->name;
    for (uint32_t k = 0; k < i->inner_count; k++)
        text = arena_format(a, "%s %s %s", text, k ? "and" : "around",
                            instance_type(i->inner[k].instance, a));
    return text;
}

struct instance *instance_inner(struct rn_host *h, const char *option) {
    struct instance *i = of(h);
    for (uint32_t k = 0; k < i->inner_count; k++)
        if (strcmp(i->inner[k].option, option) == 0)
            return i->inner[k].instance;
    return NULL;
}

/* NULL: its kind has neither. */
static const struct life *life_of(const struct component *c) {
    size_t at = kind_find(c->kind)->create;
    assert(!at || at == offsetof(struct life, create));
    return at ? c->iface : NULL;
}

int instance_create(struct session *s, const struct component *c,
                    const struct node *node, const struct instance_services *services,
                    struct diag *d, struct instance **out) {
    struct instance *i = memory_get(sizeof *i);
    struct rn_error e = {0};
    *out = NULL;
    i->host.api = &api;
    pthread_mutex_init(&i->one, NULL);
    i->session = s;
    i->component = c;
    i->node = node;
    i->services = services;
    i->d = d;
    if (c->validate && RN_HAS(c->validate, struct rn_validate_api, validate)) {
        uint32_t before = diag_count(d);
        const char *mark = call_enter(c->name);
        int status = c->validate->validate(&i->host);
        call_leave(mark);
        if (status != RN_OK && diag_count(d) == before) {
            error_of_call(&e, status, c->name, "validate");
            report(&i->host, &e);
        }
        if (diag_count(d) > before) {
            status = status ? status : diag_status(d);
            instance_destroy(i);
            return status;
        }
    }
    int inner = create_inner(i);
    if (inner != RN_OK) {
        instance_destroy(i);
        return inner;
    }
    const struct life *life = life_of(c);
    if (life && life->create) {
        uint32_t before = diag_count(d);
        const char *mark = call_enter(c->name);
        int status = life->create(&i->host, &i->self, &e);
        call_leave(mark);
        i->created = true;
        if (status != RN_OK || diag_count(d) > before) {
            if (diag_count(d) ==
                before) { /* it reported nothing but the error that it returned */
                error_of_call(&e, status, c->name, "create");
                component_blame(c, "create", &e);
                report(&i->host, &e);
            }
            status = status ? status : diag_status(d);
            instance_destroy(i);
            return status;
        }
    }
    i->d = NULL;
    *out = i;
    return RN_OK;
}

void instance_destroy(struct instance *i) {
    if (!i)
        return;
    const struct life *life = life_of(i->component);
    if (i->created && life && life->destroy && i->self) {
        const char *mark = call_enter(i->component->name);
        life->destroy(i->self);
        call_leave(mark);
    }
    for (uint32_t k = i->nested_count; k-- > 0;)
        instance_destroy(i->nested[k]);
    memory_release(i->nested);
    memory_release(i->inner);
    pthread_mutex_destroy(&i->one);
    memory_release(i);
}

void instance_enter(struct instance *i) {
    call_enter(i->component->name);
    if (i->component->one_thread)
        pthread_mutex_lock(&i->one);
}

int instance_leave(struct instance *i, const char *member, int32_t status,
                   struct rn_error *e) {
    if (i->component->one_thread)
        pthread_mutex_unlock(&i->one);
    call_leave("");
    status = error_of_call(e, status, i->component->name, member);
    if (status != RN_OK && e)
        component_blame(i->component, member, e);
    return status;
}

const struct component *instance_component(const struct instance *i) {
    return i->component;
}

const struct node *instance_node(const struct instance *i) {
    return i->node;
}

struct rn_host *instance_host(struct instance *i) {
    return &i->host;
}

bool instance_guarded(const struct instance *i) {
    return i->session->guarded;
}

void instance_lend_guard(struct instance *i, struct guard *g) {
    i->lent = g;
}

struct guard *instance_lent_guard(struct rn_host *h) {
    return of(h)->lent;
}

void *instance_self(struct instance *i) {
    return i->self;
}

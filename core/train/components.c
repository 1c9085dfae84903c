/* SPDX-License-Identifier: Apache-2.0 */
/* States of schedules and hooks in a checkpoint. In a list they have no names of their
 * own, so that a state is given to a component by what it is, not by its place. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/stream.h"
#include "train/loop.h"

/* ------------------------------------------------------------------ what it is */

static void add_node(const struct node *n, struct text *t) {
    if (node_kind(n) == NODE_SCALAR)
        text_add(t, node_raw(n));
    for (uint32_t i = 0; i < node_count(n); i++) {
        text_add(t, i ? " " : "");
        add_node(node_item(n, i), t);
    }
}

static void add_identity(const struct node *n, struct text *t) {
    const struct node *type = node_find(n, "type"), *of = node_find(n, "of");
    if (type && node_kind(type) == NODE_SCALAR)
        text_addf(t, "%s%s", t->length ? " " : "", node_raw(type));
    if (of) {
        text_add(t, " of ");
        add_node(of, t);
    }
    for (uint32_t i = 0; i < node_count(n); i++)
        if (node_kind(node_item(n, i)) == NODE_MAP)
            add_identity(node_item(n, i), t);
}

const char *component_identity(struct arena *a, const struct node *n) {
    struct text t = {0};
    add_identity(n, &t);
    const char *copy = arena_copy(a, text_get(&t));
    text_finish(&t);
    return copy;
}

/* An option of the component, or of one inside it, that has the option `monitor`. */
static const struct node *beside_monitor(const struct node *n, const char *key) {
    if (node_find(n, "monitor"))
        return node_find(n, key);
    const struct node *found = NULL;
    for (uint32_t i = 0; !found && i < node_count(n); i++)
        if (node_kind(node_item(n, i)) == NODE_MAP)
            found = beside_monitor(node_item(n, i), key);
    return found;
}

const struct node *component_monitor(const struct node *n) {
    return beside_monitor(n, "monitor");
}

const struct node *component_min_delta(const struct node *n) {
    const struct node *m = beside_monitor(n, "min_delta");
    return m && node_kind(m) == NODE_SCALAR ? m : NULL;
}

/* The metric that it watches, as a checkpoint keeps it; metric NULL: none. */
static struct monitor watched(struct loop *l, struct arena *a,
                              const struct bound_component *p) {
    const struct node *at = component_monitor(p->node);
    struct monitor m = {.key = p->path};
    const struct metric_value *known =
        at ? metric_find(&l->known, node_string(at)) : NULL;
    if (!known)
        return m;
    const struct node *delta = component_min_delta(p->node);
    m.metric = known->name;
    m.better = known->better;
    m.min_delta = delta ? node_float(delta) : 0.0;
    m.definition = monitor_definition(a, l->setup->x->root, known->of);
    return m;
}

typedef int32_t (*save_fn)(void *self, struct rn_stream *s, struct rn_error *e);
typedef int32_t (*load_fn)(void *self, struct rn_stream *s, struct rn_error *e);

/* Both or neither, as was checked when it was opened. */
static save_fn save_of(const struct kind *k, const struct bound_component *p) {
    save_fn fn;
    memcpy(&fn, (const char *)p->component->iface + k->save, sizeof fn);
    return fn;
}

static load_fn load_of(const struct kind *k, const struct bound_component *p) {
    load_fn fn;
    memcpy(&fn, (const char *)p->component->iface + k->load, sizeof fn);
    return fn;
}

/* Of component i of a kind: did it, a hook, ask for its taps at the next step? */
static bool *look_of(struct loop *l, int kind, uint32_t i) {
    return kind == KIND_hook ? &l->cadence.tap_now[i] : NULL;
}

/* ----------------------------------------------------------------------- save */

static int save_one(struct loop *l, struct saver *s, const struct bound_component *p,
                    save_fn fn, bool look, struct rn_error *e) {
    const char *o = arena_format(s->a, "components/%s", p->path);
    struct monitor m = watched(l, s->a, p);
    saver_text(s, o, "component", p->component->name);
    saver_int(s, o, "behaviour", p->component->behaviour);
    saver_text(s, o, "identity", component_identity(s->a, p->node));
    if (m.metric) {
        saver_text(s, o, "metric", m.metric);
        saver_text(s, o, "direction", m.better > 0 ? "higher" : "lower");
        saver_real(s, o, "min_delta", m.min_delta);
        saver_text(s, o, "definition", m.definition);
    }
    saver_int(s, o, "look", look); /* a hook asked for its taps at the next step */
    if (!fn)
        return RN_OK;
    struct memory_stream *stream = memory_stream_writer(s->a);
    instance_enter(p->instance);
    int status = fn(instance_self(p->instance), &stream->api, e);
    status = instance_leave(p->instance, "save", status, e);
    saver_own(s, stream->data);
    if (status != RN_OK)
        return error_context(e, "%s", p->path) ? status : status;
    saver_blob(s, arena_format(s->a, "part.%s", p->path), stream->data, stream->bytes);
    return RN_OK;
}

int components_save(struct loop *l, struct saver *s, struct rn_error *e) {
    int status = RN_OK;
    for (int k = 0; k < KIND_COUNT; k++) {
        const struct bound_components *all = &l->setup->x->by_kind[k];
        for (uint32_t i = 0; kind_at(k)->save && i < all->count && !status; i++) {
            const bool *look = look_of(l, k, i);
            status = save_one(l, s, &all->at[i], save_of(kind_at(k), &all->at[i]),
                              look && *look, e);
        }
    }
    return status;
}

/* ----------------------------------------------------------------------- load */

#define STATES_MAX 256u /* of one checkpoint */

struct state { /* one of the checkpoint's */
    const char *path, *object;
    bool taken;
};

static uint32_t list_states(struct arena *a, const struct saved *from,
                            struct state *out) {
    static const char prefix[] = "components/";
    uint32_t n = 0;
    for (uint32_t i = 0; i < from->count && n < STATES_MAX; i++) {
        const char *o = from->values[i].object;
        if (strncmp(o, prefix, sizeof prefix - 1) != 0 ||
            strcmp(from->values[i].key, "identity") != 0)
            continue;
        out[n++] = (struct state){arena_copy(a, o + sizeof prefix - 1), o, false};
    }
    return n;
}

/* Of a list, or the only one: its path has no name that somebody chose. */
static bool unnamed(const char *path) {
    const char *dot = strchr(path, '.');
    return !dot || dot[1 + strspn(dot + 1, "0123456789")] == '\0';
}

static bool same_section(const char *a, const char *b) {
    size_t n = strcspn(a, ".");
    return n == strcspn(b, ".") && strncmp(a, b, n) == 0;
}

static bool same_monitor(const struct saved *from, const char *object,
                         const struct monitor *m) {
    const char *metric = saved_text(from, object, "metric", NULL);
    if (!m->metric || !metric)
        return !m->metric && !metric;
    const char *way = saved_text(from, object, "direction", "");
    return strcmp(metric, m->metric) == 0 &&
           (!*way || strcmp(way, m->better > 0 ? "higher" : "lower") == 0) &&
           saved_real(from, object, "min_delta", 0.0) == m->min_delta &&
           strcmp(saved_text(from, object, "definition", ""), m->definition) == 0;
}

/* The state that belongs to p: of the same identity; of several the one that watches
 * the same, then the one at the same place. */
static struct state *find_state(const struct saved *from, struct state *all, uint32_t n,
                                const struct bound_component *p, const char *identity,
                                const struct monitor *m, bool exact) {
    struct state *best = NULL;
    for (uint32_t i = 0; i < n; i++) {
        struct state *s = &all[i];
        bool here = strcmp(s->path, p->path) == 0;
        bool named = !unnamed(p->path) || !unnamed(s->path);
        if (s->taken || !same_section(s->path, p->path) || (named && !here) ||
            strcmp(saved_text(from, s->object, "identity", ""), identity) != 0 ||
            (exact && !same_monitor(from, s->object, m)))
            continue;
        if (!best || here)
            best = s;
    }
    return best;
}

static void say_begins_again(struct loop *l, const struct saved *from,
                             const struct state *s, const struct monitor *m) {
    char text[400];
    snprintf(
        text, sizeof text,
        "%s: it watches %s, the checkpoint's state is of %s%s: what it remembers of "
        "the metric begins again",
        m->key, m->metric ? m->metric : "nothing",
        saved_text(from, s->object, "metric", "nothing"),
        m->metric && strcmp(m->metric, saved_text(from, s->object, "metric", "")) == 0
            ? " as another configuration has it"
            : "");
    loop_notify(l, RN_LOG_INFO, text);
}

struct target { /* a component that takes its state */
    const struct bound_component *part;
    const char *identity;
    struct monitor monitor;
    load_fn load;
    const struct rn_schedule *schedule; /* or NULL */
    bool *look;                         /* or NULL */
    struct state *state;
};

static int load_one(struct loop *l, struct arena *a, const struct saved *from,
                    struct target *t, struct rn_error *e) {
    char text[400];
    const char *path = t->part->path;
    if (!t->state) {
        snprintf(text, sizeof text,
                 "%s (%s): the checkpoint has no state of it: it begins without one",
                 path, t->identity);
        if (t->load)
            loop_notify(l, RN_LOG_INFO, text);
        return RN_OK;
    }
    if (t->look)
        *t->look = saved_int(from, t->state->object, "look", 0) != 0;
    const struct checkpoint_blob *b =
        checkpoint_blob(from->file, arena_format(a, "part.%s", t->state->path));
    bool again = !same_monitor(from, t->state->object, &t->monitor);
    bool forgets = t->schedule && rn_schedule_forgets(t->schedule);
    if (again && (b || forgets))
        say_begins_again(l, from, t->state, &t->monitor);
    if (!t->load || !b || (again && !forgets))
        return RN_OK;
    void *self = instance_self(t->part->instance);
    int status = t->load(self, memory_stream_reader(a, b->data, b->bytes), e);
    if (status == RN_OK && again)
        status = t->schedule->forget(self, e);
    status = error_of_call(e, status, t->part->component->name, "load");
    return status ? error_context(e, "%s", path), status : RN_OK;
}

int components_load(struct loop *l, const struct saved *from, struct rn_error *e) {
    const struct experiment *x = l->setup->x;
    struct arena *a = arena_create();
    struct state *states = arena_array(a, struct state, STATES_MAX);
    uint32_t n = list_states(a, from, states), count = 0;
    uint32_t max_targets = 1;
    for (int k = 0; k < KIND_COUNT; k++)
        max_targets += kind_at(k)->load ? x->by_kind[k].count : 0;
    struct target *all = arena_array(a, struct target, max_targets);
    for (int k = 0; k < KIND_COUNT; k++)
        for (uint32_t i = 0; kind_at(k)->load && i < x->by_kind[k].count; i++) {
            const struct bound_component *p = &x->by_kind[k].at[i];
            all[count++] = (struct target){
                .part = p,
                .monitor = watched(l, a, p),
                .load = load_of(kind_at(k), p),
                .schedule = k == KIND_schedule ? p->component->iface : NULL,
                .look = look_of(l, k, i)};
        }
    /* Those that have not changed take theirs first. */
    for (int exact = 1; exact >= 0; exact--)
        for (uint32_t i = 0; i < count; i++) {
            struct target *t = &all[i];
            t->identity = component_identity(a, t->part->node);
            if (!t->state)
                t->state = find_state(from, states, n, t->part, t->identity,
                                      &t->monitor, exact);
            if (t->state)
                t->state->taken = true;
        }
    int status = RN_OK;
    for (uint32_t i = 0; i < count && status == RN_OK; i++)
        status = load_one(l, a, from, &all[i], e);
    arena_destroy(a);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs and target, from the experiment as it is written. */
#include "check/roles.h"

#include <string.h>

static int raw_find(const struct data *data, const char *name) {
    for (uint32_t i = 0; name && i < data_raw_count(data); i++)
        if (strcmp(data_raw_at(data, i).name, name) == 0)
            return (int)i;
    return -1;
}

/* Told of each "data.NAME" below a node: the raw field, and the key that it is at. */
typedef void (*reference_fn)(void *context, uint32_t raw, const char *key);

static void each_reference(const struct node *n, const char *key,
                           const struct data *data, reference_fn fn, void *context) {
    if (!n)
        return;
    if (node_kind(n) == NODE_SCALAR) {
        const char *s = node_raw(n);
        int raw = s && strncmp(s, "data.", 5) == 0 ? raw_find(data, s + 5) : -1;
        if (raw >= 0)
            fn(context, (uint32_t)raw, key);
        return;
    }
    bool map = node_kind(n) == NODE_MAP;
    for (uint32_t i = 0; i < node_count(n); i++)
        each_reference(node_item(n, i), map ? node_key(n, i) : key, data, fn, context);
}

struct named {
    bool *fields;
    uint32_t count;
    int target;
};

static void note_input(void *context, uint32_t raw, const char *key) {
    struct named *w = context;
    (void)key;
    w->count += !w->fields[raw];
    w->fields[raw] = true;
}

static void note_target(void *context, uint32_t raw, const char *key) {
    struct named *w = context;
    note_input(context, raw, key);
    if (key && (strcmp(key, "label") == 0 || strcmp(key, "target") == 0))
        w->target = (int)raw;
}

/* Does its loss have a port for the model's values, and not for scores? */
static bool compares_numbers(const struct experiment *x) {
    const struct node *loss = node_find(x->root, "loss");
    const char *name;
    for (uint32_t i = 0; loss && i < node_components(loss); i++) {
        const struct node *n = node_component(loss, i, &name);
        const struct node *type = node_find(n, "type");
        struct rn_error e;
        const struct component *c =
            session_find(x->session, "loss", node_raw(type ? type : n), &e);
        for (uint32_t k = 0; c && k < c->in_count; k++)
            if (strcmp(c->in[k].name, "prediction") == 0)
                return true;
    }
    return false;
}

static const char *source_target(const struct experiment *x) {
    const struct node *n = node_at(x->root, "data.source.target");
    n = n ? n : node_at(x->root, "data.train.target");
    return n && node_kind(n) == NODE_SCALAR ? node_raw(n) : NULL;
}

static const char *scalar_at(const struct experiment *x, const char *path) {
    const struct node *n = node_at(x->root, path);
    return n && node_kind(n) == NODE_SCALAR ? node_raw(n) : NULL;
}

/* What a stratified split keeps the shares of. */
static const char *split_classes(const struct experiment *x) {
    const char *kind = scalar_at(x, "data.split.kind");
    const struct node *by = node_at(x->root, "data.split.by");
    if (!kind || strcmp(kind, "stratified") != 0 || !by)
        return NULL;
    if (node_kind(by) == NODE_LIST && node_count(by) == 1)
        by = node_item(by, 0);
    return node_kind(by) == NODE_SCALAR ? node_raw(by) : NULL;
}

static int only_other(const struct data *data, const bool *inputs) {
    int found = -1;
    for (uint32_t i = 0; i < data_raw_count(data); i++)
        if (!inputs[i])
            found = found == -1 ? (int)i : -2;
    return found < 0 ? -1 : found;
}

void roles_find(const struct experiment *x, const struct data *data, struct arena *a,
                struct roles *out) {
    uint32_t n = data_raw_count(data);
    struct named models = {arena_array(a, bool, n + 1), 0, -1};
    struct named losses = {arena_array(a, bool, n + 1), 0, -1};
    each_reference(node_find(x->root, "model"), NULL, data, note_input, &models);
    each_reference(node_find(x->root, "loss"), NULL, data, note_target, &losses);
    int target = raw_find(data, scalar_at(x, "check.target"));
    if (target < 0)
        target = losses.target;
    if (target < 0)
        target = raw_find(data, source_target(x));
    if (target < 0)
        target = raw_find(data, split_classes(x));
    if (target < 0)
        target = raw_find(data, "label");
    if (target < 0 && models.count)
        target = only_other(data, models.fields);
    *out = (struct roles){.why = "no target", .input = arena_array(a, bool, n + 1)};
    if (target >= 0 && models.fields[target]) {
        out->why = "the target is an input";
        target = -1;
    }
    if (target >= 0 && data_raw_at(data, (uint32_t)target).elements != 1 &&
        !data_raw_at(data, (uint32_t)target).text) {
        out->why = "the target has many elements";
        target = -1;
    }
    if (target >= 0) {
        out->target = data_raw_at(data, (uint32_t)target).name;
        out->regression = compares_numbers(x);
        out->why = "";
    }
    for (uint32_t i = 0; i < n; i++)
        out->input[i] =
            models.count ? models.fields[i] : (int)i != target && !losses.fields[i];
}

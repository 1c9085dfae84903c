/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins that an experiment names and uses, compared with those of the record. */
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/suggest.h"
#include "experiment/plugins.h"

void plugin_unusable(struct diag *d, const struct session *s, const struct node *at,
                     const struct rn_error *e, bool found) {
    struct text hint = {0};
    node_error(d, at, false, e->status, "%s", e->message);
    if (found)
        text_add(&hint, e->hint);
    else
        session_explain(s, e, &hint);
    if (hint.length)
        diag_hint(d, "%s", text_get(&hint));
    text_finish(&hint);
}

/* ------------------------------------------------------------------ comparison */

/* "acme.losses/focal", or its package "acme.losses". */
static bool names_component(const char *word, const char *name) {
    size_t n = strcspn(name, "/");
    return strcmp(word, name) == 0 ||
           (strlen(word) == n && strncmp(word, name, n) == 0);
}

static bool is_accepted(const struct recorded_plugins *r, const char *name) {
    for (uint32_t i = 0; i < r->accepted_count; i++)
        if (names_component(r->accepted[i], name))
            return true;
    return false;
}

int recorded_plugins_check(const struct recorded_plugins *r, struct rn_error *e) {
    struct suggest all = {0};
    int status = RN_OK;
    for (uint32_t k = 0; k < r->then.count; k++)
        suggest_add(&all, r->then.at[k].name);
    for (uint32_t i = 0; i < r->accepted_count && all.count && status == RN_OK; i++) {
        bool known = false;
        for (uint32_t k = 0; k < r->then.count; k++)
            known |= names_component(r->accepted[i], r->then.at[k].name);
        if (known)
            continue;
        status = error_set(e, RN_E_CONFIG,
                           "--accept-changed %s: the run has no component or package "
                           "of this name",
                           r->accepted[i]);
        suggest_hint(&all, r->accepted[i], "it has", e);
    }
    suggest_finish(&all);
    return status;
}

static void accept(struct plugin_use *u, const struct identity *then,
                   const struct identity *now) {
    if (u->change_count == u->change_capacity) {
        uint32_t capacity = 2 * u->change_capacity + 4;
        const char **grown = arena_array(u->arena, const char *, capacity);
        if (u->change_count)
            memcpy(grown, u->changes, u->change_count * sizeof *grown);
        u->changes = grown;
        u->change_capacity = capacity;
    }
    u->changes[u->change_count++] = arena_format(
        u->arena,
        "accepted a changed plugin: %s %s, sha256 %s behaviour %d in place of sha256 "
        "%s behaviour %d",
        now->kind, now->name, now->sha256, now->behaviour, then->sha256,
        then->behaviour);
}

int plugin_use_add(struct plugin_use *u, const struct component *c,
                   struct rn_error *e) {
    if (identities_find(&u->used, c->kind, c->name))
        return RN_OK;
    struct identity now = identity_of(c);
    identities_set(u->arena, &u->used, now);
    const struct identity *then =
        u->recorded ? identities_find(&u->recorded->then, c->kind, c->name) : NULL;
    if (!then || identity_check(then, c, e) == RN_OK)
        return RN_OK;
    if (!is_accepted(u->recorded, c->name))
        return RN_E_PLUGIN;
    accept(u, then, &now);
    return RN_OK;
}

void plugin_use_write(const struct plugin_use *u, struct text *out) {
    struct arena *a = arena_create();
    struct identities all = {0};
    for (uint32_t i = 0; u->recorded && i < u->recorded->then.count; i++)
        identities_set(a, &all, u->recorded->then.at[i]);
    for (uint32_t i = 0; i < u->used.count; i++)
        identities_set(a, &all, u->used.at[i]);
    identities_write(&all, out);
    arena_destroy(a);
}

/* ----------------------------------------------------------------------- files */

static void add_file(struct plugin_use *u, const struct node *path, struct diag *d) {
    char absolute[CONFIG_PATH_MAX];
    struct rn_error e = {0};
    if (node_kind(path) != NODE_SCALAR ||
        config_resolve_path(path, absolute, &e) != RN_OK)
        return; /* checking against the schema reports it */
    if (u->recorded && u->recorded->then.count && access(absolute, F_OK) != 0) {
        u->missing = node_raw(path); /* found by its bytes, or reported where needed */
        return;
    }
    if (session_add_file(u->session, absolute, &e) == RN_OK)
        return;
    node_error(d, path, false, e.status, "%s", e.message);
    if (e.hint[0])
        diag_hint(d, "%s", e.hint);
}

void plugin_use_files(struct plugin_use *u, const struct node *root, struct diag *d) {
    const struct node *plugins = node_find(root, "plugins");
    bool one = plugins && node_kind(plugins) == NODE_SCALAR;
    for (uint32_t i = 0; plugins && i < (one ? 1 : node_count(plugins)); i++)
        add_file(u, one ? plugins : node_item(plugins, i), d);
    for (uint32_t i = 0; u->recorded && i < u->recorded->then.count; i++) {
        const struct identity *then = &u->recorded->then.at[i];
        if (!then->built_in)
            session_find_recorded(u->session, then->sha256);
    }
    if (u->missing && u->arena)
        log_say(session_log(u->session), RN_LOG_WARNING,
                "plugin %s is not there: looking in the search path", u->missing);
}

/* The recorded plugin of a component that was not found. */
static const struct identity *lost(const struct plugin_use *u, const char *kind,
                                   const char *type) {
    const struct identity *then =
        u->recorded ? identities_find(&u->recorded->then, kind, type) : NULL;
    return then && !then->built_in ? then : NULL;
}

const struct schema *plugin_use_resolve(void *context, const char *kind,
                                        const char *type, const struct node *at,
                                        struct diag *d) {
    struct plugin_use *u = context;
    struct rn_error e = {0};
    const struct component *c = session_find(u->session, kind, type, &e);
    const struct node *n = node_kind(at) == NODE_MAP ? node_find(at, "type") : at;
    const struct identity *then = c ? NULL : lost(u, kind, type);
    n = n ? n : at;
    if (then && e.status == RN_E_CONFIG) {
        node_error(d, n, false, RN_E_PLUGIN,
                   "the plugin of the %s %s is gone: the run was made with %s, sha256 "
                   "%s, which is neither there nor in the search path",
                   kind, type, then->file, then->sha256);
        diag_hint(d, "put that file into .runner/plugins or another folder of the "
                     "search path, or give its place: plugins=FILE.so");
    } else if (!c) {
        plugin_unusable(d, u->session, n, &e, false);
    } else if (u->arena && plugin_use_add(u, c, &e) != RN_OK) {
        plugin_unusable(d, u->session, n, &e, true);
    }
    return c ? c->schema : NULL;
}

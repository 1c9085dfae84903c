/* SPDX-License-Identifier: Apache-2.0 */
/* Identities of plugins: their text in the record, and the comparison. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "plugin/identity.h"

struct identity identity_of(const struct component *c) {
    struct identity i = {c->kind, c->name, c->behaviour, c->built_in, "", c->file};
    memcpy(i.sha256, session_identify(c)->sha256, sizeof i.sha256);
    return i;
}

const struct identity *identities_find(const struct identities *all, const char *kind,
                                       const char *name) {
    for (uint32_t i = 0; i < all->count; i++)
        if (strcmp(all->at[i].kind, kind) == 0 && strcmp(all->at[i].name, name) == 0)
            return &all->at[i];
    return NULL;
}

void identities_set(struct arena *a, struct identities *all, struct identity one) {
    struct identity *known =
        (struct identity *)(uintptr_t)identities_find(all, one.kind, one.name);
    if (!known && all->count == all->capacity) {
        uint32_t capacity = 2 * all->capacity + 8;
        struct identity *grown = arena_array(a, struct identity, capacity);
        if (all->count)
            memcpy(grown, all->at, all->count * sizeof *grown);
        all->at = grown;
        all->capacity = capacity;
    }
    if (!known)
        known = &all->at[all->count++];
    one.kind = arena_copy(a, one.kind);
    one.name = arena_copy(a, one.name);
    one.file = arena_copy(a, one.file);
    *known = one;
}

/* ---------------------------------------------------------------------- text */

void identities_write(const struct identities *all, struct text *out) {
    for (uint32_t k = 0; k < all->count; k++) {
        const struct identity *i = &all->at[k];
        text_addf(out, "%s %s %d %s %s %s\n", i->kind, i->name, i->behaviour,
                  i->built_in ? "built-in" : "outside", i->sha256, i->file);
    }
}

static int read_line(struct arena *a, const char *line, struct identities *out,
                     struct rn_error *e) {
    char kind[32], name[160], from[16];
    struct identity i = {0};
    int file = 0;
    if (sscanf(line, "%31s %159s %d %15s %64s %n", kind, name, &i.behaviour, from,
               i.sha256, &file) != 5 ||
        !file || strlen(i.sha256) != 64)
        return error_set(e, RN_E_CHECKPOINT,
                         "the plugins of the run: '%.80s' is not a line of a plugin",
                         line);
    i.kind = kind;
    i.name = name;
    i.built_in = strcmp(from, "built-in") == 0;
    i.file = line + file;
    identities_set(a, out, i);
    return RN_OK;
}

int identities_read(struct arena *a, const char *text, struct identities *out,
                    struct rn_error *e) {
    int status = RN_OK;
    *out = (struct identities){0};
    for (const char *p = text; *p && status == RN_OK;) {
        size_t n = strcspn(p, "\n");
        status = read_line(a, arena_copy_n(a, p, n), out, e);
        p += n + (p[n] == '\n');
    }
    return status;
}

/* ---------------------------------------------------------------- comparison */

int identity_check(const struct identity *then, const struct component *now,
                   struct rn_error *e) {
    struct identity i = identity_of(now);
    bool same = then->built_in && i.built_in ? then->behaviour == i.behaviour
                                             : strcmp(then->sha256, i.sha256) == 0;
    if (same)
        return RN_OK;
    if (then->built_in && i.built_in)
        error_set(e, RN_E_PLUGIN,
                  "the %s %s has behaviour %d in this runner, and %d in the run: it "
                  "computes other numbers",
                  now->kind, now->name, i.behaviour, then->behaviour);
    else
        error_set(
            e, RN_E_PLUGIN,
            "the plugin of the %s %s has changed: the run was made with sha256 %s "
            "(behaviour %d), and %s has sha256 %s (behaviour %d)",
            now->kind, now->name, then->sha256, then->behaviour, i.file, i.sha256,
            i.behaviour);
    return error_hint(e,
                      "bring the recorded one back, or go on with this one: "
                      "--accept-changed %s",
                      now->name);
}

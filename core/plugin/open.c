/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a plugin: its entry, its version, its interfaces, checked before any is used.
 */
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <string.h>

#include "plugin/room.h"

int abi_check(const struct abi_version *host, const struct abi_version *needed,
              struct rn_error *e) {
    /* Drafts (major 0) promise nothing: only the same minor is the same. */
    bool fits = needed->major == host->major &&
                (host->major == 0 ? needed->minor == host->minor
                                  : needed->minor <= host->minor);
    if (fits)
        return RN_OK;
    error_set(e, RN_E_PLUGIN, "it needs ABI %u.%u; this runner has %u.%u",
              needed->major, needed->minor, host->major, host->minor);
    if (needed->major == host->major && needed->minor > host->minor)
        return error_hint(e, "a later runner has it");
    return error_hint(e, "build the plugin again with this runner's headers");
}

/* What an interface must hold: as many bytes as its first version had, which never
 * grows, and the members without which the kind makes no sense. */
struct demand {
    const char *kind;
    uint32_t bytes;
    struct {
        const char *name;
        size_t at;
    } members[21];
};

#define END(type, member) ((uint32_t)(offsetof(type, member) + sizeof(void (*)(void))))
#define NEEDS(type, member)                                                            \
    { #member, offsetof(type, member) }

static const struct demand demands[] = {
    {"source",
     END(struct rn_source, read),
     {NEEDS(struct rn_source, create), NEEDS(struct rn_source, info),
      NEEDS(struct rn_source, read)}},
    {"transform",
     END(struct rn_transform, load),
     {NEEDS(struct rn_transform, create), NEEDS(struct rn_transform, plan),
      NEEDS(struct rn_transform, apply)}},
    {"augment",
     END(struct rn_augment, apply),
     {NEEDS(struct rn_augment, create), NEEDS(struct rn_augment, plan),
      NEEDS(struct rn_augment, apply)}},
    {"init", END(struct rn_init, fill), {NEEDS(struct rn_init, fill)}},
    {"model", END(struct rn_model, describe), {NEEDS(struct rn_model, describe)}},
    {"loss", END(struct rn_loss, describe), {NEEDS(struct rn_loss, describe)}},
    {"optimizer",
     END(struct rn_optimizer, describe),
     {NEEDS(struct rn_optimizer, describe)}},
    {"schedule", END(struct rn_schedule, load), {NEEDS(struct rn_schedule, value)}},
    {"metric", END(struct rn_metric, finish), {NEEDS(struct rn_metric, finish)}},
    {"hook", END(struct rn_hook, load), {{NULL, 0}}},
    {"backend",
     END(struct rn_backend, run),
     {NEEDS(struct rn_backend, create), NEEDS(struct rn_backend, info),
      NEEDS(struct rn_backend, alloc), NEEDS(struct rn_backend, release),
      NEEDS(struct rn_backend, stream_create), NEEDS(struct rn_backend, stream_destroy),
      NEEDS(struct rn_backend, event_create), NEEDS(struct rn_backend, event_destroy),
      NEEDS(struct rn_backend, event_record), NEEDS(struct rn_backend, event_wait),
      NEEDS(struct rn_backend, event_sync), NEEDS(struct rn_backend, stream_sync),
      NEEDS(struct rn_backend, copy), NEEDS(struct rn_backend, fill_zero),
      NEEDS(struct rn_backend, query), NEEDS(struct rn_backend, compile),
      NEEDS(struct rn_backend, exe_destroy), NEEDS(struct rn_backend, run)}}};

/* Members that come together or not at all. */
static const char *half(const char *kind, const void *iface) {
    if (strcmp(kind, "source") == 0) {
        const struct rn_source *s = iface;
        return !s->worker_open != !s->worker_close ? "worker_open without worker_close"
                                                   : NULL;
    }
    if (strcmp(kind, "augment") == 0) {
        const struct rn_augment *a = iface;
        return !a->numbers != !a->decide || !a->numbers != !a->describe
                   ? "not all of numbers, decide and describe"
                   : NULL;
    }
    if (strcmp(kind, "transform") == 0) {
        const struct rn_transform *t = iface;
        if (t->fit_begin && (!t->fit_rows || !t->fit_end))
            return "fit_begin without fit_rows and fit_end";
        return !t->save != !t->load       ? "only one of save and load"
               : t->fit_begin && !t->save ? "a fit that cannot be saved"
                                          : NULL;
    }
    if (strcmp(kind, "schedule") == 0) {
        const struct rn_schedule *s = iface;
        return !s->save != !s->load ? "only one of save and load" : NULL;
    }
    if (strcmp(kind, "metric") == 0) {
        const struct rn_metric *m = iface;
        return !m->describe && !m->update ? "neither describe nor update" : NULL;
    }
    if (strcmp(kind, "hook") == 0) {
        const struct rn_hook *h = iface;
        if (h->rewrite)
            return "the form rewrite, which this runner does not have yet";
        return !h->tap != !h->tapped  ? "only one of tap and tapped"
               : !h->save != !h->load ? "only one of save and load"
                                      : NULL;
    }
    return NULL;
}

static int check_iface(const struct component *c, const void *iface,
                       struct rn_error *e) {
    const struct demand *d = demands;
    uint32_t size;
    if (!iface)
        return error_set(e, RN_E_PLUGIN, "the %s %s has no interface", c->kind,
                         c->name);
    while (strcmp(d->kind, c->kind) != 0)
        d++; /* describe() knows the kinds */
    memcpy(&size, iface, sizeof size);
    if (size < d->bytes)
        return error_set(e, RN_E_PLUGIN,
                         "the interface of the %s %s is %u bytes, %u are wanted",
                         c->kind, c->name, size, d->bytes);
    for (size_t i = 0; i < sizeof d->members / sizeof d->members[0]; i++) {
        void (*member)(void);
        if (!d->members[i].name)
            break;
        memcpy(&member, (const char *)iface + d->members[i].at, sizeof member);
        if (!member)
            return error_set(e, RN_E_PLUGIN, "the interface of the %s %s has no `%s`",
                             c->kind, c->name, d->members[i].name);
    }
    const char *what = half(c->kind, iface);
    if (what)
        return error_set(e, RN_E_PLUGIN, "the interface of the %s %s has %s", c->kind,
                         c->name, what);
    return RN_OK;
}

static int open_library(struct library *l, struct rn_error *e) {
    const struct abi_version host = {RN_ABI_MAJOR, RN_ABI_MINOR};
    if (l->entry)
        return RN_OK;
    /* Read again: the file may have changed since it was indexed. */
    struct arena *a = arena_create();
    struct file_text text;
    int status = elf_read(l->file, a, &text, e);
    arena_destroy(a);
    if (status != RN_OK)
        return status;
    if (!l->handle)
        l->handle = dlopen(l->file, RTLD_NOW | RTLD_LOCAL);
    if (!l->handle)
        return error_set(e, RN_E_PLUGIN, "it cannot be opened: %s", dlerror());
    void *symbol = dlsym(l->handle, RN_ENTRY_SYMBOL);
    if (!symbol)
        return error_set(e, RN_E_PLUGIN, "it has no function %s", RN_ENTRY_SYMBOL);
    rn_entry_fn fn;
    memcpy(&fn, &symbol, sizeof fn);
    const char *before = call_enter(l->file);
    const struct rn_entry *entry = fn();
    call_leave(before);
    if (!entry || !RN_HAS(entry, struct rn_entry, components) || !entry->components)
        return error_set(e, RN_E_PLUGIN, "its entry does not follow this ABI");
    const struct abi_version needed = {entry->abi_major, entry->abi_needed_minor};
    status = abi_check(&host, &needed, e);
    if (status == RN_OK)
        l->entry = entry;
    return status;
}

/* The component whose text the file showed is the one that the entry gives. */
static int match(struct owned *o, struct rn_error *e) {
    const struct rn_entry *entry = o->library->entry;
    for (uint32_t i = 0; i < entry->component_count; i++) {
        const struct rn_component *c = entry->components[i];
        if (!c || !RN_HAS(c, struct rn_component, iface) || !c->text ||
            strcmp(c->text, o->c.text) != 0)
            continue;
        int status = check_iface(&o->c, c->iface, e);
        if (status != RN_OK)
            return status;
        if (RN_HAS(c, struct rn_component, extension) && c->extension) {
            o->c.extension = c->extension;
            o->c.validate = c->extension(RN_EXT_VALIDATE);
        }
        o->c.iface = c->iface;
        return RN_OK;
    }
    return error_set(e, RN_E_PLUGIN,
                     "its entry does not give the %s %s that it describes", o->c.kind,
                     o->c.name);
}

int component_open(struct owned *o, struct rn_error *e) {
    int status = open_library(o->library, e);
    if (status == RN_OK)
        status = match(o, e);
    if (status != RN_OK)
        error_context(e, "plugin %s is refused", o->library->file);
    return status;
}

const char *module_at(const void *address, const void **base) {
    Dl_info at;
    if (!dladdr(address, &at))
        return NULL;
    *base = at.dli_fbase;
    return at.dli_fname;
}

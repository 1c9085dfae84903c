/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a plugin: its entry, its version, its interfaces, checked before any is used.
 */
#include <dlfcn.h>
#include <fenv.h>
#include <string.h>

#include "plugin/internal.h"
#include "plugin/kinds.h"

int abi_check(const struct abi_version *host, const struct abi_version *needed,
              struct rn_error *e) {
    uint32_t oldest = host->major == 0 ? 9 : 0; /* before were drafts */
    bool fits = needed->major == host->major && needed->minor >= oldest &&
                needed->minor <= host->minor;
    if (fits)
        return RN_OK;
    error_set(e, RN_E_PLUGIN, "it needs ABI %u.%u; this runner has %u.%u",
              needed->major, needed->minor, host->major, host->minor);
    if (needed->major == host->major && needed->minor > host->minor)
        return error_hint(e, "a later runner has it");
    return error_hint(e, "build the plugin again with this runner's headers");
}

static bool has_member(const void *iface, uint32_t size, size_t at) {
    void (*member)(void);
    if (size < at + sizeof member)
        return false;
    memcpy(&member, (const char *)iface + at, sizeof member);
    return member != NULL;
}

/* Members of which one without the other makes no sense; NULL: the rule holds. */
static const char *broken(const struct kind_rule *r, const void *iface, uint32_t size) {
    uint32_t set = 0, all = 0;
    for (; all < sizeof r->at / sizeof *r->at && r->at[all]; all++)
        set += has_member(iface, size, r->at[all]);
    bool holds = set > 0; /* KIND_RULE_ANY */
    if (r->rule == KIND_RULE_TOGETHER)
        holds = set == 0 || set == all;
    else if (r->rule == KIND_RULE_FIRST_NEEDS)
        holds = set == all || !has_member(iface, size, r->at[0]);
    return holds ? NULL : r->message;
}

static const char *broken_rule(const struct kind *k, const void *iface, uint32_t size) {
    const char *what = NULL;
    if (k->save && has_member(iface, size, k->save) != has_member(iface, size, k->load))
        return "only one of save and load";
    for (const struct kind_rule *r = k->rules; r->rule && !what; r++)
        what = broken(r, iface, size);
    return what;
}

static int check_iface(const struct component *c, const void *iface,
                       struct rn_error *e) {
    const struct kind *k = kind_find(c->kind); /* describe() knows it */
    uint32_t size;
    if (!iface)
        return error_set(e, RN_E_PLUGIN, "the %s %s has no interface", c->kind,
                         c->name);
    memcpy(&size, iface, sizeof size);
    if (size < k->bytes)
        return error_set(e, RN_E_PLUGIN,
                         "the interface of the %s %s is %u bytes, expected at least %u",
                         c->kind, c->name, size, k->bytes);
    for (const struct kind_member *m = k->needs; m->name; m++)
        if (!has_member(iface, size, m->at))
            return error_set(e, RN_E_PLUGIN, "the interface of the %s %s has no `%s`",
                             c->kind, c->name, m->name);
    const char *what = broken_rule(k, iface, size);
    if (!what)
        return RN_OK;
    error_set(e, RN_E_PLUGIN, "the interface of the %s %s has %s", c->kind, c->name,
              what);
    return strstr(what, "save")
               ? error_hint(e,
                            "give its table both `save` and `load`: a version of your "
                            "own first, then all that is needed to go on")
               : e->status;
}

/* The libraries of these sanitizers end a process that opens them late. */
static int check_sanitizer(const struct sanitizer *s, struct rn_error *e) {
    if (!s || dlsym(RTLD_DEFAULT, s->symbol))
        return RN_OK;
    error_set(e, RN_E_PLUGIN,
              "it was built with %s, whose library has to be in the process from its "
              "start, and is not",
              s->name);
    return error_hint(e,
                      "build it without -fsanitize=%s, or use it with a runner that is "
                      "built with that (for address: ./dev sanitize makes one)",
                      s->flag);
}

static void *open_file(const char *file) {
    /* A library linked with -ffast-math has code that runs when it is opened and makes
     * the processor flush denormals: for the whole thread, not just for the plugin. */
    fenv_t before;
    fegetenv(&before);
    /* For as long as the process lives: idle threads of a library that the plugin needs
     * (OpenMP's) run its code after the last call has returned. */
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    fesetenv(&before);
    return handle;
}

static int no_entry(struct rn_error *e) {
    error_set(e, RN_E_PLUGIN, "it has no function %s", RN_ENTRY_SYMBOL);
    return error_hint(e, "RN_PLUGIN(&component, ...) at the end of one of its files "
                         "defines it; a version script or -Wl,--exclude-libs may have "
                         "hidden it");
}

static int open_library(struct library *l, struct rn_error *e) {
    const struct abi_version host = {RN_ABI_MAJOR, RN_ABI_MINOR};
    if (l->entry)
        return RN_OK;
    /* Read again: the file may have changed since it was indexed. */
    struct arena *a = arena_create();
    struct file_text text;
    int status = elf_read(l->file, a, &text, e);
    if (status == RN_OK)
        status = check_sanitizer(elf_sanitizer(l->file, a), e);
    arena_destroy(a);
    if (status != RN_OK)
        return status;
    if (!l->handle)
        l->handle = open_file(l->file);
    if (!l->handle)
        return error_set(e, RN_E_PLUGIN, "it cannot be opened: %s", dlerror());
    void *symbol = dlsym(l->handle, RN_ENTRY_SYMBOL);
    if (!symbol)
        return no_entry(e);
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
    if (status == RN_OK && RN_HAS(entry, struct rn_entry, numerics) && entry->numerics)
        l->numerics = entry->numerics();
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
        error_context(e, "plugin %s is refused, asked for the %s %s", o->library->file,
                      o->c.kind, o->c.name);
    return status;
}

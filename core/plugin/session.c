/* SPDX-License-Identifier: Apache-2.0 */
/* The session: which components there are, and opening those that are named. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <runner/sdk/file.h>
#include <runner/sdk/guard.h>

#include "base/hash.h"
#include "base/suggest.h"
#include "base/text.h"
#include "plugin/internal.h"

struct session *session_create(log_sink sink, void *context) {
    struct session *s = memory_get(sizeof *s);
    s->arena = arena_create();
    s->guarded = rn_guard_wanted();
    s->log = sink ? log_create(sink, context) : NULL;
    return s;
}

struct log *session_log(const struct session *s) {
    return s->log;
}

void session_destroy(struct session *s) {
    if (!s)
        return;
    memory_release(s->all);
    memory_release(s->libraries);
    memory_release(s->refused);
    log_destroy(s->log);
    arena_destroy(s->arena);
    memory_release(s);
}

/* ------------------------------------------------------------------ indexing */

static bool same_component(const struct component *a, const struct component *b) {
    return strcmp(a->kind, b->kind) == 0 && strcmp(a->name, b->name) == 0;
}

/* Names of built-in components begin with `runner/`; nobody else's vendor is called
 * that. */
static int check_vendor(const struct component *c, bool built_in, struct rn_error *e) {
    size_t n = strcspn(c->name, "./");
    if (built_in || n != strlen("runner") || strncmp(c->name, "runner", n) != 0)
        return RN_OK;
    error_set(e, RN_E_PLUGIN,
              "%s %s: the vendor `runner` is reserved for built-in components", c->kind,
              c->name);
    return error_hint(e, "give it a name of your own: VENDOR.PACKAGE/%s", c->bare);
}

/* Components of texts[bytes], pushed onto s->all. */
static int read_components(struct session *s, struct library *l,
                           const struct file_text *text, struct rn_error *e) {
    uint32_t first = s->count;
    const char *p = text->texts, *end = p + text->bytes;
    for (; p < end; p += strlen(p) + 1) {
        if (!*p)
            continue; /* padding */
        struct owned *o = arena_new(s->arena, struct owned);
        int status = describe(s->arena, p, &o->c, e);
        for (uint32_t i = first; i < s->count && status == RN_OK; i++)
            if (same_component(&s->all[i]->c, &o->c))
                status = error_set(e, RN_E_PLUGIN, "it describes the %s %s twice",
                                   o->c.kind, o->c.name);
        if (status != RN_OK)
            return status;
        o->c.file = l->file;
        o->c.built_in = l->built_in;
        o->library = l;
        o->index = s->count - first;
        vec_push(s->all, s->count, s->capacity, o);
    }
    return s->count > first ? RN_OK
                            : error_set(e, RN_E_PLUGIN, "it describes no component");
}

/* A library that was read before s->all[first] and has the same bytes as l, or NULL. */
static struct library *find_twin(const struct session *s, uint32_t first,
                                 struct library *l) {
    for (uint32_t i = 0; i < first; i++) {
        struct library *other = s->all[i]->library;
        if (same_component(&s->all[i]->c, &s->all[first]->c) &&
            strcmp(library_hash(other), library_hash(l)) == 0 && *library_hash(l))
            return other;
    }
    return NULL;
}

/* The file that is to be opened of a plugin that is there twice. */
static void move_library(struct session *s, struct library *l, const char *file) {
    l->file = file;
    for (uint32_t i = 0; i < s->count; i++)
        if (s->all[i]->library == l)
            s->all[i]->c.file = file;
}

static int read_file(struct session *s, const char *file, bool built_in,
                     enum library_rank rank, struct rn_error *e) {
    struct file_text text;
    int status = elf_read(file, s->arena, &text, e);
    if (status != RN_OK)
        return status;
    struct library *l = arena_new(s->arena, struct library);
    l->file = arena_copy(s->arena, file);
    l->built_in = built_in;
    l->rank = rank;
    uint32_t first = s->count;
    status = read_components(s, l, &text, e);
    struct library *twin = status == RN_OK ? find_twin(s, first, l) : NULL;
    for (uint32_t i = first; i < s->count && status == RN_OK && !twin; i++)
        status = check_vendor(&s->all[i]->c, built_in, e);
    if (twin && rank > twin->rank) {
        twin->rank = rank;
        if (!twin->handle)
            move_library(s, twin, l->file);
    }
    if (status != RN_OK || twin) {
        s->count = first;
        return status;
    }
    vec_push(s->libraries, s->library_count, s->library_capacity, l);
    return RN_OK;
}

static struct library *find_library(const struct session *s, const char *file) {
    for (uint32_t i = 0; i < s->library_count; i++)
        if (strcmp(s->libraries[i]->file, file) == 0)
            return s->libraries[i];
    return NULL;
}

int session_add_file(struct session *s, const char *file, struct rn_error *e) {
    char path[PATH_MAX];
    if (!realpath(file, path)) {
        error_set(e, RN_E_PLUGIN, "plugin %s: %s", file, strerror(errno));
        return RN_E_PLUGIN;
    }
    struct library *known = find_library(s, path);
    if (known) {
        known->rank = LIBRARY_NAMED;
        return RN_OK;
    }
    int status = read_file(s, path, false, LIBRARY_NAMED, e);
    if (status != RN_OK)
        error_context(e, "plugin %s is refused", path);
    return status;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The real path of an entry of a folder whose path is real; false: there is none. */
static bool entry_path(const char *folder, const char *name, char path[PATH_MAX]) {
    char joined[PATH_MAX];
    struct stat st;
    int n = snprintf(joined, sizeof joined, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof joined || lstat(joined, &st))
        return false;
    if (S_ISLNK(st.st_mode))
        return realpath(joined, path) != NULL;
    memcpy(path, joined, (size_t)n + 1);
    return true;
}

int session_add_folder(struct session *s, const char *folder, bool built_in,
                       struct rn_error *e) {
    char real[PATH_MAX];
    DIR *dir = realpath(folder, real) ? opendir(real) : NULL;
    const char **names = NULL;
    uint32_t count = 0, capacity = 0;
    if (!dir)
        return error_set(e, RN_E_PLUGIN, "plugin folder %s: %s", folder,
                         strerror(errno));
    for (struct dirent *f; (f = readdir(dir));) {
        size_t n = strlen(f->d_name);
        if (n > 3 && strcmp(f->d_name + n - 3, ".so") == 0)
            vec_push(names, count, capacity, arena_copy(s->arena, f->d_name));
    }
    closedir(dir);
    if (count)
        qsort(names, count, sizeof *names, by_name);
    for (uint32_t i = 0; i < count; i++) {
        char path[PATH_MAX];
        struct rn_error why = {0};
        if (!entry_path(real, names[i], path))
            continue;
        if (find_library(s, path) ||
            read_file(s, path, built_in, LIBRARY_FOUND, &why) == RN_OK)
            continue;
        const char *reason =
            why.hint[0] ? arena_format(s->arena, "%s (%s)", why.message, why.hint)
                        : arena_copy(s->arena, why.message);
        vec_push(s->refused, s->refused_count, s->refused_capacity,
                 (struct refusal){arena_copy(s->arena, path), reason});
    }
    memory_release(names);
    return RN_OK;
}

uint32_t session_count(const struct session *s) {
    return s->count;
}

static struct owned *owned_of(const struct component *c) {
    return (struct owned *)(uintptr_t)c; /* its first member */
}

static void hash_file(const char *file, char out[65]) {
    struct sha256 h;
    uint8_t digest[32], block[65536];
    int64_t n;
    const char *why;
    int fd = rn_file_open(file, O_RDONLY, NULL, &why);
    if (fd < 0)
        return;
    sha256_init(&h);
    for (uint64_t at = 0; (n = rn_file_read(fd, block, sizeof block, at)) > 0;) {
        sha256_add(&h, block, (size_t)n);
        at += (uint64_t)n;
    }
    close(fd);
    sha256_finish(&h, digest);
    sha256_hex(digest, out);
}

const char *library_hash(struct library *l) {
    if (!l->sha256[0])
        hash_file(l->file, l->sha256);
    return l->sha256;
}

static const struct component *with_hash(struct owned *o) {
    memcpy(o->c.sha256, library_hash(o->library), sizeof o->c.sha256);
    return &o->c;
}

const struct component *session_at(const struct session *s, uint32_t i) {
    return with_hash(s->all[i]);
}

uint32_t session_refused(const struct session *s) {
    return s->refused_count;
}

void session_refused_at(const struct session *s, uint32_t i, const char **file,
                        const char **why) {
    *file = s->refused[i].file;
    *why = s->refused[i].why;
}

/* ------------------------------------------------------------------- finding */

void session_explain(const struct session *s, const struct rn_error *e,
                     struct text *out) {
    text_add(out, e->hint);
    for (uint32_t i = 0; i < s->refused_count; i++)
        text_addf(out, "%srefused: %s: %s", out->length ? "\n" : "", s->refused[i].file,
                  s->refused[i].why);
}

static int not_found(struct session *s, const char *kind, const char *name,
                     struct rn_error *e) {
    struct suggest all = {0};
    struct text hint = {0};
    const char *other = NULL;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct component *c = &s->all[i]->c;
        bool named = strcmp(c->bare, name) == 0 || strcmp(c->name, name) == 0;
        if (strcmp(c->kind, kind) == 0)
            suggest_add(&all, c->built_in ? c->bare : c->name);
        else if (named)
            other = c->kind;
        if (strcmp(c->kind, kind) == 0 && !c->built_in && strcmp(c->bare, name) == 0)
            text_addf(&hint, "%sits full name is '%s'", hint.length ? "\n" : "",
                      c->name);
    }
    const char *near = suggest_find(&all, name);
    error_set(e, RN_E_CONFIG, "there is no %s '%s'", kind, name);
    if (other && !near)
        text_addf(&hint, "%s'%s' is a %s", hint.length ? "\n" : "", name, other);
    if (hint.length)
        error_hint(e, "%s", text_get(&hint));
    else
        suggest_hint(&all, name, near ? NULL : "there are", e);
    text_finish(&hint);
    suggest_finish(&all);
    return RN_E_CONFIG;
}

static bool is_named(const struct component *c, const char *kind, const char *name) {
    if (strcmp(c->kind, kind) != 0)
        return false;
    return strchr(name, '/') ? strcmp(c->name, name) == 0
                             : c->built_in && strcmp(c->bare, name) == 0;
}

static int two_copies(struct owned *a, struct owned *b, struct rn_error *e) {
    error_set(
        e, RN_E_PLUGIN,
        "two different plugins have the %s '%s': sha256 %s is %s, sha256 %s is %s",
        a->c.kind, a->c.name, library_hash(a->library), a->c.file,
        library_hash(b->library), b->c.file);
    return error_hint(e, a->library->rank == LIBRARY_NAMED
                             ? "`plugins:` names both; leave one"
                             : "remove one of them from the search path, or name the "
                               "one that is meant in `plugins:`");
}

const struct component *session_find(struct session *s, const char *kind,
                                     const char *name, struct rn_error *e) {
    struct owned *found = NULL, *other = NULL;
    for (uint32_t i = 0; i < s->count; i++) {
        struct owned *o = s->all[i];
        if (!is_named(&o->c, kind, name))
            continue;
        if (!found || o->library->rank > found->library->rank)
            found = o, other = NULL;
        else if (o->library->rank == found->library->rank)
            other = o;
    }
    if (other)
        two_copies(found, other, e);
    else if (!found)
        not_found(s, kind, name, e);
    return found && !other ? &found->c : NULL;
}

bool session_find_recorded(struct session *s, const char *sha256) {
    for (uint32_t i = 0; i < s->library_count; i++) {
        struct library *l = s->libraries[i];
        if (l->built_in || strcmp(library_hash(l), sha256) != 0)
            continue;
        if (l->rank < LIBRARY_RECORDED)
            l->rank = LIBRARY_RECORDED;
        return true;
    }
    return false;
}

const struct component *session_identify(const struct component *c) {
    return with_hash(owned_of(c));
}

static void warn_numerics(const struct session *s, const struct owned *o) {
    uint32_t n = o->library->numerics;
    if (n && s->log)
        log_say(s->log, RN_LOG_WARNING,
                "plugin %s was compiled with%s%s%s: its numbers may differ between "
                "machines; use the flags of `pkg-config --cflags runner-plugin`",
                o->library->file, n & RN_NUMERICS_FAST_MATH ? " -ffast-math" : "",
                n == (RN_NUMERICS_FAST_MATH | RN_NUMERICS_CONTRACTED) ? " and" : "",
                n & RN_NUMERICS_CONTRACTED ? " contracted products (-ffp-contract)"
                                           : "");
    o->library->numerics = 0; /* reported once */
}

int session_load(struct session *s, const struct component *c, struct rn_error *e) {
    struct owned *o = owned_of(c);
    if (c->iface)
        return RN_OK;
    with_hash(o);
    int status = component_open(o, e);
    warn_numerics(s, o);
    return status;
}

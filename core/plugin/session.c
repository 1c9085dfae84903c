/* SPDX-License-Identifier: Apache-2.0 */
/* The session: which components there are, and opening those that are named. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runner/sdk/file.h>

#include "base/hash.h"
#include "base/suggest.h"
#include "base/text.h"
#include "plugin/internal.h"

struct session *session_create(log_sink sink, void *context) {
    struct session *s = memory_get(sizeof *s);
    s->arena = arena_create();
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

static int read_file(struct session *s, const char *file, bool built_in,
                     struct rn_error *e) {
    struct file_text text;
    int status = elf_read(file, s->arena, &text, e);
    if (status != RN_OK)
        return status;
    struct library *l = arena_new(s->arena, struct library);
    l->file = arena_copy(s->arena, file);
    l->built_in = built_in;
    uint32_t first = s->count, index = 0;
    const char *p = text.texts, *end = p + text.bytes;
    for (; p < end && status == RN_OK; p += strlen(p) + 1) {
        if (!*p)
            continue; /* padding */
        struct owned *o = arena_new(s->arena, struct owned);
        status = describe(s->arena, p, &o->c, e);
        if (status != RN_OK)
            break;
        for (uint32_t i = first; i < s->count && status == RN_OK; i++)
            if (strcmp(s->all[i]->c.kind, o->c.kind) == 0 &&
                strcmp(s->all[i]->c.name, o->c.name) == 0)
                status = error_set(e, RN_E_PLUGIN, "it describes the %s %s twice",
                                   o->c.kind, o->c.name);
        o->c.file = l->file;
        o->c.built_in = built_in;
        o->library = l;
        o->index = index++;
        if (status == RN_OK)
            vec_push(s->all, s->count, s->capacity, o);
    }
    if (status == RN_OK && index == 0)
        status = error_set(e, RN_E_PLUGIN, "it describes no component");
    if (status != RN_OK) {
        s->count = first;
        return status;
    }
    vec_push(s->libraries, s->library_count, s->library_capacity, l);
    return RN_OK;
}

static bool known_file(const struct session *s, const char *file) {
    for (uint32_t i = 0; i < s->library_count; i++)
        if (strcmp(s->libraries[i]->file, file) == 0)
            return true;
    return false;
}

int session_add_file(struct session *s, const char *file, struct rn_error *e) {
    char path[PATH_MAX];
    if (!realpath(file, path)) {
        error_set(e, RN_E_PLUGIN, "plugin %s: %s", file, strerror(errno));
        return RN_E_PLUGIN;
    }
    if (known_file(s, path))
        return RN_OK;
    int status = read_file(s, path, false, e);
    if (status != RN_OK)
        error_context(e, "plugin %s is refused", path);
    return status;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int session_add_folder(struct session *s, const char *folder, bool built_in,
                       struct rn_error *e) {
    DIR *dir = opendir(folder);
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
        char joined[PATH_MAX], path[PATH_MAX];
        struct rn_error why = {0};
        snprintf(joined, sizeof joined, "%s/%s", folder, names[i]);
        if (!realpath(joined, path))
            continue;
        if (known_file(s, path) || read_file(s, path, built_in, &why) == RN_OK)
            continue;
        vec_push(s->refused, s->refused_count, s->refused_capacity,
                 (struct refusal){arena_copy(s->arena, path),
                                  arena_copy(s->arena, why.message)});
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

static void hash_file(struct component *c) {
    struct sha256 h;
    uint8_t digest[32], block[65536];
    int64_t n;
    const char *why;
    int fd = rn_file_open(c->file, O_RDONLY, NULL, &why);
    if (fd < 0)
        return;
    sha256_init(&h);
    for (uint64_t at = 0; (n = rn_file_read(fd, block, sizeof block, at)) > 0;) {
        sha256_add(&h, block, (size_t)n);
        at += (uint64_t)n;
    }
    close(fd);
    sha256_finish(&h, digest);
    sha256_hex(digest, c->sha256);
}

const struct component *session_at(const struct session *s, uint32_t i) {
    if (!s->all[i]->c.sha256[0])
        hash_file(&s->all[i]->c);
    return &s->all[i]->c;
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

const struct component *session_find(struct session *s, const char *kind,
                                     const char *name, struct rn_error *e) {
    const struct owned *found = NULL;
    bool full = strchr(name, '/') != NULL;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct owned *o = s->all[i];
        if (strcmp(o->c.kind, kind) != 0)
            continue;
        if (full ? strcmp(o->c.name, name) != 0
                 : !o->c.built_in || strcmp(o->c.bare, name) != 0)
            continue;
        if (found && found->library != o->library) {
            error_set(e, RN_E_PLUGIN, "two plugins have the %s '%s'", kind, name);
            error_hint(e, "%s\n%s", found->c.file, o->c.file);
            return NULL;
        }
        found = o;
    }
    if (!found) {
        not_found(s, kind, name, e);
        return NULL;
    }
    return &found->c;
}

int session_load(struct session *s, const struct component *c, struct rn_error *e) {
    struct owned *o = owned_of(c);
    (void)s;
    if (c->iface)
        return RN_OK;
    if (!o->c.sha256[0])
        hash_file(&o->c);
    return component_open(o, e);
}

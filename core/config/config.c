/* SPDX-License-Identifier: Apache-2.0 */
/* Loading: file, what it extends, overrides, interpolation; walking the nodes. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <runner/sdk/file.h>

#include "base/path.h"
#include "base/suggest.h"
#include "config/tree.h"

/* -------------------------------------------------------------------- nodes */

enum node_kind node_kind(const struct node *n) {
    return n->kind;
}
const char *node_path(const struct node *n) {
    return n->path;
}
uint32_t node_count(const struct node *n) {
    return n->count;
}
const struct node *node_item(const struct node *n, uint32_t i) {
    return n->items[i];
}
const char *node_key(const struct node *n, uint32_t i) {
    return n->items[i]->key;
}
const struct node *node_find(const struct node *n, const char *key) {
    return tree_find(n, key);
}
const char *node_raw(const struct node *n) {
    return n->kind == NODE_SCALAR ? n->raw : "";
}
bool node_is_default(const struct node *n) {
    return n->origin && n->origin->is_default;
}
bool node_bool(const struct node *n) {
    return n->b;
}
int64_t node_int(const struct node *n) {
    return n->type == VALUE_FLOAT ? (int64_t)n->f : n->i;
}
double node_float(const struct node *n) {
    return n->type == VALUE_INT ? (double)n->i : n->f;
}
const char *node_string(const struct node *n) {
    return n->s ? n->s : n->raw ? n->raw : "";
}

static struct node *step_into(const struct node *n, const char *word, size_t length) {
    char key[260];
    if (length >= sizeof key)
        return NULL;
    memcpy(key, word, length);
    key[length] = '\0';
    if (n->kind == NODE_MAP)
        return tree_find(n, key);
    if (n->kind != NODE_LIST || !length || key[strspn(key, "0123456789")])
        return NULL;
    unsigned long i = strtoul(key, NULL, 10);
    return i < n->count ? n->items[i] : NULL;
}

const struct node *node_at(const struct node *n, const char *path) {
    while (n && *path) {
        size_t k = strcspn(path, ".");
        const struct node *whole =
            n->kind == NODE_MAP && path[k] ? tree_find(n, path) : NULL;
        if (whole) /* a key with dots */
            return whole;
        n = step_into(n, path, k);
        path += k + (path[k] == '.');
    }
    return n;
}

static bool is_component(const struct node *n) {
    return n->kind == NODE_MAP && tree_find(n, "type");
}

uint32_t node_components(const struct node *n) {
    if (n->kind == NODE_NULL || n->kind == NODE_SCALAR)
        return 0;
    return is_component(n) ? 1 : n->count;
}

const struct node *node_component(const struct node *n, uint32_t i, const char **name) {
    if (is_component(n)) {
        *name = "";
        return n;
    }
    const struct node *c = n->items[i];
    const char *dot = strrchr(c->path, '.');
    *name = n->kind == NODE_MAP ? c->key : dot ? dot + 1 : c->path;
    return c;
}

int config_resolve_path(const struct node *n, char out[CONFIG_PATH_MAX],
                        struct rn_error *e) {
    struct text path = {0};
    const char *s = n->raw ? n->raw : "", *folder = n->origin->folder;
    int status = *s ? RN_OK : error_set(e, RN_E_CONFIG, "the path is empty");
    if (status == RN_OK && *s != '/' && *s != '~' && folder && *folder)
        text_addf(&path, "%s/", folder);
    if (status == RN_OK)
        status = path_expand(s, &path, e);
    if (status == RN_OK && path.length >= CONFIG_PATH_MAX)
        status = error_set(e, RN_E_CONFIG, "the path is longer than %u bytes",
                           CONFIG_PATH_MAX - 1);
    snprintf(out, CONFIG_PATH_MAX, "%s", status == RN_OK ? text_get(&path) : "");
    text_finish(&path);
    return status;
}

/* ------------------------------------------------------------------- loading */

struct loader {
    struct config *c;
    struct diag *d;
    struct limits limits;
    uint32_t depth; /* of extends */
    uint32_t chain; /* of references, one inside another */
    size_t filled;  /* bytes that interpolation made */
    const char *open[16];
};

static char *read_file(struct arena *a, const char *file, size_t *length,
                       struct diag *d, const struct node *asked) {
    const char *why = NULL;
    struct rn_error e;
    int fd = rn_file_open(file, O_RDONLY, NULL, &why);
    if (fd >= 0) {
        char *all = memory_get(MOST_BYTES + 1),
             *text = NULL; /* one more than allowed */
        int64_t got = rn_file_read(fd, all, MOST_BYTES + 1, 0);
        int failed = errno;
        if (got >= 0) {
            *length = (size_t)got;
            text = arena_copy_n(a, all, *length);
        }
        memory_release(all);
        close(fd);
        if (text)
            return text;
        errno = failed;
    }
    error_set(&e, RN_E_CONFIG, why ? "%s %s" : "%s cannot be read: %s", file,
              why ? why : strerror(errno));
    if (asked)
        node_error(d, asked, false, RN_E_CONFIG, "%s", e.message);
    else
        diag_add(d, &e);
    return NULL;
}

static const char *folder_of(struct arena *a, const char *file) {
    char absolute[PATH_MAX];
    if (!realpath(file, absolute))
        return "";
    char *slash = strrchr(absolute, '/');
    if (slash && slash != absolute)
        *slash = '\0';
    else
        absolute[1] = '\0';
    return arena_copy(a, absolute);
}

/* Does it look like named components: a map of maps with `type`? */
static bool looks_named(const struct node *n) {
    for (uint32_t i = 0; i < n->count; i++)
        if (!tree_find(n->items[i], "type"))
            return false;
    return n->count > 0;
}

/* `over` on top of `base`: maps merge, everything else replaces; a component of another
 * type replaces wholly, as options of the old one mean nothing to it, and so does one
 * in place of several. Several in place of one only the schema can tell from nested
 * options: that is left to the check. NULL: a map would have too many keys. */
static struct node *overlay(struct arena *a, struct node *base, struct node *over) {
    if (!base || base->kind != NODE_MAP || over->kind != NODE_MAP)
        return over;
    const struct node *t = tree_find(base, "type"), *u = tree_find(over, "type");
    if (t && u && t->raw && u->raw && strcmp(t->raw, u->raw) != 0)
        return over;
    if (u && !t && looks_named(base))
        return over;
    if (base->count > MOST_KEYS || over->count > MOST_KEYS)
        return NULL;
    struct node *out = tree_new(a, NODE_MAP, over->origin);
    out->at.line = over->at.line, out->at.column = over->at.column;
    out->key = over->key, out->key_at.line = over->key_at.line;
    out->key_at.column = over->key_at.column;
    if (base->named) {
        out->named = overlay(a, base->named, over);
        out->names = base->names;
        if (!out->named)
            return NULL;
    } else if (t && !u && looks_named(over)) {
        out->names = out->named = over;
    }
    for (uint32_t i = 0; i < base->count; i++) {
        struct node *mine = tree_find(over, base->items[i]->key);
        struct node *one = mine ? overlay(a, base->items[i], mine) : base->items[i];
        if (!one)
            return NULL;
        tree_append(a, out, one);
    }
    for (uint32_t i = 0; i < over->count; i++)
        if (!tree_find(base, over->items[i]->key))
            tree_append(a, out, over->items[i]);
    return out;
}

static struct node *load_file(struct loader *l, const char *file,
                              const struct node *asked);

static struct node *extend(struct loader *l, struct node *root) {
    struct arena *a = l->c->arena;
    struct node *extends = tree_find(root, "extends"), *base = NULL;
    if (!extends)
        return root;
    uint32_t n = extends->kind == NODE_LIST ? extends->count : 1;
    for (uint32_t i = 0; i < n; i++) {
        const struct node *one =
            extends->kind == NODE_LIST ? extends->items[i] : extends;
        struct rn_error e = {0};
        char path[CONFIG_PATH_MAX];
        if (one->kind != NODE_SCALAR) {
            node_error(l->d, one, false, RN_E_CONFIG, "extends expects names of files");
            return NULL;
        }
        if (config_resolve_path(one, path, &e) != RN_OK) {
            node_error(l->d, one, false, e.status, "extends: %s", e.message);
            diag_hint(l->d, "%s", e.hint);
            return NULL;
        }
        struct node *below = load_file(l, arena_copy(a, path), one);
        if (!below)
            return NULL;
        base = base ? overlay(a, base, below) : below;
        if (!base)
            break;
    }
    tree_remove(root, extends);
    if (base || !n)
        base = base ? overlay(a, base, root) : root;
    if (!base)
        node_error(l->d, extends, true, RN_E_CONFIG,
                   "a map has more than 1024 keys, with those of the extended files");
    return base;
}

static struct node *load_file(struct loader *l, const char *file,
                              const struct node *asked) {
    struct arena *a = l->c->arena;
    struct origin *from = arena_new(a, struct origin);
    char absolute[PATH_MAX];
    const char *self = realpath(file, absolute) ? arena_copy(a, absolute) : file;
    for (uint32_t i = 0; i < l->depth; i++)
        if (strcmp(l->open[i], self) == 0) {
            node_error(l->d, asked, false, RN_E_CONFIG, "%s extends itself", self);
            if (i + 1 < l->depth)
                diag_hint(l->d, "by way of %s", l->open[l->depth - 1]);
            return NULL;
        }
    if (l->depth == sizeof l->open / sizeof *l->open) {
        node_error(l->d, asked, false, RN_E_CONFIG, "extends nests deeper than 16");
        return NULL;
    }
    if (++l->limits.files > 64) {
        node_error(l->d, asked, false, RN_E_CONFIG,
                   "more than 64 files, one extending another");
        return NULL;
    }
    from->name = arena_copy(a, file);
    from->folder = folder_of(a, file);
    from->text = read_file(a, file, &from->length, l->d, asked);
    if (!from->text)
        return NULL;
    if (!asked)
        l->c->source = from->text;
    if (strncmp(from->text, "\xef\xbb\xbf", 3) ==
        0) { /* a byte order mark is not text */
        from->text += 3;
        from->length -= 3;
    }
    struct node *root = tree_parse(a, from, &l->limits, l->d);
    if (!root)
        return NULL;
    if (root->kind != NODE_MAP) {
        node_error(l->d, root, false, RN_E_CONFIG,
                   root->kind == NODE_NULL ? "the file is empty"
                                           : "an experiment is a map: `name: ...`");
        return NULL;
    }
    l->open[l->depth++] = self;
    root = extend(l, root);
    l->depth--;
    return root;
}

/* ---------------------------------------------------------------- overrides */

static struct node *child_for(struct arena *a, struct node *n, const char *key,
                              const struct origin *from, unsigned column) {
    struct node *c = step_into(n, key, strlen(key));
    if (c || n->kind != NODE_MAP)
        return c;
    c = tree_new(a, NODE_MAP, from);
    c->key = arena_copy(a, key);
    c->at.line = c->key_at.line = 1;
    c->at.column = c->key_at.column = column;
    tree_append(a, n, c);
    return c;
}

static int bad_override(struct diag *d, const struct origin *from, unsigned column,
                        const char *message) {
    return diag_at(d, from, 1, column, "", RN_E_CONFIG, message);
}

static void set_child(struct arena *a, struct node *parent, const char *key,
                      struct node *value, unsigned column) {
    struct node *old = step_into(parent, key, strlen(key));
    value->key = parent->kind == NODE_MAP ? arena_copy(a, key) : NULL;
    value->key_at.line = 1;
    value->key_at.column = column;
    for (uint32_t i = 0; i < parent->count; i++)
        if (parent->items[i] == old)
            parent->items[i] = old ? value : parent->items[i];
    if (!old)
        tree_append(a, parent, value);
}

/* A bare word for a component becomes a map, so that its options can be reached; what
 * is empty becomes an empty map. */
static void open_word(struct arena *a, struct node *n) {
    if (n->kind == NODE_MAP || n->kind == NODE_LIST)
        return;
    bool empty = tree_null(n);
    struct node *type = arena_new(a, struct node);
    *type = *n;
    type->key = "type";
    n->kind = NODE_MAP;
    n->items = NULL;
    n->count = n->capacity = 0;
    n->raw = NULL;
    if (!empty)
        tree_append(a, n, type);
}

static int apply(struct loader *l, const char *text, uint32_t number) {
    struct arena *a = l->c->arena;
    struct origin *from = arena_new(a, struct origin);
    uint32_t parts = 0;
    char cwd[PATH_MAX], message[500];
    from->name = arena_format(a, "command line, argument %u", number);
    from->is_argument = true;
    from->folder = getcwd(cwd, sizeof cwd) ? arena_copy(a, cwd) : "";
    from->text = text;
    from->length = strlen(text);
    bool remove = *text == '~';
    const char *eq = strchr(text, '=');
    bool append = eq && eq > text && eq[-1] == '+';
    if (!remove && (!eq || eq == text)) {
        bad_override(l->d, from, 1,
                     "this is not an override: expected key=value, key+=item or ~key");
        if (eq == text)
            diag_hint(l->d, "write it without spaces around '='");
        return RN_E_CONFIG;
    }
    const char *path = remove ? text + 1 : text;
    size_t length = remove ? strlen(path) : (size_t)(eq - path) - append;
    struct node *n = l->c->root, *value = NULL;
    if (!remove) {
        from->skip = (size_t)(eq + 1 - text);
        value = tree_parse(a, from, &l->limits, l->d);
        if (!value)
            return RN_E_CONFIG;
        if (value->kind == NODE_NULL) {
            value->at.column = (unsigned)from->skip + 1;
            value->kind = NODE_SCALAR;
            value->raw = "";
        }
    }
    for (size_t at = 0; at <= length;) {
        size_t k = strcspn(path + at, ".");
        if (at + k > length)
            k = length - at;
        char key[260];
        bool last = at + k >= length;
        unsigned column = (unsigned)(path + at - text) + 1;
        if (!k)
            return bad_override(l->d, from, column, "a key is missing here");
        if (k >= sizeof key || ++parts > 64)
            return bad_override(l->d, from, column,
                                "the key is longer than 259 bytes or 64 parts");
        memcpy(key, path + at, k);
        key[k] = '\0';
        open_word(a, n);
        if (last && remove) {
            struct node *gone = step_into(n, key, k);
            if (!gone) {
                snprintf(message, sizeof message, "there is no '%.*s' to remove",
                         (int)length, path);
                return bad_override(l->d, from, 2, message);
            }
            tree_remove(n, gone);
            return RN_OK;
        }
        if (last && !append) {
            if (n->kind == NODE_LIST && !step_into(n, key, k)) {
                const char *list = arena_copy_n(a, path, at ? at - 1 : 0);
                snprintf(message, sizeof message,
                         "'%.200s' has %u item%s, counted from 0", list, n->count,
                         n->count == 1 ? "" : "s");
                bad_override(l->d, from, column, message);
                diag_hint(l->d, "%.200s+=... adds one", list);
                return RN_E_CONFIG;
            }
            set_child(a, n, key, value, column);
            return RN_OK;
        }
        struct node *c = child_for(a, n, key, from, column);
        if (!c) {
            snprintf(message, sizeof message, "there is no '%.*s'", (int)(at + k),
                     path);
            return bad_override(l->d, from, column, message);
        }
        n = c;
        at += k + 1;
        if (last)
            break;
    }
    /* key+=item: n is the list, or becomes one. */
    if (n->kind != NODE_LIST) {
        struct node *old = NULL;
        bool named = n->kind == NODE_MAP && n->count && !tree_find(n, "type");
        if (named)
            return bad_override(l->d, from, 1,
                                "this is a map of named parts, not a list");
        if (!(n->kind == NODE_MAP && !n->count) && !tree_null(n))
            old = tree_copy(a, n);
        n->kind = NODE_LIST;
        n->items = NULL;
        n->count = n->capacity = 0;
        if (old)
            tree_append(a, n, old);
    }
    value->key = NULL;
    tree_append(a, n, value);
    return RN_OK;
}

/* -------------------------------------------------------------- interpolation */

#define MOST_FILLED (4u << 20)

static int fill_in(struct loader *l, struct node *n);

/* The nearest key where the path leaves the tree. */
static void hint_reference(struct loader *l, const char *word) {
    const struct node *n = l->c->root, *next;
    const char *p = word, *names[256];
    size_t k = strcspn(p, ".");
    while (p[k] && (next = step_into(n, p, k))) {
        n = next;
        p += k + 1;
        k = strcspn(p, ".");
    }
    uint32_t count = 0;
    for (uint32_t i = 0; n->kind == NODE_MAP && i < n->count && count < 256; i++)
        names[count++] = n->items[i]->key;
    const char *near = suggest_nearest(arena_copy_n(l->c->arena, p, k), names, count);
    if (near)
        diag_hint(l->d, "did you mean '${%.*s%s%s}'?", (int)(p - word), word, near,
                  p + k);
    else
        diag_hint(l->d,
                  "a reference is the path of a value, such as ${optimizer.lr}, or "
                  "${env:NAME:-default}");
}

/* A line for errors about n: where the text of this reference came from. */
static void add_via(struct loader *l, struct node *n, const char *word,
                    const char *value, const char *from) {
    n->via = arena_format(l->c->arena, "%s%s${%.100s} is '%.100s', %.300s",
                          n->via ? n->via : "", n->via ? "\n" : "", word, value, from);
}

static int from_environment(struct loader *l, struct node *n, const char *word,
                            struct text *out) {
    char name[200];
    const char *fallback = strstr(word + 4, ":-");
    size_t k = fallback ? (size_t)(fallback - word) - 4 : strlen(word) - 4;
    if (!k || k >= sizeof name)
        return node_error(l->d, n, false, RN_E_CONFIG,
                          "'${%.100s}' does not name a variable", word);
    memcpy(name, word + 4, k);
    name[k] = '\0';
    const char *value = getenv(name);
    if (!value && !fallback) {
        node_error(l->d, n, false, RN_E_CONFIG,
                   "the environment variable '%s' is not set", name);
        diag_hint(l->d, "set it, or give a default: ${env:%s:-...}", name);
        return RN_E_CONFIG;
    }
    bool set = value && *value;
    const char *text = set ? value : fallback ? fallback + 2 : "";
    text_add(out, text);
    add_via(l, n, word, text,
            arena_format(l->c->arena,
                         set ? "from the environment variable %s"
                             : "as the environment variable %s is not set or empty",
                         name));
    return RN_OK;
}

static int from_node(struct loader *l, struct node *n, const char *word,
                     struct text *out) {
    struct node *to = (struct node *)(uintptr_t)node_at(l->c->root, word);
    if (!to || !*word) {
        node_error(l->d, n, false, RN_E_CONFIG, "'${%s}' does not name a value", word);
        hint_reference(l, word);
        return RN_E_CONFIG;
    }
    if (to->kind != NODE_SCALAR)
        return node_error(l->d, n, false, RN_E_CONFIG,
                          "'${%s}' is a list or a map, not a single value", word);
    if (to->mark == 1)
        return node_error(l->d, n, false, RN_E_CONFIG, "'${%s}' refers to itself",
                          word);
    if (l->chain == 64)
        return node_error(l->d, n, false, RN_E_CONFIG,
                          "'${%s}' goes through more than 64 others", word);
    l->chain++;
    int status = fill_in(l, to);
    l->chain--;
    if (status != RN_OK)
        return status;
    text_add(out, to->raw);
    add_via(l, n, word, to->raw,
            arena_format(l->c->arena, "from %s", node_origin(l->c->arena, to)));
    if (to->via)
        n->via = arena_format(l->c->arena, "%s\n%.600s", n->via, to->via);
    return RN_OK;
}

static int fill_in(struct loader *l, struct node *n) {
    int status = n->named ? fill_in(l, n->named) : RN_OK;
    if (n->mark == 3)
        return RN_E_CONFIG;
    if (n->mark == 2)
        return RN_OK;
    if (l->filled > MOST_FILLED) {
        n->mark = 3;
        return RN_OK;
    }
    n->mark = 1;
    for (uint32_t i = 0; i < n->count; i++) {
        int one = fill_in(l, n->items[i]);
        status = status ? status : one;
    }
    if (n->kind == NODE_SCALAR && n->raw && strstr(n->raw, "${")) {
        struct text t = {0};
        for (const char *p = n->raw; *p && status == RN_OK;) {
            if (p[0] == '$' && p[1] == '$' && p[2] == '{') {
                text_add(&t, "${");
                p += 3;
            } else if (p[0] == '$' && p[1] == '{') {
                const char *end = strchr(p, '}');
                if (!end) {
                    status = node_error(l->d, n, false, RN_E_CONFIG, "'${' has no '}'");
                    break;
                }
                char *word = arena_copy_n(l->c->arena, p + 2, (size_t)(end - p - 2));
                if (strstr(word, "${")) {
                    status = node_error(l->d, n, false, RN_E_CONFIG,
                                        "a ${} inside another ${}");
                    break;
                }
                status = strncmp(word, "env:", 4) == 0
                             ? from_environment(l, n, word, &t)
                             : from_node(l, n, word, &t);
                p = end + 1;
            } else {
                text_add_n(&t, p++, 1);
            }
            if (t.length > 65536)
                status = node_error(l->d, n, false, RN_E_CONFIG,
                                    "the value would be longer than 64 KiB");
        }
        l->filled += t.length;
        if (l->filled > MOST_FILLED && status == RN_OK)
            status = node_error(l->d, n, false, RN_E_CONFIG,
                                "references make more than 4 MiB of text");
        n->raw = arena_copy(l->c->arena, text_get(&t));
        text_finish(&t);
    }
    n->mark = status && n->kind == NODE_SCALAR ? 3 : 2;
    return status;
}

/* Keys that start with x- are anchors' homes. */
static void drop_free_keys(struct node *n) {
    uint32_t k = 0;
    if (n->named)
        drop_free_keys(n->named);
    for (uint32_t i = 0; i < n->count; i++) {
        struct node *c = n->items[i];
        if (n->kind == NODE_MAP && strncmp(c->key, "x-", 2) == 0)
            continue;
        drop_free_keys(c);
        n->items[k++] = c;
    }
    n->count = k;
}

/* Aliases inside aliases nest deeper than any one text may, and each node keeps its
 * path: both are bounded before anything walks the whole tree. */
static bool shallow(struct loader *l, const struct node *n, uint32_t depth,
                    size_t path) {
    if (depth > 128 || path > 1000) {
        node_error(l->d, n, true, RN_E_CONFIG,
                   "this nests deeper than 128, or its path is longer than 1000 bytes");
        return false;
    }
    for (uint32_t i = 0; i < n->count; i++) {
        const struct node *c = n->items[i];
        if (!shallow(l, c, depth + 1, path + (c->key ? strlen(c->key) + 1 : 6)))
            return false;
    }
    return true;
}

static struct config *finish(struct loader *l, uint32_t n,
                             const char *const *overrides) {
    struct config *c = l->c;
    for (uint32_t i = 0; c->root && i < n; i++)
        apply(l, overrides[i], i + 1);
    if (!c->root || !shallow(l, c->root, 0, 0)) {
        config_destroy(c);
        return NULL;
    }
    tree_paths(c->arena, c->root, "");
    fill_in(l, c->root);
    drop_free_keys(c->root);
    tree_paths(c->arena, c->root, "");
    return c;
}

struct config *config_load(const char *file, uint32_t n, const char *const *overrides,
                           struct diag *d) {
    struct arena *a = arena_create();
    struct config *c = arena_new(a, struct config);
    struct loader l = {.c = c, .d = d};
    c->arena = a;
    c->root = load_file(&l, arena_copy(a, file), NULL);
    return finish(&l, n, overrides);
}

static struct config *from_text(const char *name, const char *yaml, bool is_default,
                                struct diag *d) {
    struct arena *a = arena_create();
    struct config *c = arena_new(a, struct config);
    struct loader l = {.c = c, .d = d};
    struct origin *from = arena_new(a, struct origin);
    c->arena = a;
    *from = (struct origin){.name = arena_copy(a, name),
                            .folder = "",
                            .text = arena_copy(a, yaml),
                            .length = strlen(yaml),
                            .is_default = is_default};
    c->source = from->text;
    c->root = tree_parse(a, from, &l.limits, d);
    return finish(&l, 0, NULL);
}

struct config *config_from_text(const char *name, const char *yaml, struct diag *d) {
    return from_text(name, yaml, false, d);
}

struct config *config_from_default(const char *key, const char *yaml, struct diag *d) {
    struct text name = {0};
    text_addf(&name, "default of `%s`", key);
    struct config *c = from_text(text_get(&name), yaml, true, d);
    text_finish(&name);
    return c;
}

void config_destroy(struct config *c) {
    if (!c)
        return;
    memory_release(c->series);
    arena_destroy(c->arena);
}

const struct node *config_root(const struct config *c) {
    return c->root;
}

uint32_t config_series_count(const struct config *c) {
    return c->series_count;
}

const struct node *config_series_at(const struct config *c, uint32_t i) {
    return c->series[i];
}

const char *config_source(const struct config *c) {
    return c->source ? c->source : "";
}

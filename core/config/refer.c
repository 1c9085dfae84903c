/* SPDX-License-Identifier: Apache-2.0 */
/* References: options whose value names a component of the experiment, or one of its
 * live options. They are found while the tree is checked and looked up when all of it
 * is known. */
#include <string.h>

#include "config/refer.h"

void refer_component(struct referrer *f, const char *kind, const struct node *n) {
    vec_push(f->parts, f->part_count, f->part_capacity, (struct named_part){kind, n});
}

void refer_live(struct referrer *f, const struct node *n) {
    vec_push(f->live, f->live_count, f->live_capacity, n->path);
}

void refer_ask(struct referrer *f, struct node *n, const char *kind) {
    vec_push(f->asked, f->asked_count, f->asked_capacity, (struct asked){n, kind});
}

/* By its path, by its name in a map or place in a list, or by its type. */
static bool names_part(const struct node *part, const char *word) {
    const struct node *type = tree_find(part, "type");
    const char *dot = strrchr(part->path, '.');
    return strcmp(part->path, word) == 0 || (dot && strcmp(dot + 1, word) == 0) ||
           (type && type->raw && strcmp(type->raw, word) == 0);
}

/* The nearest path, or the one whose last word is nearest. */
static const char *nearest(const char *word, const char *const *paths, uint32_t count) {
    const char *near = error_nearest(word, paths, count);
    const char **last = memory_get(memory_mul(count + 1, sizeof *last));
    for (uint32_t i = 0; i < count; i++) {
        const char *dot = strrchr(paths[i], '.');
        last[i] = dot ? dot + 1 : paths[i];
    }
    const char *word_near = near ? NULL : error_nearest(word, last, count);
    for (uint32_t i = 0; word_near && !near && i < count; i++)
        if (strcmp(last[i], word_near) == 0)
            near = paths[i];
    memory_release(last);
    return near;
}

static void nothing(struct node *n, const char *what, const char *const *names,
                    uint32_t count, struct diag *d) {
    struct text all = {0};
    for (uint32_t i = 0; i < count; i++)
        text_addf(&all, "%s%s", i ? ", " : "", names[i]);
    const char *near = nearest(n->raw, names, count);
    node_error(d, n, false, RN_E_CONFIG, "this experiment has no %s '%s'", what,
               n->raw);
    if (near)
        diag_hint(d, "did you mean '%s'? there are: %s", near, text_get(&all));
    else if (count)
        diag_hint(d, "there are: %s", text_get(&all));
    else
        diag_hint(d, "there are none");
    text_finish(&all);
}

static void find_live(const struct referrer *f, struct node *n, struct diag *d) {
    for (uint32_t i = 0; i < f->live_count; i++)
        if (strcmp(f->live[i], n->raw) == 0)
            return;
    if (!f->unknown)
        nothing(n, "live option", f->live, f->live_count, d);
}

static void find_part(const struct referrer *f, struct node *n, const char *kind,
                      struct diag *d) {
    const struct node *found = NULL;
    const char **names = memory_get(memory_mul(f->part_count + 1, sizeof *names));
    uint32_t count = 0;
    for (uint32_t i = 0; i < f->part_count; i++) {
        const struct node *part = f->parts[i].node;
        if (strcmp(f->parts[i].kind, kind) != 0)
            continue;
        names[count++] = part->path;
        if (!names_part(part, n->raw))
            continue;
        if (found) {
            node_error(d, n, false, RN_E_CONFIG, "'%s' names two: %s and %s", n->raw,
                       found->path, part->path);
            diag_hint(d, "write its whole path");
            memory_release(names);
            return;
        }
        found = part;
    }
    if (found)
        n->s = found->path;
    else
        nothing(n, kind, names, count, d);
    memory_release(names);
}

void refer_resolve(struct referrer *f, struct diag *d) {
    for (uint32_t i = 0; i < f->asked_count; i++) {
        if (strcmp(f->asked[i].kind, "live") == 0)
            find_live(f, f->asked[i].node, d);
        else
            find_part(f, f->asked[i].node, f->asked[i].kind, d);
    }
}

void refer_finish(struct referrer *f) {
    memory_release(f->parts);
    memory_release(f->live);
    memory_release(f->asked);
}

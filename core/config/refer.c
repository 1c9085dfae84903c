/* SPDX-License-Identifier: Apache-2.0 */
/* References: options whose value names a component of the experiment, or one of its
 * live options. They are found while the tree is checked and looked up when all of it
 * is known. */
#include <string.h>

#include "base/suggest.h"
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
static const char *nearest(const char *word, const struct suggest *paths) {
    struct suggest last = {0};
    const char *near = suggest_find(paths, word), *word_near = NULL;
    for (uint32_t i = 0; i < paths->count; i++) {
        const char *dot = strrchr(paths->names[i], '.');
        suggest_add(&last, dot ? dot + 1 : paths->names[i]);
    }
    if (!near)
        word_near = suggest_find(&last, word);
    for (uint32_t i = 0; word_near && !near && i < last.count; i++)
        if (strcmp(last.names[i], word_near) == 0)
            near = paths->names[i];
    suggest_finish(&last);
    return near;
}

static void nothing(struct node *n, const char *what, const struct suggest *names,
                    struct diag *d) {
    const char *near = nearest(n->raw, names);
    node_error(d, n, false, RN_E_CONFIG, "this experiment has no %s '%s'", what,
               n->raw);
    if (names->count) /* the nearest one is one of them: its own distance is 0 */
        diag_suggest(d, names, near ? near : n->raw, "there are");
    else
        diag_hint(d, "there are none");
}

static void find_live(const struct referrer *f, struct node *n, struct diag *d) {
    for (uint32_t i = 0; i < f->live_count; i++)
        if (strcmp(f->live[i], n->raw) == 0)
            return;
    struct suggest all = {0};
    for (uint32_t i = 0; i < f->live_count; i++)
        suggest_add(&all, f->live[i]);
    if (!f->unknown)
        nothing(n, "live option", &all, d);
    suggest_finish(&all);
}

static void find_part(const struct referrer *f, struct node *n, const char *kind,
                      struct diag *d) {
    const struct node *found = NULL;
    struct suggest names = {0};
    for (uint32_t i = 0; i < f->part_count; i++) {
        const struct node *part = f->parts[i].node;
        if (strcmp(f->parts[i].kind, kind) != 0)
            continue;
        suggest_add(&names, part->path);
        if (!names_part(part, n->raw))
            continue;
        if (found) {
            node_error(d, n, false, RN_E_CONFIG, "'%s' names two: %s and %s", n->raw,
                       found->path, part->path);
            diag_hint(d, "write its whole path");
            suggest_finish(&names);
            return;
        }
        found = part;
    }
    if (found)
        n->s = found->path;
    else
        nothing(n, kind, &names, d);
    suggest_finish(&names);
}

void refer_resolve(struct referrer *f, struct config *c, struct diag *d) {
    for (uint32_t i = 0; i < f->asked_count; i++) {
        struct node *n = f->asked[i].node;
        if (strcmp(f->asked[i].kind, "live") == 0)
            find_live(f, n, d);
        else if (strcmp(f->asked[i].kind, "series") == 0)
            vec_push(c->series, c->series_count, c->series_capacity,
                     (const struct node *)n);
        else
            find_part(f, n, f->asked[i].kind, d);
    }
}

void refer_finish(struct referrer *f) {
    memory_release(f->parts);
    memory_release(f->live);
    memory_release(f->asked);
}

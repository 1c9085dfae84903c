/* SPDX-License-Identifier: Apache-2.0 */
/* The nearest name, and the names that there are. */
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"

enum { LONG = 1000 /* bytes of a list in a diagnostic */ };

/* Levenshtein distance with transposition of neighbours, for words up to 63 letters. */
static size_t distance(const char *a, size_t n, const char *b, size_t m) {
    size_t row[3][64];
    for (size_t j = 0; j <= m; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t cost = a[i - 1] != b[j - 1];
            size_t best = up[j - 1] + cost;
            if (up[j] + 1 < best)
                best = up[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                up2[j - 2] + 1 < best)
                best = up2[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[n % 3][m];
}

const char *suggest_nearest(const char *word, const char *const *names, size_t n) {
    const char *best = NULL;
    size_t len = strlen(word), best_d = 1 + len / 3 + 1;
    if (len > 63)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t m = strlen(names[i]);
        if (m > 63)
            continue;
        size_t d = distance(word, len, names[i], m);
        if (d < best_d) {
            best_d = d;
            best = names[i];
        }
    }
    return best;
}

void suggest_add(struct suggest *s, const char *name) {
    vec_push(s->names, s->count, s->capacity, name);
}

void suggest_finish(struct suggest *s) {
    memory_release(s->names);
    memset(s, 0, sizeof *s);
}

const char *suggest_find(const struct suggest *s, const char *word) {
    return suggest_nearest(word, s->names, s->count);
}

void suggest_list(const struct suggest *s, size_t max_length, struct text *out) {
    size_t began = out->length;
    for (uint32_t i = 0; i < s->count; i++) {
        bool full = out->length - began + strlen(s->names[i]) > max_length;
        text_addf(out, "%s%s", i ? ", " : "", full ? "..." : s->names[i]);
        if (full)
            return;
    }
}

static void add(const struct suggest *s, const char *word, const char *head,
                size_t max_length, struct text *out) {
    const char *near = suggest_find(s, word);
    if (near)
        text_addf(out, "did you mean '%s'?", near);
    if (!head || !s->count)
        return;
    text_addf(out, "%s%s: ", near ? " " : "", head);
    suggest_list(s, max_length, out);
}

void suggest_text(const struct suggest *s, const char *word, const char *head,
                  struct text *out) {
    add(s, word, head, LONG, out);
}

int suggest_hint(const struct suggest *s, const char *word, const char *head,
                 struct rn_error *e) {
    struct text hint = {0};
    if (!e)
        return 0;
    add(s, word, head, sizeof e->hint / 2, &hint);
    if (hint.length)
        error_hint(e, "%s", text_get(&hint));
    text_finish(&hint);
    return e->status;
}

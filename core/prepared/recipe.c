/* SPDX-License-Identifier: Apache-2.0 */
/* What decides the samples, as text that can be compared. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "prepared/prepared.h"

static const char *const parts[] = {"source", "train",        "val",       "test",
                                    "split",  "drop_missing", "transforms"};

/* Bytes of a quoted scalar, from behind its first quote, that needs no quotes; 0: it
 * does. */
static size_t plain(const char *s, size_t n) {
    size_t k =
        strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                  "/._-");
    return k && k < n && s[k] == '"' ? k : 0;
}

/* `line` with each "<folder>/" left out, and the quotes that only the folder needed. */
static void add_relative(struct text *out, const char *line, size_t n,
                         const char *folder) {
    size_t length = strlen(folder);
    for (size_t i = 0; i < n;) {
        if (length && n - i > length && strncmp(line + i, folder, length) == 0 &&
            line[i + length] == '/') {
            size_t k = i && line[i - 1] == '"'
                           ? plain(line + i + length + 1, n - i - length - 1)
                           : 0;
            i += length + 1;
            if (k) {
                out->s[--out->length] = '\0';
                text_add_n(out, line + i, k);
                i += k + 1;
            }
            continue;
        }
        text_add_n(out, line + i++, 1);
    }
}

void prepared_recipe(const struct node *data, const char *folder, uint64_t seed,
                     struct text *out) {
    const struct node *split = node_find(data, "split");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const struct node *n = node_find(data, parts[i]);
        struct text t = {0};
        if (!n)
            continue;
        config_print_node(n, &t);
        text_addf(out, "%s:\n", parts[i]);
        for (const char *at = text_get(&t); *at;) {
            size_t line = strcspn(at, "\n");
            text_add(out, "  ");
            add_relative(out, at, line, folder);
            text_add(out, "\n");
            at += line + (at[line] == '\n');
        }
        text_finish(&t);
    }
    if (split && !node_find(split, "seed"))
        text_addf(out, "seed: %llu\n", (unsigned long long)seed);
}

int prepared_same_recipe(const struct prepared_file *f, const char *recipe,
                         struct rn_error *e) {
    const char *then = f->recipe, *now = recipe;
    while (*then || *now) {
        size_t n = strcspn(then, "\n"), m = strcspn(now, "\n");
        if (n != m || strncmp(then, now, n) != 0) {
            while (*then == ' ')
                then++, n--;
            while (*now == ' ')
                now++, m--;
            error_set(
                e, RN_E_DATA,
                "%s was prepared by another recipe: it has `%.*s`, the experiment "
                "`%.*s`",
                f->data.file, (int)(n < 120 ? n : 120), then, (int)(m < 120 ? m : 120),
                now);
            return error_hint(e, "runner prepare writes it again for this experiment");
        }
        then += n + (then[n] == '\n');
        now += m + (now[m] == '\n');
    }
    return RN_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What decides the samples, as text that can be compared. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "prepared/prepared.h"

static const char *const parts[] = {"source", "train", "val",
                                    "test",   "split", "transforms"};

/* `line` with each "<folder>/" left out. */
static void add_relative(struct text *out, const char *line, size_t n,
                         const char *folder) {
    size_t length = strlen(folder);
    for (size_t i = 0; i < n;) {
        if (length && n - i > length && strncmp(line + i, folder, length) == 0 &&
            line[i + length] == '/') {
            i += length + 1;
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

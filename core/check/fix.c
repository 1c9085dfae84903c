/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of YAML that findings offer. Each is an override: it works on the command
 * line as it is printed, and only those are printed that the experiment is valid with.
 */
#include <string.h>

#include "check/check.h"

#define TRIED_MAX 200u /* findings whose fixes are tried */
#define NAMED_MAX 40u  /* columns in a list of them */

const char *fix_name(struct check *c, const char *name) {
    const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    const char *more =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789-";
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on",
                                        "off",  "y",    "n",     "nan", "inf"};
    bool quote = !*name || !strchr(plain, *name) || name[strspn(name, more)];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        quote |= strcmp(name, words[i]) == 0 && strlen(name) > 1;
    if (!quote)
        return name;
    struct text t = {0};
    text_add(&t, "\"");
    for (; *name; name++)
        if (*name == '"' || *name == '\\')
            text_addf(&t, "\\%c", *name);
        else if ((unsigned char)*name < 0x20)
            text_addf(&t, "\\x%02x", (unsigned char)*name);
        else
            text_addf(&t, "%c", *name);
    text_add(&t, "\"");
    char *out = arena_copy(c->arena, text_get(&t));
    text_finish(&t);
    return out;
}

const char *fix_source(const struct check *c) {
    return node_at(c->x->root, "data.source") ? "data.source" : "data.train";
}

/* The other columns of its field, as a list. */
static void add_others(struct check *c, const struct profile_column *column,
                       struct text *out) {
    uint32_t n = 0;
    text_add(out, "[");
    for (uint32_t i = 0; i < c->profile->count; i++) {
        const struct profile_column *k = &c->profile->columns[i];
        if (k->raw == column->raw && k != column)
            text_addf(out, "%s%s", n++ ? ", " : "", fix_name(c, k->name));
    }
    text_add(out, "]");
}

void fix_drop(struct check *c, struct finding *f, const struct profile_column *column) {
    uint32_t same = 0;
    if (strcmp(column->name, column->field) == 0 && !c->prepares)
        return; /* the source names it, and would have to name it no more */
    for (uint32_t i = 0; i < c->profile->count; i++)
        same += c->profile->columns[i].raw == column->raw;
    finding_fix(&c->findings, f, "%s.drop+=%s", fix_source(c),
                fix_name(c, column->name));
    if (same < 2 || same > NAMED_MAX || strchr(column->name, '['))
        return;
    struct text others = {0};
    add_others(c, column, &others);
    finding_fix(&c->findings, f, "%s.features=%s", fix_source(c), text_get(&others));
    text_finish(&others);
}

void fix_transform(struct check *c, struct finding *f, const char *type,
                   const struct profile_column *column, const char *options) {
    if (!c->prepares) /* which excludes data.transforms */
        finding_fix(&c->findings, f, "data.transforms+={type: %s, of: %s%s}", type,
                    fix_name(c, column->field), options);
}

void fix_split(struct check *c, struct finding *f, const char *keys) {
    struct text t = {0};
    static const char *const kept[] = {"val", "test", "seed", "folds", "fold", "group"};
    const struct node *split = node_at(c->x->root, "data.split");
    bool ordered = strstr(keys, "position") != NULL;
    text_addf(&t, "data.split={%s", keys);
    for (size_t i = 0; split && i < sizeof kept / sizeof *kept; i++) {
        const struct node *n = node_find(split, kept[i]);
        if (!n || (ordered && strcmp(kept[i], "group") == 0))
            continue;
        if (node_kind(n) == NODE_LIST && node_count(n) == 1)
            n = node_item(n, 0);
        if (node_kind(n) == NODE_SCALAR)
            text_addf(&t, ", %s: %s", kept[i], node_raw(n));
    }
    text_add(&t, "}");
    if (split)
        finding_fix(&c->findings, f, "%s", text_get(&t));
    text_finish(&t);
}

static bool accepted(const struct check *c, const char *fix) {
    uint32_t n = c->o.override_count;
    const char **all = memory_get(memory_mul(n + 2, sizeof *all));
    for (uint32_t i = 0; i < n; i++)
        all[i] = c->o.overrides[i];
    all[n] = fix;
    struct diag *d = diag_create();
    struct config *x = experiment_read(c->o.session, c->o.file, n + 1, all, NULL, d);
    bool good = x && !diag_count(d);
    config_destroy(x);
    diag_destroy(d);
    memory_release(all);
    return good;
}

void fix_choose(struct check *c) {
    for (uint32_t i = 0; i < c->findings.count && i < TRIED_MAX; i++) {
        struct finding *f = &c->findings.at[i];
        for (uint32_t k = 0; k < f->fix_count && !f->fix; k++)
            if (accepted(c, f->fixes[k]))
                f->fix = f->fixes[k];
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* data.contract: rules that columns keep, and a block of them from the present data. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "check/check.h"

/* A broken rule of a column. */
static void broken(struct check *k, const struct profile_column *c, uint64_t n,
                   const char *rule, const char *found) {
    struct finding *f =
        finding_add(&k->findings, FINDING_CONTRACT, c->name, n ? (double)n : 1, NAN);
    f->n = n;
    finding_reason(&k->findings, f, "%s, but %s", rule, found);
}

static void check_range(struct check *k, const struct profile_column *c,
                        const struct node *rules) {
    const struct summary *s = &c->of[PROFILE_ALL];
    const struct node *min = node_find(rules, "min"), *max = node_find(rules, "max");
    if (c->kind == COLUMN_TEXT || !s->m.n)
        return;
    if (min && s->min < node_float(min))
        broken(k, c, 1, arena_format(k->arena, "min: %s", node_raw(min)),
               arena_format(k->arena, "there is %.15g", s->min));
    if (max && s->max > node_float(max))
        broken(k, c, 1, arena_format(k->arena, "max: %s", node_raw(max)),
               arena_format(k->arena, "there is %.15g", s->max));
}

static void check_gaps(struct check *k, const struct profile_column *c,
                       const struct node *rules) {
    const struct summary *s = &c->of[PROFILE_ALL];
    const struct node *most = node_find(rules, "missing");
    double share = s->rows ? (double)s->missing / (double)s->rows : 0;
    if (most && share > node_float(most))
        broken(k, c, s->missing, arena_format(k->arena, "missing: %s", node_raw(most)),
               arena_format(k->arena, "%.4g of the rows are", share));
}

static const char *type_of(const struct profile_column *c) {
    const struct summary *s = &c->of[PROFILE_ALL];
    if (c->kind == COLUMN_TEXT || c->kind == COLUMN_LENGTH)
        return "text";
    return s->whole == s->m.n && s->m.n ? "integer" : "number";
}

static void check_type(struct check *k, const struct profile_column *c,
                       const struct node *rules) {
    const struct node *type = node_find(rules, "type");
    const char *is = type_of(c);
    if (!type || strcmp(node_string(type), is) == 0 ||
        (strcmp(node_string(type), "number") == 0 && strcmp(is, "integer") == 0))
        return;
    broken(k, c, c->of[PROFILE_ALL].rows,
           arena_format(k->arena, "type: %s", node_raw(type)),
           arena_format(k->arena, "it is %s", is));
}

static bool listed(const struct node *list, const char *text, double value) {
    for (uint32_t i = 0; i < node_count(list); i++) {
        const char *raw = node_raw(node_item(list, i));
        char *end;
        if (text ? strcmp(raw, text) == 0
                 : (strtod(raw, &end) == value && end != raw && !*end))
            return true;
    }
    return false;
}

/* Categories, or the values of a number that has few. */
static void check_values(struct check *k, const struct profile_column *c,
                         const struct node *rules) {
    const struct node *in = node_find(rules, "in");
    if (!in || node_kind(in) != NODE_LIST)
        return;
    for (uint32_t i = 0; i < c->category_count; i++)
        if (!listed(in, c->categories[i].text, 0)) {
            broken(k, c, 1, "in: a list",
                   arena_format(k->arena, "\"%s\" is not in it (row %llu)",
                                c->categories[i].text,
                                (unsigned long long)profile_file_row(
                                    k->profile, c->categories[i].first)));
            return;
        }
    if (c->kind == COLUMN_TEXT)
        return;
    for (uint32_t i = 0; i < c->top_count; i++)
        if (!listed(in, NULL, c->top[i].value)) {
            broken(k, c, c->top[i].count, "in: a list",
                   arena_format(k->arena, "%.15g is not in it", c->top[i].value));
            return;
        }
    if (c->distinct > c->top_count && c->distinct > node_count(in))
        broken(k, c, 1, "in: a list",
               arena_format(k->arena, "there are %llu different values",
                            (unsigned long long)c->distinct));
}

static void check_unique(struct check *k, const struct profile_column *c,
                         const struct node *rules) {
    const struct node *unique = node_find(rules, "unique");
    const struct summary *s = &c->of[PROFILE_ALL];
    uint64_t known = s->rows - s->missing;
    if (unique && node_bool(unique) && c->distinct < known)
        broken(k, c, known - c->distinct, "unique: true",
               arena_format(k->arena, "%llu values are there before",
                            (unsigned long long)(known - c->distinct)));
}

static void unknown_column(struct check *k, const struct node *rules, const char *name,
                           struct diag *d) {
    struct suggest all = {0};
    for (uint32_t i = 0; i < k->profile->count; i++)
        suggest_add(&all, k->profile->columns[i].name);
    node_error(d, rules, true, RN_E_DATA, "the data have no column '%s'", name);
    diag_suggest(d, &all, name, "there are");
    suggest_finish(&all);
}

void check_contract(struct check *k, struct diag *d) {
    const struct node *all = node_at(k->x->root, "data.contract");
    if (!all || node_kind(all) != NODE_MAP) {
        finding_skip(&k->findings, FINDING_CONTRACT, "no data.contract");
        return;
    }
    finding_looked(&k->findings, FINDING_CONTRACT);
    for (uint32_t i = 0; i < node_count(all); i++) {
        const struct node *rules = node_item(all, i);
        const struct profile_column *c = profile_find(k->profile, node_key(all, i));
        if (!c) {
            unknown_column(k, rules, node_key(all, i), d);
            continue;
        }
        check_type(k, c, rules);
        check_range(k, c, rules);
        check_gaps(k, c, rules);
        check_values(k, c, rules);
        check_unique(k, c, rules);
    }
}

/* ------------------------------------------------------------------- writing */

#define IN_MOST 20u /* values of a list */

/* Wider than what was seen: by 4 standard deviations, on the other side of 0 only if it
 * is there already. */
static void write_range(const struct profile_column *c, struct text *out) {
    const struct summary *s = &c->of[PROFILE_ALL];
    double sd = moments_sd(&s->m);
    double low = s->min - 4 * sd, high = s->max + 4 * sd;
    if (s->min >= 0 && low < 0)
        low = 0;
    if (s->max <= 0 && high > 0)
        high = 0;
    if (s->m.n > 1)
        text_addf(out, ", min: %.4g, max: %.4g", low, high);
}

static void write_values(struct check *k, const struct profile_column *c,
                         struct text *out) {
    text_add(out, ", in: [");
    for (uint32_t i = 0; i < c->category_count; i++)
        text_addf(out, "%s%s", i ? ", " : "", fix_name(k, c->categories[i].text));
    text_add(out, "]");
}

void check_write_contract(const struct check *check, struct text *out) {
    struct check *k = (struct check *)(uintptr_t)check; /* names go to its arena */
    const struct profile *p = k->profile;
    text_add(out, "data:\n  contract:\n");
    for (uint32_t i = 0; p && i < p->count; i++) {
        const struct profile_column *c = &p->columns[i];
        const struct summary *s = &c->of[PROFILE_ALL];
        if (c->kind == COLUMN_TENSOR)
            continue;
        text_addf(out, "    %s: {type: %s", fix_name(k, c->name), type_of(c));
        if (c->kind == COLUMN_TEXT && c->category_count <= IN_MOST)
            write_values(k, c, out);
        else if (c->kind == COLUMN_NUMBER)
            write_range(c, out);
        double share = s->rows ? (double)s->missing / (double)s->rows : 0;
        /* As many again, and the upper end of Wilson's interval of none. */
        text_addf(out, ", missing: %.3g}\n",
                  s->missing ? fmin(1, 2 * wilson_high(share, (double)s->rows, 1.96))
                             : 0);
    }
}

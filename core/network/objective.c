/* SPDX-License-Identifier: Apache-2.0 */
/* What a program of the step minimises and updates, from names and patterns: every word
 * of them must mean something. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"
#include "base/suggest.h"
#include "network/programs.h"

static bool list_has(const struct node *list, const char *text) {
    if (node_kind(list) == NODE_SCALAR)
        return pattern_match(node_string(list), text);
    for (uint32_t i = 0; i < node_count(list); i++)
        if (pattern_match(node_string(node_item(list, i)), text))
            return true;
    return false;
}

/* A pattern of `update` or `freeze` may name a model ("model.generator") for all below.
 */
static bool list_covers(const struct node *list, const char *variable) {
    if (node_kind(list) == NODE_SCALAR)
        return pattern_covers(node_string(list), variable);
    for (uint32_t i = 0; i < node_count(list); i++)
        if (pattern_covers(node_string(node_item(list, i)), variable))
            return true;
    return false;
}

bool variable_matches(const struct node *match, const struct variable *v) {
    if (node_kind(match) == NODE_SCALAR)
        return strcmp(node_raw(match), "rest") == 0 ||
               pattern_match(node_raw(match), v->name);
    for (uint32_t i = 0; i < node_count(match); i++) {
        const char *key = node_key(match, i), *want = node_raw(node_item(match, i));
        bool yes = false;
        if (strcmp(key, "role") == 0)
            yes = pattern_match(want, v->role);
        else if (strcmp(key, "rank") == 0)
            yes = (uint32_t)atoi(want) == v->rank;
        else if (strcmp(key, "name") == 0)
            yes = pattern_match(want, v->name);
        if (!yes)
            return false;
    }
    return true;
}

/* No match: all. */
static bool group_takes(const struct bound_component *o, const struct variable *v) {
    const struct node *match = node_find(o->node, "match");
    return !match || variable_matches(match, v);
}

/* Every word of a list must mean something: the first that matches none of the names.
 */
static const struct node *unused_word(const struct node *list, uint32_t n,
                                      const char *const *names, bool covers) {
    uint32_t count = node_kind(list) == NODE_SCALAR ? 1 : node_count(list);
    for (uint32_t i = 0; i < count; i++) {
        const struct node *word =
            node_kind(list) == NODE_SCALAR ? list : node_item(list, i);
        bool used = false;
        for (uint32_t k = 0; k < n && !used; k++)
            used = covers ? list_covers(word, names[k]) : list_has(word, names[k]);
        if (!used)
            return word;
    }
    return NULL;
}

/* "there is no WHAT 'word'", the nearest name, and some of the names. */
static int no_such(struct diag *d, const struct node *at, const char *what,
                   const char *word, uint32_t n, const char *const *names) {
    struct suggest all = {0};
    for (uint32_t i = 0; i < n; i++)
        suggest_add(&all, names[i]);
    node_error(d, at, false, RN_E_CONFIG, "no %s matches '%s'", what, word);
    diag_suggest(d, &all, word, "there are");
    suggest_finish(&all);
    return RN_E_CONFIG;
}

/* Losses or optimizers by the words of a program: indices, all without words. */
static int pick(const struct programs *p, const struct node *list,
                const struct bound_components *parts, const char *what,
                const char *none, uint32_t *out, uint32_t *count, struct diag *d) {
    const char **names =
        arena_array(p->arena, const char *, 2 * (size_t)parts->count + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < parts->count; i++) {
        if (*parts->at[i].name)
            names[n++] = parts->at[i].name;
        names[n++] = parts->at[i].path;
        if (!list || list_has(list, parts->at[i].name) ||
            list_has(list, parts->at[i].path))
            out[(*count)++] = i;
    }
    if (!parts->count) {
        node_error(d, p->experiment->root, false, RN_E_CONFIG, "there is no %s: %s",
                   what, none);
        diag_hint(d, "`runner plugin list %s` shows what there is", what);
        return RN_E_CONFIG;
    }
    const struct node *unused = list ? unused_word(list, n, names, false) : NULL;
    return unused ? no_such(d, unused, what, node_string(unused), n, names) : RN_OK;
}

int objective_read(struct programs *p, const struct node *n, struct objective *o,
                   struct diag *d) {
    struct experiment *x = p->experiment;
    const struct node *every = n ? node_find(n, "every") : NULL;
    o->node = n;
    o->losses = arena_array(p->arena, uint32_t, x->losses.count + 1);
    o->optimizers = arena_array(p->arena, uint32_t, x->optimizers.count + 1);
    o->update = n ? node_find(n, "update") : NULL;
    o->every = every ? node_int(every) : 1;
    int status = pick(p, n ? node_find(n, "minimize") : NULL, &x->losses, "loss",
                      "nothing to minimise", o->losses, &o->loss_count, d);
    int other =
        pick(p, n ? node_find(n, "optimizer") : NULL, &x->optimizers, "optimizer",
             "nothing would be learnt", o->optimizers, &o->optimizer_count, d);
    for (const struct objective *before = p->objectives; before < o; before++)
        if (strcmp(before->name, o->name) == 0)
            other = node_error(d, node_find(n, "name"), false, RN_E_CONFIG,
                               "two programs are called '%s'", o->name);
    return status ? status : other;
}

/* A pattern as it was written, for an error. */
static const char *match_text(struct arena *a, const struct node *match) {
    struct text t = {0};
    if (node_kind(match) == NODE_SCALAR)
        return node_raw(match);
    for (uint32_t i = 0; i < node_count(match); i++)
        text_addf(&t, "%s%s: %s", i ? ", " : "", node_key(match, i),
                  node_raw(node_item(match, i)));
    const char *copy = arena_copy(a, text_get(&t));
    text_finish(&t);
    return copy;
}

/* What a pattern may name: parameters that are trained, with role and rank. */
static int no_match(const struct programs *p, const struct node *match,
                    struct diag *d) {
    uint32_t n = variables_count(p->variables), count = 0;
    const char **names = arena_array(p->arena, const char *, n + 1);
    bool by_name = node_kind(match) == NODE_SCALAR;
    for (uint32_t i = 0; i < n; i++) {
        const struct variable *v = variables_at(p->variables, i);
        if (v->trainable)
            names[count++] = by_name ? v->name
                                     : arena_format(p->arena, "%s (role %s, rank %u)",
                                                    v->name, v->role, v->rank);
    }
    return no_such(d, match, "parameter", match_text(p->arena, match), count, names);
}

int match_check(const struct programs *p, const struct node *match, struct diag *d) {
    for (uint32_t i = 0; i < variables_count(p->variables); i++) {
        const struct variable *v = variables_at(p->variables, i);
        if (v->trainable && variable_matches(match, v))
            return RN_OK;
    }
    return no_match(p, match, d);
}

/* Every group of the objective has a parameter. */
static int check_groups(struct programs *p, struct objective *o, const uint32_t *taken,
                        struct diag *d) {
    struct experiment *x = p->experiment;
    int status = RN_OK;
    for (uint32_t k = 0; k < o->optimizer_count; k++) {
        const struct bound_component *part = &x->optimizers.at[o->optimizers[k]];
        const struct node *match = node_find(part->node, "match");
        if (taken[o->optimizers[k]])
            continue;
        int one = match ? match_check(p, match, d) : RN_OK;
        if (one == RN_OK)
            one =
                node_error(d, match ? match : part->node, false, RN_E_CONFIG,
                           "no parameter is left for the optimizer group '%s': earlier "
                           "groups take all that it matches",
                           part->path);
        status = status ? status : one;
    }
    return status;
}

int objective_bind(struct programs *p, struct objective *o, struct diag *d) {
    struct experiment *x = p->experiment;
    const struct node *freeze = node_at(x->root, "train.freeze");
    uint32_t n = variables_count(p->variables), *taken, trainable = 0;
    const char **names = arena_array(p->arena, const char *, n + 1);
    taken = arena_array(p->arena, uint32_t, x->optimizers.count + 1);
    o->parameters = arena_array(p->arena, struct parameter, n + 1);
    for (uint32_t id = 0; id < n; id++) {
        const struct variable *v = variables_at(p->variables, id);
        if (v->trainable)
            names[trainable++] = v->name;
        if (!v->trainable || (o->update && !list_covers(o->update, v->name)) ||
            (freeze && list_covers(freeze, v->name)))
            continue;
        uint32_t k = 0;
        while (k < o->optimizer_count &&
               !group_takes(&x->optimizers.at[o->optimizers[k]], v))
            k++;
        if (k == o->optimizer_count) {
            node_error(d, x->optimizers.at[o->optimizers[0]].node, false, RN_E_CONFIG,
                       "no optimizer group takes the parameter '%s' (role %s, rank %u)",
                       v->name, v->role, v->rank);
            diag_hint(
                d, "add a group with `match: rest`, or freeze it under train.freeze");
            return RN_E_CONFIG;
        }
        taken[o->optimizers[k]]++;
        o->parameters[o->parameter_count++] =
            (struct parameter){id, o->optimizers[k], UINT32_MAX};
    }
    if (!trainable)
        return node_error(d, node_find(x->root, "model"), false, RN_E_CONFIG,
                          "the model has no parameters: there is nothing to train");
    const struct node *lists[] = {freeze, o->update};
    for (int i = 0; i < 2; i++) {
        const struct node *word =
            lists[i] ? unused_word(lists[i], trainable, names, true) : NULL;
        if (word)
            return no_such(d, word, "parameter", node_string(word), trainable, names);
    }
    if (!o->parameter_count)
        return node_error(d, freeze ? freeze : o->update, false, RN_E_CONFIG,
                          "all parameters are frozen: there is nothing to train");
    return check_groups(p, o, taken, d);
}

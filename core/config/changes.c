/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between two checked trees of an experiment. */
#include <string.h>

#include "config/changes.h"
#include "config/tree.h"

static bool absent(const struct node *n) {
    return !n || n->kind == NODE_NULL;
}

bool config_same_text(const struct node *a, const struct node *b) {
    struct text x = {0}, y = {0};
    config_print_node(a, &x);
    config_print_node(b, &y);
    bool same = strcmp(text_get(&x), text_get(&y)) == 0;
    text_finish(&x);
    text_finish(&y);
    return same;
}

static bool same_scalar(const struct node *a, const struct node *b) {
    if (a->type == b->type && (a->type == VALUE_INT || a->type == VALUE_FLOAT))
        return a->type == VALUE_INT ? a->i == b->i : a->f == b->f;
    return config_same_text(a, b);
}

static void each_item(const struct node *before, const struct node *after,
                      config_change change, void *context) {
    const struct node *some = absent(after) ? before : after;
    for (uint32_t i = 0; i < some->count; i++) {
        const struct node *item = some->items[i];
        bool map = some->kind == NODE_MAP;
        const struct node *was = absent(before) ? NULL
                                 : map          ? node_find(before, item->key)
                                                : node_item(before, i);
        const struct node *is = absent(after) ? NULL : item;
        config_changes(was, is, change, context);
    }
    if (absent(before) || absent(after) || some->kind != NODE_MAP)
        return;
    for (uint32_t i = 0; i < before->count; i++) /* keys that were removed */
        if (!node_find(after, before->items[i]->key))
            config_changes(before->items[i], NULL, change, context);
}

void config_changes(const struct node *before, const struct node *after,
                    config_change change, void *context) {
    if (absent(before) && absent(after))
        return;
    const struct node *some = absent(after) ? before : after;
    bool maps = some->kind == NODE_MAP &&
                (absent(before) || absent(after) || before->kind == after->kind);
    bool lists = !absent(before) && !absent(after) && before->kind == NODE_LIST &&
                 after->kind == NODE_LIST && before->count == after->count;
    if ((maps || lists) && some->count) {
        each_item(before, after, change, context);
        return;
    }
    if (!absent(before) && !absent(after) && before->kind == after->kind &&
        (some->kind == NODE_SCALAR ? same_scalar(before, after)
                                   : config_same_text(before, after)))
        return;
    change(context, before, after);
}

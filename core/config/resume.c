/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between two trees of an experiment, and whether that may differ when a
 * run is resumed. */
#include <string.h>

#include "config/resume.h"
#include "config/tree.h"

/* ---------------------------------------------------------------- differences */

static bool absent(const struct node *n) {
    return !n || n->kind == NODE_NULL;
}

static bool same_text(const struct node *a, const struct node *b) {
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
    return same_text(a, b);
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
    for (uint32_t i = 0; i < before->count; i++) /* what is no longer there */
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
                                   : same_text(before, after)))
        return;
    change(context, before, after);
}

/* --------------------------------------------------------------------- rules */

static const struct resume_rule rules[] = {
    {"name", false, "the folder of the run has it"},
    {"seed", false,
     "the order of samples, augmentation and dropout are functions of it"},
    {"device", true, "the run goes on there"},
    {"precision", true, "of all steps from here on; variables are f32 in any case"},
    {"data.source", true,
     "its files may have moved; other content, fields or order are refused"},
    {"data.train", true, "as data.source"},
    {"data.val", true, "as data.source"},
    {"data.test", true, "as data.source"},
    {"data.split.kind", false, "the run keeps the split that it began with"},
    {"data.split.by", false, "the run keeps the split that it began with"},
    {"data.split.val", false, "the run keeps the split that it began with"},
    {"data.split.test", false, "the run keeps the split that it began with"},
    {"data.split.seed", false, "the run keeps the split that it began with"},
    {"data.split.gap", false, "the run keeps the split that it began with"},
    {"data.split.path", false, "the run keeps the split that it began with"},
    {"data.transforms", false, "the run keeps the transforms that were fitted for it"},
    {"data.batch", false, "the position of the run is counted in steps of it"},
    {"data.eval_batch", true, "of evaluations from here on"},
    {"data.workers", true, "batches are the same for any number"},
    {"data.resident", true, "batches are the same either way"},
    {"data.cache", true, "batches are the same for any size"},
    {"augment", true, "of training samples from here on"},
    {"model", true, "while every parameter keeps its name, type and shape"},
    {"init", false, "first values were drawn when the run began"},
    {"loss", true, "from here on; monitors of val/loss begin again"},
    {"metrics", true,
     "from here on; monitors of a metric that is configured in another way begin "
     "again"},
    {"optimizer", true,
     "options from here on; type, groups and what it keeps must stay"},
    {"schedule", true,
     "from here on; a schedule that was there keeps its state, also at another place"},
    {"hooks", true,
     "from here on; a hook that was there keeps its state, also at another place"},
    {"train.epochs", true, "no less than the run has done"},
    {"train.steps", true, "no less than the run has done"},
    {"train.max_time", true, "counted again from each start"},
    {"train.accumulate", false, "the position of the run is counted in steps of it"},
    {"train.eval_every", true, "from here on"},
    {"train.log_every", true, "from here on"},
    {"train.programs.name", false, "counters and means of the run have it"},
    {"train.programs.minimize", true, "from here on"},
    {"train.programs.update", true, "while no optimizer state is missing"},
    {"train.programs.optimizer", true, "while no optimizer state is missing"},
    {"train.programs.every", true, "from here on"},
    {"train.freeze", true,
     "from here on; what was frozen has no optimizer state and stays frozen"},
    {"train.clip.norm", true, "from here on"},
    {"train.clip.value", true, "from here on"},
    {"train.lookahead.every", true, "from here on, in a run that began with lookahead"},
    {"train.lookahead.decay", true, "from here on, in a run that began with lookahead"},
    {"train.lookahead.ramp", true, "from here on, in a run that began with lookahead"},
    {"train.loss_scale.type", true, "from here on"},
    {"train.loss_scale.initial", true,
     "used where the run has no scale yet, as after a change from f32"},
    {"train.loss_scale.growth", true, "from here on"},
    {"train.loss_scale.backoff", true, "from here on"},
    {"train.loss_scale.interval", true, "from here on"},
    {"train.loss_scale.least", true, "from here on"},
    {"train.loss_scale.scale", true, "from here on"},
    {"train.on_nan", true, "from here on"},
    {"train.early_stop.monitor", true, "its best value and its count begin again"},
    {"train.early_stop.patience", true, "evaluations without gain are still counted"},
    {"train.early_stop.min_delta", true, "its best value and its count begin again"},
    {"train.test", true, "whether the test split is read at the end"},
    {"checkpoint.every", true, "from here on"},
    {"checkpoint.keep", true, "from the next checkpoint on"},
    {"checkpoint.best.monitor", true,
     "the best is chosen from evaluations from here on"},
    {"plugins", true, "more files may be named"},
    {"output", false, "the folder of the run is there already"},
};

uint32_t resume_rule_count(void) {
    return sizeof rules / sizeof *rules;
}

const struct resume_rule *resume_rule_at(uint32_t i) {
    return &rules[i];
}

/* Without the places in lists: "train.programs.0.every" -> "train.programs.every". */
static void plain_path(const char *path, char *out, size_t size) {
    size_t n = 0;
    while (*path) {
        size_t k = strcspn(path, ".");
        bool number = k && strspn(path, "0123456789") >= k;
        if (!number && n + k + 2 < size) {
            if (n)
                out[n++] = '.';
            memcpy(out + n, path, k);
            n += k;
        }
        path += k + (path[k] == '.');
    }
    out[n] = '\0';
}

/* Is `path` the key, or below it? */
static bool is_below(const char *path, const char *key) {
    size_t n = strlen(key);
    return strncmp(path, key, n) == 0 && (path[n] == '.' || !path[n]);
}

const struct resume_rule *resume_rule_of(const char *path) {
    const struct resume_rule *best = NULL;
    char plain[512];
    plain_path(path, plain, sizeof plain);
    for (uint32_t i = 0; i < resume_rule_count(); i++) {
        const struct resume_rule *r = &rules[i];
        if (is_below(plain, r->key) && (!best || strlen(r->key) > strlen(best->key)))
            best = r;
    }
    /* A list or a section as a whole: the strictest of its keys. */
    for (uint32_t i = 0; i < resume_rule_count() && !best; i++)
        if (is_below(rules[i].key, plain) && !rules[i].applied)
            best = &rules[i];
    for (uint32_t i = 0; i < resume_rule_count() && !best; i++)
        if (is_below(rules[i].key, plain))
            best = &rules[i];
    return best;
}

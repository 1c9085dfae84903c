/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys may change when a run is resumed. */
#include <string.h>

#include "experiment/resume_rules.h"

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
    {"data.split.group", false, "the run keeps the split that it began with"},
    {"data.split.ignore", false, "the run keeps the split that it began with"},
    {"data.split.bins", false, "the run keeps the split that it began with"},
    {"data.split.val", false, "the run keeps the split that it began with"},
    {"data.split.test", false, "the run keeps the split that it began with"},
    {"data.split.seed", false, "the run keeps the split that it began with"},
    {"data.split.folds", false, "the run keeps the split that it began with"},
    {"data.split.fold", false, "the run keeps the split that it began with"},
    {"data.split.gap", false, "the run keeps the split that it began with"},
    {"data.split.embargo", false, "the run keeps the split that it began with"},
    {"data.split.path", false, "the run keeps the split that it began with"},
    {"data.drop_missing", false, "the run keeps the split that it began with"},
    {"data.sampler", false,
     "the position of the run is counted in the order that it gives"},
    {"data.transforms", false, "the run keeps the transforms that were fitted for it"},
    {"data.contract", true, "the data are those of the run"},
    {"data.prepare", false, "the run keeps the transforms that were fitted for it"},
    {"data.batch", false, "the position of the run is counted in steps of it"},
    {"data.eval_batch", true, "of evaluations from here on"},
    {"data.workers", true, "batches are the same for any number"},
    {"data.resident", true, "batches are the same either way"},
    {"data.prepared", true, "as data.source, and with the same split and transforms"},
    {"data.cache", true, "batches are the same for any size"},
#define INSIDE(key)
#define SECTION(kind, key, facts, doc, example, applied, why) {key, applied, why},
#define KIND(name, plural, section, ...)                      section
#include "plugin/kinds.def"
    {"train.epochs", true, "no less than the run has done"},
    {"train.steps", true, "no less than the run has done"},
    {"train.steps_per_epoch", false,
     "the position of the run is counted in steps of it"},
    {"train.folds", false, "a run is one of its folds"},
    {"train.repeats", false, "a run is one of its folds"},
    {"train.seeds", false, "a run has one seed"},
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
    {"train.anomaly", true, "from here on; the numbers do not change"},
    {"train.early_stop.monitor", true, "its best value and its count begin again"},
    {"train.early_stop.patience", true, "evaluations without gain are still counted"},
    {"train.early_stop.min_delta", true, "its best value and its count begin again"},
    {"train.test", true, "whether the test split is read at the end"},
    {"checkpoint.every", true, "from here on"},
    {"checkpoint.keep", true, "from the next checkpoint on"},
    {"checkpoint.best.monitor", true,
     "the best is chosen from evaluations from here on"},
    {"check", true, "the data are those of the run"},
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

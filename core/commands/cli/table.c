/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of flags.def as tables, and what follows from a row alone. */
#include <assert.h>
#include <string.h>

#include "commands/cli/help.h"
#include "commands/cli/table.h"
#include "commands/verbs/verbs.h"

static_assert(VERB_COUNT <= 64 && FLAG_COUNT <= 64, "a set is 64 bits");

const struct verb verb_table[VERB_COUNT] = {
#define VERB(id, ...) [VERB_##id] = {__VA_ARGS__},
#include "commands/cli/flags.def"
};

#define IN(id)               (UINT64_C(1) << VERB_##id)
#define EVERY_VERB           (UINT64_MAX >> (64 - VERB_COUNT))
#define SWITCH               FLAG_IS_SWITCH, NULL, 0, 0
#define PATH                 FLAG_IS_PATH, NULL, 0, 0
#define REPEATED             FLAG_IS_REPEATED, NULL, 0, 0
#define CHOICE(words)        FLAG_IS_CHOICE, words, 0, 0
#define INTEGER(min, max)    FLAG_IS_INTEGER, NULL, min, max
#define NUMBER_ABOVE(m, max) FLAG_IS_NUMBER, NULL, m, max

const struct flag flag_table[FLAG_COUNT] = {
#define FLAG(id, verbs, name, kind, value, initial, help)                              \
    [FLAG_##id] = {verbs, name, kind, value, initial, help},
#include "commands/cli/flags.def"
};

#define OF(id) (UINT64_C(1) << FLAG_##id)

static const struct {
    enum verb_id verb;
    uint64_t flags;
} sets[] = {
#define ONE_OF(verb, flags) {VERB_##verb, flags},
#include "commands/cli/flags.def"
};

enum verb_id verb_find(const char *name) {
    for (unsigned i = 0; i < VERB_COUNT; i++)
        if (strcmp(verb_table[i].name, name) == 0)
            return (enum verb_id)i;
    return VERB_COUNT;
}

bool flag_of(enum flag_id f, enum verb_id v) {
    return flag_table[f].verbs >> v & 1;
}

uint64_t flag_set(enum verb_id v, unsigned i) {
    for (size_t k = 0; k < sizeof sets / sizeof *sets; k++)
        if (sets[k].verb == v && i-- == 0)
            return sets[k].flags;
    return 0;
}

/* Of one form of a pattern. */
static void form_bounds(const char *p, size_t n, uint32_t *min_count, uint32_t *max_count) {
    int depth = 0;
    *min_count = *max_count = 0;
    for (size_t i = 0; i < n; i++) {
        bool starts = i == 0 || p[i - 1] == ' ' || p[i - 1] == '[';
        if (starts && strncmp(p + i, "...", 3) == 0) {
            *max_count = UINT32_MAX;
            return;
        }
        if (starts && p[i] != '[' && p[i] != ' ') {
            *min_count += depth == 0;
            *max_count += 1;
        }
        depth += (p[i] == '[') - (p[i] == ']');
    }
}

void verb_bounds(enum verb_id v, uint32_t *min_count, uint32_t *max_count) {
    const struct verb *verb = &verb_table[v];
    *min_count = UINT32_MAX;
    *max_count = 0;
    for (const char *p = verb->arguments;;) {
        const char *end = strstr(p, " | ");
        uint32_t few, many;
        form_bounds(p, end ? (size_t)(end - p) : strlen(p), &few, &many);
        *min_count = few < *min_count ? few : *min_count;
        *max_count = many > *max_count ? many : *max_count;
        if (!end)
            return;
        p = end + 3;
    }
}

/* Adds "[--dot | --kernels | --json]" for the set that f is the first of; nothing for
 * its others. false: f is in no set. */
static bool add_set(enum verb_id v, enum flag_id f, struct text *out) {
    uint64_t set;
    for (unsigned i = 0; (set = flag_set(v, i)); i++) {
        if (!(set >> f & 1))
            continue;
        if (set & ((UINT64_C(1) << f) - 1))
            return true;
        for (unsigned k = f; k < FLAG_COUNT; k++)
            if (set >> k & 1) {
                text_add(out, k == f ? " [" : " | ");
                flag_label((enum flag_id)k, out);
            }
        text_add(out, "]");
        return true;
    }
    return false;
}

void verb_usage(enum verb_id v, struct text *out) {
    text_add(out, verb_table[v].arguments);
    for (unsigned f = 0; f < FLAG_COUNT; f++)
        if (flag_of((enum flag_id)f, v) && f != FLAG_HELP &&
            !add_set(v, (enum flag_id)f, out)) {
            text_add(out, " [");
            flag_label((enum flag_id)f, out);
            text_add(out, "]");
        }
}

void flag_label(enum flag_id f, struct text *out) {
    const struct flag *flag = &flag_table[f];
    text_addf(out, "--%s%s%s", flag->name, flag->value ? " " : "",
              flag->value ? flag->value : "");
}

void flag_describe(enum flag_id f, struct text *out) {
    const struct flag *flag = &flag_table[f];
    const char *between = " (";
    text_add(out, flag->help);
    if (flag->kind == FLAG_IS_REPEATED)
        text_add(out, "; may be given several times");
    if (flag->choices) {
        text_add(out, between);
        words_listed(flag->choices, out);
        between = "; ";
    }
    if (flag->initial) {
        text_addf(out, "%sdefault: %s", between, flag->initial);
        between = "; ";
    }
    text_add(out, between[0] == ';' ? ")" : "");
}

uint32_t word_next(const char **at) {
    *at += strspn(*at, " ");
    return (uint32_t)strcspn(*at, " ");
}

void words_listed(const char *words, struct text *out) {
    uint32_t n;
    for (const char *p = words, *first = p; (n = word_next(&p)); p += n) {
        bool last = p[n + strspn(p + n, " ")] == '\0';
        text_add(out, p == first ? "" : last ? " or " : ", ");
        text_add_n(out, p, n);
    }
}

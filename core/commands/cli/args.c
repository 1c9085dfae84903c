/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing the command line by its tables. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/suggest.h"
#include "commands/cli/args.h"
#include "commands/cli/report.h"

static void blame(const struct args *a, const char *what) {
    fprintf(stderr, "runner %s: error: %s\n", verb_table[a->verb].name, what);
}

/* FLAG_COUNT: the verb has no such flag. */
static enum flag_id find_flag(enum verb_id v, const char *name, size_t n) {
    for (unsigned f = 0; f < FLAG_COUNT; f++)
        if (flag_of((enum flag_id)f, v) && strlen(flag_table[f].name) == n &&
            strncmp(flag_table[f].name, name, n) == 0)
            return (enum flag_id)f;
    return FLAG_COUNT;
}

/* typed: the argument as it stood; name: of n characters within it. */
static int unknown_flag(const struct args *a, const char *typed, const char *name,
                        size_t n) {
    const char *verb = verb_table[a->verb].name, *known[FLAG_COUNT];
    struct text word = {0};
    size_t count = 0;
    for (unsigned f = 0; f < FLAG_COUNT; f++)
        if (flag_of((enum flag_id)f, a->verb))
            known[count++] = flag_table[f].name;
    text_add_n(&word, name, n);
    const char *near = suggest_nearest(text_get(&word), known, count);
    fprintf(stderr, "runner %s: error: unknown flag %.*s\n", verb,
            (int)strcspn(typed, "="), typed);
    if (strchr(text_get(&word), '.') || (name[n] == '=' && !near))
        fprintf(stderr, "  an override of the file is written without dashes: %s\n",
                name);
    else if (near)
        fprintf(stderr, "  did you mean --%s?\n", near);
    else
        fprintf(stderr, "  runner %s --help lists them\n", verb);
    text_finish(&word);
    return 2;
}

/* Is `word` one of `words`? If not, says so, with the nearest one. what: as it was
 * typed, without the word. */
static bool check_word(const struct args *a, const char *what, const char *word,
                       const char *words) {
    struct suggest all = {0};
    struct text copy = {0}, listed = {0};
    bool known = false;
    text_add(&copy, words);
    for (char *save, *w = strtok_r(copy.s, " ", &save); w;
         w = strtok_r(NULL, " ", &save)) {
        known |= strcmp(w, word) == 0;
        suggest_add(&all, w);
    }
    if (!known) {
        words_listed(words, &listed);
        fprintf(stderr, "runner %s: error: %s'%s': expected %s\n",
                verb_table[a->verb].name, what, word, text_get(&listed));
        print_suggestion(&all, word, NULL);
    }
    text_finish(&copy);
    text_finish(&listed);
    suggest_finish(&all);
    return known;
}

static bool check_integer(const struct args *a, const struct flag *f,
                          const char *value) {
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (end != value && !*end && !errno && (double)n >= f->min && (double)n <= f->max)
        return true;
    fprintf(stderr,
            "runner %s: error: --%s %s: expected an integer from %.0f to %.0f\n",
            verb_table[a->verb].name, f->name, value, f->min, f->max);
    return false;
}

static bool check_number(const struct args *a, const struct flag *f,
                         const char *value) {
    char *end;
    double x = strtod(value, &end);
    if (end != value && !*end && isfinite(x) && x > f->min && x <= f->max)
        return true;
    fprintf(stderr,
            "runner %s: error: --%s %s: expected a number above %g, at most %g\n",
            verb_table[a->verb].name, f->name, value, f->min, f->max);
    return false;
}

/* No shell expands `~` behind the `=` of a flag. */
static bool expand_home(struct args *a, enum flag_id id) {
    struct text path = {0};
    struct rn_error e = {0};
    if (*a->value[id] != '~')
        return true;
    if (path_expand(a->value[id], &path, &e) != RN_OK) {
        fprintf(stderr, "runner %s: error: --%s: %s\n  %s\n", verb_table[a->verb].name,
                flag_table[id].name, e.message, e.hint);
        text_finish(&path);
        return false;
    }
    memory_release(a->path[id]);
    a->value[id] = a->path[id] = path.s; /* the text's memory goes with it */
    return true;
}

static bool check_value(struct args *a, enum flag_id id, const char *value) {
    const struct flag *f = &flag_table[id];
    char what[80];
    snprintf(what, sizeof what, "--%.70s ", f->name);
    a->value[id] = value;
    switch (f->kind) {
    case FLAG_IS_CHOICE:
        return check_word(a, what, value, f->choices);
    case FLAG_IS_INTEGER:
        return check_integer(a, f, value);
    case FLAG_IS_NUMBER:
        return check_number(a, f, value);
    case FLAG_IS_PATH:
        return expand_home(a, id);
    case FLAG_IS_REPEATED:
        a->repeated[id][a->repeated_count[id]++] = value;
        return true;
    default:
        return true;
    }
}

/* Reads the flag at argv[*i], and its value. false after saying what is wrong. */
static bool read_flag(struct args *a, int argc, char **argv, int *i) {
    const char *typed = argv[*i], *name = typed + strspn(typed, "-");
    const char *eq = strchr(name, '='), *value = eq ? eq + 1 : NULL;
    size_t n = eq ? (size_t)(eq - name) : strlen(name);
    if (strcmp(typed, "-h") == 0)
        name = "help", n = 4;
    enum flag_id id = find_flag(a->verb, name, n);
    if (id == FLAG_COUNT) {
        unknown_flag(a, typed, name, n);
        return false;
    }
    const struct flag *f = &flag_table[id];
    if (f->value && !value && *i + 1 < argc)
        value = argv[++*i];
    if ((f->value != NULL) != (value != NULL)) {
        fprintf(stderr, "runner %s: error: --%s %s\n", verb_table[a->verb].name,
                f->name, f->value ? "expects a value" : "takes no value");
        return false;
    }
    a->given |= UINT64_C(1) << id;
    if (f->kind == FLAG_IS_REPEATED && !a->repeated[id])
        a->repeated[id] = memory_get(memory_mul((size_t)argc, sizeof *a->repeated[id]));
    return !value || check_value(a, id, value);
}

/* Of each set of flags that exclude each other, at most one. */
static bool check_sets(const struct args *a) {
    uint64_t set;
    for (unsigned i = 0; (set = flag_set(a->verb, i)); i++) {
        uint64_t both = set & a->given;
        if (!(both & (both - 1)))
            continue;
        struct text words = {0}, all = {0};
        for (unsigned f = 0; f < FLAG_COUNT; f++)
            if (set >> f & 1)
                text_addf(&words, "%s--%s", words.length ? " " : "",
                          flag_table[f].name);
        text_add(&all, "expected one of ");
        words_listed(text_get(&words), &all);
        blame(a, text_get(&all));
        text_finish(&words);
        text_finish(&all);
        return false;
    }
    return true;
}

/* "which experiment?": the first word of the pattern, up to what follows its capitals.
 */
static void say_missing(const struct args *a) {
    const struct verb *v = &verb_table[a->verb];
    fprintf(stderr, "runner %s: error: which ", v->name);
    for (const char *p = v->arguments; *p >= 'A' && *p <= 'Z'; p++)
        fputc(*p - 'A' + 'a', stderr);
    fprintf(stderr, "?\n  e.g. %s\n", v->example);
}

static bool check_arguments(const struct args *a) {
    const struct verb *v = &verb_table[a->verb];
    uint32_t min_count, max_count;
    verb_bounds(a->verb, &min_count, &max_count);
    if (v->words && a->count && !check_word(a, "", a->arg[0], v->words))
        return false;
    if (a->count < min_count && !v->words) {
        say_missing(a);
        return false;
    }
    if (a->count <= max_count)
        return true;
    fprintf(stderr, "runner %s: error: unexpected argument '%s'\n", v->name,
            a->arg[max_count]);
    fprintf(stderr, "  usage: runner %s%s%s\n", v->name, *v->arguments ? " " : "",
            v->arguments);
    return false;
}

int args_parse(enum verb_id v, int argc, char **argv, struct args *out) {
    bool only_arguments = false;
    memset(out, 0, sizeof *out);
    out->verb = v;
    for (unsigned f = 0; f < FLAG_COUNT; f++)
        out->value[f] = flag_table[f].initial;
    out->arg = memory_get(memory_mul((size_t)argc + 1, sizeof *out->arg));
    for (int i = 1; i < argc; i++) {
        if (!only_arguments && strcmp(argv[i], "--") == 0)
            only_arguments = true;
        else if (only_arguments || argv[i][0] != '-' || !argv[i][1])
            out->arg[out->count++] = argv[i];
        else if (!read_flag(out, argc, argv, &i))
            return 2;
    }
    out->arg[out->count] = NULL;
    bool good = args_has(out, FLAG_HELP) || (check_sets(out) && check_arguments(out));
    return good ? 0 : 2;
}

void args_finish(struct args *a) {
    for (unsigned f = 0; f < FLAG_COUNT; f++) {
        memory_release(a->path[f]);
        memory_release(a->repeated[f]);
    }
    memory_release(a->arg);
}

bool args_has(const struct args *a, enum flag_id f) {
    return a->given >> f & 1;
}

const char *args_text(const struct args *a, enum flag_id f) {
    return a->value[f];
}

double args_number(const struct args *a, enum flag_id f) {
    return strtod(a->value[f], NULL);
}

uint64_t args_integer(const struct args *a, enum flag_id f) {
    return strtoull(a->value[f], NULL, 10);
}

bool args_json(const struct args *a) {
    return args_has(a, FLAG_JSON) || strcmp(a->value[FLAG_PROGRESS], "json") == 0;
}

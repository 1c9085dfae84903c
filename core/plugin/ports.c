/* SPDX-License-Identifier: Apache-2.0 */
/* A port's line of a description: name, type, shape, words; and what fits it. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/suggest.h"
#include "plugin/internal.h"

/* Types that stand for several. */
static const char *const families[] = {"float", "int", "any"};

static bool type_exists(const char *word, size_t length) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strlen(families[i]) == length && strncmp(families[i], word, length) == 0)
            return true;
    return dtype_named(word, length) != NULL;
}

static int no_such_type(const struct port_info *p, const char *word,
                        struct rn_error *e) {
    struct suggest all = {0};
    error_set(e, RN_E_PLUGIN, "port '%s': there is no type '%s'", p->name, word);
    for (uint32_t i = 0; i < dtype_count(); i++)
        suggest_add(&all, dtype_at(i)->name);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        suggest_add(&all, families[i]);
    suggest_hint(&all, word, "the types are", e);
    suggest_finish(&all);
    return RN_E_PLUGIN;
}

/* "float/int/bool" */
static int check_type(const struct port_info *p, struct rn_error *e) {
    for (const char *w = p->dtype;; w++) {
        size_t n = strcspn(w, "/");
        if (!type_exists(w, n)) {
            char word[48];
            snprintf(word, sizeof word, "%.*s", (int)n, w);
            return no_such_type(p, word, e);
        }
        w += n;
        if (!*w)
            return RN_OK;
    }
}

/* A symbol, a size or "...", of n bytes. */
static bool axis_valid(const char *word, size_t n) {
    if (n == 3 && strncmp(word, "...", 3) == 0)
        return true;
    bool number = n && word[0] >= '1' && word[0] <= '9';
    if (!n || (!number && !isalpha((unsigned char)word[0])))
        return false;
    for (size_t i = 1; i < n; i++)
        if (number ? !isdigit((unsigned char)word[i])
                   : !isalnum((unsigned char)word[i]) && word[i] != '_')
            return false;
    return true;
}

/* "[N,C,...]": `...` is last. */
static bool shape_valid(const char *shape) {
    const char *p = shape + 1;
    if (*shape != '[')
        return false;
    if (strcmp(p, "]") == 0)
        return true;
    for (;;) {
        size_t n = strcspn(p, ",]");
        bool rest = *p == '.';
        if (!p[n] || !axis_valid(p, n) || (rest && p[n] == ','))
            return false;
        p += n + 1;
        if (p[-1] == ']')
            return !*p;
    }
}

static int check_shape(const struct port_info *p, struct rn_error *e) {
    if (shape_valid(p->shape))
        return RN_OK;
    error_set(e, RN_E_PLUGIN, "port '%s': '%s' is not a shape", p->name, p->shape);
    return error_hint(e, "letters or sizes in brackets, without spaces: [N,C], [] or "
                         "[N,...], where ... stands for any further axes");
}

/* One of `choices`, NULL-ended, into *out. */
static int read_choice(struct arena *a, const struct port_info *p, const char *word,
                       const char *value, const char *const *choices, const char **out,
                       struct rn_error *e) {
    struct suggest all = {0};
    for (; *choices; choices++) {
        if (strcmp(value, *choices) == 0)
            *out = arena_copy(a, value);
        suggest_add(&all, *choices);
    }
    if (!**out) {
        error_set(e, RN_E_PLUGIN, "port '%s': '%s' is not a value of `%s`", p->name,
                  value, word);
        suggest_hint(&all, value, "the values are", e);
    }
    suggest_finish(&all);
    return **out ? RN_OK : RN_E_PLUGIN;
}

/* "optional", "scope sample" ... */
static int read_word(struct arena *a, char *word, struct port_info *p,
                     struct rn_error *e) {
    static const char *const known[] = {"optional", "variable", "scope", "better"};
    static const char *const scopes[] = {"element", "sample", "batch", "parameter",
                                         NULL};
    static const char *const directions[] = {"higher", "lower", NULL};
    const char *name = word;
    bool may_pass = description_may_pass(&name);
    size_t n = strcspn(name, " ");
    const char *value = name + n + strspn(name + n, " ");
    if (strcmp(name, "optional") == 0)
        p->optional = true;
    else if (strcmp(name, "variable") == 0)
        p->variable = true;
    else if (n == 5 && strncmp(name, "scope", n) == 0)
        return read_choice(a, p, "scope", value, scopes, &p->scope, e);
    else if (n == 6 && strncmp(name, "better", n) == 0)
        return read_choice(a, p, "better", value, directions, &p->better, e);
    else if (!may_pass) {
        error_set(e, RN_E_PLUGIN, "port '%s': unknown word '%s'", p->name, name);
        return description_unknown(name, known, sizeof known / sizeof *known, e);
    }
    return RN_OK;
}

int port_read(struct arena *a, const char *text, struct port_info *p,
              struct rn_error *e) {
    const char *bar = strstr(text, " | ");
    size_t n = bar ? (size_t)(bar - text) : strlen(text);
    char *head = arena_copy_n(a, text, n), *rest = strchr(head, ';'), *save = NULL;
    char name[80], dtype[48], shape[80], more[2];
    *p = (struct port_info){
        .scope = "", .better = "", .doc = bar ? arena_copy(a, bar + 3) : ""};
    if (rest)
        *rest++ = '\0';
    if (sscanf(head, "%79s %47s %79s %1s", name, dtype, shape, more) != 3)
        return error_set(e, RN_E_PLUGIN,
                         "a port is described as '%.60s': NAME DTYPE [SHAPE]", text);
    p->name = arena_copy(a, name);
    p->dtype = arena_copy(a, dtype);
    p->shape = arena_copy(a, shape);
    int status = check_type(p, e);
    if (status == RN_OK)
        status = check_shape(p, e);
    for (char *w = rest ? strtok_r(rest, ";", &save) : NULL; w && status == RN_OK;
         w = strtok_r(NULL, ";", &save)) {
        w += strspn(w, " ");
        size_t m = strlen(w);
        while (m && w[m - 1] == ' ')
            w[--m] = '\0';
        if (*w)
            status = read_word(a, w, p, e);
    }
    return status;
}

/* ------------------------------------------------------------ values at a port */

/* One word of a port's DTYPE, `length` long. */
static bool word_fits(const char *want, size_t length, rn_dtype t) {
    const struct dtype_info *exact = dtype_named(want, length);
    if (length == 3 && strncmp(want, "any", 3) == 0)
        return true;
    if (length == 5 && strncmp(want, "float", 5) == 0)
        return dtype_float(t);
    if (length == 3 && strncmp(want, "int", 3) == 0)
        return dtype_int(t);
    return exact && exact->dtype == t;
}

/* The word behind this one of "float/int/bool", or NULL. */
static const char *next_word(const char *word) {
    const char *slash = strchr(word, '/');
    return slash ? slash + 1 : NULL;
}

bool port_takes_type(const struct port_info *p, rn_dtype t) {
    for (const char *w = p->dtype; w; w = next_word(w))
        if (word_fits(w, strcspn(w, "/"), t))
            return true;
    return false;
}

bool port_takes_shape(const struct port_info *port, uint32_t rank, const int64_t *shape,
                      int64_t rows) {
    uint32_t axis = 0;
    const char *p = port->shape + strspn(port->shape, "[ ");
    while (*p && *p != ']') {
        char word[32];
        size_t k = strcspn(p, ",] ");
        snprintf(word, sizeof word, "%.*s", (int)k, p);
        p += k;
        p += strspn(p, ", ");
        if (strcmp(word, "...") == 0)
            return true;
        if (axis >= rank)
            return false;
        if (strcmp(word, "N") == 0 && shape[axis] != rows)
            return false;
        if (word[0] >= '0' && word[0] <= '9' && shape[axis] != atoll(word))
            return false;
        axis++;
    }
    return axis == rank;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of a text table as numbers, and which of them mean that a value is missing: the
 * option `missing`, or the usual words. A word that is a number stands for that number
 * in any spelling ("-999" and "-999.0"). */
#ifndef SOURCE_MISSING_H
#define SOURCE_MISSING_H

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "../fail.h"

struct missing_value {
    const char *word; /* host or static */
    size_t first, n;  /* the word without blanks around, as cells have none */
    int numeric;
    double number;
};

struct missing {
    uint32_t count;
    struct missing_value *values;
};

/* Decimal and finite. */
static inline int cell_number(const char *text, double *out) {
    char *end = NULL;
    if (!*text || text[strspn(text, "0123456789+-.eE")])
        return 0;
    *out = strtod(text, &end);
    return !*end && isfinite(*out);
}

/* RN_MISSING_I64 is not a value. */
static inline int cell_integer(const char *text, int64_t *out) {
    char *end = NULL;
    const char *p = text + (*text == '-' || *text == '+');
    if (*p < '0' || *p > '9')
        return 0;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return !*end && !errno && *out != RN_MISSING_I64;
}

static inline void missing_finish(struct missing *m) {
    free(m->values);
}

/* Without the option: the usual words; an empty list: nothing is missing. */
static inline int32_t missing_read(struct missing *m, struct rn_host *h,
                                   struct rn_error *e) {
    static const char *const usual[] = {"", "NA", "NaN", "nan", "null", "?"};
    int given = rn_has(h, "missing");
    uint32_t n = given ? rn_get_count(h, "missing") : sizeof usual / sizeof *usual;
    m->values = (struct missing_value *)calloc(n + 1u, sizeof *m->values);
    if (!m->values)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    for (m->count = 0; m->count < n; m->count++) {
        struct missing_value *v = &m->values[m->count];
        char path[32], trimmed[64];
        rn_path(path, sizeof path, "missing", m->count);
        v->word = given ? rn_get_string(h, path, "") : usual[m->count];
        v->first = strspn(v->word, " ");
        v->n = strlen(v->word + v->first);
        while (v->n && v->word[v->first + v->n - 1] == ' ')
            v->n--;
        snprintf(trimmed, sizeof trimmed, "%.*s", (int)(v->n < 63 ? v->n : 63),
                 v->word + v->first);
        v->numeric = v->n < sizeof trimmed && cell_number(trimmed, &v->number);
    }
    return RN_OK;
}

/* Does the cell mean missing, whatever its column holds? */
static inline int missing_word(const struct missing *m, const char *text) {
    for (uint32_t i = 0; i < m->count; i++) {
        const struct missing_value *v = &m->values[i];
        if (strncmp(text, v->word + v->first, v->n) == 0 && !text[v->n])
            return 1;
        if (strcmp(text, v->word) == 0) /* a quoted cell keeps its blanks */
            return 1;
    }
    return 0;
}

/* The same of a cell of a column of numbers. */
static inline int missing_number(const struct missing *m, double number) {
    for (uint32_t i = 0; i < m->count; i++)
        if (m->values[i].numeric && m->values[i].number == number)
            return 1;
    return 0;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of a text table as numbers, and which of them mean that a value is missing: the
 * words of the option `missing`, or the usual words without it. A word that is a number
 * stands for that number in any spelling ("-999" and "-999.0"). Header-only; C11 or
 * C++. */
#ifndef RUNNER_SDK_MISSING_H
#define RUNNER_SDK_MISSING_H

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <runner/sdk/error.h>
#include <runner/source.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Host extension (rn_host_api.extension): the names of fields, or of columns of fields,
 * whose values may be missing, as the host leaves such rows out ("*": of any): a list
 * that NULL ends (const char *const *), the host's, until destroy. NULL: there are
 * none. A source that refuses a missing value of a target takes it where it is in the
 * list, and declares RN_FIELD_NULLABLE. */
#define RN_EXT_MAY_MISS "runner.may_miss/1"

static inline int rn_may_miss(struct rn_host *h, const char *name) {
    const char *const *names =
        (const char *const *)h->api->extension(h, RN_EXT_MAY_MISS);
    for (; names && *names; names++)
        if (strcmp(*names, name) == 0 || strcmp(*names, "*") == 0)
            return 1;
    return 0;
}

struct rn_missing_value {
    const char *word; /* host or static */
    size_t first, n;  /* the word without blanks around, as cells have none */
    int numeric;
    double number;
};

struct rn_missing {
    uint32_t count;
    struct rn_missing_value *values;
    uint8_t begins[256]; /* 1: a word begins with this byte; [0]: a word is empty */
};

/* 10^0 .. 10^22: exact as f64. */
static inline double rn_power_of_ten(int n) {
    static const double p[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    return p[n];
}

/* A plain decimal of at most 2^53 without its mark, and as many as 22 decimals: both
 * are exact as f64, and so is their quotient but for its one rounding (W. D. Clinger,
 * How to Read Floating Point Numbers Accurately, 1990). 0: it is something else, such
 * as a number with an exponent, which may well be a number. */
static inline int rn_cell_short(const char *text, double *out) {
    const char *p = text + (*text == '-' || *text == '+');
    uint64_t digits = 0;
    int decimals = 0;
    const char *first = p;
    for (; *p >= '0' && *p <= '9'; p++)
        digits = digits * 10 + (uint64_t)(*p - '0');
    size_t n = (size_t)(p - first);
    if (*p == '.') {
        const char *mark = ++p;
        for (; *p >= '0' && *p <= '9'; p++)
            digits = digits * 10 + (uint64_t)(*p - '0');
        decimals = (int)(p - mark);
        n += (size_t)decimals;
    }
    /* 19 digits do not wrap. */
    if (*p || !n || n > 19 || digits > (UINT64_C(1) << 53))
        return 0;
    double x = (double)digits;
    *out = decimals ? x / rn_power_of_ten(decimals) : x;
    if (*text == '-')
        *out = -*out;
    return 1;
}

/* 1 and *out: the whole cell is a finite decimal number, rounded once. */
static inline int rn_cell_number(const char *text, double *out) {
    char *end = NULL;
    if (rn_cell_short(text, out))
        return 1;
    if (!*text || text[strspn(text, "0123456789+-.eE")])
        return 0;
    *out = strtod(text, &end);
    return !*end && isfinite(*out);
}

/* 1 and *out: the whole cell is an integer of 64 bits; RN_MISSING_I64 is not a value.
 */
static inline int rn_cell_integer(const char *text, int64_t *out) {
    char *end = NULL;
    const char *p = text + (*text == '-' || *text == '+');
    if (*p < '0' || *p > '9')
        return 0;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return !*end && !errno && *out != RN_MISSING_I64;
}

/* Frees the values; a zeroed *m is allowed. */
static inline void rn_missing_finish(struct rn_missing *m) {
    free(m->values);
}

/* Read the option `missing` (list(string)) into *m. Without it: the usual words; with
 * an empty list nothing is missing. *m is the caller's to finish, also after an error.
 */
static inline int32_t rn_missing_read(struct rn_missing *m, struct rn_host *h,
                                      struct rn_error *e) {
    static const char *const usual[] = {"", "NA", "NaN", "nan", "null", "?"};
    int given = rn_has(h, "missing");
    uint32_t n = given ? rn_get_count(h, "missing") : sizeof usual / sizeof *usual;
    m->values = (struct rn_missing_value *)calloc(n + 1u, sizeof *m->values);
    if (!m->values)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    for (m->count = 0; m->count < n; m->count++) {
        struct rn_missing_value *v = &m->values[m->count];
        char path[32], trimmed[64];
        rn_path(path, sizeof path, "missing", m->count);
        v->word = given ? rn_get_string(h, path) : usual[m->count];
        v->first = strspn(v->word, " ");
        v->n = strlen(v->word + v->first);
        while (v->n && v->word[v->first + v->n - 1] == ' ')
            v->n--;
        snprintf(trimmed, sizeof trimmed, "%.*s", (int)(v->n < 63 ? v->n : 63),
                 v->word + v->first);
        m->begins[(uint8_t)v->word[0]] = 1;
        m->begins[v->n ? (uint8_t)trimmed[0] : 0] = 1;
        v->numeric = v->n < sizeof trimmed && rn_cell_number(trimmed, &v->number);
    }
    return RN_OK;
}

/* 1: the cell means that the value is missing, whatever its column holds. */
static inline int rn_missing_word(const struct rn_missing *m, const char *text) {
    if (!m->begins[(uint8_t)*text])
        return 0;
    for (uint32_t i = 0; i < m->count; i++) {
        const struct rn_missing_value *v = &m->values[i];
        if (strncmp(text, v->word + v->first, v->n) == 0 && !text[v->n])
            return 1;
        if (strcmp(text, v->word) == 0) /* a quoted cell keeps its blanks */
            return 1;
    }
    return 0;
}

/* 1: this number, from a column of numbers, means that the value is missing. */
static inline int rn_missing_number(const struct rn_missing *m, double number) {
    for (uint32_t i = 0; i < m->count; i++)
        if (m->values[i].numeric && m->values[i].number == number)
            return 1;
    return 0;
}

#ifdef __cplusplus
}
#endif
#endif

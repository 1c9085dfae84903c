/* SPDX-License-Identifier: Apache-2.0 */
/* Findings about single columns: missing, infinite, constant, far, spelt in two ways.
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "check/check.h"

#define EXACT_SHARE(a, b) ((b) ? (double)(a) / (double)(b) : 0.0)

static const char *count_word(uint64_t n, const char *one, const char *many) {
    return n == 1 ? one : many;
}

static bool is_number(const struct profile_column *c) {
    return c->kind == COLUMN_NUMBER;
}

/* What the transforms make of a column, if it is still one; NULL. */
static const struct sample_column *sample_of(const struct check *k,
                                             const struct profile_column *c) {
    const struct data_field *f = k->ready ? data_field_find(k->data, c->field) : NULL;
    struct data_raw raw = data_raw_at(k->data, c->raw);
    if (!f || f->bytes / RN_DTYPE_BYTES(f->dtype) != raw.elements)
        return NULL;
    for (uint32_t i = 0; i < k->sample_count; i++) {
        const struct sample_column *s = &k->samples[i];
        if (strcmp(s->field, c->field) == 0 && s->element == c->element && !s->image)
            return s;
    }
    return NULL;
}

/* Do the transforms leave no number beyond 6 standard deviations? */
static bool tamed(const struct check *k, const struct profile_column *c) {
    const struct sample_column *s = sample_of(k, c);
    double sd = s ? moments_sd(&s->m) : 0;
    return sd > 0 && s->max - s->m.mean <= 6 * sd && s->m.mean - s->min <= 6 * sd;
}

/* ------------------------------------------------------- missing and infinite */

static void look_missing(struct check *k, const struct profile_column *c) {
    const struct summary *s = &c->of[PROFILE_ALL];
    double share = EXACT_SHARE(s->missing, s->rows);
    struct finding *f;
    if (c->target) {
        f = finding_add(&k->findings, FINDING_MISSING_LABEL, c->name,
                        (double)s->missing, NAN);
        finding_reason(&k->findings, f, "%llu %s without a target (%.2g %%)",
                       (unsigned long long)s->missing,
                       count_word(s->missing, "row is", "rows are"), 100 * share);
        finding_fix(&k->findings, f, "data.drop_missing={of: %s, test: true}",
                    fix_name(k, c->field));
    } else {
        f = finding_add(&k->findings, FINDING_MISSING, c->name, share, NAN);
        finding_reason(&k->findings, f, "%.3g %% of the %s missing", 100 * share,
                       c->kind == COLUMN_TENSOR ? "elements are" : "rows are");
        if (k->ready) /* the transforms fill it */
            f->severity = SEVERITY_NOTE;
        if (share > 0.5)
            fix_drop(k, f, c);
        if (!k->ready)
            fix_transform(k, f, "impute", c,
                          c->kind == COLUMN_TEXT ? ", with: most_frequent" : "");
    }
    f->n = s->missing;
    for (int i = 0; i < DATA_SPLITS; i++)
        if (c->example[i])
            finding_row(f, profile_file_row(k->profile, c->example[i] - 1));
}

static void look_infinite(struct check *k, const struct profile_column *c) {
    const struct summary *s = &c->of[PROFILE_ALL];
    if (c->kind == COLUMN_TEXT || !s->infinite)
        return;
    struct finding *f = finding_add(&k->findings, FINDING_NON_FINITE, c->name,
                                    (double)s->infinite, NAN);
    f->n = s->infinite;
    finding_reason(&k->findings, f, "%llu %s infinite", (unsigned long long)s->infinite,
                   count_word(s->infinite, "number is", "numbers are"));
    for (int i = 0; i < DATA_SPLITS; i++)
        if (c->example[i])
            finding_row(f, profile_file_row(k->profile, c->example[i] - 1));
    fix_transform(k, f, "outliers", c, "");
}

static void look_after(struct check *k) {
    for (uint32_t i = 0; k->ready && i < k->sample_count; i++) {
        const struct sample_column *s = &k->samples[i];
        if (!s->not_finite)
            continue;
        struct finding *f = finding_add(&k->findings, FINDING_NON_FINITE, s->field,
                                        (double)s->not_finite, NAN);
        f->n = s->not_finite;
        finding_row(f, profile_file_row(k->profile, s->row));
        finding_reason(
            &k->findings, f,
            "after the transforms %llu %s not finite (element %llu; first in "
            "row %llu)",
            (unsigned long long)s->not_finite,
            count_word(s->not_finite, "number is", "numbers are"),
            (unsigned long long)s->element + 1, (unsigned long long)f->rows[0]);
    }
}

/* ---------------------------------------------------- constant, identifying */

static void look_constant(struct check *k, const struct profile_column *c) {
    const struct summary *s = &c->of[PROFILE_ALL];
    uint64_t most = c->top_count ? c->top[0].count : 0;
    most = s->missing > most ? s->missing : most;
    double share = EXACT_SHARE(most, s->rows);
    if (s->rows < 2)
        return;
    struct finding *f =
        finding_add(&k->findings, FINDING_CONSTANT, c->name, share, NAN);
    f->n = most;
    if (most == s->rows) {
        finding_reason(&k->findings, f, "has the same value in all %llu rows",
                       (unsigned long long)s->rows);
    } else {
        f->severity = SEVERITY_NOTE;
        finding_reason(&k->findings, f, "has another value in only %llu of %llu rows",
                       (unsigned long long)(s->rows - most),
                       (unsigned long long)s->rows);
    }
    fix_drop(k, f, c);
}

/* Words between blanks, on average: a text is no identifier. */
static double words_of(const struct profile_column *c) {
    uint64_t words = 0, n = c->category_count < 1000 ? c->category_count : 1000;
    for (uint64_t i = 0; i < n; i++) {
        const char *s = c->categories[i].text;
        words++;
        for (; *s; s++)
            words += *s == ' ' && s[1] != ' ' && s[1];
    }
    return n ? (double)words / (double)n : 0;
}

static void look_distinct(struct check *k, const struct profile_column *c) {
    const struct summary *s = &c->of[PROFILE_ALL];
    uint64_t known = s->rows - s->missing - s->infinite;
    bool whole = is_number(c) && s->whole == known;
    double n = (double)known, share = EXACT_SHARE(c->distinct, known), p = 0;
    if (known < 20 || !(whole || (c->kind == COLUMN_TEXT && words_of(c) < 2)))
        return;
    if (whole) {
        /* Of n draws from R values about Poisson(n (n - 1) / 2 R) are there already. */
        double range = s->max - s->min + 1, again = n - (double)c->distinct;
        p = fmax(0, 1 - poisson_tail(again + 1, n * (n - 1) / (2 * range)));
    }
    struct finding *f =
        finding_add(&k->findings, FINDING_ALL_DISTINCT, c->name, share, p);
    f->n = c->distinct;
    finding_reason(&k->findings, f,
                   "%llu different values in %llu rows: it names the row",
                   (unsigned long long)c->distinct, (unsigned long long)known);
    fix_drop(k, f, c);
}

static void look_monotone(struct check *k, const struct profile_column *c) {
    uint64_t known = c->of[PROFILE_ALL].rows - c->of[PROFILE_ALL].missing;
    if (!is_number(c) || known < 20 || (double)c->distinct < 0.99 * (double)known)
        return;
    struct finding *f =
        finding_add(&k->findings, FINDING_ID_MONOTONE, c->name, c->rising, NAN);
    f->n = known;
    finding_reason(&k->findings, f,
                   "goes one way with the row number in %.4g %% of the rows",
                   100 * c->rising);
    fix_drop(k, f, c);
}

/* ------------------------------------------------------------------- pairs */

static void look_equal(struct check *k, const struct profile_column *c, uint32_t i) {
    struct profile *p = k->profile;
    for (uint32_t j = 0; j < i; j++) {
        const struct profile_column *d = &p->columns[j];
        if (!d->input || d->kind != c->kind || d->distinct < 2 ||
            d->content.a != c->content.a || d->content.b != c->content.b)
            continue;
        struct finding *f =
            finding_add(&k->findings, FINDING_COLUMN_DUPLICATE, c->name, 1, NAN);
        f->n = p->rows;
        finding_reason(&k->findings, f, "equals %s in every row", d->name);
        fix_drop(k, f, c);
        return;
    }
}

static void look_pairs(struct check *k) {
    struct profile *p = k->profile;
    if (!p->correlation) {
        finding_skip(&k->findings, FINDING_CORRELATED,
                     p->number_count < 2 ? "fewer than two numeric inputs"
                                         : "more than 512 numeric inputs");
        return;
    }
    finding_looked(&k->findings, FINDING_CORRELATED);
    double near = k->findings.threshold[FINDING_CORRELATED];
    double equal = k->findings.threshold[FINDING_COLUMN_DUPLICATE];
    for (uint32_t i = 0; i < p->number_count; i++) {
        const struct profile_column *c = &p->columns[p->numbers[i]];
        double most = 0;
        uint32_t with = 0;
        for (uint32_t j = 0; j < i; j++) {
            double r = fabs(p->correlation[(size_t)i * p->number_count + j]);
            if (r > most) {
                most = r;
                with = j;
            }
        }
        const struct profile_column *d = &p->columns[p->numbers[with]];
        if (most < near ||
            (c->content.a == d->content.a && c->content.b == d->content.b))
            continue;
        bool same = most >= equal;
        struct finding *f = finding_add(
            &k->findings, same ? FINDING_COLUMN_DUPLICATE : FINDING_CORRELATED, c->name,
            most, NAN);
        f->n = p->rows;
        finding_reason(&k->findings, f,
                       same ? "is %s times a factor, plus a constant (r = %.6f)"
                            : "goes with %s (r = %.3f)",
                       d->name, p->correlation[(size_t)i * p->number_count + with]);
        if (same)
            fix_drop(k, f, c);
    }
}

/* ------------------------------------------------------------------- shapes */

static void look_outliers(struct check *k, const struct profile_column *c) {
    uint64_t known = c->of[PROFILE_ALL].m.n;
    double expected = 2 * normal_tail(6) * (double)known;
    struct finding *f;
    if (!is_number(c) || known < 20 || c->distinct < 10)
        return;
    finding_looked(&k->findings, FINDING_OUTLIERS);
    if ((double)c->far <= expected + 5 * sqrt(expected) || tamed(k, c))
        return;
    double unit = c->mad > 0 ? c->mad / 0.6745 : (c->p75 - c->p25) / 1.349;
    double z = fmax(c->of[PROFILE_ALL].max - c->p50, c->p50 - c->of[PROFILE_ALL].min);
    f = finding_add(&k->findings, FINDING_OUTLIERS, c->name, z / unit, NAN);
    f->n = c->far;
    finding_reason(
        &k->findings, f,
        "%llu %s more than 6 robust standard deviations from the median %.4g; "
        "the farthest %.4g",
        (unsigned long long)c->far, count_word(c->far, "row is", "rows are"), c->p50,
        z / unit);
    fix_transform(k, f, "outliers", c, "");
}

static void look_extreme(struct check *k, const struct profile_column *c) {
    const struct summary *s = &c->of[PROFILE_ALL];
    double most = fmax(fabs(s->min), fabs(s->max));
    double usual = fmax(fabs(c->p01), fabs(c->p99));
    if (c->kind == COLUMN_TEXT || !s->m.n)
        return;
    finding_looked(&k->findings, FINDING_EXTREME);
    if (tamed(k, c))
        return;
    double effect = most > 1e38                  ? INFINITY
                    : usual > 0 && s->m.n >= 100 ? most / usual
                                                 : 0;
    struct finding *f =
        finding_add(&k->findings, FINDING_EXTREME, c->name, effect, NAN);
    f->n = 1;
    if (most > 1e38)
        finding_reason(&k->findings, f, "reaches %.3g; f32 ends at 3.4e38", most);
    else
        finding_reason(&k->findings, f, "reaches %.3g, %.2g times the 99th percentile",
                       most, effect);
    fix_transform(k, f, "outliers", c, "");
}

static void look_skew(struct check *k, const struct profile_column *c) {
    const struct summary *s = &c->of[PROFILE_ALL];
    if (!is_number(c) || s->m.n < 100 || c->distinct < 10)
        return;
    const struct sample_column *after = sample_of(k, c);
    double g = moments_skewness(after ? &after->m : &s->m);
    struct finding *f =
        finding_add(&k->findings, FINDING_SKEW, c->name, isnan(g) ? 0 : fabs(g), NAN);
    f->n = s->m.n;
    finding_reason(&k->findings, f, "skewness %.3g%s, %.3g %% zeros", g,
                   after ? " after the transforms" : "",
                   100 * EXACT_SHARE(s->zeros, s->m.n));
    fix_transform(k, f, "power", c, "");
}

/* -9, -99, 9999 ...: only nines, at least two of them if it is positive. */
static bool only_nines(double v) {
    double a = fabs(v);
    if (a < 9 || a > 1e15 || a != rint(a))
        return false;
    int n = 0;
    for (; a >= 1; a = floor(a / 10), n++)
        if (fmod(a, 10) != 9)
            return false;
    return v < 0 || n >= 2;
}

static void look_nines(struct check *k, const struct profile_column *c) {
    const struct summary *s = &c->of[PROFILE_ALL];
    double spread = c->p75 - c->p25;
    if (!is_number(c) || s->m.n < 20)
        return;
    finding_looked(&k->findings, FINDING_NULL_WORDS);
    for (int high = 0; high < 2; high++) {
        double v = high ? s->max : s->min;
        uint64_t mass = high ? c->high_mass : c->low_mass;
        double next = high ? c->inner_high : c->inner_low;
        bool apart = high ? v - c->p75 > 3 * spread : c->p25 - v > 3 * spread;
        double share = EXACT_SHARE(mass, s->m.n);
        /* A value that others come near to is a number like them. */
        if (!only_nines(v) || !apart || c->distinct < 3 ||
            fabs(v - next) < fabs(next - c->p50))
            continue;
        struct finding *f =
            finding_add(&k->findings, FINDING_NULL_WORDS, c->name, share, NAN);
        f->n = mass;
        finding_reason(
            &k->findings, f,
            "%.15g in %.2g %% of the rows, far from all other values: it may "
            "stand for a missing one",
            v, 100 * share);
        finding_fix(&k->findings, f, "%s.missing+=[%.15g]", fix_source(k), v);
        finding_fix(&k->findings, f,
                    "%s.missing=[\"\", NA, NaN, nan, \"null\", \"?\", %.15g]",
                    fix_source(k), v);
    }
}

/* -------------------------------------------------------------------- texts */

static bool null_word(const char *s) {
    static const char *const words[] = {
        "na", "n/a", "n.a.",    "nan",     "null", "none", "nil",  "?",        "-",
        "--", ".",   "missing", "unknown", "#n/a", "nat",  "void", "undefined"};
    char low[16];
    size_t n = 0;
    while (*s == ' ')
        s++;
    for (; s[n] && n < sizeof low - 1; n++)
        low[n] = (char)tolower((unsigned char)s[n]);
    while (n && low[n - 1] == ' ')
        n--;
    low[n] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(low, words[i]) == 0)
            return true;
    return false;
}

static uint64_t category_rows(const struct category *c) {
    return c->rows[DATA_TRAIN] + c->rows[DATA_VAL] + c->rows[DATA_TEST];
}

static void look_null_words(struct check *k, const struct profile_column *c) {
    struct text words = {0};
    uint64_t rows = 0;
    finding_looked(&k->findings, FINDING_NULL_WORDS);
    for (uint32_t i = 0; i < c->category_count; i++) {
        const struct category *x = &c->categories[i];
        if (!null_word(x->text))
            continue;
        rows += category_rows(x);
        text_addf(&words, "%s%s", words.length ? ", " : "", fix_name(k, x->text));
    }
    if (rows) {
        struct finding *f =
            finding_add(&k->findings, FINDING_NULL_WORDS, c->name, 1, NAN);
        f->n = rows;
        finding_reason(&k->findings, f,
                       "%s in %llu rows: a category, but it may stand for "
                       "a missing value",
                       text_get(&words), (unsigned long long)rows);
        finding_fix(&k->findings, f,
                    "%s.missing=[\"\", NA, NaN, nan, \"null\", \"?\", %s]",
                    fix_source(k), text_get(&words));
    }
    text_finish(&words);
}

static bool parses(const char *s) {
    char *end;
    while (*s == ' ')
        s++;
    if (!*s)
        return false;
    strtod(s, &end);
    while (*end == ' ')
        end++;
    return !*end;
}

static void look_mixed(struct check *k, const struct profile_column *c) {
    uint64_t rows = 0, all = 0;
    uint32_t words = 0;
    struct text list = {0};
    const struct category *first = NULL;
    for (uint32_t i = 0; i < c->category_count; i++) {
        const struct category *x = &c->categories[i];
        all += category_rows(x);
        if (parses(x->text) && !null_word(x->text))
            continue;
        rows += category_rows(x);
        first = first ? first : x;
        if (words++ < 10)
            text_addf(&list, "%s%s", words > 1 ? ", " : "", fix_name(k, x->text));
    }
    finding_looked(&k->findings, FINDING_MIXED_TYPE);
    double share = EXACT_SHARE(rows, all);
    if (rows && words <= 10 && share < k->findings.threshold[FINDING_MIXED_TYPE] &&
        c->category_count > 11) {
        struct finding *f =
            finding_add(&k->findings, FINDING_MIXED_TYPE, c->name, INFINITY, NAN);
        f->effect = 1 - share;
        f->n = rows;
        finding_row(f, profile_file_row(k->profile, first->first));
        finding_reason(&k->findings, f,
                       "all but %.2g %% of the rows are numbers; the rest: %s",
                       100 * share, text_get(&list));
        finding_fix(&k->findings, f,
                    "%s.missing=[\"\", NA, NaN, nan, \"null\", \"?\", %s]",
                    fix_source(k), text_get(&list));
    }
    text_finish(&list);
}

/* Trimmed and in lower case, hashed. */
static uint64_t plain_hash(const char *s) {
    char low[80];
    size_t n = 0;
    while (isspace((unsigned char)*s))
        s++;
    for (; s[n] && n < sizeof low; n++)
        low[n] = (char)tolower((unsigned char)s[n]);
    while (n && isspace((unsigned char)low[n - 1]))
        n--;
    return fnv1a(low, n);
}

struct plain {
    uint64_t hash;
    uint32_t code;
};

static int by_hash(const void *a, const void *b) {
    const struct plain *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->code > y->code) - (x->code < y->code);
}

static void look_spelling(struct check *k, const struct profile_column *c) {
    uint32_t n = c->category_count < PROFILE_TEXTS ? c->category_count : PROFILE_TEXTS;
    struct plain *p = memory_get(memory_mul(n + 1, sizeof *p));
    uint32_t groups = 0, at = 0;
    for (uint32_t i = 0; i < n; i++)
        p[i] = (struct plain){plain_hash(c->categories[i].text), i};
    qsort(p, n, sizeof *p, by_hash);
    for (uint32_t i = 1; i < n; i++)
        if (p[i].hash == p[i - 1].hash && (i < 2 || p[i - 2].hash != p[i].hash)) {
            at = groups++ ? at : i;
        }
    finding_looked(&k->findings, FINDING_WHITESPACE);
    if (groups) {
        const char *one = c->categories[p[at - 1].code].text;
        const char *two = c->categories[p[at].code].text;
        struct finding *f =
            finding_add(&k->findings, FINDING_WHITESPACE, c->name, groups, NAN);
        f->n = category_rows(&c->categories[p[at].code]);
        finding_row(f, profile_file_row(k->profile, c->categories[p[at].code].first));
        finding_reason(&k->findings, f,
                       "%u %s spelt in several ways, such as \"%s\" and \"%s\"", groups,
                       count_word(groups, "category is", "categories are"), one, two);
    }
    memory_release(p);
}

/* UTF-8 read as Latin-1 and written again (C3 83 C2 .., C3 82 ..), U+FFFD, controls. */
static bool looks_broken(const char *s) {
    if (strstr(s, "\xef\xbf\xbd") || strstr(s, "\xc3\x83\xc2") ||
        strstr(s, "\xc3\xa2\xc2"))
        return true;
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 && *s != '\n' && *s != '\t' && *s != '\r')
            return true;
    return false;
}

static void look_encoding(struct check *k, const struct profile_column *c) {
    uint64_t rows = 0;
    const struct category *first = NULL;
    for (uint32_t i = 0; i < c->category_count; i++)
        if (looks_broken(c->categories[i].text)) {
            rows += category_rows(&c->categories[i]);
            first = first ? first : &c->categories[i];
        }
    finding_looked(&k->findings, FINDING_ENCODING);
    if (!rows)
        return;
    struct finding *f =
        finding_add(&k->findings, FINDING_ENCODING, c->name, (double)rows, NAN);
    f->n = rows;
    finding_row(f, profile_file_row(k->profile, first->first));
    finding_reason(&k->findings, f, "%llu rows have a text that was decoded wrongly",
                   (unsigned long long)rows);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static double days_from(int year, unsigned month, unsigned day) {
    int y = month <= 2 ? year - 1 : year; /* years begin in March */
    int era = y / 400, in_era = y - era * 400;
    unsigned m = month > 2 ? month - 3 : month + 9;
    unsigned in_year = (153 * m + 2) / 5 + day - 1;
    return era * 146097.0 + in_era * 365 + in_era / 4 - in_era / 100 + (int)in_year -
           719468;
}

/* "2024-05-31", "2024-05-31 10:00", "31.05.2024", "5/31/2024": of the last two forms
 * the middle is the day only where it is above 12. */
double date_of(const char *s) {
    unsigned n[3] = {0};
    char mark[2];
    for (int i = 0; i < 3; i++) {
        size_t digits = strspn(s, "0123456789");
        if (!digits || digits > 4 || (i == 1 && digits > 2))
            return NAN;
        for (; digits; digits--)
            n[i] = n[i] * 10 + (unsigned)(*s++ - '0');
        if (i < 2) {
            mark[i] = *s++;
            if (!mark[i] || !strchr("-./", mark[i]) || mark[i] != mark[0])
                return NAN;
        }
    }
    if (*s && *s != ' ' && *s != 'T')
        return NAN;
    unsigned year = n[0] > 31 ? n[0] : n[2], day = n[0] > 31 ? n[2] : n[0];
    unsigned month = n[1];
    if (month > 12) {
        month = day;
        day = n[1];
    }
    if (year < 1000 || year > 2999 || day < 1 || day > 31 || month < 1 || month > 12)
        return NAN;
    return days_from((int)year, month, day);
}

static void look_dates(struct check *k, const struct profile_column *c) {
    uint64_t rows = 0, all = 0;
    for (uint32_t i = 0; i < c->category_count; i++) {
        uint64_t n = category_rows(&c->categories[i]);
        all += n;
        rows += isnan(date_of(c->categories[i].text)) ? 0 : n;
    }
    struct finding *f = finding_add(&k->findings, FINDING_DATE_LIKE, c->name,
                                    EXACT_SHARE(rows, all), NAN);
    f->n = rows;
    finding_reason(&k->findings, f, "%.3g %% of the rows are dates",
                   100 * EXACT_SHARE(rows, all));
    fix_transform(k, f, "date_parts", c, "");
}

static void look_categories(struct check *k, const struct profile_column *c) {
    const struct summary *s = &c->of[PROFILE_ALL];
    double limit = k->findings.threshold[FINDING_RARE_CATEGORY];
    uint64_t rare = 0, rows = 0, common = 0;
    double many = c->category_count;
    if (s->rows >= 1000 && many > (double)s->rows / 10)
        many = fmax(many, k->findings.threshold[FINDING_HIGH_CARDINALITY]);
    struct finding *f =
        finding_add(&k->findings, FINDING_HIGH_CARDINALITY, c->name, many, NAN);
    f->effect = many;
    f->n = s->rows;
    finding_reason(&k->findings, f, "%u categories in %llu rows", c->category_count,
                   (unsigned long long)s->rows);
    fix_transform(k, f, "hash", c, "");
    for (uint32_t i = 0; i < c->category_count; i++) {
        uint64_t n = c->categories[i].rows[DATA_TRAIN];
        common += (double)n >= limit;
        rare += (double)n < limit;
        rows += (double)n < limit ? n : 0;
    }
    finding_looked(&k->findings, FINDING_RARE_CATEGORY);
    if (!rare || !common)
        return;
    f = finding_add(&k->findings, FINDING_RARE_CATEGORY, c->name, 0, NAN);
    f->n = rows;
    finding_reason(
        &k->findings, f,
        "%llu of %u categories have fewer than %.15g training rows (%llu in all)",
        (unsigned long long)rare, c->category_count, limit, (unsigned long long)rows);
}

/* ---------------------------------------------------- after the transforms */

static void look_scales(struct check *k) {
    const struct sample_column *wide = NULL, *narrow = NULL, *far = NULL;
    if (!k->ready || !k->sample_count) {
        finding_skip(&k->findings, FINDING_UNSCALED,
                     "the transforms could not be fitted");
        finding_skip(&k->findings, FINDING_RANGE, "the transforms could not be fitted");
        return;
    }
    for (uint32_t i = 0; i < k->sample_count; i++) {
        const struct sample_column *s = &k->samples[i];
        double sd = moments_sd(&s->m);
        if (s->image) {
            bool flat = sd < 0.02 && s->max > s->min;
            double mean = fabs(s->m.mean);
            struct finding *f = finding_add(&k->findings, FINDING_RANGE, s->field,
                                            flat ? INFINITY : mean, NAN);
            f->n = s->m.n;
            f->effect = flat ? fmax(mean, f->threshold) : mean;
            finding_reason(
                &k->findings, f,
                "after the transforms mean %.4g, standard deviation %.4g, %.4g "
                "to %.4g",
                s->m.mean, sd, s->min, s->max);
            if (!k->prepares && s->max > 1.5 && s->max <= 255 && s->min >= 0)
                finding_fix(&k->findings, f,
                            "data.transforms+={type: scale, of: %s, factor: "
                            "0.00392156862745098}",
                            fix_name(k, s->field));
            if (!k->prepares)
                finding_fix(&k->findings, f,
                            "data.transforms+={type: standardise, of: %s}",
                            fix_name(k, s->field));
            continue;
        }
        if (!(sd > 0))
            continue;
        wide = !wide || sd > moments_sd(&wide->m) ? s : wide;
        narrow = !narrow || sd < moments_sd(&narrow->m) ? s : narrow;
        if (fabs(s->m.mean) > 1 && fabs(s->m.mean) > 10 * sd)
            far = far ? far : s;
    }
    if (!wide) {
        finding_skip(&k->findings, FINDING_UNSCALED, "no input of single numbers");
        return;
    }
    finding_skip(&k->findings, FINDING_RANGE, "no images");
    double ratio = moments_sd(&wide->m) / moments_sd(&narrow->m);
    bool off = ratio < k->findings.threshold[FINDING_UNSCALED] && far;
    struct finding *f = finding_add(&k->findings, FINDING_UNSCALED,
                                    off ? far->field : wide->field, ratio, NAN);
    f->n = k->sample_count;
    if (off) {
        f->effect = f->threshold;
        finding_reason(
            &k->findings, f,
            "element %llu has mean %.4g and standard deviation %.4g after the "
            "transforms",
            (unsigned long long)far->element + 1, far->m.mean, moments_sd(&far->m));
    } else {
        finding_reason(
            &k->findings, f,
            "standard deviations after the transforms from %.3g (%s, element "
            "%llu) to %.3g (%s, element %llu)",
            moments_sd(&narrow->m), narrow->field,
            (unsigned long long)narrow->element + 1, moments_sd(&wide->m), wide->field,
            (unsigned long long)wide->element + 1);
    }
    if (!k->prepares)
        finding_fix(&k->findings, f, "data.transforms+={type: standardise, of: %s}",
                    fix_name(k, f->field));
}

static void look_texts(struct check *k, const struct profile_column *c) {
    look_null_words(k, c);
    look_mixed(k, c);
    look_encoding(k, c);
    if (words_of(c) >= 3)
        return; /* prose */
    look_spelling(k, c);
    look_dates(k, c);
    if (!c->target)
        look_categories(k, c);
}

void check_integrity(struct check *k) {
    struct profile *p = k->profile;
    static const enum finding_id texts[] = {
        FINDING_MIXED_TYPE, FINDING_WHITESPACE,    FINDING_ENCODING,
        FINDING_DATE_LIKE,  FINDING_RARE_CATEGORY, FINDING_HIGH_CARDINALITY,
    };
    for (uint32_t i = 0; i < p->count; i++) {
        const struct profile_column *c = &p->columns[i];
        look_missing(k, c);
        look_infinite(k, c);
        look_nines(k, c);
        if (c->kind == COLUMN_TEXT)
            look_texts(k, c);
        if (!c->input || c->target)
            continue;
        look_extreme(k, c);
        look_outliers(k, c);
        look_skew(k, c);
        if (c->kind == COLUMN_TENSOR)
            continue;
        look_constant(k, c);
        look_distinct(k, c);
        look_monotone(k, c);
        look_equal(k, c, i);
    }
    finding_looked(&k->findings, FINDING_NON_FINITE);
    look_pairs(k);
    look_after(k);
    look_scales(k);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        finding_skip(&k->findings, texts[i], "no text column");
    finding_skip(&k->findings, FINDING_MISSING_LABEL, p->roles.why);
    static const enum finding_id numbers[] = {FINDING_OUTLIERS, FINDING_SKEW,
                                              FINDING_NULL_WORDS, FINDING_EXTREME};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        finding_skip(&k->findings, numbers[i], "no column of enough numbers");
    finding_skip(&k->findings, FINDING_ALL_DISTINCT,
                 "no integer or short text among the inputs");
    finding_skip(&k->findings, FINDING_ID_MONOTONE, "no input of different values");
    finding_skip(&k->findings, FINDING_CONSTANT, "no input of single values");
    finding_skip(&k->findings, FINDING_MISSING, "no inputs");
    finding_looked(&k->findings, FINDING_COLUMN_DUPLICATE);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of a table as numbers, truth values and days, by the options of the source. */
#ifndef SOURCE_CSV_NUMBER_H
#define SOURCE_CSV_NUMBER_H

#include <ctype.h>

#include <runner/sdk/missing.h>

#define CSV_NUMBER_MAX 512 /* bytes of a number with a decimal mark of its own */

struct csv_number {
    char decimal;          /* '.' */
    const char *thousands; /* between groups of digits, or NULL */
};

/* The integer part without the marks between its groups: of three digits, or of two
 * before the last (12,34,567); out behind it, or NULL when the groups are others. */
static inline char *csv_groups(const char *mark, const char **text, char *out) {
    size_t n = strlen(mark), digits = 0;
    const char *p = *text;
    int groups = 0;
    for (;;) {
        if (isdigit((unsigned char)*p)) {
            *out++ = *p++;
            digits++;
        } else if (strncmp(p, mark, n) == 0) {
            if (groups ? digits != 2 && digits != 3 : digits < 1 || digits > 3)
                return NULL;
            groups++;
            digits = 0;
            p += n;
        } else {
            break;
        }
    }
    *text = p;
    return groups && digits != 3 ? NULL : out;
}

/* The number as C writes it: the text itself, or in `room`; NULL: it is none. */
static inline const char *csv_plain(const struct csv_number *d, const char *text,
                                    char room[CSV_NUMBER_MAX]) {
    char *out = room;
    if (d->decimal == '.' && !d->thousands)
        return text;
    if (strlen(text) >= CSV_NUMBER_MAX)
        return NULL;
    if (*text == '-' || *text == '+')
        *out++ = *text++;
    if (d->thousands && !(out = csv_groups(d->thousands, &text, out)))
        return NULL;
    for (; *text; text++) {
        if (*text == '.' && d->decimal != '.')
            return NULL;
        *out++ = *text == d->decimal ? '.' : *text;
    }
    *out = '\0';
    return room;
}

static inline int csv_number(const struct csv_number *d, const char *text,
                             double *out) {
    char room[CSV_NUMBER_MAX];
    const char *plain = csv_plain(d, text, room);
    return plain && rn_cell_number(plain, out);
}

static inline int csv_integer(const struct csv_number *d, const char *text,
                              int64_t *out) {
    char room[CSV_NUMBER_MAX];
    const char *plain = csv_plain(d, text, room);
    return plain && rn_cell_integer(plain, out);
}

/* true/false, yes/no, t/f, y/n in any case, 1/0 (with a fraction of zeros, as pandas
 * writes a column with missing cells). */
static inline int csv_truth(const char *text, int64_t *out) {
    static const char *const words[2][7] = {
        {"false", "no", "f", "n", "0", "0.0", "off"},
        {"true", "yes", "t", "y", "1", "1.0", "on"}};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 7; i++) {
            const char *a = words[k][i], *b = text;
            while (*a && *a == tolower((unsigned char)*b))
                a++, b++;
            if (!*a && !*b) {
                *out = k;
                return 1;
            }
        }
    return 0;
}

/* Digits of text at *p, n of them. */
static inline int csv_digits(const char **p, int n, int *out) {
    for (*out = 0; n > 0; n--, ++*p) {
        if (!isdigit((unsigned char)**p))
            return 0;
        *out = 10 * *out + (**p - '0');
    }
    return 1;
}

/* Days from 1970-01-01 to a day of the Gregorian calendar: years begin in March, so
 * that the day that comes and goes is the last. */
static inline int64_t csv_days(int year, int month, int day) {
    static const int before[12] = {306, 337, 0,   31,  61,  92,
                                   122, 153, 184, 214, 245, 275};
    int64_t y = year - (month < 3);
    return 365 * y + y / 4 - y / 100 + y / 400 + before[month - 1] + day - 719469;
}

static inline int csv_month_days(int year, int month) {
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2                                              ? 28 + leap
           : month == 4 || month == 6 || month == 9 || month == 11 ? 30
                                                                   : 31;
}

/* hh:mm, hh:mm:ss or hh:mm:ss.fff at *p in days. */
static inline int csv_clock(const char **p, double *out) {
    int hour, minute, second = 0;
    double fraction = 0.0;
    if (!csv_digits(p, 2, &hour) || *(*p)++ != ':' || !csv_digits(p, 2, &minute))
        return 0;
    if (**p == ':') {
        ++*p;
        if (!csv_digits(p, 2, &second))
            return 0;
        if (**p == '.' && isdigit((unsigned char)(*p)[1])) {
            char *end;
            fraction = strtod(*p, &end);
            *p = end;
        }
    }
    *out = (3600.0 * hour + 60.0 * minute + second + fraction) / 86400.0;
    return hour < 24 && minute < 60 && second < 60;
}

/* Days since 1970-01-01 (UTC) of a date or a time of ISO 8601: YYYY-MM-DD, then
 * optionally a blank or T and hh:mm[:ss[.fff]], then optionally Z or +hh:mm. */
static inline int csv_date(const char *text, double *out) {
    const char *p = text;
    int year, month, day, hours, minutes;
    double clock = 0.0;
    if (!csv_digits(&p, 4, &year) || *p++ != '-' || !csv_digits(&p, 2, &month) ||
        *p++ != '-' || !csv_digits(&p, 2, &day))
        return 0;
    if (year < 1 || month < 1 || month > 12 || day < 1 ||
        day > csv_month_days(year, month))
        return 0;
    if (*p == ' ' || *p == 'T') {
        p++;
        if (!csv_clock(&p, &clock))
            return 0;
        if (*p == 'Z') {
            p++;
        } else if (*p == '+' || *p == '-') {
            double sign = *p++ == '+' ? 1.0 : -1.0;
            if (!csv_digits(&p, 2, &hours))
                return 0;
            p += *p == ':';
            if (!csv_digits(&p, 2, &minutes))
                return 0;
            clock -= sign * (60.0 * hours + minutes) / 1440.0;
        }
    }
    *out = (double)csv_days(year, month, day) + clock;
    return !*p;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Times of rows: numbers, or dates of ISO 8601. */
#include <math.h>
#include <string.h>

#include <runner/sdk/field.h>

#include "base/dtype.h"
#include "data/drop.h"
#include "data/keys.h"

#define DAY_NS (86400.0L * 1e9L)

/* `n` digits at *s. */
static bool digits(const char **s, const char *end, int n, int *out) {
    *out = 0;
    for (; n--; ++*s) {
        if (*s >= end || **s < '0' || **s > '9')
            return false;
        *out = *out * 10 + (**s - '0');
    }
    return true;
}

static bool skip(const char **s, const char *end, char c) {
    bool there = *s < end && **s == c;
    *s += there;
    return there;
}

/* Days from 1970-01-01 in the Gregorian calendar (Hinnant, days_from_civil). */
static int64_t days_of(int64_t y, int m, int d) {
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int month_days(int y, int m) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[m - 1] + (m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
}

/* hh:mm, or hhmm, of an offset. */
static bool read_offset(const char **s, const char *end, int *minutes) {
    int h, m = 0, sign = skip(s, end, '-') ? -1 : skip(s, end, '+') ? 1 : 0;
    *minutes = 0;
    if (!sign)
        return skip(s, end, 'Z') || true;
    if (!digits(s, end, 2, &h))
        return false;
    bool colon = skip(s, end, ':');
    if ((colon || *s < end) && !digits(s, end, 2, &m))
        return false;
    *minutes = sign * (h * 60 + m);
    return h < 24 && m < 60;
}

bool date_read(const char *s, uint64_t n, long double *out) {
    const char *end = s + n;
    int y, mo, d, h = 0, mi = 0, sec = 0, offset = 0;
    long double part = 0, unit = 0.1L;
    if (!digits(&s, end, 4, &y) || !skip(&s, end, '-') || !digits(&s, end, 2, &mo) ||
        !skip(&s, end, '-') || !digits(&s, end, 2, &d))
        return false;
    if (mo < 1 || mo > 12 || d < 1 || d > month_days(y, mo))
        return false;
    if (s < end) {
        if (!skip(&s, end, 'T') && !skip(&s, end, ' '))
            return false;
        if (!digits(&s, end, 2, &h) || !skip(&s, end, ':') || !digits(&s, end, 2, &mi))
            return false;
        if (skip(&s, end, ':') && !digits(&s, end, 2, &sec))
            return false;
        if (skip(&s, end, '.'))
            for (; s < end && *s >= '0' && *s <= '9'; s++, unit /= 10)
                part += unit * (*s - '0');
        if (!read_offset(&s, end, &offset))
            return false;
    }
    if (s != end || h > 24 || mi > 59 || sec > 60 || (h == 24 && (mi || sec)))
        return false;
    int64_t seconds = ((days_of(y, mo, d) * 24 + h) * 60 + mi - offset) * 60 + sec;
    *out = (long double)seconds * 1e9L + roundl(part * 1e9L);
    return true;
}

/* -------------------------------------------------------------------- columns */

struct times {
    struct data *data;
    uint32_t column;
    long double *out;
    uint64_t missing, first; /* rows without a time; the first of them */
};

static int not_a_time(const struct times *t, uint64_t row, const char *s, uint64_t n,
                      struct rn_error *e) {
    const struct table *table = &t->data->sources.at[t->data->sources.main];
    const struct column *c = &t->data->pipeline.columns[t->column];
    error_set(e, RN_E_DATA, "%s: row %llu, field '%s': '%.*s' is not a date",
              table_file(table, c), (unsigned long long)pool_row(t->data, row) + 1,
              c->field.name, (int)(n < 40 ? n : 40), s);
    error_hint(e, "dates are of ISO 8601: 2024-01-31, 2024-01-31T12:30:00Z");
    return error_where(e, RN_WHERE_CONFIG, "split.by", 0, 0);
}

static long double number_of(const void *values, rn_dtype dtype, uint64_t i) {
    double v;
    if (!dtype_float(dtype)) {
        int64_t whole = rn_integer_get(values, dtype, i);
        return dtype == RN_I64 && whole == RN_MISSING_I64 ? (long double)NAN
                                                          : (long double)whole;
    }
    rn_numbers_get(values, dtype, i, 1, &v);
    return v;
}

static int read_times(void *context, const struct reader *r, uint64_t first, uint64_t n,
                      struct rn_error *e) {
    struct times *t = context;
    const struct column *c = &t->data->pipeline.columns[t->column];
    bool text = (c->field.flags & RN_FIELD_TEXT) != 0;
    for (uint64_t i = 0; i < n; i++) {
        const char *s = (const char *)r->columns[t->column] + i * c->bytes;
        uint64_t length = text ? strnlen(s, c->bytes) : 0;
        long double *out = &t->out[first + i];
        *out = text ? (long double)NAN
                    : number_of(r->columns[t->column], c->field.dtype, i);
        if (length && !date_read(s, length, out))
            return not_a_time(t, first + i, s, length, e);
        if (isnan(*out) && !t->missing++)
            t->first = first + i;
    }
    return RN_OK;
}

int keys_times(struct data *data, uint32_t column, long double *out, long double *unit,
               struct rn_error *e) {
    const struct column *c = &data->pipeline.columns[column];
    bool text = (c->field.flags & RN_FIELD_TEXT) != 0;
    struct times t = {.data = data, .column = column, .out = out};
    *unit = text ? DAY_NS : 1.0L;
    if (field_variable(&c->field) || (c->field.rank && !text)) {
        error_set(e, RN_E_CONFIG,
                  "data.split.by: '%s' is neither a number nor a text of fixed width",
                  c->field.name);
        return error_where(e, RN_WHERE_CONFIG, "split.by", 0, 0);
    }
    int status = keys_rows(data, &column, 1, read_times, &t, e);
    if (status == RN_OK && t.missing)
        status = keys_missing(data, "by", column, t.first, t.missing, e);
    return status;
}

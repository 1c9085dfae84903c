/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of a date and time, in UTC and the Gregorian calendar: year, month, weekday
 * and the like, and sines and cosines of their cycles. Dates are days, seconds or
 * milliseconds since 1970-01-01 (the csv source gives days), or texts as in ISO 8601.
 * Nothing is fitted. */
#include <runner/sdk/columns.h>

#define PARTS_MAX 32u

struct moment {
    int64_t year;
    int month, day, hour, minute, second; /* month and day from 1 */
    int weekday, yearday;                 /* Monday is 0; 1 January is 1 */
    int leap, length;                     /* days of the month */
};

static int is_leap(int64_t y) {
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static int month_length(int64_t y, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(y));
}

/* Days from 1970-01-01 to 1 January of a year: 365 a year, and the leap days between.
 */
static int64_t days_before(int64_t y) {
    int64_t p = y - 1;
    int64_t leaps = (p >= 0 ? p / 4 - p / 100 + p / 400
                            : -((3 - p) / 4 - (99 - p) / 100 + (399 - p) / 400));
    return 365 * (y - 1970) + leaps - 477;
}

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

static struct moment moment_of(int64_t ms) {
    struct moment m = {0};
    int64_t days = floor_div(ms, 86400000), left = ms - days * 86400000;
    m.year = 1970 + floor_div(days * 400, 146097);
    while (days_before(m.year) > days)
        m.year--;
    while (days_before(m.year + 1) <= days)
        m.year++;
    int day = (int)(days - days_before(m.year));
    m.yearday = day + 1;
    m.leap = is_leap(m.year);
    for (m.month = 1; day >= month_length(m.year, m.month); m.month++)
        day -= month_length(m.year, m.month);
    m.day = day + 1;
    m.length = month_length(m.year, m.month);
    m.weekday = (int)(days + 3 - 7 * floor_div(days + 3, 7));
    m.hour = (int)(left / 3600000);
    m.minute = (int)(left / 60000 % 60);
    m.second = (int)(left / 1000 % 60);
    return m;
}

enum part {
    YEAR,
    QUARTER,
    MONTH,
    DAY,
    YEARDAY,
    WEEKDAY,
    HOUR,
    MINUTE,
    SECOND,
    MONTH_START,
    MONTH_END,
    WEEKEND,
    MONTH_SIN,
    MONTH_COS,
    DAY_SIN,
    DAY_COS,
    YEARDAY_SIN,
    YEARDAY_COS,
    WEEKDAY_SIN,
    WEEKDAY_COS,
    HOUR_SIN,
    HOUR_COS,
    PARTS
};

static const char *const names[PARTS] = {
    "year",         "quarter",     "month",       "day",         "yearday",
    "weekday",      "hour",        "minute",      "second",      "is_month_start",
    "is_month_end", "is_weekend",  "month_sin",   "month_cos",   "day_sin",
    "day_cos",      "yearday_sin", "yearday_cos", "weekday_sin", "weekday_cos",
    "hour_sin",     "hour_cos"};

/* Where it is in its cycle, 0..1. */
static double cycle(const struct moment *m, enum part p) {
    switch (p) {
    case MONTH_SIN:
    case MONTH_COS:
        return (m->month - 1) / 12.0;
    case DAY_SIN:
    case DAY_COS:
        return (m->day - 1) / (double)m->length;
    case YEARDAY_SIN:
    case YEARDAY_COS:
        return (m->yearday - 1) / (365.0 + m->leap);
    case WEEKDAY_SIN:
    case WEEKDAY_COS:
        return m->weekday / 7.0;
    default:
        return (m->hour + m->minute / 60.0 + m->second / 3600.0) / 24.0;
    }
}

static double part_of(const struct moment *m, enum part p) {
    const double turn = 6.283185307179586;
    switch (p) {
    case YEAR:
        return (double)m->year;
    case QUARTER:
        return (m->month + 2) / 3;
    case MONTH:
        return m->month;
    case DAY:
        return m->day;
    case YEARDAY:
        return m->yearday;
    case WEEKDAY:
        return m->weekday;
    case HOUR:
        return m->hour;
    case MINUTE:
        return m->minute;
    case SECOND:
        return m->second;
    case MONTH_START:
        return m->day == 1;
    case MONTH_END:
        return m->day == m->length;
    case WEEKEND:
        return m->weekday >= 5;
    default:
        return (p - MONTH_SIN) % 2 ? cos(turn * cycle(m, p)) : sin(turn * cycle(m, p));
    }
}

/* ------------------------------------------------------------------- texts */

struct cursor {
    const char *p, *end;
};

/* Exactly n digits; -1: they are not there. */
static int digits(struct cursor *c, int n) {
    int x = 0;
    for (; n > 0; n--, c->p++) {
        if (c->p == c->end || *c->p < '0' || *c->p > '9')
            return -1;
        x = 10 * x + (*c->p - '0');
    }
    return x;
}

static int at(struct cursor *c, char a) {
    if (c->p == c->end || *c->p != a)
        return 0;
    c->p++;
    return 1;
}

/* [:]hh:mm[:ss[.digits]]; in ms, -1: not a time. */
static int64_t clock_of(struct cursor *c) {
    int hour = digits(c, 2), minute = at(c, ':') ? digits(c, 2) : -1, second = 0,
        ms = 0;
    if (at(c, ':'))
        second = digits(c, 2);
    if (second >= 0 && at(c, '.'))
        for (int unit = 100; c->p < c->end && *c->p >= '0' && *c->p <= '9';
             c->p++, unit /= 10)
            ms += unit * (*c->p - '0');
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
        return -1;
    return ((hour * 60 + minute) * 60 + second) * 1000ll + ms;
}

/* YYYY-MM-DD, then perhaps T or a blank and a time, then perhaps Z or +hh:mm. 0: it is
 * another text. */
static int read_text(const char *text, size_t n, int64_t *ms) {
    struct cursor c = {text, text + n};
    int year = digits(&c, 4), month = at(&c, '-') ? digits(&c, 2) : -1;
    int day = month > 0 && at(&c, '-') ? digits(&c, 2) : -1;
    int64_t days, clock = 0, shift = 0;
    if (year < 0 || month < 1 || month > 12 || day < 1 ||
        day > month_length(year, month))
        return 0;
    days = days_before(year) + day - 1;
    for (int m = 1; m < month; m++)
        days += month_length(year, m);
    if (at(&c, 'T') || at(&c, ' '))
        clock = clock_of(&c);
    if (clock >= 0 && c.p < c.end && (*c.p == '+' || *c.p == '-')) {
        int sign = *c.p++ == '+' ? 1 : -1;
        shift = clock_of(&c);
        clock = shift < 0 ? -1 : clock;
        shift *= sign;
    } else
        at(&c, 'Z');
    *ms = days * 86400000 + clock - shift;
    return clock >= 0 && c.p == c.end;
}

/* --------------------------------------------------------------- transform */

struct date_parts {
    struct rn_columns columns; /* only: which fields are taken, if numbers */
    enum part parts[PARTS_MAX];
    uint32_t part_count;
    double unit; /* ms */
    uint32_t count;
    char (*names)[RN_FITTED_NAME]; /* [count] of the last plan */
};

static const struct rn_columns_kind kind = {.part_count = 0};

static void destroy(void *self) {
    struct date_parts *s = self;
    if (s) {
        free(s->names);
        rn_columns_finish(&s->columns);
    }
    free(s);
}

static int32_t take_parts(struct date_parts *s, struct rn_host *h, struct rn_error *e) {
    uint32_t n = rn_get_count(h, "parts");
    if (n < 1 || n > PARTS_MAX)
        return rn_fail_option(e, RN_E_CONFIG, "parts", "must list 1 to %u parts",
                              PARTS_MAX);
    for (s->part_count = 0; s->part_count < n; s->part_count++) {
        char path[32];
        int p = 0;
        const char *word =
            rn_get_string(h, rn_path(path, sizeof path, "parts", s->part_count));
        while (p < PARTS && strcmp(names[p], word) != 0)
            p++;
        if (p == PARTS)
            return rn_fail_option(e, RN_E_CONFIG, path, "'%s' is not a part of a date",
                                  word);
        s->parts[s->part_count] = (enum part)p;
    }
    return RN_OK;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct date_parts *s = calloc(1, sizeof *s);
    const char *unit = rn_get_string(h, "unit");
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    rn_columns_init(&s->columns, &kind, h, 0);
    s->columns.texts = 1;
    s->unit = strcmp(unit, "days") == 0 ? 86400000.0
              : strcmp(unit, "s") == 0  ? 1000.0
                                        : 1.0;
    return take_parts(s, h, e);
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    struct date_parts *s = self;
    int32_t status = rn_columns_plan(&s->columns, plan, e);
    free(s->names);
    s->names = calloc(plan->in_count + 1u, sizeof *s->names);
    if (status == RN_OK && !s->names)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    for (uint32_t i = 0; i < plan->in_count && status == RN_OK; i++) {
        struct rn_field *out = &plan->out[i];
        if (plan->in[i].rank > RN_MAX_RANK - 2 ||
            strlen(plan->in[i].name) >= RN_FITTED_NAME)
            return rn_failf(e, RN_E_CONFIG, NULL, 0, 0,
                            "field '%s' has too many axes or too long a name",
                            plan->in[i].name);
        snprintf(s->names[i], sizeof s->names[i], "%s", plan->in[i].name);
        out->name = s->names[i];
        out->dtype = RN_F64;
        out->flags &= RN_FIELD_NULLABLE;
        out->rank = s->columns.in[i].text ? 0 : out->rank;
        out->shape[out->rank++] = s->part_count;
        rn_layout_forget(plan, i);
        for (uint32_t k = 0; k < s->part_count && out->rank == 1; k++) {
            const char *part = names[s->parts[k]];
            rn_layout_join(plan, i, out->name, strlen(out->name), "_", part,
                           strlen(part));
        }
    }
    return status;
}

/* 1, or 0: it is missing; a negative status: not a date. */
static int32_t read_date(const struct date_parts *s, uint32_t i,
                         const struct rn_tensor *in, uint64_t k, int64_t *ms,
                         struct rn_error *e) {
    const char *name = s->names[i];
    double x;
    if (s->columns.in[i].text) {
        const char *p = (const char *)in->data + k * s->columns.in[i].bytes;
        size_t n = strnlen(p, s->columns.in[i].bytes);
        return !n ? 0
               : read_text(p, n, ms)
                   ? 1
                   : rn_failf(e, RN_E_DATA, NULL, 0, 0,
                              "field '%s': '%.*s' is not a date (YYYY-MM-DD, then "
                              "perhaps hh:mm:ss)",
                              name, (int)(n < 80 ? n : 80), p);
    }
    rn_columns_get(&s->columns, i, in, k, 1, &x);
    if (x != x)
        return 0;
    x = floor(x * s->unit + 0.5);
    if (fabs(x) > 1e15)
        return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                        "field '%s': %g is too far from 1970 for a date", name,
                        x / s->unit);
    *ms = (int64_t)x;
    return 1;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct date_parts *s = self;
    for (uint32_t i = 0; i < s->columns.in_count; i++) {
        const struct rn_columns_field *f = s->columns.in[i].of;
        double *y = call->out[i].data;
        uint64_t n = call->rows * (f ? f->elements : 1);
        for (uint64_t k = 0; k < n; k++) {
            int64_t ms = 0;
            int32_t there = read_date(s, i, &call->in[i], k, &ms, e);
            if (there < 0)
                return there;
            struct moment m = moment_of(ms);
            for (uint32_t p = 0; p < s->part_count; p++)
                *y++ = there ? part_of(&m, s->parts[p]) : NAN;
        }
    }
    return RN_OK;
}

static const struct rn_transform iface = {sizeof(struct rn_transform),
                                          0,
                                          create,
                                          destroy,
                                          plan,
                                          NULL,
                                          NULL,
                                          NULL,
                                          apply,
                                          NULL,
                                          NULL,
                                          NULL};

RN_TRANSFORM(date_parts, iface, "runner/date_parts 1",
             RN_DOC("Numbers of a date and time in UTC, f64 [parts]")
             RN_OPTION("of list(string) ; required | fields of numbers, or of texts "
                       "YYYY-MM-DD, then perhaps T or a blank and hh:mm[:ss[.s]], then "
                       "perhaps Z or +hh:mm")
             RN_OPTION("parts list(string) ; required | in order, of: year, quarter, "
                       "month, day, yearday, weekday (Monday 0), hour, minute, second, "
                       "is_month_start, is_month_end, is_weekend; month, day, yearday, "
                       "weekday and hour also with _sin and _cos, their place in the "
                       "cycle")
             RN_OPTION("unit choice(days,s,ms) = days | of numbers, since 1970-01-01"));
RN_PLUGIN(&date_parts);

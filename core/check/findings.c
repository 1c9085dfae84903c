/* SPDX-License-Identifier: Apache-2.0 */
/* The table of findings; collecting, testing and ordering them. */
#include "check/findings.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "check/statistics.h"

#define FALSE_DISCOVERIES 0.01

const struct finding_kind finding_kinds[FINDING_COUNT] = {
#define FINDING(id, code, family, severity, threshold, limit, tested, ...)             \
    {code,          FAMILY_##family, SEVERITY_##severity, threshold,                   \
     LIMIT_##limit, tested,          __VA_ARGS__},
#include "check/findings.def"
};

const char *severity_name(enum severity s) {
    static const char *const names[] = {"note", "warn", "error"};
    return names[s];
}

const char *family_name(enum family f) {
    static const char *const names[] = {"integrity", "target", "leak", "drift"};
    return names[f];
}

enum finding_id finding_find(const char *code) {
    int i = 0;
    while (i < FINDING_COUNT && strcmp(finding_kinds[i].code, code) != 0)
        i++;
    return (enum finding_id)i;
}

void findings_init(struct findings *f, struct arena *a) {
    *f = (struct findings){.arena = a};
    for (int i = 0; i < FINDING_COUNT; i++) {
        f->threshold[i] = finding_kinds[i].threshold;
        f->asked[i] = true;
    }
}

void findings_finish(struct findings *f) {
    memory_release(f->at);
}

void finding_looked(struct findings *f, enum finding_id id) {
    f->state[id] = FINDING_LOOKED;
}

void finding_skip(struct findings *f, enum finding_id id, const char *why) {
    if (f->state[id] != FINDING_NOT_ASKED)
        return;
    f->state[id] = FINDING_NOT_APPLICABLE;
    f->why[id] = why;
}

struct finding *finding_add(struct findings *f, enum finding_id id, const char *field,
                            double effect, double p) {
    finding_looked(f, id);
    vec_push(f->at, f->count, f->capacity,
             (struct finding){.id = id,
                              .severity = finding_kinds[id].severity,
                              .field = field,
                              .effect = effect,
                              .threshold = f->threshold[id],
                              .p = p,
                              .q = NAN,
                              .reason = ""});
    return &f->at[f->count - 1];
}

static const char *format_in(struct arena *a, const char *format, va_list args) {
    char line[2000];
    vsnprintf(line, sizeof line, format, args);
    return arena_copy(a, line);
}

void finding_reason(struct findings *f, struct finding *x, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *line = format_in(f->arena, format, args);
    va_end(args);
    x->reason = *x->reason ? arena_format(f->arena, "%s\n%s", x->reason, line) : line;
}

void finding_fix(struct findings *f, struct finding *x, const char *format, ...) {
    va_list args;
    if (x->fix_count == FINDING_FIXES)
        return;
    va_start(args, format);
    x->fixes[x->fix_count++] = format_in(f->arena, format, args);
    va_end(args);
}

void finding_row(struct finding *x, uint64_t row) {
    if (x->row_count < FINDING_ROWS)
        x->rows[x->row_count++] = row;
}

/* ------------------------------------------------------------------ settling */

static void correct(struct findings *f, enum finding_id id) {
    double *p = memory_get(memory_mul(f->count + 1, sizeof *p));
    double *q = memory_get(memory_mul(f->count + 1, sizeof *q));
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->count; i++)
        if (f->at[i].id == id && !isnan(f->at[i].p))
            p[n++] = f->at[i].p;
    false_discovery(p, q, n);
    n = 0;
    for (uint32_t i = 0; i < f->count; i++)
        if (f->at[i].id == id && !isnan(f->at[i].p))
            f->at[i].q = q[n++];
    memory_release(p);
    memory_release(q);
}

static bool stands(const struct findings *f, const struct finding *x) {
    enum limit limit = finding_kinds[x->id].limit;
    bool effect = limit == LIMIT_BELOW  ? x->effect < x->threshold
                  : limit == LIMIT_FROM ? x->effect >= x->threshold
                                        : x->effect > 0;
    return f->asked[x->id] && effect && !(x->q > FALSE_DISCOVERIES);
}

/* Stable: those of one kind stay in the order of the columns. */
static bool before(const struct finding *a, const struct finding *b) {
    return a->severity != b->severity ? a->severity > b->severity : a->id < b->id;
}

static void order(struct finding *x, uint32_t n, struct finding *scratch) {
    if (n < 2)
        return;
    uint32_t half = n / 2, i = 0, j = half, k = 0;
    order(x, half, scratch);
    order(x + half, n - half, scratch);
    while (i < half || j < n)
        scratch[k++] = j == n || (i < half && !before(&x[j], &x[i])) ? x[i++] : x[j++];
    memcpy(x, scratch, n * sizeof *x);
}

void findings_settle(struct findings *f) {
    uint32_t kept = 0;
    for (int i = 0; i < FINDING_COUNT; i++)
        if (finding_kinds[i].tested)
            correct(f, (enum finding_id)i);
    for (uint32_t i = 0; i < f->count; i++)
        if (stands(f, &f->at[i]))
            f->at[kept++] = f->at[i];
    f->count = kept;
    struct finding *scratch = memory_get(memory_mul(kept + 1, sizeof *scratch));
    order(f->at, kept, scratch);
    memory_release(scratch);
}

uint32_t findings_count(const struct findings *f, enum severity s) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->count; i++)
        n += f->at[i].severity == s;
    return n;
}

/* ---------------------------------------------------------------------- words */

void finding_explain(enum finding_id id, struct text *out) {
    const struct finding_kind *k = &finding_kinds[id];
    text_addf(out, "%s (%s, %s): %s.\n\n%s\n", k->code, family_name(k->family),
              severity_name(k->severity), k->detects, k->method);
    if (k->limit != LIMIT_ANY)
        text_addf(out, "Threshold: %.15g; check.thresholds: {%s: ...} changes it.\n",
                  k->threshold, k->code);
    if (k->tested)
        text_add(out,
                 "Reported only if the evidence survives Benjamini-Hochberg at q = "
                 "0.01 over all columns.\n");
    if (*k->source)
        text_addf(out, "Source: %s.\n", k->source);
    text_addf(out, "\n%s\n", k->advice);
}

static void add_cell(struct text *out, const char *s) {
    for (; *s; s++)
        text_addf(out, *s == '|' ? "\\%c" : "%c", *s);
}

void findings_docs(struct text *out) {
    text_add(
        out,
        "# Findings\n\nWhat [`runner check`](check.md) looks for. Made by `runner "
        "check --docs`; `runner check --explain CODE` prints one. *Tested*: "
        "reported only if the evidence survives Benjamini-Hochberg at q = 0.01 over "
        "all columns, whatever the effect.\n");
    for (int f = 0; f < FAMILIES; f++) {
        text_addf(
            out,
            "\n## %s\n\n| code | severity | detects | method | threshold | what to "
            "do |\n|---|---|---|---|---|---|\n",
            family_name((enum family)f));
        for (int i = 0; i < FINDING_COUNT; i++) {
            const struct finding_kind *k = &finding_kinds[i];
            if (k->family != (enum family)f)
                continue;
            text_addf(out, "| `%s` | %s | ", k->code, severity_name(k->severity));
            add_cell(out, k->detects);
            text_add(out, " | ");
            add_cell(out, k->method);
            if (*k->source)
                text_addf(out, " (%s)", k->source);
            if (k->limit != LIMIT_ANY)
                text_addf(out, " | %s%.15g%s | ",
                          k->limit == LIMIT_BELOW ? "below " : "", k->threshold,
                          k->tested ? ", tested" : "");
            else
                text_addf(out, " | any%s | ", k->tested ? ", tested" : "");
            add_cell(out, k->advice);
            text_add(out, " |\n");
        }
    }
}

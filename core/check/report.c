/* SPDX-License-Identifier: Apache-2.0 */
/* A check as people read it: a table of the columns, the classes, the findings. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/dtype.h"
#include "check/check.h"

#define WIDTH  80u
#define INDENT 22u /* of a finding's reason */
#define SHOWN  12u /* columns, without --all */
#define ALIKE  3u  /* findings of one kind, without --all */

/* -------------------------------------------------------------------- pieces */

static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

/* Characters on a terminal: bytes that begin one. */
static size_t width_of(const char *s, size_t bytes) {
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += ((unsigned char)s[i] & 0xc0) != 0x80;
    return n;
}

/* s, cut to at most `most` characters, and blanks up to `width`. */
static void add_left(struct text *out, const char *s, size_t width) {
    size_t bytes = 0, n = 0, all = strlen(s);
    bool cut = width_of(s, all) > width;
    while (bytes < all && n < (cut ? width - 1 : width)) {
        bytes++;
        while (((unsigned char)s[bytes] & 0xc0) == 0x80)
            bytes++;
        n++;
    }
    text_add_n(out, s, bytes);
    if (cut) {
        text_add(out, "~");
        n++;
    }
    for (; n < width; n++)
        text_add(out, " ");
}

static void add_count(struct text *out, uint64_t n) {
    char digits[32];
    int k = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    for (int i = 0; i < k; i++) {
        if (i && (k - i) % 3 == 0)
            text_add(out, ",");
        text_addf(out, "%c", digits[i]);
    }
}

/* As many of four digits as fit into seven characters. */
static void number_text(double v, char out[32]) {
    if (isnan(v)) {
        snprintf(out, 32, "-");
        return;
    }
    for (int digits = 4; digits > 0; digits--)
        if (snprintf(out, 32, "%.*g", digits, v) <= 7)
            return;
}

static void add_number(struct text *out, double v) {
    char s[32];
    number_text(v, s);
    text_addf(out, " %7s", s);
}

static void share_text(uint64_t part, uint64_t all, char out[32]) {
    double share = all ? 100 * (double)part / (double)all : 0;
    if (!part)
        snprintf(out, 32, "0");
    else if (share < 0.1)
        snprintf(out, 32, "%llu", (unsigned long long)part);
    else
        snprintf(out, 32, share > 99.94 ? "%.0f %%" : "%.1f %%", share);
}

/* ------------------------------------------------------------------- the table */

static void add_head(const struct check *c, struct text *out) {
    const struct profile *p = c->profile;
    const char *file = data_file(c->data, DATA_TRAIN);
    const char *name = file && strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    text_addf(out, "data: %s, ", name ? name : "?");
    add_count(out, p->rows);
    text_addf(out, " rows x %u\n", p->count);
    for (int s = 0; s < DATA_SPLITS; s++)
        if (p->of[s]) {
            text_addf(out, "%s%s ", s ? "   " : "",
                      data_split_name((enum data_split_kind)s));
            add_count(out, p->of[s]);
        }
    text_addf(out, "   split %.6s   %.1f s\n\n", data_split_hash(c->data), c->seconds);
}

static const char *type_text(const struct profile_column *c) {
    return c->kind == COLUMN_TEXT || c->kind == COLUMN_LENGTH ? "text"
                                                              : dtype_name(c->dtype);
}

static void add_shape(const struct profile_column *c, struct text *out) {
    text_add(out, " ");
    if (c->kind != COLUMN_TEXT) {
        for (uint32_t i = 0; i < PROFILE_BARS && c->kind != COLUMN_TENSOR; i++)
            text_add(out, blocks[c->bars[i]]);
        return;
    }
    if (c->top_count)
        text_addf(out, "%.20s %.0f %%", c->top[0].text,
                  100 * (double)c->top[0].count / (double)c->of[PROFILE_ALL].rows);
}

/* Blanks at the end of the last line are nothing. */
static void end_line(struct text *out) {
    while (out->length && out->s[out->length - 1] == ' ')
        out->s[--out->length] = '\0';
    text_add(out, "\n");
}

static void add_row(const struct profile_column *c, struct text *out) {
    const struct summary *s = &c->of[PROFILE_ALL];
    bool text = c->kind == COLUMN_TEXT;
    char missing[32];
    struct text line = {0};
    share_text(s->missing, s->rows, missing);
    add_left(&line, c->name, 12);
    text_add(&line, " ");
    add_left(&line, type_text(c), 4);
    text_addf(&line, " %6s", missing);
    add_number(&line, text || !s->m.n ? NAN : s->m.mean);
    add_number(&line, text ? NAN : moments_sd(&s->m));
    add_number(&line, text ? NAN : s->min);
    add_number(&line, text ? NAN : c->p50);
    add_number(&line, text ? NAN : s->max);
    if (c->kind == COLUMN_TENSOR)
        text_add(&line, "      -");
    else if (c->distinct < 1000000)
        text_addf(&line, " %6llu", (unsigned long long)c->distinct);
    else
        text_addf(&line, " %5.3gM", (double)c->distinct / 1e6);
    add_shape(c, &line);
    add_left(out, text_get(&line), WIDTH);
    end_line(out);
    text_finish(&line);
}

static void add_table(const struct check *c, bool all, struct text *out) {
    const struct profile *p = c->profile;
    uint32_t n = all || p->count <= SHOWN + 2 ? p->count : SHOWN;
    text_add(out, "field        type missing   mean     std     min  median     max"
                  " values shape\n");
    for (uint32_t i = 0; i < n; i++)
        add_row(&p->columns[i], out);
    if (n < p->count)
        text_addf(out, "...%u more: --all\n", p->count - n);
    text_add(out, "\n");
}

static void add_classes(const struct check *c, bool all, struct text *out) {
    const struct profile *p = c->profile;
    if (p->target_kind != TARGET_CLASSES || !p->classes)
        return;
    uint64_t most = 0, least = UINT64_MAX, rows = 0;
    uint32_t shown = all || p->classes <= 6 ? p->classes : 4;
    for (uint32_t k = 0; k < p->classes; k++) {
        uint64_t n = 0;
        for (int s = 0; s < DATA_SPLITS; s++)
            n += p->class_rows[k * DATA_SPLITS + (uint32_t)s];
        most = n > most ? n : most;
        least = n < least ? n : least;
        rows += n;
    }
    struct text line = {0};
    for (uint32_t k = 0; k < shown; k++) {
        uint64_t n = 0;
        for (int s = 0; s < DATA_SPLITS; s++)
            n += p->class_rows[k * DATA_SPLITS + (uint32_t)s];
        text_addf(&line, "%.16s %.1f %%  ", p->class_names[k],
                  100 * (double)n / (double)rows);
    }
    if (shown < p->classes)
        text_addf(&line, "...%u more  ", p->classes - shown);
    text_addf(&line, "(%.3g : 1)", (double)most / (double)least);
    add_left(out, p->columns[p->target].name, 12);
    text_addf(out, " %s\n\n", text_get(&line));
    text_finish(&line);
}

/* ---------------------------------------------------------------- the findings */

/* What is in the data may be anything: no control character reaches the terminal. */
static void make_printable(struct text *t) {
    for (size_t i = 0; i < t->length; i++)
        if (((unsigned char)t->s[i] < 0x20 && t->s[i] != '\n') || t->s[i] == 0x7f)
            t->s[i] = '?';
}

/* Words, broken at blanks before column WIDTH; at: where the cursor is. */
static void add_words_from(struct text *out, const char *s, size_t *at, int indent) {
    bool first = true;
    while (*s) {
        size_t n = strcspn(s, " \n"), w = width_of(s, n);
        if (!first && *at + 1 + w > WIDTH) {
            text_addf(out, "\n%*s", indent, "");
            *at = (size_t)indent;
            first = true;
        }
        if (!first) {
            text_add(out, " ");
            ++*at;
        }
        text_add_n(out, s, n);
        *at += w;
        first = false;
        s += n;
        if (*s == '\n') {
            text_addf(out, "\n%*s", indent, "");
            *at = (size_t)indent;
            first = true;
        }
        s += *s != '\0';
    }
}

static void add_words(struct text *out, const char *s, size_t *at) {
    add_words_from(out, s, at, INDENT);
}

#define LABELS_SHOWN 10u

/* How many labels look wrong, and the first of them. */
static void add_labels(const struct check *c, struct text *out) {
    const struct check_labels *l = c->labels;
    if (!l)
        return;
    text_addf(
        out,
        "labels       about %llu of %llu look wrong (%.2g %%, 95 %% %.2g - %.2g), %s\n",
        (unsigned long long)l->count, (unsigned long long)l->rows, 100 * l->share,
        100 * l->low, 100 * l->high, l->how);
    if (l->count)
        text_add(
            out,
            "  row         given        likely       p(given)  p(likely)  margin\n");
    for (uint64_t i = 0; i < l->count && i < LABELS_SHOWN; i++)
        text_addf(out, "  %-11llu %-12.12s %-12.12s %8.3f %10.3f %7.2f\n",
                  (unsigned long long)l->at[i].row, l->at[i].given, l->at[i].likely,
                  l->at[i].p_given, l->at[i].p_likely, l->at[i].margin);
    if (l->count > LABELS_SHOWN)
        text_addf(out, "  ...%llu more: check/labels.csv\n",
                  (unsigned long long)(l->count - LABELS_SHOWN));
    text_add(out, "\n");
}

/* How near the nearest images are, so that a reader sees what near means. */
static void add_nearest(const struct check *c, struct text *out) {
    for (uint32_t i = 0; i < c->near_count; i++) {
        const struct near_field *f = &c->near[i];
        if (!f->count)
            continue;
        struct text line = {0};
        size_t at = 13;
        text_addf(&line, "nearest %s, distances", f->between);
        for (uint32_t k = 0; k < f->count; k++)
            text_addf(&line, " %.3f", f->distance[k]);
        text_addf(&line, "; near is below %.3f", f->threshold);
        if (f->flat)
            text_addf(&line, "; %llu flat", (unsigned long long)f->flat);
        add_left(out, f->field, 12);
        text_add(out, " ");
        add_words_from(out, text_get(&line), &at, 13);
        text_add(out, "\n\n");
        text_finish(&line);
    }
}

/* "(q 3e-9 of p 1e-10; ...)" where there was a test. */
static void add_evidence(const struct finding *f, struct text *out, size_t *at) {
    char line[128];
    if (isnan(f->q))
        return;
    snprintf(line, sizeof line, " (n %llu, q %.2g, threshold %.4g)",
             (unsigned long long)f->n, f->q, f->threshold);
    add_words(out, line, at);
}

static void add_finding(const struct finding *f, struct text *out) {
    const char *code = finding_kinds[f->id].code;
    size_t at = INDENT;
    text_addf(out, "%-5s %-15s ", severity_name(f->severity), code);
    if (strlen(code) > 15)
        at += strlen(code) - 15;
    if (f->field) {
        text_add(out, f->field);
        text_add(out, "  ");
        at += width_of(f->field, strlen(f->field)) + 2;
    }
    add_words(out, f->reason, &at);
    add_evidence(f, out, &at);
    if (f->fix) {
        text_addf(out, "\n%*s->  ", (int)INDENT, "");
        at = INDENT + 4;
        add_words(out, f->fix, &at);
    }
    text_add(out, "\n");
}

static void add_plural(struct text *out, uint32_t n, const char *word) {
    text_addf(out, "%u %s%s", n, word, n == 1 ? "" : "s");
}

static bool has_finding(const struct findings *f, enum finding_id id) {
    for (uint32_t i = 0; i < f->count; i++)
        if (f->at[i].id == id)
            return true;
    return false;
}

static void add_counts(const struct check *c, bool all, struct text *out) {
    const struct findings *f = &c->findings;
    uint32_t asked = 0, passed = 0, skipped = 0;
    const char *why = NULL;
    for (int i = 0; i < FINDING_COUNT; i++) {
        asked += f->asked[i];
        if (!f->asked[i])
            continue;
        if (f->state[i] != FINDING_LOOKED) {
            why = why ? why : f->why[i];
            skipped++;
        } else if (!has_finding(f, (enum finding_id)i)) {
            passed++;
        }
    }
    for (int i = 0; all && i < FINDING_COUNT; i++) {
        if (!f->asked[i] || has_finding(f, (enum finding_id)i))
            continue;
        bool looked = f->state[i] == FINDING_LOOKED;
        size_t at = INDENT + 1, length = strlen(finding_kinds[i].code);
        at += length > 16 ? length - 16 : 0;
        text_addf(out, "%-5s %-16s ", looked ? "ok" : "-", finding_kinds[i].code);
        add_words(out,
                  looked      ? finding_kinds[i].detects
                  : f->why[i] ? f->why[i]
                              : "?",
                  &at);
        text_add(out, "\n");
    }
    add_plural(out, findings_count(f, SEVERITY_ERROR), "error");
    text_add(out, ", ");
    add_plural(out, findings_count(f, SEVERITY_WARN), "warning");
    text_add(out, ", ");
    add_plural(out, findings_count(f, SEVERITY_NOTE), "note");
    text_addf(out, " of %u checks; %u passed", asked, passed);
    if (f->allowed)
        text_addf(out, ", %u allowed", f->allowed);
    if (skipped)
        text_addf(out, ", %u not applicable", skipped);
    text_add(out, "\n");
}

/* A finding, of which each kind has a few; then how many more there are. Errors are
 * shown one and all. */
static void add_some(const struct findings *f, uint32_t i, struct text *out) {
    const struct finding *x = &f->at[i];
    uint32_t before = 0, after = 0;
    while (before < i && f->at[i - before - 1].id == x->id &&
           f->at[i - before - 1].severity == x->severity)
        before++;
    while (i + after + 1 < f->count && f->at[i + after + 1].id == x->id &&
           f->at[i + after + 1].severity == x->severity)
        after++;
    if (before < ALIKE || x->severity == SEVERITY_ERROR)
        add_finding(x, out);
    else if (before == ALIKE)
        text_addf(out, "%-5s %-15s %u more: --all\n", severity_name(x->severity),
                  finding_kinds[x->id].code, after + 1);
}

void check_report_findings(const struct check *c, enum severity from,
                           struct text *out) {
    for (uint32_t i = 0; i < c->findings.count; i++)
        if (c->findings.at[i].severity >= from)
            add_finding(&c->findings.at[i], out);
    make_printable(out);
}

void check_report(const struct check *c, bool all, struct text *out) {
    if (c->profile) {
        add_head(c, out);
        add_table(c, all, out);
        add_classes(c, all, out);
        add_nearest(c, out);
        add_labels(c, out);
    }
    if (all)
        check_report_findings(c, SEVERITY_NOTE, out);
    for (uint32_t i = 0; i < c->findings.count && !all; i++)
        add_some(&c->findings, i, out);
    add_counts(c, all, out);
    make_printable(out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Findings: the table of what is looked for, and what was found. */
#ifndef CHECK_FINDINGS_H
#define CHECK_FINDINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"

enum severity { SEVERITY_NOTE, SEVERITY_WARN, SEVERITY_ERROR };
enum family { FAMILY_INTEGRITY, FAMILY_TARGET, FAMILY_LEAK, FAMILY_DRIFT };
#define FAMILIES 4
enum limit { LIMIT_ANY, LIMIT_FROM, LIMIT_BELOW };

enum finding_id {
#define FINDING(id, ...) FINDING_##id,
#include "check/findings.def"
    FINDING_COUNT
};

struct finding_kind {
    const char *code;
    enum family family;
    enum severity severity;
    double threshold;
    enum limit limit;
    bool tested;
    const char *detects, *method, *source, *advice;
};
extern const struct finding_kind finding_kinds[FINDING_COUNT];

const char *severity_name(enum severity s); /* "error" "warn" "note" */
const char *family_name(enum family f);
/* FINDING_COUNT if no finding has this code. */
enum finding_id finding_find(const char *code);

#define FINDING_ROWS  20u
#define FINDING_FIXES 3u

struct finding {
    enum finding_id id;
    enum severity severity;
    const char *field; /* a column, or NULL */
    const char *split; /* or NULL: of all rows */
    uint64_t n;        /* rows that it is about */
    double effect, threshold;
    double p, q;                 /* NaN: no test */
    uint64_t rows[FINDING_ROWS]; /* of the file, from 1 */
    uint32_t row_count;
    const char *reason;               /* sentences; \n ends a line */
    const char *fixes[FINDING_FIXES]; /* overrides to try */
    uint32_t fix_count;
    const char *fix; /* the first of them that the experiment accepts, or NULL */
};

enum finding_state { FINDING_NOT_ASKED, FINDING_LOOKED, FINDING_NOT_APPLICABLE };

struct findings {
    struct arena *arena; /* borrowed */
    struct finding *at;
    uint32_t count, capacity;
    enum finding_state state[FINDING_COUNT];
    const char *why[FINDING_COUNT]; /* not applicable */
    double threshold[FINDING_COUNT];
    bool asked[FINDING_COUNT];
    uint32_t allowed; /* that check.allow took away */
};

void findings_init(struct findings *f, struct arena *a);
void findings_finish(struct findings *f);
/* It was looked for; more calls do nothing. */
void finding_looked(struct findings *f, enum finding_id id);
/* It could not be; unless it was looked for elsewhere. The first reason stays. */
void finding_skip(struct findings *f, enum finding_id id, const char *why);
/* Looked for, with this outcome: kept by findings_settle if the effect reaches the
 * threshold and, where there is a p, the evidence survives. p: NaN, no test. The result
 * is valid until the next call. */
struct finding *finding_add(struct findings *f, enum finding_id id, const char *field,
                            double effect, double p);
__attribute__((format(printf, 3, 4))) void
finding_reason(struct findings *f, struct finding *x, const char *format, ...);
/* An override to offer, tried in the order of the calls. */
__attribute__((format(printf, 3, 4))) void
finding_fix(struct findings *f, struct finding *x, const char *format, ...);
void finding_row(struct finding *x, uint64_t row);
/* Drop what is below its threshold, or q = 0.01 of Benjamini-Hochberg over all outcomes
 * of its kind; the rest most severe first, in the order of the table. */
void findings_settle(struct findings *f);
uint32_t findings_count(const struct findings *f, enum severity s);

/* docs/findings.md. */
struct text;
void findings_docs(struct text *out);
void finding_explain(enum finding_id id, struct text *out);

#endif

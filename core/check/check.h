/* SPDX-License-Identifier: Apache-2.0 */
/* The data doctor: an experiment's data are opened, split and profiled as a run would,
 * and looked at for faults. Nothing is trained.
 *
 * Raw rows -> profile.c (columns, exact) -> integrity.c, target.c, leak.c, drift.c,
 * contract.c (outcomes of tests) -> findings.c (effect and evidence) -> report.c or
 * json.c (text). Transformed samples are looked at by sample.c. */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "base/text.h"
#include "check/findings.h"
#include "check/profile.h"
#include "experiment/experiment.h"

/* What a network of the experiment gave to rows that it was not trained on. */
struct check_predictions {
    uint64_t rows;
    uint32_t classes;
    const int64_t *ids;  /* [rows] of samples */
    const double *p;     /* [rows, classes] */
    const char *how;     /* "5 folds" */
    const char *content; /* data_content_hash of its data */
};

struct check_options {
    struct session *session;
    const char *file;
    uint32_t override_count;
    const char *const *overrides;
    const char *only; /* codes and families, separated by commas; NULL: all */
    uint32_t threads; /* 0: one for each processor */
    uint64_t budget;  /* bytes for the values of columns, 0: the default */
    const struct check_predictions *predictions; /* look for label errors; or NULL */
    int (*cancelled)(void *context);             /* or NULL */
    void *cancel_context;
};

/* Moments and range of an input of the network, after the transforms. */
struct sample_column {
    const char *field;
    uint64_t element;
    bool image; /* all elements of a field of two axes and more */
    struct moments m;
    double min, max;
    uint64_t not_finite, row; /* the first such row, counted through the splits */
};

/* What the search of near-duplicates saw in a field. */
#define CHECK_NEAREST 10u
struct near_field {
    const char *field;
    const char *between;             /* "train and val or test", or "rows" */
    double distance[CHECK_NEAREST];  /* of the nearest pairs of different images */
    uint64_t rows[CHECK_NEAREST][2]; /* of their files */
    uint32_t count;
    double threshold, threshold_fine;
    uint64_t flat, pairs, clusters, largest; /* clusters of two rows and more */
};

/* A label that looks wrong, and all of them: those with the smallest margin first. */
struct check_label {
    uint64_t row; /* of the file */
    const char *split, *given, *likely;
    double p_given, p_likely, margin;
};
struct check_labels {
    const char *how;
    uint64_t rows, count;    /* rows that were judged; issues */
    uint32_t small;          /* classes with too few rows */
    double share, low, high; /* Wilson's 95 % interval */
    struct check_label *at;
};

struct check {
    struct arena *arena;
    struct check_options o;
    struct experiment *x;
    struct data *data; /* NULL: could not be opened */
    struct roles roles;
    struct profile *profile;
    bool prepares; /* data.prepare made the transforms */
    bool ready;    /* the transforms are fitted */
    uint32_t sample_count;
    struct sample_column *samples;
    uint32_t near_count;
    struct near_field *near;
    struct check_labels *labels; /* NULL: not looked for */
    struct findings findings;
    double seconds;
};

/* NULL when the experiment itself has errors, which are then in d, as is a stop that
 * was asked for (RN_E_CANCELLED). Data that cannot be read are a finding. */
struct check *check_run(const struct check_options *o, struct diag *d);
void check_close(struct check *c); /* NULL is fine */

/* As people read it, 80 columns wide. all: every column, and every passed check. */
void check_report(const struct check *c, bool all, struct text *out);
/* The findings alone, of this severity and above. */
void check_report_findings(const struct check *c, enum severity from, struct text *out);
/* One object: docs/check.md has its members. */
void check_json(const struct check *c, struct text *out);
/* A block `data.contract` that these data keep. */
void check_write_contract(const struct check *c, struct text *out);

/* The labels that look wrong as CSV. */
void check_labels_csv(const struct check *c, struct text *out);

/* ---- inside the room: one file per family ---- */
void check_integrity(struct check *c);
void check_target(struct check *c);
void check_leaks(struct check *c);
void check_drift(struct check *c);
/* groups.c, dates.c: leaks by what rows belong to. */
int check_groups(struct check *c, struct rn_error *e);
int check_dates(struct check *c, struct rn_error *e);
/* labels.c */
int check_label_errors(struct check *c, struct rn_error *e);
/* near.c. Is a raw field an input of images? *out: with the range of its values. */
struct near_image;
bool check_is_image(const struct check *c, uint32_t raw, struct near_image *out);
/* pictures.c */
int check_pictures(struct check *c, struct rn_error *e);
int check_near(struct check *c, struct rn_error *e);
/* integrity.c: days since 1970-01-01 of a text that is a date, else NAN. */
double date_of(const char *s);
/* contract.c; errors of the block itself go to d. */
void check_contract(struct check *c, struct diag *d);
/* sample.c: after data_fit. */
int check_samples(struct check *c, struct rn_error *e);

/* fix.c: overrides that a finding may offer. A name as YAML, quoted where it must be.
 */
const char *fix_name(struct check *c, const char *name);
/* Drop a column of a table: up to two ways that depend on the source. */
void fix_drop(struct check *c, struct finding *f, const struct profile_column *column);
/* A transform of the field of a column. options: ", with: constant" or "". */
void fix_transform(struct check *c, struct finding *f, const char *type,
                   const struct profile_column *column, const char *options);
/* The split with its sizes and other keys: "kind: stratified, by: y". */
void fix_split(struct check *c, struct finding *f, const char *keys);
/* "data.source", or "data.train". */
const char *fix_source(const struct check *c);
/* Choose the fix of every finding: the first that the experiment is valid with. */
void fix_choose(struct check *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* One experiment trained several times: `train.folds`, `train.repeats` and
 * `train.seeds`. Each run is an ordinary run with a folder of its own; the study knows
 * their order, what differs between them, and what their results say together. */
#ifndef STUDY_STUDY_H
#define STUDY_STUDY_H

#include "train/run.h"

enum { STUDY_KEYS = 4 };

struct study_run {
    uint32_t fold, repeat; /* from 0 */
    uint64_t seed;
    const char *folder; /* NULL: not trained yet */
    struct metric_list
        metrics; /* val/..., at the best step where one is monitored; test/... */
};

struct study {
    struct arena *arena;
    const char *folder; /* of the study; its runs are below it */
    uint32_t folds;     /* 0: none, the runs differ by their seeds alone */
    uint32_t repeats, seeds;
    uint32_t count, done;
    struct study_run *runs; /* [count]: seed by seed in a fold, fold by fold, repeat by
                             * repeat */
    const char *file;
    uint32_t override_count;
    const char *const *overrides;
    bool given[STUDY_KEYS]; /* keys that its runs do not have */
    uint64_t split_seed;    /* of the first repeat */
};

/* A metric over the runs that are done. */
struct study_row {
    const char *name;
    uint32_t folds; /* values below: folds times repeats, or seeds without folds */
    double *values; /* [folds]: means over the seeds; NaN: not defined there */
    double mean;
    double low, high; /* 95 %; NaN: fewer than two values */
    double seed_sd;   /* within a fold, pooled; NaN: one seed */
    double fold_sd;   /* between the folds' means; NaN: one fold */
};

/* *out NULL: the experiment asks for one run. Otherwise with a new folder. */
int study_open(struct session *session, const char *file, uint32_t n,
               const char *const *overrides, struct study **out, struct diag *d);
void study_close(struct study *s); /* NULL is fine */
/* Overrides of run i, in the study's memory: those of study_open and what makes it this
 * run. */
const char *const *study_overrides(struct study *s, uint32_t i, uint32_t *count);
/* Keep what run i came to, and write study.json, which lists the runs. */
int study_add(struct study *s, uint32_t i, const struct run_result *r,
              struct rn_error *e);
/* Rows of the metrics that every run has, in their order; in the study's memory.
 *
 * The interval is Student's with the variance of Nadeau & Bengio (Inference for the
 * Generalization Error, 2003): s^2 (1/J + 1/(folds - 1)) for J values of folds, as
 * their training sets overlap; without folds s^2 / J, which is of the seeds alone. */
uint32_t study_rows(struct study *s, struct study_row **out);
/* All of it as an object. */
struct json_writer;
void study_json(struct study *s, struct json_writer *w, const char *key);

#endif

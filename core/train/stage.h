/* SPDX-License-Identifier: Apache-2.0 */
/* The stage: an experiment with its data, programs and plans, everything known and
 * nothing allocated on the device yet. What train, eval, predict and plan share. */
#ifndef TRAIN_STAGE_H
#define TRAIN_STAGE_H

#include "data/data.h"
#include "exec/exec.h"
#include "train/live.h"
#include "train/means.h"
#include "train/programs.h"

enum stage_use { STAGE_TRAIN, STAGE_EVAL, STAGE_PREDICT };

/* A program for batches of `rows` rows. */
struct shaped {
    int64_t rows;
    const struct graph *described; /* before it was rewritten */
    const struct plan *plan;
    struct program *program; /* after stage_load */
    int *live;               /* scalar index of each live value, -1: not used */
    int seed, step, row, first, share, progress;
    int places; /* input: which samples of the split, where they are resident; or -1 */
    int *numbers; /* inputs: what decides each change of resident samples, or -1 */
    int *inverse; /* of each loss */
    int *mean, *weight; /* outputs of each loss in a step, -1: none */
    int loss, norm, skipped, overflow, overflows, scale; /* outputs, -1: none */
    int *inputs;                                         /* of each data field */
};

/* One objective's programs. rows of a kind: the full batch and what is left over. */
struct trainer {
    uint32_t count;
    struct shaped *step;    /* train, or grad when accumulating */
    struct shaped *tapped;  /* the same with taps; NULL without hooks that tap */
    struct shaped *weights; /* NULL unless a loss weighs and a step accumulates */
    struct shaped apply;    /* plan NULL unless accumulating */
    double scale;           /* dynamic loss scale of the next step; 0: none yet */
    int64_t overflows;      /* steps left out for it so far */
    bool overflowed;        /* the latest step was one */
    struct means of_row;    /* since the last recorded row */
    struct means of_epoch;
    /* Of the running epoch: steps that had something to learn from, and those of them
     * that were left out as they were not finite. */
    int64_t ran, skipped;
};

/* A tapped point of a program. */
struct tap {
    uint32_t hook;
    uint32_t kind; /* RN_POINT_* */
    const char *path, *op;
    uint32_t output_count;
    const char **outputs; /* names given by the hook */
    /* Of the last look, [output_count]; filled by hooks_tapped. */
    struct rn_tensor *values;
    int64_t (*shapes)[RN_MAX_RANK];
    char prefix[24];      /* the program's outputs are PREFIX.NAME */
};

struct stage {
    enum stage_use use;
    struct arena *arena;
    struct experiment *x;
    struct session *session;
    struct data *data;
    uint32_t field_count;
    struct network_field *fields; /* what models may see */
    uint32_t *field_index;        /* of each in the batch */
    struct programs *programs;
    struct live live;
    int64_t batch, eval_batch, accumulate;
    struct resident resident; /* of the training split: rows and changes, where it
                                 stays on the device */
    int64_t steps_per_epoch, epochs, total_steps;
    struct trainer *trainers; /* by objective */
    uint32_t eval_count;
    struct shaped *evals;
    struct tap *taps; /* of objective 0 */
    uint32_t tap_count, tap_capacity;
    struct diag *tap_errors; /* while taps are described */
    struct device *device;
    const struct rn_device_info *info;
    struct rn_device_info device_text;      /* before the device is opened */
    const struct rn_record_api *record_api; /* extension for hooks, or NULL */
    void *record_context;
    int (*cancelled)(void *context);
    void *cancel_context;
    struct loader *samples; /* lent to an init: first.c */
};

struct stage_options {
    struct session *session;
    const char *file;
    uint32_t override_count;
    const char *const *overrides;
    enum stage_use use;
    const char *data_override; /* predict: another file for the source, or NULL */
    const char *stored_split;  /* resume, eval: text, or NULL */
    /* resume, eval, predict: what data_save gave, or NULL; borrowed until it returns */
    const void *fitted;
    uint64_t fitted_bytes;
    const char *kernels; /* resume, eval, predict: the backend's choices, or NULL */
    const struct rn_record_api *record_api;
    void *record_context;
    int (*cancelled)(void *context);
    void *cancel_context;
};

/* NULL when d has any error. */
struct stage *stage_open(const struct stage_options *o, struct diag *d);
void stage_close(struct stage *s);
/* The backend's choices of kernels, for the record; NULL: it makes none. Borrowed. */
const char *stage_kernels(const struct stage *s);
/* What the device will hold, as exec counts it. */
struct exec_footprint stage_footprint(const struct stage *s);
/* Bytes of all of it, with what the device itself needs. */
uint64_t stage_need(const struct stage *s);
/* Of an experiment whose batch does not fit: one that does, by planning it, 0: none;
 * *largest: one more would not fit. fit.c */
int64_t stage_fitting(const struct stage_options *o, const struct stage *s,
                      bool *largest);
uint64_t stage_parameters(const struct stage *s);
/* Open the device, allocate, compile; variables get their first values. */
int stage_load(struct stage *s, struct diag *d);
/* First values from the inits of the YAML, else of the layer. */
int stage_init(struct stage *s, struct diag *d);
/* What inits may ask of the training samples (RN_EXT_SAMPLES); NULL: there are none. */
const struct rn_samples_api *stage_samples(const struct stage *s);
/* Is there an init for every variable, and does each pattern of `init:` match one? */
int stage_check_inits(struct stage *s, struct diag *d);
/* Are the labels of the data inside of what the graph g indexes by them? */
int stage_check_labels(struct stage *s, const struct graph *g, struct diag *d);

/* Does every normalisation of training have more than one value to look at? An error
 * where full batches do not, a warning where only the last batch of an epoch does. */
int stage_check_norms(struct stage *s, struct diag *d);

/* Does the training split stay on the device? Asked before programs are made. */
int resident_choose(struct stage *s, struct diag *d);
/* All of it, decoded, to the device; once the variables are there. */
int resident_upload(struct stage *s, struct rn_error *e);

/* One batch into a program's inputs: rows `first` .. first + shaped->rows of it, which
 * stay as they are until the program has run. */
int stage_feed(struct stage *s, struct shaped *p, const struct batch *b, int64_t first,
               struct rn_error *e);
/* Do the device's threads take every processor of this machine? */
bool stage_crowds(const struct stage *s);
/* Scalars of a run. */
void stage_scalars(struct stage *s, struct shaped *p, int64_t step, int64_t row);

#endif

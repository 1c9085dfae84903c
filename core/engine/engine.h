/* SPDX-License-Identifier: Apache-2.0 */
/* The engine: the programs of an experiment planned for the row counts that will occur,
 * on a device, with their variables. It needs the schema of a batch and no data set:
 * the owner of the rows feeds them by pointer.
 *
 * Life: engine_open (plans; nothing is allocated on the device) -> engine_load ->
 * engine_feed, engine_scalars, program_run ... -> engine_close. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "engine/means.h"
#include "exec/exec.h"
#include "experiment/hyper.h"
#include "network/programs.h"

enum engine_use { ENGINE_TRAIN, ENGINE_EVAL, ENGINE_PREDICT };

/* A program planned for batches of `rows` rows, and where its inputs and outputs are:
 * indices for program_* calls, -1 where the program does not have it. */
struct program_variant {
    int64_t rows;
    const struct graph *described; /* before it was rewritten */
    const struct plan *plan;
    struct program *program; /* after engine_load */
    int *live;               /* scalar of each live value */
    struct {                 /* scalars "run.*" */
        int seed, step, row, first, share, progress, refresh_share;
    } scalars;
    int places;         /* input: which samples of the split, where they are resident */
    int *numbers;       /* inputs: what decides each change of resident samples */
    int *inputs;        /* of each data field */
    int *inverse;       /* scalars: of each loss */
    int *mean, *weight; /* outputs of each loss in a step */
    struct {            /* outputs of a step */
        int loss, regularization, norm, skipped, overflow, overflows, scale;
    } outputs;
};

/* The programs of one objective's step, and what its steps have accumulated. */
struct objective_programs {
    uint32_t count;                  /* variants: of a full batch and of the last one */
    struct program_variant *step;    /* train, or grad when accumulating */
    struct program_variant *tapped;  /* the same with taps; NULL without taps */
    struct program_variant *weights; /* NULL unless a loss weighs and a step
                                        accumulates */
    struct program_variant apply;    /* plan NULL unless accumulating */
    double scale;          /* dynamic loss scale of the next step; 0: none yet */
    int64_t overflows;     /* steps left out for it so far */
    bool overflowed;       /* the latest step was one */
    double regularization; /* of the latest step; NaN: none, or it did not run */
    struct means of_row;   /* since the last recorded row */
    struct means of_epoch;
    /* Of the running epoch: steps that had something to learn from, and those of them
     * that were left out as they were not finite. */
    int64_t ran, skipped;
};

/* Where a hook averages parameters; else all plans are NULL. */
struct average_programs {
    struct program_variant update, follow; /* of no rows */
    uint32_t refresh_count;                /* 0: no statistics to refresh */
    struct program_variant *refresh;
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
    char prefix[24]; /* the program's outputs are PREFIX.NAME */
};

/* How long a run is, in steps. To evaluate or predict: 1 each. */
struct run_length {
    int64_t batch;      /* rows of a micro-batch */
    int64_t accumulate; /* micro-batches of a step */
    int64_t steps_per_epoch, epochs, total_steps;
};

struct engine_options {
    struct experiment *experiment; /* its components opened; borrowed */
    enum engine_use use;
    uint32_t field_count;
    const struct network_field *fields; /* of a batch, what models may see; borrowed */
    struct run_length length;
    /* Row counts of the batches that will come: of a step, the full batch first; of an
     * evaluation or prediction. */
    uint32_t step_count, eval_count, refresh_count;
    const int64_t *step_rows, *eval_rows;
    const int64_t *refresh_rows; /* of a pass over the training split, in its order */
    int64_t declare_rows;        /* rows of the pass that declares the variables */
    const struct resident
        *resident;       /* the split that stays on the device; rows 0: no */
    const char *kernels; /* the backend's earlier choices of kernels, or NULL */
};

struct engine {
    struct arena *arena;
    struct experiment *x; /* borrowed */
    enum engine_use use;
    uint32_t field_count;
    const struct network_field *fields;
    struct programs *programs;
    struct hyper hyper;
    struct run_length length;
    struct objective_programs
        *objectives; /* as programs->objectives; NULL: no training */
    uint32_t eval_count;
    struct program_variant *evals;
    struct average_programs averages;
    struct tap *taps; /* of objective 0 */
    uint32_t tap_count, tap_capacity;
    struct diag *tap_errors; /* while taps are described */
    struct device *device;   /* after engine_load */
    const struct rn_device_info *info;
    struct rn_device_info device_text; /* before the device is opened */
};

/* The backend's description of its device, before any engine is opened. */
int engine_device_info(const struct experiment *x, struct rn_device_info *out,
                       struct diag *d);
/* NULL when d has any error. */
struct engine *engine_open(const struct engine_options *o, struct diag *d);
void engine_close(struct engine *eng);
/* The backend's choices of kernels, for the record; NULL: it makes none. Borrowed. */
const char *engine_kernels(const struct engine *eng);
/* What the device will hold, as exec counts it. */
struct exec_footprint engine_footprint(const struct engine *eng);
/* Bytes of all of it, with what the device itself needs. */
uint64_t engine_need(const struct engine *eng);
/* Trainable elements. */
uint64_t engine_parameters(const struct engine *eng);
/* Open the device, allocate, compile; variables get their first values. */
int engine_load(struct engine *eng, struct diag *d);

/* Rows of a batch, by the engine's fields. */
struct engine_rows {
    const void *const *fields; /* [field_count]: [rows, shape...] */
    const uint64_t *places;    /* resident samples: [rows], else NULL */
    int32_t *const *numbers;   /* resident samples: of each change [rows, numbers] */
};
/* Rows `first` .. first + p->rows of a batch into the program's inputs. They stay as
 * they are until the program has run: where the device can, it reads them in place. */
int engine_feed(struct engine *eng, struct program_variant *p,
                const struct engine_rows *rows, int64_t first, struct rn_error *e);
/* Bytes of one row of a field. */
uint64_t network_field_bytes(const struct network_field *f);
/* Live values and the scalars "run.*". */
void engine_scalars(struct engine *eng, struct program_variant *p, int64_t step,
                    int64_t row);
/* Do the device's threads take every processor of this machine? */
bool engine_oversubscribes(const struct rn_device_info *info);
/* The variant for this many rows; there is one. */
struct program_variant *variant_of_rows(struct program_variant *all, uint32_t count,
                                        int64_t rows);

/* The same program for as many rows, with nothing fused and every value kept to its
 * end: for origin.h. Loaded; program_destroy frees it. Planned now, which takes memory
 * and time only when it is called. */
int engine_keep(struct engine *eng, const struct program_variant *of,
                struct program_variant **out, struct rn_error *e);

/* ---- init.c ---- */
/* First values of all variables, by the inits of the YAML, else of the layer. Those of
 * role "data" are set by the owner of the data. */
int engine_init_variables(struct engine *eng, struct diag *d);
/* Is there an init for every variable, and does each pattern of `init:` match one? */
int engine_check_inits(struct engine *eng, struct diag *d);

/* ---- averages.c: where programs->averages has a hook ---- */
/* After step `step`: the next averages, if they are due. */
int engine_average(struct engine *eng, int64_t step, struct rn_error *e);
/* Before evaluations read averages: where none has been made they are the parameters.
 * *stale: their running statistics are to be computed first. */
int engine_averages_ready(struct engine *eng, bool *stale, struct rn_error *e);
/* Batch `batch`, from 0, of a pass over the training split, its rows fed into p. */
int engine_refresh(struct engine *eng, struct program_variant *p, int64_t batch,
                   struct rn_error *e);
/* After all of them. */
int engine_refreshed(struct engine *eng, struct rn_error *e);

/* ---- weights.c ---- */
struct checkpoint;
struct saver;
/* Averages that a checkpoint holds in place of parameters. */
struct stored_averages {
    int64_t updates; /* averages made; 0: there are none */
    bool stale;      /* running statistics were not computed for them */
};
struct stored_averages engine_stored_averages(const struct checkpoint *c);
/* What parameters are from a checkpoint with averages: the averages. */
int engine_load_averages(struct engine *eng, const struct checkpoint *c,
                         struct rn_error *e);
/* Variables by their names from a checkpoint. RN_E_CHECKPOINT: one is missing or has
 * another shape. */
int engine_load_weights(struct engine *eng, const struct checkpoint *c,
                        struct rn_error *e);
/* All variables that checkpoints keep, into s, which owns what had to be copied. */
int engine_save_weights(struct engine *eng, struct saver *s, struct rn_error *e);

/* ---- inside the engine: plans.c, taps.c ---- */
int engine_load_variant(struct engine *eng, struct program_variant *p,
                        struct rn_error *e);
int engine_plan(struct engine *eng, const struct engine_options *o, struct diag *d);
/* Does any hook look into the programs? */
bool engine_has_taps(const struct engine *eng);
/* For programs.tap: describes the hooks' outputs at a point. context: the engine. */
int engine_tap(void *context, struct graph *g, const struct rn_point *point);
/* A word of a hook's `at:` that names no layer and no parameter is an error. */
int engine_check_taps(struct engine *eng, struct diag *d);

#endif

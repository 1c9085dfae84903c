/* SPDX-License-Identifier: Apache-2.0 */
/* A set-up: an experiment with its data and the engine that its batches are fed to.
 * What training, evaluation, prediction, plan, bench and profile begin with. */
#ifndef SETUP_SETUP_H
#define SETUP_SETUP_H

#include "data/data.h"
#include "engine/engine.h"
#include "prepared/prepared.h"

struct setup {
    struct arena *arena;
    struct session *session; /* borrowed */
    enum engine_use use;
    const char *file; /* borrowed */
    bool unprepared;
    struct experiment *x;
    struct prepared_file prepared; /* view NULL: the data are read from their sources */
    struct data *data;
    struct engine *engine;
    struct run_length length;
    int64_t eval_batch;
    uint32_t field_count;
    struct network_field *fields; /* what models may see */
    uint32_t *field_index;        /* of each in the batch */
    const void **rows;            /* of each: scratch of setup_feed */
    struct loader *samples;       /* lent to an init: samples.c */
    /* What components may ask of the host. */
    const void *(*host_extension)(const char *id);
    void *host_context;
    int (*cancelled)(void *context);
    void *cancel_context;
};

struct setup_options {
    struct session *session;
    const char *file;
    uint32_t override_count;
    const char *const *overrides;
    const struct recorded_plugins *recorded; /* resume, eval, predict; or NULL */
    enum engine_use use;
    bool unprepared;           /* data.prepared is not used: it is about to be made */
    const char *data_override; /* predict: another file for the source, or NULL */
    bool divided;              /* predict: of the splits of the run, as eval has them */
    const char *stored_split;  /* resume, eval, predict divided: text, or NULL */
    /* resume, eval, predict: what data_save gave, or NULL; borrowed until it returns */
    const void *fitted;
    uint64_t fitted_bytes;
    const char *kernels; /* resume, eval, predict: the backend's choices, or NULL */
    /* Further extensions for components by id, as of whoever runs steps; or NULL. They
     * find host_context in the set-up. */
    const void *(*host_extension)(const char *id);
    void *host_context;
    int (*cancelled)(void *context); /* or NULL */
    void *cancel_context;
};

/* Everything known and nothing allocated on the device yet; NULL when d has any error.
 */
struct setup *setup_open(const struct setup_options *o, struct diag *d);
/* The part of `data:` that decides the samples (prepared_recipe). */
void setup_recipe(const struct setup *s, struct text *out);
/* Only the experiment, with data.prepare spelled out; what that needs is in the arena,
 * which lives longer. The caller closes it (experiment_close). */
struct experiment *setup_open_experiment(const struct setup_options *o, struct arena *a,
                                         struct diag *d);
/* Only the experiment and its data, opened and not fitted: for what looks at data. */
struct setup *setup_open_data(const struct setup_options *o, struct diag *d);
/* After it: fit the transforms, or load them, and try every sample. */
int setup_fit_data(struct setup *s, const struct setup_options *o, struct diag *d);
void setup_close(struct setup *s);
/* Load the engine; resident samples go to the device. */
int setup_load(struct setup *s, struct diag *d);
/* Rows `first` .. first + p->rows of b into a program's inputs (engine_feed). */
int setup_feed(struct setup *s, struct program_variant *p, const struct batch *b,
               int64_t first, struct rn_error *e);

/* batch_fit.c: of an experiment whose batch does not fit on the device, one that does,
 * by planning it; 0: none. *largest: one more would not fit. */
int64_t setup_fitting_batch(const struct setup_options *o, const struct setup *s,
                            bool *largest);

/* ---- inside the room ---- */
/* samples.c: what inits may ask of the training samples (RN_EXT_SAMPLES); NULL: there
 * are none. */
const struct rn_samples_api *setup_samples(const struct setup *s);
/* labels.c: are the labels of the data inside of what the graph g indexes by them? */
int setup_check_labels(struct setup *s, const struct graph *g, struct diag *d);
/* norms.c: does every normalisation of training have more than one value to look at?
 * An error where full batches do not, a warning where only the last batch of an epoch
 * does. */
int setup_check_norms(struct setup *s, struct diag *d);
/* resident.c: which training samples stay on the device, asked before programs are
 * made; rows 0: none. */
int resident_choose(struct setup *s, const struct rn_device_info *info,
                    struct resident *out, struct diag *d);
/* All of them, decoded, to the device; once the variables are there. */
int resident_upload(struct setup *s, struct rn_error *e);

#endif

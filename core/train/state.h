/* SPDX-License-Identifier: Apache-2.0 */
/* What a checkpoint holds beside the variables: where the run stands, what it monitors,
 * live values, means, states of components. Everything has a name (docs/resume.md). */
#ifndef TRAIN_STATE_H
#define TRAIN_STATE_H

#include "record/record.h"
#include "train/stage.h"

struct loop;

/* ---- stream.c: rn_stream over memory ---- */
/* Reads `bytes` at data, which must outlive it. */
struct rn_stream *state_stream(struct arena *a, const void *data, uint64_t bytes);
struct memory_stream {
    struct rn_stream api;
    char *data; /* released by memory_release */
    uint64_t bytes, capacity, at;
};
/* An empty one, to be written to. */
struct memory_stream *state_writer(struct arena *a);

/* ---- monitor.c ---- */
/* A metric that decides something, and the best value that it had. */
struct monitor {
    const char *key; /* of the experiment: "train.early_stop"; NULL: not configured */
    const char *metric; /* "val/loss" */
    int better;         /* 1 higher, -1 lower */
    double min_delta;   /* smallest gain that counts */
    /* SHA-256 of the configuration that makes the metric what it is: values of another
     * loss under the same name are not compared. */
    const char *definition;
    double best;       /* NaN: none yet */
    int64_t best_step; /* of the evaluation that gave it; -1: none */
    int64_t since;     /* the first step whose evaluation counts */
    int64_t bad;       /* evaluations since best_step */
};
/* Takes a value; true: it is the best now. NaN is never better. */
bool monitor_observe(struct monitor *m, double value, int64_t step);
/* Begin again with evaluations from step `since`. */
void monitor_reset(struct monitor *m, int64_t since);
/* Of the metric that the section at `path` of the experiment defines. */
const char *monitor_definition(struct arena *a, const struct node *root,
                               const char *path);

/* ---- state.c ---- */
struct position { /* where the loop stands */
    int64_t step;
    int64_t rows; /* of the record, up to here */
    struct loader_position loader;
    int64_t skipped;
    bool evaluation_due; /* that of this step is still to be made */
    bool ended;          /* the run has ended */
};

/* What is being written: values and blobs, whose bytes are released with it. */
struct saver {
    struct arena *a;
    struct checkpoint_value *values;
    uint32_t value_count, value_capacity;
    struct checkpoint_blob *blobs;
    uint32_t blob_count, blob_capacity;
    void **owned; /* memory_release */
    uint32_t owned_count, owned_capacity;
};
/* Values of the same object follow each other. Names are borrowed. */
void saver_int(struct saver *s, const char *object, const char *key, int64_t v);
void saver_real(struct saver *s, const char *object, const char *key, double v);
void saver_text(struct saver *s, const char *object, const char *key, const char *v);
void saver_blob(struct saver *s, const char *name, const void *data, uint64_t bytes);
/* Memory that the saver releases. */
void saver_own(struct saver *s, void *p);
void saver_finish(struct saver *s);

/* "means/<objective>/<loss>": sums and weights since the last recorded row and of the
 * running epoch. */
const char *means_object(struct arena *a, const struct stage *g, uint32_t objective,
                         uint32_t loss);
int state_save(struct loop *l, const char *name, bool current, uint32_t keep,
               struct rn_error *e);

/* ---- state_load.c ---- */
/* Named values of a checkpoint, of whichever format it has. */
struct saved {
    const struct checkpoint_file *file;
    const struct checkpoint_value *values;
    uint32_t count;
};
const struct checkpoint_value *saved_value(const struct saved *s, const char *object,
                                           const char *key);
/* What stands in is returned where there is none. */
int64_t saved_int(const struct saved *s, const char *object, const char *key,
                  int64_t otherwise);
double saved_real(const struct saved *s, const char *object, const char *key,
                  double otherwise);
const char *saved_text(const struct saved *s, const char *object, const char *key,
                       const char *otherwise);
int state_load_weights(struct stage *s, const struct checkpoint_file *f,
                       struct rn_error *e);
/* Variables, position, monitors, live values, means, components. What does not fit
 * begins again, and loop_say says so; RN_E_CHECKPOINT: the run cannot go on from it. */
int state_load(struct loop *l, const struct saved *from, struct rn_error *e);

/* ---- components.c: states of schedules and hooks ---- */
/* Types of a component and of those nested in it, and what a schedule drives: a state
 * belongs to a component of the same identity. */
const char *component_identity(struct arena *a, const struct node *n);
/* What a schedule, or one inside it (warmup's `then`), watches; or NULL. */
const struct node *component_monitor(const struct node *n);
/* The min_delta beside that option; or NULL. */
const struct node *component_min_delta(const struct node *n);
int components_save(struct loop *l, struct saver *s, struct rn_error *e);
int components_load(struct loop *l, const struct saved *from, struct rn_error *e);

/* ---- format1.c ---- */
/* Values of a checkpoint of format 1, as `then`, the experiment that it was written
 * under, names them. In the arena. */
int format1_read(struct loop *l, struct arena *a, const struct checkpoint_file *f,
                 const struct node *then, struct saved *out, struct rn_error *e);

#endif

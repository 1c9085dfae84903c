/* SPDX-License-Identifier: Apache-2.0 */
/* What a checkpoint holds beside the weights: where the run stands, what it monitors,
 * live values, means, states of components. Everything has a name (docs/resume.md). */
#ifndef TRAIN_STATE_H
#define TRAIN_STATE_H

#include "record/saver.h"
#include "setup/setup.h"
#include "train/monitor.h"

struct loop;

/* ---- state.c ---- */
struct position { /* where the loop stands */
    int64_t step;
    int64_t rows; /* of the record, up to here */
    struct loader_position loader;
    int64_t skipped;
    bool evaluation_due; /* that of this step is still to be made */
    bool ended;          /* the run has ended */
    bool epoch_begun;    /* hooks have had EPOCH_BEGIN of the step to come */
};

/* "means/<objective>/<loss>": sums and weights since the last recorded row and of the
 * running epoch. */
const char *means_object(struct arena *a, const struct setup *g, uint32_t objective,
                         uint32_t loss);
int state_save(struct loop *l, const char *name, bool current, uint32_t keep,
               struct rn_error *e);

/* ---- state_load.c ---- */
/* Variables, position, monitors, live values, means, components. What does not fit
 * begins again, and loop_notify says so; RN_E_CHECKPOINT: the run cannot go on from it.
 */
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

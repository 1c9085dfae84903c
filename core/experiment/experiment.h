/* SPDX-License-Identifier: Apache-2.0 */
/* An experiment: the YAML file read and checked, its plugins opened, each component
 * bound to the place in the file that configures it. Nothing is computed yet. */
#ifndef EXPERIMENT_EXPERIMENT_H
#define EXPERIMENT_EXPERIMENT_H

#include "config/config.h"
#include "experiment/plugins.h"
#include "plugin/kinds.h"
#include "plugin/plugin.h"

/* One component in its place. */
struct bound_component {
    const char
        *name; /* "" when the section holds just one; "hard" of `loss: {hard:...}` */
    const char *path; /* "loss.hard": for live names, scopes, errors */
    const struct component *component;
    struct instance *instance;
    const struct node *node;
};

struct bound_components {
    struct bound_component *at;
    uint32_t count;
};

/* Components that nobody configured, each with a node of its own. */
struct default_components {
    struct bound_components inits;
    uint32_t capacity;
    struct config *configs[32];
    uint32_t config_count;
};

struct experiment {
    struct arena *arena;
    struct session *session; /* borrowed */
    struct plugin_use plugins;
    struct config *config;
    const struct schema *sections; /* of the file, for the defaults */
    const struct node *root;
    const char *name;
    uint64_t seed;
    rn_dtype precision; /* of products: RN_F32, RN_BF16 or RN_F16 */
    struct bound_component backend;
    /* x->losses is x->by_kind[KIND_loss]; of kinds that the data section configures
     * there are none here. */
    union {
        struct bound_components by_kind[KIND_COUNT];
        struct {
#define KIND(name, plural, ...) struct bound_components plural;
#include "plugin/kinds.def"
        };
    };
    struct default_components defaults; /* named by layers */
    struct instance_services services;
    void *run; /* what the services reach; set by the loop */
};

/* Read and check; NULL when d has any error. recorded: of a run that is opened again,
 * else NULL; lives as long as the experiment. Then set services (and run), and open the
 * parts: plugins are loaded and instances made, whose create may ask the services. */
struct experiment *experiment_open(struct session *session, const char *file,
                                   uint32_t n, const char *const *overrides,
                                   const struct recorded_plugins *recorded,
                                   struct diag *d);
void experiment_open_parts(struct experiment *x, struct diag *d);
void experiment_close(struct experiment *x);

/* Read and check only: `runner config` (no plugin is opened). Maybe NULL. */
struct config *experiment_read(struct session *session, const char *file, uint32_t n,
                               const char *const *overrides,
                               const struct recorded_plugins *recorded, struct diag *d);

/* JSON Schema of experiments with the components of the session. */
int experiment_schema_json(struct session *session, struct text *out,
                           struct rn_error *e);

/* The page docs/experiment.md. */
int experiment_schema_docs(struct text *out, struct rn_error *e);

/* A component that nobody configured, with the defaults of its options; kept with x.
 * For an error: what needs it, and the path of the component that this belongs to. */
const struct bound_component *
experiment_default(struct experiment *x, const char *kind, const char *name,
                   const char *wanted_by, const char *owner,
                   struct bound_components *known, struct diag *d);

/* An error of a component's call ("describe"): at the option that e->where names, else
 * at the component. */
void bound_component_error(struct diag *d, const struct bound_component *part,
                           const char *call, const struct rn_error *e);

/* The folder of `output`, with the home folder in place of `~`: relative to the current
 * folder, not to the file's. */
int experiment_output(const struct experiment *x, struct text *out, struct rn_error *e);

/* The scalar at a path of the host's sections: as in the file, else its default in
 * sections.c; 0, 0.0 or NULL for an option that has neither. */
int64_t experiment_int(const struct experiment *x, const char *path);
double experiment_float(const struct experiment *x, const char *path);
const char *experiment_string(const struct experiment *x, const char *path);
bool experiment_bool(const struct experiment *x, const char *path);

/* Does `pattern` match the path, or the name of something above it? "model.a" covers
 * "model.a.weight". */
bool pattern_covers(const char *pattern, const char *path);

#endif

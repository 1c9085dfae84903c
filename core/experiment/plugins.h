/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins of an experiment: the files that it names, the components that it uses,
 * and whether these are still what the record of a run has of them. */
#ifndef EXPERIMENT_PLUGINS_H
#define EXPERIMENT_PLUGINS_H

#include "config/config.h"
#include "plugin/identity.h"

/* Of a run that is opened again. */
struct recorded_plugins {
    struct identities then;
    const char *const *accepted; /* names of components or packages that may differ */
    uint32_t accepted_count;
};

struct plugin_use { /* of zeros but for the first three */
    struct session *session;
    const struct recorded_plugins *recorded; /* NULL: a new run */
    struct arena *arena;    /* NULL: nothing is collected or compared */
    struct identities used; /* each component, once */
    const char *missing;    /* a file that the experiment names and that is not there */
    const char **changes;   /* a sentence for each difference that was accepted */
    uint32_t change_count, change_capacity;
};

/* The files of `plugins:` join the session. Of a run that is opened again one may be
 * missing: the recorded bytes are then looked for in the search path. */
void plugin_use_files(struct plugin_use *u, const struct node *root, struct diag *d);
/* schema_resolver.component: `context` is a struct plugin_use. */
const struct schema *plugin_use_resolve(void *context, const char *kind,
                                        const char *type, const struct node *at,
                                        struct diag *d);
/* Check a component that is about to be used against the record. RN_E_PLUGIN: it
 * differs and was not accepted. */
int plugin_use_add(struct plugin_use *u, const struct component *c, struct rn_error *e);
/* Names in `accepted` that the run does not have: RN_E_CONFIG. */
int recorded_plugins_check(const struct recorded_plugins *r, struct rn_error *e);
/* What is to be recorded: the recorded ones, and in their place those used now. */
void plugin_use_write(const struct plugin_use *u, struct text *out);
/* An error of a component that is not there or cannot be opened, at the word that names
 * it. found: it is there. */
void plugin_unusable(struct diag *d, const struct session *s, const struct node *at,
                     const struct rn_error *e, bool found);

#endif

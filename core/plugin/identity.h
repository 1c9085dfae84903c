/* SPDX-License-Identifier: Apache-2.0 */
/* Which plugins a run was made with, as its record has them, and whether a component is
 * still the one that it was. A plugin from outside is its bytes: the SHA-256 of its
 * file. A built-in component is its behaviour number, since rebuilding runner gives
 * other bytes that produce the same numbers. */
#ifndef PLUGIN_IDENTITY_H
#define PLUGIN_IDENTITY_H

#include "plugin/plugin.h"

struct identity {
    const char *kind, *name; /* "loss", "acme.losses/focal" */
    int behaviour;
    bool built_in;
    char sha256[65];  /* of its file */
    const char *file; /* where that was */
};

struct identities { /* in an arena */
    struct identity *at;
    uint32_t count, capacity;
};

/* c's file is read. */
struct identity identity_of(const struct component *c);
/* Replaces the one of the same kind and name. */
void identities_set(struct arena *a, struct identities *all, struct identity one);
const struct identity *identities_find(const struct identities *all, const char *kind,
                                       const char *name);
/* As text, one line each, and back; RN_E_CHECKPOINT: that is not such a text. */
void identities_write(const struct identities *all, struct text *out);
int identities_read(struct arena *a, const char *text, struct identities *out,
                    struct rn_error *e);
/* Is `now` what `then` was? RN_E_PLUGIN with both hashes, or behaviour numbers. */
int identity_check(const struct identity *then, const struct component *now,
                   struct rn_error *e);

#endif

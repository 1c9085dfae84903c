/* SPDX-License-Identifier: Apache-2.0 */
/* Inside core/config: options of type reference(KIND) and what they may name. */
#ifndef CONFIG_REFER_H
#define CONFIG_REFER_H

#include "config/schema.h"

struct named_part {
    const char *kind;
    const struct node *node;
};

struct asked {
    struct node *node;
    const char *kind; /* a component's, "live" or "series" */
};

struct referrer {
    struct named_part *parts;
    uint32_t part_count, part_capacity;
    const char **live; /* paths */
    uint32_t live_count, live_capacity;
    struct asked *asked;
    uint32_t asked_count, asked_capacity;
    bool unknown; /* a component was not found: it may have had what is asked for */
};

/* While the tree is checked: a component of the experiment, a live option of one, an
 * option that refers to either. */
void refer_component(struct referrer *f, const char *kind, const struct node *n);
void refer_live(struct referrer *f, const struct node *n);
void refer_ask(struct referrer *f, struct node *n, const char *kind);
/* Then: each that was asked for has its path as value, or an error at its place. Series
 * are known later: c gets the nodes that name one. */
void refer_resolve(struct referrer *f, struct config *c, struct diag *d);
void refer_finish(struct referrer *f);

#endif

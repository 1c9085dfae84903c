/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys of an experiment may change when a run is resumed. The one table of it:
 * resume checks against it, its help prints it, docs/resume.md repeats it. */
#ifndef CONFIG_RESUME_H
#define CONFIG_RESUME_H

#include "config/config.h"

struct resume_rule {
    const char *key; /* of the host's sections: "train.epochs"; covers what is below */
    bool applied;    /* false: refused */
    const char *why; /* applied: how; refused: why. No full stop. */
};
uint32_t resume_rule_count(void);
const struct resume_rule *resume_rule_at(uint32_t i);
/* The rule of a node's path; NULL: there is none (keys that begin with "x-"). */
const struct resume_rule *resume_rule_of(const char *path);

/* Told each value that differs between two checked trees: NULL where there is none. */
typedef void (*config_change)(void *context, const struct node *before,
                              const struct node *after);
void config_changes(const struct node *before, const struct node *after,
                    config_change change, void *context);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys of an experiment may change when a run is resumed. The one table of it:
 * resume checks against it, its help prints it, docs/resume.md repeats it. */
#ifndef EXPERIMENT_RESUME_RULES_H
#define EXPERIMENT_RESUME_RULES_H

#include <stdbool.h>
#include <stdint.h>

struct resume_rule {
    const char *key; /* of the host's sections: "train.epochs"; covers what is below */
    bool applied;    /* false: refused */
    const char *why; /* applied: how; refused: why. No full stop. */
};
uint32_t resume_rule_count(void);
const struct resume_rule *resume_rule_at(uint32_t i);
/* The rule of a node's path; NULL: there is none (keys that begin with "x-"). */
const struct resume_rule *resume_rule_of(const char *path);

#endif

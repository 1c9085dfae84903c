/* SPDX-License-Identifier: Apache-2.0 */
/* resume: an interrupted run, continued. */
#include "commands/verbs/train.h"
#include "commands/verbs/verbs.h"

int verb_resume(const struct args *a) {
    struct run_options o = {.resume = a->arg[0],
                            .override_count = a->count - 1,
                            .overrides = a->arg + 1,
                            .accepted = a->repeated[FLAG_ACCEPT_CHANGED],
                            .accepted_count = a->repeated_count[FLAG_ACCEPT_CHANGED]};
    return training_run(a, &o);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What eval and predict take alike: RUN, overrides and --checkpoint. */
#ifndef COMMANDS_VERBS_STORED_ARGS_H
#define COMMANDS_VERBS_STORED_ARGS_H

#include "commands/cli/args.h"
#include "evaluate/stored.h"

static inline struct stored_options stored_args(const struct args *a,
                                                struct session *s) {
    return (struct stored_options){.session = s,
                                   .folder = a->arg[0],
                                   .checkpoint = args_text(a, FLAG_CHECKPOINT),
                                   .split = args_text(a, FLAG_SPLIT),
                                   .data = args_text(a, FLAG_DATA),
                                   .override_count = a->count - 1,
                                   .overrides = a->arg + 1,
                                   .accepted = a->repeated[FLAG_ACCEPT_CHANGED],
                                   .raw_parameters = args_has(a, FLAG_RAW_PARAMETERS),
                                   .accepted_count =
                                       a->repeated_count[FLAG_ACCEPT_CHANGED]};
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile saw, as JSON that Perfetto and Chrome's tracing open. */
#ifndef COMMANDS_VERBS_TRACE_H
#define COMMANDS_VERBS_TRACE_H

#include <stdio.h>

struct profile_result;
void trace_print(const struct profile_result *r, FILE *out);

#endif

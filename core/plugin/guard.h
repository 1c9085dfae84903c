/* SPDX-License-Identifier: Apache-2.0 */
/* Guard zones (runner/sdk/guard.h) around the buffers that one call of a component may
 * use. Between guard_begin and guard_end the plugin sees guarded copies; guard_end
 * brings the outputs back and turns a write outside of a buffer, or to an input, into
 * an error that names component, call and buffer. Where guarding is off, guard_begin
 * returns NULL and all of this does nothing. One guard for one call, on one thread. */
#ifndef PLUGIN_GUARD_H
#define PLUGIN_GUARD_H

#include <runner/sdk/work.h>

#include "plugin/plugin.h"

struct guard;

/* w: of the call, before rn_workspace_begin; its scratch memory is guarded, too. NULL:
 * guarding is off (RUNNER_GUARD). */
struct guard *guard_begin(struct instance *i, struct rn_workspace *w);
/* access: RN_GUARD_IN or RN_GUARD_OUT. kind, name: what messages call the buffer,
 * "field", "image"; kept as pointers until guard_end. t->data is another one until
 * then; a tensor without data and one with cells of variable size stay as they are. */
void guard_tensor(struct guard *g, uint32_t access, const char *kind, const char *name,
                  struct rn_tensor *t);
/* What to pass in place of p[bytes]. */
void *guard_bytes(struct guard *g, uint32_t access, const char *kind, const char *name,
                  const void *p, uint64_t bytes);
/* For services that hand out a buffer while the call is made: between guard_lend and
 * guard_end, guard_lent gives the guard of the instance behind the handle, else NULL.
 * Of calls that are made on one thread only. */
void guard_lend(struct guard *g);
struct guard *guard_lent(struct rn_host *h);
/* An error that somebody else found while the call was made, of a guarded buffer whose
 * copy guard does not hold (cells of variable size). */
void guard_found(struct guard *g, const char *kind, const char *name,
                 const struct rn_guard_damage *d);
/* After instance_leave, with the status that it gave. Returns it, or RN_E_PLUGIN with
 * *e filled. */
int guard_end(struct guard *g, const char *member, int status, struct rn_error *e);

#endif

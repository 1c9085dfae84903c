/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: a status and the caller's struct rn_error, which may be NULL everywhere.
 * Detect with one call that returns; add context once per layer. Core never prints. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <runner/abi.h>

/* Fill e (message by printf) and return status. Hint and where are cleared. */
__attribute__((format(printf, 3, 4))) int error_set(struct rn_error *e, int status,
                                                    const char *format, ...);
/* Add what to do about it. Returns e->status (or 0 for NULL). */
__attribute__((format(printf, 2, 3))) int error_hint(struct rn_error *e,
                                                     const char *format, ...);
/* Say where: kind is RN_WHERE_*; line and column of a file from 1, 0 = unknown. */
int error_where(struct rn_error *e, uint32_t kind, const char *where, unsigned line,
                unsigned column);
/* What a call of a component returned, as 0 or a negative status with *e filled: a
 * message left empty gets the component, the call and the status. */
int error_of_call(struct rn_error *e, int32_t status, const char *component,
                  const char *call);
/* Put "context: " in front of the message. Returns e->status. */
__attribute__((format(printf, 2, 3))) int error_context(struct rn_error *e,
                                                        const char *format, ...);
void error_clear(struct rn_error *e);

#endif

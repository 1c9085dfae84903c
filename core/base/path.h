/* SPDX-License-Identifier: Apache-2.0 */
/* File names as people type them. */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include "base/error.h"
#include "base/text.h"

/* Add `path` to out with a leading `~/` (or `~` alone) replaced by $HOME. RN_E_CONFIG
 * for `~name`, and when HOME is not set or is not absolute: no folder called `~` is
 * ever meant. `./~name` is a file of that name. */
int path_expand(const char *path, struct text *out, struct rn_error *e);
/* Can a run have this name, which becomes one folder's? RN_E_CONFIG: up to 100 letters,
 * digits, '.', '_', '-'. */
int path_check_run_name(const char *name, struct rn_error *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Components as text. */
#ifndef COMMANDS_VERBS_PLUGIN_SHOW_H
#define COMMANDS_VERBS_PLUGIN_SHOW_H

#include "plugin/plugin.h"

/* What a component says of itself, for `plugin show`. */
void component_print(const struct component *c);
/* docs/components.md: every component that comes with the runner; an exit code. */
int plugin_docs(const struct session *s);
/* For qsort of pointers to components: by kind, then name. */
int component_order(const void *a, const void *b);

#endif

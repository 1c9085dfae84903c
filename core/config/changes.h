/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between two checked trees of an experiment. */
#ifndef CONFIG_CHANGES_H
#define CONFIG_CHANGES_H

#include "config/config.h"

/* Called with each value that differs: NULL where there is none. */
typedef void (*config_change)(void *context, const struct node *before,
                              const struct node *after);
void config_changes(const struct node *before, const struct node *after,
                    config_change change, void *context);

#endif

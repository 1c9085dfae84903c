/* SPDX-License-Identifier: Apache-2.0 */
/* `data.prepare: auto`: an experiment on a table rewritten to one that spells out its
 * transforms, before it is opened for use. */
#ifndef SETUP_PREPARE_H
#define SETUP_PREPARE_H

#include "setup/setup.h"

/* Does the experiment ask for it? */
bool prepare_wanted(const struct experiment *x);
/* Overrides that take the place of the option, after those of `o`: from the training
 * rows of x's data, whose plan is logged. In s->arena. */
int prepare_overrides(struct setup *s, const struct setup_options *o,
                      const struct experiment *x, uint32_t *count,
                      const char *const **out, struct diag *d);

#endif

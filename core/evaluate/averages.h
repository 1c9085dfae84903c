/* SPDX-License-Identifier: Apache-2.0 */
/* Averages of parameters before an evaluation reads them. */
#ifndef EVALUATE_AVERAGES_H
#define EVALUATE_AVERAGES_H

#include "setup/setup.h"

/* What the programs of evaluations read is there: the averages, with running statistics
 * computed for them where their hook asks for that, or the parameters before the first
 * average. Nothing to do without such a hook. RN_E_CANCELLED: a stop was asked for;
 * training's own variables are never touched. */
int averages_ready(struct setup *s, struct rn_error *e);

#endif

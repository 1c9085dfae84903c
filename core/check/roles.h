/* SPDX-License-Identifier: Apache-2.0 */
/* Which fields of an experiment are inputs of its models, and which one is the target.
 */
#ifndef CHECK_ROLES_H
#define CHECK_ROLES_H

#include "data/data.h"
#include "experiment/experiment.h"

struct roles {
    const char *target; /* a raw field, or NULL */
    const char *why;    /* there is none, in words; "" else */
    bool regression;    /* its loss compares numbers */
    bool *input;        /* [raw fields] */
};

/* In the arena. The target is check.target; else the field that a loss names; else the
 * option `target` of the source; else data.split.by; else the field `label`; else the
 * only field that no model names. Inputs are the fields that models name, or all fields
 * but the target. */
void roles_find(const struct experiment *x, const struct data *data, struct arena *a,
                struct roles *out);

#endif

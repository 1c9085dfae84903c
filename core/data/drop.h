/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that data.drop_missing leaves out because a value is missing. They are left out
 * before rows are divided, except where the test is a part of the same source and keeps
 * its rows: then all rows are divided first. */
#ifndef DATA_DROP_H
#define DATA_DROP_H

#include "data/internal.h"

/* data->dropped.names, before sources are opened; not to predict. */
void drop_names(struct data *data);
/* Looks for missing values in all sources, and leaves out of the rows to divide what
 * can be left out before. No such option: does nothing. RN_E_CONFIG: an unknown field;
 * RN_E_DATA: no row is left. */
int drop_find(struct data *data, struct rn_error *e);
/* With the lists made: takes out of them what is still to be left out. */
int drop_apply(struct data *data, struct rn_error *e);
/* A stored split says that a sample was left out: of `all` samples. */
void drop_mark(struct data *data, int64_t id, uint64_t all);
/* The ids that were left out, and the rows of the main source without them. */
void drop_finish(struct data *data);

/* Rows of the main source that are divided: how many, and the row of the source of
 * each, both counted from 0. */
uint64_t pool_count(const struct data *data);
uint64_t pool_row(const struct data *data, uint64_t i);

#endif

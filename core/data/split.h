/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the data room: the options of data.split and what they name, shared by whoever
 * makes the split and whoever reports it. */
#ifndef DATA_SPLIT_H
#define DATA_SPLIT_H

#include "data/internal.h"

enum split_kind {
    SPLIT_RANDOM,
    SPLIT_STRATIFIED,
    SPLIT_GROUP,
    SPLIT_TIME,
    SPLIT_HASH,
    SPLIT_POSITION,
    SPLIT_FILE
};

/* Raw columns that an option names. */
struct split_keys {
    const char *option; /* "by" or "group" */
    uint32_t count;
    uint32_t *columns; /* in the arena */
    bool near;         /* group: near-duplicate */
};

/* NULL: not given. */
const struct node *split_option(const struct data *data, const char *name);
enum split_kind split_kind_of(const struct data *data);
/* by: of classes, of the time, of the hash. group: of groups, whichever option names
 * them; with equal_rows (group: rows, or near-duplicate) all inputs. Checks which options go together. */
int split_keys_of(struct data *data, struct split_keys *by, struct split_keys *group,
                  bool *equal_rows, struct rn_error *e);
/* The field that the source's option `target` names; without that option, `label`. */
bool split_is_label(const struct data *data, uint32_t column);
/* The group of each row of the main source. A missing one is an error. */
int split_groups(struct data *data, const struct split_keys *keys, bool equal_rows,
                 uint32_t *of, uint64_t *count, struct rn_error *e);
/* The lists, each in rising order, of the parts that `any` has: parts of the main
 * source's rows, from enum data_split_kind; others are in no list. */
void split_lists(struct data *data, const uint8_t *part, const bool any[DATA_SPLITS]);
/* All rows of a source are this part. */
void split_whole(struct data *data, enum data_split_kind split, int table);

/* split_stored.c: lists as data_split_write gave them. */
int split_read(struct data *data, const char *text, struct rn_error *e);
int split_read_file(struct data *data, const char *path, struct rn_error *e);

/* split_named.c: train, val, test or none of each row, from a raw column of text, or
 * from a text with a word a row. RN_E_DATA with the row of another word. */
int split_read_column(struct data *data, uint32_t column, struct rn_error *e);
bool split_is_named(const char *text); /* by its first word */
int split_read_words(struct data *data, const char *path, const char *text,
                     struct rn_error *e);

#endif

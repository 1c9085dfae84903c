/* SPDX-License-Identifier: Apache-2.0 */
/* Which part each row goes to: training, validation, test, or none. Functions of keys
 * that were read before; nothing here reads data. */
#ifndef DATA_DIVISION_H
#define DATA_DIVISION_H

#include <stdbool.h>
#include <stdint.h>

#include "data/data.h"

/* Parts are enum data_split_kind; this one is in none of them. */
#define DIVISION_LEFT_OUT DATA_SPLITS

struct division {
    uint64_t rows;
    uint64_t want[DATA_SPLITS]; /* rows of each part; their sum is `rows` at most */
    /* 0: none. Otherwise validation is fold `fold` (from 0) of what the test leaves,
     * and want[DATA_VAL] is 0. The test does not depend on either. */
    uint32_t folds, fold;
    uint32_t key[2]; /* of the shuffling */
    uint8_t *part;   /* out: [rows] */
};

/* Why it cannot be done. */
struct division_lack {
    bool any;
    enum data_split_kind part; /* that would be without rows, */
    bool of_class;             /* or without rows of this class */
    uint64_t which;
};

/* Rows in random order, class by class (counts[classes]): each part has of each class
 * its share rounded down or up (stratify.h), and so has each fold. */
void divide_classes(struct division *d, const uint64_t *rows, const uint64_t *counts,
                    uint64_t classes);

/* Rows from the oldest to the newest. */
struct timeline {
    const uint64_t *rows;
    const long double *times; /* of each; NULL: no two are equal */
    uint64_t gap;             /* rows left out before the start of a part */
    long double embargo;      /* and rows less than this before its start, in time */
    bool forward;             /* a fold is trained on older rows only */
};

/* The test is the newest rows, then validation; rows of one time are in one part: a
 * border is moved to the nearest change of time. forward: fold k is block k + 1 of
 * folds + 1 equal blocks, from 0, and trains on the blocks before it; later ones are
 * left out. Else: block k of `folds` equal blocks, and trains on all others; `gap` rows
 * are left out at both of its ends, and there are no times. */
struct division_lack divide_time(struct division *d, const struct timeline *t);

/* share: of test and validation. A row is in the test where its hash / 2^64 is below
 * the first, in validation below the sum of both. */
void divide_hash(struct division *d, const uint64_t *hashes,
                 const double share[DATA_SPLITS]);

#endif

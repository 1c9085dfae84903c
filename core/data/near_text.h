/* SPDX-License-Identifier: Apache-2.0 */
/* Near-duplicates among texts: those whose sets of shingles have a Jaccard index of at
 * least 0.8.
 *
 * Words are what blanks divide, with ASCII, Latin-1, Greek and Cyrillic letters in
 * lower case. Shingles are every five consecutive words; of a text of fewer than 20
 * words every five consecutive characters, one blank between words; the whole text
 * where it has fewer. Candidates share a band of a MinHash signature (128 values, 32
 * bands of 4), which a pair at 0.8 misses with a probability of 5e-8; of each, the
 * exact index is computed (Broder 1997; Leskovec, Rajaraman & Ullman, Mining of Massive
 * Datasets, ch. 3).
 *
 * Equal texts are one text, as in near.h. Life: create -> add of each row -> search ->
 * result. One thread. */
#ifndef DATA_NEAR_TEXT_H
#define DATA_NEAR_TEXT_H

#include <stddef.h>

#include "data/near.h"

#define NEAR_TEXT_ROWS_MAX 500000u
#define NEAR_JACCARD       0.8

struct near_text;
struct near_text *near_text_create(uint64_t rows); /* NULL: no memory */
void near_text_destroy(struct near_text *t);       /* NULL is fine */
/* RN_E_UNSUPPORTED: the texts are too long to be held. */
int near_text_add(struct near_text *t, uint64_t row, const char *s, size_t n,
                  struct rn_error *e);
/* Words of a text on average; below NEAR_TEXT_WORDS they are names of categories, of
 * which rows with the same are no duplicates. */
#define NEAR_TEXT_WORDS 4
double near_text_words(const struct near_text *t);
/* RN_E_UNSUPPORTED: so many pairs are alike that they cannot be listed. */
int near_text_search(struct near_text *t, struct rn_error *e);
/* Distances are 1 - Jaccard's index. */
struct near_result near_text_result(const struct near_text *t);

#endif

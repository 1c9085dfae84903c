/* SPDX-License-Identifier: Apache-2.0 */
/* Byte-level byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909; on bytes:
 * Radford et al. 2019): pieces of text are sequences of tokens, at first their bytes;
 * a merge makes one token of two neighbours. */
#ifndef TRANSFORM_BPE_H
#define TRANSFORM_BPE_H

#include <runner/sdk/budget.h>
#include <runner/sdk/category_set.h>

#include "token_cells.h"

#define BPE_BYTES 1    /* ids of the 256 bytes begin; 0 is padding */
#define BPE_FIRST 257  /* the first id that a merge makes */
#define BPE_PIECE 1024 /* most bytes of a piece: longer ones are cut */

/* Pairs of ids -> a number. Of zeros it is empty. */
struct pair_table {
    uint64_t *keys; /* [slots], 0: empty */
    uint32_t *values;
    uint64_t slots, count;
};

static inline uint64_t pair_key(int32_t left, int32_t right) {
    return ((uint64_t)(uint32_t)left + 1) << 32 | (uint32_t)right;
}

static inline uint64_t pair_slot(const struct pair_table *t, uint64_t key) {
    uint64_t at = key * 0x9E3779B97F4A7C15u >> 20;
    for (at &= t->slots - 1; t->keys[at] && t->keys[at] != key;)
        at = (at + 1) & (t->slots - 1);
    return at;
}

/* The number of a pair, or NULL. */
static inline uint32_t *pair_find(const struct pair_table *t, int32_t left,
                                  int32_t right) {
    if (!t->slots)
        return NULL;
    uint64_t at = pair_slot(t, pair_key(left, right));
    return t->keys[at] ? &t->values[at] : NULL;
}

static inline void pair_table_finish(struct pair_table *t) {
    free(t->keys);
    free(t->values);
    memset(t, 0, sizeof *t);
}

static inline int pair_table_grow(struct pair_table *t) {
    struct pair_table more = {0};
    more.slots = t->slots ? 2 * t->slots : 1024;
    more.keys = calloc(more.slots, sizeof *more.keys);
    more.values = calloc(more.slots, sizeof *more.values);
    if (!more.keys || !more.values) {
        pair_table_finish(&more);
        return 0;
    }
    for (uint64_t i = 0; i < t->slots; i++)
        if (t->keys[i]) {
            uint64_t at = pair_slot(&more, t->keys[i]);
            more.keys[at] = t->keys[i];
            more.values[at] = t->values[i];
        }
    more.count = t->count;
    pair_table_finish(t);
    *t = more;
    return 1;
}

/* The number of a pair, made with `value` where it is new; NULL: no memory. */
static inline uint32_t *pair_add(struct pair_table *t, int32_t left, int32_t right,
                                 uint32_t value) {
    if (2 * t->count >= t->slots && !pair_table_grow(t))
        return NULL;
    uint64_t at = pair_slot(t, pair_key(left, right));
    if (!t->keys[at]) {
        t->keys[at] = pair_key(left, right);
        t->values[at] = value;
        t->count++;
    }
    return &t->values[at];
}

struct bpe_merge {
    int32_t left, right, made; /* ids */
};

/* The tokens and how they come about. */
struct bpe_model {
    struct rn_set tokens; /* i: the bytes of id BPE_BYTES + i */
    struct bpe_merge *merges;
    uint32_t count, room;   /* of merges, in order */
    struct pair_table rank; /* pair -> index of its merge */
};

void bpe_model_finish(struct bpe_model *m);
/* The 256 bytes, no merges. 0: no memory. */
int bpe_model_begin(struct bpe_model *m);
/* One more merge. What it makes may be a token already, made of another pair: then it
 * is that one. 0: no memory. */
int bpe_model_merge(struct bpe_model *m, int32_t left, int32_t right, int32_t *made);
/* The id of a byte: printable ones of Latin-1 first, as in GPT-2's table. */
int32_t bpe_byte_id(uint8_t byte);
/* The character that stands for a byte where tokens are shown, U+0021 to U+0143. */
uint32_t bpe_byte_character(uint8_t byte);

/* The tokens of a piece of 1 to BPE_PIECE bytes, behind those in t. 0: no memory. */
int bpe_encode(const struct bpe_model *m, const uint8_t *piece, uint64_t n,
               struct token_list *t);

/* bpe_train.c: merges learnt from pieces with their counts, the most frequent pair
 * first, of equally frequent ones that of the smallest ids; until there are `size` ids
 * with padding, or no pair occurs min_count times. RN_E_MEMORY. */
int32_t bpe_train(struct bpe_model *m, const struct rn_set *pieces, uint32_t size,
                  uint64_t min_count, struct rn_error *e);
/* Bytes of memory that training takes for a piece of n bytes, at most. */
static inline uint64_t bpe_train_bytes(uint64_t n) {
    return 160 * n + 64;
}

/* bpe_split.c: bytes of the piece at the start of the text, n > 0 bytes, at most
 * BPE_PIECE. Pieces are those of GPT-2: contractions ('s 't 're 've 'm 'll 'd), then
 * runs of letters, of numbers, and of other signs, each with one space before it; the
 * rest of white space. */
uint64_t bpe_piece(const uint8_t *text, uint64_t n);

#endif

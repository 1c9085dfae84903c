/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens of byte-pair encoding, and a piece of text as tokens. */
#include "bpe.h"

/* Bytes that Latin-1 prints, without the space and the soft hyphen. */
static int is_printed(uint8_t byte) {
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
}

/* How many bytes below this one are printed, or, of one that is not, are not. */
static int32_t place(uint8_t byte) {
    if (is_printed(byte))
        return byte - (byte <= 0x7E ? 0x21 : byte <= 0xAC ? 0x43 : 0x44);
    return byte <= 0x20 ? byte : byte == 0xAD ? 67 : byte - 0x5E;
}

int32_t bpe_byte_id(uint8_t byte) {
    return BPE_BYTES + place(byte) + (is_printed(byte) ? 0 : 188);
}

uint32_t bpe_byte_character(uint8_t byte) {
    return is_printed(byte) ? byte : 0x100 + (uint32_t)place(byte);
}

void bpe_model_finish(struct bpe_model *m) {
    rn_set_free(&m->tokens);
    free(m->merges);
    pair_table_finish(&m->rank);
    memset(m, 0, sizeof *m);
}

int bpe_model_begin(struct bpe_model *m) {
    uint8_t bytes[256];
    bpe_model_finish(m);
    m->tokens.text = 1;
    for (uint32_t b = 0; b < 256; b++)
        bytes[bpe_byte_id((uint8_t)b) - BPE_BYTES] = (uint8_t)b;
    for (uint32_t i = 0; i < 256; i++) {
        struct rn_set_key key = {(const char *)&bytes[i], 1, 0.0};
        if (rn_set_add(&m->tokens, &key) != i)
            return 0;
    }
    return 1;
}

/* The bytes of both tokens, one after the other, in `out`; how many. */
static size_t join(const struct bpe_model *m, int32_t left, int32_t right,
                   uint8_t out[2 * BPE_PIECE]) {
    size_t n, k;
    const char *a = rn_set_text(&m->tokens, (uint32_t)(left - BPE_BYTES), &n);
    const char *b = rn_set_text(&m->tokens, (uint32_t)(right - BPE_BYTES), &k);
    memcpy(out, a, n);
    memcpy(out + n, b, k);
    return n + k;
}

int bpe_model_merge(struct bpe_model *m, int32_t left, int32_t right, int32_t *made) {
    uint8_t bytes[2 * BPE_PIECE];
    struct rn_set_key key = {(const char *)bytes, join(m, left, right, bytes), 0.0};
    if (m->count == m->room) {
        uint32_t room = m->room ? 2 * m->room : 256;
        struct bpe_merge *more = realloc(m->merges, rn_size_or_max(room, sizeof *more));
        if (!more)
            return 0;
        m->merges = more;
        m->room = room;
    }
    uint32_t token = rn_set_add(&m->tokens, &key);
    if (token == RN_SET_NONE || !pair_add(&m->rank, left, right, m->count))
        return 0;
    *made = BPE_BYTES + (int32_t)token;
    m->merges[m->count++] = (struct bpe_merge){left, right, *made};
    return 1;
}

/* ------------------------------------------------------------------ encode */

#define NO_RANK UINT32_MAX

static uint32_t rank_of(const struct bpe_model *m, int32_t left, int32_t right) {
    const uint32_t *rank = pair_find(&m->rank, left, right);
    return rank ? *rank : NO_RANK;
}

/* The place of the earliest merge, the first of several; n: there is none. */
static uint32_t earliest(const uint32_t *ranks, uint32_t n) {
    uint32_t least = NO_RANK, at = n;
    for (uint32_t i = 0; i < n; i++)
        if (ranks[i] < least) {
            least = ranks[i];
            at = i;
        }
    return at;
}

int bpe_encode(const struct bpe_model *m, const uint8_t *piece, uint64_t n,
               struct token_list *t) {
    uint32_t ranks[BPE_PIECE], count = (uint32_t)n, at;
    if (!token_list_reserve(t, n))
        return 0;
    int32_t *x = t->at + t->count;
    for (uint32_t i = 0; i < count; i++)
        x[i] = bpe_byte_id(piece[i]);
    for (uint32_t i = 0; i + 1 < count; i++)
        ranks[i] = rank_of(m, x[i], x[i + 1]);
    while (count > 1 && (at = earliest(ranks, count - 1)) < count - 1) {
        x[at] = m->merges[ranks[at]].made;
        count--;
        memmove(x + at + 1, x + at + 2, (count - at - 1) * sizeof *x);
        memmove(ranks + at, ranks + at + 1, (count - at - 1) * sizeof *ranks);
        if (at + 1 < count)
            ranks[at] = rank_of(m, x[at], x[at + 1]);
        if (at)
            ranks[at - 1] = rank_of(m, x[at - 1], x[at]);
    }
    t->count += count;
    return 1;
}

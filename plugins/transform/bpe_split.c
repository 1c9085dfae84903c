/* SPDX-License-Identifier: Apache-2.0 */
/* Text in pieces that merges do not cross, by the rule of GPT-2:
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
#include "bpe.h"
#include "unicode.h"

enum kind { SPACE, LETTER, NUMBER, SIGN };

static enum kind kind_at(const uint8_t *p, uint64_t n, uint64_t *used) {
    switch (unicode_class(unicode_next(p, n, used))) {
    case UNICODE_SPACE:
        return SPACE;
    case UNICODE_LETTER:
        return LETTER;
    case UNICODE_NUMBER:
    case UNICODE_DIGIT:
        return NUMBER;
    default:
        return SIGN;
    }
}

/* Bytes of a contraction, or 0. */
static uint64_t contraction(const uint8_t *p, uint64_t n) {
    static const char *const ends[] = {"s", "t", "re", "ve", "m", "ll", "d"};
    for (size_t i = 0; *p == '\'' && i < sizeof ends / sizeof *ends; i++) {
        uint64_t bytes = strlen(ends[i]);
        if (n > bytes && memcmp(p + 1, ends[i], bytes) == 0)
            return bytes + 1;
    }
    return 0;
}

/* Bytes of a run of one kind from `at` on; *last: where its last character begins. */
static uint64_t run(const uint8_t *p, uint64_t n, uint64_t at, enum kind kind,
                    uint64_t *last) {
    uint64_t used;
    while (at < n && at + 4 <= BPE_PIECE && kind_at(p + at, n - at, &used) == kind) {
        *last = at;
        at += used;
    }
    return at;
}

uint64_t bpe_piece(const uint8_t *text, uint64_t n) {
    uint64_t used, last = 0, space = text[0] == ' ' && n > 1;
    uint64_t bytes = contraction(text, n);
    if (bytes)
        return bytes;
    enum kind kind = kind_at(text + space, n - space, &used);
    if (kind != SPACE)
        return run(text, n, space, kind, &last);
    bytes = run(text, n, 0, SPACE, &last);
    return bytes < n && last ? last : bytes;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Random changes of files that know their form: bytes, integers of every width, decimal
 * numbers, words of a format, parts of other files. The same state gives the same
 * changes on every machine. */
#ifndef TESTS_FUZZ_MUTATE_H
#define TESTS_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

#define INPUT_MAX ((size_t)256 << 10) /* bytes; longer results are cut */

struct input {
    uint8_t *bytes; /* malloc'ed */
    size_t n;
};

struct mutator {
    uint64_t state; /* xorshift64*, not 0 */
    uint32_t word_count;
    struct input *words; /* of the format */
};

/* 0 .. below - 1; 0 where below is 0. */
uint64_t mutator_draw(struct mutator *m, uint64_t below);
/* Changes the `*n` bytes of `b`, a buffer of INPUT_MAX bytes. other: a file of the same
 * format, parts of which may be copied. */
void mutate(struct mutator *m, uint8_t *b, size_t *n, const struct input *other);

#endif

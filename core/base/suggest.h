/* SPDX-License-Identifier: Apache-2.0 */
/* What an error about an unknown word offers: the nearest of the names that there are,
 * and those names: "did you mean 'model'? there are: model, loss". */
#ifndef BASE_SUGGEST_H
#define BASE_SUGGEST_H

#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

/* Names to offer; zero-initialised is empty. */
struct suggest {
    const char **names; /* borrowed strings */
    uint32_t count, capacity;
};

void suggest_add(struct suggest *s, const char *name);
void suggest_finish(struct suggest *s);
/* The name nearest to `word` by edit distance, or NULL when none is near enough
 * (distance > 1 + length/3). */
const char *suggest_nearest(const char *word, const char *const *names, size_t n);
const char *suggest_find(const struct suggest *s, const char *word);
/* Adds "a, b, c"; the rest as ", ..." after about `most` bytes. */
void suggest_list(const struct suggest *s, size_t max_length, struct text *out);
/* Adds "did you mean 'NEAR'? HEAD: a, b, c": without its first part where no name is
 * near, without its second where there are no names or head is NULL. */
void suggest_text(const struct suggest *s, const char *word, const char *head,
                  struct text *out);
/* The same as the hint of e, if there is anything to offer. Returns e->status. */
int suggest_hint(const struct suggest *s, const char *word, const char *head,
                 struct rn_error *e);

#endif

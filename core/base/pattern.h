/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns over names. */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include <stdbool.h>

/* Does `pattern` (* and ?) match all of `text`? */
bool pattern_match(const char *pattern, const char *text);
/* Is it a pattern rather than a name? */
bool pattern_is(const char *word);

#endif

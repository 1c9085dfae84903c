/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pattern.h"

#include <string.h>

bool pattern_match(const char *pattern, const char *text) {
    for (; *pattern; pattern++, text++) {
        if (*pattern == '*') {
            while (*pattern == '*')
                pattern++;
            if (!*pattern)
                return true;
            for (; *text; text++)
                if (pattern_match(pattern, text))
                    return true;
            return false;
        }
        if (!*text || (*pattern != '?' && *pattern != *text))
            return false;
    }
    return !*text;
}

bool pattern_is(const char *word) {
    return strpbrk(word, "*?") != NULL;
}

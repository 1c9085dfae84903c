/* SPDX-License-Identifier: Apache-2.0 */
/* A test program: CHECK counts, the last line says "N passed, N failed", exit 1 on any
 * failure. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <math.h>
#include <stdio.h>
#include <string.h>

static int check_passed, check_failed;

#define CHECK(condition)                                                               \
    do {                                                                               \
        if (condition) {                                                               \
            check_passed++;                                                            \
        } else {                                                                       \
            check_failed++;                                                            \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);  \
        }                                                                              \
    } while (0)

#define CHECK_TEXT(got, want)                                                          \
    do {                                                                               \
        const char *got_ = (got), *want_ = (want);                                     \
        if (got_ && strcmp(got_, want_) == 0) {                                        \
            check_passed++;                                                            \
        } else {                                                                       \
            check_failed++;                                                            \
            fprintf(stderr, "%s:%d: got \"%s\", want \"%s\"\n", __FILE__, __LINE__,    \
                    got_ ? got_ : "(null)", want_);                                    \
        }                                                                              \
    } while (0)

static inline int check_done(void) {
    printf("%d passed, %d failed\n", check_passed, check_failed);
    return check_failed || !check_passed;
}

#endif

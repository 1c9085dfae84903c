/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Of a clock that only moves forward; its zero means nothing. */
static inline int64_t clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline double clock_seconds(void) {
    return 1e-9 * (double)clock_ns();
}

/* The time of day, for names and for people. */
static inline time_t clock_wall(void) {
    return time(NULL);
}

/* The time of day that is `ms` from now, as the waits of POSIX take it. */
static inline struct timespec clock_deadline(long ms) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

#endif

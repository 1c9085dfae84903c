/* SPDX-License-Identifier: Apache-2.0 */
/* core/check/confident.c beside cleanlab 2.9 (confident_golden.py). */
#include <string.h>

#include "base/memory.h"
#include "check.h"
#include "check/confident.h"
#include "confident_golden.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void compare(const double *p, const uint32_t *given, uint64_t rows,
                    uint32_t classes, const int64_t *joint, const uint32_t *issues,
                    uint64_t count) {
    int64_t got[64];
    uint64_t n;
    struct label_issue *all =
        confident_issues(p, given, rows, classes, false, got, &n);
    CHECK(memcmp(got, joint, classes * classes * sizeof *got) == 0);
    CHECK(n == count);
    for (uint64_t i = 0; i < n && i < count; i++) {
        CHECK(all[i].row == issues[i]);
        CHECK(all[i].given == given[issues[i]]);
        CHECK(all[i].p_likely == p[issues[i] * classes + all[i].likely]);
    }
    memory_release(all);
}

#define CASE(name, classes)                                                            \
    compare(P_##name, GIVEN_##name, COUNT(GIVEN_##name), classes, JOINT_##name,        \
            ISSUES_##name, COUNT(ISSUES_##name))

/* Of a class of four rows none is flagged, if that is asked for. */
static void small_classes(void) {
    double p[40 * 2];
    uint32_t given[40];
    int64_t joint[4];
    uint64_t n;
    for (uint32_t i = 0; i < 40; i++) {
        given[i] = i < 4;
        p[2 * i] = i < 2 || i > 5 ? 0.99 : 0.02;
        p[2 * i + 1] = 1 - p[2 * i];
    }
    struct label_issue *all = confident_issues(p, given, 40, 2, false, joint, &n);
    CHECK(n == 4 && joint[0] == 34 && joint[3] == 2);
    memory_release(all);
    all = confident_issues(p, given, 40, 2, true, joint, &n);
    CHECK(n == 2 && all[0].row == 4 && all[1].row == 5);
    memory_release(all);
    all = confident_issues(p, given, 0, 2, true, joint, &n);
    CHECK(n == 0);
    memory_release(all);
}

int main(void) {
    CASE(A, 3);
    CASE(B, 2);
    CASE(C, 5);
    CASE(D, 8);
    small_classes();
    return check_done();
}

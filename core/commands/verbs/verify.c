/* SPDX-License-Identifier: Apache-2.0 */
/* verify: is a run whole? */
#include <stdio.h>

#include "commands/cli/report.h"
#include "commands/verbs/verbs.h"
#include "record/record.h"

int verb_verify(const struct args *a) {
    struct verify_result r;
    struct rn_error e = {0};
    if (record_verify(a->arg[0], &r, &e) != RN_OK) {
        fail_error(&e, a);
        return 8;
    }
    printf(args_json(a) ? "{\"step\": %lld, \"rows\": %llu, \"sha256\": \"%s\"}\n"
                        : "step=%lld rows=%llu sha256=%s\n",
           (long long)r.step, (unsigned long long)r.rows, r.sha256);
    return 0;
}

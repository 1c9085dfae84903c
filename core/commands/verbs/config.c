/* SPDX-License-Identifier: Apache-2.0 */
/* config: print the experiment as runner reads it. */
#include <stdio.h>

#include "commands/cli/report.h"
#include "commands/cli/session.h"
#include "commands/verbs/verbs.h"
#include "experiment/experiment.h"

int verb_config(const struct args *a) {
    int code = 0;
    struct session *s = open_session();
    if (!s)
        return 4;
    struct diag *d = diag_create();
    struct config *c = experiment_read(s, a->arg[0], a->count - 1, a->arg + 1, NULL, d);
    if (diag_count(d)) {
        code = fail_with(d, a);
    } else {
        struct text t = {0};
        if (args_json(a)) {
            config_json(c, &t);
            text_add(&t, "\n");
        } else {
            config_print(c, args_has(a, FLAG_BLAME), &t);
        }
        fputs(text_get(&t), stdout);
        text_finish(&t);
    }
    config_destroy(c);
    diag_destroy(d);
    session_destroy(s);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* schema: what a file may say, for editors and as documentation. */
#include <stdio.h>

#include "commands/cli/report.h"
#include "commands/cli/session.h"
#include "commands/verbs/verbs.h"
#include "experiment/experiment.h"

static int print_docs(const struct args *a) {
    struct rn_error e = {0};
    struct text t = {0};
    int code = 0;
    if (experiment_schema_docs(&t, &e) != RN_OK)
        code = fail_error(&e, a);
    else
        fputs(text_get(&t), stdout);
    text_finish(&t);
    return code;
}

int verb_schema(const struct args *a) {
    int code = 0;
    if (args_has(a, FLAG_DOCS))
        return print_docs(a);
    struct session *s = open_session();
    if (!s)
        return 4;
    struct rn_error e = {0};
    struct text t = {0};
    if (experiment_schema_json(s, &t, &e) != RN_OK)
        code = fail_error(&e, a);
    else
        puts(text_get(&t));
    text_finish(&t);
    session_destroy(s);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* help: what can be typed. */
#include "commands/cli/help.h"
#include "commands/cli/report.h"
#include "commands/verbs/verbs.h"

int verb_help(const struct args *a) {
    enum verb_id v = a->count ? verb_find(a->arg[0]) : VERB_COUNT;
    if (args_has(a, FLAG_MAN))
        help_man();
    else if (!a->count)
        help_overview();
    else if (v == VERB_COUNT)
        return verb_unknown(a->arg[0]);
    else
        help_verb(v);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* eval: the losses and metrics of a trained network on a split. */
#include <stdio.h>

#include "base/json_writer.h"
#include "commands/cli/report.h"
#include "commands/cli/session.h"
#include "commands/verbs/stored_args.h"
#include "commands/verbs/verbs.h"

static void print_metrics(const struct metric_list *all, enum stored_parameters used,
                          bool json) {
    struct text line = {0};
    struct json_writer w;
    json_begin(&w, &line);
    json_object(&w, NULL);
    for (uint32_t i = 0; i < all->count; i++)
        if (json)
            json_number(&w, all->at[i].name, all->at[i].value);
        else
            print_measure(all->at[i].name, all->at[i].value);
    if (used != STORED_ONLY)
        json_string(&w, "parameters", used == STORED_AVERAGE ? "average" : "raw");
    json_close(&w);
    if (json)
        print_text(&line);
    text_finish(&line);
}

int verb_eval(const struct args *a) {
    int code = 0;
    struct session *s = open_session();
    if (!s)
        return 4;
    struct diag *d = diag_create();
    struct arena *names = arena_create();
    struct metric_list all = {0};
    enum stored_parameters used = STORED_ONLY;
    struct stored_options o = stored_args(a, s);
    if (stored_eval(&o, names, &all, &used, d) != RN_OK) {
        code = fail_with(d, a);
    } else {
        print_metrics(&all, used, args_json(a));
    }
    memory_release(all.at);
    arena_destroy(names);
    diag_destroy(d);
    session_destroy(s);
    return code;
}

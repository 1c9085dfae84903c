/* SPDX-License-Identifier: Apache-2.0 */
/* prepare: the samples of every split, after the transforms, in a file. */
#include <stdio.h>
#include <string.h>

#include "base/json_writer.h"
#include "commands/cli/report.h"
#include "commands/cli/session.h"
#include "commands/verbs/verbs.h"
#include "prepared/prepared.h"
#include "setup/setup.h"

/* Text of the facts that the file states about itself. */
struct recipe {
    struct text data, plugins, seed;
};

static void read_recipe(const struct setup *s, struct recipe *r) {
    struct text all = {0};
    setup_recipe(s, &r->data);
    plugin_use_write(&s->x->plugins, &all);
    for (const char *at = text_get(&all); *at;) {
        size_t n = strcspn(at, "\n");
        n += at[n] == '\n';
        if (strncmp(at, "source ", 7) == 0 || strncmp(at, "transform ", 10) == 0)
            text_add_n(&r->plugins, at, n);
        at += n;
    }
    text_finish(&all);
    text_addf(&r->seed, "%llu", (unsigned long long)s->x->seed);
}

static void finish_recipe(struct recipe *r) {
    text_finish(&r->data);
    text_finish(&r->plugins);
    text_finish(&r->seed);
}

static int write_prepared(const struct args *a, const struct setup *s,
                          struct rn_error *e) {
    struct recipe r = {0};
    read_recipe(s, &r);
    const struct prepared_fact facts[] = {{"experiment", s->x->name},
                                          {"seed", text_get(&r.seed)},
                                          {"plugins", text_get(&r.plugins)},
                                          {"recipe", text_get(&r.data)}};
    const struct prepared_options o = {.data = s->data,
                                       .path = args_text(a, FLAG_PREPARED),
                                       .format = args_text(a, FLAG_FORMAT),
                                       .fact_count = sizeof facts / sizeof *facts,
                                       .facts = facts};
    int status = prepared_write(&o, e);
    finish_recipe(&r);
    return status;
}

static void report(const struct args *a, const struct setup *s) {
    const char *path = args_text(a, FLAG_PREPARED);
    struct text t = {0};
    if (args_json(a)) {
        struct json_writer w;
        json_begin(&w, &t);
        json_object(&w, NULL);
        json_string(&w, "file", path);
        json_string(&w, "content_sha256", data_content_hash(s->data));
        json_string(&w, "split_sha256", data_split_hash(s->data));
        json_object(&w, "rows");
        for (int k = 0; k < DATA_SPLITS; k++)
            json_uint(&w, data_split_name((enum data_split_kind)k),
                      data_rows(s->data, (enum data_split_kind)k));
        json_close(&w);
        json_close(&w);
        json_end(&w);
    } else {
        text_addf(&t, "%s: ", path);
        data_describe(s->data, &t);
    }
    print_text(&t);
}

int verb_prepare(const struct args *a) {
    struct rn_error e = {0};
    if (!args_text(a, FLAG_PREPARED)) {
        fprintf(stderr, "runner prepare: error: --out FILE is missing\n");
        return 2;
    }
    struct session *session = open_session();
    if (!session)
        return 4;
    struct diag *d = diag_create();
    const struct setup_options o = {.session = session,
                                    .file = a->arg[0],
                                    .override_count = a->count - 1,
                                    .overrides = a->arg + 1,
                                    .use = ENGINE_TRAIN,
                                    .unprepared = true};
    struct setup *s = setup_open_data(&o, d);
    int code = 0;
    if (!s || setup_fit_data(s, &o, d) != RN_OK)
        code = fail_with(d, a);
    else if (write_prepared(a, s, &e) != RN_OK)
        code = fail_error(&e, a);
    else
        report(a, s);
    setup_close(s);
    diag_destroy(d);
    session_destroy(session);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* plugin: the components that there are, read from the files without opening them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_writer.h"
#include "base/suggest.h"
#include "commands/cli/report.h"
#include "commands/cli/session.h"
#include "commands/verbs/plugin_show.h"
#include "commands/verbs/verbs.h"

int component_order(const void *a, const void *b) {
    const struct component *x = *(const struct component *const *)a;
    const struct component *y = *(const struct component *const *)b;
    int k = strcmp(x->kind, y->kind);
    return k ? k : strcmp(x->name, y->name);
}

/* Members of an object. */
static void add_component(struct json_writer *w, const struct component *c) {
    json_string(w, "kind", c->kind);
    json_string(w, "name", c->name);
    json_int(w, "behaviour", c->behaviour);
    json_string(w, "file", c->file);
    json_string(w, "sha256", c->sha256);
    json_string(w, "doc", c->doc ? c->doc : "");
}

static void add_ports(struct json_writer *w, const char *name,
                      const struct port_info *p, uint32_t n) {
    json_array(w, name);
    for (uint32_t i = 0; i < n; i++) {
        json_object(w, NULL);
        json_string(w, "name", p[i].name);
        json_string(w, "dtype", p[i].dtype);
        json_string(w, "shape", p[i].shape);
        json_bool(w, "optional", p[i].optional);
        json_bool(w, "variable", p[i].variable);
        json_string(w, "doc", p[i].doc);
        json_close(w);
    }
    json_close(w);
}

static void add_whole(struct json_writer *w, const struct component *c) {
    json_object(w, NULL);
    add_component(w, c);
    json_string(w, "version", c->version);
    json_string(w, "license", c->license);
    add_ports(w, "inputs", c->in, c->in_count);
    add_ports(w, "outputs", c->out, c->out_count);
    json_array(w, "options");
    for (uint32_t i = 0; i < schema_count(c->schema); i++) {
        struct option_info o = schema_option(c->schema, i);
        json_object(w, NULL);
        json_string(w, "name", o.name);
        json_string(w, "type", o.type);
        if (o.value)
            json_string(w, "default", o.value);
        json_bool(w, "required", o.required);
        json_bool(w, "live", o.live);
        json_string(w, "doc", o.doc);
        json_close(w);
    }
    json_close(w);
    json_close(w);
}

/* A kind that no component has is a slip of the finger. */
static bool known_kind(struct session *s, const char *kind) {
    struct suggest kinds = {0};
    bool known = false;
    for (uint32_t i = 0; i < session_count(s); i++) {
        suggest_add(&kinds, session_at(s, i)->kind);
        known |= strcmp(session_at(s, i)->kind, kind) == 0;
    }
    if (!known) {
        fprintf(stderr,
                "runner plugin list: error: there is no component of kind '%s'\n",
                kind);
        print_suggestion(&kinds, kind, "runner plugin list shows all kinds");
    }
    suggest_finish(&kinds);
    return known;
}

static void print_list(const struct component *const *all, uint32_t n) {
    const char *last = NULL;
    for (uint32_t i = 0; i < n; i++) {
        const struct component *c = all[i];
        if (!last || strcmp(last, c->kind) != 0)
            printf("%s%s\n", last ? "\n" : "", c->kind);
        printf("  %-24s %s\n", c->built_in ? c->bare : c->name, c->doc ? c->doc : "");
        last = c->kind;
    }
}

static void print_list_json(const struct component *const *all, uint32_t n) {
    struct text whole = {0};
    struct json_writer w;
    json_begin(&w, &whole);
    json_array_lines(&w, NULL);
    for (uint32_t i = 0; i < n; i++) {
        json_object(&w, NULL);
        add_component(&w, all[i]);
        json_close(&w);
    }
    json_close(&w);
    json_end(&w);
    print_text(&whole);
}

static int list(struct session *s, const struct args *a) {
    uint32_t n = session_count(s), count = 0;
    const char *kind = a->count > 1 ? a->arg[1] : NULL;
    if (kind && !known_kind(s, kind))
        return 2;
    const struct component **all = memory_get(memory_mul(n + 1, sizeof *all));
    for (uint32_t i = 0; i < n; i++)
        if (!kind || strcmp(session_at(s, i)->kind, kind) == 0)
            all[count++] = session_at(s, i);
    qsort(all, count, sizeof *all, component_order);
    if (args_json(a))
        print_list_json(all, count);
    else
        print_list(all, count);
    memory_release(all);
    for (uint32_t i = 0; i < session_refused(s); i++) {
        const char *file, *why;
        session_refused_at(s, i, &file, &why);
        fprintf(stderr, "refused: %s: %s\n", file, why);
    }
    return 0;
}

static int show(struct session *s, const struct args *a) {
    if (a->count < 2) {
        fprintf(stderr,
                "runner plugin show: error: which component or file?\n  e.g. %s\n",
                verb_table[VERB_PLUGIN].example);
        return 2;
    }
    const char *what = a->arg[1];
    size_t n = strlen(what);
    char absolute[4096] = "";
    bool json = args_json(a);
    struct text whole = {0};
    struct json_writer w;
    uint32_t found = 0;
    if ((n > 3 && strcmp(what + n - 3, ".so") == 0) || access(what, F_OK) == 0) {
        struct rn_error e = {0};
        if (session_add_file(s, what, &e) != RN_OK || !realpath(what, absolute))
            return fail_error(&e, a);
    }
    json_begin(&w, &whole);
    json_array_lines(&w, NULL);
    for (uint32_t i = 0; i < session_count(s); i++) {
        const struct component *c = session_at(s, i);
        if (*absolute ? strcmp(c->file, absolute) != 0
                      : strcmp(c->name, what) != 0 && strcmp(c->bare, what) != 0)
            continue;
        if (json)
            add_whole(&w, c);
        else if (found)
            putchar('\n');
        if (!json)
            component_print(c);
        found++;
    }
    json_close(&w);
    if (found && json)
        print_text(&whole);
    text_finish(&whole);
    if (found)
        return 0;
    struct suggest names = {0};
    for (uint32_t i = 0; i < session_count(s); i++)
        suggest_add(&names, session_at(s, i)->bare);
    fprintf(stderr, "runner plugin show: error: there is no component '%s'\n", what);
    print_suggestion(&names, what, "runner plugin list shows all of them");
    suggest_finish(&names);
    return 4;
}

int verb_plugin(const struct args *a) {
    const char *what = a->count ? a->arg[0] : "list";
    struct session *s = open_session();
    if (!s)
        return 4;
    int code = strcmp(what, "docs") == 0   ? plugin_docs(s)
               : strcmp(what, "list") == 0 ? list(s, a)
                                           : show(s, a);
    session_destroy(s);
    return code;
}

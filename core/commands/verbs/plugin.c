/* SPDX-License-Identifier: Apache-2.0 */
/* plugin: the components that there are, read from the files without opening them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands/cli/report.h"
#include "commands/cli/session.h"
#include "commands/verbs/plugin_show.h"
#include "commands/verbs/verbs.h"

static void json_string(const char *s) {
    struct text t = {0};
    json_quote(&t, s ? s : "");
    fputs(text_get(&t), stdout);
    text_finish(&t);
}

/* "name": "text", with a comma behind it. */
static void json_member(const char *name, const char *s) {
    printf("\"%s\": ", name);
    json_string(s);
    fputs(", ", stdout);
}

int component_order(const void *a, const void *b) {
    const struct component *x = *(const struct component *const *)a;
    const struct component *y = *(const struct component *const *)b;
    int k = strcmp(x->kind, y->kind);
    return k ? k : strcmp(x->name, y->name);
}

/* Members of an object, without its braces. */
static void json_component(const struct component *c) {
    json_member("kind", c->kind);
    json_member("name", c->name);
    printf("\"behaviour\": %d, ", c->behaviour);
    json_member("file", c->file);
    json_member("sha256", c->sha256);
    printf("\"doc\": ");
    json_string(c->doc);
}

static void json_ports(const char *name, const struct port_info *p, uint32_t n) {
    printf(", \"%s\": [", name);
    for (uint32_t i = 0; i < n; i++) {
        fputs(i ? ", {" : "{", stdout);
        json_member("name", p[i].name);
        json_member("dtype", p[i].dtype);
        json_member("shape", p[i].shape);
        printf("\"optional\": %s, \"variable\": %s, \"doc\": ",
               p[i].optional ? "true" : "false", p[i].variable ? "true" : "false");
        json_string(p[i].doc);
        putchar('}');
    }
    putchar(']');
}

static void json_whole(const struct component *c) {
    putchar('{');
    json_component(c);
    printf(", ");
    json_member("version", c->version);
    printf("\"license\": ");
    json_string(c->license);
    json_ports("inputs", c->in, c->in_count);
    json_ports("outputs", c->out, c->out_count);
    printf(", \"options\": [");
    for (uint32_t i = 0; i < schema_count(c->schema); i++) {
        struct option_info o = schema_option(c->schema, i);
        fputs(i ? ", {" : "{", stdout);
        json_member("name", o.name);
        json_member("type", o.type);
        if (o.value)
            json_member("default", o.value);
        printf("\"required\": %s, \"live\": %s, \"doc\": ",
               o.required ? "true" : "false", o.live ? "true" : "false");
        json_string(o.doc);
        putchar('}');
    }
    printf("]}");
}

/* A kind that no component has is a slip of the finger. */
static bool known_kind(struct session *s, const char *kind) {
    const char **kinds = memory_get(memory_mul(session_count(s) + 1, sizeof *kinds));
    bool known = false;
    for (uint32_t i = 0; i < session_count(s); i++) {
        kinds[i] = session_at(s, i)->kind;
        known |= strcmp(kinds[i], kind) == 0;
    }
    const char *near = error_nearest(kind, kinds, session_count(s));
    if (!known)
        fprintf(stderr,
                "runner plugin list: error: there is no component of kind '%s'\n",
                kind);
    if (!known && near)
        fprintf(stderr, "  did you mean '%s'?\n", near);
    else if (!known)
        fprintf(stderr, "  runner plugin list shows all kinds\n");
    memory_release(kinds);
    return known;
}

static int list(struct session *s, const struct args *a) {
    uint32_t n = session_count(s);
    const struct component **all = memory_get(memory_mul(n + 1, sizeof *all));
    const char *kind = a->count > 1 ? a->arg[1] : NULL, *last = "";
    for (uint32_t i = 0; i < n; i++)
        all[i] = session_at(s, i);
    qsort(all, n, sizeof *all, component_order);
    bool first = true;
    if (kind && !known_kind(s, kind)) {
        memory_release(all);
        return 2;
    }
    if (args_json(a))
        printf("[");
    for (uint32_t i = 0; i < n; i++) {
        const struct component *c = all[i];
        if (kind && strcmp(kind, c->kind) != 0)
            continue;
        if (args_json(a)) {
            printf("%s\n  {", first ? "" : ",");
            json_component(c);
            printf("}");
        } else {
            if (strcmp(last, c->kind) != 0)
                printf("%s%s\n", first ? "" : "\n", c->kind);
            printf("  %-24s %s\n", c->built_in ? c->bare : c->name,
                   c->doc ? c->doc : "");
            last = c->kind;
        }
        first = false;
    }
    if (args_json(a))
        printf("\n]\n");
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
    uint32_t found = 0;
    if ((n > 3 && strcmp(what + n - 3, ".so") == 0) || access(what, F_OK) == 0) {
        struct rn_error e = {0};
        if (session_add_file(s, what, &e) != RN_OK || !realpath(what, absolute))
            return fail_error(&e, a);
    }
    for (uint32_t i = 0; i < session_count(s); i++) {
        const struct component *c = session_at(s, i);
        if (*absolute ? strcmp(c->file, absolute) != 0
                      : strcmp(c->name, what) != 0 && strcmp(c->bare, what) != 0)
            continue;
        if (args_json(a)) {
            fputs(found++ ? ",\n " : "[", stdout);
            json_whole(c);
        } else {
            fputs(found++ ? "\n" : "", stdout);
            component_print(c);
        }
    }
    if (found) {
        fputs(args_json(a) ? "]\n" : "", stdout);
        return 0;
    }
    const char **names = memory_get(memory_mul(session_count(s) + 1, sizeof *names));
    for (uint32_t i = 0; i < session_count(s); i++)
        names[i] = session_at(s, i)->bare;
    const char *near = error_nearest(what, names, session_count(s));
    fprintf(stderr, "runner plugin show: error: there is no component '%s'\n", what);
    if (near)
        fprintf(stderr, "  did you mean '%s'?\n", near);
    memory_release(names);
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

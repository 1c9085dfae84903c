/* SPDX-License-Identifier: Apache-2.0 */
/* plugin list, plugin show: what there is, read from the files without opening them. */
#include <stdlib.h>
#include <string.h>

#include "commands/commands.h"

static void json_string(const char *s) {
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            printf("\\%c", *s);
        else if ((unsigned char)*s < 0x20)
            printf("\\u%04x", (unsigned char)*s);
        else
            putchar(*s);
    }
    putchar('"');
}

static int by_kind(const void *a, const void *b) {
    const struct component *x = *(const struct component *const *)a;
    const struct component *y = *(const struct component *const *)b;
    int k = strcmp(x->kind, y->kind);
    return k ? k : strcmp(x->name, y->name);
}

static int list(struct session *s, const struct flags *f) {
    uint32_t n = session_count(s);
    const struct component **all = memory_get(memory_mul(n + 1, sizeof *all));
    const char *kind = f->positional > 1 ? f->arg[1] : NULL, *last = "";
    for (uint32_t i = 0; i < n; i++)
        all[i] = session_at(s, i);
    qsort(all, n, sizeof *all, by_kind);
    bool first = true;
    if (f->json)
        printf("[");
    for (uint32_t i = 0; i < n; i++) {
        const struct component *c = all[i];
        if (kind && strcmp(kind, c->kind) != 0)
            continue;
        if (f->json) {
            printf("%s\n  {\"kind\": \"%s\", \"name\": \"%s\", \"behaviour\": %d, \"file\": ",
                   first ? "" : ",", c->kind, c->name, c->behaviour);
            json_string(c->file);
            printf(", \"sha256\": \"%s\", \"doc\": ", c->sha256);
            json_string(c->doc ? c->doc : "");
            printf("}");
        } else {
            if (strcmp(last, c->kind) != 0)
                printf("%s%s\n", first ? "" : "\n", c->kind);
            printf("  %-24s %s\n", c->built_in ? c->bare : c->name, c->doc ? c->doc : "");
            last = c->kind;
        }
        first = false;
    }
    if (f->json)
        printf("\n]\n");
    memory_release(all);
    for (uint32_t i = 0; i < session_refused(s); i++) {
        const char *file, *why;
        session_refused_at(s, i, &file, &why);
        fprintf(stderr, "refused: %s: %s\n", file, why);
    }
    return 0;
}

static void print_component(const struct component *c) {
    printf("%s %s  (behaviour %d%s%s)\n  %s\n", c->kind, c->name, c->behaviour,
           c->version && *c->version ? ", version " : "", c->version ? c->version : "",
           c->doc ? c->doc : "");
    printf("  file     %s\n  sha256   %s\n", c->file, c->sha256);
    if (c->license && *c->license)
        printf("  license  %s\n", c->license);
    for (uint32_t i = 0; i < c->in_count; i++)
        printf("%s  %-12s %-6s %-12s %s%s\n", i ? "" : "\nInputs\n", c->in[i].name,
               c->in[i].dtype, c->in[i].shape, c->in[i].optional ? "(optional) " : "",
               c->in[i].doc ? c->in[i].doc : "");
    for (uint32_t i = 0; i < c->out_count; i++)
        printf("%s  %-12s %-6s %-12s %s\n", i ? "" : "\nOutputs\n", c->out[i].name,
               c->out[i].dtype, c->out[i].shape, c->out[i].doc ? c->out[i].doc : "");
    for (uint32_t i = 0; i < schema_count(c->schema); i++) {
        struct option_info o = schema_option(c->schema, i);
        printf("%s  %-16s %s%s%s%s%s\n", i ? "" : "\nOptions\n", o.name, o.type,
               o.value ? " = " : "", o.value ? o.value : "", o.required ? ", required" : "",
               o.live ? ", live" : "");
        if (o.doc && *o.doc)
            printf("                   %s\n", o.doc);
    }
}

static int show(struct session *s, const struct flags *f) {
    uint32_t found = 0;
    if (f->positional < 2) {
        fprintf(stderr, "runner plugin show: error: which component or file?\n");
        return 2;
    }
    const char *what = f->arg[1];
    size_t n = strlen(what);
    if (n > 3 && strcmp(what + n - 3, ".so") == 0) {
        char absolute[4096];
        struct rn_error e;
        if (!realpath(what, absolute)) {
            fprintf(stderr, "runner plugin show: error: there is no file %s\n", what);
            return 4;
        }
        uint32_t before = session_count(s);
        if (session_add_file(s, absolute, &e) != RN_OK)
            return fail_error(&e, f);
        for (uint32_t i = before; i < session_count(s); i++)
            print_component(session_at(s, i));
        return 0;
    }
    for (uint32_t i = 0; i < session_count(s); i++) {
        const struct component *c = session_at(s, i);
        if (strcmp(c->name, what) == 0 || strcmp(c->bare, what) == 0) {
            if (found++)
                putchar('\n');
            print_component(c);
        }
    }
    if (found)
        return 0;
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

static int plugin(int argc, char **argv) {
    struct flags f;
    int code = flags_parse(&command_plugin, argc, argv, "json", &f);
    if (code || f.help)
        return code ? code : command_print_help(&command_plugin);
    const char *verb = f.positional ? f.arg[0] : "list";
    bool is_list = strcmp(verb, "list") == 0;
    if (!is_list && strcmp(verb, "show") != 0) {
        fprintf(stderr, "runner plugin: error: '%s': it is list or show\n", verb);
        return 2;
    }
    struct session *s = open_session();
    if (!s)
        return 4;
    code = is_list ? list(s, &f) : show(s, &f);
    session_destroy(s);
    return code;
}

const struct command command_plugin = {
    "plugin",
    "plugin list [KIND] | plugin show NAME|FILE.so [--json]",
    "list the components, or show one: ports, options, file",
    "  --json      list for machines\n",
    "runner plugin show focal",
    plugin};

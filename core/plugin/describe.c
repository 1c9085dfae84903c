/* SPDX-License-Identifier: Apache-2.0 */
/* A component's description text: identity, ports; options go to config's schema. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/internal.h"
#include "plugin/kinds.h"

static int check_abi(const char *line, struct rn_error *e) {
    unsigned major, minor;
    if (sscanf(line, "abi: %u %u", &major, &minor) != 2)
        return error_set(e, RN_E_PLUGIN, "its description does not begin with its ABI");
    const struct abi_version host = {RN_ABI_MAJOR, RN_ABI_MINOR},
                             needed = {major, minor};
    return abi_check(&host, &needed, e);
}

/* "KIND vendor.package/name BEHAVIOUR" */
static int read_head(struct arena *a, const char *line, struct component *c,
                     struct rn_error *e) {
    char kind[32], name[160];
    int behaviour, end = 0;
    if (sscanf(line, "component: %31s %159s %d%n", kind, name, &behaviour, &end) != 3 ||
        line[end])
        return error_set(e, RN_E_PLUGIN,
                         "its description has no `component: KIND NAME "
                         "BEHAVIOUR`");
    if (!kind_find(kind))
        return error_set(e, RN_E_PLUGIN, "it has a component of the unknown kind '%s'",
                         kind);
    const char *slash = strchr(name, '/');
    if (!slash || slash == name || !slash[1] || strchr(slash + 1, '/') ||
        name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/")])
        return error_set(e, RN_E_PLUGIN,
                         "'%s' is not a component's name: vendor.package/name", name);
    c->kind = arena_copy(a, kind);
    c->name = arena_copy(a, name);
    c->bare = strchr(c->name, '/') + 1;
    c->behaviour = behaviour;
    return RN_OK;
}

/* "logits f32 [N,C] ; optional | doc" */
static int read_port(struct arena *a, const char *text, struct port_info *p,
                     struct rn_error *e) {
    const char *bar = strstr(text, " | ");
    size_t n = bar ? (size_t)(bar - text) : strlen(text);
    char *head = arena_copy_n(a, text, n), *rest = strchr(head, ';');
    char name[80], dtype[48], shape[80];
    *p = (struct port_info){
        .scope = "", .better = "", .doc = bar ? arena_copy(a, bar + 3) : ""};
    if (rest)
        *rest++ = '\0';
    if (sscanf(head, "%79s %47s %79s", name, dtype, shape) != 3)
        return error_set(e, RN_E_PLUGIN,
                         "a port is described as '%.60s': NAME DTYPE [SHAPE]", text);
    p->name = arena_copy(a, name);
    p->dtype = arena_copy(a, dtype);
    p->shape = arena_copy(a, shape);
    while (rest && *rest) {
        rest += strspn(rest, "; ");
        size_t k = strcspn(rest, ";");
        char word[80];
        snprintf(word, sizeof word, "%.*s", (int)k, rest);
        size_t m = strlen(word);
        while (m && word[m - 1] == ' ')
            word[--m] = '\0';
        if (strcmp(word, "optional") == 0)
            p->optional = true;
        else if (strcmp(word, "variable") == 0)
            p->variable = true;
        else if (strncmp(word, "scope ", 6) == 0)
            p->scope = arena_copy(a, word + 6);
        else if (strncmp(word, "better ", 7) == 0)
            p->better = arena_copy(a, word + 7);
        else if (*word)
            return error_set(e, RN_E_PLUGIN, "port '%s': unknown word '%s'", name,
                             word);
        rest += k;
    }
    return RN_OK;
}

static uint32_t count_lines(const char *text, const char *prefix) {
    uint32_t n = 0;
    size_t k = strlen(prefix);
    for (const char *p = text; *p;) {
        n += strncmp(p, prefix, k) == 0;
        p += strcspn(p, "\n");
        p += *p == '\n';
    }
    return n;
}

/* Terminals and editors are shown this text before anything is opened. */
static int check_text(const char *text, struct rn_error *e) {
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 ? *p != '\n' : *p == 0x7f)
            return error_set(e, RN_E_PLUGIN,
                             "its description has the control character 0x%02x",
                             (unsigned)(unsigned char)*p);
    return RN_OK;
}

/* Keys that the host owns in every component; frozen with 1.0 (`of` and `freeze` are
 * not among them: a transform describes its own `of`). */
static int check_options(const struct schema *s, struct rn_error *e) {
    static const char *const owned[] = {"type",   "in",   "at",  "match",
                                        "weight", "name", "host"};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        if (schema_find(s, owned[i]))
            return error_set(e, RN_E_PLUGIN,
                             "it has an option '%s', a key that is the "
                             "host's in every component",
                             owned[i]);
    return RN_OK;
}

/* reference(KIND), also inside a list or a map. */
static int check_reference(const struct option_info *o, struct rn_error *e) {
    const char *at = strstr(o->type, "reference(");
    if (!at)
        return RN_OK;
    at += strlen("reference(");
    size_t length = strcspn(at, ")");
    bool known = length == 4 && strncmp(at, "live", 4) == 0;
    return known || kind_find_n(at, length)
               ? RN_OK
               : error_set(e, RN_E_PLUGIN,
                           "option '%s' refers to the unknown kind '%.*s'", o->name,
                           (int)length, at);
}

static int check_references(const struct schema *s, struct rn_error *e) {
    int status = RN_OK;
    for (uint32_t i = 0; i < schema_count(s) && status == RN_OK; i++) {
        struct option_info o = schema_option(s, i);
        status = check_reference(&o, e);
    }
    for (uint32_t i = 0; i < schema_record_count(s) && status == RN_OK; i++)
        for (uint32_t k = 0; k < schema_record_at(s, i).count && status == RN_OK; k++) {
            struct option_info o = schema_record_option(s, i, k);
            status = check_reference(&o, e);
        }
    return status;
}

static int check_ports(const char *text, const char *prefix, const char *what,
                       struct rn_error *e) {
    uint32_t n = count_lines(text, prefix);
    return n <= COMPONENT_PORTS
               ? RN_OK
               : error_set(e, RN_E_PLUGIN,
                           "its description has %u %s; %u are the most that a "
                           "component may have",
                           n, what, COMPONENT_PORTS);
}

int describe(struct arena *a, const char *text, struct component *c,
             struct rn_error *e) {
    struct port_info *in =
        arena_array(a, struct port_info, count_lines(text, "in: ") + 1);
    struct port_info *out =
        arena_array(a, struct port_info, count_lines(text, "out: ") + 1);
    uint32_t number = 0;
    int status = check_text(text, e);
    if (status == RN_OK)
        status = check_ports(text, "in: ", "inputs", e);
    if (status == RN_OK)
        status = check_ports(text, "out: ", "outputs", e);
    *c = (struct component){.version = "", .license = "", .doc = "", .text = text};
    for (const char *p = text; *p && status == RN_OK; number++) {
        size_t n = strcspn(p, "\n");
        const char *line = arena_copy_n(a, p, n);
        p += n + (p[n] == '\n');
        if (number == 0)
            status = check_abi(line, e);
        else if (number == 1)
            status = read_head(a, line, c, e);
        else if (strncmp(line, "in: ", 4) == 0)
            status = read_port(a, line + 4, &in[c->in_count++], e);
        else if (strncmp(line, "out: ", 5) == 0)
            status = read_port(a, line + 5, &out[c->out_count++], e);
        else if (strncmp(line, "doc: ", 5) == 0)
            c->doc = line + 5;
        else if (strncmp(line, "version: ", 9) == 0)
            c->version = line + 9;
        else if (strncmp(line, "license: ", 9) == 0)
            c->license = line + 9;
        else if (strcmp(line, "threads: one") == 0)
            c->one_thread = true;
    }
    if (status == RN_OK && number < 2)
        status = error_set(e, RN_E_PLUGIN, "its description is empty");
    if (status != RN_OK)
        return status;
    c->in = in;
    c->out = out;
    c->schema = schema_parse(a, text, e);
    if (!c->schema)
        return e ? e->status : RN_E_PLUGIN;
    status = check_options(c->schema, e);
    return status ? status : check_references(c->schema, e);
}

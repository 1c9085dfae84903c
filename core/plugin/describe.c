/* SPDX-License-Identifier: Apache-2.0 */
/* A component's description text: identity, ports; options go to config's schema. */
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
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

static int unknown_kind(const char *kind, struct rn_error *e) {
    struct suggest all = {0};
    error_set(e, RN_E_PLUGIN, "it has a component of the unknown kind '%s'", kind);
    for (int i = 0; i < KIND_COUNT; i++)
        suggest_add(&all, kind_at((enum kind_id)i)->name);
    suggest_hint(&all, kind, "the kinds are", e);
    suggest_finish(&all);
    return RN_E_PLUGIN;
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
        return unknown_kind(kind, e);
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

/* What stands behind "KEY: " or "?KEY: "; NULL: the line has another key. */
static const char *value_of(const char *line, const char *key) {
    size_t n = strlen(key);
    description_may_pass(&line);
    return strncmp(line, key, n) == 0 && strncmp(line + n, ": ", 2) == 0 ? line + n + 2
                                                                         : NULL;
}

static uint32_t count_lines(const char *text, const char *key) {
    uint32_t n = 0;
    for (const char *p = text; *p;) {
        n += value_of(p, key) != NULL;
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

/* reference(KIND), (live) or (series), also inside a list or a map. */
static int check_reference(const struct option_info *o, struct rn_error *e) {
    const char *at = strstr(o->type, "reference(");
    if (!at)
        return RN_OK;
    at += strlen("reference(");
    size_t length = strcspn(at, ")");
    bool known = (length == 4 && strncmp(at, "live", 4) == 0) ||
                 (length == 6 && strncmp(at, "series", 6) == 0);
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

static int check_ports(const char *text, const char *key, const char *what,
                       struct rn_error *e) {
    uint32_t n = count_lines(text, key);
    return n <= COMPONENT_PORTS
               ? RN_OK
               : error_set(e, RN_E_PLUGIN,
                           "its description has %u %s; %u are the most that a "
                           "component may have",
                           n, what, COMPONENT_PORTS);
}

/* The terms of a loss are averaged by their scope, so that it has to be stated. */
static int check_scope(const struct component *c, struct rn_error *e) {
    if (strcmp(c->kind, "loss") != 0)
        return RN_OK;
    for (uint32_t i = 0; i < c->out_count; i++)
        if (strcmp(c->out[i].name, "loss") == 0 && c->out[i].scope[0])
            return RN_OK;
    error_set(e, RN_E_PLUGIN, "its output 'loss' has no scope");
    return error_hint(e, "out: loss float [N] ; scope sample | doc: one of element, "
                         "sample, batch and parameter says how its terms are averaged");
}

static int check_threads(struct component *c, const char *value, struct rn_error *e) {
    c->one_thread = strcmp(value, "one") == 0;
    if (c->one_thread)
        return RN_OK;
    error_set(e, RN_E_PLUGIN, "'%s' is not a value of `threads`", value);
    return error_hint(e, "the only value is `one`; without the line, [worker] members "
                         "are called by several threads at once");
}

struct ports {
    struct port_info *in, *out;
};

/* Lines of options are the schema's. */
static bool of_schema(const char *line) {
    static const char *const keys[] = {"option", "example", "record", "union"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (value_of(line, keys[i]))
            return true;
    return strcmp(line, "end:") == 0;
}

static int unknown_line(const char *line, struct rn_error *e) {
    static const char *const known[] = {"version", "license", "doc",    "threads",
                                        "in",      "out",     "option", "example",
                                        "record",  "end",     "union"};
    if (description_may_pass(&line))
        return RN_OK;
    error_set(e, RN_E_PLUGIN, "unknown line '%.60s'", line);
    return description_unknown(line, known, sizeof known / sizeof *known, e);
}

/* "KEY: VALUE" */
static int read_line(struct arena *a, const char *line, struct component *c,
                     struct ports *ports, struct rn_error *e) {
    const char *v;
    if ((v = value_of(line, "in")))
        return port_read(a, v, &ports->in[c->in_count++], e);
    if ((v = value_of(line, "out")))
        return port_read(a, v, &ports->out[c->out_count++], e);
    if ((v = value_of(line, "threads")))
        return check_threads(c, v, e);
    if ((v = value_of(line, "doc")))
        c->doc = v;
    else if ((v = value_of(line, "version")))
        c->version = v;
    else if ((v = value_of(line, "license")))
        c->license = v;
    else if (*line && !of_schema(line))
        return unknown_line(line, e);
    return RN_OK;
}

static int read_text(struct arena *a, const char *text, struct component *c,
                     struct ports *ports, struct rn_error *e) {
    uint32_t number = 0;
    int status = RN_OK;
    for (const char *p = text; *p && status == RN_OK; number++) {
        size_t n = strcspn(p, "\n");
        const char *line = arena_copy_n(a, p, n);
        p += n + (p[n] == '\n');
        if (number == 0)
            status = check_abi(line, e);
        else if (number == 1)
            status = read_head(a, line, c, e);
        else
            status = read_line(a, line, c, ports, e);
    }
    if (status == RN_OK && number < 2)
        status = error_set(e, RN_E_PLUGIN, "its description is empty");
    return status;
}

static int read_options(struct arena *a, struct component *c, struct rn_error *e) {
    c->schema = schema_parse(a, c->text, e);
    if (!c->schema)
        return e ? e->status : RN_E_PLUGIN;
    int status = check_options(c->schema, e);
    return status ? status : check_references(c->schema, e);
}

int describe(struct arena *a, const char *text, struct component *c,
             struct rn_error *e) {
    struct ports ports = {
        arena_array(a, struct port_info, count_lines(text, "in") + 1),
        arena_array(a, struct port_info, count_lines(text, "out") + 1)};
    int status = check_text(text, e);
    if (status == RN_OK)
        status = check_ports(text, "in", "inputs", e);
    if (status == RN_OK)
        status = check_ports(text, "out", "outputs", e);
    *c = (struct component){.version = "",
                            .license = "",
                            .doc = "",
                            .text = text,
                            .in = ports.in,
                            .out = ports.out};
    if (status == RN_OK)
        status = read_text(a, text, c, &ports, e);
    if (status == RN_OK)
        status = read_options(a, c, e);
    if (status == RN_OK)
        status = check_scope(c, e);
    if (status != RN_OK && c->name)
        error_context(e, "%s %s", c->kind, c->name);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What components say of themselves: as text for a terminal, and all of them as the
 * document docs/components.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "commands/verbs/plugin_show.h"
#include "plugin/kinds.h"

/* ------------------------------------------------------------------------ text */

static void print_option(const struct option_info *o, const char *margin) {
    struct text t = {0};
    option_facts(o, &t);
    printf("%s%-16s %s\n", margin, o->name, text_get(&t));
    if (*o->doc)
        printf("%s                 %s\n", margin, o->doc);
    text_finish(&t);
}

void component_print(const struct component *c) {
    printf("%s %s  (behaviour %d%s%s)\n  %s\n", c->kind, c->name, c->behaviour,
           *c->version ? ", version " : "", c->version, c->doc);
    printf("  file     %s\n  sha256   %s\n", c->file, c->sha256);
    if (*c->license)
        printf("  license  %s\n", c->license);
    for (uint32_t i = 0; i < c->in_count; i++)
        printf("%s  %-12s %-6s %-12s %s%s%s\n", i ? "" : "\nInputs\n", c->in[i].name,
               c->in[i].dtype, c->in[i].shape, c->in[i].optional ? "(optional) " : "",
               c->in[i].variable ? "(variable size) " : "", c->in[i].doc);
    for (uint32_t i = 0; i < c->out_count; i++)
        printf("%s  %-12s %-6s %-12s %s\n", i ? "" : "\nOutputs\n", c->out[i].name,
               c->out[i].dtype, c->out[i].shape, c->out[i].doc);
    for (uint32_t i = 0; i < schema_count(c->schema); i++) {
        struct option_info o = schema_option(c->schema, i);
        printf("%s", i ? "" : "\nOptions\n");
        print_option(&o, "  ");
    }
    for (uint32_t i = 0; i < schema_record_count(c->schema); i++) {
        struct record_info r = schema_record_at(c->schema, i);
        printf("\n%s: %s\n", r.name, r.doc);
        for (uint32_t k = 0; k < r.count; k++) {
            struct option_info o = schema_record_option(c->schema, i, k);
            print_option(&o, "  ");
        }
    }
}

/* -------------------------------------------------------------------- document */

static void docs_option(const struct option_info *o, const char *margin) {
    struct text t = {0};
    option_facts(o, &t);
    printf("%s- `%s` (%s)%s%s\n", margin, o->name, text_get(&t), *o->doc ? ": " : "",
           o->doc);
    text_finish(&t);
}

static void docs_ports(const char *title, uint32_t count,
                       const struct port_info *ports) {
    for (uint32_t i = 0; i < count; i++) {
        const struct port_info *p = &ports[i];
        printf("%s- `%s` %s `%s`", i ? "" : title, p->name, p->dtype, p->shape);
        if (p->optional)
            printf(", optional");
        if (p->variable)
            printf(", of variable size too");
        if (*p->scope)
            printf(", a term for each %s", p->scope);
        if (*p->better)
            printf(", %s is better", p->better);
        printf("%s%s\n", *p->doc ? ": " : "", p->doc);
    }
}

static bool same_option(const struct option_info *a, const struct option_info *b) {
    return strcmp(a->name, b->name) == 0 && strcmp(a->type, b->type) == 0 &&
           strcmp(a->doc, b->doc) == 0;
}

/* Is it in every record? Then it is printed once. */
static bool in_all(const struct schema *s, const struct option_info *o) {
    uint32_t records = schema_record_count(s), found = 0;
    for (uint32_t i = 0; i < records; i++)
        for (uint32_t k = 0; k < schema_record_at(s, i).count; k++) {
            struct option_info other = schema_record_option(s, i, k);
            found += same_option(o, &other);
        }
    return records > 1 && found == records;
}

static void docs_records(const struct schema *s) {
    uint32_t records = schema_record_count(s), common = 0;
    for (uint32_t k = 0; records && k < schema_record_at(s, 0).count; k++) {
        struct option_info o = schema_record_option(s, 0, k);
        if (!in_all(s, &o))
            continue;
        printf("%s", common++ ? "" : "\nEach of them has:\n\n");
        docs_option(&o, "");
    }
    for (uint32_t i = 0; i < records; i++) {
        struct record_info r = schema_record_at(s, i);
        printf("%s- **%s**: %s\n", i ? "" : "\n", r.name, r.doc);
        for (uint32_t k = 0; k < r.count; k++) {
            struct option_info o = schema_record_option(s, i, k);
            if (!in_all(s, &o))
                docs_option(&o, "  ");
        }
    }
}

static void docs_component(const struct component *c) {
    printf("\n### %s\n\n%s.\n", c->bare, c->doc);
    docs_ports("\nInputs:\n\n", c->in_count, c->in);
    docs_ports("\nOutputs:\n\n", c->out_count, c->out);
    for (uint32_t i = 0; i < schema_count(c->schema); i++) {
        struct option_info o = schema_option(c->schema, i);
        printf("%s", i ? "" : "\nOptions:\n\n");
        docs_option(&o, "");
    }
    docs_records(c->schema);
}

int plugin_docs(const struct session *s) {
    uint32_t n = session_count(s), count = 0;
    const struct component **all = memory_get(memory_mul(n + 1, sizeof *all));
    const char *last = "";
    for (uint32_t i = 0; i < n; i++)
        if (session_at(s, i)->built_in)
            all[count++] = session_at(s, i);
    qsort(all, count, sizeof *all, component_order);
    printf("# Components\n\n"
           "What can stand behind `type:` in an experiment, by kind, with ports and "
           "options.\nThe components say all of this themselves; this file is what "
           "`runner plugin docs`\nprints, and a test holds it to that. `live` options "
           "may be driven by a schedule.\nIn shapes `N` is the batch and `...` any "
           "further axes.\n");
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(last, all[i]->kind) != 0)
            printf("\n## %s\n\n%s\n", all[i]->kind, kind_find(all[i]->kind)->doc);
        last = all[i]->kind;
        docs_component(all[i]);
    }
    memory_release(all);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of kinds (kinds.def) for code that walks it. */
#ifndef PLUGIN_KINDS_H
#define PLUGIN_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KIND(name, ...) KIND_##name,
enum kind_id {
#include "plugin/kinds.def"
    KIND_COUNT
};

enum kind_rule_id {
    KIND_RULE_TOGETHER = 1, /* all of the members, or none */
    KIND_RULE_FIRST_NEEDS,  /* where the first is set, all are */
    KIND_RULE_ANY,          /* at least one */
};

struct kind_rule {
    int rule; /* 0 ends the list */
    const char *message;
    size_t at[4]; /* offsets of members; 0 ends the list */
};

struct kind_member {
    const char *name; /* NULL ends the list */
    size_t at;
};

struct kind {
    const char *name;    /* "loss": the word in descriptions, the folder of plugins */
    const char *plural;  /* "losses" */
    const char *section; /* of the experiment: "loss", "data.source" */
    bool at_top;    /* of the experiment: a list or a map, opened by experiment.c */
    uint32_t bytes; /* its interface has at least these */
    struct kind_member needs[20];
    struct kind_rule rules[3];
    size_t create;     /* offset of create, which destroy follows; 0: none */
    size_t save, load; /* offsets; 0: it has no state */
    bool named;        /* its name is in checkpoints */
    bool live;         /* options may be inputs of the graph */
    const char *doc;
};

const struct kind *kind_at(enum kind_id id);
/* NULL: there is none of this name. */
const struct kind *kind_find(const char *name);
/* By a name of `length` bytes. */
const struct kind *kind_find_n(const char *name, size_t length);
bool kind_is_live(const char *name);
/* Host keys as schema_check takes them: "type", "loss.weight" ...; NULL ends. */
const char *const *kind_host_keys(void);

#endif

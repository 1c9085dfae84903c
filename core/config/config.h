/* SPDX-License-Identifier: Apache-2.0 */
/* YAML -> nodes with positions -> extends, overrides, interpolation -> values checked
 * against schemas. The only user of libyaml.
 *
 * Limits, so that hostile text costs a bounded time: 256 KiB a file, 64 files by
 * extends, depth 64 as written and 128 with aliases, 100,000 events, 256 anchors,
 * 50,000 values with aliases in full, 64 KiB a value, 1,024 keys a map, 8 directives,
 * one document, paths of 1,000 bytes, 64 references one through another, 4 MiB of text
 * from them; 100 errors are shown, the others counted. Tags (!!int) and duplicate keys
 * are errors. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

/* ---- diagnostics: all errors at once ---- */
struct diag; /* a list of errors, each with file:line:column, source line, caret */
struct diag *diag_create(void);
void diag_destroy(struct diag *d);
uint32_t diag_count(const struct diag *d);
/* Worst first status (the first error's), 0 if none. */
int diag_status(const struct diag *d);
/* Message and hint of the first error; NULL: there is none. */
const char *diag_first(const struct diag *d, const char **hint);
void diag_add(struct diag *d, const struct rn_error *e);
/* Render as people read it: `file:3:7: error: ...`, source line, caret, hint. */
void diag_print(const struct diag *d, struct text *out, bool colour);
void diag_json(const struct diag *d, struct text *out);
/* From now on all errors in d have this status. */
void diag_restate(struct diag *d, int status);

/* ---- nodes ---- */
enum node_kind { NODE_NULL, NODE_SCALAR, NODE_LIST, NODE_MAP };
struct node;
struct config;
enum node_kind node_kind(const struct node *n);
const char *node_path(const struct node *n); /* "optimizer.groups.0.lr", "" = root */
uint32_t node_count(const struct node *n);   /* items of a list or a map */
const struct node *node_item(const struct node *n, uint32_t i);
const char *node_key(const struct node *n, uint32_t i); /* of a map's item */
const struct node *node_find(const struct node *n, const char *key); /* map; or NULL */
const struct node *node_at(const struct node *n, const char *dotted_path); /* or NULL */
const char *node_raw(const struct node *n); /* scalar as written */
bool node_is_default(const struct node *n); /* schema_check added it */
/* After schema_check gave the scalar a type (0/""/false before). */
bool node_bool(const struct node *n);
int64_t node_int(const struct node *n);
double node_float(const struct node *n);
const char *node_string(const struct node *n);
/* Of an option of type components(KIND): how many there are (one map with `type`, or
 * the items of a list or of a map of named ones), and the i-th with its name: "" for a
 * single one, the index in a list, the key in a map. */
uint32_t node_components(const struct node *n);
const struct node *node_component(const struct node *n, uint32_t i, const char **name);
/* A scalar as a path, absolute: relative ones start at the folder of the file that
 * wrote them, those of the command line at the current folder; `~/` is the home folder.
 * RN_E_CONFIG: it is empty, longer than 4095 bytes, or its `~` cannot be resolved. */
#define CONFIG_PATH_MAX 4096u
int config_resolve_path(const struct node *n, char out[CONFIG_PATH_MAX],
                        struct rn_error *e);
/* An error at this node: where, line, column are filled in; pointing at the key when
 * `at_key`. Returns e.status. */
__attribute__((format(printf, 5, 6))) int node_error(struct diag *d,
                                                     const struct node *n, bool at_key,
                                                     int status, const char *format,
                                                     ...);
void diag_hint(struct diag *d, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* for the last error added */
/* The same with what suggest_text has to offer, if anything. */
struct suggest;
void diag_suggest(struct diag *d, const struct suggest *s, const char *word,
                  const char *head);
/* The last error is about a file that this node names: say where the node is. */
void diag_asked_by(struct diag *d, const struct node *n);
/* Add e, at the node below root when e.where is its path. Returns e.status. */
int diag_place(struct diag *d, const struct node *root, const struct rn_error *e);

/* ---- loading ---- */
/* Reads `file`, its `extends`, applies overrides ("a.b=1", "list+={...}", "~key"; for
 * errors they are "command line, argument N"), interpolates. Errors go to d; NULL when
 * there is no tree. With errors and a tree, the rest of it can still be checked, so
 * that all errors are reported at once; what had an error is not reported again. */
struct config *config_load(const char *file, uint32_t n, const char *const *overrides,
                           struct diag *d);
struct config *config_from_text(const char *name, const char *yaml, struct diag *d);
/* A tree that nobody wrote: its errors are in "default of `key`". */
struct config *config_from_default(const char *key, const char *yaml, struct diag *d);
void config_destroy(struct config *c);
const struct node *config_root(const struct config *c);
const char *config_source(const struct config *c); /* the main file's bytes */
/* Canonical YAML of the checked tree with defaults; --blame: each value's origin. */
void config_print(const struct config *c, bool blame, struct text *out);
/* The same of one checked node; NULL: nothing. */
void config_print_node(const struct node *n, struct text *out);
/* A value of YAML that is this text, whatever is in it but line ends; in the arena. */
const char *config_quoted(struct arena *a, const char *text);
/* The same as a key of a map, in which ${} stands for itself. */
const char *config_quoted_key(struct arena *a, const char *text);
/* Are both printed alike? changes.c */
bool config_same_text(const struct node *a, const struct node *b);
/* Of the checked tree: the values of type reference(series), in the order of the file.
 * Whoever knows the series of the experiment checks them. */
uint32_t config_series_count(const struct config *c);
const struct node *config_series_at(const struct config *c, uint32_t i);
/* The checked tree as one JSON object: numbers and truth values by their types. */
void config_json(const struct config *c, struct text *out);

/* ---- schemas: parsed from description text (grammar in runner/abi.h) ---- */
struct schema;
struct option_info {
    const char *name, *type, *value /* default or NULL */, *unit, *doc;
    const char *example; /* "": none; keys of an experiment, from its top */
    const char *range;   /* "at least 0, below 1"; "" */
    bool required, live, checkpoint;
};
struct record_info { /* of nested options */
    const char *name, *doc;
    uint32_t count; /* options */
};
struct schema *schema_parse(struct arena *a, const char *text, struct rn_error *e);
/* A word or key of a description that begins with `?` may be passed over by a reader
 * that does not know it. Moves *word behind the mark; is there one? */
bool description_may_pass(const char **word);
/* The hint of the error about a word or key that is not known and not so marked: the
 * nearest of the `n` known ones, and how it is marked. Returns e->status. */
int description_unknown(const char *word, const char *const *known, size_t n,
                        struct rn_error *e);
uint32_t schema_count(const struct schema *s);
struct option_info schema_option(const struct schema *s, uint32_t i);
const struct option_info *schema_find(const struct schema *s, const char *name);
/* The default of the option at a dotted path, without quotes, in *out: NULL when it has
 * none. Of records in a union the first one that has the option counts, and the union's
 * `type` is its first record. false: there is no such option. */
bool schema_default(const struct schema *s, const char *path, const char **out);
uint32_t schema_record_count(const struct schema *s);
struct record_info schema_record_at(const struct schema *s, uint32_t i);
struct option_info schema_record_option(const struct schema *s, uint32_t i, uint32_t k);

/* How component(KIND) options find their schema: by kind and the node's `type`. May add
 * its own error (unknown component, nearest word) and return NULL. */
struct schema_resolver {
    const struct schema *(*component)(void *context, const char *kind, const char *type,
                                      const struct node *at, struct diag *d);
    void *context;
    /* Of this kind: may a reference(live) name its live options? NULL: of none. */
    bool (*is_live)(const char *kind);
};
/* Check a map against a schema: unknown keys, types, ranges, choices, required; gives
 * scalars their type and adds absent defaults to the tree. host_keys: keys that the
 * host owns in components beside their options, NULL-ended: "type" in those of every
 * kind, "loss.weight" in those of one. Nested components have `type` alone. */
int schema_check(struct config *c, const struct node *n, const struct schema *s,
                 const char *const *host_keys, const struct schema_resolver *r,
                 struct diag *d);
/* JSON Schema of an experiment for editors. all: the components whose options it shall
 * know, by the name that `type` has; host_keys as for schema_check. */
struct schema_component {
    const char *kind, *name, *doc;
    const struct schema *schema;
};
void schema_json(const struct schema *s, uint32_t n, const struct schema_component *all,
                 const char *const *host_keys, struct text *out);

/* docs/experiment.md: every option of the host's sections and keys, with its example.
 */
void schema_docs(const struct schema *sections, const struct schema *keys,
                 const char *const *host_keys, struct text *out);
/* "int, at least 1, steps, default 5, live": what an option takes, in words. */
void option_facts(const struct option_info *o, struct text *out);

/* "10ep" "500st" "2h" "20%" -> unit and number. */
enum duration_unit {
    DURATION_STEPS,
    DURATION_EPOCHS,
    DURATION_SECONDS,
    DURATION_SHARE
};
struct duration {
    enum duration_unit unit;
    double amount;
};
int duration_parse(const char *s, struct duration *out, struct rn_error *e);

#endif

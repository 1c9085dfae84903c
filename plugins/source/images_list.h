/* SPDX-License-Identifier: Apache-2.0 */
/* Which files a source of pictures or of texts has, and the label of each: by the
 * folder that it is in, by the members of the same key (WebDataset), or by a table of
 * files and labels. */
#ifndef SOURCE_IMAGES_LIST_H
#define SOURCE_IMAGES_LIST_H

#include "csv_table.h"
#include "members.h"

enum image_labels { LABELS_AUTO, LABELS_FOLDER, LABELS_KEY, LABELS_NONE, LABELS_TABLE };

struct image_entry {
    uint64_t member;
    const char *label; /* in a name, a table or texts; not NUL-ended */
    uint32_t length;   /* of label */
    int64_t number;    /* of the class */
    double value;      /* where labels are numbers */
};

struct image_text {
    struct image_text *next;
    char text[];
};

/* What the files are. */
struct image_kind {
    const char *noun;           /* "picture"; also the option that picks one of a key */
    const char *const *endings; /* of names, in any case; the last is NULL */
    const char *hint;           /* how names end, for people */
};

struct image_list {
    const struct image_kind *kind; /* static */
    struct rn_host *host;          /* borrowed */
    struct rn_budget *budget;      /* borrowed */
    enum image_labels labels;
    int numbers; /* labels are numbers, not classes */
    struct members members;
    struct csv_cells cells;
    struct csv_table table;
    struct image_text *texts;
    struct image_entry *at; /* [count], by place and name, or in the table's order */
    uint64_t count, capacity;
    char **classes; /* [class_count], in the order of their numbers; owned */
    uint64_t class_count;
    char *layout; /* their names, with commas; NULL where there are none */
};

/* *l: zeroed but for kind, host and budget; the caller's to finish, also after an
 * error. Reads the options files, labels, table, file_column, label_column, json_key,
 * classes, label_type, and the kind's noun. */
int32_t image_list_open(struct image_list *l, struct rn_error *e);
void image_list_finish(struct image_list *l);
/* "folder/cat/a.png" of entry i, in `out`. */
void image_list_path(const struct image_list *l, uint64_t i, char *out, size_t size);

/* images_classes.c: entry.number or .value from the labels; classes and layout. */
int32_t image_list_number(struct image_list *l, struct rn_error *e);
/* images_json.c: the value of a key of the object, a number or a string without
 * escapes; *value is in text. NULL, or what is wrong, static. */
const char *image_json_find(const char *text, uint64_t size, const char *key,
                            const char **value, uint32_t *length);

#endif

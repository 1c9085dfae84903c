/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures, or texts, are told from other files by the ends of their names; whether
 * they are is for the decoder to say. */
#include <stdio.h>
#include <strings.h>

#include "images_list.h"
#include "paths.h"

void image_list_path(const struct image_list *l, uint64_t i, char *out, size_t size) {
    members_path(&l->members, &l->members.at[l->at[i].member], out, size);
}

void image_list_finish(struct image_list *l) {
    members_finish(&l->members);
    csv_cells_finish(&l->cells);
    csv_table_finish(&l->table);
    while (l->texts) {
        struct image_text *next = l->texts->next;
        free(l->texts);
        l->texts = next;
    }
    for (uint64_t k = 0; k < l->class_count; k++)
        free(l->classes[k]);
    free(l->classes);
    free(l->layout);
    free(l->at);
}

/* ------------------------------------------------------------------ names */

/* Behind the last slash. */
static const char *base_name(const char *name) {
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

/* Behind the last dot, "" where there is none. */
static const char *ending(const char *name) {
    const char *dot = strrchr(base_name(name), '.');
    return dot ? dot + 1 : "";
}

/* Is it a file of the kind? */
static int is_one(const struct image_list *l, const char *name) {
    for (const char *const *x = l->kind->endings; *x; x++)
        if (strcasecmp(ending(name), *x) == 0)
            return 1;
    return 0;
}

static int used(void *context, const char *name) {
    const struct image_list *l = context;
    int key = l->labels == LABELS_KEY;
    return is_one(l, name) ||
           ((key || l->labels == LABELS_AUTO) && strcmp(ending(name), "cls") == 0) ||
           (key && strcmp(ending(name), "json") == 0);
}

static const struct member *member_at(const struct image_list *l, uint64_t i) {
    return &l->members.at[i];
}

static struct image_entry *add(struct image_list *l, uint64_t member,
                               struct rn_error *e) {
    if (l->count == l->capacity) {
        uint64_t capacity = l->capacity ? 2 * l->capacity : 256;
        const char *path = l->members.places[0].path;
        if (!rn_budget_take(l->budget, (capacity - l->capacity) * sizeof *l->at)) {
            rn_budget_error(l->budget, path, e);
            return NULL;
        }
        struct image_entry *more =
            realloc(l->at, rn_size_or_max(capacity, sizeof *more));
        if (!more) {
            rn_failf(e, RN_E_MEMORY, path, 0, 0, "no memory for its %ss",
                     l->kind->noun);
            return NULL;
        }
        l->at = more;
        l->capacity = capacity;
    }
    l->at[l->count] = (struct image_entry){.member = member, .label = ""};
    return &l->at[l->count++];
}

/* ---------------------------------------------------------------- folders */

/* How long the folders are that all pictures of the archive are in: they pack it, and
 * are not classes. */
static size_t packing(const struct image_list *l, uint64_t from, uint64_t to) {
    const char *first = NULL;
    size_t common = 0;
    for (uint64_t i = from; i < to; i++) {
        const char *name = member_at(l, i)->name;
        size_t n = 0;
        if (!is_one(l, name))
            continue;
        if (!first) {
            first = name;
            common = (size_t)(base_name(name) - name);
            continue;
        }
        while (n < common && name[n] == first[n])
            n++;
        common = n;
        while (common && first[common - 1] != '/')
            common--;
    }
    for (uint64_t i = from; i < to; i++)
        if (is_one(l, member_at(l, i)->name) &&
            strchr(member_at(l, i)->name + common, '/'))
            return common;
    /* All in one folder: it is the class, the only one. */
    do
        common -= common > 0;
    while (common && first[common - 1] != '/');
    return common;
}

static int32_t label_by_folder(struct image_list *l, uint64_t i, size_t skip,
                               struct rn_error *e) {
    const char *name = member_at(l, i)->name, *folder = name + skip;
    const char *slash = strchr(folder, '/');
    struct image_entry *x = add(l, i, e);
    if (!x)
        return RN_E_MEMORY;
    if (slash) {
        x->label = folder;
        x->length = (uint32_t)(slash - folder);
        return RN_OK;
    }
    char path[4608];
    members_path(&l->members, member_at(l, i), path, sizeof path);
    rn_failf(e, RN_E_DATA, path, 0, 0, "is not in a folder that names its class");
    rn_hintf(e,
             "put %ss into a folder for each class, give a `table` of files and "
             "labels, or set `labels: none`",
             l->kind->noun);
    return RN_E_DATA;
}

static int32_t by_folder(struct image_list *l, struct rn_error *e) {
    const struct members *m = &l->members;
    int32_t status = RN_OK;
    for (uint64_t from = 0, to; from < m->count && status == RN_OK; from = to) {
        uint32_t place = m->at[from].place;
        for (to = from; to < m->count && m->at[to].place == place; to++)
            ;
        size_t skip = m->places[place].archive ? packing(l, from, to) : 0;
        for (uint64_t i = from; i < to && status == RN_OK; i++)
            if (is_one(l, m->at[i].name))
                status = label_by_folder(l, i, skip, e);
    }
    return status;
}

/* ------------------------------------------------------------------- keys */

/* WebDataset: what comes before the first dot of the name without its folders. */
static size_t key_length(const char *name) {
    const char *base = base_name(name);
    return (size_t)(base - name) + strcspn(base, ".");
}

static int same_key(const struct member *a, const struct member *b) {
    size_t n = key_length(a->name);
    return a->place == b->place && n == key_length(b->name) &&
           memcmp(a->name, b->name, n) == 0;
}

/* Is it the picture of its key? */
static int is_chosen(const struct image_list *l, const char *name) {
    const char *wanted =
        rn_has(l->host, l->kind->noun) ? rn_get_string(l->host, l->kind->noun) : NULL;
    const char *rest = name + key_length(name);
    return wanted ? *rest && strcmp(rest + 1, wanted) == 0 : is_one(l, name);
}

static int32_t without(struct image_list *l, struct rn_error *e) {
    for (uint64_t i = 0; i < l->members.count; i++)
        if (is_chosen(l, member_at(l, i)->name) && !add(l, i, e))
            return RN_E_MEMORY;
    return RN_OK;
}

/* The text of a member without blanks around it; kept by the list. */
static int32_t keep_text(struct image_list *l, uint64_t i, struct member_buffer *b,
                         const char **text, uint32_t *length, struct rn_error *e) {
    const uint8_t *bytes;
    uint64_t size;
    int32_t status = members_read(&l->members, i, b, &bytes, &size, e);
    if (status != RN_OK)
        return status;
    char path[4608];
    members_path(&l->members, member_at(l, i), path, sizeof path);
    if (size > 1u << 20)
        return rn_failf(e, RN_E_DATA, path, 0, 0, "has %llu bytes: not a label",
                        (unsigned long long)size);
    struct image_text *t = rn_budget_take(l->budget, size + sizeof *t)
                               ? malloc(sizeof *t + size + 1)
                               : NULL;
    if (!t)
        return rn_budget_error(l->budget, path, e);
    t->next = l->texts;
    l->texts = t;
    if (size)
        memcpy(t->text, bytes, size);
    t->text[size] = '\0';
    *text = t->text + strspn(t->text, " \t\r\n");
    *length = (uint32_t)strlen(*text);
    while (*length && strchr(" \t\r\n", (*text)[*length - 1]))
        --*length;
    if (!*length || *text + *length > t->text + size)
        return rn_failf(e, RN_E_DATA, path, 0, 0, "is empty: there is no label");
    return RN_OK;
}

static int32_t label_by_member(struct image_list *l, struct image_entry *x, uint64_t i,
                               struct member_buffer *b, struct rn_error *e) {
    const char *text = "", *why;
    uint32_t length = 0;
    int32_t status = keep_text(l, i, b, &text, &length, e);
    if (status != RN_OK)
        return status;
    x->label = text, x->length = length;
    if (strcmp(ending(member_at(l, i)->name), "json") != 0)
        return RN_OK;
    const char *key = rn_get_string(l->host, "json_key");
    why = image_json_find(text, length, key, &x->label, &x->length);
    if (!why)
        return RN_OK;
    char path[4608];
    members_path(&l->members, member_at(l, i), path, sizeof path);
    rn_failf(e, RN_E_DATA, path, 0, 0, "%s", why);
    rn_hintf(e, "`json_key` is '%.60s'", key);
    return RN_E_DATA;
}

/* The picture and the label among members [from, to) of one key. */
static int32_t sample(struct image_list *l, uint64_t from, uint64_t to,
                      struct member_buffer *b, struct rn_error *e) {
    uint64_t picture = to, label = to, pictures = 0;
    char path[4608];
    for (uint64_t i = from; i < to; i++) {
        const char *name = member_at(l, i)->name;
        if (is_chosen(l, name))
            picture = i, pictures++;
        else if (!is_one(l, name) && (label == to || strcmp(ending(name), "cls") == 0))
            label = i;
    }
    members_path(&l->members, member_at(l, from), path, sizeof path);
    if (pictures == 1 && label < to) {
        struct image_entry *x = add(l, picture, e);
        return x ? label_by_member(l, x, label, b, e) : RN_E_MEMORY;
    }
    if (pictures > 1) {
        rn_failf(e, RN_E_DATA, path, 0, 0, "its key has %llu %ss",
                 (unsigned long long)pictures, l->kind->noun);
        rn_hintf(e, "name the ending of the one to read: `%s: input.%s`", l->kind->noun,
                 l->kind->endings[0]);
        return RN_E_DATA;
    }
    return rn_failf(e, RN_E_DATA, path, 0, 0, "its key has no %s",
                    pictures ? "label (.cls or .json)" : l->kind->noun);
}

static int32_t by_key(struct image_list *l, struct rn_error *e) {
    struct member_buffer b = {0};
    const struct members *m = &l->members;
    int32_t status = RN_OK;
    for (uint64_t from = 0, to; from < m->count && status == RN_OK; from = to) {
        for (to = from; to < m->count && same_key(&m->at[from], &m->at[to]); to++)
            ;
        status = sample(l, from, to, &b, e);
    }
    member_buffer_finish(&b);
    return status;
}

static int has_key_labels(const struct image_list *l) {
    for (uint64_t i = 0; i < l->members.count; i++)
        if (!is_one(l, member_at(l, i)->name))
            return 1;
    return 0;
}

/* ------------------------------------------------------------------ table */

static int32_t find_column(struct image_list *l, const char *option, int *column,
                           struct rn_error *e) {
    const char *name = rn_get_string(l->host, option);
    *column = csv_table_find(&l->table, name);
    if (*column >= 0)
        return RN_OK;
    rn_failf(e, RN_E_DATA, csv_table_file(&l->table, 0), 0, 0,
             "there is no column '%.100s'", name);
    rn_hintf(e, "name it with `%s`", option);
    return RN_E_DATA;
}

static const struct member *find_file(const struct image_list *l, const char *name) {
    const struct member *x = NULL;
    while (name[0] == '.' && name[1] == '/')
        name += 2;
    for (uint32_t p = 0; p < l->members.place_count && !x; p++)
        x = members_find(&l->members, p, name);
    return x;
}

static int32_t by_table(struct image_list *l, struct rn_error *e) {
    const char *file_name = csv_table_file(&l->table, 0);
    int file, label;
    int32_t status = find_column(l, "file_column", &file, e);
    if (status == RN_OK)
        status = find_column(l, "label_column", &label, e);
    for (uint64_t i = 0; i < l->table.count && status == RN_OK; i++) {
        const struct csv_cell *name = &l->cells.at[i * l->table.width + (uint32_t)file];
        const struct csv_cell *text =
            &l->cells.at[i * l->table.width + (uint32_t)label];
        const struct member *m = find_file(l, name->text);
        if (!m)
            return rn_failf(e, RN_E_DATA, file_name, name->line, name->column,
                            "there is no %s '%.200s' in %.200s", l->kind->noun,
                            name->text, rn_get_string(l->host, "files"));
        if (!*text->text)
            return rn_failf(e, RN_E_DATA, file_name, text->line, text->column,
                            "the label of '%.200s' is missing", name->text);
        struct image_entry *x = add(l, (uint64_t)(m - l->members.at), e);
        if (!x)
            return RN_E_MEMORY;
        x->label = text->text, x->length = (uint32_t)strlen(text->text);
    }
    return status;
}

/* --------------------------------------------------------------- all three */

static int32_t read_table(struct image_list *l, struct rn_error *e) {
    const char *file = rn_get_string(l->host, "table");
    l->table.dialect.separator = ',';
    l->table.budget = l->budget;
    return csv_cells_collect(&l->cells, &l->table, file, 1, e);
}

static int32_t choose(struct image_list *l, struct rn_error *e) {
    const char *word = rn_get_string(l->host, "labels");
    l->labels = strcmp(word, "folder") == 0 ? LABELS_FOLDER
                : strcmp(word, "key") == 0  ? LABELS_KEY
                : strcmp(word, "none") == 0 ? LABELS_NONE
                                            : LABELS_AUTO;
    if (l->host->api->extension(l->host, RN_EXT_PREDICT))
        l->labels = LABELS_NONE;
    else if (rn_has(l->host, "table") && l->labels == LABELS_AUTO)
        l->labels = LABELS_TABLE;
    l->numbers = strcmp(rn_get_string(l->host, "label_type"), "float") == 0;
    if (rn_has(l->host, "table") && strcmp(word, "auto") != 0)
        return rn_fail_option(e, RN_E_CONFIG, "table", "is not read with `labels: %s`",
                              word);
    if (l->numbers && rn_get_count(l->host, "classes"))
        return rn_fail_option(e, RN_E_CONFIG, "classes",
                              "has no meaning with `label_type: float`");
    return RN_OK;
}

static int32_t fill(struct image_list *l, struct rn_error *e) {
    if (l->labels == LABELS_AUTO)
        l->labels = has_key_labels(l) ? LABELS_KEY : LABELS_FOLDER;
    return l->labels == LABELS_TABLE  ? by_table(l, e)
           : l->labels == LABELS_KEY  ? by_key(l, e)
           : l->labels == LABELS_NONE ? without(l, e)
                                      : by_folder(l, e);
}

static void report(const struct image_list *l) {
    const struct members *m = &l->members;
    char text[900];
    int n =
        snprintf(text, sizeof text, "%.300s: %llu %ss", rn_get_string(l->host, "files"),
                 (unsigned long long)l->count, l->kind->noun);
    if (l->layout)
        n += snprintf(text + n, sizeof text - (size_t)n, " in %llu classes",
                      (unsigned long long)l->class_count);
    if (m->hidden)
        n += snprintf(text + n, sizeof text - (size_t)n, "; %llu hidden ignored",
                      (unsigned long long)m->hidden);
    if (m->unused)
        snprintf(
            text + n, sizeof text - (size_t)n, "; %llu other file%s ignored, as %.255s",
            (unsigned long long)m->unused, m->unused > 1 ? "s" : "", m->unused_name);
    l->host->api->log(l->host, RN_LOG_INFO, text);
}

int32_t image_list_open(struct image_list *l, struct rn_error *e) {
    const char *files = rn_get_string(l->host, "files");
    struct paths paths = {0};
    int32_t status = choose(l, e);
    if (status != RN_OK)
        return status;
    l->members.budget = l->budget;
    l->members.used = used;
    l->members.context = l;
    if (l->labels == LABELS_TABLE)
        status = read_table(l, e);
    if (status == RN_OK)
        status = paths_expand(&paths, files, e);
    if (status == RN_OK)
        status = members_open(&l->members, paths.at, paths.count, e);
    paths_finish(&paths);
    if (status == RN_OK)
        status = fill(l, e);
    if (status == RN_OK && !l->count) {
        rn_failf(e, RN_E_DATA, files, 0, 0, "holds no %s", l->kind->noun);
        if (l->members.unused)
            rn_hintf(e, "%s; %.200s does not", l->kind->hint, l->members.unused_name);
        return RN_E_DATA;
    }
    if (status == RN_OK)
        status = image_list_number(l, e);
    if (status == RN_OK)
        report(l);
    return status;
}

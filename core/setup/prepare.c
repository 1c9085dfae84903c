/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of each column of a table, decided by what its training rows hold. */
#include "setup/prepare.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/pattern.h"

#define SOURCES     4u
#define CLASSES_MAX 20u  /* different integers of a target that are classes */
#define RARE        10u  /* how often the largest class is the rarest to be weighted */
#define CATEGORIES  100u /* that become one-hot, each */
#define FREQUENT    50u  /* of more than that, those that do */
#define KEY_ROWS                                                                       \
    20u /* rows from which a text of its own in every other row is a key               \
         */
#define ROWS_SHOWN 60u
#define SCALE_MAX  10.0 /* sd of a target, and the inverse, that is learnt as it is */

enum fate {
    FATE_LEAVE_OUT,
    FATE_NUMBER, /* impute, standardise */
    FATE_FLAG,   /* 0 or 1 as it is */
    FATE_BOOL,   /* words that mean 0 and 1 */
    FATE_DATE,   /* a number of days */
    FATE_CATEGORY,
    FATE_FREQUENT, /* categories, of which the most frequent become one-hot */
    FATE_ENCODE,   /* categories as the mean of the target */
    FATE_CLASSES,  /* of the target */
    FATE_SCALED    /* target: a number that is standardised */
};

#define NUMBERS (1u << FATE_NUMBER | 1u << FATE_DATE) /* that are standardised */
#define SINGLE  (NUMBERS | 1u << FATE_FLAG | 1u << FATE_BOOL) /* that are imputed */
#define USED    (~(1u << FATE_LEAVE_OUT))

/* A line of the table that is printed. */
struct prepared_row {
    const char *holds, *becomes; /* NULL: not shown */
};

struct preparation {
    struct setup *s;
    const struct experiment *x;
    struct diag *d;
    uint32_t count;
    struct data_survey *columns;
    struct prepared_row *table; /* [count] */
    enum fate *fates;
    bool *flags;         /* [count] a missing value has a column of its own */
    uint32_t target;     /* a column, or count */
    struct text list;    /* the transforms, as one line of YAML */
    const char *weights; /* the override that weighs the classes, or NULL */
};

static const char *const sources[SOURCES] = {"data.source", "data.train", "data.val",
                                             "data.test"};

bool prepare_wanted(const struct experiment *x) {
    return node_at(x->root, "data.prepare") != NULL;
}

/* ---------------------------------------------------------------- the table */

/* Column i becomes `fate`; the line of the table says so. */
__attribute__((format(printf, 4, 5))) static void
decide(struct preparation *p, uint32_t i, enum fate fate, const char *becomes, ...) {
    char line[400];
    va_list args;
    va_start(args, becomes);
    vsnprintf(line, sizeof line, becomes, args);
    va_end(args);
    p->fates[i] = fate;
    p->table[i].becomes = arena_copy(p->s->arena, line);
}

__attribute__((format(printf, 3, 4))) static void
holds(struct preparation *p, uint32_t i, const char *format, ...) {
    const struct data_survey *f = &p->columns[i];
    char line[300];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (f->missing && n >= 0 && (size_t)n < sizeof line)
        snprintf(line + n, sizeof line - (size_t)n, ", %.3g %% missing",
                 100.0 * (double)f->missing / (double)f->rows);
    p->table[i].holds = arena_copy(p->s->arena, line);
}

static int width_of(const char *text, int before) {
    size_t n = strlen(text);
    return n > 40 ? (before > 40 ? before : 40) : (int)n > before ? (int)n : before;
}

static void print_table(const struct preparation *p) {
    struct log *log = session_log(p->s->session);
    int name = 6, what = 5;
    uint32_t shown = p->count < ROWS_SHOWN ? p->count : ROWS_SHOWN;
    for (uint32_t i = 0; i < shown; i++) {
        name = width_of(p->columns[i].name, name);
        what = width_of(p->table[i].holds, what);
    }
    log_say(log, RN_LOG_INFO, "prepare: %-*s  %-*s  becomes", name, "column", what,
            "holds");
    for (uint32_t i = 0; i < p->count; i++)
        if (i < shown || i == p->target)
            log_say(log, RN_LOG_INFO, "prepare: %-*s  %-*s  %s", name,
                    p->columns[i].name, what, p->table[i].holds, p->table[i].becomes);
    if (shown < p->count)
        log_say(log, RN_LOG_INFO, "prepare: %u more columns are in resolved.yaml",
                p->count - shown);
}

/* ---------------------------------------------------------------- one column */

/* Two words that are no and yes, in this order when sorted. */
static bool is_bool(const struct data_survey *f) {
    static const char *const words[][2] = {
        {"false", "true"}, {"False", "True"}, {"FALSE", "TRUE"}, {"no", "yes"},
        {"No", "Yes"},     {"NO", "YES"},     {"f", "t"},        {"F", "T"},
        {"n", "y"},        {"N", "Y"},        {"off", "on"}};
    if (!f->text || f->distinct != 2)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(f->values[0].bytes, words[i][0]) == 0 &&
            strcmp(f->values[1].bytes, words[i][1]) == 0)
            return true;
    return false;
}

static bool zero_or_one(const struct data_survey *f) {
    return !f->more && f->distinct == 2 && f->values[0].number == 0 &&
           f->values[1].number == 1;
}

/* A source that reads truth values and dates as numbers; others have neither. */
static bool source_has_types(struct setup *s, const struct node *source) {
    struct rn_error e;
    const struct component *c =
        session_find(s->session, "source", node_string(node_find(source, "type")), &e);
    const struct option_info *o = c ? schema_find(c->schema, "fields") : NULL;
    return o && strstr(o->type, "date");
}

static bool has_types(const struct preparation *p) {
    for (uint32_t i = 0; i < SOURCES; i++) {
        const struct node *n = node_at(p->x->root, sources[i]);
        if (n && !source_has_types(p->s, n))
            return false;
    }
    return true;
}

/* The type that the experiment's `fields` gives a column, or NULL. */
static const char *declared(const struct preparation *p, const char *name) {
    for (uint32_t i = 0; i < SOURCES; i++) {
        const struct node *n = node_at(p->x->root, sources[i]);
        const struct node *fields = n ? node_find(n, "fields") : NULL;
        if (!fields || node_kind(fields) != NODE_MAP)
            continue;
        for (int patterns = 0; patterns < 2; patterns++)
            for (uint32_t k = 0; k < node_count(fields); k++)
                if (patterns ? pattern_match(node_key(fields, k), name)
                             : strcmp(node_key(fields, k), name) == 0)
                    return node_string(node_item(fields, k));
    }
    return NULL;
}

/* Is the target one number, or two classes? */
static bool single_target(const struct preparation *p) {
    return p->target < p->count &&
           (p->fates[p->target] != FATE_CLASSES || p->columns[p->target].distinct == 2);
}

/* Is there a column of that name? */
static bool has_column(const struct preparation *p, const char *name) {
    for (uint32_t i = 0; i < p->count; i++)
        if (strcmp(p->columns[i].name, name) == 0)
            return true;
    return false;
}

static const char *flag_name(const struct preparation *p, uint32_t i) {
    return arena_format(p->s->arena, "%s_missing", p->columns[i].name);
}

/* A number that is imputed, after `decide`. */
static void flag_missing(struct preparation *p, uint32_t i) {
    if (!p->columns[i].missing || has_column(p, flag_name(p, i)))
        return;
    p->flags[i] = true;
    p->table[i].becomes =
        arena_format(p->s->arena, "%s; 0/1 where missing", p->table[i].becomes);
}

static void text_fate(struct preparation *p, uint32_t i) {
    const struct data_survey *f = &p->columns[i];
    uint64_t there = f->rows - f->missing;
    const char *over = f->more ? "over " : "";
    if (f->dates == there && has_types(p)) {
        holds(p, i, "dates");
        decide(p, i, FATE_DATE, "days since 1970-01-01, %sstandardise",
               f->missing ? "impute (mean), " : "");
    } else if (is_bool(f) && has_types(p)) {
        holds(p, i, "%s or %s", f->values[0].bytes, f->values[1].bytes);
        decide(p, i, FATE_BOOL, "0 or 1%s", f->missing ? ", impute (mean)" : "");
    } else if (there >= KEY_ROWS && 2u * (uint64_t)f->distinct > there) {
        holds(p, i, "text, %s%u different in %llu rows", over, f->distinct,
              (unsigned long long)there);
        decide(p, i, FATE_LEAVE_OUT, "left out: a name, a key or free text");
    } else if ((f->more || f->distinct > CATEGORIES) && single_target(p)) {
        holds(p, i, "text, %s%u categories", over, f->distinct);
        decide(p, i, FATE_ENCODE,
               "mean of the target (cross-fitted); unknown: that of all rows");
    } else if (f->more || f->distinct > CATEGORIES) {
        holds(p, i, "text, %s%u categories", over, f->distinct);
        decide(p, i, FATE_FREQUENT,
               "one-hot of the %u most frequent; any other: all zeros", FREQUENT);
    } else {
        holds(p, i, "text, %u categories", f->distinct);
        decide(p, i, FATE_CATEGORY, "one-hot; %sunknown: all zeros",
               f->missing ? "missing and " : "");
    }
}

static void column_fate(struct preparation *p, uint32_t i) {
    const struct data_survey *f = &p->columns[i];
    if (f->variable) {
        holds(p, i, "text of any length");
        decide(p, i, FATE_LEAVE_OUT, "left out");
    } else if (!f->more && f->distinct <= 1) {
        holds(p, i, "%s", f->distinct ? "one value" : "nothing");
        decide(p, i, FATE_LEAVE_OUT, "left out: the same in every training row");
    } else if (f->text) {
        text_fate(p, i);
    } else if (f->row_number) {
        holds(p, i, "integers that count the rows");
        decide(p, i, FATE_LEAVE_OUT, "left out");
    } else if (zero_or_one(f)) { /* also what was declared as bool */
        holds(p, i, "0 or 1");
        decide(p, i, FATE_FLAG, "as it is%s", f->missing ? ", impute (mean)" : "");
    } else {
        holds(p, i, "number");
        decide(p, i, FATE_NUMBER, "%sstandardise", f->missing ? "impute (mean), " : "");
    }
    if (SINGLE >> p->fates[i] & 1u)
        flag_missing(p, i);
}

/* ------------------------------------------------------------------ the target */

/* Weights rows / (classes * rows of the class), so that all classes count alike. */
static const char *class_weights(struct preparation *p, const struct data_survey *f) {
    struct text t = {0};
    text_add(&t, "class_weights=[");
    for (uint32_t k = 0; k < f->distinct; k++)
        text_addf(&t, "%s%.6g", k ? ", " : "",
                  (double)f->rows / ((double)f->distinct * (double)f->values[k].rows));
    text_add(&t, "]");
    const char *out = arena_copy(p->s->arena, text_get(&t));
    text_finish(&t);
    return out;
}

/* What makes the classes of the loss count alike; NULL: it has no such option, or the
 * file gives it. */
static const char *weights_of(struct preparation *p, const struct component *c,
                              const struct node *n, const struct data_survey *f) {
    if (schema_find(c->schema, "class_weights"))
        return node_find(n, "class_weights") ? NULL : class_weights(p, f);
    if (!schema_find(c->schema, "pos_weight") || f->distinct != 2)
        return NULL;
    if (node_float(node_find(n, "pos_weight")) != 1.0) /* its default */
        return NULL;
    return arena_format(p->s->arena, "pos_weight=%.6g",
                        (double)f->values[0].rows / (double)f->values[1].rows);
}

/* The override that weighs the classes in the only loss that can; NULL: there is none.
 */
static const char *weighted_loss(struct preparation *p, const struct data_survey *f) {
    const struct node *loss = node_find(p->x->root, "loss");
    const char *found = NULL;
    if (node_at(p->x->root, "data.sampler"))
        return NULL;
    for (uint32_t i = 0; loss && i < node_components(loss); i++) {
        const char *name;
        const struct node *n = node_component(loss, i, &name);
        const struct node *type = node_find(n, "type");
        struct rn_error e;
        const struct component *c =
            type ? session_find(p->s->session, "loss", node_string(type), &e) : NULL;
        const char *weights = c ? weights_of(p, c, n, f) : NULL;
        if (weights && found)
            return NULL;
        if (weights)
            found = *name ? arena_format(p->s->arena, "loss.%s.%s", name, weights)
                          : arena_format(p->s->arena, "loss.%s", weights);
    }
    return found;
}

/* "; 3 rows of 'x', 97 of 'y': loss.class_weights=[...]" where that is uneven. */
static const char *weigh_classes(struct preparation *p, const struct data_survey *f) {
    const struct data_value *rarest = f->values, *largest = f->values;
    for (uint32_t k = 1; k < f->distinct; k++) {
        rarest = f->values[k].rows < rarest->rows ? &f->values[k] : rarest;
        largest = f->values[k].rows > largest->rows ? &f->values[k] : largest;
    }
    if (rarest->rows * RARE >= largest->rows)
        return "";
    p->weights = weighted_loss(p, f);
    return arena_format(
        p->s->arena, "; the rarest has %llu rows, the largest %llu: %.200s",
        (unsigned long long)rarest->rows, (unsigned long long)largest->rows,
        p->weights ? p->weights : "no weights, by the loss or the file");
}

static void number_target(struct preparation *p) {
    const struct data_survey *f = &p->columns[p->target];
    bool scaled = f->sd > SCALE_MAX || (f->sd > 0 && f->sd < 1 / SCALE_MAX) ||
                  fabs(f->mean) > SCALE_MAX * f->sd;
    holds(p, p->target, "number");
    if (scaled && f->sd > 0)
        decide(p, p->target, FATE_SCALED,
               "target: standardised; a prediction z means %.9g + %.9g z", f->mean,
               f->sd);
    else
        decide(p, p->target, FATE_LEAVE_OUT, "target, as it is");
}

static int target_fate(struct preparation *p) {
    const struct data_survey *f = &p->columns[p->target];
    bool few = f->dtype == RN_I64 && !f->more && f->distinct <= CLASSES_MAX &&
               2u * (uint64_t)f->distinct <= f->rows;
    if (!f->text && !few) {
        number_target(p);
        return RN_OK;
    }
    if (f->more || f->distinct < 2)
        return node_error(p->d, node_at(p->x->root, "data.prepare"), false, RN_E_DATA,
                          f->more ? "the target '%s' has more than %u different texts"
                                  : "the target '%s' has fewer than 2 classes in the "
                                    "training rows (%u)",
                          f->name, f->distinct);
    holds(p, p->target, "%s", f->text ? "text" : "few integers");
    decide(p, p->target, FATE_CLASSES, "target: %u classes%s", f->distinct,
           weigh_classes(p, f));
    return RN_OK;
}

/* -------------------------------------------------------------- the rewriting */

/* Is column i of these fates, and not the target? flagged: 1 or 0 only if it has a
 * column of what is missing, or has none; -1 in any case. */
static bool takes(const struct preparation *p, uint32_t i, unsigned fates,
                  int flagged) {
    return (fates >> p->fates[i] & 1u) && i != p->target &&
           (flagged < 0 || p->flags[i] == (flagged == 1));
}

static uint32_t count_fates(const struct preparation *p, unsigned fates, int flagged) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->count; i++)
        n += takes(p, i, fates, flagged);
    return n;
}

static uint32_t add_list(struct preparation *p, unsigned fates, int flagged) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->count; i++)
        if (takes(p, i, fates, flagged))
            text_addf(&p->list, "%s%s", n++ ? ", " : "",
                      config_quoted(p->s->arena, p->columns[i].name));
    return n;
}

/* A transform of the columns of these fates, if there are any; more: its options. */
static void write_list(struct preparation *p, const char *transform, const char *more,
                       unsigned fates, int flagged) {
    if (!count_fates(p, fates, flagged))
        return;
    text_addf(&p->list, "{type: %s, of: [", transform);
    add_list(p, fates, flagged);
    text_addf(&p->list, "]%s}, ", more);
}

static int by_rows(const void *x, const void *y) {
    const struct data_value *a = x, *b = y;
    if (a->rows != b->rows)
        return a->rows < b->rows ? 1 : -1;
    return strcmp(a->bytes, b->bytes);
}

/* label_map of these values in this order; more: further options. */
static void write_labels(struct preparation *p, const struct data_survey *f,
                         const struct data_value *values, uint32_t n,
                         const char *more) {
    text_addf(&p->list, "{type: label_map, of: %s, classes: [",
              config_quoted(p->s->arena, f->name));
    for (uint32_t k = 0; k < n; k++) {
        const char *name =
            f->text ? values[k].bytes
                    : arena_format(p->s->arena, "%lld", (long long)values[k].number);
        text_addf(&p->list, "%s%s", k ? ", " : "", config_quoted(p->s->arena, name));
    }
    text_addf(&p->list, "]%s}, ", more);
}

/* The most frequent categories of a column have a number each. */
static void write_frequent(struct preparation *p, const struct data_survey *f) {
    struct data_value *values =
        arena_array(p->s->arena, struct data_value, f->distinct);
    memcpy(values, f->values, f->distinct * sizeof *values);
    qsort(values, f->distinct, sizeof *values, by_rows);
    write_labels(p, f, values, FREQUENT, ", unknown: missing");
    text_addf(&p->list, "{type: one_hot, of: %s, classes: %u}, ",
              config_quoted(p->s->arena, f->name), FREQUENT);
}

static void write_encoded(struct preparation *p, const char *target) {
    if (!count_fates(p, 1u << FATE_ENCODE, -1))
        return;
    text_add(&p->list, "{type: target_encode, of: [");
    add_list(p, 1u << FATE_ENCODE, -1);
    text_addf(&p->list, ", %s], target: %s}, ", target, target);
}

/* The vector: the columns, then what says which were missing. */
static void write_concat(struct preparation *p) {
    text_add(&p->list, "{type: concat, as: x, of: [");
    uint32_t n = add_list(p, USED, -1);
    for (uint32_t i = 0; i < p->count; i++)
        if (takes(p, i, USED, 1))
            text_addf(&p->list, "%s%s", n++ ? ", " : "",
                      config_quoted(p->s->arena, flag_name(p, i)));
    text_add(&p->list, "]}]");
}

static void write_transforms(struct preparation *p) {
    const struct data_survey *t = p->target < p->count ? &p->columns[p->target] : NULL;
    const char *target = t ? config_quoted(p->s->arena, t->name) : "";
    text_add(&p->list, "data.transforms=[");
    if (t && p->fates[p->target] == FATE_CLASSES)
        write_labels(p, t, t->values, t->distinct, "");
    for (uint32_t i = 0; i < p->count; i++)
        if (takes(p, i, 1u << FATE_FREQUENT, -1))
            write_frequent(p, &p->columns[i]);
    write_list(p, "one_hot", ", unknown: zeros", 1u << FATE_CATEGORY, -1);
    write_encoded(p, target);
    write_list(p, "impute", ", flag: true", SINGLE, 1);
    write_list(p, "impute", "", SINGLE, 0);
    write_list(p, "standardise", "", NUMBERS | 1u << FATE_ENCODE, -1);
    if (t && p->fates[p->target] == FATE_SCALED)
        text_addf(&p->list, "{type: standardise, of: %s}, ", target);
    write_concat(p);
}

static const char *column_type(const struct preparation *p, uint32_t i) {
    static const char *const types[] = {
        [FATE_NUMBER] = "number",     [FATE_FLAG] = "number",
        [FATE_BOOL] = "bool",         [FATE_DATE] = "date",
        [FATE_CATEGORY] = "category", [FATE_FREQUENT] = "category",
        [FATE_ENCODE] = "category",
    };
    const char *given = declared(p, p->columns[i].name);
    return given && strcmp(given, "auto") != 0 ? given : types[p->fates[i]];
}

/* Which columns the sources read, with their types where the source knows them. */
static const char *fields_override(struct preparation *p, const char *source) {
    size_t from = p->list.length;
    bool typed = has_types(p);
    uint32_t n = 0;
    text_addf(&p->list, "%s.fields=%s", source, typed ? "{" : "[");
    for (uint32_t i = 0; i < p->count; i++)
        if (p->fates[i] != FATE_LEAVE_OUT && i != p->target)
            text_addf(&p->list, "%s%s%s%s", n++ ? ", " : "",
                      typed ? config_quoted_key(p->s->arena, p->columns[i].name)
                            : config_quoted(p->s->arena, p->columns[i].name),
                      typed ? ": " : "", typed ? column_type(p, i) : "");
    text_add(&p->list, typed ? "}" : "]");
    return arena_copy(p->s->arena, text_get(&p->list) + from);
}

/* What a source reads: the columns that are used, and the target as what it is. */
static void add_source(struct preparation *p, const char *source, const char **all,
                       uint32_t *n) {
    bool number = p->target < p->count && p->fates[p->target] != FATE_CLASSES;
    const char *type = arena_format(p->s->arena, "%s.target_type", source);
    all[(*n)++] = fields_override(p, source);
    if (number && p->columns[p->target].dtype == RN_I64)
        all[(*n)++] = arena_format(p->s->arena, "%s=float", type);
}

/* ------------------------------------------------------------------- opening */

/* A source of columns: it has the options `target` and `fields`. */
static int check_source(struct setup *s, const struct node *n, struct diag *d) {
    const struct node *type = node_find(n, "type");
    struct rn_error e;
    const struct component *c =
        session_find(s->session, "source", node_string(type), &e);
    if (!c || !schema_find(c->schema, "target") || !schema_find(c->schema, "fields")) {
        node_error(d, type, false, RN_E_CONFIG,
                   "prepare: auto is for a table, and %s does not read one",
                   node_string(type));
        diag_hint(d, "write the transforms of its fields in data.transforms");
    } else if (!node_find(n, "target")) {
        node_error(d, n, false, RN_E_CONFIG,
                   "prepare: auto needs to know which column is the target");
        diag_hint(d, "add target: COLUMN");
    } else {
        return RN_OK;
    }
    return RN_E_CONFIG;
}

static int check_section(struct setup *s, const struct experiment *x, struct diag *d) {
    const struct node *transforms = node_at(x->root, "data.transforms");
    if (transforms && node_count(transforms))
        return node_error(d, transforms, true, RN_E_CONFIG,
                          "data.prepare and data.transforms are both given; leave one");
    for (uint32_t i = 0; i < SOURCES; i++) {
        const struct node *n = node_at(x->root, sources[i]);
        int status = n ? check_source(s, n, d) : RN_OK;
        if (status != RN_OK)
            return status;
    }
    return RN_OK;
}

/* One more name for `fields`; typed: as a key of a map. */
static void add_column(struct setup *s, struct text *t, const char *name, bool typed,
                       const char *type) {
    char last = text_get(t)[t->length - 1];
    text_addf(t, "%s%s", last == '{' || last == '[' ? "" : ", ",
              typed ? config_quoted_key(s->arena, name)
                    : config_quoted(s->arena, name));
    if (typed)
        text_addf(t, ": %s", type);
}

/* The columns that the file lists, with the types that it gives them, or all. */
static const char *all_columns(struct setup *s, const struct node *source,
                               const char *path) {
    const struct node *features = node_find(source, "features"),
                      *fields = node_find(source, "fields");
    bool typed = source_has_types(s, source),
         map = fields && node_kind(fields) == NODE_MAP;
    struct text t = {0};
    text_addf(&t, "%s.fields=%s", path, typed ? "{" : "[");
    for (uint32_t i = 0; fields && i < node_count(fields); i++)
        add_column(s, &t, map ? node_key(fields, i) : node_string(node_item(fields, i)),
                   typed, map ? node_string(node_item(fields, i)) : "auto");
    for (uint32_t i = 0; features && i < node_count(features); i++)
        add_column(s, &t, node_string(node_item(features, i)), typed, "auto");
    if (!features && !(map && node_find(fields, "*")))
        add_column(s, &t, "*", typed, "auto");
    text_add(&t, typed ? "}" : "]");
    const char *out = arena_copy(s->arena, text_get(&t));
    text_finish(&t);
    return out;
}

/* Overrides that make every column a field of its own. */
static void columns_apart(struct setup *s, const struct setup_options *o,
                          const struct experiment *x, const char **all, uint32_t *n) {
    *n = 0;
    for (uint32_t i = 0; i < o->override_count; i++)
        all[(*n)++] = o->overrides[i];
    all[(*n)++] = "~data.prepare";
    for (uint32_t i = 0; i < SOURCES; i++) {
        const struct node *source = node_at(x->root, sources[i]);
        if (!source)
            continue;
        all[(*n)++] = all_columns(s, source, sources[i]);
        all[(*n)++] = arena_format(s->arena, "%s.features=[]", sources[i]);
    }
}

static int make_plan(struct preparation *p, struct data *data, const char *target) {
    struct rn_error e = {0};
    int status = data_survey(data, &p->count, &p->columns, &e);
    if (status != RN_OK)
        return diag_place(p->d, p->x->root, &e);
    p->fates = arena_array(p->s->arena, enum fate, p->count + 1);
    p->table = arena_array(p->s->arena, struct prepared_row, p->count + 1);
    p->flags = arena_array(p->s->arena, bool, p->count + 1);
    p->target = p->count;
    for (uint32_t i = 0; i < p->count; i++)
        if (strcmp(p->columns[i].name, target) == 0)
            p->target = i;
    if (p->target < p->count)
        status = target_fate(p);
    for (uint32_t i = 0; i < p->count; i++)
        if (i != p->target)
            column_fate(p, i);
    if (status == RN_OK)
        print_table(p);
    if (status == RN_OK && !count_fates(p, USED, -1))
        status = node_error(p->d, node_at(p->x->root, "data.prepare"), false, RN_E_DATA,
                            "no column is left to learn from");
    return status;
}

/* The data with each column apart, as the file divides it; NULL with errors. */
static struct data *open_apart(struct setup *s, const struct setup_options *o,
                               const struct experiment *apart,
                               const struct instance_services *services,
                               struct diag *d) {
    struct data_options data = {.session = s->session,
                                .config = apart->config,
                                .data = node_find(apart->root, "data"),
                                .sections = apart->sections,
                                .services = services,
                                .seed = apart->seed,
                                .stored_split = o->stored_split};
    return data_open(&data, d);
}

int prepare_overrides(struct setup *s, const struct setup_options *o,
                      const struct experiment *x, uint32_t *count,
                      const char *const **out, struct diag *d) {
    const struct instance_services services = {NULL, s->cancelled, s->cancel_context};
    struct preparation p = {.s = s, .x = x, .d = d};
    const char **all =
        arena_array(s->arena, const char *, o->override_count + 4 * SOURCES + 4);
    struct experiment *apart = NULL;
    struct data *data = NULL;
    uint32_t n = 0;
    int status = check_section(s, x, d);
    if (status != RN_OK)
        return status;
    columns_apart(s, o, x, all, &n);
    apart = experiment_open(o->session, o->file, n, all, o->recorded, d);
    if (apart)
        data = open_apart(s, o, apart, &services, d);
    status = data ? RN_OK : diag_status(d);
    const struct node *source = node_at(
        x->root, node_at(x->root, "data.source") ? "data.source" : "data.train");
    if (status == RN_OK)
        status = make_plan(&p, data, node_string(node_find(source, "target")));
    if (status == RN_OK) {
        write_transforms(&p);
        all[n++] = arena_copy(s->arena, text_get(&p.list));
        for (uint32_t i = 0; i < SOURCES; i++)
            if (node_at(x->root, sources[i]))
                add_source(&p, sources[i], all, &n);
        if (p.weights)
            all[n++] = p.weights;
    }
    text_finish(&p.list);
    data_close(data);
    experiment_close(apart);
    *count = n;
    *out = all;
    return status;
}

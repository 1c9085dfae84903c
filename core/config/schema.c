/* SPDX-License-Identifier: Apache-2.0 */
/* Description text to schemas: the grammar of runner/abi.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "config/schema.h"

#define MOST_LINES 4096u

struct reader {
    struct arena *a;
    struct rn_error *e;
    unsigned line;
};

static int bad(struct reader *r, const char *what, const char *word, size_t n) {
    return error_set(r->e, RN_E_PLUGIN, "description, line %u: %s '%.*s'", r->line,
                     what, (int)(n > 80 ? 80 : n), word);
}

bool description_may_pass(const char **word) {
    bool mark = **word == '?';
    *word += mark;
    return mark;
}

int description_unknown(const char *word, const char *const *known, size_t n,
                        struct rn_error *e) {
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, " :"), word);
    const char *near = suggest_nearest(name, known, n);
    if (near)
        return error_hint(e, "did you mean '%s'?", near);
    return error_hint(e,
                      "a later runner may know it; `?%s` lets a runner that does not "
                      "know it pass it over",
                      name);
}

static const char *trimmed(struct arena *a, const char *s, size_t n) {
    while (n && (*s == ' ' || *s == '\t'))
        s++, n--;
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
        n--;
    return arena_copy_n(a, s, n);
}

static int read_type(struct reader *r, const char *s, size_t n, struct type *t,
                     int depth);

/* "list(...),map(...)", or a record in place of the map. */
static int read_either(struct reader *r, const char *inner, struct type *t, int depth) {
    struct type *list = arena_new(r->a, struct type),
                *map = arena_new(r->a, struct type);
    size_t length = strlen(inner), k = 0;
    for (int open = 0; k < length && (open || inner[k] != ','); k++)
        open += inner[k] == '(' ? 1 : inner[k] == ')' ? -1 : 0;
    t->kind = TYPE_EITHER;
    t->of = list;
    t->map = map;
    if (k == length)
        return bad(r, "either needs a list and a map:", inner, length);
    int status = read_type(r, inner, k, list, depth + 1);
    if (status == RN_OK)
        status = read_type(r, inner + k + 1, length - k - 1, map, depth + 1);
    if (status == RN_OK && (list->kind != TYPE_LIST ||
                            (map->kind != TYPE_MAP && map->kind != TYPE_RECORD)))
        status = bad(r, "either needs a list and a map:", inner, length);
    return status;
}

static int read_type(struct reader *r, const char *s, size_t n, struct type *t,
                     int depth) {
    static const struct {
        const char *name;
        enum type_kind kind;
    } simple[] = {{"any", TYPE_ANY},       {"bool", TYPE_BOOL},
                  {"int", TYPE_INT},       {"float", TYPE_FLOAT},
                  {"string", TYPE_STRING}, {"duration", TYPE_DURATION},
                  {"path", TYPE_PATH},     {"pattern", TYPE_PATTERN}};
    if (depth == 8)
        return bad(r, "a type deeper than 8:", s, n);
    const char *word = trimmed(r->a, s, n);
    size_t length = strlen(word), k = strcspn(word, "(");
    *t = (struct type){.text = word};
    for (size_t i = 0; i < sizeof simple / sizeof *simple; i++)
        if (strcmp(word, simple[i].name) == 0) {
            t->kind = simple[i].kind;
            return RN_OK;
        }
    if (k == length) {
        t->kind = TYPE_RECORD; /* checked when the text is whole */
        t->name = word;
        return length ? RN_OK : bad(r, "a type is missing in", s, n);
    }
    if (word[length - 1] != ')')
        return bad(r, "this type has no ')':", word, length);
    const char *inner = arena_copy_n(r->a, word + k + 1, length - k - 2);
    if (k == 6 && strncmp(word, "choice", 6) == 0) {
        t->kind = TYPE_CHOICE;
        t->choices = arena_array(r->a, const char *, strlen(inner) / 2 + 2);
        for (const char *p = inner; *p;) {
            size_t m = strcspn(p, ",");
            t->choices[t->choice_count++] = trimmed(r->a, p, m);
            p += m + (p[m] == ',');
        }
        return RN_OK;
    }
    if ((k == 9 && strncmp(word, "component", 9) == 0) ||
        (k == 10 && strncmp(word, "components", 10) == 0)) {
        t->kind = k == 9 ? TYPE_COMPONENT : TYPE_COMPONENTS;
        t->name = inner;
        return RN_OK;
    }
    if (k == 9 && strncmp(word, "reference", 9) == 0) {
        t->kind = TYPE_REFERENCE;
        t->name = inner;
        return RN_OK;
    }
    if (k == 6 && strncmp(word, "either", 6) == 0)
        return read_either(r, inner, t, depth);
    if ((k == 4 && strncmp(word, "list", 4) == 0) ||
        (k == 3 && strncmp(word, "map", 3) == 0)) {
        struct type *of = arena_new(r->a, struct type);
        t->kind = k == 4 ? TYPE_LIST : TYPE_MAP;
        t->of = of;
        return read_type(r, inner, strlen(inner), of, depth + 1);
    }
    return bad(r, "no type is called", word, length);
}

bool type_single(const struct type *t) {
    return t->kind != TYPE_ANY && t->kind <= TYPE_CHOICE;
}

const char *unquoted(struct arena *a, const char *s) {
    size_t n = strlen(s);
    return n >= 2 && (*s == '"' || *s == '\'') && s[n - 1] == *s
               ? arena_copy_n(a, s + 1, n - 2)
               : s;
}

/* "min 0" and so on behind the semicolons. */
static int read_word(struct reader *r, const char *s, size_t n, struct option *o) {
    static const char *const known[] = {"required", "live", "checkpoint", "unit",
                                        "min",      "max",  "above",      "below"};
    const char *word = trimmed(r->a, s, n);
    bool may_pass = description_may_pass(&word);
    const char *space = strchr(word, ' ');
    char *end;
    double number = space ? strtod(space + 1, &end) : 0.0;
    size_t k = space ? (size_t)(space - word) : strlen(word);
    struct {
        const char *name;
        bool *has;
        double *value;
    } bounds[] = {{"min", &o->has_min, &o->min},
                  {"max", &o->has_max, &o->max},
                  {"above", &o->has_above, &o->above},
                  {"below", &o->has_below, &o->below}};
    for (size_t i = 0; i < 4; i++)
        if (strlen(bounds[i].name) == k && strncmp(word, bounds[i].name, k) == 0) {
            if (!space || end == space + 1)
                return bad(r, "a bound without a number:", word, strlen(word));
            *bounds[i].has = true;
            *bounds[i].value = number;
            return RN_OK;
        }
    if (strcmp(word, "required") == 0)
        o->info.required = true;
    else if (strcmp(word, "live") == 0)
        o->info.live = true;
    else if (strcmp(word, "checkpoint") == 0)
        o->info.checkpoint = true;
    else if (space && k == 4 && strncmp(word, "unit", 4) == 0)
        o->info.unit = arena_copy(r->a, space + 1);
    else if (!may_pass) {
        bad(r, "unknown word", word, strlen(word));
        return description_unknown(word, known, sizeof known / sizeof *known, r->e);
    }
    return RN_OK;
}

static size_t type_length(const char *s) {
    size_t n = 0;
    int depth = 0;
    for (; s[n]; n++) {
        if (s[n] == '(')
            depth++;
        if (s[n] == ')')
            depth--;
        if (depth == 0 && s[n] == ' ')
            break;
    }
    return n;
}

/* The bounds in words. */
static const char *range_text(struct arena *a, const struct option *o) {
    const struct {
        bool has;
        const char *words;
        double value;
    } bounds[] = {{o->has_min, "at least", o->min},
                  {o->has_above, "above", o->above},
                  {o->has_max, "at most", o->max},
                  {o->has_below, "below", o->below}};
    const char *out = "";
    for (size_t i = 0; i < 4; i++)
        if (bounds[i].has)
            out = arena_format(a, "%s%s%s %.15g", out, *out ? ", " : "",
                               bounds[i].words, bounds[i].value);
    return out;
}

static int read_option(struct reader *r, const char *text, struct record *into) {
    struct option o = {.info = {.unit = "", .doc = "", .example = ""}};
    const char *bar = strstr(text, " | ");
    size_t n = bar ? (size_t)(bar - text) : strlen(text), k = strcspn(text, " ");
    if (bar)
        o.info.doc = trimmed(r->a, bar + 3, strlen(bar + 3));
    o.info.name = arena_copy_n(r->a, text, k < n ? k : n);
    if (k >= n)
        return bad(r, "an option without a type:", text, n);
    const char *p = text + k + strspn(text + k, " "), *end = text + n;
    size_t length = type_length(p);
    if (p + length > end)
        length = (size_t)(end - p);
    int status = read_type(r, p, length, &o.type, 0);
    if (status != RN_OK)
        return status;
    o.info.type = o.type.text;
    p += length;
    p += strspn(p, " ");
    if (p < end && *p == '=') {
        const char *stop = strstr(p, " ;");
        if (!stop || stop > end)
            stop = end;
        o.info.value = trimmed(r->a, p + 1, (size_t)(stop - p - 1));
        p = stop;
    }
    while (p < end) {
        p += strspn(p, "; ");
        if (p >= end)
            break;
        size_t m = strcspn(p, ";");
        if (p + m > end)
            m = (size_t)(end - p);
        status = read_word(r, p, m, &o);
        if (status != RN_OK)
            return status;
        p += m;
    }
    o.plain = o.info.value ? unquoted(r->a, o.info.value) : NULL;
    if (o.info.value && o.type.kind <= TYPE_CHOICE && o.type.kind != TYPE_ANY) {
        /* A default that its own type refuses would be blamed on every experiment. */
        struct origin from = {.name = "default", .folder = "", .is_default = true};
        struct node value = {.kind = NODE_SCALAR, .origin = &from, .path = ""};
        char message[300];
        value.raw = o.plain;
        if (!scalar_read(r->a, &o.type, &value, message) ||
            !range_check(&o, &value, message))
            return bad(r, "a default that does not fit:", text, n);
    }
    for (uint32_t i = 0; i < into->count; i++)
        if (strcmp(into->options[i].info.name, o.info.name) == 0)
            return bad(r, "an option is described twice:", text, k);
    if (into->count == into->capacity) {
        uint32_t capacity = 2 * into->capacity + 8;
        struct option *grown = arena_array(r->a, struct option, capacity);
        if (into->count)
            memcpy(grown, into->options, into->count * sizeof *grown);
        into->options = grown;
        into->capacity = capacity;
    }
    o.info.range = range_text(r->a, &o);
    into->options[into->count++] = o;
    return RN_OK;
}

#define GROW_LIST(a, type, ptr, count, capacity)                                       \
    do {                                                                               \
        if ((count) == (capacity)) {                                                   \
            uint32_t bigger_ = 2 * (capacity) + 8;                                     \
            type *grown_ = arena_array((a), type, bigger_);                            \
            if (count)                                                                 \
                memcpy(grown_, (ptr), (count) * sizeof(type));                         \
            (ptr) = grown_;                                                            \
            (capacity) = bigger_;                                                      \
        }                                                                              \
    } while (0)

static int read_join(struct reader *r, const char *text, struct schema *s) {
    const char *eq = strchr(text, '=');
    struct join j = {0};
    if (!eq)
        return bad(r, "a union without '=':", text, strlen(text));
    j.name = trimmed(r->a, text, (size_t)(eq - text));
    j.records = arena_array(r->a, const char *, strlen(eq) / 2 + 2);
    for (const char *p = eq + 1; *p;) {
        p += strspn(p, " ");
        size_t k = strcspn(p, " ");
        if (k)
            j.records[j.count++] = arena_copy_n(r->a, p, k);
        p += k;
    }
    GROW_LIST(r->a, struct join, s->joins, s->join_count, s->join_capacity);
    s->joins[s->join_count++] = j;
    return RN_OK;
}

const struct record *schema_record(const struct schema *s, const char *name) {
    for (uint32_t i = 0; i < s->record_count; i++)
        if (strcmp(s->records[i].name, name) == 0)
            return &s->records[i];
    return NULL;
}

const struct join *schema_join(const struct schema *s, const char *name) {
    for (uint32_t i = 0; i < s->join_count; i++)
        if (strcmp(s->joins[i].name, name) == 0)
            return &s->joins[i];
    return NULL;
}

static int check_joins(struct reader *r, struct schema *s) {
    for (uint32_t i = 0; i < s->join_count; i++)
        for (uint32_t k = 0; k < s->joins[i].count; k++) {
            const char *name = s->joins[i].records[k];
            struct record *rec = (struct record *)(uintptr_t)schema_record(s, name);
            if (!rec)
                return bad(r, "a union of what is not a record:", name, strlen(name));
            rec->joined = true;
        }
    return RN_OK;
}

/* Is each record in the type one of the schema's? */
static int check_type(struct reader *r, const struct schema *s, const struct type *t) {
    if (t->kind == TYPE_RECORD && !schema_record(s, t->name) &&
        !schema_join(s, t->name))
        return bad(r, "no type is called", t->name, strlen(t->name));
    int status = t->of ? check_type(r, s, t->of) : RN_OK;
    return status == RN_OK && t->map ? check_type(r, s, t->map) : status;
}

static int check_names(struct reader *r, const struct schema *s,
                       const struct record *rec) {
    int status = RN_OK;
    for (uint32_t i = 0; i < rec->count && status == RN_OK; i++)
        status = check_type(r, s, &rec->options[i].type);
    return status;
}

struct schema *schema_parse(struct arena *a, const char *text, struct rn_error *e) {
    struct schema *s = arena_new(a, struct schema);
    struct reader r = {a, e, 0};
    struct record *open = NULL;
    int status = RN_OK;
    s->top.name = s->top.doc = "";
    for (const char *p = text; *p && status == RN_OK;) {
        size_t n = strcspn(p, "\n");
        const char *line = arena_copy_n(a, p, n);
        p += n + (p[n] == '\n');
        if (description_may_pass(&line))
            n--;
        if (++r.line > MOST_LINES)
            status = bad(&r, "more lines than a description may have", "", 0);
        if (strncmp(line, "option: ", 8) == 0) {
            status = read_option(&r, line + 8, open ? open : &s->top);
        } else if (strncmp(line, "example: ", 9) == 0) {
            struct record *of = open ? open : &s->top;
            if (of->count)
                of->options[of->count - 1].info.example = line + 9;
            else
                status = bad(&r, "an example without an option:", line, n);
        } else if (strncmp(line, "record: ", 8) == 0) {
            if (open)
                status = bad(&r, "a record inside a record:", line, n);
            const char *bar = strstr(line, " | ");
            size_t k = bar ? (size_t)(bar - line) - 8 : n - 8;
            GROW_LIST(a, struct record, s->records, s->record_count,
                      s->record_capacity);
            open = &s->records[s->record_count++];
            *open =
                (struct record){.name = trimmed(a, line + 8, k),
                                .doc = bar ? trimmed(a, bar + 3, strlen(bar + 3)) : ""};
            if (schema_record(s, open->name) != open)
                status = bad(&r, "a record is described twice:", line, n);
        } else if (strncmp(line, "end:", 4) == 0) {
            if (!open)
                status = bad(&r, "an end without a record", "", 0);
            open = NULL;
        } else if (strncmp(line, "union: ", 7) == 0) {
            status = read_join(&r, line + 7, s);
        } else if (strncmp(line, "component: ", 11) == 0) {
            s->component = true;
        }
    }
    if (status == RN_OK && open)
        status = bad(&r, "a record without `end:`:", open->name, strlen(open->name));
    if (status == RN_OK)
        status = check_joins(&r, s);
    if (status == RN_OK)
        status = check_names(&r, s, &s->top);
    for (uint32_t i = 0; i < s->record_count && status == RN_OK; i++)
        status = check_names(&r, s, &s->records[i]);
    return status == RN_OK ? s : NULL;
}

uint32_t schema_count(const struct schema *s) {
    return s->top.count;
}

struct option_info schema_option(const struct schema *s, uint32_t i) {
    return s->top.options[i].info;
}

const struct option_info *schema_find(const struct schema *s, const char *name) {
    for (uint32_t i = 0; i < s->top.count; i++)
        if (strcmp(s->top.options[i].info.name, name) == 0)
            return &s->top.options[i].info;
    return NULL;
}

static const struct option *record_option(const struct record *r, const char *name,
                                          size_t length) {
    for (uint32_t i = 0; r && i < r->count; i++) {
        const char *mine = r->options[i].info.name;
        if (strlen(mine) == length && strncmp(mine, name, length) == 0)
            return &r->options[i];
    }
    return NULL;
}

bool schema_default(const struct schema *s, const char *path, const char **out) {
    const struct record *r = &s->top;
    const struct join *j = NULL; /* that the path has led into, instead of a record */
    for (;;) {
        size_t n = strcspn(path, ".");
        const struct option *o = record_option(j ? NULL : r, path, n);
        for (uint32_t i = 0; j && !o && i < j->count; i++)
            o = record_option(schema_record(s, j->records[i]), path, n);
        if (j && strcmp(path, "type") == 0) {
            *out = j->records[0];
            return true;
        }
        if (!o)
            return false;
        if (!path[n]) {
            *out = o->plain;
            return true;
        }
        if (o->type.kind != TYPE_RECORD)
            return false;
        j = schema_join(s, o->type.name);
        r = j ? NULL : schema_record(s, o->type.name);
        path += n + 1;
    }
}

uint32_t schema_record_count(const struct schema *s) {
    return s->record_count;
}

struct record_info schema_record_at(const struct schema *s, uint32_t i) {
    const struct record *r = &s->records[i];
    return (struct record_info){r->name, r->doc, r->count};
}

struct option_info schema_record_option(const struct schema *s, uint32_t i,
                                        uint32_t k) {
    return s->records[i].options[k].info;
}

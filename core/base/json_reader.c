/* SPDX-License-Identifier: Apache-2.0 */
/* Recursive descent over bounded text. Values wait on one stack until the array or
 * object that has them is closed, and are copied to the arena then. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_reader.h"
#include "base/text.h"

enum { MAX_DEPTH = 256, MAX_NUMBER = 400 /* characters */ };

const struct json_limits json_limits_default = {
    .bytes = 16 << 20, .string = 1 << 20, .values = 1 << 20, .depth = 64};

struct reader {
    const char *name, *begin, *at, *end;
    struct json_limits limits;
    struct arena *a;
    struct rn_error *e;
    struct json *stack; /* values whose array or object is still open */
    uint32_t count, capacity, values, depth;
    struct text string; /* the last one that was read */
    const char *mark;   /* a place whose line and column are known */
    unsigned line, column;
};

/* ------------------------------------------------------------------- places */

/* Moves the mark to p: forward from where it is, else from the start. */
static void mark(struct reader *r, const char *p) {
    if (p < r->mark) {
        r->mark = r->begin;
        r->line = r->column = 1;
    }
    for (; r->mark < p; r->mark++)
        if (*r->mark == '\n') {
            r->line++;
            r->column = 1;
        } else if (((unsigned char)*r->mark & 0xc0u) != 0x80u) {
            r->column++;
        }
}

static int refuse(struct reader *r, const char *at, const char *what) {
    mark(r, at);
    error_set(r->e, RN_E_DATA, "%s", what);
    error_where(r->e, RN_WHERE_FILE, r->name, r->line, r->column);
    return RN_E_DATA;
}

static void skip_space(struct reader *r) {
    while (r->at < r->end &&
           (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

static bool next_is(const struct reader *r, char c) {
    return r->at < r->end && *r->at == c;
}

/* ------------------------------------------------------------------ strings */

/* Four hexadecimal digits, or -1. */
static long code_unit(const struct reader *r, const char *p) {
    long unit = 0;
    if (r->end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef";
        const char *d = p[i] ? strchr(digits, p[i] | (p[i] >= 'A' ? 0x20 : 0)) : NULL;
        if (!d)
            return -1;
        unit = unit << 4 | (d - digits);
    }
    return unit;
}

static void add_utf8(struct text *t, unsigned long c) {
    char s[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char heads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6)
        s[i] = (char)(0x80 | (c & 0x3f));
    s[0] = (char)(heads[n] | c);
    text_add_n(t, s, n);
}

/* \uXXXX, of which two may stand for one character; r->at is behind the `u`. */
static int read_code(struct reader *r, const char *from) {
    long high = code_unit(r, r->at);
    if (high < 0)
        return refuse(r, from, "expected four hexadecimal digits after \\u");
    r->at += 4;
    if (high == 0)
        return refuse(r, from, "the character U+0000 is not supported");
    unsigned long c = (unsigned long)high;
    if (high >= 0xd800 && high < 0xe000) {
        long low = r->end - r->at >= 2 && r->at[0] == '\\' && r->at[1] == 'u'
                       ? code_unit(r, r->at + 2)
                       : -1;
        if (high >= 0xdc00 || low < 0xdc00 || low >= 0xe000)
            return refuse(r, from, "this is half of a pair of surrogates");
        r->at += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + ((unsigned long)low - 0xdc00);
    }
    add_utf8(&r->string, c);
    return RN_OK;
}

static int read_escape(struct reader *r) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *began = r->at++;
    if (next_is(r, 'u')) {
        r->at++;
        return read_code(r, began);
    }
    const char *found = r->at < r->end && *r->at ? strchr(from, *r->at) : NULL;
    if (!found)
        return refuse(r, began, "this is not a valid escape");
    text_add_n(&r->string, &to[found - from], 1);
    r->at++;
    return RN_OK;
}

/* The string at r->at, a quote, into r->string. */
static int read_string(struct reader *r) {
    const char *began = r->at++;
    text_clear(&r->string);
    for (;;) {
        if (r->at == r->end)
            return refuse(r, began, "this string is not closed");
        if (r->string.length > r->limits.string)
            return refuse(r, began, "this string is too long");
        unsigned char c = (unsigned char)*r->at;
        size_t n = text_character(r->at, (size_t)(r->end - r->at));
        if (c == '"')
            break;
        if (c < 0x20)
            return refuse(r, r->at, "a control character in a string must be escaped");
        if (!n)
            return refuse(r, r->at, "this is not valid UTF-8");
        if (c == '\\') {
            int status = read_escape(r);
            if (status != RN_OK)
                return status;
            continue;
        }
        text_add_n(&r->string, r->at, n);
        r->at += n;
    }
    r->at++;
    return RN_OK;
}

/* ------------------------------------------------------------------ numbers */

/* Moves over digits; false: there are none. */
static bool skip_digits(struct reader *r) {
    const char *from = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return r->at > from;
}

/* Moves over a number as the grammar has it. */
static int scan_number(struct reader *r, bool *whole) {
    const char *began = r->at;
    *whole = true;
    r->at += next_is(r, '-');
    const char *first = r->at;
    if (!skip_digits(r))
        return refuse(r, began, "this is not a valid number");
    if (*first == '0' && r->at - first > 1)
        return refuse(r, began, "a number must not begin with 0");
    if (next_is(r, '.')) {
        *whole = false;
        r->at++;
        if (!skip_digits(r))
            return refuse(r, began, "this is not a valid number");
    }
    if (next_is(r, 'e') || next_is(r, 'E')) {
        *whole = false;
        r->at++;
        r->at += next_is(r, '+') || next_is(r, '-');
        if (!skip_digits(r))
            return refuse(r, began, "this is not a valid number");
    }
    return RN_OK;
}

static int read_number(struct reader *r, struct json *v) {
    char digits[MAX_NUMBER + 1];
    const char *began = r->at;
    bool whole;
    int status = scan_number(r, &whole);
    size_t n = (size_t)(r->at - began);
    if (status != RN_OK)
        return status;
    if (n > MAX_NUMBER)
        return refuse(r, began, "this number has too many digits");
    memcpy(digits, began, n);
    digits[n] = '\0';
    if (whole && strcmp(digits, "-0") != 0) {
        errno = 0;
        v->kind = JSON_INTEGER;
        v->u.integer = strtoll(digits, NULL, 10);
        return errno ? refuse(r, began, "this integer does not fit into 64 bits")
                     : RN_OK;
    }
    v->kind = JSON_NUMBER;
    v->u.number = strtod(digits, NULL);
    return isfinite(v->u.number) ? RN_OK : refuse(r, began, "this number is too large");
}

/* ------------------------------------------------------------------- values */

static int by_key(const void *a, const void *b) {
    const struct json *x = *(const struct json *const *)a;
    const struct json *y = *(const struct json *const *)b;
    int k = strcmp(x->key, y->key);
    return k ? k : (x > y) - (x < y);
}

/* The first member whose key an earlier one has; NULL: there is none. */
static const struct json *find_repeated(const struct json *v) {
    const struct json **all = memory_get(memory_mul(v->count + 1, sizeof *all));
    const struct json *found = NULL;
    for (uint32_t i = 0; i < v->count; i++)
        all[i] = &v->items[i];
    qsort(all, v->count, sizeof *all, by_key);
    for (uint32_t i = 1; i < v->count; i++)
        if (strcmp(all[i - 1]->key, all[i]->key) == 0 && (!found || all[i] < found))
            found = all[i];
    memory_release(all);
    return found;
}

/* What is open since `first` on the stack becomes the items of v. */
static int take_items(struct reader *r, uint32_t first, struct json *v) {
    v->count = r->count - first;
    if (v->count) {
        struct json *items = arena_array(r->a, struct json, v->count);
        memcpy(items, r->stack + first, v->count * sizeof *items);
        v->items = items;
    }
    r->count = first;
    const struct json *again = v->kind == JSON_OBJECT ? find_repeated(v) : NULL;
    if (!again)
        return RN_OK;
    error_set(r->e, RN_E_DATA, "the key '%s' occurs twice", again->key);
    error_where(r->e, RN_WHERE_FILE, r->name, again->line, again->column);
    return RN_E_DATA;
}

static int read_value(struct reader *r, bool member);

static int read_items(struct reader *r, struct json *v, char close) {
    uint32_t first = r->count;
    bool object = v->kind == JSON_OBJECT;
    const char *began = r->at++;
    if (r->depth == r->limits.depth)
        return refuse(r, began, "arrays and objects are nested too deeply");
    r->depth++;
    skip_space(r);
    for (bool more = !next_is(r, close); more;) {
        int status = read_value(r, object);
        if (status != RN_OK)
            return status;
        skip_space(r);
        more = next_is(r, ',');
        if (!more && !next_is(r, close))
            return refuse(r, r->at,
                          object ? "expected ',' or '}'" : "expected ',' or ']'");
        r->at += more;
    }
    r->at++;
    r->depth--;
    return take_items(r, first, v);
}

static int read_word(struct reader *r, struct json *v) {
    static const struct {
        const char *word;
        enum json_kind kind;
        bool truth;
    } words[] = {{"null", JSON_NULL, false},
                 {"true", JSON_BOOL, true},
                 {"false", JSON_BOOL, false}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].word);
        if ((size_t)(r->end - r->at) < n || memcmp(r->at, words[i].word, n) != 0)
            continue;
        v->kind = words[i].kind;
        v->u.truth = words[i].truth;
        r->at += n;
        return RN_OK;
    }
    return refuse(r, r->at, "expected a value");
}

/* "key": of the member at r->at. */
static int read_key(struct reader *r, struct json *v) {
    if (!next_is(r, '"'))
        return refuse(r, r->at, "expected a key in quotes");
    int status = read_string(r);
    if (status != RN_OK)
        return status;
    v->key = arena_copy(r->a, text_get(&r->string));
    skip_space(r);
    if (!next_is(r, ':'))
        return refuse(r, r->at, "expected ':' after a key");
    r->at++;
    skip_space(r);
    return RN_OK;
}

/* Onto the stack. */
static int read_value(struct reader *r, bool member) {
    struct json v = {.kind = JSON_NULL};
    int status = RN_OK;
    skip_space(r);
    mark(r, r->at);
    v.line = r->line;
    v.column = r->column;
    if (member && (status = read_key(r, &v)) != RN_OK)
        return status;
    if (r->values++ == r->limits.values)
        return refuse(r, r->at, "there are too many values");
    char c = r->at < r->end ? *r->at : '\0';
    if (c == '{' || c == '[') {
        v.kind = c == '{' ? JSON_OBJECT : JSON_ARRAY;
        status = read_items(r, &v, c == '{' ? '}' : ']');
    } else if (c == '"') {
        v.kind = JSON_STRING;
        if ((status = read_string(r)) == RN_OK)
            v.u.string = arena_copy(r->a, text_get(&r->string));
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        status = read_number(r, &v);
    } else {
        status = read_word(r, &v);
    }
    if (status == RN_OK)
        vec_push(r->stack, r->count, r->capacity, v);
    return status;
}

/* ------------------------------------------------------------------ the text */

static struct json_limits limits_of(const struct json_limits *l) {
    struct json_limits all = json_limits_default;
    if (l && l->bytes)
        all.bytes = l->bytes;
    if (l && l->string)
        all.string = l->string;
    if (l && l->values)
        all.values = l->values;
    if (l && l->depth)
        all.depth = l->depth < MAX_DEPTH ? l->depth : MAX_DEPTH;
    return all;
}

int json_read(const char *name, const char *text, size_t n,
              const struct json_limits *limits, struct arena *a,
              const struct json **out, struct rn_error *e) {
    struct reader r = {.name = name,
                       .begin = text,
                       .at = text,
                       .end = text + n,
                       .limits = limits_of(limits),
                       .a = a,
                       .e = e,
                       .mark = text,
                       .line = 1,
                       .column = 1};
    int status = n > r.limits.bytes ? refuse(&r, text, "the text is too long")
                                    : read_value(&r, false);
    skip_space(&r);
    if (status == RN_OK && r.at < r.end)
        status = refuse(&r, r.at, "expected the end of the text");
    if (status == RN_OK) {
        struct json *top = arena_new(a, struct json);
        *top = r.stack[0];
        *out = top;
    }
    memory_release(r.stack);
    text_finish(&r.string);
    return status;
}

const struct json *json_find(const struct json *object, const char *key) {
    for (uint32_t i = 0; object->kind == JSON_OBJECT && i < object->count; i++)
        if (strcmp(object->items[i].key, key) == 0)
            return &object->items[i];
    return NULL;
}

bool json_as_double(const struct json *v, double *out) {
    if (v->kind != JSON_INTEGER && v->kind != JSON_NUMBER)
        return false;
    *out = v->kind == JSON_INTEGER ? (double)v->u.integer : v->u.number;
    return true;
}

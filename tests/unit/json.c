/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/json_writer and json_reader: forms, escapes and numbers; what is refused,
 * and where; random documents there and back; truncated and changed ones. The texts are
 * read from blocks of exactly their size, for the sanitizers. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "check.h"

/* --------------------------------------------------------------------- helpers */

static int read_block(const char *text, size_t n, const struct json_limits *l,
                      struct arena *a, const struct json **out, struct rn_error *e) {
    char *block = malloc(n ? n : 1);
    memcpy(block, text, n);
    memset(e, 0, sizeof *e);
    int status = json_read("t", block, n, l, a, out, e);
    free(block);
    return status;
}

static void write_tree(struct json_writer *w, const struct json *v) {
    switch (v->kind) {
    case JSON_NULL:
        json_null(w, v->key);
        return;
    case JSON_BOOL:
        json_bool(w, v->key, v->u.truth);
        return;
    case JSON_INTEGER:
        json_int(w, v->key, v->u.integer);
        return;
    case JSON_NUMBER:
        json_number(w, v->key, v->u.number);
        return;
    case JSON_STRING:
        json_string(w, v->key, v->u.string);
        return;
    case JSON_ARRAY:
        json_array(w, v->key);
        break;
    case JSON_OBJECT:
        json_object(w, v->key);
        break;
    }
    for (uint32_t i = 0; i < v->count; i++)
        write_tree(w, &v->items[i]);
    json_close(w);
}

static void write_whole(const struct json *v, struct text *out) {
    struct json_writer w;
    json_begin(&w, out);
    write_tree(&w, v);
    json_end(&w);
}

/* --------------------------------------------------------------------- writer */

static void test_writer(void) {
    struct text t = {0};
    struct json_writer w;
    json_begin(&w, &t);
    json_object(&w, NULL);
    json_array(&w, "a");
    json_int(&w, NULL, -3);
    json_uint(&w, NULL, UINT64_MAX);
    json_close(&w);
    json_object(&w, "empty");
    json_close(&w);
    json_string(&w, "s", "q\" \\ \n\x7f \xc2\x85 \xff \xc3\xa9");
    json_string(&w, "none", NULL);
    json_bool(&w, "yes", true);
    json_raw(&w, "raw", "[1]");
    json_close(&w);
    json_end(&w);
    CHECK_TEXT(text_get(&t),
               "{\"a\": [-3, 18446744073709551615], \"empty\": {}, \"s\": \"q\\\" \\\\ "
               "\\u000a\\u007f \\u0085 \\ufffd \xc3\xa9\", \"none\": null, \"yes\": "
               "true, \"raw\": [1]}");
    text_clear(&t);
    json_begin(&w, &t);
    json_array_lines(&w, NULL);
    json_object(&w, NULL);
    json_null(&w, "x");
    json_close(&w);
    json_int(&w, NULL, 2);
    json_array_lines(&w, NULL);
    json_close(&w);
    json_close(&w);
    json_end(&w);
    CHECK_TEXT(text_get(&t), "[\n  {\"x\": null},\n  2,\n  []\n]");
    text_finish(&t);
}

static void test_numbers(void) {
    static const double all[] = {0.0,     -0.0,    0.1,     1e-3,   1.0 / 3.0,
                                 1e23,    DBL_MAX, DBL_MIN, 5e-324, 9007199254740993.0,
                                 -1.5e300};
    struct text t = {0};
    struct json_writer w;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        text_clear(&t);
        json_begin(&w, &t);
        json_number(&w, NULL, all[i]);
        double back = strtod(text_get(&t), NULL);
        CHECK(back == all[i] && signbit(back) == signbit(all[i]));
    }
    static const double none[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        text_clear(&t);
        json_begin(&w, &t);
        json_number(&w, NULL, none[i]);
        CHECK_TEXT(text_get(&t), "null");
    }
    text_clear(&t);
    json_begin(&w, &t);
    json_number(&w, NULL, 0.1);
    CHECK_TEXT(text_get(&t), "0.1");
    text_finish(&t);
}

/* --------------------------------------------------------------------- reader */

static void test_values(void) {
    static const char text[] =
        " {\"a\": [1, -2.5e1, \"\\u00e9\\ud83d\\ude00\\n\", true, null],\n"
        "  \"big\": 9223372036854775807, \"minus\": -0, \"o\": {}}\n";
    struct arena *a = arena_create();
    const struct json *v = NULL;
    struct rn_error e;
    double x = 0.0;
    CHECK(read_block(text, sizeof text - 1, NULL, a, &v, &e) == RN_OK);
    const struct json *list = json_find(v, "a"), *big = json_find(v, "big");
    CHECK(v->count == 4 && list && list->kind == JSON_ARRAY && list->count == 5);
    CHECK(list->items[0].kind == JSON_INTEGER && list->items[0].u.integer == 1);
    CHECK(json_as_double(&list->items[1], &x) && x == -25.0);
    CHECK_TEXT(list->items[2].u.string, "\xc3\xa9\xf0\x9f\x98\x80\n");
    CHECK(list->items[3].u.truth && list->items[4].kind == JSON_NULL);
    CHECK(big && big->u.integer == INT64_MAX && big->line == 2 && big->column == 3);
    CHECK(json_as_double(json_find(v, "minus"), &x) && x == 0.0 && signbit(x));
    CHECK(!json_find(v, "b") && !json_find(list, "a"));
    CHECK(!json_as_double(list, &x));
    arena_destroy(a);
}

struct refused {
    const char *text, *message;
    unsigned line, column;
};

static void test_refused(void) {
    static const struct refused all[] = {
        {"", "expected a value", 1, 1},
        {"  \n ", "expected a value", 2, 2},
        {"nul", "expected a value", 1, 1},
        {"NaN", "expected a value", 1, 1},
        {"-Infinity", "this is not a valid number", 1, 1},
        {"[1,]", "expected a value", 1, 4},
        {"[1 2]", "expected ',' or ']'", 1, 4},
        {"[1}", "expected ',' or ']'", 1, 3},
        {"[1] 2", "expected the end of the text", 1, 5},
        {"{\"a\": 1,}", "expected a key in quotes", 1, 9},
        {"{a: 1}", "expected a key in quotes", 1, 2},
        {"{\"a\" 1}", "expected ':' after a key", 1, 6},
        {"{\"a\":\n1, \"b\": 2, \"a\": 3}", "the key 'a' occurs twice", 2, 12},
        {"{\"a\": 1, \"\\u0061\": 3}", "the key 'a' occurs twice", 1, 10},
        {"// x\n1", "expected a value", 1, 1},
        {"01", "a number must not begin with 0", 1, 1},
        {"-", "this is not a valid number", 1, 1},
        {"1.", "this is not a valid number", 1, 1},
        {".5", "expected a value", 1, 1},
        {"1e", "this is not a valid number", 1, 1},
        {"+1", "expected a value", 1, 1},
        {"0x10", "expected the end of the text", 1, 2},
        {"9223372036854775808", "this integer does not fit into 64 bits", 1, 1},
        {"1e999", "this number is too large", 1, 1},
        {"\"ab", "this string is not closed", 1, 1},
        {"\"\xc3\xa9\xff\"", "this is not valid UTF-8", 1, 3},
        {"\"\xed\xa0\x80\"", "this is not valid UTF-8", 1, 2},
        {"\"\t\"", "a control character in a string must be escaped", 1, 2},
        {"\"\\x\"", "this is not a valid escape", 1, 2},
        {"\"\\u12\"", "expected four hexadecimal digits after \\u", 1, 2},
        {"\"\\ud800\"", "this is half of a pair of surrogates", 1, 2},
        {"\"\\udc00\\ud800\"", "this is half of a pair of surrogates", 1, 2},
        {"\"\\u0000\"", "the character U+0000 is not supported", 1, 2},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct arena *a = arena_create();
        const struct json *v;
        struct rn_error e;
        CHECK(read_block(all[i].text, strlen(all[i].text), NULL, a, &v, &e) ==
              RN_E_DATA);
        CHECK_TEXT(e.message, all[i].message);
        CHECK_TEXT(e.where, "t");
        CHECK(e.line == all[i].line && e.column == all[i].column);
        arena_destroy(a);
    }
}

static void test_limits(void) {
    static const struct {
        const char *text;
        struct json_limits at, below;
    } all[] = {{"[1, 2]", {.bytes = 6}, {.bytes = 5}},
               {"[1, 2]", {.values = 3}, {.values = 2}},
               {"[[[0]]]", {.depth = 3}, {.depth = 2}},
               {"\"abcd\"", {.string = 4}, {.string = 3}},
               {"{\"abcd\": 1}", {.string = 4}, {.string = 3}}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct arena *a = arena_create();
        const struct json *v;
        struct rn_error e;
        size_t n = strlen(all[i].text);
        CHECK(read_block(all[i].text, n, &all[i].at, a, &v, &e) == RN_OK);
        CHECK(read_block(all[i].text, n, &all[i].below, a, &v, &e) == RN_E_DATA);
        arena_destroy(a);
    }
    /* Deep text costs no stack. */
    char *deep = malloc(1 << 20);
    memset(deep, '[', 1 << 20);
    struct arena *a = arena_create();
    const struct json *v;
    struct rn_error e;
    const struct json_limits most = {.depth = UINT32_MAX};
    CHECK(read_block(deep, 1 << 20, &most, a, &v, &e) == RN_E_DATA && e.column == 257);
    arena_destroy(a);
    free(deep);
}

/* ---------------------------------------------------------------------- random */

static uint64_t seed = 20260707;
static bool lines; /* some elements begin on lines of their own */

static uint64_t draw(uint64_t below) {
    seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = seed;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % below;
}

static void draw_string(char out[40]) {
    static const char *const pieces[] = {"a",
                                         "\"",
                                         "\\",
                                         "\n",
                                         "/",
                                         "\xc3\xa9",
                                         "\xe2\x82\xac",
                                         "\x01",
                                         " ",
                                         "{",
                                         "\xf0\x9f\x98\x80"};
    out[0] = '\0';
    for (uint64_t n = draw(8); n > 0; n--)
        strcat(out, pieces[draw(sizeof pieces / sizeof *pieces)]);
}

static double draw_number(void) {
    union {
        uint64_t bits;
        double value;
    } u;
    do
        u.bits = draw(UINT64_MAX);
    while (!isfinite(u.value));
    return u.value;
}

static void draw_value(struct json_writer *w, const char *key, int depth) {
    char s[40], name[48];
    switch (draw(depth < 5 ? 8 : 6)) {
    case 0:
        json_null(w, key);
        return;
    case 1:
        json_bool(w, key, draw(2));
        return;
    case 2:
        json_int(w, key, (int64_t)(draw(UINT64_MAX) - (UINT64_MAX >> 1)));
        return;
    case 3:
        json_number(w, key, draw_number());
        return;
    case 4:
    case 5:
        draw_string(s);
        json_string(w, key, s);
        return;
    case 6:
        (lines && draw(2) ? json_array_lines : json_array)(w, key);
        for (uint64_t n = draw(6); n > 0; n--)
            draw_value(w, NULL, depth + 1);
        break;
    default:
        (lines && draw(2) ? json_object_lines : json_object)(w, key);
        for (uint64_t n = draw(6); n > 0; n--) {
            draw_string(s);
            snprintf(name, sizeof name, "%d%s", (int)n, s); /* none twice */
            draw_value(w, name, depth + 1);
        }
    }
    json_close(w);
}

/* Read and written twice: the same text each time, and where it was `written` by the
 * writer on one line, that text. */
static bool round_trip(const char *text, size_t n, bool written) {
    struct arena *a = arena_create();
    struct text one = {0}, two = {0};
    const struct json *v, *again;
    struct rn_error e;
    bool good = read_block(text, n, NULL, a, &v, &e) == RN_OK;
    if (good) {
        write_whole(v, &one);
        good = read_block(text_get(&one), one.length, NULL, a, &again, &e) == RN_OK;
    }
    if (good) {
        write_whole(again, &two);
        good = strcmp(text_get(&one), text_get(&two)) == 0 &&
               (!written || strcmp(text_get(&one), text) == 0);
    }
    text_finish(&one);
    text_finish(&two);
    arena_destroy(a);
    return good;
}

/* An error with a place, or a document: nothing else comes of any bytes. */
static bool survives(const char *text, size_t n, bool *refused) {
    struct arena *a = arena_create();
    const struct json *v;
    struct rn_error e;
    bool good = read_block(text, n, NULL, a, &v, &e) == RN_OK;
    *refused = !good;
    if (!good)
        good = e.status == RN_E_DATA && e.message[0] && e.line > 0 && e.column > 0;
    else
        good = round_trip(text, n, false);
    arena_destroy(a);
    return good;
}

static void test_random(void) {
    unsigned refused = 0, kept = 0, cut = 0;
    bool no;
    for (int i = 0; i < 400; i++) {
        struct text t = {0};
        struct json_writer w;
        lines = i % 2;
        json_begin(&w, &t);
        json_object(&w, NULL);
        for (int k = 0; k < 4; k++) {
            char key[12];
            snprintf(key, sizeof key, "%d", k);
            draw_value(&w, key, 0);
        }
        json_close(&w);
        json_end(&w);
        CHECK(round_trip(t.s, t.length, !lines));
        for (size_t n = 0; n < t.length; n += 1 + draw(7)) { /* its end is missing */
            CHECK(survives(t.s, n, &no) && no);
            cut++;
        }
        for (int k = 0; k < 40; k++) { /* bytes are other ones */
            char *copy = malloc(t.length);
            memcpy(copy, t.s, t.length);
            for (uint64_t n = 1 + draw(3); n > 0; n--)
                copy[draw(t.length)] =
                    draw(2) ? (char)draw(256) : "{}[]\",:\\u0e-."[draw(13)];
            CHECK(survives(copy, t.length, &no));
            refused += no;
            kept += !no;
            free(copy);
        }
        text_finish(&t);
    }
    CHECK(cut > 5000 && refused > 5000 && kept > 500);
}

int main(void) {
    test_writer();
    test_numbers();
    test_values();
    test_refused();
    test_limits();
    test_random();
    return check_done();
}

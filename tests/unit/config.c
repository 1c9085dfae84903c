/* SPDX-License-Identifier: Apache-2.0 */
/* core/config: nodes and their places, extends, overrides, interpolation, schemas, the
 * text of every kind of error, and hostile input within its time. */
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "config/config.h"
#include "experiment/sections.h"

static const char *const host_keys[] = {"type", "in", "loss.match", "loss.weight",
                                        NULL};

static const char *const experiment_text =
    "record: inner | a group\n"
    "option: size int = 3 ; min 1 ; max 9 | how many\n"
    "option: file path | a file\n"
    "option: deep list(list(int)) | two levels\n"
    "end:\n"
    "record: round | a shape\n"
    "option: radius float ; required ; above 0 | half of it\n"
    "end:\n"
    "record: square | another\n"
    "option: side float = 2 ; below 10 | its side\n"
    "end:\n"
    "union: shape = round square\n"
    "option: name string = run | its name\n"
    "option: flag bool = false | yes or no\n"
    "option: rate float = 1e-3 ; min 0 ; live | a live one\n"
    "option: count int | no default\n"
    "option: every duration = 1ep | how often\n"
    "option: mode choice(fast,slow,medium) = fast | speed\n"
    "option: inner inner | a group\n"
    "option: shape shape | a union\n"
    "option: words list(string) | some\n"
    "option: files map(path) | named\n"
    "option: anything any | free\n"
    "option: loss components(loss) | losses\n"
    "option: model component(model) | one\n";

static const char *const mse_text =
    "abi: 0 9\n"
    "component: loss acme/mse 1\n"
    "version: 1.0\n"
    "in: x f32 [N,...] | values\n"
    "out: loss f32 [N]\n"
    "option: gamma float = 2 ; min 0 ; unit m | a factor\n";

struct world {
    struct arena *a;
    struct schema *experiment, *mse;
    struct schema_resolver resolver;
};

static const struct schema *resolve(void *context, const char *kind, const char *type,
                                    const struct node *at, struct diag *d) {
    const struct world *w = context;
    if (strcmp(type, "mse") == 0 || strcmp(type, "cpu") == 0)
        return w->mse;
    const struct node *n = node_find(at, "type");
    node_error(d, n, false, RN_E_PLUGIN, "there is no %s '%s'", kind, type);
    diag_hint(d, "did you mean 'mse'?");
    return NULL;
}

static struct world world_create(void) {
    struct world w = {.a = arena_create()};
    struct rn_error e = {0};
    w.experiment = schema_parse(w.a, experiment_text, &e);
    CHECK_TEXT(e.message, "");
    w.mse = schema_parse(w.a, mse_text, &e);
    CHECK_TEXT(e.message, "");
    return w;
}

/* Load and check; NULL after errors, whose print is in `out`. */
static struct config *load(struct world *w, const char *yaml, struct text *out) {
    struct diag *d = diag_create();
    struct schema_resolver r = {resolve, w, NULL};
    struct config *c = config_from_text("a.yaml", yaml, d);
    if (c)
        schema_check(c, config_root(c), w->experiment, host_keys, &r, d);
    if (diag_count(d)) {
        CHECK(diag_status(d) != RN_OK);
        if (out)
            diag_print(d, out, false);
        config_destroy(c);
        c = NULL;
    }
    diag_destroy(d);
    return c;
}

static const struct node *at(const struct config *c, const char *path) {
    return node_at(config_root(c), path);
}

/* ------------------------------------------------------------------- values */

static void test_values(struct world *w) {
    struct text errors = {0};
    const char *yaml = "name: yes\n"
                       "flag: yes\n"
                       "rate: 1e-3\n"
                       "count: 12\n"
                       "inner: {file: d/x.csv, deep: [[1, 2], [], [3]]}\n"
                       "shape: {type: round, radius: 2}\n"
                       "words: one\n"
                       "files: {a: /b}\n"
                       "loss: {hard: {type: mse, weight: 0.5}, soft: mse}\n"
                       "model: {type: mse, in: {x: data.x}, gamma: 1}\n"
                       "x-free: {whatever: [1]}\n";
    struct config *c = load(w, yaml, &errors);
    CHECK_TEXT(text_get(&errors), "");
    if (!c)
        return;
    CHECK_TEXT(node_string(at(c, "name")), "yes");
    CHECK(node_bool(at(c, "flag")));
    CHECK(node_float(at(c, "rate")) == 1e-3);
    CHECK(node_int(at(c, "count")) == 12 && node_float(at(c, "count")) == 12.0);
    CHECK(node_float(at(c, "shape.radius")) == 2.0 &&
          node_int(at(c, "shape.radius")) == 2);
    CHECK(node_int(at(c, "inner.size")) == 3);
    CHECK(node_int(at(c, "inner.deep.2.0")) == 3 &&
          node_count(at(c, "inner.deep.1")) == 0);
    CHECK_TEXT(node_path(at(c, "inner.deep.2.0")), "inner.deep.2.0");
    CHECK(at(c, "inner.deep.3") == NULL && at(c, "inner.deep.x") == NULL);
    CHECK_TEXT(node_string(at(c, "every")), "1ep");
    CHECK_TEXT(node_string(at(c, "mode")), "fast");
    CHECK(at(c, "anything") == NULL && at(c, "x-free") == NULL);
    CHECK(node_kind(at(c, "words")) == NODE_LIST);
    CHECK_TEXT(node_string(at(c, "words.0")), "one");
    CHECK_TEXT(node_string(at(c, "files.a")), "/b");
    CHECK_TEXT(node_key(at(c, "files"), 0), "a");
    CHECK_TEXT(node_raw(at(c, "rate")), "1e-3");

    const char *name;
    const struct node *loss = at(c, "loss");
    CHECK(node_components(loss) == 2);
    CHECK(node_float(node_find(node_component(loss, 0, &name), "weight")) == 0.5);
    CHECK_TEXT(name, "hard");
    CHECK_TEXT(node_string(node_find(node_component(loss, 1, &name), "type")), "mse");
    CHECK_TEXT(name, "soft");
    CHECK_TEXT(node_path(node_find(node_component(loss, 1, &name), "gamma")),
               "loss.soft.gamma");
    CHECK(node_components(at(c, "model")) == 1);
    CHECK(node_component(at(c, "model"), 0, &name) == at(c, "model"));
    CHECK_TEXT(name, "");
    config_destroy(c);

    c = load(w, "loss: [mse, {type: mse, gamma: 4}]\n", NULL);
    CHECK(c && node_components(at(c, "loss")) == 2);
    if (c) {
        CHECK(node_float(node_find(node_component(at(c, "loss"), 1, &name), "gamma")) ==
              4);
        CHECK_TEXT(name, "1");
        CHECK_TEXT(node_path(at(c, "loss.0.type")), "loss.0.type");
    }
    config_destroy(c);

    /* Empty is absent; quoted empty is a string. */
    c = load(w, "count:\nrate: ~\nname: \"\"\nmode: null\n", NULL);
    CHECK(c && !at(c, "count") && node_float(at(c, "rate")) == 1e-3);
    CHECK(c && strcmp(node_string(at(c, "name")), "") == 0);
    config_destroy(c);
    c = load(w, "", NULL);
    CHECK(c && node_int(at(c, "count") ? at(c, "count") : at(c, "rate")) == 0);
    CHECK(c && node_float(at(c, "rate")) == 1e-3);
    config_destroy(c);
}

static void test_anchors(struct world *w) {
    struct config *c = load(w,
                            "x-base: &base {size: 4, deep: [[1]]}\n"
                            "inner: {<<: *base, size: 5}\n"
                            "anything: [*base, {\"<<\": 3}]\n",
                            NULL);
    CHECK(c != NULL);
    if (!c)
        return;
    CHECK(node_int(at(c, "inner.size")) == 5 && node_int(at(c, "inner.deep.0.0")) == 1);
    CHECK_TEXT(node_raw(at(c, "anything.0.size")), "4");
    CHECK_TEXT(node_raw(at(c, "anything.1.<<")), "3");
    config_destroy(c);
}

static void test_print(struct world *w) {
    struct text first = {0}, again = {0}, blame = {0};
    struct config *c = load(
        w,
        "name: \"no\"\n"
        "anything: {a: [[1, {b: 'x: y'}], []], e: {}, \"k k\": \"\\t\\u0085$${z}\"}\n"
        "loss: mse\n",
        NULL);
    CHECK(c != NULL);
    if (!c)
        return;
    config_print(c, false, &first);
    config_print(c, true, &blame);
    config_destroy(c);
    CHECK(strstr(text_get(&first), "loss:\n  type: mse\n  gamma: 2\n"));
    CHECK(strstr(text_get(&first), "name: \"no\"\n"));
    CHECK(strstr(text_get(&blame), "gamma: 2  # default\n"));
    CHECK(strstr(text_get(&blame), "type: mse  # a.yaml:3:7\n"));
    c = load(w, text_get(&first), NULL);
    CHECK(c != NULL);
    if (c) {
        config_print(c, false, &again);
        CHECK_TEXT(node_raw(at(c, "anything.k k")), "\t\xc2\x85${z}");
    }
    CHECK_TEXT(text_get(&again), text_get(&first));
    config_destroy(c);
    text_finish(&first);
    text_finish(&again);
    text_finish(&blame);
}

/* ------------------------------------------------------------------- errors */

/* One YAML, and what its errors must say, as far as it goes. */
struct bad {
    const char *yaml, *want;
};

static void test_bad(struct world *w) {
    static const struct bad all[] = {
        /* not YAML, and not an experiment */
        {"a: [1\nb: 2\n", "a.yaml:2:2: error: this is not valid YAML"},
        {"words: [${mode}]\n", "  inside { } and [ ] a reference needs quotes"},
        {"name: a\nwords: [a\n", "a.yaml:2:8: error: this is not valid YAML"},
        {"count: 1\n...\n---\ncount: 2\n", "a.yaml:3:1: error: a second document"},
        {"- 1\n", "a.yaml:1:1: error: expected a map"},
        {"7\n", "a.yaml:1:1: error: expected a map"},
        {"{[a]: 1}\n", "a.yaml:1:2: error: a key must be a word"},
        {"count: *none\n", "a.yaml:1:8: error: there is no anchor of this name above"},
        {"anything: &a [*a]\n",
         "a.yaml:1:15: error: this alias is inside what it stands"},
        {"count: !!int 3\n", "a.yaml:1:8: error: a tag"},
        {"anything: !mine {a: 1}\n", "a.yaml:1:11: error: a tag"},
        {"inner: {<<: 3}\n", "a.yaml:1:9: error: << expects a map"},
        {"inner:\n  <<: {size: 1}\n  <<: {size: 2}\n",
         "a.yaml:3:3: error: '<<' is given twice; the first is in line 2"},
        {"count: \x01\n",
         "a.yaml:1:8: error: this is not valid YAML: control characters"},
        {"name: a\ncount: \xff\n", "a.yaml:2:8: error: this is not valid YAML"},
        {"name: \"a\\0b\"\n", "a.yaml:1:7: error: a value with a NUL character"},
        /* keys */
        {"count: 1\nrate: 2\ncount: 3\n",
         "a.yaml:3:1: error: 'count' is given twice; the first is in line 1\n"
         "    3 | count: 3\n"
         "      | ^\n"},
        {"rte: 1\n", "a.yaml:1:1: error: unknown key 'rte'\n"
                     "    1 | rte: 1\n"
                     "      | ^\n"
                     "  did you mean 'rate'? allowed here: name, flag, rate, count"},
        {"inner: {zzzzzzz: 1}\n", "a.yaml:1:9: error: unknown key 'zzzzzzz'\n"
                                  "    1 | inner: {zzzzzzz: 1}\n"
                                  "      |         ^\n"
                                  "  allowed here: size, file, deep\n"},
        {"type: mse\n", "a.yaml:1:1: error: unknown key 'type'"},
        {"weight: 1\n", "a.yaml:1:1: error: unknown key 'weight'"},
        {"inner: {name: 1}\n", "error: unknown key 'name'"},
        {"shape: {type: square, weight: 1}\n", "error: unknown key 'weight'"},
        {"loss: {type: mse, gama: 1}\n", "did you mean 'gamma'?"},
        {"loss: {type: mse, wieght: 1}\n", "did you mean 'weight'?"},
        /* types */
        {"count: 1.5\n", "a.yaml:1:8: error: count: '1.5' is not an integer"},
        {"count: 12345678901234567890\n", "is not an integer"},
        {"count: 0x10\n", "'0x10' is not an integer"},
        {"rate: fast\n", "a.yaml:1:7: error: rate: 'fast' is not a number"},
        {"rate: 0x1p3\n", "is not a number"},
        {"rate: 1e999\n", "is not a number"},
        {"rate: nan\n", "'nan' is not a number"},
        {"flag: 1\n", "flag: '1' is not true or false"},
        {"every: 3\n", "every: '3' is not a duration: 500st, 10ep, 20%, 90s, 2h"},
        {"every: -1ep\n", "is not a duration"},
        {"every: 0x1p3st\n", "is not a duration"},
        {"mode: fats\n",
         "mode: 'fats' is not one of fast, slow, medium; did you mean 'fast'?"},
        {"count: [1]\n",
         "a.yaml:1:8: error: count expects a single value (int), not a list"},
        {"count: {a: 1}\n", "count expects a single value (int), not a map"},
        {"inner: 3\n", "inner must be a map"},
        {"files: [a]\n", "files must be a map"},
        {"files: {a: \"\"}\n", "files: the path is empty"},
        {"words: {a: b}\n", "words must be a list"},
        {"inner: {deep: 3}\n", "deep must be a list"},
        {"inner: {deep: [[x]]}\n", "a.yaml:1:17: error: deep: 'x' is not an integer"},
        /* bounds */
        {"rate: -1\n", "a.yaml:1:7: error: rate is -1: it must be at least 0"},
        {"inner: {size: 10}\n", "size is 10: it must be at most 9"},
        {"shape: {type: round, radius: 0}\n", "radius is 0: it must be above 0"},
        {"shape: {type: square, side: 10}\n", "side is 10: it must be below 10"},
        /* required, unions, components */
        {"shape: {type: round}\n", "a.yaml:1:8: error: 'radius' is missing\n"
                                   "    1 | shape: {type: round}\n"
                                   "      |        ^\n"
                                   "  radius (float): half of it\n"},
        {"shape: {type: round, radius: }\n", "'radius' has no value"},
        {"shape: {radius: 1}\n", "`type:` is missing: which shape?"},
        {"shape: {type: squar}\n",
         "a.yaml:1:15: error: 'squar' is not a valid shape\n"
         "    1 | shape: {type: squar}\n"
         "      |               ^\n"
         "  did you mean 'square'? there are: round, square\n"},
        {"shape: round\n", "`type:` is missing"},
        {"loss: mes\n", "a.yaml:1:7: error: there is no loss 'mes'\n"
                        "    1 | loss: mes\n"
                        "      |       ^\n"
                        "  did you mean 'mse'?\n"},
        {"loss: {gamma: 3}\n", "is `type:` missing beside 'gamma'?"},
        {"loss: {}\n", "which loss? `type:` is missing"},
        {"loss: [[mse]]\n", "expected a component of kind loss"},
        {"model: {gamma: 3}\n", "which model? `type:` is missing"},
        {"model: [mse]\n", "expected a component of kind model"},
        {"model: {type: [mse]}\n", "which model? `type:` is missing"},
        {"loss: {type: mse, weight: heavy}\n",
         "a.yaml:1:27: error: weight: 'heavy' is not a number"},
        {"loss: {type: mse, weight: [1]}\n", "weight must be a number"},
        {"model: {type: mse, weight: 1}\n",
         "unknown key 'weight'\n"
         "    1 | model: {type: mse, weight: 1}\n"
         "      |                    ^\n"
         "  it is a key of a loss; allowed here: gamma, in\n"},
        {"loss: {type: mse, match: [a]}\n", "a.yaml:1:26: error: expected a name"},
        {"loss: {type: mse, match: {}}\n",
         "the pattern is empty: give role, rank or name"},
        {"loss: {type: mse, match: {rol: a}}\n",
         "a.yaml:1:27: error: a pattern has no 'rol'\n"
         "    1 | loss: {type: mse, match: {rol: a}}\n"
         "      |                           ^\n"
         "  did you mean 'role'? a pattern has: role, rank, name\n"},
        {"loss: {type: mse, match: {rank: two}}\n", "rank: 'two' is not an integer"},
        {"loss: {type: mse, match: {rank: [2]}}\n", "expected a name"},
        {"loss: {type: mse, in: {x: [a]}}\n", "a.yaml:1:27: error: expected a name"},
        {"model: {type: mse, in: {x: [a, [b]]}}\n", "expected a name"},
        {"model: {type: mse, in: {x: []}}\n", "expected a name, or a list of names"},
        /* more than one thing at a time */
        {"count: 1\ncount: x\nrate: y\n",
         "a.yaml:3:7: error: rate: 'y' is not a number"},
        {"name: ${nmae}\nrate: y\n", "a.yaml:2:7: error: rate: 'y' is not a number"},
        {"rate: ${innr.size}\ninner: {size: 2}\n", "did you mean '${inner.size}'?"},
        {"rate: ${inner.sise}\ninner: {size: 2}\n", "did you mean '${inner.size}'?"},
        {"a:\n\tb: 1\n", "indent lines with spaces, not with tabs"},
        {"words: [a,\n  b\nname: c\n", "  it begins in line 1\n"},
        /* references */
        {"count: ${nothing}\n",
         "a.yaml:1:8: error: '${nothing}' does not name a value"},
        {"name: ${}\n", "'${}' does not name a value"},
        {"count: ${inner}\ninner: {size: 1}\n",
         "'${inner}' is a list or a map, not a single value"},
        {"name: ${mode}\nmode: ${name}\n", "refers to itself"},
        {"name: ${name}\n", "refers to itself"},
        {"name: ${count\n", "'${' has no '}'"},
        {"name: ${a${b}}\n", "a ${} inside another ${}"},
        {"name: ${env:RUNNER_NO_SUCH}\n",
         "the environment variable 'RUNNER_NO_SUCH' is not set\n"
         "    1 | name: ${env:RUNNER_NO_SUCH}\n"
         "      |       ^\n"
         "  set it, or give a default: ${env:RUNNER_NO_SUCH:-...}\n"},
        {"name: ${env:}\n", "does not name a variable"},
        {"name: ${env::-x}\n", "does not name a variable"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct text out = {0};
        struct config *c = load(w, all[i].yaml, &out);
        CHECK(c == NULL);
        if (!strstr(text_get(&out), all[i].want))
            CHECK_TEXT(text_get(&out), all[i].want);
        else
            CHECK(true);
        config_destroy(c);
        text_finish(&out);
    }
}

/* Everything at once, positions in characters, the caret under tabs, a part of a long
 * line, nothing that a terminal would obey. */
static void test_diag(struct world *w) {
    struct text out = {0};
    /* ... in the order of the lines, whatever the order of the checks. */
    load(w, "foo: 1\nloss: z\nrate: ${no}\ncount: x\n", &out);
    const char *p = text_get(&out);
    static const char *const order[] = {"a.yaml:1:1", "a.yaml:2:7", "a.yaml:3:7",
                                        "a.yaml:4:8"};
    for (int i = 0; i < 4; i++) {
        p = p ? strstr(p, order[i]) : NULL;
        CHECK(p != NULL);
    }
    text_finish(&out);

    load(w, "{name: \"\xc3\xa4\xc3\xa4\", count: \xc3\xa4}\n", &out);
    CHECK_TEXT(text_get(&out),
               "a.yaml:1:21: error: count: '\xc3\xa4' is not an integer\n"
               "    1 | {name: \"\xc3\xa4\xc3\xa4\", count: \xc3\xa4}\n"
               "      |                     ^\n");
    text_finish(&out);

    load(w, "inner:\r\n  size: x\r\n", &out);
    CHECK_TEXT(text_get(&out), "a.yaml:2:9: error: size: 'x' is not an integer\n"
                               "    2 |   size: x\n"
                               "      |         ^\n");
    text_finish(&out);

    char wide[700];
    snprintf(wide, sizeof wide, "{name: %0300d, count: x, mode: %0300d}\n", 0, 0);
    load(w, wide, &out);
    const char *line = strstr(text_get(&out), "    1 | "),
               *caret = strstr(text_get(&out), "^");
    CHECK(line && caret);
    if (line && caret) {
        const char *begin = strchr(line, '\n') + 1;
        CHECK(line[8] == '.' && line[caret - begin] == 'x');
        CHECK(begin - line < 200);
    }
    text_finish(&out);

    load(w, "count: \"\\e[31m\\r\\x9b\"\n", &out);
    CHECK(!strchr(text_get(&out), '\033') && !strchr(text_get(&out), '\r') &&
          !strstr(text_get(&out), "\xc2\x9b"));
    text_finish(&out);

    struct diag *d = diag_create();
    struct rn_error e;
    error_set(&e, RN_E_DATA, "a \"b\" \\ \n \x01 \xff \xc3\xa4");
    error_hint(&e, "one\ntwo");
    error_where(&e, RN_WHERE_FILE, "f.csv", 3, 4);
    diag_add(d, &e);
    CHECK(diag_status(d) == RN_E_DATA && diag_count(d) == 1);
    diag_json(d, &out);
    CHECK_TEXT(
        text_get(&out),
        "{\"errors\": [{\"status\": -3, \"line\": 3, \"column\": 4, \"file\": "
        "\"f.csv\", \"path\": \"\", \"message\": \"a \\\"b\\\" \\\\ \\u000a \\u0001 "
        "\\ufffd \xc3\xa4\", \"hint\": \"one\\u000atwo\"}], \"more\": 0}");
    text_finish(&out);
    diag_print(d, &out, true);
    CHECK_TEXT(text_get(&out),
               "\033[1mf.csv:3:4:\033[0m \033[1;31merror:\033[0m a \"b\" \\ ? ? "
               "? \xc3\xa4\n  one\n  two\n");
    text_finish(&out);
    for (int i = 0; i < 300; i++)
        diag_add(d, &e);
    diag_hint(d, "lost");
    diag_print(d, &out, false);
    CHECK(diag_count(d) == 301);
    CHECK(strstr(text_get(&out), "and 281 more errors\n") &&
          !strstr(text_get(&out), "lost"));
    text_finish(&out);
    diag_destroy(d);
}

/* ---------------------------------------------------------- files, overrides */

static char folder[64];

static const char *in_folder(const char *name) {
    static char path[4][200];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void write_file(const char *name, const char *text) {
    FILE *f = fopen(in_folder(name), "wb");
    CHECK(f != NULL);
    if (f) {
        fputs(text, f);
        fclose(f);
    }
}

/* Load a file with overrides and check it; errors as text. */
static struct config *load_with(struct world *w, const char *name, uint32_t n,
                                const char *const *overrides, struct text *out) {
    struct diag *d = diag_create();
    struct schema_resolver r = {resolve, w, NULL};
    struct config *c = config_load(in_folder(name), n, overrides, d);
    if (c)
        schema_check(c, config_root(c), w->experiment, host_keys, &r, d);
    if (diag_count(d)) {
        if (out)
            diag_print(d, out, false);
        config_destroy(c);
        c = NULL;
    }
    diag_destroy(d);
    return c;
}

static void test_extends(struct world *w) {
    struct text out = {0};
    write_file("base.yaml",
               "rate: 1\ninner: {size: 2, file: b.csv}\nloss: {type: mse, gamma: 5}\n"
               "words: [a, b]\nmodel: {type: other, foo: 1}\n");
    write_file("more.yaml", "rate: 2\ncount: 3\nx-lr: 0.25\n");
    write_file("top.yaml",
               "extends: [base.yaml, more.yaml]\ninner: {size: 4}\nwords: [c]\n"
               "loss: {gamma: \"${x-lr}\"}\nmodel: {type: mse}\n"
               "name: ${env:RUNNER_TEST_NAME:-plain}-${count}\nanything: $${no}\n");
    setenv("RUNNER_TEST_NAME", "set", 1);
    struct config *c = load_with(w, "top.yaml", 0, NULL, &out);
    unsetenv("RUNNER_TEST_NAME");
    CHECK_TEXT(text_get(&out), "");
    if (c) {
        char want[200], got[CONFIG_PATH_MAX];
        CHECK(node_float(at(c, "rate")) == 2 && node_int(at(c, "count")) == 3);
        CHECK(node_int(at(c, "inner.size")) == 4 && node_count(at(c, "words")) == 1);
        CHECK(node_float(at(c, "loss.gamma")) == 0.25);
        CHECK(node_float(at(c, "model.gamma")) == 2 && !at(c, "model.foo"));
        CHECK_TEXT(node_string(at(c, "name")), "set-3");
        CHECK_TEXT(node_raw(at(c, "anything")), "${no}");
        char *real = realpath(folder, NULL);
        snprintf(want, sizeof want, "%s/b.csv", real);
        free(real);
        CHECK_TEXT(node_string(at(c, "inner.file")), want);
        CHECK(config_resolve_path(at(c, "inner.file"), got, NULL) == RN_OK);
        CHECK_TEXT(got, want);
        CHECK(strstr(config_source(c), "extends: [base.yaml") == config_source(c));
    }
    config_destroy(c);

    /* Named ones take the place of one, one of several; options stay options. */
    write_file("one.yaml", "loss: {type: mse, gamma: 5}\n");
    write_file("named.yaml", "extends: one.yaml\nloss:\n  a: {type: mse}\n"
                             "  b: {type: mse, gamma: 3}\n  x-c: {type: none}\n");
    write_file("back.yaml", "extends: named.yaml\nloss: {type: mse}\n");
    c = load_with(w, "named.yaml", 0, NULL, &out);
    CHECK(c && node_components(at(c, "loss")) == 2);
    CHECK(c && node_float(at(c, "loss.a.gamma")) == 2);
    CHECK(c && node_float(at(c, "loss.b.gamma")) == 3);
    config_destroy(c);
    c = load_with(w, "back.yaml", 0, NULL, &out);
    CHECK(c && node_components(at(c, "loss")) == 1);
    CHECK(c && node_float(at(c, "loss.gamma")) == 2);
    config_destroy(c);
    CHECK_TEXT(text_get(&out), "");
    text_finish(&out);
    write_file("option.yaml", "extends: one.yaml\nloss: {gamma: {type: mse}}\n");
    CHECK(!load_with(w, "option.yaml", 0, NULL, &out));
    CHECK(strstr(text_get(&out), "gamma expects a single value"));
    text_finish(&out);

    write_file("loop.yaml", "extends: loop2.yaml\n");
    write_file("loop2.yaml", "extends: ./loop.yaml\n");
    CHECK(!load_with(w, "loop.yaml", 0, NULL, &out));
    CHECK(strstr(text_get(&out), "/loop.yaml extends itself\n"));
    text_finish(&out);
    write_file("gone.yaml", "extends: [nothing.yaml]\n");
    CHECK(!load_with(w, "gone.yaml", 0, NULL, &out));
    CHECK(strstr(text_get(&out), "gone.yaml:1:11: error: ") &&
          strstr(text_get(&out), "nothing.yaml cannot be read: No such file"));
    text_finish(&out);
    CHECK(!load_with(w, "absent.yaml", 0, NULL, &out));
    CHECK(strstr(text_get(&out), "absent.yaml cannot be read: No such file"));
    text_finish(&out);
    CHECK(!load_with(w, ".", 0, NULL, &out));
    CHECK(strstr(text_get(&out), "is a directory, not a regular file"));
    text_finish(&out);
    write_file("empty.yaml", "# nothing\n");
    CHECK(!load_with(w, "empty.yaml", 0, NULL, &out));
    CHECK(strstr(text_get(&out), "empty.yaml:1:1: error: the file is empty"));
    text_finish(&out);
    write_file("list.yaml", "- 1\n");
    CHECK(!load_with(w, "list.yaml", 0, NULL, &out));
    CHECK(strstr(text_get(&out), "error: an experiment is a map"));
    text_finish(&out);
    write_file("odd.yaml", "extends: {a: b}\n");
    CHECK(!load_with(w, "odd.yaml", 0, NULL, &out));
    CHECK(
        strstr(text_get(&out), "odd.yaml:1:10: error: extends expects names of files"));
    text_finish(&out);
}

static void test_overrides(struct world *w) {
    struct text out = {0};
    char want[400], cwd[300];
    write_file(
        "o.yaml",
        "rate: 1\ncount: 2\nloss: mse\nwords: [a, b]\ninner:\nmodel: {type: mse}\n");
    const char *good[] = {"rate=0.5",       "loss.gamma=7",         "words.1=c",
                          "words+=d",       "inner.size=4",         "~count",
                          "name=a=b",       "shape={type: square}", "files.x=d/e",
                          "model.gamma=",   "every=10st",           "inner.deep=[[1]]",
                          "inner.deep+=[2]"};
    struct config *c = load_with(w, "o.yaml", sizeof good / sizeof *good, good, &out);
    CHECK_TEXT(text_get(&out), "");
    if (c) {
        CHECK(node_float(at(c, "rate")) == 0.5 && node_float(at(c, "loss.gamma")) == 7);
        CHECK_TEXT(node_string(at(c, "loss.type")), "mse");
        CHECK_TEXT(node_string(at(c, "words.1")), "c");
        CHECK_TEXT(node_string(at(c, "words.2")), "d");
        CHECK(node_int(at(c, "inner.size")) == 4 && !at(c, "count"));
        CHECK_TEXT(node_string(at(c, "name")), "a=b");
        CHECK(node_float(at(c, "shape.side")) == 2 &&
              node_float(at(c, "model.gamma")) == 2);
        CHECK(node_int(at(c, "inner.deep.1.0")) == 2);
        CHECK(getcwd(cwd, sizeof cwd) != NULL);
        snprintf(want, sizeof want, "%s/d/e", cwd);
        CHECK_TEXT(node_string(at(c, "files.x")), want);
        struct text blame = {0};
        config_print(c, true, &blame);
        CHECK(strstr(text_get(&blame), "rate: 0.5  # command line, argument 1\n"));
        text_finish(&blame);
    }
    config_destroy(c);

    /* One component becomes a list; a nothing becomes one. */
    const char *plus[] = {"loss+={type: mse, gamma: 3}"};
    c = load_with(w, "o.yaml", 1, plus, NULL);
    CHECK(c && node_components(at(c, "loss")) == 2 &&
          node_float(at(c, "loss.1.gamma")) == 3);
    config_destroy(c);
    write_file("bare.yaml", "rate: 1\n");
    c = load_with(w, "bare.yaml", 1, plus, NULL);
    CHECK(c && node_components(at(c, "loss")) == 1 &&
          node_float(at(c, "loss.0.gamma")) == 3);
    config_destroy(c);

    static const struct bad all[] = {
        {"loss+={type: mse, gama: 3}",
         "command line, argument 1: error: unknown key 'gama'\n"
         "      | loss+={type: mse, gama: 3}\n"
         "      |                   ^\n"
         "  did you mean 'gamma'? allowed here: gamma, in, match, weight\n"},
        {"rate=fast", "command line, argument 1: error: rate: 'fast' is not a number\n"
                      "      | rate=fast\n"
                      "      |      ^\n"},
        {"ratte=3", "command line, argument 1: error: unknown key 'ratte'"},
        {"inner.sizze=3", "command line, argument 1: error: unknown key 'sizze'"},
        {"rate", "command line, argument 1: error: this is not an override: "
                 "expected key=value"},
        {"=3", "this is not an override"},
        {"inner..size=3", "argument 1: error: a key is missing here"},
        {"inner.=3", "a key is missing here"},
        {"~nothing", "argument 1: error: there is no 'nothing' to remove"},
        {"~", "a key is missing here"},
        {"words.7=x", "argument 1: error: 'words' has 2 items, counted from 0"},
        {"words.x.y=x", "argument 1: error: there is no 'words.x'"},
        {"rate=[1", "command line, argument 1: error: this is not valid YAML"},
        {"rate=*a", "command line, argument 1: error: there is no anchor"},
        {"name=${no}",
         "command line, argument 1: error: '${no}' does not name a value"},
        {"files+=x", "files must be a map"},
        {"\xc3\xa4.b=[1, *a]", "command line, argument 1: error: there is no anchor"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        CHECK(!load_with(w, "o.yaml", 1, &all[i].yaml, &out));
        if (!strstr(text_get(&out), all[i].want))
            CHECK_TEXT(text_get(&out), all[i].want);
        else
            CHECK(true);
        text_finish(&out);
    }
    /* All wrong arguments at once. */
    const char *both[] = {"~nothing", "count=3", "words.9=1"};
    CHECK(!load_with(w, "o.yaml", 3, both, &out));
    CHECK(strstr(text_get(&out), "argument 1") && strstr(text_get(&out), "argument 3"));
    text_finish(&out);
    char deep[600] = "a";
    for (int i = 0; i < 80; i++)
        strcat(deep, ".a");
    strcat(deep, "=1");
    const char *nested[] = {deep};
    CHECK(!load_with(w, "o.yaml", 1, nested, &out));
    CHECK(strstr(text_get(&out), "64 parts"));
    text_finish(&out);
}

/* ------------------------------------------------------------------ schemas */

/* An error is shown where the value came from: a default has no line in the file, a
 * reference names what it stands for. */
static void test_places(struct world *w) {
    static const char text[] =
        "record: part\n"
        "option: other reference(loss) = nobody | a reference\n"
        "option: size int = 3\n"
        "end:\n"
        "option: device component(backend) = gone | a component\n"
        "option: part part | a record\n"
        "option: many list(component(loss)) = [mse, lost] | two\n"
        "option: count int\n"
        "option: name string\n";
    struct text out = {0};
    struct schema_resolver r = {resolve, w, NULL};
    struct diag *d = diag_create();
    struct schema *s = schema_parse(w->a, text, NULL);
    setenv("RUNNER_TEST_COUNT", "few", 1);
    struct config *c = config_from_text("a.yaml",
                                        "part: {size: \"${name}\"}\n"
                                        "count: ${env:RUNNER_TEST_COUNT}\n"
                                        "name: x${count}\n",
                                        d);
    CHECK(s && c);
    schema_check(c, config_root(c), s, host_keys, &r, d);
    diag_print(d, &out, false);
    CHECK_TEXT(text_get(&out),
               "a.yaml:1:14: error: size: 'xfew' is not an integer\n"
               "    1 | part: {size: \"${name}\"}\n"
               "      |              ^\n"
               "  ${name} is 'xfew', from a.yaml:3:7\n"
               "  ${count} is 'few', from a.yaml:2:8\n"
               "  ${env:RUNNER_TEST_COUNT} is 'few', from the environment variable "
               "RUNNER_TEST_COUNT\n"
               "a.yaml:2:8: error: count: 'few' is not an integer\n"
               "    2 | count: ${env:RUNNER_TEST_COUNT}\n"
               "      |        ^\n"
               "  ${env:RUNNER_TEST_COUNT} is 'few', from the environment variable "
               "RUNNER_TEST_COUNT\n"
               "default of `device`: error: there is no backend 'gone'\n"
               "      | device: gone\n"
               "      |         ^\n"
               "  did you mean 'mse'?\n"
               "default of `many`: error: there is no loss 'lost'\n"
               "      | many: [mse, lost]\n"
               "      |             ^\n"
               "  did you mean 'mse'?\n"
               "default of `part.other`: error: this experiment has no loss 'nobody'\n"
               "      | other: nobody\n"
               "      |        ^\n"
               "  there are: many.0, many.1\n");
    struct text json = {0};
    diag_json(d, &json);
    CHECK(strstr(text_get(&json),
                 "\"line\": 0, \"column\": 0, \"file\": \"default of `device`\", "
                 "\"path\": \"device"));
    text_finish(&json);
    text_finish(&out);
    config_destroy(c);
    diag_destroy(d);
    unsetenv("RUNNER_TEST_COUNT");
}

static void test_schema(struct world *w) {
    CHECK(schema_count(w->experiment) == 13 && schema_count(w->mse) == 1);
    struct option_info o = schema_option(w->mse, 0);
    CHECK_TEXT(o.name, "gamma");
    CHECK_TEXT(o.type, "float");
    CHECK_TEXT(o.value, "2");
    CHECK_TEXT(o.unit, "m");
    CHECK_TEXT(o.doc, "a factor");
    CHECK(!o.live && !o.required && !o.checkpoint);
    const struct option_info *rate = schema_find(w->experiment, "rate");
    CHECK(rate && rate->live && schema_find(w->experiment, "radius") == NULL);

    static const struct bad all[] = {
        {"option: x\n", "description, line 1: an option without a type: 'x'"},
        {"doc: y\noption: x nonsense\n", "no type is called 'nonsense'"},
        {"option: x list(nonsense)\n", "no type is called 'nonsense'"},
        {"option: x set(int)\n", "no type is called 'set(int)'"},
        {"option: x list(int\n", "this type has no ')'"},
        {"option: x list(list(list(list(list(list(list(list(list(int)))))))))\n",
         "a type deeper than 8"},
        {"option: x int ; least 3\n", "unknown word 'least 3'"},
        {"option: x int ; min\n", "a bound without a number"},
        {"option: x int ; min low\n", "a bound without a number"},
        {"option: x int\noption: x int\n", "line 2: an option is described twice"},
        {"option: x int = 1.5\n", "a default that does not fit"},
        {"option: x int = 5 ; max 4\n", "a default that does not fit"},
        {"option: x float = 0 ; above 0\n", "a default that does not fit"},
        {"option: x choice(a,b) = c\n", "a default that does not fit"},
        {"option: x duration = 3\n", "a default that does not fit"},
        {"option: x bool = 2\n", "a default that does not fit"},
        {"record: a\noption: x int\n", "a record without `end:`: 'a'"},
        {"end:\n", "an end without a record"},
        {"example: x: 1\n", "an example without an option"},
        {"record: a\nrecord: b\nend:\n", "a record inside a record"},
        {"record: a\nend:\nrecord: a\nend:\n", "a record is described twice"},
        {"union: a\n", "a union without '='"},
        {"union: a = b\noption: x a\n", "a union of what is not a record: 'b'"},
    };
    struct rn_error e;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        memset(&e, 0, sizeof e);
        CHECK(schema_parse(w->a, all[i].yaml, &e) == NULL && e.status == RN_E_PLUGIN);
        if (!strstr(e.message, all[i].want))
            CHECK_TEXT(e.message, all[i].want);
        else
            CHECK(true);
    }
    CHECK(schema_parse(w->a, "option: x nonsense\n", NULL) == NULL);

    /* A record whose default opens itself ends in an error, not in a crash. */
    struct schema *s =
        schema_parse(w->a, "record: a\noption: a a = {}\nend:\noption: a a\n", &e);
    struct diag *d = diag_create();
    struct config *c = config_from_text("a.yaml", "a: {}\n", d);
    CHECK(s && c &&
          schema_check(c, config_root(c), s, host_keys, NULL, d) == RN_E_CONFIG);
    config_destroy(c);
    diag_destroy(d);

    struct duration t;
    static const struct {
        const char *s;
        enum duration_unit unit;
        double amount;
    } times[] = {{"500st", DURATION_STEPS, 500},    {"1.5ep", DURATION_EPOCHS, 1.5},
                 {"20%", DURATION_SHARE, 0.2},      {"90s", DURATION_SECONDS, 90},
                 {"30min", DURATION_SECONDS, 1800}, {"2h", DURATION_SECONDS, 7200},
                 {"1d", DURATION_SECONDS, 86400}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        CHECK(duration_parse(times[i].s, &t, &e) == RN_OK && t.unit == times[i].unit &&
              fabs(t.amount - times[i].amount) < 1e-12);
    static const char *const wrong[] = {"",       "st",     "5",    "5 st",
                                        "5steps", " 5st",   "-5st", "nanst",
                                        "infst",  "1e400s", "5stx"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK(duration_parse(wrong[i], &t, &e) == RN_E_CONFIG && e.hint[0]);
    CHECK(duration_parse("x", &t, NULL) == RN_E_CONFIG);
}

/* A default is what the description has, wherever the option is. */
static void test_defaults(struct world *w) {
    (void)w;
    struct rn_error e;
    struct arena *a = arena_create();
    const char *text =
        "record: fine | x\noption: a int = 3 | x\noption: b float | x\nend:\n"
        "record: small | x\noption: s float ; required | x\nend:\n"
        "record: large | x\noption: l float = 0.5 | x\nend:\n"
        "union: size = small large\n"
        "record: outer | x\noption: fine fine | x\n"
        "option: size size | x\n"
        "option: word string = \"two words\" | x\nend:\n"
        "sections:\noption: outer outer | x\noption: top int = 7 | x\n";
    const char *cut = strstr(text, "sections:\n");
    struct text whole = {0}; /* records come after the options of the top */
    text_add(&whole, cut + strlen("sections:\n"));
    text_add_n(&whole, text, (size_t)(cut - text));
    const struct schema *s = schema_parse(a, text_get(&whole), &e);
    static const struct {
        const char *path, *value; /* "": there is no such option */
    } all[] = {{"top", "7"},
               {"outer.word", "two words"},
               {"outer.fine.a", "3"},
               {"outer.fine.b", NULL},
               {"outer.size.l", "0.5"},
               {"outer.size.s", NULL},
               {"outer.size.type", "small"},
               {"outer.fine", NULL},
               {"outer.nothing", ""},
               {"top.more", ""},
               {"", ""}};
    CHECK_TEXT(s ? "" : e.message, "");
    for (size_t i = 0; s && i < sizeof all / sizeof *all; i++) {
        const char *got = "unset";
        bool known = schema_default(s, all[i].path, &got);
        CHECK(known == !(all[i].value && !*all[i].value));
        if (known && all[i].value)
            CHECK_TEXT(got, all[i].value);
        else if (known)
            CHECK(!got);
    }
    text_finish(&whole);
    arena_destroy(a);
}

/* The host's own sections. */
static void test_core(struct world *w) {
    struct rn_error e = {0};
    struct schema *s = schema_parse(w->a, sections_schema(), &e);
    CHECK_TEXT(e.message, "");
    if (!s)
        return;
    static const char *const sections[] = {"name",    "seed",       "device",   "data",
                                           "augment", "model",      "init",     "loss",
                                           "metrics", "optimizer",  "schedule", "hooks",
                                           "train",   "checkpoint", "plugins"};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        CHECK(schema_find(s, sections[i]) != NULL);
    struct diag *d = diag_create();
    struct config *c = config_from_text(
        "a.yaml",
        "data: {source: mse}\nmodel: mse\nloss: mse\noptimizer: {a: mse, b: mse}\n"
        "train: {epochs: 3, max_time: 2h, clip: {norm: 1}, freeze: model.a*,\n"
        "  programs: [{name: g, minimize: g}], early_stop: {monitor: val/loss}}\n"
        "checkpoint: {best: {monitor: val/loss}}\n",
        d);
    struct schema_resolver r = {resolve, w, NULL};
    CHECK(c && schema_check(c, config_root(c), s, host_keys, &r, d) == RN_OK);
    if (c) {
        CHECK(node_int(at(c, "seed")) == 0 && node_int(at(c, "data.batch")) == 32);
        CHECK_TEXT(node_string(at(c, "checkpoint.every")), "1ep");
        CHECK(node_int(at(c, "checkpoint.keep")) == 2);
        CHECK_TEXT(node_string(at(c, "train.freeze.0")), "model.a*");
        CHECK(node_int(at(c, "train.programs.0.every")) == 1);
        CHECK_TEXT(node_string(at(c, "train.on_nan")), "stop");
    }
    config_destroy(c);
    struct text out = {0};
    diag_print(d, &out, false);
    CHECK_TEXT(text_get(&out), "");
    text_finish(&out);
    diag_destroy(d);

    const struct schema_component known[] = {{"loss", "mse", "squares", w->mse}};
    schema_json(w->experiment, 1, known, host_keys, &out); /* unions, maps, bounds */
    d = diag_create();
    c = config_from_text("schema.json", text_get(&out), d);
    CHECK(c && node_count(at(c, "definitions.shape.anyOf")) == 2);
    if (c)
        CHECK_TEXT(node_raw(at(c, "definitions.round.properties.type.const")), "round");
    CHECK(strstr(text_get(&out),
                 "\"component.loss.mse\": {\"description\": \"squares\"") &&
          strstr(text_get(&out), "\"weight\": {\"type\": [\"number\", \"string\"]}") &&
          strstr(text_get(&out), "\"component.model\": "));
    config_destroy(c);
    diag_destroy(d);
    text_finish(&out);
    schema_json(s, 0, NULL, NULL, &out);
    CHECK(strstr(text_get(&out), "\"$ref\": \"#/definitions/train\""));
    /* JSON that is valid by our own reader of flow YAML. */
    d = diag_create();
    c = config_from_text("schema.json", text_get(&out), d);
    CHECK(c != NULL);
    if (c) {
        CHECK_TEXT(
            node_raw(at(
                c, "definitions.checkpoint.properties.keep.allOf.0.anyOf.0.minimum")),
            "2");
        CHECK(at(c, "properties.extends") && at(c, "definitions.split.required"));
    }
    config_destroy(c);
    diag_destroy(d);
    text_finish(&out);
}

/* ------------------------------------------------------------------ hostile */

static void repeat(struct text *t, const char *s, int n) {
    for (int i = 0; i < n; i++)
        text_add(t, s);
}

/* Refused with these words, or (NULL) taken. What takes quadratic time here takes
 * minutes and runs into the test's timeout. */
static void hostile(struct world *w, struct text *yaml, const char *want) {
    struct text out = {0};
    struct config *c = load(w, text_get(yaml), &out);
    CHECK(want ? c == NULL : c != NULL);
    if (want && !strstr(text_get(&out), want))
        CHECK_TEXT(text_get(&out), want);
    CHECK(out.length < 200000);
    config_destroy(c);
    text_finish(&out);
    text_finish(yaml);
}

static void test_hostile(struct world *w) {
    struct text t = {0};
    text_add(&t, "# ");
    repeat(&t, "x", 256 * 1024);
    hostile(w, &t, "longer than 256 KiB");
    text_add(&t, "anything: ");
    repeat(&t, "[", 100);
    hostile(w, &t, "nest deeper than 64");
    text_add(&t, "anything: ");
    repeat(&t, "[", 200000);
    hostile(w, &t, "nest deeper than 64");
    text_add(&t, "anything: ");
    repeat(&t, "{a: ", 60000);
    hostile(w, &t, "nest deeper than 64");
    repeat(&t, "- ", 100000);
    hostile(w, &t, "nest deeper than 64");
    repeat(&t, "? ", 100000);
    hostile(w, &t, "error");
    text_add(&t, "anything: [");
    repeat(&t, "1,", 60000);
    text_add(&t, "1]\n");
    hostile(w, &t, "more than 50000 values");
    text_add(&t, "anything: [");
    repeat(&t, "1,", 49000);
    text_add(&t, "1]\n");
    hostile(w, &t, NULL);
    text_add(&t, "anything: [");
    repeat(&t, "{a: []},", 24000);
    text_add(&t, "1]\n");
    hostile(w, &t, "more than 100000 parts");
    text_add(&t, "anything: [");
    for (int i = 0; i < 300; i++)
        text_addf(&t, "&a%d 1,", i);
    text_add(&t, "1]\n");
    hostile(w, &t, "more than 256 anchors");
    text_add(&t, "anything:\n - &a0 [x]\n");
    for (int i = 1; i < 30; i++)
        text_addf(&t, " - &a%d [*a%d, *a%d, *a%d, *a%d]\n", i, i - 1, i - 1, i - 1,
                  i - 1);
    hostile(w, &t, "more than 50000 values");
    text_add(&t, "name: ");
    repeat(&t, "x", 70000);
    hostile(w, &t, "a value longer than 64 KiB");
    text_add(&t, "name: \"");
    repeat(&t, "x \n", 80000);
    text_add(&t, "\"");
    hostile(w, &t, "a value longer than 64 KiB");
    repeat(&t, "k", 300);
    text_add(&t, ": 1\n");
    hostile(w, &t, "a key longer than 256 bytes");
    repeat(&t, "%FOO 1\n", 9);
    text_add(&t, "---\ncount: 1\n");
    hostile(w, &t, "more than 8 directives");
    /* many keys: in one map, and in many maps */
    text_add(&t, "anything: {");
    for (int i = 0; i < 2000; i++)
        text_addf(&t, "k%d: 1,", i);
    text_add(&t, "}\n");
    hostile(w, &t, "more than 1024 keys");
    text_add(&t, "anything:\n");
    for (int m = 0; m < 24; m++) {
        text_addf(&t, " m%d: {", m);
        for (int i = 0; i < 1000; i++)
            text_addf(&t, "k%d: 1,", i);
        text_add(&t, "}\n");
    }
    hostile(w, &t, NULL);
    text_add(&t, "inner: {<<: [");
    for (int m = 0; m < 20; m++) {
        text_add(&t, "{");
        for (int i = 0; i < 1000; i++)
            text_addf(&t, "k%d_%d: 1,", m, i);
        text_add(&t, "},");
    }
    text_add(&t, "]}\n");
    hostile(w, &t, "more than 1024 keys");
    /* many errors: of keys, of values, on one line and on many */
    text_add(&t, "inner: {deep: [[");
    repeat(&t, "x,", 40000);
    text_add(&t, "]]}\n");
    hostile(w, &t, "and 39980 more errors");
    text_add(&t, "inner:\n  deep:\n  -\n");
    repeat(&t, "  - x\n", 40000);
    hostile(w, &t, "more errors");
    text_add(&t, "loss:\n");
    repeat(&t, "- {type: mse, gamm: 1}\n", 10000);
    hostile(w, &t, "more errors");
    /* many defaults */
    text_add(&t, "loss:\n");
    repeat(&t, "- mse\n", 40000);
    hostile(w, &t, NULL);
    /* deep through aliases, and long paths */
    text_add(&t, "anything:\n");
    for (int i = 0; i < 30; i++) {
        text_addf(&t, " - &a%d ", i);
        repeat(&t, "[", 50);
        if (i)
            text_addf(&t, "*a%d", i - 1);
        repeat(&t, "]", 50);
        text_add(&t, "\n");
    }
    hostile(w, &t, "nests deeper than 128");
    text_add(&t, "anything: ");
    for (int i = 0; i < 50; i++) {
        text_add(&t, "{");
        repeat(&t, "k", 200);
        text_add(&t, ": ");
    }
    text_add(&t, "[");
    repeat(&t, "1,", 40000);
    text_add(&t, "]");
    repeat(&t, "}", 50);
    hostile(w, &t, "longer than 1000 bytes");
    /* references: a long chain, growth by doubling, a long value many times */
    text_add(&t, "anything:\n");
    for (int i = 0; i < 1000; i++)
        text_addf(&t, " a%d: ${anything.a%d}\n", i, i + 1);
    text_add(&t, " a1000: 1\n");
    hostile(w, &t, "goes through more than 64 others");
    text_add(&t, "anything:\n a40: xx\n");
    for (int i = 39; i >= 0; i--)
        text_addf(&t, " a%d: ${anything.a%d}${anything.a%d}\n", i, i + 1, i + 1);
    hostile(w, &t, "longer than 64 KiB");
    text_add(&t, "name: ");
    repeat(&t, "x", 60000);
    text_add(&t, "\nanything:\n");
    repeat(&t, " - ${name}\n", 15000);
    hostile(w, &t, "references make more than 4 MiB");
    text_add(&t, "anything:\n");
    repeat(&t, " - ${${${\n", 20000);
    hostile(w, &t, "more errors");

    /* Cut anywhere and changed anywhere: an answer, no crash (sanitizers watch). */
    const char *seed =
        "x-a: &a {size: 4}\ninner: {<<: *a, file: 'b'}\nloss: [mse, {type: mse, "
        "gamma: 1e-2}]\nname: \"q\\x41 ${env:A:-b} ${mode}\"\nshape:\n  type: "
        "round\n  radius: 3\nanything: |\n  text\nwords: >-\n  more\n";
    size_t n = strlen(seed);
    for (size_t i = 0; i <= n; i++) {
        text_add_n(&t, seed, i);
        config_destroy(load(w, text_get(&t), NULL));
        text_finish(&t);
    }
    uint32_t random = 1;
    static const char marks[] = "{}[]:,&*!|>'\"%@`-?~$\n\t #\x01\xff";
    for (int k = 0; k < 3000; k++) {
        text_add_n(&t, seed, n);
        for (int j = 0; j < 3; j++) {
            random = random * 1664525u + 1013904223u;
            t.s[(random >> 8) % n] = marks[(random >> 3) % (sizeof marks - 1)];
        }
        config_destroy(load(w, text_get(&t), NULL));
        text_finish(&t);
    }
}

/* Extending the same files again and again stays bounded. */
static void test_many_files(struct world *w) {
    struct text out = {0};
    for (int i = 0; i < 14; i++) {
        char name[32], body[80];
        snprintf(name, sizeof name, "f%d.yaml", i);
        snprintf(body, sizeof body, "extends: [f%d.yaml, f%d.yaml]\n", i + 1, i + 1);
        write_file(name, i == 13 ? "count: 1\n" : body);
    }
    CHECK(!load_with(w, "f0.yaml", 0, NULL, &out));
    CHECK(strstr(text_get(&out), "more than 64 files"));
    text_finish(&out);
    struct text body = {0};
    text_add(&body, "anything:\n");
    for (int i = 0; i < 1000; i++)
        text_addf(&body, "  a%d: 1\n", i);
    write_file("k1.yaml", text_get(&body));
    text_finish(&body);
    text_add(&body, "extends: [k1.yaml, k1.yaml]\nanything:\n");
    for (int i = 0; i < 1000; i++)
        text_addf(&body, "  b%d: 1\n", i);
    write_file("k2.yaml", text_get(&body));
    text_finish(&body);
    write_file("k3.yaml", "extends: k2.yaml\nanything: {c: 1}\n");
    CHECK(!load_with(w, "k3.yaml", 0, NULL, &out));
    CHECK(strstr(text_get(&out), "more than 1024 keys"));
    text_finish(&out);
}

static void remove_folder(void) {
    char command[120];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    CHECK(system(command) == 0);
}

int main(void) {
    struct world w = world_create();
    strcpy(folder, "/tmp/runner-config-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    test_values(&w);
    test_anchors(&w);
    test_print(&w);
    test_bad(&w);
    test_diag(&w);
    test_extends(&w);
    test_overrides(&w);
    test_places(&w);
    test_schema(&w);
    test_defaults(&w);
    test_core(&w);
    test_hostile(&w);
    test_many_files(&w);
    remove_folder();
    arena_destroy(w.a);
    return check_done();
}

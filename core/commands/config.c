/* SPDX-License-Identifier: Apache-2.0 */
/* config, schema: what the file says, and what a file may say. */
#include <string.h>

#include "commands/commands.h"
#include "experiment/experiment.h"

static int config(int argc, char **argv) {
    struct flags f;
    int code = flags_parse(&command_config, argc, argv, "resolved blame json", &f);
    if (code || f.help)
        return code ? code : command_print_help(&command_config);
    if (!f.positional) {
        fprintf(stderr, "runner config: error: which experiment?\n  e.g. %s\n",
                command_config.example);
        return 2;
    }
    struct session *s = open_session();
    if (!s)
        return 4;
    struct diag *d = diag_create();
    struct config *c = experiment_read(s, f.arg[0], f.positional - 1, f.arg + 1, d);
    if (diag_count(d)) {
        code = fail_with(d, &f);
    } else {
        struct text t = {0};
        if (f.json) {
            config_json(c, &t);
            text_add(&t, "\n");
        } else {
            config_print(c, f.blame, &t);
        }
        fputs(text_get(&t), stdout);
        text_finish(&t);
    }
    config_destroy(c);
    diag_destroy(d);
    session_destroy(s);
    return code;
}

const struct command command_config = {
    "config",
    "config EXPERIMENT.yaml [key=value ...] [--resolved | --blame | --json]",
    "print the whole experiment as runner reads it",
    "  --resolved  with extends, overrides, interpolation and defaults applied "
    "(default)\n"
    "  --blame     and where each value came from\n"
    "  --json      as JSON, the values by their types; errors too\n",
    "runner config configs/quickstart.yaml optimizer.lr=0.01 --blame",
    config};

static int print_docs(const struct flags *f) {
    struct rn_error e = {0};
    struct text t = {0};
    int code = 0;
    if (experiment_schema_docs(&t, &e) != RN_OK)
        code = fail_error(&e, f);
    else
        fputs(text_get(&t), stdout);
    text_finish(&t);
    return code;
}

static int schema(int argc, char **argv) {
    struct flags f;
    int code = flags_parse(&command_schema, argc, argv, "docs", &f);
    if (code || f.help)
        return code ? code : command_print_help(&command_schema);
    if (f.docs)
        return print_docs(&f);
    struct session *s = open_session();
    if (!s)
        return 4;
    struct rn_error e = {0};
    struct text t = {0};
    if (experiment_schema_json(s, &t, &e) != RN_OK)
        code = fail_error(&e, &f);
    else
        puts(text_get(&t));
    text_finish(&t);
    session_destroy(s);
    return code;
}

const struct command command_schema = {
    "schema",
    "schema [--docs]",
    "print a JSON Schema of experiments, for an editor",
    "  --docs  print every key of the host's sections, with examples, as Markdown\n\n"
    "  It knows the options of every component that this runner has. In VS Code's "
    "YAML\n"
    "  extension: a first line `# yaml-language-server: $schema=runner.schema.json`.\n",
    "runner schema > runner.schema.json",
    schema};

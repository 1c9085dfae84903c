/* SPDX-License-Identifier: Apache-2.0 */
/* help, completion: what can be typed, from the table of verbs. */
#include <string.h>

#include "commands/commands.h"

int command_print_help(const struct command *c) {
    printf("runner %s\n\n%s\n", c->usage, c->summary);
    if (c->options[0])
        printf("\n%s", c->options);
    printf("\nExample:\n  %s\n", c->example);
    return 0;
}

static int help(int argc, char **argv) {
    unsigned n;
    const struct command *const *list = command_list(&n);
    for (unsigned i = 0; argc > 1 && i < n; i++)
        if (strcmp(list[i]->name, argv[1]) == 0)
            return command_print_help(list[i]);
    puts("runner " RUNNER_VERSION ": trains neural networks from one YAML file\n\n"
         "  runner EXPERIMENT.yaml [key=value ...]   train\n");
    for (unsigned i = 0; i < n; i++)
        printf("  %-12s %s\n", list[i]->name, list[i]->summary);
    puts("\nrunner VERB --help says more. Exit codes: 0 done, 2 usage or config, 3 data,\n"
         "4 plugin, 5 diverged, 6 memory, 7 disk, 8 run directory, 9 a check failed,\n"
         "10 locked, 75 interrupted and saved.");
    return 0;
}

const struct command command_help = {
    "help", "help [VERB]", "list the verbs, or say more of one", "", "runner help plan",
    help};

static int completion(int argc, char **argv) {
    struct flags f;
    int code = flags_parse(&command_completion, argc, argv, "", &f);
    if (code || f.help)
        return code ? code : command_print_help(&command_completion);
    unsigned n;
    const struct command *const *list = command_list(&n);
    const char *shell = f.positional ? f.arg[0] : "bash";
    if (strcmp(shell, "bash") == 0) {
        printf("_runner() {\n    local verbs=\"");
        for (unsigned i = 0; i < n; i++)
            printf("%s%s", i ? " " : "", list[i]->name);
        puts("\"\n"
             "    local word=${COMP_WORDS[COMP_CWORD]}\n"
             "    if [ \"$COMP_CWORD\" = 1 ]; then\n"
             "        COMPREPLY=($(compgen -W \"$verbs\" -- \"$word\")"
             " $(compgen -f -X '!*.y*ml' -- \"$word\"))\n"
             "    else\n"
             "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
             "    fi\n"
             "}\n"
             "complete -o filenames -F _runner runner");
    } else if (strcmp(shell, "zsh") == 0) {
        puts("#compdef runner\n_runner() {\n    local -a verbs=(");
        for (unsigned i = 0; i < n; i++)
            printf("        '%s:%s'\n", list[i]->name, list[i]->summary);
        puts("    )\n    (( CURRENT == 2 )) && _describe verb verbs\n    _files\n}\n"
             "compdef _runner runner");
    } else if (strcmp(shell, "fish") == 0) {
        for (unsigned i = 0; i < n; i++)
            printf("complete -c runner -n __fish_use_subcommand -a %s -d '%s'\n",
                   list[i]->name, list[i]->summary);
    } else {
        fprintf(stderr, "runner completion: error: '%s': it is bash, zsh or fish\n", shell);
        return 2;
    }
    return 0;
}

const struct command command_completion = {
    "completion", "completion [bash|zsh|fish]", "print the shell's completion script", "",
    "source <(runner completion bash)", completion};

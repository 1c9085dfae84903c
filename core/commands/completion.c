/* SPDX-License-Identifier: Apache-2.0 */
/* completion: scripts for shells, from the table of verbs and their flags. */
#include <string.h>

#include "commands/commands.h"

/* The flags that a verb's help lists ("  --name VALUE  what"), each handed to `each`.
 */
static void each_flag(const struct command *c,
                      void (*each)(const struct command *c, const char *name, int n,
                                   bool value, const char *what, int what_n)) {
    for (const char *p = c->options; *p;) {
        size_t line = strcspn(p, "\n");
        if (strncmp(p, "  --", 4) == 0) {
            const char *name = p + 4, *end = p + line;
            size_t n = strcspn(name, " \n");
            bool value = name[n] == ' ' && name[n + 1] != ' ';
            const char *what = name + n + 1;
            while (what < end && !(what[-1] == ' ' && *what == ' '))
                what++;
            while (what < end && *what == ' ')
                what++;
            each(c, name, (int)n, value, what, (int)(end - what));
        }
        p += line + (p[line] == '\n');
    }
    each(c, "help", 4, false, "show help", 9);
}

static void bash_flag(const struct command *c, const char *name, int n, bool value,
                      const char *what, int what_n) {
    (void)c, (void)value, (void)what, (void)what_n;
    printf(" --%.*s", n, name);
}

static void bash(const struct command *const *list, unsigned n) {
    puts("_runner() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} "
         "flags=--help\n"
         "    case $before in\n"
         "    --progress) COMPREPLY=($(compgen -W 'auto bar plain json none' -- "
         "\"$word\")); return ;;\n"
         "    --split) COMPREPLY=($(compgen -W 'test val train' -- \"$word\")); return "
         ";;\n"
         "    esac\n"
         "    case ${COMP_WORDS[1]} in");
    for (unsigned i = 0; i < n; i++) {
        printf("    %s) flags='", list[i]->name);
        each_flag(list[i], bash_flag);
        puts("' ;;");
    }
    printf("    *.yaml|*.yml) flags='");
    each_flag(&command_train, bash_flag);
    printf("' ;;\n    esac\n"
           "    if [[ $word == -* ]]; then\n"
           "        COMPREPLY=($(compgen -W \"$flags\" -- \"$word\"))\n"
           "    elif [ \"$COMP_CWORD\" = 1 ]; then\n"
           "        COMPREPLY=($(compgen -W '");
    for (unsigned i = 0; i < n; i++)
        printf("%s%s", i ? " " : "", list[i]->name);
    puts("' -- \"$word\")"
         " $(compgen -f -X '!*.y*ml' -- \"$word\") $(compgen -d -- \"$word\"))\n"
         "    else\n"
         "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
         "    fi\n"
         "}\n"
         "complete -o filenames -F _runner runner");
}

static void zsh_flag(const struct command *c, const char *name, int n, bool value,
                     const char *what, int what_n) {
    (void)c;
    printf(" '--%.*s[%.*s]%s'", n, name,
           (int)strcspn(what, "[]:'\n") < what_n ? (int)strcspn(what, "[]:'\n")
                                                 : what_n,
           what, value ? ":value:_files" : "");
}

static void zsh(const struct command *const *list, unsigned n) {
    puts("#compdef runner\n_runner() {\n    local -a verbs=(");
    for (unsigned i = 0; i < n; i++)
        printf("        '%s:%s'\n", list[i]->name, list[i]->summary);
    puts("    )\n    if (( CURRENT == 2 )); then\n"
         "        _describe verb verbs\n        _files -g '*.y*ml'\n        return\n   "
         " fi\n"
         "    case $words[2] in");
    for (unsigned i = 0; i < n; i++) {
        printf("    %s) _arguments", list[i]->name);
        each_flag(list[i], zsh_flag);
        puts(" '*:file:_files' ;;");
    }
    puts("    *) _files ;;\n    esac\n}\ncompdef _runner runner");
}

static void fish_flag(const struct command *c, const char *name, int n, bool value,
                      const char *what, int what_n) {
    int k = (int)strcspn(what, "'\n");
    printf(
        "complete -c runner -n '__fish_seen_subcommand_from %s' -l %.*s%s -d '%.*s'\n",
        c->name, n, name, value ? " -r" : "", k < what_n ? k : what_n, what);
}

static void fish(const struct command *const *list, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        printf("complete -c runner -n __fish_use_subcommand -a %s -d '%s'\n",
               list[i]->name, list[i]->summary);
        each_flag(list[i], fish_flag);
    }
}

static int completion(int argc, char **argv) {
    struct flags f;
    int code = flags_parse(&command_completion, argc, argv, "", &f);
    if (code || f.help)
        return code ? code : command_print_help(&command_completion);
    static const struct {
        const char *name;
        void (*print)(const struct command *const *list, unsigned n);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    unsigned n;
    const struct command *const *list = command_list(&n);
    const char *shell = f.positional ? f.arg[0] : "bash";
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (strcmp(shell, shells[i].name) == 0) {
            shells[i].print(list, n);
            return 0;
        }
    fprintf(stderr, "runner completion: error: '%s': it is bash, zsh or fish\n", shell);
    return 2;
}

const struct command command_completion = {"completion",
                                           "completion [bash|zsh|fish]",
                                           "print the shell's completion script",
                                           "",
                                           "source <(runner completion bash)",
                                           completion};

/* SPDX-License-Identifier: Apache-2.0 */
/* completion: scripts for shells, from the tables of verbs and flags. */
#include <stdio.h>
#include <string.h>

#include "commands/verbs/verbs.h"

/* -------------------------------------------------------------------- bash */

static void bash_flags(enum verb_id v) {
    const char *between = "";
    for (unsigned f = 0; f < FLAG_COUNT; f++)
        if (flag_of((enum flag_id)f, v)) {
            printf("%s--%s", between, flag_table[f].name);
            between = " ";
        }
}

static void bash_values(enum verb_id v) {
    for (unsigned f = 0; f < FLAG_COUNT; f++) {
        const struct flag *flag = &flag_table[f];
        if (!flag_of((enum flag_id)f, v) || !flag->value)
            continue;
        printf("    '%s --%s') ", verb_table[v].name, flag->name);
        if (flag->choices)
            printf("COMPREPLY=($(compgen -W '%s' -- \"$word\")); return ;;\n",
                   flag->choices);
        else if (flag->kind == FLAG_IS_PATH)
            puts("COMPREPLY=($(compgen -f -- \"$word\")); return ;;");
        else
            puts("return ;;");
    }
}

static void bash(void) {
    puts("_runner() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
         "    local verb=${COMP_WORDS[1]} flags=--help words=\n"
         "    # bash takes --flag=value for three words\n"
         "    if [ \"$word\" = = ]; then\n"
         "        word=\n"
         "    elif [ \"$before\" = = ]; then\n"
         "        before=${COMP_WORDS[COMP_CWORD-2]}\n"
         "    fi");
    printf("    case $verb in\n    *.yaml|*.yml) verb=%s ;;\n    esac\n"
           "    case \"$verb $before\" in\n",
           verb_table[VERB_DEFAULT].name);
    for (unsigned v = 0; v < VERB_COUNT; v++)
        bash_values((enum verb_id)v);
    puts("    esac\n    case $verb in");
    for (unsigned v = 0; v < VERB_COUNT; v++) {
        printf("    %s) flags='", verb_table[v].name);
        bash_flags((enum verb_id)v);
        printf("' words='%s' ;;\n", verb_table[v].words ? verb_table[v].words : "");
    }
    printf("    esac\n"
           "    if [[ $word == -* ]]; then\n"
           "        COMPREPLY=($(compgen -W \"$flags\" -- \"$word\"))\n"
           "    elif [ \"$COMP_CWORD\" = 1 ]; then\n"
           "        COMPREPLY=($(compgen -W '");
    for (unsigned v = 0; v < VERB_COUNT; v++)
        printf("%s%s", v ? " " : "", verb_table[v].name);
    puts("' -- \"$word\")"
         " $(compgen -f -X '!*.y*ml' -- \"$word\") $(compgen -d -- \"$word\"))\n"
         "    elif [ \"$COMP_CWORD\" = 2 ] && [ -n \"$words\" ]; then\n"
         "        COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "    else\n"
         "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
         "    fi\n"
         "}\n"
         "complete -o filenames -F _runner runner");
}

/* --------------------------------------------------------------------- zsh */

/* Of a description between quotes and brackets: nothing that ends either. */
static void print_plain(const char *s) {
    for (; *s; s++)
        putchar(strchr("[]:'\n", *s) ? ' ' : *s);
}

static void zsh_flag(const struct flag *f) {
    printf(" '--%s[", f->name);
    print_plain(f->help);
    putchar(']');
    if (f->choices)
        printf(":value:(%s)", f->choices);
    else if (f->value)
        fputs(f->kind == FLAG_IS_PATH ? ":file:_files" : ":value: ", stdout);
    putchar('\'');
}

static void zsh(void) {
    puts("#compdef runner\n_runner() {\n    local -a verbs=(");
    for (unsigned v = 0; v < VERB_COUNT; v++) {
        printf("        '%s:", verb_table[v].name);
        print_plain(verb_table[v].summary);
        puts("'");
    }
    puts("    )\n    if (( CURRENT == 2 )); then\n"
         "        _describe verb verbs\n        _files -g '*.y*ml'\n        return\n"
         "    fi\n    local verb=$words[2]");
    printf("    case $verb in\n    *.yaml|*.yml) verb=%s ;;\n    esac\n"
           "    case $verb in\n",
           verb_table[VERB_DEFAULT].name);
    for (unsigned v = 0; v < VERB_COUNT; v++) {
        const struct verb *verb = &verb_table[v];
        printf("    %s) _arguments", verb->name);
        for (unsigned f = 0; f < FLAG_COUNT; f++)
            if (flag_of((enum flag_id)f, (enum verb_id)v))
                zsh_flag(&flag_table[f]);
        if (verb->words)
            printf(" '2:what:(%s)'", verb->words);
        puts(" '*:file:_files' ;;");
    }
    puts("    *) _files ;;\n    esac\n}\ncompdef _runner runner");
}

/* -------------------------------------------------------------------- fish */

static void fish_flag(const struct verb *verb, const struct flag *f) {
    printf("complete -c runner -n '__fish_seen_subcommand_from %s' -l %s", verb->name,
           f->name);
    if (f->choices)
        printf(" -x -a '%s'", f->choices);
    else if (f->value)
        fputs(f->kind == FLAG_IS_PATH ? " -r" : " -x", stdout);
    fputs(" -d '", stdout);
    print_plain(f->help);
    puts("'");
}

static void fish(void) {
    for (unsigned v = 0; v < VERB_COUNT; v++) {
        const struct verb *verb = &verb_table[v];
        printf("complete -c runner -n __fish_use_subcommand -a %s -d '", verb->name);
        print_plain(verb->summary);
        puts("'");
        if (verb->words)
            printf("complete -c runner -n '__fish_seen_subcommand_from %s' -a '%s'\n",
                   verb->name, verb->words);
        for (unsigned f = 0; f < FLAG_COUNT; f++)
            if (flag_of((enum flag_id)f, (enum verb_id)v))
                fish_flag(verb, &flag_table[f]);
    }
}

int verb_completion(const struct args *a) {
    const char *shell = a->count ? a->arg[0] : "bash";
    if (strcmp(shell, "zsh") == 0)
        zsh();
    else if (strcmp(shell, "fish") == 0)
        fish();
    else
        bash();
    return 0;
}

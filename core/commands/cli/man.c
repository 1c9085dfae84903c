/* SPDX-License-Identifier: Apache-2.0 */
/* Help as a man page, in roff. */
#include <stdio.h>
#include <string.h>

#include "commands/cli/help.h"

/* Text of a roff line: a dash that stays a dash, nothing read as a request. */
static void roff(const char *s, size_t n) {
    if (n && (*s == '.' || *s == '\''))
        fputs("\\&", stdout);
    for (size_t i = 0; i < n; i++)
        if (s[i] == '-')
            fputs("\\-", stdout);
        else if (s[i] == '\\')
            fputs("\\e", stdout);
        else
            putchar(s[i]);
}

static void roff_line(const char *s) {
    roff(s, strlen(s));
    putchar('\n');
}

/* As they are, line by line. */
static void print_lines(const char *p) {
    puts(".PP\n.nf");
    while (*p) {
        size_t k = strcspn(p, "\n");
        roff(p, k);
        putchar('\n');
        p += k + (p[k] == '\n');
    }
    puts(".fi");
}

static void print_flag(enum flag_id f) {
    struct text label = {0}, help = {0};
    flag_label(f, &label);
    flag_describe(f, &help);
    fputs(".TP\n.B ", stdout);
    roff_line(text_get(&label));
    roff_line(text_get(&help));
    text_finish(&label);
    text_finish(&help);
}

static void print_verb(enum verb_id v) {
    const struct verb *verb = &verb_table[v];
    struct text usage = {0}, more = {0};
    verb_usage(v, &usage);
    fputs(".SS ", stdout);
    roff_line(verb->name);
    printf(v == VERB_DEFAULT ? ".B runner\n[%s]\n" : ".B runner %s\n", verb->name);
    roff_line(text_get(&usage));
    puts(".PP");
    roff_line(verb->summary);
    for (unsigned f = 0; f < FLAG_COUNT; f++)
        if (flag_of((enum flag_id)f, v))
            print_flag((enum flag_id)f);
    if (verb->details) {
        puts(".PP");
        roff_line(verb->details);
    }
    if (verb->more) {
        verb->more(&more);
        print_lines(text_get(&more));
    }
    printf(".PP\nExample:\n.PP\n.nf\n    ");
    roff_line(verb->example);
    puts(".fi");
    text_finish(&usage);
    text_finish(&more);
}

void help_man(void) {
    puts(".TH RUNNER 1 \"\" \"runner " RUNNER_VERSION "\" \"User Commands\"\n"
         ".SH NAME\nrunner \\- train neural networks from one YAML file\n"
         ".SH SYNOPSIS\n.B runner\n.I EXPERIMENT.yaml\n[\\fIkey\\fR=\\fIvalue\\fR "
         "...]\n.br\n"
         ".B runner\n.I VERB\n[...]\n"
         ".SH DESCRIPTION\n"
         "The file names data, model, loss, optimizer and the rest; each is a "
         "component of "
         "a plugin (a shared object). runner checks the file whole, plans the memory, "
         "trains, and keeps a record: a folder under\n.I runs/\n"
         "with checkpoints and\n.I run.h5\nwhich any HDF5 reader opens.\n"
         ".PP\nArguments of the form\n.I key=value\noverride the file:\n"
         ".PP\n.nf\n"
         "    optimizer.lr=0.05      a value\n"
         "    augment.0.p=0.3        in a list\n"
         "    hooks+={type: inspect} append\n"
         "    \\(tischedule              remove\n"
         ".fi\n.SH COMMANDS");
    for (unsigned v = 0; v < VERB_COUNT; v++)
        print_verb((enum verb_id)v);
    puts(".SH OUTPUT\n"
         "Results go to standard output, progress, warnings and errors to standard "
         "error.\n"
         ".PP\nA program that must know which data a crash can no longer destroy asks "
         "for "
         "it with\n.B \\-\\-ack\nor\n.BR \\-\\-progress=json :\n"
         "standard output then has a line\n.I ACK ckpt step=N\nfor each checkpoint "
         "and\n.I ACK metrics row=N\nfor the rows of the record, each written only "
         "after the data is safe on disk.");
    puts(".SH SIGNALS\n"
         "The first SIGINT or SIGTERM finishes the step, saves and ends with 75; a "
         "second one ends at once. SIGUSR1 saves and continues.\n.SH EXIT STATUS");
    for (const struct help_exit *e = help_exits; e->code; e++)
        printf(".TP\n.B %s\n%s\n", e->code, e->meaning);
    puts(
        ".SH ENVIRONMENT\n"
        ".TP\n.B RUNNER_PLUGIN_PATH\nfolders of plugins, separated by colons, searched "
        "first\n"
        ".TP\n.B RUNNER_ISA\nthe highest level of instruction sets to use, below what "
        "the "
        "processor has: base, avx2, avx512, or native for all of them\n"
        ".TP\n.B RUNNER_GUARD\n1: plugins get copies of buffers between guard zones, "
        "and a write outside of a buffer is an error that names the plugin, the call "
        "and "
        "the buffer; slower, the numbers are the same\n"
        ".TP\n.B NO_COLOR\nno colour in errors\n"
        ".SH FILES\n"
        ".TP\n.I .runner/plugins\nplugins of a project\n"
        ".TP\n.I \\(ti/.local/share/runner/plugins\nplugins of a user (or under "
        "XDG_DATA_HOME)\n"
        ".TP\n.I runs/NAME/latest\nthe newest run of the experiment NAME");
}

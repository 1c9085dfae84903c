/* SPDX-License-Identifier: Apache-2.0 */
/* help: what can be typed, on the terminal and as a man page, from the table of verbs.
 */
#include <string.h>

#include "commands/commands.h"
#include "config/resume.h"

static const struct {
    const char *code, *meaning;
} exits[] = {{"0", "done"},
             {"1", "a bug of runner"},
             {"2", "usage or configuration"},
             {"3", "data"},
             {"4", "plugin or ABI"},
             {"5", "diverged: NaN, Inf"},
             {"6", "memory of the host or the device"},
             {"7", "disk or other I/O"},
             {"8", "checkpoint or run folder unusable"},
             {"9", "a check failed"},
             {"10", "run folder locked by another run"},
             {"70", "a plugin or a library crashed; it is named"},
             {"75", "interrupted or out of time, saved: resume goes on"},
             {"130, 143", "stopped before the first step, or by a second signal"}};

/* What the table of config/resume.h adds to the help of resume. */
static void add_resume_keys(struct text *out) {
    static const char *const heads[] = {"Keys that must stay (a change is refused):",
                                        "Keys that may change:"};
    for (int applied = 1; applied >= 0; applied--) {
        text_addf(out, "%s%s\n", applied ? "" : "\n", heads[applied]);
        for (uint32_t i = 0; i < resume_rule_count(); i++) {
            const struct resume_rule *r = resume_rule_at(i);
            if (r->applied == (applied == 1))
                text_addf(out, "  %-27s %s\n", r->key, r->why);
        }
    }
}

int command_print_help(const struct command *c) {
    struct text more = {0};
    printf("runner %s\n\n%s\n", c->usage, c->summary);
    if (c->options[0])
        printf("\n%s", c->options);
    if (c == &command_resume) {
        add_resume_keys(&more);
        printf("\n%s", text_get(&more));
        text_finish(&more);
    }
    printf("\nExample:\n  %s\n", c->example);
    return 0;
}

static void print_verbs(const struct command *const *list, unsigned n) {
    puts("runner " RUNNER_VERSION ": trains neural networks from one YAML file\n\n"
         "  runner EXPERIMENT.yaml [key=value ...]   train\n");
    for (unsigned i = 0; i < n; i++)
        printf("  %-12s %s\n", list[i]->name, list[i]->summary);
    puts("\nrunner VERB --help shows the details of one. Exit codes:");
    for (size_t i = 0; i < sizeof exits / sizeof *exits; i++)
        printf("  %-9s %s\n", exits[i].code, exits[i].meaning);
}

/* ----------------------------------------------------------------- man page */

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

static void man_lines(const char *p) {
    puts(".PP\n.nf");
    while (*p) {
        size_t k = strcspn(p, "\n");
        roff(p, k);
        putchar('\n');
        p += k + (p[k] == '\n');
    }
    puts(".fi");
}

static void man_verb(const struct command *c) {
    printf(".SS ");
    roff_line(c->name);
    printf(".B runner ");
    roff_line(c->usage);
    puts(".PP");
    roff_line(c->summary);
    if (c->options[0])
        man_lines(c->options);
    if (c == &command_resume) {
        struct text keys = {0};
        add_resume_keys(&keys);
        man_lines(text_get(&keys));
        text_finish(&keys);
    }
    printf(".PP\nExample:\n.PP\n.nf\n    ");
    roff_line(c->example);
    puts(".fi");
}

static void print_man(const struct command *const *list, unsigned n) {
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
         "    \\(tischedule              take away\n"
         ".fi\n.SH COMMANDS");
    for (unsigned i = 0; i < n; i++)
        man_verb(list[i]);
    puts(".SH OUTPUT\n"
         "Results go to standard output, progress, warnings and errors to standard "
         "error.\n"
         ".PP\nA program that must know which data a crash can no longer destroy asks for "
         "it with\n.B \\-\\-ack\nor\n.BR \\-\\-progress=json :\n"
         "standard output then has a line\n.I ACK ckpt step=N\nfor each checkpoint "
         "and\n.I ACK metrics row=N\nfor the rows of the record, each written only "
         "after the data is safe on disk.");
    puts(".SH SIGNALS\n"
         "The first SIGINT or SIGTERM finishes the step, saves and leaves with 75; a "
         "second "
         "one leaves at once. SIGUSR1 saves and goes on.\n.SH EXIT STATUS");
    for (size_t i = 0; i < sizeof exits / sizeof *exits; i++)
        printf(".TP\n.B %s\n%s\n", exits[i].code, exits[i].meaning);
    puts(
        ".SH ENVIRONMENT\n"
        ".TP\n.B RUNNER_PLUGIN_PATH\nfolders of plugins, separated by colons, searched "
        "first\n"
        ".TP\n.B RUNNER_ISA\nthe highest level of instruction sets to use, below what "
        "the "
        "processor has: base, avx2, avx512, or native for all of them\n"
        ".TP\n.B NO_COLOR\nno colour in errors\n"
        ".SH FILES\n"
        ".TP\n.I .runner/plugins\nplugins of a project\n"
        ".TP\n.I \\(ti/.local/share/runner/plugins\nplugins of a user (or under "
        "XDG_DATA_HOME)\n"
        ".TP\n.I runs/NAME/latest\nthe newest run of the experiment NAME");
}

static int help(int argc, char **argv) {
    struct flags f;
    unsigned n;
    const struct command *const *list = command_list(&n);
    int code = flags_parse(&command_help, argc, argv, "man", &f);
    if (code || f.help)
        return code ? code : command_print_help(&command_help);
    if (f.man) {
        print_man(list, n);
        return 0;
    }
    if (!f.positional) {
        print_verbs(list, n);
        return 0;
    }
    for (unsigned i = 0; i < n; i++)
        if (strcmp(list[i]->name, f.arg[0]) == 0)
            return command_print_help(list[i]);
    return unknown_verb(f.arg[0]);
}

const struct command command_help = {
    "help",
    "help [VERB] [--man]",
    "list the verbs, or explain one",
    "  --man  everything, as a man page: runner help --man | man -l -\n",
    "runner help plan",
    help};

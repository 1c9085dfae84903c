/* SPDX-License-Identifier: Apache-2.0 */
/* Exit codes, errors on stderr, values and paths on a terminal. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/suggest.h"
#include "commands/cli/report.h"

int exit_code(int status) {
    if (status == RN_OK)
        return 0;
    if (status == RN_E_CANCELLED)
        return 75;
    if (status == RN_E_UNSUPPORTED)
        return 4;
    return status < 0 && status >= RN_E_LOCKED ? -status : 1;
}

static bool stderr_colour(void) {
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(STDERR_FILENO) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

static const char *typed = "runner";

const char *program_name(void) {
    return typed;
}

void program_name_set(const char *argv0) {
    if (argv0 && *argv0)
        typed = argv0;
}

void typed_path(const char *path, struct text *out) {
    char here[PATH_MAX];
    size_t n = getcwd(here, sizeof here) ? strlen(here) : 0;
    if (n && strncmp(path, here, n) == 0 && path[n] == '/' && path[n + 1])
        path += n + 1;
    const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                        "/._-+,:=@%";
    if (path[strspn(path, plain)] == '\0') {
        text_add(out, path);
        return;
    }
    text_add(out, "'");
    for (; *path; path++)
        if (*path == '\'')
            text_add(out, "'\\''");
        else
            text_addf(out, "%c", *path);
    text_add(out, "'");
}

int fail_with(const struct diag *d, const struct args *a) {
    struct text t = {0};
    if (a && args_json(a)) {
        diag_json(d, &t);
        print_text(&t);
    } else {
        diag_print(d, &t, stderr_colour());
        fputs(text_get(&t), stderr);
    }
    text_finish(&t);
    int status = diag_status(d);
    return status ? exit_code(status) : 1;
}

void print_text(struct text *t) {
    text_add(t, "\n");
    fputs(text_get(t), stdout);
    text_finish(t);
}

void print_measure(const char *name, double value) {
    struct text t = {0};
    text_addf(&t, "%s ", name);
    text_add_measure(&t, value, 6);
    puts(text_get(&t));
    text_finish(&t);
}

int fail_error(const struct rn_error *e, const struct args *a) {
    struct diag *d = diag_create();
    diag_add(d, e);
    int code = fail_with(d, a);
    diag_destroy(d);
    return code;
}

void print_suggestion(const struct suggest *names, const char *word,
                      const char *fallback) {
    const char *near = suggest_find(names, word);
    if (near)
        fprintf(stderr, "  did you mean '%s'?\n", near);
    else if (fallback)
        fprintf(stderr, "  %s\n", fallback);
}

int verb_unknown(const char *word) {
    struct suggest verbs = {0};
    for (unsigned i = 0; i < VERB_COUNT; i++)
        suggest_add(&verbs, verb_table[i].name);
    const char *near = suggest_find(&verbs, word);
    fprintf(stderr, "runner: error: '%s' is neither a command nor a file\n", word);
    if (near)
        fprintf(stderr, "  did you mean 'runner %s'?\n", near);
    else
        fprintf(stderr, "  runner help lists the verbs\n");
    suggest_finish(&verbs);
    return 2;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* runner: finds the verb. `runner experiment.yaml` is short for `runner train`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <runner/sdk/isa.h>

#include "base/log.h"
#include "base/memory.h"
#include "commands/cli/args.h"
#include "commands/cli/crash.h"
#include "commands/cli/help.h"
#include "commands/cli/report.h"
#include "commands/verbs/verbs.h"

static void out_of_memory(size_t bytes) {
    /* No allocation here. What was acknowledged is on disk already. */
    static const char text[] =
        "runner: error: out of host memory; what was acknowledged is saved\n";
    (void)bytes;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(6);
}

static int run_verb(enum verb_id v, int argc, char **argv) {
    struct args a;
    int code = args_parse(v, argc, argv, &a);
    if (!code && args_has(&a, FLAG_HELP))
        help_verb(v);
    else if (!code)
        code = verb_table[v].run(&a);
    args_finish(&a);
    return code;
}

static bool is_file(const char *word) {
    size_t n = strlen(word);
    return (n > 5 && strcmp(word + n - 5, ".yaml") == 0) ||
           (n > 4 && strcmp(word + n - 4, ".yml") == 0) || access(word, F_OK) == 0;
}

static int run(int argc, char **argv) {
    if (argc < 2) { /* a mistake, so it goes where errors go */
        dup2(STDERR_FILENO, STDOUT_FILENO);
        help_overview();
        return 2;
    }
    const char *word = argv[1];
    enum verb_id v = verb_find(word);
    if (v != VERB_COUNT)
        return run_verb(v, argc - 1, argv + 1);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        help_overview();
        return 0;
    }
    if (strcmp(word, "--version") == 0) {
        puts("runner " RUNNER_VERSION);
        return 0;
    }
    if (word[0] == '-' || is_file(word))
        return run_verb(VERB_DEFAULT, argc, argv);
    return verb_unknown(word);
}

/* What is opened from here on must not become a standard stream that was closed: lines
 * for people would go into the record. Readers find an empty file there, writers a
 * sink.
 */
static void open_standard_streams(void) {
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

static int check_isa(void) {
    enum rn_isa cap;
    const char *wish = rn_isa_wish();
    if (!wish || rn_isa_find(wish, &cap))
        return 0;
    fprintf(
        stderr,
        "runner: error: RUNNER_ISA is '%s': expected base, avx2, avx512 or native\n",
        wish);
    return 2;
}

/* What was printed has been written; a reader that has gone away has read enough. */
static int finish_output(int code) {
    errno = 0;
    if ((fflush(stdout) == 0 && !ferror(stdout)) || errno == EPIPE)
        return code;
    fprintf(stderr, "runner: error: standard output cannot be written: %s\n",
            errno ? strerror(errno) : "output is incomplete");
    return code ? code : 7;
}

int main(int argc, char **argv) {
    open_standard_streams();
    program_name_set(argv[0]);
    memory_on_failure(out_of_memory);
    crash_catch();
    /* Threads that wait for work sleep soon: a busy machine must not slow them down. */
    setenv("GOMP_SPINCOUNT", "10000", 0);
    int code = check_isa();
    return crash_over(finish_output(code ? code : run(argc, argv)));
}

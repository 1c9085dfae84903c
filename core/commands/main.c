/* SPDX-License-Identifier: Apache-2.0 */
/* runner: finds the verb. `runner experiment.yaml` is short for `runner train`. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <runner/sdk/isa.h>

#include "base/log.h"
#include "base/memory.h"
#include "commands/commands.h"

static const struct command *const verbs[] = {
    &command_train,  &command_resume,     &command_eval,    &command_predict,
    &command_plan,   &command_bench,      &command_profile, &command_config,
    &command_schema, &command_verify,     &command_recover, &command_plugin,
    &command_doctor, &command_completion, &command_help};

const struct command *const *command_list(unsigned *count) {
    *count = sizeof verbs / sizeof verbs[0];
    return verbs;
}

static void out_of_memory(size_t bytes) {
    /* No allocation here. What was acknowledged is on disk already. */
    static const char text[] =
        "runner: error: out of host memory; what was acknowledged is saved\n";
    (void)bytes;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(6);
}

static void to_stderr(void *context, int level, const char *line) {
    (void)context;
    if (level > RN_LOG_DEBUG)
        fprintf(stderr, "%s%s\n", level == RN_LOG_WARNING ? "warning: " : "", line);
}

int unknown_verb(const char *word) {
    const char *names[sizeof verbs / sizeof verbs[0]];
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        names[i] = verbs[i]->name;
    const char *near = error_nearest(word, names, sizeof verbs / sizeof verbs[0]);
    fprintf(stderr, "runner: error: '%s' is neither a command nor a file\n", word);
    if (near)
        fprintf(stderr, "  did you mean 'runner %s'?\n", near);
    else
        fprintf(stderr, "  runner help lists the verbs\n");
    return 2;
}

static int run_verb(int argc, char **argv) {
    if (argc < 2) { /* a mistake, so it goes where errors go */
        dup2(STDERR_FILENO, STDOUT_FILENO);
        command_help.run(1, argv);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return command_help.run(1, argv);
    if (strcmp(argv[1], "--version") == 0) {
        puts("runner " RUNNER_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(argv[1], verbs[i]->name) == 0)
            return verbs[i]->run(argc - 1, argv + 1);
    size_t n = strlen(argv[1]);
    bool yaml = (n > 5 && strcmp(argv[1] + n - 5, ".yaml") == 0) ||
                (n > 4 && strcmp(argv[1] + n - 4, ".yml") == 0);
    if (argv[1][0] == '-' || yaml || access(argv[1], F_OK) == 0)
        return command_train.run(argc, argv);
    return unknown_verb(argv[1]);
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
    log_to(to_stderr, NULL);
    int code = check_isa();
    return crash_over(finish_output(code ? code : run_verb(argc, argv)));
}

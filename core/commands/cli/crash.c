/* SPDX-License-Identifier: Apache-2.0 */
/* When the process dies under foreign code (a plugin, a library that takes a failed
 * allocation badly): say where, and that what was acknowledged is safe. */
#include <execinfo.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/module.h"
#include "commands/cli/crash.h"
#include "plugin/plugin.h"

static bool over;

static void say(const char *text) {
    (void)!write(STDERR_FILENO, text, strlen(text));
}

#if !defined(__SANITIZE_ADDRESS__) /* which reports crashes itself */

static char stack[64 << 10]; /* of the handler: the other one may be used up */

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The module of the innermost frames above the C library. */
static const char *culprit(void) {
    static const char *const carriers[] = {
        "libc.", "libc-", "libgcc_s", "libstdc++", "libpthread", "ld-linux", "ld."};
    void *frames[64];
    const void *self = NULL, *base;
    int n = backtrace(frames, 64);
    module_at((const void *)(uintptr_t)culprit, &self);
    bool left = false; /* this handler's own frames come first */
    for (int i = 0; i < n; i++) {
        const char *file = module_at(frames[i], &base);
        if (!file)
            continue;
        bool carrier = false;
        for (size_t k = 0; k < sizeof carriers / sizeof carriers[0]; k++)
            carrier |= strncmp(file_name(file), carriers[k], strlen(carriers[k])) == 0;
        left |= carrier;
        if (left && !carrier)
            return base == self ? "runner" : file_name(file);
    }
    return "runner";
}

static const char *signal_name(int number) {
    switch (number) {
    case SIGSEGV:
        return "memory that is not there (SIGSEGV)";
    case SIGBUS:
        return "memory that is not there (SIGBUS)";
    case SIGFPE:
        return "an impossible division (SIGFPE)";
    case SIGILL:
        return "an instruction that is not known (SIGILL)";
    default:
        return "it gave up (SIGABRT)";
    }
}

static void on_crash(int number) {
    static volatile sig_atomic_t crashed;
    if (crashed++) { /* again, while looking for the place: its stack is damaged */
        say("runner: error: crashed in code that cannot be named: ");
        say(signal_name(number));
        say("\n");
        _exit(70);
    }
    const char *module = culprit(), *component = plugin_in_call();
    bool own = strcmp(module, "runner") == 0 && !component[0];
    say("runner: error: crashed in ");
    say(module);
    if (component[0]) {
        say(", while ");
        say(component);
        say(" was asked");
    }
    say(": ");
    say(signal_name(number));
    say("\n  what was acknowledged is saved; runner verify RUN, then runner resume "
        "RUN\n");
    _exit(own ? 1 : 70);
}

static void catch_signals(void) {
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    void *frames[2];
    stack_t place = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction a = {.sa_handler = on_crash,
                          .sa_flags = SA_ONSTACK | SA_NODEFER};
    backtrace(frames, 2); /* loads what it needs, now */
    sigaltstack(&place, NULL);
    sigemptyset(&a.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &a, NULL);
}

#else

static void catch_signals(void) {
}

#endif

/* A library ended the process by itself, as HDF5 does without memory. */
static void on_exit_unasked(void) {
    if (over)
        return;
    say("runner: error: a library ended the process (out of memory?)\n"
        "  what was acknowledged is saved; runner verify RUN, then runner resume "
        "RUN\n");
    _exit(70);
}

void crash_catch(void) {
    catch_signals();
    atexit(on_exit_unasked);
}

int crash_over(int code) {
    over = true;
    return code;
}

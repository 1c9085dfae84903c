/* SPDX-License-Identifier: Apache-2.0 */
/* A child process behind a pipe, with a limit on silence. */
#define _GNU_SOURCE /* dladdr, pipe2 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <runner/sdk/field.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <runner/sdk/error.h>

#include "hdf5_child.h"

extern char **environ;

#define SLICE_MS 100 /* between two looks at whether the run is stopping */

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The path of `program` in the folder of this plugin. */
static int beside(const char *program, char out[PATH_MAX]) {
    static const char here;
    Dl_info at;
    if (!dladdr(&here, &at) || !at.dli_fname)
        return 0;
    const char *slash = strrchr(at.dli_fname, '/');
    int n =
        snprintf(out, PATH_MAX, "%.*s%s", slash ? (int)(slash - at.dli_fname) + 1 : 0,
                 at.dli_fname, program);
    return n > 0 && n < PATH_MAX;
}

/* No descriptor but the pipe, default signals: nothing of the run is in the child. */
static int spawn(pid_t *pid, const char *path, char **argv, int out) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, all;
    int code = posix_spawn_file_actions_init(&files);
    if (code)
        return code;
    if ((code = posix_spawnattr_init(&how)) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return code;
    }
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &all);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    code = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    if (!code)
        code = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null",
                                                O_RDONLY, 0);
    if (!code)
        code = posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null",
                                                O_WRONLY, 0);
    if (!code)
        code = posix_spawn(pid, path, &files, &how, argv, environ);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return code;
}

int32_t hdf5_child_start(struct hdf5_child *c, const char *program, char **argv,
                         struct rn_error *e) {
    char path[PATH_MAX];
    int ends[2];
    c->pid = 0;
    c->out = -1;
    if (!beside(program, path))
        return rn_failf(e, RN_E_PLUGIN, NULL, 0, 0,
                        "the folder of the plugin is not known");
    if (pipe2(ends, O_CLOEXEC) != 0)
        return rn_failf(e, RN_E_IO, c->file, 0, 0, "no pipe to a child process: %s",
                        strerror(errno));
    argv[0] = path;
    int code = spawn(&c->pid, path, argv, ends[1]);
    close(ends[1]);
    c->out = ends[0];
    if (!code)
        return RN_OK;
    c->pid = 0;
    return rn_failf(e, code == ENOENT || code == EACCES ? RN_E_PLUGIN : RN_E_IO, path,
                    0, 0, "the program that reads HDF5 files cannot be started: %s",
                    strerror(code));
}

void hdf5_child_stop(struct hdf5_child *c) {
    if (c->out >= 0)
        close(c->out);
    if (c->pid > 0) {
        kill(c->pid, SIGKILL);
        while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    c->out = -1;
    c->pid = 0;
}

/* It closed its output before it had said everything. */
static int32_t ended(struct hdf5_child *c, const char *what, struct rn_error *e) {
    int status = 0;
    pid_t got;
    while ((got = waitpid(c->pid, &status, 0)) < 0 && errno == EINTR)
        ;
    c->pid = 0;
    const char *quote = what ? "'" : "", *at = what ? what : "";
    if (got > 0 && WIFSIGNALED(status)) {
        rn_failf(e, RN_E_DATA, c->file, 0, 0,
                 "%s%.160s%s%sthe HDF5 library crashed while reading it (signal %d)",
                 quote, at, quote, what ? ": " : "", WTERMSIG(status));
        rn_hintf(e, "the file is damaged; HDF5's h5check or h5dump may say where");
        return RN_E_DATA;
    }
    rn_failf(e, RN_E_DATA, c->file, 0, 0,
             "%s%.160s%s%scannot be read: the file is cut short or damaged", quote, at,
             quote, what ? ": " : "");
    rn_hintf(e,
             "or its chunks need more memory than the source's `memory` (MiB) allows");
    return RN_E_DATA;
}

int32_t hdf5_child_read(struct hdf5_child *c, void *to, uint64_t bytes,
                        const char *what, struct rn_error *e) {
    uint8_t *p = to;
    int64_t last = now_ms();
    while (bytes) {
        struct pollfd ready = {c->out, POLLIN, 0};
        int n = poll(&ready, 1, SLICE_MS);
        if (rn_cancelled(c->host))
            return rn_failf(e, RN_E_CANCELLED, c->file, 0, 0, "reading was stopped");
        if (n < 0 && errno != EINTR)
            return rn_failf(e, RN_E_IO, c->file, 0, 0, "cannot be read: %s",
                            strerror(errno));
        if (n <= 0 && now_ms() - last < c->timeout_ms)
            continue;
        if (n <= 0) {
            rn_failf(e, RN_E_DATA, c->file, 0, 0,
                     "the HDF5 library made no progress with it for %lld s",
                     (long long)(c->timeout_ms / 1000));
            rn_hintf(e,
                     "the file is damaged; if it is on a slow disk, raise the source's "
                     "`timeout`");
            return RN_E_DATA;
        }
        ssize_t got = read(c->out, p, bytes < (1u << 30) ? bytes : 1u << 30);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return rn_failf(e, RN_E_IO, c->file, 0, 0, "cannot be read: %s",
                            strerror(errno));
        if (got == 0)
            return ended(c, what, e);
        p += got, bytes -= (uint64_t)got;
        last = now_ms();
    }
    return RN_OK;
}

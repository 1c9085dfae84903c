/* SPDX-License-Identifier: Apache-2.0 */
/* Signals of train and resume: a stop is asked for and heeded by the loop; where there
 * is nothing to lose, the process ends soon whether it is heeded or not. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "commands/cli/signals.h"

enum { tick_ms = 100, patience = 3 /* ticks */ };

static volatile sig_atomic_t stop_signal, leave_now, save_asked, watched;
static sem_t asked; /* posted by each signal that asks for a stop */
static _Atomic(const struct signals_end *) end; /* NULL: not yet */

static void on_signal(int number) {
    int code = errno;
    if (number == SIGUSR1) {
        save_asked = 1;
        return;
    }
    if (stop_signal) /* the second one */
        leave_now = number;
    else
        stop_signal = number;
    if (leave_now && !watched)
        _exit(128 + number);
    sem_post(&asked);
    errno = code;
}

/* The children of this process, compilers and readers, each with a group of its own or
 * as one process: what kill() takes. */
static size_t find_children(pid_t *out, size_t capacity) {
    size_t count = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *f; d && count < capacity && (f = readdir(d));) {
        char path[300], line[600] = "";
        if (!isdigit((unsigned char)f->d_name[0]))
            continue;
        snprintf(path, sizeof path, "/proc/%s/stat", f->d_name);
        FILE *stat = fopen(path, "re");
        if (!stat)
            continue;
        char *name_end = fgets(line, sizeof line, stat) ? strrchr(line, ')') : NULL;
        char state;
        int parent, group;
        if (name_end &&
            sscanf(name_end + 1, " %c %d %d", &state, &parent, &group) == 3 &&
            parent == getpid()) {
            pid_t child = (pid_t)atol(f->d_name);
            out[count++] = group == child ? -child : child;
        }
        fclose(stat);
    }
    if (d)
        closedir(d);
    return count;
}

/* Ends the process, then its children: a thread that waits for one of them would start
 * the next if it saw the end of the first. So a process of its own kills them once this
 * one is gone. */
static void leave(int code) {
    const struct timespec nap = {0, 1000000};
    pid_t children[64], self = getpid();
    size_t n = find_children(children, sizeof children / sizeof children[0]);
    pid_t helper = n ? fork() : -1;
    if (helper > 0)
        _exit(code);
    while (helper == 0 && getppid() == self)
        nanosleep(&nap, NULL);
    for (size_t i = 0; i < n; i++)
        kill(children[i], SIGKILL);
    _exit(code);
}

static void put(int fd, const char *line) {
    if (line)
        (void)!write(fd, line, strlen(line));
}

/* After the first signal: ends the process at the second one, or once leaving has been
 * allowed for some ticks. */
static void *watch(void *unused) {
    (void)unused;
    while (sem_wait(&asked) != 0)
        ;
    for (int ticks = 0;;) {
        const struct timespec t = clock_deadline(tick_ms);
        (void)sem_timedwait(&asked, &t);
        if (leave_now)
            leave(128 + leave_now);
        const struct signals_end *last = atomic_load(&end);
        ticks = last ? ticks + 1 : 0;
        if (ticks >= patience) {
            put(STDERR_FILENO, last->line);
            put(STDOUT_FILENO, last->json);
            leave(signals_code(last));
        }
    }
    return NULL;
}

void signals_catch(void) {
    struct sigaction a;
    pthread_t thread;
    sigset_t all, before;
    sem_init(&asked, 0, 0);
    memset(&a, 0, sizeof a);
    a.sa_handler = on_signal;
    sigemptyset(&a.sa_mask);
    a.sa_flags = SA_RESTART;
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGUSR1, &a, NULL);
    a.sa_handler = SIG_IGN;
    sigaction(SIGHUP, &a, NULL);  /* a closed terminal does not end a run */
    sigaction(SIGXFSZ, &a, NULL); /* a full quota is an error of write, not a death */
    sigaction(SIGPIPE, &a, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    watched = pthread_create(&thread, NULL, watch, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (watched)
        pthread_detach(thread);
}

void signals_may_leave(const struct signals_end *last) {
    atomic_store(&end, last);
}

bool signals_stop(void) {
    return stop_signal != 0;
}

bool signals_save(void) {
    bool save = save_asked;
    if (save)
        save_asked = 0;
    return save;
}

int signals_code(const struct signals_end *last) {
    return last->code ? last->code : 128 + stop_signal;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Removing old checkpoints. A file system takes as long to free hundreds of megabytes
 * as to write them: the names go at once, the space in a thread. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "record/state.h"

/* Paths of `text`, each with a NUL behind it. */
static void *remove_all(void *context) {
    struct text *doomed = context;
    for (size_t at = 0; at < doomed->length; at += strlen(doomed->s + at) + 1)
        unlink(doomed->s + at);
    doomed->length = 0;
    return NULL;
}

void drop_add(struct record *r, const char *path) {
    struct arena *a = arena_create();
    const char *name = strrchr(path, '/') + 1;
    /* A temporary name: what a kill leaves of it goes when the run is opened again. */
    const char *temp =
        arena_format(a, "%.*s.%s.old.tmp", (int)(name - path), path, name);
    drop_wait(r);
    if (rename(path, temp) == 0)
        text_add_n(&r->drop.doomed, temp, strlen(temp) + 1);
    else if (unlink(path))
        log_say(r->session_log, RN_LOG_WARNING,
                "cannot remove the old checkpoint %s: %s", path, strerror(errno));
    arena_destroy(a);
}

void drop_start(struct record *r) {
    sigset_t all, before;
    if (!r->drop.doomed.length || r->drop.running)
        return;
    sigfillset(&all); /* signals are for the host's threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r->drop.running =
        pthread_create(&r->drop.thread, NULL, remove_all, &r->drop.doomed) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!r->drop.running)
        remove_all(&r->drop.doomed);
}

void drop_wait(struct record *r) {
    if (r->drop.running)
        pthread_join(r->drop.thread, NULL);
    r->drop.running = false;
}

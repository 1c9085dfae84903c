/* SPDX-License-Identifier: Apache-2.0 */
/* From the regions of a program to functions in them: text, cache, the host's compiler,
 * a thread that waits for it. The compiler gets the flags that the block kernels are
 * built with and no header: a machine with a compiler needs nothing else.
 *
 * Everything that may go wrong here (no compiler, no folder, a compiler's error) leaves
 * the regions interpreted: slower, with the same results. */
#define _GNU_SOURCE /* a thread's own priority, Linux */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiled.h"

#define FORMAT  "runner regions 1" /* of text and call */
#define NICE    5                  /* of the compiler in the background */
#define LONGEST 4096               /* bytes of a path */

extern char **environ;

struct cpu_compiler {
    struct rn_host *host;
    const struct cpu_isa *isa;
    bool wait;
    char *program;        /* the compiler, absolute or as given */
    struct cache_key key; /* of the compiler and its flags */
    char *folder;         /* of the cache, or NULL */
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t changed;
    pthread_t thread;
    bool started, stop;
    pid_t child; /* a compiler that runs, and its group */
    struct cpu_compiled *first;
};

enum state { IDLE, QUEUED, RUNNING, DONE };

struct cpu_compiled {
    struct cpu_compiler *compiler;
    struct cpu_compiled *next;
    enum state state;
    bool dropped; /* while it ran: the thread frees it */
    struct source_text source;
    struct cache_key key;
    uint32_t count;
    struct region **regions;
    uint32_t *function; /* of each region */
    void *so;
};

/* --------------------------------------------------------------- compiler */

static void say(const struct cpu_compiler *c, int32_t level, const char *format,
                const char *what) {
    char line[512];
    if (!c->host->api->log)
        return;
    snprintf(line, sizeof line, format, what);
    c->host->api->log(c->host, level, line);
}

static char *in_path(const char *name) {
    const char *path = getenv("PATH");
    char file[LONGEST];
    if (strchr(name, '/'))
        return access(name, X_OK) == 0 ? strdup(name) : NULL;
    while (path && *path) {
        size_t n = strcspn(path, ":");
        struct stat s;
        if (n && n + strlen(name) + 2 < sizeof file) {
            snprintf(file, sizeof file, "%.*s/%s", (int)n, path, name);
            if (stat(file, &s) == 0 && S_ISREG(s.st_mode) && access(file, X_OK) == 0)
                return strdup(file);
        }
        path += n + (path[n] == ':');
    }
    return NULL;
}

/* As meson.build has them for the block kernels, so that the bits are the same; levels
 * of x86-64, never the machine's own: folders may be shared between machines. */
static const char *const flags_base[] = {
#if defined(__x86_64__)
    "-march=x86-64",
#endif
    NULL};
static const char *const flags_v3[] = {"-march=x86-64-v3", NULL};
static const char *const flags_v4[] = {"-march=x86-64-v4", "-mprefer-vector-width=512",
                                       NULL};
static const char *const flags_all[] = {"-w",
                                        "-std=gnu17",
                                        "-O3",
                                        "-ffp-contract=off",
                                        "-fno-math-errno",
                                        "-fno-trapping-math",
                                        "-fno-tree-pre",
                                        "-fno-strict-aliasing",
                                        "-fPIC",
                                        "-shared",
                                        "-nostdlib",
                                        "-s",
                                        NULL};

static const char *const *isa_flags(const struct cpu_isa *isa) {
    return strcmp(isa->name, "v4") == 0   ? flags_v4
           : strcmp(isa->name, "v3") == 0 ? flags_v3
                                          : flags_base;
}

/* What a compiler is, without asking it: its file. */
static void identify(struct cpu_compiler *c) {
    char *real = realpath(c->program, NULL), text[128];
    struct stat s;
    cache_key_add(&c->key, FORMAT);
    cache_key_add(&c->key, real ? real : c->program);
    if (stat(c->program, &s) == 0) {
        snprintf(text, sizeof text, "%lld %lld %ld", (long long)s.st_size,
                 (long long)s.st_mtim.tv_sec, (long)s.st_mtim.tv_nsec);
        cache_key_add(&c->key, text);
    }
    for (size_t i = 0; i < cpu_expression_count; i++) { /* calls are by number */
        const struct cpu_expression *x = &cpu_expressions[i];
        snprintf(text, sizeof text, "%s %x %x", x->op, (unsigned)x->in,
                 (unsigned)x->out);
        cache_key_add(&c->key, text);
    }
    for (const char *const *f = flags_all; *f; f++)
        cache_key_add(&c->key, *f);
    for (const char *const *f = isa_flags(c->isa); *f; f++)
        cache_key_add(&c->key, *f);
    free(real);
}

int32_t cpu_compiler_create(struct rn_host *h, const struct cpu_isa *isa,
                            struct cpu_compiler **out, struct rn_error *e) {
    static const char *const names[] = {"cc", "gcc", "clang"};
    const char *mode = rn_get_string(h, "generate"),
               *given = rn_has(h, "compiler") ? rn_get_string(h, "compiler") : NULL;
    *out = NULL;
    if (strcmp(mode, "off") == 0)
        return RN_OK;
    struct cpu_compiler *c = calloc(1, sizeof *c);
    if (!c)
        return rn_fail(e, RN_E_MEMORY, "no memory for a backend", NULL, NULL);
    c->host = h;
    c->isa = isa;
    c->wait = strcmp(mode, "wait") == 0;
    for (int i = 0; !given && i < 3 && !c->program; i++)
        c->program = in_path(names[i]);
    if (given && !(c->program = in_path(given))) {
        free(c);
        return rn_fail(
            e, RN_E_CONFIG, "there is no such compiler",
            "leave `compiler` out to use the system's, or set `generate: off`",
            "compiler");
    }
    if (!c->program) {
        say(c, c->wait ? RN_LOG_WARNING : RN_LOG_DEBUG,
            "no C compiler in PATH: elementwise regions are interpreted%s", "");
        free(c);
        return RN_OK;
    }
    identify(c);
    c->folder = cache_folder("regions");
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    *out = c;
    return RN_OK;
}

/* ---------------------------------------------------------------- building */

static bool write_source(const struct source_text *t, const char *file) {
    FILE *f = fopen(file, "w");
    bool good = f && fwrite(t->data, 1, t->length, f) == t->length;
    return (f ? fclose(f) == 0 : false) && good;
}

/* Run the compiler on scratch/region.c. With its own group, so that all of it can be
 * ended, and its temporary files in our folder, so that none is left. */
static bool run_compiler(struct cpu_compiler *c, const char *scratch,
                         const char *source, const char *target) {
    char tmp[LONGEST + 8];
    const char *argv[40];
    size_t n = 0, vars = 0, k = 0;
    snprintf(tmp, sizeof tmp, "TMPDIR=%s", scratch);
    argv[n++] = c->program;
    for (const char *const *f = flags_all; *f; f++)
        argv[n++] = *f;
    for (const char *const *f = isa_flags(c->isa); *f; f++)
        argv[n++] = *f;
    argv[n++] = "-o";
    argv[n++] = target;
    argv[n++] = source;
    argv[n] = NULL;
    while (environ && environ[vars])
        vars++;
    char **env = calloc(vars + 2, sizeof *env);
    if (!env)
        return false;
    for (size_t i = 0; i < vars; i++)
        if (strncmp(environ[i], "TMPDIR=", 7) != 0)
            env[k++] = environ[i];
    env[k] = tmp;

    posix_spawnattr_t attr;
    posix_spawn_file_actions_t files;
    sigset_t none, usual;
    sigemptyset(&none);
    sigfillset(&usual);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &usual);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    /* HDF5 locks what it writes, and does not close it in children. */
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
#endif
    pid_t child = 0;
    char *args[40];
    memcpy(args, argv, sizeof args); /* spawn writes to none of them */
    pthread_mutex_lock(&c->lock);
    bool ran =
        !c->stop && posix_spawn(&child, c->program, &files, &attr, args, env) == 0;
    c->child = ran ? child : 0;
    pthread_mutex_unlock(&c->lock);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    free(env);
    if (!ran)
        return false;
    siginfo_t info;
    int status = -1;
    while (waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&c->lock); /* not reaped before nobody signals it any more */
    c->child = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    pthread_mutex_unlock(&c->lock);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void *build(struct cpu_compiler *c, const struct cpu_compiled *p) {
    char source[LONGEST], target[LONGEST];
    char *scratch = cache_scratch(c->folder), *place = NULL;
    bool fits = scratch && strlen(scratch) + 16 < sizeof source;
    if (fits) {
        snprintf(source, sizeof source, "%s/region.c", scratch);
        snprintf(target, sizeof target, "%s/region.so", scratch);
        if (write_source(&p->source, source) &&
            run_compiler(c, scratch, source, target))
            place = cache_put(c->folder, &p->key, target);
    }
    void *so = place ? cache_open(place, &p->key) : NULL;
    say(c, RN_LOG_DEBUG, so ? "regions compiled by %s" : "%s compiled no regions",
        c->program);
    cache_scratch_remove(scratch);
    free(place);
    return so;
}

/* Every region gets its function. With the lock held, or before the first run. */
static void install(struct cpu_compiled *p, void *so) {
    for (uint32_t i = 0; i < p->count; i++) {
        char name[32];
        snprintf(name, sizeof name, "region_%u", p->function[i]);
        atomic_store_explicit(&p->regions[i]->fn, cache_function(so, name),
                              memory_order_release);
    }
    p->so = so;
}

static void compiled_free(struct cpu_compiled *p) {
    if (p->so)
        cache_close(p->so);
    free(p->source.data);
    free(p->regions);
    free(p->function);
    free(p);
}

static void *work(void *context) {
    struct cpu_compiler *c = context;
    setpriority(PRIO_PROCESS, 0, NICE); /* this thread, and what it starts */
    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (!c->first && !c->stop)
            pthread_cond_wait(&c->changed, &c->lock);
        if (c->stop)
            break;
        struct cpu_compiled *p = c->first;
        c->first = p->next;
        p->state = RUNNING;
        pthread_mutex_unlock(&c->lock);
        void *so = build(c, p);
        pthread_mutex_lock(&c->lock);
        p->state = DONE;
        if (so && !p->dropped)
            install(p, so);
        else if (so)
            cache_close(so);
        if (p->dropped)
            compiled_free(p);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

void cpu_compiler_destroy(struct cpu_compiler *c) {
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    if (c->child > 0)
        kill(-c->child, SIGKILL);
    pthread_cond_broadcast(&c->changed);
    bool started = c->started;
    pthread_mutex_unlock(&c->lock);
    if (started)
        pthread_join(c->thread, NULL);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c->folder);
    free(c->program);
    free(c);
}

/* ---------------------------------------------------------------- programs */

/* One function for all regions with the same text. */
static bool write_functions(struct cpu_compiled *p, uint32_t count,
                            struct region *const *regions) {
    struct source_text *texts = calloc((size_t)count + 1, sizeof *texts);
    uint32_t functions = 0;
    bool good = texts != NULL;
    for (uint32_t i = 0; i < count && good; i++) {
        struct source_text *t = &texts[functions];
        uint32_t at = 0;
        t->length = 0;
        if (!cpu_generate_text(regions[i], p->compiler->isa, t)) {
            good = !t->failed;
            continue; /* stays interpreted */
        }
        while (at < functions && strcmp(texts[at].data, t->data) != 0)
            at++;
        functions += at == functions;
        p->regions[p->count] = regions[i];
        p->function[p->count++] = at;
    }
    for (const char *const *line = cpu_generate_prelude; *line; line++)
        source_text_add(&p->source, "%s\n", *line);
    for (uint32_t i = 0; i < functions; i++)
        source_text_add(&p->source, "\nvoid region_%u%s", i, texts[i].data);
    for (uint32_t i = 0; texts && i <= count; i++)
        free(texts[i].data);
    free(texts);
    return good && !p->source.failed;
}

struct cpu_compiled *cpu_compiled_create(struct cpu_compiler *c, uint32_t count,
                                         struct region *const *regions) {
    struct cpu_compiled *p = c && count ? calloc(1, sizeof *p) : NULL;
    if (!p)
        return NULL;
    p->compiler = c;
    p->regions = calloc(count, sizeof(*p->regions));
    p->function = calloc(count, sizeof *p->function);
    if (!p->regions || !p->function || !write_functions(p, count, regions) ||
        !p->count) {
        compiled_free(p);
        return NULL;
    }
    p->key = c->key;
    cache_key_add(&p->key, p->source.data);
    char *path = c->folder ? cache_path(c->folder, &p->key, "so") : NULL;
    void *so = path ? cache_open(path, &p->key) : NULL;
    free(path);
    if (!so && c->wait)
        so = build(c, p);
    if (so)
        install(p, so);
    if (so || c->wait)
        p->state = DONE;
    return p;
}

bool cpu_compiled_waits(const struct cpu_compiled *p) {
    return p && p->state == IDLE;
}

void cpu_compiled_start(struct cpu_compiled *p) {
    struct cpu_compiler *c = p->compiler;
    pthread_mutex_lock(&c->lock);
    if (!c->started) {
        sigset_t all, before; /* signals are for the host's threads */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        c->started = pthread_create(&c->thread, NULL, work, c) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    p->state = c->started ? QUEUED : DONE;
    if (c->started) {
        struct cpu_compiled **last = &c->first;
        while (*last)
            last = &(*last)->next;
        *last = p;
        pthread_cond_broadcast(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
}

void cpu_compiled_destroy(struct cpu_compiled *p) {
    if (!p)
        return;
    struct cpu_compiler *c = p->compiler;
    pthread_mutex_lock(&c->lock);
    for (struct cpu_compiled **at = &c->first; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            break;
        }
    if (p->state == RUNNING) {
        p->dropped = true; /* what it makes is for the cache */
        p->count = 0;
        p = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    if (p)
        compiled_free(p);
}

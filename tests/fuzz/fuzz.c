/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged files by chance, through a reader of data (fuzz.py makes the seeds):
 *
 *     fuzz SPEC SECONDS SEED     change the seeds of the spec for that long
 *     fuzz SPEC replay CASE FILE read this file as case CASE (0 on)
 *
 * Each input is read, or refused with a message that names the file, in bounded time
 * and memory. What it does not survive remains in the scratch folder, with the number
 * of the input and its case in the file `state` there. A spec has lines of fields
 * between tabs:
 *
 *     plugin  FILE           the built source
 *     folder  FOLDER         for `state`, and a folder for the input of each case
 *     memory  MIB            most that an input may take
 *     word    HEX            bytes that mean something in the format
 *     found   FILE NAME KEY=VALUE ...   as case, for a file that need not be good
 *     case    SEED NAME KEY=VALUE ...   a seed, the input's name; options, in which @
 * is the input and % its folder
 *
 * Inputs that were read, or refused with another message than all before, are seeds for
 * further ones: the messages say how far a reader got. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"
#include "mutate.h"
#include "reader.h"
#include "small_host.h"

#define OPTIONS_MAX 24
#define CASES_MAX   64
#define SEEDS_MAX   512
#define TEXTS_MAX   512 /* different messages */
#define SECONDS_MAX 5   /* of processor time for an input; the children's excluded */
#define WALL_MAX    60

struct plan {
    char *folder, *input; /* kept until the end */
    struct option options[OPTIONS_MAX + 1];
};

struct seed {
    struct input input;
    uint32_t plan;
    int found; /* an earlier failure: it may be refused */
};

struct fuzz {
    struct mutator m;
    struct reader reader;
    char folder[400];
    char *state; /* one page, shared with the file */
    uint64_t memory, inputs, read;
    uint32_t plan_count, seed_count, first_seeds, text_count;
    struct plan plans[CASES_MAX];
    struct seed seeds[SEEDS_MAX];
    uint64_t texts[TEXTS_MAX];
};

static void fail(const char *text) {
    fprintf(stderr, "fuzz: %s\n", text);
    exit(2);
}

/* -------------------------------------------------------------------------- spec */

static struct input file_read(const char *path) {
    struct input in = {malloc(INPUT_MAX), 0};
    FILE *f = fopen(path, "rb");
    if (!in.bytes || !f)
        fail(path);
    in.n = fread(in.bytes, 1, INPUT_MAX, f);
    fclose(f);
    return in;
}

/* The text up to the next tab, which is cut off `*rest`; NULL behind the last one. */
static char *next_field(char **rest) {
    char *field = *rest, *tab = field ? strchr(field, '\t') : NULL;
    if (tab)
        *tab++ = '\0';
    *rest = tab;
    return field;
}

static void word_add(struct mutator *m, const char *hex) {
    m->words = realloc(m->words, (m->word_count + 1) * sizeof *m->words);
    struct input *w = &m->words[m->word_count++];
    *w = (struct input){malloc(strlen(hex) + 1), 0};
    for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        w->bytes[w->n++] = (uint8_t)byte;
}

/* A copy with the paths in it; kept until the end. */
static const char *option_text(const char *t, const struct plan *p) {
    char out[1024];
    size_t n = 0;
    for (; *t && n < sizeof out - 1; t++) {
        const char *put = *t == '@' ? p->input : *t == '%' ? p->folder : NULL;
        n += (size_t)snprintf(out + n, sizeof out - n, "%.*s", put ? 600 : 1,
                              put ? put : t);
    }
    return strdup(out);
}

static void case_add(struct fuzz *f, char *rest, int found) {
    struct plan *p = &f->plans[f->plan_count];
    char *seed = next_field(&rest), *name = next_field(&rest);
    char path[512];
    uint32_t n = 0;
    if (f->plan_count == CASES_MAX || !name)
        fail("too many cases");
    snprintf(path, sizeof path, "%s/%u", f->folder, f->plan_count);
    p->folder = strdup(path);
    snprintf(path, sizeof path, "%s/%u/%s", f->folder, f->plan_count, name);
    p->input = strdup(path);
    if (mkdir(p->folder, 0700) != 0)
        fail(p->folder);
    for (char *o; (o = next_field(&rest)) && n < OPTIONS_MAX;) {
        char *value = strchr(o, '=');
        if (!value)
            fail(o);
        *value++ = '\0';
        p->options[n++] = (struct option){strdup(o), option_text(value, p)};
    }
    f->seeds[f->seed_count++] = (struct seed){file_read(seed), f->plan_count++, found};
}

static void plugin_open(struct fuzz *f, const char *file) {
    void *so = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    rn_entry_fn entry = NULL;
    if (so)
        *(void **)&entry = dlsym(so, RN_ENTRY_SYMBOL);
    if (!entry)
        fail(dlerror());
    f->reader.text = entry()->components[0]->text;
    f->reader.iface = entry()->components[0]->iface;
}

static void spec_read(struct fuzz *f, const char *path) {
    char line[4096];
    FILE *file = fopen(path, "r");
    if (!file)
        fail(path);
    while (fgets(line, sizeof line, file)) {
        char *rest = line, *key;
        line[strcspn(line, "\n")] = '\0';
        key = next_field(&rest);
        if (strcmp(key, "plugin") == 0)
            plugin_open(f, rest);
        else if (strcmp(key, "folder") == 0)
            snprintf(f->folder, sizeof f->folder, "%s", rest);
        else if (strcmp(key, "memory") == 0)
            f->memory = strtoull(rest, NULL, 10) << 20;
        else if (strcmp(key, "word") == 0)
            word_add(&f->m, rest);
        else if (strcmp(key, "case") == 0 || strcmp(key, "found") == 0)
            case_add(f, rest, *key == 'f');
        else
            fail(key);
    }
    fclose(file);
    f->first_seeds = f->seed_count;
}

static void state_open(struct fuzz *f) {
    char path[512];
    snprintf(path, sizeof path, "%s/state", f->folder);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, 4096) != 0)
        fail(path);
    f->state = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (f->state == MAP_FAILED)
        fail(path);
}

/* ----------------------------------------------------------------------- an input */

static void on_time(int number) {
    static const char text[] = "fuzz: an input took too long\n";
    (void)number;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(3);
    _exit(3);
}

static void limit_time(int on) {
    setitimer(ITIMER_PROF, &(struct itimerval){.it_value = {on ? SECONDS_MAX : 0, 0}},
              NULL);
    alarm(on ? WALL_MAX : 0);
}

static uint64_t peak_bytes(void) {
    struct rusage own, children;
    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &children);
    long most = own.ru_maxrss > children.ru_maxrss ? own.ru_maxrss : children.ru_maxrss;
    return (uint64_t)most << 10;
}

/* The file, its folder, or an option of the case. */
static int is_named(const struct plan *p, const struct rn_error *e) {
    for (const struct option *o = p->options; o->path; o++)
        if (strcmp(e->where, o->path) == 0)
            return 1;
    return strstr(e->where, p->folder) || strstr(e->message, p->folder);
}

static void judge(const struct plan *p, struct verdict *v) {
    const struct rn_error *e = &v->error;
    if (v->text[0] || v->status == RN_OK)
        return;
    if (!e->message[0])
        snprintf(v->text, sizeof v->text, "status %d without a message", v->status);
    else if (v->status != RN_E_CONFIG && !is_named(p, e))
        snprintf(v->text, sizeof v->text, "an error that does not name the file");
}

static void file_write(const char *path, const uint8_t *bytes, size_t n) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n || close(fd) != 0)
        fail(path);
}

/* Is it a failure? Then it is reported, and the input remains. */
static int run(struct fuzz *f, const struct seed *in, int predict, struct verdict *v) {
    const struct plan *p = &f->plans[in->plan];
    uint64_t before = peak_bytes();
    snprintf(f->state, 4096, "input %llu case %u predict %d file %s",
             (unsigned long long)f->inputs, in->plan, predict, p->input);
    file_write(p->input, in->input.bytes, in->input.n);
    limit_time(1);
    reader_run(&f->reader, p->options, predict, v);
    limit_time(0);
    judge(p, v);
    if (!v->text[0] && peak_bytes() > before && peak_bytes() > f->memory)
        snprintf(v->text, sizeof v->text, "took %llu MiB",
                 (unsigned long long)(peak_bytes() >> 20));
    if (v->text[0])
        fprintf(stderr, "fuzz: %s\n  status %d: '%s' at '%s'\n", v->text, v->status,
                v->error.message, v->error.where);
    return v->text[0] != '\0';
}

/* ---------------------------------------------------------------------------- all */

/* Of the message without its numbers and quotations: FNV-1a. */
static uint64_t text_hash(const struct verdict *v, uint32_t plan) {
    uint64_t h = 0xcbf29ce484222325u ^ plan;
    int quoted = 0;
    if (v->status == RN_OK)
        return h;
    for (const char *c = v->error.message; *c; c++) {
        quoted ^= *c == '\'';
        if (!quoted && (*c < '0' || *c > '9'))
            h = (h ^ (uint8_t)*c) * 0x100000001b3u;
    }
    return h;
}

static int is_new(struct fuzz *f, uint64_t hash) {
    for (uint32_t i = 0; i < f->text_count; i++)
        if (f->texts[i] == hash)
            return 0;
    if (f->text_count < TEXTS_MAX)
        f->texts[f->text_count++] = hash;
    return 1;
}

static void seed_keep(struct fuzz *f, const struct seed *in) {
    uint32_t at = f->seed_count;
    if (at < SEEDS_MAX)
        f->seed_count++;
    else
        at = f->first_seeds + (uint32_t)mutator_draw(&f->m, SEEDS_MAX - f->first_seeds);
    uint8_t *copy = malloc(in->input.n ? in->input.n : 1);
    if (!copy)
        return;
    memcpy(copy, in->input.bytes, in->input.n);
    free(f->seeds[at].input.bytes);
    f->seeds[at] = (struct seed){{copy, in->input.n}, in->plan, 0};
}

static int one(struct fuzz *f) {
    static uint8_t bytes[INPUT_MAX];
    uint64_t among =
        mutator_draw(&f->m, 2) ? f->first_seeds : f->seed_count; /* half as made */
    const struct seed *from = &f->seeds[mutator_draw(&f->m, among)];
    const struct seed *other = &f->seeds[mutator_draw(&f->m, f->seed_count)];
    struct seed in = {{bytes, from->input.n}, from->plan, 0};
    struct verdict v;
    memcpy(bytes, from->input.bytes, from->input.n);
    mutate(&f->m, bytes, &in.input.n, &other->input);
    if (run(f, &in, mutator_draw(&f->m, 8) == 0, &v))
        return 1;
    f->inputs++;
    f->read += v.status == RN_OK;
    if (is_new(f, text_hash(&v, in.plan)) ||
        (v.status == RN_OK && mutator_draw(&f->m, 8) == 0))
        seed_keep(f, &in);
    return 0;
}

/* The seeds as they are: what is damaged must have been good. */
static int seeds_run(struct fuzz *f) {
    struct verdict v;
    for (uint32_t i = 0; i < f->first_seeds; i++) {
        if (run(f, &f->seeds[i], 0, &v))
            return 1;
        if (v.status != RN_OK && !f->seeds[i].found)
            fprintf(stderr, "fuzz: seed %u is refused: %s\n", i, v.error.message);
        CHECK(f->seeds[i].found || (v.status == RN_OK && v.rows));
    }
    return 0;
}

static int replay(struct fuzz *f, const char *plan, const char *file) {
    struct verdict v;
    struct seed in = {file_read(file), (uint32_t)atoi(plan), 1};
    int bad = run(f, &in, 0, &v) || run(f, &in, 1, &v);
    printf("status %d: %s (%s), %llu rows\n", v.status, v.error.message, v.error.where,
           (unsigned long long)v.rows);
    return bad;
}

int main(int count, char **args) {
    static struct fuzz f;
    struct timespec now, begin;
    if (count < 4)
        fail("SPEC SECONDS SEED, or SPEC replay CASE FILE");
    spec_read(&f, args[1]);
    state_open(&f);
    signal(SIGPROF, on_time);
    signal(SIGALRM, on_time);
    if (strcmp(args[2], "replay") == 0 && count == 5)
        return replay(&f, args[3], args[4]);
    double seconds = strtod(args[2], NULL), spent = 0;
    f.m.state = 0x9e3779b97f4a7c15u ^ strtoull(args[3], NULL, 10) * 0xd1342543de82ef95u;
    int bad = seeds_run(&f);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    while (!bad && spent < seconds) {
        bad = one(&f);
        clock_gettime(CLOCK_MONOTONIC, &now);
        spent = (double)(now.tv_sec - begin.tv_sec) +
                (double)(now.tv_nsec - begin.tv_nsec) * 1e-9;
    }
    CHECK(!bad);
    CHECK(f.inputs > 0 && f.read < f.inputs);
    printf(
        "%llu inputs, %.0f a second, %llu read, %u different answers, peak %llu MiB\n",
        (unsigned long long)f.inputs, (double)f.inputs / (spent > 0 ? spent : 1),
        (unsigned long long)f.read, f.text_count,
        (unsigned long long)(peak_bytes() >> 20));
    return check_done();
}

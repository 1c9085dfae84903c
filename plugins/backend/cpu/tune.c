/* SPDX-License-Identifier: Apache-2.0 */
/* Which of several kernels runs a node: each is timed once on this machine, and the
 * answer kept: in memory, in ${XDG_CACHE_HOME:-~/.cache}/runner/kernels/MACHINE.txt
 * for runs to come, and as text for the record, which resume hands back. One line a
 * node: its text, a tab, the kernel's letter, a tab, nanoseconds. Where nothing can be
 * kept nothing is timed: a rule decides, so that two runs still have the same bits. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/mman.h>
#include <unistd.h>

#include <runner/numerics.h>

#include "../shared/kept.h"
#include "tune.h"

#define KEY_MAX  512
#define RUNS     3
#define HOPELESS 1.5 /* times the best known: not timed again */
#define WORK     1e8 /* multiply-adds that are enough to time */

struct entry {
    char *key;  /* shapes as they lie */
    char *what; /* the first part of it: the same whatever the forms */
    char choice;
    bool used; /* by this run */
    uint64_t ns;
};

struct cpu_tuner {
    struct rn_host *host; /* borrowed: told once that kernels are timed */
    bool told;
    bool rule;    /* nothing is timed */
    bool by_rule; /* and the rule was asked */
    bool loaded;
    struct kept_key machine;
    struct entry *entries;
    size_t count, capacity;
    char *text; /* of cpu_tuner_text */
};

struct cpu_tuner *cpu_tuner_create(struct rn_host *h, bool rule, const char *machine) {
    struct cpu_tuner *t = calloc(1, sizeof *t);
    if (t) {
        t->host = h;
        t->rule = rule;
        kept_key_add(&t->machine, machine);
    }
    return t;
}

void cpu_tuner_destroy(struct cpu_tuner *t) {
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++) {
        free(t->entries[i].key);
        free(t->entries[i].what);
    }
    free(t->entries);
    free(t->text);
    free(t);
}

/* ------------------------------------------------------------------- table */

static struct entry *find(const struct cpu_tuner *t, const char *key) {
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->entries[i].key, key) == 0)
            return &t->entries[i];
    return NULL;
}

static bool add(struct cpu_tuner *t, const char *key, char choice, uint64_t ns) {
    if (t->count == t->capacity) {
        size_t capacity = 2 * t->capacity + 64;
        struct entry *grown = realloc(t->entries, capacity * sizeof *grown);
        if (!grown)
            return false;
        t->entries = grown;
        t->capacity = capacity;
    }
    struct entry e = {strdup(key), strndup(key, strcspn(key, "|")), choice, false, ns};
    if (!e.key || !e.what) {
        free(e.key);
        free(e.what);
        return false;
    }
    t->entries[t->count++] = e;
    return true;
}

static void read_line(struct cpu_tuner *t, char *line) {
    char *choice = strchr(line, '\t'), *ns = choice ? strchr(choice + 1, '\t') : NULL;
    char *end = NULL;
    if (!ns || ns != choice + 2)
        return;
    *choice = '\0';
    uint64_t value = strtoull(ns + 1, &end, 10);
    if (end != ns + 1 && *end == '\0' && value && !find(t, line))
        add(t, line, choice[1], value);
}

#define BY_RULE "rule\n"

void cpu_tuner_read(struct cpu_tuner *t, const char *text) {
    if (strcmp(text, BY_RULE) == 0)
        t->rule = true;
    while (*text) {
        char line[KEY_MAX + 64];
        size_t n = strcspn(text, "\n");
        if (n < sizeof line) {
            memcpy(line, text, n);
            line[n] = '\0';
            read_line(t, line);
        }
        text += n + (text[n] == '\n');
    }
}

const char *cpu_tuner_text(struct cpu_tuner *t) {
    size_t size = 1, at = 0;
    for (size_t i = 0; i < t->count; i++)
        size += strlen(t->entries[i].key) + 32;
    free(t->text);
    t->text = malloc(size);
    if (!t->text)
        return NULL;
    t->text[0] = '\0';
    if (t->by_rule)
        return BY_RULE;
    for (size_t i = 0; i < t->count; i++)
        if (t->entries[i].used)
            at += (size_t)snprintf(t->text + at, size - at, "%s\t%c\t%llu\n",
                                   t->entries[i].key, t->entries[i].choice,
                                   (unsigned long long)t->entries[i].ns);
    return t->text;
}

/* -------------------------------------------------------------------- disk */

static char *place(const struct cpu_tuner *t) {
    char *folder = kept_folder("kernels");
    char *path = folder ? kept_path(folder, &t->machine, "txt") : NULL;
    free(folder);
    return path;
}

static void load(struct cpu_tuner *t) {
    char *path = place(t);
    t->rule |= !path;
    FILE *f = path ? fopen(path, "re") : NULL;
    char line[KEY_MAX + 64];
    while (f && fgets(line, sizeof line, f)) {
        char *end = strchr(line, '\n');
        if (end) { /* a line without an end was torn */
            *end = '\0';
            read_line(t, line);
        }
    }
    if (f)
        fclose(f);
    free(path);
    t->loaded = true;
}

/* Written at once, then read again: of several runs that time one node at one time the
 * first line counts for all, or the same file would not give the same bits. */
static struct entry *keep(struct cpu_tuner *t, const char *key, char choice,
                          uint64_t ns) {
    char line[KEY_MAX + 64];
    char *path = place(t);
    int n = snprintf(line, sizeof line, "%s\t%c\t%llu\n", key, choice,
                     (unsigned long long)ns);
    int f = path && n < (int)sizeof line
                ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)
                : -1;
    bool written = f >= 0 && write(f, line, (size_t)n) == n;
    if (f >= 0)
        close(f);
    free(path);
    if (written)
        load(t);
    struct entry *e = find(t, key);
    if (!e && add(t, key, choice, ns)) /* no cache: known to this run alone */
        e = &t->entries[t->count - 1];
    return e;
}

/* ------------------------------------------------------------------- names */

static void put(char *out, size_t *at, const char *text) {
    size_t n = strlen(text);
    if (*at + n + 1 < KEY_MAX)
        memcpy(out + *at, text, n + 1);
    *at += n;
}

static void put_list(char *out, size_t *at, const char *name, const int64_t *list,
                     size_t n) {
    char word[48];
    put(out, at, name);
    for (size_t i = 0; i < n; i++) {
        snprintf(word, sizeof word, i ? ",%lld" : "%lld", (long long)list[i]);
        put(out, at, word);
    }
}

/* A convolution over as many images as it takes to time it, 8 or more. So batches of
 * many sizes share a line. */
struct sample {
    struct cpu_setup setup;
    struct rn_node node;
    struct rn_attr attrs[16];
    struct kernel_tensor tensors[4];
    int64_t shapes[4][8], input_shape[4];
    double scale; /* images / images timed */
};

static bool sample_of(const struct cpu_setup *s, struct sample *m) {
    uint32_t n = s->n_in + s->n_out;
    if (n > 4 || s->node->attr_count > 16 || strncmp(s->node->op, "conv2d", 6) != 0)
        return false;
    m->setup = *s;
    m->node = *s->node;
    for (uint32_t i = 0; i < s->node->attr_count; i++)
        m->attrs[i] = *rn_attr_at(s->node, i);
    m->node.attrs = m->attrs;
    m->node.attr_stride = sizeof m->attrs[0];
    bool of_input = strcmp(s->node->op, "conv2d_grad_input") == 0;
    bool of_weight = strcmp(s->node->op, "conv2d_grad_weight") == 0;
    uint32_t weight = of_input ? 0 : of_weight ? s->n_in : 1;
    const struct kernel_tensor *w = weight < s->n_in ? &s->in[weight] : &s->out[0];
    const struct kernel_tensor *y = of_input || of_weight ? &s->in[1] : &s->out[0];
    int64_t images = y->shape[0], take = 8;
    if (!w->count || !y->count)
        return false;
    double each =
        (double)y->count / (double)images * (double)w->count / (double)w->shape[0];
    while (take < images && (double)take * each < WORK)
        take *= 2;
    take = take < images ? take : images;
    m->scale = (double)images / (double)take;
    for (uint32_t i = 0; i < n; i++) {
        struct kernel_tensor *t = &m->tensors[i];
        *t = i < s->n_in ? s->in[i] : s->out[i - s->n_in];
        memcpy(m->shapes[i], t->shape, t->rank * sizeof t->shape[0]);
        t->shape = m->shapes[i];
        if (i == weight || t->rank < 4)
            continue;
        t->count = t->count / (uint64_t)images * (uint64_t)take;
        m->shapes[i][0] = take;
    }
    for (uint32_t i = 0; i < m->node.attr_count; i++) {
        if (strcmp(m->attrs[i].name, "input_shape") != 0)
            continue;
        memcpy(m->input_shape, m->attrs[i].p, sizeof m->input_shape);
        m->input_shape[0] = take;
        m->attrs[i].p = m->input_shape;
    }
    m->setup.node = &m->node;
    m->setup.in = m->tensors;
    m->setup.out = m->tensors + s->n_in;
    return true;
}

/* "conv2d stride=1,1 ... x 16,32,14,14 | 16,16": what it is, then how it lies. */
static bool key_of(const struct cpu_setup *s, char out[KEY_MAX]) {
    size_t at = 0;
    put(out, &at, s->node->op);
    if (s->in[0].dtype == RN_BF16)
        put(out, &at, s->out[0].dtype == RN_BF16 ? " bf16" : " bf16 to f32");
    for (uint32_t i = 0; i < s->node->attr_count; i++) {
        const struct rn_attr *a = rn_attr_at(s->node, i);
        if (strncmp(a->name, "block", 5) == 0 || strcmp(a->name, "input_shape") == 0 ||
            strcmp(a->name, "dtype") == 0 || strcmp(a->name, "weight_shape") == 0)
            continue;
        put(out, &at, " ");
        put(out, &at, a->name);
        if (a->type == RN_ATTR_INTS)
            put_list(out, &at, "=", a->p, a->count);
        else
            put_list(out, &at, "=", &a->i, 1);
    }
    for (uint32_t i = 0; i < s->n_in + s->n_out; i++) {
        const struct kernel_tensor *t = i < s->n_in ? &s->in[i] : &s->out[i - s->n_in];
        int64_t image[8];
        uint32_t rank = t->rank < 8 ? t->rank : 8;
        memcpy(image, t->shape, rank * sizeof *image);
        if (rank == 5) {
            image[1] *= image[4];
            rank = 4;
        }
        put_list(out, &at, i < s->n_in ? " x " : " y ", image, rank);
    }
    int64_t forms[2] = {cpu_int(s->node, "block_in", 0),
                        cpu_int(s->node, "block_out", 0)};
    put_list(out, &at, " | ", forms, 2);
    return at + 1 < KEY_MAX;
}

char cpu_tuner_choice(const struct cpu_tuner *t, const struct cpu_setup *s) {
    char key[KEY_MAX];
    struct sample m;
    const struct entry *e =
        t && sample_of(s, &m) && key_of(&m.setup, key) ? find(t, key) : NULL;
    return e ? e->choice : '\0';
}

/* ------------------------------------------------------------------ timing */

/* One thread, its own processor time: what else runs on the machine then counts little.
 */
static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Scratch straight from the system, which has it back before the run begins. */
static void *scratch(uint64_t bytes) {
    void *p = mmap(NULL, (size_t)bytes + 64, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void give_back(void *p, uint64_t bytes) {
    if (p)
        munmap(p, (size_t)bytes + 64);
}

/* Small numbers of both signs, none of them denormal. */
static void *operand(rn_dtype t, uint64_t count) {
    void *p = scratch(count * RN_DTYPE_BYTES(t));
    uint32_t r = 12345;
    for (uint64_t i = 0; p && i < count; i++) {
        r = r * 1664525u + 1013904223u;
        float x = ((float)(r >> 8) / 16777216.0f - 0.5f) * 0.25f;
        if (t == RN_BF16)
            ((uint16_t *)p)[i] = rn_bf16_from_f32(x);
        else
            ((float *)p)[i] = x;
    }
    return p;
}

/* The least time of a few runs; 0: it did not run. */
static uint64_t time_call(const struct cpu_setup *s, uint64_t limit) {
    uint32_t n = s->n_in + s->n_out;
    struct kernel_tensor *t = calloc(n + 1u, sizeof *t);
    char *workspace = scratch(s->workspace);
    bool good = t && workspace;
    uint64_t best = 0;
    for (uint32_t i = 0; good && i < n; i++) {
        t[i] = i < s->n_in ? s->in[i] : s->out[i - s->n_in];
        t[i].data = operand(t[i].dtype, t[i].count);
        good = t[i].data != NULL;
    }
    struct cpu_call c = {.k = {s->node, s->n_in, s->n_out, t, t ? t + s->n_in : NULL},
                         .state = s->state,
                         .workspace = workspace,
                         .threads = s->threads};
    struct rn_error e;
    for (int i = 0; good && i <= RUNS; i++) { /* the first one warms up */
        int64_t begin = now_ns();
        good = s->run(&c, &e) == RN_OK;
        uint64_t took = (uint64_t)(now_ns() - begin);
        if (i == 1 || took < best || !best)
            best = took;
        if (limit && (double)took > (double)limit * HOPELESS)
            break;
    }
    for (uint32_t i = 0; t && i < n; i++)
        give_back(t[i].data, t[i].count * RN_DTYPE_BYTES(t[i].dtype));
    free(t);
    give_back(workspace, s->workspace);
    return good ? best : 0;
}

/* Without timing: a rough order of what kernels are known to be like. */
static uint64_t by_rule(const struct sample *m) {
    const struct cpu_setup *s = &m->setup;
    bool in = cpu_int(s->node, "block_in", 0), out = cpu_int(s->node, "block_out", 0);
    bool last = (in && s->in[0].rank == 5 && s->in[0].shape[1] == 1) ||
                (out && s->out[0].rank == 5 && s->out[0].shape[1] == 1);
    uint64_t values = 1;
    for (uint32_t i = 0; i < s->n_in + s->n_out; i++)
        values += i < s->n_in ? s->in[i].count : s->out[i - s->n_in].count;
    return values * (uint64_t)(in && out ? (last ? 3 : 2) : in || out ? 3 : 4);
}

/* A run that takes seconds before it begins says why, once. */
static void tell(struct cpu_tuner *t) {
    const struct rn_host_api *api = t->host->api;
    char line[600], *path = t->told ? NULL : place(t);
    if (path && RN_HAS(api, struct rn_host_api, log) && api->log) {
        snprintf(line, sizeof line,
                 "timing the convolutions of this network on this machine, once; the "
                 "answers are kept in %s",
                 path);
        api->log(t->host, RN_LOG_INFO, line);
    }
    t->told = true;
    free(path);
}

int32_t cpu_tuner_measure(struct cpu_tuner *t, const struct cpu_setup *s,
                          const char *choices, cpu_prepare prepare, uint64_t *ns,
                          struct rn_error *e) {
    char key[KEY_MAX];
    struct sample m;
    if (!t || !sample_of(s, &m) || !key_of(&m.setup, key))
        return rn_fail(e, RN_E_UNSUPPORTED, "this node cannot be timed", NULL, NULL);
    if (!t->rule && !t->loaded)
        load(t);
    struct entry *have = find(t, key);
    if (have || t->rule) {
        if (have)
            have->used = true;
        else
            t->by_rule = true;
        *ns = (uint64_t)((double)(have ? have->ns : by_rule(&m)) * m.scale);
        return RN_OK;
    }
    uint64_t known = 0, best = 0;
    size_t what = strcspn(key, "|");
    for (size_t i = 0; i < t->count; i++) {
        const struct entry *k = &t->entries[i];
        if (strlen(k->what) == what && memcmp(k->what, key, what) == 0 &&
            (!known || k->ns < known))
            known = k->ns;
    }
    char choice = '-';
    tell(t);
    for (const char *c = choices; *c; c++) {
        struct cpu_setup one = m.setup;
        one.choice = *c;
        one.building = true;
        one.threads = 1;
        int32_t taken = prepare(&one, e);
        uint64_t took = taken > 0 ? time_call(&one, best ? best : known) : 0;
        cpu_setup_finish(&one);
        if (took && (!best || took < best)) {
            best = took;
            choice = *c;
        }
    }
    if (!best)
        return rn_fail(e, RN_E_UNSUPPORTED, "no kernel ran", NULL, NULL);
    have = keep(t, key, choice, best);
    if (!have)
        return rn_fail(e, RN_E_MEMORY, "no memory for a choice", NULL, NULL);
    have->used = true;
    *ns = (uint64_t)((double)have->ns * m.scale);
    return RN_OK;
}

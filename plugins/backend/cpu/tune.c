/* SPDX-License-Identifier: Apache-2.0 */
/* Which of several kernels runs a node: each is timed once on this machine, and the
 * answer kept (tuning_table.h). What was timed under contention is timed again at once, and if
 * that does not help by a later run that finds the machine quiet. Where nothing can be
 * kept nothing is timed: a rule decides, so that two runs still have the same bits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/tuning_table.h"
#include "kernel_trial.h"
#include "tune.h"

#define WORK         2e9 /* multiply-adds that are enough: Winograd gains by images, */
#define LITTLE       3e8 /* and direct kernels do not, */
#define SPREAD       1.6e7      /* but for bytes that no cache holds */
#define AGAIN        3          /* times that a node is timed, while it is disturbed */
#define PATIENCE     1000000000 /* ns that a run spends on that */
#define WORTH_SAYING 500000000  /* ns of timing */
#define KERNELS      "dwomp"    /* the letters of cpu_onednn_choices */

struct cpu_tuner {
    struct rn_host *host; /* borrowed: gets one message that kernels are timed */
    struct cpu_clock clock;
    struct tuning_table *table;
    bool rule;    /* nothing is timed */
    bool by_rule; /* and the rule was asked */
    bool loaded;
    bool reported, reported_busy, reported_again;
    int64_t patience;                     /* ns left */
    int timed;                            /* nodes, since it last rested */
    int64_t spent;                        /* ns, on them */
    enum { UNASKED, YES, NO } look_again; /* at what is in doubt */
};

struct cpu_tuner *cpu_tuner_create(struct rn_host *h, bool rule, const char *machine,
                                   const struct cpu_clock *clock) {
    struct cpu_tuner *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->host = h;
    t->rule = rule;
    t->patience = PATIENCE;
    t->table = choices_create(machine, KERNELS);
    bool good = clock ? (t->clock = *clock, true) : cpu_clock_init(&t->clock);
    if (!t->table || !good) {
        cpu_tuner_destroy(t);
        return NULL;
    }
    return t;
}

void cpu_tuner_destroy(struct cpu_tuner *t) {
    if (!t)
        return;
    if (t->clock.destroy)
        t->clock.destroy(t->clock.self);
    tuning_destroy(t->table);
    free(t);
}

/* ------------------------------------------------------------------ record */

#define BY_RULE "rule\n"

void cpu_tuner_read(struct cpu_tuner *t, const char *text) {
    if (strcmp(text, BY_RULE) == 0)
        t->rule = true;
    else
        tuning_read(t->table, text);
}

const char *cpu_tuner_text(struct cpu_tuner *t) {
    return t->by_rule ? BY_RULE : tuning_text(t->table);
}

/* ------------------------------------------------------------------- names */

static void put(char *out, size_t *at, const char *text) {
    size_t n = strlen(text);
    if (*at + n + 1 < CHOICE_KEY_MAX)
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

/* What is timed: a product as it is, on all threads, as they divide it; a convolution
 * on one thread, over as many images as it takes to time it, 16 or more, so that
 * batches of many sizes share a line. */
struct sample {
    struct cpu_setup setup;
    struct rn_node node;
    struct rn_attr attrs[16];
    struct kernel_tensor tensors[4];
    int64_t shapes[4][8], input_shape[4];
    double scale; /* images / images timed */
};

static bool is_product(const struct rn_node *n) {
    return strcmp(n->op, "matmul") == 0 || strcmp(n->op, "linear") == 0;
}

static bool sample_of(const struct cpu_setup *s, const char *choices,
                      struct sample *m) {
    double work = choices && strchr(choices, 'w') ? WORK : LITTLE;
    uint32_t n = s->n_in + s->n_out;
    if (is_product(s->node)) {
        m->setup = *s;
        m->scale = 1.0;
        return true;
    }
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
    int64_t images = y->shape[0], take = 16;
    if (!w->count || !y->count)
        return false;
    double each =
        (double)y->count / (double)images * (double)w->count / (double)w->shape[0];
    double bytes = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        const struct kernel_tensor *t = i < s->n_in ? &s->in[i] : &s->out[i - s->n_in];
        if (i != weight && t->rank >= 4)
            bytes += (double)(t->count * RN_DTYPE_BYTES(t->dtype)) / (double)images;
    }
    while (2 * take <= images &&
           ((double)take * each < work ||
            ((double)take * each < WORK && (double)take * bytes < SPREAD)))
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

/* "conv2d stride=1,1 ... x 16,32,14,14 | 16,16": what it is, then how it is laid out.
 */
static bool key_of(const struct cpu_setup *s, char out[CHOICE_KEY_MAX]) {
    size_t at = 0;
    put(out, &at, s->node->op);
    if (s->in[0].dtype == RN_BF16)
        put(out, &at, s->out[0].dtype == RN_BF16 ? " bf16" : " bf16 to f32");
    if (is_product(s->node)) {
        int64_t threads = s->threads;
        put_list(out, &at, " threads=", &threads, 1);
    }
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
    if (!is_product(s->node))
        put_list(out, &at, " | ", forms, 2);
    return at + 1 < CHOICE_KEY_MAX;
}

char cpu_tuner_choice(const struct cpu_tuner *t, const struct cpu_setup *s,
                      const char *choices) {
    char key[CHOICE_KEY_MAX];
    struct sample m;
    const struct choice *e = t && sample_of(s, choices, &m) && key_of(&m.setup, key)
                                 ? tuning_find(t->table, key)
                                 : NULL;
    return e ? e->kernel : '\0';
}

/* ------------------------------------------------------------------ timing */

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

/* ------------------------------------------------------------------ asking */

static void say(struct cpu_tuner *t, bool *reported, const char *text, const char *more) {
    const struct rn_host_api *api = t->host->api;
    char line[700];
    if (!*reported && RN_HAS(api, struct rn_host_api, log) && api->log) {
        snprintf(line, sizeof line, "%s%s", text, more);
        api->log(t->host, RN_LOG_INFO, line);
    }
    *reported = true;
}

/* A run that takes seconds before it begins says why, once. */
static void tell(struct cpu_tuner *t, bool again) {
    char *path = t->reported ? NULL : tuning_place(t->table);
    if (again)
        say(t, &t->reported_again,
            "timing again the kernels that were timed while the machine was busy", "");
    else if (path)
        say(t, &t->reported,
            "timing the kernels of this network on this machine, once: convolutions in "
            "each layout of images, large products; the answers are kept in ",
            path);
    free(path);
}

/* Is what is in doubt to be timed again by this run? Not soon after it was timed, so
 * that runs one after the other have the same bits, and not under contention. */
static bool looks_again(struct cpu_tuner *t) {
    if (t->look_again == UNASKED) {
        struct cpu_watch w;
        t->look_again = NO;
        if (choices_are_old(t->table)) {
            cpu_watch_begin(&w, &t->clock, 1);
            struct cpu_contention c = cpu_watch_end(&w);
            c.stretch = 1.0; /* nothing was run */
            if (!cpu_is_disturbed(&c, tuning_walk(t->table)))
                t->look_again = YES;
        }
    }
    return t->look_again == YES;
}

/* Times a node, again while it is disturbed and there is patience. */
static bool time_node(struct cpu_tuner *t, const struct cpu_setup *s,
                      const char *choices, cpu_prepare prepare, struct choice *out,
                      struct rn_error *e) {
    struct kernel_trial c;
    uint64_t known = tuning_least(t->table, out->key);
    bool good = kernel_trial_begin(&c, s, choices, prepare, e);
    out->disturbed = true;
    for (int i = 0; good && out->disturbed && i < AGAIN; i++) {
        uint64_t before[KERNEL_TRIAL_MAX], best = tuning_walk(t->table);
        memcpy(before, c.ns, sizeof before);
        memset(c.ns, 0, sizeof c.ns);
        int64_t begin = t->clock.wall(t->clock.self);
        struct cpu_contention contention = kernel_trial_run(&c, &t->clock, known);
        out->probe_ns = contention.memory_probe;
        out->disturbed = cpu_is_disturbed(&contention, best);
        for (uint32_t k = 0; out->disturbed && k < c.count; k++)
            if (before[k] && (!c.ns[k] || before[k] < c.ns[k]))
                c.ns[k] = before[k];
        if (i > 0)
            t->patience -= t->clock.wall(t->clock.self) - begin;
        if (t->patience <= 0)
            break;
    }
    out->ns = good ? kernel_trial_best(&c, &out->kernel) : 0;
    if (out->ns && out->disturbed && s->threads > 1 && c.ns[0]) {
        out->ns = c.ns[0]; /* threads that wait for each other tell nothing: by rule */
        out->kernel = c.letter[0];
    }
    kernel_trial_end(&c);
    return out->ns != 0;
}

/* What is known, or timed now. */
static int32_t answer(struct cpu_tuner *t, char *key, const struct cpu_setup *s,
                      const char *choices, cpu_prepare prepare, struct choice **out,
                      struct rn_error *e) {
    struct choice *have = tuning_find(t->table, key);
    bool again = have && !have->used && choice_in_doubt(t->table, have) && !t->rule &&
                 looks_again(t);
    *out = have;
    if (have && !again)
        return RN_OK;
    struct choice timed = {.key = key};
    tell(t, again);
    int64_t begin = t->clock.wall(t->clock.self);
    bool ran = time_node(t, s, choices, prepare, &timed, e);
    t->spent += t->clock.wall(t->clock.self) - begin;
    t->timed++;
    if (again && (!ran || timed.disturbed)) { /* no better than what is known */
        t->look_again = NO;
        return RN_OK;
    }
    if (!ran)
        return rn_fail(e, RN_E_UNSUPPORTED, "no kernel ran", NULL, NULL);
    if (timed.disturbed)
        say(t, &t->reported_busy,
            "the machine is busy with other work: kernels are chosen for now, and "
            "timed "
            "again by a run that finds it quiet",
            "");
    *out = tuning_keep(t->table, &timed);
    return *out ? RN_OK : rn_fail(e, RN_E_MEMORY, "no memory for a choice", NULL, NULL);
}

int32_t cpu_tuner_measure(struct cpu_tuner *t, const struct cpu_setup *s,
                          const char *choices, cpu_prepare prepare, uint64_t *ns,
                          struct rn_error *e) {
    char key[CHOICE_KEY_MAX];
    struct sample m;
    struct choice *have;
    if (!t || !sample_of(s, choices, &m) || !key_of(&m.setup, key))
        return rn_fail(e, RN_E_UNSUPPORTED, "this node cannot be timed", NULL, NULL);
    if (!t->rule && !t->loaded) {
        t->rule = !tuning_load(t->table);
        t->loaded = true;
    }
    if (t->rule && !tuning_find(t->table, key)) {
        t->by_rule = true;
        *ns = (uint64_t)((double)by_rule(&m) * m.scale);
        return RN_OK;
    }
    int32_t status = answer(t, key, &m.setup, choices, prepare, &have, e);
    if (status != RN_OK)
        return status;
    have->used = true;
    *ns = (uint64_t)((double)have->ns * m.scale);
    return RN_OK;
}

void cpu_tuner_rest(struct cpu_tuner *t) {
    char line[80];
    bool reported = false;
    snprintf(line, sizeof line, "timed the kernels of %d nodes in %.1f s", t->timed,
             (double)t->spent / 1e9);
    if (t->spent > WORTH_SAYING)
        say(t, &reported, line, "");
    t->timed = 0;
    t->spent = 0;
    t->clock.rest(t->clock.self);
}

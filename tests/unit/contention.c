/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels timed under contention, on a simulated clock: which timings count as disturbed,
 * when they are made again, and which answer each run gets and leaves behind. */
#define _DEFAULT_SOURCE /* mkdtemp */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

#include <sys/stat.h>

#include "../../plugins/backend/cpu/tune.h"
#include "../../plugins/backend/shared/tuning_table.h"
#include "check.h"

/* -------------------------------------------------------------------- the world */

#define DIRECT   1000000 /* ns of each kernel, alone */
#define WINOGRAD 700000
#define SLOWED   1300000 /* Winograd under contention */
#define WALK     400000

enum contention { ALONE, WAITS, OTHERS, WALKS, NEIGHBOUR, SWITCHED }; /* how it shows */

static struct {
    int64_t processor, wall, switches;
    enum contention now;
    int quiet_after; /* calls of kernels until the contention ends; 0: it stays */
    uint64_t memory_probe;
    int calls, rests;
    int said[3]; /* what is timed; that it is busy; that it is timed again */
} world;

static int64_t processor(void *self) {
    (void)self;
    return world.processor;
}

static int64_t wall(void *self) {
    (void)self;
    return world.wall;
}

static int64_t switches(void *self) {
    (void)self;
    return world.switches;
}

static double others(void *self, int threads) {
    (void)self, (void)threads;
    return world.now == OTHERS ? 0.5 : 0.0;
}

static uint64_t memory_probe(void *self, bool recent) {
    (void)recent;
    (void)self;
    return world.now == WALKS ? 2 * world.memory_probe : world.memory_probe;
}

static void rest(void *self) {
    (void)self;
    world.rests++;
}

static const struct cpu_clock our_clock = {NULL,     processor, wall, others,
                                           switches, memory_probe,      rest, NULL};

static int32_t run_kernel(const struct cpu_call *c, struct rn_error *e) {
    char kernel = *(const char *)c->state;
    int64_t took = SLOWED;
    if (kernel == 'd' || kernel == 'm')
        took = DIRECT;
    else if (kernel == 'e') /* hardly faster */
        took = DIRECT - 10000;
    else if (world.now == ALONE || world.now == SWITCHED)
        took = WINOGRAD;
    (void)e;
    world.processor += took;
    world.wall += world.now == WAITS ? 2 * took : took;
    world.switches += world.now == SWITCHED ? 10 : 0;
    if (++world.calls == world.quiet_after)
        world.now = ALONE;
    return RN_OK;
}

static int32_t prepare(struct cpu_setup *s, struct rn_error *e) {
    (void)e;
    s->state = malloc(1);
    if (!s->state)
        return RN_E_MEMORY;
    *(char *)s->state = s->choice;
    s->run = run_kernel;
    return 1;
}

static void log_line(struct rn_host *h, int32_t level, const char *text) {
    (void)h, (void)level;
    world.said[0] += strstr(text, "timing the kernels") != NULL;
    world.said[1] += strstr(text, "the machine is busy") != NULL;
    world.said[2] += strstr(text, "timing again") != NULL;
}

static const struct rn_host_api host_api = {.struct_size = sizeof host_api,
                                            .log = log_line};
static struct rn_host host = {&host_api};

static void be(enum contention c, int quiet_after) {
    memset(&world, 0, sizeof world);
    world.now = c;
    world.quiet_after = quiet_after;
    world.memory_probe = WALK;
}

/* --------------------------------------------------------------------- the cache */

static char home[64];

static bool file_of(char *out, size_t size) {
    char folder[128];
    snprintf(folder, sizeof folder, "%s/runner/kernels", home);
    DIR *d = opendir(folder);
    struct dirent *f;
    bool found = false;
    while (d && (f = readdir(d)))
        if (f->d_name[0] != '.') {
            snprintf(out, size, "%s/%s", folder, f->d_name);
            found = true;
        }
    if (d)
        closedir(d);
    return found;
}

static void forget(void) {
    char path[512];
    if (file_of(path, sizeof path))
        remove(path);
}

static void age(void) {
    char path[512];
    struct timespec t[2] = {{time(NULL) - 3600, 0}, {time(NULL) - 3600, 0}};
    CHECK(file_of(path, sizeof path) && utimensat(AT_FDCWD, path, t, 0) == 0);
}

/* Lines that end so. */
static int lines(const char *tail) {
    char path[512], line[1024];
    int count = 0;
    FILE *f = file_of(path, sizeof path) ? fopen(path, "r") : NULL;
    while (f && fgets(line, sizeof line, f)) {
        size_t n = strlen(line), m = strlen(tail);
        count += n > m && strcmp(line + n - m, tail) == 0;
    }
    if (f)
        fclose(f);
    return count;
}

/* ---------------------------------------------------------------------- the runs */

static struct cpu_tuner *tuner_of(void) {
    return cpu_tuner_create(&host, false, "a machine", &our_clock);
}

/* The kernel of a convolution of so many channels; 0: it failed. */
static char ask(struct cpu_tuner *t, int64_t channels, uint64_t *ns) {
    static const int64_t one[2] = {1, 1}, pad[4] = {1, 1, 1, 1};
    int64_t image[4] = {8, channels, 4, 4}, weight[4] = {channels, channels, 3, 3};
    struct rn_attr at[3] = {rn_attr_ints("stride", 2, one), rn_attr_ints("pad", 4, pad),
                            rn_attr_ints("dilation", 2, one)};
    struct rn_node node = {
        .op = "conv2d", .attr_count = 3, .attr_stride = sizeof at[0], .attrs = at};
    uint64_t pixels = (uint64_t)(8 * channels * 16);
    struct kernel_tensor k[3] = {
        {NULL, RN_F32, 4, image, pixels},
        {NULL, RN_F32, 4, weight, (uint64_t)(channels * channels * 9)},
        {NULL, RN_F32, 4, image, pixels}};
    struct cpu_setup s = {
        .node = &node, .in = k, .out = k + 2, .n_in = 2, .n_out = 1, .threads = 1};
    struct rn_error e = {0};
    *ns = 0;
    if (cpu_tuner_measure(t, &s, "dw", prepare, ns, &e) != RN_OK)
        return '\0';
    CHECK(*ns > 0);
    return cpu_tuner_choice(t, &s, "dw");
}

/* What a run that asks once gets; its kernels called world.calls times. */
static char run(enum contention c, int quiet_after) {
    uint64_t ns;
    be(c, quiet_after);
    struct cpu_tuner *t = tuner_of();
    char kernel = t ? ask(t, 16, &ns) : '\0';
    cpu_tuner_destroy(t);
    return kernel;
}

/* The kernel of a product on so many threads. */
static char ask_product(struct cpu_tuner *t, int threads, const char *choices) {
    int64_t shape[2] = {64, 64};
    struct rn_attr at[2] = {rn_attr_int("trans_a", 0), rn_attr_int("trans_b", 0)};
    struct rn_node node = {
        .op = "matmul", .attr_count = 2, .attr_stride = sizeof at[0], .attrs = at};
    struct kernel_tensor k[3] = {{NULL, RN_F32, 2, shape, 4096},
                                 {NULL, RN_F32, 2, shape, 4096},
                                 {NULL, RN_F32, 2, shape, 4096}};
    struct cpu_setup s = {.node = &node,
                          .in = k,
                          .out = k + 2,
                          .n_in = 2,
                          .n_out = 1,
                          .threads = threads};
    struct rn_error e = {0};
    uint64_t ns;
    if (cpu_tuner_measure(t, &s, choices, prepare, &ns, &e) != RN_OK)
        return '\0';
    return cpu_tuner_choice(t, &s, choices);
}

static char run_product(enum contention c, int threads, const char *choices) {
    be(c, 0);
    struct cpu_tuner *t = tuner_of();
    char kernel = t ? ask_product(t, threads, choices) : '\0';
    cpu_tuner_destroy(t);
    return kernel;
}

/* Products are timed on all threads; disturbed, they are left to the rule. */
static void check_products(void) {
    forget();
    CHECK(run_product(ALONE, 2, "mp") == 'p' && world.calls == 5 && lines("\n") == 1);
    CHECK(run_product(ALONE, 2, "mp") == 'p' && world.calls == 0);
    CHECK(run_product(SWITCHED, 4, "mp") == 'm' && lines("\tm\t1000000\t?\n") == 1);
    forget();
    CHECK(run_product(ALONE, 2, "me") ==
          'm'); /* as good as each other: the first one */
    forget();
    CHECK(run_product(ALONE, 2, "mep") == 'p');
    forget();
    CHECK(run_product(ALONE, 1, "mp") == 'p');
    CHECK(run_product(WAITS, 3, "me") == 'm' &&
          lines("?\n") == 0); /* of one thread only */
}

static void check_judgement(void) {
    struct cpu_contention c = {1.02, 0.1, 10.0, 450000};
    CHECK(!cpu_is_disturbed(&c, 400000));
    CHECK(!cpu_is_disturbed(&c, 0)); /* nothing to compare with */
    c.memory_probe = 600000;
    CHECK(cpu_is_disturbed(&c, 400000) && !cpu_is_disturbed(&c, 0));
    c.memory_probe = 0; /* not known */
    CHECK(!cpu_is_disturbed(&c, 400000));
    c.stretch = 1.5;
    CHECK(cpu_is_disturbed(&c, 400000));
    c = (struct cpu_contention){1.0, 0.5, 0.0, 400000};
    CHECK(cpu_is_disturbed(&c, 400000));
    c = (struct cpu_contention){1.0, 0.0, 200.0, 400000};
    CHECK(cpu_is_disturbed(&c, 400000));
    /* The watch: the longer walk, the mean of what it saw, waiting beside work. */
    struct cpu_watch w;
    be(OTHERS, 0);
    cpu_watch_begin(&w, &our_clock, 1);
    world.now = WALKS;
    cpu_watch_look(&w);
    world.processor += 1000, world.wall += 3000;
    c = cpu_watch_end(&w);
    CHECK(c.memory_probe == 2 * WALK && c.stretch == 3.0 && fabs(c.others - 0.5 / 3) < 1e-9);
    /* This machine's clock goes on, and a walk takes time. */
    struct cpu_clock real;
    CHECK(cpu_clock_init(&real));
    int64_t p = real.processor(real.self), v = real.wall(real.self);
    uint64_t took = real.memory_probe(real.self, false);
    CHECK(real.wall(real.self) > v && real.processor(real.self) > p);
    CHECK(took == 0 || took < 10000000000u);
    CHECK(real.others(real.self, 1) >= 0.0);
    real.rest(real.self);
    real.destroy(real.self);
}

static void check_quiet(void) {
    forget();
    CHECK(run(ALONE, 0) == 'w' &&
          world.calls == 5); /* each one warms up; then the slower one is out */
    CHECK(lines("\t700000\t400000\n") == 1 && lines("\n") == 1);
    CHECK(world.said[0] == 1 && world.said[1] == 0);
    CHECK(run(ALONE, 0) == 'w' && world.calls == 0 && world.said[0] == 0);
    CHECK(run(WAITS, 0) == 'w' && world.calls == 0); /* what is known is known */
}

static void check_busy(enum contention how) {
    forget();
    CHECK(run(how, 0) == 'd' && world.calls == 3 * 5); /* it tries three times */
    CHECK(lines("?\n") == 1 && lines("\n") == 1);
    CHECK(world.said[0] == 1 && world.said[1] == 1);
    CHECK(run(ALONE, 0) == 'd' && world.calls == 0); /* soon after: the same bits */
    age();
    CHECK(run(how, 0) == 'd' && lines("\n") == 1 && world.said[2] == (how == WAITS));
    age();
    CHECK(run(ALONE, 0) == 'w' && world.calls == 5); /* later, and quiet */
    CHECK(lines("?\n") == 1 && lines("\t400000\n") == 1 && world.said[2] == 1);
    age();
    CHECK(run(ALONE, 0) == 'w' && world.calls == 0 && world.said[2] == 0);
    CHECK(run(how, 0) == 'w' && world.calls == 0);
}

/* Contention that ends: what it disturbed does not count. */
static void check_burst(void) {
    forget();
    CHECK(run(WAITS, 5) == 'w' && world.calls == 2 * 5);
    CHECK(lines("?\n") == 0 && lines("\t700000\t400000\n") == 1);
    CHECK(world.said[1] == 0);
}

/* A walk through memory is compared with the shortest that any run has seen. */
static void check_neighbour(void) {
    uint64_t ns;
    forget();
    be(NEIGHBOUR, 0); /* nothing shows it in this run */
    world.memory_probe = 3 * WALK;
    struct cpu_tuner *t = tuner_of();
    CHECK(t && ask(t, 16, &ns) == 'd' && lines("?\n") == 0);
    cpu_tuner_destroy(t);
    be(ALONE, 0);
    t = tuner_of();
    CHECK(t && ask(t, 32, &ns) == 'w' && ask(t, 16, &ns) == 'd' && world.calls == 5);
    cpu_tuner_destroy(t);
    age();
    CHECK(run(ALONE, 0) == 'w' && world.calls == 5);
    age();
    CHECK(run(ALONE, 0) == 'w' && world.calls == 0);
}

/* What was asked in a run stays, though a line in the file is better by now; the record
 * keeps what was used, and who has it times nothing. */
static void check_record(void) {
    uint64_t ns, before;
    char path[512], line[1024], quiet[1100];
    forget();
    be(OTHERS, 0);
    struct cpu_tuner *t = tuner_of();
    CHECK(t && ask(t, 16, &before) == 'd');
    CHECK(file_of(path, sizeof path));
    FILE *f = fopen(path, "r+");
    CHECK(f && fgets(line, sizeof line, f) && strstr(line, "\td\t"));
    snprintf(quiet, sizeof quiet, "%.*s\tw\t700000\t400000\n",
             (int)(strchr(line, '\t') - line), line);
    CHECK(f && fseek(f, 0, SEEK_END) == 0 && fputs(quiet, f) > 0 && fclose(f) == 0);
    CHECK(ask(t, 32, &ns) == 'd'); /* reads the file again */
    CHECK(ask(t, 16, &ns) == 'd' && ns == before);
    char *record = strdup(cpu_tuner_text(t));
    CHECK(record && strstr(record, "\td\t1000000\t?\n") && !strstr(record, "\tw\t"));
    cpu_tuner_destroy(t);

    age();
    be(ALONE, 0);
    t = tuner_of();
    if (t && record)
        cpu_tuner_read(t, record);
    CHECK(t && ask(t, 16, &ns) == 'd' && ask(t, 32, &ns) == 'd' && world.calls == 0);
    CHECK_TEXT(t ? cpu_tuner_text(t) : NULL, record);
    cpu_tuner_destroy(t);
    free(record);

    /* Of an earlier version: without the walk. */
    *strchr(line, '\t') = '\0';
    snprintf(quiet, sizeof quiet, "%s\td\t5\n", line);
    t = tuner_of();
    if (t)
        cpu_tuner_read(t, quiet);
    CHECK(t && ask(t, 16, &ns) == 'd' && ns == 5 && world.calls == 0);
    cpu_tuner_destroy(t);
}

/* A long list of nodes on a busy machine: patience ends. */
static void check_patience(void) {
    uint64_t ns;
    forget();
    be(WAITS, 0);
    struct cpu_tuner *t = tuner_of();
    for (int64_t n = 1; t && n <= 250; n++)
        ask(t, n, &ns);
    CHECK(world.calls > 1400 && world.calls < 2000); /* 3,750 without an end */
    CHECK(world.said[1] == 1 && lines("?\n") == 250);
    CHECK(world.rests == 0);
    if (t)
        cpu_tuner_rest(t);
    CHECK(world.rests == 1);
    cpu_tuner_destroy(t);
}

/* Lines that nobody wrote are no lines. */
static void check_damage(void) {
    char path[512];
    forget();
    CHECK(run(ALONE, 0) == 'w' && file_of(path, sizeof path));
    FILE *f = fopen(path, "r");
    char line[1024] = "", key[1024] = "";
    CHECK(f && fgets(line, sizeof line, f) && fclose(f) == 0);
    memcpy(key, line, (size_t)(strchr(line, '\t') - line));
    static const char *const bad[] = {"d\t5\t0",  "d\t5\tx",  "d\t5x\t400000",
                                      "d\t0\t4",  "d\t-5\t4", "d\t\t",
                                      "dd\t5\t4", "d",        "d\t5\t4\t4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        f = fopen(path, "w");
        CHECK(f && fprintf(f, "%s\t%s\n", key, bad[i]) > 0 && fclose(f) == 0);
        CHECK(run(ALONE, 0) == 'w' && world.calls == 5);
    }
}

int main(void) {
    strcpy(home, "/tmp/runner-contention-XXXXXX");
    if (!mkdtemp(home))
        return 1;
    setenv("XDG_CACHE_HOME", home, 1);
    check_judgement();
    check_quiet();
    check_busy(WAITS);
    check_busy(OTHERS);
    check_burst();
    check_products();
    check_neighbour();
    check_record();
    check_patience();
    check_damage();
    forget();
    static const char *const folders[] = {"/runner/kernels", "/runner", ""};
    for (int i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", home, folders[i]);
        CHECK(remove(path) == 0);
    }
    return check_done();
}

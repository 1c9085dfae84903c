/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled regions against interpreted ones, to the bit, for each instruction set of
 * this machine and one and two threads: every elementwise operator and random regions
 * with broadcasting, several types, special values. Then what may go wrong around them.
 * Arguments: the plugin cpu, number of random graphs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "region_graphs.h"

static const char *const isas[] = {"base", "v3", "v4"};
static uint32_t compiled_regions;

/* Interpreted once; compiled for each instruction set and number of threads. */
static void check_graph(const char *name, const struct built *b) {
    struct result want, got;
    struct opened o;
    CHECK(open_engine(&o, "best", 1, "off", NULL) == RN_OK);
    bool ran = run_on(&o, b, &want);
    close_engine(&o);
    CHECK(ran && want.regions > 0);
    compiled_regions += want.regions;
    for (int i = 0; ran && i < 6; i++) {
        if (open_engine(&o, isas[i / 2], 1 + i % 2, "wait", NULL) != RN_OK)
            continue; /* main said so */
        bool good = run_on(&o, b, &got) && same(&want, &got);
        /* compiled for one thread, from the cache for two */
        good = good && o.options.failed == 0 && o.options.compiled == (i % 2 == 0);
        if (!good)
            fprintf(stderr,
                    "%s: %s, %d threads: not the same (%d compiled, %d failed)\n", name,
                    isas[i / 2], 1 + i % 2, o.options.compiled, o.options.failed);
        CHECK(good);
        close_engine(&o);
        drop(&got);
    }
    if (ran)
        drop(&want);
}

/* --------------------------------------------------------------------- cases */

static const char *const float_unary[] = {
    "exp",     "expm1", "log",  "log1p", "sin",  "cos", "tanh", "erf",
    "sigmoid", "floor", "ceil", "round", "sqrt", "neg", "abs",  "sign"};
static const char *const arithmetic[] = {"add", "sub",     "mul",
                                         "div", "maximum", "minimum"};
static const char *const comparisons[] = {"eq", "ne", "lt", "le", "gt", "ge"};

/* Every operator of one type, each its own output as well as part of a sum. */
static void every_operator(rn_dtype t) {
    struct built b;
    int64_t shape[2] = {37, 53};
    bool is_float = t == RN_F32 || t == RN_F64;
    begin(&b, "operators");
    rn_value x = input(&b, t, 2, shape), y = input(&b, t, 2, shape);
    if (t == RN_BOOL) {
        output(&b, op(&b, "logical_not", 1, x, 0, 0));
        output(&b, op(&b, "logical_and", 2, x, y, 0));
        output(&b, op(&b, "logical_or", 2, x, y, 0));
        output(&b, op(&b, "eq", 2, x, y, 0));
        output(&b, cast(&b, op(&b, "logical_not", 1, x, 0, 0), RN_F32));
        output(&b, cast(&b, op(&b, "ne", 2, x, y, 0), RN_I64));
    } else {
        rn_value sum = x;
        for (size_t i = 0; is_float && i < COUNT(float_unary); i++) {
            rn_value v = op(&b, float_unary[i], 1, x, 0, 0);
            if (i < 13)
                output(&b, v);
            sum = op(&b, "add", 2, sum, v, 0);
        }
        for (size_t i = 0; i < COUNT(arithmetic) && (t != RN_U8 || i < 3); i++) {
            rn_value v = op(&b, arithmetic[i], 2, x, y, 0);
            output(&b, v);
            sum = op(&b, "add", 2, sum, v, 0);
        }
        if (is_float) {
            output(&b, op(&b, "pow", 2, x, y, 0));
            output(&b, op(&b, "is_finite", 1, x, 0, 0));
        }
        rn_value any = RN_NONE;
        for (size_t i = 0; i < COUNT(comparisons); i++) {
            rn_value v = op(&b, comparisons[i], 2, x, y, 0);
            sum = op(&b, "select", 3, v, sum, op(&b, "sub", 2, sum, x, 0));
            any = any ? op(&b, "logical_or", 2, any, v, 0) : v;
        }
        output(&b, any);
        output(&b, sum);
        if (is_float) {
            output(&b, cast(&b, x, t == RN_F32 ? RN_F64 : RN_F32));
            output(&b, cast(&b, y, RN_I64));
        }
    }
    check_graph("every operator", &b);
    arena_destroy(b.arena);
}

/* Casts, each on both sides of other steps. */
static void every_cast(void) {
    static const rn_dtype types[] = {RN_F32, RN_F64, RN_I64, RN_I32, RN_U8, RN_BOOL};
    for (size_t i = 0; i < COUNT(types); i++) {
        struct built b;
        int64_t shape[1] = {2011};
        begin(&b, "casts");
        rn_value x = input(&b, types[i], 1, shape);
        for (size_t k = 0; k < COUNT(types); k++)
            if (k != i) {
                rn_value y = cast(&b, x, types[k]);
                output(&b, y);
                output(&b, op(&b, "eq", 2, y, y, 0));
            }
        check_graph("casts", &b);
        arena_destroy(b.arena);
    }
}

static const char *binary_of(rn_dtype t) {
    if (t == RN_BOOL)
        return dice(2) ? "logical_and" : "logical_or";
    if (t == RN_U8)
        return arithmetic[dice(3)];
    return t == RN_F32 && dice(12) == 0 ? "pow" : arithmetic[dice(COUNT(arithmetic))];
}

/* Several random regions over different spaces; between some of them an operator that
 * is not elementwise, so that regions read and overwrite each other's results. */
static void random_graph(uint32_t seed) {
    static const int64_t spaces[][4] = {
        {1, 1, 1, 1009}, {1, 1, 33, 10},  {3, 5, 7, 49},     {1, 2, 5, 700},
        {2, 3, 1, 129},  {1, 1, 1, 3},    {4, 1, 300, 1},    {1, 1, 2, 17000},
        {2, 2, 16, 16},  {1, 64, 1, 130}, {1, 1, 1, 100003}, {5, 1, 1, 512}};
    static const rn_dtype types[] = {RN_F32, RN_F32, RN_F32, RN_F32, RN_F32,
                                     RN_F64, RN_I64, RN_I32, RN_U8,  RN_BOOL};
    struct built b;
    state = seed * 7919u;
    begin(&b, "random");
    for (int k = 0; k < 4; k++) {
        const int64_t *space = spaces[dice(COUNT(spaces))];
        uint32_t rank = 4 - dice(2);
        rn_value pool[80];
        uint32_t n = 0, fresh;
        space += 4 - rank;
        pool[n++] = input(&b, RN_F32, rank, space);
        for (uint32_t i = 0; i < 5; i++) {
            int64_t shape[4];
            uint32_t less = dice(4) ? 0 : dice(rank + 1);
            bool whole = dice(2) == 0;
            for (uint32_t d = 0; d < rank; d++)
                shape[d] = whole || dice(2) ? space[d] : 1;
            pool[n++] = input(&b, i < 2 ? RN_F32 : types[dice(COUNT(types))],
                              rank - less, shape + less);
        }
        pool[n++] = graph_scalar(b.graph, RN_F32, 0.37);
        fresh = n;
        uint32_t steps = 4 + dice(24);
        for (uint32_t i = 0; i < steps && n + 2 < COUNT(pool); i++) {
            rn_value x = pool[dice(2) && n > fresh ? fresh + dice(n - fresh) : dice(n)];
            rn_dtype t = graph_value(b.graph, x)->dtype;
            rn_value y = RN_NONE;
            for (int again = 0; again < 20 && y == RN_NONE; again++) {
                y = pool[dice(n)];
                if (graph_value(b.graph, y)->dtype != t)
                    y = RN_NONE;
            }
            switch (dice(8)) {
            case 0:
            case 1:
                if (t == RN_F32 || t == RN_F64)
                    pool[n++] =
                        op(&b, float_unary[dice(COUNT(float_unary))], 1, x, 0, 0);
                else
                    pool[n++] = cast(&b, x, RN_F32);
                break;
            case 2:
                if (y != RN_NONE) {
                    rn_value c =
                        op(&b, comparisons[dice(COUNT(comparisons))], 2, x, y, 0);
                    pool[n++] = op(&b, "select", 3, c, y, x);
                }
                break;
            case 3:
                pool[n++] = cast(&b, x, types[dice(COUNT(types))]);
                break;
            default:
                if (y != RN_NONE)
                    pool[n++] = op(&b, binary_of(t), 2, x, y, 0);
                break;
            }
        }
        rn_value last = pool[n - 1];
        if (dice(2)) { /* a barrier, then more over what it made */
            struct rn_attr a[3] = {rn_attr_int("axis", 0), rn_attr_int("exclusive", 0),
                                   rn_attr_int("reverse", 1)};
            rn_value f = cast(&b, last, RN_F32), z = RN_NONE;
            uint32_t r = graph_value(b.graph, f)->rank;
            if (r > 0) {
                graph_op(b.graph, "cumsum", 1, &f, 3, a, 1, &z, NULL);
                z = op(&b, "sub", 2, op(&b, "mul", 2, z, z, 0), pool[6], 0);
                output(&b, op(&b, "tanh", 1, z, 0, 0));
            }
        }
        output(&b, last);
        for (uint32_t i = 0; i < 3 && n > fresh; i++)
            output(&b, pool[fresh + dice(n - fresh)]);
    }
    char name[32];
    snprintf(name, sizeof name, "random graph %u", seed);
    check_graph(name, &b);
    arena_destroy(b.arena);
}

/* ------------------------------------------------- cache, compiler, background */

static char home[] = "/tmp/runner-regions-XXXXXX";

static void cache_dir(char *out, size_t size) {
    snprintf(out, size, "%s/runner/regions", home);
}

/* Names in the cache; `change` is applied to each file. */
static int cache_entries(const char *suffix, void (*change)(const char *file)) {
    char path[128], file[512];
    int count = 0;
    cache_dir(path, sizeof path);
    DIR *d = opendir(path);
    struct dirent *f;
    while (d && (f = readdir(d))) {
        size_t n = strlen(f->d_name), m = strlen(suffix);
        if (f->d_name[0] == '.' || n < m || strcmp(f->d_name + n - m, suffix) != 0)
            continue;
        snprintf(file, sizeof file, "%s/%s", path, f->d_name);
        if (change)
            change(file);
        count++;
    }
    if (d)
        closedir(d);
    return count;
}

static void cut(const char *file) {
    struct stat s;
    CHECK(stat(file, &s) == 0 && truncate(file, s.st_size / 2) == 0);
}

static void flip(const char *file) {
    char c;
    int f = open(file, O_RDWR);
    CHECK(f >= 0 && pread(f, &c, 1, 1000) == 1);
    c ^= 64;
    CHECK(pwrite(f, &c, 1, 1000) == 1);
    close(f);
}

static void empty(const char *file) {
    CHECK(truncate(file, 0) == 0);
}

static void open_to_all(const char *file) {
    CHECK(chmod(file, 0777) == 0);
}

static void away(const char *file) {
    unlink(file);
}

/* About `ms` of interpreted work a run. */
static void build_work(struct built *b, int64_t n) {
    begin(b, "work");
    rn_value x = input(b, RN_F32, 1, &n), y = x;
    for (int i = 0; i < 6; i++)
        y = op(b, "add", 2, op(b, "tanh", 1, y, 0, 0), op(b, "mul", 2, x, y, 0), 0);
    output(b, y);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void check_damage(void) {
    static void (*const changes[])(const char *) = {cut, flip, empty, open_to_all};
    struct built b;
    struct result want, got;
    struct opened o;
    cache_entries(".so", away);
    build_work(&b, 3001);
    open_engine(&o, "best", 1, "wait", NULL);
    CHECK(run_on(&o, &b, &want) && o.options.compiled == 1);
    close_engine(&o);
    CHECK(cache_entries(".so", NULL) == 1);
    open_engine(&o, "best", 1, "auto", NULL); /* a hit, at once */
    CHECK(run_on(&o, &b, &got) && same(&want, &got) && o.options.compiled == 0);
    close_engine(&o);
    drop(&got);
    for (size_t i = 0; i < COUNT(changes); i++) {
        cache_entries(".so", changes[i]);
        open_engine(&o, "best", 1, "wait", NULL);
        CHECK(run_on(&o, &b, &got) && same(&want, &got));
        CHECK(o.options.compiled == 1 && o.options.failed == 0); /* made anew */
        close_engine(&o);
        CHECK(cache_entries(".so", NULL) == 1);
        drop(&got);
    }
    drop(&want);
    arena_destroy(b.arena);
}

static void check_no_cache(void) {
    struct built b;
    struct result want, got;
    struct opened o;
    build_work(&b, 3001);
    open_engine(&o, "best", 1, "off", NULL);
    CHECK(run_on(&o, &b, &want));
    close_engine(&o);
    static const char *const caches[] = {"/dev/null", "/nowhere/at/all", NULL};
    for (int i = 0; i < 3; i++) {
        if (caches[i])
            setenv("XDG_CACHE_HOME", caches[i], 1);
        else
            unsetenv("XDG_CACHE_HOME"), unsetenv("HOME");
        setenv("TMPDIR", home, 1);
        open_engine(&o, "best", 1, "wait", NULL);
        CHECK(run_on(&o, &b, &got) && same(&want, &got) && o.options.compiled == 1);
        close_engine(&o);
        drop(&got);
        DIR *d = opendir(home);
        struct dirent *f;
        int left = 0;
        while (d && (f = readdir(d)))
            left += strncmp(f->d_name, "runner-", 7) == 0;
        if (d)
            closedir(d);
        CHECK(left == 0); /* the temporary folder is gone */
    }
    unsetenv("TMPDIR");
    setenv("XDG_CACHE_HOME", home, 1);
    drop(&want);
    arena_destroy(b.arena);
}

static void script(const char *file, const char *text) {
    FILE *f = fopen(file, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0 && chmod(file, 0700) == 0);
}

static void check_compilers(void) {
    struct built b;
    struct result want, got;
    struct opened o;
    char file[128], *path = getenv("PATH") ? strdup(getenv("PATH")) : NULL;
    build_work(&b, 3001);
    open_engine(&o, "best", 1, "off", NULL);
    CHECK(run_on(&o, &b, &want));
    close_engine(&o);
    setenv("PATH", "/nowhere", 1); /* no compiler: interpreted */
    CHECK(open_engine(&o, "best", 1, "wait", NULL) == RN_OK);
    CHECK(run_on(&o, &b, &got) && same(&want, &got) && o.options.compiled == 0);
    close_engine(&o);
    drop(&got);
    if (path)
        setenv("PATH", path, 1);
    CHECK(open_engine(&o, "best", 1, "wait", "no-such-compiler") == RN_E_CONFIG);
    static const char *const bad[] = {
        "#!/bin/sh\nexit 1\n", "#!/bin/sh\nexit 0\n",
        "#!/bin/sh\nwhile [ \"$1\" != -o ]; do shift; done; echo no elf > \"$2\"\n"};
    for (size_t i = 0; i < COUNT(bad); i++) { /* that fail, each in its way */
        snprintf(file, sizeof file, "%s/bad%zu", home, i);
        script(file, bad[i]);
        CHECK(open_engine(&o, "best", 1, "wait", file) == RN_OK);
        CHECK(run_on(&o, &b, &got) && same(&want, &got));
        CHECK(o.options.compiled == 0 && o.options.failed == 1);
        close_engine(&o);
        drop(&got);
    }
    CHECK(cache_entries("", NULL) == cache_entries(".so", NULL));
    free(path);
    drop(&want);
    arena_destroy(b.arena);
}

/* In the background: swapped in while the program runs, always the same bits. */
static void check_background(void) {
    struct built b;
    struct result want, got;
    struct opened o;
    struct ready r;
    struct rn_error e = {0};
    int64_t n = 50021;
    build_work(&b, n);
    cache_entries(".so", away);
    open_engine(&o, "best", 2, "off", NULL);
    CHECK(run_on(&o, &b, &want));
    close_engine(&o);
    CHECK(open_engine(&o, "best", 2, "auto", NULL) == RN_OK);
    CHECK(get_ready(&o, &b, &r, &e) == RN_OK);
    bool good = true;
    int rounds = 0, after = 0;
    for (double end = now() + 300.0; after < 5 && now() < end && good; rounds++) {
        after += o.options.compiled > 0;
        good = run_once(&b, &r, &e) == RN_OK && take(&b, &r, &got, &e) == RN_OK &&
               same(&want, &got);
        drop(&got);
    }
    CHECK(good && after == 5 && o.options.compiled == 1 && rounds > 5);
    end_ready(&r);
    close_engine(&o);
    CHECK(cache_entries(".so", NULL) == 1);

    /* A run that ends while the compiler works. */
    char file[128];
    snprintf(file, sizeof file, "%s/slow", home);
    script(file, "#!/bin/sh\ntouch \"$TMPDIR/started\"; sleep 20; sleep 20\n");
    for (int how = 0; how < 2; how++) {
        CHECK(open_engine(&o, "best", 1, "auto", file) == RN_OK);
        CHECK(get_ready(&o, &b, &r, &e) == RN_OK);
        for (double end = now() + 300.0; cache_entries("", NULL) == 1 && now() < end;)
            good = good && run_once(&b, &r, &e) == RN_OK;
        CHECK(good && cache_entries("", NULL) == 2); /* its folder is there */
        double start = now();
        if (how == 0)
            nanosleep(&(struct timespec){0, 100000000},
                      NULL); /* the second time the script may not have begun */
        end_ready(&r);
        close_engine(&o);
        CHECK(now() - start < 5.0);
        CHECK(cache_entries("", NULL) == 1);
        CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    }
    drop(&want);
    arena_destroy(b.arena);
}

/* Two processes that make the same at once. */
static void check_two(void) {
    struct built b;
    cache_entries(".so", away);
    build_work(&b, 3001);
    pid_t children[2];
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct result got;
            struct opened o;
            open_engine(&o, "best", 1, "wait", NULL);
            bool ran = run_on(&o, &b, &got);
            close_engine(&o);
            _exit(!ran || o.options.failed);
        }
    }
    for (int i = 0; i < 2; i++) {
        int status = -1;
        waitpid(children[i], &status, 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    CHECK(cache_entries(".so", NULL) == 1 && cache_entries("", NULL) == 1);
    arena_destroy(b.arena);
}

int main(int argc, char **argv) {
    struct opened o;
    if (argc < 3 || !mkdtemp(home) || !open_backend(argv[1]))
        return 1;
    setenv("XDG_CACHE_HOME", home, 1);
    if (system("cc --version >/dev/null 2>&1") != 0) {
        puts("SKIP: no C compiler here, so nothing to compare with");
        return 77;
    }
    for (int i = 0; i < 3; i++) {
        if (open_engine(&o, isas[i], 1, "off", NULL) == RN_OK)
            close_engine(&o);
        else
            printf("SKIP: this processor has no %s\n", isas[i]);
    }
    check_two(); /* before this process has threads */
    static const rn_dtype types[] = {RN_F32, RN_F64, RN_I64, RN_I32, RN_U8, RN_BOOL};
    for (size_t i = 0; i < COUNT(types); i++)
        every_operator(types[i]);
    every_cast();
    for (int i = 0; i < atoi(argv[2]); i++)
        random_graph((uint32_t)i + 1);
    check_damage();
    check_no_cache();
    check_compilers();
    check_background();
    printf("%u regions compiled for each instruction set\n", compiled_regions);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", home);
    CHECK(system(command) == 0);
    return check_done();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Regions that end with reductions against the same graphs with reductions on their
 * own, to the bit: kinds, shapes, several at once, with and without other readers,
 * interpreted and compiled, for each instruction set of this machine and one and two
 * threads. Argument: the plugin cpu. */
#include <sys/stat.h>
#include <unistd.h>

#include "fold_graphs.h"

static const char *const isas[] = {"base", "v3", "v4"};
static uint32_t reductions;

static void check_case(const struct case_ *c, const char *kind, int form, bool plain) {
    struct built b;
    struct opened o;
    struct result want, got;
    build(&b, c, kind, form, plain);
    CHECK(open_engine(&o, "best", 1, "off", NULL) == RN_OK);
    bool ran = run_on(&o, &b, &want);
    close_engine(&o);
    CHECK(ran && want.reductions == 0);
    for (int i = 0; ran && i < 12; i++) {
        if (open_engine(&o, isas[i / 4], 1 + i % 2, i / 2 % 2 ? "wait" : "off", NULL) !=
            RN_OK)
            continue;
        o.options.reduces = true;
        bool good = run_on(&o, &b, &got);
        good =
            good && same(&want, &got) && got.reductions == (form == 2 ? 3 : form < 2);
        CHECK(good);
        if (!good)
            fprintf(stderr, "%s, case %d, form %d: %s, %d threads, %s, %u reductions\n",
                    kind, (int)(c - cases), form, isas[i / 4], 1 + i % 2,
                    i / 2 % 2 ? "compiled" : "interpreted", got.reductions);
        reductions += got.reductions;
        close_engine(&o);
        drop(&got);
    }
    if (ran)
        drop(&want);
    arena_destroy(b.arena);
}

/* Neither rows nor columns, other types, few threads for much work: left alone. */
static void check_left_alone(void) {
    static const struct case_ middle = {3, {4, 5, 6}, {1}, 1},
                              outer = {3, {4, 5, 6}, {0, 2}, 2},
                              all = {1, {40000}, {0}, 1};
    for (int i = 0; i < 4; i++) {
        struct built b;
        struct opened o;
        struct result got;
        begin(&b, "alone");
        const struct case_ *c = i == 0 ? &middle : i == 1 ? &outer : &all;
        rn_value x = input(&b, i == 2 ? RN_F64 : RN_F32, c->rank, c->shape);
        rn_value z = op(&b, "mul", 2, x, x, 0);
        z = op(&b, "tanh", 1, op(&b, "add", 2, z, x, 0), 0, 0);
        output(&b, reduce(&b, "reduce_sum", z, c, false));
        CHECK(open_engine(&o, "best", 2, "off", NULL) == RN_OK);
        o.options.reduces = true;
        bool ran = run_on(&o, &b, &got);
        CHECK(ran && got.regions == 1 && got.reductions == 0);
        if (ran)
            drop(&got);
        close_engine(&o);
        arena_destroy(b.arena);
    }
}

/* A square that a sum reads and, with the sum, what comes later: computed twice, so
 * that the sum ends a region, if its operand is stored anyway; else stored. */
static void check_twice(bool stored) {
    static const struct case_ all = {2, {300, 200}, {0, 1}, 2};
    struct result want, got;
    bool ran = true;
    for (int reduces = 0; ran && reduces < 2; reduces++) {
        struct built b;
        struct opened o;
        begin(&b, "twice");
        rn_value x = input(&b, RN_F32, all.rank, all.shape);
        rn_value g = stored ? x : op(&b, "tanh", 1, x, 0, 0);
        rn_value square = op(&b, "mul", 2, g, g, 0);
        rn_value sum = reduce(&b, "reduce_sum", square, &all, true);
        output(&b, sum);
        output(&b, op(&b, "add", 2, op(&b, "div", 2, g, sum, 0), square, 0));
        CHECK(open_engine(&o, "best", 2, "off", NULL) == RN_OK);
        o.options.reduces = reduces;
        ran = run_on(&o, &b, reduces ? &got : &want);
        CHECK(ran);
        close_engine(&o);
        arena_destroy(b.arena);
    }
    if (!ran)
        return;
    CHECK(same(&want, &got) && want.reductions == 0);
    CHECK(got.reductions == stored);
    drop(&want);
    drop(&got);
}

int main(int argc, char **argv) {
    static char home[] = "/tmp/runner-folds-XXXXXX";
    struct opened o;
    if (argc < 2 || !mkdtemp(home) || !open_backend(argv[1]))
        return 1;
    setenv("XDG_CACHE_HOME", home, 1);
    if (system("cc --version >/dev/null 2>&1") != 0)
        puts("SKIP: no C compiler here, so regions are interpreted only");
    for (int i = 0; i < 3; i++) {
        if (open_engine(&o, isas[i], 1, "off", NULL) == RN_OK)
            close_engine(&o);
        else
            printf("SKIP: this processor has no %s\n", isas[i]);
    }
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (size_t i = 0; i < COUNT(cases); i++)
            for (int form = 0; form < 4; form++)
                check_case(&cases[i], kinds[k], form, (i + k + (size_t)form) % 4 != 0);
    check_left_alone();
    check_twice(true);
    check_twice(false);
    printf("%u reductions inside of regions\n", reductions);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", home);
    CHECK(system(command) == 0);
    return check_done();
}

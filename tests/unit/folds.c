/* SPDX-License-Identifier: Apache-2.0 */
/* Regions that end with reductions against the same graphs with reductions on their
 * own, to the bit: kinds, shapes, several at once, with and without other readers,
 * interpreted and compiled, for each instruction set of this machine and one and two
 * threads. Argument: the plugin cpu. */
#include <sys/stat.h>
#include <unistd.h>

#include "region_graphs.h"

struct case_ {
    uint32_t rank;
    int64_t shape[4];
    int64_t axes[4];
    uint32_t axis_count;
};

static const struct case_ cases[] = {
    {1, {1}, {0}, 1},               /* one element */
    {1, {7}, {0}, 1},               /* less than the lanes */
    {1, {1009}, {0}, 1},            /* less than a block */
    {1, {5000}, {0}, 1},            /* several blocks */
    {2, {300, 10}, {0, 1}, 2},      /* all of them */
    {2, {300, 10}, {1}, 1},         /* short rows */
    {2, {65, 33}, {1}, 1},          /* rows, not a multiple of 16 */
    {2, {70, 1024}, {1}, 1},        /* rows of a block */
    {2, {70, 2500}, {1}, 1},        /* rows of several */
    {3, {6, 20, 35}, {1, 2}, 2},    /* last axes */
    {4, {2, 3, 1, 129}, {2, 3}, 2}, /* an axis of size 1 */
    {2, {300, 10}, {0}, 1},         /* few columns */
    {2, {100, 300}, {0}, 1},        /* several units, rows longer than one */
    {2, {3, 2000}, {0}, 1},         /* fewer rows than lanes */
    {3, {5, 40, 96}, {0, 1}, 2},    /* leading axes */
    {3, {20, 4, 33}, {0}, 1},       /* one leading axis */
    {2, {1, 400}, {0}, 1},          /* one row */
    {2, {400, 1}, {1}, 1},          /* rows of one element */
};

static const char *const kinds[] = {"reduce_sum", "reduce_mean", "reduce_max",
                                    "reduce_min"};

static rn_value reduce(struct built *b, const char *name, rn_value x,
                       const struct case_ *c, bool keep) {
    struct rn_attr a[2] = {rn_attr_ints("axes", c->axis_count, c->axes),
                           rn_attr_int("keep", keep)};
    struct rn_error e = {0};
    rn_value out = RN_NONE;
    if (graph_op(b->graph, name, 1, &x, 2, a, 1, &out, &e) != RN_OK)
        fprintf(stderr, "%s: %s\n", name, e.message);
    return out;
}

/* form 0: one reduction; 1: the region has another output; 2: several reductions, of
 * two values; 3: what is reduced is read by others, so the reduction is on its own. */
static void build(struct built *b, const struct case_ *c, const char *kind, int form,
                  bool plain) {
    int64_t row[1] = {c->shape[c->rank - 1]}, column[4] = {1, 1, 1, 1};
    column[0] = c->shape[0];
    begin(b, "folds");
    rn_value x = input(b, RN_F32, c->rank, c->shape),
             y = input(b, RN_F32, c->rank, c->shape), u = input(b, RN_F32, 1, row),
             v = input(b, RN_F32, c->rank, column);
    for (uint32_t i = 0; i < b->input_count; i++)
        b->inputs[i].plain = plain;
    rn_value p = op(b, "mul", 2, op(b, "add", 2, x, u, 0), y, 0);
    rn_value q = op(b, "sub", 2, p, v, 0), z = op(b, "mul", 2, q, q, 0);
    rn_value r = reduce(b, kind, z, c, form == 3);
    output(b, r);
    if (form == 1)
        output(b, op(b, "neg", 1, z, 0, 0));
    if (form == 2) {
        output(b, reduce(b, kind, q, c, false));
        output(b, reduce(b, "reduce_sum", z, c, true));
        output(b, p);
    }
    if (form == 3)
        output(b, op(b, "sub", 2, z, r, 0));
}

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

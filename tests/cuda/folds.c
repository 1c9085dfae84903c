/* SPDX-License-Identifier: Apache-2.0 */
/* folds CPU CUDA: regions that end with reductions on the emulated device, threads
 * walked forwards and backwards, against the same graphs on the cpu backend with
 * reductions on their own, to the bit. */
#include "../unit/fold_graphs.h"

static uint32_t reductions;

static bool wanted(const char *cpu, const struct built *b, struct result *out) {
    struct opened o;
    bool ran = open_backend(cpu) && open_engine(&o, "best", 1, "off", NULL) == RN_OK &&
               run_on(&o, b, out);
    close_engine(&o);
    return ran && out->reductions == 0;
}

static void check_case(const char *cpu, const char *cuda, const struct case_ *c,
                       const char *kind, int form, bool plain) {
    static const char *const orders[] = {"forwards", "backwards"};
    struct built b;
    struct opened o;
    struct result want, got;
    build(&b, c, kind, form, plain);
    bool ran = wanted(cpu, &b, &want);
    CHECK(ran && open_backend(cuda));
    for (int i = 0; ran && i < 2; i++) {
        CHECK(open_device(&o, orders[i]) == RN_OK);
        o.options.reduces = true;
        bool good = run_on(&o, &b, &got) && same(&want, &got);
        good = good && got.reductions == (form == 2 ? 3 : form < 2);
        CHECK(good);
        if (!good)
            fprintf(stderr, "%s, case %d, form %d, %s: %u reductions\n", kind,
                    (int)(c - cases), form, orders[i], got.reductions);
        reductions += got.reductions;
        close_engine(&o);
        drop(&got);
    }
    if (ran)
        drop(&want);
    arena_destroy(b.arena);
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 1;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int form = 0; form < 4; form++)
            check_case(argv[1], argv[2], &cases[i], kinds[(i + (size_t)form) % 4], form,
                       i % 4 != 0);
    CHECK(reductions > 100);
    printf("%u reductions inside of regions\n", reductions);
    return check_done();
}

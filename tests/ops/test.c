/* SPDX-License-Identifier: Apache-2.0 */
/* Mode test: every case on the reference within the error bound of its f64 run, and on
 * each other backend equal to the reference to the bit, sums of products within the
 * bound. A backend that promises it gives the same bits for any number of threads. */
#include <stdlib.h>

#include "graph/internal.h"
#include "ops.h"

static bool is_f32(const struct result *r) {
    for (uint32_t i = 0; i < r->count; i++)
        if (r->dtype[i] == RN_F64 || r->dtype[i] == RN_F16 || r->dtype[i] == RN_BF16)
            return false;
    return true;
}

static bool reads_f64(const struct built *b) {
    for (uint32_t i = 0; i < b->input_count; i++)
        if (b->inputs[i].dtype == RN_F64)
            return true;
    return false;
}

/* Every operator of the table has a case. */
static void check_table(void) {
    for (uint32_t i = 0; i < op_count(); i++) {
        const struct op *op = op_at(i);
        bool have = op_traits(op) & OP_SOURCE || strcmp(op_name(op), "custom") == 0 ||
                    strcmp(op_name(op), "scan") == 0; /* scan.c */
        for (uint32_t k = 0; k < op_case_count && !have; k++) {
            char name[40];
            case_op_name(op_cases[k].text, name, sizeof name);
            have = strcmp(name, op_name(op)) == 0;
        }
        ops_check(have, "operator %s has no case", op_name(op));
    }
}

static bool compiles_only; /* mode compile */

void test_built(const char *name, const struct built *b, bool near,
                const struct opened *backends, int count) {
    struct result want, truth = {0}, bound = {0}, first = {0};
    char where[160];
    bool have_bound = false;
    for (int i = 1; i < count && compiles_only; i++) {
        built_run_once(&backends[i], b, true, &want);
        result_free(&want);
    }
    if (compiles_only)
        return;
    if (!built_run(&backends[0], b, false, &want)) {
        ops_check(false, "%s does not run on the reference", name);
        return;
    }
    if (is_f32(&want) && !reads_f64(b) && !b->special) {
        have_bound = bound_run(&backends[0], b, &truth, &bound);
        double worst = have_bound
                           ? bound_worst(&want, &truth, &bound, where, sizeof where)
                           : INFINITY;
        ops_check(worst <= 1.0, "%s on the reference: %s", name, where);
    }
    for (int i = 1; i < count; i++) {
        struct result got = {0};
        bool ran = built_run(&backends[i], b, true, &got);
        ops_check(ran, "%s does not run on %s", name, backends[i].name);
        if (!ran)
            continue;
        if (!near || !have_bound) {
            ops_check(result_same(&want, &got, where, sizeof where), "%s on %s: %s",
                      name, backends[i].name, where);
        } else {
            ops_check(bound_worst(&got, &truth, &bound, where, sizeof where) <= 1.0,
                      "%s on %s: %s", name, backends[i].name, where);
        }
        if (backends[i].exact && first.count)
            ops_check(result_same(&first, &got, where, sizeof where),
                      "%s on %s, other bits: %s", name, backends[i].name, where);
        if (backends[i].exact && !first.count)
            first = got;
        else
            result_free(&got);
    }
    result_free(&want);
    result_free(&truth);
    result_free(&bound);
    result_free(&first);
}

void mode_test(const struct opened *backends, int count, const char *only) {
    check_table();
    for (uint32_t i = 0; i < op_case_count; i++) {
        struct built b;
        if (only && !strstr(op_cases[i].text, only))
            continue;
        bool good = case_build(op_cases[i].text, false, &b);
        ops_check(good, "%s cannot be built", op_cases[i].text);
        if (good)
            test_built(op_cases[i].text, &b, op_cases[i].flags & CASE_NEAR, backends,
                       count);
        built_free(&b);
    }
    if (!only || strcmp(only, "scan") == 0)
        test_scan(backends, count);
    if (only)
        return;
    test_refusals();
    test_meanings(backends, count);
    test_graphs(backends, count);
    test_fold(backends, count);
    test_images16(backends, count);
    test_precision(backends, count);
    test_attention16(backends, count);
    test_custom(backends, count);
}

void mode_compile(const struct opened *backends, int count) {
    compiles_only = true;
    mode_test(backends, count, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A check's numbers do not depend on how many threads measure columns, nor on how many
 * columns are in memory at a time: the JSON is the same, byte for byte.
 *
 *     check_threads PLUGINS */
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "check/check.h"
#include "check/runs.h"

static int write_files(void) {
    FILE *t = fopen("t.csv", "w"), *e = fopen("e.yaml", "w");
    if (!t || !e)
        return -1;
    fputs("city", t);
    for (int k = 0; k < 30; k++)
        fprintf(t, ",c%d", k);
    fputs(",label\n", t);
    unsigned state = 7;
    for (int i = 0; i < 3000; i++) {
        fprintf(t, "k%d", i % 5);
        for (int k = 0; k < 30; k++) {
            state = state * 1664525u + 1013904223u;
            if (state >> 28)
                fprintf(t, ",%.6f", (double)(state >> 8) / (1 << 20) + (k == 3) * i);
            else
                fputs(",", t);
        }
        fprintf(t, ",%d\n", (int)(state >> 20 & 1));
    }
    fputs(
        "data:\n"
        "  source: {type: csv, file: t.csv, target: label, fields: [city]}\n"
        "  split: {kind: stratified, by: label, val: 0.2, test: 0.2}\n"
        "  transforms: [{type: impute, of: x}]\n"
        "model: {type: sequential, layers: [{type: dense, units: 2}]}\n"
        "loss: cross_entropy\noptimizer: sgd\ntrain: {epochs: 1}\ndevice: reference\n",
        e);
    return fclose(t) | fclose(e);
}

/* Freed by the caller. */
static char *check_with(struct session *s, uint32_t threads, uint64_t budget) {
    struct check_options o = {
        .session = s, .file = "e.yaml", .threads = threads, .budget = budget};
    struct diag *d = diag_create();
    struct check *c = check_run(&o, d);
    struct text t = {0};
    CHECK(c != NULL);
    if (c)
        check_json(c, &t);
    else
        diag_print(d, &t, false);
    if (!c)
        fputs(text_get(&t), stderr);
    if (c && budget)
        CHECK(c->profile->memory >= 8 * 3000 &&
              c->profile->memory < budget + (8 + 4 * RUNS_MEMORY) * 3001);
    check_close(c);
    diag_destroy(d);
    return t.s;
}

int main(int argc, char **argv) {
    char folder[] = "/tmp/runner-check-XXXXXX", path[4096];
    static const char *const kinds[] = {"source", "transform", "model",
                                        "loss",   "optimizer", "backend"};
    struct rn_error e = {0};
    struct session *s = session_create(NULL, NULL);
    if (argc < 2 || !mkdtemp(folder) || chdir(folder) != 0 || write_files() != 0)
        return 1;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        snprintf(path, sizeof path, "%s/%s", argv[1], kinds[i]);
        CHECK(session_add_folder(s, path, true, &e) == RN_OK);
    }
    char *one = check_with(s, 1, 0);
    CHECK(one && strstr(one, "\"c3\"") && strstr(one, "neighbour-order"));
    for (uint32_t threads = 2; threads <= 8; threads *= 2) {
        char *more = check_with(s, threads, threads == 4 ? 0 : 8 * 3001 * 20);
        CHECK_TEXT(more, one ? one : "");
        free(more);
    }
    char *little = check_with(s, 2, 1); /* a column at a time */
    CHECK_TEXT(little, one ? one : "");
    free(little);
    free(one);
    session_destroy(s);
    CHECK(unlink("t.csv") == 0 && unlink("e.yaml") == 0 && rmdir(folder) == 0);
    return check_done();
}

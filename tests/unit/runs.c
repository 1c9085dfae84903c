/* SPDX-License-Identifier: Apache-2.0 */
/* Many runs in one process, and an engine without a data set. argv: plugin folder.
 * Two experiments are trained one after the other, then at once on two threads, each
 * with a session of its own: the same bits, and each session's warnings reach its own
 * sink. Then an engine is opened from the schema of a batch alone, takes the weights of
 * a checkpoint and computes, from rows in memory, what `predict` gives for a file. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "evaluate/stored.h"
#include "record/record.h"
#include "train/run.h"
#include "unit/absent.h"

#define ROWS    60
#define COLUMNS 5
#define CLASSES 3

static char folder[64];
static const char *plugins;

/* ------------------------------------------------------------------ the data */

static void write_npy(const char *name, const char *descr, const char *shape,
                      const void *data, size_t bytes) {
    char path[256], head[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    memset(head, ' ', sizeof head);
    memcpy(head, "\x93NUMPY\x01\x00\x76\x00", 10);
    int n = snprintf(head + 10, sizeof head - 10,
                     "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr,
                     shape);
    head[10 + n] = ' ';
    head[127] = '\n';
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(head, 1, sizeof head, f) == sizeof head &&
          fwrite(data, 1, bytes, f) == bytes && fclose(f) == 0);
}

static float features[ROWS][COLUMNS];

static void make_data(void) {
    int64_t labels[ROWS];
    for (int i = 0; i < ROWS; i++) {
        labels[i] = i % CLASSES;
        for (int k = 0; k < COLUMNS; k++)
            features[i][k] = (float)((i * 37 + k * 11) % 23) / 23.0f +
                             (k == labels[i] ? 1.0f : 0.0f);
    }
    write_npy("x.npy", "<f4", "60, 5", features, sizeof features);
    write_npy("y.npy", "<i8", "60,", labels, sizeof labels);
}

/* A batch larger than the training split gives one warning. */
static void write_experiment(const char *name, const char *data_batch, int units) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s.yaml", folder, name);
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    fprintf(
        f,
        "name: %s\nseed: 3\noutput: %s/runs\n"
        "data:\n  source: {type: npy, files: {x: x.npy, y: y.npy}}\n"
        "  split: {kind: random, val: 0.2}\n  batch: %s\n"
        "model: {type: sequential, in: {x: data.x}, layers: [{type: dense, units: %d}, "
        "{type: relu}, {type: dropout, p: 0.2}, {type: dense, units: 3}]}\n"
        "loss: {type: cross_entropy, in: {label: data.y}}\n"
        "optimizer: {type: adam, lr: 0.01}\ntrain: {steps: 60}\n"
        "device: {type: cpu, threads: 1}\n",
        name, folder, data_batch, units);
    CHECK(fclose(f) == 0);
}

/* ------------------------------------------------------------------- sessions */

struct one_run {
    const char *name;
    int warnings;
    char sha256[65], run[4096];
    int status;
};

static void count_warning(void *context, int level, const char *line) {
    struct one_run *r = context;
    (void)line;
    r->warnings += level == RN_LOG_WARNING;
}

static struct session *open_session(struct one_run *r) {
    static const char *const kinds[] = {"source", "model",    "loss",   "optimizer",
                                        "init",   "schedule", "backend"};
    struct session *s = session_create(count_warning, r);
    struct rn_error e = {0};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char path[512];
        snprintf(path, sizeof path, "%.400s/%s", plugins, kinds[i]);
        CHECK(session_add_folder(s, path, true, &e) == RN_OK);
    }
    return s;
}

static void print_errors(struct diag *d) {
    struct text t = {0};
    diag_print(d, &t, false);
    if (t.length)
        fprintf(stderr, "%s\n", text_get(&t));
    text_finish(&t);
}

static void *train(void *context) {
    struct one_run *r = context;
    char file[256];
    struct run_result result;
    struct verify_result verified;
    struct rn_error e = {0};
    struct diag *d = diag_create();
    snprintf(file, sizeof file, "%s/%s.yaml", folder, r->name);
    struct run_options o = {.session = open_session(r), .file = file};
    r->status = run_train(&o, &result, d);
    print_errors(d);
    snprintf(r->run, sizeof r->run, "%s", result.folder);
    if (r->status == RN_OK)
        r->status = record_verify(r->run, &verified, &e);
    if (r->status == RN_OK)
        memcpy(r->sha256, verified.sha256, sizeof r->sha256);
    run_result_finish(&result);
    diag_destroy(d);
    session_destroy(o.session);
    return NULL;
}

static void test_at_once(void) {
    struct one_run alone[2] = {{.name = "small"}, {.name = "large"}};
    for (int i = 0; i < 2; i++) {
        train(&alone[i]);
        CHECK(alone[i].status == RN_OK);
    }
    CHECK(alone[0].warnings == 0 && alone[1].warnings == 1);
    CHECK(strcmp(alone[0].sha256, alone[1].sha256) != 0);
    for (int round = 0; round < 3; round++) {
        struct one_run both[2] = {{.name = "small"}, {.name = "large"}};
        pthread_t threads[2];
        for (int i = 0; i < 2; i++)
            CHECK(pthread_create(&threads[i], NULL, train, &both[i]) == 0);
        for (int i = 0; i < 2; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
        for (int i = 0; i < 2; i++) {
            CHECK(both[i].status == RN_OK);
            CHECK_TEXT(both[i].sha256, alone[i].sha256);
            CHECK(both[i].warnings == alone[i].warnings);
        }
    }
}

/* --------------------------------------------------------- without a data set */

static float predicted[ROWS][CLASSES];

static int keep(void *context, uint64_t rows, const int64_t *ids, uint32_t n,
                const char *const *names, const struct rn_tensor *values) {
    uint64_t *seen = context;
    (void)names;
    for (uint64_t i = 0; i < rows && n == 1 && values->dtype == RN_F32; i++, ++*seen)
        memcpy(predicted[ids[i]], (const float *)values->data + i * CLASSES,
               sizeof predicted[0]);
    return 0;
}

static void predict_file(const struct one_run *r, struct session *s) {
    uint64_t seen = 0;
    struct diag *d = diag_create();
    /* In batches as the engine has them below: how many rows a product has may decide
     * which kernel computes it. */
    const char *overrides[] = {"data.eval_batch=7"};
    struct stored_options o = {
        .session = s, .folder = r->run, .override_count = 1, .overrides = overrides};
    CHECK(stored_predict(&o, keep, &seen, d) == RN_OK && seen == ROWS);
    print_errors(d);
    diag_destroy(d);
}

static void test_engine(void) {
    struct one_run r = {.name = "small"};
    train(&r);
    CHECK(r.status == RN_OK);
    struct session *s = open_session(&r);
    predict_file(&r, s);
    /* From here on there is no data set. */
    char path[4200], gone[4200];
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s.npy", folder, i ? "y" : "x");
        CHECK(unlink(path) == 0);
    }
    snprintf(path, sizeof path, "%s/resolved.yaml", r.run);
    struct diag *d = diag_create();
    struct rn_error e = {0};
    struct experiment *x = experiment_open(s, path, 0, NULL, NULL, d);
    CHECK(x != NULL);
    experiment_open_parts(x, d);
    const struct network_field field = {"x", RN_F32, 1, {COLUMNS}, false};
    int64_t rows = 7;
    const struct resident none = {0};
    struct engine_options o = {.experiment = x,
                               .use = ENGINE_PREDICT,
                               .field_count = 1,
                               .fields = &field,
                               .length = {rows, 1, 1, 1, 1},
                               .eval_count = 1,
                               .eval_rows = &rows,
                               .declare_rows = rows,
                               .resident = &none};
    struct engine *eng = engine_open(&o, d);
    print_errors(d);
    CHECK(eng != NULL);
    struct record *record;
    struct checkpoint_file *file = NULL;
    CHECK(eng && engine_load(eng, d) == RN_OK);
    CHECK(record_open(r.run, false, NULL, &record, &e) == RN_OK);
    CHECK(checkpoint_find(record, NULL, &file, gone, sizeof gone, &e) == RN_OK);
    CHECK(engine_load_weights(eng, checkpoint_get(file), &e) == RN_OK);
    struct program_variant *p = variant_of_rows(eng->evals, eng->eval_count, rows);
    CHECK(p != NULL);
    int same = 0;
    for (int64_t first = 0; p && first + rows <= ROWS; first += rows) {
        const void *fields[] = {features};
        struct engine_rows batch = {.fields = fields};
        CHECK(engine_feed(eng, p, &batch, first, &e) == RN_OK);
        engine_scalars(eng, p, 0, first);
        CHECK(program_run(p->program, &e) == RN_OK);
        const float *out = NULL;
        for (uint32_t i = 0; i < p->plan->base_count; i++)
            if (p->plan->bases[i].kind == BASE_OUTPUT)
                out = program_output(
                    p->program,
                    program_output_index(p->program, p->plan->bases[i].name), &e);
        same += out && memcmp(out, predicted[first], sizeof predicted[0] * 7) == 0;
    }
    CHECK(same == ROWS / 7);
    checkpoint_close(file);
    record_close(record);
    engine_close(eng);
    experiment_close(x);
    diag_destroy(d);
    session_destroy(s);
    /* Idle OpenMP threads may still run code of what the backend loaded. */
    char cpu[4096];
    snprintf(cpu, sizeof cpu, "%s/backend/cpu.so", plugins);
    CHECK(dlopen(cpu, RTLD_NOW | RTLD_NOLOAD) != NULL);
}

int main(int argc, char **argv) {
    char command[128];
    strcpy(folder, "/tmp/runner runs.XXXXXX");
    if (argc != 2 || !mkdtemp(folder))
        return 1;
    plugins = argv[1];
    static const char *const needed[] = {
        "backend/cpu",    "init/random", "loss/cross_entropy", "model/sequential",
        "optimizer/adam", "schedule",    "source/npy"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        need_plugin(plugins, needed[i]);
    make_data();
    write_experiment("small", "16", 8);
    write_experiment("large", "100", 24);
    test_at_once();
    test_engine();
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    CHECK(system(command) == 0);
    return check_done();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SAM beside PyTorch in f64 (phases_golden.py): the whole program of a step, from the
 * experiment's text, widened and run on the reference. argv: plugin folder. */
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "engine/engine.h"
#include "ops/ops.h"
#include "unit/absent.h"
#include "unit/phases_golden.h"

#define CLOSE 1e-12

static const char *plugins;

/* ------------------------------------------------------------------ the experiment */

static const char *const groups =
    "{matrices: {match: {role: weight}, type: sam, rho: 0.05, inner: {type: sgd, lr: "
    "0.1, momentum: 0.9}}, rest: {match: rest, type: sam, rho: 0.3, adaptive: true, "
    "eta: "
    "0.1, inner: {type: adam, lr: 0.02}}}";
static const char *const partly =
    "{matrices: {match: {role: weight}, type: sam, rho: 0.2, inner: {type: sgd, lr: "
    "0.1, "
    "momentum: 0.9}}, rest: {match: rest, type: sgd, lr: 0.1}}";

/* The rest of the experiment, by case. */
static const char *text_of(const char *name, char out[1024]) {
#define SAM(options, inner) "optimizer: {type: sam, " options ", inner: {" inner "}}\n"
#define MOMENTUM            "type: sgd, lr: 0.1, momentum: 0.9"
    const char *text =
        strcmp(name, "sgd") == 0    ? SAM("rho: 0.05", MOMENTUM)
        : strcmp(name, "adam") == 0 ? SAM("rho: 0.1", "type: adam, lr: 0.02")
        : strcmp(name, "adaptive") == 0
            ? SAM("rho: 0.5, adaptive: true",
                  "type: sgd, lr: 0.1, momentum: 0.5, weight_decay: 0.01")
        : strcmp(name, "clipped") == 0
            ? SAM("rho: 0.1", MOMENTUM) "regularizers: {type: l2, strength: 0.01}\n"
        : strcmp(name, "micro") == 0 ? SAM("rho: 0.05", MOMENTUM)
                                     : NULL;
    if (text)
        return text;
    snprintf(out, 1024, "optimizer: %s\n",
             strcmp(name, "groups") == 0 ? groups : partly);
    return out;
}

static void write_experiment(const char *path, const char *name) {
    char more[1024];
    bool micro = strcmp(name, "micro") == 0;
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    fprintf(f,
            "name: phases\ndata:\n  source: {type: npy, files: {x: x.npy, y: y.npy}}\n"
            "  batch: %d\nmodel: {type: sequential, in: {x: data.x}, layers: [{type: "
            "dense, units: 6}, {type: tanh}, {type: dense, units: %d}]}\n"
            "loss: {type: mse, in: {target: data.y}}\ndevice: reference\n"
            "train: {steps: %d, accumulate: %d%s}\n%s",
            micro ? MICRO : ROWS, OUTPUTS, STEPS, micro ? ROWS / MICRO : 1,
            strcmp(name, "clipped") == 0 ? ", clip: {norm: 0.2}" : "",
            text_of(name, more));
    CHECK(fclose(f) == 0);
}

static struct session *open_session(void) {
    static const char *const kinds[] = {"source", "model",       "loss",   "optimizer",
                                        "init",   "regularizer", "backend"};
    struct session *s = session_create(NULL, NULL);
    struct rn_error e = {0};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char path[512];
        snprintf(path, sizeof path, "%.400s/%s", plugins, kinds[i]);
        CHECK(session_add_folder(s, path, true, &e) == RN_OK);
    }
    return s;
}

static struct engine *open_engine(struct experiment *x, int64_t rows, struct diag *d) {
    static const struct network_field fields[] = {
        {.name = "x", .dtype = RN_F32, .rank = 1, .shape = {FEATURES}},
        {.name = "y", .dtype = RN_F32, .rank = 1, .shape = {OUTPUTS}}};
    static const struct resident none = {0};
    struct engine_options o = {.experiment = x,
                               .use = ENGINE_TRAIN,
                               .field_count = 2,
                               .fields = fields,
                               .length = {rows, ROWS / rows, 1, STEPS, STEPS},
                               .step_count = 1,
                               .step_rows = &rows,
                               .eval_count = 1,
                               .eval_rows = &rows,
                               .declare_rows = rows,
                               .resident = &none};
    return engine_open(&o, d);
}

/* ------------------------------------------------------------------------- in f64 */

static const char *const weights[] = {"model.dense1.weight", "model.dense1.bias",
                                      "model.dense3.weight", "model.dense3.bias"};

/* The weights, one after the other, to or from the device. */
static void move_weights(struct exe *x, const struct variables *v, double *at,
                         bool write) {
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        const struct variable *w = variables_find(v, weights[i]);
        CHECK(w && w->dtype == RN_F64);
        if (!w)
            return;
        int status = write ? device_variable_write(x->d, w->id, at, &x->e)
                           : device_variable_read(x->d, w->id, at, &x->e);
        CHECK(status == RN_OK);
        at += w->count;
    }
}

static void copy_variables(struct exe *from, struct exe *to,
                           const struct variables *v) {
    double buffer[64];
    for (uint32_t i = 0; i < variables_count(v); i++) {
        CHECK(variables_at(v, i)->count <= 64);
        CHECK(device_variable_read(from->d, i, buffer, &from->e) == RN_OK);
        CHECK(device_variable_write(to->d, i, buffer, &to->e) == RN_OK);
    }
}

static void widen(struct exe *x, const char *input, const float *from, uint32_t count) {
    double *to = exe_input(x, input);
    for (uint32_t i = 0; i < count && to; i++)
        to[i] = from[i];
}

static void set_live(struct exe *x, const struct engine *eng) {
    for (uint32_t i = 0; i < eng->hyper.count; i++)
        program_set_f32(x->p, program_scalar_index(x->p, eng->hyper.at[i].name),
                        (float)eng->hyper.at[i].now);
}

/* One pass over `rows` rows; several: a part of a step. */
static void run_pass(struct exe *x, int64_t first, int64_t rows) {
    widen(x, "data.x", golden_x + first * FEATURES, (uint32_t)rows * FEATURES);
    widen(x, "data.y", golden_y + first * OUTPUTS, (uint32_t)rows * OUTPUTS);
    program_set_u32(x->p, program_scalar_index(x->p, "run.first"), first == 0);
    program_set_f32(x->p, program_scalar_index(x->p, "run.share"),
                    (float)rows / (float)ROWS);
    program_set_f32(x->p, program_scalar_index(x->p, "run.inverse.0"),
                    1.0f / (ROWS * OUTPUTS));
    CHECK(exe_run(x));
}

static double worst(const double *got, const double *want) {
    double off = 0.0;
    for (int i = 0; i < WEIGHTS; i++)
        off = fmax(off, isfinite(got[i]) ? fabs(got[i] - want[i]) : INFINITY);
    return off;
}

static void train(const struct golden *golden, struct engine *eng, int64_t rows) {
    struct objective_programs *t = &eng->objectives[0];
    struct arena *a = arena_create();
    struct variables *v = variables_create(a);
    struct rn_error e = {0};
    const struct bound_component *b = &eng->x->backend;
    struct opened reference = {.backend = b->component->iface,
                               .self = instance_self(b->instance)};
    struct exe step, apply;
    struct graph *g = graph_to_f64(t->step[0].described, a, v, &e), *last = NULL;
    if (t->apply.plan)
        last = graph_to_f64(t->apply.described, a, v, &e);
    CHECK(g && exe_open(&step, &reference, g, false));
    CHECK(!t->apply.plan || (last && exe_open(&apply, &reference, last, false)));
    double at[WEIGHTS];
    memcpy(at, golden_first, sizeof at);
    move_weights(&step, v, at, true);
    set_live(&step, eng);
    if (last) {
        double finite = 1.0; /* its first value */
        uint32_t id = variables_find(v, "run.sound.train")->id;
        CHECK(device_variable_write(step.d, id, &finite, &step.e) == RN_OK);
        set_live(&apply, eng);
    }
    for (int i = 1, kept = 0; i <= STEPS; i++) {
        for (int64_t first = 0; first < ROWS; first += rows)
            run_pass(&step, first, rows);
        if (last) {
            copy_variables(&step, &apply, v);
            CHECK(exe_run(&apply));
            copy_variables(&apply, &step, v);
        }
        move_weights(&step, v, at, false);
        if (i != kept_steps[kept])
            continue;
        double off = worst(at, golden->weights[kept++]);
        if (off > CLOSE)
            fprintf(stderr, "%s, step %d: off by %g\n", golden->name, i, off);
        CHECK(off <= CLOSE);
    }
    exe_close(&step);
    if (last)
        exe_close(&apply);
    arena_destroy(a);
}

static void test_case(const char *folder, const struct golden *golden) {
    char path[256];
    int64_t rows = strcmp(golden->name, "micro") == 0 ? MICRO : ROWS;
    struct session *s = open_session();
    struct diag *d = diag_create();
    snprintf(path, sizeof path, "%s/%s.yaml", folder, golden->name);
    write_experiment(path, golden->name);
    struct experiment *x = experiment_open(s, path, 0, NULL, NULL, d);
    if (x)
        experiment_open_parts(x, d);
    struct engine *eng = x && !diag_count(d) ? open_engine(x, rows, d) : NULL;
    if (eng) {
        train(golden, eng, rows);
    } else {
        struct text t = {0};
        diag_print(d, &t, false);
        fprintf(stderr, "%s\n", text_get(&t));
        text_finish(&t);
    }
    CHECK(eng != NULL);
    engine_close(eng);
    if (x)
        experiment_close(x);
    diag_destroy(d);
    session_destroy(s);
}

int main(int argc, char **argv) {
    char folder[] = "/tmp/runner phases.XXXXXX", command[128];
    if (argc != 2 || !mkdtemp(folder))
        return 1;
    plugins = argv[1];
    static const char *const needed[] = {
        "backend/reference", "init/random",    "loss/mse",
        "model/sequential",  "optimizer/adam", "optimizer/sam",
        "optimizer/sgd",     "regularizer/l2", "source/npy"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        need_plugin(plugins, needed[i]);
    for (size_t i = 0; i < sizeof goldens / sizeof *goldens; i++)
        test_case(folder, &goldens[i]);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    CHECK(system(command) == 0);
    return check_done();
}

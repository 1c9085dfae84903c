/* SPDX-License-Identifier: Apache-2.0 */
/* Inspect: statistics of activations, gradients and weights as tensors in run.h5, and
 * early words when something looks wrong: dead ReLUs, exploding or vanishing gradients.
 * Each kind of word is said once a run.
 *
 * Between the steps that are looked at, the norm of the whole gradient is watched; when
 * it has grown far, the next step is looked at too, so that a word can name the layer
 * before the numbers are no longer finite. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runner/hook.h>

#define STATISTICS 7
#define DOC                                                                            \
    "[mean, standard deviation, smallest, largest, 2-norm, share of zeros, share of "  \
    "units that are zero in the whole batch (activations; else 0)], over all elements"

#define VERSION 1u
#define LOOKS   20u /* asked for beyond `every` */

/* What is saved. */
struct memory {
    double first;      /* largest gradient norm of the first look; 0 before it */
    double first_norm; /* of the whole gradient, at the first step; 0 before it */
    double last_norm;  /* of the whole gradient, at the step before */
    uint32_t looks;    /* asked for */
    uint32_t waiting;  /* 1: a look was asked for and has not come */
    uint32_t said_dead, said_explode, said_vanish;
    uint32_t reserved;
};

struct inspect {
    struct rn_host *host;
    const struct rn_record_api *record;
    int32_t activations, gradients, weights;
    double explode, vanish, dead;
    struct memory m;
    int64_t step;    /* of this look */
    double largest;  /* gradient norm of this look */
    int32_t looking; /* at the first one */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct inspect *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a hook", NULL, NULL);
    s->host = h;
    s->record = (const struct rn_record_api *)h->api->extension(h, "runner.record/1");
    s->activations = rn_get_bool(h, "activations");
    s->gradients = rn_get_bool(h, "gradients");
    s->weights = rn_get_bool(h, "weights");
    s->explode = rn_get_float(h, "explode");
    s->vanish = rn_get_float(h, "vanish");
    s->dead = rn_get_float(h, "dead");
    s->step = -1;
    return RN_OK;
}

/* Share of the units that are zero throughout. Units: channels of [N,C,...], the last
 * axis of [N,T,C]. */
static rn_value dead_units(struct rn_build *b, rn_value x) {
    uint32_t rank = rn_rank(b, x), n = 0;
    int64_t axes[RN_MAX_RANK], unit = rank == 3 ? 2 : 1;
    if (rank < 2)
        return rn_const(b, 0.0);
    for (uint32_t i = 0; i < rank; i++)
        if (i != unit)
            axes[n++] = i;
    rn_value most = rn_reduce_max(b, rn_abs(b, x), n, axes, 0);
    return rn_reduce_mean_all(b, rn_cast(b, rn_eq(b, most, rn_const(b, 0.0)), RN_F32));
}

static int32_t tap(struct rn_build *b, const struct rn_point *p) {
    const struct inspect *s = b->self;
    rn_value x = p->value, parts[STATISTICS], row[STATISTICS];
    int64_t one = 1;
    if ((p->kind == RN_POINT_ACTIVATION && !s->activations) ||
        (p->kind == RN_POINT_GRADIENT && !s->gradients) ||
        (p->kind == RN_POINT_WEIGHT && !s->weights) || p->kind == RN_POINT_UPDATE)
        return 0;
    rn_value mean = rn_reduce_mean_all(b, x);
    rn_value centred = rn_sub(b, x, mean);
    parts[0] = mean;
    parts[1] = rn_sqrt(b, rn_reduce_mean_all(b, rn_mul(b, centred, centred)));
    parts[2] = rn_neg(b, rn_reduce_max_all(b, rn_neg(b, x)));
    parts[3] = rn_reduce_max_all(b, x);
    parts[4] = rn_sqrt(b, rn_reduce_sum_all(b, rn_mul(b, x, x)));
    parts[5] = rn_reduce_mean_all(b, rn_cast(b, rn_eq(b, x, rn_const(b, 0.0)), RN_F32));
    parts[6] = p->kind == RN_POINT_ACTIVATION ? dead_units(b, x) : rn_const(b, 0.0);
    for (int i = 0; i < STATISTICS; i++)
        row[i] = rn_reshape(b, parts[i], 1, &one);
    rn_output(b, "statistics", rn_concat(b, STATISTICS, row, 0));
    return 1;
}

/* ------------------------------------------------------------------- words */

static void say(const struct inspect *s, const char *key, const char *sentence) {
    if (s->record)
        s->record->say(s->host, key, RN_LOG_WARNING, sentence);
}

static int is_relu(const char *op) {
    return strcmp(op, "relu") == 0 || strcmp(op, "maximum") == 0;
}

static int is_weight(const char *path) {
    size_t n = strlen(path);
    return n > 7 && strcmp(path + n - 7, ".weight") == 0;
}

static void judge_activation(struct inspect *s, const struct rn_point *p,
                             const float *v) {
    char text[400];
    if (!is_relu(p->op) || s->m.said_dead || (double)v[6] < s->dead)
        return;
    s->m.said_dead = 1;
    snprintf(text, sizeof text,
             "step %lld: %.0f %% of the units of %s are zero for the whole batch (dead "
             "ReLUs); a smaller optimizer.lr or init: he may help",
             (long long)s->step, 100.0 * (double)v[6], p->path);
    say(s, "dead", text);
}

static void judge_gradient(struct inspect *s, const struct rn_point *p,
                           const float *v) {
    char text[400];
    double norm = (double)v[4];
    if (norm > s->largest)
        s->largest = norm;
    if (!s->m.said_explode &&
        (!isfinite(norm) || (!s->looking && norm > s->explode * s->m.first))) {
        s->m.said_explode = 1;
        snprintf(
            text, sizeof text,
            "step %lld: the gradient of %s has norm %.3g, where %.3g was the most at "
            "first (exploding); a smaller optimizer.lr or train.clip.norm may help",
            (long long)s->step, p->path, norm, s->m.first);
        say(s, "explode", text);
    }
    /* Behind dead units nothing else can be expected. */
    if (!s->m.said_vanish && !s->m.said_dead && !s->looking && is_weight(p->path) &&
        norm < s->vanish * s->m.last_norm) {
        s->m.said_vanish = 1;
        snprintf(text, sizeof text,
                 "step %lld: the gradient of %s has norm %.3g, that of all %.3g "
                 "(vanishing); is anything between it and the loss cut or saturated?",
                 (long long)s->step, p->path, norm, s->m.last_norm);
        say(s, "vanish", text);
    }
}

/* ------------------------------------------------------------------- steps */

static void begin_look(struct inspect *s, int64_t step) {
    s->m.waiting = 0;
    s->step = step;
    s->largest = 0.0;
    s->looking = s->m.first == 0.0;
}

/* The first look sets what later ones are compared with. */
static void end_look(struct inspect *s) {
    if (s->looking && isfinite(s->largest))
        s->m.first = s->largest;
    s->looking = 0;
}

static int32_t tapped(void *self, const struct rn_tapped *t, struct rn_error *e) {
    static const char *const kinds[] = {"", "activation", "gradient", "weight",
                                        "update"};
    struct inspect *s = self;
    const struct rn_point *p = t->point;
    const float *row = t->values[0].data;
    char series[400];
    if (t->count != 1 || t->values[0].rank != 1 || t->values[0].shape[0] != STATISTICS)
        return rn_fail(e, RN_E_INTERNAL, "inspect expects seven numbers", NULL, NULL);
    if (t->step != s->step)
        begin_look(s, t->step);
    snprintf(series, sizeof series, "inspect/%s/%s", kinds[p->kind], p->path);
    if (p->kind == RN_POINT_ACTIVATION)
        judge_activation(s, p, row);
    if (p->kind == RN_POINT_GRADIENT)
        judge_gradient(s, p, row);
    if (!s->record)
        return RN_OK;
    if (RN_HAS(s->record, struct rn_record_api, document))
        s->record->document(s->host, series, DOC);
    return s->record->tensor(s->host, series, t->step, &t->values[0]);
}

/* The norm of the whole gradient after each step. */
static void watch(struct inspect *s, double norm, struct rn_actions *a) {
    struct memory *m = &s->m;
    end_look(s);
    if (m->first_norm == 0.0 && isfinite(norm))
        m->first_norm = norm;
    m->last_norm = norm;
    /* A twentieth of what is too much, so that there is time to look. */
    if (m->said_explode || !s->gradients || m->looks >= LOOKS ||
        !(norm > 0.05 * s->explode * m->first_norm))
        return;
    m->looks++;
    m->waiting = 1;
    a->api->look(a);
}

static int32_t event(void *self, const struct rn_event *ev, struct rn_error *e) {
    struct inspect *s = self;
    struct rn_actions *a = ev->actions;
    (void)e;
    if (!RN_HAS(a->api, struct rn_actions_api, look))
        return RN_OK;
    if (ev->what == RN_EVENT_RUN_BEGIN && s->m.waiting)
        a->api->look(a); /* asked for before the run was interrupted */
    for (uint32_t i = 0; ev->what == RN_EVENT_STEP_END && i < ev->metric_count; i++) {
        const struct rn_event_metric *m =
            (const struct rn_event_metric *)((const char *)ev->metrics +
                                             (size_t)i * ev->metric_stride);
        if (strcmp(m->name, "train/gradient_norm") == 0)
            watch(s, m->value, a);
    }
    return RN_OK;
}

static int32_t save(void *self, struct rn_stream *to, struct rn_error *e) {
    (void)e;
    const struct inspect *s = self;
    const uint32_t version = VERSION;
    int32_t status = to->api->write(to, &version, sizeof version);
    return status ? status : to->api->write(to, &s->m, sizeof s->m);
}

static int32_t load(void *self, struct rn_stream *from, struct rn_error *e) {
    struct inspect *s = self;
    uint32_t version = 0;
    int32_t status = from->api->read(from, &version, sizeof version);
    if (status == RN_OK && version != VERSION)
        return rn_fail(e, RN_E_CHECKPOINT, "state of a version not known here", NULL,
                       NULL);
    return status ? status : from->api->read(from, &s->m, sizeof s->m);
}

static const struct rn_hook iface = {.struct_size = sizeof iface,
                                     .create = create,
                                     .destroy = free,
                                     .tap = tap,
                                     .tapped = tapped,
                                     .event = event,
                                     .save = save,
                                     .load = load};

RN_HOOK(inspect, iface, "runner/inspect 1",
        RN_DOC("Statistics of activations, gradients and weights; early words")
        RN_OPTION("every duration = 1ep | how often a step is looked at")
        RN_OPTION("activations bool = true | of each layer's output")
        RN_OPTION("gradients bool = true | of each parameter, before clipping")
        RN_OPTION("weights bool = true | of each parameter")
        RN_OPTION("explode float = 100 ; above 1 | a parameter's gradient norm is "
                  "too large above this times the largest at the first look")
        RN_OPTION("vanish float = 1e-9 ; min 0 | a weight's gradient norm is too "
                  "small below this times that of all")
        RN_OPTION("dead float = 0.5 ; above 0 ; max 1 | share of units behind a "
                  "ReLU, zero for a whole batch, that is too many"));
RN_PLUGIN(&inspect);

/* SPDX-License-Identifier: Apache-2.0 */
/* Inspect: statistics of activations, gradients and weights as tensors in run.h5, and
 * early words when something looks wrong: dead ReLUs, exploding or vanishing gradients.
 *
 * A row of inspect/KIND/PATH is [mean, standard deviation, smallest, largest, 2-norm,
 * share of zeros], over all elements of the value (biased variance). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runner/hook.h>

#define STATISTICS 6

struct inspect {
    struct rn_host *host;
    const struct rn_record_api *record;
    int32_t activations, gradients, weights;
    double explode, vanish, dead;
    double first_norm; /* largest gradient norm seen on the first sampled step */
    int64_t first_step;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct inspect *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a hook", NULL, NULL);
    s->host = h;
    s->record = (const struct rn_record_api *)h->api->extension(h, "runner.record/1");
    s->activations = rn_get_bool(h, "activations", 1);
    s->gradients = rn_get_bool(h, "gradients", 1);
    s->weights = rn_get_bool(h, "weights", 1);
    s->explode = rn_get_float(h, "explode", 1e3);
    s->vanish = rn_get_float(h, "vanish", 1e-9);
    s->dead = rn_get_float(h, "dead", 0.95);
    s->first_step = -1;
    return RN_OK;
}

static int32_t tap(void *self, struct rn_build *b, const struct rn_point *p) {
    const struct inspect *s = self;
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
    parts[5] =
        rn_reduce_mean_all(b, rn_cast(b, rn_eq(b, x, rn_const(b, 0.0)), RN_F32));
    for (int i = 0; i < STATISTICS; i++)
        row[i] = rn_reshape(b, parts[i], 1, &one);
    rn_output(b, "statistics", rn_concat(b, STATISTICS, row, 0));
    return 1;
}

static void say(const struct inspect *s, const char *key, const char *path,
                const char *sentence) {
    char id[300];
    snprintf(id, sizeof id, "%s:%s", key, path);
    if (s->record)
        s->record->say(s->host, id, RN_LOG_WARNING, sentence);
}

/* `relu` of a layer: the operator that made the value ends in it. */
static int is_relu(const char *op) {
    return strcmp(op, "relu") == 0 || strcmp(op, "maximum") == 0;
}

static void judge(struct inspect *s, int64_t step, const struct rn_point *p,
                  const float *v) {
    char text[400];
    if (p->kind == RN_POINT_ACTIVATION && is_relu(p->op) && (double)v[5] >= s->dead) {
        snprintf(text, sizeof text,
                 "step %lld: %.0f %% of what %s gives is zero (dead ReLUs); a smaller "
                 "learning rate or init `he` may help",
                 (long long)step, 100.0 * (double)v[5], p->path);
        say(s, "dead", p->path, text);
    }
    if (p->kind != RN_POINT_GRADIENT)
        return;
    if (!isfinite(v[4]) || (double)v[4] > s->explode) {
        snprintf(text, sizeof text,
                 "step %lld: the gradient of %s has norm %.3g (exploding); a smaller "
                 "learning rate or train.clip.norm may help",
                 (long long)step, p->path, (double)v[4]);
        say(s, "explode", p->path, text);
    } else if ((double)v[4] < s->vanish) {
        snprintf(text, sizeof text,
                 "step %lld: the gradient of %s has norm %.3g (vanishing); is anything "
                 "between it and the loss cut?",
                 (long long)step, p->path, (double)v[4]);
        say(s, "vanish", p->path, text);
    }
}

static int32_t tapped(void *self, int64_t step, const struct rn_point *p, uint32_t count,
                      const char *const *names, const struct rn_tensor *values,
                      struct rn_error *e) {
    static const char *const kinds[] = {"", "activation", "gradient", "weight", "update"};
    struct inspect *s = self;
    char series[400];
    (void)names;
    if (count != 1 || values[0].rank != 1 || values[0].shape[0] != STATISTICS)
        return rn_fail(e, RN_E_INTERNAL, "inspect wants six numbers", NULL, NULL);
    snprintf(series, sizeof series, "inspect/%s/%s", kinds[p->kind], p->path);
    judge(s, step, p, (const float *)values[0].data);
    return s->record ? s->record->tensor(s->host, series, step, &values[0]) : RN_OK;
}

static const struct rn_hook iface = {sizeof(struct rn_hook),
                                     0,
                                     create,
                                     free,
                                     NULL,
                                     tap,
                                     tapped,
                                     NULL,
                                     NULL,
                                     NULL};

RN_HOOK(inspect, iface, "runner/inspect 1",
        RN_DOC("Statistics of activations, gradients and weights; early words") RN_OPTION(
            "every duration = 1ep | how often a step is looked at")
            RN_OPTION("activations bool = true | of each layer's output")
                RN_OPTION("gradients bool = true | of each parameter")
                    RN_OPTION("weights bool = true | of each parameter")
                        RN_OPTION("explode float = 1000 ; above 0 | gradient norm that is "
                                  "too large")
                            RN_OPTION("vanish float = 1e-9 ; min 0 | gradient norm that is "
                                      "too small")
                                RN_OPTION("dead float = 0.95 ; min 0 ; max 1 | share of "
                                          "zeros behind a ReLU that is too many"));
RN_PLUGIN(&inspect);

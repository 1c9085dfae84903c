/* SPDX-License-Identifier: Apache-2.0 */
/* normal, uniform, Xavier (Glorot & Bengio 2010, eq. 16), He (He et al. 2015, eq. 10
 * and 14), LeCun (LeCun et al. 1998): one random number an element, drawn by its index.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <runner/init.h>
#include <runner/numerics.h>

enum rule { NORMAL, UNIFORM, XAVIER, HE, LECUN };

struct random_init {
    enum rule rule;
    int32_t normal; /* the distribution of the fan rules */
    double a, b;    /* normal: mean, std; uniform: low, high */
    double gain;
    const char *fan; /* "in", "out", "average" */
};

static int32_t make(struct rn_host *h, void **self, struct rn_error *e,
                    enum rule rule) {
    struct random_init *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for an init", NULL, NULL);
    s->rule = rule;
    /* Each of the rules describes some of these. */
    const char *low = rule == NORMAL ? "mean" : "low";
    const char *high = rule == NORMAL ? "std" : "high";
    s->normal = rn_has(h, "distribution") &&
                strcmp(rn_get_string(h, "distribution"), "normal") == 0;
    s->a = rn_has(h, low) ? rn_get_float(h, low) : 0.0;
    s->b = rn_has(h, high) ? rn_get_float(h, high) : 1.0;
    s->gain = rn_has(h, "gain") ? rn_get_float(h, "gain") : 1.0;
    s->fan = rn_has(h, "fan") ? rn_get_string(h, "fan") : "in";
    if (rule == UNIFORM && s->a >= s->b)
        return rn_fail(e, RN_E_CONFIG, "low must be below high", NULL, "low");
    return RN_OK;
}

static int32_t create_normal(struct rn_host *h, void **self, struct rn_error *e) {
    return make(h, self, e, NORMAL);
}
static int32_t create_uniform(struct rn_host *h, void **self, struct rn_error *e) {
    return make(h, self, e, UNIFORM);
}
static int32_t create_xavier(struct rn_host *h, void **self, struct rn_error *e) {
    return make(h, self, e, XAVIER);
}
static int32_t create_he(struct rn_host *h, void **self, struct rn_error *e) {
    return make(h, self, e, HE);
}
static int32_t create_lecun(struct rn_host *h, void **self, struct rn_error *e) {
    return make(h, self, e, LECUN);
}

/* Variance that the fan rules ask for. */
static double variance(const struct random_init *s, const struct rn_init_call *r) {
    double in = r->fan_in > 0 ? (double)r->fan_in : 1.0;
    double out = r->fan_out > 0 ? (double)r->fan_out : 1.0;
    double fan = strcmp(s->fan, "out") == 0       ? out
                 : strcmp(s->fan, "average") == 0 ? 0.5 * (in + out)
                                                  : in;
    switch (s->rule) {
    case XAVIER:
        return s->gain * s->gain * 2.0 / (in + out);
    case HE:
        return s->gain * s->gain * 2.0 / fan;
    default:
        return s->gain * s->gain / in;
    }
}

static int32_t fill(void *self, const struct rn_init_call *call, struct rn_error *e) {
    const struct random_init *s = self;
    double shift = s->a, scale = s->b;
    int32_t normal = s->rule == NORMAL || (s->rule > UNIFORM && s->normal);
    (void)e;
    if (s->rule == UNIFORM) {
        scale = s->b - s->a;
    } else if (s->rule > UNIFORM) {
        double std = sqrt(variance(s, call)), bound = std * sqrt(3.0);
        shift = normal ? 0.0 : -bound;
        scale = normal ? std : 2.0 * bound;
    }
    for (uint64_t i = 0; i < call->count; i++) {
        double x = normal ? (double)rn_init_normal(call->key, i)
                          : (double)rn_init_uniform(call->key, i);
        call->out[i] = (float)(shift + scale * x);
    }
    return RN_OK;
}

RN_INIT(normal, create_normal, free, fill, "runner/normal 1",
        RN_DOC("Normal numbers")
        RN_OPTION("mean float = 0 | mean")
        RN_OPTION("std float = 1 ; min 0 | standard deviation"));
RN_INIT(uniform, create_uniform, free, fill, "runner/uniform 1",
        RN_DOC("Uniform numbers in [low, high)")
        RN_OPTION("low float = -1 | lower end")
        RN_OPTION("high float = 1 | upper end, above low"));

#define DISTRIBUTION(fallback)                                                        \
    RN_OPTION("distribution choice(uniform,normal) = " fallback                       \
              " | of that variance; uniform: within sqrt(3) standard deviations")
#define GAIN RN_OPTION("gain float = 1 ; above 0 | factor of the standard deviation")
RN_INIT(xavier, create_xavier, free, fill, "runner/xavier 1",
        RN_DOC("Xavier (Glorot): variance 2/(fan_in + fan_out), for tanh and linear "
               "layers (Glorot & Bengio 2010, eq. 12 and 16)")
        DISTRIBUTION("uniform")
        GAIN);
RN_INIT(he, create_he, free, fill, "runner/he 1",
        RN_DOC("He (Kaiming): variance 2/fan, for ReLU (He et al. 2015, eq. 10 and "
               "14)")
        DISTRIBUTION("uniform")
        RN_OPTION("fan choice(in,out,average) = in | in keeps the variance of "
                  "activations, out that of gradients")
        GAIN);
RN_INIT(lecun, create_lecun, free, fill, "runner/lecun 1",
        RN_DOC("LeCun: variance 1/fan_in, for SELU (LeCun et al. 1998, eq. 16)")
        DISTRIBUTION("normal")
        GAIN);
RN_PLUGIN(&normal, &uniform, &xavier, &he, &lecun);

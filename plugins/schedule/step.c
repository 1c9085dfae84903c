/* SPDX-License-Identifier: Apache-2.0 */
/* constant: the base value. step: times gamma after every so long, or at given moments
 * (PyTorch's StepLR and MultiStepLR). */
#include <math.h>
#include <stdlib.h>

#include <runner/schedule.h>

struct step {
    double gamma;
    int64_t every; /* steps; 0: by milestones */
    uint32_t count;
    int64_t at[]; /* steps */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    const struct rn_duration_api *duration =
        (const struct rn_duration_api *)h->api->extension(h, "runner.duration/1");
    uint32_t count = rn_get_count(h, "milestones");
    struct step *s = calloc(1, sizeof *s + count * sizeof s->at[0]);
    char path[32];
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a schedule", NULL, NULL);
    if (!duration)
        return rn_fail(e, RN_E_UNSUPPORTED, "this host has no durations", NULL, NULL);
    if (rn_has(h, "every") == (count > 0))
        return rn_fail(e, RN_E_CONFIG, "step expects one of `every` and `milestones`",
                       "every: 10ep, or milestones: [30ep, 45ep]", NULL);
    s->gamma = rn_get_float(h, "gamma");
    s->count = count;
    for (uint32_t i = 0; i < count; i++) {
        const char *when =
            rn_get_string(h, rn_path(path, sizeof path, "milestones", i));
        int32_t status = duration->steps(h, when, &s->at[i]);
        if (status != RN_OK)
            return status;
    }
    if (count)
        return RN_OK;
    int32_t status = duration->steps(h, rn_get_string(h, "every"), &s->every);
    if (status == RN_OK && s->every < 1)
        return rn_fail(e, RN_E_CONFIG, "`every` is shorter than a step", NULL, "every");
    return status;
}

static int32_t value(void *self, struct rn_schedule_call *call, struct rn_error *e) {
    const struct step *s = self;
    int64_t times = s->every ? call->step / s->every : 0;
    (void)e;
    for (uint32_t i = 0; i < s->count; i++)
        times += call->step >= s->at[i];
    call->value = call->base * pow(s->gamma, (double)times);
    return RN_OK;
}

static int32_t same(void *self, struct rn_schedule_call *call, struct rn_error *e) {
    (void)self, (void)e;
    call->value = call->base;
    return RN_OK;
}

static const struct rn_schedule step_iface = {
    sizeof(struct rn_schedule), 0, create, free, value, NULL, NULL, NULL, NULL};
static const struct rn_schedule constant_iface = {
    sizeof(struct rn_schedule), 0, NULL, NULL, same, NULL, NULL, NULL, NULL};

RN_SCHEDULE(step, step_iface, "runner/step 1",
            RN_DOC("Times gamma after every so long, or at each of the given moments")
            RN_OPTION("every duration | how long a level lasts: 10ep, 500st, 25%")
            RN_OPTION("milestones list(duration) | when a level ends, in place of "
                      "`every`")
            RN_OPTION("gamma float = 0.1 ; above 0 | factor between levels"));
RN_SCHEDULE(constant, constant_iface, "runner/constant 1",
            RN_DOC("The value that the YAML gives, all along"));
RN_PLUGIN(&step, &constant);

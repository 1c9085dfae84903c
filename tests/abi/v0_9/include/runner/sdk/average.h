/* SPDX-License-Identifier: Apache-2.0 */
/* For hooks that average parameters: their options, read once. Use it so:
 *
 *   RN_OPTION("decay float = 0.999 | ...") RN_AVERAGE_OPTIONS("0st", "1st", "average")
 *   {.create = rn_average_create, .destroy = free, .averaging = rn_average_how, ...} */
#ifndef RUNNER_SDK_AVERAGE_H
#define RUNNER_SDK_AVERAGE_H

#include <stdlib.h>
#include <string.h>

#include <runner/hook.h>
#include <runner/schedule.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RN_AVERAGE_OPTIONS(start, every, statistics)                                   \
    RN_OPTION("start duration = " start " | the first average is made after this")     \
    RN_OPTION("every duration = " every " | from one average to the next")             \
    RN_OPTION("statistics choice(current,average,refresh) = " statistics               \
              " | running statistics (batch_norm) beside the averages: as training "   \
              "has them, averaged too, or computed by a pass over the training split")

struct rn_average_options {
    int64_t start, every; /* steps */
    uint32_t statistics;  /* RN_STATISTICS_* */
};

static inline int32_t rn_average_create(struct rn_host *h, void **self,
                                        struct rn_error *e) {
    const struct rn_duration_api *duration =
        (const struct rn_duration_api *)h->api->extension(h, "runner.duration/1");
    struct rn_average_options *s = (struct rn_average_options *)calloc(1, sizeof *s);
    const char *word = rn_get_string(h, "statistics");
    int32_t status;
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a hook", NULL, NULL);
    if (!duration)
        return rn_fail(e, RN_E_UNSUPPORTED, "this host has no durations", NULL, NULL);
    s->statistics = strcmp(word, "average") == 0   ? RN_STATISTICS_AVERAGE
                    : strcmp(word, "refresh") == 0 ? RN_STATISTICS_REFRESH
                                                   : RN_STATISTICS_CURRENT;
    status = duration->steps(h, rn_get_string(h, "start"), &s->start);
    if (status == RN_OK)
        status = duration->steps(h, rn_get_string(h, "every"), &s->every);
    if (status == RN_OK && s->every < 1)
        s->every = 1;
    return status;
}

static inline int32_t rn_average_how(void *self, struct rn_averaging *a,
                                     struct rn_error *e) {
    const struct rn_average_options *s = (const struct rn_average_options *)self;
    (void)e;
    a->statistics = s->statistics;
    a->start = s->start;
    a->every = s->every;
    return RN_OK;
}

/* average + share (value - average). */
static inline rn_value rn_average_towards(struct rn_build *b,
                                          const struct rn_average_call *a,
                                          rn_value share) {
    return rn_add(b, a->average, rn_mul(b, share, rn_sub(b, a->value, a->average)));
}

#ifdef __cplusplus
}
#endif
#endif

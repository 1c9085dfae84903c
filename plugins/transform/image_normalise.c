/* SPDX-License-Identifier: Apache-2.0 */
/* (x - mean) / deviation of each channel, the first axis of an image, with stated
 * numbers; bytes count as x / 255. Presets are the numbers that published networks
 * expect. Nothing is fitted. */
#include <runner/sdk/columns.h>

#define CHANNELS_MAX 64u

struct image_normalise {
    struct rn_columns columns; /* only: which fields are taken */
    uint32_t count;            /* channels, or 1 for all */
    double mean[CHANNELS_MAX], deviation[CHANNELS_MAX];
};

/* Of the training images of a set, in 0..1. */
static const struct preset {
    const char *name;
    uint32_t count;
    double mean[3], deviation[3];
} presets[] = {
    {"imagenet", 3, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}},
    {"clip",
     3,
     {0.48145466, 0.4578275, 0.40821073},
     {0.26862954, 0.26130258, 0.27577711}},
    {"cifar10", 3, {0.4914, 0.4822, 0.4465}, {0.247, 0.2435, 0.2616}},
    {"mnist", 1, {0.1307}, {0.3081}},
    {"fashion_mnist", 1, {0.286}, {0.353}},
    {"half", 1, {0.5}, {0.5}},
};

static const struct rn_columns_kind kind = {.part_count = 0};

static int32_t take_list(struct rn_host *h, const char *option, double *out,
                         struct rn_error *e) {
    uint32_t n = rn_get_count(h, option);
    if (n < 1 || n > CHANNELS_MAX)
        return rn_fail_option(e, RN_E_CONFIG, option, "must list 1 to %u numbers",
                              CHANNELS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        char path[32];
        out[i] = rn_get_float(h, rn_path(path, sizeof path, option, i));
    }
    return RN_OK;
}

static int32_t take_numbers(struct image_normalise *s, struct rn_host *h,
                            struct rn_error *e) {
    int32_t status = take_list(h, "mean", s->mean, e);
    if (status == RN_OK)
        status = take_list(h, "deviation", s->deviation, e);
    if (status != RN_OK)
        return status;
    s->count = rn_get_count(h, "mean");
    if (rn_get_count(h, "deviation") != s->count)
        return rn_fail_option(e, RN_E_CONFIG, "deviation", "must be as long as `mean`");
    for (uint32_t i = 0; i < s->count; i++)
        if (!(s->deviation[i] > 0.0))
            return rn_fail_option(e, RN_E_CONFIG, "deviation", "must be above 0");
    return RN_OK;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct image_normalise *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    rn_columns_init(&s->columns, &kind, h, 0);
    if (rn_has(h, "preset") == (rn_has(h, "mean") || rn_has(h, "deviation")))
        return rn_fail(e, RN_E_CONFIG, "needs `preset`, or `mean` and `deviation`",
                       NULL, NULL);
    if (!rn_has(h, "preset"))
        return take_numbers(s, h, e);
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (strcmp(presets[i].name, rn_get_string(h, "preset")) == 0) {
            s->count = presets[i].count;
            memcpy(s->mean, presets[i].mean, sizeof presets[i].mean);
            memcpy(s->deviation, presets[i].deviation, sizeof presets[i].deviation);
        }
    return RN_OK;
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    struct image_normalise *s = self;
    int32_t status = rn_columns_plan(&s->columns, plan, e);
    for (uint32_t i = 0; i < plan->in_count && status == RN_OK; i++) {
        const struct rn_field *in = &plan->in[i];
        int64_t channels = in->rank ? in->shape[0] : 1;
        if (s->columns.in[i].of && s->count > 1 && channels != s->count)
            return rn_failf(e, RN_E_CONFIG, NULL, 0, 0,
                            "field '%s' has %lld channels (its first axis), not %u",
                            in->name, (long long)channels, s->count);
    }
    return status;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct image_normalise *s = self;
    (void)e;
    for (uint32_t i = 0; i < s->columns.in_count; i++) {
        const struct rn_columns_field *f = s->columns.in[i].of;
        double *y = call->out[i].data, unit = call->in[i].dtype == RN_U8 ? 255.0 : 1.0;
        if (!f) {
            memcpy(call->out[i].data, call->in[i].data,
                   call->rows * s->columns.in[i].bytes);
            continue;
        }
        uint64_t each = f->elements / s->count;
        rn_columns_get(&s->columns, i, &call->in[i], 0, call->rows * f->elements, y);
        for (uint64_t k = 0; k < call->rows * f->elements; k++) {
            uint64_t channel = k % f->elements / each;
            y[k] = (y[k] / unit - s->mean[channel]) / s->deviation[channel];
        }
    }
    return RN_OK;
}

static const struct rn_transform iface = {sizeof(struct rn_transform),
                                          RN_TRANSFORM_TOTAL,
                                          create,
                                          rn_columns_destroy,
                                          plan,
                                          NULL,
                                          NULL,
                                          NULL,
                                          apply,
                                          NULL,
                                          NULL,
                                          NULL};

RN_TRANSFORM(image_normalise, iface, "runner/image_normalise 1",
             RN_DOC("(x - mean) / deviation of each channel, with stated numbers, as f64; "
                    "bytes count as x / 255")
             RN_FITTED_OF_OPTION
             RN_OPTION("preset choice(imagenet,clip,cifar10,mnist,fashion_mnist,half) | "
                       "the numbers of a set of images; half is 0.5 and 0.5")
             RN_OPTION("mean list(float) | one for each channel, or one")
             RN_OPTION("deviation list(float) | one for each of `mean`"));
RN_PLUGIN(&image_normalise);

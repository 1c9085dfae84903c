/* SPDX-License-Identifier: Apache-2.0 */
/* Another shape for the same numbers. */
#include <stdlib.h>

#include <runner/sdk/error.h>
#include <runner/sdk/field.h>
#include <runner/sdk/layout.h>
#include <runner/sdk/transform.h>
#include <runner/transform.h>

struct shaped {
    uint64_t bytes;
    char name[128];
};

struct reshape {
    uint32_t rank; /* 0: flatten */
    int64_t shape[RN_MAX_RANK];
    int selected;
    uint32_t count;
    struct shaped *fields; /* [count] of the last plan */
};

static void destroy(void *self) {
    struct reshape *s = self;
    if (s)
        free(s->fields);
    free(s);
}

static int32_t flatten_create(struct rn_host *h, void **self, struct rn_error *e) {
    struct reshape *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->selected = rn_has(h, "of");
    return RN_OK;
}

static int32_t reshape_create(struct rn_host *h, void **self, struct rn_error *e) {
    int32_t status = flatten_create(h, self, e);
    struct reshape *s = *self;
    int open = 0;
    if (status != RN_OK)
        return status;
    s->rank = rn_get_count(h, "shape");
    if (s->rank < 1 || s->rank > RN_MAX_RANK - 1)
        return rn_fail_option(e, RN_E_CONFIG, "shape", "must have 1 to %d sizes",
                              RN_MAX_RANK - 1);
    for (uint32_t i = 0; i < s->rank; i++) {
        char path[32];
        s->shape[i] = rn_get_int(h, rn_path(path, sizeof path, "shape", i));
        open += s->shape[i] == -1;
        if (s->shape[i] < -1 || s->shape[i] == 0 || s->shape[i] > INT32_MAX || open > 1)
            return rn_fail_option(e, RN_E_CONFIG, path,
                                  "a size must be above 0, or -1 once");
    }
    return RN_OK;
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    const struct rn_field *in = plan->in;
    struct rn_field *out = plan->out;
    uint32_t in_count = plan->in_count;
    struct reshape *s = self;
    s->count = 0;
    s->fields =
        rn_planned(s->fields, in_count, sizeof *s->fields, in_count, plan->out_room, e);
    if (!s->fields)
        return e && e->status ? e->status : RN_E_MEMORY;
    s->count = plan->out_count = in_count;
    for (uint32_t i = 0; i < in_count; i++) {
        uint64_t n = rn_field_elements(&in[i]), product = 1;
        struct shaped *x = &s->fields[i];
        snprintf(x->name, sizeof x->name, "%s", in[i].name);
        out[i] = in[i];
        out[i].name = x->name;
        rn_layout_keep(plan, i, i);
        x->bytes = rn_field_bytes(&in[i]);
        if (in[i].flags & RN_FIELD_TEXT) {
            if (s->selected)
                return rn_failf(e, RN_E_CONFIG, NULL, 0, 0, "field '%s' is text",
                                in[i].name);
            continue;
        }
        if (!s->rank) {
            if (in[i].rank < 2)
                continue;
            out[i].rank = 1;
            out[i].shape[0] = (int64_t)n;
            continue;
        }
        if (!s->selected && in[i].rank == 0)
            continue;
        int64_t *open = NULL;
        out[i].rank = s->rank;
        for (uint32_t k = 0; k < s->rank; k++) {
            out[i].shape[k] = s->shape[k];
            if (s->shape[k] == -1)
                open = &out[i].shape[k];
            else if (product <= n)
                product *= (uint64_t)s->shape[k];
        }
        if (open && product <= n && n % product == 0)
            *open = (int64_t)(n / product);
        else if (open || product != n)
            return rn_fail_option(
                e, RN_E_CONFIG, "shape",
                "field '%s' has %llu elements a sample, which do not fit", in[i].name,
                (unsigned long long)n);
    }
    return RN_OK;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct rn_tensor *in = call->in;
    const struct rn_tensor *out = call->out;
    uint64_t n = call->rows;
    const struct reshape *s = self;
    (void)e;
    for (uint32_t i = 0; i < s->count; i++)
        memcpy(out[i].data, in[i].data, n * s->fields[i].bytes);
    return RN_OK;
}

static const struct rn_transform flatten_iface = {sizeof(struct rn_transform),
                                                  RN_TRANSFORM_TOTAL,
                                                  flatten_create,
                                                  destroy,
                                                  plan,
                                                  NULL,
                                                  NULL,
                                                  NULL,
                                                  apply,
                                                  NULL,
                                                  NULL,
                                                  NULL};
static const struct rn_transform reshape_iface = {sizeof(struct rn_transform),
                                                  RN_TRANSFORM_TOTAL,
                                                  reshape_create,
                                                  destroy,
                                                  plan,
                                                  NULL,
                                                  NULL,
                                                  NULL,
                                                  apply,
                                                  NULL,
                                                  NULL,
                                                  NULL};

RN_TRANSFORM(flatten, flatten_iface, "runner/flatten 1",
             RN_DOC("One axis of all elements of a sample")
             RN_OPTION("of list(string) | fields; default: all of rank 2 and more"));
RN_TRANSFORM(reshape, reshape_iface, "runner/reshape 1",
             RN_DOC("Another shape for a sample's elements, in the same order")
             RN_OPTION("of list(string) | fields; default: all that are not text or "
                       "single numbers")
             RN_OPTION("shape list(int) ; required | sizes without the batch; one "
                       "may be -1: what is left"));
RN_PLUGIN(&flatten, &reshape);

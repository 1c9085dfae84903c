/* SPDX-License-Identifier: Apache-2.0 */
/* Integers k of 0..K-1 as K numbers, 1 at k and else 0; all 0 where the integer is
 * missing. */
#include <stdlib.h>

#include <runner/sdk/category.h>
#include <runner/sdk/error.h>
#include <runner/sdk/field.h>
#include <runner/sdk/transform.h>
#include <runner/transform.h>

#define CLASSES_MAX 65536
#define VERSION     1u

struct hot {
    char name[128];
    int64_t classes; /* 0: not known yet */
};

struct hot_input {
    struct hot *of;
    uint64_t elements;
    int nullable;
};

struct one_hot {
    int64_t given; /* option classes, or 0 */
    uint32_t count;
    struct hot **hots;    /* [count] */
    uint32_t in_count;    /* of the last plan */
    struct hot_input *in; /* [in_count] */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct one_hot *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->given = rn_has(h, "classes") ? rn_get_int(h, "classes") : 0;
    return RN_OK;
}

static void destroy(void *self) {
    struct one_hot *s = self;
    for (uint32_t i = 0; s && i < s->count; i++)
        free(s->hots[i]);
    if (s) {
        free(s->hots);
        free(s->in);
    }
    free(s);
}

/* NULL: no memory. */
static struct hot *find(struct one_hot *s, const char *name) {
    for (uint32_t i = 0; i < s->count; i++)
        if (strcmp(s->hots[i]->name, name) == 0)
            return s->hots[i];
    struct hot *hot = calloc(1, sizeof *hot);
    struct hot **more = realloc(s->hots, (s->count + 1u) * sizeof *more);
    s->hots = more ? more : s->hots;
    if (!hot || !more) {
        free(hot);
        return NULL;
    }
    snprintf(hot->name, sizeof hot->name, "%s", name);
    hot->classes = s->given;
    return s->hots[s->count++] = hot;
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    const struct rn_field *in = plan->in;
    struct rn_field *out = plan->out;
    uint32_t in_count = plan->in_count;
    struct one_hot *s = self;
    s->in_count = 0;
    s->in = rn_planned(s->in, in_count, sizeof *s->in, in_count, plan->out_room, e);
    if (!s->in)
        return e && e->status ? e->status : RN_E_MEMORY;
    s->in_count = plan->out_count = in_count;
    for (uint32_t i = 0; i < in_count; i++) {
        if (!rn_category_takes(in[i].dtype) || (in[i].flags & RN_FIELD_TEXT)) {
            rn_failf(e, RN_E_CONFIG, NULL, 0, 0, "field '%s' holds %s, not integers",
                     in[i].name,
                     in[i].flags & RN_FIELD_TEXT ? "text" : rn_dtype_name(in[i].dtype));
            rn_hintf(e, "a label_map before it makes indices of text");
            return RN_E_CONFIG;
        }
        if (in[i].rank > RN_MAX_RANK - 2)
            return rn_failf(e, RN_E_CONFIG, NULL, 0, 0, "field '%s' has too many axes",
                            in[i].name);
        struct hot *hot = find(s, in[i].name);
        if (!hot)
            return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
        s->in[i] = (struct hot_input){hot, rn_field_elements(&in[i]),
                                      (in[i].flags & RN_FIELD_NULLABLE) != 0};
        out[i] = in[i];
        out[i].name = hot->name;
        out[i].dtype = RN_F32;
        out[i].flags &= ~RN_FIELD_NULLABLE;
        out[i].shape[out[i].rank++] = hot->classes ? hot->classes : 1;
    }
    return RN_OK;
}

static int32_t fit_begin(void *self, struct rn_error *e) {
    struct one_hot *s = self;
    (void)e;
    for (uint32_t i = 0; i < s->count; i++)
        s->hots[i]->classes = s->given;
    return RN_OK;
}

/* Element k of field i as a class below `classes`, or -1 where it is missing. */
static int32_t class_of(const struct one_hot *s, uint32_t i, const struct rn_tensor *in,
                        uint64_t k, int64_t classes, int64_t *out, struct rn_error *e) {
    const struct hot *hot = s->in[i].of;
    enum rn_category is = rn_category_get(in, s->in[i].nullable, k, out);
    if (is == RN_CATEGORY_WRONG)
        return rn_category_wrong(hot->name, in, k, e);
    if (is == RN_CATEGORY_MISSING)
        *out = -1;
    else if (*out < 0 || *out >= classes) {
        rn_failf(e, RN_E_DATA, NULL, 0, 0, "field '%s': %lld is not in 0..%lld",
                 hot->name, (long long)*out, (long long)classes - 1);
        rn_hintf(e, "%s",
                 s->given
                     ? "`classes` is one more than the largest"
                     : "K is the largest integer of the training rows + 1; `classes` "
                       "sets it, and label_map before it takes any integers");
        return RN_E_DATA;
    }
    return RN_OK;
}

static int32_t fit_rows(void *self, const struct rn_transform_call *call,
                        struct rn_error *e) {
    const struct rn_tensor *in = call->in;
    uint64_t n = call->rows;
    struct one_hot *s = self;
    int64_t v;
    for (uint32_t i = 0; i < s->in_count; i++) {
        struct hot *hot = s->in[i].of;
        for (uint64_t k = 0; k < n * s->in[i].elements; k++) {
            int32_t status =
                class_of(s, i, &in[i], k, s->given ? s->given : CLASSES_MAX, &v, e);
            if (status != RN_OK)
                return status;
            hot->classes = v + 1 > hot->classes ? v + 1 : hot->classes;
        }
    }
    return RN_OK;
}

static int32_t fit_end(void *self, struct rn_error *e) {
    const struct one_hot *s = self;
    for (uint32_t i = 0; i < s->in_count; i++)
        if (!s->in[i].of->classes)
            return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                            "field '%s' is missing in every training sample",
                            s->in[i].of->name);
    return RN_OK;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct rn_tensor *in = call->in;
    const struct rn_tensor *out = call->out;
    uint64_t n = call->rows;
    const struct one_hot *s = self;
    for (uint32_t i = 0; i < s->in_count; i++) {
        const struct hot *hot = s->in[i].of;
        float *y = out[i].data;
        memset(y, 0, n * s->in[i].elements * (uint64_t)hot->classes * sizeof *y);
        for (uint64_t k = 0; k < n * s->in[i].elements; k++, y += hot->classes) {
            int64_t v;
            int32_t status = class_of(s, i, &in[i], k, hot->classes, &v, e);
            if (status != RN_OK)
                return status;
            if (v >= 0)
                y[v] = 1.0f;
        }
    }
    return RN_OK;
}

static int32_t save(void *self, struct rn_stream *to, struct rn_error *e) {
    (void)e;
    const struct one_hot *s = self;
    uint32_t head[2] = {VERSION, s->count};
    int32_t status = to->api->write(to, head, sizeof head);
    for (uint32_t i = 0; status == RN_OK && i < s->count; i++) {
        status = to->api->write(to, s->hots[i]->name, sizeof s->hots[i]->name);
        if (status == RN_OK)
            status = to->api->write(to, &s->hots[i]->classes, sizeof(int64_t));
    }
    return status;
}

static int32_t load(void *self, struct rn_stream *from, struct rn_error *e) {
    struct one_hot *s = self;
    uint32_t head[2] = {0, 0};
    int32_t status = from->api->read(from, head, sizeof head);
    if (status == RN_OK && (head[0] != VERSION || head[1] > from->api->left(from)))
        status = RN_E_CHECKPOINT;
    for (uint32_t i = 0; status == RN_OK && i < head[1]; i++) {
        char name[sizeof((struct hot *)0)->name];
        int64_t classes = 0;
        status = from->api->read(from, name, sizeof name);
        if (status == RN_OK)
            status = from->api->read(from, &classes, sizeof classes);
        struct hot *hot =
            status == RN_OK && !name[sizeof name - 1] ? find(s, name) : NULL;
        if (!hot || classes < 1 || classes > CLASSES_MAX)
            status = RN_E_CHECKPOINT;
        else
            hot->classes = classes;
    }
    if (status != RN_OK)
        return rn_fail(e, status, "the stored state cannot be read", NULL, NULL);
    return RN_OK;
}

static const struct rn_transform iface = {sizeof(struct rn_transform),
                                          0,
                                          create,
                                          destroy,
                                          plan,
                                          fit_begin,
                                          fit_rows,
                                          fit_end,
                                          apply,
                                          save,
                                          load,
                                          NULL};

RN_TRANSFORM(one_hot, iface, "runner/one_hot 1",
             RN_DOC("Integers 0..K-1 as K numbers of f32, one of them 1; none where the "
                    "integer is missing")
             RN_OPTION("of list(string) ; required | fields of integers")
             RN_OPTION("classes int ; min 1 ; max 65536 | K; default: the largest in "
                       "the training samples + 1"));
RN_PLUGIN(&one_hot);

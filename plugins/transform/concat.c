/* SPDX-License-Identifier: Apache-2.0 */
/* Several fields of numbers as one vector, in the order of `of`. */
#include <stdlib.h>

#include <runner/sdk/error.h>
#include <runner/sdk/field.h>
#include <runner/sdk/layout.h>
#include <runner/sdk/transform.h>
#include <runner/transform.h>

#define CHUNK 64

struct concat_input {
    uint64_t elements;
    int nullable; /* integers, one of which may mean missing */
};

#define NAMED_MAX 4096u /* numbers of a field, such as an image, that are numbered */

struct concat {
    char name[128]; /* option as */
    int wide;       /* f64 */
    uint64_t elements;
    uint32_t in_count;       /* of the last plan */
    struct concat_input *in; /* [in_count] */
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct concat *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    const char *name = rn_get_string(h, "as");
    if (!*name || strlen(name) >= sizeof s->name)
        return rn_fail_option(e, RN_E_CONFIG, "as", "a name has 1 to %zu bytes",
                              sizeof s->name - 1);
    snprintf(s->name, sizeof s->name, "%s", name);
    return RN_OK;
}

static void destroy(void *self) {
    struct concat *s = self;
    if (s)
        free(s->in);
    free(s);
}

/* f64 where f32 would round what the field holds. */
static int is_wide(rn_dtype dtype) {
    return dtype == RN_F64 || dtype == RN_I64 || dtype == RN_I32 || dtype == RN_U32;
}

/* A field of one number is an element by its own name; of one whose elements have no
 * names, they are numbered: "x.3". */
static void add_names(struct rn_transform_plan *plan, uint32_t i) {
    const struct rn_field *in = &plan->in[i];
    uint64_t n = rn_field_elements(in);
    char number[24];
    if (*rn_layout_in(plan, i)) {
        rn_layout_keep(plan, i, 0);
        return;
    }
    for (uint64_t k = 0; k < n && n <= NAMED_MAX; k++) {
        snprintf(number, sizeof number, n > 1 ? ".%llu" : "", (unsigned long long)k);
        rn_layout_join(plan, 0, in->name, strlen(in->name), number, "", 0);
    }
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    const struct rn_field *in = plan->in;
    struct concat *s = self;
    uint32_t flags = 0;
    s->in_count = 0;
    s->in = rn_planned(s->in, plan->in_count, sizeof *s->in, 1, plan->out_room, e);
    if (!s->in)
        return e && e->status ? e->status : RN_E_MEMORY;
    s->in_count = plan->in_count;
    s->elements = 0;
    s->wide = 0;
    for (uint32_t i = 0; i < s->in_count; i++) {
        if (in[i].flags & RN_FIELD_TEXT) {
            rn_failf(e, RN_E_CONFIG, NULL, 0, 0, "field '%s' is text, not numbers",
                     in[i].name);
            rn_hintf(e, "a label_map makes indices of text, a one_hot after it numbers "
                        "of the indices");
            return RN_E_CONFIG;
        }
        s->in[i] = (struct concat_input){rn_field_elements(&in[i]),
                                         in[i].dtype == RN_I64 &&
                                             (in[i].flags & RN_FIELD_NULLABLE)};
        if (s->elements + s->in[i].elements > INT32_MAX)
            return rn_failf(e, RN_E_CONFIG, NULL, 0, 0, "the vector is too long");
        s->elements += s->in[i].elements;
        s->wide |= is_wide(in[i].dtype);
        flags |= in[i].flags & RN_FIELD_NULLABLE;
    }
    for (uint32_t i = 0; i < s->in_count; i++)
        add_names(plan, i);
    plan->out_count = 1;
    plan->out[0] = (struct rn_field){
        s->name, s->wide ? RN_F64 : RN_F32, 1, {(int64_t)s->elements}, flags, 0};
    return RN_OK;
}

/* Elements at .. at + n of field i as f64, missing ones NaN. */
static void get(const struct concat *s, const struct rn_tensor *in, uint32_t i,
                uint64_t at, uint64_t n, double *x) {
    rn_numbers_get(in[i].data, in[i].dtype, at, n, x);
    for (uint64_t k = 0; s->in[i].nullable && k < n; k++)
        if (((const int64_t *)in[i].data)[at + k] == RN_MISSING_I64)
            x[k] = NAN;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct concat *s = self;
    uint64_t to = 0; /* in the output */
    double x[CHUNK];
    (void)e;
    for (uint64_t r = 0; r < call->rows; r++)
        for (uint32_t i = 0; i < s->in_count; i++) {
            uint64_t each = s->in[i].elements;
            for (uint64_t k = 0; k < each; k += CHUNK) {
                uint64_t n = each - k < CHUNK ? each - k : CHUNK;
                get(s, call->in, i, r * each + k, n, x);
                for (uint64_t j = 0; j < n; j++, to++)
                    if (s->wide)
                        ((double *)call->out[0].data)[to] = x[j];
                    else
                        ((float *)call->out[0].data)[to] = (float)x[j];
            }
        }
    return RN_OK;
}

static const struct rn_transform iface = {sizeof(struct rn_transform),
                                          RN_TRANSFORM_TOTAL,
                                          create,
                                          destroy,
                                          plan,
                                          NULL,
                                          NULL,
                                          NULL,
                                          apply,
                                          NULL,
                                          NULL,
                                          NULL};

RN_TRANSFORM(concat, iface, "runner/concat 1",
             RN_DOC("Several fields of numbers as one vector, in the order of `of`, "
                    "each flattened: f64 if one of them is f64 or an integer of more "
                    "than 16 bits, else f32")
             RN_OPTION("of list(string) ; required | the fields, by names or patterns "
                       "(`age`, `lab_*`)")
             RN_OPTION("as string = x | the name of the vector"));
RN_PLUGIN(&concat);

/* SPDX-License-Identifier: Apache-2.0 */
/* A further field: one field divided by another, element by element, or by the one
 * number of the other. Nothing is fitted. */
#include <runner/sdk/columns.h>

struct ratio {
    struct rn_columns columns; /* only: which fields are taken */
    int empties;               /* x / 0 is missing */
    char name[2 * RN_FITTED_NAME + 8];
};

static const struct rn_columns_kind kind = {.part_count = 0};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct ratio *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    rn_columns_init(&s->columns, &kind, h, 0);
    s->empties = strcmp(rn_get_string(h, "zero"), "missing") == 0;
    if (rn_has(h, "as")) {
        const char *as = rn_get_string(h, "as");
        if (!*as || strlen(as) >= RN_FITTED_NAME)
            return rn_fail_option(e, RN_E_CONFIG, "as", "is empty or long");
        snprintf(s->name, sizeof s->name, "%s", as);
    }
    return RN_OK;
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    struct ratio *s = self;
    const struct rn_field *in = plan->in;
    int32_t status = rn_columns_plan(&s->columns, plan, e);
    if (status != RN_OK)
        return status;
    if (plan->in_count != 2 || plan->out_room < 3)
        return rn_fail_option(e, RN_E_CONFIG, "of",
                              "must name two fields: what is divided, and by what");
    uint64_t n = rn_field_elements(&in[0]), m = rn_field_elements(&in[1]);
    if (m != 1 && m != n)
        return rn_fail_option(e, RN_E_CONFIG, "of",
                              "field '%s' has %llu numbers, and '%s' %llu", in[0].name,
                              (unsigned long long)n, in[1].name, (unsigned long long)m);
    if (!s->name[0])
        snprintf(s->name, sizeof s->name, "%s_per_%s", in[0].name, in[1].name);
    for (int i = 0; i < 2; i++)
        plan->out[i] = in[i]; /* as they were */
    plan->out[2] = in[0];
    plan->out[2].name = s->name;
    plan->out[2].dtype = RN_F64;
    plan->out[2].flags = ((in[0].flags | in[1].flags) & RN_FIELD_NULLABLE) |
                         (s->empties ? RN_FIELD_NULLABLE : 0u);
    for (int i = 0; i < 2; i++)
        plan->out[i].name = s->columns.in[i].of->name;
    plan->out_count = 3;
    return RN_OK;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct ratio *s = self;
    const struct rn_columns_field *a = s->columns.in[0].of, *b = s->columns.in[1].of;
    double *y = call->out[2].data, top, bottom;
    for (int i = 0; i < 2; i++)
        memcpy(call->out[i].data, call->in[i].data,
               call->rows * s->columns.in[i].bytes);
    for (uint64_t k = 0; k < call->rows * a->elements; k++) {
        uint64_t at = b->elements == 1 ? k / a->elements : k;
        rn_columns_get(&s->columns, 0, &call->in[0], k, 1, &top);
        rn_columns_get(&s->columns, 1, &call->in[1], at, 1, &bottom);
        if (bottom == 0.0 && !s->empties) {
            rn_failf(e, RN_E_DATA, NULL, 0, 0,
                     "field '%s' is 0, and '%s' is divided by it", b->name, a->name);
            rn_hintf(e, "`zero: missing` makes such a ratio missing");
            return RN_E_DATA;
        }
        y[k] = bottom == 0.0 ? NAN : top / bottom;
    }
    return RN_OK;
}

static const struct rn_transform iface = {sizeof(struct rn_transform),
                                          0,
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

RN_TRANSFORM(ratio, iface, "runner/ratio 1",
             RN_DOC("A further field, f64: one field divided by another; both stay")
             RN_OPTION("of list(string) ; required | two fields of numbers: what is "
                       "divided, and by what")
             RN_OPTION("as string | its name; default: A_per_B")
             RN_OPTION("zero choice(error,missing) = error | what a division by 0 gives"));
RN_PLUGIN(&ratio);

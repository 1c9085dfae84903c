/* SPDX-License-Identifier: Apache-2.0 */
/* The products of up to `degree` numbers of a field, without the constant 1, in the
 * order of PolynomialFeatures of scikit-learn: by degree, then by the indices of their
 * factors. With interaction_only no number is a factor twice. Nothing is fitted. */
#include <runner/sdk/columns.h>

#define DEGREE_MAX   8u
#define PRODUCTS_MAX 1048576u

struct products {
    char name[RN_FITTED_NAME];
    uint64_t elements;
    uint32_t count;
    uint32_t *factors; /* [count][2]: an element, and the product before it or NONE */
};

#define NONE UINT32_MAX

struct polynomial {
    struct rn_columns columns; /* only: which fields are taken */
    uint32_t degree;
    int distinct;
    uint32_t count;
    struct products *at; /* [count] of the last plan */
};

static const struct rn_columns_kind kind = {.part_count = 0};

static void forget(struct polynomial *s) {
    for (uint32_t i = 0; i < s->count; i++)
        free(s->at[i].factors);
    free(s->at);
    s->at = NULL;
    s->count = 0;
}

static void destroy(void *self) {
    struct polynomial *s = self;
    if (s) {
        forget(s);
        rn_columns_finish(&s->columns);
    }
    free(s);
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct polynomial *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    rn_columns_init(&s->columns, &kind, h, 0);
    s->degree = (uint32_t)rn_get_int(h, "degree");
    s->distinct = rn_get_bool(h, "interaction_only");
    return RN_OK;
}

/* n choose k of small numbers, or more than PRODUCTS_MAX. */
static uint64_t choose(uint64_t n, uint64_t k) {
    uint64_t c = 1;
    for (uint64_t i = 1; i <= k && c <= PRODUCTS_MAX; i++)
        c = c * (n - k + i) / i;
    return k > n ? 0 : c;
}

static uint64_t product_count(const struct polynomial *s, uint64_t n) {
    uint64_t count = 0;
    for (uint32_t d = 1; d <= s->degree && count <= PRODUCTS_MAX; d++)
        count += n > PRODUCTS_MAX ? n : choose(s->distinct ? n : n + d - 1, d);
    return count;
}

/* Of the next degree: element i times each product of the degree before whose first
 * factor is i or later. starts: of the degree before, where those begin; [n + 1]. */
static void list_products(const struct polynomial *s, struct products *p,
                          uint32_t *starts) {
    uint32_t n = (uint32_t)p->elements, at = 0, end;
    for (; at < n; at++) {
        p->factors[2 * at] = at;
        p->factors[2 * at + 1] = NONE;
        starts[at] = at;
    }
    starts[n] = end = n;
    for (uint32_t d = 2; d <= s->degree; d++) {
        for (uint32_t i = 0; i < n; i++) {
            uint32_t first = starts[i + (s->distinct ? 1 : 0)];
            starts[i] = at;
            for (uint32_t k = first; k < end; k++, at++) {
                p->factors[2 * at] = i;
                p->factors[2 * at + 1] = k;
            }
        }
        starts[n] = end = at;
    }
}

static int32_t plan_field(struct polynomial *s, uint32_t i, const struct rn_field *in,
                          struct rn_field *out, struct rn_error *e) {
    struct products *p = &s->at[i];
    p->elements = rn_field_elements(in);
    uint64_t count = product_count(s, p->elements);
    if (count > PRODUCTS_MAX)
        return rn_fail_option(e, RN_E_CONFIG, "degree",
                              "field '%s' has %llu numbers: more than %u products",
                              in->name, (unsigned long long)p->elements, PRODUCTS_MAX);
    p->count = (uint32_t)count;
    p->factors = malloc(rn_size_or_max(2 * count, sizeof *p->factors));
    uint32_t *starts = malloc(rn_size_or_max(p->elements + 1, sizeof *starts));
    if (p->factors && starts)
        list_products(s, p, starts);
    free(starts);
    if (!p->factors || !starts)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    snprintf(p->name, sizeof p->name, "%s", in->name);
    out->name = p->name;
    out->rank = 1;
    out->shape[0] = p->count;
    return RN_OK;
}

/* "a", then "a*b": element a and product b, which was named before. */
static void add_names(const struct products *p, struct rn_transform_plan *plan,
                      uint32_t i) {
    const char *layout = rn_layout_in(plan, i);
    size_t n, m;
    rn_layout_forget(plan, i);
    for (uint32_t k = 0; k < p->count && *layout; k++) {
        char name[256] = "";
        size_t length = 0;
        for (uint32_t at = k; at != NONE; at = p->factors[2 * at + 1]) {
            const char *a = rn_layout_at(layout, p->factors[2 * at], &n);
            m = a ? (size_t)snprintf(name + length, sizeof name - length, "%s%.*s",
                                     length ? "*" : "", (int)n, a)
                  : sizeof name;
            if (m >= sizeof name - length)
                return; /* too long: without names */
            length += m;
        }
        rn_layout_add(plan, i, name, length);
    }
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    struct polynomial *s = self;
    int32_t status = rn_columns_plan(&s->columns, plan, e);
    forget(s);
    s->at = calloc(plan->in_count + 1u, sizeof *s->at);
    if (status == RN_OK && !s->at)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->count = s->at ? plan->in_count : 0;
    for (uint32_t i = 0; i < plan->in_count && status == RN_OK; i++)
        if (s->columns.in[i].of)
            status = plan_field(s, i, &plan->in[i], &plan->out[i], e);
    for (uint32_t i = 0; i < plan->in_count && status == RN_OK; i++)
        if (s->columns.in[i].of)
            add_names(&s->at[i], plan, i);
    return status;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct polynomial *s = self;
    for (uint32_t i = 0; i < s->columns.in_count; i++) {
        const struct products *p = &s->at[i];
        double *y = call->out[i].data;
        if (!s->columns.in[i].of) {
            memcpy(call->out[i].data, call->in[i].data,
                   call->rows * s->columns.in[i].bytes);
            continue;
        }
        double *x = rn_scratch(call->work, p->elements * sizeof *x);
        if (!x)
            return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
        for (uint64_t r = 0; r < call->rows; r++, y += p->count) {
            rn_columns_get(&s->columns, i, &call->in[i], r * p->elements, p->elements,
                           x);
            for (uint32_t k = 0; k < p->count; k++) {
                const uint32_t *f = p->factors + 2 * (uint64_t)k;
                y[k] = f[1] == NONE ? x[f[0]] : x[f[0]] * y[f[1]];
            }
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

RN_TRANSFORM(polynomial, iface, "runner/polynomial 1",
             RN_DOC("Products of up to `degree` numbers of a field, as f64 [products]")
             RN_FITTED_OF_OPTION
             RN_OPTION("degree int = 2 ; min 1 ; max 8 | factors of a product, at most")
             RN_OPTION("interaction_only bool = false | only products of different "
                       "numbers"));
RN_PLUGIN(&polynomial);

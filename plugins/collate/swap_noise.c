/* SPDX-License-Identifier: Apache-2.0 */
/* Swap noise: each number of a row is replaced, with a small probability, by that of
 * the same column in another row of the batch; columns keep their distributions. */
#include <stdlib.h>

#include <runner/sdk/mix.h>

struct swap_noise {
    struct rn_host *host;
    const struct rn_draw_log_api *log; /* or NULL */
    double p, share;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct swap_noise *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a collate", NULL, NULL);
    s->host = h;
    s->log = rn_draw_log(h);
    s->p = rn_get_float(h, "p");
    s->share = rn_get_float(h, "share");
    return RN_OK;
}

static void destroy(void *self) {
    free(self);
}

static int32_t plan(void *self, const struct rn_collate_plan *p, struct rn_error *e) {
    (void)self;
    for (uint32_t i = 0; i < p->field_count; i++) {
        const struct rn_field *f = rn_collate_field(p, i);
        if (f->rank)
            continue;
        rn_fail_option(
            e, RN_E_CONFIG, "of",
            "field '%s' is one number a sample, which would be a wrong label", f->name);
        rn_hintf(e, "name the fields whose numbers are swapped in `of`");
        return RN_E_CONFIG;
    }
    return RN_OK;
}

/* Numbers of row i that come from elsewhere. */
static uint64_t swap_row(const struct swap_noise *s, struct rn_draws *d,
                         const struct rn_tensor *t, const char *from, uint64_t rows,
                         uint64_t i) {
    uint64_t n = rn_mix_elements(t), item = RN_DTYPE_BYTES(t->dtype), swapped = 0;
    for (uint64_t k = 0; k < n; k++) {
        if (!(rn_draw_uniform(d) < s->share))
            continue;
        uint64_t other = rn_draw_below(d, rows);
        memcpy((char *)t->data + (i * n + k) * item, from + (other * n + k) * item,
               item);
        swapped++;
    }
    return swapped;
}

static int32_t apply(void *self, const struct rn_collate_call *call,
                     struct rn_error *e) {
    const struct swap_noise *s = self;
    for (uint32_t f = 0; f < call->field_count; f++) {
        const struct rn_tensor *t = &call->fields[f];
        const char *from = rn_mix_copy(call, t);
        if (!from)
            return rn_fail(e, RN_E_MEMORY, "no memory for a batch", NULL, NULL);
        for (uint64_t i = 0; i < call->rows; i++) {
            uint32_t purpose = RN_MIX_ROW + (uint32_t)(i * call->field_count + f);
            struct rn_draws d = rn_mix_draws(call, purpose);
            if (!(rn_draw_uniform(&d) < s->p))
                continue;
            uint64_t n = swap_row(s, &d, t, from, call->rows, i);
            if (s->log)
                s->log->number(s->host, i, "swapped", (double)n);
        }
    }
    return RN_OK;
}

static const struct rn_collate iface = {
    sizeof(struct rn_collate), 0, create, destroy, plan, apply};

RN_COLLATE(
    swap_noise, iface, "runner/swap_noise 1",
    RN_DOC("Replace random numbers of a row by those of the same column in other rows "
           "of the batch")
        RN_OPTION("share float = 0.15 ; min 0 ; max 1 | probability of each number")
            RN_OPTION(
                "p float = 1 ; min 0 ; max 1 | share of the samples that are changed"));
RN_PLUGIN(&swap_noise);

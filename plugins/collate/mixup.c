/* SPDX-License-Identifier: Apache-2.0 */
/* mixup (Zhang et al. 2018, equation 1): share * x_i + (1 - share) * x_j for inputs and
 * targets alike, j a random permutation of the batch, share ~ Beta(alpha, alpha). */
#include <runner/sdk/mix.h>

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct rn_mix *m = calloc(1, sizeof *m);
    *self = m;
    if (!m)
        return rn_fail(e, RN_E_MEMORY, "no memory for a collate", NULL, NULL);
    rn_mix_read(m, h);
    return RN_OK;
}

static void destroy(void *self) {
    if (self)
        rn_mix_finish(self);
    free(self);
}

static int32_t plan(void *self, const struct rn_collate_plan *p, struct rn_error *e) {
    struct rn_mix *m = self;
    int32_t status = rn_mix_plan(m, p, e);
    for (uint32_t i = 0; i < p->field_count && status == RN_OK; i++) {
        const struct rn_field *f = rn_collate_field(p, i);
        if (rn_mix_is_label(f)) {
            status = rn_mix_label(m, p, i, e);
        } else if (f->dtype != RN_F32) {
            status = rn_fail_option(e, RN_E_CONFIG, "of",
                                    "field '%s' is %s, and mixup takes means of f32",
                                    f->name, rn_dtype_name(f->dtype));
            rn_hintf(e,
                     "{type: scale, of: %s} makes it f32; or name the fields that are "
                     "mixed in `of`",
                     f->name);
        }
    }
    return status;
}

static int32_t apply(void *self, const struct rn_collate_call *call,
                     struct rn_error *e) {
    const struct rn_mix *m = self;
    const uint64_t *partners = rn_mix_partners(call);
    double *shares = rn_scratch(call->work, call->rows * sizeof *shares);
    int32_t status = RN_OK;
    if (!partners || !shares)
        return rn_fail(e, RN_E_MEMORY, "no memory for a batch", NULL, NULL);
    for (uint64_t i = 0; i < call->rows; i++) {
        struct rn_draws d = rn_mix_row_draws(m, call, i);
        shares[i] = i && !m->per_sample ? shares[0] : rn_mix_share(m, &d);
    }
    rn_mix_log(m, call, shares, partners);
    for (uint32_t k = 0; k < call->field_count && status == RN_OK; k++)
        status = rn_mix_rows(call, &call->fields[k], shares, partners, e);
    return status;
}

static const struct rn_collate iface = {
    sizeof(struct rn_collate), 0, create, destroy, plan, apply};

RN_COLLATE(
    mixup, iface, "runner/mixup 1",
    RN_DOC("Each sample becomes a weighted mean of itself and another of the "
           "batch, its label too (Zhang et al. 2018)")
        RN_OPTION("alpha float = 0.2 ; above 0 ; max 1e6 | the share of a sample in "
                  "the mean is drawn from Beta(alpha, alpha): near 0 or 1 when small, "
                  "near 1/2 when large") RN_MIX_OPTIONS);
RN_PLUGIN(&mixup);

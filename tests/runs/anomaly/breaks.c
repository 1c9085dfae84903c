/* SPDX-License-Identifier: Apache-2.0 */
/* A model, an augmenter and an optimizer that make a value which is not finite, each in
 * one place, by the option `what`. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <runner/runner.h>

/* ---- model: linear(f(x * scale)) ---- */
static rn_value middle(struct rn_build *b, const char *what, rn_value x) {
    if (strcmp(what, "log") == 0)
        return rn_log(b, x);
    if (strcmp(what, "sqrt") == 0)
        return rn_sqrt(b, rn_abs(b, x));
    if (strcmp(what, "exp") == 0)
        return rn_exp(b, x);
    if (strcmp(what, "mask") == 0) { /* an infinity that is meant */
        rn_value low = rn_const(b, -(double)INFINITY);
        return rn_softmax(b, rn_select(b, rn_gt(b, x, rn_const(b, 0.0)), x, low), 1);
    }
    return x;
}

static int32_t describe(struct rn_build *b) {
    rn_value x = rn_input(b, "x");
    int64_t one = 1, shape[2] = {1, rn_dim(b, x, 1)};
    rn_value scale = rn_param(b, "scale", "scale", 1, &one, "zeros");
    rn_value w = rn_param(b, "weight", "weight", 2, shape, "zeros");
    rn_push(b, "act");
    x = middle(b, rn_get_string(b->host, "what"), rn_mul(b, x, scale));
    rn_pop(b);
    rn_output(b, "out", rn_linear(b, x, w, RN_NONE));
    return RN_OK;
}
RN_MODEL(model, describe, "acme.odd/net 1",
         RN_DOC("Breaks") RN_IN("x float [N,C]") RN_OUT("out float [N,1]")
             RN_OPTION("what choice(none,log,sqrt,exp,mask) = none"));

/* ---- augmenter: NaN in one sample ---- */
static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    int64_t *sample = (int64_t *)malloc(sizeof *sample);
    *self = sample;
    if (!sample)
        return rn_fail(e, RN_E_MEMORY, "no memory", NULL, NULL);
    *sample = rn_get_int(h, "sample");
    return RN_OK;
}
static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    (void)self, (void)p, (void)e;
    return RN_OK;
}
static int32_t apply(void *self, const struct rn_augment_call *call,
                     struct rn_error *e) {
    uint64_t i;
    (void)e;
    for (i = 0; i < call->rows; i++)
        if (call->sample_ids[i] == *(const int64_t *)self)
            ((float *)call->fields[0].data)[i * (uint64_t)call->fields[0].shape[1]] =
                NAN;
    return RN_OK;
}
static const struct rn_augment augment_iface = {.struct_size =
                                                    sizeof(struct rn_augment),
                                                .create = create,
                                                .destroy = free,
                                                .plan = plan,
                                                .apply = apply};
RN_AUGMENT(augment, augment_iface, "acme.odd/hole 1",
           RN_DOC("Breaks") RN_OPTION("of string = x") RN_OPTION("sample int = -1"));

/* ---- optimizer: sgd, NaN from update `until` on ---- */
static int32_t update(struct rn_build *b) {
    rn_value param = rn_input(b, "param");
    rn_value left =
        rn_sub(b, rn_const(b, rn_get_float(b->host, "until")), rn_input(b, "step"));
    rn_value zero = rn_mul(b, rn_log(b, left), rn_const(b, 0.0));
    rn_value moved = rn_sub(b, param, rn_mul(b, rn_live(b, "lr"), rn_input(b, "grad")));
    rn_output(b, "param", rn_add(b, moved, zero));
    return RN_OK;
}
RN_OPTIMIZER(optimizer, update, "acme.odd/sgd 1",
             RN_DOC("Breaks") RN_IN("param float [...]") RN_IN("grad float [...]")
                 RN_IN("step float []") RN_OUT("param float [...]")
                     RN_OPTION("lr float = 0 ; live")
                         RN_OPTION("until float = 1000000"));

RN_PLUGIN(&model, &augment, &optimizer);

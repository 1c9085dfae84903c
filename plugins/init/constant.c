/* SPDX-License-Identifier: Apache-2.0 */
/* constant and zeros: every element the same. */
#include <stdlib.h>

#include <runner/init.h>

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    float *value = malloc(sizeof *value);
    if (!value)
        return rn_fail(e, RN_E_MEMORY, "no memory for an init", NULL, NULL);
    *value = rn_has(h, "value") ? (float)rn_get_float(h, "value") : 0.0f;
    *self = value;
    return RN_OK;
}

static int32_t fill(void *self, const struct rn_init_call *call, struct rn_error *e) {
    (void)e;
    for (uint64_t i = 0; i < call->count; i++)
        call->out[i] = self ? *(float *)self : 0.0f;
    return RN_OK;
}

RN_INIT(constant, create, free, fill, "runner/constant 1",
        RN_DOC("Every element the same value")
        RN_OPTION("value float = 0 | the value"));
RN_INIT(zeros, NULL, NULL, fill, "runner/zeros 1",
        RN_DOC("Every element 0"));
RN_PLUGIN(&constant, &zeros);

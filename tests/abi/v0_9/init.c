/* SPDX-License-Identifier: Apache-2.0 */
/* An init without state: element i of n is scale*(i/n - 1/2); create is NULL. */
#include <runner/init.h>

static int32_t fill(void *self, const struct rn_init_call *call, struct rn_error *e) {
    (void)self, (void)e;
    for (uint64_t i = 0; i < call->count; i++)
        call->out[i] = (float)((double)i / (double)call->count - 0.5);
    return RN_OK;
}

RN_INIT(ramp, NULL, NULL, fill, "acme.init/ramp 1", RN_DOC("i/n - 1/2"));
RN_PLUGIN(&ramp);

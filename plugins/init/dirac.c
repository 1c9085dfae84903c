/* SPDX-License-Identifier: Apache-2.0 */
/* dirac (Zagoruyko & Komodakis 2017): a convolution's first filters pass one input
 * channel each on, unchanged; those that are left over are another init's. */
#include <stdlib.h>
#include <string.h>

#include <runner/init.h>

struct dirac {
    const struct rn_init *rest; /* host; NULL: zeros */
    void *rest_self;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct dirac *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for an init", NULL, NULL);
    if (!rn_has(h, "rest"))
        return RN_OK;
    const void *iface = NULL;
    int32_t status = h->api->get_component(h, "rest", &iface, &s->rest_self, e);
    s->rest = (const struct rn_init *)iface;
    return status;
}

static int32_t fill(void *self, const struct rn_init_call *call, struct rn_error *e) {
    const struct dirac *s = self;
    if (call->rank < 3)
        return rn_fail_layer(e, RN_E_CONFIG, "dirac needs the weights of a convolution",
                             "say which: match: \"model.conv*.weight\"", call->name);
    uint64_t rows = (uint64_t)call->shape[0], inputs = (uint64_t)call->shape[1];
    uint64_t row = call->count / rows, cells = row / inputs, centre = 0;
    for (uint32_t i = 2; i < call->rank; i++)
        centre = centre * (uint64_t)call->shape[i] + (uint64_t)call->shape[i] / 2;
    memset(call->out, 0, call->count * sizeof *call->out);
    if (s->rest && rows > inputs) {
        int32_t status = s->rest->fill(s->rest_self, call, e);
        if (status != RN_OK)
            return status;
        memset(call->out, 0, inputs * row * sizeof *call->out);
    }
    for (uint64_t i = 0; i < rows && i < inputs; i++)
        call->out[i * row + i * cells + centre] = 1.0f;
    return RN_OK;
}

RN_INIT(dirac, create, free, fill, "runner/dirac 1",
        RN_DOC("Filter i of a convolution passes input channel i on, its middle cell 1 "
               "and all others 0 (Zagoruyko & Komodakis 2017)")
        RN_OPTION("rest component(init) | the filters beyond the input's channels; "
                  "default: zeros"));
RN_PLUGIN(&dirac);

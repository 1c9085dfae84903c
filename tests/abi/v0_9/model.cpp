// SPDX-License-Identifier: Apache-2.0
// A model in C++: logistic regression over all that a sample's image holds.
#include <runner/model.h>

static int32_t describe(rn_build *b) {
    const rn_value x = rn_input(b, "x");
    const int64_t units = rn_get_int(b->host, "units");
    int64_t flat[2] = {rn_dim(b, x, 0), 1};
    for (uint32_t i = 1; i < rn_rank(b, x); i++)
        flat[1] *= rn_dim(b, x, static_cast<int32_t>(i));
    const int64_t shape[2] = {units, flat[1]};
    const rn_value rows = rn_reshape(b, x, 2, flat);
    const rn_value w = rn_param(b, "weight", "weight", 2, shape, "zeros");
    const rn_value bias = rn_param(b, "bias", "bias", 1, &units, "zeros");
    rn_output(b, "out", rn_linear(b, rows, w, bias));
    return RN_OK;
}

RN_MODEL(logistic, describe, "acme.models/logistic 1",
         RN_DOC("One layer") RN_IN("x float [N,...] | what it sees")
             RN_OUT("out float [N,C] | scores")
                 RN_OPTION("units int = 10 ; min 1 | classes"));
RN_PLUGIN(&logistic);

/* SPDX-License-Identifier: Apache-2.0 */
/* A component that wraps another one of a kind that describes: a loss around a loss, an
 * optimizer around an optimizer. The inner one is an option, component(loss) or
 * component(optimizer), which the host creates with the outer one. */
#ifndef RUNNER_INLINE_H
#define RUNNER_INLINE_H

#include <runner/build.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A row of an array. */
struct rn_inline_port {
    const char *port; /* borrowed: the inner component's name of it */
    rn_value value;
};

struct rn_inline_call {
    uint32_t struct_size;
    uint32_t input_count;
    uint32_t output_count;
    uint32_t port_stride; /* bytes from one port to the next, of both arrays */
    /* Borrowed: the option that holds it, of type component(KIND), KIND being model,
     * loss, regularizer or optimizer. Its live options are live as PATH.OPTION.NAME. */
    const char *option;
    /* Borrowed; its variables are declared in this scope within the present one; NULL:
     * the option's name. Two calls with one scope share them. */
    const char *scope;
    /* Borrowed. A port that is not among them has the value of the outer component's
     * own input of that name. */
    const struct rn_inline_port *inputs;
    /* Borrowed; host fills the values; RN_NONE where it gave no such output,
     * and as they were after an error. */
    struct rn_inline_port *outputs;
};

/* Extension "runner.inline/1" of struct rn_build. */
struct rn_inline_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* Describes the inner component here. [setup] */
    int32_t (*describe)(struct rn_build *b, const struct rn_inline_call *call);
};

static inline int32_t rn_inline(struct rn_build *b, const struct rn_inline_call *call) {
    const struct rn_inline_api *api =
        (const struct rn_inline_api *)b->api->extension(b, "runner.inline/1");
    if (api)
        return api->describe(b, call);
    b->api->fail(b, "nothing can be wrapped here (runner.inline/1)", NULL, NULL);
    return RN_E_UNSUPPORTED;
}

/* The usual case: the outer component's inputs but for one, and one output. input NULL:
 * all of the outer one's. */
static inline rn_value rn_inline_one(struct rn_build *b, const char *option,
                                     const char *input, rn_value value,
                                     const char *output) {
    struct rn_inline_port in = {NULL, RN_NONE}, out = {NULL, RN_NONE};
    in.port = input, in.value = value, out.port = output;
    struct rn_inline_call call = {sizeof(struct rn_inline_call),
                                  input ? 1u : 0u,
                                  1u,
                                  (uint32_t)sizeof(struct rn_inline_port),
                                  option,
                                  NULL,
                                  &in,
                                  &out};
    rn_inline(b, &call);
    return out.value;
}

#ifdef __cplusplus
}
#endif
#endif

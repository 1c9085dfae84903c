/* SPDX-License-Identifier: Apache-2.0 */
/* Describing a computation. A model, loss, optimizer, metric or tap does not compute:
 * it builds a graph of operators, from which the host derives gradients, fuses and
 * runs. Errors stick: a failed call returns RN_NONE, later calls pass it on, and the
 * host reports the first error with component, scope and YAML line.
 *
 * Everything here is [setup]; a describe function may be called again for other shapes
 * and phases and must build the same graph for the same arguments. */
#ifndef RUNNER_BUILD_H
#define RUNNER_BUILD_H

#include <runner/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A value of the graph: static shape and dtype. Valid for this describe call only. */
typedef uint32_t rn_value;
#define RN_NONE 0u

#define RN_ATTR_INT    1 /* i; also bool (0/1) and dtype */
#define RN_ATTR_FLOAT  2 /* f */
#define RN_ATTR_STRING 3 /* p: char[count + 1] */
#define RN_ATTR_INTS   4 /* p: int64_t[count] */

/* A row: passed with a stride, so it may grow at its end. Borrowed. */
struct rn_attr {
    const char *name; /* borrowed */
    int32_t type;     /* RN_ATTR_* */
    uint32_t count;
    int64_t i;
    double f;
    const void *p; /* borrowed */
};

/* Roles let YAML patterns and optimizers tell parameters apart:
 * "weight", "bias", "scale", "shift", "embedding", "running" (not trainable), "state".
 */
struct rn_variable {
    uint32_t struct_size;
    rn_dtype dtype;
    const char *name;     /* borrowed; within the current scope, e.g. "weight" */
    const char *role;     /* borrowed */
    const int64_t *shape; /* borrowed; rank entries */
    uint32_t rank;
    uint32_t trainable; /* 1: gets a gradient and an optimizer */
    int64_t fan_in;     /* 0 = derive from the shape: [out, in, k...] */
    int64_t fan_out;
    /* Borrowed; default init component's name, or NULL: constant `value`. */
    const char *init;
    double value;
};

struct rn_build;

struct rn_build_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* Append operator `name`. Attributes left out take the defaults of ops.h. Writes
     * n_out values (RN_NONE each on error). [setup] */
    int32_t (*op)(struct rn_build *b, const char *name, uint32_t n_in,
                  const rn_value *in, uint32_t n_attr, const struct rn_attr *attrs,
                  uint32_t attr_stride, uint32_t n_out, rn_value *out);
    /* The value bound to a declared input port; RN_NONE without an error when the port
     * is optional and not bound. [setup] */
    rn_value (*input)(struct rn_build *b, const char *port);
    /* The value of a declared output port, once. [setup] */
    void (*output)(struct rn_build *b, const char *port, rn_value value);
    /* A live option's current value as an f32 scalar; an option that is not live is an
     * error: its value is a constant, which the getters of host.h give. [setup] */
    rn_value (*live)(struct rn_build *b, const char *option);
    /* A dense row-major constant; data borrowed. [setup] */
    rn_value (*constant)(struct rn_build *b, rn_dtype dtype, uint32_t rank,
                         const int64_t *shape, const void *data);
    /* Declare (first call) or find (same scope and name) a variable; its value as it is
     * before this program's assignment. [setup] */
    rn_value (*variable)(struct rn_build *b, const struct rn_variable *v);
    /* The variable's value after the program. At most once per variable and program.
     * [setup] */
    void (*assign)(struct rn_build *b, const char *name, rn_value value);
    /* Shape of a value: rank and up to RN_MAX_RANK dims; dtype. Fails on RN_NONE.
     * [setup] */
    int32_t (*shape)(struct rn_build *b, rn_value v, uint32_t *rank, int64_t *dims,
                     rn_dtype *dtype);
    /* Layer scopes: names nest with '.', e.g. "model.block1.conv". [setup] */
    void (*push)(struct rn_build *b, const char *scope);
    void (*pop)(struct rn_build *b); /* [setup] */
    /* RN_PHASE_TRAIN (with dropout, batch statistics) or RN_PHASE_EVAL. [setup] */
    uint32_t (*phase)(struct rn_build *b);
    /* The component's own error; sticks. where: an option path or NULL. message NULL:
     * no error of its own, but where the one that stuck before came from. [setup] */
    void (*fail)(struct rn_build *b, const char *message, const char *hint,
                 const char *where);
    /* An extension by string id ("runner.gradient/1"), or NULL. Host, static. [setup]
     */
    const void *(*extension)(struct rn_build *b, const char *id);
};

struct rn_build {
    const struct rn_build_api *api; /* host, static */
    struct rn_host *host;           /* host, until destroy: the component's options */
    void *self;                     /* plugin: what its create gave, or NULL */
};

/* ------------------------------------------------------------------- helpers */

static inline rn_value rn_input(struct rn_build *b, const char *port) {
    return b->api->input(b, port);
}

static inline void rn_output(struct rn_build *b, const char *port, rn_value v) {
    b->api->output(b, port, v);
}

static inline rn_value rn_live(struct rn_build *b, const char *option) {
    return b->api->live(b, option);
}

static inline void rn_assign(struct rn_build *b, const char *name, rn_value v) {
    b->api->assign(b, name, v);
}

static inline void rn_push(struct rn_build *b, const char *scope) {
    b->api->push(b, scope);
}

static inline void rn_pop(struct rn_build *b) {
    b->api->pop(b);
}

static inline int32_t rn_training(struct rn_build *b) {
    return b->api->phase(b) == RN_PHASE_TRAIN;
}

/* Rank of v (0 on error) and dim `axis` (negative counts from the end; 0 on error). */
static inline uint32_t rn_rank(struct rn_build *b, rn_value v) {
    uint32_t rank = 0;
    int64_t dims[RN_MAX_RANK];
    rn_dtype t;
    return b->api->shape(b, v, &rank, dims, &t) == RN_OK ? rank : 0;
}

static inline int64_t rn_dim(struct rn_build *b, rn_value v, int32_t axis) {
    uint32_t rank = 0;
    int64_t dims[RN_MAX_RANK];
    rn_dtype t;
    if (b->api->shape(b, v, &rank, dims, &t) != RN_OK)
        return 0;
    if (axis < 0)
        axis += (int32_t)rank;
    return axis >= 0 && (uint32_t)axis < rank ? dims[axis] : 0;
}

/* An f32 scalar constant. */
static inline rn_value rn_const(struct rn_build *b, double x) {
    float f = (float)x;
    return b->api->constant(b, RN_F32, 0, NULL, &f);
}

/* A trainable f32 parameter. init: an init component's bare name ("he", "zeros"). */
static inline rn_value rn_param(struct rn_build *b, const char *name, const char *role,
                                uint32_t rank, const int64_t *shape, const char *init) {
    struct rn_variable v = {sizeof(struct rn_variable),
                            RN_F32,
                            name,
                            role,
                            shape,
                            rank,
                            1u,
                            0,
                            0,
                            init,
                            0.0};
    return b->api->variable(b, &v);
}

/* A variable that no optimizer touches, filled with `value` (running statistics). */
static inline rn_value rn_state(struct rn_build *b, const char *name, uint32_t rank,
                                const int64_t *shape, double value) {
    struct rn_variable v = {sizeof(struct rn_variable),
                            RN_F32,
                            name,
                            "state",
                            shape,
                            rank,
                            0u,
                            0,
                            0,
                            NULL,
                            value};
    return b->api->variable(b, &v);
}

/* State of the shape of `like`: an optimizer's moments. */
static inline rn_value rn_state_like(struct rn_build *b, const char *name,
                                     rn_value like, double value) {
    uint32_t rank = 0;
    int64_t dims[RN_MAX_RANK];
    rn_dtype t;
    if (b->api->shape(b, like, &rank, dims, &t) != RN_OK)
        return RN_NONE;
    return rn_state(b, name, rank, dims, value);
}

static inline struct rn_attr rn_attr_int(const char *name, int64_t i) {
    struct rn_attr a = {name, RN_ATTR_INT, 1u, i, 0.0, NULL};
    return a;
}

static inline struct rn_attr rn_attr_float(const char *name, double f) {
    struct rn_attr a = {name, RN_ATTR_FLOAT, 1u, 0, f, NULL};
    return a;
}

static inline struct rn_attr rn_attr_ints(const char *name, uint32_t n,
                                          const int64_t *p) {
    struct rn_attr a = {name, RN_ATTR_INTS, n, 0, 0.0, p};
    return a;
}

static inline struct rn_attr rn_attr_string(const char *name, const char *s) {
    struct rn_attr a = {name, RN_ATTR_STRING, 0u, 0, 0.0, s};
    while (s && s[a.count])
        a.count++;
    return a;
}

/* Extension "runner.gradient/1" of struct rn_build: d(sum of y)/dxs as values, which
 * may be differentiated again (a gradient penalty). RN_NONE where nothing flows. */
struct rn_gradient_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* Writes n values into gxs. [setup] */
    int32_t (*gradient)(struct rn_build *b, rn_value y, uint32_t n, const rn_value *xs,
                        rn_value *gxs);
};

static inline rn_value rn_gradient(struct rn_build *b, rn_value y, rn_value x) {
    const struct rn_gradient_api *api =
        (const struct rn_gradient_api *)b->api->extension(b, "runner.gradient/1");
    rn_value g = RN_NONE;
    if (api)
        api->gradient(b, y, 1, &x, &g);
    else
        b->api->fail(b, "this host has no gradients (runner.gradient/1)", NULL, NULL);
    return g;
}

/* Extension "runner.parameter/1" of struct rn_build, where what is described belongs to
 * one parameter: the update of an optimizer, a regularizer. */
struct rn_parameter {
    uint32_t struct_size;
    uint32_t rank;
    const char *name;  /* host: "model.block1.conv.weight" */
    const char *role;  /* host: "weight", "bias" ...: see struct rn_variable */
    const char *group; /* host: the optimizer's name in the YAML, "optimizer" if one */
    const int64_t *shape; /* host; rank entries */
    int64_t fan_in, fan_out;
    uint64_t elements;
    uint32_t index; /* among the `count` parameters of its group, in order */
    uint32_t count;
};
struct rn_parameter_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* Host, until describe returns. [setup] */
    const struct rn_parameter *(*parameter)(struct rn_build *b);
};

/* The parameter that is being described; NULL with an error elsewhere. */
static inline const struct rn_parameter *rn_get_parameter(struct rn_build *b) {
    const struct rn_parameter_api *api =
        (const struct rn_parameter_api *)b->api->extension(b, "runner.parameter/1");
    if (api)
        return api->parameter(b);
    b->api->fail(b, "there is no parameter here (runner.parameter/1)", NULL, NULL);
    return NULL;
}

/* Extension "runner.refresh/1" of struct rn_build, where running statistics are
 * computed again by a pass over the training split: in a model in training, with
 * parameters that a hook has averaged. */
struct rn_refresh_api {
    uint32_t struct_size;
    uint32_t reserved;
    /* 1 / k in batch k of the pass, from 1: an f32 scalar. [setup] */
    rn_value (*share)(struct rn_build *b);
};

/* Any operator with one output. */
static inline rn_value rn_op(struct rn_build *b, const char *name, uint32_t n_in,
                             const rn_value *in, uint32_t n_attr,
                             const struct rn_attr *attrs) {
    rn_value out = RN_NONE;
    b->api->op(b, name, n_in, in, n_attr, attrs, (uint32_t)sizeof(struct rn_attr), 1u,
               &out);
    return out;
}

#ifdef __cplusplus
}
#endif

#include <runner/ops.h>
#endif

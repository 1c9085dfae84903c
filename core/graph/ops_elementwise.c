/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise operators: shapes by broadcasting, gradients, decompositions. */
#include <math.h>
#include <string.h>

#include "graph/internal.h"

/* ------------------------------------------------------------------- shapes */

static int like_input(struct shaper *s) {
    s->out[0] = *s->in[0];
    return RN_OK;
}

static int float_like(struct shaper *s) {
    if (!dtype_float(s->in[0]->dtype))
        return shape_fail(s, "expects a float, not %s", dtype_name(s->in[0]->dtype));
    return like_input(s);
}

static int bool_like(struct shaper *s) {
    if (s->in[0]->dtype != RN_BOOL)
        return shape_fail(s, "expects bool, not %s", dtype_name(s->in[0]->dtype));
    return like_input(s);
}

static int float_to_bool(struct shaper *s) {
    int status = float_like(s);
    s->out[0].dtype = RN_BOOL;
    return status;
}

static int broadcast(struct shaper *s, uint32_t from) {
    s->out[0] = *s->in[from];
    for (uint32_t i = from + 1; i < s->n_in; i++)
        if (s->in[i]->dtype != s->in[from]->dtype)
            return shape_fail(s, "operands are %s and %s; cast one of them",
                              dtype_name(s->in[from]->dtype),
                              dtype_name(s->in[i]->dtype));
    for (uint32_t i = 0; i < s->n_in; i++) {
        struct gvalue before = s->out[0];
        if (broadcast_shapes(&s->out[0], s->in[i]))
            continue;
        struct text t = {0};
        const struct gvalue *both[2] = {&before, s->in[i]};
        for (int k = 0; k < 2; k++) {
            text_add(&t, k ? " and [" : "[");
            for (uint32_t d = 0; d < both[k]->rank; d++)
                text_addf(&t, "%s%lld", d ? "," : "", (long long)both[k]->shape[d]);
            text_add(&t, "]");
        }
        shape_fail(s, "shapes %s do not broadcast", text_get(&t));
        error_hint(s->e,
                   "from the last dimension on, two sizes must be equal or one of "
                   "them 1: reshape or slice an operand");
        text_finish(&t);
        return s->e ? s->e->status : RN_E_CONFIG;
    }
    return RN_OK;
}

static int binary(struct shaper *s) {
    if (s->in[0]->dtype == RN_BOOL)
        return shape_fail(s, "expects numbers, not bool");
    return broadcast(s, 0);
}

static int compare(struct shaper *s) {
    int status = broadcast(s, 0);
    s->out[0].dtype = RN_BOOL;
    return status;
}

static int logical(struct shaper *s) {
    for (uint32_t i = 0; i < 2; i++)
        if (s->in[i]->dtype != RN_BOOL)
            return shape_fail(s, "expects bool, not %s", dtype_name(s->in[i]->dtype));
    return broadcast(s, 0);
}

static int select_shape(struct shaper *s) {
    if (s->in[0]->dtype != RN_BOOL)
        return shape_fail(s, "the condition is %s, not bool",
                          dtype_name(s->in[0]->dtype));
    int status = broadcast(s, 1);
    if (status == RN_OK) {
        rn_dtype t = s->in[1]->dtype;
        s->out[0].dtype = t;
    }
    return status;
}

static int cast_shape(struct shaper *s) {
    s->out[0] = *s->in[0];
    s->out[0].dtype = (rn_dtype)shaper_attr(s, "dtype")->i;
    if (strcmp(dtype_name(s->out[0].dtype), "?") == 0)
        return shape_fail(s, "unknown dtype");
    return RN_OK;
}

static int same_two(struct shaper *s) {
    if (!same_shape(s->in[0], s->in[1]) || s->in[0]->dtype != s->in[1]->dtype)
        return shape_fail(s, "both operands must have one shape and type");
    return like_input(s);
}

/* ---------------------------------------------------------------- gradients */

#define X         (r->in[0])
#define Y         (r->out[0])
#define G         (r->gout[0])
#define NUMBER(v) emit_number(r, X, v)

static int none(struct rule *r) {
    for (uint32_t i = 0; i < r->n_in; i++)
        r->gin[i] = RN_NONE;
    return RN_OK;
}
static int d_identity(struct rule *r) {
    r->gin[0] = G;
    return RN_OK;
}
static int d_neg(struct rule *r) {
    r->gin[0] = emit1(r, "neg", G);
    return RN_OK;
}
static int d_abs(struct rule *r) {
    r->gin[0] = emit2(r, "mul", G, emit1(r, "sign", X));
    return RN_OK;
}
static int d_exp(struct rule *r) {
    r->gin[0] = emit2(r, "mul", G, Y);
    return RN_OK;
}
static int d_expm1(struct rule *r) {
    r->gin[0] = emit2(r, "mul", G, emit2(r, "add", Y, NUMBER(1.0)));
    return RN_OK;
}
static int d_log(struct rule *r) {
    r->gin[0] = emit2(r, "div", G, X);
    return RN_OK;
}
static int d_log1p(struct rule *r) {
    r->gin[0] = emit2(r, "div", G, emit2(r, "add", X, NUMBER(1.0)));
    return RN_OK;
}
static int d_sqrt(struct rule *r) {
    r->gin[0] = emit2(r, "mul", G, emit2(r, "div", NUMBER(0.5), Y));
    return RN_OK;
}
static int d_sin(struct rule *r) {
    r->gin[0] = emit2(r, "mul", G, emit1(r, "cos", X));
    return RN_OK;
}
static int d_cos(struct rule *r) {
    r->gin[0] = emit1(r, "neg", emit2(r, "mul", G, emit1(r, "sin", X)));
    return RN_OK;
}
static int d_tanh(struct rule *r) {
    rn_value s = emit2(r, "sub", NUMBER(1.0), emit2(r, "mul", Y, Y));
    r->gin[0] = emit2(r, "mul", G, s);
    return RN_OK;
}
static int d_erf(struct rule *r) { /* 2/sqrt(pi) exp(-x^2) */
    rn_value e = emit1(r, "exp", emit1(r, "neg", emit2(r, "mul", X, X)));
    r->gin[0] = emit2(r, "mul", G, emit2(r, "mul", NUMBER(1.1283791670955126), e));
    return RN_OK;
}
static int d_sigmoid(struct rule *r) {
    rn_value s = emit2(r, "mul", Y, emit2(r, "sub", NUMBER(1.0), Y));
    r->gin[0] = emit2(r, "mul", G, s);
    return RN_OK;
}
static int d_softplus(struct rule *r) {
    r->gin[0] = emit2(r, "mul", G, emit1(r, "sigmoid", X));
    return RN_OK;
}
static int d_relu(struct rule *r) {
    rn_value zero = NUMBER(0.0);
    r->gin[0] = emit3(r, "select", emit2(r, "gt", Y, zero), G, zero);
    return RN_OK;
}
static int d_relu6(struct rule *r) {
    rn_value in = emit2(r, "logical_and", emit2(r, "gt", X, NUMBER(0.0)),
                        emit2(r, "lt", X, NUMBER(6.0)));
    r->gin[0] = emit3(r, "select", in, G, NUMBER(0.0));
    return RN_OK;
}
static int d_leaky_relu(struct rule *r) {
    rn_value low = emit2(r, "mul", G, NUMBER(attr_float(r->n, "alpha")));
    r->gin[0] = emit3(r, "select", emit2(r, "gt", X, NUMBER(0.0)), G, low);
    return RN_OK;
}
static int d_clamp(struct rule *r) {
    rn_value in =
        emit2(r, "logical_and", emit2(r, "ge", X, NUMBER(attr_float(r->n, "lo"))),
              emit2(r, "le", X, NUMBER(attr_float(r->n, "hi"))));
    r->gin[0] = emit3(r, "select", in, G, NUMBER(0.0));
    return RN_OK;
}
static int d_cast(struct rule *r) {
    rn_dtype from = emit_value(r, X)->dtype, to = emit_value(r, Y)->dtype;
    r->gin[0] = dtype_float(from) && dtype_float(to) ? emit_cast(r, G, from) : RN_NONE;
    return RN_OK;
}

/* Binary: each operand's gradient summed over what was broadcast. */
static int both(struct rule *r, rn_value a, rn_value b) {
    r->gin[0] = a ? emit_reduce_to(r, a, r->in[0]) : RN_NONE;
    r->gin[1] = b ? emit_reduce_to(r, b, r->in[1]) : RN_NONE;
    return RN_OK;
}
static int d_add(struct rule *r) {
    return both(r, G, G);
}
static int d_sub(struct rule *r) {
    return both(r, G, emit1(r, "neg", G));
}
static int d_mul(struct rule *r) {
    rn_value dx = emit2(r, "mul", G, r->in[1]);
    return both(r, dx, emit2(r, "mul", G, r->in[0]));
}
static int d_div(struct rule *r) { /* d/dy = -g (x/y)/y */
    rn_value a = emit2(r, "div", G, r->in[1]);
    return both(r, a, emit1(r, "neg", emit2(r, "mul", a, Y)));
}
static int d_pow(struct rule *r) {
    rn_value x = r->in[0], y = r->in[1], zero = NUMBER(0.0), one = NUMBER(1.0);
    rn_value dx = emit2(r, "mul", y, emit2(r, "pow", x, emit2(r, "sub", y, one)));
    dx = emit3(r, "select", emit2(r, "eq", y, zero), zero, dx);
    rn_value positive = emit2(r, "gt", x, zero);
    rn_value safe = emit3(r, "select", positive, x, one);
    rn_value dy = emit2(r, "mul", Y, emit1(r, "log", safe));
    dy = emit3(r, "select", positive, dy, zero);
    return both(r, emit2(r, "mul", G, dx), emit2(r, "mul", G, dy));
}
static int extreme(struct rule *r, const char *wins) {
    rn_value zero = NUMBER(0.0), half = emit2(r, "mul", G, NUMBER(0.5));
    rn_value tie = emit2(r, "eq", r->in[0], r->in[1]);
    rn_value first = emit2(r, wins, r->in[0], r->in[1]);
    rn_value second = emit2(r, wins, r->in[1], r->in[0]);
    return both(r, emit3(r, "select", tie, half, emit3(r, "select", first, G, zero)),
                emit3(r, "select", tie, half, emit3(r, "select", second, G, zero)));
}
static int d_maximum(struct rule *r) {
    return extreme(r, "gt");
}
static int d_minimum(struct rule *r) {
    return extreme(r, "lt");
}
static int d_select(struct rule *r) {
    rn_value zero = emit_number(r, r->in[1], 0.0);
    r->gin[0] = RN_NONE;
    r->gin[1] = emit_reduce_to(r, emit3(r, "select", r->in[0], G, zero), r->in[1]);
    r->gin[2] = emit_reduce_to(r, emit3(r, "select", r->in[0], zero, G), r->in[2]);
    return RN_OK;
}
static int d_straight(struct rule *r) {
    r->gin[0] = G;
    r->gin[1] = RN_NONE;
    return RN_OK;
}

/* ----------------------------------------------------------- decompositions */

static int c_rsqrt(struct rule *r) {
    Y = emit2(r, "div", NUMBER(1.0), emit1(r, "sqrt", X));
    return RN_OK;
}
static int c_reciprocal(struct rule *r) {
    Y = emit2(r, "div", NUMBER(1.0), X);
    return RN_OK;
}
static int c_square(struct rule *r) {
    Y = emit2(r, "mul", X, X);
    return RN_OK;
}
static int c_softplus(struct rule *r) {
    rn_value e = emit1(r, "exp", emit1(r, "neg", emit1(r, "abs", X)));
    Y = emit2(r, "add", emit2(r, "maximum", X, NUMBER(0.0)), emit1(r, "log1p", e));
    return RN_OK;
}
static int c_relu(struct rule *r) {
    Y = emit2(r, "maximum", X, NUMBER(0.0));
    return RN_OK;
}
static int c_relu6(struct rule *r) {
    Y = emit2(r, "minimum", emit2(r, "maximum", X, NUMBER(0.0)), NUMBER(6.0));
    return RN_OK;
}
static int c_selu(struct rule *r) {
    const double scale = 1.0507009873554805, alpha = 1.6732632423543772;
    rn_value low = emit2(r, "mul", NUMBER(scale * alpha), emit1(r, "expm1", X));
    Y = emit3(r, "select", emit2(r, "gt", X, NUMBER(0.0)),
              emit2(r, "mul", NUMBER(scale), X), low);
    return RN_OK;
}
static int c_silu(struct rule *r) {
    Y = emit2(r, "mul", X, emit1(r, "sigmoid", X));
    return RN_OK;
}
static int c_mish(struct rule *r) {
    Y = emit2(r, "mul", X, emit1(r, "tanh", emit1(r, "softplus", X)));
    return RN_OK;
}
static int c_hard_sigmoid(struct rule *r) {
    rn_value y = emit2(r, "add", emit2(r, "div", X, NUMBER(6.0)), NUMBER(0.5));
    struct rn_attr a[2] = {rn_attr_float("lo", 0.0), rn_attr_float("hi", 1.0)};
    Y = emit(r, "clamp", 1, &y, 2, a);
    return RN_OK;
}
static int c_hard_swish(struct rule *r) {
    Y = emit2(r, "mul", X, emit1(r, "hard_sigmoid", X));
    return RN_OK;
}
static int c_leaky_relu(struct rule *r) {
    rn_value low = emit2(r, "mul", NUMBER(attr_float(r->n, "alpha")), X);
    Y = emit3(r, "select", emit2(r, "gt", X, NUMBER(0.0)), X, low);
    return RN_OK;
}
static int c_elu(struct rule *r) {
    rn_value low =
        emit2(r, "mul", NUMBER(attr_float(r->n, "alpha")), emit1(r, "expm1", X));
    Y = emit3(r, "select", emit2(r, "gt", X, NUMBER(0.0)), X, low);
    return RN_OK;
}
static int c_gelu(struct rule *r) {
    rn_value inner;
    if (attr_int(r->n, "tanh")) { /* sqrt(2/pi) (x + 0.044715 x^3) */
        rn_value cube = emit2(r, "mul", emit2(r, "mul", X, X), X);
        inner = emit2(r, "add", X, emit2(r, "mul", NUMBER(0.044715), cube));
        inner = emit1(r, "tanh", emit2(r, "mul", NUMBER(0.7978845608028654), inner));
    } else {
        inner = emit1(r, "erf", emit2(r, "mul", X, NUMBER(0.7071067811865476)));
    }
    inner = emit2(r, "add", NUMBER(1.0), inner);
    Y = emit2(r, "mul", emit2(r, "mul", NUMBER(0.5), X), inner);
    return RN_OK;
}
static int c_clamp(struct rule *r) {
    rn_value y = emit2(r, "maximum", X, NUMBER(attr_float(r->n, "lo")));
    Y = emit2(r, "minimum", y, NUMBER(attr_float(r->n, "hi")));
    return RN_OK;
}
static int c_identity(struct rule *r) {
    Y = emit1(r, "identity", X);
    return RN_OK;
}
static int c_straight(struct rule *r) {
    Y = emit1(r, "identity", r->in[1]);
    return RN_OK;
}

#define E OP_ELEMENTWISE
#define UNARY(name, shape, grad, dec)                                                  \
    { name, E, 1, 1, 1, NULL, shape, grad, dec, 1, NULL }
#define UNARY_COSTLY(name, shape, grad)                                                \
    { name, E | OP_COSTLY, 1, 1, 1, NULL, shape, grad, NULL, 1, NULL }
#define BINARY(name, shape, grad)                                                      \
    { name, E, 2, 2, 1, NULL, shape, grad, NULL, 1, NULL }

const struct op ops_elementwise[] = {
    {"identity", E | OP_VIEW | OP_KEEPS_VALUES, 1, 1, 1, NULL, like_input, d_identity,
     NULL, 1, NULL},
    UNARY("neg", like_input, d_neg, NULL),
    UNARY("abs", like_input, d_abs, NULL),
    UNARY("sign", like_input, none, NULL),
    UNARY_COSTLY("exp", float_like, d_exp),
    UNARY_COSTLY("expm1", float_like, d_expm1),
    UNARY_COSTLY("log", float_like, d_log),
    UNARY_COSTLY("log1p", float_like, d_log1p),
    UNARY("sqrt", float_like, d_sqrt, NULL),
    UNARY("rsqrt", float_like, NULL, c_rsqrt),
    UNARY("reciprocal", float_like, NULL, c_reciprocal),
    UNARY("square", like_input, NULL, c_square),
    UNARY_COSTLY("sin", float_like, d_sin),
    UNARY_COSTLY("cos", float_like, d_cos),
    UNARY_COSTLY("tanh", float_like, d_tanh),
    UNARY_COSTLY("erf", float_like, d_erf),
    UNARY_COSTLY("sigmoid", float_like, d_sigmoid),
    UNARY("softplus", float_like, d_softplus, c_softplus),
    UNARY("floor", float_like, none, NULL),
    UNARY("ceil", float_like, none, NULL),
    UNARY("round", float_like, none, NULL),
    UNARY("relu", float_like, d_relu, c_relu),
    UNARY("relu6", float_like, d_relu6, c_relu6),
    UNARY("selu", float_like, NULL, c_selu),
    UNARY("silu", float_like, NULL, c_silu),
    UNARY("mish", float_like, NULL, c_mish),
    UNARY("hard_sigmoid", float_like, NULL, c_hard_sigmoid),
    UNARY("hard_swish", float_like, NULL, c_hard_swish),
    UNARY("is_finite", float_to_bool, none, NULL),
    UNARY("logical_not", bool_like, none, NULL),
    {"stop_gradient", E | OP_VIEW | OP_KEEPS_VALUES, 1, 1, 1, NULL, like_input, none,
     c_identity, 1, NULL},
    {"leaky_relu", E, 1, 1, 1, "alpha:float=0.01", float_like, d_leaky_relu,
     c_leaky_relu, 1, NULL},
    {"elu", E, 1, 1, 1, "alpha:float=1", float_like, NULL, c_elu, 1, NULL},
    {"gelu", E, 1, 1, 1, "tanh:int=0", float_like, NULL, c_gelu, 1, NULL},
    {"clamp", E, 1, 1, 1, "lo:float! hi:float!", float_like, d_clamp, c_clamp, 1, NULL},
    {"cast", E | OP_KEEPS_VALUES, 1, 1, 1, "dtype:int!", cast_shape, d_cast, NULL, 1,
     NULL},
    {"straight_through", E, 2, 2, 1, NULL, same_two, d_straight, c_straight, 1, NULL},
    BINARY("add", binary, d_add),
    BINARY("sub", binary, d_sub),
    BINARY("mul", binary, d_mul),
    {"div", E | OP_COSTLY, 2, 2, 1, NULL, binary, d_div, NULL, 1, NULL},
    {"pow", E | OP_COSTLY, 2, 2, 1, NULL, binary, d_pow, NULL, 1, NULL},
    BINARY("maximum", binary, d_maximum),
    BINARY("minimum", binary, d_minimum),
    BINARY("eq", compare, none),
    BINARY("ne", compare, none),
    BINARY("lt", compare, none),
    BINARY("le", compare, none),
    BINARY("gt", compare, none),
    BINARY("ge", compare, none),
    BINARY("logical_and", logical, none),
    BINARY("logical_or", logical, none),
    {"select", E, 3, 3, 1, NULL, select_shape, d_select, NULL, 1, NULL},
    OPS_END};

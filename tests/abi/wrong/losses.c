/* SPDX-License-Identifier: Apache-2.0 */
/* Losses that are wrong on purpose, each in its own way. */
#include <runner/loss.h>
#include <runner/operator.h>

static rn_value right(struct rn_build *b) {
    return rn_cross_entropy(b, rn_input(b, "logits"), rn_input(b, "label"), 0.0);
}

static int32_t good(struct rn_build *b) {
    rn_output(b, "loss", right(b));
    return RN_OK;
}

static int32_t silent(struct rn_build *b) {
    (void)b;
    return RN_E_PLUGIN;
}

static int32_t says(struct rn_build *b) {
    b->api->fail(b, "the temperature is too low", "heat it", "heat");
    b->api->fail(b, "the second error is not told", NULL, NULL);
    return RN_E_CONFIG;
}

static int32_t no_output(struct rn_build *b) {
    right(b);
    return RN_OK;
}

static int32_t other_output(struct rn_build *b) {
    rn_output(b, "loss", right(b));
    rn_output(b, "gain", right(b));
    return RN_OK;
}

static int32_t wrong_rank(struct rn_build *b) {
    rn_output(b, "loss", rn_input(b, "logits"));
    return RN_OK;
}

static int32_t wrong_type(struct rn_build *b) {
    rn_output(b, "loss", rn_input(b, "label"));
    return RN_OK;
}

static int32_t no_rows(struct rn_build *b) {
    rn_output(b, "loss", rn_reduce_mean_all(b, right(b)));
    return RN_OK;
}

static int32_t twice(struct rn_build *b) {
    rn_output(b, "loss", right(b));
    rn_output(b, "loss", right(b));
    return RN_OK;
}

static int32_t no_value(struct rn_build *b) {
    rn_output(b, "loss", RN_NONE);
    return RN_OK;
}

static int32_t unknown_op(struct rn_build *b) {
    rn_value x = rn_input(b, "logits");
    rn_output(b, "loss", rn_op(b, "reduce_summ", 1, &x, 0, NULL));
    return RN_OK;
}

static int32_t unknown_attr(struct rn_build *b) {
    rn_value x = rn_input(b, "logits");
    struct rn_attr a = rn_attr_int("axle", 1);
    rn_output(b, "loss", rn_op(b, "softmax", 1, &x, 1, &a));
    return RN_OK;
}

static int32_t attr_type(struct rn_build *b) {
    rn_value x = rn_input(b, "logits");
    struct rn_attr a = rn_attr_string("axis", "one");
    rn_output(b, "loss", rn_op(b, "softmax", 1, &x, 1, &a));
    return RN_OK;
}

static int32_t too_many(struct rn_build *b) {
    rn_value x[3];
    x[0] = x[1] = x[2] = rn_input(b, "logits");
    rn_output(b, "loss", rn_op(b, "add", 3, x, 0, NULL));
    return RN_OK;
}

static int32_t shapes(struct rn_build *b) {
    int64_t five = 5;
    float v[5] = {0};
    rn_push(b, "inner");
    rn_output(b, "loss",
              rn_add(b, right(b), b->api->constant(b, RN_F32, 1, &five, v)));
    return RN_OK;
}

static int32_t no_port(struct rn_build *b) {
    rn_output(b, "loss", rn_input(b, "weights"));
    return RN_OK;
}

static int32_t not_described(struct rn_build *b) {
    rn_get_float(b->host, "coldness");
    return good(b);
}

static int32_t valueless(struct rn_build *b) {
    rn_get_float(b->host, "frost");
    rn_output(b, "loss", right(b));
    return RN_OK;
}
static int32_t getter(struct rn_build *b) {
    rn_get_int(b->host, "heat");
    return good(b);
}

static int32_t live_getter(struct rn_build *b) {
    rn_get_float(b->host, "warmth");
    return good(b);
}

static int32_t not_live(struct rn_build *b) {
    rn_output(b, "loss", rn_mul(b, right(b), rn_live(b, "heat")));
    return RN_OK;
}

static int32_t reports(struct rn_build *b) {
    struct rn_error e;
    rn_fail(&e, RN_E_CONFIG, "heat must not be as it is", NULL, "heat");
    b->host->api->report(b->host, &e);
    return good(b);
}

static int32_t assigns(struct rn_build *b) {
    rn_assign(b, "nothing", right(b));
    return good(b);
}

static int32_t small_variable(struct rn_build *b) {
    struct rn_variable v = {16, RN_F32, "w", "weight", NULL, 0, 1, 0, 0, NULL, 0.0};
    rn_output(b, "loss", rn_mul(b, right(b), b->api->variable(b, &v)));
    return RN_OK;
}

static int32_t two_shapes(struct rn_build *b) {
    int64_t n = 3;
    rn_state(b, "s", 0, NULL, 0.0);
    rn_state(b, "s", 1, &n, 0.0);
    return good(b);
}

static int32_t unpopped(struct rn_build *b) {
    int i;
    for (i = 0; i < 70; i++)
        rn_push(b, "deeper");
    return good(b);
}

/* An operator of its own, whose kernel fails. */
static int32_t shape_of(const struct rn_operator_shape *s, struct rn_error *e) {
    (void)e;
    return rn_operator_like(s, 0, &s->in[0]);
}

static int32_t shape_fails(const struct rn_operator_shape *s, struct rn_error *e) {
    (void)s;
    return rn_fail(e, RN_E_CONFIG, "only matrices fold", NULL, NULL);
}

static int32_t kernel_fails(const struct rn_operator_call *call, struct rn_error *e) {
    (void)call;
    return rn_fail(e, RN_E_PLUGIN, "the kernel is tired", NULL, NULL);
}

static int32_t kernel_mute(const struct rn_operator_call *call, struct rn_error *e) {
    (void)call, (void)e;
    return RN_E_DATA;
}

static int32_t pass(struct rn_build *b, const struct rn_operator_gradient *g) {
    (void)b;
    g->grad_in[0] = g->grad_out[0];
    return RN_OK;
}

static int32_t short_gradient(struct rn_build *b,
                              const struct rn_operator_gradient *g) {
    g->grad_in[0] = rn_reduce_sum_all(b, g->grad_out[0]);
    return RN_OK;
}

static const struct rn_operator mute = {sizeof(struct rn_operator),
                                        0,
                                        "acme.bad/mute",
                                        1,
                                        1,
                                        shape_of,
                                        pass,
                                        kernel_mute,
                                        NULL};
static const struct rn_operator tired = {
    sizeof(struct rn_operator), 0, "acme.bad/tired", 1, 1, shape_of, pass, kernel_fails,
    NULL};
static const struct rn_operator dead_end = {
    sizeof(struct rn_operator), 0, "acme.bad/dead_end", 1, 1, shape_of, NULL, kernel_fails,
    NULL};
static const struct rn_operator picky = {
    sizeof(struct rn_operator), 0, "acme.bad/picky", 1, 1, shape_fails, pass, kernel_fails,
    NULL};
static const struct rn_operator crooked = {
    sizeof(struct rn_operator), 0, "acme.bad/crooked", 1, 1, shape_of, short_gradient,
    kernel_fails, NULL};
static const struct rn_operator small = {
    24, 0, "acme.bad/small", 1, 1, shape_of, pass, kernel_fails, NULL};

static int32_t with(struct rn_build *b, const struct rn_operator *op) {
    rn_value x = right(b), y = RN_NONE;
    rn_custom(b, op, 1, &x, 0, NULL, &y);
    rn_output(b, "loss", y);
    return RN_OK;
}

static int32_t kernel(struct rn_build *b) { return with(b, &tired); }
static int32_t kernel_silent(struct rn_build *b) {
    return with(b, &mute);
}
static int32_t no_gradient(struct rn_build *b) { return with(b, &dead_end); }
static int32_t shape_rule(struct rn_build *b) { return with(b, &picky); }
static int32_t gradient_shape(struct rn_build *b) { return with(b, &crooked); }
static int32_t small_operator(struct rn_build *b) { return with(b, &small); }

#define TEXT                                                                           \
    RN_DOC("Wrong on purpose")                                                         \
    RN_IN("logits float [N,C] | scores") RN_IN("label int [N] | class")                \
        RN_OUT("loss float [N] ; scope sample")                                        \
            RN_OPTION("heat float = 1 | a constant")                                   \
                RN_OPTION("frost float | not given")                                   \
                    RN_OPTION("warmth float = 1 ; live | live")
#define BAD(name) RN_LOSS(loss_##name, name, "acme.bad/" #name " 1", TEXT)

BAD(good); BAD(silent); BAD(says); BAD(no_output); BAD(other_output); BAD(wrong_rank);
BAD(wrong_type); BAD(no_rows); BAD(twice); BAD(no_value); BAD(unknown_op);
BAD(unknown_attr); BAD(attr_type); BAD(too_many); BAD(shapes); BAD(no_port);
BAD(not_described);
BAD(getter);
BAD(valueless);
BAD(live_getter);
BAD(not_live);
BAD(reports);
BAD(assigns);
BAD(small_variable);
BAD(two_shapes);
BAD(unpopped);
BAD(kernel);
BAD(kernel_silent);
BAD(no_gradient); BAD(shape_rule); BAD(gradient_shape); BAD(small_operator);

RN_PLUGIN(&loss_good, &loss_silent, &loss_says, &loss_no_output, &loss_other_output,
          &loss_wrong_rank, &loss_wrong_type, &loss_no_rows, &loss_twice,
          &loss_no_value, &loss_unknown_op, &loss_unknown_attr, &loss_attr_type,
          &loss_too_many, &loss_shapes, &loss_no_port, &loss_not_described,
          &loss_getter, &loss_valueless, &loss_live_getter, &loss_not_live,
          &loss_reports, &loss_assigns, &loss_small_variable, &loss_two_shapes,
          &loss_unpopped, &loss_kernel, &loss_kernel_silent, &loss_no_gradient,
          &loss_shape_rule, &loss_gradient_shape, &loss_small_operator);

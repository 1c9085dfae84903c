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
    rn_get_float(b->host, "coldness", 1.0);
    return good(b);
}

static int32_t getter(struct rn_build *b) {
    rn_get_int(b->host, "heat", 1);
    return good(b);
}

static int32_t live_getter(struct rn_build *b) {
    rn_get_float(b->host, "warmth", 1.0);
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
static int32_t shape_of(uint32_t n_in, const struct rn_tensor *in, uint32_t n_attr,
                        const struct rn_attr *attrs, rn_dtype *dtype, uint32_t *rank,
                        int64_t (*dims)[RN_MAX_RANK], struct rn_error *e) {
    uint32_t i;
    (void)n_in, (void)n_attr, (void)attrs, (void)e;
    dtype[0] = in[0].dtype;
    rank[0] = in[0].rank;
    for (i = 0; i < in[0].rank; i++)
        dims[0][i] = in[0].shape[i];
    return RN_OK;
}

static int32_t shape_fails(uint32_t n_in, const struct rn_tensor *in, uint32_t n_attr,
                           const struct rn_attr *attrs, rn_dtype *dtype, uint32_t *rank,
                           int64_t (*dims)[RN_MAX_RANK], struct rn_error *e) {
    (void)n_in, (void)in, (void)n_attr, (void)attrs, (void)dtype, (void)rank, (void)dims;
    return rn_fail(e, RN_E_CONFIG, "only matrices fold", NULL, NULL);
}

static int32_t kernel_fails(uint32_t n_in, const struct rn_tensor *in, uint32_t n_out,
                            const struct rn_tensor *out, uint32_t n_attr,
                            const struct rn_attr *attrs, struct rn_error *e) {
    (void)n_in, (void)in, (void)n_out, (void)out, (void)n_attr, (void)attrs;
    return rn_fail(e, RN_E_PLUGIN, "the kernel is tired", NULL, NULL);
}

static int32_t pass(struct rn_build *b, const rn_value *in, const rn_value *out,
                    const rn_value *grad_out, uint32_t n_attr, const struct rn_attr *attrs,
                    rn_value *grad_in) {
    (void)b, (void)in, (void)out, (void)n_attr, (void)attrs;
    grad_in[0] = grad_out[0];
    return RN_OK;
}

static int32_t short_gradient(struct rn_build *b, const rn_value *in, const rn_value *out,
                              const rn_value *grad_out, uint32_t n_attr,
                              const struct rn_attr *attrs, rn_value *grad_in) {
    (void)in, (void)out, (void)n_attr, (void)attrs;
    grad_in[0] = rn_reduce_sum_all(b, grad_out[0]);
    return RN_OK;
}

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
static int32_t no_gradient(struct rn_build *b) { return with(b, &dead_end); }
static int32_t shape_rule(struct rn_build *b) { return with(b, &picky); }
static int32_t gradient_shape(struct rn_build *b) { return with(b, &crooked); }
static int32_t small_operator(struct rn_build *b) { return with(b, &small); }

#define TEXT                                                                           \
    RN_DOC("Wrong on purpose") RN_IN("logits float [N,C] | scores")                    \
        RN_IN("label int [N] | class") RN_OUT("loss float [N] ; scope sample")         \
            RN_OPTION("heat float = 1 | a constant")                                   \
                RN_OPTION("warmth float = 1 ; live | live")
#define BAD(name) RN_LOSS(loss_##name, name, "acme.bad/" #name " 1", TEXT)

BAD(good); BAD(silent); BAD(says); BAD(no_output); BAD(other_output); BAD(wrong_rank);
BAD(wrong_type); BAD(no_rows); BAD(twice); BAD(no_value); BAD(unknown_op);
BAD(unknown_attr); BAD(attr_type); BAD(too_many); BAD(shapes); BAD(no_port);
BAD(not_described); BAD(getter); BAD(live_getter); BAD(not_live); BAD(reports);
BAD(assigns); BAD(small_variable); BAD(two_shapes); BAD(unpopped); BAD(kernel);
BAD(no_gradient); BAD(shape_rule); BAD(gradient_shape); BAD(small_operator);

RN_PLUGIN(&loss_good, &loss_silent, &loss_says, &loss_no_output, &loss_other_output,
          &loss_wrong_rank, &loss_wrong_type, &loss_no_rows, &loss_twice, &loss_no_value,
          &loss_unknown_op, &loss_unknown_attr, &loss_attr_type, &loss_too_many,
          &loss_shapes, &loss_no_port, &loss_not_described, &loss_getter,
          &loss_live_getter, &loss_not_live, &loss_reports, &loss_assigns,
          &loss_small_variable, &loss_two_shapes, &loss_unpopped, &loss_kernel,
          &loss_no_gradient, &loss_shape_rule, &loss_gradient_shape,
          &loss_small_operator);

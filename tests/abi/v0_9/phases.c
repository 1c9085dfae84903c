/* SPDX-License-Identifier: Apache-2.0 */
/* Optimizers that take several gradients a step, or sums over all parameters; and what
 * such a one may do wrong. */
#include <string.h>

#include <runner/runner.h>

#define PORTS                                                                          \
    RN_IN("param float [...] | the parameter")                                         \
    RN_IN("grad float [...] | its gradient")                                           \
    RN_IN("step float [] | applied updates, this one included")                        \
    RN_OUT("param float [...] | the new parameter")                                    \
    RN_OPTION("lr float = 0.1 ; min 0 ; live | learning rate")

/* p - lr g */
static int32_t describe_step(struct rn_build *b) {
    rn_value way = rn_mul(b, rn_live(b, "lr"), rn_input(b, "grad"));
    rn_output(b, "param", rn_sub(b, rn_input(b, "param"), way));
    return RN_OK;
}

#define OPTIMIZER(id, member, table, head, doc)                                        \
    static const void *id##_extension(const char *name) {                              \
        return strcmp(name, RN_EXT_PHASES) == 0 ? &table : NULL;                       \
    }                                                                                  \
    static const struct rn_optimizer id##_iface = {sizeof(struct rn_optimizer), 0,     \
                                                   NULL, NULL, member};                \
    RN_EXTENDED(id, id##_iface, id##_extension, "optimizer " head, RN_DOC(doc) PORTS)

/* The extragradient method (Korpelevich 1976): the gradient after a first step, applied
 * where that began. Twice: of the step after it. */
static const struct rn_phase steps[2] = {{"first", NULL, describe_step, 0},
                                         {"second", NULL, describe_step, 0}};
static const struct rn_phases once = {
    sizeof once, 0, 1, sizeof steps[0], steps, NULL};
static const struct rn_phases twice = {
    sizeof twice, 0, 2, sizeof steps[0], steps, NULL};
OPTIMIZER(extragradient, describe_step, once, "acme.phases/extragradient 1",
          "The gradient one step ahead");
OPTIMIZER(two, describe_step, twice, "acme.phases/two 1", "The gradient two steps ahead");

/* p - lr g / |g|, the norm that of all parameters: no phases, but a sum. */
static int32_t sum_squares(struct rn_build *b) {
    rn_output(b, "squares", rn_reduce_sum_all(b, rn_square(b, rn_input(b, "grad"))));
    return RN_OK;
}
static int32_t describe_normed(struct rn_build *b) {
    rn_value norm = rn_sqrt(b, rn_input(b, "squares"));
    rn_value way = rn_div(b, rn_mul(b, rn_live(b, "lr"), rn_input(b, "grad")), norm);
    rn_output(b, "param", rn_sub(b, rn_input(b, "param"), way));
    return RN_OK;
}
static const struct rn_phases sums_only = {
    sizeof sums_only, 0, 0, 0, NULL, sum_squares};
OPTIMIZER(normed, describe_normed, sums_only, "acme.phases/normed 1",
          "Steps of one length");

/* The gradient at zero, whatever that of the parameters is. */
static int32_t describe_zero(struct rn_build *b) {
    rn_output(b, "param", rn_mul(b, rn_input(b, "param"), rn_const(b, 0.0)));
    return RN_OK;
}
static const struct rn_phase zero_phase = {"zero", NULL, describe_zero, 0};
static const struct rn_phases zeros = {
    sizeof zeros, 0, 1, sizeof zero_phase, &zero_phase, NULL};
OPTIMIZER(at_zero, describe_step, zeros, "acme.phases/at_zero 1", "The gradient at zero");

/* ---- mistakes ---- */
static int32_t keeps(struct rn_build *b) {
    rn_state_like(b, "mine", rn_input(b, "param"), 0.0);
    rn_assign(b, "mine", rn_input(b, "grad"));
    return describe_step(b);
}
static int32_t other_shape(struct rn_build *b) {
    rn_output(b, "param", rn_reduce_sum_all(b, rn_input(b, "param")));
    return RN_OK;
}
static int32_t nothing(struct rn_build *b) {
    (void)b;
    return RN_OK;
}
static int32_t uneven(struct rn_build *b) {
    rn_output(b, "all", rn_input(b, "grad"));
    return RN_OK;
}
#define MISTAKE(id, reduce, member)                                                    \
    static const struct rn_phase id##_phase = {"wrong", reduce, member, 0};            \
    static const struct rn_phases id##_table = {                                       \
        sizeof(struct rn_phases), 0, 1, sizeof(struct rn_phase), &id##_phase, NULL};   \
    OPTIMIZER(id, describe_step, id##_table, "acme.phases/" #id " 1", "A mistake")
MISTAKE(assigns, NULL, keeps);
MISTAKE(shapes, NULL, other_shape);
MISTAKE(silent, NULL, nothing);
MISTAKE(unequal, uneven, describe_step);

static const struct rn_phase same_name[2] = {{"a", NULL, describe_step, 0},
                                             {"a", NULL, describe_step, 0}};
static const struct rn_phases names = {
    sizeof names, 0, 2, sizeof same_name[0], same_name, NULL};
OPTIMIZER(named, describe_step, names, "acme.phases/named 1", "A mistake");

RN_PLUGIN(&extragradient, &two, &normed, &at_zero, &assigns, &shapes, &silent, &unequal, &named);

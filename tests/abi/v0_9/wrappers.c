/* SPDX-License-Identifier: Apache-2.0 */
/* A loss around a loss and an optimizer around an optimizer, which know nothing of the
 * ones that they wrap but their ports. */
#include <runner/runner.h>

/* (1 - smoothing) loss + smoothing * mean over the classes of -log p: smoothed labels
 * (Szegedy et al. 2016, section 7) around any loss of scores. */
static int32_t describe_smoothed(struct rn_build *b) {
    rn_value logits = rn_input(b, "logits"), share = rn_live(b, "smoothing");
    rn_value loss = rn_inline_one(b, "inner", NULL, RN_NONE, "loss");
    int64_t axis = 1;
    rn_value flat = rn_neg(b, rn_reduce_mean(b, rn_log_softmax(b, logits, 1), 1, &axis, 0));
    rn_output(b, "loss", rn_add(b, loss, rn_mul(b, share, rn_sub(b, flat, loss))));
    return RN_OK;
}

/* Every `every` steps the slow weights go a part of the way to the fast ones, which go
 * on from there (Zhang et al. 2019, algorithm 1). */
static int32_t describe_lookahead(struct rn_build *b) {
    rn_value param = rn_input(b, "param"), step = rn_input(b, "step");
    rn_value every = rn_const(b, (double)rn_get_int(b->host, "every"));
    rn_value fast = rn_inline_one(b, "inner", NULL, RN_NONE, "param");
    rn_value kept = rn_state_like(b, "slow", param, 0.0);
    rn_value first[2] = {step, rn_const(b, 1.0)}, due[2];
    rn_value slow = rn_select(b, rn_op(b, "eq", 2, first, 0, NULL), param, kept);
    due[0] = rn_mul(b, rn_floor(b, rn_div(b, step, every)), every), due[1] = step;
    rn_value met = rn_add(b, slow, rn_mul(b, rn_live(b, "rate"), rn_sub(b, fast, slow)));
    rn_value now = rn_op(b, "eq", 2, due, 0, NULL);
    rn_assign(b, "slow", rn_select(b, now, met, slow));
    rn_output(b, "param", rn_select(b, now, met, fast));
    return RN_OK;
}

/* Gives its inner loss a port that it does not have. */
static int32_t describe_mistaken(struct rn_build *b) {
    rn_output(b, "loss",
              rn_inline_one(b, "inner", "scores", rn_input(b, "logits"), "loss"));
    return RN_OK;
}

RN_LOSS(smoothed, describe_smoothed, "acme.wrap/smoothed 1",
        RN_DOC("Smoothed labels around any loss of scores")
            RN_IN("logits float [N,C] | scores") RN_IN("label int [N] | class index")
                RN_OUT("loss float [N] ; scope sample") RN_OPTION(
                    "inner component(loss) ; required | what is smoothed")
                    RN_OPTION("smoothing float = 0.1 ; min 0 ; below 1 ; live | share"));

RN_OPTIMIZER(lookahead, describe_lookahead, "acme.wrap/lookahead 1",
             RN_DOC("Lookahead around any optimizer")
                 RN_IN("param float [...] | the parameter")
                     RN_IN("grad float [...] | its gradient")
                         RN_IN("step float [] | applied updates, this one included")
                             RN_OUT("param float [...] | the new parameter") RN_OPTION(
                                 "inner component(optimizer) ; required | fast steps")
                                 RN_OPTION("every int = 5 ; min 1 | steps")
                                     RN_OPTION("rate float = 0.5 ; min 0 ; max 1 ; live "
                                               "| how far the slow weights go"));

RN_LOSS(mistaken, describe_mistaken, "acme.wrap/mistaken 1",
        RN_DOC("Names a port that the inner loss does not have")
            RN_IN("logits float [N,C] | scores") RN_OUT("loss float [N] ; scope sample")
                RN_OPTION("inner component(loss) ; required | the loss"));

RN_PLUGIN(&smoothed, &lookahead, &mistaken);

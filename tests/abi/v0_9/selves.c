/* SPDX-License-Identifier: Apache-2.0 */
/* A model, a loss, an optimizer and a regularizer with state of their own: create reads
 * an option once, describe finds it as b->self, destroy frees it. The optimizer asks
 * what its parameter is: it moves weights only, each group by a rate of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runner/runner.h>

struct factor {
    struct rn_host *host;
    double value;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct factor *s = (struct factor *)calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory", NULL, NULL);
    s->host = h;
    s->value = rn_get_float(h, "factor");
    h->api->log(h, RN_LOG_WARNING, "created");
    return RN_OK;
}

static void destroy(void *self) {
    struct factor *s = (struct factor *)self;
    if (s)
        s->host->api->log(s->host, RN_LOG_WARNING, "destroyed");
    free(s);
}

static rn_value factor(struct rn_build *b) {
    return rn_const(b, ((const struct factor *)b->self)->value);
}

static int32_t model(struct rn_build *b) {
    rn_value x = rn_input(b, "x");
    int64_t shape[2] = {10, rn_dim(b, x, 1) * rn_dim(b, x, 2) * rn_dim(b, x, 3)};
    int64_t flat[2] = {rn_dim(b, x, 0), shape[1]};
    rn_value w = rn_param(b, "weight", "weight", 2, shape, "xavier");
    rn_value bias = rn_param(b, "bias", "bias", 1, shape, "zeros");
    x = rn_mul(b, rn_reshape(b, x, 2, flat), factor(b));
    rn_output(b, "out", rn_linear(b, x, w, bias));
    return RN_OK;
}

static int32_t loss(struct rn_build *b) {
    rn_value ce = rn_cross_entropy(b, rn_input(b, "logits"), rn_input(b, "label"), 0.0);
    rn_output(b, "loss", rn_mul(b, ce, factor(b)));
    return RN_OK;
}

static int32_t optimizer(struct rn_build *b) {
    const struct rn_parameter *p = rn_get_parameter(b);
    rn_value x = rn_input(b, "param"), step = rn_mul(b, rn_input(b, "grad"), factor(b));
    char line[200];
    if (!p)
        return RN_E_PLUGIN;
    snprintf(line, sizeof line, "%s is %s, rank %u of %u/%u in %s", p->name, p->role,
             p->rank, p->index + 1, p->count, p->group);
    b->host->api->log(b->host, RN_LOG_WARNING, line);
    if (strcmp(p->role, "weight") == 0 && p->fan_in == p->shape[1])
        x = rn_sub(b, x, step);
    rn_output(b, "param", x);
    return RN_OK;
}

static int32_t penalty(struct rn_build *b) {
    rn_value w = rn_input(b, "param");
    if (!rn_get_parameter(b))
        return RN_E_PLUGIN;
    rn_output(b, "penalty",
              rn_mul(b, rn_reduce_sum_all(b, rn_mul(b, w, w)), factor(b)));
    return RN_OK;
}

static const struct rn_model model_table = {sizeof(struct rn_model), 0, create, destroy,
                                            model};
static const struct rn_loss loss_table = {sizeof(struct rn_loss), 0, create, destroy,
                                          loss};
static const struct rn_optimizer optimizer_table = {sizeof(struct rn_optimizer), 0,
                                                    create, destroy, optimizer};
static const struct rn_regularizer regularizer_table = {
    sizeof(struct rn_regularizer), 0, create, destroy, penalty, NULL};

#define FACTOR RN_OPTION("factor float = 0.5 | what it multiplies by")
RN_COMPONENT(the_model, model_table, "model acme.self/model 1",
             RN_DOC("Linear") RN_IN("x float [N,C,H,W]") RN_OUT("out float [N,K]")
                 FACTOR);
RN_COMPONENT(the_loss, loss_table, "loss acme.self/loss 1",
             RN_DOC("Scaled") RN_IN("logits float [N,C]") RN_IN("label int [N]")
                 RN_OUT("loss float [N] ; scope sample") FACTOR);
RN_COMPONENT(the_optimizer, optimizer_table, "optimizer acme.self/optimizer 1",
             RN_DOC("Weights only") RN_IN("param float [...]") RN_IN("grad float [...]")
                 RN_IN("step float []") RN_OUT("param float [...]") FACTOR);
RN_COMPONENT(the_regularizer, regularizer_table, "regularizer acme.self/regularizer 1",
             RN_DOC("Squares") RN_IN("param float [...]") RN_OUT("penalty float []")
                 FACTOR);
RN_PLUGIN(&the_model, &the_loss, &the_optimizer, &the_regularizer);

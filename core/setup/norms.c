/* SPDX-License-Identifier: Apache-2.0 */
/* A normalisation needs more than one value: of one, the mean is the value itself, the
 * result is the shift alone, and nothing behind it can be learnt. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "setup/setup.h"

static int64_t attribute(const struct gnode *n, const char *name) {
    const struct rn_attr *a = gnode_attr(n, name);
    return a ? a->i : 0;
}

static int64_t product(const struct gvalue *x, uint32_t from) {
    int64_t n = 1;
    for (uint32_t i = from; i < x->rank; i++)
        n *= x->shape[i];
    return n;
}

/* How many values share a mean, and a word for what has them; 0: no normalisation. */
static int64_t shared(const struct graph *g, const struct gnode *n, const char **of) {
    const char *op = op_name(n->op);
    const struct gvalue *x = n->in_count ? graph_value(g, n->in[0]) : NULL;
    *of = "channel";
    if (!x || x->rank < 2)
        return 0;
    if (strcmp(op, "batch_norm") == 0)
        return x->shape[0] * product(x, 2);
    *of = "row";
    if (strcmp(op, "layer_norm") == 0)
        return product(x, (uint32_t)attribute(n, "axis"));
    *of = "group";
    if (strcmp(op, "group_norm") == 0)
        return attribute(n, "groups") ? product(x, 1) / attribute(n, "groups") : 0;
    return 0;
}

/* The first normalisation over one value, or NULL. */
static const struct gnode *lonely(const struct graph *g, const char **of) {
    for (uint32_t i = 0; i < g->node_count; i++)
        if (shared(g, &g->nodes[i], of) == 1)
            return &g->nodes[i];
    return NULL;
}

/* The model that a scope is in. */
static const struct node *model_node(const struct setup *s, const char *scope) {
    const struct bound_components *models = &s->x->models;
    for (uint32_t i = 0; i < models->count; i++) {
        size_t n = strlen(models->at[i].path);
        if (strncmp(scope, models->at[i].path, n) == 0 &&
            (!scope[n] || scope[n] == '.'))
            return models->at[i].node;
    }
    return s->x->root;
}

static int refuse(const struct setup *s, const struct gnode *n, const char *of,
                  struct diag *d) {
    bool batch = strcmp(op_name(n->op), "batch_norm") == 0;
    node_error(d, model_node(s, n->scope), false, RN_E_CONFIG,
               "%s: %s has one value per %s to normalise: its result would be the "
               "shift alone",
               n->scope, op_name(n->op), of);
    if (batch)
        diag_hint(
            d,
            "batches have %lld row%s here: data.batch=2 or more, or layer_norm or "
            "group_norm, which look at each row alone",
            (long long)s->length.batch, s->length.batch == 1 ? "" : "s");
    else
        diag_hint(d, "leave the layer out, or normalise over more values");
    return RN_E_CONFIG;
}

/* The next larger batch that does not leave one row over; 0: there is none. */
static int64_t better_batch(int64_t batch, int64_t rows) {
    while (++batch <= rows)
        if (rows % batch != 1)
            return batch;
    return 0;
}

/* The last batch of an epoch, which has what is left: the layer leaves it out of its
 * running statistics, and the run goes on. */
static void warn(const struct setup *s, const struct gnode *n) {
    int64_t rows = (int64_t)data_epoch_rows(s->data);
    int64_t better = better_batch(s->length.batch, rows);
    char text[60] = "";
    if (better)
        snprintf(text, sizeof text, "; data.batch=%lld leaves more", (long long)better);
    log_say(
        session_log(s->session), RN_LOG_WARNING,
        "%s: %s has one value per channel in the last batch of an epoch (%lld rows in "
        "batches of %lld): its result is the shift alone, and its running statistics "
        "leave that batch out%s",
        n->scope, op_name(n->op), (long long)rows, (long long)s->length.batch, text);
}

int setup_check_norms(struct setup *s, struct diag *d) {
    for (uint32_t o = 0; o < s->engine->programs->objective_count; o++) {
        const struct objective_programs *t = &s->engine->objectives[o];
        const char *of;
        const struct gnode *n = lonely(t->step[0].described, &of);
        if (n)
            return refuse(s, n, of, d);
        n = t->count > 1 ? lonely(t->step[1].described, &of) : NULL;
        if (n && s->length.total_steps >= s->length.steps_per_epoch) {
            warn(s, n);
            return RN_OK;
        }
    }
    return RN_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Class labels and other indices that come straight from the data are checked against
 * what they index before step one: outside of it the numbers would be NaN. */
#include <string.h>

#include "train/stage.h"

/* The field that a value is, through casts and reshapes, or UINT32_MAX. */
static uint32_t field_of(const struct stage *s, const struct graph *g, rn_value v) {
    const struct gvalue *x = graph_value(g, v);
    while (x) {
        const struct gnode *n = &g->nodes[x->node];
        const char *op = op_name(n->op);
        if (strcmp(op, "input") == 0) {
            for (uint32_t i = 0; i < s->field_count; i++)
                if (strncmp(n->name, "data.", 5) == 0 &&
                    strcmp(n->name + 5, s->fields[i].name) == 0)
                    return i;
            return UINT32_MAX;
        }
        if (strcmp(op, "cast") != 0 && strcmp(op, "reshape") != 0)
            return UINT32_MAX;
        x = graph_value(g, n->in[0]);
    }
    return UINT32_MAX;
}

/* How many things operand `*index` of the node chooses from; 0: it chooses nothing. */
static int64_t choices(const struct graph *g, const struct gnode *n, uint32_t *index) {
    const char *op = op_name(n->op);
    bool entropy = strcmp(op, "cross_entropy") == 0, gather = strcmp(op, "gather") == 0,
         embedding = strcmp(op, "embedding") == 0;
    if ((!entropy && !gather && !embedding) || n->in_count < 2)
        return 0;
    const struct gvalue *of = graph_value(g, n->in[0]);
    int64_t axis = entropy ? 1 : 0;
    for (uint32_t i = 0; gather && i < n->attr_count; i++)
        if (strcmp(n->attrs[i].name, "axis") == 0)
            axis = n->attrs[i].i;
    *index = 1;
    return of && axis >= 0 && axis < of->rank ? of->shape[axis] : 0;
}

int stage_check_labels(struct stage *s, const struct graph *g, struct diag *d) {
    for (uint32_t i = 0; i < g->node_count; i++) {
        struct rn_error e = {0};
        struct data_outside bad;
        uint32_t index = 0;
        int64_t n = choices(g, &g->nodes[i], &index);
        uint32_t field = n ? field_of(s, g, g->nodes[i].in[index]) : UINT32_MAX;
        if (field == UINT32_MAX)
            continue;
        const struct data_field *f = data_field_at(s->data, s->field_index[field]);
        if (f->classes > n && f->class_names)
            return node_error(d, node_find(s->x->root, "data"), true, RN_E_DATA,
                              "data.%s has %u classes, but %s knows %lld", f->name,
                              f->classes, g->nodes[i].scope, (long long)n);
        if (data_find_outside(s->data, s->field_index[field], 0, n - 1, &bad, &e) !=
            RN_OK)
            return diag_place(d, s->x->root, &e);
        if (!bad.file)
            continue;
        const struct node *source = node_at(s->x->root, bad.source);
        node_error(d, source ? source : s->x->root, false, RN_E_DATA,
                   "%s: row %llu has the %s %lld, but %s takes 0 to %lld", bad.file,
                   (unsigned long long)bad.row, f->name, (long long)bad.value,
                   g->nodes[i].scope, (long long)n - 1);
        diag_hint(d,
                  "mend the row, give the model an output for each %s, or map them "
                  "with {type: label_map, of: %s}",
                  f->name, f->name);
        return RN_E_DATA;
    }
    return RN_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs of a run are written with. */
#include "network/graph_writer.h"

rn_value make_op(struct make *m, const char *name, uint32_t n, const rn_value *in,
                 uint32_t n_attr, const struct rn_attr *attrs) {
    rn_value out = RN_NONE;
    for (uint32_t i = 0; i < n; i++)
        if (!in[i])
            return RN_NONE;
    if (!m->e.status)
        graph_op(m->g, name, n, in, n_attr, attrs, 1, &out, &m->e);
    return out;
}

rn_value make_op1(struct make *m, const char *name, rn_value x) {
    return make_op(m, name, 1, &x, 0, NULL);
}

rn_value make_op2(struct make *m, const char *name, rn_value x, rn_value y) {
    rn_value in[2] = {x, y};
    return make_op(m, name, 2, in, 0, NULL);
}

rn_value make_select(struct make *m, rn_value c, rn_value x, rn_value y) {
    rn_value in[3] = {c, x, y};
    return make_op(m, "select", 3, in, 0, NULL);
}

rn_value make_scalar(struct make *m, double x) {
    return graph_scalar(m->g, RN_F32, x);
}

rn_value make_cast(struct make *m, rn_value x, rn_dtype t) {
    struct rn_attr a = rn_attr_int("dtype", (int64_t)t);
    return make_op(m, "cast", 1, &x, 1, &a);
}

void make_output(struct make *m, const char *name, rn_value v) {
    if (v && !m->e.status)
        graph_output(m->g, name, v, &m->e);
}

int make_finish(struct make *m, const struct bound_component *part, struct diag *d) {
    if (m->e.status == RN_OK)
        graph_verify(m->g, &m->e);
    if (m->e.status == RN_OK)
        return RN_OK;
    if (part)
        bound_component_error(d, part, &m->e);
    else
        diag_add(d, &m->e);
    return m->e.status;
}

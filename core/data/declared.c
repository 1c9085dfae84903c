/* SPDX-License-Identifier: Apache-2.0 */
/* The fields that a source gives, held against the `out:` lines of its description. */
#include <string.h>

#include "base/text.h"
#include "data/internal.h"

/* Of a field by name; NULL: it is not declared, *any: but any further field may be. */
static const struct port_info *declaration(const struct component *c, const char *name,
                                           bool *any) {
    const struct port_info *found = NULL;
    *any = c->out_count == 0;
    for (uint32_t i = 0; i < c->out_count; i++) {
        *any |= strcmp(c->out[i].name, "*") == 0;
        if (strcmp(c->out[i].name, name) == 0)
            found = &c->out[i];
    }
    return found;
}

static int misfit(const struct table *t, const struct rn_field *f,
                  const struct port_info *p, struct rn_error *e) {
    struct text have = {0};
    field_describe(&have, f);
    error_set(e, RN_E_PLUGIN,
              "%s gives the field '%s' as %s, but its description says %s %s",
              t->component->name, f->name, text_get(&have), p->dtype, p->shape);
    text_finish(&have);
    return error_hint(e, "a field's shape is that of a sample, the description's is "
                         "with N in front");
}

static int check_field(const struct table *t, const struct rn_field *f,
                       struct rn_error *e) {
    bool any;
    if (!f->name || !f->name[0])
        return error_set(e, RN_E_PLUGIN, "%s gives a field without a name",
                         t->component->name);
    const struct port_info *p = declaration(t->component, f->name, &any);
    int64_t shape[RN_MAX_RANK + 1] = {1};
    if (!p && !any) {
        error_set(e, RN_E_PLUGIN,
                  "%s gives a field '%s' that its description does not have",
                  t->component->name, f->name);
        return error_hint(e,
                          "add RN_OUT(\"%s DTYPE [N,...]\"), or RN_OUT(\"* any "
                          "[N,...]\") for any further fields",
                          f->name);
    }
    memcpy(shape + 1, f->shape, f->rank * sizeof *f->shape);
    if (p &&
        (!port_takes_type(p, f->dtype) || !port_takes_shape(p, f->rank + 1, shape, 1)))
        return misfit(t, f, p, e);
    return RN_OK;
}

static bool gives(const struct table *t, const char *name) {
    for (uint32_t i = 0; i < t->field_count; i++)
        if (strcmp(t->fields[i].name, name) == 0)
            return true;
    return false;
}

int declared_check(const struct table *t, bool predict, struct rn_error *e) {
    const struct component *c = t->component;
    for (uint32_t i = 0; i < t->field_count; i++) {
        int status = check_field(t, &t->fields[i], e);
        for (uint32_t k = 0; k < i && status == RN_OK; k++)
            if (strcmp(t->fields[i].name, t->fields[k].name) == 0)
                status = error_set(e, RN_E_PLUGIN, "%s gives two fields '%s'", c->name,
                                   t->fields[i].name);
        if (status != RN_OK)
            return status;
    }
    for (uint32_t i = 0; i < c->out_count && !predict; i++)
        if (strcmp(c->out[i].name, "*") != 0 && !c->out[i].optional &&
            !gives(t, c->out[i].name)) {
            error_set(e, RN_E_PLUGIN,
                      "%s gives no field '%s', which its description has", c->name,
                      c->out[i].name);
            return error_hint(e, "a field that is not always there is `; optional`");
        }
    return RN_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Class labels and other indices that come straight from the data are checked against
 * what they index before step one: outside of it the numbers would be NaN. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "setup/setup.h"

/* The stage's field whose values a value has, or UINT32_MAX. */
static uint32_t field_of(const struct setup *s, const char *name) {
    for (uint32_t i = 0; name && i < s->field_count; i++)
        if (strcmp(name, s->fields[i].name) == 0)
            return i;
    return UINT32_MAX;
}

#define WARNED_MAX 5 /* classes by name */

/* Classes that are evaluated and cannot have been learnt. */
static int warn_untrained(struct setup *s, uint32_t field, const struct data_field *f,
                          int64_t classes, struct diag *d) {
    struct rn_error e = {0};
    uint64_t n = (uint64_t)classes, untrained = 0;
    uint64_t *rows = memory_get(memory_mul(n + 1, DATA_SPLITS * sizeof *rows));
    int status = data_count_values(s->data, field, n, rows, &e);
    for (uint64_t c = 0; c < n && status == RN_OK; c++) {
        const uint64_t *own = rows + c * DATA_SPLITS;
        if (own[DATA_TRAIN] || !(own[DATA_VAL] + own[DATA_TEST]) ||
            untrained++ >= WARNED_MAX)
            continue;
        char number[24];
        snprintf(number, sizeof number, "%llu", (unsigned long long)c);
        log_say(session_log(s->session), RN_LOG_WARNING,
                "data.%s: class '%s' has %llu rows in val, %llu in test and none in "
                "train",
                f->name, f->class_names && c < f->classes ? f->class_names[c] : number,
                (unsigned long long)own[DATA_VAL], (unsigned long long)own[DATA_TEST]);
    }
    if (untrained > WARNED_MAX)
        log_say(session_log(s->session), RN_LOG_WARNING,
                "data.%s: %llu more classes have no row in train", f->name,
                (unsigned long long)(untrained - WARNED_MAX));
    memory_release(rows);
    return status == RN_OK ? RN_OK : diag_place(d, s->x->root, &e);
}

/* What takes a field's integers for places among n things. */
struct taker {
    const char *name;
    int64_t n;
    bool label; /* classes, which the model has outputs for; else rows of a table */
};

static int check_field(struct setup *s, struct taker by, uint32_t field,
                       struct diag *d) {
    struct rn_error e = {0};
    struct data_outside bad;
    const struct data_field *f = data_field_at(s->data, field);
    if (f->classes > by.n && f->class_names)
        return node_error(d, node_find(s->x->root, "data"), true, RN_E_DATA,
                          "data.%s has %u classes, but %s knows %lld", f->name,
                          f->classes, by.name, (long long)by.n);
    if (data_find_outside(s->data, field, 0, by.n - 1, &bad, &e) != RN_OK)
        return diag_place(d, s->x->root, &e);
    if (!bad.file)
        return RN_OK;
    const struct node *source = node_at(s->x->root, bad.source);
    node_error(d, source ? source : s->x->root, false, RN_E_DATA,
               "%s: row %llu has the %s %lld, but %s takes 0 to %lld", bad.file,
               (unsigned long long)bad.row, f->name, (long long)bad.value, by.name,
               (long long)by.n - 1);
    if (by.label || strncmp(by.name, "loss", 4) != 0)
        diag_hint(d,
                  by.label
                      ? "fix the row, give the model an output for each %s, or map "
                        "them with {type: label_map, of: %s}"
                      : "fix the row, give %s a larger size, or map them with "
                        "{type: label_map, of: %s}",
                  by.label ? f->name : by.name, f->name);
    else if (by.n == 2)
        diag_hint(d,
                  "{type: label_map, of: %s} makes 0 and 1 of two other values; more "
                  "than two classes need a loss over classes (cross_entropy) and an "
                  "output for each",
                  f->name);
    else
        diag_hint(d, "fix the row, or map them with {type: label_map, of: %s}",
                  f->name);
    return RN_E_DATA;
}

static int check_metrics(struct setup *s, struct diag *d) {
    const struct programs *p = s->engine->programs;
    int status = RN_OK;
    for (uint32_t i = 0; i < p->measured_count && status == RN_OK; i++) {
        const struct measured *m = &p->measured[i];
        uint32_t field = field_of(s, m->field);
        if (field != UINT32_MAX)
            status = check_field(s, (struct taker){m->metric, m->choices, true},
                                 s->field_index[field], d);
    }
    return status;
}

int setup_check_labels(struct setup *s, const struct graph *g, struct diag *d) {
    bool *warned = arena_array(s->arena, bool, s->field_count + 1);
    int status = RN_OK;
    for (uint32_t i = 0; i < g->node_count && status == RN_OK; i++) {
        uint32_t index = 0;
        int64_t n = gnode_choices(g, &g->nodes[i], &index);
        uint32_t field =
            n ? field_of(s, network_source(g, g->nodes[i].in[index])) : UINT32_MAX;
        if (field == UINT32_MAX)
            continue;
        const struct data_field *f = data_field_at(s->data, s->field_index[field]);
        struct taker by = {g->nodes[i].scope, n,
                           (op_traits(g->nodes[i].op) & OP_LABELS) != 0};
        status = check_field(s, by, s->field_index[field], d);
        if (status == RN_OK && by.label && !f->rank && s->use == ENGINE_TRAIN &&
            !warned[field]) {
            warned[field] = true;
            status = warn_untrained(s, s->field_index[field], f, n, d);
        }
    }
    return status == RN_OK ? check_metrics(s, d) : status;
}

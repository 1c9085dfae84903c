/* SPDX-License-Identifier: Apache-2.0 */
/* train.anomaly: a step that was not finite is repeated with every value kept, and the
 * first one that is not finite is named. Such a step has changed nothing but counters,
 * and random numbers are a function of the step, so the repetition has its values;
 * afterwards all variables are what they were. */
#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "engine/origin.h"
#include "train/loop.h"

/* ------------------------------------------------------------------- variables */

struct variables_copy { /* of all variables but resident samples */
    void **bytes;
    uint32_t count;
};

static int save(struct loop *l, struct variables_copy *s, struct rn_error *e) {
    const struct variables *all = l->engine->programs->variables;
    int status = RN_OK;
    s->count = variables_count(all);
    s->bytes = memory_get(memory_mul(s->count + 1, sizeof *s->bytes));
    for (uint32_t i = 0; i < s->count && status == RN_OK; i++) {
        const struct variable *v = variables_at(all, i);
        if (strcmp(v->role, "data") == 0)
            continue;
        s->bytes[i] = memory_try(memory_mul(v->count, RN_DTYPE_BYTES(v->dtype)) + 1);
        status = s->bytes[i]
                     ? device_variable_read(l->engine->device, i, s->bytes[i], e)
                     : error_set(e, RN_E_MEMORY, "no memory for the variables");
    }
    return status;
}

static int restore(struct loop *l, struct variables_copy *s, struct rn_error *e) {
    int status = RN_OK;
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->bytes[i] && status == RN_OK)
            status = device_variable_write(l->engine->device, i, s->bytes[i], e);
        memory_release(s->bytes[i]);
    }
    memory_release(s->bytes);
    return status;
}

/* ------------------------------------------------------------------ repetition */

/* The program with everything fed, kept: run and searched. */
static int search(struct program_variant *kept, struct origin *out,
                  struct rn_error *e) {
    int status = program_run(kept->program, e);
    return status ? status : origin_find(kept, out, e);
}

static int repeat_whole(struct loop *l, struct objective_programs *t,
                        const struct batch *b, struct origin *out, struct rn_error *e) {
    struct program_variant *kept;
    int status = engine_keep(
        l->engine, variant_of_rows(t->step, t->count, (int64_t)b->rows), &kept, e);
    if (status != RN_OK)
        return status;
    status = setup_feed(l->setup, kept, b, 0, e);
    engine_scalars(l->engine, kept, l->at.step, 0);
    if (status == RN_OK)
        status = search(kept, out, e);
    program_destroy(kept->program);
    return status;
}

static int repeat_part(struct loop *l, struct program_variant *kept,
                       const struct batch *b, int64_t row, struct origin *out,
                       struct rn_error *e) {
    int status = setup_feed(l->setup, kept, b, row, e);
    loop_part_scalars(l, kept, b, row, &l->step_means);
    return status ? status : search(kept, out, e);
}

/* *first: the micro-batch's first row. */
static int repeat_accumulated(struct loop *l, struct objective_programs *t,
                              const struct batch *b, int64_t *first, struct origin *out,
                              struct rn_error *e) {
    struct program_variant *kept = NULL;
    int64_t all = (int64_t)b->rows, most = l->engine->length.batch;
    int status = RN_OK;
    for (int64_t row = 0; row < all && status == RN_OK && !out->what; row += most) {
        int64_t rows = all - row < most ? all - row : most;
        if (kept && kept->rows != rows) {
            program_destroy(kept->program);
            kept = NULL;
        }
        if (!kept)
            status = engine_keep(l->engine, variant_of_rows(t->step, t->count, rows),
                                 &kept, e);
        if (status == RN_OK)
            status = repeat_part(l, kept, b, row, out, e);
        *first = row;
    }
    if (kept)
        program_destroy(kept->program);
    if (status != RN_OK || out->what)
        return status;
    status = engine_keep(l->engine, &t->apply, &kept, e);
    if (status != RN_OK)
        return status;
    engine_scalars(l->engine, kept, l->at.step, 0);
    status = search(kept, out, e);
    program_destroy(kept->program);
    return status;
}

/* -------------------------------------------------------------------- sentence */

static void add_index(struct text *t, const struct origin_numbers *n, uint64_t at) {
    uint64_t left[RN_MAX_RANK];
    for (uint32_t i = n->rank; i-- > 0; at /= (uint64_t)n->shape[i])
        left[i] = at % (uint64_t)n->shape[i];
    text_add(t, "[");
    for (uint32_t i = 0; i < n->rank; i++)
        text_addf(t, "%s%llu", i ? "," : "", (unsigned long long)left[i]);
    text_add(t, "]");
}

static void add_value(struct text *t, const struct origin_numbers *n) {
    text_addf(t, "%s [", dtype_name(n->dtype));
    for (uint32_t i = 0; i < n->rank; i++)
        text_addf(t, "%s%lld", i ? "," : "", (long long)n->shape[i]);
    text_addf(t, "], %llu NaN and %llu Inf of %llu elements",
              (unsigned long long)n->nan, (unsigned long long)n->inf,
              (unsigned long long)n->count);
    if (n->count > 1) {
        text_add(t, ", the first at ");
        add_index(t, n, n->first);
    }
}

static void add_place(struct text *t, const struct origin *o) {
    static const char *const phases[] = {"forward pass", "backward pass", "update"};
    if (o->what == ORIGIN_OPERATOR)
        text_addf(t, "the first value that is not finite is made by %s%s%s in the %s: ",
                  o->name, *o->scope ? " of " : "", o->scope, phases[o->part]);
    else
        text_addf(t, "%s '%s' is not finite before the step: ",
                  o->what == ORIGIN_INPUT      ? "the input"
                  : o->what == ORIGIN_VARIABLE ? "the variable"
                                               : "the live value",
                  o->name);
    add_value(t, &o->value);
}

static void add_operands(struct text *t, const struct origin *o) {
    uint32_t n = o->operand_count < 3 ? o->operand_count : 3;
    for (uint32_t i = 0; i < n; i++)
        text_addf(t, "%s%.4g to %.4g",
                  i                      ? "; "
                  : o->operand_count > 1 ? "its operands are finite: "
                                         : "its operand is finite: ",
                  o->operand[i].min, o->operand[i].max);
    if (n)
        text_add(t, "\n");
}

static void add_rows(struct text *t, const struct origin *o, const struct batch *b,
                     int64_t first) {
    if (!o->by_rows)
        return;
    uint64_t n = o->row_count < ORIGIN_ROWS ? o->row_count : ORIGIN_ROWS;
    text_addf(t, "in %llu of %lld rows: sample%s", (unsigned long long)o->row_count,
              (long long)o->value.shape[0], o->row_count == 1 ? "" : "s");
    for (uint64_t i = 0; i < n; i++)
        text_addf(t, "%s %lld", i ? "," : "", (long long)b->ids[first + o->rows[i]]);
    text_add(t, n < o->row_count ? ", ...\n" : "\n");
}

/* The part of the experiment that a scope is inside of, by the longest path; NULL. */
static const char *path_of(const struct experiment *x, const char *scope) {
    const char *best = NULL;
    for (uint32_t k = 0; k < KIND_COUNT; k++)
        for (uint32_t i = 0; i < x->by_kind[k].count; i++) {
            const char *path = x->by_kind[k].at[i].path;
            size_t n = strlen(path);
            if (strncmp(scope, path, n) == 0 && (!scope[n] || scope[n] == '.') &&
                (!best || n > strlen(best)))
                best = path;
        }
    return best;
}

static void describe(const struct loop *l, const struct origin *o,
                     const struct batch *b, int64_t first, struct rn_error *e) {
    struct text message = {0}, hint = {0};
    const char *path = path_of(l->setup->x, o->scope);
    add_place(&message, o);
    add_operands(&hint, o);
    add_rows(&hint, o, b, first);
    error_set(e, RN_E_DIVERGED, "%s", text_get(&message));
    error_hint(e, "%.*s", hint.length ? (int)hint.length - 1 : 0, text_get(&hint));
    if (path)
        error_where(e, RN_WHERE_CONFIG, path, 0, 0);
    text_finish(&message);
    text_finish(&hint);
}

void loop_find_anomaly(struct loop *l, uint32_t objective, const struct batch *b) {
    struct objective_programs *t = &l->engine->objectives[objective];
    struct rn_error e = {0}, *out = &l->anomaly;
    struct origin o = {0};
    struct variables_copy s = {0};
    int64_t first = 0;
    int status = save(l, &s, &e);
    if (status == RN_OK)
        status = l->engine->programs->accumulate
                     ? repeat_accumulated(l, t, b, &first, &o, &e)
                     : repeat_whole(l, t, b, &o, &e);
    struct rn_error late = {0};
    if (restore(l, &s, &late) != RN_OK && status == RN_OK) {
        status = late.status;
        e = late;
    }
    if (status != RN_OK)
        error_set(out, RN_E_DIVERGED, "where it began is not known: %s", e.message);
    else if (!o.what)
        error_set(
            out, RN_E_DIVERGED,
            "where it began is not known: repeated operator by operator, the step "
            "is finite");
    else
        describe(l, &o, b, first, out);
}

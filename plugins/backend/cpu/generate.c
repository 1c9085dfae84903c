/* SPDX-License-Identifier: Apache-2.0 */
/* A region as C: one loop in which every register is a local variable (some more where
 * a step cannot be a vector). The expressions are those of the block kernels, the
 * compiler gets the same rules, so the bits are the interpreter's (but for the
 * payload of a NaN, which IEEE leaves open).
 *
 * The function works on a run of neighbouring elements and knows no sizes: broadcasting
 * stays with the walk of elementwise.c, which hands in either a pointer to read along
 * or one value. So all parameters of an optimizer share a function, a batch size more
 * needs no new one, and what was compiled once serves other experiments. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "region.h"

enum feed region_feed(const struct region *r, const struct reg *g) {
    int64_t inner = g->stride[r->rank - 1];
    if (g->scalar)
        return FEED_ONE;
    if (g->dense)
        return FEED_WHOLE;
    if (r->walk.rows)
        return inner ? FEED_ROW : FEED_EACH;
    return FEED_BLOCK;
}

/* ------------------------------------------------------------ printed or called */

static bool is_one_of(const char *op, const char *list) {
    char word[24];
    snprintf(word, sizeof word, " %.20s ", op);
    return strstr(list, word) != NULL;
}

/* Is this step a call of its block kernel, over a piece of the region? So is every long
 * function (compilers take a second for a few of them, and often make no vectors), and
 * what no compiler makes vectors of: one such step in a loop spoils all of it. Found by
 * asking gcc 12 for each expression and instruction set. */
static bool is_called(const struct cpu_isa *isa, const struct cpu_expression *x) {
    bool v4 = strcmp(isa->name, "v4") == 0, base = strcmp(isa->name, "base") == 0;
    bool from_float = x->in == RN_F32 || x->in == RN_F64, wide = x->in == RN_I64;
    if (is_one_of(x->op, " expm1 log log1p sin cos pow "))
        return true;
    if (is_one_of(x->op, " exp sigmoid tanh erf "))
        return x->in == RN_F64;
    if (is_one_of(x->op, " div "))
        return !from_float;
    if (is_one_of(x->op, " cast ")) {
        bool to_float = x->out == RN_F32 || x->out == RN_F64;
        if (!v4 && ((wide && to_float) ||
                    (from_float && (x->out == RN_I64 || x->out == RN_U32))))
            return true;
        return base && (wide || (x->in == RN_F64 && !to_float));
    }
    if (!base || is_one_of(x->op, " identity select "))
        return false;
    return wide ? !is_one_of(x->op, " add sub neg ")
                : x->in == RN_F64 && is_one_of(x->op, " eq ne lt le gt ge is_finite ");
}

/* -------------------------------------------------------------------- printing */

/* Stages one after the other over pieces of CHUNK elements: even ones are loops, odd
 * ones calls. Values that a later stage needs wait in arrays, in the first cache. */
#define CHUNK 512

struct printer {
    const struct region *r;
    struct source_text *t;
    bool *same;      /* by register: one value for all elements */
    uint32_t *stage; /* by register: in which it is made; inputs 0 */
    bool *kept;      /* by register: in an array, for a later stage */
    bool *array;     /* by register: same, but in an array for a call */
    bool *loaded;    /* by register: in this loop already */
    uint32_t stages;
    bool chunks;
};

static const char *reg_type(const struct region *r, uint32_t i) {
    return source_type(r->regs[i].dtype);
}

static void print_step(const struct printer *p, const struct step *s,
                       const char *indent) {
    static const char names[] = "ABC";
    const char *type = reg_type(p->r, s->out);
    source_text_add(p->t, "%s%s r%u;\n%s{\n", indent, type, s->out, indent);
    for (uint32_t i = 0; i < s->in_count; i++)
        source_text_add(p->t, "%s    const %s %c = r%u;\n", indent,
                        reg_type(p->r, s->in[i]), names[i], s->in[i]);
    source_text_add(p->t, "%s    r%u = (%s)(%s);\n%s}\n", indent, s->out, type,
                    cpu_expressions[s->expression].text, indent);
}

static void print_call(const struct printer *p, const struct step *s) {
    source_text_add(p->t, "    {\n        const void *const in[] = {");
    for (uint32_t i = 0; i < s->in_count; i++) {
        uint32_t reg = s->in[i];
        if (p->same[reg])
            source_text_add(p->t, "a%u, ", reg);
        else if (p->r->regs[reg].input >= 0)
            source_text_add(p->t, "x%u + at, ", reg);
        else
            source_text_add(p->t, "t%u, ", reg);
    }
    source_text_add(p->t, "};\n        block[%d](t%u, in, m); /* %s */\n    }\n",
                    s->expression, s->out, cpu_expressions[s->expression].op);
}

/* Bring a register into this loop. */
static void print_load(struct printer *p, uint32_t reg, uint32_t stage) {
    const struct reg *g = &p->r->regs[reg];
    if (p->same[reg] || p->loaded[reg])
        return;
    p->loaded[reg] = true;
    if (g->input >= 0)
        source_text_add(p->t, "        const %s r%u = x%u[%si];\n", reg_type(p->r, reg),
                        reg, reg, p->chunks ? "at + " : "");
    else if (p->stage[reg] != stage)
        source_text_add(p->t, "        const %s r%u = t%u[i];\n", reg_type(p->r, reg),
                        reg, reg);
}

static void print_stage(struct printer *p, uint32_t stage) {
    const struct region *r = p->r;
    const char *at = p->chunks ? "at + " : "";
    bool last = stage + 1 == p->stages;
    if (stage % 2) {
        for (uint32_t k = 0; k < r->step_count; k++)
            if (!p->same[r->steps[k].out] && p->stage[r->steps[k].out] == stage)
                print_call(p, &r->steps[k]);
        return;
    }
    memset(p->loaded, 0, r->reg_count * sizeof *p->loaded);
    source_text_add(p->t, "    EACH(i, %s) {\n", p->chunks ? "m" : "n");
    for (uint32_t k = 0; k < r->step_count; k++) {
        const struct step *s = &r->steps[k];
        if (p->same[s->out] || p->stage[s->out] != stage)
            continue;
        for (uint32_t i = 0; i < s->in_count; i++)
            print_load(p, s->in[i], stage);
    }
    /* Outputs may be on inputs: all that is read of an element is read before any of
     * it is written, in the last stage. */
    for (uint32_t i = 0; last && i < r->reg_count; i++)
        if (r->regs[i].output >= 0)
            print_load(p, i, stage);
    for (uint32_t i = 0; last && i < r->store_count; i++)
        print_load(p, r->stores[i].reg, stage);
    for (uint32_t k = 0; k < r->step_count; k++)
        if (!p->same[r->steps[k].out] && p->stage[r->steps[k].out] == stage)
            print_step(p, &r->steps[k], "        ");
    for (uint32_t i = 0; i < r->reg_count; i++)
        if (p->kept[i] && p->stage[i] == stage)
            source_text_add(p->t, "        t%u[i] = r%u;\n", i, i);
    for (uint32_t i = 0; last && i < r->reg_count; i++)
        if (r->regs[i].output >= 0)
            source_text_add(p->t, "        y%d[%si] = r%u;\n", r->regs[i].output, at,
                            i);
    for (uint32_t i = 0; last && i < r->store_count; i++)
        source_text_add(p->t, "        y%u[%si] = r%u;\n", r->stores[i].output, at,
                        r->stores[i].reg);
    source_text_add(p->t, "    }\n");
}

/* Which stage makes what, and what must be kept. */
static void plan_stages(struct printer *p, const struct cpu_isa *isa) {
    const struct region *r = p->r;
    p->stages = 1;
    for (uint32_t k = 0; k < r->step_count; k++) {
        const struct step *s = &r->steps[k];
        const struct cpu_expression *x = &cpu_expressions[s->expression];
        bool same = true, called = is_called(isa, x);
        uint32_t stage = 0;
        for (uint32_t i = 0; i < s->in_count; i++) {
            stage = p->stage[s->in[i]] > stage ? p->stage[s->in[i]] : stage;
            same &= p->same[s->in[i]];
        }
        p->same[s->out] = same;
        if (same)
            continue;
        stage += stage % 2 != called;
        p->stage[s->out] = stage;
        p->stages = stage + 1 > p->stages ? stage + 1 : p->stages;
        p->kept[s->out] |= called;
        for (uint32_t i = 0; i < s->in_count; i++) {
            p->kept[s->in[i]] |= p->stage[s->in[i]] != stage;
            p->array[s->in[i]] |= called && p->same[s->in[i]];
        }
    }
    p->stages += p->stages % 2 == 0; /* the last one stores */
    p->chunks = p->stages > 1;
    for (uint32_t i = 0; i < r->reg_count; i++) {
        bool stored = r->regs[i].output >= 0;
        for (uint32_t k = 0; k < r->store_count; k++)
            stored |= r->stores[k].reg == i;
        p->kept[i] |= stored && p->stage[i] + 1 != p->stages;
        if (p->same[i] || r->regs[i].input >= 0)
            p->kept[i] = false;
    }
}

static void print_function(struct printer *p, const struct cpu_isa *isa) {
    const struct region *r = p->r;
    source_text_add(p->t, "(char *const *p, int64_t n, block_fn const *block) {\n");
    for (uint32_t i = 0; i < r->reg_count; i++) {
        const struct reg *g = &r->regs[i];
        const char *type = reg_type(r, i);
        if (g->input < 0)
            continue;
        enum feed feed = region_feed(r, g);
        p->same[i] = feed == FEED_ONE || feed == FEED_EACH;
        if (p->same[i])
            source_text_add(p->t, "    const %s r%u = *(const %s *)p[%d];\n", type, i,
                            type, g->input);
        else
            source_text_add(p->t, "    const %s *const x%u = (const %s *)p[%d];\n",
                            type, i, type, g->input);
    }
    plan_stages(p, isa);
    for (uint32_t k = 0; k < r->step_count; k++)
        if (p->same[r->steps[k].out])
            print_step(p, &r->steps[k], "    ");
    for (uint32_t i = 0; i < r->reg_count; i++)
        if (r->regs[i].output >= 0)
            source_text_add(p->t, "    %s *const y%d = (%s *)p[%u];\n", reg_type(r, i),
                            r->regs[i].output, reg_type(r, i),
                            r->input_count + (uint32_t)r->regs[i].output);
    for (uint32_t i = 0; i < r->store_count; i++)
        source_text_add(p->t, "    %s *const y%u = (%s *)p[%u];\n",
                        reg_type(r, r->stores[i].reg), r->stores[i].output,
                        reg_type(r, r->stores[i].reg),
                        r->input_count + r->stores[i].output);
    for (uint32_t i = 0; i < r->reg_count; i++) {
        if (p->kept[i])
            source_text_add(p->t, "    %s t%u[%d];\n", reg_type(r, i), i, CHUNK);
        if (p->array[i])
            source_text_add(p->t,
                            "    %s a%u[%d];\n"
                            "    EACH(i, %d) a%u[i] = r%u;\n",
                            reg_type(r, i), i, CHUNK, CHUNK, i, i);
    }
    if (p->chunks)
        source_text_add(p->t,
                        "    for (int64_t at = 0; at < n; at += %d) {\n"
                        "    const int64_t m = n - at < %d ? n - at : %d;\n",
                        CHUNK, CHUNK, CHUNK);
    for (uint32_t i = 0; i < p->stages; i++)
        print_stage(p, i);
    source_text_add(p->t, p->chunks ? "    }\n}\n" : "}\n");
}

bool cpu_generate_text(const struct region *r, const struct cpu_isa *isa,
                       struct source_text *t) {
    uint32_t n = r->reg_count + 1;
    if (r->single || r->input_count + r->output_count > REGION_POINTERS)
        return false;
    for (uint32_t k = 0; k < r->step_count; k++)
        if (r->steps[k].expression < 0)
            return false;
    bool *flags = calloc(4 * (size_t)n, sizeof *flags);
    uint32_t *stage = calloc(n, sizeof *stage);
    if (flags && stage) {
        struct printer p = {.r = r,
                            .t = t,
                            .same = flags,
                            .stage = stage,
                            .kept = flags + n,
                            .array = flags + 2 * (size_t)n,
                            .loaded = flags + 3 * (size_t)n};
        print_function(&p, isa);
    }
    t->failed |= !flags || !stage;
    free(flags);
    free(stage);
    return !t->failed;
}

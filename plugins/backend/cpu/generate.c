/* SPDX-License-Identifier: Apache-2.0 */
/* A region as C: one loop in which every register is a local variable. The expressions
 * are those of the block kernels, the compiler is told the same rules, so the bits are
 * the interpreter's (but for the payload of a NaN, which IEEE leaves open).
 *
 * The function works on a run of neighbouring elements and knows no sizes: broadcasting
 * stays with the walk of elementwise.c, which hands in either a pointer to read along
 * or one value. So all parameters of an optimizer share a function, a batch size more
 * needs no new one, and what was compiled once serves other experiments. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "region.h"

void cpu_text_add(struct cpu_text *t, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vsnprintf(NULL, 0, format, list);
    va_end(list);
    if (n < 0 || t->failed) {
        t->failed = true;
        return;
    }
    if (t->length + (size_t)n + 1 > t->capacity) {
        size_t capacity = 2 * t->capacity + (size_t)n + 4096;
        char *grown = realloc(t->data, capacity);
        if (!grown) {
            t->failed = true;
            return;
        }
        t->data = grown;
        t->capacity = capacity;
    }
    va_start(list, format);
    vsnprintf(t->data + t->length, (size_t)n + 1, format, list);
    va_end(list);
    t->length += (size_t)n;
}

static const char *type_name(rn_dtype t) {
    switch (t) {
    case RN_F32:
        return "float";
    case RN_F64:
        return "double";
    case RN_I64:
        return "int64_t";
    case RN_I32:
        return "int32_t";
    case RN_U32:
        return "uint32_t";
    case RN_I8:
        return "int8_t";
    case RN_BF16:
    case RN_F16:
        return "uint16_t";
    default:
        return "uint8_t";
    }
}

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

static void print_step(const struct region *r, const struct step *s, const char *indent,
                       struct cpu_text *t) {
    static const char names[] = "ABC";
    const char *type = type_name(r->regs[s->out].dtype);
    cpu_text_add(t, "%s%s r%u;\n%s{\n", indent, type, s->out, indent);
    for (uint32_t i = 0; i < s->in_count; i++)
        cpu_text_add(t, "%s    const %s %c = r%u;\n", indent,
                     type_name(r->regs[s->in[i]].dtype), names[i], s->in[i]);
    cpu_text_add(t, "%s    r%u = (%s)(%s);\n%s}\n", indent, s->out, type,
                 cpu_expressions[s->expression].text, indent);
}

bool cpu_generate_text(const struct region *r, struct cpu_text *t) {
    bool *one = calloc((size_t)r->reg_count + 1, sizeof *one); /* the same for all */
    if (!one || r->single || r->input_count + r->output_count > REGION_POINTERS) {
        free(one);
        return false;
    }
    for (uint32_t k = 0; k < r->step_count; k++)
        if (r->steps[k].expression < 0) {
            free(one);
            return false;
        }
    cpu_text_add(t, "(char *const *p, int64_t n) {\n");
    for (uint32_t i = 0; i < r->reg_count; i++) {
        const struct reg *g = &r->regs[i];
        const char *type = type_name(g->dtype);
        if (g->input < 0)
            continue;
        enum feed feed = region_feed(r, g);
        one[i] = feed == FEED_ONE || feed == FEED_EACH;
        if (one[i])
            cpu_text_add(t, "    const %s r%u = *(const %s *)p[%d];\n", type, i, type,
                         g->input);
        else
            cpu_text_add(t, "    const %s *const x%u = (const %s *)p[%d];\n", type, i,
                         type, g->input);
    }
    for (uint32_t k = 0; k < r->step_count; k++) { /* what is the same for all, once */
        const struct step *s = &r->steps[k];
        bool all = true;
        for (uint32_t i = 0; i < s->in_count; i++)
            all &= one[s->in[i]];
        one[s->out] = all;
        if (all)
            print_step(r, s, "    ", t);
    }
    for (uint32_t i = 0; i < r->reg_count; i++)
        if (r->regs[i].output >= 0)
            cpu_text_add(t, "    %s *const y%d = (%s *)p[%u];\n",
                         type_name(r->regs[i].dtype), r->regs[i].output,
                         type_name(r->regs[i].dtype),
                         r->input_count + (uint32_t)r->regs[i].output);
    for (uint32_t i = 0; i < r->store_count; i++) {
        const struct reg *g = &r->regs[r->stores[i].reg];
        cpu_text_add(t, "    %s *const y%u = (%s *)p[%u];\n", type_name(g->dtype),
                     r->stores[i].output, type_name(g->dtype),
                     r->input_count + r->stores[i].output);
    }
    cpu_text_add(t, "    EACH(i, n) {\n");
    /* All is read before anything is written: outputs may lie on inputs. */
    for (uint32_t i = 0; i < r->reg_count; i++)
        if (r->regs[i].input >= 0 && !one[i])
            cpu_text_add(t, "        const %s r%u = x%u[i];\n",
                         type_name(r->regs[i].dtype), i, i);
    for (uint32_t k = 0; k < r->step_count; k++)
        if (!one[r->steps[k].out])
            print_step(r, &r->steps[k], "        ", t);
    for (uint32_t i = 0; i < r->reg_count; i++)
        if (r->regs[i].output >= 0)
            cpu_text_add(t, "        y%d[i] = r%u;\n", r->regs[i].output, i);
    for (uint32_t i = 0; i < r->store_count; i++)
        cpu_text_add(t, "        y%u[i] = r%u;\n", r->stores[i].output,
                     r->stores[i].reg);
    cpu_text_add(t, "    }\n}\n");
    free(one);
    return !t->failed;
}

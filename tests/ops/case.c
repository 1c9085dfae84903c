/* SPDX-License-Identifier: Apache-2.0 */
/* From the line of a case to a graph, and the numbers that go in. */
#include <stdlib.h>

#include "graph/internal.h"
#include "ops.h"

/* ------------------------------------------------------------------ numbers */

static uint32_t mix(uint32_t x) {
    x ^= x >> 16, x *= 0x7feb352du, x ^= x >> 15, x *= 0x846ca68bu;
    return x ^ x >> 16;
}

static void store(void *to, rn_dtype t, uint64_t i, double x) {
    if (t == RN_F32)
        ((float *)to)[i] = (float)x;
    else if (t == RN_F64)
        ((double *)to)[i] = x;
    else if (t == RN_I64)
        ((int64_t *)to)[i] = (int64_t)x;
    else if (t == RN_I32)
        ((int32_t *)to)[i] = (int32_t)x;
    else if (t == RN_U32)
        ((uint32_t *)to)[i] = (uint32_t)x;
    else if (t == RN_I8)
        ((int8_t *)to)[i] = (int8_t)x;
    else
        ((uint8_t *)to)[i] = (uint8_t)x;
}

void case_fill(const struct case_input *in, uint32_t salt, void *to) {
    static const float special[] = {
        0.0f, -0.0f, INFINITY, -INFINITY, NAN,   3.4e38f, 1e-40f, -1.0f,
        1.0f, 88.8f, -103.97f, 0.5f,      -2.5f, 1e-7f,   -3e9f,  6.28e4f};
    const char *s = in->values;
    for (uint64_t i = 0; i < in->count; i++) {
        uint32_t r = mix((uint32_t)i + salt * 1000003u);
        double u = r / 4294967296.0, x = 4.0 * u - 2.0;
        if (s) { /* the last value fills the rest */
            char *end;
            double given = strtod(s, &end);
            s = *end == ',' ? end + 1 : s;
            store(to, in->dtype, i, given);
            continue;
        }
        if (in->positive)
            x = u + 0.1;
        if (in->special && r % 8 == 0)
            x = (double)special[r / 8 % 16];
        bool real = in->dtype == RN_F32 || in->dtype == RN_F64;
        if (!real)
            x = in->below              ? (double)(r % (uint32_t)in->below)
                : in->dtype == RN_BOOL ? (double)(r >> 7 & 1)
                : in->dtype == RN_U8   ? (double)(r & 255)
                : in->dtype == RN_U32  ? (double)r
                                       : (double)(r % 7) - 3.0;
        store(to, in->dtype, i, x);
    }
}

/* ------------------------------------------------------------------ parsing */

static rn_dtype dtype_of(const char *s, size_t n) {
    static const struct {
        const char *name;
        rn_dtype t;
    } types[] = {{"f32", RN_F32}, {"f64", RN_F64},  {"f16", RN_F16}, {"bf16", RN_BF16},
                 {"i64", RN_I64}, {"i32", RN_I32},  {"u32", RN_U32}, {"i8", RN_I8},
                 {"u8", RN_U8},   {"bool", RN_BOOL}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strlen(types[i].name) == n && strncmp(types[i].name, s, n) == 0)
            return types[i].t;
    return 0;
}

static uint32_t integers(const char **s, int64_t *out) {
    uint32_t n = 0;
    while (n < 8 && (**s == '-' || (**s >= '0' && **s <= '9'))) {
        char *end;
        out[n++] = strtoll(*s, &end, 10);
        *s = *end == ',' ? end + 1 : end;
    }
    return n;
}

void case_op_name(const char *text, char *out, size_t size) {
    snprintf(out, size, "%.*s", (int)strcspn(text, " "), text);
}

/* The row's type of attribute `name`: 'i' int, 'f' float, 'l' list, 0 unknown. */
static char attr_kind(const struct op *op, const char *name) {
    size_t n = strlen(name);
    for (const char *p = op->attrs ? op->attrs : ""; *p;
         p += strcspn(p, " "), p += strspn(p, " "))
        if (strncmp(p, name, n) == 0 && p[n] == ':')
            return strncmp(p + n + 1, "ints", 4) == 0    ? 'l'
                   : strncmp(p + n + 1, "float", 5) == 0 ? 'f'
                                                         : 'i';
    return 0;
}

void built_init(struct built *b, const char *name) {
    memset(b, 0, sizeof *b);
    b->a = arena_create();
    b->variables = variables_create(b->a);
    b->graph = graph_create(b->a, b->variables, name);
}

void built_free(struct built *b) {
    arena_destroy(b->a);
    b->a = NULL;
}

rn_value built_input(struct built *b, rn_dtype t, uint32_t rank, const int64_t *shape) {
    struct case_input *i = &b->inputs[b->input_count];
    *i = (struct case_input){.dtype = t, .count = 1};
    snprintf(i->name, sizeof i->name, "x%u", b->input_count++);
    for (uint32_t k = 0; k < rank; k++)
        i->count *= (uint64_t)shape[k];
    i->value = graph_input(b->graph, i->name, t, rank, shape);
    return i->value;
}

static const char *parse_input(struct built *b, const char *s, bool wide, rn_value *out,
                               uint32_t index) {
    static const char *const live[] = {"run.seed", "run.step", "run.row"};
    if (strncmp(s, "live", 4) == 0) {
        *out = graph_live(b->graph, live[(index - b->input_count) % 3], RN_U32);
        return s + 4;
    }
    struct case_input *i = &b->inputs[b->input_count];
    int64_t shape[8];
    *i = (struct case_input){.count = 1};
    snprintf(i->name, sizeof i->name, "x%u", b->input_count++);
    size_t length = strcspn(s, "[<+");
    i->dtype = dtype_of(s, length);
    s += length;
    if (*s == '+')
        i->positive = true, s++;
    if (*s == '<') {
        char *end;
        i->below = strtoll(s + 1, &end, 10);
        s = end;
    }
    s++; /* [ */
    uint32_t rank = integers(&s, shape);
    s++; /* ] */
    if (*s == '!')
        i->special = b->special = true, s++;
    if (*s == '=') {
        i->values = s + 1;
        s += strcspn(s, " ");
    }
    for (uint32_t k = 0; k < rank; k++)
        i->count *= (uint64_t)shape[k];
    rn_dtype t = wide && i->dtype == RN_F32 ? RN_F64 : i->dtype;
    i->value = *out = graph_input(b->graph, i->name, t, rank, shape);
    return s;
}

int case_try(const char *text, bool wide, struct built *b, struct rn_error *error) {
    char op[40];
    rn_value in[CASE_INPUTS], out[OP_MAX_OUT];
    struct rn_attr attrs[8];
    int64_t lists[8][8];
    char names[8][24];
    struct rn_error e = {0};
    uint32_t n = 0, n_attr = 0;
    case_op_name(text, op, sizeof op);
    built_init(b, "case");
    b->op = op_find(op);
    const char *s = text + strlen(op) + 3;
    while (*s != ';') {
        if (*s == ' ')
            s++;
        else
            s = parse_input(b, s, wide, &in[n], n), n++;
    }
    for (s++; *s;) {
        if (*s == ' ') {
            s++;
            continue;
        }
        char *name = names[n_attr];
        snprintf(name, sizeof names[0], "%.*s", (int)strcspn(s, "="), s);
        s += strlen(name) + 1;
        size_t rest = strcspn(s, " ");
        rn_dtype t = dtype_of(s, rest);
        char kind = b->op ? attr_kind(b->op, name) : 'l';
        if (t)
            attrs[n_attr] = rn_attr_int(name, wide && t == RN_F32 ? RN_F64 : t);
        else if (kind == 'f')
            attrs[n_attr] = rn_attr_float(name, strtod(s, NULL));
        else if (kind == 'l') {
            const char *list = s;
            uint32_t k = integers(&list, lists[n_attr]);
            attrs[n_attr] = rn_attr_ints(name, k, lists[n_attr]);
        } else
            attrs[n_attr] = rn_attr_int(name, strtoll(s, NULL, 10));
        s += rest;
        n_attr++;
    }
    b->output_count = b->op ? (uint32_t)b->op->outs : 1;
    graph_op(b->graph, op, n, in, n_attr, attrs, b->output_count, out, &e);
    for (uint32_t i = 0; i < b->output_count && e.status == RN_OK; i++) {
        char port[16];
        snprintf(port, sizeof port, "y%u", i);
        graph_output(b->graph, port, out[i], &e);
    }
    *error = e;
    return e.status;
}

bool case_build(const char *text, bool wide, struct built *b) {
    struct rn_error e;
    if (case_try(text, wide, b, &e) != RN_OK)
        fprintf(stderr, "%s: %s\n", text, e.message);
    return e.status == RN_OK;
}

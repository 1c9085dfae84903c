/* SPDX-License-Identifier: Apache-2.0 */
/* Mode golden: what PyTorch gave in f64 (golden.py) against the reference in f64, to
 * rounding, and against every backend in f32, within the error bound.
 *
 * golden.bin: records of a line (a case's text), then little-endian arrays, each with
 * its number of elements as u32 before it: every input in its dtype; every float
 * output's weight (f32); every output (f64); every float input's gradient of
 * sum(output * weight) (f64). */
#include <stdlib.h>

#include "graph/internal.h"
#include "ops.h"

struct reader {
    const unsigned char *p, *end;
};

struct array {
    const unsigned char *data; /* not aligned */
    uint32_t count;
};

static bool take(struct reader *r, size_t size, struct array *a) {
    if (r->end - r->p < 4)
        return false;
    memcpy(&a->count, r->p, 4);
    r->p += 4;
    if ((size_t)(r->end - r->p) < a->count * size)
        return false;
    a->data = r->p;
    r->p += a->count * size;
    return true;
}

/* The case's graph with outputs y* and g*: gradients of sum(y * w). */
struct sample {
    char text[400];
    struct array inputs[CASE_INPUTS], outputs[OP_MAX_OUT], weights[OP_MAX_OUT],
        gradients[CASE_INPUTS];
    uint32_t floats;
};

static rn_value op2(struct graph *g, const char *op, rn_value x, rn_value y,
                    struct rn_error *e) {
    rn_value in[2] = {x, y}, out = RN_NONE;
    graph_op(g, op, 2, in, 0, NULL, 1, &out, e);
    return out;
}

static bool build(const struct sample *s, bool wide, struct built *b,
                  struct rn_error *e) {
    rn_value xs[CASE_INPUTS], gs[CASE_INPUTS], ys[OP_MAX_OUT], gys[OP_MAX_OUT];
    uint32_t n = 0, ny = 0, inputs;
    if (!case_build(s->text, wide, b))
        return false;
    inputs = b->input_count;
    for (uint32_t i = 0; i < inputs; i++)
        if (dtype_float(b->inputs[i].dtype))
            xs[n++] = b->inputs[i].value;
    for (uint32_t k = 0; k < b->output_count; k++) {
        rn_value y = b->graph->outputs[k].value;
        const struct gvalue v = *graph_value(b->graph, y);
        if (!dtype_float(v.dtype))
            continue;
        ys[ny] = y;
        gys[ny++] = built_input(b, RN_F32, v.rank, v.shape);
        if (wide) { /* declared f32 so that it is read as such, used as f64 */
            struct rn_attr a = rn_attr_int("dtype", RN_F64);
            graph_op(b->graph, "cast", 1, &gys[ny - 1], 1, &a, 1, &gys[ny - 1], e);
        }
    }
    if (!n || !ny)
        return true;
    if (graph_gradient(b->graph, ny, ys, gys, n, xs, gs, e) != RN_OK)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        char port[16];
        snprintf(port, sizeof port, "g%u", i);
        rn_value zero = op2(b->graph, "sub", xs[i], xs[i], e);
        graph_output(b->graph, port, gs[i] ? gs[i] : zero, e);
    }
    return e->status == RN_OK;
}

static void give_values(struct built *b, const struct sample *s, struct exe *x) {
    uint32_t weight = 0;
    for (uint32_t i = 0; i < b->input_count; i++) {
        struct case_input *in = &b->inputs[i];
        const struct array *a = i < CASE_INPUTS && s->inputs[i].data
                                    ? &s->inputs[i]
                                    : &s->weights[weight++];
        void *to = exe_input(x, in->name);
        bool wide = exe_input_dtype(x, in->name) == RN_F64;
        for (uint64_t k = 0; k < in->count && to && k < a->count; k++) {
            float f;
            memcpy(&f, a->data + 4 * k, 4);
            if (in->dtype == RN_F32 && wide)
                ((double *)to)[k] = (double)f;
        }
        if (to && !(in->dtype == RN_F32 && wide))
            memcpy(to, a->data, a->count * RN_DTYPE_BYTES(in->dtype));
    }
}

static bool run(const struct opened *o, struct built *b, const struct graph *g,
                const struct sample *s, struct result *r) {
    struct exe x;
    memset(r, 0, sizeof *r);
    bool good = exe_open(&x, o, g, true);
    if (good) {
        give_values(b, s, &x);
        good = exe_run(&x) && exe_results(&x, g, r);
    }
    if (!good)
        fprintf(stderr, "%s on %s: %s\n", s->text, o->name, x.e.message);
    exe_close(&x);
    return good;
}

/* The truth as a result: outputs, then gradients. */
static void truth_of(const struct sample *s, const struct result *like,
                     uint32_t outputs, struct result *truth) {
    memset(truth, 0, sizeof *truth);
    for (uint32_t k = 0; k < like->count; k++) {
        const struct array *a =
            k < outputs ? &s->outputs[k] : &s->gradients[k - outputs];
        truth->dtype[k] = RN_F64;
        truth->elements[k] = a->count;
        truth->data[k] = malloc(8u * (size_t)a->count + 8);
        memcpy(truth->data[k], a->data, 8u * (size_t)a->count);
        truth->count++;
    }
}

/* Against rounding in f64: 1e-12 of the largest value there. */
static bool close_f64(const struct result *got, const struct result *truth, char *where,
                      size_t size) {
    for (uint32_t k = 0; k < got->count; k++) {
        double most = 0.0;
        if (got->elements[k] != truth->elements[k]) {
            snprintf(where, size, "result %u has %llu elements, not %llu", k,
                     (unsigned long long)got->elements[k],
                     (unsigned long long)truth->elements[k]);
            return false;
        }
        for (uint64_t i = 0; i < truth->elements[k]; i++) {
            double t = result_at(truth, k, i);
            most = fabs(t) > most && fabs(t) < INFINITY ? fabs(t) : most;
        }
        for (uint64_t i = 0; i < truth->elements[k]; i++) {
            double t = result_at(truth, k, i), x = result_at(got, k, i);
            if (x == t || (x != x && t != t) || fabs(x - t) <= 1e-12 * (most + 1e-3))
                continue;
            snprintf(where, size, "result %u element %llu is %.15g, PyTorch's %.15g", k,
                     (unsigned long long)i, x, t);
            return false;
        }
    }
    return true;
}

static void check_sample(const struct sample *s, const struct opened *backends,
                         int count) {
    struct built wide, narrow;
    struct rn_error e = {0};
    struct result got, truth = {0};
    char where[160] = "";
    bool good = build(s, true, &wide, &e);
    ops_check(good, "%s: %s", s->text, e.message);
    if (good && run(&backends[0], &wide, wide.graph, s, &got)) {
        truth_of(s, &got, wide.output_count, &truth);
        ops_check(close_f64(&got, &truth, where, sizeof where), "%s: %s", s->text,
                  where);
        result_free(&got);
    } else {
        ops_check(false, "%s does not run in f64", s->text);
    }
    built_free(&wide);
    good = build(s, false, &narrow, &e);
    ops_check(good, "%s: %s", s->text, e.message);
    struct built bounds = narrow;
    bool bounded = good && bound_graph(&narrow, &bounds);
    struct result both, own, bound;
    bounded = bounded && run(&backends[0], &bounds, bounds.graph, s, &both);
    ops_check(bounded, "%s has no bound", s->text);
    if (bounded)
        bound_split(&both, &own, &bound);
    for (int i = 0; i < count && bounded; i++) {
        if (!run(&backends[i], &narrow, narrow.graph, s, &got)) {
            ops_check(false, "%s does not run", s->text);
            continue;
        }
        ops_check(bound_worst(&got, &truth, &bound, where, sizeof where) <= 1.0,
                  "%s on %s: %s", s->text, backends[i].name, where);
        result_free(&got);
    }
    if (bounded) {
        result_free(&own);
        result_free(&bound);
        built_free(&bounds);
    }
    result_free(&truth);
    built_free(&narrow);
}

static bool read_sample(struct reader *r, struct sample *s) {
    struct built b;
    memset(s, 0, sizeof *s);
    const unsigned char *line = memchr(r->p, '\n', (size_t)(r->end - r->p));
    if (!line || (size_t)(line - r->p) >= sizeof s->text)
        return false;
    memcpy(s->text, r->p, (size_t)(line - r->p));
    r->p = line + 1;
    bool good = case_build(s->text, false, &b);
    for (uint32_t i = 0; i < b.input_count && good; i++) {
        good = take(r, RN_DTYPE_BYTES(b.inputs[i].dtype), &s->inputs[i]);
        s->floats += dtype_float(b.inputs[i].dtype);
    }
    uint32_t weights = 0;
    for (uint32_t k = 0; k < b.output_count && good; k++)
        if (dtype_float(b.graph->values[b.graph->outputs[k].value].dtype))
            good = take(r, 4, &s->weights[weights++]);
    for (uint32_t k = 0; k < b.output_count && good; k++)
        good = take(r, 8, &s->outputs[k]);
    for (uint32_t i = 0; i < s->floats && weights && good; i++)
        good = take(r, 8, &s->gradients[i]);
    built_free(&b);
    return good;
}

void mode_golden(const struct opened *backends, int count, const char *file) {
    FILE *f = fopen(file, "rb");
    size_t size = 0, capacity = 1 << 20;
    unsigned char *bytes = malloc(capacity);
    struct sample s;
    if (f) {
        size = fread(bytes, 1, capacity, f);
        fclose(f);
    }
    struct reader r = {bytes, bytes + size};
    uint32_t samples = 0;
    bool *have = calloc(op_count(), sizeof *have);
    while (r.p < r.end) {
        bool good = read_sample(&r, &s);
        ops_check(good, "%s: record %u cannot be read", file, samples);
        if (!good)
            break;
        check_sample(&s, backends, count);
        samples++;
        char name[40];
        case_op_name(s.text, name, sizeof name);
        for (uint32_t i = 0; i < op_count(); i++)
            have[i] |= strcmp(op_name(op_at(i)), name) == 0;
    }
    for (uint32_t i = 0; i < op_count(); i++) { /* random numbers are our own */
        const struct op *op = op_at(i);
        bool own = op_traits(op) & (OP_SOURCE | OP_RANDOM) ||
                   strcmp(op_name(op), "custom") == 0 ||
                   strcmp(op_name(op), "scan") == 0; /* parts/layers.py */
        ops_check(have[i] || own, "%s: nothing for operator %s", file, op_name(op));
    }
    free(have);
    ops_check(samples > 100, "%s: %u records", file, samples);
    free(bytes);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A backend: host memory, one stream, plain loops in f64 for the primitives that a
 * one-layer network needs; whatever else is asked for, the host decomposes or refuses.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <runner/backend.h>

/* -------------------------------------------------------------- the numbers */

struct view {
    const struct rn_slot *s;
    char *data;
};

static uint64_t count(const struct rn_slot *s) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < s->rank; i++)
        n *= (uint64_t)s->shape[i];
    return n;
}

static double get(struct view v, uint64_t i) {
    switch (v.s->dtype) {
    case RN_F32:
        return (double)((const float *)(const void *)v.data)[i];
    case RN_I64:
        return (double)((const int64_t *)(const void *)v.data)[i];
    case RN_U32:
        return (double)((const uint32_t *)(const void *)v.data)[i];
    default:
        return (double)(unsigned char)v.data[i];
    }
}

static void put(struct view v, uint64_t i, double x) {
    switch (v.s->dtype) {
    case RN_F32:
        ((float *)(void *)v.data)[i] = (float)x;
        break;
    case RN_I64:
        ((int64_t *)(void *)v.data)[i] = (int64_t)x;
        break;
    case RN_U32:
        ((uint32_t *)(void *)v.data)[i] = (uint32_t)x;
        break;
    default:
        v.data[i] = (char)(unsigned char)x;
        break;
    }
}

/* Element of x that broadcasts to element i of y. */
static double at(struct view x, const struct rn_slot *y, uint64_t i) {
    uint64_t from = 0, step = 1;
    for (uint32_t k = 0; k < y->rank; k++) {
        uint32_t axis = y->rank - 1 - k;
        uint64_t here = i % (uint64_t)y->shape[axis];
        i /= (uint64_t)y->shape[axis];
        if (k >= x.s->rank)
            continue;
        int64_t size = x.s->shape[x.s->rank - 1 - k];
        from += (size == 1 ? 0 : here) * step;
        step *= (uint64_t)size;
    }
    return get(x, from);
}

static double add(const double *v) {
    return v[0] + v[1];
}
static double sub(const double *v) {
    return v[0] - v[1];
}
static double mul(const double *v) {
    return v[0] * v[1];
}
static double divide(const double *v) {
    return v[0] / v[1];
}
static double eq(const double *v) {
    return v[0] == v[1];
}
static double lt(const double *v) {
    return v[0] < v[1];
}
static double ge(const double *v) {
    return v[0] >= v[1];
}
static double either(const double *v) {
    return v[0] != 0.0 || v[1] != 0.0;
}
static double both(const double *v) {
    return v[0] != 0.0 && v[1] != 0.0;
}
static double none(const double *v) {
    return v[0] == 0.0;
}
static double choose(const double *v) {
    return v[0] != 0.0 ? v[1] : v[2];
}
static double minus(const double *v) {
    return -v[0];
}
static double same(const double *v) {
    return v[0];
}
static double e_to(const double *v) {
    return exp(v[0]);
}
static double ln(const double *v) {
    return log(v[0]);
}
static double root(const double *v) {
    return sqrt(v[0]);
}
static double finite_one(const double *v) {
    return isfinite(v[0]) != 0;
}

static const struct {
    const char *op;
    double (*fn)(const double *v);
} elementwise[] = {{"add", add},
                   {"sub", sub},
                   {"mul", mul},
                   {"div", divide},
                   {"eq", eq},
                   {"lt", lt},
                   {"ge", ge},
                   {"logical_or", either},
                   {"logical_and", both},
                   {"logical_not", none},
                   {"select", choose},
                   {"neg", minus},
                   {"identity", same},
                   {"cast", same},
                   {"broadcast_to", same},
                   {"exp", e_to},
                   {"log", ln},
                   {"sqrt", root},
                   {"is_finite", finite_one}};

static void matmul(const struct rn_node *n, struct view a, struct view b,
                   struct view y) {
    uint64_t rows = (uint64_t)y.s->shape[0], columns = (uint64_t)y.s->shape[1];
    int ta = rn_node_attr(n, "trans_a")->i != 0,
        tb = rn_node_attr(n, "trans_b")->i != 0;
    uint64_t inner = (uint64_t)a.s->shape[ta ? 0 : 1];
    for (uint64_t i = 0; i < rows; i++)
        for (uint64_t j = 0; j < columns; j++) {
            double sum = 0.0;
            for (uint64_t k = 0; k < inner; k++)
                sum += get(a, ta ? k * rows + i : i * inner + k) *
                       get(b, tb ? j * inner + k : k * columns + j);
            put(y, i * columns + j, sum);
        }
}

static int reduced(const struct rn_attr *axes, uint32_t axis) {
    for (uint32_t k = 0; k < axes->count; k++)
        if (((const int64_t *)axes->p)[k] == (int64_t)axis)
            return 1;
    return 0;
}

/* Sum, largest, or index of the largest along `axes` or `axis`. */
static int32_t reduce(const struct rn_node *n, struct view x, struct view y,
                      struct rn_error *e) {
    int64_t one = rn_node_attr(n, "axis") ? rn_node_attr(n, "axis")->i : 0;
    struct rn_attr single = {"axes", RN_ATTR_INTS, 1, 0, 0.0, &one};
    const struct rn_attr *axes =
        rn_node_attr(n, "axes") ? rn_node_attr(n, "axes") : &single;
    int sum = strcmp(n->op, "reduce_sum") == 0, arg = strcmp(n->op, "arg_max") == 0;
    uint64_t outs = count(y.s);
    double *best = (double *)malloc((outs + 1) * 2 * sizeof *best);
    if (!best)
        return rn_fail(e, RN_E_MEMORY, "no memory for a reduction", NULL, NULL);
    for (uint64_t i = 0; i < outs; i++)
        best[i] = sum ? 0.0 : -INFINITY, best[outs + i] = 0.0;
    for (uint64_t i = 0; i < count(x.s); i++) {
        uint64_t rest = i, to = 0, step = 1, here = 0;
        for (uint32_t k = x.s->rank; k-- > 0;) {
            uint64_t c = rest % (uint64_t)x.s->shape[k];
            rest /= (uint64_t)x.s->shape[k];
            if (reduced(axes, k)) {
                here = c;
                continue;
            }
            to += c * step;
            step *= (uint64_t)x.s->shape[k];
        }
        double v = get(x, i);
        if (sum)
            best[to] += v;
        else if (v > best[to])
            best[to] = v, best[outs + to] = (double)here;
    }
    for (uint64_t i = 0; i < outs; i++)
        put(y, i, arg ? best[outs + i] : best[i]);
    free(best);
    return RN_OK;
}

static int known(const char *op) {
    static const char *const others[] = {"matmul", "reduce_sum", "reduce_max",
                                         "arg_max", "iota"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(op, others[i]) == 0)
            return 1;
    for (size_t i = 0; i < sizeof elementwise / sizeof *elementwise; i++)
        if (strcmp(op, elementwise[i].op) == 0)
            return 1;
    return 0;
}

static int32_t run_node(const struct rn_program *p, const struct rn_node *n,
                        void *const *bases, struct rn_error *e) {
    struct view in[3], y;
    y.s = rn_slot_at(p, n->out[0]);
    y.data = (char *)bases[y.s->base] + y.s->offset;
    for (uint32_t i = 0; i < n->in_count && i < 3; i++) {
        in[i].s = rn_slot_at(p, n->in[i]);
        in[i].data = (char *)bases[in[i].s->base] + in[i].s->offset;
    }
    for (size_t k = 0; k < sizeof elementwise / sizeof *elementwise; k++) {
        if (strcmp(n->op, elementwise[k].op) != 0)
            continue;
        for (uint64_t i = 0; i < count(y.s); i++) {
            double v[3] = {0.0, 0.0, 0.0};
            for (uint32_t j = 0; j < n->in_count && j < 3; j++)
                v[j] = at(in[j], y.s, i);
            put(y, i, elementwise[k].fn(v));
        }
        return RN_OK;
    }
    if (strcmp(n->op, "matmul") == 0) {
        matmul(n, in[0], in[1], y);
        return RN_OK;
    }
    if (strcmp(n->op, "iota") == 0) {
        uint64_t inner = 1;
        int64_t axis = rn_node_attr(n, "axis")->i;
        for (uint32_t k = (uint32_t)axis + 1; k < y.s->rank; k++)
            inner *= (uint64_t)y.s->shape[k];
        for (uint64_t i = 0; i < count(y.s); i++)
            put(y, i, (double)(i / inner % (uint64_t)y.s->shape[axis]));
        return RN_OK;
    }
    return reduce(n, in[0], y, e);
}

/* --------------------------------------------------------------- the device */

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    *self = calloc(1, 1);
    if (!*self)
        return rn_fail(e, RN_E_MEMORY, "no memory for a backend", NULL, NULL);
    h->api->log(h, RN_LOG_WARNING, "the abacus is ready");
    return RN_OK;
}

static int32_t info(void *self, struct rn_device_info *out, struct rn_error *e) {
    (void)self, (void)e;
    strcpy(out->name, "abacus");
    out->threads = 1;
    out->host_memory = 1;
    out->alignment = 64;
    return RN_OK;
}

static int32_t allocate(void *self, struct rn_backend_alloc *call, struct rn_error *e) {
    (void)self;
    call->memory = aligned_alloc(64, (size_t)(call->bytes / 64 + 1) * 64);
    return call->memory ? RN_OK
                        : rn_fail(e, RN_E_MEMORY, "host memory is used up", NULL, NULL);
}

static void release(void *self, int32_t space, void *p) {
    (void)self, (void)space;
    free(p);
}

/* All has happened when a call returns: streams and events are empty. */
static int32_t make(void *self, void **out, struct rn_error *e) {
    (void)e;
    *out = self;
    return RN_OK;
}

static void unmake(void *self, void *p) {
    (void)self, (void)p;
}

static int32_t on_stream(void *self, void *event, void *stream, struct rn_error *e) {
    (void)self, (void)event, (void)stream, (void)e;
    return RN_OK;
}

static int32_t wait_for(void *self, void *p, struct rn_error *e) {
    (void)self, (void)p, (void)e;
    return RN_OK;
}

static int32_t copy(void *self, const struct rn_backend_copy *call,
                    struct rn_error *e) {
    (void)self, (void)e;
    memmove(call->to, call->from, (size_t)call->bytes);
    return RN_OK;
}

static int32_t fill_zero(void *self, const struct rn_backend_fill *call,
                         struct rn_error *e) {
    (void)self, (void)e;
    memset(call->to, 0, (size_t)call->bytes);
    return RN_OK;
}

static int32_t query(void *self, struct rn_backend_query *call, struct rn_error *e) {
    struct rn_node_info *out = call->info;
    const struct rn_node *n = rn_node_at(call->program, call->node);
    (void)self, (void)e;
    out->supported = (uint32_t)(!n->custom && !n->sub && known(n->op));
    strcpy(out->kernel, "abacus");
    if (!out->supported)
        strcpy(out->why, "the abacus has no such beads");
    return RN_OK;
}

static int32_t compile(void *self, struct rn_backend_compile *call,
                       struct rn_error *e) {
    const struct rn_program **x = (const struct rn_program **)malloc(sizeof *x);
    (void)self;
    if (!x)
        return rn_fail(e, RN_E_MEMORY, "no memory for a program", NULL, NULL);
    *x = call->program;
    call->exe = x;
    return RN_OK;
}

static void exe_destroy(void *self, void *exe) {
    (void)self;
    free(exe);
}

static int32_t run(void *self, const struct rn_backend_run *call, struct rn_error *e) {
    const struct rn_program *p = *(const struct rn_program **)call->exe;
    int32_t status = RN_OK;
    (void)self;
    for (uint32_t i = 0; i < p->node_count && status == RN_OK; i++)
        status = run_node(p, rn_node_at(p, i), call->bases, e);
    return status;
}

static const struct rn_backend iface = {.struct_size = sizeof(struct rn_backend),
                                        .create = create,
                                        .destroy = free,
                                        .info = info,
                                        .alloc = allocate,
                                        .release = release,
                                        .stream_create = make,
                                        .stream_destroy = unmake,
                                        .event_create = make,
                                        .event_destroy = unmake,
                                        .event_record = on_stream,
                                        .event_wait = on_stream,
                                        .event_sync = wait_for,
                                        .stream_sync = wait_for,
                                        .copy = copy,
                                        .fill_zero = fill_zero,
                                        .query = query,
                                        .compile = compile,
                                        .exe_destroy = exe_destroy,
                                        .run = run};

RN_BACKEND(abacus, iface, "acme.backends/abacus 1",
           RN_DOC("Plain loops for one-layer networks"));
RN_PLUGIN(&abacus);

/* SPDX-License-Identifier: Apache-2.0 */
/* The reference backend: the plain kernels one after the other on host memory. It is
 * the definition of each operator: slow, obvious, exact, in f64 too. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <runner/sdk/operator.h>

#include "kernels.h"

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    (void)h;
    *self = calloc(1, 1);
    return *self ? RN_OK
                 : rn_fail(e, RN_E_MEMORY, "no memory for a backend", NULL, NULL);
}

static int32_t info(void *self, struct rn_device_info *out, struct rn_error *e) {
    (void)self, (void)e;
    out->threads = 1;
    memcpy(out->name, "reference", 10);
    out->host_memory = 1;
    out->alignment = 64;
    return RN_OK;
}

static int32_t allocate(void *self, struct rn_backend_alloc *call, struct rn_error *e) {
    (void)self;
    call->memory = aligned_alloc(64, (size_t)((call->bytes + 63) / 64 * 64 + 64));
    if (!call->memory)
        return rn_fail(e, RN_E_MEMORY, "host memory is used up", NULL, NULL);
    return RN_OK;
}

static void release(void *self, int32_t space, void *p) {
    (void)self, (void)space;
    free(p);
}

/* Everything has happened when a call returns, so streams and events are empty. */
static int32_t make(void *self, void **out, struct rn_error *e) {
    (void)self, (void)e;
    *out = self;
    return RN_OK;
}

static void unmake(void *self, void *p) {
    (void)self, (void)p;
}

static int32_t event_on_stream(void *self, void *event, void *stream,
                               struct rn_error *e) {
    (void)self, (void)event, (void)stream, (void)e;
    return RN_OK;
}

static int32_t wait(void *self, void *p, struct rn_error *e) {
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

/* --------------------------------------------------------------- operators */

#define MOST 80

static struct kernel_tensor tensor(const struct rn_program *p, uint32_t i,
                                   void *const *bases) {
    struct kernel_tensor t = {NULL, 0, 0, NULL, 0};
    if (i == RN_NO_SLOT)
        return t;
    const struct rn_slot *s = rn_slot_at(p, i);
    t.dtype = s->dtype;
    t.rank = s->rank;
    t.shape = s->shape;
    t.count = 1;
    for (uint32_t k = 0; k < s->rank; k++)
        t.count *= (uint64_t)s->shape[k];
    t.data = bases ? (char *)bases[s->base] + s->offset : NULL;
    return t;
}

static void gather(const struct rn_program *p, const struct rn_node *n,
                   void *const *bases, struct kernel_tensor *in,
                   struct kernel_tensor *out) {
    for (uint32_t i = 0; i < n->in_count && i < MOST; i++)
        in[i] = tensor(p, n->in[i], bases);
    for (uint32_t i = 0; i < n->out_count && i < 8; i++)
        out[i] = tensor(p, n->out[i], bases);
}

static int32_t query(void *self, struct rn_backend_query *call, struct rn_error *e) {
    const struct rn_program *p = call->program;
    struct rn_node_info *out = call->info;
    const struct rn_node *n = rn_node_at(p, call->node);
    struct kernel_tensor ins[MOST], outs[8];
    (void)self, (void)e;
    if (rn_node_is_scan(n)) {
        out->supported = 1;
        memcpy(out->kernel, "steps", 6);
        return RN_OK;
    }
    gather(p, n, NULL, ins, outs);
    out->supported =
        n->in_count <= MOST &&
        (n->custom ||
         (!rn_node_blocked(n) && kernel_find(n->op, ins, n->in_count, outs) != NULL));
    memcpy(out->kernel, "reference", 10);
    /* Elementwise kernels read element i before they write it. */
    for (uint32_t i = 0; out->supported && !n->custom && i < n->in_count && i < 8; i++)
        if (kernel_elementwise(n->op, ins[0].dtype, outs[0].dtype) &&
            ins[i].count == outs[0].count &&
            RN_DTYPE_BYTES(ins[i].dtype) == RN_DTYPE_BYTES(outs[0].dtype))
            out->in_place_mask |= (uint64_t)1 << i;
    if (!out->supported)
        memcpy(out->why, "no plain kernel for these types", 32);
    return RN_OK;
}

struct executable {
    const struct rn_program *program;
    kernel_fn *kernels; /* one a node, NULL: custom, scan */
    void **bodies;      /* one a node, struct executable of a scan's body, or NULL */
    void **bases;       /* of this body at a step; NULL: not a body */
    struct rn_workspace work; /* of custom operators */
};

static int32_t run_custom(struct executable *x, const struct rn_node *n,
                          const struct kernel_tensor *in,
                          const struct kernel_tensor *out, struct rn_error *e) {
    struct rn_tensor ins[MOST], outs[8];
    for (uint32_t i = 0; i < n->in_count; i++)
        ins[i] =
            (struct rn_tensor){in[i].data, in[i].shape, NULL, in[i].dtype, in[i].rank};
    for (uint32_t i = 0; i < n->out_count; i++)
        outs[i] = (struct rn_tensor){out[i].data, out[i].shape, NULL, out[i].dtype,
                                     out[i].rank};
    return rn_operator_run(n, ins, outs, &x->work, e);
}

static int32_t make_executable(const struct rn_program *p, void **exe,
                               struct rn_error *e);

static int32_t make_body(const struct rn_program *body, void **exe,
                         struct rn_error *e) {
    int32_t status = make_executable(body, exe, e);
    struct executable *x = *exe;
    if (status != RN_OK)
        return status;
    x->bases = calloc(body->base_count, sizeof *x->bases);
    return x->bases ? RN_OK
                    : rn_fail(e, RN_E_MEMORY, "no memory for a program", NULL, NULL);
}

static int32_t make_executable(const struct rn_program *p, void **exe,
                               struct rn_error *e) {
    struct executable *x = calloc(1, sizeof *x);
    *exe = x;
    if (x) {
        x->program = p;
        x->work.guarded = rn_guard_wanted();
        x->kernels = calloc(p->node_count + 1u, sizeof *x->kernels);
        x->bodies = calloc(p->node_count + 1u, sizeof *x->bodies);
    }
    if (!x || !x->kernels || !x->bodies)
        return rn_fail(e, RN_E_MEMORY, "no memory for a program", NULL, NULL);
    for (uint32_t i = 0; i < p->node_count; i++) {
        const struct rn_node *n = rn_node_at(p, i);
        struct kernel_tensor ins[MOST], outs[8];
        if (rn_node_is_scan(n)) {
            int32_t status = make_body(n->sub, &x->bodies[i], e);
            if (status != RN_OK)
                return status;
            continue;
        }
        gather(p, n, NULL, ins, outs);
        if (n->custom ? !((const struct rn_operator *)n->custom)->host
                      : !(x->kernels[i] = kernel_find(n->op, ins, n->in_count, outs)))
            return rn_fail_layer(e, RN_E_UNSUPPORTED, "no plain kernel for an operator",
                                 n->op, n->label);
    }
    return RN_OK;
}

static int32_t compile(void *self, struct rn_backend_compile *call,
                       struct rn_error *e) {
    (void)self;
    return make_executable(call->program, &call->exe, e);
}

static void exe_destroy(void *self, void *exe) {
    struct executable *x = exe;
    if (!x)
        return;
    for (uint32_t i = 0; x->bodies && i < x->program->node_count; i++)
        exe_destroy(self, x->bodies[i]);
    free(x->bodies);
    free(x->bases);
    free(x->kernels);
    rn_workspace_finish(&x->work);
    free(x);
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int32_t execute(struct executable *x, void *const *bases, int64_t *times,
                       struct rn_error *e);

static int32_t run_scan(const struct rn_program *p, const struct rn_node *n,
                        struct executable *body, void *const *bases,
                        struct rn_error *e) {
    int64_t length = rn_scan_int(n, "length");
    int32_t status = RN_OK;
    for (int64_t s = 0; s < length && status == RN_OK; s++) {
        rn_scan_bases(p, n, bases, s, body->bases);
        status = execute(body, body->bases, NULL, e);
    }
    return status;
}

static int32_t execute(struct executable *x, void *const *bases, int64_t *times,
                       struct rn_error *e) {
    for (uint32_t i = 0; i < x->program->node_count; i++) {
        const struct rn_node *n = rn_node_at(x->program, i);
        struct kernel_tensor ins[MOST], outs[8];
        struct kernel_call c = {n, n->in_count, n->out_count, ins, outs};
        if (!x->bodies[i])
            gather(x->program, n, bases, ins, outs);
        if (times)
            times[2 * i] = now_ns();
        int32_t status = n->custom ? run_custom(x, n, ins, outs, e)
                         : x->bodies[i]
                             ? run_scan(x->program, n, x->bodies[i], bases, e)
                             : x->kernels[i](&c, e);
        if (times)
            times[2 * i + 1] = now_ns();
        if (status != RN_OK)
            return status;
    }
    return RN_OK;
}

static int32_t run(void *self, const struct rn_backend_run *call, struct rn_error *e) {
    (void)self;
    return execute(call->exe, call->bases, call->times, e);
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
                                        .event_record = event_on_stream,
                                        .event_wait = event_on_stream,
                                        .event_sync = wait,
                                        .stream_sync = wait,
                                        .copy = copy,
                                        .fill_zero = fill_zero,
                                        .query = query,
                                        .compile = compile,
                                        .exe_destroy = exe_destroy,
                                        .run = run,
                                        .profile = run};

RN_BACKEND(reference, iface, "runner/reference 1",
           RN_DOC("Plain C, one thread: the definition of every operator")
               RN_OPTION("threads int = 1 ; min 1 ; max 1 | always 1"));
RN_PLUGIN(&reference);

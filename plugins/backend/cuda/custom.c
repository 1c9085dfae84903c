/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin's own operator: its kernel for NVRTC; or, if it has only a function for the
 * host, its tensors are copied to pinned memory, the function runs in the stream's
 * order, and its results are copied back: slow, and right, and part of a CUDA graph. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <runner/sdk/operator.h>

#include "engine.h"

#define MOST 32

struct custom {
    struct cuda_device *device;
    const struct rn_node *node;
    uint32_t n_in, n_out;
    struct rn_tensor in[MOST], out[MOST];
    struct ref in_at[MOST], out_at[MOST];
    uint64_t in_bytes[MOST], out_bytes[MOST];
    void *pinned; /* owned */
    struct rn_workspace work;
};

/* On a thread of the driver's: no call into CUDA is allowed. */
static void CUDA_CB on_host(void *context) {
    struct custom *c = context;
    struct rn_error e = {0};
    int32_t status = rn_operator_run(c->node, c->in, c->out, &c->work, &e);
    if (status != RN_OK && c->device->host_status == RN_OK) {
        c->device->host_error = e;
        c->device->host_status = status;
    }
}

static int32_t run_custom(struct cuda_exe *x, struct cuda_task *t, CUstream stream,
                          void *const *bases, struct rn_error *e) {
    const struct driver_table *cu = &x->device->lib.driver;
    struct custom *c = t->state;
    int32_t status = RN_OK;
    for (uint32_t i = 0; i < c->n_in && status == RN_OK; i++)
        if (c->in_bytes[i])
            status = cuda_check(x->device,
                                cu->cuMemcpyDtoHAsync(
                                    c->in[i].data,
                                    (CUdeviceptr)(uintptr_t)cuda_at(c->in_at[i], bases),
                                    (size_t)c->in_bytes[i], stream),
                                "a copy", e);
    if (status == RN_OK)
        status = cuda_check(x->device, cu->cuLaunchHostFunc(stream, on_host, c),
                            "a plugin's function", e);
    for (uint32_t i = 0; i < c->n_out && status == RN_OK; i++)
        if (c->out_bytes[i])
            status =
                cuda_check(x->device,
                           cu->cuMemcpyHtoDAsync(
                               (CUdeviceptr)(uintptr_t)cuda_at(c->out_at[i], bases),
                               c->out[i].data, (size_t)c->out_bytes[i], stream),
                           "a copy", e);
    return status;
}

static void finish(struct cuda_exe *x, void *state) {
    struct custom *c = state;
    if (c && c->pinned)
        x->device->lib.driver.cuMemFreeHost(c->pinned);
    if (c)
        rn_workspace_finish(&c->work);
    free(c);
}

static uint64_t hash(const char *p) {
    uint64_t h = 0xcbf29ce484222325u;
    for (; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    return h ^ h >> 32;
}

/* The plugin's text as a kernel of the program; false: not for these operands. */
static bool own_kernel(struct cuda_setup *s, const struct rn_operator *op) {
    struct custom_args a = {.attr = {0.0}};
    struct source_text *all = &s->exe->generated;
    char name[32];
    uint32_t n = 0;
    if (!op->cuda || s->n_in > CUSTOM_MOST || s->n_out > CUSTOM_MOST || s->n_out < 1)
        return false;
    for (uint32_t i = 0; i < s->n_in; i++) {
        a.in_count[i] = s->in[i].count;
        if (s->in[i].dtype == RN_F64) /* of gradient checks */
            return false;
    }
    for (uint32_t i = 0; i < s->n_out; i++)
        a.out_count[i] = s->out[i].count;
    for (uint32_t i = 0; i < s->node->attr_count && n < CUSTOM_MOST; i++) {
        const struct rn_attr *at = rn_attr_at(s->node, i);
        if (at->type == RN_ATTR_INT || at->type == RN_ATTR_FLOAT)
            a.attr[n++] = at->type == RN_ATTR_INT ? (double)at->i : at->f;
    }
    snprintf(name, sizeof name, "custom_%016llx", (unsigned long long)hash(op->cuda));
    if (!all->data || !strstr(all->data, name))
        source_text_add(all,
                        "#undef RUNNER_KERNEL\n#define RUNNER_KERNEL KERNEL(%s, "
                        "custom_args)\n%s\n",
                        name, op->cuda);
    struct cuda_task *t =
        cuda_launch(s, 0, s->out[0].count, false, &a, sizeof a, "%s", name);
    for (uint32_t i = 0; i < s->n_in; i++)
        cuda_pointer(s, t, offsetof(struct custom_args, in) + i * sizeof(void *),
                     s->in[i].at);
    for (uint32_t i = 0; i < s->n_out; i++)
        cuda_pointer(s, t, offsetof(struct custom_args, out) + i * sizeof(void *),
                     s->out[i].at);
    s->kernel = "plugin";
    return true;
}

int32_t cuda_room_custom(struct cuda_setup *s, struct rn_error *e) {
    const struct rn_operator *op = s->node->custom;
    if (own_kernel(s, op))
        return 1;
    uint64_t all = 256;
    if (!op->host || s->n_in > MOST || s->n_out > MOST)
        return 0;
    s->kernel = "plugin, on the host";
    if (!s->building)
        return 1;
    struct custom *c = calloc(1, sizeof *c);
    if (!c)
        return rn_fail(e, RN_E_MEMORY, "no memory for an operator", NULL, NULL);
    c->device = s->device;
    c->node = s->node;
    c->n_in = s->n_in;
    c->n_out = s->n_out;
    c->work.guarded = rn_guard_wanted();
    for (uint32_t i = 0; i < s->n_in; i++) {
        c->in_at[i] = s->in[i].at;
        c->in_bytes[i] = s->in[i].count * RN_DTYPE_BYTES(s->in[i].dtype);
        all += cuda_align(c->in_bytes[i]);
    }
    for (uint32_t i = 0; i < s->n_out; i++) {
        c->out_at[i] = s->out[i].at;
        c->out_bytes[i] = s->out[i].count * RN_DTYPE_BYTES(s->out[i].dtype);
        all += cuda_align(c->out_bytes[i]);
    }
    struct cuda_task *t = cuda_task_add(s, run_custom);
    t->state = c;
    t->finish = finish;
    int32_t status = cuda_check(
        s->device, s->device->lib.driver.cuMemHostAlloc(&c->pinned, (size_t)all, 0),
        "pinned memory for a plugin's operator", e);
    if (status != RN_OK)
        return status;
    char *at = c->pinned;
    for (uint32_t i = 0; i < s->n_in; i++) {
        const struct tensor *x = &s->in[i];
        c->in[i] = (struct rn_tensor){at, x->shape, NULL, x->dtype, x->rank};
        at += cuda_align(c->in_bytes[i]);
    }
    for (uint32_t i = 0; i < s->n_out; i++) {
        const struct tensor *x = &s->out[i];
        c->out[i] = (struct rn_tensor){at, x->shape, NULL, x->dtype, x->rank};
        at += cuda_align(c->out_bytes[i]);
    }
    return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The null backend: plans and allocates, computes nothing. For what a plan costs. */
#include <stdlib.h>
#include <string.h>

#include <runner/backend.h>

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    (void)h;
    *self = calloc(1, 1);
    return *self ? RN_OK
                 : rn_fail(e, RN_E_MEMORY, "no memory for a backend", NULL, NULL);
}

static int32_t info(void *self, struct rn_device_info *out, struct rn_error *e) {
    (void)self, (void)e;
    memcpy(out->name, "null", 5);
    out->host_memory = 1;
    out->alignment = 64;
    out->fuses = 1;
    return RN_OK;
}

static int32_t allocate(void *self, struct rn_backend_alloc *call, struct rn_error *e) {
    (void)self;
    call->memory = calloc(1, (size_t)call->bytes + 64);
    return call->memory ? RN_OK
                        : rn_fail(e, RN_E_MEMORY, "host memory is used up", NULL, NULL);
}

static void release(void *self, int32_t space, void *p) {
    (void)self, (void)space;
    free(p);
}

static int32_t make(void *self, void **out, struct rn_error *e) {
    (void)e;
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

static int32_t query(void *self, struct rn_backend_query *call, struct rn_error *e) {
    (void)self, (void)e;
    call->info->supported = 1;
    memcpy(call->info->kernel, "null", 5);
    return RN_OK;
}

static int32_t compile(void *self, struct rn_backend_compile *call,
                       struct rn_error *e) {
    (void)e;
    call->exe = self;
    return RN_OK;
}

static int32_t run(void *self, const struct rn_backend_run *call, struct rn_error *e) {
    (void)self, (void)call, (void)e;
    return RN_OK;
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
                                        .exe_destroy = unmake,
                                        .run = run};

RN_BACKEND(null, iface, "runner/null 1",
           RN_DOC("Plans and allocates, computes nothing")
               RN_OPTION("threads int = 1 ; min 1 | unused"));
RN_PLUGIN(&null);

/* SPDX-License-Identifier: Apache-2.0 */
/* The cpu backend: host memory, everything done when a call returns. */
#define _DEFAULT_SOURCE /* madvise */
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

#include "cpu.h"

#define HUGE_PAGE (2u << 20)

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct cpu_engine *g;
    int32_t status = cpu_engine_create(h, &g, e);
    *self = g;
    return status;
}

static void destroy(void *self) {
    cpu_engine_destroy(self);
}

static int32_t info(void *self, struct rn_device_info *out, struct rn_error *e) {
    (void)e;
    out->threads = (uint32_t)cpu_engine_threads(self);
    cpu_engine_name(self, out->name, sizeof out->name);
    out->memory_bytes = cpu_memory_left();
    out->host_memory = 1;
    out->alignment = 64;
    out->fuses = 1;
    out->reduces = 1;
    out->image_block = (uint32_t)cpu_image_block(self);
    out->fast_bf16 = cpu_bf16(self);
    return RN_OK;
}

static int32_t allocate(void *self, struct rn_backend_alloc *call, struct rn_error *e) {
    uint64_t bytes = call->bytes;
    size_t align = bytes >= 2 * HUGE_PAGE ? HUGE_PAGE : 64;
    (void)self;
    if (bytes > SIZE_MAX - 2 * HUGE_PAGE)
        return rn_fail(e, RN_E_MEMORY, "host memory is used up", NULL, NULL);
    size_t size = ((size_t)bytes + 64 + align - 1) / align * align;
    call->memory = aligned_alloc(align, size);
    if (!call->memory)
        return rn_fail(e, RN_E_MEMORY, "host memory is used up", NULL, NULL);
    if (align == HUGE_PAGE)
        madvise(call->memory, size, MADV_HUGEPAGE); /* a wish; small pages do as well */
    return RN_OK;
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
    return cpu_query(self, call->program, call->node, call->info, e);
}

static int32_t measure(void *self, struct rn_backend_query *call, struct rn_error *e) {
    return cpu_measure(self, call->program, call->node, &call->nanoseconds, e);
}

static int32_t choices(void *self, const char **text, struct rn_error *e) {
    return tuning_table(self, text, e);
}

static int32_t choose(void *self, const char *text, struct rn_error *e) {
    (void)e;
    cpu_choose(self, text);
    return RN_OK;
}

static int32_t compile(void *self, struct rn_backend_compile *call,
                       struct rn_error *e) {
    struct cpu_exe *x;
    int32_t status = cpu_compile(self, call->program, &x, e);
    call->exe = x;
    return status;
}

static void exe_destroy(void *self, void *exe) {
    (void)self;
    cpu_exe_destroy(exe);
}

static int32_t run(void *self, const struct rn_backend_run *call, struct rn_error *e) {
    (void)self;
    return cpu_run(call->exe, call->bases, e);
}

static int32_t profile(void *self, const struct rn_backend_run *call,
                       struct rn_error *e) {
    (void)self;
    return cpu_profile(call->exe, call->bases, call->times, e);
}

static int32_t peaks(void *self, struct rn_device_peaks *out, struct rn_error *e) {
    return cpu_peaks(self, out, e);
}

static const struct rn_backend iface = {.struct_size = sizeof(struct rn_backend),
                                        .create = create,
                                        .destroy = destroy,
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
                                        .profile = profile,
                                        .peaks = peaks,
                                        .measure = measure,
                                        .choices = choices,
                                        .choose = choose};

RN_BACKEND(cpu, iface, "runner/cpu 1",
           RN_DOC("Threads and vectors on the host; oneDNN where it was built with it")
               CPU_OPTIONS);
RN_PLUGIN(&cpu);

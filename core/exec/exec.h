/* SPDX-License-Identifier: Apache-2.0 */
/* The only mutable state of a run on a device: variables, buffers, streams, compiled
 * programs. A step allocates nothing. */
#ifndef EXEC_EXEC_H
#define EXEC_EXEC_H

#include "plan/plan.h"

struct device;  /* one opened backend: its streams, its memory counter */
struct program; /* one compiled plan with its buffers */

struct device_memory {                /* by the counter in the allocator */
    uint64_t now, peak;               /* device space, bytes */
    uint64_t pinned_now, pinned_peak; /* pinned space */
};

int device_open(const struct rn_backend *backend, void *self, struct device **out,
                struct rn_error *e);
void device_close(struct device *d);
const struct rn_device_info *device_info(const struct device *d);
struct device_memory device_memory(const struct device *d);

/* Allocate the storage of every variable of the table, zeroed. Once, when the table is
 * complete and before the first program_create. */
int device_variables(struct device *d, const struct variables *v, struct rn_error *e);
/* Host copies; synchronous; dense logical row-major, variable's dtype. */
int device_variable_write(struct device *d, uint32_t variable, const void *data,
                          struct rn_error *e);
/* Bytes offset .. offset + bytes of it. */
int device_variable_part(struct device *d, uint32_t variable, uint64_t offset,
                         const void *data, uint64_t bytes, struct rn_error *e);
int device_variable_read(struct device *d, uint32_t variable, void *data,
                         struct rn_error *e);
/* The variable itself, where the device's memory is the host's, as it is between runs;
 * NULL elsewhere. Borrowed until the next run. */
const void *device_variable_view(struct device *d, uint32_t variable,
                                 struct rn_error *e);

/* All programs of a device share one arena: of the largest. Reserve after the last
 * program_create and before the first run. A plan that keeps its values has an arena of
 * its own, from its program_create on: such a program can be made at any time. */
int program_create(struct device *d, const struct plan *p, struct program **out,
                   struct rn_error *e);
void program_destroy(struct program *p);
int device_reserve(struct device *d, struct rn_error *e);

/* One run, enqueued: set inputs and scalars, launch, read outputs late.
 * program_input: the staging buffer to fill before program_run (index from
 * program_input_index, -1: unknown); it waits only while the copy of two runs ago (host
 * memory: the last run) is not done. Copies are part of program_run. */
int program_input_index(const struct program *p, const char *name);
void *program_input(struct program *p, int index, uint64_t *bytes, struct rn_error *e);
/* The input is read where it is, instead of a copy in the staging buffer: true where
 * the device reads host memory and data is aligned to 64 bytes; else nothing happens.
 * For every run until the next program_borrow or program_input of it; data stays as it
 * is until those are done. */
bool program_borrow(struct program *p, int index, const void *data);
/* Index of a scalar, or -1; then set by index (no names in a step). */
int program_scalar_index(const struct program *p, const char *name);
void program_set_f32(struct program *p, int index, float x);
void program_set_u32(struct program *p, int index, uint32_t x);
int program_run(struct program *p, struct rn_error *e);
/* Output `name` of the latest run, on the host: waits for it. NULL: unknown. */
int program_output_index(const struct program *p, const char *name);
const void *program_output(struct program *p, int index, struct rn_error *e);
/* The same by name, with its type: dims has room for RN_MAX_RANK. */
const void *program_result(struct program *p, const char *name, rn_dtype *dtype,
                           uint32_t *rank, int64_t *dims, struct rn_error *e);
/* Of a plan that keeps its values: slot `slot` of the program as the latest run left
 * it, slot.bytes, to host memory. Waits for the run. */
int program_slot_read(struct program *p, uint32_t slot, void *out, struct rn_error *e);
/* While a watch is set, a program's run is done when program_run returns, and `ran` is
 * given the times at which its nodes ran: times[2 i], times[2 i + 1] as
 * rn_backend.profile says; began and ended: the call of the backend, on the same clock.
 * NULL: no more. Set after the last program_create; RN_E_UNSUPPORTED when the backend
 * cannot. */
struct device_watch {
    void *context;
    void (*ran)(void *context, const struct plan *p, int64_t began, int64_t ended,
                const int64_t *times);
};
int device_watch(struct device *d, const struct device_watch *w, struct rn_error *e);
/* Measured now; zeros where the backend does not know. Between runs only. */
int device_peaks(struct device *d, struct rn_device_peaks *out, struct rn_error *e);
/* What its instruments show now; false where it has none. */
bool device_gauges(struct device *d, struct rn_device_gauges *out);
/* Wait for everything that was enqueued. */
int device_sync(struct device *d, struct rn_error *e);

/* Bytes that device_open..device_reserve will take for these plans: what `runner plan`
 * prints, computed without allocating; equals device_memory().peak afterwards. */
struct exec_footprint {
    uint64_t variables, data /* variables of that role: samples */;
    uint64_t arena, constants, scalars, inputs, outputs; /* device */
    uint64_t pinned;
    uint64_t total;       /* device bytes */
    uint64_t arena_bound; /* what is alive at once: no arena is smaller */
};
struct exec_footprint exec_footprint(const struct rn_device_info *device,
                                     const struct variables *v, uint32_t n,
                                     const struct plan *const *plans);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Algorithms of cuBLASLt and engines of cuDNN chosen by time, on the device, while a
 * plan is made; the answers are kept as the cpu backend's are
 * (../shared/tuning_table.h) and stand in the record. Without a device, or where
 * nothing can be kept, nothing is timed: the library's first proposal is taken. */
#ifndef CUDA_TUNE_H
#define CUDA_TUNE_H

#include "engine.h"

#define CUDA_WAYS 8    /* that are tried for a node */
#define CUDA_BYTE 0x3c /* fills what is read: 0.0115 in f32 and bf16, 1.06 in f16 */

struct cuda_tuner;

/* h, d: borrowed, outlive the tuner. rule: nothing is timed. NULL: no memory. */
struct cuda_tuner *cuda_tuner_create(struct rn_host *h, struct cuda_device *d,
                                     bool rule);
void cuda_tuner_destroy(struct cuda_tuner *t);

/* Enqueues the node by way `i`. In a trial input k is at base k, output k after the
 * inputs and the workspace after those. */
typedef int32_t (*cuda_way)(void *context, uint32_t i, CUstream stream,
                            void *const *bases, struct rn_error *e);

/* The memory of a trial. Fills input or output `base` with a byte; reads bytes of it;
 * runs way i once. False: it cannot be done. */
struct cuda_bench;
bool cuda_bench_fill(struct cuda_bench *b, uint32_t base, int byte);
bool cuda_bench_read(struct cuda_bench *b, uint32_t base, uint64_t at, void *to,
                     uint64_t bytes);
bool cuda_bench_run(struct cuda_bench *b, uint32_t i);

struct cuda_trial {
    uint32_t count;
    const bool *can; /* by way: it may be tried */
    /* The first `takes` ways do what the node asks for; the others stand for doing
     * without: where one of those is best, the node is not taken. 0: all do. */
    uint32_t takes;
    uint64_t workspace;
    cuda_way way;
    bool (*is_valid)(struct cuda_bench *b, void *context, uint32_t i); /* NULL: all are */
    void *context;
};

#define CUDA_NONE 25 /* no way: the node is not taken */

/* The way that is known to be best for this node, or CUDA_NONE; -1: it is to be tried,
 * by cuda_tuner_try. rule: what a rule says. *ns: its time, 0 when a rule decides. */
int cuda_tuner_known(struct cuda_tuner *t, const struct cuda_setup *s, int rule,
                     uint64_t *ns);
/* Try them; the best, and its time, or CUDA_NONE. -1: none ran. */
int cuda_tuner_try(struct cuda_tuner *t, const struct cuda_setup *s,
                   const struct cuda_trial *c, uint64_t *ns);
/* Keep that there is none. CUDA_NONE. */
int cuda_tuner_none(struct cuda_tuner *t, const struct cuda_setup *s);

/* What this run asked for, borrowed until the next call; and back. */
const char *cuda_tuner_text(struct cuda_tuner *t);
void cuda_tuner_read(struct cuda_tuner *t, const char *text);

#endif

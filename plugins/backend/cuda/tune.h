/* SPDX-License-Identifier: Apache-2.0 */
/* Algorithms of cuBLASLt and engines of cuDNN chosen by time, on the device, while a
 * plan is made; the answers are kept as the cpu backend's are (../cpu/choices.h) and
 * stand in the record. Without a device, or where nothing can be kept, nothing is
 * timed: the library's first proposal is taken. */
#ifndef CUDA_TUNE_H
#define CUDA_TUNE_H

#include "engine.h"

#define CUDA_WAYS 8 /* that are tried for a node */

struct cuda_tuner;

/* h, d: borrowed, outlive the tuner. rule: nothing is timed. NULL: no memory. */
struct cuda_tuner *cuda_tuner_create(struct rn_host *h, struct cuda_device *d,
                                     bool rule);
void cuda_tuner_destroy(struct cuda_tuner *t);

/* Enqueues the node by way `i`. In a trial input k lies at base k, output k after the
 * inputs and the workspace after those. */
typedef int32_t (*cuda_way)(void *context, uint32_t i, CUstream stream,
                            void *const *bases, struct rn_error *e);

/* The way that is known to be best for this node; -1: it is to be tried, by
 * cuda_tuner_try. *ns: its time, 0 when a rule decides. */
int cuda_tuner_known(struct cuda_tuner *t, const struct cuda_setup *s, uint64_t *ns);
/* Try those of `count` ways that `can` says; the best, and its time. -1: none ran. */
int cuda_tuner_try(struct cuda_tuner *t, const struct cuda_setup *s, uint32_t count,
                   const bool *can, uint64_t workspace, cuda_way way, void *context,
                   uint64_t *ns);

/* What this run asked for, borrowed until the next call; and back. */
const char *cuda_tuner_text(struct cuda_tuner *t);
void cuda_tuner_read(struct cuda_tuner *t, const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A struct rn_work for those who call members of a component: the host, and backends
 * that run custom operators. Scratch memory is kept between calls, so that calls which
 * need no more than the ones before do not allocate. One workspace for each thread that
 * calls. Header-only; C11 or C++. */
#ifndef RUNNER_SDK_WORK_H
#define RUNNER_SDK_WORK_H

#include <stdlib.h>

#include <runner/host.h>
#include <runner/sdk/guard.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rn_scratch_block {
    struct rn_scratch_block *next;
    uint64_t bytes, used; /* behind the header */
};

struct rn_scratch_piece { /* of a guarded workspace */
    struct rn_scratch_piece *next;
    struct rn_guarded memory;
};

/* Zeroed, it is ready: no threads, never stopping. */
struct rn_workspace {
    struct rn_work work;             /* first; rn_workspace_begin gives it to a call */
    struct rn_scratch_block *blocks; /* owned; the newest first */
    /* As rn_work_api.parallel_for; NULL: one piece on the calling thread. */
    void (*parallel)(void *context, uint64_t n, uint64_t grain,
                     void (*task)(void *context, uint64_t begin, uint64_t end),
                     void *task_context);
    int32_t (*cancelled)(void *context); /* NULL: never */
    void *context;                       /* of both */
    int32_t guarded;                     /* 1: each piece between guard zones */
    struct rn_scratch_piece *pieces;     /* owned: of the call that is being made */
};

static inline struct rn_scratch_block *rn_scratch_block_new(uint64_t bytes) {
    /* Room for the header, and for alignment. */
    struct rn_scratch_block *b =
        bytes > SIZE_MAX / 2
            ? NULL
            : (struct rn_scratch_block *)malloc((size_t)bytes +
                                                sizeof(struct rn_scratch_block) + 64);
    if (b) {
        b->next = NULL;
        b->bytes = bytes;
        b->used = 0;
    }
    return b;
}

static inline void *rn_scratch_guarded(struct rn_workspace *w, uint64_t bytes) {
    struct rn_scratch_piece *piece = (struct rn_scratch_piece *)malloc(sizeof *piece);
    if (!piece)
        return NULL;
    piece->next = w->pieces;
    w->pieces = piece;
    return rn_guard_open(&piece->memory, RN_GUARD_SCRATCH, NULL, bytes);
}

/* 1 and *d if the last call wrote outside of its scratch memory. */
static inline int32_t rn_workspace_look(const struct rn_workspace *w,
                                        struct rn_guard_damage *d) {
    const struct rn_scratch_piece *piece;
    memset(d, 0, sizeof *d);
    for (piece = w->pieces; piece; piece = piece->next)
        if (rn_guard_look(&piece->memory, d))
            return 1;
    return 0;
}

static inline void *rn_workspace_scratch(struct rn_work *work, uint64_t bytes) {
    struct rn_workspace *w = (struct rn_workspace *)(void *)work;
    struct rn_scratch_block *b = w->blocks;
    if (bytes > SIZE_MAX / 4)
        return NULL;
    if (w->guarded)
        return rn_scratch_guarded(w, bytes);
    bytes = (bytes + 63) / 64 * 64;
    if (!b || b->bytes - b->used < bytes) {
        uint64_t grown = b && 2 * b->bytes > bytes ? 2 * b->bytes : bytes;
        b = rn_scratch_block_new(grown);
        if (!b)
            b = rn_scratch_block_new(bytes);
        if (!b)
            return NULL;
        b->next = w->blocks;
        w->blocks = b;
    }
    uintptr_t first = ((uintptr_t)(b + 1) + 63) / 64 * 64;
    void *at = (void *)(first + (uintptr_t)b->used);
    b->used += bytes;
    return at;
}

static inline void
rn_workspace_parallel(struct rn_work *work, uint64_t n, uint64_t grain,
                      void (*task)(void *context, uint64_t begin, uint64_t end),
                      void *context) {
    struct rn_workspace *w = (struct rn_workspace *)(void *)work;
    if (w->parallel && n)
        w->parallel(w->context, n, grain, task, context);
    else if (n)
        task(context, 0, n);
}

static inline int32_t rn_workspace_cancelled(struct rn_work *work) {
    struct rn_workspace *w = (struct rn_workspace *)(void *)work;
    return w->cancelled ? w->cancelled(w->context) : 0;
}

/* Frees the scratch memory; a zeroed one is fine. */
static inline void rn_workspace_finish(struct rn_workspace *w) {
    while (w->blocks) {
        struct rn_scratch_block *next = w->blocks->next;
        free(w->blocks);
        w->blocks = next;
    }
    while (w->pieces) {
        struct rn_scratch_piece *next = w->pieces->next;
        rn_guard_close(&w->pieces->memory);
        free(w->pieces);
        w->pieces = next;
    }
}

/* Before each call: what the call before had is free again. Several blocks become one.
 */
static inline struct rn_work *rn_workspace_begin(struct rn_workspace *w) {
    static const struct rn_work_api api = {sizeof(struct rn_work_api), 0u,
                                           rn_workspace_scratch, rn_workspace_parallel,
                                           rn_workspace_cancelled};
    w->work.api = &api;
    if (w->pieces)
        rn_workspace_finish(w);
    if (w->blocks && w->blocks->next) {
        uint64_t all = 0;
        struct rn_scratch_block *b;
        for (b = w->blocks; b; b = b->next)
            all += b->bytes;
        rn_workspace_finish(w);
        w->blocks = rn_scratch_block_new(all);
    }
    if (w->blocks)
        w->blocks->used = 0;
    return &w->work;
}

#ifdef __cplusplus
}
#endif
#endif

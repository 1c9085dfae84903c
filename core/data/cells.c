/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of variable size, cut from blocks that grow; a cell never moves. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/cells.h"

#define FIRST_BLOCK 65536u
#define ALIGNMENT   64u

struct block {
    struct block *before;
    uint64_t size, used;
    uint8_t *bytes; /* aligned */
    void *memory;
};

struct cell {
    void *data;
    uint64_t count;
    bool guarded; /* zones of RN_GUARD_MIN bytes around it */
};

struct cells {
    struct rn_cells handle; /* first: what plugins see */
    uint64_t rows, entry_bytes;
    struct cell *cells;
    struct block *block; /* the newest and largest */
    bool guarded;
};

static struct cells *of(struct rn_cells *c) {
    return (struct cells *)c;
}

static void block_release(struct block *b) {
    memory_release(b->memory);
    memory_release(b);
}

static bool block_add(struct cells *c, uint64_t bytes) {
    uint64_t size = c->block ? 2 * c->block->size : FIRST_BLOCK;
    struct block *b = memory_get(sizeof *b);
    b->size = size > bytes ? size : bytes;
    b->memory = memory_try(b->size + ALIGNMENT);
    if (!b->memory) {
        memory_release(b);
        return false;
    }
    b->bytes = (uint8_t *)(((uintptr_t)b->memory + ALIGNMENT - 1) &
                           ~(uintptr_t)(ALIGNMENT - 1));
    b->before = c->block;
    c->block = b;
    return true;
}

static int32_t reserve(struct rn_cells *handle, uint64_t row, uint64_t count,
                       void **data, struct rn_error *e) {
    struct cells *c = of(handle);
    *data = NULL;
    if (row >= c->rows)
        return error_set(e, RN_E_PLUGIN, "cell %llu of %llu rows is asked for",
                         (unsigned long long)row, (unsigned long long)c->rows);
    if (count > (UINT64_MAX >> 16) / c->entry_bytes)
        return error_set(e, RN_E_DATA, "a cell of %llu entries is impossible",
                         (unsigned long long)count);
    uint64_t zone = c->guarded ? RN_GUARD_MIN : 0, content = count * c->entry_bytes;
    uint64_t bytes = (content + 2 * zone + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
    if ((!c->block || bytes > c->block->size - c->block->used) && !block_add(c, bytes))
        return error_set(e, RN_E_MEMORY, "no memory for a cell of %llu bytes",
                         (unsigned long long)bytes);
    uint8_t *at = c->block->bytes + c->block->used + zone;
    rn_guard_paint(at - zone, zone);
    rn_guard_paint(at + content, zone);
    c->block->used += bytes;
    c->cells[row] = (struct cell){at, count, c->guarded};
    *data = at;
    return RN_OK;
}

static const void *get(const struct rn_cells *handle, uint64_t row, uint64_t *count) {
    return cells_get((const struct cells *)handle, row, count);
}

static const struct rn_cells_api api = {sizeof api, 0, reserve, get};

struct cells *cells_create(uint64_t rows, uint64_t entry_bytes) {
    struct cells *c = memory_get(sizeof *c);
    *c = (struct cells){.handle = {&api}, .rows = rows, .entry_bytes = entry_bytes};
    c->cells = memory_get(memory_mul(rows + 1, sizeof *c->cells));
    return c;
}

void cells_destroy(struct cells *c) {
    if (!c)
        return;
    for (struct block *b = c->block, *before; b; b = before) {
        before = b->before;
        block_release(b);
    }
    memory_release(c->cells);
    memory_release(c);
}

struct rn_cells *cells_handle(struct cells *c) {
    return &c->handle;
}

void cells_clear(struct cells *c, uint64_t rows) {
    c->rows = rows;
    memset(c->cells, 0, rows * sizeof *c->cells);
    if (!c->block)
        return;
    for (struct block *b = c->block->before, *before; b; b = before) {
        before = b->before;
        block_release(b);
    }
    c->block->before = NULL;
    c->block->used = 0;
}

void cells_guard(struct cells *c, bool on) {
    c->guarded = on;
}

bool cells_look(const struct cells *c, struct rn_guard_damage *d) {
    *d = (struct rn_guard_damage){.access = RN_GUARD_OUT};
    for (uint64_t i = 0; i < c->rows; i++) {
        const struct cell *one = &c->cells[i];
        const uint8_t *at = one->data;
        if (one->guarded &&
            (rn_guard_damaged(at + one->count * c->entry_bytes, RN_GUARD_MIN, 1, d) ||
             rn_guard_damaged(at - RN_GUARD_MIN, RN_GUARD_MIN, -1, d)))
            return true;
    }
    return false;
}

const void *cells_get(const struct cells *c, uint64_t row, uint64_t *count) {
    *count = row < c->rows ? c->cells[row].count : 0;
    return *count ? c->cells[row].data : "";
}

int cells_copy(struct cells *c, uint64_t row, const struct cells *from, uint64_t other,
               struct rn_error *e) {
    uint64_t count;
    void *to;
    const void *data = cells_get(from, other, &count);
    int status = reserve(&c->handle, row, count, &to, e);
    if (status == RN_OK && count)
        memcpy(to, data, count * c->entry_bytes);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Checked allocation and arenas. */
#define _DEFAULT_SOURCE /* madvise */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"

#define BLOCK_BYTES 65536u
#define ALIGN       16u
#define HUGE_PAGE   ((size_t)2 << 20)
/* An arena that has grown so far takes huge pages: thousands of small ones cost more to
 * fault in than a graph takes to build. */
#define ARENA_IS_LARGE ((size_t)512 << 10)

struct block {
    struct block *next;
    size_t size, used;
    bool mapped; /* from mmap, one huge page; else from malloc */
    _Alignas(ALIGN) unsigned char data[];
};

struct arena {
    struct block *head;
    size_t used;
};

static void (*on_failure)(size_t);

void memory_on_failure(void (*handler)(size_t)) {
    on_failure = handler;
}

static void *checked(void *p, size_t bytes) {
    if (p)
        return p;
    if (on_failure)
        on_failure(bytes);
    abort();
}

void *memory_get(size_t bytes) {
    return checked(calloc(1, bytes ? bytes : 1), bytes);
}

void *memory_try(size_t bytes) {
    return calloc(1, bytes ? bytes : 1);
}

void *memory_large(size_t bytes) {
    if (bytes > SIZE_MAX - HUGE_PAGE)
        return NULL;
    if (bytes < 2 * HUGE_PAGE) {
        void *small = malloc(bytes ? bytes : 1);
        if (small)
            memset(small, 0, bytes);
        return small;
    }
    bytes = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    void *p = aligned_alloc(HUGE_PAGE, bytes);
    if (p)
        madvise(p, bytes, MADV_HUGEPAGE); /* a wish; small pages do as well */
    return p;
}

void *memory_grow(void *p, size_t bytes) {
    return checked(realloc(p, bytes ? bytes : 1), bytes);
}

void memory_release(void *p) {
    free(p);
}

size_t memory_mul(size_t a, size_t b) {
    return b && a > SIZE_MAX / b ? SIZE_MAX : a * b;
}

/* A zeroed, aligned huge page, or small pages where the system has none; NULL: no
 * memory. */
static void *map_huge_page(void) {
    char *p = mmap(NULL, 2 * HUGE_PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t before = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
    if (before)
        munmap(p, before);
    munmap(p + before + HUGE_PAGE, HUGE_PAGE - before);
    madvise(p + before, HUGE_PAGE, MADV_HUGEPAGE);
    return p + before;
}

static struct block *block_create(const struct arena *a, size_t bytes) {
    size_t payload = HUGE_PAGE - sizeof(struct block);
    if (a->used >= ARENA_IS_LARGE && bytes <= payload / 2) {
        struct block *b = map_huge_page();
        if (b) {
            b->size = payload;
            b->mapped = true;
            return b;
        }
    }
    size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    struct block *b = memory_get(sizeof *b + size);
    b->size = size;
    return b;
}

struct arena *arena_create(void) {
    return memory_get(sizeof(struct arena));
}

void arena_destroy(struct arena *a) {
    if (!a)
        return;
    for (struct block *b = a->head, *next; b; b = next) {
        next = b->next;
        if (b->mapped)
            munmap(b, HUGE_PAGE);
        else
            free(b);
    }
    free(a);
}

void *arena_get(struct arena *a, size_t bytes) {
    if (bytes > SIZE_MAX - sizeof(struct block) - ALIGN)
        checked(NULL, bytes);
    bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct block *b = a->head;
    if (!b || b->size - b->used < bytes) {
        b = block_create(a, bytes);
        /* A big allocation gets a block of its own behind the head. */
        if (a->head && bytes > BLOCK_BYTES / 4 && !b->mapped) {
            b->next = a->head->next;
            a->head->next = b;
        } else {
            b->next = a->head;
            a->head = b;
        }
    }
    void *p = b->data + b->used;
    b->used += bytes;
    a->used += bytes;
    return p;
}

char *arena_copy_n(struct arena *a, const char *s, size_t n) {
    char *p = arena_get(a, n + 1);
    memcpy(p, s, n);
    return p;
}

char *arena_copy(struct arena *a, const char *s) {
    return arena_copy_n(a, s, strlen(s));
}

char *arena_format(struct arena *a, const char *format, ...) {
    va_list ap, again;
    va_start(ap, format);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    char *p = arena_get(a, (size_t)(n < 0 ? 0 : n) + 1);
    if (n > 0)
        vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return p;
}

size_t arena_used(const struct arena *a) {
    return a->used;
}

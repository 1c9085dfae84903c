/* SPDX-License-Identifier: Apache-2.0 */
/* Memory by lifetime: arenas for what lives as long as a session, a run or a build, and
 * the one place where an allocation is checked. Running out of small memory ends the
 * process through the handler that commands/ installs (what is durable on disk stays
 * durable); large buffers use memory_try and get RN_E_MEMORY instead. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdarg.h>
#include <stddef.h>

/* Never NULL; zeroed; free with memory_release. */
void *memory_get(size_t bytes);
/* Zeroed, NULL when it does not fit: for buffers whose size comes from data. */
void *memory_try(size_t bytes);
/* For what is filled little by little, so that no page is missing then: small blocks
 * have their pages at once, large ones are in huge pages where the system has them.
 * Content undefined; NULL when it does not fit. */
void *memory_large(size_t bytes);
/* Like realloc (grown part not zeroed), never NULL. */
void *memory_grow(void *p, size_t bytes);
void memory_release(void *p);
/* Called with the size that failed; must not return. Default: abort. */
void memory_on_failure(void (*handler)(size_t bytes));
/* a * b, or SIZE_MAX on overflow (which no allocation satisfies). */
size_t memory_mul(size_t a, size_t b);

struct arena;
struct arena *arena_create(void);
void arena_destroy(struct arena *a); /* NULL is fine */
/* Zeroed, aligned to 16, never NULL; lives until arena_destroy. */
void *arena_get(struct arena *a, size_t bytes);
char *arena_copy(struct arena *a, const char *s);
char *arena_copy_n(struct arena *a, const char *s, size_t n);
__attribute__((format(printf, 2, 3))) char *arena_format(struct arena *a,
                                                         const char *format, ...);
/* Bytes handed out so far. */
size_t arena_used(const struct arena *a);

#define arena_new(a, type)      ((type *)arena_get((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_get((a), memory_mul(sizeof(type), (n))))

/* Append to a growing array: ptr, count, capacity are lvalues; element by value. */
#define vec_push(ptr, count, capacity, ...)                                            \
    do {                                                                               \
        if ((count) == (capacity)) {                                                   \
            (capacity) = (capacity) ? 2 * (capacity) : 8;                              \
            (ptr) = memory_grow((ptr), memory_mul(sizeof *(ptr), (capacity)));         \
        }                                                                              \
        (ptr)[(count)++] = __VA_ARGS__;                                                \
    } while (0)

#endif

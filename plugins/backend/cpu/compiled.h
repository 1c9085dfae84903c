/* SPDX-License-Identifier: Apache-2.0 */
/* Regions compiled by the host's compiler: made in the background, kept in a cache,
 * swapped in between two runs of a region. */
#ifndef CPU_COMPILED_H
#define CPU_COMPILED_H

#include "../shared/cache_file.h"
#include "region.h"

/* ---------------------------------------------------------------- cache.c */

/* A new private folder, in `folder` or, if NULL, where temporary files go. Owned. */
char *cache_scratch(const char *folder);
/* Away with it and the files in it. Frees the name. */
void cache_scratch_remove(char *path);
/* Seal a fresh shared object and move it to its place; `folder` NULL: it stays. The
 * place, owned, or NULL. */
char *cache_put(const char *folder, const struct cache_key *k, const char *file);
/* Open what cache_put sealed. NULL if it is not there, not ours alone, or damaged: then
 * it is removed. */
void *cache_open(const char *path, const struct cache_key *k);
region_fn cache_function(void *so, const char *name); /* NULL: it has none */
void cache_close(void *so);

/* ------------------------------------------------------------- compiled.c */

struct cpu_compiler; /* one for a backend; NULL: regions are interpreted */
struct cpu_compiled; /* the regions of one program */

int32_t cpu_compiler_create(struct rn_host *h, const struct cpu_isa *isa,
                            struct cpu_compiler **out, struct rn_error *e);
/* Ends a compiler that is running and leaves nothing of it behind. */
void cpu_compiler_destroy(struct cpu_compiler *c);

/* Swaps in what the cache has, or (generate: wait) compiles now. NULL: nothing to
 * compile. The regions outlive it. */
struct cpu_compiled *cpu_compiled_create(struct cpu_compiler *c, uint32_t count,
                                         struct region *const *regions);
/* Is cpu_compiled_start worth a call? */
bool cpu_compiled_waits(const struct cpu_compiled *p);
/* Compile in the background. [step]; at most once */
void cpu_compiled_start(struct cpu_compiled *p);
void cpu_compiled_destroy(struct cpu_compiled *p);

#endif

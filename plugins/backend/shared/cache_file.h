/* SPDX-License-Identifier: Apache-2.0 */
/* What backends keep for runs to come: files in the user's cache folder, named by a
 * hash of what they were made from, sealed so that a torn one is never used. The folder
 * is the user's own: hashes guard against accidents. */
#ifndef SHARED_CACHE_FILE_H
#define SHARED_CACHE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache_key { /* start with zeros */
    uint64_t half[2];
};
void cache_key_add(struct cache_key *k, const char *text);

/* ${XDG_CACHE_HOME:-~/.cache}/runner/NAME, made if need be; NULL: there is no home, or
 * others may write there. Owned. */
char *cache_folder(const char *name);
/* FOLDER/KEY.ENDING; owned, NULL: no memory. */
char *cache_path(const char *folder, const struct cache_key *k, const char *tail);
/* FOLDER/NAME; the same. */
char *cache_join(const char *folder, const char *name);

/* What a sealed file holds, *bytes without the seal; owned. NULL: there is none, or it
 * is not ours alone, not whole, or of another key, and then it is removed. */
void *cache_read(const char *path, const struct cache_key *k, size_t *bytes);
/* The seal behind what a file of ours holds. */
bool cache_seal(const char *file, const struct cache_key *k);
/* Sealed, beside its place and moved there. */
bool cache_write(const char *path, const struct cache_key *k, const void *data,
                 size_t bytes);

#endif

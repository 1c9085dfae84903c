/* SPDX-License-Identifier: Apache-2.0 */
/* What backends keep for runs to come: files in the user's cache folder, named by a
 * hash of what they were made from, sealed so that a torn one is never used. The folder
 * is the user's own: hashes guard against accidents. */
#ifndef SHARED_KEPT_H
#define SHARED_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kept_key { /* start with zeros */
    uint64_t half[2];
};
void kept_key_add(struct kept_key *k, const char *text);

/* ${XDG_CACHE_HOME:-~/.cache}/runner/NAME, made if need be; NULL: there is no home, or
 * others may write there. Owned. */
char *kept_folder(const char *name);
/* FOLDER/KEY.ENDING; owned, NULL: no memory. */
char *kept_path(const char *folder, const struct kept_key *k, const char *ending);
/* FOLDER/NAME; the same. */
char *kept_join(const char *folder, const char *name);

/* What a sealed file holds, *bytes without the seal; owned. NULL: there is none, or it
 * is not ours alone, not whole, or of another key, and then it is removed. */
void *kept_read(const char *path, const struct kept_key *k, size_t *bytes);
/* The seal behind what a file of ours holds. */
bool kept_seal(const char *file, const struct kept_key *k);
/* Sealed, beside its place and moved there. */
bool kept_write(const char *path, const struct kept_key *k, const void *data,
                size_t bytes);

#endif

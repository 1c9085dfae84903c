/* SPDX-License-Identifier: Apache-2.0 */
/* The members of an archive, through libarchive. */
#include "members.h"

#include <runner/sdk/error.h>

#ifndef HAVE_ARCHIVE

int32_t members_scan_archive(struct members *m, uint32_t place, struct rn_error *e) {
    rn_failf(e, RN_E_UNSUPPORTED, m->places[place].path, 0, 0,
             "is not a folder, and this runner was built without support for archives");
    rn_hintf(e, "install libarchive-dev and build runner again, or unpack the archive");
    return RN_E_UNSUPPORTED;
}

#else

#include <stdlib.h>

#include <archive.h>
#include <archive_entry.h>

#define PIECE (1u << 16) /* bytes asked of libarchive at a time */

struct scan {
    struct members *m;
    uint32_t place;
    const char *path; /* of the archive */
    struct archive *a;
    uint8_t *bytes, *stored; /* a member as libarchive gives it, and as the file has it */
    uint64_t capacity, stored_capacity;
};

/* What libarchive says, with the member and the byte of the archive. */
static int32_t archive_failed(struct scan *s, const char *member, struct rn_error *e) {
    const char *why = archive_error_string(s->a);
    rn_failf(e, RN_E_DATA, s->path, 0, 0, "%s%.200s%sbyte %lld: %.200s",
             member ? "member '" : "cannot be read as an archive: ",
             member ? member : "", member ? "': " : "",
             (long long)archive_filter_bytes(s->a, -1), why ? why : "it is damaged");
    if (!member)
        rn_hintf(e, "tar (plain, gzip, zstd, xz, bzip2) and zip archives are read");
    return RN_E_DATA;
}

static int32_t grow(struct scan *s, uint8_t **p, uint64_t *capacity, uint64_t size,
                    struct rn_error *e) {
    if (size <= *capacity)
        return RN_OK;
    if (size > s->m->budget->limit)
        return rn_budget_error(s->m->budget, s->path, e);
    uint8_t *more = realloc(*p, rn_size_or_max(size, 1));
    if (!more)
        return rn_failf(e, RN_E_MEMORY, s->path, 0, 0, "no memory to read it");
    *p = more;
    *capacity = size;
    return RN_OK;
}

/* All bytes of the member, however many it announces. A hole at the end of a sparse
 * member is not delivered: it is zeros. */
static int32_t unpack(struct scan *s, struct archive_entry *entry, const char *name,
                      uint64_t *size, struct rn_error *e) {
    *size = 0;
    for (;;) {
        uint64_t room = *size + PIECE > s->capacity ? 2 * s->capacity + PIECE : 0;
        if (room > s->m->budget->limit && *size + PIECE <= s->m->budget->limit)
            room = s->m->budget->limit;
        int32_t status = grow(s, &s->bytes, &s->capacity, room, e);
        if (status != RN_OK)
            return status;
        la_ssize_t got = archive_read_data(s->a, s->bytes + *size, PIECE);
        if (got < 0)
            return archive_failed(s, name, e);
        if (got == 0)
            break;
        *size += (uint64_t)got;
    }
    uint64_t announced = (uint64_t)archive_entry_size(entry);
    if (!archive_entry_size_is_set(entry) || announced <= *size)
        return RN_OK;
    if (!archive_entry_sparse_count(entry))
        return rn_failf(e, RN_E_DATA, s->path, 0, 0,
                        "member '%.200s' is cut short: %llu of %llu bytes", name,
                        (unsigned long long)*size, (unsigned long long)announced);
    int32_t status = grow(s, &s->bytes, &s->capacity, announced, e);
    if (status == RN_OK)
        memset(s->bytes + *size, 0, announced - *size), *size = announced;
    return status;
}

/* Are the file's bytes at `at` the member's? Then it is read from there. */
static int in_place(struct scan *s, int64_t at, uint64_t size) {
    struct rn_error ignored;
    return at >= 0 &&
           grow(s, &s->stored, &s->stored_capacity, size, &ignored) == RN_OK &&
           rn_file_read(s->m->places[s->place].fd, s->stored, size, (uint64_t)at) ==
               (int64_t)size &&
           memcmp(s->stored, s->bytes, size) == 0;
}

static int32_t hold(struct scan *s, struct member *x, struct rn_error *e) {
    if (!rn_budget_take(s->m->budget, x->size)) {
        rn_budget_error(s->m->budget, s->path, e);
        rn_hintf(e, "the members of a compressed archive are held in memory: repack it "
                    "as a plain tar, or set the source's `memory` (MiB) higher");
        return RN_E_DATA;
    }
    struct held_block *b = malloc(sizeof *b + x->size);
    if (!b)
        return rn_failf(e, RN_E_MEMORY, s->path, 0, 0, "no memory for its members");
    memcpy(b->bytes, s->bytes, x->size);
    b->next = s->m->held;
    s->m->held = b;
    x->held = b->bytes;
    return RN_OK;
}

/* tar stores a file that it already has as a hard link to the earlier member. */
static int32_t linked(struct scan *s, struct member *x, const char *to,
                      struct rn_error *e) {
    while (to[0] == '.' && to[1] == '/')
        to += 2;
    for (uint64_t i = 0; i + 1 < s->m->count; i++) {
        const struct member *y = &s->m->at[i];
        if (y->place != s->place || strcmp(y->name, to) != 0)
            continue;
        x->at = y->at, x->size = y->size, x->held = y->held;
        return RN_OK;
    }
    return rn_failf(e, RN_E_DATA, s->path, 0, 0,
                    "member '%.200s' is a hard link to '%.200s', which is not there "
                    "before it",
                    x->name, to);
}

static int32_t add(struct scan *s, struct archive_entry *entry, const char *name,
                   struct rn_error *e) {
    const char *link = archive_entry_hardlink(entry);
    int64_t at = archive_filter_bytes(s->a, 0); /* behind the member's header */
    if (!link && archive_entry_filetype(entry) != AE_IFREG)
        return rn_failf(e, RN_E_DATA, s->path, 0, 0,
                        "member '%.200s' is not a regular file", name);
    struct member *x = members_add(s->m, s->place, name, e);
    if (!x)
        return e && e->status ? e->status : RN_E_MEMORY;
    if (link)
        return linked(s, x, link, e);
    int32_t status = unpack(s, entry, name, &x->size, e);
    if (status != RN_OK)
        return status;
    x->at = (uint64_t)at;
    return in_place(s, at, x->size) ? RN_OK : hold(s, x, e);
}

/* Is one of the folders, or the file, hidden (members.c)? */
static int hidden(const char *name) {
    return name[0] == '.' || strstr(name, "/.") != NULL ||
           strncmp(name, "__MACOSX/", 9) == 0;
}

static int32_t scan(struct scan *s, struct rn_error *e) {
    struct archive_entry *entry;
    uint64_t seen = 0;
    int code, fd = s->m->places[s->place].fd;
    archive_read_support_filter_gzip(s->a);
    archive_read_support_filter_zstd(s->a);
    archive_read_support_filter_xz(s->a);
    archive_read_support_filter_bzip2(s->a);
    archive_read_support_format_tar(s->a);
    archive_read_support_format_zip(s->a);
    if (archive_read_open_fd(s->a, fd, 1u << 17) != ARCHIVE_OK)
        return archive_failed(s, NULL, e);
    while ((code = archive_read_next_header(s->a, &entry)) == ARCHIVE_OK ||
           code == ARCHIVE_WARN) {
        const char *name = archive_entry_pathname(entry);
        name = name ? name : archive_entry_pathname_utf8(entry);
        seen++;
        if (!name)
            return rn_failf(e, RN_E_DATA, s->path, 0, 0,
                            "member %llu has a name that is not text",
                            (unsigned long long)seen);
        while (name[0] == '/' || (name[0] == '.' && name[1] == '/'))
            name += name[0] == '/' ? 1 : 2;
        if (archive_entry_filetype(entry) == AE_IFDIR || hidden(name) ||
            !s->m->wanted(name))
            continue;
        int32_t status = add(s, entry, name, e);
        if (status != RN_OK)
            return status;
    }
    return code == ARCHIVE_EOF ? RN_OK : archive_failed(s, NULL, e);
}

int32_t members_scan_archive(struct members *m, uint32_t place, struct rn_error *e) {
    struct scan s = {
        .m = m, .place = place, .path = m->places[place].path, .a = archive_read_new()};
    int32_t status = s.a ? scan(&s, e)
                         : rn_failf(e, RN_E_MEMORY, s.path, 0, 0, "no memory to read it");
    archive_read_free(s.a);
    free(s.bytes);
    free(s.stored);
    return status;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The members of an archive, through libarchive. */
#include "members.h"

#include <runner/sdk/error.h>

#include <stdio.h>
#include <stdlib.h>

#include <archive.h>
#include <archive_entry.h>

#define PIECE (1u << 16) /* bytes asked of libarchive at a time */

struct scan {
    struct members *m;
    uint32_t place;
    int fd;
    const char *path; /* of the archive */
    char last[256];   /* the member before */
    struct archive *a;
    uint8_t *bytes, *stored; /* a member as libarchive gives it, as the file has it */
    uint64_t capacity, stored_capacity;
};

/* What libarchive reports, with the member and the byte of the archive. */
static int32_t archive_failed(struct scan *s, const char *member, struct rn_error *e) {
    const char *why = archive_error_string(s->a);
    long long at = (long long)archive_filter_bytes(s->a, -1);
    why = why ? why : "it is damaged";
    if (member)
        return rn_failf(e, RN_E_DATA, s->path, 0, 0,
                        "member '%.200s' is damaged: byte %lld of the archive: %.200s",
                        member, at, why);
    if (s->last[0])
        return rn_failf(e, RN_E_DATA, s->path, 0, 0,
                        "is damaged behind member '%.200s': byte %lld: %.200s", s->last,
                        at, why);
    rn_failf(e, RN_E_DATA, s->path, 0, 0,
             "is not an archive that can be read: byte "
             "%lld: %.200s",
             at, why);
    rn_hintf(e, "tar (plain, gzip, zstd, xz, bzip2) and zip archives are read");
    return RN_E_DATA;
}

/* Without what only says that it begins here. */
static const char *inner_name(const char *name) {
    while (name[0] == '/' || (name[0] == '.' && name[1] == '/'))
        name += name[0] == '/' ? 1 : 2;
    return name;
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
           rn_file_read(s->fd, s->stored, size, (uint64_t)at) == (int64_t)size &&
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

/* Where the bytes of the member begin, if they are stored as they are. */
static int64_t offset(struct scan *s) {
    uint8_t head[30];
    int64_t at = archive_filter_bytes(s->a, 0);
    if (archive_filter_count(s->a) != 1 || at < 0) /* compressed as a whole */
        return -1;
    if ((archive_format(s->a) & ARCHIVE_FORMAT_BASE_MASK) != ARCHIVE_FORMAT_ZIP)
        return at;
    if (rn_file_read(s->fd, head, 30, (uint64_t)at) != 30 ||
        memcmp(head, "PK\3\4", 4) != 0)
        return -1;
    return at + 30 + (head[26] | head[27] << 8) + (head[28] | head[29] << 8);
}

static int32_t add(struct scan *s, struct archive_entry *entry, const char *name,
                   struct rn_error *e) {
    const char *link = archive_entry_hardlink(entry);
    int64_t at = offset(s);
    if (!link && archive_entry_filetype(entry) != AE_IFREG)
        return rn_failf(e, RN_E_DATA, s->path, 0, 0,
                        "member '%.200s' is not a regular file", name);
    struct member *x = members_add(s->m, s->place, name, e);
    if (!x)
        return e && e->status ? e->status : RN_E_MEMORY;
    if (link) {
        x->link = strdup(inner_name(link));
        return x->link
                   ? RN_OK
                   : rn_failf(e, RN_E_MEMORY, s->path, 0, 0, "no memory to read it");
    }
    int32_t status = unpack(s, entry, name, &x->size, e);
    if (status != RN_OK)
        return status;
    x->at = at > 0 ? (uint64_t)at : 0;
    return in_place(s, at, x->size) ? RN_OK : hold(s, x, e);
}

static void set_up(struct archive *a) {
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_format_tar(a);
    archive_read_support_format_zip(a);
}

static int32_t entry_add(struct scan *s, struct archive_entry *entry, uint64_t number,
                         struct rn_error *e) {
    const char *name = archive_entry_pathname(entry);
    name = name ? name : archive_entry_pathname_utf8(entry);
    if (!name)
        return rn_failf(e, RN_E_DATA, s->path, 0, 0,
                        "member %llu has a name that is not text",
                        (unsigned long long)number);
    name = inner_name(name);
    snprintf(s->last, sizeof s->last, "%s", name);
    if (archive_entry_filetype(entry) == AE_IFDIR || !members_use(s->m, name))
        return RN_OK;
    return add(s, entry, name, e);
}

/* A zip file ends with a record of its directory (APPNOTE 4.3.16): 22 bytes and a
 * comment. libarchive reads on without it. */
static int32_t check_zip(struct scan *s, struct rn_error *e) {
    uint8_t tail[22 + 65535];
    struct stat st;
    uint64_t size = fstat(s->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    uint64_t n = size < sizeof tail ? size : sizeof tail;
    if (rn_file_read(s->fd, tail, n, size - n) != (int64_t)n)
        return rn_failf(e, RN_E_IO, s->path, 0, 0, "cannot be read");
    for (uint64_t at = n < 22 ? 0 : n - 21; at-- > 0;)
        if (memcmp(tail + at, "PK\5\6", 4) == 0 &&
            at + 22 + (tail[at + 20] | (uint64_t)tail[at + 21] << 8) <= n)
            return RN_OK;
    return rn_failf(e, RN_E_DATA, s->path, 0, 0,
                    "is cut short: byte %llu: the directory of a zip file is missing",
                    (unsigned long long)size);
}

/* tar ends with blocks of zeros. Without them, what follows may have been lost. */
static int32_t check_end(struct scan *s, int64_t last, struct rn_error *e) {
    int64_t end = archive_filter_bytes(s->a, 0);
    int format = archive_format(s->a) & ARCHIVE_FORMAT_BASE_MASK;
    if (format == ARCHIVE_FORMAT_ZIP)
        return check_zip(s, e);
    if (format != ARCHIVE_FORMAT_TAR || end > last)
        return RN_OK;
    rn_failf(e, RN_E_DATA, s->path, 0, 0,
             "is cut short: byte %lld: no block of zeros marks its end",
             (long long)end);
    return RN_E_DATA;
}

static int32_t scan(struct scan *s, struct rn_error *e) {
    struct archive_entry *entry;
    uint64_t seen = 0;
    int64_t last = 0; /* where the last member ends */
    int code;
    set_up(s->a);
    if (archive_read_open_fd(s->a, s->fd, 1u << 17) != ARCHIVE_OK)
        return archive_failed(s, NULL, e);
    while ((code = archive_read_next_header(s->a, &entry)) == ARCHIVE_OK ||
           code == ARCHIVE_WARN) {
        int32_t status = entry_add(s, entry, ++seen, e);
        if (status != RN_OK)
            return status;
        if (archive_read_data_skip(s->a) < ARCHIVE_WARN)
            return archive_failed(s, s->last, e);
        last = archive_filter_bytes(s->a, 0);
    }
    return code == ARCHIVE_EOF ? check_end(s, last, e) : archive_failed(s, NULL, e);
}

__attribute__((visibility("default"))) int32_t
members_scan_archive(struct members *m, uint32_t place, int fd, struct rn_error *e) {
    struct scan s = {.m = m,
                     .place = place,
                     .fd = fd,
                     .path = m->places[place].path,
                     .a = archive_read_new()};
    int32_t status =
        s.a ? scan(&s, e)
            : rn_failf(e, RN_E_MEMORY, s.path, 0, 0, "no memory to read it");
    archive_read_free(s.a);
    free(s.bytes);
    free(s.stored);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Writing and checking seals. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "record/file.h"
#include "record/seal.h"

_Static_assert(sizeof(struct seal_range) == 24, "as in the file");

uint64_t seal_room(uint64_t ranges) {
    uint64_t need = SEAL_BYTES + ranges * sizeof(struct seal_range), room = SEAL_BYTES;
    while (room < need)
        room *= 2;
    return room;
}

/* The lines that the hash covers, too. */
static int seal_lines(char *text, size_t size, const char *kind, const struct seal *s) {
    int n =
        snprintf(text, size,
                 "runner %s %d\nstep=%" PRId64 "\nbytes=%" PRIu64 "\nlog=%" PRIu64 "\n",
                 kind, s->ranges ? 2 : 1, s->step, s->bytes, s->log);
    if (s->ranges)
        n += snprintf(text + n, size - (size_t)n, "ranges=%" PRIu64 "\n", s->ranges);
    return n;
}

/* Add the bytes from `at` up to `end` of fd. */
static int add_bytes(struct sha256 *h, int fd, uint64_t at, uint64_t end, char *buffer,
                     size_t size, const char *path, struct rn_error *e) {
    int status = RN_OK;
    while (!status && at < end) {
        uint64_t take = end - at < size ? end - at : size;
        status = file_read(fd, buffer, take, at, path, e);
        if (!status)
            sha256_add(h, buffer, (size_t)take);
        at += take;
    }
    return status;
}

static int digest(int fd, const char *kind, const char *path,
                  const struct seal_range *ranges, struct seal *s, struct rn_error *e) {
    enum { part = 1 << 20 };
    char lines[256];
    int n = seal_lines(lines, sizeof lines, kind, s);
    struct sha256 h;
    sha256_init(&h);
    sha256_add(&h, lines, (size_t)n);
    char *buffer = memory_get(part);
    int status = RN_OK;
    uint64_t at = SEAL_BYTES;
    for (uint64_t i = 0; !status && i < s->ranges; i++) {
        status = add_bytes(&h, fd, at, ranges[i].offset, buffer, part, path, e);
        at = ranges[i].offset + ranges[i].bytes;
    }
    if (!status)
        status = add_bytes(&h, fd, at, s->bytes, buffer, part, path, e);
    memory_release(buffer);
    uint8_t raw[32];
    sha256_finish(&h, raw);
    sha256_hex(raw, s->sha256);
    return status;
}

static int size_of(int fd, const char *path, uint64_t *bytes, struct rn_error *e) {
    struct stat st;
    if (fstat(fd, &st))
        return file_error(e, "read", path);
    *bytes = (uint64_t)st.st_size;
    return RN_OK;
}

static int by_offset(const void *a, const void *b) {
    const struct seal_range *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

int seal_write(int fd, const char *kind, int64_t step, uint64_t log,
               struct seal_range *ranges, uint64_t count, const char *path,
               struct seal *out, struct rn_error *e) {
    struct seal s = {.step = step, .log = log, .ranges = count};
    char text[SEAL_BYTES] = {0};
    int status = size_of(fd, path, &s.bytes, e);
    if (count)
        qsort(ranges, (size_t)count, sizeof *ranges, by_offset);
    if (!status && count)
        status = file_write(fd, ranges, count * sizeof *ranges, SEAL_BYTES, path, e);
    if (!status)
        status = digest(fd, kind, path, ranges, &s, e);
    if (status)
        return status;
    int n = seal_lines(text, sizeof text, kind, &s);
    snprintf(text + n, sizeof text - (size_t)n, "sha256=%s\n", s.sha256);
    status = file_write(fd, text, sizeof text, 0, path, e);
    if (out)
        *out = s;
    return status;
}

static int damaged_seal(const char *path, struct rn_error *e) {
    return error_set(e, RN_E_CHECKPOINT, "the seal of %s is damaged", path);
}

/* Only text that seal_write makes is accepted: it is made again and compared. */
static int parse(const char *text, const char *kind, const char *path, struct seal *s,
                 struct rn_error *e) {
    char again[SEAL_BYTES] = {0}, got[SEAL_BYTES + 1] = {0};
    memcpy(got, text, SEAL_BYTES);
    memset(s, 0, sizeof *s);
    char head[64];
    int n = snprintf(head, sizeof head, "runner %s ", kind);
    if (strncmp(got, head, (size_t)n) != 0)
        return error_set(e, RN_E_CHECKPOINT, "%s is not a %s file of runner", path,
                         kind);
    bool second = strncmp(got + n, "2\n", 2) == 0;
    if (!second && strncmp(got + n, "1\n", 2) != 0)
        return error_set(e, RN_E_CHECKPOINT,
                         "%s has a format that this version of runner does not know",
                         path);
    const char *sha = strstr(got, "\nsha256="), *ranges = strstr(got, "\nranges=");
    if (sscanf(got + n + 2, "step=%" SCNd64 "\nbytes=%" SCNu64 "\nlog=%" SCNu64 "\n",
               &s->step, &s->bytes, &s->log) != 3 ||
        !sha ||
        (second && (!ranges || sscanf(ranges + 8, "%" SCNu64, &s->ranges) != 1)))
        return damaged_seal(path, e);
    snprintf(s->sha256, sizeof s->sha256, "%.64s", sha + 8);
    n = seal_lines(again, sizeof again, kind, s);
    snprintf(again + n, sizeof again - (size_t)n, "sha256=%s\n", s->sha256);
    return memcmp(again, text, SEAL_BYTES) == 0 ? RN_OK : damaged_seal(path, e);
}

/* The table, whose ranges must rise within the file and behind the table itself. */
static int read_ranges(int fd, const struct seal *s, const char *path,
                       struct seal_range **out, struct rn_error *e) {
    *out = NULL;
    if (s->ranges > (s->bytes - SEAL_BYTES) / sizeof **out)
        return damaged_seal(path, e);
    struct seal_range *r = memory_try((size_t)s->ranges * sizeof *r + 1);
    if (!r)
        return error_set(e, RN_E_MEMORY, "no memory for the seal of %s", path);
    int status = file_read(fd, r, s->ranges * sizeof *r, SEAL_BYTES, path, e);
    uint64_t at = SEAL_BYTES + s->ranges * sizeof *r;
    for (uint64_t i = 0; !status && i < s->ranges; i++) {
        if (r[i].offset < at || r[i].offset > s->bytes ||
            r[i].bytes > s->bytes - r[i].offset)
            status = damaged_seal(path, e);
        at = r[i].offset + r[i].bytes;
    }
    *out = r;
    return status;
}

int seal_check(int fd, const char *kind, const char *path, struct seal *out,
               struct rn_error *e) {
    char text[SEAL_BYTES];
    struct seal s, now;
    struct seal_range *table = NULL;
    uint64_t bytes = 0;
    int status = size_of(fd, path, &bytes, e);
    if (!status)
        status = file_read(fd, text, sizeof text, 0, path, e);
    if (!status)
        status = parse(text, kind, path, &s, e);
    if (status)
        return status;
    if (bytes != s.bytes)
        return error_set(e, RN_E_CHECKPOINT,
                         "%s is damaged: it has %" PRIu64
                         " bytes, its seal says %" PRIu64,
                         path, bytes, s.bytes);
    now = s;
    status = read_ranges(fd, &s, path, &table, e);
    if (!status)
        status = digest(fd, kind, path, table, &now, e);
    if (!status && strcmp(now.sha256, s.sha256) != 0)
        status = error_set(e, RN_E_CHECKPOINT,
                           "%s is damaged: its SHA-256 does not match its seal", path);
    if (!status && out)
        *out = s;
    memory_release(table);
    return status;
}

int seal_peek(const char *path, const char *kind, struct seal *out,
              struct rn_error *e) {
    char text[SEAL_BYTES];
    int fd = file_open(path, O_RDONLY, e);
    if (fd < 0)
        return fd;
    int status = file_read(fd, text, sizeof text, 0, path, e);
    close(fd);
    return status ? status : parse(text, kind, path, out, e);
}

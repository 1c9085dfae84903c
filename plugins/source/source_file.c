/* SPDX-License-Identifier: Apache-2.0 */
/* Members of archives as files. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif
#include <stdio.h>
#include <stdlib.h>

#include <sys/mman.h>

#include "members.h"
#include "source_file.h"

struct wanted {
    const char *name, *linked; /* the member, and what it is a hard link to, or NULL */
};

static int used(void *context, const char *name) {
    const struct wanted *w = context;
    return strcmp(name, w->name) == 0 || (w->linked && strcmp(name, w->linked) == 0);
}

/* The '!' behind the archive, or NULL: the first whose left side is a file. */
static const char *find_mark(const char *path) {
    struct stat st;
    for (const char *p = path; (p = strchr(p, '!')) != NULL; p++) {
        char *archive = strndup(path, (size_t)(p - path));
        int there = archive && stat(archive, &st) == 0 && S_ISREG(st.st_mode);
        free(archive);
        if (there)
            return p;
    }
    return NULL;
}

int source_file_in_archive(const char *path) {
    struct stat st;
    return stat(path, &st) != 0 && find_mark(path) != NULL;
}

static int32_t copy_to_memory(struct source_file *f, const char *path,
                              const uint8_t *bytes, uint64_t size, struct rn_error *e) {
    f->fd = memfd_create("member", MFD_CLOEXEC);
    for (uint64_t done = 0; f->fd >= 0 && done < size;) {
        ssize_t n = pwrite(f->fd, bytes + done, size - done, (off_t)done);
        if (n <= 0) {
            close(f->fd);
            f->fd = -1;
        } else {
            done += (uint64_t)n;
        }
    }
    f->at = 0;
    f->size = size;
    return f->fd >= 0 ? RN_OK
                      : rn_failf(e, RN_E_MEMORY, path, 0, 0, "no memory for %llu bytes",
                                 (unsigned long long)size);
}

static int32_t open_in_place(struct source_file *f, const char *archive,
                             const struct member *x, struct rn_error *e) {
    f->at = x->at;
    f->size = x->size;
    return rn_source_open(archive, &f->fd, NULL, e);
}

static int32_t copy(struct source_file *f, const struct members *m, uint64_t i,
                    const char *path, struct rn_budget *b, struct rn_error *e) {
    struct member_buffer buffer = {0};
    const uint8_t *bytes;
    uint64_t size;
    int32_t status = members_read(m, i, &buffer, &bytes, &size, e);
    if (status == RN_OK && !rn_budget_take(b, size))
        status = rn_budget_error(b, path, e);
    if (status == RN_OK)
        status = copy_to_memory(f, path, bytes, size, e);
    member_buffer_finish(&buffer);
    return status;
}

static int32_t not_there(const struct members *m, const char *archive, const char *name,
                         struct rn_error *e) {
    rn_failf(e, RN_E_DATA, archive, 0, 0, "has no member '%.200s'", name);
    if (m->unused)
        rn_hintf(e, "it has %llu others, as '%.200s'", (unsigned long long)m->unused,
                 m->unused_name);
    return RN_E_DATA;
}

static int32_t open_member(struct source_file *f, char *archive, const char *name,
                           const char *path, int alone, struct rn_budget *b,
                           struct rn_error *e) {
    struct rn_budget own = *b; /* what libarchive unpacks is freed on return */
    struct wanted w = {name, NULL};
    struct members m = {.budget = &own, .used = used, .context = &w};
    int32_t status = members_open(&m, &archive, 1, e);
    if (status != RN_OK && m.count == 1 && m.at[0].link) { /* again, with its target */
        char *linked = m.at[0].link;
        m.at[0].link = NULL;
        members_finish(&m);
        own = *b;
        w.linked = linked;
        m = (struct members){.budget = &own, .used = used, .context = &w};
        status = members_open(&m, &archive, 1, e);
        free(linked);
    }
    const struct member *x = status == RN_OK ? members_find(&m, 0, name) : NULL;
    if (status == RN_OK && !x)
        status = not_there(&m, archive, name, e);
    else if (status == RN_OK && !alone && !x->held)
        status = open_in_place(f, archive, x, e);
    else if (status == RN_OK)
        status = copy(f, &m, (uint64_t)(x - m.at), path, b, e);
    members_finish(&m);
    return status;
}

int32_t source_file_open(struct source_file *f, const char *path, int alone,
                         struct rn_budget *b, struct rn_error *e) {
    struct stat st;
    *f = (struct source_file){.fd = -1};
    if (!source_file_in_archive(path)) {
        int32_t status = rn_source_open(path, &f->fd, &st, e);
        f->size = status == RN_OK ? (uint64_t)st.st_size : 0;
        return status;
    }
    const char *mark = find_mark(path);
    char *archive = mark ? strndup(path, (size_t)(mark - path)) : NULL;
    f->member = 1;
    int32_t status = archive ? open_member(f, archive, mark + 1, path, alone, b, e)
                             : rn_failf(e, RN_E_DATA, path, 0, 0, "cannot be opened");
    free(archive);
    return status;
}

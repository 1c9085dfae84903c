/* SPDX-License-Identifier: Apache-2.0 */
/* Folders, and what folders and archives share. */
#include <stdio.h>
#include <stdlib.h>

#include <dirent.h>

#include <runner/sdk/error.h>

#include "members.h"

#define DEPTH_MAX 64 /* folders in folders */
#define LINKS_MAX 16 /* hard links to hard links */

void members_finish(struct members *m) {
    for (uint64_t i = 0; i < m->count; i++)
        free(m->at[i].name), free(m->at[i].link);
    for (uint32_t i = 0; i < m->place_count; i++)
        free((char *)(uintptr_t)m->places[i].path);
    while (m->held) {
        struct held_block *next = m->held->next;
        free(m->held);
        m->held = next;
    }
    free(m->at);
    free(m->places);
    m->at = NULL, m->places = NULL, m->count = m->place_count = 0;
}

void members_path(const struct members *m, const struct member *x, char *out,
                  size_t size) {
    const struct member_place *place = &m->places[x->place];
    snprintf(out, size, "%s%s%s", place->path, place->archive ? "!" : "/", x->name);
}

struct member *members_add(struct members *m, uint32_t place, const char *name,
                           struct rn_error *e) {
    const char *path = m->places[place].path;
    size_t length = strlen(name) + 1;
    if (!rn_budget_take(m->budget, length + sizeof *m->at)) {
        rn_budget_error(m->budget, path, e);
        return NULL;
    }
    if (m->count == m->capacity) {
        uint64_t capacity = m->capacity ? 2 * m->capacity : 256;
        struct member *more = realloc(m->at, rn_size_or_max(capacity, sizeof *more));
        if (more)
            m->at = more, m->capacity = capacity;
    }
    char *copy = m->count < m->capacity ? malloc(length) : NULL;
    if (!copy) {
        rn_failf(e, RN_E_MEMORY, path, 0, 0, "no memory for the names of its files");
        return NULL;
    }
    memcpy(copy, name, length);
    m->at[m->count] = (struct member){.name = copy, .place = place};
    return &m->at[m->count++];
}

/* A part of the name begins with a dot, or it is what macOS adds to archives. */
static int hidden(const char *name) {
    return name[0] == '.' || strstr(name, "/.") != NULL ||
           strncmp(name, "__MACOSX/", 9) == 0;
}

int members_use(struct members *m, const char *name) {
    if (hidden(name)) {
        m->hidden++;
        return 0;
    }
    if (m->used(m->context, name))
        return 1;
    if (m->unused++ == 0)
        snprintf(m->unused_name, sizeof m->unused_name, "%s", name);
    return 0;
}

/* ---------------------------------------------------------------- folders */

/* A link to a regular file is followed; a folder could contain itself. */
static int32_t check_link(const char *path, struct stat *st, struct rn_error *e) {
    const char *why = NULL;
    if (stat(path, st) != 0)
        why = "is a symbolic link to nothing";
    else if (S_ISDIR(st->st_mode))
        why = "is a symbolic link to a folder, which is not followed";
    else if (!S_ISREG(st->st_mode))
        why = "is a symbolic link to something that is not a regular file";
    return why ? rn_failf(e, RN_E_DATA, path, 0, 0, "%s", why) : RN_OK;
}

static int32_t scan_folder(struct members *m, uint32_t place, const char *inside,
                           int depth, struct rn_error *e);

static const char *base_name(const char *name) {
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

static int32_t folder_entry(struct members *m, uint32_t place, const char *name,
                            int depth, struct rn_error *e) {
    const char *root = m->places[place].path;
    char path[4096];
    struct stat st;
    const char *kind;
    int32_t status = RN_OK;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", root, name) >= sizeof path)
        return rn_failf(e, RN_E_DATA, root, 0, 0, "has a path that is too long: %.200s",
                        name);
    if (lstat(path, &st) != 0)
        return rn_failf(e, RN_E_IO, path, 0, 0, "cannot be looked at: %s",
                        strerror(errno));
    if (S_ISDIR(st.st_mode) && hidden(base_name(name)))
        return m->hidden++, RN_OK;
    if (S_ISDIR(st.st_mode))
        return scan_folder(m, place, name, depth + 1, e);
    if (S_ISLNK(st.st_mode) && !hidden(name))
        status = check_link(path, &st, e);
    if (status == RN_OK && !members_use(m, name))
        return RN_OK;
    if (status == RN_OK && (kind = rn_file_kind(&st)) != NULL)
        status = rn_failf(e, RN_E_DATA, path, 0, 0, "%s", kind);
    struct member *x = status == RN_OK ? members_add(m, place, name, e) : NULL;
    if (x)
        x->size = (uint64_t)st.st_size;
    return x                 ? RN_OK
           : status != RN_OK ? status
           : e && e->status  ? e->status
                             : RN_E_MEMORY;
}

static int32_t scan_folder(struct members *m, uint32_t place, const char *inside,
                           int depth, struct rn_error *e) {
    const char *root = m->places[place].path;
    char path[4096];
    struct dirent *d;
    int32_t status = RN_OK;
    snprintf(path, sizeof path, "%s%s%s", root, *inside ? "/" : "", inside);
    if (depth > DEPTH_MAX)
        return rn_failf(e, RN_E_DATA, path, 0, 0, "more than %d folders in folders",
                        DEPTH_MAX);
    DIR *dir = opendir(path);
    if (!dir)
        return rn_failf(e, errno == ENOENT ? RN_E_DATA : RN_E_IO, path, 0, 0,
                        "cannot be opened: %s", strerror(errno));
    while (status == RN_OK && (d = readdir(dir)) != NULL) {
        char name[4096];
        if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
            continue;
        int n = snprintf(name, sizeof name, "%s%s%s", inside, *inside ? "/" : "",
                         d->d_name);
        status = (size_t)n < sizeof name ? folder_entry(m, place, name, depth, e)
                                         : rn_failf(e, RN_E_DATA, path, 0, 0,
                                                    "has a path that is too long");
    }
    closedir(dir);
    return status;
}

/* ------------------------------------------------------------------- both */

static int by_name(const void *a, const void *b) {
    const struct member *x = a, *y = b;
    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    return strcmp(x->name, y->name);
}

const struct member *members_find(const struct members *m, uint32_t place,
                                  const char *name) {
    struct member key = {.name = (char *)(uintptr_t)name, .place = place};
    return m->count ? bsearch(&key, m->at, m->count, sizeof *m->at, by_name) : NULL;
}

static int32_t open_place(struct members *m, const char *path, struct rn_error *e) {
    struct stat st;
    uint32_t place = m->place_count;
    char *copy = strdup(path);
    if (!copy)
        return rn_failf(e, RN_E_MEMORY, path, 0, 0, "no memory for its name");
    for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/';)
        copy[--n] = '\0';
    m->places[m->place_count++] = (struct member_place){copy, 0};
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return scan_folder(m, place, "", 0, e);
    int fd;
    int32_t status = rn_source_open(path, &fd, NULL, e);
    if (status != RN_OK)
        return status;
    m->places[place].archive = 1;
    status = members_scan(m, place, fd, e);
    close(fd);
    return status;
}

/* tar stores a file that it already has as a hard link to the earlier member, which may
 * be a link itself. */
static int32_t resolve(struct members *m, struct member *x, struct rn_error *e) {
    const struct member *y = x;
    for (int steps = 0; y && y->link && steps < LINKS_MAX; steps++)
        y = members_find(m, x->place, y->link);
    if (!y || y->link)
        return rn_failf(
            e, RN_E_DATA, m->places[x->place].path, 0, 0,
            "member '%.200s' is a hard link to '%.200s', which is not among "
            "the members that are read",
            x->name, x->link);
    x->at = y->at, x->size = y->size, x->held = y->held;
    return RN_OK;
}

static int32_t resolve_links(struct members *m, struct rn_error *e) {
    int32_t status = RN_OK;
    for (uint64_t i = 0; i < m->count && status == RN_OK; i++)
        if (m->at[i].link)
            status = resolve(m, &m->at[i], e);
    for (uint64_t i = 0; i < m->count && status == RN_OK; i++) {
        free(m->at[i].link);
        m->at[i].link = NULL;
    }
    return status;
}

int32_t members_open(struct members *m, char *const *paths, uint32_t count,
                     struct rn_error *e) {
    int32_t status = RN_OK;
    m->places = calloc(count + 1u, sizeof *m->places);
    if (!m->places)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    for (uint32_t i = 0; i < count && status == RN_OK; i++)
        status = open_place(m, paths[i], e);
    if (status != RN_OK || !m->count)
        return status;
    qsort(m->at, m->count, sizeof *m->at, by_name);
    for (uint64_t i = 1; i < m->count; i++)
        if (by_name(&m->at[i - 1], &m->at[i]) == 0)
            return rn_failf(e, RN_E_DATA, m->places[m->at[i].place].path, 0, 0,
                            "has two members named '%.300s'", m->at[i].name);
    return resolve_links(m, e);
}

static int32_t make_room(const struct members *m, const char *path, uint64_t size,
                         struct member_buffer *b, struct rn_error *e) {
    if (size <= b->capacity)
        return RN_OK;
    if (size > m->budget->limit)
        return rn_budget_error(m->budget, path, e);
    uint8_t *more = realloc(b->bytes, rn_size_or_max(size, 1));
    if (!more)
        return rn_failf(e, RN_E_MEMORY, path, 0, 0, "no memory to read it");
    b->bytes = more;
    b->capacity = size;
    return RN_OK;
}

void member_buffer_finish(struct member_buffer *b) {
    free(b->bytes);
    if (b->open)
        close(b->fd);
    memset(b, 0, sizeof *b);
}

/* The archive stays open until another one is read. */
static int32_t open_archive(const struct members *m, uint32_t place,
                            struct member_buffer *b, struct rn_error *e) {
    if (b->open && b->place == place)
        return RN_OK;
    if (b->open)
        close(b->fd);
    b->open = 0;
    int32_t status = rn_source_open(m->places[place].path, &b->fd, NULL, e);
    b->open = status == RN_OK;
    b->place = place;
    return status;
}

static int32_t read_file(const struct members *m, const char *path,
                         struct member_buffer *b, uint64_t *size, struct rn_error *e) {
    struct stat st;
    int fd;
    int32_t status = rn_source_open(path, &fd, &st, e);
    if (status != RN_OK)
        return status;
    *size = (uint64_t)st.st_size;
    status = make_room(m, path, *size, b, e);
    if (status == RN_OK && *size)
        status = rn_source_read(fd, path, b->bytes, *size, 0, e);
    close(fd);
    return status;
}

int32_t members_read(const struct members *m, uint64_t i, struct member_buffer *b,
                     const uint8_t **bytes, uint64_t *size, struct rn_error *e) {
    const struct member *x = &m->at[i];
    char path[4608];
    int32_t status;
    *size = x->size;
    *bytes = x->held;
    if (x->held)
        return RN_OK;
    members_path(m, x, path, sizeof path);
    if (m->places[x->place].archive) {
        status = open_archive(m, x->place, b, e);
        if (status == RN_OK)
            status = make_room(m, path, *size, b, e);
        if (status == RN_OK && *size)
            status = rn_source_read(b->fd, path, b->bytes, *size, x->at, e);
    } else {
        status = read_file(m, path, b, size, e);
    }
    *bytes = b->bytes;
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Datasets of one HDF5 file, one a field, rows along the first axis.
 *
 * The HDF5 library runs in a child process only (hdf5_read.c): a damaged file may make
 * it crash, hang or take any amount of memory. The child says what each dataset is; one
 * that is contiguous in the file is then read with pread() as rows are needed, any
 * other (chunked, compressed, converted) arrives through the pipe and is held in
 * memory. */
#include <stdlib.h>

#include <runner/sdk/error.h>
#include <runner/sdk/source.h>

#include "hdf5_child.h"
#include "hdf5_reply.h"

struct dataset {
    const char *path; /* host, until destroy */
    int absent;       /* rows to predict come without it */
    int reversed;     /* the file has its axes in reverse order */
    uint8_t *rows;    /* in memory, or NULL */
    uint64_t start;   /* else: offset of row 0 in the file */
    uint64_t row_bytes;
};

struct source {
    const char *file; /* host, until destroy */
    int fd, predict;
    uint64_t file_bytes;
    struct rn_budget budget;
    uint64_t count;
    uint32_t field_count;
    struct rn_field *fields;
    struct dataset *sets;
};

static void destroy(void *self) {
    struct source *s = self;
    if (s) {
        for (uint32_t i = 0; s->sets && i < s->field_count; i++)
            free(s->sets[i].rows);
        if (s->fd >= 0)
            close(s->fd);
        free(s->fields);
        free(s->sets);
    }
    free(s);
}

/* The child read a damaged file: what it says is checked like a file. */
static int32_t impossible(const struct source *s, const char *path,
                          struct rn_error *e) {
    return rn_failf(e, RN_E_DATA, s->file, 0, 0,
                    "'%.160s' is described wrongly: the file is damaged", path);
}

static int dtype_known(rn_dtype d) {
    static const rn_dtype known[] = {RN_F32, RN_F64, RN_I64, RN_I32,
                                     RN_I8,  RN_U32, RN_U8,  RN_BOOL};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i] == d)
            return 1;
    return 0;
}

/* Of the first dataset that is there. */
static const char *first_path(const struct source *s) {
    uint32_t i = 0;
    while (i + 1 < s->field_count && s->sets[i].absent)
        i++;
    return s->sets[i].path;
}

/* A reply about dataset i; its rows, where they are streamed. */
static int32_t set_take(struct source *s, struct hdf5_child *child, uint32_t i,
                        struct hdf5_reply *r, struct rn_error *e) {
    struct dataset *d = &s->sets[i];
    struct rn_field *f = &s->fields[i];
    uint64_t bytes = 0, end = 0;
    if (!dtype_known(r->dtype) || r->rank >= RN_MAX_RANK || !r->rows ||
        !rn_size_product(RN_DTYPE_BYTES(r->dtype), r->shape, r->rank, &d->row_bytes) ||
        !rn_size_mul(r->rows, d->row_bytes, &bytes) || bytes > INT64_MAX)
        return impossible(s, d->path, e);
    f->dtype = r->dtype;
    f->flags = r->flags & RN_FIELD_TEXT;
    f->rank = r->rank;
    memcpy(f->shape, r->shape, r->rank * sizeof f->shape[0]);
    if (s->count && r->rows != s->count)
        return rn_failf(e, RN_E_DATA, s->file, 0, 0,
                        "'%.100s' has %llu rows, but '%.100s' has %llu", d->path,
                        (unsigned long long)r->rows, first_path(s),
                        (unsigned long long)s->count);
    s->count = r->rows;
    d->start = r->offset;
    if (r->offset != HDF5_STREAMED)
        return rn_size_add(r->offset, bytes, &end) && end <= s->file_bytes
                   ? RN_OK
                   : rn_failf(
                         e, RN_E_DATA, s->file, 0, 0,
                         "'%.160s' cannot be read: the file is cut short or damaged",
                         d->path);
    if (!rn_budget_take(&s->budget, bytes))
        return rn_budget_error(&s->budget, s->file, e);
    d->rows = malloc(bytes);
    if (!d->rows)
        return rn_failf(e, RN_E_MEMORY, s->file, 0, 0, "no memory for '%.160s'",
                        d->path);
    return hdf5_child_read(child, d->rows, bytes, d->path, e);
}

static int32_t sets_take(struct source *s, struct hdf5_child *child,
                         struct rn_error *e) {
    for (uint32_t i = 0; i < s->field_count; i++) {
        struct hdf5_reply r;
        int32_t status =
            hdf5_child_read(child, &r, sizeof r, i ? s->sets[i].path : NULL, e);
        if (status != RN_OK)
            return status;
        if (r.magic != HDF5_REPLY_MAGIC)
            return impossible(s, s->sets[i].path, e);
        s->sets[i].absent = r.status != RN_OK && r.absent && s->predict;
        if (s->sets[i].absent && (s->count || i + 1 < s->field_count))
            continue;
        if (r.status != RN_OK) {
            r.message[sizeof r.message - 1] = r.hint[sizeof r.hint - 1] = '\0';
            rn_fail(e, RN_E_DATA, r.message, r.hint, NULL);
            return rn_error_at(e, RN_WHERE_FILE, s->file);
        }
        status = set_take(s, child, i, &r, e);
        if (status != RN_OK)
            return status;
    }
    return RN_OK;
}

/* Fields that the file does not have are left out. */
static void drop_absent(struct source *s) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->field_count; i++) {
        if (s->sets[i].absent)
            continue;
        s->sets[n] = s->sets[i];
        s->fields[n++] = s->fields[i];
    }
    s->field_count = n;
}

static int is_listed(struct rn_host *h, const char *option, const char *name) {
    for (uint32_t i = 0; i < rn_get_count(h, option); i++) {
        char path[64];
        snprintf(path, sizeof path, "%s.%u", option, i);
        if (strcmp(rn_get_string(h, path), name) == 0)
            return 1;
    }
    return 0;
}

/* Names and paths of the option `datasets`. */
static int32_t sets_name(struct source *s, struct rn_host *h, struct rn_error *e) {
    for (uint32_t i = 0; i < s->field_count; i++) {
        char path[256];
        const char *key = NULL;
        int32_t status = h->api->get_key(h, "datasets", i, &key);
        if (status != RN_OK)
            return rn_fail_option(e, status, "datasets", "cannot be read");
        snprintf(path, sizeof path, "datasets.%s", key);
        s->fields[i].name = key;
        s->sets[i].path = rn_get_string(h, path);
        s->sets[i].reversed = is_listed(h, "reversed", key);
        if (!s->sets[i].path[strspn(s->sets[i].path, "/")])
            return rn_fail_option(e, RN_E_CONFIG, path,
                                  "'%.64s' is not a dataset's path", s->sets[i].path);
    }
    return RN_OK;
}

static int32_t sets_open(struct source *s, struct rn_host *h, struct rn_error *e) {
    struct hdf5_child child = {
        .host = h, .file = s->file, .timeout_ms = rn_get_int(h, "timeout") * 1000};
    char memory[24];
    char **argv = calloc(s->field_count + 4, sizeof *argv);
    if (!argv)
        return rn_failf(e, RN_E_MEMORY, s->file, 0, 0, "no memory for a source");
    snprintf(memory, sizeof memory, "%llu", (unsigned long long)s->budget.left);
    /* argv is char ** for history's sake: nothing writes to the strings. */
    argv[1] = (char *)(uintptr_t)s->file;
    argv[2] = memory;
    int32_t status = RN_OK;
    for (uint32_t i = 0; i < s->field_count && status == RN_OK; i++) {
        size_t n = strlen(s->sets[i].path) + 2;
        argv[3 + i] = malloc(n);
        if (argv[3 + i])
            snprintf(argv[3 + i], n, "%c%s", s->sets[i].reversed ? 't' : '.',
                     s->sets[i].path);
        else
            status = rn_failf(e, RN_E_MEMORY, s->file, 0, 0, "no memory for a source");
    }
    if (status == RN_OK) {
        status = hdf5_child_start(&child, "hdf5-read", argv, e);
        if (status == RN_OK)
            status = sets_take(s, &child, e);
        hdf5_child_stop(&child);
    }
    for (uint32_t i = 0; i < s->field_count; i++)
        free(argv[3 + i]);
    free(argv);
    if (status == RN_OK)
        drop_absent(s);
    return status;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct source *s = calloc(1, sizeof *s);
    struct stat st;
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    uint32_t n = rn_get_count(h, "datasets");
    s->fd = -1;
    s->predict = h->api->extension(h, RN_EXT_PREDICT) != NULL;
    s->file = rn_get_string(h, "file");
    s->budget = rn_budget_of(h);
    if (!n)
        return rn_fail(e, RN_E_CONFIG, "names no dataset",
                       "datasets: {x: /train/x, y: /train/y}", "datasets");
    s->fields = calloc(n, sizeof *s->fields);
    s->sets = calloc(n, sizeof *s->sets);
    if (!s->fields || !s->sets)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    s->field_count = n;
    int32_t status = rn_source_open(s->file, &s->fd, &st, e);
    if (status == RN_OK)
        s->file_bytes = (uint64_t)st.st_size;
    else if (strchr(s->file, '!'))
        rn_hintf(e, "HDF5 files are not read in archives: unpack it");
    if (status == RN_OK)
        status = sets_name(s, h, e);
    return status == RN_OK ? sets_open(s, h, e) : status;
}

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    struct source *s = self;
    (void)e;
    out->access = RN_ACCESS_RANDOM;
    out->count = s->count;
    out->field_count = s->field_count;
    out->field_stride = sizeof s->fields[0];
    out->fields = s->fields;
    memset(out->content_hash, 0, sizeof out->content_hash);
    if (RN_HAS(out, struct rn_source_info, name))
        out->name = s->file;
    return RN_OK;
}

static int32_t read_rows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    const struct rn_tensor *out = call->out;
    const uint64_t *indices = call->indices;
    uint64_t n = call->rows;
    const struct source *s = self;
    for (uint32_t f = 0; f < s->field_count; f++) {
        const struct dataset *d = &s->sets[f];
        uint8_t *to = out[f].data;
        for (uint64_t i = 0, run; to && i < n; i += run) {
            int32_t status = RN_OK;
            for (run = 1; i + run < n && indices[i + run] == indices[i] + run; run++)
                ;
            if (indices[i] >= s->count || run > s->count - indices[i])
                return rn_failf(e, RN_E_INTERNAL, s->file, 0, 0,
                                "row %llu is not there",
                                (unsigned long long)(indices[i] + run - 1));
            /* Within count * row_bytes, which set_take checked. */
            uint64_t at = indices[i] * d->row_bytes, bytes = run * d->row_bytes;
            if (d->rows)
                memcpy(to + i * d->row_bytes, d->rows + at, bytes);
            else
                status = rn_source_read(s->fd, s->file, to + i * d->row_bytes, bytes,
                                        d->start + at, e);
            if (status != RN_OK)
                return status;
        }
    }
    return RN_OK;
}

static const struct rn_source iface = {
    sizeof(struct rn_source), 0, create, destroy, info, NULL, NULL, read_rows};

RN_SOURCE(hdf5, iface, "runner/hdf5 1",
          RN_DOC("Datasets of an HDF5 file, one a field; contiguous ones are read "
                 "from disk as needed, others are held in memory")
          RN_OUT("* any [N,...] | a field for each entry of `datasets`")
          RN_OPTION("file path ; required | the file")
          RN_OPTION("datasets map(string) ; required | field name: path in the file; "
                    "/table/age is the member `age` of the records of /table")
          RN_OPTION("reversed list(string) | fields whose axes the file has in reverse "
                    "order, as Fortran and Julia write them: rows are along the last; "
                    "MATLAB's are recognised")
          RN_BUDGET_OPTION
          RN_OPTION("timeout int = 20 ; min 1 ; max 86400 ; unit s | most time that the "
                    "HDF5 library may take without any progress"));
RN_PLUGIN(&hdf5);

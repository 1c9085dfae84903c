/* SPDX-License-Identifier: Apache-2.0 */
/* NumPy's .npy files, one a field, rows along the first axis. Format: NumPy enhancement
 * proposal 1, versions 1 to 3. Rows are read from disk when asked for; an array in
 * Fortran's order, whose rows are scattered, is turned to rows in memory. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include <runner/sdk/error.h>
#include <runner/sdk/signature.h>
#include <runner/sdk/source.h>

#include "members.h"
#include "npy_types.h"
#include "source_file.h"

#define HEADER_MAX 65536u
#define FIELDS_MAX 4096u

struct array {
    const char *file; /* host, until destroy */
    int fd;
    uint64_t start; /* offset of row 0 */
    struct npy_type type;
    uint64_t row_bytes, bytes; /* in the file, of a row, of all: the product fits */
    uint64_t row_items;        /* elements of a row */
    int fortran;
    uint8_t *rows; /* in memory, or NULL */
};

struct npy {
    struct rn_budget budget; /* for arrays in Fortran's order */
    uint32_t field_count;
    uint64_t count;
    struct rn_field *fields;
    struct array *arrays;
    const char **files;  /* [field_count], of the arrays */
    const char *archive; /* host, until destroy: an .npz; or NULL */
    char **owned;        /* [2 * field_count] of an archive: paths and names */
};

static void destroy(void *self) {
    struct npy *s = self;
    if (s) {
        for (uint32_t i = 0; s->arrays && i < s->field_count; i++) {
            free(s->arrays[i].rows);
            if (s->arrays[i].fd >= 0)
                close(s->arrays[i].fd);
        }
        free(s->fields);
        free(s->arrays);
        for (uint32_t i = 0; s->owned && i < 2 * s->field_count; i++)
            free(s->owned[i]);
        free(s->owned);
        free(s->files);
    }
    free(s);
}

/* What stands after 'key': in the header, or NULL. */
static const char *value_of(const char *header, const char *key) {
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s'", key);
    const char *p = strstr(header, quoted);
    if (!p)
        return NULL;
    p += strlen(quoted);
    while (isspace((unsigned char)*p))
        p++;
    if (*p++ != ':')
        return NULL;
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

static int32_t type_parse(struct array *a, const char *p, struct rn_error *e) {
    char code[16];
    size_t n = 0;
    if (!p || *p != '\'')
        return rn_failf(e, RN_E_DATA, a->file, 0, 0,
                        "holds records; only arrays of one plain type are read");
    for (p++; *p && *p != '\'' && n + 1 < sizeof code; p++)
        code[n++] = *p;
    code[n] = '\0';
    if (npy_type_parse(&a->type, code))
        return RN_OK;
    rn_failf(e, RN_E_DATA, a->file, 0, 0, "has the type '%s', which is not read", code);
    if (strchr(code, 'O'))
        rn_hintf(e, "Python objects are never read: store a plain array");
    else if (strchr(code, 'c'))
        rn_hintf(e, "store the real and the imaginary part as two arrays");
    else if (strpbrk(code, "mM"))
        rn_hintf(e, "store times as numbers: a.astype('i8')");
    else
        rn_hintf(e, "read are f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8, bool and text, in "
                    "either byte order");
    return RN_E_DATA;
}

/* A text is one value a row. */
static int32_t set_field(const struct array *a, struct rn_field *f,
                         struct rn_error *e) {
    f->dtype = a->type.dtype;
    if (!a->type.text)
        return RN_OK;
    if (f->rank)
        return rn_failf(e, RN_E_DATA, a->file, 0, 0,
                        "holds texts in more than one axis, which is not read");
    f->rank = 1;
    f->shape[0] = a->type.text;
    f->flags = RN_FIELD_TEXT;
    return RN_OK;
}

static int32_t header_parse(struct array *a, const char *header, struct rn_field *f,
                            uint64_t *count, struct rn_error *e) {
    int32_t status = type_parse(a, value_of(header, "descr"), e);
    if (status != RN_OK)
        return status;
    const char *order = value_of(header, "fortran_order");
    const char *p = value_of(header, "shape");
    if (!order || !p || *p++ != '(')
        return rn_failf(e, RN_E_DATA, a->file, 0, 0,
                        "has a header that cannot be read");
    uint64_t axes = 0;
    for (;; axes++) {
        while (isspace((unsigned char)*p) || *p == ',')
            p++;
        if (*p == ')')
            break;
        char *end = NULL;
        errno = 0;
        unsigned long long n = isdigit((unsigned char)*p) ? strtoull(p, &end, 10) : 0;
        if (!end || errno)
            return rn_failf(e, RN_E_DATA, a->file, 0, 0,
                            "has a shape that cannot be read");
        p = end;
        if (axes == RN_MAX_RANK)
            return rn_failf(e, RN_E_DATA, a->file, 0, 0, "has more than %u axes",
                            RN_MAX_RANK);
        if (!n)
            return rn_failf(e, RN_E_DATA, a->file, 0, 0,
                            "is empty: axis %llu is 0 long", (unsigned long long)axes);
        if (n > INT64_MAX)
            return rn_failf(e, RN_E_DATA, a->file, 0, 0, "announces impossible sizes");
        if (axes)
            f->shape[f->rank++] = (int64_t)n;
        else
            *count = n;
    }
    if (!axes)
        return rn_failf(e, RN_E_DATA, a->file, 0, 0,
                        "is one number, not a table of rows");
    a->fortran = strncmp(order, "True", 4) == 0 && axes > 1;
    uint64_t given;
    if (!rn_size_product(1, f->shape, f->rank, &a->row_items) ||
        !rn_size_mul(a->row_items, a->type.bytes, &a->row_bytes) ||
        !rn_size_mul(*count, a->row_bytes, &a->bytes) || a->bytes > INT64_MAX ||
        !rn_size_mul(a->row_items, npy_type_item(&a->type), &given))
        return rn_failf(e, RN_E_DATA, a->file, 0, 0, "announces impossible sizes");
    return set_field(a, f, e);
}

/* The first axis runs fastest in the file: element k of row i, in the row's own order,
 * is at i + count * (k's axes, the first of them fastest). */
static int32_t turn(struct npy *s, struct array *a, const struct rn_field *f,
                    uint64_t count, struct rn_error *e) {
    uint64_t item = a->type.bytes, each = a->row_items;
    if (!rn_budget_take(&s->budget, a->bytes) || !rn_budget_take(&s->budget, a->bytes))
        return rn_budget_error(&s->budget, a->file, e);
    uint8_t *file = malloc(a->bytes);
    a->rows = malloc(a->bytes);
    int32_t status =
        file && a->rows
            ? rn_source_read(a->fd, a->file, file, a->bytes, a->start, e)
            : rn_failf(e, RN_E_MEMORY, a->file, 0, 0, "no memory to turn it to rows");
    for (uint64_t k = 0; status == RN_OK && k < each; k++) {
        uint64_t at = 0, stride = 1, rest = k;
        uint64_t place[RN_MAX_RANK];
        for (uint32_t i = f->rank; i-- > 0; rest /= (uint64_t)f->shape[i])
            place[i] = rest % (uint64_t)f->shape[i];
        for (uint32_t i = 0; i < f->rank; stride *= (uint64_t)f->shape[i++])
            at += place[i] * stride;
        for (uint64_t i = 0; i < count; i++)
            memcpy(a->rows + (i * each + k) * item, file + (at * count + i) * item,
                   item);
    }
    free(file);
    rn_budget_return(&s->budget, a->bytes);
    return status;
}

static int32_t array_open(struct npy *s, struct array *a, struct rn_field *f,
                          uint64_t *count, struct rn_error *e) {
    uint8_t head[12];
    struct source_file file;
    int32_t status = source_file_open(&file, a->file, 0, &s->budget, e);
    a->fd = file.fd;
    if (status == RN_OK && file.size >= 12)
        status = rn_source_read(a->fd, a->file, head, 12, file.at, e);
    if (status != RN_OK)
        return status;
    if (file.size < 12 || memcmp(head, "\x93NUMPY", 6) != 0) {
        const struct rn_signature *other =
            rn_signature_of(head, file.size < 12 ? 0 : 12);
        if (!other)
            return rn_failf(e, RN_E_DATA, a->file, 0, 0, "is not a .npy file");
        rn_failf(e, RN_E_DATA, a->file, 0, 0, "is %s, not a .npy file", other->what);
        rn_hintf(e, "%s", other->fix);
        return RN_E_DATA;
    }
    if (head[6] < 1 || head[6] > 3)
        return rn_failf(e, RN_E_DATA, a->file, 0, 0,
                        "has version %u of .npy; 1 to 3 are read", head[6]);
    uint32_t at = head[6] == 1 ? 10 : 12;
    uint32_t length = head[8] | (uint32_t)head[9] << 8;
    if (at == 12)
        length |= (uint32_t)head[10] << 16 | (uint32_t)head[11] << 24;
    if (length > HEADER_MAX || at + (uint64_t)length > file.size)
        return rn_failf(e, RN_E_DATA, a->file, 0, 0, "is cut short in its header");
    char *header = malloc(length + 1u);
    if (!header)
        return rn_failf(e, RN_E_MEMORY, a->file, 0, 0, "no memory for its header");
    status = rn_source_read(a->fd, a->file, header, length, file.at + at, e);
    header[length] = '\0';
    if (status == RN_OK)
        status = header_parse(a, header, f, count, e);
    free(header);
    if (status != RN_OK)
        return status;
    a->start = file.at + at + (uint64_t)length;
    uint64_t have = file.size - at - (uint64_t)length, want = a->bytes;
    if (have < want)
        return rn_failf(e, RN_E_DATA, a->file, 0, 0,
                        "is cut short: %llu bytes of numbers announced, %llu found",
                        (unsigned long long)want, (unsigned long long)have);
    if (have > want)
        return rn_failf(e, RN_E_DATA, a->file, 0, 0,
                        "goes on after the %llu bytes of numbers that it announces",
                        (unsigned long long)want);
    return a->fortran ? turn(s, a, f, *count, e) : RN_OK;
}

static int32_t make_room(struct npy *s, uint64_t n, struct rn_error *e) {
    s->fields = calloc(n, sizeof *s->fields);
    s->arrays = calloc(n, sizeof *s->arrays);
    s->files = calloc(n, sizeof *s->files);
    s->owned = calloc(2 * n, sizeof *s->owned);
    if (!s->fields || !s->arrays || !s->files || !s->owned)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    for (uint64_t i = 0; i < n; i++)
        s->arrays[i].fd = -1;
    s->field_count = (uint32_t)n;
    return RN_OK;
}

/* The fields of the option `files`. */
static int32_t list_files(struct npy *s, struct rn_host *h, struct rn_error *e) {
    uint32_t n = rn_get_count(h, "files");
    if (!n)
        return rn_fail(e, RN_E_CONFIG, "names no file",
                       "files: {x: x.npy, y: y.npy}, or file: data.npz",
                       rn_has(h, "files") ? "files" : NULL);
    int32_t status = make_room(s, n, e);
    for (uint32_t i = 0; i < n && status == RN_OK; i++) {
        char path[256];
        const char *key = NULL;
        status = h->api->get_key(h, "files", i, &key);
        if (status != RN_OK)
            return rn_fail_option(e, status, "files", "cannot be read");
        snprintf(path, sizeof path, "files.%s", key);
        s->fields[i].name = key;
        s->arrays[i].file = s->files[i] = rn_get_string(h, path);
    }
    return status;
}

static int is_array(void *context, const char *name) {
    (void)context;
    size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".npy") == 0;
}

/* "data.npz!x.npy", and the name "x". */
static int32_t name_member(struct npy *s, uint32_t i, const struct members *m,
                           struct rn_error *e) {
    const struct member *x = &m->at[i];
    size_t n = strlen(s->archive) + strlen(x->name) + 2;
    char *path = s->owned[2 * i] = malloc(n);
    char *name = s->owned[2 * i + 1] = calloc(strlen(x->name) + 1, 1);
    if (!path || !name)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    snprintf(path, n, "%s!%s", s->archive, x->name);
    memcpy(name, x->name, strlen(x->name) - 4);
    s->fields[i].name = name;
    s->arrays[i].file = s->files[i] = path;
    return RN_OK;
}

/* The fields of an .npz: each array of it. */
static int32_t list_archive(struct npy *s, struct rn_error *e) {
    char *path = (char *)(uintptr_t)s->archive;
    struct rn_budget own = s->budget; /* compressed members are read again, and kept */
    struct members m = {.budget = &own, .used = is_array};
    int32_t status = members_open(&m, &path, 1, e);
    if (status == RN_OK && (!m.count || m.count > FIELDS_MAX))
        status = rn_failf(e, RN_E_DATA, s->archive, 0, 0, "holds %s .npy arrays",
                          m.count ? "too many" : "no");
    if (status == RN_OK)
        status = make_room(s, m.count, e);
    for (uint32_t i = 0; i < s->field_count && status == RN_OK; i++)
        status = name_member(s, i, &m, e);
    members_finish(&m);
    return status;
}

static int32_t open_arrays(struct npy *s, struct rn_error *e) {
    for (uint32_t i = 0; i < s->field_count; i++) {
        uint64_t count = 0;
        int32_t status = array_open(s, &s->arrays[i], &s->fields[i], &count, e);
        if (status != RN_OK)
            return status;
        if (i && count != s->count)
            return rn_failf(e, RN_E_DATA, s->arrays[i].file, 0, 0,
                            "has %llu rows, but %s has %llu", (unsigned long long)count,
                            s->arrays[0].file, (unsigned long long)s->count);
        s->count = count;
    }
    return RN_OK;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct npy *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    s->budget = rn_budget_of(h);
    s->archive = rn_has(h, "file") ? rn_get_string(h, "file") : NULL;
    if (s->archive && rn_has(h, "files"))
        return rn_fail_option(e, RN_E_CONFIG, "file",
                              "is an .npz; `files` names arrays one by one: leave one");
    int32_t status = s->archive ? list_archive(s, e) : list_files(s, h, e);
    return status == RN_OK ? open_arrays(s, e) : status;
}

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    struct npy *s = self;
    (void)e;
    out->access = RN_ACCESS_RANDOM;
    out->count = s->count;
    out->field_count = s->field_count;
    out->field_stride = sizeof s->fields[0];
    out->fields = s->fields;
    memset(out->content_hash, 0, sizeof out->content_hash);
    if (RN_HAS(out, struct rn_source_info, name))
        out->name = s->arrays[0].file;
    if (RN_HAS(out, struct rn_source_info, files))
        out->files = s->files;
    return RN_OK;
}

/* `run` rows from `row` on, as the file has them. */
static int32_t read_run(const struct array *a, uint64_t row, uint64_t run, uint8_t *to,
                        struct rn_error *e) {
    if (!a->rows)
        return rn_source_read(a->fd, a->file, to, run * a->row_bytes,
                              a->start + row * a->row_bytes, e);
    memcpy(to, a->rows + row * a->row_bytes, run * a->row_bytes);
    return RN_OK;
}

static int32_t convert(const struct array *a, uint64_t row, uint64_t run,
                       const uint8_t *from, uint8_t *to, struct rn_error *e) {
    uint64_t n = run * a->row_items, good = npy_type_convert(&a->type, from, n, to);
    if (good == n)
        return RN_OK;
    return rn_failf(e, RN_E_DATA, a->file, 0, 0, "row %llu %s",
                    (unsigned long long)(row + good / a->row_items + 1),
                    a->type.text ? "is not a valid text"
                                 : "has a number above 9223372036854775807");
}

static int32_t read_array(const struct npy *s, uint32_t f,
                          const struct rn_source_call *call, struct rn_error *e) {
    const struct array *a = &s->arrays[f];
    const uint64_t *indices = call->indices;
    uint64_t n = call->rows, given = a->row_items * npy_type_item(&a->type);
    uint8_t *to = call->out[f].data, *raw = NULL;
    if (!npy_type_plain(&a->type) && !(raw = rn_scratch(call->work, n * a->row_bytes)))
        return rn_failf(e, RN_E_MEMORY, a->file, 0, 0, "no memory to read rows");
    /* Rows that follow each other are one read. */
    for (uint64_t i = 0, run; i < n; i += run) {
        for (run = 1; i + run < n && indices[i + run] == indices[i] + run; run++)
            ;
        if (indices[i] >= s->count || run > s->count - indices[i])
            return rn_failf(e, RN_E_INTERNAL, a->file, 0, 0, "row %llu is not there",
                            (unsigned long long)(indices[i] + run - 1));
        int32_t status = read_run(a, indices[i], run, raw ? raw : to + i * given, e);
        if (status == RN_OK && raw)
            status = convert(a, indices[i], run, raw, to + i * given, e);
        if (status != RN_OK)
            return status;
    }
    return RN_OK;
}

static int32_t read_rows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    const struct npy *s = self;
    int32_t status = RN_OK;
    for (uint32_t f = 0; f < s->field_count && status == RN_OK; f++)
        if (call->out[f].data)
            status = read_array(s, f, call, e);
    return status;
}

static const struct rn_source iface = {
    sizeof(struct rn_source), 0, create, destroy, info, NULL, NULL, read_rows};

RN_SOURCE(npy, iface, "runner/npy 1",
          RN_DOC("NumPy's .npy files, one a field, or an .npz; read from disk as needed, "
                 "from memory where compressed or in Fortran's order")
          RN_OUT("* any [N,...] | a field for each entry of `files`, or each array of "
                 "`file`")
          RN_OPTION("files map(path) | field name: file, or archive.npz!name.npy")
          RN_OPTION("file path | an .npz, each array of which is a field")
          RN_BUDGET_OPTION);
RN_PLUGIN(&npy);

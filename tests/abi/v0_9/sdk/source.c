/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of little-endian f32 in a file without a header: x [columns - 2], y [1], w [1].
 * Opening, sizes, the bound on memory and the errors are the sdk's. */
#include <stdlib.h>

#include <runner/sdk/field.h>
#include <runner/sdk/signature.h>
#include <runner/sdk/source.h>

struct rows {
    float *data; /* [count, columns], owned */
    uint64_t count;
    int64_t columns;
    struct rn_field fields[3];
};

static void destroy(void *self) {
    struct rows *s = (struct rows *)self;
    if (s)
        free(s->data);
    free(s);
}

static void field(struct rn_field *f, const char *name, int64_t n) {
    f->name = name;
    f->dtype = RN_F32;
    f->rank = 1;
    f->shape[0] = n;
}

static int32_t load(struct rows *s, const char *file, int fd, uint64_t bytes,
                    struct rn_budget *budget, struct rn_error *e) {
    uint64_t row = 0;
    if (!rn_size_mul((uint64_t)s->columns, sizeof(float), &row) || bytes % row)
        return rn_failf(e, RN_E_DATA, file, 0, 0, "%llu bytes are not rows of %llu",
                        (unsigned long long)bytes, (unsigned long long)row);
    if (!rn_budget_take(budget, bytes))
        return rn_budget_error(budget, file, e);
    s->data = (float *)malloc(bytes + 1);
    if (!s->data)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    s->count = bytes / row;
    int32_t status = rn_source_read(fd, file, s->data, bytes, 0, e);
    const struct rn_signature *other =
        status == RN_OK ? rn_signature_of(s->data, bytes) : NULL;
    if (!other)
        return status;
    rn_failf(e, RN_E_DATA, file, 0, 0, "is %s, not plain numbers", other->what);
    rn_hintf(e, "%s", other->fix);
    return RN_E_DATA;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct rows *s = (struct rows *)calloc(1, sizeof *s);
    const char *file = rn_get_string(h, "file");
    struct rn_budget budget = rn_budget_of(h);
    struct stat st;
    int fd;
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    s->columns = rn_get_int(h, "columns");
    field(&s->fields[0], "x", s->columns - 2);
    field(&s->fields[1], "y", 1);
    field(&s->fields[2], "w", 1);
    int32_t status = rn_source_open(file, &fd, &st, e);
    if (status != RN_OK)
        return status;
    status = load(s, file, fd, (uint64_t)st.st_size, &budget, e);
    close(fd);
    return status;
}

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    struct rows *s = (struct rows *)self;
    (void)e;
    out->access = RN_ACCESS_RANDOM;
    out->count = s->count;
    out->field_count = 3;
    out->field_stride = sizeof s->fields[0];
    out->fields = s->fields;
    return RN_OK;
}

static int32_t read_rows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    const struct rn_tensor *out = call->out;
    const uint64_t *indices = call->indices;
    uint64_t n = call->rows;
    const struct rows *s = (const struct rows *)self;
    (void)e;
    for (uint64_t i = 0; i < n; i++) {
        const float *from = s->data + indices[i] * (uint64_t)s->columns;
        for (uint32_t k = 0; k < 3; k++) {
            uint64_t bytes = rn_field_bytes(&s->fields[k]);
            if (out[k].data)
                memcpy((char *)out[k].data + i * bytes, from, bytes);
            from += s->fields[k].shape[0];
        }
    }
    return RN_OK;
}

static const struct rn_source iface = {
    sizeof(struct rn_source), 0, create, destroy, info, NULL, NULL, read_rows};

RN_SOURCE(rows, iface, "acme.data/rows 1",
          RN_DOC("Rows of f32 in a file without a header")
          RN_OPTION("file path ; required | the file")
          RN_OPTION("columns int = 3 ; min 3 ; max 65536 | numbers per row: x, then y and w")
          RN_BUDGET_OPTION);
RN_PLUGIN(&rows);

/* SPDX-License-Identifier: Apache-2.0 */
/* A source whose rows are known: x[k] = ((4*row + k) % 7)/7, y = 1 + x[0] - 2*x[3].
 * Sequential on purpose: the host reads it once, in order, and keeps it. With `walk`, also
 * cells of variable size: row % 5 pairs (row, 0), (row, 1) and so on. */
#include <stdlib.h>

#include <runner/source.h>

struct ramp {
    struct rn_host *host;
    uint64_t rows, next;
    int32_t walk, astray;
    struct rn_field fields[3];
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct ramp *s = (struct ramp *)calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    s->host = h;
    s->rows = (uint64_t)rn_get_int(h, "rows");
    s->fields[0].name = "x", s->fields[1].name = "y";
    s->fields[0].dtype = s->fields[1].dtype = RN_F32;
    s->fields[0].rank = s->fields[1].rank = 1;
    s->fields[0].shape[0] = 4, s->fields[1].shape[0] = 1;
    s->walk = rn_get_bool(h, "walk");
    s->astray = rn_get_bool(h, "astray");
    s->fields[2].name = "walk";
    s->fields[2].dtype = RN_F32;
    s->fields[2].rank = 2;
    s->fields[2].shape[0] = -1, s->fields[2].shape[1] = 2;
    s->fields[2].flags = RN_FIELD_VARIABLE;
    return RN_OK;
}

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    struct ramp *s = (struct ramp *)self;
    (void)e;
    out->access = RN_ACCESS_SEQUENTIAL;
    out->count = s->rows;
    out->field_count = s->walk ? 3 : 2;
    out->field_stride = sizeof s->fields[0];
    out->fields = s->fields;
    if (RN_HAS(out, struct rn_source_info, name))
        out->name = "the ramp";
    return RN_OK;
}

static float x_of(uint64_t row, uint64_t k) {
    return (float)((4 * row + k) % 7) / 7.0f;
}

static int32_t walk_read(struct ramp *s, uint64_t i, uint64_t row,
                         const struct rn_tensor *out, struct rn_error *e) {
    void *data;
    int32_t status = rn_reserve(out, s->astray ? 1000000 : i, row % 5, &data, e);
    float *pair = (float *)data;
    for (uint64_t k = 0; status == RN_OK && k < row % 5; k++)
        pair[2 * k] = (float)row, pair[2 * k + 1] = (float)k;
    return status;
}

static int32_t read_rows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    const struct rn_tensor *out = call->out;
    const uint64_t *indices = call->indices;
    uint64_t n = call->rows;
    struct ramp *s = (struct ramp *)self;
    float *x = (float *)out[0].data, *y = (float *)out[1].data;
    for (uint64_t i = 0; i < n; i++) {
        if (rn_cancelled(s->host))
            return RN_E_CANCELLED;
        if (indices[i] != s->next % s->rows)
            return rn_fail(e, RN_E_INTERNAL, "the rows are not read in order", NULL, NULL);
        s->next++;
        for (uint64_t k = 0; x && k < 4; k++)
            x[4 * i + k] = x_of(indices[i], k);
        if (y)
            y[i] = 1.0f + x_of(indices[i], 0) - 2.0f * x_of(indices[i], 3);
        int32_t status = s->walk && out[2].data
                             ? walk_read(s, i, indices[i], &out[2], e)
                             : RN_OK;
        if (status != RN_OK)
            return status;
    }
    return RN_OK;
}

static const struct rn_source iface = {
    sizeof(struct rn_source), 0, create, free, info, NULL, NULL, read_rows};

RN_SOURCE(ramp, iface, "acme.data/ramp 1",
          RN_DOC("Rows known in advance") RN_OPTION(
              "rows int ; required ; min 1 | how many rows")
              RN_OPTION("walk bool = false | also a field of cells of variable size")
                  RN_OPTION("astray bool = false | reserve a cell of another row"));

/* A stream of the same x and y: it says where it ends and not before. Its position is in
 * the worker's state, and it insists on passes from 0 by ones. */
struct pass {
    uint64_t next;
};

static int32_t drip_info(void *self, struct rn_source_info *out, struct rn_error *e) {
    int32_t status = info(self, out, e);
    out->count = RN_COUNT_UNKNOWN;
    return status;
}

static int32_t drip_open(void *self, void **worker, struct rn_error *e) {
    (void)self;
    *worker = calloc(1, sizeof(struct pass));
    return *worker ? RN_OK : rn_fail(e, RN_E_MEMORY, "no memory", NULL, NULL);
}

static void drip_close(void *self, void *worker) {
    (void)self;
    free(worker);
}

static int32_t drip_read(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    struct ramp *s = (struct ramp *)self;
    struct pass *p = (struct pass *)call->worker;
    float *x = (float *)call->out[0].data, *y = (float *)call->out[1].data;
    if (!call->indices[0])
        p->next = 0;
    for (uint64_t i = 0; i < call->rows; i++, p->next++) {
        uint64_t row = call->indices[i];
        if (row != p->next)
            return rn_fail(e, RN_E_INTERNAL, "the stream is not read in order", NULL, NULL);
        if (row == s->rows) {
            *call->rows_read = i;
            return RN_OK;
        }
        for (uint64_t k = 0; x && k < 4; k++)
            x[4 * i + k] = x_of(row, k);
        if (y)
            y[i] = 1.0f + x_of(row, 0) - 2.0f * x_of(row, 3);
    }
    return RN_OK;
}

static const struct rn_source drip_iface = {
    sizeof(struct rn_source), 0, create, free, drip_info, drip_open, drip_close,
    drip_read};

RN_SOURCE(drip, drip_iface, "acme.data/drip 1",
          RN_DOC("The same rows, which are not counted") RN_OPTION(
              "rows int ; required ; min 1 | how many rows")
              RN_OPTION("walk bool = false | not here")
                  RN_OPTION("astray bool = false | not here"));
RN_PLUGIN(&ramp, &drip);

/* SPDX-License-Identifier: Apache-2.0 */
/* A source made for the tests of core/data: what row i holds is a function of i; it can
 * be read in order only, be slow, fail at a row, hold a number that is none. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <runner/source.h>

struct made {
    int64_t rows, first, fail, nan, slow, width;
    int32_t sequential, hashed, label, stream, unsteady;
    uint64_t next; /* of a sequential source or a stream */
    struct rn_field fields[3];
    uint32_t field_count;
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct made *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory", NULL, NULL);
    s->rows = rn_get_int(h, "rows");
    s->first = rn_get_int(h, "first");
    s->fail = rn_get_int(h, "fail");
    s->nan = rn_get_int(h, "nan");
    s->slow = rn_get_int(h, "slow");
    s->width = rn_get_int(h, "width");
    s->sequential = rn_get_bool(h, "sequential");
    s->hashed = rn_get_bool(h, "hashed");
    s->stream = rn_get_bool(h, "stream");
    s->unsteady = rn_get_bool(h, "unsteady");
    s->label = rn_get_bool(h, "label");
    s->fields[0] = (struct rn_field){"x", RN_F32, 2, {2, 3}, 0, 0};
    s->fields[1] = (struct rn_field){"name", RN_U8, 1, {s->width}, RN_FIELD_TEXT, 0};
    s->fields[2] = (struct rn_field){"label", RN_I64, 0, {0}, 0, 0};
    s->field_count = s->label && !h->api->extension(h, RN_EXT_PREDICT) ? 3 : 2;
    return RN_OK;
}

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    struct made *s = self;
    (void)e;
    out->access = s->sequential ? RN_ACCESS_SEQUENTIAL : RN_ACCESS_RANDOM;
    out->count = s->stream ? RN_COUNT_UNKNOWN : (uint64_t)s->rows;
    out->field_count = s->field_count;
    out->field_stride = sizeof s->fields[0];
    out->fields = s->fields;
    memset(out->content_hash, s->hashed, sizeof out->content_hash);
    if (RN_HAS(out, struct rn_source_info, name))
        out->name = "made.bin";
    return RN_OK;
}

static int32_t worker_open(void *self, void **worker, struct rn_error *e) {
    (void)self;
    *worker = malloc(1); /* the sanitizer sees one that is not closed */
    return *worker ? RN_OK : rn_fail(e, RN_E_MEMORY, "no memory", NULL, NULL);
}

static void worker_close(void *self, void *worker) {
    (void)self;
    free(worker);
}

/* How many of the rows there are. Indices rise by one, or begin again. */
static int32_t stream_rows(struct made *s, const struct rn_source_call *call,
                           struct rn_error *e) {
    uint64_t rows = (uint64_t)s->rows;
    if (call->indices[0] && call->indices[0] != s->next)
        return rn_fail(e, RN_E_INTERNAL, "the stream is not read in order", NULL, NULL);
    if (s->unsteady && !call->indices[0])
        s->rows--; /* each pass has one less */
    for (uint64_t i = 1; i < call->rows; i++)
        if (call->indices[i] != call->indices[i - 1] + 1)
            return rn_fail(e, RN_E_INTERNAL, "rows do not rise by one", NULL, NULL);
    s->next = call->indices[call->rows - 1] + 1;
    if (s->rows >= 0 && s->next > rows)
        *call->rows_read = call->indices[0] < rows ? rows - call->indices[0] : 0;
    return RN_OK;
}

static int32_t read_rows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    const struct rn_tensor *out = call->out;
    const uint64_t *indices = call->indices;
    struct made *s = self;
    if (s->stream && stream_rows(s, call, e) != RN_OK)
        return RN_E_INTERNAL;
    uint64_t n = *call->rows_read;
    if (s->slow)
        nanosleep(&(struct timespec){0, s->slow * 1000000L}, NULL);
    for (uint64_t i = 0; i < n; i++) {
        int64_t row = (int64_t)indices[i] + s->first;
        if (s->sequential && indices[i] < s->next)
            return rn_fail(e, RN_E_DATA, "read backwards", NULL, "made.bin");
        if (s->sequential)
            s->next = indices[i] + 1;
        if (row == s->fail) {
            rn_fail(e, RN_E_DATA, "made.bin: cannot be decoded", NULL, "made.bin");
            e->line = (uint32_t)row + 1;
            return RN_E_DATA;
        }
        for (int64_t k = 0; out[0].data && k < 6; k++)
            ((float *)out[0].data)[6 * i + (uint64_t)k] =
                row == s->nan && k == 2 ? NAN
                                        : (float)(row * row % 97) + 0.1f * (float)k;
        if (out[1].data) {
            char text[16] = "";
            snprintf(text, sizeof text, "n%lld", (long long)(row % 7));
            memset((char *)out[1].data + i * (uint64_t)s->width, 0, (size_t)s->width);
            memcpy((char *)out[1].data + i * (uint64_t)s->width, text, 2);
        }
        /* classes of very unlike shares: 2/3, 2/9, 1/9 */
        if (s->field_count > 2 && out[2].data)
            ((int64_t *)out[2].data)[i] = row % 3 ? 0 : row % 9 ? 1 : 2;
    }
    return RN_OK;
}

static const struct rn_source iface = {sizeof(struct rn_source),
                                       0,
                                       create,
                                       free,
                                       info,
                                       worker_open,
                                       worker_close,
                                       read_rows};

RN_SOURCE(made, iface, "test/made 1",
          RN_DOC("Rows that are functions of their index")
              RN_OUT("x f32 [N,2,3] | numbers")
              RN_OUT("name u8 [N,W] | text")
                  RN_OUT("label i64 [N] ; optional | 0, 1 or 2") RN_OPTION("rows int = 10 | how many")
                  RN_OPTION("first int = 0 | added to the index")
                      RN_OPTION("fail int = -1 | the row that cannot be read")
                          RN_OPTION("nan int = -1 | the row with a NaN") RN_OPTION(
                              "slow int = 0 | milliseconds a read takes")
                              RN_OPTION("width int = 4 | bytes of the text")
                                  RN_OPTION("label bool = true | there is one")
                                      RN_OPTION("sequential bool = false | in order")
                                          RN_OPTION("hashed bool = false | by itself")
                                              RN_OPTION("stream bool = false | its rows are not counted; rows -1: endless")
                                              RN_OPTION("unsteady bool = false | each pass ends a row earlier"));
RN_PLUGIN(&made);

/* SPDX-License-Identifier: Apache-2.0 */
/* A source that cannot bear two workers at once: it says `threads: one`, and an overlap of
 * two of its calls is an error. */
#include <stdlib.h>
#include <time.h>

#include <runner/source.h>

static const struct rn_field fields[2] = {{"x", RN_F32, 1, {4}, 0, 0},
                                          {"y", RN_F32, 1, {1}, 0, 0}};
static int inside; /* calls now; the host sees to it that it is never 2 */

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    (void)h, (void)e;
    *self = malloc(1);
    return *self ? RN_OK : RN_E_MEMORY;
}

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    (void)self, (void)e;
    out->count = 256, out->field_count = 2;
    out->field_stride = sizeof fields[0], out->fields = fields;
    return RN_OK;
}

static int32_t read_rows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    const struct rn_tensor *out = call->out;
    const uint64_t *indices = call->indices;
    uint64_t n = call->rows;
    struct timespec moment = {0, 300000};
    uint64_t i, k;
    (void)self;
    if (__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST) != 1)
        return rn_fail(e, RN_E_INTERNAL, "two workers at once", NULL, NULL);
    nanosleep(&moment, NULL);
    for (i = 0; i < n; i++) {
        for (k = 0; out[0].data && k < 4; k++)
            ((float *)out[0].data)[4 * i + k] = (float)(indices[i] % 5);
        if (out[1].data)
            ((float *)out[1].data)[i] = (float)(indices[i] % 3);
    }
    __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    return RN_OK;
}

static const struct rn_source iface = {
    sizeof(struct rn_source), 0, create, free, info, NULL, NULL, read_rows};

RN_SOURCE(crowded, iface, "acme.data/crowded 1", RN_DOC("One at a time") THREADS);
RN_PLUGIN(&crowded);

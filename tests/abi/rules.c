/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of the ABI that need no run: which versions fit, and that a metric's parts
 * merge to the whole through the stream that also saves them: rules metric.so. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <runner/metric.h>

#include "plugin/internal.h"
#include "tests/check.h"

static int fits(uint32_t host_major, uint32_t host_minor, uint32_t major,
                uint32_t minor) {
    struct abi_version host = {host_major, host_minor}, needed = {major, minor};
    struct rn_error e = {0};
    int status = abi_check(&host, &needed, &e);
    CHECK(status == RN_OK || (status == RN_E_PLUGIN && e.message[0] && e.hint[0]));
    return status == RN_OK;
}

static void negotiation(void) {
    /* equal major, needed <= offered */
    CHECK(fits(1, 4, 1, 4) && fits(1, 4, 1, 0) && fits(1, 4, 1, 3));
    CHECK(!fits(1, 4, 1, 5) && !fits(1, 4, 2, 0) && !fits(2, 0, 1, 4));
    /* the same from 0.9 on; what was before 0.9 is refused */
    CHECK(fits(0, 9, 0, 9) && fits(0, 12, 0, 9) && !fits(0, 9, 0, 10));
    CHECK(!fits(0, 9, 0, 8) && !fits(0, 9, 0, 1) && !fits(0, 1, 0, 1));
    CHECK(!fits(1, 0, 0, 9) && !fits(0, 9, 1, 0));
    CHECK(!fits(1, 4, UINT32_MAX, UINT32_MAX));
    struct abi_version host = {1, 2}, needed = {1, 9};
    struct rn_error e = {0};
    abi_check(&host, &needed, &e);
    CHECK_TEXT(e.message, "it needs ABI 1.9; this runner has 1.2");
    /* the headers ask for the oldest minor there is */
    CHECK(RN_ABI_NEEDED_MINOR == 9 && RN_ABI_MINOR >= RN_ABI_NEEDED_MINOR);
}

/* -------------------------------------------------------------------- merging */

struct memory {
    struct rn_stream api;
    char data[4096];
    size_t bytes, at;
};

static int32_t put_bytes(struct rn_stream *s, const void *data, uint64_t bytes) {
    struct memory *m = (struct memory *)s;
    CHECK(m->bytes + bytes <= sizeof m->data);
    memcpy(m->data + m->bytes, data, bytes);
    m->bytes += bytes;
    return RN_OK;
}

static int32_t get_bytes(struct rn_stream *s, void *data, uint64_t bytes) {
    struct memory *m = (struct memory *)s;
    if (bytes > m->bytes - m->at)
        return RN_E_CHECKPOINT;
    memcpy(data, m->data + m->at, bytes);
    m->at += bytes;
    return RN_OK;
}

static uint64_t bytes_left(struct rn_stream *s) {
    struct memory *m = (struct memory *)s;
    return m->bytes - m->at;
}

static const struct rn_stream_api stream_api = {sizeof stream_api, 0, put_bytes,
                                                get_bytes, bytes_left};

struct sink {
    struct rn_metric_sink api;
    double values[8];
    uint32_t count;
};

static int32_t put(struct rn_metric_sink *s, const char *name,
                   const struct rn_tensor *t) {
    struct sink *k = (struct sink *)s;
    (void)name;
    CHECK(t->dtype == RN_F64 && t->rank == 0 && k->count < 8);
    k->values[k->count++] = *(const double *)t->data;
    return RN_OK;
}

static const struct rn_metric_sink_api sink_api = {sizeof sink_api, 0, put};

static void feed(const struct rn_metric *m, void *self, int64_t first, int64_t rows) {
    int64_t label[16], ids[16], shape[1] = {rows}, image_shape[2] = {rows, 2};
    float image[32];
    struct rn_error e = {0};
    for (int64_t i = 0; i < rows; i++) {
        label[i] = (first + i) * 3 % 10;
        ids[i] = first + i;
        image[2 * i] = (float)(first + i), image[2 * i + 1] = 0.5f;
    }
    struct rn_tensor values[2] = {{label, shape, NULL, RN_I64, 1},
                                  {image, image_shape, NULL, RN_F32, 2}};
    struct rn_metric_batch batch = {.struct_size = sizeof batch,
                                    .ports = 2,
                                    .values = values,
                                    .rows = (uint64_t)rows,
                                    .sample_ids = ids};
    CHECK(m->update(self, &batch, &e) == RN_OK);
}

static struct sink finish(const struct rn_metric *m, void *self) {
    struct sink k = {{&sink_api}, {0}, 0};
    struct rn_error e = {0};
    struct rn_metric_result end = {.struct_size = sizeof end, .sink = &k.api};
    CHECK(m->finish(self, &end, &e) == RN_OK);
    return k;
}

static void merging(const struct rn_metric *m) {
    struct rn_error e = {0};
    void *whole, *a, *b, *c;
    struct memory part = {{&stream_api}, {0}, 0, 0};
    CHECK(m->create(NULL, &whole, &e) == RN_OK && m->create(NULL, &a, &e) == RN_OK);
    CHECK(m->create(NULL, &b, &e) == RN_OK && m->create(NULL, &c, &e) == RN_OK);
    feed(m, whole, 0, 11);
    feed(m, a, 0, 4);
    feed(m, b, 4, 7);
    CHECK(m->save(b, &part.api, &e) == RN_OK);
    CHECK(m->merge(a, &part.api, &e) == RN_OK && part.at == part.bytes);
    part.at = 0;
    CHECK(m->load(c, &part.api, &e) == RN_OK && part.at == part.bytes);
    struct sink want = finish(m, whole), got = finish(m, a), half = finish(m, b),
                loaded = finish(m, c);
    CHECK(want.count == 4 && memcmp(want.values, got.values, sizeof want.values) == 0);
    CHECK(memcmp(half.values, loaded.values, sizeof half.values) == 0);
    CHECK(memcmp(want.values, half.values, sizeof half.values) != 0);
    part.at = 0, part.bytes = 7; /* cut short: an error, not a wrong number */
    CHECK(m->load(c, &part.api, &e) == RN_E_CHECKPOINT);
    m->destroy(whole), m->destroy(a), m->destroy(b), m->destroy(c);
}

int main(int argc, char **argv) {
    negotiation();
    void *so = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    void *symbol = so ? dlsym(so, RN_ENTRY_SYMBOL) : NULL;
    rn_entry_fn entry;
    CHECK(symbol != NULL);
    if (symbol) {
        memcpy(&entry, &symbol, sizeof entry);
        /* The entry may be called again and gives the same. */
        CHECK(entry() == entry() && entry()->component_count == 1);
        CHECK(entry()->abi_major == RN_ABI_MAJOR);
        merging(entry()->components[0]->iface);
    }
    return check_done();
}

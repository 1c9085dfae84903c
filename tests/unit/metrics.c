/* SPDX-License-Identifier: Apache-2.0 */
/* Host-form metrics through their ABI alone: halves merged equal the whole, a state
 * saved and loaded goes on as if it had not been, half a state is refused, weights of
 * the host count. Their numbers are compared with scikit-learn's in runs/metrics.py.
 * argv: plugin folder. */
#include <stdlib.h>

#include <dlfcn.h>

#include <runner/runner.h>

#include "check.h"
#include "unit/absent.h"

/* ------------------------------------------------- a host with three options */

struct fake {
    struct rn_host host; /* first */
    const char *average;
};

static int32_t get_float(struct rn_host *h, const char *path, double *out) {
    (void)h;
    CHECK_TEXT(path, "threshold");
    *out = 0.0;
    return RN_OK;
}
static int32_t get_int(struct rn_host *h, const char *path, int64_t *out) {
    (void)h;
    CHECK_TEXT(path, "positive");
    *out = 1;
    return RN_OK;
}
static int32_t get_string(struct rn_host *h, const char *path, const char **out) {
    const char *average = ((struct fake *)h)->average;
    if (!average || strcmp(path, "average") != 0)
        return RN_E_UNSUPPORTED;
    *out = average;
    return RN_OK;
}
static int32_t has(struct rn_host *h, const char *path) {
    return ((struct fake *)h)->average && strcmp(path, "average") == 0;
}
static const struct rn_host_api host_api = {.struct_size = sizeof host_api,
                                            .get_int = get_int,
                                            .get_float = get_float,
                                            .get_string = get_string,
                                            .has = has};

struct memory {
    struct rn_stream stream;
    uint8_t bytes[4096];
    uint64_t size, at;
};
static int32_t put_bytes(struct rn_stream *s, const void *data, uint64_t n) {
    struct memory *m = (struct memory *)s;
    if (n > sizeof m->bytes - m->size)
        return RN_E_IO;
    memcpy(m->bytes + m->size, data, n);
    m->size += n;
    return RN_OK;
}
static int32_t take_bytes(struct rn_stream *s, void *data, uint64_t n) {
    struct memory *m = (struct memory *)s;
    if (n > m->size - m->at)
        return RN_E_CHECKPOINT;
    memcpy(data, m->bytes + m->at, n);
    m->at += n;
    return RN_OK;
}
static uint64_t left(struct rn_stream *s) {
    const struct memory *m = (const struct memory *)s;
    return m->size - m->at;
}
static const struct rn_stream_api stream_api = {sizeof stream_api, 0, put_bytes,
                                                take_bytes, left};

/* All that finish gives, one number after the other. */
struct results {
    struct rn_metric_sink sink;
    double at[64];
    int count;
};
static int32_t result(struct rn_metric_sink *s, const char *name,
                      const struct rn_tensor *t) {
    struct results *r = (struct results *)s;
    uint64_t n = 1;
    CHECK(name && *name);
    for (uint32_t i = 0; i < t->rank; i++)
        n *= (uint64_t)t->shape[i];
    for (uint64_t i = 0; i < n && r->count < 64; i++)
        r->at[r->count++] = t->dtype == RN_F64 ? ((const double *)t->data)[i]
                                               : (double)((const int64_t *)t->data)[i];
    return RN_OK;
}
static const struct rn_metric_sink_api sink_api = {sizeof sink_api, 0, result};

/* ------------------------------------------------------------------ the rows */

#define N 37
#define C 4

static float scores[N][C];
static int64_t label[N];

/* Rows [first, first + n) as one batch; three columns of `scores` are numbers and their
 * targets for regression. */
static int32_t feed(const struct rn_metric *m, void *self, int regression, int first,
                    int n, const float *weights, struct rn_error *e) {
    const int64_t wide[2] = {n, C}, narrow[1] = {n};
    float target[N][C];
    for (int i = 0; i < n; i++)
        for (int k = 0; k < C; k++)
            target[i][k] = scores[first + i][k] + (float)(label[first + i] - k) / 3.0f;
    struct rn_tensor values[3] = {{scores[first], wide, NULL, RN_F32, 2},
                                  {label + first, narrow, NULL, RN_I64, 1},
                                  {NULL, NULL, NULL, RN_F32, 1}};
    if (regression)
        values[1] = (struct rn_tensor){target, wide, NULL, RN_F32, 2};
    int64_t ids[N] = {0};
    struct rn_metric_batch b = {.struct_size = sizeof b,
                                .phase = RN_PHASE_VAL,
                                .ports = 3,
                                .values = values,
                                .rows = (uint64_t)n,
                                .sample_ids = ids,
                                .weights = weights ? weights + first : NULL};
    return m->update(self, &b, e);
}

static struct results finish(const struct rn_metric *m, void *self) {
    struct results r = {.sink = {&sink_api}};
    struct rn_error e = {0};
    struct rn_metric_result end = {
        .struct_size = sizeof end, .phase = RN_PHASE_VAL, .sink = &r.sink};
    CHECK(m->finish(self, &end, &e) == RN_OK);
    return r;
}

static double apart(const struct results *a, const struct results *b) {
    double worst = a->count == b->count ? 0.0 : 1.0;
    for (int i = 0; i < a->count && i < b->count; i++)
        worst = fmax(worst, fabs(a->at[i] - b->at[i]));
    return worst;
}

static void *make(const struct rn_metric *m, struct fake *f) {
    void *self = NULL;
    struct rn_error e = {0};
    CHECK(m->create(&f->host, &self, &e) == RN_OK && m->reset(self, &e) == RN_OK);
    return self;
}

static void test(const struct rn_metric *m, const char *average, int regression) {
    struct fake f = {{&host_api}, average};
    static struct memory memory;
    struct rn_error e = {0};
    void *whole = make(m, &f), *a = make(m, &f), *b = make(m, &f);
    memory.stream.api = &stream_api;
    CHECK(feed(m, whole, regression, 0, N, NULL, &e) == RN_OK);
    struct results want = finish(m, whole);
    CHECK(want.count > 0);

    /* nothing yet: not defined */
    struct results none = finish(m, a);
    for (int i = 0; i < none.count; i++)
        CHECK(isnan(none.at[i]));

    /* batches of any size */
    for (int i = 0; i < N; i += 5)
        CHECK(feed(m, a, regression, i, N - i < 5 ? N - i : 5, NULL, &e) == RN_OK);
    struct results got = finish(m, a);
    CHECK(apart(&got, &want) < 1e-12);
    CHECK(m->reset(a, &e) == RN_OK);

    /* two parts merged, either way round, an empty one too */
    for (int way = 0; way < 3; way++) {
        int first = way == 2 ? N : 14;
        m->reset(a, &e), m->reset(b, &e);
        CHECK(feed(m, a, regression, 0, first, NULL, &e) == RN_OK);
        if (first < N)
            CHECK(feed(m, b, regression, first, N - first, NULL, &e) == RN_OK);
        memory.size = memory.at = 0;
        CHECK(m->save(way == 1 ? a : b, &memory.stream, &e) == RN_OK);
        CHECK(m->merge(way == 1 ? b : a, &memory.stream, &e) == RN_OK &&
              !left(&memory.stream));
        got = finish(m, way == 1 ? b : a);
        CHECK(apart(&got, &want) < 1e-12);
    }

    /* saved in the midst, loaded over something else, gone on with */
    m->reset(a, &e), m->reset(b, &e);
    CHECK(feed(m, a, regression, 0, 20, NULL, &e) == RN_OK);
    CHECK(feed(m, b, regression, 3, 9, NULL, &e) == RN_OK);
    memory.size = memory.at = 0;
    CHECK(m->save(a, &memory.stream, &e) == RN_OK);
    CHECK(m->load(b, &memory.stream, &e) == RN_OK);
    CHECK(feed(m, b, regression, 20, N - 20, NULL, &e) == RN_OK);
    got = finish(m, b);
    CHECK(apart(&got, &want) < 1e-12);

    /* part of a state, and another version's */
    uint64_t size = memory.size;
    int refused = 1;
    for (memory.size = 0; memory.size < size; memory.size++) {
        memory.at = 0;
        refused &= m->load(b, &memory.stream, &e) != RN_OK;
    }
    CHECK(refused);
    memory.at = 0;
    memory.bytes[0] ^= 0x40;
    CHECK(m->load(b, &memory.stream, &e) == RN_E_CHECKPOINT &&
          strstr(e.message, "version"));

    /* weights of the host: a row of weight 2 is two rows, one of 0 is none */
    float twice[N];
    m->reset(a, &e), m->reset(b, &e);
    for (int i = 0; i < N; i++) {
        twice[i] = (float)(i % 3);
        for (int k = 0; k < i % 3; k++)
            CHECK(feed(m, a, regression, i, 1, NULL, &e) == RN_OK);
    }
    CHECK(feed(m, b, regression, 0, N, twice, &e) == RN_OK);
    want = finish(m, a);
    got = finish(m, b);
    CHECK(apart(&got, &want) < 1e-12);

    m->destroy(whole);
    m->destroy(a);
    m->destroy(b);
    m->destroy(NULL);
}

static const struct rn_metric *component(const char *folder, const char *file, int i) {
    char path[1024], plugin[64];
    snprintf(plugin, sizeof plugin, "metric/%s", file);
    need_plugin(folder, plugin);
    snprintf(path, sizeof path, "%s/%s.so", folder, plugin);
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    rn_entry_fn entry = NULL;
    if (so)
        *(void **)&entry = dlsym(so, RN_ENTRY_SYMBOL);
    if (!entry) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return entry()->components[i]->iface;
}

int main(int argc, char **argv) {
    static const char *const averages[] = {"macro", "micro", "weighted", "binary"};
    if (argc != 2)
        return 1;
    for (int i = 0; i < N; i++) {
        label[i] = i * i % 7 % C;
        for (int k = 0; k < C; k++)
            scores[i][k] =
                (float)((i * 37 + k * 53) % 41) / 8.0f + (k == label[i]) - 2.0f;
    }
    for (int i = 0; i < 3; i++) {
        test(component(argv[1], "regression", i), NULL, 1);
        for (int k = 0; k < 4; k++)
            test(component(argv[1], "precision_recall", i), averages[k], 0);
    }
    test(component(argv[1], "confusion", 0), NULL, 0);
    return check_done();
}

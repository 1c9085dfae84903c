/* SPDX-License-Identifier: Apache-2.0 */
/* The ways of a node in turn, each between two events, a few rounds; the least time
 * counts. The first round warms up and says how often one has to run to be timed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/tuning_table.h"
#include "tune.h"

#define ROUNDS   3
#define SPAN     0.2f /* ms that one timing should take */
#define REPEAT   16   /* runs of one timing at most */
#define HOPELESS 2.0f /* times the best: not timed again */
#define TENSORS  8
#define GIVEN_UP 1000000000 /* ns: no form that anybody would choose */
#define BY_RULE  "rule\n"
#define LETTERS  "abcdefghz" /* CUDA_WAYS, CUDA_NONE */

struct cuda_tuner {
    struct rn_host *host;
    struct cuda_device *d;
    struct tuning_table *table;
    bool rule, by_rule, loaded, reported;
    CUstream stream; /* made when something is timed first */
    CUevent begin, end;
};

struct cuda_tuner *cuda_tuner_create(struct rn_host *h, struct cuda_device *d,
                                     bool rule) {
    struct cuda_tuner *t = calloc(1, sizeof *t);
    int driver = 0;
    char machine[320];
    if (!t)
        return NULL;
    d->lib.driver.cuDriverGetVersion(&driver);
    snprintf(machine, sizeof machine, "%s driver %d cublaslt %zu cudnn %zu%s", d->name,
             driver, d->cublaslt ? d->lib.cublaslt.cublasLtGetVersion() : (size_t)0,
             d->properties ? d->lib.cudnn.cudnnGetVersion() : (size_t)0,
             d->tf32 ? " tf32" : "");
    t->host = h;
    t->d = d;
    t->rule = rule;
    t->table = choices_create(machine, LETTERS);
    if (!t->table) {
        cuda_tuner_destroy(t);
        return NULL;
    }
    return t;
}

void cuda_tuner_destroy(struct cuda_tuner *t) {
    if (!t)
        return;
    if (t->begin)
        t->d->lib.driver.cuEventDestroy(t->begin);
    if (t->end)
        t->d->lib.driver.cuEventDestroy(t->end);
    if (t->stream)
        t->d->lib.driver.cuStreamDestroy(t->stream);
    tuning_destroy(t->table);
    free(t);
}

const char *cuda_tuner_text(struct cuda_tuner *t) {
    return t->by_rule ? BY_RULE : tuning_text(t->table);
}

void cuda_tuner_read(struct cuda_tuner *t, const char *text) {
    if (strcmp(text, BY_RULE) == 0)
        t->rule = true;
    else
        tuning_read(t->table, text);
}

/* ------------------------------------------------------------------- names */

struct line {
    char text[CHOICE_KEY_MAX];
    size_t length;
};

static void put(struct line *l, const char *name, const int64_t *list, size_t n) {
    for (size_t i = 0; i <= n && l->length < sizeof l->text; i++)
        l->length +=
            (size_t)(i == 0
                         ? snprintf(l->text + l->length, sizeof l->text - l->length,
                                    "%s", name)
                         : snprintf(l->text + l->length, sizeof l->text - l->length,
                                    i == 1 ? "%lld" : ",%lld", (long long)list[i - 1]));
}

/* "cuda conv2d stride=1,1 ... x bf16 16,32,14,14 ... | forms": what it is, how it is
 * laid out.
 */
static bool key_of(const struct cuda_setup *s, struct line *l) {
    static const char *const parts[2] = {" x ", " y "};
    l->length = 0;
    put(l, "cuda ", NULL, 0);
    put(l, s->node->op, NULL, 0);
    for (uint32_t i = 0; i < s->node->attr_count; i++) {
        const struct rn_attr *a = rn_attr_at(s->node, i);
        if (strncmp(a->name, "block", 5) == 0 || strstr(a->name, "_shape") ||
            strcmp(a->name, "dtype") == 0)
            continue;
        put(l, " ", NULL, 0);
        put(l, a->name, NULL, 0);
        if (a->type == RN_ATTR_INTS)
            put(l, "=", a->p, a->count);
        else
            put(l, "=", &a->i, 1);
    }
    for (uint32_t i = 0; i < s->n_in + s->n_out; i++) {
        const struct tensor *t = i < s->n_in ? &s->in[i] : &s->out[i - s->n_in];
        put(l, parts[i >= s->n_in], NULL, 0);
        put(l,
            t->dtype == RN_BF16  ? "bf16 "
            : t->dtype == RN_F16 ? "f16 "
                                 : "f32 ",
            t->shape, t->rank);
    }
    put(l, " | ", NULL, 0);
    return l->length + 1 < sizeof l->text;
}

/* ------------------------------------------------------------------ timing */

struct cuda_bench {
    struct cuda_tuner *t;
    const struct cuda_trial *c;
    uint32_t n;
    CUdeviceptr memory[TENSORS];
    uint64_t bytes[TENSORS];
    void *bases[TENSORS];
};

static void bench_end(struct cuda_bench *r) {
    for (uint32_t i = 0; i < r->n; i++)
        r->t->d->lib.driver.cuMemFree(r->memory[i]);
}

bool cuda_bench_fill(struct cuda_bench *b, uint32_t base, int byte) {
    return b->t->d->lib.driver.cuMemsetD8Async(b->memory[base], (unsigned char)byte,
                                               (size_t)b->bytes[base],
                                               b->t->stream) == CUDA_SUCCESS;
}

bool cuda_bench_read(struct cuda_bench *b, uint32_t base, uint64_t at, void *to,
                     uint64_t bytes) {
    const struct driver_table *cu = &b->t->d->lib.driver;
    return cu->cuMemcpyDtoHAsync(to, b->memory[base] + at, (size_t)bytes,
                                 b->t->stream) == CUDA_SUCCESS &&
           cu->cuStreamSynchronize(b->t->stream) == CUDA_SUCCESS;
}

bool cuda_bench_run(struct cuda_bench *b, uint32_t i) {
    struct rn_error ignored = {0};
    return b->c->way(b->c->context, i, b->t->stream, b->bases, &ignored) == RN_OK;
}

/* Memory for all that the node touches. */
static bool bench_begin(struct cuda_bench *r, const struct cuda_setup *s) {
    struct cuda_tuner *t = r->t;
    const struct driver_table *cu = &t->d->lib.driver;
    uint32_t tensors = s->n_in + s->n_out;
    if (tensors >= TENSORS)
        return false;
    if (!t->stream &&
        (cu->cuStreamCreate(&t->stream, CU_STREAM_NON_BLOCKING) != CUDA_SUCCESS ||
         cu->cuEventCreate(&t->begin, CU_EVENT_DEFAULT) != CUDA_SUCCESS ||
         cu->cuEventCreate(&t->end, CU_EVENT_DEFAULT) != CUDA_SUCCESS))
        return false;
    for (uint32_t i = 0; i <= tensors; i++) {
        const struct tensor *x = i < s->n_in ? &s->in[i] : &s->out[i - s->n_in];
        uint64_t bytes =
            i == tensors ? r->c->workspace : x->count * RN_DTYPE_BYTES(x->dtype);
        bytes += bytes == 0;
        r->bytes[i] = bytes;
        if (cu->cuMemAlloc(&r->memory[i], (size_t)bytes) != CUDA_SUCCESS)
            return false;
        r->n++;
        r->bases[i] = (void *)(uintptr_t)r->memory[i];
        if (!cuda_bench_fill(r, i, CUDA_BYTE))
            return false;
    }
    return true;
}

/* Milliseconds of one run; negative: it fails. */
static float time_way(struct cuda_bench *r, uint32_t i, int repeat) {
    struct cuda_tuner *t = r->t;
    const struct driver_table *cu = &t->d->lib.driver;
    float ms = 0.0f;
    bool good = cu->cuEventRecord(t->begin, t->stream) == CUDA_SUCCESS;
    for (int k = 0; k < repeat; k++)
        good = good && cuda_bench_run(r, i);
    good = good && cu->cuEventRecord(t->end, t->stream) == CUDA_SUCCESS &&
           cu->cuStreamSynchronize(t->stream) == CUDA_SUCCESS &&
           cu->cuEventElapsedTime(&ms, t->begin, t->end) == CUDA_SUCCESS;
    return good ? ms / (float)repeat : -1.0f;
}

static int run_trial(struct cuda_bench *r, float *best) {
    const struct cuda_trial *c = r->c;
    float ms[CUDA_WAYS];
    bool can[CUDA_WAYS];
    int first = -1, repeat[CUDA_WAYS];
    for (uint32_t i = 0; i < c->count; i++)
        can[i] =
            c->can[i] && (!c->is_valid || i >= c->takes || c->is_valid(r, c->context, i));
    for (int round = 0; round <= ROUNDS; round++)
        for (uint32_t i = 0; i < c->count; i++) {
            bool fails = !can[i] || (round && ms[i] < 0.0f);
            if (fails || (round > 1 && ms[i] > *best * HOPELESS)) {
                ms[i] = fails ? -1.0f : ms[i];
                continue;
            }
            float took = time_way(r, i, round ? repeat[i] : 1);
            if (round == 0) {
                float runs = took > 0.0f ? SPAN / took : (float)REPEAT;
                repeat[i] = runs < 1.0f ? 1 : runs > (float)REPEAT ? REPEAT : (int)runs;
            }
            if (round < 2 || took < 0.0f || took < ms[i])
                ms[i] = took;
            if (round && took >= 0.0f && (first < 0 || took < *best)) {
                first = (int)i;
                *best = took;
            }
        }
    return first;
}

/* ------------------------------------------------------------------ asking */

static void tell(struct cuda_tuner *t) {
    const struct rn_host_api *api = t->host->api;
    if (!t->reported && RN_HAS(api, struct rn_host_api, log) && api->log)
        api->log(t->host, RN_LOG_INFO,
                 "timing products and convolutions on this device, once; the answers "
                 "are kept");
    t->reported = true;
}

int cuda_tuner_known(struct cuda_tuner *t, const struct cuda_setup *s, int rule,
                     uint64_t *ns) {
    struct line key;
    *ns = 0;
    if (!t || !key_of(s, &key))
        return rule;
    if (!t->rule && !t->loaded) {
        t->rule = !tuning_load(t->table);
        t->loaded = true;
    }
    struct choice *c = tuning_find(t->table, key.text);
    if (c) {
        c->used = true;
        *ns = c->ns;
        return c->kernel - 'a';
    }
    if (t->rule)
        t->by_rule = true;
    return t->rule ? rule : -1;
}

static int keep(struct cuda_tuner *t, struct line *key, int way, uint64_t took,
                uint64_t *ns) {
    struct choice choice = {.key = key->text, .kernel = (char)('a' + way), .ns = took};
    struct choice *kept = tuning_keep(t->table, &choice);
    if (!kept)
        return -1;
    kept->used = true;
    *ns = kept->ns;
    return kept->kernel - 'a';
}

/* No way could be tried, for lack of memory: the first one, or none where there are
 * others to do without, in the record too, so that a resumed run does not find another;
 * other runs try again. */
static int give_up(struct cuda_tuner *t, const struct line *key, bool none,
                   uint64_t *ns) {
    char text[CHOICE_KEY_MAX + 32];
    snprintf(text, sizeof text, "%s\t%c\t%d\t-", key->text,
             none ? 'a' + CUDA_NONE : 'a', GIVEN_UP);
    tuning_read(t->table, text);
    struct choice *c = tuning_find(t->table, key->text);
    if (!c)
        return -1;
    c->used = true;
    *ns = c->ns;
    return c->kernel - 'a';
}

int cuda_tuner_try(struct cuda_tuner *t, const struct cuda_setup *s,
                   const struct cuda_trial *c, uint64_t *ns) {
    struct line key;
    struct cuda_bench r = {.t = t, .c = c};
    float ms = 0.0f;
    int best = -1;
    if (!key_of(s, &key))
        return -1;
    tell(t);
    if (bench_begin(&r, s))
        best = run_trial(&r, &ms);
    bench_end(&r);
    if (best < 0)
        return give_up(t, &key, c->takes > 0, ns);
    if (c->takes && best >= (int)c->takes)
        best = CUDA_NONE;
    return keep(t, &key, best, (uint64_t)((double)ms * 1e6) + 1, ns);
}

int cuda_tuner_none(struct cuda_tuner *t, const struct cuda_setup *s) {
    struct line key;
    uint64_t ns;
    if (key_of(s, &key))
        keep(t, &key, CUDA_NONE, 1, &ns);
    return CUDA_NONE;
}

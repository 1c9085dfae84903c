/* SPDX-License-Identifier: Apache-2.0 */
/* A text as tokens of byte-level byte-pair encoding, learnt from the training rows. */
#include "bpe.h"
#include "unicode.h"

struct bpe {
    struct token_field field;
    uint32_t size; /* ids are below it */
    uint64_t min_count;
    int lower;
    struct rn_budget budget, left; /* left: while fitting */
    struct rn_set pieces;          /* while fitting, with their counts */
    struct bpe_model model;
};

/* The text of a row, in small letters if these are meant; `lowered` grows. */
struct lowered {
    uint8_t *at;
    uint64_t room;
};

static const uint8_t *text_of(const struct bpe *s, const struct rn_tensor *in,
                              uint64_t row, struct lowered *low, uint64_t *n) {
    const uint8_t *p = token_text(&s->field, in, row, n);
    if (!s->lower || !*n)
        return p;
    if (*n > low->room / 2) {
        uint8_t *more = realloc(low->at, rn_size_or_max(*n, 4));
        if (!more)
            return NULL;
        low->at = more;
        low->room = 4 * *n;
    }
    *n = unicode_lower(p, *n, low->at);
    return low->at;
}

static void destroy(void *self) {
    struct bpe *s = self;
    if (s) {
        rn_set_free(&s->pieces);
        bpe_model_finish(&s->model);
    }
    free(s);
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct bpe *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return token_no_memory(e);
    s->size = (uint32_t)rn_get_int(h, "size");
    s->min_count = (uint64_t)rn_get_int(h, "min_count");
    s->lower = rn_get_bool(h, "lowercase");
    s->budget = rn_budget_of(h);
    return RN_OK;
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    struct bpe *s = self;
    return token_plan(&s->field, plan, e);
}

/* --------------------------------------------------------------------- fit */

static int32_t fit_begin(void *self, struct rn_error *e) {
    struct bpe *s = self;
    (void)e;
    rn_set_free(&s->pieces);
    s->pieces.text = 1;
    s->left = s->budget;
    return RN_OK;
}

static int32_t too_much(const struct bpe *s, struct rn_error *e) {
    rn_failf(e, RN_E_DATA, NULL, 0, 0,
             "field '%s': its different words need more than the %llu MiB of memory "
             "that fitting may use",
             s->field.name, (unsigned long long)(s->budget.limit >> 20));
    rn_hintf(e, "set `memory` (MiB)");
    return RN_E_DATA;
}

static int32_t fit_text(struct bpe *s, const uint8_t *p, uint64_t n,
                        struct rn_error *e) {
    for (uint64_t at = 0, bytes; at < n; at += bytes) {
        bytes = bpe_piece(p + at, n - at);
        uint32_t known = s->pieces.count;
        struct rn_set_key key = {(const char *)p + at, bytes, 0.0};
        uint32_t i = rn_set_add(&s->pieces, &key);
        if (i == RN_SET_NONE ||
            (i == known && !rn_budget_take(&s->left, bpe_train_bytes(bytes))))
            return too_much(s, e);
        s->pieces.counts[i]++;
    }
    return RN_OK;
}

static int32_t fit_rows(void *self, const struct rn_transform_call *call,
                        struct rn_error *e) {
    struct bpe *s = self;
    struct lowered low = {0};
    int32_t status = RN_OK;
    for (uint64_t r = 0; r < call->rows && status == RN_OK; r++) {
        uint64_t n;
        const uint8_t *p = text_of(s, call->in, r, &low, &n);
        status = p ? fit_text(s, p, n, e) : token_no_memory(e);
    }
    free(low.at);
    return status;
}

static int32_t fit_end(void *self, struct rn_error *e) {
    struct bpe *s = self;
    int32_t status = bpe_train(&s->model, &s->pieces, s->size, s->min_count, e);
    rn_set_free(&s->pieces);
    return status;
}

/* ------------------------------------------------------------------- apply */

/* A row's tokens into t. 0: no memory. */
static int encode(const struct bpe *s, const uint8_t *p, uint64_t n,
                  struct token_list *t) {
    t->count = 0;
    for (uint64_t at = 0, bytes; at < n; at += bytes) {
        bytes = bpe_piece(p + at, n - at);
        if (!bpe_encode(&s->model, p + at, bytes, t))
            return 0;
    }
    return 1;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct bpe *s = self;
    struct token_list t = {0};
    struct lowered low = {0};
    int32_t status = RN_OK;
    for (uint64_t r = 0; r < call->rows && status == RN_OK; r++) {
        uint64_t n;
        const uint8_t *p = text_of(s, call->in, r, &low, &n);
        status = p && encode(s, p, n, &t) ? token_store(&t, call->out, r, e)
                                          : token_no_memory(e);
    }
    free(low.at);
    token_list_finish(&t);
    return status;
}

/* ------------------------------------------------------------------- state */

/* Tokens for people: the bytes of ids 1, 2, ... as characters, each ended by a zero. */
static int32_t put_tokens(const struct bpe *s, struct rn_stream *to) {
    const struct rn_set *set = &s->model.tokens;
    uint8_t *text = malloc(rn_size_or_max(set->used, 3)), *p = text;
    if (!text)
        return RN_E_MEMORY;
    for (uint32_t i = 0; i < set->count; i++) {
        size_t n;
        const char *bytes = rn_set_text(set, i, &n);
        for (size_t k = 0; k < n; k++)
            p += unicode_put(bpe_byte_character((uint8_t)bytes[k]), p);
        *p++ = '\0';
    }
    int64_t size = p - text;
    int32_t status = rn_array_put(to, s->field.name, "tokens", RN_U8, 1, &size, text);
    free(text);
    return status;
}

/* FIELD/merges, i32 [merges, 2]: ids of what is joined, in order; FIELD/tokens, u8. */
static int32_t save(void *self, struct rn_stream *to, struct rn_error *e) {
    const struct bpe *s = self;
    int64_t shape[2] = {s->model.count, 2};
    int32_t *pairs = malloc(rn_size_or_max(2 * (uint64_t)s->model.count + 1, 4));
    (void)e;
    if (!pairs)
        return RN_E_MEMORY;
    for (uint32_t i = 0; i < s->model.count; i++) {
        pairs[2 * i] = s->model.merges[i].left;
        pairs[2 * i + 1] = s->model.merges[i].right;
    }
    int32_t status = rn_arrays_begin(to);
    if (status == RN_OK)
        status = rn_array_put(to, s->field.name, "merges", RN_I32, 2, shape, pairs);
    free(pairs);
    return status == RN_OK ? put_tokens(s, to) : status;
}

/* Is a stored pair one of tokens that there are, of a length that pieces can have? */
static int is_pair(const struct bpe_model *m, const int32_t *pair) {
    size_t bytes = 0, n;
    for (int k = 0; k < 2; k++) {
        if (pair[k] < BPE_BYTES || (uint32_t)(pair[k] - BPE_BYTES) >= m->tokens.count)
            return 0;
        rn_set_text(&m->tokens, (uint32_t)(pair[k] - BPE_BYTES), &n);
        bytes += n;
    }
    return bytes <= BPE_PIECE && !pair_find(&m->rank, pair[0], pair[1]);
}

static int32_t take_merges(struct bpe *s, const struct rn_array *x) {
    const int32_t *pairs = x->data;
    int32_t made;
    if (x->dtype != RN_I32 || x->rank != 2 || x->shape[1] != 2)
        return RN_E_CHECKPOINT;
    if (!bpe_model_begin(&s->model))
        return RN_E_MEMORY;
    for (int64_t i = 0; i < x->shape[0]; i++) {
        if (!is_pair(&s->model, pairs + 2 * i))
            return RN_E_CHECKPOINT;
        if (!bpe_model_merge(&s->model, pairs[2 * i], pairs[2 * i + 1], &made))
            return RN_E_MEMORY;
        if (made >= (int32_t)s->size)
            return RN_E_CHECKPOINT;
    }
    return RN_OK;
}

static int32_t load(void *self, struct rn_stream *from, struct rn_error *e) {
    struct bpe *s = self;
    struct rn_arrays a;
    char name[sizeof s->field.name];
    int32_t status = rn_arrays_read(from, 0, &a, e);
    uint32_t at = 0;
    while (at < a.count && !rn_array_field(&a.at[at], "merges", name, sizeof name))
        at++;
    if (status == RN_OK)
        status = at < a.count ? take_merges(s, &a.at[at]) : RN_E_CHECKPOINT;
    rn_arrays_free(&a);
    if (status != RN_OK && e && !e->status)
        rn_fail(e, status, "the stored merges cannot be read", NULL, NULL);
    return status;
}

static const struct rn_transform iface = {sizeof(struct rn_transform),
                                          RN_TRANSFORM_TOTAL,
                                          create,
                                          destroy,
                                          plan,
                                          fit_begin,
                                          fit_rows,
                                          fit_end,
                                          apply,
                                          save,
                                          load,
                                          NULL};

RN_TRANSFORM(bpe, iface, "runner/bpe 1",
             RN_DOC("Text as tokens of byte-level byte-pair encoding, i32, of variable "
                    "size: frequent words are one token, rare ones several, and nothing "
                    "is unknown; 0 is left to pad_sequence")
             RN_IN("field u8 [...] ; variable | text")
             RN_OPTION("of list(string) ; required | the field")
             RN_OPTION("size int ; required ; min 257 ; max 1048576 ; checkpoint | ids are "
                       "below it: padding, 256 bytes, and what merges make; the size of "
                       "an embedding")
             RN_OPTION("min_count int = 2 ; min 1 | pairs that are rarer in the training "
                       "samples are not merged")
             RN_OPTION("lowercase bool = false | capitals count as small letters")
             RN_OPTION("memory int ; min 0 ; max 16777216 ; unit MiB | most memory of "
                       "fitting; default: 4096, or half of the machine's if that is "
                       "less"));
RN_PLUGIN(&bpe);

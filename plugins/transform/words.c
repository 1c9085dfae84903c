/* SPDX-License-Identifier: Apache-2.0 */
/* A text as the numbers of its words. A word is a run of letters, digits, marks and
 * joiners (\w of Unicode's report 18). */
#include <runner/sdk/category_set.h>

#include "token_cells.h"
#include "unicode.h"

#define WORD_BYTES  1024u /* longer ones are cut */
#define UNKNOWN     1
#define FIRST       2u
#define REPLACEMENT 0xFFFDu /* stands for bytes that are not UTF-8 */

enum unknown { UNKNOWN_NUMBER, UNKNOWN_DROP, UNKNOWN_ERROR };

struct words {
    struct token_field field;
    uint32_t size; /* ids are below it */
    uint64_t min_count;
    int lower, punctuation;
    enum unknown unknown;
    struct rn_set set; /* of training: all; after it: word i has the id FIRST + i */
};

/* ------------------------------------------------------------------- words */

struct scanner {
    const uint8_t *p, *end;
    int lower, punctuation;
    uint8_t word[WORD_BYTES + 8];
    uint64_t n;
};

enum kind { BLANK, WORD, SIGN };

static enum kind kind_of(uint32_t c) {
    switch (unicode_class(c)) {
    case UNICODE_LETTER:
    case UNICODE_DIGIT:
    case UNICODE_JOINER:
        return WORD;
    case UNICODE_SPACE:
        return BLANK;
    default:
        return c ? SIGN : BLANK;
    }
}

static void keep(struct scanner *s, uint32_t c) {
    if (s->n >= WORD_BYTES)
        return;
    uint32_t small = s->lower ? unicode_small(c) : c;
    s->n += unicode_put(small, s->word + s->n);
    if (s->lower && c == 0x130)
        s->n += unicode_put(0x307, s->word + s->n);
}

/* The next word, or run of signs if they are kept; 0: there is none. */
static int next_word(struct scanner *s) {
    enum kind kind = BLANK;
    for (s->n = 0; s->p < s->end;) {
        uint64_t used;
        uint32_t c = unicode_next(s->p, (uint64_t)(s->end - s->p), &used);
        c = c == UNICODE_BAD ? REPLACEMENT : c;
        enum kind here = kind_of(c);
        here = here == SIGN && !s->punctuation ? BLANK : here;
        if (kind != BLANK && here != kind)
            return 1;
        kind = here;
        s->p += used;
        if (kind != BLANK)
            keep(s, c);
    }
    return kind != BLANK;
}

static void scan(const struct words *s, const struct rn_tensor *in, uint64_t row,
                 struct scanner *x) {
    uint64_t n;
    x->p = token_text(&s->field, in, row, &n);
    x->end = x->p + n;
    x->lower = s->lower;
    x->punctuation = s->punctuation;
    x->n = 0;
}

static struct rn_set_key word_key(const struct scanner *x) {
    return (struct rn_set_key){(const char *)x->word, x->n, 0.0};
}

/* --------------------------------------------------------------- transform */

static void destroy(void *self) {
    struct words *s = self;
    if (s)
        rn_set_free(&s->set);
    free(s);
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct words *s = calloc(1, sizeof *s);
    const char *unknown = rn_get_string(h, "unknown");
    *self = s;
    if (!s)
        return token_no_memory(e);
    s->set.text = 1;
    s->size = (uint32_t)rn_get_int(h, "max_size");
    s->min_count = (uint64_t)rn_get_int(h, "min_count");
    s->lower = rn_get_bool(h, "lowercase");
    s->punctuation = strcmp(rn_get_string(h, "punctuation"), "keep") == 0;
    s->unknown = strcmp(unknown, "error") == 0  ? UNKNOWN_ERROR
                 : strcmp(unknown, "drop") == 0 ? UNKNOWN_DROP
                                                : UNKNOWN_NUMBER;
    return RN_OK;
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    struct words *s = self;
    return token_plan(&s->field, plan, e);
}

static int32_t fit_begin(void *self, struct rn_error *e) {
    struct words *s = self;
    (void)e;
    rn_set_free(&s->set);
    return RN_OK;
}

static int32_t fit_rows(void *self, const struct rn_transform_call *call,
                        struct rn_error *e) {
    struct words *s = self;
    struct scanner x;
    for (uint64_t r = 0; r < call->rows; r++) {
        scan(s, call->in, r, &x);
        while (next_word(&x)) {
            struct rn_set_key key = word_key(&x);
            uint32_t at = rn_set_add(&s->set, &key);
            if (at == RN_SET_NONE)
                return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                                "field '%s' has too many different words",
                                s->field.name);
            s->set.counts[at]++;
        }
    }
    return RN_OK;
}

struct ranked {
    const struct rn_set *set;
    uint32_t index;
};

/* Most frequent first, of equally frequent ones the first by bytes. */
static int by_count(const void *a, const void *b) {
    const struct ranked *x = a, *y = b;
    uint64_t n = x->set->counts[x->index], m = y->set->counts[y->index];
    return n != m ? (n < m) - (n > m) : rn_set_compare(x->set, x->index, y->index);
}

/* Keep the words that get an id, in the order of their ids. */
static int32_t fit_end(void *self, struct rn_error *e) {
    struct words *s = self;
    struct rn_set kept = {.text = 1};
    struct ranked *all = malloc(rn_size_or_max(s->set.count + 1u, sizeof *all));
    uint32_t n = 0;
    int good = all != NULL;
    for (uint32_t i = 0; good && i < s->set.count; i++)
        if (s->set.counts[i] >= s->min_count)
            all[n++] = (struct ranked){&s->set, i};
    if (good)
        qsort(all, n, sizeof *all, by_count);
    for (uint32_t i = 0; good && i < n && FIRST + i < s->size; i++) {
        struct rn_set_key key = rn_set_key_of(&s->set, all[i].index);
        good = rn_set_add(&kept, &key) == i;
        if (good)
            kept.counts[i] = s->set.counts[all[i].index];
    }
    free(all);
    rn_set_free(&s->set);
    s->set = kept;
    if (!good)
        return token_no_memory(e);
    if (kept.count)
        return RN_OK;
    return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                    "field '%s': no word occurs %llu times in the training rows",
                    s->field.name, (unsigned long long)s->min_count);
}

static int32_t not_known(const struct words *s, const struct scanner *x,
                         struct rn_error *e) {
    rn_failf(e, RN_E_DATA, NULL, 0, 0,
             "field '%s': '%.*s' is not among the %u words that have an id",
             s->field.name, (int)(x->n < 80 ? x->n : 80), (const char *)x->word,
             s->set.count);
    rn_hintf(e, "`unknown: index` gives such words the id 1");
    return RN_E_DATA;
}

/* A row's tokens into t. */
static int32_t tokens(const struct words *s, const struct rn_tensor *in, uint64_t row,
                      struct token_list *t, struct rn_error *e) {
    struct scanner x;
    t->count = 0;
    for (scan(s, in, row, &x); next_word(&x);) {
        struct rn_set_key key = word_key(&x);
        uint32_t at = rn_set_find(&s->set, &key);
        if (at == RN_SET_NONE && s->unknown == UNKNOWN_ERROR)
            return not_known(s, &x, e);
        if (at == RN_SET_NONE && s->unknown == UNKNOWN_DROP)
            continue;
        if (!token_list_reserve(t, 1))
            return token_no_memory(e);
        t->at[t->count++] = at == RN_SET_NONE ? UNKNOWN : (int32_t)(FIRST + at);
    }
    return RN_OK;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    struct token_list t = {0};
    int32_t status = RN_OK;
    for (uint64_t r = 0; r < call->rows && status == RN_OK; r++) {
        status = tokens(self, call->in, r, &t, e);
        if (status == RN_OK)
            status = token_store(&t, call->out, r, e);
    }
    token_list_finish(&t);
    return status;
}

/* FIELD/categories, the words of ids 2, 3, ...; FIELD/counts: how often each occurs. */
static int32_t save(void *self, struct rn_stream *to, struct rn_error *e) {
    const struct words *s = self;
    int32_t status = rn_arrays_begin(to);
    (void)e;
    return status == RN_OK ? rn_set_put(&s->set, to, s->field.name) : status;
}

static int32_t load(void *self, struct rn_stream *from, struct rn_error *e) {
    struct words *s = self;
    struct rn_arrays a;
    char name[sizeof s->field.name] = "";
    int32_t status = rn_arrays_read(from, 0, &a, e);
    for (uint32_t i = 0; status == RN_OK && i < a.count; i++)
        if (rn_array_field(&a.at[i], "counts", name, sizeof name))
            break;
    if (status == RN_OK)
        status = rn_set_take(&s->set, &a, name);
    if (status == RN_OK &&
        (!s->set.text || !s->set.count || s->set.count > s->size - FIRST))
        status = RN_E_CHECKPOINT;
    rn_arrays_free(&a);
    if (status != RN_OK && e && !e->status)
        rn_fail(e, status, "the stored vocabulary cannot be read", NULL, NULL);
    return status;
}

static const struct rn_transform iface = {sizeof(struct rn_transform),
                                          0,
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

RN_TRANSFORM(words, iface, "runner/words 1",
             RN_DOC("Text as ids of its words, i32, of variable size: 1 for a word that "
                    "has no id, then the words of the training samples, the most "
                    "frequent first; 0 is left to pad_sequence")
             RN_IN("field u8 [...] ; variable | text in UTF-8")
             RN_OPTION("of list(string) ; required | the field")
             RN_OPTION("max_size int = 10000 ; min 3 ; max 16777216 ; checkpoint | ids are "
                       "below it: the size of an embedding")
             RN_OPTION("min_count int = 1 ; min 1 | words that are rarer in the training "
                       "samples have no id")
             RN_OPTION("lowercase bool = true | capitals count as small letters")
             RN_OPTION("punctuation choice(drop,keep) = drop | keep: a run of other signs "
                       "is a word too")
             RN_OPTION("unknown choice(index,drop,error) = index | a word without an id is "
                       "1, or left out, or an error"));
RN_PLUGIN(&words);

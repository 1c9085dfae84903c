/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a text as numbers [words]: how often each occurs, times ln((1 + rows) /
 * (1 + rows with the word)) + 1, divided by the 2-norm of the sample, as
 * TfidfVectorizer of scikit-learn. Words are runs of two letters, digits or underscores
 * and more. */
#include <math.h>

#include <runner/sdk/category_set.h>
#include <runner/sdk/transform.h>
#include <runner/transform.h>

#define NAME_BYTES 128u
#define WORD_BYTES 1024u /* longer ones are cut */

/* What is learnt of a field. */
struct words {
    char name[NAME_BYTES];
    int fitted;
    uint64_t rows;
    struct rn_set set; /* counts: rows that have the word */
    uint64_t *totals;  /* [room] how often it occurs, while fitting */
    uint64_t *last;    /* [room] row that it was last seen in, + 1 */
    uint32_t room;
    double *idf; /* [set.count] */
};

struct input {
    struct words *of;
    uint64_t bytes; /* 0: of variable size */
};

struct tfidf {
    uint32_t limit, min_rows;
    int lower, sublinear, plain, unnormed;
    uint32_t count, in_count;
    struct words **words; /* [count] */
    struct input *in;     /* [in_count] of the last plan */
};

/* ------------------------------------------------------------------- words */

/* The code point at p, and its bytes; damaged bytes stand for themselves. */
static uint32_t code_point(const char *s, const char *end, int *bytes) {
    const unsigned char *p = (const unsigned char *)s;
    int n = p[0] < 0x80    ? 1
            : p[0] >= 0xf0 ? 4
            : p[0] >= 0xe0 ? 3
            : p[0] >= 0xc0 ? 2
                           : 1;
    uint32_t c = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
    *bytes = 1;
    if (end - s < n)
        return 0xfffd;
    for (int i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0xfffd;
        c = c << 6 | (p[i] & 0x3f);
    }
    *bytes = n;
    return c;
}

/* Letters, digits and underscores; beyond ASCII all but the blocks of signs. */
static int in_word(uint32_t c) {
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
               (c >= 'a' && c <= 'z') || c == '_';
    if (c < 0xc0)
        return c == 0xaa || c == 0xb2 || c == 0xb3 || c == 0xb5 || c == 0xb9 ||
               c == 0xba || (c >= 0xbc && c <= 0xbe);
    return c != 0xd7 && c != 0xf7 && !(c >= 0x2000 && c <= 0x206f) &&
           !(c >= 0x20a0 && c <= 0x20cf) && !(c >= 0x2190 && c <= 0x245f) &&
           !(c >= 0x2500 && c <= 0x2bff) && !(c >= 0x3000 && c <= 0x3004) &&
           !(c >= 0x3008 && c <= 0x3020) && !(c >= 0xfe10 && c <= 0xfe6f) &&
           c != 0xfffd && !(c >= 0xff01 && c <= 0xff0f) &&
           !(c >= 0x1f000 && c < 0x1fb00);
}

/* Latin, Greek and Cyrillic capitals. */
static uint32_t lowered(uint32_t c) {
    if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) ||
        (c >= 0x391 && c <= 0x3a9 && c != 0x3a2) || (c >= 0x410 && c <= 0x42f))
        return c + 32;
    if (c >= 0x400 && c <= 0x40f)
        return c + 80;
    if ((c >= 0x100 && c <= 0x12f) || (c >= 0x132 && c <= 0x137) ||
        (c >= 0x14a && c <= 0x177) || (c >= 0x460 && c <= 0x481) ||
        (c >= 0x48a && c <= 0x4bf) || (c >= 0x4d0 && c <= 0x52f) ||
        (c >= 0x1e00 && c <= 0x1e95))
        return c | 1;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
        return c + (c & 1);
    return c;
}

static size_t encode(uint32_t c, char *out) {
    unsigned char *p = (unsigned char *)out;
    if (c < 0x80) {
        p[0] = (unsigned char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        p[i] = (unsigned char)(0x80 | (c & 0x3f));
    p[0] = (unsigned char)((0xf00u >> n & 0xffu) | c);
    return n;
}

struct scanner {
    const char *p, *end;
    int lower;
    char word[WORD_BYTES + 8];
    size_t n;
};

/* The next word of two characters and more; 0: there is none. */
static int next_word(struct scanner *s) {
    while (s->p < s->end) {
        int bytes, length = 0;
        for (s->n = 0; s->p < s->end; s->p += bytes, length++) {
            uint32_t c = code_point(s->p, s->end, &bytes);
            if (!in_word(c))
                break;
            if (s->n < WORD_BYTES)
                s->n += encode(s->lower ? lowered(c) : c, s->word + s->n);
        }
        if (length >= 2)
            return 1;
        if (!length)
            s->p += bytes;
    }
    return 0;
}

static struct scanner scan(const struct tfidf *s, uint32_t i,
                           const struct rn_tensor *in, uint64_t r) {
    struct scanner x;
    uint64_t n = s->in[i].bytes;
    x.p = n ? (const char *)in->data + r * n : rn_cell(in, r, &n);
    x.end = x.p + (s->in[i].bytes ? strnlen(x.p, n) : n);
    x.lower = s->lower;
    x.n = 0;
    return x;
}

/* --------------------------------------------------------------- transform */

static void forget(struct words *w) {
    rn_set_free(&w->set);
    free(w->totals);
    free(w->last);
    free(w->idf);
    w->totals = w->last = NULL;
    w->idf = NULL;
    w->room = 0;
    w->rows = 0;
    w->fitted = 0;
    w->set.text = 1;
}

static void destroy(void *self) {
    struct tfidf *s = self;
    for (uint32_t i = 0; s && i < s->count; i++) {
        forget(s->words[i]);
        free(s->words[i]);
    }
    if (s) {
        free(s->words);
        free(s->in);
    }
    free(s);
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct tfidf *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
    s->limit = (uint32_t)rn_get_int(h, "words");
    s->min_rows = (uint32_t)rn_get_int(h, "min_rows");
    s->lower = rn_get_bool(h, "lowercase");
    s->sublinear = rn_get_bool(h, "sublinear");
    s->plain = !rn_get_bool(h, "idf");
    s->unnormed = !rn_get_bool(h, "normalise");
    return RN_OK;
}

/* NULL: no memory. */
static struct words *find(struct tfidf *s, const char *name) {
    for (uint32_t i = 0; i < s->count; i++)
        if (strcmp(s->words[i]->name, name) == 0)
            return s->words[i];
    struct words *w = calloc(1, sizeof *w);
    struct words **more = realloc(s->words, (s->count + 1u) * sizeof *more);
    s->words = more ? more : s->words;
    if (!w || !more) {
        free(w);
        return NULL;
    }
    snprintf(w->name, sizeof w->name, "%s", name);
    w->set.text = 1;
    return s->words[s->count++] = w;
}

static int32_t plan(void *self, struct rn_transform_plan *plan, struct rn_error *e) {
    struct tfidf *s = self;
    s->in_count = 0;
    s->in = rn_planned(s->in, plan->in_count, sizeof *s->in, plan->in_count,
                       plan->out_room, e);
    if (!s->in)
        return e && e->status ? e->status : RN_E_MEMORY;
    s->in_count = plan->out_count = plan->in_count;
    for (uint32_t i = 0; i < plan->in_count; i++) {
        const struct rn_field *in = &plan->in[i];
        if (!(in->flags & RN_FIELD_TEXT) || strlen(in->name) >= NAME_BYTES)
            return rn_failf(e, RN_E_CONFIG, NULL, 0, 0, "field '%s' is not text",
                            in->name);
        struct words *w = find(s, in->name);
        if (!w)
            return rn_fail(e, RN_E_MEMORY, "no memory for a transform", NULL, NULL);
        s->in[i].of = w;
        s->in[i].bytes = in->flags & RN_FIELD_VARIABLE ? 0 : (uint64_t)in->shape[0];
        plan->out[i] = (struct rn_field){
            w->name, RN_F64, 1, {w->fitted ? (int64_t)w->set.count : 1}, 0, 0};
    }
    return RN_OK;
}

static int32_t fit_begin(void *self, struct rn_error *e) {
    struct tfidf *s = self;
    (void)e;
    for (uint32_t i = 0; i < s->count; i++)
        forget(s->words[i]);
    return RN_OK;
}

static int32_t no_memory(struct rn_error *e) {
    return rn_fail(e, RN_E_MEMORY, "no memory for the words", NULL, NULL);
}

/* Room for word `index` in totals and last. */
static int reach(struct words *w, uint32_t index) {
    uint32_t room = w->room ? 2 * w->room : 256;
    if (index < w->room)
        return 1;
    uint64_t *totals = realloc(w->totals, room * sizeof *totals);
    w->totals = totals ? totals : w->totals;
    uint64_t *last = realloc(w->last, room * sizeof *last);
    w->last = last ? last : w->last;
    if (!totals || !last)
        return 0;
    memset(totals + w->room, 0, (room - w->room) * sizeof *totals);
    memset(last + w->room, 0, (room - w->room) * sizeof *last);
    w->room = room;
    return 1;
}

static int32_t fit_rows(void *self, const struct rn_transform_call *call,
                        struct rn_error *e) {
    struct tfidf *s = self;
    for (uint32_t i = 0; i < s->in_count; i++) {
        struct words *w = s->in[i].of;
        for (uint64_t r = 0; r < call->rows; r++) {
            struct scanner x = scan(s, i, &call->in[i], r);
            w->rows++;
            while (next_word(&x)) {
                struct rn_set_key key = {x.word, x.n, 0.0};
                uint32_t at = rn_set_add(&w->set, &key);
                if (at == RN_SET_NONE)
                    return rn_failf(e, RN_E_DATA, NULL, 0, 0,
                                    "field '%s' has too many different words", w->name);
                if (!reach(w, at))
                    return no_memory(e);
                w->totals[at]++;
                w->set.counts[at] += w->last[at] != w->rows;
                w->last[at] = w->rows;
            }
        }
    }
    return RN_OK;
}

/* Put into `order` the words by falling totals, of equal ones by bytes. */
static void by_total(const struct words *w, uint32_t *order, uint32_t *other,
                     uint32_t n) {
    uint32_t half = n / 2, i = 0, k = half, at = 0;
    if (n < 2)
        return;
    by_total(w, order, other, half);
    by_total(w, order + half, other, n - half);
    while (i < half || k < n) {
        uint64_t a = i < half ? w->totals[order[i]] : 0;
        uint64_t b = k < n ? w->totals[order[k]] : 0;
        int first =
            k == n ||
            (i < half &&
             (a > b || (a == b && rn_set_compare(&w->set, order[i], order[k]) < 0)));
        other[at++] = first ? order[i++] : order[k++];
    }
    memcpy(order, other, n * sizeof *order);
}

/* Keep the words of enough rows, of them the most frequent, sorted. */
static int32_t choose(const struct tfidf *s, struct words *w, struct rn_error *e) {
    struct rn_set kept = {.text = 1};
    uint32_t *order = malloc((w->set.count + 1u) * 2u * sizeof *order), n = 0;
    int good = order != NULL;
    for (uint32_t i = 0; good && i < w->set.count; i++)
        if (w->set.counts[i] >= s->min_rows)
            order[n++] = i;
    if (good)
        by_total(w, order, order + w->set.count, n);
    for (uint32_t i = 0; good && i < n && i < s->limit; i++) {
        struct rn_set_key key = rn_set_key_of(&w->set, order[i]);
        uint32_t at = rn_set_add(&kept, &key);
        good = at != RN_SET_NONE;
        if (good)
            kept.counts[at] = w->set.counts[order[i]];
    }
    free(order);
    good = good && rn_set_sort(&kept);
    if (!good) {
        rn_set_free(&kept);
        return no_memory(e);
    }
    rn_set_free(&w->set);
    w->set = kept;
    return kept.count ? RN_OK
                      : rn_failf(e, RN_E_DATA, NULL, 0, 0,
                                 "field '%s': no word is in %u training rows", w->name,
                                 s->min_rows);
}

static int32_t weigh(const struct tfidf *s, struct words *w, struct rn_error *e) {
    free(w->idf);
    w->idf = malloc(rn_size_or_max(w->set.count, sizeof *w->idf));
    if (!w->idf)
        return no_memory(e);
    for (uint32_t i = 0; i < w->set.count; i++)
        w->idf[i] =
            s->plain
                ? 1.0
                : log((1.0 + (double)w->rows) / (1.0 + (double)w->set.counts[i])) + 1.0;
    w->fitted = 1;
    return RN_OK;
}

static int32_t fit_end(void *self, struct rn_error *e) {
    struct tfidf *s = self;
    int32_t status = RN_OK;
    for (uint32_t i = 0; i < s->in_count && status == RN_OK; i++) {
        struct words *w = s->in[i].of;
        status = choose(s, w, e);
        if (status == RN_OK)
            status = weigh(s, w, e);
        free(w->totals);
        free(w->last);
        w->totals = w->last = NULL;
        w->room = 0;
    }
    return status;
}

static int32_t apply(void *self, const struct rn_transform_call *call,
                     struct rn_error *e) {
    const struct tfidf *s = self;
    (void)e;
    for (uint32_t i = 0; i < s->in_count; i++) {
        const struct words *w = s->in[i].of;
        uint32_t n = w->set.count;
        double *y = call->out[i].data;
        memset(y, 0, call->rows * n * sizeof *y);
        for (uint64_t r = 0; r < call->rows; r++, y += n) {
            struct scanner x = scan(s, i, &call->in[i], r);
            double squares = 0.0;
            while (next_word(&x)) {
                struct rn_set_key key = {x.word, x.n, 0.0};
                uint32_t at = rn_set_find(&w->set, &key);
                if (at != RN_SET_NONE)
                    y[at] += 1.0;
            }
            for (uint32_t k = 0; k < n; k++) {
                y[k] =
                    (s->sublinear && y[k] > 0.0 ? 1.0 + log(y[k]) : y[k]) * w->idf[k];
                squares += y[k] * y[k];
            }
            for (uint32_t k = 0; squares > 0.0 && !s->unnormed && k < n; k++)
                y[k] /= sqrt(squares);
        }
    }
    return RN_OK;
}

/* FIELD/categories, FIELD/counts (rows with the word), FIELD/rows i64, FIELD/idf. */
static int32_t save(void *self, struct rn_stream *to, struct rn_error *e) {
    const struct tfidf *s = self;
    int32_t status = rn_arrays_begin(to);
    (void)e;
    for (uint32_t i = 0; status == RN_OK && i < s->count; i++) {
        const struct words *w = s->words[i];
        int64_t n = w->set.count;
        if (!w->fitted)
            continue;
        status = rn_array_put(to, w->name, "rows", RN_I64, 0, NULL, &w->rows);
        if (status == RN_OK)
            status = rn_set_put(&w->set, to, w->name);
        if (status == RN_OK)
            status = rn_array_put(to, w->name, "idf", RN_F64, 1, &n, w->idf);
    }
    return status;
}

static int32_t load(void *self, struct rn_stream *from, struct rn_error *e) {
    struct tfidf *s = self;
    struct rn_arrays a;
    char name[NAME_BYTES];
    int32_t status = rn_arrays_read(from, 0, &a, e);
    for (uint32_t i = 0; status == RN_OK && i < a.count; i++) {
        if (!rn_array_field(&a.at[i], "rows", name, sizeof name))
            continue;
        struct words *w = find(s, name);
        if (!w)
            status = RN_E_MEMORY;
        else if (a.at[i].dtype != RN_I64 || a.at[i].rank)
            status = RN_E_CHECKPOINT;
        else {
            forget(w);
            w->rows = *(const uint64_t *)a.at[i].data;
            status = rn_set_take(&w->set, &a, name);
        }
        if (status == RN_OK && (!w->set.text || !w->set.count))
            status = RN_E_CHECKPOINT;
        if (status == RN_OK)
            status = weigh(s, w, e);
    }
    rn_arrays_free(&a);
    if (status != RN_OK && e && !e->status)
        rn_fail(e, status, "the stored state cannot be read", NULL, NULL);
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

RN_TRANSFORM(tfidf, iface, "runner/tfidf 1",
             RN_DOC("Words of a text as f64 [words]: how often they occur, times how rare "
                    "they are in the training rows; other words do not count")
             RN_IN("fields u8 [...] ; variable | texts in UTF-8")
             RN_OPTION("of list(string) ; required | fields of text")
             RN_OPTION("words int = 1000 ; min 1 ; max 1048576 | the most frequent ones "
                       "of the training rows that are kept; of equally frequent ones the "
                       "first by bytes")
             RN_OPTION("min_rows int = 1 ; min 1 | words of fewer training rows are not "
                       "kept")
             RN_OPTION("lowercase bool = true | capitals of Latin, Greek and Cyrillic "
                       "letters count as small ones")
             RN_OPTION("idf bool = true | weigh by rarity: ln((1 + rows) / (1 + rows with "
                       "the word)) + 1")
             RN_OPTION("sublinear bool = false | 1 + ln(count) instead of the count")
             RN_OPTION("normalise bool = true | divide by the 2-norm of the sample"));
RN_PLUGIN(&tfidf);

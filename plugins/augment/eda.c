/* SPDX-License-Identifier: Apache-2.0 */
/* Small edits of a text (EDA, Wei and Zou 2019): one of replacing words by synonyms,
 * inserting, swapping and deleting words, max(1, alpha * words) times. A word is what
 * blanks separate in a text, or one token of a list of integers. */
#include <stdbool.h>
#include <stdlib.h>

#include <runner/sdk/file.h>
#include <runner/sdk/scene.h>

enum { REPLACE, INSERT, SWAP, DELETE, WAYS };
static const char *const names[WAYS] = {"replace", "insert", "swap", "delete"};

#define FILE_MAX (64u << 20) /* bytes of a file of synonyms */

/* A word of the file. */
struct synonym {
    const char *at; /* of `bytes` */
    uint32_t size, group;
    int64_t token; /* of a field of integers: its number */
};

struct eda {
    struct rn_scene scene; /* first; without images */
    double alpha;
    int64_t pad;
    uint32_t way_count, ways[WAYS];
    const char *file; /* of synonyms, or "" */
    char *bytes;      /* owned: its content */
    struct synonym
        *words;       /* owned; [word_count], in the file's order, group by group */
    uint32_t *sorted; /* owned; [word_count] of words, by their text or number */
    uint32_t word_count;
    rn_dtype dtype;
    uint64_t length; /* elements of the field */
    bool text;
};

/* A word of a row: bytes of a text, or a token. */
struct word {
    const char *at;
    uint32_t size;
    int64_t token;
};

/* ------------------------------------------------------------------------ life */

static int32_t read_ways(struct eda *s, struct rn_error *e) {
    uint32_t n = rn_get_count(s->scene.host, "ops");
    char path[32];
    if (n > WAYS)
        return rn_fail_option(e, RN_E_CONFIG, "ops", "names an operation twice");
    for (uint32_t i = 0; i < n; i++) {
        const char *name =
            rn_get_string(s->scene.host, rn_path(path, sizeof path, "ops", i));
        uint32_t k = 0;
        while (k + 1 < WAYS && strcmp(names[k], name) != 0)
            k++;
        s->ways[s->way_count++] = k;
    }
    for (uint32_t k = s->file[0] ? REPLACE : INSERT; k < WAYS && !n; k++)
        s->ways[s->way_count++] = k;
    for (uint32_t k = 0; k < s->way_count; k++)
        if (s->ways[k] == REPLACE && !s->file[0])
            return rn_fail(e, RN_E_CONFIG, "replacing words needs their synonyms",
                           "give the file of them in `words`", "ops");
    return RN_OK;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct eda *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->alpha = rn_get_float(h, "alpha");
    s->pad = rn_get_int(h, "pad");
    s->file = rn_has(h, "words") ? rn_get_string(h, "words") : "";
    return read_ways(s, e);
}

static void forget(struct eda *s) {
    free(s->bytes);
    free(s->words);
    free(s->sorted);
    s->bytes = NULL;
    s->words = NULL;
    s->sorted = NULL;
    s->word_count = 0;
}

static void destroy(void *self) {
    if (self)
        forget(self);
    rn_scene_destroy(self);
}

/* -------------------------------------------------------------------- synonyms */

static int compare(bool text, const char *a, uint32_t an, int64_t at, const char *b,
                   uint32_t bn, int64_t bt) {
    if (!text)
        return at < bt ? -1 : at > bt;
    int order = memcmp(a, b, an < bn ? an : bn);
    return order ? order : an < bn ? -1 : an > bn;
}

/* The words of [low, high) of `sorted`, in order; `more` is scratch. */
static void sort(const struct eda *s, uint32_t low, uint32_t high, uint32_t *more) {
    if (high - low < 2)
        return;
    uint32_t middle = low + (high - low) / 2, a = low, b = middle;
    sort(s, low, middle, more);
    sort(s, middle, high, more);
    for (uint32_t k = low; k < high; k++) {
        const struct synonym *x = a < middle ? &s->words[s->sorted[a]] : NULL;
        const struct synonym *y = b < high ? &s->words[s->sorted[b]] : NULL;
        bool first = !y || (x && compare(s->text, x->at, x->size, x->token, y->at,
                                         y->size, y->token) <= 0);
        more[k] = s->sorted[first ? a++ : b++];
    }
    memcpy(s->sorted + low, more + low, (high - low) * sizeof *more);
}

/* The first group of a word; NULL: it has no synonyms. */
static const struct synonym *find(const struct eda *s, const struct word *w) {
    uint32_t low = 0, high = s->word_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct synonym *y = &s->words[s->sorted[middle]];
        if (compare(s->text, y->at, y->size, y->token, w->at, w->size, w->token) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    const struct synonym *y = low < s->word_count ? &s->words[s->sorted[low]] : NULL;
    return y && compare(s->text, y->at, y->size, y->token, w->at, w->size, w->token) ==
                       0
               ? y
               : NULL;
}

static int32_t read_file(struct eda *s, uint64_t *size, struct rn_error *e) {
    struct stat st;
    const char *why;
    int fd = rn_file_open(s->file, O_RDONLY, &st, &why);
    if (fd < 0)
        return rn_failf(e, RN_E_DATA, s->file, 0, 0, "%s",
                        why ? why : "cannot be opened");
    *size = (uint64_t)st.st_size;
    s->bytes = *size <= FILE_MAX ? malloc(*size + 2) : NULL;
    bool read = s->bytes && rn_file_read(fd, s->bytes, *size, 0) == (int64_t)*size;
    close(fd);
    if (*size > FILE_MAX)
        return rn_failf(e, RN_E_DATA, s->file, 0, 0,
                        "a file of synonyms has at most %u MiB", FILE_MAX >> 20);
    if (!read)
        return rn_failf(e, RN_E_DATA, s->file, 0, 0, "cannot be read");
    s->bytes[*size] = '\n';
    s->bytes[*size + 1] = '\0';
    return RN_OK;
}

/* A word of a line; of a field of integers it must be one of them. */
static int32_t add_word(struct eda *s, const char *at, uint32_t size, uint32_t line,
                        struct rn_error *e) {
    struct synonym y = {at, size, line, 0};
    char *end;
    y.token = s->text ? 0 : strtoll(at, &end, 10);
    if (!s->text && (end != at + size || !rn_image_holds(s->dtype, (double)y.token)))
        return rn_failf(e, RN_E_DATA, s->file, line, 0, "'%.*s' is not a token, an %s",
                        (int)(size < 40 ? size : 40), at, rn_dtype_name(s->dtype));
    s->words[s->word_count++] = y;
    return RN_OK;
}

/* Groups are lines, their words are separated by tabs. */
static int32_t read_words(struct eda *s, uint64_t size, struct rn_error *e) {
    int32_t status = RN_OK;
    uint32_t line = 1;
    for (uint64_t at = 0; at < size && status == RN_OK;) {
        size_t n = strcspn(s->bytes + at, "\t\r\n");
        if (n)
            status = add_word(s, s->bytes + at, (uint32_t)n, line, e);
        at += n;
        line += s->bytes[at] == '\n';
        at++;
    }
    return status;
}

static int32_t load(struct eda *s, struct rn_error *e) {
    uint64_t size = 0, most = 1;
    forget(s);
    int32_t status = read_file(s, &size, e);
    for (uint64_t i = 0; i < size && status == RN_OK; i++)
        most += s->bytes[i] == '\t' || s->bytes[i] == '\n';
    if (status != RN_OK)
        return status;
    if (memchr(s->bytes, 0, size))
        return rn_failf(e, RN_E_DATA, s->file, 0, 0,
                        "is not a text: it has a zero byte");
    s->words = malloc((most + 1) * sizeof *s->words);
    s->sorted = malloc(2 * (most + 1) * sizeof *s->sorted);
    if (!s->words || !s->sorted)
        return rn_fail(e, RN_E_MEMORY, "no memory for synonyms", NULL, NULL);
    status = read_words(s, size, e);
    for (uint32_t i = 0; i < s->word_count; i++)
        s->sorted[i] = i;
    if (status == RN_OK)
        sort(s, 0, s->word_count, s->sorted + most + 1);
    return status;
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct eda *s = self;
    const struct rn_field *f = rn_augment_field(p, 0);
    s->text = (f->flags & RN_FIELD_TEXT) != 0;
    s->dtype = f->dtype;
    s->length = rn_field_elements(f);
    if (p->field_count != 1)
        return rn_fail_option(e, RN_E_CONFIG, "of", "expects one field");
    if (f->rank != 1 || (!s->text && f->dtype != RN_I32 && f->dtype != RN_I64)) {
        rn_fail_option(e, RN_E_CONFIG, "of",
                       "field '%s' is neither a text nor a list of tokens", f->name);
        rn_hintf(e, "tokens are i32 or i64 [T]");
        return RN_E_CONFIG;
    }
    /* a row's words, then twice as many for what an insertion adds, then the result */
    s->scene.scratch = 2 * (s->length + 1) * sizeof(struct word) + s->length + 64;
    return s->file[0] ? load(s, e) : RN_OK;
}

/* ----------------------------------------------------------------------- edits */

static bool blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The words of a row. Tokens end where only `pad` follows. */
static uint64_t split(const struct eda *s, const void *row, struct word *out) {
    uint64_t count = 0, n = s->length;
    if (!s->text) {
        for (uint64_t i = 0; i < n; i++) {
            out[i] = (struct word){NULL, 0, rn_integer_get(row, s->dtype, i)};
            count = out[i].token != s->pad ? i + 1 : count;
        }
        return count;
    }
    const char *t = row;
    n = strnlen(t, n);
    for (uint64_t i = 0; i < n;) {
        uint64_t k = i;
        while (k < n && !blank(t[k]))
            k++;
        if (k > i)
            out[count++] = (struct word){t + i, (uint32_t)(k - i), 0};
        i = k + 1;
    }
    return count;
}

/* Words that fit, the rest is cut off; the end is padded. */
static void join(const struct eda *s, const struct word *w, uint64_t count, void *row,
                 char *made) {
    uint64_t at = 0;
    if (!s->text) {
        for (uint64_t i = 0; i < s->length; i++) {
            int64_t v = i < count ? w[i].token : s->pad;
            if (s->dtype == RN_I64)
                ((int64_t *)row)[i] = v;
            else
                ((int32_t *)row)[i] = (int32_t)v;
        }
        return;
    }
    memset(made, 0, s->length);
    for (uint64_t i = 0; i < count && at + (i > 0) + w[i].size <= s->length; i++) {
        if (i)
            made[at++] = ' ';
        memcpy(made + at, w[i].at, w[i].size);
        at += w[i].size;
    }
    memcpy(row, made, s->length);
}

/* Another word of its group at random; the word itself where it has none. */
static struct word synonym_of(const struct eda *s, struct rn_draws *d,
                              const struct word *w) {
    const struct synonym *y = s->word_count ? find(s, w) : NULL;
    if (!y)
        return *w;
    const struct synonym *first = y, *end = y, *stop = s->words + s->word_count;
    while (first > s->words && first[-1].group == y->group)
        first--;
    while (end < stop && end->group == y->group)
        end++;
    if (end - first < 2)
        return *w;
    uint64_t k = rn_draw_below(d, (uint64_t)(end - first) - 1);
    const struct synonym *other = first + k + (first + k >= y);
    return (struct word){other->at, other->size, other->token};
}

static void swap(struct word *w, uint64_t i, uint64_t k) {
    struct word t = w[i];
    w[i] = w[k];
    w[k] = t;
}

/* Once; how many words there are then. */
static uint64_t edit(const struct eda *s, struct rn_draws *d, uint32_t way,
                     struct word *w, uint64_t count) {
    uint64_t i = rn_draw_below(d, count), k;
    if (way == REPLACE) {
        w[i] = synonym_of(s, d, &w[i]);
    } else if (way == INSERT) {
        struct word new = synonym_of(s, d, &w[i]);
        k = rn_draw_below(d, count + 1);
        if (count >= s->length)
            return count;
        memmove(w + k + 1, w + k, (count - k) * sizeof *w);
        w[k] = new;
        return count + 1;
    } else if (way == SWAP && count > 1) {
        k = rn_draw_below(d, count - 1);
        swap(w, i, k + (k >= i));
    } else if (way == DELETE && count > 1) {
        memmove(w + i, w + i + 1, (count - i - 1) * sizeof *w);
        return count - 1;
    }
    return count;
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct eda *s = self;
    uint64_t bytes = s->length * RN_DTYPE_BYTES(s->dtype);
    void *row = (char *)r->call->fields[0].data + r->row * bytes;
    struct word *w = r->scratch;
    uint64_t count = split(s, row, w), times = (uint64_t)(s->alpha * (double)count);
    uint32_t way = s->ways[rn_draw_below(&r->draws, s->way_count)];
    (void)e;
    times = times < 1 ? 1 : times;
    if (!count)
        return RN_OK;
    rn_scene_log(self, r->row, names[way], (double)times);
    for (uint64_t k = 0; k < times; k++)
        count = edit(s, &r->draws, way, w, count);
    join(s, w, count, row, (char *)(w + 2 * (s->length + 1)));
    return RN_OK;
}

RN_SCENE_TABLE_OF(create, destroy, plan, change);

RN_AUGMENT(eda, iface, "runner/eda 1",
           RN_DOC("Replace, insert, swap or delete a few words of a text (EDA, Wei and Zou "
                  "2019)")
           RN_OPTION("of string = x | tokens, i32 or i64 [T], or a text")
           RN_OPTION("alpha float = 0.1 ; min 0 ; max 1 | share of the words that one edit "
                     "changes, at least one word")
           RN_OPTION("ops list(choice(replace,insert,swap,delete)) | the edits, one of which is "
                     "drawn for a sample; default: all, and `replace` only with `words`")
           RN_OPTION("words path | synonyms: a line a group, separated by tabs, as in the "
                     "field; what is inserted is a synonym too")
           RN_OPTION("pad int = 0 | the token that fills the end of a list")
           RN_SCENE_P_OPTION);
RN_PLUGIN(&eda);

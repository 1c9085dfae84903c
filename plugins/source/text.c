/* SPDX-License-Identifier: Apache-2.0 */
/* A text as windows of characters, each with the character that follows: what a
 * language model learns from. Characters are Unicode's code points, numbered in the
 * order of the alphabet. Plain or gzipped. */
#include <runner/sdk/error.h>

#include "text_file.h"
#include "utf8.h"

#define LETTERS 65536u /* most characters of an alphabet */
#define ALL     UTF8_COUNT

struct text {
    const char *file; /* host, until destroy */
    int32_t *codes;   /* [count] numbers of the characters */
    uint64_t count;
    uint64_t window, stride, rows;
    uint32_t letters;
    char *layout; /* the alphabet, for people and to compare */
    const char *layouts[2];
    struct rn_field fields[2];
};

/* number[c] of each character of the option, or of those that the text has; -1: none.
 */
static int32_t number_letters(struct rn_host *h, struct text *s, const uint8_t *text,
                              uint64_t size, int32_t *number, struct rn_error *e) {
    const char *given = rn_has(h, "alphabet") ? rn_get_string(h, "alphabet") : NULL;
    const uint8_t *p = given ? (const uint8_t *)given : text;
    const uint8_t *end = p + (given ? strlen(given) : size);
    for (uint32_t c = 0; c < ALL; c++)
        number[c] = -1;
    while (p < end) {
        uint32_t c = utf8_next(&p, end);
        if (c == UTF8_BAD && !given)
            return RN_OK; /* reported with its place when the text is read */
        if (c == UTF8_BAD)
            return rn_fail_option(e, RN_E_CONFIG, "alphabet", "is not UTF-8");
        if (given && number[c] >= 0)
            return rn_fail_option(e, RN_E_CONFIG, "alphabet",
                                  "has a character twice: number %d and %u", number[c],
                                  s->letters);
        if (number[c] < 0)
            number[c] = (int32_t)s->letters++;
    }
    if (!given) { /* sorted */
        s->letters = 0;
        for (uint32_t c = 0; c < ALL; c++)
            if (number[c] >= 0)
                number[c] = (int32_t)s->letters++;
    }
    if (s->letters > LETTERS)
        return rn_failf(e, RN_E_DATA, s->file, 0, 0,
                        "has %u characters; %u are the most", s->letters, LETTERS);
    return RN_OK;
}

/* The alphabet in order of its numbers, in UTF-8, controls and \ escaped. */
static int32_t write_layout(struct text *s, const int32_t *number, struct rn_error *e) {
    uint32_t *letters = calloc(s->letters + 1, sizeof *letters);
    char *to = s->layout = calloc(s->letters + 1, 8);
    if (!letters || !to) {
        free(letters);
        return rn_failf(e, RN_E_MEMORY, s->file, 0, 0, "no memory for its alphabet");
    }
    for (uint32_t c = 0; c < ALL; c++)
        if (number[c] >= 0)
            letters[number[c]] = c;
    for (uint32_t i = 0; i < s->letters; i++) {
        uint32_t c = letters[i];
        if (c == '\n')
            to += sprintf(to, "\\n");
        else if (c < 32 || c == 127)
            to += sprintf(to, "\\x%02x", c);
        else if (c < 128)
            to += sprintf(to, c == '\\' ? "\\\\" : "%c", (int)c);
        else if (c < 0x800)
            to += sprintf(to, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 63)));
        else if (c < 0x10000)
            to += sprintf(to, "%c%c%c", (int)(0xe0 | c >> 12),
                          (int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
        else
            to += sprintf(to, "%c%c%c%c", (int)(0xf0 | c >> 18),
                          (int)(0x80 | (c >> 12 & 63)), (int)(0x80 | (c >> 6 & 63)),
                          (int)(0x80 | (c & 63)));
    }
    free(letters);
    return RN_OK;
}

static int32_t number_text(struct text *s, const uint8_t *text, uint64_t size,
                           const int32_t *number, struct rn_error *e) {
    const uint8_t *p = text, *end = text + size;
    uint32_t line = 1, column = 1;
    s->codes = malloc((size + 1) * sizeof *s->codes);
    if (!s->codes)
        return rn_failf(e, RN_E_MEMORY, s->file, 0, 0, "no memory for its characters");
    while (p < end) {
        const uint8_t *at = p;
        uint32_t c = utf8_next(&p, end);
        if (c == UTF8_BAD)
            return rn_failf(e, RN_E_DATA, s->file, line, column,
                            "is not UTF-8: byte %02x at %llu", *at,
                            (unsigned long long)(at - text));
        if (number[c] < 0) {
            rn_failf(e, RN_E_DATA, s->file, line, column,
                     "has '%.*s' (U+%04X), which the alphabet lacks",
                     c < 32 ? 0 : (int)(p - at), (const char *)at, c);
            rn_hintf(e, "add it to `alphabet`; without that option the text's own "
                        "characters are taken");
            return RN_E_DATA;
        }
        s->codes[s->count++] = number[c];
        column++;
        if (c == '\n')
            line++, column = 1;
    }
    return RN_OK;
}

static void destroy(void *self) {
    struct text *s = self;
    if (s) {
        free(s->codes);
        free(s->layout);
    }
    free(s);
}

static int32_t read_text(struct rn_host *h, struct text *s, struct rn_error *e) {
    struct text_file file;
    struct rn_budget budget = rn_budget_of(h);
    int32_t *number = malloc(ALL * sizeof *number);
    int32_t status = text_file_read(s->file, &file, &budget, e);
    const uint8_t *text = (const uint8_t *)file.text;
    if (status == RN_OK && !number)
        status = rn_failf(e, RN_E_MEMORY, s->file, 0, 0, "no memory for an alphabet");
    if (status == RN_OK && !rn_budget_take(&budget, file.size * sizeof *s->codes))
        status = rn_budget_error(&budget, s->file, e);
    if (status == RN_OK)
        status = number_letters(h, s, text, file.size, number, e);
    if (status == RN_OK)
        status = number_text(s, text, file.size, number, e);
    if (status == RN_OK)
        status = write_layout(s, number, e);
    free(number);
    text_file_finish(&file);
    return status;
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct text *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    s->file = rn_get_string(h, "file");
    s->window = (uint64_t)rn_get_int(h, "window");
    s->stride = rn_has(h, "stride") ? (uint64_t)rn_get_int(h, "stride") : s->window;
    int32_t status = read_text(h, s, e);
    if (status != RN_OK)
        return status;
    if (s->count <= s->window)
        return rn_failf(
            e, RN_E_DATA, s->file, 0, 0,
            "has %llu characters; a window of %llu and the next one need %llu",
            (unsigned long long)s->count, (unsigned long long)s->window,
            (unsigned long long)s->window + 1);
    s->rows = (s->count - s->window - 1) / s->stride + 1;
    for (int i = 0; i < 2; i++) {
        s->fields[i] = (struct rn_field){.name = i ? "next" : "token",
                                         .dtype = RN_I32,
                                         .rank = 1,
                                         .shape = {(int64_t)s->window}};
        s->layouts[i] = s->layout;
    }
    return RN_OK;
}

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    struct text *s = self;
    (void)e;
    out->access = RN_ACCESS_RANDOM;
    out->count = s->rows;
    out->field_count = 2;
    out->field_stride = sizeof s->fields[0];
    out->fields = s->fields;
    memset(out->content_hash, 0, sizeof out->content_hash);
    if (RN_HAS(out, struct rn_source_info, name))
        out->name = s->file;
    if (RN_HAS(out, struct rn_source_info, layouts))
        out->layouts = s->layouts;
    return RN_OK;
}

static int32_t read_rows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    const struct rn_tensor *out = call->out;
    const uint64_t *indices = call->indices;
    uint64_t n = call->rows;
    const struct text *s = self;
    uint64_t bytes = s->window * sizeof *s->codes;
    for (int f = 0; f < 2; f++) {
        uint8_t *to = out[f].data;
        for (uint64_t i = 0; to && i < n; i++, to += bytes) {
            if (indices[i] >= s->rows)
                return rn_failf(e, RN_E_INTERNAL, s->file, 0, 0,
                                "row %llu is not there",
                                (unsigned long long)indices[i]);
            memcpy(to, s->codes + indices[i] * s->stride + f, bytes);
        }
    }
    return RN_OK;
}

static const struct rn_source iface = {
    sizeof(struct rn_source), 0, create, destroy, info, NULL, NULL, read_rows};

RN_SOURCE(text, iface, "runner/text 1",
          RN_DOC("A text as windows of characters, each with the one that follows; "
                 "UTF-8, plain or gzipped, held in memory")
          RN_OUT("token i32 [N,T] | numbers of T = window characters")
          RN_OUT("next i32 [N,T] | those of the characters behind each")
          RN_OPTION("file path ; required | the text")
          RN_OPTION("window int = 256 ; min 1 ; max 16777216 | characters of a sample")
          RN_OPTION("stride int ; min 1 ; max 16777216 | from one window's start to the "
                    "next; default: the window")
          RN_OPTION("alphabet string | the characters in order of their numbers, 0 on; "
                    "default: those of the text, by code point")
          RN_BUDGET_OPTION);
RN_PLUGIN(&text);

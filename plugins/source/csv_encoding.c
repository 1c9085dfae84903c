/* SPDX-License-Identifier: Apache-2.0 */
#include "csv_encoding.h"
#include "utf8.h"

enum csv_encoding csv_encoding_of(const char *word) {
    enum csv_encoding k = CSV_AUTO;
    for (const char *p = CSV_ENCODINGS; *p; k++) {
        size_t n = strcspn(p, ",");
        if (strlen(word) == n && strncmp(p, word, n) == 0)
            return k;
        p += n + (p[n] == ',');
    }
    return CSV_AUTO;
}

/* Line and column of the end of these bytes. */
static void place(const uint8_t *from, const uint8_t *at, uint32_t *line,
                  uint32_t *column) {
    *line = *column = 1;
    for (const uint8_t *p = from; p < at; p++) {
        int ends = *p == '\n' || (*p == '\r' && p[1] != '\n');
        *line += (uint32_t)ends;
        *column = ends ? 1 : *column + 1;
    }
}

static int32_t wrong_at(const char *file, const uint8_t *from, const uint8_t *at,
                        struct rn_error *e, const char *what) {
    uint32_t line, column;
    place(from, at, &line, &column);
    return rn_failf(e, RN_E_DATA, file, line, column, "%s", what);
}

int32_t csv_not_utf8(const char *file, uint32_t line, uint32_t column, uint8_t byte,
                     struct rn_error *e) {
    rn_failf(e, RN_E_DATA, file, line, column, "byte %02x is not UTF-8", byte);
    rn_hintf(e, "state the file's encoding: `encoding: latin-1` or cp1252, of Windows");
    return RN_E_DATA;
}

const uint8_t *csv_utf8_end(const uint8_t *p, const uint8_t *end) {
    while (p < end) {
        uint64_t eight;
        if (end - p >= 8 &&
            !(memcpy(&eight, p, 8), eight & UINT64_C(0x8080808080808080)))
            p += 8;
        else if (*p < 0x80)
            p++;
        else if (utf8_next(&p, end) == UTF8_BAD)
            return p;
    }
    return p;
}

static int32_t check_utf8(const char *file, const struct text_file *t,
                          struct rn_error *e) {
    const uint8_t *from = (const uint8_t *)t->text, *end = from + t->size;
    const uint8_t *p = csv_utf8_end(from, end);
    uint32_t line, column;
    if (p == end)
        return RN_OK;
    place(from, p, &line, &column);
    return csv_not_utf8(file, line, column, *p, e);
}

/* ------------------------------------------------------------- code points */

/* Windows-1252 from 0x80 on to 0x9f; 0: nothing. */
static const uint16_t cp1252[32] = {
    0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
    0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017d, 0,
    0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
    0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178};

static uint32_t next_byte(enum csv_encoding encoding, const uint8_t **p) {
    uint32_t c = *(*p)++;
    if (encoding == CSV_LATIN1 || c < 0x80 || c > 0x9f)
        return c;
    return cp1252[c - 0x80] ? cp1252[c - 0x80] : UTF8_BAD;
}

static uint32_t unit(const uint8_t *p, int big) {
    return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

/* RFC 2781: a character above U+FFFF is two units. */
static uint32_t next_utf16(const uint8_t **p, const uint8_t *end, int big) {
    if (end - *p < 2)
        return UTF8_BAD;
    uint32_t c = unit(*p, big);
    if (c < 0xd800 || c > 0xdfff) {
        *p += 2;
        return c;
    }
    uint32_t low = end - *p >= 4 ? unit(*p + 2, big) : 0;
    if (c > 0xdbff || low < 0xdc00 || low > 0xdfff)
        return UTF8_BAD;
    *p += 4;
    return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

static uint32_t next(enum csv_encoding encoding, const uint8_t **p,
                     const uint8_t *end) {
    return encoding == CSV_UTF16_LE || encoding == CSV_UTF16_BE
               ? next_utf16(p, end, encoding == CSV_UTF16_BE)
               : next_byte(encoding, p);
}

/* t's text, which is not UTF-8, as UTF-8 in memory of its own. */
static int32_t recode(const char *file, enum csv_encoding encoding, struct text_file *t,
                      struct rn_budget *b, struct rn_error *e) {
    const uint8_t *p = (const uint8_t *)t->text, *end = p + t->size;
    struct text_file out = {NULL, 0, NULL, 0};
    int wide = encoding == CSV_UTF16_LE || encoding == CSV_UTF16_BE;
    uint64_t room = (wide ? t->size / 2 + 1 : t->size) * 3 + 1;
    if (!rn_budget_take(b, room))
        return rn_budget_error(b, file, e);
    out.memory = malloc(room);
    out.room = room;
    if (!out.memory)
        return rn_failf(e, RN_E_MEMORY, file, 0, 0, "no memory to read it");
    while (p < end) {
        uint32_t c = next(encoding, &p, end);
        if (c == UTF8_BAD) {
            int32_t status =
                wrong_at(file, out.memory, out.memory + out.size, e,
                         wide ? "this is not UTF-16: a character is cut in half"
                              : "this byte is not a character of cp1252");
            free(out.memory);
            return status;
        }
        out.size += utf8_put(c, out.memory + out.size);
    }
    rn_budget_return(b, t->room);
    text_file_finish(t);
    *t = out;
    t->memory[t->size] = '\0';
    t->text = (char *)t->memory;
    return RN_OK;
}

/* ------------------------------------------------------------------- marks */

static int skip_mark(struct text_file *t, const char *mark, size_t n) {
    if (t->size < n || memcmp(t->text, mark, n) != 0)
        return 0;
    t->text += n;
    t->size -= n;
    return 1;
}

/* Skip the byte order mark, which settles what `auto` and `utf-16` leave open. */
static enum csv_encoding settle(enum csv_encoding encoding, struct text_file *t) {
    int open = encoding == CSV_AUTO || encoding == CSV_UTF16;
    if (encoding <= CSV_UTF8 && skip_mark(t, "\xef\xbb\xbf", 3))
        return CSV_UTF8;
    if (t->size >= 4 && memcmp(t->text, "\xff\xfe\0\0", 4) == 0)
        return encoding; /* UTF-32 */
    if ((open || encoding == CSV_UTF16_LE) && skip_mark(t, "\xff\xfe", 2))
        return CSV_UTF16_LE;
    if ((open || encoding == CSV_UTF16_BE) && skip_mark(t, "\xfe\xff", 2))
        return CSV_UTF16_BE;
    return encoding == CSV_UTF16 ? CSV_UTF16_LE : encoding;
}

int32_t csv_text_form(const char *file, const struct text_file *t, struct rn_error *e) {
    int32_t status = text_file_form(file, t, e);
    if (status != RN_OK && e && strstr(e->message, "UTF-16"))
        rn_hintf(e, "state it: `encoding: %s`", t->text[0] ? "utf-16-le" : "utf-16-be");
    return status;
}

int32_t csv_text_read(const char *file, enum csv_encoding encoding, struct text_file *t,
                      struct rn_budget *b, struct rn_error *e) {
    int32_t status = text_file_bytes(file, t, b, e);
    if (status != RN_OK)
        return status;
    encoding = settle(encoding, t);
    if (encoding > CSV_UTF8)
        return recode(file, encoding, t, b, e);
    status = csv_text_form(file, t, e);
    return status == RN_OK ? check_utf8(file, t, e) : status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A whole text file in memory, for the sources that read text: plain, gzipped or
 * compressed by zstd, without a byte order mark. What is not UTF-8 text by its first
 * bytes is refused by its name. */
#ifndef SOURCE_TEXT_FILE_H
#define SOURCE_TEXT_FILE_H

#include <stdlib.h>

#include <runner/sdk/error.h>
#include <runner/sdk/signature.h>
#include <runner/sdk/source.h>

#include "gz.h"
#include "source_file.h"
#include "zst.h"

#define TEXT_PIECE (1u << 20) /* bytes asked of zlib at a time */

struct text_file {
    uint8_t *memory; /* [room], owned: text_file_finish */
    uint64_t room;   /* taken from the budget */
    char *text;      /* in memory, behind a byte order mark; NUL-ended */
    uint64_t size;   /* of text */
};

static inline void text_file_finish(struct text_file *t) {
    free(t->memory);
    *t = (struct text_file){NULL, 0, NULL, 0};
}

/* Room for another piece and a NUL. */
static inline int32_t text_file_grow(const char *file, struct text_file *t,
                                     struct rn_budget *b, struct rn_error *e) {
    if (t->size + TEXT_PIECE < t->room)
        return RN_OK;
    uint64_t room = 2 * t->room + TEXT_PIECE + 1;
    if (!rn_budget_take(b, room - t->room))
        return rn_budget_error(b, file, e);
    uint8_t *more = (uint8_t *)realloc(t->memory, room);
    if (!more)
        return rn_failf(e, RN_E_MEMORY, file, 0, 0, "no memory for %llu bytes",
                        (unsigned long long)room);
    t->memory = more;
    t->room = room;
    return RN_OK;
}

static inline int32_t text_file_load(const char *file, struct text_file *t,
                                     struct rn_budget *b, struct rn_error *e) {
    struct source_file opened;
    int got = 1;
    int32_t status = source_file_open(&opened, file, 1, b, e);
    gzFile f = status == RN_OK ? gzdopen(opened.fd, "rb") : NULL;
    if (status != RN_OK)
        return status;
    if (!f) {
        close(opened.fd);
        return rn_failf(e, RN_E_MEMORY, file, 0, 0, "no memory to read it");
    }
    gzbuffer(f, 1u << 17);
    while (status == RN_OK && got > 0) {
        status = text_file_grow(file, t, b, e);
        got = status == RN_OK ? gzread(f, t->memory + t->size, TEXT_PIECE) : 0;
        t->size += got > 0 ? (uint64_t)got : 0;
        if (got < 0)
            status = gz_error(f, file, e);
    }
    int closed = gzclose(f);
    if (status == RN_OK && closed != Z_OK)
        status = rn_failf(e, RN_E_DATA, file, 0, 0,
                          "is cut short: the gzip stream has no end");
    return status;
}

#ifdef RUNNER_ZSTD
/* What a zstd file holds, in its place. */
static inline int32_t text_file_unpack(const char *file, struct text_file *t,
                                       struct rn_budget *b, struct rn_error *e) {
    struct text_file out = {NULL, 0, NULL, 0};
    ZSTD_DStream *z = zst_open(file, b, e);
    ZSTD_inBuffer in = {t->memory, t->size, 0};
    uint64_t held = 0;
    int32_t status = z ? RN_OK : RN_E_MEMORY;
    for (int whole = 0; status == RN_OK && !whole;) {
        uint64_t got = 0;
        status = text_file_grow(file, &out, b, e);
        if (status == RN_OK)
            whole =
                zst_piece(z, file, &in, out.memory + out.size, TEXT_PIECE, &got, b, e);
        out.size += got;
        status = status == RN_OK && whole < 0 ? RN_E_DATA : status;
        if (status == RN_OK)
            status = zst_take(z, file, &held, b, e);
    }
    ZSTD_freeDStream(z);
    rn_budget_return(b, t->room + held);
    text_file_finish(t);
    *t = out;
    return status;
}
#else
static inline int32_t text_file_unpack(const char *file, struct text_file *t,
                                       struct rn_budget *b, struct rn_error *e) {
    (void)t;
    (void)b;
    rn_failf(e, RN_E_DATA, file, 0, 0,
             "is a zstd file, and libzstd was not there when this program was built");
    rn_hintf(e, "unpack it (zstd -d)");
    return RN_E_DATA;
}
#endif

/* Text in another encoding, and what is not text, by the first bytes. */
static inline int32_t text_file_form(const char *file, const struct text_file *t,
                                     struct rn_error *e) {
    static const struct {
        const char *magic;
        uint32_t n;
        const char *what, *hint;
    } forms[] = {
        {"\xff\xfe\0\0", 4, "UTF-32 text", "save it as UTF-8"},
        {"\0\0\xfe\xff", 4, "UTF-32 text", "save it as UTF-8"},
        {"\xff\xfe", 2, "UTF-16 text", "save it as UTF-8"},
        {"\xfe\xff", 2, "UTF-16 text", "save it as UTF-8"},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (t->size >= forms[i].n && memcmp(t->text, forms[i].magic, forms[i].n) == 0) {
            rn_failf(e, RN_E_DATA, file, 0, 0, "is %s, not UTF-8 text", forms[i].what);
            rn_hintf(e, "%s", forms[i].hint);
            return RN_E_DATA;
        }
    const struct rn_signature *other = rn_signature_of(t->text, t->size);
    if (other) {
        rn_failf(e, RN_E_DATA, file, 0, 0, "is %s, not UTF-8 text", other->what);
        rn_hintf(e, "%s", other->fix);
        return RN_E_DATA;
    }
    /* UTF-16 without a mark: every other byte of Latin text is zero. */
    if (t->size >= 4 && (!t->text[0] != !t->text[1]) && !t->text[0] == !t->text[2] &&
        !t->text[1] == !t->text[3]) {
        rn_failf(e, RN_E_DATA, file, 0, 0, "is UTF-16 text, not UTF-8 text");
        rn_hintf(e, "save it as UTF-8");
        return RN_E_DATA;
    }
    return RN_OK;
}

/* The bytes of a file, unpacked, in t->text. *t is the caller's to finish, also after
 * an error. */
static inline int32_t text_file_bytes(const char *file, struct text_file *t,
                                      struct rn_budget *b, struct rn_error *e) {
    *t = (struct text_file){NULL, 0, NULL, 0};
    int32_t status = text_file_load(file, t, b, e);
    if (status == RN_OK && zst_is(t->memory, t->size))
        status = text_file_unpack(file, t, b, e);
    if (status != RN_OK)
        return status;
    t->memory[t->size] = '\0';
    t->text = (char *)t->memory;
    return RN_OK;
}

/* *t is the caller's to finish, also after an error. */
static inline int32_t text_file_read(const char *file, struct text_file *t,
                                     struct rn_budget *b, struct rn_error *e) {
    int32_t status = text_file_bytes(file, t, b, e);
    if (status != RN_OK)
        return status;
    if (t->size >= 3 && memcmp(t->text, "\xef\xbb\xbf", 3) == 0) {
        t->text += 3;
        t->size -= 3;
    }
    return text_file_form(file, t, e);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "csv_input.h"
#include "utf8.h"

#define WINDOW (1u << 18) /* bytes: fits into a cache of the second level */

void csv_input_finish(struct csv_input *in) {
    if (in->whole.room)
        rn_budget_return(in->budget, in->whole.room);
    if (in->room)
        rn_budget_return(in->budget, in->room);
    text_file_finish(&in->whole);
    free(in->memory);
    if (in->fd >= 0)
        close(in->fd);
    in->memory = NULL;
    in->room = 0;
    in->fd = -1;
}

static int32_t open_whole(struct csv_input *in, enum csv_encoding encoding,
                          struct rn_error *e) {
    int32_t status = csv_text_read(in->file, encoding, &in->whole, in->budget, e);
    if (status != RN_OK)
        return status;
    in->text = in->whole.text;
    in->checked = in->end = in->text + in->whole.size;
    in->all = 1;
    return RN_OK;
}

/* Is it text that can be read by pieces, by its first bytes? */
static int is_plain(const uint8_t *p, uint64_t n) {
    int packed = (n >= 2 && p[0] == 0x1f && p[1] == 0x8b) || zst_is(p, n);
    int utf16 =
        n >= 2 && (memcmp(p, "\xff\xfe", 2) == 0 || memcmp(p, "\xfe\xff", 2) == 0);
    return n >= 4 && !packed && !utf16;
}

int32_t csv_input_open(struct csv_input *in, const char *file,
                       enum csv_encoding encoding, struct rn_budget *b,
                       struct rn_error *e) {
    struct source_file opened;
    uint8_t start[512];
    *in = (struct csv_input){.file = file, .budget = b, .fd = -1};
    if (encoding > CSV_UTF8 || source_file_in_archive(file))
        return open_whole(in, encoding, e);
    int32_t status = source_file_open(&opened, file, 0, b, e);
    if (status != RN_OK)
        return status;
    int64_t n = rn_file_read(opened.fd, start, sizeof start, opened.at);
    struct text_file look = {.text = (char *)start, .size = n > 0 ? (uint64_t)n : 0};
    in->fd = opened.fd;
    if (!is_plain(start, look.size)) {
        close(in->fd);
        in->fd = -1;
        return open_whole(in, encoding, e);
    }
    in->next = in->first = opened.at + (memcmp(start, "\xef\xbb\xbf", 3) == 0 ? 3 : 0);
    in->last = opened.at + opened.size;
    look.text += in->first - opened.at;
    look.size -= in->first - opened.at;
    return csv_text_form(file, &look, e);
}

/* ------------------------------------------------------------------ windows */

static int32_t grow(struct csv_input *in, uint64_t room, struct rn_error *e) {
    if (!rn_budget_take(in->budget, room - in->room))
        return rn_budget_error(in->budget, in->file, e);
    char *more = realloc(in->memory, room + 1);
    if (!more)
        return rn_failf(e, RN_E_MEMORY, in->file, 0, 0, "no memory for %llu bytes",
                        (unsigned long long)room);
    in->memory = more;
    in->room = room;
    return RN_OK;
}

/* Line and column of a byte of fd, for an error. */
static int32_t place(struct csv_input *in, uint64_t byte, uint32_t *line,
                     uint32_t *column, struct rn_error *e) {
    char piece[4096], before = 0;
    *line = *column = 1;
    for (uint64_t at = in->first; at < byte;) {
        uint64_t n = byte - at < sizeof piece ? byte - at : sizeof piece;
        int32_t status = rn_source_read(in->fd, in->file, piece, n, at, e);
        if (status != RN_OK)
            return status;
        for (uint64_t i = 0; i < n; i++) {
            /* CR and LF are one end of a line, whose LF begins no other. */
            int ends = (piece[i] == '\n' && before != '\r') || piece[i] == '\r';
            *line += (uint32_t)ends;
            *column = ends ? 1 : piece[i] == '\n' ? 1 : *column + 1;
            before = piece[i];
        }
        at += n;
    }
    return RN_OK;
}

static int32_t check(struct csv_input *in, struct rn_error *e) {
    const uint8_t *p = (const uint8_t *)in->checked, *end = (const uint8_t *)in->end;
    p = csv_utf8_end(p, end);
    in->checked = in->text + (p - (const uint8_t *)in->text);
    if (p == end || (!in->all && end - p < 4 && utf8_cut(p, end)))
        return RN_OK;
    uint32_t line, column;
    uint64_t byte = in->next - (uint64_t)(end - p);
    int32_t status = place(in, byte, &line, &column, e);
    return status == RN_OK ? csv_not_utf8(in->file, line, column, *p, e) : status;
}

int32_t csv_input_more(struct csv_input *in, const char *keep, struct rn_error *e) {
    uint64_t kept = in->text ? (uint64_t)(in->end - keep) : 0;
    uint64_t done = in->text ? (uint64_t)(in->checked - keep) : 0;
    if (in->all)
        return RN_OK;
    if (kept)
        memmove(in->memory, keep, kept);
    int32_t status = RN_OK;
    if (kept + WINDOW / 2 > in->room)
        status = grow(in, in->room ? 2 * in->room : WINDOW, e);
    if (status != RN_OK)
        return status;
    uint64_t left = in->last - in->next, n = in->room - kept;
    n = n < left ? n : left;
    status = rn_source_read(in->fd, in->file, in->memory + kept, n, in->next, e);
    in->next += n;
    in->all = in->next == in->last;
    in->text = in->memory;
    in->checked = in->text + done;
    in->end = in->text + kept + n;
    *in->end = '\0';
    return status == RN_OK ? check(in, e) : status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Texts in folders and archives, a file a sample, labelled as the source `images`
 * labels pictures. */
#include <stdio.h>

#include "images_list.h"
#include "utf8.h"

static const char *const endings[] = {"txt", "text", "md", NULL};
static const struct image_kind kind = {
    "text", endings, "the names of texts end with .txt, .text or .md"};

struct text_files {
    struct rn_host *host;
    struct rn_budget budget;
    struct image_list list;
    uint64_t max_bytes;
    int latin1;
    struct rn_field fields[2];
    const char *layouts[2];
    uint32_t field_count;
};

static void destroy(void *self) {
    struct text_files *s = self;
    if (s)
        image_list_finish(&s->list);
    free(s);
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct text_files *s = calloc(1, sizeof *s);
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    s->host = h;
    s->budget = rn_budget_of(h);
    s->max_bytes = (uint64_t)rn_get_int(h, "max_bytes");
    s->latin1 = strcmp(rn_get_string(h, "encoding"), "latin-1") == 0;
    s->list.kind = &kind;
    s->list.host = h;
    s->list.budget = &s->budget;
    int32_t status = image_list_open(&s->list, e);
    s->fields[0] = (struct rn_field){.name = "text",
                                     .dtype = RN_U8,
                                     .rank = 1,
                                     .shape = {-1},
                                     .flags = RN_FIELD_TEXT | RN_FIELD_VARIABLE};
    s->fields[1] =
        (struct rn_field){.name = "label", .dtype = s->list.numbers ? RN_F64 : RN_I64};
    s->layouts[1] = s->list.layout;
    s->field_count = s->list.labels == LABELS_NONE ? 1 : 2;
    return status;
}

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    struct text_files *s = self;
    (void)e;
    out->access = RN_ACCESS_RANDOM;
    out->count = s->list.count;
    out->field_count = s->field_count;
    out->field_stride = sizeof s->fields[0];
    out->fields = s->fields;
    memset(out->content_hash, 0, sizeof out->content_hash);
    if (RN_HAS(out, struct rn_source_info, name))
        out->name = rn_get_string(s->host, "files");
    if (RN_HAS(out, struct rn_source_info, layouts))
        out->layouts = s->layouts;
    return RN_OK;
}

static int32_t worker_open(void *self, void **worker, struct rn_error *e) {
    (void)self;
    *worker = calloc(1, sizeof(struct member_buffer));
    return *worker ? RN_OK
                   : rn_fail(e, RN_E_MEMORY, "no memory to read texts", NULL, NULL);
}

static void worker_close(void *self, void *worker) {
    (void)self;
    if (worker)
        member_buffer_finish(worker);
    free(worker);
}

/* ------------------------------------------------------------------- a text */

static int32_t not_utf8(const char *path, const uint8_t *text, const uint8_t *at,
                        struct rn_error *e) {
    uint32_t line = 1, column = 1;
    for (const uint8_t *p = text; p < at; p++) {
        column = *p == '\n' ? 1 : column + ((*p & 0xc0) != 0x80);
        line += *p == '\n';
    }
    rn_failf(e, RN_E_DATA, path, line, column, "is not UTF-8: byte %02x at %llu", *at,
             (unsigned long long)(at - text));
    rn_hintf(e, "`encoding: latin-1` reads every byte as a character");
    return RN_E_DATA;
}

/* Bytes of the text in UTF-8; of Latin-1, those from 0x80 on become two. */
static uint64_t utf8_bytes(const struct text_files *s, const uint8_t *p, uint64_t n) {
    uint64_t more = 0;
    for (uint64_t i = 0; s->latin1 && i < n; i++)
        more += p[i] >= 0x80;
    return n + more;
}

static int32_t store(const struct text_files *s, const uint8_t *p, uint64_t n,
                     const struct rn_tensor *out, uint64_t row, struct rn_error *e) {
    void *data;
    int32_t status = rn_reserve(out, row, utf8_bytes(s, p, n), &data, e);
    uint8_t *to = data;
    if (status != RN_OK || !n)
        return status;
    if (!s->latin1)
        memcpy(to, p, n);
    for (uint64_t i = 0; s->latin1 && i < n; i++)
        to += utf8_put(p[i], to);
    return RN_OK;
}

/* File i, without a byte order mark, into the cell of `row`. */
static int32_t read_text(const struct text_files *s, struct member_buffer *b,
                         uint64_t i, const struct rn_tensor *out, uint64_t row,
                         struct rn_error *e) {
    const uint64_t member = s->list.at[i].member;
    const uint8_t *text = NULL;
    char path[4608];
    uint64_t n = s->list.members.at[member].size;
    image_list_path(&s->list, i, path, sizeof path);
    if (n > s->max_bytes) {
        rn_failf(e, RN_E_DATA, path, 0, 0, "has %llu bytes, and `max_bytes` is %llu",
                 (unsigned long long)n, (unsigned long long)s->max_bytes);
        rn_hintf(e, "a long text for a language model is read by the source `text`");
        return RN_E_DATA;
    }
    int32_t status = members_read(&s->list.members, member, b, &text, &n, e);
    if (status != RN_OK)
        return status;
    const uint8_t *p = text, *end = text + n;
    while (!s->latin1 && p < end)
        if (utf8_next(&p, end) == UTF8_BAD)
            return not_utf8(path, text, p, e);
    uint64_t mark =
        !s->latin1 && n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    return store(s, text + mark, n - mark, out, row, e);
}

static int32_t read_rows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    const struct text_files *s = self;
    int32_t status = RN_OK;
    for (uint64_t i = 0; i < call->rows && status == RN_OK; i++) {
        uint64_t row = call->indices[i];
        if (row >= s->list.count)
            return rn_failf(e, RN_E_INTERNAL, NULL, 0, 0, "row %llu is not there",
                            (unsigned long long)row);
        if (call->out[0].data)
            status = read_text(s, call->worker, row, &call->out[0], i, e);
        void *label = s->field_count > 1 ? call->out[1].data : NULL;
        if (label && s->list.numbers)
            ((double *)label)[i] = s->list.at[row].value;
        else if (label)
            ((int64_t *)label)[i] = s->list.at[row].number;
    }
    return status;
}

static const struct rn_source iface = {sizeof(struct rn_source),
                                       0,
                                       create,
                                       destroy,
                                       info,
                                       worker_open,
                                       worker_close,
                                       read_rows};

RN_SOURCE(
    text_files, iface, "runner/text_files 1",
    RN_DOC("Texts (.txt, .text, .md) in folders and in tar and zip archives, a file a "
           "sample, labelled by folder, by table, or by the members of a key")
    RN_OUT("text any [...] | u8, of variable size: UTF-8")
    RN_OUT("label any [N] ; optional | i64: the number of the class; f64 with "
           "`label_type: float`")
    RN_OPTION("files path ; required | a folder or an archive; several by *, ?, {a,b} "
              "and {000..041}")
    RN_OPTION("labels choice(auto,folder,key,none) = auto | auto: the table, else the "
              "members of the key if there is a .cls, else the folder")
    RN_OPTION("table path | a csv of files, in `files`, and labels")
    RN_OPTION("file_column string = \"file\" | of the table")
    RN_OPTION("label_column string = \"label\" | of the table")
    RN_OPTION("label_type choice(class,float) = class | labels are names of classes, or "
              "numbers")
    RN_OPTION("json_key string = \"label\" | of the label in a key's .json")
    RN_OPTION("text string | which text of a key, by what follows the key's dot: "
              "input.txt")
    RN_OPTION("classes list(string) | the names of the classes in the order of their "
              "numbers; default: sorted, integers as such")
    RN_OPTION("encoding choice(utf-8,latin-1) = utf-8 | of the files; a byte order mark "
              "of UTF-8 is left out")
    RN_OPTION("max_bytes int = 16777216 ; min 1 | a larger file is refused before it is "
              "read")
    RN_BUDGET_OPTION);
RN_PLUGIN(&text_files);

/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures in folders and archives: PNG, JPEG and WebP, all brought to one size and one
 * number of channels. Each worker decodes with buffers of its own. */
#include <stdio.h>

#include "images_list.h"
#include "images_pixels.h"

/* Formats that are not read are pictures too: the decoder refuses them by name. */
static const char *const endings[] = {
    "png",  "jpg",  "jpeg", "jpe", "jfif", "webp", "apng", "gif", "bmp", "tif", "tiff",
    "avif", "heic", "heif", "jxl", "jp2",  "ppm",  "pgm",  "pnm", "ico", NULL};
static const struct image_kind kind = {
    "picture", endings,
    "the names of PNG, JPEG and WebP files end with .png, .jpg, .jpeg or .webp"};

#define TOLD_MAX 10 /* skipped pictures that are named */

struct images {
    struct rn_host *host;
    struct rn_budget budget;
    struct image_list list;
    struct image_form form;
    struct image_request request;
    struct rn_field fields[2];
    const char *layouts[2];
    uint32_t field_count;
};

struct worker {
    struct member_buffer file;
    struct picture picture;
    struct image_canvas canvas;
    void *trial; /* a sample that is thrown away */
};

/* ------------------------------------------------------------ one picture */

static void worker_finish(struct worker *w) {
    member_buffer_finish(&w->file);
    picture_finish(&w->picture);
    image_canvas_finish(&w->canvas);
    free(w->trial);
}

static int32_t decode(const struct images *s, struct worker *w, uint64_t i,
                      int header_only, char *path, size_t size, struct rn_error *e) {
    struct image_request request = s->request;
    struct image_file f = {.name = path};
    request.header_only = header_only;
    image_list_path(&s->list, i, path, size);
    int32_t status = members_read(&s->list.members, s->list.at[i].member, &w->file,
                                  &f.bytes, &f.size, e);
    return status == RN_OK ? image_decode(&f, &request, &w->picture, e) : status;
}

static int32_t read_picture(const struct images *s, struct worker *w, uint64_t i,
                            void *out, struct rn_error *e) {
    char path[4608];
    int32_t status = decode(s, w, i, 0, path, sizeof path, e);
    return status == RN_OK
               ? image_sample(&w->picture, &s->form, path, &w->canvas, out, e)
               : status;
}

/* ---------------------------------------------------------------- options */

/* The field `image` that is already known, or NULL. */
static const struct rn_field *known_image(const struct images *s) {
    const struct rn_known_fields *k = s->host->api->extension(s->host, RN_EXT_FIELDS);
    for (uint32_t i = 0; k && i < k->field_count; i++) {
        const struct rn_field *f =
            (const struct rn_field *)((const char *)k->fields +
                                      (size_t)i * k->field_stride);
        if (strcmp(f->name, "image") == 0 && f->rank == 3)
            return f;
    }
    return NULL;
}

static int32_t read_size(struct images *s, struct rn_error *e) {
    uint32_t n = rn_get_count(s->host, "size");
    if (n != 1 && n != 2)
        return n ? rn_fail(e, RN_E_CONFIG, "expects [height, width], or one number",
                           NULL, "size")
                 : RN_OK;
    s->form.height = (uint32_t)rn_get_int(s->host, "size.0");
    s->form.width = n == 2 ? (uint32_t)rn_get_int(s->host, "size.1") : s->form.height;
    return RN_OK;
}

static int32_t read_background(struct images *s, struct rn_error *e) {
    uint32_t n = rn_get_count(s->host, "background");
    char path[32];
    if (n != 0 && n != 1 && n != 3)
        return rn_fail(e, RN_E_CONFIG, "expects [red, green, blue], or one number",
                       NULL, "background");
    for (uint32_t k = 0; k < 3 && n; k++)
        s->form.background[k] = (uint8_t)rn_get_int(
            s->host, rn_path(path, sizeof path, "background", n == 3 ? k : 0));
    return RN_OK;
}

static int32_t read_options(struct images *s, struct rn_error *e) {
    struct rn_host *h = s->host;
    const char *fit = rn_get_string(h, "fit");
    struct image_form *f = &s->form;
    int32_t status = read_size(s, e);
    if (status == RN_OK)
        status = read_background(s, e);
    if (status != RN_OK)
        return status;
    f->fit = strcmp(fit, "fill") == 0   ? FIT_FILL
             : strcmp(fit, "crop") == 0 ? FIT_CROP
             : strcmp(fit, "pad") == 0  ? FIT_PAD
                                        : FIT_ERROR;
    f->filter = strcmp(rn_get_string(h, "resample"), "bicubic") == 0
                    ? RN_RESAMPLE_BICUBIC
                    : RN_RESAMPLE_BILINEAR;
    f->keep_orientation = strcmp(rn_get_string(h, "exif"), "ignore") == 0;
    f->channels = rn_has(h, "channels") ? (uint32_t)rn_get_int(h, "channels") : 0;
    f->depth = rn_has(h, "depth") ? (uint32_t)rn_get_int(h, "depth") : 0;
    s->request.max_pixels = (uint64_t)rn_get_int(h, "max_pixels");
    if (f->channels == 2)
        return rn_fail(e, RN_E_CONFIG, "pictures of 2 channels are not made",
                       "1 grey, 3 RGB, 4 RGB and alpha", "channels");
    if (f->depth && f->depth != 8 && f->depth != 16)
        return rn_fail(e, RN_E_CONFIG, "expects 8 or 16", NULL, "depth");
    const struct rn_field *known = known_image(s);
    if (known && !f->channels)
        f->channels = (uint32_t)known->shape[0];
    if (known && !f->depth)
        f->depth = known->dtype == RN_U8 ? 8 : 16;
    return RN_OK;
}

/* ------------------------------------------------- what all have in common */

struct survey {
    int colour, narrow, deep; /* there is one with colours, with 8 bits, with 16 */
    uint32_t width, height;   /* of the first one */
    uint64_t skipped;
};

/* `on_bad: skip`: the picture is left out, and reported. */
static int32_t bad(struct images *s, struct survey *v, struct rn_error *e) {
    char text[900];
    if (strcmp(rn_get_string(s->host, "on_bad"), "skip") != 0 || e->status != RN_E_DATA)
        return e->status;
    snprintf(text, sizeof text, "skipped: %.300s: %.500s", e->where, e->message);
    if (v->skipped++ < TOLD_MAX)
        s->host->api->log(s->host, RN_LOG_WARNING, text);
    memset(e, 0, sizeof *e);
    return RN_OK;
}

static int32_t other_size(const struct images *s, uint64_t i, uint32_t width,
                          uint32_t height, struct rn_error *e) {
    char path[4608];
    image_list_path(&s->list, i, path, sizeof path);
    rn_failf(e, RN_E_DATA, path, 0, 0,
             "is %u x %u (width x height), the pictures before it are %u x %u", width,
             height, s->form.width, s->form.height);
    rn_hintf(e, "bring all to one size with `size: [height, width]`");
    return RN_E_DATA;
}

/* The header of picture i. Without `size`, the first one's is everybody's. */
static int32_t look(struct images *s, struct worker *w, struct survey *v, uint64_t i,
                    struct rn_error *e) {
    const struct picture *p = &w->picture;
    char path[4608];
    uint32_t width, height;
    int32_t status = decode(s, w, i, 1, path, sizeof path, e);
    if (status != RN_OK)
        return status;
    image_turned_size(p, &s->form, &width, &height);
    if (!rn_get_count(s->host, "size")) {
        if (!s->form.width)
            s->form.width = width, s->form.height = height;
        if (width != s->form.width || height != s->form.height)
            return other_size(s, i, width, height, e);
    }
    v->colour |= p->channels > 2;
    v->narrow |= p->depth == 8;
    v->deep |= p->depth == 16;
    return RN_OK;
}

/* Entries for which `see` fails are taken out of the list if they may be skipped. */
static int32_t each(struct images *s, struct worker *w, struct survey *v,
                    int32_t (*see)(struct images *s, struct worker *w, struct survey *v,
                                   uint64_t i, struct rn_error *e),
                    struct rn_error *e) {
    struct rn_error why = {0};
    uint64_t kept = 0;
    int32_t status = RN_OK;
    for (uint64_t i = 0; i < s->list.count && status == RN_OK; i++) {
        uint64_t before = v->skipped;
        if (i % 256 == 0 && rn_cancelled(s->host))
            return RN_E_CANCELLED;
        if (see(s, w, v, i, &why) != RN_OK)
            status = bad(s, v, &why);
        if (v->skipped == before)
            s->list.at[kept++] = s->list.at[i];
    }
    s->list.count = kept;
    if (status != RN_OK && e)
        *e = why;
    return status;
}

static int32_t survey(struct images *s, struct worker *w, struct survey *v,
                      struct rn_error *e) {
    struct image_form *f = &s->form;
    const struct rn_field *known = known_image(s);
    if (known && !f->width)
        f->height = (uint32_t)known->shape[1], f->width = (uint32_t)known->shape[2];
    if (f->width && f->channels && f->depth)
        return RN_OK;
    int32_t status = each(s, w, v, look, e);
    if (status != RN_OK)
        return status;
    if (!f->depth && v->narrow && v->deep) {
        rn_failf(e, RN_E_DATA, rn_get_string(s->host, "files"), 0, 0,
                 "has pictures of 8 and of 16 bits");
        rn_hintf(e, "set `depth` to 8 or 16");
        return RN_E_DATA;
    }
    f->channels = f->channels ? f->channels : v->colour ? 3 : 1;
    f->depth = f->depth ? f->depth : v->deep ? 16 : 8;
    return RN_OK;
}

static int32_t fields_make(struct images *s, struct rn_error *e) {
    const struct image_form *f = &s->form;
    uint64_t bytes;
    s->fields[0] = (struct rn_field){.name = "image",
                                     .dtype = f->depth == 16 ? RN_I32 : RN_U8,
                                     .rank = 3,
                                     .shape = {f->channels, f->height, f->width}};
    s->fields[1] =
        (struct rn_field){.name = "label", .dtype = s->list.numbers ? RN_F64 : RN_I64};
    s->layouts[1] = s->list.layout;
    s->field_count = s->list.labels == LABELS_NONE ? 1 : 2;
    if (!rn_size_product(4, s->fields[0].shape, 3, &bytes) || bytes > INT32_MAX)
        return rn_fail(e, RN_E_CONFIG, "the pictures of samples are too large", NULL,
                       rn_get_count(s->host, "size") ? "size" : "files");
    return RN_OK;
}

/* ------------------------------------------------------------ the interface */

static int32_t try_picture(struct images *s, struct worker *w, struct survey *v,
                           uint64_t i, struct rn_error *e) {
    (void)v;
    return read_picture(s, w, i, w->trial, e);
}

/* With `on_bad: skip` all are decoded, as only then it is known how many there are. */
static int32_t try_all(struct images *s, struct worker *w, struct survey *v,
                       struct rn_error *e) {
    char text[200];
    uint64_t all = s->list.count + v->skipped, bytes = 4;
    if (strcmp(rn_get_string(s->host, "on_bad"), "skip") != 0)
        return RN_OK;
    for (uint32_t k = 0; k < 3; k++)
        bytes *= (uint64_t)s->fields[0].shape[k];
    w->trial = malloc(bytes);
    if (!w->trial)
        return rn_fail(e, RN_E_MEMORY, "no memory for a picture", NULL, NULL);
    int32_t status = each(s, w, v, try_picture, e);
    if (status != RN_OK || !v->skipped)
        return status;
    snprintf(text, sizeof text, "%llu of %llu pictures are bad and were skipped",
             (unsigned long long)v->skipped, (unsigned long long)all);
    s->host->api->log(s->host, RN_LOG_WARNING, text);
    return s->list.count ? RN_OK
                         : rn_failf(e, RN_E_DATA, rn_get_string(s->host, "files"), 0, 0,
                                    "holds no picture that can be read");
}

static void destroy(void *self) {
    struct images *s = self;
    if (s)
        image_list_finish(&s->list);
    free(s);
}

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct images *s = calloc(1, sizeof *s);
    struct worker w = {0};
    struct survey v = {0};
    *self = s;
    if (!s)
        return rn_fail(e, RN_E_MEMORY, "no memory for a source", NULL, NULL);
    s->host = h;
    s->budget = rn_budget_of(h);
    s->list.kind = &kind;
    s->list.host = h;
    s->list.budget = &s->budget;
    int32_t status = read_options(s, e);
    if (status == RN_OK)
        status = image_list_open(&s->list, e);
    if (status == RN_OK)
        status = survey(s, &w, &v, e);
    if (status == RN_OK)
        status = fields_make(s, e);
    if (status == RN_OK)
        status = try_all(s, &w, &v, e);
    worker_finish(&w);
    return status;
}

static int32_t info(void *self, struct rn_source_info *out, struct rn_error *e) {
    struct images *s = self;
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
    *worker = calloc(1, sizeof(struct worker));
    return *worker
               ? RN_OK
               : rn_fail(e, RN_E_MEMORY, "no memory to decode pictures", NULL, NULL);
}

static void worker_close(void *self, void *worker) {
    (void)self;
    if (worker)
        worker_finish(worker);
    free(worker);
}

static int32_t read_rows(void *self, const struct rn_source_call *call,
                         struct rn_error *e) {
    const struct images *s = self;
    const struct rn_field *image = &s->fields[0];
    uint64_t bytes = rn_field_bytes(image);
    for (uint64_t i = 0; i < call->rows; i++) {
        uint64_t row = call->indices[i];
        if (row >= s->list.count)
            return rn_failf(e, RN_E_INTERNAL, NULL, 0, 0, "row %llu is not there",
                            (unsigned long long)row);
        uint8_t *to = call->out[0].data;
        int32_t status =
            to ? read_picture(s, call->worker, row, to + i * bytes, e) : RN_OK;
        if (status != RN_OK)
            return status;
        void *label = s->field_count > 1 ? call->out[1].data : NULL;
        if (label && s->list.numbers)
            ((double *)label)[i] = s->list.at[row].value;
        else if (label)
            ((int64_t *)label)[i] = s->list.at[row].number;
    }
    return RN_OK;
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
    images, iface, "runner/images 1",
    RN_DOC("Pictures (PNG, JPEG, WebP) in folders and in tar and zip archives, labelled "
           "by folder, by table, or by the members of a key")
    RN_OUT("image any [N,C,H,W] | u8, or i32 of 0 to 65535 with 16 bits")
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
    RN_OPTION("picture string | which picture of a key, by what follows the key's dot: "
              "input.png")
    RN_OPTION("classes list(string) | the names of the classes in the order of their "
              "numbers; default: sorted, integers as such")
    RN_OPTION("size list(int) ; min 1 ; max 16384 | [height, width] of the samples, or "
              "one number for both; default: all pictures have one size")
    RN_OPTION("fit choice(fill,crop,pad,error) = fill | a picture of another size: "
              "stretched, cut in the middle, with a border, or refused")
    RN_OPTION("resample choice(bilinear,bicubic) = bilinear | with antialiasing, as "
              "Pillow's resize")
    RN_OPTION("channels int ; min 1 ; max 4 | 1 grey, 3 RGB, 4 RGB and alpha; default: 3 "
              "if a picture has colours, else 1")
    RN_OPTION("depth int ; min 8 ; max 16 | bits of a channel, 8 or 16; default: the "
              "pictures', which must agree")
    RN_OPTION("background list(int) ; min 0 ; max 255 | [red, green, blue] behind "
              "transparent pixels and in borders; default: black")
    RN_OPTION("exif choice(apply,ignore) = apply | the orientation that a camera wrote")
    RN_OPTION("on_bad choice(error,skip) = error | a picture that cannot be read; skip: "
              "all are decoded first, and the bad ones counted and left out")
    RN_OPTION("max_pixels int = 100000000 ; min 1 | a larger picture is refused before "
              "it is decoded")
    RN_BUDGET_OPTION);
RN_PLUGIN(&images);

/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG through libjpeg-turbo: the slow integer transform and smooth upsampling of
 * colour, as in Pillow. CMYK and YCCK are stored inverted, as Adobe does it, and become
 * RGB. */
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include <jerror.h>

#include "images_decode.h"

#define SCANS_MAX 200

struct failure {
    struct jpeg_error_mgr base; /* first */
    jmp_buf back;
    char why[JMSG_LENGTH_MAX];
};

static void stop(j_common_ptr c) {
    struct failure *f = (struct failure *)c->err;
    f->base.format_message(c, f->why);
    longjmp(f->back, 1);
}

/* Every scan of a progressive file passes over the whole picture: thousands of empty
 * ones are a way to keep a reader busy. */
static void on_progress(j_common_ptr c) {
    j_decompress_ptr d = (j_decompress_ptr)c;
    struct failure *f = (struct failure *)c->err;
    if (d->input_scan_number <= SCANS_MAX)
        return;
    snprintf(f->why, sizeof f->why, "more than %d scans", SCANS_MAX);
    longjmp(f->back, 1);
}

/* A warning means pixels that are made up, except for these. */
static void on_message(j_common_ptr c, int level) {
    int code = c->err->msg_code;
    if (level >= 0 || code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM ||
        code == JWRN_JFIF_MAJOR || code == JWRN_BOGUS_PROGRESSION)
        return;
    stop(c);
}

static uint32_t orientation(const struct jpeg_decompress_struct *d) {
    for (jpeg_saved_marker_ptr m = d->marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 &&
            memcmp(m->data, "Exif\0\0", 6) == 0)
            return exif_orientation(m->data + 6, m->data_length - 6);
    return 1;
}

/* Product of two bytes over 255, rounded. */
static uint8_t scaled(uint32_t a, uint32_t b) {
    uint32_t t = a * b + 128;
    return (uint8_t)(((t >> 8) + t) >> 8);
}

/* A row of inverted CMYK to RGB (Pillow, Convert.c, cmyk2rgb). */
static void unprint(const uint8_t *in, uint32_t width, uint8_t *out) {
    for (uint32_t x = 0; x < width; x++, in += 4, out += 3)
        for (int c = 0; c < 3; c++) {
            int v = in[3] - scaled(255u - in[c], in[3]);
            out[c] = (uint8_t)(v < 0 ? 0 : v);
        }
}

static int32_t pixels(struct jpeg_decompress_struct *d, const struct image_file *f,
                      const struct image_request *want, struct picture *p,
                      JSAMPARRAY ink, struct rn_error *e) {
    int cmyk = d->out_color_space == JCS_CMYK;
    uint64_t row = (uint64_t)p->width * p->channels;
    int32_t status = picture_reserve(p, f, want, e);
    if (status != RN_OK || want->header_only)
        return status;
    while (d->output_scanline < d->output_height) {
        uint8_t *to = p->pixels + d->output_scanline * row;
        JSAMPROW line = cmyk ? ink[0] : to;
        jpeg_read_scanlines(d, &line, 1);
        if (cmyk)
            unprint(line, p->width, to);
    }
    jpeg_finish_decompress(d);
    return RN_OK;
}

static int32_t decode(struct jpeg_decompress_struct *d, const struct image_file *f,
                      const struct image_request *want, struct picture *p,
                      struct rn_error *e) {
    JSAMPARRAY ink = NULL;
    jpeg_save_markers(d, JPEG_APP0 + 1, 0xffff);
    jpeg_mem_src(d, f->bytes, (unsigned long)f->size);
    jpeg_read_header(d, TRUE);
    p->orientation = orientation(d);
    if (d->jpeg_color_space == JCS_GRAYSCALE)
        d->out_color_space = JCS_GRAYSCALE;
    else if (d->num_components == 4)
        d->out_color_space = JCS_CMYK;
    else
        d->out_color_space = JCS_RGB;
    d->dct_method = JDCT_ISLOW;
    d->do_fancy_upsampling = TRUE;
    p->width = d->image_width;
    p->height = d->image_height;
    p->channels = d->out_color_space == JCS_GRAYSCALE ? 1 : 3;
    p->depth = 8;
    /* The library allocates in proportion to the stored size: refuse that first. */
    struct image_request ask = *want;
    ask.header_only = 1;
    int32_t status = picture_reserve(p, f, &ask, e);
    if (status != RN_OK || want->header_only)
        return status;
    jpeg_start_decompress(d);
    if (d->out_color_space == JCS_CMYK)
        ink =
            d->mem->alloc_sarray((j_common_ptr)d, JPOOL_IMAGE, d->output_width * 4, 1);
    return pixels(d, f, want, p, ink, e);
}

int32_t image_jpeg(const struct image_file *f, const struct image_request *want,
                   struct picture *p, struct rn_error *e) {
    struct jpeg_decompress_struct d;
    struct jpeg_progress_mgr progress = {.progress_monitor = on_progress};
    struct failure failure;
    int32_t status;
    memset(&d, 0, sizeof d);
    d.err = jpeg_std_error(&failure.base);
    failure.base.error_exit = stop;
    failure.base.emit_message = on_message;
    if (setjmp(failure.back) == 0) {
        jpeg_create_decompress(&d);
        d.progress = &progress;
        status = decode(&d, f, want, p, e);
    } else {
        /* Behind the end the library reads a marker of its own. */
        uint64_t at = d.src && d.src->next_input_byte >= f->bytes &&
                              d.src->next_input_byte <= f->bytes + f->size
                          ? (uint64_t)(d.src->next_input_byte - f->bytes)
                          : f->size;
        status = rn_failf(e, RN_E_DATA, f->name, 0, 0,
                          "is not an intact JPEG file: byte %llu: %s",
                          (unsigned long long)at, failure.why);
    }
    jpeg_destroy_decompress(&d);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Compress an image as JPEG, of random quality, and decompress it again: the settings
 * of libjpeg's defaults (4:2:0 for colours). */
#include <stdio.h>

#include <jpeglib.h>
#include <setjmp.h>

#include <runner/sdk/pixels.h>
#include <runner/sdk/scene.h>

struct jpeg {
    struct rn_scene scene; /* first */
    double quality[2];
};

static int32_t create(struct rn_host *h, void **self, struct rn_error *e) {
    struct jpeg *s = rn_scene_create(sizeof *s, h, self, e);
    if (!s)
        return RN_E_MEMORY;
    s->scene.max = rn_get_float(h, "max");
    return rn_scene_pair(h, "quality", s->quality, e);
}

static int32_t plan(void *self, const struct rn_augment_plan *p, struct rn_error *e) {
    struct jpeg *s = self;
    int32_t status = rn_scene_plan(&s->scene, p,
                                   RN_SCENE_MEANS | RN_SCENE_ANY | RN_SCENE_COLOURS, e);
    if (status == RN_OK &&
        (s->scene.height > JPEG_MAX_DIMENSION || s->scene.width > JPEG_MAX_DIMENSION))
        return rn_fail_option(e, RN_E_CONFIG, "of", "a JPEG is at most %ld on a side",
                              JPEG_MAX_DIMENSION);
    s->scene.scratch = 3 * 2 * rn_scene_area(&s->scene) + 4096;
    return status;
}

/* libjpeg's error handler leaves by a jump. */
struct failure {
    struct jpeg_error_mgr manager; /* first */
    jmp_buf out;
};

static void leave(j_common_ptr j) {
    struct failure *f = (struct failure *)(void *)j->err;
    longjmp(f->out, 1);
}
static void quiet(j_common_ptr j) {
    (void)j;
}

/* A line of pixels with the channels side by side, from planes or back to them. */
static void line_get(const struct rn_image *m, const void *p, int64_t y,
                     JSAMPLE *line) {
    uint64_t n = rn_pixels_area(m);
    for (int64_t x = 0; x < m->width; x++)
        for (uint64_t c = 0; c < m->planes; c++) {
            float v = rn_pixels_get(m, p, c * n + (uint64_t)(y * m->width + x));
            *line++ = m->dtype == RN_U8 ? (JSAMPLE)v
                                        : rn_pixels_level(rn_pixels_clamp(v, 1.0f));
        }
}
static void line_put(const struct rn_image *m, void *p, int64_t y,
                     const JSAMPLE *line) {
    uint64_t n = rn_pixels_area(m);
    for (int64_t x = 0; x < m->width; x++)
        for (uint64_t c = 0; c < m->planes; c++, line++) {
            float v =
                m->dtype == RN_U8 ? (float)*line : (float)*line * (float)(1.0 / 255.0);
            rn_pixels_put(m, p, c * n + (uint64_t)(y * m->width + x), v);
        }
}

/* *bytes: libjpeg's memory, to free. 0: libjpeg failed. */
static int encode(const struct rn_image *m, const void *p, int quality, JSAMPLE *line,
                  unsigned char **bytes, unsigned long *size) {
    struct jpeg_compress_struct j;
    struct failure f;
    j.err = jpeg_std_error(&f.manager);
    f.manager.error_exit = leave;
    f.manager.output_message = quiet;
    if (setjmp(f.out)) {
        jpeg_destroy_compress(&j);
        return 0;
    }
    jpeg_create_compress(&j);
    jpeg_mem_dest(&j, bytes, size);
    j.image_width = (JDIMENSION)m->width;
    j.image_height = (JDIMENSION)m->height;
    j.input_components = (int)m->planes;
    j.in_color_space = m->planes == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&j);
    jpeg_set_quality(&j, quality, TRUE);
    jpeg_start_compress(&j, TRUE);
    while (j.next_scanline < j.image_height) {
        line_get(m, p, j.next_scanline, line);
        jpeg_write_scanlines(&j, &line, 1);
    }
    jpeg_finish_compress(&j);
    jpeg_destroy_compress(&j);
    return 1;
}

static int decode(const struct rn_image *m, void *p, const unsigned char *bytes,
                  unsigned long size, JSAMPLE *line) {
    struct jpeg_decompress_struct j;
    struct failure f;
    j.err = jpeg_std_error(&f.manager);
    f.manager.error_exit = leave;
    f.manager.output_message = quiet;
    if (setjmp(f.out)) {
        jpeg_destroy_decompress(&j);
        return 0;
    }
    jpeg_create_decompress(&j);
    jpeg_mem_src(&j, bytes, size);
    jpeg_read_header(&j, TRUE);
    jpeg_start_decompress(&j);
    while (j.output_scanline < j.output_height) {
        int64_t y = j.output_scanline;
        jpeg_read_scanlines(&j, &line, 1);
        line_put(m, p, y, line);
    }
    jpeg_finish_decompress(&j);
    jpeg_destroy_decompress(&j);
    return 1;
}

struct pressing {
    int quality, failed;
    JSAMPLE *line;
};

static void press_one(const struct rn_image *m, void *p, void *context) {
    struct pressing *c = context;
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    c->failed |= !encode(m, p, c->quality, c->line, &bytes, &size) ||
                 !decode(m, p, bytes, size, c->line);
    free(bytes);
}

static int32_t change(void *self, struct rn_scene_row *r, struct rn_error *e) {
    struct jpeg *s = self;
    uint64_t choices = (uint64_t)(s->quality[1] - s->quality[0]) + 1;
    struct pressing c = {(int)s->quality[0] + (int)rn_draw_below(&r->draws, choices), 0,
                         r->scratch};
    rn_scene_log(&s->scene, r->row, "quality", c.quality);
    rn_scene_pixels(&s->scene, r, press_one, &c);
    return c.failed ? rn_fail(e, RN_E_MEMORY, "libjpeg could not compress an image",
                              NULL, NULL)
                    : RN_OK;
}

RN_SCENE_TABLE(create, plan, change);

RN_AUGMENT(jpeg, iface, "runner/jpeg 1",
           RN_DOC("Compress an image as JPEG and decompress it again")
           RN_SCENE_COLOUR_OF_OPTION
           RN_OPTION("quality list(int) = 50 ; min 1 ; max 100 | of the compression; two "
                     "numbers: drawn from the lowest to the highest")
           RN_OPTION("p float = 0.5 ; min 0 ; max 1 | share of samples changed")
           RN_SCENE_MAX_OPTION);
RN_PLUGIN(&jpeg);

/* SPDX-License-Identifier: Apache-2.0 */
/* PNG through libpng: grey of 1, 2 and 4 bits becomes 8, a palette its colours, a
 * transparent colour alpha; 16 bits stay. gAMA, ICC and the other colour chunks are
 * ignored, as Pillow ignores them. */
#include <setjmp.h>
#include <stdio.h>

#include <png.h>

#include "images_decode.h"

struct reading {
    const struct image_file *file;
    uint64_t at; /* bytes that libpng has had */
    char why[128];
};

static void on_error(png_structp png, png_const_charp text) {
    struct reading *r = png_get_error_ptr(png);
    snprintf(r->why, sizeof r->why, "%s", text);
    longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png, (void)text;
}

static void take(png_structp png, png_bytep to, size_t n) {
    struct reading *r = png_get_io_ptr(png);
    if (n > r->file->size - r->at) {
        r->at = r->file->size;
        png_error(png, "the file ends in the middle of a chunk");
    }
    memcpy(to, r->file->bytes + r->at, n);
    r->at += n;
}

/* eXIf may stand behind the pixels, which libpng then has not come to yet. */
static uint32_t orientation(const struct image_file *f) {
    for (uint64_t at = 8; at + 12 <= f->size;) {
        const uint8_t *p = f->bytes + at;
        uint64_t n =
            (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
        if (n > f->size - at - 12)
            break;
        if (memcmp(p + 4, "eXIf", 4) == 0)
            return exif_orientation(p + 8, n);
        at += 12 + n;
    }
    return 1;
}

/* Everything up to the pixels. */
static void header(png_structp png, png_infop info, const struct image_file *f,
                   struct picture *p) {
    png_read_info(png, info);
    int colour = png_get_color_type(png, info);
    int deep = png_get_bit_depth(png, info) == 16;
    int clear = png_get_valid(png, info, PNG_INFO_tRNS) != 0;
    uint32_t colours = colour & PNG_COLOR_MASK_COLOR ? 3 : 1;
    p->width = png_get_image_width(png, info);
    p->height = png_get_image_height(png, info);
    p->depth = deep ? 16 : 8;
    p->channels = colours + (clear || colour & PNG_COLOR_MASK_ALPHA ? 1 : 0);
    p->orientation = orientation(f);
}

static int32_t pixels(png_structp png, png_infop info, struct reading *r,
                      const struct image_request *want, struct picture *p,
                      struct rn_error *e) {
    const uint16_t one = 1;
    header(png, info, r->file, p);
    int32_t status = picture_reserve(p, r->file, want, e);
    if (status != RN_OK || want->header_only)
        return status;
    png_set_expand(png);
    if (p->depth == 16 && *(const uint8_t *)&one)
        png_set_swap(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    uint64_t row = (uint64_t)p->width * p->channels * (p->depth / 8);
    if (png_get_rowbytes(png, info) != row)
        return rn_failf(e, RN_E_INTERNAL, r->file->name, 0, 0,
                        "libpng gives rows of %llu bytes, not %llu",
                        (unsigned long long)png_get_rowbytes(png, info),
                        (unsigned long long)row);
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < p->height; y++)
            png_read_row(png, p->pixels + y * row, NULL);
    png_read_end(png, NULL); /* checks what follows the pixels */
    return RN_OK;
}

int32_t image_png(const struct image_file *f, const struct image_request *want,
                  struct picture *p, struct rn_error *e) {
    struct reading r = {.file = f};
    png_structp png =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    int32_t status;
    if (!info) {
        png_destroy_read_struct(&png, NULL, NULL);
        return rn_failf(e, RN_E_MEMORY, f->name, 0, 0, "no memory to decode it");
    }
    png_set_read_fn(png, &r, take);
    png_set_user_limits(png, 0x7fffffff, 0x7fffffff); /* picture_reserve has its own */
    png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_chunk_malloc_max(png, 8u << 20);
    /* Passed over, not held: libpng reserves what their header states, up to 2 GiB, before
     * it reads (eXIf, iCCP, tEXt ...). */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    if (setjmp(png_jmpbuf(png)) == 0)
        status = pixels(png, info, &r, want, p, e);
    else
        status = rn_failf(e, RN_E_DATA, f->name, 0, 0,
                          "is not an intact PNG file: byte %llu: %s",
                          (unsigned long long)r.at, r.why);
    png_destroy_read_struct(&png, &info, NULL);
    return status;
}

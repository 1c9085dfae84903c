/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures from the bytes of a file. One file a format (images_png.c, images_jpeg.c,
 * images_webp.c), each compiled only where its library was found at build time: the
 * format is recognised either way, and a missing one is named in the error. */
#ifndef SOURCE_IMAGES_DECODE_H
#define SOURCE_IMAGES_DECODE_H

#include <stdlib.h>
#include <string.h>

#include <runner/sdk/error.h>
#include <runner/sdk/size.h>

/* The bytes of one file. */
struct image_file {
    const char *name; /* borrowed: "folder/a.png", "set.tar!a.png" */
    const uint8_t *bytes;
    uint64_t size;
};

/* Longest side: what JPEG (65,535) and WebP (16,383) can have, and much more for PNG.
 */
#define IMAGE_SIDE_MAX (1u << 20)

struct image_request {
    int header_only;
    uint64_t max_pixels; /* width * height of a picture that is decoded */
};

/* Zeroed before its first use; the pixels are kept for the next picture. */
struct picture {
    uint32_t width, height; /* as stored, before the orientation */
    uint32_t channels;      /* 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha */
    uint32_t depth;         /* bits of a channel: 8 or 16 */
    uint32_t orientation;   /* of EXIF, 1 to 8 */
    uint8_t *pixels; /* [height, width, channels], u8 or u16 in native order; owned */
    uint64_t capacity;
};

void picture_finish(struct picture *p);
/* Room for the pixels of p's size; RN_E_DATA when it exceeds max_pixels. */
int32_t picture_reserve(struct picture *p, const struct image_file *f,
                        const struct image_request *want, struct rn_error *e);

/* *p from the file. RN_E_DATA with file, byte and reason where it is damaged, not a
 * picture, or of a format that is not built in. */
int32_t image_decode(const struct image_file *f, const struct image_request *want,
                     struct picture *p, struct rn_error *e);
/* The orientation in a TIFF header (the body of EXIF), 1 where there is none. */
uint32_t exif_orientation(const uint8_t *tiff, uint64_t size);

int32_t image_png(const struct image_file *f, const struct image_request *want,
                  struct picture *p, struct rn_error *e);
int32_t image_jpeg(const struct image_file *f, const struct image_request *want,
                   struct picture *p, struct rn_error *e);
int32_t image_webp(const struct image_file *f, const struct image_request *want,
                   struct picture *p, struct rn_error *e);

#endif

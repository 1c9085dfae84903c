/* SPDX-License-Identifier: Apache-2.0 */
/* Which decoder a file needs, and what the decoders share. */
#include "images_decode.h"

void picture_finish(struct picture *p) {
    free(p->pixels);
    memset(p, 0, sizeof *p);
}

int32_t picture_reserve(struct picture *p, const struct image_file *f,
                        const struct image_request *want, struct rn_error *e) {
    uint64_t pixels = (uint64_t)p->width * p->height, bytes;
    if (!pixels)
        return rn_failf(e, RN_E_DATA, f->name, 0, 0, "has a size of 0");
    if (pixels > want->max_pixels) {
        rn_failf(e, RN_E_DATA, f->name, 0, 0,
                 "has %u x %u pixels, more than the %llu that are accepted", p->width,
                 p->height, (unsigned long long)want->max_pixels);
        rn_hintf(e, "set the source's `max_pixels` higher if the file is intact");
        return RN_E_DATA;
    }
    if (p->width > IMAGE_SIDE_MAX || p->height > IMAGE_SIDE_MAX)
        return rn_failf(e, RN_E_DATA, f->name, 0, 0,
                        "has %u x %u pixels; a side of at most %u is read", p->width,
                        p->height, IMAGE_SIDE_MAX);
    if (want->header_only)
        return RN_OK;
    bytes = pixels * p->channels * (p->depth / 8);
    if (bytes > p->capacity) {
        uint8_t *more = realloc(p->pixels, rn_size_or_max(bytes, 1));
        if (!more)
            return rn_failf(e, RN_E_MEMORY, f->name, 0, 0, "no memory for its pixels");
        p->pixels = more;
        p->capacity = bytes;
    }
    return RN_OK;
}

static uint32_t number(const uint8_t *p, uint32_t bytes, int big) {
    uint32_t v = 0;
    for (uint32_t i = 0; i < bytes; i++)
        v |= (uint32_t)p[i] << 8 * (big ? bytes - 1 - i : i);
    return v;
}

uint32_t exif_orientation(const uint8_t *tiff, uint64_t size) {
    if (size < 8 || (memcmp(tiff, "II*\0", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0))
        return 1;
    int big = tiff[0] == 'M';
    uint64_t at = number(tiff + 4, 4, big);
    if (at > size - 2)
        return 1;
    uint32_t entries = number(tiff + at, 2, big);
    for (at += 2; entries && at + 12 <= size; entries--, at += 12)
        if (number(tiff + at, 2, big) == 0x0112) {
            uint32_t type = number(tiff + at + 2, 2, big);
            uint32_t v = number(tiff + at + 8, type == 3 ? 2 : 4, big);
            return v >= 1 && v <= 8 && (type == 3 || type == 4) ? v : 1;
        }
    return 1;
}

#define LACKS(function, format, package)                                               \
    int32_t function(const struct image_file *f, const struct image_request *want,     \
                     struct picture *p, struct rn_error *e) {                          \
        (void)want, (void)p;                                                           \
        rn_failf(e, RN_E_UNSUPPORTED, f->name, 0, 0,                                   \
                 "is a " format " picture, and this runner was built without "         \
                 "support for " format);                                               \
        rn_hintf(e, "install " package " and build runner again, or convert the "      \
                    "pictures");                                                       \
        return RN_E_UNSUPPORTED;                                                       \
    }
#ifndef HAVE_PNG
LACKS(image_png, "PNG", "libpng-dev")
#endif
#ifndef HAVE_JPEG
LACKS(image_jpeg, "JPEG", "libjpeg-dev")
#endif
#ifndef HAVE_WEBP
LACKS(image_webp, "WebP", "libwebp-dev")
#endif

/* Formats by their first bytes; those without a decoder are named and refused. */
static const struct format {
    uint32_t at, bytes; /* of magic */
    const char *magic, *name;
    int32_t (*decode)(const struct image_file *f, const struct image_request *want,
                      struct picture *p, struct rn_error *e);
} formats[] = {
    {0, 8, "\x89PNG\r\n\x1a\n", "PNG", image_png},
    {0, 3, "\xff\xd8\xff", "JPEG", image_jpeg},
    {8, 4, "WEBP", "WebP", image_webp},
    {0, 4, "GIF8", "a GIF picture", NULL},
    {0, 2, "BM", "a BMP picture", NULL},
    {0, 4, "II*\0", "a TIFF picture", NULL},
    {0, 4, "MM\0*", "a TIFF picture", NULL},
    {4, 8, "ftypavif", "an AVIF picture", NULL},
    {4, 8, "ftypheic", "a HEIC picture", NULL},
    {0, 5, "%PDF-", "a PDF file", NULL},
    {0, 5, "<?xml", "an XML file", NULL},
    {0, 5, "<html", "an HTML page", NULL},
    {0, 9, "<!DOCTYPE", "an HTML page", NULL},
};

int32_t image_decode(const struct image_file *f, const struct image_request *want,
                     struct picture *p, struct rn_error *e) {
    const char *what = "not a picture in a known format";
    if (!f->size)
        return rn_failf(e, RN_E_DATA, f->name, 0, 0, "is empty");
    p->orientation = 1;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const struct format *x = &formats[i];
        if (f->size < x->at + x->bytes ||
            memcmp(f->bytes + x->at, x->magic, x->bytes) != 0)
            continue;
        if (x->decode)
            return x->decode(f, want, p, e);
        what = x->name;
        break;
    }
    rn_failf(e, RN_E_DATA, f->name, 0, 0, "is %s (byte 0 to 3: %02x %02x %02x %02x)",
             what, f->bytes[0], f->size > 1 ? f->bytes[1] : 0,
             f->size > 2 ? f->bytes[2] : 0, f->size > 3 ? f->bytes[3] : 0);
    rn_hintf(e, "PNG, JPEG and WebP are read: convert the picture, or remove it");
    return RN_E_DATA;
}

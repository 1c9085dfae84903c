/* SPDX-License-Identifier: Apache-2.0 */
/* WebP through libwebp, lossy and lossless; an animation is refused. */
#include <webp/decode.h>

#include "images_decode.h"

static uint32_t little(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

/* The orientation of the chunk EXIF, which may begin with JPEG's "Exif\0\0". */
static uint32_t orientation(const struct image_file *f) {
    for (uint64_t at = 12; at + 8 <= f->size;) {
        uint64_t n = little(f->bytes + at + 4), left = f->size - at - 8;
        const uint8_t *body = f->bytes + at + 8;
        if (n > left)
            break;
        if (memcmp(f->bytes + at, "EXIF", 4) == 0) {
            int marked = n >= 6 && memcmp(body, "Exif\0\0", 6) == 0;
            return exif_orientation(body + (marked ? 6 : 0), n - (marked ? 6 : 0));
        }
        at += 8 + n + (n & 1);
    }
    return 1;
}

static const char *reason(VP8StatusCode code) {
    return code == VP8_STATUS_OUT_OF_MEMORY         ? "no memory to decode it"
           : code == VP8_STATUS_NOT_ENOUGH_DATA     ? "the data end too early"
           : code == VP8_STATUS_UNSUPPORTED_FEATURE ? "a feature that is not supported"
                                                    : "the data are damaged";
}

int32_t image_webp(const struct image_file *f, const struct image_request *want,
                   struct picture *p, struct rn_error *e) {
    WebPDecoderConfig config;
    uint64_t announced = f->size >= 8 ? (uint64_t)little(f->bytes + 4) + 8 : 0;
    if (announced > f->size)
        return rn_failf(e, RN_E_DATA, f->name, 0, 0,
                        "is cut short at byte %llu: its header announces %llu bytes",
                        (unsigned long long)f->size, (unsigned long long)announced);
    if (!WebPInitDecoderConfig(&config))
        return rn_failf(e, RN_E_PLUGIN, f->name, 0, 0,
                        "libwebp has another version than when runner was built");
    VP8StatusCode code = WebPGetFeatures(f->bytes, (size_t)f->size, &config.input);
    if (code != VP8_STATUS_OK)
        return rn_failf(e, RN_E_DATA, f->name, 0, 0,
                        "is not an intact WebP file: its header: %s", reason(code));
    if (config.input.has_animation) {
        rn_failf(e, RN_E_DATA, f->name, 0, 0, "is an animation");
        rn_hintf(e, "store the frames as pictures of their own");
        return RN_E_DATA;
    }
    p->width = (uint32_t)config.input.width;
    p->height = (uint32_t)config.input.height;
    p->channels = config.input.has_alpha ? 4 : 3;
    p->depth = 8;
    p->orientation = orientation(f);
    int32_t status = picture_reserve(p, f, want, e);
    if (status != RN_OK || want->header_only)
        return status;
    config.output.colorspace = p->channels == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = p->pixels;
    config.output.u.RGBA.stride = (int)(p->width * p->channels);
    config.output.u.RGBA.size = (size_t)p->width * p->height * p->channels;
    code = WebPDecode(f->bytes, (size_t)f->size, &config);
    WebPFreeDecBuffer(&config.output);
    if (code != VP8_STATUS_OK)
        return rn_failf(e, code == VP8_STATUS_OUT_OF_MEMORY ? RN_E_MEMORY : RN_E_DATA,
                        f->name, 0, 0, "is not an intact WebP file: %s", reason(code));
    return RN_OK;
}

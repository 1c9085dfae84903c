/* SPDX-License-Identifier: Apache-2.0 */
/* From a decoded picture to a sample: orientation, channels and depth, size, and planes
 * in place of interleaved pixels. */
#ifndef SOURCE_IMAGES_PIXELS_H
#define SOURCE_IMAGES_PIXELS_H

#include <runner/sdk/resample.h>

#include "images_decode.h"

enum image_fit { FIT_FILL, FIT_CROP, FIT_PAD, FIT_ERROR };

/* What all samples have in common. */
struct image_form {
    uint32_t channels; /* 1 grey, 3 RGB, 4 RGB and alpha */
    uint32_t depth;    /* 8: u8 samples; 16: i32 samples of 0 to 65535 */
    uint32_t width, height;
    enum image_fit fit; /* of a picture of another size */
    enum rn_resample_filter filter;
    int keep_orientation;  /* EXIF's is ignored */
    uint8_t background[3]; /* RGB, behind transparent pixels and in padding */
};

/* Two canvases that pictures are changed between; kept from one to the next, zeroed
 * before the first. */
struct image_canvas {
    uint8_t *bytes[2]; /* owned */
    uint64_t capacity[2];
    struct rn_resampler resampler;
};

void image_canvas_finish(struct image_canvas *c);
/* The size as the sample has it: turned where the orientation asks for it. */
void image_turned_size(const struct picture *p, const struct image_form *form,
                       uint32_t *width, uint32_t *height);
/* out: [channels, height, width] of the form, u8 or i32. p is not changed. RN_E_DATA
 * where the size is another one and the form does not fit it. */
int32_t image_sample(const struct picture *p, const struct image_form *form,
                     const char *name, struct image_canvas *c, void *out,
                     struct rn_error *e);

#endif

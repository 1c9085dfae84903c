/* SPDX-License-Identifier: Apache-2.0 */
/* What the image augmenters share: which fields are images, and a sample's random
 * words.
 */
#ifndef PLUGINS_AUGMENT_IMAGE_H
#define PLUGINS_AUGMENT_IMAGE_H

#include <stdlib.h>

#include <runner/augment.h>
#include <runner/numerics.h>

#include "../fail.h"

/* planes of height x width, one after the other */
struct image {
    uint64_t planes;
    int64_t height, width;
    rn_dtype dtype;
};

static inline int32_t image_plan(struct image *m, const struct rn_field *f,
                                 struct rn_error *e) {
    if ((f->rank != 2 && f->rank != 3) || (f->flags & RN_FIELD_TEXT)) {
        fail(e, RN_E_CONFIG, "of", 0, 0, "field '%s' is no image: it has rank %u",
             f->name, f->rank);
        hint(e, "an image is [C,H,W] or [H,W]");
        return RN_E_CONFIG;
    }
    if (f->dtype != RN_F32 && f->dtype != RN_U8)
        return fail(e, RN_E_CONFIG, "of", 0, 0,
                    "field '%s' holds %s; images of f32 or u8 are changed", f->name,
                    dtype_name(f->dtype));
    m->planes = f->rank == 3 ? (uint64_t)f->shape[0] : 1;
    m->height = f->shape[f->rank - 2];
    m->width = f->shape[f->rank - 1];
    m->dtype = f->dtype;
    return RN_OK;
}

/* Four random words of row i: they depend on key, epoch, sample and n alone. */
static inline void image_random(const struct rn_augment_at *at, uint64_t i, uint32_t n,
                                uint32_t out[4]) {
    uint64_t id = (uint64_t)at->sample_ids[i];
    uint32_t counter[4] = {at->epoch, (uint32_t)id, (uint32_t)(id >> 32), n};
    rn_philox(counter, at->key, out);
}

#define IMAGE_OF(what)                                                                 \
    RN_OPTION("of string = image | " what ": f32 or u8, [C,H,W] or [H,W]")

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Near-duplicates among images: every pair is compared, so that the result is exact.
 *
 * An image becomes grey (0.299 R + 0.587 G + 0.114 B), 0 .. 255, and its areas are
 * averaged to at most 16 x 16 numbers (the thumbnail) and to at most 64 x 64 (the fine
 * image); each is centred and divided by its norm, so that a product is Pearson's r and
 * the distance of two images is sqrt(2 - 2 r). Thumbnails with a variance below 4 are
 * flat and near to nothing but their equals.
 *
 * Images are near if, of thumbnails and of fine images, the distance is below 0.13
 * times the median distance of different training images to their nearest one; r is at
 * least 0.9 of thumbnails and 0.98 of fine images; and the means of their channels
 * differ by at most 8. The median is of up to 1000 training images, spread evenly, and
 * their nearest thumbnails. (The relative threshold is that of cleanlab: shirts are
 * alike.)
 *
 * Equal images are one image, the first of them, which is their representative.
 *
 * Life: near_create -> near_add of each row -> near_search -> near_look of the rows
 * that near_wanted names -> near_verify -> results. One thread calls; near_search uses
 * several. Results do not depend on their number, nor on the instruction set. */
#ifndef DATA_NEAR_H
#define DATA_NEAR_H

#include <stdbool.h>
#include <stdint.h>

#include <runner/abi.h>

#include "base/error.h"

#define NEAR_ROWS_MAX 200000u
#define NEAR_SHOWN    10u
#define NEAR_SHARE    0.13
#define NEAR_R        0.98

/* Elements of a row that are an image. */
struct near_image {
    uint32_t channels, height, width;
    bool channels_last;
    rn_dtype dtype;
    double low, high; /* values that are black and white */
};
/* [H, W], [C, H, W] or [H, W, C] of u8 or f32, C 1, 3 or 4; low and high are 0 and
 * 255, of f32 0 and 1. False: it is not an image. */
bool near_image_of(rn_dtype dtype, uint32_t rank, const int64_t *shape,
                   struct near_image *out);
/* Areas averaged: grey, 0 .. 255, of at most `most` x `most`: out, [height, width],
 * which it sets. means: [4] of the channels, or NULL. */
void near_resize(const struct near_image *m, const void *values, uint32_t most,
                 double *out, uint32_t *height, uint32_t *width, double *means);

struct near_options {
    struct near_image image;
    uint64_t rows;  /* at most NEAR_ROWS_MAX */
    uint64_t train; /* rows 0 .. train - 1 are for training */
    uint32_t threads;
};

struct near_pair {
    uint32_t a, b;   /* rows, a < b; representatives */
    double distance; /* of fine images; of thumbnails where that is all there is */
};

struct near_result {
    const struct near_pair *pairs; /* rising by a, then b */
    uint64_t count;
    const uint32_t *first;   /* [rows] the representative */
    const uint32_t *cluster; /* [rows] the smallest row of its cluster: rows that chains
                              * of near and equal ones join */
};

struct near;
struct near *near_create(const struct near_options *o); /* NULL: no memory */
void near_destroy(struct near *n);                      /* NULL is fine */
void near_add(struct near *n, uint64_t row, const void *values);
/* RN_E_MEMORY; RN_E_UNSUPPORTED: so many pairs are near that they cannot be listed. */
int near_search(struct near *n, struct rn_error *e);
bool near_wanted(const struct near *n, uint64_t row);
void near_look(struct near *n, uint64_t row, const void *values);
void near_verify(struct near *n);

/* After near_verify; borrowed. */
struct near_result near_result(const struct near *n);
/* The nearest pairs of different thumbnails, those of train and another split where
 * there are both: [*count] by distance. */
const struct near_pair *near_nearest(const struct near *n, uint32_t *count);
/* Below it images are near: of thumbnails, and of fine images. */
double near_threshold(const struct near *n, bool fine);
uint64_t near_flat(const struct near *n);

#endif

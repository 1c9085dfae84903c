/* SPDX-License-Identifier: Apache-2.0 */
/* How many rows of each class a part gets: whole numbers for shares that are not. */
#ifndef DATA_STRATIFY_H
#define DATA_STRATIFY_H

#include <stdint.h>

#define STRATIFY_PARTS 3 /* part 0 is for training */

struct stratum {
    uint64_t rows;                 /* of the class */
    uint64_t take[STRATIFY_PARTS]; /* out: of each part; their sum is `rows` */
};

/* want: rows of each part; their sum is that of all classes. Each part gets exactly
 * what it needs, and of each class its share (rows * want / all), rounded down or up; a
 * class has a training row where that allows it, those of three rows and more before
 * smaller ones. A function of its arguments. */
void stratify(struct stratum *classes, uint64_t count,
              const uint64_t want[STRATIFY_PARTS]);

#endif

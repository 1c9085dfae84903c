/* SPDX-License-Identifier: Apache-2.0 */
/* A picture to draw on: rectangles, images and text in a built-in font. Everything is
 * cut at the edges. */
#ifndef COMMANDS_VERBS_SHEET_H
#define COMMANDS_VERBS_SHEET_H

#include <stdint.h>

#include "base/text.h"

/* Of a character, with the space to the next one; of a line. Pixels. */
enum { SHEET_CHARACTER = 6, SHEET_LINE = 10 };

struct sheet {
    int64_t width, height;
    uint8_t *rgb; /* owned; [height][width][3] */
};

/* White; 0: no memory. */
int sheet_create(struct sheet *s, int64_t width, int64_t height);
void sheet_finish(struct sheet *s);
/* colour: 0xrrggbb. */
void sheet_pixel(struct sheet *s, int64_t x, int64_t y, uint32_t colour);
void sheet_fill(struct sheet *s, int64_t x, int64_t y, int64_t width, int64_t height,
                uint32_t colour);
/* One pixel wide, inside of the rectangle. */
void sheet_frame(struct sheet *s, int64_t x, int64_t y, int64_t width, int64_t height,
                 uint32_t colour);
/* n bytes; what is not printable ASCII is shown as '?'. */
void sheet_text(struct sheet *s, int64_t x, int64_t y, uint32_t colour,
                const char *text, size_t n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Write a PNG (ISO/IEC 15948) of 8-bit colours, deflated (RFC 1951) with the fixed code
 * and a window that holds the line above: enough for figures and contact sheets. */
#ifndef BASE_PNG_H
#define BASE_PNG_H

#include <stdint.h>

#include "base/text.h"

/* The bytes of a file are added to `out`. rgb: [height][width][3]; both from 1 to 2^15.
 */
void png_encode(const uint8_t *rgb, uint32_t width, uint32_t height, struct text *out);

#endif

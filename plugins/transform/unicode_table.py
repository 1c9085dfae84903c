#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write unicode_table.h from Python's unicodedata (tests/runs/text.py compares them where
the version of Unicode is the same)."""
import pathlib
import sys
import unicodedata

SPACES = {*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029,
          0x202F, 0x205F, 0x3000}  # White_Space
CLASSES = ("OTHER", "SPACE", "LETTER", "NUMBER", "DIGIT", "JOINER")
CIRCLED = {*range(0x24B6, 0x24EA), *range(0x1F130, 0x1F14A), *range(0x1F150, 0x1F16A),
           *range(0x1F170, 0x1F18A)}  # symbols that are Other_Alphabetic


def class_of(c):
    kind = unicodedata.category(chr(c))
    if c in SPACES:
        return "SPACE"
    if kind[0] == "L":
        return "LETTER"
    if kind == "No":
        return "NUMBER"
    if kind in ("Nd", "Nl"):
        return "DIGIT"
    if kind[0] == "M" or kind == "Pc" or c in (0x200C, 0x200D) or c in CIRCLED:
        return "JOINER"
    return "OTHER"


def class_runs():
    """(first code point, class), each up to the next."""
    runs = []
    for c in range(0x110000):
        k = CLASSES.index(class_of(c))
        if not runs or runs[-1][1] != k:
            runs.append((c, k))
    return runs


def lower_runs():
    """(first, last, step, distance): first, first + step, ... last get distance added."""
    runs = []
    for c in range(0x110000):
        small = chr(c).lower()
        d = ord(small) - c if len(small) == 1 else 0
        if not d:
            continue
        r = runs[-1] if runs else None
        if r and r[3] == d and (c - r[1] == r[2] or (r[0] == r[1] and c - r[1] in (1, 2))):
            runs[-1] = (r[0], c, c - r[1], d)
        else:
            runs.append((c, c, 1, d))
    return runs


def lines(items):
    out, line = [], "   "
    for x in items:
        if len(line) + len(x) + 2 > 88:
            out.append(line)
            line = "   "
        line += f" {x},"
    return "\n".join(out + [line])


def text():
    classes, lower = class_runs(), lower_runs()
    return f"""/* SPDX-License-Identifier: Apache-2.0 */
/* Made by unicode_table.py from Unicode {unicodedata.unidata_version}. */
#ifndef TRANSFORM_UNICODE_TABLE_H
#define TRANSFORM_UNICODE_TABLE_H

#include <stdint.h>

/* clang-format off */
/* First code point of a run << 3 | enum unicode_class; a run ends where the next begins. */
static const uint32_t unicode_classes[{len(classes)}] = {{
{lines(f"0x{c << 3 | k:x}" for c, k in classes)}
}};

/* Code points first, first + step, ... last become small ones by adding `distance`. */
static const struct unicode_lower {{
    uint32_t first, last, step;
    int32_t distance;
}} unicode_lowers[{len(lower)}] = {{
{lines(f"{{0x{a:x}, 0x{b:x}, {s}, {d}}}" for a, b, s, d in lower)}
}};
/* clang-format on */

#endif
"""


if __name__ == "__main__":
    where = pathlib.Path(__file__).with_name("unicode_table.h")
    if "--print" in sys.argv:
        print(text(), end="")
    else:
        where.write_text(text())

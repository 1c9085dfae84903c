# SPDX-License-Identifier: Apache-2.0
"""PNG files of every kind, written from the specification (ISO/IEC 15948) alone, and what
a sample of each must be, in numpy."""
import struct
import zlib

import numpy as np

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2)]


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(
        ">I", zlib.crc32(kind + body))


def header(width, height, colour=RGB, depth=8, interlace=0):
    return b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


def packed(rows, depth):
    """[H, W*C] numbers as lines with filter 0."""
    out = b""
    for row in rows:
        if depth == 16:
            line = row.astype(">u2").tobytes()
        elif depth == 8:
            line = row.astype(np.uint8).tobytes()
        else:
            bits = np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, 8 - depth:]
            line = np.packbits(bits.ravel()).tobytes()
        out += b"\0" + line
    return out


def png(pixels, colour=RGB, depth=8, palette=None, clear=None, interlace=0, extra=b"",
        behind=b""):
    """pixels [H,W,C]; extra: chunks before the pixels, behind: after them."""
    h, w = pixels.shape[:2]
    flat = pixels.reshape(h, w, -1)
    if interlace:
        lines = b"".join(packed(part.reshape(part.shape[0], -1), depth)
                         for x, y, dx, dy in ADAM7
                         for part in [flat[y::dy, x::dx]] if part.size)
    else:
        lines = packed(flat.reshape(h, -1), depth)
    out = header(w, h, colour, depth, interlace)
    if palette is not None:
        out += chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    if clear is not None:
        out += chunk(b"tRNS", clear)
    return out + extra + chunk(b"IDAT", zlib.compress(lines)) + behind + chunk(b"IEND", b"")


def exif(orientation, big=False):
    order, mark = (">", b"MM\0*") if big else ("<", b"II*\0")
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return mark + struct.pack(order + "IH", 8, 1) + entry + b"\0\0\0\0"


def turned(a, orientation):
    """What EXIF 2.3 means by the tag 0x0112: row 0 and column 0 of the stored picture are
    the top and left, top and right, ..., as seen."""
    return {1: lambda: a, 2: lambda: a[:, ::-1], 3: lambda: a[::-1, ::-1],
            4: lambda: a[::-1], 5: lambda: a.swapaxes(0, 1),
            6: lambda: a[::-1].swapaxes(0, 1), 7: lambda: a[::-1, ::-1].swapaxes(0, 1),
            8: lambda: a[:, ::-1].swapaxes(0, 1)}[orientation]()


def over(colours, alpha, background, top=255):
    """Composite [H,W,C] of 0..top on a background of one number a channel."""
    a = alpha.astype(np.int64)
    x = colours.astype(np.int64) * a + np.asarray(background, np.int64) * (top - a)
    return (2 * x + top) // (2 * top)


def luma(rgb):
    """ITU-R 601, as Pillow's convert("L")."""
    c = rgb.astype(np.int64)
    return ((c[..., 0] * 19595 + c[..., 1] * 38470 + c[..., 2] * 7471 + 0x8000) >> 16)[..., None]

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Seeds for unit/images_fuzz.c, and the program run on them.

    images_fuzz.py IMAGES_FUZZ [SECONDS, 5] [SEED]"""
import gzip
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import numpy as np

from pictures import PALETTE, RGBA, chunk, exif, png

try:
    from PIL import Image
except ImportError:
    Image = None

random = np.random.default_rng(0)


def seeds():
    a = random.integers(0, 256, (9, 12, 3))
    out = {"rgb.png": png(a), "interlaced.png": png(a, interlace=1),
           "palette.png": png(random.integers(0, 16, (9, 12, 1)), PALETTE, 4,
                              random.integers(0, 256, (16, 3)), b"\1\2"),
           "deep.png": png(random.integers(0, 65536, (9, 12, 4)), RGBA, 16,
                           extra=chunk(b"eXIf", exif(6)))}

    def save(name, image, form, **options):
        data = io.BytesIO()
        image.save(data, form, **options)
        out[name] = data.getvalue()
    if Image:
        rgb = Image.fromarray(a.astype(np.uint8))
        save("base.jpg", rgb, "JPEG", exif=b"Exif\0\0" + exif(5))
        save("progressive.jpg", rgb.resize((40, 30)), "JPEG", progressive=True)
        save("cmyk.jpg", rgb.convert("CMYK"), "JPEG")
        save("lossy.webp", rgb.convert("RGBA"), "WEBP")
        save("lossless.webp", rgb, "WEBP", lossless=True)
    files = {f"{i}/a{i}.png": out["rgb.png"] for i in range(3)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as t:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            t.addfile(entry, io.BytesIO(data))
        entry = tarfile.TarInfo("0/again.png")
        entry.type, entry.linkname = tarfile.LNKTYPE, "0/a0.png"
        t.addfile(entry)
    out |= {"a.tar": packed.getvalue(), "a.tar.gz": gzip.compress(packed.getvalue(), mtime=0)}
    for name, how in ("a.zip", zipfile.ZIP_DEFLATED), ("stored.zip", zipfile.ZIP_STORED):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", how) as z:
            for member, data in files.items():
                z.writestr(member, data)
        out[name] = packed.getvalue()
    return out


with tempfile.TemporaryDirectory(prefix="runner-fuzz-") as folder:
    made = seeds()
    for name, data in made.items():
        with open(f"{folder}/{name}", "wb") as f:
            f.write(data)
    seconds, seed = (sys.argv[2:] + ["5", "0"][len(sys.argv) - 2:])[:2]
    sys.exit(subprocess.run([sys.argv[1], seconds, seed, f"{folder}/scratch",
                             *(f"{folder}/{name}" for name in made)]).returncode)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print augment_golden.h: four digits, flipped by numpy.flip, cropped out of numpy.pad,
covered by slices, turned by scipy.ndimage.rotate, as the key, epoch and sample of the test decide. With a
file name: also a picture of them (PGM). Needs numpy, scipy, scikit-learn."""
import sys

import numpy as np
from scipy import ndimage
from sklearn import datasets

KEY, EPOCH, IDS = (11, 22), 3, range(4)
PADDING, DEGREES, FILL, SIZE = 3, 40.0, 2.0, 5


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011)."""
    c, k, mask = list(counter), list(key), 0xFFFFFFFF
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & mask, (p0 >> 32) ^ c[3] ^ k[1], p0 & mask]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    return c


def uniform(bits):
    return (bits >> 8) / 2**24


images = [i.astype(float) for i in datasets.load_digits().images[:4]]
rows = {"digit": images, "flipped": [], "alternated": [], "cropped": [], "reflected": [],
        "erased": [], "turned": []}
for sample, image in zip(IDS, images):
    word = philox((EPOCH, sample, 0, 0), KEY)
    rows["flipped"].append(np.flip(image, 1) if uniform(word[0]) < 0.5 else image)
    first = uniform(philox((0, sample, 0, 0), KEY)[0]) < 0.5
    rows["alternated"].append(np.flip(image, 1) if first != (EPOCH % 2 == 1) else image)
    y, x = (word[i] * (2 * PADDING + 1) >> 32 for i in (1, 2))
    rows["cropped"].append(np.pad(image, PADDING, constant_values=FILL)[y:y + 8, x:x + 8])
    rows["reflected"].append(np.pad(image, PADDING, mode="reflect")[y:y + 8, x:x + 8])
    y, x = (max(word[i] * 8 >> 32, SIZE // 2) - SIZE // 2 for i in (1, 2))
    low, left = ((word[i] * 8 >> 32) - SIZE // 2 + SIZE for i in (1, 2))
    rows["erased"].append(image.copy())
    rows["erased"][-1][y:low, x:left] = FILL
    angle = (2 * uniform(word[1]) - 1) * DEGREES
    rows["turned"].append(ndimage.rotate(image, angle, reshape=False, order=1,
                                         mode="grid-constant", cval=FILL, prefilter=False))

print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Made by augment_golden.py. */")
for name, pictures in rows.items():
    print(f"static const float golden_{name}[4][64] = {{\n    {{"
          + "},\n    {".join(", ".join(f"{v:.8g}" for v in p.ravel()) for p in pictures)
          + "}};")
if len(sys.argv) > 1:
    sheet = np.vstack([np.hstack([np.pad(p, 1) for p in rows[name]]) for name in rows])
    sheet = np.kron(np.clip(sheet * 15, 0, 255), np.ones((12, 12))).astype(np.uint8)
    with open(sys.argv[1], "wb") as f:
        f.write(b"P5 %d %d 255\n" % sheet.shape[::-1] + sheet.tobytes())

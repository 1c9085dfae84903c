#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A folder of pictures of clothes, a folder in it for each class: rows of Fashion-MNIST
(Debian's package dataset-fashion-mnist) as PNG files, every other one as JPEG where Pillow
is installed.

    clothes.py FOLDER [pictures of each class, 100]"""
import gzip
import os
import pathlib
import sys

import numpy as np

from pictures import GREY, png

try:
    from PIL import Image
except ImportError:
    Image = None

FASHION = pathlib.Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
CLASSES = ["t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker",
           "bag", "boot"]


def make(folder, each=100, jpeg=Image is not None):
    """Written as they come: PNG, JPEG, PNG, ... False: the package is not installed."""
    if not (FASHION / "t10k-images-idx3-ubyte.gz").exists():
        return False
    raw = [np.frombuffer(gzip.decompress((FASHION / f"t10k-{n}-ubyte.gz").read_bytes()), "u1")
           for n in ("images-idx3", "labels-idx1")]
    images, labels = raw[0][16:].reshape(-1, 28, 28, 1), raw[1][8:]
    for k, name in enumerate(CLASSES):
        place = pathlib.Path(folder) / name
        place.mkdir(parents=True, exist_ok=True)
        for i, row in enumerate(np.flatnonzero(labels == k)[:each]):
            if jpeg and i % 2:
                Image.fromarray(images[row, :, :, 0]).save(place / f"{i:04}.jpg", quality=92)
            else:
                (place / f"{i:04}.png").write_bytes(png(images[row], GREY))
    return True


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if not make(sys.argv[1], *map(int, sys.argv[2:])):
        sys.exit(f"clothes.py: there is no Fashion-MNIST in {FASHION}: install "
                 "dataset-fashion-mnist")

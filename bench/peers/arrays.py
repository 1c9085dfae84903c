# SPDX-License-Identifier: Apache-2.0
"""The data that both sides train on, as NumPy arrays: read, or made, from a folder."""
import gzip
import pathlib
import struct

import numpy as np


def write_idx(path, a):
    kind = {"uint8": 8, "int64": 8}[str(a.dtype)]
    a = a.astype(np.uint8)
    with gzip.open(path, "wb", 1) as f:
        f.write(struct.pack(f">4B{a.ndim}i", 0, 0, kind, a.ndim, *a.shape) + a.tobytes())


def read_idx(path):
    raw = gzip.open(path).read()
    shape = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def patterns(rows, shape, rng):
    """Bytes of a class's pattern under noise: something that can be learned."""
    label = rng.integers(0, 10, rows)
    base = rng.integers(0, 128, (10, *shape), dtype=np.uint8)
    return base[label] + rng.integers(0, 128, (rows, *shape), dtype=np.uint8), label


# Tokens: different ones, in a window. Images of ImageNet's size. -tiny: for a try.
TOKENS = {"tokens": (50257, 1024), "tokens-tiny": (211, 32)}
IMAGES = {"fashion": (28, 28), "colour": (3, 32, 32), "large": (3, 224, 224),
          "large-tiny": (3, 64, 64)}
ROWS = {"tokens": 256, "tokens-tiny": 256, "large": 1024, "large-tiny": 256}
WINDOW = 256  # characters, of the row gpt
STEPS, WIDTH = 128, 256  # of the row lstm
ARRAYS = ("table", "sequences")  # x.npy and label.npy
BOOK = pathlib.Path(__file__).resolve().parents[2] / "datasets/opticks.txt"


def make(kind, folder, rows=None):
    """Writes what `kind` is made of, the same at every call."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    if kind == "table":
        x = rng.standard_normal((rows or 65536, 54), dtype=np.float32)
        label = (x @ rng.standard_normal((54, 10))).argmax(1)
        np.save(folder / "x.npy", x)
        np.save(folder / "label.npy", label)
    elif kind == "sequences":
        # The class is a direction in which the steps lean: something that can be learned.
        rows = rows or 640
        label = rng.integers(0, 10, rows)
        lean = rng.standard_normal((10, WIDTH), dtype=np.float32)
        x = rng.standard_normal((rows, STEPS, WIDTH), dtype=np.float32)
        np.save(folder / "x.npy", x + 0.2 * lean[label][:, None])
        np.save(folder / "label.npy", label)
    elif kind == "text":
        (folder / "text.txt").write_text(BOOK.read_text())
    elif kind in TOKENS:
        # Each token is most often followed by one other: something that can be learned.
        vocabulary, window = TOKENS[kind]
        rows = rows or ROWS[kind]
        after = rng.permutation(vocabulary)
        x = np.minimum(rng.zipf(1.2, (rows, window + 1)) - 1, vocabulary - 1)
        for i in range(1, window + 1):
            x[:, i] = np.where(rng.random(rows) < 0.7, after[x[:, i - 1]], x[:, i])
        np.save(folder / "token.npy", x[:, :-1].astype(np.int64))
        np.save(folder / "next.npy", x[:, 1:].astype(np.int64))
    else:
        x, label = patterns(rows or ROWS.get(kind, 12800), IMAGES[kind], rng)
        write_idx(folder / "train-images-idx3-ubyte.gz", x)
        write_idx(folder / "train-labels-idx1-ubyte.gz", label)
    (folder / "complete").touch()


def cut(kind, source, folder, rows):
    """The first rows of a data set, as one of its own: a batch in which order is all
    that shuffling changes."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    source = pathlib.Path(source)
    if kind in ARRAYS:
        for name in ("x.npy", "label.npy"):
            np.save(folder / name, np.load(source / name)[:rows])
    elif kind in TOKENS:
        for name in ("token.npy", "next.npy"):
            np.save(folder / name, np.load(source / name)[:rows])
    elif kind == "text":
        (folder / "text.txt").write_text((source / "text.txt").read_text()
                                         [:rows * WINDOW + 1])
    else:
        for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
            write_idx(folder / name, read_idx(source / name)[:rows])


def load(kind, folder):
    """x and y as they lie on disk (bytes of images), and what each byte becomes: the
    row's YAML scales to 0..1, then to mean 0 and variance 1 over all."""
    folder = pathlib.Path(folder)
    if kind in ARRAYS:
        return np.load(folder / "x.npy"), np.load(folder / "label.npy"), None
    if kind in TOKENS:
        return np.load(folder / "token.npy"), np.load(folder / "next.npy"), None
    if kind == "text":
        code = np.array([ord(c) for c in (folder / "text.txt").read_text()])
        number = np.searchsorted(np.unique(code), code)
        rows = (len(number) - 1) // WINDOW
        x, y = number[:rows * WINDOW], number[1:rows * WINDOW + 1]
        return x.reshape(rows, WINDOW), y.reshape(rows, WINDOW), None
    x = read_idx(folder / "train-images-idx3-ubyte.gz")
    x = x if x.ndim == 4 else x[:, None]
    y = read_idx(folder / "train-labels-idx1-ubyte.gz").astype(np.int64)
    count = np.bincount(x.reshape(-1), minlength=256).astype(np.float64)
    value = np.arange(256) / 255.0
    mean = (count * value).sum() / count.sum()
    deviation = np.sqrt((count * (value - mean) ** 2).sum() / count.sum())
    return x, y, ((value - mean) / deviation).astype(np.float32)


def joined(weights):
    """Query, key and value as one matrix, where there is attention."""
    weights = dict(weights)
    for key in [k for k in weights if ".attention.query." in k]:
        parts = [weights.pop(key.replace(".query.", f".{part}."))
                 for part in ("query", "key", "value")]
        weights[key.replace(".query.", ".qkv.")] = np.concatenate(parts)
    return weights

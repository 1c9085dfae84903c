# SPDX-License-Identifier: Apache-2.0
"""Data files with a few bytes changed, cut or repeated, by fixed seeds: each is read or
refused with exit code 3, and the runner neither crashes nor hangs. A changed size may
also give a network that does not fit (2), a changed number a loss that is not finite (5).

    mutations.py RUNNER [COUNT]     mutations of each format (default 20)"""
import concurrent.futures
import gzip
import pathlib
import random
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import h5py  # noqa: E402
import numpy as np  # noqa: E402
from harness import Checks, Scratch, runner  # noqa: E402

COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 20
ANSWERS = (0, 2, 3, 5)
c = Checks()


def experiment(source):
    return (f"device: reference\nname: t\nseed: 1\ndata: {{source: {source}, "
            "split: {kind: position, val: 2}, batch: 4}\n"
            "model: {type: sequential, in: {x: data.x}, layers: [{type: flatten}, "
            "{type: dense, units: 1}]}\n"
            "loss: {type: mse, in: {prediction: model.out, target: data.y}}\n"
            "optimizer: {type: sgd, lr: 0}\ntrain: {steps: 1}\n")


IMAGES = ("device: reference\nname: t\nseed: 1\ndata: {source: {type: idx, images: F, "
          "labels: labels.idx}, split: {kind: position, val: 2}, transforms: "
          "[{type: scale, of: image}], batch: 4}\n"
          "model: {type: mlp, in: {x: data.image}, hidden: [], outputs: 2}\n"
          "loss: {type: cross_entropy, in: {label: data.label}}\n"
          "optimizer: {type: sgd, lr: 0}\ntrain: {steps: 1}\n")


def idx(*sizes, data):
    return struct.pack(f">BBBB{len(sizes)}I", 0, 0, 8, len(sizes), *sizes) + data


def formats(top):
    """name, the experiment that reads F, its bytes."""
    x, y = np.arange(16, dtype="f4").reshape(8, 2), np.zeros((8, 1), "f4")
    np.save(top / "y.npy", y)
    np.save(top / "x.npy", x)
    np.save(top / "xf.npy", np.asfortranarray(x.astype("f8")))
    (top / "labels.idx").write_bytes(idx(8, data=bytes([0, 1] * 4)))
    npy = experiment("{type: npy, files: {x: F, y: y.npy}, memory: 64}")
    yield "npy", npy, (top / "x.npy").read_bytes()
    yield "npy, Fortran's order", npy, (top / "xf.npy").read_bytes()
    image = idx(8, 2, 3, data=bytes(range(48)))
    yield "idx", IMAGES, image
    yield "idx.gz", IMAGES, gzip.compress(image, mtime=0)
    table = b"x,y,\"z z\"\n" + b"".join(b"%d,%d,\"%d\"\n" % (i, i % 2, i) for i in range(8))
    csv = experiment("{type: csv, file: F, target: y, memory: 64}")
    yield "csv", csv, table
    yield "csv.gz", csv, gzip.compress(table, mtime=0)
    for name, libver, options in (
            ("hdf5", "earliest", {}), ("hdf5, newest format", "v110", {}),
            ("hdf5, gzip", "earliest", {"chunks": (2, 2), "compression": "gzip",
                                        "shuffle": True, "fletcher32": True})):
        with h5py.File(top / "a.h5", "w", libver=libver) as f:
            f["y"] = y
            f.create_dataset("g/x", data=x, **options)
            f["x"] = h5py.SoftLink("/g/x")
        yield name, experiment("{type: hdf5, file: F, datasets: {x: /x, y: /y}, "
                               "memory: 64, timeout: 20}"), (top / "a.h5").read_bytes()


def mutated(rng, data):
    data = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data))
        what = rng.randrange(5)
        if what == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            data[at:at + 4] = bytes(rng.choice((0, 255)) for _ in range(4))
        elif what == 2 and len(data) > 16:
            del data[at:]
        elif what == 3:
            data[at:at] = data[at:at + rng.randint(1, 16)]
        else:
            data[at] = rng.randrange(256)
        if not data:
            data = bytearray(b"x")
    return bytes(data)


def attempt(top, name, text, data, seed):
    folder = top / f"{name} {seed}"
    folder.mkdir()
    for other in ("y.npy", "labels.idx"):
        (folder / other).write_bytes((top / other).read_bytes())
    (folder / "F").write_bytes(mutated(random.Random(f"{name} {seed}"), data))
    (folder / "e.yaml").write_text(text)
    return runner("e.yaml", cwd=folder, timeout=120)


with Scratch() as top, concurrent.futures.ThreadPoolExecutor(2) as pool:
    jobs = [(name, seed, pool.submit(attempt, top, name, text, data, seed))
            for name, text, data in list(formats(top)) for seed in range(COUNT)]
    codes = {}
    for name, seed, job in jobs:
        r = job.result()
        codes.setdefault(name, []).append(r.code)
        c.ok(f"{name}, mutation {seed}: an answer", r.code in ANSWERS,
             f"  exit code {r.code}\n{r.err[:1000]}")
    for name, all_codes in codes.items():
        c.ok(f"{name}: some are refused", 3 in all_codes, all_codes)
c.done()

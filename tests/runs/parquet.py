# SPDX-License-Identifier: Apache-2.0
"""The source parquet: files of pyarrow, polars and DuckDB hold what pyarrow reads in them;
what is refused; damage.

    parquet.py RUNNER"""
import json
import pathlib
import random
import shutil
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

FILES = pathlib.Path(__file__).resolve().parent / "parquet"
WHOLE = ["i64", "u64", "few", "truth"]
TEXT = """
name: columns
seed: 1
device: reference
data:
  source: {type: parquet, file: t.parquet, target: y, fields: [word, i64, u64, few, truth]}
  transforms: [{type: impute, of: x, flag: true}, {type: impute, of: [i64, u64, few, truth]}]
  batch: 8
model: {type: mlp, in: {x: data.x}, hidden: [4], outputs: 3}
loss: {type: cross_entropy, in: {logits: model.out, label: data.y}}
optimizer: {type: sgd, lr: 0.01}
train: {steps: 1}
"""


def numbers(values):
    v = np.array([np.nan if x is None else float(x) for x in values])
    return np.where(np.isnan(v), np.nanmean(v), v)


def same(c, top, path, name):
    shutil.copy(FILES / f"{name}.parquet", top / "t.parquet")
    want = json.loads((FILES / f"{name}.json").read_text())
    r = runner("prepare", path, "--out", "out.npz", cwd=top)
    if r.code == 3 and "which this build does not read" in r.err:
        print(f"SKIP: {name}: {r.err.splitlines()[0].split('error: ')[-1]}")
        return
    if not c.equal(f"{name}: exit", r.code, 0):
        print(r.err)
        return
    got = np.load(top / "out.npz")
    features = [k for k in want if k not in ["word", "y", *WHOLE]]
    for i, k in enumerate(features):
        c.ok(f"{name}: {k}", np.allclose(got["train/x"][:, i], numbers(want[k]), rtol=1e-6,
                                         atol=1e-6))
    for k in WHOLE:
        c.ok(f"{name}: {k}", np.allclose(got[f"train/{k}"].astype(float), numbers(want[k]),
                                         rtol=1e-6))
    c.equal(f"{name}: word", [t.decode() for t in got["train/word"]],
            [t or "" for t in want["word"]])
    c.equal(f"{name}: y", list(got["train/y"]), want["y"])


def refused(c, top, path):
    def look(name, words, *args, code=3):
        shutil.copy(FILES / f"{name}.parquet", top / "t.parquet")
        r = runner("prepare", path, "--out", "out.npz", *args, cwd=top)
        c.equal(f"{name} {args}: exit", r.code, code)
        c.within(f"{name} {args}", r.err, words)
    plain = ["data.source.fields=[]", "data.transforms=[]"]
    look("nested", "column 'list.element' holds lists or records", *plain,
         "data.source.features=[list.element]")
    look("nested", "column 'record.a' holds lists or records", *plain,
         "data.source.features=[record.a]")
    look("nested", "column 'bytes' holds bytes", *plain, "data.source.features=[bytes]")
    look("nested", "column 'above' has a number above 9223372036854775807", *plain,
         "data.source.features=[above]")
    look("nested", "the file gives no column 'nope'", *plain, "data.source.features=[nope]", code=2)
    look("brotli", "column 'y' is compressed with Brotli", *plain, "data.source.features=[f64]")
    look("delta", "column 'f64' has the encoding DELTA_BINARY_PACKED", *plain)
    look("plain", "needs more than the 0 MiB", "data.source.memory=0")
    for what, data, words in (("empty", b"", "is not a Parquet file"),
                              ("text", b"a,b\n1,2\n" * 9, "is not a Parquet file")):
        (top / "t.parquet").write_bytes(data)
        r = runner("prepare", path, "--out", "out.npz", cwd=top)
        c.ok(what, r.code == 3 and words in r.err, r.err)


def damaged(c, top, path):
    """A changed byte is an error that names the file, or other values; never a crash."""
    rng = random.Random(4)
    for name in ("snappy", "pages2", "split", "nested"):
        whole = (FILES / f"{name}.parquet").read_bytes()
        for k in range(40):
            b = bytearray(whole)
            if k % 4 == 0:
                b = b[:rng.randrange(len(b))]
            else:
                for _ in range(rng.choice((1, 1, 3, 20))):
                    b[rng.randrange(len(b))] = rng.randrange(256)
            (top / "t.parquet").write_bytes(b)
            r = runner("prepare", path, "--out", "out.npz", cwd=top)
            c.ok(f"{name}, change {k}", r.code in (0, 2, 3) and (r.code == 0 or "error" in r.err),
                 r.err)


with Scratch() as top:
    c = Checks()
    path = config(top, TEXT)
    for name in ("plain", "snappy", "pages2", "gzip", "split", "polars", "duckdb"):
        same(c, top, path, name)
    refused(c, top, path)
    damaged(c, top, path)
    c.done()

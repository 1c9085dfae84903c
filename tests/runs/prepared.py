# SPDX-License-Identifier: Apache-2.0
"""`runner prepare`: what the files hold, by readers of other projects; training on the .h5
file equals training on the sources, to the bit; what is refused.

    prepared.py RUNNER"""
import csv
import io
import json
import pathlib
import sqlite3
import sys
import tempfile
import zipfile

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

TEXT = """
name: table
seed: 4
device: {type: cpu, deterministic: threads, tune: off}
data:
  source: {type: csv, file: raw/t.csv, target: kind, fields: [note]}
  split: {kind: stratified, by: kind, val: 0.2, test: 0.1}
  transforms:
    - {type: label_map, of: kind}
    - {type: impute, of: x}
    - {type: standardise, of: x}
  batch: 16
model: {type: mlp, in: {x: data.x}, hidden: [8], outputs: 3}
loss: cross_entropy
optimizer: {type: adam, lr: 0.02}
train: {epochs: 3, log_every: 1}
"""
IMAGES = """
name: images
seed: 9
device: {type: cpu, deterministic: threads, tune: off}
data:
DIGITS
  split: {val: 0.1, test: 0.8}
  batch: 32
augment: [{type: crop, of: image, padding: 1}, {type: flip, of: image}]
model: {type: mlp, in: {x: data.image}, hidden: [16], outputs: 10}
loss: cross_entropy
metrics: [accuracy, confusion]
optimizer: {type: sgd, lr: 0.1}
train: {epochs: 3, log_every: 1}
"""
NOTES = ['plain', 'with "quotes"', "comma, and\nline", "# not a comment", ""]


def table(top):
    draw = np.random.default_rng(7)
    (top / "raw").mkdir()
    with open(top / "raw/t.csv", "w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["a", "b", "kind", "note"])
        for i in range(90):
            a = "" if i % 11 == 4 else f"{draw.normal(5, 3):.6f}"
            out.writerow([a, f"{draw.normal():.3f}", ["pear", "fig", "apple"][i % 3],
                          NOTES[i % len(NOTES)]])
    return config(top, TEXT, "table.yaml")


def read_sqlite(path, split):
    db = sqlite3.connect(path)
    rows = db.execute(f'select * from "{split}"').fetchall()
    facts = dict(db.execute("select * from recipe").fetchall())
    db.close()
    return rows, facts


def same_everywhere(c, top, path):
    """Four formats, one content; the transforms are numpy's."""
    for ending in ("h5", "csv", "npz", "sqlite"):
        r = runner("prepare", path, "--out", top / f"t.{ending}")
        if not c.equal(f"{ending}: exit", r.code, 0):
            print(r.err)
    h, z = h5py.File(top / "t.h5"), np.load(top / "t.npz")
    c.equal("npz: whole", zipfile.ZipFile(top / "t.npz").testzip(), None)
    raw = list(csv.DictReader(open(top / "raw/t.csv", newline="")))
    classes = sorted({r["kind"] for r in raw})
    numbers = np.array([[float(r["a"] or "nan"), float(r["b"])] for r in raw])
    train = h["train/id"][...]
    mean = np.nanmean(numbers[train], axis=0)
    filled = np.where(np.isnan(numbers), mean, numbers)
    scaled = (filled - filled[train].mean(0)) / filled[train].std(0)
    lines = [x for x in open(top / "t.csv", newline="").read().split("\n")]
    comments = [x for x in lines if x.startswith("# ")][:40]
    body = "\n".join(lines[next(i for i, x in enumerate(lines) if x.startswith("split,")):])
    rows = list(csv.reader(io.StringIO(body)))
    c.equal("csv: header", rows[0], ["split", "id", "x.a", "x.b", "note", "kind"])
    ids = []
    for split in ("train", "val", "test"):
        i = h[f"{split}/id"][...]
        ids += list(i)
        c.ok(f"{split}: ids rise", (np.diff(i) > 0).all())
        c.ok(f"{split}: x", np.allclose(h[f"{split}/x"][...], scaled[i], 1e-6, 1e-6))
        c.equal(f"{split}: kind", list(h[f"{split}/kind"][...]),
                [classes.index(raw[k]["kind"]) for k in i])
        c.equal(f"{split}: note", [x.decode() for x in h[f"{split}/note"][...]],
                [raw[k]["note"] for k in i])
        for field in ("id", "x", "kind", "note"):
            c.ok(f"npz: {split}/{field}", np.array_equal(z[f"{split}/{field}"],
                                                         h[f"{split}/{field}"][...]))
        of = [r for r in rows[1:] if r and r[0] == split]
        c.equal(f"csv: {split}", [(int(r[1]), np.float32(r[2]), np.float32(r[3]), int(r[5]), r[4])
                                  for r in of],
                [(k, *h[f"{split}/x"][n], h[f"{split}/kind"][n], raw[k]["note"])
                 for n, k in enumerate(i)])
        got, facts = read_sqlite(top / "t.sqlite", split)
        c.equal(f"sqlite: {split}", [(r[0], np.float32(r[1]), np.float32(r[2]), r[4], r[3])
                                     for r in got],
                [(k, *h[f"{split}/x"][n], h[f"{split}/kind"][n], raw[k]["note"])
                 for n, k in enumerate(i)])
    c.equal("all rows once", sorted(ids), list(range(90)))
    c.within("names of classes", h["train/kind"].attrs["doc"].decode(), "0 = apple, 1 = fig")
    for what, recipe in (("h5", h.attrs["recipe"].decode()), ("sqlite", facts["recipe"]),
                         ("csv", "\n".join(x[2:] for x in comments)),
                         ("npz", bytes(z["recipe"]).decode())):
        c.within(f"{what}: the recipe", recipe, "type: standardise")
        c.within(f"{what}: paths are the experiment's", recipe, "file: raw/t.csv")
    r = runner("prepare", path, "--out", top / "again.h5")
    c.ok("h5: the same bytes again",
         (top / "again.h5").read_bytes() == (top / "t.h5").read_bytes())
    # On any file system: some are told the size, others reserve it.
    for place in ("/dev/shm", "/tmp", "."):
        with tempfile.TemporaryDirectory(dir=place) as other:
            r = runner("prepare", path, "--out", f"{other}/t.h5")
            c.ok(f"h5: the same bytes in {place}", r.code == 0 and
                 pathlib.Path(other, "t.h5").read_bytes() == (top / "t.h5").read_bytes(), r.err)


def parameters(c, what, folder):
    r = runner("verify", folder)
    c.equal(f"{what}: verify", r.code, 0)
    return r.out.splitlines()[-1].split("sha256=")[-1]


def same_bits(c, top, path, *extra):
    name = path.stem
    h5 = top / f"{name}.h5"
    r = runner("prepare", path, "--out", h5, "--json", *extra)
    made = json.loads(r.out) if c.equal(f"{name}: prepare", r.code, 0) else {}
    _, source = train(path, *extra)
    _, prepared = train(path, f"data.prepared={h5}", *extra)
    want = parameters(c, f"{name}, source", source)
    c.equal(f"{name}: the same bits", parameters(c, f"{name}, prepared", prepared), want)
    _, workers = train(path, f"data.prepared={h5}", "data.workers=3", "data.cache=0", *extra)
    c.equal(f"{name}: with workers", parameters(c, f"{name}, workers", workers), want)
    c.ok(f"{name}: the same record", (source / "split.txt").read_bytes() ==
         (prepared / "split.txt").read_bytes())
    c.within(f"{name}: the split's hash", (source / "metrics.rlog").read_bytes(),
             made.get("split_sha256", "?").encode())
    for verb in ("eval", "predict"):
        c.equal(f"{name}: {verb}", runner(verb, prepared).out, runner(verb, source).out)
    _, part = train(path, f"data.prepared={h5}", "train.epochs=1", *extra)
    r = runner("resume", part, "train.epochs=3")
    c.equal(f"{name}: resumed", (r.code, parameters(c, f"{name}, resumed", part)), (0, want))
    return h5


def unread(c, top, path):
    """With the prepared file, the sources are not needed to train."""
    (top / "raw/t.csv").rename(top / "raw/away.csv")
    r, folder = train(path, f"data.prepared={top / 't.h5'}")
    c.equal("without the sources: exit", r.code, 0)
    c.equal("but to predict they are", runner("predict", folder).code, 3)
    (top / "raw/away.csv").rename(top / "raw/t.csv")


def refused(c, top, path):
    h5 = top / "t.h5"
    for what, key, words in (
            ("another split", "data.split.val=0.3", "it has `val: 0.2`, the experiment `val: 0.3`"),
            ("another transform", "data.transforms.2.type=minmax",
             "it has `- type: standardise`, the experiment `- type: minmax`"),
            ("another seed", "seed=5", "it has `seed: 4`, the experiment `seed: 5`"),
            ("another file", "data.source.file=b.csv", "it has `file: raw/t.csv`")):
        r = runner(path, f"data.prepared={h5}", key)
        c.equal(f"{what}: exit", r.code, 3)
        for sentence in ("was prepared by another recipe", words, "runner prepare writes it again"):
            c.within(what, r.err, sentence)
    whole = h5.read_bytes()
    bad = top / "bad.h5"
    for what, text in (("cut short", whole[:-7]), ("half", whole[:len(whole) // 2]),
                       ("empty", b""), ("text", b"a,b\n1,2\n" * 200),
                       *((f"a bit at {at}", whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:])
                         for at in range(5, len(whole), len(whole) // 23))):
        bad.write_bytes(text)
        r = runner(path, f"data.prepared={bad}")
        c.equal(f"{what}: exit", r.code, 3)
        for sentence in ("bad.h5", "runner prepare"):
            c.within(what, r.err, sentence)
    with h5py.File(top / "other.h5", "w") as f:
        f["x"] = np.arange(4)
    r = runner(path, f"data.prepared={top / 'other.h5'}")
    c.equal("another HDF5 file: exit", r.code, 3)
    c.within("another HDF5 file", r.err, "is not a prepared file of runner")
    for what, code, words, *args in (
            ("no --out", 2, "--out FILE is missing"),
            ("no format", 2, "the name says no format", "--out", top / "t"),
            ("unknown format", 2, "'foo' is not a format of prepared data", "--out", top / "t.foo"),
            ("no folder", 7, "cannot write", "--out", top / "none/t.h5"),
            ("a folder", 7, "t.csv.d", "--out", top / "t.csv.d", "--format", "csv")):
        (top / "t.csv.d").mkdir(exist_ok=True)
        r = runner("prepare", path, *args)
        c.equal(f"{what}: exit", r.code, code)
        c.within(what, r.err, words)
    c.equal("nothing is left", [p.name for p in top.iterdir() if p.name.endswith(".tmp")], [])
    old = h5.read_bytes()
    r = runner("prepare", path, "--out", h5, "data.source.missing=[]")
    c.ok("an error: the older file stays", r.code == 3 and h5.read_bytes() == old, r.err)


def outside(c, top):
    """A row is named by its split and its place there."""
    (top / "labels.csv").write_text("a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(16)) +
                                    "16,1\n17,5\n18,0\n")
    path = config(top, """
name: labels
device: reference
data: {source: {type: csv, file: labels.csv, target: y}, split: {kind: position, val: 3}, batch: 4}
model: {type: mlp, in: {x: data.x}, hidden: [], outputs: 2}
loss: cross_entropy
optimizer: {type: sgd, lr: 0.1}
train: {epochs: 1}
""", "labels.yaml")
    c.equal("outside: prepared", runner("prepare", path, "--out", top / "labels.h5").code, 0)
    r = runner(path, f"data.prepared={top / 'labels.h5'}")
    c.equal("outside: exit", r.code, 3)
    c.within("outside", r.err, "labels.h5, val split: row 2 has the y 5")


with Scratch() as top:
    c = Checks()
    path = table(top)
    same_everywhere(c, top, path)
    same_bits(c, top, path)
    same_bits(c, top, config(top, IMAGES, "images.yaml"))
    unread(c, top, path)
    refused(c, top, path)
    outside(c, top)
    c.done()

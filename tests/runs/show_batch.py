# SPDX-License-Identifier: Apache-2.0
"""`runner show-batch`: the picture, the table and the draws of a training batch; draws of
augmenters are independent, and any number of workers gives the same bits.

    show_batch.py RUNNER"""
import json
import pathlib
import struct
import sys
import zlib

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

TEXT = """
name: shown
seed: 5
data:
  source: {type: npy, files: {image: image.npy, label: label.npy}}
  split: {kind: random, val: 20, test: 10, seed: 2}
  batch: 16
  workers: 1
augment:
  - {type: flip, of: image, p: 0.5}
  - {type: flip, of: image, p: 0.5, axis: vertical}
model: {type: sequential, in: {x: data.image}, layers: [{type: flatten}, {type: dense, units: 3}]}
loss: cross_entropy
optimizer: {type: sgd, lr: 0.05}
train: {epochs: 2, log_every: 1}
"""
MANY = """augment=[{type: resized_crop, of: image}, {type: color_jitter, of: image, hue: 0.2},
 {type: rand_augment, of: image}, {type: gaussian_noise, of: image, sigma: 0.02},
 {type: elastic, of: image, sigma: 0.8}, {type: aug_mix, of: image}]""".replace("\n", "")


SCALE = "data.transforms=[{type: scale, of: image, factor: 0.00392156862745098}]"


def world(top):
    rng = np.random.default_rng(3)
    np.save(top / "image.npy", rng.integers(0, 256, (430, 3, 12, 12), np.uint8))
    np.save(top / "label.npy", np.arange(430) % 3)
    np.save(top / "x.npy", rng.random((430, 5)).astype(np.float32))
    return config(top, TEXT, "shown.yaml")


def pixels(path):
    """A PNG as this project writes it: [height, width, 3]."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, stream, size = 8, b"", None
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + n]
        assert struct.unpack(">I", data[at + 8 + n:at + 12 + n])[0] == zlib.crc32(kind + body)
        if kind == b"IHDR":
            size = struct.unpack(">II", body[:8])
            assert body[8:] == bytes([8, 2, 0, 0, 0])
        stream += body if kind == b"IDAT" else b""
        at += 12 + n
    lines = np.frombuffer(zlib.decompress(stream), np.uint8).reshape(size[1], 1 + 3 * size[0])
    assert (lines[:, 0] == 2).all()  # each less the line above
    return np.cumsum(lines[:, 1:], 0, dtype=np.uint8).reshape(size[1], size[0], 3)


def trace(path, *more):
    return json.loads(runner("show-batch", path, "--trace", *more).out)


def draws(sample):
    return {c["path"]: {d["name"]: d.get("value") for d in c["draws"]}
            for c in sample["changes"]}


def picture(c, top, path):
    """The first image of the sheet is that sample, turned as the trace says."""
    out = top / "sheet.png"
    r = runner("show-batch", path, "--out", out, "--epoch", 2)
    c.equal("picture: exit", r.code, 0) or print(r.err)
    c.within("picture: what was written", r.out, "16 samples, epoch 2, batch 1 of 25")
    sheet, images = pixels(out), np.load(top / "image.npy")
    shown = trace(path, "--epoch", 2)
    c.equal("trace: samples", len(shown["samples"]), 16)
    for k in range(3):
        sample = shown["samples"][k]
        want = images[sample["id"]]
        ways = draws(sample)
        want = want[:, :, ::-1] if "augment.0" in ways else want
        want = want[:, ::-1] if "augment.1" in ways else want
        left = 10 + k * (14 * 12 + 10)
        got = sheet[30:30 + 14 * 12:14, left:left + 14 * 12:14]
        c.ok(f"picture: image {k}", np.array_equal(got, want.transpose(1, 2, 0)))
        c.equal(f"trace: label {k}", sample["fields"]["label"], sample["id"] % 3)
    again = out.read_bytes()
    runner("show-batch", path, "--out", out, "--epoch", 2, "data.workers=8")
    c.ok("picture: the same with workers", again == out.read_bytes())
    runner("show-batch", path, "--out", out, "--epoch", 3)
    c.ok("picture: another epoch is another one", again != out.read_bytes())


def independent(c, path):
    """Two flips of p 0.5 in one list happen together for a quarter of the samples."""
    counts = {}
    for epoch in range(1, 6):
        for sample in trace(path, "data.batch=400", "--epoch", epoch)["samples"]:
            ways = draws(sample)
            both = ("augment.0" in ways, "augment.1" in ways)
            counts[both] = counts.get(both, 0) + 1
    c.equal("flips: all four ways", len(counts), 4)
    # 2000 samples, 500 +- 19 each; beyond 4.5 of these is no chance.
    c.ok("flips: independent", all(abs(n - 500) < 87 for n in counts.values()), counts)


def workers(c, path):
    """All bits of a run with many augmenters."""
    seen = set()
    for args in (["data.workers=0"], ["data.workers=1"], ["data.workers=5", "data.cache=0"]):
        r, folder = train(path, MANY, SCALE, *args)
        if not c.equal(f"{args}: exit", r.code, 0):
            print(r.err)
            continue
        seen.add(verified(folder))
    c.equal("the same bits for any number of workers", len(seen), 1)


def policies(c, path):
    """What a policy drew is in the trace, in order; a mixed label has its shares."""
    rows = trace(path, "augment={type: rand_augment, of: image, ops: 3, max: 1}",
                 "collate={type: mixup, of: label, alpha: 1}")["samples"]
    c.ok("rand_augment: three draws each",
         all(len(r["changes"][0]["draws"]) == 3 for r in rows))
    mixed = [r for r in rows if len(r["changes"]) == 2]
    c.ok("mixup: share and partner", mixed and all(
        [d["name"] for d in r["changes"][1]["draws"]] == ["share", "with"] for r in mixed))
    c.ok("mixup: the label", any(" + " in r["fields"]["label_soft"] for r in mixed))


def table(c, top, path):
    r = runner("show-batch", path, "data.source.files={x: x.npy, label: label.npy}",
               "~augment", "data.batch=4", cwd=top)
    c.equal("table: exit", r.code, 0) or print(r.err)
    c.equal("table: a line a sample", len(r.out.splitlines()), 4)
    x = np.load(top / "x.npy")
    for line in r.out.splitlines():
        row = int(line.split()[0])
        c.within("table: values", line, " ".join(f"{v:.4g}" for v in x[row]))
    r = runner("show-batch", path, "data.source.files={x: x.npy, label: label.npy}",
               "~augment", "--out", top / "none.png", cwd=top)
    c.equal("table: no picture, exit", r.code, 2)
    c.within("table: no picture", r.err, "no field of the samples is an image")


def swaps(c, top, path):
    """swap_noise: each number comes from its column; about the share of them changes."""
    x = np.load(top / "x.npy")
    args = ("data.source.files={x: x.npy, label: label.npy}", "~augment", "data.batch=200",
            "collate={type: swap_noise, of: x, share: 0.3}")
    r = runner("show-batch", path, *args, cwd=top)
    c.equal("swap_noise: exit", r.code, 0) or print(r.err)
    changed = total = 0
    columns = [{f"{v:.4g}" for v in x[:, k]} for k in range(5)]
    for line in r.out.splitlines():
        words = line.split()
        values = words[words.index("x:") + 1:][:5]
        c.ok("swap_noise: from its column", all(v in s for v, s in zip(values, columns)))
        changed += sum(v != f"{w:.4g}" for v, w in zip(values, x[int(words[0])]))
        total += 5
    c.close("swap_noise: the share", changed / total, 0.3, 0.06)
    r = runner("show-batch", path, *args, "collate.of=[x, label]", cwd=top)
    c.equal("swap_noise of a label: exit", r.code, 2)
    c.within("swap_noise of a label", r.err, "which would be a wrong label")


def refused(c, top, path):
    for args, code, text in ((["--batch", "26"], 2, "--batch 26: an epoch has 25 batches"),
                             (["--epoch", "0"], 2, "--epoch"),
                             (["augment.0.p=2"], 2, "p"),
                             (["--out", top / "no/such/folder.png"], 7, "folder.png")):
        r = runner("show-batch", path, *args)
        c.equal(f"{args}: exit", r.code, code) or print(r.out, r.err)
        c.within(f"{args}", r.err, text)


c = Checks()
with Scratch() as top:
    path = world(top)
    picture(c, top, path)
    independent(c, path)
    workers(c, path)
    policies(c, path)
    table(c, top, path)
    swaps(c, top, path)
    refused(c, top, path)
c.done()

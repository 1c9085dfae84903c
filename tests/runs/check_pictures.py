#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`runner check`: dark, bright, blurred and flat pictures, and classes that the border
tells; each planted and found, and not reported without."""
import json
import sys

import numpy as np
import yaml

from harness import Checks, Scratch, runner
from waves import pictures

c = Checks()
CODES = "dark,bright,blur,flat,background-leak"


def write(folder, x, y):
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    experiment = {"name": "t", "data": {
        "source": {"type": "npy", "files": {"x": "x.npy", "label": "y.npy"}},
        "split": {"kind": "position", "val": 100, "test": 100},
        "transforms": [{"type": "scale", "of": "x", "factor": 1 / 255}]},
        "model": {"type": "sequential", "in": {"x": "data.x"},
                  "layers": [{"type": "flatten"}, {"type": "dense", "units": 3}]},
        "loss": "cross_entropy", "optimizer": "sgd", "train": {"epochs": 1}}
    (folder / "e.yaml").write_text(yaml.safe_dump(experiment, sort_keys=False))


def look(folder, *args):
    r = runner("check", folder / "e.yaml", "--json", *args, cwd=folder)
    c.ok("checked", r.code in (0, 9), r.out + r.err)
    return {f["code"]: f for f in json.loads(r.out)["findings"]}


def blurred(x):
    for axis in (-1, -2):
        x = sum(np.roll(x.astype(float), k, axis) for k in range(-8, 9)) / 17
    return x.round().astype("u1")


def z_of(x, rows):
    """Of the 99th percentile, the largest."""
    p99 = np.sort(x.reshape(len(x), -1), 1)[:, int(np.ceil(.99 * x[0].size)) - 1]
    use = x.reshape(len(x), -1).var(1) >= 4
    v = np.log(1 + p99.astype(float))
    middle = np.median(v[use])
    return ((middle - v[rows]) * .6745 / np.median(np.abs(v[use] - middle))).max()


def test_pictures(folder):
    rng = np.random.default_rng(4)
    for channels, h, w in ((1, 32, 32), (3, 80, 64)):
        name = f"{channels}x{h}x{w}"
        x = (pictures(rng, 500, channels, h, w) * rng.uniform(.6, .9, (500, 1, 1, 1)) + 10)
        x = np.clip(x + rng.normal(0, 25, x.shape), 0, 255).round().astype("u1")
        y = rng.integers(0, 3, 500)
        for kind in ("u1", "f4"):
            def save(v):
                write(folder, v if kind == "u1" else (v / 255).astype("f4"), y)
            save(x)
            c.equal(f"{name} {kind}: a clean set is silent", look(folder, "--only", CODES), {})
            for code, rows, change in (
                    ("dark", [7, 405], lambda v: v * .15),
                    ("bright", [9, 308], lambda v: 255 - (255 - v) * .15),
                    ("blur", [11, 420], blurred),
                    ("flat", [13, 330], lambda v: v * 0 + 77)):
                bad = x.copy()
                bad[rows] = np.round(change(bad[rows]))
                save(bad)
                hits = look(folder, "--only", CODES)
                c.equal(f"{name} {kind}: {code}", [(k, f["rows"], f["n"], f["severity"])
                                                   for k, f in hits.items()],
                        [(code, [r + 1 for r in rows], 2, "note")])
                if code == "dark" and channels == 1 and kind == "u1" and hits:
                    c.close("robust z", hits["dark"]["effect"], z_of(bad[:, 0], rows), 1e-4)


def test_background(folder):
    rng = np.random.default_rng(5)
    x = pictures(rng, 500, 1, 24, 24)
    y = rng.integers(0, 3, 500)
    write(folder, x, y)
    c.equal("no background", look(folder, "--only", CODES), {})
    x[:, :, :3] = (60 + 50 * y)[:, None, None, None] + rng.integers(-20, 20, (500, 1, 3, 24))
    write(folder, x, y)
    hits = look(folder, "--only", CODES)
    c.equal("background", list(hits), ["background-leak"])
    f = hits.get("background-leak", {"effect": 0, "split": ""})
    c.ok("nearly always", f["effect"] > .5 and f["split"] == "val", str(f))
    # the same border, whatever the class
    write(folder, x, rng.permutation(y))
    c.equal("a border of no class", look(folder, "--only", CODES), {})


def test_none(folder):
    rng = np.random.default_rng(6)
    write(folder, rng.standard_normal((300, 5)).astype("f4"), rng.integers(0, 3, 300))
    r = runner("check", folder / "e.yaml", "--json", "--only", CODES, cwd=folder)
    why = {k["why"] for k in json.loads(r.out)["checks"] if not k["applicable"]}
    c.ok("columns are no images", "no images among the inputs" in why, str(why))


tests = {name[5:]: fn for name, fn in list(globals().items()) if name.startswith("test_")}
for name, fn in tests.items():
    if len(sys.argv) < 3 or name in sys.argv[2:]:
        with Scratch() as scratch:
            fn(scratch)
c.done()

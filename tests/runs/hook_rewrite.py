# SPDX-License-Identifier: Apache-2.0
"""Hooks that rewrite, beside NumPy in f64: one step with clamped activations, clamped
gradients (whole and accumulated), rounded and noisy weights; training, evaluation and
prediction read the same values; resumed to the bit; what is wrong ends before step one."""
import csv
import pathlib
import re
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

ROWS, INPUTS, OUTPUTS, RATE = 24, 5, 3, 0.5
TEXT = f"""
name: rewritten
seed: 4
data:
  train: {{type: npy, files: {{x: x.npy, y: y.npy}}}}
  val: {{type: npy, files: {{x: x.npy, y: y.npy}}}}
  batch: {ROWS}
model: {{type: sequential, in: {{x: data.x}}, layers: [{{type: dense, units: {OUTPUTS}, bias: false}}]}}
loss: {{type: mse, in: {{target: data.y}}}}
optimizer: {{type: sgd, lr: {RATE}, momentum: 0}}
train: {{steps: 1, log_every: 1}}
"""
DIGITS_TEXT = """
name: digits
seed: 1
data:
DIGITS
  split: {kind: random, val: 0.2, seed: 7}
  batch: 32
model: {type: mlp, in: {x: data.image}, hidden: [16], outputs: 10}
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: adam, lr: 0.01}
hooks: [{type: noise, std: 0.05}, {type: noise, what: gradients, std: 0.001},
        {type: fake_quantize, bits: 6}]
train: {epochs: 1}
"""


def rounded(w, bits):
    """As the formula says, in f32."""
    w = w.astype(np.float32)
    scale = np.float32(np.abs(w).max()) / np.float32(2 ** (bits - 1) - 1)
    return (np.rint(w / scale) * scale).astype(np.float64)


def gradient(x, y, read, lo=-np.inf, hi=np.inf):
    """Of the mean squared error by the weights that are read, outputs clamped."""
    out = x @ read.T
    inside = (out >= lo) & (out <= hi)
    return (2.0 / out.size * (np.clip(out, lo, hi) - y) * inside).T @ x


def weight(folder):
    return variables(folder)["model.dense1.weight"].astype(np.float64)


def one_step(c, path, x, y):
    _, start = train(path, "optimizer.lr=0")
    w = weight(start)
    cases = {
        "clamp": ("{type: clamp, lo: -0.3, hi: 0.4}",
                  gradient(x, y, w, -0.3, 0.4), lambda v: v),
        "gradients": ("{type: clamp, what: gradients, lo: -0.05, hi: 0.1}",
                      np.clip(gradient(x, y, w), -0.05, 0.1), lambda v: v),
        "rounded": ("{type: fake_quantize, bits: 4}",
                    gradient(x, y, rounded(w, 4)), lambda v: rounded(v, 4)),
        "both": ("[{type: fake_quantize, bits: 3}, {type: clamp, what: gradients, lo: -0.02,"
                 " hi: 0.02, at: model.dense1}]",
                 np.clip(gradient(x, y, rounded(w, 3)), -0.02, 0.02),
                 lambda v: rounded(v, 3)),
        "elsewhere": ("{type: clamp, what: weights, lo: 5, hi: 6}", 0 * w,
                      lambda v: np.clip(v, 5, 6)),
    }
    for name, (hooks, g, reads) in cases.items():
        for device in ("reference", "cpu"):
            r, folder = train(path, f"hooks={hooks}", f"device={device}")
            c.equal(f"{name}, {device}: exit", r.code, 0)
            off = np.abs(weight(folder) - (w - RATE * g)).max()
            c.ok(f"{name}, {device}: the step", off < 1e-6, f"  {off}")
            out = folder / "out.csv"
            r = runner("predict", folder, "--out", out)
            c.equal(f"{name}, {device}: predict", r.code, 0)
            rows = [list(map(float, row[1:OUTPUTS + 1])) for row in list(csv.reader(out.open()))[1:]]
            want = x @ reads(weight(folder)).T
            if name == "clamp":
                want = np.clip(want, -0.3, 0.4)
            off = np.abs(np.array(rows) - want).max()
            c.ok(f"{name}, {device}: prediction reads the same", off < 1e-5, f"  {off}")
    r, parts = train(path, f"hooks={cases['gradients'][0]}", f"data.batch={ROWS // 4}",
                     "train.accumulate=4")
    c.equal("accumulated: exit", r.code, 0)
    off = np.abs(weight(parts) - (w - RATE * cases["gradients"][1])).max()
    c.ok("the whole gradient is clamped", off < 1e-6, f"  {off}")


def noise(c, path, x, y):
    _, plain = train(path)
    _, none = train(path, "hooks={type: noise, std: 0}")
    off = np.abs(weight(none) - weight(plain)).max()
    c.ok("noise of 0 changes nothing", off == 0, f"  {off}")
    ends = []
    for what in ("weights", "activations", "gradients"):
        word = f"hooks={{type: noise, what: {what}, std: 0.2}}"
        _, one = train(path, word)
        _, again = train(path, word, "device.threads=1")
        c.equal(f"noise on {what}: the same bits again", verified(one), verified(again))
        c.ok(f"noise on {what} does something",
             np.abs(weight(one) - weight(plain)).max() > 1e-4)
        ends.append(verified(one)[2])
        r = runner("eval", one, "--split", "val", "--json")
        error = float(re.search(r'"val/loss"\s*:\s*([0-9.e+-]+)', r.out).group(1))
        want = ((x @ weight(one).T - y) ** 2).mean()
        c.ok(f"noise on {what}: none in evaluation", abs(error - want) < 1e-5,
             f"  {error}, {want}")
    c.equal("noise differs by what it is on", len(set(ends)), 3)


def goes_on(c, top):
    path = config(top, DIGITS_TEXT, "digits.yaml")
    r, whole = train(path)
    c.equal("digits: exit", r.code, 0)
    _, half = train(path, "train.max_time=0.000001s")
    r = runner("resume", half, "~train.max_time")
    c.equal("resumed: exit", r.code, 0)
    c.equal("resumed: to the bit", verified(half), verified(whole))


def wrong(c, path):
    r, _ = train(path, "hooks={type: clamp, lo: 1, hi: 1}")
    c.equal("an empty range: exit", r.code, 2)
    c.within("an empty range", r.err, "lo must be below hi")
    c.within("an empty range: where", r.err, "rewrite of model.dense1")
    r, _ = train(path, "hooks={type: clamp, at: model.nothing}")
    c.equal("no such layer: exit", r.code, 2)
    c.within("no such layer", r.err, "no layer matches 'model.nothing'")


def main():
    c = Checks()
    rng = np.random.default_rng(3)
    x = rng.standard_normal((ROWS, INPUTS)).astype(np.float32)
    y = rng.standard_normal((ROWS, OUTPUTS)).astype(np.float32)
    with Scratch() as top:
        np.save(top / "x.npy", x)
        np.save(top / "y.npy", y)
        path = config(top, TEXT)
        x, y = x.astype(np.float64), y.astype(np.float64)
        one_step(c, path, x, y)
        noise(c, path, x, y)
        goes_on(c, top)
        wrong(c, path)
    c.done()


main()

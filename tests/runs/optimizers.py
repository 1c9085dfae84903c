# SPDX-License-Identifier: Apache-2.0
"""Optimizers that are not elementwise, LAMB and Muon, learn the digits as well as AdamW
does, go on equal to the bit, and give the same bits for any number of threads."""
import pathlib
import re
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

TEXT = """
name: digits
seed: 1
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.1, test: 0.2, seed: 7}
  batch: 32
model: {type: mlp, in: {x: data.image}, hidden: [64], outputs: 10}
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: TYPE, lr: 0.01}
schedule: cosine
train: {epochs: 12}
"""
SEEDS = (1, 2, 3)
WORSE = 0.01  # 3.6 of 360 test rows: the mean of three seeds moves by half of it


def score(c, folder):
    r = runner("eval", folder, "--split", "test", "--json")
    found = re.search(r'"?(?:test/)?accuracy"?\s*[:=]\s*([0-9.eE+-]+)', r.out)
    c.ok(f"eval {folder}: an accuracy", r.code == 0 and found,
         f"  exit {r.code}: {r.out}{r.err}")
    return float(found.group(1)) if found else 0.0


def learns(c, top):
    mean = {}
    for name in ("adamw", "lamb", "muon"):
        path, scores = config(top, TEXT.replace("TYPE", name), f"{name}.yaml"), []
        for seed in SEEDS:
            r, folder = train(path, f"seed={seed}")
            if c.equal(f"{name}, seed {seed}: exit", r.code, 0):
                scores.append(score(c, folder))
        mean[name] = statistics.mean(scores or [0.0])
    for name in ("lamb", "muon"):
        c.ok(f"{name} learns as adamw does", mean[name] >= mean["adamw"] - WORSE,
             f"  {mean[name]:.4f}, adamw {mean['adamw']:.4f}")
    c.ok("adamw learns", mean["adamw"] > 0.95, f"  {mean['adamw']:.4f}")


def goes_on(c, top, name):
    path = config(top, TEXT.replace("TYPE", name), f"{name}-on.yaml")
    short = ("train.epochs=2", "device.deterministic=threads")
    r, whole = train(path, *short)
    r, part = train(path, *short, "train.max_time=0.000001s")
    c.equal(f"{name}: stopped", r.code, 75)
    r = runner("resume", part, "~train.max_time")
    c.equal(f"{name}: resumed", r.code, 0)
    want = datasets(whole / "run.h5")
    c.equal(f"{name}: resumed, run.h5 differs in",
            difference(datasets(part / "run.h5"), want), [])
    r, one = train(path, *short, "device.threads=1")
    c.equal(f"{name}: one thread, the weights", verified(one), verified(whole))


def main():
    c = Checks()
    with Scratch() as top:
        learns(c, top)
        for name in ("lamb", "muon"):
            goes_on(c, top, name)
    c.done()


main()

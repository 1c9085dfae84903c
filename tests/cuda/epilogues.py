# SPDX-License-Identifier: Apache-2.0
"""What cuBLASLt does beside a product, on the emulated device: epilogues.py RUNNER
EMULATED. There every algorithm for a layer of 24 makes 0 of NaN and adds up badly, and so
does the first fast one of any other; one as fast does both right. Where the result has
six columns it has none (so no ReLU behind six, no sum beside the weight of six inputs).
"""
import json
import pathlib
import re
import sys

import numpy as np

emulated = pathlib.Path(sys.argv[2]).resolve()
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "runs"))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

NET = """
name: epilogues
seed: 3
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.05, test: 0.9, seed: 7}
  batch: 24
model:
  type: sequential
  in: {x: data.image}
  layers:
    - {type: flatten}
    - {type: dense, units: 16}
    - {type: relu}
    - {type: dense, units: 24}
    - {type: relu}
    - {type: dense, units: 6}
    - {type: relu}
    - {type: dense, units: 10}
loss: cross_entropy
metrics: accuracy
optimizer: {type: sgd, lr: 0.1}
train: {steps: 6, log_every: 1}
"""
PLUGIN = f"plugins=[{json.dumps(str(emulated))}]"
RELU = {"16": "c", "24": "z", "6": "z"}  # by outputs; z: not taken
SUMS = {"16": "c", "24": "z", "6": "c", "10": "z"}

c = Checks()
with Scratch() as top:
    path = config(top, NET)
    homes = {}
    for name in ("first", "second"):
        (top / name).mkdir()
        homes[name] = {"XDG_CACHE_HOME": str(top / name)}

    def run(name, *args, env=None, tune="on", code=0):
        device = f"device={{type: test.backends/cuda_emulated, tune: {tune}}}"
        r, folder = train(path, PLUGIN, device, *args, env=env)
        c.equal(f"{name}: exit", (r.code, "" if r.code == code else r.err), (code, ""))
        return folder

    def chosen(folder):
        relu, sums = {}, {}
        for line in (folder / "kernels.txt").read_text().splitlines():
            m = re.match(r"cuda linear_relu x .* y \w+ \d+,(\d+) \| \t(.)\t", line)
            g = re.match(r"cuda linear_grad_weight x .* y f32 (\d+) \| \t(.)\t", line)
            if m:
                relu[m[1]] = m[2]
            if g:
                sums[g[1]] = g[2]
        return relu, sums

    cpu, on_cpu = train(path)
    c.equal("cpu: exit", cpu.code, 0)
    rule = run("rule", tune="off", env=homes["first"])
    c.equal("by rule there are none", (rule / "kernels.txt").read_text(), "rule\n")
    timed = run("timed", env=homes["first"])
    c.equal("taken where they are right", chosen(timed), (RELU, SUMS))
    for name in ("train/loss", "val/loss", "test/loss"):
        x, y = series(on_cpu, name)[1], series(timed, name)[1]
        c.ok(f"{name} beside the cpu's", np.allclose(x, y, rtol=2e-3, atol=1e-4), f"{x}\n{y}")
    warm = run("warm", env=homes["first"])
    c.equal("from the cache: the same bits", verified(warm), verified(timed))
    half = run("half", "train.max_time=0.000001s", env=homes["first"], code=75)
    place = top / "second/runner/kernels"
    place.mkdir(parents=True)
    for folder in (place, place.parent):
        folder.chmod(0o700)
    for kept in (top / "first/runner/kernels").iterdir():
        other = place / kept.name
        other.write_text(re.sub(r"(linear_(?:relu|grad_weight) .*\| \t)c", r"\1z",
                                kept.read_text()))
        other.chmod(0o600)
    refused = run("refused", env=homes["second"])
    c.equal("as a machine says that refuses them", chosen(refused),
            (dict.fromkeys(RELU, "z"), dict.fromkeys(SUMS, "z")))
    r = runner("resume", half, "~train.max_time", env=homes["second"])
    c.equal("resumed there: exit", (r.code, "" if r.code == 0 else r.err), (0, ""))
    c.equal("resumed there: its own choices, its own bits",
            (chosen(half), verified(half)[2]), (chosen(timed), verified(timed)[2]))

    # Sums of 16 bits are f32, as the gradient of a bias is.
    low = run("bf16", "precision=bf16", env=homes["first"])
    relu, sums = chosen(low)
    c.equal("bf16: sums of what is stored so; no ReLU, for a bias of f32 is no epilogue",
            (relu, sums), ({}, {k: SUMS[k] for k in ("16", "24", "6")}))
    x, y = series(on_cpu, "train/loss")[1], series(low, "train/loss")[1]
    c.ok("bf16: the loss beside the cpu's f32", np.allclose(x, y, rtol=0.03), f"{x}\n{y}")

    # A network that goes bad is found out behind them.
    said = [train(path, *args, "optimizer.lr=1e38", env=homes["first"])[0]
            for args in ((), (PLUGIN, "device={type: test.backends/cuda_emulated}"))]
    c.ok("NaN is seen on the cpu", said[0].code not in (0, 75), said[0].err)
    c.equal("and on the device", said[1].code, said[0].code)
c.done()

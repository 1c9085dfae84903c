# SPDX-License-Identifier: Apache-2.0
"""The same bits: from run to run, and with `deterministic: threads` for any number of
threads, of the operators and of the data; for every experiment of configs/ (over a
small stand-in where the data is not in the tree), and for convolutions with batch norm,
dropout and augmentation. What is compared: every parameter, every value of the record.

    determinism.py RUNNER [all]

Kernels of one network are chosen by time, of the others by rule; every second experiment
is run, and every fourth compared from run to run (all: each by time, which takes most of
such a run, each experiment, and each from run to run)."""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import ROOT, Checks, Scratch  # noqa: E402

EXPERIMENT = """
name: bits
seed: 3
data:
  source: {type: npy, files: {image: images.npy, label: labels.npy}}
  split: {kind: random, val: 0.2}
  batch: 24
augment:
  - {type: crop, of: image, padding: 2}
  - {type: flip, of: image, axis: horizontal}
model: MODEL
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: adamw, lr: 0.01}
train: {steps: 4, log_every: 1, clip: {norm: 1}}
"""
BLOCK = ("{type: conv2d, channels: N, kernel: 3, padding: same}, {type: batch_norm}, "
         "{type: relu}, {type: max_pool2d, kernel: 2}, ")
NETWORKS = {
    "cnn": "{type: sequential, in: {x: data.image}, layers: ["
           + "".join(BLOCK.replace("N", n) for n in ("33", "64"))
           + "{type: flatten}, {type: dropout, p: 0.3}, {type: dense, units: 10}]}",
    "resnet_cifar": "{type: resnet_cifar, depth: 8, outputs: 10}",
    "resnet": "{type: resnet, depth: 18, width: 8, outputs: 10}"}
# Fewer and smaller steps, where a whole one takes long; the operators are the same.
SMALL = {"resnet.yaml": ["model.width=8", "data.batch=16"],
         "resnet-cifar.yaml": ["model.depth=8", "data.batch=16"]}
GPT = ["data.source.window=16", "data.batch=8", "data.split.val=0.01",
       "data.split.test=0.01", "model.layers=1", "model.width=48"]
SMALL |= {"char-gpt.yaml": GPT, "char-gpt-large.yaml": GPT}
SMALL |= {name: ["data.batch=32"] for name in
          ("fashion-mnist-cnn.yaml", "fashion-mnist-mlp.yaml", "lenet.yaml", "letters.yaml")}


ALL = sys.argv[2:] == ["all"]


def run(c, name, path, folder, *args):
    """(what verify says, every dataset of the record) of one training, or None."""
    r = runner(path, f"output={folder}/runs", *args,
               env={"FASHION_MNIST": str(folder), "XDG_CACHE_HOME": str(folder)})
    if not c.equal(f"{name}: exit code", r.code, 0):
        print(r.err)
        return None
    made = folder_of(r)
    record = {k: v for k, v in datasets(made / "run.h5").items() if k[0] != "@"}
    return verified(made), record


def same(c, name, path, folder, *args, counts=(1, 4), timed=ALL, twice=True):
    tune = "auto" if timed else "off"
    device = f"device={{type: cpu, threads: 2, tune: {tune}}}"
    if twice:
        base = run(c, name, path, folder, *args, device)
        if not base:
            return
        again = run(c, name, path, folder, *args, device, "data.workers=3")
        c.ok(f"{name}: run to run", again == base)
    one = None
    for threads in counts:
        got = run(c, name, path, folder, *args, f"data.workers={threads % 3}",
                  f"device={{type: cpu, threads: {threads}, deterministic: threads}}")
        c.ok(f"{name}: there is something to compare",
             got and len(got[0]) == 3 and len(got[1]) > 5, got)
        one = one or got
        c.ok(f"{name}: {threads} threads", got == one,
             got and one and difference(got[1], one[1]))


def main():
    c = Checks()
    with Scratch() as scratch:
        rng = np.random.default_rng(1)
        np.save(scratch / "images.npy", rng.random((100, 1, 16, 16), dtype=np.float32))
        np.save(scratch / "labels.npy", np.arange(100) % 10)
        stand_in(scratch)
        for name, model in NETWORKS.items():
            same(c, name, config(scratch, EXPERIMENT.replace("MODEL", model),
                                 f"{name}.yaml"), scratch, counts=(1, 2, 4),
                 timed=ALL or name == "cnn")
        for i, path in enumerate(sorted((ROOT / "configs").glob("*.yaml"))):
            text = path.read_text()
            more = ["data.split.val=100"] if "fashion-mnist-data.yaml" in text else []
            if "model:" in text and (ALL or i % 2 == 0):
                same(c, path.name, path, scratch, *SMALL.get(path.name, []), *more,
                     "train={steps: 3, log_every: 1}", "~checkpoint",
                     twice=ALL or i % 4 == 0)
        # The comparison can fail.
        path = scratch / "cnn.yaml"
        a, b = (run(c, "another seed", path, scratch, f"seed={n}") for n in (1, 2))
        c.ok("another seed gives other bits", a and b and a[0] != b[0] and a[1] != b[1])
    c.done()


main()

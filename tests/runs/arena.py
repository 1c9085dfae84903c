# SPDX-License-Identifier: Apache-2.0
"""The arena is within 5 % of what is alive at once: every experiment of configs/ (over
a small stand-in where the data is not in the tree), and every kind of network."""
import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import ROOT, Checks, Scratch  # noqa: E402

EXPERIMENT = """
name: arena
data:
  source: {type: npy, files: {image: images.npy, label: labels.npy}}
  split: {kind: random, val: 0.2}
  batch: 32
model: MODEL
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: adam, lr: 0.001}
train: {epochs: 1}
"""
BLOCK = ("{type: conv2d, channels: N, kernel: 3, padding: same}, {type: batch_norm}, "
         "{type: relu}, {type: max_pool2d, kernel: 2}, ")
NETWORKS = {
    "mlp": "{type: mlp, in: {x: data.image}, hidden: [256, 128], outputs: 10}",
    "lenet": "{type: lenet, outputs: 10}",
    "cnn": "{type: sequential, in: {x: data.image}, layers: ["
           + "".join(BLOCK.replace("N", n) for n in ("32", "64", "128"))
           + "{type: flatten}, {type: dropout, p: 0.3}, {type: dense, units: 10}]}",
    "resnet_cifar": "{type: resnet_cifar, depth: 20, outputs: 10}",
    "resnet-18": "{type: resnet, depth: 18, width: 16, outputs: 10}"}


def check(c, name, path, folder, *args):
    r = runner("plan", path, "--json", *args, env={"FASHION_MNIST": str(folder)})
    if not c.equal(f"{name}: exit code", r.code, 0):
        print(r.out, r.err)
        return
    m = json.loads(r.out)["memory"]
    c.ok(f"{name}: no smaller than the bound", m["arena"] >= m["arena_bound"] > 0, m)
    c.ok(f"{name}: within 5 %", m["arena"] <= 1.05 * m["arena_bound"],
         f"{m['arena']} of {m['arena_bound']}")
    return m


def main():
    c = Checks()
    with Scratch() as scratch:
        rng = np.random.default_rng(1)
        np.save(scratch / "images.npy", rng.random((120, 1, 32, 32), dtype=np.float32))
        np.save(scratch / "labels.npy", np.arange(120) % 10)
        stand_in(scratch)
        for name, model in NETWORKS.items():
            path = config(scratch, EXPERIMENT.replace("MODEL", model), f"{name}.yaml")
            m = check(c, name, path, scratch, "device.type=cpu")
            if not m:
                continue
            text = runner("plan", path).out
            c.within(f"{name}: it is printed", text,
                     f"The arena is {m['arena'] / m['arena_bound']:.3f} of what is alive")
        for path in sorted((ROOT / "configs").glob("*.yaml")):
            text = path.read_text()
            more = ["data.split.val=100"] if "fashion-mnist-data.yaml" in text else []
            if "model:" in text:
                check(c, path.name, path, scratch, *more)
    c.done()


main()

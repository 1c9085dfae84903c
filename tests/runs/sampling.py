# SPDX-License-Identifier: Apache-2.0
"""Samplers in whole runs: steps and schedules count what an epoch reads, the same bits for
any workers and from any step, where samples stay on the device too; warnings, errors.

    sampling.py RUNNER"""
import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

TEXT = """
name: sampling
seed: 5
data:
  source: {type: npy, files: {image: image.npy, weight: weight.npy, label: label.npy}}
  split: {kind: stratified, by: label, val: 20, seed: 2}
  sampler: {type: balanced, of: label, samples: 110}
  batch: 20
  workers: 1
augment: {type: crop, of: image, padding: 1}
model: {type: sequential, in: {x: data.image}, layers: [{type: flatten}, {type: dense, units: 3}]}
loss: {type: cross_entropy, in: {logits: model.out, label: data.label}}
metrics: accuracy
optimizer: {type: sgd, lr: 0.05}
schedule: {type: cosine}
train: {epochs: 3, log_every: 1}
"""
WEIGHTED = "data.sampler={type: weighted, of: weight}"


def world(top):
    rng = np.random.default_rng(3)
    np.save(top / "image.npy", rng.standard_normal((120, 1, 4, 5)).astype(np.float32))
    np.save(top / "label.npy", np.array([0] * 90 + [1] * 24 + [2] * 6))
    np.save(top / "weight.npy", rng.random(120))
    return config(top, TEXT, "sampling.yaml")


def steps(c, path):
    for args, per_epoch in (([], 6), (["data.sampler.samples=41"], 3),
                            (["~data.sampler.samples"], 5), (["~data.sampler"], 5),
                            (["data.sampler.samples=120", "train.accumulate=2"], 3),
                            (["train.steps_per_epoch=9"], 9),
                            (["~data.sampler", "train.steps_per_epoch=2"], 2)):
        r = runner("plan", path, "--json", *args)
        if c.equal(f"plan {args}: exit", r.code, 0):
            got = json.loads(r.out)
            c.equal(f"plan {args}: steps", (got["steps_per_epoch"], got["steps"]),
                    (per_epoch, 3 * per_epoch))
        else:
            print(r.err)


def every_way(c, path):
    for extra in ([], [WEIGHTED], ["train.accumulate=2", "data.batch=16"],
                  ["train.steps_per_epoch=4"], ["~data.sampler", "train.steps_per_epoch=8"]):
        r, folder = train(path, *extra)
        if not c.equal(f"{extra}: exit", r.code, 0):
            print(r.err)
            continue
        want, whole = verified(folder), datasets(folder / "run.h5")
        for args in (["data.workers=0"], ["data.workers=8"], ["data.cache=0"],
                     ["device=cpu", "data.resident=always"]):
            _, other = train(path, *extra, *args)
            c.equal(f"{extra} {args}: the same bits", verified(other), want)
        r, chain = train(path, *extra, "train.max_time=0.000001s")
        for _ in range(7): # into the second epoch, a step at a time
            r = runner("resume", chain)
        c.equal(f"{extra}: interrupted", (r.code, verified(chain)[0]), (75, 8))
        r = runner("resume", chain, "~train.max_time")
        c.equal(f"{extra}: resumed, exit", r.code, 0)
        c.equal(f"{extra}: resumed, the same bits", verified(chain), want)
        c.equal(f"{extra}: resumed, run.h5 differs in",
                difference(datasets(chain / "run.h5"), whole), [])
    r, folder = train(path, "train.max_time=0.000001s")
    r = runner("resume", folder, "data.sampler.samples=130")
    c.equal("another count: refused", r.code, 8)
    c.within("another count", r.err, "data.sampler")


def words(c, path):
    r, _ = train(path, "loss.class_weights=[1, 2, 3]")
    c.equal("class weights: exit", r.code, 0)
    c.within("class weights", r.err, "their effects multiply")
    r, _ = train(path, "loss.class_weights=[1, 2, 3]", "~data.sampler")
    c.ok("class weights alone: no warning", "multiply" not in r.err, r.err)
    for args, code, *texts in (
            (["data.sampler=balanced"], 2, "data.sampler (balanced)", "is missing"),
            (["data.sampler.of=lable"], 2, "has no field 'lable'", "label"),
            (["data.sampler.of=image"], 2, "field 'image' has no classes"),
            (["data.sampler.of=[]"], 2, "expected a name"),
            (["data.sampler.samples=0"], 2, "samples"),
            (["data.sampler.classes=3"], 2, "classes"),
            (["data.sampler.type=ballanced"], 2, "did you mean 'balanced'"),
            ([WEIGHTED, "data.sampler.of=label",
              "data.transforms=[{type: scale, of: label, factor: -1}]",
              "loss={type: mse, in: {prediction: model.out, target: model.out}}",
              "~metrics"], 3, "weights are 0 or more")):
        r, _ = train(path, *args)
        c.equal(f"{args}: exit", r.code, code) or print(r.err)
        for text in texts:
            c.within(f"{args}", r.err, text)


c = Checks()
with Scratch() as top:
    path = world(top)
    steps(c, path)
    every_way(c, path)
    words(c, path)
c.done()

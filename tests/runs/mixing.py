# SPDX-License-Identifier: Apache-2.0
"""Collates in whole runs: the same bits for any workers and from any step, targets in
training, evaluation and prediction, weights, errors with their place in the file.

    mixing.py RUNNER"""
import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

TEXT = """
name: mixing
seed: 5
data:
  source: {type: npy, files: {image: image.npy, mask: mask.npy, weight: weight.npy, label: label.npy}}
  split: {kind: stratified, by: label, val: 20, test: 10, seed: 2}
  batch: 16
  workers: 1
augment: {type: flip, of: [image, mask]}
collate: {type: mixup, of: [image, label], alpha: 0.5}
model: {type: sequential, in: {x: data.image}, layers: [{type: flatten}, {type: dense, units: 3}]}
loss: {type: soft_cross_entropy, in: {logits: model.out, target: data.label_soft}}
metrics: accuracy
optimizer: {type: sgd, lr: 0.05}
train: {epochs: 3, log_every: 1}
"""
CUTMIX = "collate={type: cutmix, of: [image, mask, label], per: sample}"
BOTH = ("collate=[{type: mixup, of: [image, label], p: 0.5}, "
        "{type: cutmix, of: [image, mask, label], p: 0.5}]")


def world(top):
    rng = np.random.default_rng(3)
    image = rng.integers(0, 9, (120, 1, 4, 5)).astype(np.float32)
    np.save(top / "image.npy", image)
    np.save(top / "mask.npy", image[:, 0])
    np.save(top / "label.npy", np.array([0] * 60 + [1] * 40 + [2] * 20))
    np.save(top / "weight.npy", rng.random(120).astype(np.float32))
    return config(top, TEXT, "mixing.yaml")


def every_way(c, path):
    seen = set()
    for extra in ([], [CUTMIX], [BOTH], ["train.accumulate=3", "data.batch=10"],
                  ["~collate", "loss={type: cross_entropy, in: {label: data.label}}"]):
        r, folder = train(path, *extra)
        if not c.equal(f"{extra}: exit", r.code, 0):
            print(r.err)
            continue
        want, whole = verified(folder), datasets(folder / "run.h5")
        seen.add(want)
        for args in (["data.workers=0"], ["data.workers=8"], ["data.cache=0"]):
            _, other = train(path, *extra, *args)
            c.equal(f"{extra} {args}: the same bits", verified(other), want)
        r, chain = train(path, *extra, "train.max_time=0.000001s")
        for _ in range(4):
            r = runner("resume", chain)
        c.equal(f"{extra}: interrupted", r.code, 75)
        r = runner("resume", chain, "~train.max_time")
        c.equal(f"{extra}: resumed, exit", r.code, 0)
        c.equal(f"{extra}: resumed, the same bits", verified(chain), want)
        c.equal(f"{extra}: resumed, run.h5 differs in",
                difference(datasets(chain / "run.h5"), whole), [])
    c.equal("each trains in its own way", len(seen), 5)


def evaluation(c, top, path):
    """Evaluation mixes nothing: the soft loss is the loss of the labels."""
    both = ("loss={soft: {type: soft_cross_entropy, in: {target: data.label_soft}}, "
            "hard: {type: cross_entropy, in: {label: data.label}}}")
    _, folder = train(path, both)
    apart = np.abs(series(folder, "val/loss.soft")[1] - series(folder, "val/loss.hard")[1])
    c.ok("val: soft and hard are the same", np.max(apart) < 1e-6, apart)
    soft, hard = (series(train(path, both, f"loss.{way}.weight=0")[1], "train/loss")[1]
                  for way in ("hard", "soft"))
    c.ok("training: they are apart", np.max(np.abs(soft - hard)) > 1e-3, f"{soft} {hard}")
    r = runner("eval", folder, "--json")
    c.equal("eval: exit", r.code, 0) or print(r.err)
    np.save(top / "new.npy", np.ones((3, 1, 4, 5), np.float32))
    r = runner("predict", folder, "data.source.files={image: new.npy}", cwd=top)
    c.equal("predict without labels", (r.code, len(r.out.splitlines())), (0, 4)) or print(r.err)
    # The image and its mask get the same boxes.
    apart = ("loss={label: {type: soft_cross_entropy, weight: 0, in: {target: "
             "data.label_soft}}, apart: {type: mse, in: {prediction: data.image, target: "
             "data.flat}}}")
    np.save(top / "flat.npy", np.load(top / "image.npy"))
    for way in ("batch", "sample"):
        r, folder = train(path, f"data.source.files.flat={top}/flat.npy", apart,
                          "augment={type: flip, of: [image, flat]}",
                          f"collate={{type: cutmix, of: [flat, image, label], per: {way}}}")
        if c.equal(f"cutmix of two images, {way}: exit", r.code, 0):
            c.ok(f"cutmix, {way}: they move together",
                 not np.any(series(folder, "train/loss")[1]))
        else:
            print(r.err)


def weights(c, path):
    text = ["loss={type: soft_cross_entropy, in: {target: data.label_soft, weight: "
            "data.weight}}"]
    _, a = train(path, *text)
    _, b = train(path, *text, "collate.of=[image, label, weight]")
    c.ok("a weight that is listed is mixed",
         np.any(series(a, "train/loss")[1] != series(b, "train/loss")[1]))


def words(c, path):
    for args, code, *texts in (
            (["collate.of=[image, lable]"], 2, "has no field 'lable'", "'label'"),
            (["collate.of=[image, label, label]"], 2, "named twice"),
            (["collate.of=[image]"], 2, "label_soft"),
            (["collate.alpha=0"], 2, "alpha"),
            (["collate.aplha=1"], 2, "did you mean 'alpha'"),
            (["collate.type=mixpu"], 2, "did you mean 'mixup'"),
            (["collate.classes=2"], 3, "2 is not one of 2 classes", "label.npy"),
            (["collate={type: cutmix, of: label}"], 2, "none of the fields is an image"),
            (["collate={type: cutmix}", f"data.source.files.wide={path.parent}/wide.npy"], 2,
             "field 'wide' is 2 x 2, another image is 4 x 5"),
            (["data.resident=always"], 2, "collate (mixup) changes samples on the host"),
            (["data.transforms=[{type: scale, of: label, factor: -1}, "
              "{type: label_map, of: label}]", "collate.classes=7"], 2, "the target does not have the prediction's shape")):
        r, _ = train(path, *args)
        c.equal(f"{args}: exit", r.code, code) or print(r.err)
        for text in texts:
            c.within(f"{args}", r.err, text)


c = Checks()
with Scratch() as top:
    path = world(top)
    np.save(top / "wide.npy", np.ones((120, 2, 2), np.float32))
    every_way(c, path)
    evaluation(c, top, path)
    weights(c, path)
    words(c, path)
c.done()

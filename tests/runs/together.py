# SPDX-License-Identifier: Apache-2.0
"""An augmenter of several fields draws once for all: an image and its mask move together,
with the same bits for any number of workers, on the host and on the device.

    together.py RUNNER"""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

# Pixels are whole numbers and the mask is the image: wherever one moves without the other
# the loss `apart` is not 0.
TEXT = """
name: together
seed: 5
data:
  source: {type: npy, files: {image: image.npy, mask: mask.npy, classes: classes.npy, label: label.npy}}
  batch: 25
  workers: 1
augment:
  - {type: flip, of: [image, mask], p: 0.6}
  - {type: flip, of: [mask, image], axis: vertical, alternate: true}
  - {type: crop, of: [image, mask], padding: 2, fill: 3}
  - {type: crop, of: [image, mask], padding: 1, border: reflect}
  - {type: erase, of: [image, mask], size: 2, p: 0.7, fill: [-1, -1]}
model: {type: sequential, in: {x: data.image}, layers: [{type: flatten}, {type: dense, units: 6}]}
loss:
  label: {type: cross_entropy, in: {logits: model.out, label: data.label}}
  apart: {type: mse, in: {prediction: data.image, target: data.mask}}
optimizer: {type: sgd, lr: 0.01}
train: {epochs: 3, log_every: 1}
"""
ROTATE = ["augment=[{type: rotate, of: [image, mask], degrees: 90, fill: 2}]"]


def world(top):
    rng = np.random.default_rng(3)
    image = rng.integers(0, 9, (97, 1, 5, 7)).astype(np.float32)
    np.save(top / "image.npy", image)
    np.save(top / "mask.npy", image)
    np.save(top / "classes.npy", image.astype(np.int64))
    np.save(top / "label.npy", rng.integers(0, 6, 97))
    return config(top, TEXT, "together.yaml")


def apart(c, path, *args):
    """The loss `apart` alone, by step; the digest of a run with both."""
    r, folder = train(path, *args)
    alone, zero = train(path, "loss.label.weight=0", *args)
    if not c.equal(f"{args}: exit", (r.code, alone.code), (0, 0)):
        print(r.err, alone.err)
        return None, None
    return series(zero, "train/loss")[1], verified(folder)


c = Checks()
with Scratch() as top:
    path = world(top)
    for extra in ([], ROTATE):
        ends = []
        for args in (["data.workers=0"], ["data.workers=1"], ["data.workers=4"],
                     ["data.workers=3", "data.resident=never"]):
            curve, end = apart(c, path, *args, *extra)
            if curve is not None:
                c.ok(f"{args} {extra}: image and mask move together",
                     len(curve) > 0 and not np.any(curve.astype(float)), curve[:4])
            ends.append(str(end))
        if not extra:
            curve, end = apart(c, path, "data.resident=always", "device=cpu")
            c.ok("on the device: together",
                 curve is not None and not np.any(curve.astype(float)))
            ends.append(str(end))
        c.equal(f"{extra}: the same bits in every way", len(set(ends)), 1)
    # Two augmenters draw apart, so the test can see it.
    curve, _ = apart(c, path,
                     "augment=[{type: flip, of: image}, {type: flip, of: mask}]")
    c.ok("two augmenters draw apart", curve is not None and np.all(curve.astype(float) > 0))
    # Without augmentation the parameters are others.
    _, plain = apart(c, path, "~augment")
    c.ok("they do change samples", str(plain) not in ends)
    # A mask of class numbers turns by the nearest pixel.
    for args, code, words in (
            (["augment=[{type: rotate, of: [image, classes], nearest: [classes]}]"], 0, ()),
            (["augment=[{type: rotate, of: [image, classes]}]"], 0, ()),  # i64 always does
            (["augment=[{type: rotate, of: image, nearest: [mask]}]"], 2,
             ("'mask' is not one of the fields of `of`",)),
            (["augment=[{type: flip, of: [image, image]}]"], 2, ("named twice",)),
            (["augment=[{type: flip, of: []}]"], 2, ("`of` names no field",)),
            (["augment=[{type: flip, of: [image, label]}]"], 2,
             ("field 'label' is not an image",)),
            (["augment=[{type: crop, of: [image, classes], fill: [0, 0.5]}]"], 2,
             ("0.5 is not a value that pixels of i64 can have",)),
            (["augment=[{type: crop, of: [image, mask, classes], fill: [0, 1]}]"], 2,
             ("one for each of 3 fields",))):
        r, _ = train(path, *args)
        c.equal(f"{args}: exit", r.code, code)
        for word in words:
            c.ok(f"{args}: {word}", word in r.err, r.err)
c.done()

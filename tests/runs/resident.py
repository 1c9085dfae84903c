# SPDX-License-Identifier: Apache-2.0
"""`data.resident`: a training split that stays on the device gives the bits that batches
from the host give; what decides, what it takes, what is refused.

    resident.py RUNNER SHIM [all]"""
import json
import os
import pathlib
import sys

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

ALL = sys.argv[3:] == ["all"]

# Floats and integers; the batch does not divide the epoch.
TEXT = """
name: resident
seed: 3
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.1, test: 0.8, seed: 7}
  batch: 25
model:
  type: sequential
  in: {x: data.image}
  layers:
    - {type: conv2d, channels: 4, kernel: 3, padding: same}
    - {type: batch_norm}
    - {type: relu}
    - {type: flatten}
    - {type: dropout, p: 0.3}
    - {type: dense, units: 10}
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: adamw, lr: 0.005}
train: {epochs: 3, log_every: 1}
"""
# Nobody reads the label.
COPY = TEXT[:TEXT.index("model:")] + """
model:
  type: sequential
  in: {x: data.image}
  layers: [{type: conv2d, channels: 1, kernel: 3, padding: same}]
loss: {type: mse, in: {prediction: model.out, target: data.image}}
optimizer: {type: adamw, lr: 0.005}
train: {epochs: 1}
"""

def unlike(a, b):
    """Where two records differ, but for what they say of memory and of their file."""
    return [k for k in difference(datasets(a / "run.h5"), datasets(b / "run.h5"))
            if not k.startswith("@")]


# Every change that operators can make, of images that are no squares, f32 and u8, with and
# without channels.
CHANGED = """
name: changed
seed: 5
data:
  source: {type: npy, files: {image: image.npy, grey: grey.npy, label: label.npy}}
  split: {kind: random, val: 10}
  batch: 25
augment:
  - {type: flip, of: image, p: 0.6}
  - {type: crop, of: image, padding: 3, p: 0.8, fill: 0.25}
  - {type: flip, of: image, axis: vertical, alternate: true}
  - {type: crop, of: image, padding: 2, border: reflect}
  - {type: erase, of: image, size: 4, p: 0.7, fill: -1}
  - {type: crop, of: grey, padding: 2, fill: 7}
  - {type: flip, of: grey}
  - {type: crop, of: grey, padding: 1, border: reflect}
  - {type: erase, of: grey, size: 2, fill: 9}
model:
  a:
    type: sequential
    in: {x: data.image}
    layers: [{type: flatten}, {type: dense, units: 6}]
  b:
    type: sequential
    in: {x: data.grey}
    layers: [{type: embedding, size: 16, units: 2}, {type: flatten}, {type: dense, units: 6}]
loss:
  a: {type: cross_entropy, in: {logits: model.a.out, label: data.label}}
  b: {type: cross_entropy, in: {logits: model.b.out, label: data.label}}
optimizer: {type: sgd, lr: 0.05}
train: {epochs: 3, log_every: 1}
"""


def changed_world(top):
    rng = np.random.default_rng(1)
    np.save(top / "image.npy", rng.standard_normal((97, 3, 5, 7)).astype(np.float32))
    np.save(top / "grey.npy", rng.integers(0, 16, (97, 6, 4), dtype=np.uint8))
    np.save(top / "label.npy", rng.integers(0, 6, 97))
    return config(top, CHANGED, "changed.yaml")


def note(folder, name):
    with h5py.File(folder / "run.h5") as f:
        return int(f.attrs[name])


def planned(path, *args):
    r = runner("plan", path, *args, "--json")
    return json.loads(r.out)["memory"] if r.code == 0 else r.err


def bits(c, path, first, more=()):
    """The first case on every device, the others on both in turn (all: on both)."""
    cases = {"whole": [], "accumulated": ["train.accumulate=2"],
             "no workers": ["data.workers=0"], "bf16": ["precision=bf16"],
             "more than there is": ["data.batch=400"], **dict(more)}
    for i, (name, args) in enumerate(cases.items()):
        devices = ["cpu", "async_fake", "reference"] if name == "whole" else \
            ["cpu", "async_fake"] if ALL else [("cpu", "async_fake")[(i + first) % 2]]
        for device in devices:
            made = {}
            for word in ("never", "always"):
                r, made[word] = train(path, f"device={device}", f"data.resident={word}",
                                      *args)
                if not c.equal(f"{name}, {device}, {word}: exit", r.code, 0):
                    print(r.err)
                    return
            c.equal(f"{name}, {device}: verified alike", verified(made["always"]),
                    verified(made["never"]))
            c.equal(f"{name}, {device}: run.h5 differs in",
                    unlike(made["always"], made["never"]), [])


def effect(c, path):
    """The changes are made at all, by host and device."""
    for word in ("never", "always"):
        ends = {}
        for args in ([], ["~augment"], ["augment.2.alternate=false"],
                     ["augment.3.border=fill"], ["augment.6.p=0"],
                     ["augment.4.size=3"], ["augment.8.p=0"]):
            r, folder = train(path, f"data.resident={word}", *args)
            c.equal(f"{word} {args}: exit", r.code, 0)
            ends[str(args)] = verified(folder)
        c.equal(f"{word}: all differ", len(set(map(str, ends.values()))), len(ends))


def resumed(c, path):
    args = ["data.resident=always", "device=async_fake"]
    r, folder = train(path, *args)
    r, part = train(path, "train.max_time=0.000001s", *args)
    for i in range(9):
        r = runner("resume", part, f"data.resident={('always', 'never')[i % 2]}")
    c.equal("some steps", (r.code, verified(part)[0]), (75, 10))
    c.ok("samples are not in a checkpoint",
         not [k for k in variables(part) if k.startswith("data")])
    r = runner("resume", part, "~train.max_time")
    c.equal("to the end", r.code, 0)
    c.equal("resumed: verified alike", verified(part), verified(folder))
    c.equal("resumed: run.h5 differs in", unlike(part, folder), [])


def decided(c, top, path):
    rows, image, label = 179, 64 * 4, 8
    held = -(-rows * image // 64) * 64 + -(-rows * label // 64) * 64
    every = f"device.threads={os.cpu_count()}"
    for args, want in (([every], held), ([every, "data.workers=0"], held),
                       ([every, "data.resident=never"], 0),
                       ([every, "data.cache=0"], 0),
                       ([every, "train={steps: 3}"], 0),
                       ([every, "augment={type: crop, of: image, padding: 1}"], 0),
                       ([f"device.threads={os.cpu_count() + 1}"], held),
                       (["device=async_fake"], held),
                       ([every, "data.resident=always", "data.cache=0"], held),
                       (["data.resident=always"], held),
                       (["device=async_fake", "data.resident=never"], 0),
                       (["device=async_fake",
                         "augment={type: crop, of: image, padding: 1}"], held),
                       (["device=async_fake", "augment={type: rotate, of: image}"], 0)):
        m = planned(path, *args)
        if c.ok(f"{args}: planned", isinstance(m, dict), m):
            c.equal(f"{args}: bytes of samples", m["data"], want)
            c.equal(f"{args}: they are in the peak", m["peak"],
                    sum(m[k] for k in ("variables", "data", "arena", "constants",
                                       "scalars", "inputs", "outputs")))
    m = planned(config(top, COPY, "copy.yaml"), "data.resident=always")
    c.equal("what nobody reads stays away", m["data"], rows * image)
    r = runner("plan", path, "data.resident=always")
    c.ok("plan: a line", any(line.split()[:2] == ["data", f"{held:,}"]
                             for line in r.out.splitlines()), r.out)
    m = planned(path, "device=async_fake", "data.resident=always")
    r, folder = train(path, "device=async_fake", "data.resident=always")
    c.equal("the plan's peak is the run's", note(folder, "memory_peak"),
            m["peak"])
    c.equal("and so of pinned memory", note(folder, "pinned_memory_peak"),
            m["pinned"])
    other = planned(path, "device=async_fake", "data.resident=never")
    c.ok("less is pinned", m["pinned"] < other["pinned"], (m, other))
    for verb in ("bench", "profile"):
        r = runner(verb, path, "data.resident=always", *(
            ["--seconds", "0.2"] if verb == "bench" else ["--steps", "3"]))
        c.equal(f"{verb}: exit", r.code, 0)
    c.within("profile: the gather is seen", r.out, "gather")


def refused(c, top):
    text = TEXT + "augment: [{type: flip, of: image}, {type: rotate, of: image}]\n"
    r = runner("plan", config(top, text, "augmented.yaml"), "data.resident=always")
    c.equal("augmented: exit", r.code, 2)
    c.within("augmented: place", r.err, "data.resident=always")
    c.within("augmented: why", r.err,
             "augment.1 (rotate) changes samples on the host only")
    text = TEXT.replace("  batch: 25", "  batch: 25\n  resident: alway")
    r = runner("plan", config(top, text, "word.yaml"))
    c.equal("word: exit", r.code, 2)
    c.within("word: place", r.err, "word.yaml:13:13")
    c.within("word: hint", r.err, "did you mean 'always'?")


def main():
    c = Checks()
    with Scratch() as scratch:
        top = pathlib.Path(scratch)
        path = config(top, TEXT)
        bits(c, path, 0, {"sharp": ["loss={type: focal}"]})
        resumed(c, path)
        changed = changed_world(top)
        bits(c, changed, 1)
        effect(c, changed)
        resumed(c, changed)
        decided(c, top, path)
        refused(c, top)
    c.done()


main()

# SPDX-License-Identifier: Apache-2.0
"""SAM in whole runs (its numbers: unit/phases). With rho 0 the second pass of a step is the
first one again, so a run has the bits of the inner optimizer alone: only if dropout and
noise draw the same, running statistics are updated once, and precision, loss scale,
clipping, penalties, hooks and micro-batches see what they should. Then: resumed, on other
devices and threads, steps that are not finite, what is planned and refused."""
import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

TEXT = """
name: phases
seed: 1
data:
  train: {type: npy, files: {x: x.npy, label: label.npy}}
  batch: 16
model:
  type: sequential
  in: {x: data.x}
  layers:
    - {type: dense, units: 16}
    - {type: batch_norm}
    - {type: relu}
    - {type: dropout, p: 0.2}
    - {type: dense, units: 3}
loss: cross_entropy
optimizer: OPTIMIZER
train: {steps: 12, log_every: 1}
device: reference
"""
INNER = "{type: adam, lr: 0.01}"
SAM = "{type: sam, rho: %g, inner: " + INNER + "}"
LSTM = ("model={type: sequential, in: {x: data.x}, layers: [{type: reshape, shape: [5, 1]}, "
        "{type: lstm, units: 6, return: last}, {type: dense, units: 3}]}")
CONVOLUTION = ("model={type: sequential, in: {x: data.x}, layers: [{type: reshape, shape: [1, 1, 5]}, "
               "{type: conv2d, channels: 4, kernel: 1}, {type: batch_norm}, {type: relu}, "
               "{type: flatten}, {type: dense, units: 3}]}")
SAME = {
    "whole batches": [],
    "micro-batches": ["data.batch=8", "train.accumulate=2"],
    "cpu": ["device=cpu"],
    "async_fake": ["device=async_fake"],
    "bf16": ["precision=bf16"],
    "f16, whose first steps overflow": ["precision=f16", "train.loss_scale={type: dynamic, initial: 1e7}"],
    "f16, micro-batches": ["precision=f16", "data.batch=8", "train.accumulate=2"],
    "clipping": ["train.clip={norm: 0.5, value: 0.1}"],
    "penalties and constraints": ["regularizers=[{type: l2, strength: 0.01}, "
                                  "{type: max_norm, match: {role: weight}}]"],
    "hooks": ["hooks=[{type: noise, std: 0.05}, {type: noise, what: gradients, std: 0.01}, "
              "{type: fake_quantize, bits: 6}]"],
    "two programs": ["train.programs=[{name: a, update: [model.dense1]}, "
                     "{name: b, update: [model.dense5, model.batch_norm2]}]"],
    "lookahead": ["train.lookahead={every: 3}"],
    "a recurrent network": [LSTM],
    "a convolution, cpu": [CONVOLUTION, "device=cpu"],
}


def weights(folder):
    return {k: v for k, v in variables(folder).items() if k.startswith("model.")}


def loss(folder):
    import h5py
    with h5py.File(folder / "run.h5") as f:
        return f["scalars/train/loss/value"][:]


def same_bits(a, b):
    a, b = weights(a), weights(b)
    return sorted(a) == sorted(b) and all(a[k].tobytes() == b[k].tobytes() for k in a)


def test_nothing_perturbed(c, top):
    sam = config(top, TEXT.replace("OPTIMIZER", SAM % 0), "still.yaml")
    plain = config(top, TEXT.replace("OPTIMIZER", INNER), "plain.yaml")
    for name, words in SAME.items():
        r, a = train(sam, *words)
        c.equal(f"rho 0, {name}: exit", r.code, 0)
        r, b = train(plain, *words)
        c.ok(f"rho 0, {name}: the inner optimizer's bits", same_bits(a, b))
        if name == "two programs":
            continue  # each has a curve of its own
        c.ok(f"rho 0, {name}: its losses", np.array_equal(loss(a), loss(b)))
        r, moved = train(sam, *words, "optimizer.rho=0.5")
        c.ok(f"rho 0.5, {name}: other weights", not same_bits(a, moved))
        c.equal(f"rho 0.5, {name}: the first loss is that of the weights as they are",
                loss(moved)[0], loss(a)[0])


def test_resume(c, top):
    sam = config(top, TEXT.replace("OPTIMIZER", SAM % 0.2), "sam.yaml")
    for name, words in {
            "whole batches": ["schedule={type: cosine, of: [optimizer.rho, optimizer.inner.lr]}"],
            "adaptive, micro-batches": ["data.batch=8", "train.accumulate=2", "optimizer.adaptive=true"],
            "f16": ["precision=f16", "device=cpu"]}.items():
        r, whole = train(sam, *words)
        r, part = train(sam, *words, "train.max_time=0.000001s")
        c.equal(f"{name}: stopped", r.code, 75)
        c.equal(f"{name}: stopped again in the middle", runner("resume", part).code, 75)
        r = runner("resume", part, "~train.max_time")
        c.equal(f"{name}: resumed", r.code, 0)
        c.equal(f"{name}: to the bit", verified(part), verified(whole))
    r = runner("resume", part, "optimizer.inner={type: lamb, lr: 0.01}", "train.steps=20")
    c.equal("another inner optimizer with the same state: exit", r.code, 8)
    c.within("another inner optimizer with the same state", r.err,
             "optimizer is runner/sam around runner/lamb, but the checkpoint's state is of "
             "runner/sam around runner/adam")
    c.ok("nothing is stored of the phases",
         all(not k.startswith("optimizer") or k.split(".")[-1] in "mv" for k in variables(whole)))


def test_devices(c, top):
    sgd = "{type: sam, rho: 0.2, inner: {type: sgd, lr: 0.1, momentum: 0.9}}"
    sam = config(top, TEXT.replace("OPTIMIZER", sgd), "sam.yaml")
    r, want = train(sam)
    for device in ("cpu", "async_fake"):
        r, got = train(sam, f"device={device}")
        c.equal(f"{device}: exit", r.code, 0)
        a, b = weights(got), weights(want)
        off = max(np.abs(a[k] - b[k]).max() for k in b)
        c.ok(f"{device}: the reference's weights", off < 1e-4, f"  {off}")
    by_threads = [train(sam, f"device={{type: cpu, threads: {n}, deterministic: threads}}",
                        "model.layers.0.units=300")[1] for n in (1, 4)]
    c.ok("one thread and four: to the bit", same_bits(*by_threads))


def test_not_finite(c, top):
    sam = config(top, TEXT.replace("OPTIMIZER", SAM % 0.2), "sam.yaml")
    far = ["optimizer.rho=3e38"]
    r, folder = train(sam, *far)
    c.equal("a second gradient that is not finite: exit", r.code, 5)
    # Only at first: then the schedule makes rho small.
    words = ["schedule={type: step, of: optimizer.rho, every: 1st, gamma: 1e-39}",
             "train.on_nan=skip", "train.steps=3"]
    for micro in ([], ["data.batch=8", "train.accumulate=2"]):
        r, folder = train(sam, *far, *words, *micro)
        c.equal(f"skipped {micro}: exit", r.code, 0)
        c.equal(f"skipped {micro}: steps", [f"step {i}: " in r.err for i in range(3)],
                [True, False, False])
        c.ok(f"skipped {micro}: finite weights",
             all(np.isfinite(v).all() for v in weights(folder).values()))


def test_plan(c, top):
    wide = "model.layers.0.units=4096"
    peak = {}
    for name, optimizer in (("sam", SAM % 0.2), ("inner", INNER)):
        path = config(top, TEXT.replace("OPTIMIZER", optimizer), f"{name}.yaml")
        r = runner("plan", path, "device=cpu", wide, "--json")
        plan = json.loads(r.out)
        peak[name] = plan["memory"]["peak"]
        c.equal(f"plan of {name}: phases", plan["programs"],
                [{"name": "train", "phases": (["perturb"] if name == "sam" else []) + ["update"]}])
        size = 4 * plan["parameters"]
    # Activations are freed before the second pass, gradients overwritten.
    c.ok("plan: memory of SAM", peak["sam"] <= peak["inner"] + size, f"  {peak}, {size}")
    r = runner("plan", top / "sam.yaml")
    c.within("plan: text", r.out,
             "A step of train takes 2 gradients, one in each phase: perturb, update")


def test_refused(c, top):
    for optimizer, text in {
            "{type: sam}": "inner",
            "{type: sam, rho: -1, inner: sgd}": "rho is -1: it must be at least 0",
            "{type: sam, inner: {type: sam, inner: sgd}}":
                "runner/sam at 'inner' takes several gradients a step, which only the outermost"}.items():
        r = runner(config(top, TEXT.replace("OPTIMIZER", optimizer), "wrong.yaml"))
        c.equal(f"{optimizer}: exit", r.code, 2)
        c.within(f"{optimizer}: sentence", r.err, text)


def main():
    c = Checks()
    with Scratch() as scratch:
        top = pathlib.Path(scratch)
        rng = np.random.default_rng(1)
        np.save(top / "x.npy", rng.standard_normal((48, 5)).astype(np.float32))
        np.save(top / "label.npy", rng.integers(0, 3, 48))
        test_nothing_perturbed(c, top)
        test_resume(c, top)
        test_devices(c, top)
        test_not_finite(c, top)
        test_plan(c, top)
        test_refused(c, top)
    c.done()


main()

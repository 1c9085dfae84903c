# SPDX-License-Identifier: Apache-2.0
"""train.anomaly: the first value that is not finite is named, with operator, layer, phase,
step and samples, on each backend, in each precision and when a step accumulates; the
variables stay what they were and the numbers of a run do not change.

    anomaly.py RUNNER PLUGIN_API"""
import pathlib
import subprocess
import sys

import h5py

from harness import Checks, Scratch, runner

here = pathlib.Path(__file__).resolve().parent
c = Checks()
BAD = 37 # the sample with the odd value, row 38 of the file


def experiment(top, value=1.0, what="none", hole=-1, at=1e6, device="reference",
               precision="f32", train="anomaly: true", more=()):
    rows = [f"{1 + i % 5},{2 + i % 3},{value if i == BAD else 1.5},{i % 4}" for i in range(64)]
    (top / "rows.csv").write_text("\n".join(["a,b,c,y", *rows, ""]))
    (top / "odd.yaml").write_text(f"""
name: odd
seed: 3
plugins: [./breaks.so]
data:
  source: {{type: csv, file: rows.csv, features: [a, b, c], target: y}}
  batch: 8
augment: {{type: acme.odd/hole, of: x, sample: {hole}}}
device: {device}
precision: {precision}
model: {{type: acme.odd/net, in: {{x: data.x}}, what: {what}}}
init: {{type: constant, value: 1, match: "*"}}
loss: {{type: mse, in: {{prediction: model.out, target: data.y}}}}
optimizer: {{type: acme.odd/sgd, until: {at}}}
train: {{epochs: 2, log_every: 1, {train}}}
output: runs
""")
    return runner(top / "odd.yaml", *more, cwd=top, timeout=60)


def named(what, r, *sentences, code=5):
    c.equal(f"{what}: exit code", r.code, code)
    for s in sentences:
        c.within(what, r.err, s)


def weights(folder):
    newest = sorted((folder / "checkpoints").glob("step*"))[-1]
    with h5py.File(newest) as f:
        return {k: f["variables"][k][()].tobytes() for k in f["variables"]}


ROW = f"in 1 of 8 rows: sample {BAD}"
FORWARD = "in the forward pass"

with Scratch() as top:
    p = subprocess.run(["cc", "-shared", "-fPIC", "-fvisibility=hidden", "-O2", "-Wall",
                        "-Wextra", "-Werror", "-I", sys.argv[2], "-o", top / "breaks.so",
                        here / "anomaly/breaks.c"], text=True, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)
    c.ok("breaks.c builds", p.returncode == 0, p.stdout)
    for device in ("reference", "cpu", "async_fake"):
        run = dict(device=device)
        named(f"{device}: log of a negative number", experiment(top, -2.0, "log", **run),
              "made by log of model.act " + FORWARD, "1 NaN and 0 Inf of 24 elements",
              "its operand is finite: -2 to 5", ROW, "odd.yaml:", "(epoch 1)")
        named(f"{device}: exp overflows", experiment(top, 200, "exp", **run),
              "made by exp of model.act " + FORWARD, "0 NaN and 1 Inf of 24", ROW)
        named(f"{device}: sqrt at 0", experiment(top, 0.0, "sqrt", **run),
              "of model.act in the backward pass", ROW)
        named(f"{device}: NaN in the data", experiment(top, hole=BAD, **run),
              "the input 'data.x' is not finite before the step", "1 NaN and 0 Inf", ROW)
        named(f"{device}: the update", experiment(top, at=3.5, **run),
              "step 3 (epoch 1)", "a new value of a parameter is not finite",
              "made by log of optimizer.model.", "in the update")
        named(f"{device}: an infinity that is meant",
              experiment(top, -2.0, "mask", hole=BAD, **run),
              "the input 'data.x' is not finite")
        for accumulate in (2, 3):
            r = experiment(top, -2.0, "log", train=f"anomaly: true, accumulate: {accumulate}",
                           **run)
            named(f"{device}: accumulate {accumulate}", r, "made by log of model.act", ROW)
        r = experiment(top, at=2.5, train="anomaly: true, accumulate: 2", **run)
        named(f"{device}: accumulate, the update", r, "step 2 (epoch 1)",
              "made by log of optimizer.model.", "in the update")
        named(f"{device}: bf16", experiment(top, -2.0, "log", precision="bf16", **run),
              "made by log of model.act", ROW)
        named(f"{device}: f16", experiment(top, -2.0, "log", precision="f16", **run),
              "made by log of model.act", ROW)

    # ---- without the option: no word of it, but how to get it; then by resume
    r = experiment(top, -2.0, "log", train="clip: {norm: 1}")
    named("off", r, "loss nan", "with train.anomaly: true the operator where it began is named")
    c.ok("off: not looked for", "made by" not in r.err, r.err)
    folder = r.folder(top)
    c.within("off: the state before it is saved", r.err, "train.anomaly=true names the operator")
    before = weights(folder)
    r = runner("resume", folder, "train.anomaly=true", cwd=top, timeout=60)
    named("resumed with it", r, "made by log of model.act " + FORWARD, ROW)
    c.ok("resumed with it: the variables are what they were", weights(folder) == before)

    # ---- a run that has left out many steps, resumed with it
    r = experiment(top, -2.0, "log", train="on_nan: skip",
                   more=["train.epochs=6", "checkpoint.every=1ep"])
    c.ok("many steps left out", r.err.count("this update is left out") > 3, r.err)
    r = runner("resume", r.folder(top), "train.anomaly=true", "train.on_nan=stop",
               "train.epochs=8", cwd=top, timeout=60)
    named("resumed after many", r, "made by log of model.act " + FORWARD, ROW)

    # ---- two objectives: the one that fails is repeated
    r = experiment(top, -2.0, "log", more=["train.programs=[{name: first, minimize: loss, "
                   "update: model.weight}, {name: second, minimize: loss, update: model.scale}]"])
    named("two objectives", r, "made by log of model.act " + FORWARD, ROW)

    # ---- steps that are left out: each of the first is looked into, training goes on
    r = experiment(top, -2.0, "log", train="anomaly: true, on_nan: skip")
    named("on_nan: skip", r, "made by log of model.act " + FORWARD, ROW, code=0)
    with_it = weights(r.folder(top))
    r = experiment(top, -2.0, "log", train="on_nan: skip")
    c.ok("on_nan: skip: the same bits without it", weights(r.folder(top)) == with_it)
    r = experiment(top, -2.0, "log", precision="f16", train="anomaly: true, on_nan: skip")
    with_it = weights(r.folder(top))
    r = experiment(top, -2.0, "log", precision="f16", train="on_nan: skip")
    c.ok("f16, on_nan: skip: the same bits, the scale too", weights(r.folder(top)) == with_it)

    # ---- a run in which nothing goes wrong
    r = experiment(top, what="exp", value=1.0)
    named("finite", r, code=0)
    with_it = weights(r.folder(top))
    r = experiment(top, what="exp", value=1.0, train="clip: {norm: 1000000000}")
    c.ok("finite: no word", "finite" not in r.err, r.err)
c.done()

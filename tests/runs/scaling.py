# SPDX-License-Identifier: Apache-2.0
"""`precision: f16` with loss scaling: the scales of PyTorch's GradScaler on gradients
that really overflow; resume to the bit, and across precisions; what a scale is worth;
which steps are train.on_nan's; what is refused."""
import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

GOLDEN = json.loads(pathlib.Path(__file__).with_name("scaling_golden.json").read_text())
TEXT = """
name: scaled
precision: f16
data:
  source: {type: csv, file: rows.csv, target: y, target_type: float}
  batch: 8
model: {type: mlp, in: {x: data.x}, hidden: [8], outputs: 1}
init: {type: constant, value: 0.1}
loss: {type: mse, in: {prediction: model.out, target: data.y}}
optimizer: {type: sgd, lr: 0.001, momentum: 0}
train: {steps: 24, log_every: 1, loss_scale: {type: dynamic, initial: 4096, interval: 3}}
checkpoint: {keep: 60}
"""
BIG = "train.loss_scale.initial=1048576"


def rows_of(top, name, change=None):
    rows = [list(r) for r in GOLDEN["rows"]]
    if change:
        change(rows)
    (top / name).write_text("a,b,c,y\n" + "".join(
        ",".join(f"{v:g}" for v in r) + "\n" for r in rows))


def scales(folder, name=""):
    return [float(v) for v in series(folder, "train/loss_scale" + name)[1]]


def skips(folder):
    count = series(folder, "train/skipped_steps")[1]
    return [int(v) for v in np.diff(np.concatenate(([0], count)))]


def golden(c, top, path):
    for name, case in GOLDEN["cases"].items():
        o = case["options"]
        args = [f"train.steps={o['steps']}", f"optimizer.lr={o['rate']}",
                f"train.accumulate={o['parts']}", f"data.batch={8 // o['parts']}"]
        args += [f"train.loss_scale.{k}={o[k]}"
                 for k in ("initial", "growth", "backoff", "interval")]
        args += [f"train.clip.norm={o['clip']}"] if o["clip"] else []
        for device in ("cpu", "reference", "async_fake"):
            r, folder = train(path, *args, f"device={device}")
            what = f"{name} on {device}"
            if not c.equal(f"{what}: exit", r.code, 0):
                print(r.err)
                continue
            c.equal(f"{what}: scales", scales(folder), case["scales"])
            c.equal(f"{what}: left out", skips(folder), case["skipped"])
            got, want = series(folder, "train/loss")[1], np.array(case["losses"])
            c.ok(f"{what}: losses", np.allclose(got, want, rtol=1e-3), (got, want))
            n = sum(case["skipped"])
            c.within(f"{what}: said", r.err, f"overflowed in f16: {n};")
            log = (folder / "log.txt").read_text()
            c.equal(f"{what}: log.txt", log.count("left out; the loss scale is now"),
                    min(n, 20))


def resumed(c, path, *more):
    what = " ".join(more) or "whole"
    r, folder = train(path, *more)
    c.equal(f"{what}: exit", r.code, 0)
    r, part = train(path, "train.max_time=0.000001s", *more)
    c.equal(f"{what}: one step", (r.code, verified(part)[0]), (75, 1))
    for _ in range(7):
        r = runner("resume", part)
    c.equal(f"{what}: some more", (r.code, verified(part)[0]), (75, 8))
    kept = variables(part)
    c.equal(f"{what}: the scale is kept", float(kept["run.scale.train"]),
            scales(folder)[7])
    c.equal(f"{what}: so is the count", int(kept["run.overflows.train"]),
            sum(skips(folder)[:8]))
    r = runner("resume", part, "~train.max_time")
    c.equal(f"{what}: to the end", r.code, 0)
    c.equal(f"{what}: verify", verified(part), verified(folder))
    c.equal(f"{what}: run.h5 differs in",
            difference(datasets(part / "run.h5"), datasets(folder / "run.h5")), [])


def across(c, path):
    r, folder = train(path, "precision=f32", "train.steps=10")
    c.within("f32: said", r.err, "train.loss_scale: without precision: f16")
    c.ok("f32: no series", series(folder, "train/loss_scale") is None)
    before = variables(folder)
    c.ok("f32: no scale is kept", not [k for k in before if k.startswith("run.scale")])
    r = runner("resume", folder, "precision=f16", "train.steps=16")
    c.equal("f32 into f16: exit", r.code, 0)
    c.equal("f32 into f16: it begins with the first scale", scales(folder)[0],
            2048.0 if skips(folder)[0] else 4096.0)
    c.equal("f32 into f16: rows", len(series(folder, "train/loss")[1]), 16)
    c.equal("f32 into f16: rows of the scale",
            list(series(folder, "train/loss_scale")[0]), list(range(11, 17)))
    kept = variables(folder)
    c.equal("updates go on", int(kept["run.applied.train"]), 16 - sum(skips(folder)))
    r = runner("resume", folder, "precision=f32", "train.steps=20")
    c.equal("f16 into f32: exit", r.code, 0)
    c.equal("f16 into f32: rows", len(series(folder, "train/loss")[1]), 20)
    c.equal("f16 into f32: the scale ends",
            list(series(folder, "train/loss_scale")[0]), list(range(11, 17)))
    c.ok("f16 into f32: it is kept no more",
         not [k for k in variables(folder) if k.startswith("run.scale")])


def worth(c, top):
    """Gradients below what f16 can say: without a scale the first layer stands still,
    with one it moves as in f32."""
    text = TEXT.replace("{type: constant, value: 0.1}", "{type: normal, std: 0.5}").replace(
        "{type: mse,", "{type: mse, weight: 1e-11,").replace("0.001", "1e7")
    path = config(top, text, "small.yaml")
    moved = {}
    for name, args in (("f32", ["precision=f32"]), ("f16", []),
                       ("none", ["~train.loss_scale",
                                 "train.loss_scale={type: fixed, scale: 1}"]),
                       ("fixed", ["~train.loss_scale",
                                  "train.loss_scale={type: fixed, scale: 65536}"])):
        r, folder = train(path, "train.steps=8", "checkpoint.every=1st", *args)
        if not c.equal(f"small, {name}: exit", r.code, 0):
            print(r.err)
            return
        one, last = (variables(folder, f"step-{i:08}") for i in (1, 8))
        key = min(k for k in one if k.endswith("weight") and k.startswith("model."))
        moved[name] = last[key] - one[key]
        c.equal(f"small, {name}: a series", series(folder, "train/loss_scale") is None,
                name != "f16")
    size = np.abs(moved["f32"]).max()
    c.ok("f32 moves", size > 1e-3, size)
    c.equal("without a scale nothing moves", np.abs(moved["none"]).max(), 0.0)
    for name in ("f16", "fixed"):
        off = np.abs(moved[name] - moved["f32"]).max() / size
        c.ok(f"{name} moves as f32 does", off < 0.01, off)


def not_finite(c, top, path):
    """What a smaller scale does not cure is train.on_nan's."""
    r, folder = train(path, f"data.source.file={top}/huge.csv")
    c.equal("loss: exit", r.code, 5)
    c.within("loss: error", r.err, "loss inf")
    r, folder = train(path, f"data.source.file={top}/huge.csv", "train.on_nan=skip",
                      "train.steps=4")
    c.equal("loss, skipped in all of an epoch: exit", r.code, 5)
    c.equal("loss, skipped: the scale, as GradScaler's", scales(folder), [2048.0])
    r, folder = train(path, BIG, "train.loss_scale.least=500000")
    c.equal("least: exit", r.code, 5)
    c.within("least: error", r.err, "step 2: loss ")
    c.within("least: error", r.err, "at the smallest loss scale, 500000")
    r, folder = train(path, BIG, "train.loss_scale.least=500000", "train.on_nan=skip",
                      "train.steps=4")
    c.equal("least, skipped: exit", (r.code, scales(folder)),
            (5, [524288.0] + 2 * [500000.0]))
    fixed = ["~train.loss_scale", "train.loss_scale={type: fixed, scale: 1e6}"]
    r, folder = train(path, *fixed)
    c.equal("fixed: exit", r.code, 5)
    c.within("fixed: error", r.err, "step 0: loss ")


def several(c, top):
    """Each program of a step has its scale."""
    text = TEXT + """
"""
    text = text.replace("model: {type: mlp, in: {x: data.x}, hidden: [8], outputs: 1}",
                        "model:\n  one: {type: mlp, in: {x: data.x}, outputs: 1}\n"
                        "  two: {type: mlp, in: {x: data.x}, hidden: [8], outputs: 1}")
    text = text.replace(
        "loss: {type: mse, in: {prediction: model.out, target: data.y}}",
        "loss:\n  a: {type: mse, in: {prediction: model.one.out, target: data.y}}\n"
        "  b: {type: mse, weight: 1e-4, in: {prediction: model.two.out, target: data.y}}")
    text = text.replace("log_every: 1,", "log_every: 1, programs: [" + ", ".join(
        f"{{name: {n}, minimize: [{loss}], update: [model.{m}]}}"
        for n, loss, m in (("p", "a", "one"), ("q", "b", "two"))) + "],")
    r, folder = train(config(top, text, "several.yaml"))
    if not c.equal("several: exit", r.code, 0):
        print(r.err)
        return
    one, two = scales(folder, ".p"), scales(folder, ".q")
    c.ok("several: one falls", one[4] < 4096.0, one)
    c.equal("several: the other rises", max(two), two[-1])
    c.within("several: said", r.err, "p: steps left out as the gradient overflowed")


def refused(c, top):
    for was, words, parts in (
            ("initial: 4096", "initial: 0", [":11:71", "initial", "above 0"]),
            ("interval: 3", "interval: 0", [":11:87", "interval"]),
            ("interval: 3", "growth: 1", [":11:85", "growth", "above 1"]),
            ("interval: 3", "backoff: 1", [":11:86", "backoff", "below 1"]),
            ("interval: 3", "least: 5000", [":11:71", "first loss scale is 4096"]),
            ("interval: 3", "intervall: 3", [":11:77", "did you mean 'interval'?"]),
            ("dynamic", "dynamo", [":11:53", "'dynamo' is not a valid loss_scale",
                                   "dynamic, fixed"]),
            ("type: dynamic, ", "", [":11:46", "`type:` is missing"]),
            ("type: dynamic, initial: 4096, interval: 3", "type: fixed",
             [":11:46", "scale"]),
            ("{type: dynamic, initial: 4096, interval: 3}", "8", [":11:46"])):
        r = runner("plan", config(top, TEXT.replace(was, words), "refused.yaml"))
        c.equal(f"{words}: exit", r.code, 2)
        for p in parts:
            c.within(f"{words}: error", r.err, p)


def main():
    c = Checks()
    with Scratch() as scratch:
        top = pathlib.Path(scratch)
        rows_of(top, "rows.csv")
        rows_of(top, "huge.csv", lambda rows: rows[0].__setitem__(3, 3e38))
        path = config(top, TEXT)
        golden(c, top, path)
        resumed(c, path)
        resumed(c, path, "train.accumulate=2", "data.batch=4")
        across(c, path)
        worth(c, top)
        not_finite(c, top, path)
        several(c, top)
        refused(c, top)
    c.done()


main()

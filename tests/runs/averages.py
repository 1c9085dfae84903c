# SPDX-License-Identifier: Apache-2.0
"""Averages of parameters (ema, swa) beside torch.optim.swa_utils (averages_golden.py): their
values, refreshed batch statistics, what evaluations, the test, eval and predict use;
training keeps the bits of a run without them; resumed to the bit; what is refused."""
import csv
import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

GOLDEN = json.loads((pathlib.Path(__file__).parent / "averages_golden.json").read_text())
STEPS = GOLDEN["steps"]
TEXT = f"""
name: averages
seed: 2
data:
  train: {{type: npy, files: {{x: x.npy, label: label.npy}}}}
  val: {{type: npy, files: {{x: x.npy, label: label.npy}}}}
  test: {{type: npy, files: {{x: x.npy, label: label.npy}}}}
  batch: {len(GOLDEN["x"])}
model:
  type: sequential
  in: {{x: data.x}}
  layers:
    - {{type: batch_norm, momentum: {GOLDEN["follow"]}}}
    - {{type: dense, units: 3, init: zeros}}
loss: cross_entropy
optimizer: {{type: sgd, lr: 0.2, momentum: {GOLDEN["momentum"]}}}
train: {{steps: {STEPS}, eval_every: 4st, log_every: 1}}
"""
DEEP = """
name: deep
seed: 4
data:
  train: {type: npy, files: {x: x.npy, label: label.npy}}
  val: {type: npy, files: {x: x.npy, label: label.npy}}
  test: {type: npy, files: {x: x.npy, label: label.npy}}
  batch: 10
model:
  type: sequential
  in: {x: data.x}
  layers: [{type: dense, units: 6}, {type: batch_norm}, {type: relu}, {type: dropout, p: 0.1},
           {type: dense, units: 3}]
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: adam, lr: 0.02}
hooks: {type: swa, start: 3st, every: 2st}
train: {steps: 8, eval_every: 3st, log_every: 1}
checkpoint: {every: 1st, keep: 20}
"""


def predicted(folder, *args):
    out = pathlib.Path(folder) / "out.csv"
    r = runner("predict", folder, "--out", out, *args)
    rows = list(csv.reader(out.open()))[1:]
    return r, np.array([[float(v) for v in row[1:4]] for row in rows])


def evaluated(folder, *args):
    r = runner("eval", folder, "--json", *args)
    return r, json.loads(r.out)


def golden(c, path):
    for name, case in GOLDEN["cases"].items():
        for device in ("reference", "cpu", "async_fake"):
            what = f"{name}, {device}"
            r, folder = train(path, f"hooks={case['hook']}", f"data.batch={case['batch']}",
                              f"optimizer.lr={case['rate']}", f"device={device}")
            c.equal(f"{what}: exit", r.code, 0)
            have = variables(folder)
            c.equal(f"{what}: updates", int(have["average.updates"]), case["updates"])
            for v, want in case["average"].items():
                got = have.get(f"average.model.{v}", have[f"model.{v}"])
                off = np.abs(got - np.array(want)).max()
                c.ok(f"{what}: {v}", off < 2e-5, f"  {off}")
            r, logits = predicted(folder)
            off = np.abs(logits - np.array(case["logits"])).max()
            c.ok(f"{what}: predict", r.code == 0 and off < 5e-5, f"  {off}")
            c.within(f"{what}: predict says so", r.err,
                     f"averages after step {STEPS} ({case['updates']} updates)")
            r, values = evaluated(folder)
            c.close(f"{what}: eval", values["test/loss"], case["loss"], 2e-5)
            c.equal(f"{what}: eval says so", values["parameters"], "average")
            c.equal(f"{what}: the test used them", series(folder, "test/loss")[1][-1],
                    values["test/loss"])
            c.equal(f"{what}: the last evaluation too", series(folder, "val/loss")[1][-1],
                    values["test/loss"])
            r, values = evaluated(folder, "--raw-parameters")
            c.ok(f"{what}: eval without them", values["parameters"] == "raw" and
                 (name == "refresh" or abs(values["test/loss"] - case["raw_loss"]) < 2e-5),
                 (values, case["raw_loss"]))


def of_training(have):
    return {k: v.tobytes() for k, v in have.items() if not k.startswith("average.")}


def aside(c, path, deep):
    """Training has the bits of a run without the hook."""
    for name, config_, hooks in [
            ("ema", path, "{type: ema, decay: 0.9}"), ("swa", path, "{type: swa}"),
            ("deep", deep, "{type: swa, start: 3st, every: 2st}"),
            ("deep, ema", deep, "{type: ema, statistics: refresh, decay: 0.5}")]:
        for more in ([], ["data.batch=5", "train.accumulate=2"], ["precision=bf16"]):
            r, with_ = train(config_, f"hooks={hooks}", *more)
            c.equal(f"{name} {more}: exit", r.code, 0)
            r, without = train(config_, "~hooks" if config_ == deep else "seed=2", *more)
            c.equal(f"{name} {more}: the same training", of_training(variables(with_)),
                    of_training(variables(without)))
            c.ok(f"{name} {more}: the same losses", np.array_equal(
                series(with_, "train/loss")[1], series(without, "train/loss")[1]))
            r, raw = evaluated(with_, "--raw-parameters")
            r, plain = evaluated(without)
            c.equal(f"{name} {more}: raw is what the other run has", raw["test/loss"],
                    plain["test/loss"])
            c.ok(f"{name} {more}: nothing is said without averages", "parameters" not in plain
                 and "parameters" not in r.err)


def refreshed(c, deep, x):
    """The statistics of the averaged network over batches in file order, in f64."""
    for hooks in ("{type: swa, start: 3st, every: 2st}",
                  "{type: ema, decay: 0.5, statistics: refresh}"):
        r, folder = train(deep, f"hooks={hooks}")
        have = {k: v.astype(np.float64) for k, v in variables(folder).items()}
        w, b = have["average.model.dense1.weight"], have["average.model.dense1.bias"]
        hidden = x @ w.T + b
        parts = [hidden[i:i + 10] for i in range(0, len(x), 10)]
        for v, want in [("mean", np.mean([p.mean(0) for p in parts], 0)),
                        ("variance", np.mean([p.var(0, ddof=1) for p in parts], 0))]:
            off = np.abs(have[f"average.model.batch_norm2.{v}"] - want).max()
            c.ok(f"{hooks}: {v}", off < 1e-5, f"  {off}")
            c.ok(f"{hooks}: training has another {v}",
                 np.abs(have[f"model.batch_norm2.{v}"] - want).max() > 1e-3)
    # Every checkpoint at which the run evaluates can be evaluated alone.
    at, losses = series(folder, "val/loss")
    for step, loss in zip(at, losses):
        r, values = evaluated(folder, "--checkpoint", f"step-{step:08}", "--split", "val")
        c.equal(f"step {step} alone", values.get("val/loss"), loss)
    r = runner("eval", folder, "--checkpoint", "step-00000004")
    c.equal("one in between: exit", r.code, 8)
    c.within("one in between: why", r.err, "averages without running statistics")
    c.within("one in between: the way out", r.err, "--raw-parameters")
    c.equal("one in between: raw", runner("eval", folder, "--checkpoint", "step-00000004",
                                          "--raw-parameters").code, 0)


def samples(c, deep, x):
    """A pass reads each row of the training split once, as it is, whatever training reads."""
    step = "{type: ema, decay: 0.5, statistics: refresh}"
    for more in (["data.sampler={type: balanced, of: label}", "data.batch=7"],
                 ["data.sampler={type: balanced, of: label, samples: 35}", "data.batch=10"],
                 ["collate={type: mixup}"], ["data.workers=2"],
                 ["data.resident=always"], ["train.on_nan=skip"]):
        r, folder = train(deep, f"hooks={step}", "model.layers.3.p=0", *more)
        if not c.equal(f"{more}: exit", r.code, 0):
            print(r.err)
            continue
        have = {k: v.astype(np.float64) for k, v in variables(folder).items()}
        hidden = x @ have["average.model.dense1.weight"].T + have["average.model.dense1.bias"]
        batch = 7 if "data.batch=7" in more else 10
        parts = [hidden[i:i + batch] for i in range(0, len(x), batch)]
        off = np.abs(have["average.model.batch_norm2.mean"] -
                     np.mean([p.mean(0) for p in parts], 0)).max()
        c.ok(f"{more}: the mean", off < 1e-5, f"  {off}")


def resumed(c, deep):
    for hooks in ("{type: swa, start: 3st, every: 2st}", "{type: ema, decay: 0.7}",
                  "{type: ema, decay: 0.7, warmup: true, statistics: refresh}"):
        best = "checkpoint.best={monitor: val/loss}"
        r, whole = train(deep, f"hooks={hooks}", best)
        c.equal(f"{hooks}: exit", r.code, 0)
        r, folder = train(deep, f"hooks={hooks}", best, "train.max_time=0.000001s")
        c.equal(f"{hooks}: stopped", r.code, 75)
        for step in range(2, 8):
            r = runner("resume", folder)
            c.equal(f"{hooks}: stopped after {step}", r.code, 75)
        r = runner("resume", folder, "~train.max_time")
        c.equal(f"{hooks}: resumed", r.code, 0)
        c.equal(f"{hooks}: to the bit", verified(folder), verified(whole))
        same = {k: v.tobytes() for k, v in variables(folder).items()}
        c.equal(f"{hooks}: averages to the bit", same,
                {k: v.tobytes() for k, v in variables(whole).items()})
        r, values = evaluated(folder)
        c.equal(f"{hooks}: eval uses the averages of the best", values["test/loss"],
                series(whole, "test/loss")[1][-1])
    # Later, another way, or no more.
    r, folder = train(deep, "~hooks", "train.steps=4")
    r = runner("resume", folder, "hooks={type: ema, decay: 0.5}", "train.steps=8")
    c.equal("begun when resumed: exit", r.code, 0)
    c.equal("begun when resumed: updates", int(variables(folder)["average.updates"]), 4)
    r = runner("resume", folder, "~hooks", "train.steps=9")
    c.equal("without it: exit", r.code, 0)
    c.ok("without it: no averages", not any(k.startswith("average") for k in variables(folder)))
    r, folder = train(deep, "hooks={type: ema, statistics: current}", "train.steps=4")
    r = runner("resume", folder, "hooks.statistics=average", "train.steps=8")
    c.equal("other statistics: exit", r.code, 8)
    c.within("other statistics: why", r.err, "must stay once averages have begun")


def refused(c, deep):
    r = runner("plan", deep, "hooks=[{type: ema}, {type: swa}]")
    c.equal("two: exit", r.code, 2)
    c.within("two: why", r.err, "hooks.1 averages parameters, and so does hooks.0")
    for verb in ([], ["plan"]):
        r = runner(*verb, deep, "hooks.start=9st")
        c.equal(f"{verb} too late: exit", r.code, 2)
        c.within(f"{verb} too late: why", r.err,
                 "averages would begin after step 9, but the run has 8 steps")
    r = runner("plan", deep, "hooks.start=8st")
    c.equal("just in time: exit", r.code, 0)
    r = runner(deep, "hooks={type: ema, decay: 1}")
    c.equal("decay 1: exit", r.code, 2)


def main():
    c = Checks()
    with Scratch() as scratch:
        top = pathlib.Path(scratch)
        x = np.array(GOLDEN["x"], np.float32)
        np.save(top / "x.npy", x)
        np.save(top / "label.npy", np.array(GOLDEN["label"]))
        path, deep = config(top, TEXT), config(top, DEEP, "deep.yaml")
        golden(c, path)
        aside(c, path, deep)
        refreshed(c, deep, x.astype(np.float64))
        samples(c, deep, x.astype(np.float64))
        resumed(c, deep)
        refused(c, deep)
    c.done()


main()

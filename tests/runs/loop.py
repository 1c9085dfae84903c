# SPDX-License-Identifier: Apache-2.0
"""What the loop does to parameters and records, beside numpy: softmax regression on 57 rows,
whose gradient is one line."""
import itertools
import json
import pathlib
import re
import sys

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

ROWS, WIDTH, CLASSES = 57, 5, 3
BASE = """
name: base
seed: 5
data:
  train: {type: npy, files: {x: x.npy, label: label.npy}}
  val: {type: npy, files: {x: vx.npy, label: vlabel.npy}}
  test: {type: npy, files: {x: vx.npy, label: vlabel.npy}}
  batch: 57
  eval_batch: 16
model:
  type: sequential
  in: {x: data.x}
  layers:
    - {type: dense, units: 3, name: fc}
loss: {type: cross_entropy, in: {logits: model.out, label: data.label}}
metrics: [accuracy]
optimizer: {type: sgd, lr: 0.5}
train: {steps: 1, log_every: 1}
"""
rng = np.random.default_rng(7)
X = rng.normal(size=(ROWS, WIDTH)).astype(np.float32)
Y = rng.integers(0, CLASSES, ROWS)
VX = rng.normal(size=(41, WIDTH)).astype(np.float32)
VY = rng.integers(0, CLASSES, 41)


def log_softmax(z):
    z = z - z.max(1, keepdims=True)
    return z - np.log(np.exp(z).sum(1, keepdims=True))


def gradient(w, b, x=X, y=Y, weight=None):
    """(loss, dw, db) of the weighted mean."""
    weight = np.ones(len(y)) if weight is None else weight
    x = x.astype(np.float64)
    logp = log_softmax(x @ w.T + b)
    loss = -(weight * logp[np.arange(len(y)), y]).sum() / weight.sum()
    d = (np.exp(logp) - np.eye(CLASSES)[y]) * (weight / weight.sum())[:, None]
    return loss, d.T @ x, d.sum(0)


def parameters(folder, checkpoint=None):
    v = variables(folder, checkpoint)
    return [v[k].astype(np.float64) for k in ("model.fc.weight", "model.fc.bias")]


def near(c, what, got, want, tolerance=2e-6):
    far = np.max(np.abs(np.asarray(got) - np.asarray(want)), initial=0)
    c.ok(what, np.shape(got) == np.shape(want) and far <= tolerance, f"  off by {far}")


class Suite:
    def __init__(self, c, top):
        self.c, self.top = c, top
        for name, a in (("x", X), ("label", Y), ("vx", VX), ("vlabel", VY)):
            np.save(top / f"{name}.npy", a)
        self.path = config(top, BASE)
        _, folder = train(self.path, "optimizer.lr=0")
        self.w, self.b = parameters(folder)

    def run(self, what, *args, code=0):
        r, folder = train(self.path, *args)
        if not self.c.equal(f"{what}: exit", r.code, code):
            print(r.err)
        return r, folder

    def samples(self, x, label):
        """Paths on the command line begin where the command runs."""
        return (f"data.train={{type: npy, files: {{x: '{self.top}/{x}',"
                f" label: '{self.top}/{label}'}}}}")

    def one_step(self):
        c, w, b = self.c, self.w, self.b
        loss, dw, db = gradient(w, b)
        norm = np.sqrt((dw ** 2).sum() + (db ** 2).sum())
        _, f = self.run("plain")
        near(c, "plain: weight", parameters(f)[0], w - 0.5 * dw)
        near(c, "plain: bias", parameters(f)[1], b - 0.5 * db)
        near(c, "plain: train/loss", series(f, "train/loss")[1], [loss])
        near(c, "plain: train/gradient_norm", series(f, "train/gradient_norm")[1], [norm])

        _, f = self.run("clip by norm", f"train.clip.norm={norm / 3:.9f}")
        near(c, "clip by norm", parameters(f)[0], w - 0.5 * dw / 3)
        near(c, "clip by norm: told before", series(f, "train/gradient_norm")[1], [norm])
        _, f = self.run("no clip below the norm", f"train.clip.norm={norm * 3:.9f}")
        near(c, "no clip below the norm", parameters(f)[0], w - 0.5 * dw)
        _, f = self.run("clip by value", "train.clip.value=0.05")
        near(c, "clip by value", parameters(f)[0], w - 0.5 * np.clip(dw, -0.05, 0.05))
        near(c, "clip by value: bias", parameters(f)[1], b - 0.5 * np.clip(db, -0.05, 0.05))
        c.ok("clip by value: did something", np.abs(dw).max() > 0.05)

        groups = ("optimizer={w: {match: {role: weight}, type: sgd, lr: 0.5,"
                  " weight_decay: 0.1}, rest: {match: rest, type: sgd, lr: 0}}")
        _, f = self.run("groups", groups)
        near(c, "groups: weight", parameters(f)[0], w - 0.5 * (dw + 0.1 * w))
        c.ok("groups: lr 0 leaves the bias", (parameters(f)[1] == b).all())
        names = {k.split("/", 1)[1] for k in datasets(f / "run.h5") if "scalars/live" in k}
        c.ok("groups: each rate is recorded", {"live/optimizer.w.lr/value",
                                               "live/optimizer.rest.lr/value"} <= names)
        _, f = self.run("frozen", "train.freeze=[model.fc.weight]")
        c.ok("frozen: the same bits", (parameters(f)[0] == w).all())
        near(c, "frozen: the other moves", parameters(f)[1], b - 0.5 * db)
        r, _ = self.run("all frozen", "train.freeze=[model]", code=2)

        weights = np.array([0.5, 2.0, 1.0])
        weighted = "loss.class_weights=[0.5, 2, 1]"
        loss, dw, db = gradient(w, b, weight=weights[Y])
        _, f = self.run("weighted", weighted)
        near(c, "weighted", parameters(f)[0], w - 0.5 * dw)
        # Micro-batches of 16, 16, 16 and 9: their weights differ, the step is one.
        _, f = self.run("weighted, accumulated", weighted, "data.batch=16",
                        "train.accumulate=4")
        near(c, "weighted, accumulated", parameters(f)[0], w - 0.5 * dw)
        near(c, "weighted, accumulated: loss", series(f, "train/loss")[1], [loss])
        vloss = gradient(w - 0.5 * dw, b - 0.5 * db, VX, VY, weights[VY])[0]
        near(c, "weighted: val/loss", series(f, "val/loss")[1], [vloss], 1e-5)

    def accumulation(self):
        """Two epochs: steps of 32 rows and of the 25 left, in one go or in parts of 8."""
        c = self.c
        more = ["train.steps=4", "optimizer.momentum=0.9"]
        _, whole = self.run("in one go", "data.batch=32", *more)
        _, parts = self.run("in parts", "data.batch=8", "train.accumulate=4", *more)
        for i, name in enumerate(("weight", "bias")):
            near(c, f"in parts as in one go: {name}", parameters(parts)[i],
                 parameters(whole)[i])
        near(c, "in parts as in one go: loss", series(parts, "train/loss")[1],
             series(whole, "train/loss")[1])
        near(c, "in parts as in one go: norm", series(parts, "train/gradient_norm")[1],
             series(whole, "train/gradient_norm")[1])
        two = ["loss={a: {type: cross_entropy, in: {logits: model.out, label: data.label}},"
               " b: {type: focal, weight: 0.25, in: {logits: model.out, label: data.label}}}"]
        _, whole = self.run("two losses", "data.batch=32", *more, *two)
        _, parts = self.run("two losses in parts", "data.batch=8", "train.accumulate=4",
                            *more, *two)
        near(c, "two losses in parts", parameters(parts)[0], parameters(whole)[0])
        val = [series(whole, s)[1][-1] for s in ("val/loss", "val/loss.a", "val/loss.b")]
        near(c, "the total is weighted", val[0], val[1] + 0.25 * val[2])

    def last_batch(self):
        """Batches of 16, 16, 16, 9: all rows count once and the same."""
        c, w, b = self.c, self.w, self.b
        _, f = self.run("an epoch", "data.batch=16", "~train.steps", "train.epochs=1",
                        "optimizer.lr=0")
        steps, losses = series(f, "train/loss")
        c.equal("an epoch: its steps", steps.tolist(), [1, 2, 3, 4])
        near(c, "an epoch: mean over all rows", series(f, "train/epoch_loss")[1],
             [gradient(w, b)[0]])
        near(c, "an epoch: the last is a mean of 9",
             (losses * [16, 16, 16, 9]).sum() / 57, gradient(w, b)[0])
        # Evaluation in parts of 16, 16, 9.
        logp = log_softmax(VX.astype(np.float64) @ w.T + b)
        near(c, "val/loss over all rows", series(f, "val/loss")[1],
             [-logp[np.arange(41), VY].mean()])
        near(c, "val/accuracy over all rows", series(f, "val/accuracy")[1],
             [(logp.argmax(1) == VY).mean()], 1e-7)
        r = runner("predict", f)
        rows = [line.split(",") for line in r.out.splitlines()]
        c.equal("predict: a line a sample", len(rows), 42)
        table = np.array(rows[1:], dtype=np.float64)
        near(c, "predict: logits", table[:, 1:4], VX.astype(np.float64) @ w.T + b, 1e-5)
        near(c, "predict: accuracy by hand", (table[:, 4] == VY).mean(),
             series(f, "val/accuracy")[1][0], 1e-7)
        r = runner("eval", f, "--split", "val", "--json")
        near(c, "eval: the same", [json.loads(r.out)["val/loss"]], series(f, "val/loss")[1])

    def batch_statistics(self):
        """5 rows in batches of 3 and 2: running statistics are those of the two batches,
        in one of the ten possible divisions."""
        c = self.c
        x, y = X[:5], Y[:5]
        np.save(self.top / "x5.npy", x), np.save(self.top / "y5.npy", y)
        _, f = self.run(
            "batch norm", self.samples("x5.npy", "y5.npy"),
            "data.batch=3", "train.steps=2", "optimizer.lr=0",
            "model.layers=[{type: batch_norm}, {type: dense, units: 3}]")
        v = variables(f)
        mean = next(a for k, a in v.items() if "mean" in k).reshape(-1)
        var = next(a for k, a in v.items() if "var" in k).reshape(-1)
        fits = 0
        for first in itertools.combinations(range(5), 3):
            batches = [x[list(first)], x[[i for i in range(5) if i not in first]]]
            m, s = np.zeros(WIDTH), np.ones(WIDTH)
            for part in batches:
                m = 0.9 * m + 0.1 * part.mean(0)
                s = 0.9 * s + 0.1 * part.var(0, ddof=1)
            fits += np.allclose(m, mean, atol=1e-6) and np.allclose(s, var, atol=1e-6)
        c.equal("batch norm: statistics of one division", fits, 1)

    def lonely_rows(self):
        """A batch of one row has no variance: refused where all batches are such, left out
        of the running statistics where the last of an epoch is."""
        c = self.c
        np.save(self.top / "x5.npy", X[:5]), np.save(self.top / "y5.npy", Y[:5])
        norm = "model.layers=[{type: batch_norm, name: bn}, {type: dense, units: 3}]"
        five = self.samples("x5.npy", "y5.npy")
        r, f = self.run("one row left", five, norm, "data.batch=4", "train.steps=2",
                        "optimizer.lr=0", "train.log_every=1")
        c.within("one row left: says so", r.err, "model.bn: batch_norm has one value per "
                 "channel in the last batch of an epoch (5 rows in batches of 4)")
        v = variables(f)
        fits = 0
        for rest in range(5):
            part = np.delete(X[:5], rest, 0)
            fits += (np.allclose(v["model.bn.mean"], 0.1 * part.mean(0), atol=1e-6) and
                     np.allclose(v["model.bn.variance"],
                                 0.9 + 0.1 * part.var(0, ddof=1), atol=1e-6))
        c.equal("one row left: statistics of the four", fits, 1)
        r, f = self.run("never reached", five, norm, "data.batch=4", "train.steps=1")
        c.ok("never reached: nothing said", "one value" not in r.err, r.err)
        r, f = self.run("one row left, parts", five, norm, "data.batch=2",
                        "train.accumulate=2", "train.steps=2", "optimizer.lr=0",
                        "train.lookahead={every: 2}")
        c.within("one row left, parts: says so", r.err, "5 rows in batches of 2")
        for what, more in (
                ("batch 1", [norm, "data.batch=1"]),
                ("parts of 1", [norm, "data.batch=1", "train.accumulate=8"]),
                ("layer", ["model.layers=[{type: dense, units: 1}, {type: layer_norm, "
                           "name: bn}, {type: dense, units: 3}]"]),
                ("groups", [norm.replace("batch_norm", "group_norm, groups: 5")])):
            for verb in ("train", "plan"):
                r = runner(*(["plan"] if verb == "plan" else []), self.path, *more)
                c.equal(f"{verb}, one value, {what}: refused", r.code, 2)
                c.within(f"{verb}, one value, {what}: says where", r.err, "run.yaml:")
                c.within(f"{verb}, one value, {what}: says so", r.err, "model.bn: ")

    def lengths(self):
        c = self.c
        _, f = self.run("epochs", "data.batch=16", "~train.steps", "train.epochs=3")
        c.equal("epochs: steps", verified(f)[0], 12)
        c.equal("epochs: evaluated after each", series(f, "val/loss")[0].tolist(), [4, 8, 12])
        _, f = self.run("steps", "data.batch=16", "train.steps=10", "train.eval_every=3st",
                        "train.log_every=4", "checkpoint={every: 2st, keep: 3}")
        c.equal("steps: steps", verified(f)[0], 10)
        c.equal("steps: evaluated", series(f, "val/loss")[0].tolist(), [3, 6, 9, 10])
        c.equal("steps: logged", series(f, "train/loss")[0].tolist(), [4, 8, 10])
        c.equal("steps: the last three stay",
                sorted(p.name for p in (f / "checkpoints").iterdir()),
                ["step-00000006.h5", "step-00000008.h5", "step-00000010.h5"])
        c.equal("steps: CURRENT", (f / "CURRENT").read_text().split()[0], "step-00000010")
        r = runner(self.path, "train.epochs=2", "train.steps=2", f"output={self.top}/runs")
        c.equal("both lengths: refused", r.code, 2)
        c.within("both lengths: says so", r.err, "train.steps and train.epochs")

    def best_and_early(self):
        """Random labels are learnt by heart: validation gets worse, and it stops."""
        c = self.c
        more = ["~train.steps", "train.epochs=60", "data.batch=19", "optimizer.lr=1",
                "model={type: mlp, in: {x: data.x}, hidden: [32], outputs: 3}",
                "train.early_stop={monitor: val/loss, patience: 3}",
                "checkpoint.best={monitor: val/loss}"]
        r, f = self.run("early", *more)
        steps, values = series(f, "val/loss")
        best = int(np.argmin(values))
        c.ok("early: before the end", len(values) < 60)
        c.equal("early: three evaluations after the best", len(values) - 1 - best, 3)
        c.within("early: says so", r.err, "val/loss has not become better for 3")
        c.within("early: last words", r.err, "Stopped early")
        with h5py.File(f / "checkpoints/best.h5") as h:
            c.equal("best: its step", int(h.attrs["step"]), int(steps[best]))
        c.equal("best: the newest is another", verified(f)[0], int(steps[-1]))
        ev = runner("eval", f, "--split", "val", "--json")
        near(c, "best: eval takes it", [json.loads(ev.out)["val/loss"]], [values[best]])
        near(c, "best: the test is made with it", series(f, "test/loss")[1], [values[best]], 0)
        last = (f / "CURRENT").read_text().split()[0]
        ev = runner("eval", f, "--split", "val", "--json", "--checkpoint", last)
        near(c, "eval of the newest", [json.loads(ev.out)["val/loss"]], [values[-1]])
        whole = datasets(f / "run.h5")
        r = runner("resume", f)
        c.equal("early: resume changes nothing",
                (r.code, difference(datasets(f / "run.h5"), whole)), (0, []))
        r = runner("resume", f, "train.early_stop.patience=5")
        c.equal("early: more patience goes on", len(series(f, "val/loss")[1]) - 1 - best, 5)
        r, _ = self.run("no such monitor", "train.early_stop={monitor: val/los}", code=2)
        c.within("no such monitor: the nearest", r.err, "val/loss")

    def not_finite(self):
        c = self.c
        bad = X.copy()
        bad[11] = 3e38
        np.save(self.top / "bad.npy", bad)
        data = self.samples("bad.npy", "label.npy")
        norm = "model.layers=[{type: batch_norm}, {type: dense, units: 3, name: fc}]"
        for what, more in (("stop", []), ("stop, batch norm", [norm])):
            r, f = self.run(what, data, "data.batch=8", "train.steps=30",
                            "checkpoint.every=1000st", *more, code=5)
            m = re.search(r"error: step (\d+): (loss|a running statistic)", r.err)
            c.ok(f"{what}: names the step", m, r.err)
            step = int(m.group(1))
            c.equal(f"{what}: nothing is lost", verified(f)[0], step)
            c.ok(f"{what}: all finite", all(np.isfinite(a).all()
                                            for a in variables(f).values()))
            c.equal(f"{what}: the rows too", series(f, "train/loss")[0].tolist(),
                    list(range(1, step + 1)))
            r = runner("resume", f)
            c.equal(f"{what}: again at the same step", (r.code, verified(f)[0]), (5, step))
            r = runner("resume", f, "train.on_nan=skip")
            c.equal(f"{what}: resumed with skip", (r.code, verified(f)[0]), (0, 30))
            _, g = self.run(what, data, "data.batch=8", "train.steps=30",
                            "train.on_nan=skip", *more)
            c.equal(f"{what}: as if from the start", verified(f)[2], verified(g)[2])
        for what, more in (("skip", ["data.batch=8"]),
                           ("skip, accumulated", ["data.batch=4", "train.accumulate=2"])):
            r, f = self.run(what, data, "train.on_nan=skip", "~train.steps",
                            "train.epochs=3", norm, *more)
            v = variables(f)
            c.ok(f"{what}: all finite", all(np.isfinite(a).all() for a in v.values()),
                 str(v))
            c.equal(f"{what}: one step an epoch is left out",
                    int(v["run.applied.train"]), 3 * 8 - 3)
            c.within(f"{what}: says so", r.err, "this update is left out")


c = Checks()
with Scratch() as top:
    suite = Suite(c, top)
    suite.one_step()
    suite.accumulation()
    suite.last_batch()
    suite.batch_statistics()
    suite.lonely_rows()
    suite.lengths()
    suite.best_and_early()
    suite.not_finite()
c.done()

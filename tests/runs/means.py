# SPDX-License-Identifier: Apache-2.0
"""Means of losses: an epoch's loss is the split's as eval computes it, whatever weighs and
however the rows are divided; rows without weight change nothing; what a loss of the batch
means in evaluation; a run that learns nothing ends as diverged. The numbers are numpy's."""
import json
import pathlib
import subprocess
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import ROOT, Checks, Scratch  # noqa: E402

ROWS, WIDTH, CLASSES = 13, 3, 3
rng = np.random.default_rng(3)
X = rng.normal(size=(ROWS, WIDTH)).astype(np.float32)
Y = rng.integers(0, CLASSES, ROWS)
W = rng.uniform(0.1, 3, ROWS).astype(np.float32)
CW = [1.0, 20.0, 0.0]
BASE = """
name: base
device: {type: reference}
data:
  train: {type: npy, files: {x: x.npy, label: y.npy, w: w.npy, z: z.npy}}
  val: {type: npy, files: {x: x.npy, label: y.npy, w: w.npy, z: z.npy}}
  batch: 4
model:
  type: sequential
  in: {x: data.x}
  layers:
    - {type: dense, units: 3, name: fc}
loss: {type: cross_entropy, in: {logits: model.out, label: data.label}}
optimizer: {type: sgd, lr: 0}
train: {epochs: 2, log_every: 1}
"""
PORTS = "logits: model.out, label: data.label"
WEIGHTED = f"{{type: cross_entropy, in: {{{PORTS}, weight: data.w}}}}"
CLASSED = f"{{type: cross_entropy, class_weights: {CW}, in: {{{PORTS}}}}}"
FOCAL = f"{{type: focal, weight: 0.5, in: {{{PORTS}, weight: data.z}}}}"
# A loss of the batch as a whole.
PLUGIN = r"""
#include <runner/runner.h>
static int32_t describe(struct rn_build *b) {
    rn_value x = rn_input(b, "x"), mean = rn_reduce_mean_axis(b, x, 0, 1);
    rn_output(b, "loss", rn_reduce_mean_all(b, rn_square(b, rn_sub(b, x, mean))));
    return RN_OK;
}
RN_LOSS(spread, describe, "test/spread 1", RN_DOC("variance within the batch")
        RN_IN("x float [N,C] | x") RN_OUT("loss float [] ; scope batch | x"));
RN_PLUGIN(&spread);
"""


def run(c, what, path, *args, code=0):
    r, folder = train(path, *args)
    c.equal(f"{what}: exit", r.code, code) or print(r.err)
    return r, folder


def evaluated(folder, split, *args):
    r = runner("eval", folder, "--split", split, "--json", *args)
    return json.loads(r.out) if r.code == 0 else r.err


def unweighted(c, top, path):
    """A row that weighs 0 does not count, whatever its target is: its loss is infinite."""
    w = np.where(np.arange(ROWS) % 3 == 1, 0, W).astype(np.float32)
    t = rng.normal(size=(ROWS, 3)).astype(np.float32)
    np.save(top / "u.npy", w)
    near = {"mse": t, "huber": t, "bce": 0.5 + 0.1 * t,
            "soft_cross_entropy": np.exp(t) / np.exp(t).sum(1, keepdims=True)}
    for kind, counted in near.items():
        weights = {}
        for what, far in (("near", 0.5), ("far", 3e38)):
            target = np.where((w == 0)[:, None], far, counted)
            np.save(top / "t.npy", target.astype(np.float32))
            port = "prediction" if counted is t else "logits"
            own = config(top, f"""
name: base
device: {{type: reference}}
data:
  source: {{type: npy, files: {{x: x.npy, t: t.npy, u: u.npy}}}}
  batch: 4
model: {{type: sequential, in: {{x: data.x}}, layers: [{{type: dense, units: 3}}]}}
loss: {{type: {kind}, in: {{{port}: model.out, target: data.t, weight: data.u}}}}
optimizer: {{type: sgd, lr: 0.1}}
train: {{epochs: 2}}
""", "own.yaml")
            r, f = run(c, f"{kind}, {what}", own)
            weights[what] = runner("predict", f).out
        c.ok(f"{kind}: the same predictions", "nan" not in weights["far"] and
             len(weights["far"].splitlines()) == ROWS + 1 and
             weights["near"] == weights["far"], str(weights))


def epochs(c, top, path):
    """lr 0: every epoch's loss is that of the split."""
    for title, loss, of in (
            ("plain", None, lambda l: l.mean()),
            ("sample weights", WEIGHTED, lambda l: np.average(l, weights=W)),
            ("class weights", CLASSED, lambda l: np.average(l, weights=np.array(CW)[Y])),
            ("two losses", f"{{a: {CLASSED}, b: {FOCAL}}}", None)):
        more = [f"loss={loss}"] if loss else []
        for what, parts in (("batch 1", ["data.batch=1"]), ("batch 4", []),
                            ("parts", ["data.batch=2", "train.accumulate=3"]),
                            ("parts of one", ["data.batch=1", "train.accumulate=4"])):
            r, f = run(c, f"{title}, {what}", path, *more, *parts)
            whole = evaluated(f, "train")["train/loss"]
            c.ok(f"{title}, {what}: each epoch's loss is the split's",
                 np.allclose(series(f, "train/epoch_loss")[1], whole, rtol=2e-6),
                 f"{series(f, 'train/epoch_loss')[1]} {whole}")
            c.close(f"{title}, {what}: and val's", series(f, "val/loss")[1][0], whole, 1e-6)
            if of:
                v = variables(f)
                z = X.astype(float) @ v["model.fc.weight"].T + v["model.fc.bias"]
                z -= z.max(1, keepdims=True)
                ce = np.log(np.exp(z).sum(1)) - z[np.arange(ROWS), Y]
                c.close(f"{title}, {what}: numpy's", whole, of(ce), 2e-6)
    programs = (f"train.programs=[{{name: one, minimize: [a]}},"
                f"{{name: two, minimize: [b], every: 2}}]")
    r, f = run(c, "two programs", path, f"loss={{a: {CLASSED}, b: {FOCAL}}}", programs,
               "data.batch=1", "train.epochs=1")
    got = {k: series(f, f"train/loss.{k}")[1] for k in ("one", "two")}
    c.equal("two programs: only steps that weigh something have a mean",
            [len(got[k]) for k in ("one", "two")],
            [int(variables(f)[f"run.applied.{k}"]) for k in ("one", "two")])
    c.ok("two programs: one every other step", 0 < len(got["two"]) < 8)


def resumed(c, top, path):
    """Stopped within an epoch and gone on: the same epoch loss to the bit."""
    more = [f"loss={{a: {CLASSED}, b: {FOCAL}}}", "data.batch=2", "train.log_every=3",
            "optimizer.lr=0.1"]
    r, whole = run(c, "in one go", path, *more, "checkpoint.keep=20", "checkpoint.every=1st")
    for step in (3, 5, 9):
        r, f = run(c, "stopped", path, *more, f"train.steps={step}", "~train.epochs")
        r = runner("resume", f, "~train.steps", "train.epochs=2")
        c.equal(f"resumed at {step}", r.code, 0) or print(r.err)
        for s in ("train/epoch_loss",):
            c.equal(f"resumed at {step}: {s}", series(f, s)[1].tolist(),
                    series(whole, s)[1].tolist())


def nothing_weighs(c, top, path):
    """A step whose rows all weigh 0 changes nothing, in one go or in parts."""
    np.save(top / "none.npy", np.zeros(ROWS, np.float32))
    none = (f"data.train={{type: npy, files: {{x: '{top}/x.npy', label: '{top}/y.npy',"
            f" w: '{top}/none.npy', z: '{top}/none.npy'}}}}")
    norm = "model.layers=[{type: batch_norm, name: bn}, {type: dense, units: 3, name: fc}]"
    for optimizer in ("{type: sgd, lr: 0.5, momentum: 0.9, weight_decay: 0.1}",
                      "{type: adamw, lr: 0.1, weight_decay: 0.1}"):
        for what, parts in (("whole", ["data.batch=6"]),
                            ("parts", ["data.batch=3", "train.accumulate=2"])):
            args = [f"loss={WEIGHTED}", norm, f"optimizer={optimizer}", *parts,
                    "train.epochs=1"]
            _, start = run(c, "start", path, *args, none, "train.steps=1", "~train.epochs",
                           "optimizer.lr=0")
            r, f = run(c, f"nothing weighs, {what}", path, *args, none)
            a, b = variables(start), variables(f)
            c.ok(f"nothing weighs, {what}: nothing is changed",
                 all((a[k] == b[k]).all() for k in a), optimizer)
            c.equal(f"nothing weighs, {what}: no update", int(b["run.applied.train"]), 0)
            c.ok(f"nothing weighs, {what}: no mean",
                 np.isnan(series(f, "train/epoch_loss")[1]).all())
    # Some batches weigh something: the same parameters in one go and in parts.
    both = [f"loss={WEIGHTED}", "optimizer={type: adamw, lr: 0.1, weight_decay: 0.1}"]
    some = W.copy()
    some[rng.permutation(ROWS)[:9]] = 0
    np.save(top / "some.npy", some)
    few = none.replace("w: '" + str(top) + "/none.npy'", "w: '" + str(top) + "/some.npy'")
    _, whole = run(c, "some weigh, whole", path, *both, few, "data.batch=4")
    _, parts = run(c, "some weigh, parts", path, *both, few, "data.batch=2",
                   "train.accumulate=2")
    a, b = variables(whole), variables(parts)
    c.ok("some weigh: the same in parts", all(np.allclose(a[k], b[k], atol=2e-6) for k in a))
    c.ok("some weigh: steps without weight are none",
         0 < int(a["run.applied.train"]) == int(b["run.applied.train"]))
    # One of two losses without weight: it counts as 0, the other as ever.
    two = f"loss={{a: {{type: cross_entropy, in: {{{PORTS}}}}}, b: {FOCAL}}}"
    _, one = run(c, "one loss", path, none, "optimizer.lr=0.5")
    for what, parts in (("whole", []), ("parts", ["data.batch=2", "train.accumulate=2"])):
        r, f = run(c, f"the other weighs nothing, {what}", path, two, none,
                   "optimizer.lr=0.5", *parts)
        c.ok(f"the other weighs nothing, {what}: as if it were not there",
             np.allclose(variables(f)["model.fc.weight"], variables(one)["model.fc.weight"],
                         atol=1e-6))
    val = evaluated(one, "val", *[])
    c.ok("one loss: val", isinstance(val, dict), val)
    r, f = run(c, "val without weight", path, f"loss={WEIGHTED}",
               none.replace("data.train", "data.val"), "checkpoint.best.monitor=val/loss")
    c.ok("val without weight: no mean", np.isnan(series(f, "val/loss")[1]).all())
    c.ok("val without weight: never the best", not (f / "checkpoints/best.h5").exists())
    c.within("val without weight: shown", r.err, "val/loss n/a")
    c.equal("val without weight: eval --json", evaluated(f, "val")["val/loss"], None)


def whole_batches(c, top, path):
    """A loss of the batch: batches of data.batch rows in order, whatever eval_batch is."""
    (top / "spread.c").write_text(PLUGIN)
    subprocess.run(["cc", "-O1", "-fPIC", "-shared", "-ffp-contract=off", "-o", top / "spread.so",
                    "-I", ROOT / "plugin-api", top / "spread.c"], check=True)
    plugin = [f"plugins=['{top}/spread.so']",
              "loss={s: {type: test/spread, in: {x: model.out}}, c: "
              + CLASSED + "}"]
    seen = set()
    for batch in (4, 5):
        for eval_batch in (1, 3, 256):
            r, f = run(c, "spread", path, *plugin, f"data.batch={batch}",
                       f"data.eval_batch={eval_batch}", "train.epochs=1")
            v = variables(f)
            out = X.astype(float) @ v["model.fc.weight"].T + v["model.fc.bias"]
            parts = [out[i:i + batch] for i in range(0, ROWS, batch)]
            want = sum(((p - p.mean(0)) ** 2).mean() * len(p) for p in parts) / ROWS
            c.close(f"of the batch: {batch}, {eval_batch}", series(f, "val/loss.s")[1][0],
                    want, 1e-6)
            c.close(f"of the batch: {batch}, {eval_batch}: eval",
                    evaluated(f, "val")["val/loss.s"], want, 1e-6)
            seen.add((batch, float(series(f, "val/loss.s")[1][0])))
    c.equal("of the batch: eval_batch changes no bit", len(seen), 2)


def diverged(c, top, path):
    """on_nan: skip, and nothing but skipped steps in an epoch."""
    bad = X.copy()
    bad[:] = 3e38
    np.save(top / "bad.npy", bad)
    args = [f"data.train.files.x='{top}/bad.npy'", "train.on_nan=skip", "optimizer.lr=0.1"]
    for what, more in (("whole", []), ("parts", ["data.batch=2", "train.accumulate=2"]),
                       ("shorter than an epoch", ["~train.epochs", "train.steps=2"]),
                       ("programs", ["train.programs=[{name: p}, {name: q, every: 3}]"])):
        r, f = run(c, f"skipped, {what}", path, *args, *more, code=5)
        c.within(f"skipped, {what}: says so", r.err, "updates were left out")
    bad[0] = 0
    np.save(top / "bad.npy", bad)
    r, f = run(c, "one is not skipped", path, *args, "data.batch=1")


c = Checks()
with Scratch() as top:
    for name, a in (("x", X), ("y", Y), ("w", W), ("z", (W > 1).astype(np.float32))):
        np.save(top / f"{name}.npy", a)
    path = config(top, BASE)
    for test in (unweighted, epochs, resumed, nothing_weighs, whole_batches, diverged):
        test(c, top, path)
c.done()

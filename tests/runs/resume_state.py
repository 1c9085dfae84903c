# SPDX-License-Identifier: Apache-2.0
"""Whose state goes to whom when the experiment of a run changes: monitors, schedules,
hooks, optimizers, the best weights."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, RUNNER, Scratch  # noqa: E402

# Validation loss falls throughout while the accuracy stays: labels follow the second
# column, whose weight grows slowly.
BASE = """
device: reference
name: t
seed: 1
data:
  source: {type: csv, file: a.csv, target: y}
  split: {kind: position, val: 12, test: 10}
  batch: 8
model: {type: mlp, in: {x: data.x}, hidden: [8], outputs: 2}
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: sgd, lr: 0.01}
train: {epochs: 2}
"""


def table(path):
    rng = np.random.default_rng(4)
    rows = ["a,b,c,y"]
    for i in range(70):
        x = rng.normal(size=3)
        rows.append(",".join(f"{v:.3f}" for v in x) + f",{int(x[0] + x[1] > 0)}")
    path.write_text("\n".join(rows) + "\n")


def state(folder, thing, checkpoint=None):
    name = checkpoint or (folder / "CURRENT").read_text().split()[0]
    with h5py.File(folder / "checkpoints" / f"{name}.h5") as h:
        return {k: v.decode() if isinstance(v, bytes) else v
                for k, v in h["state"][thing].attrs.items()}


def made(c, top, name, text, *args):
    home = top / name
    home.mkdir()
    table(home / "a.csv")
    r, run = train(config(home, text.lstrip()), *args)
    c.equal(f"{name}: trained", r.code, 0)
    return run


def monitors(c, top):
    """A value is compared with values of the same metric only."""
    run = made(c, top, "monitors", BASE.replace(
        "train: {epochs: 2}", "train: {epochs: 2, early_stop: {monitor: val/accuracy, "
        "patience: 3}}\nschedule: {type: plateau, monitor: val/accuracy, patience: 1, "
        "min_delta: 0}\ncheckpoint: {best: {monitor: val/accuracy}}"))
    r = runner("resume", run, "train.early_stop.monitor=val/loss", "train.epochs=12",
               "schedule.monitor=val/loss", "checkpoint.best.monitor=val/loss")
    c.equal("monitors: goes on", r.code, 0)
    for key in ("train.early_stop", "checkpoint.best", "schedule"):
        c.within(f"{key} says so", r.err, f"{key}: it watche")
    steps, loss = series(run, "val/loss")
    c.ok("the loss falls", (np.diff(loss) < 0).all(), loss)
    c.equal("no early stop", verified(run)[0], 72)
    c.ok("the rate stays", (series(run, "live/optimizer.lr")[1] == 0.01).all())
    with h5py.File(run / "checkpoints/best.h5") as h:
        c.equal("the best is of the loss", int(h.attrs["step"]), 72)


def plateau(c, top):
    """A rate that has come down stays down when another metric is watched."""
    run = made(c, top, "plateau", BASE.replace(
        "train: {epochs: 2}", "train: {epochs: 3, log_every: 1}\nschedule: {type: plateau, "
        "monitor: val/loss, patience: 0, min_delta: 100, factor: 0.5}"))
    before = series(run, "live/optimizer.lr")[1][-1]
    c.ok("it has come down", before < 0.01, before)
    r = runner("resume", run, "train.epochs=4", "schedule.monitor=val/accuracy")
    c.equal("plateau: goes on", r.code, 0)
    # The evaluation of step 18 is made again, as the first of the new metric.
    c.equal("plateau: the rate", series(run, "live/optimizer.lr")[1][-1], before)


def places(c, top):
    """In a list a state follows its schedule and its hook, not its place."""
    text = BASE.replace("lr: 0.01}", "lr: 0.01, weight_decay: 0.1}").replace(
        "train: {epochs: 2}", """train: {epochs: 3, log_every: 1}
schedule:
  - {type: plateau, of: optimizer.lr, patience: 0, min_delta: 100, factor: 0.5}
  - {type: plateau, of: optimizer.weight_decay, patience: 1, min_delta: 50, factor: 0.1}
hooks: [{type: inspect, every: 4st}]""")
    run = made(c, top, "places", text)
    control = run.parent / "control"
    shutil.copytree(run, control)
    runner("resume", control, "train.epochs=6")
    first = "{type: plateau, of: optimizer.lr, patience: 0, min_delta: 100, factor: 0.5}"
    second = ("{type: plateau, of: optimizer.weight_decay, patience: 1, min_delta: 50, "
              "factor: 0.1}")
    r = runner("resume", run, "train.epochs=6", f"schedule=[{second}, {first}]")
    c.equal("other order", (r.code, "begins without" in r.err), (0, False))
    c.equal("other order: the same weights", verified(run)[2], verified(control)[2])
    c.equal("other order: the same record", difference(
        datasets(run / "run.h5"), datasets(control / "run.h5")),
        ["@component.schedule.0", "@component.schedule.1"]
        if datasets(run / "run.h5")["@component.schedule.0"]
        != datasets(control / "run.h5")["@component.schedule.0"] else [])
    r = runner("resume", run, "train.epochs=7", f"schedule=[{first}]")
    c.equal("one taken away", r.code, 0)
    r = runner("resume", run, "train.epochs=8", f"schedule=[{first}, {second}]")
    c.within("one put in: says so", r.err, "schedule.1 (plateau of optimizer.weight_decay)")


def refusals(c, top):
    """What the checkpoint cannot give is refused before anything is written."""
    run = made(c, top, "refusals", BASE)
    before = verified(run), (run / "resolved.yaml").read_text()
    for what, change, sentence in (
            ("momentum", ["optimizer.momentum=0.9"], "the optimizer keeps values"),
            ("another optimizer", ["optimizer={type: adam, lr: 0.01}"],
             "the checkpoint's state is of runner/sgd"),
            ("lookahead", ["train.lookahead={every: 2}"], "train.lookahead averages"),
            ("a layer less", ["model.hidden=[]"], "which the experiment no longer has"),
            ("a wider layer", ["model.hidden=[9]"], "has another shape"),
            ("fewer epochs", ["train.epochs=1"], "the run has done 12 steps"),
            ("fewer steps", ["~train.epochs", "train.steps=3"], "the run has done 12 steps"),
            ("a batch as a section", ["data={batch: 4}"], None)):
        r = runner("resume", run, *change)
        if sentence:
            c.equal(f"{what}: exit", r.code, 8)
            c.within(f"{what}: says why", r.err, sentence)
        else:
            c.ok(f"{what}: exit", r.code in (2, 8), r.err)
        c.equal(f"{what}: nothing happened",
                (verified(run), (run / "resolved.yaml").read_text()), before)
    # By hand, where no override tells: the checkpoint knows.
    resolved = run / "resolved.yaml"
    resolved.write_text(before[1].replace("  batch: 8\n", "  batch: 4\n"))
    r = runner("resume", run)
    c.equal("a batch by hand", r.code, 8)
    c.within("a batch by hand: says why", r.err, "samples in a step")


def best(c, top):
    """After a crash the best is that of the checkpoint, not of an abandoned future."""
    home = top / "best"
    home.mkdir()
    table(home / "a.csv")
    path = config(home, BASE.replace("train: {epochs: 2}", "train: {epochs: 3000}\n"
                                     "checkpoint: {every: 20ep, best: {monitor: val/loss}}"))
    p = subprocess.Popen([RUNNER, path, f"output={home}/runs", "--progress", "json"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True)
    for line in p.stdout:
        if line.startswith("{") and json.loads(line)["step"] >= 190 and "val/loss" in line:
            p.kill()
            break
    p.communicate()
    run = latest(home / "runs", "t")
    c.ok("killed: verify", isinstance(verified(run), tuple), verified(run))
    at = int((run / "CURRENT").read_text().split("step=")[1].split()[0])
    with h5py.File(run / "checkpoints/best.h5") as h:
        c.ok("killed: the best is of later", int(h.attrs["step"]) > at)
    r = runner("resume", run, "optimizer.lr=0", f"train.epochs={at // 6 + 4}")
    c.equal("killed: resumed", r.code, 0)
    steps, loss = series(run, "val/loss")
    with h5py.File(run / "checkpoints/best.h5") as h:
        c.equal("the best is the record's", int(h.attrs["step"]), int(steps[loss.argmin()]))
    ev = json.loads(runner("eval", run, "--split", "val", "--json").out)
    c.close("eval agrees", ev["val/loss"], loss.min(), 0)
    c.ok("resumed: verify", isinstance(verified(run), tuple), verified(run))
    shutil.copy(run / "checkpoints" / ((run / "CURRENT").read_text().split()[0] + ".h5"),
                run / "checkpoints/best.h5")
    c.within("verify notices another best", str(verified(run)), "but the best val/loss")
    os.unlink(run / "checkpoints/best.h5")
    c.within("verify notices that it is missing", str(verified(run)), "is missing")


def saved_first(c, top):
    """A step is saved before it is evaluated; resume makes the evaluation."""
    home = top / "first"
    home.mkdir()
    table(home / "a.csv")
    path = config(home, BASE)
    r = runner(path, f"output={home}/runs", "--progress", "json")
    lines = r.out.splitlines()
    saved = lines.index("ACK ckpt step=6")
    evaluated = next(i for i, line in enumerate(lines) if '"evaluated"' in line
                     and '"step": 6,' in line)
    c.ok("saved, then evaluated", saved < evaluated, r.out)
    run = latest(home / "runs", "t")
    c.equal("the evaluation is due", state(run, "position")["evaluation_due"], 1)
    whole = datasets(run / "run.h5")
    r = runner("resume", run)
    c.equal("resumed: made again", (r.code, difference(datasets(run / "run.h5"), whole)),
            (0, []))


c = Checks()
with Scratch() as top:
    monitors(c, top)
    plateau(c, top)
    places(c, top)
    refusals(c, top)
    best(c, top)
    saved_first(c, top)
c.done()

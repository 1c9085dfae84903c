# SPDX-License-Identifier: Apache-2.0
"""Events of hooks, as a plugin from outside records them, beside the order that hook.h
documents: straight, in parts, stopped, ended early; what each event carries; errors in
every event leave a state that goes on to the same bits; series as references."""
import pathlib
import re
import subprocess
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import ROOT, Checks, Scratch  # noqa: E402

STEPS, PER_EPOCH, ROWS, BATCH = 10, 4, 56, 16
TEXT = f"""
name: events
seed: 5
data:
  train: {{type: npy, files: {{x: x.npy, label: label.npy}}}}
  val: {{type: npy, files: {{x: x.npy, label: label.npy}}}}
  test: {{type: npy, files: {{x: x.npy, label: label.npy}}}}
  batch: {BATCH}
model: {{type: mlp, in: {{x: data.x}}, hidden: [4], outputs: 3}}
loss: cross_entropy
metrics: [accuracy]
optimizer: {{type: sgd, lr: 0.1}}
hooks: [{{type: acme.events/diary, as: a, series: val/loss}}, {{type: acme.events/diary, as: b}}]
train: {{steps: {STEPS}, eval_every: 3st, log_every: 1}}
checkpoint: {{every: 2st, keep: 20, best: {{monitor: val/loss}}}}
plugins: ./events.so
"""
FINISHED, STOPPED, EARLY, INTERRUPTED, DIVERGED, ERROR = range(1, 7)
EVENTS = ["", "run_begin", "epoch_begin", "step_end", "epoch_end", "evaluate_begin",
          "evaluated", "run_end"]


def documented(first=0, last=STEPS, end=FINISHED, due=False, evaluates=True):
    """(event, step, epoch) of a process that begins after `first` steps and ends after
    `last`; due: the evaluation of step `first` is still to be made."""
    out = [("run_begin", first, first // PER_EPOCH)]
    evaluation = lambda s: [(w, s, (s - 1) // PER_EPOCH) for w in ("evaluate_begin", "evaluated")]
    out += evaluation(first) if due else []
    for s in range(first + 1, last + 1):
        epoch = (s - 1) // PER_EPOCH
        if (s - 1) % PER_EPOCH == 0:
            out.append(("epoch_begin", s - 1, epoch))
        out.append(("step_end", s, epoch))
        if s % PER_EPOCH == 0:
            out.append(("epoch_end", s, epoch))
        if s % 3 == 0 or s == STEPS:
            out += evaluation(s) if evaluates or s < last else []
    return out + [("run_end", last, max(last - 1, 0) // PER_EPOCH)]


def diary(folder):
    """Rows as maps: what, and the words of the line."""
    rows = []
    for line in (folder / "diary.txt").read_text().splitlines():
        who, what, *words = line.split(" ")
        row = dict(w.split("=", 1) for w in words)
        row["metrics"] = dict(m.rsplit(":", 1) for m in row["metrics"].split(",") if m)
        rows.append({"who": who, "what": what, **row})
    return rows


def sequence(rows, who="a"):
    return [(r["what"], int(r["step"]), int(r["epoch"])) for r in rows if r["who"] == who]


def straight(c, path):
    r, folder = train(path)
    c.equal("straight: exit", r.code, 0)
    rows = diary(folder)
    c.equal("straight: the documented order", sequence(rows), documented())
    c.equal("several hooks: each event in the order of the file",
            [row["who"] for row in rows], ["a", "b"] * (len(rows) // 2))
    c.equal("of both alike", sequence(rows, "b"), documented())
    mine = [row for row in rows if row["who"] == "a"]
    c.equal("none is resumed", {row["resumed"] for row in mine}, {"0"})
    c.equal("one end", [row["end"] for row in mine], ["0"] * (len(mine) - 1) + [str(FINISHED)])
    c.equal("lengths", {(row["total"], row["epochs"], row["per_epoch"], row["seed"],
                         row["samples"]) for row in mine},
            {(str(STEPS), "3", str(PER_EPOCH), "5", str(BATCH))})
    steps = [row for row in mine if row["what"] == "step_end"]
    c.equal("STEP_END: the loss of each step",
            [float(row["metrics"]["train/loss"]) for row in steps],
            list(series(folder, "train/loss")[1]))
    c.ok("STEP_END: the gradient's norm",
         np.array_equal([float(row["metrics"]["train/gradient_norm"]) for row in steps],
                        series(folder, "train/gradient_norm")[1]))
    c.equal("live values", {float(row["lr"]) for row in steps}, {0.1})
    at, losses = series(folder, "val/loss")
    seen = [row for row in mine if row["what"] == "evaluated"]
    c.equal("EVALUATED: the metrics of that step",
            [(int(row["step"]), float(row["metrics"]["val/loss"])) for row in seen],
            list(zip(at, losses)))
    c.equal("a series' latest value", [float(row["val/loss"]) for row in seen], list(losses))
    c.equal("it is not a number before the first", mine[0]["val/loss"], "nan")
    c.ok("EVALUATE_BEGIN: still those of before",
         [row["metrics"] for row in mine if row["what"] == "evaluate_begin"][1] ==
         seen[0]["metrics"])
    last = mine[-1]
    c.equal("RUN_END: final metrics",
            {k: float(v) for k, v in last["metrics"].items()},
            {n: float(series(folder, n)[1][-1])
             for n in ("val/loss", "val/accuracy", "test/loss", "test/accuracy")})
    best = int(np.argmin(losses))
    c.equal("RUN_END: the best", last["best"], f"val/loss,{at[best]},{losses[best]:.17g}")
    c.ok("no best before an evaluation", "best" not in mine[0])
    for step in (2, 4):
        w = variables(folder, f"step-{step:08}")
        name = next(iter(sorted(n for n in w if n.startswith("model"))))
        row = next(row for row in steps if int(row["step"]) == step)
        sums = [w[n].astype(np.float64).sum() for n in w if n.startswith("model")]
        c.ok(f"the parameter that is read is that of step {step}",
             min(abs(np.array(sums) - float(row["sum"]))) < 1e-6, (name, row["sum"], sums))
    return folder


def in_parts(c, path, whole):
    """Stopped in the middle of an epoch, at its end, before an evaluation; resumed."""
    r, folder = train(path, "train.max_time=0.000001s")
    c.equal("interrupted: exit", r.code, 75)
    want = documented(0, 1, evaluates=False)
    got = sequence(diary(folder))
    c.equal("interrupted: its events", got, want)
    c.equal("interrupted: why", diary(folder)[-1]["end"], str(INTERRUPTED))
    for step in range(1, STEPS):
        before = len(sequence(diary(folder)))
        # One step a process: what a step evaluates is made by the next.
        due = step % 3 == 0
        r = runner("resume", folder, *(["~train.max_time"] if step == STEPS - 1 else []))
        rows = [row for row in diary(folder) if row["who"] == "a"][before:]
        end = step + 1
        whole_end = end == STEPS
        c.equal(f"resumed after {step}: the documented order",
                sequence(rows), documented(step, end, due=due, evaluates=whole_end))
        c.equal(f"resumed after {step}: it says so", {row["resumed"] for row in rows}, {"1"})
        c.equal(f"resumed after {step}: end", rows[-1]["end"],
                str(FINISHED if whole_end else INTERRUPTED))
    c.equal("in parts: to the bit", verified(folder), verified(whole))
    # The state of a hook counts each event once, but for RUN_BEGIN and RUN_END.
    inner = lambda f: [row["what"] for row in diary(f) if row["who"] == "a"
                       and not row["what"].startswith("run_")]
    c.equal("in parts: each event once", inner(folder), inner(whole))
    r, stopped = train(path, "hooks=[{type: acme.events/diary, stop_step: 5}]")
    c.equal("stopped by a hook: exit", r.code, 0)
    rows = diary(stopped)
    c.equal("stopped by a hook: its events", sequence(rows), documented(0, 5))
    c.equal("stopped by a hook: why", rows[-1]["end"], str(STOPPED))
    r, early = train(path, "train.early_stop={monitor: val/loss, patience: 1, min_delta: 9}")
    rows = diary(early)
    c.equal("early stopping: exit", r.code, 0)
    c.equal("early stopping: why", rows[-1]["end"], str(EARLY))
    c.equal("early stopping: its events", sequence(rows), documented(0, 6))
    r, gone = train(path, "optimizer.lr=1e30", "train.steps=10")
    c.equal("diverged: exit", r.code, 5)
    rows = diary(gone)
    c.equal("diverged: why", (rows[-1]["what"], rows[-1]["end"]), ("run_end", str(DIVERGED)))


def fails(c, path, whole):
    """An error in every event: who is named, the exit code, and nothing is lost."""
    where = {"run_begin": 0, "epoch_begin": 4, "step_end": 5, "epoch_end": 8,
             "evaluate_begin": 9, "evaluated": 9, "run_end": STEPS}
    for what, step in where.items():
        hooks = (f"[{{type: acme.events/diary, as: a, series: val/loss, "
                 f"fail_event: {EVENTS.index(what)}, fail_step: {step}}}, "
                 "{type: acme.events/diary, as: b}]")
        r, folder = train(path, f"hooks={hooks}", "checkpoint.every=100st")
        c.equal(f"{what} fails: exit", r.code, 4)
        c.within(f"{what} fails: the message", r.err, "the diary is full")
        for part in ("acme.events/diary", f"event at step {step}", "hooks.0", "a thicker one",
                     "events.so"):
            c.within(f"{what} fails: {part}", r.err, part)
        rows = diary(folder)
        b = sequence(rows, "b")
        c.ok(f"{what} fails: later hooks do not get it, but RUN_END",
             (what, step) not in [row[:2] for row in b] or what == "run_end", b)
        c.equal(f"{what} fails: RUN_END comes", b[-1][0], "run_end")
        c.equal(f"{what} fails: RUN_END says why", rows[-1]["end"],
                str(FINISHED if what == "run_end" else ERROR))
        if what in ("run_begin", "run_end"):
            continue
        c.within(f"{what} fails: the state is saved", r.err, f"the state of step {step}")
        good = "[{type: acme.events/diary, as: a, series: val/loss}, " \
               "{type: acme.events/diary, as: b}]"
        r = runner("resume", folder, f"hooks={good}", "checkpoint.every=2st")
        c.equal(f"{what} fails: resumed", r.code, 0)
        for name in ("train/loss", "val/loss"):
            c.ok(f"{what} fails: {name} of the whole run",
                 all(np.array_equal(x, y) for x, y in
                     zip(series(folder, name), series(whole, name))),
                 (series(folder, name), series(whole, name)))
        a, b = variables(folder), variables(whole)
        c.ok(f"{what} fails: the same bits in the end",
             a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a))
        c.equal(f"{what} fails: verified", runner("verify", folder).code, 0)


def references(c, path):
    for name in ("val/loss", "val/accuracy", "train/loss", "train/gradient_norm",
                 "live/optimizer.lr"):
        r, folder = train(path, f"hooks={{type: acme.events/diary, series: {name}}}",
                          "train.steps=3")
        c.equal(f"{name}: exit", r.code, 0)
        c.ok(f"{name}: it has a value in the end", diary(folder)[-1][name] != "nan")
    for name, near in [("val/los", "val/loss"), ("live/optimizer.rl", "live/optimizer.lr"),
                       ("test/loss", "val/loss"), ("loss", None)]:
        r = runner(path, f"hooks={{type: acme.events/diary, series: {name}}}")
        c.equal(f"{name}: exit", r.code, 2)
        c.within(f"{name}: the sentence", r.err, f"this run records no series '{name}'")
        c.within(f"{name}: what there is", r.err, "there are: val/loss, val/accuracy, "
                 "train/loss, train/gradient_norm, live/optimizer.lr")
        if near:
            c.within(f"{name}: the nearest", r.err, f"did you mean '{near}'?")
        r = runner("plan", path, f"hooks={{type: acme.events/diary, series: {name}}}")
        c.equal(f"{name}: plan says so too", r.code, 2)
    for key in ("checkpoint.best.monitor", "train.early_stop.monitor", "schedule.then.monitor"):
        more = ["schedule={type: warmup, length: 1st, then: {type: plateau}}"] \
            if key.startswith("schedule") else []
        r = runner(path, *more, f"{key}=val/acuracy")
        c.equal(f"{key}: exit", r.code, 2)
        c.ok(f"{key}: one sentence", r.err.count("error:") == 1
             and "this run records no series 'val/acuracy'" in r.err
             and "did you mean 'val/accuracy'?" in r.err, r.err)
        r = runner(path, *more, f"{key}=train/loss")
        c.within(f"{key}: what evaluations do not measure", r.err,
                 "'train/loss' cannot be monitored: evaluations do not measure it")


def main():
    c = Checks()
    with Scratch() as scratch:
        top = pathlib.Path(scratch)
        p = subprocess.run(["cc", "-shared", "-fPIC", "-fvisibility=hidden", "-O2",
                            "-ffp-contract=off", "-I", ROOT / "plugin-api", "-o",
                            top / "events.so", ROOT / "tests/abi/outside/events.c"],
                           capture_output=True, text=True)
        c.equal("the plugin builds", p.stderr, "")
        rng = np.random.default_rng(6)
        np.save(top / "x.npy", rng.standard_normal((ROWS, 5)).astype(np.float32))
        np.save(top / "label.npy", rng.integers(0, 3, ROWS))
        path = config(top, TEXT)
        whole = straight(c, path)
        in_parts(c, path, whole)
        fails(c, path, whole)
        references(c, path)
    c.done()


main()

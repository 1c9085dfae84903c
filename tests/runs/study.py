# SPDX-License-Identifier: Apache-2.0
"""train.folds, repeats and seeds: each run is the one that its own overrides give, the table
is numpy's, what is stopped keeps what was done.

    study.py RUNNER"""
import json
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, RUNNER, Scratch, environment  # noqa: E402

TEXT = """
name: study
seed: 3
device: reference
data:
  source: {type: csv, file: t.csv, target: y}
  split: {kind: stratified, by: y, val: 0.1, test: 0.2}
  transforms: [{type: standardise, of: x}]
  batch: 16
model: {type: mlp, in: {x: data.x}, hidden: [3], outputs: 2}
loss: cross_entropy
metrics: accuracy
optimizer: {type: adam, lr: 0.05}
train: {epochs: 2}
"""
# scipy.stats.t.ppf(0.975, k) of SciPy 1.17
T = {1: 12.706204736432095, 2: 4.302652729911275, 3: 3.182446305284263, 5: 2.5705818366147395}


def table(top):
    draw = np.random.default_rng(5)
    x = draw.normal(size=(120, 3))
    y = (x[:, 0] + draw.normal(size=120) > 0).astype(int)
    (top / "t.csv").write_text("a,b,c,y\n" + "".join(
        f"{r[0]:.4f},{r[1]:.4f},{r[2]:.4f},{k}\n" for r, k in zip(x, y)))


def study(c, what, path, *args):
    r = runner(path, f"output={path.parent / 'runs'}", "--json", *args)
    if not c.equal(f"{what}: exit", r.code, 0):
        print(r.err)
        return None
    got = json.loads(r.out)
    kept = json.loads((pathlib.Path(got["study"]) / "study.json").read_text())
    c.equal(f"{what}: study.json", kept, got)
    return got


def sha(folder):
    return runner("verify", folder).out.split("sha256=")[-1].strip()


def expect(c, what, got, folds, each, ratio):
    for row in got["metrics"]:
        v = np.array([r[row["name"]] for r in got["runs"]]).reshape(folds, each)
        means = v.mean(1)
        sd = means.std(ddof=1)
        half = T[folds - 1] * sd * np.sqrt(1 / folds + ratio)
        want = {"mean": means.mean(), "low": means.mean() - half, "high": means.mean() + half}
        if ratio:
            want["fold_sd"] = sd
            want["seed_sd"] = np.sqrt(v.var(1, ddof=1).mean()) if each > 1 else None
        else:
            want["seed_sd"], want["fold_sd"] = sd, None
        for k, x in want.items():
            c.ok(f"{what}: {row['name']} {k}", row[k] is None if x is None else
                 abs(row[k] - x) < 1e-9 * max(1, abs(x)), f"{row} {x}")
    c.equal(f"{what}: metrics", [m["name"] for m in got["metrics"]],
            ["val/loss", "val/accuracy", "test/loss", "test/accuracy"])


def same_runs(c, path, got):
    """Each run is the one that a person would start by hand."""
    for r in got["runs"]:
        args = [f"seed={r['seed']}", f"data.split.seed={3 + r['repeat'] - 1}"]
        if "fold" in r:
            args += ["~data.split.val", f"data.split.folds={got['folds']}",
                     f"data.split.fold={r['fold']}"]
        _, alone = train(path, *args)
        c.equal(f"{args}: the same bits", sha(r["run"]), sha(alone))


def without_val(c, top, got):
    """data.split.val may be given or not: folds take its place."""
    path = config(top, TEXT.replace("val: 0.1, ", ""), "without-val.yaml")
    alone = study(c, "without val", path, "train.folds=3")
    c.equal("without val: the same numbers", alone and alone["metrics"], got["metrics"])


def refused(c, path):
    for what, words, *args in (
            ("repeats alone", "train.repeats repeats train.folds", "train.repeats=2"),
            ("no seed", "train.seeds has no seed", "train.seeds=[]"),
            ("a seed twice", "train.seeds has this seed twice", "train.seeds=[1, 2, 1]"),
            ("one fold", "at least 2", "train.folds=1"),
            ("too many", "runs are too many", "train.folds=9999", "train.repeats=999"),
            ("more folds than rows", "100 folds of 96 samples", "train.folds=100")):
        before = sorted((path.parent / "runs/study").iterdir())
        r = runner(path, f"output={path.parent / 'runs'}", *args)
        c.ok(f"{what}: exit", r.code in (2, 3), r.code)
        c.within(what, r.err, words)
        c.equal(f"{what}: nothing is left", sorted((path.parent / "runs/study").iterdir()), before)


def stopped(c, path):
    """SIGTERM in the second run: it is saved, the first is listed."""
    p = subprocess.Popen([RUNNER, path, f"output={path.parent / 'stop'}", "train.folds=3",
                          "train.epochs=1000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         env=environment())
    for line in p.stderr:
        if "run 1 of 3" in line:
            break
    time.sleep(0.3)
    p.send_signal(signal.SIGTERM)
    out, err = p.communicate(timeout=60)
    c.equal("stopped: exit", p.returncode, 75)
    c.within("stopped", err, "0 of 3 runs are in")


with Scratch() as top:
    c = Checks()
    table(top)
    path = config(top, TEXT)
    got = study(c, "folds", path, "train.folds=3")
    expect(c, "folds", got, 3, 1, 1 / 2)
    same_runs(c, path, got)
    without_val(c, top, got)
    got = study(c, "folds and seeds", path, "train.folds=2", "train.seeds=[5, 9]",
                "train.repeats=2")
    expect(c, "folds and seeds", got, 4, 2, 1)
    c.equal("their order", [(r["repeat"], r["fold"], r["seed"]) for r in got["runs"]],
            [(r, f, s) for r in (1, 2) for f in (1, 2) for s in (5, 9)])
    same_runs(c, path, got)
    got = study(c, "seeds", path, "train.seeds=[1, 2, 4]")
    expect(c, "seeds", got, 3, 1, 0)
    same_runs(c, path, got)
    r = runner(path, f"output={top / 'runs'}", "train.folds=2")
    c.ok("the table", re.search(r"^fold +1 +2 +mean +95 % \(corrected\) +seed sd +fold sd$", r.out,
                                re.M) and "val/accuracy" in r.out, r.out)
    c.within("what comes next", r.err, "2 of 2 runs are in")
    refused(c, path)
    stopped(c, path)
    c.done()

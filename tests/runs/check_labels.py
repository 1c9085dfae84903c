#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`runner check --labels`: labels of the digits that were changed are found, with folds
and by a run; unchanged ones are not; what it writes, and its errors. What it computes
from probabilities is beside cleanlab in tests/unit/confident.c."""
import csv
import gzip
import json
import os
import sys

import numpy as np
import yaml

from harness import Checks, ROOT, Scratch, runner

c = Checks()


def write(folder, flipped, seed=1, **more):
    """The digits, a share of their labels changed: rows of the file that are."""
    raw = gzip.decompress((ROOT / "datasets/digits-labels.idx1.gz").read_bytes())
    y = np.frombuffer(raw[8:], "u1").copy()
    rng = np.random.default_rng(seed)
    at = rng.choice(len(y), round(flipped * len(y)), replace=False)
    y[at] = (y[at] + rng.integers(1, 10, len(at))) % 10
    (folder / "labels.gz").write_bytes(gzip.compress(raw[:8] + y.tobytes()))
    experiment = {
        "name": "digits", "seed": 1,
        "data": {"source": {"type": "idx",
                            "images": str(ROOT / "datasets/digits-images.idx3.gz"),
                            "labels": "labels.gz"},
                 "split": {"kind": "stratified", "by": "label", "val": .2, "test": .2,
                           "seed": 7},
                 "transforms": [{"type": "scale", "of": "image", "factor": .0625}],
                 "batch": 32},
        "model": {"type": "sequential", "in": {"x": "data.image"},
                  "layers": [{"type": "conv2d", "channels": 32, "kernel": 3},
                             {"type": "relu"}, {"type": "max_pool2d", "kernel": 2},
                             {"type": "flatten"}, {"type": "dense", "units": 10}]},
        "loss": "cross_entropy", "optimizer": {"type": "adam", "lr": .003},
        "train": {"epochs": 6}}
    experiment.update(more)
    (folder / "e.yaml").write_text(yaml.safe_dump(experiment, sort_keys=False))
    return set((at + 1).tolist())


def listed(folder):
    with open(folder / "check/labels.csv") as f:
        return list(csv.DictReader(f))


def test_folds(folder):
    for seed in (1, 2):
        wrong = write(folder, .05, seed)
        before = set(os.listdir("/tmp"))
        r = runner("check", "e.yaml", "--labels", "--json", cwd=folder, env={"TMPDIR": "/tmp"})
        c.equal("a warning is no failure", r.code, 0)
        report = json.loads(r.out)
        rows = listed(folder)
        hits = sum(int(x["row"]) in wrong for x in rows)
        recall, precision = hits / len(wrong), hits / max(len(rows), 1)
        print(f"recall {recall:.3f} precision {precision:.3f} of {len(wrong)}, seed {seed}")
        c.ok("recall of 0.8", recall >= .8, f"{recall} ({hits} of {len(wrong)})")
        c.ok("precision of 0.8", precision >= .8, f"{precision} ({hits} of {len(rows)})")
        margins = [float(x["margin"]) for x in rows]
        c.equal("the worst first", margins, sorted(margins))
        c.ok("a margin", all(abs(float(x["p_given"]) - float(x["p_likely"]) -
                                 float(x["margin"])) < 1e-5 for x in rows))
        c.ok("another class", all(x["given"] != x["likely"] for x in rows))
        labels = report["labels"]
        c.equal("all rows judged", (labels["rows"], labels["wrong"], labels["how"]),
                (1797, len(rows), "5 folds"))
        p, n, z = len(rows) / 1797, 1797, 1.959963984540054
        middle, half = p + z * z / 2 / n, z * (p * (1 - p) / n + z * z / 4 / n / n) ** .5
        c.close("Wilson's interval", labels["low"], (middle - half) / (1 + z * z / n), 1e-9)
        c.close("its upper end", labels["high"], (middle + half) / (1 + z * z / n), 1e-9)
        finding = [f for f in report["findings"] if f["code"] == "label-error"]
        c.equal("the finding", [(f["severity"], f["n"], f["rows"]) for f in finding],
                [("warn", len(rows), [int(x["row"]) for x in rows[:20]])])
        left = [x for x in set(os.listdir("/tmp")) - before if x.startswith("runner-labels")]
        c.equal("nothing is left behind", left, [])
        c.ok("no run of the user's", not (folder / "runs").exists())


def test_clean(folder):
    write(folder, 0)
    r = runner("check", "e.yaml", "--labels", cwd=folder)
    c.equal("clean labels: silent", r.code, 0)
    c.within("their number", r.out, "of 1797 look wrong")
    c.ok("no warning", "0 errors, 0 warnings" in r.out, r.out)
    c.ok("few", len(listed(folder)) < 15, str(len(listed(folder))))


def test_from(folder):
    """By a run: its val and test rows."""
    wrong = write(folder, .05)
    r = runner("e.yaml", cwd=folder)
    c.equal("trained", r.code, 0)
    r = runner("check", "e.yaml", "--labels", "--from", "runs/digits/latest", "--json", cwd=folder)
    c.equal("checked", r.code, 0)
    rows = listed(folder)
    c.equal("val and test", json.loads(r.out)["labels"]["rows"], 718)
    c.equal("their splits", {x["split"] for x in rows}, {"val", "test"})
    hits = sum(int(x["row"]) in wrong for x in rows)
    c.ok("precision", hits >= .8 * len(rows) and hits > 20, f"{hits} of {len(rows)}")
    write(folder, .05, seed=3)
    r = runner("check", "e.yaml", "--labels", "--from", "runs/digits/latest", cwd=folder)
    c.equal("other data", r.code, 3)


def test_errors(folder):
    write(folder, 0)
    r = runner("check", "e.yaml", "--labels", "data.split={kind: file, path: x.txt}", cwd=folder)
    c.equal("no folds of a stored split", r.code, 2)
    r = runner("check", "e.yaml", "--labels", "--from", "nowhere", cwd=folder)
    c.ok("no such run", r.code and "nowhere" in r.err, r.err)
    r = runner("check", "e.yaml", "--from", "nowhere", cwd=folder)
    c.equal("--from alone", r.code, 2)
    c.within("--from alone", r.err, "--from goes with --labels")
    r = runner("check", "e.yaml", "--labels", "train.epochs=1", "loss=mse",
               "data.transforms+={type: one_hot, of: label}", cwd=folder)
    c.ok("no classes", r.code in (2, 3), str(r.code))
    r = runner("check", "e.yaml", "--json", cwd=folder)
    found = [x for x in json.loads(r.out)["checks"] if x["code"] == "label-error"]
    c.equal("not without the flag", (found[0]["applicable"], found[0]["why"]),
            (False, "--labels looks for them"))


tests = {name[5:]: fn for name, fn in list(globals().items()) if name.startswith("test_")}
for name, fn in tests.items():
    if len(sys.argv) < 3 or name in sys.argv[2:]:
        with Scratch() as scratch:
            fn(scratch)
c.done()

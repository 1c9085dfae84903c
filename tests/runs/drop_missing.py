#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""data.drop_missing beside numpy: which rows are left, of tables and arrays; that eval, resume and
prepared data use the same rows; what is printed; errors.

    drop_missing.py RUNNER"""
import json
import pathlib
import sqlite3
import sys

import numpy as np
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import IN_MEMORY, Checks, Scratch, latest, runner  # noqa: E402

c = Checks()
N = 300
rng = np.random.default_rng(4)
PARTS = ("train", "val", "test")
AGE = np.where(rng.random(N) < .1, np.nan, rng.normal(40, 9, N).round(2))
PAY = np.where(rng.random(N) < .1, np.nan, rng.normal(9, 2, N).round(2))
LABEL = np.where(rng.random(N) < .15, -1, rng.integers(0, 3, N))
CITY = np.where(rng.random(N) < .1, "", rng.choice(["Rom", "Ulm"], N))


def write(path, rows=range(N), labels=False):
    """labels: some are missing; else they are 0."""
    def cell(v):
        return "" if np.isnan(v) else str(v)
    path.write_text("age,pay,city,label\n" + "".join(
        f"{cell(AGE[i])},{cell(PAY[i])},{CITY[i]},{LABEL[i] if LABEL[i] >= 0 else '' if labels else 0}\n" for i in rows))


def experiment(drop, split=None, **data):
    data = {"source": {"type": "csv", "file": "x.csv", "target": "label", "target_type": "int",
                       "features": ["age", "pay"], "fields": ["city"]},
            "split": split or {"kind": "random", "val": .2, "test": .2},
            "transforms": [{"type": "impute", "of": "x"}, {"type": "standardise", "of": "x"}],
            "batch": 32, **data}
    if drop is not None:
        data["drop_missing"] = drop
    return {"name": "d", "seed": 3, "data": data,
            "model": {"type": "sequential", "in": {"x": "data.x"}, "layers": [{"type": "dense", "units": 3}]},
            "loss": {"type": "cross_entropy", "in": {"logits": "model.out", "label": "data.label"}},
            "optimizer": {"type": "sgd", "lr": .1}, "train": {"epochs": 2}}


def run(folder, config, verb, *args):
    (folder / "e.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return runner(verb, "e.yaml", *args, cwd=folder)


def read_lists(path):
    words, out, at = path.read_text().split(), {}, 5
    while at < len(words):
        n = int(words[at + 1])
        out[words[at]] = np.array(words[at + 2:at + 2 + n], int)
        at += 2 + n
    return out


def lists(folder, config, what):
    r = run(folder, config, "split", "--json", "--lists", "l.txt")
    if not c.equal(f"{what}: exit", r.code, 0):
        print(r.err)
        return None, None
    return read_lists(folder / "l.txt"), json.loads(r.out)


def same(what, got, want):
    c.equal(what, [int(i) for i in got], [int(i) for i in want])


MISSING = {"label": LABEL < 0, "x": np.isnan(AGE) | np.isnan(PAY), "age": np.isnan(AGE), "city": CITY == ""}


def test_before(folder):
    """No part is a test that keeps its rows: rows are left out first."""
    for of in ("label", "x", "age", "city", ["label", "city"]):
        bad = np.any([MISSING[k] for k in ([of] if isinstance(of, str) else of)], axis=0)
        good = int((~bad).sum())
        write(folder / "x.csv", labels="label" in of)
        for split in ({"kind": "random", "val": .25}, {"kind": "position", "val": .25},
                      {"kind": "stratified", "by": "city", "val": .25}, {"kind": "hash", "by": "label", "val": .5}):
            if split["kind"] == "hash" and not (of == "label" or "label" in of):
                continue
            drop = {"of": of} if split["kind"] == "position" else of
            got, report = lists(folder, experiment(drop, split), f"{of} {split}")
            if got is None:
                continue
            same(f"{of} {split}: who is left", np.sort(np.concatenate([got["train"], got["val"]])), np.flatnonzero(~bad))
            same(f"{of} {split}: who is not", got["dropped"], np.flatnonzero(bad))
            c.equal(f"{of} {split}: reported", report["dropped"], int(bad.sum()))
            if split["kind"] != "hash":
                c.equal(f"{of} {split}: sizes", len(got["val"]), int(np.floor(.25 * good + .5)))
            if split["kind"] == "position":
                same(f"{of}: the last", got["val"], np.flatnonzero(~bad)[-len(got["val"]):])
    write(folder / "x.csv", labels=True)
    # The stratified classes count only rows that are there.
    got, _ = lists(folder, experiment("label", {"kind": "stratified", "by": "label", "val": .2}), "by label")
    for k in range(3):
        share = (LABEL == k).sum() * len(got["val"]) / (LABEL >= 0).sum()
        c.ok(f"class {k} has its share", abs((LABEL[got["val"]] == k).sum() - share) < 1)


def test_test(folder):
    """The test keeps its rows unless it is told otherwise."""
    write(folder / "x.csv")
    bad = MISSING["x"]
    all_rows, _ = lists(folder, experiment(None), "none dropped")
    c.equal("nothing is stored of nothing", sorted(all_rows), sorted(PARTS))
    got, _ = lists(folder, experiment("x"), "test kept")
    same("the test", got["test"], all_rows["test"])
    for part in ("train", "val"):
        same(part, got[part], [i for i in all_rows[part] if not bad[i]])
    same("dropped", got["dropped"], [i for i in np.flatnonzero(bad) if i not in set(all_rows["test"])])
    got, _ = lists(folder, experiment({"of": "x", "test": True}), "test too")
    same("all parts", np.sort(np.concatenate([got[p] for p in PARTS])), np.flatnonzero(~bad))
    c.equal("a fifth of what is left", len(got["test"]), int(np.floor(.2 * (~bad).sum() + .5)))
    # Files of their own.
    write(folder / "v.csv", range(0, 60))
    write(folder / "t.csv", range(60, 100))
    source = experiment(None)["data"]["source"]
    own = {"val": {**source, "file": "v.csv"}, "test": {**source, "file": "t.csv"}, "split": {}}
    n = int(bad.sum()), int(bad[:60].sum()), int(bad[60:100].sum())
    for test in (False, True):
        got, report = lists(folder, {**experiment({"of": "x", "test": test}, **own)}, f"files, {test}")
        c.equal("rows of files", [len(got[p]) for p in PARTS], [N - n[0], 60 - n[1], 40 - n[2] * test])
        c.equal("dropped of files", report["dropped"], n[0] + n[1] + n[2] * test)
    # A list of somebody else.
    (folder / "words.txt").write_text(" ".join(["train", "val", "test"][i % 3] for i in range(N)))
    got, _ = lists(folder, experiment("x", {"kind": "file", "path": "words.txt"}), "words")
    same("of words", got["val"], [i for i in range(1, N, 3) if not bad[i]])
    same("of words, the test", got["test"], range(2, N, 3))


def test_arrays(folder):
    """NaN anywhere in a vector; the smallest integer is a missing one."""
    x = rng.normal(size=(80, 2, 3)).astype(np.float32)
    x[7, 1, 2] = x[31, 0, 0] = np.nan
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", rng.integers(0, 3, 80))
    config = experiment("x", {"kind": "random", "val": 20}, source={"type": "npy", "files": {"x": "x.npy", "label": "y.npy"}},
                        transforms=[{"type": "flatten", "of": "x"}])
    got, _ = lists(folder, config, "npy")
    same("npy", got["dropped"], [7, 31])
    r = run(folder, config, "train")
    c.equal("it trains without impute", r.code, 0)
    c.ok("it says so", "data.drop_missing leaves out 2 of 80 rows before the split" in r.out + r.err, r.out + r.err)


def test_database(folder):
    """A target that is NULL."""
    if runner("plugin", "show", "source/sqlite").code:
        return
    with sqlite3.connect(folder / "x.db") as db:
        db.execute("create table t (age real, label integer)")
        db.executemany("insert into t values (?, ?)", [(float(i), None if LABEL[i] < 0 else int(LABEL[i])) for i in range(N)])
    db.close()
    source = {"type": "sqlite", "file": "x.db", "query": "select * from t order by age", "target": "label"}
    got, _ = lists(folder, experiment("label", {"val": 20}, source=source), "sqlite")
    same("sqlite", got["dropped"], np.flatnonzero(LABEL < 0))
    r = run(folder, experiment(None, source=source), "split")
    c.equal("sqlite without the option", [r.code, "data.drop_missing={of: label}" in r.err], [3, True])


def test_run(folder):
    """eval, resume, prepare and predict."""
    write(folder / "x.csv", labels=True)
    bad = MISSING["label"]
    config = experiment({"of": "label", "test": True})
    r = run(folder, config, "train")
    c.equal("train", r.code, 0)
    c.equal("said once", (r.out + r.err).count("data.drop_missing leaves out"), 1)
    first = latest(folder / "runs", "d")
    got = read_lists(first / "split.txt")
    same("split.txt", got["dropped"], np.flatnonzero(bad))
    e = runner("eval", first, "--split", "val", "--json", cwd=folder)
    c.equal("eval", e.code, 0)
    c.equal("eval is quiet", "drop_missing" in e.out + e.err, False)
    r = runner("resume", first, "train.epochs=3", cwd=folder)
    c.equal("resume", r.code, 0)
    same("after resume", read_lists(first / "split.txt")["train"], got["train"])
    r = runner("resume", first, "train.epochs=4", "data.drop_missing=x", cwd=folder)
    c.equal("another option is refused", r.code, 8)
    p = runner("predict", first, "--data", "x.csv", cwd=folder)
    c.equal("predict", p.code, 0)
    c.equal("every row is predicted", len(p.out.strip().splitlines()) - 1, N)
    r = run(folder, config, "prepare", "--out", "p.h5")
    c.equal("prepare", r.code, 0)
    c.equal("prepare counts", str(int(bad.sum())) + " left out" in r.out, True)
    a = run(folder, config, "train", "name=a")
    b = run(folder, config, "train", "name=b", "data.prepared=p.h5")
    c.equal("trained on it", [a.code, b.code], [0, 0])
    runs = [latest(folder / "runs", k) for k in "ab"]
    c.equal("the same split", *[(k / "split.txt").read_text() for k in runs])
    r = run(folder, {**config, "name": "b"}, "train", "data.prepared=p.h5", "data.drop_missing=label")
    c.equal("other rows than prepared", r.code, 3)
    # The finding offers it, and with it there is none.
    r = run(folder, experiment(None), "check", "--json")
    found = [f for f in json.loads(r.out)["findings"] if f["code"] == "missing-label"]
    c.equal("check", [f["fix"] for f in found], ["data.drop_missing={of: label, test: true}"])
    r = run(folder, experiment(None), "check", "--json", found[0]["fix"])
    c.equal("no more", [f for f in json.loads(r.out)["findings"] if f["code"] == "missing-label"], [])


def test_errors(folder):
    write(folder / "x.csv")
    write(folder / "none.csv", np.flatnonzero(MISSING["age"]), labels=False)
    write(folder / "both.csv", np.flatnonzero(MISSING["age"]), labels=True)
    source = experiment(None)["data"]["source"]
    own = {"val": {**source, "file": "none.csv"}, "split": {}}
    gone = int(MISSING["age"].sum())
    for what, config, code, words in [
            ("unknown", experiment("aeg"), 2, "the source has no field 'aeg'"),
            ("a hint", experiment("citi"), 2, "city"),
            ("no field", experiment([]), 2, "data.drop_missing names no field"),
            ("another key", experiment({"of": "x", "tset": True}), 2, "tset"),
            ("no of", experiment({"test": True}), 2, "of"),
            ("none left", experiment("age", {"val": 5}, source={**source, "file": "none.csv"}), 3,
             f"data.drop_missing leaves none of {gone} rows of the source"),
            ("counts", experiment(["age", "label"], {"val": 5}, source={**source, "file": "both.csv"}), 3,
             f"age in {gone}, label in {int((MISSING['age'] & MISSING['label']).sum())}"),
            ("none to train", experiment("age", {"test": 5}, source={**source, "file": "none.csv"}), 3,
             f"data.drop_missing leaves none of {gone - 5} train rows"),
            ("none in val", experiment("age", **own), 3, f"data.drop_missing leaves none of {gone} val rows")]:
        r = run(folder, config, "split")
        c.equal(f"{what}: exit", r.code, code)
        c.ok(f"{what}: {words}", words in r.err, r.err)
    r = run(folder, experiment(None, source={**source, "file": "both.csv"}), "split")
    c.equal("without the option: exit", r.code, 3)
    c.ok("without the option: a hint", "data.drop_missing={of: label} leaves such rows out" in r.err, r.err)
    # A stored list that names a row twice.
    got, _ = lists(folder, experiment("x"), "stored")
    text = (folder / "l.txt").read_text()
    (folder / "bad.txt").write_text(text.replace("\ndropped ", "\ndropped 99") )
    r = run(folder, experiment("x", {"kind": "file", "path": "bad.txt"}), "split")
    c.equal("a damaged list", [r.code, "the stored split is damaged" in r.err], [3, True])
    again, _ = lists(folder, experiment(None, {"kind": "file", "path": "l.txt"}), "stored again")
    same("the stored list has them", again["dropped"], got["dropped"])


with Scratch(IN_MEMORY) as top:
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            folder = pathlib.Path(top) / name
            folder.mkdir()
            test(folder)
c.done()

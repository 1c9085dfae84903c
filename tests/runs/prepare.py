#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`prepare: auto` on a mixed table: what is printed and written, that the run can be repeated
from resolved.yaml, and predictions for categories and missing cells that training did not have.
The numbers that the network sees are numpy's."""
import contextlib
import csv
import datetime
import io
import re
import sqlite3

import numpy as np
import yaml

from harness import IN_MEMORY, Checks, Scratch, latest, runner

check = Checks()
JOBS = ["clerk", "cook", "smith"]


def table(seed=1, rows=200):
    """Rows as dictionaries; None is missing."""
    draw = np.random.default_rng(seed)
    out = []
    for i in range(rows):
        income = draw.normal(50, 10)
        out.append({"key": f"k{i}", "age": None if i % 9 == 3 else int(draw.integers(18, 80)),
                    "income": round(float(income), 3),
                    "job": None if i % 11 == 5 else JOBS[int(draw.integers(0, 3))],
                    "owner": ["no", "yes"][int(draw.integers(0, 2))],
                    "flag": int(draw.integers(0, 2)), "const": 7,
                    "y": "rare" if i % 25 == 0 else "common"})
    return out


def write(path, rows, columns=None):
    with open(path, "w", newline="") as f:
        out = csv.DictWriter(f, columns or list(rows[0]), extrasaction="ignore")
        out.writeheader()
        out.writerows(rows)


def experiment(**data):
    """The network's output `seen` is what it sees of a row."""
    return {"name": "seen", "device": "reference",
            "data": {"source": {"type": "csv", "file": "x.csv", "target": "y"}, "prepare": "auto",
                     "split": {"kind": "stratified", "by": "y", "val": 0.2}, **data},
            "model": {"seen": {"type": "sequential", "in": {"x": "data.x"},
                               "layers": [{"type": "flatten"}]},
                      "m": {"type": "sequential", "in": {"x": "model.seen.out"},
                            "layers": [{"type": "dense", "units": 2}]}},
            "loss": {"type": "cross_entropy", "in": {"logits": "model.m.out"}},
            "optimizer": {"type": "sgd", "lr": 0.1}, "train": {"epochs": 2}}


def run(folder, config, *verb):
    (folder / "e.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return runner(*verb, "e.yaml", cwd=folder)


def seen(text):
    rows = list(csv.reader(io.StringIO(text)))
    at = [i for i, n in enumerate(rows[0]) if n.startswith("model.seen") and "argmax" not in n]
    return np.array([[float(r[i]) for i in at] for r in rows[1:]])


def wanted(rows, train):
    """age, income, job as three, owner, flag: fitted on the training rows."""
    def column(name, of):
        return np.array([np.nan if r[name] is None else float(r[name]) for r in of])

    def number(name):
        mean = np.nanmean(column(name, train))
        fit = np.where(np.isnan(column(name, train)), mean, column(name, train))
        x = np.where(np.isnan(column(name, rows)), mean, column(name, rows))
        return (x - fit.mean()) / fit.std()

    def filled(name, values):
        mean = np.mean([values(r) for r in train])
        return np.array([mean if r[name] is None else values(r) for r in rows])

    jobs = [np.array([float(r["job"] == j) for r in rows]) for j in JOBS]
    return np.stack([number("age"), number("income"), *jobs,
                     filled("owner", lambda r: float(r["owner"] == "yes")),
                     filled("flag", lambda r: float(r["flag"])),
                     np.array([float(r["age"] is None) for r in rows])], axis=1)


def shown(r, *lines):
    """Lines of the table that is printed; X is any number."""
    text = re.sub(r" +", " ", r.out + r.err)
    for line in lines:
        check.ok(f"printed: {line}", re.search("^prepare: " + re.escape(line).replace("X", r"[0-9.]+") + "$", text, re.M),
                 r.out + r.err)


def training_rows(run_folder, rows):
    words = (run_folder / "split.txt").read_text().split()
    at = words.index("train")
    return [rows[int(i)] for i in words[at + 2:at + 2 + int(words[at + 1])]]


def test_classes(folder):
    rows = table()
    write(folder / "x.csv", rows)
    r = run(folder, experiment())
    check.equal("it trains", r.code, 0)
    shown(r, "column holds becomes", "key text, 160 different in 160 rows left out: a name, a key or free text",
          "const one value left out: the same in every training row",
          "age number, X % missing impute (mean), standardise; 0/1 where missing", "income number standardise",
          "job text, 3 categories, X % missing one-hot; missing and unknown: all zeros",
          "owner no or yes 0 or 1", "flag 0 or 1 as it is",
          "y text target: 2 classes; the rarest has 6 rows, the largest 154: loss.class_weights=[0.519481, 13.3333]")
    first = latest(folder / "runs", "seen")
    resolved = yaml.safe_load((first / "resolved.yaml").read_text())
    check.equal("prepare is spelled out", "prepare" in resolved["data"], False)
    check.equal("what is read", resolved["data"]["source"]["fields"],
                {"age": "number", "income": "number", "job": "category", "owner": "bool", "flag": "number"})
    n = [sum(t["y"] == c for t in training_rows(first, rows)) for c in ("common", "rare")]
    check.ok("class weights", np.allclose(resolved["loss"]["class_weights"],
                                          [sum(n) / (2 * k) for k in n], rtol=1e-5), str(n))

    # new rows: an unknown category, cells missing where none were
    new = [dict(r) for r in table(2, 12)]
    new[0].update(job="pilot"), new[1].update(income=None), new[2].update(owner=None, flag=None)
    new[3].update(age=None, job=None)
    write(folder / "new.csv", new, ["job", "flag", "income", "owner", "age"])
    r = runner("predict", first, "--data", "new.csv", cwd=folder)
    check.equal("new rows are predicted", r.code, 0)
    want = wanted(new, training_rows(first, rows))
    got = seen(r.out) if r.code == 0 else r.err
    check.ok("what the network sees", r.code == 0 and np.allclose(got, want, rtol=1e-5, atol=1e-5),
             f"{got}\n{want}")

    # the same bits from resolved.yaml
    r = runner(str(first / "resolved.yaml"), cwd=folder)
    check.equal("resolved.yaml trains", r.code, 0)
    second = latest(folder / "runs", "seen")
    check.equal("another run", second != first, True)
    a, b = (runner("predict", x, "--data", "new.csv", cwd=folder).out for x in (first, second))
    check.equal("with the same bits", a, b)

    # a run that stops in the middle goes on to the same bits
    r = runner("e.yaml", "train.max_time=0.000001s", cwd=folder)
    check.equal("it was stopped", r.code, 75)
    third = latest(folder / "runs", "seen")
    r = runner("resume", third, "train.max_time=1h", cwd=folder)
    check.equal("it was resumed", r.code, 0)
    check.equal("to the same bits", runner("predict", third, "--data", "new.csv", cwd=folder).out,
                b)


def test_targets(folder):
    rows = table(3, 60)
    for i, r in enumerate(rows):
        r.update(y=i % 3 + 4)
    write(folder / "x.csv", rows)
    few = experiment()
    few["model"]["m"]["layers"][0]["units"] = 3
    r = run(folder, few, "plan")
    check.equal("few integers are classes", r.code, 0)
    shown(r, "y few integers target: 3 classes")
    for i, r in enumerate(rows):
        r.update(y=i)
    write(folder / "x.csv", rows)
    number = experiment(split={"val": 0.2})
    number["model"]["m"] = {"type": "mlp", "in": {"x": "model.seen.out"}, "hidden": [], "outputs": 1}
    number["loss"] = {"type": "mse", "in": {"prediction": "model.m.out", "target": "data.y"}}
    r = run(folder, number, "plan")
    check.equal("many are numbers", r.code, 0)
    check.equal("it trains", run(folder, number).code, 0)
    first = latest(folder / "runs", "seen")
    y = np.array([float(t["y"]) for t in training_rows(first, rows)])
    r = run(folder, number)
    shown(r, f"y number target: standardised; a prediction z means {y.mean():.9g} + {y.std():.9g} z")
    # one that is of size 1 is learnt as it is
    for i, row in enumerate(rows):
        row.update(y=i / 20)
    write(folder / "x.csv", rows)
    shown(run(folder, number, "plan"), "y number target, as it is")
    # binary cross-entropy has a weight of the positive class
    rows = table(5, 100)
    write(folder / "x.csv", rows)
    two = experiment()
    two["model"]["m"] = {"type": "mlp", "in": {"x": "model.seen.out"}, "hidden": [], "outputs": 1}
    two["loss"] = {"type": "bce", "in": {"logits": "model.m.out", "label": "data.y"}}
    r = run(folder, two, "plan")
    check.ok("bce", re.search(r"y +text +target: 2 classes; .*: loss.pos_weight=\d", r.out + r.err), r.out + r.err)
    two["loss"]["pos_weight"] = 3
    shown(run(folder, two, "plan"), "y text target: 2 classes; the rarest has X rows, the largest X: "
                                    "no weights, by the loss or the file")
    # what cannot be a target
    for i, row in enumerate(rows):
        row.update(y="same")
    write(folder / "x.csv", rows)
    r = run(folder, experiment(split={"val": 0.2}), "plan")
    check.equal("one class", r.code, 3)
    check.within("one class", r.err, "the target 'y' has fewer than 2 classes in the training rows (1)")
    rows = [{"a": i % 3, "y": f"t{i}"} for i in range(1500)]
    write(folder / "x.csv", rows)
    r = run(folder, experiment(split={"val": 0.1}), "plan")
    check.equal("a thousand classes", r.code, 3)
    check.within("a thousand classes", r.err, "the target 'y' has more than 1000 different texts")


def test_columns(folder):
    """Dates, row numbers, many categories, declared types, names that YAML quotes."""
    draw = np.random.default_rng(9)
    names = ["a: b", "x#y", "null", "it's", "${x}", "sepal.length", "-", "12", "a,b", "*z", " pad", 'q"q']
    start = datetime.date(2024, 1, 1)
    rows = []
    for i in range(600):
        row = {name: int(draw.integers(0, 50)) for name in names}
        row.update(id=i + 7, seen=None if i % 10 == 3 else str(start + datetime.timedelta(int(draw.integers(0, 900)))),
                   code=f"c{int(draw.integers(0, 200) ** 2 // 250)}", zip=int(draw.integers(10, 15)),
                   free=f"text number {i}", y=["no", "yes", "well"][i % 3])
        rows.append(row)
    write(folder / "x.csv", rows)
    config = experiment(source={"type": "csv", "file": "x.csv", "target": "y", "fields": {"zip": "category"}})
    config["model"]["m"]["layers"][0]["units"] = 3
    r = run(folder, config)
    check.equal("it trains", r.code, 0)
    shown(r, "id integers that count the rows left out", "zip text, 5 categories one-hot; unknown: all zeros",
          "seen dates, X % missing days since 1970-01-01, impute (mean), standardise; 0/1 where missing",
          "free text, 480 different in 480 rows left out: a name, a key or free text",
          f"code text, {len({t['code'] for t in training_rows(latest(folder / 'runs', 'seen'), rows)})} categories "
          "one-hot of the 50 most frequent; any other: all zeros", *(f"{n} number standardise" for n in names if n[0] != " "))
    first = latest(folder / "runs", "seen")
    resolved = yaml.safe_load((first / "resolved.yaml").read_text())
    fields = yaml.load((first / "resolved.yaml").read_text(), yaml.BaseLoader)["data"]["source"]["fields"]
    check.equal("names", fields, {**{n.strip(): "number" for n in names}, "seen": "date", "code": "category",
                                  "zip": "category"})
    check.equal("declared", resolved["data"]["source"]["fields"]["zip"], "category")
    train = training_rows(first, rows)
    days = [(datetime.date.fromisoformat(t["seen"]) - datetime.date(1970, 1, 1)).days for t in train if t["seen"]]
    got = seen(runner("predict", first, cwd=folder).out)
    mean = np.mean(days)
    filled = [mean if not t["seen"] else (datetime.date.fromisoformat(t["seen"]) - datetime.date(1970, 1, 1)).days
              for t in rows]
    fit = [mean if not t["seen"] else (datetime.date.fromisoformat(t["seen"]) - datetime.date(1970, 1, 1)).days
           for t in train]
    want = (np.array(filled) - np.mean(fit)) / np.std(fit)
    check.ok("days", any(np.allclose(got[:, k], want, rtol=1e-4, atol=1e-4) for k in range(got.shape[1])), str(want[:5]))
    counts = {}
    for t in train:
        counts[t["code"]] = counts.get(t["code"], 0) + 1
    if len(counts) > 100:
        top = sorted(counts, key=lambda c: (-counts[c], c))[:50]
        hot = [t for t in resolved["data"]["transforms"] if t["of"] == "code" or t["of"] == ["code"]]
        check.equal("the most frequent", sorted(hot[0]["classes"]), sorted(top))
    r = runner(str(first / "resolved.yaml"), cwd=folder)
    check.equal("resolved.yaml trains", r.code, 0)
    a, b = (runner("predict", x, cwd=folder).out for x in (first, latest(folder / "runs", "seen")))
    check.equal("with the same bits", a == b, True)
    # of two classes, or a number, many categories become the mean of the target
    for what, value in (("two classes", lambda i: ["no", "yes"][i % 2]), ("a number", lambda i: i * 1000)):
        for i, row in enumerate(rows):
            row.update(y=value(i), code_missing=1 if i % 7 else 2, age=None if i % 5 == 1 else i % 11,
                       age_missing=i % 4)
        write(folder / "x.csv", rows)
        config = experiment(split={"val": 0.2})
        if what == "a number":
            config["model"]["m"] = {"type": "mlp", "in": {"x": "model.seen.out"}, "hidden": [], "outputs": 1}
            config["loss"] = {"type": "mse", "in": {"prediction": "model.m.out", "target": "data.y"}}
        r = run(folder, config)
        check.equal(f"{what}: it trains", r.code, 0)
        shown(r, "code text, X categories mean of the target (cross-fitted); unknown: that of all rows",
              "age number, X % missing impute (mean), standardise")  # there is an age_missing
        resolved = yaml.safe_load((latest(folder / "runs", "seen") / "resolved.yaml").read_text())
        steps = {t["type"]: t for t in resolved["data"]["transforms"] if "code" in t["of"]}
        check.equal(f"{what}: steps", [*steps], ["target_encode", "standardise", "concat"])
        new = [{**row, "code": "never", "y": None} for row in rows[:3]]
        write(folder / "new.csv", new)
        r = runner("predict", latest(folder / "runs", "seen"), "--data", "new.csv", cwd=folder)
        check.equal(f"{what}: an unknown one", r.code, 0)


def test_short(folder):
    """An experiment of six lines on a table with text, missing cells and a rare class."""
    write(folder / "x.csv", table(6, 400))
    (folder / "e.yaml").write_text("""name: seen
data: {source: {type: csv, file: x.csv, target: y}, prepare: auto, split: {kind: stratified, by: y, val: 0.2}}
model: {type: mlp, hidden: [16], outputs: 2}
loss: cross_entropy
optimizer: adam
train: {epochs: 3}
""")
    r = runner("e.yaml", cwd=folder)
    check.equal("six lines", r.code, 0) or print(r.err)


def test_sqlite(folder):
    """Another source of columns, whose types are its own."""
    rows = table(7, 120)
    with contextlib.closing(sqlite3.connect(folder / "x.db")) as db, db:
        db.execute("create table t (id, age, job text, y text)")
        db.executemany("insert into t values (?, ?, ?, ?)",
                       [(i, r["age"], r["job"], r["y"]) for i, r in enumerate(rows)])
    config = experiment(source={"type": "sqlite", "file": "x.db", "target": "y",
                                "query": "select * from t order by id"})
    if runner("plugin", "show", "sqlite").code:
        print("SKIP: sqlite: the library was not found when runner was built")
        return
    r = run(folder, config)
    check.equal("sqlite trains", r.code, 0) or print(r.err)
    shown(r, "id integers that count the rows left out", "job text, 3 categories, X % missing one-hot; "
          "missing and unknown: all zeros", "age number, X % missing impute (mean), standardise; 0/1 where missing")
    resolved = yaml.safe_load((latest(folder / "runs", "seen") / "resolved.yaml").read_text())
    check.equal("its fields", resolved["data"]["source"]["fields"], ["age", "job"])


def test_refused(folder):
    rows = table(4, 40)
    write(folder / "x.csv", rows)
    both = experiment(transforms=[{"type": "standardise", "of": "age"}])
    no_target = experiment()
    del no_target["data"]["source"]["target"]
    array = experiment(source={"type": "npy", "files": {"x": "x.npy"}})
    for what, config, part in (
            ("two ways", both, "data.prepare and data.transforms are both given"),
            ("no target", no_target, "which column is the target"),
            ("no table", array, "prepare: auto is for a table, and npy does not read one")):
        r = run(folder, config, "plan")
        check.equal(f"{what}: exit code", r.code, 2)
        check.within(what, r.err, part)
    dropped = experiment()
    dropped["data"]["source"]["drop"] = ["age"]
    r = run(folder, dropped, "plan")
    check.equal("a column that is dropped", (r.code, "prepare: age" in r.out + r.err), (0, False))
    alone = experiment()
    alone["data"]["source"]["features"] = ["const", "key"]
    r = run(folder, alone, "plan")
    check.equal("nothing is left", r.code, 3)
    check.within("nothing is left", r.err, "no column is left to learn from")


for test in (test_classes, test_targets, test_columns, test_short, test_sqlite, test_refused):
    with Scratch(IN_MEMORY) as scratch:
        test(scratch)
check.done()

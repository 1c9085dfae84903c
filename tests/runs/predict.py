#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prediction from another table: its columns are compared with those of the training
data before a row is predicted, and its cells are read as the types that training saw."""
import csv
import io

import numpy as np
import yaml

from harness import Checks, Scratch, latest, runner

check = Checks()

ROWS = [(i * 0.5, (i % 7) + 0.25, i, "12x"[i % 3], 0.5 * (i % 5), i % 3) for i in range(60)]


def table(folder, name, header, rows):
    with open(folder / name, "w") as f:
        for row in [header, *rows]:
            f.write(",".join(map(str, row)) + "\n")


def train(folder, fields, transforms, models, source=None, **data):
    """Networks that show what they see of each field; x is what is trained on."""
    seen = {name: {"type": "sequential", "in": {"x": f"data.{name}"},
                   "layers": [{"type": "flatten", "name": "seen"}]} for name in models}
    config = {"name": "p", "seed": 1, "output": "runs", "device": "reference",
              "data": {"source": {"type": "csv", "file": "t.csv", "target": "y",
                                  "fields": fields, **(source or {})},
                       "transforms": transforms, **data},
              "model": {**seen, "m": {"type": "sequential", "in": {"x": "data.x"},
                                      "layers": [{"type": "dense", "units": 3}]}},
              "loss": {"type": "cross_entropy",
                       "in": {"logits": "model.m.out", "label": "data.y"}},
              "optimizer": {"type": "sgd", "lr": 0}, "train": {"steps": 1}}
    (folder / "e.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    r = runner("e.yaml", cwd=folder)
    check.equal(f"trains on {models[:3]}", r.code, 0) or print(r.err)
    return latest(folder / "runs", "p")


def predict(folder, run, name):
    return runner("predict", run, "--data", name, cwd=folder)


def seen(r, model):
    rows = list(csv.reader(io.StringIO(r.out)))
    at = [i for i, c in enumerate(rows[0])
          if c.startswith(f"model.{model}.seen") and not c.endswith("argmax")]
    return np.array([[float(row[i]) for i in at] for row in rows[1:]])


def refused(folder, run, what, header, cells, *says):
    table(folder, "new.csv", header, [cells])
    r = predict(folder, run, "new.csv")
    check.equal(f"{what}: exit code and output", (r.code, r.out), (3, ""))
    for part in says:
        check.within(what, r.err, part)


def test_columns(folder):
    """Missing and extra columns are named, with a transform in between or without."""
    table(folder, "t.csv", "abckqy", ROWS)
    for transforms in ([], [{"type": "standardise", "of": "x"}], [{"type": "minmax"}]):
        run = train(folder, ["k", "q"], transforms, [])
        refused(folder, run, "an extra column", "abcdk", "12345",
                "new.csv: field 'x' has the extra column 'd'", "the run was trained on a,b,c")
        refused(folder, run, "a missing column", "ac", "12", "field 'x' lacks the column 'b'")
        refused(folder, run, "both", "acde", "1234",
                "field 'x' lacks the column 'b' and has the extra columns 'd', 'e'")
        refused(folder, run, "no features", "kq", "12",
                "there is no field 'x', which the run was trained with", "its columns: a,b,c")
        table(folder, "new.csv", "abc", ["123"])
        check.equal("what is not read may be missing", predict(folder, run, "new.csv").code, 0)
    # with a list, what else is in the file does not matter
    run = train(folder, [], [{"type": "standardise", "of": "x"}], [],
                source={"features": ["a", "b", "c"]})
    refused(folder, run, "of a list", "bkq", "123", "field 'x' lacks the columns 'a', 'c'")
    refused(folder, run, "none of a list", "kq", "12", "there is no field 'x'")
    table(folder, "new.csv", "dcbay", ["15324"])
    turned = predict(folder, run, "new.csv")
    table(folder, "new.csv", "dabyc", ["12345"])
    r = predict(folder, run, "new.csv")
    check.equal("more than the list", r.code, 0)
    check.equal("in another order", (turned.code, turned.out), (0, r.out))
    many = [f"c{i}" for i in range(20)]
    table(folder, "t.csv", [*many, "y"], [[i * k for k in range(20)] + [i % 3]
                                          for i in range(30)])
    run = train(folder, [], [], [])
    refused(folder, run, "a long list", ["c0"], ["1"],
            "lacks the columns 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8' and 11 more")


def test_field(folder):
    """The same of a field of its own."""
    table(folder, "t.csv", "abckqy", ROWS)
    run = train(folder, ["k", "q"], [{"type": "label_map", "of": "k"},
                                     {"type": "one_hot", "of": ["k"]},
                                     {"type": "standardise", "of": ["q"]}], ["k", "q"])
    refused(folder, run, "a field that is not there", "abcq", "1234",
            "new.csv: there is no field 'k', which the run was trained with")
    refused(folder, run, "text where numbers were", "abckq", ["1", "2", "3", "x", "word"],
            "field 'q' is text [4]; in the training data it is f64 []")


def test_types(folder):
    """What the cells of the new file look like does not matter."""
    table(folder, "t.csv", "abckqy", ROWS)
    run = train(folder, ["k", "q"], [{"type": "label_map", "of": "k"},
                                     {"type": "one_hot", "of": ["k"]},
                                     {"type": "impute", "of": ["q"], "with": "mean"}],
                ["k", "q"])
    cells = [(1, 2, 3, "2", "1"), (4, 5, 6, "1", "2")]
    table(folder, "new.csv", "abckq", cells)
    r = predict(folder, run, "new.csv")
    check.equal("categories that look like numbers", r.code, 0) or print(r.err)
    check.ok("their classes", np.array_equal(seen(r, "k"), [[0, 1, 0], [1, 0, 0]]), r.out)
    check.ok("whole numbers", np.array_equal(seen(r, "q"), [[1], [2]]), r.out)
    table(folder, "new.csv", "abckq", [(1, 2, 3, "x", ""), (4, 5, 6, "x", "NA")])
    r = predict(folder, run, "new.csv")
    check.equal("a column without a number", r.code, 0) or print(r.err)
    mean = np.mean([row[4] for row in ROWS])
    check.ok("imputed", np.allclose(seen(r, "q"), mean), r.out)
    # a category with integers as names, learnt as integers
    table(folder, "t.csv", "abcky", [(a, b, c, 10 * (c % 3), y) for a, b, c, _, _, y in ROWS])
    run = train(folder, ["k"], [{"type": "label_map", "of": "k"},
                                {"type": "one_hot", "of": ["k"]}], ["k"])
    table(folder, "new.csv", "abck", [(1, 2, 3, 20)])
    check.ok("integers", np.array_equal(seen(predict(folder, run, "new.csv"), "k"),
                                        [[0, 0, 1]]))
    refused(folder, run, "a number where integers were", "abck", (1, 2, 3, 20.5),
            "field 'k' is f64 []; in the training data it is i64 []")


def test_files(folder):
    """The second file of an experiment is read with the types of the first."""
    table(folder, "t.csv", "abky", [(a, b, k, y) for a, b, _, k, _, y in ROWS])
    table(folder, "test.csv", "abky", [(1, 2, 1 + i % 2, i % 3) for i in range(12)])
    source = {"type": "csv", "target": "y", "fields": ["k"]}
    config = {"name": "p", "seed": 1, "output": "runs", "device": "reference",
              "data": {"train": {"file": "t.csv", **source},
                       "test": {"file": "test.csv", **source},
                       "transforms": [{"type": "label_map", "of": "k"},
                                      {"type": "one_hot", "of": ["k"]}]},
              "model": {"k": {"type": "sequential", "in": {"x": "data.k"},
                              "layers": [{"type": "flatten", "name": "seen"},
                                         {"type": "dense", "units": 3}]}},
              "loss": {"type": "cross_entropy",
                       "in": {"logits": "model.k.out", "label": "data.y"}},
              "optimizer": {"type": "sgd", "lr": 0}, "train": {"steps": 1}}
    (folder / "e.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    r = runner("e.yaml", cwd=folder)
    check.equal("a test file whose categories look like numbers", r.code, 0) or print(r.err)
    r = runner("predict", latest(folder / "runs", "p"), cwd=folder)
    check.ok("their classes", np.array_equal(seen(r, "k"), [[1, 0, 0], [0, 1, 0]] * 6), r.out)


def test_many(folder):
    """Any number of fields: 300 of their own, each changed, shown and predicted."""
    names = [f"f{i}" for i in range(300)]
    rng = np.random.default_rng(1)
    values = rng.normal(size=(40, 300)).round(3)
    table(folder, "t.csv", ["a", *names, "y"],
          [[i, *values[i], i % 3] for i in range(40)])
    run = train(folder, names, [{"type": "standardise", "of": names}], names)
    table(folder, "new.csv", ["a", *names], [[1, *values[0]]])
    r = predict(folder, run, "new.csv")
    check.equal("300 fields", r.code, 0) or print(r.err)
    rows = list(csv.reader(io.StringIO(r.out)))
    check.ok("300 outputs", sum(c.endswith(".seen") for c in rows[0]) == 300, rows[0][:9])


with Scratch() as top:
    for name, test in [(k, v) for k, v in globals().items() if k.startswith("test_")]:
        (top / name).mkdir()
        test(top / name)
check.done()

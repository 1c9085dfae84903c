#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Metrics through whole runs against scikit-learn's numbers (metrics_golden.json, made by
metrics_golden.py): every option, last batches that are short, eval beside predict, the
confusion matrix of each epoch in run.h5."""
import csv
import io
import json
import math
import pathlib
import re

import h5py
import numpy as np
import yaml

from harness import IN_MEMORY, ROOT, Checks, Scratch, latest, runner

check = Checks()
GOLDEN = json.loads(pathlib.Path(__file__).with_name("metrics_golden.json").read_text())


def save(folder, name, values, kind):
    np.save(folder / f"{name}.npy", np.array(values, kind))
    return f"{name}.npy"


def train(folder, config, code=0):
    (folder / "e.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    r = runner(folder / "e.yaml", "--progress", "none", cwd=folder)
    check.equal(f"exit code of {config['name']}", r.code, code) or print(r.err)
    return r


def shown(folder, case, metrics, eval_batch):
    """A run whose network shows field `x` as it is (layer `seen`), with these metrics of
    it on the test split: all rows of the case."""
    files = {k: save(folder, k, v, kind) for k, v, kind in case}
    source = {"type": "npy", "files": files}
    return {"name": "shown", "output": str(folder / "runs"),
            "data": {"train": source, "test": source, "eval_batch": eval_batch},
            "model": {"type": "sequential", "in": {"x": "data.x"},
                      "layers": [{"type": "flatten", "name": "seen"},
                                 {"type": "dense", "units": 1}]},
            "loss": {"type": "mse", "in": {"prediction": "model.out", "target": 0.0}},
            "optimizer": {"type": "sgd", "lr": 0}, "train": {"steps": 1},
            "metrics": metrics}


def evaluated(folder):
    r = runner("eval", latest(folder / "runs", "shown"), "--json", cwd=folder)
    check.equal("eval", r.code, 0) or print(r.err)
    return json.loads(r.out) if r.code == 0 else {}


def parse(spec):
    """"f1 average=binary positive=2" as a component."""
    name, *options = spec.split()
    return {"type": name, **{k: int(v) if v.isdigit() else v
                             for k, v in (o.split("=") for o in options)}}


def test_golden(folder):
    for title, case in GOLDEN["cases"].items():
        of_classes = "scores" in case
        first, second = ("scores", "label") if of_classes else ("prediction", "target")
        fields = [("x", case[first], "f4"), (second, case[second], "i8" if of_classes else "f4")]
        ports = {first: "model.seen", second: f"data.{second}"}
        if case["weight"]:
            fields.append(("w", case["weight"], "f4"))
        wanted, metrics = {}, {}
        for i, (spec, value) in enumerate(case["want"].items()):
            if spec.endswith("per_class"):
                continue
            m = metrics[f"m{i}"] = parse(spec)
            m["in"] = dict(ports)
            if case["weight"] and m["type"] != "confusion":
                m["in"]["weight"] = "data.w"
            if case.get("threshold") and m["type"] != "top_k":
                m["threshold"] = case["threshold"]
            if not isinstance(value, list):
                wanted[f"m{i}"] = (spec, value)
        for eval_batch in (7, 1000):
            train(folder, shown(folder, fields, metrics, eval_batch))
            got = evaluated(folder)
            for name, (spec, value) in wanted.items():
                if math.isnan(value):  # null in JSON
                    check.equal(f"{title}: {spec}, batches of {eval_batch}",
                                (f"test/{name}" in got, got.get(f"test/{name}")),
                                (True, None))
                    continue
                check.close(f"{title}: {spec}, batches of {eval_batch}",
                            got.get(f"test/{name}"), value, 1e-7 * max(1, abs(value)))
            with h5py.File(latest(folder / "runs", "shown") / "run.h5") as f:
                for i, (spec, value) in enumerate(case["want"].items()):
                    if spec == "confusion":
                        m = f[f"tensors/test/m{i}/value"]
                        check.equal(f"{title}: {spec}", m[-1].tolist(), value)
                        check.within("documented", m.attrs["doc"].decode(), "true class down")
                    elif spec.endswith("per_class"):
                        of = next(k for k, s in metrics.items()
                                  if s["type"] == spec.split()[0])
                        m = f[f"tensors/test/{of}.per_class/value"][-1]
                        check.ok(f"{title}: {spec}", np.allclose(m, value, rtol=0, atol=1e-7),
                                 f"{m}\n{value}")


def test_eval_is_predict(folder):
    """breast-cancer as it ships: eval's numbers are those of its own predictions."""
    r = runner(ROOT / "configs/breast-cancer.yaml", f"output={folder}/runs", "train.epochs=3",
               "metrics=[accuracy, {type: f1, average: binary}, confusion]", "--progress",
               "none", cwd=folder)
    check.equal("trains", r.code, 0) or print(r.err)
    run = latest(folder / "runs", "breast-cancer")
    rows = list(csv.reader(io.StringIO(runner("predict", run, cwd=folder).out)))
    at = rows[0].index("model.out.argmax")
    guess = np.array([int(row[at]) for row in rows[1:]])
    table = np.genfromtxt(ROOT / "datasets/breast_cancer.csv", delimiter=",", names=True)
    label = table["label"].astype(int)
    words = (run / "split.txt").read_text().split()
    for split in ("train", "val", "test"):
        i = words.index(split)
        ids = np.array(words[i + 2:i + 2 + int(words[i + 1])], int)
        y, p = label[ids], guess[ids]
        got = json.loads(runner("eval", run, "--split", split, "--json", cwd=folder).out)
        hit = ((y == 1) & (p == 1)).sum()
        check.close(f"{split} accuracy", got[f"{split}/accuracy"], (y == p).mean(), 1e-12)
        check.close(f"{split} f1", got[f"{split}/f1"],
                    2 * hit / ((y == 1).sum() + (p == 1).sum()), 1e-12)
    # one confusion matrix an epoch, each of all validation rows, adding up to its accuracy
    with h5py.File(run / "run.h5") as f:
        m = f["tensors/val/confusion/value"]
        check.equal("shape", (m.shape, m.dtype), ((3, 2, 2), np.dtype("i8")))
        n = int(words[words.index("val") + 1])
        check.ok("each counts every row", all(x.sum() == n for x in m[:]))
        accuracy = f["scalars/val/accuracy/value"][:]
        check.ok("its diagonal is the accuracy",
                 np.allclose([np.trace(x) / n for x in m[:]], accuracy, rtol=0, atol=1e-12))
        check.equal("epochs", f["tensors/val/confusion/epoch"][:].tolist(), [1, 2, 3])


def test_undefined(folder):
    """Rows that weigh nothing: every mean is n/a, shown so, NaN in the record, null in
    JSON."""
    x = [[1.0, 2.0], [3.0, 1.0]]
    of_classes = {"scores": "model.seen", "label": "data.label", "weight": "data.w"}
    of_numbers = {"prediction": "model.seen", "target": "data.t", "weight": "data.w"}
    names = ["accuracy", "top_k", "precision", "recall", "f1", "mse", "mae", "r2"]
    metrics = {n: {"type": n, "in": of_numbers if n in ("mse", "mae", "r2") else of_classes}
               for n in names}
    metrics["top_k"]["k"] = 1
    fields = [("x", x, "f4"), ("t", x, "f4"), ("label", [0, 1], "i8"), ("w", [0, 0], "i4")]
    r = train(folder, shown(folder, fields, metrics, 5))
    got = evaluated(folder)
    with h5py.File(latest(folder / "runs", "shown") / "run.h5") as f:
        for n in names:
            check.within(f"{n} of no weight: shown", r.out, f"test/{n} n/a\n")
            check.equal(f"{n} of no weight: json", got.get(f"test/{n}", ""), None)
            check.ok(f"{n} of no weight: kept", np.isnan(f[f"scalars/test/{n}/value"][-1]))


def one_logit():
    """An experiment whose logit is x itself as [N,1], and z as [N], beside labels y."""
    source = {"type": "npy", "files": {"x": "x.npy", "y": "y.npy", "z": "z.npy"}}
    metrics = {n: {"type": n, "average": "binary"} for n in ("f1", "precision", "recall")}
    metrics["accuracy"] = {"type": "accuracy"}
    flat = {n + "_flat": {**m, "in": {"scores": "data.z"}} for n, m in metrics.items()}
    return {"name": "logit", "data": {"train": source, "test": source, "eval_batch": 7},
            "model": {"type": "sequential", "in": {"x": "data.x"},
                      "layers": [{"type": "dense", "units": 1}]},
            "init": {"type": "constant", "value": 1},
            "loss": {"type": "bce", "in": {"target": "data.y"}},
            "metrics": {**metrics, **flat},
            "optimizer": {"type": "sgd", "lr": 0}, "train": {"steps": 1}}


def test_one_logit(folder):
    """One score a row, as [N,1] or [N], of class 1 above the threshold; labels of any
    integer type or bool; the natural file binds everything."""
    rng = np.random.default_rng(5)
    z = np.round(rng.standard_normal(29), 3).astype("f4")
    y = (z + rng.standard_normal(29) > 0).astype(int)
    guess = (z > 0).astype(int)
    hit = ((guess == 1) & (y == 1)).sum()
    want = {"accuracy": (guess == y).mean(), "f1": 2 * hit / (guess.sum() + y.sum()),
            "precision": hit / guess.sum(), "recall": hit / y.sum()}
    loss = (np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0) - z * y).mean()
    c = one_logit()
    save(folder, "x", z.reshape(29, 1), "f4")
    save(folder, "z", z, "f4")
    for kind in ("i8", "u1", "i4", "?"):
        save(folder, "y", y, kind)
        r = train(folder, c)
        check.close(f"one logit, {kind}: loss", r.value("test/loss"), loss, 2e-6)
        for name, value in want.items():
            for of in ("", "_flat"):
                check.close(f"one logit, {kind}: {name}{of}", r.value(f"test/{name}{of}"),
                            value, 2e-6)
    save(folder, "y", y, "i8")
    for loss in ("cross_entropy", "focal"):
        r = train(folder, {**c, "loss": {"type": loss, "in": {"label": "data.y"}}}, 2)
        check.within(f"{loss} of one logit", r.err, "bce is for one logit")
    r = train(folder, {**c, "metrics": {"m": {"type": "top_k", "k": 1}}}, 2)
    check.within("top_k of one logit", r.err, "accuracy is the metric for that")
    save(folder, "y", np.where(np.arange(29) == 11, 2, y), "i8")
    r = train(folder, c, 3)
    check.within("a class beyond two", r.err, "row 12 has the y 2, but loss takes 0 to 1")
    check.within("what helps", r.err, "more than two classes need a loss over classes")
    save(folder, "y", y, "f4")
    r = train(folder, c, 2)
    check.within("a float label", r.err, "a class label is an integer")


def test_names(folder):
    """No two curves of one name."""
    fields = [("x", [[1, 2], [3, 4]], "f4"), ("label", [0, 1], "i8")]
    ports = {"scores": "model.seen", "label": "data.label"}
    c = shown(folder, fields, {"loss": {"type": "accuracy", "in": ports}}, 5)
    r = train(folder, c, 2)
    check.within("a metric named loss", r.err, "two curves would be named 'loss'")
    check.ok("a metric named loss: where", re.search(r"e\.yaml:\d+:\d+: error: two", r.err))
    check.equal("plan refuses it too", runner("plan", folder / "e.yaml").code, 2)
    c["metrics"] = [{"type": "accuracy", "in": ports}, {"type": "accuracy", "in": ports}]
    r = train(folder, c)
    check.equal("two of a kind are numbered", (r.value("test/accuracy"),
                r.value("test/accuracy_2")), (0.5, 0.5))


def test_wrong(folder):
    fields = [("x", [[1, 2], [3, 4]], "f4"), ("label", [0, 1], "i8")]
    ports = {"scores": "model.seen", "label": "data.label"}
    for metric, code, says in [
            ({"type": "top_k", "k": 3, "in": ports}, 2, "k is 3, but there are 2 scores a row"),
            ({"type": "f1", "average": "binary", "positive": 2, "in": ports}, 2,
             "there is no class 2: the scores have 2 classes"),
            ({"type": "accuracy", "in": {**ports, "label": 1}}, 2,
             "port 'label' of runner/accuracy expects int/bool"),
            ({"type": "f1", "average": "samples", "in": ports}, 2, "macro"),
            ({"type": "mse", "in": {"prediction": "model.seen", "target": "data.x",
                                    "weights": "data.label"}}, 2, "did you mean 'weight'?"),
            ({"type": "mse", "in": {"prediction": "model.seen", "target": 0}}, 2,
             "prediction and target differ in shape"),
            ({"type": "mae", "in": {"prediction": "model.seen", "target": "data.label"}}, 2,
             "prediction and target differ in shape")]:
        r = train(folder, shown(folder, fields, {"m": metric}, 5), code)
        check.within(f"{metric}", r.err, says)
    # labels that only a metric reads, in every split, before step one
    for metric in ("confusion", "f1", "precision", "recall", "accuracy", "top_k"):
        for bad in (7, -1):
            fields[1] = ("label", [0, bad], "i8")
            m = {"type": metric, "in": ports, **({"k": 1} if metric == "top_k" else {})}
            r = train(folder, shown(folder, fields, {"m": m}, 5), 3)
            check.within(f"{metric}: label {bad} of two classes", r.err,
                         f"label.npy: row 2 has the label {bad}, but metrics.m takes 0 to 1")
            check.ok(f"{metric}: label {bad}: nothing was trained", "step" not in r.out)
    # one number as the target of every row
    r = train(folder, shown(folder, [("x", [[1], [3]], "f4")],
                            {"m": {"type": "mae", "in": {"prediction": "model.seen",
                                                         "target": 0.5}}}, 5))
    check.close("a number for all rows", r.value("test/m"), 1.5, 1e-6)


with Scratch(IN_MEMORY) as folder:
    for test in (test_golden, test_undefined, test_one_logit, test_names,
                 test_eval_is_predict, test_wrong):
        test(folder)
check.done()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names of the elements of fields through transforms, as `runner prepare` writes them, and after
training on prepared data.

    element_names.py RUNNER"""
import pathlib
import sys

import numpy as np
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import IN_MEMORY, Checks, Scratch, runner  # noqa: E402

c = Checks()
ROWS = "\n".join(f"{i % 7},{i * i % 11},{['Rom', 'Ulm', 'a b'][i % 3]},{i % 4},2024-0{i % 9 + 1}-11,{i % 2}" for i in range(40))
SOURCE = {"type": "csv", "file": "x.csv", "target": "y", "target_type": "int", "features": ["age", "pay"],
          "fields": {"city": "category", "rank": "number", "day": "date"}}


def header(folder, transforms, source=None, what="", out="p.csv"):
    config = {"data": {"source": source or SOURCE, "split": {"val": 8}, "transforms": transforms},
              "model": {"type": "sequential", "in": {"x": "data.x"}, "layers": [{"type": "flatten"}, {"type": "dense", "units": 2}]},
              "loss": {"type": "cross_entropy", "in": {"logits": "model.out", "label": "data.y"}},
              "optimizer": {"type": "sgd", "lr": .1}, "train": {"epochs": 1}}
    (folder / "e.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    r = runner("prepare", "e.yaml", "--out", out, cwd=folder)
    c.equal(f"{what}: exit", r.code, 0)
    lines = [k for k in (folder / "p.csv").read_text().splitlines() if not k.startswith("#")]
    return lines[0].split(",")[2:]


def of_x(names):
    return [n[2:] for n in names if n.startswith("x.")]


def test(folder):
    (folder / "x.csv").write_text("age,pay,city,rank,day,y\n" + ROWS + "\n")
    drop = {**SOURCE, "fields": {"rank": "number"}}
    for t in ([], [{"type": "standardise", "of": "x"}], [{"type": "minmax", "of": "x"}], [{"type": "robust", "of": "x"}],
              [{"type": "impute", "of": "x"}], [{"type": "scale", "of": "x", "factor": 2}], [{"type": "quantile", "of": "x"}],
              [{"type": "normalise", "of": "x"}], [{"type": "bins", "of": "x", "bins": 3}], [{"type": "log", "of": "x", "shift": 1}],
              [{"type": "outliers", "of": "x"}], [{"type": "ordinal", "of": "x"}], [{"type": "frequency", "of": "x"}]):
        c.equal(f"{t}", of_x(header(folder, t, drop, str(t))), ["age", "pay"])
    t = [{"type": "polynomial", "of": "x"}]
    c.equal("polynomial", of_x(header(folder, t, drop)), ["age", "pay", "age*age", "age*pay", "pay*pay"])
    t = [{"type": "polynomial", "of": "x", "degree": 3, "interaction_only": True}]
    c.equal("interactions", of_x(header(folder, t, drop)), ["age", "pay", "age*pay"])
    c.equal("pca", of_x(header(folder, [{"type": "pca", "of": "x"}], drop)), ["pca0", "pca1"])
    t = [{"type": "concat", "of": ["rank", "x"], "as": "x"}, {"type": "select", "of": "x", "by": "variance", "keep": 2}]
    spread = {k: np.var([float(r.split(",")[i]) for r in ROWS.split("\n")]) for k, i in (("rank", 3), ("age", 0), ("pay", 1))}
    kept = sorted(spread, key=spread.get)[1:]
    c.equal("select", sorted(of_x(header(folder, t, drop))), sorted(kept))
    mixed = [{"type": "impute", "of": "x", "flag": True}, {"type": "one_hot", "of": ["city", "rank"], "min_count": 2},
             {"type": "date_parts", "of": "day", "parts": ["year", "month"]},
             {"type": "concat", "of": ["x", "x_missing", "city", "rank", "day"], "as": "x"}]
    mixed[1] = {"type": "one_hot", "of": ["city"]}
    # x and x_missing have the same names: numbers stand for them.
    want = ["0", "1", "2", "3", "city_Rom", "city_Ulm", "city_a b", "rank", "day_year", "day_month"]
    c.equal("concat", of_x(header(folder, mixed)), want)
    header(folder, mixed, out="p.h5")
    e = runner("prepare", "e.yaml", "data.prepared=p.h5", "--out", "p.csv", cwd=folder)
    c.equal("of a file for a prepared one", e.code, 0)
    c.equal("train on it", runner("train", "e.yaml", "data.prepared=p.h5", cwd=folder).code, 0)
    # A name that cannot be one, and fields without names.
    (folder / "x.csv").write_text(("age,pay,city,rank,day,y\n" + ROWS + "\n").replace("a b", '"a,b"'))
    c.equal("a comma", of_x(header(folder, [{"type": "one_hot", "of": "city"}, {"type": "flatten", "of": "x"},
                                            {"type": "date_parts", "of": "day", "parts": ["year"]},
                                            {"type": "concat", "of": ["x", "city", "rank", "day"], "as": "x"}])),
            ["age", "pay", "city.0", "city.1", "city.2", "rank", "day_year"])


with Scratch(IN_MEMORY) as top:
    test(pathlib.Path(top))
c.done()

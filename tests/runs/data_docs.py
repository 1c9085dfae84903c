#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/data.md, docs/transforms.md and docs/augmentation.md are true: each block of YAML trains, what it says of the record is there."""
import re
import shutil

import h5py
import numpy as np
import yaml

from harness import ROOT, Checks, Scratch, latest, runner

check = Checks()
page = "".join((ROOT / "docs" / f"{name}.md").read_text()
               for name in ("data", "transforms", "augmentation"))
blocks = {re.match(r"# (\S+)\.yaml", text).group(1): yaml.safe_load(text)
          for text in re.findall(r"^```yaml\n(.*?)^```", page, re.S | re.M)}
python = re.search(r"^```python\n(.*?)^```", page, re.S | re.M).group(1)

rng = np.random.default_rng(6)
REST = {"loss": "cross_entropy", "optimizer": {"type": "adam", "lr": 0.01},
        "train": {"epochs": 2}, "seed": 4}


def files(folder):
    kinds = ["rose", "tulip", "oxeye; daisy"]
    rows = [f'{"NA" if i % 11 == 5 else round(1 + i % 3 + rng.random(), 3)};'
            f'{"" if i % 13 == 3 else round(5 - i % 3 + rng.random(), 3)};{i};"{kinds[i % 3]}"'
            for i in range(90)]
    (folder / "flowers.csv").write_text("length;width;number;kind\r\n" + "\r\n".join(rows))
    for name, n in (("train", 100), ("test", 30)):
        np.save(folder / f"{name}-x.npy", rng.standard_normal((n, 4)).astype("f4"))
        np.save(folder / f"{name}-y.npy", rng.integers(0, 3, n))
    (folder / "reviews.csv").write_text("review,stars\n" + "".join(
        f"{'good ' * (i % 3) + 'bad' * (i % 7 % 2)} {i},{i % 3}\n" for i in range(60)))
    np.save(folder / "image.npy", rng.random((60, 3, 12, 12)).astype("f4"))
    np.save(folder / "mask.npy", rng.integers(0, 4, (60, 12, 12)))
    np.save(folder / "boxes.npy", np.tile(np.float32([[1, 2, 8, 9], [0, 0, 0, 0]]), (60, 1, 1)))
    np.save(folder / "label.npy", np.arange(60) % 3)
    for name in ("digits-images.idx3.gz", "digits-labels.idx1.gz"):
        shutil.copy(ROOT / "datasets" / name, folder)


def train(folder, name):
    config = {"name": name, **REST, "model": {"type": "mlp", "hidden": [8], "outputs": 3},
              **blocks[name]}
    if "data" not in config:
        config["data"] = blocks["files"]["data"]
    if name in ("augmented", "pictures", "balanced", "mixed"):
        config["model"]["outputs"] = 10
    if name == "segmented":
        config["model"]["in"] = {"x": "data.image"}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    r = runner(f"{name}.yaml", "--progress", "none", cwd=folder)
    check.equal(f"{name} trains", r.code, 0) or print(r.err)
    return latest(folder / "runs", name)


with Scratch() as folder:
    files(folder)
    check.equal("blocks", sorted(blocks),
                ["augmented", "balanced", "files", "measured", "mixed", "noisy", "pictures", "reviews",
                 "robust", "segmented", "table", "watched"])
    runs = {name: train(folder, name) for name in blocks}

    text = (runs["table"] / "split.txt").read_text()
    check.equal("the split", re.findall(r"^(?:train|val|test) \d+$", text, re.M),
                ["train 62", "val 18", "test 10"])
    kept = {"data": {**blocks["table"]["data"],
                     "split": {"kind": "file", "path": str(runs["table"] / "split.txt")}}}
    blocks["kept"] = kept
    check.equal("and again from its file",
                (train(folder, "kept") / "split.txt").read_text(), text)

    with h5py.File(runs["measured"] / "run.h5") as f:
        for series in re.findall(r'f\["(.*?)"\]', python):
            check.ok(f"run.h5 has {series}", series in f and f[series].shape[0] == 2)
        check.ok("recall of each class", f["tensors/val/each.per_class/value"].shape == (2, 3))
    exec(python.replace('"runs', f'"{folder}/runs'))
    with h5py.File(runs["watched"] / "run.h5") as f:
        check.equal("kinds of statistics", sorted(f["tensors/inspect"]),
                    ["activation", "gradient", "weight"])

    (folder / "new.csv").write_text("length;width\n1.5;4.5\n")
    r = runner("predict", runs["table"], "--data", "new.csv", cwd=folder)
    check.equal("a prediction without targets", (r.code, len(r.out.splitlines())), (0, 2))
    with open(folder / "flowers.csv", "a") as f:
        f.write("\r\n1;2;3;rose")
    r = runner("eval", runs["table"], cwd=folder)
    check.equal("eval of changed files", r.code, 3)

# Every part that the page names is there, and every part of these kinds is named.
r = runner("plugin", "list")
kind = None
for line in r.out.splitlines():
    if line and not line.startswith(" "):
        kind = line
    elif line.strip() and kind in ("source", "sampler", "transform", "augment", "collate", "metric"):
        name = line.split()[0]
        check.ok(f"the page names {name}", f"`{name}`" in page or f"type: {name}" in page)
check.done()

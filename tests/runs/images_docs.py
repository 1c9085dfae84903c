#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/images.md is true: its job, from a folder of PNG and JPEG files to a network, and
its other block of YAML."""
import io
import re
import tarfile

import numpy as np
import yaml

import clothes
from harness import ROOT, Checks, Scratch, latest, runner
from pictures import GREY, png

check = Checks()
page = (ROOT / "docs/images.md").read_text()
blocks = {re.match(r"# (\S+)\.yaml", text).group(1): text
          for text in re.findall(r"^```yaml\n(.*?)^```", page, re.S | re.M)}
REST = {"model": {"type": "mlp", "hidden": [8], "outputs": 2}, "loss": "cross_entropy",
        "optimizer": {"type": "adam", "lr": 0.01}, "train": {"epochs": 1}, "seed": 4}


def built_in(form):
    line = re.search(rf"^ +source/images +{form} +(.*)$", runner("doctor").out, re.M)
    return bool(line) and "not built in" not in line[1]


def test_job(folder):
    config = ROOT / "configs/pictures/clothes.yaml"
    check.equal("the page has the config", yaml.safe_load(blocks["clothes"]),
                yaml.safe_load(config.read_text()))
    if not clothes.make(folder / "clothes", 80, built_in("JPEG") and clothes.Image is not None):
        print("SKIP: the package dataset-fashion-mnist is not installed")
        return
    clothes.make(folder / "new-pictures", 2, False)
    (folder / "clothes.yaml").write_text(config.read_text())
    for line in re.search(r"^```sh\n(.*?)^```", page, re.S | re.M)[1].splitlines():
        args = line.split("#")[0].split()
        r = runner(*args[1:], *(["--progress", "none"] if len(args) == 2 else []), cwd=folder)
        check.equal(" ".join(args), r.code, 0) or print(r.err)
        if len(args) == 2:
            check.within("what it says of the pictures", r.err, ": 800 pictures in 10 classes")
            check.ok("accuracy", (r.value("test/accuracy") or 0) > 0.7, r.out)
    rows = (folder / "classes.csv").read_text().splitlines()
    check.equal("predictions", len(rows), 21)
    # the stored split is of this content: another picture is noticed
    place = folder / "clothes/bag/0000.png"
    place.write_bytes(png(np.zeros((28, 28, 1), int), GREY))
    r = runner("eval", latest(folder / "runs", "clothes"), cwd=folder)
    check.equal("a picture was changed", r.code, 3)


def test_shards(folder):
    if not built_in("archives"):
        print("SKIP: this runner was built without libarchive")
        return
    (folder / "shards").mkdir()
    for name in ("train-000", "train-001", "train-002", "test"):
        with tarfile.open(folder / f"shards/{name}.tar", "w") as t:
            for i in range(12):
                for end, data in (("cls", b"cat" if i % 2 else b"dog"),
                                  ("png", png(np.full((6, 6, 3), 20 * i)))):
                    entry = tarfile.TarInfo(f"{i:04}.{end}")
                    entry.size = len(data)
                    t.addfile(entry, io.BytesIO(data))
    config = {"name": "shards", **REST, **yaml.safe_load(blocks["shards"])}
    (folder / "shards.yaml").write_text(yaml.safe_dump(config))
    r = runner("shards.yaml", "--progress", "none", cwd=folder)
    check.equal("shards train", r.code, 0) or print(r.err)
    check.within("shards", r.err, ": 36 pictures in 2 classes")


check.equal("blocks", sorted(blocks), ["clothes", "shards"])
if not built_in("PNG"):
    print("SKIP: this runner was built without libpng")
else:
    for test in (test_job, test_shards):
        with Scratch() as scratch:
            test(scratch)
check.done()

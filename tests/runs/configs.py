# SPDX-License-Identifier: Apache-2.0
"""The larger experiments of configs/ begin: two steps each, an evaluation, a checkpoint,
with networks or data made smaller where the whole would take long."""
import os
import pathlib

from harness import ROOT, Checks, Scratch, runner

FASHION = pathlib.Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
CONFIGS = {
    "letters": (["model.hidden=[16, 16]"], "test/accuracy"),
    "char-gpt": (["model.layers=1", "model.width=16", "data.split.test=16",
                  "data.split.val=16"], "test/loss"),
    "char-gpt-large": (["model.layers=1", "model.width=12", "data.split.test=16",
                        "data.split.val=16", "data.batch=2"], "test/loss"),
    "resnet": (["model.width=2", "data.split.val=50", "data.batch=8"], "test/accuracy"),
}


def main():
    c = Checks()
    with Scratch() as folder:
        for name, (more, metric) in CONFIGS.items():
            file = ROOT / f"configs/{name}.yaml"
            if "fashion" in file.read_text() and not FASHION.exists():
                print(f"SKIP: configs/{name}.yaml: the package dataset-fashion-mnist is not there")
                continue
            r = runner(file, f"output={folder}/runs", "~train.epochs", "train.steps=2",
                       "--progress", "none", *more)
            c.equal(f"{name}: exit", r.code, 0) or print(r.err)
            c.within(f"{name}: what it prints", r.out, metric)
    c.done()


main()

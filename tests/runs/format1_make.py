# SPDX-License-Identifier: Apache-2.0
"""Makes format1/: run folders whose checkpoints have format 1, each stopped in the middle
of an epoch. Run once, with the last runner that wrote that format (commit d32011f):

    python3 tests/runs/format1_make.py path/to/runner"""
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent / "format1"

EXPERIMENTS = {
    # Momentum, dropout, monitors of all kinds, a nested schedule.
    "one": """
device: reference
name: one
seed: 5
data:
  source: {type: csv, file: a.csv, target: y}
  split: {kind: random, val: 12, test: 10}
  batch: 8
model:
  type: sequential
  in: {x: data.x}
  layers:
    - {type: dense, units: 6}
    - {type: relu}
    - {type: dropout, p: 0.2}
    - {type: dense, units: 2}
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: sgd, lr: 0.2, momentum: 0.9}
schedule: {type: warmup, length: 2st, then: {type: plateau, patience: 0, factor: 0.5}}
train:
  epochs: 5
  log_every: 4
  early_stop: {monitor: val/accuracy, patience: 4}
checkpoint: {best: {monitor: val/loss}}
""",
    # A transform whose state was fitted then.
    "fitted": """
device: reference
name: fitted
seed: 5
data:
  source: {type: csv, file: a.csv, target: y}
  split: {kind: random, val: 12, test: 10}
  transforms: [{type: standardise, of: x}]
  batch: 8
model: {type: mlp, in: {x: data.x}, hidden: [6], outputs: 2}
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: sgd, lr: 0.2}
train: {epochs: 3, log_every: 4}
""",
    # Two programs, of which one runs at every fourth step.
    "two": """
device: reference
name: two
seed: 5
data:
  source: {type: csv, file: a.csv, target: y}
  split: {kind: random, val: 12, test: 10}
  batch: 8
model: {type: mlp, in: {x: data.x}, hidden: [6], outputs: 2}
loss:
  a: {type: cross_entropy, in: {logits: model.out, label: data.y}}
  b: {type: focal, gamma: 2, in: {logits: model.out, label: data.y}}
metrics: [accuracy]
optimizer:
  a: {type: sgd, lr: 0.1, momentum: 0.9}
  b: {type: adam, lr: 0.01}
train:
  steps: 15
  log_every: 4
  programs:
    - {name: a, minimize: [a], optimizer: [a]}
    - {name: b, minimize: [b], optimizer: [b], every: 4}
"""}


def table(path):
    rng = random.Random(3)
    rows = ["a,b,c,y"]
    for i in range(70):
        x = [rng.gauss(0, 1) for _ in range(3)]
        rows.append(",".join(f"{v:.3f}" for v in x) + f",{int(x[0] + x[1] > 0)}")
    path.write_text("\n".join(rows) + "\n")


def main(runner):
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    with tempfile.TemporaryDirectory() as top:
        top = pathlib.Path(top)
        table(top / "a.csv")
        shutil.copy(top / "a.csv", HERE / "a.csv")
        for name, text in EXPERIMENTS.items():
            (top / f"{name}.yaml").write_text(text.lstrip())
            subprocess.run([runner, f"{name}.yaml", "train.max_time=0.000001s"], cwd=top)
            run = (top / "runs" / name / "latest").resolve()
            for _ in range(8):
                subprocess.run([runner, "resume", run], cwd=top)
            to = HERE / name
            shutil.copytree(run, to)
            (to / "lock").unlink(missing_ok=True)
            for f in (to / "checkpoints").iterdir():  # the newest and the best are enough
                if f.stem not in ((to / "CURRENT").read_text().split()[0], "best"):
                    f.unlink()
            resolved = (to / "resolved.yaml").read_text()
            (to / "resolved.yaml").write_text(resolved.replace(str(top), "@HERE@"))


main(sys.argv[1])

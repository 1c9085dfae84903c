# SPDX-License-Identifier: Apache-2.0
"""A gradient penalty from YAML: a loss plugin asks the builder for dy/dx, the runner
differentiates through it. With the penalty a network on the diabetes data ends flatter,
and both losses are in the record.

    penalty_yaml.py RUNNER PLUGIN"""
import pathlib
import sys

import h5py

from harness import Checks, ROOT, Scratch, latest, runner

c = Checks()
plugin = pathlib.Path(sys.argv[2]).resolve()
BASE = f"""
output: runs
seed: 2
plugins: {plugin}
device: cpu
data:
  source: {{type: csv, file: {ROOT}/datasets/diabetes.csv, target: target, target_type: float}}
  split: {{kind: random, val: 0.15, test: 0.25, seed: 3}}
  transforms: [{{type: standardise, of: x}}, {{type: standardise, of: target}}]
  batch: 32
model: {{type: mlp, in: {{x: data.x}}, hidden: [32, 32], outputs: 1, activation: tanh}}
optimizer: {{type: adam, lr: 0.01}}
train: {{epochs: 12}}
loss:
  fit: {{type: mse, in: {{prediction: model.out, target: data.target}}}}
  flat: {{type: test/gradient_penalty, in: {{y: model.out, x: data.x}}, weight: WEIGHT}}
"""


def train(top, name, weight):
    file = top / f"{name}.yaml"
    file.write_text(f"name: {name}" + BASE.replace("WEIGHT", str(weight)))
    r = runner(file, cwd=top)
    c.ok(f"{name} trains", r.code == 0, r.err)
    with h5py.File(latest(top / "runs", name) / "run.h5") as f:
        names = []
        f["scalars"].visit(names.append)
        return {n: f[f"scalars/{n}/value"][:] for n in names
                if f"{n}/value" in names}


with Scratch() as top:
    with_it, without = train(top, "with", 1.0), train(top, "without", 0.0)
    for name, curves in ("with", with_it), ("without", without):
        fit, flat = curves["val/loss.fit"], curves["val/loss.flat"]
        loss = curves["train/loss"]
        c.ok(f"{name}: the loss falls", loss[-2:].mean() < 0.8 * loss[:2].mean(), str(loss))
        c.ok(f"{name}: the fit falls", fit.min() < fit[0], str(fit))
        c.ok(f"{name}: the penalty is recorded", (flat > 0).all(), str(flat))
    c.ok("the penalty makes it flatter",
         with_it["val/loss.flat"][-1] < 0.5 * without["val/loss.flat"][-1],
         f"{with_it['val/loss.flat']}\n{without['val/loss.flat']}")
c.done()

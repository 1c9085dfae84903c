# SPDX-License-Identifier: Apache-2.0
"""An evaluation that fails between two checkpoints costs no step: the state before it is
saved, and resume evaluates that step and goes on as a run in which nothing failed."""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "runs"))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

PLUGIN = pathlib.Path(sys.argv[2]).resolve()
BASE = """
name: e
seed: 2
device: {type: reference}
plugins: ['PLUGIN']
data:
  source: {type: npy, files: {x: x.npy, y: y.npy}}
  batch: 4
  split: {val: 8}
model: {type: sequential, in: {x: data.x}, layers: [{type: dense, units: 1}]}
loss: {type: mse, in: {prediction: model.out, target: data.y}}
optimizer: {type: sgd, lr: 0.1, momentum: 0.9}
schedule: {type: plateau, monitor: val/loss, patience: 1}
metrics: {m: {type: test/fails, while: 'TOP/fail', in: {prediction: model.out}}}
train: {steps: 12, eval_every: 3st, early_stop: {monitor: val/loss, patience: 9}}
checkpoint: {every: 5st}
"""

c = Checks()
with Scratch() as top:
    rng = np.random.default_rng(1)
    np.save(top / "x.npy", rng.normal(size=(40, 3)).astype(np.float32))
    np.save(top / "y.npy", rng.normal(size=(40, 1)).astype(np.float32))
    path = config(top, BASE.replace("PLUGIN", str(PLUGIN)).replace("TOP", str(top)))
    r, straight = train(path)
    c.equal("nothing fails: exit", r.code, 0) or print(r.err)
    want = verified(straight)
    (top / "fail").touch()
    r, f = train(path)
    c.equal("the first evaluation: exit", r.code, 3)
    c.within("says why", r.err, "this evaluation fails")
    c.within("says what is saved", r.err, "the state of step 3, before its evaluation, is saved")
    c.equal("the state of step 3 is there", verified(f)[0], 3)
    r = runner("resume", f)
    c.equal("fails again: exit", r.code, 3)
    c.equal("fails again: nothing is lost", verified(f)[0], 3)
    (top / "fail").unlink()
    r = runner("resume", f)
    c.equal("resume: exit", r.code, 0) or print(r.err)
    c.equal("as a run in which nothing failed", verified(f), want)
    one, other = datasets(f / "run.h5"), datasets(straight / "run.h5")
    c.equal("the same rows", [k for k in other if not k.startswith("@") and
                              not k.startswith("scalars/time") and one.get(k) != other[k]], [])
c.done()

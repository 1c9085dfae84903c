# SPDX-License-Identifier: Apache-2.0
"""A live value that a hook has set once is held over a resumption: the hook has no state
that would set it again, so the checkpoint must have it."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

HOLD = pathlib.Path(sys.argv[2]).resolve()
TINY = f"""
name: held
seed: 2
plugins: ["{HOLD}"]
data:
DIGITS
  split: {{kind: stratified, by: label, val: 0.05, test: 0.9, seed: 7}}
  batch: 16
model: {{type: mlp, in: {{x: data.image}}, hidden: [8], outputs: 10}}
loss: cross_entropy
optimizer: {{type: adam, lr: 0.01}}
schedule: {{type: step, milestones: [2st, 8st], gamma: 0.5}}
train: {{steps: 12, log_every: 1}}
hooks: {{type: test.hooks/hold, step: 4, of: optimizer.lr, value: 0.0625}}
"""

c = Checks()
with Scratch() as top:
    path = config(top, TINY)
    r, whole = train(path)
    c.equal("undisturbed: exit", r.code, 0)
    steps, lr = series(whole, "live/optimizer.lr")
    c.equal("undisturbed: the value is held", lr[4:].tolist(), [0.0625] * 8)
    c.ok("undisturbed: by the hook", 0.0625 not in lr[:4].tolist(), lr)
    r, f = train(path, "train.steps=6")
    c.equal("first part: exit", r.code, 0)
    r = runner("resume", f, "train.steps=12")
    c.equal("resumed: exit", r.code, 0)
    c.equal("resumed: the value is held", series(f, "live/optimizer.lr")[1].tolist(),
            lr.tolist())
    c.equal("resumed: equal to the undisturbed run", verified(f)[2], verified(whole)[2])
c.done()

# SPDX-License-Identifier: Apache-2.0
"""`train.lookahead` beside the algorithm in NumPy, f64: weights, running statistics, a
share that grows; in parts, resumed, on other devices; what is refused."""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

STEPS, RATE, MOMENTUM, FOLLOW = 14, 0.2, 0.8, 0.3
TEXT = f"""
name: lookahead
seed: 2
data:
  train: {{type: npy, files: {{x: x.npy, label: label.npy}}}}
  batch: 32
model:
  type: sequential
  in: {{x: data.x}}
  layers:
    - {{type: batch_norm, momentum: {FOLLOW}}}
    - {{type: dense, units: 3, init: zeros}}
loss: cross_entropy
optimizer: {{type: sgd, lr: {RATE}, momentum: {MOMENTUM}}}
train:
  steps: {STEPS}
  freeze: ["model.batch_norm1.*"]
  log_every: 1
  lookahead: {{every: 3, decay: 0.6}}
"""


def by_hand(x, label, every, decay, ramp):
    """The last weights, bias, running mean and variance of STEPS steps of all rows."""
    mean, var = x.mean(0), x.var(0)
    y = (x - mean) / np.sqrt(var + 1e-5)
    fast = [np.zeros((3, x.shape[1])), np.zeros(3), np.zeros(x.shape[1]),
            np.ones(x.shape[1])]
    slow, speed = [v.copy() for v in fast], [np.zeros_like(v) for v in fast[:2]]
    for step in range(1, STEPS + 1):
        z = y @ fast[0].T + fast[1]
        share = np.exp(z - z.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        share[range(len(x)), label] -= 1.0
        share /= len(x)
        for i, g in enumerate((share.T @ y, share.sum(0))):
            speed[i] = MOMENTUM * speed[i] + g
            fast[i] = fast[i] - RATE * speed[i]
        n = len(x)
        for i, now in ((2, mean), (3, var * n / (n - 1))):
            fast[i] = fast[i] + FOLLOW * (now - fast[i])
        if every and step % every == 0:
            stays = decay * (step / STEPS) ** ramp
            slow = [stays * s + (1 - stays) * f for s, f in zip(slow, fast)]
            fast = [s.copy() for s in slow]
    return fast


NAMES = ["dense2.weight", "dense2.bias", "batch_norm1.mean", "batch_norm1.variance"]


def main():
    c = Checks()
    with Scratch() as scratch:
        top = pathlib.Path(scratch)
        rng = np.random.default_rng(4)
        x = rng.standard_normal((32, 5)).astype(np.float32) * 2 + 1
        label = rng.integers(0, 3, 32)
        np.save(top / "x.npy", x)
        np.save(top / "label.npy", label)
        path = config(top, TEXT)
        cases = {"constant": [3, 0.6, 0], "growing": [2, 0.9, 3], "every": [1, 0.5, 1],
                 "never": [0, 0, 0]}
        ends = {}
        for name, (every, decay, ramp) in cases.items():
            word = f"train.lookahead={{every: {every}, decay: {decay}, ramp: {ramp}}}"
            word = word if every else "~train.lookahead"
            for device in ("cpu", "reference", "async_fake"):
                r, folder = train(path, word, f"device={device}")
                c.equal(f"{name}, {device}: exit", r.code, 0)
                got = variables(folder)
                for v, want in zip(NAMES, by_hand(x.astype(np.float64), label, every, decay, ramp)):
                    off = np.abs(got["model." + v] - want).max()
                    c.ok(f"{name}, {device}: {v}", off < 2e-5, off)
            ends[name] = verified(folder)[2]
        c.equal("they differ", len(set(ends.values())), len(cases))
        # In parts, batch statistics are those of the parts: another number, as without.
        r, folder = train(path, "data.batch=8", "train.accumulate=4")
        c.equal("accumulated: exit", r.code, 0)
        c.ok("accumulated: slow weights are kept",
             all("lookahead.model." + v in variables(folder) for v in NAMES))
        r, whole = train(path, "train.lookahead.ramp=2")
        r, half = train(path, "train.lookahead.ramp=2", "train.max_time=0.000001s")
        c.equal("stopped", r.code, 75)
        for _ in range(3):
            r = runner("resume", half)
        r = runner("resume", half, "~train.max_time")
        c.equal("resumed: exit", r.code, 0)
        c.equal("resumed: to the bit", verified(half), verified(whole))
        r = runner(path, "train.programs=[{name: a}, {name: b}]")
        c.equal("several programs: exit", r.code, 2)
        c.within("several programs", r.err, "train.lookahead is for one program")
    c.done()


main()

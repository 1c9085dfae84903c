# SPDX-License-Identifier: Apache-2.0
"""Standard descriptors that are closed when the runner starts, in all eight combinations:
what it prints goes nowhere, and no file of the run gets a line that is not its own."""
import itertools
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

TINY = """
name: tiny
seed: 2
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.05, test: 0.9, seed: 7}
  batch: 32
model: {type: mlp, in: {x: data.image}, hidden: [8], outputs: 10}
loss: cross_entropy
optimizer: {type: adam, lr: 0.01}
train: {epochs: 3, log_every: 1}
"""

c = Checks()
with Scratch() as top:
    path = config(top, TINY)
    r, f = train(path)
    c.equal("all open: exit", r.code, 0)
    want, record = verified(f), datasets(f / "run.h5")
    for closed in itertools.chain.from_iterable(
            itertools.combinations(range(3), n) for n in range(4)):
        def close(closed=closed):
            for fd in closed:
                os.close(fd)
        what = f"closed {closed}"
        r = runner(path, f"output={top}/out", "--ack", preexec=close)
        f = latest(top / "out", "tiny")
        c.equal(f"{what}: exit", r.code, 0)
        c.ok(f"{what}: stdout", ("ACK ckpt" in r.out) == (1 not in closed), r.out)
        c.ok(f"{what}: stderr", bool(r.err) == (2 not in closed), r.err)
        c.equal(f"{what}: verify", verified(f), want)
        c.equal(f"{what}: run.h5 differs in",
                difference(datasets(f / "run.h5"), record), [])
        strays = [p.name for p in f.rglob("*") if p.is_file() and
                  (b"ACK " in p.read_bytes() or b"epoch 1/3" in p.read_bytes())]
        c.equal(f"{what}: lines for people in", strays, [])
        shutil.rmtree(top / "out")
c.done()

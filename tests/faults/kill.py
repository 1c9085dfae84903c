# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments, most of them in the middle of a write: what was acknowledged is
there, the folder verifies, and the end is that of a run that nobody killed.

    kill.py RUNNER SHIM [all]     twelve kills (all: a hundred)"""
import os
import pathlib
import random
import re
import select
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "runs"))
from recorded import *  # noqa: E402,F403
from harness import Checks, environment, RUNNER, Scratch  # noqa: E402

KILLS = 100 if sys.argv[3:] == ["all"] else 12

# Everything is written as often as can be.
BUSY = """
name: busy
seed: 2
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.05, test: 0.5, seed: 7}
  batch: 16
model: {type: mlp, in: {x: data.image}, hidden: [64], outputs: 10}
loss: cross_entropy
metrics: [accuracy, confusion]
optimizer: {type: adam, lr: 0.001}
train: {epochs: 3, log_every: 1, eval_every: 1st}
checkpoint: {every: 1st, best: {monitor: val/loss}}
hooks: {type: inspect, every: 3st}
"""


def killed(args, delay):
    """Start, kill after `delay` seconds from the first acknowledgement (None: let it end);
    the exit status, the last acknowledged row and step."""
    p = subprocess.Popen([RUNNER, *map(str, args), "--ack"], env=environment(),
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    out, end = b"", None
    while True:
        left = None if end is None else max(0, end - time.monotonic())
        ready = select.select([p.stdout], [], [], left)[0]
        if not ready:
            p.kill()
            end = None
            continue
        part = os.read(p.stdout.fileno(), 65536)
        if not part:
            break
        out += part
        if end is None and delay is not None and b"ACK ckpt" in out:
            end, delay = time.monotonic() + delay, None
    code = p.wait()
    acks = re.findall(rb"^ACK (ckpt step|metrics row)=(\d+)\n", out, re.M)
    last = {k: int(n) for k, n in acks}
    return code, last.get(b"metrics row", 0), last.get(b"ckpt step", 0)


c = Checks()
with Scratch() as top:
    path = config(top, BUSY)
    r, whole = train(path)
    c.equal("undisturbed", r.code, 0)
    want, record = verified(whole), datasets(whole / "run.h5")
    dice = random.Random(5)
    kills = chains = 0
    while kills < KILLS and chains < KILLS and not c.failed:
        chains += 1
        code, row, step = killed([path, f"output={top}/killed"], dice.random() * 0.15)
        folder = latest(top / "killed", "busy")
        for _ in range(6):
            if code == 0:
                break
            kills += 1
            c.equal(f"kill {kills}: by it", code, -9)
            now = verified(folder)
            if not c.ok(f"kill {kills}: verifies", isinstance(now, tuple), now):
                break
            c.ok(f"kill {kills}: row {row}, step {step} are there",
                 now[1] >= row and now[0] >= step, str(now))
            last = _ == 4
            code, row, step = killed(["resume", folder],
                                     None if last else dice.random() * 0.15)
        c.equal(f"chain {chains}: its end", code, 0)
        c.equal(f"chain {chains}: verify", verified(folder), want)
        c.equal(f"chain {chains}: run.h5 differs in",
                difference(datasets(folder / "run.h5"), record), [])
        c.equal(f"chain {chains}: nothing is left over",
                [p.name for p in folder.rglob("*.tmp")], [])
    c.ok("killed often enough", kills >= KILLS, f"  {kills} times")
c.done()

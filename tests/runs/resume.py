# SPDX-License-Identifier: Apache-2.0
"""A run that was stopped and resumed is equal to the bit to the one that was not.

    resume.py RUNNER SHIM [all]

From every third point of a chain a copy goes straight to the end (all: from each)."""
import pathlib
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, environment, RUNNER, Scratch  # noqa: E402

ALL = sys.argv[3:] == ["all"]

# Everything that has a state: dropout, augmentation, batch statistics, momentum, a
# schedule that looks at a metric, accumulation with a short last part, early stopping,
# the best checkpoint, taps.
FULL = """
name: full
seed: 3
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.1, test: 0.8, seed: 7}
  batch: 32
  workers: 1
augment: {type: crop, of: image, padding: 1}
model:
  type: sequential
  in: {x: data.image}
  layers:
    - {type: conv2d, channels: 4, kernel: 3, bias: false}
    - {type: batch_norm}
    - {type: relu}
    - {type: flatten}
    - {type: dropout, p: 0.3}
    - {type: dense, units: 10}
loss: cross_entropy
metrics: [accuracy, confusion]
optimizer: {type: sgd, lr: 0.1, momentum: 0.9}
schedule: {type: warmup, length: 2st, then: {type: plateau, patience: 1, factor: 0.5}}
train:
  epochs: 3
  accumulate: ACCUMULATE
  log_every: 2
  early_stop: {monitor: val/loss, patience: 3}
checkpoint: {best: {monitor: val/accuracy}}
hooks: {type: inspect, every: 2st}
regularizers:
  - {type: l2, match: {role: weight}, strength: 1e-3}
  - {type: max_norm, match: {role: weight}, limit: 1}
"""

GAN_LIKE = """
name: two
seed: 3
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.1, test: 0.8, seed: 7}
  batch: 64
model: {type: mlp, in: {x: data.image}, hidden: [8], outputs: 10}
loss:
  a: {type: cross_entropy, in: {logits: model.out, label: data.label}}
  b: {type: cross_entropy, smoothing: 0.1, in: {logits: model.out, label: data.label}}
metrics: [accuracy]
optimizer:
  a: {type: sgd, lr: 0.1, momentum: 0.9}
  b: {type: adam, lr: 0.01}
regularizers: {small: {type: elastic, l1: 1e-4, l2: 1e-3}}
train:
  steps: 9
  log_every: 1
  programs:
    - {name: a, minimize: [a], optimizer: [a]}
    - {name: b, minimize: [b], optimizer: [b], every: 4}
"""


def same(c, what, folder, whole, want):
    c.equal(f"{what}: verify", verified(folder), want)
    got = datasets(folder / "run.h5")
    c.equal(f"{what}: run.h5 differs in", difference(got, whole), [])


def every_step(c, top, name, text):
    """A chain of runs of one step each, and from points of it straight to the end."""
    path = config(top, text, f"{name}.yaml")
    r, folder = train(path)
    if not c.equal(f"{name}: the whole run", r.code, 0):
        print(r.err)
        return
    whole, want = datasets(folder / "run.h5"), verified(folder)
    r, again = train(path)
    same(c, f"{name}: the same run twice", again, whole, want)
    r, chain = train(path, "train.max_time=0.000001s")
    steps = 0
    while c.ok(f"{name}: exit 75 or 0 at step {steps}", r.code in (0, 75), r.err):
        steps += 1
        if r.code == 0:
            break
        c.equal(f"{name}: one step more", verified(chain)[0], steps)
        if ALL or steps % 3 == 1:
            copy = chain.parent / f"at-{steps}"
            shutil.copytree(chain, copy)
            go = runner("resume", copy, "~train.max_time")
            c.equal(f"{name}: resumed at {steps}, exit", go.code, 0)
            same(c, f"{name}: resumed at {steps}", copy, whole, want)
            shutil.rmtree(copy)
        r = runner("resume", chain)
    same(c, f"{name}: {steps} runs of one step", chain, whole, want)
    r = runner("resume", chain)
    c.equal(f"{name}: resume of a finished run", r.code, 0)
    same(c, f"{name}: resume of a finished run", chain, whole, want)


def start(path, *args):
    return subprocess.Popen([RUNNER, path, f"output={pathlib.Path(path).parent}/runs",
                             "--ack", *args], env=environment(), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(p, word):
    """Read stdout up to a line that begins with word."""
    for line in p.stdout:
        if line.startswith(word):
            return line
    return None


def signals(c, top):
    path = config(top, FULL.replace("ACCUMULATE", "1").replace("epochs: 3", "epochs: 40")
                  .replace("patience: 3", "patience: 100"), "long.yaml")
    r, folder = train(path)
    whole, want = datasets(folder / "run.h5"), verified(folder)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        p = start(path)
        c.ok("a checkpoint comes", until(p, "ACK ckpt"))
        p.send_signal(number)
        out, err = p.communicate()
        name = number.name
        folder = latest(top / "runs", "full")
        if number == signal.SIGKILL:
            c.equal(f"{name}: ended by it", p.returncode, -9)
        else:
            c.equal(f"{name}: exit", p.returncode, 75)
            c.within(f"{name}: says how to go on", err, "runner resume")
        c.ok(f"{name}: not finished", verified(folder)[0] < want[0])
        r = runner("resume", folder)
        c.equal(f"{name}: resumed, exit", r.code, 0)
        same(c, name, folder, whole, want)
    p = start(path, "checkpoint.every=1000000st")
    until(p, "ACK metrics")
    p.send_signal(signal.SIGUSR1)
    c.ok("SIGUSR1 saves", until(p, "ACK ckpt"))
    out, err = p.communicate()
    c.equal("SIGUSR1: goes on to the end", p.returncode, 0)
    c.equal("SIGUSR1: the same parameters", verified(latest(top / "runs", "full"))[2],
            want[2])


def second_signal(c, top):
    """A step that takes long: the second signal does not wait for its end."""
    path = config(top, FULL.replace("ACCUMULATE", "1").replace("channels: 4", "channels: 512")
                  .replace("batch: 32", "batch: 180"), "slow.yaml")
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        for _ in range(10):  # 75: the first one came before a step had begun
            p = start(path, "device=reference", "--progress", "json")
            until(p, '{"moment": "begin"')
            time.sleep(0.1)
            p.send_signal(number)
            time.sleep(0.05)
            p.send_signal(number)
            p.communicate()
            if p.returncode != 75:
                break
        c.equal(f"second {number.name}: exit, though the step goes on", p.returncode, code)


def overrides(c, top):
    """More epochs later are those of the longer run; what was changed stays changed."""
    text = FULL.replace("ACCUMULATE", "1").replace("patience: 3", "patience: 100")
    text = text.replace("schedule: {type: warmup, length: 2st, then: {type: plateau, "
                        "patience: 1, factor: 0.5}}\n", "")
    path = config(top, text, "longer.yaml")
    r, long = train(path, "train.epochs=6")
    r, short = train(path, "train.epochs=2")
    c.equal("shorter: ends before", verified(short)[0] * 3, verified(long)[0])
    r = runner("resume", short)
    c.within("ended: says how it could go on", r.err, "train.epochs=N")
    r = runner("resume", short, "train.epochs=6", "train.max_time=0.000001s")
    c.equal("longer: one step", (r.code, verified(short)[0]), (75, 13))
    c.within("longer: kept", (short / "resolved.yaml").read_text(), "epochs: 6")
    c.equal("longer: the file as it was", (short / "experiment.yaml").read_bytes(),
            path.read_bytes())
    r = runner("resume", short, "~train.max_time")
    c.equal("longer: to its end", r.code, 0)
    c.equal("longer: equal to the bit", verified(short), verified(long))
    same = difference(datasets(short / "run.h5"), datasets(long / "run.h5"))
    c.equal("longer: run.h5 differs in", same, [])
    for what, change, code in (
            ("another width", "model.layers.0.channels=8", 8),
            ("a key that is none", "train.epoch=3", 2)):
        before = verified(short)
        r = runner("resume", short, change)
        c.equal(f"{what}: exit", r.code, code)
        c.equal(f"{what}: nothing happened", verified(short), before)
        c.within(f"{what}: not kept", (short / "resolved.yaml").read_text(), "channels: 4")
    c.within("--help says it", runner("resume", "--help").out, "stays with the run")


def workers(c, top):
    path = config(top, FULL.replace("ACCUMULATE", "2"), "workers.yaml")
    first = None
    for n in (0, 1, 2, 4):
        r, folder = train(path, f"data.workers={n}")
        c.equal(f"{n} workers: exit", r.code, 0)
        now = verified(folder), datasets(folder / "run.h5")
        first = first or now
        c.equal(f"{n} workers: verify", now[0], first[0])
        c.equal(f"{n} workers: run.h5 differs in", difference(now[1], first[1]), [])


c = Checks()
with Scratch() as top:
    every_step(c, top, "full", FULL.replace("ACCUMULATE", "1"))
    every_step(c, top, "accumulated", FULL.replace("ACCUMULATE", "2"))
    every_step(c, top, "two programs", GAN_LIKE)
    overrides(c, top)
    workers(c, top)
    signals(c, top)
    second_signal(c, top)
c.done()

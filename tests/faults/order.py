# SPDX-License-Identifier: Apache-2.0
"""What is acknowledged is on the disk: calls are recorded by a preloaded shim. A file is
synced after its last write and before it is renamed, its folder after that; a checkpoint
before CURRENT, CURRENT before the line ACK; rows of the log before theirs, and within a
second also where no further row comes."""
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "runs"))
from recorded import *  # noqa: E402,F403
from harness import Checks, RUNNER, Scratch, preload, sanitized  # noqa: E402

SHIM, SLOW = (pathlib.Path(p).resolve() for p in sys.argv[2:4])

TINY = """
name: tiny
seed: 2
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.05, test: 0.9, seed: 7}
  batch: 32
model: {type: mlp, in: {x: data.image}, hidden: [8], outputs: 10}
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: adam, lr: 0.01}
train: {epochs: 3, log_every: 1}
checkpoint: {best: {monitor: val/loss}}
device: {type: cpu, generate: off}
"""
WAITING = """
name: waiting
plugins: ["PLUGIN"]
data:
  source: {type: test.data/slow, folder: "FOLDER", where: read, rows_from: 1, rows_to: 8,
           skip: 3, deaf: true}
  batch: 8
  cache: 0
  workers: 0
model: {type: mlp, in: {x: data.x}, hidden: [4], outputs: 1}
loss: {type: mse, in: {prediction: model.out, target: data.y}}
optimizer: {type: adam, lr: 0.01}
train: {steps: 12, log_every: 1}
device: {type: cpu, generate: off}
"""
BEST_EFFORT = ("log.txt", "lock")  # for people; nothing depends on them


def events(trace, below):
    """(what, path, other) of the calls on files below a folder, and of what was said."""
    found = []
    for line in trace.read_text().splitlines():
        what, _, rest = line.partition(" ")
        one, _, two = rest.partition(" -> ")
        one = one if what == "say" else os.path.normpath(one)
        if what == "say" or one.startswith(str(below)):
            found.append((what, one, two))
    return found


class Disk:
    """What would be lost now: files written since their last sync, folders whose entries
    changed since theirs."""

    def __init__(self, c, what):
        self.c, self.what = c, what
        self.files, self.folders, self.renamed = set(), set(), []

    def see(self, what, one, two):
        c = self.c
        if what == "write" and not one.endswith(BEST_EFFORT):
            self.files.add(one)
        elif what == "sync":
            self.files.discard(one)
            self.folders.discard(one)
        elif what == "make":
            self.folders.add(os.path.dirname(one))
        elif what == "rename":
            c.ok(f"{self.what}: synced before it becomes {os.path.basename(two)}",
                 one not in self.files, one)
            self.files.discard(one)
            if two.endswith(".old.tmp"):
                return  # an old checkpoint on its way out
            self.folders.add(os.path.dirname(two))
            self.renamed.append((os.path.basename(two), set(self.folders)))
        elif one.startswith("ACK ckpt"):
            self.acknowledged(int(one.split("=")[1]))
        elif one.startswith("ACK metrics"):
            c.ok(f"{self.what}: {one}: the rows are synced",
                 not any(f.endswith("metrics.rlog") for f in self.files), self.files)

    def acknowledged(self, step):
        c, what = self.c, f"{self.what}: checkpoint {step}"
        c.equal(f"{what}: nothing waits for a sync", (self.files, self.folders),
                (set(), set()))
        names = [n for n, _ in self.renamed]
        file = f"step-{step:08d}.h5"
        if c.ok(f"{what}: the file, then CURRENT", file in names and "CURRENT" in names
                and names.index(file) < names.index("CURRENT"), names):
            # The folder of checkpoints was synced between the two.
            late = [f for f in self.renamed[names.index("CURRENT")][1]
                    if f.endswith("/checkpoints")]
            c.equal(f"{what}: its folder before CURRENT", late, [])
        self.renamed = []


def traced(top, name, *args):
    trace = top / f"{name}.trace"
    r = runner(*args, env={**preload(SHIM), "SHIM_TRACE": str(trace)})
    return r, trace


def whole_run(c, top):
    path = config(top, TINY)
    out = top / "out"
    r, trace = traced(top, "train", path, f"output={out}", "--ack")
    c.equal("train: exit", r.code, 0)
    disk, seen = Disk(c, "train"), events(trace, top)
    for e in seen:
        disk.see(*e)
    made = {os.path.basename(two) for what, _, two in seen if what == "rename"}
    c.ok("train: everything is renamed into its place",
         {"CURRENT", "run.h5", "best.h5", "step-00000009.h5", "metrics.rlog",
          "experiment.yaml", "resolved.yaml", "split.txt", "latest"} <= made, made)
    c.ok("train: there are acknowledgements of both kinds",
         {"ACK ckpt", "ACK metr"} <= {one[:8] for what, one, _ in seen if what == "say"})
    c.equal("train: nothing waits at the end", (disk.files, disk.folders), (set(), set()))
    # Rows that a killed run wrote, and nobody synced, count from the resumption on.
    f = latest(out, "tiny")
    r, trace = traced(top, "resume", "resume", f, "train.epochs=4", "--ack")
    c.equal("resume: exit", r.code, 0)
    disk, seen = Disk(c, "resume"), events(trace, top)
    of_log = [what for what, one, _ in seen if one.endswith("metrics.rlog")]
    c.equal("resume: the log is synced before it grows", of_log[:1], ["sync"])
    for e in seen:
        disk.see(*e)
    c.equal("resume: nothing waits at the end", (disk.files, disk.folders),
            (set(), set()))


def no_link(c, top):
    """A folder in the place of the link `latest`: nothing else syncs the run's own entry."""
    path, out = top / "run.yaml", top / "no link"
    (out / "tiny/latest").mkdir(parents=True)
    r, trace = traced(top, "no link", path, f"output={out}", "train.epochs=1", "--ack")
    c.equal("no link: exit", r.code, 0)
    disk = Disk(c, "no link")
    for e in events(trace, top):
        disk.see(*e)
    c.equal("no link: nothing waits at the end", (disk.files, disk.folders), (set(), set()))


def waiting_rows(c, top):
    """The fourth batch does not come; the rows of the steps before become durable."""
    path = config(top, WAITING.replace("PLUGIN", str(SLOW)).replace("FOLDER", str(top)),
                  "waiting.yaml")
    (top / "slow").touch()
    trace, out = top / "waiting.trace", top / "waiting"
    env = {k: v for k, v in os.environ.items() if not k.startswith(("RUNNER_", "XDG_"))}
    env.update(preload(SHIM), SHIM_TRACE=str(trace))
    p = subprocess.Popen([RUNNER, path, f"output={out}", "--ack"], env=env,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)

    def synced():
        said = [one for what, one, _ in events(trace, top) if what == "say"]
        return [one for one in said if one.startswith("ACK metrics")]
    while not (top / "began").exists() and p.poll() is None:
        time.sleep(0.01)
    # A sync that never comes ends this loop, nothing else does.
    end = time.monotonic() + 60
    while not synced() and time.monotonic() < end and p.poll() is None:
        time.sleep(0.02)
    acks = synced()
    p.send_signal(signal.SIGKILL)
    p.communicate()
    if c.ok("waiting rows: acknowledged while the batch is waited for", acks):
        disk = Disk(c, "waiting rows")
        for e in events(trace, top):
            disk.see(*e)
        f = latest(out, "waiting")
        now = verified(f)
        c.ok("waiting rows: they are there", isinstance(now, tuple) and
             now[1] >= int(acks[-1].split("=")[1]) > 0, f"{acks} {now}")


c = Checks()
with Scratch() as top:
    if sanitized():
        print("SKIP: a sanitizer comes first, before what is preloaded")
        sys.exit(0)
    whole_run(c, top)
    no_link(c, top)
    waiting_rows(c, top)
c.done()

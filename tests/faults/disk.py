# SPDX-License-Identifier: Apache-2.0
"""Every call that writes fails once: a full disk, a broken one, no memory, a folder that may
not be written, a run that is in use. The sentence is clear, what was acknowledged still
verifies, and resume gives the bits of the run that nothing happened to.

    disk.py RUNNER SHIM [all]     all: twice as many calls of each kind"""
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "runs"))
from recorded import *  # noqa: E402,F403
from harness import Checks, RUNNER, Result, Scratch, preload, sanitized  # noqa: E402

SHIM = pathlib.Path(sys.argv[2]).resolve()
SANITIZED = sanitized()
MORE = 2 if sys.argv[3:] == ["all"] else 1
ENOSPC, EIO, EROFS, ENOMEM = 28, 5, 30, 12

TINY = """
name: tiny
seed: 2
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.05, test: 0.9, seed: 7}
  batch: 32
  workers: 0
model: {type: mlp, in: {x: data.image}, hidden: [8], outputs: 10}
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: adam, lr: 0.01}
train: {epochs: 3, log_every: 1}
checkpoint: {best: {monitor: val/loss}}
"""


def acks(out):
    last = {"ckpt step": 0, "metrics row": 0}
    for k, n in re.findall(r"^ACK (ckpt step|metrics row)=(\d+)$", out, re.M):
        last[k] = int(n)
    return last["ckpt step"], last["metrics row"]


class Faults:
    def __init__(self, c, top):
        self.c, self.top = c, top
        self.path = config(top, TINY)
        r, f = train(self.path)
        c.equal("undisturbed", r.code, 0)
        self.want = verified(f)

    def run(self, kind, n, error, where):
        out = self.top / "out"
        env = {**preload(SHIM), "SHIM_FAIL": f"{kind}:{n}:{error}:{where}",
               "SHIM_CALLS": str(self.top / "calls")}
        try:
            r = runner(self.path, f"output={out}", "--ack", env=env, timeout=120)
        except subprocess.TimeoutExpired:
            r = Result(-1, "", f"{kind} {n}: it hangs")
        runs = sorted((out / "tiny").glob("2*")) if (out / "tiny").is_dir() else []
        return r, runs[-1] if runs else None

    def after(self, what, r, f):
        """What holds after any failure."""
        c = self.c
        step, rows = acks(r.out)
        if not f:
            c.equal(f"{what}: nothing acknowledged, nothing kept", (step, rows), (0, 0))
            return
        # The lock may be all that could be made; then the folder is none.
        if step or rows:
            now = verified(f)
            if c.ok(f"{what}: what was acknowledged verifies", isinstance(now, tuple), now):
                c.ok(f"{what}: step {step}, row {rows} are there",
                     now[0] >= (step or -1) and now[1] >= rows, str(now))
        if step:
            again = runner("resume", f)
            c.equal(f"{what}: resume", (again.code, verified(f)), (0, self.want))
        shutil.rmtree(self.top / "out", ignore_errors=True)

    def walk(self, kind, error, word, codes=(7,), most=5):
        c, most = self.c, MORE * most
        r, f = self.run(kind, 0, error, self.top)
        total = int((self.top / "calls").read_text())
        c.ok(f"{kind}: there are calls to fail", r.code == 0 and total > 3, str(total))
        shutil.rmtree(self.top / "out")
        failed = 0
        for n in sorted({1 + i * (total - 1) // (most - 1) for i in range(most)}):
            what = f"{kind} {n} of {total}"
            r, f = self.run(kind, n, error, self.top)
            # Best effort alone (log.txt, the pid in the lock) may fail without a word.
            good = r.code in codes or r.code == 0
            failed += r.code in codes
            c.ok(f"{what}: exit {r.code}", good, r.err)
            if r.code:
                c.ok(f"{what}: a clear sentence",
                     "error: " in r.err and word in r.err and "AddressSan" not in r.err,
                     r.err)
            self.after(what, r, f)
        c.ok(f"{kind}: mostly seen", failed >= most // 2, f"  {failed}")

    def memory(self):
        """The n-th allocation of the process alone finds nothing; then of the runner's own
        code, which is a small part of them: less where libraries allocate more."""
        c = self.c
        foreign = sum(r.code == 70 and "what was acknowledged is saved" in r.err
                      for r in self.allocations("alloc", "", 15 * MORE))
        c.ok("alloc: foreign code is named", foreign >= MORE, f"  {foreign} of {15 * MORE}")
        told = sum(r.code == 6 and "memory" in r.err
                   for r in self.allocations("own alloc", "/commands/runner", 6 * MORE))
        c.ok("alloc: own code says memory", told >= 4 * MORE, f"  {told} of {6 * MORE}")

    def allocations(self, what, asks, count):
        """The runs in which one of `count` allocations by the objects `asks` fails."""
        c = self.c
        r, f = self.run("alloc", 0, ENOMEM, asks)
        total = int((self.top / "calls").read_text())
        shutil.rmtree(self.top / "out")
        c.ok(f"{what}: there are calls to fail", r.code == 0 and total > 100, str(total))
        runs = []
        for i in range(count):
            n = 1 + i * (total - 1) // (count - 1)
            r, f = self.run("alloc", n, ENOMEM, asks)
            # HDF5 and oneDNN make a crash or an exit of it (70), the loader of shared
            # objects leaves at once (127), libyaml has its own error (2).
            c.ok(f"{what} {n}: a known code", r.code in (0, 2, 4, 6, 7, 8, 70, 127),
                 f"{r.code}\n{r.err}")
            c.ok(f"{what} {n}: a sentence", r.code == 0 or "error: " in r.err
                 or (r.code == 127 and re.search("out of memory|cannot allocate memory", r.err)),
                 r.err)
            self.after(f"{what} {n}", r, f)
            runs.append(r)
        return runs

    def limits(self):
        """Without a shim: a limit on file sizes, a small file system, a file in the way."""
        c = self.c

        def small():
            resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
        r, f = train(self.path, preexec=small)
        c.equal("file size limit: exit", r.code, 7)
        c.within("file size limit: says so", r.err, "limit on file sizes")
        (self.top / "file").write_text("")
        r = runner(self.path, f"output={self.top}/file")
        c.equal("a file in the way: exit", r.code, 7)
        c.within("a file in the way: says so", r.err, "Not a directory")

        mount = self.top / "mount"
        mount.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192k", "none", str(mount)],
                          capture_output=True).returncode:
            print("SKIP: a small file system needs the right to mount")
        else:
            try:
                r = runner(self.path, f"output={mount}", "model.hidden=[64]",
                           "train.epochs=40", "--ack")
                c.equal("small disk: exit", r.code, 7)
                c.within("small disk: says so", r.err, "the disk is full")
                f = latest(mount, "tiny")
                step, rows = acks(r.out)
                now = verified(f)
                c.ok("small disk: verifies", isinstance(now, tuple) and now[0] >= (step or -1)
                     and now[1] >= rows, str(now))
            finally:
                subprocess.run(["umount", str(mount)])
        if os.getuid():
            (self.top / "closed").mkdir(mode=0o555)
            r = runner(self.path, f"output={self.top}/closed")
            c.equal("read-only: exit", r.code, 7)
            c.within("read-only: says so", r.err, "Permission denied")
        else:
            print("SKIP: root may write anywhere: a read-only folder is tried as open fails")
            r, f = self.run("open", 1, EROFS, self.top)
            c.equal("read-only: exit", r.code, 7)
            c.within("read-only: says so", r.err, "Read-only file system")

    def in_use(self):
        c = self.c
        p = subprocess.Popen([RUNNER, self.path, f"output={self.top}/busy",
                              "train.epochs=100000", "checkpoint.every=1000st",
                              "--progress", "json"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True)
        p.stdout.readline()
        f = latest(self.top / "busy", "tiny")
        r = runner("resume", f)
        c.equal("in use: exit", r.code, 10)
        c.within("in use: by whom", r.err, f"is in use by process {p.pid}")
        r = runner("verify", f)
        c.equal("in use: verify may look", (r.code, r.err), (0, ""))
        p.kill()
        p.communicate()


c = Checks()
with Scratch() as top:
    faults = Faults(c, top)
    if SANITIZED:
        print("SKIP: calls that fail need a runner without sanitizers")
    else:
        faults.walk("write", ENOSPC, "the disk is full")
        faults.walk("sync", EIO, "Input/output error")
        faults.walk("rename", EIO, "Input/output error")
        faults.walk("open", ENOSPC, "the disk is full", codes=(7, 8))
        faults.memory()
    faults.limits()
    faults.in_use()
c.done()

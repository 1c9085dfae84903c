# SPDX-License-Identifier: Apache-2.0
"""`runner recover`, and `resume`, of a damaged run: it verifies again, what is intact is
there, what is lost is said, what was replaced is kept beside."""
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, RUNNER, Scratch  # noqa: E402

TINY = """
name: tiny
seed: 2
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.05, test: 0.9, seed: 7}
  batch: 32
model: {type: mlp, in: {x: data.image}, hidden: [64], outputs: 10}
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: adam, lr: 0.01}
train: {epochs: 3, log_every: 1}
checkpoint: {best: {monitor: val/loss}}
"""
HEAD = 16


def records(path):
    """(offset, length, kind, step, name) of each record, by the format's description."""
    b, at, found = path.read_bytes(), HEAD, []
    while at < len(b):
        n = int.from_bytes(b[at + 4:at + 8], "little")
        rank, bytes_ = b[at + 13], int.from_bytes(b[at + 48:at + 56], "little")
        name = at + 56 + 8 * rank + bytes_
        length = int.from_bytes(b[at + 14:at + 16], "little")
        found.append((at, n, b[at + 12], int.from_bytes(b[at + 24:at + 32], "little"),
                      b[name:name + length].decode()))
        at += n
    return found


def flip(path, at, bits=1):
    b = bytearray(path.read_bytes())
    b[at] ^= bits
    path.write_bytes(b)


class Runs:
    def __init__(self, c, top):
        self.c = c
        self.path = config(top, TINY)
        r, self.whole = train(self.path)
        c.equal("undisturbed: exit", r.code, 0)
        self.want, self.record = verified(self.whole), datasets(self.whole / "run.h5")
        self.rows = [x for x in records(self.whole / "metrics.rlog") if x[2] <= 2]

    def copy(self):
        f = self.whole.parent / "copy"
        shutil.rmtree(f, ignore_errors=True)
        return pathlib.Path(shutil.copytree(self.whole, f))

    def recover(self, what, f, *sentences, args=(), damaged=True):
        c = self.c
        if damaged:
            c.equal(f"{what}: verify finds it", runner("verify", f).code, 8)
        r = runner("recover", f, *args)
        c.equal(f"{what}: recover", (r.code, r.err), (0, ""))
        for s in sentences:
            c.ok(f"{what}: says {s}", re.search(s, r.out), r.out)
        now = verified(f)
        c.ok(f"{what}: verifies again", isinstance(now, tuple), now)
        return now, r

    def same(self, what, f, now):
        self.c.equal(f"{what}: nothing is lost", now, self.want)
        self.c.equal(f"{what}: run.h5 differs in",
                     difference(datasets(f / "run.h5"), self.record), [])


def flipped_bits(t, c):
    size = (t.whole / "metrics.rlog").stat().st_size
    dice = random.Random(3)
    places = [3, *dice.sample(range(HEAD, size), 20), size - 1,
              # The magic, the length and the sum of a record in the middle.
              *(t.rows[len(t.rows) // 2][0] + k for k in (0, 4, 5, 8))]
    for at in places:
        f, what = t.copy(), f"bit in byte {at} of the log"
        flip(f / "metrics.rlog", at, 1 << dice.randrange(8))
        damaged = (f / "metrics.rlog").read_bytes()
        now, _ = t.recover(what, f, "a flipped bit .* nothing is lost",
                           r"kept as metrics\.rlog\.damaged-1")
        t.same(what, f, now)
        c.ok(f"{what}: the original is kept",
             (f / "metrics.rlog.damaged-1").read_bytes() == damaged)


def lost_rows(t, c):
    middle = len(t.rows) // 2
    at, n, _, _, name = t.rows[middle]
    before, after = t.rows[middle - 1][3], t.rows[middle + 1][3]
    f = t.copy()
    for k in (30, 52, n - 9):
        flip(f / "metrics.rlog", at + k, 0x41)
    now, r = t.recover("a row", f, rf"metrics\.rlog: {n} bytes from byte {at} are damaged: "
                       rf"1 row is lost, after a row of step {before} before one of step {after}",
                       r"run\.h5: it may hold .* kept as run\.h5\.damaged-1")
    c.equal("a row: one is lost", now, (t.want[0], t.want[1] - 1, t.want[2]))
    c.equal("a row: the old run.h5 has it",
            difference(datasets(f / "run.h5.damaged-1"), t.record), [])
    diff = difference(datasets(f / "run.h5"), t.record)
    c.ok("a row: of one series", all(d == "@rows" or d.startswith(f"scalars/{name}/")
                                     for d in diff), diff)
    c.equal("a row: recovered once", runner("recover", f).out.splitlines()[0],
            "nothing is damaged")
    # The log counts on as if the row were there: what follows the checkpoint is made again.
    r = runner("resume", f, "train.epochs=4")
    c.equal("a row: resume goes on: exit", r.code, 0)
    steps, _ = series(f, "test/loss")
    c.equal("a row: one test", steps.tolist(), [12])
    f = t.copy()
    b = bytearray((f / "metrics.rlog").read_bytes())
    b[at + 8:at + 800] = bytes(792)
    (f / "metrics.rlog").write_bytes(b)
    now, r = t.recover("many rows", f, r"are damaged: at least \d+ rows? (is|are) lost",
                       args=["--json"])
    j = json.loads(r.out)
    c.ok("many rows: --json", len(j["found"]) == 3 and (j["step"], j["rows"], j["sha256"])
         == now, r.out)
    c.ok("many rows: the others are there", t.want[1] - 12 <= now[1] < t.want[1] - 1,
         f"{now} {t.want}")
    f = t.copy()
    b = (f / "metrics.rlog").read_bytes()
    (f / "metrics.rlog").write_bytes(b[:at])
    now, _ = t.recover("the end", f, rf"{len(b) - at} bytes at its end that were durable are "
                       rf"lost.*of step {before}")
    c.ok("the end: rows before it are there", 0 < now[1] < t.want[1], now)
    f = t.copy()
    (f / "metrics.rlog").unlink()
    now, _ = t.recover("no log", f, r"metrics\.rlog: it is missing", r"run\.h5\.damaged-1")
    c.equal("no log: the checkpoint is there", now, (t.want[0], 0, t.want[2]))


def other_files(t, c):
    newest = f"checkpoints/step-{t.want[0]:08d}.h5"
    for what, change, sentence, whole in (
            ("CURRENT damaged", lambda f: flip(f / "CURRENT", 3), "CURRENT: .*going on from", 1),
            ("CURRENT missing", lambda f: (f / "CURRENT").unlink(), "CURRENT: .*CURRENT", 1),
            ("run.h5 damaged", lambda f: flip(f / "run.h5", 5000),
             r"run\.h5: it is damaged; it is kept as run\.h5\.damaged-1", 1),
            ("run.h5 cut", lambda f: (f / "run.h5").write_bytes(b"x"), "run.h5: it is damaged", 1),
            ("newest damaged", lambda f: flip(f / newest, 9000),
             rf"{newest}: it is damaged; it is kept as step-.*damaged-1", 0),
            ("newest missing", lambda f: (f / newest).unlink(), "CURRENT: .*going on from", 0),
            ("best damaged", lambda f: flip(f / "checkpoints/best.h5", 9000),
             "checkpoints/best.h5: it is damaged", 1)):
        f = t.copy()
        change(f)
        now, _ = t.recover(what, f, sentence, damaged=what != "CURRENT missing")
        if whole:
            t.same(what, f, now)
        else:
            c.ok(f"{what}: another one counts", 0 < now[0] <= t.want[0], now)
            c.equal(f"{what}: resume", runner("resume", f).code, 0)
            c.equal(f"{what}: and its end", verified(f), t.want)
    f = t.copy()
    text = (f / "split.txt").read_bytes()
    (f / "split.txt").unlink()
    now, _ = t.recover("no split", f, r"split\.txt: .* restored")
    c.ok("no split: the same again", (f / "split.txt").read_bytes() == text)
    (f / "run.h5").unlink()
    now, _ = t.recover("no run.h5", f, damaged=False)
    t.same("no run.h5", f, now)
    for name in ("split.txt", "resolved.yaml"):
        f = t.copy()
        text = (f / name).read_bytes()
        for what, change in (("a byte", lambda p: flip(p, len(text) // 2)),
                             ("the end", lambda p: p.write_bytes(text[:-1])),
                             ("missing", lambda p: p.unlink())):
            change(f / name)
            r = runner("verify", f)
            c.ok(f"{name}, {what}: verify", r.code == 8 and name in r.err, r.err)
            now, _ = t.recover(f"{name}, {what}", f, rf"{name}: .*restored from the checkpoint")
            c.ok(f"{name}, {what}: the same again", (f / name).read_bytes() == text)
        t.same(name, f, now)
    # something else in the place of a file
    for name, sentence in (("CURRENT", r"CURRENT: it is not a regular file; it is kept as "
                                       r"CURRENT\.damaged-1"),
                           ("split.txt", r"split\.txt: restored"),
                           ("resolved.yaml", r"resolved\.yaml: restored"),
                           ("run.h5", r"run\.h5: it is damaged")):
        f = t.copy()
        (f / name).unlink()
        (f / name).mkdir()
        (f / name / "kept").write_text("x")
        now, _ = t.recover(f"{name} a folder", f, sentence)
        c.equal(f"{name} a folder: what was in it", (f / f"{name}.damaged-1/kept").read_text(), "x")
        t.same(f"{name} a folder", f, now)
    f = t.copy()
    (f / "metrics.rlog").unlink()
    (f / "metrics.rlog").mkdir()
    now, _ = t.recover("the log a folder", f, r"metrics\.rlog: it is not a regular file")
    c.equal("the log a folder: the checkpoint is there", now, (t.want[0], 0, t.want[2]))
    f = t.copy()
    (f / "resolved.yaml").unlink()
    for p in (f / "checkpoints").iterdir():
        flip(p, 9000)
    r = runner("recover", f)
    c.equal("no resolved.yaml: exit", r.code, 8)
    c.within("no resolved.yaml: says so", r.err, "resolved.yaml is missing")
    f = t.copy()
    for p in (f / "checkpoints").iterdir():
        flip(p, 9000)
    now, _ = t.recover("no checkpoint intact", f, "CURRENT: .* none is intact")
    c.equal("no checkpoint intact: the rows are there", now[:2], (-1, t.want[1]))
    f = t.copy()
    r = runner("recover", f)
    c.equal("whole: nothing is damaged", r.out.splitlines()[0], "nothing is damaged")
    t.same("whole", f, verified(f))
    c.equal("no run: exit", runner("recover", f / "nothing").code, 8)
    c.equal("no argument: exit", runner("recover").code, 2)


def resumed(t, c):
    """resume repairs the log, too, and says so, on stderr and in log.txt."""
    f = t.copy()
    for p in ("run.h5", "metrics.rlog"):
        c.ok(f"resume: {p} is there", (f / p).exists())
    at, n, _, step, name = t.rows[5]
    flip(f / "metrics.rlog", at + 30)
    r = runner("resume", f)
    c.equal("resume, a flipped bit: exit", r.code, 0)
    c.ok("resume, a flipped bit: says so",
         re.search(r"warning: metrics\.rlog: a flipped bit .* nothing is lost", r.err), r.err)
    c.within("resume, a flipped bit: in log.txt", (f / "log.txt").read_text(), "a flipped bit")
    t.same("resume, a flipped bit", f, verified(f))
    f = t.copy()
    flip(f / "metrics.rlog", at + 30, 0x41)
    flip(f / "metrics.rlog", at + 50, 0x41)
    r = runner("resume", f)
    c.equal("resume, a lost row: exit", r.code, 0)
    c.ok("resume, a lost row: says so",
         re.search(r"warning: metrics\.rlog: .* 1 row is lost", r.err), r.err)
    c.equal("resume, a lost row: the rest is there", verified(f),
            (t.want[0], t.want[1] - 1, t.want[2]))


def in_use(t, c):
    p = subprocess.Popen([RUNNER, t.path, f"output={t.whole.parent}/busy",
                          "train.epochs=100000", "--progress", "json"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True)
    p.stdout.readline()
    r = runner("recover", latest(t.whole.parent / "busy", "tiny"))
    c.equal("in use: exit", r.code, 10)
    p.kill()
    p.communicate()


c = Checks()
def kernels(c, top):
    """A run whose backend chose kernels: nothing else holds what it chose."""
    path = config(top, TINY, "kernels.yaml")
    r, whole = train(path, "model={type: sequential, in: {x: data.image}, layers: "
                 "[{type: conv2d, channels: 4, kernel: 3}, {type: flatten}, {type: dense, units: 10}]}",
                 "train.epochs=1",
                 "device=cpu")
    c.equal("kernels: exit", r.code, 0)
    text = (whole / "kernels.txt").read_bytes()
    for what, change in (("a byte", lambda p: flip(p, 0)), ("missing", lambda p: p.unlink())):
        f = pathlib.Path(shutil.copytree(whole, whole.parent / what))
        change(f / "kernels.txt")
        r = runner("verify", f)
        c.ok(f"kernels, {what}: verify", r.code == 8 and "kernels.txt" in r.err, r.err)
        r = runner("recover", f)
        c.within(f"kernels, {what}: recover", r.out, "choose kernels again")
        c.equal(f"kernels, {what}: verify again", runner("verify", f).code, 0)
        r = runner("resume", f, "train.epochs=2")
        c.equal(f"kernels, {what}: resume", (r.code, (f / "kernels.txt").read_bytes()), (0, text))


with Scratch() as top:
    t = Runs(c, top)
    flipped_bits(t, c)
    lost_rows(t, c)
    other_files(t, c)
    resumed(t, c)
    in_use(t, c)
    kernels(c, top)
c.done()

# SPDX-License-Identifier: Apache-2.0
"""SIGTERM and ^C end a run wherever it is: data that takes minutes to read, in a source that
asks and in one that does not, a compiler at work; before there is anything to save with 130
or 143, afterwards saved, with 75. SIGHUP and SIGUSR1 end nothing. No time decides: a test
waits for a file of the source, and what must not have happened is another file."""
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "runs"))
from recorded import *  # noqa: E402,F403
from harness import Checks, environment, RUNNER, Scratch  # noqa: E402

SLOW = pathlib.Path(sys.argv[2]).resolve()
EXPERIMENT = """
name: slow
seed: 3
plugins: ["PLUGIN"]
data:
  source: {type: test.data/slow, folder: "FOLDER"}
  split: {kind: random, val: 0.1, test: 0.1, seed: 1}
  batch: 8
  eval_batch: 3
  cache: 0
model: {type: mlp, in: {x: data.x}, hidden: [4], outputs: 1}
loss: {type: mse, in: {prediction: model.out, target: data.y}}
optimizer: {type: adam, lr: 0.01}
train: {steps: 12, log_every: 1}
"""


class Slow:
    """A folder of the source with its experiment."""

    def __init__(self, top, name):
        self.folder = top / name
        self.folder.mkdir()
        self.path = config(self.folder, EXPERIMENT.replace("PLUGIN", str(SLOW))
                           .replace("FOLDER", str(self.folder)))
        self.mark("slow").touch()

    def mark(self, name):
        return self.folder / name

    def start(self, *args):
        self.mark("began").unlink(missing_ok=True)
        env = environment({"XDG_CACHE_HOME": str(self.folder / "c")})
        self.process = subprocess.Popen(
            [RUNNER, *map(str, args)], env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def train(self, *args):
        self.start(self.path, f"output={self.folder}/runs", *args)

    def wait_for(self, path):
        while not path.exists() and self.process.poll() is None:
            time.sleep(0.01)

    def send(self, *numbers):
        for n in numbers:
            self.process.send_signal(n)

    def end(self):
        out, err = self.process.communicate(timeout=280)
        return self.process.returncode, out, err

    def stop(self, number=signal.SIGTERM, at="began"):
        self.wait_for(self.mark(at))
        self.send(number)
        return self.end()

    def runs(self):
        return sorted((self.folder / "runs").glob("slow/2*"))


def loading(c, top):
    """Nothing is saved yet: 128 + the signal."""
    term, interrupt = signal.SIGTERM, signal.SIGINT
    for name, number, heeds, args in (
            ("create", term, True, []),
            ("create, interrupted", interrupt, True, []),
            ("create, deaf", term, False, ["data.source.deaf=true"]),
            ("create, deaf, interrupted", interrupt, False, ["data.source.deaf=true"]),
            # The content is hashed in one read of all rows.
            ("content", term, True, ["data.source.where=read", "data.source.rows_from=40",
                                     "data.source.rows_to=40"]),
            ("content, deaf", term, False,
             ["data.source.where=read", "data.source.rows_from=40",
              "data.source.rows_to=40", "data.source.deaf=true"])):
        s = Slow(top, name)
        s.train(*args, "--json")
        code, out, err = s.stop(number)
        c.equal(f"{name}: exit", code, 128 + number)
        c.within(f"{name}: says so", err, "Stopped before the first step: nothing was saved")
        c.ok(f"{name}: an error it is not", "error:" not in err, err)
        c.ok(f"{name}: the source was not waited for", not s.mark("finished").exists())
        if heeds:
            c.ok(f"{name}: the source was told", s.mark("cancelled").exists())
        c.equal(f"{name}: no folder of a run", s.runs(), [])


def training(c, top):
    """A batch that does not come: the state before the step is saved."""
    plain = Slow(top, "undisturbed")
    plain.mark("slow").unlink()
    plain.train("data.source.folder=")
    c.equal("undisturbed: exit", plain.end()[0], 0)
    want = verified(plain.runs()[-1])
    # Training reads 8 rows at a time, evaluation 3; passes over all rows read more.
    for name, deaf, workers, rows in (
            ("polite", "false", 1, 8), ("polite, no worker", "false", 0, 8),
            ("deaf", "true", 1, 8), ("evaluation", "false", 1, 3),
            ("evaluation, deaf", "true", 1, 3)):
        s = Slow(top, f"batches, {name}")
        s.train("data.source.where=read", f"data.source.rows_from={rows}",
                f"data.source.rows_to={rows}", f"data.source.deaf={deaf}",
                f"data.workers={workers}")
        code, out, err = s.stop()
        c.equal(f"batches, {name}: exit", code, 75)
        c.within(f"batches, {name}: says so", err, "Interrupted and saved")
        c.ok(f"batches, {name}: not waited for", not s.mark("finished").exists())
        # Again while the resumed run loads: it is as it was.
        f = s.runs()[-1]
        before = verified(f)
        c.ok(f"batches, {name}: verifies", isinstance(before, tuple), before)
        s.start("resume", f)
        code, out, err = s.stop()
        c.equal(f"batches, {name}: resume stopped: exit", code, 75)
        c.ok(f"batches, {name}: resume not waited for", not s.mark("finished").exists())
        c.equal(f"batches, {name}: resume stopped: as it was", verified(f), before)
        s.mark("slow").unlink()
        s.start("resume", f)
        c.equal(f"batches, {name}: resume", s.end()[0], 0)
        c.equal(f"batches, {name}: equal to the undisturbed run", verified(f), want)


def resume_loading(c, top):
    s = Slow(top, "resume")
    s.mark("slow").unlink()
    s.train("train.steps=5")
    c.equal("resume: train", s.end()[0], 0)
    f = s.runs()[-1]
    want = verified(f)
    s.mark("slow").touch()
    s.start("resume", f, "train.steps=12")
    code, out, err = s.stop()
    c.equal("resume, loading: exit", code, 75)
    c.within("resume, loading: says so", err, "the run is as it was")
    c.equal("resume, loading: as it was", verified(f), want)


def not_ended(c, top):
    s = Slow(top, "hung up")
    s.train()
    s.wait_for(s.mark("began"))
    s.send(signal.SIGHUP, signal.SIGUSR1, signal.SIGHUP)
    s.mark("slow").unlink()
    code, out, err = s.end()
    c.equal("SIGHUP and SIGUSR1 while loading: exit", code, 0)
    c.ok("and the source has finished", s.mark("finished").exists(), err)


def compiling(c, top):
    """A compiler that takes minutes is killed and does not outlive the run."""
    s = Slow(top, "compiler")
    s.mark("slow").unlink()
    script = s.folder / "cc"
    script.write_text(f"""#!/bin/sh
case "$*" in *region*) ;; *) exec cc "$@" ;; esac
echo $$ > "{s.folder}/pid.tmp" && mv "{s.folder}/pid.tmp" "{s.folder}/pid"
sleep 250
touch "{s.folder}/finished"
""")
    script.chmod(0o755)
    s.train("device={type: cpu, generate: wait, compiler: '%s'}" % script)
    code, out, err = s.stop(at="pid")
    if s.process.returncode == 0 and not s.mark("pid").exists():
        print("SKIP: regions are not compiled here")
        return
    c.equal("compiling: exit", code, 143)
    c.ok("compiling: not waited for", not s.mark("finished").exists())
    stat = pathlib.Path(f"/proc/{s.mark('pid').read_text().strip()}/stat")

    def alive():
        try:
            return stat.read_text().split(")")[-1].split()[0] not in "ZX"
        except OSError:
            return False
    # It was killed, but may not have been scheduled since.
    end = time.monotonic() + 60
    while alive() and time.monotonic() < end:
        time.sleep(0.02)
    c.ok("compiling: the compiler is dead", not alive())


c = Checks()
with Scratch() as top:
    loading(c, top)
    training(c, top)
    resume_loading(c, top)
    not_ended(c, top)
    compiling(c, top)
c.done()

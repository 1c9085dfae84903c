#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The verbs as people use them: help with an example that works when it is pasted, JSON
that parses, results on stdout and talk on stderr, colour only where it is wanted, and
runs that are damaged, foreign or locked.

    commands.py RUNNER"""
import fcntl
import itertools
import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import sys

import h5py

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import ROOT, RUNNER, Checks, Scratch, runner  # noqa: E402
import data  # noqa: E402

VERBS = ["train", "resume", "eval", "predict", "plan", "bench", "profile", "config", "schema", "verify",
         "recover", "plugin", "doctor", "completion", "help"]

EXPERIMENT = """\
name: small
data:
  source: {type: csv, file: data/good.csv, target: label, target_type: int}
  split: {val: 0.2, test: 0.2}
  batch: 8
model: {type: mlp, hidden: [4], outputs: 3}
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: sgd, lr: 0.1}
checkpoint: {best: {monitor: val/accuracy}}
train: {epochs: 2}
"""


def check_help(check, top):
    whole = runner("--help", cwd=top)
    check.equal("runner --help", (whole.code, whole.err), (0, ""))
    alone = runner(cwd=top)
    check.equal("runner alone: code, stdout", (alone.code, alone.out), (2, ""))
    check.equal("runner alone says what --help says", alone.err, whole.out)
    version = runner("--version", cwd=top)
    check.ok("runner --version", version.code == 0 and
             re.fullmatch(r"runner \d+\.\d+\.\d+\n", version.out), version.out)
    for verb in VERBS:
        check.ok(f"runner --help names {verb}", f"\n  {verb} " in whole.out)
        one = runner("help", verb, cwd=top)
        check.equal(f"help {verb}", (one.code, one.err), (0, ""))
        check.ok(f"help {verb}: usage", one.out.startswith("runner "), one.out)
        check.ok(f"help {verb}: an example", re.search(r"\nExample:\n  \S", one.out))
        if verb not in ("help",):
            flag = runner(verb, "--help", cwd=top)
            check.equal(f"{verb} --help is help {verb}", (flag.code, flag.out),
                        (0, one.out))


def check_examples(check, top):
    """Every example as printed, in a copy of the tree, one after the other."""
    for part in "configs", "datasets":
        shutil.copytree(ROOT / part, top / part)
    bin_folder = top / "bin"
    bin_folder.mkdir()
    (bin_folder / "runner").symlink_to(RUNNER)
    env = dict(os.environ, PATH=f"{bin_folder}:{os.environ['PATH']}", HOME="/nonexistent")
    for verb in VERBS:
        text = runner("help", verb, cwd=top).out
        example = text.split("\nExample:\n  ", 1)[1].splitlines()[0]
        if verb == "train":
            example += " train.epochs=1"  # a longer one says the same here
        p = subprocess.run(["bash", "-c", example], cwd=top, env=env, timeout=300,
                           stdin=subprocess.DEVNULL, capture_output=True)
        check.ok(f"example of {verb}: {example}", p.returncode == 0,
                 p.stderr.decode(errors="replace"))
    check.ok("the schema's example wrote a schema",
             json.loads((top / "runner.schema.json").read_text()))
    lines = (top / "digits.csv").read_text().splitlines()
    check.ok("predict's example wrote a line a sample", len(lines) > 100)
    check.equal("its header", lines[0].split(",")[0], "id")


def parsed(check, what, text):
    try:
        return json.loads(text)
    except ValueError as e:
        check.ok(f"{what}: JSON", False, f"{e}\n{text}")
        return None


def check_results(check, top, run, last):
    """The last values of the validation split, the best evaluation, and a test split that
    is not touched before somebody asks for it."""
    with h5py.File(run / "run.h5") as f:
        curve = {k: f[f"scalars/val/{k}"] for k in ("loss", "accuracy")}
        steps = list(curve["loss"]["step"])
        values = {f"val/{k}": list(v["value"]) for k, v in curve.items()}
    for name, all_values in values.items():
        check.equal(f"train --json: {name}", last.get(name), all_values[-1])
    at = values["val/accuracy"].index(max(values["val/accuracy"]))
    check.equal("train --json: best", last.get("best"), {
        "monitor": "val/accuracy", "step": steps[at], **{k: v[at] for k, v in values.items()}})
    runner("small.yaml", "train.epochs=1", "--json", cwd=top)
    again = runner("resume", run, "train.epochs=2", "--json", cwd=top)
    more = parsed(check, "resumed", again.out) or {}
    with h5py.File(run / "run.h5") as f:
        accuracy = list(f["scalars/val/accuracy"]["value"])
        steps = list(f["scalars/val/accuracy"]["step"])
    check.equal("a resumed run: one evaluation more", len(accuracy), 2)
    check.equal("a resumed run: best over all of it",
                (more["best"]["val/accuracy"], more["best"]["step"]),
                (max(accuracy), steps[accuracy.index(max(accuracy))]))

    never = runner("small.yaml", "train.test=never", "--json", cwd=top)
    tuned = parsed(check, "train.test=never", never.out) or {}
    check.equal("train.test=never: no test in the result",
                ([k for k in tuned if k.startswith("test/")], tuned.get("val/loss")),
                ([], last["val/loss"]))
    with h5py.File(run / "run.h5") as f:
        check.ok("train.test=never: none in the record", "test" not in f["scalars"])
    plain = runner("small.yaml", "train.test=never", cwd=top)
    check.equal("train.test=never: the best evaluation on stdout",
                [line.split()[0] for line in plain.out.splitlines()],
                ["val/loss", "val/accuracy"])
    late = parsed(check, "eval", runner("eval", run, "--json", cwd=top).out)
    check.equal("and the test can be made later", late, {
        k: v for k, v in last.items() if k.startswith("test/")})
    end = parsed(check, "resume", runner("resume", run, "train.test=end", "--json",
                                         cwd=top).out) or {}
    check.equal("or by resume", {k: v for k, v in end.items() if k.startswith("test/")}, late)


def check_json(check, top):
    run = top / "runs" / "small" / "latest"
    train = runner("small.yaml", "--json", cwd=top)
    last = parsed(check, "train --json", train.out.splitlines()[-1])
    check.equal("train --json: end", last and last["end"], "done")
    check.ok("train --json: test/accuracy", last and 0 <= last["test/accuracy"] <= 1)
    check.ok("train --json: the folder", last and os.path.samefile(last["run"], run))
    check.equal("train --json: one line", len(train.out.splitlines()), 1)
    check_results(check, top, run, last or {})
    told = runner("small.yaml", "--progress", "json", cwd=top)
    check.within("progress json: what is durable", told.out, "\nACK ckpt step=6\n")
    moments = []
    for line in told.out.splitlines():
        if not line.startswith("ACK "):
            moments.append(parsed(check, "progress json", line) or {})
    # How many steps are shown between two evaluations depends on the time they take.
    names = [k for k, _ in itertools.groupby(m.get("moment", m.get("end")) for m in moments)]
    check.equal("progress json: moments", names,
                ["begin", "step", "evaluated", "step", "evaluated", "tested", "end",
                 "done"])
    check.equal("progress json: stderr", told.err, "")
    resumed = runner("resume", run, "--json", cwd=top)
    check.equal("resume --json", (parsed(check, "resume", resumed.out.splitlines()[-1])
                                  or {}).get("end"), "done")
    for args, look in [
            (["eval", run, "--json"], lambda j: 0 <= j["test/accuracy"] <= 1),
            (["verify", run, "--json"], lambda j: j["step"] == 6 and len(j["sha256"]) == 64),
            (["plan", "small.yaml", "--json"], lambda j: j["memory"]["peak"] > 0 and
             j["layers"][0]["output"] and j["steps"] == 6),
            (["config", "small.yaml", "--json"], lambda j: j["optimizer"]["lr"] == 0.1 and
             j["optimizer"]["nesterov"] is False and j["train"]["epochs"] == 2),
            (["schema"], lambda j: "component.optimizer.sgd" in j["definitions"]),
            (["doctor", "--json"], lambda j: any(b["name"] == "cpu" and b["usable"]
                                                 for b in j["backends"])),
            (["plugin", "list", "--json"], lambda j: len(j) > 40),
            (["plugin", "list", "loss", "--json"],
             lambda j: {c["kind"] for c in j} == {"loss"}),
            (["plugin", "show", "sgd", "--json"],
             lambda j: j[0]["options"][0]["name"] == "lr" and j[0]["options"][0]["live"])]:
        r = runner(*args, cwd=top)
        what = " ".join(map(str, args))
        j = parsed(check, what, r.out)
        check.equal(f"{what}: code, stderr", (r.code, r.err), (0, ""))
        check.ok(f"{what}: what it says", j is not None and look(j), r.out)
    for args, code in [(["small.yaml", "seed=x"], 2), (["plan", "small.yaml", "seed=x"], 2),
                       (["config", "small.yaml", "seed=x"], 2),
                       (["plan", "small.yaml", "data.source.file=no.csv"], 3),
                       (["eval", "nothing"], 8), (["verify", "nothing"], 8),
                       (["predict", "nothing"], 8), (["resume", "nothing"], 8),
                       (["plugin", "show", "no.so"], 4)]:
        r = runner(*args, "--json", cwd=top)
        j = parsed(check, f"{args} --json", r.out)
        check.equal(f"{args} --json: code, stderr", (r.code, r.err), (code, ""))
        check.ok(f"{args} --json: an error with status and message",
                 j and j["errors"][0]["status"] == -code and j["errors"][0]["message"])
    # A loss that is not a number is null, not nan.
    r = runner("small.yaml", "optimizer.lr=1e38", "~train.epochs", "train.steps=1", "--json",
               cwd=top)
    check.ok("numbers that are none: null", "null" in r.out and "nan" not in r.out.lower()
             and parsed(check, "diverged", r.out.splitlines()[-1]), r.out)


def check_streams(check, top):
    run = top / "runs" / "small" / "latest"
    r = runner("small.yaml", cwd=top)
    check.equal("train: results on stdout, and nothing else",
                [line.split()[0] for line in r.out.splitlines()],
                ["test/loss", "test/accuracy"])
    check.ok("train: progress on stderr", "epoch 2/2" in r.err and "val/loss" in r.err)
    check.ok("train: last words name the record",
             re.search(r"The record is in runs/small/\S+", r.err), r.err)
    quiet = runner("small.yaml", "--progress", "none", cwd=top)
    check.ok("--progress none: no line of progress", "epoch" not in quiet.err)
    plain = runner("small.yaml", "--progress", "plain", cwd=top)
    check.equal("--progress plain: a line an epoch", plain.err.count("epoch "), 2)
    check.ok("--progress plain: nothing in place", "\r" not in plain.err)
    bar = runner("small.yaml", "--progress", "bar", cwd=top)
    check.ok("--progress bar: in place", "\r" in bar.err)
    r = runner("predict", run, cwd=top)
    check.equal("predict: a header and a line a row", len(r.out.splitlines()), 31)
    check.equal("predict: stderr", r.err, "")
    r = runner("predict", run, "--out", "p.csv", cwd=top)
    check.equal("predict --out: stdout", (r.code, r.out), (0, ""))
    before = (top / "p.csv").read_text()
    (top / "bad.csv").write_text("nothing\n1\n")
    r = runner("predict", run, "--out", "p.csv", "--data", "bad.csv", cwd=top)
    check.equal("predict that fails leaves the file of before",
                (r.code, (top / "p.csv").read_text()), (3, before))
    r = runner("predict", run, "--out", "./p.csv", "--data", "p.csv", cwd=top)
    check.equal("predict --out onto its data", (r.code, r.err, (top / "p.csv").read_text()), (
        7, "runner predict: error: ./p.csv: --out is the file of --data\n", before))
    r = runner("predict", run, "--out", "p.csv", cwd=top)
    check.equal("predict --out again", (r.code, (top / "p.csv").read_text()), (0, before))
    if os.path.exists("/dev/full"):
        for verb in (["predict", run], ["eval", run], ["verify", run], ["schema"], ["--help"]):
            r = runner(*verb, cwd=top,
                       preexec=lambda: os.dup2(os.open("/dev/full", os.O_WRONLY), 1))
            check.equal(f"{verb[0]}: output that cannot be written", r.code, 7)
            check.within(f"{verb[0]}: why", r.err,
                         "runner: error: standard output cannot be written: ")
    r = runner("predict", run, "--out", "data", cwd=top)
    check.equal("predict --out FOLDER", (r.code, r.out, r.err), (
        7, "", "runner predict: error: data: Is a directory\n"))
    r = runner("eval", run, "--split", "tset", cwd=top)
    check.equal("eval of a split that is not there", (r.code, r.out), (2, ""))
    check.within("and its sentence", r.err, "--split 'tset': expected test, val or train")
    r = runner("eval", run, "--checkpoint", "bset", cwd=top)
    check.equal("a checkpoint that is not there", (r.code, r.out), (8, ""))
    check.within("and which there are", r.err, "there are: step-00000006, step-00000003")
    r = runner("eval", run, "sed=3", cwd=top)
    check.equal("eval: a wrong override is usage", r.code, 2)
    check.within("and its place", r.err, "command line, argument 1")


def on_terminal(args, cwd, **more):
    """stderr as a terminal sees it."""
    ours, theirs = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
    p = subprocess.Popen([RUNNER, *args], cwd=cwd, env=dict(env, **more), stderr=theirs,
                         stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    os.close(theirs)
    text = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:
            break
        if not block:
            break
        text += block
    p.wait()
    os.close(ours)
    return text.decode(errors="replace")


def check_colour(check, top):
    wrong = ["plan", "small.yaml", "seed=x"]
    check.within("an error on a terminal is red",
                 on_terminal(wrong, top, TERM="xterm"), "\033[1;31m")
    for env in {"NO_COLOR": "1", "TERM": "xterm"}, {"TERM": "dumb"}, {}:
        check.ok(f"no colour with {env}", "\033" not in on_terminal(wrong, top, **env))
    check.ok("no colour in a pipe", "\033" not in runner(*wrong, cwd=top).err)
    check.ok("a terminal has progress in place",
             "\r" in on_terminal(["small.yaml"], top, TERM="xterm"))


def check_runs(check, top):
    """Damaged and foreign runs: 8, and nothing in them is changed."""
    good = (top / "runs" / "small" / "latest").resolve()
    bad = top / "damaged"

    def fresh():
        shutil.rmtree(bad, ignore_errors=True)
        shutil.copytree(good, bad)

    def cut(name, to):
        os.truncate(bad / name, to)

    def flip(name):
        size = (bad / name).stat().st_size
        with open(bad / name, "r+b") as f:
            f.seek(size // 2)
            byte = f.read(3)
            f.seek(size // 2)
            f.write(bytes(b ^ 0xff for b in byte))

    def checkpoints(change):
        for p in (bad / "checkpoints").iterdir():
            change(p.relative_to(bad))

    everything = ["verify", "eval", "predict", "resume"]
    used = everything[1:]
    for what, change, verbs, sentence in [
            ("no checkpoints", lambda: checkpoints(lambda p: (bad / p).unlink()),
             used, "has no checkpoint yet"),
            ("checkpoints flipped", lambda: checkpoints(flip), everything,
             "its SHA-256 does not match its seal"),
            ("checkpoints cut", lambda: checkpoints(lambda p: cut(p, 500)), everything,
             "is cut short"),
            ("checkpoints empty", lambda: checkpoints(lambda p: cut(p, 0)), everything,
             "is cut short"),
            ("no resolved.yaml", lambda: (bad / "resolved.yaml").unlink(), used,
             "resolved.yaml cannot be read"),
            ("resolved.yaml is no YAML", lambda: (bad / "resolved.yaml").write_text("a: ["),
             used, "this is not valid YAML"),
            ("no log", lambda: (bad / "metrics.rlog").unlink(), everything,
             "is not a run: it has no metrics.rlog"),
            ("another's log", lambda: (bad / "metrics.rlog").write_text("hello there\n"),
             everything, "is not a log of runner"),
            ("the log cut", lambda: cut("metrics.rlog", 100), ["verify"], "is damaged"),
            ("the log flipped", lambda: flip("metrics.rlog"), ["verify"], "is damaged"),
            ("CURRENT broken", lambda: (bad / "CURRENT").write_text("junk"), ["verify"],
             "CURRENT is damaged"),
            ("run.h5 broken", lambda: (bad / "run.h5").write_text("x"), ["verify"],
             "run.h5"),
            ("another model", lambda: (bad / "resolved.yaml").write_text(
                (good / "resolved.yaml").read_text().replace("- 4", "- 5")), used,
             "has another shape in the checkpoint")]:
        for verb in verbs:
            fresh()
            change()
            r = runner(verb, bad, cwd=top)
            check.equal(f"{what}: {verb}: code, stdout", (r.code, r.out), (8, ""))
            check.within(f"{what}: {verb}", r.err, sentence)
    fresh()
    (bad / "resolved.yaml").write_text(
        (good / "resolved.yaml").read_text().replace("good.csv", "constant.csv"))
    for verb in "eval", "resume":
        r = runner(verb, bad, cwd=top)
        check.equal(f"other data: {verb}", (r.code, r.out), (3, ""))
        check.within(f"other data: {verb}", r.err, "belongs to other data")
    fresh()
    flip("checkpoints/best.h5")
    r = runner("eval", bad, cwd=top)
    check.equal("the best checkpoint damaged: eval", r.code, 0)
    check.within("it says so", r.err, "the newest is used in place of the best")
    (bad / "checkpoints/best.h5").unlink()
    r = runner("eval", bad, cwd=top)
    check.equal("the best checkpoint missing: eval", r.code, 0)
    check.within("it says so, too", r.err, "best.h5 is missing: the best ")
    check.within("and what is used", r.err, "the newest is used in place of the best")

    fresh()
    with open(bad / "lock", "r+b") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        before = sorted(p.name for p in bad.rglob("*"))
        r = runner("resume", bad, cwd=top)
        check.equal("a locked run", (r.code, r.out), (10, ""))
        check.within("its sentence", r.err, "is in use by process")
        check.equal("nothing is changed", sorted(p.name for p in bad.rglob("*")), before)
        check.equal("it can be read", runner("eval", bad, cwd=top).code, 0)


def main():
    check = Checks()
    with Scratch() as top:
        check_help(check, top)
        check_examples(check, top)
        data.write_all(top)
        (top / "small.yaml").write_text(EXPERIMENT)
        check_json(check, top)
        check_streams(check, top)
        check_colour(check, top)
        check_runs(check, top)
    check.done()


main()

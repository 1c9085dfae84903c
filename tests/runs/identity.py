# SPDX-License-Identifier: Apache-2.0
"""A run knows the plugins that it was made with: a changed one is refused unless that is
accepted, a moved one is found by its bytes, a rebuilt built-in one passes."""
import hashlib
import pathlib
import shutil
import subprocess

import h5py

import harness
from harness import Checks, ROOT, RUNNER, Scratch, latest, runner

c = Checks()
EXPERIMENT = f"""
name: identity
seed: 3
data:
  source: {{type: idx, images: {ROOT}/datasets/digits-images.idx3.gz, labels: {ROOT}/datasets/digits-labels.idx1.gz}}
  transforms: [{{type: scale, of: image}}]
  split: {{kind: random, val: 0.1, test: 0.8, seed: 7}}
  batch: 32
device: reference
model: {{type: sequential, in: {{x: data.image}}, layers: [{{type: flatten}}, {{type: dense, units: 10}}]}}
loss: acme.losses/nll
optimizer: {{type: sgd, lr: 0.1}}
train: {{steps: 3, log_every: 1}}
output: runs
"""


def build(to, source, *flags):
    to.parent.mkdir(parents=True, exist_ok=True)
    to.unlink(missing_ok=True)
    subprocess.run(["cc", "-shared", "-fPIC", "-fvisibility=hidden", "-I", ROOT / "plugin-api",
                    *flags, "-o", to, source], check=True)
    return hashlib.sha256(to.read_bytes()).hexdigest()


def train(top, *overrides, env=None):
    (top / "e.yaml").write_text(EXPERIMENT)
    r = runner(top / "e.yaml", *overrides, cwd=top, env=env)
    c.ok("it trains", r.code == 0, r.err)
    return latest(top / "runs", "identity").resolve()


def recorded(run):
    text = h5py.File(run / "run.h5").attrs["plugins"].decode()
    return {line.split()[1]: line.split(maxsplit=5) for line in text.splitlines()}


def files_of(run):
    return {p: p.read_bytes() for p in sorted(run.rglob("*")) if p.is_file() and p.name != "lock"}


def final(run):
    return list(h5py.File(run / "run.h5")["scalars/train/loss/value"])


VERBS = (("eval", "--split", "val"), ("predict",), ("resume", "train.steps=5"))
LOSS = ROOT / "tests/abi/outside/loss.c"

with Scratch() as top:
    mine = top / "my plugins/loss.so"
    before = build(mine, LOSS)
    run = train(top, f"plugins={mine}")
    got = recorded(run)
    c.equal("the record: kind, name, behaviour, origin, hash, file",
            got["acme.losses/nll"],
            ["loss", "acme.losses/nll", "1", "outside", before, str(mine)])
    c.ok("the record: built-in ones too, those of layers' inits among them",
         all(got.get(f"runner/{n}", [""] * 4)[3] == "built-in"
             for n in ("idx", "scale", "sequential", "sgd", "reference", "he", "zeros")), got)
    c.ok("verify", runner("verify", run).code == 0)
    shutil.copytree(run, top / "straight")
    r = runner("resume", top / "straight", "train.steps=5")
    c.ok("the same plugin: resume", r.code == 0, r.err)

    # ---- changed
    kept = mine.read_bytes()
    after = build(mine, LOSS, "-g")
    c.ok("another build has other bytes", before != after)
    whole = files_of(run)
    for verb, *more in VERBS:
        r = runner(verb, run, *more)
        c.equal(f"changed, {verb}: exit code", r.code, 4)
        c.within(f"changed, {verb}: one sentence with both hashes", r.err,
                 "the plugin of the loss acme.losses/nll has changed: the run was made with "
                 f"sha256 {before} (behaviour 1), and {mine} has sha256 {after} (behaviour 1)")
        c.within(f"changed, {verb}: the way out", r.err, "--accept-changed acme.losses/nll")
        c.equal(f"changed, {verb}: said once", r.err.count("has changed"), 1)
        c.ok(f"changed, {verb}: the run is as it was", files_of(run) == whole)
    r = runner("eval", run, "--accept-changed", "acme.loses/nll")
    c.equal("accepting what there is not: exit code", r.code, 2)
    c.within("accepting what there is not", r.err, "did you mean 'acme.losses/nll'?")
    r = runner("eval", run, "--accept-changed", "runner/sgd")
    c.equal("accepting another one does not help", r.code, 4)

    # ---- changed, with the recorded one elsewhere
    elsewhere = top / "search"
    elsewhere.mkdir()
    (elsewhere / "old.so").write_bytes(kept)
    env = {"RUNNER_PLUGIN_PATH": str(elsewhere)}
    r = runner("eval", run, env=env)
    c.equal("a file that the experiment names comes first, changed or not", r.code, 4)

    # ---- gone
    mine.unlink()
    moved = top / "moved away"
    shutil.move(run, moved)
    for verb, *more in VERBS:
        r = runner(verb, moved, *more)
        c.equal(f"gone, {verb}: exit code", r.code, 4)
        c.within(f"gone, {verb}: which", r.err, "the plugin of the loss acme.losses/nll is gone: "
                 f"the run was made with {mine}, sha256 {before}")
        c.within(f"gone, {verb}: the way out", r.err, "plugins=FILE.so")
    build(elsewhere / "new.so", LOSS, "-g")
    copy = top / "copy"
    for verb, *more in VERBS:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(moved, copy)
        r = runner(verb, copy, *more, env=env)
        c.ok(f"gone, {verb}: found by its bytes, beside a changed one", r.code == 0, r.err)
    c.equal("and the same bits", final(copy), final(top / "straight"))
    r = runner("eval", moved, f"plugins={elsewhere}/old.so")
    c.ok("or named", r.code == 0, r.err)
    (elsewhere / "old.so").unlink()
    r = runner("eval", moved, env=env)
    c.equal("gone, and only a changed one: exit code", r.code, 4)
    c.within("gone, and only a changed one", r.err, f"new.so has sha256 {after}")

    # ---- accepted
    for name in ("acme.losses/nll", "acme.losses"):
        r = runner("eval", moved, "--accept-changed", "runner/sgd", "--accept-changed", name,
                   env=env)
        c.ok(f"accepted: eval by {name}", r.code == 0, r.err)
        c.within("accepted: it is said", r.err, "warning: accepted a changed plugin: loss "
                 f"acme.losses/nll, sha256 {after} behaviour 1 in place of sha256 {before}")
    c.equal("accepted: each is in log.txt", (moved / "log.txt").read_text().count(
        "accepted a changed plugin: loss acme.losses/nll"), 2)
    r = runner("resume", moved, "train.steps=5", "--accept-changed", "acme.losses", env=env)
    c.ok("accepted: resume", r.code == 0, r.err)
    c.within("accepted: the step from which on is recorded",
             h5py.File(moved / "run.h5").attrs["accepted_changes.3"].decode(),
             f"sha256 {after} behaviour 1 in place of sha256 {before}")
    c.equal("accepted: the new one is the recorded one", recorded(moved)["acme.losses/nll"][4],
            after)
    c.ok("accepted: not asked again", runner("eval", moved, env=env).code == 0)
    r = runner("verify", moved)
    c.ok("accepted: verify", r.code == 0, r.err)

    # ---- built-in ones: a runner built again has other bytes
    tree = top / "tree"
    (tree / "core/commands").mkdir(parents=True)
    (tree / "build.ninja").write_text("")
    shutil.copy(RUNNER, tree / "core/commands/runner")
    built = pathlib.Path(recorded(moved)["runner/sgd"][5]).parents[1]
    for kind in built.iterdir():
        for so in kind.glob("*.so") if kind.is_dir() else []:
            (tree / "plugins" / kind.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(so, tree / "plugins" / kind.name)
    harness.RUNNER = tree / "core/commands/runner"
    run = train(top, "loss=cross_entropy")
    sgd = tree / "plugins/optimizer/sgd.so"
    old = recorded(run)["runner/sgd"]
    c.equal("a built-in plugin of the copied tree", old[5], str(sgd))
    again = build(sgd, ROOT / "plugins/optimizer/sgd.c", "-g")
    c.ok("rebuilt: other bytes", again != old[4])
    for verb, *more in VERBS:
        r = runner(verb, run, *more)
        c.ok(f"rebuilt, of the same behaviour: {verb}", r.code == 0, r.err)
    changed = top / "sgd.c"
    changed.write_text((ROOT / "plugins/optimizer/sgd.c").read_text().replace(
        '"runner/sgd 1"', '"runner/sgd 2"'))
    build(sgd, changed)
    for verb, *more in (("eval",), ("resume", "train.steps=7")):
        r = runner(verb, run, *more)
        c.equal(f"another behaviour, {verb}: exit code", r.code, 4)
        c.within(f"another behaviour, {verb}", r.err, "the optimizer runner/sgd has behaviour 2 "
                 "in this runner, and 1 in the run")
        r = runner(verb, run, *more, "--accept-changed", "runner/sgd")
        c.ok(f"another behaviour, accepted: {verb}", r.code == 0, r.err)
c.done()

# SPDX-License-Identifier: Apache-2.0
"""One component of every kind, each a file of its own outside the tree: built with the
compiler and the flags of `pkg-config --cflags runner-plugin`, named in the YAML, its
effect on a run on the digits seen in the record.

    outside.py RUNNER BUILD [BINARIES]

BINARIES: a folder of such plugins that were built from frozen headers (frozen.py), which
are run in their place: old plugins, the runner of now."""
import gzip
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy as np

from harness import Checks, ROOT, Scratch, kinds as all_kinds, latest, runner
import prefix

here = pathlib.Path(__file__).resolve().parent
c = Checks()
IMAGES = ROOT / "datasets/digits-images.idx3.gz"
LABELS = ROOT / "datasets/digits-labels.idx1.gz"


def install_headers(top):
    flags = prefix.flags(prefix.environment(c, sys.argv[2], top))
    include = [f[2:] for f in flags if f.startswith("-I")]
    c.ok("the flags name the installed headers",
         include and all((pathlib.Path(i) / "runner/loss.h").exists() for i in include)
         and str(ROOT) not in " ".join(include), flags)
    c.ok("the flags hide what is not the entry",
         "-fPIC" in flags and "-fvisibility=hidden" in flags, flags)
    of_build = prefix.flags({"PKG_CONFIG_PATH": f"{sys.argv[2]}/meson-uninstalled"})
    c.ok("the build tree has its flags too", f"-I{ROOT}/plugin-api" in of_build, of_build)
    return flags


BINARIES = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
if BINARIES and not BINARIES.exists():
    print(f"SKIP: no plugins of a frozen minor for this machine ({BINARIES.name})")
    sys.exit(77)


def build(source, to, flags, *more):
    if BINARIES:
        shutil.copy(BINARIES / to.name, to)
        return
    compiler = "g++" if source.suffix == ".cpp" else "cc"
    p = subprocess.run([compiler, "-shared", *flags, "-Wall", "-Wextra", "-Wpedantic",
                        "-Werror", "-Wl,--no-undefined", "-o", to, source, "-lm", *more],
                       text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    c.ok(f"{source.name} builds", p.returncode == 0, p.stdout)


def idx(path, header):
    return np.frombuffer(gzip.decompress(path.read_bytes())[header:], np.uint8)


labels, images = idx(LABELS, 8), idx(IMAGES, 16)

BASE = f"""
seed: 3
data:
  source: {{type: idx, images: {IMAGES}, labels: {LABELS}}}
  split: {{kind: stratified, by: label, val: 0.1, test: 0.2, seed: 7}}
  transforms: [{{type: scale, of: image, factor: 0.0625}}]
  batch: 64
device: reference
model: {{type: sequential, in: {{x: data.image}}, layers: [{{type: flatten}}, {{type: dense, units: 10}}]}}
loss: cross_entropy
metrics: accuracy
optimizer: {{type: sgd, lr: 0.1, momentum: 0.9}}
train: {{steps: 5, log_every: 1}}
"""


class Run:
    """A run of BASE with sections replaced."""
    count = 0

    def __init__(self, top, sections, plugins=(), base=BASE, code=0, command=None):
        Run.count += 1
        self.name = f"r{Run.count}"
        text = base
        for key, value in sections.items():
            text, n = re.subn(rf"^{key}:.*?(?=^\S|\Z)", "", text, flags=re.S | re.M)
            if value is not None:
                text += f"{key}: {value}\n"
        if plugins:
            names = ", ".join(f"./{p}.so" for p in plugins)
            text += f"plugins: {names}\n" if len(plugins) == 1 else f"plugins: [{names}]\n"
        self.file = top / f"{self.name}.yaml"
        self.file.write_text(f"name: {self.name}\noutput: runs\n{text}")
        # From another folder: paths are relative to the YAML that has them.
        self.r = runner(*(command or []), self.file, cwd=top / "elsewhere")
        c.ok(f"{self.name}: exit code {code} ({sections} {plugins})", self.r.code == code,
             f"  got {self.r.code}\n{self.r.err}\n{text}")
        self.folder = latest(top / "elsewhere/runs", self.name)

    def curve(self, name):
        with h5py.File(self.folder / "run.h5") as f:
            return f[f"scalars/{name}/value"][:]

    def tensor(self, name):
        with h5py.File(self.folder / "run.h5") as f:
            return f[f"tensors/{name}/value"][:]

    def weights(self):
        with h5py.File(sorted((self.folder / "checkpoints").glob("step*"))[-1]) as f:
            return {k: f["variables"][k][()] for k in f["variables"]}


def same(what, a, b, tolerance=0.0):
    a, b = np.asarray(a), np.asarray(b)
    c.ok(what, a.shape == b.shape and np.all(np.abs(a - b) <= tolerance),
         f"  {a}\n  {b}")


# pkg-config's words are split at spaces, so the headers lie where there is none.
with Scratch() as top, tempfile.TemporaryDirectory(prefix="runner-prefix-") as at:
    (top / "elsewhere").mkdir()
    flags = install_headers(pathlib.Path(at))
    kinds = [k for k in all_kinds() if k != "model"]  # which is in C++
    for kind in kinds:
        build(here / f"outside/{kind}.c", top / f"{kind}.so", flags)
    for kind in ["loss", "optimizer", "source"]:
        build(here / f"outside/sdk/{kind}.c", top / f"sdk_{kind}.so", flags)
        kinds.append(f"sdk_{kind}")
    if shutil.which("g++"):
        build(here / "outside/model.cpp", top / "model.so", flags)
        kinds.append("model")
    else:
        print("SKIP: g++ is not installed: the model in C++ is not built")
    for kind in kinds:
        p = subprocess.run(["nm", "-D", "--defined-only", top / f"{kind}.so"], text=True,
                           stdout=subprocess.PIPE)
        c.equal(f"{kind}: one exported name", re.findall(r" \w (\S+)", p.stdout),
                ["runner_plugin_entry"])
        r = runner("plugin", "show", top / f"{kind}.so")
        c.ok(f"{kind}: plugin show", r.code == 0
             and r.out.startswith(f"{kind.removeprefix('sdk_')} acme."),
             r.out + r.err)

    base = Run(top, {})

    # self for the kinds that describe, and what an optimizer knows of its parameter.
    build(here / "outside/selves.c", top / "selves.so", flags)
    mine = Run(top, {"model": "{type: acme.self/model, in: {x: data.image}}",
                     "loss": "{type: acme.self/loss, factor: 2}",
                     "optimizer": "{hidden: {type: acme.self/optimizer, factor: 0.25}}",
                     "regularizers": "{type: acme.self/regularizer, match: {role: weight}}"},
               ["selves"])
    for kind in ["model", "loss", "optimizer", "regularizer"]:
        c.equal(f"{kind}: created and destroyed", [mine.r.err.count(
            f"acme.self/{kind}: {word}") for word in ("created", "destroyed")], [1, 1])
    for line in ["model.weight is weight, rank 2 of 1/2 in hidden",
                 "model.bias is bias, rank 1 of 2/2 in hidden"]:
        c.ok(line, line in mine.r.err, mine.r.err)
    w = mine.weights()
    c.ok("biases stay, weights move",
         not np.any(w["model.bias"]) and np.any(w["model.weight"]), w)
    c.ok("the loss is twice the cross-entropy",
         mine.curve("train/loss")[0] > 1.5 * np.log(10), mine.curve("train/loss"))

    # Wrappers: a loss around a loss, an optimizer around an optimizer.
    build(here / "outside/wrappers.c", top / "wrappers.so", flags)
    by_hand = Run(top, {"loss": "{type: cross_entropy, smoothing: 0.2}"})
    a = Run(top, {"loss": "{type: acme.wrap/smoothed, inner: cross_entropy, smoothing: 0.2}"},
            ["wrappers"])
    same("a wrapped loss: the curve of smoothing built in", a.curve("train/loss"),
         by_hand.curve("train/loss"), 2e-6)
    a = Run(top, {"loss": "{type: acme.wrap/smoothed, inner: {type: acme.wrap/smoothed, "
                          "inner: {type: focal, gamma: 0}, smoothing: 0.2}, smoothing: 0}"},
            ["wrappers"])
    same("a wrapped loss: of a wrapped one", a.curve("train/loss"),
         by_hand.curve("train/loss"), 2e-6)
    for inner, code, text in [
            ("{type: mse}", 2, "runner/mse at 'inner' reads 'prediction', which loss neither "
                               "gives it nor has"),
            ("{type: cross_entropi}", 2, "did you mean 'cross_entropy'?")]:
        a = Run(top, {"loss": f"{{type: acme.wrap/smoothed, inner: {inner}}}"}, ["wrappers"],
                code=code)
        c.within(f"a wrapped loss: {inner}", a.r.err, text)
    a = Run(top, {"loss": "{type: acme.wrap/mistaken, inner: cross_entropy}"}, ["wrappers"],
            code=2)
    c.within("a wrapped loss: a port that is not there", a.r.err,
             "runner/cross_entropy at 'inner' has no port 'scores'")
    halved = Run(top, {"optimizer": "{type: sgd, lr: 0.05}"})
    wrap = "{type: acme.wrap/lookahead, inner: {type: sgd, lr: 0.1}, every: %d}"
    a = Run(top, {"optimizer": wrap % 1}, ["wrappers"])
    same("a wrapped optimizer: half of each step", a.curve("train/loss"),
         halved.curve("train/loss"), 2e-6)
    a = Run(top, {"optimizer": wrap % 6}, ["wrappers"])
    same("a wrapped optimizer: the inner one's steps until its own is due",
         a.curve("train/loss"), Run(top, {"optimizer": "{type: sgd, lr: 0.1}"}).curve(
             "train/loss"))
    scheduled = {"optimizer": wrap.replace("sgd", "adam") % 2,
                 "schedule": "{type: cosine, of: optimizer.inner.lr}",
                 "train": "{steps: 6, log_every: 1}", "checkpoint": "{every: 3st, keep: 5}"}
    whole = Run(top, scheduled, ["wrappers"])
    c.equal("a wrapped optimizer: its state and the inner one's",
            sorted({n.split(".")[-1] for n in whole.weights() if n.startswith("optimizer")}),
            ["m", "slow", "v"])
    c.ok("a wrapped optimizer: its live options are scheduled",
         whole.curve("live/optimizer.inner.lr")[-1] < 0.1 * whole.curve(
             "live/optimizer.inner.lr")[0])

    # Stopped in the middle and resumed, a wrapped optimizer goes on to the bit.
    for name, optimizer in {
            "Lookahead around Adam": wrap.replace("sgd", "adam") % 4,
            "SAM around SGD": "{type: sam, rho: 0.2, inner: {type: sgd, lr: 0.1, momentum: 0.9}}",
            "SAM around Lookahead around Adam":
                "{type: sam, rho: 0.2, inner: %s}" % (wrap.replace("sgd", "adam") % 4)}.items():
        sections = {"optimizer": optimizer, "train": "{steps: 10, log_every: 1}"}
        whole = Run(top, sections, ["wrappers"])
        r = runner(whole.file, "train.max_time=0.000001s", cwd=top / "elsewhere")
        part = latest(top / "elsewhere/runs", whole.name)
        stops = [r.code, runner("resume", part, cwd=top / "elsewhere").code]
        c.equal(f"{name}: stopped twice", stops, [75, 75])
        r = runner("resume", part, "~train.max_time", cwd=top / "elsewhere")
        c.equal(f"{name}: resumed", r.code, 0)
        straight, whole.folder = whole.weights(), part
        again = whole.weights()
        c.ok(f"{name}: the bits of a run that was not stopped",
             sorted(straight) == sorted(again)
             and all(straight[k].tobytes() == again[k].tobytes() for k in straight))

    # source: its rows are known, so the loss at step 0 of a model of zeros is known.
    rows, k = np.arange(40), np.arange(4)
    x = ((4 * rows[:, None] + k) % 7).astype(np.float32) / np.float32(7)
    y = 1 + x[:, 0] - 2 * x[:, 3]
    table = f"""
data: {{source: {{type: acme.data/ramp, rows: 40}}, batch: 40}}
device: reference
model: {{type: sequential, in: {{x: data.x}}, layers: [{{type: dense, units: 1, init: zeros}}]}}
loss: {{type: mse, in: {{target: data.y}}}}
metrics: {{type: mse, in: {{target: data.y}}}}
optimizer: {{type: sgd, lr: 0.1}}
train: {{steps: 1, log_every: 1}}
"""
    a = Run(top, {}, ["source"], base=table)
    same("source: the loss of zeros is the mean of y^2", a.curve("train/loss"),
         [np.mean(y.astype(np.float64) ** 2)], 1e-6)
    w = a.weights()
    name = next(n for n in w if n.startswith("model") and n.endswith(".weight"))
    same("source: one step of gradient descent on its rows", w[name],
         [0.1 * 2 * np.mean(y[:, None] * x, axis=0)], 1e-6)

    # Optimizers of several gradients a step, and of sums over all parameters.
    build(here / "outside/phases.c", top / "phases.so", flags)

    def slope(at):
        error = x @ at[:4] + at[4] - y
        return 2 * np.append(error @ x, error.sum()) / len(y)

    ways = {"extragradient": lambda p: slope(p - 0.1 * slope(p)),
            "two": lambda p: slope(p - 0.1 * slope(p - 0.1 * slope(p))),
            "normed": lambda p: slope(p) / np.sqrt(np.sum(slope(p) ** 2))}
    for kind, way in ways.items():
        a = Run(top, {"optimizer": f"{{type: acme.phases/{kind}}}",
                      "train": "{steps: 4, log_every: 1}"}, ["source", "phases"], base=table)
        want = np.zeros(5)
        for _ in range(4):
            want -= 0.1 * way(want)
        w = a.weights()
        got = np.append(next(w[n] for n in w if n.endswith(".weight")),
                        next(w[n] for n in w if n.endswith(".bias")))
        same(f"phases: {kind}", got, want, 1e-6)
    # The first gradient overflows in f16 and the second does not: the step is not taken.
    half = {"optimizer": "{type: acme.phases/at_zero}", "precision": "f16",
            "init": "{type: constant, value: 300, match: '*.weight'}"}
    for scale, code in ((65536, 5), (1, 0)):
        a = Run(top, {**half, "train": "{steps: 1, log_every: 1, loss_scale: {type: fixed, "
                                       f"scale: {scale}}}}}"}, ["source", "phases"],
                base=table.replace(", init: zeros", ""), code=code)
        if code:
            c.within("phases: a first gradient that is not finite", a.r.err, "gradient norm inf")
    plan = Run(top, {"optimizer": "{type: acme.phases/two}"}, ["source", "phases"],
               base=table, command=["plan"])
    c.within("phases: plan", plan.r.out,
             "A step of train takes 3 gradients, one in each phase: first, second, update")
    wrong = {"assigns": "it assigns 'optimizer.model.dense1.weight.mine': only the update keeps state",
             "shapes": "output 'param' of acme.phases/shapes has another type or shape",
             "silent": "acme.phases/silent gave no output 'param'",
             "unequal": "the sum 'all' has another type or shape than that of earlier parameters",
             "named": "acme.phases/named: two phases are called 'a'"}
    for kind, text in wrong.items():
        a = Run(top, {"optimizer": f"{{type: acme.phases/{kind}}}"}, ["source", "phases"],
                base=table, code=4)
        c.within(f"phases: {kind}", a.r.err, text)
    a = Run(top, {"optimizer": "{one: {match: {role: weight}, type: acme.phases/two}, "
                               "rest: {match: rest, type: acme.phases/extragradient}}"},
            ["source", "phases"], base=table, code=2)
    c.within("phases: of two components", a.r.err,
             "optimizer.one (acme.phases/two) and optimizer.rest (acme.phases/extragradient) "
             "each take their own gradients within a step")
    a = Run(top, {"optimizer": "{type: acme.wrap/lookahead, inner: acme.phases/two}"},
            ["source", "phases", "wrappers"], base=table, code=2)
    c.within("phases: within another optimizer", a.r.err,
             "acme.phases/two at 'inner' takes several gradients a step, which only the "
             "outermost optimizer can")

    # source: a stream, which ends after 40 rows; epochs of 3 steps of 6 rows.
    stream = table.replace("{source: {type: acme.data/ramp, rows: 40}, batch: 40}", """
  train: {type: acme.data/drip, rows: 40}
  val: {type: acme.data/ramp, rows: 7}
  transforms: [{type: minmax, of: x}]
  batch: 6""").replace("steps: 1,", "epochs: 5, steps_per_epoch: 3,")
    still = stream.replace("lr: 0.1", "lr: 0")
    a = Run(top, {}, ["source"], base=still)
    at = np.arange(15 * 6).reshape(15, 6) % 40
    same("stream: each step has the next rows, from the first again after the last",
         a.curve("train/loss"), np.mean(y[at].astype(np.float64) ** 2, axis=1), 1e-6)
    c.within("stream: how many samples it has had",
             (a.folder / "log.txt").read_text() + a.r.err, "the stream has 40 samples")
    a = Run(top, {}, ["source"], base=stream)
    want = runner("verify", a.folder).out
    for split in ("train", "val"):
        r = runner("eval", a.folder, "--split", split, cwd=top / "elsewhere")
        c.equal(f"stream: eval of {split}", r.code, 0) or print(r.err)
    for workers in (0, 4):
        b = Run(top, {}, ["source"],
                base=stream.replace("batch: 6", f"batch: 6\n  workers: {workers}"))
        c.equal(f"stream: {workers} workers, the same bits", runner("verify", b.folder).out, want)
    b = Run(top, {}, ["source"], code=75,
            base=stream.replace("epochs: 5,", "epochs: 5, max_time: 0.000001s,"))
    for step in range(10): # over the end of the stream
        r = runner("resume", b.folder)
    c.within("stream: interrupted in an epoch", runner("verify", b.folder).out, "step=11 ")
    r = runner("resume", b.folder, "~train.max_time")
    c.equal("stream: resumed, the same bits", (r.code, runner("verify", b.folder).out),
            (0, want))
    r = runner("resume", b.folder, "train.steps_per_epoch=4")
    c.equal("stream: another length of an epoch is refused", r.code, 8)
    for more, *sentences in (
            ([("steps_per_epoch: 3, ", "")], "does not know how many samples it has",
             "train.steps_per_epoch", ".yaml:5:"),
            ([("batch: 6", "batch: 6\n  split: {test: 0.5}")], "a stream cannot be divided",
             "sources of their own"),
            ([("batch: 6", "batch: 6\n  sampler: {type: weighted, of: y}")],
             "no sampler can choose among its samples", "sampler"),
            ([("batch: 6", "batch: 6\n  resident: always")],
             "a stream does not stay on the device"),
            ([("layers: [", "layers: [{type: batch_norm}, "),
              ("device: reference", "device: reference\nhooks: swa")], "hooks computes running statistics by a "
             "pass over the training split, which is a stream", "statistics: average"),
            ([("acme.data/ramp", "acme.data/drip")], "data.val needs a source"),
            ([("steps_per_epoch: 3", "steps_per_epoch: 1000000000"),
              ("batch: 6", "batch: 1000000")], "an epoch of 1e+15 samples is too long")):
        text = stream
        for before, after in more:
            c.ok(f"stream: {before} is there", before in text)
            text = text.replace(before, after)
        b = Run(top, {}, ["source"], base=text, code=2)
        for s in sentences:
            c.within(f"stream: {more}", b.r.err, s)

    # source and transform: cells of variable size, reserved through the host.
    walks = [np.array([[r, j] for j in range(r % 5)], np.float32).reshape(-1, 2)
             for r in range(40)]
    walks = [np.repeat(w, 2, axis=0)[-6:] for w in walks]
    walks = np.stack([np.concatenate([w, np.full((6 - len(w), 2), -1, np.float32)])
                      for w in walks]).reshape(40, 12)
    walk = table.replace("rows: 40}, batch: 40}", """rows: 40, walk: true}, batch: 40,
  transforms: [{type: acme.data/doubled, of: walk},
    {type: pad_sequence, of: walk, length: 6, value: -1, keep: last, lengths: true}]}""")
    walk = walk.replace("data.x", "data.walk").replace(
        "layers: [{", "layers: [{type: flatten}, {").replace("lr: 0.1", "lr: 0.001")
    a = Run(top, {}, ["source", "transform"], base=walk)
    w = a.weights()
    name = next(n for n in w if n.startswith("model") and n.endswith(".weight"))
    same("source: cells of variable size, through two transforms", w[name],
         [0.001 * 2 * np.mean(y[:, None] * walks, axis=0)], 1e-6)
    a = Run(top, {}, ["source", "transform"], base=walk.replace(
        "walk: true", "walk: true, astray: true"), code=4)
    c.within("source: a cell that is not there", a.r.err,
             "cell 1000000 of 40 rows is asked for")
    a = Run(top, {}, ["source", "transform"], code=2,
            base=walk.replace("acme.data/doubled", "scale, factor: 2"))
    c.within("transform: not for cells of variable size", a.r.err,
             "scale takes fields of one size, but 'walk' has cells of variable size")
    c.ok("transform: the place", re.search(r"yaml:\d+:\d+: error: .*scale", a.r.err), a.r.err)
    a = Run(top, {}, ["source"], base=re.sub(r"transforms: \[.*?\]", "transforms: []", walk,
                                             flags=re.S).replace("data.walk", "data.x"))
    c.within("source: what is left of variable size", a.r.err,
             "field 'walk' has cells of variable size and is left out")

    # With the helpers of <runner/sdk/>: a source of plain numbers, a loss with weights
    # and targets [N,1], one step of Adam from zeros. By hand: the step is lr g/(|g| + eps).
    x = np.linspace(-1, 1, 80, dtype=np.float32).reshape(40, 2)
    y, w = np.float32(2) * x[:, :1] - x[:, 1:] + 3, (np.arange(40) % 3).astype(np.float32)
    (top / "plain.f32").write_bytes(np.hstack([x, y, w[:, None]]).astype("<f4").tobytes())
    (top / "packed.f32").write_bytes(gzip.compress(b"plain" * 40, mtime=0).ljust(160, b"\0"))
    (top / "short.f32").write_bytes(b"\0" * 90)
    sdk = """
data: {source: {type: acme.data/rows, file: plain.f32, columns: 4}, batch: 40}
device: reference
model: {type: sequential, in: {x: data.x}, layers: [{type: dense, units: 1, init: zeros}]}
loss: {type: acme.losses/log_cosh, in: {target: data.y, weight: data.w}}
optimizer: {type: acme.optim/bounded, lr: 0.125}
train: {steps: 1, log_every: 1}
"""
    sdk_plugins = ["sdk_source", "sdk_loss", "sdk_optimizer"]
    a = Run(top, {}, sdk_plugins, base=sdk)
    d = y.astype(np.float64)[:, 0]
    same("sdk: the weighted mean of log(cosh(y)) of a model of zeros",
         a.curve("train/loss"), [np.sum(w * np.log(np.cosh(d))) / w.sum()], 1e-6)
    g = np.sum((w * -np.tanh(d))[:, None] * x, axis=0) / w.sum()
    name = next(n for n in a.weights() if n.startswith("model") and n.endswith(".weight"))
    same("sdk: one step of Adam", a.weights()[name], [-0.125 * g / (np.abs(g) + 1e-8)], 1e-5)
    same("sdk: its bound", Run(
        top, {"optimizer": "{type: acme.optim/bounded, lr: 0.125, bound: 0.0625}"},
        sdk_plugins, base=sdk).weights()[name], [-0.0625 * np.sign(g)])
    steps = {"train": "{steps: 20, log_every: 1}"}
    same("sdk: Adam to the bit where the bound is not reached",
         Run(top, steps, sdk_plugins, base=sdk).curve("train/loss"),
         Run(top, {**steps, "optimizer": "{type: adam, lr: 0.125}"}, sdk_plugins,
             base=sdk).curve("train/loss"))
    for file, code, text in [
            ("packed.f32", 3, "is a gzip file, not plain numbers"), ("none.f32", 3, "cannot be opened"),
            ("short.f32", 3, "90 bytes are not rows of 16"),
            ("plain.f32, memory: 0", 3, "needs more than the 0 MiB")]:
        a = Run(top, {}, sdk_plugins, base=sdk.replace("plain.f32", file), code=code)
        c.within(f"sdk: {file}", a.r.err, text)
    a = Run(top, {}, sdk_plugins, base=sdk.replace("target: data.y", "target: data.x"), code=2)
    c.within("sdk: a target of another shape", a.r.err,
             "the target does not have the prediction's shape")

    # transform: the training mean is taken away, and a checkpoint brings it back.
    totals = "{type: acme.metrics/totals, in: {label: data.label, image: data.image}}"
    sections = {"data": f"""
  train: {{type: idx, images: {IMAGES}, labels: {LABELS}}}
  test: {{type: idx, images: {IMAGES}, labels: {LABELS}}}
  transforms: [{{type: acme.data/centre}}]""", "metrics": totals}
    a = Run(top, sections, ["transform", "metric"])
    same("transform: the mean of the rows that it was fitted on is 0",
         a.curve("test/totals.mean"), [0.0], 1e-5)
    r = runner("eval", a.folder)
    c.equal("transform: its state comes back", r.value("test/totals.mean"),
            float(f"{a.curve('test/totals.mean')[0]:.6g}"))
    # metric: what it counts is in the files.
    c.equal("metric: rows", a.curve("test/totals").tolist(), [len(labels)])
    c.equal("metric: labels", a.curve("test/totals.labels").tolist(),
            [float(labels.astype(float).sum())])
    same("metric: image without transform", Run(
        top, {**sections, "data": sections["data"].replace("acme.data/centre", "scale")
              .replace("type: scale", "type: scale, factor: 1")}, ["metric"]).curve(
        "test/totals.mean"), [images.astype(float).mean()], 1e-9)
    c.equal("metric: its optional port left out", Run(
        top, {**sections, "metrics": "{type: acme.metrics/totals}"},
        ["transform", "metric"]).curve("test/totals.mean").tolist(), [0.0])
    ids = a.curve("test/totals.ids")[0]
    c.equal("metric: sample ids are those of the rows", ids % len(labels),
            float(sum(range(len(labels)))) % len(labels))

    # augment: training sees zeros, evaluation does not.
    zero = {"model": "{type: sequential, in: {x: data.image}, layers: [{type: flatten}, "
                     "{type: dense, units: 10, init: zeros}]}"}
    a = Run(top, {**zero, "augment": "{type: acme.data/blank}",
                  "optimizer": "{type: sgd, lr: 0}"}, ["augment"])
    same("augment: scores are zero in training", a.curve("train/loss"),
         np.full(5, np.log(10.0)), 1e-6)
    a = Run(top, {"augment": "{type: acme.data/blank}", "optimizer": "{type: sgd, lr: 0}"},
            ["augment"])
    same("augment: training sees nothing", a.curve("train/loss"), np.full(5, np.log(10.0)),
         1e-6)
    for name, held in (("blank", True), ("blank_old", False)):
        a = Run(top, {"augment": f"{{type: acme.data/{name}}}", "device": "async_fake",
                      "optimizer": "{type: sgd, lr: 0}"}, ["augment"])
        same(f"augment: {name}, training sees nothing", a.curve("train/loss"),
             np.full(5, np.log(10.0)), 1e-6)
        r = runner("plan", a.file, "--json", cwd=top / "elsewhere")
        c.equal(f"augment: {name}, samples on the device",
                json.loads(r.out)["memory"]["data"] > 0, held)
    c.ok("augment: evaluation sees the images",
         abs(a.curve("test/loss")[0] - np.log(10.0)) > 1e-3, a.curve("test/loss"))

    # collate: every row of a batch is its first; evaluation has its own labels.
    still = {"optimizer": "{type: sgd, lr: 0}"}
    first = {**still, "loss": "{type: soft_cross_entropy, in: {target: data.label_first}}"}
    a = Run(top, {**first, "collate": "{type: acme.data/leader, of: [image, label]}"},
            ["collate"])
    b = Run(top, {**first, "collate": "{type: acme.data/leader, of: label}"}, ["collate"])
    plain = Run(top, still)
    c.ok("collate: the fields that are named change in training",
         np.all(a.curve("train/loss") != b.curve("train/loss"))
         and np.all(a.curve("train/loss") != plain.curve("train/loss")))
    for x in (a, b):
        same("collate: evaluation has each row's own", x.curve("test/loss"),
             plain.curve("test/loss"), 1e-6)

    # sampler: one row all the time, another one in odd epochs.
    a = Run(top, {"data": BASE.split("data:")[1].split("device:")[0]
                  + "  sampler: {type: acme.data/single, of: label, samples: 192}\n",
                  "optimizer": "{type: sgd, lr: 0}", "train": "{steps: 6, log_every: 1}"},
            ["sampler"])
    losses = a.curve("train/loss")
    c.ok("sampler: three steps of one row, three of another",
         np.ptp(losses[:3]) == 0 and np.ptp(losses[3:]) == 0 and losses[0] != losses[3],
         losses)

    # init: the weights that no step has changed.
    a = Run(top, {"init": "{type: acme.init/ramp, match: {role: weight}}",
                  "optimizer": "{type: sgd, lr: 0}"}, ["init"])
    w = next(v for k, v in a.weights().items() if k.endswith(".weight"))
    same("init: i/n - 1/2", w.ravel(),
         (np.arange(640) / 640.0 - 0.5).astype(np.float32))

    # loss: its gradient is derived; the same curve as the built-in one, whose operator is
    # one and not three.
    a = Run(top, {"loss": "{type: acme.losses/nll}"}, ["loss"])
    same("loss: the built-in's curve", a.curve("train/loss"), base.curve("train/loss"),
         2e-6)
    c.ok("loss: it learns", a.curve("train/loss")[-1] < a.curve("train/loss")[0])

    # optimizer: momentum as the built-in writes it, to the bit.
    a = Run(top, {"optimizer": "{type: acme.optim/heavy_ball, lr: 0.1}"}, ["optimizer"])
    same("optimizer: the built-in's curve", a.curve("train/loss"),
         base.curve("train/loss"))
    a = Run(top, {"optimizer": "{type: acme.optim/heavy_ball, momentum: 0, nesterov: yes}"},
            ["optimizer"], code=2)
    for text in ["nesterov looks ahead along a momentum that is 0",
                 "give momentum, or leave nesterov out", "momentum is 0"]:
        c.within("optimizer: validate", a.r.err, text)
    c.ok("optimizer: validate names the option's place",
         re.search(r"r\d+\.yaml:\d+:\d+: error: momentum is 0\n.*\n\s*\|? .*\^", a.r.err),
         a.r.err)

    # regularizer: both forms.
    a = Run(top, {"regularizers": "{type: acme.penalties/non_negative, match: {role: weight}}"},
            ["regularizer"])
    w = np.concatenate([v.ravel() for k, v in a.weights().items() if k.endswith(".weight")])
    c.ok("regularizer: no weight is negative, some are 0", w.min() == 0.0 and w.max() > 0.0)
    same("regularizer: its penalty, at a strength of 0", np.zeros(1), Run(
        top, {"regularizers": "{type: acme.penalties/non_negative, strength: 0}"},
        ["regularizer"]).curve("train/regularization")[:1])
    c.ok("regularizer: its penalty", np.all(a.curve("train/regularization") > 0.0))

    # schedule: its values; and its state through a checkpoint.
    a = Run(top, {"schedule": "{type: acme.schedules/tired}",
                  "checkpoint": "{every: 2st}"}, ["schedule"])
    same("schedule: base/(1 + calls)", a.curve("live/optimizer.lr"),
         0.1 / np.arange(1, 6), 1e-12)
    r = runner("resume", a.folder, "train.steps=8", cwd=top)
    c.ok("schedule: resume", r.code == 0, r.err)
    same("schedule: the state went on", a.curve("live/optimizer.lr"),
         0.1 / np.arange(1, 9), 1e-12)

    # hook: both forms, what it asks for is done.
    a = Run(top, {"hooks": "{type: acme.hooks/watch, steps: 4, rate: 0}",
                  "train": "{steps: 50, log_every: 1}"}, ["hook"])
    c.equal("hook: stopped the run", len(a.curve("train/loss")), 4)
    c.within("hook: its reason", a.r.err, "seen enough")
    c.within("hook: its log line", a.r.err, "acme.hooks/watch: watching")
    same("hook: its curve", a.curve("watch/seen"), [1, 2, 3, 4])
    name = next(n for n in a.weights() if n.startswith("model") and n.endswith(".weight"))
    sums = a.tensor(f"watch/{name}").ravel()
    c.equal("hook: a row for every step", len(sums), 4)
    with h5py.File(next((a.folder / "checkpoints").glob("step-0*2.h5"))) as f:
        kept = f["variables"][name][()].astype(np.float64).sum()
    same("hook: the sum of the weights after step 2, as the checkpoint it asked for has it",
         sums[2], kept, 1e-4)
    same("hook: it set the learning rate", a.curve("live/optimizer.lr"), [.1, .1, .1, 0.0],
         1e-7)

    # hooks of events and averages: order, what the run answers, what evaluations use.
    build(here / "outside/events.c", top / "events.so", flags)
    a = Run(top, {"hooks": "[{type: acme.events/diary, series: val/loss}, "
                           "{type: acme.events/halfway}]",
                  "train": "{steps: 4, log_every: 1}"}, ["events"])
    diary = [line.split() for line in (a.folder / "diary.txt").read_text().splitlines()]
    c.equal("events: in order", [line[1] for line in diary],
            ["run_begin", "epoch_begin", *["step_end"] * 4, "evaluate_begin", "evaluated",
             "run_end"])
    c.ok("events: lengths and live values",
         {"total=4", "seed=3", "samples=64", "lr=0.1"} <= set(diary[2]), diary[2])
    w = a.weights()
    c.equal("average: one for each parameter, and their number",
            (sorted(n for n in w if n.startswith("average.model")), int(w["average.updates"])),
            (sorted(f"average.{n}" for n in w if n.startswith("model")), 3))
    said = dict(word.split("=", 1) for word in diary[-1][2:])
    sums = {n: w[n].astype(np.float64).sum() for n in w}
    c.ok("average: it is what the hook reads", any(
        abs(float(said["sum"]) - sums[n]) < 1e-5 and
        abs(float(said["average"]) - sums[f"average.{n}"]) < 1e-5
        for n in w if n.startswith("model")), (said, sums))
    r = runner("eval", a.folder, "--json", cwd=top)
    c.ok("average: eval uses it", r.code == 0 and json.loads(r.out)["parameters"] ==
         "average" and json.loads(r.out)["test/loss"] == a.curve("test/loss")[-1],
         (r.out, r.err, a.curve("test/loss")))

    # hook: what it refers to is there, by path, by name or by type, or the place is told.
    two = "{right: {type: accuracy}, best: {type: top_k, k: 3}}"
    for said, path in [("metrics.best", "metrics.best"), ("right", "metrics.right"),
                       ("top_k", "metrics.best")]:
        a = Run(top, {"metrics": two,
                      "hooks": f"{{type: acme.hooks/watch, part: {said}}}"}, ["hook"])
        c.within(f"hook: {said} is {path}", a.r.err, f"acme.hooks/watch: {path}\n")
    for said, sentence, hint in [
            ("part: rihgt", "this experiment has no metric 'rihgt'",
             "did you mean 'metrics.right'? there are: metrics.right, metrics.best"),
            ("live: optimizer.rl", "this experiment has no live option 'optimizer.rl'",
             "did you mean 'optimizer.lr'? there are: optimizer.lr"),
            ("live: accuracy", "this experiment has no live option 'accuracy'",
             "there are: optimizer.lr")]:
        a = Run(top, {"metrics": two,
                      "hooks": f"{{type: acme.hooks/watch, {said}}}"}, ["hook"], code=2)
        c.within(f"hook: {said}", a.r.err, sentence)
        c.within(f"hook: {said}: hint", a.r.err, hint)
        c.ok(f"hook: {said}: the place", re.search(r"yaml:\d+:\d+: error", a.r.err), a.r.err)
    a = Run(top, {"metrics": "{a: {type: accuracy}, b: {type: accuracy}}",
                  "hooks": "{type: acme.hooks/watch, part: accuracy}"}, ["hook"], code=2)
    c.within("hook: two of a type", a.r.err, "'accuracy' names two: metrics.a and metrics.b")
    a = Run(top, {"optimizer": "{type: adaam}", "hooks": "{type: acme.hooks/watch}"},
            ["hook"], code=2)
    c.ok("hook: an optimizer that is not there is one error",
         a.r.err.count("error:") == 1, a.r.err)

    # model: logistic regression in C++, zeros first.
    if "model" in kinds:
        a = Run(top, {"model": "{type: acme.models/logistic, in: {x: data.image}}"},
                ["model"])
        same("model: the built-in layers' curve", a.curve("train/loss"),
             Run(top, zero).curve("train/loss"))

    # backend: what it cannot do the host decomposes; the numbers are reference's.
    a = Run(top, {"device": "acme.backends/abacus"}, ["backend"])
    same("backend: reference's curve", a.curve("train/loss"), base.curve("train/loss"),
         1e-5)
    c.within("backend: it was this one", a.r.err, "the abacus is ready")
    a = Run(top, {"device": "acme.backends/abacus", "model":
                  "{type: sequential, in: {x: data.image}, layers: [{type: flatten}, "
                  "{type: dense, units: 10}, {type: tanh}]}"}, ["backend"], code=4)
    c.within("backend: what it does not have", a.r.err, "tanh")

    # Everything from outside at once.
    if "model" in kinds:
        a = Run(top, {"model": "{type: acme.models/logistic, in: {x: data.image}}",
                      "data": sections["data"], "augment": "{type: acme.data/blank}",
                      "init": "{type: acme.init/ramp, match: {role: weight}}",
                      "loss": "{type: acme.losses/nll}", "metrics": totals,
                      "optimizer": "{type: acme.optim/heavy_ball}",
                      "regularizers": "{type: acme.penalties/non_negative}",
                      "schedule": "{type: acme.schedules/tired}",
                      "hooks": "{type: acme.hooks/watch, steps: 2}",
                      "device": "acme.backends/abacus"},
                [k for k in kinds if k != "source" and not k.startswith("sdk_")])
        c.equal("everything from outside: steps", len(a.curve("train/loss")), 2)
        r = runner("verify", a.folder)
        c.equal("everything from outside: the record verifies", r.code, 0)
c.done()

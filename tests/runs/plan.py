# SPDX-License-Identifier: Apache-2.0
"""runner plan: layers as PyTorch counts them, the peak of memory as the allocator saw it,
whether it fits, the graph as text for graphviz."""
import json
import pathlib
import re
import resource
import shutil
import subprocess
import sys

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch, preload, sanitized  # noqa: E402

SHIM = pathlib.Path(sys.argv[2]).resolve()
GOLDEN = json.loads((pathlib.Path(__file__).parent / "plan_golden.json").read_text())
SANITIZED = sanitized()

IMAGES = """
name: images
data:
  source: {type: npy, files: {image: images.npy, label: labels.npy}}
  split: {kind: random, val: 0.25}
  batch: 16
model: MODEL
loss: cross_entropy
optimizer: {type: sgd, lr: 0.1}
train: {epochs: 2}
"""

SMALL = """
name: small
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.1, test: 0.8, seed: 7}
  batch: 32
model:
  type: sequential
  in: {x: data.image}
  layers:
    - {type: conv2d, channels: 4, kernel: 3, bias: false}
    - {type: batch_norm}
    - {type: relu}
    - {type: flatten}
    - {type: dense, units: 10}
loss:
  a: {type: cross_entropy, in: {logits: model.out, label: data.label}}
metrics: [accuracy, confusion]
optimizer:
  a: {type: adam, lr: 0.01}
train: {epochs: 1}
"""

TWO = ["loss.b={type: focal, in: {logits: model.out, label: data.label}}",
       "optimizer.b={type: sgd, lr: 0.1, momentum: 0.9}",
       "train.programs=[{name: one, minimize: [a], optimizer: [a]},"
       " {name: two, minimize: [b], optimizer: [b], every: 2}]"]


def plan(path, *args, **more):
    r = runner("plan", path, "--json", *args, **more)
    return json.loads(r.out) if r.code == 0 else r


def layers(c, top):
    rng = np.random.default_rng(1)
    np.save(top / "images.npy", rng.random((64, 1, 28, 28), dtype=np.float32))
    np.save(top / "labels.npy", np.arange(64) % 10)
    models = {"lenet": "lenet", "mlp": "{type: mlp, hidden: [256, 128], outputs: 10}",
              "resnet_cifar": "{type: resnet_cifar, depth: 20}"}
    for name, model in models.items():
        want = GOLDEN[name]
        path = config(top, IMAGES.replace("MODEL", model), f"{name}.yaml")
        got = plan(path)
        if not c.ok(f"{name}: plans", isinstance(got, dict), str(got)):
            continue
        c.equal(f"{name}: parameters", got["parameters"], want["parameters"])
        c.equal(f"{name}: steps", (got["epochs"], got["steps_per_epoch"], got["steps"]),
                (2, 3, 6))
        rows = {row["layer"]: row for row in got["layers"]}
        for layer, facts in want["layers"].items():
            row = rows.get(f"model.{layer}", {})
            for key in ("output", "parameters"):
                c.equal(f"{name}: {key} of {layer}", row.get(key), facts[key])
            c.equal(f"{name}: bytes of {layer}", row.get("bytes"),
                    4 * int(np.prod(facts["output"])))
            if facts["flops"]:
                c.equal(f"{name}: FLOPs of {layer}", row.get("flops"), facts["flops"])
        # PyTorch counts products only; the rest is small beside them.
        for key, most in (("flops", 0.05), ("step_flops", 0.25)):
            rest = got[key] / want[key] - 1.0
            c.ok(f"{name}: {key}", 0.0 <= rest < most,
                 f"  {got[key]} here, products alone {want[key]}")
        c.equal(f"{name}: sum of FLOPs", sum(r["flops"] for r in got["layers"]),
                got["flops"])
    r = runner("plan", path)
    c.within("the table", r.out, "model.stage3.block3.conv2")
    c.ok("its sum", re.search(r"^all +272,\d{3} |^all +\d{3},\d{3} ", r.out, re.M), r.out)
    c.within("its verdict", r.out, "It fits:")


def counted(c, top, what, path, *args):
    """Plan, train, and compare with the counters in exec and in the shim."""
    said = plan(path, *args)
    if not c.ok(f"{what}: plans", isinstance(said, dict), str(said)):
        return
    peak = top / "peak"
    env = {} if SANITIZED else {**preload(SHIM), "SHIM_PEAK": str(peak)}
    r, folder = train(path, *args, env=env)
    c.equal(f"{what}: exit", r.code, 0)
    with h5py.File(folder / "run.h5", "r") as f:
        counter = int(f.attrs["memory_peak"]), int(f.attrs["pinned_memory_peak"])
    memory = said["memory"]
    c.equal(f"{what}: the run's counter", counter, (memory["peak"], memory["pinned"]))
    parts = ("variables", "data", "arena", "constants", "scalars", "inputs", "outputs")
    c.equal(f"{what}: the parts", sum(memory[k] for k in parts), memory["peak"])
    if not SANITIZED:
        c.equal(f"{what}: the allocator's counter", int(peak.read_text()),
                memory["peak"] + memory["pinned"])


def memory(c, top):
    path = config(top, SMALL, "small.yaml")
    if SANITIZED:
        print("SKIP: the allocator's counter needs a runner without sanitizers")
    counted(c, top, "cpu", path)
    counted(c, top, "reference", path, "device=reference")
    counted(c, top, "async_fake", path, "device=async_fake")
    counted(c, top, "accumulated", path, "train.accumulate=3")
    counted(c, top, "tapped", path, "hooks={type: inspect}")
    counted(c, top, "accumulated and tapped", path, "train.accumulate=2",
            "hooks={type: inspect}")
    counted(c, top, "two programs", path, *TWO)
    counted(c, top, "two programs, all at once", path, *TWO, "train.accumulate=2",
            "device=async_fake", "hooks={type: inspect}")
    got = plan(path, "device=null")
    c.ok("null plans", isinstance(got, dict) and got["memory"]["fits"] is None, str(got))
    r, folder = train(path, "device=null")
    c.equal("null runs", r.code, 0)


def fits(c, top):
    path = config(top, SMALL.replace("channels: 4", "channels: 64"), "wide.yaml")
    c.equal("there is room", plan(path)["memory"]["fits"], True)
    if SANITIZED:
        print("SKIP: a limit of memory needs a runner without sanitizers")
        return

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
    big = "model.layers.0.channels=20000"
    got = plan(path, big, preexec=limit)
    c.equal("there is no room", got["memory"]["fits"], False)
    c.ok("what is needed and had", got["memory"]["peak"] > got["memory"]["usable"])
    # The batch that is named is planned: it fits, one more does not.
    big = [big, "data.eval_batch=1"]
    got = plan(path, *big, preexec=limit)
    best = got["memory"]["batch_that_fits"]
    if c.ok("a batch that fits", best > 1, best):
        for batch, want in ((best, True), (best + 1, False)):
            more = plan(path, *big, f"data.batch={batch}", preexec=limit)["memory"]
            c.equal(f"batch {batch} of {best} fits", more["fits"], want)
    r = runner("plan", path, *big, preexec=limit)
    c.within("in words", r.out, "It does not fit")
    c.within("what fits, in words", r.out, f"data.batch={best} fits, the largest that does.")
    r = runner("plan", path, "model.layers.0.channels=20000000", preexec=limit)
    c.within("nothing fits", r.out, "No data.batch fits with this data.eval_batch.")
    r = runner(path, *big, f"output={top}/refused", preexec=limit)
    c.equal("train refuses", r.code, 6)
    c.within("says why", r.err, "are usable now")
    c.within("names the largest", r.err, "the largest tensors at the peak")
    c.ok("before anything is made", not (top / "refused").exists())


def graph(c, top):
    path = config(top, SMALL, "small.yaml")
    r = runner("plan", path, "--dot")
    c.equal("--dot: exit", r.code, 0)
    if shutil.which("dot"):
        p = subprocess.run(["dot", "-Tsvg"], input=r.out.encode(), capture_output=True)
        c.ok("graphviz draws it", p.returncode == 0 and b"</svg>" in p.stdout,
             p.stderr.decode())
    lines = r.out.splitlines()
    c.ok("a digraph", lines[0].startswith("digraph ") and lines[-1] == "}")
    nodes = set(re.findall(r"^  (\w+) \[label=\"(?:[^\"\\]|\\.)*\"[^\]]*\];$", r.out, re.M))
    edges = re.findall(r"^  (\w+) -> (\w+);$", r.out, re.M)
    c.equal("every line is understood",
            [x for x in lines[2:-1] if not re.match(
                r"^  (\w+ -> \w+;|\w+ \[label=\"(?:[^\"\\]|\\.)*\"[^\]]*\];)$", x)], [])
    c.ok("edges lie between nodes", edges and all({a, b} <= nodes for a, b in edges))
    for word in ("data.image", "conv2d", "conv2d_grad_weight"):
        c.within("it draws", r.out, word)
    r = runner("plan", path, "--kernels")
    c.within("--kernels: a plan", r.out, "plan train:")
    c.within("--kernels: regions", r.out, "{")


c = Checks()
with Scratch() as top:
    layers(c, top)
    memory(c, top)
    fits(c, top)
    graph(c, top)
c.done()

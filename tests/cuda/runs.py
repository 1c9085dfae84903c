# SPDX-License-Identifier: Apache-2.0
"""Whole runs on the emulated device, and what a machine without a GPU is told:
runs.py RUNNER EMULATED."""
import json
import pathlib
import re
import sys

import h5py
import numpy as np

emulated = pathlib.Path(sys.argv[2]).resolve()
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "runs"))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

# Everything that has a state, and a convolution.
FULL = """
name: full
seed: 3
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.05, test: 0.9, seed: 7}
  batch: 24
  workers: 1
augment: {type: crop, of: image, padding: 1}
model:
  type: sequential
  in: {x: data.image}
  layers:
    - {type: conv2d, channels: 4, kernel: 3, bias: false}
    - {type: batch_norm}
    - {type: relu}
    - {type: conv2d, channels: 4, kernel: 3, stride: 2}
    - {type: max_pool2d, kernel: 2}
    - {type: flatten}
    - {type: dropout, p: 0.3}
    - {type: dense, units: 10}
loss: cross_entropy
metrics: [accuracy, confusion]
optimizer: {type: adamw, lr: 0.01}
schedule: cosine
train: {epochs: 2, log_every: 1}
hooks: [{type: inspect, every: 2st}, {type: swa, start: 3st, every: 2st}]
"""
DEVICE = "device={type: test.backends/cuda_emulated%s}"
PLUGIN = f"plugins=[{json.dumps(str(emulated))}]"


def same_bits(c, name, a, b):
    # Rows of the instruments come by the clock.
    c.equal(f"{name}: verified alike", verified(b)[::2], verified(a)[::2])
    c.equal(f"{name}: run.h5 differs in",
            [k for k in difference(datasets(a / "run.h5"), datasets(b / "run.h5"))
             if not k.startswith(("@", "scalars/device/")) and k != "notes/resolved"], [])


c = Checks()
with Scratch() as top:
    path = config(top, FULL)
    r, cpu = train(path)
    c.equal("cpu: exit", r.code, 0)
    r, gpu = train(path, PLUGIN, DEVICE % "")
    c.equal("emulated: exit", r.code, 0)
    c.ok("emulated: quiet", "emulated" not in r.err.replace("cuda_emulated", ""), r.err)
    for name in ("train/loss", "val/loss", "test/loss"):
        x, y = series(cpu, name)[1], series(gpu, name)[1]
        c.ok(f"emulated beside cpu: {name}", np.allclose(x, y, rtol=2e-3, atol=1e-4),
             f"{x}\n{y}")
    # The instruments: what is known is in the record and in the progress.
    for name, low, high in (("memory_used", 1e4, 1e9), ("utilisation", 0.87, 0.87)):
        x = series(gpu, f"device/{name}")[1]
        c.ok(f"instruments: {name}", len(x) and np.all((x >= low) & (x <= high)), x)
    with h5py.File(gpu / "run.h5") as f:
        c.ok("instruments: no sensor, no series", "device/temperature" not in f["scalars"])
    with h5py.File(cpu / "run.h5") as f:
        c.ok("instruments: the cpu has none", "device" not in f["scalars"])
    r = runner(path, PLUGIN, DEVICE % "", "train.epochs=1", "--progress", "json", cwd=top)
    told = [json.loads(line) for line in r.out.splitlines() if line.startswith("{")]
    c.ok("instruments: in the progress", any(t.get("device/utilisation") == 0.87 and
         t["device/temperature"] is None for t in told), r.out[:300])
    # One direct launch after the other, blocks and threads backwards: the same bits.
    r, direct = train(path, PLUGIN, DEVICE % ", graphs: off")
    same_bits(c, "without graphs", gpu, direct)
    r, back = train(path, PLUGIN, DEVICE % ", order: backwards")
    same_bits(c, "backwards", gpu, back)
    r, own = train(path, PLUGIN, DEVICE % ", libraries: off")
    x, y = series(gpu, "train/loss")[1], series(own, "train/loss")[1]
    c.ok("own products", np.allclose(x, y, rtol=2e-3, atol=1e-4), f"{x}\n{y}")

    # 16 bits: kernels of their own; the sums come in another order than the cpu's, and
    # what is near a tie is rounded to the other neighbour.
    for t in ("bf16", "f16"):
        low = f"precision={t}"
        r, cpu16 = train(path, low)
        r, gpu16 = train(path, PLUGIN, DEVICE % "", low)
        c.equal(f"{t}: exit", r.code, 0)
        c.ok(f"{t}: it is fast here", "no hardware support" not in r.err, r.err)
        first = [series(d, "train/loss")[1][0] for d in (cpu16, gpu16, gpu)]
        c.ok(f"{t}: the first loss", abs(first[1] / first[0] - 1) < 1e-3 and
             first[1] != first[2], first)
        for name in ("train/loss", "val/loss", "test/loss"):
            x, y = series(cpu16, name)[1], series(gpu16, name)[1]
            c.ok(f"{t} beside cpu: {name}", np.allclose(x, y, rtol=0.1, atol=0.02),
                 f"{x}\n{y}")
        r, back = train(path, PLUGIN, DEVICE % ", order: backwards, graphs: off", low)
        same_bits(c, f"{t}: backwards, without graphs", gpu16, back)
        r, own = train(path, PLUGIN, DEVICE % ", libraries: off", low)
        x, y = series(gpu16, "train/loss")[1], series(own, "train/loss")[1]
        c.ok(f"{t}: own products", np.allclose(x, y, rtol=0.1, atol=0.02), f"{x}\n{y}")
        r = runner("plan", path, PLUGIN, DEVICE % "", low, "--json")
        c.equal(f"{t}: plan", r.code, 0)

    # Two gradients in a step, both with the same dropout.
    two = ["train.epochs=1", "schedule={type: cosine, of: optimizer.inner.lr}",
           "optimizer={type: sam, rho: 0.2, inner: {type: adamw, lr: 0.01}}"]
    r, cpu2 = train(path, *two)
    r, gpu2 = train(path, PLUGIN, DEVICE % "", *two)
    c.equal("sam: exit", r.code, 0)
    x, y = series(cpu2, "train/loss")[1], series(gpu2, "train/loss")[1]
    c.ok("sam beside cpu", np.allclose(x, y, rtol=2e-3, atol=1e-4), f"{x}\n{y}")
    r, back = train(path, PLUGIN, DEVICE % ", order: backwards, graphs: off", *two)
    same_bits(c, "sam: backwards, without graphs", gpu2, back)

    # f16: overflows are found there too, and the scale follows.
    half = ["precision=f16", "train.epochs=1",
            "train.loss_scale={type: dynamic, initial: 1e9, interval: 2}"]
    r, cpu16 = train(path, *half)
    r, gpu16 = train(path, PLUGIN, DEVICE % "", *half)
    c.equal("f16: exit", r.code, 0)
    x, y = (series(d, "train/loss_scale")[1] for d in (cpu16, gpu16))
    c.ok("f16: the scale falls", y[-1] < 1e8, y)
    c.ok("f16: as on the cpu", np.array_equal(x, y), f"{x}\n{y}")

    # Samples that stay on the device, its own choice, changed there and not.
    more = "augment=[" + ", ".join((
        "{type: crop, of: image, padding: 2, border: reflect}",
        "{type: flip, of: image, alternate: true}",
        "{type: erase, of: image, size: 3}",
        "{type: crop, of: image, padding: 1, p: 0.5, fill: 0.5}")) + "]"
    for name, args in (("augmented", []), ("plain", ["~augment"]), ("more", [more])):
        r, away = train(path, PLUGIN, DEVICE % "", "data.resident=never", *args)
        r, held = train(path, PLUGIN, DEVICE % "", *args)
        same_bits(c, f"resident, {name}", away, held)
        r = runner("plan", path, PLUGIN, DEVICE % "", *args, "--json")
        c.ok(f"resident, {name}: planned", json.loads(r.out)["memory"]["data"] > 0,
             r.out[-400:])

    # Stopped and gone on: on the same device to the bit, on the other one nearly.
    for start, go in (("", ""), ("cpu", ""), ("", "cpu")):
        name = f"{start or 'emulated'} to {go or 'emulated'}"
        device = {"": DEVICE % "", "cpu": "device=cpu"}
        r, half = train(path, PLUGIN, device[start], "train.max_time=0.000001s")
        c.equal(f"{name}: stopped", r.code, 75)
        r = runner("resume", half, device[go], "~train.max_time")
        c.equal(f"{name}: resumed", (r.code, verified(half)[0]), (0, verified(gpu)[0]))
        x, y = series(half, "train/loss")[1], series(gpu, "train/loss")[1]
        c.ok(f"{name}: loss", np.allclose(x, y, rtol=2e-3, atol=1e-4), f"{x}\n{y}")
        if start == go == "":
            same_bits(c, name, gpu, half)

    # Memory: the plan is what a run takes, to the byte.
    r = runner("plan", path, PLUGIN, DEVICE % "", "--json")
    c.equal("plan: exit", r.code, 0)
    peak = json.loads(r.out)["memory"]["peak"]
    r, _ = train(path, PLUGIN, DEVICE % f", memory: {peak + 100}", "train.epochs=1")
    c.equal("memory that just suffices", r.code, 0)
    r, _ = train(path, PLUGIN, DEVICE % f", memory: {peak - 1}")
    c.equal("memory one byte short: exit", r.code, 6)
    c.within("says how much", r.err, f"{peak} bytes")
    c.ok("and shows the largest tensors", r.err.count(" bytes") > 5, r.err)
    # What batch would fit is said by a plan of it, workspaces included.
    few = ["data.eval_batch=4", "train.epochs=1"]
    r = runner("plan", path, PLUGIN, DEVICE % "", *few, "--json")
    small = f", memory: {json.loads(r.out)['memory']['peak'] * 3 // 4}"
    r = runner("plan", path, PLUGIN, DEVICE % small, *few, "--json")
    best = json.loads(r.out)["memory"].get("batch_that_fits", 0)
    if c.ok("a batch that fits", best > 0, r.out[-400:]):
        for batch, code in ((best, 0), (best + 1, 6)):
            r, _ = train(path, PLUGIN, DEVICE % small, *few, f"data.batch={batch}")
            c.equal(f"batch {batch}, of which {best} fits: exit", r.code, code)

    r = runner("profile", path, PLUGIN, DEVICE % "", "--steps", "2", "--json", cwd=top)
    c.equal("profile: exit", (r.code, "" if r.code == 0 else r.err), (0, ""))
    if r.code == 0:
        nodes = json.loads(r.out)["nodes"]
        c.ok("profile: time was taken", sum(n["ms"] for n in nodes) > 0, r.out[:300])

    # Without a device.
    r = runner("plan", path, "device={type: cuda, plan_for: sm_90}", "--json")
    c.equal("plan_for: exit", r.code, 0)
    c.ok("plan_for: a peak", json.loads(r.out)["memory"]["peak"] > 10000, r.out)
    # How images lie, by rule: NHWC where tensor cores multiply 16 bits, else [N,C,H,W].
    for t, last in (("f32", False), ("bf16", True)):
        r = runner("plan", path, "device={type: cuda, plan_for: sm_90}", "--kernels",
                   f"precision={t}")
        nodes = re.findall(r"^ *\d+ (conv2d\S*|batch_norm\S*|max_pool2d\S*) .*?"
                           r"\[([0-9,]*)\]  ", r.out, re.M)
        images = [shape.count(",") == 4 for op, shape in nodes if "weight" not in op]
        if "cudnn" not in r.out:
            print("SKIP: how images lie: cuDNN is not here")
            break
        c.ok(f"plan_for {t}: images", len(images) > 6 and all(x == last for x in images),
             r.out)
        c.ok(f"plan_for {t}: one kernel a norm", r.out.count("fused norm") == 2 and
             "fused cross-entropy" in r.out, r.out)
    r, _ = train(path, "device={type: cuda, plan_for: sm_90}")
    c.equal("plan_for does not train: exit", r.code, 2)
    c.within("plan_for does not train", r.err, "makes plans")
    r = runner("plan", path, "device={type: cuda, plan_for: h100}")
    c.equal("no such chip: exit", r.code, 2)
    c.within("no such chip", r.err, "expects a chip such as sm_90")
    said = json.loads(runner("doctor", "--json").out)["backends"]
    cuda = [b for b in said if b["name"] == "cuda"]
    c.equal("doctor lists cuda", len(cuda), 1)
    if cuda and not cuda[0]["usable"]:
        c.within("doctor says why not", cuda[0]["says"], "no NVIDIA driver (libcuda")
        r, _ = train(path, "device=cuda")
        c.equal("device: cuda without a driver: exit", r.code, 4)
        c.within("and what to do", r.err, "install NVIDIA's driver")
        print("SKIP: training on a device: " + cuda[0]["says"])
    elif cuda:
        r, real = train(path, "device=cuda")
        c.equal("on the device: exit", r.code, 0)
        for name in ("train/loss", "val/loss", "test/loss"):
            x, y = series(cpu, name)[1], series(real, name)[1]
            c.ok(f"on the device: {name}", np.allclose(x, y, rtol=2e-3, atol=1e-4),
                 f"{x}\n{y}")
c.done()

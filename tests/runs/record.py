# SPDX-License-Identifier: Apache-2.0
"""What a run leaves: h5py finds named, documented datasets; verify finds any flipped byte and
names its file; a damaged checkpoint is stepped over; what was acknowledged is there."""
import os
import pathlib
import pty
import random
import re
import shutil
import subprocess
import sys

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, environment, RUNNER, Scratch  # noqa: E402

SMALL = """
name: small
seed: 2
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.1, test: 0.8, seed: 7}
  batch: 32
model:
  type: sequential
  in: {x: data.image}
  layers:
    - {type: conv2d, channels: 4, kernel: 3}
    - {type: relu}
    - {type: flatten}
    - {type: dense, units: 10}
loss: cross_entropy
metrics: [accuracy, confusion]
optimizer: {type: adam, lr: 0.01}
train: {epochs: 3, log_every: 2}
checkpoint: {best: {monitor: val/accuracy}}
hooks: {type: inspect, every: 1ep}
"""


def opens(c, f):
    """Every file, by names that a reader would look for."""
    undocumented = []

    def look(name, thing):
        if isinstance(thing, h5py.Dataset) and not thing.attrs.get("doc"):
            undocumented.append(name)
    files = sorted(f.rglob("*.h5"))
    c.equal("files of HDF5", [p.name for p in files],
            ["best.h5", "step-00000012.h5", "step-00000018.h5", "run.h5"])
    for p in files:
        with h5py.File(p) as h:
            h.visititems(look)
            c.ok(f"{p.name}: steps and a format", "step" in h.attrs or p.name == "run.h5")
    c.equal("datasets without `doc`", undocumented, [])
    with h5py.File(f / "run.h5") as h:
        s = h["scalars"]
        c.equal("train/loss by step", s["train/loss/step"][:].tolist(), list(range(2, 19, 2)))
        c.equal("its epochs", s["train/loss/epoch"][:].tolist(),
                [i / 6 for i in range(2, 19, 2)])
        c.ok("its values", np.isfinite(s["train/loss/value"][:]).all())
        for name in ("val/loss", "val/accuracy", "test/loss", "test/accuracy",
                     "train/gradient_norm", "train/epoch_loss", "live/optimizer.lr"):
            c.ok(f"scalar {name}", name in s)
        m = h["tensors/val/confusion"]
        c.equal("a confusion matrix an epoch", (m["value"].shape, m["step"][:].tolist()),
                ((3, 10, 10), [6, 12, 18]))
        c.equal("each counts all samples", m["value"][:].sum((1, 2)).tolist(), [180.0] * 3)
        for i in range(3):
            c.ok("its diagonal is the accuracy", abs(
                np.trace(m["value"][i]) / 180 - s["val/accuracy/value"][i]) < 1e-6)
        for kind in ("weight", "gradient"):
            t = h[f"tensors/inspect/{kind}/model.conv2d1.weight"]
            c.equal(f"statistics of {kind}", (t["value"].shape, t["step"][:].tolist()),
                    ((3, 7), [0, 6, 12]))
        v = variables(f, "step-00000012")["model.conv2d1.weight"]
        row = h["tensors/inspect/weight/model.conv2d1.weight/value"][2]
        want = [v.mean(), v.std(), v.min(), v.max(), np.linalg.norm(v), (v == 0).mean()]
        c.ok("statistics are numpy's", np.allclose(row[:6], want, atol=1e-6), f"{row}\n{want}")
        c.ok("statistics of activations",
             any(k.startswith("model.relu") for k in h["tensors/inspect/activation"]))
        for key in ("seed", "parameters", "split_sha256", "content_sha256", "device",
                    "memory_peak", "component.model"):
            c.ok(f"note {key}", key in h.attrs)
        rows = int(h.attrs["rows"])
    c.equal("rows in the log", verified(f)[1], rows)
    with h5py.File(f / "checkpoints/best.h5") as h:
        c.equal("variables by name", sorted(k for k in h["variables"] if "conv2d1" in k
                                            and not k.startswith("optimizer")),
                ["model.conv2d1.bias", "model.conv2d1.weight"])
        c.equal("their role is said", h["variables/model.conv2d1.bias"].attrs["doc"],
                b"bias")
    yaml = (f / "experiment.yaml").read_bytes()
    c.equal("experiment.yaml is a copy", yaml, (f.parent.parent.parent
                                                / "run.yaml").read_bytes())


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << random.randrange(8)
    path.write_bytes(data)


def damage(c, f):
    """One bit at a time, anywhere in each file that holds results."""
    random.seed(11)
    files = [f / "metrics.rlog", f / "run.h5", f / "CURRENT", *(f / "checkpoints").iterdir()]
    for path in files:
        keep = path.read_bytes()
        # best.h5 is a second name of the checkpoint of its step.
        names = [p.name for p in files if p.samefile(path)]
        places = random.sample(range(len(keep)), min(8, len(keep))) + [0, len(keep) - 1]
        for at in places:
            flip(path, at)
            r = runner("verify", f)
            if not c.ok(f"{path.name} byte {at} of {len(keep)}: found",
                        r.code == 8 and any(n in r.err for n in names),
                        f"{r.code} {r.out}{r.err}"):
                break
            path.write_bytes(keep)
        path.write_bytes(keep)
        path.write_bytes(keep[:len(keep) // 2])
        r = runner("verify", f)
        c.ok(f"{path.name} cut in half: found", r.code == 8 and any(n in r.err for n in names),
             f"{r.code} {r.out}{r.err}")
        path.write_bytes(keep)
    c.equal("whole again", runner("verify", f).code, 0)
    for path in (f / "checkpoints/step-00000018.h5",):
        keep = path.read_bytes()
        path.unlink()
        r = runner("verify", f)
        c.ok("a missing checkpoint: found", r.code == 8 and path.name[:-3] in r.err, r.err)
        path.write_bytes(keep)
    c.equal("no run at all", runner("verify", f.parent / "nothing").code, 8)
    c.equal("a folder that is none", runner("verify", f.parent).code, 8)


def falls_back(c, f, whole, want):
    for what in ("damaged", "missing", "CURRENT damaged", "CURRENT missing"):
        copy = f.parent / "copy"
        shutil.copytree(f, copy)
        newest = copy / "checkpoints/step-00000018.h5"
        if what == "damaged":
            flip(newest, 5000)
        elif what == "missing":
            newest.unlink()
        elif what == "CURRENT damaged":
            flip(copy / "CURRENT", 3)
        else:
            (copy / "CURRENT").unlink()
        r = runner("resume", copy)
        c.equal(f"{what}: resumed", r.code, 0)
        used = "step-00000018" if "CURRENT" in what else "(best|step-00000012)"
        c.ok(f"{what}: says so", re.search(f"warning: .*going on from {used}", r.err), r.err)
        c.equal(f"{what}: verify", verified(copy), want)
        c.equal(f"{what}: run.h5 differs in", difference(datasets(copy / "run.h5"), whole), [])
        shutil.rmtree(copy)
    copy = f.parent / "copy"
    shutil.copytree(f, copy)
    for p in (copy / "checkpoints").iterdir():
        flip(p, 5000)
    r = runner("resume", copy)
    c.equal("no valid checkpoint: exit", r.code, 8)
    c.within("no valid checkpoint: says so", r.err, "no valid checkpoint")
    shutil.rmtree(copy)


def on_terminal(path, *args, columns=100):
    """Run with a terminal as standard error; what it shows."""
    master, slave = pty.openpty()
    p = subprocess.Popen([RUNNER, path, *args], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=slave, env=environment({"TERM": "xterm"}))
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    out = p.communicate()[0]
    os.close(master)
    return p.returncode, out.decode(), shown.decode()


def progress(c, top, path):
    out = f"output={top}/runs"
    code, stdout, shown = on_terminal(path, out, "train.epochs=40")
    c.equal("terminal: exit", code, 0)
    c.within("terminal: a line in place", shown, "\r\x1b[K")
    c.ok("terminal: what it says", re.search(
        r"epoch \d+/40 \[[=> ]{20}\] loss [\d.e+-]+  lr [\d.e+-]+  \|g\| [\d.e+-]+  \d+/s  "
        r"data \d+%  [\d.]+ \w+  \d+s left", shown), shown[:2000])
    c.within("terminal: stdout has the results", stdout, "test/accuracy 0.")
    r, _ = train(path)
    c.ok("no terminal: nothing in place", "\r" not in r.err and "\x1b" not in r.err)
    c.equal("no terminal: a line an epoch", len(re.findall(r"^epoch \d/3  step", r.err, re.M)),
            3)
    c.ok("a person's redirected output has no ACK line", "ACK" not in r.out, r.out)
    r, _ = train(path, "--ack")
    acks = re.findall(r"^ACK (ckpt step|metrics row)=(\d+)$", r.out, re.M)
    c.ok("acknowledged", ("ckpt step", "18") in acks, r.out)
    c.ok("rows grow", [int(n) for k, n in acks if k == "metrics row"]
         == sorted(int(n) for k, n in acks if k == "metrics row"))
    r, _ = train(path, "--progress", "none")
    c.ok("none: no epochs", "epoch 1/3" not in r.err)
    r, _ = train(path, "--progress", "json")
    import json
    lines = [json.loads(line) for line in r.out.splitlines() if line.startswith("{")]
    moments = [m for m in lines if "moment" in m]
    c.equal("json: first and last", (moments[0]["moment"], moments[-1]["moment"]),
            ("begin", "end"))
    c.ok("json: evaluations", [m["step"] for m in moments if m["moment"] == "evaluated"]
         == [6, 12, 18])
    c.equal("json: how it ended", (lines[-1].get("end"), lines[-1].get("step")),
            ("done", 18))
    r = runner(path, "--progress", "loud", out)
    c.equal("no such form", r.code, 2)


c = Checks()
with Scratch() as top:
    path = config(top, SMALL)
    r, f = train(path)
    if c.equal("exit", r.code, 0):
        whole, want = datasets(f / "run.h5"), verified(f)
        opens(c, f)
        damage(c, f)
        falls_back(c, f, whole, want)
        progress(c, top, path)
    else:
        print(r.err)
c.done()

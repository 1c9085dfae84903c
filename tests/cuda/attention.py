# SPDX-License-Identifier: Apache-2.0
"""A transformer on the emulated device: attention.py RUNNER EMULATED [all]. Its attention runs in
tiles, beside the cpu's, with the same bits whatever the order, and memory grows with the
window, not with its square. all: every type and order, with and without libraries."""
import json
import pathlib
import re
import sys

import numpy as np

emulated = pathlib.Path(sys.argv[2]).resolve()
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "runs"))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

# Windows of more than a tile, a head that fills no tile.
GPT = f"""
name: gpt
seed: 3
data:
  source: {{type: text, file: "{ROOT}/datasets/opticks.txt", window: 72}}
  split: {{kind: position, val: 4, test: 4}}
  batch: 2
model: {{type: gpt, in: {{x: data.token}}, vocabulary: 91, layers: 2, width: 24, heads: 2}}
loss: {{type: cross_entropy, in: {{label: data.next}}, classes: last}}
optimizer: {{type: adamw, lr: 0.003}}
train: {{steps: 3, log_every: 1}}
"""
DEVICE = "device={type: test.backends/cuda_emulated%s}"
PLUGIN = f"plugins=[{json.dumps(str(emulated))}]"
CHIP = "device={type: cuda, plan_for: sm_90}"
ALL = sys.argv[3:] == ["all"]

c = Checks()
with Scratch() as top:
    path = config(top, GPT)

    def run(name, *args, env=None):
        r, folder = train(path, *args, env=env)
        c.equal(f"{name}: exit", (r.code, "" if r.code == 0 else r.err), (0, ""))
        return folder

    for t, near in (("f32", {"rtol": 2e-3, "atol": 1e-4}), ("bf16", {"rtol": 0.02}),
                    ("f16", {"rtol": 0.02})):
        if t == "f16" and not ALL:
            continue  # bf16 takes the same way
        low = f"precision={t}"
        cpu = run(f"{t} on the cpu", low)
        gpu = run(t, PLUGIN, DEVICE % "", low)
        own = run(f"{t} own kernels", PLUGIN, DEVICE % ", libraries: off", low)
        back = run(f"{t} backwards", PLUGIN, DEVICE % ", order: backwards, graphs: off", low)
        for name in ("train/loss", "val/loss", "test/loss"):
            x, y, z = (series(d, name)[1] for d in (cpu, gpu, own))
            c.ok(f"{t} beside cpu: {name}", np.allclose(x, y, **near), f"{x}\n{y}")
            c.ok(f"{t} own kernels: {name}", np.allclose(x, z, **near), f"{x}\n{z}")
        c.equal(f"{t} backwards, without graphs: the same bits", verified(back)[2],
                verified(gpu)[2])

    # Heads of sixteen columns are cuDNN's too, forward and in 16 bits: the first engine by
    # rule; where it can be timed the last one, which adds in another order and takes more
    # workspace, or our own kernel.
    (top / "home").mkdir()
    home = {"XDG_CACHE_HOME": str(top / "home")}
    for t in ("bf16", "f16") if ALL else ("bf16",):
        args = (f"precision={t}", "model.width=32")
        cpu = run(f"{t} cudnn on the cpu", *args)
        rule = run(f"{t} cudnn by rule", PLUGIN, DEVICE % ", tune: off", *args)
        timed = run(f"{t} cudnn timed", PLUGIN, DEVICE % "", *args, env=home)
        back = run(f"{t} cudnn backwards", PLUGIN,
                   DEVICE % ", tune: off, order: backwards, graphs: off", *args)
        own = run(f"{t} no cudnn", PLUGIN, DEVICE % ", libraries: off", *args)
        for name in ("train/loss", "val/loss", "test/loss"):
            x = series(cpu, name)[1]
            for d in (rule, timed, own):
                y = series(d, name)[1]
                c.ok(f"{t} cudnn beside cpu: {name}", np.allclose(x, y, rtol=0.02),
                     f"{d.name}\n{x}\n{y}")
        c.equal(f"{t} cudnn backwards, without graphs: the same bits", verified(back)[2],
                verified(rule)[2])
        bits = {verified(d)[2] for d in (rule, timed, own)}
        c.equal(f"{t} cudnn: three ways, three results", len(bits), 3)
        found = re.findall(r"^cuda attention \S.* \| \t([a-h])\t[1-9]\d*\t-",
                           (timed / "kernels.txt").read_text(), re.M)
        # a and b take fifty times as long; d is our own kernel
        c.ok(f"{t} cudnn: timed, kept, a fast way", found and set(found) <= {"c", "d"}, (timed / "kernels.txt").read_text())

    def plan(*args):
        r = runner("plan", path, *args)
        c.equal(f"plan {args}: exit", (r.code, "" if r.code == 0 else r.err), (0, ""))
        return r.out

    # As many tokens in a batch, four times the scores: what belongs to places grows a bit.
    for device in ([PLUGIN, DEVICE % ""], [CHIP]):
        for t in ("f32", "bf16"):
            name = f"{device[-1]} {t}"
            said = plan(*device, f"precision={t}", "--kernels")
            ops = re.findall(r"^ *\d+ (attention\w*)  +(own|cudnn) attention", said, re.M)
            c.ok(f"{name}: attention and its gradient are kernels",
                 sorted({op for op, _ in ops}) == ["attention", "attention_grad"], said)
            short, long = (json.loads(plan(
                *device, f"precision={t}", "model.heads=4", f"data.source.window={window}",
                f"data.batch={batch}", "--json"))["memory"] for window, batch in
                ((512, 8), (2048, 2)))
            grows = long["arena"] / short["arena"]
            c.ok(f"{name}: memory does not grow with the square of the window",
                 grows < 1.25, f"{short}\n{long}")
            # the scores of all heads of one layer
            c.ok(f"{name}: nor hold the scores", long["arena"] < 2 * 4 * 2048 * 2048 * 4,
                 str(long))
c.done()

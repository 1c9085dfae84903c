# SPDX-License-Identifier: Apache-2.0
"""Algorithms chosen by time on the emulated device: tune.py RUNNER EMULATED. What the
libraries propose first is slow there, and another way, which adds in another order and
takes more workspace, is fast."""
import json
import pathlib
import re
import sys

import numpy as np

emulated = pathlib.Path(sys.argv[2]).resolve()
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "runs"))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

NET = """
name: tuned
seed: 3
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.05, test: 0.9, seed: 7}
  batch: 24
model:
  type: sequential
  in: {x: data.image}
  layers:
    - {type: conv2d, channels: 4, kernel: 3}
    - {type: relu}
    - {type: conv2d, channels: 4, kernel: 3, stride: 2}
    - {type: relu}
    - {type: flatten}
    - {type: dense, units: 10}
loss: cross_entropy
metrics: accuracy
optimizer: {type: sgd, lr: 0.1}
train: {steps: 6, log_every: 1}
"""
PLUGIN = f"plugins=[{json.dumps(str(emulated))}]"
LINE = r"cuda (conv2d\S*|linear|matmul|linear_grad_weight) .* \| \t([a-h])\t[1-9]\d*\t-"

c = Checks()
with Scratch() as top:
    path = config(top, NET)
    homes = {}
    for name in ("first", "second"):
        (top / name).mkdir()
        homes[name] = {"XDG_CACHE_HOME": str(top / name)}
    said = {}

    def run(name, *args, env=None, tune="on"):
        device = f"device={{type: test.backends/cuda_emulated, tune: {tune}}}"
        r, folder = train(path, PLUGIN, device, *args, env=env)
        c.equal(f"{name}: exit", (r.code, r.err if r.code not in (0, 75) else ""),
                (75 if "train.max_time=0.000001s" in args else 0, ""))
        said[name] = r.err
        return folder

    def lines(folder):
        return (folder / "kernels.txt").read_text()

    rule = run("rule", tune="off", env=homes["first"])
    c.equal("off: so says the record", lines(rule), "rule\n")
    c.ok("off: nothing is kept", not (top / "first/runner/kernels").exists())
    lost = run("no home")
    c.equal("nowhere to keep answers: by rule", (lines(lost), verified(lost)[2]),
            ("rule\n", verified(rule)[2]))

    timed = run("timed", env=homes["first"])
    known = [re.fullmatch(LINE, x) for x in lines(timed).splitlines()]
    c.ok("timed: the record says what was chosen", len(known) >= 5 and all(known),
         lines(timed))
    c.equal("timed: convolutions, the last engine; products, the second that works; sums"
            " beside them, the third (epilogues.py)",
            {(m[1] if m[1] == "linear_grad_weight" else m[1][:6] == "conv2d", m[2])
             for m in known if m}, {(True, "b"), (False, "b"), ("linear_grad_weight", "c")})
    c.ok("timed: other bits than the first proposal's", verified(timed)[2] != verified(rule)[2])
    for name in ("train/loss", "val/loss", "test/loss"):
        x, y = series(rule, name)[1], series(timed, name)[1]
        c.ok(f"timed: {name}", np.allclose(x, y, rtol=2e-3, atol=1e-4), f"{x}\n{y}")
    kept = sorted((top / "first/runner/kernels").iterdir())
    c.equal("one device, one file", len(kept), 1)
    before = kept[0].read_text()
    warm = run("warm", env=homes["first"])
    c.equal("from the cache: the same bits", verified(warm), verified(timed))
    c.equal("and nothing is timed again", kept[0].read_text(), before)
    c.equal("who waits is told why, once",
            [n for n in said if "timing products" in said[n]], ["timed"])

    # The plan of the tuned program is exact, workspaces included.
    def peak(env, tune="on"):
        r = runner("plan", path, PLUGIN, f"device={{type: test.backends/cuda_emulated, tune: {tune}}}",
                   "--json", env=env)
        c.equal("plan: exit", r.code, 0)
        return json.loads(r.out)["memory"]["peak"]
    need = peak(homes["first"])
    c.ok("the chosen engine's workspace is planned", need != peak(homes["first"], "off"))
    for spare, code in ((0, 0), (-1, 6)):
        device = f"device={{type: test.backends/cuda_emulated, memory: {need + 100 * (spare == 0) + spare}}}"
        r, _ = train(path, PLUGIN, device, env=homes["first"])
        c.equal(f"memory as planned {spare}: exit", r.code, code)

    # The record decides for those who go on, whatever is known where they do.
    turned = re.sub(r"\tb\t", "\ta\t", before)
    turned = re.sub(r"cuda linear_grad_weight (.*) y f32 \d+ \| \tc\t(.*)",
                    r"\g<0>\ncuda matmul trans_a=1 trans_b=0 \1 | \ta\t\2", turned)
    turned = re.sub(r"(linear_grad_weight .*)\tc\t", r"\1\tz\t", turned)
    place = top / "second/runner/kernels" / kept[0].name
    place.parent.mkdir(parents=True)
    place.parent.parent.chmod(0o700)
    place.parent.chmod(0o700)
    place.write_text(turned)
    place.chmod(0o600)
    other = run("turned", env=homes["second"])
    c.equal("other answers: the first proposals", verified(other)[2], verified(rule)[2])
    half = run("half", "train.max_time=0.000001s", env=homes["first"])
    r = runner("resume", half, "~train.max_time", env=homes["second"])
    c.equal("resumed elsewhere: exit", (r.code, "" if r.code == 0 else r.err), (0, ""))
    c.equal("resumed elsewhere: its own choices", lines(half), lines(timed))
    c.equal("resumed elsewhere: the bits of the run that was not stopped",
            verified(half)[2], verified(timed)[2])
    r = runner("eval", timed, env=homes["second"])
    c.equal("eval: exit", r.code, 0)

    # Somebody else has the device's memory when two nodes are to be timed: their first
    # proposals, and no sum beside a product, so that this is timed without; for this run
    # and those that go on with it; another run tries again.
    (top / "third").mkdir()
    homes["third"] = {"XDG_CACHE_HOME": str(top / "third")}
    device = "device={type: test.backends/cuda_emulated, busy: 2}"
    given = re.compile(r"(cuda (?:linear_grad_weight .* \| \t(?=z)|.* \| \t(?=a)))"
                       r"[az]\t1000000000\t-")

    def busy(name, *args):
        r, folder = train(path, PLUGIN, device, *args, env=homes["third"])
        c.equal(f"{name}: exit", (r.code, r.err.count("error")),
                (75 if "train.max_time=0.000001s" in args else 0, 0))
        return folder

    def chosen(folder):
        return dict(line.split("\t")[:2] for line in lines(folder).splitlines())

    half = busy("busy", "train.max_time=0.000001s")
    up = [m[1] for m in map(given.fullmatch, lines(half).splitlines()) if m]
    c.equal("busy: two are given up", len(up), 2)
    alone = sum("linear_grad_weight" in key for key in up)
    c.equal("busy: the others are timed", len(lines(half).splitlines()), len(known) + alone)
    cache = next((top / "third/runner/kernels").iterdir())
    c.ok("busy: what was given up is not kept",
         not any(key in cache.read_text() for key in up), cache.read_text())
    again = run("again", env=homes["third"])
    c.equal("again: all are timed", chosen(again), chosen(timed))
    c.ok("again: kept", all(key in cache.read_text() for key in up), cache.read_text())
    r = runner("resume", half, "~train.max_time", "device={type: test.backends/cuda_emulated}",
               env=homes["third"])
    c.equal("busy, resumed: exit", (r.code, "" if r.code == 0 else r.err), (0, ""))
    c.equal("busy, resumed: given up all the same",
            [m[1] for m in map(given.fullmatch, lines(half).splitlines()) if m], up)
    c.ok("busy, resumed: not the bits of fast ones",
         verified(half)[2] != verified(again)[2])
    cache.unlink()
    whole = busy("busy whole")
    c.equal("busy, resumed: the bits of the run that was not stopped",
            (verified(half)[2], chosen(half)), (verified(whole)[2], chosen(whole)))
c.done()

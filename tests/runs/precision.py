# SPDX-License-Identifier: Apache-2.0
"""`precision: bf16`: it trains as well, goes on equal to the bit, its record serves in
either precision; what stays f32; what is refused."""
import json
import pathlib
import re
import shutil
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

TEXT = """
name: low
seed: 3
precision: bf16
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.2, test: 0.4, seed: 7}
  batch: 48
augment: {type: crop, of: image, padding: 1}
model:
  type: sequential
  in: {x: data.image}
  layers:
    - {type: conv2d, channels: 16, kernel: 3, padding: same, bias: BIAS}
    - {type: batch_norm}
    - {type: relu}
    - {type: max_pool2d, kernel: 2}
    - {type: conv2d, channels: 32, kernel: 3}
    - {type: relu}
    - {type: flatten}
    - {type: dropout, p: 0.3}
    - {type: dense, units: 32}
    - {type: gelu}
    - {type: dense, units: 10}
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: adamw, lr: 0.005}
train: {epochs: 3, accumulate: ACCUMULATE, log_every: 2, clip: {norm: 1}}
hooks: {type: inspect, every: 5st}
"""


def score(folder, *args):
    r = runner("eval", folder, "--split", "test", "--json", *args)
    found = re.search(r'"?(?:test/)?accuracy"?\s*[:=]\s*([0-9.eE+-]+)', r.out)
    return (float(found.group(1)) if found else None), r


def resumed(c, top, accumulate):
    name = f"accumulate {accumulate}"
    text = TEXT.replace("ACCUMULATE", str(accumulate)).replace("BIAS", "true")
    path = config(top, text, f"resume{accumulate}.yaml")
    r, folder = train(path)
    if not c.equal(f"{name}: exit", r.code, 0):
        print(r.err)
        return
    want, whole = verified(folder), datasets(folder / "run.h5")
    r, part = train(path, "train.max_time=0.000001s")
    c.equal(f"{name}: one step", (r.code, verified(part)[0]), (75, 1))
    for _ in range(2):
        r = runner("resume", part)
        c.equal(f"{name}: one step more", r.code, 75)
    r = runner("resume", part, "~train.max_time")
    c.equal(f"{name}: to the end", r.code, 0)
    c.equal(f"{name}: resumed, verify", verified(part), want)
    c.equal(f"{name}: run.h5 differs in", difference(datasets(part / "run.h5"), whole),
            [])


def masters(c, folder):
    """Checkpoints hold f32, and not rounded: most values are no bf16."""
    for name, v in variables(folder).items():
        if v.dtype.kind != "f":
            continue
        c.equal(f"{name} is", v.dtype, np.float32)
        if name.startswith("model.") and v.size > 100:
            low = (v.ravel().view(np.uint32) & 0xffff) == 0
            c.ok(f"{name} is a master", low.mean() < 0.05, low.mean())


def record(c, top):
    text = TEXT.replace("ACCUMULATE", "1").replace("BIAS", "false")
    path = config(top, text, "whole.yaml")
    made = {}
    for p in ("bf16", "f32"):
        r, made[p] = train(path, f"precision={p}", "train.epochs=8")
        c.equal(f"{p}: exit", r.code, 0)
    masters(c, made["bf16"])
    scores = {}
    for p, folder in made.items():
        scores[p], r = score(folder)
        if not c.ok(f"{p}: eval", scores[p] is not None, r.out + r.err):
            return
        for other in ("bf16", "f32"):
            got, r = score(folder, f"precision={other}")
            c.ok(f"a record of {p} in {other}",
                 got is not None and abs(got - scores[p]) < 0.02, (got, scores[p]))
        r = runner("predict", folder, "--out", top / f"{p}.csv")
        c.equal(f"{p}: predict", r.code, 0)
    c.ok("both learn", min(scores.values()) > 0.85, scores)
    c.ok("accuracy", abs(scores["bf16"] - scores["f32"]) < 0.05, scores)
    one, two = ((top / f"{p}.csv").read_text() for p in ("bf16", "f32"))
    c.ok("predictions are not the same numbers", one != two)
    losses = {p: series(made[p], "train/loss")[1] for p in made}
    c.ok("other bits", not np.array_equal(losses["bf16"], losses["f32"]))
    c.ok("losses begin alike",
         abs(losses["bf16"][0] / losses["f32"][0] - 1) < 0.01, losses)
    resolved = (made["bf16"] / "resolved.yaml").read_text()
    c.within("resolved.yaml", resolved, "precision: bf16")
    r = runner("config", path, "precision=f32", "--resolved")
    c.within("config --resolved", r.out, "precision: f32")


def threads(c, top):
    text = TEXT.replace("ACCUMULATE", "1").replace("BIAS", "true")
    path = config(top, text, "threads.yaml")
    one = None
    for n in (1, 2, 4):
        r, folder = train(path, "train.epochs=1",
                          f"device={{type: cpu, threads: {n}, deterministic: threads}}")
        c.equal(f"{n} threads: exit", r.code, 0)
        c.within(f"{n} threads: it says so", r.err, "bf16 has no hardware support on cpu: ")
        got = verified(folder)
        one = one or got
        c.equal(f"{n} threads", got, one)
    r, folder = train(path, "train={steps: 3}", "device=reference")
    c.equal("reference: exit", r.code, 0)
    loss = series(folder, "train/loss")[1]
    r, folder = train(path, "train={steps: 3, log_every: 10}")
    c.ok("reference: the same losses",
         np.allclose(series(folder, "train/loss")[1][0], loss[0], rtol=0.02), loss)


def planned(c, top):
    text = TEXT.replace("ACCUMULATE", "1").replace("BIAS", "true")
    path = config(top, text, "plan.yaml")
    arena, layers = {}, {}
    for p in ("f32", "bf16"):
        r = runner("plan", path, f"precision={p}", "--json")
        layers[p] = {x["layer"]: x for x in json.loads(r.out)["layers"]}
        r = runner("plan", path, f"precision={p}", "--kernels", "device.tune=off")
        c.equal(f"plan {p}", r.code, 0)
        m = re.search(r"plan train: .* arena (\d+) bytes", r.out + r.err)
        c.ok(f"plan {p}: casts", (" cast " in r.out) == (p == "bf16"))
        arena[p] = int(m.group(1)) if m else 0
    relu = [next(v for k, v in layers[p].items() if k.startswith("model.relu6"))
            for p in ("f32", "bf16")]
    c.equal("plan: half the bytes", relu[0]["bytes"], 2 * relu[1]["bytes"])
    c.equal("plan: the same operations", relu[0]["flops"], relu[1]["flops"])
    c.ok("less memory", 0 < arena["bf16"] < arena["f32"], arena)
    r = runner("doctor", "--json")
    fast = any("bf16 products" in b["says"] for b in json.loads(r.out)["backends"])
    r, _ = train(path, "train={steps: 1}")
    c.equal("the warning is for machines without", "no hardware support" in r.err,
            not fast)
    r = runner("plan", path)
    c.equal("plan: so is what it costs", "bf16 has no hardware support" in r.out, not fast)
    r = runner("plan", path, "--json")
    cost = json.loads(r.out)["precision"]
    c.equal("plan --json: hardware", cost["hardware"], fast)
    c.ok("plan --json: conversions", fast or cost["conversions"] > 0 and
         cost["conversion_bytes"] > 0, cost)
    r = runner("profile", path, "--steps", "2", "--json")
    c.equal("profile: exit", r.code, 0)
    peaks = json.loads(r.out)
    c.ok("profile: the peak of bf16 is known", (peaks["peak_bf16"] > 0) == fast, r.err)
    c.within("profile: its table", runner("profile", path, "--steps", "2").out,
             "the peak of its products" if fast else "peak")
    if not fast:
        print("SKIP: native products of bf16: this processor has none")


def refused(c, top):
    text = TEXT.replace("ACCUMULATE", "1").replace("BIAS", "true")
    for word, parts in (("bf61", ["refused.yaml:4:12", "did you mean 'bf16'?"]),
                        ("[bf16]", ["refused.yaml:4:12"])):
        path = config(top, text.replace("bf16", word), "refused.yaml")
        r = runner("plan", path)
        c.equal(f"{word}: exit", r.code, 2)
        for p in parts:
            c.within(f"{word}: error", r.err, p)
    r = runner("plan", config(top, text, "over.yaml"), "precision=int8")
    c.equal("int8: exit", r.code, 2)
    c.within("int8: place", r.err, "precision=int8")


def main():
    c = Checks()
    with Scratch() as scratch:
        top = pathlib.Path(scratch)
        resumed(c, top, 1)
        resumed(c, top, 2)
        record(c, top)
        threads(c, top)
        planned(c, top)
        refused(c, top)
        shutil.rmtree(top / "runs", ignore_errors=True)
    c.done()


main()

# SPDX-License-Identifier: Apache-2.0
"""RUNNER_ISA: each level that this processor has runs, is reported, and caps our kernels,
compiled regions and oneDNN; own products give the same bits at every level, the
library's the same numbers within rounding; a record goes on at another level."""
import json
import os
import pathlib
import re
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

LEVELS = ["base", "avx2", "avx512", "native"]
OF_KERNELS = dict(zip(LEVELS, ["base", "v3", "v4"]))
TEXT = """
name: levels
seed: 3
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.2, test: 0.4, seed: 7}
  batch: 48
model:
  type: sequential
  in: {x: data.image}
  layers:
    - {type: conv2d, channels: 16, kernel: 3}
    - {type: batch_norm}
    - {type: relu}
    - {type: flatten}
    - {type: dense, units: 10}
loss: cross_entropy
optimizer: {type: adamw, lr: 0.005}
train: {steps: 4, log_every: 1}
"""
# Instruction sets in the names of oneDNN's kernels, each with the least level.
WORDS = {"avx512": 2, "avx2": 1, "avx": 1, "sse41": 0, "sse42": 0}


def library_level(plan):
    """The highest level in the names of the library's kernels of a plan; 0 where none
    names one; None where the library has no kernel in it."""
    names = re.findall(r"onednn (\S+)", plan)
    found = [WORDS[w] for name in names
             for w in re.findall(r"avx512|avx2|avx|sse4[12]", name)]
    return max(found, default=0) if names else None


def reported(c):
    """The levels to try, by what `doctor` says that the processor has."""
    r = runner("doctor", "--json", env={"RUNNER_ISA": ""})
    isa = json.loads(r.out)["isa"]
    cap = os.environ.get("RUNNER_ISA") or "native"
    most = min(LEVELS.index(isa["processor"]), LEVELS.index(cap))
    c.equal("without a cap", (isa["used"], isa["cap"]), (isa["processor"], None))
    for level in LEVELS:
        r = runner("doctor", "--json", env={"RUNNER_ISA": level})
        isa = json.loads(r.out)["isa"]
        want = LEVELS[min(LEVELS.index(level), LEVELS.index(isa["processor"]))]
        c.equal(f"{level}: in use", (isa["used"], isa["cap"]), (want, level))
        r = runner("doctor", env={"RUNNER_ISA": level})
        c.within(f"{level}: doctor says so", r.out, f"RUNNER_ISA is {level}")
        if level != "native":
            c.within(f"{level}: kernels", r.out, f"x86-64-{OF_KERNELS[want]}")
    r = runner("doctor", env={"RUNNER_ISA": "avx3"})
    c.equal("no such level: exit", r.code, 2)
    c.within("no such level: says so", r.err,
             "RUNNER_ISA is 'avx3': expected base, avx2, avx512 or native")
    for level in LEVELS[most + 1:3]:
        print(f"SKIP: {level}: this processor does not have it, or the tests are capped")
    return LEVELS[:most + 1]


def kernels(c, path, levels):
    own = {"ONEDNN_MAX_CPU_ISA": None, "DNNL_MAX_CPU_ISA": None}
    saved = {k: os.environ.pop(k, None) for k in own}
    for i, level in enumerate(levels):
        r = runner("plan", path, "--kernels", "device={type: cpu, tune: off}",
                   env={"RUNNER_ISA": level})
        found = library_level(r.out)
        if c.ok(f"{level}: the library's kernels", found is not None and found <= i, r.out):
            c.ok(f"{level}: not those of a lower level", i == 0 or found > 0, r.out)
    if len(levels) > 1:
        r = runner("plan", path, "--kernels", "device={type: cpu, tune: off}",
                   env={"RUNNER_ISA": levels[-1], "ONEDNN_MAX_CPU_ISA": "SSE41",
                        "DNNL_MAX_CPU_ISA": "SSE41"})
        c.equal("the library's own variable stands", library_level(r.out), 0)
    os.environ.update({k: v for k, v in saved.items() if v is not None})


def results(c, top, path, levels):
    own, library, regions = [], [], set()
    for level in levels:
        env = {"RUNNER_ISA": level, "XDG_CACHE_HOME": str(top)}
        r, folder = train(path, "device={type: cpu, deterministic: threads, generate: wait}",
                          env=env)
        if not c.equal(f"{level}: exit", r.code, 0):
            print(r.err)
            return
        own.append(verified(folder))
        now = {p.name for p in (top / "runner" / "regions").glob("*.so")}
        c.ok(f"{level}: regions are compiled for it", now - regions)
        regions = now
        r, folder = train(path, "device={type: cpu, tune: off, generate: off}", env=env)
        library.append(series(folder, "train/loss")[1])
        c.within(f"{level}: the record has the cap", (folder / "log.txt").read_text()
                 + (folder / "resolved.yaml").read_text() + r.err + r.out,
                 f"RUNNER_ISA={level}")
    c.equal("own products: the same bits", own, own[:1] * len(levels))
    c.ok("the library's: the same within rounding",
         all(np.allclose(x, library[0], rtol=1e-4) for x in library), library)


def goes_on(c, path, levels):
    r, folder = train(path, "train.steps=2", env={"RUNNER_ISA": levels[-1]})
    r = runner("resume", folder, "train.steps=4", env={"RUNNER_ISA": levels[0]})
    c.equal("a record goes on at another level", (r.code, verified(folder)[0]), (0, 4))


def main():
    c = Checks()
    levels = reported(c)
    with Scratch() as top:
        path = config(top, TEXT)
        kernels(c, path, levels)
        results(c, top, path, levels)
        goes_on(c, path, levels)
    c.done()


main()

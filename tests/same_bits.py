# SPDX-License-Identifier: Apache-2.0
"""same_bits.py BEFORE AFTER [STEPS]: do two builds of the runner train to the same bits?
Every experiment of configs/ takes STEPS steps (10) on the backends cpu and reference, in
f32 and bf16, over small stand-ins where the data is not in the tree; the digests of all
checkpoints and every value of the record are compared. BEFORE and AFTER are programs
(build/core/commands/runner of two checkouts). No test of the suite: for whoever moves
code about."""
import pathlib
import sys

sys.argv[1:], words = [], sys.argv[1:]
BEFORE, AFTER = words[:2]
STEPS = words[2] if len(words) > 2 else "10"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "runs"))
import harness  # noqa: E402
from recorded import *  # noqa: E402,F403
from harness import ROOT, Checks, Scratch  # noqa: E402

SMALL = {"resnet.yaml": ["model.width=8", "data.batch=16"],
         "resnet-cifar.yaml": ["model.depth=8", "data.batch=16"]}
GPT = ["data.source.window=16", "data.batch=8", "data.split.val=0.01",
       "data.split.test=0.01", "model.layers=1", "model.width=48"]
SMALL |= {"char-gpt.yaml": GPT, "char-gpt-large.yaml": GPT}


def bits(program, path, folder, *args):
    harness.RUNNER = pathlib.Path(program).resolve()
    r = runner(path, f"output={folder}/runs", f"train={{steps: {STEPS}, log_every: 1}}",
               "~checkpoint", *args,
               env={"FASHION_MNIST": str(folder), "XDG_CACHE_HOME": str(folder)})
    made = folder_of(r)
    if r.code:
        return r.code, r.err.splitlines()[:1], None
    return r.code, verified(made), {k: v for k, v in datasets(made / "run.h5").items()
                                    if k[0] != "@"}


c = Checks()
with Scratch() as scratch:
    stand_in(scratch)
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        text = path.read_text()
        if "model:" not in text:
            continue
        more = SMALL.get(path.name, [])
        more = more + (["data.split.val=100"] if "fashion-mnist-data.yaml" in text else [])
        for device in ("cpu", "reference"):
            for precision in ("f32", "bf16"):
                less = ["data.batch=8"] if device == "reference" and "images" in text else []
                args = [*more, *less, f"device={device}", f"precision={precision}"]
                a, b = (bits(p, path, scratch, *args) for p in (BEFORE, AFTER))
                same = a[:2] == b[:2] and (a[2] is None or not difference(a[2], b[2]))
                c.ok(f"{path.name} {device} {precision}: exit {a[0]}", same, f"{a[1]}\n{b[1]}")
                print(path.name, device, precision, a[0], a[1] if a[2] is None else "",
                      "same" if same else "OTHER", flush=True)
c.done()

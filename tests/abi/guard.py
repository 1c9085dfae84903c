# SPDX-License-Identifier: Apache-2.0
"""Guard zones: with RUNNER_GUARD=1 a plugin that writes past a buffer, before it or to an
input is an error that names component, call and buffer; a right one gives the bits that
it gives without, and no word.

    guard.py RUNNER PLUGIN_API"""
import pathlib
import subprocess
import sys

import h5py

from harness import Checks, Scratch, runner

here = pathlib.Path(__file__).resolve().parent
c = Checks()
PLACES = ("source", "transform", "augment", "collate", "sampler", "init", "metric", "loss",
          "hook")


def experiment(top, wrong=None, place=None, device="reference", guard="1"):
    said = {p: f", wrong: {wrong}" if p == place else "" for p in PLACES}
    (top / "guard.yaml").write_text(f"""
name: guard
seed: 3
plugins: [./writes.so]
data:
  source: {{type: acme.bad/rows{said["source"]}}}
  split: {{kind: random, val: 0.25, seed: 7}}
  batch: 7
  sampler: {{type: acme.bad/rising{said["sampler"]}}}
  transforms:
    - {{type: acme.bad/halves, of: x{said["transform"]}}}
    - {{type: pad_sequence, of: [seq], length: 4}}
augment: {{type: acme.bad/negates, of: x{said["augment"]}}}
collate: {{type: acme.bad/doubles, of: x{said["collate"]}}}
device: {device}
model: {{type: sequential, in: {{x: data.x}}, layers: [{{type: dense, units: 2}}]}}
init: {{type: acme.bad/slope{said["init"]}}}
loss: {{type: acme.bad/scored, in: {{label: data.y}}{said["loss"]}}}
metrics: {{type: acme.bad/counts, in: {{scores: model.out}}{said["metric"]}}}
hooks: {{type: acme.bad/reads{said["hook"]}}}
optimizer: {{type: sgd, lr: 0.001}}
train: {{steps: 9, log_every: 1, eval_every: 4st}}
output: runs
""")
    return runner(top / "guard.yaml", cwd=top, env={"RUNNER_GUARD": guard}, timeout=60)


def numbers(r, top):
    """The curves of the losses and the metric, to the bit."""
    with h5py.File(r.folder(top) / "run.h5") as f:
        found = {"train/loss": f["scalars/train/loss/value"][:].tobytes()}
        for name in f["scalars/val"]:
            found[name] = f[f"scalars/val/{name}/value"][:].tobytes()
    return found


# place, what it does, the words of the message
X, S = "f32 [7,3]", "its scratch memory: 1 byte, the nearest directly behind its end"
PAST, BEFORE = "4 bytes, the nearest directly behind its end", \
               "4 bytes, the nearest 8 bytes before its beginning"
CASES = [
    ("source", "past", "acme.bad/rows: read wrote past the end of field 'x', f32 [", PAST),
    ("source", "before", "acme.bad/rows: read wrote before the beginning of field 'x'", BEFORE),
    ("source", "input", "acme.bad/rows: read changed the content of call->indices: 1 byte, the "
     "first at byte 5", "inputs are read only"),
    ("source", "scratch", "acme.bad/rows: read wrote past the end of " + S,
     "ask rn_scratch for all bytes"),
    ("source", "cell", "acme.bad/rows: read wrote past the end of a cell of the field 'seq'",
     PAST),
    ("transform", "past", "acme.bad/halves: apply wrote past the end of field 'x'", PAST,
     "write only as many rows as the call has"),
    ("transform", "before", "acme.bad/halves: apply wrote before the beginning of field 'x'",
     BEFORE),
    ("transform", "input", "acme.bad/halves: apply changed the content of field 'x'"),
    ("transform", "scratch", "acme.bad/halves: apply wrote past the end of " + S),
    ("augment", "past", f"acme.bad/negates: apply wrote past the end of field 'x', {X}: " + PAST),
    ("augment", "before", f"acme.bad/negates: apply wrote before the beginning of field 'x', "
     f"{X}: " + BEFORE),
    ("augment", "input", "acme.bad/negates: apply changed the content of call->sample_ids"),
    ("augment", "scratch", "acme.bad/negates: apply wrote past the end of " + S),
    ("collate", "past", f"acme.bad/doubles: apply wrote past the end of field 'x', {X}: " + PAST),
    ("collate", "before", "acme.bad/doubles: apply wrote before the beginning of field 'x'"),
    ("collate", "input", "acme.bad/doubles: apply changed the content of call->sample_ids"),
    ("collate", "scratch", "acme.bad/doubles: apply wrote past the end of " + S),
    ("sampler", "past", "acme.bad/rising: order wrote past the end of call->order: " + PAST),
    ("sampler", "before", "acme.bad/rising: order wrote before the beginning of call->order"),
    ("sampler", "scratch", "acme.bad/rising: order wrote past the end of " + S),
    ("init", "past", "acme.bad/slope: fill wrote past the end of variable 'model.", PAST),
    ("init", "before", "acme.bad/slope: fill wrote before the beginning of variable 'model."),
    ("init", "input", "acme.bad/slope: fill changed the content of field 'x': 1 byte"),
    ("init", "scratch", "acme.bad/slope: fill wrote past the end of " + S),
    ("metric", "past", "acme.bad/counts: update wrote past the end of port 'scores', f32 ["),
    ("metric", "before", "acme.bad/counts: update wrote before the beginning of port 'scores'"),
    ("metric", "input", "acme.bad/counts: update changed the content of port 'scores'"),
    ("metric", "scratch", "acme.bad/counts: update wrote past the end of " + S),
    ("loss", "past", "acme.bad/passes: its kernel wrote past the end of output 0: " + PAST),
    ("loss", "before", "acme.bad/passes: its kernel wrote before the beginning of output 0"),
    ("loss", "input", "acme.bad/passes: its kernel changed the content of input 0"),
    ("loss", "scratch", "acme.bad/passes: its kernel wrote past the end of " + S),
    ("hook", "past", "acme.bad/reads: tapped wrote past the end of output 'weights'"),
    ("hook", "before", "acme.bad/reads: tapped wrote before the beginning of output 'weights'"),
    ("hook", "input", "acme.bad/reads: tapped changed the content of output 'weights'"),
    ("hook", "scratch", "acme.bad/reads: event wrote past the end of " + S),
]

with Scratch() as top:
    p = subprocess.run(["cc", "-shared", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra",
                        "-Werror", "-I", sys.argv[2], "-o", top / "writes.so",
                        here / "wrong/writes.c"], text=True, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)
    c.ok("writes.c builds", p.returncode == 0, p.stdout)
    for device in ("reference", "cpu", "async_fake"):
        found = {}
        for guard in ("0", "1"):
            r = experiment(top, device=device, guard=guard)
            c.ok(f"{device}, guard {guard}: trains", r.code == 0, r.err)
            c.ok(f"{device}, guard {guard}: no word", "wrote" not in r.err, r.err)
            found[guard] = numbers(r, top)
        c.ok(f"{device}: the same bits", len(found["1"]) == 3 and found["0"] == found["1"],
             list(found["1"]))
    for place, what, *sentences in CASES:
        for device in ("reference", "cpu", "async_fake") if place == "loss" else ("reference",):
            r = experiment(top, what, place, device)
            c.equal(f"{place} {what}, {device}: exit code", r.code, 4)
            for s in (*sentences, "in the plugin "):
                c.within(f"{place} {what}, {device}", r.err, s)
c.done()

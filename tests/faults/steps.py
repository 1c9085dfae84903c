# SPDX-License-Identifier: Apache-2.0
"""A step allocates nothing and touches no page for the first time: counted by a
preloaded allocator and by the system, between two steps of whole runs, in all threads.

While dnnl_primitive_execute runs, oneDNN keeps the books of the call (which argument is
which memory), and its f32 product without AVX-512 takes a buffer to pack into (16,640
bytes a thread in 2.6; the primitive reports a scratchpad of 0 bytes). Nothing in its
interface avoids either; it gives them back before it returns. What is allocated between
its calls is ours whoever asks, such as a primitive or a memory that a step creates."""
import pathlib
import shutil
import sys
from collections import Counter

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "runs"))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch, preload, sanitized  # noqa: E402

COUNTER, WINDOW = (pathlib.Path(p).resolve() for p in sys.argv[2:4])
FROM, TO = 60, 160
EXPERIMENT = """
name: steps
data:
DIGITS
  split: {kind: stratified, by: label, val: 0.1, test: 0.2, seed: 7}
  batch: 4
model: {type: mlp, in: {x: data.image}, hidden: [64, 32], outputs: 10}
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: adam, lr: 0.003}
train: {steps: 200, log_every: 1, clip: {norm: 5}}
"""
GPT = """
name: steps
data:
  train: {{type: text, file: "{0}/text.txt", window: 64}}
  batch: 4
model: {{type: gpt, in: {{x: data.token}}, vocabulary: 96, layers: 2, width: 64, heads: 2}}
loss: {{type: cross_entropy, in: {{label: data.next}}, classes: last}}
optimizer: {{type: adamw, lr: 0.001}}
train: {{steps: 200, log_every: 1}}
"""
TABLE = """
name: steps
data:
  train: {{type: npy, files: {{x: "{0}/x.npy", label: "{0}/label.npy"}}}}
  batch: 256
model: {{type: mlp, in: {{x: data.x}}, hidden: [256, 256], outputs: 10}}
loss: cross_entropy
optimizer: {{type: adam, lr: 0.001}}
train: {{steps: 200, log_every: 1}}
"""
CNN = ("model={type: sequential, in: {x: data.image}, layers: ["
       "{type: conv2d, channels: 16, kernel: 3}, {type: batch_norm}, {type: relu}, "
       "{type: conv2d, channels: 32, kernel: 3}, {type: relu}, "
       "{type: max_pool2d, kernel: 2}, {type: flatten}, {type: dropout, p: 0.2}, "
       "{type: dense, units: 10}]}")


def data(scratch):
    """Enough for 200 steps: checkpoints are between epochs."""
    rng = np.random.default_rng(1)
    letters = rng.integers(32, 127, 60000, dtype=np.uint8)
    (scratch / "text.txt").write_bytes(letters.tobytes())
    np.save(scratch / "x.npy", rng.standard_normal((53760, 128), dtype=np.float32))
    np.save(scratch / "label.npy", rng.integers(0, 10, 53760))


def count(scratch, path, *args, allocates=0):
    """(result, page faults, [(bytes, when, object)], what oneDNN's calls kept) of the
    steps from FROM to TO."""
    faults, calls = scratch / "faults", scratch / "calls"
    for old in (faults, calls):
        old.unlink(missing_ok=True)
    r = runner(path, f"output={scratch}/runs", f"plugins=['{WINDOW}']",
               f"hooks=[{{type: test.hooks/window, from: {FROM}, to: {TO}, "
               f"file: '{faults}', allocates: {allocates}}}]", *args,
               env={**preload(COUNTER), "COUNTER_FILE": str(calls),
                    "XDG_CACHE_HOME": str(scratch)})
    if r.code:
        return r, None, [], 0
    first, *lines = calls.read_text().splitlines()
    return (r, int(faults.read_text()),
            [(int(n), when, who) for n, when, who in (x.split(" ", 2) for x in lines)],
            int(first.split()[2]))


def main():
    c = Checks()
    if sanitized():
        print("SKIP: a sanitizer has its own allocator")
        sys.exit(0)
    host = "data.resident=never"
    cases = {"perceptron": [], "convolutional network": [CNN, host],
             "its batches gathered by the device": [CNN, "data.resident=always"],
             "its batches made by the loop": [CNN, "data.workers=0", host],
             "augmented": [CNN, "augment=[{type: crop, of: image, padding: 1}]"],
             "augmented where they lie":
                 [CNN, "augment=[{type: crop, of: image, padding: 1}, {type: flip, of: image}]",
                  "data.resident=always"],
             "own products": [CNN, "device.deterministic=threads"]}
    if shutil.which("cc"):
        cases["generated regions"] = [CNN, "device.generate=wait"]
    else:
        print("SKIP: no C compiler: generated regions are not counted")
    with Scratch() as scratch:
        device = "device: {type: cpu, generate: off}\n"
        path = config(scratch, EXPERIMENT + device)
        cases = [(name, path, args) for name, args in cases.items()]
        for name, text in (("transformer", GPT), ("large products, timed", TABLE)):
            made = scratch / f"{name.split()[0]}.yaml"
            made.write_text(text.format(scratch) + device)
            cases.append((name, made, []))
        data(scratch)
        library = False
        for name, path, args in cases:
            r, faults, calls, kept = count(scratch, path, *args)
            if not c.equal(f"{name}: exit code", r.code, 0):
                print(r.err)
                continue
            ours = [x for x in calls if x[1] == "between" or
                    not x[2].startswith(("libstdc++", "libdnnl"))]
            c.equal(f"{name}: nothing is allocated by our doing", Counter(ours), Counter())
            c.equal(f"{name}: oneDNN gives back what its calls take", kept, 0)
            library |= len(calls) > len(ours)
            # Not one in ten steps: what happens in each would be a hundred.
            c.ok(f"{name}: no page faults", faults < (TO - FROM) / 10, faults)
        # The count can fail.
        c.ok("calls of oneDNN are seen", library)
        r, faults, calls, _ = count(scratch, cases[0][1], allocates=77)
        c.equal("with a hook that allocates: exit code", r.code, 0)
        c.ok("what a hook allocates is seen",
             [x for x in calls if x[:2] == (77, "between") and "window" in x[2]], calls)
    c.done()


main()

# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers in whole runs, from text of any length to the record: the same bits for
any number of threads, resumed, on a device with memory of its own; what padding holds does
not matter, with lengths; plans that do not grow with the steps; what is refused."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

TEXT = """
name: reviews
seed: 2
data:
  train: {type: csv, file: reviews.csv, texts: [review], target: kind, target_type: int}
  split: {val: 0.2}
  transforms: [{type: pad_sequence, of: review, length: 24, lengths: true, value: 0}]
  batch: 16
model:
  type: sequential
  in: {x: data.review, lengths: data.review_length}
  layers:
    - {type: embedding, size: 256, units: 6}
    - {type: lstm, units: 8, layers: 2, bidirectional: true}
    - {type: gru, units: 5, bidirectional: true, return: last}
    - {type: dense, units: 3}
loss: cross_entropy
metrics: [accuracy]
optimizer: {type: adam, lr: 0.01}
train: {steps: 6, log_every: 1}
checkpoint: {every: 2st, keep: 9}
"""
EXACT = "device={type: cpu, deterministic: threads, tune: off, threads: %d}"


def weights(folder):
    import h5py
    import numpy as np
    with h5py.File(sorted((folder / "checkpoints").glob("step*"))[-1]) as f:
        return {k: np.array(f["variables"][k]) for k in f["variables"]}


def main():
    import numpy as np
    c = Checks()
    with Scratch() as folder:
        words = ["good", "dull", "odd"]
        rows = [f"{' '.join([words[i % 3]] * (1 + i * 7 % 6))},{i % 3}" for i in range(80)]
        (folder / "reviews.csv").write_text("review,kind\n" + "\n".join(rows) + "\n")
        path = config(folder, TEXT)
        runs = {}
        for name, args in {
                "one": [EXACT % 1], "three": [EXACT % 3],
                "filled": [EXACT % 1, "data.transforms.0.value=7"],
                "late": ["device={type: async_fake, deterministic: threads, tune: off}"],
                "reference": ["device=reference"]}.items():
            r, made = train(path, *args)
            if c.equal(f"{name}: exit code", r.code, 0):
                runs[name] = weights(made)
            else:
                print(r.err)
        one = runs["one"]
        c.ok("it learns", all(np.isfinite(v).all() for v in one.values()))
        for name in ("three", "filled", "late"):
            far = [k for k in one if not np.array_equal(one[k], runs[name][k])]
            c.equal(f"{name}: the same bits", far, [])
        far = [k for k in one if not np.allclose(one[k], runs["reference"][k], 1e-3, 1e-4)]
        c.equal("reference: the same numbers", far, [])

        r, made = train(path, EXACT % 1, "train.steps=4")
        c.equal("a part: exit code", r.code, 0)
        r = runner("resume", made, "train.steps=6")
        c.equal("resumed: exit code", r.code, 0)
        rest = weights(made)
        c.equal("resumed: the same bits", [k for k in one if not np.array_equal(one[k], rest[k])],
                [])

        arenas = []
        for length in (400, 800, 3200):
            r = runner("plan", path, f"data.transforms.0.length={length}", "--json")
            arenas.append(json.loads(r.out)["memory"]["arena"])
        steps = [(arenas[1] - arenas[0]) / 400, (arenas[2] - arenas[1]) / 2400]
        c.ok("memory grows by what is saved of a step, and no more",
             steps[1] <= 1.02 * steps[0], f"  {arenas} {steps}")

        r = runner("plan", path, "model.layers=[{type: embedding, size: 25, units: 3}, "
                   "{type: lstm, units: 4}]",
                   "model.in={x: data.review_length}")
        c.equal("no sequence: exit code", r.code, 2)
        c.within("no sequence", r.err, "lstm expects sequences [N,T,C], its input has rank")
    c.done()


main()

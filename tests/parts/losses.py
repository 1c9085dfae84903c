# SPDX-License-Identifier: Apache-2.0
"""Losses against PyTorch: the value over the whole batch and the gradient with respect to
the logits. The logits are a table of parameters that an embedding layer reads by row, so
their gradient is what the optimizer gets; sgd's first velocity keeps it."""
import numpy as np
import parts
from harness import Checks, Scratch
from loss_cases import ROWS, cases

# Of f32 against the oracle's f64. The value: relative; the gradient: over its largest
# element.
TOLERANCE = 1e-6


def experiment(case, file, device):
    shape = case["logits"].shape[1:]
    layers = [{"type": "embedding", "size": ROWS, "units": int(np.prod(shape)),
               "name": "table"},
              {"type": "reshape", "shape": list(shape)}]
    return {"model": {"type": "sequential", "in": {"x": "data.row"}, "layers": layers},
            "init": {"type": "tests/table", "file": str(file), "match": "rest"},
            "loss": case["loss"], "device": device,
            "optimizer": {"type": "sgd", "lr": 0.5, "momentum": 0.5}}


def job(folder, name, case, device="cpu"):
    file = folder / f"{name}.f32"
    case["logits"].astype("<f4").tofile(file)
    rows = {"row": np.arange(ROWS, dtype=np.int64), **case["fields"]}
    return (folder, experiment(case, file, device), rows), {"val": rows}


def check(c, what, case, want, r):
    if not c.equal(f"{what}: runs", r.code, 0):
        print(r.err)
        return
    size = max(1e-3, abs(want["loss"]))
    c.close(f"{what}: value", r.scalars("train/loss")[0], want["loss"], TOLERANCE * size)
    v = r.variables()
    gradient = v["optimizer.model.table.weight.momentum"]
    far = parts.distance(gradient.reshape(case["logits"].shape), want["gradient"])
    c.ok(f"{what}: gradient", far <= TOLERANCE, f"  off by {far:g}")
    # The evaluation computes the same mean of the new logits.
    c.close(f"{what}: value in evaluation", r.scalars("val/loss")[-1], want["after"],
            4 * TOLERANCE * max(1e-3, abs(want["after"]), size))


def wrong(c, folder):
    """Options out of their range, each with its sentence."""
    base = cases()["ce"]
    tries = []

    def fails(what, sentence, loss, **fields):
        case = {**base, "loss": {**base["loss"], **loss},
                "fields": {**base["fields"], **fields}}
        tries.append((what, sentence, job(folder, "wrong", case)))

    fails("smoothing of 1", "smoothing is 1: it must be below 1", {"smoothing": 1})
    fails("negative smoothing", "smoothing is -0.1: it must be at least 0",
          {"smoothing": -0.1})
    fails("too few class weights", "class_weights needs one weight per class",
          {"class_weights": [1, 2]})
    fails("negative class weight", "class_weights is -1: it must be at least 0",
          {"class_weights": [1, 2, -1, 1, 1]})
    for weight, sentence in ((1e39, "a class weight must be a finite number"),
                             (1e-60, "this class weight is 0 as f32")):
        fails(f"class weight {weight}", sentence, {"class_weights": [1, 2, weight, 1, 1]})
    fails("class weights of 0", "class_weights are all 0", {"class_weights": [0] * 5})
    fails("smoothing over a class of no weight", "every class weight must be above 0",
          {"class_weights": [0, 1, 1, 1, 1], "smoothing": 0.1})
    inputs = {**base["loss"]["in"], "weight": "data.w"}
    fails("weight of another shape", "the weight does not have the loss's shape",
          {"in": inputs}, w=np.ones((ROWS, 2), np.float32))
    float_target = {"logits": "model.out", "target": "data.t"}
    t = np.ones((ROWS, 2), np.float32)
    for loss in ("bce", "mse", "huber"):
        port = "logits" if loss == "bce" else "prediction"
        fails(f"{loss}: target of another shape",
              "the target does not have the prediction's shape",
              {"type": loss, "in": {port: "model.out", "target": "data.t"}}, t=t)
    fails("soft_cross_entropy: target of another shape",
          "the target does not have the prediction's shape",
          {"type": "soft_cross_entropy", "in": float_target}, t=t)
    fails("focal: negative gamma", "gamma is -1: it must be at least 0",
          {"type": "focal", "gamma": -1})
    fails("focal: alpha of 0", "alpha is 0: it must be above 0",
          {"type": "focal", "alpha": 0})
    fails("huber: delta of 0", "delta is 0: it must be above 0",
          {"type": "huber", "delta": 0})
    fails("bce: pos_weight of 0", "pos_weight is 0: it must be above 0",
          {"type": "bce", "pos_weight": 0})
    fails("bce: smoothing of 1", "smoothing is 1: it must be below 1",
          {"type": "bce", "smoothing": 1})
    for (what, sentence, _), r in zip(tries, parts.run_all([t[2] for t in tries])):
        if r.absent:
            continue
        c.equal(f"{what}: exit", r.code, 2)
        c.within(f"{what}: sentence", r.err, sentence)


def main():
    c = Checks()
    want = parts.golden("losses")
    with Scratch() as folder:
        todo = [(name, case, device) for name, case in cases().items()
                for device in ("cpu", "reference")]
        runs = parts.run_all([job(folder, *t) for t in todo])
        for (name, case, device), r in zip(todo, runs):
            if r.absent:
                continue
            check(c, f"{name} on {device}", case, want[name], r)
        wrong(c, folder)
    c.equal("every case has its golden numbers", sorted(want), sorted(cases()))
    c.done()


main()

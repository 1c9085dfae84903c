# SPDX-License-Identifier: Apache-2.0
"""Every layer of `sequential`, with every option, against torch.nn.functional: the loss of
three steps of training, all parameters and running statistics after them, and the loss in
evaluation; dropout and noise by their statistics; wrong options by their sentence."""
import numpy as np
import parts
from harness import Checks, Scratch
from layer_cases import (IMAGE, LR, ROWS, SEQUENCE, STEPS, VAL_ROWS, cases, inputs, lengths,
                         target)

TOLERANCE = 5e-6  # of f32 against f64: relative for losses, over the largest element


def experiment(layers, lr=LR, bound=(), **more):
    return {"model": {"type": "sequential", "layers": layers,
                      "in": {"x": "data.x", **{k: f"data.{k}" for k in bound}}},
            "loss": {"type": "mse", "in": {"prediction": "model.out", "target": "data.y"}},
            "optimizer": {"type": "sgd", "lr": lr}, **more}


def against_torch(c, folder, device, names):
    want = parts.golden("layers")
    c.equal("every case has its golden numbers", sorted(want), sorted(cases()))
    jobs = []
    for name in names:
        shape = want[name]["out"]
        rows = {"x": inputs(name, ROWS, "train"), "y": target(name, (ROWS, *shape), "train")}
        val = {"x": inputs(name, VAL_ROWS, "val"), "y": target(name, (VAL_ROWS, *shape), "val")}
        ends = lengths(name, ROWS, "train")
        if ends is not None:
            rows["lengths"], val["lengths"] = ends, lengths(name, VAL_ROWS, "val")
        bound = [] if ends is None else ["lengths"]
        jobs.append(((folder, experiment(cases()[name][0], bound=bound, device=device), rows),
                     {"val": val, "steps": STEPS}))
    for name, r in zip(names, parts.run_all(jobs)):
        if r.absent:
            continue
        what, w = f"{name} on {device}", want[name]
        if not c.equal(f"{what}: runs", r.code, 0):
            print(r.err)
            continue
        far = np.abs(r.scalars("train/loss") / np.array(w["losses"]) - 1.0)
        c.ok(f"{what}: losses in training", far.max() <= TOLERANCE, f"  off by {far}")
        c.close(f"{what}: loss in evaluation", r.scalars("val/loss")[-1], w["val"],
                TOLERANCE * w["val"])
        v = r.variables()
        have = sorted(k for k in v if k.startswith("model."))
        c.equal(f"{what}: its variables", have, sorted(w["variables"]))
        for k in have:
            far = parts.distance(v[k], w["variables"].get(k, {"shape": None}))
            c.ok(f"{what}: {k}", far <= TOLERANCE, f"  off by {far:g}")


def drawn(c, folder, layers, value, seed=1, steps=20):
    """Training and evaluation losses of what `layers` make of ones, against `value`."""
    n = 400
    rows = {"x": np.ones((32, n), np.float32), "y": np.full((32, n), value, np.float32)}
    val = {k: v[:8] for k, v in rows.items()}
    keep = [*layers, {"type": "prelu", "alpha": 1}]  # x itself, and a parameter
    r = parts.run(folder, experiment(keep, lr=0.0, init=None, seed=seed,
                                      train={"eval_every": "1st"}), rows, val=val,
                  steps=steps)
    c.equal(f"{layers}: runs", r.code, 0)
    return r.scalars("train/loss"), r.scalars("val/loss")


def dropout(c, folder):
    n = 32 * 400
    for p in (0.3, 0.5):
        layers = [{"type": "dropout", "p": p}] if p != 0.5 else [{"type": "dropout"}]
        zero, quiet = drawn(c, folder, layers, 0.0)
        one, _ = drawn(c, folder, layers, 1.0)
        mean = (zero - one + 1.0) / 2.0
        sigma = (p / (1 - p) / n) ** 0.5
        far = np.abs(mean - 1.0).max() / sigma
        c.ok(f"dropout {p}: the mean stays", far < 5.0, f"  {far:g} sigma")
        spread = mean.std() / sigma
        c.ok(f"dropout {p}: steps differ as they should", 0.5 < spread < 1.6, f"  {spread:g}")
        # Only 0 and 1/(1-p): then the mean square is the mean over 1-p.
        c.ok(f"dropout {p}: two values", np.allclose(zero, mean / (1 - p), rtol=1e-5))
        c.ok(f"dropout {p}: off in evaluation", np.all(quiet == 1.0), f"  {quiet}")
        again, _ = drawn(c, folder, layers, 0.0)
        other, _ = drawn(c, folder, layers, 0.0, seed=2)
        c.ok(f"dropout {p}: the same seed, the same", np.array_equal(again, zero))
        c.ok(f"dropout {p}: another seed", not np.any(other == zero))


def noise(c, folder):
    layers = [{"type": "noise", "size": 400}]
    n = 32 * 400
    zero, _ = drawn(c, folder, layers, 0.0)
    one, _ = drawn(c, folder, layers, 1.0)
    mean = (zero - one + 1.0) / 2.0
    c.ok("noise: mean 0", np.abs(mean).max() < 5.0 / n ** 0.5, f"  {mean}")
    c.ok("noise: variance 1", np.abs(zero - 1.0).max() < 5.0 * (2.0 / n) ** 0.5, f"  {zero}")
    c.ok("noise: another each step", len(set(zero)) == len(zero))


def named_outputs(c, folder):
    """A loss finds `out` among named layers by itself, and any of them by name."""
    layers = [{"type": "dense", "units": 4, "name": "body"}, {"type": "relu"},
              {"type": "dense", "units": 4, "name": "head"}]
    rows = {"x": parts.numbers("named/x", (6, 5)), "y": parts.numbers("named/y", (6, 4))}
    losses = []
    for bound in (None, "model.out", "model.head", "model.body"):
        x = experiment(layers)
        x["loss"] = {"type": "mse", "in": {"target": "data.y"}}
        if bound:
            x["loss"]["in"]["prediction"] = bound
        if bound == "model.body":
            x["train"] = {"freeze": ["model.head.*"]}
        r = parts.run(folder, x, rows)
        if c.equal(f"loss of {bound}: runs", r.code, 0):
            losses.append(r.scalars("train/loss")[0])
        else:
            print(r.err)
    c.ok("a loss takes `out`", losses[0] == losses[1] == losses[2] != losses[3], f"{losses}")


def wrong(c, folder):
    rows = {"x": parts.numbers("wrong", (2, *IMAGE)), "y": np.zeros((2, 1), np.float32)}
    flat = {"type": "flatten"}
    tries = [
        ([], "there are no layers"),
        ([{"type": "dens"}], "did you mean 'dense'?"),
        ([{"units": 3}], "`type:` is missing"),
        ([{"type": "dense"}], "'units' is missing"),
        ([{"type": "dense", "units": 0}], "units is 0: it must be at least 1"),
        ([{"type": "dense", "units": 3, "activation": "relu"}], "unknown key 'activation'"),
        ([flat, {"type": "conv2d", "channels": 3}], "conv2d: expects images [N,C,H,W]"),
        ([{"type": "conv2d", "channels": 3, "kernel": 0}], "kernel is 0: it must be at least 1"),
        ([{"type": "conv2d", "channels": 3, "kernel": [1, 2, 3]}], "longer than can be meant"),
        ([{"type": "conv2d", "channels": 3, "pad": [1, 2, 3]}],
         "pad expects one number, two or four"),
        ([{"type": "conv2d", "channels": 3, "kernel": 9}], "kernel"),
        ([{"type": "conv2d", "channels": 4, "groups": 2}], "groups must divide the channels"),
        ([{"type": "conv2d", "channels": 3, "padding": "valid"}], "'valid' is not one of none, same"),
        ([{"type": "conv_transpose2d", "channels": 4, "groups": 3}],
         "groups must divide the channels"),
        ([flat, {"type": "max_pool2d"}], "max_pool2d expects images [N,C,H,W]"),
        ([{"type": "avg_pool2d", "kernel": 9}], "avg_pool2d"),
        ([flat, {"type": "global_max_pool2d"}], "global_max_pool2d expects images"),
        ([{"type": "batch_norm", "momentum": 0}], "momentum is 0: it must be above 0"),
        ([{"type": "batch_norm", "eps": 0}], "eps is 0: it must be above 0"),
        ([{"type": "layer_norm", "axis": 4}], "the axis is not one of a sample's"),
        ([{"type": "layer_norm", "axis": 0}], "the axis is not one of a sample's"),
        ([{"type": "group_norm", "groups": 2}], "groups must divide the channels"),
        ([{"type": "dropout", "p": 1}], "p is 1: it must be below 1"),
        ([{"type": "dropout", "p": -0.1}], "p is -0.1: it must be at least 0"),
        ([{"type": "clamp", "low": 1, "high": 0}], "low is above high"),
        ([{"type": "reshape", "shape": [5, 5]}], "reshape"),
        ([{"type": "reshape", "shape": []}], "this list is empty"),
        ([{"type": "transpose", "order": [1, 1, 2]}], "transpose"),
        ([{"type": "slice", "start": 3}], "start and stop leave nothing of the axis"),
        ([{"type": "slice", "axis": 0}], "the axis is not one of a sample's"),
        ([{"type": "reduce", "axes": 0}], "axis 0 is the batch"),
        ([{"type": "reduce", "axes": 7}], "axes"),
        ([{"type": "resize2d", "mode": "cubic"}], "'cubic' is not one of nearest, bilinear"),
        ([{"type": "softmax", "axis": 9}], "axis"),
        ([{"type": "add", "from": ["body"]}], "no earlier layer is named 'body'"),
        ([{"type": "add"}], "'from' is missing"),
        ([{"type": "add", "from": []}], "from expects between 1 and 64 names"),
        ([flat, {"type": "add", "from": ["x"]}], "add"),
        ([flat, {"type": "concat", "from": ["x"]}], "concat"),
        ([{"type": "matmul", "from": ["x", "x"]}], "matmul is of the layer before and one"),
        ([{"type": "relu", "input": "body"}], "no earlier layer is named 'body'"),
        ([{"type": "relu", "name": "x"}], "another layer (or the input) has this name"),
        ([{"type": "relu", "name": "a"}, {"type": "relu", "name": "a"}],
         "another layer (or the input) has this name"),
        ([{"type": "relu", "name": "relu2"}, {"type": "relu"}], "another layer (or the input) has this name"),
        ([{"type": "relu", "name": "out"}], "'out' is the model's last layer"),
        ([{"type": "relu", "name": "n" * 64}], "a name longer than 63 characters"),
        ([{"type": "embedding", "size": 3, "units": 2}], "embedding"),
        ([{"type": "one_hot", "classes": 3}], "one_hot"),
    ]
    runs = parts.run_all([((folder, experiment(o), rows), {}) for o, _ in tries])
    for (o, sentence), r in zip(tries, runs):
        if r.absent:
            continue
        c.equal(f"{o}: exit", r.code, 2)
        c.within(f"{o}: sentence", r.err, sentence)


def main():
    c = Checks()
    with Scratch() as folder:
        against_torch(c, folder, "cpu", list(cases()))
        some = ["inception", "matmul", "conv_transpose2d all", "batch_norm", "layer_norm axes",
                "conv2d rectangles", "resize2d size", "slice end", "reduce max", "embedding",
                "lstm lengths bidirectional", "gru lengths bidirectional last"]
        against_torch(c, folder, "reference", some)
        dropout(c, folder)
        noise(c, folder)
        named_outputs(c, folder)
        wrong(c, folder)
    c.done()


main()

# SPDX-License-Identifier: Apache-2.0
"""mlp, lenet, resnet_cifar, resnet and gpt against modules of PyTorch: from the same weights, ten steps of
training: the curve, every variable after the first step, the loss in evaluation.

    models.py RUNNER HASH_INIT [all]

Deep ones take the first steps only, without the evaluation that follows ten (all: all)."""
import json
import sys

import numpy as np
import parts
import yaml
from harness import Checks, Scratch, runner
from model_cases import DEEP, STEPS, batch, cases, sgd

CURVE = 1e-4   # relative, over ten steps
ORDER = 32 * 2.0 ** -24  # of a mean of at most 16 rows, summed in two orders
ALL = sys.argv[3:] == ["all"]
FEW = 2  # steps of a deep model
FIRST = 1e-5   # variables after one step, over the largest element


def experiment(model, name="", **more):
    loss = {"type": "cross_entropy", "classes": "last"} if model["type"] == "gpt" \
        else "cross_entropy"
    return {"model": {**model, "in": {"x": "data.x"}}, "loss": loss,
            "optimizer": sgd(name), **more}


def against_torch(c, folder):
    want = parts.golden("models")
    c.equal("every case has its golden numbers", sorted(want), sorted(cases()))
    steps = {n: FEW if n in DEEP and not ALL else STEPS for n in cases()}
    runs = parts.run_all([((folder, experiment(cases()[n][0], n), batch(n, "train")),
                           {"val": batch(n, "val"), "steps": steps[n],
                            "record_every_step": True}) for n in cases()])
    for name, r in zip(cases(), runs):
        if r.absent:
            continue
        w = want[name]
        if not c.equal(f"{name}: runs", r.code, 0):
            print(r.err)
            continue
        far = np.abs(r.scalars("train/loss") / np.array(w["losses"][:steps[name]]) - 1.0)
        c.ok(f"{name}: the curve", far.max() <= CURVE, f"  off by {far}")
        if steps[name] == STEPS:
            c.close(f"{name}: loss in evaluation", r.scalars("val/loss")[-1], w["val"],
                    CURVE * w["val"])
        v = r.variables(1)
        have = sorted(k for k in v if k.startswith("model."))
        c.equal(f"{name}: its variables", have, sorted(w["after one"]))
        for k in have:
            far = parts.distance(v[k], w["after one"].get(k, {"shape": None}))
            c.ok(f"{name}: {k}", far <= FIRST, f"  off by {far:g}")
        trained = sum(v[k].size for k in have if not k.endswith((".mean", ".variance")))
        c.equal(f"{name}: parameters", trained, w["parameters"])
    c.equal("resnet_cifar of depth 20 has the paper's 0.27 M", want["resnet 20"]["parameters"],
            269722)
    # Deep ones at their full width, counted without training; figures of torchvision.
    image = {"x": np.zeros((2, 3, 64, 64), np.float32), "label": np.zeros(2, np.int64)}
    for depth, parameters in ((50, 25557032), (101, 44549160), (152, 60192808)):
        model = {"type": "resnet", "depth": depth, "outputs": 1000, "stem": "large"}
        (folder / "deep.yaml").write_text(yaml.safe_dump({
            **experiment(model), "data": {"train": parts.fields(folder, "deep", image),
                                          "batch": 2}, "train": {"steps": 1}}))
        r = runner("plan", folder / "deep.yaml", "--json", cwd=folder)
        c.equal(f"resnet of depth {depth}: plan", (r.code, "" if r.code == 0 else r.err),
                (0, ""))
        c.equal(f"resnet of depth {depth}: parameters",
                r.code == 0 and json.loads(r.out)["parameters"], parameters)
    c.equal("lenet on 1x28x28, as its description says", want["lenet"]["parameters"], 61706)


def mlp_dropout(c, folder):
    """Dropout changes training and not evaluation."""
    model, rows, val = cases()["mlp"][0], batch("mlp", "train"), batch("mlp", "val")
    still = {"type": "sgd", "lr": 0.0}
    plain, drops = [parts.run(folder, experiment({**model, "dropout": p}, optimizer=still),
                              rows, val=val, steps=8) for p in (0.0, 0.5)]
    c.equal("mlp with dropout: evaluation is as without", drops.scalars("val/loss")[-1],
            plain.scalars("val/loss")[-1])
    # Rows come in another order each step, so sums over them round otherwise.
    loss = plain.scalars("train/loss")
    c.ok("mlp without dropout: one loss", np.ptp(loss) <= ORDER * loss.max(), loss)
    c.ok("mlp with dropout: losses further apart", np.ptp(drops.scalars("train/loss"))
         > 1000 * ORDER * loss.max())
    c.equal("mlp with dropout: another loss each step", len(set(drops.scalars("train/loss"))), 8)


def wrong(c, folder):
    image = {"x": np.zeros((2, 1, 12, 12), np.float32), "label": np.zeros(2, np.int64)}
    small = {"x": np.zeros((2, 1, 8, 8), np.float32), "label": np.zeros(2, np.int64)}
    flat = {"x": np.zeros((2, 9), np.float32), "label": np.zeros(2, np.int64)}
    words = {"x": np.zeros((2, 5), np.int64), "label": np.zeros((2, 5), np.int64)}
    tries = [
        ({"type": "mlp"}, flat, "'outputs' is missing"),
        ({"type": "mlp", "outputs": 0}, flat, "outputs is 0: it must be at least 1"),
        ({"type": "mlp", "outputs": 2, "hidden": [4, 0]}, flat,
         "hidden is 0: it must be at least 1"),
        ({"type": "mlp", "outputs": 2, "hidden": [4.5]}, flat, "'4.5' is not an integer"),
        ({"type": "mlp", "outputs": 2, "activation": "rely"}, flat, "did you mean 'relu'?"),
        ({"type": "mlp", "outputs": 2, "dropout": 1}, flat, "dropout is 1: it must be below 1"),
        ({"type": "lenet", "activation": "elu"}, image, "'elu' is not one of relu, tanh"),
        ({"type": "lenet", "outputs": -1}, image, "outputs is -1: it must be at least 1"),
        ({"type": "lenet"}, small, "lenet expects images of 12x12 or larger"),
        ({"type": "lenet"}, flat, "expects float [N,C,H,W]"),
        ({"type": "resnet_cifar", "depth": 21}, image, "depth must be 6n + 2"),
        ({"type": "resnet_cifar", "depth": 2}, image, "depth is 2: it must be at least 8"),
        ({"type": "resnet_cifar", "width": 0}, image, "width is 0: it must be at least 1"),
        ({"type": "resnet_cifar", "shortcut": "C"}, image, "'C' is not one of A, B"),
        ({"type": "resnet", "depth": 51}, image, "depth must be 18, 34, 50, 101 or 152"),
        ({"type": "resnet", "width": 0}, image, "width is 0: it must be at least 1"),
        ({"type": "resnet", "stem": "tiny"}, image, "'tiny' is not one of small, large"),
        ({"type": "gpt"}, words, "'vocabulary' is missing"),
        ({"type": "gpt", "vocabulary": 4, "width": 8, "heads": 3}, words,
         "attention: 3 heads do not divide 8 and 8 columns"),
        ({"type": "gpt", "vocabulary": 4, "width": 8, "heads": 2, "context": 3}, words,
         "there are more positions than rows in their table"),
        ({"type": "resnets"}, image, "there is no model 'resnets'"),
    ]
    runs = parts.run_all([((folder, experiment(o), rows), {}) for o, rows, _ in tries])
    for (o, _, sentence), r in zip(tries, runs):
        if r.absent:
            continue
        c.equal(f"{o}: exit", r.code, 2)
        c.within(f"{o}: sentence", r.err, sentence)


def main():
    c = Checks()
    with Scratch() as folder:
        against_torch(c, folder)
        mlp_dropout(c, folder)
        wrong(c, folder)
    c.done()


main()

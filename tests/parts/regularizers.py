# SPDX-License-Identifier: Apache-2.0
"""Regularizers against PyTorch: the penalties of each step and the parameters after it,
on three backends, of whole and of accumulated steps; what of a run they leave as it
is; and what is wrong with how they are asked for."""
import copy

import numpy as np

import parts
from harness import Checks, Scratch
from regularizer_cases import CASES, KEPT, SGD, STEPS, WEIGHTS, X, X_IMAGE, Y, shapes

CLOSE = 3e-6  # f32 against f64, over the largest element; torch.renorm adds 1e-7 itself
L2 = [{"type": "l2", "strength": 0.2, "match": WEIGHTS}]


def experiment(regularizers, more=None, name=""):
    first, second = shapes(name)
    layers = [{"type": "dense", "units": first[0], "name": "one"}]
    if "image" in name:
        layers = [{"type": "conv2d", "channels": 4, "kernel": 3, "pad": 0, "name": "one"},
                  {"type": "flatten"}]
    layers.append({"type": "dense", "units": second[0], "name": "two"})
    return {"model": {"type": "sequential", "in": {"x": "data.x"}, "layers": layers},
            "loss": {"type": "mse", "in": {"prediction": "model.out", "target": "data.y"}},
            "optimizer": SGD, "regularizers": regularizers, **copy.deepcopy(more or {})}


def rows(name=""):
    return {"x": X_IMAGE if "image" in name else X, "y": Y}


def has_curve(run, name):
    try:
        run.scalars(name)
    except KeyError:
        return False
    return True


def compare(c, what, run, want):
    if not c.equal(f"{what}: runs", run.code, 0):
        print(run.err)
        return
    for curve, o in zip(want["curves"], "ab"):
        name = "train/regularization" + (f".{o}" if len(want["curves"]) > 1 else "")
        if not curve:
            c.ok(f"{what}: has no curve {name}", not has_curve(run, name))
            continue
        got = run.scalars(name)
        c.ok(f"{what}: {name}", len(got) == len(curve)
             and np.all(np.abs(got / curve - 1.0) <= CLOSE), f"  {got}\n  {curve}")
    for step, values in zip(KEPT, want["kept"]):
        have = run.variables(step)
        far = max(parts.distance(have[n], v) for n, v in values.items())
        c.ok(f"{what}: step {step}", far <= CLOSE, f"  off by {far:g}")


def oracle(c, folder):
    want = parts.golden("regularizers")
    c.equal("every case has its golden numbers", sorted(want), sorted(CASES))
    # The rows of a step in parts of 6, 6 and 4.
    ways = {"": {}, " on reference": {"device": "reference"},
            " on async_fake": {"device": "async_fake"},
            " accumulated": {"data": {"batch": 6}, "train": {"accumulate": 3}}}
    jobs = []
    for name, (regularizers, more) in CASES.items():
        for way, extra in ways.items():
            x = experiment(regularizers, more, name)
            for key, value in extra.items():
                x[key] = {**x.get(key, {}), **value} if isinstance(value, dict) else value
            jobs.append((name, way, x))
    runs = parts.run_all([((folder, x, rows(name)), {"steps": STEPS, "record_every_step": True})
                          for name, _, x in jobs])
    for (name, way, _), run in zip(jobs, runs):
        compare(c, name + way, run, want[name])


def untouched(c, folder):
    """With a learning rate of 0, losses are as without regularizers; penalties are
    f32 where products are bf16 or f16."""
    still = {"optimizer": {"type": "sgd", "lr": 0}}
    heavy = [{"type": "orthogonal", "match": WEIGHTS}, {"type": "l1"}]
    plain, with_them, low, lower = parts.run_all(
        [((folder, experiment(r, {**still, "precision": p}), rows(), rows()), {"steps": 2})
         for r, p in ((None, "f32"), (heavy, "f32"), (heavy, "bf16"),
                      (heavy, "f16"))])
    for name in ("train/loss", "val/loss"):
        c.equal(f"{name} has no penalty", list(with_them.scalars(name)),
                list(plain.scalars(name)))
    penalty = with_them.scalars("train/regularization")
    c.equal("bf16: the same penalty", list(low.scalars("train/regularization")), list(penalty))
    c.equal("f16: the same penalty", list(lower.scalars("train/regularization")), list(penalty))
    c.equal("f16: no step is left out", list(lower.scalars("train/skipped_steps")), [0, 0])
    c.ok("bf16: another loss", low.scalars("train/loss")[0] != plain.scalars("train/loss")[0])


def refused(c, folder):
    wrong = [
        ([{"type": "l2", "strength": -0.1}], {}, "strength is -0.1: it must be at least 0"),
        ([{"type": "elastic", "l2": -1}], {}, "l2 is -1: it must be at least 0"),
        ([{"type": "max_norm", "limit": 0, "match": WEIGHTS}], {},
         "limit is 0: it must be above 0"),
        ([{"type": "l3"}], {}, "there is no regularizer 'l3'"),
        ([{"type": "l2", "lambda": 1}], {}, "unknown key 'lambda'"),
        ([{"type": "l2", "match": "model.three.*"}], {},
         "no parameter matches 'model.three.*'"),
        ([{"type": "l2", "match": {"role": "wieght"}}], {}, "no parameter matches 'role: wieght'"),
        ([{"type": "l2", "match": {"roll": "weight"}}], {}, "a pattern has no 'roll'"),
        ([{"type": "l2", "match": "model.one.*"}], {"train": {"freeze": ["model.one"]}},
         "no parameter is left for the regularizer 'regularizers.0'"),
        ([{"type": "l1"}, {"type": "l2", "match": "rest"}], {},
         "no parameter is left for the regularizer 'regularizers.1'"),
        ([{"type": "orthogonal"}], {}, "fewer than 2 axes"),
        ([{"type": "max_norm", "match": "*.bias"}], {}, "fewer than 2 axes"),
        (L2, {"schedule": {"type": "cosine", "of": "regularizers.*.strenth"}},
         "did you mean 'regularizers.0.strength'?"),
    ]
    runs = parts.run_all([((folder, experiment(r, more), rows()), {}) for r, more, _ in wrong])
    for (r, _, sentence), run in zip(wrong, runs):
        c.equal(f"{r}: exit", run.code, 2)
        c.within(f"{r}: sentence", run.err, sentence)
        c.within(f"{r}: place", run.err, ".yaml:1:")


def main():
    c = Checks()
    with Scratch() as folder:
        oracle(c, folder)
        untouched(c, folder)
        refused(c, folder)
    c.done()


main()

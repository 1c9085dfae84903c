# SPDX-License-Identifier: Apache-2.0
"""Optimizers against torch.optim: the parameters after each of 24 steps of the real
runner on a linear model, one batch the whole data."""
import parts
from harness import Checks, Scratch
from optimizer_cases import CASES, KEPT, STEPPED, STEPS, layer, shapes

# Each golden step comes with how far rounding to f32 moved the oracle's own result in 24
# samples (rounding.py): most by 1e-6 of the largest parameter, but Muon orthogonalises a
# gradient that nears 0 at the end of `muon decay`, and adaptive methods divide by one.
# Other samples, such as another processor's order of sums, are further by chance.
SAMPLES_TO_ALL = 2.5


def experiment(options, name=""):
    rows = shapes(name)[2][0]
    layers = [{"type": "dense", "units": rows}]
    if "image" in name:
        layers = [{"type": "conv2d", "channels": rows, "kernel": 3, "pad": 0},
                  {"type": "flatten"}]
    x = {"model": {"type": "sequential", "in": {"x": "data.x"}, "layers": layers},
         "loss": {"type": "mse", "in": {"prediction": "model.out", "target": "data.y"}},
         "optimizer": options}
    if "stepped" in name:
        x["schedule"] = STEPPED
    return x


def main():
    c = Checks()
    want = parts.golden("optimizers")
    c.equal("every case has its golden numbers", sorted(want), sorted(CASES))
    rows = {name: dict(zip("xy", shapes(name))) for name in ["", *CASES]}
    with Scratch() as folder:
        runs = parts.run_all([((folder, experiment(o, name), rows[name]),
                               {"steps": STEPS, "record_every_step": True})
                              for name, o in CASES.items()])
        for name, r in zip(CASES, runs):
            if r.absent:
                continue
            if not c.equal(f"{name}: runs", r.code, 0):
                print(r.err)
                continue
            for step, (weight, bias, spread) in zip(KEPT, want[name]):
                v = r.variables(step)
                far = max(parts.distance(v[layer(name) + ".weight"], weight),
                          parts.distance(v[layer(name) + ".bias"], bias))
                c.ok(f"{name}: step {step}", far <= SAMPLES_TO_ALL * spread,
                     f"  off by {far:g}; rounding moved the oracle by {spread:g}")
        wrong = [
            ({"type": "sgd", "lr": -0.1}, "lr is -0.1: it must be at least 0"),
            ({"type": "sgd", "momentum": 1}, "momentum is 1: it must be below 1"),
            ({"type": "sgd", "dampening": 1.5}, "dampening is 1.5: it must be at most 1"),
            ({"type": "sgd", "nesterov": True},
             "nesterov needs a momentum above 0 and no dampening"),
            ({"type": "sgd", "nesterov": True, "momentum": 0.9, "dampening": 0.1},
             "nesterov needs a momentum above 0 and no dampening"),
            ({"type": "sgd", "weight_decay": -1}, "weight_decay is -1: it must be at least 0"),
            ({"type": "adam", "beta1": 1}, "beta1 is 1: it must be below 1"),
            ({"type": "adam", "beta2": -0.5}, "beta2 is -0.5: it must be at least 0"),
            ({"type": "adamw", "eps": 0}, "eps is 0: it must be above 0"),
            ({"type": "adamw", "betas": [0.9, 0.99]}, "did you mean 'beta1'?"),
            ({"type": "rmsprop", "alpha": 1}, "alpha is 1: it must be below 1"),
            ({"type": "rmsprop", "momentum": -0.1}, "momentum is -0.1: it must be at least 0"),
            ({"type": "rmsprop", "centered": "maybe"}, "centered"),
            ({"type": "lamb", "weight_decay": -1}, "weight_decay is -1: it must be at least 0"),
            ({"type": "muon", "momentum": 1}, "momentum is 1: it must be below 1"),
            ({"type": "muon", "iterations": 0}, "iterations is 0: it must be at least 1"),
            ({"type": "muon", "scale": "adam"}, "did you mean 'adamw'?"),
            ({"type": "sdg"}, "did you mean 'sgd'?"),
        ]
        runs = parts.run_all([((folder, experiment(o), rows[""]), {}) for o, _ in wrong])
        for (o, sentence), r in zip(wrong, runs):
            if r.absent:
                continue
            c.equal(f"{o}: exit", r.code, 2)
            c.within(f"{o}: sentence", r.err, sentence)
    c.done()


main()

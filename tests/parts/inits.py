# SPDX-License-Identifier: Apache-2.0
"""Inits: the distribution that PyTorch draws from for the same shape, by bounds, moments
and the Kolmogorov-Smirnov distance; orthogonality; bits by seed and layer."""
from math import erf

import numpy as np
import parts
from harness import Checks, Scratch
from init_cases import CASES, SHAPES

ROWS = {"x": parts.numbers("inits/x", (2, 12, 5, 5))}
SIGMAS = 5.0  # how far a moment may be from its expectation
KS = 1.95     # of sqrt(n) D: 0.1 % of samples are beyond


def experiment(init, seed=1, layers=None):
    if layers is None:
        layers = [
            {"type": "flatten"}, {"type": "dense", "units": 120, "name": "dense"},
            {"type": "conv2d", "channels": 40, "kernel": 5, "pad": 2, "name": "conv",
             "input": "x"},
            {"type": "conv2d", "channels": 40, "kernel": 3, "pad": 1, "groups": 4,
             "name": "grouped"},
            {"type": "conv2d", "channels": 40, "kernel": 3, "pad": 1, "groups": 4,
             "name": "twin"},
            {"type": "conv_transpose2d", "channels": 24, "kernel": 3, "name": "up"},
            {"type": "flatten"}, {"type": "concat", "from": ["dense"]}]
    return {"model": {"type": "sequential", "in": {"x": "data.x"}, "layers": layers},
            "loss": {"type": "mse", "in": {"prediction": "model.out", "target": "0"}},
            "init": init, "seed": seed, "optimizer": {"type": "sgd", "lr": 0.0}}


def check_drawn(c, what, x, want):
    kind, a, b = want
    x = np.sort(x.reshape(-1).astype(np.float64))
    n = len(x)
    if kind == "uniform":
        mean, std, kurtosis = (a + b) / 2, (b - a) / 12 ** 0.5, 1.8
        below = (x - a) / (b - a)
        margin = 1e-6 * (b - a)
        c.ok(f"{what}: bounds", x[0] >= a - margin and x[-1] <= b + margin,
             f"  {x[0]} .. {x[-1]}, not {a} .. {b}")
        c.ok(f"{what}: the bounds are reached",
             x[0] < a + 20 * (b - a) / n and x[-1] > b - 20 * (b - a) / n)
    else:
        mean, std, kurtosis = a, b, 3.0
        below = np.array([0.5 + 0.5 * erf(v) for v in (x - a) / (b * 2 ** 0.5)])
    c.close(f"{what}: mean", x.mean(), mean, SIGMAS * std / n ** 0.5)
    c.close(f"{what}: variance", x.var(), std ** 2,
            SIGMAS * std ** 2 * ((kurtosis - 1) / n) ** 0.5)
    i = np.arange(n)
    d = max(np.max((i + 1) / n - below), np.max(below - i / n))
    c.ok(f"{what}: distribution", d * n ** 0.5 <= KS, f"  sqrt(n) D = {d * n ** 0.5:g}")


def drawn(c, folder):
    want = parts.golden("inits")
    c.equal("every case has its golden numbers", sorted(want), sorted(CASES))
    runs = parts.run_all([((folder, experiment(o), ROWS), {}) for o in CASES.values()])
    for name, r in zip(CASES, runs):
        if r.absent:
            continue
        if not c.equal(f"{name}: runs", r.code, 0):
            print(r.err)
            continue
        v = r.variables()
        for layer, shape in SHAPES.items():
            w = v[f"model.{layer}.weight"]
            c.equal(f"{name}: shape of {layer}", w.shape, shape)
            check_drawn(c, f"{name}: {layer}", w, want[name][layer])
        c.ok(f"{name}: biases stay 0", not v["model.conv.bias"].any())
        a, b = v["model.grouped.weight"].reshape(-1), v["model.twin.weight"].reshape(-1)
        r = np.corrcoef(a, b)[0, 1]
        c.ok(f"{name}: layers of one shape are unlike", abs(r) < SIGMAS / len(a) ** 0.5,
             f"  correlation {r:g}")


def fixed(c, folder):
    jobs = [({"type": "constant", "value": 0.375, "match": "rest"}, 1), ("zeros", 1),
            ("he", 1), ("he", 1), ("he", 2), ({"type": "orthogonal"}, 1),
            ({"type": "orthogonal", "gain": 1.5}, 1)]
    constant, zeros, a, b, other, square, scaled = [
        r.variables() for r in parts.run_all([((folder, experiment(o, s), ROWS), {})
                                              for o, s in jobs])]
    for layer in SHAPES:
        name = f"model.{layer}.weight"
        c.ok(f"constant: {layer}", np.all(constant[name] == 0.375))
        c.ok(f"zeros: {layer}", not zeros[name].any())
        c.ok(f"the same seed, the same bits: {layer}", np.array_equal(a[name], b[name]))
        c.ok(f"another seed: {layer}", np.mean(a[name] == other[name]) < 0.01)
        for v, gain in ((square, 1.0), (scaled, 1.5)):
            w = v[name].astype(np.float64)
            w = w.reshape(w.shape[0], -1)
            w = w if w.shape[0] <= w.shape[1] else w.T
            far = np.abs(w @ w.T - gain ** 2 * np.eye(w.shape[0])).max()
            c.ok(f"orthogonal, gain {gain}: {layer}", far < 1e-6, f"  off by {far:g}")
    c.ok("constant with match: rest takes biases", np.all(constant["model.conv.bias"] == 0.375))


def tall(c, folder):
    """More rows than columns: orthonormal columns."""
    layers = [{"type": "flatten"}, {"type": "dense", "units": 400, "name": "tall"}]
    v = parts.run(folder, experiment("orthogonal", layers=layers), ROWS).variables()
    w = v["model.tall.weight"].astype(np.float64)
    far = np.abs(w.T @ w - np.eye(300)).max()
    c.ok("orthogonal: columns of a tall matrix", far < 1e-6, f"  off by {far:g}")


def diracs(c, folder):
    layers = [{"type": "conv2d", "channels": 20, "kernel": 3, "name": "wide", "input": "x"},
              {"type": "conv2d", "channels": 8, "kernel": 2, "name": "narrow"},
              {"type": "flatten"}]
    for rest in (None, {"type": "constant", "value": 0.25}):
        init = {"type": "dirac", **({"rest": rest} if rest else {})}
        v = parts.run(folder, experiment(init, layers=layers), ROWS).variables()
        want = np.full((20, 12, 3, 3), 0.25 if rest else 0.0)
        want[:12] = 0.0
        want[range(12), range(12), 1, 1] = 1.0
        c.ok(f"dirac, rest {rest}: more filters", np.array_equal(v["model.wide.weight"], want))
        want = np.zeros((8, 20, 2, 2))
        want[range(8), range(8), 1, 1] = 1.0
        c.ok(f"dirac, rest {rest}: fewer", np.array_equal(v["model.narrow.weight"], want))


def whitened(c, folder):
    """What the filters give is uncorrelated, of variance 1, by NumPy's eigenvalues."""
    rng = np.random.default_rng(3)
    mixed = rng.standard_normal((300, 3, 8, 8)) @ rng.standard_normal((8, 8))
    image = np.einsum("nchw,cd->ndhw", mixed, rng.standard_normal((3, 3))).astype(np.float32)
    rows = {"image": image}
    for channels, samples in ((24, 5000), (9, 100)):
        layers = [{"type": "conv2d", "channels": channels, "kernel": 2, "name": "conv",
                   "input": "image"}, {"type": "flatten"}]
        spec = experiment({"type": "whiten", "samples": samples, "eps": 1e-6}, layers=layers)
        spec["model"]["in"] = {"x": "data.image"}
        spec["model"]["layers"][0].pop("input")
        r = parts.run(folder, spec, rows)
        if not c.equal(f"whiten {channels}: exit", (r.code, "" if r.code == 0 else r.err),
                       (0, "")):
            continue
        w = r.variables()["model.conv.weight"].reshape(channels, 12).astype(np.float64)
        x = image[:samples].astype(np.float64)
        patches = np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(2, 3))
        patches = patches.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 12)
        moments = patches.T @ patches / len(patches)
        value, vector = np.linalg.eigh(moments)
        want = (vector / np.sqrt(value + 1e-6)).T[::-1][:channels]
        sign = np.sign((want * w[:12]).sum(1, keepdims=True))
        far = np.abs(want * sign - w[:12]).max() / np.abs(want).max()
        c.ok(f"whiten {channels}: NumPy's eigenvectors", far < 1e-5, far)
        c.ok(f"whiten {channels}: then the other sign",
             np.array_equal(w[12:], -w[:max(0, channels - 12)]))
        first = min(channels, 12)
        far = np.abs(w[:first] @ moments @ w[:first].T - np.eye(first)).max()
        c.ok(f"whiten {channels}: outputs uncorrelated, variance 1", far < 1e-3, far)
    for change, sentence in (({"of": "picture"}, "the sample has no field 'picture'"),):
        spec["init"] = {"type": "whiten", **change}
        r = parts.run(folder, spec, rows)
        c.equal(f"whiten {change}: exit", r.code, 2)
        c.within(f"whiten {change}: sentence", r.err, sentence)
    spec["init"] = "whiten"
    spec["model"]["layers"][0]["channels"] = 25
    r = parts.run(folder, spec, rows)
    c.equal("whiten, too many: exit", r.code, 2)
    c.within("whiten, too many", r.err,
             "a patch of 'image' has 12 numbers, which gives 24 filters, not 25")
    spec["model"]["layers"] = [{"type": "flatten"}, {"type": "dense", "units": 3}]
    r = parts.run(folder, spec, rows)
    c.equal("whiten a matrix: exit", r.code, 2)
    c.within("whiten a matrix", r.err, "whiten needs the weights of a 2-D convolution")


def by_layer(c, folder):
    """What a layer asks for, and rules by pattern, the first match winning."""
    layers = [{"type": "flatten"},
              {"type": "dense", "units": 120, "init": "xavier", "name": "one"},
              {"type": "dense", "units": 80, "name": "two"},
              {"type": "layer_norm", "name": "norm"}]
    v = parts.run(folder, experiment(None, layers=layers), ROWS).variables()
    bound = (6 / (300 + 120)) ** 0.5
    check_drawn(c, "init of a layer", v["model.one.weight"], ("uniform", -bound, bound))
    bound = (6 / 120) ** 0.5
    check_drawn(c, "a layer's default: he", v["model.two.weight"], ("uniform", -bound, bound))
    c.ok("scale of a norm: 1", np.all(v["model.norm.scale"] == 1.0))
    c.ok("shift of a norm: 0", not v["model.norm.shift"].any())
    rules = {"first": {"match": "model.one.*", "type": "constant", "value": 2.0},
             "biases": {"match": {"role": "bias"}, "type": "constant", "value": 3.0},
             "others": {"match": {"rank": 2}, "type": "zeros"}}
    v = parts.run(folder, experiment(rules, layers=layers), ROWS).variables()
    got = {k: v[f"model.{k}"].flat[0] for k in ("one.weight", "one.bias", "two.bias",
                                                "two.weight", "norm.scale")}
    c.equal("rules by name, role and rank", got,
            {"one.weight": 2.0, "one.bias": 2.0, "two.bias": 3.0, "two.weight": 0.0,
             "norm.scale": 1.0})
    wrong = [
        ({"type": "normal", "std": -1}, "std is -1: it must be at least 0"),
        ({"type": "uniform", "low": 1, "high": 0}, "low must be below high"),
        ({"type": "xavier", "gain": 0}, "gain is 0: it must be above 0"),
        ({"type": "he", "fan": "inn"}, "did you mean 'in'?"),
        ({"type": "he", "distribution": "gauss"}, "gauss"),
        ({"type": "lecun", "gain": -1}, "gain is -1: it must be above 0"),
        ({"type": "orthogonal", "gain": 0}, "gain is 0: it must be above 0"),
        ({"type": "orthogonal", "match": "rest"}, "orthogonal needs a matrix"),
        ({"type": "constant", "value": "one"}, "value"),
        ({"type": "he", "match": "model.nothing.*"}, "no parameter matches 'model.nothing.*'"),
        ("hee", "did you mean 'he'?"),
    ]
    runs = parts.run_all([((folder, experiment(o, layers=layers), ROWS), {})
                          for o, _ in wrong])
    for (o, sentence), r in zip(wrong, runs):
        if r.absent:
            continue
        c.equal(f"{o}: exit", r.code, 2)
        c.within(f"{o}: sentence", r.err, sentence)
    layers[1]["init"] = "xavierr"
    r = parts.run(folder, experiment(None, layers=layers), ROWS)
    c.equal("init of a layer, misspelt: exit", r.code, 2)
    c.within("init of a layer, misspelt", r.err, "did you mean 'xavier'?")


def main():
    c = Checks()
    with Scratch() as folder:
        drawn(c, folder)
        fixed(c, folder)
        tall(c, folder)
        diracs(c, folder)
        whitened(c, folder)
        by_layer(c, folder)
    c.done()


main()

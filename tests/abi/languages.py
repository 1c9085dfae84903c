# SPDX-License-Identifier: Apache-2.0
"""Plugins in C++ (sdk/cpp.hpp) and in Rust (one file, no crate but core), built where the
compilers are; their numbers are NumPy's, exceptions are errors with text.

    languages.py RUNNER BUILD"""
import pathlib
import shutil
import subprocess
import sys

import h5py
import numpy as np

from harness import Checks, Scratch, runner
import prefix

here = pathlib.Path(__file__).resolve().parent
c = Checks()
FLAGS = prefix.flags({"PKG_CONFIG_PATH": f"{sys.argv[2]}/meson-uninstalled"})
STEPS, RATE = 5, 0.5


def build(to, *command):
    if not shutil.which(command[0]):
        print(f"SKIP: {to.stem}: there is no {command[0]}")
        return False
    p = subprocess.run([*command, "-o", to], text=True, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)
    c.ok(f"{to.stem} builds with {command[0]}", p.returncode == 0, p.stdout)
    return p.returncode == 0


def experiment(top, plugin, data, loss, device="reference"):
    (top / "x.yaml").write_text(f"""
name: languages
seed: 1
plugins: [./{plugin}]
data: {data}
device: {device}
model: {{type: sequential, in: {{x: data.x}}, layers: [{{type: dense, units: 1}}]}}
init: {{type: constant, value: 0, match: "*"}}
loss: {loss}
optimizer: {{type: sgd, lr: {RATE}}}
train: {{steps: {STEPS}, log_every: 1}}
output: runs
""")
    return runner(top / "x.yaml", cwd=top, timeout=60)


def curve(r, top):
    with h5py.File(r.folder(top) / "run.h5") as f:
        return f["scalars/train/loss/value"][:]


def descend(x, y, loss, slope):
    """Losses of STEPS steps of gradient descent on all rows, in f64."""
    w, b, losses = np.zeros(x.shape[1]), 0.0, []
    for _ in range(STEPS):
        p = x @ w + b
        losses.append(loss(p, y).mean())
        g = slope(p, y) / len(y)
        w, b = w - RATE * x.T @ g, b - RATE * g.sum()
    return np.array(losses)


def header(top):
    """cpp.hpp alone, in the oldest and the newest dialect."""
    (top / "header.cpp").write_text("#include <runner/sdk/cpp.hpp>\nextern int nothing;\n")
    for compiler in ("g++", "clang++"):
        if not shutil.which(compiler):
            print(f"SKIP: cpp.hpp: there is no {compiler}")
            continue
        for dialect in ("c++17", "c++20"):
            p = subprocess.run([compiler, f"-std={dialect}", "-fsyntax-only", "-Wall", "-Wextra",
                                "-Wpedantic", "-Wshadow", "-Wconversion", "-Wno-unused-function",
                                "-Werror", *FLAGS, top / "header.cpp"], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if "cstdint" in p.stdout and "not found" in p.stdout:
                print(f"SKIP: cpp.hpp: {compiler} has no C++ library")
                break
            c.ok(f"cpp.hpp, {compiler} {dialect}", p.returncode == 0, p.stdout)


def cpp(top):
    if not build(top / "clamped.so", "g++", "-std=c++17", "-shared", *FLAGS, "-Wall", "-Wextra",
                 "-Wpedantic", "-Werror", here / "languages/clamped.cpp"):
        return
    data = ("{source: {type: acme.cpp/grid, side: %s}, batch: 256, "
            "transforms: [{type: acme.cpp/moved, of: y, by: 0.1}]}")
    loss = "{type: acme.cpp/clamped, most: %s, in: {prediction: model.out, target: data.y}}"
    side = np.arange(16) / 16 - 0.5
    x = np.array([(a, b) for a in side for b in side])
    y = x[:, 0] - 2 * x[:, 1] + 0.1
    want = descend(x, y, lambda p, t: np.minimum(np.abs(p - t), 0.7),
                   lambda p, t: np.where(np.abs(p - t) < 0.7, np.sign(p - t), 0.0))
    for device in ("reference", "cpu"):
        r = experiment(top, "clamped.so", data % 16, loss % 0.7, device)
        c.ok(f"C++, {device}: trains", r.code == 0, r.err)
        got = curve(r, top) if r.code == 0 else np.zeros(STEPS)
        c.ok(f"C++, {device}: NumPy's losses", np.allclose(got, want, rtol=1e-5), f"{got}\n{want}")
    r = experiment(top, "clamped.so", data % 15, loss % 1)
    c.equal("C++: an rn::Error's status", r.code, 2)
    for words in ("the side is odd", "an even number, such as 16", "x.yaml:5:",
                  "clamped.so (create)"):
        c.within("C++: an rn::Error", r.err, words)
    r = experiment(top, "clamped.so", data % 16, loss % 1e7)
    c.equal("C++: another exception: of a describe, exit code 2", r.code, 2)
    for words in ("nothing would be clamped", "clamped.so (describe)", "x.yaml:9:"):
        c.within("C++: another exception", r.err, words)
    r = experiment(top, "clamped.so", "{source: {type: acme.cpp/grid, side: 16}, batch: 256, "
                   "transforms: [{type: one_hot, of: y, classes: 2}, "
                   "{type: acme.cpp/moved, of: y}]}", loss % 1)
    c.ok("C++: an error of a transform is no crash", r.code in (2, 3), r.err)


def rust(top):
    if not build(top / "tilted.so", "rustc", "--edition", "2021", "--crate-type", "cdylib", "-C",
                 "panic=abort", "-C", "opt-level=2", "-D", "warnings",
                 here / "languages/tilted.rs"):
        return
    rows = np.random.default_rng(1).normal(size=(64, 3)).round(3)
    (top / "rows.csv").write_text("a,b,y\n" + "".join(f"{a},{b},{y}\n" for a, b, y in rows))
    data = ("{source: {type: csv, file: rows.csv, features: [a, b], target: y}, batch: 64, "
            "transforms: [{type: reshape, of: y, shape: [1]}]}")
    want = descend(rows[:, :2], rows[:, 2], lambda p, t: np.maximum(0.8 * (t - p), -0.2 * (t - p)),
                   lambda p, t: np.where(t > p, -0.8, 0.2))
    for device in ("reference", "cpu"):
        r = experiment(top, "tilted.so", data, "{type: acme.rust/pinball, quantile: 0.8, in: "
                       "{prediction: model.out, target: data.y}}", device)
        c.ok(f"Rust, {device}: trains", r.code == 0, r.err)
        got = curve(r, top) if r.code == 0 else np.zeros(STEPS)
        c.ok(f"Rust, {device}: NumPy's losses", np.allclose(got, want, rtol=1e-5), f"{got}\n{want}")
    r = experiment(top, "tilted.so", data, "{type: acme.rust/pinball, quantile: 2}")
    c.ok("Rust: its options are checked", r.code == 2 and "below 1" in r.err, r.err)


with Scratch() as top:
    header(top)
    cpp(top)
    rust(top)
c.done()

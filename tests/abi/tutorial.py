# SPDX-License-Identifier: Apache-2.0
"""docs/tutorial.md does what it says: its code is the code of docs/tutorial/, its commands
run as they stand, and what they train agrees with numpy.

    tutorial.py RUNNER BUILD KERNEL_GRADIENT"""
import gzip
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy as np

from harness import Checks, ROOT, latest
import prefix

c = Checks()
document = (ROOT / "docs/tutorial.md").read_text()
blocks = re.findall(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", document, re.S | re.M)

# Every file is shown whole, under its name.
for name in ["my_loss", "my_optimizer", "my_kernel"]:
    for suffix in ["c", "yaml"]:
        file = ROOT / f"docs/tutorial/{name}.{suffix}"
        shown = re.search(rf"^`{file.name}`\n\n```{suffix}\n(.*?)^```$", document,
                          re.S | re.M)
        c.ok(f"{file.name} is shown as it is", shown and shown.group(1) == file.read_text())
c.equal("the tutorial's files are shown, each once",
        len([b for b in blocks if b[0] in ("c", "yaml")]),
        len(list((ROOT / "docs/tutorial").glob("*.[cy]*"))))
lines = len((ROOT / "docs/tutorial/my_loss.c").read_text().splitlines())
c.ok("the loss has about thirty lines", lines <= 35, lines)

images = np.frombuffer(gzip.decompress((ROOT / "datasets/digits-images.idx3.gz")
                                       .read_bytes())[16:], np.uint8)
labels = np.frombuffer(gzip.decompress((ROOT / "datasets/digits-labels.idx1.gz")
                                       .read_bytes())[8:], np.uint8)
X, Y = images.reshape(len(labels), -1) / 16.0, labels.astype(int)
HOT = np.eye(10)[Y]

LINEAR = """
name: NAME
seed: 1
data:
  train: {type: idx, images: DATA-images.idx3.gz, labels: DATA-labels.idx1.gz}
  transforms: [{type: scale, of: image, factor: 0.0625}]
  batch: 1797
device: reference
model: {type: sequential, in: {x: data.image}, layers: [{type: flatten}, {type: dense, units: 10, init: zeros}]}
train: {steps: 6, log_every: 1}
plugins: [PLUGIN]
loss: LOSS
optimizer: OPTIMIZER
output: runs
"""


def softmax(w, bias):
    z = X @ w.T + bias
    z -= z.max(axis=1, keepdims=True)
    p = np.exp(z)
    return p / p.sum(axis=1, keepdims=True)


def train(update, epsilon, steps=6):
    """Losses and weights of full-batch training from zeros, in f64. The gradient of the
    formula by hand: (1 + epsilon p) (softmax - onehot) / n."""
    w = {"weight": np.zeros((10, 64)), "bias": np.zeros(10)}
    losses, state = [], {}
    for step in range(steps):
        p = softmax(w["weight"], w["bias"])
        right = (p * HOT).sum(axis=1)
        losses.append(np.mean(-np.log(right) + epsilon * (1 - right)))
        d = (1 + epsilon * right)[:, None] * (p - HOT) / len(Y)
        for name, g in {"weight": d.T @ X, "bias": d.sum(axis=0)}.items():
            w[name] = update(state.setdefault(name, {}), w[name], g)
    return losses, w


def gradient_descent(state, w, g):
    return w - 0.5 * g


def lion(state, w, g, lr=0.01, decay=0.1, beta1=0.8, beta2=0.95):
    m = state.get("m", np.zeros_like(g))
    state["m"] = beta2 * m + (1 - beta2) * g
    return w - lr * (np.sign(beta1 * m + (1 - beta1) * g) + decay * w)


with tempfile.TemporaryDirectory(prefix="runner-tutorial-") as t:
    top = pathlib.Path(t)
    for part in ("docs/tutorial", "configs", "datasets"):
        shutil.copytree(ROOT / part, top / part, ignore=shutil.ignore_patterns("*.so"))
    (top / "bin").mkdir()
    (top / "bin/runner").symlink_to(pathlib.Path(sys.argv[1]).resolve())
    env = {k: v for k, v in os.environ.items() if not k.startswith(("RUNNER_", "XDG_")) or k == "RUNNER_ISA"}
    env.update(prefix.environment(c, sys.argv[2], top / "prefix"), HOME=t,
               PATH=f"{top}/bin:{os.environ['PATH']}")
    env["CFLAGS"] = ""
    # One shell for all, as a reader has one; `fails` marks what must be refused.
    ran = 0
    script = ["set -e"]
    for language, mark, text in blocks:
        if language != "sh" or mark in ("setup", "paths"):
            continue
        for line in text.splitlines():
            ran += 1
            script.append(f"if {line}; then echo 'not refused' >&2; exit 99; fi"
                          if mark == "fails" else line)
    p = subprocess.run(["sh", "-c", "\n".join(script)], cwd=top, env=env, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    c.ok(f"the {ran} commands of the tutorial run as they stand",
         p.returncode == 0 and ran >= 9, p.stdout)
    c.within("plugin show", p.stdout, "loss my.losses/poly1")
    c.within("the refused option", p.stdout, "did you mean 'epsilon'?")
    c.equal("three runs end with their accuracy",
            len(re.findall(r"^test/accuracy 0\.\d+$", p.stdout, re.M)), 3)
    accuracy = [float(a) for a in re.findall(r"^test/accuracy (\S+)$", p.stdout, re.M)]
    c.ok("each learns", min(accuracy, default=0) > 0.8, accuracy)

    def curve(name, series="train/loss", where=top / "docs/tutorial/runs"):
        with h5py.File(latest(where, name) / "run.h5") as f:
            return f[f"scalars/{series}/value"][:]

    def linear(name, plugin, loss, optimizer):
        file = top / f"{name}.yaml"
        file.write_text(LINEAR.replace("NAME", name).replace("DATA", f"{top}/datasets/digits")
                        .replace("PLUGIN", f"docs/tutorial/{plugin}.so")
                        .replace("LOSS", loss).replace("OPTIMIZER", optimizer))
        p = subprocess.run(["runner", file], cwd=top, env=env, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        c.ok(f"{name} runs", p.returncode == 0, p.stdout)
        folder = latest(top / "runs", name)
        with h5py.File(next((folder / "checkpoints").glob("step*"))) as f:
            w = {k.split(".")[-1]: f["variables"][k][()] for k in f["variables"]
                 if k.startswith("model.")}
        return curve(name, where=top / "runs"), w

    def agrees(what, got, want, tolerance):
        far = max([np.abs(np.array(got[0]) - want[0]).max()] +
                  [np.abs(got[1][k] - want[1][k]).max() for k in want[1]])
        c.ok(f"{what} ({far:.2g})", far < tolerance, f"  {got[0]}\n  {want[0]}")

    sgd = "{type: sgd, lr: 0.5}"
    # The runner sums 1,797 losses in f32: 2e-6 of 4.
    want = train(gradient_descent, 2.0)
    agrees("loss and its derived gradient against numpy",
           linear("loss", "my_loss", "{type: my.losses/poly1, epsilon: 2}", sgd), want, 1e-5)
    agrees("hand-written kernels against numpy",
           linear("kernel", "my_kernel", "{type: my.kernels/poly1, epsilon: 2}", sgd), want,
           1e-5)
    agrees("optimizer against numpy",
           linear("lion", "my_optimizer", "cross_entropy",
                  "{type: my.optimizers/lion, lr: 0.01, weight_decay: 0.1, beta1: 0.8, "
                  "beta2: 0.95}"), train(lion, 0.0), 1e-5)

    p = subprocess.run([sys.argv[3], top / "docs/tutorial/my_kernel.so"], text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    c.ok("the hand-written gradient against finite differences", p.returncode == 0, p.stdout)

    # A folder with a space: `./dev plugin` instead of pkg-config.
    if shutil.which("dpkg-query"):
        space = top / "a folder"
        space.mkdir()
        shutil.copy(ROOT / "docs/tutorial/my_loss.c", space)
        p = subprocess.run([ROOT / "dev", "plugin", space / "my_loss.c"], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        c.ok("./dev plugin builds beside the source", p.returncode == 0
             and (space / "my_loss.so").exists(), p.stdout)
    else:
        print("SKIP: no dpkg-query: ./dev plugin is not tried")
c.done()

# SPDX-License-Identifier: Apache-2.0
"""Named programs and cadences: a small GAN with two optimizers, from YAML alone, learns where
its data lie; a program leaves the parameters of the other alone."""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recorded import *  # noqa: E402,F403
from harness import Checks, Scratch  # noqa: E402

# The generator is x -> A z + b in two dimensions, so that what it has learnt can be read
# off its parameters: b is the mean of what it makes, A A' the covariance.
GAN = """
name: gan
seed: 1
data:
  source: {type: npy, files: {real: real.npy, z: z.npy}}
  split: {kind: random, val: 0.1}
  batch: 128
model:
  generator:
    type: sequential
    in: {x: data.z}
    layers: [{type: dense, units: 2, name: fc}]
  critic:
    type: mlp
    in: {x: [data.real, model.generator.out]}
    hidden: [32, 32]
    outputs: 1
    activation: tanh
loss:
  real: {type: bce, in: {logits: model.critic.0.out, target: 1}}
  fake: {type: bce, in: {logits: model.critic.1.out, target: 0}}
  fool: {type: bce, in: {logits: model.critic.1.out, target: 1}}
optimizer:
  critic: {type: adam, lr: 0.01, beta1: 0.5}
  generator: {type: sgd, lr: 0.1}
schedule: cosine
train:
  epochs: 80
  programs:
    - {name: critic, minimize: [real, fake], update: [model.critic], optimizer: [critic]}
    - {name: generator, minimize: [fool], update: [model.generator],
       optimizer: [generator], every: 2}
"""
MEAN, DEVIATION = np.array([2.0, -1.0]), np.array([0.5, 1.5])


def learns(c, top):
    rng = np.random.default_rng(1)
    real = rng.normal(size=(1024, 2)) * DEVIATION + MEAN
    np.save(top / "real.npy", real.astype(np.float32))
    np.save(top / "z.npy", rng.normal(size=(1024, 2)).astype(np.float32))
    path = config(top, GAN)
    r, f = train(path)
    if not c.equal("gan: exit", r.code, 0):
        print(r.err)
        return None, None
    v = variables(f)
    a, b = v["model.generator.fc.weight"], v["model.generator.fc.bias"]
    made = np.sqrt(np.diag(a @ a.T))
    c.ok("gan: mean of the data", np.abs(b - MEAN).max() < 0.25, f"  {b}")
    c.ok("gan: deviation of the data", np.abs(made / DEVIATION - 1).max() < 0.2, f"  {made}")
    c.equal("gan: each program's steps", (int(v["run.applied.critic"]),
                                          int(v["run.applied.generator"])), (640, 320))
    names = {k for k in datasets(f / "run.h5") if k.endswith("/value")}
    for name in ("train/loss.critic", "train/loss.generator", "live/optimizer.critic.lr",
                 "live/optimizer.generator.lr", "val/loss.fool"):
        c.ok(f"gan: {name} is recorded", f"scalars/{name}/value" in names)
    return path, f


def apart(c, path, whole):
    """From step 1 to 5 the generator's turn never comes."""
    rare = ["~train.epochs", "train.programs.1.every=100"]
    _, first = train(path, *rare, "train.steps=1")
    _, later = train(path, *rare, "train.steps=5")
    a, b = variables(first), variables(later)
    for name in a:
        same = a[name].tobytes() == b[name].tobytes()
        mine = "generator" in name
        if name.startswith("optimizer.") or ".fc." in name or "head" in name:
            c.equal(f"apart: {name} unchanged", same, mine)
    _, never = train(path, *rare, "train.steps=5", "train.programs.0.every=100",
                     "train.programs.1.every=1")
    c.ok("apart: the other way round",
         variables(never)["model.critic.head.weight"].tobytes()
         == a["model.critic.head.weight"].tobytes())
    _, stopped = train(path, "train.max_time=0.05s", "checkpoint.every=1000st")
    runner("resume", stopped, "~train.max_time")
    c.equal("apart: stopped and resumed", verified(stopped), verified(whole))


def refused(c, path):
    for what, args, word in (
            ("no such loss", ["train.programs.0.minimize=[reel]"], "no loss matches 'reel'"),
            ("no such optimizer", ["train.programs.0.optimizer=[d]"],
             "no optimizer matches 'd'"),
            ("nothing to update", ["train.programs.0.update=[model.nobody]"], "model.nobody")):
        r, _ = train(path, *args)
        c.equal(f"{what}: exit", r.code, 2)
        c.within(f"{what}: says so", r.err, word)


c = Checks()
with Scratch() as top:
    path, whole = learns(c, top)
    if path:
        apart(c, path, whole)
        refused(c, path)
c.done()

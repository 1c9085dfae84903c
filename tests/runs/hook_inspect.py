#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The hook inspect: its numbers against numpy's from the checkpointed weights, its
cadence, the bits of the run with and without it, and its early words."""
import re

import h5py
import numpy as np
import yaml

from harness import IN_MEMORY, ROOT, Checks, Scratch, latest, runner

check = Checks()
ROWS = ["mean", "standard deviation", "smallest", "largest", "2-norm", "share of zeros"]


def train(folder, config, *args, code=0, verb=None):
    (folder / "e.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    r = runner(folder / "e.yaml", *args, "--progress", "none", cwd=folder)
    check.equal(f"exit code {args}", r.code, code) or print(r.err)
    return r


def run_of(folder, name="small"):
    return latest(folder / "runs", name)


def sha(folder, name="small"):
    r = runner("verify", run_of(folder, name))
    check.equal("verify", r.code, 0)
    return re.search(r"sha256=(\w+)", r.out).group(1)


def words(r):
    return [line for line in r.err.splitlines() if line.startswith("warning: ")]


def small(folder, **more):
    """40 rows in one batch, so that the order does not matter: x -> 8 ReLUs -> 1."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((40, 5)).astype("f4")
    y = (x @ rng.standard_normal((5, 1)) + 0.3).astype("f4")
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    config = {"name": "small", "seed": 2, "output": str(folder / "runs"),
              "data": {"source": {"type": "npy", "files": {"x": "x.npy", "y": "y.npy"}},
                       "batch": 40},
              "model": {"type": "sequential", "in": {"x": "data.x"},
                        "layers": [{"type": "dense", "units": 8, "name": "one"},
                                   {"type": "relu", "name": "bend"},
                                   {"type": "dense", "units": 1, "name": "two"}]},
              "loss": {"type": "mse", "in": {"prediction": "model.out", "target": "data.y"}},
              "optimizer": {"type": "sgd", "lr": 0.05}, "train": {"steps": 6},
              "checkpoint": {"every": "1st", "keep": 9},
              "hooks": {"type": "inspect", "every": "1st"}, **more}
    return x.astype(float), y.astype(float), config


def statistics(a, units=None):
    a = np.asarray(a, float)
    dead = 0.0 if units is None else (np.abs(a).max(axis=0) == 0).mean()
    return np.array([a.mean(), a.std(), a.min(), a.max(), np.sqrt((a * a).sum()),
                     (a == 0).mean(), dead])


def test_numbers(folder):
    x, y, config = small(folder)
    train(folder, config)
    run = run_of(folder)
    with h5py.File(run / "run.h5") as f:
        series = {}
        f["tensors/inspect"].visititems(
            lambda n, o: series.update({n: (o["step"][:], o["value"][:])})
            if isinstance(o, h5py.Group) and "value" in o else None)
        doc = f["tensors/inspect/weight/model.one.weight/value"].attrs["doc"].decode()
    check.equal("series", sorted(series), sorted(
        [f"activation/model.{n}" for n in ("one", "bend", "two")] +
        [f"{k}/model.{n}.{p}" for k in ("gradient", "weight") for n in ("one", "two")
         for p in ("weight", "bias")]))
    for word in ROWS + ["share of units"]:
        check.within("the columns are documented", doc, word)
    # step k is looked at before its update: the weights are those of checkpoint k
    for step in range(1, 6):
        with h5py.File(run / f"checkpoints/step-{step:08d}.h5") as f:
            v = {n: f[f"variables/model.{n}"][...].astype(float)
                 for n in ("one.weight", "one.bias", "two.weight", "two.bias")}
        one = x @ v["one.weight"].T + v["one.bias"]
        bend = np.maximum(one, 0)
        two = bend @ v["two.weight"].T + v["two.bias"]
        g = 2 * (two - y) / 40
        back = (g @ v["two.weight"]) * (one > 0)
        want = {"activation/model.one": statistics(one, 1),
                "activation/model.bend": statistics(bend, 1),
                "activation/model.two": statistics(two, 1),
                "gradient/model.one.weight": statistics(back.T @ x),
                "gradient/model.one.bias": statistics(back.sum(0)),
                "gradient/model.two.weight": statistics(g.T @ bend),
                "gradient/model.two.bias": statistics(g.sum(0))}
        want.update({f"weight/model.{n}": statistics(a) for n, a in v.items()})
        for name, numbers in want.items():
            steps, rows = series[name]
            check.ok(f"{name} at step {step}", steps[step] == step and
                     np.allclose(rows[step], numbers, rtol=3e-5, atol=3e-6),
                     f"{rows[step]}\n{numbers}")


def test_cadence(folder):
    """every: durations, what is asked for, and the same bits with it as without."""
    _, _, config = small(folder)
    config["data"]["batch"] = 8  # 5 steps an epoch
    config["train"] = {"epochs": 4}
    config["checkpoint"] = {"every": "2ep"}
    config.pop("hooks")
    train(folder, config)
    plain = sha(folder)
    wanted = {"1ep": [0, 5, 10, 15], "3st": [0, 3, 6, 9, 12, 15, 18], "50%": [0, 10],
              "1st": list(range(20))}
    for every, steps in wanted.items():
        config["hooks"] = {"type": "inspect", "every": every}
        train(folder, config)
        check.equal(f"bits with every: {every}", sha(folder), plain)
        with h5py.File(run_of(folder) / "run.h5") as f:
            got = f["tensors/inspect/weight/model.one.weight/step"][:].tolist()
            check.equal(f"steps of every: {every}", got, steps)
    config["hooks"] = {"type": "inspect", "every": "1st", "activations": False,
                       "gradients": False}
    train(folder, config)
    with h5py.File(run_of(folder) / "run.h5") as f:
        check.equal("kinds", list(f["tensors/inspect"]), ["weight"])
    # a batch norm and dropout and short last batches: still the same bits
    config["data"]["batch"] = 16
    config["model"]["layers"][1:1] = [{"type": "batch_norm"}, {"type": "dropout", "p": 0.3}]
    config.pop("hooks")
    train(folder, config)
    plain = sha(folder)
    config["hooks"] = {"type": "inspect", "every": "1st"}
    train(folder, config)
    check.equal("bits with dropout and normalisation", sha(folder), plain)
    config["train"] = {"epochs": 2, "accumulate": 2}
    r = train(folder, config)
    check.equal("accumulating: said once", [w for w in words(r) if "accumulate" in w],
                ["warning: hooks: steps that accumulate are not looked into: no statistics "
                 "of activations, gradients and weights"])


def test_words(folder):
    x, y, config = small(folder)
    r = train(folder, config)
    check.equal("a healthy one says nothing", words(r), [])
    check.equal("nothing in log.txt", "exploding" in (run_of(folder) / "log.txt").read_text(),
                False)

    dead = dict(config, init={"low": {"match": "model.one.bias", "type": "constant",
                                      "value": -50}})
    r = train(folder, dead)
    check.equal("dead", words(r), [
        "warning: step 0: 100 % of the units of model.bend are zero for the whole batch (dead "
        "ReLUs); a smaller optimizer.lr or init: he may help"])
    check.within("also in log.txt", (run_of(folder) / "log.txt").read_text(), "model.bend")
    dead["hooks"] = dict(config["hooks"], activations=False)
    # with the activations not looked at, the gradient that is gone is what can be said
    r = train(folder, dead)
    check.equal("vanishing", len(words(r)), 1)
    check.within("vanishing", words(r)[0], "the gradient of model.one.weight has norm 0")

    # every 50 steps only: the growth of the whole gradient makes it look in time
    wild = dict(config, optimizer={"type": "sgd", "lr": 1.5}, train={"steps": 300},
                hooks={"type": "inspect", "every": "50st"})
    r = train(folder, wild, code=5)
    check.equal("exploding", len(words(r)), 1)
    m = re.match(r"warning: step (\d+): the gradient of model\.(one|two)\.weight has norm "
                 r"([0-9.e+]+), where ([0-9.e+-]+) was the most at first \(exploding\); a "
                 r"smaller optimizer\.lr or train\.clip\.norm may help", words(r)[0])
    check.ok("exploding", m, words(r)[0])
    end = re.search(r"step (\d+): loss", r.err)
    check.ok("before it is over", m and end and int(m.group(1)) < int(end.group(1)) and
             float(m.group(3)) < 1e30, r.err)
    # clipping, as the word says, helps
    r = train(folder, wild, "train.clip.norm=0.1", "optimizer.lr=0.05")
    check.equal("clipped", words(r), [])


def test_resume(folder):
    """What the hook remembers goes on with the run: rows and words as if not stopped."""
    _, _, config = small(folder)
    config.update(optimizer={"type": "sgd", "lr": 0.3}, checkpoint={"every": "1st", "keep": 40},
                  train={"steps": 12}, hooks={"type": "inspect", "every": "50st"})
    config["hooks"]["explode"] = 2
    r = train(folder, config)
    whole = run_of(folder)
    with h5py.File(whole / "run.h5") as f:
        want = f["tensors/inspect/gradient/model.one.weight"]
        want = want["step"][:].tolist(), want["value"][:].tolist()
    check.ok("it looked beyond its cadence", len(want[0]) > 1, str(want[0]))
    said = words(r)
    check.equal("one word", len(said), 1)
    asked = want[0][1]
    # stopped between the asking and the look: cut the checkpoints behind it
    newest = sorted((whole / "checkpoints").glob("step-*.h5"))
    for file in newest:
        if int(file.stem.split("-")[1]) > asked:
            file.unlink()
    (whole / "CURRENT").unlink()
    r = runner("resume", whole, "--progress", "none", cwd=folder)
    check.equal("resume", r.code, 0) or print(r.err)
    with h5py.File(whole / "run.h5") as f:
        got = f["tensors/inspect/gradient/model.one.weight"]
        got = got["step"][:].tolist(), got["value"][:].tolist()
    check.equal("the same looks", got, want)


def test_quickstart(folder):
    """Nothing to say of the first experiment that anyone runs, looked at often."""
    r = runner(ROOT / "configs/quickstart.yaml", f"output={folder}/runs", "train.epochs=2",
               "hooks.every=4st", "--progress", "none", cwd=folder)
    check.equal("quickstart", (r.code, words(r)), (0, []))


def test_owners(folder):
    """A series is one hook's: two that look at the same are refused, not mixed."""
    hooks = "hooks={a: {type: inspect, every: 4st}, b: {type: inspect, every: 4st}}"
    r = runner(ROOT / "configs/quickstart.yaml", f"output={folder}/runs", hooks,
               "--progress", "none", cwd=folder)
    check.equal("two hooks, one series: exit", r.code, 4)
    check.ok("two hooks, one series: says so", "another hook's already" in r.err, r.err)


with Scratch(IN_MEMORY) as folder:
    for test in (test_owners, test_numbers, test_cadence, test_words, test_resume, test_quickstart):
        test(folder)
check.done()

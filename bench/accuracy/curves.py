#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training curves of runner beside PyTorch: the same data in the same order, first values
drawn from the same distributions, the same optimizer and schedule; over seeds.

    curves.py measure --out curves.jsonl [--seeds 1-5] [NAME ...]
    curves.py table curves.jsonl

A line of FILE is one run with the loss of every step; what it holds is not measured
again. The table has the mean loss of each fifth of the steps, and runner minus PyTorch,
paired by the seed (which gives the order of the data), with its 95 % interval."""
import argparse
import collections
import json
import math
import os
import pathlib
import statistics
import sys
import time

import h5py
import numpy as np

import experiment

TREE = experiment.TREE
sys.path.append(str(TREE / "bench/peers"))  # behind this folder: both have a torch_peer
from order import order  # noqa: E402

# Name -> config, overrides. Networks or data are made smaller where the whole takes hours.
RUNS = {
    "letters": ("letters", ["train.steps=300"]),
    "char-gpt": ("char-gpt", ["train.steps=100"]),
    "resnet-18, width 16": ("resnet", ["model.width=16", "train.steps=60", "~augment",
                                       "schedule.length=10st", "data.batch=64"]),
    "resnet-18": ("resnet", ["train.steps=25", "~augment", "schedule.length=5st",
                             "data.batch=64"]),
}
COMMON = ["~train.epochs", "train.log_every=1", "~checkpoint.best"]
SMALL = {"resnet": ["~data.test", "data.split.val=64"],
         "char-gpt": ["data.split.val=64", "data.split.test=64"], "letters": []}


# ------------------------------------------------------------------------------- PyTorch

def first_values(net, kind):
    """Those of the config: he for layers before a ReLU, xavier for the head; gpt: normal."""
    from torch import nn
    for name, module in net.named_modules():
        if kind == "gpt" and isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        elif isinstance(module, (nn.Linear, nn.Conv2d)):
            if name == "head":
                nn.init.xavier_uniform_(module.weight)
            else:
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        if getattr(module, "bias", None) is not None and hasattr(module.bias, "data"):
            nn.init.zeros_(module.bias)


def network(model, x):
    import torch_nets
    from torch import nn
    if model["type"] == "gpt":
        net = torch_nets.GPT(model["vocabulary"], x.shape[1], model["width"], model["heads"],
                             model["layers"])
    elif model["type"] == "resnet":
        net = torch_nets.ResNet([2, 2, 2, 2], model["width"], "B")
        net.stem = nn.Conv2d(x.shape[1], model["width"], 3, 1, 1, bias=False)
    else:
        net = torch_nets.perceptron(x.shape[1], *model["hidden"], model["outputs"])
    first_values(net, model["type"])
    return net


def of_torch(x, seed, steps):
    import torch
    from torch.nn import functional as F
    import torch_peer
    torch.manual_seed(seed)
    rows, labels = (torch.from_numpy(a) for a in x.parts["train"])
    net = network(x.yaml["model"], rows)
    o, batch = x.yaml["optimizer"], x.yaml["data"]["batch"]
    if o["type"] == "sgd":
        optimizer = torch.optim.SGD(net.parameters(), float(o["lr"]), o["momentum"],
                                    weight_decay=float(o["weight_decay"]))
    else:
        optimizer = torch_peer.optimizer(o, net.parameters())
    base, clip = float(o["lr"]), (x.yaml["train"].get("clip") or {}).get("norm")
    losses, epoch = [], 0
    net.train()
    while len(losses) < steps:
        for ids in np.split(order(len(rows), seed, epoch), range(batch, len(rows), batch)):
            optimizer.param_groups[0]["lr"] = base * torch_peer.rate(x.yaml["schedule"],
                                                                     len(losses), steps)
            out, y = net(rows[ids]), labels[ids]
            loss = F.cross_entropy(out.flatten(0, -2), y.flatten().long())
            optimizer.zero_grad()
            loss.backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(net.parameters(), float(clip))
            optimizer.step()
            losses.append(loss.item())
            if len(losses) == steps:
                break
        epoch += 1
    return losses


# ---------------------------------------------------------------------------------- runs

def of_runner(o, name, seed):
    config, overrides = RUNS[name]
    file = TREE / "configs" / f"{config}.yaml"
    experiment.run(o.runner, file, o.work,
                   [f"seed={seed}", "output=curves", *COMMON, *SMALL[config], *overrides,
                    "device={type: cpu, threads: %d}" % o.threads])
    run = o.work / "curves" / experiment.Experiment.run_name(file) / "latest"
    with h5py.File(run / "run.h5") as f:
        return f["scalars/train/loss/value"][...].tolist()


def measure(o):
    file = pathlib.Path(o.out)
    lines = map(json.loads, file.read_text().splitlines()) if file.exists() else []
    done = {(r["name"], r["peer"], r["seed"]) for r in lines}
    first, _, last = o.seeds.partition("-")
    import torch
    torch.set_num_threads(o.threads)
    for name in o.names or RUNS:
        config, overrides = RUNS[name]
        # The step that shows the data is of runner itself; its loss is not used.
        x = experiment.Experiment(o.runner, config, o.work, [
            v for v in SMALL[config] + overrides if not v.startswith("train.steps")])
        for seed in range(int(first), int(last or first) + 1):
            for peer in "runner", "PyTorch":
                if (name, peer, seed) in done:
                    continue
                began = time.time()
                steps = next(int(v[12:]) for v in overrides if v.startswith("train.steps"))
                losses = of_runner(o, name, seed) if peer == "runner" else \
                    of_torch(x, seed, steps)
                if len(losses) != steps:
                    sys.exit(f"{name}: {peer} gave {len(losses)} losses of {steps} steps")
                with file.open("a") as f:
                    f.write(json.dumps({"name": name, "peer": peer, "seed": seed,
                                        "losses": losses}) + "\n")
                print(f"{time.strftime('%H:%M:%S')} {name} {peer} seed {seed}: "
                      f"{losses[0]:.4f}, then {statistics.mean(losses[-10:]):.4f}, "
                      f"{time.time() - began:.0f} s", file=sys.stderr, flush=True)


def interval(values):
    """Mean and the half width of its 95 % interval (Student)."""
    from scipy import stats
    n, mean = len(values), statistics.mean(values)
    half = stats.t.ppf(0.975, n - 1) * statistics.stdev(values) / math.sqrt(n) if n > 1 \
        else math.nan
    return mean, half


def table(o):
    found = collections.defaultdict(dict)
    for line in pathlib.Path(o.results).read_text().splitlines():
        r = json.loads(line)
        found[r["name"], r["peer"]][r["seed"]] = np.array(r["losses"])
    print("| experiment | steps | seeds | runner | PyTorch | runner minus it, paired |")
    print("|---|---|---|---|---|---|")
    for name in dict.fromkeys(k[0] for k in found):
        ours, theirs = found[name, "runner"], found[name, "PyTorch"]
        seeds = sorted(set(ours) & set(theirs))
        steps = len(ours[seeds[0]])
        cuts = [(0, 1)] + [(steps * k // 5, steps * (k + 1) // 5) for k in range(5)]
        for a, b in cuts:
            pairs = [(ours[s][a:b].mean(), theirs[s][a:b].mean()) for s in seeds]
            mean, half = interval([p - q for p, q in pairs])
            where = "first" if b == 1 else f"{a + 1} to {b}"
            print(f"| {name} | {where} | {len(seeds)} | "
                  f"{statistics.mean(p for p, _ in pairs):.4f} | "
                  f"{statistics.mean(q for _, q in pairs):.4f} | "
                  f"{mean:+.4f} ± {half:.4f} |")


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = p.add_subparsers(dest="verb", required=True)
    m = verbs.add_parser("measure")
    m.add_argument("names", nargs="*", metavar="NAME", help="; ".join(RUNS))
    m.add_argument("--out", required=True)
    m.add_argument("--seeds", default="1-5")
    m.add_argument("--threads", type=int, default=os.cpu_count())
    m.add_argument("--runner", default=TREE / "build-bench/core/commands/runner")
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    m.add_argument("--work", type=pathlib.Path, default=cache / "runner-bench/curves",
                   help="where run folders go")
    verbs.add_parser("table").add_argument("results")
    o = p.parse_args()
    measure(o) if o.verb == "measure" else table(o)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Accuracy of runner's configs beside PyTorch and scikit-learn, over seeds and splits.

    accuracy.py measure --out results.jsonl [--peers runner,torch,linear]
                        [--seeds 1-5] [--splits 1-20] [EXPERIMENT ...]
    accuracy.py table results.jsonl

Each result is one line of JSON: experiment, peer, seed, split, metric; what FILE holds is
not measured again, so an interrupted measurement goes on where it was. --splits divides
the data anew with each of these seeds, in place of the split that the file fixes; the
network's seed then goes along with it."""
import argparse
import collections
import json
import math
import os
import pathlib
import statistics
import sys
import time

from scipy import stats

import experiment
import linear_peer

NAMES = ["quickstart", "fashion-mnist-cnn", "fashion-mnist-mlp", "diabetes",
         "breast-cancer", "letters"]
TREE = experiment.TREE


def numbers(text):
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def of_runner(o, name, seed, overrides):
    config = TREE / "configs" / f"{name}.yaml"
    out = experiment.run(o.runner, config, o.work,
                         [f"seed={seed}", "device={type: cpu, threads: %d}" % o.threads, *overrides])
    values = dict(line.split() for line in out.splitlines() if line.startswith("test/"))
    return float(values.get("test/r2") or values["test/accuracy"])


def already(o):
    """(experiment, kind of peer, seed, split) of the lines in --out."""
    file = pathlib.Path(o.out)
    kinds = {"torch": "torch", "scikit-learn,": "linear", "runner": "runner"}
    lines = file.read_text().splitlines() if file.exists() else []
    return {(r["experiment"], kinds[r["peer"].split()[0]], r["seed"], r["split"])
            for r in map(json.loads, lines)}


def measure(o):
    done = already(o)
    say = lambda line: print(time.strftime("%H:%M:%S"), line, file=sys.stderr, flush=True)
    peers = o.peers.split(",")
    if "torch" in peers:
        import torch
        import torch_peer
        torch.set_num_threads(o.threads)
    for name in o.experiments or NAMES:
        splits = [f"data.split.seed={k}" for k in numbers(o.splits)] if o.splits else [None]
        for at, split in enumerate(splits):
            overrides = [split] if split else []
            seeds = [at + 1] if split else numbers(o.seeds)
            x = None
            for peer in peers:
                if peer == "linear" and name.startswith(("fashion", "quick")):
                    continue
                for seed in seeds:
                    if (name, peer, seed, split) in done:
                        continue
                    if peer != "runner" and not x:
                        x = experiment.Experiment(o.runner, name, o.work, overrides)
                    began = time.time()
                    if peer == "runner":
                        got = {"runner": of_runner(o, name, seed, overrides)}
                    elif peer == "torch":
                        got = {f"torch {torch.__version__}": torch_peer.train(x, seed, say)}
                    else:
                        got = {f"scikit-learn, {k}": v
                               for k, v in linear_peer.scores(x).items()}
                    for key, metric in got.items():
                        line = {"experiment": name, "peer": key, "seed": seed,
                                "split": split, "metric": metric,
                                "seconds": round(time.time() - began, 1)}
                        with open(o.out, "a") as f:
                            f.write(json.dumps(line) + "\n")
                        say(f"{name} {split or ''} {key} seed {seed}: {metric:.4f}")
                    if peer == "linear" and not split:
                        break  # no random numbers in it


def interval(values):
    """Mean and the half width of its 95 % interval (Student)."""
    n = len(values)
    mean = statistics.mean(values)
    if n < 2:
        return mean, math.nan
    half = stats.t.ppf(0.975, n - 1) * statistics.stdev(values) / math.sqrt(n)
    return mean, half


def table(o):
    found = collections.defaultdict(dict)
    for line in pathlib.Path(o.results).read_text().splitlines():
        r = json.loads(line)
        found[r["experiment"], bool(r["split"]), r["peer"]][r["split"], r["seed"]] = \
            r["metric"]
    for by_split in (False, True):
        if not any(k[1] == by_split for k in found):
            continue
        print("\n| experiment | model | n | mean | 95 % interval | lowest | highest |"
              + (" runner minus it, paired |" if by_split else ""))
        print("|---|---|---|---|---|---|---|" + ("---|" if by_split else ""))
        for (name, split, peer), results in sorted(found.items()):
            if split != by_split:
                continue
            values = list(results.values())
            mean, half = interval(values)
            line = f"| {name} | {peer} | {len(values)} | {mean:.4f} | "
            line += "- | " if math.isnan(half) else f"± {half:.4f} | "
            line += f"{min(values):.4f} | {max(values):.4f} |"
            if by_split:
                ours = {k[0]: v for k, v in found[name, True, "runner"].items()}
                pairs = [ours[k[0]] - v for k, v in results.items() if k[0] in ours]
                mean, half = interval(pairs)
                line += " |" if peer == "runner" else f" {mean:+.4f} ± {half:.4f} |"
            print(line)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = p.add_subparsers(dest="verb", required=True)
    m = verbs.add_parser("measure")
    m.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help=", ".join(NAMES))
    m.add_argument("--out", required=True)
    m.add_argument("--peers", default="runner,torch,linear")
    m.add_argument("--seeds", default="1-5")
    m.add_argument("--splits", default="")
    m.add_argument("--threads", type=int, default=os.cpu_count())
    m.add_argument("--runner", default=TREE / "build-bench/core/commands/runner")
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    m.add_argument("--work", type=pathlib.Path, default=cache / "runner-bench/accuracy",
                   help="where run folders go")
    verbs.add_parser("table").add_argument("results")
    o = p.parse_args()
    measure(o) if o.verb == "measure" else table(o)


if __name__ == "__main__":
    main()

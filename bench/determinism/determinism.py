# SPDX-License-Identifier: Apache-2.0
"""What determinism costs: steps of each experiment as it is, with `numerics: strict` and
with `deterministic: threads`, in turn; medians of the rounds and of the ratios.

    python3 bench/determinism/determinism.py RUNNER EXPERIMENT.yaml ... [--rounds N]
                                             [--seconds S] [--threads N]"""
import argparse
import json
import statistics
import subprocess
import sys

VARIANTS = {"as it is": "", "strict": ", numerics: strict",
            "threads": ", deterministic: threads"}


def milliseconds(runner, experiment, device, seconds):
    p = subprocess.run([runner, "bench", experiment, "--json", "--seconds", str(seconds),
                        f"device={{{device}}}"], stdout=subprocess.PIPE)
    if p.returncode:
        sys.exit(p.stdout.decode())
    return json.loads(p.stdout)["ms"]


def main():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("runner")
    a.add_argument("experiments", nargs="+")
    a.add_argument("--rounds", type=int, default=7)
    a.add_argument("--seconds", type=float, default=1.5)
    a.add_argument("--threads", type=int, default=0)
    a = a.parse_args()
    for experiment in a.experiments:
        took = {v: [] for v in VARIANTS}
        for _ in range(a.rounds):
            for v, option in VARIANTS.items():
                device = f"type: cpu, threads: {a.threads}{option}"
                took[v].append(milliseconds(a.runner, experiment, device, a.seconds))
        base = took["as it is"]
        for v, ms in took.items():
            ratios = [x / y for x, y in zip(ms, base)]
            print(f"{experiment:36} {v:10} {statistics.median(ms):9.3f} ms   "
                  f"{statistics.median(ratios):6.2f} ({min(ratios):.2f} to "
                  f"{max(ratios):.2f})", flush=True)


main()

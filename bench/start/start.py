# SPDX-License-Identifier: Apache-2.0
"""From the start of a process to its first step done, caches warm, for the digits and a
perceptron: runner's whole run of one step (it also evaluates, and writes its record), and
PyTorch's import and one step, in turn.

    PYTHON bench/start/start.py RUNNER [--rounds N]

PYTHON is one that has torch; without it only runner is measured."""
import argparse
import importlib.util
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EXPERIMENT = f"""
name: start
seed: 1
data:
  source:
    type: idx
    images: {ROOT}/datasets/digits-images.idx3.gz
    labels: {ROOT}/datasets/digits-labels.idx1.gz
  split: {{kind: stratified, by: label, val: 0.1, test: 0.2, seed: 7}}
  transforms:
    - {{type: scale, of: image, factor: 0.0625}}
  batch: 32
model: {{type: mlp, in: {{x: data.image}}, hidden: [64, 32], outputs: 10}}
loss: cross_entropy
metrics: [accuracy]
optimizer: {{type: adam, lr: 0.003}}
train: {{steps: 1}}
"""
TORCH = f"""
import gzip
import torch
from torch import nn
raw = gzip.open("{ROOT}/datasets/digits-images.idx3.gz").read()[16:]
x = torch.frombuffer(bytearray(raw), dtype=torch.uint8)[:32 * 64].view(32, 64) / 16
raw = gzip.open("{ROOT}/datasets/digits-labels.idx1.gz").read()[8:]
y = torch.frombuffer(bytearray(raw), dtype=torch.uint8)[:32].long()
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(),
                    nn.Linear(32, 10))
adam = torch.optim.Adam(net.parameters(), 0.003)
nn.functional.cross_entropy(net(x), y).backward()
adam.step()
"""


def seconds(command):
    began = time.perf_counter()
    p = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    took = time.perf_counter() - began
    if p.returncode:
        sys.exit(p.stderr.decode())
    return took


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("runner")
    arguments.add_argument("--rounds", type=int, default=15)
    a = arguments.parse_args()
    shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        path = pathlib.Path(folder) / "start.yaml"
        path.write_text(EXPERIMENT)
        commands = {"runner": [a.runner, path, f"output={folder}/runs"]}
        if importlib.util.find_spec("torch"):
            commands["PyTorch"] = [sys.executable, "-c", TORCH]
        took = {name: [] for name in commands}
        for i in range(a.rounds + 1):
            for name, command in commands.items():
                s = seconds(command)
                if i:  # the first warms the caches
                    took[name].append(1e3 * s)
    for name, v in took.items():
        print(f"{name:8} {statistics.median(v):8.1f} ms (best {min(v):.1f})")
    if len(took) == 2:
        ratio = statistics.median(p / r for r, p in zip(took["runner"], took["PyTorch"]))
        print(f"ratio    {ratio:8.1f}")


main()

# SPDX-License-Identifier: Apache-2.0
"""PyTorch's side of bench/run: builds the network of a row in several variants and, asked
on stdin, trains for some seconds and answers with its median step.

    torch_peer.py ROW THREADS eager|compile
"""
import gzip
import json
import os
import resource
import statistics
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def images():
    """All training images and labels, in memory, as the row's YAML prepares them."""
    def idx(name):
        raw = gzip.open(os.path.join(os.environ["BENCH_DATA"], name)).read()
        shape = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)

    x = idx("train-images-idx3-ubyte.gz")[:, None].astype(np.float32) / 255.0
    x = (x - x.mean(dtype=np.float64).astype(np.float32)) / x.std(dtype=np.float64)
    y = idx("train-labels-idx1-ubyte.gz").astype(np.int64)
    return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y)


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128),
                         nn.ReLU(), nn.Linear(128, 10))


def cnn():
    def block(inputs, outputs):
        return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*block(1, 32), *block(32, 64), *block(64, 128), nn.Flatten(),
                         nn.Dropout(0.3), nn.Linear(1152, 10))


ROWS = {"mlp": (mlp, 128, [False]), "cnn": (cnn, 128, [False, True])}


class Variant:
    """One way to train: layout of images, implementation of Adam, compiled or not."""

    def __init__(self, row, channels_last, adam, compiled, data):
        build, self.batch, _ = ROWS[row]
        self.name = " ".join(filter(None, ["channels-last" if channels_last else "",
                                           f"{adam} Adam"]))
        torch.manual_seed(1)
        self.net = build()
        self.rows, self.labels = data
        if channels_last:
            self.net = self.net.to(memory_format=torch.channels_last)
            self.rows = self.rows.to(memory_format=torch.channels_last)
        self.net.train()
        how = {"fused": {"fused": True}, "foreach": {"foreach": True}, "compiled": {}}[adam]
        self.adam = torch.optim.Adam(self.net.parameters(), lr=0.001, **how)
        self.loss_of = lambda x, y: F.cross_entropy(self.net(x), y)
        self.update = self.adam.step
        if compiled:
            self.loss_of = torch.compile(self.loss_of)
        if adam == "compiled":
            self.update = torch.compile(self.update)
        self.order, self.at = None, len(self.rows)

    def step(self):
        if self.at + self.batch > len(self.rows):
            self.order, self.at = torch.randperm(len(self.rows)), 0
        ids = self.order[self.at:self.at + self.batch]
        self.at += self.batch
        loss = self.loss_of(self.rows.index_select(0, ids), self.labels.index_select(0, ids))
        loss.backward()
        self.update()
        self.adam.zero_grad(set_to_none=True)
        return loss.item()

    def measure(self, seconds):
        began, times, first = time.perf_counter(), [], None
        while len(times) < 3 or time.perf_counter() - began < 1.2 * seconds:
            at = time.perf_counter()
            loss = self.step()
            # A fifth of the time is warming up, as `runner bench` does it.
            if len(times) < 3 or at - began > 0.2 * seconds:
                times.append(time.perf_counter() - at)
            first = loss if first is None else first
        times = sorted(times[3:] or times)
        return {"ms": 1e3 * statistics.median(times), "ms_10": 1e3 * times[len(times) // 10],
                "ms_90": 1e3 * times[-1 - len(times) // 10], "steps": len(times),
                "first_loss": first, "last_loss": loss,
                "rss": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def main():
    row, threads, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(threads)
    data = images()
    variants = [Variant(row, layout, adam, kind == "compile", data)
                for layout in ROWS[row][2]
                for adam in ({"eager": ["fused", "foreach"],
                              "compile": ["fused", "compiled"]}[kind])]
    print(json.dumps({"version": torch.__version__, "threads": torch.get_num_threads(),
                      "variants": [v.name for v in variants]}), flush=True)
    for line in sys.stdin:
        ask = json.loads(line)
        print(json.dumps(variants[ask["variant"]].measure(ask["seconds"])), flush=True)


main()

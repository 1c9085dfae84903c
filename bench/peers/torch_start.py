# SPDX-License-Identifier: Apache-2.0
"""What PyTorch does from the start of its process to the end of a first step: the digits
and the perceptron of rows/start.yaml.

    torch_start.py IMAGES LABELS THREADS
"""
import gzip
import sys

import numpy as np
import torch
from torch import nn


def idx(name):
    raw = gzip.open(name).read()
    shape = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


torch.set_num_threads(int(sys.argv[3]))
x = torch.from_numpy(idx(sys.argv[1]).astype(np.float32) / 16.0)
y = torch.from_numpy(idx(sys.argv[2]).astype(np.int64))
net = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
adam = torch.optim.Adam(net.parameters(), lr=0.001, fused=True)
ids = torch.randperm(len(x))[:32]
loss = nn.functional.cross_entropy(net(x[ids]), y[ids])
loss.backward()
adam.step()
print(loss.item(), flush=True)

# SPDX-License-Identifier: Apache-2.0
"""Makes scaling_golden.json: the loss scales of PyTorch's GradScaler on the small network
of scaling.py, driven by gradients that really overflow. Its products are those of
docs/precision.md: operands rounded to f16, sums in f32, gradients of parameters in f32
(autocast rounds these to f16 too, so they overflow sooner there). Needs torch:
python -P scaling_golden.py > scaling_golden.json"""
import json

import torch
from torch import nn

ROWS = [[1, 2, 3, 40], [2, -1, 0.5, -300], [0.3, 4, -2, 120], [5, 1, 1, 700],
        [-2, 3, 0.1, -55], [1.5, -2.5, 4, 210], [3, 3, -3, -420], [0, 1, 2, 33]]
CASES = {
    # initial, growth, backoff, interval, steps, learning rate, micro-batches, clip
    "halving": (1048576, 2, 0.5, 4, 60, 0.001, 1, None),
    "steep": (65536, 4, 0.25, 3, 40, 0.001, 1, None),
    "small": (0.5, 2, 0.5, 2, 40, 0.0005, 1, None),
    "accumulated": (1048576, 2, 0.5, 4, 40, 0.001, 2, None),
    "clipped": (65536, 2, 0.5, 5, 40, 0.01, 1, 50.0),
}


class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, b):
        x, w = x.half().float(), w.half().float()
        ctx.save_for_backward(x, w)
        return x @ w.T + b

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        low = g.half().float()
        return low @ w, low.T @ x, g.sum(0)


class Stored(torch.autograd.Function):
    """What lies between products, and its gradient, is stored in f16."""

    @staticmethod
    def forward(ctx, x):
        return x.half().float()

    @staticmethod
    def backward(ctx, g):
        return g.half().float()


def network():
    shapes = ((8, 3), (8,), (1, 8), (1,))
    return [torch.full(s, 0.1 if len(s) == 2 else 0.0, requires_grad=True) for s in shapes]


def output(p, x):
    h = Stored.apply(torch.relu(Stored.apply(Product.apply(x, p[0], p[1]))))
    return Product.apply(h, p[2], p[3])


def run(initial, growth, backoff, interval, steps, rate, parts, clip):
    net = network()
    rows = torch.tensor(ROWS)
    optimizer = torch.optim.SGD(net, rate)
    scaler = torch.amp.GradScaler("cpu", init_scale=float(initial),
                                  growth_factor=float(growth),
                                  backoff_factor=float(backoff),
                                  growth_interval=interval)
    scales, skipped, losses = [], [], []
    for _ in range(steps):
        optimizer.zero_grad()
        total = 0.0
        for part in rows.chunk(parts):
            loss = nn.functional.mse_loss(output(net, part[:, :3]), part[:, 3:]) / parts
            scaler.scale(loss).backward()
            total += loss.item()
        scaler.unscale_(optimizer)
        if clip:
            nn.utils.clip_grad_norm_(net, clip)
        before = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
        skipped.append(int(scales[-1] < before))
        losses.append(total)
    return {"scales": scales, "skipped": skipped, "losses": losses}


keys = ("initial", "growth", "backoff", "interval", "steps", "rate", "parts", "clip")
print(json.dumps({"torch": torch.__version__, "rows": ROWS,
                  "cases": {name: {"options": dict(zip(keys, c)), **run(*c)}
                            for name, c in CASES.items()}}, indent=1))

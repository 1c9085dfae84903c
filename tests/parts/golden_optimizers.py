# SPDX-License-Identifier: Apache-2.0
"""The oracle of optimizers.py: torch.optim on the same linear model, and LAMB, which
PyTorch lacks, as its paper has it."""
import inspect

import numpy as np
import torch
from torch.optim import _muon

from optimizer_cases import CASES, KEPT, STEPPED, STEPS, layer, shapes
from parts import brief, distance, parameter
from rounding import Rounded

SAMPLES = 24  # of rounding, for what a case may be off

# torch.optim.Muon rounds to bf16 before it iterates; here its own text does so in f64.
exec(inspect.getsource(_muon._zeropower_via_newtonschulz)
     .replace("torch.bfloat16", "torch.float64"), vars(_muon))


class Lamb(torch.optim.Optimizer):
    """You et al. 2020, Large Batch Optimization for Deep Learning, algorithm 2, phi the
    identity; of a vector the ratio is 1 unless `vectors`."""

    def __init__(self, parameters, lr=0.01, betas=(0.9, 0.999), eps=1e-8,
                 weight_decay=0.01, vectors=False):
        super().__init__(parameters, dict(lr=lr))
        self.betas, self.eps, self.decay, self.vectors = betas, eps, weight_decay, vectors
        self.t = 0

    @torch.no_grad()
    def step(self):
        self.t += 1
        beta1, beta2 = self.betas
        for group in self.param_groups:
            for x in group["params"]:
                s = self.state[x]
                m = beta1 * s.get("m", 0.0) + (1 - beta1) * x.grad
                v = beta2 * s.get("v", 0.0) + (1 - beta2) * x.grad ** 2
                s["m"], s["v"] = m, v
                r = m / (1 - beta1 ** self.t)
                r = r / ((v / (1 - beta2 ** self.t)).sqrt() + self.eps)
                u = r + self.decay * x
                a, b = x.norm(), u.norm()
                ratio = a / b if a > 0 and b > 0 else 1.0
                if x.ndim < 2 and not self.vectors:
                    ratio = 1.0
                x -= group["lr"] * ratio * u


class Several:
    """Muon for matrices, AdamW for the others: one optimizer to look at."""

    def __init__(self, *optimizers):
        self.all = optimizers

    def zero_grad(self):
        for o in self.all:
            o.zero_grad()

    def step(self):
        for o in self.all:
            o.step()


def make_muon(o, parameters):
    both = {k: o.pop(k) for k in ("lr", "weight_decay") if k in o}
    both = {"lr": 0.001, "weight_decay": 0.01, **both}
    adam = {k: o.pop(k) for k in ("betas", "eps") if k in o}
    scale = o.pop("scale", "adamw")
    names = {"adamw": "match_rms_adamw", "shape": "original"}
    if "iterations" in o:
        o["ns_steps"] = o.pop("iterations")
    matrices = [p for p in parameters if p.ndim > 1]
    return Several(torch.optim.Muon(matrices, adjust_lr_fn=names[scale], **both, **o),
                   torch.optim.AdamW([p for p in parameters if p.ndim < 2], **both, **adam))


def make_optimizer(o, parameters):
    o = dict(o)
    kind = o.pop("type")
    if "beta1" in o or "beta2" in o:
        o["betas"] = (o.pop("beta1", 0.9), o.pop("beta2", 0.999))
    if kind == "muon":
        return make_muon(o, parameters)
    kinds = {"lamb": Lamb, "sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
             "rmsprop": torch.optim.RMSprop}
    return kinds[kind](parameters, **o)


def make():
    """By case, for each kept step: weight, bias, how far rounding to f32 moves them."""
    out = trajectories()
    for steps in out.values():
        for kept in steps:
            kept.append(0.0)
    for seed in range(SAMPLES):
        with Rounded(seed):
            moved = trajectories()
        for name, steps in out.items():
            for kept, other in zip(steps, moved[name]):
                far = max(distance(np.reshape(o["values"], o["shape"]), k)
                          for o, k in zip(other, kept))
                kept[2] = max(kept[2], float(f"{far:.2g}"))
    return out


def trajectories():
    out = {}
    for name, options in CASES.items():
        x, y, shape = shapes(name)
        x, y = torch.tensor(x).double().flatten(1), torch.tensor(y).double()
        w = torch.tensor(parameter(layer(name) + ".weight", shape, "weight")).double()
        w = w.flatten(1)  # a kernel is the matrix of its output channels
        b = torch.tensor(parameter(layer(name) + ".bias", shape[:1], "bias")).double()
        w.requires_grad_(), b.requires_grad_()
        optimizer = make_optimizer(options, [w, b])
        schedule = None
        if "stepped" in name:
            parts = optimizer.all if isinstance(optimizer, Several) else [optimizer]
            schedule = [torch.optim.lr_scheduler.StepLR(o, 5, STEPPED["gamma"])
                        for o in parts]
        steps = []
        for step in range(STEPS):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(x @ w.T + b, y).backward()
            optimizer.step()
            for one in schedule or []:
                one.step()
            if step + 1 in KEPT:
                steps.append([brief(w.detach().numpy().reshape(shape)), brief(b.detach().numpy())])
        out[name] = steps
    return out

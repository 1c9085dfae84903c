# SPDX-License-Identifier: Apache-2.0
"""The oracle of inits.py: the distribution that torch.nn.init draws from, for each shape:
what it hands to Tensor.uniform_ and Tensor.normal_."""
import math

import torch
from torch.nn import init

from init_cases import CASES, SHAPES


def drawn(o, shape):
    """("uniform", low, high) or ("normal", mean, std)"""
    seen = []
    w = torch.empty(shape)
    keep = torch.Tensor.uniform_, torch.Tensor.normal_
    torch.Tensor.uniform_ = lambda t, low, high, **_: seen.append(("uniform", low, high)) or t
    torch.Tensor.normal_ = lambda t, mean, std, **_: seen.append(("normal", mean, std)) or t
    normal = o.get("distribution") == "normal"
    gain, kind = o.get("gain", 1.0), o["type"]
    try:
        if kind == "normal":
            init.normal_(w, o.get("mean", 0.0), o.get("std", 1.0))
        elif kind == "uniform":
            init.uniform_(w, o.get("low", -1.0), o.get("high", 1.0))
        elif kind == "xavier":
            (init.xavier_normal_ if normal else init.xavier_uniform_)(w, gain)
        elif kind == "he" and o.get("fan") != "average":
            mode = "fan_" + o.get("fan", "in")
            (init.kaiming_normal_ if normal else init.kaiming_uniform_)(
                w, mode=mode, nonlinearity="relu")
        elif kind == "he":  # 2 / the mean of both fans: Xavier's variance times 2
            init.xavier_uniform_(w, math.sqrt(2.0))
        else:  # LeCun: He's with the gain of a linear layer
            normal = o.get("distribution", "normal") == "normal"
            (init.kaiming_normal_ if normal else init.kaiming_uniform_)(
                w, nonlinearity="linear")
    finally:
        torch.Tensor.uniform_, torch.Tensor.normal_ = keep
    name, a, b = seen[0]
    factor = gain if kind in ("he", "lecun") else 1.0  # PyTorch has no such factor there
    return [name, a * factor, b * factor]


def make():
    return {name: {layer: drawn(o, shape) for layer, shape in SHAPES.items()}
            for name, o in CASES.items()}

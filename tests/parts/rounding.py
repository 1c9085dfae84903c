# SPDX-License-Identifier: Apache-2.0
"""How far rounding to f32 may carry a result of the oracles: their f64 arithmetic with
every result moved at random by as much as f32 would round it (Monte Carlo arithmetic,
Parker 1997). A case that is ill-conditioned shows it, whatever the processor."""
import torch
from torch.utils._python_dispatch import TorchDispatchMode

UNIT = 2.0 ** -24
# Sums of products: their error is relative to the sums of magnitudes.
SUMS = {"mm", "addmm", "bmm", "baddbmm", "convolution", "convolution_backward", "sum",
        "mean", "linalg_vector_norm", "native_batch_norm", "mse_loss"}
TERMS = 64  # whose roundings add up like a random walk


def is_view(func):
    return any(r.alias_info and not r.alias_info.is_write for r in func._schema.returns)


class Rounded(TorchDispatchMode):
    def __init__(self, seed):
        super().__init__()
        self.random = torch.Generator().manual_seed(seed)

    def noise(self, x):
        return UNIT * (2 * torch.rand(x.shape, generator=self.random, dtype=x.dtype) - 1)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func._schema.name.split("::")[1]
        sizes = None
        if name in SUMS:
            sizes = func(*[a.abs() if isinstance(a, torch.Tensor) else a for a in args],
                         **kwargs)
        out = func(*args, **kwargs)
        if is_view(func) or not args or name.startswith(("detach", "empty", "rand", "clone")):
            return out
        many = isinstance(out, (tuple, list))
        for i, x in enumerate(out if many else [out]):
            if not isinstance(x, torch.Tensor) or not x.is_floating_point():
                continue
            if sizes is None:
                x.mul_(1 + self.noise(x))
            else:
                size = sizes[i] if many else sizes
                x.add_(size.abs() * self.noise(x) * TERMS ** 0.5)
        return out

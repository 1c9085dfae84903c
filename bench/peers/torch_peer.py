# SPDX-License-Identifier: Apache-2.0
"""PyTorch's side of a row: the network in several variants, from the weights that runner
starts with.

    torch_peer.py JSON    see specification() in table/training.py
"""
import json
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import arrays
import order
import torch_nets
import worker


def optimizer(o, parameters, how):
    how = {"fused": {"fused": True}, "foreach": {"foreach": True}, "compiled": {}}[how]
    kind = o["type"]
    if kind == "sgd":
        return torch.optim.SGD(parameters, lr=o["lr"], momentum=o["momentum"],
                               nesterov=o["nesterov"], weight_decay=o["weight_decay"], **how)
    make = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[kind]
    return make(parameters, lr=o["lr"], betas=(o["beta1"], o["beta2"]), eps=o["eps"],
                weight_decay=o["weight_decay"], **how)


class Data:
    """All rows in memory: as f32, or, lean, as the bytes that they are on disk."""

    def __init__(self, kind, folder, lean, device="cpu"):
        x, y, table = arrays.load(kind, folder)
        self.table = None
        if table is not None and lean:
            self.table = torch.from_numpy(table)
            x = torch.from_numpy(x.copy())
        else:
            x = torch.from_numpy(table[x] if table is not None else x)
        self.x, self.y = x.to(device), torch.from_numpy(y).to(device)

    def take(self, ids):
        x = self.x.index_select(0, ids)
        if self.table is not None:
            x = self.table[x.int()]
        return x, self.y.index_select(0, ids)


def changed(x, numbers):
    """Images mirrored and moved, mirrored at their edges; numbers as order.changes."""
    n, _, height, width = x.shape
    places = [torch.arange(size, device=x.device) + numbers[:, i, None]
              for i, size in ((1, height), (2, width))]
    y, at = (p.abs().minimum(2 * (size - 1) - p) for p, size in
             zip(places, (height, width)))
    at = torch.where(numbers[:, :1] != 0, width - 1 - at, at)
    rows = torch.arange(n, device=x.device)[:, None, None]
    # Indices on both sides of a slice come first.
    return x[rows, :, y[:, :, None], at[:, None, :]].permute(0, 3, 1, 2).contiguous()


class Slow:
    """Lookahead (Zhang et al. 2019) over parameters and running statistics."""

    def __init__(self, net, rule):
        self.rule, self.steps = rule, 0
        self.fast = [v for v in net.state_dict().values() if v.is_floating_point()]
        self.slow = [v.detach().clone() for v in self.fast]

    @torch.no_grad()
    def step(self, progress):
        self.steps += 1
        if self.steps % self.rule["every"]:
            return
        share = 1.0 - self.rule["decay"] * progress ** self.rule["ramp"]
        torch._foreach_lerp_(self.slow, self.fast, share)
        torch._foreach_copy_(self.fast, self.slow)


class Variant:
    """One way to train: layout of images, the optimizer's implementation, compiled or
    not."""

    def __init__(self, spec, data, layout, how, compiled, wrapper=False, mode=None):
        word = "SGD" if spec["optimizer"]["type"] == "sgd" else "Adam"
        self.name = " ".join(filter(None, [layout, f"{how} {word}",
                                           "C++ wrapper" if wrapper else "", mode or ""]))
        self.spec, self.data, self.layout, self.how = spec, data, layout, how
        self.compiled = compiled
        # The compiled parts are called from C++ in place of Python.
        self.options = {"cpp_wrapper": True} if wrapper else None
        self.mode, self.device, self.pending = mode, spec["device"], None
        self.mixed = spec["bf16"]
        self.order, self.at = None, 1 << 60
        self.net, self.random = None, np.random.default_rng(1)

    def prepare(self, dropout=True, weights=None):
        if self.net is None:
            self.net = torch_nets.NETS[self.spec["net"]]().to(self.device)
            if self.layout:
                self.net = self.net.to(memory_format=torch.channels_last)
            self.net.train()
            self.first_p = [m.p for m in self.net.modules() if isinstance(m, nn.Dropout)]
            self.loss_of = self.loss
            if self.compiled:
                self.loss_of = torch.compile(self.loss_of, options=self.options,
                                             mode=self.mode)
            self.changed = torch.compile(changed, mode=self.mode) if self.compiled \
                else changed
        torch_nets.load(self.net, np.load(weights or self.spec["weights"]))
        self.slow = Slow(self.net, self.spec["lookahead"]) if self.spec["lookahead"] \
            else None
        for m, p in zip((m for m in self.net.modules() if isinstance(m, nn.Dropout)),
                        self.first_p):
            m.p = p if dropout else 0.0
        trained = [p for p in self.net.parameters() if p.requires_grad]
        self.rule = optimizer(self.spec["optimizer"], trained, self.how)
        self.update = self.rule.step
        if self.how == "compiled":
            self.update = torch.compile(self.update)

    def loss(self, x, y):
        with torch.autocast(self.device, torch.bfloat16, enabled=self.mixed):
            logits = self.net(x)
            return F.cross_entropy(logits.flatten(0, -2), y.flatten(),
                                   label_smoothing=self.spec["smoothing"])

    def train_on(self, x, y, numbers=None, progress=0.5):
        if numbers is not None:
            x = self.changed(x, torch.from_numpy(numbers).to(self.device))
        if self.layout:
            x = x.contiguous(memory_format=torch.channels_last)
        loss = self.loss_of(x, y)
        loss.backward()
        self.update()
        if self.slow:
            self.slow.step(progress)
        self.rule.zero_grad(set_to_none=True)
        return loss

    def step(self):
        if self.net is None:
            self.prepare()
        batch, rows = self.spec["batch"], len(self.data.x)
        if self.at + batch > rows:
            self.order, self.at = torch.randperm(rows).to(self.device), 0
        ids = self.order[self.at:self.at + batch]
        self.at += batch
        padding = self.spec["padding"]
        numbers = order.drawn(self.random, batch, padding) if padding else None
        loss = self.train_on(*self.data.take(ids), numbers).detach()
        if self.device == "cpu":
            return loss.item()
        # Waits for the loss before: the next step is enqueued while this one runs. A
        # CUDA graph writes it anew, so it is copied.
        before, self.pending = self.pending, loss.clone()
        return float(self.pending if before is None else before)

    def curve(self, steps, weights):
        """The losses of runner's first steps, on its batches."""
        self.prepare(weights=weights)
        losses, seed, padding = [], self.spec["seed"], self.spec["padding"]
        for ids, epoch in order.batches(len(self.data.x), self.spec["batch"], seed, steps):
            numbers = order.changes(ids, epoch, seed, padding) if padding else None
            x, y = self.data.take(torch.from_numpy(ids).to(self.device))
            losses.append(self.train_on(x, y, numbers, (len(losses) + 1) / steps).item())
        return losses

    def device_bytes(self):
        return torch.cuda.max_memory_allocated() if self.device == "cuda" else None


def check(variant, steps):
    """Losses from the first weights on one batch, in f32; nothing is dropped. Leaves the
    variant as if it were new."""
    dropout = any(isinstance(m, nn.Dropout)
                  for m in torch_nets.NETS[variant.spec["net"]]().modules())
    if dropout and variant.compiled:
        return None  # it would be compiled once more
    variant.prepare(dropout=False)
    variant.mixed = False
    device = variant.device
    x, y = Data(variant.spec["data"], variant.spec["check"], False, device).take(
        torch.arange(variant.spec["batch"], device=device))
    losses = [variant.train_on(x, y).item() for _ in range(steps)]
    variant.mixed = variant.spec["bf16"]
    variant.prepare()
    return losses


def main():
    spec = json.loads(sys.argv[1])
    torch.set_num_threads(spec["threads"])
    torch.manual_seed(1)
    if spec["device"] == "cuda" and not torch.cuda.is_available():
        worker.unfit("this PyTorch sees no GPU")
    # As runner: TF32 is off unless asked for.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    data = Data(spec["data"], spec["folder"], spec["lean"], spec["device"])
    compiled = spec["kind"] == "compile"
    rules = ["fused", "compiled"] if compiled else ["fused", "foreach"]
    variants = [Variant(spec, data, layout, rule, compiled)
                for layout in (["", "channels-last"] if spec["images"] else [""])
                for rule in (rules[:1] if spec["heavy"] else rules)]
    if compiled and spec["device"] == "cuda":  # CUDA graphs; kernels by time
        variants += [Variant(spec, data, v.layout, v.how, True, mode=mode)
                     for v in list(variants) for mode in ("reduce-overhead",
                                                          "max-autotune")]
    elif compiled and not spec["images"] and not spec["heavy"]:
        variants.append(Variant(spec, data, "", "fused", True, wrapper=True))
    if spec["few"]:
        variants = variants[:1]
    if spec["variant"] is not None:
        variants = [v for v in variants if v.name == spec["variant"]]
    count = torch_nets.load(torch_nets.NETS[spec["net"]](), np.load(spec["weights"]))
    worker.serve({"threads": torch.get_num_threads(), "parameters": count}, variants, check)


main()

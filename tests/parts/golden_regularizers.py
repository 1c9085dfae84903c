# SPDX-License-Identifier: Apache-2.0
"""The oracle of regularizers.py: the penalties as their definitions have them, with
PyTorch's gradients and optimizers; max_norm is torch.renorm."""
import fnmatch

import torch

from parts import brief, parameter
from regularizer_cases import CASES, KEPT, SGD, STEPS, X, X_IMAGE, Y, shapes


def takes(match, entries, index, name, value):
    if match is None:
        return True
    if match == "rest":
        return not any(takes(e.get("match"), entries, i, name, value)
                       for i, e in enumerate(entries[:index]))
    if isinstance(match, str):
        return fnmatch.fnmatchcase(name, match)
    return (name.endswith("." + match["role"])
            and match.get("rank", value.ndim) == value.ndim)


def penalty(r, w, factor):
    if r["type"] == "l1":
        return factor * r["strength"] * w.abs().sum()
    if r["type"] == "l2":
        return factor * r["strength"] * (w ** 2).sum()
    if r["type"] == "elastic":
        return r["l1"] * w.abs().sum() + r["l2"] * (w ** 2).sum()
    m = w.flatten(1)
    gram = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
    return r["strength"] * torch.linalg.matrix_norm(gram - torch.eye(len(gram))) ** 2


def forward(values):
    x = torch.tensor(X_IMAGE if values["model.one.weight"].ndim == 4 else X).double()
    x = x.flatten(1) @ values["model.one.weight"].flatten(1).T + values["model.one.bias"]
    return x @ values["model.two.weight"].T + values["model.two.bias"]


def make_optimizer(options, parameters):
    o = dict(options)
    return {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[o.pop("type")](parameters, **o)


def trajectory(name):
    entries, more = CASES[name]
    values = {}
    for layer, shape in zip(("model.one", "model.two"), shapes(name)):
        for role, s in (("weight", shape), ("bias", shape[:1])):
            full = f"{layer}.{role}"
            values[full] = torch.tensor(parameter(full, s, role)).double().requires_grad_()
    programs = more.get("train", {}).get("programs", [{"update": "model"}])
    groups = [[n for n in values if n.startswith(p["update"])] for p in programs]
    optimizers = [make_optimizer(more.get("optimizer", SGD), [values[n] for n in g])
                  for g in groups]
    curves, kept = [[] for _ in groups], []
    for step in range(STEPS):
        factor = 0.5 ** (step // 2) if "schedule" in more else 1.0
        for group, optimizer, curve in zip(groups, optimizers, curves):
            for v in values.values():
                v.grad = None
            terms = [penalty(r, values[n], factor) for i, r in enumerate(entries) for n in group
                     if r["type"] != "max_norm"
                     and takes(r.get("match"), entries, i, n, values[n])]
            loss = torch.nn.functional.mse_loss(forward(values), torch.tensor(Y).double())
            (loss + sum(terms)).backward()
            if "clip" in more.get("train", {}):
                torch.nn.utils.clip_grad_norm_([values[n] for n in group],
                                               more["train"]["clip"]["norm"])
            optimizer.step()
            with torch.no_grad():
                for i, r in enumerate(entries):
                    for n in group:
                        if r["type"] == "max_norm" and takes(r.get("match"), entries, i, n,
                                                             values[n]):
                            values[n].copy_(torch.renorm(values[n], 2, 0, r["limit"]))
            if terms:
                curve.append(float(f"{sum(terms).item():.9g}"))
        if step + 1 in KEPT:
            kept.append({n: brief(v.detach().numpy()) for n, v in values.items()})
    return {"curves": curves, "kept": kept}


def make():
    return {name: trajectory(name) for name in CASES}

# SPDX-License-Identifier: Apache-2.0
"""The oracle of schedules.py: torch.optim.lr_scheduler."""
import torch
from torch.optim import lr_scheduler as lrs

from parts import parameter
from schedule_cases import (CASES, LR, PER_EPOCH, PLATEAU, PLATEAU_SGD, PLATEAU_STEPS, STEPS,
                            VAL_X, VAL_Y, X, Y)


def steps(duration):
    number = float(duration.rstrip("step%"))
    if duration.endswith("%"):
        return round(number * STEPS / 100)
    return round(number * (PER_EPOCH if duration.endswith("ep") else 1))


def scheduler(o, optimizer, left):
    o = {"type": o} if isinstance(o, str) else dict(o)
    kind = o["type"]
    if kind == "constant":
        return lrs.ConstantLR(optimizer, factor=1.0)
    if kind == "step" and "milestones" in o:
        return lrs.MultiStepLR(optimizer, [steps(t) for t in o["milestones"]], o.get("gamma", 0.1))
    if kind == "step":
        return lrs.StepLR(optimizer, steps(o["every"]), o.get("gamma", 0.1))
    if kind == "cosine":
        length = steps(o["length"]) if "length" in o else left
        return lrs.CosineAnnealingLR(optimizer, length, eta_min=LR * o.get("low", 0.0))
    length, start = steps(o["length"]), o.get("start", 0.0)
    # LinearLR refuses a start of 0: the same line by LambdaLR.
    rise = lrs.LinearLR(optimizer, start, total_iters=length) if start else \
        lrs.LambdaLR(optimizer, lambda t: min(1.0, t / length))
    then = scheduler(o.get("then", "constant"), optimizer, left - length)
    return lrs.SequentialLR(optimizer, [rise, then], [length])


def curve(o):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    s = scheduler(o, optimizer, STEPS)
    out = []
    for step in range(STEPS):
        # Past its length PyTorch's cosine rises again; ours stays low.
        part = isinstance(o, dict) and o["type"] == "cosine" and step >= steps(o["length"])
        out.append(LR * o["low"] if part else optimizer.param_groups[0]["lr"])
        optimizer.step()
        s.step()
    return out


def plateau(o):
    w = torch.tensor(parameter("model.dense1.weight", (1, 4), "weight")).double()
    b = torch.tensor(parameter("model.dense1.bias", (1,), "bias")).double()
    w.requires_grad_(), b.requires_grad_()
    x, y = torch.tensor(X).double(), torch.tensor(Y).double()
    vx, vy = torch.tensor(VAL_X).double(), torch.tensor(VAL_Y).double()
    base = PLATEAU_SGD["lr"]
    optimizer = torch.optim.SGD([w, b], lr=base, momentum=PLATEAU_SGD["momentum"])
    warm, start = 0, 1.0
    if o["type"] == "warmup":
        warm, start, o = steps(o["length"]), o["start"], o["then"]
    watch = None
    out, values = [], []
    higher = o.get("monitor") == "val/r2"
    for step in range(PLATEAU_STEPS):
        if step < warm:
            optimizer.param_groups[0]["lr"] = base * (start + (1 - start) * step / warm)
        elif not watch:
            optimizer.param_groups[0]["lr"] = base
            watch = lrs.ReduceLROnPlateau(
                optimizer, "max" if higher else "min", o["factor"], o["patience"],
                threshold=o.get("min_delta", 1e-4), threshold_mode="abs",
                cooldown=o.get("cooldown", 0), min_lr=base * o.get("low", 0.0))
            if warm:  # the evaluation that ends the warm-up is the first one seen
                watch.step(values[-1])
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(x @ w.T + b, y).backward()
        optimizer.step()
        with torch.no_grad():
            loss = torch.nn.functional.mse_loss(vx @ w.T + b, vy).item()
        values.append(1 - loss / vy.var(correction=0).item() if higher else loss)
        if watch:
            watch.step(values[-1])
    return {"lr": [float(f"{v:.12g}") for v in out],
            "metric": [float(f"{v:.9g}") for v in values]}


def make():
    out = {name: [float(f"{v:.12g}") for v in curve(o)] for name, o in CASES.items()}
    out.update({name: plateau(o) for name, o in PLATEAU.items()})
    return out

# SPDX-License-Identifier: Apache-2.0
"""The oracle of optimizers.py: torch.optim on the same linear model."""
import torch

from optimizer_cases import CASES, KEPT, STEPPED, STEPS, X, Y
from parts import brief, parameter


def make_optimizer(o, parameters):
    o = dict(o)
    kind = o.pop("type")
    if "beta1" in o or "beta2" in o:
        o["betas"] = (o.pop("beta1", 0.9), o.pop("beta2", 0.999))
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
             "rmsprop": torch.optim.RMSprop}
    return kinds[kind](parameters, **o)


def make():
    x, y = torch.tensor(X).double(), torch.tensor(Y).double()
    out = {}
    for name, options in CASES.items():
        w = torch.tensor(parameter("model.dense1.weight", (3, 6), "weight")).double()
        b = torch.tensor(parameter("model.dense1.bias", (3,), "bias")).double()
        w.requires_grad_(), b.requires_grad_()
        optimizer = make_optimizer(options, [w, b])
        schedule = None
        if "stepped" in name:
            schedule = torch.optim.lr_scheduler.StepLR(optimizer, 5, STEPPED["gamma"])
        steps = []
        for step in range(STEPS):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(x @ w.T + b, y).backward()
            optimizer.step()
            if schedule:
                schedule.step()
            if step + 1 in KEPT:
                steps.append([brief(w.detach().numpy()), brief(b.detach().numpy())])
        out[name] = steps
    return out

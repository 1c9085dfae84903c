# SPDX-License-Identifier: Apache-2.0
"""The oracle of losses.py."""
import torch
import torch.nn.functional as F

from loss_cases import cases
from parts import brief


def loss(case, x):
    o, kind = case["options"], case["loss"]["type"]
    f = {k: torch.tensor(v) for k, v in case["fields"].items()}
    f = {k: v.double() if v.is_floating_point() else v for k, v in f.items()}
    weights = o.get("class_weights")
    weights = torch.tensor(weights) if weights else None
    rows = f.get("w")
    bound = case["loss"]["in"].get("target", "")
    target = f.get("target")
    if o.get("classes") == "last":
        x = x.movedim(-1, 1)
    if target is None and bound:
        target = torch.full_like(x, float(bound))
    if kind in ("bce", "mse", "huber"):
        target = target.reshape(x.shape)
    if kind == "cross_entropy" and rows is None:
        return F.cross_entropy(x, f["label"], weight=weights,
                               label_smoothing=o.get("smoothing", 0.0))
    if kind == "bce" and o.get("smoothing"):
        target = target * (1 - o["smoothing"]) + o["smoothing"] / 2
    if rows is None and kind == "soft_cross_entropy":
        return F.cross_entropy(x, target)
    if rows is None and kind == "bce":
        pos = torch.tensor(float(o.get("pos_weight", 1.0)))
        return F.binary_cross_entropy_with_logits(x, target, pos_weight=pos)
    if rows is None and kind == "mse":
        return F.mse_loss(x, target)
    if rows is None and kind == "huber":
        return F.huber_loss(x, target, delta=o.get("delta", 1.0))
    # Weighted means of PyTorch's terms.
    if kind == "cross_entropy":
        terms = F.cross_entropy(x, f["label"], reduction="none")
    elif kind == "soft_cross_entropy":
        terms = F.cross_entropy(x, target, reduction="none")
    elif kind == "bce":
        terms = F.binary_cross_entropy_with_logits(x, target, reduction="none")
    elif kind == "mse":
        terms = F.mse_loss(x, target, reduction="none")
    elif kind == "huber":
        terms = F.huber_loss(x, target, delta=o.get("delta", 1.0), reduction="none")
    else:  # focal: its paper's equation 5, no such loss in PyTorch
        log_p = F.log_softmax(x, 1).gather(1, f["label"].unsqueeze(1)).squeeze(1)
        miss = torch.clamp(-torch.expm1(log_p), min=1e-30)
        terms = -o.get("alpha", 1.0) * miss ** o.get("gamma", 2.0) * log_p
    w = torch.ones_like(terms)
    if rows is not None:
        w = w * rows.reshape([-1] + [1] * (terms.dim() - 1))
    if weights is not None:
        w = w * weights[f["label"]]
    return (w * terms).sum() / w.sum()


def make():
    out = {}
    for name, case in cases().items():
        x = torch.tensor(case["logits"]).double().requires_grad_()
        value = loss(case, x)
        value.backward()
        with torch.no_grad():
            after = loss(case, (x.float() - 0.5 * x.grad.float()).double())
        out[name] = {"loss": value.item(), "after": after.item(),
                     "gradient": brief(x.grad.numpy())}
    return out

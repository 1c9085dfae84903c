#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print phases_golden.h: SAM and ASAM in PyTorch, f64, two backward passes a step, on a
small network. The inner steps are torch.optim.SGD's and Adam's, with the constants that a
program has in f32 rounded to it. Needs numpy and torch."""
import math

import numpy as np
import torch

ROWS, FEATURES, HIDDEN, OUTPUTS, STEPS = 16, 4, 6, 4, 20
MICRO = 4  # rows; shares and weights are powers of two, exact in f32
KEPT = (1, 5, 20)


def f32(v):
    return float(np.float32(v))


class Group:
    def __init__(self, names, inner, rho, adaptive=False, eta=0.01):
        self.names, self.inner, self.rho = names, inner, f32(rho)
        self.adaptive, self.eta = adaptive, f32(eta)

    def stretch(self, p):
        return p.detach().abs() + self.eta if self.adaptive else torch.ones_like(p)


def sgd(lr, momentum, decay=0.0):
    lr, momentum, decay = f32(lr), f32(momentum), f32(decay)

    def step(p, g, state, t):
        g = g + decay * p
        v = momentum * state.get("v", torch.zeros_like(p)) + g
        state["v"] = v
        return p - lr * v
    return step


def adam(lr, beta1=0.9, beta2=0.999, eps=1e-8):
    def correction(beta, t):
        return -math.expm1(t * f32(math.log(beta)))

    def step(p, g, s, t):
        s["m"] = f32(beta1) * s.get("m", 0.0) + f32(1 - beta1) * g
        s["v"] = f32(beta2) * s.get("v", 0.0) + f32(1 - beta2) * g * g
        m, v = s["m"] / correction(beta1, t), s["v"] / correction(beta2, t)
        return p - f32(lr) * m / (v.sqrt() + f32(eps))
    return step


ALL = ("w1", "b1", "w2", "b2")
CASES = {
    "sgd": [Group(ALL, sgd(0.1, 0.9), 0.05)],
    "adam": [Group(ALL, adam(0.02), 0.1)],
    "adaptive": [Group(ALL, sgd(0.1, 0.5, 0.01), 0.5, True)],
    "groups": [Group(("w1", "w2"), sgd(0.1, 0.9), 0.05),
               Group(("b1", "b2"), adam(0.02), 0.3, True, 0.1)],
    "partly": [Group(("w1", "w2"), sgd(0.1, 0.9), 0.2), Group(("b1", "b2"), sgd(0.1, 0.0), 0.0)],
    "clipped": [Group(ALL, sgd(0.1, 0.9), 0.1)],  # and a penalty
    "micro": [Group(ALL, sgd(0.1, 0.9), 0.05)],  # four parts of four rows
}


def train(name, x, y, first):
    groups, states = CASES[name], {n: {} for n in ALL}
    p = {n: v.clone() for n, v in first.items()}
    kept = []

    def gradient(at, rows):
        at = {n: v.detach().clone().requires_grad_() for n, v in at.items()}
        hidden = torch.tanh(x[rows] @ at["w1"].T + at["b1"])
        loss = ((hidden @ at["w2"].T + at["b2"] - y[rows]) ** 2).mean()
        if name == "clipped":
            loss = loss + f32(0.02) * 0.5 * sum((v * v).sum() for v in at.values())
        loss.backward()
        return {n: v.grad for n, v in at.items()}

    def sam(rows):
        g = gradient(p, rows)
        away = [(group, n) for group in groups for n in group.names
                if not (name == "partly" and n[0] == "b")]
        norm = torch.sqrt(sum(((group.stretch(p[n]) * g[n]) ** 2).sum() for group, n in away))
        at = dict(p)
        for group, n in away:
            at[n] = p[n] + group.rho / (norm + f32(1e-12)) * group.stretch(p[n]) ** 2 * g[n]
        return gradient(at, rows)

    for t in range(1, STEPS + 1):
        parts = [slice(i, i + MICRO) for i in range(0, ROWS, MICRO)] if name == "micro" else [slice(ROWS)]
        each = [sam(rows) for rows in parts]
        g = {n: sum(e[n] for e in each) / len(each) for n in ALL}
        if name == "clipped":
            norm = torch.sqrt(sum((v * v).sum() for v in g.values()))
            g = {n: v * min(1.0, f32(0.2) / (norm + f32(1e-6))) for n, v in g.items()}
        for group in groups:
            for n in group.names:
                p[n] = group.inner(p[n], g[n], states[n], t)
        if t in KEPT:
            kept.append(torch.cat([p[n].flatten() for n in ALL]))
    return kept


def row(values):
    return ", ".join(f"{v:.17g}" for v in np.asarray(values).flatten())


rng = np.random.default_rng(7)
x, y = (rng.standard_normal((ROWS, n)).astype(np.float32) for n in (FEATURES, OUTPUTS))
shapes = {"w1": (HIDDEN, FEATURES), "b1": (HIDDEN,), "w2": (OUTPUTS, HIDDEN), "b2": (OUTPUTS,)}
first = {n: torch.tensor(0.5 * rng.standard_normal(s)) for n, s in shapes.items()}
print("/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by phases_golden.py. */")
for what, count in (("ROWS", ROWS), ("FEATURES", FEATURES), ("OUTPUTS", OUTPUTS), ("STEPS", STEPS), ("MICRO", MICRO),
                    ("WEIGHTS", sum(v.numel() for v in first.values())), ("KEPT", len(KEPT))):
    print(f"#define {what} {count}")
print(f"static const int kept_steps[KEPT] = {{{', '.join(map(str, KEPT))}}};")
print(f"static const float golden_x[] = {{{row(x)}}};")
print(f"static const float golden_y[] = {{{row(y)}}};")
print(f"static const double golden_first[] = {{{row(np.concatenate([v.flatten() for v in first.values()]))}}};")
print("static const struct golden {\n    const char *name;\n    double weights[KEPT][WEIGHTS];\n} goldens[] = {")
data = torch.tensor(x).double(), torch.tensor(y).double()
for name in CASES:
    print(f'    {{"{name}",\n     {{' + ",\n      ".join("{" + row(w) + "}" for w in train(name, *data, first)) + "}},")
print("};")

# SPDX-License-Identifier: Apache-2.0
"""The optimizers' cases, shared by the oracle and the test: a linear model on fixed data,
STEPS updates from the whole of it."""
from parts import numbers

STEPS = 24
KEPT = (1, 2, 3, 5, 12, 24)  # steps whose parameters the golden file keeps
X = numbers("optimizers/x", (16, 6), -2.0, 2.0)
Y = numbers("optimizers/y", (16, 3), -2.0, 2.0)

CASES = {
    "sgd": {"type": "sgd", "lr": 0.1},
    "sgd decay": {"type": "sgd", "lr": 0.1, "weight_decay": 0.2},
    "sgd momentum": {"type": "sgd", "lr": 0.05, "momentum": 0.9},
    "sgd dampening": {"type": "sgd", "lr": 0.05, "momentum": 0.9, "dampening": 0.5},
    "sgd nesterov": {"type": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True},
    "sgd nesterov decay": {"type": "sgd", "lr": 0.05, "momentum": 0.8, "nesterov": True,
                           "weight_decay": 0.1},
    "adam": {"type": "adam"},
    "adam fast": {"type": "adam", "lr": 0.1, "beta1": 0.8, "beta2": 0.95},
    "adam without memory": {"type": "adam", "lr": 0.01, "beta1": 0.0, "beta2": 0.0},
    "adam eps": {"type": "adam", "lr": 0.1, "eps": 0.1},
    "adam amsgrad": {"type": "adam", "lr": 0.3, "beta2": 0.9, "amsgrad": True},
    "adam decay": {"type": "adam", "lr": 0.05, "weight_decay": 0.3},
    "adamw": {"type": "adamw"},
    "adamw decay": {"type": "adamw", "lr": 0.1, "weight_decay": 0.5, "beta1": 0.7,
                    "beta2": 0.9, "eps": 1e-3},
    "adamw amsgrad": {"type": "adamw", "lr": 0.3, "beta2": 0.9, "amsgrad": True},
    "rmsprop": {"type": "rmsprop"},
    "rmsprop alpha": {"type": "rmsprop", "lr": 0.02, "alpha": 0.8, "eps": 1e-3},
    "rmsprop momentum": {"type": "rmsprop", "lr": 0.01, "momentum": 0.9},
    "rmsprop centered": {"type": "rmsprop", "lr": 0.01, "alpha": 0.9, "centered": True,
                         "eps": 1e-2},
    "rmsprop all": {"type": "rmsprop", "lr": 0.01, "momentum": 0.5, "centered": True,
                    "weight_decay": 0.1, "eps": 1e-2},
    # With a schedule: what depends on lr, and how.
    "sgd momentum stepped": {"type": "sgd", "lr": 0.05, "momentum": 0.9,
                             "weight_decay": 0.1},
    "adamw stepped": {"type": "adamw", "lr": 0.1, "weight_decay": 0.5},
}
STEPPED = {"type": "step", "every": "5st", "gamma": 0.5}

# SPDX-License-Identifier: Apache-2.0
"""The optimizers' cases, shared by the oracle and the test: a linear model on fixed data,
STEPS updates from the whole of it."""
from parts import numbers

STEPS = 24
KEPT = (1, 2, 3, 5, 12, 24)  # steps whose parameters the golden file keeps
X = numbers("optimizers/x", (16, 6), -2.0, 2.0)
Y = numbers("optimizers/y", (16, 3), -2.0, 2.0)
Y_TALL = numbers("optimizers/y tall", (16, 9), -2.0, 2.0)  # more rows than columns
X_IMAGE = numbers("optimizers/x image", (16, 1, 3, 3), -2.0, 2.0)  # for a convolution


def shapes(name):
    """x, y and the weight's shape of a case."""
    if "image" in name:
        return X_IMAGE, Y, (3, 1, 3, 3)
    return (X, Y_TALL, (9, 6)) if "tall" in name else (X, Y, (3, 6))


def layer(name):
    return "model.conv2d1" if "image" in name else "model.dense1"


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
    "lamb": {"type": "lamb"},
    "lamb decay": {"type": "lamb", "lr": 0.05, "weight_decay": 0.5, "beta1": 0.7,
                   "beta2": 0.9, "eps": 1e-3},
    "lamb vectors": {"type": "lamb", "lr": 0.1, "vectors": True},
    "lamb image": {"type": "lamb", "lr": 0.05},
    "muon": {"type": "muon"},
    "muon decay": {"type": "muon", "lr": 0.1, "weight_decay": 0.5, "momentum": 0.8,
                   "beta1": 0.7, "beta2": 0.9},
    "muon tall": {"type": "muon", "lr": 0.05, "nesterov": False},
    "muon tall shape": {"type": "muon", "lr": 0.05, "scale": "shape", "iterations": 3},
    "muon image": {"type": "muon", "lr": 0.05},
    # With a schedule: what depends on lr, and how.
    "sgd momentum stepped": {"type": "sgd", "lr": 0.05, "momentum": 0.9,
                             "weight_decay": 0.1},
    "adamw stepped": {"type": "adamw", "lr": 0.1, "weight_decay": 0.5},
    "lamb stepped": {"type": "lamb", "lr": 0.1, "weight_decay": 0.5},
    "muon stepped": {"type": "muon", "lr": 0.1, "weight_decay": 0.5},
}
STEPPED = {"type": "step", "every": "5st", "gamma": 0.5}

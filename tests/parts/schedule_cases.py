# SPDX-License-Identifier: Apache-2.0
"""The schedules' cases, shared by the oracle and the test: lr at each of STEPS steps,
five steps an epoch; for plateau, one step an epoch on a model that overshoots."""
from parts import numbers

STEPS, PER_EPOCH, LR = 40, 5, 0.01

CASES = {
    "constant": "constant",
    "step": {"type": "step", "every": "7st", "gamma": 0.5},
    "step epochs": {"type": "step", "every": "2ep"},
    "step share": {"type": "step", "every": "25%", "gamma": 0.3},
    "step at": {"type": "step", "milestones": ["2ep", "25st", "90%"], "gamma": 0.2},
    "cosine": "cosine",
    "cosine part": {"type": "cosine", "length": "20st", "low": 0.1},
    "cosine epochs": {"type": "cosine", "length": "8ep", "low": 0.01},
    "warmup": {"type": "warmup", "length": "10st", "start": 0.1},
    "warmup from nothing": {"type": "warmup", "length": "2ep"},
    "warmup cosine": {"type": "warmup", "length": "20%", "start": 0.2, "then": "cosine"},
    "warmup step": {"type": "warmup", "length": "1ep", "start": 0.5,
                    "then": {"type": "step", "every": "6st", "gamma": 0.5}},
}

# Plateau: full batches of a linear model with momentum, whose loss goes up and down.
X = numbers("schedules/x", (16, 4), -2.0, 2.0)
Y = numbers("schedules/y", (16, 1), -2.0, 2.0)
VAL_X = numbers("schedules/val x", (12, 4), -2.0, 2.0)
VAL_Y = numbers("schedules/val y", (12, 1), -2.0, 2.0)
PLATEAU_STEPS, PLATEAU_SGD = 60, {"type": "sgd", "lr": 0.1, "momentum": 0.95}
PLATEAU = {
    "plateau": {"type": "plateau", "patience": 3, "factor": 0.5},
    "plateau cooldown": {"type": "plateau", "patience": 1, "factor": 0.7, "cooldown": 4},
    "plateau delta": {"type": "plateau", "patience": 2, "factor": 0.5, "min_delta": 0.5},
    "plateau low": {"type": "plateau", "patience": 0, "factor": 0.3, "low": 0.2},
    "plateau higher": {"type": "plateau", "patience": 3, "factor": 0.5,
                       "monitor": "val/r2"},
    "warmup plateau": {"type": "warmup", "length": "10st", "start": 0.1,
                       "then": {"type": "plateau", "patience": 2, "factor": 0.5}},
}

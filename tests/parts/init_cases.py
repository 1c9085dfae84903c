# SPDX-License-Identifier: Apache-2.0
"""The inits' cases, shared by the oracle and the test, and the shapes they fill."""

# dense [units, inputs]; convolutions, one in groups and one transposed
SHAPES = {"dense": (120, 300), "conv": (40, 12, 5, 5), "grouped": (40, 10, 3, 3),
          "up": (40, 24, 3, 3)}

CASES = {
    "normal": {"type": "normal"},
    "normal moved": {"type": "normal", "mean": 0.5, "std": 0.02},
    "uniform": {"type": "uniform"},
    "uniform moved": {"type": "uniform", "low": 0.25, "high": 0.75},
    "xavier": {"type": "xavier"},
    "xavier normal": {"type": "xavier", "distribution": "normal", "gain": 1.6},
    "he": {"type": "he"},
    "he normal": {"type": "he", "distribution": "normal"},
    "he out": {"type": "he", "fan": "out", "gain": 0.5},
    "he average": {"type": "he", "fan": "average"},
    "lecun": {"type": "lecun"},
    "lecun uniform": {"type": "lecun", "distribution": "uniform", "gain": 2.0},
}

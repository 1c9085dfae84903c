# SPDX-License-Identifier: Apache-2.0
"""The regularizers' cases, shared by the oracle and the test: two linear layers, or a
convolution and one, STEPS updates from the whole of fixed data."""
from parts import numbers

STEPS = 6
KEPT = (1, 2, 6)  # steps whose parameters the golden file keeps
X = numbers("regularizers/x", (16, 6), -2.0, 2.0)
X_IMAGE = numbers("regularizers/x image", (16, 1, 3, 3), -2.0, 2.0)
Y = numbers("regularizers/y", (16, 3), -2.0, 2.0)

WIDE, TALL = "model.one", "model.two"  # [4, 6] and [3, 4]; of an image [4, 1, 3, 3]
WEIGHTS = {"role": "weight"}
SGD = {"type": "sgd", "lr": 0.05}
# name: regularizers, and what else the experiment has
CASES = {
    "l1": ([{"type": "l1", "strength": 0.05}], {}),
    "l1 bias": ([{"type": "l1", "strength": 0.5, "match": {"role": "bias"}}], {}),
    "l2": ([{"type": "l2", "strength": 0.2, "match": WEIGHTS}], {}),
    "l2 image": ([{"type": "l2", "strength": 0.1}], {}),
    "l2 clipped": ([{"type": "l2", "strength": 0.2}], {"train": {"clip": {"norm": 0.3}}}),
    "l2 adam": ([{"type": "l2", "strength": 0.02}], {"optimizer": {"type": "adam", "lr": 0.1}}),
    "elastic": ([{"type": "elastic", "l1": 0.1, "l2": 0.03}], {}),
    "orthogonal": ([{"type": "orthogonal", "strength": 0.02, "match": WEIGHTS}], {}),
    "orthogonal tall": ([{"type": "orthogonal", "strength": 0.05, "match": WEIGHTS}], {}),
    "orthogonal image": ([{"type": "orthogonal", "strength": 0.02,
                           "match": {"role": "weight", "rank": 4}}], {}),
    "max_norm": ([{"type": "max_norm", "limit": 1.0, "match": WEIGHTS}], {}),
    "max_norm image": ([{"type": "max_norm", "limit": 0.8, "match": WEIGHTS}], {}),
    "max_norm adam": ([{"type": "max_norm", "limit": 1.0, "match": "*.weight"}],
                      {"optimizer": {"type": "adam", "lr": 0.1}}),
    "several": ([{"type": "l2", "strength": 0.1, "match": "model.one.weight"},
                 {"type": "elastic", "l1": 0.2, "l2": 0.0, "match": "rest"},
                 {"type": "max_norm", "limit": 1.0, "match": WEIGHTS},
                 {"type": "l1", "strength": 0.01, "match": "model.one.*"}], {}),
    "stepped": ([{"type": "l2", "strength": 0.2}],
                {"schedule": {"type": "step", "every": "2st", "gamma": 0.5,
                              "of": "regularizers.*.strength"}}),
    # Each of the two updates one layer, the second after the first.
    "objectives": ([{"type": "l2", "strength": 0.1},
                    {"type": "l1", "strength": 0.05, "match": "model.two.*"}],
                   {"train": {"programs": [{"name": "a", "update": "model.one"},
                                           {"name": "b", "update": "model.two"}]}}),
}


def shapes(name):
    """Of the two weights."""
    if "image" in name:
        return (4, 1, 3, 3), (3, 4)
    return ((8, 6), (3, 8)) if "tall" in name else ((4, 6), (3, 4))

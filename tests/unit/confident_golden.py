#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes confident_golden.h: probabilities, labels, and what cleanlab 2.9 finds in them.

    python -m venv V && V/bin/pip install cleanlab==2.9.0
    V/bin/python confident_golden.py > confident_golden.h"""
import warnings

import numpy as np
from cleanlab.count import compute_confident_joint
from cleanlab.filter import find_label_issues

warnings.simplefilter("ignore")


def case(seed, rows, classes, sharp, flipped, shares=None, gone=None):
    rng = np.random.default_rng(seed)
    true = rng.choice(classes, rows, p=shares)
    z = rng.standard_normal((rows, classes))
    z[np.arange(rows), true] += sharp
    if gone is not None:  # a class that is predicted and never given
        true[true == gone] = (gone + 1) % classes
    p = np.exp(z - z.max(1, keepdims=True))
    p = np.round(p / p.sum(1, keepdims=True), 6)
    given = np.where(rng.random(rows) < flipped, rng.integers(0, classes, rows), true)
    if gone is not None:
        given[given == gone] = (gone + 1) % classes
    return p, given


CASES = {
    "A": case(1, 160, 3, 3.0, 0.1),
    "B": case(2, 120, 2, 1.5, 0.2),
    "C": case(3, 200, 5, 2.0, 0.15, [0.6, 0.2, 0.15, 0.03, 0.02]),
    "D": case(4, 150, 8, 4.0, 0.05, gone=2),
}
print("/* Made by confident_golden.py: cleanlab 2.9.0. */")
for name, (p, given) in CASES.items():
    joint = compute_confident_joint(given, p)
    mask = find_label_issues(given, p, filter_by="prune_by_noise_rate", n_jobs=1)
    ranked = find_label_issues(given, p, filter_by="prune_by_noise_rate", n_jobs=1,
                               return_indices_ranked_by="normalized_margin")
    assert sorted(ranked) == list(np.flatnonzero(mask))

    def numbers(values):
        return ",".join(f"{v:g}" for v in np.ravel(values))
    print(f"static const double P_{name}[] = {{{numbers(p)}}};")
    print(f"static const uint32_t GIVEN_{name}[] = {{{numbers(given)}}};")
    print(f"static const int64_t JOINT_{name}[] = {{{numbers(joint)}}};")
    print(f"static const uint32_t ISSUES_{name}[] = {{{numbers(ranked)}}};")

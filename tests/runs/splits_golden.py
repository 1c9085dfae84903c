#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes splits_golden.json: classes and groups of rows, and how far the folds that
scikit-learn's StratifiedGroupKFold makes of them are from the shares of the classes.

    python3 -m pip install scikit-learn; python3 splits_golden.py > splits_golden.json"""
import json

import numpy as np
import sklearn
from sklearn.model_selection import StratifiedGroupKFold

from splits_measure import deviation

CASES = [  # seed, groups, largest group, classes, folds
    (0, 60, 12, 2, 5), (1, 40, 30, 3, 4), (2, 120, 6, 5, 10), (3, 25, 20, 2, 3),
    (4, 200, 15, 8, 5), (5, 80, 40, 4, 5)]

out = {"scikit-learn": sklearn.__version__, "cases": []}
for seed, groups, largest, classes, folds in CASES:
    rng = np.random.default_rng(seed)
    size = rng.integers(1, largest + 1, groups)
    group = rng.permutation(np.repeat(np.arange(groups), size))
    taste = rng.dirichlet(np.full(classes, 0.7), groups)  # groups differ in their classes
    label = np.array([rng.choice(classes, p=taste[g]) for g in group])
    case = {"folds": folds, "label": label.tolist(), "group": group.tolist(), "sklearn": []}
    for options in [{}] + [{"shuffle": True, "random_state": k} for k in range(3)]:
        fold = np.empty(len(label), int)
        split = StratifiedGroupKFold(folds, **options).split(label, label, group)
        for k, (_, test) in enumerate(split):
            fold[test] = k
        case["sklearn"].append(deviation(label, fold))
    out["cases"].append(case)
print(json.dumps(out))

# SPDX-License-Identifier: Apache-2.0
"""How unequal folds are: shared by splits.py and splits_golden.py."""
import numpy as np


def deviation(label, fold):
    """What scikit-learn's StratifiedGroupKFold reduces: for each class the standard
    deviation over folds of the share of its rows that a fold has, averaged over classes;
    and the farthest that the share of a class in a fold is from its share of all rows."""
    label, fold = np.asarray(label), np.asarray(fold)
    table = np.array([[np.sum((fold == k) & (label == c)) for c in np.unique(label)]
                      for k in np.unique(fold)], float)
    spread = (table / table.sum(0)).std(0).mean()
    off = np.abs(table / table.sum(1, keepdims=True) - table.sum(0) / table.sum()).max()
    return {"spread": float(spread), "off": float(off)}

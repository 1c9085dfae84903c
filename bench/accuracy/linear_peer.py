# SPDX-License-Identifier: Apache-2.0
"""scikit-learn's linear models on the rows of a runner experiment: as they come, and with
the penalty tuned, once as the network's epoch is chosen (fit on train, chosen on
validation) and once with more data than the network has (cross-validated on train and
validation, then fitted on both)."""
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (LinearRegression, LogisticRegression, Ridge)
from sklearn.model_selection import GridSearchCV

GRID = np.logspace(-4, 4, 33)
warnings.simplefilter("ignore", ConvergenceWarning)


def logistic(strength=1.0):
    return LogisticRegression(C=strength, max_iter=5000)


def scores(x):
    """Name -> test accuracy, or r2."""
    (a, b), (c, d), (e, f) = (x.parts[k] for k in ("train", "val", "test"))
    if x.is_regression:
        plain, tuned, key = LinearRegression(), lambda s: Ridge(alpha=s), "alpha"
    else:
        plain, tuned, key = logistic(), logistic, "C"
    a, c, e = a.reshape(len(a), -1), c.reshape(len(c), -1), e.reshape(len(e), -1)
    # As runner: the first of the best, by r2 or accuracy on validation.
    chosen = max((tuned(s).fit(a, b) for s in GRID), key=lambda m: m.score(c, d))
    searched = GridSearchCV(tuned(1.0), {key: GRID}, cv=10).fit(np.concatenate([a, c]),
                                                               np.concatenate([b, d]))
    return {"plain": plain.fit(a, b).score(e, f), "tuned on val": chosen.score(e, f),
            "cross-validated, refitted on train+val": searched.score(e, f)}

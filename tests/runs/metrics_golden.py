#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write metrics_golden.json: scores, labels, weights, and what scikit-learn says of them
(1.9.1 when this was made). Run with a Python that has scikit-learn."""
import json
import pathlib

import numpy as np
from sklearn import metrics as sk

rng = np.random.default_rng(12)


def rounded(a):
    """Short decimals that f32 holds as f64 reads them."""
    return np.round(np.asarray(a, float) * 64) / 64


def classes(n, c, absent=(), unseen=(), weights=False, one_score=False, threshold=0.0,
            perfect=False):
    """absent: never a label; unseen: never predicted either."""
    label = rng.choice([k for k in range(c) if k not in (*absent, *unseen)], n)
    scores = rounded(rng.standard_normal((n, 1 if one_score else c)))
    if one_score:
        scores[:, 0] += (label - 0.5) * 1.5 + threshold
        scores = rounded(scores)
        guess = (scores[:, 0] > threshold).astype(int)
    else:
        scores[np.arange(n), label] += 6 if perfect else 1
        scores[:, list(unseen)] = -9
        scores = rounded(scores) + np.arange(c) / 4096  # no ties: each tool has its own rule
        guess = scores.argmax(1)
    w = rounded(rng.random(n) * 3) if weights else None
    if weights:
        w[:5] = 0
    every = list(range(c))
    out = {"accuracy": sk.accuracy_score(label, guess, sample_weight=w)}
    if not one_score:
        for k in range(1, c):
            out[f"top_k k={k}"] = sk.top_k_accuracy_score(label, scores, k=k, labels=every,
                                                          sample_weight=w) \
                if c > 2 else sk.accuracy_score(label, guess, sample_weight=w)
        out[f"top_k k={c}"] = 1.0
    for name, score in (("precision", sk.precision_score), ("recall", sk.recall_score),
                        ("f1", sk.f1_score)):
        for average in ("macro", "micro", "weighted"):
            out[f"{name} average={average}"] = score(
                label, guess, average=average, zero_division=0, sample_weight=w)
        each = score(label, guess, average=None, labels=every, zero_division=0,
                     sample_weight=w)
        out[f"{name} per_class"] = each.tolist()
        for k in range(c):
            out[f"{name} average=binary positive={k}"] = float(each[k])
        if c == 2:
            assert each[1] == score(label, guess, zero_division=0, sample_weight=w)
    out["confusion"] = sk.confusion_matrix(label, guess, labels=every).tolist()
    return {"scores": scores.tolist(), "label": label.tolist(),
            "weight": w.tolist() if weights else None, "threshold": threshold,
            "want": out}


def numbers(n, k, weights=False, constant=None, perfect=False):
    target = rounded(rng.standard_normal((n, k)) * [1, 20, 0.5][:k] + [0, 7, -100][:k])
    if constant is not None:
        target[:, constant] = 2.5
    prediction = target if perfect else rounded(target + rng.standard_normal((n, k)))
    w = rounded(rng.random(n) * 2) if weights else None
    return {"prediction": prediction.tolist(), "target": target.tolist(),
            "weight": w.tolist() if weights else None,
            "want": {"mse": sk.mean_squared_error(target, prediction, sample_weight=w),
                     "mae": sk.mean_absolute_error(target, prediction, sample_weight=w),
                     # of a target that does not vary: not defined (sklearn has 1 or 0)
                     "r2": sk.r2_score(target, prediction, sample_weight=w)
                     if constant is None else float("nan")}}


cases = {
    "five classes": classes(61, 5),
    "a class without rows, one never seen at all": classes(40, 6, absent=(2,), unseen=(4,)),
    "weighted rows": classes(50, 4, weights=True),
    "two classes": classes(45, 2),
    "perfect": classes(30, 3, perfect=True),
    "one row": classes(1, 3),
    "one logit a row": classes(47, 2, one_score=True),
    "one probability a row, weighted": classes(47, 2, one_score=True, threshold=0.5,
                                               weights=True),
    "one number": numbers(53, 1),
    "three numbers": numbers(53, 3),
    "three numbers, weighted": numbers(53, 3, weights=True),
    "a constant target": numbers(20, 2, constant=1),
    "met exactly": numbers(20, 3, constant=0, perfect=True),
    "one row of numbers": numbers(1, 2),
    "one row of numbers, weighted": numbers(1, 1, weights=True),
    "two rows of numbers": numbers(2, 1),
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"sklearn": __import__("sklearn").__version__, "cases": cases},
                           separators=(",", ":")).replace('},"', '},\n"') + "\n")

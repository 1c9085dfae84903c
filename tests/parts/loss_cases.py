# SPDX-License-Identifier: Apache-2.0
"""The losses' cases, shared by the oracle (golden.py) and the test (losses.py).

logits: the model's values, a function of the case's name; fields: what else the loss
reads; `torch` in golden.py computes the same from both."""
import numpy as np

from parts import integers, numbers

ROWS, CLASSES = 12, 5
WEIGHTS = [0.5, 2.0, 1.0, 0.25, 3.0]
ZERO_WEIGHTS = [0.0, 2.0, 1.0, 0.25, 3.0]


def plain(name, *shape):
    return numbers(name, (ROWS, *shape), -3.0, 3.0)


def extreme(name, *shape):
    """Magnitudes 1e4 and 1e2 of both signs, zeros and ties among plain numbers."""
    x = numbers(name, (ROWS, *shape), -3.0, 3.0)
    flat = x.reshape(-1)
    kinds = np.array([1e4, -1e4, 1e2, -1e2, 0.0], dtype=np.float32)
    flat[::3] = kinds[np.arange(len(flat[::3])) % 5]
    x[1] = 0.0
    x[2] = 1e4
    x[3] = -1e4
    return x


def labels(name, *shape):
    return {"label": integers(name + "/label", (ROWS, *shape), CLASSES)}


def shares(name):
    t = numbers(name + "/target", (ROWS, CLASSES), 0.0, 1.0).astype(np.float64)
    return {"target": (t / t.sum(1, keepdims=True)).astype(np.float32)}


def targets(name, *shape, low=-3.0, high=3.0):
    return {"target": numbers(name + "/target", (ROWS, *shape), low, high)}


def bits(name, *shape):
    return {"target": integers(name + "/target", (ROWS, *shape), 2).astype(np.float32)}


def row_weight(name):
    return {"w": numbers(name + "/w", (ROWS,), 0.0, 2.0)}


def case(loss, x, more, bind=None, **options):
    fields = {k: v for m in more for k, v in m.items()}
    port = "prediction" if loss in ("mse", "huber") else "logits"
    inputs = {port: "model.out"}
    inputs.update({k: f"data.{k}" for k in fields if k != "w"})
    if "w" in fields:
        inputs["weight"] = "data.w"
    inputs.update(bind or {})
    return {"loss": {"type": loss, "in": inputs, **options}, "logits": x, "fields": fields,
            "options": options}


def cases():
    c, image = (CLASSES,), (CLASSES, 3, 2)
    out = {}

    def add(name, loss, make, *shape, more=(), **options):
        out[name] = case(loss, make(name, *shape), [m(name) for m in more], **options)

    def image_labels(name):
        return labels(name, 3, 2)

    add("ce", "cross_entropy", plain, *c, more=[labels])
    add("ce smooth", "cross_entropy", plain, *c, more=[labels], smoothing=0.1)
    add("ce classes", "cross_entropy", plain, *c, more=[labels], class_weights=WEIGHTS)
    add("ce class of no weight", "cross_entropy", plain, *c, more=[labels],
        class_weights=ZERO_WEIGHTS)
    add("ce classes smooth", "cross_entropy", plain, *c, more=[labels],
        class_weights=WEIGHTS, smoothing=0.2)
    add("ce rows", "cross_entropy", plain, *c, more=[labels, row_weight])
    add("ce rows classes", "cross_entropy", plain, *c, more=[labels, row_weight],
        class_weights=WEIGHTS)
    add("ce image", "cross_entropy", plain, *image, more=[image_labels])
    add("ce image rows", "cross_entropy", plain, *image, more=[image_labels, row_weight])
    add("ce image classes smooth", "cross_entropy", plain, *image, more=[image_labels],
        class_weights=WEIGHTS, smoothing=0.1)
    add("ce last", "cross_entropy", plain, 3, 2, CLASSES, more=[image_labels], classes="last")
    add("ce last of rows", "cross_entropy", plain, *c, more=[labels], classes="last")
    add("ce last rows classes", "cross_entropy", plain, 3, 2, CLASSES,
        more=[image_labels, row_weight], class_weights=WEIGHTS, classes="last")
    add("ce last classes smooth", "cross_entropy", plain, 3, 2, CLASSES, more=[image_labels],
        class_weights=WEIGHTS, smoothing=0.1, classes="last")
    add("ce extreme", "cross_entropy", extreme, *c, more=[labels])
    add("ce extreme smooth", "cross_entropy", extreme, *c, more=[labels], smoothing=0.1)
    add("ce extreme classes smooth", "cross_entropy", extreme, *c, more=[labels],
        class_weights=WEIGHTS, smoothing=0.1)
    add("soft ce", "soft_cross_entropy", plain, *c, more=[shares])
    add("soft ce rows", "soft_cross_entropy", plain, *c, more=[shares, row_weight])
    add("soft ce extreme", "soft_cross_entropy", extreme, *c, more=[shares])
    add("focal", "focal", plain, *c, more=[labels])
    add("focal half", "focal", plain, *c, more=[labels], gamma=0.5, alpha=0.25)
    add("focal none", "focal", plain, *c, more=[labels], gamma=0.0)
    add("focal image classes", "focal", plain, *image, more=[image_labels],
        class_weights=WEIGHTS)
    add("focal rows", "focal", plain, *c, more=[labels, row_weight])
    add("focal extreme", "focal", extreme, *c, more=[labels])
    add("focal extreme half", "focal", extreme, *c, more=[labels], gamma=0.5)
    add("bce", "bce", plain, 4, more=[lambda n: bits(n, 4)])
    add("bce column", "bce", plain, 1, more=[bits])
    add("bce between", "bce", plain, 4,
        more=[lambda n: targets(n, 4, low=0.0, high=1.0)])
    add("bce positive", "bce", plain, 4, more=[lambda n: bits(n, 4)], pos_weight=3.0)
    add("bce smooth", "bce", plain, 4, more=[lambda n: bits(n, 4)], smoothing=0.2)
    add("bce rows", "bce", plain, 4, more=[lambda n: bits(n, 4), row_weight])
    add("bce one", "bce", plain, 4, bind={"target": "1.0"})
    add("bce extreme", "bce", extreme, 4, more=[lambda n: bits(n, 4)], pos_weight=2.0)
    add("mse", "mse", plain, 3, more=[lambda n: targets(n, 3)])
    add("mse column", "mse", plain, 1, more=[targets])
    add("mse rows", "mse", plain, 3, more=[lambda n: targets(n, 3), row_weight])
    add("mse large", "mse", extreme, 3, more=[lambda n: targets(n, 3)])
    add("mse number", "mse", plain, 3, bind={"target": "0.5"})
    add("huber", "huber", plain, 3, more=[lambda n: targets(n, 3)])
    add("huber narrow", "huber", plain, 3, more=[lambda n: targets(n, 3)], delta=0.3)
    add("huber rows", "huber", plain, 3, more=[lambda n: targets(n, 3), row_weight])
    add("huber large", "huber", extreme, 3, more=[lambda n: targets(n, 3)], delta=2.0)
    return out

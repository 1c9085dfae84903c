# SPDX-License-Identifier: Apache-2.0
"""The cases of whole models, shared by the oracle and the test: sgd with momentum for STEPS
steps on one batch of images with labels."""
from parts import integers, numbers

STEPS, VAL_ROWS = 10, 5
DEEP = ("resnet 18", "resnet 34 large", "resnet 50", "resnet 20")


def sgd(name):
    # Deep and normalised: at 0.02, the deepest one at 1e-5, PyTorch's own f32 leaves its
    # f64 by 1e-3 in ten steps.
    lr = 1e-7 if name == "resnet 50" else 0.001 if name in DEEP else 0.02
    return {"type": "sgd", "lr": lr, "momentum": 0.9}


ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "silu", "elu", "selu", "mish", "softplus",
               "none")


def cases():
    """name: (model, shape of an image, rows)"""
    out = {
        "mlp": ({"type": "mlp", "hidden": [16, 8], "outputs": 3}, (2, 4, 3), 12),
        "mlp linear": ({"type": "mlp", "outputs": 4}, (7,), 12),
        "lenet": ({"type": "lenet"}, (1, 28, 28), 8),
        "lenet colour tanh": ({"type": "lenet", "outputs": 4, "activation": "tanh"},
                              (3, 12, 15), 8),
        "resnet A": ({"type": "resnet_cifar", "depth": 8, "width": 4, "outputs": 4},
                     (3, 12, 10), 8),
        "resnet B": ({"type": "resnet_cifar", "depth": 14, "width": 4, "outputs": 4,
                      "shortcut": "B"}, (1, 9, 11), 8),
        "resnet 18": ({"type": "resnet", "width": 4, "outputs": 4}, (3, 16, 18), 8),
        "resnet 34 large": ({"type": "resnet", "depth": 34, "width": 2, "outputs": 3,
                             "stem": "large"}, (1, 45, 40), 8),
        "resnet 50": ({"type": "resnet", "depth": 50, "width": 4, "outputs": 3}, (3, 25, 24), 12),
        "gpt": ({"type": "gpt", "vocabulary": 11, "layers": 2, "width": 12, "heads": 3}, (7,), 8),
        "gpt untied": ({"type": "gpt", "vocabulary": 5, "layers": 1, "width": 8, "heads": 2,
                        "hidden": 10, "context": 9, "tied": False, "bias": False,
                        "activation": "relu"}, (6,), 8),
        "resnet 20": ({"type": "resnet_cifar"}, (3, 32, 32), 16),
    }
    for a in ACTIVATIONS[1:]:
        out[f"mlp {a}"] = ({"type": "mlp", "hidden": 9, "outputs": 3, "activation": a},
                           (6,), 12)
    for a in ("sigmoid", "gelu", "silu"):
        out[f"lenet {a}"] = ({"type": "lenet", "outputs": 3, "activation": a}, (1, 12, 12), 6)
    return out


def batch(name, split):
    model, shape, rows = cases()[name]
    rows = rows if split == "train" else VAL_ROWS
    if model["type"] == "gpt":  # what follows a token need not follow from it here
        words = integers(f"{name}/{split}", (rows, shape[0] + 1), model["vocabulary"])
        return {"x": words[:, :-1].copy(), "label": words[:, 1:].copy()}
    return {"x": numbers(f"{name}/{split}", (rows, *shape)),
            "label": integers(f"{name}/{split}/label", (rows,), model.get("outputs", 10))}

# SPDX-License-Identifier: Apache-2.0
"""PyTorch with the network, first values, data, schedule and choice of epoch of a runner
experiment, read from its resolved YAML."""
import math

import numpy as np
import torch
from torch import nn

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


def first_values(layer, rule):
    if rule == "xavier":
        nn.init.xavier_uniform_(layer.weight)
    else:  # he: uniform, fan_in
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def mlp(model, features):
    layers = [nn.Flatten()]
    for units in model["hidden"]:
        layers += [first_values(nn.Linear(features, units), "he"),
                   ACTIVATIONS[model.get("activation", "relu")]()]
        if model["dropout"]:
            layers.append(nn.Dropout(model["dropout"]))
        features = units
    layers.append(first_values(nn.Linear(features, model["outputs"]), "xavier"))
    return nn.Sequential(*layers)


def pair(sides):
    """One number for both, or two."""
    return (sides[0], sides[-1])


def padding(o):
    if o["padding"] == "same":
        return tuple((side - 1) // 2 for side in pair(o["kernel"]))
    return pair(o["pad"])


def layer(o, shape):
    kind = o["type"]
    if kind == "conv2d":
        return first_values(nn.Conv2d(shape[1], o["channels"], pair(o["kernel"]),
                                      pair(o["stride"]), padding(o), bias=o["bias"]),
                            o["init"])
    if kind == "dense":
        return first_values(nn.Linear(shape[1], o["units"], bias=o["bias"]), o["init"])
    if kind == "batch_norm":
        return nn.BatchNorm2d(shape[1], eps=float(o["eps"]), momentum=o["momentum"])
    if kind == "max_pool2d":
        return nn.MaxPool2d(pair(o["kernel"]))
    if kind == "dropout":
        return nn.Dropout(o["p"])
    return {"relu": nn.ReLU, "flatten": nn.Flatten}[kind]()


def network(model, x):
    """x: two rows, to find shapes."""
    if model["type"] == "mlp":
        return mlp(model, x[0].numel())
    layers = []
    for o in model["layers"]:
        layers.append(layer(o, x.shape))
        x = layers[-1].eval()(x)
    return nn.Sequential(*layers)


def rate(o, step, total):
    """The factor of the learning rate at a step."""
    if o["type"] == "warmup":
        length = int(o["length"].removesuffix("st"))
        if step < length:
            return o["start"] + (1.0 - o["start"]) * step / length
        return rate(o["then"], step - length, total - length)
    return o["low"] + (1.0 - o["low"]) * 0.5 * (1.0 + math.cos(math.pi * step / total))


def optimizer(o, parameters):
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[o["type"]]
    return kind(parameters, lr=float(o["lr"]), betas=(o["beta1"], o["beta2"]),
                eps=float(o["eps"]), weight_decay=float(o["weight_decay"]))


def evaluate(net, part, loss_of):
    """Loss and metric: accuracy, or r2 of a regression."""
    net.eval()
    x, y = part
    with torch.no_grad():
        out = torch.cat([net(x[i:i + 500]) for i in range(0, len(x), 500)])
        loss = loss_of(out, y).item()
    if y.dtype == torch.float32:
        return loss, 1.0 - ((out[:, 0] - y) ** 2).sum().item() / \
            ((y - y.mean()) ** 2).sum().item()
    return loss, (out.argmax(1) == y).double().mean().item()


def train(x, seed, say=lambda line: None):
    """Test metric of the epoch that validation chose. x: an Experiment."""
    torch.manual_seed(seed)
    parts = {k: (torch.from_numpy(a), torch.from_numpy(b)) for k, (a, b) in x.parts.items()}
    rows, labels = parts["train"]
    net = network(x.yaml["model"], rows[:2])
    if x.is_regression:
        huber = nn.HuberLoss(delta=x.yaml["loss"].get("delta", 1.0))
        loss_of = lambda out, y: huber(out[:, 0], y)
    else:
        loss_of = nn.CrossEntropyLoss()
    adam = optimizer(x.yaml["optimizer"], net.parameters())
    schedule = x.yaml.get("schedule")
    base, batch = adam.param_groups[0]["lr"], x.yaml["data"]["batch"]
    flip = x.yaml.get("augment")
    total, step = x.epochs * -(-len(rows) // batch), 0
    best, kept = None, None
    for epoch in range(x.epochs):
        net.train()
        order = torch.randperm(len(rows))
        for ids in order.split(batch):
            one, y = rows[ids], labels[ids]
            if flip:
                mirrored = torch.rand(len(ids), 1, 1, 1) < flip["p"]
                one = torch.where(mirrored, one.flip(3), one)
            adam.param_groups[0]["lr"] = base * rate(schedule, step, total)
            adam.zero_grad()
            loss_of(net(one), y).backward()
            adam.step()
            step += 1
        loss, metric = evaluate(net, parts["val"], loss_of)
        score = -loss if x.yaml["checkpoint"]["best"]["monitor"] == "val/loss" else metric
        if best is None or score > best:
            best = score
            kept = {k: v.clone() for k, v in net.state_dict().items()}
        say(f"{x.name} torch seed {seed} epoch {epoch + 1}: val {metric:.4f}")
    net.load_state_dict(kept)
    return evaluate(net, parts["test"], loss_of)[1]

# SPDX-License-Identifier: Apache-2.0
"""Makes plan_golden.json: what PyTorch says of the networks in plan.py. Needs torch:
python plan_golden.py > plan_golden.json"""
import json

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


class Block(nn.Module):
    def __init__(self, c_in, c, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(c)
        self.conv2 = nn.Conv2d(c, c, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(c)
        self.more, self.stride = c - c_in, stride

    def forward(self, x):
        skip = x[:, :, ::self.stride, ::self.stride]
        skip = nn.functional.pad(skip, (0, 0, 0, 0, self.more // 2, self.more // 2))
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + skip)


class ResNet(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, 1, 1, bias=False)
        self.stem_norm = nn.BatchNorm2d(16)
        width = 16
        for stage in range(3):
            blocks = nn.Module()
            for i in range((depth - 2) // 6):
                c = 16 << stage
                blocks.add_module(f"block{i + 1}",
                                  Block(width, c, 2 if stage and i == 0 else 1))
                width = c
            self.add_module(f"stage{stage + 1}", blocks)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        x = torch.relu(self.stem_norm(self.stem(x)))
        for stage in range(3):
            for block in getattr(self, f"stage{stage + 1}").children():
                x = block(x)
        return self.head(x.mean((2, 3)))


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, 1, 2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2 = nn.Linear(400, 120), nn.Linear(120, 84)
        self.head = nn.Linear(84, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = nn.functional.max_pool2d(torch.relu(self.conv2(x)), 2).flatten(1)
        return self.head(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden1, self.hidden2 = nn.Linear(784, 256), nn.Linear(256, 128)
        self.head = nn.Linear(128, 10)

    def forward(self, x):
        x = torch.relu(self.hidden1(x.flatten(1)))
        return self.head(torch.relu(self.hidden2(x)))


def describe(net, batch=16):
    layers, hooks = {}, []

    def keep(name):
        def hook(module, _, out):
            layers[name]["output"] = list(out.shape)
        return hook

    for name, module in net.named_modules():
        if list(module.children()) or not list(module.parameters()):
            continue
        layers[name] = {"parameters": sum(p.numel() for p in module.parameters())}
        hooks.append(module.register_forward_hook(keep(name)))
    x, y = torch.randn(batch, 1, 28, 28), torch.zeros(batch, dtype=torch.long)
    with FlopCounterMode(display=False) as forward:
        net(x)
    for name in layers:
        counts = forward.get_flop_counts().get(f"{type(net).__name__}.{name}", {})
        layers[name]["flops"] = sum(counts.values())
    with FlopCounterMode(display=False) as step:
        nn.functional.cross_entropy(net(x), y).backward()
    return {"batch": batch, "layers": layers,
            "parameters": sum(p.numel() for p in net.parameters()),
            "flops": forward.get_total_flops(), "step_flops": step.get_total_flops()}


print(json.dumps({"lenet": describe(LeNet()), "mlp": describe(Mlp()),
                  "resnet_cifar": describe(ResNet(20))}, indent=1))

# SPDX-License-Identifier: Apache-2.0
"""The networks of the rows in PyTorch. Modules have the names that runner's variables
have, so that first weights can be set equal."""
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

import arrays


def perceptron(*units):
    layers = OrderedDict(flat=nn.Flatten())
    for i in range(1, len(units) - 1):
        layers[f"hidden{i}"] = nn.Linear(units[i - 1], units[i])
        layers[f"relu{i}"] = nn.ReLU()
    layers["head"] = nn.Linear(units[-2], units[-1])
    return nn.Sequential(layers)


def cnn():
    layers, channels = OrderedDict(), [1, 32, 64, 128]
    for i in range(3):
        at = 4 * i
        layers[f"conv2d{at + 1}"] = nn.Conv2d(channels[i], channels[i + 1], 3, padding=1,
                                              bias=False)
        layers[f"batch_norm{at + 2}"] = nn.BatchNorm2d(channels[i + 1])
        layers[f"relu{at + 3}"] = nn.ReLU()
        layers[f"pool{at + 4}"] = nn.MaxPool2d(2)
    layers.update(flat=nn.Flatten(), drop=nn.Dropout(0.3), dense15=nn.Linear(1152, 10))
    return nn.Sequential(layers)


def lenet():
    return nn.Sequential(OrderedDict(
        conv1=nn.Conv2d(1, 6, 5, padding=2), a1=nn.ReLU(), p1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(6, 16, 5), a2=nn.ReLU(), p2=nn.MaxPool2d(2), flat=nn.Flatten(),
        fc1=nn.Linear(400, 120), a3=nn.ReLU(), fc2=nn.Linear(120, 84), a4=nn.ReLU(),
        head=nn.Linear(84, 10)))


class Block(nn.Module):
    """Two 3x3 convolutions. Shortcut A: every second pixel, zeros for new channels; B: a
    1x1 convolution."""

    def __init__(self, inputs, outputs, stride, shortcut):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.stride, self.new = stride, outputs - inputs
        self.changes = inputs != outputs or stride != 1
        if self.changes and shortcut == "B":
            self.conv_skip = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.norm_skip = nn.BatchNorm2d(outputs)

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.norm2(self.conv2(y))
        if hasattr(self, "conv_skip"):
            x = self.norm_skip(self.conv_skip(x))
        elif self.changes:
            low = self.new // 2
            x = F.pad(x[:, :, ::self.stride, ::self.stride],
                      (0, 0, 0, 0, low, self.new - low))
        return F.relu(y + x, inplace=True)


class Bottleneck(nn.Module):
    """1x1 down, 3x3 with the stride, 1x1 up to four times as many channels."""

    def __init__(self, inputs, channels, stride, shortcut):
        super().__init__()
        outputs = 4 * channels
        self.conv1 = nn.Conv2d(inputs, channels, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, outputs, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(outputs)
        if inputs != outputs or stride != 1:
            self.conv_skip = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.norm_skip = nn.BatchNorm2d(outputs)

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        y = F.relu(self.norm2(self.conv2(y)), inplace=True)
        y = self.norm3(self.conv3(y))
        if hasattr(self, "conv_skip"):
            x = self.norm_skip(self.conv_skip(x))
        return F.relu(y + x, inplace=True)


class ResNet(nn.Module):
    def __init__(self, blocks, width, shortcut, deep=False, large=False, outputs=10):
        super().__init__()
        self.large = large
        self.stem = nn.Conv2d(3, width, 7, 2, 3, bias=False) if large else \
            nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.stem_norm = nn.BatchNorm2d(width)
        inputs = width
        for i, count in enumerate(blocks):
            stage = OrderedDict()
            for k in range(count):
                stage[f"block{k + 1}"] = (Bottleneck if deep else Block)(
                    inputs, width << i, 2 if i and not k else 1, shortcut)
                inputs = (4 if deep else 1) * width << i
            setattr(self, f"stage{i + 1}", nn.Sequential(stage))
        self.stages = len(blocks)
        self.head = nn.Linear(inputs, outputs)

    def forward(self, x):
        x = F.relu(self.stem_norm(self.stem(x)), inplace=True)
        if self.large:
            x = F.max_pool2d(x, 3, 2, 1)
        for i in range(self.stages):
            x = getattr(self, f"stage{i + 1}")(x)
        return self.head(x.mean((2, 3)))


class Affine(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def airbench(*widths):
    """The network of airbench94 (Jordan 2024, section 3); batch norm trains its shift
    alone, the first convolution its bias alone."""
    layers, inputs = OrderedDict(whiten=nn.Conv2d(3, 24, 2), a0=nn.GELU()), 24
    layers["whiten"].weight.requires_grad_(False)
    for i, width in enumerate(widths):
        for k in (1, 2):
            at = f"{i + 1}{k}"
            layers[f"conv{at}"] = nn.Conv2d(inputs, width, 3, padding=1, bias=False)
            if k == 1:
                layers[f"pool{at}"] = nn.MaxPool2d(2)
            layers[f"norm{at}"] = nn.BatchNorm2d(width, eps=1e-12, momentum=0.4)
            layers[f"norm{at}"].weight.requires_grad_(False)
            layers[f"a{at}"] = nn.GELU()
            inputs = width
    layers.update(pool=nn.MaxPool2d(3), flat=nn.Flatten(),
                  head=nn.Linear(inputs, 10, bias=False), scale=Affine(1 / 9))
    return nn.Sequential(layers)


class Attention(nn.Module):
    """Query, key and value are one product, as a PyTorch user writes it."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = (y.view(n, t, self.heads, c // self.heads).transpose(1, 2)
                   for y in self.qkv(x).split(c, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(n, t, c))


class TransformerBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.hidden, self.out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.out(F.gelu(self.hidden(self.norm2(x))))


class GPT(nn.Module):
    """The scores are products with the embedding."""

    def __init__(self, vocabulary, context, width, heads, blocks):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.position = nn.Embedding(context, width)
        for i in range(blocks):
            setattr(self, f"block{i + 1}", TransformerBlock(width, heads))
        self.blocks, self.norm = blocks, nn.LayerNorm(width)

    def forward(self, tokens):
        x = self.embedding(tokens) + self.position.weight[:tokens.shape[1]]
        for i in range(self.blocks):
            x = getattr(self, f"block{i + 1}")(x)
        return F.linear(self.norm(x), self.embedding.weight)


class Recurrent(nn.Module):
    """The last state of an LSTM, and a linear layer."""

    def __init__(self, inputs, units, outputs):
        super().__init__()
        self.lstm = nn.LSTM(inputs, units, batch_first=True)
        self.head = nn.Linear(units, outputs)

    def forward(self, x):
        _, (last, _) = self.lstm(x)
        return self.head(last[-1])


NETS = {"mlp": lambda: perceptron(784, 256, 128, 10),
        "tabular": lambda: perceptron(54, 256, 256, 256, 10),
        "cnn": cnn, "lenet": lenet, "resnet20": lambda: ResNet([3, 3, 3], 16, "A"),
        "resnet18": lambda: ResNet([2, 2, 2, 2], 64, "B"),
        "gpt": lambda: GPT(91, 256, 384, 6, 6),
        "lstm": lambda: Recurrent(arrays.WIDTH, 256, 10),
        "resnet18-tiny": lambda: ResNet([2, 2, 2, 2], 8, "B"),
        "resnet50": lambda: ResNet([3, 4, 6, 3], 64, "B", True, True, 1000),
        "resnet50-tiny": lambda: ResNet([3, 4, 6, 3], 8, "B", True, True, 1000),
        "gpt2": lambda: GPT(50257, 1024, 768, 12, 12),
        "gpt2-tiny": lambda: GPT(211, 32, 32, 2, 2),
        "airbench": lambda: airbench(64, 256, 256),
        "airbench-tiny": lambda: airbench(8, 16, 16)}

# runner's word for a variable of a module, where it is not PyTorch's.
WORDS = {nn.BatchNorm2d: {"weight": "scale", "bias": "shift", "running_mean": "mean",
                          "running_var": "variance"},
         nn.LayerNorm: {"weight": "scale", "bias": "shift"}}


def load(net, weights):
    """Sets everything that runner stored; both sides have the same, or it is an error."""
    weights = arrays.joined(weights)
    left, parameters = set(weights), 0
    with torch.no_grad():
        for path, module in net.named_modules():
            words = WORDS.get(type(module), {})
            for name, value in [*module.named_parameters(recurse=False),
                                *module.named_buffers(recurse=False)]:
                if name == "num_batches_tracked":
                    continue
                key = ".".join(filter(None, ["model", path, words.get(name, name)]))
                if key not in weights:
                    raise SystemExit(f"runner has no {key}; it has {sorted(left)}")
                if tuple(value.shape) != weights[key].shape:
                    raise SystemExit(f"{key}: {tuple(value.shape)} here, "
                                     f"{weights[key].shape} in runner")
                value.copy_(torch.from_numpy(weights[key]))
                left.discard(key)
                parameters += value.numel() * isinstance(value, nn.Parameter)
    if left:
        raise SystemExit(f"runner also has {sorted(left)}")
    return parameters

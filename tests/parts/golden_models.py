# SPDX-License-Identifier: Apache-2.0
"""The oracle of models.py: the networks as modules of PyTorch, written after their papers."""
import torch
import torch.nn.functional as F
from torch import nn

from model_cases import STEPS, batch, cases, sgd
from parts import brief, parameter

ACTIVATION = {"relu": F.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "gelu": F.gelu,
              "silu": F.silu, "elu": F.elu, "selu": F.selu, "mish": F.mish,
              "softplus": F.softplus, "none": lambda x: x}


class Mlp(nn.Module):
    def __init__(self, o, shape):
        super().__init__()
        self.f = ACTIVATION[o.get("activation", "relu")]
        hidden = o.get("hidden", [])
        hidden = [hidden] if isinstance(hidden, int) else hidden
        sizes = [torch.Size(shape).numel(), *hidden]
        for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
            setattr(self, f"hidden{i + 1}", nn.Linear(a, b))
        self.depth, self.head = len(hidden), nn.Linear(sizes[-1], o["outputs"])

    def forward(self, x):
        x = x.flatten(1)
        for i in range(self.depth):
            x = self.f(getattr(self, f"hidden{i + 1}")(x))
        return self.head(x)


class Lenet(nn.Module):
    def __init__(self, o, shape):
        super().__init__()
        self.f = ACTIVATION[o.get("activation", "relu")]
        c, h, w = shape
        self.conv1, self.conv2 = nn.Conv2d(c, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * ((h // 2 - 4) // 2) * ((w // 2 - 4) // 2), 120)
        self.fc2, self.head = nn.Linear(120, 84), nn.Linear(84, o.get("outputs", 10))

    def forward(self, x):
        x = F.max_pool2d(self.f(self.conv1(x)), 2)
        x = F.max_pool2d(self.f(self.conv2(x)), 2).flatten(1)
        return self.head(self.f(self.fc2(self.f(self.fc1(x)))))


class Block(nn.Module):
    def __init__(self, have, want, stride, shortcut):
        super().__init__()
        self.conv1 = nn.Conv2d(have, want, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(want)
        self.conv2 = nn.Conv2d(want, want, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(want)
        self.change, self.more = stride != 1 or have != want, want - have
        self.b = self.change and shortcut == "B"
        if self.b:
            self.conv_skip = nn.Conv2d(have, want, 1, stride, bias=False)
            self.norm_skip = nn.BatchNorm2d(want)

    def forward(self, x):
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        if self.b:
            x = self.norm_skip(self.conv_skip(x))
        elif self.change:
            half = self.more // 2
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, self.more - half))
        return F.relu(x + y)


class Resnet(nn.Module):
    def __init__(self, o, shape):
        super().__init__()
        width, n = o.get("width", 16), (o.get("depth", 20) - 2) // 6
        self.stem = nn.Conv2d(shape[0], width, 3, 1, 1, bias=False)
        self.stem_norm = nn.BatchNorm2d(width)
        have = width
        for s in range(3):
            blocks = nn.Module()
            for i in range(n):
                stride = 2 if s and i == 0 else 1
                blocks.add_module(f"block{i + 1}",
                                  Block(have, width << s, stride, o.get("shortcut", "A")))
                have = width << s
            self.add_module(f"stage{s + 1}", blocks)
        self.head = nn.Linear(have, o.get("outputs", 10))

    def forward(self, x):
        x = F.relu(self.stem_norm(self.stem(x)))
        for s in range(3):
            for block in getattr(self, f"stage{s + 1}").children():
                x = block(x)
        return self.head(x.mean((2, 3)))


class Bottleneck(nn.Module):
    def __init__(self, have, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(have, width, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(4 * width)
        self.b = stride != 1 or have != 4 * width
        if self.b:
            self.conv_skip = nn.Conv2d(have, 4 * width, 1, stride, bias=False)
            self.norm_skip = nn.BatchNorm2d(4 * width)

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm3(self.conv3(F.relu(self.norm2(self.conv2(y)))))
        return F.relu(y + (self.norm_skip(self.conv_skip(x)) if self.b else x))


class Resnet18(nn.Module):
    """Table 1 of the paper, option B throughout."""

    def __init__(self, o, shape):
        super().__init__()
        width, self.large = o.get("width", 64), o.get("stem") == "large"
        kernel = (7, 2, 3) if self.large else (3, 1, 1)
        self.stem = nn.Conv2d(shape[0], width, *kernel, bias=False)
        self.stem_norm = nn.BatchNorm2d(width)
        have = width
        depth = o.get("depth", 18)
        for s, n in enumerate((2, 2, 2, 2) if depth == 18 else (3, 4, 6, 3)):
            blocks = nn.Module()
            for i in range(n):
                stride = 2 if s and i == 0 else 1
                blocks.add_module(f"block{i + 1}", Bottleneck(have, width << s, stride)
                                  if depth == 50 else Block(have, width << s, stride, "B"))
                have = width << s if depth < 50 else 4 * width << s
            self.add_module(f"stage{s + 1}", blocks)
        self.head = nn.Linear(have, o.get("outputs", 10))

    def forward(self, x):
        x = F.relu(self.stem_norm(self.stem(x)))
        if self.large:
            x = F.max_pool2d(x, 3, 2, 1)
        for s in range(4):
            for block in getattr(self, f"stage{s + 1}").children():
                x = block(x)
        return self.head(x.mean((2, 3)))


class Gpt(nn.Module):
    """Blocks are PyTorch's own, its weights set apart under the runner's names."""

    def __init__(self, o, shape):
        super().__init__()
        width, heads = o["width"], o["heads"]
        self.embedding = nn.Embedding(o["vocabulary"], width)
        self.position = nn.Embedding(o.get("context", shape[0]), width)
        self.blocks = [nn.TransformerEncoderLayer(
            width, heads, o.get("hidden", 4 * width), 0.0, o.get("activation", "gelu"),
            batch_first=True, norm_first=True, bias=o.get("bias", True))
            for _ in range(o["layers"])]
        for i, b in enumerate(self.blocks):
            names = nn.Module()
            bias = o.get("bias", True)
            names.norm1, names.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            names.attention = nn.Module()
            for part in ("query", "key", "value", "out"):
                setattr(names.attention, part, nn.Linear(width, width, bias))
            names.hidden = nn.Linear(width, b.linear1.out_features, bias)
            names.out = nn.Linear(b.linear1.out_features, width, bias)
            self.add_module(f"block{i + 1}", names)
        self.norm = nn.LayerNorm(width)
        self.head = None if o.get("tied", True) else nn.Linear(width, o["vocabulary"], False)

    def block(self, i, x, mask):
        """PyTorch's layer on this module's parameters."""
        b, m = self.blocks[i], getattr(self, f"block{i + 1}")
        a = m.attention
        p = {"self_attn.in_proj_weight": torch.cat([a.query.weight, a.key.weight,
                                                    a.value.weight]),
             "self_attn.out_proj.weight": a.out.weight, "linear1.weight": m.hidden.weight,
             "linear2.weight": m.out.weight, "norm1.weight": m.norm1.weight,
             "norm2.weight": m.norm2.weight}
        if a.query.bias is not None:
            p |= {"self_attn.in_proj_bias": torch.cat([a.query.bias, a.key.bias,
                                                       a.value.bias]),
                  "self_attn.out_proj.bias": a.out.bias, "linear1.bias": m.hidden.bias,
                  "linear2.bias": m.out.bias, "norm1.bias": m.norm1.bias,
                  "norm2.bias": m.norm2.bias}
            return torch.func.functional_call(b, p, (x,), {"src_mask": mask,
                                                           "is_causal": True})
        # without biases PyTorch's layer has none in its norms either: written out
        y = F.layer_norm(x, x.shape[-1:], m.norm1.weight, m.norm1.bias)
        y = F.multi_head_attention_forward(
            *3 * [y.transpose(0, 1)], y.shape[-1], b.self_attn.num_heads,
            p["self_attn.in_proj_weight"], None, None, None, False, 0.0, a.out.weight, None,
            attn_mask=mask, need_weights=False)[0].transpose(0, 1)
        x = x + y
        y = F.layer_norm(x, x.shape[-1:], m.norm2.weight, m.norm2.bias)
        return x + m.out(b.activation(m.hidden(y)))

    def forward(self, x):
        n = x.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(n)
        x = self.embedding(x) + self.position(torch.arange(n))
        for i in range(len(self.blocks)):
            x = self.block(i, x, mask)
        x = self.norm(x)
        x = x @ self.embedding.weight.T if self.head is None else self.head(x)
        return x.transpose(1, 2)  # classes where PyTorch's loss has them


def runner_names(net):
    """Tensors of a module by the names that the runner gives them."""
    norms = {n for n, m in net.named_modules()
             if isinstance(m, (nn.BatchNorm2d, nn.LayerNorm))}
    tables = {n for n, m in net.named_modules() if isinstance(m, nn.Embedding)}
    words = {"weight": "scale", "bias": "shift", "running_mean": "mean",
             "running_var": "variance"}
    out = {}
    for name, t in [*net.named_parameters(), *net.named_buffers()]:
        owner, word = name.rsplit(".", 1)
        if word == "num_batches_tracked":
            continue
        out[f"model.{owner}.{words[word] if owner in norms else word}"] = t
    return {k: t for k, t in out.items() if not k.startswith("model.blocks")}, tables


def train(name):
    o, shape, _ = cases()[name]
    kinds = {"mlp": Mlp, "lenet": Lenet, "resnet_cifar": Resnet,
             "resnet": Resnet18, "gpt": Gpt}
    net = kinds[o["type"]](o, shape).double()
    named, tables = runner_names(net)
    with torch.no_grad():
        for k, t in named.items():
            if t.requires_grad:
                role = k.rsplit(".", 1)[1]
                role = "embedding" if k.split(".")[1] in tables else role
                t.copy_(torch.tensor(parameter(k, tuple(t.shape), role)))
    data = {s: {k: torch.tensor(v) for k, v in batch(name, s).items()}
            for s in ("train", "val")}
    x, vx = (v["x"].double() if v["x"].is_floating_point() else v["x"]
             for v in (data["train"], data["val"]))
    optimizer = torch.optim.SGD([t for t in named.values() if t.requires_grad], sgd(name)["lr"], sgd(name)["momentum"])
    out = {"losses": []}
    for step in range(STEPS):
        net.train()
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), data["train"]["label"])
        loss.backward()
        optimizer.step()
        out["losses"].append(float(f"{loss.item():.9g}"))
        if step == 0:
            keep = 48 if len(named) < 30 else 4
            out["after one"] = {k: brief(t.detach().numpy(), keep) for k, t in named.items()}
    net.eval()
    with torch.no_grad():
        out["val"] = F.cross_entropy(net(vx), data["val"]["label"]).item()
    out["parameters"] = sum(p.numel() for p in net.parameters())
    return out


def make():
    return {name: train(name) for name in cases()}

# SPDX-License-Identifier: Apache-2.0
"""The oracle of layers.py: each list of layers read with torch.nn.functional."""
import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from layer_cases import LR, ROWS, STEPS, VAL_ROWS, cases, inputs, lengths, target
from parts import brief, parameter


class Net:
    """Parameters and running statistics by the runner's names, made when first met."""

    def __init__(self, layers):
        self.layers, self.p, self.state, self.lengths = layers, {}, {}, None

    def param(self, name, shape, role, value=None):
        if name not in self.p:
            t = torch.tensor(parameter(name, tuple(shape), role)).double()
            self.p[name] = t.requires_grad_()
        return self.p[name]

    def running(self, name, count, value):
        return self.state.setdefault(name, torch.full((count,), value))

    def __call__(self, x, training):
        seen = self.seen = {"x": x}
        for i, o in enumerate(self.layers):
            scope = o.get("name", f"{o['type']}{i + 1}")
            x = self.layer(o, f"model.{scope}", seen[o["input"]] if "input" in o else x,
                           seen, training)
            seen[scope] = x
        return x

    def layer(self, o, scope, x, seen, training):
        kind = o["type"]
        method = getattr(self, kind, None)
        if method:
            return method(o, scope, x, training)
        if kind in JOINS:
            return JOINS[kind](o, [x] + [seen[n] for n in o["from"]])
        return FUNCTIONS[kind](o, x)

    def bias(self, o, scope, count):
        return self.param(f"{scope}.bias", (count,), "bias") if o.get("bias", True) else None

    def dense(self, o, scope, x, training):
        w = self.param(f"{scope}.weight", (o["units"], x.shape[-1]), "weight")
        return F.linear(x, w, self.bias(o, scope, o["units"]))

    def conv2d(self, o, scope, x, training):
        k, groups = two(o.get("kernel", 3)), o.get("groups", 1)
        w = self.param(f"{scope}.weight", (o["channels"], x.shape[1] // groups, *k), "weight")
        padding = "same" if o.get("padding") == "same" else 0
        if not padding:
            x = F.pad(x, around(o.get("pad", 0)))
        return F.conv2d(x, w, self.bias(o, scope, o["channels"]), two(o.get("stride", 1)),
                        padding, two(o.get("dilation", 1)), groups)

    def depthwise_conv2d(self, o, scope, x, training):
        c = x.shape[1]
        return self.conv2d({**o, "channels": c * o.get("multiplier", 1), "groups": c}, scope,
                           x, training)

    def conv_transpose2d(self, o, scope, x, training):
        k, groups = two(o.get("kernel", 3)), o.get("groups", 1)
        w = self.param(f"{scope}.weight", (x.shape[1], o["channels"] // groups, *k), "weight")
        return F.conv_transpose2d(x, w, self.bias(o, scope, o["channels"]),
                                  two(o.get("stride", 1)), two(o.get("pad", 0)),
                                  two(o.get("output_pad", 0)), groups,
                                  two(o.get("dilation", 1)))

    def embedding(self, o, scope, x, training):
        w = self.param(f"{scope}.weight", (o["size"], o["units"]), "embedding")
        return F.embedding(x, w)

    def position_embedding(self, o, scope, x, training):
        n = o.get("length", x.shape[1])
        w = self.param(f"{scope}.weight", (n, x.shape[2]), "embedding")
        return x + w[:x.shape[1]]

    def attention(self, o, scope, x, training, context=None):
        if "context" in o:
            context = self.seen[o["context"]]
        context = x if context is None else context
        width, bias = x.shape[-1], o.get("bias", True)
        q, k, v = (self.dense({"units": width, "bias": bias}, f"{scope}.{name}", y, training)
                   .unflatten(-1, (o["heads"], -1)).transpose(1, 2)
                   for name, y in (("query", x), ("key", context), ("value", context)))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=o.get("causal", False))
        return self.dense({"units": width, "bias": bias}, f"{scope}.out",
                          y.transpose(1, 2).flatten(2), training)

    def transformer_block(self, o, scope, x, training):
        norm = {"eps": o.get("eps", 1e-5)}
        units, bias = o.get("hidden", 4 * x.shape[-1]), o.get("bias", True)
        f = {"gelu": F.gelu, "relu": F.relu}[o.get("activation", "gelu")]
        y = self.layer_norm(norm, f"{scope}.norm1", x, training)
        x = x + self.attention(o, f"{scope}.attention", y, training)
        y = self.layer_norm(norm, f"{scope}.norm2", x, training)
        y = f(self.dense({"units": units, "bias": bias}, f"{scope}.hidden", y, training))
        return x + self.dense({"units": x.shape[-1], "bias": bias}, f"{scope}.out", y, training)

    def batch_norm(self, o, scope, x, training):
        c = x.shape[1]
        return F.batch_norm(x, self.running(f"{scope}.mean", c, 0.0),
                            self.running(f"{scope}.variance", c, 1.0),
                            self.param(f"{scope}.scale", (c,), "scale"),
                            self.param(f"{scope}.shift", (c,), "shift"), training,
                            o.get("momentum", 0.1), o.get("eps", 1e-5))

    def layer_norm(self, o, scope, x, training):
        shape = x.shape[o.get("axis", -1):]
        return F.layer_norm(x, shape, self.param(f"{scope}.scale", shape, "scale"),
                            self.param(f"{scope}.shift", shape, "shift"), o.get("eps", 1e-5))

    def rms_norm(self, o, scope, x, training):
        shape = x.shape[-1:]
        return F.rms_norm(x, shape, self.param(f"{scope}.scale", shape, "scale"), o["eps"])

    def group_norm(self, o, scope, x, training):
        c = x.shape[1]
        return F.group_norm(x, o.get("groups", 1), self.param(f"{scope}.scale", (c,), "scale"),
                            self.param(f"{scope}.shift", (c,), "shift"), o.get("eps", 1e-5))

    def lstm(self, o, scope, x, training):
        return self.recurrent(torch.nn.LSTM, o, scope, x)

    def gru(self, o, scope, x, training):
        return self.recurrent(torch.nn.GRU, o, scope, x)

    def recurrent(self, kind, o, scope, x):
        net = kind(x.shape[-1], o["units"], o.get("layers", 1), bias=o.get("bias", True),
                   batch_first=True, bidirectional=o.get("bidirectional", False)).double()
        p = {k: self.param(f"{scope}.{k}", v.shape, k.split("_")[0])
             for k, v in net.named_parameters()}
        steps = x.shape[1]
        if self.lengths is not None:
            x = pack_padded_sequence(x, self.lengths, True, enforce_sorted=False)
        y, end = torch.func.functional_call(net, p, (x,))
        if self.lengths is not None:
            y, _ = pad_packed_sequence(y, True, total_length=steps)
        end = end[0] if kind is torch.nn.LSTM else end
        if o.get("return") != "last":
            return y
        return torch.cat(list(end[-2 if o.get("bidirectional") else -1:]), 1)

    def prelu(self, o, scope, x, training):
        return F.prelu(x, self.param(f"{scope}.alpha", (x.shape[1],), "scale"))


def two(v):
    return (v, v) if isinstance(v, int) else tuple(v)


def around(v):
    """F.pad's order: left, right, top, bottom."""
    if isinstance(v, int):
        return v, v, v, v
    if len(v) == 2:
        return v[1], v[1], v[0], v[0]
    return v[1], v[3], v[0], v[2]


def resize(o, x):
    size = two(o["size"]) if "size" in o else [n * o.get("scale", 2) for n in x.shape[2:]]
    mode = o.get("mode", "nearest")
    return F.interpolate(x, size, mode=mode, align_corners=False if mode == "bilinear" else None)


def part(o, x):
    axis = o.get("axis", 1) % x.dim()
    index = [slice(None)] * x.dim()
    index[axis] = slice(o.get("start", 0), o.get("stop"), o.get("step", 1))
    return x[tuple(index)]


def reduce(o, x):
    kinds = {"mean": torch.mean, "sum": torch.sum, "max": torch.amax, "min": torch.amin}
    return kinds[o.get("op", "mean")](x, o["axes"], keepdim=o.get("keep", False))


def pool(o):
    k = two(o["kernel"])
    return k, two(o.get("stride", k)), two(o.get("pad", 0))


FUNCTIONS = {
    "max_pool2d": lambda o, x: F.max_pool2d(x, *pool(o)),
    "avg_pool2d": lambda o, x: F.avg_pool2d(x, *pool(o),
                                            count_include_pad=o.get("count_pad", False)),
    "global_avg_pool2d": lambda o, x: F.adaptive_avg_pool2d(x, 1).flatten(1),
    "global_max_pool2d": lambda o, x: F.adaptive_max_pool2d(x, 1).flatten(1),
    "resize2d": resize,
    "pad2d": lambda o, x: F.pad(x, around(o["pad"]), value=o["value"]),
    "dropout": lambda o, x: F.dropout(x, o["p"]),
    "relu": lambda o, x: F.relu(x), "relu6": lambda o, x: F.relu6(x),
    "leaky_relu": lambda o, x: F.leaky_relu(x, o.get("alpha", 0.01)),
    "elu": lambda o, x: F.elu(x, o.get("alpha", 1.0)),
    "selu": lambda o, x: F.selu(x), "silu": lambda o, x: F.silu(x),
    "mish": lambda o, x: F.mish(x),
    "gelu": lambda o, x: F.gelu(x, approximate="tanh" if o.get("tanh") else "none"),
    "tanh": lambda o, x: torch.tanh(x), "sigmoid": lambda o, x: torch.sigmoid(x),
    "hard_sigmoid": lambda o, x: F.hardsigmoid(x), "hard_swish": lambda o, x: F.hardswish(x),
    "softplus": lambda o, x: F.softplus(x),
    "softmax": lambda o, x: F.softmax(x, o.get("axis", -1)),
    "log_softmax": lambda o, x: F.log_softmax(x, o.get("axis", -1)),
    "abs": lambda o, x: x.abs(), "exp": lambda o, x: x.exp(), "log": lambda o, x: x.log(),
    "sqrt": lambda o, x: x.sqrt(), "square": lambda o, x: x.square(),
    "neg": lambda o, x: -x, "sin": lambda o, x: x.sin(), "cos": lambda o, x: x.cos(),
    "clamp": lambda o, x: x.clamp(o.get("low", 0.0), o.get("high", 1.0)),
    "affine": lambda o, x: x * o.get("factor", 1.0) + o.get("shift", 0.0),
    "stop_gradient": lambda o, x: x.detach(), "identity": lambda o, x: x,
    "flatten": lambda o, x: x.flatten(1),
    "reshape": lambda o, x: x.reshape(x.shape[0], *o["shape"]),
    "transpose": lambda o, x: x.permute(0, *o["order"]),
    "slice": part, "reduce": reduce,
    "cumsum": lambda o, x: x.cumsum(o.get("axis", -1)),
    "one_hot": lambda o, x: F.one_hot(x, o["classes"]).double(),
}


def fold(operator):
    def run(o, xs):
        y = xs[0]
        for x in xs[1:]:
            y = operator(y, x)
        return y
    return run


JOINS = {
    "add": fold(torch.add), "sub": fold(torch.sub), "mul": fold(torch.mul),
    "maximum": fold(torch.maximum),
    "concat": lambda o, xs: torch.cat(xs, o.get("axis", 1)),
    "matmul": lambda o, xs: xs[0] @ (xs[1].mT if o.get("transpose") else xs[1]),
}


def train(name):
    net = Net(cases()[name][0])

    def data(rows, split):
        x = torch.tensor(inputs(name, rows, split))
        return x.double() if x.is_floating_point() else x

    def steps(rows, split):
        n = lengths(name, rows, split)
        return None if n is None else torch.tensor(n)

    x, vx = data(ROWS, "train"), data(VAL_ROWS, "val")
    net.lengths = steps(ROWS, "train")
    losses = []
    for _ in range(STEPS):
        y = net(x, True)
        goal = torch.tensor(target(name, tuple(y.shape), "train")).double()
        loss = F.mse_loss(y, goal)
        losses.append(float(f"{loss.item():.9g}"))
        gradients = torch.autograd.grad(loss, list(net.p.values()))
        with torch.no_grad():
            for p, g in zip(net.p.values(), gradients):
                p -= LR * g
    net.lengths = steps(VAL_ROWS, "val")
    with torch.no_grad():
        vy = net(vx, False)
        goal = torch.tensor(target(name, tuple(vy.shape), "val")).double()
        after = F.mse_loss(vy, goal).item()
    values = {k: brief(v.detach().numpy()) for k, v in {**net.p, **net.state}.items()}
    return {"out": list(y.shape[1:]), "losses": losses, "val": float(f"{after:.9g}"),
            "variables": values}


def make():
    return {name: train(name) for name in cases()}

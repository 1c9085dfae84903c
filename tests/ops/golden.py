#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write golden.bin: what PyTorch computes, in f64, for each operator that it has.

Run with a Python that has torch; the tests read the file and need none. A record is a
case's line (see ops.h), then arrays with their count as u32 before each: every input in
its own dtype, a weight (f32) for each float output, every output (f64), the gradient
(f64) of sum(output * weight) for each float input. Inputs are drawn in f32, so that both
sides start from the same numbers."""
import pathlib
import re
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
TYPES = {"f32": np.float32, "i64": np.int64, "i32": np.int32, "u8": np.uint8, "bool": np.bool_}
records = []


def read_inputs(text, random):
    for word in text.split():
        m = re.fullmatch(r"(f32|i64|i32|u8|bool)(\+|<\d+)?\[([\d,]*)\](?:=(\S+))?", word)
        kind, how, dims, values = m.groups()
        shape = tuple(int(d) for d in dims.split(",") if d)
        if values:
            yield np.array([float(v) for v in values.split(",")]).astype(TYPES[kind]).reshape(shape)
        elif kind == "f32":
            low, high = (0.1, 1.1) if how == "+" else (-2.0, 2.0)
            yield random.uniform(low, high, shape).astype(np.float32)
        elif kind == "bool":
            yield random.integers(0, 2, shape).astype(np.bool_)
        else:
            yield random.integers(0, int(how[1:]), shape).astype(TYPES[kind])


def read_attributes(text):
    out = {}
    for word in text.split():
        name, value = word.split("=")
        if name in ("smoothing", "eps", "alpha", "lo", "hi", "value", "p", "scale"):
            out[name] = float(value)
        elif name == "dtype":
            out[name] = value
        else:
            numbers = [int(v) for v in value.split(",") if v]
            one = name in ("axis", "keep", "k", "groups", "mode", "count_pad", "exclusive",
                           "reverse", "trans_a", "trans_b", "descending", "depth", "tanh",
                           "heads", "causal", "relu")
            out[name] = numbers[0] if one else numbers
    return out


def golden(text, function):
    random = np.random.default_rng(len(records) + 1)
    op, inputs, attributes = (part.strip() for part in (text + " ").split(" ; "))
    arrays = list(read_inputs(inputs, random))
    tensors = [torch.from_numpy(a.astype(np.float64)).requires_grad_() if a.dtype == np.float32
               else torch.from_numpy(a.astype(np.bool_ if a.dtype == np.bool_ else np.int64))
               for a in arrays]
    outputs = function(*tensors, **read_attributes(attributes))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    chunks = list(arrays)
    total = 0
    weights = []
    for y in outputs:
        if y.is_floating_point():
            w = random.uniform(-1, 1, tuple(y.shape)).astype(np.float32)
            weights.append(w)
            total = total + (y * torch.from_numpy(w.astype(np.float64))).sum()
    chunks += weights
    chunks += [y.detach().numpy().astype(np.float64) for y in outputs]
    floats = [t for t in tensors if t.is_floating_point()]
    if floats and weights:
        if torch.is_tensor(total) and total.requires_grad:
            grads = torch.autograd.grad(total, floats, allow_unused=True)
        else:
            grads = [None] * len(floats)
        chunks += [(torch.zeros_like(t) if g is None else g).numpy()
                   for t, g in zip(floats, grads)]
    data = (text + "\n").encode()
    for c in chunks:
        data += np.uint32(c.size).tobytes() + np.ascontiguousarray(c).tobytes()
    records.append(data)


def window(pad):
    """[top, left, bottom, right] as F.pad wants it"""
    return (pad[1], pad[3], pad[0], pad[2])


def hard_sigmoid(x):
    """F.hardsigmoid's derivative has 1/6 in f32, in f64 too"""
    return torch.clamp(x / 6 + 0.5, 0, 1)


# ------------------------------------------------------------------ elementwise
UNARY = {
    "identity": lambda x: x * 1, "neg": torch.neg, "abs": torch.abs, "sign": torch.sign,
    "exp": torch.exp, "expm1": torch.expm1, "sin": torch.sin, "cos": torch.cos,
    "tanh": torch.tanh, "erf": torch.erf, "sigmoid": torch.sigmoid, "square": torch.square,
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)), "floor": torch.floor,
    "ceil": torch.ceil, "round": torch.round, "relu": F.relu, "relu6": F.relu6,
    "selu": F.selu, "silu": F.silu, "mish": F.mish, "hard_sigmoid": lambda x: hard_sigmoid(x),
    "hard_swish": F.hardswish, "stop_gradient": lambda x: x.detach(),
}
for name, f in UNARY.items():
    golden(f"{name} ; f32[3,7] ; ", f)
golden("softplus ; f32[4]=-30,30,-90,50 ; ", UNARY["softplus"])
golden("sigmoid ; f32[4]=-30,30,-90,50 ; ", torch.sigmoid)
golden("tanh ; f32[6]=-30,30,-0.001,1e-6,9,0 ; ", torch.tanh)
golden("erf ; f32[6]=-6,3,-0.001,1e-6,1,0.99 ; ", torch.erf)
golden("sin ; f32[5]=100,-1000,3.1415927,0,20000 ; ", torch.sin)
golden("cos ; f32[5]=100,-1000,1.5707964,0,20000 ; ", torch.cos)
golden("hard_swish ; f32[6]=-4,-2.9,-1,1,2.9,4 ; ", F.hardswish)
golden("hard_sigmoid ; f32[6]=-4,-2.9,-1,1,2.9,4 ; ", hard_sigmoid)
golden("relu6 ; f32[4]=-1,3,5.5,7 ; ", F.relu6)
for name, f in {"log": torch.log, "log1p": torch.log1p, "sqrt": torch.sqrt,
                "rsqrt": torch.rsqrt, "reciprocal": torch.reciprocal}.items():
    golden(f"{name} ; f32+[3,7] ; ", f)
golden("is_finite ; f32[3]=1,nan,inf ; ", lambda x: torch.isfinite(x))
golden("logical_not ; bool[5] ; ", torch.logical_not)
golden("leaky_relu ; f32[9] ; alpha=0.1", lambda x, alpha: F.leaky_relu(x, alpha))
golden("elu ; f32[9] ; alpha=0.7", lambda x, alpha: F.elu(x, alpha))
golden("gelu ; f32[9] ; tanh=0", lambda x, tanh: F.gelu(x))
golden("gelu ; f32[9] ; tanh=1", lambda x, tanh: F.gelu(x, approximate="tanh"))
golden("clamp ; f32[9] ; lo=-0.5 hi=0.75", lambda x, lo, hi: torch.clamp(x, lo, hi))
golden("cast ; f32[5]=1.9,-1.9,0,7,-0.5 ; dtype=i64", lambda x, dtype: x.long())
golden("cast ; i64<9[5] ; dtype=f32", lambda x, dtype: x.double())
golden("straight_through ; f32[5] f32[5] ; ", lambda x, y: x + (y - x).detach())
for name, f in {"add": torch.add, "sub": torch.sub, "mul": torch.mul,
                "maximum": torch.maximum, "minimum": torch.minimum}.items():
    golden(f"{name} ; f32[2,1,3] f32[4,1] ; ", f)
    golden(f"{name} ; f32[] f32[3] ; ", f)
golden("div ; f32[2,3] f32+[3] ; ", torch.div)
golden("div ; i64<9[6] i64[1]=2 ; ",
       lambda x, y: torch.div(x, y, rounding_mode="trunc"))
golden("pow ; f32+[3,4] f32[4] ; ", torch.pow)
# by a negative base ours has derivative 0 in the exponent, torch's is NaN
golden("pow ; f32[3]=-2,-3,-1.5 f32[3]=2,3,-1 ; ", lambda x, y: torch.pow(x, y.detach()))
golden("maximum ; f32[3]=1,2,3 f32[3]=2,2,2 ; ", torch.maximum)
for name, f in {"eq": torch.eq, "ne": torch.ne, "lt": torch.lt, "le": torch.le,
                "gt": torch.gt, "ge": torch.ge}.items():
    golden(f"{name} ; f32[4]=1,2,3,nan f32[4]=2,2,2,2 ; ", f)
golden("logical_and ; bool[2,3] bool[3] ; ", torch.logical_and)
golden("logical_or ; bool[2,3] bool[3] ; ", torch.logical_or)
golden("select ; bool[3,1] f32[4] f32[3,4] ; ", torch.where)


# ------------------------------------------------------------------- reductions
def reduce(f):
    def run(x, axes, keep):
        return f(x, axes if axes else list(range(x.dim())), bool(keep))
    return run


def product(x, axes, keep):
    for a in sorted((a % x.dim() for a in axes), reverse=True):
        x = x.prod(a, keepdim=keep)
    return x


REDUCE = {
    "reduce_sum": lambda x, a, k: x.sum(a, keepdim=k), "reduce_prod": product,
    "reduce_mean": lambda x, a, k: x.mean(a, keepdim=k),
    "reduce_max": lambda x, a, k: x.amax(a, keepdim=k),
    "reduce_min": lambda x, a, k: x.amin(a, keepdim=k),
    "logsumexp": lambda x, a, k: x.logsumexp(a, keepdim=k),
}
for name, f in REDUCE.items():
    golden(f"{name} ; f32[3,2,4] ; axes=0,2 keep=0", reduce(f))
    golden(f"{name} ; f32[3,2,4] ; axes=-2 keep=1", reduce(f))
    golden(f"{name} ; f32[5] ; axes= keep=0", reduce(f))
golden("reduce_max ; f32[2,3]=1,3,3,2,2,2 ; axes=1 keep=0", reduce(REDUCE["reduce_max"]))
golden("reduce_prod ; f32[3,2]=2,3,0,4,0,0 ; axes=1 keep=0", reduce(product))
golden("logsumexp ; f32[2,2]=800,801,-900,-900 ; axes=1 keep=0", reduce(REDUCE["logsumexp"]))
golden("arg_max ; f32[3,5] ; axis=1 keep=0", lambda x, axis, keep: x.argmax(axis))
golden("arg_min ; f32[3,5] ; axis=0 keep=1", lambda x, axis, keep: x.argmin(axis, True))
for axis in (0, 1, 2):
    golden(f"softmax ; f32[3,4,2] ; axis={axis}", lambda x, axis: x.softmax(axis))
    golden(f"log_softmax ; f32[3,4,2] ; axis={axis}", lambda x, axis: x.log_softmax(axis))
golden("softmax ; f32[2,3]=500,501,499,-800,-801,-802 ; axis=1", lambda x, axis: x.softmax(axis))
golden("log_softmax ; f32[1,3]=500,501,499 ; axis=1", lambda x, axis: x.log_softmax(axis))


golden("softmax_grad ; f32[3,4] f32[3,4] ; axis=1",
       lambda y, g, axis: y * (g - (y * g).sum(axis, keepdim=True)))
golden("log_softmax_grad ; f32[3,4] f32[3,4] ; axis=0",
       lambda y, g, axis: g - y.exp() * g.sum(axis, keepdim=True))


def entropy(x, label, smoothing=0.0):
    return F.cross_entropy(x, label, reduction="none", label_smoothing=smoothing)


golden("cross_entropy ; f32[5,4] i64<4[5] ; smoothing=0", entropy)
golden("cross_entropy ; f32[5,4] i32<4[5] ; smoothing=0.2", entropy)
golden("cross_entropy ; f32[2,3,2,2] i64<3[2,2,2] ; smoothing=0.1", entropy)
golden("cross_entropy ; f32[2,2]=700,-700,3,3 i64[2]=1,0 ; smoothing=0", entropy)
golden("cross_entropy_grad ; f32[4,3] i64<3[4] f32[4] ; smoothing=0.1",
       lambda x, label, g, smoothing: torch.autograd.grad(
           entropy(x, label, smoothing), x, g, create_graph=True)[0])


def cumsum(x, axis, exclusive, reverse):
    y = x.flip(axis) if reverse else x
    y = y.cumsum(axis) - (y if exclusive else 0)
    return y.flip(axis) if reverse else y


for exclusive, reverse in ((0, 0), (1, 0), (0, 1), (1, 1)):
    golden(f"cumsum ; f32[3,4] ; axis=1 exclusive={exclusive} reverse={reverse}", cumsum)


# ------------------------------------------------------------------------ norms
def batch_norm(x, scale, shift, eps):
    axes = [i for i in range(x.dim()) if i != 1]
    y = F.batch_norm(x, None, None, scale, shift, training=True, eps=eps)
    return y, x.mean(axes), x.var(axes, unbiased=False)


golden("batch_norm ; f32[4,3] f32[3] f32[3] ; eps=1e-5", batch_norm)
golden("batch_norm ; f32[3,2,2,3] f32[2] f32[2] ; eps=1e-3", batch_norm)
golden("batch_norm_infer ; f32[3,2,2] f32[2] f32[2] f32[2] f32+[2] ; eps=1e-5",
       lambda x, s, h, m, v, eps: (x - m[:, None]) / (v[:, None] + eps).sqrt() * s[:, None] + h[:, None])


def manual_batch_norm_grad(x, scale, mean, var, gy, eps):
    s = (var + eps).sqrt()
    xhat = (x - mean) / s
    gx = scale / s * (gy - gy.mean(0) - xhat * (gy * xhat).mean(0))
    return gx, (gy * xhat).sum(0), gy.sum(0)


def at_statistics(eps, more, function=manual_batch_norm_grad):
    """batch_norm_grad is defined at the batch's own statistics: give it those."""
    random = np.random.default_rng(7)
    x = random.uniform(-2, 2, (4, 2)).astype(np.float32)
    m, v = x.mean(0), x.var(0)
    values = [",".join(repr(float(e)) for e in a.ravel()) for a in (x, m, v)]
    golden(f"batch_norm_grad ; f32[4,2]={values[0]} f32[2] f32[2]={values[1]} "
           f"f32[2]={values[2]} f32[4,2]{more} eps={eps}", function)


at_statistics(1e-3, " ;")


def then_relu(*tensors, relu, eps=1e-5):
    y, mean, var = batch_norm(*tensors[:3], eps)
    return (y + tensors[3] if len(tensors) > 3 else y).relu(), mean, var


def infer_then_relu(x, s, h, m, v, residual, relu):
    m, v, s, h = (t[:, None, None] for t in (m, v, s, h))
    return ((x - m) / (v + 1e-5).sqrt() * s + h + residual).relu()


def relu_grad(x, scale, mean, var, gy, shift, relu, eps):
    """The formula; and it is what autograd says."""
    xhat = (x - mean) / (var + eps).sqrt()
    g = gy * (xhat * scale + shift > 0)
    gx = scale / (var + eps).sqrt() * (g - g.mean(0) - xhat * (g * xhat).mean(0))
    leaves = [t.detach().requires_grad_() for t in (x, scale, shift)]
    y = F.batch_norm(leaves[0], None, None, *leaves[1:], training=True, eps=eps).relu()
    found = gx, (g * xhat).sum(0), g.sum(0)
    for mine, theirs in zip(found, torch.autograd.grad(y, leaves, gy)):
        assert torch.allclose(mine, theirs, rtol=1e-5, atol=1e-5), (mine, theirs)
    return found


golden("batch_norm ; f32[3,2,3,4] f32[2] f32[2] ; relu=1", then_relu)
golden("batch_norm ; f32[3,2,3,4] f32[2] f32[2] f32[3,2,3,4] ; relu=1 eps=1e-3", then_relu)
golden("batch_norm_infer ; f32[3,2,3,4] f32[2] f32[2] f32[2] f32+[2] f32[3,2,3,4] ; relu=1",
       infer_then_relu)
at_statistics(1e-3, " f32[2] ; relu=1", relu_grad)
golden("layer_norm ; f32[3,4] f32[4] f32[4] ; axis=-1 eps=1e-5",
       lambda x, s, h, axis, eps: F.layer_norm(x, (4,), s, h, eps))
golden("layer_norm ; f32[2,2,3] f32[2,3] f32[2,3] ; axis=1 eps=1e-3",
       lambda x, s, h, axis, eps: F.layer_norm(x, (2, 3), s, h, eps))


def layer_norm_grad(x, scale, gy, axis, eps):
    shape = tuple(x.shape[axis:])
    shift = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    y = F.layer_norm(x, shape, scale, shift, eps)
    return torch.autograd.grad(y, (x, scale, shift), gy, create_graph=True)


golden("layer_norm_grad ; f32[3,4] f32[4] f32[3,4] ; axis=1 eps=1e-3", layer_norm_grad)
golden("group_norm ; f32[2,4,3] f32[4] f32[4] ; groups=2 eps=1e-5",
       lambda x, s, h, groups, eps: F.group_norm(x, groups, s, h, eps))
golden("group_norm ; f32[2,4,2,2] f32[4] f32[4] ; groups=4 eps=1e-3",
       lambda x, s, h, groups, eps: F.group_norm(x, groups, s, h, eps))
golden("rms_norm ; f32[3,4] f32[4] ; eps=1e-5",
       lambda x, s, eps: F.rms_norm(x, (4,), s, eps))


def group_norm_grad(x, scale, gy, groups, eps):
    shift = torch.zeros(scale.shape, dtype=torch.float64, requires_grad=True)
    y = F.group_norm(x, groups, scale, shift, eps)
    return torch.autograd.grad(y, (x, scale, shift), gy, create_graph=True)


def rms_norm_grad(x, scale, gy, eps):
    y = F.rms_norm(x, tuple(scale.shape), scale, eps)
    return torch.autograd.grad(y, (x, scale), gy, create_graph=True)


golden("group_norm_grad ; f32[2,4,3] f32[4] f32[2,4,3] ; groups=2 eps=1e-3",
       group_norm_grad)
golden("rms_norm_grad ; f32[3,4] f32[4] f32[3,4] ; eps=1e-3", rms_norm_grad)


# ---------------------------------------------------------------------- windows
def max_pool(x, kernel, stride, pad):
    x = F.pad(x, window(pad), value=-torch.inf)
    return F.max_pool2d(x, kernel, stride)


def avg_pool(x, kernel, stride, pad, count_pad):
    sums = F.avg_pool2d(F.pad(x, window(pad)), kernel, stride, divisor_override=1)
    inside = F.pad(torch.ones_like(x), window(pad), value=float(count_pad))
    return sums / F.avg_pool2d(inside, kernel, stride, divisor_override=1)


golden("max_pool2d ; f32[1,2,5,4] ; kernel=3,2 stride=2,1 pad=1,0,1,1", max_pool)
golden("max_pool2d ; f32[2,1,4,4] ; kernel=2,2 stride=2,2 pad=0,0,0,0", max_pool)
golden("max_pool2d ; f32[1,1,2,2]=3,3,3,3 ; kernel=2,2 stride=1,1 pad=0,0,0,0", max_pool)
golden("max_pool2d_grad ; f32[1,1,4,4] f32[1,1,3,3] ; kernel=2,2 stride=1,1 pad=0,0,0,0",
       lambda x, g, kernel, stride, pad: torch.autograd.grad(
           max_pool(x, kernel, stride, pad), x, g, create_graph=True)[0])
golden("max_pool2d_gather ; f32[1,2,4,4] f32[1,2,4,4] ; kernel=2,2 stride=2,2 pad=0,0,0,0",
       lambda x, g, kernel, stride, pad: g.flatten(2).gather(
           2, F.max_pool2d(x, kernel, stride, return_indices=True)[1].flatten(2)
       ).reshape(1, 2, 2, 2))
golden("avg_pool2d ; f32[1,2,5,4] ; kernel=3,2 stride=2,1 pad=1,0,1,1 count_pad=0", avg_pool)
golden("avg_pool2d ; f32[1,2,5,4] ; kernel=3,2 stride=2,1 pad=1,0,1,1 count_pad=1", avg_pool)
golden("avg_pool2d ; f32[1,1,4,4] ; kernel=2,2 stride=2,2 pad=1,1,1,1 count_pad=0",
       lambda x, kernel, stride, pad, count_pad: F.avg_pool2d(
           x, kernel, stride, 1, count_include_pad=False))


def avg_pool_grad(g, kernel, stride, pad, count_pad, input_shape):
    x = torch.zeros(input_shape, dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(avg_pool(x, kernel, stride, pad, count_pad), x, g,
                               create_graph=True)[0]


golden("avg_pool2d_grad ; f32[1,1,3,4] ; kernel=3,2 stride=2,1 pad=1,0,1,1 count_pad=0 "
       "input_shape=1,1,5,4", avg_pool_grad)
golden("global_avg_pool2d ; f32[2,3,3,2] ; ", lambda x: x.mean((2, 3)))


def resize(x, size, mode):
    if mode:
        return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
    return F.interpolate(x, size=size, mode="nearest")


golden("resize2d ; f32[1,2,3,4] ; size=6,7 mode=1", resize)
golden("resize2d ; f32[1,1,7,5] ; size=3,4 mode=1", resize)
golden("resize2d ; f32[1,2,3,4] ; size=6,2 mode=0", resize)
golden("resize2d ; f32[1,1,5,7] ; size=8,3 mode=0", resize)


def resize_grad(g, input_shape, mode):
    x = torch.zeros(input_shape, dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(resize(x, list(g.shape[2:]), mode), x, g, create_graph=True)[0]


golden("resize2d_grad ; f32[1,1,6,3] ; input_shape=1,1,4,5 mode=1", resize_grad)
golden("resize2d_grad ; f32[1,1,6,3] ; input_shape=1,1,4,5 mode=0", resize_grad)


# --------------------------------------------------------------------- products
def matmul(x, y, trans_a, trans_b):
    return (x.mT if trans_a else x) @ (y.mT if trans_b else y)


golden("matmul ; f32[3,4] f32[4,2] ; trans_a=0 trans_b=0", matmul)
golden("matmul ; f32[4,3] f32[4,2] ; trans_a=1 trans_b=0", matmul)
golden("matmul ; f32[3,4] f32[2,4] ; trans_a=0 trans_b=1", matmul)
golden("matmul ; f32[4,3] f32[2,4] ; trans_a=1 trans_b=1", matmul)
golden("matmul ; f32[2,1,2,3] f32[3,3,2] ; trans_a=0 trans_b=0", matmul)
golden("linear ; f32[3,4] f32[2,4] f32[2] ; ", F.linear)
golden("linear ; f32[2,3,4] f32[2,4] ; ", F.linear)
golden("linear_relu ; f32[3,4] f32[2,4] f32[2] ; ", lambda x, w, b: F.relu(F.linear(x, w, b)))
golden("linear_relu ; f32[2,3,4] f32[2,4] ; ", lambda x, w: F.relu(F.linear(x, w)))
golden("linear_grad_weight ; f32[5,3] f32[5,4] ; ", lambda gy, x: (gy.T @ x, gy.sum(0)))


def conv(x, w, b=None, stride=(1, 1), pad=(0, 0, 0, 0), dilation=(1, 1), groups=1):
    return F.conv2d(F.pad(x, window(pad)), w, b, stride, 0, dilation, groups)


golden("conv2d ; f32[2,2,4,5] f32[3,2,3,3] f32[3] ; stride=1,1 pad=1,1,1,1 dilation=1,1 "
       "groups=1", conv)
golden("conv2d ; f32[1,4,5,6] f32[6,2,3,2] ; stride=2,1 pad=1,0,0,2 dilation=1,2 groups=2",
       conv)
golden("conv2d ; f32[1,3,4,4] f32[3,1,3,3] f32[3] ; stride=2,2 pad=1,1,1,1 dilation=1,1 "
       "groups=3", conv)
golden("conv2d_grad_input ; f32[4,2,2,3] f32[1,4,4,2] ; stride=1,2 pad=0,1,1,0 dilation=2,1 "
       "groups=2 input_shape=1,4,5,5",
       lambda w, g, input_shape, **a: torch.autograd.grad(conv(
           x := torch.zeros(input_shape, dtype=torch.float64, requires_grad=True), w, **a),
           x, g, create_graph=True)[0])
golden("conv2d_grad_weight ; f32[2,4,5,5] f32[2,4,4,2] ; stride=1,2 pad=0,1,1,0 "
       "dilation=2,1 groups=2 weight_shape=4,2,2,3",
       lambda x, g, weight_shape, **a: torch.autograd.grad(conv(
           x, w := torch.zeros(weight_shape, dtype=torch.float64, requires_grad=True), **a),
           w, g, create_graph=True)[0])


def conv_transpose(x, w, b=None, stride=(1, 1), pad=(0, 0, 0, 0), dilation=(1, 1), groups=1,
                   output_pad=(0, 0)):
    """torch pads alike on both sides: pad nothing there and cut here"""
    y = F.conv_transpose2d(x, w, None, stride, 0, output_pad, groups, dilation)
    top, left, bottom, right = pad
    y = y[:, :, top:y.shape[2] - bottom, left:y.shape[3] - right]
    return y if b is None else y + b[:, None, None]


golden("conv_transpose2d ; f32[1,3,3,4] f32[3,2,3,3] f32[2] ; stride=2,2 pad=1,1,1,1 "
       "dilation=1,1 groups=1 output_pad=1,1", lambda x, w, b, **a: F.conv_transpose2d(
           x, w, b, a["stride"], 1, a["output_pad"], a["groups"], a["dilation"]))
golden("conv_transpose2d ; f32[1,4,3,2] f32[4,1,2,3] ; stride=1,2 pad=0,1,1,0 dilation=2,1 "
       "groups=2 output_pad=0,1", lambda x, w, **a: conv_transpose(x, w, **a))


# ---------------------------------------------------------------------- indices
def gather(x, index, axis):
    y = x.index_select(axis, index.reshape(-1))
    axis %= x.dim()
    return y.reshape(x.shape[:axis] + index.shape + x.shape[axis + 1:])


golden("gather ; f32[3,4,2] i64<4[2,3] ; axis=1", gather)
golden("gather ; f32[3] i32<3[5] ; axis=0", gather)
golden("embedding ; f32[5,3] i64<5[2,2] ; ", lambda t, i: F.embedding(i, t))
golden("scatter_add ; f32[3,4] i64<4[6] f32[3,6] ; axis=1",
       lambda x, i, u, axis: x.index_add(axis, i, u))
golden("take_along ; f32[4,5] i64<4[3,5] ; axis=0",
       lambda x, i, axis: torch.take_along_dim(x, i, axis))
golden("put_along_add ; f32[4,5] i64<4[3,5] f32[3,5] ; axis=0",
       lambda x, i, u, axis: x.scatter_add(axis, i, u))
golden("pick ; f32[4,3] i64<3[4] ; ", lambda x, i: x.gather(1, i[:, None])[:, 0])
golden("sort ; f32[3,6] ; axis=1 descending=0",
       lambda x, axis, descending: tuple(torch.sort(x, dim=axis, stable=True)))
golden("sort ; f32[2,5]=3,nan,1,3,1,0,1,0,1,0 ; axis=1 descending=1",
       lambda x, axis, descending: tuple(torch.sort(x, dim=axis, descending=True, stable=True)))
golden("top_k ; f32[3,6] ; k=3 axis=1", lambda x, k, axis: tuple(x.topk(k, axis)))
golden("top_k ; f32[5,2] ; k=2 axis=0", lambda x, k, axis: tuple(x.topk(k, axis)))
golden("one_hot ; i64<4[5] ; depth=4 dtype=f32",
       lambda i, depth, dtype: F.one_hot(i, depth).double())

# ------------------------------------------------------------------------ moves
golden("reshape ; f32[4,3] ; shape=2,-1", lambda x, shape: x.reshape(shape))
golden("flatten ; f32[2,3,2] ; ", lambda x: x.flatten(1))
golden("transpose ; f32[2,3,4] ; perm=2,0,1", lambda x, perm: x.permute(perm))
golden("slice ; f32[5,6] ; start=1,0 stop=5,6 step=2,3",
       lambda x, start, stop, step: x[start[0]:stop[0]:step[0], start[1]:stop[1]:step[1]])
golden("concat ; f32[2,3] f32[2,1] f32[2,2] ; axis=1", lambda *x, axis: torch.cat(x, axis))
golden("pad ; f32[2,3] ; low=1,0 high=0,2 value=1.5",
       lambda x, low, high, value: F.pad(x, (low[1], high[1], low[0], high[0]), value=value))
golden("broadcast_to ; f32[3,1] ; shape=2,3,4", lambda x, shape: x.broadcast_to(shape))
golden("reduce_to ; f32[2,3,4] ; shape=3,1", lambda x, shape: x.sum_to_size(shape))
golden("iota ;  ; shape=2,3 axis=1 dtype=i64",
       lambda shape, axis, dtype: torch.arange(3).broadcast_to(2, 3))
golden("full ;  ; shape=2,3 value=2.5 dtype=f32",
       lambda shape, value, dtype: torch.full((2, 3), value, dtype=torch.float64))


# -------------------------------------------------------------------- attention
def heads_apart(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(-2, -3)


def attention(q, k, v, heads=1, causal=0, scale=None):
    q, k, v = (heads_apart(x, heads) for x in (q, k, v))
    y = F.scaled_dot_product_attention(q, k, v, is_causal=bool(causal), scale=scale)
    s = q @ k.mT * (scale or q.shape[-1] ** -0.5)
    if causal:
        s = s.masked_fill(~torch.ones(s.shape[-2:], dtype=torch.bool).tril(), -torch.inf)
    return y.transpose(-2, -3).flatten(-2), s.logsumexp(-1).mT


golden("attention ; f32[2,4,6] f32[2,5,6] f32[2,5,4] ; heads=2", attention)
golden("attention ; f32[2,5,6] f32[2,5,6] f32[2,5,6] ; heads=3 causal=1 scale=0.3", attention)
golden("attention ; f32[2,2,3,4] f32[2,2,5,4] f32[2,2,5,2] ; causal=1", attention)
golden("attention ; f32[1,20,8] f32[1,30,8] f32[1,30,4] ; heads=2 causal=1", attention)


def attention_grad(q, k, v, y, lse, gy, glse=0.0, heads=1, causal=0, scale=None):
    """The formula of Dao et al. 2022, appendix B.2, for any y and lse. That it is the
    gradient at attention's own results is in the records of attention."""
    q, k, v, y, gy = (heads_apart(x, heads) for x in (q, k, v, y, gy))
    scale = scale or q.shape[-1] ** -0.5
    p = (q @ k.mT * scale - lse.mT[..., None]).exp()
    p = p.tril() if causal else p
    less = (gy * y).sum(-1) - (glse.mT if torch.is_tensor(glse) else glse)
    gs = p * (gy @ v.mT - less[..., None]) * scale
    return tuple(g.transpose(-2, -3).flatten(-2) for g in (gs @ k, gs.mT @ q, p.mT @ gy))


golden("attention_grad ; f32[2,4,6] f32[2,5,6] f32[2,5,4] f32[2,4,4] f32[2,4,2] f32[2,4,4] "
       "f32[2,4,2] ; heads=2 causal=1 scale=0.4", attention_grad)
golden("attention_grad ; f32[3,4] f32[5,4] f32[5,2] f32[3,2] f32[3,1] f32[3,2] ; heads=1",
       attention_grad)

out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "golden.bin")
out.write_bytes(b"".join(records))
print(f"{len(records)} records, {out.stat().st_size} bytes, torch {torch.__version__}")

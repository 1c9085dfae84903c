# SPDX-License-Identifier: Apache-2.0
"""The cases of sequential's layers, shared by the oracle and the test: every type, every
option. A case is the list of layers and the shape of a sample (or the integers below a
number); it is trained for STEPS steps on mean squared error."""
from parts import integers, numbers

ROWS, VAL_ROWS, STEPS, LR = 6, 5, 3, 0.05
IMAGE = (3, 7, 6)
SEQUENCE = (5, 3)


def dense(units=6, **more):
    return {"type": "dense", "units": units, **more}


def conv(channels=4, **more):
    return {"type": "conv2d", "channels": channels, **more}


def after_dense(*layers):
    """A function of numbers of both signs that have a parameter before them."""
    return [dense(), *layers], (5,)


def after_conv(*layers):
    return [conv(4, pad=1), *layers], IMAGE


def cases():
    out = {
        "dense": ([dense(4), dense(3, bias=False)], (5,)),
        "dense of rows": ([dense(4)], (3, 5)),
        "conv2d": ([conv()], IMAGE),
        "conv2d kernel 1": ([conv(kernel=1, bias=False)], IMAGE),
        "conv2d pad stride": ([conv(kernel=3, pad=1, stride=2)], IMAGE),
        "conv2d rectangles": ([conv(kernel=[3, 2], pad=[2, 1], stride=[1, 2])], IMAGE),
        "conv2d four pads": ([conv(kernel=3, pad=[0, 1, 2, 3])], IMAGE),
        "conv2d dilation": ([conv(kernel=2, dilation=[2, 3])], IMAGE),
        "conv2d same": ([conv(kernel=4, padding="same")], IMAGE),
        "conv2d same dilation": ([conv(kernel=3, padding="same", dilation=2)], IMAGE),
        "conv2d groups": ([conv(6, kernel=3, groups=3)], IMAGE),
        "depthwise_conv2d": ([{"type": "depthwise_conv2d", "kernel": 3, "pad": 1}], IMAGE),
        "depthwise_conv2d multiplier": (
            [{"type": "depthwise_conv2d", "multiplier": 2, "kernel": [2, 3], "stride": 2,
              "bias": False}], IMAGE),
        "depthwise_conv2d same": (
            [{"type": "depthwise_conv2d", "kernel": 2, "padding": "same", "dilation": 2}],
            IMAGE),
        "conv_transpose2d": ([{"type": "conv_transpose2d", "channels": 4}], IMAGE),
        "conv_transpose2d stride": (
            [{"type": "conv_transpose2d", "channels": 4, "kernel": 4, "stride": 2, "pad": 1,
              "bias": False}], IMAGE),
        "conv_transpose2d all": (
            [{"type": "conv_transpose2d", "channels": 4, "kernel": [3, 2], "stride": [2, 3],
              "pad": [1, 0], "output_pad": [1, 2], "dilation": [1, 2]}], IMAGE),
        "conv_transpose2d groups": (
            [{"type": "conv_transpose2d", "channels": 6, "groups": 3}], IMAGE),
        "embedding": ([{"type": "embedding", "size": 9, "units": 4}, {"type": "flatten"},
                       dense(3)], 9),
        "position_embedding": ([dense(4), {"type": "position_embedding"}], (3, 5)),
        "position_embedding longer": (
            [{"type": "embedding", "size": 9, "units": 4},
             {"type": "position_embedding", "length": 7}, dense(3)], 9),
        "attention": ([{"type": "attention", "heads": 2}], (5, 4)),
        "attention causal": ([{"type": "attention", "heads": 3, "causal": True,
                               "bias": False}], (4, 6)),
        "attention of a context": (
            [{"type": "transpose", "order": [2, 1], "name": "other"},
             {"type": "attention", "input": "x", "context": "other", "heads": 1}], (3, 5)),
        "transformer_block": ([{"type": "transformer_block", "heads": 2}], (5, 4)),
        "transformer_block all": (
            [{"type": "transformer_block", "heads": 1, "causal": True, "hidden": 7,
              "activation": "relu", "eps": 1e-3, "bias": False},
             {"type": "transformer_block", "heads": 3, "dropout": 0}], (4, 6)),
        "one_hot": ([{"type": "one_hot", "classes": 9}, dense(3)], 9),
        "batch_norm": (after_conv({"type": "batch_norm"})),
        "batch_norm of features": (
            after_dense({"type": "batch_norm", "momentum": 0.3, "eps": 1e-3})),
        "layer_norm": (after_dense({"type": "layer_norm"})),
        "layer_norm axes": (after_conv({"type": "layer_norm", "axis": 1, "eps": 1e-2})),
        "rms_norm": (after_dense({"type": "rms_norm", "eps": 1e-3})),
        "group_norm": (after_conv({"type": "group_norm", "groups": 2, "eps": 1e-3})),
        "group_norm one": (after_conv({"type": "group_norm"})),
        "instance norm": (after_conv({"type": "group_norm", "groups": 4})),
        "max_pool2d": (after_conv({"type": "max_pool2d", "kernel": 2})),
        "max_pool2d all": (
            after_conv({"type": "max_pool2d", "kernel": [3, 2], "stride": 1,
                        "pad": [1, 0]})),
        "avg_pool2d": (after_conv({"type": "avg_pool2d", "kernel": 3, "stride": 2,
                                   "pad": 1})),
        "avg_pool2d count_pad": (
            after_conv({"type": "avg_pool2d", "kernel": [3, 4], "stride": [2, 1],
                        "pad": [1, 2], "count_pad": True})),
        "global_avg_pool2d": (after_conv({"type": "global_avg_pool2d"})),
        "global_max_pool2d": (after_conv({"type": "global_max_pool2d"})),
        "resize2d": (after_conv({"type": "resize2d"})),
        "resize2d bilinear": (after_conv({"type": "resize2d", "mode": "bilinear",
                                          "scale": 3})),
        "resize2d size": (after_conv({"type": "resize2d", "size": [5, 9],
                                      "mode": "bilinear"})),
        "resize2d nearest size": (after_conv({"type": "resize2d", "size": 4})),
        "pad2d": (after_conv({"type": "pad2d", "pad": [1, 2, 0, 3], "value": 0.5})),
        "leaky_relu": (after_dense({"type": "leaky_relu"})),
        "leaky_relu alpha": (after_dense({"type": "leaky_relu", "alpha": 0.2})),
        "prelu": (after_dense({"type": "prelu"})),
        "prelu of images": (after_conv({"type": "prelu", "alpha": 0.1})),
        "elu": (after_dense({"type": "elu"})),
        "elu alpha": (after_dense({"type": "elu", "alpha": 0.5})),
        "gelu": (after_dense({"type": "gelu"})),
        "gelu tanh": (after_dense({"type": "gelu", "tanh": True})),
        "softmax": (after_dense({"type": "softmax"})),
        "softmax axis": (after_conv({"type": "softmax", "axis": 1})),
        "log_softmax": (after_dense({"type": "log_softmax"})),
        "log_softmax axis": (after_conv({"type": "log_softmax", "axis": 2})),
        "clamp": (after_dense({"type": "clamp"})),
        "clamp both": (after_dense({"type": "clamp", "low": -0.5, "high": 0.75})),
        "affine": (after_dense({"type": "affine", "factor": -2.5, "shift": 1.5})),
        "reshape": (after_dense({"type": "reshape", "shape": [2, -1]})),
        "transpose": (after_conv({"type": "transpose", "order": [2, 3, 1]}, dense(2))),
        "flatten": (after_conv({"type": "flatten"}, dense(2))),
        "slice": (after_conv({"type": "slice", "start": 1, "stop": 3})),
        "slice end": (after_conv({"type": "slice", "axis": -1, "start": -5, "stop": -1,
                                  "step": 2})),
        "reduce": (after_conv({"type": "reduce", "axes": [2, 3]})),
        "reduce sum": (after_conv({"type": "reduce", "op": "sum", "axes": -1,
                                   "keep": True})),
        "reduce max": (after_conv({"type": "reduce", "op": "max", "axes": 1})),
        "reduce min": (after_conv({"type": "reduce", "op": "min", "axes": [1, -1]})),
        "cumsum": (after_dense({"type": "cumsum"})),
        "cumsum axis": (after_conv({"type": "cumsum", "axis": 2})),
        "dropout of nothing": (after_dense({"type": "dropout", "p": 0}, dense(2))),
        "stop_gradient": ([dense(4, name="a"), {"type": "stop_gradient"},
                           {"type": "mul", "from": ["a"]}], (5,)),
        "residual": ([dense(6, name="a"), {"type": "relu"}, dense(6),
                      {"type": "add", "from": ["a"]}, dense(2)], (5,)),
        "add of three": ([dense(6, name="a"), dense(6, name="b"), {"type": "tanh"},
                          {"type": "add", "from": ["a", "b"]}], (5,)),
        "sub": ([dense(6, name="a"), {"type": "sigmoid"}, {"type": "sub", "from": ["a"]}],
                (5,)),
        "mul of a gate": ([dense(5, name="gate"), {"type": "sigmoid"},
                           {"type": "mul", "from": ["x"]}], (5,)),
        "maximum": ([dense(6, name="a"), dense(6), {"type": "maximum", "from": ["a"]}],
                    (5,)),
        "concat": ([dense(3, name="a"), dense(4, input="x", name="b"),
                    {"type": "concat", "from": ["a", "x"]}, dense(2)], (5,)),
        "concat axis": ([conv(4, pad=1, name="a"), conv(4, pad=1, input="x"),
                         {"type": "concat", "from": ["a"], "axis": -1}], IMAGE),
        "matmul": ([dense(4, name="k"), dense(4, input="x", name="q"),
                    {"type": "matmul", "from": ["k"], "transpose": True},
                    {"type": "affine", "factor": 0.5}, {"type": "softmax", "name": "share"},
                    dense(3, input="x", name="v"), {"type": "identity", "input": "share"},
                    {"type": "matmul", "from": ["v"]}], (3, 5)),
        "inception": ([conv(2, kernel=1, name="a"),
                       conv(3, kernel=3, padding="same", input="x", name="b"),
                       {"type": "max_pool2d", "kernel": 3, "stride": 1, "pad": 1,
                        "input": "x", "name": "c"},
                       {"type": "concat", "from": ["a", "b"]}, {"type": "batch_norm"},
                       {"type": "relu"}, {"type": "global_avg_pool2d"}, dense(2)], IMAGE),
    }
    for name in ("relu", "relu6", "selu", "silu", "mish", "tanh", "sigmoid", "hard_sigmoid",
                 "hard_swish", "softplus", "abs", "neg", "sin", "cos", "identity"):
        out[name] = after_dense({"type": "affine", "factor": 3.0}, {"type": name})
    for name in ("exp", "square"):
        out[name] = after_dense({"type": name})
    out.update(recurrent_cases())
    for name in ("log", "sqrt"):  # of numbers above 0
        out[name] = after_dense({"type": "softplus"}, {"type": name})
    return out


def recurrent(kind, units=4, **more):
    return {"type": kind, "units": units, **more}


def recurrent_cases():
    last = {"return": "last"}
    out = {}
    for kind in ("lstm", "gru"):
        out.update({
            kind: ([recurrent(kind)], SEQUENCE),
            f"{kind} last": ([recurrent(kind, bias=False, **last), dense(3)], SEQUENCE),
            f"{kind} layers": ([recurrent(kind, layers=2)], SEQUENCE),
            f"{kind} bidirectional": (
                [recurrent(kind, 3, bidirectional=True, layers=2, **last)], SEQUENCE),
            f"{kind} lengths": ([recurrent(kind, 5), recurrent(kind, 3)], SEQUENCE),
            f"{kind} lengths last": ([recurrent(kind, layers=2, **last), dense(2)], SEQUENCE),
            f"{kind} lengths bidirectional": (
                [recurrent(kind, 3, bidirectional=True, layers=2)], SEQUENCE),
            f"{kind} lengths bidirectional last": (
                [recurrent(kind, 3, bidirectional=True, layers=2, **last)], SEQUENCE),
            f"{kind} of indices": (
                [{"type": "embedding", "size": 9, "units": 4}, recurrent(kind, **last)], 9),
        })
    return out


def lengths(name, rows, split):
    """Steps of each row, the longest and the shortest among them, or None."""
    if " lengths" not in name:
        return None
    out = 1 + integers(f"{name}/{split}/lengths", (rows,), SEQUENCE[0])
    out[0], out[1] = SEQUENCE[0], 1
    return out


def inputs(name, rows, split):
    shape = cases()[name][1]
    if isinstance(shape, int):
        return integers(f"{name}/{split}", (rows, 4), shape)
    return numbers(f"{name}/{split}", (rows, *shape), -1.5, 1.5)


def target(name, shape, split):
    return numbers(f"{name}/{split}/target", shape, -1.0, 1.0)

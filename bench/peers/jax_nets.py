# SPDX-License-Identifier: Apache-2.0
"""The networks of the rows in JAX: functions of a dictionary of weights under runner's
names. Each gives logits, and the running statistics that it has moved on."""
import jax
import jax.numpy as jnp
from jax import lax


class Net:
    """What one call of a network sees. `layout` of images is NCHW or NHWC; kernels are
    stored to match (OIHW or HWIO)."""

    def __init__(self, p, layout, key, dropout, low=None):
        self.low = low  # bf16: what products read and give; None: f32
        self.p, self.layout, self.key, self.dropout = p, layout, key, dropout
        self.kernel = "OIHW" if layout == "NCHW" else "HWIO"
        self.channel = layout.index("C")
        self.space = (layout.index("H"), layout.index("W"))
        self.moved = {}

    def narrow(self, x):
        return x.astype(self.low) if self.low else x

    def product(self, x, w):
        return self.narrow(x) @ self.narrow(w).T

    def dense(self, name, x):
        x, bias = self.product(x, self.p[f"{name}.weight"]), self.p.get(f"{name}.bias")
        return x if bias is None else x + self.narrow(bias)

    def conv(self, name, x, stride=1, pad=1):
        x = lax.conv_general_dilated(
            self.narrow(x), self.narrow(self.p[f"{name}.weight"]), (stride, stride), [(pad, pad)] * 2,
            dimension_numbers=(self.layout, self.kernel, self.layout))
        bias = self.p.get(f"{name}.bias")
        return x if bias is None else x + self.along(self.narrow(bias))

    def along(self, v):
        """A number for each channel."""
        return v.reshape([-1 if i == self.channel else 1 for i in range(4)])

    def norm(self, name, x, eps=1e-5, share=0.1):
        x = x.astype(jnp.float32)
        axes = tuple(i for i in range(4) if i != self.channel)
        mean = x.mean(axes)
        variance = jnp.square(x - self.along(mean)).mean(axes)
        count = x.size // mean.size
        for word, value in (("mean", mean), ("variance", variance * count / (count - 1))):
            self.moved[f"{name}.{word}"] = ((1 - share) * self.p[f"{name}.{word}"]
                                            + share * value)
        scale = self.p[f"{name}.scale"] * lax.rsqrt(variance + eps)
        return self.narrow((x - self.along(mean)) * self.along(scale) + self.along(
            self.p[f"{name}.shift"]))

    def layer_norm(self, name, x):
        x = x.astype(jnp.float32)
        x = x - x.mean(-1, keepdims=True)
        x = x * lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + 1e-5)
        return self.narrow(x * self.p[f"{name}.scale"] + self.p[f"{name}.shift"])

    def pool(self, x, size=2, stride=None, pad=0):
        def of(space, other):
            return tuple(space if i in self.space else other for i in range(4))
        return lax.reduce_window(x, -jnp.inf, lax.max, of(size, 1), of(stride or size, 1),
                                 of((pad, pad), (0, 0)))

    def flat(self, x):
        """In runner's order: channels, rows, columns."""
        if x.ndim == 4 and self.layout == "NHWC":
            x = x.transpose(0, 3, 1, 2)
        return x.reshape(len(x), -1)

    def drop(self, x, share):
        if not self.dropout:
            return x
        keep = jax.random.bernoulli(self.key, 1.0 - share, x.shape)
        return jnp.where(keep, x / (1.0 - share), 0.0)


def perceptron(hidden):
    def forward(n, x):
        x = n.flat(x)
        for i in range(hidden):
            x = jax.nn.relu(n.dense(f"hidden{i + 1}", x))
        return n.dense("head", x)
    return forward


def cnn(n, x):
    for at in (1, 5, 9):
        x = n.pool(jax.nn.relu(n.norm(f"batch_norm{at + 1}", n.conv(f"conv2d{at}", x))))
    return n.dense("dense15", n.drop(n.flat(x), 0.3))


def lenet(n, x):
    x = n.pool(jax.nn.relu(n.conv("conv1", x, pad=2)))
    x = n.flat(n.pool(jax.nn.relu(n.conv("conv2", x, pad=0))))
    x = jax.nn.relu(n.dense("fc1", x))
    return n.dense("head", jax.nn.relu(n.dense("fc2", x)))


def block(n, at, x, outputs, stride):
    y = jax.nn.relu(n.norm(f"{at}.norm1", n.conv(f"{at}.conv1", x, stride)))
    y = n.norm(f"{at}.norm2", n.conv(f"{at}.conv2", y))
    if f"{at}.conv_skip.weight" in n.p:
        x = n.norm(f"{at}.norm_skip", n.conv(f"{at}.conv_skip", x, stride, 0))
    elif stride != 1 or x.shape[n.channel] != outputs:
        new = outputs - x.shape[n.channel]
        step, pads = [1] * 4, [(0, 0)] * 4
        step[n.space[0]] = step[n.space[1]] = stride
        pads[n.channel] = (new // 2, new - new // 2)
        x = jnp.pad(lax.slice(x, (0,) * 4, x.shape, step), pads)
    return jax.nn.relu(y + x)


def bottleneck(n, at, x, channels, stride):
    y = jax.nn.relu(n.norm(f"{at}.norm1", n.conv(f"{at}.conv1", x, 1, 0)))
    y = jax.nn.relu(n.norm(f"{at}.norm2", n.conv(f"{at}.conv2", y, stride)))
    y = n.norm(f"{at}.norm3", n.conv(f"{at}.conv3", y, 1, 0))
    if f"{at}.conv_skip.weight" in n.p:
        x = n.norm(f"{at}.norm_skip", n.conv(f"{at}.conv_skip", x, stride, 0))
    return jax.nn.relu(y + x)


def resnet(blocks, width, deep=False, large=False):
    def forward(n, x):
        stem = n.conv("stem", x, 2, 3) if large else n.conv("stem", x)
        x = jax.nn.relu(n.norm("stem_norm", stem))
        if large:
            x = n.pool(x, 3, 2, 1)
        for i, count in enumerate(blocks):
            for k in range(count):
                x = (bottleneck if deep else block)(
                    n, f"stage{i + 1}.block{k + 1}", x, width << i,
                    2 if i and not k else 1)
        return n.dense("head", x.mean(n.space))
    return forward


def gelu(x):
    return jax.nn.gelu(x, approximate=False)


def airbench(n, x):
    x = gelu(n.conv("whiten", x, 1, 0))
    for i in "123":
        x = n.pool(n.conv(f"conv{i}1", x))
        x = gelu(n.norm(f"norm{i}1", x, 1e-12, 0.4))
        x = gelu(n.norm(f"norm{i}2", n.conv(f"conv{i}2", x), 1e-12, 0.4))
    return n.dense("head", n.flat(n.pool(x, 3))) / 9


def attention(n, at, x, heads):
    q, k, v = (y.reshape(*x.shape[:2], heads, -1)
               for y in jnp.split(n.dense(f"{at}.qkv", x), 3, -1))
    y = jax.nn.dot_product_attention(q, k, v, is_causal=True)
    return n.dense(f"{at}.out", y.reshape(x.shape))


def gpt(heads, blocks):
    """The scores are products with the embedding."""
    def forward(n, tokens):
        table = n.p["embedding.weight"]
        x = table[tokens] + n.p["position.weight"][:tokens.shape[1]]
        for i in range(blocks):
            at = f"block{i + 1}"
            x = x + attention(n, f"{at}.attention", n.layer_norm(f"{at}.norm1", x), heads)
            y = gelu(n.dense(f"{at}.hidden", n.layer_norm(f"{at}.norm2", x)))
            x = x + n.dense(f"{at}.out", y)
        return n.product(n.layer_norm("norm", x), table)
    return forward


NETS = {"mlp": perceptron(2), "tabular": perceptron(3), "cnn": cnn, "lenet": lenet,
        "resnet20": resnet([3, 3, 3], 16), "resnet18": resnet([2, 2, 2, 2], 64),
        "gpt": gpt(6, 6), "resnet18-tiny": resnet([2, 2, 2, 2], 8),
        "resnet50": resnet([3, 4, 6, 3], 64, True, True),
        "resnet50-tiny": resnet([3, 4, 6, 3], 8, True, True), "gpt2": gpt(12, 12),
        "gpt2-tiny": gpt(2, 2), "airbench": airbench, "airbench-tiny": airbench}
FROZEN = {"airbench": ("whiten.weight", ".scale"), "airbench-tiny": ("whiten.weight",
                                                                    ".scale")}
DROPS = {"cnn"}  # nets that differ without dropout

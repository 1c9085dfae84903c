# SPDX-License-Identifier: Apache-2.0
"""JAX's side of a row: one jitted function is the whole step, from taking the batch to
the optimizer (optax), its state given back in place.

    jax_peer.py JSON    see specification() in table/training.py
"""
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

import arrays
import jax_nets
import order
import worker

STATISTICS = (".mean", ".variance")  # of batch normalisation: moved, not trained


def optimizer(o):
    if o["type"] == "sgd":
        return optax.chain(optax.add_decayed_weights(o["weight_decay"]),
                           optax.sgd(o["lr"], o["momentum"], o["nesterov"]))
    if o["type"] == "adam":
        return optax.adam(o["lr"], o["beta1"], o["beta2"], o["eps"])
    return optax.adamw(o["lr"], o["beta1"], o["beta2"], o["eps"],
                       weight_decay=o["weight_decay"])


@jax.jit
def meet(slow, fast, stays):
    return jax.tree.map(lambda s, f: stays * s + (1.0 - stays) * f, slow, fast)


def changed(x, numbers, layout):
    """Images mirrored and moved, mirrored at their edges; numbers as order.changes."""
    if numbers is None:
        return x
    at = 1 if layout == "NHWC" else 2
    height, width = x.shape[at:at + 2]
    y, z = (jnp.arange(size) + numbers[:, i, None]
            for i, size in ((1, height), (2, width)))
    y, z = (jnp.minimum(abs(p), 2 * (size - 1) - abs(p))
            for p, size in ((y, height), (z, width)))
    z = jnp.where(numbers[:, :1] != 0, width - 1 - z, z)
    rows = jnp.arange(len(x))[:, None, None]
    y, z = y[:, :, None], z[:, None, :]
    return x[rows, y, z] if at == 1 else x[rows, :, y, z].transpose(0, 3, 1, 2)


class Variant:
    """One layout of images."""

    def __init__(self, spec, layout):
        self.spec, self.layout = spec, layout
        self.name = layout if spec["images"] else "plain"
        self.rule = optimizer(spec["optimizer"])
        self.order, self.at, self.state, self.pending = None, 1 << 60, None, None
        self.random = np.random.default_rng(1)

    def first(self, file=None):
        weights = {k.removeprefix("model."): v for k, v in
                   arrays.joined(np.load(file or self.spec["weights"])).items()}
        if self.layout == "NHWC":
            weights = {k: v.transpose(2, 3, 1, 0) if v.ndim == 4 else v
                       for k, v in weights.items()}
        weights = {k: jnp.array(v) for k, v in weights.items()}
        still = STATISTICS + jax_nets.FROZEN.get(self.spec["net"], ())
        rest = {k: weights.pop(k) for k in list(weights) if k.endswith(still)}
        self.slow, self.steps = jax.tree.map(jnp.copy, (weights, rest)), 0
        return weights, rest, self.rule.init(weights), jax.random.key(1)

    def met(self, state, progress):
        """Lookahead (Zhang et al. 2019) over parameters and running statistics."""
        rule = self.spec["lookahead"]
        self.steps += 1
        if not rule or self.steps % rule["every"]:
            return state
        p, rest, moments, key = state
        self.slow = meet(self.slow, (p, rest), rule["decay"] * progress ** rule["ramp"])
        return (*jax.tree.map(jnp.copy, self.slow), moments, key)

    def data(self, folder):
        x, y, table = arrays.load(self.spec["data"], folder)
        x = x if table is None else table[x]
        if x.ndim == 4 and self.layout == "NHWC":
            x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
        return jnp.array(x), jnp.array(y.astype(np.int32))

    def compile(self, dropout, mixed):
        net, smoothing = jax_nets.NETS[self.spec["net"]], self.spec["smoothing"]
        low = jnp.bfloat16 if mixed else None

        def loss_of(p, rest, x, y, key):
            n = jax_nets.Net({**p, **rest}, self.layout, key, dropout, low)
            logits = net(n, x).astype(jnp.float32)
            if smoothing:
                share = optax.smooth_labels(jax.nn.one_hot(y, logits.shape[-1]), smoothing)
                loss = optax.softmax_cross_entropy(logits, share).mean()
            else:
                loss = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
            return loss, {**rest, **n.moved}

        def step(state, rows, labels, ids, numbers):
            p, rest, moments, key = state
            key, now = jax.random.split(key)
            (loss, rest), g = jax.value_and_grad(loss_of, has_aux=True)(
                p, rest, changed(rows[ids], numbers, self.layout), labels[ids], now)
            change, moments = self.rule.update(g, moments, p)
            return (optax.apply_updates(p, change), rest, moments, key), loss

        return jax.jit(step, donate_argnums=0)

    def step(self):
        if self.state is None:
            self.rows, self.labels = self.data(self.spec["folder"])
            self.state = self.first()
            self.run = self.compile(True, self.spec["bf16"])
        batch, rows = self.spec["batch"], len(self.rows)
        if self.at + batch > rows:
            self.order, self.at = self.random.permutation(rows).astype(np.int32), 0
        ids = self.order[self.at:self.at + batch]
        self.at += batch
        padding = self.spec["padding"]
        numbers = order.drawn(self.random, batch, padding) if padding else None
        self.state, loss = self.run(self.state, self.rows, self.labels, ids, numbers)
        self.state = self.met(self.state, 0.5)
        # Waits for the loss before: the next step is prepared while this one runs.
        before, self.pending = self.pending, loss
        return float(loss if before is None else before)

    def curve(self, steps, weights):
        """The losses of runner's first steps, on its batches."""
        state, losses = self.first(weights), []
        seed, padding = self.spec["seed"], self.spec["padding"]
        for ids, epoch in order.batches(len(self.rows), self.spec["batch"], seed, steps):
            numbers = order.changes(ids, epoch, seed, padding) if padding else None
            state, loss = self.run(state, self.rows, self.labels, ids.astype(np.int32),
                                   numbers)
            losses.append(float(loss))
            state = self.met(state, len(losses) / steps)
        return losses


def check(variant, steps):
    """Losses from the first weights on one batch; nothing is dropped. As many rows as
    ever, so that what is compiled serves again."""
    again = variant.spec["net"] in jax_nets.DROPS or variant.spec["bf16"]
    run = variant.compile(False, False) if again else variant.run
    state = variant.first()
    rows, labels = (jnp.zeros_like(a).at[:len(b)].set(b) for a, b in
                    zip((variant.rows, variant.labels),
                        variant.data(variant.spec["check"])))
    ids, losses = np.arange(variant.spec["batch"], dtype=np.int32), []
    for _ in range(steps):
        state, loss = run(state, rows, labels, ids, None)
        losses.append(float(loss))
    return losses


def main():
    spec = json.loads(sys.argv[1])
    if spec["device"] == "cuda" and jax.default_backend() != "gpu":
        worker.unfit("this JAX sees no GPU")
    variants = [Variant(spec, layout)
                for layout in (["NHWC", "NCHW"] if spec["images"] else ["NCHW"])]
    if spec["few"]:
        variants = variants[:1]
    if spec["variant"] is not None:
        variants = [v for v in variants if v.name == spec["variant"]]
    weights = np.load(spec["weights"])
    worker.serve({"threads": spec["threads"],
                  "parameters": int(sum(v.size for k, v in weights.items()
                                        if not k.endswith(STATISTICS)))}, variants, check)


main()

# SPDX-License-Identifier: Apache-2.0
"""optax's AdamW over one buffer under jit, its state given back in place.

    jax_adamw.py JSON    {"count": N, "threads": T, "kind": "jax"}
"""
import json
import sys

import jax
import jax.numpy as jnp
import optax

import worker


class Update:
    name = "jax"

    def __init__(self, count):
        rule = optax.adamw(1e-3, weight_decay=0.01)
        self.p, self.g = jnp.zeros(count), jnp.linspace(-1.0, 1.0, count)
        self.moments = rule.init(self.p)

        def update(p, moments, g):
            change, moments = rule.update(g, moments, p)
            return optax.apply_updates(p, change), moments

        self.run = jax.jit(update, donate_argnums=(0, 1))

    def step(self):
        self.p, self.moments = self.run(self.p, self.moments, self.g)
        jax.block_until_ready(self.p)
        return 0.0


def main():
    o = json.loads(sys.argv[1])
    if o.get("device") == "cuda" and jax.default_backend() != "gpu":
        worker.unfit("this JAX sees no GPU")
    worker.serve({"parameters": o["count"]}, [Update(o["count"])])


main()

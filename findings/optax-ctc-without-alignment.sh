#!/usr/bin/env bash
# optax 0.2.8 with jax 0.10.2: ctc_loss of a target that is longer than its input allows
# (no alignment exists, the loss is infinite) is about 100,000, finite, with a finite
# gradient of ordinary size. One such row in a batch of ordinary rows makes the mean loss
# jump and pulls the weights towards a target that cannot be reached; isfinite() notices
# nothing. PyTorch gives inf and can zero such rows (zero_infinity). The constant is the
# default of the argument log_epsilon.
#
# Seen on 2026-11-30, CPU:
#   two frames, three labels: 100000.66, gradient finite: True, largest 0.42
#   three frames, labels 1 1 2 (a blank must stand between equal labels): 100001.49
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" -q install optax==0.2.8 jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$dir/venv/bin/python" - <<'PY'
import sys
import jax, jax.numpy as jnp, optax

def loss(logits, labels):
    y = jnp.array([labels])
    t = logits.shape[1]
    return optax.ctc_loss(logits, jnp.zeros((1, t)), y, jnp.zeros(y.shape))[0]

two = jnp.zeros((1, 2, 5))
a = float(loss(two, [1, 2, 3]))
g = jax.grad(loss)(two, [1, 2, 3])
finite, largest = bool(jnp.isfinite(g).all()), float(jnp.abs(g).max())
print(f"two frames, three labels: {a:.2f}, gradient finite: {finite}, largest {largest:.2f}")
b = float(loss(jnp.zeros((1, 3, 5)), [1, 1, 2]))
print(f"three frames, labels 1 1 2: {b:.2f}")
sys.exit(0 if 1e5 <= a < 1.001e5 and 1e5 <= b < 1.001e5 and finite and largest > 0.1 else 1)
PY

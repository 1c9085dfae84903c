#!/usr/bin/env bash
# optax 0.2.8 with jax 0.10.2: softmax_cross_entropy_with_integer_labels takes the
# label -1, which other frameworks use for "ignore", as the last class, in value and in
# gradient, while a label just above the range gives NaN. Nothing is raised or printed.
#
# Seen on 2026-11-30, CPU:
#   label  2: 0.407606   label -1: 0.407606   label  3: nan
#   gradient of label -1 equals that of label 2: True
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" -q install optax==0.2.8 jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$dir/venv/bin/python" - <<'PY'
import math, sys
import jax, jax.numpy as jnp, optax

logits = jnp.array([[0.0, 1.0, 2.0]])
loss = lambda x, y: optax.softmax_cross_entropy_with_integer_labels(x, jnp.array([y]))[0]
last, minus, above = (float(loss(logits, y)) for y in (2, -1, 3))
print(f"label  2: {last:.6f}   label -1: {minus:.6f}   label  3: {above}")
same = bool((jax.grad(loss)(logits, -1) == jax.grad(loss)(logits, 2)).all())
print("gradient of label -1 equals that of label 2:", same)
sys.exit(0 if last == minus and same and math.isnan(above) else 1)
PY

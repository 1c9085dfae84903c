# SPDX-License-Identifier: Apache-2.0
"""Made pictures: sums of waves."""
import numpy as np


def pictures(rng, n, channels, h, w):
    """Smooth random pictures: sums of waves."""
    y, x = np.mgrid[:h, :w] / max(h, w)
    out = np.zeros((n, channels, h, w))
    for i in range(n):
        for ch in range(channels):
            for _ in range(6):
                a, b, p = rng.uniform(-4, 4), rng.uniform(-4, 4), rng.uniform(0, 7)
                out[i, ch] += rng.uniform(.2, 1) * np.sin(6.3 * (a * x + b * y) + p)
    return np.clip(128 + 40 * out, 0, 255).astype("u1")


def noisy(rng, x, sd=2):
    return np.clip(x + rng.normal(0, sd, x.shape), 0, 255).round().astype("u1")

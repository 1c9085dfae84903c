#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print collate_golden.h: mixup and cutmix of the made source's samples in NumPy, as the
papers' formulas say, under the draws that key, epoch, batch and row give. Needs numpy."""
import math

import numpy as np

SEED, EPOCH, BATCH, ROWS, CLASSES = 6, 1, 5, 7, 3
MASK = 0xFFFFFFFF


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011)."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & MASK, (p0 >> 32) ^ c[3] ^ k[1], p0 & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


def key_of(purpose):
    h = 0xCBF29CE484222325
    for b in purpose.encode():
        h = (h ^ b) * 0x100000001B3 % 2**64
    h ^= SEED * 0x9E3779B97F4A7C15 % 2**64
    return h & MASK, h >> 32


class Draws:
    """The words at (epoch, batch, purpose, 0 ...), in order."""
    def __init__(self, key, batch, purpose):
        self.key, self.at, self.words = key, [EPOCH, batch, purpose, 0], []

    def word(self):
        if not self.words:
            self.words = philox(self.at, self.key)
            self.at[3] += 1
        return self.words.pop(0)

    def whole(self):
        low = self.word()
        return low | self.word() << 32

    def uniform(self):
        return ((self.whole() >> 12) + 0.5) / 2**52

    def normal(self):
        u, v = self.uniform(), self.uniform()
        return math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)

    def gamma(self, a):
        """Marsaglia and Tsang 2000."""
        more = self.uniform() ** (1 / a) if a < 1 else 1.0
        d = (a + 1 if a < 1 else a) - 1 / 3
        while True:
            x, u = self.normal(), self.uniform()
            v = (1 + x / math.sqrt(9 * d)) ** 3
            if v > 0 and math.log(u) < x * x / 2 + d - d * v + d * math.log(v):
                return d * v * more

    def share(self, p, alpha):
        mixed = self.uniform() < p
        x, y = self.gamma(alpha), self.gamma(alpha)
        return x / (x + y) if mixed else 1.0

    def permutation(self, n):
        v = list(range(n))
        for i in range(n, 1, -1):
            k = self.whole() % i
            v[i - 1], v[k] = v[k], v[i - 1]
        return v


def batches():
    for batch, first in enumerate(range(0, ROWS, BATCH)):
        ids = np.arange(first, min(ROWS, first + BATCH))
        x = ((ids * ids % 97)[:, None].astype("f4")
             + np.float32(0.1) * np.arange(6, dtype="f4")).reshape(-1, 2, 3)
        label = np.where(ids % 3 != 0, 0, np.where(ids % 9 != 0, 1, 2))
        yield batch, x.astype("f8"), np.eye(CLASSES)[label]


def row_draws(key, batch, n, per):
    """Draws of the batch, asked once, or of each row."""
    if per == "batch":
        return [Draws(key, batch, 1)]
    return [Draws(key, batch, 2 + i) for i in range(n)]


def mixup(alpha, p, per):
    for batch, x, t in batches():
        n, key = len(x), key_of("collate.0")
        j = Draws(key, batch, 0).permutation(n)
        lam = np.array([d.share(p, alpha) for d in row_draws(key, batch, n, per)])
        wide = lam[:, None, None]
        yield wide * x + (1 - wide) * x[j], lam[:, None] * t + (1 - lam[:, None]) * t[j]


def cutmix(alpha, p, per):
    for batch, x, t in batches():
        n, key = len(x), key_of("collate.0")
        j = Draws(key, batch, 0).permutation(n)
        draws, mask = row_draws(key, batch, n, per), np.ones_like(x)
        height, width = x.shape[1:]
        for d, m in zip(draws, [mask] if per == "batch" else mask):
            side = math.sqrt(1 - d.share(p, alpha))
            w, h = int(width * side), int(height * side)
            cx, cy = d.whole() % width, d.whole() % height
            rows = slice(max(cy - h // 2, 0), min(cy + h // 2, height))
            columns = slice(max(cx - w // 2, 0), min(cx + w // 2, width))
            m[..., rows, columns] = 0
        lam = mask.mean((1, 2))[:, None]
        yield mask * x + (1 - mask) * x[j], lam * t + (1 - lam) * t[j]


CASES = [("mixup_batch", mixup, 0.4, 1.0, "batch"), ("mixup_sample", mixup, 2.5, 0.7, "sample"),
         ("cutmix_batch", cutmix, 0.3, 1.0, "batch"),
         ("cutmix_sample", cutmix, 0.3, 0.9, "sample")]
print("/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by collate_golden.py. */")
print(f"#define GOLDEN_SEED  {SEED}\n#define GOLDEN_EPOCH {EPOCH}\n#define GOLDEN_BATCH {BATCH}")
print(f"#define GOLDEN_ROWS  {ROWS}")
print("static const struct {\n    const char *options;\n    float x[GOLDEN_ROWS][6], "
      "target[GOLDEN_ROWS][3];\n} golden[] = {")
for name, f, alpha, p, per in CASES:
    x, t = (np.concatenate(v) for v in zip(*f(alpha, p, per)))
    print(f'    {{"type: {name.split("_")[0]}, alpha: {alpha}, p: {p}, per: {per}",')
    for a in (x.reshape(len(x), -1), t):
        print("     {{" + "},\n      {".join(", ".join(f"{v:.8g}" for v in r) for r in a) + "}},")
    print("    },")
print("};")
